"""The executable specification of the operations on images: see `dezero.verify.reference`.

Images are (N, C, H, W). A window of size (KH, KW) moves over them by steps of ``stride``, after ``pad``
rows and columns were added at each end: in the padded image it begins in row i · stride and in column
j · stride, for all i and j for which it does not lead over the end. ``kernel_size``, ``stride`` and
``pad`` are numbers for both axes, or pairs: (down, across).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from dezero.contract import Array
from dezero.verify import reference
from dezero.verify.reference import Value

Pair: TypeAlias = int | tuple[int, int]
Shape: TypeAlias = tuple[int, ...]


def conv2d(a: Array, b: Array, *, stride: Pair = 1, pad: Pair = 0) -> Value:
    """y[n, o, i, j] = Σ over c, k, l of a[n, c, i·stride + k, j·stride + l] · b[o, c, k, l].

    Images a, with zeros around them, and kernels b: (O, C, KH, KW).
    """
    _same("channels", a.shape[1], b.shape[1])
    x = _padded(a, pad)
    y = np.zeros((len(a), len(b), *_places(a.shape, b.shape[2:], stride, pad)), np.result_type(a, b))
    for i, j, rows, columns in _windows(a.shape, b.shape[2:], stride, pad):
        y[:, :, i, j] = np.tensordot(x[:, :, rows, columns], b, ((1, 2, 3), (1, 2, 3)))
    return y


def deconv2d(
    a: Array, b: Array, *, stride: Pair = 1, pad: Pair = 0, outsize: Pair | None = None
) -> Value:
    """Each pixel of a times the kernels b, (C, O, KH, KW), added where the window is: see `conv2d`.

    The result is (N, O, height, width). Without outsize, these are the least such that the window takes
    as many places on it as a has pixels.
    """
    _same("channels", a.shape[1], b.shape[0])
    shape = (len(a), b.shape[1], *_deconvolved(a, b, stride, pad, outsize))
    _same("places", a.shape[2:], _places(shape, b.shape[2:], stride, pad))
    y = _padded(np.zeros(shape, np.result_type(a, b)), pad)
    for i, j, rows, columns in _windows(shape, b.shape[2:], stride, pad):
        y[:, :, rows, columns] += np.tensordot(a[:, :, i, j], b, (1, 0))
    return _cropped(y, pad)


def conv2d_grad_w(a: Array, b: Array, *, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Value:
    """W[o, c, k, l] = Σ over n, i, j of a[n, c, i·stride + k, j·stride + l] · b[n, o, i, j].

    Images a, with zeros around them, and b: (N, O, OH, OW), of the shape of their `conv2d`.
    """
    _same("places", b.shape[2:], _places(a.shape, kernel_size, stride, pad))
    x = _padded(a, pad)
    w = np.zeros((b.shape[1], a.shape[1], *_pair(kernel_size, 1)), np.result_type(a, b))
    for i, j, rows, columns in _windows(a.shape, kernel_size, stride, pad):
        w += np.tensordot(b[:, :, i, j], x[:, :, rows, columns], (0, 0))
    return w


def im2col(
    x: Array, *, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True
) -> Value:
    """y[n, c, k, l, i, j] = x[n, c, i·stride + k, j·stride + l], x with zeros around it.

    As a matrix, it has a row for each n, i, j and a column for each c, k, l.
    """
    padded = _padded(x, pad)
    y = np.zeros(_col_shape(x.shape, kernel_size, stride, pad), x.dtype)
    for i, j, rows, columns in _windows(x.shape, kernel_size, stride, pad):
        y[:, :, :, :, i, j] = padded[:, :, rows, columns]
    return y.transpose(0, 4, 5, 1, 2, 3).reshape(_matrix(y.shape)) if to_matrix else y


def col2im(
    x: Array,
    *,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair = 1,
    pad: Pair = 0,
    to_matrix: bool = True,
) -> Value:
    """The adjoint of `im2col`: to zeros of input_shape each element is added where it came from."""
    n, c, kh, kw, oh, ow = shape = _col_shape(input_shape, kernel_size, stride, pad)
    _same("shapes", x.shape, _matrix(shape) if to_matrix else shape)
    if to_matrix:
        x = x.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    y = _padded(np.zeros(input_shape, x.dtype), pad)
    for i, j, rows, columns in _windows(input_shape, kernel_size, stride, pad):
        y[:, :, rows, columns] += x[:, :, :, :, i, j]
    return _cropped(y, pad)


def pooling(x: Array, *, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Value:
    """The largest element of x in each window. Those tied share the derivative: it is their mean."""
    (kh, kw), (ph, pw) = _pair(kernel_size, 1), _pair(pad, 0)
    if ph >= kh or pw >= kw:
        raise ValueError(f"pad {pad} and kernel_size {kernel_size}: a window with no element of x")
    y = np.zeros((*x.shape[:2], *_places(x.shape, kernel_size, stride, pad)), x.dtype)
    for i, j, rows, columns in _windows(x.shape, kernel_size, stride, pad):
        inside = slice(max(rows.start - ph, 0), rows.stop - ph)
        window = x[:, :, inside, max(columns.start - pw, 0) : columns.stop - pw]
        y[:, :, i, j] = reference.max(window, axis=(2, 3))
    return y


def average_pooling(x: Array, *, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Value:
    """The mean of each window of x, to which the zeros around x belong."""
    padded = _padded(x, pad)
    y = np.zeros((*x.shape[:2], *_places(x.shape, kernel_size, stride, pad)), x.dtype)
    for i, j, rows, columns in _windows(x.shape, kernel_size, stride, pad):
        y[:, :, i, j] = reference.mean(padded[:, :, rows, columns], axis=(2, 3))
    return y


# --- where the window is --------------------------------------------------------------------------


def _windows(
    shape: Shape, kernel_size: Pair | Shape, stride: Pair, pad: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """Each place (i, j), and which rows and columns of the padded images the window meets there."""
    (kh, kw), (sh, sw) = _pair(kernel_size, 1), _pair(stride, 1)
    for i, j in np.ndindex(*_places(shape, kernel_size, stride, pad)):
        yield i, j, slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw)


def _places(shape: Shape, kernel_size: Pair | Shape, stride: Pair, pad: Pair) -> tuple[int, int]:
    """How many rows and columns of places there are."""
    (_, _, h, w), (kh, kw) = shape, _pair(kernel_size, 1)
    (sh, sw), (ph, pw) = _pair(stride, 1), _pair(pad, 0)
    if min(h, w) < 1 or kh > h + 2 * ph or kw > w + 2 * pw:
        raise ValueError(f"a window of {(kh, kw)} has no place on {(h, w)} with padding {(ph, pw)}")
    return (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1


def _deconvolved(a: Array, b: Array, stride: Pair, pad: Pair, outsize: Pair | None) -> tuple[int, int]:
    """The size of the images that `deconv2d` gives."""
    if outsize is not None:
        return _pair(outsize, 1)
    (_, _, h, w), (_, _, kh, kw) = a.shape, b.shape
    (sh, sw), (ph, pw) = _pair(stride, 1), _pair(pad, 0)
    return (h - 1) * sh + kh - 2 * ph, (w - 1) * sw + kw - 2 * pw


def _col_shape(
    shape: Shape, kernel_size: Pair, stride: Pair, pad: Pair
) -> tuple[int, int, int, int, int, int]:
    n, c, _, _ = shape
    return n, c, *_pair(kernel_size, 1), *_places(shape, kernel_size, stride, pad)


def _matrix(col_shape: Shape) -> tuple[int, int]:
    n, c, kh, kw, oh, ow = col_shape
    return n * oh * ow, c * kh * kw


def _padded(x: Array, pad: Pair) -> Array:
    ph, pw = _pair(pad, 0)
    n, c, h, w = x.shape
    y: Array = np.zeros((n, c, h + 2 * ph, w + 2 * pw), x.dtype)
    y[:, :, ph : ph + h, pw : pw + w] = x
    return y


def _cropped(x: Array, pad: Pair) -> Array:
    ph, pw = _pair(pad, 0)
    return x[:, :, ph : x.shape[2] - ph, pw : x.shape[3] - pw]


def _pair(given: Pair | Shape, least: int) -> tuple[int, int]:
    down, across = map(operator.index, given if isinstance(given, tuple) else (given, given))
    if min(down, across) < least:
        raise ValueError(f"{given}: expected numbers not below {least}")
    return down, across


def _same(what: str, first: object, second: object) -> None:
    if first != second:
        raise ValueError(f"{what} do not fit: {first} and {second}")


# --- limits ---------------------------------------------------------------------------------------


def _bound(*shapes: Shape) -> int:
    """The elements of the largest of some shapes; empty axes count, for they do not save the work."""
    return max(math.prod(max(n, 1) for n in shape) for shape in shapes)


def _room(shape: Shape, pad: Pair) -> Shape:
    """The shape of padded images."""
    (n, c, h, w), (ph, pw) = shape, _pair(pad, 0)
    return n, c, h + 2 * ph, w + 2 * pw


def _conv2d_size(a: Array, b: Array, *, stride: Pair = 1, pad: Pair = 0) -> int:
    y = (len(a), len(b), *_places(a.shape, b.shape[2:], stride, pad))
    return _bound(_room(a.shape, pad), y)


def _deconv2d_size(
    a: Array, b: Array, *, stride: Pair = 1, pad: Pair = 0, outsize: Pair | None = None
) -> int:
    return _bound(_room((len(a), b.shape[1], *_deconvolved(a, b, stride, pad, outsize)), pad))


def _conv2d_grad_w_size(
    a: Array, b: Array, *, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0
) -> int:
    places = _places(a.shape, kernel_size, stride, pad)
    return _bound(_room(a.shape, pad), (b.shape[1], a.shape[1], *_pair(kernel_size, 1)), places)


def _columns_size(
    x: Array,
    *,
    kernel_size: Pair,
    input_shape: Shape | None = None,
    stride: Pair = 1,
    pad: Pair = 0,
    to_matrix: bool = True,
) -> int:
    """Of any operation with windows over x, or over images of input_shape."""
    shape = x.shape if input_shape is None else input_shape
    return _bound(_room(shape, pad), _col_shape(shape, kernel_size, stride, pad))


BOUNDS: Mapping[str, Callable[..., int]] = MappingProxyType(
    {
        "conv2d": _conv2d_size,
        "deconv2d": _deconv2d_size,
        "conv2d_grad_w": _conv2d_grad_w_size,
        **dict.fromkeys(("im2col", "col2im", "pooling", "average_pooling"), _columns_size),
    }
)
"""A bound on the elements that an operation makes: it is asked before memory is (see `check_size`)."""
