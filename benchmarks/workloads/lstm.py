"""An LSTM over many steps, float32: the gradients of sum(h²) at the end in all of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dezero.functions as F
import dezero.layers as L
from benchmarks.peers import module
from benchmarks.timing import Job, Workload

Tensor = Any  # whatever a contender computes with: peers are untyped
Floats = np.ndarray[Any, np.dtype[np.float32]]

BATCH, INPUTS, HIDDEN = 16, 16, 32


def lstm(steps: int) -> Workload:
    """The gates stand side by side in the matrices, in the order f, i, o, u."""
    random = np.random.default_rng(4)
    xs = random.normal(size=(steps, BATCH, INPUTS)).astype(np.float32)
    w = (random.normal(size=(INPUTS, 4 * HIDDEN)) / 4).astype(np.float32)
    u = (random.normal(size=(HIDDEN, 4 * HIDDEN)) / 6).astype(np.float32)
    b = np.zeros(4 * HIDDEN, np.float32)
    return Workload(
        "lstm",
        f"LSTM over {steps} steps (batch {BATCH}, {INPUTS}, {HIDDEN}, float32) (jax compiled)",
        {
            "dezero": lambda: lstm_dezero(xs, w, u, b),
            "numpy": lambda: Job(lambda: lstm_numpy(xs, w, u, b)),
            "torch": lambda: lstm_torch(xs, w, u, b),
            "autograd": lambda: lstm_autograd(xs, w, u, b),
            "jax": lambda: lstm_jax(xs, w, u, b),
        },
        tolerance=1e-3,
        rounds=21,
    )


def lstm_dezero(xs: Floats, w: Floats, u: Floats, b: Floats) -> Job:
    """Dezero's own layer."""
    layer = L.LSTM(HIDDEN, INPUTS)
    from_x = (layer.x2f, layer.x2i, layer.x2o, layer.x2u)
    from_h = (layer.h2f, layer.h2i, layer.h2o, layer.h2u)
    for gate, part in zip((*from_x, *from_h), (*np.split(w, 4, 1), *np.split(u, 4, 1)), strict=True):
        gate.W.data = part.copy()

    def run() -> Sequence[object]:
        layer.reset_state()
        layer.cleargrads()
        for x in xs:
            layer(x)
        assert layer.h is not None  # there was a step
        loss = F.sum(layer.h**2)
        loss.backward()
        biases = [gate.b.grad.data for gate in from_x if gate.b is not None and gate.b.grad is not None]
        weights = [[g.W.grad.data for g in gates if g.W.grad is not None] for gates in (from_x, from_h)]
        return [loss, *(np.concatenate(parts, 1) for parts in weights), np.concatenate(biases)]

    return Job(run)


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), by the function that does not overflow."""
    half = np.float32(0.5)
    y: Floats = half * np.tanh(half * z) + half
    return y


def lstm_numpy(xs: Floats, w: Floats, u: Floats, b: Floats) -> Sequence[object]:
    """By hand: all gates by one product, all steps of x by another; weights get theirs at the end."""
    from_x = xs @ w + b
    h = np.zeros((BATCH, HIDDEN), np.float32)
    c = np.zeros_like(h)
    kept: list[tuple[Floats, Floats, Floats, Floats]] = []
    for z in from_x:
        z = z + h @ u
        gates = sigmoid(z[:, : 3 * HIDDEN])
        candidate = np.tanh(z[:, 3 * HIDDEN :])
        before = c
        f, i, o = np.split(gates, 3, 1)
        c = f * c + i * candidate
        kept.append((h, before, gates, candidate))
        h = o * np.tanh(c)
    loss = np.sum(h * h)
    gh, gc = 2 * h, np.zeros_like(h)
    gz = np.empty_like(from_x)
    for k in range(len(xs) - 1, -1, -1):
        _, before, gates, candidate = kept[k]
        f, i, o = np.split(gates, 3, 1)
        tc = np.tanh(f * before + i * candidate)
        gc = gc + gh * o * (1 - tc * tc)
        gf, gi, go, gu = np.split(gz[k], 4, 1)
        np.multiply(gc * before, f * (1 - f), out=gf)
        np.multiply(gc * candidate, i * (1 - i), out=gi)
        np.multiply(gh * tc, o * (1 - o), out=go)
        np.multiply(gc * i, 1 - candidate * candidate, out=gu)
        gh, gc = gz[k] @ u.T, gc * f
    rows = gz.reshape(-1, 4 * HIDDEN)
    hs = np.concatenate([h for h, *_ in kept])
    return [loss, xs.reshape(-1, INPUTS).T @ rows, hs.T @ rows, rows.sum(0)]


def lstm_torch(xs: Floats, w: Floats, u: Floats, b: Floats) -> Job:
    """PyTorch's own cell, step by step; its gates come as i, f, u, o."""
    torch = module("torch")

    def in_its_order(x: Floats) -> Floats:
        f, i, o, g = np.split(x, 4, -1)
        return np.concatenate([i, f, g, o], -1)

    cell: Tensor = torch.nn.LSTMCell(INPUTS, HIDDEN)
    cell.weight_ih.data = torch.tensor(in_its_order(w).T.copy())
    cell.weight_hh.data = torch.tensor(in_its_order(u).T.copy())
    cell.bias_ih.data = torch.tensor(in_its_order(b))
    cell.bias_hh.data = torch.zeros(4 * HIDDEN)
    txs = torch.tensor(xs)

    def in_ours(x: Tensor) -> Tensor:
        i, f, g, o = torch.chunk(x, 4, -1)
        return torch.cat([f, i, o, g], -1)

    def run() -> Sequence[object]:
        cell.zero_grad()
        h: Tensor = torch.zeros(BATCH, HIDDEN)
        c = h
        for x in txs:
            h, c = cell(x, (h, c))
        loss = (h * h).sum()
        loss.backward()
        gradients = (cell.weight_ih.grad.T, cell.weight_hh.grad.T, cell.bias_ih.grad)
        return [loss, *(in_ours(g) for g in gradients)]

    return Job(run)


