"""The laws of reverse-mode differentiation and of its graph, by name.

A law is a function of a trial (an engine and a program). It returns if the law holds, raises `Broken`
with what was expected and what was found, or `Unresolved` where the oracles cannot decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dezero.contract import Array
from dezero.verify.comparison import SAFETY, alike, copies, kept, margins_of, same, shown, widened
from dezero.verify.engines import Engine, Graph, V
from dezero.verify.lifetimes import (
    check_no_graph,
    check_refcount,
    check_transaction,
    check_visits,
)
from dezero.verify.oracles import one_sided
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program
from dezero.verify.standing import check_depth, check_growth, check_regions
from dezero.verify.trial import PERTURBED_RUNS, Trial

LOST = "the digits of a value are lost in a rounding"
"""Why a sample is unresolved: see `dezero.verify.trial.Trial.lost`."""


@dataclass(frozen=True)
class Law:
    """A named law.

    Attributes:
        name: Its name.
        check: Returns if the law holds in a trial. The first line of its docstring says the law.
        of_derivatives: Whether derivatives are compared with what an oracle says: not where values on
            the way have lost their digits.
    """

    name: str
    check: Callable[[Trial[Any]], None]  # a law holds for the variables of any engine
    of_derivatives: bool = False

    @property
    def sentence(self) -> str:
        """What the law says."""
        return (self.check.__doc__ or "").partition("\n")[0]

    def hold(self, trial: Trial[Any]) -> None:
        """Returns if the law holds, or if the next wider precision excuses that it does not.

        Raises:
            Broken: It does not hold.
            Unresolved: It cannot be decided, or values have lost their digits in a rounding.
            RuntimeError: What is verified tried to end the process.
        """
        try:
            with np.errstate(all="ignore"):
                self.check(trial)
        except Broken as broken:
            if not self._is_excused(trial, broken):
                raise
        except SystemExit as error:  # it would look like success
            message = f"{trial.engine.name} would end the process: {error!r}"
            raise RuntimeError(message) from None

    def _is_excused(self, trial: Trial[Any], broken: Broken) -> bool:  # of any engine
        wider = trial.wider_to_excuse(broken.margin)
        if wider is not None:
            try:
                with np.errstate(all="ignore"):
                    self.check(wider)
            except Broken:
                pass
            else:
                return True
        if self.of_derivatives and trial.loses_values:
            raise Unresolved(LOST) from None
        return False


def check_runs(trial: Trial[V]) -> None:
    """A valid program is built and differentiated without an exception."""
    try:
        trial.run  # noqa: B018 (it is computed when it is first asked for)
    except Broken:
        raise
    except Exception as error:  # whatever an engine may raise
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        raise Broken(
            "the program, forward and backward",
            "no exception",
            f"{type(error).__name__}: {error}{notes}",
        ) from error


# ------------------------------------------------------------------- What is computed: against oracles


def check_value(trial: Trial[V]) -> None:
    """Every value of the program equals the reference's."""
    found, expected = trial.run.values, trial.values
    if all(f is None or alike(f, e) for f, e in zip(found, expected, strict=True)):
        return  # to the last bit: there is nothing to weigh
    tolerances = [trial.few_roundings(e) for e in expected]
    if _worst_value(trial, found, expected, tolerances) is None:
        return
    tolerances = widened(tolerances, trial.spread_of_values)
    if _worst_value(trial, found, expected, tolerances) is None:
        return
    expected, radii = trial.proof_of_values()
    tolerances = widened(tolerances, radii)
    if _worst_value(trial, found, expected, tolerances) is None:
        return
    movement = trial.movement_of_values()
    tolerances = widened(tolerances, [np.where(np.isfinite(m), m, 0.0) for m in movement])
    worst = _worst_value(trial, found, expected, tolerances)
    if worst is not None:
        pairs = zip(tolerances, trial.lost, strict=True)
        tolerances = [np.where(lost, np.inf, tau) for tau, lost in pairs]
        worst = _worst_value(trial, found, expected, tolerances)
        if worst is None or any(np.any(lost) for lost in trial.lost[: worst[0]]):
            raise Unresolved(LOST)
        i, place, margin = worst
        if np.isinf(movement[i].flat[place]):
            raise Unresolved("a rounding away, the value is not finite")
        trial.check_range(margin)
        f = found[i]
        assert f is not None  # or it would not be the worst
        _blame_value(trial, i, repr(float(expected[i].flat[place])), repr(float(f.flat[place])), margin)


