"""The specification: it is what the contracts say, and complete."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dezero import Variable, grad
from dezero.contract import Array, Attribute
from dezero.verify import cli, specification
from dezero.verify.catalogue import CORE, OPERATIONS
from dezero.verify.cli.arguments import USAGE
from dezero.verify.specification import FORMS, FORMULAS, RESULTS, Formula

DOCUMENT = Path(__file__).parent.parent / "docs" / "specification.md"


def sections(text: str) -> dict[str, str]:
    """What is said of each operation."""
    parts = re.split(r"(?m)^#### `(\w+)`\n", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_document_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["spec"]) == 0
    assert capsys.readouterr().out == DOCUMENT.read_text("utf-8"), (
        "docs/specification.md is stale: dezero spec --write docs/specification.md"
    )


def test_a_changed_formula_makes_the_document_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**FORMULAS, "sin": Formula("that of x", "sin x", "gx = gy")}
    monkeypatch.setattr(specification, "FORMULAS", changed)
    assert specification.specification() != DOCUMENT.read_text("utf-8")


def test_it_is_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["spec", "--write", str(tmp_path / "s.md")]) == 0
    assert (tmp_path / "s.md").read_text("utf-8") == specification.specification()
    (tmp_path / "file").touch()
    assert cli.main(["spec", "--write", str(tmp_path / "file" / "s.md")]) == USAGE
    assert "cannot be written" in capsys.readouterr().err


def test_every_operation_has_its_section() -> None:
    found = sections(specification.specification())
    assert list(found)[: len(CORE)] == list(CORE)
    assert set(found) == set(OPERATIONS)
    for name, text in found.items():
        rows = re.findall(r"(?m)^- (\w+)[^:\n]*: (.*)$", text)
        said = {row for row, value in rows if value.strip()}
        assert said >= {"operands", "shape", "value", "domain"}, name
        assert (name in CORE) == ("vjp" in said), name
        for attribute in OPERATIONS[name].contract.attributes:
            assert f"attribute `{attribute}`" in text, name


@pytest.mark.parametrize("name", CORE)
def test_an_operation_of_core_cannot_lack_a_formula(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all((FORMULAS[name].shape, FORMULAS[name].value, FORMULAS[name].vjp))
    fewer = {other: formula for other, formula in FORMULAS.items() if other != name}
    monkeypatch.setattr(specification, "FORMULAS", fewer)
    with pytest.raises(KeyError, match=name):
        specification.specification()


def test_an_operation_with_attributes_cannot_lack_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {name: said for name, said in RESULTS.items() if name != "roll"}
    monkeypatch.setattr(specification, "RESULTS", fewer)
    with pytest.raises(ValueError, match="roll: give the shape of its result"):
        specification.specification()


def test_nothing_is_said_of_what_there_is_not() -> None:
    assert set(FORMULAS) == set(CORE)
    assert set(RESULTS) <= set(OPERATIONS) - set(CORE)
    assert set(FORMS) == set(Attribute)


def test_it_speaks_of_no_language() -> None:
    text = specification.specification()
    for word in ("None", "True", "False", "tuple", "ndarray", "NumPy", "np.", "Python", "len(self"):
        assert word not in text, word


def sigma(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


RULES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "gx = -gy": lambda gy, x, y: -gy,
    "gx = gy · 2x": lambda gy, x, y: gy * 2 * x,
    "gx = gy / (2y), where y = √x": lambda gy, x, y: gy / (2 * y),
    "gx = gy · y, where y = eˣ": lambda gy, x, y: gy * y,
    "gx = gy / x": lambda gy, x, y: gy / x,
    "gx = gy · cos x": lambda gy, x, y: gy * np.cos(x),
    "gx = -gy · sin x": lambda gy, x, y: -gy * np.sin(x),
    "gx = gy where x > 0, else 0": lambda gy, x, y: np.where(x > 0, gy, 0),
    FORMULAS["tanh"].vjp: lambda gy, x, y: gy * 4 * sigma(2 * x) * sigma(-2 * x),
    FORMULAS["sigmoid"].vjp: lambda gy, x, y: gy * y * sigma(-x),
}
"""The formulas of one operand, read as NumPy."""


@pytest.mark.parametrize(
    "name", ["neg", "square", "sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid", "relu"]
)
def test_the_rules_of_one_operand_are_those_of_dezero(name: str) -> None:
    x, gy = Variable(np.array([0.3, 1.0, 2.5])), np.array([1.5, -0.5, 2.0])
    y = OPERATIONS[name]()(x)
    assert isinstance(y, Variable)
    found = grad(y, x, gys=Variable(gy)).data
    expected = RULES[FORMULAS[name].vjp](gy, x.data, y.data)
    assert math.isclose(float(np.abs(found - expected).max()), 0.0, abs_tol=1e-15)
