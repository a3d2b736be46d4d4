"""Variable, Node, Function and backward: a graph of applications, and how cotangents are pulled back.

Who holds whom, strongly: a Variable its Node; a Node its creator, the Function application that made
it; a Function the Nodes of its inputs and the arrays that its rule reads. Nothing in the graph holds a
Variable, so no reference cycle arises, and a graph is freed with the last Variable that leads to it.

A rule (`vjp`) is written once and read twice: with ndarrays when a gradient is all that is wanted, with
Variables when the gradient shall be differentiable itself (``create_graph=True``).
"""

from __future__ import annotations

import copy
import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from typing import (
    Any,
    ClassVar,
    Generic,
    Protocol,
    SupportsIndex,
    TypeAlias,
    cast,
    overload,
)
from weakref import ref

import numpy as np

from dezero import arrays
from dezero.arrays import Axes, Index, Shape, as_array, is_array_or_number
from dezero.config import recording, using_config
from dezero.contract import Array
from dezero.namespace import Namespace, T

# ------------------------------------------------------------------------------------------- Variable


class Variable:
    """A value in the graph: the handle that the user holds.

    Args:
        data: An ndarray, or None for a variable that gets its data later.
        name: Shown in pictures and errors.

    Attributes:
        grad: The gradient that `backward` left, of the shape and element type of ``data`` (float64
            where the data are integers), or None. Its memory is its own.
        name: Shown in pictures and errors.
        node: The vertex of the graph on which this is a handle.
        held: The array that ``data`` reads: the engine reads it with no call between.

    Raises:
        TypeError: ``data`` is neither an ndarray nor None.
    """

    __slots__ = ("__weakref__", "grad", "held", "name", "node")

    def __init__(self, data: Array | None, name: str | None = None) -> None:
        self.name: str | None = name
        self.grad: Variable | None = None
        self.held: Array = _checked(data)
        self.node: Node = Node(ref(self), data)

    @property
    def data(self) -> Array:
        """The value. It reads None where there is none: of ``Variable(None)``, or if None was set."""
        return self.held

    @data.setter
    def data(self, data: Array) -> None:
        self.held = _checked(data)
        if has_data(self) and (data.shape, data.dtype) != (self.node.shape, self.node.dtype):
            # What was recorded of the old value has its shape: the new one is a leaf of its own.
            self.node = Node(ref(self), data)

    @property
    def creator(self) -> Function | None:
        """The Function application that made the variable; None for a leaf."""
        return self.node.creator

    @property
    def generation(self) -> int:
        """The length of the longest path from a leaf to here."""
        return self.node.generation

    def set_creator(self, func: Function) -> None:
        """Make the variable an output of ``func``, one generation above it."""
        index = next((i for i, output in enumerate(func.outputs) if output() is self), 0)
        self.node.set_creator(func, index)

    def unchain(self) -> None:
        """Cut the graph here: for all that was computed from the variable, it is a leaf now."""
        self.node.unchain()

    def unchain_backward(self) -> None:
        """Cut every variable behind this one, and free the graph that only led to them."""
        creators = [self.node.creator]
        while creators:
            creator = creators.pop()
            for node in creator.input_nodes if creator else ():
                creators.append(node.creator)
                node.unchain()

    def cleargrad(self) -> None:
        """Forget the gradient, so that the next `backward` does not add to it."""
        self.grad = None

    def backward(self, retain_grad: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this variable to the ``grad`` of every leaf it was computed from.

        The cotangent of the variable itself is its ``grad`` if it has one, else ones; it is used up.
        (The gradient of a leaf with respect to itself is ones.) The leaves receive their gradients
        after every rule has run: if one raises, nothing has changed.

        Args:
            retain_grad: Set ``grad`` of the variables on the way, too (of those that are alive).
            create_graph: Record the computation of the gradients, to differentiate them in turn.

        Raises:
            TypeError: There are no data, or complex ones, or a rule returned what is no gradient.
            ValueError: A rule returned a gradient that is not of its input's shape.
        """
        if create_graph:
            with using_config("enable_backprop", True):
                self._backward(VARIABLES, retain_grad)
        else:
            self._backward(ARRAYS, retain_grad)

    def _backward(self, reading: Reading[T], retain_grad: bool) -> None:
        if not has_data(self):
            raise TypeError("backward: the variable has no data")
        is_leaf = self.node.creator is None
        seed = _seed(reading, self, None if is_leaf else self.grad)
        found = pull_back(reading, [(self.node, seed)], _all if retain_grad else None)
        received: list[tuple[Variable, Variable | None]] = []
        if not is_leaf:
            received.append((self, None))
        for leaf, g in found.leaves.items():
            variable = self if leaf is self.node else leaf.living()
            if variable is not None:
                owned = leaf in found.owned
                received.append((variable, reading.gradient(variable, variable.grad, g, owned)))
        for function, gys in found.interior.items():
            for output, gy in zip(function.outputs, gys, strict=True):
                variable = output()
                if variable is not None and variable.creator is function and gy is not None:
                    received.append((variable, reading.gradient(variable, None, gy)))
        for variable, gradient in received:
            variable.grad = gradient

    def to_cpu(self) -> None:
        """Nothing: the data are where NumPy has them."""

    def to_gpu(self) -> None:
        """Raises RuntimeError: dezero computes with NumPy alone."""
        raise RuntimeError(
            "Variable.to_gpu: dezero computes with NumPy alone; cuda.gpu_enable is False"
        )

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self.held.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.held.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.held.size

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The element type."""
        return self.held.dtype

    @property
    def T(self) -> Variable:
        """The axes reversed."""
        return VARIABLES.functions.transpose(self)

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Variable]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"variable({str(self.held).replace(chr(10), chr(10) + ' ' * 9)})"

    def __float__(self) -> float:
        return float(self.held.item())

    def __int__(self) -> int:
        return int(self.held.item())

    def __bool__(self) -> bool:
        return bool(self.held)

    def __array__(self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None) -> object:
        # Not Array: NumPy's stubs would take x for an ArrayLike, and array * x for an array.
        return np.array(self.held, dtype, copy=copy)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: object, **options: object
    ) -> object:
        """What ``np.sin(x)`` gives, and ``ndarray * x``: see `dezero.numpy_functions`."""
        return VARIABLES.numpy_functions.apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self,
        function: Callable[..., object],
        types: object,
        arguments: Sequence[object],
        options: Mapping[str, object],
    ) -> object:
        """What ``np.sum(x)`` gives: see `dezero.numpy_functions`."""
        return VARIABLES.numpy_functions.apply_function(function, arguments, options)

    def __eq__(self, other: object) -> bool:
        # Identity, and no NotImplemented: then an array on the other side would be asked.
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __getstate__(self) -> dict[str, object]:
        """What is pickled and copied: the value, not the graph behind it."""
        grad = None if self.grad is None else self.grad.data
        own = getattr(self, "__dict__", {})  # what a subclass without slots has
        return {"data": self.held, "name": self.name, "grad": grad, "own": own}

    def __setstate__(self, state: dict[str, object]) -> None:
        # What __getstate__ gave.
        name, grad = cast("tuple[str | None, Array | None]", (state["name"], state["grad"]))
        Variable.__init__(self, _checked(state["data"]), name)
        self.grad = None if grad is None else Variable(grad)
        own = cast("dict[str, object]", state["own"])  # likewise
        for attribute, value in own.items():
            setattr(self, attribute, value)

    def __neg__(self) -> Variable:
        return VARIABLES.functions.neg(self)

    def __pos__(self) -> Variable:
        return self

    def __abs__(self) -> Variable:
        return VARIABLES.functions.abs(self)

    def __add__(self, other: Operand) -> Variable:
        return VARIABLES.functions.add(self, other)

    def __radd__(self, other: Operand) -> Variable:
        return VARIABLES.functions.add(other, self)

    def __sub__(self, other: Operand) -> Variable:
        return VARIABLES.functions.sub(self, other)

    def __rsub__(self, other: Operand) -> Variable:
        return VARIABLES.functions.sub(other, self)

    def __mul__(self, other: Operand) -> Variable:
        return VARIABLES.functions.mul(self, other)

    def __rmul__(self, other: Operand) -> Variable:
        return VARIABLES.functions.mul(other, self)

    def __truediv__(self, other: Operand) -> Variable:
        return VARIABLES.functions.div(self, other)

    def __rtruediv__(self, other: Operand) -> Variable:
        return VARIABLES.functions.div(other, self)

    def __pow__(self, other: Operand) -> Variable:
        return VARIABLES.functions.pow(self, other)

    def __rpow__(self, other: Operand) -> Variable:
        return VARIABLES.functions.pow(other, self)

    def __matmul__(self, other: Operand) -> Variable:
        return VARIABLES.functions.matmul(self, other)

    def __rmatmul__(self, other: Operand) -> Variable:
        return VARIABLES.functions.matmul(other, self)

    def __getitem__(self, slices: Index) -> Variable:
        return VARIABLES.functions.get_item(self, slices)

    def __lt__(self, other: Operand) -> Array:
        return as_array(self.held < values(other))

    def __le__(self, other: Operand) -> Array:
        return as_array(self.held <= values(other))

    def __gt__(self, other: Operand) -> Array:
        return as_array(self.held > values(other))

    def __ge__(self, other: Operand) -> Array:
        return as_array(self.held >= values(other))

    def reshape(self, *shape: int | Sequence[int]) -> Variable:
        """The same elements in another shape: ``reshape(2, 3)``, ``reshape((2, 3))``."""
        return VARIABLES.functions.reshape(self, _unpacked(shape))

    def transpose(self, *axes: int | Sequence[int] | None) -> Variable:
        """The axes permuted; reversed by default."""
        return VARIABLES.functions.transpose(self, None if axes in ((), (None,)) else _unpacked(axes))

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Variable:
        """The sum over some axes; over all by default."""
        return VARIABLES.functions.sum(self, axis, keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Variable:
        """The mean over some axes; over all by default."""
        return VARIABLES.functions.mean(self, axis, keepdims)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Variable:
        """The largest element along some axes; of all by default."""
        return VARIABLES.functions.max(self, axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Variable:
        """The smallest element along some axes; of all by default."""
        return VARIABLES.functions.min(self, axis, keepdims)

    def matmul(self, other: Operand) -> Variable:
        """The matrix product, by NumPy's rules for every rank."""
        return VARIABLES.functions.matmul(self, other)

    def dot(self, other: Operand) -> Variable:
        """The matrix product; the same as `matmul`."""
        return VARIABLES.functions.matmul(self, other)


Operand: TypeAlias = Variable | Array | np.generic | float
"""What an operation takes: a Variable, or a constant that it makes one of."""


class Parameter(Variable):
    """A Variable that a layer registers and an optimizer updates."""

    __slots__ = ()


def as_variable(obj: Operand) -> Variable:
    """``obj`` itself if it is a Variable, else a new leaf that holds it.

    Raises:
        TypeError: ``obj`` is neither a Variable nor an ndarray nor a number.
    """
    if isinstance(obj, Variable):
        return obj
    if is_array_or_number(obj):
        return Variable(as_array(obj))
    raise TypeError(f"{type(obj).__name__} is no operand; expected a Variable, an ndarray or a number")


def setup_variable() -> None:
    """Does nothing: Variable has its operators. Kept for the programs that call it."""


def values(operand: Operand) -> Array:
    """The array that an operand holds or is."""
    return operand.data if isinstance(operand, Variable) else as_array(operand)


def _checked(data: object) -> Array:
    if not (data is None or isinstance(data, np.ndarray)):
        raise TypeError(
            f"Variable holds an ndarray, not {type(data).__name__}; "
            "wrap it: Variable(np.array(2.0)), or as_variable(2.0)"
        )
    # None is let through as the data of a parameter that has none yet: see docs/decisions.md.
    return cast(Array, data)


def has_data(variable: Variable) -> bool:
    """Whether a variable has its data already: ``Parameter(None)`` has not."""
    return cast(object, variable.held) is not None  # in the eyes of the annotations it never is


def _unpacked(numbers: Sequence[int | Sequence[int] | None]) -> tuple[int, ...]:
    """``(2, 3)`` from the arguments ``2, 3`` or from the one argument ``(2, 3)``."""
    given = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], Sequence) else numbers
    return tuple(operator.index(cast(SupportsIndex, n)) for n in given)  # anything else: TypeError


