"""`dezero compare`: several engines side by side."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

from dezero.verify import scoreboard
from dezero.verify.campaign import MOST_UNRESOLVED, Plan
from dezero.verify.claims import claims_of
from dezero.verify.cli import arguments, targets
from dezero.verify.cli.arguments import (
    COUNTEREXAMPLE,
    HELD,
    NOTHING_RAN,
    AddCommand,
    NotStarted,
    UsageError,
)
from dezero.verify.cli.progress import shown
from dezero.verify.engines.opaque import OpaqueEngine
from dezero.verify.engines.port import PortEngine
from dezero.verify.scoreboard import Score

WIDTH = 120
"""How many columns a scoreboard has where there is no terminal."""


def define(add: AddCommand) -> None:
    """Defines the command."""
    compare = add(
        "compare",
        help="hold several engines against the laws, side by side",
        description="Hold several engines, and one port behind --, against the laws. An engine that is "
        "not installed is named as missing. Exit codes: 0 all held, 1 a counterexample (or too much "
        "unresolved), 2 wrong usage, 3 none of them is there, or the port did not start, 5 one ran "
        "nothing.",
        usage="%(prog)s [options] [ENGINE ...]\n       %(prog)s [options] [ENGINE ...] -- COMMAND ...",
    )
    compare.add_argument(
        "engines", nargs="*", metavar="ENGINE", help=f"{', '.join(targets.NAMES)} (default: all)"
    )
    arguments.add_budget(compare, "programs for each engine", "1000")
    arguments.add_reports(compare, "json", "html")
    arguments.add_limits(compare)
    compare.set_defaults(run=_compare, target="dezero", ops=None, laws=None, domain=None)


def _compare(options: argparse.Namespace) -> int:
    names: list[str] = options.engines or ([] if options.port else list(targets.NAMES))
    for name in names:
        if name not in targets.NAMES:
            raise UsageError(f"no engine is called {name!r}; there are: {', '.join(targets.NAMES)}")
    arguments.expect_writable(options.json, options.html)
    seed = arguments.seed_of(options)
    scores: list[Score] = []
    with targets.port(options) as port:  # one that does not start costs nobody's campaign
        of_port = None if port is None else targets.target_of(port, options)
        for name in names:
            try:
                engine = targets.engine_of(name)
            except NotStarted as error:
                scores.append(Score(name, missing=str(error)))
                continue
            options.target = name
            scores.append(_scored(options, targets.target(options), _who(name, engine), seed))
        if port is not None and of_port is not None:
            scores.append(_scored(options, of_port, port.who, seed))
    if all(one.tally is None for one in scores):
        raise NotStarted("none of these engines is installed")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(scoreboard.tables(scores, seed))
    if options.html is None and any(one.broken for one in scores):
        print("\n--html F shows each program, and the command that replays it")
    files = (
        (options.json, lambda: json.dumps(scoreboard.to_dict(scores, seed), indent=1) + "\n"),
        (options.html, lambda: scoreboard.to_html(scores, seed)),
    )
    with arguments.written(files):
        return _exit_code(scores)


def _exit_code(scores: Sequence[Score]) -> int:
    """That of `verify`, if each of the engines has one."""
    tallies = [one.tally for one in scores if one.tally is not None]
    unresolved = any(tally.unresolved_share > MOST_UNRESOLVED for tally in tallies)
    if unresolved or any(one.broken for one in scores):
        return COUNTEREXAMPLE
    return HELD if all(tally.examples for tally in tallies) else NOTHING_RAN


def _scored(options: argparse.Namespace, target: targets.Chosen, who: str, seed: int) -> Score:
    print(f"{target.name} …", file=sys.stderr, flush=True)
    engine = target.engine
    plan = Plan(
        target.trial,
        target.contracts,
        target.laws,
        seed,
        None if options.time else options.examples or 1000,
        options.time,
        dtypes=engine.dtypes,
    )
    with shown(plan, target.name) as listener:
        conditions = (
            shlex.join(arguments.limits_again(options)) if isinstance(engine, PortEngine) else ""
        )
        claims = claims_of(engine, "extended")
        return scoreboard.score(engine, target.name, who, plan, claims, listener, conditions)


def _who(name: str, engine: object) -> str:
    if isinstance(engine, OpaqueEngine):
        return engine.who
    try:
        return f"{name} {version('dezero')}"
    except PackageNotFoundError:
        return name
