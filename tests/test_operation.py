"""The arity bases: what they make of a rule, in both readings."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from types import new_class
from typing import Any, Literal, cast

import numpy as np
import pytest

import dezero.functions as F
from dezero import Variable, grad, no_grad
from dezero.arrays import as_array
from dezero.contract import POSITIVE, REALS, Array, Attribute, Shapes, Smoothness
from dezero.graph import Operand
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Composite, Nary, Operation, Splitting, Unary


class CubeRoot3(Unary, domain=POSITIVE, saves="xy", attributes={"scale": Attribute.REAL}):
    """A scaled cube root.

    With more to say.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def forward(self, x: Array) -> Array:
        return as_array(self.scale * np.cbrt(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * y / (3.0 * x)


class Hypot(Binary, domain=REALS, saves="aby", name="length"):
    """The length of (a, b)."""

    def forward(self, a: Array, b: Array) -> Array:
        return as_array(np.hypot(a, b))

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy * a / y, gy * b / y


class Total(Nary, domain=REALS, shapes=Shapes.EQUAL, smoothness=Smoothness.LINEAR):
    """The sum of all operands."""

    def forward(self, *xs: Array) -> Array:
        return as_array(np.sum(xs, axis=0))

    def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> Sequence[T]:
        return [gy for _ in xs]


class Twice(Splitting, domain=REALS, smoothness=Smoothness.LINEAR):
    """x, and twice x."""

    def forward(self, x: Array) -> tuple[Array, ...]:
        return x.copy(), 2.0 * x

    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T) -> T:
        return gys[0] + 2.0 * gys[1]


class Energy(Composite, arity=2, domain=REALS, shapes=Shapes.EQUAL, attributes={"c": Attribute.REAL}):
    """c a² + b²."""

    def __init__(self, c: float) -> None:
        self.c = c

    def __call__(self, a: Operand, b: Operand) -> Variable:
        return self.c * F.square(a) + F.square(b)


class SinCos(Composite, arity=1, outputs=2, domain=REALS, name="both"):
    """The sine and the cosine."""

    def __call__(self, x: Operand) -> list[Variable]:
        return [F.sin(x), F.cos(x)]


class Forgetful(Unary, domain=REALS, saves=""):
    """A square whose contract does not say that the rule reads x."""

    def forward(self, x: Array) -> Array:
        return as_array(x * x)

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * (2.0 * x)


class ForgetfulOfY(Unary, domain=REALS, saves="x"):
    """An exponential whose contract does not say that the rule reads y."""

    def forward(self, x: Array) -> Array:
        return as_array(np.exp(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy * y


def product(saves: Literal["ab", "ay", "by"]) -> type[Binary]:
    """A product whose rule reads all three, with a contract that says which it reads."""

    class Product(Binary, domain=REALS, saves=saves):
        def forward(self, a: Array, b: Array) -> Array:
            return as_array(a * b)

        def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
            return gy * b * (y / y), gy * a

    return Product


class Number(Unary, domain=REALS, saves="x"):
    def forward(self, x: Array) -> Array:
        return np.float64(2.0) * x  # of an array without axes NumPy makes a number

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return 2.0 * gy


class NumberOfTwo(Binary, domain=REALS, saves=""):
    def forward(self, a: Array, b: Array) -> Array:
        return np.float64(1.0) * a + b

    def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T, T]:
        return gy, gy


def var(*numbers: object) -> Variable:
    return Variable(np.array(numbers, np.float64))


def grad_of(x: Variable) -> Array:
    assert x.grad is not None
    return x.grad.data


def test_the_record_is_made_of_the_keywords() -> None:
    contract = CubeRoot3.contract
    assert (contract.name, contract.summary, contract.arity) == ("cube_root3", "A scaled cube root.", 1)
    assert (contract.domain, contract.saves, contract.kinks) == (POSITIVE, frozenset("xy"), None)
    assert (contract.smoothness, contract.shapes) == (Smoothness.SMOOTH, Shapes.ANY)
    assert dict(contract.attributes) == {"scale": Attribute.REAL}
    assert not contract.several_outputs
    assert CubeRoot3(2.0).attributes == {"scale": 2.0}
    assert (Hypot.contract.name, Hypot.contract.arity) == ("length", 2)
    assert Hypot.contract.shapes is Shapes.ELEMENTWISE
    assert (Total.contract.arity, Total.contract.shapes) == (None, Shapes.EQUAL)
    assert (Twice.contract.arity, Twice.contract.several_outputs) == (1, True)


def test_without_a_docstring_there_is_no_summary() -> None:
    assert Number.contract.summary == ""


def test_the_record_of_a_composite() -> None:
    contract = Energy.contract
    assert (contract.name, contract.summary, contract.arity) == ("energy", "c a² + b².", 2)
    assert (contract.outputs, contract.saves, contract.kinks) == (1, frozenset(), None)
    assert (contract.shapes, contract.smoothness) == (Shapes.EQUAL, Smoothness.SMOOTH)
    assert dict(contract.attributes) == {"c": Attribute.REAL}
    assert (SinCos.contract.name, SinCos.contract.outputs) == ("both", 2)
    assert SinCos.contract.several_outputs
    assert Twice.contract.outputs is None
    assert Hypot.contract.outputs == 1


def test_a_composite_is_differentiated_through_its_parts() -> None:
    a, b = var(1.0, 2.0), var(3.0, 4.0)
    y = Energy(0.5)(a, b)
    np.testing.assert_array_equal(y.data, [9.5, 18.0])
    y.backward()
    np.testing.assert_array_equal(grad_of(a), [1.0, 2.0])
    np.testing.assert_array_equal(grad_of(b), [6.0, 8.0])
    s, c = SinCos()(var(0.0))
    assert (float(s), float(c)) == (0.0, 1.0)
    assert isinstance(s.creator, F.Sin)


def test_a_composite_needs_its_keywords_and_its_value() -> None:
    with pytest.raises(TypeError, match="required keyword-only argument"):
        type("Hasty", (Composite,), {}, **cast("dict[str, Any]", {"domain": REALS}))
    keywords: dict[str, Any] = {"domain": REALS, "arity": 1}
    cls = cast(Any, type("NoValue", (Composite,), {}, **keywords))
    with pytest.raises(TypeError, match="abstract"):
        cls()


def test_what_a_rule_does_not_read_is_told_beforehand() -> None:
    """The engine drops what stands at these places: operands, then outputs."""
    assert list(CubeRoot3(1.0).unread(2)) == []
    assert list(Hypot().unread(3)) == []
    assert list(Forgetful().unread(2)) == [0, 1]
    assert list(F.Exp().unread(2)) == [0]
    assert list(F.Mul().unread(3)) == [2]
    assert list(Total().unread(5)) == [0, 1, 2, 3, 4]  # with any number of operands: all
    assert list(Twice().unread(3)) == [0, 1, 2]
    assert (Total.keeps, Twice.keeps) == ((), ())


def test_what_is_not_saved_keeps_its_shape_and_type_for_the_rule() -> None:
    class Curious(Forgetful, domain=REALS, saves=""):
        def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
            assert (x.shape, x.dtype) == ((2,), np.dtype(np.float32))
            return gy

    x = Variable(np.ones(2, np.float32))
    Curious()(x * np.float32(1.0)).backward()
    assert grad_of(x).dtype == np.float32


def test_the_generation_is_that_of_the_deeper_operand() -> None:
    x = var(1.0)
    deep = F.sin(F.sin(x))
    assert [cast(Operation, y.creator).generation for y in (x * deep, deep * x)] == [2, 2]
    assert Total()(x, deep, x).generation == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LSTMCell", "lstm_cell"),
        ("SiLU", "silu"),
        ("SoftmaxCrossEntropy", "softmax_cross_entropy"),
        ("BatchNorm", "batch_norm"),
        ("Sin", "sin"),
        ("BroadcastTo", "broadcast_to"),
        ("Log1p", "log1p"),
        ("GetItemGrad", "get_item_grad"),
    ],
)
def test_names_in_programs(name: str, expected: str) -> None:
    assert getattr(F, name).contract.name == expected


