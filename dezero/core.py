"""Arithmetic, shaping, sums, products and indexing: the family that is closed under differentiation.

Also the names of `dezero.graph`, so that ``dezero.core`` has all that DeZero programs import from it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from dezero import arrays
from dezero.arrays import (
    HALF,
    SINGLE,
    Axes,
    Index,
    IndexPart,
    Shape,
    as_array,
    kept_shape,
    number,
    reduced_size,
)
from dezero.config import Config, no_grad, test_mode, using_config
from dezero.contract import (
    AT_ZERO,
    BASE_OF_CONSTANT_POWER,
    LARGEST_TIED,
    NONEMPTY,
    NONZERO_DIVISOR,
    POSITIVE_BASE,
    REALS,
    SMALLEST_TIED,
    Array,
    Attribute,
    Shapes,
    Smoothness,
)
from dezero.graph import (
    Function,
    Operand,
    Parameter,
    Variable,
    as_variable,
    grad,
    has_data,
    setup_variable,
)
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Operation, Unary

__all__ = [
    "Abs",
    "Add",
    "BroadcastTo",
    "Config",
    "Div",
    "Function",
    "GetItem",
    "GetItemGrad",
    "MatMul",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Operation",
    "Parameter",
    "Pow",
    "Power",
    "Reshape",
    "Sub",
    "Sum",
    "SumTo",
    "Transpose",
    "Variable",
    "abs",
    "add",
    "as_array",
    "as_variable",
    "average",
    "broadcast_to",
    "div",
    "get_item",
    "get_item_grad",
    "grad",
    "matmul",
    "max",
    "mean",
    "min",
    "mul",
    "neg",
    "no_grad",
    "pow",
    "rdiv",
    "reshape",
    "rsub",
    "setup_variable",
    "sub",
    "sum",
    "sum_to",
    "test_mode",
    "transpose",
    "using_config",
]


class Add(Binary, domain=REALS, saves="", smoothness=Smoothness.LINEAR):
    """The sum a + b."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a + b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy, gy


class Sub(Binary, domain=REALS, saves="", smoothness=Smoothness.LINEAR):
    """The difference a - b."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a - b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy, -gy


class Mul(Binary, domain=REALS, saves="ab", smoothness=Smoothness.MULTILINEAR):
    """The product a · b, elementwise."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a * b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy * b, gy * a


class Div(Binary, domain=NONZERO_DIVISOR, saves="ab"):
    """The quotient a / b."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a / b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        ga = gy / b
        return ga, -ga * (a / b)


class Neg(Unary, domain=REALS, saves="", smoothness=Smoothness.LINEAR):
    """The negative -x."""

    def forward(self, x: Array) -> Array:
        return as_array(-x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return -gy


class Abs(Unary, domain=REALS, saves="x", smoothness=Smoothness.PIECEWISE, kinks=AT_ZERO):
    """The absolute value |x|."""

    def forward(self, x: Array) -> Array:
        return as_array(np.abs(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.where(x > 0, gy, xp.where(x < 0, -gy, 0.0))


class Pow(
    Unary,
    domain=BASE_OF_CONSTANT_POWER,
    saves="x",
    attributes={"c": Attribute.EXPONENT},
):
    """The power x^c by a constant."""

    def __init__(self, c: float) -> None:
        self.c: float = number("pow", "c", c)

    def forward(self, x: Array) -> Array:
        return as_array(x**self.c)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        if self.c == 0:  # where x is 0, the general form would say 0 · ∞
            return gy * 0.0
        return gy * (self.c * x ** (self.c - 1))


class Power(Binary, domain=POSITIVE_BASE, saves="aby"):
    """The power a^b of two operands. At a ≤ 0 the cotangent of b is 0."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a**b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy * (b * a ** (b - 1.0)), gy * (y * xp.log(xp.where(a > 0, a, 1.0)))