def _worst_value(
    trial: Trial[V],
    found: Sequence[Array | None],
    expected: Sequence[Array],
    tolerances: Sequence[Array],
) -> tuple[int, int, float] | None:
    """The first value that differs, the place where it differs most, and by how many tolerances."""
    for i, (f, e, tau) in enumerate(zip(found, expected, tolerances, strict=True)):
        if f is None:
            continue
        if f.shape != e.shape:
            _blame_value(trial, i, f"shape {e.shape}", f"shape {f.shape}")
        margins = margins_of(f, e, tau)
        if np.max(margins, initial=0.0) > 1:
            place = int(np.argmax(margins))
            return i, place, float(margins.flat[place])
    return None


def _blame_value(trial: Trial[V], i: int, expected: str, found: str, margin: float = np.inf) -> None:
    for number, (step, first) in enumerate(trial.program.places()):
        if first <= i < first + step.n_out:
            raise Broken(f"value {i}, of step {number} ({step.op})", expected, found, margin, number)
    raise Broken(f"value {i}, an input", expected, found, margin)


def check_gradient(trial: Trial[V]) -> None:
    """The gradient of every input equals the derivative of the reference."""
    errors = trial.truth_error
    mismatch = trial.compare("gradient of input", trial.run.gradients, trial.truth, errors)
    if trial.kinked:
        return  # what happens on a kink is the law `kink`
    if mismatch is not None:
        proven, radii = trial.proof()
        errors = [e + r for e, r in zip(errors, radii, strict=True)]
        trial.require("gradient of input", trial.run.gradients, proven, errors)
    if trial.certify and trial.program.dtype == np.float64:
        trial.certify_gradient()


