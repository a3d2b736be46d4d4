"""`dezero merge`: the JSON reports of the parts of a campaign, put together."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from dezero.contract import Contract
from dezero.verify import report, stretches
from dezero.verify.campaign import Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import PROFILES, Claims
from dezero.verify.cli import arguments, verifying
from dezero.verify.cli.arguments import AddCommand, UsageError
from dezero.verify.decoded import MOST, Decoded, DecodedError, read
from dezero.verify.html_report import shown_of
from dezero.verify.laws import SENTENCES
from dezero.verify.program import FLOATS
from dezero.verify.protocol import brief
from dezero.verify.report import Report
from dezero.verify.target import contract_of

SAME = (
    "target", "module", "conditions", "again", "seed", "n_stretches", "keep_going", "floor",
    "profile", "lacking", "not_claimed", "known",
)  # fmt: skip
"""What must be the same in all parts."""
MOST_PARTS = 10**6
"""There are no more parts than `--shard` can name."""


def define(add: AddCommand) -> None:
    """Defines the command."""
    merge = add(
        "merge",
        help="put the JSON reports of all parts of a campaign together (see verify --shard)",
        description="Put the reports of all parts of a campaign together. Exit codes: those of verify.",
    )
    merge.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="what verify --shard I/N --json FILE wrote"
    )
    arguments.add_reports(merge)
    merge.set_defaults(run=_merge)


def _merge(options: argparse.Namespace) -> int:
    files: list[Path] = options.files
    arguments.expect_writable(*arguments.report_files(options))
    try:
        made = merged([read(path) for path in dict.fromkeys(files)])
    except DecodedError as error:
        raise UsageError(str(error)) from None
    with arguments.written(verifying.reports(options, made, {}, lambda: shown_of(made))):
        print(report.summary(made))
        for found in made.counterexamples:
            print()
            print(report.explain(made, found), end="")
    return made.exit_code


def merged(reports: list[Decoded]) -> Report:
    """The report of a campaign from those of its parts.

    Raises:
        DecodedError: One is not the report of a part, or they are not all the parts of one campaign.
    """
    first = reports[0]
    first_part, n_parts = _shard(first)
    contracts = _contracts(first)
    seen: dict[int, str] = {}
    parts: dict[int, Tally] = {}
    standing = Tally()
    for at in reports:
        i, n = _shard(at)
        _of_one_campaign(at, first)
        if i in seen or n != n_parts:
            raise DecodedError(
                f"{at.where} is part {i}/{n}; {seen.get(i, first.where)} is part "
                f"{i if i in seen else first_part}/{n_parts}: "
                f"expected each part of {n_parts} once"
            )
        seen[i] = at.where
        parts |= _stretches(at, i, n, contracts)
        standing.add(stretches.from_dict(at.inner("standing"), contracts))
    if len(seen) < n_parts:
        missing = islice((f"{i}/{n_parts}" for i in range(1, n_parts + 1) if i not in seen), 10)
        raise DecodedError(
            f"missing: {n_parts - len(seen)} of {n_parts} parts, among them {', '.join(missing)}"
        )
    return _report(first, contracts, parts, standing)


def _shard(at: Decoded) -> tuple[int, int]:
    """Which part of how many a report is of."""
    if "shard" not in at.record:
        raise DecodedError(f"{at.where} is no part; expected what verify --shard I/N --json wrote")
    row = Decoded.row(at.items("shard"), f"{at.where}: shard")
    n = row.integer(1, 1, MOST_PARTS)
    return row.integer(0, 1, n), n


def _of_one_campaign(at: Decoded, first: Decoded) -> None:
    """Raises DecodedError unless two reports are of one campaign, and of this version."""
    for key in SAME:
        if at.record.get(key) != first.record.get(key):
            raise DecodedError(
                f"{at.where} and {first.where} are of different campaigns: {key} is "
                f"{brief(at.record.get(key), 200)} and {brief(first.record.get(key), 200)}"
            )
    versions = at.inner("versions")
    for name in ("dezero", "numpy", "hypothesis"):
        if versions.record.get(name) != version(name):
            raise versions.wrong(name, f"{version(name)}, which puts it together")


def _module(at: Decoded) -> str | None:
    """Where the operations of an engine are imported from; None for a function."""
    if at.record.get("module") is None:
        return None
    module = at.text("module")
    if not all(part.isidentifier() for part in module.split(".")):
        raise at.wrong("module", "the name of a module")
    return module


def _contracts(at: Decoded) -> dict[str, Contract]:
    """The operations of a campaign: of an engine some of ours, of a function itself."""
    operations = at.inner("coverage").inner("operations")
    if _module(at) is None:
        if len(operations.record) != 1:
            raise DecodedError(
                f"{operations.where}: {len(operations.record)} operations; expected the function alone"
            )
        return {op: contract_of(op, 1) for op in operations.record}
    for op in operations.record:
        if op not in OPERATIONS:
            raise DecodedError(f"{operations.where}: {brief(op)}; expected names of operations")
    return {op: OPERATIONS[op].contract for op in operations.record}


def _stretches(at: Decoded, i: int, n: int, ops: Collection[str]) -> dict[int, Tally]:
    """The stretches of a part by their numbers; raises DecodedError unless all are there."""
    given = at.inner("stretches")
    whole = at.integer("n_stretches", 1, MOST)
    found: dict[int, Tally] = {}
    for key in given.record:
        number = int(key) if re.fullmatch(r"-1|0|[1-9][0-9]{0,15}", key) else None
        if number is None or not (
            (number == stretches.REPLAYED and i == 1) or (0 <= number < whole and number % n == i - 1)
        ):
            raise DecodedError(
                f"{given.where}: {brief(key)}; expected numbers of stretches of part {i}/{n}, "
                f"of {whole} in all"
            )
        found[number] = stretches.from_dict(given.inner(key), ops)
    broken = [number for number, tally in found.items() if tally.counterexample is not None]
    end = min(broken, default=whole) if not at.flag("keep_going") else whole
    expected = range(i - 1, end, n)
    missing = next((number for number in expected if number not in found), None)
    if missing is not None and not at.items("lacking"):  # of what is lacking nothing was tried
        raise DecodedError(
            f"{given.where}: {len(given.record)} stretches, without {missing}; "
            f"expected {len(expected)} or more"
        )
    return found


def _report(
    at: Decoded, contracts: Mapping[str, Contract], parts: Mapping[int, Tally], standing: Tally
) -> Report:
    laws = at.inner("laws")
    for law in laws.record:
        if law not in SENTENCES:
            raise DecodedError(f"{laws.where}: {brief(law)}; expected names of laws")
    unclaimed = at.inner("not_claimed")
    operations = unclaimed.inner("operations")
    claims = Claims(
        at.text("profile", PROFILES, f"one of {', '.join(PROFILES)}"),
        {op: operations.text(op) for op in operations.record},
        tuple(unclaimed.texts("laws", SENTENCES, "the name of a law")),
        tuple(at.texts("lacking")),
    )
    floor = None if at.record.get("floor") is None else at.texts("floor", FLOATS, " or ".join(FLOATS))
    keep_going = at.flag("keep_going")
    tally = stretches.together(parts, keep_going=keep_going)
    if tally.counterexample is None:
        tally.add(standing)
    return Report(
        at.text("target"),
        _module(at),
        list(laws.record),
        at.count("seed"),
        at.text("again"),
        contracts,
        tally,
        verifying.uncovered(tally, contracts, floor),
        claims,
        [stretches.known_of(row) for row in at.rows("known")],
        stretches.causes(parts)[1:] if keep_going else [],
        at.text("conditions"),
    )
