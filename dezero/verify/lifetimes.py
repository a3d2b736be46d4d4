"""The laws of the graph: what is recorded, which rules run, and when everything dies."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from dezero.verify.comparison import copies, kept, same, shown
from dezero.verify.engines import Graph, V
from dezero.verify.outcomes import Broken
from dezero.verify.program import Program
from dezero.verify.trial import Trial


def check_no_graph(trial: Trial[V]) -> None:
    """no_grad records nothing, changes no value, and ends with its block, also by an exception."""
    engine = trial.engine
    before = engine.recording()
    with engine.no_grad():
        graph = engine.build(trial.program)
    for i, (variable, recorded) in enumerate(zip(graph.values, trial.run.graph.values, strict=True)):
        if variable is None or recorded is None:
            continue
        if engine.application(variable) is not None:
            raise Broken(f"the creator of value {i} under no_grad", None, "a function")
        if not same(engine.value(variable), engine.value(recorded)):
            raise Broken(f"value {i} under no_grad", "as recorded", "another")
    try:
        with engine.no_grad():
            raise _Planted
    except _Planted:
        pass
    if engine.recording() != before:
        raise Broken(
            "whether operations are recorded after an exception in no_grad", before, not before
        )


class _Planted(Exception):
    """Raised on purpose, to see that nothing remains of it."""


def _fail() -> None:
    raise _Planted


def check_visits(trial: Trial[V]) -> None:
    """Each rule runs once in a backward, however often its outputs are used."""
    engine, program, graph = trial.engine, trial.program, trial.run.graph
    applications = _applications(trial, graph)
    seen: list[int] = []
    with ExitStack() as watching:
        for number, application in applications.items():
            watching.enter_context(engine.watched(application, partial(seen.append, number)))
        for output, seed in zip(program.outputs, program.seeds, strict=True):
            variable = graph.values[output]
            assert variable is not None  # nothing was dropped
            seen.clear()
            engine.backward(variable, seed.copy())
            reached, perhaps = _reached(program, output, applications)
            for number in applications:
                visits, expected = seen.count(number), int(number in reached)
                if visits != expected and not (visits == 1 and number in perhaps):
                    raise Broken(
                        f"visits of step {number} ({program.steps[number].op}) in a backward",
                        expected,
                        visits,
                        step=number,
                    )


def check_transaction(trial: Trial[V]) -> None:
    """A rule that raises changes no gradient."""
    engine, program, graph = trial.engine, trial.program, trial.run.graph
    trial.pull(graph, program.seeds)
    applications = _applications(trial, graph)
    reached, _ = _reached(program, program.outputs[-1], applications)
    candidates = [number for number in applications if number in reached]
    if not candidates:
        return
    chosen = min(candidates)  # the last one to run
    variables = [v for v in graph.values if v is not None]
    before = [kept(engine.gradient(v)) for v in variables]
    with engine.watched(applications[chosen], _fail):
        try:
            engine.backward(graph.outputs[-1], program.seeds[-1].copy())
        except _Planted:
            pass
        else:
            raise Broken(
                f"an exception in the rule of step {chosen}", "raised", "swallowed", step=chosen
            )
    engine.clear(graph.outputs[-1])
    for i, (variable, g) in enumerate(zip(variables, before, strict=True)):
        if not same(engine.gradient(variable), g):
            after = engine.gradient(variable)
            raise Broken(f"gradient of value {i} after a rule raised", shown(g), shown(after))


def check_refcount(trial: Trial[V]) -> None:
    """With the garbage collector off, all of a program dies with the last handle on it."""
    lives = _LIVES if trial.engine.differentiates_twice else _LIVES[:2]
    if _remains_of(trial, lives):
        for life in lives:  # which of them is it?
            remains = _remains_of(trial, [life])
            if remains:
                what = life.__name__.strip("_").replace("_", " ")
                raise Broken(f"what is alive when the last handle has gone, {what}", "nothing", remains)
        raise Broken(
            "what is alive when the last handle has gone", "nothing", _remains_of(trial, lives)
        )


Life: TypeAlias = Callable[[Trial[Any], Graph[Any]], list[object]]
"""Lives through a part of a program's life, and returns what it has made."""


