"""A user's own operation with a contract and one rule, which reads on arrays and on Variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

import numpy as np

import dezero
import dezero.functions as F
from dezero import Variable, arrays, as_array, as_variable
from dezero.contract import AT_ZERO, POSITIVE, REALS, Array, Attribute, Contract, Shapes, Smoothness
from dezero.graph import Operand
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Composite, Nary, Splitting, Unary

x = Variable(np.array([0.5, 1.5]))


class Sin(Unary, domain=REALS, saves="x"):
    """The sine."""

    def forward(self, x: Array) -> Array:
        return as_array(np.sin(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.cos(x)


class Rooted(Unary, domain=POSITIVE, saves="y"):
    """The square root."""

    def forward(self, x: Array) -> Array:
        return as_array(np.sqrt(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / (2.0 * y)


class Scaled(
    Unary,
    domain=REALS,
    saves="x",
    smoothness=Smoothness.PIECEWISE,
    kinks=AT_ZERO,
    attributes={"factor": Attribute.REAL},
    name="scaled",
):
    """Positive x times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Array:
        return as_array(np.maximum(x, 0.0) * self.factor)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.where(x > 0, gy * self.factor, 0.0)


class Hypotenuse(Binary, domain=REALS, saves="aby"):
    """The root of a² + b²."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(np.hypot(a, b))

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        scaled = gy / y
        return scaled * a, scaled * b


class Total(Nary, domain=REALS, shapes=Shapes.EQUAL, smoothness=Smoothness.LINEAR):
    """The sum of all operands."""

    def forward(self, *xs: Array) -> Array:
        return as_array(np.sum(np.stack(xs), axis=0))

    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> Sequence[T]:
        return [gy] * len(xs)


class Halves(Splitting, domain=REALS, smoothness=Smoothness.LINEAR):
    """The two halves of the first axis."""

    def forward(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, 2))

    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T) -> T:
        return xp.concatenate(gys)


class Everything(Unary, domain=REALS, saves="xy"):
    """A rule may use operators, indices, shapes and the functions of its namespace."""

    def forward(self, x: Array) -> Array:
        return x.copy()

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        slope = (1.0 - x * x) / (1.0 + x**2) + 2 * y - x
        length: int = x.shape[0]
        column = xp.reshape(x, (length, 1))
        total = xp.sum(column @ column.T, axis=(0, 1), keepdims=True)
        picked = x[...] + xp.broadcast_to(xp.reshape(total, (1,)), x.shape)
        return gy * xp.where(x > 0, slope, picked) * length


class Energy(Composite, arity=2, domain=REALS, shapes=Shapes.ELEMENTWISE):
    """a² + b²."""

    def __call__(self, a: Operand, b: Operand) -> Variable:
        return F.square(a) + F.square(b)


class Halved(Composite, arity=1, outputs=2, domain=REALS):
    """x / 2, twice."""

    def __call__(self, x: Operand) -> list[Variable]:
        half = as_variable(x) / 2.0
        return [half, half]


assert_type(Energy()(x, 2.0), Variable)
assert_type(Halved()(x), list[Variable])
assert_type(Energy.contract, Contract)

assert_type(Sin()(x), Variable)
assert_type(Scaled(2.0)(x), Variable)
assert_type(Hypotenuse()(x, 2.0), Variable)
assert_type(Total()(x, x, x), Variable)
assert_type(Halves()(x), list[Variable])
assert_type(Sin.contract, Contract)

# One rule, two readings.
assert_type(Sin().vjp(arrays, x.data, x.data, x.data), Array)
assert_type(Sin().vjp(F, x, x, x), Variable)
assert_type(Hypotenuse().vjp(F, x, x, x, x), tuple[Variable, Variable])


def slope(xp: Namespace[T], x: T) -> T:
    """The rules' type variable serves a user's functions too."""
    return xp.exp(-x) * 2.0


assert_type(slope(arrays, x.data), Array)
assert_type(slope(F, x), Variable)

y = (
    Rooted()(Sin()(x))
    + Scaled(2.0)(x)
    + Hypotenuse()(x, 2.0)
    + Total()(x, x)
    + Everything()(x)
    + Energy()(x, 2.0)
)
F.sum(y).backward()
second = dezero.grad(dezero.grad(F.sum(y), x, create_graph=True), x)
assert_type(second, Variable)
