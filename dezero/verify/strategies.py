"""Hypothesis strategies for programs: random computation graphs that shrink to small ones.

A program is drawn as a list of records, each with all that a step needs, and decoded without ever
failing: operands are found by "the k-th most recent value that fits", attributes are made to fit the
operand, and where a value lies outside of an operation's domain it is led into it by an operation in
between. So leaving a record out, or making a number of it smaller, gives a smaller program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from hypothesis import strategies as st

from dezero.contract import NONEMPTY, REALS, Array, Attribute, Contract, Shapes, Smoothness
from dezero.verify.program import AttributeValue, Program, ProgramError, Step
from dezero.verify.reference import apply, check_size, evaluate

Record: TypeAlias = tuple[int, int, int]
"""Which operation, which first operand, and the bits of which all else is made."""

Programs: TypeAlias = st.SearchStrategy[Program]

SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (2,), (3,), (2, 2), (2, 3), (3, 1), (1, 3),
    (2, 1, 2), (4,), (1, 1), (2, 3, 2), (0,), (0, 2),
)  # fmt: skip
NICE_VALUES = (1.0, 2.0, 0.5, -1.0, 0.0, -2.0, 0.25, 3.0)
EXPONENTS = (2.0, 3.0, 1.0, 0.0, -1.0, 0.5, -2.0, 1.5, -0.5, 4.0)
NUMBERS = (1.0, 0.5, -1.0, 0.0, 2.0, -0.25, -2.0, 0.75)

RECENT = (0, 1, 0, 2, 0, 1, 3, 0, 5)
"""Which of the values that fit: mostly one that nothing uses yet, so that there are few sinks."""

MOST_ELEMENTS = 48
"""The most elements of a value: what fails on more fails on fewer."""
LARGEST = {"float64": 1e4, "float32": 1e2}
"""The largest magnitude that a step may give: beyond, rounding hides what the laws look for."""
NEAREST = 1e-2
"""How near to the edge of a domain, and to a kink without lying on it, operands may come."""


def programs(
    contracts: Mapping[str, Contract],
    dtypes: Sequence[str] = ("float64",),
    max_steps: int = 40,
) -> Programs:
    """Programs over some operations.

    Args:
        contracts: The operations, by name.
        dtypes: The element types of the inputs, the simplest first.
        max_steps: The largest number of records in one program of sixteen; the others have few.
    """
    ordered = sorted(contracts.values(), key=_complexity)
    record = st.tuples(
        st.integers(0, len(ordered) - 1),
        st.sampled_from(RECENT),
        st.integers(0, 2**22 - 1),
    )
    few = st.lists(record, min_size=1, max_size=8)
    source = st.tuples(st.integers(0, len(SHAPES) - 1), st.integers(0, 255))
    return st.builds(
        _Decoder(ordered),
        st.lists(source, min_size=1, max_size=3),
        st.one_of(*[few] * 15, st.lists(record, min_size=1, max_size=max_steps)),
        st.integers(0, 255),
        st.sampled_from(list(dtypes)),
    )


def programs_made_by(make: Callable[[int, int], Program | None], n_shapes: int) -> Programs:
    """Programs that a function makes of the number of a shape and of a random seed, where it can."""
    made = st.builds(make, st.integers(0, n_shapes - 1), st.integers(0, 2**16))
    return made.filter(lambda p: p is not None).map(lambda p: cast(Program, p))  # after the filter


def _complexity(contract: Contract) -> tuple[bool, int, int, int, str]:
    """Simple operations first: defined everywhere, few attributes, few operands, linear."""
    order = (Smoothness.LINEAR, Smoothness.MULTILINEAR, Smoothness.SMOOTH, Smoothness.PIECEWISE)
    return (
        contract.domain is not REALS,
        len(contract.attributes),
        contract.arity or 9,
        order.index(contract.smoothness),
        contract.name,
    )


class Bits:
    """A number, taken apart into choices. From 0 come only zeros: the simplest choice every time."""

    def __init__(self, bits: int) -> None:
        self._rest = bits

    def choose(self, n: int) -> int:
        """A number from 0 to n - 1."""
        self._rest, chosen = divmod(self._rest, max(n, 1))
        return chosen


def input_array(shape: tuple[int, ...], number: int, dtype: str) -> Array:
    """The array that a number stands for: small ones give few and simple values."""
    size = math.prod(shape)
    if number < 8:
        values = np.array([NICE_VALUES[(number + i) % 8] for i in range(size)])
    elif number < 16:  # all tied
        values = np.full(size, NICE_VALUES[number - 8])
    else:
        random = np.random.default_rng(number)
        values = random.normal(size=size) * 2.0
        if number % 4 == 1:  # ties, and zeros
            values = random.choice(NICE_VALUES, size)
        elif number % 8 == 2:  # many magnitudes
            values = values * 10.0 ** random.integers(-4, 3, size)
        elif number % 8 == 3:  # positive
            values = np.abs(values) + 0.1
    bounded: Array = np.clip(values, -LARGEST[dtype] / 2, LARGEST[dtype] / 2)
    return bounded.astype(np.float32).astype(dtype).reshape(shape)


@dataclass
class _Value:
    """A value of the program that is being made: its array, and whether no rounding went into it."""

    array: Array
    exact: bool
    used: bool = False


class _Builder:
    """A program that is being made, with the values of its steps."""

    def __init__(self, contracts: Sequence[Contract], inputs: Sequence[Array], dtype: str) -> None:
        self.contracts = {contract.name: contract for contract in contracts}
        self.dtype = dtype
        self.n_inputs = len(inputs)
        self.values = [_Value(x, True) for x in inputs]
        self.steps: list[tuple[Step, int]] = []

    def recent(self, fits: Callable[[Array], bool]) -> list[int]:
        """The values that fit: the most recent first, but those that nothing uses before the others."""
        fitting = [i for i in range(len(self.values) - 1, -1, -1) if fits(self.values[i].array)]
        return sorted(fitting, key=lambda i: self.values[i].used)

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
            if y.size > MOST_ELEMENTS or y.ndim > 5:
                return None
            if y.size and not float(np.abs(y).max()) <= limit:
                return None
        first = len(self.values)
        copies = exact and _copies(contract)
        self.values.extend(_Value(np.asarray(y, self.dtype), copies) for y in results)
        for i in operands:
            self.values[i].used = True
        self.steps.append((step, first))
        return first

    def led_in(self, i: int) -> list[list[str]]:
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
        outputs = [
            i
            for _, first in self.steps
            for i in range(first, len(self.values))
            if not self.values[i].used
        ]
        outputs = sorted(set(outputs))
        if not outputs:
            return None
        if seed % 4 == 3 and len(outputs) > 1:  # some results that nobody asks for
            outputs = outputs[1:]
        elif seed % 4 != 1:  # each has a backward of its own: one or two are as telling as many
            outputs = outputs[-1 - (seed % 4) // 2 :]
        random = np.random.default_rng(seed)
        seeds = [
            (random.choice((1.0, -1.0, 2.0, -0.5), self.values[i].array.shape) * (1 + seed % 3 / 4))
            for i in outputs
        ]
        program = Program(
            tuple(value.array for value in self.values[: self.n_inputs]),
            tuple(step for step, _ in self.steps),
            tuple(outputs),
            tuple(np.asarray(s, self.dtype) for s in seeds),
        )
        return program if seed % 8 == 7 else program.pruned()


def _n_out(contract: Contract, attributes: Mapping[str, AttributeValue]) -> int:
    sections = attributes.get("sections", 1) if contract.several_outputs else 1
    return sections if isinstance(sections, int) else 1


_SUMS = frozenset(("add", "sub", "sum", "mean", "cumsum", "sum_to", "get_item_grad"))


def _copies(contract: Contract) -> bool:
    """Whether an operation only picks, moves or negates elements, so that no engine rounds."""
    if contract.smoothness is Smoothness.LINEAR:
        return contract.name not in _SUMS
    return contract.name in ("abs", "relu", "max", "min", "maximum", "minimum", "clip")


class _Decoder:
    """`decode` for some operations; its name is short in Hypothesis' messages."""

    __name__ = "decode"

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = contracts

    def __call__(
        self,
        sources: Sequence[tuple[int, int]],
        records: Sequence[Record],
        seed: int,
        dtype: str,
    ) -> Program:
        return decode(self.contracts, sources, records, seed, dtype)

    def __repr__(self) -> str:
        return self.__name__


