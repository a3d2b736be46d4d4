"""Operations with a contract, wrongly made; each marked line is an error for both checkers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import dezero.functions as F
from dezero import Variable, arrays, as_array, core
from dezero.contract import REALS, Array, Attribute, Shapes
from dezero.graph import VariableNamespace, install
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Nary, Splitting, Unary


class Good(Unary, domain=REALS, saves="x"):
    def forward(self, x: Array) -> Array:
        return as_array(np.sin(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.cos(x)


# The contract


class NoDomain(Good, saves="x"):  # rejected: no domain
    pass


class NoSaves(Good, domain=REALS):  # rejected: what the rule reads is not said
    pass


class WrongSaves(Good, domain=REALS, saves="z"):  # rejected: a rule of one operand has x and y only
    pass


class MisspeltKeyword(Good, domian=REALS, saves="x"):  # rejected: domian
    pass


class WrongDomain(Good, domain="ℝ", saves="x"):  # rejected: a string is no Domain
    pass


class WrongSmoothness(Good, domain=REALS, saves="x", smoothness="linear"):  # rejected: a string
    pass


class WrongAttributes(Good, domain=REALS, saves="x", attributes={"c": 1}):  # rejected: no Attribute
    pass


class MisspeltAttribute(Good, domain=REALS, saves="x", attributes={"c": Attribute.REEL}):  # rejected
    pass


# The rule


class NumpysCosine(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * np.cos(x)  # rejected: NumPy's cosine does not take a Variable


class NumpysSum(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * np.sum(x)  # rejected: NumPy's sum does not take a Variable


class Misspelt(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.cso(x)  # rejected: a misspelt function


class NotInNamespace(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * xp.softmax(x)  # rejected: rules do not call it


class MissingOperand(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return xp.broadcast_to(gy)  # rejected: to which shape?


class OnArrays(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * arrays.cos(x)  # rejected: a Variable is no ndarray


class OnVariables(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return F.cos(x)  # rejected: the reading on arrays would record a graph


class ReadsData(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * x.data  # rejected: an ndarray's data is a buffer


class ArrayMethod(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * x.cumsum()  # rejected: a Variable has no such method


class ReturnsVariable(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return Variable(np.ones(3))  # rejected: arrays are wanted in the other reading


class ReturnsNothing(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return None  # rejected: a rule returns a cotangent


# Operands and results


class TooFewForward(Good, domain=REALS, saves="x"):
    def forward(self) -> Array:  # rejected: one operand
        return np.ones(3)


class TooManyForward(Good, domain=REALS, saves="x"):
    def forward(self, x: Array, z: Array) -> Array:  # rejected: one operand
        return x


class ForwardGivesInt(Good, domain=REALS, saves="x"):
    def forward(self, x: Array) -> int:  # rejected: an ndarray
        return 1


class ForwardGivesTwo(Good, domain=REALS, saves="x"):
    def forward(self, x: Array) -> tuple[Array, Array]:  # rejected: one output
        return x, x


class TooFewInRule(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T) -> T:  # rejected: y is missing
        return gy


class TwoOfOne(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> tuple[T, T]:  # rejected: one cotangent
        return gy, gy


class OnlyArrays(Good, domain=REALS, saves="x"):
    def vjp(self, xp: Namespace[Array], gy: Array, x: Array, y: Array) -> Array:  # rejected
        return gy


class OneOfTwo(Binary, domain=REALS, saves=""):
    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a + b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> T:  # rejected: two cotangents
        return gy


class OneOfTwoReturned(Binary, domain=REALS, saves=""):
    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a + b)

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return (gy,)  # rejected: two cotangents


class OneOperandOfTwo(Binary, domain=REALS, saves=""):
    def forward(self, a: Array) -> Array:  # rejected: two operands
        return a

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy, gy


class OneForMany(Nary, domain=REALS, shapes=Shapes.EQUAL):
    def forward(self, *xs: Array) -> Array:
        return np.stack(xs)

    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> T:  # rejected: one for each operand
        return gy


class OneOutput(Splitting, domain=REALS):
    def forward(self, x: Array) -> Array:  # rejected: a tuple of outputs
        return x

    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T) -> T:
        return gys[0]


class NoRule(Unary, domain=REALS, saves=""):
    def forward(self, x: Array) -> Array:
        return x


NoRule()  # rejected: it has no rule
Good()("a")  # rejected: a string is no operand
h1: list[Variable] = Good()(1.0)  # rejected: one output is a Variable

# The namespaces

h2: Namespace[Variable] = arrays  # rejected: its functions take arrays
h3: Namespace[Array] = F  # rejected: its functions give Variables
h4: VariableNamespace = core  # rejected: there is no sine in core
install(arrays)  # rejected: its functions take arrays
h5 = Good().vjp(arrays, np.ones(3), Variable(np.ones(3)), np.ones(3))  # rejected: two readings mixed
