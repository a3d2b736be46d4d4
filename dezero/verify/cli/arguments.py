"""What several commands share: exit codes, errors, the types of arguments, files that are written."""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from dezero.contract import interval
from dezero.utils import whole_file
from dezero.verify.program import Json
from dezero.verify.target import Given

HELD, COUNTEREXAMPLE, USAGE, NOT_STARTED, NOTHING_RAN = 0, 1, 2, 3, 5
"""The exit codes."""


AddCommand: TypeAlias = Callable[..., argparse.ArgumentParser]
"""What makes the parser of a new command: takes its name, and what `argparse.ArgumentParser` does."""


class UsageError(Exception):
    """The command's arguments cannot be used; exit code 2."""


class NotStarted(Exception):
    """What the command needs could not be loaded or started; exit code 3."""


def count_of(what: str) -> Callable[[str], int]:
    """The type of a number of programs, say."""

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}; expected 1 or more")
        return int(text)

    return count


def seed(text: str) -> int:
    """A seed."""
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a whole number from 0")
    return int(text)


def duration(text: str) -> float:
    """A duration, in seconds."""
    matched = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smh]?)", text)
    if matched is None or float(matched[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; expected for instance 30s, 10m or 2h"
        )
    return float(matched[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[matched[2]]


def names(text: str) -> list[str]:
    """Names, separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def add_names(parser: argparse.ArgumentParser, option: str, help: str) -> None:
    """An option that takes names; given more than once, it takes those of each time."""
    parser.add_argument(option, action="extend", type=names, metavar="A,B", help=help)


def domain(text: str) -> Given:
    """Where an argument of a function lies, and its shape if it is given."""
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


def chosen(given: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    """The names asked for, or all; raises UsageError on one that is not known."""
    for name in given or ():
        if name not in known:
            raise UsageError(f"no {what} is called {name!r}; there are: {', '.join(known)}")
    return [name for name in known if given is None or name in given]


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def write_if(path: Path | None, text: Callable[[], str]) -> None:
    """Writes a file if it was asked for."""
    if path is not None:
        write(path, text())


def print_table(titles: Sequence[str], rows: Sequence[Mapping[str, Json]]) -> None:
    """Rows as a table in Markdown; what is in the first column is code."""
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows:
        cells = [str(row[title] or "").replace("|", "\\|") for title in titles]
        print("| `" + cells[0] + "` | " + " | ".join(cells[1:]) + " |")


def add_budget(parser: argparse.ArgumentParser, what: str, usual: str) -> None:
    """How many programs there shall be, or how much time, and the seed.

    Args:
        parser: The parser of a command.
        what: What is counted, in words.
        usual: How many there are by default, in words.
    """
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--examples",
        type=count_of("programs"),
        metavar="N",
        help=f"the number of {what} (default {usual})",
    )
    budget.add_argument("--time", type=duration, metavar="T", help="how long instead: 30s, 10m, 2h")
    parser.add_argument("--seed", type=seed, metavar="S", help="the seed (default: random, and shown)")


def seed_of(options: argparse.Namespace) -> int:
    """The seed that was given, or a random one."""
    given: int | None = options.seed
    return random.SystemRandom().randrange(10**6) if given is None else given


REPORTS: Mapping[str, str] = {
    "json": "everything",
    "junit": "JUnit XML",
    "markdown": "a summary",
    "html": "a page to look at",
    "badge": "the verdict for a badge",
}
"""The kinds of reports, each an option that names the file to write it to."""


def add_reports(parser: argparse.ArgumentParser, *kinds: str) -> None:
    """Kinds of reports, or all."""
    for kind in kinds or REPORTS:
        help = f"write {REPORTS[kind]} to a file"
        parser.add_argument(f"--{kind}", type=Path, metavar="F", help=help)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The time limits of a port."""
    parser.add_argument(
        "--start-limit", type=duration, default=10.0, metavar="T", help="of a port (default 10s)"
    )
    parser.add_argument(
        "--program-limit", type=duration, default=2.0, metavar="T", help="of a port (default 2s)"
    )


def add_domains(parser: argparse.ArgumentParser) -> None:
    """The domains of a function."""
    parser.add_argument(
        "--domain",
        action="append",
        type=domain,
        metavar="LOW:HIGH[@SHAPE]",
        help="where an argument of a function lies, once for each: 0:inf, -1:1@2,3",
    )


def domains_joined(given: Sequence[str]) -> list[str]:
    """Arguments in which a domain that begins with a minus is no option to argparse: --domain=-1:1."""
    joined: list[str] = []
    for argument in given:
        if joined[-1:] == ["--domain"] and argument.startswith("-") and ":" in argument:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def domains_again(options: argparse.Namespace) -> list[str]:
    """The arguments that give the same domains again."""
    parts: list[str] = []
    domains: list[Given] = options.domain or []
    for given in domains:
        domain, shape = given if isinstance(given, tuple) else (given, None)
        end = "" if shape is None else "@" + ",".join(map(str, shape))
        parts += ["--domain", f"{_bound(domain.low)}:{_bound(domain.high)}{end}"]
    return parts


def _bound(number: float) -> str:
    """A bound of a domain, to the last digit."""
    return repr(number).removesuffix(".0")
