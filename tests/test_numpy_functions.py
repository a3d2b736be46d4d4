"""NumPy's functions on Variables: the functions of the same meaning, recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import dezero.functions as F
from dezero import Variable, no_grad

X = np.array([[0.5, 0.25, 0.75], [0.125, 0.625, 0.375]])

UFUNCS = (
    np.negative, np.positive, np.absolute, np.fabs, np.square, np.sqrt, np.reciprocal, np.exp, np.expm1,
    np.log, np.log1p, np.log2, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh,
    np.cosh, np.tanh,
)  # fmt: skip
BINARY = (np.add, np.subtract, np.multiply, np.divide, np.power, np.float_power, np.maximum, np.minimum)

Call: TypeAlias = Callable[..., Any]
"""A call of NumPy's that is given now an array, now a Variable, of which its stubs know nothing."""

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x),
    "sum over an axis": lambda x: np.sum(x, axis=1, keepdims=True),
    "sum over an axis by position": lambda x: np.sum(x, 0),
    "mean": lambda x: np.mean(x, axis=(0, 1)),
    "var": lambda x: np.var(x, axis=0),
    "prod": lambda x: np.prod(x, axis=1),
    "max": lambda x: np.max(x, axis=1),
    "amin": lambda x: np.amin(x),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "ravel": lambda x: np.ravel(x),
    "transpose": lambda x: np.transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "concatenate": lambda x: np.concatenate([x, x], axis=1),
    "concatenate with an array": lambda x: np.concatenate((X, x)),
    "stack": lambda x: np.stack([x, x], axis=1),
    "flip": lambda x: np.flip(x, 1),
    "roll": lambda x: np.roll(x, 2, axis=1),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2))),
    "where": lambda x: np.where(X > 0.3, x, 0.0),
    "clip": lambda x: np.clip(x, 0.2, 0.6),
    "clip from below": lambda x: np.clip(x, 0.2, None),
    "clip from above": lambda x: np.clip(x, None, 0.6),
    "clip by the newer names": lambda x: np.clip(x, min=0.2, max=0.6),
    "clip by one of them": lambda x: np.clip(x, max=0.6),
    "copy": lambda x: np.copy(x),
    "dot": lambda x: np.dot(x, X.T),
    "matmul": lambda x: np.matmul(X.T, x),
}


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_a_ufunc_is_recorded(ufunc: Call) -> None:
    x = Variable(X)
    y = ufunc(x)
    assert isinstance(y, Variable)
    np.testing.assert_array_equal(y.data, ufunc(X))
    y.backward()
    assert x.grad is not None
    slope = (np.asarray(ufunc(X + 1e-6)) - np.asarray(ufunc(X - 1e-6))) / 2e-6
    np.testing.assert_allclose(x.grad.data, slope, rtol=1e-7)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda ufunc: ufunc.__name__)
def test_a_ufunc_takes_arrays_and_numbers_on_either_side(ufunc: Call) -> None:
    for a, b in ((Variable(X), X), (X, Variable(X)), (2.0, Variable(X)), (Variable(X), np.float64(3))):
        y = ufunc(a, b)
        assert isinstance(y, Variable)
        arrays = [v.data if isinstance(v, Variable) else v for v in (a, b)]
        np.testing.assert_array_equal(y.data, ufunc(*arrays))


@pytest.mark.parametrize("dtype", ["int8", "int64", "float16", "float32"])
@pytest.mark.parametrize(
    "ufunc", [u for u in UFUNCS if u is not np.reciprocal], ids=lambda u: u.__name__
)
def test_a_ufunc_gives_the_element_type_that_numpy_gives(ufunc: Call, dtype: str) -> None:
    # np.reciprocal of integers is left out: there it is an integer, 0 but for ±1, and ours is 1 / x.
    x = np.zeros(3, dtype)
    with np.errstate(divide="ignore"):
        y = ufunc(Variable(x))
        assert y.dtype == ufunc(x).dtype


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_float_power_is_at_least_float64(dtype: str) -> None:
    def power(a: Any, c: Any) -> Any:  # of which NumPy's stubs know nothing
        return np.float_power(a, c)

    values = np.array([1, 2, 4], dtype)
    x = Variable(values)
    for c in (2, -1, np.float32(0.5), np.array([1, 2, 3])):
        y = power(x, c)
        assert isinstance(y, Variable)
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.data, power(values, c))
    assert power(2.0, x).dtype == np.float64


DOTS = [
    ((), ()), ((), (2, 3)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)),
    ((2, 3), (3, 4)), ((2, 2, 3), (3, 4)), ((2, 2, 3), (3,)), ((3,), (2, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), DOTS)