@pytest.mark.parametrize("keywords", [{}, {"domain": REALS}, {"saves": "x"}])
def test_a_contract_must_be_complete(keywords: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="required keyword-only argument"):
        type("Hasty", (Unary,), {}, **keywords)


def test_a_misspelt_keyword() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'save'"):
        type("Hasty", (Unary,), {}, domain=REALS, save="x")


@pytest.mark.parametrize("base", [Unary, Binary, Nary, Splitting, Composite])
def test_bases_are_abstract(base: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()


def _forward(_: object, x: Array) -> Array:
    return x


def test_an_operation_without_a_rule_is_abstract() -> None:
    keywords: dict[str, Any] = {"domain": REALS, "saves": ""}
    cls = cast(Any, type("NoRule", (Unary,), {"forward": _forward}, **keywords))
    with pytest.raises(TypeError, match="vjp"):
        cls()


@pytest.mark.parametrize("create_graph", [False, True])
def test_unary(create_graph: bool) -> None:
    x = var(1.0, 8.0)
    y = CubeRoot3(3.0)(x)
    y.backward(create_graph=create_graph)
    np.testing.assert_allclose(grad_of(x), [1.0, 0.25], rtol=1e-15)
    if create_graph:
        gx = x.grad
        assert gx is not None
        np.testing.assert_allclose(grad(gx, x).data, [-2 / 3, -2 / 3 / 32], rtol=1e-14)


@pytest.mark.parametrize("create_graph", [False, True])
def test_binary_broadcasts(create_graph: bool) -> None:
    a, b = var(3.0, 0.0), Variable(np.array(4.0))
    y = Hypot()(a, b)
    np.testing.assert_array_equal(y.data, [5.0, 4.0])
    y.backward(create_graph=create_graph)
    np.testing.assert_allclose(grad_of(a), [0.6, 0.0], rtol=1e-15)
    assert grad_of(b).shape == ()
    np.testing.assert_allclose(grad_of(b), 1.8, rtol=1e-15)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_nary(n: int, create_graph: bool) -> None:
    xs = [var(float(i), 1.0) for i in range(n)]
    y = Total()(*xs)
    np.testing.assert_array_equal(y.data, [n * (n - 1) / 2, n])
    y.backward(create_graph=create_graph)
    for x in xs:
        np.testing.assert_array_equal(grad_of(x), [1.0, 1.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_splitting(create_graph: bool) -> None:
    x = var(1.0, 2.0)
    a, b = Twice()(x)
    (a * b).backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(x), [4.0, 8.0])
    x.cleargrad()
    Twice()(x)[1].backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(x), [2.0, 2.0])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "operation", [Forgetful, ForgetfulOfY, product("ab"), product("ay"), product("by")]
)
def test_a_rule_that_reads_what_is_not_saved_gives_nan(
    operation: type[Unary] | type[Binary], create_graph: bool
) -> None:
    x = var(1.0, 2.0)
    # Of values that nobody holds any more: what is alive the rule may read from there.
    operation()(*[x * 1.0] * len(operation.operand_names)).backward(create_graph=create_graph)
    assert np.all(np.isnan(grad_of(x)))
    if operation is not Forgetful:
        x.cleargrad()
        operation()(*[x] * len(operation.operand_names)).backward(create_graph=create_graph)
        assert np.all(np.isnan(grad_of(x)))


