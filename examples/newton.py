"""Newton's method: the minimum of x⁴ - 2x², by second derivatives; beside gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, parser, picture, report

from dezero import Variable, grad

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def f(x: Variable) -> Variable:
    """Its minima are at x = ±1."""
    return x**4 - 2 * x**2


def newton(x: Variable) -> float:
    """The step -f′/f″."""
    gx = grad(f(x), x, create_graph=True)
    return -float(gx) / float(grad(gx, x))


def descent(x: Variable) -> float:
    """The step -0.01 f′."""
    return -0.01 * float(grad(f(x), x))


def path(step: Callable[[Variable], float], begin: float = 2.0, limit: int = 1000) -> list[float]:
    """The points of a method, until it no longer moves."""
    xs = [begin]
    while len(xs) <= limit:
        dx = step(Variable(np.array(xs[-1])))
        xs.append(xs[-1] + dx)
        if abs(dx) < 1e-12:
            break
    return xs


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns how many steps each method takes, and how far from the minimum it ends."""
    options = parser(__doc__).parse_args(argv, Options())
    paths = {"Newton": path(newton), "descent": path(descent)}

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        line = np.linspace(-0.2, 2.05, 200)
        left.plot(line, f(Variable(line)).data, color="0.7")
        for (name, xs), mark in zip(paths.items(), ("o-", ".-"), strict=True):
            left.plot(xs, f(Variable(np.array(xs))).data, mark, lw=1, ms=5, label=name)
            right.semilogy([max(abs(x - 1), 1e-17) for x in xs], mark, lw=1, ms=4, label=name)
        left.set(xlabel="x", title="x⁴ - 2x²")
        right.set(xlabel="step", title="distance from the minimum")
        left.legend()
        right.legend()

    picture(options.out / "newton.png", draw, (9, 3.6))
    steps = {f"steps of {name}": float(len(xs) - 1) for name, xs in paths.items()}
    return report(steps | {f"error of {name}": abs(xs[-1] - 1) for name, xs in paths.items()})


if __name__ == "__main__":
    main()
