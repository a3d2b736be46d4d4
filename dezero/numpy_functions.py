"""NumPy's functions on Variables: what ``np.sin(x)`` and ``np.sum(x, axis=0)`` stand for.

NumPy hands a call over to its operands (``__array_ufunc__``, NEP 13; ``__array_function__``, NEP 18).
Here it is looked up which function of `dezero.functions` that is. What has no derivative and
tells of values (``np.isnan``, ``np.allclose``, ``np.zeros_like``) is computed on the data.

A list is no operand: of the Variables in it NumPy makes an array of plain numbers, without asking, and
what is computed from that has no graph. `dezero.functions.stack` makes one Variable of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from dezero import functions as F
from dezero.graph import Operand, Variable, as_variable

Computed: TypeAlias = Callable[..., object]


def _at_least(x: Operand, dtype: type[np.floating[Any]]) -> Variable:
    """``x`` in the element type that NumPy finds for it and ``dtype`` together."""
    x = as_variable(x)
    common = np.result_type(x.dtype, dtype)
    return x if x.dtype == common else F.astype(x, common)


def _fabs(x: Operand) -> Variable:
    return F.abs(_at_least(x, np.float16))  # of integers NumPy makes floating numbers


def _float_power(x: Operand, c: Operand) -> Variable:
    return F.pow(_at_least(x, np.float64), c)


def _ravelled(x: Operand) -> Variable:
    return F.reshape(x, (-1,))


def _dot(a: Operand, b: Operand) -> Variable:
    """What np.dot is where it is no other product than ours."""
    a, b = as_variable(a), as_variable(b)
    if a.ndim == 0 or b.ndim == 0:
        return F.mul(a, b)
    if a.ndim > 1 and b.ndim > 2:
        raise TypeError(
            f"np.dot on Variables of shapes {a.shape} and {b.shape}: for a stack of matrices on the "
            "right it differs from np.matmul; use that, or call it on .data"
        )
    return F.matmul(a, b)


def _clip(
    a: Operand,
    a_min: float | None = None,
    a_max: float | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Variable:
    return F.clip(a, _bound("a_min", a_min, "min", min), _bound("a_max", a_max, "max", max))


def _bound(name: str, given: float | None, newer: str, also: float | None) -> float | None:
    if given is not None and also is not None:
        raise TypeError(f"np.clip on Variables takes {name} or {newer}; both came")
    return also if given is None else given


_UFUNCS: Mapping[Computed, Computed] = {
    np.add: F.add, np.subtract: F.sub, np.multiply: F.mul, np.divide: F.div, np.negative: F.neg,
    np.positive: F.identity, np.power: F.pow, np.float_power: _float_power,
    np.absolute: F.abs, np.fabs: _fabs,
    np.square: F.square, np.sqrt: F.sqrt, np.reciprocal: F.reciprocal,
    np.exp: F.exp, np.expm1: F.expm1, np.log: F.log, np.log1p: F.log1p, np.log2: F.log2,
    np.sin: F.sin, np.cos: F.cos, np.tan: F.tan, np.arcsin: F.arcsin, np.arccos: F.arccos,
    np.arctan: F.arctan, np.sinh: F.sinh, np.cosh: F.cosh, np.tanh: F.tanh,
    np.maximum: F.maximum, np.minimum: F.minimum, np.matmul: F.matmul,
}  # fmt: skip
"""The ufuncs that are recorded."""

_ON_DATA: frozenset[Computed] = frozenset(
    (
        np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
        np.isfinite, np.isinf, np.isnan, np.signbit, np.sign, np.floor, np.ceil, np.trunc, np.rint,
        np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
        np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
        np.allclose, np.isclose, np.array_equal, np.all, np.any, np.argmax, np.argmin, np.argsort,
        np.count_nonzero, np.array_repr, np.array_str, np.array2string, np.result_type, np.can_cast,
        np.broadcast_shapes, np.iscomplexobj, np.isrealobj,
    )
)  # fmt: skip
"""What is computed on the data."""


_FUNCTIONS: Mapping[Computed, tuple[Computed, str]] = {
    np.sum: (F.sum, "a axis keepdims"),
    np.mean: (F.mean, "a axis keepdims"),
    np.var: (F.var, "a axis keepdims"),
    np.prod: (F.prod, "a axis keepdims"),
    np.max: (F.max, "a axis keepdims"),
    np.min: (F.min, "a axis keepdims"),
    np.amax: (F.max, "a axis keepdims"),
    np.amin: (F.min, "a axis keepdims"),
    np.cumsum: (F.cumsum, "a axis"),
    np.reshape: (F.reshape, "a shape"),
    np.ravel: (_ravelled, "a"),
    np.transpose: (F.transpose, "a axes"),
    np.swapaxes: (F.swapaxes, "a axis1 axis2"),
    np.expand_dims: (F.expand_dims, "a axis"),
    np.squeeze: (F.squeeze, "a axis"),
    np.broadcast_to: (F.broadcast_to, "array shape"),
    np.concatenate: (F.concatenate, "arrays axis"),
    np.stack: (F.stack, "arrays axis"),
    np.split: (F.split, "ary indices_or_sections axis"),
    np.flip: (F.flip, "m axis"),
    np.roll: (F.roll, "a shift axis"),
    np.pad: (F.pad, "array pad_width"),
    np.where: (F.where, "condition x y"),
    np.clip: (_clip, "a a_min a_max min max"),
    np.copy: (F.identity, "a"),
    np.dot: (_dot, "a b"),
}  # fmt: skip
"""Other functions that are recorded, with those of NumPy's parameters that ours has, in its order."""

