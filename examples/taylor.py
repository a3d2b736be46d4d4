"""The sine as its Taylor series, of which dezero knows nothing but + and *, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
from common import Options, parser, picture, report

from dezero import Variable, grad

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sine(x: Variable, terms: int) -> Variable:
    """Σ (-1)^i x^(2i+1) / (2i+1)!, the sum of the first ``terms``."""
    y = x
    for i in range(1, terms):
        y = y + (-1) ** i / factorial(2 * i + 1) * x ** (2 * i + 1)
    return y


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the largest errors on ±2π of the series of 16 terms, and of its derivatives."""
    options = parser(__doc__).parse_args(argv, Options())
    x = Variable(np.linspace(-2 * np.pi, 2 * np.pi, 60 if options.quick else 400))

    derivatives = [sine(x, terms=16)]
    for _ in range(3):
        derivatives.append(grad(derivatives[-1], x, create_graph=True))

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        left.plot(x.data, np.sin(x.data), "k", lw=4, alpha=0.2, label="sine")
        for terms in range(1, 8):
            left.plot(x.data, sine(x, terms).data, lw=1, color=f"C{terms}", label=f"{terms}")
        left.set(ylim=(-2.2, 1.5), title="the series, by its number of terms", xlabel="x")
        left.legend(fontsize=8, ncols=4, loc="lower center")
        for order, y in enumerate(derivatives):
            right.plot(x.data, y.data, label="y" + "′" * order)
        right.set(title="16 terms, differentiated", xlabel="x")
        right.legend(fontsize=8, ncols=4, loc="lower center")

    picture(options.out / "taylor.png", draw, (9, 3.6))
    exact = (np.sin(x.data), np.cos(x.data), -np.sin(x.data), -np.cos(x.data))
    return report(
        {
            f"error of derivative {order}": float(np.max(np.abs(y.data - true)))
            for order, (y, true) in enumerate(zip(derivatives, exact, strict=True))
        }
    )


if __name__ == "__main__":
    main()
