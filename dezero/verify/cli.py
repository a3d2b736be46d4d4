"""The command: `dezero verify`, `replay`, `ops`, `prove`, `faults` and `serve`."""

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
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dezero import __version__
from dezero.contract import Contract, interval
from dezero.graph import Function
from dezero.verify import campaign, report, serve, strength
from dezero.verify import strength_report as tables
from dezero.verify.campaign import Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines import Engine
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.engines.port import PortEngine, PortError, PortTrial
from dezero.verify.evaluation import evaluate
from dezero.verify.faults import FAULTS
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.program import Json, Program, ProgramError
from dezero.verify.report import Report
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
    given, port = _parted(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    options.port = port
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


def _parted(arguments: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """The arguments, and the command of a port behind ``--``: argparse would read its options."""
    if arguments[:1] not in (["verify"], ["replay"]) or "--" not in arguments:
        return arguments, None
    end = list(arguments).index("--")
    return arguments[:end], list(arguments[end + 1 :])


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
        usage="%(prog)s [options] [TARGET]\n       %(prog)s [options] -- COMMAND ...",
    )
    verify.add_argument(
        "target",
        nargs="?",
        default="dezero",
        metavar="TARGET",
        help="dezero (default), core_simple, or package.module:name of a function of Variables "
        "or of a Function class; or, behind --, the command of a port",
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
    _add_limits(verify)
    verify.set_defaults(run=_verify)

    replay = commands.add_parser(
        "replay",
        help="hold a target against the laws on one program",
        usage="%(prog)s [options] FILE [TARGET]\n       %(prog)s [options] FILE -- COMMAND ...",
    )
    replay.add_argument(
        "file", type=Path, metavar="FILE", help="a program or a counterexample, in JSON"
    )
    replay.add_argument(
        "target", nargs="?", default="dezero", metavar="TARGET", choices=sorted(ENGINES)
    )
    _add_limits(replay)
    replay.set_defaults(run=_replay)

    ops = commands.add_parser("ops", help="list the operations and their contracts")
    form = ops.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    ops.set_defaults(run=_ops)

    prove = commands.add_parser(
        "prove",
        help="prove the rules of the operations, with symbols and with exact rationals",
        description="Prove the rules of the operations, with symbols and with exact rationals. "
        "Exit codes: 0 no rule is refuted, 1 one is, 2 wrong usage, 3 SymPy is not installed.",
    )
    prove.add_argument("--ops", type=_names, metavar="A,B", help="only these operations")
    form = prove.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    prove.set_defaults(run=_prove)

    faults = commands.add_parser(
        "faults",
        help="verify the verifier: plant faults in dezero, and see them caught",
        description="Plant faults in dezero, and see them caught at every seed. "
        "Exit codes: 0 all are caught, 1 one is not, 2 wrong usage.",
    )
    faults.add_argument("--only", type=_names, metavar="A,B", help="only these faults, or rules")
    faults.add_argument(
        "--seeds", type=_count, default=5, metavar="N", help="how many campaigns for each (default 5)"
    )
    faults.add_argument(
        "--examples",
        type=_count,
        metavar="N",
        help="the programs until it is given up (default 2000; 1000 for --sensitivity)",
    )
    faults.add_argument(
        "--sensitivity",
        action="store_true",
        help="instead, how small an error of each rule is seen",
    )
    faults.add_argument("--json", type=Path, metavar="F", help="write everything to a file")
    faults.add_argument("--markdown", type=Path, metavar="F", help="write a table to a file")
    faults.add_argument("--svg", type=Path, metavar="F", help="draw the sensitivity to a file")
    faults.set_defaults(run=_faults)

    port = commands.add_parser("serve", help="run programs as a port, on standard input and output")
    port.set_defaults(run=_serve)
    return parser


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """The time limits of a port."""
    parser.add_argument(
        "--start-limit", type=_duration, default=10.0, metavar="T", help="of a port (default 10s)"
    )
    parser.add_argument(
        "--program-limit", type=_duration, default=2.0, metavar="T", help="of a port (default 2s)"
    )


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

    name: str  # as the command takes it
    engine: Engine[Any]  # of whatever variables it has
    module: str | None
    laws: list[str]
    contracts: Mapping[str, Contract]
    prepared: Prepared | None

    def trial(self, program: Program) -> Trial[Any]:
        """A trial of the target."""
        if self.prepared is not None:
            return self.prepared.trial(program)
        return _trial(self.engine, program)


def _trial(engine: Engine[Any], program: Program) -> Trial[Any]:  # of whatever variables
    return (PortTrial if isinstance(engine, PortEngine) else Trial)(engine, program)


@contextmanager
def _port(options: argparse.Namespace) -> Generator[PortEngine | None, None, None]:
    """The port that was asked for, within; None if none was."""
    if options.port is None:
        yield None
        return
    if options.target != "dezero":
        raise UsageError(f"a target, {options.target}, or the command of a port; not both")
    if not options.port:
        raise UsageError("nothing stands behind --; expected the command of a port")
    try:
        engine = PortEngine(options.port, options.start_limit, options.program_limit)
    except PortError as error:
        raise TargetNotStarted(
            f"{shlex.join(options.port)}: {error}\n{_last_words(error)}".rstrip()
        ) from None
    try:
        yield engine
    finally:
        engine.stop()


def _last_words(error: BaseException | None) -> str:
    """What a port last wrote to its standard error, if it was killed."""
    if not isinstance(error, PortError) or not error.stderr:
        return ""
    return f"\nIts standard error ended with:\n\n{error.stderr.rstrip()}\n"


def _verify(options: argparse.Namespace) -> int:
    with _port(options) as port:
        return _verified(options, _target(options) if port is None else _target_of(port, options))


def _verified(options: argparse.Namespace, target: _Target) -> int:
    laws = target.laws
    if options.order == 1:
        laws = [law for law in laws if law != "second_order"]
    if not laws:
        raise UsageError("no law is left to check")
    seed: int = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    plan = Plan(
        target.trial,
        target.contracts,
        laws,
        seed,
        None if options.time else options.examples or (1000 if target.prepared is None else 100),
        options.time,
        options.certify,
        _dtypes(options.dtype, target.engine),
        target.prepared.programs if target.prepared else None,
    )
    tally = _run(plan, target)
    again = _again(options, seed)
    made = Report(target.name, target.module, laws, seed, again, target.contracts, tally)
    saved = _save(options.save, made)
    print(report.summary(made))
    if isinstance(target.engine, PortEngine):
        print(_not_claimed(target.engine))
    if tally.counterexample is not None:
        print()
        print(report.explain(made, tally.counterexample, saved), end="")
        print(_last_words(tally.counterexample.broken.__cause__), end="")
    for path, text in (
        (options.json, report.to_json),
        (options.junit, report.to_junit),
        (options.markdown, report.to_markdown),
    ):
        if path is not None:
            _write(path, text(made))
    return made.exit_code


def _dtypes(chosen: str, engine: Engine[Any]) -> Sequence[str]:
    """The element types of the inputs: of those chosen, what a port computes in."""
    if not isinstance(engine, PortEngine):
        return DTYPES[chosen]
    known = engine.capabilities.dtypes
    dtypes = [dtype for dtype in DTYPES[chosen] if dtype in known]
    if not dtypes:
        raise UsageError(f"the port computes in {', '.join(known)}, not in {chosen}")
    return dtypes


def _not_claimed(engine: PortEngine) -> str:
    """Who it is, and what it does not declare: that was not verified."""
    who = engine.capabilities
    missing = [f"{name} ({why})" if why else name for name, why in engine.not_claimed.items()]
    missing += [f"the law {law}" for law in LAWS if law not in engine.laws]
    return f"port: {who.name} {who.version}, {who.language}\nnot claimed: {', '.join(missing)}"


def _again(options: argparse.Namespace, seed: int) -> str:
    """The arguments with which the same programs are drawn again."""
    parts = [*([] if options.port else [options.target]), "--seed", str(seed)]
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
    return shlex.join(parts + (["--", *options.port] if options.port else []))


def _serve(options: argparse.Namespace) -> int:
    return serve.main()


def _target_of(port: PortEngine, options: argparse.Namespace) -> _Target:
    """A port as a target."""
    if options.domain:
        raise UsageError("--domain is for functions; a port is an engine")
    wanted = _chosen(options.ops, list(port.contracts), "operation of the port")
    contracts = {op: contract for op, contract in port.contracts.items() if op in wanted}
    laws = _chosen(options.laws, port.laws, "law for ports")
    if not contracts:
        raise UsageError("the port claims no operation that this kit knows")
    return _Target(f"-- {shlex.join(port.command)}", port, port.module, laws, contracts, None)


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
        return _Target(name, engine, engine.module, laws, contracts, None)
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
    return _Target(name, prepared.engine, None, laws, prepared.engine.contracts, prepared)


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
    with _port(options) as port:
        return _replayed(program, ENGINES[options.target]() if port is None else port)


def _replayed(program: Program, engine: Engine[Any]) -> int:  # of whatever variables
    for number, step in enumerate(program.steps):
        if step.op not in engine.contracts:
            raise ProgramError(f"step {number}: {engine.name} has no operation {step.op!r}")
    evaluate(program)
    trial = _trial(engine, program)
    trial.check()
    code = HELD
    for name, law in LAWS.items():
        if name == "second_order" and not engine.differentiates_twice:
            continue
        if isinstance(engine, PortEngine) and name not in engine.laws:
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
    if options.markdown:
        _print_table(
            ("name", "summary", "domain", "attributes", "smoothness", "kinks", "convention"), rows
        )
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
        "outputs": contract.outputs,
        "shapes": contract.shapes.value,
        "domain": contract.domain.text,
        "attributes": "; ".join(f"{name}: {kind.value}" for name, kind in contract.attributes.items()),
        "smoothness": contract.smoothness.value,
        "kinks": None if kinks is None else kinks.text,
        "convention": None if kinks is None else kinks.convention,
        "saves": "".join(sorted(contract.saves)),
    }


def _print_table(titles: Sequence[str], rows: Sequence[Mapping[str, Json]]) -> None:
    """Rows as a table in Markdown; what is in the first column is code."""
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows:
        cells = [str(row[title] or "").replace("|", "\\|") for title in titles]
        print("| `" + cells[0] + "` | " + " | ".join(cells[1:]) + " |")


# ---------------------------------------------------------------------------------------------- prove


def _prove(options: argparse.Namespace) -> int:
    names = _chosen(options.ops, sorted(OPERATIONS), "operation")
    try:
        from dezero.verify.proofs import (
            verdicts as proofs,
        )  # here, for it needs what other commands do not
    except ModuleNotFoundError as error:
        if error.name not in ("sympy", "mpmath"):
            raise
        print(
            f"dezero: prove needs {error.name}, which is not installed; "
            "install it with: pip install 'dezero[prove]'",
            file=sys.stderr,
        )
        return NOT_STARTED
    verdicts = proofs.Verdicts()
    found = [verdicts[name] for name in names]
    rows: list[dict[str, Json]] = [
        {
            "operation": verdict.operation,
            "domain": OPERATIONS[verdict.operation].contract.domain.text,
            "verdict": verdict.kind,
            "grounds": verdict.grounds,
            "why not more": verdict.why_not_more,
        }
        for verdict in found
    ]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif options.markdown:
        _print_table(list(rows[0]), rows)
    else:
        for row in rows:
            remarks = "; ".join(str(row[name]) for name in ("grounds", "why not more") if row[name])
            print(f"{row['verdict']:<19} {row['operation']:<22} {remarks}")
        counts = {kind: sum(v.kind == kind for v in found) for kind in proofs.KINDS}
        print(", ".join(f"{n} {kind}" for kind, n in counts.items() if n))
    return COUNTEREXAMPLE if any(v.kind == "refuted" for v in found) else HELD


# --------------------------------------------------------------------------------------------- faults


def _faults(options: argparse.Namespace) -> int:
    if options.sensitivity:
        return _sensitivity(options)
    if options.svg:
        raise UsageError("--svg draws the sensitivity; add --sensitivity")
    names = _chosen(options.only, list(FAULTS), "fault")
    seeds, examples = range(1, options.seeds + 1), options.examples or 2000
    found: list[strength.Strength] = []
    with tables.progress(len(names) * len(seeds)) as advance:
        for name in names:
            found.append(strength.strength_of(FAULTS[name], seeds, examples, partial(advance, name)))
    tables.show([tables.fault_row(s) for s in found], "what is wrong")
    print()
    print("What no law sees:")
    tables.show(tables.unseen_rows())
    print()
    print(f"dezero: {tables.summary(found)}")
    _write_if(options.json, lambda: tables.faults_to_json(found, seeds, examples))
    _write_if(options.markdown, lambda: tables.faults_to_markdown(found, seeds, examples))
    return HELD if all(s.caught for s in found) else COUNTEREXAMPLE


def _sensitivity(options: argparse.Namespace) -> int:
    names = _chosen(options.only, sorted(strength.RULES), "rule")
    programs = options.examples or strength.PROGRAMS
    curve: dict[str, dict[str, float | None]] = {dtype: {} for dtype in strength.EXPONENTS}
    with tables.progress(len(names) * len(curve)) as advance:
        for name in names:
            for dtype, seen in curve.items():
                seen[name] = strength.sensitivity(name, dtype, programs)
                advance(name)
    tables.show(tables.sensitivity_rows(curve))
    print()
    print(tables.sensitivity_summary(curve))
    _write_if(options.json, lambda: tables.sensitivity_to_json(curve, programs))
    _write_if(options.markdown, lambda: tables.sensitivity_to_markdown(curve, programs))
    _write_if(options.svg, lambda: tables.sensitivity_to_svg(curve))
    return HELD if strength.sensitive_enough(curve) else COUNTEREXAMPLE


def _write_if(path: Path | None, text: Callable[[], str]) -> None:
    if path is not None:
        _write(path, text())
