"""Proofs of rules: the lines of a rule, read with symbols and with exact rationals.

A rule (`vjp`) is generic in what it computes on. The engine reads it with ndarrays and with Variables,
`dezero.verify.magnitude` with sizes. Here it is read with object arrays of what is exact: in `symbols`
their elements are SymPy expressions; in `adjoint` they are power series with rational coefficients
(`rationals`) or, where these do not suffice, with enclosures for coefficients (`dezero.verify.balls`).
`verdicts` says of each operation which of these readings succeeded, and why no stronger one.

What is trusted: SymPy, where it reduces a difference to the literal 0; FLINT; Python's fractions; and
the reference, of which the derivatives are. That an operation's value *is* the reference's is the law
`value`, and that a rule does not look at which reading it is given is part of `second_order`: random
programs check both. Of floating-point rounding nothing is said: a number in a rule
stands for the real number that it rounds (see `rationals.fraction`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from dezero.arrays import Shape
from dezero.contract import Array
from dezero.graph import Function, Node, Reading, Variable
from dezero.namespace import Namespace
from dezero.operation import Operation


class Refuted(Exception):
    """A rule is not the derivative of its reference: the message says where."""


class Unproved(Exception):
    """A way to prove a rule leads nowhere, which says nothing against it: the message says why."""


Operator: TypeAlias = Literal["+", "-", "*", "/", "**"]


class Element(ABC):
    """What is exact, as an element of an object array: the operators by which NumPy computes."""

    __slots__ = ()

    @abstractmethod
    def combined(self, op: Operator, a: object, b: object) -> Self:
        """a op b, one of which is this element; NotImplemented if the other is no number."""

    @abstractmethod
    def sign(self, other: object) -> int:
        """-1, 0 or 1 as it is less than, equal to or greater than another, or a number."""

    def conjugate(self) -> Self:
        """Itself: it is real."""
        return self

    def __add__(self, other: object) -> Self:
        return self.combined("+", self, other)

    def __radd__(self, other: object) -> Self:
        return self.combined("+", other, self)

    def __sub__(self, other: object) -> Self:
        return self.combined("-", self, other)

    def __rsub__(self, other: object) -> Self:
        return self.combined("-", other, self)

    def __mul__(self, other: object) -> Self:
        return self.combined("*", self, other)

    def __rmul__(self, other: object) -> Self:
        return self.combined("*", other, self)

    def __truediv__(self, other: object) -> Self:
        return self.combined("/", self, other)

    def __rtruediv__(self, other: object) -> Self:
        return self.combined("/", other, self)

    def __pow__(self, other: object) -> Self:
        return self.combined("**", self, other)

    def __neg__(self) -> Self:
        return self.combined("-", 0, self)

    def __abs__(self) -> Self:
        return -self if self < 0 else self

    def __lt__(self, other: object) -> bool:
        return self.sign(other) < 0

    def __le__(self, other: object) -> bool:
        return self.sign(other) <= 0

    def __gt__(self, other: object) -> bool:
        return self.sign(other) > 0

    def __ge__(self, other: object) -> bool:
        return self.sign(other) >= 0

    def __eq__(self, other: object) -> bool:
        return self.sign(other) == 0

    __hash__: None = None  # type: ignore[assignment]  # what is equal here may differ otherwise


class _Unsaved(Element):
    """An element that the contract does not save: what is computed with it is no better."""

    __slots__ = ()

    def combined(self, op: Operator, a: object, b: object) -> Self:
        return self

    def sign(self, other: object) -> int:
        raise Refuted(_READS_UNSAVED)

    def __getattr__(self, name: str) -> Callable[[], Self]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda: self


_READS_UNSAVED = "the rule reads what its contract does not save"


class _Kept(np.ndarray[Any, np.dtype[Any]]):  # of any elements
    """An array whose 0-d results stay arrays; of objects, NumPy would give the element."""


def _not_saved(shape: Shape) -> Array:
    """What a rule may know of an array that its contract does not save: the shape."""
    return np.full(shape, _Unsaved(), object).view(_Kept)


class _Exact(Reading[Array]):
    records = False

    def __init__(self, xp: Namespace[Array]) -> None:
        self.xp = xp

    def operand(self, node: Node, saved: Array | None) -> Array:
        return _not_saved(node.shape) if saved is None else saved

    def output(self, function: Function, saved: Array) -> Array:
        return saved

    def from_variable(self, variable: Variable) -> Array:
        return variable.data

    def to_variable(self, x: Array) -> Variable:
        return Variable(x)


def pulled(
    operation: Operation,
    xp: Namespace[Array],
    operands: Sequence[Array],
    outputs: Sequence[Array],
    gys: Sequence[Array],
) -> Sequence[Array]:
    """The cotangents of the operands, by the rule of an operation, in object arrays.

    Of what the contract does not save the rule may use the shape.

    Raises:
        Refuted: The rule cannot be read so.
    """
    saved = [*operands, *outputs]
    for i in operation.unread(len(saved)):
        saved[i] = _not_saved(saved[i].shape)
    try:
        leaves = [Variable(x) for x in operands]  # as long as they live, their cotangents are wanted
        operation.remember([leaf.node for leaf in leaves], [x.view(_Kept) for x in saved])
        cotangents = operation.pull(_Exact(xp), [gy.view(_Kept) for gy in gys])
        gxs = [np.asarray(gx) for _, gx in cotangents]
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise Refuted(f"the rule cannot be read: {error}") from error
    if any(isinstance(element, _Unsaved) for g in gxs for element in g.ravel().tolist()):
        raise Refuted(_READS_UNSAVED)
    return gxs
