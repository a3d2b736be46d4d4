"""The laws of reverse-mode differentiation and of its graph, by name.

A law is a function of a trial (an engine and a program). It returns if the law holds, raises `Broken`
with what was expected and what was found, or `Unresolved` where the oracles cannot decide.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dezero.contract import Array, Shapes
from dezero.verify.engines import Graph, V
from dezero.verify.oracles import (
    Undecided,
    enclose_gradient,
    enclose_second,
    one_sided,
)
from dezero.verify.program import Program, Step
from dezero.verify.reference import evaluate
from dezero.verify.trial import Broken, Trial, Unresolved


@dataclass(frozen=True)
class Law:
    """A named law.

    Attributes:
        name: Its name.
        sentence: What it says, for a report.
        check: Returns if the law holds in a trial.
        second_order: Whether it speaks of derivatives of derivatives.
    """

    name: str
    sentence: str
    check: Callable[[Trial[Any]], None]  # a law holds for the variables of any engine
    second_order: bool = False


# ------------------------------------------------------------------- What is computed: against oracles


def check_value(trial: Trial[V]) -> None:
    """Every value of the program equals the reference's."""
    engine, expected = trial.engine, trial.values
    graph = trial.run.graph
    found = [None if v is None else engine.value(v) for v in graph.values]
    mismatch = None
    for i, (f, e) in enumerate(zip(found, expected, strict=True)):
        if f is not None and f.shape == e.shape and not np.array_equal(f, e, equal_nan=True):
            with np.errstate(all="ignore"):
                tau = 8 * trial.eps * (np.abs(e) + 0.25 * np.max(np.abs(e), initial=0.0))
                excess = np.where(np.isfinite(f), np.abs(f - e) / np.maximum(tau, 1e-300), np.inf)
            if np.any(excess > 1):
                mismatch = i
                break
        elif f is not None and f.shape != e.shape:
            _blame_value(trial, i, f"has shape {e.shape}", f"{f.shape}")
    if mismatch is None:
        return
    for i, spread in enumerate(trial.spread_of_values):
        f, e = found[i], expected[i]
        if f is None or e.size == 0:
            continue
        with np.errstate(all="ignore"):
            tau = 8 * trial.eps * (np.abs(e) + 0.25 * np.max(np.abs(e))) + 10 * spread
            excess = np.where(np.isfinite(f), np.abs(f - e) / np.maximum(tau, 1e-300), np.inf)
        margin = float(np.max(excess))
        if margin > 1:
            place = int(np.argmax(excess))
            _blame_value(trial, i, repr(float(e.flat[place])), repr(float(f.flat[place])), margin)


def _blame_value(
    trial: Trial[V], i: int, expected: str, found: str, margin: float = np.inf
) -> None:
    for number, (step, first) in enumerate(trial.program.places()):
        if first <= i < first + step.n_out:
            raise Broken(f"value {i}, of step {number} ({step.op})", expected, found, margin, number)
    raise Broken(f"value {i}, an input", expected, found, margin)


def check_gradient(trial: Trial[V]) -> None:
    """The gradient of every input equals the derivative of the reference."""
    mismatch = trial.compare("gradient of input", trial.run.gradients, trial.truth)
    if mismatch is None or trial.kinked:  # what happens on a kink is the law `kink`
        return
    try:
        proven = enclose_gradient(trial.exact_program)
    except Undecided:
        raise Unresolved("a comparison cannot be decided") from None
    if not all(np.all(np.isfinite(e.rad)) for e in proven):
        raise Unresolved("the enclosure is infinite")
    mids = [e.mid for e in proven]
    if any(np.any(e.rad > 1e-6 * np.maximum(np.abs(e.mid), 1e-20)) for e in proven):
        raise Unresolved("the enclosure is too wide")
    trial.require("gradient of input", trial.run.gradients, mids)