def check_second_order(trial: Trial[V]) -> None:
    """Hessian-vector products equal the second derivative of the reference, and H is symmetric."""
    engine, program = trial.engine, trial.program
    if not engine.differentiates_twice or trial.kinked:
        return
    random = np.random.default_rng(program.n_values)
    # Numbers of float32 are exact in every precision.
    v, w = (
        [random.normal(size=x.shape).astype(np.float32).astype(np.float64) for x in program.inputs]
        for _ in range(2)
    )
    truth, error = trial.second(v)

    def products(engine: Engine[Any], program: Program) -> tuple[float, float, float]:
        """v' H v and w' H v - v' H w by an engine, and the size of the terms that they sum."""
        graph = engine.build(program)
        xs = graph.leaves(program)[: len(v)]
        seeds = [engine.leaf(seed) for seed in program.seeds]
        gradients = engine.gradients(graph.outputs, xs, seeds, create_graph=True)
        size = 0.0

        def along(direction: Sequence[Array], *sides: Sequence[Array]) -> list[float]:
            nonlocal size
            seeds = [engine.leaf(d.astype(program.dtype)) for d in direction]
            hs = [engine.value(h) for h in engine.gradients(gradients, xs, seeds)]
            for i, (h, d) in enumerate(zip(hs, direction, strict=True)):
                if h.shape != d.shape:
                    what = f"the product of the Hessian with a vector, for input {i}"
                    raise Broken(what, f"shape {d.shape}", f"shape {h.shape}")
            products = [h.astype(np.longdouble) for h in hs]
            sums: list[float] = []
            for side in sides:
                terms = [h * d for h, d in zip(products, side, strict=True)]
                sums.append(float(sum(t.sum() for t in terms)))
                size += float(sum(np.abs(t).sum() for t in terms))
            return sums

        (curvature, left), (right,) = along(v, v, w), along(w, v)
        return curvature, left - right, size

    def tolerance(eps: float, size: float) -> float:
        return 64 * len(program.steps) * eps * size + SAFETY * error

    curvature, twist, size = products(engine, program)
    tau = tolerance(trial.eps, size)
    difference = max(abs(curvature - truth), abs(twist))
    if np.isfinite(tau) and difference <= tau:
        return
    # One run with more digits is sooner done than many moved ones.
    wider = trial.wider_to_excuse(difference / max(tau, 1e-300), v)
    if wider is not None:
        exact, straight, size = products(wider.engine, wider.program)
        if max(abs(exact - truth), abs(straight)) <= tolerance(wider.eps, size):
            return
    tau += SAFETY * trial.spread_of(lambda engine, moved: np.array(products(engine, moved)[:2]))
    for a, b in ((v, v), (v, w), (w, v)):
        terms = zip(trial.sizes_of_products(a), b, strict=True)
        tau += SAFETY * trial.eps * float(sum((np.abs(d) * s).sum() for s, d in terms))

    def effect(rounding: Program) -> Array:
        """What an engine makes of it, less what it makes of its negative, too: no lie is an excuse."""
        negative = replace(rounding, seeds=tuple(np.asarray(-s) for s in rounding.seeds))
        return np.subtract(products(engine, rounding)[:2], products(engine, negative)[:2]) / 2

    roundings = [trial.rounding_of_cotangents(random) for _ in range(PERTURBED_RUNS)]
    effects = [effect(rounding) for rounding in roundings if rounding is not None]
    # An overflow excuses nothing.
    tau += SAFETY * float(np.max(np.abs(effects), initial=0.0, where=np.isfinite(effects)))
    if max(abs(curvature - truth), abs(twist)) > tau:
        tau += SAFETY * trial.movement_of_second(v)
    for what, expected, found in (
        ("v' H v", truth, curvature),
        ("w' H v - v' H w", 0.0, twist),
    ):
        # An infinite tolerance is of infinite terms, which excuse nothing either.
        margin = abs(found - expected) / max(tau, 1e-300) if np.isfinite(tau) else np.inf
        if not margin <= 1:
            trial.check_range(margin, v)
            raise Broken(what, repr(expected), repr(found), margin)


def check_kink(trial: Trial[V]) -> None:
    """At a kink the gradient is the documented convention, between the one-sided derivatives."""
    if not trial.kinked:
        return
    trial.check_convention()
    if any(gap > 0 for gap in trial.gaps.values()):
        raise Unresolved("a value lies next to a kink")
    what = "gradient at a kink, of input"
    if trial.compare(what, trial.run.gradients, trial.truth) is not None:
        trial.require(what, trial.run.gradients, *trial.proof())  # it follows the convention, too
    (number, *others) = trial.gaps
    if others or any(trial.values[i].size != 1 for i in trial.program.steps[number].operands):
        return  # several choices at once: the convention need not lie between the two sides
    random = np.random.default_rng(trial.program.n_values)
    direction = [random.normal(size=x.shape) for x in trial.program.inputs]
    right, left = one_sided(trial.exact_program, direction)
    if not (right.resolved and left.resolved):
        raise Unresolved("a one-sided derivative does not converge")
    pairs = zip(trial.run.gradients, direction, strict=True)
    terms = [g.astype(float) * d for g, d in pairs if g is not None]
    slope = float(sum(t.sum() for t in terms))
    low, high = sorted((right.value, left.value))
    # What the oracle's own square of its step leaves of terms that cancel is nothing beside those.
    sizes = zip(trial.sizes, direction, strict=True)
    size = float(sum(np.abs(t).sum() for t in terms)) + abs(low) + abs(high)
    size += float(sum((s * np.abs(d)).sum() for s, d in sizes))
    tau = right.error + left.error + 64 * len(trial.program.steps) * trial.eps * size
    outside = max(low - slope, slope - high)
    if not outside <= tau:
        what, hull = "the derivative along a direction", f"between {low!r} and {high!r}"
        raise Broken(what, hull, repr(slope), outside / max(tau, 1e-300))


# -------------------------------------------------------------- What must not matter: against itself


