"""Program: a computation graph as data, the same in a replay file, in a corpus and on the wire.

A program is a list of input arrays, a list of steps in single-assignment order and a list of outputs.
Values are numbered: the inputs first, then every output of every step in order. Each output comes with
a seed, the cotangent that is fed into it, so that a program has one gradient: that of the sum of
``sum(seed * output)`` over its outputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from types import EllipsisType
from typing import TypeAlias, cast

import numpy as np

from dezero.contract import Array

MAX_STEPS = 100_000
MAX_ELEMENTS = 1_000_000
"""The most elements that one value of a program may have, and all of its inputs together."""
MAX_DEPTH = 8
"""How deep an attribute may be nested."""
MAX_BYTES = 16_000_000
"""The longest JSON text that is read."""

FLOATS = ("float64", "float32")
DTYPES = (*FLOATS, "int64", "bool")

AttributeValue: TypeAlias = (
    "None | bool | int | float | str | slice | EllipsisType | Array | tuple[AttributeValue, ...]"
)
Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"


class ProgramError(ValueError):
    """A program is malformed; the message says where, what came and what was expected."""


@dataclass(frozen=True, slots=True)
class Step:
    """One application of an operation.

    Attributes:
        op: The operation's wire name.
        operands: The numbers of the values that it reads.
        attributes: What the operation's constructor takes.
        n_out: How many values it gives.
    """

    op: str
    operands: tuple[int, ...]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])
    n_out: int = 1

    def on(self, operands: Iterable[int]) -> Step:
        """The same step on other operands."""
        return Step(self.op, tuple(operands), self.attributes, self.n_out)


@dataclass(frozen=True, slots=True)
class Program:
    """A computation graph as data.

    Attributes:
        inputs: The arrays it starts from: float64 or float32, all the same.
        steps: The operations applied, each reading earlier values only.
        outputs: The numbers of the values that it gives: such as steps have made.
        seeds: For each output its cotangent, of the output's shape and of the inputs' element type.
    """

    inputs: tuple[Array, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    seeds: tuple[Array, ...]

    def __post_init__(self) -> None:
        """Raises ProgramError unless there is one element type, and references point backwards."""
        if len(self.steps) > MAX_STEPS:
            raise ProgramError(f"program: {len(self.steps)} steps; at most {MAX_STEPS} are allowed")
        for what, array in [(f"input {i}", x) for i, x in enumerate(self.inputs)] + [
            (f"seed {i}", s) for i, s in enumerate(self.seeds)
        ]:
            if array.dtype.kind != "f":
                raise ProgramError(f"{what}: dtype {array.dtype}; expected a floating one")
            if array.dtype != self.dtype:
                raise ProgramError(f"{what}: dtype {array.dtype}; expected {self.dtype}, as the first")
        n_values = len(self.inputs)
        for number, step in enumerate(self.steps):
            for operand in step.operands:
                if not 0 <= operand < n_values:
                    raise ProgramError(
                        f"step {number} ({step.op}): operand {operand} is not a value yet; "
                        f"expected 0 to {n_values - 1}"
                    )
            if step.n_out < 1:
                raise ProgramError(f"step {number} ({step.op}): n_out is {step.n_out}; at least 1")
            n_values += step.n_out
        if n_values > MAX_ELEMENTS:
            raise ProgramError(f"program: {n_values} values; at most {MAX_ELEMENTS} are allowed")
        for output in self.outputs:
            if not len(self.inputs) <= output < n_values:
                raise ProgramError(
                    f"program: output {output} is not a value that a step gives; "
                    f"expected {len(self.inputs)} to {n_values - 1}"
                )
        if not self.outputs:
            raise ProgramError("program: no outputs; at least one is needed")
        if len(self.seeds) != len(self.outputs):
            raise ProgramError(
                f"program: {len(self.seeds)} seeds for {len(self.outputs)} outputs; one for each"
            )

    @property
    def n_values(self) -> int:
        """The number of values: inputs, then the outputs of every step."""
        return len(self.inputs) + sum(step.n_out for step in self.steps)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The element type of the inputs (float64 if there are none), and of the seeds."""
        return self.inputs[0].dtype if self.inputs else np.dtype(np.float64)

    def places(self) -> Iterator[tuple[Step, int]]:
        """Each step with the number of its first output."""
        n_values = len(self.inputs)
        for step in self.steps:
            yield step, n_values
            n_values += step.n_out

    def feeds(self, first: str, second: str) -> bool:
        """Whether a result of the operation ``first`` is an operand of ``second``."""
        made = {v for s, n in self.places() if s.op == first for v in range(n, n + s.n_out)}
        return any(step.op == second and not made.isdisjoint(step.operands) for step in self.steps)

    def with_inputs(self, inputs: Sequence[Array]) -> Program:
        """The same graph over other inputs."""
        return replace(self, inputs=tuple(inputs))

    def astype(self, dtype: str) -> Program:
        """The same graph with inputs and seeds of another element type."""
        return replace(
            self,
            inputs=tuple(x.astype(dtype) for x in self.inputs),
            seeds=tuple(s.astype(dtype) for s in self.seeds),
        )

    def pruned(self) -> Program:
        """The same function without the steps and inputs that no output depends on."""
        needed = set(self.outputs)
        kept_steps: list[bool] = []
        for step, first in reversed(list(self.places())):
            kept = any(first + k in needed for k in range(step.n_out))
            kept_steps.append(kept)
            if kept:
                needed.update(step.operands)
        kept_steps.reverse()
        kept_inputs = [i for i in range(len(self.inputs)) if i in needed]
        renumbered = {old: new for new, old in enumerate(kept_inputs)}
        steps: list[Step] = []
        n_values = len(kept_inputs)
        for (step, first), kept in zip(self.places(), kept_steps, strict=True):
            if kept:
                steps.append(step.on([renumbered[i] for i in step.operands]))
                for k in range(step.n_out):
                    renumbered[first + k] = n_values
                    n_values += 1
        return Program(
            tuple(self.inputs[i] for i in kept_inputs),
            tuple(steps),
            tuple(renumbered[i] for i in self.outputs),
            self.seeds,
        )

    def to_json(self) -> str:
        """The program as a line of JSON; `from_json` gives the same program, bit for bit."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_dict(
        self,
        tensor: Callable[[Array], Json] | None = None,
        nodes: Callable[[tuple[Step, ...]], Json] | None = None,
    ) -> dict[str, Json]:
        """The program as what JSON can hold; arrays and steps by other functions, if they are given."""
        tensor = tensor or encode_tensor
        return {
            "inputs": [tensor(x) for x in self.inputs],
            "nodes": (nodes or encode_steps)(self.steps),
            "outputs": list(self.outputs),
            "seeds": [tensor(s) for s in self.seeds],
        }

    @staticmethod
    def from_json(text: str) -> Program:
        """The program that a JSON text describes.

        Raises:
            ProgramError: The text is not JSON, too long, nested too deeply, or not a program.
        """
        if len(text) > MAX_BYTES:
            raise ProgramError(f"program: {len(text)} characters; at most {MAX_BYTES} are read")
        try:
            # JSON and nothing else.
            decoded = cast(Json, json.loads(text, parse_constant=refuse_constant))
        except (ValueError, RecursionError) as error:
            raise ProgramError(f"program: not JSON: {error}") from None
        return Program.from_dict(decoded)

    @staticmethod
    def from_dict(decoded: Json) -> Program:
        """The program that decoded JSON describes; raises ProgramError as `from_json` does."""
        record = _expect_record(decoded, "program")
        inputs = tuple(
            decode_tensor(t, f"input {i}")
            for i, t in enumerate(_expect_list(record.get("inputs"), "program: inputs"))
        )
        if sum(x.size for x in inputs) > MAX_ELEMENTS:
            raise ProgramError(
                f"program: {sum(x.size for x in inputs)} elements in its inputs; "
                f"at most {MAX_ELEMENTS} are allowed"
            )
        nodes = _expect_list(record.get("nodes"), "program: nodes")
        steps = tuple(_decode_step(node, f"node {i}") for i, node in enumerate(nodes))
        outputs = _expect_references(record.get("outputs"), "program: outputs")
        seeds = tuple(
            decode_tensor(t, f"seed {i}")
            for i, t in enumerate(_expect_list(record.get("seeds"), "program: seeds"))
        )
        return Program(inputs, steps, outputs, seeds)


def encode_tensor(array: Array) -> Json:
    """An array as `{"dtype", "shape", "data"}`: flat, row by row, in shortest decimals.

    What JSON's numbers cannot say is said by the strings "NaN", "Infinity", "-Infinity" and "-0".
    """
    dtype = _name_of(array.dtype)
    if dtype not in DTYPES:
        raise ProgramError(f"tensor: dtype {array.dtype} cannot be written; one of {DTYPES} can")
    # Of one of DTYPES.
    values = cast(list[bool | int | float], array.ravel().tolist())
    return {
        "dtype": dtype,
        "shape": list(array.shape),
        # What is finite and not zero stands for itself.
        "data": [v if v and v - v == 0 else _encode_number(v) for v in values],
    }


def decode_tensor(decoded: Json, where: str) -> Array:
    """The array that `encode_tensor` wrote; raises ProgramError on anything else."""
    record = _expect_record(decoded, where)
    dtype = record.get("dtype")
    if dtype not in DTYPES:
        raise ProgramError(f"{where}: dtype {_shown(dtype)}; expected one of {', '.join(DTYPES)}")
    shape = _expect_references(record.get("shape"), f"{where}: shape")
    size = math.prod(shape)
    if len(shape) > 32 or math.prod(n or 1 for n in shape) > MAX_ELEMENTS:
        raise ProgramError(
            f"{where}: shape {_shown(list(shape))}; "
            f"at most {MAX_ELEMENTS} elements in at most 32 axes are allowed"
        )
    data = _expect_list(record.get("data"), f"{where}: data")
    if len(data) != size:
        raise ProgramError(f"{where}: {len(data)} numbers for shape {list(shape)}; expected {size}")
    if dtype in FLOATS and _PLAIN.issuperset(map(type, data)):  # as nearly always
        with suppress(OverflowError):  # an integer that no float holds
            return np.array(data, dtype=str(dtype)).reshape(shape)
    numbers = [_decode_number(value, str(dtype), where) for value in data]
    return np.array(numbers, dtype=str(dtype)).reshape(shape)


_PLAIN = frozenset((float, int))
"""The types of JSON's numbers: those of floats that are neither infinite nor NaN."""


