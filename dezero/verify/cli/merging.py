"""`dezero merge`: the JSON reports of the parts of a campaign, put together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dezero.verify import report, stretches
from dezero.verify.campaign import Counterexample, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import Claims
from dezero.verify.cli import verifying
from dezero.verify.cli.arguments import AddCommand, UsageError
from dezero.verify.coverage import FLOOR_FROM
from dezero.verify.html_report import Shown
from dezero.verify.laws import SENTENCES
from dezero.verify.program import Json
from dezero.verify.report import Report
from dezero.verify.stretches import StretchError
from dezero.verify.target import contract_of

SAME = ("target", "module", "again", "seed", "versions", "profile", "lacking", "not_claimed", "known")
"""What must be the same in all parts."""


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
    merge.add_argument("--json", type=Path, metavar="F", help="write everything to a file")
    merge.add_argument("--junit", type=Path, metavar="F", help="write JUnit XML to a file")
    merge.add_argument("--markdown", type=Path, metavar="F", help="write a summary to a file")
    merge.add_argument(
        "--badge", type=Path, metavar="F", help="write the verdict for a badge to a file"
    )
    merge.add_argument("--html", type=Path, metavar="F", help="write a page to look at to a file")
    merge.set_defaults(run=_merge)


def _merge(options: argparse.Namespace) -> int:
    files: list[Path] = options.files
    try:
        made = merged({str(path): stretches.read(path) for path in files})
    except StretchError as error:
        raise UsageError(str(error)) from None
    print(report.summary(made))
    if made.tally.counterexample is not None:
        print()
        print(report.explain(made, made.tally.counterexample), end="")
    found = made.tally.counterexample
    verifying.write_reports(options, made, {}, lambda: [] if found is None else [Shown(found)])
    return made.exit_code


def merged(reports: dict[str, dict[str, Json]]) -> Report:
    """The report of a campaign from those of its parts, by the names of their files.

    Raises:
        StretchError: One is not the report of a part, or they are not all the parts of one campaign.
    """
    names = list(reports)
    first = reports[names[0]]
    seen: dict[int, str] = {}
    parts: dict[int, Tally] = {}
    standing = Tally()
    n_parts = 0
    for name, one in reports.items():
        match one:
            case {"shard": [int(i), int(n)], "stretches": dict(given), "standing": dict(own)}:
                pass
            case _:
                raise StretchError(f"{name} is not what verify --shard I/N --json wrote")
        for key in SAME:
            if one.get(key) != first.get(key):
                raise StretchError(
                    f"{name} and {names[0]} are of different campaigns: "
                    f"{key} is {one.get(key)!r:.200} and {first.get(key)!r:.200}"
                )
        if i in seen or (n_parts and n != n_parts):
            raise StretchError(
                f"{name} is part {i}/{n}; {seen.get(i, names[0])} is part {i if i in seen else 1}"
                f"/{n_parts or n}: expected each part of {n_parts or n} once"
            )
        seen[i], n_parts = name, n
        for number, done in given.items():
            parts[int(number)] = stretches.from_dict(done, f"{name}: stretch {number}")
        standing.add(stretches.from_dict(dict[str, Json](own), f"{name}: standing"))
    missing = [f"{i}/{n_parts}" for i in range(1, n_parts + 1) if i not in seen]
    if missing:
        raise StretchError(f"missing: the parts {', '.join(missing)}")
    keep_going = first.get("keep_going") is True
    tally = stretches.together(parts, keep_going=keep_going)
    if tally.counterexample is None:
        tally.add(standing)
    others = stretches.causes(parts)[1:] if keep_going else []
    return _report(first, tally, others, names[0])


def _report(one: dict[str, Json], tally: Tally, others: Sequence[Counterexample], name: str) -> Report:
    match one:
        case {
            "target": str(target),
            "seed": int(seed),
            "again": str(again),
            "laws": dict(laws),
            "coverage": {"operations": dict(operations)},
            "profile": str(profile),
            "lacking": list(lacking),
            "not_claimed": {"operations": dict(missing), "laws": list(unclaimed)},
        } if set(laws) <= set(SENTENCES):
            module = one.get("module")
        case _:
            raise StretchError(f"{name} is no report of verify")
    contracts = {
        op: OPERATIONS[op].contract if op in OPERATIONS else contract_of(op, 1) for op in operations
    }
    claims = Claims(
        profile,
        {op: str(why) for op, why in missing.items()},
        tuple(str(law) for law in unclaimed),
        tuple(str(what) for what in lacking),
    )
    whole = set(contracts) == set(OPERATIONS) - set(claims.operations)
    counted = tally.examples >= FLOOR_FROM and tally.counterexample is None
    dtypes = ("float64", "float32") if tally.coverage.features["float32"] else ("float64",)
    uncovered = tally.coverage.missing(contracts, dtypes) if whole and counted else []
    return Report(
        target,
        module if isinstance(module, str) else None,
        list(laws),
        seed,
        again,
        contracts,
        tally,
        uncovered,
        claims,
        [stretches.known_of(row) for row in stretches.rows_of(one, "known", name)],
        others,
    )
