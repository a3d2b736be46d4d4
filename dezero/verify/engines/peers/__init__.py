"""Peers: the autograds of others, in this process, through their own public functions.

An adapter says which function of the peer computes an operation of ours, and how the peer pulls a
cotangent back; no more. What the peer has not, or means otherwise, is not claimed. Tables say what a
run leaves out, each entry with its reason: `reasons` (whole operations), `narrower` (operands or
attributes that are not generated), `conventions` (kinks that are not judged) and `without` (laws).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dezero.contract import Array, Contract, Domain
from dezero.verify.engines import Graph
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.engines.opaque import (
    GRADIENT_LAWS,
    VALUE_LAWS,
    OpaqueEngine,
    OpaqueVariable,
)
from dezero.verify.program import Program, ProgramError

Untyped: TypeAlias = Any  # what a peer takes and gives is of types that we do not know
"""A value of the peer's own, or an attribute that is handed on to it."""

Operation = Callable[..., Any]
"""A function of the peer: it takes and gives arrays of the peer's own, of which we know no type."""

Pullback = Callable[[Sequence[Array]], list[Array | None]]
"""What gives the gradients of the inputs for cotangents of the outputs; None where there is none."""


@dataclass(frozen=True)
class Narrower:
    """A part of an operation's domain that a peer claims.

    Attributes:
        reason: Why no more, as it is shown.
        holds: Whether operands and attributes are in it.
    """

    reason: str
    holds: Callable[..., bool]


def within(x: Array, low: float = -math.inf, high: float = math.inf) -> bool:
    """Whether all elements lie between two numbers."""
    return bool(np.all((low < x) & (x < high)))


@dataclass
class Peered(Graph[OpaqueVariable]):
    """A program that a peer ran.

    Attributes:
        program: The program.
        pull: What gives its gradients.
    """

    program: Program | None = None
    pull: Pullback | None = field(default=None)


@dataclass(eq=False)
class _Differentiable(OpaqueVariable):
    """A value that knows of which program it is an output, or an input's gradient.

    Attributes:
        program: The program; for a gradient, with the seeds that gave it.
        of_gradient: Whether it is a gradient.
    """

    program: Program | None = None
    of_gradient: bool = False


class PeerEngine(OpaqueEngine):
    """A peer. An adapter has `operations`, `run`, and `second` if the peer differentiates twice.

    Attributes:
        package: The name of the distribution, for its version.
        precisions: The element types in which it computes.
        operations: The peer's functions, by the names of our operations.
        reasons: Why it does not claim some of the others.
        narrower: For operations that are not claimed on all of their domain, on which part they are.
        without: Laws that it is known to break everywhere, each with the reason.
    """

    package: ClassVar[str]
    precisions: ClassVar[Sequence[str]] = ("float64", "float32")
    operations: ClassVar[Mapping[str, Operation]]
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType({})
    narrower: ClassVar[Mapping[str, Narrower]] = MappingProxyType({})
    without: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self) -> None:
        self._contracts = {
            name: _narrowed(contract, self.narrower.get(name))
            for name, contract in CONTRACTS.items()
            if name in self.operations
        }
        self.not_claimed: dict[str, str] = {
            **{name: self.reasons.get(name, "") for name in CONTRACTS if name not in self.operations},
            **{f"{name} in part": narrower.reason for name, narrower in self.narrower.items()},
            **{f"{name} at kinks": rule for name, rule in self.conventions.items()},
        }

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def laws(self) -> tuple[str, ...]:
        laws = VALUE_LAWS + GRADIENT_LAWS + (("second_order",) if self.differentiates_twice else ())
        return tuple(law for law in laws if law not in self.without)

    @property
    def dtypes(self) -> Sequence[str]:
        return self.precisions

    @property
    def who(self) -> str:
        return f"{self.name} {version(self.package)}"

    # --- what an adapter says ---

    @abstractmethod
    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        """All values of a program in its numbering, and what gives its gradients."""

    def second(self, program: Program, direction: Sequence[Array]) -> list[Array | None]:
        """The gradient, with respect to the inputs, of ``sum(direction * gradient)``."""
        raise NotImplementedError(f"{self.name} does not differentiate twice")

    def results(self, program: Program, leaves: Sequence[Any]) -> list[Any]:
        """All values of a program, of the peer's own kind, computed by the peer from its own leaves."""
        values = list(leaves)
        for number, step in enumerate(program.steps):
            try:
                given = self.operations[step.op](*(values[i] for i in step.operands), **step.attributes)
            except Exception as error:
                error.add_note(f"in step {number} ({step.op}) of the program, by {self.name}")
                raise
            outputs = list(given) if step.op in SEVERAL else [given]
            if len(outputs) != step.n_out:
                raise ProgramError(
                    f"step {number} ({step.op}): n_out is {step.n_out}, "
                    f"but {self.name} gives {len(outputs)} values"
                )
            values.extend(outputs)
        return values

    # --- what the laws ask ---

    def build(self, program: Program, *, keep: bool = True) -> Graph[OpaqueVariable]:
        """Run a program; what is kept on the way is the peer's affair."""
        values, pull = self.run(program)
        variables: list[OpaqueVariable | None] = [_Differentiable(v, program=program) for v in values]
        outputs = [v for v in (variables[i] for i in program.outputs) if v is not None]
        return Peered(variables, outputs, program, pull)

    def pull_back(self, graph: Graph[OpaqueVariable], seeds: Sequence[Array], **options: bool) -> None:
        """Give the inputs their gradients."""
        assert isinstance(graph, Peered)
        assert graph.program is not None
        assert graph.pull is not None
        for leaf, gradient in zip(graph.leaves(graph.program), graph.pull(seeds), strict=True):
            leaf.grad = gradient

    def gradients(
        self,
        ys: Sequence[OpaqueVariable],
        xs: Sequence[OpaqueVariable],
        seeds: Sequence[OpaqueVariable],
        create_graph: bool = False,
    ) -> list[OpaqueVariable]:
        """The gradients with respect to the first inputs: of outputs, or of such gradients."""
        (y, *_) = ys
        assert isinstance(y, _Differentiable)
        assert y.program is not None
        given = [seed.data for seed in seeds]
        program = y.program if y.of_gradient else replace(y.program, seeds=tuple(given))
        found = self.second(program, given) if y.of_gradient else self.run(program)[1](given)
        return [
            _Differentiable(
                np.zeros_like(x.data) if g is None else g, program=program, of_gradient=True
            )
            for g, x in zip(found, xs, strict=False)  # the factors of a perturbed program come behind
        ]


def pair(given: Any) -> tuple[int, int]:
    """The two numbers of an attribute that is a number for both axes, or a pair."""
    first, second = np.broadcast_to(given, 2).tolist()
    return int(first), int(second)


def module(name: str) -> Any:
    """A module of a peer. Type checkers know nothing of it, whether it is there or not."""
    return import_module(name)


SEVERAL = frozenset(name for name, contract in CONTRACTS.items() if contract.several_outputs)
"""The operations that give a list."""


def _narrowed(contract: Contract, narrower: Narrower | None) -> Contract:
    """A contract with a smaller domain."""
    if narrower is None:
        return contract
    whole = contract.domain

    def clearance(*xs: Array, **attributes: Any) -> float:  # as `Domain.clearance` takes them
        inside = narrower.holds(*xs, **attributes)
        return whole.clearance(*xs, **attributes) if inside else -np.inf

    text = f"{whole.text}; {narrower.reason}"
    return replace(contract, domain=Domain(text, clearance, whole.low, whole.high))
