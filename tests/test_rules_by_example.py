"""One small program for each way to call an operation: its value and its derivatives to second order.

Random programs find more; these find the common mistakes at once. Shapes are not square, no two
elements are equal, and no axis is the default one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.evaluation import evaluate
from dezero.verify.laws import LAWS
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial

A = np.array([[0.3, 0.7, 0.45], [0.6, 0.2, 0.8]])
B = np.array([[0.9, 0.15, 0.5], [0.35, 0.65, 0.25]])
ROW = np.array([0.3, 0.7, 0.45, 0.6, 0.2, 0.8, 1.1])
IMAGES = np.arange(1.0, 25.0).reshape(1, 2, 3, 4) ** 2 % 17 / 8
KERNELS = np.arange(1.0, 17.0).reshape(2, 2, 2, 2) ** 2 % 13 / 8
BATCH = np.arange(1.0, 25.0).reshape(2, 3, 4) ** 2 % 19 / 8

Row = tuple[str, list[Any], dict[str, Any]]

# fmt: off
ELEMENTWISE: list[Row] = [
    (name, [A], {})
    for name in (
        "identity", "neg", "reciprocal", "square", "sqrt", "exp", "expm1", "log", "log1p",
        "log2", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
        "tanh", "sigmoid", "softplus", "relu", "abs", "silu", "gelu",
    )
]
PAIRS: list[Row] = [
    (name, [A, B], {})
    for name in (
        "add", "sub", "mul", "div", "power", "maximum", "minimum",
        "mean_squared_error", "sigmoid_cross_entropy",
    )
]
# fmt: on
REDUCTIONS: list[Row] = [
    (name, [A], {"axis": axis, "keepdims": keepdims})
    for name in ("sum", "mean", "var", "max", "min", "prod", "logsumexp")
    for axis in (None, 0, 1, (0, 1))
    for keepdims in (False, True)
]
ALONG: list[Row] = [
    (name, [A], {"axis": axis})
    for name in ("cumsum", "softmax", "log_softmax", "flip")
    for axis in (0, 1, -1)
]
OTHERS: list[Row] = [
    ("pow", [A], {"c": 3.0}),
    ("leaky_relu", [A - 0.5], {"slope": 0.2}),
    ("clip", [A], {"x_min": 0.25, "x_max": 0.65}),
    ("where", [A, B], {"condition": A > B}),
    ("prod", [ROW], {"axis": 0}),
    ("prod", [ROW * [1, 1, 0, 1, 1, 1, 1]], {"axis": 0}),
    ("cumsum", [A], {"axis": None}),
    ("pad", [A], {"pad_width": ((1, 2), (0, 3))}),
    ("roll", [A], {"shift": 1, "axis": 1}),
    ("roll", [A], {"shift": 2, "axis": None}),
    ("transpose", [A], {"axes": None}),
    ("sum_to", [A], {"shape": (1, 3)}),
    ("broadcast_to", [A[0]], {"shape": (2, 3)}),
    ("get_item", [A], {"slices": (slice(None), np.array([2, 0, 2]))}),
    ("concatenate", [A, B[:, :1]], {"axis": 1}),
    ("stack", [A, B], {"axis": 1}),
    ("matmul", [A, B.T], {}),
    ("linear", [A, B.T, np.array([0.1, 0.4])], {}),
    ("layer_norm", [A, B[0], B[1]], {"eps": 0.5}),
    ("batch_norm", [A, B[0], B[1]], {"eps": 0.5}),
    ("batch_norm", [BATCH, B[0], B[1]], {"eps": 0.5}),
    ("huber", [A, B], {"delta": 0.3}),
    ("softmax_cross_entropy", [A], {"t": np.array([2, 0])}),
    ("binary_cross_entropy", [A, B], {}),
    ("conv2d", [IMAGES, KERNELS], {"stride": (1, 2), "pad": (1, 0)}),
    ("deconv2d", [IMAGES, KERNELS], {"stride": (2, 1), "pad": (0, 1)}),
    ("im2col", [IMAGES], {"kernel_size": (2, 3), "stride": (1, 2), "pad": (1, 0)}),
    ("pooling", [IMAGES], {"kernel_size": (2, 3), "stride": (1, 2), "pad": (1, 0)}),
    ("average_pooling", [IMAGES], {"kernel_size": (2, 3), "stride": (1, 2), "pad": (1, 0)}),
]


@pytest.mark.parametrize("law", ["value", "gradient", "second_order"])
@pytest.mark.parametrize(
    ("op", "operands", "attributes"), ELEMENTWISE + PAIRS + REDUCTIONS + ALONG + OTHERS
)
def test_an_operation(op: str, operands: list[Any], attributes: dict[str, Any], law: str) -> None:
    inputs = tuple(np.asarray(x, float) for x in operands)
    step = Step(op, tuple(range(len(inputs))), attributes)
    output = len(inputs)
    unseeded = Program(inputs, (step,), (output,), (np.ones(()),))
    shape = evaluate(unseeded)[output].shape
    seed = np.cos(np.arange(math.prod(shape))).reshape(shape)
    LAWS[law].check(Trial(DezeroEngine(), Program(inputs, (step,), (output,), (seed,))))
