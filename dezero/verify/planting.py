"""Faults as data: what is broken, how, and by whom it may be named; and how they are planted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast  # Any and cast: what is replaced has no type here

from dezero.contract import Array
from dezero.graph import Variable
from dezero.operation import Binary, Composite, Nary, Operation, Unary

Family: TypeAlias = Literal[
    "rules",
    "values",
    "shapes",
    "accumulation",
    "order",
    "dropped outputs",
    "aliasing",
    "dtype",
    "configuration",
    "memory",
    "transaction",
    "determinism",
    "second order",
    "depth",
    "interface",
    "numerics",
    "convolution",
    "networks",
]


@dataclass(frozen=True)
class Replacement:
    """An attribute that is another one while a fault is planted.

    Attributes:
        owner: The class, module or object whose attribute it is.
        name: The attribute's name.
        new: What stands there meanwhile.
    """

    owner: object
    name: str
    new: object


Patch: TypeAlias = Callable[[], Sequence[Replacement]]
"""Makes the replacements anew for each planting: so a fault that remembers begins with nothing."""


@dataclass(frozen=True)
class Fault:
    """A way to break dezero.

    Attributes:
        name: Its name.
        family: What it breaks.
        sentence: What is wrong.
        laws: The laws that may rightly name it.
        smallest: The steps of the smallest program that shows it; 0 if only a standing law does.
        patch: The replacements.
    """

    name: str
    family: Family
    sentence: str
    laws: tuple[str, ...]
    smallest: int
    patch: Patch

    @property
    def operations(self) -> frozenset[str]:
        """The names of the operations that it changes; empty if it is a fault of the engine."""
        owners = [wrong.owner for wrong in self.patch()]
        return frozenset(
            owner.contract.name
            for owner in owners
            if isinstance(owner, type)
            and issubclass(owner, (Operation, Composite))
            and owner is not Operation
        )


_MISSING = object()


@contextmanager
def planted(fault: Fault) -> Generator[None]:
    """A region in which dezero has the fault. Afterwards all is as it was, however the region ends."""
    undo: list[tuple[object, str, object]] = []
    try:
        for wrong in fault.patch():
            undo.append((wrong.owner, wrong.name, vars(wrong.owner).get(wrong.name, _MISSING)))
            setattr(wrong.owner, wrong.name, wrong.new)
        yield
    finally:
        for owner, name, old in reversed(undo):
            if old is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, old)


def scaled(operation: type[Operation], factor: float) -> Patch:
    """Every cotangent that the rule of an operation gives is too large by a factor."""
    rule = cast("Callable[..., Any]", vars(operation)["vjp"])

    def vjp(self: Operation, *operands: Any) -> Any:
        given: Any = rule(self, *operands)
        if not isinstance(given, (tuple, list)):
            return given * factor
        gxs = cast("Sequence[Any]", given)
        return [g * factor for g in gxs]

    return lambda: [Replacement(operation, "vjp", vjp)]


def unary(operation: type[Unary], vjp: Callable[[Any, Any, Any, Any, Any], Any]) -> Patch:
    """Another rule: of self, xp, gy, x, y."""
    return lambda: [Replacement(operation, "vjp", vjp)]


def binary(operation: type[Binary], vjp: Callable[[Any, Any, Any, Any, Any, Any], Any]) -> Patch:
    """Another rule: of self, xp, gy, a, b, y."""
    return lambda: [Replacement(operation, "vjp", vjp)]


def nary(operation: type[Nary], vjp: Callable[[Any, Any, Any, Any], Any]) -> Patch:
    """Another rule: of self, xp, gy, xs."""
    return lambda: [Replacement(operation, "vjp", vjp)]


def valued(operation: type[Unary], forward: Callable[[Any, Array], Any]) -> Patch:
    """Another value: of self and x."""
    return lambda: [Replacement(operation, "forward", forward)]


def saving(operation: type[Operation], saves: str, *others: Replacement) -> list[Replacement]:
    """The replacements by which an operation saves these operands."""
    contract = replace(operation.contract, saves=frozenset(saves))
    keeps = tuple([name in saves for name in (*operation.operand_names, "y")])
    return [
        Replacement(operation, "contract", contract),
        Replacement(operation, "keeps", keeps),
        *others,
    ]


def constant(x: Any) -> Any:
    """``x``, cut off from the graph: its derivative is lost."""
    return Variable(x.data) if isinstance(x, Variable) else x


def nothing(*_: object) -> None:
    """What some methods do while a fault is planted."""
