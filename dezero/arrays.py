"""The functions that rules call, on ndarrays: NumPy's side of the two readings of a rule.

`dezero.functions` has functions of the same names on Variables. A rule is given one module or the other
as ``xp`` (see `dezero.core.Namespace`). Every function returns an ndarray, also where NumPy returns a
scalar, and keeps the element type of its operands.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from types import EllipsisType, NoneType
from typing import Any, SupportsIndex, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dezero.contract import Array

Axes: TypeAlias = int | tuple[int, ...] | None
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = int | tuple[int, int]
"""A number for both axes of an image, or one for each: down, across."""
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
HALF = np.dtype(np.float16)
SINGLE = np.dtype(np.float32)


def as_array(x: object, array_module: object = np) -> Array:
    """``x`` as an ndarray: itself if it is one, else a new one (NumPy makes scalars of 0-d results).

    ``array_module`` has no effect: dezero computes with NumPy alone.
    """
    if isinstance(x, np.ndarray):
        return x  # pyright: ignore[reportUnknownVariableType]  # the check has lost which elements
    if isinstance(x, np.generic):
        return x.__array__()  # pyright: ignore[reportUnknownVariableType]  # likewise
    return np.asarray(x)


def is_array_or_number(x: object) -> bool:
    """Whether ``x`` is what an array can be made of without guessing: no list, no string."""
    return isinstance(x, (np.ndarray, np.generic, int, float))


def number(who: str, name: str, given: object) -> float:
    """``given``, if it is one real number; NumPy's as Python's, lest it widen what it meets.

    Raises:
        TypeError: It is something else, such as a Variable, which would not be differentiated.
    """
    if type(given) is float or type(given) is int:  # as most are
        return given
    if is_array_or_number(given) and as_array(given).ndim == 0 and as_array(given).dtype.kind in "fiub":
        plain: float = as_array(given).item()
        return plain
    if hasattr(given, "shape") or not hasattr(given, "__float__"):
        raise TypeError(f"{who}: {name} is of type {type(given).__name__}; expected a number")
    return cast(float, given)  # what else computes as a number does: a symbol, in a proof


def integer(who: str, name: str, given: SupportsIndex) -> int:
    """``given``, if it is one integer.

    Raises:
        TypeError: It is something else.
    """
    try:
        return operator.index(given)
    except TypeError:
        raise TypeError(
            f"{who}: {name} is of type {type(given).__name__}; expected an integer"
        ) from None


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
    return as_array(np.where(x >= 0, 1, small) / (1 + small))


def where(condition: Array, a: Array | float, b: Array | float) -> Array:
    """``a`` where the condition holds, ``b`` elsewhere; the three broadcast."""
    if _is_zero(b) and isinstance(a, np.ndarray) and a.dtype in _BITS and condition.dtype == np.bool_:
        # What rules ask for most. The bits of a, times 1 or 0, are those of a or of +0, also where a is
        # infinite or NaN; and no branch is mispredicted, by which np.where is up to 18 times as slow.
        bits = _BITS[a.dtype]
        return as_array(np.multiply(a.view(bits), condition, dtype=bits).view(a.dtype))
    return as_array(np.where(condition, a, b))


def _is_zero(b: Array | float) -> bool:
    """Whether it is the number +0.0."""
    return isinstance(b, float) and not b and math.copysign(1.0, b) > 0


_BITS: dict[object, np.dtype[np.signedinteger[Any]]] = {
    np.dtype(np.float32): np.dtype(np.int32),
    np.dtype(np.float64): np.dtype(np.int64),
}
"""Floating element types, and integers of their size."""


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


def accumulator(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The element type in which to add elements up: ``dtype``, but float32 for float16.

    In float16 a sum of ones ends at 2048, to which 1 can be added no more.
    """
    native = dtype.newbyteorder("=")  # NumPy's reductions take no other
    return SINGLE if native == HALF else native


def sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over some axes."""
    if x.dtype == HALF:
        return as_array(np.sum(x, axis=axis, dtype=SINGLE, keepdims=keepdims)).astype(HALF)
    return as_array(np.sum(x, axis=axis, keepdims=keepdims))


def broadcasts(shape: Shape, to: Shape) -> bool:
    """Whether an array of ``shape`` can be stretched to the shape ``to``."""
    lead = len(to) - len(shape)
    return shape == to or (
        lead >= 0 and all(n in (1, m) for n, m in zip(shape, to[lead:], strict=True))
    )


def sum_to(x: Array, shape: Shape) -> Array:
    """The sum over the axes along which ``shape`` was broadcast to the shape of ``x``.

    Raises:
        ValueError: ``shape`` does not broadcast to the shape of ``x``.
    """
    if not broadcasts(shape, x.shape):
        raise ValueError(f"sum_to: {shape} does not broadcast to the operand's shape {x.shape}")
    lead = x.ndim - len(shape)
    axes = tuple(a for a, m in enumerate(x.shape) if a < lead or (shape[a - lead] == 1 and m != 1))
    return sum(x, axis=axes).reshape(shape) if axes else x.reshape(shape)


def cumsum(x: Array, axis: int | None = None) -> Array:
    """The running sum along an axis; of the flattened array by default."""
    if x.dtype == HALF:
        return np.cumsum(x, axis=axis, dtype=SINGLE).astype(HALF)
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
    """Zeros put before and after, for each axis.

    Raises:
        ValueError: There is not one pair for each axis, or a number is negative.
    """
    if len(pad_width) != x.ndim:  # NumPy would take one pair for all axes
        raise ValueError(f"pad: pad_width is {pad_width}; expected {x.ndim} pairs, one for each axis")
    return np.pad(x, pad_width) if x.ndim else x.copy()  # NumPy refuses 0-d arrays


def concatenate(xs: Sequence[Array], axis: int = 0) -> Array:
    """Arrays joined along an axis."""
    return np.concatenate(xs, axis)


def get_item(x: Array, slices: Index) -> Array:
    """``x[slices]``."""
    return as_array(x[slices])


def get_item_grad(gy: Array, slices: Index, in_shape: Shape) -> Array:
    """The adjoint of indexing: ``gy`` added into zeros of ``in_shape`` at ``slices``."""
    gx = np.zeros(in_shape, accumulator(gy.dtype))
    if picks_repeatedly(slices):
        places = np.arange(gx.size).reshape(in_shape)[slices]
        np.add.at(gx.reshape(-1), places.reshape(-1), gy.reshape(-1))
    else:
        gx[slices] = gy
    return gx.astype(gy.dtype, copy=False)


def picks_repeatedly(slices: Index) -> bool:
    """Whether an index can pick an element more than once: arrays, lists and tuples of integers can."""
    parts = slices if isinstance(slices, tuple) else (slices,)
    return any(
        not isinstance(part, (int, np.integer, slice, EllipsisType, NoneType))
        and np.asarray(part).dtype != np.bool_
        for part in parts
    )


# -------------------------------------------------------------------------------- Windows over images


class Windows:
    """A window that moves over images, which are padded at both ends of both axes.

    What it meets at all of its places is taken element by element of the window: each time one strided
    slice of the padded images. So Python loops over the kernel, never over an image.

    Args:
        who: The function to name in errors.
        shape: The shape of the images, (N, C, H, W).
        kernel_size, stride, pad: The size of the window, its step, and how wide the padding is.

    Attributes:
        kernel, stride, pad: As given, each for the two axes.
        places: How many places the window takes along the two axes: (OH, OW).
        shape: What it meets at all places: (N, C, KH, KW, OH, OW).
        inner: Where in the padded images the images are.

    Raises:
        ValueError: These are no images, or the window has no place in them.
    """

    def __init__(self, who: str, shape: Shape, kernel_size: Pair, stride: Pair, pad: Pair) -> None:
        n, c, h, w = four_axes(who, "x", shape, "(N, C, H, W)")
        self.kernel: tuple[int, int] = both_axes(who, "kernel_size", kernel_size, 1)
        self.stride: tuple[int, int] = both_axes(who, "stride", stride, 1)
        self.pad: tuple[int, int] = both_axes(who, "pad", pad, 0)
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.pad
        if kh > h + 2 * ph or kw > w + 2 * pw:
            raise ValueError(
                f"{who}: a kernel of size {self.kernel} on images of size {(h, w)} with pad "
                f"{self.pad}; expected one no larger than the padded images"
            )
        oh, ow = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
        self.places: tuple[int, int] = (oh, ow)
        self.shape: tuple[int, int, int, int, int, int] = (n, c, kh, kw, oh, ow)
        self.inner: Index = (..., slice(ph, ph + h), slice(pw, pw + w))
        self._padded_shape = n, c, h + 2 * ph, w + 2 * pw

    def __iter__(self) -> Iterator[tuple[int, int, Index]]:
        """Each element (i, j) of the window, and where in the padded images it is at all places."""
        (kh, kw), (sh, sw), (oh, ow) = self.kernel, self.stride, self.places
        for i in range(kh):
            rows = slice(i, i + sh * (oh - 1) + 1, sh)
            for j in range(kw):
                yield i, j, (..., rows, slice(j, j + sw * (ow - 1) + 1, sw))

    def padded(self, x: Array, fill: float = 0) -> Array:
        """The images x with their padding."""
        if self.pad == (0, 0):
            return x
        room = np.full(self._padded_shape, fill, x.dtype)
        room[self.inner] = x
        return room

    def blank(self, dtype: np.dtype[Any]) -> Array:  # of any elements
        """Padded images of zeros, to add to."""
        return np.zeros(self._padded_shape, dtype)

    def columns(self, x: Array) -> Array:
        """What the window meets in the images x: (N, C, KH, KW, OH, OW)."""
        padded = self.padded(x)
        col = np.empty(self.shape, x.dtype)
        for i, j, there in self:
            col[:, :, i, j] = padded[there]
        return col

    def matrices(self, x: Array) -> Array:
        """The same as a stack of matrices: (N, C · KH · KW, OH · OW)."""
        n, c, kh, kw, oh, ow = self.shape
        return self.columns(x).reshape(n, c * kh * kw, oh * ow)

    @property
    def matrix_shape(self) -> Shape:
        """The shape of all that it meets as one matrix: a row for each place in each image."""
        n, c, kh, kw, oh, ow = self.shape
        return n * oh * ow, c * kh * kw


def both_axes(who: str, name: str, given: Pair, least: int) -> tuple[int, int]:
    """A number for each of the two axes of an image, from a pair or from one number for both.

    Raises:
        ValueError: It is neither, or a number is below the least.
    """
    try:
        down, across = map(operator.index, given if isinstance(given, tuple) else (given, given))
    except (TypeError, ValueError):
        down = across = least - 1
    if down < least or across < least:
        raise ValueError(
            f"{who}: {name} is {given!r}; expected an integer not below {least}, or a pair of them"
        )
    return down, across


def four_axes(who: str, name: str, shape: Shape, expected: str) -> tuple[int, int, int, int]:
    """The lengths of the axes of images or kernels, none of them without a row or a column.

    Raises:
        ValueError: There are not four of them, or one of the last two is zero.
    """
    if len(shape) != 4 or 0 in shape[2:]:
        raise ValueError(
            f"{who}: {name} has shape {shape}; expected {expected}, with at least one row and column"
        )
    a, b, h, w = shape
    return a, b, h, w


def conv2d(x: Array, W: Array, stride: Pair = 1, pad: Pair = 0) -> Array:
    """Images x (N, C, H, W) correlated with kernels W (O, C, KH, KW): (N, O, OH, OW)."""
    o, c, kh, kw = four_axes("conv2d", "W", W.shape, "(O, C, KH, KW)")
    windows = Windows("conv2d", x.shape, (kh, kw), stride, pad)
    _check_channels("conv2d", x.shape, W.shape, c)
    y = W.reshape(o, c * kh * kw) @ windows.matrices(x)
    return y.reshape(x.shape[0], o, *windows.places)


def deconv2d(x: Array, W: Array, stride: Pair = 1, pad: Pair = 0, outsize: Pair | None = None) -> Array:
    """The adjoint of `conv2d` in its images: x (N, C, H, W), W (C, O, KH, KW) to (N, O, *outsize)."""
    who = "deconv2d"
    n, c, h, w = four_axes(who, "x", x.shape, "(N, C, H, W)")
    in_channels, o, kh, kw = four_axes(who, "W", W.shape, "(C, O, KH, KW)")
    _check_channels(who, x.shape, W.shape, in_channels)
    (sh, sw), (ph, pw) = both_axes(who, "stride", stride, 1), both_axes(who, "pad", pad, 0)
    # Of all sizes on which the window takes these places, the least.
    rows, columns = sh * (h - 1) + kh - 2 * ph, sw * (w - 1) + kw - 2 * pw
    size = (rows, columns) if outsize is None else both_axes(who, "outsize", outsize, 1)
    if not (0 <= size[0] - rows < sh and 0 <= size[1] - columns < sw and min(size) > 0):
        raise ValueError(
            f"{who}: outsize is {outsize}; for x of shape {x.shape}, W of shape {W.shape}, "
            f"stride {stride} and pad {pad} expected from {(rows, columns)} "
            f"to {(rows + sh - 1, columns + sw - 1)}, with at least one row and column"
        )
    windows = Windows(who, (n, o, *size), (kh, kw), stride, pad)
    taps = np.ascontiguousarray(W.transpose(2, 3, 1, 0))  # as BLAS wants its matrices
    pixels = x.reshape(n, c, h * w)
    dtype = np.result_type(x, W)
    y = windows.blank(accumulator(dtype))
    for i, j, there in windows:
        y[there] += (taps[i, j] @ pixels).reshape(n, o, h, w)
    return y[windows.inner].astype(dtype, copy=False)


def conv2d_grad_w(x: Array, gy: Array, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Array:
    """The adjoint of `conv2d` in its kernels: x (N, C, H, W), gy (N, O, OH, OW) to (O, C, KH, KW)."""
    windows = Windows("conv2d_grad_w", x.shape, kernel_size, stride, pad)
    n, c, kh, kw, oh, ow = windows.shape
    if gy.ndim != 4 or (gy.shape[0], *gy.shape[2:]) != (n, oh, ow):
        raise ValueError(
            f"conv2d_grad_w: gy has shape {gy.shape}; expected ({n}, O, {oh}, {ow}), for x of shape "
            f"{x.shape}, kernel_size {kernel_size}, stride {stride} and pad {pad}"
        )
    o = gy.shape[1]
    dtype = np.result_type(x, gy)
    gW = np.zeros((o, c * kh * kw), accumulator(dtype))
    for g, col in zip(gy.reshape(n, o, oh * ow), windows.matrices(x), strict=True):
        gW += g @ col.T
    return gW.reshape(o, c, kh, kw).astype(dtype, copy=False)


def _check_channels(who: str, x: Shape, W: Shape, channels: int) -> None:
    if x[1] != channels:
        raise ValueError(
            f"{who}: x of shape {x} has {x[1]} channels, W of shape {W} takes {channels}; "
            "expected as many"
        )


def im2col(
    x: Array, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True
) -> Array:
    """What a window meets in images, as (N · OH · OW, C · KH · KW) or (N, C, KH, KW, OH, OW)."""
    windows = Windows("im2col", x.shape, kernel_size, stride, pad)
    col = windows.columns(x)
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(windows.matrix_shape) if to_matrix else col


def col2im(
    x: Array,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair = 1,
    pad: Pair = 0,
    to_matrix: bool = True,
) -> Array:
    """The adjoint of `im2col`: what the window meets is added up to images of ``input_shape``."""
    windows = Windows("col2im", input_shape, kernel_size, stride, pad)
    n, c, kh, kw, oh, ow = windows.shape
    expected = windows.matrix_shape if to_matrix else windows.shape
    if x.shape != expected:
        raise ValueError(
            f"col2im: x has shape {x.shape}; expected {expected}, for images of shape {input_shape}, "
            f"kernel_size {kernel_size}, stride {stride} and pad {pad}"
        )
    col = x.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2) if to_matrix else x
    y = windows.blank(accumulator(x.dtype))
    for i, j, there in windows:
        y[there] += col[:, :, i, j]
    return y[windows.inner].astype(x.dtype, copy=False)
