"""Planted faults: small ways to break dezero, which the kit must catch and shrink.

A fault names the laws that may rightly accuse it and the size of the smallest program that shows it.
`planted` breaks dezero while its block lasts; no file is touched:

    with planted(FAULTS["cos_sign"]):
        tally = campaign.run(plan)
    assert tally.counterexample is not None

`UNSEEN` are faults that no law can see as yet: what the kit does not verify, written down.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast  # Any and cast: what is replaced has no type here
from weakref import WeakKeyDictionary

import numpy as np

from dezero import arrays, config, graph
from dezero.config import using_config
from dezero.contract import Array
from dezero.functions import (
    Abs,
    Concatenate,
    Cos,
    CumSum,
    Div,
    Exp,
    Expm1,
    LogSumExp,
    MatMul,
    Max,
    Mean,
    Mul,
    Pow,
    Prod,
    ReLU,
    Reshape,
    Roll,
    Sigmoid,
    Sin,
    Softmax,
    Square,
    Sub,
    Sum,
    Tanh,
    Transpose,
    Var,
    Where,
)
from dezero.graph import Cotangents, Function, Node, Reading, Variable, gradient_dtype
from dezero.operation import Binary, Operation, Unary

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
            if isinstance(owner, type) and issubclass(owner, Operation) and owner is not Operation
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


def _unary(operation: type[Unary], vjp: Callable[[Any, Any, Any, Any, Any], Any]) -> Patch:
    """Another rule: of self, xp, gy, x, y."""
    return lambda: [Replacement(operation, "vjp", vjp)]


def _binary(operation: type[Binary], vjp: Callable[[Any, Any, Any, Any, Any, Any], Any]) -> Patch:
    """Another rule: of self, xp, gy, a, b, y."""
    return lambda: [Replacement(operation, "vjp", vjp)]


def _value(operation: type[Unary], forward: Callable[[Any, Array], Any]) -> Patch:
    """Another value: of self and x."""
    return lambda: [Replacement(operation, "forward", forward)]


def _saving(operation: type[Operation], saves: str, *others: Replacement) -> list[Replacement]:
    """The replacements by which an operation saves these operands."""
    contract = replace(operation.contract, saves=frozenset(saves))
    return [Replacement(operation, "contract", contract), *others]


def _constant(x: Any) -> Any:
    """``x``, cut off from the graph: its derivative is lost."""
    return Variable(x.data) if isinstance(x, Variable) else x


# ------------------------------------------------------------------------------------- A faulty engine


@dataclass
class _Loop:
    """`graph.pull_back` in parts, each of which a fault may replace.

    Attributes:
        add: A cotangent on its way, and what is added to it.
        choose: Which of the waiting applications is next.
        complete: The cotangents of an application's outputs, from those that came and Nones.
        fit: The cotangent of an input, for its Node.
        merges: Whether an application waits for all cotangents, rather than once for each.
        once: Whether what comes for an application that has run is lost.
        failed: What is done after an exception; whether it is swallowed.
    """

    add: Callable[[Any, Any], Any] = lambda old, g: old + g
    choose: Callable[[Sequence[Function]], int] = lambda waiting: _youngest(waiting)
    complete: Callable[[Any, Function, list[Any]], list[Any]] = lambda reading, function, gys: (
        _completed(reading, function, gys)
    )
    fit: Callable[[Any, Any, Node], Any] = lambda reading, gx, node: _fitted(reading, gx, node)
    merges: bool = True
    once: bool = False
    failed: Callable[[Any, Cotangents[Any]], bool] = lambda reading, found: False

    def pull_back(
        self,
        reading: Reading[Any],
        seeds: Iterable[tuple[Node, Any]],
        keep: Callable[[Function], bool],
    ) -> Cotangents[Any]:
        found: Cotangents[Any] = Cotangents()
        waiting: list[tuple[Function, list[Any]]] = []
        visited: set[Function] = set()

        def accumulate(node: Node, g: Any) -> None:
            creator = node.creator
            if creator is None:
                old = found.leaves.get(node)
                found.leaves[node] = g if old is None else self.add(old, g)
            elif not (self.once and creator in visited):
                gys = next((gys for function, gys in waiting if function is creator), None)
                if gys is None or not self.merges:
                    gys = [None] * len(creator.outputs)
                    waiting.append((creator, gys))
                old = gys[node.index]
                gys[node.index] = g if old is None else self.add(old, g)

        try:
            for node, seed in seeds:
                accumulate(node, seed)
            while waiting:
                function, gys = waiting.pop(self.choose([function for function, _ in waiting]))
                visited.add(function)
                if keep(function):
                    found.interior[function] = gys
                gxs = function.pull(reading, self.complete(reading, function, gys))
                for node, gx in zip(function.input_nodes, gxs, strict=True):
                    if gx is not None:
                        accumulate(node, self.fit(reading, gx, node))
        except Exception:
            if not self.failed(reading, found):
                raise
        return found


def _youngest(waiting: Sequence[Function]) -> int:
    return max(range(len(waiting)), key=lambda i: waiting[i].generation)


def _completed(reading: Reading[Any], function: Function, gys: list[Any]) -> list[Any]:
    return _filled(np.zeros, reading, function, gys)


def _filled(
    fill: Callable[..., Array], reading: Reading[Any], function: Function, gys: list[Any]
) -> list[Any]:
    for index, (shape, dtype) in enumerate(function.output_types):
        if gys[index] is None:
            gys[index] = reading.constant(fill(shape, gradient_dtype(dtype)))
    return gys


def _fitted(reading: Reading[Any], gx: Any, node: Node) -> Any:
    gx = gx if gx.shape == node.shape else reading.xp.sum_to(gx, node.shape)
    return _cast(reading, gx, node)


def _cast(reading: Reading[Any], gx: Any, node: Node) -> Any:
    wanted = gradient_dtype(node.dtype)
    return gx if gx.dtype == wanted else reading.xp.astype(gx, wanted)


def _only_added_axes(reading: Reading[Any], gx: Any, node: Node) -> Any:
    """Of an axis of length one that was stretched, the first element only."""
    added = tuple(range(len(gx.shape) - len(node.shape)))
    gx = reading.xp.sum(gx, added) if added else gx
    stretched = tuple(
        slice(0, 1) if n == 1 and m != 1 else slice(None)
        for n, m in zip(node.shape, gx.shape, strict=True)
    )
    return _cast(reading, reading.xp.get_item(gx, stretched), node)


def _in_place(old: Any, g: Any) -> Any:
    if isinstance(old, np.ndarray) and old.flags.writeable:
        old += g
        return old
    return old + g


def _written_on_failure(reading: Reading[Any], found: Cotangents[Any]) -> bool:
    for leaf, g in found.leaves.items():
        variable = leaf.variable()
        if variable is not None:
            variable.grad = reading.gradient(variable, variable.grad, g)
    return False


def _loop(loop: _Loop) -> Patch:
    return lambda: [Replacement(graph, "pull_back", loop.pull_back)]


def _remembering() -> list[Replacement]:
    remembered: WeakKeyDictionary[Function, list[Any]] = WeakKeyDictionary()

    def complete(reading: Reading[Any], function: Function, gys: list[Any]) -> list[Any]:
        new = _completed(reading, function, gys)
        if not reading.records:
            new = [
                gy + old
                for gy, old in zip(new, remembered.get(function, [0.0] * len(new)), strict=True)
            ]
            remembered[function] = new
        return new

    return list(_loop(_Loop(complete=complete))())


def _around_pull_back(
    wrapped: Callable[[Callable[..., Cotangents[Any]], Any, list[tuple[Node, Any]], Any], Any],
) -> Patch:
    """`graph.pull_back` as it is, with something around it."""

    def patch() -> list[Replacement]:
        original = graph.pull_back

        def pull_back(reading: Any, seeds: Iterable[tuple[Node, Any]], keep: Any) -> Any:
            return wrapped(original, reading, list(seeds), keep)

        return [Replacement(graph, "pull_back", pull_back)]

    return patch


def _sorted_by_recursion(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    seen: set[Function] = set()
    for node, _ in seeds:
        _visit(node.creator, seen)
    return pull_back(reading, seeds, keep)


def _visit(function: Function | None, seen: set[Function]) -> None:
    if function is not None and function not in seen:
        seen.add(function)
        for node in function.input_nodes:
            _visit(node.creator, seen)


def _keeping_all(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    def every(function: Function) -> bool:
        return True

    return pull_back(reading, seeds, every)


def _seeds_used_up(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    found = pull_back(reading, [(node, reading.xp.identity(seed)) for node, seed in seeds], keep)
    for _, seed in seeds:
        if isinstance(seed, np.ndarray):
            seed.fill(0.0)
    return found


# ------------------------------------------------------------------------- What is stored as a gradient


def _stored(
    gradient: Callable[[Callable[..., Variable], Any, Variable, Variable | None, Any], Variable],
) -> Patch:
    """`Reading.gradient` done otherwise; given as it is, and what it is given."""
    original = cast("Callable[..., Variable]", vars(Reading)["gradient"])

    def stored(self: Reading[Any], variable: Variable, old: Variable | None, g: Any) -> Variable:
        return gradient(original, self, variable, old, g)

    return lambda: [Replacement(Reading, "gradient", stored)]


def _leaf_aliased(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    alias = old is None
    stored: Variable = reading.to_variable(g) if alias else original(reading, variable, old, g)
    return stored


def _retained_aliased(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    alias = variable.creator is not None
    stored: Variable = reading.to_variable(g) if alias else original(reading, variable, old, g)
    return stored


def _detached(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    return Variable(original(reading, variable, old, g).data)


def _scalar_if_0d(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    stored = original(reading, variable, old, g)
    if stored.ndim == 0 and not reading.records:
        setattr(stored, "_data", stored.data[()])  # noqa: B010 - Variable itself refuses a scalar
    return stored


# ------------------------------------------------------------------- What happens to every application


def _applied(after: Callable[[list[Variable]], None]) -> Patch:
    """Something done with the outputs of every application that was recorded."""
    original = cast("Callable[..., object]", vars(Function)["__call__"])

    def call(self: Function, *inputs: object) -> object:
        given = original(self, *inputs)
        several = type(given) is list
        outputs = cast("list[Variable]", given) if several else [cast(Variable, given)]
        if outputs and outputs[0].creator is not None:
            after(outputs)
        return given

    return lambda: [Replacement(Function, "__call__", call)]


def _hold_outputs(outputs: list[Variable]) -> None:
    vars(outputs[0].creator)["held"] = outputs


def _growing_cache() -> list[Replacement]:
    cache: list[object] = []
    return list(_applied(lambda outputs: cache.append(outputs[0].creator))())


def _growing_cache_of_arrays() -> list[Replacement]:
    """Arrays are no containers for the garbage collector, and these are nobody's data."""
    cache: list[Array] = []

    def stored(
        original: Any, reading: Any, variable: Variable, old: Variable | None, g: Any
    ) -> Variable:
        if isinstance(g, np.ndarray):
            cache.append(cast(Array, g).copy())
        return cast(Variable, original(reading, variable, old, g))

    return list(_stored(stored)())


