"""A net of one hidden layer, fitted to a noisy sine by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, parser, picture, report

import dezero.functions as F
from dezero import no_grad
from dezero.models import MLP
from dezero.optimizers import MomentumSGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the loss, which holds the noise, and how far the net is from the sine itself."""
    options = parser(__doc__).parse_args(argv, Options())
    np.random.seed(0)
    x = np.random.rand(100, 1).astype(np.float32)
    t = np.sin(2 * np.pi * x) + np.random.normal(0, 0.2, x.shape).astype(np.float32)

    model = MLP((10, 1), activation=F.tanh)
    optimizer = MomentumSGD(lr=0.03).setup(model)
    losses: list[float] = []
    for _ in (steps := Steps("step", 2000 if options.quick else 10000)):
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss))
        steps.note(loss=losses[-1])

    line = np.linspace(0, 1, 200, dtype=np.float32)[:, np.newaxis]
    true = np.sin(2 * np.pi * line)
    with no_grad():
        y = model(line)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.plot(x, t, ".", color="0.6", label="data")
        left.plot(line, true, "k--", lw=1, label="sine")
        left.plot(line, y.data, color="C3", lw=2, label="net")
        left.set(xlabel="x")
        left.legend()
        right.loglog(losses)
        right.axhline(0.2**2, color="k", ls="--", lw=1, label="variance of the noise")
        right.set(xlabel="step", title="mean squared error")
        right.legend()

    picture(options.out / "regression.png", draw, (9, 3.6))
    error = float(np.sqrt(np.mean((y.data - true) ** 2)))
    return report({"loss": losses[-1], "distance from the sine": error})


if __name__ == "__main__":
    main()
