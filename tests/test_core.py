"""Arithmetic, powers, shapes, products and indexing, as operators and as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import dezero.functions as F
from dezero import Variable
from dezero.contract import Array


def var(*numbers: object, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers, dtype))


def num(number: object, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(number, dtype))


def grad_of(x: Variable) -> Array:
    assert x.grad is not None
    return x.grad.data


def pulled(y: Variable, *xs: Variable) -> list[Array]:
    """The gradients of the sum of y, after checking that they suit their variables."""
    for x in xs:
        x.cleargrad()
    F.sum(y).backward()
    for x in xs:
        assert grad_of(x).shape == x.shape
        assert type(grad_of(x)) is np.ndarray
    return [grad_of(x) for x in xs]


# ------------------------------------------------------------------------------------------ operators

OTHERS: list[Any] = [
    3.0,
    3,
    True,
    np.float64(3.0),
    np.int64(3),
    np.array(3.0),
    np.array([3.0, 4.0]),
    np.array([[3.0], [4.0]]),
    Variable(np.array([3.0, 4.0])),
]
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}


def differences(f: Callable[[Any, Any], Any], x: Array, other: Any, reverse: bool) -> list[float]:
    """The slopes of the sum of f(x, other), or of f(other, x), by central differences."""
    h = 1e-5
    slopes: list[float] = []
    for direction in np.eye(x.size):
        up, down = x + h * direction, x - h * direction
        rise = f(other, up) - f(other, down) if reverse else f(up, other) - f(down, other)
        slopes.append(float(np.sum(rise)) / (2 * h))
    return slopes


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_on_both_sides(symbol: str, other: Any) -> None:
    f = OPERATORS[symbol]
    x = var(1.5, 2.5)
    plain = other.data if isinstance(other, Variable) else other
    reversed_ = f(other, x)
    for y, expected in ((f(x, other), f(x.data, plain)), (reversed_, f(plain, x.data))):
        assert type(y) is Variable
        np.testing.assert_array_equal(y.data, expected)
        (g,) = pulled(y, x)
        slopes = differences(f, x.data, plain, y is reversed_)
        np.testing.assert_allclose(g, slopes, rtol=1e-6)


SLOPES_AT_TWO: list[tuple[Callable[[Variable], Variable], float]] = [
    (lambda x: x + 1.0, 1.0),
    (lambda x: 1.0 + x, 1.0),
    (lambda x: x - 1.0, 1.0),
    (lambda x: 1.0 - x, -1.0),
    (lambda x: x * 3.0, 3.0),
    (lambda x: 3.0 * x, 3.0),
    (lambda x: x / 4.0, 0.25),
    (lambda x: 8.0 / x, -2.0),
    (lambda x: x**3, 12.0),
    (lambda x: -x, -1.0),
    (lambda x: +x, 1.0),
    (lambda x: abs(x), 1.0),
    (lambda x: x / x, 0.0),
    (lambda x: x - x, 0.0),
    (lambda x: cast(Any, np.array([1.0])) - x, -1.0),
    (lambda x: np.float64(8.0) / x, -2.0),
    (lambda x: F.rsub(x, 5.0), -1.0),
    (lambda x: F.rdiv(x, 8.0), -2.0),
]


@pytest.mark.parametrize(
    ("y", "gradient"),
    SLOPES_AT_TWO,
)
def test_gradients_of_operators(y: Callable[[Variable], Variable], gradient: float) -> None:
    x = var(2.0)
    (g,) = pulled(y(x), x)
    np.testing.assert_array_equal(g, [gradient])


def test_values_of_reversed_functions() -> None:
    assert float(F.rsub(num(2.0), 5.0)) == 3.0
    assert float(F.rdiv(num(2.0), 5.0)) == 2.5
    assert float(F.sub(5.0, 2)) == 3.0


@pytest.mark.parametrize("symbol", OPERATORS)
def test_float32_stays_float32_with_python_scalars(symbol: str) -> None:
    f = OPERATORS[symbol]
    x = var(1.5, 2.5, dtype=np.float32)
    for y in (f(x, 3), f(x, 3.0), f(3, x), f(3.0, x), f(x, np.float32(3)), f(np.float32(3), x)):
        assert y.dtype == np.float32
        (g,) = pulled(y, x)
        assert g.dtype == np.float32


def test_integers_with_python_scalars() -> None:
    n = var(1, 2, dtype=np.int64)
    assert (n + 1).dtype == np.int64
    assert (n * 0.5).dtype == np.float64
    assert (n / 2).dtype == np.float64
    (g,) = pulled(n * 0.5 + n, n)
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g, [1.5, 1.5])


TO_NO_DIMENSION: list[Callable[[Variable], Variable]] = [
    lambda x: x + x,
    lambda x: -x,
    lambda x: x**2,
    lambda x: x * 2,
    F.sum,
    F.mean,
    F.max,
    lambda x: x[...],
    lambda x: x.reshape(()),
    F.sin,
    F.logsumexp,
    F.prod,
    F.var,
    F.relu,
    lambda x: F.where(x > 0, x, 0.0),
]


@pytest.mark.parametrize(
    "f",
    TO_NO_DIMENSION,
)
def test_results_of_no_dimension_are_arrays(f: Callable[[Variable], Variable]) -> None:
    x = num(2.0)
    y = f(x)
    assert type(y.data) is np.ndarray
    assert y.shape == ()
    (g,) = pulled(y, x)
    assert g.shape == ()


def test_shapes_that_do_not_broadcast() -> None:
    for symbol, name in (("+", "Add"), ("-", "Sub"), ("*", "Mul"), ("/", "Div")):
        with pytest.raises(ValueError, match=r"\(2,\) \(3,\)") as caught:
            OPERATORS[symbol](var(1.0, 2.0), np.ones(3))
        assert caught.value.__notes__ == [f"in {name}(float64[2], float64[3])"]


# --------------------------------------------------------------------------------------------- powers


@pytest.mark.parametrize(
    ("c", "value", "gradient"),
    [
        (0, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        (0.0, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        (1, [-2.0, 0.0, 3.0], [1.0, 1.0, 1.0]),
        (2, [4.0, 0.0, 9.0], [-4.0, 0.0, 6.0]),
        (3, [-8.0, 0.0, 27.0], [12.0, 0.0, 27.0]),
    ],
)
def test_constant_powers_at_zero_and_below(c: float, value: list[float], gradient: list[float]) -> None:
    x = var(-2.0, 0.0, 3.0)
    y = x**c
    np.testing.assert_array_equal(y.data, value)
    np.testing.assert_array_equal(pulled(y, x)[0], gradient)


def test_powers_of_negative_and_broken_exponent() -> None:
    x = var(-2.0, 4.0)
    np.testing.assert_array_equal((x**-1).data, [-0.5, 0.25])
    np.testing.assert_array_equal(pulled(x**-1, x)[0], [-0.25, -0.0625])
    x = var(4.0)
    np.testing.assert_array_equal(pulled(x**0.5, x)[0], [0.25])
    zero = var(0.0)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(pulled(zero**0.5, zero)[0], [np.inf])
        np.testing.assert_array_equal((zero**-1).data, [np.inf])


def test_all_orders_of_a_power_at_zero() -> None:
    x = num(0.0)
    y = x**2
    found: list[float] = []
    for _ in range(3):
        x.cleargrad()
        y.backward(create_graph=True)
        assert x.grad is not None
        y = x.grad
        found.append(float(y))
    assert found == [0.0, 2.0, 0.0]


def test_a_variable_exponent() -> None:
    a, b = var(2.0, 3.0), var(3.0, 0.0)
    y = a**b
    np.testing.assert_array_equal(y.data, [8.0, 1.0])
    ga, gb = pulled(y, a, b)
    np.testing.assert_array_equal(ga, [12.0, 0.0])
    np.testing.assert_allclose(gb, [8 * np.log(2), np.log(3)], rtol=1e-15)


def test_a_constant_base() -> None:
    b = var(3.0, -1.0)
    y = 2**b
    np.testing.assert_array_equal(y.data, [8.0, 0.5])
    np.testing.assert_allclose(pulled(y, b)[0], y.data * np.log(2), rtol=1e-15)


def test_the_exponent_of_a_base_that_is_not_positive_gets_nothing() -> None:
    a, b = var(0.0, -2.0), var(2.0, 3.0)
    ga, gb = pulled(a**b, a, b)
    np.testing.assert_array_equal(ga, [0.0, 12.0])
    np.testing.assert_array_equal(gb, [0.0, 0.0])


def test_an_array_as_exponent() -> None:
    x = var(3.0, -2.0)
    np.testing.assert_array_equal(pulled(x ** np.array([2, 3]), x)[0], [6.0, 12.0])
    np.testing.assert_array_equal(pulled(x ** np.float64(2), x)[0], [6.0, -4.0])


def test_integer_powers_of_integer_variables() -> None:
    n, m = var(1, 2, 3, dtype=int), var(2, 1, 0, dtype=int)
    np.testing.assert_array_equal(pulled(n**2, n)[0], [2.0, 4.0, 6.0])
    ga, gb = pulled(n**m, n, m)
    np.testing.assert_array_equal(ga, [2.0, 1.0, 0.0])
    np.testing.assert_allclose(gb, [0.0, 2 * np.log(2), np.log(3)], rtol=1e-15)


def test_a_numpy_integer_is_a_constant_exponent() -> None:
    x = var(0.0, 2.0)
    np.testing.assert_array_equal(pulled(x ** np.int64(0), x)[0], [0.0, 0.0])


# ------------------------------------------------------------------------------------------- products

RANKS = [(3,), (2, 3), (4, 2, 3), (1, 2, 3), (5, 4, 2, 3)]
RANKS_RIGHT = [(3,), (3, 2), (4, 3, 2), (1, 3, 2), (5, 1, 3, 2)]


@pytest.mark.parametrize("left", RANKS)
@pytest.mark.parametrize("right", RANKS_RIGHT)
def test_matmul_in_all_ranks(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = Variable(rng.normal(size=left)), Variable(rng.normal(size=right))
    weights = rng.normal(size=(a.data @ b.data).shape)
    y = a @ b
    np.testing.assert_array_equal(y.data, a.data @ b.data)
    ga, gb = pulled(y * weights, a, b)
    da, db = rng.normal(size=left), rng.normal(size=right)  # bilinear: a difference is exact
    np.testing.assert_allclose(np.sum(ga * da), np.sum(weights * (da @ b.data)), rtol=1e-11)
    np.testing.assert_allclose(np.sum(gb * db), np.sum(weights * (a.data @ db)), rtol=1e-11)


def test_matmul_of_matrices_by_hand() -> None:
    a, b = var([1.0, 2.0], [3.0, 4.0]), var([5.0], [6.0])
    for y in (a @ b, a.matmul(b), a.dot(b), F.matmul(a, b), a.data @ b, a @ b.data):
        np.testing.assert_array_equal(y.data, [[17.0], [39.0]])
    ga, gb = pulled(a @ b, a, b)
    np.testing.assert_array_equal(ga, [[5.0, 6.0], [5.0, 6.0]])
    np.testing.assert_array_equal(gb, [[4.0], [6.0]])


def test_matmul_of_empty_matrices() -> None:
    a, b = Variable(np.zeros((2, 0))), Variable(np.zeros((0, 3)))
    y = a @ b
    np.testing.assert_array_equal(y.data, np.zeros((2, 3)))
    ga, gb = pulled(y, a, b)
    assert (ga.shape, gb.shape) == ((2, 0), (0, 3))


@pytest.mark.parametrize(("left", "right"), [((2,), (3,)), ((2, 3), (2, 3)), ((), (3,)), ((3,), ())])
def test_matrices_that_do_not_fit(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="matmul") as caught:
        F.matmul(np.ones(left), np.ones(right))
    assert caught.value.__notes__ == [f"in MatMul(float64{list(left)}, float64{list(right)})"]


# --------------------------------------------------------------------------------------------- shapes


def test_argument_forms_of_reshape() -> None:
    x = Variable(np.arange(6.0))
    for y in (
        x.reshape(2, 3),
        x.reshape((2, 3)),
        x.reshape([2, 3]),
        x.reshape(2, -1),
        x.reshape(cast(int, np.int64(2)), 3),
        F.reshape(x, (2, 3)),
        F.reshape(x, [2, -1]),
    ):
        np.testing.assert_array_equal(y.data, [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(pulled(y * y, x)[0], 2 * x.data)
    assert x.reshape(2, 3).reshape(-1).shape == (6,)
    assert F.reshape(x.reshape(2, 3), 6).shape == (6,)
    assert num(1.0).reshape(1, 1).reshape(()).shape == ()
    assert var(1.0).reshape().shape == ()


def test_a_numpy_integer_is_a_shape() -> None:
    x = Variable(np.ones((2, 3)))
    assert F.reshape(x, cast(int, np.int64(6))).shape == (6,)
    assert F.sum_to(x, cast(int, np.int64(3))).shape == (3,)


@pytest.mark.parametrize("shape", [("2",), (2.0,), (None,)])
def test_what_is_no_shape(shape: Any) -> None:
    with pytest.raises(TypeError):
        var(1.0, 2.0).reshape(*shape)


def test_reshape_to_another_size() -> None:
    with pytest.raises(ValueError, match=r"size 2 into shape \(3,\)") as caught:
        var(1.0, 2.0).reshape(3)
    assert caught.value.__notes__ == ["in Reshape(float64[2])"]


def test_argument_forms_of_transpose() -> None:
    x = Variable(np.arange(24.0).reshape(2, 3, 4))
    for y in (x.T, x.transpose(), x.transpose(None), x.transpose((2, 1, 0)), F.transpose(x)):
        assert y.shape == (4, 3, 2)
    w = np.arange(24.0).reshape(4, 2, 3)
    for y in (
        x.transpose(2, 0, 1),
        x.transpose((2, 0, 1)),
        x.transpose([2, 0, 1]),
        x.transpose(-1, -3, -2),
        F.transpose(x, (2, 0, 1)),
    ):
        assert y.shape == (4, 2, 3)
        np.testing.assert_array_equal(pulled(y * w, x)[0], w.transpose(1, 2, 0))
    assert num(1.0).T.shape == ()
    assert var(1.0, 2.0).T.shape == (2,)
    with pytest.raises(ValueError, match="axes") as caught:
        x.transpose(0, 1)
    assert caught.value.__notes__ == ["in Transpose(float64[2, 3, 4])"]


def test_broadcast_to_and_sum_to_are_each_other_s_adjoint() -> None:
    x = var([1.0], [2.0])
    w = np.arange(12.0).reshape(2, 2, 3)
    y = F.broadcast_to(x, (2, 2, 3))
    np.testing.assert_array_equal(y.data[1], [[1.0] * 3, [2.0] * 3])
    np.testing.assert_array_equal(pulled(y * w, x)[0], [[24.0], [42.0]])
    big = Variable(w)
    small = F.sum_to(big, (2, 1))
    np.testing.assert_array_equal(small.data, [[24.0], [42.0]])
    np.testing.assert_array_equal(pulled(small * x.data, big)[0], y.data)
    assert F.sum_to(big, ()).shape == ()
    assert F.sum_to(big, (2, 2, 3)).shape == (2, 2, 3)
    assert F.sum_to(Variable(np.zeros((0, 3))), (1, 3)).data.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("have", "want"), [((2, 3), (2,)), ((2, 3), (3, 1)), ((3,), (1, 3)), ((2, 3), (0,)), ((), (2,))]
)
def test_sum_to_an_impossible_shape(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sum_to") as caught:
        F.sum_to(Variable(np.ones(have)), want)
    assert str(caught.value) == f"sum_to: {want} does not broadcast to the operand's shape {have}"
    assert caught.value.__notes__ == [f"in SumTo(float64{list(have)})"]


def test_broadcast_to_an_impossible_shape() -> None:
    with pytest.raises(ValueError, match="broadcast") as caught:
        F.broadcast_to(var(1.0, 2.0), (3,))
    assert caught.value.__notes__ == ["in BroadcastTo(float64[2])"]


# ----------------------------------------------------------------------------------------- reductions

AXES: list[Any] = [None, 0, 1, -1, -2, (0,), (0, 2), (-1, 0), (0, 1, 2), (2, 0, 1), ()]
REDUCTIONS: dict[str, tuple[Callable[..., Variable], Callable[..., Any]]] = {
    "sum": (F.sum, np.sum),
    "mean": (F.mean, np.mean),
    "max": (F.max, np.max),
    "min": (F.min, np.min),
    "prod": (F.prod, np.prod),
    "var": (F.var, np.var),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_reductions_over_axes(name: str, axis: Any, keepdims: bool) -> None:
    ours, numpys = REDUCTIONS[name]
    x = Variable(np.random.default_rng(1).permutation(24).reshape(2, 3, 4) / 8.0 + 0.5)
    y = ours(x, axis, keepdims)
    expected = np.asarray(numpys(x.data, axis=axis, keepdims=keepdims))
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    w = np.random.default_rng(2).normal(size=y.shape)
    (g,) = pulled(y * w, x)
    direction = np.random.default_rng(3).normal(size=x.shape)
    h = 1e-6
    up = numpys(x.data + h * direction, axis=axis, keepdims=keepdims)
    down = numpys(x.data - h * direction, axis=axis, keepdims=keepdims)
    slope = np.sum(w * (up - down)) / (2 * h)
    np.testing.assert_allclose(np.sum(g * direction), slope, rtol=1e-6, atol=1e-7)


def test_methods_of_variables_that_reduce() -> None:
    x = var([1.0, 4.0], [2.0, 3.0])
    assert x.sum(axis=0, keepdims=True).data.tolist() == [[3.0, 7.0]]
    assert x.mean(1).data.tolist() == [2.5, 2.5]
    assert (float(x.max()), float(x.min()), float(x.sum())) == (4.0, 1.0, 10.0)
    assert F.average is F.mean


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_wrong_axis_is_named(name: str) -> None:
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds") as caught:
        REDUCTIONS[name][0](Variable(np.ones((2, 3), np.float32)), axis=2)
    assert caught.value.__notes__ == [f"in {name.capitalize()}(float32[2, 3])"]


@pytest.mark.parametrize("f", [F.max, F.min])
def test_tied_elements_share(f: Callable[..., Variable]) -> None:
    x = var([2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(pulled(f(x), x)[0], np.full((2, 3), 1 / 6))
    np.testing.assert_array_equal(pulled(f(x, axis=0), x)[0], np.full((2, 3), 0.5))
    x = Variable(np.array([1.0, 3.0, 3.0, 1.0], np.float32))
    (g,) = pulled(f(x), x)
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g, [0, 0.5, 0.5, 0] if f is F.max else [0.5, 0, 0, 0.5])


def test_reductions_of_empty_arrays() -> None:
    x = Variable(np.zeros((0, 3)))
    np.testing.assert_array_equal(F.sum(x, axis=0).data, [0.0, 0.0, 0.0])
    for f in (F.sum, F.mean, F.max, F.min, F.prod, F.var):
        y = f(x, axis=1)  # no rows: no results, and nothing to average
        assert y.shape == (0,)
        assert pulled(y, x)[0].shape == (0, 3)
    for f in (F.sum, F.prod):
        for axis in (None, 0, (0, 1)):
            assert pulled(f(x, axis=axis), x)[0].shape == (0, 3)
    with pytest.raises(ValueError, match="zero-size array") as caught:
        F.max(x)
    assert caught.value.__notes__ == ["in Max(float64[0, 3])"]


# ------------------------------------------------------------------------------------------- indexing

SIX = np.arange(12.0).reshape(3, 4)
INDICES: list[Any] = [
    0,
    -1,
    np.int64(1),
    (1, 2),
    slice(None),
    slice(1, None),
    slice(None, None, -1),
    (slice(None), slice(None, None, -2)),
    (slice(2, 0, -1), 1),
    ...,
    (..., 0),
    (0, ...),
    None,
    (slice(None), None, 1),
    (None, ..., None),
    (),
    np.array([0, 0, 2]),
    [2, 0, 2, 2],
    [[0, 0], [1, 1]],
    np.array([], int),
    (np.array([0, 0, 2]), np.array([1, 1, 3])),
    (np.array([0, 0]), slice(1, 3)),
    (slice(None), [1, 1, -1]),
    (np.array([[0], [0]]), np.array([1, 2, 1])),
    (None, [0, 0], slice(None, None, -1)),
    (1, [0, 0, 3]),
    SIX > 4,
    SIX < 0,
    np.array([True, False, True]),
    (np.array([True, False, True]), 1),
    (np.array([True, False, True]), [1, 1]),
    [True, False, True],
    (slice(None), np.array([True, False, False, True])),
    np.array(1),
    slice(3, 3),
    ((0, 0, 2), (1, 1, 3)),
    (range(2), range(2)),
]


@pytest.mark.parametrize("slices", INDICES, ids=lambda s: repr(s).replace("\n", ""))
def test_get_item(slices: Any) -> None:
    x = Variable(SIX.copy())
    y = x[slices]
    assert type(y.data) is np.ndarray
    np.testing.assert_array_equal(y.data, SIX[slices])
    w = np.asarray(1.0 + np.arange(y.size).reshape(y.shape))
    expected = np.zeros(12)
    for place, weight in zip(
        np.arange(12).reshape(3, 4)[slices].reshape(-1), w.reshape(-1), strict=True
    ):
        expected[place] += weight
    (g,) = pulled(y * w, x)
    np.testing.assert_array_equal(g, expected.reshape(3, 4))
    again = F.get_item_grad(Variable(w), slices, (3, 4))
    np.testing.assert_array_equal(again.data, g)


def test_get_item_of_no_dimension() -> None:
    for slices in ((), ..., None):
        x = num(2.0)
        assert pulled(x[slices] * 3.0, x)[0] == 3.0


def test_get_item_by_a_variable() -> None:
    x, index = var(1.0, 2.0, 3.0), Variable(np.array([0, 0, 2]))
    np.testing.assert_array_equal(pulled(F.get_item(x, index), x)[0], [2.0, 0.0, 1.0])
    mask = Variable(x.data > 1)
    np.testing.assert_array_equal(pulled(F.get_item(x, mask), x)[0], [0.0, 1.0, 1.0])


def test_get_item_by_a_variable_within_a_tuple() -> None:
    x, index = Variable(np.ones((2, 2))), Variable(np.array([0, 0]))
    y = x[cast(Any, (index, slice(None)))]
    np.testing.assert_array_equal(pulled(y, x)[0], [[2.0, 2.0], [0.0, 0.0]])


def test_second_order_through_repeated_indices() -> None:
    x = var(1.0, 2.0, 3.0)
    y = F.sum(x[[0, 0, 2]] ** 3)
    y.backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    np.testing.assert_array_equal(gx.data, [6.0, 0.0, 27.0])
    np.testing.assert_array_equal(pulled(gx, x)[0], [12.0, 0.0, 18.0])


def test_an_index_out_of_bounds() -> None:
    with pytest.raises(IndexError, match="index 3 is out of bounds") as caught:
        var(1.0)[3]
    assert caught.value.__notes__ == ["in GetItem(float64[1])"]