def test_dot_is_numpy_s(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    a, b = np.ones(first), np.arange(1.0, 1.0 + np.prod(second, dtype=int)).reshape(second)
    dot: Call = np.dot
    y = dot(Variable(a), b)
    assert isinstance(y, Variable)
    np.testing.assert_array_equal(y.data, np.dot(a, b))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_recorded(name: str) -> None:
    function, x = FUNCTIONS[name], Variable(X)
    y = function(x)
    assert isinstance(y, Variable)
    np.testing.assert_array_equal(y.data, np.asarray(function(X)))
    y.backward()
    assert x.grad is not None
    assert x.grad.shape == X.shape


def test_split_gives_a_list() -> None:
    x: Any = Variable(X)
    parts = np.split(x, 3, axis=1)
    assert [part.shape for part in parts] == [(2, 1)] * 3
    left, right = np.split(x, [1], axis=1)
    (left.sum() + 2.0 * right.sum()).backward()
    np.testing.assert_array_equal(x.grad.data, [[1, 2, 2]] * 2)


def test_clip_with_one_bound_keeps_integers() -> None:
    x: Any = Variable(np.array([1, 2, 3]))
    for y in (np.clip(x, 2, None), np.clip(x, None, 2)):
        assert y.dtype == x.dtype


def test_clip_with_one_bound_has_one_kink() -> None:
    x: Any = Variable(X)
    np.clip(x, 0.25, None).backward()
    np.testing.assert_array_equal(x.grad.data, X >= 0.25)


def test_an_array_on_the_left_gives_a_variable() -> None:
    x = Variable(X)
    for y in (X + x, X - x, X * x, X / x, X**x, X @ x.T, np.float32(2) * x):
        assert isinstance(y, Variable)


def test_nothing_is_recorded_under_no_grad() -> None:
    with no_grad():
        y = np.sin(Variable(X))
    assert isinstance(y, Variable)
    assert y.creator is None


def test_what_has_no_derivative_is_computed_on_the_data() -> None:
    x: Any = Variable(X)
    assert type(np.isnan(x)) is np.ndarray
    assert np.allclose(x, X)
    np.testing.assert_array_equal(np.less(x, 0.5), X < 0.5)
    np.testing.assert_array_equal(np.sign(x), np.sign(X))
    zeros = np.zeros_like(x)
    assert type(zeros) is np.ndarray
    assert not zeros.any()


def test_equality_is_identity_from_the_left_and_elementwise_from_an_array() -> None:
    x = Variable(X)
    assert (x == X) is False
    assert x == x
    assert (x != X) is True
    values: Any = X
    np.testing.assert_array_equal(values.__eq__(x), np.ones((2, 3), bool))
    assert len({x, x, Variable(X)}) == 2


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "reduce": (lambda x: np.add.reduce(x), "np.add.reduce does not take Variables; np.sum"),
    "dtype": (lambda x: np.exp(x, dtype=np.float32), "np.exp on Variables takes operands only; dtype"),
    "out": (lambda x: np.add(X, x, out=X.copy()), "np.add: an array cannot take in a Variable"),
    "unknown ufunc": (lambda x: np.arctan2(x, x), "np.arctan2 is no function on Variables"),
    "unknown function": (lambda x: np.linalg.norm(x), "np.linalg.norm is no function on Variables"),
    "argument": (
        lambda x: np.sum(x, dtype=np.float32),
        "np.sum on Variables takes a, axis, keepdims; dtype",
    ),
    "position": (
        lambda x: np.sum(x, 0, np.float32),
        "np.sum on Variables takes a, axis, keepdims; dtype",
    ),
    "constant": (
        lambda x: np.pad(x, ((1, 1), (1, 1)), constant_values=2.0),
        "np.pad on Variables takes",
    ),
    "dot of stacks": (
        lambda x: np.dot(x, np.ones((2, 3, 2))),
        "np.dot on Variables of shapes (2, 3) and (2, 3, 2): for a stack of matrices on the right",
    ),
    "mode": (
        lambda x: np.pad(x, ((1, 1), (1, 1)), "edge"),
        "np.pad on Variables takes .*mode came, too",
    ),
    "where alone": (
        lambda x: np.where(x),
        "np.where on Variables takes condition, x, y; x, y did not come; what has no derivative is",
    ),
    "clip twice": (
        lambda x: np.clip(x, 0, None, min=1),
        "np.clip on Variables takes a_min or min; both came",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(TypeError, match=message if ".*" in message else re.escape(message)):
        call(Variable(X))


def test_an_array_cannot_be_changed_into_a_variable() -> None:
    total: Any = np.zeros((2, 3))
    with pytest.raises(TypeError, match=re.escape("use its .data")):
        total += Variable(X)
    assert not total.any()


def test_numpy_calls_the_functions_of_the_package() -> None:
    x = Variable(X)
    y = np.tanh(x)
    assert isinstance(y, Variable)
    assert isinstance(y.creator, F.Tanh)