def test_only_what_the_rule_reads_is_kept() -> None:
    a, b = var(1.0), var(2.0)
    assert F.add(a, b).creator.saved == (None, None, None)  # type: ignore[union-attr]
    y = F.mul(a, b)
    assert y.creator is not None
    assert y.creator.saved[0] is a.data
    assert y.creator.saved[1] is b.data
    assert y.creator.saved[2] is None
    y = F.exp(a)
    assert y.creator is not None
    assert y.creator.saved[0] is None
    assert y.creator.saved[1] is y.data


def test_backward_as_the_book_calls_it() -> None:
    x = var(0.0, 1.0)
    y = F.sin(x)
    f = y.creator
    assert f is not None
    gx = f.backward(var(2.0, 3.0))
    assert isinstance(gx, Variable)
    np.testing.assert_allclose(gx.data, [2.0, 3 * np.cos(1.0)], rtol=1e-15)
    a, b = var(2.0), var(3.0)
    f = (a * b).creator
    assert f is not None
    gxs = f.backward(var(1.0))
    assert isinstance(gxs, tuple)
    assert [float(g) for g in gxs if g is not None] == [3.0, 2.0]


def test_an_operation_under_no_grad_records_nothing() -> None:
    operation = CubeRoot3(1.0)
    with no_grad():
        y = operation(var(8.0))
    assert y.creator is None
    assert (operation.saved, operation.input_nodes, operation.outputs) == ((), (), ())
    with no_grad():
        z = Hypot()(var(3.0), var(4.0))
    assert (float(z), z.creator) == (5.0, None)


@pytest.mark.parametrize(
    ("operation", "operands"),
    [(F.Exp, "one operand"), (F.Add, "two operands")],
)
@pytest.mark.parametrize("n", [0, 3])
def test_the_number_of_operands_is_checked(operation: type[Operation], operands: str, n: int) -> None:
    with pytest.raises(TypeError) as caught:
        operation()(*[1.0] * n)
    expected = f"{operation.__name__} was given {n} operands; expected {operands}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("operands", [[None], [None, 1.0], [1.0, None], [None, None]])
def test_an_operand_has_data(operands: Sequence[float | None]) -> None:
    operation = F.Exp() if len(operands) == 1 else F.Add()
    variables = [Variable(None if x is None else np.array(x)) for x in operands]
    with pytest.raises(TypeError, match=f"operand {operands.index(None)} has no data yet"):
        operation(*variables)


@pytest.mark.parametrize("operation", [Number, NumberOfTwo])
def test_a_value_is_an_array(operation: type[Unary] | type[Binary]) -> None:
    """Of arrays without axes NumPy's arithmetic makes numbers."""
    x = Variable(np.array(3.0))
    y = operation()(*[x] * len(operation.operand_names))
    assert type(y.data) is np.ndarray
    y.backward()
    assert grad_of(x) == 2.0


