"""Quick trials: forks of a process that has collected the tests, with a few functions exchanged.

Importing and collecting take a hundred times as long as the test that notices a mutant. What was
collected holds on to the functions it imported; so in a fork each of them is given its changed code.
What a module does while it is imported stays as it was. So a test that fails here is a kill, and
nothing else is a verdict.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import resource
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import pytest


@dataclass(frozen=True)
class Request:
    """A trial.

    Attributes:
        path: Of the source in the project.
        text: What it says instead.
        where: The dotted name of the function that was changed.
        tests: Files whose tests may notice.
        first: Tests that noticed other changes there.
        seconds: Of CPU time; what takes longer is for the trials that decide.
    """

    path: str
    text: str
    where: str
    tests: Sequence[str]
    first: Sequence[str]
    seconds: int


class Server:
    """A plugin of pytest: once the tests are collected, each request is tried in a fork.

    Args:
        place: The copy of the project.
        requests: A descriptor from which requests are read, one a line.
        answers: A descriptor for a line when all is ready, and then one for what each fork tells.
        hear: What a child tells, from a descriptor; None if it tells nothing.
    """

    def __init__(
        self, place: Path, requests: int, answers: int, hear: Callable[[int, int], bytes | None]
    ) -> None:
        self._place = place
        self._requests = requests
        self._hear = hear
        self.answers = answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Serves; in a fork, chooses the tests and leaves the running to pytest."""
        tests = [Test(item, self._place) for item in session.items]
        functions = functions_below(self._place)
        gc.freeze()  # a collection in a fork would copy what it shares
        with os.fdopen(self._requests, encoding="utf-8") as lines:
            os.write(self.answers, b"\n")
            for line in lines:
                request = Request(**json.loads(line))
                reader, writer = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(reader)
                    os.setsid()
                    self.answers = writer
                    limit_cpu_time(request.seconds)
                    exchanged = exchange(self._place / request.path, request.text, functions)
                    session.items[:] = ordered(tests, request) if exchanged else []
                    return
                os.close(writer)
                told = self._hear(child, reader) or b"null"
                os.waitpid(child, 0)
                os.close(reader)
                os.write(self.answers, told + b"\n")
        os._exit(0)


class Test:
    """A test, and what it speaks of."""

    __test__ = False  # not one itself

    def __init__(self, item: pytest.Item, place: Path) -> None:
        self.item = item
        self.file = item.path.relative_to(place).as_posix()
        function = getattr(item, "function", None)
        self._name = _plain(item.nodeid)
        self._source = _plain(inspect.getsource(function)) if function else ""

    def rank(self, request: Request) -> int:
        """How probable it is that it notices: the less the better."""
        if self.item.nodeid in request.first:
            return 0
        names = [_plain(name) for name in request.where.split(".") if len(name) > 2]
        if any(name in self._name for name in names):
            return 1
        return 2 if any(name in self._source for name in names) else 3


def limit_cpu_time(seconds: int) -> None:
    """Lets SIGXCPU end this process after so much CPU time."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def ordered(tests: Sequence[Test], request: Request) -> list[pytest.Item]:
    """Those that may notice, the most knowing first."""
    wanted = [test for test in tests if test.file in request.tests]
    return [test.item for test in sorted(wanted, key=lambda test: test.rank(request))]


def functions_below(place: Path) -> dict[CodeType, list[FunctionType]]:
    """All functions there are whose source is in a directory, by their code."""
    found: defaultdict[CodeType, list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(place)):
            found[thing.__code__].append(thing)
    return found


def exchange(source: Path, text: str, functions: dict[CodeType, list[FunctionType]]) -> bool:
    """Gives functions of a source the code that another text of it gives them.

    Returns:
        Whether there was any to exchange, and no more to do than that.
    """
    name = str(source)
    before = compile(source.read_text("utf-8"), name, "exec", dont_inherit=True)
    after = compile(text, name, "exec", dont_inherit=True)
    exchanged = False
    for old, new in _changed(before, after):
        for function in functions.get(old, ()):
            try:
                function.__code__ = new
            except ValueError:  # it closes over other variables now
                return False
            exchanged = True
    return exchanged


def _changed(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The pairs of code that differ, the code within code too."""
    if old == new:
        return
    yield old, new
    parts = [[part for part in of.co_consts if isinstance(part, CodeType)] for of in (old, new)]
    if len(parts[0]) == len(parts[1]):
        for pair in zip(*parts, strict=True):
            yield from _changed(*pair)


def _plain(text: str) -> str:
    return text.replace("_", "").lower()
