"""How large the terms are of which a gradient is the sum: a third reading of the rules.

A gradient is a sum of products of local partial derivatives. Rounding errs by a part of the terms, not
of the sum, and where they cancel that may be all of it. So the rules are read once more, with numbers
that carry beside their value the sum of the absolute values of their terms: what "a gradient computed
with absolute local partials" says, with the terms inside of each rule.

Source: running error analysis; N. Higham, "Accuracy and Stability of Numerical Algorithms", 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dezero import arrays
from dezero.arrays import Axes, Index, Pair, Shape, as_array
from dezero.contract import Array
from dezero.graph import ARRAYS, Function, Node, Reading, Variable, pull_back
from dezero.namespace import Namespace
from dezero.verify.engines import Engine
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.program import Program

DEZERO = DezeroEngine()


class Sized:
    """An array of numbers, and of the sizes of what they were summed from.

    Attributes:
        value: The numbers.
        size: For each the sum of the absolute values of its terms: never below its absolute value.
    """

    __slots__ = ("size", "value")

    def __init__(self, value: Array, size: Array | None = None) -> None:
        self.value: Array = as_array(value)
        size = np.abs(value) if size is None else size
        # 0 · ∞ tells nothing of the terms, and would swallow all that comes to it.
        self.size: Array = as_array(np.where(np.isnan(size), np.abs(value), size))

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.value.dtype

    @property
    def T(self) -> Sized:
        return Sized(self.value.T, self.size.T)

    @property
    def relative(self) -> Array:
        """The size as a multiple of the value: by how much a relative error is amplified."""
        return as_array(self.size / np.abs(self.value))

    def __neg__(self) -> Sized:
        return Sized(-self.value, self.size)

    def __add__(self, other: Sized | float) -> Sized:
        b = sized(other)
        return Sized(self.value + b.value, self.size + b.size)

    def __sub__(self, other: Sized | float) -> Sized:
        b = sized(other)
        return Sized(self.value - b.value, self.size + b.size)

    def __mul__(self, other: Sized | float) -> Sized:
        b = sized(other)
        return Sized(self.value * b.value, self.size * b.size)

    def __truediv__(self, other: Sized | float) -> Sized:
        b = sized(other)
        return Sized(self.value / b.value, self.size / np.abs(b.value) * b.relative)

    def __pow__(self, other: Sized | float) -> Sized:
        b = sized(other)
        y = self.value**b.value
        slope = np.abs(b.value * self.value ** (b.value - 1))
        return Sized(y, np.abs(y) + slope * self.size)

    def __matmul__(self, other: Sized) -> Sized:
        return Sized(self.value @ other.value, self.size @ other.size)

    def __radd__(self, other: float) -> Sized:
        return sized(other) + self

    def __rsub__(self, other: float) -> Sized:
        return sized(other) - self

    def __rmul__(self, other: float) -> Sized:
        return sized(other) * self

    def __rtruediv__(self, other: float) -> Sized:
        return sized(other) / self

    def __getitem__(self, index: Index) -> Sized:
        return Sized(self.value[index], self.size[index])

    def __lt__(self, other: Sized | float) -> Array:
        return as_array(self.value < sized(other).value)

    def __le__(self, other: Sized | float) -> Array:
        return as_array(self.value <= sized(other).value)

    def __gt__(self, other: Sized | float) -> Array:
        return as_array(self.value > sized(other).value)

    def __ge__(self, other: Sized | float) -> Array:
        return as_array(self.value >= sized(other).value)


def sized(x: Sized | float) -> Sized:
    """A plain number as one that nothing was summed for."""
    return x if isinstance(x, Sized) else Sized(np.asarray(x))


def _both(function: Callable[[Array], Array], x: Sized) -> Sized:
    """What moves, picks or sums elements does the same with the sizes."""
    return Sized(function(x.value), function(x.size))


def _product(function: Callable[[Array, Array], Array], x: Sized, y: Sized) -> Sized:
    """What multiplies and sums does the same with the sizes."""
    return Sized(function(x.value, y.value), function(x.size, y.size))


class _SizedNamespace:
    """The functions that rules call. For a smooth one, the size grows with its derivative."""

    def exp(self, x: Sized) -> Sized:
        y = np.exp(x.value)
        return Sized(y, y * (1 + x.size))

    def log(self, x: Sized) -> Sized:
        y = np.log(x.value)
        return Sized(y, np.abs(y) + x.relative)

    def sqrt(self, x: Sized) -> Sized:
        y = np.sqrt(x.value)
        return Sized(y, y * x.relative)

    def sin(self, x: Sized) -> Sized:
        y = np.sin(x.value)
        return Sized(y, np.abs(y) + np.abs(np.cos(x.value)) * x.size)

    def cos(self, x: Sized) -> Sized:
        y = np.cos(x.value)
        return Sized(y, np.abs(y) + np.abs(np.sin(x.value)) * x.size)

    def sinh(self, x: Sized) -> Sized:
        y = np.sinh(x.value)
        return Sized(y, np.abs(y) + np.cosh(x.value) * x.size)

    def cosh(self, x: Sized) -> Sized:
        y = np.cosh(x.value)
        return Sized(y, y + np.abs(np.sinh(x.value)) * x.size)

    def sigmoid(self, x: Sized) -> Sized:
        y = arrays.sigmoid(x.value)
        return Sized(y, y * (1 + arrays.sigmoid(-x.value) * x.size))

    def where(self, condition: Array, a: Sized | float, b: Sized | float) -> Sized:
        a, b = sized(a), sized(b)
        return Sized(arrays.where(condition, a.value, b.value), arrays.where(condition, a.size, b.size))

    def identity(self, x: Sized) -> Sized:
        return x

    def astype(self, x: Sized, dtype: np.dtype[np.generic]) -> Sized:
        return _both(lambda a: a.astype(dtype), x)

    def reshape(self, x: Sized, shape: Shape) -> Sized:
        return _both(lambda a: a.reshape(shape), x)

    def transpose(self, x: Sized, axes: tuple[int, ...] | None = None) -> Sized:
        return _both(lambda a: a.transpose(axes), x)

    def swapaxes(self, x: Sized, axis1: int, axis2: int) -> Sized:
        return _both(lambda a: a.swapaxes(axis1, axis2), x)

    def broadcast_to(self, x: Sized, shape: Shape) -> Sized:
        return _both(lambda a: arrays.broadcast_to(a, shape), x)

    def sum(self, x: Sized, axis: Axes = None, keepdims: bool = False) -> Sized:
        return _both(lambda a: arrays.sum(a, axis, keepdims), x)

    def sum_to(self, x: Sized, shape: Shape) -> Sized:
        return _both(lambda a: arrays.sum_to(a, shape), x)

    def cumsum(self, x: Sized, axis: int | None = None) -> Sized:
        return _both(lambda a: arrays.cumsum(a, axis), x)

    def flip(self, x: Sized, axis: int | None = None) -> Sized:
        return _both(lambda a: arrays.flip(a, axis), x)

    def roll(self, x: Sized, shift: int, axis: int | None = None) -> Sized:
        return _both(lambda a: arrays.roll(a, shift, axis), x)

    def pad(self, x: Sized, pad_width: tuple[tuple[int, int], ...]) -> Sized:
        return _both(lambda a: arrays.pad(a, pad_width), x)

    def concatenate(self, xs: Sequence[Sized], axis: int = 0) -> Sized:
        value = arrays.concatenate([x.value for x in xs], axis)
        return Sized(value, arrays.concatenate([x.size for x in xs], axis))

    def conv2d(self, x: Sized, W: Sized, *, stride: Pair, pad: Pair) -> Sized:
        return _product(lambda a, b: arrays.conv2d(a, b, stride, pad), x, W)

    def deconv2d(self, x: Sized, W: Sized, *, stride: Pair, pad: Pair, outsize: Pair | None) -> Sized:
        return _product(lambda a, b: arrays.deconv2d(a, b, stride, pad, outsize), x, W)

    def conv2d_grad_w(self, x: Sized, gy: Sized, kernel_size: Pair, stride: Pair, pad: Pair) -> Sized:
        return _product(lambda a, b: arrays.conv2d_grad_w(a, b, kernel_size, stride, pad), x, gy)

    def im2col(self, x: Sized, kernel_size: Pair, stride: Pair, pad: Pair, to_matrix: bool) -> Sized:
        return _both(lambda a: arrays.im2col(a, kernel_size, stride, pad, to_matrix), x)

    def col2im(
        self, x: Sized, input_shape: Shape, kernel_size: Pair, stride: Pair, pad: Pair, to_matrix: bool
    ) -> Sized:
        return _both(lambda a: arrays.col2im(a, input_shape, kernel_size, stride, pad, to_matrix), x)

    def get_item(self, x: Sized, slices: Index) -> Sized:
        return _both(lambda a: arrays.get_item(a, slices), x)

    def get_item_grad(self, gy: Sized, slices: Index, in_shape: Shape) -> Sized:
        return _both(lambda a: arrays.get_item_grad(a, slices, in_shape), gy)


class _SizedReading(Reading[Sized]):
    records = False
    xp: Namespace[Sized] = _SizedNamespace()
    unsaved = Sized(ARRAYS.unsaved)

    def operand(self, node: Node, saved: Array | None) -> Sized:
        return Sized(ARRAYS.operand(node, saved))

    def output(self, function: Function, saved: Array) -> Sized:
        return Sized(saved)

    def from_variable(self, variable: Variable) -> Sized:
        return Sized(variable.data)

    def to_variable(self, x: Sized) -> Variable:
        return Variable(x.value)


def gradient_sizes(program: Program, engine: Engine[Variable] = DEZERO) -> list[Array]:
    """For each input of a program, how large the terms of its gradient are, by dezero's rules.

    Args:
        program: The program.
        engine: Who applies its steps, to Variables of dezero.
    """
    with np.errstate(all="ignore"):
        graph = engine.build(program)
        return _sizes(graph.outputs, program.seeds, graph.leaves(program))


def cotangent_sizes(program: Program) -> list[Array]:
    """The same for the cotangent of every value that a step of the program gives."""
    with np.errstate(all="ignore"):
        graph = DEZERO.build(program)
        pairs = [(y.node, Sized(s)) for y, s in zip(graph.outputs, program.seeds, strict=True)]
        interior = pull_back(_SizedReading(), pairs, lambda _: True).interior
        sizes: list[Array] = []
        for y in graph.values[len(program.inputs) :]:
            assert y is not None  # the graph was kept
            gys = interior.get(y.creator, []) if y.creator is not None else []
            size = gys[y.node.index] if gys else None
            sizes.append(np.zeros(y.shape) if size is None else _numbers(size))
        return sizes


def product_sizes(
    program: Program, v: Sequence[Array], engine: Engine[Variable] = DEZERO
) -> list[Array]:
    """The same for the product of its Hessian with ``v``: the terms of the second pulling back."""
    with np.errstate(all="ignore"):
        graph = engine.build(program)
        leaves = graph.leaves(program)
        seeds = [engine.leaf(seed) for seed in program.seeds]
        return _sizes(engine.gradients(graph.outputs, leaves, seeds, create_graph=True), v, leaves)


def _sizes(ys: Sequence[Variable], seeds: Sequence[Array], xs: Sequence[Variable]) -> list[Array]:
    pairs = [(y.node, Sized(seed)) for y, seed in zip(ys, seeds, strict=True)]
    found = pull_back(_SizedReading(), pairs).leaves
    sizes = [found.get(x.node) for x in xs]
    return [
        np.zeros(x.shape) if size is None else _numbers(size) for x, size in zip(xs, sizes, strict=True)
    ]


def _numbers(size: Sized) -> Array:
    return np.nan_to_num(size.size, posinf=np.inf)
