"""Several engines side by side: what each claims, what held, and the smallest program where it did not.

An engine's campaign does not end at a counterexample: that is counted against its law and operation,
and the campaign goes on without them (as behind a known failure), so that the rest is seen, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, TypeAlias

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dezero.verify import campaign
from dezero.verify.campaign import Listener, Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import Claims
from dezero.verify.engines import Engine
from dezero.verify.known import KnownFailure
from dezero.verify.laws import SENTENCES
from dezero.verify.pages import Shown, counterexample_of, plain, render
from dezero.verify.program import Json
from dezero.verify.report import counterexample_to_dict
from dezero.verify.tracing import Traced, traced

NOT_CLAIMED, NOT_TRIED, MISSING = "not claimed", "not tried", "missing"
BY_ITSELF = "by itself"
"""With what a law is broken that no program decides."""

Cell: TypeAlias = "str | int | list[str]"
"""How often a law held; with what it is broken; or why there is neither."""


@dataclass(frozen=True)
class Score:
    """What came of one engine.

    Attributes:
        name: The engine.
        who: What it is, with its version.
        target: What the command takes for it.
        conditions: The arguments that a replay needs besides.
        module: Where its operations can be imported from.
        laws: The laws that can be held against it.
        claims: What it does not claim.
        tally: What was done; None if it is not there.
        traces: For its counterexamples, by law and operation, what is known of their values.
        missing: Why it is not there, if it is not.
    """

    name: str
    who: str = ""
    target: str = ""
    conditions: str = ""
    module: str = "dezero.functions"
    laws: Sequence[str] = ()
    claims: Claims = field(default_factory=Claims)
    tally: Tally | None = None
    traces: Mapping[tuple[str, str], Sequence[Traced]] = field(
        default_factory=dict[tuple[str, str], Sequence[Traced]]
    )
    missing: str = ""

    @property
    def broken(self) -> dict[tuple[str, str], Shown]:
        """Its counterexamples, by law and operation."""
        if self.tally is None:
            return {}
        found = {(failure.law, failure.op): one for failure, one in self.tally.known.items()}
        last = self.tally.counterexample
        if last is not None:
            found[last.law, BY_ITSELF] = last
        return {place: Shown(one, self.traces.get(place, ())) for place, one in found.items()}

    def of_operation(self, op: str) -> Cell:
        """How many samples held with an operation; the laws that are broken; or why there are none."""
        if self.tally is None:
            return MISSING
        if op in self.claims.operations:
            return NOT_CLAIMED
        laws = [law for law, its in self.broken if its == op]
        n = sum(count for (_, its), count in self.tally.matrix.items() if its == op)
        return laws or n or NOT_TRIED

    def of_law(self, law: str) -> Cell:
        """The same for a law; the operations with which it is broken."""
        if self.tally is None:
            return MISSING
        if law not in self.laws:
            return NOT_CLAIMED
        ops = [op for its, op in self.broken if its == law]
        return ops or self.tally.held[law] or NOT_TRIED

    @property
    def n_claimed(self) -> int:
        """How many operations it claims."""
        return sum(op not in self.claims.operations for op in OPERATIONS)


def score(
    engine: Engine[Any],
    target: str,
    who: str,
    plan: Plan,
    claims: Claims,
    listener: Listener = lambda _: None,
    conditions: str = "",
) -> Score:
    """Runs the campaign of one engine through, whatever it finds.

    Args:
        engine: The engine, of whatever variables.
        target: What the command takes for it.
        who: What it is, with its version.
        plan: Its campaign.
        claims: What it does not claim.
        listener: Is told how far the campaign is.
        conditions: The arguments that a replay needs besides.
    """
    # What is made of others, or takes more, comes first: it is to blame before what stands beside it.
    every = [KnownFailure(op, law, "met") for op in reversed([*plan.contracts]) for law in plan.laws]
    tally = campaign.run(replace(plan, known=every), listener)
    campaign.standing(engine, plan.laws, tally, plan.seed)
    found = Score(engine.name, who, target, conditions, engine.module, plan.laws, claims, tally)
    traces = {place: traced(plan.trial, one.found.program) for place, one in found.broken.items()}
    return replace(found, traces=traces)


def to_dict(scores: Sequence[Score], seed: int) -> dict[str, Json]:
    """Everything, as JSON."""
    engines: list[Json] = []
    for one in scores:
        tally = one.tally
        engines.append(
            {
                "name": one.name,
                "who": one.who,
                "target": one.target,
                "missing": one.missing or None,
                "examples": 0 if tally is None else tally.examples,
                "operations": {op: _cell(one.of_operation(op)) for op in OPERATIONS},
                "laws": {law: _cell(one.of_law(law)) for law in SENTENCES},
                "counterexamples": [
                    {
                        "op": None if op == BY_ITSELF else op,
                        "counterexample": counterexample_to_dict(shown.found),
                    }
                    for (_, op), shown in one.broken.items()
                ],
            }
        )
    versions: dict[str, Json] = {name: version(name) for name in ("dezero", "numpy", "hypothesis")}
    return {"seed": seed, "versions": versions, "engines": engines}


def _whose(op: str) -> str:
    return op if op == BY_ITSELF else f"with {op}"


def _cell(cell: Cell) -> Json:
    return list[Json](cell) if isinstance(cell, list) else cell


# ---------------------------------------------------------------------------------------- In a terminal


def tables(scores: Sequence[Score], seed: int) -> RenderableType:
    """The scoreboard for a terminal. Operations of which all engines say the same share a row."""
    there = [one for one in scores if one.tally is not None]
    alike: dict[tuple[str, ...], list[str]] = {}
    for op in OPERATIONS:
        marks = tuple(_mark(one.of_operation(op), counted=False).plain for one in there)
        alike.setdefault(marks, []).append(op)
    by_law = _table(
        "law", there, [(law, [_mark(one.of_law(law)) for one in there]) for law in SENTENCES]
    )
    by_operation = _table(
        "operations",
        there,
        [
            (", ".join(ops), [_mark(one.of_operation(ops[0]), counted=False) for one in there])
            for ops in alike.values()
        ],
    )
    legend = Text("✓ held (how often), ✗ broken (with what), – not claimed, · not tried", "dim")
    return Group(_engines(scores, seed), by_law, by_operation, legend, *_lines(there))


def _engines(scores: Sequence[Score], seed: int) -> Table:
    table = Table("engine", "what it is", box=box.SIMPLE, title=f"seed {seed}", title_justify="left")
    for title in ("programs", "operations", "broken"):
        table.add_column(title, justify="right")
    for one in scores:
        who = Text(plain(one.who or f"missing: {one.missing}"), "" if one.tally else "dim")
        table.add_row(Text(plain(one.name)), who, *_numbers(one))
    return table


def _numbers(one: Score) -> list[str]:
    """How many programs were tried, operations are claimed, and counterexamples there are."""
    if one.tally is None:
        return ["–"] * 3
    return [f"{one.tally.examples:,}", f"{one.n_claimed} of {len(OPERATIONS)}", str(len(one.broken))]


def _table(what: str, engines: Sequence[Score], rows: Sequence[tuple[str, Sequence[Text]]]) -> Table:
    table = Table(what, box=box.SIMPLE)
    for one in engines:
        table.add_column(Text(plain(one.name)))
    for name, cells in rows:
        table.add_row(Text(name), *cells)
    return table


def _mark(cell: Cell, *, counted: bool = True) -> Text:
    if isinstance(cell, list):
        return Text(f"✗ {', '.join(cell)}", "bold red")
    if isinstance(cell, int):
        return Text(f"✓ {cell:,}" if counted else "✓", "green")
    return Text("–" if cell == NOT_CLAIMED else "·", "dim")


def _lines(scores: Sequence[Score]) -> Iterator[Text]:
    """What each counterexample says."""
    for one in scores:
        for (law, op), shown in one.broken.items():
            broken = shown.found.broken
            yield Text(f"\n{plain(one.name)}: {law} {_whose(op)}: {plain(broken.what)}", "bold")
            yield Text(f"  expected  {plain(broken.expected)}\n  found     {plain(broken.found)}")


# ---------------------------------------------------------------------------------------------- A page


def to_html(scores: Sequence[Score], seed: int) -> str:
    """The scoreboard: engines by operations and by laws; each cell leads to its counterexample."""
    articles: list[dict[str, object]] = []
    links: dict[tuple[int, str, str], str] = {}
    for i, one in enumerate(scores):
        for (law, op), shown in one.broken.items():
            number = len(articles) + 1
            links[i, law, op] = f"counterexample-{number}"
            about = counterexample_of(shown, number, one.module, one.target, one.conditions)
            articles.append({**about, "engine": plain(one.name), "whose": _whose(op)})

    def row(name: str, says: str, found: Sequence[Cell], *, is_law: bool) -> dict[str, object]:
        cells: list[dict[str, object]] = []
        for i, cell in enumerate(found):
            if isinstance(cell, list):
                places = [(i, name, other) if is_law else (i, other, name) for other in cell]
                to = [(other, links[place]) for other, place in zip(cell, places, strict=True)]
                cells.append({"links": to, "text": "", "kind": "broken"})
            elif isinstance(cell, int):
                cells.append({"links": (), "text": f"{cell:,}", "kind": ""})
            else:
                cells.append({"links": (), "text": cell, "kind": "none"})
        return {"name": name, "says": says, "cells": cells}

    return render(
        "scoreboard.html",
        "dezero compare",
        seed=seed,
        sentences=SENTENCES,
        engines=[
            {
                "name": plain(one.name),
                "who": plain(one.who or f"missing: {one.missing}"),
                "numbers": _numbers(one),
            }
            for one in scores
        ],
        counterexamples=articles,
        operations=[
            row(
                op,
                OPERATIONS[op].contract.summary,
                [one.of_operation(op) for one in scores],
                is_law=False,
            )
            for op in OPERATIONS
        ],
        laws=[
            row(law, SENTENCES[law], [one.of_law(law) for one in scores], is_law=True)
            for law in SENTENCES
        ],
    )
