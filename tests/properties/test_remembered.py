"""Programs that are remembered, each against all laws: the odd corners, and whatever was once wrong.

A counterexample that a campaign finds is put into ``tests/programs`` under a name that says what it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dezero.verify.engines import Engine, V
from dezero.verify.laws import LAWS
from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, Ledger, holds

WITHOUT_A_VERDICT = {
    "on_a_narrow_peak": {"second_order"},
    "a_gradient_beyond_float64": {"second_order"},
    "a_slope_beyond_float64": {"gradient", "second_order"},
    "derivatives_beyond_float32": {"gradient", "second_order"},
    "values_beyond_float32": {"value", "gradient", "second_order", "linearity"},
}
"""The laws that nobody can decide: whatever an engine does, it comes to infinities."""

FILES = sorted((Path(__file__).parent.parent / "programs").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("engine", [DEZERO, CORE_SIMPLE], ids=["dezero", "core_simple"])
def test_a_remembered_program_keeps_all_laws(path: Path, engine: Engine[V]) -> None:
    program = Program.from_json(path.read_text("utf-8"))
    if not {step.op for step in program.steps} <= set(engine.contracts):
        pytest.skip(f"{engine.name} has not all of its operations")
    ledger = Ledger()
    with np.errstate(all="ignore"):  # some of them overflow
        for law in LAWS:
            holds(law, engine, program, ledger)
    undecided = WITHOUT_A_VERDICT.get(path.stem, set())
    assert set(ledger.unresolved) == undecided - (set() if engine is DEZERO else {"second_order"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_remembered_program_is_written_as_we_write(path: Path) -> None:
    text = path.read_text("utf-8")
    assert Program.from_json(text).to_json() + "\n" == text


def test_there_are_remembered_programs() -> None:
    assert len(FILES) >= 10
