"""`dezero compare`: several engines side by side, and on behind their counterexamples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dezero.verify import scoreboard
from dezero.verify.campaign import Plan
from dezero.verify.claims import Claims
from dezero.verify.cli import main, targets
from dezero.verify.cli.arguments import NotStarted
from dezero.verify.engines import Engine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import FAULTS, planted
from dezero.verify.scoreboard import NOT_CLAIMED, Score
from dezero.verify.trial import Trial

OPS = ("add", "mul", "sum", "sin", "tanh", "cos")
PLAN = Plan(
    lambda program: Trial(DezeroEngine(), program),
    {op: CONTRACTS[op] for op in OPS},
    ("runs", "value", "gradient"),
    5,
    examples=150,
)


def wrong() -> Score:
    with planted(FAULTS["sin_factor"]), planted(FAULTS["tanh_value"]):
        return scoreboard.score(
            DezeroEngine(), "dezero", "dezero 0", PLAN, Claims(operations={"cos": "why"})
        )


def test_a_campaign_goes_on_behind_its_counterexamples() -> None:
    found = wrong()
    assert set(found.broken) >= {("gradient", "sin"), ("value", "tanh")}
    assert found.tally is not None
    assert found.tally.examples > 100
    assert found.of_operation("sin") == ["gradient"]
    assert found.of_operation("cos") == NOT_CLAIMED
    assert found.of_law("second_order") == NOT_CLAIMED
    assert isinstance(found.of_operation("mul"), int)
    for shown in found.broken.values():
        assert shown.found.program is not None
        assert len(shown.found.program.steps) <= 2
        assert shown.traced  # what is at every value, too


def test_each_cell_leads_to_its_counterexample() -> None:
    one = wrong()
    page = scoreboard.to_html([one, Score("torch", missing="it is not installed")], 1)
    assert page.count('<article id="counterexample-') == len(one.broken) >= 2
    for n in range(1, len(one.broken) + 1):
        assert page.count(f'href="#counterexample-{n}"') == 2  # from its law and from its operation
    assert "missing: it is not installed" in page
    assert "not claimed" in page


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = targets.engine_of

    def some(name: str) -> Engine[object]:
        if name == "jax":
            raise NotStarted("jax cannot be loaded")
        return real(name)

    monkeypatch.setattr(targets, "engine_of", some)
    files = tmp_path / "board.json", tmp_path / "board.html"
    arguments = ["compare", "core_simple", "jax", "--seed", "1", "--examples", "40"]
    assert main([*arguments, "--json", str(files[0]), "--html", str(files[1])]) == 0
    said = capsys.readouterr().out
    assert said.startswith("core_simple (core_simple 0.1.0): 40 programs; of 81 operations 9 claimed")
    assert "jax: missing: jax cannot be loaded" in said
    engines = json.loads(files[0].read_text("utf-8"))["engines"]
    assert [one["name"] for one in engines] == ["core_simple", "jax"]
    assert engines[0]["operations"]["conv2d"] == NOT_CLAIMED
    assert engines[0]["operations"]["mul"] > 0
    assert "Scoreboard" in files[1].read_text("utf-8")
    assert main(["compare", "jax"]) == 3
    assert main(["compare", "nobody"]) == 2
