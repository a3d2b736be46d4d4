"""Classification: a small net learns to tell the three arms of a spiral apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, parser, picture, report

import dezero.functions as F
from dezero import DataLoader, no_grad
from dezero.datasets import Spiral, get_spiral
from dezero.models import MLP
from dezero.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the accuracy on points that were not learnt, and the loss of the last epoch."""
    options = parser(__doc__).parse_args(argv, Options())
    np.random.seed(0)
    train = Spiral()
    points, classes = get_spiral(train=False)
    loader = DataLoader(train, batch_size=30)
    model = MLP((10, 3))
    optimizer = SGD(lr=1.0).setup(model)

    losses: list[float] = []
    for _ in (steps := Steps("epoch", 200 if options.quick else 600)):
        total = 0.0
        for x, t in loader:
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            total += float(loss) * len(t)
        losses.append(total / len(train))
        steps.note(loss=losses[-1])

    with no_grad():
        accuracy = float(F.accuracy(model(points), classes))

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        x0, x1 = np.meshgrid(np.linspace(-1.1, 1.1, 220), np.linspace(-1.1, 1.1, 220))
        with no_grad():
            y = model(np.stack([x0.ravel(), x1.ravel()], axis=1).astype(np.float32))
        left.contourf(x0, x1, y.data.argmax(axis=1).reshape(x0.shape), levels=2, alpha=0.25)
        left.scatter(*points.T, c=classes, s=8)
        left.set(title=f"test points, {accuracy:.1%} right", aspect="equal")
        right.plot(losses)
        right.set(xlabel="epoch", title="loss", ylim=(0, None))

    picture(options.out / "spiral.png", draw, (9, 4))
    return report({"accuracy": accuracy, "loss": losses[-1]})


if __name__ == "__main__":
    main()
