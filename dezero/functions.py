"""Functions on Variables, each with its operation: what rules are given as ``xp`` to record themselves.

Elementwise functions, selection, shaping, reductions, and what is normally called ``F``. The arithmetic
and the other operations that Variable's own methods need stand in `dezero.core`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dezero import arrays
from dezero.arrays import Axes, as_array, reduced_axes, reduced_size
from dezero.contract import (
    ABOVE_MINUS_ONE,
    AT_BOUNDS,
    AT_ZERO,
    AT_ZERO_BY_SLOPE,
    COSINE_NOT_ZERO,
    NONEMPTY,
    NONZERO,
    POSITIVE,
    REALS,
    WHERE_EQUAL,
    WITHIN_ONE,
    Array,
    Attribute,
    Shapes,
    Smoothness,
)
from dezero.core import AXIS_AND_KEEPDIMS, Reduction
from dezero.core import Abs as Abs
from dezero.core import Add as Add
from dezero.core import BroadcastTo as BroadcastTo
from dezero.core import Div as Div
from dezero.core import GetItem as GetItem
from dezero.core import GetItemGrad as GetItemGrad
from dezero.core import MatMul as MatMul
from dezero.core import Max as Max
from dezero.core import Mean as Mean
from dezero.core import Min as Min
from dezero.core import Mul as Mul
from dezero.core import Neg as Neg
from dezero.core import Pow as Pow
from dezero.core import Power as Power
from dezero.core import Reshape as Reshape
from dezero.core import Sub as Sub
from dezero.core import Sum as Sum
from dezero.core import SumTo as SumTo
from dezero.core import Transpose as Transpose
from dezero.core import abs as abs
from dezero.core import add as add
from dezero.core import broadcast_to as broadcast_to
from dezero.core import div as div
from dezero.core import get_item as get_item
from dezero.core import get_item_grad as get_item_grad
from dezero.core import matmul as matmul
from dezero.core import max as max
from dezero.core import mean as mean
from dezero.core import min as min
from dezero.core import mul as mul
from dezero.core import neg as neg
from dezero.core import pow as pow
from dezero.core import rdiv as rdiv
from dezero.core import reshape as reshape
from dezero.core import rsub as rsub
from dezero.core import sub as sub
from dezero.core import sum as sum
from dezero.core import sum_to as sum_to
from dezero.core import transpose as transpose
from dezero.graph import Namespace, Operand, T, Variable, values
from dezero.operation import Binary, Nary, Splitting, Unary

# --------------------------------------------------------------------------------------- Elementwise


class Identity(Unary, domain=REALS, saves="", smoothness=Smoothness.LINEAR):
    """The same values, in memory of their own."""

    def forward(self, x: Array) -> Array:
        return x.copy()

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy


class Square(Unary, domain=REALS, saves="x"):
    """The square x²."""

    def forward(self, x: Array) -> Array:
        return as_array(np.square(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * (2.0 * x)


class Sqrt(Unary, domain=POSITIVE, saves="y"):
    """The square root √x."""

    def forward(self, x: Array) -> Array:
        return arrays.sqrt(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / (2.0 * y)


class Reciprocal(Unary, domain=NONZERO, saves="y"):
    """The reciprocal 1 / x."""

    def forward(self, x: Array) -> Array:
        return as_array(1.0 / x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return -gy * y * y


class Exp(Unary, domain=REALS, saves="y"):
    """The exponential eˣ."""

    def forward(self, x: Array) -> Array:
        return arrays.exp(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * y


class Expm1(Unary, domain=REALS, saves="x"):
    """eˣ - 1, exact for small x."""

    def forward(self, x: Array) -> Array:
        return as_array(np.expm1(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.exp(x)


class Log(Unary, domain=POSITIVE, saves="x"):
    """The natural logarithm."""

    def forward(self, x: Array) -> Array:
        return arrays.log(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / x


class Log1p(Unary, domain=ABOVE_MINUS_ONE, saves="x"):
    """log(1 + x), exact for small x."""

    def forward(self, x: Array) -> Array:
        return as_array(np.log1p(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / (1.0 + x)


class Log2(Unary, domain=POSITIVE, saves="x"):
    """The logarithm to the base 2."""

    def forward(self, x: Array) -> Array:
        return as_array(np.log2(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / (x * math.log(2.0))


class Sin(Unary, domain=REALS, saves="x"):
    """The sine."""

    def forward(self, x: Array) -> Array:
        return arrays.sin(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.cos(x)


class Cos(Unary, domain=REALS, saves="x"):
    """The cosine."""

    def forward(self, x: Array) -> Array:
        return arrays.cos(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * -xp.sin(x)


class Tan(Unary, domain=COSINE_NOT_ZERO, saves="y"):
    """The tangent."""

    def forward(self, x: Array) -> Array:
        return as_array(np.tan(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * (1.0 + y * y)


class Sinh(Unary, domain=REALS, saves="x"):
    """The hyperbolic sine."""

    def forward(self, x: Array) -> Array:
        return arrays.sinh(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.cosh(x)


class Cosh(Unary, domain=REALS, saves="x"):
    """The hyperbolic cosine."""

    def forward(self, x: Array) -> Array:
        return arrays.cosh(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.sinh(x)


class Tanh(Unary, domain=REALS, saves="x"):
    """The hyperbolic tangent."""

    def forward(self, x: Array) -> Array:
        return as_array(np.tanh(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        # 1 - y² cancels where y rounds to ±1; this product is the same and keeps its digits.
        return gy * (4.0 * xp.sigmoid(2.0 * x) * xp.sigmoid(-2.0 * x))


class Arcsin(Unary, domain=WITHIN_ONE, saves="x"):
    """The inverse sine."""

    def forward(self, x: Array) -> Array:
        return as_array(np.arcsin(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / xp.sqrt(1.0 - x * x)


class Arccos(Unary, domain=WITHIN_ONE, saves="x"):
    """The inverse cosine."""

    def forward(self, x: Array) -> Array:
        return as_array(np.arccos(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return -gy / xp.sqrt(1.0 - x * x)


class Arctan(Unary, domain=REALS, saves="x"):
    """The inverse tangent."""

    def forward(self, x: Array) -> Array:
        return as_array(np.arctan(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / (1.0 + x * x)


class Sigmoid(Unary, domain=REALS, saves="xy"):
    """The logistic function 1 / (1 + e⁻ˣ)."""

    def forward(self, x: Array) -> Array:
        return arrays.sigmoid(x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        slope: T = y * xp.sigmoid(-1.0 * x)  # 1 - y would cancel where y rounds to 1
        return gy * slope


class Softplus(Unary, domain=REALS, saves="x"):
    """log(1 + eˣ), a smooth relu."""

    def forward(self, x: Array) -> Array:
        x = arrays.floating(x)
        return as_array(np.logaddexp(x, x.dtype.type(0)))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.sigmoid(x)


class ReLU(Unary, domain=REALS, saves="x", smoothness=Smoothness.PIECEWISE, kinks=AT_ZERO, name="relu"):
    """The larger of x and 0."""

    def forward(self, x: Array) -> Array:
        return as_array(np.maximum(x, 0))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.where(x > 0, gy, 0.0)


class LeakyReLU(
    Unary,
    domain=REALS,
    saves="x",
    smoothness=Smoothness.PIECEWISE,
    kinks=AT_ZERO_BY_SLOPE,
    attributes={"slope": Attribute.SLOPE},
    name="leaky_relu",
):
    """x where it is positive, slope · x elsewhere."""

    def __init__(self, slope: float = 0.2) -> None:
        self.slope = slope

    def forward(self, x: Array) -> Array:
        return arrays.where(x > 0, x, x * self.slope)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.where(x > 0, gy, gy * self.slope)


class Clip(
    Unary,
    domain=REALS,
    saves="x",
    smoothness=Smoothness.PIECEWISE,
    kinks=AT_BOUNDS,
    attributes={"x_min": Attribute.REAL, "x_max": Attribute.REAL},
):
    """x, but not below x_min and not above x_max."""

    def __init__(self, x_min: float, x_max: float) -> None:
        self.x_min = x_min
        self.x_max = x_max

    def forward(self, x: Array) -> Array:
        return as_array(np.clip(x, self.x_min, self.x_max))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        if self.x_min >= self.x_max:  # constant, also at the bounds
            return gy * 0.0
        return xp.where((x >= self.x_min) & (x <= self.x_max), gy, 0.0)


class Maximum(Binary, domain=REALS, saves="ab", smoothness=Smoothness.PIECEWISE, kinks=WHERE_EQUAL):
    """The larger of a and b, elementwise."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(np.maximum(a, b))

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return _chosen(xp, gy, a > b, a >= b)


