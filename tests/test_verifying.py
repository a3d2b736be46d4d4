"""The command `verify`: what it found is neither lost nor changed, whatever becomes of its files."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from test_port import altered

from dezero.utils import whole_file
from dezero.verify import cli, report
from dezero.verify.campaign import Counterexample, Tally
from dezero.verify.cli import arguments as shared
from dezero.verify.cli.arguments import REPORTS, add_limits
from dezero.verify.faults import FAULTS, planted
from dezero.verify.outcomes import Broken
from dezero.verify.program import MAX_BYTES, Program, Step
from dezero.verify.report import Report

SINES = ("--seed", "1", "--ops", "neg,sin", "--laws", "gradient", "--examples", "20")
SERVE = (sys.executable, "-m", "dezero", "serve")
SEVERAL = (
    *("--seed", "1", "--ops", "mul,sin", "--laws", "runs,gradient"),
    *("--examples", "40", "--stretch", "20", "--keep-going"),
)


def found(*arguments: str, fault: str = "sin_factor") -> int:
    """Verifies with a fault in dezero; the exit code."""
    with planted(FAULTS[fault]):
        return cli.main(["verify", *arguments])


def test_an_operand_among_the_attributes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = np.ones(2)
    step = Step("mean_squared_error", (0,), {"x1": 2.0})
    (tmp_path / "p.json").write_text(
        Program((one,), (step,), (1,), (np.array(1.0),)).to_json(), "utf-8"
    )
    assert cli.main(["replay", str(tmp_path / "p.json")]) == 2
    said = "step 0 (mean_squared_error): x1 is no attribute; expected none"
    assert said in capsys.readouterr().err


def test_a_seed_that_no_reader_of_json_keeps_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["verify", "--seed", str(2**53 + 1)])
    assert f"expected a whole number from 0 to {2**53}" in capsys.readouterr().err


def test_a_counterexample_of_a_database_is_seen_again_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ("--database", str(tmp_path / "d"))
    assert found(*SINES, *database) == 1
    (again,) = [line for line in capsys.readouterr().out.splitlines() if "dezero verify" in line]
    assert again.split()[-2:] == [*database]


# ----------------------------------------------------------------------------- What cannot be written


@pytest.mark.parametrize(
    ("option", "place", "said"),
    [
        ("--json", "", "cannot be written: it is a folder"),
        ("--certificates", "", "cannot be written: it is a folder"),
        ("--markdown", "file/r.md", "file is no folder"),
        ("--save", "file", "file is no folder"),
        ("--save", "file/further/down", "file is no folder"),
        ("--html", "x" * 300, "cannot be written: File name too long"),
    ],
)
def test_what_can_be_seen_of_paths_is_seen_before_the_campaign(
    option: str, place: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert found(*SINES, option, str(tmp_path / place)) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_places_that_can_be_written_are_left_as_they_are(tmp_path: Path) -> None:
    for place in ("new/r.json", "r.json"):
        assert cli.main(["verify", *SINES, "--json", str(tmp_path / place)]) == 0
        assert cli.main(["verify", *SINES, "--json", str(tmp_path / place)]) == 0
    assert cli.main(["verify", *SINES, "--json", os.devnull, "--save", str(tmp_path / "none")]) == 0
    assert not (tmp_path / "none").exists()


def test_one_file_that_cannot_be_written_hinders_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where the disk is full when the campaign ends."""
    files = {"--json": "bad", "--junit": "r.xml", "--markdown": "bad", "--badge": "b.json"}
    options = [word for option, name in files.items() for word in (option, str(tmp_path / name))]

    def full(path: Path) -> object:
        if path.name == "bad":
            raise OSError(28, "No space left on device")
        return whole_file(path)

    monkeypatch.setattr("dezero.verify.cli.arguments.whole_file", full)
    assert found(*SINES, *options, "--save", str(tmp_path / "found")) == 2
    shown = capsys.readouterr()
    assert "The law `gradient` is broken" in shown.out
    assert shown.err.count("bad cannot be written: No space left on device") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"r.xml", "b.json", "found"}
    assert len([*(tmp_path / "found").iterdir()]) == 1


