"""A user's own operation in the book's way: a Function with `forward` and `backward`."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import dezero.functions as F
from dezero import Function, Variable

Array = NDArray[Any]

x = Variable(np.array([1.0, 2.0]))


class Square(Function):
    def forward(self, x: Array) -> Array:
        return x * x

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        return 2 * x * gy


class Product(Function):
    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, gy: Variable) -> tuple[Variable, Variable]:
        a, b = self.inputs
        return gy * b, gy * a


class Rounded(Function):
    """No gradient: None."""

    def forward(self, x: Array) -> Array:
        return np.rint(x)

    def backward(self, gy: Variable) -> None:
        return None


class SineAndCosine(Function):
    """Two outputs: a tuple of arrays."""

    def forward(self, x: NDArray[np.float64]) -> tuple[Array, Array]:
        return np.sin(x), np.cos(x)

    def backward(self, gs: Variable, gc: Variable) -> Variable:
        (x,) = self.inputs
        return gs * F.cos(x) - gc * F.sin(x)


class Power(Function):
    """With a constructor, and any number of outputs."""

    def __init__(self, *exponents: int) -> None:
        self.exponents = exponents

    def forward(self, x: Array) -> tuple[Array, ...]:
        return tuple([x**n for n in self.exponents])

    def backward(self, *gys: Variable) -> Variable:
        (x,) = self.inputs
        gx = x * 0
        for gy, n in zip(gys, self.exponents, strict=True):
            gx = gx + gy * n * x ** (n - 1)
        return gx


class Total(Function):
    """Any number of operands."""

    def forward(self, *xs: Array) -> Array:
        return xs[0] + sum(xs[1:])

    def backward(self, gy: Variable) -> tuple[Variable, ...]:
        return (gy,) * len(self.inputs)


assert_type(Square()(x), Variable)
assert_type(Square()(2.0), Variable)
assert_type(Product()(x, x.data), Variable)
assert_type(Rounded()(x), Variable)
assert_type(SineAndCosine()(x), list[Variable])
assert_type(Power(1, 2, 3)(x), list[Variable])
assert_type(Total()(x, 1.0, x), Variable)
sine, cosine = SineAndCosine()(x)
assert_type(sine * cosine, Variable)


def apply(function: Function, either: Square | SineAndCosine) -> None:
    assert_type(function(x), Variable | list[Variable])
    assert_type(either(x), Variable | list[Variable])
    assert_type(function.inputs, list[Variable])
    assert_type(function.generation, int)


apply(Square(), SineAndCosine())


def square(x: Variable) -> Variable:
    return Square()(x)


F.sum(square(x) + sine * cosine + Total()(x, 1.0, x) + Power(1, 2)(x)[1]).backward()
assert x.grad is not None

assert type(Square()(x)) is Variable
assert type(SineAndCosine()(x)) is list
