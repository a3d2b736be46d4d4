"""The optimizers: worked steps, what an update leaves alone, the life of the states, hooks, errors."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import pickle
import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, assert_type

import numpy as np
import pytest

import dezero.functions as F
from dezero import Parameter, Variable, no_grad
from dezero.contract import Array
from dezero.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    ClipGrad,
    FreezeParam,
    MomentumSGD,
    Optimizer,
    WeightDecay,
)


class Params:
    """Something with parameters."""

    def __init__(self, *params: Parameter) -> None:
        self.listed = list(params)

    def params(self) -> Iterable[Parameter]:
        yield from self.listed


def param(
    value: object, grad: object = None, dtype: Any = np.float64, name: str | None = None
) -> Parameter:
    p = Parameter(np.array(value, dtype), name)
    if grad is not None:
        p.grad = Variable(np.array(grad, dtype))
    return p


def grad_of(p: Variable) -> Array:
    assert p.grad is not None
    return p.grad.data


def steps(optimizer: Optimizer, value: float, grads: Iterable[float]) -> list[float]:
    """Where a parameter of one element is after each of some gradients."""
    p = param(value)
    optimizer.setup(Params(p))
    found: list[float] = []
    for g in grads:
        p.grad = Variable(np.array(g))
        optimizer.update()
        found.append(float(p))
    return found


Make: TypeAlias = Callable[[], Optimizer]


def all_of(*makers: Make) -> tuple[Make, ...]:
    return makers


METHODS = all_of(SGD, MomentumSGD, AdaGrad, AdaDelta, Adam)
WITH_STATE = METHODS[1:]

# -------------------------------------------------------------------------------------- worked steps


def test_sgd() -> None:
    assert steps(SGD(lr=0.5), 1.0, [2.0, -4.0]) == [0.0, 2.0]


def test_momentum() -> None:
    # v = -1, then -0.5 + 2 = 1.5, then 0.75
    assert steps(MomentumSGD(lr=0.5, momentum=0.5), 1.0, [2.0, -4.0, 0.0]) == [0.0, 1.5, 2.25]


def test_momentum_has_the_learning_rate_inside() -> None:
    optimizer = MomentumSGD(lr=1.0, momentum=0.5)
    p = param(0.0, 1.0)
    optimizer.setup(Params(p)).update()
    optimizer.lr = 0.0
    optimizer.update()
    assert float(p) == -1.5  # outside, it would have stayed at -1


def test_adagrad() -> None:
    # h = 9, then 25
    found = steps(AdaGrad(lr=1.0, eps=1.0), 0.0, [3.0, 4.0])
    np.testing.assert_allclose(found, [-3 / 4, -3 / 4 - 4 / 6], rtol=1e-15)


def test_adadelta() -> None:
    # a = 2, b = 0, d = -√(1/3)·2; then a = 1 + 0, d = 0
    found = steps(AdaDelta(rho=0.5, eps=1.0), 1.0, [2.0, 0.0])
    np.testing.assert_allclose(found, [1 - 2 / math.sqrt(3)] * 2, rtol=1e-14)
    # the second step is longer for what the first has moved: b = ½ · 4/3, a = 1 + 2
    (_, last) = steps(AdaDelta(rho=0.5, eps=1.0), 1.0, [2.0, 2.0])
    np.testing.assert_allclose(last, found[0] - 2 * math.sqrt((2 / 3 + 1) / (3 + 1)), rtol=1e-14)


def test_adam() -> None:
    # m = g/2, v = 3/4 g², lr = √(3/4) / ½
    (found,) = steps(Adam(alpha=1.0, beta1=0.5, beta2=0.25, eps=1.0), 0.0, [2.0])
    root = math.sqrt(0.75)
    np.testing.assert_allclose(found, -(root / 0.5) * 1.0 / (2 * root + 1.0), rtol=1e-15)


def test_the_eps_of_adam_is_that_of_section_2() -> None:
    """It shows where a gradient is small next to eps: Algorithm 1 would step by alpha · g / eps."""
    (found,) = steps(Adam(alpha=1.0, beta1=0.5, beta2=0.99, eps=1.0), 0.0, [1e-9])
    np.testing.assert_allclose(found, -1e-9 * math.sqrt(1 - 0.99), rtol=1e-6)


def test_the_learning_rate_of_adam_follows_t() -> None:
    adam = Adam(alpha=2.0, beta1=0.5, beta2=0.75)
    assert (adam.t, adam.lr) == (0, 2.0 * 0.5 / 0.5)
    for t in (1, 2, 3):
        adam.setup(Params()).update()
        assert adam.t == t
        assert adam.lr == 2.0 * math.sqrt(1 - 0.75**t) / (1 - 0.5**t)
    adam.t = 10**9
    assert adam.lr == 2.0


@pytest.mark.parametrize("make", METHODS)
def test_the_defaults(make: Make) -> None:
    given: dict[type[Optimizer], dict[str, float]] = {
        SGD: {"lr": 0.01},
        MomentumSGD: {"lr": 0.01, "momentum": 0.9},
        AdaGrad: {"lr": 0.001, "eps": 1e-8},
        AdaDelta: {"rho": 0.95, "eps": 1e-6},
        Adam: {"alpha": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "t": 0},
    }
    optimizer = make()
    for name, value in given[type(optimizer)].items():
        assert getattr(optimizer, name) == value
    assert optimizer.target is None
    assert optimizer.hooks == []


@pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: MomentumSGD(0.1), lambda: AdaGrad(0.5),
                                  lambda: AdaDelta(eps=1e-2), lambda: Adam(0.1)])  # fmt: skip
def test_a_regression_is_fitted(make: Make) -> None:
    x = np.linspace(-1, 1, 20).reshape(20, 1)
    t = 3 * x - 1
    W, b = param([[0.0]]), param([0.0])
    optimizer = make().setup(Params(W, b))
    for _ in range(1500):
        W.cleargrad()
        b.cleargrad()
        F.mean(F.square(F.matmul(x, W) + b - t)).backward()
        optimizer.update()
    np.testing.assert_allclose([float(W), float(b)], [3, -1], atol=1e-2)


# ----------------------------------------------------------------------- what an update leaves alone


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_the_array_and_its_type_stay(make: Make, dtype: Any, shape: tuple[int, ...]) -> None:
    p = param(np.ones(shape), np.full(shape, 0.5), dtype)
    optimizer, data, gradient = make().setup(Params(p)), p.data, p.grad
    for _ in range(2):
        optimizer.update()
    assert p.data is data
    assert (p.dtype, p.shape) == (dtype, shape)
    assert p.grad is gradient
    assert np.all(grad_of(p) == 0.5)
    assert np.all(np.isfinite(p.data))
    for state in optimizer.states.values():
        assert all(s.shape == shape for s in state)
        assert all(s.dtype == max(np.dtype(dtype), np.dtype(np.float32)) for s in state)


def test_every_method_moves_against_the_gradient() -> None:
    for make in METHODS:
        p = param([1.0, 1.0], [0.5, -0.5], np.float32)
        make().setup(Params(p)).update()
        assert p.data[0] < 1 < p.data[1]


def test_of_zero_gradients_nothing_moves() -> None:
    for make in METHODS:
        for dtype in (np.float16, np.float32):
            p = param([1.0], [0.0], dtype)
            make().setup(Params(p)).update()
            np.testing.assert_array_equal(p.data, [1.0])


def test_a_learning_rate_of_numpy_does_not_widen_a_state() -> None:
    wide: list[Optimizer] = [
        MomentumSGD(np.float64(0.1), np.float64(0.9)),
        AdaDelta(np.float64(0.9), np.float64(1e-6)),
        Adam(beta1=np.float64(0.9), beta2=np.float64(0.99)),
    ]
    for optimizer in wide:
        p = param([1.0], [1.0], np.float32)
        optimizer.setup(Params(p)).update()
        assert p.dtype == np.float32
        assert {s.dtype for s in optimizer.states[p]} == {np.dtype(np.float32)}


def test_a_gradient_of_another_real_type_is_used_by_its_value() -> None:
    for dtype in (np.float64, np.int64, np.bool_):
        p = param([1.0], dtype=np.float32)
        p.grad = Variable(np.array([1], dtype))
        SGD(0.5).setup(Params(p)).update()
        assert p.dtype == np.float32
        np.testing.assert_array_equal(p.data, [0.5])


@pytest.mark.parametrize("make", METHODS)
def test_no_graph_is_made(make: Make) -> None:
    p = param([2.0, 3.0])
    node = p.node
    y = F.sum(p * p)
    y.backward()
    make().setup(Params(p)).update()
    assert (p.creator, p.generation, p.node) == (None, 0, node)


@pytest.mark.parametrize("make", METHODS)
def test_a_gradient_with_a_graph_is_used_by_its_value(make: Make) -> None:
    with_graph, plain = param([2.0, 3.0]), param([2.0, 3.0])
    F.sum(with_graph**3).backward(create_graph=True)
    F.sum(plain**3).backward()
    gx = with_graph.grad
    assert gx is not None
    assert gx.creator is not None
    for p in (with_graph, plain):
        optimizer = make().setup(Params(p))
        optimizer.add_hook(WeightDecay(0.1))
        optimizer.add_hook(ClipGrad(1.0))
        optimizer.update()
    np.testing.assert_array_equal(with_graph.data, plain.data)
    assert (with_graph.creator, with_graph.generation) == (None, 0)
    np.testing.assert_array_equal(gx.data, [12.0, 27.0])  # the hooks have not written into the graph


def test_it_makes_no_difference_whether_graphs_are_recorded() -> None:
    for make in METHODS:
        p, q = param([1.0], [2.0]), param([1.0], [2.0])
        make().setup(Params(p)).update()
        with no_grad():
            make().setup(Params(q)).update()
        np.testing.assert_array_equal(p.data, q.data)


def test_without_a_gradient_a_parameter_is_skipped() -> None:
    for make in METHODS:
        p, empty = param([1.0], [1.0]), Parameter(None)
        still = param([1.0])
        optimizer = make().setup(Params(still, p, empty))
        for hook in (WeightDecay(0.5), ClipGrad(0.5), FreezeParam(Params(empty))):
            optimizer.add_hook(hook)
        optimizer.update()
        np.testing.assert_array_equal(still.data, [1.0])
        assert still.grad is None
        assert still not in optimizer.states
        assert p.data[0] < 1


def test_a_shared_parameter_is_updated_once() -> None:
    p = param(1.0, 1.0)
    seen: list[list[Parameter]] = []
    optimizer = SGD(0.25).setup(Params(p, p, p))
    optimizer.add_hook(seen.append)
    optimizer.update()
    assert float(p) == 0.75
    assert seen == [[p]]


# ---------------------------------------------------------------------------------------- the states


@pytest.mark.parametrize("make", WITH_STATE)
def test_a_state_dies_with_its_parameter(make: Make) -> None:
    model = Params(param([1.0], [1.0]), param([2.0], [1.0]))
    optimizer = make().setup(model)
    optimizer.update()
    assert len(optimizer.states) == 2
    state = weakref.ref(optimizer.states[model.listed[0]][0])
    gc.disable()  # reference counting alone must do
    try:
        del model.listed[0]
        assert state() is None
        assert len(optimizer.states) == 1
    finally:
        gc.enable()


@pytest.mark.parametrize("make", WITH_STATE)
def test_a_reused_id_inherits_nothing(make: Make) -> None:
    optimizer, ids = make(), set[int]()
    if isinstance(optimizer, Adam):
        optimizer.beta1 = optimizer.beta2 = 0.5
    moved: set[float] = set()
    for _ in range(100):
        p = param(1.0, 1.0)
        ids.add(id(p))
        optimizer.setup(Params(p)).update()
        if isinstance(optimizer, Adam):
            optimizer.t = 0
        moved.add(float(p))
        del p
    assert len(ids) < 100, "no id came twice: the test has tested nothing"
    assert len(moved) == 1


def test_data_of_another_shape_begin_afresh() -> None:
    for make in WITH_STATE:
        p, fresh = param([1.0], [3.0]), param([[1.0, 2.0]], [[1.0, 1.0]])
        optimizer = make().setup(Params(p))
        optimizer.update()
        p.data, p.grad = fresh.data.copy(), Variable(np.ones((1, 2)))
        if isinstance(optimizer, Adam):
            optimizer.t = 0
        optimizer.update()
        make().setup(Params(fresh)).update()
        np.testing.assert_array_equal(p.data, fresh.data)


def test_data_of_another_type_keep_their_state() -> None:
    p = param([0.0], [1.0], np.float64)
    optimizer = MomentumSGD(1.0, 0.5).setup(Params(p))
    optimizer.update()
    p.data, p.grad = p.data.astype(np.float32), Variable(np.zeros(1, np.float32))
    optimizer.update()
    np.testing.assert_array_equal(p.data, [-1.5])
    assert {s.dtype for s in optimizer.states[p]} == {np.dtype(np.float32)}


def pickled(x: object) -> Any:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
@pytest.mark.parametrize("make", METHODS)
def test_a_copy_goes_on_where_it_was(make: Make, again: Callable[[object], Any]) -> None:
    model = Params(param([1.0, 2.0], [0.3, -0.2]), param([3.0]))
    optimizer = make().setup(model)
    optimizer.add_hook(WeightDecay(0.1))
    optimizer.update()
    twin_model, twin = again((model, optimizer))
    assert twin.target is twin_model
    assert set(twin.states) <= set(twin_model.listed)
    optimizer.update()
    for p, q in zip(model.listed, twin_model.listed, strict=True):
        assert p is not q
    assert not np.array_equal(model.listed[0].data, twin_model.listed[0].data)
    twin.update()
    np.testing.assert_array_equal(model.listed[0].data, twin_model.listed[0].data)


# --------------------------------------------------------------------------------------------- hooks


def test_weight_decay() -> None:
    p, still = param([1.0, -2.0], [0.5, 0.5]), param([1.0])
    WeightDecay(0.5)([p, still])
    np.testing.assert_array_equal(grad_of(p), [1.0, -0.5])
    np.testing.assert_array_equal(p.data, [1.0, -2.0])
    assert still.grad is None


def test_a_gradient_that_is_shared_decays_once() -> None:
    p, q = param([1.0], [1.0]), param([3.0])
    q.grad = p.grad
    WeightDecay(1.0)([p, q])
    assert (grad_of(p)[0], grad_of(q)[0]) == (2.0, 4.0)


def test_a_read_only_gradient_decays_and_is_clipped() -> None:
    p = param([1.0, 1.0])
    p.grad = Variable(np.broadcast_to(np.array(1.0), (2,)))
    WeightDecay(1.0)([p])
    np.testing.assert_array_equal(grad_of(p), [2.0, 2.0])
    p.grad = Variable(np.broadcast_to(np.array(3.0), (2,)))
    ClipGrad(1.0)([p])
    np.testing.assert_allclose(grad_of(p), [math.sqrt(0.5)] * 2, rtol=1e-6)


def test_hooks_keep_the_element_type() -> None:
    for hook in (WeightDecay(np.float64(0.5)), ClipGrad(np.float64(0.5))):
        for dtype in (np.float16, np.float32):
            p = param([1.0], [2.0], dtype)
            hook([p])
            assert grad_of(p).dtype == dtype
            p.grad = Variable(np.array([2]))
            hook([p])
            assert grad_of(p).dtype == dtype
            assert grad_of(p)[0] not in (0, 2)


def test_clip_takes_the_norm_of_all() -> None:
    p, q = param([0.0], [3.0]), param(0.0, 4.0)
    ClipGrad(1.0)([p, param(0.0), q])
    rate = 1 / (5 + 1e-6)
    np.testing.assert_allclose([grad_of(p)[0], grad_of(q)], [3 * rate, 4 * rate], rtol=1e-15)


def test_clip_leaves_what_is_short_enough() -> None:
    for max_norm in (5.1, 1e300, math.inf):
        p, q = param(0.0, 3.0), param(0.0, 4.0)
        before = p.grad
        ClipGrad(max_norm)([p, q])
        assert p.grad is before
        assert (float(grad_of(p)), float(grad_of(q))) == (3.0, 4.0)


def test_clip_of_nothing_and_of_zeros() -> None:
    for max_norm in (0.0, 1e-9, 1.0):
        ClipGrad(max_norm)([])
        p, empty = param([1.0], [0.0]), param(np.zeros((0, 2)), np.zeros((0, 2)))
        ClipGrad(max_norm)([p, empty])
        np.testing.assert_array_equal(grad_of(p), [0.0])
        assert grad_of(empty).shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_without_a_finite_norm_nothing_is_clipped(bad: float) -> None:
    p, q = param([0.0, 0.0], [bad, 3.0]), param(0.0, 4.0)
    ClipGrad(1.0)([p, q])
    np.testing.assert_array_equal(grad_of(p), [bad, 3.0])
    assert float(grad_of(q)) == 4.0


@pytest.mark.parametrize(
    ("dtype", "large"), [(np.float16, 6e4), (np.float32, 1e38), (np.float64, 1e300)]
)
def test_the_norm_does_not_overflow(dtype: Any, large: float) -> None:
    p = param([0.0, 0.0], [large, -large], dtype)
    ClipGrad(1.0)([p])
    np.testing.assert_allclose(grad_of(p), [math.sqrt(0.5), -math.sqrt(0.5)], rtol=1e-3)


def test_the_squares_of_small_gradients_count() -> None:
    p = param(np.zeros(100), np.full(100, 1e-4), np.float16)  # (1e-4)² is zero in float16
    ClipGrad(5e-4)([p])
    np.testing.assert_allclose(grad_of(p), np.full(100, 5e-5), rtol=5e-3)


def test_the_norm_of_many_does_not_overflow() -> None:
    p = param(np.zeros(90_000), np.ones(90_000), np.float16)  # the sum of squares is inf in float16
    ClipGrad(30.0)([p])
    np.testing.assert_allclose(grad_of(p), np.full(90_000, 0.1), rtol=1e-3)


def test_a_rate_below_float32_clips_a_float32() -> None:
    p = param([0.0], [1e38], np.float32)
    ClipGrad(1e-10)([p])
    np.testing.assert_allclose(grad_of(p), [1e-10], rtol=1e-6)


def test_frozen_layers_and_parameters_stay() -> None:
    p, q, r = param(1.0, 1.0), param(1.0, 1.0), param(1.0, 1.0)
    outside = param(1.0, 1.0)
    optimizer = MomentumSGD(0.5).setup(Params(p, q, r))
    optimizer.add_hook(FreezeParam(Params(p, outside), q))
    optimizer.update()
    assert [float(x) for x in (p, q, r)] == [1.0, 1.0, 0.5]
    assert p.grad is None
    assert q.grad is None
    assert set(optimizer.states) == {r}
    assert float(grad_of(outside)) == 1.0  # not a parameter of the target


def test_a_parameter_that_a_layer_makes_later_is_frozen() -> None:
    layer = Params()
    optimizer = SGD(0.5).setup(layer)
    optimizer.add_hook(FreezeParam(layer))
    layer.listed.append(param(1.0, 1.0))
    optimizer.update()
    assert float(layer.listed[0]) == 1.0


def test_frozen_gradients_are_no_part_of_a_later_norm() -> None:
    p, q = param(0.0, 3.0), param(0.0, 4.0)
    optimizer = SGD(1.0).setup(Params(p, q))
    optimizer.add_hook(FreezeParam(p))
    optimizer.add_hook(ClipGrad(4.1))
    optimizer.update()
    assert float(q) == -4.0


def test_a_hook_is_a_function() -> None:
    hook: Any = None
    with pytest.raises(TypeError, match=r"^SGD\.add_hook: f is of type NoneType; expected a function"):
        SGD().add_hook(hook)


def test_hooks_run_in_order_on_what_has_a_gradient() -> None:
    p, q, still = param(1.0, 1.0), param(1.0, 1.0), param(1.0)
    optimizer = SGD(1.0).setup(Params(p, q, still))
    seen: list[tuple[str, list[Parameter]]] = []

    def first(params: list[Parameter]) -> None:
        seen.append(("first", params))
        q.cleargrad()
        p.grad = Variable(np.array(0.25))

    def second(params: Iterable[Parameter]) -> str:
        seen.append(("second", list(params)))
        return "ignored"

    optimizer.add_hook(first)
    optimizer.add_hook(second)
    assert optimizer.hooks == [first, second]
    optimizer.update()
    assert seen == [("first", [p, q]), ("second", [p])]
    assert [float(x) for x in (p, q, still)] == [0.75, 1.0, 1.0]


# ----------------------------------------------------------------------------------- one's own method


class Sign(Optimizer):
    """As the book writes one."""

    def __init__(self, lr: float = 0.5) -> None:
        super().__init__()
        self.lr = lr
        self.t = 0

    def update(self, *args: object, **kwargs: object) -> None:
        self.t += 1
        super().update()

    def update_one(self, param: Parameter) -> None:
        param.data -= self.lr * np.sign(grad_of(param))


def test_a_method_of_the_users() -> None:
    p = param([1.0, 1.0], [0.1, -7.0])
    optimizer = Sign().setup(Params(p))
    assert_type(optimizer, Sign)
    optimizer.update()
    assert optimizer.t == 1
    np.testing.assert_array_equal(p.data, [0.5, 1.5])


def test_a_method_without_update_one() -> None:
    with pytest.raises(NotImplementedError, match=r"^Optimizer has no update_one$"):
        Optimizer().setup(Params(param(1.0, 1.0))).update()


def test_one_parameter_alone() -> None:
    for make in METHODS:
        p, q = param([1.0], [1.0]), param([1.0], [1.0])
        make().update_one(p)  # needs no target
        make().setup(Params(q)).update()
        np.testing.assert_array_equal(p.data, q.data)


def test_types() -> None:
    assert_type(SGD().setup(Params()), SGD)
    assert_type(Adam().setup(Params()).lr, float)
    assert_type(Adam().t, int)
    assert_type(SGD().hooks, list[Callable[[list[Parameter]], object]])
    assert isinstance(Adam().setup(Params()), Adam)


# -------------------------------------------------------------------------------------------- errors


def test_an_update_needs_a_target() -> None:
    for make in METHODS:
        optimizer = make()
        name = type(optimizer).__name__
        with pytest.raises(RuntimeError) as raised:
            optimizer.update()
        assert str(raised.value) == f"{name}.update: there is no target; call setup(model) first"
    adam = Adam()
    with pytest.raises(RuntimeError):
        adam.update()
    assert adam.t == 0


def test_a_target_needs_params() -> None:
    parameters: Any = [param(1.0)]
    with pytest.raises(TypeError) as raised:
        SGD().setup(parameters)
    assert str(raised.value) == (
        "SGD.setup: list has no params(); expected a Layer, a Model or the like"
    )
    a_class: Any = Params
    with pytest.raises(TypeError, match=r"^Adam\.setup: the class Params has no params\(\)"):
        Adam().setup(a_class)
    with pytest.raises(TypeError, match=r"^FreezeParam: list has no params\(\)"):
        FreezeParam(param(1.0), parameters)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "SGD: lr is -0.1; expected 0 ≤ lr < ∞"),
        (lambda: SGD(math.nan), "SGD: lr is nan; expected 0 ≤ lr < ∞"),
        (lambda: MomentumSGD(math.inf), "MomentumSGD: lr is inf; expected 0 ≤ lr < ∞"),
        (lambda: MomentumSGD(momentum=1), "MomentumSGD: momentum is 1; expected 0 ≤ momentum < 1"),
        (
            lambda: MomentumSGD(momentum=-1),
            "MomentumSGD: momentum is -1; expected 0 ≤ momentum < 1",
        ),
        (lambda: AdaGrad(-1), "AdaGrad: lr is -1; expected 0 ≤ lr < ∞"),
        (lambda: AdaGrad(eps=0), "AdaGrad: eps is 0; expected 0 < eps < ∞"),
        (lambda: AdaDelta(1.5), "AdaDelta: rho is 1.5; expected 0 ≤ rho < 1"),
        (lambda: AdaDelta(eps=-1), "AdaDelta: eps is -1; expected 0 < eps < ∞"),
        (lambda: Adam(-1), "Adam: alpha is -1; expected 0 ≤ alpha < ∞"),
        (lambda: Adam(beta1=1.0), "Adam: beta1 is 1.0; expected 0 ≤ beta1 < 1"),
        (lambda: Adam(beta2=-0.1), "Adam: beta2 is -0.1; expected 0 ≤ beta2 < 1"),
        (lambda: Adam(eps=math.inf), "Adam: eps is inf; expected 0 < eps < ∞"),
        (lambda: WeightDecay(-1), "WeightDecay: rate is -1; expected 0 ≤ rate < ∞"),
        (lambda: WeightDecay(math.inf), "WeightDecay: rate is inf; expected 0 ≤ rate < ∞"),
        (lambda: ClipGrad(-1), "ClipGrad: max_norm is -1; expected max_norm ≥ 0"),
        (lambda: ClipGrad(math.nan), "ClipGrad: max_norm is nan; expected max_norm ≥ 0"),
    ],
)
def test_hyperparameters(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "made", [SGD, MomentumSGD, AdaGrad, AdaDelta, Adam, WeightDecay, ClipGrad], ids=lambda m: m.__name__
)
def test_hyperparameters_that_are_no_numbers(made: Callable[..., object]) -> None:
    for name in inspect.signature(made).parameters:
        for wrong in ("a", None, [0.5], np.array([0.5, 0.5])):
            expected = f"{made.__name__}: {name} is of type {type(wrong).__name__}; expected a number"
            with pytest.raises(TypeError, match=re.escape(expected)):
                made(**{name: wrong})


def test_hyperparameters_at_the_edge() -> None:
    """A warm-up begins at zero."""
    for optimizer in (SGD(0), MomentumSGD(0.1, 0), AdaGrad(0), AdaDelta(0), Adam(0, 0, 0)):
        p = param([1.0], [1.0])
        optimizer.setup(Params(p)).update()
        assert np.all(np.isfinite(p.data))
    WeightDecay(0)([param([1.0], [1.0])])


def read_only(p: Parameter) -> Parameter:
    p.data.flags.writeable = False
    return p


def with_grad(p: Parameter, grad: Array) -> Parameter:
    p.grad = Variable(grad)
    return p


def with_no_variable(p: Parameter, grad: object) -> Parameter:
    wrong: Any = p
    wrong.grad = grad
    return p


WRONG: list[tuple[Callable[[], Parameter], type[Exception], str]] = [
    (
        lambda: param([1.0, 2.0], [1.0], name="W"),
        ValueError,
        "the parameter W has a gradient of shape (1,); expected its own, (2,)",
    ),
    (
        lambda: param([[1.0]], 1.0),
        ValueError,
        "a parameter has a gradient of shape (); expected its own, (1, 1)",
    ),
    (
        lambda: param([1], [1.0], np.int64, "n"),
        TypeError,
        "the parameter n has elements of int64; expected floating ones",
    ),
    (
        lambda: with_grad(Parameter(None, "W"), np.array(1.0)),
        ValueError,
        "the parameter W has a gradient, but no data",
    ),
    (
        lambda: with_no_variable(param([1.0], name="W"), np.array([1.0])),
        TypeError,
        "the parameter W has a gradient of type ndarray; expected a Variable",
    ),
    (
        lambda: with_no_variable(param([1.0]), 1.0),
        TypeError,
        "a parameter has a gradient of type float; expected a Variable",
    ),
    (
        lambda: with_grad(param([1.0]), np.array([1j])),
        TypeError,
        "a parameter has a gradient of complex128; expected real numbers",
    ),
    (
        lambda: with_grad(param([1.0]), np.array([None])),
        TypeError,
        "a parameter has a gradient of object; expected real numbers",
    ),
    (
        lambda: read_only(param([1.0], [1.0], name="b")),
        ValueError,
        "the parameter b is read-only; expected an array that can be changed in place",
    ),
]


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_an_update_that_fails_changes_nothing(
    make: Make, wrong: Callable[[], Parameter], error: type[Exception], message: str
) -> None:
    model = Params(param([1.0], [1.0]))
    p = model.listed[0]
    optimizer = make().setup(model)
    optimizer.add_hook(WeightDecay(0.5))
    optimizer.update()
    p.grad = gradient = Variable(np.array([1.0]))
    data, states = p.data.copy(), {k: [s.copy() for s in v] for k, v in optimizer.states.items()}
    model.listed.append(wrong())
    with pytest.raises(error) as raised:
        optimizer.update()
    assert str(raised.value) == f"{type(optimizer).__name__}: {message}"
    np.testing.assert_array_equal(p.data, data)
    assert p.grad is gradient  # the hooks have not run
    np.testing.assert_array_equal(gradient.data, [1.0])
    assert list(optimizer.states) == list(states)
    for key, state in states.items():
        np.testing.assert_array_equal(optimizer.states[key], state)
    if isinstance(optimizer, Adam):
        assert optimizer.t == 1
    with pytest.raises(error):
        optimizer.update_one(model.listed[-1])


@pytest.mark.parametrize("make", METHODS)
def test_a_hook_that_fails_changes_no_parameter(make: Make) -> None:
    p, q = param([1.0], [1.0]), param([1.0], [1.0])
    optimizer = make().setup(Params(p, q))

    def spoil(params: list[Parameter]) -> None:
        params[-1].grad = Variable(np.ones(3))

    def fail(params: list[Parameter]) -> None:
        raise ArithmeticError("no")

    for hook, error in ((spoil, ValueError), (fail, ArithmeticError)):
        q.grad = Variable(np.ones(1))
        optimizer.hooks = [hook]
        with pytest.raises(error):
            optimizer.update()
        np.testing.assert_array_equal([p.data, q.data], [[1.0], [1.0]])
        assert not optimizer.states
        assert not isinstance(optimizer, Adam) or optimizer.t == 0


def test_one_parameter_without_a_gradient() -> None:
    with pytest.raises(ValueError, match=r"^SGD: the parameter b has no gradient; expected one, as"):
        SGD().update_one(param(1.0, name="b"))


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_parameter_moves_as_its_elements_do(make: Callable[[], Optimizer], order: Any) -> None:
    """It is updated block by block: the first, the last, and what lies between are as if alone."""
    n = 3 * 16384 + 5
    random = np.random.default_rng(0)
    value, grads = random.normal(size=(n, 1)), random.normal(size=(3, n, 1))
    places = [0, 16383, 16384, 32768, n // 2, n - 2, n - 1]
    whole = param(np.array(np.broadcast_to(value, (n, 2)), order=order))
    few = param(value[places])
    for p in (whole, few):
        optimizer = make().setup(Params(p))
        for g in grads:
            p.grad = Variable(np.resize(g, (n, 1)) * np.ones(p.shape[1]) if p is whole else g[places])
            optimizer.update()
    np.testing.assert_array_equal(whole.data[places], np.broadcast_to(few.data, (len(places), 2)))