def _node_holds_variable() -> list[Replacement]:
    original = cast("Callable[..., None]", vars(Variable)["__init__"])

    def init(self: Variable, data: Array | None, name: str | None = None) -> None:
        original(self, data, name)
        setattr(self.node, "variable", lambda: self)  # noqa: B010 - as if it were no weak reference

    return [Replacement(Variable, "__init__", init)]


def _reads_dropped_output(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    living = self.outputs[0]()
    return gy if living is None else gy * y


# ------------------------------------------------------------------------------------- The two switches


class _ForAll:
    """What looks like a ContextVar, but is one and the same for every thread."""

    def __init__(self) -> None:
        self.value: tuple[Any, ...] = ()

    def get(self) -> tuple[Any, ...]:
        return self.value

    def set(self, value: tuple[Any, ...]) -> None:
        self.value = value


def _entries(new: object) -> list[Replacement]:
    """The regions of `no_grad` kept in another place: what leaks there goes with it."""
    switch = cast("Mapping[str, object]", vars(config)["_SWITCHES"])["enable_backprop"]
    return [Replacement(config, "_ENTRIES", new), Replacement(switch, "entries", new)]


def _leaks_after_an_exception() -> list[Replacement]:
    original = cast("Callable[..., None]", vars(using_config)["__exit__"])
    leaked: list[using_config] = []

    def end(self: using_config, *exception: object) -> None:
        if any(exception):
            leaked.append(self)  # a region ends with its object, so that is kept
        else:
            original(self, *exception)

    entries: ContextVar[tuple[Any, ...]] = ContextVar("leaking", default=())
    return [*_entries(entries), Replacement(using_config, "__exit__", end)]


def _escaping() -> list[Replacement]:
    entries: ContextVar[tuple[Any, ...]] = ContextVar("escaping", default=())
    return [*_entries(entries), Replacement(config, "_owner", _nothing)]


# ------------------------------------------------------------------------------------ Some longer rules


def _nothing(*_: object) -> None:
    pass


def _always_double(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(np.float64)


def _without_transposing(self: Any, xp: Any, gy: Any, a: Any, b: Any, y: Any) -> Any:
    ga, gb = _MATMUL(self, xp, gy, a, b, y)
    return ga, xp.swapaxes(gb, -1, -2) if b.ndim > 1 and b.shape[-1] == b.shape[-2] else gb


_MATMUL = cast("Callable[..., Any]", vars(MatMul)["vjp"])


def _full_share(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    return xp.where(x >= self.kept(xp, y, x), self.kept(xp, gy, x), 0.0)


def _by_division(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return self.kept(xp, gy, x) * self.kept(xp, y, x) / x


def _from_the_start(self: Any, xp: Any, gy: Any, xs: Any) -> Any:
    axis = self.axis % gy.ndim
    return [xp.get_item(gy, (*(slice(None),) * axis, slice(0, x.shape[axis]))) for x in xs]


def _without_keeping(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    return xp.broadcast_to(gy, x.shape)


def _mean_held_fixed(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    n = arrays.reduced_size(x.shape, self.axis)
    deviation = x - _constant(xp.sum(x, self.axis, True) / n)
    return self.kept(xp, gy, x) * deviation * (2.0 / n)


def _overwritten_at_repeats(gy: Array, slices: Any, in_shape: tuple[int, ...]) -> Array:
    gx = np.zeros(in_shape, gy.dtype)
    gx[slices] = gy
    return gx


def _overwriting_value(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    if isinstance(y, np.ndarray) and y.flags.writeable:
        y *= gy
        return y
    return gy * y


def _overflowing(self: Any, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.sum(np.exp(x), self.axis, keepdims=self.keepdims)))


def _every_second_time() -> list[Replacement]:
    times = itertools.count()

    def vjp(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
        return gy * xp.cos(x) * (1.0 + 4e-16 * (next(times) % 2))

    return [Replacement(Sin, "vjp", vjp)]


_SEED = cast("Callable[..., Any]", vars(graph)["_seed"])


def _zeros_by_default(reading: Any, y: Variable, given: Variable | None) -> Any:
    return _SEED(reading, y, given) * (given is not None)


# -------------------------------------------------------------------------------------------- The table

_GRADIENT = ("gradient",)
_CALLED = ("gradient", "second_order")
"""A rule that other rules call, as Sub's by log_softmax's, is seen in their second derivatives, too."""

# fmt: off
_ALL = (
    # --- rules ---
    Fault("sub_sign", "rules", "Sub gives b its cotangent with the wrong sign", _CALLED, 1,
        _binary(Sub, lambda self, xp, gy, a, b, y: (gy, gy))),
    Fault("cos_sign", "rules", "Cos has the sign of its derivative wrong", _CALLED, 1,
        _unary(Cos, lambda self, xp, gy, x, y: gy * xp.sin(x))),
    Fault("sin_factor", "rules", "Sin forgets the factor cos x", _CALLED, 1,
        _unary(Sin, lambda self, xp, gy, x, y: gy)),
    Fault("square_factor", "rules", "Square forgets the factor 2", _GRADIENT, 1,
        _unary(Square, lambda self, xp, gy, x, y: gy * x)),
    Fault("tanh_scaled", "rules", "Tanh's cotangent is too large by 1e-10 of it", _GRADIENT, 1,
        scaled(Tanh, 1 + 1e-10)),
    Fault("exp_upstream", "rules", "Exp forgets the cotangent of its output", _CALLED, 1,
        _unary(Exp, lambda self, xp, gy, x, y: y)),
    Fault("mul_operands", "rules", "Mul takes its operands the wrong way round",
        ("gradient", "shape_dtype", "second_order"), 1,
        _binary(Mul, lambda self, xp, gy, a, b, y: (gy * a, gy * b))),
    Fault("div_sign", "rules", "Div gives the divisor the wrong sign", _CALLED, 1,
        _binary(Div, lambda self, xp, gy, a, b, y: (gy / b, gy * a / (b * b)))),
    Fault("pow_exponent", "rules", "Pow keeps its exponent", _CALLED, 1,
        _unary(Pow, lambda self, xp, gy, x, y: gy * (self.c * x ** self.c))),
    Fault("mean_as_sum", "rules", "Mean does not divide its cotangent", _GRADIENT, 1,
        _unary(Mean, lambda self, xp, gy, x, y: xp.broadcast_to(self.kept(xp, gy, x), x.shape))),
    Fault("matmul_transposed", "rules", "MatMul gives a square b its cotangent transposed", _CALLED, 1,
        _binary(MatMul, _without_transposing)),
    Fault("transpose_permutation", "rules", "Transpose does not invert its permutation",
        ("gradient", "shape_dtype", "second_order"), 1,
        _unary(Transpose, lambda self, xp, gy, x, y: xp.transpose(gy, self.axes))),
    Fault("roll_direction", "rules", "Roll rolls its cotangent on instead of back", _CALLED, 1,
        _unary(Roll, lambda self, xp, gy, x, y: xp.roll(gy, self.shift, self.axis))),
    Fault("cumsum_direction", "rules", "CumSum's cotangent is summed from the front", _GRADIENT, 1,
        _unary(CumSum, lambda self, xp, gy, x, y: xp.reshape(xp.cumsum(gy, self.axis), x.shape))),
    Fault("concatenate_offsets", "rules", "Concatenate gives each operand the first part", _GRADIENT, 1,
        lambda: [Replacement(Concatenate, "vjp", _from_the_start)]),
    Fault("softmax_diagonal", "rules", "Softmax forgets that its elements share a sum", _GRADIENT, 1,
        _unary(Softmax, lambda self, xp, gy, x, y: gy * (y * (1.0 - y)))),
    Fault("where_both", "rules", "Where gives both operands the whole cotangent", _CALLED, 1,
        _binary(Where, lambda self, xp, gy, a, b, y: (gy, gy))),
    Fault("max_full_share", "rules", "Max gives each tied element the whole cotangent", ("kink",), 1,
        _unary(Max, _full_share)),
    Fault("relu_at_zero", "rules", "ReLU's derivative at 0 is 1", ("kink",), 1,
        _unary(ReLU, lambda self, xp, gy, x, y: xp.where(x >= 0, gy, 0.0))),
    Fault("abs_at_zero", "rules", "Abs's derivative at 0 is -1", ("kink",), 1,
        _unary(Abs, lambda self, xp, gy, x, y: xp.where(x > 0, gy, -gy))),
    Fault("prod_by_division", "rules", "Prod divides by the element: NaN where it is 0",
        ("gradient", "linearity"), 1,
        lambda: _saving(Prod, "xy", Replacement(Prod, "vjp", _by_division))),
    Fault("not_saved", "rules", "Sigmoid's rule reads an output that was not saved", _CALLED, 1,
        lambda: _saving(Sigmoid, "x")),
    Fault("repeats_overwritten", "rules", "The adjoint of indexing assigns: the last repeat wins",
        ("gradient", "value"), 1,
        lambda: [Replacement(arrays, "get_item_grad", _overwritten_at_repeats)]),
    # --- values ---
    Fault("tanh_value", "values", "Tanh's value is too large by 1e-12 of it", ("value",), 1,
        _value(Tanh, lambda self, x: np.tanh(x) * np.asarray(1 + 1e-12))),
    Fault("expm1_cancels", "values", "Expm1 is computed as exp(x) - 1", ("value",), 1,
        _value(Expm1, lambda self, x: np.asarray(np.exp(x) - 1))),
    Fault("logsumexp_overflows", "values", "LogSumExp does not shift by the largest element",
        ("value",), 2, _value(LogSumExp, _overflowing)),
    # --- shapes ---
    Fault("broadcast_not_undone", "shapes", "Cotangents keep the shape of the broadcast operands",
        ("shape_dtype", "gradient", "value"), 1,
        _loop(_Loop(fit=lambda reading, gx, node: _cast(reading, gx, node)))),
    Fault("only_added_axes", "shapes", "Stretched axes are not summed, only added ones", _CALLED, 1,
        _loop(_Loop(fit=_only_added_axes))),
    Fault("sum_without_keepdims", "shapes", "Sum's rule broadcasts without the reduced axes",
        ("gradient", "value", "shape_dtype"), 1, _unary(Sum, _without_keeping)),
    Fault("reshape_to_output", "shapes", "Reshape leaves its cotangent in the output's shape",
        ("gradient", "value", "shape_dtype"), 1, _unary(Reshape, lambda self, xp, gy, x, y: gy)),
    # --- accumulation ---
    Fault("last_wins", "accumulation", "The last cotangent of a shared value replaces the others",
        ("gradient", "accumulation", "second_order"), 1, _loop(_Loop(add=lambda old, g: g))),
    Fault("first_wins", "accumulation", "Only the first cotangent of a shared value counts",
        ("gradient", "accumulation", "second_order"), 1, _loop(_Loop(add=lambda old, g: old))),
    Fault("added_in_place", "accumulation", "Cotangents are added into an array that others hold",
        ("gradient", "isolation", "accumulation", "second_order"), 1, _loop(_Loop(add=_in_place))),
    Fault("remembered", "accumulation", "Cotangents of a backward are still there in the next one",
        ("linearity", "accumulation"), 1, _remembering),
    Fault("cleargrad_nothing", "accumulation", "cleargrad does nothing", ("accumulation", "linearity"),
        1, lambda: [Replacement(Variable, "cleargrad", _nothing)]),
    Fault("grad_overwritten", "accumulation", "A second backward replaces the gradient",
        ("accumulation", "gradient"), 1,
        _stored(lambda original, reading, variable, old, g: original(reading, variable, None, g))),
    Fault("intermediates_keep_grad", "accumulation", "Values on the way keep a gradient unasked",
        ("accumulation",), 1, _around_pull_back(_keeping_all)),
    # --- order ---
    Fault("order_stack", "order", "Last in, first out; what comes for a rule that has run is lost",
        ("gradient", "accumulation", "visits", "second_order", "sharing"), 3,
        _loop(_Loop(choose=lambda waiting: -1, once=True))),
    Fault("order_queue", "order", "First in, first out; what comes for a rule that has run is lost",
        ("gradient", "accumulation", "visits", "second_order", "sharing"), 3,
        _loop(_Loop(choose=lambda waiting: 0, once=True))),
    Fault("run_again", "order", "Last in, first out; a rule runs again for what comes late",
        ("visits",), 3, _loop(_Loop(choose=lambda waiting: -1))),
    Fault("run_per_consumer", "order", "A rule runs once for each that uses its output", ("visits",), 2,
        _loop(_Loop(merges=False))),
    # --- dropped outputs ---
    Fault("dropped_missing", "dropped outputs", "An output that nobody uses has no cotangent: a crash",
        ("gradient", "value"), 1, _loop(_Loop(complete=lambda reading, function, gys: gys))),
    Fault("dropped_ones", "dropped outputs", "An output that nobody uses counts with ones", _GRADIENT,
        1,
        _loop(_Loop(complete=lambda reading, function, gys: _filled(np.ones, reading, function, gys)))),
    Fault("dead_output_read", "dropped outputs", "Exp reads its output by the weak reference",
        ("dropped_outputs", "second_order"), 2, _unary(Exp, _reads_dropped_output)),
    # --- aliasing ---
    Fault("leaf_aliased", "aliasing", "A gradient is stored without a copy", ("isolation",), 1,
        _stored(_leaf_aliased)),
    Fault("retained_aliased", "aliasing", "A retained gradient is stored without a copy",
        ("isolation",), 1, _stored(_retained_aliased)),
    Fault("seed_used_up", "aliasing", "The cotangent that was given is set to zero after use",
        ("isolation",), 1, _around_pull_back(_seeds_used_up)),
    Fault("saved_overwritten", "aliasing", "Exp computes its cotangent in the memory of its output",
        ("linearity", "accumulation", "isolation"), 1, _unary(Exp, _overwriting_value)),
    # --- dtype ---
    Fault("gradient_in_double", "dtype", "The gradient of float32 values is float64", ("shape_dtype",),
        1, lambda: [Replacement(graph, "gradient_dtype", _always_double)]),
    Fault("value_in_double", "dtype", "Sin of float32 values is float64", ("shape_dtype",), 1,
        _value(Sin, lambda self, x: np.asarray(np.sin(x, dtype=np.float64)))),
    Fault("scalar_gradient", "dtype", "The gradient of a 0-d value is a NumPy scalar", ("shape_dtype",),
        1, _stored(_scalar_if_0d)),
    # --- configuration ---
    Fault("no_grad_leaks", "configuration", "no_grad goes on after an exception", ("no_graph",), 1,
        _leaks_after_an_exception),
    Fault("no_grad_for_all", "configuration", "no_grad holds for every thread", ("no_graph",), 0,
        lambda: _entries(_ForAll())),
    Fault("no_grad_escapes", "configuration", "no_grad reaches out of a suspended generator",
        ("no_graph",), 0, _escaping),
    Fault("no_grad_records", "configuration", "Operations are recorded under no_grad, too",
        ("no_graph",), 1, lambda: [Replacement(graph, "recording", lambda: True)]),
    # --- memory ---
    Fault("outputs_held", "memory", "A Function holds its outputs", ("refcount",), 1,
        _applied(_hold_outputs)),
    Fault("node_holds_variable", "memory", "A Node holds its Variable", ("refcount",), 1,
        _node_holds_variable),
    Fault("cache_grows", "memory", "Every application is put into a global list", ("refcount",), 1,
        _growing_cache),
    # --- transaction ---
    Fault("arrays_cached", "memory", "A copy of every gradient is put into a global list",
        ("refcount",), 0,
        _growing_cache_of_arrays),
    Fault("written_early", "transaction", "Leaves have gradients although a later rule raised",
        ("transaction",), 2, _loop(_Loop(failed=_written_on_failure))),
    Fault("exception_swallowed", "transaction", "An exception in a rule is swallowed", ("transaction",),
        1, _loop(_Loop(failed=lambda reading, found: True))),
    # --- determinism ---
    Fault("every_second_time", "determinism", "Sin's rule rounds otherwise every second time",
        ("determinism",), 1, _every_second_time),
    # --- second order ---
    Fault("sin_detached", "second order", "Sin's derivative is a constant under create_graph",
        ("second_order",), 1, _unary(Sin, lambda self, xp, gy, x, y: gy * _constant(xp.cos(x)))),
    Fault("tanh_detached", "second order", "Tanh's rule reads its input as a constant",
        ("second_order",), 1,
        _unary(Tanh, lambda self, xp, gy, x, y: gy * (1.0 / xp.cosh(_constant(x)) ** 2.0))),
    Fault("mul_detached", "second order", "Mul reads b as a constant", ("second_order",), 1,
        _binary(Mul, lambda self, xp, gy, a, b, y: (gy * _constant(b), gy * a))),
    Fault("upstream_detached", "second order", "Square's cotangent is cut off from the graph",
        ("second_order",), 2, _unary(Square, lambda self, xp, gy, x, y: _constant(gy) * (2.0 * x))),
    Fault("var_mean_fixed", "second order", "Var's rule holds the mean fixed", ("second_order",), 1,
        _unary(Var, _mean_held_fixed)),
    Fault("gradient_detached", "second order", "The gradients of grad() have no graph",
        ("second_order",), 1, _stored(_detached)),
    # --- depth ---
    Fault("sorted_by_recursion", "depth", "backward sorts the graph by recursion", ("depth",), 0,
        _around_pull_back(_sorted_by_recursion)),
)
# fmt: on

FAULTS: Mapping[str, Fault] = MappingProxyType({fault.name: fault for fault in _ALL})
"""Faults that the laws catch, by name."""

# fmt: off
_NOBODY = (
    Fault("all_saved", "memory", "An application keeps operands that its rule does not read", (), 2,
        lambda: [Replacement(Operation, "_keep", vars(Function)["_keep"])]),
    Fault("always_recorded", "memory", "The gradients of a plain backward have a graph", (), 1,
        lambda: [Replacement(graph, "ARRAYS", graph.VARIABLES)]),
    Fault("default_seed", "interface", "Without a cotangent, backward begins with zeros", (), 1,
        lambda: [Replacement(graph, "_seed", _zeros_by_default)]),
    Fault("unchain_nothing", "interface", "unchain does nothing", (), 2,
        lambda: [Replacement(Node, "unchain", _nothing)]),
)
# fmt: on

UNSEEN: Mapping[str, Fault] = MappingProxyType({fault.name: fault for fault in _NOBODY})
"""Faults that no law sees: what the kit does not verify as yet."""
