"""The plugin for pytest, in runs of pytest of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import dezero.verify  # a run inside of this process forgets what it loads: NumPy must not load twice

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PLUGIN = ("-p", "dezero_plugins.for_pytest", "-p", "no:cacheprovider")

WAVES = """
    import numpy as np
    import pytest

    from dezero import Function, functions as F
    from dezero.verify import REALS, interval


    class Swell(Function):
        def forward(self, x):
            return np.sin(2.0 * x)

        def backward(self, gy):
            (x,) = self.inputs
            return gy * F.cos(2.0 * x)


    def logit(p):
        return F.log(p / (1.0 - p))
"""


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs with our plugin and no other, whether or not it is installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return pytester


def ran(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    """A run over some tests of waves."""
    lines = [line.removeprefix("    ") for line in WAVES.splitlines()]
    pytester.makepyfile("\n".join(lines) + "\n\n" + tests)
    return pytester.runpytest_inprocess(*PLUGIN, *arguments)


# ---------------------------------------------------------------------------------- What it checks


def test_a_right_function_passes(pytester: pytest.Pytester) -> None:
    tests = """
def test_logit(dezero_check):
    tally = dezero_check(logit, interval(0, 1))
    assert tally.examples == 50
    assert tally.held["gradient"] > 25


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("function", [F.sin, F.Tanh, F.Exp()])
def test_several(dezero_check, function, shape):
    dezero_check(function, (REALS, shape), examples=5)
"""
    ran(pytester, tests).assert_outcomes(passed=10)


def test_a_wrong_rule_fails_with_the_report_and_how_to_see_it_again(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.mark.parametrize("function", [Swell, Swell(), lambda x: Swell()(x)], ids="abc")
def test_it(dezero_check, function):
    dezero_check(function)
"""
    done = ran(pytester, tests, "--dezero-seed", "3", "--dezero-examples", "20")
    done.assert_outcomes(failed=3)
    done.stdout.fnmatch_lines(
        [
            ">       dezero_check(function)",
            "E       AssertionError: Swell breaks the law `gradient`: The gradient of every input *",
            "E         gradient of input 0*",
            "E         expected *",
            "E         found *",
            "E         inputs *",
            "E       Seed 3. To see it again:",
            "E         pytest '*::test_it[[]a]' --dezero-seed 3 --dezero-examples 20",
        ]
    )
    shown = done.stdout.str()
    assert "target.py" not in shown  # the traceback ends in the test
    assert "for_pytest.py" not in shown

    (again,) = re.findall(r"(?m)^E +pytest ('.*\[a\]' .*)$", shown)
    once_more = pytester.runpytest_inprocess(*PLUGIN, *shlex.split(again))
    once_more.assert_outcomes(failed=1)
    numbers = re.compile(r"(?m)^E +(?:expected|found|inputs) .*$")
    assert numbers.findall(once_more.stdout.str()) == numbers.findall(shown)[:3]


def test_how_to_see_it_again_is_said_from_the_current_folder(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]")
    folder = pytester.mkdir("below")
    test = "def test_it(dezero_check):\n    dezero_check(Swell)\n"
    (folder / "test_below.py").write_text(textwrap.dedent(WAVES) + test, "utf-8")
    monkeypatch.chdir(folder)
    done = pytester.runpytest_inprocess(*PLUGIN)
    done.stdout.fnmatch_lines(["E         pytest test_below.py::test_it --dezero-seed *"])


def test_what_cannot_be_checked_says_why(pytester: pytest.Pytester) -> None:
    tests = """
class NeedsOne(Function):
    def __init__(self, by):
        self.by = by


@pytest.mark.parametrize("given", [{"laws": ["gradeint"]}, {"laws": []}, {"examples": 0}, {"seed": -1}])
def test_given(dezero_check, given):
    dezero_check(F.sin, **given)


@pytest.mark.parametrize("target", [NeedsOne, int, 3])
def test_target(dezero_check, target):
    dezero_check(target)
"""
    done = ran(pytester, tests, "--tb=short")
    done.assert_outcomes(failed=7)
    done.stdout.fnmatch_lines(
        [
            "E *TargetError: 'gradeint' is no law for functions; there are: runs, *",
            "E *TargetError: 'none' is no law for functions; there are: runs, *",
            "E *TargetError: examples=0, seed=0; expected 1 or more, and 0 or more",
            "E *TargetError: examples=50, seed=-1; expected 1 or more, and 0 or more",
            "E *TargetError: NeedsOne cannot be made without arguments (*); give an instance",
            "E *TargetError: int is a class, but no Function; expected a function of Variables",
            "E *TargetError: int is not callable; expected a function of Variables",
        ]
    )


def test_what_is_undecided_fails(pytester: pytest.Pytester) -> None:
    tests = "def test_wild(dezero_check):\n    dezero_check(lambda x: F.sin(x * 1e9))\n"
    done = ran(pytester, tests)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*more than half of the samples are unresolved: *", "*Seed 0. *"])


# ----------------------------------------------------------------------------- Seeds and examples

