"""Operations by arity: a Function with a contract, and with a rule that has two readings.

The bases carry the boilerplate, so that an operation carries mathematics::

    class Sin(Unary, domain=REALS, saves="x"):
        def forward(self, x): return np.sin(x)
        def vjp(self, xp, gy, x, y): return gy * xp.cos(x)
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal
from weakref import ref

from numpy import ndarray

from dezero.config import recording
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
from dezero.graph import VARIABLES, Function, Node, Operand, Reading, Variable, output_of
from dezero.namespace import Namespace, T


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
        keeps: Which of the operands, and whether the output, an application saves; empty: nothing.
    """

    contract: ClassVar[Contract]
    operand_names: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[tuple[bool, ...]] = ()

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
        readable = "".join((*cls.operand_names, "y"))
        if unknown := set(saves) - set(readable):
            raise TypeError(
                f"{cls.__name__}: saves={saves!r} names {''.join(sorted(unknown))!r}; "
                f"what a rule can read is any of {readable!r}"
            )
        if cls.operand_names and outputs == 1:
            cls.keeps = tuple([name in saves for name in (*cls.operand_names, "y")])

    @property
    def attributes(self) -> dict[str, object]:
        """The values of its attributes, by name."""
        return {name: getattr(self, name) for name in self.contract.attributes}

    def unread(self, n_saved: int) -> Sequence[int]:
        """See `Function.unread`."""
        return [i for i in range(n_saved) if not (self.keeps and self.keeps[i])]

    def given_none(self, node: Node) -> None:
        """Raises TypeError if the cotangent is wanted: a rule may have forgotten its return."""
        if node.wanted:
            raise TypeError(f"{self.name}.vjp gave None for an operand whose cotangent is wanted")

    def backward(self, *gys: Variable) -> Variable | tuple[Variable | None, ...]:
        """The cotangents of the inputs from those of the outputs, recorded if recording is on."""
        gxs = tuple([gx for _, gx in self.pull(VARIABLES, gys)])
        return gxs if len(gxs) != 1 or gxs[0] is None else gxs[0]


class Single(Operation):
    """What the operations of one or two operands share: one output, and no container for anything.

    Small graphs cost what their objects cost: an application that holds its few Nodes and arrays as
    attributes of its own, not in tuples, is built faster, takes less memory, and leaves the garbage
    collector less to look at (see docs/decisions.md).
    """

    _of_application: ClassVar[frozenset[str]] = Operation._of_application | {"_output", "_y"}
    _output: ref[Variable] | None = None
    _y: Array | None

    @property
    def outputs(self) -> tuple[ref[Variable], ...]:
        """See `Function.outputs`."""
        return (self._output,) if self._output else ()

    def wrong_number(self, inputs: Sequence[Operand], expected: str) -> TypeError:
        """What to raise when there are too few operands, or too many."""
        return TypeError(f"{self.name} was given {len(inputs)} operands; expected {expected}")


class Unary(Single, ABC):
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
    _of_application: ClassVar[frozenset[str]] = Single._of_application | {"_x_node", "_x"}
    _x_node: Node
    _x: Array | None

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

    def __call__(self, *inputs: Operand) -> Variable:
        """Apply the operation.

        Raises:
            TypeError: There is not one input, or it is no operand.
        """
        try:
            (x,) = inputs
        except ValueError:
            raise self.wrong_number(inputs, "one operand") from None
        function = copy.copy(self) if self._output else self
        if not (isinstance(x, Variable) and type(x.held) is ndarray):
            (x,) = self.converted((x,))
        try:
            y = function.forward(x.held)
        except Exception as error:
            self.say_where(error, (x.held,))
            raise
        if type(y) is not ndarray:
            y = self.checked_output(y)
        if not recording():
            return output_of(None, y)
        function._x_node = node = x.node
        function.generation = node.generation
        keeps_x, keeps_y = self.keeps
        function._x = x.held if keeps_x else None
        function._y = y if keeps_y else None
        variable = output_of(function, y)
        function._output = variable.node.variable
        return variable

    @property
    def input_nodes(self) -> tuple[Node, ...]:
        """See `Function.input_nodes`."""
        return (self._x_node,) if self._output else ()

    @property
    def saved(self) -> tuple[Array | None, ...]:
        """See `Function.saved`."""
        return (self._x, self._y) if self._output else ()

    def remember(self, nodes: Sequence[Node], saved: Sequence[Array | None]) -> None:
        """See `Function.remember`."""
        (self._x_node,) = nodes
        self._x, self._y = saved

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[tuple[Node, T]]:
        """See `Function.pull`."""
        node, y = self._x_node, self._y
        gx = self.vjp(
            reading.xp,
            gys[0],
            reading.operand(node, self._x),
            reading.unsaved if y is None else reading.output(self, y),
        )
        return ((node, gx),)


