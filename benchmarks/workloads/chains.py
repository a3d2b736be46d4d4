"""Small elementwise operations, where the cost is that of the graph and not that of the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

import dezero.functions as F
from benchmarks.peers import module
from benchmarks.timing import Job, Measured, Prepare, Workload, timed
from dezero import Variable, no_grad

Tensor = Any  # whatever a contender computes with: peers are untyped


def workloads(tiny: bool = False) -> list[Workload]:
    """Those of this file."""
    rounds = 10 if tiny else 1000
    lengths = (30,) if tiny else (1_000, 100_000, 1_000_000)
    found = [
        Workload(
            "small-forward",
            f"y = sin(y) x + y on ten elements, {rounds} times: forward",
            {name: small(run, rounds, False) for name, run in SMALL.items()},
            3 * rounds,
            "operation",
        ),
        Workload(
            "small",
            f"y = sin(y) x + y on ten elements, {rounds} times: forward and backward",
            {name: small(run, rounds, True) for name, run in SMALL.items()},
            3 * rounds,
            "operation",
        ),
    ]
    for n in lengths:
        slow: list[str] = ["jax"] if n > 1_000 else []
        if n > 100_000:
            slow += ["autograd", "mygrad"]
        left_out = dict.fromkeys(slow, f"left out: minutes for {n} nodes, and nothing new")
        runs = {name: c for name, c in CHAINS.items() if name not in left_out}
        for name, title, part in (
            (f"chain-{n}", "forward and backward", False),
            (f"chain-{n}-backward", "backward alone", True),
        ):
            contenders = {k: c(n, part) for k, c in runs.items()}
            found.append(
                Workload(
                    name,
                    f"y = sin(y) without axes, {n} times: {title}",
                    contenders,
                    n,
                    "node",
                    rounds=15 if n < 1_000_000 else 5,
                    seconds=5.0 if n < 1_000_000 else 40.0,
                    left_out=left_out,
                )
            )
    return found


# --------------------------------------------------------------------------------- y = sin(y) * x + y

SmallRun = Callable[[np.ndarray[Any, Any], int, bool], Sequence[object]]


def small(run: SmallRun, rounds: int, backward: bool) -> Prepare:
    """Ten elements, the same for all."""
    x0 = np.linspace(0.05, 0.5, 10)
    scale = 1.0 if rounds < 100 else 1e-2  # so that y stays where sin has something to do
    return lambda: Job(lambda: run(x0 * scale, rounds, backward))


def small_dezero(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """Dezero."""
    x = Variable(x0)
    y = x
    if not backward:
        with no_grad():
            for _ in range(rounds):
                y = F.sin(y) * x + y
        return [y]
    for _ in range(rounds):
        y = F.sin(y) * x + y
    F.sum(y).backward()
    return [y, x.grad]


def small_numpy(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """By hand: what the rule needs is kept, and read backwards."""
    y = x0
    kept: list[np.ndarray[Any, Any]] = []
    for _ in range(rounds):
        kept.append(y)
        y = np.sin(y) * x0 + y
    if not backward:
        return [y]
    gx = np.zeros_like(x0)
    gy = np.ones_like(y)
    for before in reversed(kept):
        gx += gy * np.sin(before)
        gy = gy * x0 * np.cos(before) + gy
    return [y, gx + gy]


def small_torch(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """PyTorch."""
    torch = module("torch")
    x: Tensor = torch.tensor(x0, requires_grad=True)
    y = x
    if not backward:
        with torch.no_grad():
            for _ in range(rounds):
                y = torch.sin(y) * x + y
        return [y]
    for _ in range(rounds):
        y = torch.sin(y) * x + y
    y.sum().backward()
    return [y, x.grad]


def small_autograd(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """HIPS autograd."""
    anp = module("autograd.numpy")

    def chain(x: Tensor) -> Tensor:
        y = x
        for _ in range(rounds):
            y = anp.sin(y) * x + y
        return y

    if not backward:
        return [chain(x0)]
    pullback, y = module("autograd").make_vjp(chain)(x0)
    return [y, pullback(np.ones_like(x0))]


def small_mygrad(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """MyGrad."""
    mygrad = module("mygrad")
    x: Tensor = mygrad.tensor(x0)
    y = x
    if not backward:
        with mygrad.no_autodiff:
            for _ in range(rounds):
                y = mygrad.sin(y) * x + y
        return [y]
    for _ in range(rounds):
        y = mygrad.sin(y) * x + y
    result = y.data
    mygrad.sum(y).backward()
    return [result, x.grad]


def small_jax(x0: np.ndarray[Any, Any], rounds: int, backward: bool) -> Sequence[object]:
    """JAX, not compiled: the graph is built anew each time, as by the others."""
    jax = module("jax")
    jnp = module("jax.numpy")

    def chain(x: Tensor) -> Tensor:
        y = x
        for _ in range(rounds):
            y = jnp.sin(y) * x + y
        return y

    if not backward:
        return [chain(jnp.asarray(x0)).block_until_ready()]
    y, pullback = jax.vjp(chain, jnp.asarray(x0))
    (gx,) = pullback(jnp.ones_like(y))
    return [y, gx.block_until_ready()]


SMALL: dict[str, SmallRun] = {
    "dezero": small_dezero,
    "numpy": small_numpy,
    "torch": small_torch,
    "autograd": small_autograd,
    "mygrad": small_mygrad,
    "jax": small_jax,
}

# -------------------------------------------------------------------------------- y = sin(y), no axes


class Chain:
    """A chain of n operations: `build` it, then `pull`; timed are both, or the latter alone."""

    def build(self, n: int) -> None:
        """From 0.5 on."""
        raise NotImplementedError

    def pull(self) -> Sequence[object]:
        """The end, and the gradient of the start. The graph is let go."""
        raise NotImplementedError


def chained(kind: type[Chain]) -> Callable[[int, bool], Prepare]:
    """How a contender's job is prepared."""

    def with_length(n: int, backward_alone: bool) -> Prepare:
        def prepare() -> Job:
            chain = kind()

            def both() -> Sequence[object]:
                chain.build(n)
                return chain.pull()

            return Job(chain.pull, lambda: chain.build(n)) if backward_alone else Job(both)

        return prepare

    return with_length


