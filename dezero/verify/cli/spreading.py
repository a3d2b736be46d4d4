"""A campaign in stretches: on several workers, resumed, or a part of it; and the parts put together."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import count, takewhile
from pathlib import Path
from types import ModuleType

from dezero.verify import stretches
from dezero.verify.campaign import STRETCH, Listener, Plan, Progress, Tally, run_stretch
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import NotStarted, UsageError
from dezero.verify.decoded import Decoded, DecodedError
from dezero.verify.program import Json
from dezero.verify.report import Report
from dezero.verify.stretches import Folder, known_to_list


def define(parser: argparse.ArgumentParser) -> None:
    """Defines the arguments."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=arguments.count_of("processes"),
        metavar="N",
        help="on so many processes of this machine",
    )
    where.add_argument("--cluster", metavar="ADDRESS", help="on a Dask cluster: tcp://host:8786")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="keep each stretch of the campaign in a folder, and go on where that ends",
    )
    parser.add_argument(
        "--shard", type=shard, metavar="I/N", help="the I-th of N parts of the campaign: 1/4"
    )
    parser.add_argument(
        "--stretch",
        type=arguments.count_of("programs"),
        default=STRETCH,
        metavar="N",
        help=f"how many programs are handed out at once, and kept (default {STRETCH})",
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="a counterexample ends its stretch only; one is shown for each cause",
    )


def shard(text: str) -> tuple[int, int]:
    """Which part of how many."""
    matched = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if matched is None or not 1 <= int(matched[1]) <= int(matched[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; expected for instance 1/4, up to 4/4")
    return int(matched[1]), int(matched[2])


def wanted(options: argparse.Namespace) -> bool:
    """Whether the campaign shall be anything but run here, in one piece."""
    given = (options.workers, options.cluster, options.resume, options.shard, options.keep_going)
    return any(given)


def is_first(options: argparse.Namespace) -> bool:
    """Whether this is the whole campaign, or its first part: which asks the standing laws, too."""
    return options.shard is None or options.shard[0] == 1


def run(
    options: argparse.Namespace,
    plan: Plan,
    campaign: str,
    listener: Listener,
    done: dict[int, Tally],
) -> Tally:
    """Runs a campaign; gives what it has done.

    Args:
        options: The command's.
        plan: What to do.
        campaign: The arguments that say which campaign it is.
        listener: Is told how far it is.
        done: Its stretches by number: those that are there are not done again; the others come to them.

    Raises:
        UsageError: The folder is of another campaign, or malformed.
        NotStarted: There is no Dask, no cluster, or a stretch cannot be done.
    """
    if options.certificates:
        raise UsageError("--certificates is for campaigns in one piece")
    if options.shard and options.time:
        raise UsageError("--shard cuts a number of programs; give --examples instead of --time")
    if options.shard and options.seed is None:
        raise UsageError("--shard needs --seed: all parts are of one campaign")
    try:
        folder = None if options.resume is None else Folder(options.resume, identity(campaign, plan))
        kept = {} if folder is None else folder.done(plan)
    except DecodedError as error:
        raise UsageError(str(error)) from None
    part, n = options.shard or (1, 1)  # a folder may serve several parts
    done.update((number, tally) for number, tally in kept.items() if number % n == part - 1)
    begun = time.monotonic() - sum(tally.elapsed for tally in done.values())

    def told(part: Tally | None = None) -> None:
        parts = [*done.values(), *([] if part is None else [part])]
        listener(Progress.of(parts, time.monotonic() - begun))

    def wanted(number: int) -> bool:
        found = (n for n, tally in done.items() if tally.counterexample is not None)
        return options.keep_going or number < min(found, default=number + 1)

    for number, tally in _results(options, plan, _numbers(options, plan, done), wanted, told):
        done[number] = tally
        if folder is not None:
            try:
                folder.keep(number, tally)
            except DecodedError as error:
                raise UsageError(str(error)) from None
        told()
        if not sys.stderr.isatty():
            examples = sum(tally.examples for tally in done.values())
            print(f"stretch {number}: {examples} programs so far", file=sys.stderr, flush=True)
    total = stretches.together(done, keep_going=options.keep_going)
    total.elapsed = time.monotonic() - begun
    return total


def _numbers(options: argparse.Namespace, plan: Plan, done: Mapping[int, Tally]) -> Iterator[int]:
    """The stretches that are to be done, as long as there is time to begin one."""
    part, n = options.shard or (1, 1)
    whole = plan.n_stretches
    begun = time.monotonic()
    for number in count() if whole is None else range(whole):
        if plan.seconds is not None and time.monotonic() - begun >= plan.seconds:
            return
        if number % n == part - 1 and number not in done:
            yield number


def _results(
    options: argparse.Namespace,
    plan: Plan,
    numbers: Iterator[int],
    wanted: Callable[[int], bool],
    told: Callable[[Tally], None],
) -> Iterator[tuple[int, Tally]]:
    if not options.workers and not options.cluster:
        for number in takewhile(wanted, numbers):
            yield number, run_stretch(plan.of_stretch(number), told)
        return
    workers = _dask()
    task = partial(workers.stretch_of, options.given, options.port, plan.seed)
    try:
        with _client(workers, options) as client:
            for number, text in workers.results(client, task, numbers, wanted):
                yield (
                    number,
                    stretches.from_dict(Decoded(json.loads(text), f"stretch {number}"), plan.contracts),
                )
    except (workers.WorkersFailed, DecodedError) as error:  # a worker may have another version
        raise NotStarted(str(error)) from None


def _dask() -> ModuleType:
    """`dezero.verify.workers`, which imports Dask: only for those who ask for workers."""
    try:
        return import_module("dezero.verify.workers")
    except ModuleNotFoundError as error:
        raise NotStarted(f"{error}: pip install '.[cluster]' in a checkout") from None


def _client(workers: ModuleType, options: argparse.Namespace) -> AbstractContextManager[object]:
    made: AbstractContextManager[object] = (
        workers.local(options.workers) if options.workers else workers.at(options.cluster)
    )
    return made


def identity(campaign: str, plan: Plan) -> dict[str, Json]:
    """All on which the result of a stretch depends."""
    return {
        "campaign": campaign,
        "programs": plan.examples,  # None with --time: then no stretch is shorter than the others
        "laws": list[Json](plan.laws),
        "operations": list[Json](plan.contracts),
        "known failures": [known_to_list(failure) for failure in plan.known],
        "versions": {name: version(name) for name in ("dezero", "numpy", "hypothesis")},
    }


def shard_to_dict(
    options: argparse.Namespace,
    made: Report,
    plan: Plan,
    floor: Sequence[str] | None,
    done: Mapping[int, Tally],
    standing: Tally,
) -> dict[str, Json]:
    """What the JSON report of a part holds, so that it can be put together with the others."""
    if options.shard is None:
        return {}
    return {
        "shard": list[Json](options.shard),
        "n_stretches": plan.n_stretches,
        "keep_going": bool(options.keep_going),
        "known": [known_to_list(failure) for failure in made.known],
        "again": made.again,
        "module": made.module,
        "conditions": made.conditions,
        "floor": None if floor is None else list[Json](floor),
        "stretches": {str(number): stretches.to_dict(tally) for number, tally in done.items()},
        "standing": stretches.to_dict(standing),
    }
