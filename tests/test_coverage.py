"""What a campaign counts of its programs, and the floor below which it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from dezero import core_simple
from dezero.verify import campaign, cli, coverage
from dezero.verify.campaign import Plan
from dezero.verify.cli import verifying
from dezero.verify.coverage import FEATURES, Coverage, possible_features
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate
from dezero.verify.program import Program, Step
from dezero.verify.strategies import swept
from dezero.verify.strength import DTYPES, trial
from dezero.verify.trial import Trial

Outputs: TypeAlias = tuple[int, ...]


def program(
    shapes: list[tuple[int, ...]], *steps: Step, outputs: Outputs | None = None, dtype: str = "float64"
) -> Program:
    """Steps on arrays of ones; the last value is the output."""
    inputs = tuple(np.ones(shape, dtype) for shape in shapes)
    last = len(inputs) + sum(step.n_out for step in steps) - 1
    outputs = (last,) if outputs is None else outputs
    made = Program(inputs, steps, outputs, tuple(np.ones((), dtype) for _ in outputs))
    values = evaluate(made)
    return replace(made, seeds=tuple(np.ones_like(values[i]) for i in outputs))


def counted(of: Program, kinked: bool = False) -> set[str]:
    found = Coverage()
    found.count(of)
    found.count_values(of, evaluate(of), CONTRACTS, kinked)
    return set(found.features)


SIN, ADD = Step("sin", (0,)), Step("add", (0, 1))
CHAIN = tuple(Step("sin", (i,)) for i in range(8))
EXAMPLES = {
    "0-d": program([()], SIN),
    "empty": program([(0, 2)], SIN),
    "one element": program([(1, 1)], SIN),
    "many axes": program([(2, 1, 2)], SIN),
    "added axes": program([(2, 2), (2,)], ADD),
    "stretched axes": program([(2, 2), (1, 2)], ADD),
    "both stretched": program([(2, 1), (1, 2)], ADD),
    "fan-out": program([(2,)], SIN, Step("add", (0, 1))),
    "used twice by one": program([(2,)], Step("mul", (0, 0))),
    "several outputs": program([(2,)], Step("split", (0,), {"sections": 2, "axis": 0}, 2)),
    "several roots": program([(2,)], SIN, Step("cos", (0,)), outputs=(1, 2)),
    "unused": program([(2,)], Step("split", (0,), {"sections": 2, "axis": 0}, 2), outputs=(1,)),
    "shallow": program([(2,)], SIN),
    "deep": program([(2,)], *CHAIN),
    "float64": program([(2,)], SIN),
    "float32": program([(2,)], SIN, dtype="float32"),
}
PLAIN = program([(2,), (2,)], ADD, Step("sin", (2,)))


@pytest.mark.parametrize("feature", EXAMPLES)
def test_a_feature_is_counted_where_it_is(feature: str) -> None:
    assert feature in counted(EXAMPLES[feature])
    assert feature == "float64" or feature not in counted(PLAIN)


def test_a_kink_is_counted() -> None:
    assert "kink" in counted(PLAIN, kinked=True)
    assert counted(PLAIN) == {"float64"}
    assert set(FEATURES) == {*EXAMPLES, "kink"}


def test_seven_steps_are_not_deep_and_two_are_not_shallow() -> None:
    assert counted(program([(2,)], *CHAIN[:7])) == {"float64"}


def test_stretching_is_of_axes_that_an_operand_has() -> None:
    assert counted(program([(2, 2), ()], ADD)) >= {"added axes"}
    assert "stretched axes" not in counted(program([(2, 2), (2,)], ADD))
    assert "both stretched" not in counted(EXAMPLES["stretched axes"])


def test_what_cannot_occur_is_not_asked_for() -> None:
    unary = {"sin": CONTRACTS["sin"]}
    impossible = {"added axes", "stretched axes", "both stretched", "kink", "several outputs"}
    assert not impossible & set(possible_features(unary, ("float64",)))
    assert "float32" not in possible_features(CONTRACTS, ("float64",))
    assert set(possible_features(CONTRACTS, ("float64", "float32"))) == set(FEATURES)


def test_what_is_missing_is_named() -> None:
    found = Coverage()
    for one in islice(swept(CONTRACTS, ("float64",), 1), 81):
        found.count(one)
        found.count_values(one, evaluate(one), CONTRACTS, kinked=False)
    missing = found.missing(CONTRACTS, ("float64", "float32"))
    assert {"kink", "float32", "deep"} <= set(missing)
    assert not any(name.startswith("operation") for name in missing)
    assert "operation sin" in Coverage().missing(CONTRACTS, ("float64",))


def test_too_little_covered_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The floor, lowered to campaigns of ten programs, which cannot reach it."""
    monkeypatch.setattr(verifying, "FLOOR_FROM", 10)
    monkeypatch.setattr("dezero.verify.standing.DEPTH", 1000)
    written = tmp_path / "report.json"
    command = ["verify", "core_simple", "--examples", "10", "--seed", "1", "--json", str(written)]
    assert cli.main(command) == 1
    assert "never occurred, but should have: " in capsys.readouterr().out
    decoded = json.loads(written.read_text())
    assert decoded["verdict"] == "too little covered"
    assert "deep" in decoded["coverage"]["below_the_floor"]
    assert cli.main([*command, "--ops", "add"]) == 0  # asked for few, and got few


def test_a_campaign_that_the_floor_holds_for_covers_all_that_it_can() -> None:
    for contracts, engine_trial in ((CONTRACTS, trial), (CoreSimpleEngine().contracts, simple)):
        plan = Plan(engine_trial, contracts, (), 9, coverage.FLOOR_FROM, dtypes=DTYPES)
        tally = campaign.run(plan)
        assert tally.coverage.missing(contracts, DTYPES) == []


def simple(program: Program) -> Trial[core_simple.Variable]:
    return Trial(CoreSimpleEngine(), program)