class DezeroChain(Chain):
    """Dezero."""

    def build(self, n: int) -> None:
        self.x = Variable(np.array(0.5))
        y = self.x
        for _ in range(n):
            y = F.sin(y)
        self.y: Variable | None = y

    def pull(self) -> Sequence[object]:
        y = self.y
        assert y is not None  # it has been built
        y.backward()
        results = [y.data, self.x.grad]
        self.y = None
        return results


class NumPyChain(Chain):
    """By hand."""

    def build(self, n: int) -> None:
        y = np.array(0.5)
        self.kept: list[np.ndarray[Any, Any]] = []
        for _ in range(n):
            self.kept.append(y)
            y = np.sin(y)
        self.y = y

    def pull(self) -> Sequence[object]:
        g = np.ones(())
        for before in reversed(self.kept):
            g = g * np.cos(before)
        return [self.y, g]


class TorchChain(Chain):
    """PyTorch."""

    def build(self, n: int) -> None:
        torch = module("torch")
        self.x: Tensor = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        y = self.x
        for _ in range(n):
            y = torch.sin(y)
        self.y: Tensor = y

    def pull(self) -> Sequence[object]:
        self.y.backward()
        results = [self.y.detach(), self.x.grad]
        self.y = None
        return results


class MyGradChain(Chain):
    """MyGrad."""

    def build(self, n: int) -> None:
        mygrad = module("mygrad")
        self.x: Tensor = mygrad.tensor(0.5)
        y = self.x
        for _ in range(n):
            y = mygrad.sin(y)
        self.y: Tensor = y

    def pull(self) -> Sequence[object]:
        result = self.y.data
        self.y.backward()
        self.y = None
        return [result, self.x.grad]


class AutogradChain(Chain):
    """HIPS autograd."""

    def build(self, n: int) -> None:
        anp = module("autograd.numpy")

        def chain(x: Tensor) -> Tensor:
            for _ in range(n):
                x = anp.sin(x)
            return x

        self.pullback, self.y = module("autograd").make_vjp(chain)(np.array(0.5))

    def pull(self) -> Sequence[object]:
        return [self.y, self.pullback(np.ones(()))]


class JaxChain(Chain):
    """JAX, not compiled."""

    def build(self, n: int) -> None:
        jnp = module("jax.numpy")

        def chain(x: Tensor) -> Tensor:
            for _ in range(n):
                x = jnp.sin(x)
            return x

        self.y, self.pullback = module("jax").vjp(chain, jnp.asarray(0.5))

    def pull(self) -> Sequence[object]:
        (g,) = self.pullback(module("jax.numpy").ones_like(self.y))
        return [self.y, g.block_until_ready()]


KINDS: dict[str, type[Chain]] = {
    "dezero": DezeroChain,
    "numpy": NumPyChain,
    "torch": TorchChain,
    "autograd": AutogradChain,
    "mygrad": MyGradChain,
    "jax": JaxChain,
}
CHAINS = {name: chained(kind) for name, kind in KINDS.items()}


def growth(quick: bool) -> Measured:
    """Dezero's time per node in a long chain, to that in short ones timed right before and after it."""
    short, long = (10, 100) if quick else (1_000, 1_000_000)
    measured = Measured("chain-growth", f"dezero's time per node at {long} nodes", f"× that at {short}")
    few, many = (CHAINS["dezero"](n, False)() for n in (short, long))
    few.run()

    def once() -> float:
        return median(timed(few) for _ in range(50)) / short

    figures: list[float] = []
    for _ in range(1 if quick else 5):
        before, there, after = once(), timed(many) / long, once()
        figures.append(2 * there / (before + after))
    measured.figures["dezero"] = figures
    return measured
