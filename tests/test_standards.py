"""Profiles and known failures: what a target is held to, and what counts neither way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import pytest

from dezero.functions import Sin
from dezero.namespace import Namespace, T
from dezero.verify import cli, known
from dezero.verify.catalogue import CORE, OPERATIONS
from dezero.verify.claims import claims_of
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.known import ENOUGH, KnownFailure, KnownFailureError
from dezero.verify.laws import LAWS, SENTENCES
from dezero.verify.program import Json

# A port that runs nothing: who is asked for its capabilities, and for numbers, and for no more.
PORT = """
import json, sys

START = json.loads(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    if request["cmd"] == "stop":
        break
    given = {"id": request.get("id"), "tensor": request.get("tensor")}
    print(json.dumps(START if request["cmd"] == "start" else given), flush=True)
"""


def verify(*arguments: str) -> int:
    return cli.main(["verify", "--seed", "1", "--dtype", "float64", *arguments])


def read(path: Path) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(path.read_text("utf-8")))  # as the kit writes reports


# --- profiles -----------------------------------------------------------------------------------------


def test_core_are_operations_that_there_are() -> None:
    assert set(CORE) <= set(OPERATIONS)
    assert len(set(CORE)) == len(CORE)


@pytest.fixture
def port(tmp_path: Path) -> list[str]:
    """The command of a port that has all of core, but not all of `sum`, and no gradients."""
    script = tmp_path / "port.py"
    script.write_text(PORT, "utf-8")
    ops: dict[str, Json] = {
        name: {"attrs": list[Json](CONTRACTS[name].attributes)} for name in CORE if name != "tanh"
    }
    ops["sum"] = {"attrs": ["axis"]}
    ops["dance"] = {}
    start: dict[str, Json] = {
        "protocol": 1,
        "implementation": {"name": "lacking"},
        "dtypes": ["float64"],
        "ops": ops,
        "features": ["multi_output", "nonfinite"],
        "numbers": ["decimal"],
    }
    return [sys.executable, str(script), json.dumps(start)]


def test_a_port_that_lacks_something_of_core_has_failed(
    port: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("r.json", "r.xml", "r.md")]
    options = ["--json", str(files[0]), "--junit", str(files[1]), "--markdown", str(files[2])]
    assert verify("--profile", "core", *options, "--", *port) == 1
    shown = capsys.readouterr().out
    lacking = ["sum (without keepdims)", "tanh", "gradients (the feature vjp)"]
    for what in lacking:
        assert f"\n  {what}\n" in shown
    made = read(files[0])
    assert made["verdict"] == "lacking"
    assert made["profile"] == "core"
    assert made["lacking"] == lacking
    assert made["examples"] == 0  # nothing was tried
    claims = made["not_claimed"]
    assert isinstance(claims, dict)
    operations, laws = claims["operations"], claims["laws"]
    assert isinstance(operations, dict)
    assert isinstance(laws, list)
    assert operations["sum"] == "without keepdims"
    assert operations["conv2d"] == ""
    assert operations["'dance'"] == "not known to this kit"
    assert "gradient" in laws
    suite = ElementTree.parse(files[1]).getroot()
    skipped = {case.get("name") for case in suite.iter("testcase") if case.find("skipped") is not None}
    assert {"sum (without keepdims)", "tanh", "the law gradient"} <= skipped
    assert (suite.get("failures"), suite.get("tests")) == ("1", str(len(list(suite.iter("testcase")))))
    assert int(suite.get("skipped", "0")) == len(list(suite.iter("skipped")))
    markdown = files[2].read_text("utf-8")
    assert "Not claimed, and so not verified: " in markdown
    assert "sum (without keepdims)" in markdown


def test_a_port_without_any_operation_lacks_all_of_core(
    port: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    *command, start = port
    bare = [*command, json.dumps({**json.loads(start), "ops": {}})]
    assert verify("--profile", "core", "--", *bare) == 1
    shown = capsys.readouterr().out
    assert all(f"\n  {op}\n" in shown for op in CORE)
    assert verify("--", *bare) == 2
    assert "the port claims no operation that this kit knows" in capsys.readouterr().err


def test_only_the_operations_of_core_are_tried(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    assert verify("--profile", "core", "--examples", "60", "--laws", "value", "--json", str(path)) == 0
    coverage = read(path)["coverage"]
    assert isinstance(coverage, dict)
    operations = coverage["operations"]
    assert isinstance(operations, dict)
    assert set(operations) == set(CORE)


def test_who_lacks_nothing_claims_all() -> None:
    claims = claims_of(DezeroEngine(), "core")
    assert (claims.lacking, claims.not_claimed) == ((), [])
    simple = claims_of(CoreSimpleEngine(), "extended")
    assert simple.lacking == ()
    assert "conv2d" in simple.not_claimed
    assert simple.laws == ("second_order",)
    assert set(claims_of(CoreSimpleEngine(), "core").lacking) == set(CORE) - set(
        CoreSimpleEngine().contracts
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "core", "--ops", "conv2d"], "none of the operations of --ops belongs to the"),
        (["--profile", "core", "math:sin"], "--profile core is for engines"),
        (["--known-failures", "missing.json"], "missing.json cannot be read: No such file"),
        (["--known-failures", "missing.json", "math:sin"], "--known-failures is for engines"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(*arguments) == 2
    assert message in capsys.readouterr().err


# --- known failures -----------------------------------------------------------------------------------

GOOD: dict[str, Json] = {"op": "sin", "law": "gradient", "reason": "rounded tables"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"op":\n"sin",}]', "k.json: not JSON: .*line 2 column 7"),
        ("{}", r"k\.json: \{\}; expected a list of up to 10000 objects"),
        ("[" * 100_000, r"k\.json: not JSON: "),
        (json.dumps([GOOD, "sin"]), "k.json: entry 1: 'sin'; expected an object with op, law, reason"),
        (json.dumps([GOOD | {"opp": 1}]), "k.json: entry 0: 'opp'; expected only op, law, reason"),
        (json.dumps([GOOD | {"op": "sine"}]), "entry 0: op is 'sine'; expected the name of an oper"),
        (json.dumps([GOOD | {"law": "grad"}]), "entry 0: law is 'grad'; expected one of runs, value"),
        (json.dumps([GOOD | {"reason": " "}]), "entry 0: reason is ' '; expected why it is borne with"),
        (json.dumps([{"op": "sin", "law": "gradient"}]), "entry 0: reason is None; expected why"),
        (json.dumps([GOOD, GOOD]), "entry 1: sin and gradient stand in entry 0"),
    ],
)
def test_a_file_that_is_none(text: str, message: str) -> None:
    with pytest.raises(KnownFailureError, match=message):
        known.read(text, "k.json", OPERATIONS, LAWS)


def test_a_file_is_read() -> None:
    assert known.read(json.dumps([GOOD]), "k.json", OPERATIONS, SENTENCES) == [
        KnownFailure("sin", "gradient", "rounded tables")
    ]


def listed(folder: Path, *entries: tuple[str, str]) -> list[str]:
    path = folder / "known.json"
    path.write_text(json.dumps([{"op": op, "law": law, "reason": "R"} for op, law in entries]), "utf-8")
    return ["--known-failures", str(path), "--json", str(folder / "r.json")]


def wrong(self: Sin, xp: Namespace[T], gy: T, x: T, y: T) -> T:
    return 1.01 * gy * xp.cos(x)  # a fault


SOME = ["--ops", "neg,sin,cos,add", "--examples", "150", "--laws", "runs,value,gradient,linearity"]


def test_a_known_failure_is_counted_and_the_campaign_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Sin, "vjp", wrong)
    assert verify(*SOME) == 1
    assert verify(*SOME, *listed(tmp_path, ("sin", "gradient"))) == 0
    assert "known, met: sin, gradient: R" in capsys.readouterr().out
    made = read(tmp_path / "r.json")
    assert made["examples"] == 150
    failures = made["known_failures"]
    assert isinstance(failures, list)
    (entry,) = failures
    assert isinstance(entry, dict)
    assert entry["state"] == "met"
    shown = entry["counterexample"]
    assert isinstance(shown, dict)
    assert shown["law"] == "gradient"
    laws = made["laws"]
    assert isinstance(laws, dict)
    gradient, value = laws["gradient"], laws["value"]
    assert isinstance(gradient, dict)
    assert isinstance(value, dict)
    assert value["held"] == 150  # the other laws are asked of programs with it
    assert isinstance(gradient["held"], int)
    assert 20 < gradient["held"] < 150


@pytest.mark.parametrize("entry", [("cos", "gradient"), ("sin", "value")])
def test_another_failure_is_none_that_is_known(
    entry: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sin, "vjp", wrong)
    assert verify(*SOME, *listed(tmp_path, entry)) == 1
    assert read(tmp_path / "r.json")["verdict"] == "counterexample"


def test_one_that_passes_unexpectedly_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(*SOME, *listed(tmp_path, ("sin", "gradient"), ("cos", "kink"))) == 1
    shown = capsys.readouterr().out
    assert "dezero: passes unexpectedly. " in shown
    assert "known, passes unexpectedly (held in " in shown
    assert "known, not met (held in 0 programs): cos, kink: R" in shown  # a law that was not asked


def test_a_few_programs_say_nothing_of_a_known_failure(tmp_path: Path) -> None:
    few = ["--ops", "sin", "--laws", "gradient", "--examples", str(ENOUGH - 1)]
    assert verify(*few, *listed(tmp_path, ("sin", "gradient"))) == 0


def test_what_is_known_not_to_run_is_held_against_no_law(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Sin, "vjp", breaks)
    assert verify(*SOME, *listed(tmp_path, ("sin", "gradient"))) == 1
    assert verify(*SOME, *listed(tmp_path, ("sin", "runs"))) == 0
