"""The command: `dezero verify`, `dezero replay`, `dezero ops`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dezero import __version__
from dezero.contract import Contract, interval
from dezero.graph import Function
from dezero.verify import campaign, report
from dezero.verify.campaign import Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines import Engine
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.program import Json, Program, ProgramError
from dezero.verify.reference import evaluate
from dezero.verify.report import Report
from dezero.verify.strategies import Programs, programs
from dezero.verify.target import FUNCTION_LAWS, Given, Prepared, Target, TargetError, prepare
from dezero.verify.trial import Broken, Trial, Unresolved

HELD, COUNTEREXAMPLE, USAGE, NOT_STARTED, NOTHING_RAN = 0, 1, 2, 3, 5

ENGINES: dict[str, type[Engine[Any]]] = {  # an engine of whatever variables it has
    "dezero": DezeroEngine,
    "core_simple": CoreSimpleEngine,
}
DTYPES: dict[str, tuple[str, ...]] = {
    "float64": ("float64",),
    "float32": ("float32",),
    "both": ("float64", "float64", "float64", "float32"),
}


class UsageError(Exception):
    """The command's arguments cannot be used; exit code 2."""


class TargetNotStarted(Exception):
    """The target could not be loaded; exit code 3."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if options.command is None:
        _parser().print_help()
        return USAGE
    try:
        return int(options.run(options))
    except (UsageError, TargetError, ProgramError) as error:
        print(f"dezero: {error}", file=sys.stderr)
        return USAGE
    except TargetNotStarted as error:
        print(f"dezero: {error}", file=sys.stderr)
        return NOT_STARTED
    except KeyboardInterrupt:
        print("dezero: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"dezero: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dezero", description="Verify reverse-mode differentiation on random programs."
    )
    parser.add_argument("--version", action="version", version=f"dezero {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    verify = commands.add_parser(
        "verify",
        help="hold a target against the laws, on random programs",
        description="Hold a target against the laws, on random programs. "
        "Exit codes: 0 all held, 1 a counterexample (or too much unresolved), 2 wrong usage, "
        "3 the target did not start, 5 nothing ran.",
    )
    verify.add_argument(
        "target",
        nargs="?",
        default="dezero",
        metavar="TARGET",
        help="dezero (default), core_simple, or package.module:name of a function of Variables "
        "or of a Function class",
    )
    budget = verify.add_mutually_exclusive_group()
    budget.add_argument(
        "--examples", type=_count, metavar="N", help="the number of programs (default 1000)"
    )
    budget.add_argument("--time", type=_duration, metavar="T", help="how long: 30s, 10m, 2h")
    verify.add_argument("--seed", type=_seed, metavar="S", help="the seed (default: random, and shown)")
    verify.add_argument("--laws", type=_names, metavar="A,B", help="only these laws")
    verify.add_argument("--ops", type=_names, metavar="A,B", help="only these operations")
    verify.add_argument(
        "--dtype", choices=sorted(DTYPES), default="both", help="the inputs' element type"
    )
    verify.add_argument("--order", type=int, choices=(1, 2), default=2, help="1: no second derivatives")
    verify.add_argument(
        "--certify", action="store_true", help="prove every gradient by enclosures, too"
    )
    verify.add_argument(
        "--domain",
        action="append",
        type=_domain,
        metavar="LOW:HIGH[@SHAPE]",
        help="where an argument of a function lies, once for each: 0:inf, -1:1@2,3",
    )
    verify.add_argument("--json", type=Path, metavar="F", help="write everything to a file")
    verify.add_argument("--junit", type=Path, metavar="F", help="write JUnit XML to a file")
    verify.add_argument("--markdown", type=Path, metavar="F", help="write a summary to a file")
    verify.add_argument("--save", type=Path, metavar="DIR", help="write counterexamples to a folder")
    verify.set_defaults(run=_verify)

    replay = commands.add_parser("replay", help="hold a target against the laws on one program")
    replay.add_argument(
        "file", type=Path, metavar="FILE", help="a program or a counterexample, in JSON"
    )
    replay.add_argument(
        "target", nargs="?", default="dezero", metavar="TARGET", choices=sorted(ENGINES)
    )
    replay.set_defaults(run=_replay)

    ops = commands.add_parser("ops", help="list the operations and their contracts")
    form = ops.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    ops.set_defaults(run=_ops)
    return parser


# ------------------------------------------------------------------------------------------ Arguments


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of programs; expected 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a whole number from 0")
    return int(text)


def _duration(text: str) -> float:
    matched = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smh]?)", text)
    if matched is None or float(matched[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; expected for instance 30s, 10m or 2h"
        )
    return float(matched[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[matched[2]]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _domain(text: str) -> Given:
    bounds, _, shape = text.partition("@")
    low, colon, high = bounds.partition(":")
    try:
        if not colon:
            raise ValueError("no colon")
        domain = interval(float(low or "-inf"), float(high or "inf"))
        if not _:
            return domain
        return domain, tuple(int(n) for n in shape.split(",") if n.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no domain ({error}); expected LOW:HIGH or LOW:HIGH@SHAPE, as in -1:1@2,3"
        ) from None


def _chosen(given: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    """The names asked for, or all; raises UsageError on one that is not known."""
    for name in given or ():
        if name not in known:
            raise UsageError(f"no {what} is called {name!r}; there are: {', '.join(known)}")
    return [name for name in known if given is None or name in given]


# --------------------------------------------------------------------------------------------- verify


@dataclass(frozen=True)
class _Target:
    """What shall be verified, in the terms of a campaign."""

    name: str
    engine: Engine[Any]  # of whatever variables it has
    module: str | None
    laws: list[str]
    contracts: Mapping[str, Contract]
    programs: Programs
    prepared: Prepared | None

    def trial(self, program: Program) -> Trial[Any]:
        """A trial of the target."""
        return Trial(self.engine, program) if self.prepared is None else self.prepared.trial(program)


def _verify(options: argparse.Namespace) -> int:
    target = _target(options)
    laws = target.laws
    if options.order == 1:
        laws = [law for law in laws if law != "second_order"]
    if not laws:
        raise UsageError("no law is left to check")
    seed: int = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    plan = Plan(
        target.programs,
        target.trial,
        target.contracts,
        laws,
        seed,
        None if options.time else options.examples or (1000 if target.prepared is None else 100),
        options.time,
        options.certify,
    )
    tally = _run(plan, target)
    again = _again(options, seed)
    made = Report(target.name, target.module, laws, seed, again, target.contracts, tally)
    saved = _save(options.save, made)
    print(report.summary(made))
    if tally.counterexample is not None:
        print()
        print(report.explain(made, tally.counterexample, saved), end="")
    for path, text in (
        (options.json, report.to_json),
        (options.junit, report.to_junit),
        (options.markdown, report.to_markdown),
    ):
        if path is not None:
            _write(path, text(made))
    return made.exit_code


def _again(options: argparse.Namespace, seed: int) -> str:
    """The arguments with which the same programs are drawn again."""
    parts = [options.target, "--seed", str(seed)]
    for name in ("examples", "dtype", "order"):
        value = getattr(options, name)
        if value is not None and value != {"dtype": "both", "order": 2}.get(name):
            parts += [f"--{name}", str(value)]
    for name in ("laws", "ops"):
        if getattr(options, name):
            parts += [f"--{name}", ",".join(getattr(options, name))]
    domains: list[Given] = options.domain or []
    for given in domains:
        domain, shape = given if isinstance(given, tuple) else (given, None)
        end = "" if shape is None else "@" + ",".join(map(str, shape))
        parts += ["--domain", f"{domain.low:g}:{domain.high:g}{end}"]
    return shlex.join(parts)


def _target(options: argparse.Namespace) -> _Target:
    name: str = options.target
    if name in ENGINES:
        if options.domain:
            raise UsageError(f"--domain is for functions; {name} is an engine")
        engine = ENGINES[name]()
        known = [*LAWS, *(law for law in STANDING_LAWS if law not in LAWS)]
        if not engine.differentiates_twice:
            known.remove("second_order")
        wanted = _chosen(options.ops, list(engine.contracts), "operation")
        contracts = {op: contract for op, contract in engine.contracts.items() if op in wanted}
        laws = _chosen(options.laws, known, "law")
        drawn = programs(contracts, DTYPES[options.dtype])
        return _Target(name, engine, engine.module, laws, contracts, drawn, None)
    if ":" not in name:
        raise UsageError(
            f"no target is called {name!r}; expected {', '.join(ENGINES)}, or package.module:function"
        )
    if options.ops:
        raise UsageError("--ops is for engines; a function is one operation")
    if options.certify:
        raise UsageError("--certify needs a reference; of a function only the values are known")
    prepared = prepare(_loaded(name), options.domain or ())
    laws = _chosen(options.laws, FUNCTION_LAWS, "law for functions")
    drawn = prepared.programs
    return _Target(name, prepared.engine, None, laws, prepared.engine.contracts, drawn, prepared)


def _loaded(name: str) -> Target:
    module_name, _, path = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found: object = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever a user's module does while it is imported
        raise TargetNotStarted(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    if isinstance(found, type) and issubclass(found, Function):
        try:
            return found()
        except TypeError as error:
            raise TargetNotStarted(
                f"{name} cannot be made without arguments ({error}); "
                "name a function that applies it instead"
            ) from None
    return cast(Target, found)  # `prepare` looks at what it is


def _run(plan: Plan, target: _Target) -> Tally:
    """Runs a campaign, with progress on a terminal and lines elsewhere."""
    console = Console(stderr=True)
    n_ops = len(target.contracts)

    def state(tally: Tally) -> str:
        rate = tally.examples / tally.elapsed if tally.elapsed else 0.0
        return (
            f"{tally.examples} programs, {rate:.0f}/s, "
            f"{len(tally.operations)} of {n_ops} operations, {tally.unresolved_share:.1%} unresolved"
        )

    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("random programs", total=plan.examples)

            def show(tally: Tally) -> None:
                progress.update(task, description=state(tally), completed=tally.examples)

            tally = campaign.run(plan, show)
            progress.update(task, description="standing laws", total=None)
            return _standing(plan, target, tally)
    due = 10.0

    def tell(tally: Tally) -> None:
        nonlocal due
        if tally.elapsed >= due:
            print(state(tally), file=sys.stderr, flush=True)
            due = tally.elapsed + 10.0

    return _standing(plan, target, campaign.run(plan, tell))


def _standing(plan: Plan, target: _Target, tally: Tally) -> Tally:
    """What no random program decides, when all have held."""
    if target.prepared is None and tally.counterexample is None:
        campaign.standing(target.engine, plan.laws, tally, plan.seed)
    return tally


def _save(folder: Path | None, made: Report) -> Path | None:
    """Writes a counterexample to a folder; its file name follows from what it is."""
    found = made.tally.counterexample
    if folder is None or found is None:
        return None
    path = folder / f"{found.law}-seed-{found.seed}.json"
    _write(path, json.dumps(report.counterexample_to_dict(found), indent=1) + "\n")
    return path


def _write(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


# --------------------------------------------------------------------------------------- replay and ops


def _replay(options: argparse.Namespace) -> int:
    try:
        text = cast(Path, options.file).read_text(encoding="utf-8")  # by argparse's type=
    except OSError as error:
        raise UsageError(f"{options.file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ProgramError(f"{options.file} is not UTF-8: {error.reason}") from None
    program = Program.from_json(_program_in(text))
    engine = ENGINES[options.target]()
    for number, step in enumerate(program.steps):
        if step.op not in engine.contracts:
            raise ProgramError(f"step {number}: {options.target} has no operation {step.op!r}")
    evaluate(program)
    trial = Trial(engine, program)
    trial.check()
    code = HELD
    for name, law in LAWS.items():
        if name == "second_order" and not engine.differentiates_twice:
            continue
        try:
            law.hold(trial)
            print(f"held        {name}")
        except Unresolved as reason:
            print(f"unresolved  {name}: {reason}")
        except Broken as broken:
            code = COUNTEREXAMPLE
            print(f"broken      {name}: {law.sentence}")
            print(f"            {broken.what}: expected {broken.expected}, found {broken.found}")
        except Exception as error:  # whatever an engine does with a valid program
            code = COUNTEREXAMPLE
            print(f"broken      {name}: {type(error).__name__}: {error}")
    print()
    print(report.snippet(program, engine.module), end="")
    return code


def _program_in(text: str) -> str:
    """The program's own JSON: also out of a counterexample, where it stands under "program"."""
    if len(text) < 10**6:
        try:
            decoded = cast(Json, json.loads(text))  # JSON and nothing else
        except (ValueError, RecursionError):
            return text  # Program.from_json says what is wrong
        if isinstance(decoded, dict) and isinstance(decoded.get("program"), dict):
            return json.dumps(decoded["program"])
    return text