def check_second_order(trial: Trial[V]) -> None:
    """Hessian-vector products equal the second derivative of the reference, and H is symmetric."""
    engine, program = trial.engine, trial.program
    if not engine.differentiates_twice or trial.kinked:
        return
    random = np.random.default_rng(program.n_values)
    v, w = ([random.normal(size=x.shape).astype(x.dtype) for x in program.inputs] for _ in range(2))
    try:
        truth = enclose_second(trial.exact_program, v, w)
    except Undecided:
        raise Unresolved("a comparison cannot be decided") from None
    if not truth.rad <= 1e-9 * max(abs(truth.mid), 1e-6):
        raise Unresolved("the enclosure is too wide")

    def product(program: Program, v: Sequence[Array], w: Sequence[Array]) -> tuple[float, float]:
        """w' H v by the engine, and the size of the terms that it sums."""
        graph = engine.build(program)
        xs = graph.leaves(program)[: len(w)]
        seeds = [engine.leaf(seed) for seed in program.seeds]
        gradients = engine.gradients(graph.outputs, xs, seeds, create_graph=True)
        products = engine.gradients(gradients, xs, [engine.leaf(a) for a in v])
        terms = [np.multiply(engine.value(p), b, dtype=float) for p, b in zip(products, w, strict=True)]
        return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))

    found, size = product(program, v, w)
    swapped, _ = product(program, w, v)
    tau = 2 * len(program.steps) * trial.eps * size + truth.rad
    if not max(abs(found - truth.mid), abs(swapped - truth.mid)) <= tau:
        tau += 10 * trial.spread_of(lambda moved: product(moved, v, w)[0])
        tau += 10 * trial.spread_of(lambda moved: product(moved, w, v)[0])
    for what, number in (("w' H v", found), ("v' H w", swapped)):
        margin = abs(number - truth.mid) / max(tau, 1e-300)
        if not margin <= 1:
            raise Broken(what, repr(truth.mid), repr(number), margin)


def check_kink(trial: Trial[V]) -> None:
    """At a kink the gradient is the documented convention, between the one-sided derivatives."""
    if not trial.kinked:
        return
    if trial.gap > 0:
        raise Unresolved("a value lies next to a kink")
    trial.require("gradient at a kink, of input", trial.run.gradients, trial.truth)
    kinked = [step for step in trial.program.steps if _lies_on_a_kink(trial, step)]
    if len(kinked) > 1 or any(trial.values[i].size != 1 for i in kinked[0].operands):
        return  # several choices at once: the convention need not lie between the two sides
    random = np.random.default_rng(trial.program.n_values)
    direction = [random.normal(size=x.shape) for x in trial.program.inputs]
    right, left = one_sided(trial.exact_program, direction)
    if not (right.resolved and left.resolved):
        raise Unresolved("a one-sided derivative does not converge")
    pairs = zip(trial.run.gradients, direction, strict=True)
    slope = float(sum(np.vdot(g.astype(float), d) for g, d in pairs if g is not None))
    low, high = sorted((right.value, left.value))
    tau = right.error + left.error + 1e3 * trial.eps * (abs(low) + abs(high))
    if not low - tau <= slope <= high + tau:
        raise Broken("the derivative along a direction", f"between {low!r} and {high!r}", repr(slope))


def _lies_on_a_kink(trial: Trial[V], step: Step) -> bool:
    kinks = trial.engine.contracts[step.op].kinks
    operands = [trial.values[i] for i in step.operands]
    return kinks is not None and kinks.clearance(*operands, **step.attributes) == 0


# -------------------------------------------------------------- What must not matter: against itself


def check_linearity(trial: Trial[V]) -> None:
    """The gradient is linear in the cotangents; zero cotangents give zeros."""
    program, graph = trial.program, trial.run.graph
    random = np.random.default_rng(program.n_values)
    others = [np.asarray(random.normal(size=s.shape), s.dtype) for s in program.seeds]
    sums = [np.asarray(s + 2 * o) for s, o in zip(program.seeds, others, strict=True)]
    zeros = trial.pull(graph, [np.zeros_like(s) for s in program.seeds])
    for i, g in enumerate(zeros):
        if g is not None and np.any(g != 0):
            raise Broken(f"gradient of input {i} for zero cotangents", 0.0, g.tolist())
    first, second = trial.run.gradients, trial.pull(graph, others)
    expected = [
        np.zeros(x.shape) if f is None or s is None else f.astype(float) + 2 * s.astype(float)
        for f, s, x in zip(first, second, program.inputs, strict=True)
    ]
    trial.require("gradient for a sum of cotangents, of input", trial.pull(graph, sums), expected)


