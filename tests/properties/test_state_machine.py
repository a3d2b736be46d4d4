"""All that a user may do, in any order, against a model that is too simple to be wrong.

The machine builds graphs, drops handles, runs backward from anywhere, cuts, clears, replaces data and
enters and leaves `no_grad`. The model is two dictionaries, and its gradient is a sum over all paths: no
order, no queue, no generation comes into it. After every step each variable that is held agrees with
the model in its value, its gradient, its creator and its generation. In the end the last handle goes,
and all must be dead without the garbage collector.

All numbers are whole and small, so that every comparison is exact.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from unittest import TestCase

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

import dezero.functions as F
from dezero import Variable, grad, no_grad, using_config
from dezero.contract import Array

LARGEST_VALUE = 2.0**6
LARGEST_GRADIENT = 2.0**40
HIGHEST = 8
"""The largest generation: the model walks all paths."""
NOTHING: MultipleResults[int] = multiple()
SHAPES = ((), (2,), (1, 2), (2, 2), (0,))


# ------------------------------------------------------------------------------------------ The model


@dataclass
class Applied:
    """An operation that was applied: to which values, and what its outputs' cotangents do to them."""

    op: str
    inputs: list[int]
    arrays: list[Array]
    shapes: list[tuple[int, ...]]
    generation: int


@dataclass
class Vertex:
    """A value: its shape, and which output of what it is."""

    shape: tuple[int, ...]
    creator: Applied | None = None
    output: int = 0
    generation: int = 0


@dataclass
class Handle:
    """What a Variable shows."""

    vertex: int
    data: Array
    grad: Array | None = None


@dataclass
class Model:
    """The vertices that were ever made, and the handles that are held."""

    vertices: dict[int, Vertex] = field(default_factory=dict[int, Vertex])
    handles: dict[int, Handle] = field(default_factory=dict[int, Handle])

    def leaf(self, data: Array) -> int:
        """A new vertex that nothing made."""
        self.vertices[len(self.vertices)] = Vertex(data.shape)
        return len(self.vertices) - 1

    def apply(self, op: str, operands: Sequence[Handle], results: Sequence[Array]) -> list[int]:
        """New vertices that an operation made."""
        inputs = [x.vertex for x in operands]
        generation = max(self.vertices[i].generation for i in inputs)
        shapes = [y.shape for y in results]
        applied = Applied(op, inputs, [x.data for x in operands], shapes, generation)
        made: list[int] = []
        for k, y in enumerate(results):
            made.append(self.leaf(y))
            self.vertices[made[-1]] = Vertex(y.shape, applied, k, generation + 1)
        return made

    def unchain(self, vertex: int) -> None:
        """Make a vertex a leaf."""
        self.vertices[vertex] = Vertex(self.vertices[vertex].shape)

    def unchain_behind(self, vertex: int) -> None:
        """Make all vertices that lead to one leaves."""
        creator = self.vertices[vertex].creator
        for i in creator.inputs if creator else ():
            self.unchain_behind(i)
            self.unchain(i)

    def cotangents(self, vertex: int, seed: Array) -> dict[int, Array]:
        """What arrives at each vertex when the seed is sent back on every path on its own."""
        arrived: dict[int, Array] = {}

        def send(i: int, g: Array) -> None:
            arrived[i] = np.asarray(arrived.get(i, 0.0) + g)
            at = self.vertices[i]
            if at.creator is not None:
                parts = PULL[at.creator.op](at.creator.arrays, g, at.output)
                for k, part in zip(at.creator.inputs, parts, strict=True):
                    send(k, part)

        send(vertex, seed)
        return arrived


def gathered(g: Array, shape: tuple[int, ...]) -> Array:
    """Broadcasting undone: every element of ``g`` goes home to the element that it came from."""
    home = np.zeros(int(np.prod(shape)))
    places = np.arange(home.size).reshape(shape)
    np.add.at(home, np.broadcast_to(places, g.shape).ravel(), g.ravel())
    return home.reshape(shape)


def in_its_half(x: Array, g: Array, output: int) -> Array:
    """The cotangent of what was split in two from that of one half."""
    whole = np.zeros(x.shape)
    half = len(x) // 2
    whole[output * half : (output + 1) * half] = g
    return whole


Pull = Callable[[Sequence[Array], Array, int], list[Array]]

PULL: dict[str, Pull] = {
    "add": lambda xs, g, _: [gathered(g, x.shape) for x in xs],
    "sub": lambda xs, g, _: [gathered(g, xs[0].shape), gathered(-g, xs[1].shape)],
    "mul": lambda xs, g, _: [gathered(g * xs[1], xs[0].shape), gathered(g * xs[0], xs[1].shape)],
    "neg": lambda xs, g, _: [-g],
    "square": lambda xs, g, _: [2 * xs[0] * g],
    "relu": lambda xs, g, _: [np.where(xs[0] > 0, g, 0.0)],
    "sum": lambda xs, g, _: [np.full(xs[0].shape, g)],
    "split": lambda xs, g, k: [in_its_half(xs[0], g, k)],
}