def _ops(options: argparse.Namespace) -> int:
    rows = [_row(OPERATIONS[name].__name__, contract) for name, contract in sorted(CONTRACTS.items())]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return HELD
    titles = ("name", "summary", "domain", "attributes", "smoothness", "kinks", "convention")
    if options.markdown:
        print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
        for row in rows:
            cells = [str(row[title] or "").replace("|", "\\|") for title in titles]
            print("| `" + cells[0] + "` | " + " | ".join(cells[1:]) + " |")
        return HELD
    for row in rows:
        print(f"{row['name']:<15} {row['summary']}")
        print(
            f"{'':<15} {row['domain']}; {row['smoothness']}; attributes: {row['attributes'] or 'none'}"
        )
        if row["kinks"]:
            print(f"{'':<15} where {row['kinks']}: {row['convention']}")
    return HELD


def _row(class_name: str, contract: Contract) -> dict[str, Json]:
    kinks = contract.kinks
    return {
        "name": contract.name,
        "class": class_name,
        "summary": contract.summary,
        "operands": contract.arity,
        "several_outputs": contract.several_outputs,
        "shapes": contract.shapes.value,
        "domain": contract.domain.text,
        "attributes": "; ".join(f"{name}: {kind.value}" for name, kind in contract.attributes.items()),
        "smoothness": contract.smoothness.value,
        "kinks": None if kinks is None else kinks.text,
        "convention": None if kinks is None else kinks.convention,
        "saves": "".join(sorted(contract.saves)),
    }
