"""The stretches of a campaign as data: written, read again, and put together.

What a stretch has done depends on the campaign and on its own number alone. So stretches may be done in
any order, on any machine, and again; put together in order of their numbers, up to the first that found
a counterexample, they are the campaign.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from dezero.utils import whole_file
from dezero.verify.campaign import NO_MARGIN, Counterexample, Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.coverage import FEATURES, Coverage
from dezero.verify.decoded import Decoded, DecodedError, read
from dezero.verify.known import KnownFailure
from dezero.verify.laws import SENTENCES
from dezero.verify.outcomes import Broken
from dezero.verify.program import Json, Program, ProgramError
from dezero.verify.protocol import brief

REPLAYED = -1
"""The number of what comes before the first stretch: the programs of databases."""
_NAMED = re.compile(r"stretch-(\d{6}|[1-9]\d{6,15})", re.ASCII)


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
    record: dict[str, Json] = {
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
    return {**record, "sha256": _checksum(record)}


def _checksum(record: Mapping[str, Json]) -> str:
    """A number for all that a record holds but the checksum itself: of changed ones it is another."""
    held = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


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


def from_dict(at: Decoded, ops: Collection[str]) -> Tally:
    """The tally that decoded JSON holds.

    Args:
        at: The JSON.
        ops: The operations that the campaign has.

    Raises:
        DecodedError: It holds anything else, or not what was written.
    """

    def law(row: Decoded, key: int) -> str:
        return row.text(key, SENTENCES, "the name of a law")

    def op(row: Decoded, key: int) -> str:
        return row.text(key, ops, "an operation of the campaign")

    def counts(key: str, names: Collection[str], what: str) -> Counter[str]:
        inner = at.inner(key)
        for name in inner.record:
            if name not in names:
                raise DecodedError(f"{inner.where}: {brief(name)}; expected {what}")
        return Counter({name: inner.count(name) for name in inner.record})

    certified = Decoded.row(at.items("certified"), f"{at.where}: certified")
    tally = Tally(
        examples=at.count("examples"),
        elapsed=at.number("elapsed"),
        held=counts("held", SENTENCES, "names of laws"),
        unresolved=Counter({(law(r, 0), r.text(1)): r.count(2) for r in at.rows("unresolved")}),
        conventions=counts("conventions", ops, "operations of the campaign"),
        coverage=Coverage(
            counts("operations", ops, "operations of the campaign"),
            Counter({(op(row, 0), op(row, 1)): row.count(2) for row in at.rows("pairs")}),
            counts("features", FEATURES, "features of programs"),
            Counter({row.count(0): row.count(1) for row in at.rows("steps")}),
        ),
        certified=[certified.number(i) for i in range(len(certified.record))],
        worst_margin=at.number("worst_margin"),
        matrix=Counter({(law(row, 0), op(row, 1)): row.count(2) for row in at.rows("matrix")}),
        margins=Counter({r.integer(0, NO_MARGIN, 0): r.count(1) for r in at.rows("margins")}),
        known_to_hold=Counter({known_of(row): row.count(3) for row in at.rows("known_to_hold")}),
        counterexample=_found(at, ops),
    )
    for row in at.rows("cost"):
        tally.cost[law(row, 0)] += row.number(1)
    for one in at.inners("known"):
        failure = known_of(Decoded.row(one.items("failure"), f"{one.where}: failure"))
        found = _found(one, ops)
        if found is None:
            raise one.wrong("counterexample", "one")
        tally.known[failure] = found
    if at.record.get("sha256") != _checksum(at.record):
        raise DecodedError(f"{at.where} does not hold what was written: its sha256 is that of another")
    return tally


def known_of(row: Decoded) -> KnownFailure:
    """The known failure that a row tells; raises DecodedError."""
    op = row.text(0, OPERATIONS, "the name of an operation")
    return KnownFailure(op, row.text(1, SENTENCES, "the name of a law"), row.text(2))


def _found(of: Decoded, ops: Collection[str]) -> Counterexample | None:
    if of.record.get("counterexample") is None:
        return None
    at = of.inner("counterexample")
    program = at.record.get("program")
    try:
        shown = None if program is None else Program.from_dict(program)
    except ProgramError as error:
        raise DecodedError(f"{at.where}: {error}") from None
    for number, step in enumerate(() if shown is None else shown.steps):
        if step.op not in ops:
            raise DecodedError(
                f"{at.where}: node {number}: op is {brief(step.op)}; "
                "expected an operation of the campaign"
            )
    broken = Broken(
        at.text("what"),
        at.text("expected"),
        at.text("found"),
        math.inf if at.record.get("margin") is None else at.number("margin"),
        None if at.record.get("step") is None else at.count("step"),
    )
    law = at.text("law", SENTENCES, "the name of a law")
    return Counterexample(law, shown, broken, at.count("seed"))


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
            DecodedError: The folder is of another campaign, or cannot be written.
        """
        self.path = path
        about = path / "campaign.json"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DecodedError(f"{path} cannot be made: {error.strerror}") from None
        if not about.exists():
            self._write(about, dict(campaign))
            return
        found = read(about).record
        for key in sorted({*found, *campaign}):
            if found.get(key) != campaign.get(key):
                raise DecodedError(
                    f"{path} holds a campaign whose {brief(key)[1:-1]} is "
                    f"{brief(found.get(key), 200)}; expected {brief(campaign.get(key), 200)}. "
                    "Name another folder for another campaign"
                )

    def done(self, plan: Plan) -> dict[int, Tally]:
        """The stretches that are done, of those of a plan; raises DecodedError on any other file."""
        whole = plan.n_stretches
        done: dict[int, Tally] = {}
        for path in sorted(self.path.glob("stretch-*.json")):
            named = _NAMED.fullmatch(path.stem)
            if named is None or (whole is not None and int(named[1]) >= whole):
                last = "" if whole is None else f", up to stretch-{whole - 1:06}.json"
                raise DecodedError(
                    f"{path} is no stretch; expected them in stretch-000000.json and so on{last}"
                )
            done[int(named[1])] = from_dict(read(path), plan.contracts)
        return done

    def keep(self, number: int, tally: Tally) -> None:
        """Writes down what a stretch has done; raises DecodedError if that cannot be written."""
        self._write(self.path / f"stretch-{number:06}.json", to_dict(tally))

    def _write(self, path: Path, record: Mapping[str, Json]) -> None:
        try:
            with whole_file(path) as file:
                file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise DecodedError(f"{path} cannot be written: {error.strerror}") from None
