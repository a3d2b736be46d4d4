"""`dezero verify`: hold a target against the laws, on random programs."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dezero.contract import Contract
from dezero.verify import campaign, html_report, report, stretches
from dezero.verify.campaign import Counterexample, Plan, Tally
from dezero.verify.claims import Claims
from dezero.verify.cli import arguments, corpora, spreading, standards, targets
from dezero.verify.cli.arguments import AddCommand, File, UsageError
from dezero.verify.cli.progress import shown
from dezero.verify.coverage import FLOOR_FROM
from dezero.verify.databases import DatabaseError, Databases
from dezero.verify.engines import Engine
from dezero.verify.engines.opaque import OpaqueEngine
from dezero.verify.engines.port import PortEngine
from dezero.verify.outcomes import Certificate
from dezero.verify.pages import Shown
from dezero.verify.program import Json, Program
from dezero.verify.report import Report
from dezero.verify.tracing import traced

DTYPES: dict[str, tuple[str, ...]] = {
    "float64": ("float64",),
    "float32": ("float32",),
    "both": ("float64", "float64", "float64", "float32"),
}


def define(add: AddCommand) -> None:
    """Defines the command."""
    verify = add(
        "verify",
        help="hold a target against the laws, on random programs",
        description="Hold a target against the laws, on random programs. "
        "Exit codes: 0 all held, 1 a counterexample (or too much unresolved), 2 wrong usage (or a file "
        "that cannot be written), 3 the target did not start, 5 nothing ran.",
        usage="%(prog)s [options] [TARGET]\n       %(prog)s [options] -- COMMAND ...",
    )
    add_arguments(verify)
    verify.set_defaults(run=_verify)


def add_arguments(verify: argparse.ArgumentParser) -> None:
    """Defines the arguments of the command, in its parser or in another."""
    verify.add_argument(
        "target",
        nargs="?",
        default="dezero",
        metavar="TARGET",
        help="dezero (default), core_simple, or package.module:name of a function of Variables "
        f"or of a Function class; a peer, if it is installed: {', '.join(targets.PEERS)}; "
        "or, behind --, the command of a port",
    )
    arguments.add_budget(verify, "programs", "1000, for a function 100")
    arguments.add_names(verify, "--laws", "only these laws")
    arguments.add_names(verify, "--ops", "only these operations")
    verify.add_argument(
        "--dtype", choices=sorted(DTYPES), default="both", help="the inputs' element type"
    )
    verify.add_argument("--order", type=int, choices=(1, 2), default=2, help="1: no second derivatives")
    verify.add_argument(
        "--certify", action="store_true", help="prove every gradient in float64 by enclosures, too"
    )
    verify.add_argument(
        "--certificates",
        type=Path,
        metavar="F",
        help="the same, and write each program with what was proved of it to a file, a line each",
    )
    arguments.add_domains(verify)
    spreading.define(verify)
    verify.add_argument(
        "--database",
        action="append",
        metavar="DB",
        help="try what is stored there before anything else, and store counterexamples there: a "
        "folder, redis://host:6379, or github:owner/repository, which is only read",
    )
    arguments.add_reports(verify)
    verify.add_argument(
        "--save", type=Path, metavar="DIR", help="write the programs of counterexamples to a folder"
    )
    standards.define(verify)
    verify.add_argument(
        "--corpus", type=Path, metavar="DIR", help="on the programs of a corpus, instead of random ones"
    )
    arguments.add_limits(verify)


def _verify(options: argparse.Namespace) -> int:
    corpora.refuse_others(options)
    arguments.expect_writable(
        *arguments.report_files(options), options.certificates, folder=options.save
    )
    with targets.port(options) as port:
        return _verified(options, *claiming(options, port))


def claiming(options: argparse.Namespace, port: PortEngine | None) -> tuple[targets.Chosen, Claims]:
    """The target of the command, and what it claims."""
    target = targets.target(options) if port is None else targets.target_of(port, options)
    return standards.in_profile(target, options.profile)


def _verified(options: argparse.Namespace, target: targets.Chosen, claims: Claims) -> int:
    if options.corpus is not None and not claims.lacking:
        return corpora.verify(options.corpus, target)
    seed = arguments.seed_of(options)
    plan = plan_of(options, target, seed)
    proved: list[str] = []

    def certified(program: Program, certificate: Certificate) -> None:
        proved.append(report.certified(program, certificate))

    if options.certificates:
        plan = replace(plan, certify=True, certified=certified)
    databases = _databases(options, target)
    parts: dict[int, Tally] = {}
    tally, standing = Tally(), Tally()
    if not claims.lacking:
        if databases is not None and spreading.is_first(options):
            parts[stretches.REPLAYED] = campaign.replay(
                plan, databases.programs(plan.contracts, plan.dtypes, target.check)
            )
        with shown(plan) as listener:
            if spreading.wanted(options):
                again = _again(options, seed)
                tally = spreading.run(options, plan, again, listener, parts)
            else:
                tally = stretches.together(parts)
                if tally.counterexample is None:
                    tally.add(campaign.run(plan, listener))
        if target.prepared is None and tally.counterexample is None and spreading.is_first(options):
            campaign.standing(target.engine, plan.laws, standing, plan.seed)
            tally.add(standing)
    begun = [-(-tally.examples // plan.stretch_size), *(number + 1 for number in parts)]
    made = Report(
        target.name,
        target.module,
        plan.laws,
        seed,
        _again(options, seed, max(1, *begun) * plan.stretch_size),
        target.contracts,
        tally,
        [] if options.shard else uncovered(tally, target.contracts, floor_of(options, plan)),
        claims,
        plan.known,
        stretches.causes(parts)[1:] if options.keep_going else (),
        shlex.join(arguments.conditions_again(options)),
    )
    more = spreading.shard_to_dict(options, made, plan, floor_of(options, plan), parts, standing)
    with arguments.written(
        [
            *_saved(options.save, made),
            *reports(options, made, more, lambda: _shown(made, target)),
            (options.certificates, lambda: "".join(proved)),
        ]
    ):
        try:
            _say(made, target, options.save)
        finally:  # also where nobody reads it
            if databases is not None:
                _store(databases, made)
    return made.exit_code


def _say(made: Report, target: targets.Chosen, folder: Path | None) -> None:
    """What a campaign found, for the terminal.

    Args:
        made: The campaign.
        target: What was verified.
        folder: Where counterexamples are saved, if they are.
    """
    print(report.summary(made))
    if isinstance(target.engine, OpaqueEngine):
        kind = "port" if isinstance(target.engine, PortEngine) else "peer"
        print(f"{kind}: {target.engine.who}")
        print(f"not claimed: {', '.join(made.claims.not_claimed)}")
        if made.tally.conventions:
            counts = (f"{op} {n}" for op, n in made.tally.conventions.items())
            print(f"not judged at kinks, where it has a convention of its own: {', '.join(counts)}")
    for found in made.counterexamples:
        print()
        print(report.explain(made, found, _place(folder, made, found)), end="")
        if folder is not None and found.program is None:
            print("\nNo program shows it, so none is saved.")
        print(targets.last_words(found.broken.__cause__), end="")


def reports(
    options: argparse.Namespace,
    made: Report,
    more: Mapping[str, Json],
    shown: Callable[[], Sequence[Shown]],
) -> list[File]:
    """The reports that were asked for, as files to write.

    Args:
        options: Those of the command.
        made: The campaign.
        more: What goes into the JSON besides.
        shown: The counterexamples, as the page shows them.
    """

    def to_json() -> str:
        return json.dumps({**report.to_dict(made), **more}, indent=1, ensure_ascii=False) + "\n"

    return [
        (options.json, to_json),
        (options.junit, lambda: report.to_junit(made)),
        (options.markdown, lambda: report.to_markdown(made)),
        (options.badge, lambda: report.to_badge(made)),
        (options.html, lambda: html_report.to_html(made, shown())),
    ]


def _shown(made: Report, target: targets.Chosen) -> list[Shown]:
    """The counterexamples of a campaign, each with what is known of its values."""
    shown = html_report.shown_of(made)
    if target.prepared is not None:
        return shown  # of a user's function the kit knows the value only
    return [replace(one, traced=traced(target.trial, one.found.program)) for one in shown]


def plan_of(options: argparse.Namespace, target: targets.Chosen, seed: int) -> Plan:
    """What a campaign shall do, by the command's options."""
    laws = target.laws
    if options.order == 1:
        laws = [law for law in laws if law != "second_order"]
    if not laws:
        raise UsageError("no law is left to check")
    return Plan(
        target.trial,
        target.contracts,
        laws,
        seed,
        None if options.time else options.examples or (1000 if target.prepared is None else 100),
        options.time,
        certify=options.certify,
        dtypes=_dtypes(options.dtype, target.engine),
        programs=target.prepared.programs if target.prepared else None,
        known=standards.known_failures(options.known_failures, target),
        stretch_size=options.stretch,
    )


