"""Parts of the engine that are wrong, for planted faults: backward, gradients, memory."""

# ruff: noqa: D103 - what is wrong, the sentence of the fault says that is made of it

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast  # Any and cast: what is replaced has no type here
from weakref import WeakKeyDictionary

import numpy as np

from dezero import config, graph
from dezero.config import using_config
from dezero.contract import Array
from dezero.graph import Cotangents, Function, Node, Reading, Variable, gradient_dtype
from dezero.operation import Binary, Unary
from dezero.verify.planting import Patch, Replacement, constant, nothing

# ------------------------------------------------------------------------------------- A faulty engine


@dataclass
class Loop:
    """`graph.pull_back` in parts, each of which a fault may replace.

    Attributes:
        add: A cotangent on its way, and what is added to it.
        choose: Which of the waiting applications is next.
        complete: The cotangents of an application's outputs, from those that came and Nones.
        fit: The cotangent of an input, for its Node.
        paired: Which of the cotangents that a rule gave count, with their Nodes.
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
    paired: Callable[[Iterable[tuple[Node, Any]]], Iterable[tuple[Node, Any]]] = lambda pulled: pulled
    merges: bool = True
    once: bool = False
    failed: Callable[[Any, Cotangents[Any]], bool] = lambda reading, found: False

    def pull_back(
        self,
        reading: Reading[Any],
        seeds: Iterable[tuple[Node, Any]],
        keep: Callable[[Function], bool] | None = None,
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
                    gys = [None] * creator.n_outputs
                    waiting.append((creator, gys))
                old = gys[node.index]
                gys[node.index] = g if old is None else self.add(old, g)

        try:
            for node, seed in seeds:
                accumulate(node, seed)
            while waiting:
                function, gys = waiting.pop(self.choose([function for function, _ in waiting]))
                visited.add(function)
                if keep is not None and keep(function):
                    found.interior[function] = gys
                pulled = function.pull(reading, self.complete(reading, function, gys))
                for node, gx in self.paired(pulled):
                    if gx is not None:
                        accumulate(node, self.fit(reading, gx, node))
        except Exception:
            if not self.failed(reading, found):
                raise
        return found


def _youngest(waiting: Sequence[Function]) -> int:
    return max(range(len(waiting)), key=lambda i: waiting[i].generation)


def _completed(reading: Reading[Any], function: Function, gys: list[Any]) -> list[Any]:
    return filled(np.zeros, reading, function, gys)


def filled(
    fill: Callable[..., Array], reading: Reading[Any], function: Function, gys: list[Any]
) -> list[Any]:
    for index, (shape, dtype) in enumerate(function.output_types):
        if gys[index] is None:
            gys[index] = reading.constant(fill(shape, gradient_dtype(dtype)))
    return gys


def _fitted(reading: Reading[Any], gx: Any, node: Node) -> Any:
    gx = gx if gx.shape == node.shape else reading.xp.sum_to(gx, node.shape)
    return in_dtype(reading, gx, node)


def in_dtype(reading: Reading[Any], gx: Any, node: Node) -> Any:
    wanted = gradient_dtype(node.dtype)
    return gx if gx.dtype == wanted else reading.xp.astype(gx, wanted)


def only_added_axes(reading: Reading[Any], gx: Any, node: Node) -> Any:
    """Of an axis of length one that was stretched, the first element only."""
    added = tuple(range(len(gx.shape) - len(node.shape)))
    gx = reading.xp.sum(gx, added) if added else gx
    stretched = tuple(
        slice(0, 1) if n == 1 and m != 1 else slice(None)
        for n, m in zip(node.shape, gx.shape, strict=True)
    )
    return in_dtype(reading, reading.xp.get_item(gx, stretched), node)


def oldest(waiting: Sequence[Function]) -> int:
    return min(range(len(waiting)), key=lambda i: waiting[i].generation)


def last_of_each(pulled: Iterable[tuple[Node, Any]]) -> Iterable[tuple[Node, Any]]:
    return dict(pulled).items()


def averaged(reading: Reading[Any], gx: Any, node: Node) -> Any:
    times = math.prod(gx.shape) / max(math.prod(node.shape), 1)
    return _fitted(reading, gx, node) / max(times, 1.0)


def detached_where_fitted(reading: Reading[Any], gx: Any, node: Node) -> Any:
    fitted = _fitted(reading, gx, node)
    return fitted if gx.shape == node.shape else constant(fitted)


def in_place(old: Any, g: Any) -> Any:
    if isinstance(old, np.ndarray) and old.flags.writeable:
        old += g
        return old
    return old + g


def written_on_failure(reading: Reading[Any], found: Cotangents[Any]) -> bool:
    for leaf, g in found.leaves.items():
        variable = leaf.variable()
        if variable is not None:
            variable.grad = reading.gradient(variable, variable.grad, g)
    return False


def with_loop(loop: Loop) -> Patch:
    return lambda: [Replacement(graph, "pull_back", loop.pull_back)]


def remembering() -> list[Replacement]:
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

    return list(with_loop(Loop(complete=complete))())


def around_pull_back(
    wrapped: Callable[[Callable[..., Cotangents[Any]], Any, list[tuple[Node, Any]], Any], Any],
) -> Patch:
    """`graph.pull_back` as it is, with something around it."""

    def patch() -> list[Replacement]:
        original = graph.pull_back

        def pull_back(reading: Any, seeds: Iterable[tuple[Node, Any]], keep: Any) -> Any:
            return wrapped(original, reading, list(seeds), keep)

        return [Replacement(graph, "pull_back", pull_back)]

    return patch


def sorted_by_recursion(
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


def keyed_by_value(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    found = pull_back(reading, seeds, keep)
    sums: dict[tuple[object, str], Any] = {}
    keys = {node: (node.shape, str(node.handle(None).data)) for node in found.leaves}
    for node, g in found.leaves.items():
        sums[keys[node]] = sums[keys[node]] + g if keys[node] in sums else g
    for node, key in keys.items():
        found.leaves[node] = sums[key]
    return found


def freed_afterwards(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    found = pull_back(reading, seeds, keep)
    waiting = [] if reading.records else [node.creator for node, _ in seeds]
    while waiting:
        function = waiting.pop()
        if function is not None and any(x is not None for x in function.saved):
            function.remember(function.input_nodes, [None] * len(function.saved))
            waiting += [node.creator for node in function.input_nodes]
    return found


def switching_off() -> list[Replacement]:
    def wrapped(pull_back: Any, reading: Any, seeds: Any, keep: Any) -> Cotangents[Any]:
        found: Cotangents[Any] = pull_back(reading, seeds, keep)
        if not reading.records:
            config.Config.enable_backprop = False
        return found

    entries: ContextVar[tuple[Any, ...]] = ContextVar("switched off", default=())
    return [*entries_in(entries), *around_pull_back(wrapped)()]


def holding_exceptions() -> list[Replacement]:
    held: list[Exception] = []

    def wrapped(pull_back: Any, reading: Any, seeds: Any, keep: Any) -> Cotangents[Any]:
        try:
            return cast("Cotangents[Any]", pull_back(reading, seeds, keep))
        except Exception as error:
            held.append(error)
            raise

    return list(around_pull_back(wrapped)())


def keeping_all(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    def every(function: Function) -> bool:
        return True

    return pull_back(reading, seeds, every)


def seeds_used_up(
    pull_back: Callable[..., Cotangents[Any]], reading: Any, seeds: list[tuple[Node, Any]], keep: Any
) -> Cotangents[Any]:
    found = pull_back(reading, [(node, reading.xp.identity(seed)) for node, seed in seeds], keep)
    for _, seed in seeds:
        if isinstance(seed, np.ndarray):
            seed.fill(0.0)
    return found


# ------------------------------------------------------------------------- What is stored as a gradient


def storing(
    gradient: Callable[[Callable[..., Variable], Any, Variable, Variable | None, Any], Variable],
) -> Patch:
    """`Reading.gradient` done otherwise; given as it is, and what it is given."""
    original = cast("Callable[..., Variable]", vars(Reading)["gradient"])

    def stored(
        self: Reading[Any], variable: Variable, old: Variable | None, g: Any, owned: bool = False
    ) -> Variable:
        return gradient(original, self, variable, old, g)  # which copies what is owned, too

    return lambda: [Replacement(Reading, "gradient", stored)]


def leaf_aliased(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    alias = old is None
    stored: Variable = reading.to_variable(g) if alias else original(reading, variable, old, g)
    return stored


def retained_aliased(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    alias = variable.creator is not None
    stored: Variable = reading.to_variable(g) if alias else original(reading, variable, old, g)
    return stored


def detached(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    return Variable(original(reading, variable, old, g).data)


def cyclic(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    stored = original(reading, variable, old, g)
    if not reading.records:
        stored.grad = variable
    return stored


def scalar_if_0d(
    original: Callable[..., Variable], reading: Any, variable: Variable, old: Variable | None, g: Any
) -> Variable:
    stored = original(reading, variable, old, g)
    if stored.ndim == 0 and not reading.records:
        setattr(stored, "held", stored.data[()])  # noqa: B010 - Variable itself refuses a scalar
    return stored


# ------------------------------------------------------------------- What happens to every application


def applied(after: Callable[[list[Variable]], None]) -> Patch:
    """Something done with the outputs of every application that was recorded."""

    def applying(kind: type[Function]) -> Replacement:
        original = cast("Callable[..., object]", vars(kind)["__call__"])

        def call(self: Function, *inputs: object) -> object:
            given = original(self, *inputs)
            several = type(given) is list
            outputs = cast("list[Variable]", given) if several else [cast(Variable, given)]
            if outputs and outputs[0].creator is not None:
                after(outputs)
            return given

        return Replacement(kind, "__call__", call)

    return lambda: [applying(kind) for kind in (Function, Unary, Binary)]


def hold_outputs(outputs: list[Variable]) -> None:
    vars(outputs[0].creator)["held"] = outputs


def scalar_value(outputs: list[Variable]) -> None:
    for y in outputs:
        if y.ndim == 0:
            setattr(y, "held", y.data[()])  # noqa: B010 - Variable itself refuses a scalar


def keeping_saved() -> list[Replacement]:
    cache: list[object] = []

    def keep(outputs: list[Variable]) -> None:
        cache.append(getattr(outputs[0].creator, "saved", None))

    return list(applied(keep)())


def growing_cache() -> list[Replacement]:
    cache: list[object] = []
    return list(applied(lambda outputs: cache.append(outputs[0].creator))())


def growing_cache_of_arrays() -> list[Replacement]:
    """Arrays are no containers for the garbage collector, and these are nobody's data."""
    cache: list[Array] = []

    def stored(
        original: Any, reading: Any, variable: Variable, old: Variable | None, g: Any
    ) -> Variable:
        if isinstance(g, np.ndarray):
            cache.append(cast(Array, g).copy())
        return cast(Variable, original(reading, variable, old, g))

    return list(storing(stored)())


