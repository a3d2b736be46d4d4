"""Mutants are found wherever something runs; a weak test lets them live, a strong one does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ground import Verdict
from mutants import mutants
from quick import exchange, functions_below
from record import Results, equivalents, tally

RUN = Path(__file__).parent / "run.py"

SOURCE = '''"""A module."""

from typing import ClassVar, TypeAlias, TypeVar, cast

T = TypeVar("T")
Number: TypeAlias = "int | float"
__all__ = ["Sin"]


class Sin(Unary, saves=frozenset("x")):
    """A docstring, 1 < 2."""

    order: ClassVar[int | None] = 3

    @property
    def area(self) -> "int | None":
        x: int | None = cast("int | None", self.a * 5)
        match x:
            case 7:
                return 8
            case _:
                return 9
'''


def changes(source: str) -> set[tuple[str, str, str]]:
    return {(mutant.where, mutant.old, mutant.new) for mutant in mutants("a.py", source)}


@pytest.mark.parametrize(
    "change",
    [
        ("Sin", "3", "4"),
        ("", 'frozenset("x")', "frozenset(None)"),
        ("", '"x"', '"X"'),
        ("Sin.area", "self.a * 5", "self.a / 5"),
        ("Sin.area", "7", "8"),
        ("Sin.area", "9", "10"),
    ],
)
def test_a_mutant_is_found(change: tuple[str, str, str]) -> None:
    # What a class statement says belongs to the class around it.
    found = changes(SOURCE)
    assert change in found or (("Sin", *change[1:]) in found and change[0] == "")


def test_a_case_is_dropped() -> None:
    dropped = [
        new for _, old, new in changes(SOURCE) if old.startswith("match") and "case 7" not in new
    ]
    assert dropped == ["match x: case _: return 9"]


@pytest.mark.parametrize("text", ["int | None", "TypeVar", "Sin", "docstring", "int | float"])
def test_what_never_runs_is_left_alone(text: str) -> None:
    assert not [change for change in changes(SOURCE) if change[1].strip('"') == text]


def test_each_mutant_is_a_program_of_its_own() -> None:
    found = mutants("a.py", SOURCE)
    texts = [mutant.make() for mutant in found]
    assert SOURCE not in texts
    for text in texts:
        compile(text, "a.py", "exec")
    assert len({mutant.key for mutant in found}) == len(found)


def test_the_same_change_twice_has_two_keys() -> None:
    first, second = [m for m in mutants("a.py", "x = f(1)\ny = f(1)\n") if m.new == "2"]
    assert (first.nth, second.nth) == (0, 1)
    assert first.key != second.key
    assert first.make() == "x = f(2)\ny = f(1)\n"


def test_a_key_outlives_a_change_elsewhere() -> None:
    before, after = "def f():\n    return 1\n", "import os\n\n\ndef f():\n    return 1\n"
    assert {m.key for m in mutants("a.py", before)} == {m.key for m in mutants("a.py", after)}


KEYED = """LIMIT = 1


class Even:
    step = 2

    def next(self, n):
        return self.after(n, 1)

    def after(self, n, count):
        def once():
            return n + 2
        return once()
"""


@pytest.mark.parametrize(
    ("change", "stay", "differ"),
    [
        # A change of the source; mutants (where, and of what) that keep their keys; those that do not.
        (("self.after", "self.later"), {("Even.after.once", "2"), ("", "1")}, {("Even.next", "1")}),
        (("return once()", "return -once()"), {("Even.next", "1")}, {("Even.after.once", "2")}),
        (("return self.after(n, 1)", "return 0"), {("", "1")}, {("Even", "2")}),
        (("LIMIT = 1", "LIMIT: int = 1"), {("Even", "2"), ("Even.next", "1")}, {("", "1")}),
        (
            ("class Even", "# All that are even.\nclass Even"),
            {("Even", "2"), ("", "1")},
            set[tuple[str, str]](),
        ),
    ],
)
def test_a_key_ends_with_the_text_around_it(
    change: tuple[str, str], stay: set[tuple[str, str]], differ: set[tuple[str, str]]
) -> None:
    assert change[0] in KEYED
    before = {(m.where, m.old): m.key for m in mutants("a.py", KEYED)}
    after = {m.key for m in mutants("a.py", KEYED.replace(*change))}
    assert {told for told in stay if before[told] not in after} == set()
    assert {told for told in differ if before[told] in after} == set()


HELD = """
import functools

