"""A trial: an engine and a program, with what several laws need to know of the two, found once.

Also the tolerance, which nobody chooses. Two results that are equal in exact arithmetic may differ by
what rounding does. How much that is, the engine itself tells: the program is run again with every use
of a value moved by a roundoff or two, up or down at random; as the moves are factors, backward moves,
too. To how far the results lie apart comes the roundoff of the terms that a gradient is the sum of. A
difference accuses only if it exceeds ten times the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Generic

import numpy as np

from dezero.contract import Array
from dezero.verify.comparison import SAFETY, Mismatch, alike, copies, kept, margins_of, widened
from dezero.verify.engines import Engine, Graph, V
from dezero.verify.evaluation import evaluate
from dezero.verify.magnitude import cotangent_sizes, gradient_sizes, product_sizes
from dezero.verify.oracles import (
    Enclosures,
    Undecided,
    complex_step,
    complex_step_along,
    enclose_gradient,
    enclose_second,
    enclose_values,
)
from dezero.verify.outcomes import Broken, Certificate, Convention, Unresolved
from dezero.verify.program import Program, ProgramError
from dezero.verify.rewrites import (
    ancestors,
    in_another_order,
    perturbed,
    places_when_perturbed,
    with_copies,
    with_explicit_broadcasting,
)

PERTURBED_RUNS = 7
_WIDEST, _TINIEST = 1e-9, 1e-12
"""An enclosure settles a matter if its radius is below this part of it, or of a tiny number."""
NEAR_KINK = 1e-2
"""Nearer to a kink than this, a difference of rounding may decide on which side a value lies."""


@dataclass(frozen=True)
class Run(Generic[V]):
    """A program, run by an engine, and its gradients.

    Attributes:
        given: The inputs and the seeds that the engine was given.
        graph: What the engine recorded.
        values: What its variables held before the gradients were pulled back.
        gradients: For each input its gradient; None if the engine left none.
    """

    given: Program
    graph: Graph[V]
    values: list[Array | None]
    gradients: list[Array | None]


class Trial(Generic[V]):
    """An engine and a program."""

    def __init__(self, engine: Engine[V], program: Program) -> None:
        self.engine = engine
        self.program = program
        eps, least, normal, largest = _limits(program.dtype)
        self.eps: float = eps
        self.least: float = least
        self.normal: float = normal
        self.largest: float = largest
        self.laws: Sequence[str] = ()
        """What it will be held against, for engines that are better asked for everything at once."""
        self.certify = False
        """Whether the law of the gradient shall ask for a proof every time."""
        self.certificate: Certificate | None = None
        """What was proved of the gradient, when that was asked for."""
        self.worst_margin: float = 0.0
        """The largest part of a tolerance that a difference took up, in laws that held."""

    def of(self, program: Program) -> Trial[V]:
        """A trial of the same kind, of another program."""
        return type(self)(self.engine, program)

    def check(self) -> None:
        """Raises ProgramError unless the seeds have the shapes of the outputs."""
        for k, (output, seed) in enumerate(zip(self.program.outputs, self.program.seeds, strict=True)):
            if seed.shape != self.values[output].shape:
                raise ProgramError(
                    f"seed {k}: shape {seed.shape}; its output, value {output}, "
                    f"has {self.values[output].shape}"
                )

    @cached_property
    def exact_program(self) -> Program:
        """The program in float64, which takes float32 inputs exactly."""
        return self.program if self.program.dtype == np.float64 else self.program.astype("float64")

    @cached_property
    def values(self) -> list[Array]:
        """Every value, by the reference, in float64."""
        return evaluate(self.exact_program)

    @cached_property
    def truth(self) -> list[Array]:
        """The gradient of every input, by complex step."""
        return complex_step(self.exact_program, self.values)

    @property
    def truth_error(self) -> list[Array]:
        """How far off the truth may be: here no further than rounding goes."""
        return [np.zeros(x.shape) for x in self.program.inputs]

    def proof(self) -> tuple[list[Array], list[Array]]:
        """The gradient of every input, by balls, and how wide these are.

        Raises:
            Unresolved: They cannot decide on which side of a kink a value lies, or are too wide.
        """
        proven = _narrow(lambda: enclose_gradient(self.exact_program))
        return [_settled(e) for e in proven], [e.rad for e in proven]

    def proof_of_values(self) -> tuple[list[Array], list[Array]]:
        """The same of every value; raises as `proof` does."""
        program = self.exact_program
        given = range(len(program.inputs), program.n_values)
        every = replace(program, outputs=tuple(given), seeds=tuple(np.zeros(()) for _ in given))
        proven = _narrow(lambda: enclose_values(every))
        exact = [np.zeros(x.shape) for x in program.inputs]
        return [*program.inputs, *map(_settled, proven)], [*exact, *(e.rad for e in proven)]

    def certify_gradient(self) -> None:
        """Proves how near the gradient in float64 is to the truth; raises as `proof` does."""
        proven = _narrow(lambda: enclose_gradient(self.exact_program))
        pairs = zip(self.run.gradients, proven, self.sizes, strict=True)
        self.certificate = Certificate(max((_ulps(g, e, s) for g, e, s in pairs), default=0.0))

    def second(self, v: Sequence[Array]) -> tuple[float, float]:
        """The second derivative along v, ``v' H v``, with an error bound; raises as `proof` does."""
        return _second(self.exact_program, v)

    # --- what the laws have the engine run ---

    @cached_property
    def run(self) -> Run[V]:
        """The program run by the engine."""
        return self.rerun(self.program)

    @cached_property
    def again(self) -> Run[V]:
        """The same once more, with the gradients of all values retained."""
        return self.rerun(self.program, retain_grad=True)

    def rerun(self, program: Program, *, keep: bool = True, retain_grad: bool = False) -> Run[V]:
        """A program run by the engine, on copies of its inputs and seeds."""
        given = replace(
            program, inputs=tuple(copies(program.inputs)), seeds=tuple(copies(program.seeds))
        )
        graph = self.engine.build(given, keep=keep)
        values = [None if v is None else np.array(self.engine.value(v)) for v in graph.values]
        self.engine.pull_back(graph, given.seeds, retain_grad=retain_grad)
        leaves = graph.leaves(self.program)
        return Run(given, graph, values, [self.engine.gradient(leaf) for leaf in leaves])

    def pull(self, graph: Graph[V], seeds: Sequence[Array]) -> list[Array | None]:
        """The gradients of the inputs for some seeds; those that the graph had are forgotten."""
        leaves = graph.leaves(self.program)
        for leaf in leaves:
            self.engine.clear(leaf)
        self.engine.pull_back(graph, copies(seeds))
        return [self.engine.gradient(leaf) for leaf in leaves]

    @cached_property
    def reseeded(self) -> tuple[Program, Program, Program]:
        """The program with cotangents of zero, with random ones, and with its own plus twice those."""
        seeds = self.program.seeds
        random = np.random.default_rng(self.program.n_values)
        others = [np.asarray(random.normal(size=s.shape), s.dtype) for s in seeds]
        sums = [np.asarray(s + 2 * o) for s, o in zip(seeds, others, strict=True)]
        none = [np.zeros_like(s) for s in seeds]
        zeros, at_others, at_sums = (
            replace(self.program, seeds=tuple(given)) for given in (none, others, sums)
        )
        return zeros, at_others, at_sums

    def pull_reseeded(self, graph: Graph[V]) -> list[list[Array | None]]:
        """The gradients for the cotangents of each of these, one after the other."""
        return [[kept(g) for g in self.pull(graph, program.seeds)] for program in self.reseeded]

    @cached_property
    def reordered(self) -> list[tuple[str, Program]]:
        """Programs that compute the same from what they share, or in an order, of another kind."""
        forms = (
            ("with its shared values computed twice", with_copies(self.program)),
            ("with its steps in another order", in_another_order(self.program)),
        )
        return [(how, program) for how, program in forms if program is not None]

    @cached_property
    def explicit(self) -> Program | None:
        """The program with its broadcasting as steps of its own; None if it has none."""
        return with_explicit_broadcasting(self.program, self.values, self.engine.contracts)

    # --- where a program lies ---

    @cached_property
    def gaps(self) -> dict[int, float]:
        """The distance to a kink for each step, by number, that comes near one."""
        near: dict[int, float] = {}
        for number, step in enumerate(self.program.steps):
            kinks = self.engine.contracts[step.op].kinks
            if kinks is not None:
                operands = [self.values[i] for i in step.operands]
                gap = kinks.clearance(*operands, **step.attributes)
                if gap < NEAR_KINK:
                    near[number] = gap
        return near

    @property
    def kinked(self) -> bool:
        """Whether a value lies on a kink, or so near that rounding may put it on either side."""
        return bool(self.gaps)

    def check_convention(self) -> None:
        """Raises Convention if the engine documents other derivatives than ours at these kinks."""
        for number in self.gaps:
            op = self.program.steps[number].op
            if op in self.engine.conventions:
                raise Convention(self.engine.name, op)

    def rounding_of_cotangents(self, random: np.random.Generator) -> Program | None:
        """A program of which the cotangents are what rounding may do to those of this one.

        Where a rule's terms cancel, the first derivative is lost below their rounding, in any
        precision; and a second derivative is a sum of such first derivatives times the curvature on
        the way. So the root is the sum of all values, each times the rounding of its own cotangent.
        """
        program = self.program
        places = range(len(program.inputs), program.n_values)
        sizes = self.sizes_of_cotangents
        seeds = [self.eps * random.choice((-1.0, 1.0), s.shape) * s for s in sizes]
        return replace(
            program,
            outputs=tuple(places),
            seeds=tuple(np.asarray(s, program.dtype) for s in seeds),
        )

    def in_wider_precision(self) -> Trial[V] | None:
        """The same trial with more digits, and a quarter of the tolerance; None if there are none.

        A wrong rule is as wrong in every precision. What a rule's own rounding does (a sum in it that
        cancels) shrinks with the digits, two thousand times and more.
        """
        wider = "float64" if self.program.dtype == np.float32 else "longdouble"
        if not np.finfo(wider).eps < self.eps / 64:
            return None
        trial = Trial(self.engine, self.program.astype(wider))
        trial.eps = self.eps / 4
        return trial

    def wider_to_excuse(self, margin: float, along: Sequence[Array] | None = None) -> Trial[V] | None:
        """The trial in the next wider precision, if that may excuse a difference; None if it may not.

        Rounding takes some of the digits, but what is wrong by more than half of them is so for another
        reason, right as it may be in the next wider precision: an engine may have a path of its own for
        each. Only where numbers lie below the normal ones, none of their digits need be left.

        Args:
            margin: The difference, in tolerances.
            along: The direction, if what differs is a second derivative.
        """
        if margin <= self.eps**-0.5 or (np.isfinite(margin) and self._underflows(along)):
            return self.in_wider_precision()
        return None

    def _underflows(self, along: Sequence[Array] | None) -> bool:
        products = [] if along is None else self.sizes_of_products(along)
        sizes = (*self.values, *self.sizes_of_cotangents, *self.sizes, *products)
        return any(np.any((s != 0) & (np.abs(s) < self.normal)) for s in sizes)

    # --- comparison ---

    def compare(
        self,
        what: str,
        found: Sequence[Array | None],
        expected: Sequence[Array],
        errors: Sequence[Array] | None = None,
    ) -> Mismatch | None:
        """The worst difference that rounding does not explain, if there is one.

        Args:
            what: What is compared, for the error.
            found: What the engine gives; None counts as zeros.
            expected: What it should give.
            errors: How far off the expected may be.
        """
        if all(alike(f, e) for f, e in zip(found, expected, strict=True)):
            return None  # to the last bit, as most are: there is nothing to weigh
        few = [self.few_roundings(e) for e in expected]
        if errors is not None:
            few = widened(few, errors)
        worst = self._worst(what, found, expected, few)
        # The cheaper first: the terms are a part of the spread, for which the engine runs many times.
        if worst is not None:
            worst = self._worst(what, found, expected, widened(few, self.roundings_of_terms))
        if worst is not None:
            worst = self._worst(what, found, expected, widened(few, self.spread))
        return worst

    def require(
        self,
        what: str,
        found: Sequence[Array | None],
        expected: Sequence[Array],
        errors: Sequence[Array] | None = None,
    ) -> None:
        """Raises Broken if `compare` finds a difference, and the derivative itself moves by less."""
        mismatch = self.compare(what, found, expected, errors)
        if mismatch is None:
            return
        # Arrays of our own: of 0-d ones NumPy's arithmetic has made scalars, into which none can write.
        errors = [np.zeros(e.shape) for e in expected] if errors is None else [*map(np.array, errors)]
        looked_at: set[tuple[int, tuple[int, ...]]] = set()
        while mismatch is not None:
            place = mismatch.array, mismatch.index
            self.check_range(mismatch.margin)
            if place in looked_at or not np.isfinite(mismatch.margin):
                raise mismatch.broken()
            looked_at.add(place)
            errors[mismatch.array][mismatch.index] += self.movement_of_truth(mismatch)
            mismatch = self.compare(what, found, expected, errors)

    def check_range(self, margin: float, along: Sequence[Array] | None = None) -> None:
        """Raises Unresolved if no finite margin tells how far off something is, and none can.

        Where values, or the terms of derivatives, are beyond the range of the element type, an engine
        cannot but come to infinities, and to what infinities come to.

        Args:
            margin: The difference, in tolerances.
            along: The direction, if what differs is a second derivative.
        """
        if np.isfinite(margin):
            return
        with np.errstate(all="ignore"):
            # An infinite term is none of these: it is what a rule says that is wrong.
            sizes = [np.where(np.isfinite(s), s, 0.0) for s in self._sizes_beyond_range(along)]
            if any(np.max(np.abs(s), initial=0.0) > self.largest for s in (*self.values, *sizes)):
                raise Unresolved(f"a number is beyond the range of {self.program.dtype.name}")

    @cached_property
    def lost(self) -> list[Array]:
        """For each value, where more than half of its digits are lost in a rounding within its step.

        One of what the step takes can be more than what it gives: log(1 + e⁻⁴⁰) is 0. What was computed
        from such a value has no digits to compare.
        """
        lost: list[Array] = [np.zeros(x.shape, np.bool_) for x in self.program.inputs]
        for step, first in self.program.places():
            scale = max(np.max(np.abs(self.values[i]), initial=0.0) for i in step.operands)
            for i in range(first, first + step.n_out):
                found, expected = self.run.values[i], self.values[i]
                if found is None or found.shape != expected.shape:
                    lost.append(np.zeros(expected.shape, np.bool_))
                    continue
                with np.errstate(all="ignore"):
                    distance = np.abs(np.subtract(found, expected, dtype=float))
                    many = distance > math.sqrt(self.eps) * np.abs(expected)
                    lost.append(many & (distance <= SAFETY * self.eps * scale) & (expected != 0))
        return lost

    @property
    def loses_values(self) -> bool:
        """Whether a value is `lost` anywhere."""
        return any(np.any(places) for places in self.lost)

    def _sizes_beyond_range(self, along: Sequence[Array] | None) -> list[Array]:
        """The sizes of all terms of derivatives, in a type whose range is wider than the program's."""
        program = self.program.astype("longdouble")
        sizes = [*gradient_sizes(program), *cotangent_sizes(program)]
        return sizes if along is None else [*sizes, *product_sizes(program, along)]

    def few_roundings(self, expected: Array) -> Array:
        """A tolerance for a few roundings in each step: parts of the array's size, or least numbers."""
        size: Array = np.abs(expected, dtype=np.float64)
        n = 2 + len(self.program.steps)
        # Below the normal numbers a rounding is no part of the number any more.
        floor = n * (0.25 * self.eps * size.max(initial=0.0) + self.least)
        return np.asarray(n * self.eps * size + floor)

    def _worst(
        self,
        what: str,
        found: Sequence[Array | None],
        expected: Sequence[Array],
        tolerances: Sequence[Array],
    ) -> Mismatch | None:
        worst: Mismatch | None = None
        for i, (f, e, tau) in enumerate(zip(found, expected, tolerances, strict=True)):
            g = np.zeros(e.shape) if f is None else f.astype(np.float64)
            if g.shape != e.shape:
                raise Broken(f"{what} {i} has the wrong shape", e.shape, g.shape)
            margins = margins_of(g, e, tau)
            margin = float(margins.max(initial=0.0))
            if margin <= 1.0:
                self.worst_margin = max(self.worst_margin, margin)
            elif worst is None or margin > worst.margin:
                place = np.unravel_index(int(np.argmax(margins)), e.shape)
                index = tuple(int(k) for k in place)
                worst = Mismatch(what, i, index, float(e[place]), float(g[place]), margin)
        return worst

    # --- rounding ---

    @cached_property
    def spread(self) -> list[Array]:
        """How far the engine's gradients lie apart when everything moves by one unit roundoff.

        Besides, the rounding of the terms of which they are summed.
        """
        moved = self._spread_of(self.gradients_of)
        return [m + r for m, r in zip(moved, self.roundings_of_terms, strict=True)]

    @property
    def roundings_of_terms(self) -> list[Array]:
        """The rounding of the terms of which the engine's gradients are summed."""
        return [np.nan_to_num(self.eps * s) for s in self.sizes]

    @cached_property
    def sizes(self) -> list[Array]:
        """How large the terms are of which the gradients are sums."""
        return gradient_sizes(self.exact_program)

    @cached_property
    def sizes_of_cotangents(self) -> list[Array]:
        """The same of the cotangents of all values that steps give."""
        return cotangent_sizes(self.exact_program)

    def sizes_of_products(self, v: Sequence[Array]) -> list[Array]:
        """How large the terms are of which the product of the Hessian with v is the sum."""
        return product_sizes(self.exact_program, v)

    @cached_property
    def spread_of_values(self) -> list[Array]:
        """The same for the values of the program."""
        places = places_when_perturbed(self.program)

        def values(program: Program) -> list[Array]:
            graph = self.engine.build(program)
            return [self.engine.value(v) for v in (graph.values[i] for i in places) if v is not None]

        return self._spread_of(values)

    def gradients_of(self, program: Program) -> list[Array]:
        graph = self.engine.build(program)
        leaves = graph.leaves(program)
        self.engine.pull_back(graph, program.seeds)
        given = [self.engine.gradient(leaf) for leaf in leaves[: len(self.program.inputs)]]
        pairs = zip(given, self.program.inputs, strict=True)
        return [np.zeros(x.shape) if g is None else g for g, x in pairs]

    def _spread_of(self, result: Callable[[Program], list[Array]]) -> list[Array]:
        """How far results of the randomly perturbed program lie from their middle.

        And not from that of the program itself: one that is wrong there, and right next to it, shall
        not excuse itself.
        """
        random = np.random.default_rng(len(self.program.steps))
        with np.errstate(all="ignore"):  # what is moved may overflow
            runs = [result(self._moved(random)) for _ in range(PERTURBED_RUNS)]
            spreads = [
                np.subtract(np.max(rs, axis=0), np.min(rs, axis=0), dtype=float) / 2
                for rs in zip(*runs, strict=True)
            ]
        return [np.where(np.isfinite(s), s, 0.0) for s in spreads]  # an overflow excuses nothing

    def _moved(self, random: np.random.Generator) -> Program:
        """The program, perturbed, but for what leads to a kink: moved off it, values would jump."""
        shapes = [y.shape for y in self.values]
        return perturbed(self.program, shapes, random, self.eps, ancestors(self.program, self.gaps))

    def movement_of_truth(self, mismatch: Mismatch) -> float:
        """How far the derivative itself lies apart, at one place, when values move by a rounding.

        What the engine's own results say is not enough where the derivative has a narrow peak, and the
        program lies on it: then all moved ones may be small, however far they lie apart.

        Raises:
            Unresolved: As `proof` does, or because it is not finite.
        """
        direction = [np.zeros(x.shape) for x in self.program.inputs]
        direction[mismatch.array][mismatch.index] = 1.0
        there = float(self.proof()[0][mismatch.array][mismatch.index])
        moved = [complex_step_along(program, v) for program, v in self._moved_along(direction)]
        return _extent([there, *moved])

    def movement_of_values(self) -> list[Array]:
        """The same of every value: infinite where it is not finite, a rounding away."""
        places = places_when_perturbed(self.program)
        runs = [self.values]
        for program, _ in self._moved_along(self.program.inputs):
            values = evaluate(program)
            runs.append([values[i] for i in places])
        with np.errstate(all="ignore"):
            extents = [np.max(ys, axis=0) - np.min(ys, axis=0) for ys in zip(*runs, strict=True)]
        return [np.where(np.isfinite(e), e, np.inf) for e in extents]

    def movement_of_second(self, v: Sequence[Array]) -> float:
        """The same of the second derivative along v; raises as `proof` does."""
        moved = [_second(program, w)[0] for program, w in self._moved_along(v)]
        return _extent([self.second(v)[0], *moved])

    def _moved_along(self, v: Sequence[Array]) -> Iterator[tuple[Program, list[Array]]]:
        """The moved programs in float64, each with the direction in which its factors stand still.

        What moves by less than a rounding of float64, as in its wider precision, stays where it is.
        """
        random = np.random.default_rng(len(self.program.steps))
        for _ in range(PERTURBED_RUNS):
            program = self._moved(random).astype("float64")
            factors = program.inputs[len(v) :]
            yield program, [*v, *(np.zeros(x.shape) for x in factors)]

    def spread_of(self, result: Callable[[Engine[Any], Program], Array]) -> float:
        """How far the numbers move that an engine makes of the perturbed program, at the most."""
        (spread,) = self._spread_of(lambda program: [result(self.engine, program)])
        return float(np.max(spread))


