"""Fifteen things that are wrong in the original DeZero, each by a test that it would not pass.

Each test says in a comment what the original does. The tests are few and small: what a module does in
full is in the file of tests that has its name.
"""

from __future__ import annotations

import copy
import gc
import math
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import dezero
import dezero.functions as F
import dezero.layers as L
from dezero import Function, Model, Parameter, Variable, as_array, no_grad, optimizers, utils
from dezero.contract import Array
from dezero.models import MLP


def of(*numbers: float) -> Variable:
    return Variable(np.array(numbers))


def gradient_of(y: Variable) -> Variable:
    assert y.grad is not None
    return y.grad


class SumAndDifference(Function):
    def forward(self, a: Array, b: Array) -> tuple[Array, ...]:
        return a + b, a - b

    def backward(self, gs: Variable, gd: Variable) -> tuple[Variable, ...]:
        return gs + gd, gs - gd


# Original: the gradient of the other output is None, or its weak reference is dead; backward crashes.
@pytest.mark.parametrize("dropped", [False, True])
def test_01_an_output_that_nothing_depends_on(dropped: bool) -> None:
    a, b = of(3.0), of(2.0)
    outputs = SumAndDifference()(a, b)
    difference = outputs[1]
    if dropped:
        del outputs
    difference.backward()
    assert (float(gradient_of(a)), float(gradient_of(b))) == (1.0, -1.0)


# Original: p.grad is q.grad, so what a hook does to the one, it does to the other, too.
def test_02_gradients_do_not_alias() -> None:
    p, q = Parameter(np.array([1.0, 2.0])), Parameter(np.array([3.0, 4.0]))
    (p + q).backward()
    assert p.grad is not q.grad
    optimizers.WeightDecay(0.5)([p, q])
    assert gradient_of(p).data.tolist() == [1.5, 2.0]
    assert gradient_of(q).data.tolist() == [2.5, 3.0]


# Original: the gradient of a sum is a view of one element, by broadcasting, and is read-only.
def test_02_a_gradient_is_writable() -> None:
    p = Parameter(np.ones(3))
    F.sum(p).backward()
    gradient_of(p).data[0] = 7.0
    assert gradient_of(p).data.tolist() == [7.0, 1.0, 1.0]


# Original: there is no creator, whose attributes are asked for all the same: AttributeError.
def test_03_backward_on_a_leaf_and_on_what_was_not_recorded() -> None:
    leaf = of(1.0, 2.0)
    leaf.backward()
    assert gradient_of(leaf).data.tolist() == [1.0, 1.0]
    x = of(3.0)
    with no_grad():
        y = x * x
    y.backward()
    assert x.grad is None


class Wrong(Function):
    """A user's function whose rule returns what it was told to."""

    def __init__(self, returned: object) -> None:
        self.returned = returned

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a + b)

    def backward(self, gy: Variable) -> Variable:
        return self.returned  # type: ignore[return-value]  # the fault


# Original: a missing gradient is passed over by zip, an array or a wrong shape is stored as it is.
@pytest.mark.parametrize(
    ("returned", "error", "said"),
    [
        (of(1.0, 1.0), ValueError, "Wrong.backward returned 1 gradients for 2 inputs"),
        ((of(1.0, 1.0), np.ones(2)), TypeError, "Wrong.backward returned ndarray for input 1"),
        (
            (of(1.0, 1.0), of(1.0, 1.0, 1.0)),
            ValueError,
            r"the gradient of input 1 has shape \(3,\); expected \(2,\)",
        ),
    ],
)
def test_04_what_a_rule_returns_is_checked(returned: object, error: type[Exception], said: str) -> None:
    a, b = of(1.0, 2.0), of(3.0, 4.0)
    with pytest.raises(error, match=said):
        Wrong(returned)(a, b).backward()
    assert a.grad is None
    assert b.grad is None


# Original: the switch is one attribute of a class, so all threads lose their graphs.
def test_05_no_grad_is_of_its_thread() -> None:
    recorded: list[bool] = []

    def compute() -> None:
        recorded.append((of(1.0) * 2.0).creator is not None)

    with no_grad():
        other = threading.Thread(target=compute)
        other.start()
        other.join()
    assert recorded == [True]


# Original: the switch stays off for as long as the generator waits.
def test_05_a_suspended_generator_keeps_no_grad_to_itself() -> None:
    def values() -> Iterator[Variable]:
        with no_grad():
            yield of(1.0) * 2.0
            yield of(1.0) * 3.0

    waiting = values()
    assert next(waiting).creator is None
    assert (of(1.0) * 2.0).creator is not None
    assert next(waiting).creator is None


