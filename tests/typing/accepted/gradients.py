"""Gradients: `backward` and `grad`, of the first order and of higher ones, and gradient descent."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import dezero
import dezero.functions as F
from dezero import Parameter, Variable

x = Variable(np.array([1.0, 2.0]))
y = F.sum(x * x)
y.backward()
assert_type(x.grad, Variable | None)
if x.grad is not None:
    assert_type(x.grad, Variable)
    assert_type(x.grad.data, NDArray[Any])
    assert_type(x.grad.grad, Variable | None)
assert x.grad is not None
assert_type(x.grad + 1, Variable)
x.cleargrad()

y.backward(retain_grad=True)
y.backward(create_graph=True)
x.grad = Variable(np.zeros(2))
x.grad = None
x.data = x.data - 0.1
x.name = "x"
x.unchain()
y.unchain_backward()

z = x**3
assert_type(dezero.grad(z, x), Variable)
assert_type(dezero.grad(z, x, create_graph=True), Variable)
assert_type(dezero.grad([z, y], x), Variable)
assert_type(dezero.grad(z, [x, z]), list[Variable])
assert_type(dezero.grad((z, y), (x, z)), list[Variable])
assert_type(dezero.grad(z, x, gys=Variable(np.ones(2))), Variable)
assert_type(dezero.grad([z, y], [x], gys=[None, Variable(np.ones(()))]), list[Variable])
first = dezero.grad(F.sum(x**3), x, create_graph=True)
assert_type(dezero.grad(first, x), Variable)

# Gradient descent, with the data of a Parameter changed in place.
weight = Parameter(np.array([0.5, -0.5]), name="weight")
for _ in range(3):
    loss = F.sum((weight - 1.0) ** 2)
    weight.cleargrad()
    loss.backward()
    gradient = weight.grad
    assert gradient is not None
    weight.data -= 0.1 * gradient.data
assert_type(weight, Parameter)
assert_type(weight * 2, Variable)

# A parameter without data yet: `data` is declared an array all the same.
late = Parameter(None)
assert_type(late.data, NDArray[Any])
late.data = np.zeros((2, 3))
assert_type(late * 2, Variable)

assert_type(x.creator, dezero.Function | None)
assert_type(x.generation, int)
