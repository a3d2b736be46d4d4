"""A campaign: many random programs against the laws, until one breaks a law or the budget is spent.

A campaign is cut into stretches, each of which depends on the campaign's seed and on its own number
alone: so they may run one after the other, or anywhere. In a stretch the programs come in runs: in turn
a part of a sweep over the operations and their pairs, and a run of Hypothesis, with a seed of its own.
"""

from __future__ import annotations

import gc
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

import hypothesis
import hypothesis.errors
import numpy as np

from dezero.contract import Contract
from dezero.verify.coverage import Coverage
from dezero.verify.decoding import well_placed
from dezero.verify.engines import Engine
from dezero.verify.known import KnownFailure
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.outcomes import Broken, Certificate, Convention, Unresolved
from dezero.verify.program import Program, ProgramError
from dezero.verify.rewrites import simpler
from dezero.verify.strategies import Programs, programs, swept
from dezero.verify.trial import Trial

RUN = 250
"""How many programs there are in one run."""
COLLECTED = 4
"""After how many runs the collector is called: it takes as long as a few programs."""
STRETCH = 10_000
"""How many programs there are in one stretch: enough for a sweep over most pairs of operations."""
_SLOW_IS_FINE = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large)
NO_MARGIN = -80
"""Where margins are counted, the place of those that are zero, or below 1e-20."""
MOST_UNRESOLVED = 0.05
"""The largest share of unresolved samples with which a campaign still counts as held."""


