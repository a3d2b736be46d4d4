"""What a campaign found, as one page of HTML: it needs no network, and says everything without scripts.

Whatever comes from a target (names, messages, numbers) goes through the template's escaping, is cut to
a sane length, and its control characters are shown: it can be text and nothing else. Besides, the
page's own policy forbids whatever was not written here.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from dezero.contract import Array
from dezero.pictures import Drawing, Vertex
from dezero.verify.campaign import NO_MARGIN, Counterexample
from dezero.verify.coverage import FEATURES
from dezero.verify.diagrams import picture, value_vertex
from dezero.verify.laws import SENTENCES
from dezero.verify.program import Program
from dezero.verify.report import Report, plural, snippet
from dezero.verify.tracing import Traced, first_wrong

LONGEST = 2000
"""No text of a target is shown longer than this."""
CELL = 60
"""Nor a number or an array in a table."""
MOST_DRAWN = 60
"""Programs of more steps are not drawn."""
FIRST_QUARTER = -48
"""Where the histogram begins, or before: in quarters of a decade, as the tally counts them."""


@dataclass(frozen=True)
class Shown:
    """A counterexample, and what is known of each of its values.

    Attributes:
        found: The counterexample.
        traced: Its values; empty where they are not known.
        known: Why it is borne with, if it is a known failure.
    """

    found: Counterexample
    traced: Sequence[Traced] = ()
    known: str = ""


def to_html(report: Report, shown: Sequence[Shown]) -> str:
    """The page.

    Args:
        report: The campaign.
        shown: Its counterexamples.
    """
    here = files("dezero.verify") / "page"
    style, script, page = (
        (here / name).read_text("utf-8") for name in ("report.css", "report.js", "report.html")
    )
    tally = report.tally
    places = {
        (one.found.law, step.op): f"counterexample-{number}"
        for number, one in enumerate(shown, 1)
        for step in (one.found.program.steps if one.found.program else ())
    }
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(page).render(
        nonce=secrets.token_urlsafe(16),
        style=Markup(style),  # ours
        script=Markup(script),
        title=plain(f"{report.target}: {report.verdict}"),
        target=plain(report.target),
        verdict=report.verdict,
        held=report.exit_code == 0,
        again=plain(report.again),
        facts=_facts(report),
        uncovered=report.uncovered,
        counterexamples=[
            counterexample_of(one, n, report.module, report.again) for n, one in enumerate(shown, 1)
        ],
        laws=[
            {
                "name": name,
                "says": SENTENCES[name],
                "held": tally.held[name],
                "unresolved": sum(n for (law, _), n in tally.unresolved.items() if law == name),
            }
            for name in report.laws
        ],
        matrix=[
            {
                "op": plain(op),
                "cells": [
                    {"law": law, "n": tally.matrix[law, op], "link": places.get((law, op))}
                    for law in report.laws
                ],
            }
            for op in report.contracts
        ],
        not_claimed=[plain(what) for what in report.claims.not_claimed],
        unresolved=[(law, plain(why), n) for (law, why), n in tally.unresolved.items()],
        worst=f"{tally.worst_margin:.2g}",
        histogram=Markup(histogram(tally.margins)),
        features=[(name, FEATURES[name], tally.coverage.features[name]) for name in FEATURES],
        sizes=sorted(tally.coverage.steps.items()),
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    tally, n = report.tally, len(report.contracts)
    missing = len(tally.coverage.missing_pairs(report.contracts))
    rate = tally.examples / tally.elapsed if tally.elapsed else 0.0
    facts = [
        ("programs", f"{tally.examples:,}"),
        ("laws", str(len(report.laws))),
        ("seed", str(report.seed)),
        ("time", f"{tally.elapsed:.1f} s ({rate:.0f} programs a second)"),
        ("operations", f"{n - len(report.missing_operations)} of {n}"),
        ("samples", f"{tally.samples:,}, {tally.unresolved.total()} unresolved"),
        ("versions", ", ".join(f"{p} {version(p)}" for p in ("dezero", "numpy", "hypothesis"))),
    ]
    if n:
        facts.insert(5, ("ordered pairs", f"{1 - missing / n**2:.1%} of {n**2:,}"))
    return facts


def counterexample_of(one: Shown, number: int, module: str | None, again: str) -> Mapping[str, object]:
    """A counterexample, in the terms of a template.

    Args:
        one: The counterexample.
        number: Which it is on the page.
        module: Where its operations can be imported from; None for a user's function.
        again: The arguments of the command that finds it again, if there is one.
    """
    found, program = one.found, one.found.program
    first = first_wrong(one.traced)
    texts: list[tuple[str, str]] = []
    if program is not None and module is not None:
        texts.append(("Python", snippet(program, module)))
        texts.append(("JSON, for dezero replay", program.to_json()))
    if again:
        texts.append(("shell", f"dezero verify {plain(again)}"))
    said = ""
    if first is not None:
        what = "value" if one.traced[first].parts == "value" else "cotangent"
        said = f"The first {what} that diverges is that of {one.traced[first].name}."
    drawn = program is not None and len(program.steps) <= MOST_DRAWN
    return {
        "number": number,
        "law": found.law,
        "says": SENTENCES[found.law],
        "known": plain(one.known),
        "what": plain(found.broken.what),
        "expected": plain(found.broken.expected),
        "found": plain(found.broken.found),
        "margin": f"{found.broken.margin:.3g}" if math.isfinite(found.broken.margin) else "",
        "drawing": Markup(drawing(program, one.traced, first)) if program and drawn else "",
        "first": said,
        "rows": [_row(traced, i == first) for i, traced in enumerate(one.traced)],
        "texts": [(label, text.rstrip("\n")) for label, text in texts],
    }


def _row(one: Traced, first: bool) -> Mapping[str, object]:
    value, gradient = one.parts == "value", one.parts == "gradient"
    cells = [
        {"text": _numbers(one.value), "wrong": False},
        {"text": _numbers(one.found), "wrong": value},
        {"text": _numbers(one.cotangent), "wrong": False},
        {"text": _numbers(one.found_cotangent), "wrong": gradient},
    ]
    return {"name": one.name, "op": one.op or "input", "cells": cells, "first": first}


def _numbers(x: Array | None) -> str:
    """An array in a cell: every digit, as far as there is room."""
    if x is None:
        return "–"
    text = repr(x.tolist())
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def plain(text: str) -> str:
    """A text of a target as it may be shown: of a sane length, and with nothing that cannot be seen."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in cut)


