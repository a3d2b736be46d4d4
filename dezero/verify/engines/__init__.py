"""Engines: whoever can run a Program. Here what the laws ask of one that runs in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Generic, TypeVar

from dezero.contract import Array, Contract
from dezero.verify.program import Program, Step

V = TypeVar("V")
"""A variable of an engine."""


@dataclass
class Graph(Generic[V]):
    """A program as an engine has recorded it.

    Attributes:
        values: The engine's variables in the program's numbering; None where it was dropped.
        outputs: The variables of the program's outputs.
    """

    values: list[V | None]
    outputs: list[V] = field(default_factory=list[V])

    def leaves(self, program: Program) -> list[V]:
        """The variables of the program's inputs."""
        return [leaf for leaf in self.values[: len(program.inputs)] if leaf is not None]


class Engine(ABC, Generic[V]):
    """An autograd that runs in this process, as the laws see it.

    Attributes:
        name: As the user names it.
        contracts: The operations that it claims, by name.
        differentiates_twice: Whether its gradients can be differentiated.
        rule: The name of the method of an application that runs its rule.
        module: Where its operations can be imported from, as classes, to show a program as code.
        conventions: The operations for which it documents other derivatives at a kink than ours.
    """

    name: str
    rule: ClassVar[str]
    module: ClassVar[str]
    differentiates_twice: bool
    conventions: Mapping[str, str] = MappingProxyType({})

    @property
    @abstractmethod
    def contracts(self) -> Mapping[str, Contract]:
        """The operations that it claims, by name."""

    @property
    def dtypes(self) -> Sequence[str]:
        """The element types of programs that it takes, the first before others."""
        return ("float64", "float32")

    # --- what an autograd does ---

    @abstractmethod
    def leaf(self, data: Array) -> V:
        """A variable that holds ``data``."""

    @abstractmethod
    def apply(self, step: Step, operands: Sequence[V]) -> list[V]:
        """The outputs of an operation."""

    @abstractmethod
    def value(self, variable: V) -> Array:
        """The array that a variable holds."""

    @abstractmethod
    def gradient(self, variable: V) -> Array | None:
        """The gradient that a variable has, if it has one."""

    @abstractmethod
    def clear(self, variable: V) -> None:
        """Forget the gradient."""

    @abstractmethod
    def backward(self, variable: V, seed: Array, *, retain_grad: bool = False) -> None:
        """Add the gradients, with ``seed`` for the variable's own cotangent."""

    @abstractmethod
    def no_grad(self) -> AbstractContextManager[None]:
        """A region in which nothing is recorded."""

    @abstractmethod
    def recording(self) -> bool:
        """Whether operations are recorded."""

    # --- what can be seen of its graph ---

    @abstractmethod
    def application(self, variable: V) -> object | None:
        """What made the variable (its creator); None for a leaf."""

    @abstractmethod
    def parts(self, variable: V) -> list[object]:
        """The objects of the graph that belong to a variable, itself included."""

    @contextmanager
    def watched(self, application: object, seen: Callable[[], None]) -> Generator[None]:
        """Within, ``seen`` is called whenever the rule of an application runs."""
        rule: Callable[..., object] = getattr(application, self.rule)

        def watched(*operands: object) -> object:
            seen()
            return rule(*operands)

        vars(application)[self.rule] = watched
        try:
            yield
        finally:
            del vars(application)[self.rule]

    # --- derivatives of derivatives ---

    def gradients(
        self, ys: Sequence[V], xs: Sequence[V], seeds: Sequence[V], create_graph: bool = False
    ) -> list[V]:
        """The gradients as variables, without touching those that the variables have."""
        raise NotImplementedError(f"{self.name} does not differentiate twice")

    def backward_recorded(self, variable: V, seed: Array, leaves: Sequence[V]) -> list[V]:
        """Backward with its computation recorded; the gradients that the leaves then have."""
        raise NotImplementedError(f"{self.name} does not differentiate twice")

    # --- whole programs ---

    def build(self, program: Program, *, keep: bool = True) -> Graph[V]:
        """Record a program; without ``keep``, hold only its inputs and outputs."""
        graph: Graph[V] = Graph([self.leaf(x) for x in program.inputs])
        last_use = {} if keep else _last_uses(program)
        values = graph.values
        for number, (step, first) in enumerate(program.places()):
            operands = [v for v in (values[i] for i in step.operands) if v is not None]
            try:
                results = self.apply(step, operands)
            except Exception as error:
                error.add_note(f"in step {number} ({step.op}) of the program, by {self.name}")
                raise
            if len(results) != step.n_out:
                raise RuntimeError(
                    f"step {number} ({step.op}): {self.name} gives {len(results)} values; "
                    f"expected {step.n_out}"
                )
            values.extend(results)
            del operands, results
            for i in last_use.get(first, ()):
                values[i] = None
        graph.outputs = [v for v in (values[i] for i in program.outputs) if v is not None]
        return graph

    def pull_back(self, graph: Graph[V], seeds: Sequence[Array], **options: bool) -> None:
        """Backward from every output, one after the other."""
        for output, seed in zip(graph.outputs, seeds, strict=True):
            self.backward(output, seed, **options)


def _last_uses(program: Program) -> dict[int, list[int]]:
    """For the first value of each step, the values that nothing needs after the step has run."""
    last: dict[int, int] = {}
    for step, first in program.places():
        for k in range(step.n_out):
            last[first + k] = first
        for operand in step.operands:
            last[operand] = first
    dropped: dict[int, list[int]] = {}
    for value, first in last.items():
        if value >= len(program.inputs) and value not in program.outputs:
            dropped.setdefault(first, []).append(value)
    return dropped
