"""Operations on whole arrays: other shapes, arrays joined and split, and reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dezero import arrays
from dezero.arrays import Axes, as_array, integer, reduced_axes, reduced_size
from dezero.contract import (
    NONEMPTY,
    REALS,
    Array,
    Attribute,
    Shapes,
    Smoothness,
)
from dezero.core import AXIS_AND_KEEPDIMS, Reduction, narrowed, wide
from dezero.graph import Operand, Variable
from dezero.namespace import Namespace, T
from dezero.operation import Nary, Splitting, Unary

__all__ = [
    "Concatenate",
    "CumSum",
    "ExpandDims",
    "Flatten",
    "Flip",
    "LogSoftmax",
    "LogSumExp",
    "Pad",
    "Prod",
    "Roll",
    "Softmax",
    "Split",
    "Squeeze",
    "Stack",
    "SwapAxes",
    "Var",
    "concatenate",
    "cumsum",
    "expand_dims",
    "flatten",
    "flip",
    "log_softmax",
    "logsumexp",
    "pad",
    "prod",
    "roll",
    "softmax",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "var",
]

Sections: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]  # of any width
"""Into how many equal parts to split, or where."""

# -------------------------------------------------------------------------------------------- Shaping


class SwapAxes(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axis1": Attribute.AXIS, "axis2": Attribute.AXIS},
    name="swapaxes",
):
    """Two axes exchanged."""

    def __init__(self, axis1: int, axis2: int) -> None:
        self.axis1 = axis1
        self.axis2 = axis2

    def forward(self, x: Array) -> Array:
        return arrays.swapaxes(x, self.axis1, self.axis2)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.swapaxes(gy, self.axis1, self.axis2)


class ExpandDims(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.NEW_AXIS},
):
    """A new axis of length one."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return np.expand_dims(x, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.reshape(gy, x.shape)


class Squeeze(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.UNIT_AXIS},
):
    """An axis of length one removed; all of them by default."""

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return as_array(np.squeeze(x, self.axis))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.reshape(gy, x.shape)


class Flatten(Unary, domain=REALS, saves="", smoothness=Smoothness.LINEAR):
    """All axes but the first made one: a batch of vectors."""

    def forward(self, x: Array) -> Array:
        n = x.shape[0] if x.ndim else 1
        return x.reshape(n, math.prod(x.shape[1:]))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.reshape(gy, x.shape)


class Concatenate(
    Nary,
    domain=REALS,
    shapes=Shapes.EQUAL_BUT_AXIS,
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.AXIS},
):
    """Operands joined along an axis."""

    def __init__(self, axis: int = 0) -> None:
        self.axis: int = integer("concatenate", "axis", axis)

    def forward(self, *xs: Array) -> Array:
        return arrays.concatenate(xs, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> Sequence[T]:
        axis: int = self.axis % gy.ndim
        gxs: list[T] = []
        start = 0
        for x in xs:
            stop = start + x.shape[axis]
            gxs.append(xp.get_item(gy, (*(slice(None),) * axis, slice(start, stop))))
            start = stop
        return gxs


class Stack(
    Nary,
    domain=REALS,
    shapes=Shapes.EQUAL,
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.NEW_AXIS},
):
    """Operands of one shape joined along a new axis."""

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def forward(self, *xs: Array) -> Array:
        return np.stack(xs, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> Sequence[T]:
        before = (slice(None),) * (self.axis % gy.ndim)
        return [xp.get_item(gy, before + (i,)) for i in range(len(xs))]


class Split(
    Splitting,
    domain=REALS,
    smoothness=Smoothness.LINEAR,
    attributes={"sections": Attribute.SECTIONS, "axis": Attribute.AXIS},
):
    """Equal parts along an axis."""

    def __init__(self, sections: Sections, axis: int = 0) -> None:
        self.sections: Sections = (
            sections
            if isinstance(sections, (Sequence, np.ndarray))
            else integer("split", "sections", sections)
        )
        self.axis: int = integer("split", "axis", axis)

    def forward(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, self.sections, self.axis))

    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T) -> T:
        return xp.concatenate(gys, self.axis)


