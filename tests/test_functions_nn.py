"""The functions for networks: against plain NumPy, at extremes, in training and not; errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

import dezero.functions as F
from dezero import Parameter, Variable, grad, test_mode
from dezero.contract import Array

# pytest would collect it by its name.
not_training = test_mode
del test_mode

RNG = np.random.default_rng(7)
X = RNG.normal(size=(4, 3))
Y = RNG.normal(size=(4, 3))
ONES, ZEROS = np.ones(3), np.zeros(3)
FLOATS = [np.float32, np.float64]


def var(x: object, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(x, dtype))


def grad_of(x: Variable) -> Array:
    assert x.grad is not None
    assert x.grad.shape == x.shape
    assert x.dtype.kind != "f" or x.grad.dtype == x.dtype
    return x.grad.data


def pulled(y: Variable, *xs: Variable) -> list[Array]:
    """The gradients of the sum of y."""
    F.sum(y).backward()
    return [grad_of(x) for x in xs]


def close(found: Variable | Array, expected: ArrayLike, rtol: float = 1e-13) -> None:
    """Raises AssertionError unless two are equal but for rounding."""
    data = found.data if isinstance(found, Variable) else found
    np.testing.assert_allclose(data, np.asarray(expected), rtol=rtol, atol=1e-15)


# ------------------------------------------------------------------------------------ linear, embedding


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_linear(shape: tuple[int, ...]) -> None:
    x, W, b = var(RNG.normal(size=shape)), var(RNG.normal(size=(3, 2))), var([0.5, -1.0])
    y = F.linear(x, W, b)
    close(y, x.data @ W.data + b.data)
    gx, gW, gb = pulled(y, x, W, b)
    rows = x.data.reshape(-1, 3)
    close(gx, np.broadcast_to(W.data.sum(axis=1), shape))
    close(gW, np.outer(rows.sum(axis=0), [1.0, 1.0]))
    close(gb, [len(rows)] * 2)
    close(F.linear(x, W), x.data @ W.data)
    assert F.linear_simple is F.linear


def test_linear_of_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="matmul"):
        F.linear(X, X)
    with pytest.raises(
        ValueError, match=r"linear: b has shape \(5,\); expected one that broadcasts to \(4, 4\)"
    ):
        F.linear(X, X.T, np.zeros(5))


@pytest.mark.parametrize("ids", [np.array([2, 0, 2]), np.array([[1, 1], [0, 1]]), np.array(1)])
def test_embed_id_adds_up_where_a_row_repeats(ids: Array) -> None:
    W = var(X)
    y = F.embed_id(ids, W)
    close(y, X[ids])
    (gW,) = pulled(y * 2.0, W)
    times = np.bincount(ids.reshape(-1), minlength=4)
    close(gW, 2.0 * np.outer(times, np.ones(3)))
    close(F.embed_id(Variable(ids), W), X[ids])


def test_a_bias_does_not_stretch_what_linear_gives() -> None:
    close(F.linear(X, np.eye(3), np.array(1.0)), X + 1.0)
    with pytest.raises(ValueError, match=r"^linear: b has shape \(5, 1, 3\); expected .* to \(4, 3\)$"):
        F.linear(X, np.eye(3), np.ones((5, 1, 3)))


def test_embed_id_of_no_row_and_of_a_row_that_is_not_there() -> None:
    W = var(X, np.float32)
    y = F.embed_id(np.zeros(0, int), W)
    assert y.shape == (0, 3)
    assert y.dtype == np.float32
    close(pulled(y, W)[0], np.zeros((4, 3)))
    for row in (4, -1):
        with pytest.raises(IndexError, match=f"^embed_id: the row {row} is not within 0 … 3$"):
            F.embed_id(np.array([[0], [row]]), W)
    for rows, dtype in (([0.5], "float64"), ([True, False], "bool")):
        with pytest.raises(TypeError, match=f"^embed_id: x holds {dtype}; expected integers$"):
            F.embed_id(np.array(rows), W)
    with pytest.raises(ValueError, match=r"^embed_id: W has shape \(\); expected \(V, D\)$"):
        F.embed_id(np.array([0]), np.array(1.0))


# ---------------------------------------------------------------------------------------------- dropout


def test_dropout_keeps_the_expectation() -> None:
    np.random.seed(0)
    x = var(np.full(100_000, 2.0))
    for ratio in (0.1, 0.5, 0.9):
        y: Array = F.dropout(x, ratio).data
        kept: Array = y != 0
        np.testing.assert_array_equal(np.unique(y[kept]), [2.0 / (1.0 - ratio)])
        assert abs(np.mean(kept) - (1 - ratio)) < 0.01  # six standard deviations
        assert abs(np.mean(y) - 2.0) < 0.2


def test_dropout_follows_numpys_seed_and_drops_the_gradient_alike() -> None:
    x = var(np.ones((50, 4)))
    np.random.seed(3)
    y = F.dropout(x)
    np.random.seed(3)
    assert np.array_equal(y.data, F.dropout(x).data)
    assert not np.array_equal(y.data, F.dropout(x).data)
    np.random.seed(3)
    close(y, 2.0 * (np.random.rand(50, 4) > 0.5))  # as the book draws it
    (gx,) = pulled(y * 3.0, x)
    close(gx, 3.0 * y.data)


def test_dropout_in_test_mode_is_nothing() -> None:
    x = var(X)
    np.random.seed(0)
    with not_training():
        assert F.dropout(x, 0.9) is x
    drawn = np.random.rand()
    np.random.seed(0)
    assert drawn == np.random.rand()


@pytest.mark.parametrize("dtype", FLOATS)
def test_dropout_at_the_edge(dtype: Any) -> None:
    x = var(X, dtype)
    y = F.dropout(x, 0.0)
    assert y.dtype == dtype
    close(y, x.data)
    assert F.dropout(x, 0.5).dtype == dtype
    assert F.dropout(var(np.zeros((0, 2)), dtype)).shape == (0, 2)
    assert F.dropout(var(3.0, dtype), 0.0).shape == ()
    assert F.dropout(var([1, 2], int), 0.5).dtype == np.float64
    np.random.seed(0)
    assert set(F.dropout(var(np.full(50, np.inf), dtype)).data) == {0.0, np.inf}


@pytest.mark.parametrize("ratio", [1.0, -0.1, 1.5, math.nan])
def test_dropout_of_an_impossible_ratio(ratio: float) -> None:
    with pytest.raises(ValueError, match=rf"^dropout: dropout_ratio is {ratio}; expected 0 <="):
        F.dropout(X, ratio)


# ------------------------------------------------------------------------------------------ activations


@pytest.mark.parametrize(
    ("f", "x", "value", "slope"),
    [
        (F.silu, 0.0, 0.0, 0.5),
        (F.silu, 1.0, 0.7310585786300049, 0.9276705118714867),
        (F.silu, -2.0, -0.2384058440442351, -0.09078424878489544),
        (F.silu, 1000.0, 1000.0, 1.0),
        (F.silu, -1000.0, 0.0, 0.0),
        (F.gelu, 0.0, 0.0, 0.5),
        (F.gelu, 1.0, 0.8411919906082768, 1.0829640838457826),
        (F.gelu, 1000.0, 1000.0, 1.0),
        (F.gelu, -1000.0, 0.0, 0.0),
    ],
)
def test_activations(f: Callable[[Variable], Variable], x: float, value: float, slope: float) -> None:
    for dtype, rtol in ((np.float64, 1e-14), (np.float32, 1e-6)):
        given = var([x], dtype)
        y = f(given)
        assert y.dtype == dtype
        close(y, [value], rtol)
        close(pulled(y, given)[0], [slope], rtol)


@pytest.mark.parametrize(
    ("dtype", "far"), [("float16", 300), ("float16", 6e4), ("float32", 3e38), ("float64", 1e308)]
)
def test_gelu_far_from_zero(dtype: str, far: float) -> None:
    x = Variable(np.array([far, -far], dtype))
    y = F.gelu(x)
    y.backward(create_graph=True)
    assert y.data.tolist() == [float(x.data[0]), 0]
    assert x.grad is not None
    assert x.grad.data.tolist() == [1, 0]
    assert grad(x.grad, [x])[0].data.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gelu_and_its_derivatives_in_each_element_type(dtype: str) -> None:
    x = Variable(np.linspace(-3, 6, 91, dtype=dtype))
    y = F.gelu(x)
    (slope,) = grad(y, [x], create_graph=True)
    (curvature,) = grad(slope, [x])
    # The formulas written out, in a wider type: the gate s(u) with u = c (v + 0.044715 v³); r is 1 - s.
    v = x.data.astype(np.longdouble)
    c = 2 * math.sqrt(2 / math.pi)
    s, r = (1 / (1 + np.exp(sign * c * (v + 0.044715 * v**3))) for sign in (-1, 1))
    du, ddu = c * (1 + 3 * 0.044715 * v**2), c * 6 * 0.044715 * v
    ds, dds = s * r, s * r * (r - s)
    within = 8 * float(np.finfo(dtype).eps)
    for found, expected in (
        (y, v * s),
        (slope, s + v * ds * du),
        (curvature, 2 * ds * du + v * (dds * du**2 + ds * ddu)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(found.data, expected, within, within)


def test_gelu_is_nearly_x_times_the_normal_distribution() -> None:
    x = np.linspace(-6, 6, 101)
    exact = [a * (1 + math.erf(a / math.sqrt(2))) / 2 for a in x]
    assert np.max(np.abs(F.gelu(x).data - exact)) < 5e-4  # what the approximation is known for
    # By tanh alone nothing would be left here.
    close(F.gelu(np.array(-8.0)), -8.0 / (1 + math.exp(2 * 0.7978845608028654 * 30.89408)), 1e-12)


def test_simple_versions_agree_where_nothing_overflows() -> None:
    close(F.sigmoid_simple(X), F.sigmoid(X).data)
    close(F.softmax_simple(X), F.softmax(X).data)
    close(F.softmax_simple(X, axis=0), F.softmax(X, axis=0).data)
    assert F.sigmoid_simple(X.astype(np.float32)).dtype == np.float32


def test_lstm_cell() -> None:
    f, i, o, u, c = gates = [var(x) for x in RNG.normal(size=(5, 2, 3))]

    def s(x: Variable) -> Array:
        return np.asarray(1 / (1 + np.exp(-x.data)))

    state = s(f) * c.data + s(i) * np.tanh(u.data)
    h, new = F.lstm_cell(*gates)
    close(new, state)
    close(h, s(o) * np.tanh(state))
    pulled(h + new, *gates)
    g = 1 + s(o) * (1 - np.tanh(state) ** 2)  # of the state
    close(grad_of(c), g * s(f))
    close(grad_of(f), g * c.data * s(f) * (1 - s(f)))
    close(grad_of(i), g * np.tanh(u.data) * s(i) * (1 - s(i)))
    close(grad_of(u), g * s(i) * (1 - np.tanh(u.data) ** 2))
    close(grad_of(o), np.tanh(state) * s(o) * (1 - s(o)))


def test_the_parts_of_an_lstm_cell_are_of_one_shape() -> None:
    for i, name in enumerate("fiouc"):
        parts = [X] * 5
        parts[i] = X[:1]
        with pytest.raises(
            ValueError, match=rf"^lstm_cell: the shapes are .*{name} \(1, 3\).*; expected the same for"
        ):
            F.lstm_cell(*parts)


def test_a_number_for_a_bias_leaves_the_element_type() -> None:
    x = np.ones((2, 3), np.float32)
    assert F.linear(x, x.T, 0.5).dtype == np.float32


GIVEN_A_PARAMETER: dict[str, Callable[[Parameter], object]] = {
    "linear: b": lambda p: F.linear(X, X.T, p),
    "embed_id: W": lambda p: F.embed_id(np.array([0]), p),
    "layer_norm: gamma": lambda p: F.layer_norm(X, p, ZEROS),
    "batch_norm: beta": lambda p: F.batch_norm(X, ONES, p, ONES, ONES),
    "lstm_cell: c": lambda p: F.lstm_cell(X, X, X, X, p),
    "huber: x1": lambda p: F.huber(X, p),
}


@pytest.mark.parametrize("who", GIVEN_A_PARAMETER)
def test_a_parameter_without_data_is_named(who: str) -> None:
    with pytest.raises(TypeError, match=f"^{who} has no data yet$"):
        GIVEN_A_PARAMETER[who](Parameter(None))


def test_lstm_cell_far_out_remembers_or_forgets() -> None:
    far, c = np.full((1, 2), 1000.0), np.array([[3.0, -4.0]])
    _, kept = F.lstm_cell(far, -far, far, far, c)
    close(kept, c)
    h, new = F.lstm_cell(-far, far, far, far, c)
    close(new, [[1.0, 1.0]])
    close(h, np.tanh([[1.0, 1.0]]))


# ---------------------------------------------------------------------------------------- normalisation


def normalised(x: Array, gamma: Array, beta: Array, axes: Any, eps: float) -> Array:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return np.asarray(gamma * (x - mean) / np.sqrt(variance + eps) + beta)


@pytest.mark.parametrize("shape", [(4, 3), (5, 3, 2), (2, 3, 4, 2), (1, 3, 2, 2)])
def test_batch_norm_in_training(shape: tuple[int, ...]) -> None:
    x, gamma, beta = RNG.normal(1.0, 2.0, shape), RNG.normal(size=3), RNG.normal(size=3)
    mean, variance = np.full(3, 0.5), np.full(3, 2.0)
    y = F.batch_norm(x, gamma, beta, mean, variance, decay=0.75, eps=1e-3)
    axes = tuple(a for a in range(x.ndim) if a != 1)
    spread = (1, 3, *(1,) * (x.ndim - 2))
    close(y, normalised(x, gamma.reshape(spread), beta.reshape(spread), axes, 1e-3))
    close(mean, 0.75 * 0.5 + 0.25 * x.mean(axes))
    close(variance, 0.75 * 2.0 + 0.25 * x.var(axes, ddof=1))


def test_batch_norm_otherwise_takes_the_running_statistics() -> None:
    for shape in ((4, 3), (2, 3, 4, 2), (1, 3), (0, 3)):
        x, spread = RNG.normal(size=shape), (1, 3, *(1,) * (len(shape) - 2))
        mean, variance = np.array([0.5, -1.0, 2.0]), np.array([1.0, 4.0, 0.25])
        with not_training():
            y = F.batch_norm(x, np.full(3, 2.0), np.ones(3), mean, variance, eps=0.0)
        deviation = np.sqrt(variance).reshape(spread)
        close(y, 2.0 * (x - mean.reshape(spread)) / deviation + 1.0)
        assert mean.tolist() == [0.5, -1.0, 2.0]
        assert variance.tolist() == [1.0, 4.0, 0.25]


def test_batch_norm_trains_its_running_statistics_towards_those_of_the_data() -> None:
    mean, variance = np.zeros(2), np.ones(2)
    for _ in range(300):
        F.batch_norm(
            RNG.normal([3.0, -1.0], [0.5, 2.0], (64, 2)), 1.0 + mean * 0, mean * 0, mean, variance
        )
    np.testing.assert_allclose(mean, [3.0, -1.0], atol=0.3)
    np.testing.assert_allclose(np.sqrt(variance), [0.5, 2.0], rtol=0.1)


def test_batch_norm_of_one_row_is_beta_with_no_gradient() -> None:
    x, gamma, beta = var([[1.0, 5.0]]), var([2.0, 3.0]), var([0.5, -0.5])
    mean, variance = np.zeros(2), np.ones(2)
    y = F.batch_norm(x, gamma, beta, mean, variance)
    close(y, [[0.5, -0.5]])
    gx, ggamma, gbeta = pulled(y, x, gamma, beta)
    assert gx.tolist() == [[0.0, 0.0]]
    assert ggamma.tolist() == [0.0, 0.0]
    assert gbeta.tolist() == [1.0, 1.0]
    close(mean, [0.1, 0.5])
    close(variance, [0.9, 0.9])  # one value has no unbiased variance: 0 is taken up


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_stays_in_float32(training: bool) -> None:
    x, gamma, beta = (var(a, np.float32) for a in (X, np.ones(3), np.zeros(3)))
    mean, variance = np.zeros(3, np.float32), np.ones(3, np.float32)
    if training:
        y = F.batch_norm(x, gamma, beta, mean, variance)
    else:
        with not_training():
            y = F.batch_norm(x, gamma, beta, mean, variance)
    assert y.dtype == mean.dtype == variance.dtype == np.float32
    pulled(y * y, x, gamma, beta)


def test_batch_norm_takes_numbers_in_another_order_of_bytes() -> None:
    x = np.arange(12.0).reshape(4, 3).astype(">f4")
    mean, variance = np.zeros(3), np.ones(3)
    F.batch_norm(x, ONES, ZEROS, mean, variance, decay=0.0)
    close(mean, x.mean(0))
    close(variance, x.astype(float).var(0, ddof=1), 1e-6)
    close(F.var(x, 0), x.astype(float).var(0), 1e-6)


def test_batch_norm_of_integers() -> None:
    y = F.batch_norm(np.array([[1], [3]]), np.ones(1), np.zeros(1), np.zeros(1), np.ones(1), eps=1e-12)
    close(y, [[-1.0], [1.0]], 1e-11)


def test_the_book_s_name_for_it() -> None:
    assert F.batch_nrom is F.batch_norm


@pytest.mark.parametrize(
    ("x", "parameters", "message"),
    [
        (ZEROS, (ONES, ZEROS, ZEROS, ONES), r"x has shape \(3,\); expected \(N, C, …\)"),
        (X, (ONES[:2], ZEROS, ZEROS, ONES), r"gamma has shape \(2,\); expected \(3,\)"),
        (X, (ONES, ZEROS[None], ZEROS, ONES), r"beta has shape \(1, 3\); expected \(3,\)"),
        (X, (ONES, ZEROS, np.zeros(4), ONES), r"mean has shape \(4,\); expected \(3,\)"),
        (X, (ONES, ZEROS, ZEROS, np.ones(())), r"var has shape \(\); expected \(3,\)"),
        (X[:0], (ONES, ZEROS, ZEROS, ONES), r"x has shape \(0, 3\); a batch without elements"),
    ],
)
def test_batch_norm_of_wrong_shapes(x: Array, parameters: tuple[Array, ...], message: str) -> None:
    gamma, beta, mean, variance = (parameter.copy() for parameter in parameters)
    with pytest.raises(ValueError, match=f"^batch_norm: {message}"):
        F.batch_norm(x, gamma, beta, mean, variance)
    np.testing.assert_array_equal(mean, parameters[2])
    np.testing.assert_array_equal(variance, parameters[3])


def second_differences(loss: Callable[[Variable], Variable], x: Array, v: Array) -> Array:
    """How the gradient of a loss moves along v, by central differences of fourth order."""

    def gradient(t: float) -> Array:
        moved = Variable(x + t * v)
        return grad(loss(moved), moved).data

    h = 1e-3
    near, far = gradient(h) - gradient(-h), gradient(2 * h) - gradient(-2 * h)
    return np.asarray((8 * near - far) / (12 * h))


def hessian_along(loss: Callable[[Variable], Variable], x: Array, v: Array) -> Array:
    """The second derivative along v: the gradient of the gradient."""
    at = Variable(x)
    gx = grad(loss(at), at, create_graph=True)
    return grad(F.sum(gx * v), at).data


LOSSES: dict[str, Callable[[Variable], Variable]] = {
    "batch_norm": lambda x: F.sum(
        F.sin(F.batch_norm(x, ONES * 1.5, ONES, ZEROS.copy(), ONES.copy(), eps=0.1)) * Y
    ),
    "batch_norm of images": lambda x: F.sum(
        F.sin(F.batch_norm(x.reshape(2, 3, 2, 1), ONES, ONES, ZEROS.copy(), ONES.copy()))
        * x.reshape(2, 3, 2, 1)
    ),
    "layer_norm": lambda x: F.sum(F.sin(F.layer_norm(x, ONES * 1.5, ONES, eps=0.1)) * Y),
    "softmax_cross_entropy": lambda x: F.softmax_cross_entropy(x * x, np.array([0, 2, 2, 1])),
    "sigmoid_cross_entropy": lambda x: F.sigmoid_cross_entropy(x * x, X > 0),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(F.sigmoid(x * x), X > 0),
    "gelu": lambda x: F.sum(F.gelu(x) * Y),
    "silu": lambda x: F.sum(F.silu(x) * Y),
    "huber": lambda x: F.huber(x * x, Y, delta=0.7),
    "lstm_cell": lambda x: F.sum(F.lstm_cell(x, x * x, Y * x, x, Y)[0]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives(name: str) -> None:
    v = RNG.normal(size=X.shape)
    found = hessian_along(LOSSES[name], X, v)
    np.testing.assert_allclose(found, second_differences(LOSSES[name], X, v), rtol=1e-6, atol=1e-8)
    assert np.any(np.abs(found) > 1e-3)


def test_layer_norm() -> None:
    gamma, beta = RNG.normal(size=3), RNG.normal(size=3)
    for shape in ((3,), (4, 3), (2, 4, 3), (0, 3)):
        a = RNG.normal(2.0, 3.0, shape)
        close(F.layer_norm(a, gamma, beta, eps=1e-3), normalised(a, gamma, beta, -1, 1e-3))
    close(F.layer_norm(X, gamma, beta), normalised(X, gamma, beta, -1, 1e-5))
    for name, parameters in (("gamma", (np.ones(2), beta)), ("beta", (gamma, np.ones(2)))):
        with pytest.raises(
            ValueError, match=rf"^layer_norm: {name} has shape \(2,\); expected \(3,\)$"
        ):
            F.layer_norm(X, *parameters)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-5), (np.float64, 1e-14)])
def test_layer_norm_does_not_see_a_shift(dtype: Any, atol: float) -> None:
    x, gamma, beta = var(X, dtype), var([1.0, 2.0, 3.0], dtype), var(ZEROS, dtype)
    y = F.layer_norm(x, gamma, beta)
    assert y.dtype == dtype
    gx, _, gbeta = pulled(y, x, gamma, beta)
    np.testing.assert_allclose(gx.sum(axis=1), ZEROS[0], atol=atol)
    close(gbeta, [4.0, 4.0, 4.0])


@pytest.mark.parametrize(
    ("eps", "decay", "message"),
    [(-1e-9, 0.9, "eps is -1e-09; expected eps >= 0")]
    + [(1e-5, decay, f"decay is {decay}; expected 0 <= decay <= 1") for decay in (-0.1, 1.5, math.nan)],
)
def test_normalisation_by_wrong_numbers(eps: float, decay: float, message: str) -> None:
    mean, var = ZEROS.copy(), ONES.copy()
    with pytest.raises(ValueError, match=f"^batch_norm: {message}$"):
        F.batch_norm(X, ONES, ZEROS, mean, var, decay, eps)
    close(mean, ZEROS)
    close(var, ONES)
    if eps < 0:
        with pytest.raises(ValueError, match=f"^layer_norm: {message}$"):
            F.layer_norm(X, ONES, ZEROS, eps)


def test_running_statistics_are_not_integers() -> None:
    for name, statistics in (("mean", (np.zeros(3, int), ONES)), ("var", (ZEROS, np.ones(3, int)))):
        with pytest.raises(
            TypeError, match=f"^batch_norm: {name} is of int64; expected an ndarray of f"
        ):
            F.batch_norm(X, ONES, ZEROS, *statistics)


# ----------------------------------------------------------------------------------------------- losses


def test_mean_squared_error_divides_by_the_length() -> None:
    a, b = var(X), var(Y)
    y = F.mean_squared_error(a, b)
    close(y, np.sum((X - Y) ** 2) / 4)
    ga, gb = pulled(y, a, b)
    close(ga, (X - Y) / 2)
    close(gb, (Y - X) / 2)
    close(F.mean_squared_error(np.array(3.0), np.array(1.0)), 4.0)
    assert F.mean_squared_error_simple is F.mean_squared_error
    assert F.mean_squared_error(X.astype(np.float32), Y.astype(np.float32)).dtype == np.float32
    close(F.mean_squared_error(np.array([1, 2]), np.array([3, 3])), 2.5)


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber])
@pytest.mark.parametrize(
    ("first", "second"),
    [((4, 1), (4,)), ((4,), (4, 1)), ((3,), (4, 3)), ((), (4,)), ((1, 3), (4, 3)), ((4,), (3,))],
)
def test_a_loss_of_shapes_that_would_stretch_the_first(
    loss: Callable[[Array, Array], Variable], first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        loss(np.ones(first), np.ones(second))
    assert str(raised.value) == (
        f"{loss.__name__}: x0 has shape {first}, x1 {second}; expected the same, or an x1 that "
        "broadcasts to the shape of x0"
    )


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber])
def test_a_loss_stretches_the_second(loss: Callable[[Array, Array | float], Variable]) -> None:
    for x1 in (X[:1], X[0], X[:, :1], 0.5):
        close(loss(X, x1), loss(X, np.broadcast_to(x1, X.shape)).data)


def test_huber_is_a_parabola_and_then_a_line() -> None:
    d = np.array([-3.0, -2.0, -0.5, 0.0, 0.5, 2.0, 3.0, 1e200])
    for x, sign in ((var(d), 1.0), (var(-d), -1.0)):
        y = F.huber(x, np.zeros(8), delta=2.0)
        close(y, (4 + 2 + 0.125 + 0 + 0.125 + 2 + 4 + 2e200) / 8)
        (gx,) = pulled(y, x)
        close(gx, sign * np.clip(d, -2.0, 2.0) / 8)
    close(F.huber(np.array(3.0), np.array(0.0)), 2.5)
    assert F.huber(var([1.0], np.float32), var([5.0], np.float32)).dtype == np.float32


def test_huber_has_the_curvature_of_the_parabola_where_it_is_one() -> None:
    x = var([0.0, 0.5, 3.0, -3.0])
    gx = grad(F.huber(x, np.zeros(4)) * 4.0, x, create_graph=True)
    close(grad(F.sum(gx), x), [1.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan])
def test_huber_of_an_impossible_delta(delta: float) -> None:
    with pytest.raises(ValueError, match=f"huber: delta is {delta}; expected delta > 0"):
        F.huber(X, Y, delta)


T = np.array([0, 2, 2, 1])


def test_softmax_cross_entropy() -> None:
    x = var(X)
    y = F.softmax_cross_entropy(x, T)
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    picked: Array = p[np.arange(4), T]
    close(y, -np.log(picked).sum() / 4)
    one_hot: Array = np.eye(3)[T]
    close(pulled(y, x)[0], (p - one_hot) / 4)
    close(F.softmax_cross_entropy(x, Variable(T[:, None])), y.data)
    close(F.softmax_cross_entropy(x, T.astype(np.uint8)), y.data)
    assert F.softmax_cross_entropy_simple is F.softmax_cross_entropy


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_cross_entropy_is_exact_far_out(dtype: Any) -> None:
    scores = [[1000.0, -1000.0], [1000.0, -1000.0], [-1000.0, 1000.0], [-1000.0, -1000.0]]
    x, t = var(scores, dtype), np.array([0, 1, 1, 0])
    losses: list[float] = [0.0, 2000.0, 0.0, math.log(2.0)]
    for k, expected in enumerate(losses):
        close(F.softmax_cross_entropy(x[k : k + 1], t[k : k + 1]), expected, 1e-6)
    y = F.softmax_cross_entropy(x, t)
    assert y.dtype == dtype
    close(pulled(y, x)[0], [[0.0, 0.0], [0.25, -0.25], [0.0, 0.0], [-0.125, 0.125]], 1e-6)
    masked = var([[0.0, -np.inf, 0.0]], dtype)
    close(F.softmax_cross_entropy(masked, np.array([0])), math.log(2.0), 1e-6)
    assert F.softmax_cross_entropy(var([[1, 2]], int), np.array([0])).dtype == np.float64


@pytest.mark.parametrize(
    ("x", "t", "error", "message"),
    [
        (X, T[:3], ValueError, r"x has shape \(4, 3\), t \(3,\); expected \(N, C\) and \(N,\)"),
        (X[0], T[:3], ValueError, r"x has shape \(3,\), t \(3,\); expected \(N, C\) and \(N,\)"),
        (X, np.eye(4), ValueError, r"x has shape \(4, 3\), t \(4, 4\); expected"),
        (X, T * 1.0, TypeError, "t holds float64; expected integers"),
        (X, T > 0, TypeError, "t holds bool; expected integers"),
        (X, T + 1, IndexError, "the label 3 is not within 0 … 2"),
        (X, T - 1, IndexError, "the label -1 is not within 0 … 2"),
    ],
)
def test_softmax_cross_entropy_of_wrong_labels(
    x: Array, t: Array, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^softmax_cross_entropy: {message}"):
        F.softmax_cross_entropy(x, t)


def test_sigmoid_cross_entropy() -> None:
    x, t = var(X), var(X > 0.2)
    y = F.sigmoid_cross_entropy(x, t)
    p = 1 / (1 + np.exp(-X))
    close(y, -np.sum(np.log(np.where(t.data == 1, p, 1 - p))) / 4)
    gx, gt = pulled(y, x, t)
    close(gx, (p - t.data) / 4)
    close(gt, -X / 4)
    close(F.sigmoid_cross_entropy(x, t.reshape(12, 1)), y.data)
    close(F.sigmoid_cross_entropy(x, X > 0.2), y.data)
    close(F.sigmoid_cross_entropy(np.array(0.0), np.array(0.5)), math.log(2.0))
    close(F.sigmoid_cross_entropy(X[:, None], t), y.data)
    for other in ((3, 4), (2, 6)):  # as many, but not of the same things
        with pytest.raises(
            ValueError, match=rf"has shape \({other[0]}, {other[1]}\); expected \(4, 3\)"
        ):
            F.sigmoid_cross_entropy(x, t.reshape(other))
    with pytest.raises(ValueError, match=r"^sigmoid_cross_entropy: t has shape \(4,\); expected \(4,"):
        F.sigmoid_cross_entropy(X, T)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("score", "label", "loss", "slope"),
    [
        (1000.0, 1, 0.0, 0.0),
        (1000.0, 0, 1000.0, 1.0),
        (-1000.0, 1, 1000.0, -1.0),
        (-1000.0, 0, 0.0, 0.0),
        (40.0, 1, math.exp(-40.0), -math.exp(-40.0)),
        (-40.0, 0, math.exp(-40.0), math.exp(-40.0)),
    ],
)
def test_sigmoid_cross_entropy_is_exact_far_out(
    dtype: Any, score: float, label: int, loss: float, slope: float
) -> None:
    x = var([score], dtype)
    y = F.sigmoid_cross_entropy(x, np.array([label]))
    np.testing.assert_allclose(y.data, loss, rtol=1e-5, atol=0)
    np.testing.assert_allclose(pulled(y, x)[0], [slope], rtol=1e-5, atol=0)
    assert F.sigmoid_cross_entropy(x, np.array([label], dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
def test_binary_cross_entropy(dtype: Any) -> None:
    p, t = var([0.25, 0.5, 1e-30, 0.9], dtype), var([1, 0, 1, 0.5], dtype)
    y = F.binary_cross_entropy(p, t)
    assert y.dtype == dtype
    low, half = math.log(0.9), math.log(0.1)
    close(y, -(math.log(0.25) + math.log(0.5) + math.log(1e-30) + (low + half) / 2) / 4, 1e-6)
    gp, _ = pulled(y, p, t)
    close(gp[:3], [-1.0, 0.5, -0.25e30], 1e-6)
    close(F.binary_cross_entropy(p, t.data.reshape(2, 2)), y.data, 1e-6)


@pytest.mark.parametrize("dtype", [*FLOATS, np.int64])
def test_binary_cross_entropy_is_finite_at_the_ends(dtype: Any) -> None:
    p = var([0, 1], dtype)
    right = F.binary_cross_entropy(p, np.array([0, 1]))
    assert abs(float(right)) < 1e-7
    wrong = F.binary_cross_entropy(p, np.array([1, 0]))
    assert 15 < float(wrong) < 800
    (gp,) = pulled(wrong + right, p)
    assert np.all(np.isfinite(gp))


def test_binary_cross_entropy_of_another_number_of_labels() -> None:
    with pytest.raises(ValueError, match=r"^binary_cross_entropy: t has shape \(4,\); expected \(4,"):
        F.binary_cross_entropy(X, T)


def test_the_two_binary_losses_agree() -> None:
    t = RNG.uniform(size=(4, 3))
    close(F.sigmoid_cross_entropy(X, t), F.binary_cross_entropy(F.sigmoid(X), t).data)


def test_pictures_with_channels_first_and_last_do_not_go_together() -> None:
    first = RNG.uniform(size=(2, 3, 5, 5))
    with pytest.raises(ValueError, match=r"t has shape \(2, 5, 5, 3\); expected \(2, 3, 5, 5\)"):
        F.binary_cross_entropy(first, first.transpose(0, 2, 3, 1))


def test_losses_of_integers_do_not_wrap() -> None:
    def small(*numbers: int) -> Array:
        return np.array(numbers, np.uint8)

    close(F.mean_squared_error(small(100), small(200)), 10_000.0)
    close(F.huber(small(3), small(5)), 1.5)
    close(F.binary_cross_entropy(small(0, 1), small(0, 1)), 0.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_integer_targets_leave_a_loss_in_the_element_type_of_its_scores(dtype: Any) -> None:
    scores = var([0.5, 0.25], dtype)
    for loss in LOSSES_OF_TWO:
        for t in ([0, 1], [False, True]):
            y = loss(scores, np.array(t))
            assert y.dtype == dtype
            assert np.all(pulled(y, scores)[0])
            scores.cleargrad()
        assert F.mean_squared_error(np.array(t), scores).dtype == dtype


def test_integers_beside_scores_lose_no_digits() -> None:
    close(F.mean_squared_error(np.array([2.0**24], np.float32), np.array([2**24 + 1])), 1.0)
    close(F.mean_squared_error(np.array([30000], np.float16), np.array([30007])), 49.0)


def test_the_difference_of_two_numbers_of_float16_may_lie_beyond_it() -> None:
    x, t = np.array([6e4], np.float16), np.array([-6e4], np.float16)
    close(F.huber(x, t, 0.1), np.float16(12000))


def test_binary_cross_entropy_below_the_normal_numbers_of_float16() -> None:
    p = var([3e-5], np.float16)
    y = F.binary_cross_entropy(p, np.array([1], np.float16))
    close(y, -np.log(p.data.astype(float)), 1e-3)
    close(pulled(y, p)[0], -1 / p.data.astype(float), 1e-3)


def test_binary_cross_entropy_of_a_long_double_is_finite_at_the_ends() -> None:
    p = var([0, 1], np.longdouble)
    y = F.binary_cross_entropy(p, np.array([0, 1]))
    assert y.dtype == np.longdouble
    assert abs(float(y)) < 1e-15


LOSSES_OF_TWO = (F.mean_squared_error, F.huber, F.sigmoid_cross_entropy, F.binary_cross_entropy)


@pytest.mark.parametrize("loss", LOSSES_OF_TWO)
def test_a_loss_of_nothing_is_not_a_number(loss: Callable[[Array, Array], Variable]) -> None:
    """As NumPy's mean of nothing, with NumPy's warning."""
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert math.isnan(float(loss(X[:0], Y[:0])))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert math.isnan(float(F.softmax_cross_entropy(X[:0], T[:0])))


def test_accuracy() -> None:
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
    y = F.accuracy(scores, np.array([1, 0, 0, 0]))
    assert (float(y), y.shape) == (0.75, ())
    assert y.creator is None
    assert float(F.accuracy(Variable(scores), Variable(np.array([[1], [0], [1], [0]])))) == 1.0
    with pytest.raises(ValueError, match=r"^accuracy: y has shape \(4, 2\), t \(3,\); expected \(N"):
        F.accuracy(scores, np.array([1, 0, 0]))
    with pytest.raises(ValueError, match=r"accuracy: y has shape \(2,\), t \(2,\)"):
        F.accuracy(scores[0], np.array([1, 0]))


# ------------------------------------------------------------------------------------ what is refused


NO_OPERANDS: list[tuple[Callable[[Any], object], str]] = [
    (F.dropout, "dropout: x: list is no operand; expected a Variable"),
    (lambda x: F.sigmoid_cross_entropy(x, X), "sigmoid_cross_entropy: x: list is no operand"),
    (lambda t: F.sigmoid_cross_entropy(X, t), "sigmoid_cross_entropy: t: list is no operand"),
    (lambda p: F.binary_cross_entropy(p, X), "binary_cross_entropy: p: list is no operand"),
    (lambda t: F.binary_cross_entropy(X, t), "binary_cross_entropy: t: list is no operand"),
    (lambda x: F.softmax_cross_entropy(x, T), "softmax_cross_entropy: x: list is no operand"),
    (lambda x: F.mean_squared_error(x, X), "mean_squared_error: x0: list is no operand"),
    (lambda x: F.huber(X, x), "huber: x1: list is no operand"),
    (lambda x: F.batch_norm(X, x, X[0], X[0], X[0]), "batch_norm: gamma: list is no operand"),
    (lambda x: F.layer_norm(x, X[0], X[0]), "layer_norm: x: list is no operand"),
    (F.gelu, "gelu: x: list is no operand"),
    (F.sigmoid_simple, "sigmoid_simple: x: list is no operand"),
]


@pytest.mark.parametrize(("function", "message"), NO_OPERANDS)
def test_functions_made_of_others_say_what_is_no_operand(
    function: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        function([1.0])


NO_ARRAYS: list[tuple[Callable[[Any], object], str]] = [
    (lambda t: F.softmax_cross_entropy(X, t), "softmax_cross_entropy: t is of type NoneType"),
    (lambda t: F.accuracy(X, t), "accuracy: t is of type NoneType"),
    (lambda y: F.accuracy(y, T), "accuracy: y is of type NoneType"),
    (lambda x: F.embed_id(x, X), "embed_id: x is of type NoneType"),
    (lambda m: F.batch_norm(X, X[0], X[0], m, X[0]), "batch_norm: mean is of type NoneType"),
    (lambda v: F.batch_norm(X, X[0], X[0], X[0], v), "batch_norm: var is of type NoneType"),
    (lambda d: F.batch_norm(X, X[0], X[0], X[0], X[0], d), "batch_norm: decay is of type NoneType"),
]


@pytest.mark.parametrize(("function", "message"), NO_ARRAYS)
def test_functions_made_of_others_say_what_is_no_array(
    function: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(TypeError, match=f"^{message}; expected"):
        function(None)


def test_labels_may_come_as_a_list() -> None:
    labels: Any = T.tolist()
    close(F.softmax_cross_entropy(X, labels), F.softmax_cross_entropy(X, T).data)
    close(F.accuracy(X, labels), F.accuracy(X, T).data)
