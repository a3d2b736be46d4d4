"""What the pages have in common: one base, which is filled here, and how a counterexample is shown.

A page needs no network, and says everything without scripts. Whatever comes from a target (names,
messages, numbers) goes through the templates' escaping, is cut to a sane length, and its control
characters are shown: it can be text and nothing else. Besides, the page's own policy forbids whatever
was not written here.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dezero.contract import Array
from dezero.pictures import Drawing, Vertex
from dezero.verify.campaign import Counterexample
from dezero.verify.diagrams import picture, value_vertex
from dezero.verify.laws import SENTENCES
from dezero.verify.program import Program
from dezero.verify.report import printable, replay_command, snippet
from dezero.verify.tracing import Traced, first_wrong

LONGEST = 2000
"""No text of a target is shown longer than this."""
CELL = 60
"""Nor a number or an array in a table."""
MOST_DRAWN = 80
"""Programs of more values are not drawn."""

_TEMPLATES = Environment(
    loader=PackageLoader("dezero.verify", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


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


def render(template: str, title: str, **content: object) -> str:
    """A page.

    Args:
        template: The file of its template, which extends the base.
        title: What a browser names it.
        content: What the template asks for.
    """
    here = files("dezero.verify") / "page"
    ours = {
        name: Markup((here / f"page.{end}").read_text("utf-8"))
        for name, end in (("style", "css"), ("script", "js"))
    }
    nonce = secrets.token_urlsafe(16)
    return _TEMPLATES.get_template(template).render(title=plain(title), nonce=nonce, **ours, **content)


def plain(text: str) -> str:
    """A text of a target as it is shown: not too long, and printable."""
    return printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)")


def counterexample_of(
    one: Shown, number: int, module: str | None, target: str, conditions: str = ""
) -> Mapping[str, object]:
    """A counterexample, in the terms of the templates.

    Args:
        one: The counterexample.
        number: Which it is on the page.
        module: Where its operations can be imported from; None for a user's function.
        target: Whose it is, as the command takes it.
        conditions: The arguments that a replay needs besides.
    """
    found, program = one.found, one.found.program
    first = first_wrong(one.traced)
    texts: list[tuple[str, str]] = []
    if program is not None:
        if module is not None:
            texts.append((f"Python, with {module}", snippet(program, module)))
        texts.append(("JSON", program.to_json()))
        command = replay_command("-", plain(target), conditions)
        texts.append(("shell, to replay it", f"{command} <<'END'\n{program.to_json()}\nEND"))
    said = ""
    if first is not None:
        what = "value" if one.traced[first].parts == "value" else "cotangent"
        said = f"The first {what} that diverges is that of {one.traced[first].name}."
    drawn = program is not None and program.n_values <= MOST_DRAWN
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


def drawing(program: Program, traced: Sequence[Traced], first: int | None) -> str:
    """The graph of a program in SVG, with what is known of each of its values."""

    def about(i: int) -> Vertex:
        one = traced[i]
        details = f"cotangent expected {_numbers(one.cotangent)}, found {_numbers(one.found_cotangent)}"
        kind = "first" if i == first else "wrong" if one.parts else ""
        return value_vertex(i, one.value, details, kind)

    drawn = picture(program, about if traced else None)
    return Drawing(drawn.vertices, drawn.edges).svg()
