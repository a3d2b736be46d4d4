"""JSON from a file, taken apart: what is not as expected is an error that says where, and what came."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import cast

from dezero.verify.program import Json
from dezero.verify.protocol import brief

MAX_BYTES = 2**28
"""No file is read that is larger: a part of some five million programs is not."""
MAX_DEPTH = 32
"""Nothing in it may be nested more deeply."""
MOST = 2**53
"""No count is larger: up to here a float is exact."""


class DecodedError(ValueError):
    """What was read is not what was expected: where, what came, and what was expected."""


def read(path: Path) -> Decoded:
    """The object that a file of JSON holds; raises DecodedError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DecodedError(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise DecodedError(f"{path} has more than {MAX_BYTES} bytes; expected no more")
    try:
        decoded = cast(Json, json.loads(text.decode("utf-8")))  # JSON and nothing else
    except (ValueError, RecursionError) as error:
        raise DecodedError(f"{path}: not JSON: {error}") from None
    level = [decoded]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _within(value, str(path))]
    if level:
        raise DecodedError(f"{path} is nested more than {MAX_DEPTH} deep; expected less")
    return Decoded(decoded, str(path))


def _within(value: Json, where: str) -> Iterator[Json]:
    """What stands in a value; raises DecodedError at a string that cannot be written anywhere."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        raise DecodedError(f"{where}: {brief(value)} has half of a character; expected whole ones")


class Decoded:
    """An object of decoded JSON, or a row, by the numbers of its cells; and where it stands.

    Attributes:
        record: The object.
        where: Where it stands, for errors.
    """

    def __init__(self, decoded: Json, where: str) -> None:
        """Raises DecodedError if it is no object."""
        if not isinstance(decoded, dict):
            raise DecodedError(f"{where}: {brief(decoded)}; expected an object")
        self.record = decoded
        self.where = where

    @staticmethod
    def row(decoded: Json, where: str) -> Decoded:
        """A list as an object: its cells by their numbers; raises DecodedError on anything else."""
        if not isinstance(decoded, list):
            raise DecodedError(f"{where}: {brief(decoded)}; expected a row")
        return Decoded({str(i): item for i, item in enumerate(decoded)}, where)

    def wrong(self, key: str | int, expected: str) -> DecodedError:
        """What to raise where something else was expected under a key."""
        found = self.record.get(str(key))
        return DecodedError(f"{self.where}: {key} is {brief(found)}; expected {expected}")

    def text(self, key: str | int, of: Collection[str] | None = None, what: str = "a string") -> str:
        """A string; one of these, if there are any."""
        x = self.record.get(str(key))
        if not isinstance(x, str) or (of is not None and x not in of):
            raise self.wrong(key, what)
        return x

    def flag(self, key: str) -> bool:
        """True or false."""
        x = self.record.get(key)
        if not isinstance(x, bool):
            raise self.wrong(key, "true or false")
        return x

    def integer(self, key: str | int, low: int, high: int) -> int:
        """A whole number between two."""
        x = self.record.get(str(key))
        if not isinstance(x, int) or isinstance(x, bool) or not low <= x <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return x

    def count(self, key: str | int) -> int:
        """A whole number, not negative."""
        x = self.record.get(str(key))
        if not isinstance(x, int) or isinstance(x, bool) or not 0 <= x <= MOST:
            raise self.wrong(key, "a whole number from 0")
        return x

    def number(self, key: str | int) -> float:
        """A finite number, not negative."""
        x = self.record.get(str(key))
        largest = sys.float_info.max
        if not isinstance(x, (int, float)) or isinstance(x, bool) or not 0 <= x <= largest:
            raise self.wrong(key, "a finite number from 0")
        return float(x)

    def items(self, key: str) -> list[Json]:
        """A list."""
        x = self.record.get(key)
        if not isinstance(x, list):
            raise self.wrong(key, "a list")
        return x

    def texts(self, key: str, of: Collection[str] | None = None, what: str = "strings") -> list[str]:
        """A list of strings; of these, if there are any."""
        row = self.row(self.items(key), f"{self.where}: {key}")
        return [row.text(i, of, what) for i in range(len(row.record))]

    def rows(self, key: str) -> list[Decoded]:
        """A list of lists."""
        return [self.row(row, f"{self.where}: {key} {i}") for i, row in enumerate(self.items(key))]

    def inner(self, key: str) -> Decoded:
        """An object."""
        return Decoded(self.record.get(key), f"{self.where}: {key}")

    def inners(self, key: str) -> list[Decoded]:
        """A list of objects."""
        return [Decoded(x, f"{self.where}: {key} {i}") for i, x in enumerate(self.items(key))]