def check_accumulation(trial: Trial[V]) -> None:
    """Backward twice doubles, cleargrad resets, values on the way do not remember."""
    engine, program, graph = trial.engine, trial.program, trial.run.graph
    inputs, outputs = set(range(len(program.inputs))), set(program.outputs)
    between = [
        v for i, v in enumerate(graph.values) if v is not None and i not in inputs | outputs
    ]
    once = [_kept(g) for g in trial.pull(graph, program.seeds)]
    for name, variables in (("value on the way", between), ("output", graph.outputs)):
        for variable in variables:
            if engine.gradient(variable) is not None and engine.application(variable) is not None:
                raise Broken(f"the gradient of a {name} after backward", None, "an array")
    engine.pull_back(graph, program.seeds)
    twice = [engine.gradient(leaf) for leaf in graph.leaves(program)]
    doubled = [np.zeros(x.shape) if g is None else 2 * g for g, x in zip(once, program.inputs, strict=True)]
    trial.require("gradient after backward twice, of input", twice, doubled)
    for leaf in graph.leaves(program):
        engine.clear(leaf)
        if engine.gradient(leaf) is not None:
            raise Broken("the gradient after cleargrad", None, engine.gradient(leaf))
    engine.pull_back(graph, program.seeds, retain_grad=True)
    for i, leaf in enumerate(graph.leaves(program)):
        if not _same(engine.gradient(leaf), once[i]):
            raise Broken(f"gradient of input {i} with retain_grad", once[i], engine.gradient(leaf))
    retained = [_kept(engine.gradient(v)) for v in between]
    trial.pull(graph, program.seeds)
    engine.pull_back(graph, program.seeds, retain_grad=True)
    for variable, before in zip(between, retained, strict=True):
        after = engine.gradient(variable)
        if not _same(after, before):
            raise Broken("a retained gradient after one more backward", before, after)
    for variable in (*between, *graph.outputs):
        engine.clear(variable)
    if engine.differentiates_twice:
        trial.require("gradient by grad(), of input", _by_grad(trial, graph), _filled(once, program))


def _by_grad(trial: Trial[V], graph: Graph[V]) -> list[Array]:
    """The gradients by the function that leaves every gradient alone; it is checked that it does."""
    engine, leaves = trial.engine, graph.leaves(trial.program)
    before = [_kept(engine.gradient(leaf)) for leaf in leaves]
    seeds = [engine.leaf(seed.copy()) for seed in trial.program.seeds]
    gradients = [engine.value(g) for g in engine.gradients(graph.outputs, leaves, seeds)]
    for leaf, g in zip(leaves, before, strict=True):
        if not _same(engine.gradient(leaf), g):
            raise Broken("the gradient of a leaf after grad()", g, engine.gradient(leaf))
    return gradients


def check_sharing(trial: Trial[V]) -> None:
    """A shared value equals its copies, and independent steps may come in another order."""
    expected = _filled(trial.run.gradients, trial.program)
    for what, other in (
        ("with its shared values computed twice", with_copies(trial.program)),
        ("with its steps in another order", in_another_order(trial.program)),
    ):
        if other is not None:
            found = trial.rerun(other, keep=False).gradients
            trial.require(f"gradient of the program {what}, of input", found, expected)


def check_broadcasting(trial: Trial[V]) -> None:
    """Implicit broadcasting equals explicit broadcasting."""
    explicit = with_explicit_broadcasting(trial.program, trial.values, trial.engine.contracts)
    if explicit is not None:
        expected = _filled(trial.run.gradients, trial.program)
        found = trial.rerun(explicit, keep=False).gradients
        trial.require("gradient with explicit broadcasting, of input", found, expected)


