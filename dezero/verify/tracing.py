"""What happens at each value of a program: what should be there, what is, and where they first part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dezero.contract import Array
from dezero.verify.comparison import SAFETY, margins_of
from dezero.verify.oracles import complex_step
from dezero.verify.program import Program
from dezero.verify.trial import Trial


@dataclass(frozen=True)
class Traced:
    """A value of a program, and the cotangent that reaches it.

    Attributes:
        name: Its name in the snippet: ``x0``, ``x1`` …
        op: The operation that made it; None for an input.
        value: What the reference gives.
        found: What the engine gives; None if it does not tell.
        cotangent: What the derivative of the reference is.
        found_cotangent: What the engine leaves; None if it does not tell.
        parts: In what the engine is wrong: "value", "gradient", or "".
    """

    name: str
    op: str | None
    value: Array
    found: Array | None
    cotangent: Array
    found_cotangent: Array | None
    parts: str


# Trial[Any], here and below: it does not matter what an engine's variables are.
def trace(trial: Trial[Any]) -> list[Traced]:
    """Every value of a program, in order.

    Args:
        trial: The engine, of whatever variables, and the program.
    """
    program = trial.program
    with np.errstate(all="ignore"):
        retained = _retained(trial)
        traced: list[Traced] = []
        for i, expected in enumerate(trial.values):
            cotangent = cotangent_of(trial.exact_program, i, expected)
            found, found_cotangent = trial.run.values[i], retained[i]
            parts = "value" if _differ(trial, found, expected) else ""
            if not parts and _differ(trial, found_cotangent, cotangent):
                parts = "gradient"
            traced.append(
                Traced(f"x{i}", _maker(program, i), expected, found, cotangent, found_cotangent, parts)
            )
    return traced


def traced(trial_of: Callable[[Program], Trial[Any]], program: Program | None) -> list[Traced]:
    """The same of a program that broke a law: nothing where there is none, or the engine raises.

    Args:
        trial_of: Makes a trial of a program.
        program: The program.
    """
    try:
        return [] if program is None else trace(trial_of(program))
    except Exception:  # whatever an engine may raise: it did so before, and the report says what
        return []


def first_wrong(traced: Sequence[Traced]) -> int | None:
    """Where the engine first leaves the reference: forward by a value, else backward by a cotangent."""
    for i, one in enumerate(traced):
        if one.parts == "value":
            return i
    return max((i for i, one in enumerate(traced) if one.parts == "gradient"), default=None)


def cotangent_of(program: Program, i: int, value: Array) -> Array:
    """The derivative of a program with respect to one of its values, by complex step."""
    n = len(program.inputs)

    def moved(k: int) -> int:
        return n if k == i else k + (k >= n)

    outputs = list(zip(program.outputs, program.seeds, strict=True))
    total = np.zeros(value.shape)
    for _, seed in (pair for pair in outputs if pair[0] == i):
        total = total + seed  # of the value as an output
    others = [(moved(output), seed) for output, seed in outputs if output != i]
    if not others:
        return total
    # The value comes as one more input, and whoever used it uses that.
    cut = Program(
        (*program.inputs, np.asarray(value, program.dtype)),
        tuple(step.on(map(moved, step.operands)) for step in program.steps),
        tuple(output for output, _ in others),
        tuple(seed for _, seed in others),
    )
    return np.asarray(total + complex_step(cut)[n])


# See `trace`.
def _retained(trial: Trial[Any]) -> list[Array | None]:
    """The cotangents that the engine leaves at its values, as far as it does."""
    given = [None if v is None else trial.engine.gradient(v) for v in trial.again.graph.values]
    leaves = len(trial.program.inputs)
    return [*trial.run.gradients, *given[leaves:]]


# See `trace`.
def _differ(trial: Trial[Any], found: Array | None, expected: Array) -> bool:
    if found is None:
        return False
    if found.shape != expected.shape:
        return True
    margins = margins_of(found, expected, SAFETY * trial.few_roundings(expected))
    return bool(np.any(margins > 1))


def _maker(program: Program, i: int) -> str | None:
    return next((step.op for step, first in program.places() if first <= i < first + step.n_out), None)
