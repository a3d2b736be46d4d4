"""Each optimizer follows its published recurrence, whatever the shapes, element types and steps.

The recurrences are written out below once more, for one element and in Python's floats, with a bound on
what rounding may change: a step whose terms cancel is measured by the step without signs.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dezero.functions as F
from dezero import Parameter, Variable
from dezero.contract import Array
from dezero.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    ClipGrad,
    MomentumSGD,
    Optimizer,
    WeightDecay,
)

# ------------------------------------------------------- The recurrences, for one element, in floats

Steps: TypeAlias = Iterator[tuple[float, float]]
"""Steps, each with its size if nothing cancelled."""
Gradients: TypeAlias = Iterable[float | None]
"""One for each update; None where there is no gradient."""


def sgd(gradients: Gradients, lr: float) -> Steps:
    for g in gradients:
        if g is not None:
            yield -lr * g, lr * abs(g)


def momentum_sgd(gradients: Gradients, lr: float, momentum: float) -> Steps:
    v = size = 0.0
    for g in gradients:
        if g is not None:
            v = momentum * v - lr * g
            size = momentum * size + lr * abs(g)
            yield v, size


def ada_grad(gradients: Gradients, lr: float, eps: float) -> Steps:
    h = 0.0
    for g in gradients:
        if g is not None:
            h += g**2
            step = -lr * g / (math.sqrt(h) + eps)
            yield step, abs(step)


def ada_delta(gradients: Gradients, rho: float, eps: float) -> Steps:
    msg = msdx = 0.0
    for g in gradients:
        if g is not None:
            msg = rho * msg + (1 - rho) * g**2
            step = -math.sqrt(msdx + eps) / math.sqrt(msg + eps) * g
            msdx = rho * msdx + (1 - rho) * step**2
            yield step, abs(step)


def adam(gradients: Gradients, alpha: float, beta1: float, beta2: float, eps: float) -> Steps:
    """By Algorithm 1 of the paper: with ε = eps / √(1 - beta2ᵗ), which is what its Section 2 says."""
    m = v = size = 0.0
    for t, g in enumerate(gradients, 1):
        if g is not None:
            m = beta1 * m + (1 - beta1) * g
            size = beta1 * size + (1 - beta1) * abs(g)
            v = beta2 * v + (1 - beta2) * g**2
            rate = alpha / (1 - beta1**t)
            divisor = math.sqrt(v / (1 - beta2**t)) + eps / math.sqrt(1 - beta2**t)
            yield -rate * m / divisor, rate * size / divisor


@dataclass(frozen=True)
class Case:
    """An optimizer, its recurrence and its hyperparameters."""

    make: Callable[..., Optimizer]
    recurrence: Callable[..., Steps]
    hyper: dict[str, float]

    def optimizer(self, *params: Parameter) -> Optimizer:
        return self.make(**self.hyper).setup(Params(params))


@dataclass(frozen=True)
class Params:
    """Something with parameters."""

    listed: Sequence[Parameter]

    def params(self) -> Iterable[Parameter]:
        return self.listed


RATE = st.floats(0, 2)
SHARE = st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.999])
LARGER_SHARE = st.sampled_from([0.5, 0.9, 0.999])  # lest a small gradient leave float16 by its step
EPS = st.sampled_from([1e-8, 1e-6, 1e-3, 1.0])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    hyper: dict[str, st.SearchStrategy[float]]
    choices: list[tuple[Any, Any, dict[str, st.SearchStrategy[float]]]] = [
        (SGD, sgd, {"lr": RATE}),
        (MomentumSGD, momentum_sgd, {"lr": RATE, "momentum": SHARE}),
        (AdaGrad, ada_grad, {"lr": RATE, "eps": EPS}),
        (AdaDelta, ada_delta, {"rho": SHARE, "eps": EPS}),
        (Adam, adam, {"alpha": RATE, "beta1": SHARE, "beta2": LARGER_SHARE, "eps": EPS}),
    ]
    make, recurrence, hyper = draw(st.sampled_from(choices))
    return Case(make, recurrence, {name: draw(values) for name, values in hyper.items()})


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
DTYPES = st.sampled_from(["float16", "float32", "float64"])
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Run:
    """Some parameters, and for each update a gradient, or None, for each of them."""

    data: list[Array]
    gradients: list[list[Array | None]]

    def params(self) -> list[Parameter]:
        return [Parameter(x.copy()) for x in self.data]

    def complete(self) -> Run:
        """The same with zeros where there is no gradient."""
        filled: list[list[Array | None]] = [
            [np.zeros_like(x) if g is None else g for x, g in zip(self.data, row, strict=True)]
            for row in self.gradients
        ]
        return Run(self.data, filled)

    def play(self, optimizer: Optimizer, params: Sequence[Parameter], start: int = 0) -> None:
        for row in self.gradients[start:]:
            for p, g in zip(params, row, strict=True):
                p.grad = None if g is None else Variable(g.copy())
            optimizer.update()


def array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers of very different size, and some zeros."""
    sizes = rng.choice([0.0, 1e-3, 1.0, 1.0, 30.0], shape)
    return np.asarray(rng.uniform(-1, 1, shape) * sizes, dtype)


