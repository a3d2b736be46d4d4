"""The smallest complete autograd, first order only: what a port to another language starts from.

A program computes with numbers.  Here it computes with *variables*, and each operation leaves a
trace: the *function* that was applied knows its inputs, and each output knows its *creator*.  The
trace is a graph, which leads from a result back to the *leaves*, the variables nobody made.

Reverse mode asks of every variable x: how does the result change with it?  The answer has the shape
of the *primal*, ``x.data``, and is called its *cotangent*, or gradient.  That of the result itself
is given: the *seed*, all ones if nobody says otherwise.  By the chain rule each function can turn
the cotangents of its outputs into those of its inputs.  This rule is a *vjp*, a vector-Jacobian
product: ``Mul`` takes ``gy`` to ``gy * b, gy * a``, and no Jacobian is ever made.

A rule may run once all that used its outputs have run, so functions need a *topological order*.
The *generation* gives it: a leaf has 0, a function the largest of its inputs', an output one more.
Who always runs the newest function never comes too early.  And where a variable was used several
times, what comes back to it adds up.

Only leaves keep what came.  Variables hold creators, creators hold inputs, and outputs are held
weakly: so the graph has no cycle, and goes with the last variable that needs it.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias, Union, cast, overload
from weakref import ref

import numpy as np

from dezero.config import Config as Config
from dezero.config import no_grad as no_grad
from dezero.config import using_config as using_config
from dezero.contract import Array

Operand: TypeAlias = Union["Variable", Array, np.generic, complex]
"""What may stand where a Variable is expected: arrays and numbers too."""


class _GivesOne(Protocol):
    @property
    def forward(self) -> Callable[..., Array]: ...


class _GivesSeveral(Protocol):
    @property
    def forward(self) -> Callable[..., tuple[Array, ...]]: ...


class _Rules(Protocol):
    @property
    def forward(self) -> Callable[..., object]: ...
    @property
    def backward(self) -> Callable[..., object]: ...


class Function:
    """One application of an operation.  A subclass defines ``forward`` and ``backward``, on arrays.

    ``forward(*xs)`` takes the inputs' data and returns an array, or a tuple of them.
    ``backward(*gys)`` takes the outputs' cotangents and returns the inputs' in the same way; where
    the inputs were broadcast against each other, it need not care.

    Attributes:
        inputs: What it was applied to.
        outputs: What it made, as weak references.
        generation: The largest of its inputs'.
        zeros: The outputs' shapes and dtypes, for those that turn out to have no cotangent.
    """

    inputs: list[Variable]
    outputs: list[ref[Variable]]
    generation: int
    zeros: list[tuple[tuple[int, ...], np.dtype[np.generic]]]

    @overload
    def __call__(self: _GivesOne, *inputs: Operand) -> Variable: ...
    @overload
    def __call__(self: _GivesSeveral, *inputs: Operand) -> list[Variable]: ...
    @overload
    def __call__(self, *inputs: Operand) -> Variable | list[Variable]: ...
    def __call__(self, *inputs: Operand) -> Variable | list[Variable]:
        """Apply the operation, and record it if ``Config.enable_backprop``."""
        func = copy.copy(self) if hasattr(self, "inputs") else self  # it records one application
        xs = _as_variables(inputs)
        ys = cast(_Rules, func).forward(*[x.data for x in xs])  # a subclass defines it
        name = f"{type(func).__name__}.forward"
        outputs = [Variable(_returned(name, y)) for y in _as_tuple(ys)]
        if Config.enable_backprop:
            func.generation = max([x.generation for x in xs], default=0)
            func.inputs = xs
            func.outputs = [ref(y) for y in outputs]
            func.zeros = [(y.shape, y.dtype) for y in outputs]
            for y in outputs:
                y.set_creator(func)
        return outputs if isinstance(ys, (tuple, list)) else outputs[0]


# --- The operations -------------------------------------------------------------------------------


class Add(Function):
    """``a + b``."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a + b)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return gy, gy


class Sub(Function):
    """``a - b``."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a - b)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        return gy, -gy


class Mul(Function):
    """``a * b``."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a * b)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        a, b = (x.data for x in self.inputs)
        return gy * b, gy * a


class Div(Function):
    """``a / b``, for b ≠ 0."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(a / b)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        a, b = (x.data for x in self.inputs)
        return gy / b, -gy * (a / b) / b


class Neg(Function):
    """``-x``."""

    def forward(self, x: Array) -> Array:
        return as_array(-x)

    def backward(self, gy: Array) -> Array:
        return as_array(-gy)


class Pow(Function):
    """``x ** c``, for a number ``c``; where x ≤ 0, for an integer."""

    def __init__(self, c: float) -> None:
        if not isinstance(cast(object, c), (int, float, np.number)):
            raise TypeError(f"Pow takes a number as exponent, not {type(c).__name__}")
        self.c = c

    def forward(self, x: Array) -> Array:
        return as_array(x**self.c)

    def backward(self, gy: Array) -> Array:
        (x,) = (x.data for x in self.inputs)
        return as_array(gy * (self.c * x ** (self.c - 1 if self.c else 0)))


class Square(Function):
    """``x ** 2``, the book's first function."""

    def forward(self, x: Array) -> Array:
        return as_array(x**2)

    def backward(self, gy: Array) -> Array:
        (x,) = (x.data for x in self.inputs)
        return as_array(gy * (2 * x))