def passed_on(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)
    return wrapper

class Held:
    fixed = 4

    def method(self, plus=0):
        return 1

    @property
    def area(self):
        return sum(2 for _ in range(3))

    @passed_on
    def wrapped(self):
        return 5

one = Held()
"""


def held(tmp_path: Path, change: tuple[str, str]) -> tuple[bool, Any]:
    """Whether a change of the source reaches an object that was made before; and that object."""
    source = tmp_path / "held.py"
    source.write_text(HELD)
    names: dict[str, Any] = {}
    exec(compile(HELD, str(source), "exec", dont_inherit=True), names)
    return exchange(source, HELD.replace(*change), functions_below(tmp_path)), names["one"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("return 1", "return 7"), (7, 6, 5)),
        (("range(3)", "range(4)"), (1, 8, 5)),
        (("return 5", "return 9"), (1, 6, 9)),
    ],
)
def test_a_change_within_functions_reaches_what_holds_them(
    tmp_path: Path, change: tuple[str, str], expected: tuple[int, int, int]
) -> None:
    exchanged, one = held(tmp_path, change)
    assert exchanged
    assert (one.method(), one.area, one.wrapped()) == expected


@pytest.mark.parametrize("change", [("fixed = 4", "fixed = 5"), ("plus=0", "plus=1")])
def test_a_change_outside_functions_is_for_a_new_import(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    exchanged, _ = held(tmp_path, change)
    assert not exchanged


STEPS = """from __future__ import annotations


def steps(n: int) -> int:
    count = 0
    while n > 0:
        n -= 2
        count += 1
    return count
"""
WEAK = """import dezero.steps


def test_steps() -> None:
    assert dezero.steps.steps(2) == 1
"""
STRONG = WEAK + "    assert dezero.steps.steps(3) == 2\n    assert dezero.steps.steps(7) == 4\n"
FAILING = WEAK.replace("== 1", "== 2")
LOOPS = "n -= 2 -> n += 2"


def project(place: Path, test: str, equivalent: Sequence[Mapping[str, object]] = ()) -> Path:
    for directory in ("dezero", "tests/mutation", "docs"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    (place / "dezero" / "__init__.py").touch()
    (place / "dezero" / "steps.py").write_text(STEPS)
    (place / "docs" / "mutants.md").write_text("# Mutants\n\n")
    (place / "tests" / "test_steps.py").write_text(test)
    here = place / "tests" / "mutation"
    (here / "config.toml").write_text(
        'patience = 1\n[sources]\n"dezero/steps.py" = ["tests/test_steps.py"]\n'
    )
    (here / "equivalents.json").write_text(json.dumps(list(equivalent)))
    return place


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), "--project", str(place), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_weak_test_lets_mutants_live_and_a_strong_one_does_not(tmp_path: Path) -> None:
    weak = run(project(tmp_path, WEAK), "--record")
    assert weak.returncode == 1
    assert "survived: dezero/steps.py:7 steps: 2 -> 3" in weak.stdout
    lines = (tmp_path / "build/mutants/results.jsonl").read_text().splitlines()
    assert "too long" in {json.loads(line)["end"] for line in lines}, "the loop without end"
    assert "`2` → `3`" in (tmp_path / "docs" / "mutants.md").read_text()
    assert (tmp_path / "dezero" / "steps.py").read_text() == STEPS
    assert run(tmp_path, "--sample", "100").returncode == 0, "each survivor is on record"
    (tmp_path / "docs" / "mutants.md").write_text("# Mutants\n\n")
    sample = run(tmp_path, "--sample", "100")
    assert sample.returncode == 1
    assert "not on record: - `dezero/steps.py`, `steps`: `2` → `3`" in sample.stdout

    strong = run(project(tmp_path, STRONG), "--again", "--record")
    assert (strong.returncode, "0 survived" in strong.stdout) == (0, True), strong.stdout
    assert (tmp_path / "docs" / "mutants.md").read_text().endswith("## Survivors\n\nNone.\n")
    assert run(tmp_path).returncode == 0, "all is on record: none is tried again"


def test_a_verdict_ends_with_the_function_that_it_is_of(tmp_path: Path) -> None:
    place = project(tmp_path, STRONG)
    assert run(place).returncode == 0
    # Now the loop is for numbers that no test asks for; that its mutants were killed says nothing.
    (place / "dezero" / "steps.py").write_text(
        STEPS.replace(
            "    count = 0\n", "    if n in {2, 3, 7}:\n        return (n + 1) // 2\n    count = 0\n"
        )
    )
    assert "survived: dezero/steps.py:9 steps: n -= 2 -> n += 2" in run(place).stdout


TRIALS = """
import sys
import time