@st.composite
def runs(draw: st.DrawFn, dtypes: st.SearchStrategy[str] = DTYPES) -> Run:
    kinds = draw(st.lists(st.tuples(SHAPES, dtypes), min_size=1, max_size=3))
    present = draw(st.lists(st.tuples(*[st.integers(0, 3)] * len(kinds)), max_size=12))
    rng = np.random.default_rng(draw(SEEDS))
    data = [array(rng, shape, dtype) for shape, dtype in kinds]
    gradients = [
        [array(rng, *kind) if there else None for there, kind in zip(row, kinds, strict=True)]
        for row in present
    ]
    return Run(data, gradients)


# ------------------------------------------------------------------------------------------- The laws


@given(cases(), runs())
def test_the_recurrence(case: Case, run: Run) -> None:
    params = run.params()
    arrays = [p.data for p in params]
    run.play(case.optimizer(*params), params)
    for k, (p, x0) in enumerate(zip(params, run.data, strict=True)):
        assert p.data is arrays[k]
        assert (p.dtype, p.shape, p.generation) == (x0.dtype, x0.shape, 0)
        for i in np.ndindex(x0.shape):
            of_it = [None if (g := row[k]) is None else float(g[i]) for row in run.gradients]
            steps = list(case.recurrence(of_it, **case.hyper))
            x = float(x0[i]) + sum(step for step, _ in steps)
            # To each step its own rounding, with that of its state; to each sum that of x.
            size = abs(float(x0[i])) + sum(size for _, size in steps)
            limits = np.finfo(x0.dtype)
            slack = 4 * float(limits.eps) * size + float(limits.smallest_subnormal)
            assert abs(float(p.data[i]) - x) <= (len(steps) + 4) * slack


@given(cases(), runs())
def test_an_element_does_not_know_its_neighbours(case: Case, run: Run) -> None:
    """To update a parameter is to update each of its elements as a parameter of its own."""
    params = run.params()
    run.play(case.optimizer(*params), params)
    for k, x0 in enumerate(run.data):
        elements = [Parameter(np.array(x, x0.dtype)) for x in x0.flat]
        columns: list[list[Array | None]] = [
            [None] * x0.size if (g := row[k]) is None else [np.array(e, g.dtype) for e in g.flat]
            for row in run.gradients
        ]
        alone = Run([], columns)
        alone.play(case.optimizer(*elements, *elements), elements)
        together = np.array([e.data for e in elements], x0.dtype).reshape(x0.shape)
        eps = 4 * float(np.finfo(x0.dtype).eps)  # a vectorised root may round otherwise
        np.testing.assert_allclose(params[k].data, together, rtol=64 * eps, atol=64 * eps)


