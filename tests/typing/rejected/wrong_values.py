"""What is not an operand, not data, not an axis; each marked line is an error for both checkers."""

from __future__ import annotations

import numpy as np

import dezero
import dezero.functions as F
from dezero import Parameter, Variable, as_variable, core_simple

x = Variable(np.array([1.0, 2.0]))
s = core_simple.Variable(np.array([1.0, 2.0]))

Variable([1.0, 2.0])  # rejected: a list is no ndarray
Variable(2.0)  # rejected: a number is no ndarray
Variable(x)  # rejected: a Variable is no ndarray
Variable(np.float64(2.0))  # rejected: a NumPy scalar is no ndarray
Variable()  # rejected: no data
Parameter([1.0])  # rejected: a list is no ndarray
as_variable("1.0")  # rejected: a string is no operand
as_variable([1.0])  # rejected: a list is no operand

a1 = x + "a"  # rejected: a string is no operand
a2 = "a" + x  # rejected: a string is no operand
a3 = x * [1.0, 2.0]  # rejected: a list is no operand
a4 = [1.0, 2.0] - x  # rejected: a list is no operand
a5 = x @ None  # rejected: None is no operand
a6 = x + 1j  # rejected: a complex number is no operand
a7 = x // 2  # rejected: no such operator
a8 = x["a"]  # rejected: a string is no index
a9 = x[0.5]  # rejected: a float is no index
x[0] = 1.0  # rejected: a Variable does not change in place

b1 = np.concatenate(x)  # rejected: NumPy's stubs do not know it, though it would run: F.concatenate
b2 = np.sum(x)  # rejected: as above, F.sum
b3 = F.sum(x, axis="0")  # rejected: a string is no axis
b4 = F.sum(x, axes=0)  # rejected: a misspelt keyword
b5 = F.sum(x, keepdims=None)  # rejected: None is no bool
b6 = F.sni(x)  # rejected: a misspelt function
b7 = F.exp([1.0])  # rejected: a list is no operand
b8 = F.exp(x, x)  # rejected: one operand too many
b9 = F.clip(x, 0.0)  # rejected: a bound is missing
c1 = F.reshape(x, "2")  # rejected: a string is no shape
c2 = F.astype(x, "float32")  # rejected: a string is no dtype
c3 = F.concatenate(x)  # rejected: a Variable is no sequence of operands
c4 = F.split(x, 2) + x  # rejected: a list of Variables is no Variable
c5 = x.sum(axis=1.0)  # rejected: a float is no axis
c6 = x.cos()  # rejected: no such method

x.backward(retain="yes")  # rejected: a misspelt keyword
x.backward(retain_grad="yes")  # rejected: a string is no bool
x.backward(x)  # rejected: a seed is not an argument
x.gard = None  # rejected: a misspelt attribute
x.grad = np.ones(2)  # rejected: a gradient is a Variable
b0 = x.grad.data  # rejected: the gradient may be None
x.data = 1.0  # rejected: a number is no ndarray
x.data = x  # rejected: a Variable is no ndarray
x.shape = (2, 1)  # rejected: the shape is read only
x.creator = None  # rejected: the creator is read only
x.name = 1  # rejected: a name is a string

d1 = dezero.grad(x)  # rejected: with respect to what?
d2 = dezero.grad(x, np.ones(2))  # rejected: an array is no variable
d3: Variable = dezero.grad(x, [x])  # rejected: a list for a list
d4: list[Variable] = dezero.grad(x, x)  # rejected: a Variable for a Variable
d5 = dezero.grad(x, x, gys=1.0)  # rejected: a number is no cotangent
d6 = dezero.grad_of(x, x)  # rejected: a misspelt name

core_simple.Variable([1.0])  # rejected: a list is no ndarray
e0 = s + "a"  # rejected: a string is no operand
s.backward(create_graph=True)  # rejected: the seed system knows the first order only
e1: Variable = s + 1  # rejected: the two systems have a Variable each
e2 = core_simple.exp(x)  # rejected: the two systems have a Variable each
e3 = x + s  # rejected: the two systems have a Variable each