import ground
from pathlib import Path

place = Path(sys.argv[1])
tried = ground.Ground(place, place / "build").test
assert tried(["tests/test_steps.py"], 60).end == "survived"  # what is loaded then, is
ground.SLOWEST = float(sys.argv[2])
print(tried(["tests/test_limits.py"], float(sys.argv[3])))
"""


@pytest.mark.parametrize(
    ("body", "slowest", "limit", "end"),
    [
        ("time.sleep(4.5)", 100, 4, "survived"),  # waiting is what a trial does on a busy machine
        ("while True: pass", 100, 1, "too long"),
        ("time.sleep(60)", 0.2, 10, "hung"),
    ],
)
def test_the_limit_of_a_trial_is_one_of_its_own_time(
    body: str, slowest: float, limit: float, end: str, tmp_path: Path
) -> None:
    place = project(tmp_path, STRONG)
    (place / "tests" / "test_limits.py").write_text(f"import time\ndef test_it():\n    {body}\n")
    command = [sys.executable, "-c", TRIALS, str(place), str(slowest), str(limit)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=RUN.parent)
    assert f"Verdict(end='{end}'" in ended.stdout, ended.stderr


def test_what_hung_was_not_killed(tmp_path: Path) -> None:
    mutant, other = mutants("a.py", "x = 1\n")[:2]
    results = Results(tmp_path / "r.jsonl")
    results.add(mutant, Verdict("hung", "more than 600 s", 600.0))
    results.add(other, Verdict("too long", "more than 60 s of CPU time", 80.0, 60.0))
    counts = tally([mutant, other], Results(tmp_path / "r.jsonl"), [])
    assert (counts.survived, counts.killed) == ([mutant], {"too long": 1})


def test_a_failing_suite_is_no_measure(tmp_path: Path) -> None:
    ended = run(project(tmp_path, FAILING), "--sample", "1")
    assert ended.returncode == 1
    assert "without any mutant, tests/test_steps.py::test_steps failed: mend that first" in ended.stderr


def test_an_equivalent_that_is_none_any_more(tmp_path: Path) -> None:
    entry = {
        "path": "dezero/steps.py",
        "where": "steps",
        "old": "5",
        "new": "6",
        "nth": -1,
        "reason": "?",
    }
    ended = run(project(tmp_path, WEAK, [entry]))
    assert ended.returncode == 2
    assert "no mutant of dezero/steps.py is '5' -> '6': remove it" in ended.stderr


def test_an_equivalent_needs_a_reason(tmp_path: Path) -> None:
    entry = {"path": "a.py", "where": "f", "old": "1", "new": "2", "nth": -1, "reason": " "}
    (tmp_path / "e.json").write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match=r"e\.json: f: '1' -> '2' has no reason"):
        equivalents(tmp_path / "e.json")


def test_results_survive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    mutant, other = mutants("a.py", "x = 1\n")[:2]
    entry = {"key": mutant.key, "end": "failed", "by": "t", "seconds": 1.0}
    cut_off = json.dumps(entry | {"key": other.key})[:-5]
    (tmp_path / "r.jsonl").write_text(json.dumps(entry) + "\n" + cut_off)
    results = Results(tmp_path / "r.jsonl")
    known = results[mutant]
    assert known is not None
    assert known.end == "failed"
    assert results[other] is None
    results.add(other, known)
    assert Results(tmp_path / "r.jsonl")[other] == known
