"""Where mutants are tried: a copy of the project, and a process for each trial.

Starting Python with NumPy, Hypothesis, FLINT and pytest takes longer than most trials. So these are
imported once, and each trial is a fork of that process, which then imports dezero and the tests: from
the copy, in which the one changed source was written.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import pytest

NOT_COPIED = (".git", ".venv", "*_cache", "__pycache__", ".hypothesis", "build", "dist")
IMPORTED_ONCE = ("numpy", "numpy.testing", "hypothesis", "hypothesis.stateful", "flint", "rich.console")
IMPORTED_EARLY = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
MOST_MEMORY = 6 * 2**30
"""Of a trial, in bytes: a changed shape must not take the machine with it."""

End = Literal["survived", "failed", "no import", "crashed", "too long"]


@dataclass(frozen=True)
class Verdict:
    """How a trial ended.

    Attributes:
        end: ``survived`` if all tests passed; every other end is a kill.
        by: The first test that failed, or what else happened.
        seconds: How long it took.
    """

    end: End
    by: str
    seconds: float


class Ground:
    """A copy of the project.

    Args:
        project: What is copied.
        place: Where to; emptied first.
    """

    def __init__(self, project: Path, place: Path) -> None:
        self.place = place
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(project, place, ignore=shutil.ignore_patterns(*NOT_COPIED))
        os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"  # one of them is dezero's: it must come from the copy
        for name in IMPORTED_ONCE:
            importlib.import_module(name)

    @contextmanager
    def changed(self, path: str, text: str) -> Generator[None]:
        """Within, the source has another text."""
        file = self.place / path
        original = file.read_text("utf-8")
        # A compiled file counts as current by seconds and size: too coarse for us.
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
        file.write_text(text, "utf-8")
        try:
            yield
        finally:
            file.write_text(original, "utf-8")

    def test(self, tests: Sequence[str], limit: float, compile_files: bool = False) -> Verdict:
        """Runs tests up to the first that fails.

        Args:
            tests: Files or directories in the project.
            limit: In seconds; afterwards the trial and what it started are ended.
            compile_files: Whether to leave compiled files for later trials; only for unchanged sources.

        Raises:
            RuntimeError: pytest itself failed, or found no test.
        """
        start = time.monotonic()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._run(tests, writer, compile_files)
        os.close(writer)
        ready, _, _ = select.select([reader], [], [], limit)
        told = os.read(reader, 65536) if ready else b""
        os.close(reader)
        if told or not ready:  # what it started, too; after a crash its own status is of interest
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seconds = time.monotonic() - start
        if not ready:
            return Verdict("too long", f"more than {limit:.0f} s", seconds)
        if not told:
            return Verdict("crashed", f"status {os.waitstatus_to_exitcode(status)}", seconds)
        code, by = json.loads(told)
        if code == pytest.ExitCode.OK:
            return Verdict("survived", "", seconds)
        if code == pytest.ExitCode.TESTS_FAILED:
            return Verdict("failed", by, seconds)
        if code == pytest.ExitCode.INTERRUPTED:
            return Verdict("no import", by, seconds)
        raise RuntimeError(f"pytest ended with {code} on {' '.join(tests)}: {by}")

    def _run(self, tests: Sequence[str], writer: int, compile_files: bool) -> NoReturn:
        """The child: it tells pytest's exit code and the first failure, and ends."""
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
            os.chdir(self.place)
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            sys.dont_write_bytecode = not compile_files
            sys.path.insert(0, str(self.place))
            os.environ.update(
                PYTHONPATH=str(self.place), PYTHONDONTWRITEBYTECODE="1", HYPOTHESIS_PROFILE="unshrunk"
            )
            witness = Witness(self.place)
            options = ["-x", "-p", "no:cacheprovider", "--tb=no", "-W", IMPORTED_EARLY]
            code = pytest.main([*options, *tests], plugins=[witness])
            os.write(writer, json.dumps([int(code), witness.saw]).encode())
        except BaseException as error:  # whatever it is, the parent must hear of it
            os.write(writer, json.dumps([int(pytest.ExitCode.INTERNAL_ERROR), repr(error)]).encode())
        finally:
            os._exit(0)


class Witness:
    """A plugin of pytest that remembers the first failure, and sees that the copy is what is tested."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.saw = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.saw:
            self.saw = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.saw:
            self.saw = report.nodeid

    def pytest_sessionfinish(self) -> None:
        tested = sys.modules.get("dezero")
        if tested is not None and not str(tested.__file__).startswith(str(self.place)):
            raise pytest.UsageError(f"{tested.__file__} was tested, not the copy in {self.place}")
