"""Attributes of whatever kind a contract asks for: made to fit an operand; those of others checked."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np

from dezero.contract import (
    Array,
    Attribute,
    Contract,
    Shapes,
)
from dezero.verify.program import AttributeValue, ProgramError
from dezero.verify.protocol import brief

SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (2,), (3,), (2, 2), (2, 3), (3, 1), (1, 3),
    (2, 1, 2), (4,), (1, 1), (2, 3, 2), (0,), (0, 2), (1, 1, 2, 3), (2, 1, 2, 2), (1, 2, 3, 2),
)  # fmt: skip
EXPONENTS = (2.0, 3.0, 1.0, 0.0, -1.0, 0.5, -2.0, 1.5, -0.5, 4.0)
EXPONENTS_OF_ZERO = (2.0, 0.0, 1.0, 0.0, 3.0)
NUMBERS = (1.0, 0.5, -1.0, 0.0, 2.0, -0.25, -2.0, 0.75)


class Bits:
    """A number, taken apart into choices. From 0 come only zeros: the simplest choice every time."""

    def __init__(self, bits: int) -> None:
        self._rest = bits

    def choose(self, n: int) -> int:
        """A number from 0 to n - 1."""
        self._rest, chosen = divmod(self._rest, max(n, 1))
        return chosen


def attributes_for(contract: Contract, x: Array, bits: Bits) -> dict[str, AttributeValue]:
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
    return bits.choose(2) == 1 or "input_shape" in made  # then x is a matrix of windows


def _real(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    below = made.get("x_min")
    if x.size and bits.choose(4) == 1:  # on an element
        chosen = float(x.flat[bits.choose(x.size)])
    else:
        chosen = NUMBERS[bits.choose(len(NUMBERS))]
        if isinstance(below, float) and chosen > 0:
            chosen += below
    # Two kinks so near to each other leave no room for a one-sided difference between them.
    near = isinstance(below, float) and 0 < chosen - below < 0.1
    return chosen + 1.0 if near else chosen


def _slope(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    return (0.25, 0.5, 0.0, -1.0, 2.0, 1.0)[bits.choose(6)]


def _exponent(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    some = EXPONENTS_OF_ZERO if np.any(x == 0) else EXPONENTS
    return some[bits.choose(len(some))]


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
    if kind == 3 and x.ndim:  # nothing
        return slice(1, 1)
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


def pair(value: AttributeValue) -> tuple[int, int]:
    """The two numbers of an attribute that is an integer or a pair."""
    first, second = value if isinstance(value, tuple) else (value, value)
    return cast(int, first), cast(int, second)  # as the makers below give them


def _stride(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    return 1 if "input_shape" in made else (1, 2, (1, 2))[bits.choose(3)]


def _padding(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    """No more than a window has room for: one that saw nothing else would be of no use."""
    if "input_shape" in made:
        return 0
    kernel = pair(made.get("kernel_size", 2))
    fitting = [p for p in (0, 1, (0, 1), (1, 0)) if all(map(operator.lt, pair(p), kernel))]
    return fitting[bits.choose(len(fitting))]


def _kernel(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    if "input_shape" in made:
        shape = cast("tuple[int, ...]", made["input_shape"])  # see _image_shape
        return (1, shape[3] - x.shape[0] + 1)
    # A window of one element has nothing to choose from, to add up, or to overlap with.
    height, width = (min(n, (1, 2, 3, 2)[bits.choose(4)]) for n in x.shape[2:])
    return height if height == width and bits.choose(2) else (height, width)


def _out_size(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> AttributeValue:
    if bits.choose(2) == 0:
        return None
    sizes = zip(x.shape[2:], pair(made["stride"]), pair(made["pad"]), strict=True)
    down, across = (max(1, (n - 1) * s + 1 - 2 * p) + bits.choose(3) for n, s, p in sizes)
    return (down, across)


def _image_shape(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> tuple[int, ...]:
    """Images of one row, of which the rows of x are the windows, each a step to the right."""
    n_windows, size = x.shape
    widths = [d for d in (1, 2, 3) if size % d == 0]
    width = widths[bits.choose(len(widths))]
    return (1, size // width, 1, n_windows + width - 1)


def _labels(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> Array:
    step, start = 1 + bits.choose(3), bits.choose(3)
    return np.array([(step * i + start) % x.shape[1] for i in range(x.shape[0])], int)


def _rows(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> Array:
    """Some of them twice."""
    step = 1 + bits.choose(2)
    picked = np.array([step * i % x.shape[0] for i in range(2 + bits.choose(3))], int)
    return np.reshape(picked, (2, 2)) if picked.size == 4 and bits.choose(2) else picked


def _ratio(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    return (0.5, 0.0, 0.25)[bits.choose(3)]


def _epsilon(x: Array, bits: Bits, made: Mapping[str, AttributeValue]) -> float:
    return (1.0, 0.1, 1e-5, 2.0)[bits.choose(4)]


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
    Attribute.STRIDE: _stride,
    Attribute.PADDING: _padding,
    Attribute.KERNEL: _kernel,
    Attribute.OUT_SIZE: _out_size,
    Attribute.IMAGE_SHAPE: _image_shape,
    Attribute.LABELS: _labels,
    Attribute.ROWS: _rows,
    Attribute.RATIO: _ratio,
    Attribute.EPSILON: _epsilon,
    Attribute.INDEXED_SHAPE: _indexed,
}


# ------------------------------------------------------------------------------------- Those of others


def check_step(
    contract: Contract, given: Mapping[str, AttributeValue], operands: Sequence[Array]
) -> None:
    """Raises ProgramError unless attributes and shapes of operands are such as a contract asks for.

    An engine may refuse what is not, or read it in a way of its own; the reference takes more than it
    has to. What it does refuse itself, such as lengths that do not fit, is not looked at here.

    Args:
        contract: That of the operation.
        given: Its attributes, with which the reference has run.
        operands: Its operands.
    """
    x, *others = operands
    for name, value in given.items():
        kind = contract.attributes.get(name)
        if kind is None:
            known = ", ".join(contract.attributes) or "none"
            raise ProgramError(f"{name} is no attribute; expected {known}")
        if not _TESTS[kind](value, x):
            raise ProgramError(f"{name} is {brief(value)}; expected {kind.value}")
    beside = _SHAPES_BESIDE.get(contract.shapes)
    if beside is None:
        return
    for k, other in enumerate(others, 1):
        if other.shape != x.shape[beside]:
            raise ProgramError(f"operand {k} has shape {other.shape}; expected {x.shape[beside]}")


_SHAPES_BESIDE: Mapping[Shapes, slice] = {
    Shapes.EQUAL: slice(None),
    Shapes.PER_CHANNEL: slice(1, 2),
    Shapes.PER_FEATURE: slice(-1, None),
}
"""What part of the first operand's shape the others have, where the reference would broadcast them."""


