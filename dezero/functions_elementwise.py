"""Elementwise operations: powers, exponentials, angles, activations, and the choice between two."""

from __future__ import annotations

import math

import numpy as np

from dezero import arrays
from dezero.arrays import as_array, number
from dezero.contract import (
    ABOVE_MINUS_ONE,
    AT_BOUNDS,
    AT_ZERO,
    AT_ZERO_BY_SLOPE,
    COSINE_NOT_ZERO,
    NONZERO,
    POSITIVE,
    REALS,
    WHERE_EQUAL,
    WITHIN_ONE,
    Array,
    Attribute,
    Smoothness,
)
from dezero.graph import Operand, Variable, values
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Unary

__all__ = [
    "Arccos",
    "Arcsin",
    "Arctan",
    "AsType",
    "Clip",
    "Cos",
    "Cosh",
    "Exp",
    "Expm1",
    "Identity",
    "LeakyReLU",
    "Log",
    "Log1p",
    "Log2",
    "Maximum",
    "Minimum",
    "ReLU",
    "Reciprocal",
    "Sigmoid",
    "Sin",
    "Sinh",
    "Softplus",
    "Sqrt",
    "Square",
    "Tan",
    "Tanh",
    "Where",
    "arccos",
    "arcsin",
    "arctan",
    "astype",
    "clip",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "identity",
    "leaky_relu",
    "log",
    "log1p",
    "log2",
    "maximum",
    "minimum",
    "reciprocal",
    "relu",
    "sigmoid",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "where",
]

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


class ReLU(Unary, domain=REALS, saves="y", smoothness=Smoothness.PIECEWISE, kinks=AT_ZERO, name="relu"):
    """The larger of x and 0."""

    def forward(self, x: Array) -> Array:
        return as_array(np.maximum(x, 0))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        # y > 0 where x > 0; and y is what the next operation saves, so that x need not be kept.
        return xp.where(y > 0, gy, 0.0)


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
        self.slope: float = number("leaky_relu", "slope", slope)

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

    def __init__(self, x_min: float | None, x_max: float | None) -> None:
        self.x_min: float = -math.inf if x_min is None else number("clip", "x_min", x_min)
        self.x_max: float = math.inf if x_max is None else number("clip", "x_max", x_max)

    def forward(self, x: Array) -> Array:
        # None, and no infinity, which would make integers floating.
        low = None if self.x_min == -math.inf else self.x_min
        high = None if self.x_max == math.inf else self.x_max
        return as_array(np.clip(x, low, high))

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
        self.dtype: np.dtype[np.generic] = np.dtype(dtype)
        if self.dtype.kind in "SUVMm":
            raise TypeError(f"astype: dtype is {self.dtype}; expected one of numbers")

    def forward(self, x: Array) -> Array:
        return arrays.astype(x, self.dtype)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy  # the engine gives it the element type of x


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


def clip(x: Operand, x_min: float | None, x_max: float | None) -> Variable:
    """x, but not below x_min and not above x_max; None is no bound. Its derivative at bounds is 1."""
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