def check_dropped_outputs(trial: Trial[V]) -> None:
    """It makes no difference which values on the way are held, and which were dropped."""
    dropped = trial.rerun(trial.program, keep=False).gradients
    for i, (found, expected) in enumerate(zip(dropped, trial.run.gradients, strict=True)):
        if not _same(found, expected):
            raise Broken(f"gradient of input {i} with dropped values", expected, found)


def check_shape_dtype(trial: Trial[V]) -> None:
    """Values and gradients are ndarrays of the right shape and element type."""
    engine, program = trial.engine, trial.program
    for i, (variable, expected) in enumerate(zip(trial.run.graph.values, trial.values, strict=True)):
        if variable is None:
            continue
        found = engine.value(variable)
        if type(found) is not np.ndarray:
            _blame_value(trial, i, "an ndarray", type(found).__name__)
        if (found.shape, found.dtype) != (expected.shape, program.dtype):
            _blame_value(
                trial, i, f"{program.dtype}{list(expected.shape)}", f"{found.dtype}{list(found.shape)}"
            )
    for i, (g, x) in enumerate(zip(trial.run.gradients, program.inputs, strict=True)):
        if g is None:
            continue
        if type(g) is not np.ndarray:
            raise Broken(f"gradient of input {i}", "an ndarray", type(g).__name__)
        if (g.shape, g.dtype) != (x.shape, x.dtype):
            raise Broken(
                f"gradient of input {i}", f"{x.dtype}{list(x.shape)}", f"{g.dtype}{list(g.shape)}"
            )


def check_isolation(trial: Trial[V]) -> None:
    """Nothing that was given or saved is changed, and a gradient's memory is its own."""
    engine, program = trial.engine, trial.program
    given = [x.copy() for x in program.inputs]
    seeds = [s.copy() for s in program.seeds]
    graph = engine.build(program.with_inputs(given))
    values = [engine.value(v) for v in graph.values if v is not None]
    before = [v.tobytes() for v in values]
    engine.pull_back(graph, seeds, retain_grad=True)
    for i, (value, bytes_before) in enumerate(zip(values, before, strict=True)):
        if value.tobytes() != bytes_before:
            raise Broken(f"value {i} after backward", "as before", "changed")
    for i, (seed, original) in enumerate(zip(seeds, program.seeds, strict=True)):
        if not _same(seed, original):
            raise Broken(f"cotangent {i} after backward", original, seed)
    gradients = [engine.gradient(v) for v in graph.values if v is not None]
    owned = [(f"the gradient of value {i}", g) for i, g in enumerate(gradients) if g is not None]
    others = [(f"value {i}", value) for i, value in enumerate(values)]
    others += [(f"cotangent {i}", seed) for i, seed in enumerate(seeds)]
    for k, (name, g) in enumerate(owned):
        if not g.flags.writeable:
            raise Broken(f"{name}", "writable", "read-only")
        for other_name, other in (*owned[:k], *others):
            if g.size and other.size and np.may_share_memory(g, other):
                if np.shares_memory(g, other):
                    raise Broken(f"the memory of {name}", "its own", f"that of {other_name}")


def check_determinism(trial: Trial[V]) -> None:
    """The same program gives the same gradients, bit for bit."""
    again = trial.rerun(trial.program).gradients
    for i, (found, expected) in enumerate(zip(again, trial.run.gradients, strict=True)):
        if not _same(found, expected):
            raise Broken(f"gradient of input {i} in a second run", expected, found)


# ------------------------------------------------------------------------------ The graph and its life


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
        if not _same(engine.value(variable), engine.value(recorded)):
            raise Broken(f"value {i} under no_grad", "as recorded", "another")
    try:
        with engine.no_grad():
            raise _Planted
    except _Planted:
        pass
    if engine.recording() != before:
        raise Broken("whether operations are recorded after an exception in no_grad", before, not before)


class _Planted(Exception):
    """Raised on purpose, to see that nothing remains of it."""


