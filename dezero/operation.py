"""Operations by arity: a Function with a contract, and with a rule that has two readings.

The bases carry the boilerplate, so that an operation carries mathematics:

    class Sin(Unary, domain=REALS, saves="x"):
        def forward(self, x): return np.sin(x)
        def vjp(self, xp, gy, x, y): return gy * xp.cos(x)
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from dezero.contract import (
    NO_ATTRIBUTES,
    Array,
    Attribute,
    Contract,
    Domain,
    Kinks,
    Shapes,
    Smoothness,
)
from dezero.graph import VARIABLES, Function, Namespace, Reading, T, Variable


class Operation(Function):
    """What the arity bases share. Derive from one of them, not from this.

    Attributes:
        contract: What the operation promises; made from the class keywords of its subclass.
        operand_names: What the rule calls its operands, where it can name them.
    """

    contract: ClassVar[Contract]
    operand_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def _promise(
        cls,
        arity: int | None,
        shapes: Shapes,
        domain: Domain,
        saves: str,
        smoothness: Smoothness,
        attributes: Mapping[str, Attribute],
        kinks: Kinks | None,
        name: str | None,
        several_outputs: bool = False,
    ) -> None:
        cls.contract = Contract(
            name=name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower(),
            summary=(cls.__doc__ or "").partition("\n")[0],
            arity=arity,
            several_outputs=several_outputs,
            shapes=shapes,
            domain=domain,
            kinks=kinks,
            smoothness=smoothness,
            attributes=attributes,
            saves=frozenset(saves),
        )

    @property
    def attributes(self) -> dict[str, object]:
        """The values of its attributes, by name."""
        return {name: getattr(self, name) for name in self.contract.attributes}

    def backward(self, *gys: Variable) -> Variable | tuple[Variable | None, ...]:
        """The cotangents of the inputs from those of the outputs, recorded if recording is on."""
        gxs = tuple(self.pull(VARIABLES, gys))
        return gxs if len(gxs) != 1 or gxs[0] is None else gxs[0]

    def _keep(self, xs: list[Array], ys: list[Array]) -> tuple[Array | None, ...]:
        saves = self.contract.saves
        if not saves:
            return (None,) * (len(xs) + len(ys))
        kept = [x if name in saves else None for name, x in zip(self.operand_names, xs, strict=True)]
        kept.append(ys[0] if "y" in saves else None)
        return tuple(kept)


class Unary(Operation, ABC):
    """An operation of one operand ``x`` with one output ``y``.

    Class keywords:
        domain: Where it is defined.
        saves: Which of ``x`` and ``y`` the rule reads. If not ``x``, it may still read its shape.
        smoothness: In which sense it can be differentiated.
        attributes: What the constructor takes: names, and what they may be.
        kinks: Where it is not differentiable.
        name: Its name in programs; by default the class's, in snake case.
    """

    operand_names: ClassVar[tuple[str, ...]] = ("x",)

    def __init_subclass__(
        cls,
        *,
        domain: Domain,
        saves: Literal["", "x", "y", "xy"],
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        kinks: Kinks | None = None,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls._promise(1, Shapes.ANY, domain, saves, smoothness, attributes, kinks, name)

    @abstractmethod
    def forward(self, x: Array, /) -> Array:
        """The value."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T, /) -> T:
        """The cotangent of ``x`` from that of ``y``: ``gy`` times the derivative, transposed."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        (node,) = self.input_nodes
        x, y = self.saved
        gx = self.vjp(reading.xp, gys[0], reading.input(node, x), reading.output(self, 0, y))
        return (gx,)


class Binary(Operation, ABC):
    """An operation of two operands ``a`` and ``b`` with one output ``y``.

    Class keywords: those of `Unary`; ``saves`` names any of ``a``, ``b`` and ``y``, and ``shapes`` says
    how the operands' shapes must fit together. Where they broadcast, a rule need not care: the engine
    sums its cotangents to the operands' shapes.
    """

    operand_names: ClassVar[tuple[str, ...]] = ("a", "b")

    def __init_subclass__(
        cls,
        *,
        domain: Domain,
        saves: Literal["", "a", "b", "y", "ab", "ay", "by", "aby"],
        shapes: Shapes = Shapes.ELEMENTWISE,
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        kinks: Kinks | None = None,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls._promise(2, shapes, domain, saves, smoothness, attributes, kinks, name)

    @abstractmethod
    def forward(self, a: Array, b: Array, /) -> Array:
        """The value."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T, /) -> tuple[T, T]:
        """The cotangents of ``a`` and ``b`` from that of ``y``."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        left, right = self.input_nodes
        a, b, y = self.saved
        return self.vjp(
            reading.xp,
            gys[0],
            reading.input(left, a),
            reading.input(right, b),
            reading.output(self, 0, y),
        )


class Nary(Operation, ABC):
    """An operation of any number of operands ``xs`` with one output. Class keywords as for `Binary`."""

    def __init_subclass__(
        cls,
        *,
        domain: Domain,
        shapes: Shapes,
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls._promise(None, shapes, domain, "", smoothness, attributes, None, name)

    @abstractmethod
    def forward(self, *xs: Array) -> Array:
        """The value."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T], /) -> Sequence[T]:
        """The cotangents of the operands from that of the output; of ``xs`` only shapes are known."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        return self.vjp(reading.xp, gys[0], [reading.input(node, None) for node in self.input_nodes])


class Splitting(Operation, ABC):
    """An operation of one operand ``x`` with several outputs. Class keywords as for `Unary`."""

    operand_names: ClassVar[tuple[str, ...]] = ("x",)

    def __init_subclass__(
        cls,
        *,
        domain: Domain,
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls._promise(1, Shapes.ANY, domain, "", smoothness, attributes, None, name, True)

    @abstractmethod
    def forward(self, x: Array, /) -> tuple[Array, ...]:
        """The values."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T, /) -> T:
        """The cotangent of ``x`` from those of the outputs; of ``x`` only the shape is known."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        (node,) = self.input_nodes
        return (self.vjp(reading.xp, gys, reading.input(node, None)),)
