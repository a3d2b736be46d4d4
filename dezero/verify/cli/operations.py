"""`dezero ops`, `dezero spec` and `dezero prove`: the operations, and what is proved of their rules."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dezero.contract import Contract
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, NOT_STARTED, AddCommand
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.program import Json
from dezero.verify.specification import specification


def define(add: AddCommand) -> None:
    """Defines the commands."""
    ops = add("ops", help="list the operations and their contracts")
    form = ops.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    ops.set_defaults(run=_ops)

    spec = add(
        "spec",
        help="print the specification for an implementer in any language",
        description="Print the specification for an implementer in any language: the semantics, and "
        "each operation with its formulas, in Markdown.",
    )
    spec.add_argument("--write", type=Path, metavar="FILE", help="write it to a file instead")
    spec.set_defaults(run=_spec)

    prove = add(
        "prove",
        help="prove the rules of the operations, with symbols and with exact rationals",
        description="Prove the rules of the operations, with symbols and with exact rationals. "
        "Exit codes: 0 no rule is refuted, 1 one is, 2 wrong usage, 3 SymPy is not installed.",
    )
    arguments.add_names(prove, "--ops", "only these operations")
    form = prove.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    prove.set_defaults(run=_prove)


def _ops(options: argparse.Namespace) -> int:
    rows = [_row(OPERATIONS[name].__name__, contract) for name, contract in sorted(CONTRACTS.items())]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return HELD
    if options.markdown:
        arguments.print_table(
            ("name", "summary", "domain", "attributes", "smoothness", "kinks", "convention"), rows
        )
        return HELD
    for row in rows:
        print(f"{row['name']:<15} {row['summary']}")
        print(
            f"{'':<15} {row['domain']}; {row['smoothness']}; attributes: {row['attributes'] or 'none'}"
        )
        if row["kinks"]:
            print(f"{'':<15} where {row['kinks']}: {row['convention']}")
    return HELD


def _spec(options: argparse.Namespace) -> int:
    text = specification()
    if options.write is None:
        print(text, end="")
    else:
        arguments.write(options.write, text)
    return HELD


def _row(class_name: str, contract: Contract) -> dict[str, Json]:
    kinks = contract.kinks
    return {
        "name": contract.name,
        "class": class_name,
        "summary": contract.summary,
        "operands": contract.arity,
        "outputs": contract.outputs,
        "shapes": contract.shapes.value,
        "domain": contract.domain.text,
        "attributes": "; ".join(f"{name}: {kind.value}" for name, kind in contract.attributes.items()),
        "smoothness": contract.smoothness.value,
        "kinks": None if kinks is None else kinks.text,
        "convention": None if kinks is None else kinks.convention,
        "saves": "".join(sorted(contract.saves)),
    }


def _prove(options: argparse.Namespace) -> int:
    names = arguments.chosen(options.ops, sorted(OPERATIONS), "operation")
    try:
        from dezero.verify.proofs import (
            verdicts as proofs,
        )  # here, for it needs what other commands do not
    except ModuleNotFoundError as error:
        if error.name not in ("sympy", "mpmath"):
            raise
        print(
            f"dezero: prove needs {error.name}, which is not installed; "
            "install it with: pip install '.[prove]' in a checkout",
            file=sys.stderr,
        )
        return NOT_STARTED
    verdicts = proofs.Verdicts()
    found = [verdicts[name] for name in names]
    rows: list[dict[str, Json]] = [
        {
            "operation": verdict.operation,
            "domain": OPERATIONS[verdict.operation].contract.domain.text,
            "verdict": verdict.kind,
            "grounds": verdict.grounds,
            "why not more": verdict.why_not_more,
        }
        for verdict in found
    ]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif options.markdown:
        arguments.print_table(list(rows[0]), rows)
    else:
        for row in rows:
            remarks = "; ".join(str(row[name]) for name in ("grounds", "why not more") if row[name])
            print(f"{row['verdict']:<19} {row['operation']:<22} {remarks}")
        counts = {kind: sum(v.kind == kind for v in found) for kind in proofs.KINDS}
        print(", ".join(f"{n} {kind}" for kind, n in counts.items() if n))
    return COUNTEREXAMPLE if any(v.kind == "refuted" for v in found) else HELD
