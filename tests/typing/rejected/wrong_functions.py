"""Functions in the book's way, wrongly made; each marked line is an error for both checkers."""

from __future__ import annotations

from typing import Any

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
        return gy * 2.0


class Halves(Function):
    def forward(self, x: Array) -> tuple[Array, Array]:
        return x[:1], x[1:]


class GivesInt(Function):
    def forward(self, x: Array) -> int:  # rejected: forward returns an ndarray, or a tuple of them
        return 1


class GivesVariable(Function):
    def forward(self, x: Array) -> Variable:  # rejected: forward returns an ndarray
        return Variable(x)


class GivesList(Function):
    def forward(self, x: Array) -> list[Array]:  # rejected: several outputs are a tuple
        return [x, x]


class GivesArrayBack(Function):
    def backward(self, gy: Variable) -> Array:  # rejected: backward returns Variables
        return gy.data


class GivesListBack(Function):
    def backward(self, gy: Variable) -> list[Variable]:  # rejected: several gradients are a tuple
        return [gy, gy]


class GivesNothing(Function):
    def forward(self, x: Array) -> None:  # rejected: forward returns an ndarray
        return None


Square()("a")  # rejected: a string is no operand
Square()([1.0])  # rejected: a list is no operand
Square()(x, axis=0)  # rejected: attributes are given to the constructor
Square(2)(x)  # rejected: the constructor takes none
g1: list[Variable] = Square()(x)  # rejected: one output is a Variable
g2: Variable = Halves()(x)  # rejected: several outputs are a list
g3 = Halves()(x) * 2.5  # rejected: several outputs are a list
g4: Square = Square  # rejected: a class is no application
g5 = Square().inputs.data  # rejected: the inputs are a list

F.linear(x)  # rejected: the weights are missing
F.dropout(x, ratio=0.5)  # rejected: it is called dropout_ratio
F.embed_id([0, 1], x)  # rejected: a list is no operand
F.batch_norm(x, x, x)  # rejected: the running statistics are missing
F.batch_norm(x, x, x, x, x)  # rejected: the running statistics are arrays, changed in place
F.softmax_cross_entropy(x, "0")  # rejected: a string is no label
F.huber(x, x, delta="1")  # rejected: delta is a number
F.lstm_cell(x, x)  # rejected: four gates and a state
g6: Variable = F.lstm_cell(x, x, x, x, x)  # rejected: the output and the state
F.conv2d(x, x, stride=1.5)  # rejected: a stride is an integer
F.SoftmaxCrossEntropy()(x)  # rejected: the labels are missing
F.Linear()(x)  # rejected: the weights are missing
