"""Where mutants are tried: a copy of the project, and a process for each trial.

Starting Python with NumPy, Hypothesis, FLINT and pytest takes longer than most trials. So these are
imported once, and each trial is a fork of that process, which then imports dezero and the tests: from
the copy, in which the one changed source was written. Most mutants are noticed earlier, see `quick`.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn

import pytest
from quick import Request, Server, limit_cpu_time

NOT_COPIED = (".git", ".venv", "*_cache", "__pycache__", ".hypothesis", "build", "dist")
IMPORTED_ONCE = ("numpy", "numpy.testing", "hypothesis", "hypothesis.stateful", "flint", "rich.console")
QUICK_SECONDS = 60
"""For a trial in the process that has collected the tests; a request bounds its CPU time, too."""
IMPORTED_EARLY = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
MOST_MEMORY = 6 * 2**30
"""Of a trial, in bytes: a changed shape must not take the machine with it."""

SLOWEST = 10
"""How many times as long as its CPU time may last a trial may go on: then it hangs."""

End = Literal["survived", "hung", "failed", "no import", "crashed", "too long"]


@dataclass(frozen=True)
class Verdict:
    """How a trial ended.

    Attributes:
        end: ``survived`` if all tests passed; ``hung`` if it went on and on, but hardly ran: it may be
            the machine that was slow. Every other end is a kill.
        by: The first test that failed, or what else happened.
        seconds: How long it took.
        cpu: How much of that it ran, and what it started. Only a deciding trial knows.
    """

    end: End
    by: str
    seconds: float
    cpu: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether the mutant was noticed."""
        return self.end not in {"survived", "hung"}


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
            limit: In seconds of CPU time, which a busy machine does not stretch; afterwards the trial
                is ended. It is too, with what it started, if it waits for something for ever.
            compile_files: Whether to leave compiled files for later trials; only for unchanged sources.

        Raises:
            RuntimeError: pytest itself failed, or found no test.
        """
        start = time.monotonic()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os.setsid()
            limit_cpu_time(math.ceil(limit))
            self._run(tests, compile_files, lambda text: os.write(writer, text))
        os.close(writer)
        told = _hear(child, reader, SLOWEST * limit)
        os.close(reader)
        _, status, used = os.wait4(child, 0)
        verdict = partial(Verdict, seconds=time.monotonic() - start, cpu=used.ru_utime + used.ru_stime)
        if told is None:
            return verdict("hung", f"more than {SLOWEST * limit:.0f} s")
        if not told:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGXCPU:
                return verdict("too long", f"more than {limit:.0f} s of CPU time")
            return verdict("crashed", f"status {code}")
        code, by = json.loads(told)
        if code == pytest.ExitCode.OK:
            return verdict("survived", "")
        if code == pytest.ExitCode.TESTS_FAILED:
            return verdict("failed", by)
        if code == pytest.ExitCode.INTERRUPTED:
            return verdict("no import", by)
        raise RuntimeError(f"pytest ended with {code} on {' '.join(tests)}: {by}")

    def collect(self, tests: Sequence[str]) -> None:
        """Starts the process in which `quick` tries mutants.

        To be called once, on unchanged sources.
        """
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        if os.fork() == 0:
            os.close(self._to)
            os.close(self._from)
            server = Server(self.place, requests, answers, partial(_hear, limit=QUICK_SECONDS))
            self._run(tests, False, lambda text: os.write(server.answers, text), [server])
        os.close(requests)
        os.close(answers)
        if told := self._line():
            raise RuntimeError(f"the tests could not be collected: {told}")

    def quick(self, request: Request) -> Verdict | None:
        """A first trial.

        Returns:
            Only a kill by a test that failed is a verdict.
        """
        start = time.monotonic()
        line = json.dumps(asdict(request)).encode() + b"\n"
        while line:
            line = line[os.write(self._to, line) :]
        told = json.loads(self._line())
        if told is None or told[0] != pytest.ExitCode.TESTS_FAILED:
            return None
        return Verdict("failed", told[1], time.monotonic() - start)

    def _line(self) -> str:
        text = b""
        while not text.endswith(b"\n"):
            part = os.read(self._from, 65536)
            if not part:
                return text.decode() or "it ended"
            text += part
        return text.decode().strip()

    def _run(
        self,
        tests: Sequence[str],
        compile_files: bool,
        tell: Callable[[bytes], object],
        plugins: Sequence[object] = (),
    ) -> NoReturn:
        """A child: it tells pytest's exit code and the first failure, and ends."""
        try:
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
            code = pytest.main([*options, *tests], plugins=[witness, *plugins])
            tell(json.dumps([int(code), witness.saw]).encode())
        except BaseException as error:  # whatever it is, the parent must hear of it
            tell(json.dumps([int(pytest.ExitCode.INTERNAL_ERROR), repr(error)]).encode())
        finally:
            os._exit(0)


def _hear(child: int, reader: int, limit: float) -> bytes | None:
    """What a child tells before it ends; None if it takes too long.

    Afterwards the child and what it started are ended.
    """
    ready, _, _ = select.select([reader], [], [], limit)
    told = os.read(reader, 65536) if ready else None
    if told != b"":  # after a crash its own status is of interest
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    return told


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