class Pad(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"pad_width": Attribute.PAD_WIDTHS},
):
    """Zeros put before and after, for each axis."""

    def __init__(self, pad_width: tuple[tuple[int, int], ...]) -> None:
        try:
            self.pad_width: tuple[tuple[int, int], ...] = tuple(
                [(index(before), index(after)) for before, after in pad_width]
            )
        except (TypeError, ValueError):
            raise TypeError(
                f"pad: pad_width is {pad_width!r}; expected a pair of integers for each axis"
            ) from None

    def forward(self, x: Array) -> Array:
        return arrays.pad(x, self.pad_width)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        inner = [
            slice(before, before + n) for (before, _), n in zip(self.pad_width, x.shape, strict=True)
        ]
        return xp.get_item(gy, tuple(inner))


class Flip(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.ANY_AXIS},
):
    """The order of the elements reversed along an axis; along all by default."""

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return arrays.flip(x, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.flip(gy, self.axis)


class Roll(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"shift": Attribute.SHIFT, "axis": Attribute.ANY_AXIS},
):
    """The elements shifted round along an axis; of the flattened array by default."""

    def __init__(self, shift: int, axis: int | None = None) -> None:
        self.shift: int = integer("roll", "shift", shift)
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return arrays.roll(x, self.shift, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.roll(gy, -self.shift, self.axis)


# ----------------------------------------------------------------------------------------- Reductions


class Var(Reduction, Unary, domain=NONEMPTY, saves="x", attributes=AXIS_AND_KEEPDIMS):
    """The variance over some axes: the mean square of the deviation from the mean."""

    def forward(self, x: Array) -> Array:
        x = arrays.floating(x)
        y = np.var(x, self.axis, arrays.accumulator(x.dtype), keepdims=self.keepdims)
        return narrowed(y, x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        n = reduced_size(x.shape, self.axis)
        x = wide(xp, x)
        deviation = x - xp.sum(x, self.axis, True) / n
        return self.kept(xp, gy, x) * deviation * (2.0 / n)


class Prod(
    Reduction,
    Unary,
    domain=REALS,
    saves="x",
    smoothness=Smoothness.SMOOTH,
    attributes=AXIS_AND_KEEPDIMS,
):
    """The product over some axes."""

    def forward(self, x: Array) -> Array:
        return arrays.prod(x, self.axis, self.keepdims)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        # Dividing y by x would lose the gradient at zeros. Bring the reduced axes to the end, as one
        # row, and multiply for each element what stands before it by what stands behind it.
        reduced = reduced_axes(x.ndim, self.axis)
        order = tuple(a for a in range(x.ndim) if a not in reduced) + reduced
        moved = xp.transpose(x, order)
        n_kept = x.ndim - len(reduced)
        rows = xp.reshape(moved, moved.shape[:n_kept] + (reduced_size(x.shape, self.axis),))
        others = _products_before(xp, rows) * xp.flip(_products_before(xp, xp.flip(rows, -1)), -1)
        back = tuple(sorted(range(x.ndim), key=order.__getitem__))
        return self.kept(xp, gy, x) * xp.transpose(xp.reshape(others, moved.shape), back)


def _products_before(xp: Namespace[T], rows: T) -> T:
    """For each element of the last axis the product of those before it, by repeated doubling."""
    n = rows.shape[-1]
    behind = xp.where(np.arange(n) > 0, xp.roll(rows, 1, -1), 1.0)
    step = 1
    while step < n:  # behind[i] is the product of the `step` elements before i, or of all there are
        behind = behind * xp.where(np.arange(n) >= step, xp.roll(behind, step, -1), 1.0)
        step *= 2
    return behind


class CumSum(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axis": Attribute.ANY_AXIS},
    name="cumsum",
):
    """The running sum along an axis; of the flattened array by default."""

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return arrays.cumsum(x, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.reshape(xp.flip(xp.cumsum(xp.flip(gy, self.axis), self.axis), self.axis), x.shape)


class LogSumExp(
    Reduction,
    Unary,
    domain=NONEMPTY,
    saves="xy",
    attributes=AXIS_AND_KEEPDIMS,
    name="logsumexp",
):
    """log Σ eˣ over some axes."""

    def forward(self, x: Array) -> Array:
        x = arrays.floating(x)
        largest = np.max(x, self.axis, keepdims=True)
        shift = np.where(np.isfinite(largest), largest, 0).astype(largest.dtype)
        # Beside an infinity, e^1000 may be infinite, too; log 0 is -inf, as it should be.
        with np.errstate(over="ignore", divide="ignore"):
            y = narrowed(_log_of_sum(x - shift, self.axis) + shift, x)
        return y if self.keepdims else y.reshape(np.sum(y, self.axis).shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        top = self.kept(xp, y, x)
        shares = xp.exp(x - xp.where(top > -np.inf, top, 0.0))
        total = xp.sum(wide(xp, shares), self.axis, True)  # 1, but for the rounding of y
        return self.kept(xp, gy, x) * (shares / xp.where(total > 0, total, 1.0))


class Softmax(Unary, domain=REALS, saves="y", attributes={"axis": Attribute.AXIS}):
    """eˣ / Σ eˣ along an axis."""

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return as_array(np.exp(_log_softmax(x, self.axis)))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        weighted: T = gy * y
        gx: T = weighted - y * xp.sum(weighted, self.axis, True)
        return gx


class LogSoftmax(Unary, domain=REALS, saves="y", attributes={"axis": Attribute.AXIS}):
    """x - log Σ eˣ along an axis."""

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return _log_softmax(x, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        gx: T = gy - xp.exp(y) * xp.sum(wide(xp, gy), self.axis, True)
        return gx


def _log_softmax(x: Array, axis: int) -> Array:
    x = arrays.floating(x)
    if x.size == 0:
        return x.copy()
    shifted = x - np.max(x, axis, keepdims=True)
    return narrowed(shifted - _log_of_sum(shifted, axis), x)


def _log_of_sum(shifted: Array, axis: Axes) -> Array:
    """log Σ eˣ along axes, kept, of numbers of which the largest is 0, in their accumulator.

    e⁰ is left out of the sum, for all that stands beside it may be less than the last place of 1.
    """
    is_largest: Array = shifted == 0
    dtype = arrays.accumulator(shifted.dtype)
    rest = as_array(np.sum(np.exp(shifted), axis, dtype, keepdims=True, where=~is_largest))
    count = as_array(np.sum(is_largest, axis, dtype, keepdims=True))
    return as_array(np.log1p(rest + (count - 1)))


# -------------------------------------------------------------------------- The same, as functions


def swapaxes(x: Operand, axis1: int, axis2: int) -> Variable:
    """Two axes exchanged."""
    return SwapAxes(axis1, axis2)(x)


def expand_dims(x: Operand, axis: int) -> Variable:
    """A new axis of length one."""
    return ExpandDims(axis)(x)


def squeeze(x: Operand, axis: int | None = None) -> Variable:
    """An axis of length one removed; all of them by default."""
    return Squeeze(axis)(x)


def flatten(x: Operand) -> Variable:
    """All axes but the first made one: a batch of vectors."""
    return Flatten()(x)


def concatenate(xs: Sequence[Operand], axis: int = 0) -> Variable:
    """Operands joined along an axis."""
    return Concatenate(axis)(*xs)


def stack(xs: Sequence[Operand], axis: int = 0) -> Variable:
    """Operands of one shape joined along a new axis."""
    return Stack(axis)(*xs)


def split(x: Operand, sections: Sections, axis: int = 0) -> list[Variable]:
    """Equal parts along an axis; or, from places such as ``[2, 5]``, the parts between them."""
    return Split(sections, axis)(x)


def pad(x: Operand, pad_width: tuple[tuple[int, int], ...]) -> Variable:
    """Zeros put before and after: a pair of numbers for each axis."""
    return Pad(pad_width)(x)


def flip(x: Operand, axis: int | None = None) -> Variable:
    """The order of the elements reversed along an axis; along all by default."""
    return Flip(axis)(x)


def roll(x: Operand, shift: int, axis: int | None = None) -> Variable:
    """The elements shifted round along an axis; of the flattened array by default."""
    return Roll(shift, axis)(x)


def var(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The variance over some axes; over all by default."""
    return Var(axis, keepdims)(x)


def prod(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The product over some axes; over all by default. Zeros do not spoil its gradient."""
    return Prod(axis, keepdims)(x)


def cumsum(x: Operand, axis: int | None = None) -> Variable:
    """The running sum along an axis; of the flattened array by default."""
    return CumSum(axis)(x)


def logsumexp(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """log Σ eˣ over some axes, finite wherever the value is."""
    return LogSumExp(axis, keepdims)(x)


def softmax(x: Operand, axis: int = 1) -> Variable:
    """eˣ / Σ eˣ along an axis."""
    return Softmax(axis)(x)


def log_softmax(x: Operand, axis: int = 1) -> Variable:
    """x - log Σ eˣ along an axis."""
    return LogSoftmax(axis)(x)
