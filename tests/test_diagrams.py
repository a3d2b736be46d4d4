"""Programs as pictures, and the command that writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dezero.verify.cli import main
from dezero.verify.diagrams import picture
from dezero.verify.program import Program, Step

PROGRAM = Program(
    (np.array([1.0, 2.0]),),
    (Step("mul", (0, 0)), Step("split", (1,), {"sections": 2, "axis": 0}, 2)),
    (3,),
    (np.array([-0.5]),),
)


def test_values_and_applications() -> None:
    drawn = picture(PROGRAM)
    assert [vertex.label for vertex in drawn.vertices] == [
        "x0\n[1., 2.]", "mul", "x1", "split", "x2", "x3"
    ]  # fmt: skip
    assert drawn.edges == [(0, 1), (0, 1), (1, 2), (2, 3), (3, 4), (3, 5)]
    assert drawn.vertices[3].details == "sections=2, axis=0"


def test_a_large_array_is_its_type_and_shape() -> None:
    program = Program((np.ones((9, 9)),), (Step("sin", (0,)),), (1,), (np.ones((9, 9)),))
    assert picture(program).vertices[0].label == "x0\nfloat64 [9, 9]"


def test_replay_writes_the_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, dot, mermaid = (tmp_path / name for name in ("program.json", "graph.dot", "graph.mmd"))
    file.write_text(PROGRAM.to_json(), "utf-8")
    assert main(["replay", str(file), "--dot", str(dot), "--mermaid", str(mermaid)]) == 0
    assert "held        gradient" in capsys.readouterr().out
    assert dot.read_text("utf-8") == picture(PROGRAM).dot
    text = mermaid.read_text("utf-8")
    assert text.startswith('flowchart TD\n  v0(["x0<br>#91;1., 2.#93;"])\n  f0["mul"]\n  v1(["x1"])\n')
    assert text.endswith("  f1 --> v3\n")