@cache
def _name_of(dtype: np.dtype[np.generic]) -> str:
    """Its name, which NumPy would put together anew each time."""
    return dtype.name


_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}


def _encode_number(value: bool | int | float) -> Json:
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        if str(value) == "-0.0":
            return "-0"
    return value


def _decode_number(value: Json, dtype: str, where: str) -> bool | int | float:
    if dtype == "bool":
        if isinstance(value, bool):
            return value
    elif dtype == "int64":
        if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
    elif isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ProgramError(f"{where}: {_shown(value)} is not a number of dtype {dtype}")


def encode_steps(steps: Iterable[Step]) -> Json:
    """Steps as what JSON can hold."""
    return [
        {
            "op": step.op,
            "in": list(step.operands),
            "attrs": {k: encode_attribute(v) for k, v in step.attributes.items()},
            "n_out": step.n_out,
        }
        for step in steps
    ]


def encode_attribute(value: AttributeValue) -> Json:
    """An attribute as what JSON can hold."""
    if isinstance(value, np.ndarray):
        return encode_tensor(value)
    if isinstance(value, tuple):
        return [encode_attribute(item) for item in value]
    if isinstance(value, slice):
        # A slice of an attribute holds nothing else.
        parts = cast(tuple[int | None, ...], (value.start, value.stop, value.step))
        return {"slice": list(parts)}
    if isinstance(value, EllipsisType):
        return {"ellipsis": True}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": _encode_number(value)}
    return value