# ----------------------------------------------------------------------------------------------- Node


class Node:
    """A vertex of the graph: where a value came from. It does not hold the value.

    Attributes:
        variable: A weak reference to the Variable that is its handle.
        shape: The value's shape.
        dtype: The value's element type.
        creator: The Function application that made it; None for a leaf.
        index: Which of its creator's outputs it is.
        generation: One more than its creator's; 0 for a leaf.
    """

    __slots__ = ("__weakref__", "creator", "dtype", "generation", "index", "shape", "variable")

    def __init__(self, variable: ref[Variable], data: Array | None) -> None:
        self.variable: ref[Variable] = variable
        self.shape: Shape = () if data is None else data.shape
        self.dtype: np.dtype[np.generic] = np.dtype(np.float64) if data is None else data.dtype
        self.creator: Function | None = None
        self.index: int = 0
        self.generation: int = 0

    def set_creator(self, creator: Function, index: int) -> None:
        """Make this the output ``index`` of ``creator``."""
        self.creator = creator
        self.index = index
        self.generation = creator.generation + 1

    def unchain(self) -> None:
        """Make this a leaf."""
        self.creator = None
        self.index = 0
        self.generation = 0

    @property
    def wanted(self) -> bool:
        """Whether its cotangent can be seen: behind it, or by the Variable that is its handle."""
        return self.creator is not None or self.living() is not None

    def living(self) -> Variable | None:
        """The Variable that is a handle on this Node, if it is alive and has not moved on."""
        variable = self.variable()
        return variable if variable is not None and variable.node is self else None

    def handle(self, data: Array | None) -> Variable:
        """The living Variable that holds ``data``, else a new one on this Node.

        Without data, the living Variable if it has any, or one that holds a stand-in (see `stand_in`).
        """
        variable = self.living()
        if variable is not None:
            is_it = has_data(variable) if data is None else variable.held is data
            if is_it:
                return variable
        handle = Variable(stand_in(self.shape, self.dtype) if data is None else data)
        handle.node = self
        if variable is None:
            self.variable = ref(handle)
        return handle


