"""`dezero compare`: several engines side by side."""

from __future__ import annotations

import argparse
import json
import random
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dezero.verify import scoreboard
from dezero.verify.campaign import Plan
from dezero.verify.claims import claims_of
from dezero.verify.cli import arguments, targets
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, AddCommand, NotStarted, UsageError
from dezero.verify.engines.opaque import OpaqueEngine
from dezero.verify.laws import LAWS
from dezero.verify.scoreboard import Score


def define(add: AddCommand) -> None:
    """Defines the command."""
    compare = add(
        "compare",
        help="hold several engines against the laws, side by side",
        description="Hold several engines, and one port behind --, against the laws. An engine that is "
        "not installed is named as missing. Exit codes: 0 all held, 1 a counterexample, 2 wrong usage, "
        "3 none of them is there.",
        usage="%(prog)s [options] [ENGINE ...]\n       %(prog)s [options] [ENGINE ...] -- COMMAND ...",
    )
    compare.add_argument(
        "engines", nargs="*", metavar="ENGINE", help=f"{', '.join(targets.NAMES)} (default: all)"
    )
    budget = compare.add_mutually_exclusive_group()
    budget.add_argument(
        "--examples",
        type=arguments.count,
        default=1000,
        metavar="N",
        help="programs for each engine (default 1000)",
    )
    budget.add_argument("--time", type=arguments.duration, metavar="T", help="for each: 30s, 10m, 2h")
    compare.add_argument("--seed", type=arguments.seed, metavar="S", help="the seed (default: random)")
    compare.add_argument("--json", type=Path, metavar="F", help="write everything to a file")
    compare.add_argument("--html", type=Path, metavar="F", help="write a page to look at to a file")
    arguments.add_limits(compare)
    compare.set_defaults(run=_compare, target="dezero", ops=None, laws=None, domain=None)


def _compare(options: argparse.Namespace) -> int:
    names: list[str] = options.engines or ([] if options.port else list(targets.NAMES))
    for name in names:
        if name not in targets.NAMES:
            raise UsageError(f"no engine is called {name!r}; there are: {', '.join(targets.NAMES)}")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    scores: list[Score] = []
    for name in names:
        try:
            engine = targets.engine_of(name)
        except NotStarted as error:
            scores.append(Score(name, missing=str(error)))
            continue
        options.target = name
        scores.append(_scored(options, targets.target(options), _who(name, engine), seed))
    with targets.port(argparse.Namespace(**{**vars(options), "target": "dezero"})) as port:
        if port is not None:
            scores.append(_scored(options, targets.target_of(port, options), port.who, seed))
    if all(one.tally is None for one in scores):
        raise NotStarted("none of these engines is installed")
    print(scoreboard.to_text(scores))
    arguments.write_if(
        options.json, lambda: json.dumps(scoreboard.to_dict(scores, seed), indent=1) + "\n"
    )
    arguments.write_if(options.html, lambda: scoreboard.to_html(scores, seed))
    return COUNTEREXAMPLE if any(one.broken for one in scores) else HELD


def _scored(options: argparse.Namespace, target: targets.Chosen, who: str, seed: int) -> Score:
    print(f"{target.name} …", file=sys.stderr, flush=True)
    engine = target.engine
    plan = Plan(
        target.trial,
        target.contracts,
        [law for law in target.laws if law in LAWS],
        seed,
        None if options.time else options.examples,
        options.time,
        dtypes=engine.dtypes if isinstance(engine, OpaqueEngine) else ("float64",),
    )
    return scoreboard.score(engine, who, plan, claims_of(engine, "extended"))


def _who(name: str, engine: object) -> str:
    if isinstance(engine, OpaqueEngine):
        return engine.who
    try:
        return f"{name} {version('dezero')}"
    except PackageNotFoundError:
        return name