class Reshape(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"shape": Attribute.SHAPE_OF_SAME_SIZE},
):
    """The same elements in another shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.reshape(gy, x.shape)


class Transpose(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"axes": Attribute.PERMUTATION},
):
    """The axes permuted; reversed by default."""

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self.axes = axes

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        if self.axes is None:
            return xp.transpose(gy)
        places = sorted(range(x.ndim), key=[a % x.ndim for a in self.axes].__getitem__)
        return xp.transpose(gy, tuple(places))


class BroadcastTo(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"shape": Attribute.WIDER_SHAPE},
):
    """The elements repeated to a wider shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return arrays.broadcast_to(x, self.shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.sum_to(gy, x.shape)


class SumTo(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"shape": Attribute.NARROWER_SHAPE},
):
    """The sum over the axes along which a shape was broadcast to that of x."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return arrays.sum_to(x, self.shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.broadcast_to(gy, x.shape)


def narrowed(y: object, x: Array) -> Array:
    """What was added up in the accumulator of ``x``, in the element type of ``x``."""
    y = as_array(y)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def wide(xp: Namespace[T], x: T) -> T:
    """``x``; in float32 where it is float16, in which no count and no sum above 65,504 has a place."""
    return xp.astype(x, SINGLE) if x.dtype == HALF else x


class Reduction(Operation):
    """What the operations that reduce over axes share: their attributes."""

    def __init__(self, axis: Axes = None, keepdims: bool = False) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def kept(self, xp: Namespace[T], y: T, x: T) -> T:
        """``y``, of the output's shape, with the reduced axes of ``x`` kept as axes of length one."""
        return xp.reshape(y, kept_shape(x.shape, self.axis))


AXIS_AND_KEEPDIMS = {"axis": Attribute.AXES, "keepdims": Attribute.FLAG}


class Sum(
    Reduction,
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes=AXIS_AND_KEEPDIMS,
):
    """The sum over some axes."""

    def forward(self, x: Array) -> Array:
        return arrays.sum(x, self.axis, self.keepdims)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.broadcast_to(self.kept(xp, gy, x), x.shape)


class Mean(
    Reduction,
    Unary,
    domain=NONEMPTY,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes=AXIS_AND_KEEPDIMS,
):
    """The arithmetic mean over some axes."""

    def forward(self, x: Array) -> Array:
        return as_array(np.mean(x, self.axis, keepdims=self.keepdims))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        share = self.kept(xp, wide(xp, gy), x) / reduced_size(x.shape, self.axis)
        return xp.broadcast_to(share, x.shape)


class Max(
    Reduction,
    Unary,
    domain=NONEMPTY,
    saves="xy",
    smoothness=Smoothness.PIECEWISE,
    kinks=LARGEST_TIED,
    attributes=AXIS_AND_KEEPDIMS,
):
    """The largest element along some axes. Tied elements share the cotangent equally."""

    def forward(self, x: Array) -> Array:
        return as_array(np.max(x, self.axis, keepdims=self.keepdims))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return _shared(xp, self.kept(xp, gy, x), x >= self.kept(xp, y, x), self.axis)


class Min(
    Reduction,
    Unary,
    domain=NONEMPTY,
    saves="xy",
    smoothness=Smoothness.PIECEWISE,
    kinks=SMALLEST_TIED,
    attributes=AXIS_AND_KEEPDIMS,
):
    """The smallest element along some axes. Tied elements share the cotangent equally."""

    def forward(self, x: Array) -> Array:
        return as_array(np.min(x, self.axis, keepdims=self.keepdims))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return _shared(xp, self.kept(xp, gy, x), x <= self.kept(xp, y, x), self.axis)


def _shared(xp: Namespace[T], gy: T, chosen: Array, axis: Axes) -> T:
    """``gy`` in equal shares to the chosen elements along the axes, and zero to the others."""
    gy = wide(xp, gy)
    count = np.sum(chosen, axis, keepdims=True).astype(gy.dtype)
    return xp.where(chosen, gy / count, 0.0)


class MatMul(
    Binary,
    domain=REALS,
    saves="ab",
    shapes=Shapes.MATMUL,
    smoothness=Smoothness.MULTILINEAR,
    name="matmul",
):
    """The matrix product a @ b, with NumPy's rules for vectors and for stacks of matrices."""

    fresh = True

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a @ b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T | None, T | None]:
        # A vector on the left is a matrix of one row, on the right one of one column.
        rows = xp.reshape(a, (1, *a.shape)) if a.ndim == 1 else a
        columns = xp.reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
        g = gy
        if a.ndim == 1 or b.ndim == 1:
            stack = gy.shape[: gy.ndim - (a.ndim > 1) - (b.ndim > 1)]
            g = xp.reshape(gy, stack + (rows.shape[-2], columns.shape[-1]))
        ga = g @ xp.swapaxes(columns, -1, -2) if self.wants(0) else None
        gb = xp.swapaxes(rows, -1, -2) @ g if self.wants(1) else None
        return ga, gb if gb is None or b.ndim > 1 else xp.reshape(gb, gb.shape[:-1])


class GetItem(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"slices": Attribute.INDEX},
):
    """The elements x[slices]."""

    def __init__(self, slices: Index) -> None:
        self.slices = slices

    def forward(self, x: Array) -> Array:
        return arrays.get_item(x, self.slices)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.get_item_grad(gy, self.slices, x.shape)