def decode(
    contracts: Sequence[Contract],
    sources: Sequence[tuple[int, int]],
    records: Sequence[Record],
    seed: int,
    dtype: str,
) -> Program:
    """The program that some records stand for: never an error, and never empty."""
    inputs = [input_array(SHAPES[shape], number, dtype) for shape, number in sources]
    builder = _Builder(contracts, inputs, dtype)
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
    """Whether all operands of a program lie within the domains, and on kinks or away from them."""
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
    return all(bool(np.all(np.isfinite(value))) for value in values)


def _add_step(builder: _Builder, contract: Contract, first: int, bits: Bits) -> None:
    """Adds the step that a record stands for, with steps before it that make its operands fit."""
    candidates = builder.recent(lambda x: _fits(contract, x))
    if not candidates:
        whole = builder.recent(lambda x: x.size > 0)
        if not whole or "reshape" not in builder.contracts:
            return
        shaped = whole[first % len(whole)]
        size = builder.values[shaped].array.size
        made = builder.add("reshape", [shaped], shape=(size,))
        if made is None:
            return
        candidates = [made]
    if contract.kinks is not None and bits.choose(2):  # only what is exact may lie on a kink
        candidates = [i for i in candidates if builder.values[i].exact] or candidates
    a = candidates[first % len(candidates)]
    attributes = _attributes(contract, builder.values[a].array, bits)
    operands = _operands(builder, contract, a, attributes, bits)
    if operands is None or builder.add(contract.name, operands, **attributes) is not None:
        return
    for way in builder.led_in(a):
        # The operand that has a domain is the last; all of them may have to be smaller.
        led = [_led(builder, i, way) for i in operands]
        if None not in led:
            fitting = [i for i in led if i is not None]
            if builder.add(contract.name, fitting, **attributes) is not None:
                return


