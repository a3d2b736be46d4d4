"""What the programs of a campaign had in them: counted, and held against a floor.

A campaign that found nothing says little if what it tried was thin. So it counts operations, pairs of
them, and features: kinds of shapes, of broadcasting, of graphs. Of what can occur at all with the
operations there are, everything must.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dezero.contract import Array, Contract, Shapes
from dezero.verify.program import Program

FEATURES: Mapping[str, str] = {
    "0-d": "a value without axes",
    "empty": "a value without elements",
    "one element": "a value with axes, and one element",
    "many axes": "a value with three axes or more",
    "added axes": "an operand that is given more axes by broadcasting",
    "stretched axes": "an operand of which an axis of length one is stretched by broadcasting",
    "both stretched": "two operands that stretch each other",
    "kink": "a value on a kink",
    "fan-out": "a value that is used twice or more",
    "used twice by one": "a value that is two operands of one step",
    "several outputs": "a step with several outputs",
    "several roots": "a program with several outputs",
    "unused": "a value on the way that nobody uses",
    "shallow": "a program in which no step follows a step",
    "deep": "a chain of eight steps or more",
    "float64": "a program in float64",
    "float32": "a program in float32",
}
"""What is counted, once for each program that has it, and what it means."""
FLOOR_FROM = 2000
"""From how many programs on a campaign must have covered all that it can."""


@dataclass
class Coverage:
    """What occurred.

    Attributes:
        operations: How often each operation did.
        pairs: How often an operation fed another.
        features: How many programs had each of `FEATURES`.
        steps: How many programs had so many steps.
    """

    operations: Counter[str] = field(default_factory=Counter[str])
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    features: Counter[str] = field(default_factory=Counter[str])
    steps: Counter[int] = field(default_factory=Counter[int])

    def add(self, other: Coverage) -> None:
        """Counts what occurred elsewhere, too."""
        self.operations.update(other.operations)
        self.pairs.update(other.pairs)
        self.features.update(other.features)
        self.steps.update(other.steps)

    def count(self, program: Program) -> None:
        """Counts what a program's text tells: its operations, and how they are joined."""
        self.steps[len(program.steps)] += 1
        maker: dict[int, str] = {}
        for step, first in program.places():
            self.operations[step.op] += 1
            for operand in step.operands:
                if operand in maker:
                    self.pairs[maker[operand], step.op] += 1
            for k in range(step.n_out):
                maker[first + k] = step.op
        self.features.update(set(_joints(program)))

    def count_values(
        self, program: Program, values: Sequence[Array], contracts: Mapping[str, Contract], kinked: bool
    ) -> None:
        """Counts what a program's values tell: their shapes, and where they lie."""
        found = {name for y in values for name in _shapes(y)}
        for step in program.steps:
            if contracts[step.op].shapes is Shapes.ELEMENTWISE:
                found.update(_broadcasts([values[i].shape for i in step.operands]))
        self.features.update(found | ({"kink"} if kinked else set()))

    def missing_pairs(self, contracts: Mapping[str, Contract]) -> list[tuple[str, str]]:
        """The ordered pairs of operations of which the first never fed the second."""
        return [(a, b) for a in contracts for b in contracts if (a, b) not in self.pairs]

    def missing(self, contracts: Mapping[str, Contract], dtypes: Sequence[str]) -> list[str]:
        """The operations and features that could occur with some operations, and did not."""
        operations = [f"operation {name}" for name in contracts if name not in self.operations]
        possible = possible_features(contracts, dtypes)
        return operations + [name for name in possible if name not in self.features]


def possible_features(contracts: Mapping[str, Contract], dtypes: Sequence[str]) -> list[str]:
    """The features that programs over some operations can have."""
    kinds = contracts.values()
    broadcasts = any(c.shapes is Shapes.ELEMENTWISE and c.arity != 1 for c in kinds)
    several = any(c.outputs != 1 for c in kinds)
    joins = any(c.arity != 1 for c in kinds)
    needs = {
        "added axes": broadcasts,
        "stretched axes": broadcasts,
        "both stretched": broadcasts,
        "kink": any(c.kinks is not None for c in kinds),
        "used twice by one": joins,
        "fan-out": joins,
        "several outputs": several,
        "unused": several or joins,
        "float64": "float64" in dtypes,
        "float32": "float32" in dtypes,
    }
    return [name for name in FEATURES if needs.get(name, True)]


def _shapes(y: Array) -> Iterator[str]:
    if y.ndim == 0:
        yield "0-d"
    if y.size == 0:
        yield "empty"
    if y.ndim and y.size == 1:
        yield "one element"
    if y.ndim >= 3:
        yield "many axes"


def _broadcasts(shapes: Sequence[tuple[int, ...]]) -> Iterator[str]:
    result = np.broadcast_shapes(*shapes)
    if any(len(shape) < len(result) for shape in shapes):
        yield "added axes"
    # Aligned at the last axis; what one has not, it cannot stretch.
    own = [zip(shape[::-1], result[::-1], strict=False) for shape in shapes]
    stretched = sum(any(n != m for n, m in axes) for axes in own)
    if stretched:
        yield "stretched axes"
    if stretched > 1:
        yield "both stretched"


def _joints(program: Program) -> Iterator[str]:
    """How the steps of a program are joined."""
    uses = Counter(i for step in program.steps for i in set(step.operands))
    depths = [0] * program.n_values
    for step, first in program.places():
        depth = 1 + max((depths[i] for i in step.operands), default=0)
        depths[first : first + step.n_out] = [depth] * step.n_out
        if len(set(step.operands)) < len(step.operands):
            yield "used twice by one"
        if step.n_out > 1:
            yield "several outputs"
    if max(uses.values(), default=0) > 1:
        yield "fan-out"
    if len(program.outputs) > 1:
        yield "several roots"
    if not set(range(len(program.inputs), program.n_values)) <= uses.keys() | set(program.outputs):
        yield "unused"
    deepest = max(depths, default=0)
    if deepest <= 1:
        yield "shallow"
    if deepest >= 8:
        yield "deep"
    yield program.dtype.name
