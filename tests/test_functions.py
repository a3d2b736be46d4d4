"""The functions of ``F``: values and gradients at the edge, conventions at kinks, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

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
        assert x.dtype.kind != "f" or grad_of(x).dtype == x.dtype
    return [grad_of(x) for x in xs]


Sloped: TypeAlias = tuple[Callable[[Variable], Variable], Any, Any]


def sloped(*cases: Sloped) -> tuple[Sloped, ...]:
    return cases


def unary(*functions: Callable[[Variable], Variable]) -> tuple[Callable[[Variable], Variable], ...]:
    return functions


FLOATS = [np.float32, np.float64]

# ---------------------------------------------------------------------------------------- elementwise

AT = 0.3
ELEMENTWISE: list[tuple[Callable[[Variable], Variable], float, float]] = [
    (F.identity, AT, 1.0),
    (F.square, AT**2, 2 * AT),
    (F.sqrt, math.sqrt(AT), 0.5 / math.sqrt(AT)),
    (F.reciprocal, 1 / AT, -1 / AT**2),
    (F.exp, math.exp(AT), math.exp(AT)),
    (F.expm1, math.expm1(AT), math.exp(AT)),
    (F.log, math.log(AT), 1 / AT),
    (F.log1p, math.log1p(AT), 1 / (1 + AT)),
    (F.log2, math.log2(AT), 1 / (AT * math.log(2))),
    (F.sin, math.sin(AT), math.cos(AT)),
    (F.cos, math.cos(AT), -math.sin(AT)),
    (F.tan, math.tan(AT), 1 / math.cos(AT) ** 2),
    (F.sinh, math.sinh(AT), math.cosh(AT)),
    (F.cosh, math.cosh(AT), math.sinh(AT)),
    (F.tanh, math.tanh(AT), 1 / math.cosh(AT) ** 2),
    (F.arcsin, math.asin(AT), 1 / math.sqrt(1 - AT**2)),
    (F.arccos, math.acos(AT), -1 / math.sqrt(1 - AT**2)),
    (F.arctan, math.atan(AT), 1 / (1 + AT**2)),
    (F.sigmoid, 1 / (1 + math.exp(-AT)), 1 / (2 + math.exp(AT) + math.exp(-AT))),
    (F.softplus, math.log(1 + math.exp(AT)), 1 / (1 + math.exp(-AT))),
    (F.relu, AT, 1.0),
    (F.leaky_relu, AT, 1.0),
    (F.abs, AT, 1.0),
]


@pytest.mark.parametrize(
    ("f", "value", "slope"), ELEMENTWISE, ids=[f.__name__ for f, _, _ in ELEMENTWISE]
)
def test_elementwise(f: Callable[[Variable], Variable], value: float, slope: float) -> None:
    for dtype, rtol in ((np.float64, 1e-14), (np.float32, 2e-6)):
        for x in (num(AT, dtype), var([AT, AT], dtype=dtype), Variable(np.zeros((0, 2), dtype))):
            y = f(x)
            assert y.shape == x.shape
            assert y.dtype == dtype
            np.testing.assert_allclose(y.data, np.full(x.shape, value), rtol=rtol)
            np.testing.assert_allclose(pulled(y, x)[0], np.full(x.shape, slope), rtol=rtol)


@pytest.mark.parametrize("f", [F.sigmoid, F.softplus, F.tanh, F.logsumexp, F.sin, F.exp])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int8, np.int64, np.bool_])
def test_integers_of_every_kind(f: Callable[[Variable], Variable], dtype: Any) -> None:
    n = np.array([3, 1, 0], dtype)
    x, same = Variable(n), Variable(n.astype(np.float64))
    y = f(x)
    np.testing.assert_allclose(y.data, f(same).data, rtol=2e-3)
    np.testing.assert_allclose(pulled(y, x)[0], pulled(f(same), same)[0], rtol=2e-3)


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_softmax_of_integers(f: Callable[..., Variable], dtype: Any) -> None:
    n = np.array([3, 1, 0], dtype)
    x, same = Variable(n), Variable(n.astype(np.float64))
    np.testing.assert_allclose(f(x, axis=0).data, f(same, axis=0).data, rtol=2e-3, atol=2e-3)


def test_small_arguments_are_exact() -> None:
    x = var(1e-12)
    np.testing.assert_allclose(F.expm1(x).data, [1e-12 + 0.5e-24], rtol=1e-15)
    np.testing.assert_allclose(F.log1p(x).data, [1e-12 - 0.5e-24], rtol=1e-15)
    x = var(0.0)
    np.testing.assert_array_equal(pulled(F.tanh(x), x)[0], [1.0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_far_from_zero(dtype: Any) -> None:
    """No overflow, no warning, and digits where the value still has some."""
    x = var(-1000.0, -50.0, 0.0, 50.0, 1000.0, dtype=dtype)
    e50 = np.exp(dtype(-50.0))
    for f, value, slope in sloped(
        (F.sigmoid, [0, e50, 0.5, 1, 1], [0, e50, 0.25, e50, 0]),
        (F.softplus, [0, e50, math.log(2), 50, 1000], [0, e50, 0.5, 1, 1]),
        (F.tanh, [-1, -1, 0, 1, 1], [0, 4 * e50 * e50, 1, 4 * e50 * e50, 0]),
    ):
        y = f(x)
        assert y.dtype == dtype
        rtol = 8 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(y.data, np.array(value, dtype), rtol=rtol)
        tiny = float(np.finfo(dtype).smallest_subnormal)
        np.testing.assert_allclose(pulled(y, x)[0], np.array(slope, dtype), rtol=rtol, atol=2 * tiny)


def test_sigmoid_and_softplus_at_infinity() -> None:
    x = var(-np.inf, np.inf)
    np.testing.assert_array_equal(F.sigmoid(x).data, [0.0, 1.0])
    np.testing.assert_array_equal(pulled(F.sigmoid(x), x)[0], [0.0, 0.0])
    np.testing.assert_array_equal(F.softplus(x).data, [0.0, np.inf])
    np.testing.assert_array_equal(pulled(F.softplus(x), x)[0], [0.0, 1.0])


# ----------------------------------------------------------------------------- conventions at kinks


@pytest.mark.parametrize("dtype", [*FLOATS, np.int64])
def test_conventions_at_zero(dtype: Any) -> None:
    x = var(-2, 0, 3, dtype=dtype)
    for f, value, slope in sloped(
        (F.relu, [0, 0, 3], [0, 0, 1]),
        (F.abs, [2, 0, 3], [-1, 0, 1]),
        (lambda v: F.leaky_relu(v, 0.5), [-1, 0, 3], [0.5, 0.5, 1]),
        (lambda v: F.leaky_relu(v, 0.0), [0, 0, 3], [0, 0, 1]),
    ):
        y = f(x)
        np.testing.assert_array_equal(y.data, value)
        np.testing.assert_array_equal(pulled(y, x)[0], slope)
    x = num(-1.0)
    assert float(F.leaky_relu(x)) == -0.2


def test_clip_has_slope_one_at_its_bounds() -> None:
    x = var(-2.0, -1.0, 0.0, 1.0, 2.0)
    y = F.clip(x, -1.0, 1.0)
    np.testing.assert_array_equal(y.data, [-1.0, -1.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(pulled(y, x)[0], [0.0, 1.0, 1.0, 1.0, 0.0])


def test_maximum_and_minimum_share_where_equal() -> None:
    a, b = var(1.0, 2.0, 3.0), num(2.0)
    y = F.maximum(a, b)
    np.testing.assert_array_equal(y.data, [2.0, 2.0, 3.0])
    ga, gb = pulled(y, a, b)
    np.testing.assert_array_equal(ga, [0.0, 0.5, 1.0])
    assert gb == 1.5
    y = F.minimum(a, b)
    np.testing.assert_array_equal(y.data, [1.0, 2.0, 2.0])
    ga, gb = pulled(y, a, b)
    np.testing.assert_array_equal(ga, [1.0, 0.5, 0.0])
    assert gb == 1.5
    x = var(1.0, -1.0)
    np.testing.assert_array_equal(pulled(F.maximum(x, x), x)[0], [1.0, 1.0])
    np.testing.assert_array_equal(pulled(F.maximum(0, x), x)[0], [1.0, 0.0])


def test_where() -> None:
    a, b = var(1.0, 2.0), var(3.0, 4.0)
    for condition in (np.array([True, False]), Variable(np.array([True, False])), np.array([2, 0])):
        y = F.where(condition, a, b)
        np.testing.assert_array_equal(y.data, [1.0, 4.0])
        ga, gb = pulled(y, a, b)
        np.testing.assert_array_equal(ga, [1.0, 0.0])
        np.testing.assert_array_equal(gb, [0.0, 1.0])
    y = F.where(np.array([[True], [False]]), a, 0.0)
    np.testing.assert_array_equal(y.data, [[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(pulled(y, a)[0], [1.0, 1.0])


def test_where_shields_its_gradient() -> None:
    x = var(0.0, 4.0)
    safe = F.where(x > 0, x, 1.0)
    np.testing.assert_array_equal(pulled(F.where(x > 0, F.sqrt(safe), 0.0), x)[0], [0.0, 0.25])


def test_astype() -> None:
    x = var(1.0, 2.0)
    y = F.astype(x, np.dtype(np.float32)) * 2
    assert y.dtype == np.float32
    (g,) = pulled(y, x)
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g, [2.0, 2.0])


def test_identity_owns_its_memory() -> None:
    x = var(1.0)
    assert not np.shares_memory(F.identity(x).data, x.data)


# ------------------------------------------------------------------------------------------ reductions


@pytest.mark.parametrize(
    ("numbers", "gradient"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([0.0, 3.0, 4.0], [12.0, 0.0, 0.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 3.0, 0.0], [0.0, 0.0, 0.0]),
        ([-2.0, 3.0], [3.0, -2.0]),
        ([5.0], [1.0]),
        ([0.0], [1.0]),
        ([], []),
    ],
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_prod_with_zeros(numbers: list[float], gradient: list[float], dtype: Any) -> None:
    x = Variable(np.array(numbers, dtype))
    y = F.prod(x)
    assert y.dtype == dtype
    assert float(y) == math.prod(numbers)
    np.testing.assert_array_equal(pulled(y, x)[0], gradient)


def test_prod_over_two_axes_with_zeros_and_second_order() -> None:
    x = Variable(np.array([[[1.0, 2.0]], [[0.0, 3.0]]]))
    np.testing.assert_array_equal(pulled(F.prod(x, axis=(0, -1)), x)[0], [[[0, 0]], [[6, 0]]])
    x = var(0.0, 0.0, 5.0)
    F.prod(x).backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    np.testing.assert_array_equal(pulled(gx, x)[0], [5.0, 5.0, 0.0])  # row sums of the Hessian
    y = num(3.0)
    np.testing.assert_array_equal(pulled(F.prod(y), y)[0], 1.0)


def test_prod_does_not_overflow_on_the_way() -> None:
    x = var(1e100, 1e-100, 2.0)
    np.testing.assert_allclose(pulled(F.prod(x), x)[0], [2e-100, 2e100, 1.0], rtol=1e-12)


def test_var_of_equal_elements_and_of_one() -> None:
    x = var(3.0, 3.0)
    np.testing.assert_array_equal(pulled(F.var(x), x)[0], [0.0, 0.0])
    x = var(1.0, 2.0, 3.0)
    y = F.var(x)
    np.testing.assert_allclose(y.data, 2 / 3, rtol=1e-15)
    np.testing.assert_allclose(pulled(y, x)[0], [-2 / 3, 0.0, 2 / 3], rtol=1e-15)
    x = num(3.0)
    assert pulled(F.var(x), x)[0] == 0.0


def test_cumsum() -> None:
    x = var([1.0, 2.0], [3.0, 4.0])
    w = np.array([[1.0, 10.0], [100.0, 1000.0]])
    y = F.cumsum(x, axis=-1)
    np.testing.assert_array_equal(y.data, [[1.0, 3.0], [3.0, 7.0]])
    np.testing.assert_array_equal(pulled(y * w, x)[0], [[11.0, 10.0], [1100.0, 1000.0]])
    y = F.cumsum(x)
    np.testing.assert_array_equal(y.data, [1.0, 3.0, 6.0, 10.0])
    np.testing.assert_array_equal(pulled(y * w.reshape(-1), x)[0], [[1111, 1110], [1100, 1000]])
    for empty in (np.zeros((0, 3)), np.zeros((3, 0))):
        for axis in (None, 0, 1):
            x = Variable(empty)
            assert pulled(F.cumsum(x, axis), x)[0].shape == empty.shape
    x = num(2.0)
    assert F.cumsum(x).shape == (1,)
    assert pulled(F.cumsum(x), x)[0] == 1.0


# ---------------------------------------------------------------------------------- softmax and kin


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_and_kin_at_a_thousand(dtype: Any) -> None:
    x = var([1000.0, -1000.0, 0.0], [1000.0, 1000.0, -1000.0], [-1000.0] * 3, dtype=dtype)
    ln2, ln3 = math.log(2), math.log(3)
    soft: Any = [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3]
    rtol = 4 * float(np.finfo(dtype).eps)
    y = F.softmax(x)
    np.testing.assert_allclose(y.data, np.array(soft, dtype), rtol=rtol)
    (g,) = pulled(y[:, 0], x)
    np.testing.assert_allclose(g[1], [0.25, -0.25, 0], rtol=rtol)
    np.testing.assert_allclose(g[2], [2 / 9, -1 / 9, -1 / 9], rtol=rtol)
    y = F.log_softmax(x)
    logs: Any = [[0, -2000, -1000], [-ln2, -ln2, -2000 - ln2], [-ln3] * 3]
    np.testing.assert_allclose(y.data, logs, rtol=rtol)
    (g,) = pulled(y[:, 0], x)
    np.testing.assert_allclose(g[0], [0, 0, 0], rtol=rtol)
    np.testing.assert_allclose(g[1], [0.5, -0.5, 0], rtol=rtol)
    y = F.logsumexp(x, axis=1)
    np.testing.assert_allclose(y.data, [1000, 1000 + ln2, -1000 + ln3], rtol=rtol)
    (g,) = pulled(y, x)
    np.testing.assert_allclose(g, soft, rtol=1e-3 if dtype is np.float32 else 1e-12)
    assert {F.softmax(x).dtype, F.log_softmax(x).dtype, y.dtype} == {np.dtype(dtype)}


def test_many_powers_of_float16_are_added_up_in_float32() -> None:
    """Down the columns, where NumPy adds one by one: in float16 as far as 2048."""
    x = np.full((5000, 2), -0.01, np.float16)
    x[0] = 0.0
    expected = math.log1p(4999 * math.exp(-0.01))
    np.testing.assert_allclose(F.logsumexp(x, 0).data, expected, 1e-3)
    np.testing.assert_allclose(F.log_softmax(x, 0).data[0], -expected, 1e-3)


def test_what_stands_beside_a_large_score_is_not_lost() -> None:
    """1 + e⁻¹⁸ is 1 in float32, and 1 + e⁻⁴⁰ in float64."""
    for dtype, low in ((np.float16, -9.0), (np.float32, -18.0), (np.float64, -40.0)):
        x = np.array([[0.0, low, low - 1.0], [low, 0.0, -np.inf], [0.0, 0.0, low]], dtype)
        beside = np.exp(low) * np.array([1.0 + np.exp(-1.0), 1.0])
        rtol = 4 * float(np.finfo(dtype).eps)
        found = F.log_softmax(x, 1).data
        np.testing.assert_allclose(found[[0, 1], [0, 1]], -np.log1p(beside), rtol)
        np.testing.assert_allclose(found[2, :2], -np.log(2.0), rtol)
        np.testing.assert_allclose(F.logsumexp(x[:2], 1).data, np.log1p(beside), rtol)
        loss = F.softmax_cross_entropy(x[:1], np.array([0])).data
        np.testing.assert_allclose(loss, np.log1p(beside[0]), rtol)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_softmax_along_each_axis(axis: int) -> None:
    x = Variable(np.random.default_rng(0).normal(size=(2, 3)))
    y = F.softmax(x, axis)
    np.testing.assert_allclose(y.data.sum(axis), 1.0, rtol=1e-15)
    np.testing.assert_allclose(np.log(y.data), F.log_softmax(x, axis).data, rtol=1e-13)
    np.testing.assert_allclose(pulled(y, x)[0], np.zeros((2, 3)), atol=1e-15)
    (g,) = pulled(F.logsumexp(x, axis), x)
    np.testing.assert_allclose(g, y.data, rtol=1e-13)


def test_softmax_with_an_excluded_class() -> None:
    x = var(-np.inf, 0.0, 0.0)
    for f, expected in ((F.softmax, [0.0, 0.5, 0.5]), (F.logsumexp, math.log(2))):
        y = f(x, axis=0)
        np.testing.assert_allclose(y.data, expected, rtol=1e-15)
    np.testing.assert_allclose(pulled(F.softmax(x, axis=0)[1], x)[0], [0.0, 0.25, -0.25])
    np.testing.assert_allclose(pulled(F.logsumexp(x), x)[0], [0.0, 0.5, 0.5])
    np.testing.assert_allclose(pulled(F.log_softmax(x, axis=0)[1], x)[0], [0.0, 0.5, -0.5])


def test_the_value_of_logsumexp_of_nothing_but_minus_infinity() -> None:
    x = var([-np.inf, -np.inf], [0.0, 0.0])
    np.testing.assert_allclose(F.logsumexp(x, axis=1).data, [-np.inf, math.log(2)])
    assert float(F.logsumexp(x[0])) == -np.inf


def test_the_gradient_of_logsumexp_of_nothing_but_minus_infinity() -> None:
    x = var([-np.inf, -np.inf], [0.0, 0.0])
    (g,) = pulled(F.logsumexp(x, axis=1), x)
    np.testing.assert_allclose(g, [[0.0, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, -1), (), (1, 0)])
def test_logsumexp_over_axes(axis: Any, keepdims: bool) -> None:
    x = Variable(np.random.default_rng(0).normal(size=(2, 3, 4)))
    y = F.logsumexp(x, axis, keepdims)
    expected = np.log(np.sum(np.exp(x.data), axis=axis, keepdims=keepdims))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected, rtol=1e-13)
    (g,) = pulled(y, x)
    np.testing.assert_allclose(np.sum(g), max(y.size, 1), rtol=1e-13)


def test_softmax_of_nothing() -> None:
    for f in (F.softmax, F.log_softmax):
        x = Variable(np.zeros((2, 0)))
        assert pulled(f(x), x)[0].shape == (2, 0)
        x = Variable(np.zeros((0, 2)))
        assert pulled(f(x), x)[0].shape == (0, 2)
    x = Variable(np.zeros((0, 2)))
    assert pulled(F.logsumexp(x, axis=1), x)[0].shape == (0, 2)


def test_softmax_needs_its_axis() -> None:
    for f, name in ((F.softmax, "Softmax"), (F.log_softmax, "LogSoftmax")):
        with pytest.raises(np.exceptions.AxisError) as caught:
            f(var(1.0, 2.0))  # axis=1 by default, as in the book
        assert caught.value.__notes__ == [f"in {name}(float64[2])"]


# --------------------------------------------------------------------------------------------- shapes


def test_swapaxes_expand_dims_squeeze() -> None:
    x = Variable(np.arange(6.0).reshape(2, 3))
    w = np.arange(6.0)
    for y, shape in (
        (F.swapaxes(x, 0, 1), (3, 2)),
        (F.swapaxes(x, -1, -2), (3, 2)),
        (F.expand_dims(x, 0), (1, 2, 3)),
        (F.expand_dims(x, -1), (2, 3, 1)),
        (F.expand_dims(x, 2), (2, 3, 1)),
        (F.expand_dims(x, -2), (2, 1, 3)),
        (F.squeeze(F.expand_dims(x, 1)), (2, 3)),
        (F.squeeze(F.expand_dims(x, 1), 1), (2, 3)),
        (F.squeeze(F.expand_dims(x, 1), -2), (2, 3)),
    ):
        assert y.shape == shape
        (g,) = pulled(y * w.reshape(shape), x)
        expected = w.reshape(3, 2).T if shape == (3, 2) else w.reshape(2, 3)
        np.testing.assert_array_equal(g, expected)
    assert F.expand_dims(num(1.0), 0).shape == (1,)
    assert F.squeeze(Variable(np.ones((1, 1)))).shape == ()


def test_flatten_keeps_the_batch() -> None:
    for shape, flat in (
        ((2, 3, 4), (2, 12)),
        ((2,), (2, 1)),
        ((0, 3), (0, 3)),
        ((3, 0), (3, 0)),
        ((0, 0, 2), (0, 0)),
        ((), (1, 1)),
    ):
        x = Variable(np.ones(shape))
        y = F.flatten(x)
        assert y.shape == flat
        np.testing.assert_array_equal(pulled(y, x)[0], np.ones(shape))


def test_concatenate() -> None:
    a, b, nothing = var([1.0], [2.0]), Variable(np.ones((2, 2))), Variable(np.zeros((2, 0)))
    w = np.arange(6.0).reshape(2, 3)
    for axis in (1, -1):
        y = F.concatenate([a, nothing, b], axis)
        assert y.shape == (2, 3)
        ga, gn, gb = pulled(y * w, a, nothing, b)
        np.testing.assert_array_equal(ga, [[0.0], [3.0]])
        np.testing.assert_array_equal(gb, [[1.0, 2.0], [4.0, 5.0]])
        assert gn.shape == (2, 0)
    np.testing.assert_array_equal(
        pulled(F.concatenate([b, b, np.ones((1, 2))]), b)[0], [[2, 2], [2, 2]]
    )
    x = var(1.0)
    np.testing.assert_array_equal(pulled(F.concatenate((x,)), x)[0], [1.0])


def test_concatenate_of_types() -> None:
    a, b = var(1.0, dtype=np.float32), var(1.0)
    y = F.concatenate([a, b])
    assert y.dtype == np.float64
    assert [g.dtype for g in pulled(y, a, b)] == [np.float32, np.float64]


def test_what_does_not_concatenate() -> None:
    with pytest.raises(ValueError, match="dimension 0") as caught:
        F.concatenate([Variable(np.ones((2, 1))), Variable(np.ones((3, 1)))], 1)
    assert caught.value.__notes__ == ["in Concatenate(float64[2, 1], float64[3, 1])"]
    with pytest.raises(ValueError, match="at least one array") as caught:
        F.concatenate([])
    assert caught.value.__notes__ == ["in Concatenate()"]
    with pytest.raises(ValueError, match="zero-dimensional"):
        F.concatenate([num(1.0), num(2.0)])
    with pytest.raises(ValueError, match="same shape") as caught:
        F.stack([var(1.0), var(1.0, 2.0)])
    assert caught.value.__notes__ == ["in Stack(float64[1], float64[2])"]


def test_stack() -> None:
    a, b = var(1.0, 2.0), var(3.0, 4.0)
    w = np.arange(4.0).reshape(2, 2)
    for axis, expected in ((0, w), (1, w.T), (-1, w.T), (-2, w)):
        y = F.stack([a, b], axis)
        np.testing.assert_array_equal(y.data, np.stack([a.data, b.data], axis))
        ga, gb = pulled(y * w, a, b)
        np.testing.assert_array_equal(np.stack([ga, gb]), expected)
    x = num(1.0)
    assert pulled(F.stack([x, x, x]), x)[0] == 3.0


def test_split() -> None:
    x = Variable(np.arange(8.0).reshape(2, 4))
    for axis in (1, -1):
        parts = F.split(x, 2, axis)
        assert [p.data.tolist() for p in parts] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
        (g,) = pulled(parts[0] * 2.0 + parts[1] * 3.0, x)
        np.testing.assert_array_equal(g, [[2, 2, 3, 3]] * 2)
    (one,) = F.split(x, 1)
    np.testing.assert_array_equal(pulled(one, x)[0], np.ones((2, 4)))
    nothing = Variable(np.zeros((0, 3)))
    parts = F.split(nothing, 3)
    assert [p.shape for p in parts] == [(0, 3)] * 3
    assert pulled(parts[1], nothing)[0].shape == (0, 3)


def test_a_split_that_does_not_divide() -> None:
    with pytest.raises(ValueError, match="equal division") as caught:
        F.split(var(1.0, 2.0, 3.0), 2)
    assert caught.value.__notes__ == ["in Split(float64[3])"]


def test_pad_flip_roll() -> None:
    x = var([1.0, 2.0], [3.0, 4.0])
    y = F.pad(x, ((1, 0), (0, 2)))
    np.testing.assert_array_equal(y.data, [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]])
    w: Array = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(pulled(y * w, x)[0], [[4, 5], [8, 9]])
    assert F.pad(Variable(np.zeros((0, 2))), ((1, 1), (0, 0))).shape == (2, 2)
    w = np.array([[1.0, 10.0], [100.0, 1000.0]])
    for axis in (None, 0, 1, -1):
        y = F.flip(x, axis)
        np.testing.assert_array_equal(y.data, np.flip(x.data, axis))
        np.testing.assert_array_equal(pulled(y * w, x)[0], np.flip(w, axis))
        for shift in (-3, 0, 1, 7):
            y = F.roll(x, shift, axis)
            np.testing.assert_array_equal(y.data, np.roll(x.data, shift, axis))
            np.testing.assert_array_equal(pulled(y * w, x)[0], np.roll(w, -shift, axis))
    for f in unary(F.flip, lambda v: F.roll(v, 2)):
        for nothing in (Variable(np.zeros((0, 3))), num(1.0)):
            assert pulled(f(nothing), nothing)[0].shape == nothing.shape


MISTAKES: list[tuple[Callable[[Variable], Any], Any, str]] = [
    (lambda x: F.swapaxes(x, 0, 3), np.exceptions.AxisError, "SwapAxes"),
    (lambda x: F.expand_dims(x, 5), np.exceptions.AxisError, "ExpandDims"),
    (lambda x: F.squeeze(x, 0), ValueError, "Squeeze"),
    (lambda x: F.split(x, 2, 4), (IndexError, ValueError), "Split"),
    (lambda x: F.flip(x, 4), np.exceptions.AxisError, "Flip"),
    (lambda x: F.roll(x, 1, 4), np.exceptions.AxisError, "Roll"),
    (lambda x: F.cumsum(x, 4), np.exceptions.AxisError, "CumSum"),
    (lambda x: F.logsumexp(x, 4), np.exceptions.AxisError, "LogSumExp"),
    (lambda x: F.sum(x, (0, 0)), ValueError, "Sum"),
    *((lambda x, n=n: F.pad(x, ((1, 1),) * n), ValueError, "Pad") for n in (0, 1, 3)),
    (lambda x: F.pad(x, ((-1, 1),) * 2), ValueError, "Pad"),
]


@pytest.mark.parametrize(
    ("call", "error", "note"),
    MISTAKES,
)
def test_errors_name_operation_and_operand(
    call: Callable[[Variable], Any], error: Any, note: str
) -> None:
    with pytest.raises(error) as caught:
        call(Variable(np.ones((2, 3), np.float32)))
    assert caught.value.__notes__ == [f"in {note}(float32[2, 3])"]


def test_plain_arrays_and_numbers_are_operands() -> None:
    assert float(F.exp(0)) == 1.0
    assert float(F.exp(0.0)) == 1.0
    assert F.sum(np.ones((2, 3)), axis=0).data.tolist() == [2.0, 2.0, 2.0]
    assert F.matmul(np.ones((2, 3)), np.ones(3)).data.tolist() == [3.0, 3.0]
    assert F.sin(np.float32(0)).dtype == np.float32


MANY: dict[str, Callable[[Variable], Variable]] = {
    "mean": F.mean,
    "max": F.max,
    "min": F.min,
    "var": F.var,
    "logsumexp": F.logsumexp,
    "log_softmax": lambda x: F.log_softmax(x, 0)[0] * 3.0,
    "softmax": lambda x: F.softmax(x, 0)[:2] * 1e4,
    "pooling": lambda x: F.pooling(F.reshape(x, (1, 1, 250, 280)), (250, 280)),
    "average_pooling": lambda x: F.average_pooling(F.reshape(x, (1, 1, 250, 280)), (250, 280)),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", MANY)
def test_float16_counts_beyond_its_largest_number(name: str, create_graph: bool) -> None:
    found: list[Variable] = []
    for dtype in (np.float16, np.float64):
        x = Variable(np.full(70000, 100.0, dtype))
        if name == "var":
            x.data[::2] = 99.0
        y = MANY[name](x)
        y.backward(create_graph=create_graph)
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        found += [y, x.grad]
    values = [v.data.astype(np.float64) for v in found]
    for one, exact in zip(values[:2], values[2:], strict=True):
        np.testing.assert_allclose(one, exact, 4e-3, atol=2.0**-25)  # half of the least number


def test_a_mean_s_gradient_is_rounded_once() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        x = Variable(np.ones(49, dtype))
        F.mean(x).backward()
        assert x.grad is not None
        assert x.grad.data[0] == dtype(1) / dtype(49)
