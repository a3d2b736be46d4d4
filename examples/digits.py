"""Handwritten digits, told apart by a multi-layer perceptron and by a small convolutional net.

By default the 1797 digits of 8 x 8 pixels that scikit-learn ships; with --mnist the files of MNIST.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from common import Options, Steps, mosaic, parser, picture, report

import dezero.functions as F
import dezero.layers as L
from dezero import DataLoader, Dataset, Model, Variable, as_array, no_grad
from dezero.contract import Array
from dezero.cuda import optional
from dezero.datasets import MNIST
from dezero.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DigitOptions(Options):
    """Also where MNIST's files are, if they shall be read."""

    mnist: Path | None


class Perceptron(Model):
    """Two hidden layers of 64."""

    def __init__(self) -> None:
        self.fc1 = L.Linear(64)
        self.fc2 = L.Linear(64)
        self.fc3 = L.Linear(10)

    def forward(self, x: Variable) -> Variable:
        """The scores (N, 10) of pictures (N, 1, H, W)."""
        h = F.relu(self.fc1(F.reshape(x, (len(x), -1))))
        return self.fc3(F.relu(self.fc2(h)))


class ConvNet(Model):
    """Two convolutions, each with pooling to half the height and width, and a linear layer."""

    def __init__(self) -> None:
        self.conv1 = L.Conv2d(16, kernel_size=3, pad=1)
        self.conv2 = L.Conv2d(32, kernel_size=3, pad=1)
        self.fc = L.Linear(10)

    def forward(self, x: Variable) -> Variable:
        """The scores (N, 10) of pictures (N, 1, H, W)."""
        h = F.pooling(F.relu(self.conv1(x)), 2, stride=2)
        h = F.pooling(F.relu(self.conv2(h)), 2, stride=2)
        return self.fc(F.reshape(h, (len(h), -1)))


class Digits(NamedTuple):
    """Pictures (N, 1, H, W) in 0 … 1, and their classes (N,): to learn from, and to test with."""

    x: Array
    t: Array
    x_test: Array
    t_test: Array


def load(mnist: Path | None = None) -> Digits:
    """The digits of scikit-learn, in an order drawn once; or those of MNIST, from a folder."""
    if mnist is not None:
        train, test = MNIST(train=True, folder=mnist), MNIST(train=False, folder=mnist)
        x, x_test = (part.data / np.float32(255) for part in (train, test))
        return Digits(x, np.asarray(train.label), x_test, np.asarray(test.label))
    sklearn = optional("sklearn.datasets", "scikit-learn", "digits.py")
    pixels, classes = sklearn.load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(pixels))
    data = np.asarray(pixels, np.float32)[order].reshape(-1, 1, 8, 8) / np.float32(16)
    label = np.asarray(classes, np.int64)[order]
    return Digits(data[:1200], label[:1200], data[1200:], label[1200:])


def fit(model: Model, digits: Digits, epochs: int) -> None:
    """Learn by Adam, in batches of 50."""
    optimizer = Adam(alpha=0.002).setup(model)
    loader = DataLoader(Dataset.of(digits.x, digits.t), batch_size=50)
    for _ in (steps := Steps(f"{type(model).__name__}, epoch", epochs)):
        for x, t in loader:
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            steps.note(loss=float(loss))


def scores(model: Model, x: Array) -> Array:
    """The scores (N, 10) of pictures, a thousand at a time."""
    with no_grad():
        parts = [model(x[i : i + 1000]).data for i in range(0, len(x), 1000)]
    return np.concatenate(parts)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the part of the test's digits that each net tells right."""
    arguments = parser(__doc__)
    arguments.add_argument("--mnist", type=Path, help="folder with train-images-idx3-ubyte.gz etc.")
    options = arguments.parse_args(argv, DigitOptions())
    digits = load(options.mnist)
    epochs = 8 if options.quick else 30

    accuracies: dict[str, float] = {}
    guesses: dict[str, Array] = {}
    for net in (Perceptron, ConvNet):
        np.random.seed(0)
        model = net()
        fit(model, digits, epochs)
        y = scores(model, digits.x_test)
        guesses[net.__name__] = as_array(y.argmax(axis=1))
        accuracies[net.__name__] = float(F.accuracy(y, digits.t_test))

    width = digits.x_test.shape[-1] + 2  # in the frame that a mosaic gives it

    def draw(figure: Figure) -> None:
        for (name, y), ax in zip(guesses.items(), figure.subplots(2, 1), strict=True):
            wrong = np.flatnonzero(y != digits.t_test)
            ax.imshow(mosaic(digits.x_test[wrong[:24], 0], columns=24), cmap="gray_r")
            ax.set_title(f"{name}: {len(wrong)} of {len(y)} taken for others")
            places = width * np.arange(min(len(wrong), 24)) + (width - 1) / 2
            ax.set_xticks(places, y[wrong[:24]])
            ax.set_yticks([])

    picture(options.out / "digits.png", draw, (9, 2.4))
    return report(accuracies)


if __name__ == "__main__":
    main()