def _remains_of(trial: Trial[V], lives: Sequence[Life]) -> str:
    """The names of the classes whose instances outlive a program; empty if there are none."""
    program = trial.program
    copied = program.with_inputs([x.copy() for x in program.inputs])
    collecting = gc.isenabled()
    gc.disable()
    gc.freeze()  # so that collect() looks at what is made from here on
    try:
        graph = trial.engine.build(copied)
        del copied
        made = _parts(trial, graph.values)
        for live in lives:
            made += live(trial, graph)
        watched = [weakref.ref(part) for part in made]
        del graph, made
        alive = sorted({type(part).__name__ for ref in watched if (part := ref()) is not None})
        unreachable = gc.collect()
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
    if alive:
        return ", ".join(alive)
    return f"{unreachable} objects in reference cycles" if unreachable else ""


def _parts(trial: Trial[V], variables: Sequence[V | None]) -> list[object]:
    return [part for v in variables if v is not None for part in trial.engine.parts(v)]


def _after_backward(trial: Trial[V], graph: Graph[V]) -> list[object]:
    engine = trial.engine
    engine.pull_back(graph, copies(trial.program.seeds), retain_grad=True)
    gradients = [engine.gradient(v) for v in graph.values if v is not None]
    return [g for g in gradients if g is not None]


def _after_an_exception_in_a_rule(trial: Trial[V], graph: Graph[V]) -> list[object]:
    engine, program = trial.engine, trial.program
    other = engine.build(program.with_inputs([x.copy() for x in program.inputs]))
    application = engine.application(other.outputs[0])

    with suppress(_Planted), engine.watched(application, _fail):
        engine.backward(other.outputs[0], program.seeds[0])
    return _parts(trial, other.values)


def _under_create_graph_and_after_the_second_order(trial: Trial[V], graph: Graph[V]) -> list[object]:
    engine, program = trial.engine, trial.program
    leaves = graph.leaves(program)
    first = engine.backward_recorded(graph.outputs[0], program.seeds[0].copy(), leaves)
    seeds = [engine.leaf(np.ones_like(engine.value(g))) for g in first]
    second = engine.gradients(first, leaves, seeds)
    return _parts(trial, first) + _parts(trial, second)


_LIVES: tuple[Life, ...] = (
    _after_backward,
    _after_an_exception_in_a_rule,
    _under_create_graph_and_after_the_second_order,
)


def _applications(trial: Trial[V], graph: Graph[V]) -> dict[int, object]:
    """What made the outputs of each step, by the step's number.

    A user's function may make its several outputs by several applications: then it has none here.
    """
    found: dict[int, object] = {}
    for number, (step, first) in enumerate(trial.program.places()):
        made = [graph.values[first + k] for k in range(step.n_out)]
        applications = [trial.engine.application(v) for v in made if v is not None]
        if all(a is not None and a is applications[0] for a in applications):
            found[number] = applications[0]
    return found


def _reached(
    program: Program, output: int, applications: Mapping[int, object]
) -> tuple[set[int], set[int]]:
    """The steps on which an output depends, and those on which it depends perhaps.

    Of a step that is not one application, an output need not depend on every operand.
    """
    needed, reached = {output}, set[int]()
    wanted, perhaps = set[int](), set[int]()
    for number, (step, first) in reversed(list(enumerate(program.places()))):
        made = set(range(first, first + step.n_out))
        if made & needed:
            reached.add(number)
            (needed if number in applications or step.n_out == 1 else wanted).update(step.operands)
        if made & wanted:
            perhaps.add(number)
            wanted.update(step.operands)
    return reached, perhaps
