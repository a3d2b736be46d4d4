"""`python -m benchmarks --parts small,perceptron,check`: what the time of a workload is made of.

Each part is measured by leaving it out, or alone; all in turn, round by round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from statistics import median
from typing import TypeAlias

import numpy as np

import dezero.functions as F
from benchmarks.workloads.chains import small_numpy
from benchmarks.workloads.checking import INPUTS, checked, program_of
from benchmarks.workloads.networks import PERCEPTRON, Floats, Updates, mlp_dezero, mlp_numpy
from dezero import Variable, no_grad
from dezero.contract import Array
from dezero.core import Mul
from dezero.graph import Node, output_of
from dezero.models import MLP
from dezero.optimizers import SGD
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.evaluation import evaluate
from dezero.verify.oracles import complex_step, enclose_gradient

Parts: TypeAlias = dict[str, Callable[[], object]]
"""What runs, by name: the first is that to which the others are held."""

TURNS = 40
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


def small() -> Parts:
    """The workload `small`: y = sin(y) x + y on ten elements, a thousand times."""
    return {
        "by hand": lambda: small_numpy(X0, ROUNDS, True),
        "forward and backward": backward,
        "  without the collector": without_collector(backward),
        "forward, recorded": lambda: forward(record=True),
        "forward under no_grad": lambda: forward(record=False),
        "NumPy's calls alone": computing,
        "making the objects alone": objects,
        "  a Node alone": lambda: [Node(REFERENCE, X0) for _ in range(OPERATIONS)],
    }


def perceptron() -> Parts:
    """The workload `mlp-sgd`: a step of a multi-layer perceptron in float32."""
    n, features, hidden, classes = PERCEPTRON
    random = np.random.default_rng(2)

    def numbers(*shape: int) -> Floats:
        return (random.normal(size=shape) / 28).astype(np.float32)

    x, w1, w2, t = (
        numbers(n, features),
        numbers(features, hidden),
        numbers(hidden, classes),
        random.integers(0, classes, n),
    )
    weights = [w1, np.zeros(hidden, np.float32), w2, np.zeros(classes, np.float32)]
    model = MLP((hidden, classes), activation=F.relu)
    scores = Variable(model(Variable(x)).data)
    optimizer = SGD(0.1).setup(model)
    updates, gradients = Updates(weights, adam=False), [np.ones_like(w) for w in weights]

    def products() -> None:
        h = x @ w1
        p = h @ w2
        gh = p @ w2.T
        kept = x.T @ gh, h.T @ p
        del kept

    def with_loss() -> Variable:
        return F.softmax_cross_entropy(model(Variable(x)), t)

    def with_backward() -> None:
        loss = with_loss()
        model.cleargrads()
        loss.backward()

    def loss_alone() -> None:
        scores.cleargrad()
        F.softmax_cross_entropy(scores, t).backward()

    return {
        "by hand": mlp_numpy(x, t, weights, adam=False).run,
        "  the products alone": products,
        "  the update alone": lambda: updates(gradients),
        "the step": mlp_dezero(x, t, weights, adam=False).run,
        "  forward": lambda: model(Variable(x)),
        "  forward and loss": with_loss,
        "  forward, loss, backward": with_backward,
        "  the loss alone, and back": loss_alone,
        "  the update alone ": optimizer.update,
    }


def check() -> Parts:
    """The workload `check`: one gradient by the oracles."""
    program = program_of(*INPUTS)
    values = evaluate(program)
    engine = DezeroEngine()

    def run() -> None:
        engine.pull_back(engine.build(program), program.seeds)

    return {
        "the check": lambda: checked(proved=False),
        "  the values, by reference": lambda: evaluate(program),
        "  complex step": lambda: complex_step(program, values),
        "  dezero, forward and back": run,
        "the check, proved": lambda: checked(proved=True),
        "  the balls alone": lambda: enclose_gradient(program),
    }


WORKLOADS: dict[str, tuple[Callable[[], Parts], int, str]] = {
    "small": (small, OPERATIONS, "operation"),
    "perceptron": (perceptron, 1, "step"),
    "check": (check, 1, "check"),
}
"""For each workload its parts, how many units one run of a part has, and what such a unit is."""


def show(names: Sequence[str], quick: bool = False) -> None:
    """Measures and prints the parts of some workloads, each beside the first of them; once if quick."""
    for name in names:
        make, units, unit = WORKLOADS[name]
        parts = make()
        figures: dict[str, list[float]] = {part: [] for part in parts}
        for _ in range(1 if quick else TURNS):
            for part, run in parts.items():
                began = time.perf_counter()
                run()
                figures[part].append((time.perf_counter() - began) / units * 1e6)
        first = next(iter(figures.values()))
        for part, found in figures.items():
            ratio = median(f / h for f, h in zip(found, first, strict=True))
            print(f"{part:<28} {median(found):8.2f} µs per {unit} {ratio:6.2f} of the first")
