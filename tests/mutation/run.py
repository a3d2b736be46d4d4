"""``make mutants``: does the suite notice when a source is changed?

python tests/mutation/run.py                        # what was not tried yet; can be stopped and resumed
python tests/mutation/run.py --sample 100           # as many of all, drawn by a seed, within a time
python tests/mutation/run.py --only core --again    # the survivors once more
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ground import Ground, Verdict
from mutants import Mutant, mutants
from quick import Request
from record import Equivalent, Results, Tally, as_listed, equivalents, table, tally, unknown
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PROJECT = Path(__file__).parent.parent.parent
HEAD = "<!-- What follows is written by `make mutants`. -->\n"
LEAST = 0.97
"""The share of the mutants tried, but for the equivalent ones, that must be killed."""


@dataclass(frozen=True)
class Config:
    """What stands in config.toml.

    Attributes:
        sources: The sources, and the tests that know each best.
        patience: A trial may run for so many seconds of CPU time, and four times what the tests need
            without a mutant.
    """

    sources: Mapping[str, Sequence[str]]
    patience: float


class Tests:
    """The tests of each source that know it best.

    They are first run on the unchanged project: they must pass, and their CPU time gives the limit.
    """

    def __init__(self, ground: Ground, config: Config) -> None:
        self._ground = ground
        self._config = config
        self._seconds: dict[tuple[str, ...], float] = {}
        self._killers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._collected = False

    def learn(self, mutant: Mutant, verdict: Verdict) -> None:
        """What noticed a mutant is asked first about others in the same function."""
        if verdict.end == "failed":
            self._killers[mutant.path, mutant.where].append(verdict.by)

    def try_out(self, mutant: Mutant) -> Verdict:
        """Whether any test notices the mutant."""
        tests = tuple(self._config.sources[mutant.path])
        usual = self._seconds_of(tests)
        if not self._collected:
            self._ground.collect(
                sorted({test for best in self._config.sources.values() for test in best})
            )
            self._collected = True
        text = mutant.make()
        killers = self._killers[mutant.path, mutant.where]
        request = Request(mutant.path, text, mutant.where, tests, killers, 1 + math.ceil(usual))
        verdict = self._ground.quick(request)
        if verdict is None:
            with self._ground.changed(mutant.path, text):
                verdict = self._ground.test(tests, self._config.patience + 4 * usual)
        self.learn(mutant, verdict)
        return replace(verdict, seconds=round(verdict.seconds, 2), cpu=round(verdict.cpu, 2))

    def _seconds_of(self, tests: tuple[str, ...]) -> float:
        if tests not in self._seconds:
            verdict = self._ground.test(tests, 1200, compile_files=True)
            if verdict.end != "survived":
                raise SystemExit(f"without any mutant, {verdict.by} {verdict.end}: mend that first")
            self._seconds[tests] = verdict.cpu
        return self._seconds[tests]


def chosen(all_of_them: dict[str, list[Mutant]], args: argparse.Namespace) -> list[Mutant]:
    """What the command line asks for, in random order, so that what a time allows is a fair sample."""
    wanted = [
        mutant
        for path, found in all_of_them.items()
        if not args.only or any(Path(path).stem == name for name in args.only)
        for mutant in found
    ]
    random.Random(args.seed).shuffle(wanted)
    return wanted[: args.sample] if args.sample else wanted


def run(
    wanted: Sequence[Mutant],
    tests: Tests,
    results: Results,
    known: Sequence[Equivalent],
    args: argparse.Namespace,
) -> None:
    """Tries what was not tried; with ``again``, also what survived."""
    console = Console()
    deadline = time.monotonic() + args.minutes * 60
    # No thread may redraw: a fork would leave it behind with its locks held.
    with Progress(
        TextColumn("mutants"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        auto_refresh=False,
    ) as progress:
        task = progress.add_task("", total=len(wanted))
        survived = 0
        for mutant in wanted:
            verdict = results[mutant]
            if verdict is not None:
                tests.learn(mutant, verdict)
            equivalent = any(entry.is_of(mutant) for entry in known)
            again = args.again and verdict is not None and not verdict.killed
            if not equivalent and (verdict is None or again):
                if time.monotonic() > deadline:
                    console.print("The time is over.")
                    return
                verdict = tests.try_out(mutant)
                results.add(mutant, verdict)
                if not verdict.killed:
                    survived += 1
                    console.print(
                        f"{verdict.end}: {mutant.path}:{mutant.line} {mutant.where}: "
                        f"{mutant.old} -> {mutant.new}",
                        markup=False,
                        highlight=False,
                    )
            progress.update(task, advance=1, description=f"{survived} survived", refresh=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0 if enough of the mutants tried were killed, else 1. A sample's share says little: for a sample
        it is 0 if each survivor stands in docs/mutants.md.
    """
    parser = argparse.ArgumentParser(
        description="Changes the sources, and asks whether the tests notice."
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="sources by name, such as core graph")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="try only N, drawn from all that were asked for"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of the order (default: 0)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none after so many")
    parser.add_argument("--again", action="store_true", help="try survivors once more")
    parser.add_argument("--fresh", action="store_true", help="forget the results so far")
    parser.add_argument("--record", action="store_true", help="write docs/mutants.md")
    parser.add_argument("--project", type=Path, default=PROJECT, help="another project than this")
    args = parser.parse_args(arguments)
    project: Path = args.project
    here = project / "tests" / "mutation"
    place = project / "build" / "mutants"

    config = Config(**tomllib.loads((here / "config.toml").read_text("utf-8")))
    names = {Path(path).stem for path in config.sources}
    if args.only and not names.issuperset(args.only):
        parser.error(f"--only takes {', '.join(sorted(names))}; got {' '.join(args.only)}")
    if args.fresh:
        (place / "results.jsonl").unlink(missing_ok=True)

    all_of_them = {path: mutants(path, (project / path).read_text("utf-8")) for path in config.sources}
    known = equivalents(here / "equivalents.json")
    for entry in unknown(known, [mutant for found in all_of_them.values() for mutant in found]):
        parser.error(
            f"equivalents.json: no mutant of {entry.path} is {entry.old!r} -> {entry.new!r}: remove it"
        )
    results = Results(place / "results.jsonl")
    wanted = chosen(all_of_them, args)
    run(wanted, Tests(Ground(project, place / "tree"), config), results, known, args)
    record = project / "docs" / "mutants.md"
    if args.record:
        counted = {path: tally(found, results, known) for path, found in all_of_them.items()}
        text = record.read_text("utf-8").partition(HEAD)[0]
        record.write_text(text + HEAD + "\n" + table(counted), "utf-8")
    counts = tally(wanted, results, known)
    enough = judge(counts)
    if not args.sample:
        return enough
    listed = record.read_text("utf-8").splitlines()
    new = [as_listed(mutant) for mutant in counts.survived if as_listed(mutant) not in listed]
    for line in new:
        print(f"not on record: {line}")
    return 1 if new or counts.share is None else 0


def judge(counts: Tally) -> int:
    """Says how it went; the exit code by the share."""
    killed = sum(counts.killed.values())
    share = "none were tried" if counts.share is None else f"{counts.share:.1%} of those tried"
    print(
        f"{counts.mutants} mutants: {killed} killed, {len(counts.survived)} survived, "
        f"{counts.equivalent} equivalent, {counts.not_run} not run: {share}"
    )
    return 0 if counts.share is not None and counts.share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
