"""The executable specification: what each operation computes, as plainly as NumPy can say it.

This is the file to read first when you write the operations anew; `reference_nn` and `reference_conv`
go on with what networks need. Each function takes its operands
by position and its attributes by name, and says in one expression what the *value* is. No
derivative is written here: the derivative of an operation is that of its value, and at a kink,
where there is none, it is the one that these expressions give to a complex step (the docstring says
which).

The same lines run on real numbers, on complex numbers (``Im f(x + ih) / h`` is the derivative), on
balls (power series with error bounds, in object arrays) and, where it makes sense, on fractions.
Two rules keep that true: never conjugate, and let comparisons see `real` parts only.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dezero.contract import Array

Value: TypeAlias = Any  # an array or a NumPy scalar: the stubs cannot say which, `apply` makes arrays
Axes: TypeAlias = int | tuple[int, ...] | None


def real(x: Value) -> Value:
    """What a comparison looks at: the real part. (Balls are real; overlapping ones undecided.)"""
    return np.real(x)


def point(x: Value) -> Value:
    """Plain numbers near x, for choices that change the rounding but not the value."""
    r: Array = np.real(x)
    return r.astype(np.float64) if r.dtype == object else r


def identity(x: Array) -> Value:
    """x."""
    return x.copy()


# --- arithmetic -----------------------------------------------------------------------------------


def add(a: Array, b: Array) -> Value:
    """a + b."""
    return a + b


def sub(a: Array, b: Array) -> Value:
    """a - b."""
    return a - b


def mul(a: Array, b: Array) -> Value:
    """a · b, elementwise."""
    return a * b


def div(a: Array, b: Array) -> Value:
    """a / b."""
    return a / b


def neg(x: Array) -> Value:
    """-x."""
    return -x


def reciprocal(x: Array) -> Value:
    """1 / x."""
    return 1 / x


def square(x: Array) -> Value:
    """x · x."""
    return x * x


def pow(x: Array, *, c: float) -> Value:
    """x to a constant power: any x for c = 0, 1, …; x ≠ 0 for c = -1, -2, …; else x > 0. x⁰ = 1."""
    c = float(c)
    if np.iscomplexobj(x) and c.is_integer():  # (-1)^c (-x)^c keeps off the logarithm's cut
        sign = np.where(real(x) < 0, -1, 1).astype(real(x).dtype)
        return sign**c * (sign * x) ** c
    return x**c


def power(a: Array, b: Array) -> Value:
    """a to the power b, for a > 0."""
    return a**b


def sqrt(x: Array) -> Value:
    """√x, for x > 0."""
    return np.sqrt(x)


# --- exponentials and logarithms ------------------------------------------------------------------


def exp(x: Array) -> Value:
    """e to the power x."""
    return np.exp(x)


def expm1(x: Array) -> Value:
    """exp(x) - 1, accurate near 0."""
    return np.expm1(x)


def log(x: Array) -> Value:
    """Natural logarithm, for x > 0."""
    return np.log(x)


def log1p(x: Array) -> Value:
    """log(1 + x), accurate near 0, for x > -1."""
    y = np.log1p(x)
    if np.iscomplexobj(x):  # of a complex number, NumPy's real part is not accurate near 0
        return np.log1p(np.real(x)) + 1j * np.imag(y)
    return y


def log2(x: Array) -> Value:
    """Logarithm to base 2, for x > 0."""
    return np.log2(x)


# --- trigonometric and hyperbolic functions -------------------------------------------------------


def sin(x: Array) -> Value:
    """Sine."""
    return np.sin(x)


def cos(x: Array) -> Value:
    """Cosine."""
    return np.cos(x)


def tan(x: Array) -> Value:
    """Tangent, where cos x ≠ 0."""
    return np.tan(x)


def arcsin(x: Array) -> Value:
    """Inverse sine, for -1 < x < 1."""
    return np.arcsin(x)


def arccos(x: Array) -> Value:
    """Inverse cosine, for -1 < x < 1."""
    return np.arccos(x)


def arctan(x: Array) -> Value:
    """Inverse tangent."""
    return np.arctan(x)


def sinh(x: Array) -> Value:
    """Hyperbolic sine."""
    return np.sinh(x)


def cosh(x: Array) -> Value:
    """Hyperbolic cosine."""
    return np.cosh(x)


def tanh(x: Array) -> Value:
    """Hyperbolic tangent."""
    return np.tanh(x)


# --- activations ----------------------------------------------------------------------------------


def sigmoid(x: Array) -> Value:
    """1 / (1 + exp(-x)), written so that exp never overflows."""
    positive = point(x) >= 0
    e = np.exp(np.where(positive, -x, x))
    return np.where(positive, 1, e) / (1 + e)


def softplus(x: Array) -> Value:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): smooth, although written in two pieces."""
    positive = point(x) >= 0
    return np.where(positive, x, 0) + log1p(np.asarray(np.exp(np.where(positive, -x, x))))