@given(cases(), runs(), st.data())
def test_resumed_from_a_pickle(case: Case, run: Run, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(run.gradients)))
    params = run.params()
    optimizer = case.optimizer(*params)
    Run(run.data, run.gradients[:at]).play(optimizer, params)
    saved = pickle.dumps((params, optimizer))
    run.play(optimizer, params, at)
    del optimizer
    loaded, resumed = pickle.loads(saved)
    assert resumed.target.listed[0] is loaded[0]
    run.play(resumed, loaded, at)
    for p, q in zip(params, loaded, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


@given(cases(), runs(), st.data())
def test_an_update_that_fails_is_none(case: Case, run: Run, data: st.DataObject) -> None:
    params = run.params()
    optimizer = case.optimizer(*params)
    run.play(optimizer, params)
    wrong = data.draw(st.sampled_from(params))
    for p in params:
        p.grad = Variable(np.ones(p.shape, p.dtype))
    wrong.grad = Variable(np.ones((*wrong.shape, 2), wrong.dtype))
    before = pickle.dumps((params, optimizer))
    with pytest.raises(ValueError, match="has a gradient of shape"):
        optimizer.update()
    assert pickle.dumps((params, optimizer)) == before


@given(runs(), st.floats(0, 2))
def test_weight_decay_is_a_penalty(run: Run, rate: float) -> None:
    """What it adds is the gradient of ½ rate · Σ x²."""
    for x in run.data:
        p, q = Parameter(x.copy()), Parameter(x.copy())
        F.sum(F.sin(p)).backward()
        WeightDecay(rate)([p])
        (F.sum(F.sin(q)) + F.sum(q * q) * (rate / 2)).backward()
        assert p.grad is not None
        assert q.grad is not None
        eps = 8 * float(np.finfo(x.dtype).eps)
        bound = eps * (1 + 2 * rate * np.abs(x.astype(np.float64)))
        difference = p.grad.data.astype(np.float64) - q.grad.data.astype(np.float64)
        assert np.all(np.abs(difference) <= bound)


@given(runs(st.sampled_from(["float32", "float64"])), st.floats(0, 100), st.integers(-15, 15))
def test_clipping_keeps_the_direction(run: Run, max_norm: float, power: int) -> None:
    for row in run.gradients:
        there = [np.asarray(g * 10.0**power, g.dtype) for g in row if g is not None]
        params = [Parameter(np.zeros_like(g)) for g in there]
        for p, g in zip(params, there, strict=True):
            p.grad = Variable(g.copy())
        before = [float(e) for g in there for e in g.flat]
        norm = math.hypot(*before)
        ClipGrad(max_norm)(params)
        after = [float(e) for p in params if p.grad is not None for e in p.grad.data.flat]
        rate = min(1.0, max_norm / (norm + 1e-6))
        np.testing.assert_allclose(after, np.array(before) * rate, rtol=1e-6, atol=1e-44)
        assert math.hypot(*after) <= max_norm * (1 + 1e-6) + 1e-44 * len(after)
        if rate == 1:
            assert after == before


# --------------------------------------------------------------------------------------- PyTorch too


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch, to compare with, is not installed")


def of_torch(torch: Any, case: Case, params: Sequence[Any]) -> Any:
    """PyTorch's optimizer for the same steps, on the CPU."""
    h = case.hyper
    optim = torch.optim
    if case.make is SGD:
        return optim.SGD(params, lr=h["lr"])
    if case.make is MomentumSGD:  # the rate is outside there: the same while it is constant
        return optim.SGD(params, lr=h["lr"], momentum=h["momentum"])
    if case.make is AdaGrad:
        return optim.Adagrad(params, lr=h["lr"], eps=h["eps"])
    if case.make is AdaDelta:
        return optim.Adadelta(params, lr=1.0, rho=h["rho"], eps=h["eps"])
    return optim.Adam(params, lr=h["alpha"], betas=(h["beta1"], h["beta2"]), eps=h["eps"])


def assert_alike(params: Sequence[Parameter], twins: Sequence[Any], run: Run, digits: float) -> None:
    """Up to some rounding in each update, in the least precise of the element types."""
    eps = max(float(np.finfo(x.dtype).eps) for x in run.data)
    slack = digits * (len(run.gradients) + 1) * eps
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=slack, atol=30 * slack)


WIDE = runs(st.sampled_from(["float32", "float64"]))


@given(cases(), WIDE)
def test_pytorch_takes_the_same_steps(torch: Any, case: Case, run: Run) -> None:
    # PyTorch's Adam counts the updates of each parameter: they agree if no gradient is ever missing.
    run = run.complete()
    params = run.params()
    run.play(case.optimizer(*params), params)

    twins = [torch.tensor(x, requires_grad=True) for x in run.data]
    theirs = of_torch(torch, case, twins)
    for t, row in enumerate(run.gradients, 1):
        for q, g in zip(twins, row, strict=True):
            q.grad = torch.tensor(g)
        if case.make is Adam:  # PyTorch adds eps to the corrected root
            theirs.param_groups[0]["eps"] = case.hyper["eps"] / math.sqrt(1 - case.hyper["beta2"] ** t)
        theirs.step()
    assert_alike(params, twins, run, 100)


@given(WIDE, RATE, SHARE, RATE, st.floats(0, 100))
def test_pytorch_clips_and_decays_alike(
    torch: Any, run: Run, lr: float, momentum: float, rate: float, max_norm: float
) -> None:
    run = run.complete()
    params = run.params()
    optimizer = MomentumSGD(lr / 4, momentum).setup(Params(params))
    optimizer.add_hook(ClipGrad(max_norm))
    optimizer.add_hook(WeightDecay(rate))
    run.play(optimizer, params)

    twins = [torch.tensor(x, requires_grad=True) for x in run.data]
    theirs = torch.optim.SGD(twins, lr=lr / 4, momentum=momentum, weight_decay=rate)
    for row in run.gradients:
        for q, g in zip(twins, row, strict=True):
            q.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_(twins, max_norm)
        theirs.step()
    assert_alike(params, twins, run, 1000)