def decode_attribute(decoded: Json, where: str, depth: int = 0) -> AttributeValue:
    """The attribute that `encode_attribute` wrote; raises ProgramError on anything else."""
    if depth > MAX_DEPTH:
        raise ProgramError(f"{where}: nested more than {MAX_DEPTH} deep")
    if isinstance(decoded, list):
        return tuple(decode_attribute(item, where, depth + 1) for item in decoded)
    if isinstance(decoded, dict):
        if decoded.keys() == {"slice"}:
            parts = _expect_list(decoded["slice"], f"{where}: slice")
            if len(parts) == 3 and all(p is None or _is_small_integer(p) for p in parts):
                start, stop, stride = cast("list[int | None]", parts)  # as was asked
                return slice(start, stop, stride)
            raise ProgramError(f"{where}: slice {_shown(parts)}; expected three integers or nulls")
        if decoded.keys() == {"ellipsis"}:
            return ...
        if decoded.keys() == {"float"}:
            return float(_decode_number(decoded["float"], "float64", where))
        return decode_tensor(decoded, where)
    if isinstance(decoded, int) and not isinstance(decoded, bool) and not _is_small_integer(decoded):
        raise ProgramError(f"{where}: {_shown(decoded)}; integers up to {MAX_ELEMENTS} are allowed")
    return decoded


def _decode_step(decoded: Json, where: str) -> Step:
    record = _expect_record(decoded, where)
    op = record.get("op")
    if not isinstance(op, str):
        raise ProgramError(f"{where}: op is {_shown(op)}; expected an operation's name")
    where = f"{where} ({_shown(op)[1:-1]})"
    attributes = _expect_record(record.get("attrs", {}), f"{where}: attrs")
    n_out = record.get("n_out", 1)
    if not _is_small_integer(n_out):
        raise ProgramError(f"{where}: n_out is {_shown(n_out)}; expected a positive integer")
    return Step(
        op,
        _expect_references(record.get("in"), f"{where}: in"),
        {k: decode_attribute(v, f"{where}: {_shown(k)[1:-1]}") for k, v in attributes.items()},
        cast(int, n_out),  # as was asked
    )


def _is_small_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_ELEMENTS


def _expect_record(decoded: Json, where: str) -> dict[str, Json]:
    if not isinstance(decoded, dict):
        raise ProgramError(f"{where}: {_shown(decoded)}; expected an object")
    return decoded


def _expect_list(decoded: Json, where: str) -> list[Json]:
    if not isinstance(decoded, list):
        raise ProgramError(f"{where}: {_shown(decoded)}; expected a list")
    return decoded


def _expect_references(decoded: Json, where: str) -> tuple[int, ...]:
    numbers = _expect_list(decoded, where)
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ProgramError(f"{where}: {_shown(number)}; expected a non-negative integer")
    return tuple(cast("list[int]", numbers))  # as was asked


def refuse_constant(name: str) -> float:
    """What `json.loads` shall make of NaN and Infinity, which JSON does not have: a ValueError."""
    raise ValueError(f'{name} is not a JSON number; write it as a string: "{name}"')


def _shown(value: object) -> str:
    """A value as an error shows it: one line, and not the whole of a long one."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