def relu(x: Array) -> Value:
    """max(x, 0). At 0 the derivative is 0."""
    return np.where(real(x) <= 0, 0, x)


def leaky_relu(x: Array, *, slope: float) -> Value:
    """x for x > 0, else slope · x. At 0 the derivative is slope."""
    return np.where(real(x) > 0, x, slope * x)


# --- choices --------------------------------------------------------------------------------------


def abs(x: Array) -> Value:
    """|x| = x · sign(x). At 0 the derivative is 0."""
    return x * np.sign(real(x))


def maximum(a: Array, b: Array) -> Value:
    """The larger of two. At a tie the derivative is one half to each."""
    return np.where(real(a) > real(b), a, np.where(real(a) < real(b), b, a / 2 + b / 2))


def minimum(a: Array, b: Array) -> Value:
    """The smaller of two. At a tie the derivative is one half to each."""
    return np.where(real(a) < real(b), a, np.where(real(a) > real(b), b, a / 2 + b / 2))


def clip(x: Array, *, x_min: float, x_max: float) -> Value:
    """min(x_max, max(x_min, x)). Derivative on both bounds: 1, but 0 if nothing lies between them."""
    if x_min >= x_max:
        return x * 0 + x_max
    below = np.where(real(x) < x_min, x_min, x)
    return np.where(real(x) > x_max, x_max, below)


def where(a: Array, b: Array, *, condition: Array) -> Value:
    """a where the condition holds, else b."""
    return np.where(condition, a, b)


# --- shapes ---------------------------------------------------------------------------------------


def reshape(x: Array, *, shape: tuple[int, ...]) -> Value:
    """The same elements, row by row, in another shape."""
    return x.reshape(shape)


def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> Value:
    """Axis i of the result is axis axes[i] of x; without axes, they are reversed."""
    return x.transpose(axes)


def swapaxes(x: Array, *, axis1: int, axis2: int) -> Value:
    """Two axes change places."""
    return np.swapaxes(x, axis1, axis2)


def expand_dims(x: Array, *, axis: int) -> Value:
    """A new axis of length one, at this place in the result."""
    return np.expand_dims(x, axis)


def squeeze(x: Array, *, axis: int | None = None) -> Value:
    """Without that axis, whose length is one; without an axis given, without all of length one."""
    return np.squeeze(x, axis)


def flatten(x: Array) -> Value:
    """All axes but the first become one: (n, a, b, …) → (n, a·b·…); () → (1, 1)."""
    x = np.atleast_1d(x)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Value:
    """x repeated along new leading axes and along axes of length one, up to the shape."""
    return np.broadcast_to(x, shape)


def sum_to(x: Array, *, shape: tuple[int, ...]) -> Value:
    """The adjoint of `broadcast_to`: the sum over the axes along which the shape was repeated."""
    if np.broadcast_shapes(shape, x.shape) != x.shape:
        raise ValueError(f"sum_to: shape {shape} does not broadcast to {x.shape}")
    lead = x.ndim - len(shape)
    repeated = tuple(i for i in range(x.ndim) if i < lead or shape[i - lead] != x.shape[i])
    return np.sum(x, repeated, keepdims=True).reshape(shape) if repeated else x


def flip(x: Array, *, axis: Axes = None) -> Value:
    """In reverse order along the axis (None: along all)."""
    return np.flip(x, axis)


def roll(x: Array, *, shift: int, axis: int | None = None) -> Value:
    """Moved on by shift places; what leaves at the end returns at the start (None: as one row)."""
    return np.roll(x, shift, axis)


