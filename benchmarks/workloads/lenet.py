"""A small LeNet on images of 28 × 28: forward, backward, and a step of SGD, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import dezero.functions as F
import dezero.layers as L
from benchmarks.peers import module
from benchmarks.timing import Job, Workload
from dezero import Parameter, Variable
from dezero.models import Model
from dezero.optimizers import SGD

Tensor = Any  # whatever a contender computes with: peers are untyped
Floats = np.ndarray[Any, np.dtype[np.float32]]

LR = 0.01
SHAPES = ((6, 1, 5, 5), (16, 6, 5, 5), (256, 84), (84, 10))
"""Two convolutions, each with relu and a pooling of 2 × 2, then two linear layers."""


def lenet(n: int) -> Workload:
    """The step for a batch of n."""
    random = np.random.default_rng(3)
    x = random.normal(size=(n, 1, 28, 28)).astype(np.float32)
    t = random.integers(0, 10, n)
    weights: list[Floats] = []
    for shape in SHAPES:
        inputs = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
        weights.append((random.normal(size=shape) / np.sqrt(inputs)).astype(np.float32))
        weights.append(np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32))
    return Workload(
        "convolution",
        f"LeNet step (batch {n}, 28×28, float32), SGD (jax compiled)",
        {
            "dezero": lambda: lenet_dezero(x, t, weights),
            "numpy": lambda: lenet_numpy(x, t, weights),
            "torch": lambda: lenet_torch(x, t, weights),
            "mygrad": lambda: lenet_mygrad(x, t, weights),
            "jax": lambda: lenet_jax(x, t, weights),
        },
        tolerance=1e-4,
        rounds=31,
    )


class LeNet(Model):
    """Dezero's own layers."""

    def __init__(self) -> None:
        self.c1, self.c2 = L.Conv2d(6, 5), L.Conv2d(16, 5)
        self.l1, self.l2 = L.Linear(84), L.Linear(10)

    def forward(self, x: Variable) -> Variable:
        x = F.pooling(F.relu(self.c1(x)), 2, 2)
        x = F.pooling(F.relu(self.c2(x)), 2, 2)
        return self.l2(F.relu(self.l1(F.reshape(x, (len(x), -1)))))


def lenet_dezero(x: Floats, t: Any, weights: Sequence[Floats]) -> Job:
    """Dezero."""
    model = LeNet()
    parameters: list[Parameter] = []
    for layer in (model.c1, model.c2, model.l1, model.l2):
        assert layer.b is not None  # as it was not left out
        parameters += [layer.W, layer.b]
    for parameter, w in zip(parameters, weights, strict=True):
        parameter.data = w.copy()
    optimizer = SGD(LR).setup(model)

    def run() -> Sequence[object]:
        loss = F.softmax_cross_entropy(model(Variable(x)), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return [loss, *parameters]

    return Job(run)


# ------------------------------------------------------------------------------------------- By hand


def windows_of(x: Floats, size: int) -> Floats:
    """A row for each place of the window: (N · OH · OW, C · size²)."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    n, c, oh, ow = view.shape[:4]
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * size * size)


def convolved(x: Floats, w: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The images (N, O, OH, OW), and the rows that were multiplied."""
    o, _, k, _ = w.shape
    rows = windows_of(x, k)
    y = rows @ w.reshape(o, -1).T
    y += b
    side = x.shape[2] - k + 1
    return y.reshape(len(x), side, side, o).transpose(0, 3, 1, 2), rows


def pooled(x: Floats) -> tuple[Floats, Any]:
    """Of each 2 × 2 the largest, and which it is."""
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
    which = blocks.argmax(1)
    return blocks[np.arange(len(blocks)), which].reshape(n, c, h // 2, w // 2), which


def spread(g: Floats, which: Any) -> Floats:
    """The adjoint of `pooled`."""
    n, c, h, w = g.shape
    blocks = np.zeros((g.size, 4), g.dtype)
    blocks[np.arange(g.size), which] = g.ravel()
    return blocks.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)


def scattered(g: Floats, w: Floats, side: int) -> Floats:
    """The adjoint of a convolution in its images."""
    n, o, height, width = g.shape
    _, c, k, _ = w.shape
    columns = (g.transpose(0, 2, 3, 1).reshape(-1, o) @ w.reshape(o, -1)).reshape(
        n, height, width, c, k, k
    )
    gx = np.zeros((n, c, side, side), g.dtype)
    for i in range(k):
        for j in range(k):
            gx[:, :, i : i + height, j : j + width] += columns[..., i, j].transpose(0, 3, 1, 2)
    return gx


def lenet_numpy(x: Floats, t: Any, weights: Sequence[Floats]) -> Job:
    """By hand."""
    parameters = [w.copy() for w in weights]
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters
    batch = np.arange(len(x))

    def run() -> Sequence[object]:
        a1, rows1 = convolved(x, w1, b1)
        h1, which1 = pooled(np.maximum(a1, 0))
        a2, rows2 = convolved(h1, w2, b2)
        h2, which2 = pooled(np.maximum(a2, 0))
        flat = h2.reshape(len(x), -1)
        h3 = np.maximum(flat @ w3 + b3, 0)
        z = h3 @ w4 + b4
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        total = p.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[batch, t]).mean()
        p /= total
        p[batch, t] -= 1
        p /= len(x)
        g3 = (p @ w4.T) * (h3 > 0)
        g2 = spread((g3 @ w3.T).reshape(h2.shape), which2) * (a2 > 0)
        rows_g2 = g2.transpose(0, 2, 3, 1).reshape(-1, 16)
        g1 = spread(scattered(g2, w2, h1.shape[2]), which1) * (a1 > 0)
        rows_g1 = g1.transpose(0, 2, 3, 1).reshape(-1, 6)
        gradients = [
            (rows_g1.T @ rows1).reshape(w1.shape), rows_g1.sum(0),
            (rows_g2.T @ rows2).reshape(w2.shape), rows_g2.sum(0),
            flat.T @ g3, g3.sum(0), h3.T @ p, p.sum(0),
        ]  # fmt: skip
        for parameter, g in zip(parameters, gradients, strict=True):
            g *= np.float32(LR)
            parameter -= g
        return [loss, *parameters]

    return Job(run)