_NOT_A_NUMBER: dict[np.dtype[np.generic], Array] = {
    np.dtype(name): np.array(np.nan, name) for name in ("float16", "float32", "float64")
}
for _nan in _NOT_A_NUMBER.values():
    _nan.flags.writeable = False


NOT_SAVED = _NOT_A_NUMBER[np.dtype(np.float64)]
"""What a rule is given for an output that its contract does not save."""


@lru_cache(maxsize=256)
def stand_in(shape: Shape, dtype: np.dtype[np.generic]) -> Array:
    """What stands in for an array that was not saved: its shape in no memory, and not one number.

    A rule may read the shape of an operand that its contract does not save. If it reads the values,
    its gradients are NaN. The element type is the operand's if that is floating.

    (For an output that is not saved there is only `NOT_SAVED`: its shape is that of its cotangent.)
    """
    nan = _NOT_A_NUMBER.get(dtype, _NOT_A_NUMBER[np.dtype(np.float64)])
    return np.ndarray(shape, nan.dtype, nan, 0, (0,) * len(shape))


# ------------------------------------------------------------------------------------------- Function


class _GivesOne(Protocol):
    @property
    def forward(self) -> Callable[..., Array]: ...


class _GivesSeveral(Protocol):
    @property
    def forward(self) -> Callable[..., tuple[Array, ...]]: ...