@dataclass(frozen=True)
class Plan:
    """What a campaign shall do.

    Attributes:
        trial: Makes a trial of a program.
        contracts: The operations that occur.
        laws: The names of the laws.
        seed: From which all randomness follows.
        examples: The number of programs; None for as many as there is time for.
        seconds: The time; None for as long as the programs take.
        certify: Whether to prove every gradient in float64 by enclosures, too.
        certified: Is told of every program whose gradient was proved, if anyone is.
        dtypes: The element types of the inputs.
        programs: Where the programs come from, of a user's function; None for a sweep over the
            operations, and random ones.
        known: What the target is known to do wrong.
        met: Of these what was met already: programs with the operation are not held against the law.
        stretch: The number of the stretch.
        stretch_size: How many programs there are in each.
    """

    trial: Callable[[Program], Trial[Any]]  # the laws do not ask what an engine's variables are
    contracts: Mapping[str, Contract]
    laws: Sequence[str]
    seed: int
    examples: int | None = 1000
    seconds: float | None = None
    certify: bool = False
    certified: Callable[[Program, Certificate], None] | None = None
    dtypes: Sequence[str] = ("float64",)
    programs: Programs | None = None
    known: Sequence[KnownFailure] = ()
    met: Sequence[KnownFailure] = ()
    stretch: int = 0
    stretch_size: int = STRETCH

    def of_stretch(self, number: int) -> Plan:
        """What one stretch shall do: as many programs as are left for it, however long they take."""
        size = self.stretch_size
        left = size if self.examples is None else self.examples - number * size
        return replace(self, stretch=number, examples=max(0, min(size, left)), seconds=None)

    @property
    def n_stretches(self) -> int | None:
        """How many stretches there are; None for as many as there is time for."""
        return None if self.examples is None else -(-self.examples // self.stretch_size)

    @property
    def randomness(self) -> int:
        """The seed of the stretch; that of the first is the campaign's."""
        if self.stretch == 0:
            return self.seed
        return int(np.random.SeedSequence([self.seed, self.stretch]).generate_state(1, np.uint64)[0])

    @property
    def of_function(self) -> bool:
        """Whether a user's function is held, which may be named as an operation is."""
        return self.programs is not None

    @property
    def drawn(self) -> Programs:
        """What Hypothesis draws from."""
        return programs(self.contracts, self.dtypes) if self.programs is None else self.programs

    def swept(self) -> Iterator[Program]:
        """What is tried besides, so that no operation and no pair of them is left to chance."""
        return (
            swept(self.contracts, self.dtypes, self.randomness) if self.programs is None else iter(())
        )


@dataclass
class Counterexample:
    """A program that breaks a law.

    Attributes:
        law: The law's name.
        program: The program, shrunk.
        broken: What was expected, and what was found.
        seed: The seed of the campaign.
    """

    law: str
    program: Program | None
    broken: Broken
    seed: int

    @property
    def cause(self) -> tuple[str, ...]:
        """What those have in common that show the same fault: the law, and the operations."""
        steps = () if self.program is None else self.program.steps
        return (self.law, *sorted({step.op for step in steps}))

    @property
    def size(self) -> tuple[int, int]:
        """How much there is to look at: the steps, and the elements of the inputs."""
        program = self.program
        return (0, 0) if program is None else (len(program.steps), sum(x.size for x in program.inputs))


@dataclass
class Tally:
    """What a campaign has done so far.

    Attributes:
        examples: The programs that were tried.
        elapsed: The seconds that they took.
        held: For each law how often it held.
        unresolved: For each law and reason how often nothing could be decided.
        conventions: For each operation how often a program was not judged at its kink, for there the
            engine documents another derivative.
        cost: For each law the seconds that it took.
        coverage: What the programs had in them.
        certified: For each program that was certified the ulps within which its gradient was proved.
        worst_margin: The largest part of a tolerance that a difference took up.
        matrix: How often each law held for programs with each operation.
        margins: How many programs took up what part of a tolerance at the most: by quarters of the
            decimal logarithm; `NO_MARGIN` where nothing differed.
        known: The known failures that were met, each with the program that shows it.
        known_to_hold: For each known failure in how many programs with its operation the law held.
        counterexample: What ended it, if anything did.
    """

    examples: int = 0
    elapsed: float = 0.0
    held: Counter[str] = field(default_factory=Counter[str])
    unresolved: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    conventions: Counter[str] = field(default_factory=Counter[str])
    cost: defaultdict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    coverage: Coverage = field(default_factory=Coverage)
    certified: list[float] = field(default_factory=list[float])
    worst_margin: float = 0.0
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    margins: Counter[int] = field(default_factory=Counter[int])
    known: dict[KnownFailure, Counterexample] = field(
        default_factory=dict[KnownFailure, Counterexample]
    )
    known_to_hold: Counter[KnownFailure] = field(default_factory=Counter[KnownFailure])
    counterexample: Counterexample | None = None

    def add(self, other: Tally) -> None:
        """Counts what another has done as done after this."""
        self.examples += other.examples
        self.elapsed += other.elapsed
        self.held.update(other.held)
        self.unresolved.update(other.unresolved)
        self.conventions.update(other.conventions)
        for law, seconds in other.cost.items():
            self.cost[law] += seconds
        self.coverage.add(other.coverage)
        self.certified += other.certified
        self.worst_margin = max(self.worst_margin, other.worst_margin)
        self.matrix.update(other.matrix)
        self.margins.update(other.margins)
        self.known = {**other.known, **self.known}  # what was met first stays
        self.known_to_hold.update(other.known_to_hold)
        self.counterexample = self.counterexample or other.counterexample

    @property
    def samples(self) -> int:
        """How often a law was asked."""
        return self.held.total() + self.unresolved.total()

    @property
    def unresolved_share(self) -> float:
        """The largest share of samples that one law could not decide."""
        shares = [0.0]
        for law in LAWS:
            undecided = sum(n for (name, _), n in self.unresolved.items() if name == law)
            if undecided:
                shares.append(undecided / (undecided + self.held[law]))
        return max(shares)


@dataclass(frozen=True)
class Progress:
    """How far a campaign is.

    Attributes:
        examples: The programs that were tried.
        elapsed: The seconds since it began.
        operations: How many operations have occurred.
        unresolved: The share of samples that could not be decided.
    """

    examples: int
    elapsed: float
    operations: int
    unresolved: float

    @staticmethod
    def of(parts: Sequence[Tally], elapsed: float) -> Progress:
        """That of a campaign of which these parts were done."""
        operations: set[str] = set()
        for part in parts:
            operations.update(part.coverage.operations)
        samples = sum(part.samples for part in parts)
        unresolved = sum(part.unresolved.total() for part in parts)
        examples = sum(part.examples for part in parts)
        return Progress(examples, elapsed, len(operations), unresolved / max(samples, 1))


Listener = Callable[[Progress], None]


class _Found(Exception):
    """A law is broken. One class for each law, so that shrinking keeps to the law."""

    def __init__(self, law: str, program: Program, broken: Broken) -> None:
        super().__init__(law)
        self.law = law
        self.program = program
        self.broken = broken


_FOUND: dict[str, type[_Found]] = {name: type(f"Found_{name}", (_Found,), {}) for name in LAWS}


def run(plan: Plan, listener: Listener = lambda _: None) -> Tally:
    """Runs a campaign to its end, one stretch after the other.

    Args:
        plan: What to do.
        listener: Is told now and then how far it is.
    """
    total = Tally()
    begun = time.monotonic()

    def told(part: Tally) -> None:
        listener(Progress.of((total, part), time.monotonic() - begun))

    for number in count():
        over = plan.seconds is not None and time.monotonic() - begun >= plan.seconds
        if over or total.counterexample is not None or number == plan.n_stretches:
            break
        left = None if plan.seconds is None else plan.seconds - (time.monotonic() - begun)
        part = run_stretch(replace(plan.of_stretch(number), seconds=left), told)
        if not part.examples:
            break
        total.add(part)
    total.elapsed = time.monotonic() - begun
    return total


def run_stretch(plan: Plan, told: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Runs one stretch of a campaign (see `Plan.of_stretch`).

    Args:
        plan: What to do in it.
        told: Is told now and then what was done so far.
    """
    return _Stretch(plan, told).run()


def replay(plan: Plan, stored: Iterable[Program]) -> Tally:
    """Holds programs that broke a law once against the laws, until one does so again."""
    stretch = _Stretch(plan, lambda _: None)
    for program in stored:
        try:
            stretch.meet(program)
        except _Found as found:
            stretch.report(found)
        if stretch.tally.counterexample is not None:
            break
    stretch.tally.elapsed = time.monotonic() - stretch.begun
    return stretch.tally


class _Stretch:
    """What the runs of a stretch share."""

    def __init__(self, plan: Plan, told: Callable[[Tally], None]) -> None:
        self.plan = plan
        self.told = told
        self.tally = Tally()
        self.begun = time.monotonic()

    def run(self) -> Tally:
        plan, tally = self.plan, self.tally
        sweep = plan.swept()
        for number in count():
            left = RUN if plan.examples is None else min(RUN, plan.examples - tally.examples)
            if left <= 0 or self.late or tally.counterexample is not None:
                break
            before = tally.examples
            try:
                for program in islice(sweep, left if number % 2 == 0 else 0):
                    self.meet(program)
            except _Found as found:
                self.report(self.found_again(found))
            if tally.examples == before and not self.late:
                self.draw(plan.randomness * 1_000_003 + number, left)
            if tally.examples == before:
                break
            # The law `refcount` starts the collector's counts anew with each program, so that it would
            # never come to what Hypothesis leaves in cycles.
            if number % COLLECTED == COLLECTED - 1:
                gc.collect()
        tally.elapsed = time.monotonic() - self.begun
        return tally

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        seconds = self.plan.seconds
        return seconds is not None and time.monotonic() - self.begun >= seconds

    def meet(self, program: Program) -> None:
        """Holds one more program against the laws, if there is time."""
        if self.late:
            return
        tally = self.tally
        tally.examples += 1
        tally.coverage.count(program)
        judge(self.plan, program, tally)
        if tally.examples % 10 == 0:
            self.told(tally)

    def draw(self, seed: int, examples: int) -> None:
        """A run of programs that Hypothesis draws."""
        found = _drawn(
            self.plan.drawn, self.meet, lambda p: judge(self.plan, p, Tally()), seed, examples
        )
        if found is not None:
            self.report(found)

    def found_again(self, swept: _Found) -> _Found:
        """What breaks the same law over the same operations, shrunk, if Hypothesis finds it."""
        plan = self.plan
        occurring = {step.op for step in swept.program.steps}
        contracts = {op: contract for op, contract in plan.contracts.items() if op in occurring}
        only = replace(plan, laws=[swept.law], contracts=contracts)

        def meet(program: Program) -> None:
            judge(only, program, Tally())

        found = _drawn(only.drawn, meet, meet, plan.randomness, RUN)
        return swept if found is None or len(found.program.steps) > len(swept.program.steps) else found

    def report(self, found: _Found) -> None:
        """Ends the campaign with a counterexample, unless it is a known failure: then it goes on."""
        plan, tally = self.plan, self.tally
        program, broken = reduced(plan, found.law, found.program, found.broken)
        counterexample = Counterexample(found.law, program, broken, plan.seed)
        for failure in plan.known:
            if failure.law == found.law and failure not in plan.met and failure.concerns(program):
                tally.known[failure] = counterexample
                self.plan = replace(plan, met=(*plan.met, failure))
                return
        tally.counterexample = counterexample


def _drawn(
    programs: Programs,
    meet: Callable[[Program], None],
    meet_again: Callable[[Program], None],
    seed: int,
    examples: int,
) -> _Found | None:
    """A run of Hypothesis: the smallest program found that breaks a law, if any does.

    Args:
        programs: Where the programs come from.
        meet: Raises `_Found` if a program breaks a law.
        meet_again: The same for the programs that come while one is shrunk.
        seed: From which all randomness follows.
        examples: How many programs to draw.
    """
    first: _Found | None = None

    def test(program: Program) -> None:
        nonlocal first
        if first is not None:
            meet_again(program)
            return
        try:
            meet(program)
        except _Found as found:
            first = found
            raise

    configured = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,  # also where a CI is noticed: the seed is ours
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        suppress_health_check=_SLOW_IS_FINE,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )(hypothesis.seed(seed)(hypothesis.given(programs)(test)))
    try:
        configured()
    except _Found as found:
        return found
    except hypothesis.errors.Flaky:
        return (
            first  # it does not break the law each time: what was seen first is what there is to show
        )
    return None


def reduced(plan: Plan, law: str, program: Program, broken: Broken) -> tuple[Program, Broken]:
    """A smaller program that breaks the same law, by steps that Hypothesis cannot take."""
    if plan.of_function:
        return program, broken  # one step, of which no values are known
    only = replace(plan, laws=[law])
    smaller = True
    while smaller:
        smaller = False
        for candidate in simpler(program):
            if not well_placed(candidate, plan.contracts):
                continue
            try:
                judge(only, candidate, Tally())
            except _Found as found:
                program, broken, smaller = candidate, found.broken, True
                break
    return program, broken


def judge(plan: Plan, program: Program, tally: Tally) -> None:
    """Holds a program against the laws of a plan; raises `_Found` at the first that is broken."""
    trial = plan.trial(program)
    trial.laws = plan.laws
    trial.certify = plan.certify
    ops = {step.op for step in program.steps}
    known = [failure for failure in plan.known if failure.concerns(program)]
    borne = {failure.law for failure in known if failure in plan.met}
    for name in plan.laws:
        if name not in LAWS or name in borne or "runs" in borne:  # what does not run keeps no law
            continue
        begun = time.perf_counter()
        try:
            LAWS[name].hold(trial)
            tally.held[name] += 1
            for op in ops:
                tally.matrix[name, op] += 1
            tally.known_to_hold.update(failure for failure in known if failure.law == name)
        except Convention as own:
            tally.conventions[own.op] += 1
        except Unresolved as reason:
            tally.unresolved[name, str(reason)] += 1
        except Broken as broken:
            raise _FOUND[name](name, program, broken) from None
        except ProgramError:
            raise  # the kit's own fault, and no finding
        except Exception as error:  # whatever an engine may raise where the law `runs` does not look
            found = f"{type(error).__name__}: {error}"
            raise _FOUND[name](name, program, Broken("the check", "no exception", found)) from error
        finally:
            tally.cost[name] += time.perf_counter() - begun
    worst = trial.worst_margin
    tally.worst_margin = max(tally.worst_margin, worst)
    tally.margins[math.floor(4 * math.log10(worst)) if worst > 1e-20 else NO_MARGIN] += 1
    if trial.certificate is not None:
        tally.certified.append(trial.certificate.ulps)
        if plan.certified is not None:
            plan.certified(program, trial.certificate)
    if not plan.of_function:  # of which nothing is known
        tally.coverage.count_values(program, trial.values, plan.contracts, trial.kinked)


def standing(engine: Engine[Any], laws: Sequence[str], tally: Tally, seed: int) -> None:
    """Holds an engine against the laws that no single program decides."""
    for name in laws:
        if name not in STANDING_LAWS or tally.counterexample is not None:
            continue
        begun = time.perf_counter()
        try:
            for check in STANDING_LAWS[name]:
                check(engine)
            tally.held[name] += 1
        except Broken as broken:
            tally.counterexample = Counterexample(name, None, broken, seed)
        tally.cost[name] += time.perf_counter() - begun
