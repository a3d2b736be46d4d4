"""What a campaign found, as one page of HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from markupsafe import Markup

from dezero.verify.campaign import NO_MARGIN
from dezero.verify.coverage import FEATURES
from dezero.verify.laws import SENTENCES
from dezero.verify.pages import Shown, counterexample_of, plain, render
from dezero.verify.report import Report, plural

FIRST_QUARTER = -48
"""Where the histogram begins, or before: in quarters of a decade, as the tally counts them."""


def shown_of(report: Report) -> list[Shown]:
    """The counterexamples of a campaign: the first, those of other causes, those that are known."""
    known = [Shown(one, known=failure.reason) for failure, one in report.tally.known.items()]
    return [*map(Shown, report.counterexamples), *known]


def to_html(report: Report, shown: Sequence[Shown]) -> str:
    """The page.

    Args:
        report: The campaign.
        shown: Its counterexamples.
    """
    tally = report.tally
    places = {
        (one.found.law, step.op): f"counterexample-{number}"
        for number, one in reversed(list(enumerate(shown, 1)))  # of several, to the first
        for step in (one.found.program.steps if one.found.program else ())
    }
    return render(
        "report.html",
        f"{report.target}: {report.verdict}",
        target=plain(report.target),
        verdict=report.verdict,
        held=report.exit_code == 0,
        again=plain(report.again),
        facts=_facts(report),
        uncovered=report.uncovered,
        counterexamples=[
            counterexample_of(one, n, report.module, report.target, report.conditions)
            for n, one in enumerate(shown, 1)
        ],
        sentences={name: SENTENCES[name] for name in report.laws},
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


# ------------------------------------------------------------------------------------------- Pictures


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
