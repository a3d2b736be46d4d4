"""What type checkers accept and reject of users' programs, and what the package says of its types."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "tests" / "typing"
ACCEPTED = sorted((PROGRAMS / "accepted").glob("*.py"))
REJECTED = sorted((PROGRAMS / "rejected").glob("*.py"))
CHECKERS = ("mypy", "pyright")
MARK = "# rejected"


def called(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # pyright --verifytypes does not heed --pythonpath: it asks the first python on the PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PATH": path}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


def pyright(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return called(
        sys.executable,
        "-m",
        "pyright",
        "--pythonpath",
        sys.executable,
        "--outputjson",
        *arguments,
        cwd=cwd,
    )


# ------------------------------------------------------------------------------ What the checkers say


@dataclass(frozen=True)
class Complaint:
    """An error that a checker reported, on a line that counts from 1."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}: {self.message}"


def mypys_complaints() -> list[Complaint]:
    config = ("--config-file", ROOT / "mypy.ini", "--strict", "--output", "json")
    run = called(sys.executable, "-m", "mypy", *config, *ACCEPTED, *REJECTED)
    assert run.returncode in (0, 1), run.stdout + run.stderr  # 2: it gave up
    records = [json.loads(line) for line in run.stdout.splitlines()]
    return [
        Complaint((ROOT / record["file"]).resolve(), record["line"], record["message"])
        for record in records
        if record["severity"] == "error"
    ]


def pyrights_complaints() -> list[Complaint]:
    run = pyright("--project", PROGRAMS)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    report = json.loads(run.stdout)
    assert report["summary"]["filesAnalyzed"] == len(ACCEPTED + REJECTED)
    return [
        Complaint(
            Path(record["file"]).resolve(), record["range"]["start"]["line"] + 1, record["message"]
        )
        for record in report["generalDiagnostics"]
        if record["severity"] in ("error", "warning")
    ]


Complaints = dict[str, list[Complaint]]


@pytest.fixture(scope="session")
def complaints() -> Complaints:
    """What each checker says of all programs; each runs once, beside the other."""
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(run) for run in (mypys_complaints, pyrights_complaints)]
        return {name: future.result() for name, future in zip(CHECKERS, both, strict=True)}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", ACCEPTED, ids=lambda path: path.stem)
def test_accepted(complaints: Complaints, checker: str, program: Path) -> None:
    errors = [str(c) for c in complaints[checker] if c.file == program.resolve()]
    assert not errors, f"{checker} rejects what is right:\n" + "\n".join(errors)


def marked(source: str) -> set[int]:
    """The lines with a comment that says why they are rejected."""
    return {i for i, line in enumerate(source.splitlines(), 1) if MARK in line}


def differences(source: str, errors: Iterable[tuple[int, str]]) -> list[str]:
    """What a checker rejects that is not marked, and what is marked and not rejected."""
    lines = source.splitlines()
    said: dict[int, str] = {}
    for line, message in errors:
        said.setdefault(line, message)
    expected = marked(source)
    unmarked = [f"{i}: not marked, but: {said[i]}\n    {lines[i - 1]}" for i in said.keys() - expected]
    missing = [f"{i}: marked, but accepted\n    {lines[i - 1]}" for i in expected - said.keys()]
    return sorted(unmarked + missing, key=lambda text: int(text.split(":")[0]))


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", REJECTED, ids=lambda path: path.stem)
def test_rejected(complaints: Complaints, checker: str, program: Path) -> None:
    errors = [(c.line, c.message) for c in complaints[checker] if c.file == program.resolve()]
    wrong = differences(program.read_text("utf-8"), errors)
    assert not wrong, f"{checker}, {program.name}:\n" + "\n".join(wrong)


def test_the_comparison_shows_a_missing_error_and_an_unmarked_one() -> None:
    source = "right\nwrong  # rejected: why\nalso wrong  # rejected: why\n"
    assert differences(source, [(2, "no"), (2, "and no"), (3, "no")]) == []
    assert differences(source, [(3, "no")]) == ["2: marked, but accepted\n    wrong  # rejected: why"]
    assert differences(source, [(1, "oh"), (2, "no"), (3, "no")]) == [
        "1: not marked, but: oh\n    right"
    ]


def test_there_are_programs() -> None:
    assert len(ACCEPTED) >= 8
    assert all("assert_type" in path.read_text("utf-8") for path in ACCEPTED)
    assert sum(len(marked(path.read_text("utf-8"))) for path in REJECTED) >= 100


@pytest.mark.parametrize("program", ACCEPTED, ids=lambda path: path.stem)
def test_accepted_runs(program: Path) -> None:
    run = called(sys.executable, "-W", "error", program)
    assert run.returncode == 0, run.stderr


# ------------------------------------------------------------------------- What the package says


