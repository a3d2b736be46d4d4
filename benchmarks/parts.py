"""`python -m benchmarks.parts`: what the time of a small operation is made of.

The workload is `small` of the benchmarks: y = sin(y) x + y on ten elements, a thousand times, forward
and backward. Each part is measured by leaving it out, or alone; all in turn, round by round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median

import numpy as np

import dezero.functions as F
from benchmarks.workloads.chains import small_numpy
from dezero import Variable, no_grad
from dezero.contract import Array
from dezero.core import Mul
from dezero.graph import Node, output_of

ROUNDS = 1000
OPERATIONS = 3 * ROUNDS
X0 = np.linspace(0.05, 0.5, 10) * 1e-2


def forward(record: bool) -> tuple[Variable, Variable]:
    """The start and the end of the chain."""
    x = Variable(X0)
    y = x
    with nullcontext() if record else no_grad():
        for _ in range(ROUNDS):
            y = F.sin(y) * x + y
    return x, y


def backward() -> None:
    """Forward, and backward."""
    x, y = forward(record=True)
    F.sum(y).backward()
    assert x.grad is not None


def without_collector(run: Callable[[], object]) -> Callable[[], object]:
    """The same, with the garbage collector switched off meanwhile."""

    def quiet() -> None:
        gc.disable()
        try:
            run()
        finally:
            gc.enable()

    return quiet


def computing() -> None:
    """The same calls of NumPy as in forward and backward, on arrays, and nothing else."""
    y, g, gx = X0, np.ones(10), np.zeros(10)
    kept: list[Array] = []
    for _ in range(ROUNDS):
        kept.append(y)
        y = np.sin(y) * X0 + y
    for before in reversed(kept):
        gx = gx + g * X0
        g = g * X0 * np.cos(before) + g


def objects() -> None:
    """What is made for each operation: Function, Variable, Node, weak reference."""
    for _ in range(OPERATIONS):
        output_of(Mul(), X0)


_HELD = Variable(X0)
REFERENCE = _HELD.node.variable

PARTS: dict[str, Callable[[], object]] = {
    "by hand": lambda: small_numpy(X0, ROUNDS, True),
    "forward and backward": backward,
    "  without the collector": without_collector(backward),
    "forward, recorded": lambda: forward(record=True),
    "forward under no_grad": lambda: forward(record=False),
    "NumPy's calls alone": computing,
    "making the objects alone": objects,
    "  a Node alone": lambda: [Node(REFERENCE, X0) for _ in range(OPERATIONS)],
}


def main() -> None:
    """Measures and prints."""
    figures: dict[str, list[float]] = {name: [] for name in PARTS}
    for _ in range(40):
        for name, run in PARTS.items():
            began = time.perf_counter()
            run()
            figures[name].append((time.perf_counter() - began) / OPERATIONS * 1e6)
    hand = figures["by hand"]
    for name, found in figures.items():
        ratio = median(f / h for f, h in zip(found, hand, strict=True))
        print(f"{name:<28} {median(found):6.2f} µs per operation {ratio:6.2f} of by hand")


if __name__ == "__main__":
    main()