class Minimum(Binary, domain=REALS, saves="ab", smoothness=Smoothness.PIECEWISE, kinks=WHERE_EQUAL):
    """The smaller of a and b, elementwise."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(np.minimum(a, b))

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return _chosen(xp, gy, a < b, a <= b)


def _chosen(xp: Namespace[T], gy: T, first: Array, first_or_tied: Array) -> tuple[T, T]:
    """``gy`` to the operand that was chosen; half to each where they are tied."""
    half = 0.5 * gy
    ga = xp.where(first, gy, xp.where(first_or_tied, half, 0.0))
    gb = xp.where(first, 0.0, xp.where(first_or_tied, half, gy))
    return ga, gb


class Where(
    Binary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"condition": Attribute.MASK},
):
    """a where the condition holds, b elsewhere; the three broadcast."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, a: Array, b: Array) -> Array:
        return arrays.where(self.condition, a, b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return xp.where(self.condition, gy, 0.0), xp.where(self.condition, 0.0, gy)


class AsType(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"dtype": Attribute.DTYPE},
    name="astype",
):
    """The same values in another element type."""

    def __init__(self, dtype: np.dtype[np.generic]) -> None:
        self.dtype = dtype

    def forward(self, x: Array) -> Array:
        return arrays.astype(x, self.dtype)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy  # the engine gives it the element type of x


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
        self.axis = axis

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

    def __init__(self, sections: int, axis: int = 0) -> None:
        self.sections = sections
        self.axis = axis

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
        self.pad_width = pad_width

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
        self.shift = shift
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return arrays.roll(x, self.shift, self.axis)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.roll(gy, -self.shift, self.axis)