def calls_in(action: Callable[[], object]) -> int:
    """How many functions are called, those in C included: a measure of work that takes no clock."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def balanced_sum(terms: int) -> Variable:
    level = [of(1.0) for _ in range(terms)]
    while len(level) > 1:
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


# Original: the list of waiting functions is sorted at every push: n pushes times n log n comparisons,
# 0.48, 1.23 and 4.9 s for 2048, 4096 and 8192 terms.
def test_06_the_work_of_backward_grows_with_the_graph() -> None:
    few, many = (calls_in(balanced_sum(terms).backward) for terms in (256, 1024))
    assert few > 256
    assert many < 4.5 * few


# Original: a layer that was called holds weak references, which pickle refuses: TypeError.
def test_07_a_model_that_was_called_is_pickled_and_copied() -> None:
    model, x = MLP((3, 2)), np.ones((1, 4), np.float32)
    y = model(x)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(twin(x).data, y.data)


# Original: the graph of the gradients and the variables hold each other: about 40 objects a run.
def test_08_create_graph_leaves_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            x = of(1.0, 2.0)
            y = F.sum(F.sin(x) * x)
            y.backward(create_graph=True)
            del x, y
        assert gc.collect() == 0
    finally:
        gc.enable()


# Original: a weight is multiplied by an np.float64, and Python numbers become arrays of float64.
def test_09_float32_stays_float32() -> None:
    x = np.ones((4, 3), np.float32)
    images = np.ones((1, 2, 4, 4), np.float32)
    for layer, given in ((L.Linear(5), x), (L.RNN(5), x), (L.LSTM(5), x), (L.Conv2d(3, 2), images)):
        y = F.mean(layer(given) * 2.0 + 1.0)
        y.backward()
        parameters = [p for p in layer.params() if p.grad is not None]
        assert y.dtype == np.float32
        assert parameters
        assert {p.dtype for p in parameters} == {np.dtype(np.float32)}
        assert {gradient_of(p).dtype for p in parameters} == {np.dtype(np.float32)}


# Original: the exponent is taken for a number, and ** has no reflected form: it crashes.
def test_10_the_exponent_is_a_variable() -> None:
    x, c = of(2.0), of(3.0)
    y = x**c
    y.backward()
    assert float(gradient_of(x)) == 12.0
    assert float(gradient_of(c)) == pytest.approx(8.0 * math.log(2.0))
    assert float(2.0**c) == 8.0


def times(b: Variable, a: Array) -> Variable:
    return F.matmul(a, b)


# Original: the rule transposes, which a vector does not feel: a crash, or a matrix of wrong numbers;
# np.dot of two batches has four axes.
@pytest.mark.parametrize(
    "shapes",
    [((2, 3), (3,)), ((3,), (3, 2)), ((3,), (3,)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4))],
)
def test_10_matmul_is_that_of_numpy(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    y = F.matmul(a, b)
    assert y.shape == np.matmul(a, b).shape
    assert np.allclose(y.data, np.matmul(a, b))
    assert utils.gradient_check(F.matmul, a, b)
    assert utils.gradient_check(times, b, a)


# Original: the shape in which the rule compares, or inserts an axis, is wrong for a negative axis.
def test_10_negative_axes() -> None:
    x = Variable(np.array([[1.0, 5.0, 2.0], [4.0, 3.0, 6.0]]))
    F.sum(F.max(x, axis=-1)).backward()
    assert gradient_of(x).data.tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert F.expand_dims(x, -1).shape == (2, 3, 1)
    assert F.expand_dims(x, -2).shape == (2, 1, 3)


# Original: it sums over the axes that it can, and returns something of another shape.
@pytest.mark.parametrize("shape", [(2,), (2, 2), (3, 3), (2, 3, 1)])
def test_10_sum_to_an_impossible_shape(shape: tuple[int, ...]) -> None:
    x = np.ones((2, 3))
    for sum_to in (F.sum_to, utils.sum_to):
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            sum_to(x, shape)


# Original: the probabilities are clipped at 1e-15, so the loss cannot exceed 34.5.
def test_11_softmax_cross_entropy_of_large_scores() -> None:
    x = Variable(np.array([[1000.0, -1000.0], [-1000.0, 1000.0]]))
    loss = F.softmax_cross_entropy(x, np.array([1, 1]))
    loss.backward()
    assert float(loss) == 1000.0
    assert gradient_of(x).data.tolist() == [[0.5, -0.5], [0.0, 0.0]]


# Original: tanh(x / 2) / 2 + 1 / 2 is exactly zero from -37 on, and so is its derivative.
def test_11_sigmoid_far_from_zero() -> None:
    x = of(-100.0, 100.0)
    y = F.sigmoid(x)
    y.backward()
    assert y.data == pytest.approx([math.exp(-100.0), 1.0], rel=1e-14, abs=0.0)
    assert gradient_of(x).data == pytest.approx([math.exp(-100.0)] * 2, rel=1e-14, abs=0.0)


# Original: it subtracts the largest, and infinity from itself is NaN.
def test_11_logsumexp_of_infinities() -> None:
    x = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 2.0], [1e4, 1e4]])
    assert utils.logsumexp(x).ravel().tolist() == [-np.inf, np.inf, 2.0, 1e4 + math.log(2.0)]


# Original: the rule of the weight's gradient reads a name that does not exist: a crash.
def test_12_the_gradient_of_a_convolutions_weight_gradient() -> None:
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((1, 2, 4, 4)), rng.standard_normal((3, 2, 2, 2))

    def penalty(x: Variable) -> Variable:
        weight = Variable(W)
        y = F.sum(F.conv2d(x, weight, stride=1, pad=1) ** 2)
        return F.sum(dezero.grad(y, weight, create_graph=True) ** 2) / 1e4

    assert utils.gradient_check(penalty, x)


# Original: the rule takes the deviations of the batch for constants when it is differentiated in turn.
def test_12_the_second_derivative_of_batch_normalisation() -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.standard_normal((5, 2)), rng.standard_normal(2), rng.standard_normal(2)

    def penalty(x: Variable) -> Variable:
        y = F.sum(F.batch_norm(x, gamma, beta, np.zeros(2), np.ones(2)) ** 3)
        return F.sum(dezero.grad(y, x, create_graph=True) ** 2)

    assert utils.gradient_check(penalty, x)


NAMES_IN_ORDER = """
import numpy as np
from dezero import Layer, Parameter
layer = Layer()
for name in ("W", "b", "gamma", "beta", "U", "V"):
    setattr(layer, name, Parameter(np.ones(1), name))
