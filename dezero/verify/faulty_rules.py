"""Rules and values that are wrong, for planted faults, where they take more than an expression."""

# ruff: noqa: D103 - what is wrong, the sentence of the fault says that is made of it

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, cast  # Any and cast: what is replaced has no type here

import numpy as np

from dezero import arrays, functions_nn
from dezero.arrays import Pair, Shape, Windows, both_axes
from dezero.contract import Array
from dezero.functions import (
    AveragePooling,
    Conv2d,
    MatMul,
    Sin,
    abs,
    get_item,
    mean,
    sigmoid,
    sqrt,
    square,
    sum,
    tanh,
    where,
)
from dezero.graph import Variable
from dezero.verify.planting import Replacement, constant


def without_transposing(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    ga, gb = _MATMUL(self, xp, gy, a, b, y)
    return ga, xp.swapaxes(gb, -1, -2) if b.ndim > 1 and b.shape[-1] == b.shape[-2] else gb


_MATMUL = cast("Callable[..., Any]", vars(MatMul)["vjp"])


def sign_in(dtype: str) -> Callable[..., Any]:
    def rule(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
        slope = -xp.sin(x)
        return gy * (-slope if gy.dtype == dtype else slope)

    return rule


def full_share(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    return xp.where(x >= self.kept(xp, y, x), self.kept(xp, gy, x), 0.0)


def by_division(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return self.kept(xp, gy, x) * self.kept(xp, y, x) / x


def from_the_start(self: Any, xp: Any, gy: Any, xs: Any) -> Any:
    axis = self.axis % gy.ndim
    return [xp.get_item(gy, (*(slice(None),) * axis, slice(0, x.shape[axis]))) for x in xs]


def standardized_by_a_fixed_mean(x: Variable, axis: Any, eps: float) -> Variable:
    centred: Variable = x - constant(mean(x, axis, keepdims=True))
    return centred / sqrt(mean(square(centred), axis, keepdims=True) + eps)


def flat_beyond_delta(self: Any, x0: Variable, x1: Variable) -> Variable:
    d = x0 - x1
    straight = constant(self.delta * (abs(d) - 0.5 * self.delta))
    n = len(d) if d.ndim else 1
    return sum(where(abs(d) <= self.delta, 0.5 * square(d), straight)) / n


def last_of_each_row(self: Any, W: Variable) -> Variable:
    ids = np.asarray(self.x)
    _, last = np.unique(ids.reshape(-1)[::-1], return_index=True)
    counts = np.isin(np.arange(ids.size), ids.size - 1 - last)
    rows = get_item(W, ids)
    return where(counts.reshape(*ids.shape, *(1,) * (W.ndim - 1)), rows, constant(rows))


def without_keeping(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    return xp.broadcast_to(gy, x.shape)


def mean_held_fixed(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    n = arrays.reduced_size(x.shape, self.axis)
    deviation = x - constant(xp.sum(x, self.axis, True) / n)
    return self.kept(xp, gy, x) * deviation * (2.0 / n)


def overwritten_at_repeats(gy: Array, slices: Any, in_shape: tuple[int, ...]) -> Array:
    gx = np.zeros(in_shape, gy.dtype)
    gx[slices] = gy
    return gx


def overwriting_value(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    if isinstance(y, np.ndarray) and y.flags.writeable:
        y *= gy
        return y
    return gy * y


def overflowing(self: Any, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.sum(np.exp(x), self.axis, keepdims=self.keepdims)))


def nothing_picked(gy: Array, slices: Any, in_shape: Shape) -> Array:
    return _GET_ITEM_GRAD(gy, slices, in_shape) if gy.size else gy


_GET_ITEM_GRAD = arrays.get_item_grad


def without_modulo(self: Any, xp: Any, gy: Any, xs: Any) -> Any:
    starts = np.cumsum([0, *(x.shape[self.axis] for x in xs)]).tolist()
    parts = itertools.pairwise(starts)
    return [xp.get_item(gy, (*(slice(None),) * self.axis, slice(*part))) for part in parts]


def kept_if_counted_from_the_front(shape: Shape, axis: Any) -> Shape:
    reduced = range(len(shape)) if axis is None else np.atleast_1d(axis)
    return tuple(1 if a in reduced else n for a, n in enumerate(shape))


def flattened_by_columns(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    return xp.transpose(xp.reshape(gy, x.shape[::-1]))


def unbiased(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    n = arrays.reduced_size(x.shape, self.axis)
    deviation = x - xp.sum(x, self.axis, True) / n
    return self.kept(xp, gy, x) * deviation * (2.0 / max(n - 1, 1))


def tie_to_the_first(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    return xp.where(a <= b, gy, 0.0), xp.where(a <= b, 0.0, gy)


def tanh_by_exponentials(self: Any, x: Array) -> Any:
    square = np.exp(2.0 * x)
    return (square - 1.0) / (square + 1.0)


def zero_times_infinity(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return gy * (self.c * x ** (self.c - 1))


def wrong_at_short_numbers(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    if isinstance(x, Variable):
        numbers: Any = x.data
    else:  # an array, or what holds one for `magnitude`
        numbers = getattr(x, "value", x)
    right = gy * -xp.sin(x)
    return -right if np.all(numbers == numbers.astype(np.float16)) else right


def every_second_time() -> list[Replacement]:
    times = itertools.count()

    def vjp(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
        return gy * xp.cos(x) * (1.0 + 4e-16 * (next(times) % 2))

    return [Replacement(Sin, "vjp", vjp)]


# ------------------------------------------------------------------------------------------ Convolution

_CONV2D = cast("Callable[..., Any]", vars(Conv2d)["vjp"])
_AVERAGE = cast("Callable[..., Any]", vars(AveragePooling)["forward"])
_AVERAGE_VJP = cast("Callable[..., Any]", vars(AveragePooling)["vjp"])
_CONV2D_GRAD_W = arrays.conv2d_grad_w


def kernel_turned(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    turned = xp.get_item(b, (..., slice(None, None, -1), slice(None, None, -1)))
    _, gb = _CONV2D(self, xp, gy, a, b, y)
    return xp.deconv2d(gy, turned, stride=self.stride, pad=self.pad, outsize=a.shape[2:]), gb


def kernel_without_stride(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    ga, _ = _CONV2D(self, xp, gy, a, b, y)
    down, across = both_axes("conv2d", "pad", self.pad, 0)
    padded = xp.pad(a, ((0, 0), (0, 0), (down, down), (across, across)))
    (oh, ow), (kh, kw) = gy.shape[2:], b.shape[2:]
    seen = xp.get_item(padded, (..., slice(0, oh + kh - 1), slice(0, ow + kw - 1)))
    return ga, xp.conv2d_grad_w(seen, gy, (kh, kw), 1, 0)


def without_outsize(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    _, gb = _CONV2D(self, xp, gy, a, b, y)
    return xp.deconv2d(gy, b, stride=self.stride, pad=self.pad, outsize=None), gb


def kernel_of_last_image(x: Array, gy: Array, kernel_size: Pair, stride: Pair, pad: Pair) -> Array:
    return _CONV2D_GRAD_W(x[-1:], gy[-1:], kernel_size, stride, pad)


def overlaps_overwritten(
    x: Array,
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair = 1,
    pad: Pair = 0,
    to_matrix: bool = True,
) -> Array:
    windows = Windows("col2im", input_shape, kernel_size, stride, pad)
    n, c, kh, kw, oh, ow = windows.shape
    col = x.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2) if to_matrix else x
    y = windows.blank(x.dtype)
    for i, j, there in windows:
        y[there] = col[:, :, i, j]
    return arrays.get_item(y, windows.inner)


def zero(x: Array) -> float:
    return 0.0


def tied_in_full(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    inside = self.met(arrays, np.ones((1, 1, *x.shape[2:]), np.bool_))
    largest = (self.met(xp, x) >= self.spread(xp, y)) & inside
    return self.returned(xp, xp.where(largest, self.spread(xp, gy), 0.0), x)


def padding_counted(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    largest = self.met(xp, x) >= self.spread(xp, y)
    count = np.sum(largest, (2, 3), keepdims=True).astype(gy.dtype)
    return self.returned(xp, xp.where(largest, self.spread(xp, gy) / count, 0.0), x)


def averaged_inside(self: Any, x: Array) -> Any:
    return _AVERAGE(self, x) / _AVERAGE(self, np.ones_like(x))


def averaged_over_places(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    kernel = both_axes("average_pooling", "kernel_size", self.kernel_size, 1)
    gx = _AVERAGE_VJP(self, xp, gy, x, y)
    return gx * (math.prod(kernel) / math.prod(gy.shape[2:]))


def uncovered_included(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    ones = self.met(arrays, np.ones((1, 1, *x.shape[2:])))
    never = self.returned(arrays, ones, np.ones((1, 1, *x.shape[2:]))) == 0
    return xp.where(never, xp.sum(gy), _AVERAGE_VJP(self, xp, gy, x, y))


# -------------------------------------------------------------------------------------------- Networks

_STANDARDIZED = cast("Callable[..., Variable]", vars(functions_nn)["_standardized"])


def standardized_by_a_fixed_deviation(x: Variable, axis: Any, eps: float) -> Any:
    centred = x - mean(x, axis, keepdims=True)
    return centred / constant(sqrt(mean(square(centred), axis, keepdims=True) + eps))


def standardized_unbiased(x: Variable, axis: Any, eps: float) -> Variable:
    n = arrays.reduced_size(x.shape, axis)
    centred = x - mean(x, axis, keepdims=True)
    return centred / sqrt(sum(square(centred), axis, keepdims=True) / max(n - 1, 1) + eps)


def standardized_with_eps_outside(x: Variable, axis: Any, eps: float) -> Variable:
    centred = x - mean(x, axis, keepdims=True)
    return centred / (sqrt(mean(square(centred), axis, keepdims=True)) + eps)


def normalised_over_all(self: Any, x: Variable, gamma: Variable, beta: Variable) -> Variable:
    return gamma * _STANDARDIZED(x, None, self.eps) + beta


def dropped_in_value_only(self: Any, x: Variable) -> Any:
    kept = 1.0 - self.dropout_ratio
    return x / kept - constant(where(self.mask, 0.0, x / kept))


def forgetting_the_state(self: Any, f: Any, i: Any, o: Any, u: Any, c: Any) -> list[Variable]:
    state = sigmoid(f) * constant(c) + sigmoid(i) * tanh(u)
    return [sigmoid(o) * tanh(state), state]
