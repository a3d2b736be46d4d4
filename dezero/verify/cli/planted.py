"""`dezero faults`: verify the verifier."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from dezero.verify import strength
from dezero.verify import strength_report as tables
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, AddCommand, UsageError
from dezero.verify.faults import FAULTS


def define(add: AddCommand) -> None:
    """Defines the command."""
    faults = add(
        "faults",
        help="verify the verifier: plant faults in dezero, and see them caught",
        description="Plant faults in dezero, and see them caught at every seed. "
        "Exit codes: 0 all are caught, 1 one is not, 2 wrong usage.",
    )
    arguments.add_names(faults, "--only", "only these faults, or rules")
    faults.add_argument(
        "--seeds",
        type=arguments.count_of("campaigns"),
        default=5,
        metavar="N",
        help="how many campaigns for each (default 5)",
    )
    faults.add_argument(
        "--examples",
        type=arguments.count_of("programs"),
        metavar="N",
        help="the programs until it is given up (default 2000; 1000 for --sensitivity)",
    )
    faults.add_argument(
        "--sensitivity",
        action="store_true",
        help="instead, how small an error of each rule is seen",
    )
    faults.add_argument("--json", type=Path, metavar="F", help="write everything to a file")
    faults.add_argument("--markdown", type=Path, metavar="F", help="write a table to a file")
    faults.add_argument("--svg", type=Path, metavar="F", help="draw the sensitivity to a file")
    faults.set_defaults(run=_faults)


def _faults(options: argparse.Namespace) -> int:
    arguments.expect_writable(options.json, options.markdown, options.svg)
    if options.sensitivity:
        return _sensitivity(options)
    if options.svg:
        raise UsageError("--svg draws the sensitivity; add --sensitivity")
    names = arguments.chosen(options.only, list(FAULTS), "fault")
    seeds, examples = range(1, options.seeds + 1), options.examples or 2000
    found: list[strength.Strength] = []
    with tables.progress(len(names) * len(seeds)) as advance:
        for name in names:
            found.append(strength.strength_of(FAULTS[name], seeds, examples, partial(advance, name)))
    tables.show([tables.fault_row(s) for s in found], "what is wrong")
    print()
    print("What no law sees:")
    tables.show(tables.unseen_rows())
    print()
    print(f"dezero: {tables.summary(found)}")
    files = (
        (options.json, lambda: tables.faults_to_json(found, seeds, examples)),
        (options.markdown, lambda: tables.faults_to_markdown(found, seeds, examples)),
    )
    with arguments.written(files):
        return HELD if all(s.caught for s in found) else COUNTEREXAMPLE


def _sensitivity(options: argparse.Namespace) -> int:
    names = arguments.chosen(options.only, sorted(strength.RULES), "rule")
    programs = options.examples or strength.PROGRAMS
    curve: dict[str, dict[str, float | None]] = {dtype: {} for dtype in strength.EXPONENTS}
    with tables.progress(len(names) * len(curve)) as advance:
        for name in names:
            for dtype, seen in curve.items():
                seen[name] = strength.sensitivity(name, dtype, programs)
                advance(name)
    tables.show(tables.sensitivity_rows(curve))
    print()
    print(tables.sensitivity_summary(curve))
    files = (
        (options.json, lambda: tables.sensitivity_to_json(curve, programs)),
        (options.markdown, lambda: tables.sensitivity_to_markdown(curve, programs)),
        (options.svg, lambda: tables.sensitivity_to_svg(curve)),
    )
    with arguments.written(files):
        return HELD if strength.sensitive_enough(curve) else COUNTEREXAMPLE