def _dtypes(chosen: str, engine: Engine[Any]) -> Sequence[str]:
    """The element types of the inputs: of those chosen, what a port or a peer computes in."""
    known = engine.dtypes
    dtypes = [dtype for dtype in DTYPES[chosen] if dtype in known]
    if not dtypes:
        who = "the port" if isinstance(engine, PortEngine) else engine.name
        raise UsageError(f"{who} computes in {', '.join(known)}, not in {chosen}")
    return dtypes


def floor_of(options: argparse.Namespace, plan: Plan) -> Sequence[str] | None:
    """The element types that a campaign must cover, if it is over all operations, else None."""
    return None if options.ops is not None or plan.programs is not None else plan.dtypes


def uncovered(
    tally: Tally, contracts: Mapping[str, Contract], floor: Sequence[str] | None
) -> list[str]:
    """What should have occurred in a campaign that was long enough, and did not."""
    if floor is None or tally.examples < FLOOR_FROM or tally.counterexample:
        return []
    return tally.coverage.missing(contracts, floor)


def _again(options: argparse.Namespace, seed: int, examples: int | None = None) -> str:
    """The arguments with which the same programs are drawn again.

    Args:
        options: The command's.
        seed: Its seed.
        examples: How many programs to name where time was given, if any.
    """
    parts = [*([] if options.port else [options.target]), "--seed", str(seed)]
    if options.time and examples is not None:
        parts += ["--examples", str(examples)]
    usual = {"dtype": "both", "order": 2, "profile": "extended", "stretch": campaign.STRETCH}
    for name in ("examples", "dtype", "order", "profile", "stretch"):
        value = getattr(options, name)
        if value is not None and value != usual.get(name):
            parts += [f"--{name}", str(value)]
    if options.certify or options.certificates:
        parts.append("--certify")
    if options.keep_going:
        parts.append("--keep-going")
    if options.known_failures:
        parts += ["--known-failures", str(options.known_failures)]
    for name in ("laws", "ops"):
        if getattr(options, name):
            parts += [f"--{name}", ",".join(getattr(options, name))]
    # How it began does not tell of them, nor do parts: another may have others.
    for name in () if options.shard or examples is None else options.database or ():
        parts += ["--database", name]
    parts += arguments.conditions_again(options)
    return shlex.join(parts + (["--", *options.port] if options.port else []))


