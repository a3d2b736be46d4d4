"""Graphs of other forms: wide with fan-out, a balanced sum, broadcasting, second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dezero.functions as F
from benchmarks.peers import module
from benchmarks.timing import Job, Workload
from dezero import Variable, grad

Tensor = Any  # whatever a contender computes with: peers are untyped
Build = Callable[[Any, Sequence[Any]], Any]  # from a namespace with tanh, and leaves, to the root


def workloads(tiny: bool = False) -> list[Workload]:
    """Those of this file."""
    sums, terms, broadcasts = (20, 2**4, 5) if tiny else (5_000, 2**15, 100)
    random = np.random.default_rng(0)
    pairs = [[int(k) for k in random.integers(max(0, i - 49), i + 1, 2)] for i in range(sums)]

    def wide(xp: Any, leaves: Sequence[Any]) -> Any:
        values = [leaves[0]]
        for i, j in pairs:
            values.append(xp.tanh(values[i] + values[j]))
        return values[-1] + values[-2]

    def balanced(xp: Any, leaves: Sequence[Any]) -> Any:
        values = [leaves[0] * 0.5 for _ in range(terms)]
        while len(values) > 1:
            values = [a + b for a, b in zip(values[::2], values[1::2], strict=True)]
        return values[0]

    def broadcasting(xp: Any, leaves: Sequence[Any]) -> Any:
        y, a, b = leaves
        for _ in range(broadcasts):
            y = y * a + b
        return y

    column, row = random.uniform(0.5, 1.0, (32, 1)), random.uniform(0.5, 1.0, (1, 32))
    square = random.normal(size=(32, 32))
    scalar, vector = [np.array(0.3)], [random.uniform(0.1, 0.5, 4)]
    hand = {
        "wide": lambda: wide_by_hand(vector[0], pairs),
        "balanced-sum": lambda: balanced_by_hand(scalar[0], terms),
        "broadcasting": lambda: broadcasting_by_hand(square, column, row, broadcasts),
    }
    return [
        built("wide", f"a random graph of {2 * sums} nodes with fan-out", wide, vector, 2 * sums, hand),
        built("balanced-sum", f"a balanced sum of {terms} terms", balanced, scalar, 2 * terms, hand),
        built(
            "broadcasting",
            f"y a + b, y (32, 32), a (32, 1), b (1, 32), {broadcasts} times",
            broadcasting,
            [square, column, row],
            2 * broadcasts,
            hand,
        ),
        hessian(5 if tiny else 200),
    ]


def built(
    name: str,
    title: str,
    build: Build,
    leaves: Sequence[np.ndarray[Any, Any]],
    nodes: int,
    by_hand: dict[str, Callable[[], Sequence[object]]],
) -> Workload:
    """A graph that everyone builds by the same lines, and its gradients in all leaves."""
    return Workload(
        name,
        title + ": forward and backward",
        {
            "dezero": lambda: Job(lambda: with_dezero(build, leaves)),
            "numpy": lambda: Job(by_hand[name]),
            "torch": lambda: Job(lambda: with_torch(build, leaves)),
            "autograd": lambda: Job(lambda: with_autograd(build, leaves)),
            "mygrad": lambda: Job(lambda: with_mygrad(build, leaves)),
        },
        nodes,
        "node",
        rounds=9,
        seconds=6.0,
    )


def with_dezero(build: Build, leaves: Sequence[np.ndarray[Any, Any]]) -> Sequence[object]:
    """Dezero."""
    xs = [Variable(x) for x in leaves]
    y = build(F, xs)
    F.sum(y).backward()
    return [y, *[x.grad for x in xs]]


def with_torch(build: Build, leaves: Sequence[np.ndarray[Any, Any]]) -> Sequence[object]:
    """PyTorch."""
    torch = module("torch")
    xs: list[Tensor] = [torch.tensor(x, requires_grad=True) for x in leaves]
    y = build(torch, xs)
    y.sum().backward()
    return [y, *[x.grad for x in xs]]


def with_autograd(build: Build, leaves: Sequence[np.ndarray[Any, Any]]) -> Sequence[object]:
    """HIPS autograd."""
    anp = module("autograd.numpy")

    def root(xs: Tensor) -> Tensor:
        return build(anp, xs)

    pullback, y = module("autograd").make_vjp(root)(tuple(leaves))
    return [y, *pullback(np.ones_like(y))]


def with_mygrad(build: Build, leaves: Sequence[np.ndarray[Any, Any]]) -> Sequence[object]:
    """MyGrad."""
    mygrad = module("mygrad")
    xs: list[Tensor] = [mygrad.tensor(x) for x in leaves]
    y = build(mygrad, xs)
    result = y.data
    mygrad.sum(y).backward()
    return [result, *[x.grad for x in xs]]


def wide_by_hand(x: np.ndarray[Any, Any], pairs: Sequence[Sequence[int]]) -> Sequence[object]:
    """A loop forward, and the same loop backward."""
    values = [x]
    for i, j in pairs:
        values.append(np.tanh(values[i] + values[j]))
    cotangents: list[Any] = [0.0] * len(values)
    cotangents[-1] = cotangents[-2] = np.ones_like(x)
    for k in range(len(pairs), 0, -1):
        i, j = pairs[k - 1]
        g = cotangents[k] * (1 - values[k] * values[k])
        cotangents[i] = cotangents[i] + g
        cotangents[j] = cotangents[j] + g
    return [values[-1] + values[-2], cotangents[0]]


def balanced_by_hand(x: np.ndarray[Any, Any], terms: int) -> Sequence[object]:
    """The same sums; backward there are only ones on the way, which nobody would write down."""
    values = [x * 0.5 for _ in range(terms)]
    while len(values) > 1:
        values = [a + b for a, b in zip(values[::2], values[1::2], strict=True)]
    return [values[0], np.array(0.5 * terms)]


def broadcasting_by_hand(
    y: np.ndarray[Any, Any], a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], times: int
) -> Sequence[object]:
    """What is kept, read backwards; sums over the axes that were stretched."""
    kept: list[np.ndarray[Any, Any]] = []
    for _ in range(times):
        kept.append(y)
        y = y * a + b
    g, ga, gb = np.ones_like(y), np.zeros_like(a), np.zeros_like(b)
    for before in reversed(kept):
        gb += g.sum(0, keepdims=True)
        ga += (g * before).sum(1, keepdims=True)
        g = g * a
    return [y, g, ga, gb]


# ---------------------------------------------------------------------------- Hessian-vector products


def hessian(n: int) -> Workload:
    """H v of f(x) = sum(tanh(A x)²)."""
    random = np.random.default_rng(1)
    a, x0, v = random.normal(size=(n, n)) / np.sqrt(n), random.normal(size=n), random.normal(size=n)

    def dezero() -> Sequence[object]:
        x = Variable(x0)
        g = grad(F.sum(F.tanh(F.matmul(a, x)) ** 2), x, create_graph=True)
        return [grad(g, x, gys=Variable(v))]

    def by_hand() -> Sequence[object]:
        t = np.tanh(a @ x0)
        s = 1 - t * t
        return [a.T @ (2 * s * (s - 2 * t * t) * (a @ v))]

    def torch_() -> Job:
        torch = module("torch")
        ta, tv = torch.tensor(a), torch.tensor(v)

        def run() -> Sequence[object]:
            x: Tensor = torch.tensor(x0, requires_grad=True)
            y = (torch.tanh(ta @ x) ** 2).sum()
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            return [torch.autograd.grad(g, x, tv)[0]]

        return Job(run)

    def autograd() -> Job:
        anp = module("autograd.numpy")

        def f(x: Tensor) -> Tensor:
            return anp.sum(anp.tanh(a @ x) ** 2)

        product = module("autograd").hessian_vector_product(f)
        return Job(lambda: [product(x0, v)])

    def jax_() -> Job:
        jax, jnp = module("jax"), module("jax.numpy")

        def f(x: Tensor) -> Tensor:
            return jnp.sum(jnp.tanh(a @ x) ** 2)

        def product(x: Tensor, v: Tensor) -> Tensor:
            return jax.jvp(jax.grad(f), (x,), (v,))[1]

        compiled = jax.jit(product)
        return Job(lambda: [compiled(x0, v).block_until_ready()])

    return Workload(
        "hessian-vector",
        f"H v of sum(tanh(A x)²), x of {n} (jax compiled)",
        {
            "dezero": lambda: Job(dezero),
            "numpy": lambda: Job(by_hand),
            "torch": torch_,
            "autograd": autograd,
            "jax": jax_,
        },
        rounds=101,
    )