_new = object.__new__


def output_of(function: Function | None, data: Array, index: int = 0) -> Variable:
    """A variable for an output of an application; with no function, a leaf.

    It runs for every operation: so it fills in Variable and Node itself, with no call for either.
    """
    variable = _new(Variable)
    variable.name = variable.grad = None
    variable.held = data
    variable.node = node = _new(Node)
    node.variable = ref(variable)
    node.shape = data.shape
    node.dtype = data.dtype
    node.creator = function
    node.index = index
    node.generation = 0 if function is None else function.generation + 1
    return variable


class Function:
    """An application of an operation: derive from it, as the book does, to write your own.

    A subclass defines ``forward(*xs)`` on ndarrays, which returns an ndarray or a tuple of them, and
    ``backward(*gys)`` on Variables, which returns a Variable, or None where there is no gradient, for
    each input. Both may read ``inputs`` and ``outputs``. An operation whose rule shall also run on
    arrays, without wrapping them, derives from one of the bases in `dezero.operation`.

    Attributes:
        generation: The largest generation of its inputs.
        fresh: Whether the arrays that its rule gives are new ones, each in memory of its own: then a
            leaf may keep one as its gradient, and needs no copy.
        n_outputs: How many outputs it has.
        output_types: Their shapes and element types, if `forward` returned a tuple.
    """

    fresh: ClassVar[bool] = False
    _of_application: ClassVar[frozenset[str]] = frozenset(
        ("generation", "n_outputs", "output_types", "_outputs", "_nodes", "_saved")
    )
    generation: int = 0
    n_outputs: int = 1
    output_types: tuple[tuple[Shape, np.dtype[np.generic]], ...] = ()
    _outputs: tuple[ref[Variable], ...] = ()
    _nodes: tuple[Node, ...] = ()
    _saved: tuple[Array | None, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        """What is pickled and copied: what it was made with, not what it was applied to."""
        return {name: value for name, value in vars(self).items() if name not in self._of_application}

    @property
    def outputs(self) -> tuple[ref[Variable], ...]:
        """Weak references to its outputs."""
        return self._outputs

    @property
    def input_nodes(self) -> tuple[Node, ...]:
        """The Nodes of its inputs: empty until it is applied, or under `no_grad`."""
        return self._nodes

    @property
    def saved(self) -> tuple[Array | None, ...]:
        """For each input, then for each output, the array if the rule reads it, else None."""
        return self._saved

    def remember(self, nodes: Sequence[Node], saved: Sequence[Array | None]) -> None:
        """Take these for `input_nodes` and `saved`."""
        self._nodes = tuple(nodes)
        self._saved = tuple(saved)

    # Any parameters may override Any: so a subclass takes as many operands as its operation has.
    def forward(self, *xs: Any, **_: Any) -> Array | tuple[Array, ...]:
        """The value, or the values, from those of the operands: ndarrays."""
        raise NotImplementedError(f"{self.name} has no forward")

    def backward(self, *gys: Any, **_: Any) -> Variable | tuple[Variable | None, ...] | None:
        """The cotangents of the inputs from those of the outputs: Variables."""
        raise NotImplementedError(f"{self.name} has no backward")

    @overload
    def __call__(self: _GivesOne, *inputs: Operand) -> Variable: ...
    @overload
    def __call__(self: _GivesSeveral, *inputs: Operand) -> list[Variable]: ...
    @overload
    def __call__(self, *inputs: Operand) -> Variable | list[Variable]: ...
    def __call__(
        self: Function | _GivesOne | _GivesSeveral, *inputs: Operand
    ) -> Variable | list[Variable]:
        """Apply the operation.

        Returns:
            The output; a list of them if `forward` returns a tuple.

        Raises:
            TypeError: An input is no operand, or `forward` returned no ndarray.
        """
        assert isinstance(self, Function)
        # An instance records one application; a second one is recorded in a copy of it.
        function = copy.copy(self) if self.outputs else self
        variables = function.converted(inputs)
        xs = [x.held for x in variables]
        try:
            given = function.forward(*xs)
        except Exception as error:
            function.say_where(error, xs)
            raise
        if isinstance(given, (tuple, list)):
            ys = [function.checked_output(y) for y in given]
            outputs = function._record(variables, ys)
            if function.outputs:
                function.output_types = tuple([(y.shape, y.dtype) for y in ys])
                function.n_outputs = len(ys)
            return outputs
        return function._record(variables, [function.checked_output(given)])[0]

    def _record(self, inputs: Sequence[Variable], ys: list[Array]) -> list[Variable]:
        """The outputs of an application and, if recording is on, the application itself."""
        if not recording():
            return [output_of(None, y) for y in ys]
        nodes = [x.node for x in inputs]
        self.generation = max([node.generation for node in nodes], default=0)
        saved: list[Array | None] = [*[x.held for x in inputs], *ys]
        for i in self.unread(len(saved)):
            saved[i] = None
        self.remember(nodes, saved)
        outputs = [output_of(self, y, index) for index, y in enumerate(ys)]
        self._outputs = tuple([y.node.variable for y in outputs])
        return outputs

    def say_where(self, error: Exception, xs: Sequence[Array]) -> None:
        """Add to an error of `forward` to what it was applied."""
        error.add_note(f"in {self.name}({', '.join(f'{x.dtype}{list(x.shape)}' for x in xs)})")

    def converted(self, operands: Sequence[Operand]) -> list[Variable]:
        """The operands as Variables; a Python number takes the element type of the others.

        Raises:
            TypeError: One is no operand, or has no data.
        """
        variables = [
            None if isinstance(x, (int, float)) else self._operand(i, x) for i, x in enumerate(operands)
        ]
        dtypes = [x.dtype for x in variables if x is not None]
        return [
            # (NumPy's float64 is a float, too: NumPy knows that its element type is float64.)
            output_of(None, np.array(operand, np.result_type(*dtypes, operand))) if x is None else x
            for x, operand in zip(variables, operands, strict=True)
        ]

    def _operand(self, i: int, operand: Operand) -> Variable:
        try:
            variable = as_variable(operand)
        except TypeError as error:
            raise TypeError(f"{self.name}: operand {i}: {error}") from None
        if not has_data(variable):
            raise TypeError(f"{self.name}: operand {i} has no data yet")
        return variable

    def checked_output(self, y: object) -> Array:
        """What `forward` returned, as an array.

        Raises:
            TypeError: It is neither an array nor a number.
        """
        if is_array_or_number(y):
            return as_array(y)
        raise TypeError(f"{self.name}.forward returned {type(y).__name__}; expected an ndarray")

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self).__name__

    @property
    def inputs(self) -> list[Variable]:
        """Its inputs: the living Variables, or new handles on their Nodes.

        Where neither the Variable nor its array is left, the handle has the shape and NaN for values.
        """
        nodes = self.input_nodes
        return [node.handle(x) for node, x in zip(nodes, self.saved[: len(nodes)], strict=True)]

    def wants(self, i: int) -> bool:
        """Whether anyone can see the cotangent of input ``i``: a rule may save itself the trouble."""
        return self.input_nodes[i].wanted

    def given_none(self, node: Node) -> None:
        """What is done when the rule gives None for an input: nothing, it may say so."""

    def unread(self, n_saved: int) -> Sequence[int]:
        """The places in ``saved`` of what the rule does not read: none, if nothing is known of it."""
        return ()

    def output_handle(self, index: int) -> Variable:
        """One of its outputs: the living Variable, or a new handle."""
        y = self.saved[len(self.input_nodes) + index]
        variable = self.outputs[index]()
        if variable is not None and variable.creator is self and (y is None or variable.data is y):
            return variable
        return output_of(self, NOT_SAVED if y is None else y, index)

    def pull(self, reading: Reading[T], gys: Sequence[T]) -> Iterable[tuple[Node, T | None]]:
        """The Nodes of the inputs with the cotangents that `backward` gives them, checked.

        Raises:
            TypeError: `backward` returned something other than Variables and Nones.
            ValueError: It returned more or fewer than there are inputs.
        """
        outputs = self._outputs
        handles = [self.output_handle(index) for index in range(len(outputs))]
        self._outputs = tuple([ref(handle) for handle in handles])
        try:
            with using_config("enable_backprop", reading.records):
                given = self.backward(*[reading.to_variable(gy) for gy in gys])
        finally:
            self._outputs = outputs
        gxs = given if isinstance(given, (tuple, list)) else (given,)
        nodes = self.input_nodes
        if len(gxs) != len(nodes):
            raise ValueError(
                f"{self.name}.backward returned {len(gxs)} gradients for {len(nodes)} inputs; "
                "expected one for each (None for no gradient)"
            )
        for i, gx in enumerate(gxs):
            if not (gx is None or isinstance(cast(object, gx), Variable)):
                raise TypeError(
                    f"{self.name}.backward returned {type(gx).__name__} for input {i}; "
                    "expected a Variable, or None for no gradient"
                )
        cotangents = [None if gx is None else reading.from_variable(gx) for gx in gxs]
        return zip(nodes, cotangents, strict=True)


