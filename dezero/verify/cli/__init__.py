"""The command `dezero`, one module for each of its commands or a few that belong together."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from dezero import __version__
from dezero.verify.cli import (
    comparing,
    corpora,
    merging,
    operations,
    planted,
    ports,
    replaying,
    verifying,
)
from dezero.verify.cli.arguments import (
    NOT_STARTED,
    USAGE,
    NotStarted,
    UsageError,
    domains_joined,
)
from dezero.verify.databases import DatabaseDown
from dezero.verify.program import ProgramError
from dezero.verify.target import TargetError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # it may have no letters for what a target is called
            stream.reconfigure(errors="backslashreplace")
    given, port = _parted(sys.argv[1:] if arguments is None else arguments)
    given = domains_joined(given)
    options = _parser().parse_args(given)
    options.port = port
    options.given = given[1:]
    if options.command is None:
        _parser().print_help()
        return USAGE
    places = sys.path.copy()
    try:
        code = int(options.run(options))
        print(end="", flush=True)  # here and not at the end: who read it may have gone
        return code
    except (UsageError, TargetError, ProgramError) as error:
        print(f"dezero: {error}", file=sys.stderr)
        return USAGE
    except (NotStarted, DatabaseDown) as error:
        print(f"dezero: {error}", file=sys.stderr)
        return NOT_STARTED
    except KeyboardInterrupt:
        print("dezero: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        sys.path[:] = places  # without that of a target


def _parted(arguments: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """The arguments, and the command of a port behind ``--``: argparse would read its options."""
    if arguments[:1] not in (["verify"], ["compare"], ["replay"], ["smoke"]) or "--" not in arguments:
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
    for module in (verifying, comparing, merging, replaying, operations, planted, ports, corpora):
        module.define(commands.add_parser)
    return parser
