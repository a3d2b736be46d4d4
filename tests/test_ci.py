"""What CI is given: badges, and the jobs of docs/ci.md, which run here with fewer programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

from dezero.verify import cli, report
from dezero.verify.campaign import Counterexample, Tally
from dezero.verify.claims import Claims
from dezero.verify.faults import FAULTS, planted
from dezero.verify.known import KnownFailure
from dezero.verify.outcomes import Broken
from dezero.verify.program import Program, Step
from dezero.verify.report import Report

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "ci.md").read_text("utf-8")
BLOCKS = {
    found[1]: yaml.safe_load(found[2])
    for found in re.finditer(r"(?ms)^```yaml\n# (\S+)\n(.*?)^```$", TEXT)
}
GITHUB: dict[str, Any] = BLOCKS[".github/workflows/derivatives.yml"]["jobs"]["verify"]  # as YAML is
GITLAB: dict[str, Any] = BLOCKS[".gitlab-ci.yml"]["derivatives"]  # as YAML is
STEPS: dict[str, str] = {s["name"]: s["run"] for s in GITHUB["steps"] if "run" in s}

DEZERO = """\
#!/bin/sh
# The command, but only as much as a test has time for.
for word; do
  shift
  case $word in
    20m | 2000) word=4 ;;
    --time) word=--examples ;;
  esac
  set -- "$@" "$word"
  if [ "$word" = verify ]; then set -- "$@" --laws runs,gradient; fi
done
exec "$PYTHON" -m dezero "$@"
"""


class Runner:
    """A folder where scripts run as CI runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        commands = folder / "bin"
        commands.mkdir()
        for name, script in (("dezero", DEZERO), ("pip", "#!/bin/sh\n")):
            (commands / name).write_text(script, "utf-8")
            (commands / name).chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            encoding="utf-8",
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def find_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A counterexample in the folder that the jobs keep: found where a fault is planted in dezero."""
    monkeypatch.chdir(folder)
    with planted(FAULTS["sin_factor"]):
        arguments = ["--seed", "1", "--ops", "neg,sin", "--laws", "gradient"]
        assert cli.main(["verify", *arguments, "--save", "counterexamples"]) == 1
    (saved,) = (folder / "counterexamples").iterdir()
    return saved


def commands() -> Iterator[list[str]]:
    """The words of each `dezero …` in the scripts."""
    for script in [*STEPS.values(), *GITLAB["script"]]:
        text = script.replace("\\\n", " ").replace("$file", "FILE.json")
        for found in re.finditer(r"\bdezero (?:verify|replay)[^|;\n]*", text):
            yield shlex.split(found[0])[1:]


# --------------------------------------------------------------------------------------------- Badges


def badge(folder: Path, *arguments: str) -> dict[str, object]:
    """The badge of a run."""
    cli.main(["verify", "--seed", "1", *arguments, "--badge", str(folder / "badge.json")])
    written: dict[str, object] = json.loads((folder / "badge.json").read_text("utf-8"))
    assert written.keys() == {"schemaVersion", "label", "message", "color"}
    assert written["schemaVersion"] == 1
    return written


def test_a_badge_says_the_verdict(tmp_path: Path) -> None:
    sines = ["--ops", "neg,sin", "--laws", "gradient", "--examples", "20"]
    held = badge(tmp_path, *sines)
    assert held["label"] == "dezero verify dezero"
    assert (held["message"], held["color"]) == ("held on 20 programs", "brightgreen")
    with planted(FAULTS["sin_factor"]):
        found = badge(tmp_path, *sines)
    assert (found["message"], found["color"]) == ("counterexample", "red")
    function = ["dezero.functions:relu", "--domain=-1e-300:1e-300", "--laws", "gradient"]
    undecided = badge(tmp_path, *function, "--examples", "20")
    assert undecided["label"] == "dezero verify dezero.functions:relu"
    assert (undecided["message"], undecided["color"]) == ("unresolved", "orange")


def test_junit_is_xml_whatever_a_target_says() -> None:
    said = "\x1b[31m\x00 <b> ]]> \n"
    found = Counterexample("gradient", None, Broken(said, said, said), 1)
    tally = Tally(examples=1, counterexample=found)
    claims = Claims(operations={said: said})
    made = Report(said, None, ["gradient", "runs"], 1, said, {}, tally, claims=claims)
    parsed = ElementTree.fromstring(report.to_junit(made))
    assert "\\u001b[31m\\u0000 <b> ]]> \n" in (parsed.findtext(".//failure") or "")
    assert parsed.get("failures") == "1"


def test_what_a_report_says_cannot_steer_the_terminal() -> None:
    """Also that of another machine, which `dezero merge` reads."""
    said = "\x1b[31m\x9b"
    program = Program((np.ones(1),), (Step(said, (0,)),), (1,), (np.ones(1),))
    found = Counterexample("gradient", program, Broken(said, said, said), 1)
    tally = Tally(examples=1, counterexample=found, unresolved=Counter({("gradient", said): 1}))
    known, lacking = [KnownFailure(said, "gradient", said)], Claims(lacking=(said,))
    made = Report(said, None, ["gradient"], 1, said, {}, tally, [said], known=known, conditions=said)
    without = replace(made, claims=lacking)
    for text in (
        report.summary(made),
        report.summary(without),
        report.explain(made, found, Path(said)),
        report.to_markdown(made),
    ):
        assert "\\u001b[31m\\u009b" in text
        assert "\x1b" not in text
        assert "\x9b" not in text


def test_markdown_is_as_it_was_meant_whatever_a_target_says() -> None:
    said = "```\n# Injected <img src=x> [a](b) **b** `c`\n````\n<b>"
    program = Program((np.ones(1),), (Step("sin", (0,)),), (1,), (np.ones(1),))
    found = Counterexample("gradient", program, Broken(said, said, said), 1)
    tally = Tally(examples=1, counterexample=found, unresolved=Counter({("gradient", said): 1}))
    known, claims = [KnownFailure("sin", "gradient", said)], Claims(operations={said: said})
    made = Report(said, None, ["gradient"], 1, said, {}, tally, [said], claims, known, [found])
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(report.to_markdown(made))
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2"]
    assert [token.type for token in tokens if token.level == 0 and token.nesting >= 0] == [
        *("heading_open", "fence", "table_open", "paragraph_open", "fence", "fence")
    ]
    fences = [token.content for token in tokens if token.type == "fence"]
    assert all(said in fence for fence in fences)
    inline = [inner for token in tokens for inner in token.children or () if token.type == "inline"]
    assert {token.type for token in inline} == {"text", "code_inline"}
    assert {token.content for token in inline if token.type == "code_inline"} == {"gradient"}
    assert " ".join(said.split()) in inline[0].content


# ------------------------------------------------------------------------------- The jobs' commands

BUDGETS: list[str] = [rule["variables"]["BUDGET"] for rule in GITLAB["rules"]]


@pytest.mark.parametrize("target", ["dezero", "-- node port/main.mjs"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_the_command_knows_every_option(
    target: str, budget: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own parser reads them; what would run is replaced."""
    asked: list[str] = []

    def ran(options: Any) -> int:  # a Namespace of argparse has whatever attributes
        asked.append(options.command)
        assert options.port == (None if target == "dezero" else ["node", "port/main.mjs"])
        return 0

    monkeypatch.setattr(cli.verifying, "_verify", ran)
    monkeypatch.setattr(cli.replaying, "_replay", ran)
    for words in commands():
        text = shlex.join(words).replace("'$TARGET'", target).replace("'$BUDGET'", budget)
        assert "$" not in text
        assert cli.main(shlex.split(text)) == 0, text
    assert sorted(asked) == ["replay", "replay", "verify", "verify", "verify"]


