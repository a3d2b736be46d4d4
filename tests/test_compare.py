"""`dezero compare`: several engines side by side, and on behind their counterexamples."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dezero.verify import campaign, scoreboard, stretches
from dezero.verify.campaign import Plan, Tally
from dezero.verify.claims import Claims
from dezero.verify.cli import main, targets
from dezero.verify.cli.arguments import NotStarted
from dezero.verify.engines import Engine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import FAULTS, planted
from dezero.verify.known import KnownFailure
from dezero.verify.laws import STANDING_LAWS
from dezero.verify.outcomes import Broken
from dezero.verify.scoreboard import BY_ITSELF, NOT_CLAIMED, Score
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


def test_a_listener_is_told_how_far_it_is() -> None:
    told: list[int] = []
    scoreboard.score(
        DezeroEngine(), "dezero", "dezero 0", PLAN, Claims(), lambda done: told.append(done.examples)
    )
    assert told
    assert told == sorted(told)
    assert told[-1] <= 150


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
    assert page.count("diverges first") >= 2  # its values, too, and what replays it
    assert page.count("dezero replay - dezero &lt;&lt;&#39;END&#39;\n") == len(one.broken)


def test_a_replay_has_the_limits_of_the_port() -> None:
    page = scoreboard.to_html([replace(wrong(), conditions="--program-limit 30s")], 1)
    assert "dezero replay --program-limit 30s - dezero " in page


def test_engines_of_one_name_keep_their_counterexamples() -> None:
    one = wrong()
    other = replace(one, who="another of its name")
    page = scoreboard.to_html([one, other], 1)
    for n in range(1, 2 * len(one.broken) + 1):
        assert page.count(f'href="#counterexample-{n}"') == 2


def test_the_table_in_a_terminal_says_the_same() -> None:
    text = StringIO()
    hostile = replace(wrong(), name="[red]:smile:\x1b[2J")
    Console(file=text, width=100).print(scoreboard.tables([hostile], 5))
    said = text.getvalue()
    assert "[red]:smile:\\u001b[2J" in said  # as text, and no control character
    rows = [line.split() for line in said.splitlines()]
    assert ["sin", "✗", "gradient"] in rows
    assert ["cos,", "abs,"] not in rows
    assert [row for row in rows if row[:2] == ["value", "✗"]] == [["value", "✗", "tanh"]]
    assert any(row[-1:] == ["–"] and "cos" in row for row in rows)  # it is not claimed


def test_a_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the campaign runs by tenths of a second, whatever the machine does."""
    clock = SimpleNamespace(monotonic=count(0.0, 0.1).__next__, perf_counter=lambda: 0.0)
    monkeypatch.setattr(campaign, "time", clock)
    plan = replace(PLAN, examples=None, seconds=2.0)
    found = scoreboard.score(DezeroEngine(), "dezero", "dezero 0", plan, Claims())
    assert found.tally is not None
    assert 0 < found.tally.examples < 20


def test_by_number_a_campaign_is_that_of_its_stretches() -> None:
    """Also behind a counterexample, which each stretch meets anew."""
    plan = replace(PLAN, examples=60, stretch_size=30)
    with planted(FAULTS["sin_factor"]):
        found = scoreboard.score(DezeroEngine(), "dezero", "dezero 0", plan, Claims()).tally
        every = [KnownFailure(op, law, "met") for op in reversed(OPS) for law in PLAN.laws]
        known = replace(plan, known=every)
        parts = {n: campaign.run_stretch(known.of_stretch(n)) for n in (0, 1)}
    assert found is not None
    total = stretches.together(parts)
    assert (found.examples, found.held, found.matrix) == (total.examples, total.held, total.matrix)
    assert found.known.keys() == total.known.keys()


def test_a_law_that_no_program_decides_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Engine[Any]) -> None:
        raise Broken("a chain", "an end", "none")

    monkeypatch.setitem(STANDING_LAWS, "depth", (fails,))
    plan = replace(PLAN, laws=("runs", "depth"), examples=5)
    found = scoreboard.score(DezeroEngine(), "dezero", "dezero 0", plan, Claims())
    assert found.of_law("depth") == [BY_ITSELF]
    page = scoreboard.to_html([found], 1)
    assert "the law <code>depth</code> by itself" in page


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = targets.engine_of

    def some(name: str) -> Engine[object]:
        if name == "jax":
            raise NotStarted("jax cannot be loaded")
        return real(name)

    monkeypatch.setattr(targets, "engine_of", some)
    for law in STANDING_LAWS:
        monkeypatch.setitem(STANDING_LAWS, law, ())  # they take long
    files = tmp_path / "board.json", tmp_path / "board.html"
    arguments = ["compare", "core_simple", "jax", "--seed", "1", "--examples", "40"]
    assert main([*arguments, "--json", str(files[0]), "--html", str(files[1])]) == 0
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said[0] == ["seed", "1"]
    assert ["core_simple", "core_simple", "0.1.0", "40", "9", "of", "81", "0"] in said
    assert ["jax", "missing:", "jax", "cannot", "be", "loaded", "–", "–", "–"] in said
    assert ["gradient", "✓", "40"] in said
    assert ["second_order", "–"] in said
    assert ["depth", "✓", "1"] in said
    engines = json.loads(files[0].read_text("utf-8"))["engines"]
    assert [one["name"] for one in engines] == ["core_simple", "jax"]
    assert engines[0]["operations"]["conv2d"] == NOT_CLAIMED
    assert engines[0]["operations"]["mul"] > 0
    assert "Scoreboard" in files[1].read_text("utf-8")
    umask = os.umask(0o022)
    os.umask(umask)
    assert [file.stat().st_mode & 0o777 for file in files] == [0o666 & ~umask] * 2
    unwritable = ("--json", str(tmp_path), "--html", str(files[1]))
    assert main([*arguments, *unwritable]) == 2
    shown = capsys.readouterr()
    assert "it is a folder" in shown.err
    assert shown.out == ""  # nothing was run for it
    assert main(["compare", "jax"]) == 3
    assert main(["compare", "nobody"]) == 2


def test_a_port_that_does_not_start_costs_no_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> Score:
        raise AssertionError("a campaign was begun")

    monkeypatch.setattr(scoreboard, "score", never)
    assert main(["compare", "core_simple", "--", "/nonexistent/port"]) == 3
    assert "/nonexistent/port cannot be started" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tally", "code"),
    [
        (Tally(examples=3, held=Counter(value=3)), 0),
        (Tally(held=Counter(depth=1)), 5),
        (Tally(examples=3, held=Counter(value=2), unresolved=Counter({("value", "why"): 1})), 1),
    ],
    ids=["held", "nothing ran", "unresolved"],
)
def test_the_exit_code_is_that_of_verify(
    tally: Tally, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(*_: object) -> Score:
        return Score("core_simple", "who", tally=tally)

    monkeypatch.setattr(scoreboard, "score", scored)
    assert main(["compare", "core_simple"]) == code
