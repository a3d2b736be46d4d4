"""A variational autoencoder: digits as eight numbers and back, and new digits from random numbers.

Source: D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, mosaic, parser, picture, report
from digits import load

import dezero.functions as F
import dezero.layers as L
from dezero import DataLoader, Dataset, Model, Variable, no_grad
from dezero.contract import Array
from dezero.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATENT = 8


class VAE(Model):
    """An encoder to the mean and the log-variance of z, and a decoder to the scores of pixels."""

    def __init__(self) -> None:
        self.encoder = L.Linear(128)
        self.mean = L.Linear(LATENT)
        self.log_variance = L.Linear(LATENT)
        self.decoder = L.Linear(128)
        self.pixels = L.Linear(64)

    def encode(self, x: Variable | Array) -> tuple[Variable, Variable]:
        """The mean and the log-variance of z, each (N, LATENT), for pictures (N, 64)."""
        h = F.relu(self.encoder(x))
        return self.mean(h), self.log_variance(h)

    def decode(self, z: Variable | Array) -> Variable:
        """The scores (N, 64) of pixels: a pixel is sigmoid(score)."""
        return self.pixels(F.relu(self.decoder(z)))

    def forward(self, x: Variable) -> Variable:
        """The negative ELBO, in nats per picture: reconstruction, and Kullback-Leibler divergence."""
        mean, log_variance = self.encode(x)
        noise = np.random.randn(*mean.shape).astype(np.float32)
        z = mean + F.exp(0.5 * log_variance) * noise
        kl = 0.5 * F.sum(mean**2 + F.exp(log_variance) - log_variance - 1) / len(x)
        return F.sigmoid_cross_entropy(self.decode(z), x) + kl


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the ELBO on digits that were not learnt, before and after; and the error of a pixel."""
    options = parser(__doc__).parse_args(argv, Options())
    np.random.seed(0)
    digits = load()
    x_test = digits.x_test.reshape(-1, 64)
    model = VAE()
    with no_grad():
        before = -float(model(x_test))

    optimizer = Adam(alpha=0.002).setup(model)
    loader = DataLoader(Dataset.of(digits.x.reshape(-1, 64)), batch_size=50)
    for _ in (steps := Steps("epoch", 20 if options.quick else 200)):
        for x, _ in loader:
            loss = model(x)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            steps.note(elbo=-float(loss))

    with no_grad():
        after = -float(model(x_test))
        again = F.sigmoid(model.decode(model.encode(x_test)[0])).data
        new = F.sigmoid(model.decode(np.random.randn(32, LATENT).astype(np.float32))).data

    def draw(figure: Figure) -> None:
        rows = np.concatenate([x_test[:16], again[:16], new])
        ax = figure.subplots()
        ax.imshow(mosaic(rows.reshape(-1, 8, 8), columns=16), cmap="gray_r")
        ax.axis("off")
        ax.set_title("digits, what is left of them after eight numbers, and 32 new ones")

    picture(options.out / "vae.png", draw, (9, 2.8))
    return report(
        {
            "ELBO before": before,
            "ELBO after": after,
            "error of a pixel": float(np.sqrt(np.mean((again - x_test) ** 2))),
        }
    )


if __name__ == "__main__":
    main()