# ------------------------------------------------------------------------------------------- backward


class Reading(ABC, Generic[T]):
    """A way to read rules: what stands for the operands, and which functions are called on them.

    Attributes:
        xp: The functions that rules call.
        unsaved: What stands for an operand or an output that was not saved, where no shape is told.
        records: Whether the computation of the gradients is recorded.
    """

    xp: Namespace[T]
    unsaved: T
    records: ClassVar[bool]

    @abstractmethod
    def operand(self, node: Node, saved: Array | None) -> T:
        """What stands for an input of an application; for one that was not saved, a stand-in."""

    @abstractmethod
    def output(self, function: Function, saved: Array) -> T:
        """What stands for the only output of an application, which was saved."""

    @abstractmethod
    def from_variable(self, variable: Variable) -> T:
        """What stands for a Variable."""

    @abstractmethod
    def to_variable(self, x: T) -> Variable:
        """The Variable for which ``x`` stands."""

    def constant(self, array: Array) -> T:
        """What stands for an array."""
        return self.from_variable(Variable(array))

    def gradient(self, variable: Variable, old: Variable | None, g: T, owned: bool = False) -> Variable:
        """The gradient to store: ``g``, or ``old + g``, in memory of its own, which ``g`` may be."""
        if old is None:
            return self.to_variable(g if owned else self.xp.identity(g))
        _check_gradient(variable, old)
        return self.to_variable(_cast(self, self.from_variable(old), variable.dtype) + g)


