"""That reference counting alone frees every graph: no collector runs in these tests."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Generator

import numpy as np
import pytest

import dezero.functions as F
from dezero import Function, Variable, grad, no_grad
from dezero.contract import Array


@pytest.fixture(autouse=True)
def no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Tracer:
    """Weak references to all that stands behind some Variables: Nodes, Functions, handles, arrays."""

    def __init__(self, *roots: Variable) -> None:
        self.kept: list[tuple[str, weakref.ref[object]]] = []
        seen: set[int] = set()
        for root in roots:
            self._variable(root)
        waiting = [root.node for root in roots]
        waiting += [root.grad.node for root in roots if root.grad is not None]
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            self._keep("node", node)
            creator = node.creator
            if creator is not None and id(creator) not in seen:
                seen.add(id(creator))
                self._keep(creator.name, creator)
                for array in creator.saved:
                    if array is not None:
                        self._keep(f"array of {creator.name}", array)
                waiting += creator.input_nodes

    def _variable(self, variable: Variable) -> None:
        self._keep("variable", variable)
        self._keep("data", variable.data)
        if variable.grad is not None:
            self._variable(variable.grad)

    def _keep(self, what: str, thing: object) -> None:
        self.kept.append((what, weakref.ref(thing)))

    def alive(self) -> list[str]:
        return [what for what, reference in self.kept if reference() is not None]


class Square(Function):
    def forward(self, x: Array) -> Array:
        return x**2

    def backward(self, gy: Variable) -> Variable:
        y = self.outputs[0]()
        assert y is not None
        return gy * 2.0 * self.inputs[0] + 0.0 * y


class Both(Function):
    def forward(self, x: Array) -> tuple[Array, Array]:
        return x * 2.0, x * 3.0

    def backward(self, ga: Variable, gb: Variable) -> Variable:
        return 2.0 * ga + 3.0 * gb


class Raising(Function):
    def forward(self, x: Array) -> Array:
        return x * 1.0

    def backward(self, gy: Variable) -> Variable:
        raise RuntimeError("no gradient today")


def leaf() -> Variable:
    return Variable(np.array([0.5, 1.5, 2.5]))


Traced = Tracer | list[Tracer]


def forward() -> Tracer:
    x = leaf()
    return Tracer(x, F.sum(F.sin(x) * x))


def after_backward() -> Tracer:
    x = leaf()
    y = F.sum(F.sin(x) * x)
    y.backward()
    return Tracer(x, y)


def with_retained_gradients() -> Tracer:
    x = leaf()
    h = F.sin(x)
    y = F.sum(h * x)
    y.backward(retain_grad=True)
    return Tracer(x, h, y)


def with_a_graph_of_the_gradient() -> Tracer:
    x = leaf()
    h = F.exp(x)
    y = F.sum(h * x)
    y.backward(retain_grad=True, create_graph=True)
    return Tracer(x, h, y)


def of_second_order() -> Tracer:
    x = leaf()
    y = F.sum(F.sin(x) * x)
    y.backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    x.cleargrad()
    gx.backward(create_graph=True)
    return Tracer(x, y, gx)


def with_accumulated_gradients_of_gradients() -> Tracer:
    x = leaf()
    y = F.sum(x**3)
    for _ in range(3):
        y.backward(create_graph=True)
    return Tracer(x, y)


def from_grad() -> Tracer:
    x = leaf()
    y = F.sum(F.tanh(x) ** 2)
    gx = grad(y, x, create_graph=True)
    return Tracer(x, y, gx, grad(gx, x))


def after_a_rule_raised() -> Tracer:
    x = leaf()
    y = F.sum(F.exp(Raising()(F.sin(x))) * x)
    tracer = Tracer(x, y)
    for create_graph in (False, True):
        try:
            y.backward(create_graph=create_graph)
        except RuntimeError as error:
            error.__traceback__ = None
    return tracer


def after_unchain() -> Tracer:
    x = leaf()
    h = F.sin(x)
    y = F.sum(h * h)
    tracer = Tracer(x, h, y)
    h.unchain()
    y.backward()
    y.unchain_backward()
    return tracer


def of_user_functions() -> Tracer:
    x = leaf()
    y = F.sum(Square()(Square()(x)))
    y.backward(create_graph=True, retain_grad=True)
    return Tracer(x, y)


def of_one_instance_applied_twice() -> Tracer:
    x = leaf()
    f = Square()
    y = F.sum(f(f(x)))
    y.backward(create_graph=True)
    return Tracer(x, y)


def of_split() -> Tracer:
    x = leaf()
    first, _, last = F.split(x, 3)
    y = F.sum(first * last)
    y.backward(create_graph=True, retain_grad=True)
    return Tracer(x, first, last, y)


def of_several_outputs() -> Tracer:
    x = leaf()
    a, b = Both()(x)
    y = F.sum(a * b)
    y.backward(create_graph=True, retain_grad=True)
    return Tracer(x, a, b, y)


def after_new_data() -> Tracer:
    x = leaf()
    y = F.sum(F.exp(x))
    tracer = Tracer(x, y)
    x.data = np.zeros(2)
    y.backward(create_graph=True)
    return tracer


@pytest.mark.parametrize(
    "scene",
    [
        forward,
        after_backward,
        with_retained_gradients,
        with_a_graph_of_the_gradient,
        of_second_order,
        with_accumulated_gradients_of_gradients,
        from_grad,
        after_a_rule_raised,
        after_unchain,
        of_user_functions,
        of_one_instance_applied_twice,
        of_split,
        of_several_outputs,
        after_new_data,
    ],
    ids=lambda scene: scene.__name__,
)
def test_all_dies_with_the_last_handle(scene: Callable[[], Tracer]) -> None:
    scene()  # what is made once, is made now
    gc.collect()
    tracer = scene()
    assert len(tracer.kept) > 6
    assert tracer.alive() == []
    assert gc.collect() == 0  # nothing else was left, either


def test_a_tracer_sees_what_is_alive() -> None:
    x = leaf()
    y = F.sin(x)
    tracer = Tracer(y)
    assert tracer.alive() == ["variable", "data", "node", "Sin", "array of Sin", "node"]
    del y
    assert tracer.alive() == ["array of Sin", "node"]


def test_the_graph_holds_no_variable() -> None:
    x = leaf()
    h = x + 1.0
    y = F.sum(h)
    dead = [weakref.ref(x), weakref.ref(h)]
    del x, h
    assert [r() for r in dead] == [None, None]
    y.backward()


NEEDS_OF_RULES: list[tuple[Callable[[Variable], Variable], bool]] = [
    (lambda x: x + 1.0, False),
    (lambda x: -x, False),
    (lambda x: F.sum(x), False),
    (lambda x: F.exp(x), False),  # reads its output
    (lambda x: F.concatenate([x, x]), False),
    (lambda x: F.sin(x), True),
    (lambda x: x * 2.0, True),
    (lambda x: Square()(x), True),
]


@pytest.mark.parametrize(
    ("f", "is_kept"),
    NEEDS_OF_RULES,
)
def test_an_input_array_lives_as_long_as_a_rule_needs_it(
    f: Callable[[Variable], Variable], is_kept: bool
) -> None:
    x = leaf()
    array = weakref.ref(x.data)
    y = f(x)
    del x
    assert (array() is not None) is is_kept
    del y
    assert array() is None


def test_no_grad_keeps_nothing() -> None:
    x = leaf()
    array = weakref.ref(x.data)
    with no_grad():
        y = F.sin(x) * x
    del x
    assert array() is None
    assert y.creator is None


def test_unchain_frees_what_is_behind_at_once() -> None:
    x = leaf()
    h = F.sin(x)
    y = h * 2.0
    array, f, node = weakref.ref(x.data), weakref.ref(h.creator or h), weakref.ref(x.node)
    del x
    assert array() is not None
    h.unchain()
    assert (array(), f(), node()) == (None, None, None)
    y.backward()


def test_unchain_backward_frees_what_is_behind_at_once() -> None:
    x = leaf()
    y = F.exp(F.sin(x)) + 2.0
    nodes = Tracer(y)
    array = weakref.ref(x.data)
    del x
    y.unchain_backward()
    assert array() is None
    assert nodes.alive() == ["variable", "data", "node", "Add", "node", "node"]


def test_backward_keeps_no_gradient_on_the_way() -> None:
    grads: list[weakref.ref[Array]] = []

    class Spy(Function):
        def forward(self, x: Array) -> Array:
            return x * 1.0

        def backward(self, gy: Variable) -> Variable:
            grads.append(weakref.ref(gy.data))
            return gy * 2.0

    x = leaf()
    y = F.sum(Spy()(Spy()(x)) * 3.0)
    y.backward()
    assert len(grads) == 2
    assert [g() for g in grads] == [None, None]


def train(x: Variable) -> None:
    x.cleargrad()
    y = F.sum(F.tanh(x @ np.ones((3, 2))) ** 2) + F.sum(Square()(x))
    y.backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    x.cleargrad()
    F.sum(gx * gx).backward()


def test_a_hundred_iterations_leave_nothing() -> None:
    x = leaf()
    for _ in range(3):
        train(x)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        train(x)
    assert len(gc.get_objects()) - before < 20
    assert gc.collect() == 0


def test_a_chain_of_200_000_operations() -> None:
    n = 200_000
    x = Variable(np.array(1.0))
    y = x
    for _ in range(n):
        y = -y
    assert y.generation == n
    y.backward()
    assert x.grad is not None
    assert float(x.grad) == 1.0
    first, f = weakref.ref(y.node), weakref.ref(y.creator or y)
    del y
    assert (first(), f()) == (None, None)


def test_a_long_chain_is_unchained() -> None:
    y = x = Variable(np.array(1.0))
    for _ in range(20_000):
        y = -y
    node = weakref.ref(x.node)
    del x
    y.unchain_backward()
    assert node() is None
    y.backward()