def check_linearity(trial: Trial[V]) -> None:
    """The gradient is linear in the cotangents; zero cotangents give zeros."""
    program, graph = trial.program, trial.run.graph
    zeros, at_others, found = trial.pull_reseeded(graph)
    for i, g in enumerate(zeros):
        if g is not None and np.any(g != 0):
            trial.check_range(float(np.max(np.abs(g))))
            raise Broken(f"gradient of input {i} for zero cotangents", 0.0, g.tolist())
    first, second = _filled(trial.run.gradients, program), _filled(at_others, program)
    expected = [f + 2 * s for f, s in zip(first, second, strict=True)]
    what = "gradient for a sum of cotangents, of input"
    # The two gradients may nearly cancel: then their own rounding is what counts.
    few = [
        trial.few_roundings(f) + 2 * trial.few_roundings(s) for f, s in zip(first, second, strict=True)
    ]
    _, others, sums = trial.reseeded
    of_sums = trial.of(sums)
    if of_sums.compare(what, found, expected, few) is not None:
        spreads = zip(few, trial.spread, trial.of(others).spread, strict=True)
        of_sums.require(what, found, expected, [f + a + 2 * b for f, a, b in spreads])


def check_accumulation(trial: Trial[V]) -> None:
    """Backward twice doubles, cleargrad resets, values on the way do not remember."""
    engine, program, graph = trial.engine, trial.program, trial.run.graph
    inputs, outputs = set(range(len(program.inputs))), set(program.outputs)
    between = [v for i, v in enumerate(graph.values) if v is not None and i not in inputs | outputs]
    once = [kept(g) for g in trial.pull(graph, program.seeds)]
    for name, variables in (("a value on the way", between), ("an output", graph.outputs)):
        for variable in variables:
            if engine.gradient(variable) is not None and engine.application(variable) is not None:
                raise Broken(f"the gradient of {name} after backward", None, "an array")
    engine.pull_back(graph, copies(program.seeds))
    twice = [engine.gradient(leaf) for leaf in graph.leaves(program)]
    doubled = [
        np.zeros(x.shape) if g is None else 2 * g for g, x in zip(once, program.inputs, strict=True)
    ]
    trial.require("gradient after backward twice, of input", twice, doubled)
    for leaf in graph.leaves(program):
        engine.clear(leaf)
        if engine.gradient(leaf) is not None:
            raise Broken("the gradient after cleargrad", None, engine.gradient(leaf))
    engine.pull_back(graph, copies(program.seeds), retain_grad=True)
    for i, leaf in enumerate(graph.leaves(program)):
        if not same(engine.gradient(leaf), once[i]):
            found = shown(engine.gradient(leaf))
            raise Broken(f"gradient of input {i} with retain_grad", shown(once[i]), found)
    retained = [kept(engine.gradient(v)) for v in between]
    engine.pull_back(graph, copies(program.seeds), retain_grad=True)
    for variable, before in zip(between, retained, strict=True):
        after = engine.gradient(variable)
        if not same(after, before):
            raise Broken("a retained gradient after one more backward", shown(before), shown(after))
    for variable in (*between, *graph.outputs):
        engine.clear(variable)
    if engine.differentiates_twice:
        trial.require("gradient by grad(), of input", _by_grad(trial, graph), _filled(once, program))


def _by_grad(trial: Trial[V], graph: Graph[V]) -> list[Array]:
    """The gradients by the function that leaves every gradient alone; it is checked that it does."""
    engine, leaves = trial.engine, graph.leaves(trial.program)
    before = [kept(engine.gradient(leaf)) for leaf in leaves]
    seeds = [engine.leaf(seed.copy()) for seed in trial.program.seeds]
    gradients = [engine.value(g) for g in engine.gradients(graph.outputs, leaves, seeds)]
    for leaf, g in zip(leaves, before, strict=True):
        if not same(engine.gradient(leaf), g):
            raise Broken("the gradient of a leaf after grad()", shown(g), shown(engine.gradient(leaf)))
    return gradients


def check_sharing(trial: Trial[V]) -> None:
    """A shared value equals its copies, and independent steps may come in another order."""
    expected = _filled(trial.run.gradients, trial.program)
    for how, other in trial.reordered:
        found = trial.rerun(other, keep=False).gradients
        trial.require(f"gradient of the program {how}, of input", found, expected)