def _databases(options: argparse.Namespace, target: targets.Chosen) -> Databases | None:
    """The databases that were asked for; raises UsageError."""
    try:
        return Databases(options.database, target.name) if options.database else None
    except DatabaseError as error:
        raise UsageError(str(error)) from None


def _store(databases: Databases, made: Report) -> None:
    """Stores the counterexamples; says what of the databases was passed over."""
    found = [one.program for one in made.counterexamples if one.program is not None]
    for failure in databases.store(found):
        print(f"dezero: {failure}", file=sys.stderr)
    if databases.malformed:
        n = databases.malformed
        said = f"{n} entries of the databases are no programs for {made.target}, and were passed over"
        print(f"dezero: {said}", file=sys.stderr)


def _saved(folder: Path | None, made: Report) -> list[File]:
    """The counterexamples, as files to write to a folder."""

    def text(found: Counterexample) -> str:
        return json.dumps(report.counterexample_to_dict(found), indent=1) + "\n"

    return [(_place(folder, made, one), partial(text, one)) for one in made.counterexamples]


def _place(folder: Path | None, made: Report, found: Counterexample) -> Path | None:
    """Where a counterexample is saved: its name follows from what it is, and of which target."""
    if folder is None or found.program is None:
        return None
    told = f"{made.target}\n{found.program.to_json()}".encode(errors="backslashreplace")
    digest = hashlib.sha256(told).hexdigest()[:8]
    return folder / f"{found.law}-seed-{found.seed}-{digest}.json"
