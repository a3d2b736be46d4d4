"""What is proved of each operation, and why not more: the table of `docs/proofs.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from dezero.contract import Smoothness
from dezero.graph import Function, Variable
from dezero.operation import Composite, Operation
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.proofs import Refuted, Unproved, adjoint, symbols

Kind: TypeAlias = Literal["proved", "exact", "certified by balls", "sampled", "refuted"]
"""From the strongest to the weakest:

- *proved*: with symbols, on the whole domain (and where linear also *exact*);
- *exact*: with rationals, without tolerance, at sampled operands, shapes and attributes;
- *certified by balls*: likewise with enclosures, to twenty decimals;
- *sampled*: by the laws of `dezero verify` only;
- *refuted*: the rule is wrong.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Verdict:
    """What is known of the rule of an operation.

    Attributes:
        operation: The operation's name.
        kind: How it is known.
        grounds: What was read to know it.
        why_not_more: Why it is not known in a stronger way; of what is refuted, where it is wrong.
    """

    operation: str
    kind: Kind
    grounds: str
    why_not_more: str


def _proved(operation: type[Operation]) -> str:
    branches = symbols.prove(operation)
    grounds = "symbols" if branches == 1 else f"symbols, {branches} branches"
    if operation.contract.smoothness in (Smoothness.LINEAR, Smoothness.MULTILINEAR):
        grounds += f"; {_exact(operation)}"
    return grounds


def _exact(operation: type[Operation]) -> str:
    return f"rationals, {adjoint.check(operation, adjoint.RATIONALS)} samples"


def _certified(operation: type[Operation]) -> str:
    return f"balls, {adjoint.check(operation, adjoint.BALLS)} samples"


_WAYS: Sequence[tuple[Kind, Callable[[type[Operation]], str]]] = (
    ("proved", _proved),
    ("exact", _exact),
    ("certified by balls", _certified),
)


class Verdicts(dict[str, Verdict]):
    """The verdicts on the operations of dezero, by name; each is found when it is asked for."""

    def __missing__(self, name: str) -> Verdict:
        operation = OPERATIONS[name]
        if issubclass(operation, Operation):
            self[name] = judged(operation)
        else:
            self[name] = _composed(name, [self[part] for part in sorted(_parts(operation))])
        return self[name]


def judged(operation: type[Operation]) -> Verdict:
    """The verdict on an operation with a rule of its own."""
    name = operation.contract.name
    reasons: list[str] = []
    for kind, way in _WAYS:
        try:
            return Verdict(name, kind, way(operation), "; ".join(reasons))
        except Unproved as error:
            reasons.append(str(error))
        except Refuted as error:
            return Verdict(name, "refuted", "", str(error))
    return Verdict(name, "sampled", "the laws", "; ".join(reasons))


def _parts(composite: type[Composite]) -> set[str]:
    """The operations that an operation without a rule of its own was seen to be made of."""
    functions: set[Function] = set()
    for program in adjoint.samples(composite.contract):
        (step,) = program.steps
        operands = [Variable(program.inputs[i]) for i in step.operands]
        made = composite(**step.attributes)(*operands)
        waiting = [y.creator for y in (made if isinstance(made, list) else [made])]
        while waiting:
            function = waiting.pop()
            if function is not None and function not in functions:
                functions.add(function)
                waiting += [node.creator for node in function.input_nodes]
    return {f.contract.name for f in functions if isinstance(f, Operation)}


def _composed(name: str, parts: Sequence[Verdict]) -> Verdict:
    """No stronger than the weakest part."""
    weakest = max(parts, key=lambda part: KINDS.index(part.kind)).kind
    at_fault = ", ".join(part.operation for part in parts if part.kind == weakest)
    return Verdict(
        name,
        weakest,
        "made of " + ", ".join(part.operation for part in parts),
        f"no rule of its own; {weakest}: {at_fault}",
    )