class _ArrayReading(Reading[Array]):
    records = False

    def __init__(self) -> None:
        # Attributes of the instance are found faster than those of its class.
        self.xp: Namespace[Array] = arrays
        self.unsaved: Array = NOT_SAVED

    def operand(self, node: Node, saved: Array | None) -> Array:
        return stand_in(node.shape, node.dtype) if saved is None else saved

    def output(self, function: Function, saved: Array) -> Array:
        return saved

    def from_variable(self, variable: Variable) -> Array:
        return variable.data

    def to_variable(self, x: Array) -> Variable:
        return Variable(as_array(x))


class _VariableReading(Reading[Variable]):
    records = True
    functions: VariableNamespace  # this, the next, and xp: see `install`
    numpy_functions: NumPyFunctions

    def __init__(self) -> None:
        self.unsaved: Variable = Variable(NOT_SAVED)

    def operand(self, node: Node, saved: Array | None) -> Variable:
        # What was not saved is no more than a shape, even if somebody has the Variable still.
        return Variable(stand_in(node.shape, node.dtype)) if saved is None else node.handle(saved)

    def output(self, function: Function, saved: Array) -> Variable:
        return function.output_handle(0)

    def from_variable(self, variable: Variable) -> Variable:
        return variable

    def to_variable(self, x: Variable) -> Variable:
        return x


ARRAYS: Reading[Array] = _ArrayReading()
VARIABLES: _VariableReading = _VariableReading()


class VariableNamespace(Namespace[Variable], Protocol):
    """`dezero.functions`: what rules call on Variables, and what its operators stand for."""

    def neg(self, x: Operand, /) -> Variable: ...
    def abs(self, x: Operand, /) -> Variable: ...
    def add(self, a: Operand, b: Operand, /) -> Variable: ...
    def sub(self, a: Operand, b: Operand, /) -> Variable: ...
    def mul(self, a: Operand, b: Operand, /) -> Variable: ...
    def div(self, a: Operand, b: Operand, /) -> Variable: ...
    def pow(self, x: Operand, c: Operand, /) -> Variable: ...
    def matmul(self, a: Operand, b: Operand, /) -> Variable: ...
    def mean(self, x: Operand, /, axis: Axes = None, keepdims: bool = False) -> Variable: ...
    def max(self, x: Operand, /, axis: Axes = None, keepdims: bool = False) -> Variable: ...
    def min(self, x: Operand, /, axis: Axes = None, keepdims: bool = False) -> Variable: ...


