"""What was measured, for people and for machines: a table, JSON, a picture."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.goals import GOALS
from benchmarks.peers import CONTENDERS, OURS, versions
from benchmarks.timing import Measured, Spread


def number(x: float) -> str:
    """Three digits."""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"


def spread(s: Spread) -> str:
    """The median, and the quartiles."""
    return f"{number(s.middle)} ({number(s.low)}–{number(s.high)})"


def rows_of(measured: Measured) -> list[str]:
    """Some lines on one workload."""
    lines = [f"{measured.name}: {measured.title}"]
    for name in CONTENDERS:
        if name in measured.absent:
            lines.append(f"  {name:<9} {measured.absent[name]}")
        if name not in measured.figures:
            continue
        line = f"  {name:<9} {spread(measured.spread(name)):>24} {measured.unit}"
        ratio = measured.ratio(name) if name != OURS else None
        if ratio is not None:
            line += f";  dezero / {name} = {spread(ratio)}"
        lines.append(line)
    return lines


def goal_rows(measured: Mapping[str, Measured]) -> list[str]:
    """The goals of which something was measured, each with what came out."""
    lines: list[str] = []
    for goal in GOALS:
        found = goal.found(measured)
        if found is not None:
            verdict = "met" if found.middle <= goal.most else "NOT MET"
            lines.append(f"  {goal.title:<44} ≤ {goal.most:<5} {spread(found):>24}  {verdict}")
        elif goal.workload in measured:
            lines.append(f"  {goal.title:<44} ≤ {goal.most:<5} {'not measured':>24}")
    return lines


def to_json(measured: Mapping[str, Measured], missing: Sequence[str]) -> str:
    """All figures of all repetitions, and the goals."""
    goals: list[dict[str, object]] = []
    for goal in GOALS:
        found = goal.found(measured)
        if found is not None:
            quartiles = [found.low, found.middle, found.high]
            met = found.middle <= goal.most
            goals.append({"goal": goal.title, "most": goal.most, "quartiles": quartiles, "met": met})
    document = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions(),
        "missing": list(missing),
        "workloads": {name: vars(m) for name, m in measured.items()},
        "goals": goals,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------ The picture

_COLOURS = {
    "numpy": "#444",
    "torch": "#c2571a",
    "autograd": "#2a7a3b",
    "mygrad": "#8a3fa0",
    "jax": "#1f5fa8",
}
_WIDTH, _LEFT, _TOP, _ROW = 760, 200, 64, 24
_LOW, _HIGH = 0.01, 100.0


def _across(ratio: float) -> float:
    place = math.log(min(max(ratio, _LOW), _HIGH) / _LOW) / math.log(_HIGH / _LOW)
    return round(_LEFT + place * (_WIDTH - _LEFT - 24), 1)


def to_svg(measured: Mapping[str, Measured]) -> str:
    """For each workload dezero to every other, on a logarithmic axis; left of 1 dezero is less."""
    shown = [m for m in measured.values() if len(m.figures) > 1]
    height = _TOP + _ROW * len(shown) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        "<title>dezero to others</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="12" y="22" font-size="14">dezero to others: time or memory, in one run</text>',
    ]
    for i, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 100 * i
        parts.append(f'<circle cx="{x}" cy="42" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 8}" y="46">to {name}</text>')
    bottom = height - 36
    for mark in (0.01, 0.1, 1.0, 10.0, 100.0):
        place, colour = _across(mark), "#888" if mark == 1 else "#ddd"
        parts.append(
            f'<line x1="{place}" y1="{_TOP - 8}" x2="{place}" y2="{bottom}" stroke="{colour}"/>'
        )
        parts.append(f'<text x="{place}" y="{bottom + 16}" text-anchor="middle">{mark:g}</text>')
    for i, m in enumerate(shown):
        y = _TOP + _ROW * i + 8
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(m.name)}</text>')
        for name, colour in _COLOURS.items():
            ratio = m.ratio(name)
            if ratio is None:
                continue
            low, middle, high = _across(ratio.low), _across(ratio.middle), _across(ratio.high)
            stroke = f'stroke="{colour}" stroke-width="2"'
            parts.append(f'<line x1="{low}" y1="{y}" x2="{high}" y2="{y}" {stroke}/>')
            parts.append(f'<circle cx="{middle}" cy="{y}" r="4" fill="{colour}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