def pad(x: Array, *, pad_width: tuple[tuple[int, int], ...]) -> Value:
    """Zeros around x: (before, after) for each axis."""
    if len(pad_width) != x.ndim or builtins.min((n for pair in pad_width for n in pair), default=0) < 0:
        raise ValueError(f"pad: pad_width {pad_width}; expected {x.ndim} pairs of numbers from 0")
    room = [n + before + after for n, (before, after) in zip(x.shape, pad_width, strict=True)]
    y = np.zeros(room, x.dtype)
    inner = tuple(slice(i, i + n) for n, (i, _) in zip(x.shape, pad_width, strict=True))
    y[inner + (...,)] = x  # the dots, lest a 0-d array of objects take x for an object
    return y


# --- indexing, joining, splitting -----------------------------------------------------------------


def get_item(x: Array, *, slices: Any) -> Value:  # whatever NumPy takes as an index
    """x[slices]."""
    return x[slices]


def get_item_grad(gy: Array, *, slices: Any, in_shape: tuple[int, ...]) -> Value:  # as above
    """The adjoint of `get_item`: zeros of in_shape, with gy added at slices, repeated or not."""
    gx = np.zeros(in_shape, gy.dtype)
    np.add.at(gx, slices, gy)
    return gx


def concatenate(*xs: Array, axis: int = 0) -> Value:
    """One after another along an axis that they have."""
    return np.concatenate(xs, axis)


def stack(*xs: Array, axis: int = 0) -> Value:
    """One after another along a new axis."""
    return np.stack(xs, axis)


def split(x: Array, *, sections: int, axis: int = 0) -> Value:
    """Equal parts along an axis: as many outputs as sections."""
    return tuple(np.split(x, sections, axis))


# --- reductions -----------------------------------------------------------------------------------


def sum(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """Σ x; of nothing, 0."""
    return np.sum(x, axis, keepdims=keepdims)


def mean(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """Σ x / n."""
    return sum(x, axis=axis, keepdims=keepdims) / _extent(x, axis)


def var(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """Population variance: the mean of (x - mean x)²."""
    centred = x - mean(x, axis=axis, keepdims=True)
    return sum(centred * centred, axis=axis, keepdims=keepdims) / _extent(x, axis)


def max(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """The largest element. Those tied for it share the derivative equally: it is their mean."""
    return _mean_of(x, real(x) == np.max(real(x), axis, keepdims=True), axis, keepdims)


def min(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """The smallest element. Those tied for it share the derivative equally: it is their mean."""
    return _mean_of(x, real(x) == np.min(real(x), axis, keepdims=True), axis, keepdims)


def prod(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """Π x; of nothing, 1."""
    return np.prod(x, axis, keepdims=keepdims)


def cumsum(x: Array, *, axis: int | None = None) -> Value:
    """Partial sums along the axis (None: of all elements, as one row)."""
    return np.cumsum(x, axis)


def logsumexp(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Value:
    """log Σ exp(x) = m + log Σ exp(x - m), for any m: the largest keeps exp in range."""
    m = _largest(x, axis)
    y = np.log(np.sum(np.exp(x - m), axis, keepdims=True)) + m
    return y if keepdims else np.squeeze(y, _axes(x, axis))


def softmax(x: Array, *, axis: Axes) -> Value:
    """exp(x) / Σ exp(x)."""
    e = np.exp(x - _largest(x, axis))
    return e / np.sum(e, axis, keepdims=True)


def log_softmax(x: Array, *, axis: Axes) -> Value:
    """log(softmax(x)) = x - log Σ exp(x)."""
    shifted = x - _largest(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))


def matmul(a: Array, b: Array) -> Value:
    """Σₖ a[…, i, k] · b[…, k, j]; a vector is a row on the left and a column on the right."""
    return np.matmul(a, b)


def _axes(x: Array, axis: Axes) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def _extent(x: Array, axis: Axes) -> int:
    """How many elements are reduced to one."""
    return math.prod(x.shape[a] for a in _axes(x, axis))


def _largest(x: Array, axis: Axes) -> Value:
    """Along the axes, which stay with length one; 0 where it is infinite."""
    m = np.max(point(x), axis, keepdims=True)
    return np.where(np.isfinite(m), m, 0)


def _mean_of(x: Array, chosen: NDArray[np.bool_], axis: Axes, keepdims: bool) -> Value:
    n = np.sum(chosen, axis, keepdims=True).astype(x.dtype)
    return np.sum(np.where(chosen, x / n, 0), axis, keepdims=keepdims)