def _is_whole(value: AttributeValue, low: float = -math.inf) -> bool:
    return type(value) is int and value >= low


def _is_number(value: AttributeValue, x: Array | None = None) -> bool:
    return type(value) in (int, float) and math.isfinite(cast(float, value))  # as was just asked


def _is_axis(value: AttributeValue, n: int) -> bool:
    return type(value) is int and -n <= value < n


def _are_axes(value: AttributeValue, n: int) -> bool:
    return isinstance(value, tuple) and all(_is_axis(axis, n) for axis in value)


def _is_shape(value: AttributeValue, x: Array) -> bool:
    return isinstance(value, tuple) and all(_is_whole(n, 0) for n in value)


def _is_pair(value: AttributeValue, least: int) -> bool:
    both = value if isinstance(value, tuple) else (value, value)
    return len(both) == 2 and all(_is_whole(n, least) for n in both)


def _are_pairs(value: AttributeValue, x: Array) -> bool:
    return isinstance(value, tuple) and all(isinstance(p, tuple) and _is_pair(p, 0) for p in value)


def _is_index(value: AttributeValue, x: Array) -> bool:
    items = value if isinstance(value, tuple) else (value,)
    return all(
        item is None
        or item is ...
        or isinstance(item, slice)
        or _is_whole(item)
        or (isinstance(item, np.ndarray) and item.dtype.kind in "ib")
        for item in items
    )


def _are_places(value: AttributeValue, n: int) -> bool:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "i":
        return False
    return bool(np.all((value >= 0) & (value < n)))


def _are_labels(value: AttributeValue, x: Array) -> bool:
    fits = isinstance(value, np.ndarray) and x.ndim == 2 and value.shape == x.shape[:1]
    return fits and _are_places(value, x.shape[1])


_TESTS: Mapping[Attribute, Callable[[AttributeValue, Array], bool]] = {
    Attribute.AXIS: lambda value, x: _is_axis(value, x.ndim),
    Attribute.NEW_AXIS: lambda value, x: _is_axis(value, x.ndim + 1),
    Attribute.UNIT_AXIS: lambda value, x: value is None or _is_axis(value, x.ndim),
    Attribute.ANY_AXIS: lambda value, x: value is None or _is_axis(value, x.ndim),
    Attribute.AXES: lambda value, x: (
        value is None or _is_axis(value, x.ndim) or _are_axes(value, x.ndim)
    ),
    Attribute.PERMUTATION: lambda value, x: value is None or _are_axes(value, x.ndim),
    Attribute.FLAG: lambda value, x: isinstance(value, bool),
    Attribute.REAL: _is_number,
    Attribute.SLOPE: _is_number,
    Attribute.EXPONENT: _is_number,
    Attribute.SHIFT: lambda value, x: _is_whole(value),
    Attribute.SECTIONS: lambda value, x: _is_whole(value, 1),
    Attribute.SHAPE_OF_SAME_SIZE: _is_shape,
    Attribute.WIDER_SHAPE: _is_shape,
    Attribute.NARROWER_SHAPE: _is_shape,
    Attribute.PAD_WIDTHS: _are_pairs,
    Attribute.INDEX: _is_index,
    Attribute.INDEX_INTO: _is_index,
    Attribute.MASK: lambda value, x: isinstance(value, np.ndarray) and value.dtype == bool,
    Attribute.STRIDE: lambda value, x: _is_pair(value, 1),
    Attribute.PADDING: lambda value, x: _is_pair(value, 0),
    Attribute.KERNEL: lambda value, x: _is_pair(value, 1),
    Attribute.OUT_SIZE: lambda value, x: value is None or _is_pair(value, 1),
    Attribute.IMAGE_SHAPE: _is_shape,
    Attribute.LABELS: _are_labels,
    Attribute.ROWS: lambda value, x: _are_places(value, len(x)),
    Attribute.RATIO: lambda value, x: _is_number(value) and 0 <= cast(float, value) < 1,
    Attribute.EPSILON: lambda value, x: _is_number(value) and cast(float, value) > 0,
    Attribute.INDEXED_SHAPE: _is_shape,
}
"""Whether an attribute, which the reference takes with this first operand, is of its kind."""