def check_visits(trial: Trial[V]) -> None:
    """Each rule runs once in a backward, however often its outputs are used."""
    engine, program = trial.engine, trial.program
    graph = engine.build(program)
    counts: dict[int, int] = {}
    applications = _applications(trial, graph)
    for number, application in applications.items():

        def seen(number: int = number) -> None:
            counts[number] = counts.get(number, 0) + 1

        engine.watch(application, seen)
    for k, output in enumerate(graph.outputs):
        counts.clear()
        engine.backward(output, program.seeds[k])
        reached = _reached(program, program.outputs[k])
        for number in applications:
            expected = 1 if number in reached else 0
            if counts.get(number, 0) != expected:
                raise Broken(
                    f"visits of step {number} ({program.steps[number].op}) in a backward",
                    expected,
                    counts.get(number, 0),
                    step=number,
                )


def check_transaction(trial: Trial[V]) -> None:
    """A rule that raises changes no gradient."""
    engine, program = trial.engine, trial.program
    graph = engine.build(program)
    engine.pull_back(graph, program.seeds)
    reached = _reached(program, program.outputs[-1])
    applications = _applications(trial, graph)
    chosen = min(number for number in applications if number in reached)  # the last one to run

    def fail() -> None:
        raise _Planted

    engine.watch(applications[chosen], fail)
    variables = [v for v in graph.values if v is not None]
    before = [_kept(engine.gradient(v)) for v in variables]
    try:
        engine.backward(graph.outputs[-1], program.seeds[-1])
    except _Planted:
        pass
    else:
        raise Broken(f"an exception in the rule of step {chosen}", "raised", "swallowed", step=chosen)
    engine.clear(graph.outputs[-1])
    for i, (variable, g) in enumerate(zip(variables, before, strict=True)):
        if not _same(engine.gradient(variable), g):
            raise Broken(f"gradient of value {i} after a rule raised", g, engine.gradient(variable))


def check_refcount(trial: Trial[V]) -> None:
    """With the garbage collector off, all of a program dies with the last handle on it."""
    for what, scenario in _LIVES.items():
        if what in _SECOND_ORDER_LIVES and not trial.engine.differentiates_twice:
            continue
        remains = _remains_of(trial, scenario)
        if remains:
            raise Broken(f"what is alive when the last handle has gone, {what}", "nothing", remains)


def _remains_of(trial: Trial[V], live: Callable[[Trial[V], Graph[V]], list[object]]) -> str:
    """The names of the classes whose instances outlive a program; empty if there are none."""
    program = trial.program
    copied = program.with_inputs([x.copy() for x in program.inputs])
    collecting = gc.isenabled()
    gc.disable()
    gc.freeze()  # so that collect() looks at what is made from here on
    try:
        graph = trial.engine.build(copied)
        del copied
        made = live(trial, graph)
        watched = [weakref.ref(part) for part in made if type(part) is not str]
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
    made = _parts(trial, graph.values)
    trial.engine.pull_back(graph, trial.program.seeds, retain_grad=True)
    return made + [g for v in graph.values if v is not None and (g := trial.engine.gradient(v)) is not None]


def _after_an_exception(trial: Trial[V], graph: Graph[V]) -> list[object]:
    made = _parts(trial, graph.values)
    application = trial.engine.application(graph.outputs[0])

    def fail() -> None:
        raise _Planted

    if application is not None:
        trial.engine.watch(application, fail)
    try:
        trial.engine.backward(graph.outputs[0], trial.program.seeds[0])
    except _Planted:
        pass
    return made


def _after_create_graph(trial: Trial[V], graph: Graph[V]) -> list[object]:
    made = _parts(trial, graph.values)
    gradients = trial.engine.backward_recorded(graph.outputs[0], trial.program.seeds[0], graph.leaves(trial.program))
    return made + _parts(trial, gradients)


def _after_second_order(trial: Trial[V], graph: Graph[V]) -> list[object]:
    engine, program = trial.engine, trial.program
    made = _parts(trial, graph.values)
    leaves = graph.leaves(program)
    seeds = [engine.leaf(seed) for seed in program.seeds]
    first = engine.gradients(graph.outputs, leaves, seeds, create_graph=True)
    second = engine.gradients(first, leaves, [engine.leaf(x) for x in program.inputs])
    return made + _parts(trial, first) + _parts(trial, second)