@cache
def _limits(dtype: np.dtype[np.generic]) -> tuple[float, float, float, float]:
    """The distance from 1 to the next number, that from 0, the least normal number, and the largest.

    NumPy would look for them each time.
    """
    about = np.finfo(dtype.name)
    least, normal = float(about.smallest_subnormal), float(about.smallest_normal)
    return float(about.eps), least, normal, float(about.max)


def _narrow(enclose: Callable[[], list[Enclosures]]) -> list[Enclosures]:
    """Enclosures that settle a matter; raises Unresolved."""
    try:
        proven = enclose()
    except Undecided:
        raise Unresolved("a comparison cannot be decided") from None
    for e in proven:
        narrow = e.rad <= _WIDEST * np.maximum(np.abs(e.mid), _TINIEST)
        if not np.all(narrow & np.isfinite(e.mid)):
            raise Unresolved("the enclosure is too wide")
    return proven


def _second(program: Program, v: Sequence[Array]) -> tuple[float, float]:
    """The second derivative along v, with an error bound; raises Unresolved."""
    try:
        truth = enclose_second(program, v)
    except Undecided:
        raise Unresolved("a comparison cannot be decided") from None
    narrow = truth.rad <= _WIDEST * max(abs(truth.mid), _TINIEST)
    if not (narrow and math.isfinite(truth.mid)):
        raise Unresolved("the enclosure is too wide")
    return truth.mid, truth.rad


def _extent(numbers: Sequence[float]) -> float:
    """How far numbers lie apart; raises Unresolved if one is not finite."""
    if not np.all(np.isfinite(numbers)):
        raise Unresolved("a rounding away, the derivative is not finite")
    return max(numbers) - min(numbers)


def _settled(proven: Enclosures) -> Array:
    """The numbers that were enclosed. What may be 0 is: of terms that cancel the middle is noise."""
    return np.where(np.abs(proven.mid) <= proven.rad, 0.0, proven.mid)


def _ulps(found: Array | None, proven: Enclosures, sizes: Array) -> float:
    """How far a gradient is from all that its enclosure allows, in last places of its largest terms."""
    distance = np.abs((0.0 if found is None else found) - proven.mid) + proven.rad
    largest = np.max(np.maximum(np.abs(proven.mid), sizes), initial=_TINIEST)
    return float(np.max(distance, initial=0.0) / np.spacing(largest))