ASKED = """
def test_asked(dezero_check):
    tally = dezero_check(F.sin, (REALS, ()), laws=["gradient"])
    print("asked for", tally.examples, tally.worst_margin)


def test_by_keyword(dezero_check):
    tally = dezero_check(F.sin, (REALS, ()), laws=["gradient"], examples=3, seed=8)
    print("by keyword", tally.examples, tally.worst_margin)
"""


def asked(done: pytest.RunResult) -> tuple[list[str], list[str]]:
    """How many were tried and what came, with the options of the run, and by keyword."""
    done.assert_outcomes(passed=2)
    text = done.stdout.str()
    first, second = (re.search(rf"{what} (\S+) (\S+)", text) for what in ("asked for", "by keyword"))
    assert first is not None
    assert second is not None
    return list(first.groups()), list(second.groups())


def test_options_settings_and_keywords(pytester: pytest.Pytester) -> None:
    default, keyword = asked(ran(pytester, ASKED, "-s"))
    assert (default[0], keyword[0]) == ("50", "3")
    option = ran(pytester, ASKED, "-s", "--dezero-seed=5", "--dezero-examples=9")
    assert "dezero: --dezero-seed 5 --dezero-examples 9" in option.stdout.str()
    seen, same = asked(option)
    assert seen[0] == "9"
    assert same == keyword  # what a keyword says goes before
    pytester.makeini("[pytest]\ndezero_seed = 5\ndezero_examples = 9\n")
    setting = ran(pytester, ASKED, "-s")
    assert "dezero: --dezero-seed 5 --dezero-examples 9" in setting.stdout.str()
    assert asked(setting)[0] == seen
    before = ran(pytester, ASKED, "-s", "--dezero-seed=6")
    assert "dezero: --dezero-seed 6 --dezero-examples 9" in before.stdout.str()
    assert asked(before)[0][1] != seen[1]


def test_the_header_is_silent_where_nothing_is_asked(pytester: pytest.Pytester) -> None:
    assert "dezero:" not in ran(pytester, ASKED).stdout.str()


def test_a_random_seed_is_new_each_time_and_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing():\n    pass\n")
    seeds: set[str] = set()
    for _ in range(3):
        shown = pytester.runpytest_inprocess(*PLUGIN, "--dezero-seed=random").stdout.str()
        seeds |= set(re.findall(r"--dezero-seed (\d+) ", shown))
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dezero-seed=-3"],
            "dezero_seed: '-3' is no seed; expected a whole number",
        ),
        (["--dezero-examples=0"], "dezero_examples: '0' is no number of examples; expected 1 or more"),
        (
            ["-o", "dezero_seed=x"],
            "dezero_seed: 'x' is no seed; expected a whole number",
        ),
    ],
)
def test_a_wrong_option_is_refused(
    pytester: pytest.Pytester, arguments: list[str], message: str
) -> None:
    done = ran(pytester, ASKED, *arguments)
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr.str()


def test_workers_of_xdist_have_one_random_seed(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is part of the extra dev")
    tests = """
@pytest.mark.parametrize("number", range(4))
def test_wrong(dezero_check, worker_id, number):
    print("worker", worker_id)
    dezero_check(Swell)
"""
    done = ran(pytester, tests, "-p", "xdist.plugin", "-n2", "--dezero-seed=random")
    done.assert_outcomes(failed=4)
    shown = done.stdout.str()
    assert set(re.findall(r"(?m)^worker (\w+)$", shown)) == {"gw0", "gw1"}
    (header,) = re.findall(r"(?m)^dezero: --dezero-seed (\d+) ", shown)
    assert re.findall(r"(?m)^E +Seed (\d+)\.", shown) == [header] * 4


# ------------------------------------------------------------------------------- How it is loaded


def test_a_missing_package_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nsys.modules['flint'] = None\n")
    pytester.makepyfile("def test_it(dezero_check):\n    pass\n")
    done = pytester.runpytest_subprocess(*PLUGIN)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["dezero_check needs flint, which is not installed; *: pip install '.[[]verify]' in a checkout"]
    )


def test_the_entry_points_are_there() -> None:
    for group, name in (("pytest11", "pytest_addoption"), ("hypothesis", "")):
        module, _, function = PROJECT["entry-points"][group]["dezero"].partition(":")
        assert callable(getattr(import_module(module), function or name))


@pytest.mark.parametrize("plugin", ["for_pytest", "for_hypothesis"])
def test_a_plugin_loads_nothing_of_the_library(plugin: str) -> None:
    """Each run of pytest, and each import of Hypothesis, loads it."""
    code = f"import sys, dezero_plugins.{plugin}; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, encoding="utf-8"
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "dezero_plugins" in loaded
    assert not loaded & {"dezero", "numpy", "hypothesis", "flint", "rich"}


def test_the_example_of_the_documents_runs(pytester: pytest.Pytester) -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    (example,) = re.findall(r"(?ms)^```py\n# test_waves\.py\n(.*?)^```$", text)
    (command,) = re.findall(r"(?m)^pytest (--dezero.*)$", text)
    pytester.makepyfile(test_waves=example)
    done = pytester.runpytest_inprocess(*PLUGIN, *command.replace("500", "5").split())
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["dezero: --dezero-seed * --dezero-examples 5"])
    assert dezero.verify.Check.__name__ in example
