"""The Rosenbrock function: gradient descent creeps along its valley, Newton's method leaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, parser, picture, report

from dezero import Variable, grad

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rosenbrock(x0: Variable, x1: Variable) -> Variable:
    """100 (x1 - x0²)² + (x0 - 1)²; the minimum is 0, at (1, 1)."""
    return 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2


def descend(begin: tuple[float, float], steps: int, lr: float = 0.001) -> list[tuple[float, float]]:
    """The points of gradient descent."""
    points = [begin]
    for _ in (bar := Steps("gradient descent", steps)):
        x0, x1 = (Variable(np.array(x)) for x in points[-1])
        y = rosenbrock(x0, x1)
        g0, g1 = grad(y, [x0, x1])
        points.append((float(x0) - lr * float(g0), float(x1) - lr * float(g1)))
        bar.note(y=float(y))
    return points


def leap(begin: tuple[float, float], steps: int = 10) -> list[tuple[float, float]]:
    """The points of Newton's method: H d = -g, and the Hessian H is the gradient of the gradient."""
    points = [begin]
    for _ in range(steps):
        xs = [Variable(np.array(x)) for x in points[-1]]
        g = grad(rosenbrock(*xs), xs, create_graph=True)
        hessian = np.array([[float(h) for h in grad(gi, xs)] for gi in g])
        d0, d1 = np.linalg.solve(hessian, [-float(gi) for gi in g])
        points.append((float(xs[0]) + float(d0), float(xs[1]) + float(d1)))
        if np.hypot(d0, d1) < 1e-12:
            break
    return points


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns how many steps each method takes, and how far from the minimum it ends."""
    options = parser(__doc__).parse_args(argv, Options())
    begin = (0.0, 2.0)
    paths = {
        "gradient descent": descend(begin, 3000 if options.quick else 30000),
        "Newton": leap(begin),
    }

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        x0, x1 = np.meshgrid(np.linspace(-0.5, 2.0, 300), np.linspace(-0.6, 2.4, 300))
        y = rosenbrock(Variable(x0), Variable(x1)).data
        ax.contourf(x0, x1, np.log10(y + 1e-3), levels=24, cmap="Blues_r", alpha=0.6)
        for (name, points), mark in zip(paths.items(), (".-", "o-"), strict=True):
            ax.plot(*np.array(points).T, mark, lw=1, ms=4, label=f"{name}, {len(points) - 1} steps")
        ax.plot(1, 1, "k*", ms=12, label="minimum")
        ax.set(xlabel="x0", ylabel="x1", xlim=(-0.5, 2.0), ylim=(-0.6, 2.4))
        ax.legend(loc="lower right")

    picture(options.out / "rosenbrock.png", draw, (6.4, 4.8))
    steps = {f"steps of {name}": float(len(points) - 1) for name, points in paths.items()}
    ends = {name: np.array(points[-1]) - 1 for name, points in paths.items()}
    return report(steps | {f"error of {name}": float(np.hypot(*end)) for name, end in ends.items()})


if __name__ == "__main__":
    main()
