"""Several engines side by side: what each claims, what held, and the smallest program where it did not.

An engine's campaign does not end at a counterexample: that is counted against its law and operation,
and the campaign goes on without them (as behind a known failure), so that the rest is seen, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from dezero.verify import campaign
from dezero.verify.campaign import Counterexample, Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import Claims
from dezero.verify.engines import Engine
from dezero.verify.html_report import Shown, counterexample_of, plain
from dezero.verify.known import KnownFailure
from dezero.verify.laws import SENTENCES
from dezero.verify.program import Json
from dezero.verify.report import counterexample_to_dict

NOT_CLAIMED, NOT_TRIED, MISSING = "not claimed", "not tried", "missing"


@dataclass(frozen=True)
class Score:
    """What came of one engine.

    Attributes:
        name: The engine.
        who: What it is, with its version.
        laws: The laws that can be held against it.
        claims: What it does not claim.
        tally: What was done; None if it is not there.
        missing: Why it is not there, if it is not.
    """

    name: str
    who: str = ""
    laws: Sequence[str] = ()
    claims: Claims = field(default_factory=Claims)
    tally: Tally | None = None
    missing: str = ""

    @property
    def broken(self) -> dict[tuple[str, str], Counterexample]:
        """Its counterexamples, by law and operation."""
        if self.tally is None:
            return {}
        return {(failure.law, failure.op): found for failure, found in self.tally.known.items()}

    def of_operation(self, op: str) -> str | int | list[str]:
        """How many samples held with an operation; the laws that are broken; or why there are none."""
        if self.tally is None:
            return MISSING
        if op in self.claims.operations:
            return NOT_CLAIMED
        laws = [law for law, its in self.broken if its == op]
        n = sum(count for (_, its), count in self.tally.matrix.items() if its == op)
        return laws or n or NOT_TRIED

    def of_law(self, law: str) -> str | int | list[str]:
        """The same for a law; the operations with which it is broken."""
        if self.tally is None:
            return MISSING
        if law not in self.laws:
            return NOT_CLAIMED
        ops = [op for its, op in self.broken if its == law]
        return ops or self.tally.held[law] or NOT_TRIED


def score(engine: Engine[Any], who: str, plan: Plan, claims: Claims) -> Score:
    """Runs the campaign of one engine through, whatever it finds.

    Args:
        engine: The engine, of whatever variables.
        who: What it is, with its version.
        plan: Its campaign.
        claims: What it does not claim.
    """
    # What is made of others, or takes more, comes first: it is to blame before what stands beside it.
    every = [KnownFailure(op, law, "met") for op in reversed([*plan.contracts]) for law in plan.laws]
    tally = Tally()
    for number in range(plan.n_stretches or 1):
        part = Plan(
            plan.trial, plan.contracts, plan.laws, plan.seed, plan.examples, plan.seconds,
            dtypes=plan.dtypes, known=every,
        ).of_stretch(number)  # fmt: skip
        tally.add(campaign.run_stretch(part))
    return Score(engine.name, who, plan.laws, claims, tally)


def to_dict(scores: Sequence[Score], seed: int) -> dict[str, Json]:
    """Everything, as JSON."""
    engines: list[Json] = []
    for one in scores:
        tally = one.tally
        engines.append(
            {
                "name": one.name,
                "who": one.who,
                "missing": one.missing or None,
                "examples": 0 if tally is None else tally.examples,
                "operations": {op: _cell(one.of_operation(op)) for op in OPERATIONS},
                "laws": {law: _cell(one.of_law(law)) for law in SENTENCES},
                "counterexamples": [
                    {"op": op, "counterexample": counterexample_to_dict(found)}
                    for (_, op), found in one.broken.items()
                ],
            }
        )
    versions: dict[str, Json] = {name: version(name) for name in ("dezero", "numpy", "hypothesis")}
    return {"seed": seed, "versions": versions, "engines": engines}


def _cell(cell: str | int | list[str]) -> Json:
    return list[Json](cell) if isinstance(cell, list) else cell


def to_text(scores: Sequence[Score]) -> str:
    """A line for each engine, and one for each of its counterexamples."""
    lines: list[str] = []
    for one in scores:
        if one.tally is None:
            lines.append(f"{plain(one.name)}: missing: {plain(one.missing)}")
            continue
        claimed = sum(op not in one.claims.operations for op in OPERATIONS)
        bad = len({op for _, op in one.broken})
        lines.append(
            f"{plain(one.name)} ({plain(one.who)}): {one.tally.examples} programs; "
            f"of {len(OPERATIONS)} operations {claimed} claimed, "
            f"{bad} with a counterexample; {len(one.laws)} laws"
        )
        for (law, op), found in one.broken.items():
            lines.append(f"  {law} with {op}: {plain(found.broken.what)}")
            lines.append(
                f"    expected {plain(found.broken.expected)}, found {plain(found.broken.found)}"
            )
    return "\n".join(lines)


def to_html(scores: Sequence[Score], seed: int, module: str = "dezero.functions") -> str:
    """The scoreboard: engines by operations and by laws; each cell leads to its counterexample."""
    here = files("dezero.verify") / "page"
    style, script, page = (
        (here / name).read_text("utf-8") for name in ("report.css", "report.js", "scoreboard.html")
    )
    articles: list[dict[str, object]] = []
    links: dict[tuple[str, str, str], str] = {}
    for one in scores:
        for (law, op), found in one.broken.items():
            links[one.name, law, op] = f"counterexample-{len(articles) + 1}"
            shown = counterexample_of(Shown(found), len(articles) + 1, module, "")
            articles.append({**shown, "engine": plain(one.name), "op": op})

    def cell(one: Score, found: str | int | list[str], law: str | None, op: str | None) -> object:
        if isinstance(found, list):
            to = [links[one.name, law or what, op or what] for what in found]
            return {"links": list(zip(found, to, strict=True)), "text": ""}
        return {"links": [], "text": f"{found:,}" if isinstance(found, int) else found}

    return (
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(page)
        .render(
            nonce=secrets.token_urlsafe(16),
            style=Markup(style),  # ours
            script=Markup(script),
            seed=seed,
            plain=plain,
            scores=scores,
            counterexamples=articles,
            operations=[
                {"name": op, "cells": [cell(one, one.of_operation(op), None, op) for one in scores]}
                for op in OPERATIONS
            ],
            laws=[
                {
                    "name": law,
                    "says": SENTENCES[law],
                    "cells": [cell(one, one.of_law(law), law, None) for one in scores],
                }
                for law in SENTENCES
            ],
        )
    )
