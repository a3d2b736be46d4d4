"""Rewriting a program into another that computes the same function, by other ways."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dezero.contract import Array, Contract, Shapes
from dezero.verify.evaluation import evaluate
from dezero.verify.program import Program, Step


def with_copies(program: Program) -> Program | None:
    """The program with a shared step computed once more for its last use; None if none is shared."""
    uses: dict[int, int] = {}
    for step in program.steps:
        for operand in step.operands:
            uses[operand] = uses.get(operand, 0) + 1
    shared = [
        (number, first)
        for number, (step, first) in enumerate(program.places())
        if any(uses.get(first + k, 0) > 1 for k in range(step.n_out))
    ]
    if not shared:
        return None
    number, first = shared[-1]
    copied = program.steps[number]
    last_use = max(
        i
        for i, s in enumerate(program.steps)
        if any(first <= o < first + copied.n_out for o in s.operands)
    )
    steps = list(program.steps[: number + 1])
    steps.append(copied)
    n_out = copied.n_out

    def moved(value: int) -> int:
        return value + n_out if value >= first + n_out else value

    for i, step in enumerate(program.steps[number + 1 :], number + 1):
        operands = [moved(operand) for operand in step.operands]
        if i == last_use:  # of a use twice in one step, the last
            places = [k for k, o in enumerate(step.operands) if first <= o < first + n_out]
            operands[places[-1]] += n_out
        steps.append(step.on(operands))
    return replace(
        program, steps=tuple(steps), outputs=tuple(moved(output) for output in program.outputs)
    )


def in_another_order(program: Program) -> Program | None:
    """The program with its steps in the order that differs most; None if there is but one order."""
    places = list(program.places())
    maker = {first + k: n for n, (step, first) in enumerate(places) for k in range(step.n_out)}
    order: list[int] = []
    waiting = list(range(len(places)))
    while waiting:
        ready = [n for n in waiting if all(maker.get(o) not in waiting for o in places[n][0].operands)]
        order.append(ready[-1])
        waiting.remove(ready[-1])
    if order == list(range(len(places))):
        return None
    renumbered = {i: i for i in range(len(program.inputs))}
    n_values = len(program.inputs)
    steps: list[Step] = []
    for n in order:
        step, first = places[n]
        steps.append(step.on(renumbered[o] for o in step.operands))
        for k in range(step.n_out):
            renumbered[first + k] = n_values + k
        n_values += step.n_out
    return replace(program, steps=tuple(steps), outputs=tuple(renumbered[o] for o in program.outputs))


def with_explicit_broadcasting(
    program: Program, values: Sequence[Array], contracts: Mapping[str, Contract]
) -> Program | None:
    """The program with a `broadcast_to` before each operand that needs it; None if none does."""
    if "broadcast_to" not in contracts:
        return None
    steps: list[Step] = []
    renumbered = {i: i for i in range(len(program.inputs))}
    n_values = len(program.inputs)
    for step, first in program.places():
        operands = [renumbered[o] for o in step.operands]
        if contracts[step.op].shapes is Shapes.ELEMENTWISE:
            shape = values[first].shape
            for k, operand in enumerate(step.operands):
                if values[operand].shape != shape:
                    steps.append(Step("broadcast_to", (operands[k],), {"shape": shape}))
                    operands[k] = n_values
                    n_values += 1
        steps.append(step.on(operands))
        for k in range(step.n_out):
            renumbered[first + k] = n_values + k
        n_values += step.n_out
    if len(steps) == len(program.steps):
        return None
    return replace(program, steps=tuple(steps), outputs=tuple(renumbered[o] for o in program.outputs))


def ancestors(program: Program, steps: Iterable[int]) -> set[int]:
    """The values from which the operands of some steps are computed, themselves included."""
    places = list(program.places())
    needed = {operand for number in steps for operand in program.steps[number].operands}
    for step, first in reversed(places):
        if any(first + k in needed for k in range(step.n_out)):
            needed.update(step.operands)
    return needed


def perturbed(
    program: Program,
    shapes: Sequence[tuple[int, ...]],
    random: np.random.Generator,
    eps: float,
    fixed: Container[int] = (),
) -> Program:
    """The program with every use of a value multiplied by 1 ± eps or 1 ± 2 eps, element by element.

    Every use by itself: so what comes back to a value from several uses is moved apart, too, and a
    sum of cotangents that cancels shows how large its terms are. None stays where it is: what is wrong
    there, and nowhere near it, is left behind. The factors are inputs of their own, behind those of the
    program.

    Args:
        program: The program.
        shapes: The shape of each of its values.
        random: Where the signs come from.
        eps: How far to move.
        fixed: Values that are multiplied by 1 only.
    """
    dtype = program.dtype.name
    uses = [operand for step in program.steps for operand in step.operands] + list(program.outputs)
    factors = [moves(shapes[i], random, 0.0 if i in fixed else eps, dtype) for i in uses]
    n_inputs = len(program.inputs)
    n_values = n_inputs + len(factors)
    numbers = list(range(n_inputs))  # of the values of the program, in the new one
    steps: list[Step] = []
    factor = n_inputs

    def moved(value: int) -> int:
        nonlocal n_values, factor
        steps.append(Step("mul", (factor, numbers[value])))
        factor += 1
        n_values += 1
        return n_values - 1

    for step in program.steps:
        operands = [moved(value) for value in step.operands]
        steps.append(step.on(operands))
        numbers.extend(range(n_values, n_values + step.n_out))
        n_values += step.n_out
    outputs = tuple([moved(value) for value in program.outputs])
    return replace(program, inputs=(*program.inputs, *factors), steps=tuple(steps), outputs=outputs)


def moves(shape: tuple[int, ...], random: np.random.Generator, eps: float, dtype: str) -> Array:
    """Factors 1 ± eps or 1 ± 2 eps, at random: none is 1."""
    return np.asarray(1 + random.choice((-2, -1, 1, 2), shape).astype(dtype) * eps, dtype)


def places_when_perturbed(program: Program) -> list[int]:
    """Where the values of a program stand in its perturbed form."""
    n_inputs = len(program.inputs)
    n_values = n_inputs + sum(len(step.operands) for step in program.steps) + len(program.outputs)
    places = list(range(n_inputs))
    for step in program.steps:
        n_values += len(step.operands)
        places.extend(range(n_values, n_values + step.n_out))
        n_values += step.n_out
    return places


def simpler(program: Program) -> Iterator[Program]:
    """Programs with an output less, with a step passed over, or with its outputs made inputs."""
    if len(program.outputs) > 1:
        for k in range(len(program.outputs)):
            yield replace(
                program,
                outputs=program.outputs[:k] + program.outputs[k + 1 :],
                seeds=program.seeds[:k] + program.seeds[k + 1 :],
            ).pruned()
    values = evaluate(program.astype("float64"))
    for number, (step, first) in reversed(list(enumerate(program.places()))):
        given = range(first, first + step.n_out)
        for operand in step.operands:
            kept = first not in program.outputs or operand >= len(program.inputs)
            if kept and step.n_out == 1 and values[operand].shape == values[first].shape:
                yield _bypassed(program, number, first, operand)
        if not any(output in given for output in program.outputs):
            yield _with_input_for(program, number, first, [values[i] for i in given])


def _bypassed(program: Program, number: int, first: int, operand: int) -> Program:
    """The program without a step of one output: what used it uses one of its operands instead."""

    def moved(value: int) -> int:
        return operand if value == first else value - (value > first)

    steps = [s for n, s in enumerate(program.steps) if n != number]
    return replace(
        program,
        steps=tuple(s.on(moved(o) for o in s.operands) for s in steps),
        outputs=tuple(moved(output) for output in program.outputs),
    ).pruned()


def _with_input_for(program: Program, number: int, first: int, values: Sequence[Array]) -> Program:
    """The program without a step: its outputs are inputs, with the values that they had."""
    n_inputs, n_out = len(program.inputs), len(values)

    def moved(value: int) -> int:
        if value < n_inputs:
            return value
        if first <= value < first + n_out:
            return n_inputs + value - first
        return value + n_out if value < first else value

    steps = [s for n, s in enumerate(program.steps) if n != number]
    return Program(
        program.inputs + tuple(v.astype(program.dtype.name) for v in values),
        tuple(s.on(moved(o) for o in s.operands) for s in steps),
        tuple(moved(output) for output in program.outputs),
        program.seeds,
    ).pruned()
