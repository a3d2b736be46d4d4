"""Paired repetitions: everyone runs once a round, so that what slows the machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median, quantiles

import numpy as np

from benchmarks.peers import HAND, OURS, array


def nothing() -> None:
    """What is done before a repetition where nothing need be."""


@dataclass(frozen=True)
class Job:
    """What a contender repeats.

    Attributes:
        run: Is timed. It gives tensors, in which all contenders must agree after the first run.
        before: Runs before each repetition, and is not timed.
    """

    run: Callable[[], Sequence[object]]
    before: Callable[[], object] = nothing


Prepare = Callable[[], Job]


@dataclass(frozen=True)
class Workload:
    """One task, and how each contender does it.

    Attributes:
        name: Its name on the command line.
        title: What is done, in a few words.
        contenders: For each contender what prepares its job.
        units: How many units of work a repetition has: times are given for one.
        unit: What such a unit is.
        tolerance: How far results may differ, relative to the largest element.
        rounds: The number of repetitions.
        left_out: Who does not take part, and why.
        seconds: A contender that has taken this long sits out the rest, after two repetitions.
    """

    name: str
    title: str
    contenders: Mapping[str, Prepare]
    units: int = 1
    unit: str = "step"
    tolerance: float = 1e-9
    rounds: int = 15
    seconds: float = 8.0
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Spread:
    """The median of some figures, and their quartiles."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """The quartiles of one figure or more."""
        if len(figures) < 2:
            return cls(figures[0], figures[0], figures[0])
        low, _, high = quantiles(figures, method="inclusive")
        return cls(low, median(figures), high)


@dataclass
class Measured:
    """What came out of one workload.

    Attributes:
        name, title, unit: Those of the workload.
        figures: For each contender a figure from each repetition: in units, `scale` to the unit.
        absent: For each contender that has no figures the reason.
    """

    name: str
    title: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    absent: dict[str, str] = field(default_factory=dict[str, str])

    def spread(self, name: str) -> Spread:
        """The figures of a contender."""
        return Spread.of(self.figures[name])

    def ratio(self, other: str, ours: str = OURS) -> Spread | None:
        """Ours to another's, round by round; None if one of the two was not measured."""
        if other not in self.figures or ours not in self.figures:
            return None
        return Spread.of(paired(self.figures[ours], self.figures[other]))


def paired(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratios of what was measured in the same rounds."""
    return [a / b for a, b in zip(ours, others, strict=False)]


class Disagreement(AssertionError):
    """Two contenders do not compute the same."""


def measure(workload: Workload, present: Sequence[str], quick: bool = False) -> Measured:
    """Let all contenders that are there do a workload, once they have been seen to agree.

    Args:
        workload: What to do.
        present: Which contenders are installed.
        quick: One repetition only.

    Raises:
        Disagreement: Their results differ by more than the tolerance.
    """
    measured = Measured(workload.name, workload.title, f"µs per {workload.unit}")
    measured.absent.update(workload.left_out)
    jobs: dict[str, Job] = {}
    for name, prepare in workload.contenders.items():
        if name in present:
            jobs[name] = prepare()
        else:
            measured.absent[name] = "not installed"
    agree(workload, jobs)
    measured.figures = {name: [] for name in jobs}
    spent = dict.fromkeys(jobs, 0.0)
    for number in range(1 if quick else workload.rounds):
        # Each goes first in turn: the one after a long job finds other caches than the one before it.
        turn = number % len(jobs)
        order = [*islice(jobs, turn, None), *islice(jobs, turn)]
        for name in order:
            if number < 2 or spent[name] < workload.seconds:
                began = time.perf_counter()
                seconds = timed(jobs[name])
                spent[name] += time.perf_counter() - began
                measured.figures[name].append(seconds / workload.units * 1e6)
    return measured


def timed(job: Job) -> float:
    """The seconds of one repetition. The garbage collector runs as it would in use."""
    job.before()
    began = time.perf_counter()
    job.run()
    return time.perf_counter() - began


def agree(workload: Workload, jobs: Mapping[str, Job]) -> None:
    """Raises Disagreement unless all results are finite and the same, within the tolerance.

    This is also everyone's warm-up: what is compiled is compiled here.
    """
    results: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]] = {}
    for name, job in jobs.items():
        job.before()
        results[name] = [array(x).astype(np.float64) for x in job.run()]
    first = HAND if HAND in results else OURS
    for name, found in results.items():
        for i, (x, y) in enumerate(zip(found, results[first], strict=True)):
            who = f"{workload.name}: result {i} of {name}"
            if x.shape != y.shape:
                raise Disagreement(f"{who} has shape {x.shape}; expected {y.shape}, as of {first}")
            difference = float(np.max(np.abs(x - y), initial=0.0))
            allowed = workload.tolerance * float(np.max(np.abs(y), initial=0.0))
            if not difference <= allowed:  # also where either is no number
                raise Disagreement(
                    f"{who} differs from that of {first} by {difference:.1e}; "
                    f"expected at most {allowed:.1e}"
                )
