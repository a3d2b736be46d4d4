"""float16: sums of many and squares of large numbers, held against the same in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import dezero.functions as F
import dezero.layers as L
from dezero import Variable, as_variable, test_mode
from dezero.contract import Array

# pytest would collect it by its name.
not_training = test_mode
del test_mode

N = 5000  # ones, added one by one in float16, end at 2048
ONES = np.ones(N)
IMAGES = ONES.reshape(N, 1, 1, 1)
PICTURE = np.ones((1, 1, 60, 60))
WIDE_ROW = np.array([[0.0, 1000.0, 500.0]])
SCORES = np.array([[0.0, 60000.0], [0.0, 60000.0]])


def columns(v: Variable) -> Variable:
    return F.reshape(v, (N, 2))


TWICE = np.ones(2 * N)

CASES: dict[str, tuple[Callable[[Variable], Variable], Array]] = {
    "sum": (lambda x: F.sum(columns(x), axis=0), TWICE),
    "sum_to": (lambda x: F.sum_to(columns(x), (1, 2)), TWICE),
    "cumsum": (lambda x: F.cumsum(x), ONES),
    "bias": (lambda b: columns(as_variable(TWICE.astype(b.dtype))) * b, np.ones(2)),
    "repeats": (lambda W: F.embed_id(np.zeros(N, int), W), np.ones((2, 1))),
    "conv2d": (lambda W: F.conv2d(IMAGES.astype(W.dtype), W), np.ones((1, 1, 1, 1))),
    "deconv2d": (lambda x: F.deconv2d(x, PICTURE.astype(x.dtype)), 0.01 * PICTURE),
    "col2im": (
        lambda x: F.col2im(x, (1, 1, 19, 19), 10, to_matrix=False),
        np.full((1, 1, 10, 10, 10, 10), 0.013),
    ),
    "mean_squared_error": (
        lambda x: F.mean_squared_error(x, 0.0 * x),
        np.array([[300.0], [0.0], [9.0]]),
    ),
    "of many": (lambda x: F.mean_squared_error(x, 0.0 * x), np.ones((70000, 1))),
    "huber": (lambda x: F.huber(x, 0.0 * x, 300.0), np.array([[300.0], [0.0], [9.0]])),
    "softmax_cross_entropy": (lambda x: F.softmax_cross_entropy(x, np.zeros(2, int)), SCORES),
    "of many classes": (
        lambda x: F.softmax_cross_entropy(x, np.zeros(60000, int)) * 1e3,
        np.zeros((60000, 10)),
    ),
    "sigmoid_cross_entropy": (lambda x: F.sigmoid_cross_entropy(x, 0.0 * x), np.full((70000, 1), 2.0)),
    "binary_cross_entropy": (lambda p: F.binary_cross_entropy(p, 0.0 * p), np.full((70000, 1), 0.5)),
    "layer_norm": (
        lambda x: F.layer_norm(x, np.ones(3, x.dtype), np.zeros(3, x.dtype)),
        WIDE_ROW,
    ),
    "batch_norm": (
        lambda x: F.batch_norm(x, np.ones(1, x.dtype), np.zeros(1, x.dtype), np.zeros(1), np.ones(1)),
        WIDE_ROW.T,
    ),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_float16_goes_by_way_of_float32(case: str, create_graph: bool) -> None:
    function, x = CASES[case]
    found: list[Array] = []
    for dtype in (np.float16, np.float64):
        leaf = Variable(x.astype(dtype))
        y = function(leaf)
        y.grad = Variable(
            np.linspace(0.5, 1.0, y.size).reshape(y.shape).astype(np.float16).astype(dtype)
        )
        y.backward(create_graph=create_graph)
        assert leaf.grad is not None
        assert y.dtype == leaf.grad.dtype == dtype
        found += [y.data.astype(np.float64), leaf.grad.data.astype(np.float64)]
    for half, exact in zip(found[:2], found[2:], strict=True):
        # Four roundings of float16, or its least number.
        np.testing.assert_allclose(half, exact, 2.0**-9, atol=2.0**-24)


def test_the_running_statistics_of_float16() -> None:
    layer = L.BatchNorm()
    x = (np.arange(8).reshape(4, 2) * 300).astype(np.float16)
    for _ in range(200):
        layer(x)
    np.testing.assert_allclose(layer.avg_mean.data, x.astype(float).mean(0), 1e-2)
    np.testing.assert_allclose(layer.avg_var.data, x.astype(float).var(0, ddof=1), 1e-2)
    with not_training():
        y = layer(x)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data[:, 0], [-1.1626, -0.3875, 0.3875, 1.1626], 1e-2)