_PARAMETERS: Mapping[Computed, Sequence[str]] = {
    # These are written in C, and do not say what their parameters are called.
    np.concatenate: ("arrays", "axis"),
    np.where: ("condition", "x", "y"),
    np.dot: ("a", "b"),
}


def apply_ufunc(
    ufunc: np.ufunc, method: str, inputs: Sequence[object], options: Mapping[str, object]
) -> object:
    """What a ufunc gives for operands of which some are Variables: a Variable; else see the module.

    Raises:
        TypeError: There is no such function here, or it was called in another way than ``ufunc(x, …)``.
    """
    name = f"np.{ufunc.__name__}"
    if method != "__call__":
        raise TypeError(f"{name}.{method} does not take Variables; np.sum, np.prod and np.cumsum do")
    if "out" in options:
        raise TypeError(f"{name}: an array cannot take in a Variable; use its .data")
    if options:
        raise TypeError(f"{name} on Variables takes operands only; {', '.join(options)} came, too")
    function = _UFUNCS.get(ufunc)
    if function is not None:
        return function(*inputs)
    if ufunc in _ON_DATA:
        return ufunc(*[_data(x) for x in inputs])
    raise TypeError(f"{name} is no function on Variables; see dezero.functions, or call it on .data")


def apply_function(
    function: Computed, arguments: Sequence[object], options: Mapping[str, object]
) -> object:
    """The same for NumPy's other functions."""
    name = _name(function)
    if function in _ON_DATA:
        return function(*map(_data, arguments), **{k: _data(v) for k, v in options.items()})
    if function not in _FUNCTIONS:
        raise TypeError(
            f"{name} is no function on Variables; see dezero.functions, or call it on .data"
        )
    ours, names = _FUNCTIONS[function]
    known = _PARAMETERS.get(function) or list(inspect.signature(function).parameters)
    given = {**dict(zip(known, arguments, strict=False)), **options}
    parameters = inspect.signature(ours).parameters
    taken = dict(zip(names.split(), parameters, strict=True))
    refused = [k for k in given if k not in taken and _says_something(function, k, given[k])]
    if refused:
        raise TypeError(f"{name} on Variables takes {', '.join(taken)}; {', '.join(refused)} came, too")
    missing = [
        k
        for k, p in taken.items()
        if k not in given and parameters[p].default is inspect.Parameter.empty
    ]
    if missing:
        raise TypeError(
            f"{name} on Variables takes {', '.join(taken)}; {', '.join(missing)} did not come; "
            "what has no derivative is computed on .data"
        )
    return ours(**{taken[k]: v for k, v in given.items() if k in taken})


def _says_something(function: Computed, parameter: str, value: object) -> bool:
    """Whether an argument is another than the default."""
    if function in _PARAMETERS:
        return True
    known = inspect.signature(function).parameters
    return parameter not in known or known[parameter].default is not value


def _data(x: object) -> object:
    if isinstance(x, (tuple, list)):
        return [_data(part) for part in cast("Sequence[object]", x)]  # whatever it holds
    return x.data if isinstance(x, Variable) else x


def _name(function: Computed) -> str:
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy", "np", 1)
