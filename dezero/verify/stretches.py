"""The stretches of a campaign as data: written, read again, and put together.

What a stretch has done depends on the campaign and on its own number alone. So stretches may be done in
any order, on any machine, and again; put together in order of their numbers, up to the first that found
a counterexample, they are the campaign.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from dezero.verify.campaign import Counterexample, Tally
from dezero.verify.coverage import Coverage
from dezero.verify.known import KnownFailure
from dezero.verify.program import Json, Program, ProgramError
from dezero.verify.trial import Broken

MAX_BYTES = 2**26
"""No file of a stretch is larger."""


class StretchError(ValueError):
    """A file of stretches is malformed, or of another campaign: where, what came, what was expected."""


def together(parts: Mapping[int, Tally], *, keep_going: bool = False) -> Tally:
    """What a campaign has done whose stretches, by number, have done this.

    What lies behind the first counterexample does not count: run in one piece, it would not have been
    tried. If the campaign keeps going, all counts, and of the counterexamples of the first cause the
    smallest is shown.
    """
    total = Tally()
    for number in sorted(parts):
        total.add(parts[number])
        if total.counterexample is not None and not keep_going:
            return total
    total.counterexample = next(iter(causes(parts)), None)
    return total


def causes(parts: Mapping[int, Tally]) -> list[Counterexample]:
    """The smallest counterexample for each cause, in the order in which the causes were met."""
    smallest: dict[tuple[str, ...], Counterexample] = {}
    for number in sorted(parts):
        found = parts[number].counterexample
        if found is not None:
            known = smallest.get(found.cause, found)
            smallest[found.cause] = min(known, found, key=lambda one: one.size)  # the earlier, if alike
    return list(smallest.values())


# ------------------------------------------------------------------------------------------- Writing


def to_dict(tally: Tally) -> dict[str, Json]:
    """Everything that a tally holds, as JSON; `from_dict` gives the same tally."""
    coverage = tally.coverage
    return {
        "examples": tally.examples,
        "elapsed": tally.elapsed,
        "held": dict[str, Json](tally.held),
        "unresolved": [[law, reason, n] for (law, reason), n in tally.unresolved.items()],
        "conventions": dict[str, Json](tally.conventions),
        "cost": [[law, seconds] for law, seconds in tally.cost.items()],
        "certified": list[Json](tally.certified),
        "worst_margin": tally.worst_margin,
        "matrix": [[law, op, n] for (law, op), n in tally.matrix.items()],
        "margins": [[quarter, n] for quarter, n in tally.margins.items()],
        "operations": dict[str, Json](coverage.operations),
        "pairs": [[a, b, n] for (a, b), n in coverage.pairs.items()],
        "features": dict[str, Json](coverage.features),
        "steps": [[steps, n] for steps, n in coverage.steps.items()],
        "known": [
            {"failure": known_to_list(failure), "counterexample": _counterexample(found)}
            for failure, found in tally.known.items()
        ],
        "known_to_hold": [[*known_to_list(f), n] for f, n in tally.known_to_hold.items()],
        "counterexample": _counterexample(tally.counterexample),
    }


def known_to_list(failure: KnownFailure) -> list[Json]:
    """A known failure as a row of JSON."""
    return [failure.op, failure.law, failure.reason]


def _counterexample(found: Counterexample | None) -> Json:
    if found is None:
        return None
    broken = found.broken
    return {
        "law": found.law,
        "program": None if found.program is None else found.program.to_dict(),
        "what": broken.what,
        "expected": broken.expected,
        "found": broken.found,
        "margin": broken.margin if math.isfinite(broken.margin) else None,
        "step": broken.step,
        "seed": found.seed,
    }


# ------------------------------------------------------------------------------------------- Reading


def from_dict(decoded: Json, where: str) -> Tally:
    """The tally that decoded JSON holds; raises StretchError on anything else."""
    at = _Place(decoded, where)
    pairs = [((row.text(0), row.text(1)), row.count(2)) for row in at.rows("pairs")]
    unresolved = [((row.text(0), row.text(1)), row.count(2)) for row in at.rows("unresolved")]
    tally = Tally(
        examples=at.count("examples"),
        elapsed=at.number("elapsed"),
        held=Counter(at.counts("held")),
        unresolved=Counter(dict(unresolved)),
        conventions=Counter(at.counts("conventions")),
        coverage=Coverage(
            Counter(at.counts("operations")),
            Counter(dict(pairs)),
            Counter(at.counts("features")),
            Counter({row.count(0): row.count(1) for row in at.rows("steps")}),
        ),
        certified=[_Place({"ulps": x}, where).number("ulps") for x in at.items("certified")],
        worst_margin=at.number("worst_margin"),
        matrix=Counter({(r.text(0), r.text(1)): r.count(2) for r in at.rows("matrix")}),
        margins=Counter({int(row.number(0)): row.count(1) for row in at.rows("margins")}),
        known_to_hold=Counter({known_of(row): row.count(3) for row in at.rows("known_to_hold")}),
        counterexample=_found(at.record.get("counterexample"), f"{where}: counterexample"),
    )
    for row in at.rows("cost"):
        tally.cost[row.text(0)] += row.number(1)
    for i, entry in enumerate(at.items("known")):
        one = _Place(entry, f"{where}: known {i}")
        found = _found(one.record.get("counterexample"), one.where)
        if found is None:
            raise StretchError(f"{one.where}: expected a counterexample")
        tally.known[known_of(_Place(_numbered(one.items("failure")), one.where))] = found
    return tally


def known_of(row: _Place) -> KnownFailure:
    """The known failure that a row tells; raises StretchError."""
    return KnownFailure(row.text(0), row.text(1), row.text(2))


def _found(decoded: Json, where: str) -> Counterexample | None:
    if decoded is None:
        return None
    at = _Place(decoded, where)
    program = at.record.get("program")
    try:
        shown = None if program is None else Program.from_dict(program)
    except ProgramError as error:
        raise StretchError(f"{where}: {error}") from None
    broken = Broken(
        at.text("what"),
        at.text("expected"),
        at.text("found"),
        math.inf if at.record.get("margin") is None else at.number("margin"),
        None if at.record.get("step") is None else at.count("step"),
    )
    return Counterexample(at.text("law"), shown, broken, at.count("seed"))


def rows_of(record: dict[str, Json], key: str, where: str) -> list[_Place]:
    """The rows that an object holds under a key; raises StretchError if there are none."""
    return _Place(record, where).rows(key)


def _numbered(items: list[Json]) -> dict[str, Json]:
    return {str(i): item for i, item in enumerate(items)}


class _Place:
    """An object of JSON, or a row, by the numbers of its cells; and where it stands."""

    def __init__(self, decoded: Json, where: str) -> None:
        if not isinstance(decoded, dict):
            raise StretchError(f"{where}: {decoded!r:.80}; expected an object")
        self.record = decoded
        self.where = where

    def _wrong(self, key: str | int, expected: str) -> StretchError:
        found = self.record.get(str(key))
        return StretchError(f"{self.where}: {key} is {found!r:.80}; expected {expected}")

    def text(self, key: str | int) -> str:
        """A string."""
        x = self.record.get(str(key))
        if not isinstance(x, str):
            raise self._wrong(key, "a string")
        return x

    def count(self, key: str | int) -> int:
        """A whole number, not negative."""
        x = self.record.get(str(key))
        if not isinstance(x, int) or isinstance(x, bool) or x < 0:
            raise self._wrong(key, "a whole number from 0")
        return x

    def number(self, key: str | int) -> float:
        """A finite number."""
        x = self.record.get(str(key))
        if not isinstance(x, (int, float)) or isinstance(x, bool) or not math.isfinite(x):
            raise self._wrong(key, "a finite number")
        return float(x)

    def items(self, key: str) -> list[Json]:
        """A list."""
        x = self.record.get(key)
        if not isinstance(x, list):
            raise self._wrong(key, "a list")
        return x

    def rows(self, key: str) -> list[_Place]:
        """A list of lists."""
        rows: list[_Place] = []
        for i, row in enumerate(self.items(key)):
            if not isinstance(row, list):
                raise self._wrong(key, "a list of rows")
            rows.append(_Place(_numbered(row), f"{self.where}: {key} {i}"))
        return rows

    def counts(self, key: str) -> dict[str, int]:
        """How often each name occurred."""
        inner = _Place(self.record.get(key), f"{self.where}: {key}")
        return {name: inner.count(name) for name in inner.record}


def read(path: Path) -> dict[str, Json]:
    """The object that a JSON file holds; raises StretchError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StretchError(f"{path} is larger than {MAX_BYTES} bytes")
        decoded = cast(Json, json.loads(path.read_text(encoding="utf-8")))  # JSON and nothing else
    except OSError as error:
        raise StretchError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StretchError(f"{path}: not JSON: {error}") from None
    return _Place(decoded, str(path)).record


