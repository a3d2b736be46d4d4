"""The JSON Schemas (2020-12) of the messages, and of the files, that ports and the kit exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Final, cast

from dezero.verify.program import Json

PREFIX: Final = "urn:dezero:schema:1:"
"""What the `$id` of each begins with: the number is that of the protocol."""

NAMES: Final = (
    *("tensor", "attribute", "node", "program"),
    *("start", "start_reply", "echo", "echo_reply", "run", "result", "unsupported", "error", "stop"),
    *("counterexample", "known_failures", "enclosure", "corpus_case", "corpus"),
)
"""The names of the schemas."""


def schema(name: str) -> dict[str, Json]:
    """A schema, with those that it refers to under `$defs`, so that nothing else is needed."""
    whole = _read(name)
    others: dict[str, Json] = {}
    waiting = [*_references(whole)]
    while waiting:
        other = waiting.pop()
        if other != name and other not in others:
            others[other] = _read(other)
            waiting += _references(others[other])
    return {**whole, "$defs": {key: others[key] for key in sorted(others)}} if others else whole


def _read(name: str) -> dict[str, Json]:
    text = files(__name__).joinpath(f"{name}.json").read_text("utf-8")
    return cast("dict[str, Json]", json.loads(text))  # our own files, each an object


def _references(part: Json) -> Iterator[str]:
    """The names of the schemas that a part of one refers to."""
    if isinstance(part, dict):
        to = part.get("$ref")
        if isinstance(to, str) and to.startswith(PREFIX):
            yield to.removeprefix(PREFIX)
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for item in inner:
        yield from _references(item)