print(*[p.name for p in layer.params()])
"""


# Original: the names are in a set of strings, the order of which Python draws anew for each process.
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_13_the_order_of_parameters(seed: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NAMES_IN_ORDER],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.stdout.split() == ["W", "b", "gamma", "beta", "U", "V"], ran.stderr


# Original: the shared layer's parameters come twice, and each update moves them twice.
def test_13_a_shared_layer_is_updated_once() -> None:
    class Tied(Model):
        def __init__(self) -> None:
            self.first = self.second = L.Linear(1, nobias=True, in_size=1)

        def forward(self, x: Variable) -> Variable:
            return self.second(self.first(x))

    model = Tied()
    (W,) = model.params()
    W.data = np.array([[2.0]])
    model(np.array([[1.0]])).backward()
    optimizers.SGD(0.125).setup(model).update()
    assert W.data.tolist() == [[1.5]]


# Original: whatever the file holds becomes the parameter's data.
def test_14_load_weights_refuses_a_wrong_shape(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    L.Linear(2, in_size=3).save_weights(file)
    layer = L.Linear(2, in_size=4)
    before = layer.W.data.copy()
    with pytest.raises(ValueError, match=r"W: shape \(3, 2\), expected \(4, 2\)"):
        layer.load_weights(file)
    assert np.array_equal(layer.W.data, before)


# Original: None is written as a pickled object, which cannot be read without allow_pickle.
def test_14_weights_that_are_not_there_are_not_saved(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    with pytest.raises(ValueError, match="W: no data yet"):
        L.Linear(2).save_weights(file)
    assert not file.exists()


WITHOUT_THEM = """
import sys
sys.modules["matplotlib"] = sys.modules["PIL"] = None
import dezero, dezero.datasets, dezero.models, dezero.transforms
import numpy as np
try:
    dezero.transforms.ToPIL()(np.zeros((3, 2, 2), np.uint8))
except ImportError as error:
    print(error)
"""


# Original: the import of datasets fails without Matplotlib, that of transforms without Pillow.
def test_15_importing_needs_neither_matplotlib_nor_pillow() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_THEM],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("ToPIL needs pillow")
    assert "pip install pillow" in ran.stdout
