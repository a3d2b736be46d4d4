"""`python docs/operations_page.py` writes docs/operations.md, from the contracts and the sources."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

from dezero.contract import Contract, Shapes
from dezero.operation import Composite, Operation
from dezero.verify.catalogue import OPERATIONS

PAGE = Path(__file__).with_name("operations.md")

HEAD = """\
# Operations

Each operation of `dezero.functions`: where it is defined, where it has a kink and what is taken for
its derivative there, and its rule. *This page is written by `python docs/operations_page.py`, from
the contracts and the sources; a test says when it is stale.* What each computes, as a formula, with
its shapes, is in the [specification](specification.md); how far its rule is proved, in the
[proofs](proofs.md#the-table).

## How to read it

A **rule** takes the cotangent `gy` of the output to those of the operands, in their order. `x` (or
`a` and `b`) is an operand, `y` the output, and `xp` the functions that a rule calls: those of
arrays when a gradient is all that is wanted, those of Variables when the gradient shall be
differentiable itself. So the same lines give every order of derivatives. Broadcasting is undone by
the engine, not by the rule. What the line *keeps* does not name is not kept for the rule: an array
that no rule reads is freed with its last handle.

The **domain** is where an operation is defined. At a **kink** it is continuous, but has no
derivative; the *convention* says what the rule gives there. **Smoothness** is *linear* in all
operands together, *multilinear* in each, *smooth*, or *piecewise smooth*: smooth but for the kinks.
Operations that are made of others have no rule of their own; the engine differentiates what they
are made of.

## All of them

"""


def page() -> str:
    """The page, in Markdown."""
    rows = ["| operation | computes | domain | kink | convention |", "|---|---|---|---|---|"]
    sections: list[str] = []
    for name, operation in sorted(OPERATIONS.items()):
        contract = operation.contract
        kinks = contract.kinks
        cells = [f"[`{name}`](#{name})", contract.summary, contract.domain.text]
        cells += ["", ""] if kinks is None else [kinks.text, kinks.convention]
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        sections.append(_section(operation, contract))
    return HEAD + "\n".join(rows) + "\n\n" + "\n".join(sections)


def _section(operation: type[Operation | Composite], contract: Contract) -> str:
    lines = [f"## `{contract.name}`", "", _prose(contract.summary), ""]
    lines.append(f"- class: `{operation.__name__}`, {_operands(contract)}")
    lines.append(f"- domain: {_prose(contract.domain.text)}")
    lines.append(f"- smoothness: {contract.smoothness.value}")
    if contract.kinks is not None:
        lines.append(
            f"- kink: {_prose(contract.kinks.text)}; convention: {_prose(contract.kinks.convention)}"
        )
    lines += [f"- attribute `{key}`: {kind.value}" for key, kind in contract.attributes.items()]
    if issubclass(operation, Operation):
        saved = ", ".join(f"`{name}`" for name in sorted(contract.saves)) or "nothing"
        lines += [f"- keeps: {saved}", "", "The rule:", "", *_source(operation, "vjp")]
    else:
        lines += ["", "Made of others:", "", *_source(operation, "__call__")]
    return "\n".join([*lines, ""])


def _operands(contract: Contract) -> str:
    counts = {None: "one operand or more", 1: "one operand"}
    text = counts.get(contract.arity, f"{contract.arity} operands")
    if contract.shapes not in (Shapes.ANY, Shapes.ELEMENTWISE):
        text += f" (shapes: {contract.shapes.value})"
    elif contract.shapes is Shapes.ELEMENTWISE:
        text += " that broadcast against each other" if contract.arity != 1 else ""
    if contract.outputs is None:
        text += ", several outputs"
    elif contract.outputs > 1:
        text += f", {contract.outputs} outputs"
    return text


def _source(operation: type[Operation | Composite], method: str) -> list[str]:
    """The lines of a method, and of the functions of its file that it calls."""
    rule = getattr(operation, method)
    sources = [textwrap.dedent(inspect.getsource(rule)).rstrip()]
    for name in rule.__code__.co_names:  # what it shares with other rules of its file
        shared = rule.__globals__.get(name)
        if name.startswith("_") and inspect.isfunction(shared):
            sources.append(inspect.getsource(shared).rstrip())
    return ["```py", *"\n\n\n".join(sources).splitlines(), "```"]


def _prose(text: str) -> str:
    """A text of a contract, with nothing in it that Markdown takes for markup."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("_", "\\_")


def _cell(text: str) -> str:
    return text if text.startswith("[`") else _prose(text)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
