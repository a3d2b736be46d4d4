"""Operators: a Variable with Variables, arrays, NumPy scalars and Python numbers, on either side."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from dezero import Variable, as_variable

x = Variable(np.array([1.0, 2.0, 3.0]))
w = Variable(np.ones((3, 2), np.float32), name="w")
array: NDArray[np.float64] = np.array([4.0, 5.0, 6.0])
single: NDArray[np.float32] = np.ones(3, np.float32)
whole: NDArray[np.int64] = np.arange(1, 4)

assert_type(x + x, Variable)
assert_type(x - x, Variable)
assert_type(x * x, Variable)
assert_type(x / x, Variable)
assert_type(x**x, Variable)
assert_type(x @ w, Variable)
assert_type(-x, Variable)
assert_type(+x, Variable)
assert_type(abs(x), Variable)

assert_type(x + 1, Variable)
assert_type(1 + x, Variable)
assert_type(x - 1.5, Variable)
assert_type(1.5 - x, Variable)
assert_type(x * 2, Variable)
assert_type(2 * x, Variable)
assert_type(x / 2, Variable)
assert_type(2 / x, Variable)
assert_type(x**2, Variable)
assert_type(2**x, Variable)
assert_type(x * True, Variable)

assert_type(x + np.float64(1), Variable)
assert_type(np.float64(1) + x, Variable)
assert_type(np.float64(1) - x, Variable)
assert_type(np.float64(2) * x, Variable)
assert_type(np.float64(2) / x, Variable)
assert_type(np.float64(2) ** x, Variable)
assert_type(x * np.float32(2), Variable)
assert_type(np.float32(2) * x, Variable)
assert_type(x * np.int64(2), Variable)
assert_type(np.int64(2) * x, Variable)

# An array on the right gives a Variable, and so does one on the left whose element type is known.
assert_type(x + array, Variable)
assert_type(x @ array, Variable)
assert_type(x * single, Variable)
assert_type(array + x, Variable)
assert_type(array - x, Variable)
assert_type(array * x, Variable)
assert_type(array / x, Variable)
assert_type(array**x, Variable)
assert_type(array @ x, Variable)
assert_type(single * x, Variable)
assert_type(whole * x, Variable)
assert_type(np.zeros(3) * x, Variable)
assert_type(np.array([1.0, 2.0, 3.0], dtype=np.float64) * x, Variable)

# Where NumPy does not know it, as of a list's array or of `data`, its own overload answers Any.
assert_type(np.array([1.0, 2.0, 3.0]) * x, Any)
assert_type(x.data * x, Any)
product: Variable = x.data * x
assert_type(product, Variable)

assert_type(x[0], Variable)
assert_type(x[1:], Variable)
assert_type(x[..., None], Variable)
assert_type(x[np.array([0, 2])], Variable)
assert_type(x[x > 1], Variable)
assert_type(w[1, :], Variable)
assert_type(x > 1, NDArray[Any])
assert_type(x <= array, NDArray[Any])
assert_type(x == x, bool)

assert_type(w.T, Variable)
assert_type(w.reshape(2, 3), Variable)
assert_type(w.reshape((3, -1)), Variable)
assert_type(w.transpose(), Variable)
assert_type(w.transpose(1, 0), Variable)
assert_type(w.sum(), Variable)
assert_type(w.sum(axis=0), Variable)
assert_type(w.sum((0, 1), keepdims=True), Variable)
assert_type(w.mean(axis=1), Variable)
assert_type(x.max(), Variable)
assert_type(x.min(axis=0), Variable)
assert_type(x.dot(array), Variable)
assert_type(x.matmul(w), Variable)

assert_type(x.data, NDArray[Any])
assert_type(x.shape, tuple[int, ...])
assert_type(x.ndim, int)
assert_type(x.size, int)
assert_type(x.dtype, np.dtype[np.generic])
assert_type(x.name, str | None)
assert_type(len(x), int)
assert_type(float(x.sum()), float)
assert_type(int(x[0]), int)
assert_type(list(x), list[Variable])

assert_type(as_variable(2.0), Variable)
assert_type(as_variable(array), Variable)
assert_type(as_variable(np.float32(2)), Variable)
assert_type(as_variable(x), Variable)

# What the checkers are told is what runs.
results = [1 + x, np.float32(2) * x, np.int64(2) * x, array * x, array @ x, single * x, product, x[0]]
assert all(type(result) is Variable for result in results)
