"""What `--certify` proves, and that no value is accused that balls do not accuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dezero.functions import Sin
from dezero.verify import cli
from dezero.verify.faults import FAULTS, Fault, planted, scaled
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program, Step
from dezero.verify.strength import trial

SIN = Program((np.array([0.5, 1.0, -2.0]),), (Step("sin", (0,)),), (1,), (np.array([1.0, -0.5, 2.0]),))


def ulps(program: Program) -> float | None:
    asked = trial(program)
    asked.certify = True
    LAWS["gradient"].hold(asked)
    return None if asked.certificate is None else asked.certificate.ulps


def test_a_good_gradient_is_within_an_ulp_or_two() -> None:
    found = ulps(SIN)
    assert found is not None
    assert 0 <= found <= 2


def test_an_error_too_small_for_a_tolerance_shows_in_the_ulps() -> None:
    with planted(Fault("", "rules", "", ("gradient",), 1, scaled(Sin, 1 + 4e-15))):
        found = ulps(SIN)
    assert found is not None
    assert 3 < found < 40  # this part of the largest element is 18 to 36 of its last places


def test_nothing_is_certified_of_a_kink_or_of_float32() -> None:
    kink = Program((np.zeros(2),), (Step("relu", (0,)),), (1,), (np.ones(2),))
    assert ulps(kink) is None
    assert ulps(SIN.astype("float32")) is None


def test_what_balls_cannot_decide_is_unresolved() -> None:
    """exp(log(3)) - 3 is 0, a kink of relu: to balls it is about 0."""
    x = np.array([3.0])
    steps = (Step("log", (0,)), Step("exp", (1,)), Step("sub", (2, 0)), Step("relu", (3,)))
    program = Program((x,), steps, (4,), (np.array([1.0]),))
    asked = trial(program)
    with pytest.raises(Unresolved, match="a comparison cannot be decided"):
        asked.certify_gradient()


def test_a_zero_that_is_a_difference_has_finite_ulps() -> None:
    """The enclosure of such a zero has a radius, though it is very small."""
    x = np.array([0.3, 0.7])
    program = Program((x,), (Step("exp", (0,)), Step("sub", (1, 1))), (2,), (np.array([1.0, -2.0]),))
    found = ulps(program)
    assert found is not None
    assert found < 1


def test_the_report_says_what_was_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, lines = tmp_path / "report.json", tmp_path / "certificates.jsonl"
    command = ["verify", "--ops", "sin,mul,relu", "--laws", "gradient", "--examples", "40"]
    command += ["--seed", "1", "--dtype", "float64"]
    assert cli.main([*command, "--json", str(written), "--certificates", str(lines)]) == 0
    assert "certified: the gradients in float64 of " in capsys.readouterr().out
    about = json.loads(written.read_text())["certified"]
    certificates = [json.loads(line) for line in lines.read_text().splitlines()]
    assert about["bits"] == 128
    assert about["programs"] == len(certificates)
    assert 20 < len(certificates) <= 40
    assert max(c["ulps"] for c in certificates) == pytest.approx(about["largest"], rel=0.1)
    first = tmp_path / "first.json"
    first.write_text(json.dumps(certificates[0]))
    assert cli.main(["replay", str(first)]) == 0


def test_nothing_is_certified_unless_asked_for(tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    cli.main(
        ["verify", "--ops", "sin", "--laws", "gradient", "--examples", "5", "--json", str(written)]
    )
    assert json.loads(written.read_text())["certified"] == {"programs": 0}


def test_a_value_is_accused_only_if_balls_agree() -> None:
    innocent = trial(SIN)
    innocent.values[1] = innocent.values[1] + 1e-9  # the reference's own arithmetic went wrong
    LAWS["value"].hold(innocent)
    guilty = trial(SIN)
    found = guilty.run.values[1]
    assert found is not None
    guilty.__dict__["run"] = replace(guilty.run, values=[guilty.run.values[0], found + 1e-9])
    with pytest.raises(Broken, match="value 1, of step 0"):
        LAWS["value"].check(guilty)


def test_certificates_are_asked_for_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with planted(FAULTS["sin_factor"]):
        options = ["--seed", "1", "--ops", "sin,add", "--laws", "gradient"]
        assert cli.main(["verify", *options, "--certificates", str(tmp_path / "c.jsonl")]) == 1
    assert "dezero verify dezero --seed 1 --certify " in capsys.readouterr().out