def test_every_public_type_is_known(tmp_path: Path) -> None:
    """Nothing public is inferred, so that no two checkers can infer it differently."""
    run = pyright("--verifytypes", "dezero", "--ignoreexternal", cwd=tmp_path)
    report = json.loads(run.stdout)["typeCompleteness"]
    package = Path(report["packageRootDirectory"]).resolve()
    assert package == ROOT / "dezero", f"pyright examined the dezero in {package}; install this one"
    causes = [
        f"{symbol['name']}: {first_line(problem['message'])}"
        for symbol in report["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
        for problem in symbol["diagnostics"]
        if "docstring" not in problem["message"]
        # What is only partially unknown is so by a cause that has an entry of its own.
        and "partially unknown" not in problem["message"]
    ]
    assert report["completenessScore"] == 1, "\n".join(causes) or run.stdout[-5000:]


def first_line(text: str) -> str:
    return text.partition("\n")[0]


# ---------------------------------------------------------------------- Where types are given up

STRICT = ("core.py", "namespace.py", "graph.py", "operation.py", "contract.py", "config.py")
"""Modules without a single ignored error."""

IMPORTED_WITH_REASON = re.compile(r"^from typing import .*# Any and cast: \w", re.MULTILINE)
"""For a module that is about replacing parts of others."""

IGNORE = re.compile(r"#\s*(type|pyright|mypy|ty|pyrefly):\s*(ignore|basic|disable)")


def tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source).readline)


def ignores(source: str) -> list[int]:
    """The lines on which a checker's error is ignored."""
    return [
        token.start[0]
        for token in tokens(source)
        if token.type == tokenize.COMMENT and IGNORE.search(token.string)
    ]


def without_reason(source: str) -> list[str]:
    """The lines where a type is given up (Any, cast, an ignored error) and no comment says why.

    The reason stands in a comment on one of the lines of the statement or on the line above it, in the
    string below it, or in the comment above the run of such statements to which it belongs. A cast to
    ``object`` gives up nothing, and an import is no use; but a comment on the import of Any that begins
    with "Any and cast" gives the reason for all of the module (not for errors that it ignores).
    """
    if IMPORTED_WITH_REASON.search(source):
        return [f"{line}: {source.splitlines()[line - 1].strip()}" for line in ignores(source)]
    given_up: dict[int, bool] = {}  # by the statement's first line: whether a reason is given
    lines = source.splitlines()
    statement: list[tokenize.TokenInfo] = []
    for token in tokens(source):
        if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL):
            continue
        if (
            token.type == tokenize.COMMENT
            and not statement
            and lines[token.start[0] - 1].strip()[0] == "#"
        ):
            continue
        statement.append(token)
        if token.type == tokenize.NEWLINE:
            start, end = statement[0].start[0], token.start[0]
            if gives_up(statement):
                above = lines[start - 2].strip() if start > 1 else ""
                below = lines[end].strip() if end < len(lines) else ""
                given_up[start] = (
                    any(is_reason(t.string) for t in statement if t.type == tokenize.COMMENT)
                    or above.startswith("#")
                    or below.startswith('"""')
                    or given_up.get(start - 1, False)
                )
            statement = []
    return [f"{line}: {lines[line - 1].strip()}" for line, reason in given_up.items() if not reason]


def is_reason(comment: str) -> bool:
    """Whether a comment says something beside what it ignores."""
    return any(not IGNORE.match("#" + part) for part in comment.split("#") if part.strip())


def gives_up(statement: list[tokenize.TokenInfo]) -> bool:
    if statement[0].string in ("import", "from"):
        return False
    words = [t.string for t in statement if t.type in (tokenize.NAME, tokenize.OP)]
    casts = [words[i + 2] for i in range(len(words) - 2) if words[i : i + 2] == ["cast", "("]]
    strings = [t.string for t in statement if t.type == tokenize.STRING and len(t.string) < 100]
    return (
        "Any" in words
        or any(re.search(r"\bAny\b", text) for text in strings)
        or any(target != "object" for target in casts)
        or any(IGNORE.search(t.string) for t in statement if t.type == tokenize.COMMENT)
    )


MODULES = sorted((ROOT / "dezero").rglob("*.py"))


@pytest.mark.parametrize("name", STRICT)
def test_nothing_is_ignored(name: str) -> None:
    assert ignores((ROOT / "dezero" / name).read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_who_gives_up_a_type_says_why(module: Path) -> None:
    offenders = without_reason(module.read_text("utf-8"))
    assert not offenders, "no comment says why:\n" + "\n".join(offenders)


@pytest.mark.parametrize(
    "source",
    [
        "x: Any = 1\n",
        "x = [1]\n\n# far away\n\ny = cast(int, x)\n",
        "def f(\n    x: int,\n    *y: Any,\n) -> None: ...\n",
        "x = 1  # type: ignore[assignment]\n",
        "# pyright: basic\n\nx = cast('Any', 1)\n",
        "from typing import Any  # noqa\nx: Any = 1\n",
        "from typing import Any  # Any and cast: because\nx = 1  # type: ignore\n",
    ],
)
def test_a_type_given_up_silently_is_found(source: str) -> None:
    assert without_reason(source)


@pytest.mark.parametrize(
    "source",
    [
        "from typing import (\n    Any,\n)\n",
        "x: Any = 1  # because\n",
        "from typing import Any  # Any and cast: because\n\nx: Any = 1\n",
        "# Because.\nx: Any = 1\ny: Any = 2\n",
        "def f(\n    x: int,\n    *y: Any,  # because\n) -> None: ...\n",
        "x = 1  # type: ignore[assignment]  # because\n",
        'X: TypeAlias = Any\n"""Because."""\n',
        "x = cast(object, 1)\n",
        "'Any text at all' + \"of cast(int, x)\" * 3  # is a string\n",
    ],
)
def test_a_reason_is_found(source: str) -> None:
    assert not without_reason(source)
    assert not ignores("x = 'type: ignore'\n")
    assert ignores("x = 1  # pyright: ignore\n") == [1]
