"""What an operation promises, as pure data: where it is defined, where it is smooth, what it takes.

An operation states its contract as class keywords; the record they make is the only table there is.
The random programs, the list of operations, the corpus and the capabilities of a port all read it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""What a Variable holds: an ndarray whose element type NumPy knows only at run time."""


class Shapes(Enum):
    """How the shapes of the operands must fit together."""

    ANY = "any"  # one operand, whatever its shape
    ELEMENTWISE = "elementwise"  # they broadcast against each other
    MATMUL = "matmul"  # NumPy's rules for ``@``
    IMAGES = "one operand: (N, C, H, W)"
    CONVOLUTION = "(N, C, H, W) and (O, C, KH, KW)"
    DECONVOLUTION = "(N, C, H, W) and (C, O, KH, KW)"
    CONVOLUTION_GRADIENT = "(N, C, H, W) and (N, O, OH, OW)"
    LINEAR = "(…, I), (I, O) and (O,)"
    WINDOWS = "one operand: the windows of images, as im2col gives them"
    CLASSES = "one operand: (N, C)"
    ROWS = "one operand: (V, …)"
    PER_CHANNEL = "(N, C, …), (C,) and (C,)"
    PER_FEATURE = "(…, D), (D,) and (D,)"
    EQUAL = "equal"  # the same shape (``stack``)
    EQUAL_BUT_AXIS = "equal but along the axis"  # ``concatenate``


class Attribute(Enum):
    """What an attribute of an operation may be, given the shape of its first operand."""

    AXIS = "an axis of the operand"
    NEW_AXIS = "an axis of the result"
    UNIT_AXIS = "None, or an axis of length one"
    ANY_AXIS = "None, or an axis of the operand"
    AXES = "None, an axis, or a tuple of distinct axes"
    PERMUTATION = "None, or a permutation of the axes"
    FLAG = "True or False"
    REAL = "a finite real number"
    SLOPE = "a real number"
    EXPONENT = "a real number; an integer if the base is not positive"
    SHIFT = "an integer"
    SECTIONS = "the number of equal parts"
    SHAPE_OF_SAME_SIZE = "a shape of as many elements"
    WIDER_SHAPE = "a shape to which the operand broadcasts"
    NARROWER_SHAPE = "a shape that broadcasts to the operand's"
    PAD_WIDTHS = "for each axis a pair: how many zeros before and after"
    INDEX = "an index: integers, slices, None, ..., integer and boolean arrays"
    INDEX_INTO = "an index that gives the operand's shape when it is taken of the indexed shape"
    STRIDE = "how far a window moves: an integer, or one for each of the two axes"
    PADDING = "how much to pad both ends: an integer, or one for each of the two axes"
    KERNEL = "the size of a window: an integer, or one for each of the two axes"
    OUT_SIZE = "None, or the two lengths of the result's last axes"
    IMAGE_SHAPE = "the shape of the images of which the windows are"
    LABELS = "an array of integers: for each row of the operand the number of a column"
    ROWS = "an array of integers: numbers of rows of the operand"
    RATIO = "a number from 0 to below 1"
    EPSILON = "a positive number"
    MASK = "an array of booleans that broadcasts against the operands"
    INDEXED_SHAPE = "the shape that was indexed"
    DTYPE = "an element type"


class Smoothness(Enum):
    """How often, and in which sense, an operation can be differentiated."""

    LINEAR = "linear"  # in all operands together
    MULTILINEAR = "multilinear"  # in each operand
    SMOOTH = "smooth"  # infinitely often on its domain
    PIECEWISE = "piecewise smooth"  # but for its kinks