def node_holds_variable() -> list[Replacement]:
    original = cast("Callable[..., None]", vars(Variable)["__init__"])

    def init(self: Variable, data: Array | None, name: str | None = None) -> None:
        original(self, data, name)
        setattr(self.node, "variable", lambda: self)  # noqa: B010 - as if it were no weak reference

    return [Replacement(Variable, "__init__", init)]


def reads_dropped_output(self: Any, xp: Any, gy: Any, x: Any, y: Any) -> Any:
    living = self.outputs[0]()
    return gy if living is None else gy * y


# ------------------------------------------------------------------------------------- The two switches


class ForAll:
    """What looks like a ContextVar, but is one and the same for every thread."""

    def __init__(self) -> None:
        self.value: tuple[Any, ...] = ()

    def get(self) -> tuple[Any, ...]:
        return self.value

    def set(self, value: tuple[Any, ...]) -> None:
        self.value = value


def entries_in(new: object) -> list[Replacement]:
    """The regions of `no_grad` kept in another place: what leaks there goes with it."""
    switch = cast("Mapping[str, object]", vars(config)["_SWITCHES"])["enable_backprop"]
    return [Replacement(config, "_ENTRIES", new), Replacement(switch, "entries", new)]


def leaks_after_an_exception() -> list[Replacement]:
    original = cast("Callable[..., None]", vars(using_config)["__exit__"])
    leaked: list[using_config] = []

    def end(self: using_config, *exception: object) -> None:
        if any(exception):
            leaked.append(self)  # a region ends with its object, so that is kept
        else:
            original(self, *exception)

    entries: ContextVar[tuple[Any, ...]] = ContextVar("leaking", default=())
    return [*entries_in(entries), Replacement(using_config, "__exit__", end)]


def escaping() -> list[Replacement]:
    entries: ContextVar[tuple[Any, ...]] = ContextVar("escaping", default=())
    return [*entries_in(entries), Replacement(config, "_owner", nothing)]


def always_double(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(np.float64)


def seed_kept() -> list[Replacement]:
    original = cast("Callable[..., None]", vars(Variable)["_backward"])

    def backward(self: Variable, reading: Reading[Any], retain_grad: bool) -> None:
        seed = self.grad
        original(self, reading, retain_grad)
        if self.creator is not None:
            self.grad = seed

    return [Replacement(Variable, "_backward", backward)]


_SEED = cast("Callable[..., Any]", vars(graph)["_seed"])


def zeros_by_default(reading: Any, y: Variable, given: Variable | None) -> Any:
    return _SEED(reading, y, given) * (given is not None)