class Binary(Single, ABC):
    """An operation of two operands ``a`` and ``b`` with one output ``y``.

    Class keywords: those of `Unary`; ``saves`` names any of ``a``, ``b`` and ``y``, and ``shapes`` says
    how the operands' shapes must fit together. Where they broadcast, a rule need not care: the engine
    sums its cotangents to the operands' shapes.
    """

    operand_names: ClassVar[tuple[str, ...]] = ("a", "b")
    _of_application: ClassVar[frozenset[str]] = Single._of_application | {
        "_a_node",
        "_b_node",
        "_a",
        "_b",
    }
    _a_node: Node
    _b_node: Node
    _a: Array | None
    _b: Array | None

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
    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T, /) -> tuple[T | None, T | None]:
        """The cotangents of ``a`` and ``b`` from that of ``y``; None only where `wants` says no."""

    def __call__(self, *inputs: Operand) -> Variable:
        """Apply the operation.

        Raises:
            TypeError: There are not two inputs, or one is no operand.
        """
        try:
            a, b = inputs
        except ValueError:
            raise self.wrong_number(inputs, "two operands") from None
        function = copy.copy(self) if self._output else self
        if not (
            isinstance(a, Variable)
            and isinstance(b, Variable)
            and type(a.held) is type(b.held) is ndarray
        ):
            a, b = self.converted((a, b))
        try:
            y = function.forward(a.held, b.held)
        except Exception as error:
            self.say_where(error, (a.held, b.held))
            raise
        if type(y) is not ndarray:
            y = self.checked_output(y)
        if not recording():
            return output_of(None, y)
        function._a_node = a_node = a.node
        function._b_node = b_node = b.node
        generation, other = a_node.generation, b_node.generation
        function.generation = generation if generation > other else other  # max would be a call
        keeps_a, keeps_b, keeps_y = self.keeps
        function._a = a.held if keeps_a else None
        function._b = b.held if keeps_b else None
        function._y = y if keeps_y else None
        variable = output_of(function, y)
        function._output = variable.node.variable
        return variable

    def wants(self, i: int) -> bool:
        """See `Function.wants`."""
        return (self._a_node, self._b_node)[i].wanted

    @property
    def input_nodes(self) -> tuple[Node, ...]:
        """See `Function.input_nodes`."""
        return (self._a_node, self._b_node) if self._output else ()

    @property
    def saved(self) -> tuple[Array | None, ...]:
        """See `Function.saved`."""
        return (self._a, self._b, self._y) if self._output else ()

    def remember(self, nodes: Sequence[Node], saved: Sequence[Array | None]) -> None:
        """See `Function.remember`."""
        self._a_node, self._b_node = nodes
        self._a, self._b, self._y = saved

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[tuple[Node, T | None]]:
        """See `Function.pull`."""
        a_node, b_node, a, b, y = self._a_node, self._b_node, self._a, self._b, self._y
        ga, gb = self.vjp(
            reading.xp,
            gys[0],
            reading.unsaved if a is None else reading.operand(a_node, a),
            reading.unsaved if b is None else reading.operand(b_node, b),
            reading.unsaved if y is None else reading.output(self, y),
        )
        return (a_node, ga), (b_node, gb)


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

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Iterable[tuple[Node, T]]:
        """See `Function.pull`."""
        nodes = self.input_nodes
        xs = [reading.operand(node, None) for node in nodes]
        gxs = self.vjp(reading.xp, gys[0], xs)
        if len(gxs) != len(nodes):
            raise ValueError(f"{self.name}.vjp gave {len(gxs)} cotangents for {len(nodes)} operands")
        return zip(nodes, gxs, strict=True)


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

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Sequence[tuple[Node, T]]:
        """See `Function.pull`."""
        (node,) = self.input_nodes
        return ((node, self.vjp(reading.xp, gys, reading.operand(node, None))),)


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