ONE_OPERAND: dict[str, Callable[[Variable], Variable]] = {
    "neg": F.neg,
    "square": F.square,
    "relu": F.relu,
    "sum": F.sum,
}
TWO_OPERANDS: dict[str, Callable[[Variable, Variable], Variable]] = {
    "add": F.add,
    "sub": F.sub,
    "mul": F.mul,
}


# ---------------------------------------------------------------------------------------- The machine


class Machine(RuleBasedStateMachine):
    """A user, who holds some variables by their numbers."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.collecting = gc.isenabled()
        gc.disable()
        self.model = Model()
        self.variables: dict[int, Variable] = {}
        self.regions: list[using_config] = []
        self.watched: list[tuple[str, weakref.ref[object]]] = []
        self.numbers = 0

    # --- building ---

    def hold(self, variable: Variable, vertex: int) -> int:
        """Keep a handle, and watch all that belongs to it die in the end."""
        self.numbers += 1
        self.variables[self.numbers] = variable
        self.model.handles[self.numbers] = Handle(vertex, variable.data.copy())
        self.watch("variable", variable)
        self.watch("node", variable.node)
        self.watch("array", variable.data)
        if variable.creator is not None:
            self.watch(variable.creator.name, variable.creator)
        return self.numbers

    def watch(self, what: str, part: object) -> None:
        self.watched.append((what, weakref.ref(part)))

    @rule(target=held, shape=st.sampled_from(SHAPES), first=st.integers(-3, 3))
    def leaf(self, shape: tuple[int, ...], first: int) -> int:
        data = np.asarray(first + np.arange(np.prod(shape)), np.float64).reshape(shape)
        return self.hold(Variable(data), self.model.leaf(data))

    @rule(target=held, op=st.sampled_from(sorted(TWO_OPERANDS)), a=held, b=held)
    def combine(self, op: str, a: int, b: int) -> int:
        if len({self.variables[i].shape for i in (a, b)} - {()}) > 1:
            b = a  # the shapes may not broadcast
        return self.applied(op, [a, b], [TWO_OPERANDS[op](self.variables[a], self.variables[b])])[0]

    @rule(target=held, op=st.sampled_from(sorted(ONE_OPERAND)), a=held)
    def change(self, op: str, a: int) -> int:
        return self.applied(op, [a], [ONE_OPERAND[op](self.variables[a])])[0]

    @rule(target=held, a=held, kept=st.sampled_from([(0, 1), (0,), (1,)]))
    def split(self, a: int, kept: tuple[int, ...]) -> MultipleResults[int]:
        x = self.variables[a]
        if not x.ndim or len(x) % 2:
            return NOTHING
        numbers = self.applied("split", [a], F.split(x, 2))
        for k in {0, 1} - set(kept):
            self.let_go(numbers[k])
        return multiple(*(numbers[k] for k in kept))

    def applied(self, op: str, operands: list[int], outputs: Sequence[Variable]) -> list[int]:
        """Enter what dezero has applied into the model, as the model sees it."""
        handles = [self.model.handles[i] for i in operands]
        highest = max(self.model.vertices[x.vertex].generation for x in handles)
        largest = max(float(np.max(np.abs(y.data), initial=0.0)) for y in outputs)
        if self.regions:
            vertices = [self.model.leaf(y.data) for y in outputs]
        else:
            vertices = self.model.apply(op, handles, [y.data for y in outputs])
        numbers = [self.hold(y, i) for y, i in zip(outputs, vertices, strict=True)]
        if highest >= HIGHEST or largest > LARGEST_VALUE:  # start anew, small
            for number in numbers:
                self.cut(number)
                self.set_data(number, self.variables[number].shape)
        return numbers

    # --- letting go, cutting, clearing ---

    @rule(a=consumes(held))
    def drop(self, a: int) -> None:
        self.let_go(a)

    def let_go(self, a: int) -> None:
        del self.variables[a], self.model.handles[a]

    @rule(a=held)
    def cut(self, a: int) -> None:
        self.variables[a].unchain()
        self.model.unchain(self.model.handles[a].vertex)

    @rule(a=held)
    def cut_behind(self, a: int) -> None:
        self.variables[a].unchain_backward()
        self.model.unchain_behind(self.model.handles[a].vertex)

    @rule(a=held)
    def clear(self, a: int) -> None:
        self.variables[a].cleargrad()
        self.model.handles[a].grad = None

    @rule(a=held, shape=st.sampled_from([(), (2,)]))
    def set_data(self, a: int, shape: tuple[int, ...]) -> None:
        """New data. In another shape it is another value: what was computed from the old one stays."""
        handle = self.model.handles[a]
        data = np.full(shape, 2.0)
        self.variables[a].data = data
        self.watch("array", data)
        handle.data = data.copy()
        if shape != self.model.vertices[handle.vertex].shape:
            handle.vertex = self.model.leaf(data)
            self.clear(a)
            self.watch("node", self.variables[a].node)

    # --- not recording ---

    @precondition(lambda self: len(self.regions) < 2)
    @rule()
    def enter_no_grad(self) -> None:
        self.regions.append(no_grad())
        self.regions[-1].__enter__()

    @precondition(lambda self: self.regions)
    @rule()
    def leave_no_grad(self) -> None:
        self.regions.pop().__exit__(None, None, None)

    # --- differentiating ---

    @rule(a=held, retain=st.booleans(), create_graph=st.booleans())
    def backward(self, a: int, retain: bool, create_graph: bool) -> None:
        y = self.model.handles[a]
        at = self.model.vertices[y.vertex]
        seed = np.ones(at.shape) if at.creator is None or y.grad is None else y.grad
        arrived = self.model.cotangents(y.vertex, seed)
        if not all(np.all(np.abs(g) <= LARGEST_GRADIENT) for g in arrived.values()):
            return self.clear(a)
        self.variables[a].backward(retain_grad=retain, create_graph=create_graph)
        if at.creator is not None:
            y.grad = None
        for handle in self.model.handles.values():
            g = arrived.get(handle.vertex)
            if g is None:
                continue
            if self.model.vertices[handle.vertex].creator is None:
                handle.grad = g if handle.grad is None else handle.grad + g
            elif retain:
                handle.grad = g
        for number, handle in self.model.handles.items():
            if handle.grad is not None and np.any(np.abs(handle.grad) > LARGEST_GRADIENT):
                self.clear(number)
        return None

    @rule(a=held, b=held, x=held, create_graph=st.booleans())
    def ask_for_gradient(self, a: int, b: int, x: int, create_graph: bool) -> None:
        """`dezero.grad` of two variables, perhaps the same; no variable's gradient moves."""
        ys = [self.variables[a], self.variables[b]]
        gx, other = grad(ys, [self.variables[x], ys[0]], create_graph)
        arrived = [
            self.model.cotangents(self.model.handles[i].vertex, np.ones(self.variables[i].shape))
            for i in (a, b)
        ]
        for g, i in ((gx, x), (other, a)):
            at = self.model.handles[i].vertex
            expected = sum((c[at] for c in arrived if at in c), np.zeros(self.variables[i].shape))
            if np.all(np.abs(expected) <= LARGEST_GRADIENT):
                assert g.data.tolist() == expected.tolist()
                assert g.shape == self.variables[i].shape

    @rule(a=held)
    def look_behind(self, a: int) -> None:
        """`creator.inputs` gives the living variables, else new handles on the same vertices."""
        creator = self.variables[a].creator
        applied = self.model.vertices[self.model.handles[a].vertex].creator
        if creator is None or applied is None:
            return  # that they agree is an invariant
        holders = {handle.vertex: n for n, handle in self.model.handles.items()}
        for x, vertex, array in zip(creator.inputs, applied.inputs, applied.arrays, strict=True):
            at = self.model.vertices[vertex]
            assert (x.shape, x.generation) == (at.shape, at.generation)
            assert (x.creator is None) == (at.creator is None)
            if vertex in holders and np.array_equal(self.variables[holders[vertex]].data, array):
                assert x.node is self.variables[holders[vertex]].node

    # --- what always holds ---

    @invariant()
    def agrees(self) -> None:
        creators: dict[int, object] = {}
        for number, handle in self.model.handles.items():
            x, at = self.variables[number], self.model.vertices[handle.vertex]
            assert x.data.tolist() == handle.data.tolist()
            assert x.generation == at.generation
            if at.creator is None:
                assert x.creator is None
            else:
                assert x.creator is not None
                assert x.creator.name.lower() == at.creator.op
                assert creators.setdefault(id(at.creator), x.creator) is x.creator
            if handle.grad is None:
                assert x.grad is None
            else:
                assert x.grad is not None
                assert x.grad.data.tolist() == handle.grad.tolist()
                assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)

    def teardown(self) -> None:
        while self.regions:
            self.leave_no_grad()
        self.variables.clear()
        alive = [what for what, part in self.watched if part() is not None]
        if self.collecting:
            gc.enable()
        # After a failure its traceback holds what the step had in hand.
        if sys.exc_info()[0] is None:
            assert not alive, f"{len(alive)} of {len(self.watched)} live on: {sorted(set(alive))}"


Machine.TestCase.settings = settings(stateful_step_count=40)
TestStateMachine: type[TestCase] = Machine.TestCase
