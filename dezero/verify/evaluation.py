"""Running programs by the reference: the value of every step, for numbers of any kind."""

from __future__ import annotations

import builtins
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from dezero.contract import Array
from dezero.verify import reference, reference_conv, reference_nn
from dezero.verify.program import MAX_ELEMENTS, Program, ProgramError, Step
from dezero.verify.reference import Value


def _functions(*modules: ModuleType) -> dict[str, Callable[..., Value]]:
    return {
        name: function
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not (name.startswith("_") or name in ("real", "point"))
    }


FUNCTIONS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    _functions(reference, reference_nn, reference_conv)
)
"""Every operation by its name in programs."""


# --- programs -------------------------------------------------------------------------------------


def evaluate(program: Program, inputs: Sequence[Array] | None = None) -> list[Array]:
    """All values of a program, in its numbering: the inputs, then the results of every step.

    Args:
        program: The program.
        inputs: To be used in place of the program's own: other numbers, complex numbers, balls.

    Raises:
        ProgramError: An operation is unknown, its operands or attributes do not fit, or its result
            would have more than `MAX_ELEMENTS` elements. The message says which step, and why.
    """
    values = list(program.inputs if inputs is None else inputs)
    with np.errstate(all="ignore"):
        for number, step in enumerate(program.steps):
            try:
                check_size(step, [values[i] for i in step.operands])
                values += apply(step, [values[i] for i in step.operands])
            except ProgramError as error:
                raise ProgramError(f"step {number} ({step.op}): {error}") from error.__cause__
    return values


_REFUSALS = (TypeError, ValueError, IndexError, ArithmeticError, AttributeError, MemoryError)
"""What Python and NumPy raise when operands and attributes do not fit."""


_GIVE_SEVERAL = ("split", "lstm_cell")
"""The operations whose result is a tuple of results."""


def apply(step: Step, operands: Sequence[Array]) -> list[Array]:
    """The results of one step, as arrays; raises ProgramError as `evaluate` does."""
    function = FUNCTIONS.get(step.op)
    if function is None:
        raise ProgramError("no such operation")
    try:
        result = function(*operands, **step.attributes)
    except _REFUSALS as error:
        raise ProgramError(f"{_shapes(operands)}: {error}") from error
    results: tuple[Value, ...] = result if step.op in _GIVE_SEVERAL else (result,)
    if len(results) != step.n_out:
        raise ProgramError(f"n_out is {step.n_out}, but it gives {len(results)} values")
    arrays: list[Array] = [np.asarray(y) for y in results]
    return [_of_one_kind(y, operands) if y.dtype.kind == "O" else y for y in arrays]


def _of_one_kind(y: Array, operands: Sequence[Array]) -> Array:
    """Objects only: zeros and plain numbers among the elements become what the operands hold."""
    kinds: list[type[Any]] = [  # whatever the operands hold
        type(x.flat[0]) for x in operands if x.dtype == object and x.size
    ]
    kind = kinds[0] if kinds else float
    elements: list[Any] = y.ravel().tolist()  # as above
    if not all(type(element) is kind for element in elements):
        y = np.empty(y.shape, object)
        y.reshape(-1)[:] = [e if type(e) is kind else kind(e) for e in elements]
    return y if kind is not float else y.astype(np.float64)


def _shapes(operands: Sequence[Array]) -> str:
    return f"operands of shapes {', '.join(str(x.shape) for x in operands)}"


# --- limits ---------------------------------------------------------------------------------------


def check_size(step: Step, operands: Sequence[Array]) -> None:
    """Raises ProgramError, before memory is asked for, if a step's results would be too large."""
    bound = _BOUNDS.get(step.op)
    if bound is None:  # never larger than its operand
        return
    try:
        size = bound(*operands, **step.attributes)
        allowed = size <= MAX_ELEMENTS
    except _REFUSALS as error:
        raise ProgramError(f"{_shapes(operands)}: {error}") from error
    if not allowed:
        raise ProgramError(
            f"{_shapes(operands)}: up to {size} elements; at most {MAX_ELEMENTS} are allowed"
        )
    sections = step.attributes.get("sections", step.n_out)
    if not isinstance(sections, int) or sections != step.n_out:
        raise ProgramError(f"sections is {sections}, n_out is {step.n_out}")


def _broadcast_size(*xs: Array, condition: Array | bool = False) -> int:
    return math.prod(np.broadcast_shapes(*(np.shape(x) for x in (*xs, condition))))


def _shape_size(*xs: Array, shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def _total_size(*xs: Array, **_: object) -> int:
    return builtins.sum(x.size for x in xs)


def _padded_size(x: Array, *, pad_width: tuple[tuple[int, int], ...]) -> int:
    return math.prod(n + builtins.sum(pair) for n, pair in zip(x.shape, pad_width, strict=True))


def _matmul_size(a: Array, b: Array) -> int:
    stacked = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return math.prod((*stacked, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ())))


def _indexed_size(x: Array, *, slices: Any) -> int:  # whatever NumPy takes as an index
    """Index arrays broadcast to one block; what they leave of x, a view without memory tells."""
    block: list[tuple[int, ...]] = []
    plain: list[Any] = []  # the index with a 0 for each axis that an index array takes
    items: list[Any] = [*slices] if isinstance(slices, tuple) else [slices]  # as above
    for item in items:
        if item is None or item is Ellipsis or isinstance(item, slice):
            plain.append(item)
            continue
        array: Array = np.asarray(item)
        if array.dtype == bool:
            block.append((int(np.count_nonzero(array)),))
            plain.extend([0] * array.ndim or [None])
        else:
            block.append(array.shape)
            plain.append(0)
    room = np.broadcast_to(np.False_, [builtins.max(n, 1) for n in x.shape])
    left: Array = room[tuple(plain)]
    return np.size(left) * math.prod(np.broadcast_shapes(*block))


def _scattered_size(gy: Array, *, slices: Any, in_shape: tuple[int, ...]) -> int:  # as above
    room = np.broadcast_to(np.False_, in_shape)
    return builtins.max(room.size, _indexed_size(room, slices=slices))


def _linear_size(x: Array, W: Array, b: Array) -> int:
    return builtins.max(_matmul_size(x, W), _broadcast_size(x[..., :1], b))


def _rows_size(W: Array, *, x: Array) -> int:
    return x.size * math.prod(W.shape[1:])


_BOUNDS: Mapping[str, Callable[..., int]] = MappingProxyType(
    {
        **reference_conv.BOUNDS,
        "linear": _linear_size,
        "embed_id": _rows_size,
        **dict.fromkeys(
            ("add", "sub", "mul", "div", "power", "maximum", "minimum", "where"), _broadcast_size
        ),
        "broadcast_to": _shape_size,
        "concatenate": _total_size,
        "stack": _total_size,
        "split": _total_size,
        "pad": _padded_size,
        "matmul": _matmul_size,
        "get_item": _indexed_size,
        "get_item_grad": _scattered_size,
    }
)
"""For operations whose result may be larger than an operand: a bound on its elements."""
