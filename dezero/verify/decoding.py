"""Programs from numbers: what random choices stand for, without ever failing.

A program is a list of records, each with all that a step needs. Operands are found by "the k-th most
recent value that fits", attributes are made to fit the operand, and where a value lies outside of an
operation's domain it is led into it by an operation in between; what is not there is made a new input.
So leaving a record out, or making a number of it smaller, gives a smaller program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from dezero.contract import (
    NONEMPTY,
    NONEMPTY_BATCH,
    REALS,
    Array,
    Attribute,
    Contract,
    Shapes,
    Smoothness,
)
from dezero.verify.attributes import SHAPES, Bits, attributes_for, pair
from dezero.verify.evaluation import apply, check_size, evaluate
from dezero.verify.program import AttributeValue, Program, ProgramError, Step

Record: TypeAlias = tuple[int, int, int]
"""Which operation, which first operand, and the bits of which all else is made."""

NICE_VALUES = (1.0, 2.0, 0.5, -1.0, 0.0, -2.0, 0.25, 3.0)
FEW_VALUES = (0.0, 1.0, -1.0, 2.0, 0.5)
RECENT = (0, 1, 0, 2, 0, 1, 3, 0, 5)
"""Which of the values that fit: mostly one that nothing uses yet, so that there are few sinks."""

MOST_ELEMENTS = 48
"""The most elements of a value: what fails on more fails on fewer."""
LARGEST = {"float64": 1e4, "float32": 1e2}
"""The largest magnitude that a step may give: beyond, rounding hides what the laws look for."""
SEEDS = np.array((1.0, -1.0, 2.0, -0.5))
"""Of what, but for a factor, the seeds are made."""
NEAREST = 1e-2
"""How near to the edge of a domain, and to a kink without lying on it, operands may come."""


def input_array(shape: tuple[int, ...], number: int, dtype: str) -> Array:
    """The array that a number stands for: small ones give few and simple values."""
    bound = LARGEST[dtype] / 2
    bounded: Array = np.clip(_numbers(math.prod(shape), number), -bound, bound)
    return bounded.astype(np.float32).astype(dtype).reshape(shape)


@lru_cache(maxsize=4096)
def _numbers(size: int, number: int) -> Array:
    """What `input_array` bounds and rounds; kept a while, for sweeps and shrinking ask for it again."""
    if number < 8:
        values = np.array([NICE_VALUES[(number + i) % 8] for i in range(size)])
    elif number < 16:  # all tied
        values = np.full(size, NICE_VALUES[number - 8])
    else:
        random = np.random.default_rng(number)
        values = random.normal(size=size) * 2.0
        if number % 4 == 1:  # ties, and zeros
            values = random.choice(FEW_VALUES, size)
        elif number % 8 == 2:  # many magnitudes
            values = values * 10.0 ** random.integers(-9, 3, size)
        elif number % 16 == 4:  # large ones: where something saturates, and where something overflows
            values = random.choice((1.0, 1.0, -1.0), size) * 10.0 ** random.uniform(2.5, 3.7, size)
        elif number % 16 == 12:  # tiny ones: so that 1 + x is rounded, though x has few digits
            values = values * 1e-14
        elif number % 16 == 3:  # positive
            values = np.abs(values) + 0.1
        elif number % 16 == 11:  # negative: less than what pads, or than nothing at all
            values = -np.abs(values) - 0.1
    return values


TIED = range(8, 16)
"""The numbers of which `input_array` makes arrays of one value."""
KINDS = (*(range(16 + rest, 256, 16) for rest in (1, 4, 0, 12, 11)), TIED)
"""The numbers of which it makes few different values, large, any, tiny, negative, and tied."""


@dataclass
class _Value:
    """A value of the program that is being made.

    Attributes:
        array: Its numbers.
        exact: Whether no rounding went into it.
        given: Whether it is an input.
        used: Whether a step reads it.
    """

    array: Array
    exact: bool
    given: bool = False
    used: bool = False


class _Builder:
    """A program that is being made, with the values of its steps."""

    def __init__(
        self, contracts: Sequence[Contract], inputs: Sequence[Array], dtype: str, as_given: bool = False
    ) -> None:
        self.contracts = {contract.name: contract for contract in contracts}
        self.dtype = dtype
        self.as_given = as_given
        self.values = [_Value(x, True, given=True) for x in inputs]
        self.steps: list[Step] = []

    def recent(self, fits: Callable[[Array], bool]) -> list[int]:
        """The values that fit: the most recent first, but those that nothing uses before the others."""
        fitting = [i for i in range(len(self.values) - 1, -1, -1) if fits(self.values[i].array)]
        return sorted(fitting, key=lambda i: self.values[i].used)

    def input(self, shape: tuple[int, ...], number: int) -> int:
        """The number of a new input."""
        self.values.append(_Value(input_array(shape, number, self.dtype), True, given=True))
        return len(self.values) - 1

    def add(self, op: str, operands: Sequence[int], **attributes: AttributeValue) -> int | None:
        """The number of the first output of a new step; None if the step would not be a good one."""
        contract = self.contracts.get(op)
        if contract is None:
            return None
        xs = [self.values[i].array for i in operands]
        # A clearance is that of the domain where the operation is defined, for real numbers.
        with np.errstate(all="ignore"):
            if contract.domain.clearance(*xs, **attributes) < NEAREST:
                return None
            exact = all(self.values[i].exact for i in operands)
            if contract.kinks is not None:
                gap = contract.kinks.clearance(*xs, **attributes)
                # On a kink only where every engine is bound to land on it, too.
                if gap < NEAREST and not (gap == 0 and exact):
                    return None
            step = Step(op, tuple(operands), attributes, _n_out(contract, attributes))
            try:
                check_size(step, xs)
                results = apply(step, xs)
            except ProgramError:
                return None
        limit = LARGEST[self.dtype]
        for y in results:
            if y.size > MOST_ELEMENTS or y.ndim > 6:
                return None
            if y.size and not float(np.abs(y).max()) <= limit:
                return None
        first = len(self.values)
        copies = exact and _copies(contract)
        self.values.extend(_Value(np.asarray(y, self.dtype), copies) for y in results)
        for i in operands:
            self.values[i].used = True
        self.steps.append(step)
        return first

    def back_to(self, n_values: int, n_steps: int) -> None:
        """Forget the latest values and steps."""
        del self.values[n_values:], self.steps[n_steps:]
        read = {i for step in self.steps for i in step.operands}
        for i, value in enumerate(self.values):
            value.used = i in read

    def led_in(self) -> list[list[str]]:
        """Ways to lead a value into a domain, the most direct first."""
        names = (
            ["square", "log1p"],
            ["square", "softplus"],
            ["sin"],
            ["tanh"],
            ["square"],
            ["sigmoid"],
        )
        return [way for way in names if all(name in self.contracts for name in way)]

    def program(self, seed: int) -> Program | None:
        """The program with all sinks for outputs; None if there is no step."""
        outputs = [i for i, value in enumerate(self.values) if not (value.given or value.used)]
        if not outputs:
            return None
        if seed % 4 == 3 and len(outputs) > 1:  # some results that nobody asks for
            outputs = outputs[1:]
        elif seed % 4 != 1:  # each has a backward of its own: one or two are as telling as many
            outputs = outputs[-1 - (seed % 4) // 2 :]
        random = np.random.default_rng(seed)
        seeds = [
            SEEDS[random.integers(len(SEEDS), size=self.values[i].array.shape)] * (1 + seed % 3 / 4)
            for i in outputs
        ]
        # In a program the inputs come first.
        order = sorted(range(len(self.values)), key=lambda i: not self.values[i].given)
        numbers = {old: new for new, old in enumerate(order)}
        program = Program(
            tuple(value.array for value in self.values if value.given),
            tuple(s.on(numbers[i] for i in s.operands) for s in self.steps),
            tuple(numbers[i] for i in outputs),
            tuple(np.asarray(s, self.dtype) for s in seeds),
        )
        return program if seed % 8 == 7 else program.pruned()


def _n_out(contract: Contract, attributes: Mapping[str, AttributeValue]) -> int:
    outputs = attributes["sections"] if contract.outputs is None else contract.outputs
    assert isinstance(outputs, int)
    return outputs


_SUMS = frozenset(("add", "sub", "sum", "mean", "cumsum", "sum_to", "get_item_grad"))


def _copies(contract: Contract) -> bool:
    """Whether an operation only picks, moves or negates elements, so that no engine rounds."""
    if contract.smoothness is Smoothness.LINEAR:
        return contract.name not in _SUMS
    return contract.name in ("abs", "relu", "max", "min", "maximum", "minimum", "clip")


def decode(
    contracts: Sequence[Contract],
    sources: Sequence[tuple[int, int]],
    records: Sequence[Record],
    seed: int,
    dtype: str,
    *,
    as_given: bool = False,
) -> Program:
    """The program that some records stand for: never an error, and never empty.

    Args:
        contracts: The operations, simple ones first.
        sources: For each input the number of its shape, and of its numbers.
        records: What the steps are made of.
        seed: What outputs and seeds are made of.
        dtype: The element type.
        as_given: Whether the inputs are always taken as they are. Else other ones come in their place
            now and then, on which an operation has a kink.
    """
    inputs = [input_array(SHAPES[shape], number, dtype) for shape, number in sources]
    builder = _Builder(contracts, inputs, dtype, as_given)
    for op, first, bits in records:
        _add_step(builder, contracts[op], first, Bits(bits))
    program = builder.program(seed)
    if program is not None:
        return program
    # No record fits its operands: the simplest step on numbers that are in every domain.
    for contract in contracts:
        builder = _Builder(contracts, [np.full((2, 2), 0.5, dtype)], dtype)
        _add_step(builder, contract, 0, Bits(0))
        program = builder.program(0)
        if program is not None:
            return program
    raise ValueError(f"no operation of {[c.name for c in contracts]} takes a matrix of 0.5")


def well_placed(program: Program, contracts: Mapping[str, Contract]) -> bool:
    """Whether the operands of a program lie within the domains, and on kinks or away from them.

    And whether every value lies within the range of the program's element type.
    """
    with np.errstate(all="ignore"):
        try:
            values = evaluate(program.astype("float64"))
        except ProgramError:
            return False
        for step in program.steps:
            operands = [values[i] for i in step.operands]
            contract = contracts[step.op]
            if contract.domain.clearance(*operands, **step.attributes) < NEAREST:
                return False
            if contract.kinks is not None:
                gap = contract.kinks.clearance(*operands, **step.attributes)
                if 0 < gap < NEAREST:
                    return False
        return all(bool(np.all(np.isfinite(value.astype(program.dtype)))) for value in values)


def _add_step(builder: _Builder, contract: Contract, first: int, bits: Bits) -> None:
    """Adds the step that a record stands for, with steps before it that make its operands fit."""
    candidates = builder.recent(lambda x: _fits(contract, x))
    if not candidates:
        shaped = None
        for i in builder.recent(lambda x: x.size > 0)[:1]:
            shape = _shape_of_size(contract, builder.values[i].array.size, bits)
            shaped = builder.add("reshape", [i], shape=shape)
        if shaped is None:
            shaped = builder.input(_shape_of_size(contract, 6, bits), bits.choose(256))
        candidates = [shaped]
    if not builder.as_given and (contract.kinks is not None or contract.domain is not REALS):
        chosen = bits.choose(4)
        if chosen == 3:  # simple and tied values often lie on a kink, or are a special case
            candidates = [builder.input(builder.values[candidates[0]].array.shape, bits.choose(16))]
        elif chosen and contract.kinks is not None:  # only what is exact may lie on a kink
            candidates = [i for i in candidates if builder.values[i].exact] or candidates
    a = candidates[first % len(candidates)]
    attributes = attributes_for(contract, builder.values[a].array, bits)
    operands = _operands(builder, contract, a, attributes, bits)
    if operands is None or builder.add(contract.name, operands, **attributes) is not None:
        return
    n_values, n_steps = len(builder.values), len(builder.steps)
    for way in builder.led_in():
        # The operand that has a domain is the last; all of them may have to be smaller.
        led = [_led(builder, i, way) for i in operands]
        if None not in led:
            fitting = [i for i in led if i is not None]
            if builder.add(contract.name, fitting, **attributes) is not None:
                return
        builder.back_to(n_values, n_steps)


def _led(builder: _Builder, i: int, way: Sequence[str]) -> int | None:
    led: int | None = i
    for op in way:
        if led is not None:
            led = builder.add(op, [led])
    return led


_RANKS: Mapping[Shapes, tuple[int, int]] = {
    Shapes.MATMUL: (1, 5),
    Shapes.IMAGES: (4, 4),
    Shapes.CONVOLUTION: (4, 4),
    Shapes.DECONVOLUTION: (4, 4),
    Shapes.CONVOLUTION_GRADIENT: (4, 4),
    Shapes.WINDOWS: (2, 2),
    Shapes.LINEAR: (1, 5),
    Shapes.CLASSES: (2, 2),
    Shapes.ROWS: (1, 5),
    Shapes.PER_CHANNEL: (2, 5),
    Shapes.PER_FEATURE: (1, 5),
}
"""The fewest and the most axes of the first operand, where not any number will do."""
_MAY_BE_EMPTY = (Shapes.ANY, Shapes.MATMUL, Shapes.ELEMENTWISE, Shapes.EQUAL, Shapes.EQUAL_BUT_AXIS)


def _fits(contract: Contract, x: Array) -> bool:
    """Whether a value can be the first operand of an operation, as far as its shape goes."""
    if x.ndim == 0 and Attribute.AXIS in contract.attributes.values():
        return False
    if x.size == 0 and (contract.shapes not in _MAY_BE_EMPTY or contract.domain in _NOT_EMPTY):
        return False
    fewest, most = _RANKS.get(contract.shapes, (0, x.ndim))
    return fewest <= x.ndim <= most


_NOT_EMPTY = (NONEMPTY, NONEMPTY_BATCH)


def _shape_of_size(contract: Contract, size: int, bits: Bits) -> tuple[int, ...]:
    """A shape for as many elements that the first operand of an operation may have."""
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    columns = divisors[bits.choose(len(divisors))]
    fewest, _ = _RANKS.get(contract.shapes, (1, 1))
    return (size,) if fewest < 2 else (*(1,) * (fewest - 2), size // columns, columns)


def _shapes_beside(
    contract: Contract, x: tuple[int, ...], attributes: Mapping[str, AttributeValue], bits: Bits
) -> list[tuple[int, ...]] | None:
    """The shapes of the other operands, given that of the first; None if there are several choices."""
    stride, pad = pair(attributes.get("stride", 1)), pair(attributes.get("pad", 0))
    match contract.shapes:
        case Shapes.ANY | Shapes.IMAGES | Shapes.WINDOWS | Shapes.CLASSES | Shapes.ROWS:
            return []
        case Shapes.LINEAR:
            n_out = 1 + bits.choose(3)
            return [(x[-1], n_out), (n_out,)]
        case Shapes.PER_CHANNEL:
            return [(x[1],), (x[1],)]
        case Shapes.PER_FEATURE:
            return [(x[-1],), (x[-1],)]
        case Shapes.CONVOLUTION:
            window = [1 + bits.choose(min(3, n + 2 * p)) for n, p in zip(x[2:], pad, strict=True)]
            return [(1 + bits.choose(2), x[1], *window)]
        case Shapes.DECONVOLUTION:
            room = [2 * p - (n - 1) * s for n, s, p in zip(x[2:], stride, pad, strict=True)]
            if attributes["outsize"] is None:
                window = [max(1, r + 1) + bits.choose(2) for r in room]
            else:
                outsize = zip(pair(attributes["outsize"]), room, stride, strict=True)
                window = [max(1, n + r - bits.choose(s)) for n, r, s in outsize]
            return [(x[1], 1 + bits.choose(2), *window)]
        case Shapes.CONVOLUTION_GRADIENT:
            kernel = pair(attributes["kernel_size"])
            sizes = zip(x[2:], kernel, stride, pad, strict=True)
            return [(x[0], 1 + bits.choose(2), *((n + 2 * p - k) // s + 1 for n, k, s, p in sizes))]
        case _:
            return None


def _has_shape(shape: tuple[int, ...], y: Array) -> bool:
    return y.shape == shape


def _operands(
    builder: _Builder,
    contract: Contract,
    a: int,
    attributes: Mapping[str, AttributeValue],
    bits: Bits,
) -> list[int] | None:
    """The operands that go with ``a``, by their shapes: values that fit, else new inputs."""
    x = builder.values[a].array
    beside = _shapes_beside(contract, x.shape, attributes, bits)
    if beside is not None:
        operands = [a]
        for shape in beside:
            fitting = [i for i in builder.recent(partial(_has_shape, shape)) if i not in operands]
            operands.append(fitting[0] if fitting else builder.input(shape, 16 + bits.choose(64)))
        return operands
    if contract.shapes is Shapes.MATMUL:
        fitting = builder.recent(lambda y: _multiplies(x.shape, y.shape))
        if not fitting:
            turned = builder.add("swapaxes", [a], axis1=-1, axis2=-2)
            fitting = [] if turned is None else [turned]
    elif contract.shapes is Shapes.ELEMENTWISE:
        fitting = builder.recent(lambda y: _broadcast(x.shape, y.shape))
    elif contract.shapes is Shapes.EQUAL:
        fitting = builder.recent(lambda y: y.shape == x.shape)
    else:
        axis = attributes["axis"]
        assert isinstance(axis, int)
        fitting = builder.recent(lambda y: _but_axis(y, axis) == _but_axis(x, axis))
    if not fitting:
        return None
    if builder.as_given:
        fitting = [i for i in fitting if i != a] or fitting
    count = 1 + bits.choose(3) if contract.arity is None else contract.arity - 1
    others: list[int] = []
    for _ in range(count):
        chosen = RECENT[bits.choose(len(RECENT))]
        if chosen == RECENT[-1] and contract.shapes is Shapes.ELEMENTWISE:
            others.append(builder.input(_crossed(x.shape), bits.choose(16 if contract.kinks else 256)))
        elif chosen and fitting == [a]:  # else it would seldom have operands of different values
            others.append(builder.input(x.shape, bits.choose(16 if contract.kinks else 256)))
        else:
            others.append(fitting[chosen % len(fitting)])
    return [a, *others] if bits.choose(2) == 0 or contract.shapes is Shapes.MATMUL else [*others, a]


def _broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast."""
    return all(m == n or m == 1 or n == 1 for m, n in zip(x[::-1], y[::-1], strict=False))


def _crossed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that is stretched where another is not, and the other way round."""
    return tuple(2 if n == 1 else 1 for n in shape)


def _multiplies(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether a matrix product of two shapes is defined."""
    if not y or x[-1] != y[max(len(y) - 2, 0)]:
        return False
    return _broadcast(x[:-2], y[:-2])


def _but_axis(x: Array, axis: int) -> tuple[int, ...]:
    if not -x.ndim <= axis < x.ndim:
        return (-1,)
    axis %= x.ndim
    return x.shape[:axis] + x.shape[axis + 1 :] + (x.ndim,)
