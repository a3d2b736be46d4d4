"""The static corpus: programs with what they give, in files that need no Python to be read.

Each number that a program gives stands there as an enclosure: two doubles, rounded outward, between
which it lies, found by balls. So a port can be checked by whatever reads JSON. How far beyond the two a
port may be, the class of the case says:

* `exact`: not at all. Only numbers are moved and added that have few digits.
* `rounded`: by `ROUNDINGS` last places of `scale`, which stands beside the enclosures: how large the
  numbers are that the program computes with there, and how far they move with their operands.
* `convention`: the same. The program lies on a kink; its gradient is the documented convention.

An id is the operation and the beginning of a hash of all that is given: another program has another id.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np

from dezero.contract import Array, Contract, Smoothness
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate
from dezero.verify.magnitude import gradient_sizes, product_sizes
from dezero.verify.oracles import (
    Enclosures,
    Undecided,
    enclose_gradient,
    enclose_product,
    enclose_values,
)
from dezero.verify.program import (
    Json,
    Program,
    ProgramError,
    decode_tensor,
    encode_tensor,
    refuse_constant,
)
from dezero.verify.protocol import brief, items, record
from dezero.verify.strategies import swept

CORPUS: Final = 1
"""The number of the corpus' form."""
CASES: Final = 14
"""How many cases there are of each operation."""
MOST_TRIED: Final = 120
"""Of how many programs they are chosen."""
MOST_ELEMENTS: Final = 14
"""How many elements the inputs and outputs of a case have, at the most."""
ROUNDINGS: Final = 64
"""How many last places of the scale a case of the class `rounded` allows."""
TOLERANCES: Final = ("exact", "rounded", "convention")
_DIRECTION: Final = (1.0, -0.5, 2.0, 0.25, -1.0, 0.5, -2.0)
_BY_RECIPROCALS: Final = frozenset(("mean", "average_pooling"))
"""Linear operations that may divide, or multiply by a rounded reciprocal."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Numbers that a program gives.

    Attributes:
        lo, hi: Each lies between these, of the same shape.
        scale: How large the numbers are that they are computed of.
    """

    lo: Array
    hi: Array
    scale: float

    def to_dict(self) -> dict[str, Json]:
        """As the corpus has it; without `hi` where it is `lo`."""
        tensors: dict[str, Json] = {"shape": list(self.lo.shape), "lo": _data(self.lo)}
        if np.any(self.lo != self.hi):
            tensors["hi"] = _data(self.hi)
        return {**tensors, "scale": self.scale}

    @staticmethod
    def from_dict(decoded: Json, where: str) -> Expected:
        """Reads it; raises ProgramError."""
        given = record(decoded, where)
        scale = given.get("scale")
        if not isinstance(scale, (int, float)) or not 0 <= scale < math.inf:
            raise ProgramError(f"{where}: scale is {brief(scale)}; expected a finite number from 0 on")

        def tensor(name: str) -> Array:
            described: dict[str, Json] = {
                "dtype": "float64",
                "shape": given.get("shape"),
                "data": given.get(name),
            }
            bounds = decode_tensor(described, f"{where}: {name}")
            if not np.all(np.isfinite(bounds)):
                raise ProgramError(
                    f"{where}: {name}: {brief(bounds.tolist())}; expected finite numbers"
                )
            return bounds

        lo = tensor("lo")
        return Expected(lo, tensor("hi") if "hi" in given else lo, float(scale))

    def misses(self, found: Array, tolerance: str) -> Array:
        """Where numbers lie outside of what the class of a tolerance allows."""
        allowed = 0.0 if tolerance == "exact" else ROUNDINGS * 2.0**-52 * self.scale
        with np.errstate(invalid="ignore"):
            return np.asarray(~((self.lo - allowed <= found) & (found <= self.hi + allowed)))