# ----------------------------------------------------------------------------------------- Reductions


class Var(Reduction, Unary, domain=NONEMPTY, saves="x", attributes=AXIS_AND_KEEPDIMS):
    """The variance over some axes: the mean square of the deviation from the mean."""

    def forward(self, x: Array) -> Array:
        return as_array(np.var(x, self.axis, keepdims=self.keepdims))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        n = reduced_size(x.shape, self.axis)
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
        axis = 0 if self.axis is None else self.axis
        return xp.reshape(xp.flip(xp.cumsum(xp.flip(gy, axis), axis), axis), x.shape)


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
        total = np.sum(np.exp(x - shift), self.axis, keepdims=True)
        with np.errstate(divide="ignore"):  # log 0 is -inf, as it should be
            y = as_array(np.log(total) + shift)
        return y if self.keepdims else y.reshape(np.sum(y, self.axis).shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        top = self.kept(xp, y, x)
        shares = xp.exp(x - xp.where(top > -np.inf, top, 0.0))
        total = xp.sum(shares, self.axis, True)  # 1, but for the rounding of y
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
        gx: T = gy - xp.exp(y) * xp.sum(gy, self.axis, True)
        return gx


def _log_softmax(x: Array, axis: int) -> Array:
    x = arrays.floating(x)
    if x.size == 0:
        return x.copy()
    shifted = x - np.max(x, axis, keepdims=True)
    return as_array(shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True)))