# --------------------------------------------------------------------------------------------- Peers


def lenet_torch(x: Floats, t: Any, weights: Sequence[Floats]) -> Job:
    """PyTorch's own layers and optimizer."""
    torch = module("torch")
    nn = torch.nn
    model: Tensor = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    parameters: list[Tensor] = list(model.parameters())
    for p, w in zip(parameters, weights, strict=True):
        p.data = torch.tensor(w.T.copy() if w.ndim == 2 else w)
    optimizer: Tensor = torch.optim.SGD(parameters, LR)
    tx, tt = torch.tensor(x), torch.tensor(t)

    def run() -> Sequence[object]:
        loss = nn.functional.cross_entropy(model(tx), tt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return [loss, *[p.T if p.ndim == 2 else p for p in parameters]]

    return Job(run)


def lenet_mygrad(x: Floats, t: Any, weights: Sequence[Floats]) -> Job:
    """MyGrad, and the updates by hand."""
    mygrad, nnet = module("mygrad"), module("mygrad.nnet")
    parameters = [w.copy() for w in weights]

    def run() -> Sequence[object]:
        ws = [mygrad.tensor(p) for p in parameters]
        h: Tensor = x
        for w, b in (ws[0:2], ws[2:4]):
            h = nnet.relu(nnet.conv_nd(h, w, stride=1) + b.reshape(-1, 1, 1))
            h = nnet.max_pool(h, (2, 2), 2)
        h = nnet.relu(mygrad.matmul(h.reshape(len(x), -1), ws[4]) + ws[5])
        loss = nnet.softmax_crossentropy(mygrad.matmul(h, ws[6]) + ws[7], t)
        value = loss.data
        loss.backward()
        gradients = [np.array(w.grad, np.float32) for w in ws]
        del ws, w, b, h, loss  # it locks the memory of what the graph holds
        for parameter, g in zip(parameters, gradients, strict=True):
            parameter -= np.float32(LR) * g
        return [value, *parameters]

    return Job(run)


def lenet_jax(x: Floats, t: Any, weights: Sequence[Floats]) -> Job:
    """JAX, the whole step compiled."""
    jax, jnp = module("jax"), module("jax.numpy")

    def convolution(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID") + b.reshape(-1, 1, 1)
        window = (1, 1, 2, 2)
        return jax.lax.reduce_window(jnp.maximum(y, 0), -jnp.inf, jax.lax.max, window, window, "VALID")

    def loss_of(ws: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3, w4, b4 = ws
        h = convolution(convolution(x, w1, b1), w2, b2).reshape(len(x), -1)
        z = jnp.maximum(h @ w3 + b3, 0) @ w4 + b4
        return jnp.mean(jax.nn.logsumexp(z, 1) - z[jnp.arange(len(x)), t])

    def step(ws: Tensor) -> Tensor:
        loss, gs = jax.value_and_grad(loss_of)(ws)
        return loss, [w - LR * g for w, g in zip(ws, gs, strict=True)]

    compiled: Tensor = jax.jit(step)
    state: Tensor = [jnp.asarray(w) for w in weights]

    def run() -> Sequence[object]:
        nonlocal state
        loss, state = compiled(state)
        return [loss, *[w.block_until_ready() for w in state]]

    return Job(run)
