"""What was measured of the strength of the kit, as tables and as a curve, for people and machines."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.faults import UNSEEN
from dezero.verify.program import Json
from dezero.verify.strength import COMPANY, EXPONENTS, GOALS, SHARE, Strength, share_seen

# ------------------------------------------------------------------------------------------ On the way


@contextmanager
def progress(total: int) -> Generator[Callable[[str], None]]:
    """Says that one more is done, and which: on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda name: progress.update(task, description=f"{name:<24}", advance=1)


def show(rows: Sequence[Mapping[str, str]], *without: str) -> None:
    """Rows as a table on a terminal, as plain lines elsewhere; without some of the columns."""
    titles = [title for title in rows[0] if title not in without]
    console = Console()
    if console.is_terminal:
        table = Table(*titles)
        for row in rows:
            table.add_row(*(row[title] for title in titles))
        console.print(table)
        return
    widths = [max(len(row[title]) for row in (*rows, {t: t for t in titles})) for title in titles]
    for cells in (titles, *([row[title] for title in titles] for row in rows)):
        print("  ".join(cell.ljust(n) for cell, n in zip(cells, widths, strict=True)).rstrip())


# ------------------------------------------------------------------------------------------- The tables


def versions() -> str:
    """Of what a measurement depends on."""
    packages = ", ".join(
        f"{name} {version(package)}"
        for name, package in (
            ("NumPy", "numpy"),
            ("Hypothesis", "hypothesis"),
            ("python-flint", "python-flint"),
        )
    )
    return f"Python {platform.python_version()}, {packages}"


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as a table in Markdown."""
    titles = list(rows[0]) if rows else []
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row.values()) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def fault_row(strength: Strength) -> dict[str, str]:
    """What the table shows of a fault."""
    missed = sum(c is None for c in strength.catches)
    laws = ", ".join(strength.laws)
    if missed:
        laws = f"*not caught* at {missed} of {len(strength.catches)} seeds" + (
            laws and f", else {laws}"
        )
    return {
        "fault": strength.fault.name,
        "family": strength.fault.family,
        "what is wrong": strength.fault.sentence,
        "caught by": laws,
        "programs": "–" if math.isinf(strength.examples) else f"{strength.examples:.0f}",
        "steps": "–" if strength.steps is None else str(strength.steps),
        "margin": "–" if not 0 < strength.margin < math.inf else f"{strength.margin:.1e}",
    }


def unseen_rows() -> list[dict[str, str]]:
    """The faults that no law sees as yet."""
    return [
        {"fault": fault.name, "family": fault.family, "what is wrong": fault.sentence}
        for fault in UNSEEN.values()
    ]


def summary(strengths: Sequence[Strength]) -> str:
    """How many faults were caught, in a sentence."""
    caught = sum(s.caught for s in strengths)
    seeds = max((len(s.catches) for s in strengths), default=0)
    programs = median([s.examples for s in strengths if s.caught and s.fault.smallest] or [0])
    return (
        f"{caught} of {len(strengths)} faults caught at each of {seeds} seeds; "
        f"half of them within {programs:.0f} programs"
    )


def faults_to_markdown(strengths: Sequence[Strength], seeds: Sequence[int], examples: int) -> str:
    """The faults as a section of a document."""
    return (
        f"{summary(strengths)}.\n\n"
        f"{date.today().isoformat()}; seeds {', '.join(map(str, seeds))}; at most {examples} programs "
        f"over all {len(CONTRACTS)} operations; {versions()}.\n\n"
        f"{markdown_table([fault_row(s) for s in strengths])}\n"
        f"What no law sees:\n\n{markdown_table(unseen_rows())}"
    )


def faults_to_json(strengths: Sequence[Strength], seeds: Sequence[int], examples: int) -> str:
    """The faults with all that was measured."""
    rows: list[Json] = [
        {
            "fault": s.fault.name,
            "family": s.fault.family,
            "sentence": s.fault.sentence,
            "smallest": s.fault.smallest,
            "caught": s.caught,
            "catches": [
                None
                if c is None
                else {
                    "law": c.law,
                    "programs": c.examples,
                    "steps": c.steps,
                    "margin": c.margin if math.isfinite(c.margin) else None,
                }
                for c in s.catches
            ],
        }
        for s in strengths
    ]
    found: Json = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "seeds": list(seeds),
        "examples": examples,
        "faults": rows,
        "unseen": list(UNSEEN),
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def sensitivity_rows(curve: Mapping[str, Mapping[str, float | None]]) -> list[dict[str, str]]:
    """For each operation the smallest factors that are seen."""
    names = sorted({name for seen in curve.values() for name in seen})
    return [
        {"operation": f"`{name}`"} | {dtype: power(seen.get(name)) for dtype, seen in curve.items()}
        for name in names
    ]


def power(k: float | None) -> str:
    """10^-k to two digits."""
    return "*not seen*" if k is None else f"{10**-k:.0e}"


def sensitivity_summary(curve: Mapping[str, Mapping[str, float | None]]) -> str:
    """How many operations reach the goal, in a sentence for each element type."""
    return "\n".join(
        f"{dtype}: {share_seen(seen.values(), GOALS[dtype]):.0%} of {len(seen)} rules may not be wrong "
        f"by a factor of 1 + {power(GOALS[dtype])} unseen (expected: {SHARE:.0%})"
        for dtype, seen in curve.items()
    )


def sensitivity_to_markdown(curve: Mapping[str, Mapping[str, float | None]], programs: int) -> str:
    """The smallest factors as a section of a document."""
    sentences = "".join(f"- {line}.\n" for line in sensitivity_summary(curve).splitlines())
    return (
        f"{sentences}\n{date.today().isoformat()}; {programs} programs over the operation and "
        f"{', '.join(f'`{op}`' for op in COMPANY)}; {versions()}.\n\n"
        f"{markdown_table(sensitivity_rows(curve))}"
    )


def sensitivity_to_json(curve: Mapping[str, Mapping[str, float | None]], programs: int) -> str:
    """The exponents k of the smallest factors 1 + 10^-k that are seen."""
    exponents: dict[str, Json] = {dtype: dict(seen) for dtype, seen in curve.items()}
    found: Json = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "programs": programs,
        "exponents": exponents,
    }
    return json.dumps(found, indent=1) + "\n"


# -------------------------------------------------------------------------------------------- The curve

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 360, 56, 44, 32, 48
_COLOURS = {"float64": "#1f5fa8", "float32": "#c2571a"}


def sensitivity_to_svg(curve: Mapping[str, Mapping[str, float | None]]) -> str:
    """The share of rules in which a factor is seen, over the size of the factor, as a picture."""
    low, high = 3.0, 15.0

    def across(k: float) -> float:
        return round(_LEFT + (k - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 1)

    def down(share: float) -> float:
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def text(x: float, y: float, words: str, more: str = "") -> str:
        return f'<text x="{x}" y="{y}" {more}>{words}</text>'

    def line(x1: float, y1: float, x2: float, y2: float, more: str) -> str:
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {more}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        "<title>How small an error of a rule is seen</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        text(_LEFT, 22, "Of all rules, those in which a factor 1 + ε is seen", 'font-size="14"'),
    ]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(_LEFT, down(part), _WIDTH - _RIGHT, down(part), 'stroke="#ddd"'))
        parts.append(text(_LEFT - 8, down(part) + 4, f"{part:.0%}", 'text-anchor="end"'))
    for digits in range(int(low), int(high) + 1, 2):
        exponent = "10⁻" + str(digits).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        parts.append(text(across(digits), _HEIGHT - _BOTTOM + 18, exponent, 'text-anchor="middle"'))
    parts.append(text(_WIDTH - _RIGHT, _HEIGHT - 10, "ε: ever smaller errors →", 'text-anchor="end"'))
    for number, (dtype, seen) in enumerate(curve.items()):
        colour = _COLOURS[dtype]
        goal = across(GOALS[dtype]), down(SHARE)
        steps = [(k, share_seen(seen.values(), k)) for k in EXPONENTS[dtype]]
        points = " ".join(f"{across(k)},{down(share)}" for k, share in steps)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for k, share in steps:
            parts.append(f'<circle cx="{across(k)}" cy="{down(share)}" r="2.5" fill="{colour}"/>')
        parts.append(
            f'<path d="M{goal[0] - 5} {goal[1]}h10m-5 -5v10" stroke="{colour}" stroke-width="1.5"/>'
        )
        key = _TOP + 130 + 18 * number
        stroke = f'stroke="{colour}" stroke-width="2"'
        parts.append(line(_LEFT + 240, key - 4, _LEFT + 264, key - 4, stroke))
        parts.append(text(_LEFT + 272, key, f"{dtype} (the cross: what is demanded)"))
    return "\n".join([*parts, "</svg>"]) + "\n"
