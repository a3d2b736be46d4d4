"""The port to JavaScript: it holds, and what is planted in it is found and shrunk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import cast

import pytest
from ports import NOT_STARTED, ONES, PORTS, SEED, Fault, X, ask, finds, holds_core, program, verify

from dezero.verify.program import Json

SOURCE = PORTS / "js" / "port.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed, which the port runs on")

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


def command(source: Path) -> list[str]:
    """The command that starts a port."""
    assert NODE is not None
    return [NODE, str(source)]


def test_it_holds_with_every_operation_of_core(tmp_path: Path) -> None:
    holds_core(command(SOURCE), tmp_path / "report.json")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_shrunk(fault: Fault, tmp_path: Path) -> None:
    finds(fault, command(fault.plant(SOURCE, tmp_path / "port.js")), tmp_path / "report.json")


def test_a_number_that_does_not_survive_is_not_the_autograds_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = Fault('Object.is(x, -0) ? "-0" : ', "", "").plant(SOURCE, tmp_path / "port.js")
    code, _ = verify(command(port), tmp_path / "report.json", "--examples", "1")
    assert code == NOT_STARTED
    assert "echo" in capsys.readouterr().err


def test_it_says_what_is_wrong_and_goes_on() -> None:
    replies = ask(
        command(SOURCE),
        "no JSON",
        program({"op": "sum", "in": [0], "attrs": {"axis": 1}}),
        program({"op": "spin", "in": [0]}, id=2),
        program({"op": "sum", "in": [0]}, id=3),
        json.dumps({"cmd": "stop"}),
        json.dumps({"cmd": "echo", "id": 4, "tensor": X}),
    )
    assert [reply["id"] for reply in replies] == [None, 1, 2, 3]
    kinds = [cast("dict[str, Json]", reply["error"])["kind"] for reply in replies[:2]]
    assert kinds == ["internal", "shape"]
    assert replies[2]["unsupported"] == {"op": "spin"}
    assert (replies[3]["values"], replies[3]["grads"]) == ([SEED], [ONES])