class NumPyFunctions(Protocol):
    """`dezero.numpy_functions`: what NumPy's functions do when an operand is a Variable."""

    def apply_ufunc(
        self, ufunc: np.ufunc, method: str, inputs: Sequence[object], options: Mapping[str, object], /
    ) -> object: ...
    def apply_function(
        self,
        function: Callable[..., object],
        arguments: Sequence[object],
        options: Mapping[str, object],
        /,
    ) -> object: ...


def install(functions: VariableNamespace, numpy_functions: NumPyFunctions) -> None:
    """Say which functions rules, operators and NumPy call on Variables: the package has its own."""
    VARIABLES.functions = VARIABLES.xp = functions
    VARIABLES.numpy_functions = numpy_functions


class Cotangents(Generic[T]):
    """What `pull_back` found.

    Attributes:
        leaves: The cotangent of every leaf that was reached.
        owned: The leaves whose cotangents are arrays that nothing else refers to.
        interior: The cotangents of the outputs of every application that was to be kept.
    """

    def __init__(self) -> None:
        self.leaves: dict[Node, T] = {}
        self.owned: set[Node] = set()
        self.interior: dict[Function, list[T | None]] = {}


def pull_back(
    reading: Reading[T],
    seeds: Iterable[tuple[Node, T | None]],
    keep: Callable[[Function], bool] | None = None,
) -> Cotangents[T]:
    """Pull cotangents back from some Nodes to the leaves; each application's rule runs once.

    Applications wait in a heap, the youngest generation on top: when one is taken from it, all that
    use its outputs have run, so that their cotangents are complete.

    Args:
        reading: How to read the rules.
        seeds: Nodes, and what to add to their cotangents.
        keep: Whether to keep the cotangents of an application's outputs; by default of none.
    """
    found: Cotangents[T] = Cotangents()
    leaves = found.leaves
    waiting: dict[Function, list[T | None]] = {}
    queue: list[tuple[int, int, Function]] = []
    arrival = itertools.count()
    cotangents = seeds
    function: Function | None = None
    g: T | None = None
    try:
        while True:
            for node, g in cotangents:
                if g is None:
                    if function is not None:
                        function.given_none(node)
                    continue
                if g.shape != node.shape or g.dtype is not node.dtype:
                    g = _fitted(reading, function, node, g)
                creator = node.creator
                if creator is None:
                    old = leaves.get(node)
                    leaves[node] = g if old is None else old + g
                    new = old is not None or (function is not None and function.fresh)
                    if new and not reading.records:
                        found.owned.add(node)
                    continue
                gys = waiting.get(creator)
                if gys is None:
                    heappush(queue, (-creator.generation, next(arrival), creator))
                    gys = waiting[creator] = [None] * creator.n_outputs
                old = gys[node.index]
                gys[node.index] = g if old is None else old + g
            if not queue:
                return found
            function = heappop(queue)[2]
            gys = waiting.pop(function)
            if keep is not None and keep(function):
                found.interior[function] = gys
            gy = gys[0]
            complete = (gy,) if gy is not None and len(gys) == 1 else _completed(reading, function, gys)
            cotangents = function.pull(reading, complete)
    except Exception as error:
        if function is None:
            raise
        where = f"in the rule of {function.name}, generation {function.generation}"
        # Asked only now: asked before, each step of each backward would pay for it.
        if not (g is None or hasattr(g, "shape")):
            message = f"{where}: it gave {type(g).__name__}; expected an array or a Variable, as gy is"
            raise TypeError(message) from None
        error.add_note(where)
        raise


def _all(function: Function) -> bool:
    return True


def _completed(reading: Reading[T], function: Function, gys: list[T | None]) -> Sequence[T]:
    """The cotangents of an application's outputs: zeros for those that nothing depends on."""
    types = zip(gys, function.output_types, strict=True)
    return [
        reading.constant(np.zeros(shape, gradient_dtype(dtype))) if gy is None else gy
        for gy, (shape, dtype) in types
    ]


def _fitted(reading: Reading[T], function: Function | None, node: Node, g: T) -> T:
    """A cotangent as its Node needs it: broadcasting undone, of the value's element type."""
    if g.shape != node.shape:
        try:
            g = reading.xp.sum_to(g, node.shape)
        except ValueError:
            assert function is not None  # the seeds have been checked
            i = function.input_nodes.index(node)
            raise ValueError(
                f"the gradient of input {i} has shape {g.shape}; "
                f"expected {node.shape}, or a shape to which that broadcasts"
            ) from None
    return _cast(reading, g, node.dtype)


