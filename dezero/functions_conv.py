"""Convolution and its kin: images (N, C, H, W), over which a window moves.

`conv2d` is bilinear, and so are its two adjoints: `deconv2d`, which is that in the images, and
`conv2d_grad_w`, that in the kernels. The rule of each is written with the other two, so that the three
are closed under differentiation; so are the linear `im2col` and `col2im`, each other's adjoint.

By ``kernel_size``, ``stride`` and ``pad`` is meant a number for both axes, or a pair: down, across.
``pad`` rows or columns are added at each end. Where a step of the window would lead over the end, the
last rows or columns are met by no window, and their gradient is zero. A window takes
OH = (H + 2 · pad - KH) // stride + 1 places down, and as many across by the same formula.

Every function raises ValueError where shapes, sizes and steps do not fit. The formulas: Dumoulin and
Visin, A guide to convolution arithmetic for deep learning, 2016.
"""

from __future__ import annotations

import math

import numpy as np

from dezero import arrays
from dezero.arrays import Pair, Shape, Windows, four_axes
from dezero.arrays import col2im as col2im_array
from dezero.arrays import im2col as im2col_array
from dezero.contract import (
    LARGEST_OF_WINDOW_TIED,
    REALS,
    Array,
    Attribute,
    Shapes,
    Smoothness,
)
from dezero.core import add, matmul, narrowed, operand, reshape, transpose, wide
from dezero.core import max as max_over  # the built-in one is not hidden here
from dezero.functions_elementwise import where
from dezero.graph import VARIABLES, Operand, Variable, as_variable
from dezero.namespace import Namespace, T, Tensor
from dezero.operation import Binary, Operation, Unary

__all__ = [
    "AveragePooling",
    "Col2im",
    "Conv2DGradW",
    "Conv2d",
    "Deconv2d",
    "Im2col",
    "Pooling",
    "Pooling2DGrad",
    "average_pooling",
    "col2im",
    "col2im_array",
    "conv2d",
    "conv2d_grad_w",
    "conv2d_simple",
    "deconv2d",
    "im2col",
    "im2col_array",
    "pooling",
    "pooling_simple",
]

STRIDE_AND_PAD = {"stride": Attribute.STRIDE, "pad": Attribute.PADDING}
WINDOW = {"kernel_size": Attribute.KERNEL, **STRIDE_AND_PAD}


def _size(images: Tensor) -> tuple[int, int]:
    """Height and width."""
    return images.shape[2], images.shape[3]


# --------------------------------------------------------------------------- Convolution and adjoints


class Conv2d(
    Binary,
    domain=REALS,
    saves="ab",
    shapes=Shapes.CONVOLUTION,
    smoothness=Smoothness.MULTILINEAR,
    attributes=STRIDE_AND_PAD,
):
    """Images a correlated with kernels b, at every place."""

    fresh = True

    def __init__(self, stride: Pair = 1, pad: Pair = 0) -> None:
        self.stride = stride
        self.pad = pad

    def forward(self, a: Array, b: Array) -> Array:
        return arrays.conv2d(a, b, self.stride, self.pad)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T | None, T | None]:
        stride, pad = self.stride, self.pad
        return (
            xp.deconv2d(gy, b, stride=stride, pad=pad, outsize=_size(a)) if self.wants(0) else None,
            xp.conv2d_grad_w(a, gy, _size(b), stride, pad) if self.wants(1) else None,
        )


class Deconv2d(
    Binary,
    domain=REALS,
    saves="ab",
    shapes=Shapes.DECONVOLUTION,
    smoothness=Smoothness.MULTILINEAR,
    attributes={**STRIDE_AND_PAD, "outsize": Attribute.OUT_SIZE},
):
    """Kernels b times each pixel of a, added where they fall: the adjoint of conv2d in its images."""

    fresh = True

    def __init__(self, stride: Pair = 1, pad: Pair = 0, outsize: Pair | None = None) -> None:
        self.stride = stride
        self.pad = pad
        self.outsize = outsize

    def forward(self, a: Array, b: Array) -> Array:
        return arrays.deconv2d(a, b, self.stride, self.pad, self.outsize)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T | None, T | None]:
        stride, pad = self.stride, self.pad
        return (
            xp.conv2d(gy, b, stride=stride, pad=pad) if self.wants(0) else None,
            xp.conv2d_grad_w(gy, a, _size(b), stride, pad) if self.wants(1) else None,
        )


