"""The functions that rules call, on ndarrays: NumPy's side of the two readings of a rule.

`dezero.functions` has functions of the same names on Variables. A rule is given one module or the other
as ``xp`` (see `dezero.core.Namespace`). Every function returns an ndarray, also where NumPy returns a
scalar, and keeps the element type of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import EllipsisType, NoneType
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dezero.contract import Array

Axes: TypeAlias = int | tuple[int, ...] | None
Shape: TypeAlias = tuple[int, ...]
IndexPart: TypeAlias = (
    int
    | slice
    | EllipsisType
    | None
    | list[int]
    | tuple[int, ...]
    | NDArray[np.integer[Any]]  # of any width
    | NDArray[np.bool_]
)
Index: TypeAlias = IndexPart | tuple[IndexPart, ...]
"""What stands between the brackets of ``x[...]``: NumPy's basic, integer-array and boolean indices."""


def as_array(x: object) -> Array:
    """``x`` as an ndarray: itself if it is one, else a new one (NumPy makes scalars of 0-d results)."""
    # The check has lost which elements an ndarray has; any will do.
    return cast(Array, x) if isinstance(x, np.ndarray) else np.asarray(x)


def is_array_or_number(x: object) -> bool:
    """Whether ``x`` is what an array can be made of without guessing: no list, no string."""
    return isinstance(x, (np.ndarray, np.generic, int, float))


def floating(x: Array) -> Array:
    """``x`` itself if its elements are floating, else in float64: integers would wrap."""
    return x if x.dtype.kind in "fO" else x.astype(np.float64)


def reduced_axes(ndim: int, axis: Axes) -> tuple[int, ...]:
    """The axes over which a reduction goes: sorted, not negative."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))))


def kept_shape(shape: Shape, axis: Axes) -> Shape:
    """The shape that a reduction of ``shape`` over ``axis`` has with ``keepdims=True``."""
    reduced = reduced_axes(len(shape), axis)
    return tuple(1 if a in reduced else n for a, n in enumerate(shape))


def reduced_size(shape: Shape, axis: Axes) -> int:
    """How many elements of an array of ``shape`` go into one element of its reduction over ``axis``."""
    return math.prod(shape[a] for a in reduced_axes(len(shape), axis))


def exp(x: Array) -> Array:
    """The exponential, elementwise."""
    return as_array(np.exp(x))


def log(x: Array) -> Array:
    """The natural logarithm, elementwise."""
    return as_array(np.log(x))


def sqrt(x: Array) -> Array:
    """The square root, elementwise."""
    return as_array(np.sqrt(x))


def sin(x: Array) -> Array:
    """The sine, elementwise."""
    return as_array(np.sin(x))


def cos(x: Array) -> Array:
    """The cosine, elementwise."""
    return as_array(np.cos(x))


def sinh(x: Array) -> Array:
    """The hyperbolic sine, elementwise."""
    return as_array(np.sinh(x))


def cosh(x: Array) -> Array:
    """The hyperbolic cosine, elementwise."""
    return as_array(np.cosh(x))


def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + exp(-x)), elementwise, with no overflow on either side."""
    x = floating(x)
    small = np.exp(-np.abs(x))
    return as_array(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


def where(condition: Array, a: Array | float, b: Array | float) -> Array:
    """``a`` where the condition holds, ``b`` elsewhere; the three broadcast."""
    return as_array(np.where(condition, a, b))


def identity(x: Array) -> Array:
    """The same values in memory of their own."""
    return x.copy()


def astype(x: Array, dtype: np.dtype[np.generic]) -> Array:
    """The same values in another element type."""
    return x.astype(dtype)


def reshape(x: Array, shape: Shape) -> Array:
    """The same elements in another shape."""
    return x.reshape(shape)


def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """The axes permuted; reversed by default."""
    return x.transpose(axes)


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    return x.swapaxes(axis1, axis2)


def broadcast_to(x: Array, shape: Shape) -> Array:
    """The elements repeated to a wider shape."""
    return np.broadcast_to(x, shape)


def sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over some axes."""
    return as_array(np.sum(x, axis=axis, keepdims=keepdims))


def sum_to(x: Array, shape: Shape) -> Array:
    """The sum over the axes along which ``shape`` was broadcast to the shape of ``x``.

    Raises:
        ValueError: ``shape`` does not broadcast to the shape of ``x``.
    """
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:], strict=True)):
        raise ValueError(f"sum_to: {shape} does not broadcast to the operand's shape {x.shape}")
    axes = tuple(a for a, m in enumerate(x.shape) if a < lead or (shape[a - lead] == 1 and m != 1))
    return sum(x, axis=axes).reshape(shape) if axes else x.reshape(shape)


def cumsum(x: Array, axis: int | None = None) -> Array:
    """The running sum along an axis; of the flattened array by default."""
    return np.cumsum(x, axis=axis)


def prod(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The product over some axes."""
    return as_array(np.prod(x, axis=axis, keepdims=keepdims))


def flip(x: Array, axis: int | None = None) -> Array:
    """The order of the elements reversed along an axis; along all by default."""
    return as_array(np.flip(x, axis))


def roll(x: Array, shift: int, axis: int | None = None) -> Array:
    """The elements shifted round along an axis; of the flattened array by default."""
    return np.roll(x, shift, axis)


def pad(x: Array, pad_width: tuple[tuple[int, int], ...]) -> Array:
    """Zeros put before and after, for each axis."""
    return np.pad(x, pad_width) if x.ndim else x.copy()  # NumPy refuses 0-d arrays


def concatenate(xs: Sequence[Array], axis: int = 0) -> Array:
    """Arrays joined along an axis."""
    return np.concatenate(xs, axis)


def get_item(x: Array, slices: Index) -> Array:
    """``x[slices]``."""
    return as_array(x[slices])


def get_item_grad(gy: Array, slices: Index, in_shape: Shape) -> Array:
    """The adjoint of indexing: ``gy`` added into zeros of ``in_shape`` at ``slices``."""
    gx = np.zeros(in_shape, gy.dtype)
    if picks_repeatedly(slices):
        places = np.arange(gx.size).reshape(in_shape)[slices]
        np.add.at(gx.reshape(-1), places.reshape(-1), gy.reshape(-1))
    else:
        gx[slices] = gy
    return gx


def picks_repeatedly(slices: Index) -> bool:
    """Whether an index can pick an element more than once: arrays, lists and tuples of integers can."""
    parts = slices if isinstance(slices, tuple) else (slices,)
    return any(
        not isinstance(part, (int, np.integer, slice, EllipsisType, NoneType))
        and np.asarray(part).dtype != np.bool_
        for part in parts
    )
