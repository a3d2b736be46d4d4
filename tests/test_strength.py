"""The strength of the kit: a sample of its runs, and what is made of a run."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dezero.functions import Sin
from dezero.operation import Operation
from dezero.verify import strength
from dezero.verify.cli import main
from dezero.verify.faults import FAULTS, UNSEEN, Fault, scaled
from dezero.verify.planting import Patch
from dezero.verify.strength import (
    EXPONENTS,
    RULES,
    Catch,
    Strength,
    catch,
    sensitive_enough,
    sensitivity,
    share_seen,
    strength_of,
)
from dezero.verify.strength_report import (
    fault_row,
    markdown_table,
    sensitivity_rows,
    sensitivity_to_svg,
    summary,
)


def harmless(operation: type[Operation], factor: float) -> Patch:
    return scaled(operation, 1.0)


HARMLESS = Fault("harmless", "rules", "nothing", ("gradient",), 1, scaled(Sin, 1.0))


def table_in(text: str, title: str) -> list[dict[str, str]]:
    """The rows of the table whose first column has a title."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {title} |"))
    rows: list[dict[str, str]] = []
    titles = [cell.strip() for cell in lines[start].split("|")[1:-1]]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        rows.append(dict(zip(titles, cells, strict=True)))
    return rows


# ------------------------------------------------------------------------------------ A sample of a run


@pytest.mark.parametrize("name", ["sin_factor", "order_queue", "no_grad_escapes"])
def test_a_fault_is_caught_by_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--only", name, "--seeds", "1"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} ")]
    assert any(law in row for law in FAULTS[name].laws)


@pytest.mark.parametrize(
    ("name", "dtype", "least"),
    [("sin", "float64", 13.5), ("matmul", "float64", 13.0), ("sin", "float32", 5.0)],
)
def test_a_small_factor_is_seen(name: str, dtype: str, least: float) -> None:
    seen = sensitivity(name, dtype, 400)
    assert seen is not None
    assert seen >= least


def test_a_factor_is_not_seen_without_a_program() -> None:
    assert sensitivity("sin", "float64", 0) is None


def test_a_rule_without_a_fault_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catch(HARMLESS, 1, 20) is None
    monkeypatch.setattr(strength, "scaled", harmless)
    assert sensitivity("sin", "float64", 60) is None


def test_an_accusation_of_something_else_does_not_count() -> None:
    accused = Fault("", "rules", "", ("depth",), 1, FAULTS["cos_sign"].patch)
    assert catch(accused, 1, 200) is None


def test_each_seed_counts_and_standing_laws_have_none() -> None:
    told: list[int] = []
    found = strength_of(FAULTS["no_grad_for_all"], [1, 2, 3], 5, lambda: told.append(1))
    assert (len(found.catches), len(told)) == (1, 3)
    assert found.caught
    found = strength_of(HARMLESS, [1, 2], 3, lambda: told.append(1))
    assert (found.catches, len(told), found.caught) == ((None, None), 5, False)


# -------------------------------------------------------------------------------- What is made of a run

TWICE = Strength(
    FAULTS["cos_sign"],
    (
        Catch("gradient", 7, 1, 8.0),
        Catch("gradient", 9, 2, 2.0),
        Catch("second_order", 30, 1, math.inf),
    ),
)
ONCE = Strength(FAULTS["cos_sign"], (Catch("gradient", 7, 1, 8.0), None))
NEVER = Strength(FAULTS["cos_sign"], (None, None))


def test_a_row_is_of_medians_and_of_the_largest_program() -> None:
    row = fault_row(TWICE)
    assert row["caught by"] == "gradient, second_order"
    assert (row["programs"], row["steps"], row["margin"]) == ("9", "2", "8.0e+00")


def test_a_row_says_what_is_not_caught() -> None:
    assert not ONCE.caught
    assert fault_row(ONCE)["caught by"] == "*not caught* at 1 of 2 seeds, else gradient"
    row = fault_row(NEVER)
    assert row["caught by"] == "*not caught* at 2 of 2 seeds"
    assert (row["programs"], row["steps"], row["margin"]) == ("–", "–", "–")
    assert not Strength(FAULTS["cos_sign"], ()).caught


def test_the_summary_counts_what_every_seed_caught() -> None:
    assert summary([TWICE, ONCE, NEVER]) == (
        "1 of 3 faults caught at each of 3 seeds; half of them within 9 programs"
    )


def test_a_table_in_markdown() -> None:
    rows = [{"a": "|x|", "b": "1"}, {"a": "y", "b": "2"}]
    assert markdown_table(rows) == "| a | b |\n|---|---|\n| \\|x\\| | 1 |\n| y | 2 |\n"


CURVE: dict[str, dict[str, float | None]] = {
    "float64": {"a": 14.0, "b": 11.0, "c": None},
    "float32": {"a": 5.5, "b": 4.0, "c": 3.0},
}