def test_an_option_that_does_not_exist_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", "--bagde", "badge.json"])
    assert stopped.value.code == 2
    assert "--bagde" in capsys.readouterr().err


def test_the_steps_for_github_run(runner: Runner, tmp_path: Path) -> None:
    target = GITHUB["env"]["TARGET"]
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "remote"], check=True)
    for name, script in STEPS.items():
        done = runner.run(script, TARGET=target, REMOTE=str(tmp_path / "remote"))
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("## dezero verify dezero: held")
    assert not (tmp_path / "counterexamples").exists()
    shown = subprocess.run(
        ["git", "-C", tmp_path / "remote", "show", "badges:derivatives.json"],
        capture_output=True,
        check=True,
    )
    assert json.loads(shown.stdout)["message"] == "held on 4 programs"


def test_the_script_for_gitlab_runs(runner: Runner, tmp_path: Path) -> None:
    """All of its lines in one shell, as there."""
    script = "\n".join(GITLAB["script"])
    done = runner.run(script, TARGET=GITLAB["variables"]["TARGET"], BUDGET=BUDGETS[1])
    assert done.returncode == 0, done.stdout + done.stderr
    junit = ElementTree.parse(tmp_path / GITLAB["artifacts"]["reports"]["junit"]).getroot()
    assert junit.get("failures") == "0"
    written = {path.name for path in (tmp_path / "reports").iterdir()}
    assert written == {"laws.xml", "laws.md", "laws.json", "badge.json"}


def test_what_was_found_is_replayed_and_fails_until_it_is_mended(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = STEPS["Replay it"]
    assert script == GITLAB["script"][1]
    saved = find_one(tmp_path, monkeypatch)
    mended = runner.run(script, TARGET="dezero")
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.count("held        gradient") == 1

    saved.with_name("a.json").write_text('{"program": {}}', "utf-8")
    broken = runner.run(script, TARGET="dezero")
    assert broken.returncode != 0
    assert "program: inputs" in broken.stderr
    assert broken.stdout.count("held        gradient") == 1  # it does not stop at the first


def test_the_fault_is_seen_in_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = find_one(tmp_path, monkeypatch)
    assert cli.main(["replay", str(saved)]) == 0
    with planted(FAULTS["sin_factor"]):
        assert cli.main(["replay", str(saved)]) == 1