class Exp(Function):
    """The exponential."""

    def forward(self, x: Array) -> Array:
        return as_array(np.exp(x))

    def backward(self, gy: Array) -> Array:
        (x,) = (x.data for x in self.inputs)
        return as_array(gy * np.exp(x))


class Split(Function):
    """Equal parts along an axis: a function with several outputs."""

    def __init__(self, sections: int, axis: int = 0) -> None:
        self.sections = sections
        self.axis = axis

    def forward(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, self.sections, self.axis))

    def backward(self, *gys: Array) -> Array:
        return np.concatenate(gys, self.axis)


def add(x0: Operand, x1: Operand) -> Variable:
    """``x0 + x1``."""
    return Add()(x0, x1)


def sub(x0: Operand, x1: Operand) -> Variable:
    """``x0 - x1``."""
    return Sub()(x0, x1)


def rsub(x0: Operand, x1: Operand) -> Variable:
    """``x1 - x0``."""
    return Sub()(x1, x0)


def mul(x0: Operand, x1: Operand) -> Variable:
    """``x0 * x1``."""
    return Mul()(x0, x1)


def div(x0: Operand, x1: Operand) -> Variable:
    """``x0 / x1``."""
    return Div()(x0, x1)


def rdiv(x0: Operand, x1: Operand) -> Variable:
    """``x1 / x0``."""
    return Div()(x1, x0)


def neg(x: Operand) -> Variable:
    """``-x``."""
    return Neg()(x)


def pow(x: Operand, c: float) -> Variable:
    """``x ** c``."""
    return Pow(c)(x)


def square(x: Operand) -> Variable:
    """``x ** 2``."""
    return Square()(x)


def exp(x: Operand) -> Variable:
    """The exponential."""
    return Exp()(x)


def split(x: Operand, sections: int, axis: int = 0) -> list[Variable]:
    """``sections`` equal parts of ``x`` along ``axis``."""
    return Split(sections, axis)(x)


# --- The variable ---------------------------------------------------------------------------------


class Variable:
    """An array that remembers how it was made.

    Attributes:
        data: The primal.
        grad: The cotangent that ``backward`` left, of the shape of ``data``, or None.
        name: For people.
        creator: The function that made it; None for a leaf.
        generation: How many functions lie between it and the farthest leaf.

    Raises:
        TypeError: ``data`` is no ndarray.
    """

    __array_ufunc__ = None  # so that ``ndarray + variable`` is left to Variable.__radd__

    def __init__(self, data: Array, name: str | None = None) -> None:
        if not isinstance(cast(object, data), np.ndarray):
            raise TypeError(
                f"Variable takes an ndarray, not {type(data).__name__}: "
                "wrap it, as in Variable(np.array(2.0)) or as_variable(2.0)"
            )
        self.data = data
        self.name = name
        self.grad: Array | None = None
        self.creator: Function | None = None
        self.generation: int = 0

    def __getstate__(self) -> dict[str, object]:
        """What is copied and pickled: a leaf, for the function knows the original as its output."""
        return {**vars(self), "creator": None, "generation": 0}

    def set_creator(self, func: Function) -> None:
        """Note which function made this variable."""
        self.creator = func
        self.generation = func.generation + 1

    def cleargrad(self) -> None:
        """Forget the gradient, to which ``backward`` would add."""
        self.grad = None

    def backward(self, retain_grad: bool = False) -> None:
        """Add to the ``grad`` of every leaf the gradient of this variable with respect to it.

        The seed is ``grad``, if it was set on a variable that is no leaf, otherwise all ones.  With
        ``retain_grad`` the variables on the way get their ``grad`` too, else they have none
        afterwards.  If a rule fails, every ``grad`` is as before; a value that is not real is a
        TypeError.
        """
        cotangents: dict[Variable, Array] = {self: _seed(self)}
        for func in _newest_first(self):
            for x, gx in zip(func.inputs, _pull_back(func, cotangents), strict=True):
                cotangents[x] = as_array(cotangents[x] + gx) if x in cotangents else gx
        grads: dict[Variable, Array | None] = {}
        for x, g in cotangents.items():
            if x.creator is None:
                if x.grad is not None and x.grad.shape != g.shape:
                    raise ValueError(
                        f"grad has shape {x.grad.shape}; expected {g.shape}, as x has; call cleargrad()"
                    )
                grads[x] = np.array(g if x.grad is None else x.grad + g, dtype=g.dtype)
            else:
                grads[x] = np.array(g) if retain_grad else None
        for x, grad in grads.items():  # nothing has failed, and each is a copy of its own
            x.grad = grad

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of ``data``."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """How many axes ``data`` has."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """How many elements ``data`` has."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of the elements of ``data``."""
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return "variable(" + str(self.data).replace("\n", "\n" + " " * 9) + ")"

    __add__ = add
    __radd__ = add
    __sub__ = sub
    __rsub__ = rsub
    __mul__ = mul
    __rmul__ = mul
    __truediv__ = div
    __rtruediv__ = rdiv
    __neg__ = neg
    __pow__ = pow


