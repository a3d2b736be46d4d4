"""A noisy sine wave, continued by a recurrent net and by an LSTM: each value from those before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, parser, picture, report
from numpy.typing import NDArray

import dezero.functions as F
import dezero.layers as L
from dezero import Dataset, Model, SeqDataLoader, Variable, no_grad
from dezero.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERIOD = 25


def wave(length: int, noise: float = 0.0) -> NDArray[np.float32]:
    """So many values of a sine wave, of shape (length, 1)."""
    values = np.sin(2 * np.pi * np.arange(length) / PERIOD) + np.random.normal(0, noise, length)
    return values.astype(np.float32)[:, np.newaxis]


class Forecast(Model):
    """A recurrent layer, and a linear one that makes the next value of its state."""

    def __init__(self, recurrent: L.RNN | L.LSTM) -> None:
        self.recurrent = recurrent
        self.fc = L.Linear(1)

    def forward(self, x: Variable) -> Variable:
        """The next values (N, 1), of those now."""
        return self.fc(self.recurrent(x))

    def continued(self, x: NDArray[np.float32], length: int) -> list[float]:
        """What the net thinks comes after a sequence, from its own guesses."""
        self.recurrent.reset_state()
        guesses: list[float] = []
        with no_grad():
            y = [self(value[np.newaxis]) for value in x][-1]
            for _ in range(length):
                guesses.append(float(y))
                y = self(y)
        return guesses


def fit(model: Forecast, data: NDArray[np.float32], epochs: int, cut: int = 10) -> None:
    """Learn from 32 stretches of the data side by side; gradients go back ``cut`` steps."""
    optimizer = Adam(alpha=0.005).setup(model)
    batches = list(SeqDataLoader(Dataset.of(data[:-1], data[1:]), batch_size=32))
    for _ in (steps := Steps(f"{type(model.recurrent).__name__}, epoch", epochs)):
        model.recurrent.reset_state()
        for i in range(0, len(batches), cut):
            errors = [F.mean_squared_error(model(x), t) for x, t in batches[i : i + cut]]
            loss = F.mean(F.stack(errors))
            model.cleargrads()
            loss.backward()
            loss.unchain_backward()
            optimizer.update()
            steps.note(loss=float(loss))


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns how far each net is from the sine (RMS) over two periods that it never saw.

    It sees four noisy periods first; from there on it goes by what it says itself.
    """
    options = parser(__doc__).parse_args(argv, Options())
    np.random.seed(0)
    data = wave(32 * 4 * PERIOD + 1, noise=0.1)
    seen, later = np.split(wave(6 * PERIOD), [4 * PERIOD])
    seen = seen + np.random.normal(0, 0.1, seen.shape).astype(np.float32)

    forecasts: dict[str, list[float]] = {}
    for recurrent in (L.RNN(32), L.LSTM(32)):
        model = Forecast(recurrent)
        fit(model, data, 20 if options.quick else 60)
        forecasts[type(recurrent).__name__] = model.continued(seen, len(later))

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.plot(seen, ".", color="0.6", label="seen")
        now = np.arange(len(seen), len(seen) + len(later))
        ax.plot(now, later, "k--", lw=1, label="sine")
        for name, values in forecasts.items():
            ax.plot(now, values, label=name)
        ax.set(xlabel="step", xlim=(0, None), ylim=(-1.5, 1.9))
        ax.legend(ncols=4, loc="upper center")

    picture(options.out / "wave.png", draw, (9, 3.2))
    return report(
        {name: float(np.sqrt(np.mean((later[:, 0] - y) ** 2))) for name, y in forecasts.items()}
    )


if __name__ == "__main__":
    main()