# ------------------------------------------------------------------------- A campaign that goes on


class Folder:
    """A folder that holds the stretches of one campaign that are done: so it can go on where it was.

    Each file appears whole, or not at all.
    """

    def __init__(self, path: Path, campaign: Mapping[str, Json]) -> None:
        """Opens a folder, or begins one.

        Args:
            path: The folder.
            campaign: Which campaign it is: all on which the result of a stretch depends.

        Raises:
            StretchError: The folder is of another campaign, or cannot be written.
        """
        self.path = path
        about = path / "campaign.json"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StretchError(f"{path} cannot be made: {error.strerror}") from None
        if not about.exists():
            self._write(about, dict(campaign))
            return
        found = read(about)
        for key in sorted({*found, *campaign}):
            if found.get(key) != campaign.get(key):
                raise StretchError(
                    f"{path} holds a campaign whose {key} is {found.get(key)!r}; "
                    f"expected {campaign.get(key)!r}. Name another folder for another campaign"
                )

    def done(self) -> dict[int, Tally]:
        """The stretches that are done, by number; raises StretchError if a file is malformed."""
        paths = sorted(self.path.glob("stretch-*.json"))
        return {int(path.stem.partition("-")[2]): from_dict(read(path), str(path)) for path in paths}

    def keep(self, number: int, tally: Tally) -> None:
        """Writes down what a stretch has done; raises StretchError if that cannot be written."""
        self._write(self.path / f"stretch-{number:06}.json", to_dict(tally))

    def _write(self, path: Path, record: Mapping[str, Json]) -> None:
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
                file.flush()
                os.fsync(file.fileno())  # or the name might be there before what is in the file
            os.replace(part, path)
        except OSError as error:
            raise StretchError(f"{path} cannot be written: {error.strerror}") from None
