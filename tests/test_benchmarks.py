"""The benchmarks: that all contenders compute the same, and that the figures are what they say.

Nothing here asserts how long anything takes.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import goals, parts, report, suite, surroundings
from benchmarks.peers import CONTENDERS, HAND, OURS
from benchmarks.timing import Disagreement, Job, Measured, Spread, Workload, measure
from benchmarks.workloads import checking, processes
from dezero.core import Add, Div, MatMul, Mean, Mul, Sum
from dezero.functions_elementwise import Exp, Sin, Tanh
from dezero.operation import Operation
from dezero.verify.outcomes import Broken
from dezero.verify.planting import Fault, planted, scaled

ROOT = Path(__file__).parent.parent
ALWAYS = [OURS, HAND]
IN_ANOTHER_PROCESS = {"chain-memory", "chain-free", "mlp-memory", "import"}
QUICK = suite.measurements(quick=True)


@pytest.mark.parametrize("name", sorted(QUICK.keys() - IN_ANOTHER_PROCESS))
def test_contenders_agree(name: str) -> None:
    measured = QUICK[name](ALWAYS)
    assert OURS in measured.figures
    for figures in measured.figures.values():
        assert figures
        assert all(math.isfinite(f) and f > 0 for f in figures)
    assert set(measured.absent).isdisjoint(measured.figures)


def test_command_with_whatever_is_installed(tmp_path: Path) -> None:
    files = tmp_path / "found.json", tmp_path / "found.svg"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "small,hessian,mlp-sgd"]
    command += ["--json", str(files[0]), "--svg", str(files[1])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(files[0].read_text(encoding="utf-8"))
    assert set(found["workloads"]) == {"small-forward", "small", "hessian-vector", "mlp-sgd"}
    step = found["workloads"]["mlp-sgd"]
    assert {*step["figures"], *step["absent"]} == set(CONTENDERS)  # none is dropped
    assert set(step["absent"]) == set(found["missing"])
    assert files[1].read_text(encoding="utf-8").count("<circle") > 3
    assert "not installed: " in done.stdout


@pytest.mark.parametrize("operation", [Sin, MatMul, Tanh, Sum, Exp, Mul, Mean, Add, Div])
@pytest.mark.parametrize("factor", [1 + 1e-11, 1 - 1e-11])
def test_the_check_that_is_timed_sees_one_part_in_1e11(
    operation: type[Operation], factor: float
) -> None:
    checking.checked(proved=False)
    fault = Fault("scaled", "rules", "", ("gradient",), 1, scaled(operation, factor))
    with planted(fault), pytest.raises(Broken):
        checking.checked(proved=False)


def test_memory_of_a_process_of_its_own() -> None:
    ballast = np.ones(20_000_000)  # what the parent holds is none of the child's
    assert processes.asked("mlp", OURS, 0) * 1024 < ballast.nbytes
    assert 100 < processes.asked("chain", OURS, 20_000) < 5_000


def test_unknown_workload_and_unwritable_file(tmp_path: Path) -> None:
    for arguments, words in (
        (["--only", "nonsense"], "no workload is called nonsense; there are: small"),
        (["--parts", "small,large"], "no workload with parts is called large; there are: small"),
        (["--quick", "--only", "hessian", "--json", str(tmp_path / "a" / "b")], "cannot be written"),
    ):
        command = [sys.executable, "-m", "benchmarks", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_parts(capsys: pytest.CaptureFixture[str]) -> None:
    parts.show(list(parts.WORKLOADS), quick=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum(len(make()) for make, _, _ in parts.WORKLOADS.values())
    for line in lines:
        assert re.search(r"\d µs per (operation|step|check) +\d+\.\d\d of the first", line)


def test_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in surroundings.ONE_THREAD:
        monkeypatch.setenv(name, "8")
    for name in surroundings.OVERRIDES:
        monkeypatch.setenv(name, "x")
    surroundings.prepare()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert not set(surroundings.OVERRIDES) & set(os.environ)


def workload(ours: float) -> Workload:
    return Workload(
        "planted",
        "a number",
        {
            HAND: lambda: Job(lambda: [np.array(1.0)]),
            OURS: lambda: Job(lambda: [np.array(ours)]),
            "torch": lambda: Job(list),
        },
        tolerance=1e-6,
    )


@pytest.mark.parametrize("wrong", [1.00001, math.nan, math.inf])
def test_a_wrong_result_is_seen(wrong: float) -> None:
    with pytest.raises(Disagreement, match="planted: result 0 of dezero differs from that of numpy"):
        measure(workload(wrong), ALWAYS, quick=True)


def test_what_is_not_installed_is_named() -> None:
    measured = measure(workload(1.0), ALWAYS, quick=True)
    assert measured.absent == {"torch": "not installed"}
    assert "  torch     not installed" in report.rows_of(measured)


def test_ratios_are_paired_and_goals_read_them() -> None:
    measured = Measured("small", "", "µs", {OURS: [2.0, 40.0, 6.0], HAND: [1.0, 10.0, 2.0]})
    assert measured.ratio(HAND) == Spread(2.5, 3.0, 3.5)  # of 2, 4, 3; not 6 / 2
    assert measured.ratio("torch") is None
    (row,) = [row for row in report.goal_rows({"small": measured}) if "numpy" in row]
    assert row.endswith("NOT MET")
    assert any("not measured" in row for row in report.goal_rows({"small": measured}))


def test_every_goal_names_a_workload() -> None:
    names = set(suite.measurements(quick=False))
    assert {goal.workload for goal in goals.GOALS} <= names