@dataclass(frozen=True, slots=True)
class Case:
    """A program with what it gives.

    Attributes:
        op: The operation that it is about.
        tolerance: One of `TOLERANCES`.
        program: The program.
        values: Those of its outputs.
        grads: The gradients of its inputs.
        v: For each input an array; nothing where there is no second derivative.
        hvp: The product of the Hessian with v.
    """

    op: str
    tolerance: str
    program: Program
    values: tuple[Expected, ...]
    grads: tuple[Expected, ...]
    v: tuple[Array, ...] = ()
    hvp: tuple[Expected, ...] = ()

    @property
    def id(self) -> str:
        """The operation, and the beginning of a hash of what is given."""
        given = json.dumps(self.program.to_dict(), sort_keys=True)
        return f"{self.op}-{hashlib.sha256(given.encode()).hexdigest()[:12]}"

    def to_dict(self) -> dict[str, Json]:
        """The case as JSON."""
        case: dict[str, Json] = {
            "id": self.id,
            "tolerance": self.tolerance,
            "program": self.program.to_dict(),
            "values": [e.to_dict() for e in self.values],
            "grads": [e.to_dict() for e in self.grads],
        }
        if self.v:
            case |= {"v": [encode_tensor(d) for d in self.v], "hvp": [e.to_dict() for e in self.hvp]}
        return case

    @staticmethod
    def from_dict(decoded: Json, op: str, where: str) -> Case:
        """Reads a case; raises ProgramError."""
        given = record(decoded, where)
        tolerance = given.get("tolerance")
        if tolerance not in TOLERANCES:
            raise ProgramError(
                f"{where}: tolerance is {brief(tolerance)}; expected one of {TOLERANCES}"
            )
        try:
            program = Program.from_dict(given.get("program"))
        except ProgramError as error:
            raise ProgramError(f"{where}: {error}") from None

        def several(name: str, n: int) -> list[Json]:
            parts = items(given.get(name), f"{where}: {name}")
            if len(parts) != n:
                raise ProgramError(f"{where}: {name}: {len(parts)} arrays; expected {n}")
            return parts

        def expected(name: str, n: int) -> tuple[Expected, ...]:
            parts = enumerate(several(name, n))
            return tuple(Expected.from_dict(part, f"{where}: {name}: {k}") for k, part in parts)

        n_inputs = len(program.inputs)
        twice = "v" in given
        v = enumerate(several("v", n_inputs)) if twice else ()
        case = Case(
            op,
            tolerance,
            program,
            expected("values", len(program.outputs)),
            expected("grads", n_inputs),
            tuple(decode_tensor(d, f"{where}: v: {k}") for k, d in v),
            expected("hvp", n_inputs) if twice else (),
        )
        if given.get("id") != case.id:
            raise ProgramError(f"{where}: id is {brief(given.get('id'))}; its program's is {case.id}")
        return case


def corpus(contracts: Mapping[str, Contract] = CONTRACTS) -> Iterator[tuple[str, list[Case]]]:
    """The cases of each operation."""
    for op, contract in contracts.items():
        yield op, list(cases_of(contract))


def cases_of(contract: Contract) -> Iterator[Case]:
    """The cases of an operation."""
    seen: set[str] = set()
    for number, program in enumerate(swept({contract.name: contract}, ["float64"], 0)):
        if len(seen) == CASES or number == MOST_TRIED:
            return
        if _elements(program) > MOST_ELEMENTS or program.to_json() in seen:
            continue
        case = case_of(contract, program)
        if case is not None:
            seen.add(program.to_json())
            yield case


def case_of(contract: Contract, program: Program) -> Case | None:
    """The case that a program makes; None if it gives what no double holds."""
    try:
        with np.errstate(all="ignore"):
            case = _enclosed(contract, program)
    except Undecided:  # so near to a kink that no proof is to be had
        return None
    for e in (*case.values, *case.grads, *case.hvp):
        if not (np.all(np.isfinite(e.lo)) and np.all(np.isfinite(e.hi)) and np.isfinite(e.scale)):
            return None
    return replace(case, tolerance="exact") if _is_exact(contract, case) else case


def _elements(program: Program) -> int:
    values = evaluate(program)
    inner = sum(values[i].size for i in range(len(program.inputs), program.n_values))
    return inner + sum(x.size for x in program.inputs)


