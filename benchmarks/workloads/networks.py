"""Training steps in float32: a multi-layer perceptron, a small LeNet, an LSTM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import dezero.functions as F
from benchmarks.peers import module
from benchmarks.timing import Job, Workload
from benchmarks.workloads.lenet import lenet
from benchmarks.workloads.lstm import lstm
from dezero import Variable
from dezero.models import MLP
from dezero.optimizers import SGD, Adam, Optimizer

Tensor = Any  # whatever a contender computes with: peers are untyped
Floats = np.ndarray[Any, np.dtype[np.float32]]

PERCEPTRON = (64, 784, 256, 10)
"""The size of the batch, and of the layers."""
LR, ALPHA, BETA1, BETA2, EPS = 0.1, 1e-3, 0.9, 0.999, 1e-8


def workloads(tiny: bool = False) -> list[Workload]:
    """Those of this file, and of the two beside it."""
    sizes = (4, 6, 5, 3) if tiny else PERCEPTRON
    return [
        mlp("mlp-sgd", sizes, adam=False),
        mlp("mlp-adam", sizes, adam=True),
        lenet(2 if tiny else 64),
        lstm(3 if tiny else 100),
    ]


def mlp(name: str, sizes: Sequence[int], adam: bool) -> Workload:
    """x → linear → relu → linear → softmax cross entropy; forward, backward and update."""
    n, features, hidden, classes = sizes
    random = np.random.default_rng(2)
    x = random.normal(size=(n, features)).astype(np.float32)
    t = random.integers(0, classes, n)
    weights: list[Floats] = [
        (random.normal(size=(features, hidden)) / np.sqrt(features)).astype(np.float32),
        np.zeros(hidden, np.float32),
        (random.normal(size=(hidden, classes)) / np.sqrt(hidden)).astype(np.float32),
        np.zeros(classes, np.float32),
    ]
    prepare: Mapping[str, Callable[[], Job]] = {
        "dezero": lambda: mlp_dezero(x, t, weights, adam),
        "numpy": lambda: mlp_numpy(x, t, weights, adam),
        "torch": lambda: mlp_torch(x, t, weights, adam),
        "autograd": lambda: mlp_autograd(x, t, weights, adam),
        "mygrad": lambda: mlp_mygrad(x, t, weights, adam),
        "jax": lambda: mlp_jax(x, t, weights, adam),
    }
    title = f"MLP step ({n}×{features}, {hidden}, {classes}, float32), {'Adam' if adam else 'SGD'}"
    return Workload(name, title + " (jax compiled)", prepare, tolerance=1e-4, rounds=101)


def mlp_dezero(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """Dezero's own model and optimizer."""
    model = MLP((weights[1].size, weights[3].size), activation=F.relu)
    for layer, W, b in zip(model.layers, weights[::2], weights[1::2], strict=True):
        layer.W.data = W.copy()
        assert layer.b is not None  # as it was not left out
        layer.b.data = b.copy()
    optimizer: Optimizer = Adam(ALPHA, BETA1, BETA2, EPS) if adam else SGD(LR)
    optimizer.setup(model)

    def run() -> Sequence[object]:
        loss = F.softmax_cross_entropy(model(Variable(x)), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return [loss, *model.params()]

    return Job(run)


class Updates:
    """SGD, or Adam, in place and without a temporary more than needed: for those who have neither."""

    def __init__(self, parameters: Sequence[Floats], adam: bool) -> None:
        self.parameters = parameters
        self.adam = adam
        self.t = 0
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]

    def __call__(self, gradients: Sequence[Floats]) -> None:
        """One update; the gradients are used up."""
        self.t += 1
        lr = ALPHA * np.sqrt(1 - BETA2**self.t) / (1 - BETA1**self.t)
        for p, g, m, v in zip(self.parameters, gradients, self.means, self.squares, strict=True):
            if not self.adam:
                g *= np.float32(LR)
                p -= g
                continue
            m *= np.float32(BETA1)
            m += np.float32(1 - BETA1) * g
            v *= np.float32(BETA2)
            g *= g
            g *= np.float32(1 - BETA2)
            v += g
            step = np.sqrt(v, out=g)
            step += np.float32(EPS)
            np.divide(m, step, out=step)
            step *= np.float32(lr)
            p -= step