class Conv2DGradW(
    Binary,
    domain=REALS,
    saves="ab",
    shapes=Shapes.CONVOLUTION_GRADIENT,
    smoothness=Smoothness.MULTILINEAR,
    attributes=WINDOW,
    name="conv2d_grad_w",
):
    """Images a correlated with the cotangent b of a conv2d: the adjoint of conv2d in its kernels."""

    fresh = True

    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.pad = pad

    def forward(self, a: Array, b: Array) -> Array:
        return arrays.conv2d_grad_w(a, b, self.kernel_size, self.stride, self.pad)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T | None, T | None]:
        stride, pad = self.stride, self.pad
        return (
            xp.deconv2d(b, gy, stride=stride, pad=pad, outsize=_size(a)) if self.wants(0) else None,
            xp.conv2d(a, gy, stride=stride, pad=pad) if self.wants(1) else None,
        )


class Im2col(
    Unary,
    domain=REALS,
    saves="",
    shapes=Shapes.IMAGES,
    smoothness=Smoothness.LINEAR,
    attributes={**WINDOW, "to_matrix": Attribute.FLAG},
):
    """What a window meets in images, at every place."""

    def __init__(
        self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.pad = pad
        self.to_matrix = to_matrix

    def forward(self, x: Array) -> Array:
        return arrays.im2col(x, self.kernel_size, self.stride, self.pad, self.to_matrix)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.col2im(gy, x.shape, self.kernel_size, self.stride, self.pad, self.to_matrix)


class Col2im(
    Unary,
    domain=REALS,
    saves="",
    shapes=Shapes.WINDOWS,
    smoothness=Smoothness.LINEAR,
    attributes={"input_shape": Attribute.IMAGE_SHAPE, **WINDOW, "to_matrix": Attribute.FLAG},
):
    """What a window met, added up to images: the adjoint of im2col."""

    def __init__(
        self,
        input_shape: Shape,
        kernel_size: Pair,
        stride: Pair = 1,
        pad: Pair = 0,
        to_matrix: bool = True,
    ) -> None:
        self.input_shape = input_shape
        self.kernel_size = kernel_size
        self.stride = stride
        self.pad = pad
        self.to_matrix = to_matrix

    def forward(self, x: Array) -> Array:
        return arrays.col2im(
            x, self.input_shape, self.kernel_size, self.stride, self.pad, self.to_matrix
        )

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.im2col(gy, self.kernel_size, self.stride, self.pad, self.to_matrix)


# -------------------------------------------------------------------------------------------- Pooling


class WindowPooling(Operation):
    """What the two poolings share: their attributes, and their way to the windows and back."""

    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.pad = pad

    def windows(self, who: str, x: Tensor) -> Windows:
        """The windows over x."""
        return Windows(who, x.shape, self.kernel_size, self.stride, self.pad)

    def met(self, xp: Namespace[T], x: T) -> T:
        """What the window meets in x: (N, C, KH, KW, OH, OW)."""
        return xp.im2col(x, self.kernel_size, self.stride, self.pad, False)

    def returned(self, xp: Namespace[T], col: T, x: T) -> T:
        """The adjoint of `met`."""
        return xp.col2im(col, x.shape, self.kernel_size, self.stride, self.pad, False)

    def spread(self, xp: Namespace[T], y: T) -> T:
        """``y``, of the output's shape, with axes of length one for the elements of a window."""
        return xp.reshape(y, (*y.shape[:2], 1, 1, *y.shape[2:]))


class Pooling(
    WindowPooling,
    Unary,
    domain=REALS,
    saves="xy",
    shapes=Shapes.IMAGES,
    smoothness=Smoothness.PIECEWISE,
    kinks=LARGEST_OF_WINDOW_TIED,
    attributes=WINDOW,
):
    """The largest element of each window; padding is never the largest."""

    def windows(self, who: str, x: Tensor) -> Windows:
        windows = super().windows(who, x)
        (kh, kw), (ph, pw) = windows.kernel, windows.pad
        if ph >= kh or pw >= kw:  # then a window meets nothing but padding
            raise ValueError(
                f"{who}: pad is {self.pad}; expected less than kernel_size, {self.kernel_size}"
            )
        return windows

    def forward(self, x: Array) -> Array:
        windows = self.windows("pooling", x)
        padded = windows.padded(x, _least(x))
        y = None
        for _, _, there in windows:
            y = padded[there].copy() if y is None else np.maximum(y, padded[there], out=y)
        assert y is not None  # a window has elements
        return y

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        inside = self.met(arrays, np.ones((1, 1, *x.shape[2:]), np.bool_))
        largest = (self.met(xp, x) >= self.spread(xp, y)) & inside
        gy = wide(xp, gy)
        count = np.sum(largest, (2, 3), keepdims=True).astype(gy.dtype)
        return self.returned(xp, xp.where(largest, self.spread(xp, gy) / count, 0.0), x)


def _least(x: Array) -> float:
    """A number than which no element can be less."""
    if x.dtype.kind in "iu":
        return np.iinfo(x.dtype).min
    return False if x.dtype.kind == "b" else -math.inf


class Pooling2DGrad:
    """The gradient of max pooling at x: each window's largest element gets its gy; tied ones share.

    Linear in gy. Of x only the places of the largest elements matter: its own gradient is zero.
    """

    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None:
        self.pooling: Pooling = Pooling(kernel_size, stride, pad)

    def __call__(self, gy: Operand, x: Operand) -> Variable:
        """The gradient of x (N, C, H, W), from that of its pooling, gy (N, C, OH, OW)."""
        y = self.pooling(x)
        gy, x = operand("Pooling2DGrad", "gy", gy), as_variable(x)
        if gy.shape != y.shape:
            raise ValueError(f"Pooling2DGrad: gy has shape {gy.shape}; expected {y.shape}")
        return self.pooling.vjp(VARIABLES.xp, gy, x, y)


class AveragePooling(
    WindowPooling,
    Unary,
    domain=REALS,
    saves="",
    shapes=Shapes.IMAGES,
    smoothness=Smoothness.LINEAR,
    attributes=WINDOW,
):
    """The mean of each window, zeros of the padding included."""

    def forward(self, x: Array) -> Array:
        x = arrays.floating(x)
        windows = self.windows("average_pooling", x)
        padded = windows.padded(x)
        y: Array = np.zeros((*x.shape[:2], *windows.places), arrays.accumulator(x.dtype))
        for _, _, there in windows:
            y += padded[there]
        return narrowed(y / math.prod(windows.kernel), x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        kernel = self.windows("average_pooling", x).kernel
        share = self.spread(xp, wide(xp, gy) / math.prod(kernel))
        col = xp.broadcast_to(share, (*gy.shape[:2], *kernel, *gy.shape[2:]))
        return self.returned(xp, col, x)


# -------------------------------------------------------------------------- The same, as functions


def conv2d(
    x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0
) -> Variable:
    """Two-dimensional convolution, as it is meant in deep learning: the kernels are not turned.

    y[n, o, i, j] = b[o] + Σ over c, k, l of x[n, c, i · stride + k, j · stride + l] · W[o, c, k, l],
    where x is padded with zeros.

    Args:
        x: Images (N, C, H, W).
        W: Kernels (O, C, KH, KW).
        b: A bias (O,).
        stride, pad: The step of the kernels, and the padding.

    Returns:
        Images (N, O, OH, OW).
    """
    return _biased("conv2d", Conv2d(stride, pad)(x, W), b)


def deconv2d(
    x: Operand,
    W: Operand,
    b: Operand | None = None,
    stride: Pair = 1,
    pad: Pair = 0,
    outsize: Pair | None = None,
) -> Variable:
    """Transposed convolution: the adjoint of `conv2d` in its images, plus a bias.

    Args:
        x: Images (N, C, H, W).
        W: Kernels (C, O, KH, KW).
        b: A bias (O,).
        stride, pad: Those of the convolution of which this is the adjoint.
        outsize: Height and width of the result: such that the convolution would take them to those of
            x. By default the least of these, stride · (H - 1) + KH - 2 · pad; at most stride - 1 more.

    Returns:
        Images (N, O, height, width).
    """
    return _biased("deconv2d", Deconv2d(stride, pad, outsize)(x, W), b)


def conv2d_grad_w(
    x: Operand, gy: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0
) -> Variable:
    """The adjoint of `conv2d` in its kernels: the gradient of W, linear in x and in gy.

    Args:
        x: Images (N, C, H, W).
        gy: The cotangent of their convolution, (N, O, OH, OW).
        kernel_size, stride, pad: Those of the convolution.

    Returns:
        What suits the kernels: (O, C, KH, KW).
    """
    return Conv2DGradW(kernel_size, stride, pad)(x, gy)


def conv2d_simple(
    x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0
) -> Variable:
    """The same as `conv2d`, made of `im2col` and a matrix product."""
    x, kernels = operand("conv2d_simple", "x", x), operand("conv2d_simple", "W", W)
    o, c, kh, kw = four_axes("conv2d_simple", "W", kernels.shape, "(O, C, KH, KW)")
    windows = Windows("conv2d_simple", x.shape, (kh, kw), stride, pad)
    y = matmul(im2col(x, (kh, kw), stride, pad), transpose(reshape(kernels, (o, c * kh * kw))))
    y = transpose(reshape(y, (len(x), *windows.places, o)), (0, 3, 1, 2))
    return _biased("conv2d_simple", y, b)


def pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """Max pooling: the largest element of each window. Tied elements share the gradient equally.

    The padding is never chosen: it is as if it were minus infinity.

    Args:
        x: Images (N, C, H, W).
        kernel_size, stride, pad: The size of the window, its step, and the padding: less than the size.

    Returns:
        Images (N, C, OH, OW).
    """
    return Pooling(kernel_size, stride, pad)(x)


def pooling_simple(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """The same as `pooling`, made of `im2col` and `max`."""
    x = operand("pooling_simple", "x", x)
    Pooling(kernel_size, stride, pad).windows("pooling_simple", x.data)
    inside = arrays.im2col(np.ones((1, 1, *x.shape[2:]), np.bool_), kernel_size, stride, pad, False)
    return max_over(where(inside, im2col(x, kernel_size, stride, pad, False), -math.inf), (2, 3))


def average_pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """The mean of each window, to which the zeros of the padding belong.

    Args:
        x: Images (N, C, H, W).
        kernel_size, stride, pad: The size of the window, its step, and the padding.

    Returns:
        Images (N, C, OH, OW).
    """
    return AveragePooling(kernel_size, stride, pad)(x)


def im2col(
    x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True
) -> Variable:
    """What a window meets in images, at every place.

    Args:
        x: Images (N, C, H, W), padded with zeros.
        kernel_size, stride, pad: The size of the window, its step, and the padding.
        to_matrix: In which shape to return it.

    Returns:
        A matrix with a row for each place, (N · OH · OW, C · KH · KW); or (N, C, KH, KW, OH, OW).
    """
    return Im2col(kernel_size, stride, pad, to_matrix)(x)


def col2im(
    x: Operand,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair = 1,
    pad: Pair = 0,
    to_matrix: bool = True,
) -> Variable:
    """The adjoint of `im2col`: each element is added to the pixel that the window met there.

    Args:
        x: Of the shape that `im2col` gives.
        input_shape: The shape of the images, (N, C, H, W).
        kernel_size, stride, pad, to_matrix: As for `im2col`.

    Returns:
        Images of ``input_shape``.
    """
    return Col2im(input_shape, kernel_size, stride, pad, to_matrix)(x)


def _biased(who: str, y: Variable, b: Operand | None) -> Variable:
    if b is None:
        return y
    b = operand(who, "b", b)
    if b.shape != y.shape[1:2]:
        raise ValueError(f"{who}: b has shape {b.shape}; expected {y.shape[1:2]}, one for each channel")
    return add(y, reshape(b, (*b.shape, 1, 1)))