Clearance: TypeAlias = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of operands, known by the distance to its edge.

    Attributes:
        text: The set, in mathematics.
        clearance: ``clearance(*xs, **attributes)`` is the distance from the operands to the nearest
            edge: positive inside, zero or negative where there is none left, ``inf`` without edges.
        low, high: An open interval that holds it, or for a domain of several operands the first.
    """

    text: str
    clearance: Clearance
    low: float = -math.inf
    high: float = math.inf


def _least(distances: Array) -> float:
    """The smallest of some distances; infinite if there are none, -inf if one is not a number."""
    if distances.size == 0:
        return math.inf
    least = float(np.min(distances))
    return -math.inf if math.isnan(least) else least


def interval(low: float, high: float) -> Domain:
    """The open interval ``low < x < high``, for every element of a single operand.

    Raises:
        ValueError: It is empty, or a bound is not a number.
    """
    if not low < high:
        raise ValueError(f"interval: {low} < x < {high} holds for no x; expected low < high")

    def clearance(x: Array, **_: object) -> float:
        return _least(np.minimum(x - low, high - x))

    if low == -math.inf and high == math.inf:
        text = "ℝ"
    elif high == math.inf:
        text = f"x > {low:g}"
    elif low == -math.inf:
        text = f"x < {high:g}"
    else:
        text = f"{low:g} < x < {high:g}"
    return Domain(text, clearance, low, high)


def _everywhere(*_: Array, **__: object) -> float:
    return math.inf


def _from_zero(x: Array, **_: object) -> float:
    return _least(np.abs(x))


def _divisor_from_zero(a: Array, b: Array) -> float:
    return _least(np.abs(b))


def _base_above_zero(a: Array, b: Array) -> float:
    return _least(a)


def _cosine_from_zero(x: Array) -> float:
    return _least(np.abs(np.cos(x)))


REALS = Domain("ℝ", _everywhere)
POSITIVE = interval(0.0, math.inf)
ABOVE_MINUS_ONE = interval(-1.0, math.inf)
WITHIN_ONE = interval(-1.0, 1.0)
NONZERO = Domain("x ≠ 0", _from_zero)
NONZERO_DIVISOR = Domain("b ≠ 0", _divisor_from_zero)
POSITIVE_BASE = Domain("a > 0", _base_above_zero)
COSINE_NOT_ZERO = Domain("cos x ≠ 0", _cosine_from_zero)


def _base_of_constant_power(x: Array, c: float, **_: object) -> float:
    if float(c).is_integer():
        return math.inf if c >= 0 else _least(np.abs(x))
    return _least(x)


BASE_OF_CONSTANT_POWER = Domain(
    "ℝ for c = 0, 1, 2, …; x ≠ 0 for c = -1, -2, …; else x > 0", _base_of_constant_power
)


def _nonempty_extent(x: Array, axis: int | tuple[int, ...] | None = None, **_: object) -> float:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.inf if all(x.shape[a] > 0 for a in axes) else -math.inf


NONEMPTY = Domain("at least one element along the axes", _nonempty_extent)


def _first_not_empty(x: Array, *_: Array, **__: object) -> float:
    return math.inf if x.size else -math.inf


def _from_zero_and_one(p: Array, t: Array) -> float:
    return min(_first_not_empty(p), _least(np.minimum(p, 1 - p)))


NONEMPTY_BATCH = Domain("at least one element", _first_not_empty)
PROBABILITIES = Domain("0 < p < 1", _from_zero_and_one)


@dataclass(frozen=True, slots=True)
class Kinks:
    """Where an operation is continuous but not differentiable, and what its rule says there.

    Attributes:
        text: The set, in mathematics.
        convention: The derivative that the rule documents on the set.
        clearance: ``clearance(*xs, **attributes)``: the distance to the set.
    """

    text: str
    convention: str
    clearance: Clearance


def _gap_between_largest(x: Array, axis: int | tuple[int, ...] | None = None, **_: object) -> float:
    if x.size == 0:
        return math.inf
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = sorted(a % x.ndim for a in axes) if x.ndim else []
    kept = [a for a in range(x.ndim) if a not in reduced]
    rows = np.transpose(x, kept + reduced).reshape(*(x.shape[a] for a in kept), -1)
    if rows.shape[-1] < 2:
        return math.inf
    ordered = np.sort(rows, axis=-1)
    return _least(ordered[..., -1] - ordered[..., -2])


def _gap_between_smallest(x: Array, axis: int | tuple[int, ...] | None = None, **_: object) -> float:
    return _gap_between_largest(-x, axis)


def _gap_in_windows(
    x: Array,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
) -> float:
    kernel, (down, across), (rows, columns) = (
        n if isinstance(n, tuple) else (n, n) for n in (kernel_size, stride, pad)
    )
    if x.size == 0 or kernel == (1, 1):
        return math.inf
    room = ((0, 0), (0, 0), (rows, rows), (columns, columns))
    padded = np.pad(x.astype(np.result_type(x, np.float16)), room, constant_values=-math.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (1, 1, *kernel))
    windows = windows[:, :, ::down, ::across]
    ordered = np.sort(windows.reshape(*windows.shape[:4], -1), axis=-1)
    return _least(ordered[..., -1] - ordered[..., -2])


def _from_zero_unless_straight(x: Array, slope: float) -> float:
    return math.inf if slope == 1 else _least(np.abs(x))


def _from_bounds(x: Array, x_min: float, x_max: float) -> float:
    if x_min >= x_max:  # then it is constant
        return math.inf
    return _least(np.minimum(np.abs(x - x_min), np.abs(x - x_max)))


def _apart(a: Array, b: Array) -> float:
    return _least(np.abs(a - b))


def _from_delta(x0: Array, x1: Array, delta: float) -> float:
    return _least(np.abs(np.abs(x0 - x1) - delta))


AT_DELTA = Kinks("|x0 - x1| = delta", "the one of both sides: only the second jumps", _from_delta)
AT_ZERO = Kinks("x = 0", "0", _from_zero)
AT_ZERO_BY_SLOPE = Kinks("x = 0, unless slope = 1", "slope", _from_zero_unless_straight)
AT_BOUNDS = Kinks("x = x_min or x = x_max, unless x_min ≥ x_max", "1", _from_bounds)
WHERE_EQUAL = Kinks("a = b", "one half to each", _apart)
LARGEST_TIED = Kinks(
    "the largest element is not unique", "equal shares to the tied elements", _gap_between_largest
)
LARGEST_OF_WINDOW_TIED = Kinks(
    "the largest element of a window is not unique",
    "equal shares to the tied elements",
    _gap_in_windows,
)
SMALLEST_TIED = Kinks(
    "the smallest element is not unique", "equal shares to the tied elements", _gap_between_smallest
)

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Contract:
    """What an operation promises.

    Attributes:
        name: Its name in programs and on the wire.
        summary: What it computes, in a line.
        arity: The number of operands; None for one or more.
        outputs: How many outputs it gives; None for as many as the attribute ``sections`` says.
        shapes: How the shapes of its operands must fit together.
        domain: Where it is defined.
        kinks: Where it is not differentiable; None for nowhere.
        smoothness: In which sense it can be differentiated.
        attributes: What its constructor takes, in order.
        saves: The operands and results that its rule reads, by the names in the rule's signature.
    """

    name: str
    summary: str
    arity: int | None
    outputs: int | None
    shapes: Shapes
    domain: Domain
    kinks: Kinks | None
    smoothness: Smoothness
    attributes: Mapping[str, Attribute]
    saves: frozenset[str]

    @property
    def several_outputs(self) -> bool:
        """Whether an application gives a list."""
        return self.outputs != 1
