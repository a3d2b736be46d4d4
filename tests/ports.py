"""What the tests of the ports in `examples/ports` share: a port held to the laws, a fault planted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dezero.verify import cli
from dezero.verify.catalogue import CORE
from dezero.verify.program import Json, Program

PORTS = Path(__file__).parent.parent / "examples" / "ports"
HELD, COUNTEREXAMPLE, NOT_STARTED = 0, 1, 3
MOST_STEPS = 4
"""To how many steps a fault is shrunk."""
X: Json = {"dtype": "float64", "shape": [2], "data": [1, "-0"]}
ONES: Json = {"dtype": "float64", "shape": [2], "data": [1, 1]}
SEED: Json = {"dtype": "float64", "shape": [], "data": [1]}


@dataclass(frozen=True)
class Fault:
    """A fault in a port.

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

    def plant(self, source: Path, copy: Path) -> Path:
        """Copies the port, with the fault in it."""
        text = source.read_text("utf-8")
        assert text.count(self.right) == 1, (
            f"{self.right!r} stands {text.count(self.right)} times there"
        )
        copy.write_text(text.replace(self.right, self.wrong), "utf-8")
        assert copy.read_text("utf-8") != text
        return copy


def verify(port: Sequence[str], report: Path, *options: str) -> tuple[int, dict[str, Json]]:
    """Holds a port against the laws; the exit code, and the report if one was written."""
    given = ["--seed", "1", "--dtype", "float64", "--json", str(report), *options]
    code = cli.main(["verify", *given, "--", *port])
    if not report.exists():
        return code, {}
    return code, cast("dict[str, Json]", json.loads(report.read_text("utf-8")))  # as the kit writes it


def compiled(*command: str) -> list[str]:
    """Runs a compiler; the command that starts the program that it made, which stands behind -o."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [command[command.index("-o") + 1]]


def holds_core(port: Sequence[str], report: Path) -> None:
    """Requires that a port holds, with every operation of the profile `core`."""
    code, given = verify(port, report, "--profile", "core", "--examples", "150")
    assert code == HELD
    coverage = given["coverage"]
    assert isinstance(coverage, dict)
    assert isinstance(coverage["operations"], dict)
    assert set(coverage["operations"]) == set(CORE)
    assert coverage["missing_operations"] == []


def finds(fault: Fault, port: Sequence[str], report: Path) -> None:
    """Requires that the fault of a port is found in half a minute, named by its law, and shrunk."""
    code, given = verify(port, report, "--time", "30s", "--ops", fault.ops)
    assert code == COUNTEREXAMPLE
    found = given["counterexample"]
    assert isinstance(found, dict)
    assert found["law"] == fault.law
    assert len(Program.from_dict(found["program"]).steps) <= MOST_STEPS


def refuses(port: Sequence[str], line: str, kind: str, words: str) -> None:
    """Requires that a port says what is wrong with a line, and goes on."""
    wrong, right = ask(port, line, program({"op": "sum", "in": [0]}))
    assert isinstance(wrong["error"], dict)
    assert wrong["error"]["kind"] == kind
    assert words in str(wrong["error"]["message"])
    assert (right["values"], right["grads"]) == ([SEED], [ONES])


def lacks(port: Sequence[str], op: str, shown: str, message: str) -> None:
    """Requires that a port calls an operation that it has not unsupported, and ends when told to."""
    echo = json.dumps({"cmd": "echo", "id": 2, "tensor": X})
    (reply,) = ask(port, program({"op": op, "in": [0]}), json.dumps({"cmd": "stop"}), echo)
    assert reply == {"id": 1, "unsupported": {"op": shown}, "message": message}


def runs_a_chain(port: Sequence[str], length: int = 100_000) -> None:
    """Requires that a port runs a chain of so many steps, and frees it, without recursion."""
    nodes: Json = [{"op": "neg", "in": [i]} for i in range(length)]
    (reply,) = ask(port, program({}, inputs=[SEED], nodes=nodes, outputs=[length]))
    assert (reply["values"], reply["grads"]) == ([SEED], [SEED])


def ask(port: Sequence[str], *lines: str) -> list[dict[str, Json]]:
    """What a port answers to some lines."""
    given = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(port, input=given, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [cast("dict[str, Json]", json.loads(line)) for line in done.stdout.splitlines()]  # objects


def program(node: dict[str, Json], **given: Json) -> str:
    """A request to run one node on `X`, with some of it otherwise."""
    asked: dict[str, Json] = {"cmd": "run", "id": 1, "inputs": [X], "nodes": [node], "outputs": [1]}
    return json.dumps(asked | {"seeds": [SEED], "wrt": [0], "want": ["values", "vjp"]} | given)