# --- The parts of backward: order, pull back ------------------------------------------------------


def _seed(y: Variable) -> Array:
    """The cotangent of the result itself."""
    if y.grad is None or y.creator is None:
        return np.ones(y.shape, _grad_dtype(y.dtype))
    if y.grad.shape != y.shape:
        raise ValueError(f"the seed, y.grad, has shape {y.grad.shape}; expected {y.shape}, as y has")
    return y.grad.astype(_grad_dtype(y.dtype))


def _newest_first(y: Variable) -> Iterator[Function]:
    """Each function that ``y`` depends on, once, after all that used its outputs."""
    heap: list[tuple[int, int, Function]] = []
    seen: set[Function] = set()
    arrived = [y]
    while True:
        for creator in (x.creator for x in arrived):
            if creator is not None and creator not in seen:
                seen.add(creator)
                heapq.heappush(heap, (-creator.generation, len(seen), creator))
        if not heap:
            return
        func = heapq.heappop(heap)[-1]
        yield func
        arrived = func.inputs


def _pull_back(func: Function, cotangents: dict[Variable, Array]) -> list[Array]:
    """The cotangents of a function's inputs, from those of its outputs.

    An output that was dropped, or that nobody used, changes nothing: its cotangent is zero.
    """
    outputs = [output() for output in func.outputs]
    gys = [
        cotangents[y] if y is not None and y in cotangents else np.zeros(zero[0], _grad_dtype(zero[1]))
        for y, zero in zip(outputs, func.zeros, strict=True)
    ]
    gxs = _as_tuple(cast(_Rules, func).backward(*gys))  # a subclass defines it
    rule = f"{type(func).__name__}.backward"
    if len(gxs) != len(func.inputs):
        raise ValueError(
            f"{rule} returned {len(gxs)} gradients; expected {len(func.inputs)}, one for each input"
        )
    return [
        _checked(f"{rule} for input {i}", *pair, gys)
        for i, pair in enumerate(zip(func.inputs, gxs, strict=True))
    ]


def _checked(rule: str, x: Variable, returned: object, gys: list[Array]) -> Array:
    """The cotangent of ``x`` that a rule returned, in the shape and dtype it must have."""
    gx = _returned(rule, returned)
    fitted = _sum_to(gx, x.shape) if gx.shape in [gy.shape for gy in gys] else gx
    if fitted.shape != x.shape:
        raise ValueError(f"{rule} returned shape {gx.shape}; expected {x.shape}, as the input has")
    return fitted.astype(_grad_dtype(x.dtype), copy=False)


def _sum_to(gx: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: an element that was used many times gets the sum of what comes back."""
    new = gx.ndim - len(shape)
    if gx.shape == shape or new < 0:
        return gx
    stretched = (*range(new), *(new + i for i, n in enumerate(shape) if n == 1))
    summed = as_array(gx.sum(axis=stretched, keepdims=True))
    return summed.reshape(summed.shape[new:])


def _grad_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The dtype of a gradient: the primal's, or float64 where that has no fractions."""
    if dtype.kind == "c":
        raise TypeError(f"gradients are for real values; this is of dtype {dtype}")
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


# --- What counts as an operand --------------------------------------------------------------------


def as_array(x: object) -> Array:
    """An array or a number as an ndarray; NumPy makes numbers of 0-d results.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(x, (np.ndarray, np.generic, int, float, complex)):
        return np.asarray(x)
    raise TypeError(f"expected an array or a number, not {type(x).__name__}")


def as_variable(obj: Operand) -> Variable:
    """A Variable as it is, an array or a number wrapped."""
    return obj if isinstance(obj, Variable) else Variable(as_array(obj))


def _as_variables(operands: tuple[Operand, ...]) -> list[Variable]:
    """The operands as Variables; Python's numbers take the dtype of the others."""
    dtypes = [x.dtype for x in operands if isinstance(x, (Variable, np.ndarray, np.generic))]
    return [
        Variable(np.asarray(x, np.result_type(*dtypes, x)))
        if dtypes and isinstance(x, (int, float, complex))
        else as_variable(x)
        for x in operands
    ]


def _as_tuple(returned: object) -> tuple[object, ...]:
    if isinstance(returned, (tuple, list)):
        return tuple(cast("list[object]", returned))  # of whatever elements
    return (returned,)


def _returned(rule: str, x: object) -> Array:
    try:
        return as_array(x)
    except TypeError as error:
        raise TypeError(f"{rule} returned {type(x).__name__}: {error}") from None


def setup_variable() -> None:
    """Do nothing: the book adds the operators to Variable here; ours has them from the start."""