class GetItemGrad(
    Unary,
    domain=REALS,
    saves="",
    smoothness=Smoothness.LINEAR,
    attributes={"slices": Attribute.INDEX_INTO, "in_shape": Attribute.INDEXED_SHAPE},
):
    """The adjoint of indexing: x added into zeros of in_shape at slices."""

    def __init__(self, slices: Index, in_shape: Shape) -> None:
        self.slices = slices
        self.in_shape = in_shape

    def forward(self, x: Array) -> Array:
        return arrays.get_item_grad(x, self.slices, self.in_shape)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.get_item(gy, self.slices)


# ------------------------------------------------------------------------ The same, as functions


def add(a: Operand, b: Operand) -> Variable:
    """The sum a + b."""
    return Add()(a, b)


def sub(a: Operand, b: Operand) -> Variable:
    """The difference a - b."""
    return Sub()(a, b)


def rsub(a: Operand, b: Operand) -> Variable:
    """The difference b - a."""
    return Sub()(b, a)


def mul(a: Operand, b: Operand) -> Variable:
    """The product a · b, elementwise."""
    return Mul()(a, b)


def div(a: Operand, b: Operand) -> Variable:
    """The quotient a / b, for b ≠ 0."""
    return Div()(a, b)


def rdiv(a: Operand, b: Operand) -> Variable:
    """The quotient b / a, for a ≠ 0."""
    return Div()(b, a)


def neg(x: Operand) -> Variable:
    """The negative -x."""
    return Neg()(x)


def abs(x: Operand) -> Variable:
    """The absolute value. Its derivative at 0 is 0."""
    return Abs()(x)


def pow(x: Operand, c: Operand) -> Variable:
    """The power x^c: by a number for every x where it is real, by a variable or an array for x > 0."""
    if isinstance(c, np.generic):
        return Pow(c.item())(x)
    return Pow(c)(x) if isinstance(c, (int, float)) else Power()(x, c)


def reshape(x: Operand, shape: int | Sequence[int]) -> Variable:
    """The same elements in another shape, of which one length may be -1."""
    return Reshape(as_shape(shape))(x)


def transpose(x: Operand, axes: Sequence[int] | None = None) -> Variable:
    """The axes permuted; reversed by default."""
    return Transpose(None if axes is None else tuple(axes))(x)


def broadcast_to(x: Operand, shape: int | Sequence[int]) -> Variable:
    """The elements repeated to a wider shape."""
    return BroadcastTo(as_shape(shape))(x)


def sum_to(x: Operand, shape: int | Sequence[int]) -> Variable:
    """The sum over the axes along which ``shape`` broadcasts to the shape of x.

    Raises:
        ValueError: It does not broadcast to the shape of x.
    """
    return SumTo(as_shape(shape))(x)


def sum(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The sum over some axes; over all by default."""
    return Sum(axis, keepdims)(x)


def mean(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The arithmetic mean over some axes; over all by default."""
    return Mean(axis, keepdims)(x)


average = mean


def max(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The largest element along some axes. Tied elements share the gradient equally."""
    return Max(axis, keepdims)(x)


def min(x: Operand, axis: Axes = None, keepdims: bool = False) -> Variable:
    """The smallest element along some axes. Tied elements share the gradient equally."""
    return Min(axis, keepdims)(x)


def matmul(x: Operand, W: Operand) -> Variable:
    """The matrix product x @ W, by NumPy's rules for every rank."""
    return MatMul()(x, W)


def get_item(x: Operand, slices: Index | Variable | tuple[IndexPart | Variable, ...]) -> Variable:
    """The elements x[slices]; an index array may come as a Variable."""
    parts = slices if isinstance(slices, tuple) else (slices,)
    plain = tuple(part.data if isinstance(part, Variable) else part for part in parts)
    return GetItem(plain if isinstance(slices, tuple) else plain[0])(x)


def get_item_grad(gy: Operand, slices: Index, in_shape: Shape) -> Variable:
    """The adjoint of indexing: ``gy`` added into zeros of ``in_shape`` at ``slices``."""
    return GetItemGrad(slices, in_shape)(gy)


def operand(who: str, name: str, x: Operand) -> Variable:
    """``x`` as a Variable, for a function that is made of others.

    Raises:
        TypeError: It is no operand, or has no data; the message says for whom, and which one.
    """
    try:
        variable = as_variable(x)
    except TypeError as error:
        raise TypeError(f"{who}: {name}: {error}") from None
    if not has_data(variable):
        raise TypeError(f"{who}: {name} has no data yet")
    return variable


def as_shape(shape: int | Sequence[int]) -> Shape:
    """A shape as a tuple, also of one length."""
    lengths = shape if isinstance(shape, Sequence) else (shape,)
    return tuple(operator.index(n) for n in lengths)
