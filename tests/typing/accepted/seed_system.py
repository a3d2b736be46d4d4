"""`dezero.core_simple`: the same program on the smallest system, whose gradients are arrays."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from dezero.core_simple import (
    Config,
    Function,
    Variable,
    as_array,
    as_variable,
    exp,
    no_grad,
    split,
    square,
)

Array = NDArray[Any]

x = Variable(np.array([1.0, 2.0]))
array: NDArray[np.float64] = np.array([3.0, 4.0])

assert_type(x + x, Variable)
assert_type(x * 2, Variable)
assert_type(2 * x, Variable)
assert_type(1.0 - x, Variable)
assert_type(1 / x, Variable)
assert_type(x**2, Variable)
assert_type(-x, Variable)
assert_type(x + array, Variable)
assert_type(array + x, Variable)
assert_type(np.float32(2) * x, Variable)
assert_type(square(x), Variable)
assert_type(exp(x), Variable)
assert_type(split(x, 2), list[Variable])
assert_type(as_variable(1.0), Variable)


class Cube(Function):
    def forward(self, x: Array) -> Array:
        return x**3

    def backward(self, gy: Array) -> Array:
        (x,) = self.inputs
        return as_array(gy * 3 * x.data**2)  # for mypy the product is Any: NumPy's stubs


class Both(Function):
    def forward(self, x: Array) -> tuple[Array, Array]:
        return x, -x

    def backward(self, ga: Array, gb: Array) -> Array:
        return ga - gb


assert_type(Cube()(x), Variable)
assert_type(Both()(x), list[Variable])

y = Cube()(x) + Both()(x)[1]
y.backward()
assert_type(x.grad, Array | None)
assert x.grad is not None
assert_type(x.grad, Array)
assert_type(y.creator, Function | None)

with no_grad():
    assert_type(Config.enable_backprop, bool)
