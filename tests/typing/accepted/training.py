"""A training script, as a user writes it: no cast, no Any, and the types are known to the end."""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import dezero.functions as F
import dezero.layers as L
from dezero import DataLoader, Dataset, Model, Parameter, Variable, grad, no_grad, optimizers
from dezero.models import MLP, Sequential


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = L.Conv2d(4, kernel_size=3, pad=1)
        self.norm = L.BatchNorm()
        self.out = L.Linear(10)

    def forward(self, x: Variable) -> Variable:
        h = F.relu(self.norm(self.conv(x)))
        return self.out(F.flatten(F.pooling(h, 2, 2)))


class Memory(L.Layer):
    """A layer with two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = L.LSTM(8)

    def forward(self, x: Variable) -> tuple[Variable, Variable]:
        h = self.cell(x)
        return h, F.tanh(h)


def train(model: Model, data: Dataset, epochs: int) -> float:
    optimizer = optimizers.Adam().setup(model)
    assert_type(optimizer, optimizers.Adam)
    optimizer.add_hook(optimizers.WeightDecay(1e-4))
    loader = DataLoader(data, batch_size=32)
    last = 0.0
    for _ in range(epochs):
        for x, t in loader:
            assert_type(x, NDArray[Any])
            loss = F.softmax_cross_entropy(model(x), t)
            assert_type(loss, Variable)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            last = float(loss)
    return last


net = Net()
images = np.zeros((64, 1, 8, 8), np.float32)
train(net, Dataset.of(images, np.zeros(64, np.int64)), epochs=1)
train(MLP((10, 3)), Dataset.of(images.reshape(64, 64), np.zeros(64, np.int64)), epochs=1)

assert_type(net(images), Variable)
assert_type(net.conv, L.Conv2d)
assert_type(net.conv(images), Variable)
assert_type(Memory()(np.zeros((2, 3), np.float32)), tuple[Variable, Variable])
assert_type(Sequential(L.Linear(3), F.relu)(images), Variable)
assert_type(net.params(), Iterator[Parameter])
assert_type(next(net.params()).grad, Variable | None)
assert_type(F.accuracy(net(images), np.zeros(64, np.int64)), Variable)

with no_grad():
    y = net(images)
assert_type(grad(F.sum(y), [net.out.W, net.conv.W]), list[Variable])
assert_type(grad(F.sum(y), net.out.W), Variable)
net.save_weights("net.npz")
net.load_weights("net.npz")