def check_broadcasting(trial: Trial[V]) -> None:
    """Implicit broadcasting equals explicit broadcasting."""
    if trial.explicit is not None:
        expected = _filled(trial.run.gradients, trial.program)
        found = trial.rerun(trial.explicit, keep=False).gradients
        trial.require("gradient with explicit broadcasting, of input", found, expected)


def check_dropped_outputs(trial: Trial[V]) -> None:
    """It makes no difference which values on the way are held, and which were dropped."""
    dropped = trial.rerun(trial.program, keep=False).gradients
    for i, (found, expected) in enumerate(zip(dropped, trial.run.gradients, strict=True)):
        if not same(found, expected):
            raise Broken(f"gradient of input {i} with dropped values", shown(expected), shown(found))


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
    engine, run = trial.engine, trial.again
    graph, seeds = run.graph, run.given.seeds
    values = [engine.value(v) for v in graph.values if v is not None]
    for i, (value, before) in enumerate(zip(values, run.values, strict=True)):
        if not same(value, before):
            raise Broken(f"value {i} after backward", "as before", "changed")
    for what, given, originals in (
        ("input", run.given.inputs, trial.program.inputs),
        ("cotangent", seeds, trial.program.seeds),
    ):
        for i, (array, original) in enumerate(zip(given, originals, strict=True)):
            if not same(array, original):
                raise Broken(f"{what} {i} after backward", shown(original), shown(array))
    gradients = [engine.gradient(v) for v in graph.values if v is not None]
    owned = [(f"the gradient of value {i}", g) for i, g in enumerate(gradients) if g is not None]
    others = [(f"value {i}", value) for i, value in enumerate(values)]
    others += [(f"cotangent {i}", seed) for i, seed in enumerate(seeds)]
    for k, (name, g) in enumerate(owned):
        if not g.flags.writeable:
            raise Broken(f"{name}", "writable", "read-only")
        for other_name, other in (*owned[:k], *others):
            if g.size and other.size and np.shares_memory(g, other):
                raise Broken(f"the memory of {name}", "its own", f"that of {other_name}")


def check_determinism(trial: Trial[V]) -> None:
    """The same program gives the same gradients, bit for bit."""
    pairs = zip(trial.again.gradients, trial.run.gradients, strict=True)
    for i, (found, expected) in enumerate(pairs):
        if not same(found, expected):
            raise Broken(f"gradient of input {i} in a second run", shown(expected), shown(found))


def _filled(gradients: Sequence[Array | None], program: Program) -> list[Array]:
    pairs = zip(gradients, program.inputs, strict=True)
    return [np.zeros(x.shape) if g is None else g.astype(np.float64) for g, x in pairs]


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law("runs", check_runs),
        Law("value", check_value),
        Law("shape_dtype", check_shape_dtype),
        Law("gradient", check_gradient, of_derivatives=True),
        Law("kink", check_kink, of_derivatives=True),
        Law("determinism", check_determinism),
        Law("isolation", check_isolation),
        Law("second_order", check_second_order, of_derivatives=True),
        Law("linearity", check_linearity),
        Law("accumulation", check_accumulation),
        Law("sharing", check_sharing),
        Law("broadcasting", check_broadcasting),
        Law("dropped_outputs", check_dropped_outputs),
        Law("no_graph", check_no_graph),
        Law("visits", check_visits),
        Law("transaction", check_transaction),
        Law("refcount", check_refcount),
    )
}
"""The laws that are checked on every program, the telling ones first."""

STANDING_LAWS: dict[str, tuple[Callable[[Engine[Any]], None], ...]] = {
    "no_graph": (check_regions,),
    "refcount": (check_growth,),
    "depth": (check_depth,),
}
"""What is checked once for an engine, by the law to which it belongs."""

SENTENCES = {name: law.sentence for name, law in LAWS.items()} | {
    "depth": (check_depth.__doc__ or "").partition("\n")[0]
}
"""Every law, and what it says."""
