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
from typing import Any, ClassVar, Literal

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


def promised(
    cls: type,
    *,
    arity: int | None,
    outputs: int | None,
    shapes: Shapes,
    domain: Domain,
    kinks: Kinks | None,
    smoothness: Smoothness,
    attributes: Mapping[str, Attribute],
    saves: str,
    name: str | None,
) -> Contract:
    """The contract of a class: named and summed up by the class, unless a name is given."""
    return Contract(
        name=name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower(),
        summary=(cls.__doc__ or "").partition("\n")[0],
        arity=arity,
        outputs=outputs,
        shapes=shapes,
        domain=domain,
        kinks=kinks,
        smoothness=smoothness,
        attributes=attributes,
        saves=frozenset(saves),
    )


class Operation(Function):
    """What the arity bases share. Derive from one of them, not from this.

    Attributes:
        contract: What the operation promises; made from the class keywords of its subclass.
        operand_names: What the rule calls its operands, where it can name them.
    """

    contract: ClassVar[Contract]
    operand_names: ClassVar[tuple[str, ...]] = ()
    _unread: ClassVar[Sequence[int] | None] = None  # None: all

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
        outputs: int | None = 1,
    ) -> None:
        cls.contract = promised(
            cls,
            arity=arity,
            outputs=outputs,
            shapes=shapes,
            domain=domain,
            kinks=kinks,
            smoothness=smoothness,
            attributes=attributes,
            saves=saves,
            name=name,
        )
        if cls.operand_names and outputs == 1:
            names = (*cls.operand_names, "y")
            cls._unread = [i for i, name in enumerate(names) if name not in saves]

    @property
    def attributes(self) -> dict[str, object]:
        """The values of its attributes, by name."""
        return {name: getattr(self, name) for name in self.contract.attributes}

    def unread(self, n_saved: int) -> Sequence[int]:
        """See `Function.unread`."""
        return range(n_saved) if self._unread is None else self._unread

    def backward(self, *gys: Variable) -> Variable | tuple[Variable | None, ...]:
        """The cotangents of the inputs from those of the outputs, recorded if recording is on."""
        gxs = tuple(self.pull(VARIABLES, gys))
        return gxs if len(gxs) != 1 or gxs[0] is None else gxs[0]


class Unary(Operation, ABC):
    """An operation of one operand ``x`` with one output ``y``.

    Class keywords:
        domain: Where it is defined.
        saves: Which of ``x`` and ``y`` the rule reads. If not ``x``, it may still read its shape.
        shapes: What shape the operand must have.
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
        shapes: Shapes = Shapes.ANY,
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        kinks: Kinks | None = None,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls._promise(1, shapes, domain, saves, smoothness, attributes, kinks, name)

    @abstractmethod
    def forward(self, x: Array, /) -> Array:
        """The value."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T, /) -> T:
        """The cotangent of ``x`` from that of ``y``: ``gy`` times the derivative, transposed."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        x, y = reading.operands(self)
        return (self.vjp(reading.xp, gys[0], x, y),)


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
        a, b, y = reading.operands(self)
        return self.vjp(reading.xp, gys[0], a, b, y)


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
        *xs, _ = reading.operands(self)
        return self.vjp(reading.xp, gys[0], xs)


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
        cls._promise(1, Shapes.ANY, domain, "", smoothness, attributes, None, name, None)

    @abstractmethod
    def forward(self, x: Array, /) -> tuple[Array, ...]:
        """The values."""

    @abstractmethod
    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T, /) -> T:
        """The cotangent of ``x`` from those of the outputs; of ``x`` only the shape is known."""

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[T]:
        """See `Function.pull`."""
        return (self.vjp(reading.xp, gys, reading.operands(self)[0]),)


class Composite(ABC):
    """An operation that is made of others: it has a contract and a value, and no rule of its own.

    A subclass defines ``__call__`` on Variables, which gives a list if the outputs are several. Class
    keywords: those of `Binary`, without ``saves``, and ``arity`` and ``outputs``, how many they are.
    """

    contract: ClassVar[Contract]

    def __init_subclass__(
        cls,
        *,
        arity: int,
        domain: Domain,
        shapes: Shapes = Shapes.ANY,
        smoothness: Smoothness = Smoothness.SMOOTH,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        kinks: Kinks | None = None,
        outputs: int = 1,
        name: str | None = None,
    ) -> None:
        """Make the contract."""
        super().__init_subclass__()
        cls.contract = promised(
            cls,
            arity=arity,
            outputs=outputs,
            shapes=shapes,
            domain=domain,
            kinks=kinks,
            smoothness=smoothness,
            attributes=attributes,
            saves="",
            name=name,
        )

    # Any parameters may override Any: a subclass takes as many operands as its operation has.
    @abstractmethod
    def __call__(self, *xs: Any, **_: Any) -> Variable | list[Variable]:
        """The value, or the values."""