_LIVES: dict[str, Callable[[Trial[Any], Graph[Any]], list[object]]] = {
    "after backward": _after_backward,
    "after an exception in a rule": _after_an_exception,
    "under create_graph": _after_create_graph,
    "after the second order": _after_second_order,
}
_SECOND_ORDER_LIVES = frozenset(("under create_graph", "after the second order"))


# -------------------------------------------------------------------- Other programs, the same function


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
    last_use = max(i for i, s in enumerate(program.steps) if any(first <= o < first + copied.n_out for o in s.operands))
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
        steps.append(replace(step, operands=tuple(operands)))
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
        steps.append(replace(step, operands=tuple(renumbered[o] for o in step.operands)))
        for k in range(step.n_out):
            renumbered[first + k] = n_values + k
        n_values += step.n_out
    return replace(
        program, steps=tuple(steps), outputs=tuple(renumbered[o] for o in program.outputs)
    )


def with_explicit_broadcasting(
    program: Program, values: Sequence[Array], contracts: Any
) -> Program | None:
    """The program with a `broadcast_to` before each operand that is broadcast; None if there is none."""
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
        steps.append(replace(step, operands=tuple(operands)))
        for k in range(step.n_out):
            renumbered[first + k] = n_values + k
        n_values += step.n_out
    if len(steps) == len(program.steps):
        return None
    return replace(
        program, steps=tuple(steps), outputs=tuple(renumbered[o] for o in program.outputs)
    )


def _applications(trial: Trial[V], graph: Graph[V]) -> dict[int, object]:
    """What made the first output of each step that left one."""
    found: dict[int, object] = {}
    for number, (_, first) in enumerate(trial.program.places()):
        variable = graph.values[first]
        application = None if variable is None else trial.engine.application(variable)
        if application is not None:
            found[number] = application
    return found


def _reached(program: Program, output: int) -> set[int]:
    """The steps on which an output depends."""
    needed, reached = {output}, set[int]()
    for number, (step, first) in reversed(list(enumerate(program.places()))):
        if any(first + k in needed for k in range(step.n_out)):
            reached.add(number)
            needed.update(step.operands)
    return reached


def _filled(gradients: Sequence[Array | None], program: Program) -> list[Array]:
    pairs = zip(gradients, program.inputs, strict=True)
    return [np.zeros(x.shape) if g is None else g.astype(np.float64) for g, x in pairs]


def _kept(g: Array | None) -> Array | None:
    return None if g is None else g.copy()


def _same(a: Array | None, b: Array | None) -> bool:
    """Whether two arrays are the same bit for bit."""
    if a is None or b is None:
        return a is b
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law("value", "Every value equals that of the reference.", check_value),
        Law("shape_dtype", "Values and gradients have the right shape and element type.", check_shape_dtype),
        Law("gradient", "The gradient is the derivative of the reference.", check_gradient),
        Law("kink", "At a kink the gradient is the documented convention.", check_kink),
        Law("linearity", "The gradient is linear in the cotangents.", check_linearity),
        Law("accumulation", "Backward twice doubles, cleargrad resets, intermediates do not remember.", check_accumulation),
        Law("sharing", "A shared value equals its copies; independent steps may change places.", check_sharing),
        Law("broadcasting", "Implicit broadcasting equals explicit broadcasting.", check_broadcasting),
        Law("dropped_outputs", "It does not matter which values on the way are held.", check_dropped_outputs),
        Law("isolation", "Backward changes nothing it was given, and each gradient's memory is its own.", check_isolation),
        Law("determinism", "The same program gives the same gradients, bit for bit.", check_determinism),
        Law("no_graph", "no_grad records nothing and ends with its block.", check_no_graph),
        Law("visits", "Each rule runs once in a backward.", check_visits),
        Law("transaction", "A rule that raises changes no gradient.", check_transaction),
        Law("refcount", "Reference counting alone frees every graph.", check_refcount),
        Law("second_order", "Hessian-vector products equal the second derivative of the reference.", check_second_order, True),
    )
}  # fmt: skip
"""The laws that are checked on every program, the telling ones first."""