def test_an_instance_records_one_application() -> None:
    for operation, n in ((F.Sin(), 1), (F.Mul(), 2)):
        x, z = var(1.0), var(2.0)
        first, second = operation(*[x] * n), operation(*[z] * n)
        assert first.creator is operation
        assert cast(Operation, second.creator).input_nodes == (z.node,) * n
        assert operation.input_nodes == (x.node,) * n


def test_before_it_is_applied_an_operation_has_no_inputs() -> None:
    for operation in (F.Sin(), F.Mul(), Total(), Twice()):
        assert (operation.input_nodes, operation.saved, operation.outputs) == ((), (), ())


def test_a_rule_of_many_gives_as_many_cotangents_as_there_are_operands() -> None:
    class Missing(Total, domain=REALS, shapes=Shapes.EQUAL):
        def vjp(self, xp: Namespace[T], gy: T, xs: Sequence[T]) -> Sequence[T]:
            return [gy]

    with pytest.raises(ValueError, match=r"^Missing.vjp gave 1 cotangents for 2 operands"):
        Missing()(var(1.0), var(2.0)).backward()


def test_a_rule_that_gives_nothing_is_named() -> None:
    class Forgotten(Unary, domain=REALS, saves=""):
        def forward(self, x: Array) -> Array:
            return x

        def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
            return cast(T, None)

    x = var(1.0)
    with pytest.raises(TypeError, match=r"^Forgotten.vjp gave None for an operand whose"):
        Forgotten()(x).backward()


@pytest.mark.parametrize("place", [0, 1])
def test_a_rule_that_gives_nothing_to_one_operand_is_named(place: int) -> None:
    class Half(Binary, domain=REALS, saves=""):
        def forward(self, a: Array, b: Array) -> Array:
            return a + b

        def vjp(self, xp: Namespace[T], gy: T, a: T, b: T, y: T) -> tuple[T | None, T | None]:
            return (None, gy) if place == 0 else (gy, None)

    x, one = var(1.0), np.ones(1)
    with pytest.raises(TypeError, match=r"^Half.vjp gave None for an operand whose"):
        Half()(x, x).backward()
    wanted_elsewhere = (one, x) if place == 0 else (x, one)  # of a constant no one sees it
    Half()(*wanted_elsewhere).backward()
    assert grad_of(x) == 1.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_gives_what_is_no_cotangent_is_named(create_graph: bool) -> None:
    class Number(Unary, domain=REALS, saves=""):
        def forward(self, x: Array) -> Array:
            return x

        def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
            return cast(T, 2.0)

    with pytest.raises(TypeError, match=r"^in the rule of Number, generation 0: it gave float; exp"):
        Number()(var(1.0)).backward(create_graph=create_graph)


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_is_not_saved_is_not_a_number_even_where_somebody_has_it(create_graph: bool) -> None:
    class Unsaved(Unary, domain=REALS, saves=""):
        def forward(self, x: Array) -> Array:
            return x * x

        def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
            return gy * (2.0 * x)

    x = var(3.0)
    Unsaved()(x).backward(create_graph=create_graph)
    assert np.isnan(grad_of(x))


@pytest.mark.parametrize(("saves", "unknown"), [("X", "X"), ("xz", "z"), ("zxv", "vz")])
def test_what_a_rule_reads_has_a_name(saves: str, unknown: str) -> None:
    expected = f"^Wrong: saves='{saves}' names '{unknown}'; what a rule can read is any of 'xy'$"
    with pytest.raises(TypeError, match=expected):
        new_class("Wrong", (Unary,), {"domain": REALS, "saves": saves})


def _pickled(x: object) -> object:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, _pickled])
@pytest.mark.parametrize("made", [lambda: F.ReLU(), lambda: F.Add(), lambda: F.Split(2, 0)])
def test_what_was_applied_is_copied_as_it_was_made(
    duplicate: Callable[[object], Any], made: Callable[[], Operation]
) -> None:
    function = made()
    operands = [var(1.0, -2.0)] * (2 if isinstance(function, F.Add) else 1)
    function(*operands)
    twin: Operation = duplicate(function)
    assert (twin.outputs, twin.input_nodes, twin.saved, twin.generation) == ((), (), (), 0)
    assert set(vars(twin)) == set(vars(made()))
    assert (twin.n_outputs, twin.output_types, twin.attributes) == (1, (), function.attributes)
    outputs = twin(*operands)
    assert (outputs[0] if isinstance(outputs, list) else outputs).creator is twin


def test_every_operation_is_an_operation() -> None:
    assert isinstance(var(1.0).__add__(1.0).creator, Operation)
