"""The port to JavaScript: it holds, and what is planted in it is found and shrunk."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from dezero.verify import cli
from dezero.verify.catalogue import CORE
from dezero.verify.program import Json, Program

PORT = Path(__file__).parent.parent / "examples" / "ports" / "js" / "port.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed, which the port runs on")

HELD, COUNTEREXAMPLE, NOT_STARTED = 0, 1, 3
SECONDS = 30.0


@dataclass(frozen=True)
class Fault:
    """A fault in the port.

    Attributes:
        right: What stands in the port, once.
        wrong: What shall stand there.
        ops: Operations among which it is looked for: others only take time.
        law: The law that it breaks.
    """

    right: str
    wrong: str
    ops: str
    law: str = "gradient"


FAULTS = {
    "the last cotangent wins": Fault(
        "gys[x.index] = gys[x.index] === null ? g : add(gys[x.index], g);",
        "gys[x.index] = g;",
        "neg,add,mul,sin",
    ),
    "sum_to overwrites": Fault(
        "sum.data[at] += x.data[i];", "sum.data[at] = x.data[i];", "neg,add,mul,sin"
    ),
    "relu'(0) is 1": Fault(
        "(g, x) => (x > 0 ? g : 0)", "(g, x) => (x >= 0 ? g : 0)", "neg,relu", "kink"
    ),
    "a tie goes to both in full": Fault(
        "(g, a, b) => (a > b ? g : a === b ? g / 2 : 0)",
        "(g, a, b) => (a >= b ? g : 0)",
        "neg,maximum",
        "kink",
    ),
    "transpose is not inverted": Fault(
        "inverse[axis] = i;", "inverse[i] = axis;", "mul,transpose,broadcast_to", "runs"
    ),
    "what is missing counts as ones": Fault(
        "gy ?? zeros(this.outputShapes[index])",
        "gy ?? full(this.outputShapes[index], 1)",
        "mul,split,concatenate",
    ),
    "zero times infinity": Fault("c === 0 ? g * 0 : ", "", "mul,pow"),
    "the largest is not taken off": Fault(
        "Math.exp(value - m)", "Math.exp(value)", "mul,softmax", "value"
    ),
}


def verify(port: Path, report: Path, *options: str) -> tuple[int, dict[str, Json]]:
    """Holds a port against the laws; the exit code, and the report if one was written."""
    assert NODE is not None
    given = ["--seed", "1", "--dtype", "float64", "--json", str(report), *options]
    code = cli.main(["verify", *given, "--", NODE, str(port)])
    # What `dezero verify --json` writes.
    return code, cast(
        "dict[str, Json]", json.loads(report.read_text("utf-8"))
    ) if report.exists() else {}


def planted(folder: Path, right: str, wrong: str) -> Path:
    """A copy of the port with a fault in it."""
    source = PORT.read_text("utf-8")
    assert source.count(right) == 1, f"{right!r} stands {source.count(right)} times in the port"
    copy = folder / "port.js"
    copy.write_text(source.replace(right, wrong), "utf-8")
    assert copy.read_text("utf-8") != source
    return copy


def test_it_holds_with_every_operation_of_core(tmp_path: Path) -> None:
    code, report = verify(PORT, tmp_path / "report.json", "--examples", "150")
    assert code == HELD
    coverage = report["coverage"]
    assert isinstance(coverage, dict)
    assert isinstance(coverage["operations"], dict)
    assert set(coverage["operations"]) == set(CORE)
    assert coverage["missing_operations"] == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_shrunk(fault: Fault, tmp_path: Path) -> None:
    port = planted(tmp_path, fault.right, fault.wrong)
    start = time.monotonic()
    code, report = verify(port, tmp_path / "report.json", "--examples", "1000", "--ops", fault.ops)
    assert code == COUNTEREXAMPLE
    assert time.monotonic() - start < SECONDS
    found = report["counterexample"]
    assert isinstance(found, dict)
    assert found["law"] == fault.law
    assert len(Program.from_dict(found["program"]).steps) <= 4


def test_a_number_that_does_not_survive_is_not_the_autograds_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = planted(tmp_path, 'Object.is(x, -0) ? "-0" : ', "")
    code, _ = verify(port, tmp_path / "report.json", "--examples", "1")
    assert code == NOT_STARTED
    assert "echo" in capsys.readouterr().err


def ask(*lines: str) -> list[dict[str, Json]]:
    """What the port answers to some lines."""
    assert NODE is not None
    given = "".join(f"{line}\n" for line in lines)
    done = subprocess.run([NODE, str(PORT)], input=given, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [cast("dict[str, Json]", json.loads(line)) for line in done.stdout.splitlines()]


def test_it_says_what_is_wrong_and_goes_on() -> None:
    x: Json = {"dtype": "float64", "shape": [2], "data": [1, "-0"]}
    seed: Json = {"dtype": "float64", "shape": [], "data": [1]}
    asked: dict[str, Json] = {"cmd": "run", "inputs": [x], "outputs": [1], "seeds": [seed]}
    asked |= {"wrt": [0], "want": ["values", "vjp"]}
    replies = ask(
        "no JSON",
        json.dumps({**asked, "id": 1, "nodes": [{"op": "sum", "in": [0], "attrs": {"axis": 1}}]}),
        json.dumps({**asked, "id": 2, "nodes": [{"op": "spin", "in": [0]}]}),
        json.dumps({**asked, "id": 3, "nodes": [{"op": "sum", "in": [0]}]}),
        json.dumps({"cmd": "stop"}),
        json.dumps({"cmd": "echo", "id": 4, "tensor": x}),
    )
    assert [reply["id"] for reply in replies] == [None, 1, 2, 3]
    kinds = [cast("dict[str, Json]", reply["error"])["kind"] for reply in replies[:2]]
    assert kinds == ["internal", "shape"]
    assert replies[2]["unsupported"] == {"op": "spin"}
    ones: Json = {"dtype": "float64", "shape": [2], "data": [1, 1]}
    assert (replies[3]["values"], replies[3]["grads"]) == ([seed], [ones])
