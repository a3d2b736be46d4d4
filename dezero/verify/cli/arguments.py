"""What several commands share: exit codes, errors, the types of arguments, files that are written."""

from __future__ import annotations

import argparse
import os
import random
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dezero.contract import interval
from dezero.utils import whole_file
from dezero.verify.decoded import MOST
from dezero.verify.program import Json
from dezero.verify.target import Given

HELD, COUNTEREXAMPLE, USAGE, NOT_STARTED, NOTHING_RAN = 0, 1, 2, 3, 5
"""The exit codes."""


AddCommand: TypeAlias = Callable[..., argparse.ArgumentParser]
"""What makes the parser of a new command: takes its name, and what `argparse.ArgumentParser` does."""


File: TypeAlias = tuple[Path | None, Callable[[], str]]
"""A file to write, if it was asked for, and what makes its text."""

START_LIMIT, PROGRAM_LIMIT = 10.0, 2.0
"""How many seconds a port has to start, and for a program, by default."""


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
    """A seed: no larger than any reader of JSON keeps exactly."""
    if not text.isdecimal() or len(text) > 18 or int(text) > MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no seed; expected a whole number from 0 to {MOST}"
        )
    return int(text)


def duration(text: str) -> float:
    """A duration, in seconds."""
    matched = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smh]?)", text)
    if matched is None or float(matched[1]) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; expected for instance 30s, 10m or 2h"
        )
    return float(matched[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[matched[2]]


def duration_text(seconds: float) -> str:
    """What `duration` reads as so many seconds."""
    unit, size = ("s", 1) if seconds < 10**6 else ("h", 3600)
    return f"{np.format_float_positional(seconds / size, trim='-')}{unit}"


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
        sizes = tuple(int(n) for n in shape.split(",") if n.strip())
        if min(sizes, default=0) < 0:
            raise ValueError("a size is negative")
        return domain, sizes
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
            # Half of a surrogate pair may be in the name of a target, or in what it says.
            file.write(text.encode(errors="backslashreplace"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def write_if(path: Path | None, text: Callable[[], str]) -> None:
    """Writes a file if it was asked for."""
    if path is not None:
        write(path, text())


@contextmanager
def written(files: Iterable[File]) -> Generator[None]:
    """Writes files, each on its own, before what stands within is done.

    Raises:
        UsageError: Behind that: what could not be written.
    """
    errors: list[str] = []
    for path, text in files:
        try:
            write_if(path, text)
        except UsageError as error:
            errors.append(str(error))
    yield
    if errors:
        raise UsageError("; ".join(errors))


def expect_writable(*paths: Path | None, folder: Path | None = None) -> None:
    """Raises UsageError if files cannot be written, so far as that can be seen beforehand.

    Args:
        paths: The files that were asked for.
        folder: A folder that files will be written to, if one was asked for.
    """
    for path in (*paths, folder):
        try:
            if path is not None:
                _expect_place(path, is_folder=path is folder)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _expect_place(path: Path, *, is_folder: bool) -> None:
    """Raises UsageError or OSError unless there is a place for a file, or for a folder."""
    if not is_folder and path.is_dir():
        raise UsageError(f"{path} cannot be written: it is a folder")
    if not is_folder and path.exists() and not path.is_file():
        return  # a device or a pipe
    place = path.resolve()  # behind a link, as it is written
    above = (place, *place.parents) if is_folder else place.parents
    there = next(parent for parent in above if parent.exists())
    if not there.is_dir():
        raise UsageError(f"{path} cannot be written: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written: {there} is not writable")


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


def report_files(options: argparse.Namespace) -> list[Path | None]:
    """The file of each kind of report; None where it was not asked for."""
    return [getattr(options, kind) for kind in REPORTS]


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The time limits of a port."""
    parser.add_argument(
        "--start-limit", type=duration, default=START_LIMIT, metavar="T", help="of a port (default 10s)"
    )
    parser.add_argument(
        "--program-limit",
        type=duration,
        default=PROGRAM_LIMIT,
        metavar="T",
        help="of a port (default 2s)",
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


def limits_again(options: argparse.Namespace) -> list[str]:
    """The arguments that give a port the same limits again, if they are not the usual ones."""
    parts: list[str] = []
    if options.port:
        for name, usual in (("start_limit", START_LIMIT), ("program_limit", PROGRAM_LIMIT)):
            seconds: float = getattr(options, name)
            if seconds != usual:
                parts += ["--" + name.replace("_", "-"), duration_text(seconds)]
    return parts


def conditions_again(options: argparse.Namespace) -> list[str]:
    """The arguments that verify and replay share: where a function's domains lie, a port's limits."""
    return [*domains_again(options), *limits_again(options)]


def _bound(number: float) -> str:
    """A bound of a domain, to the last digit."""
    return repr(number).removesuffix(".0")