# ------------------------------------------------------------------------------------------- Pictures


def drawing(program: Program, traced: Sequence[Traced], first: int | None) -> str:
    """The graph of a program in SVG, with what is known of each of its values."""

    def about(i: int) -> Vertex:
        one = traced[i]
        details = f"cotangent expected {_numbers(one.cotangent)}, found {_numbers(one.found_cotangent)}"
        kind = "first" if i == first else "wrong" if one.parts else ""
        return value_vertex(i, one.value, details, kind)

    drawn = picture(program, about if traced else None)
    return Drawing(drawn.vertices, drawn.edges).svg()


def histogram(margins: Mapping[int, int]) -> str:
    """How many programs took up what part of a tolerance, in SVG."""
    counted = {quarter: n for quarter, n in margins.items() if quarter != NO_MARGIN}
    exact = margins.get(NO_MARGIN, 0)
    note = f"In {exact:,} of the programs nothing differed at all."
    if not counted:
        return f"<p>{note}</p>"
    low = min(4 * math.floor(min(counted) / 4), FIRST_QUARTER)
    width, height, left, bottom = 12.0, 120.0, 12.0, 150.0
    most = max(counted.values())
    parts: list[str] = []
    for quarter in range(low, 0):
        n = counted.get(quarter, 0)
        x, tall = left + width * (quarter - low), height * n / most
        bounds = f"{10 ** (quarter / 4):.2g} to {10 ** ((quarter + 1) / 4):.2g} of the tolerance"
        if n:
            parts.append(
                f'<rect x="{x:.1f}" y="{bottom - tall:.1f}" width="{width - 2:.1f}" '
                f'height="{max(tall, 1):.1f}"><title>{_count(n, "program")}: {bounds}</title></rect>'
            )
        if quarter % 8 == 0:
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}">1e{quarter // 4}</text>')
    end = left - width * low
    parts.append(f'<line x1="{left}" y1="{bottom}" x2="{end:.1f}" y2="{bottom}"/>')
    parts.append(f'<line x1="{end:.1f}" y1="20" x2="{end:.1f}" y2="{bottom}"/>')
    parts.append(f'<text x="{end - 4:.1f}" y="16" text-anchor="end">the tolerance</text>')
    parts.append(f'<text x="{left}" y="16">most in one bar: {_count(most, "program")}</text>')
    table = "; ".join(
        f"{_count(n, 'program')} from {10 ** (quarter / 4):.1e}"
        for quarter, n in sorted(counted.items())
    )
    return (
        f'<svg class="histogram" role="img" viewBox="0 0 {end + 20:.0f} 172" '
        f'xmlns="http://www.w3.org/2000/svg"><title>A histogram</title><desc>{table}</desc>'
        f"{''.join(parts)}</svg><p>{note}</p>"
    )


def _count(n: int, what: str) -> str:
    return f"{n:,} {plural(n, what)}"