def lstm_autograd(xs: Floats, w: Floats, u: Floats, b: Floats) -> Job:
    """HIPS autograd, all gates by one product."""
    anp = module("autograd.numpy")

    def loss_of(parameters: Tensor) -> Tensor:
        w, u, b = parameters
        h: Tensor = np.zeros((BATCH, HIDDEN), np.float32)
        c = h
        for x in xs:
            z = anp.dot(x, w) + anp.dot(h, u) + b
            gates = 0.5 * anp.tanh(0.5 * z[:, : 3 * HIDDEN]) + 0.5
            candidate = anp.tanh(z[:, 3 * HIDDEN :])
            c = gates[:, :HIDDEN] * c + gates[:, HIDDEN : 2 * HIDDEN] * candidate
            h = gates[:, 2 * HIDDEN :] * anp.tanh(c)
        return anp.sum(h * h)

    both: Tensor = module("autograd").value_and_grad(loss_of)

    def run() -> Sequence[object]:
        loss, gradients = both([w, u, b])
        return [loss, *gradients]

    return Job(run)


def lstm_jax(xs: Floats, w: Floats, u: Floats, b: Floats) -> Job:
    """JAX: a compiled scan."""
    jax, jnp = module("jax"), module("jax.numpy")

    def loss_of(parameters: Tensor, xs: Tensor) -> Tensor:
        w, u, b = parameters

        def step(state: Tensor, x: Tensor) -> Tensor:
            h, c = state
            f, i, o, g = jnp.split(x @ w + h @ u + b, 4, 1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), None

        start = jnp.zeros((BATCH, HIDDEN), jnp.float32)
        (h, _), _ = jax.lax.scan(step, (start, start), xs)
        return jnp.sum(h * h)

    compiled: Tensor = jax.jit(jax.value_and_grad(loss_of))

    def run() -> Sequence[object]:
        loss, gradients = compiled((w, u, b), xs)
        return [loss, *[g.block_until_ready() for g in gradients]]

    return Job(run)