def _led(builder: _Builder, i: int, way: Sequence[str]) -> int | None:
    led: int | None = i
    for op in way:
        if led is not None:
            led = builder.add(op, [led])
    return led


def _fits(contract: Contract, x: Array) -> bool:
    """Whether a value can be the first operand of an operation, as far as its shape goes."""
    kinds = contract.attributes.values()
    if x.ndim == 0 and (contract.shapes is Shapes.MATMUL or Attribute.AXIS in kinds):
        return False
    return contract.domain is not NONEMPTY or x.size > 0


def _operands(
    builder: _Builder,
    contract: Contract,
    a: int,
    attributes: Mapping[str, AttributeValue],
    bits: Bits,
) -> list[int] | None:
    """The operands that go with ``a``, by their shapes."""
    x = builder.values[a].array
    if contract.shapes is Shapes.ANY:
        return [a]
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
    count = 1 + bits.choose(3) if contract.arity is None else contract.arity - 1
    others = [fitting[RECENT[bits.choose(len(RECENT))] % len(fitting)] for _ in range(count)]
    return [a, *others] if bits.choose(2) == 0 or contract.shapes is Shapes.MATMUL else [*others, a]


def _broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast."""
    return all(m == n or m == 1 or n == 1 for m, n in zip(x[::-1], y[::-1], strict=False))


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


# ----------------------------------------------------------------------------------------- Attributes


def _attributes(contract: Contract, x: Array, bits: Bits) -> dict[str, AttributeValue]:
    """Attributes that fit an operand, one kind at a time."""
    made: dict[str, AttributeValue] = {}
    for name, kind in contract.attributes.items():
        made[name] = _MAKERS[kind](x, bits, made)
    return made


Maker: TypeAlias = Callable[[Array, Bits, Mapping[str, AttributeValue]], AttributeValue]


def _axis(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int:
    chosen = bits.choose(2 * x.ndim)
    return chosen if chosen < x.ndim else chosen - 2 * x.ndim


def _new_axis(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int:
    return bits.choose(2 * x.ndim + 2) - x.ndim - 1 if bits.choose(2) else bits.choose(x.ndim + 1)


def _any_axis(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int | None:
    return None if x.ndim == 0 or bits.choose(3) == 0 else _axis(x, bits, made)


def _unit_axis(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int | None:
    unit = [a - (x.ndim if bits.choose(2) else 0) for a, n in enumerate(x.shape) if n == 1]
    return unit[bits.choose(len(unit))] if unit and bits.choose(2) else None


def _axes(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    chosen = bits.choose(4)
    if x.ndim == 0 or chosen == 0:
        return None
    if chosen < 3:
        return _axis(x, bits, made)
    taken = [a - (x.ndim if bits.choose(2) else 0) for a in range(x.ndim) if bits.choose(2) == 0]
    return tuple(taken)


def _permutation(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    if bits.choose(2) == 0:
        return None
    left, order = list(range(x.ndim)), list[int]()
    while left:
        order.append(left.pop(bits.choose(len(left))))
    return tuple(a - (x.ndim if bits.choose(3) == 2 else 0) for a in order)


def _flag(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> bool:
    return bits.choose(2) == 1


def _real(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    if x.size and bits.choose(4) == 1:  # on an element
        return float(x.flat[bits.choose(x.size)])
    chosen = NUMBERS[bits.choose(len(NUMBERS))]
    below = made.get("x_min")
    return chosen + below if isinstance(below, float) and chosen > 0 else chosen


def _slope(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    return (0.25, 0.5, 0.0, -1.0, 2.0, 1.0)[bits.choose(6)]


def _exponent(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    return EXPONENTS[bits.choose(len(EXPONENTS))]


def _shift(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int:
    return (1, 0, -1, 2, 5, -3)[bits.choose(6)]


def _sections(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int:
    """For `split`, whose axis comes after: as many parts as the axis that it will choose allows."""
    lengths = sorted({n for n in x.shape if n > 1}) or [1]
    n = lengths[bits.choose(len(lengths))]
    divisors = [d for d in range(2, n + 1) if n % d == 0] or [1]
    return divisors[bits.choose(len(divisors))]


def _split_axis(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> int:
    sections = made.get("sections")
    if not isinstance(sections, int):
        return _axis(x, bits, made)
    fitting = [a for a, n in enumerate(x.shape) if n % sections == 0 and (n or sections == 1)]
    axis = fitting[bits.choose(len(fitting))] if fitting else 0
    return axis - x.ndim if bits.choose(2) else axis


def _same_size(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> tuple[int, ...]:
    shapes = [s for s in SHAPES if math.prod(s) == x.size] or [(x.size,)]
    shapes += [(x.size,), (1, x.size), (x.size, 1, 1)]
    shapes += [(d, x.size // d) for d in (2, 3, 4) if x.size % d == 0 and x.size]
    return shapes[bits.choose(len(shapes))]


def _wider(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> tuple[int, ...]:
    stretched = tuple(n if n != 1 else (1, 2, 3)[bits.choose(3)] for n in x.shape)
    return ((), (2,), (1, 3), (3,))[bits.choose(4)] + stretched


def _narrower(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> tuple[int, ...]:
    shape = tuple(1 if bits.choose(2) else n for n in x.shape)
    return shape[bits.choose(len(shape) + 1) :]


def _pads(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    return tuple(((1, 0), (0, 1), (0, 0), (2, 1))[bits.choose(4)] for _ in x.shape)


def _mask(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> Array:
    shape = x.shape[bits.choose(x.ndim + 1) :]
    pattern = np.arange(math.prod(shape)) * (bits.choose(5) + 1) % 3
    return np.reshape(pattern != bits.choose(3), shape)


def _index(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    kind = bits.choose(8)
    if kind == 6 and x.ndim:
        return _mask(x, Bits(0), made).reshape(x.shape)
    if kind == 7 and x.ndim and x.shape[0]:  # repeated, in two axes at once where there are two
        rows = np.array([0, x.shape[0] - 1, 0])
        deep = x.ndim > 1 and x.shape[1] and bits.choose(2)
        return (rows, np.array([0, 0, x.shape[1] - 1])) if deep else rows
    items = tuple(_index_of_axis(n, bits) for n in x.shape[: bits.choose(x.ndim + 1)])
    if kind == 4:
        return (None, *items)
    if kind == 5:
        return (*items, ...)
    return items


def _index_of_axis(n: int, bits: Bits) -> AttributeValue:
    kind = bits.choose(5)
    if kind == 0 and n:
        return bits.choose(n)
    if kind == 1 and n:
        return -1 - bits.choose(n)
    return (slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2))[bits.choose(4)]


def _indexed(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    """For the adjoint of indexing: its index comes first, and says nothing; both are made here."""
    return (x.shape[0] + 1 + bits.choose(2), *x.shape[1:]) if x.ndim else (2 + bits.choose(2),)


def _index_into(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    """An index that picks something of the shape of x out of a longer array."""
    if x.ndim == 0:
        return bits.choose(2)
    n = x.shape[0]
    if bits.choose(2) and n:  # repeated
        return np.array([i // 2 for i in range(n)])
    return slice(1, n + 1) if bits.choose(2) else slice(0, n)


_MAKERS: Mapping[Attribute, Maker] = {
    Attribute.AXIS: _split_axis,
    Attribute.NEW_AXIS: _new_axis,
    Attribute.UNIT_AXIS: _unit_axis,
    Attribute.ANY_AXIS: _any_axis,
    Attribute.AXES: _axes,
    Attribute.PERMUTATION: _permutation,
    Attribute.FLAG: _flag,
    Attribute.REAL: _real,
    Attribute.SLOPE: _slope,
    Attribute.EXPONENT: _exponent,
    Attribute.SHIFT: _shift,
    Attribute.SECTIONS: _sections,
    Attribute.SHAPE_OF_SAME_SIZE: _same_size,
    Attribute.WIDER_SHAPE: _wider,
    Attribute.NARROWER_SHAPE: _narrower,
    Attribute.PAD_WIDTHS: _pads,
    Attribute.INDEX: _index,
    Attribute.INDEX_INTO: _index_into,
    Attribute.MASK: _mask,
    Attribute.INDEXED_SHAPE: _indexed,
}