def _cast(reading: Reading[T], g: T, dtype: np.dtype[np.generic]) -> T:
    """A gradient in the element type that belongs to values of ``dtype``."""
    wanted = gradient_dtype(dtype)
    return g if g.dtype == wanted else reading.xp.astype(g, wanted)


def gradient_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The element type of the gradient of a value: its own if floating, float64 for integers.

    Raises:
        TypeError: Complex values have no gradient here.
    """
    if dtype.kind in "fO":
        return dtype
    if dtype.kind in "iub":
        return np.dtype(np.float64)
    raise TypeError(f"gradients are for real values; this is of dtype {dtype}")


def _seed(reading: Reading[T], y: Variable, given: Variable | None) -> T:
    """The cotangent that is fed into ``y``: the given one, or ones."""
    if given is None:
        return reading.constant(np.ones(y.shape, gradient_dtype(y.dtype)))
    _check_gradient(y, given)
    return _cast(reading, reading.from_variable(given), y.dtype)


def _check_gradient(y: Variable, gradient: object) -> None:
    if not isinstance(gradient, Variable):
        came = type(gradient).__name__
        raise TypeError(f"the gradient of a variable of shape {y.shape} is a Variable, not {came}")
    if gradient.shape != y.shape:
        raise ValueError(f"a gradient of shape {gradient.shape} for a variable of shape {y.shape}")


@overload
def grad(
    ys: Variable | Sequence[Variable],
    xs: Variable,
    create_graph: bool = False,
    gys: Variable | Sequence[Variable | None] | None = None,
) -> Variable: ...
@overload
def grad(
    ys: Variable | Sequence[Variable],
    xs: Sequence[Variable],
    create_graph: bool = False,
    gys: Variable | Sequence[Variable | None] | None = None,
) -> list[Variable]: ...
def grad(
    ys: Variable | Sequence[Variable],
    xs: Variable | Sequence[Variable],
    create_graph: bool = False,
    gys: Variable | Sequence[Variable | None] | None = None,
) -> Variable | list[Variable]:
    """The gradients of ``ys`` with respect to ``xs``, leaves or not. No ``grad`` is read or written.

    Args:
        ys: One or more variables.
        xs: One or more variables.
        create_graph: Record the computation of the gradients, to differentiate them in turn.
        gys: The cotangents of ``ys``, of their shapes; ones by default.

    Returns:
        For each x the sum over the ys of the cotangents pulled back to it, of the shape of x: zeros
        where x has no part in any y. A list if ``xs`` is a sequence.

    Raises:
        TypeError, ValueError: As `Variable.backward`; or there are not as many gys as ys.
    """
    roots, targets = _several("ys", ys), _several("xs", xs)
    given: Sequence[Variable | None] = [None] * len(roots)
    if gys is not None:
        given = [gys] if isinstance(gys, Variable) else list(gys)
    if len(given) != len(roots):
        raise ValueError(f"grad: {len(given)} cotangents for {len(roots)} ys; expected one for each")
    if create_graph:
        with using_config("enable_backprop", True):
            gradients = _grad(VARIABLES, roots, targets, given)
    else:
        gradients = _grad(ARRAYS, roots, targets, given)
    return gradients[0] if isinstance(xs, Variable) else gradients


def _several(what: str, given: Variable | Iterable[Variable]) -> list[Variable]:
    """One Variable, or several, as a list; what else it is, `grad` says."""
    try:
        several: list[object] = [given] if isinstance(given, Variable) else [*given]
    except TypeError:
        raise TypeError(
            f"grad: {what} is {type(given).__name__}; expected a Variable, or a sequence of them"
        ) from None
    variables: list[Variable] = []
    for i, variable in enumerate(several):
        if not isinstance(variable, Variable):
            raise TypeError(f"grad: {what}[{i}] is {type(variable).__name__}; expected a Variable")
        variables.append(variable)
    return variables


def _grad(
    reading: Reading[T], ys: list[Variable], xs: list[Variable], gys: Sequence[Variable | None]
) -> list[Variable]:
    wanted = {x.creator for x in xs}
    seeds = [(y.node, _seed(reading, y, gy)) for y, gy in zip(ys, gys, strict=True)]
    found = pull_back(reading, seeds, wanted.__contains__)
    gradients: list[Variable] = []
    for x in xs:
        if x.creator is None:
            g = found.leaves.get(x.node)
        else:
            slots = found.interior.get(x.creator)
            g = None if slots is None else slots[x.node.index]
        if g is None:
            g = reading.constant(np.zeros(x.shape, gradient_dtype(x.dtype)))
        gradients.append(reading.gradient(x, None, g))
    return gradients