def mlp_numpy(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """By hand."""
    parameters = [w.copy() for w in weights]
    w1, b1, w2, b2 = parameters
    update = Updates(parameters, adam)
    rows = np.arange(len(x))

    def run() -> Sequence[object]:
        h = x @ w1
        h += b1
        np.maximum(h, 0, out=h)
        z = h @ w2
        z += b2
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        total = p.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, t]).mean()
        p /= total
        p[rows, t] -= 1
        p /= len(x)
        gh = p @ w2.T
        gh *= h > 0
        update([x.T @ gh, gh.sum(0), h.T @ p, p.sum(0)])
        return [loss, *parameters]

    return Job(run)


def mlp_torch(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """PyTorch's own layers and optimizer, whose Adam adds eps to the corrected root."""
    torch = module("torch")
    layers: list[Tensor] = []
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        layer = torch.nn.Linear(*W.shape)
        layer.weight.data = torch.tensor(W.T.copy())
        layer.bias.data = torch.tensor(b)
        layers.append(layer)
    model: Tensor = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])
    eps = EPS / (1 - BETA2) ** 0.5  # the same at the first step, by which results are compared
    optimizer: Tensor = (
        torch.optim.Adam(model.parameters(), ALPHA, (BETA1, BETA2), eps)
        if adam
        else torch.optim.SGD(model.parameters(), LR)
    )
    tx, tt = torch.tensor(x), torch.tensor(t)

    def run() -> Sequence[object]:
        loss = torch.nn.functional.cross_entropy(model(tx), tt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, second = layers
        return [loss, first.weight.T, first.bias, second.weight.T, second.bias]

    return Job(run)


def mlp_autograd(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """HIPS autograd, and the updates by hand."""
    anp = module("autograd.numpy")
    parameters = [w.copy() for w in weights]
    update = Updates(parameters, adam)
    rows = np.arange(len(x))

    def loss_of(ws: Tensor) -> Tensor:
        w1, b1, w2, b2 = ws
        z = anp.maximum(anp.dot(x, w1) + b1, 0) @ w2 + b2
        z = z - anp.max(z, 1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), 1)) - z[rows, t])

    both: Tensor = module("autograd").value_and_grad(loss_of)

    def run() -> Sequence[object]:
        loss, gradients = both(parameters)
        update([np.array(g, np.float32) for g in gradients])
        return [loss, *parameters]

    return Job(run)


def mlp_mygrad(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """MyGrad, and the updates by hand."""
    mygrad = module("mygrad")
    losses = module("mygrad.nnet.losses")
    activations = module("mygrad.nnet.activations")
    parameters = [w.copy() for w in weights]
    update = Updates(parameters, adam)

    def run() -> Sequence[object]:
        w1, b1, w2, b2 = (ws := [mygrad.tensor(p) for p in parameters])
        z = mygrad.matmul(activations.relu(mygrad.matmul(x, w1) + b1), w2) + b2
        loss = losses.softmax_crossentropy(z, t)
        value = loss.data
        loss.backward()
        gradients = [np.array(w.grad, np.float32) for w in ws]
        del ws, w1, b1, w2, b2, z, loss  # it locks the memory of what the graph holds
        update(gradients)
        return [value, *parameters]

    return Job(run)


def mlp_jax(x: Floats, t: Any, weights: Sequence[Floats], adam: bool) -> Job:
    """JAX, the whole step compiled."""
    jax, jnp = module("jax"), module("jax.numpy")

    def loss_of(ws: Tensor) -> Tensor:
        w1, b1, w2, b2 = ws
        z = jnp.maximum(x @ w1 + b1, 0) @ w2 + b2
        return jnp.mean(jax.nn.logsumexp(z, 1) - z[jnp.arange(len(x)), t])

    def step(ws: Tensor, ms: Tensor, vs: Tensor, count: Tensor) -> Tensor:
        loss, gs = jax.value_and_grad(loss_of)(ws)
        if not adam:
            return loss, [w - LR * g for w, g in zip(ws, gs, strict=True)], ms, vs
        ms = [BETA1 * m + (1 - BETA1) * g for m, g in zip(ms, gs, strict=True)]
        vs = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(vs, gs, strict=True)]
        lr = (ALPHA * jnp.sqrt(1 - BETA2**count) / (1 - BETA1**count)).astype(jnp.float32)
        moved = zip(ws, ms, vs, strict=True)
        return loss, [w - lr * m / (jnp.sqrt(v) + EPS) for w, m, v in moved], ms, vs

    compiled: Tensor = jax.jit(step)
    state: Tensor = [[jnp.asarray(w) for w in weights], *[[jnp.zeros_like(w) for w in weights]] * 2]
    t_now = 0

    def run() -> Sequence[object]:
        nonlocal state, t_now
        t_now += 1
        loss, *state = compiled(*state, float(t_now))
        return [loss, *[w.block_until_ready() for w in state[0]]]

    return Job(run)