def test_reports_are_there_though_nobody_reads_the_verdict(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        command = [sys.executable, "-m", "dezero", "verify", *SINES, "--json", str(tmp_path / "r.json")]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["verdict"] == "held"


def test_merge_looks_at_the_paths_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = str(tmp_path / "part.json")
    assert found(*SINES, "--shard", "1/1", "--json", part) == 1
    capsys.readouterr()
    assert cli.main(["merge", part, "--html", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "it is a folder" in shown.err
    assert shown.out == ""


# --------------------------------------------------------------------------------- More than one cause


@pytest.mark.parametrize("merging", [False, True])
def test_each_cause_is_shown(merging: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [str(tmp_path / f"{i}.json") for i in (1, 2)]
    junit, markdown, saved = tmp_path / "laws.xml", tmp_path / "laws.md", tmp_path / "found"
    kept = (*SEVERAL, "--resume", str(tmp_path / "kept"))
    for i, part in enumerate(parts, 1):
        fault = ("sin_factor", "mul_operands")[i - 1]
        assert found(*kept, "--shard", f"{i}/2", "--json", part, fault=fault) == 1
    capsys.readouterr()
    command = ["merge", *parts] if merging else ["verify", *kept, "--save", str(saved)]
    assert cli.main([*command, "--junit", str(junit), "--markdown", str(markdown)]) == 1
    shown = capsys.readouterr().out
    (failure,) = ElementTree.parse(junit).getroot().iter("failure")
    for text in (shown, markdown.read_text("utf-8"), failure.text or ""):
        assert text.count("The law `gradient` is broken") == 2
        assert "F.Sin()" in text
        assert "F.Mul()" in text
    places = [*saved.iterdir()] if saved.exists() else []
    assert len(places) == (0 if merging else 2)
    assert all(str(path) in shown for path in places)


def test_each_law_that_is_broken_is_a_failure() -> None:
    """Also one that was broken for another cause than the first."""
    laws = ["runs", "gradient", "kink"]
    one, two = (Counterexample(law, None, Broken(f"the {law}"), 1) for law in laws[1:])
    tally = Tally(examples=1, counterexample=one)
    tally.held.update(laws)
    made = Report("it", None, laws, 1, "it", {}, tally, others=[two])
    suite = ElementTree.fromstring(report.to_junit(made))
    assert [case.get("name") for case in suite if case.find("failure") is not None] == laws[1:]
    assert suite.get("failures") == "2"


# -------------------------------------------------------------------------------------- What is saved


FUNCTIONS = """
from dezero import functions as F

def one(x):
    raise ValueError("half \\ud800 of a character")

def two(x):
    raise ValueError("two")
"""


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of functions that raise, by a name of its own, and no folder but a new one."""
    monkeypatch.chdir(tmp_path)
    name = f"functions_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FUNCTIONS, "utf-8")
    return name


def test_counterexamples_of_several_targets_do_not_overwrite_each_other(functions: str) -> None:
    for function in ("one", "two", "one"):
        assert cli.main(["verify", f"{functions}:{function}", "--seed", "1", "--save", "found"]) == 1
    assert len([*Path("found").iterdir()]) == 2
    assert all(path.name.startswith("runs-seed-1-") for path in Path("found").iterdir())


def test_what_no_program_shows_is_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--seed", "1", "--ops", "add", "--laws", "no_graph", "--examples", "2")
    assert found(*few, "--save", str(tmp_path / "found"), fault="no_grad_for_all") == 1
    shown = capsys.readouterr().out
    assert "No program shows it, so none is saved." in shown
    assert not (tmp_path / "found").exists()


# -------------------------------------------------------------------------------------- To see it again


def again_of(shown: str) -> list[list[str]]:
    """The commands that a counterexample shows, as words."""
    return [shlex.split(line)[1:] for line in shown.splitlines() if line.startswith("  dezero ")]


def test_the_limits_of_a_port_are_part_of_the_commands_that_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = "F.Neg.vjp = lambda self, xp, gy, x, y: time.sleep(1) or -gy"
    port = altered(tmp_path / "a port.py", change)
    few = ("--seed", "1", "--ops", "neg", "--laws", "runs", "--examples", "1")
    limits = ("--start-limit", "1m", "--program-limit", "0.5s")
    arguments = [*few, *limits, "--save", str(tmp_path / "found here")]
    assert cli.main(["verify", *arguments, "--", *port]) == 1
    replay, verify = again_of(capsys.readouterr().out)
    assert verify == ["verify", *few[:2], "--examples", "1", "--laws", "runs", "--ops", "neg",
                      "--start-limit", "60s", "--program-limit", "0.5s", "--", *port]  # fmt: skip
    assert cli.main(replay) == 1
    assert cli.main(verify) == 1


def test_a_folder_of_another_limit_is_of_another_campaign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ("--resume", str(tmp_path))
    few = ("--seed", "1", "--ops", "neg", "--laws", "runs", "--examples", "1", *kept)
    assert cli.main(["verify", *few, "--", *SERVE]) == 0
    assert cli.main(["verify", *few, "--program-limit", "2s", "--", *SERVE]) == 0
    assert cli.main(["verify", *few, "--program-limit", "3s", "--", *SERVE]) == 2
    assert "Name another folder for another campaign" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0.2", "0.000001s", "5m", "999999h", "1.5h", "999999.25m"])
def test_limits_are_shown_as_the_command_takes_them(text: str) -> None:
    def limits(*arguments: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        add_limits(parser)
        return parser.parse_args(arguments, argparse.Namespace(port=["it"]))

    given = limits("--program-limit", text)
    assert limits(*shared.limits_again(given)) == given
    assert shared.limits_again(limits()) == shared.limits_again(argparse.Namespace(port=None)) == []


# ------------------------------------------------------------------- What cannot be written everywhere


def test_half_of_a_character_is_written_as_an_escape(functions: str) -> None:
    few = ["verify", f"{functions}:one", "--seed", "1", "--examples", "2"]
    reports = [word for kind in REPORTS for word in (f"--{kind}", f"r.{kind}")]
    assert cli.main([*few, *reports]) == 1
    told = json.loads(Path("r.json").read_text("utf-8"))["counterexample"]["found"]
    assert told.startswith("ValueError: half \\ud800 of a character")
    for _ in range(2):  # the second reads what the first has kept
        assert cli.main([*few, "--resume", "kept", "--json", "r.json"]) == 1
    assert json.loads(Path("r.json").read_text("utf-8"))["counterexample"]["found"] == told


def test_a_target_s_name_may_be_anything_that_a_shell_gives(tmp_path: Path) -> None:
    """Also bytes that are no UTF-8, which Python shows as half of a character."""
    script = tmp_path / "port.sh"
    script.write_text(f"exec {shlex.join(SERVE)}\n", "utf-8")
    reports = [word for kind in REPORTS for word in (f"--{kind}", str(tmp_path / kind))]
    few = ("--seed", "1", "--ops", "neg", "--laws", "runs", "--examples", "1")
    assert cli.main(["verify", *few, *reports, "--", "sh", str(script), "\udc80"]) == 0
    assert json.loads((tmp_path / "json").read_text("utf-8"))["target"].endswith("'\udc80'")


def test_what_a_terminal_has_no_letters_for_is_shown_as_an_escape(tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    entry = {"op": "neg", "law": "gradient", "reason": "it is \u00d7"}
    known.write_text(json.dumps([entry]), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "dezero", "verify", *SINES, "--known-failures", str(known)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        encoding="ascii",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "neg, gradient: it is \\xd7" in done.stdout


# ------------------------------------------------------------------------------------- Domains, replays


@pytest.mark.parametrize("text", ["0:1@-1", "0:1@2,-3"])
def test_no_axis_is_shorter_than_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", "dezero.functions:sin", "--domain", text])
    assert stopped.value.code == 2
    assert f"'{text}' is no domain (" in capsys.readouterr().err
    none = ["--domain", "0:1@2,0", "--seed", "1", "--examples", "2", "--laws", "runs"]
    assert cli.main(["verify", "dezero.functions:sin", *none]) == 0


def test_a_large_counterexample_is_replayed(tmp_path: Path) -> None:
    x = np.array(0.5)
    program = Program((x,), (Step("neg", (0,)),), (1,), (x,)).to_dict()
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"found": "x" * 10**6, "program": program}), "utf-8")
    assert cli.main(["replay", str(file)]) == 0
    file.write_text(json.dumps({"found": "x" * MAX_BYTES, "program": program}), "utf-8")
    assert cli.main(["replay", str(file)]) == 2
