"""`dezero replay`: hold a target against the laws on one program."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import cast

from dezero.verify import report
from dezero.verify.cli import arguments, targets
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, AddCommand, UsageError
from dezero.verify.cli.targets import Chosen
from dezero.verify.diagrams import picture
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import MAX_BYTES, Json, Program, ProgramError


def define(add: AddCommand) -> None:
    """Defines the command."""
    replay = add(
        "replay",
        help="hold a target against the laws on one program",
        usage="%(prog)s [options] FILE [TARGET]\n       %(prog)s [options] FILE -- COMMAND ...",
    )
    replay.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a program or a counterexample, in JSON; - is standard input",
    )
    replay.add_argument(
        "target",
        nargs="?",
        default="dezero",
        metavar="TARGET",
        help="as that of verify: an engine, or package.module:name of a function",
    )
    replay.add_argument("--dot", type=Path, metavar="F", help="write its graph in DOT to a file")
    replay.add_argument(
        "--mermaid", type=Path, metavar="F", help="write its graph in Mermaid to a file"
    )
    arguments.add_domains(replay)
    arguments.add_limits(replay)
    replay.set_defaults(run=_replay, ops=None, laws=None, certify=False)


def _replay(options: argparse.Namespace) -> int:
    file: Path = options.file
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ProgramError(f"{file} is not UTF-8: {error.reason}") from None
    try:
        program = Program.from_json(_program_in(text))
    except ProgramError as error:
        raise ProgramError(f"{file}: {error}") from None
    arguments.write_if(options.dot, lambda: picture(program).dot)
    arguments.write_if(options.mermaid, lambda: picture(program).mermaid)
    with targets.port(options) as port:
        return _replayed(
            program, targets.target(options) if port is None else targets.target_of(port, options)
        )


def _replayed(program: Program, target: Chosen) -> int:
    target.check(program)
    trial = target.trial(program)
    code = HELD
    for name in (law for law in LAWS if law in target.laws):
        law = LAWS[name]
        try:
            law.hold(trial)
            print(f"held        {name}")
        except Unresolved as reason:
            print(f"unresolved  {name}: {reason}")
        except Broken as broken:
            code = COUNTEREXAMPLE
            print(f"broken      {name}: {law.sentence}")
            said = f"{broken.what}: expected {broken.expected}, found {broken.found}"
            print(f"            {report.printable(said)}")
        except Exception as error:  # whatever an engine does with a valid program
            code = COUNTEREXAMPLE
            print(f"broken      {name}: {type(error).__name__}: {report.printable(str(error))}")
    print()
    if target.module is None:
        print(f"applied to {', '.join(report.array_text(x) for x in program.inputs)}")
    else:
        print(report.snippet(program, target.module), end="")
    return code


def _program_in(text: str) -> str:
    """The program's own JSON: also out of a counterexample, where it stands under "program"."""
    if len(text) <= MAX_BYTES:
        try:
            decoded = cast(Json, json.loads(text))  # JSON and nothing else
        except (ValueError, RecursionError):
            return text  # Program.from_json says what is wrong
        if isinstance(decoded, dict) and isinstance(decoded.get("program"), dict):
            return json.dumps(decoded["program"])
    return text