def _enclosed(contract: Contract, program: Program) -> Case:
    ones = replace(program, seeds=tuple(np.ones_like(s) for s in program.seeds))
    moved = zip(program.inputs, gradient_sizes(ones), strict=True)
    reach = sum(float(np.max(np.abs(x) * s, initial=0.0)) for x, s in moved)
    values = tuple(_expected(e, reach) for e in enclose_values(program))
    once = [float(np.max(s, initial=0.0)) for s in gradient_sizes(program)]
    again = [float(np.max(s, initial=0.0)) for s in product_sizes(program, program.inputs)]
    sizes = [a + b for a, b in zip(once, again, strict=True)]
    proofs = zip(enclose_gradient(program), sizes, strict=True)
    grads = tuple(_expected(e, s) for e, s in proofs)
    if (
        _nearest_kink(program) == 0
    ):  # balls take the convention there, too; there is no second derivative
        return Case(contract.name, "convention", program, values, grads)
    v = tuple(_direction(x, i) for i, x in enumerate(program.inputs))
    twice = [float(np.max(s, initial=0.0)) for s in product_sizes(program, v)]
    products = zip(enclose_product(program, v), twice, sizes, strict=True)
    hvp = tuple(_expected(e, s + t) for e, s, t in products)
    return Case(contract.name, "rounded", program, values, grads, v, hvp)


def _nearest_kink(program: Program) -> float:
    """The distance of a program's values to the nearest kink."""
    values = evaluate(program)
    gaps = [math.inf]
    for step in program.steps:
        kinks = CONTRACTS[step.op].kinks
        if kinks is not None:
            gaps.append(kinks.clearance(*(values[i] for i in step.operands), **step.attributes))
    return min(gaps)


def _direction(x: Array, i: int) -> Array:
    numbers = [_DIRECTION[(i + k) % len(_DIRECTION)] for k in range(x.size)]
    return np.array(numbers, np.float64).reshape(x.shape)


def _expected(e: Enclosures, scale: float) -> Expected:
    """An enclosure as two doubles, rounded outward, with a scale that is not below the numbers."""
    low, high = (
        np.where(e.rad == 0, e.mid, np.nextafter(e.mid + side * e.rad, side * np.inf))
        for side in (-1, 1)
    )
    largest = float(np.max(np.abs([low, high]), initial=0.0))
    return Expected(np.asarray(low) + 0.0, np.asarray(high) + 0.0, float(f"{largest + scale:.2g}"))


def _is_exact(contract: Contract, case: Case) -> bool:
    """Whether only numbers of few digits are moved and added: then nothing is ever rounded."""
    if contract.smoothness is not Smoothness.LINEAR or contract.name in _BY_RECIPROCALS:
        return False
    numbers = [*case.program.inputs, *case.program.seeds, *case.v]
    for e in (*case.values, *case.grads, *case.hvp):
        numbers += [e.lo, e.hi - e.lo]
        if np.any(e.lo != e.hi):
            return False
    few = [np.all((np.abs(x) < 2.0**20) & (x * 2.0**12 == np.round(x * 2.0**12))) for x in numbers]
    return all(few)


def to_json(op: str, cases: Sequence[Case]) -> str:
    """The file of an operation: a case on each line."""
    lines = ",\n".join(json.dumps(c.to_dict(), separators=(",", ":"), allow_nan=False) for c in cases)
    return f'{{"corpus":{CORPUS},"op":{json.dumps(op)},"cases":[\n{lines}\n]}}\n'


def from_json(text: str, where: str) -> tuple[str, list[Case]]:
    """The operation and the cases of a file; raises ProgramError."""
    try:
        decoded = cast(Json, json.loads(text, parse_constant=refuse_constant))  # JSON only
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"{where}: not JSON: {error}") from None
    given = record(decoded, where)
    if given.get("corpus") != CORPUS:
        raise ProgramError(f"{where}: corpus is {brief(given.get('corpus'))}; expected {CORPUS}")
    op = given.get("op")
    if not isinstance(op, str):
        raise ProgramError(f"{where}: op is {brief(op)}; expected the name of an operation")
    cases = enumerate(items(given.get("cases"), f"{where}: cases"))
    return op, [Case.from_dict(case, op, f"{where}: case {k}") for k, case in cases]


def _data(x: Array) -> Json:
    tensor = encode_tensor(x)
    assert isinstance(tensor, dict)
    return tensor["data"]
