"""Layers: what is registered, what a call gives and leaves, what is drawn, and files of weights."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import weakref
import zipfile
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import dezero.functions as F
from dezero import Parameter, Variable, no_grad, test_mode, utils
from dezero.contract import Array
from dezero.graph import has_data
from dezero.layers import (
    LSTM,
    RNN,
    BatchNorm,
    Conv2d,
    Deconv2d,
    EmbedID,
    Layer,
    LayerNorm,
    Linear,
)

test_mode.__test__ = False  # type: ignore[attr-defined] # pytest would collect it by its name


@pytest.fixture
def no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def seed() -> None:
    np.random.seed(0)


def ones(*shape: int, dtype: Any = np.float32) -> Array:
    return np.ones(shape, dtype)


def anything(x: object) -> Any:
    """The same, of which no checker knows what it is."""
    return x


class Net(Layer):
    def __init__(self, hidden: int = 4, out: int = 2) -> None:
        self.l1 = Linear(hidden)
        self.l2 = Linear(out)

    def forward(self, x: Variable, scale: float = 1.0) -> Variable:
        return self.l2(F.tanh(self.l1(x))) * scale


class Two(Layer):
    def forward(self, x: Variable) -> tuple[Variable, Variable]:
        return x * 2, x * 3


class One(Layer):
    def forward(self, x: Variable) -> tuple[Variable]:
        return (x * 2,)


class Untyped(Layer):
    def forward(self, *xs: Any) -> Any:
        return self.given

    def __init__(self, given: object) -> None:
        self.given = given


# ---------------------------------------------------------------------------------- names, registration


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (Linear, ["out_size", "nobias=False", "dtype=float32", "in_size=None"]),
        *[
            (
                layer,
                [
                    "out_channels",
                    "kernel_size",
                    "stride=1",
                    "pad=0",
                    "nobias=False",
                    "dtype=float32",
                    "in_channels=None",
                ],
            )
            for layer in (Conv2d, Deconv2d)
        ],
        (RNN, ["hidden_size", "in_size=None"]),
        (LSTM, ["hidden_size", "in_size=None"]),
        (EmbedID, ["in_size", "out_size", "dtype=float32"]),
        (BatchNorm, []),
        (LayerNorm, ["size=None", "eps=1e-05", "dtype=float32"]),
        (Layer, []),
    ],
)
def test_what_the_constructors_take(layer: type[Layer], parameters: list[str]) -> None:
    if layer is Layer:
        assert isinstance(Layer(), Layer)
        return
    found: list[str] = []
    for parameter in inspect.signature(layer).parameters.values():
        default: Any = parameter.default
        shown = getattr(default, "__name__", default)
        found.append(parameter.name if default is parameter.empty else f"{parameter.name}={shown}")
    assert found == parameters


def test_attributes_are_registered_in_order() -> None:
    layer: Any = Layer()
    first, second = Parameter(ones(1)), Parameter(ones(2))
    layer.z = first
    layer.inner = Linear(2, in_size=1)
    layer.a = second
    layer.text = "no parameter"
    layer.variable = Variable(ones(1))
    assert list(layer._params) == ["z", "inner", "a"]
    assert [p.shape for p in layer.params()] == [(1,), (1, 2), (2,), (2,)]


def test_replacing_and_deleting_an_attribute() -> None:
    net: Any = Net()
    old = net.l1
    net.l1 = Linear(7)
    assert old.W not in list(net.params())
    assert net.l1.W in list(net.params())
    del net.l2
    assert list(net._params) == ["l1"]
    net.l1 = "no layer"
    assert list(net.params()) == []


def test_what_is_shared_comes_once() -> None:
    net: Any = Net()
    net.l2 = net.l1
    tied = Linear(3, in_size=3)
    net.tied = tied
    net.other = anything(Layer())
    net.other.W = tied.W
    net.other.parent = net
    assert list(net.params()) == [net.l1.W, net.l1.b, tied.W, tied.b]


def test_the_order_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from dezero.layers import LSTM, Layer, Linear\n"
        "net = Layer()\n"
        "for name in 'qwertyuiop': setattr(net, name, Linear(3))\n"
        "net.lstm = LSTM(2)\n"
        "print(list(net._places()))\n"
        "assert [net._places()[k].parameter for k in net._places()] == list(net.params())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        ).stdout
        for hash_seed in "123"
    }
    assert len(outputs) == 1
    assert outputs.pop().decode().startswith("['q/W', 'q/b', 'w/W', 'w/b', 'e/W'")


def test_cleargrads_and_devices() -> None:
    net = Net()
    F.sum(net(ones(3, 5))).backward()
    assert all(p.grad is not None for p in net.params())
    net.cleargrads()
    assert all(p.grad is None for p in net.params())
    net.to_cpu()
    with pytest.raises(RuntimeError, match="Net: dezero computes with NumPy alone"):
        net.to_gpu()


# ------------------------------------------------------------------------------------------------ Calls


def test_what_a_call_gives() -> None:
    x = ones(3, 5)
    y = assert_type(Net()(x), Variable)
    assert y.shape == (3, 2)
    a, b = assert_type(Two()(x), tuple[Variable, Variable])
    assert (a.data[0, 0], b.data[0, 0]) == (2, 3)
    assert assert_type(One()(x), Variable).shape == (3, 5)  # as DeZero unpacks a tuple of one
    some: list[Layer] = [Net()]
    assert_type(some[0](x), Variable | tuple[Variable, ...])
    function: Callable[[Variable], Variable] = Linear(2)
    assert function(Variable(x)).shape == (3, 2)


def test_constants_become_variables_and_settings_pass() -> None:
    class Seen(Layer):
        def forward(self, x: Variable, n: Variable, k: int = 1) -> Variable:
            assert type(x) is Variable
            assert type(n) is Variable
            return x * n * k

    assert Seen()(ones(2), 3.0, k=5).data.tolist() == [15, 15]
    variable = Variable(ones(2))
    layer = Two()
    layer(variable)
    assert layer.inputs[0]() is variable


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "NoneType"),
        ([Variable(ones(1))], "list"),
        (ones(1), "ndarray"),
        ((Variable(ones(1)), None), "NoneType"),
        ((), r"\(\)"),
    ],
)
def test_forward_must_return_variables(given: object, shown: str) -> None:
    layer = Untyped(given)
    with pytest.raises(TypeError, match=f"Untyped.forward returned {shown}; expected a Variable"):
        layer(ones(1))
    assert not hasattr(layer, "outputs")


def test_errors_of_a_call() -> None:
    with pytest.raises(TypeError, match="Net: input 1: str is no operand"):
        Net()(ones(1), anything("x"))
    with pytest.raises(NotImplementedError, match="Layer has no forward"):
        Layer()(ones(1))


def test_inner_outputs_live_as_long_as_the_output(no_collector: None) -> None:
    net = Net()
    y = net(ones(3, 5))
    hidden = net.l1.outputs[0]()
    assert hidden is not None
    assert net.l1.inputs[0]() is net.inputs[0]()
    assert net.outputs[0]() is y
    assert net.l2.outputs[0]() is not y
    del hidden
    F.sum(y).backward(retain_grad=True)
    hidden = net.l1.outputs[0]()
    assert hidden is not None
    assert hidden.grad is not None
    slope = 1 - np.tanh(hidden.data) ** 2
    np.testing.assert_allclose(hidden.grad.data, slope * net.l2.W.data.sum(1), rtol=1e-5)
    del hidden
    net.cleargrads()
    del y
    assert net.l1.outputs[0]() is None
    assert net.l1.inputs[0]() is None
    assert net.outputs[0]() is None


def test_a_gradient_with_a_graph_frees_them_all_the_same(no_collector: None) -> None:
    net, x = Net(), Variable(ones(3, 5))
    y = F.tanh(net(x))
    y.backward(retain_grad=True, create_graph=True)
    hidden = net.l1.outputs[0]
    assert hidden() is None  # the output of net was held by nobody
    y = net(x)
    y.backward(retain_grad=True, create_graph=True)  # now x.grad leads to all of the graph
    hidden, creator = net.l1.outputs[0], weakref.ref(y.creator)
    assert hidden() is not None
    del y
    net.cleargrads()
    assert hidden() is None
    x.cleargrad()
    assert creator() is None


def test_what_is_younger_than_the_output_is_not_held_by_it(no_collector: None) -> None:
    class Odd(Layer):
        def __init__(self) -> None:
            self.l1, self.l2 = Linear(3), Linear(3)

        def forward(self, x: Variable) -> Variable:
            y = self.l1(x)
            self.l2(y)  # made of the output, which therefore must not hold it
            return y

    odd = Odd()
    y = odd(ones(2, 3))
    assert odd.l2.outputs[0]() is None
    array = weakref.ref(y.data)
    del y
    assert array() is None


def test_under_no_grad_nothing_is_held(no_collector: None) -> None:
    net = Net()
    with no_grad():
        y = net(ones(3, 5))
    assert net.outputs[0]() is y
    assert net.l1.outputs[0]() is None


def test_a_call_that_fails_leaves_no_trace() -> None:
    class Fails(Layer):
        def __init__(self) -> None:
            self.l1 = Linear(3)

        def forward(self, x: Variable) -> Variable:
            raise KeyError(self.l1(x).shape)

    net = Net()
    with pytest.raises(KeyError):
        Fails()(ones(2, 3))
    y = net(ones(3, 5))  # a call of its own, within none
    assert net.l1.outputs[0]() is not None
    assert y.shape == (3, 2)


def through_pickle(x: object) -> Any:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_a_called_layer_is_copied_and_pickled(copied: Callable[[Any], Any]) -> None:
    net: Any = Net()
    net.lstm = anything(LSTM(3))
    net.tied = net.l1.W
    net.empty = Linear(4)
    x = ones(3, 5)
    y = net(x)
    net.lstm(x)
    F.sum(y).backward()
    twin = copied(net)
    np.testing.assert_array_equal(twin(x).data, y.data)
    assert twin.tied is twin.l1.W
    assert not has_data(twin.empty.W)
    for p, q in zip(net.params(), twin.params(), strict=True):
        assert p is not q
        assert p.name == q.name
        assert (p.grad is None) == (q.grad is None)
        if has_data(p):
            assert not np.shares_memory(p.data, q.data)
    assert twin.lstm.h.creator is None
    np.testing.assert_array_equal(twin.lstm.h.data, anything(net).lstm.h.data)
    assert twin.empty(x).shape == (3, 4)


# ---------------------------------------------------------------------------------------- What is drawn


def test_linear() -> None:
    layer = Linear(4, in_size=3)
    np.random.seed(0)
    drawn = np.random.randn(3, 4).astype(np.float32) * np.float32(math.sqrt(1 / 3))
    np.testing.assert_array_equal(layer.W.data, drawn)
    assert layer.b is not None
    assert layer.W.dtype == np.float32
    assert (layer.W.name, layer.b.name) == ("W", "b")
    assert layer.b.data.tolist() == [0, 0, 0, 0]
    y = layer(ones(2, 3))
    np.testing.assert_allclose(y.data, ones(2, 3) @ drawn, rtol=1e-6)
    assert y.dtype == np.float32
    assert layer(ones(5, 2, 3)).shape == (5, 2, 4)
    assert layer(ones(3)).shape == (4,)


def test_what_is_made_at_the_first_call() -> None:
    layer = Linear(4, nobias=True, dtype=np.float64)
    assert layer.b is None
    assert not has_data(layer.W)
    W = layer.W
    layer(ones(2, 3))
    assert layer.W is W
    assert W.dtype == np.float64
    assert (layer.in_size, W.shape) == (3, (3, 4))
    before = W.data
    layer(ones(2, 3))
    assert W.data is before
    np.random.seed(0)
    np.testing.assert_array_equal(W.data, np.random.randn(3, 4) * math.sqrt(1 / 3))


@pytest.mark.parametrize(("layer", "shape"), [(Conv2d, (5, 3, 2, 4)), (Deconv2d, (3, 5, 2, 4))])
def test_convolutions(layer: type[Conv2d | Deconv2d], shape: tuple[int, ...]) -> None:
    for made in (layer(5, (2, 4), in_channels=3), layer(5, (2, 4), stride=2, pad=1)):
        np.random.seed(0)
        x = ones(2, 3, 6, 6)
        y = made(x)
        assert made.b is not None
        np.random.seed(0)
        drawn = np.random.randn(*shape).astype(np.float32) * np.float32(math.sqrt(1 / 24))
        np.testing.assert_array_equal(made.W.data, drawn)
        assert made.W.dtype == np.float32
        assert (made.b.shape, made.in_channels) == ((5,), 3)
        f = F.conv2d if layer is Conv2d else F.deconv2d
        np.testing.assert_array_equal(y.data, f(x, made.W, made.b, made.stride, made.pad).data)
        assert y.dtype == np.float32
        np.random.seed(0)
    assert layer(5, 3, nobias=True).b is None


def test_embedding() -> None:
    layer = EmbedID(6, 3)
    np.random.seed(0)
    np.testing.assert_array_equal(layer.W.data, np.random.randn(6, 3).astype(np.float32))
    y = layer(np.array([[1, 5], [1, 0]]))
    np.testing.assert_array_equal(y.data, layer.W.data[[[1, 5], [1, 0]]])
    F.sum(y).backward()
    assert layer.W.grad is not None
    assert layer.W.grad.data[:, 0].tolist() == [1, 2, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Linear(0), ValueError, "Linear: out_size is 0; expected a positive integer"),
        (
            lambda: Linear(anything(2.0)),
            ValueError,
            "Linear: out_size is 2.0; expected a positive",
        ),
        (lambda: Linear(2, in_size=-1), ValueError, "Linear: in_size is -1; expected a positive"),
        (lambda: Linear(2, dtype=int), TypeError, "Linear: dtype is int64; expected a floating one"),
        (lambda: Conv2d(0, 3), ValueError, "Conv2d: out_channels is 0; expected a positive integer"),
        (lambda: Conv2d(2, (3, 0)), ValueError, "Conv2d: kernel_size is 0; expected a positive"),
        (lambda: Deconv2d(2, 3, in_channels=0), ValueError, "Deconv2d: in_channels is 0; expected"),
        (lambda: EmbedID(0, 2), ValueError, "EmbedID: in_size is 0; expected a positive integer"),
        (lambda: RNN(0), ValueError, "out_size is 0; expected a positive integer"),
        (lambda: LayerNorm(0), ValueError, "LayerNorm: size is 0; expected a positive integer"),
        (lambda: anything(Linear(2))._init_W(), RuntimeError, "Linear: in_size is not known yet"),
        (
            lambda: anything(Conv2d(2, 1))._init_W(),
            RuntimeError,
            "Conv2d: in_channels is not known",
        ),
        (
            lambda: Linear(2)(ones()),
            ValueError,
            r"Linear: x has shape \(\); expected \(…, at le",
        ),
        (lambda: Linear(2)(ones(3, 0)), ValueError, r"Linear: x has shape \(3, 0\); expected \(…, at"),
        (
            lambda: Linear(2, in_size=4)(ones(3, 5)),
            ValueError,
            r"Linear: x has shape \(3, 5\); expected \(…, 4\)",
        ),
        (
            lambda: Conv2d(2, 1)(ones(3, 5)),
            ValueError,
            r"Conv2d: x has shape \(3, 5\); expected \(N, at least 1, H, W\)",
        ),
        (
            lambda: Conv2d(2, 1, in_channels=3)(ones(1, 4, 5, 5)),
            ValueError,
            r"Conv2d: x has shape \(1, 4, 5, 5\); expected \(N, 3, H, W\)",
        ),
        (
            lambda: Deconv2d(2, 1, in_channels=3)(ones(1, 2, 5, 5)),
            ValueError,
            r"Deconv2d: x has shape \(1, 2, 5, 5\); expected \(N, 3, H, W\)",
        ),
        (
            lambda: BatchNorm()(ones(3)),
            ValueError,
            r"BatchNorm: x has shape \(3,\); expected \(N, at",
        ),
        (
            lambda: LayerNorm(4)(ones(2, 3)),
            ValueError,
            r"LayerNorm: x has shape \(2, 3\); expected \(…, 4\)",
        ),
    ],
)
def test_wrong_sizes(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("layer", [Linear(2), BatchNorm(), LayerNorm()])
def test_another_size_in_a_later_call(layer: Linear | BatchNorm | LayerNorm) -> None:
    layer(ones(2, 3))
    before = [p.data.copy() for p in layer.params()]
    with pytest.raises(ValueError, match=rf"{type(layer).__name__}: x has shape \(2, 4\); exp.*3"):
        layer(ones(2, 4))
    for p, old in zip(layer.params(), before, strict=True):
        np.testing.assert_array_equal(p.data, old)


# ---------------------------------------------------------------------------- Recurrence, normalisation


def test_rnn() -> None:
    for layer in (RNN(4), RNN(4, in_size=3)):
        assert layer.h2h.b is None
        x0, x1 = np.random.randn(2, 5, 3).astype(np.float32)
        h0 = layer(x0)
        h1 = layer(x1)
        assert layer.h is h1
        W, U = layer.x2h.W.data, layer.h2h.W.data
        assert (W.shape, U.shape) == ((3, 4), (4, 4))
        np.testing.assert_allclose(h0.data, np.tanh(x0 @ W), rtol=1e-5)
        np.testing.assert_allclose(h1.data, np.tanh(x1 @ W + h0.data @ U), rtol=1e-4)
        layer.reset_state()
        assert anything(layer).h is None
        np.testing.assert_array_equal(layer(x0).data, h0.data)


def test_a_state_of_another_batch() -> None:
    for layer in (RNN(4), LSTM(4)):
        layer(ones(5, 3))
        h = layer.h
        with pytest.raises(ValueError, match=r"x has shape \(1, 3\), and the state .* reset_state\(\)"):
            layer(ones(1, 3))
        assert layer.h is h
        layer.reset_state()
        layer(ones(1, 3))


@pytest.mark.parametrize("layer", [RNN(3, in_size=2), LSTM(3, in_size=2)])
def test_gradients_through_three_steps(layer: RNN | LSTM) -> None:
    xs = np.random.randn(3, 4, 2)
    weights = np.random.randn(3, 4, 3)
    for p in layer.params():
        p.data = p.data.astype(np.float64)

    def loss() -> Variable:
        layer.reset_state()
        terms = [F.sum(layer(x) * w) for x, w in zip(xs, weights, strict=True)]
        return terms[0] + terms[1] + terms[2]

    layer.cleargrads()
    loss().backward()
    for p in layer.params():
        assert p.grad is not None
        at = p.data

        def f(x: Array, p: Parameter = p) -> Variable:
            p.data = x
            return loss()

        expected = utils.numerical_grad(f, at)
        p.data = at
        np.testing.assert_allclose(p.grad.data, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", [RNN, LSTM])
def test_truncated_back_propagation_frees_what_is_cut(
    make: type[RNN | LSTM], no_collector: None
) -> None:
    layer = make(3)
    output = Linear(1)
    states: list[weakref.ref[Array]] = []
    loss = Variable(np.zeros((), np.float32))
    for step in range(1, 13):
        y = output(layer(ones(2, 5)))
        assert layer.h is not None
        states.append(weakref.ref(layer.h.data))
        loss = loss + F.sum(y * y)
        if step % 4 == 0:
            layer.cleargrads()
            loss.backward()
            loss.unchain_backward()
            alive = [state() is not None for state in states]
            assert alive == [False] * (step - 1) + [True]
            assert layer.h.creator is None
            loss = Variable(np.zeros((), np.float32))


def test_batch_norm() -> None:
    layer = BatchNorm()
    x = np.random.randn(50, 3).astype(np.float32) * 4 + 2
    y = layer(x)
    assert [p.name for p in layer.params()] == ["avg_mean", "avg_var", "gamma", "beta"]
    assert {p.dtype for p in layer.params()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(y.data.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.data.std(0), 1, atol=1e-4)
    np.testing.assert_allclose(layer.avg_mean.data, 0.1 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.avg_var.data, 0.9 + 0.1 * x.var(0, ddof=1), rtol=1e-4)
    F.sum(y * y * y).backward()
    assert layer.avg_mean.grad is None
    assert layer.avg_var.grad is None
    assert layer.gamma.grad is not None
    mean, var = layer.avg_mean.data.copy(), layer.avg_var.data.copy()
    with test_mode():
        y = layer(x)
    np.testing.assert_array_equal(layer.avg_mean.data, mean)
    np.testing.assert_array_equal(layer.avg_var.data, var)
    np.testing.assert_allclose(y.data, (x - mean) / np.sqrt(var + 2e-5), rtol=1e-4, atol=1e-5)
    assert layer(ones(2, 3, 4, 4)).shape == (2, 3, 4, 4)
    integers = BatchNorm()
    assert integers(np.arange(6).reshape(3, 2)).dtype == np.float64
    assert integers.avg_mean.dtype == np.float64
    assert BatchNorm()(np.arange(6, dtype=np.uint8).reshape(3, 2)).dtype == np.float32


def test_running_statistics_of_a_file_are_widened_from_float16(tmp_path: Path) -> None:
    x = np.array([[-2000.0], [2000.0]], np.float16)
    one, half = np.ones(1, np.float16), np.zeros(1, np.float16)
    np.savez(tmp_path / "w.npz", avg_mean=half, avg_var=one, gamma=one, beta=half)
    layer = BatchNorm()
    layer.load_weights(tmp_path / "w.npz")
    assert layer(x).dtype == np.float16
    np.testing.assert_allclose(layer.avg_var.data, 0.9 + 0.1 * x.astype(float).var(0, ddof=1), 1e-6)


def test_layer_norm() -> None:
    x = np.random.randn(6, 5).astype(np.float32)
    for layer in (LayerNorm(5), LayerNorm()):
        y = layer(x)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.data.mean(1), 0, atol=1e-5)
        F.sum(y * y * y).backward()
        assert layer.gamma.grad is not None
        assert layer.beta.grad is not None
        assert layer.gamma.data.tolist() == [1] * 5
        assert layer.beta.data.tolist() == [0] * 5
    assert LayerNorm(dtype=np.float64)(x).dtype == np.float64


class Deep(Layer):
    def __init__(self) -> None:
        self.embed = EmbedID(7, 4)
        self.lstm = LSTM(3)
        self.bn = BatchNorm()
        self.ln = LayerNorm()
        self.fc = Linear(2)

    def forward(self, x: Variable) -> Variable:
        return self.fc(F.dropout(self.ln(self.bn(self.lstm(self.embed(x))))))


def test_float32_stays_float32_through_training() -> None:
    net = Deep()
    for _ in range(3):
        y = net(np.array([1, 2, 6]))
        assert y.dtype == np.float32
        loss = F.softmax_cross_entropy(y, np.array([0, 1, 1]))
        net.cleargrads()
        loss.backward()
        for p in net.params():
            assert p.dtype == np.float32
            assert p.grad is None or p.grad.dtype == np.float32
            if p.grad is not None:
                p.data -= 0.1 * p.grad.data
    assert all(p.dtype == np.float32 for p in net.params())


# ------------------------------------------------------------------------------------------------ Files


def saved(net: Layer, path: Path) -> Path:
    net.save_weights(path)
    return path


def test_keys_and_content(tmp_path: Path) -> None:
    net = Net()
    net(ones(3, 5))
    path = saved(net, tmp_path / "weights")
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == ["l1/W", "l1/b", "l2/W", "l2/b"]
        np.testing.assert_array_equal(archive["l1/W"], net.l1.W.data)
    assert list(tmp_path.iterdir()) == [path]
    again = tmp_path / "again"
    net.save_weights(str(again))
    assert again.read_bytes() == path.read_bytes()


def test_a_file_that_numpy_wrote(tmp_path: Path) -> None:
    net = Net()
    W = np.random.randn(5, 4).astype(np.float32)
    zeros = {"l1/b": ones(4), "l2/W": ones(4, 2), "l2/b": ones(2)}
    np.savez_compressed(tmp_path / "w.npz", allow_pickle=True, **{"l1/W": W, **zeros})
    net.load_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(net.l1.W.data, W)
    assert net(ones(3, 5)).shape == (3, 2)
    assert net.l1.in_size == 5


def test_names_that_numpy_would_take_for_its_own(tmp_path: Path) -> None:
    layer, twin = Layer(), Layer()
    for name in ("file", "allow_pickle", "args", "kwds", "arr_0"):
        setattr(layer, name, Parameter(np.random.randn(2)))
        setattr(twin, name, Parameter(None))
    twin.load_weights(saved(layer, tmp_path / "w"))
    for p, q in zip(layer.params(), twin.params(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_nothing_is_saved_without_data(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(b"old")
    net = Net()
    net.l1(ones(3, 5))
    with pytest.raises(ValueError, match=r"Net.save_weights: l2/W: no data yet"):
        net.save_weights(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class Full(OSError):
    pass


@pytest.mark.parametrize("place", ["save", "fsync", "replace"])
def test_an_interrupted_save_leaves_the_old_file(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net()
    net(ones(3, 5))
    path = saved(net, tmp_path / "w.npz")
    before = path.read_bytes()
    net.l2.W.data = net.l2.W.data + 1
    calls: list[None] = []
    write: Any = np.save

    def fail(*args: Any, **settings: Any) -> None:
        calls.append(None)
        if place == "save" and len(calls) < 3:
            write(*args, **settings)
        else:
            raise Full

    monkeypatch.setattr(np if place == "save" else os, place, fail)
    with pytest.raises(Full):
        net.save_weights(path)
    monkeypatch.undo()
    assert calls
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    net.save_weights(path)
    assert path.read_bytes() != before


def test_sizes_stand_before_the_arrays_of_a_file(tmp_path: Path) -> None:
    """Readers that go from array to array, as those in other languages, know no other place."""
    Linear(2, in_size=3).save_weights(tmp_path / "w.npz")
    with zipfile.ZipFile(tmp_path / "w.npz") as archive:
        assert not any(member.flag_bits & 8 for member in archive.infolist())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_takes_weights(tmp_path: Path) -> None:
    layer, twin = Linear(2, in_size=3), Linear(2, in_size=3)
    layer.save_weights(os.devnull)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    layer.save_weights(path)
    (tmp_path / "w").write_bytes(os.read(reader, 1 << 16))
    os.close(reader)
    twin.load_weights(tmp_path / "w")
    np.testing.assert_array_equal(twin.W.data, layer.W.data)


def test_all_that_does_not_fit_is_listed_and_nothing_is_loaded(tmp_path: Path) -> None:
    other: Any = Net(hidden=3)
    other(ones(2, 5))
    other.l2.b.data = other.l2.b.data.astype(np.float64)
    other.extra = Parameter(ones(1))
    del other.l1.b
    path = saved(other, tmp_path / "w.npz")
    net = Net()
    net.l1(ones(2, 5))
    before = [p.data for p in net.params()]
    with pytest.raises(ValueError, match=r"Net.load_weights: .*w\.npz does not fit") as caught:
        net.load_weights(path)
    assert str(caught.value).splitlines()[1:] == [
        "  l1/W: shape (5, 3), expected (5, 4)",
        "  l1/b: missing in the file",
        "  l2/b: elements of float64, expected float32",
        "  extra: not expected",
    ]
    for p, old in zip(net.params(), before, strict=True):
        assert p.data is old


@pytest.mark.parametrize(
    ("layer", "arrays", "lines"),
    [
        (Linear(4), {"W": ones(3, 5), "b": ones(4)}, ["W: shape (3, 5), expected (any, 4)"]),
        (
            Linear(4, nobias=True),
            {"W": ones(3, 4, dtype=np.float64)},
            ["W: elements of float64, expected float32"],
        ),
        (
            Conv2d(4, 3, nobias=True),
            {"W": ones(4, 9, 3, 2)},
            ["W: shape (4, 9, 3, 2), expected (4, any, 3, 3)"],
        ),
        (
            Deconv2d(4, (3, 2), nobias=True),
            {"W": ones(4, 9, 3, 2)},
            ["W: shape (4, 9, 3, 2), expected (any, 4, 3, 2)"],
        ),
        (
            LayerNorm(),
            {"gamma": ones(3), "beta": ones(1, 3)},
            ["beta: shape (1, 3), expected (3,)"],
        ),
        (
            LayerNorm(),
            {"gamma": ones(1, 3), "beta": ones(4)},
            ["gamma: shape (1, 3), expected (any,)"],
        ),
        (LayerNorm(), {"gamma": ones(3), "beta": ones(4)}, ["beta: shape (4,), expected (3,)"]),
        (
            BatchNorm(),
            {
                "avg_mean": np.zeros(3, np.int64),
                "avg_var": ones(4),
                "gamma": np.array(["a", "b", "c"]),
                "beta": np.zeros(2, np.complex128),
            },
            [
                "avg_mean: elements of int64, expected floating ones",
                "avg_var: shape (4,), expected (3,)",
                "gamma: elements of <U1, expected floating ones",
                "beta: shape (2,), expected (3,); elements of complex128, expected floating ones",
            ],
        ),
    ],
)
def test_layers_know_what_their_parameters_will_be(
    layer: Layer, arrays: dict[str, Array], lines: list[str], tmp_path: Path
) -> None:
    source = Layer()
    for name, array in arrays.items():
        setattr(source, name, Parameter(array))
    with pytest.raises(ValueError, match="does not fit") as caught:
        layer.load_weights(saved(source, tmp_path / "w"))
    assert str(caught.value).splitlines()[1:] == ["  " + line for line in lines]
    assert not has_data(next(layer.params()))


def test_lengths_are_common_within_a_layer_not_among_layers(tmp_path: Path) -> None:
    net, other = Layer(), Layer()
    for size, name in enumerate(("first", "second"), 3):
        setattr(net, name, BatchNorm())
        setattr(other, name, BatchNorm())
        getattr(other, name)(ones(2, size, dtype=np.float64))
    net.load_weights(saved(other, tmp_path / "w"))
    assert [p.shape for p in net.params()] == [(3,)] * 4 + [(4,)] * 4


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, W=np.array([None], object), b=ones(2))
    layer = Linear(2)
    with pytest.raises(ValueError, match="W: an array of objects, which would be unpickled; expected"):
        layer.load_weights(path)
    assert layer.b is not None
    assert layer.b.data.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (281474976710656,), }",
            "W: 8 bytes, expected the 1125899906842624 of float32[281474976710656]",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
            "W: 8 bytes, expected the 4 of float32[1]",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,", "W: "),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -1), }", "W: "),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (10**30, 8), }", "W: "),
        ("(" * 300, "W: "),
    ],
)
def test_headers_that_are_wrong(header: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    text = header.encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("W.npy", member)
    with pytest.raises(ValueError, match=re.escape(message)):
        Linear(2, nobias=True).load_weights(path)


def refused(layer: Layer, path: Path, message: str) -> None:
    """A ValueError, and no memory given out on the word of the file."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=message):
        layer.load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def npy(shape: str) -> bytes:
    """What a member of this shape begins with."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize(
    ("name", "header", "message"),
    [
        ("W.npy", npy("(2097152, 2)"), r"W: shape \(2097152, 2\), expected \(1, 2\)"),
        ("W.npy", npy("(1, 2)"), "W: 16777216 bytes, expected the 8 of float32"),
        ("b.npy", npy("(4194304,)"), "b: not expected"),
        ("b.npy", b"", "b: no array"),
        ("W.npy", b"\x93NUMPY\x02\x00\x00\x00\xff\x00", "W: "),  # of 16 MB, it says
    ],
)
def test_what_does_not_fit_is_not_read(
    method: int, name: str, header: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, header + bytes(2**24))
    refused(Linear(2, nobias=True, in_size=1), path, message)


def test_a_size_that_is_not_true(tmp_path: Path) -> None:
    """What an archive says of a member, there and in the list at the end, is its word only."""
    path = tmp_path / "w.npz"
    content = npy("(1, 2)") + bytes(2**24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("W.npy", content)
    told, said = (n.to_bytes(4, "little") for n in (len(content), len(npy("(1, 2)")) + 8))
    path.write_bytes(path.read_bytes().replace(told, said))
    refused(Linear(2, nobias=True, in_size=1), path, "W: Bad CRC-32")


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("W", "W.npy"):
            archive.writestr(name, npy("(1, 2)") + bytes(8))
    refused(Linear(2, nobias=True), path, r"\n  W: there 2 times$")


def test_what_numpy_does_not_pack_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("W.npy", npy("(1, 2)") + bytes(8))
    refused(Linear(2, nobias=True), path, "W: packed by method 14, expected NumPy's")


def test_arrays_by_columns_without_elements_and_of_no_axis(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    a = np.asfortranarray(np.random.randn(3, 4))
    np.savez_compressed(path, a=a, b=np.zeros((0, 3)), c=np.array(2.0))
    layer = Layer()
    for name in "abc":
        setattr(layer, name, Parameter(None))
    layer.load_weights(path)
    for parameter, expected in zip(layer.params(), (a, np.zeros((0, 3)), np.array(2.0)), strict=True):
        np.testing.assert_array_equal(parameter.data, expected, strict=True)
        assert parameter.data.flags.writeable


def test_versions_of_the_format(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    for version, fits in (((1, 0), True), ((2, 0), True), ((3, 0), False)):
        member = BytesIO()
        np.lib.format.write_array(member, ones(1, 2), version)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("W.npy", member.getvalue())
        layer = Linear(2, nobias=True)
        if fits:
            layer.load_weights(path)
            assert layer.W.data.tolist() == [[1, 1]]
        else:
            with pytest.raises(ValueError, match=re.escape("version (3, 0) of the format, expected")):
                layer.load_weights(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with pytest.raises(FileNotFoundError):
        Net().load_weights(path)
    for content in (b"", b"no zip", pickle.dumps({"W": 1})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Net.load_weights: .*w\.npz is no \.npz file"):
            Net().load_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "hello")
    with pytest.raises(ValueError, match="README: no array"):
        Net().load_weights(path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Linear(2, in_size=1).save_weights(tmp_path / "nowhere" / "w.npz")


@pytest.mark.parametrize("layer", [Conv2d(4, 9), Deconv2d(4, 9, pad=9)])
def test_a_convolution_that_cannot_be_done_settles_nothing(layer: Conv2d | Deconv2d) -> None:
    np.random.seed(3)
    with pytest.raises(ValueError, match=r"^(de)?conv2d: "):
        layer(np.ones((1, 5, 5, 3), np.float32))  # channels last, by mistake
    assert layer.in_channels is None
    assert not has_data(layer.W)
    assert np.random.rand() == np.random.RandomState(3).rand()  # none was drawn
    assert layer(np.ones((1, 3, 20, 20), np.float32)).shape[1] == 4