# -------------------------------------------------------------------------- The same, as functions


def identity(x: Operand) -> Variable:
    """The same values, in memory of their own."""
    return Identity()(x)


def square(x: Operand) -> Variable:
    """The square x²."""
    return Square()(x)


def sqrt(x: Operand) -> Variable:
    """The square root, for x > 0."""
    return Sqrt()(x)


def reciprocal(x: Operand) -> Variable:
    """1 / x, for x ≠ 0."""
    return Reciprocal()(x)


def exp(x: Operand) -> Variable:
    """The exponential."""
    return Exp()(x)


def expm1(x: Operand) -> Variable:
    """eˣ - 1, exact for small x."""
    return Expm1()(x)


def log(x: Operand) -> Variable:
    """The natural logarithm, for x > 0."""
    return Log()(x)


def log1p(x: Operand) -> Variable:
    """log(1 + x), exact for small x; for x > -1."""
    return Log1p()(x)


def log2(x: Operand) -> Variable:
    """The logarithm to the base 2, for x > 0."""
    return Log2()(x)


def sin(x: Operand) -> Variable:
    """The sine."""
    return Sin()(x)


def cos(x: Operand) -> Variable:
    """The cosine."""
    return Cos()(x)


def tan(x: Operand) -> Variable:
    """The tangent, where the cosine is not zero."""
    return Tan()(x)


def sinh(x: Operand) -> Variable:
    """The hyperbolic sine."""
    return Sinh()(x)


def cosh(x: Operand) -> Variable:
    """The hyperbolic cosine."""
    return Cosh()(x)


def tanh(x: Operand) -> Variable:
    """The hyperbolic tangent."""
    return Tanh()(x)


def arcsin(x: Operand) -> Variable:
    """The inverse sine, for -1 < x < 1."""
    return Arcsin()(x)


def arccos(x: Operand) -> Variable:
    """The inverse cosine, for -1 < x < 1."""
    return Arccos()(x)


def arctan(x: Operand) -> Variable:
    """The inverse tangent."""
    return Arctan()(x)


def sigmoid(x: Operand) -> Variable:
    """The logistic function 1 / (1 + e⁻ˣ), with no overflow on either side."""
    return Sigmoid()(x)


def softplus(x: Operand) -> Variable:
    """log(1 + eˣ), with no overflow on either side."""
    return Softplus()(x)


def relu(x: Operand) -> Variable:
    """The larger of x and 0. Its derivative at 0 is 0."""
    return ReLU()(x)


def leaky_relu(x: Operand, slope: float = 0.2) -> Variable:
    """x where it is positive, slope · x elsewhere. Its derivative at 0 is the slope."""
    return LeakyReLU(slope)(x)


def clip(x: Operand, x_min: float, x_max: float) -> Variable:
    """x, but not below x_min and not above x_max. Its derivative at the bounds is 1."""
    return Clip(x_min, x_max)(x)


def maximum(a: Operand, b: Operand) -> Variable:
    """The larger of a and b. Where they are equal, each gets half of the gradient."""
    return Maximum()(a, b)


def minimum(a: Operand, b: Operand) -> Variable:
    """The smaller of a and b. Where they are equal, each gets half of the gradient."""
    return Minimum()(a, b)


def where(condition: Operand, a: Operand, b: Operand) -> Variable:
    """a where the condition holds, b elsewhere; the three broadcast."""
    return Where(values(condition).astype(np.bool_))(a, b)


def astype(x: Operand, dtype: np.dtype[np.generic]) -> Variable:
    """The same values in another element type."""
    return AsType(dtype)(x)


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


def split(x: Operand, sections: int, axis: int = 0) -> list[Variable]:
    """Equal parts along an axis."""
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


average = mean