def test_a_share_counts_what_is_seen_at_least_as_small() -> None:
    assert share_seen(CURVE["float64"].values(), 11.0) == 2 / 3
    assert share_seen(CURVE["float64"].values(), 11.5) == 1 / 3
    assert share_seen([], 3.0) == 0


def test_nine_in_ten_must_reach_both_goals() -> None:
    assert not sensitive_enough(CURVE)
    good = {f"op{i}": 12.0 for i in range(9)}
    assert sensitive_enough({"float64": {**good, "last": None}})
    assert not sensitive_enough({"float64": {**good, "last": None, "other": 10.5}})
    assert not sensitive_enough({"float64": good, "float32": {"a": 3.5}})


def test_the_rows_of_the_sensitivity() -> None:
    assert sensitivity_rows(CURVE)[0] == {"operation": "`a`", "float64": "1e-14", "float32": "3e-06"}
    assert sensitivity_rows(CURVE)[2]["float64"] == "*not seen*"


def test_the_curve_falls_from_left_to_right() -> None:
    root = ElementTree.fromstring(sensitivity_to_svg(CURVE))
    lines = [part.attrib["points"].split() for part in root.iter() if part.tag.endswith("polyline")]
    assert [len(line) for line in lines] == [len(ks) for ks in EXPONENTS.values()]
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line]
        assert points == sorted(points)


# ---------------------------------------------------------------------------------- What is published

PUBLISHED = (Path(__file__).parent.parent / "docs" / "strength.md").read_text("utf-8")


def test_the_published_table_has_every_fault_and_counts_those_that_are_caught() -> None:
    rows = table_in(PUBLISHED, "fault")
    assert [row["fault"] for row in rows] == list(FAULTS)
    for row in rows:
        fault = FAULTS[row["fault"]]
        assert (row["family"], row["what is wrong"]) == (fault.family, fault.sentence)
        assert float(row["programs"]) <= 2000
    caught = sum("not caught" not in row["caught by"] for row in rows)
    assert f"{caught} of {len(rows)} faults caught at each of 5 seeds" in PUBLISHED
    assert caught >= len(rows) - 1
    unseen = table_in(PUBLISHED.partition("What no law sees:")[2], "fault")
    assert [row["fault"] for row in unseen] == list(UNSEEN)


def test_the_published_curve_has_every_rule_and_reaches_the_goals() -> None:
    rows = table_in(PUBLISHED, "operation")
    assert [row["operation"] for row in rows] == [f"`{name}`" for name in sorted(RULES)]
    for dtype, goal in (("float64", 1e-11), ("float32", 1e-4)):
        reached = [row[dtype] != "*not seen*" and float(row[dtype]) <= goal for row in rows]
        assert sum(reached) >= 0.9 * len(rows)
    ElementTree.parse(Path(__file__).parent.parent / "docs" / "sensitivity.svg")


# ------------------------------------------------------------------------------------------ The command


def test_the_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, table = tmp_path / "f.json", tmp_path / "f.md"
    arguments = ["--only", "no_grad_for_all", "--json", str(made), "--markdown", str(table)]
    assert main(["faults", *arguments]) == 0
    assert "1 of 1 faults caught" in capsys.readouterr().out
    found = json.loads(made.read_text("utf-8"))
    assert found["faults"][0]["caught"] is True
    assert found["faults"][0]["catches"] == [
        {"law": "no_graph", "programs": 0, "steps": None, "margin": None}
    ]
    assert table_in(table.read_text("utf-8"), "fault")[0]["caught by"] == "no_graph"
    assert re.search(r"\d{4}-\d\d-\d\d; seeds 1, 2, 3, 4, 5;", table.read_text("utf-8"))


def test_the_command_fails_if_a_fault_is_not_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--only", "expm1_cancels", "--examples", "1", "--seeds", "1"]) == 1
    out = capsys.readouterr().out
    assert "*not caught* at 1 of 1 seeds" in out
    assert "What no law sees:" in out
    assert all(name in out for name in UNSEEN)


def test_the_command_draws_the_sensitivity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("s.json", "s.md", "s.svg")]
    options = [f"--{path.suffix[1:].replace('md', 'markdown')}={path}" for path in paths]
    assert main(["faults", "--sensitivity", "--only", "neg", "--examples", "60", *options]) == 0
    assert "float64: 100% of 1 rules" in capsys.readouterr().out
    found = json.loads(paths[0].read_text("utf-8"))
    assert found["exponents"]["float64"]["neg"] >= 11
    assert table_in(paths[1].read_text("utf-8"), "operation")[0]["operation"] == "`neg`"
    ElementTree.parse(paths[2])


def test_the_command_fails_if_it_is_not_sensitive(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--sensitivity", "--only", "power", "--examples", "1"]) == 1
    assert "*not seen*" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "no fault is called 'nothing'"),
        (["--sensitivity", "--only", "sin_factor"], "no rule is called 'sin_factor'"),
        (["--svg", "x.svg"], "--svg draws the sensitivity; add --sensitivity"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", *arguments]) == 2
    assert message in capsys.readouterr().err
