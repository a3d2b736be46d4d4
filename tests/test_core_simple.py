"""The seed system: its values, its gradients, its errors, and that reference counting frees it."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import re
import weakref
from collections.abc import Callable, Iterator
from typing import assert_type, cast

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dezero import core_simple
from dezero.contract import Array
from dezero.core_simple import (
    Add,
    Config,
    Div,
    Exp,
    Function,
    Mul,
    Neg,
    Pow,
    Split,
    Square,
    Sub,
    Variable,
    add,
    as_array,
    as_variable,
    div,
    exp,
    mul,
    neg,
    no_grad,
    rdiv,
    rsub,
    setup_variable,
    split,
    square,
    sub,
    using_config,
)


@pytest.fixture
def reference_counting_alone() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def var(*values: float) -> Variable:
    return Variable(np.array(values, dtype=np.float64))


def grad(x: Variable) -> Array:
    assert x.grad is not None
    return x.grad


def numerical(f: Callable[[Variable], Variable], x: Array, h: float = 1e-6) -> Array:
    """The gradient of ``sum(f(x))`` by central differences."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        g[i] = (f(Variable(up)).data - f(Variable(down)).data).sum() / (2 * h)
    return g


class Count(Function):
    """The identity, which counts how often its rule runs."""

    runs = 0

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, gy: Array) -> Array:
        Count.runs += 1
        return gy


# --- Variable -------------------------------------------------------------------------------------


def test_attributes() -> None:
    x = Variable(np.array([[1.0, 2.0, 3.0]], dtype=np.float32), name="x")
    assert (x.shape, x.ndim, x.size, len(x)) == ((1, 3), 2, 3, 1)
    assert x.dtype == np.float32
    assert (x.name, x.grad, x.creator, x.generation) == ("x", None, None, 0)
    assert x == x
    assert x != Variable(x.data)
    assert len({x, Variable(x.data)}) == 2


def test_repr_indents_by_nine() -> None:
    assert repr(var(1, 2)) == "variable([1. 2.])"
    assert repr(Variable(np.eye(2))) == "variable([[1. 0.]\n          [0. 1.]])"


@pytest.mark.parametrize("data", [1.0, [1.0], None, np.float64(1.0)])
def test_only_ndarrays(data: object) -> None:
    make = cast("Callable[[object], Variable]", Variable)  # a type checker would refuse it
    with pytest.raises(TypeError) as caught:
        make(data)
    assert str(caught.value) == (
        f"Variable takes an ndarray, not {type(data).__name__}: "
        "wrap it, as in Variable(np.array(2.0)) or as_variable(2.0)"
    )


def test_as_array_and_as_variable() -> None:
    a = np.ones(2)
    assert as_array(a) is a
    assert isinstance(as_array(np.float32(2)), np.ndarray)
    assert as_array(np.float32(2)).dtype == np.float32
    x = var(1)
    assert as_variable(x) is x
    assert as_variable(a).data is a
    assert as_variable(2.0).shape == ()
    with pytest.raises(TypeError, match="expected an array or a number, not str"):
        as_array("2.0")
    with pytest.raises(TypeError, match="expected an array or a number, not NoneType"):
        cast("Callable[[object], object]", x.__add__)(None)


def test_names_of_the_book() -> None:
    assert core_simple.Config is Config
    with using_config("enable_backprop", False):
        assert not Config.enable_backprop
    setup_variable()


# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv"])
@pytest.mark.parametrize("other", [3.0, 2, np.array(3.0), np.array([3.0, 5.0]), np.float64(3.0)])
def test_operators_on_both_sides(name: str, other: object) -> None:
    apply = cast("Callable[[object, object], object]", getattr(operator, name))
    data = np.array([1.0, 2.0])
    for y, expected in [
        (apply(Variable(data), other), apply(data, other)),
        (apply(other, Variable(data)), apply(other, data)),
    ]:
        assert isinstance(y, Variable)
        assert_allclose(y.data, as_array(expected), rtol=0)


def test_functions_and_classes() -> None:
    a, b = var(3, 4), var(2, 5)
    values = {
        (5, 9): [add(a, b), Add()(a, b)],
        (1, -1): [sub(a, b), Sub()(a, b), rsub(b, a), a - b],
        (6, 20): [mul(a, b), Mul()(a, b)],
        (1.5, 0.8): [div(a, b), Div()(a, b), rdiv(b, a)],
        (-3, -4): [neg(a), Neg()(a), -a],
        (9, 16): [core_simple.pow(a, 2), Pow(2)(a), a**2, square(a), Square()(a)],
        (np.exp(3), np.exp(4)): [exp(a), Exp()(a)],
    }
    for expected, results in values.items():
        for result in results:
            assert_allclose(result.data, expected, rtol=1e-15)


def test_types() -> None:
    x = var(1, 2)
    assert_type(x + 1, Variable)
    assert_type(1 / x, Variable)
    assert_type(np.ones(2) * x, Variable)
    assert_type(np.float64(2) - x, Variable)
    assert_type(Square()(x), Variable)
    assert_type(Split(2)(x), list[Variable])


def test_zero_dimensional_results_are_ndarrays() -> None:
    x = Variable(np.array(3.0))
    for y in (x + 1, x - x, x * x, x / 2, -x, x**2, square(x), exp(x)):
        assert type(y.data) is np.ndarray
        x.cleargrad()
        y.backward()
        assert type(x.grad) is np.ndarray


def test_an_exponent_is_a_number() -> None:
    power: Callable[..., Variable] = core_simple.pow
    with pytest.raises(TypeError, match="Pow takes a number as exponent, not Variable"):
        power(var(2), var(2))


# --- Gradients ------------------------------------------------------------------------------------

COLUMN, ROW = Variable(np.array([[1.5], [0.7]])), Variable(np.array([0.4, 1.1, 2.3]))


FUNCTIONS: list[Callable[[Variable], Variable]] = [
    lambda x: x + COLUMN,
    lambda x: COLUMN - x,
    lambda x: x - ROW,
    lambda x: x * COLUMN,
    lambda x: x / COLUMN,
    lambda x: COLUMN / x,
    lambda x: ROW / x,
    lambda x: -x * COLUMN,
    lambda x: x**3,
    lambda x: x**-1.5,
    lambda x: square(x) * exp(x),
    lambda x: x * x + x / (x + 1.0) - 2.0 * x,
    lambda x: split(x * x, 1)[0] * ROW,
]


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (1, 1), (2, 1), (4, 2, 3), (1, 2, 1)])
def test_gradients(f: Callable[[Variable], Variable], shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).uniform(0.5, 2.0, shape)
    x = Variable(data)
    f(x).backward()
    assert_allclose(grad(x), numerical(f, data), rtol=1e-7, atol=1e-7)


def test_broadcasting_to_more_axes_and_from_none() -> None:
    a, b = Variable(np.array(2.0)), Variable(np.ones((2, 3)))
    (a * b).backward()
    assert_allclose(grad(a), 6.0)
    assert grad(a).shape == ()
    empty = Variable(np.ones((0, 3)))
    c = Variable(np.ones((1, 3)))
    (c * empty).backward()
    assert_allclose(grad(c), np.zeros((1, 3)))


@pytest.mark.parametrize("c", [0, 1, 2, 0.0])
def test_powers_of_zero_and_of_integers(c: float) -> None:
    for data in (np.array([0.0, 2.0]), np.array([0, 2])):
        x = Variable(data)
        (x**c).backward()
        assert_allclose(grad(x), {0: [0, 0], 1: [1, 1], 2: [0, 4]}[int(c)])


def test_a_variable_used_twice() -> None:
    for apply, expected in [(add, 2.0), (mul, 6.0), (sub, 0.0), (div, 0.0)]:
        x = var(3)
        apply(x, x).backward()
        assert_allclose(grad(x), [expected], atol=1e-15)


def test_a_rule_runs_once_and_after_all_uses() -> None:
    """The book's step 16: a short path and a long one from the same variable."""
    Count.runs = 0
    x = var(2)
    a = Count()(square(x))
    y = a + square(square(a))
    y.backward()
    assert_allclose(grad(x), [4 + 8 * 2**7])  # y = x² + x⁸
    assert Count.runs == 1


def test_a_graph_of_exponentially_many_paths() -> None:
    x = y = var(1)
    for _ in range(60):
        y = y + y
    y.backward()
    assert_allclose(grad(x), [2.0**60])


def test_leaves_accumulate_and_cleargrad_forgets() -> None:
    x = var(3)
    (x * x).backward()
    first = grad(x)
    (x + x).backward()
    assert_allclose(grad(x), [8])
    assert_allclose(first, [6])  # not in place
    x.cleargrad()
    assert x.grad is None


def test_a_leaf_is_its_own_gradient() -> None:
    x = Variable(np.full((2, 3), 7.0))
    x.backward()
    assert_allclose(grad(x), np.ones((2, 3)))
    x.backward()  # adds up like any gradient, and is no seed
    x.backward()
    assert_allclose(grad(x), np.full((2, 3), 3.0))
    x.cleargrad()
    x.backward()
    with no_grad():
        y = x * 2
    y.backward()
    assert_allclose(grad(y), np.ones((2, 3)))
    assert_allclose(grad(x), np.ones((2, 3)))


def test_a_seed_that_was_set() -> None:
    for retain_grad in (False, True):
        x = var(1, 2)
        y = x * x
        y.grad = np.array([10.0, 100.0])
        y.backward(retain_grad)
        assert_allclose(grad(x), [20, 400])
        if retain_grad:
            assert_allclose(grad(y), [10, 100])
        else:
            assert y.grad is None
    y = square(var(1, 2))
    y.grad = np.ones(3)
    with pytest.raises(ValueError, match=re.escape("y.grad, has shape (3,); expected (2,)")):
        y.backward()


def test_a_gradient_of_another_shape_is_not_added_to() -> None:
    x, other = var(1, 2, 3), var(5)
    square(x).backward()
    x.data = np.array(2.0)
    with pytest.raises(ValueError, match=re.escape("grad has shape (3,); expected (), as x has; call")):
        (x * other).backward()
    assert_allclose(grad(x), [2, 4, 6])
    assert other.grad is None
    x.cleargrad()
    (x * other).backward()
    assert_allclose(grad(x), 5)


def test_intermediates_keep_a_gradient_on_request_only() -> None:
    x = var(3)
    a = x * x
    y = a + a
    y.backward()
    assert (a.grad, y.grad) == (None, None)
    y.backward(retain_grad=True)
    assert_allclose(grad(a), [2])
    assert_allclose(grad(y), [1])
    assert_allclose(grad(x), [24])


def test_a_stale_gradient_is_never_added() -> None:
    x = var(3)
    a = x * x
    (a * 2).backward(retain_grad=True)
    x.cleargrad()
    (a * 5).backward(retain_grad=True)
    assert_allclose(grad(a), [5])
    assert_allclose(grad(x), [30])
    (a * 5).backward()
    assert a.grad is None


def test_gradients_share_no_memory() -> None:
    p, q = var(1, 2), var(3, 4)
    y = p + q
    y.grad = seed = np.ones(2)
    y.backward(retain_grad=True)
    a = Variable(np.ones((1, 1)))
    s = split(a, 1)[0]
    s.backward(retain_grad=True)
    wide = Wide()(Variable(np.ones(())))
    wide.backward(retain_grad=True)
    left, right = p * 1, q * 1
    (left + right).backward(retain_grad=True)
    arrays = [grad(p), grad(q), grad(y), seed, p.data, q.data, grad(a), grad(s), a.data, grad(wide)]
    arrays += [grad(left), grad(right)]
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])


class Wide(Function):
    """Returns views of one element in both directions."""

    def forward(self, x: Array) -> Array:
        return np.broadcast_to(x, (3,))

    def backward(self, gy: Array) -> Array:
        return np.broadcast_to(gy.sum(), ())


def test_a_read_only_view_makes_a_writable_gradient() -> None:
    class Sum(Function):
        def forward(self, x: Array) -> Array:
            return as_array(x.sum())

        def backward(self, gy: Array) -> Array:
            return np.broadcast_to(gy, self.inputs[0].shape)

    x = var(1, 2, 3)
    y = Sum()(x)
    y.backward()
    grad(x)[0] = 5
    assert_allclose(grad(x), [5, 1, 1])


# --- Element types --------------------------------------------------------------------------------


def test_float32_stays_float32() -> None:
    x = Variable(np.array([1, 2], dtype=np.float32))
    y = (2 * x + 1 - x / 3.0) ** 2 / 7 - exp(-x) + square(x) * True
    assert y.dtype == np.float32
    y.backward()
    assert grad(x).dtype == np.float32
    z = Variable(np.array(1, dtype=np.float32)) * 2.5
    assert z.dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64  # as in NumPy, whose numbers have a dtype
    assert (x * np.array(2.0)).dtype == np.float64


def test_each_gradient_has_the_dtype_of_its_data() -> None:
    x, w = Variable(np.ones(2, dtype=np.float32)), Variable(np.ones(2))
    a = x * 1
    (a * w).backward(retain_grad=True)
    assert [str(grad(v).dtype) for v in (x, a, w)] == ["float32", "float32", "float64"]
    (a * w).backward()
    assert grad(x).dtype == np.float32


def test_integers_have_gradients_of_float64() -> None:
    n, x = Variable(np.array([2, 3])), var(0.5, 0.25)
    assert (n * 2).dtype == n.dtype
    (n * n * x).backward()
    assert_allclose(grad(n), [2.0, 1.5])
    assert grad(n).dtype == np.float64
    m = Variable(np.array([2, 3]))
    y = m * m
    y.grad = np.array([0.5, 0.25])
    y.backward()
    assert_allclose(grad(m), [2.0, 1.5])


# --- Several outputs ------------------------------------------------------------------------------


def test_split() -> None:
    x = Variable(np.arange(12.0).reshape(2, 6))
    parts = split(x, 3, axis=1)
    assert [p.shape for p in parts] == [(2, 2)] * 3
    (parts[0] * 2 + parts[2] * parts[1]).backward()
    expected = np.hstack([np.full((2, 2), 2.0), parts[2].data, parts[1].data])
    assert_allclose(grad(x), expected)


def test_an_output_that_was_dropped_or_not_used_is_a_zero_cotangent() -> None:
    x = Variable(np.ones(4, dtype=np.float32))
    used, unused, _ = split(x * 1, 4)[1:]
    (used * 3).backward()
    assert_allclose(grad(x), [0, 3, 0, 0])
    assert grad(x).dtype == np.float32
    assert unused.grad is None


def test_a_zero_cotangent_has_the_dtype_of_a_gradient() -> None:
    class Twice(Function):
        def forward(self, x: Array) -> tuple[Array, Array]:
            return x * 1, x * 1

        def backward(self, *gys: Array) -> Array:
            assert [gy.dtype for gy in gys] == [expected, expected]
            return gys[0] + gys[1]

    for dtype in (np.float32, np.int64):
        expected = np.dtype(np.float32 if dtype is np.float32 else np.float64)
        Twice()(Variable(np.ones(2, dtype=dtype)))[0].backward()


def test_a_function_called_with_one_section_gives_a_list() -> None:
    assert isinstance(Split(1)(var(1)), list)


# --- What is recorded -----------------------------------------------------------------------------


def test_what_a_function_knows() -> None:
    x, y = var(1), square(var(2))
    f = Add()
    z = f(x, y)
    assert f.inputs == [x, y]
    assert [output() for output in f.outputs] == [z]
    assert (f.generation, z.generation, z.creator) == (1, 2, f)


def test_nothing_is_recorded_under_no_grad() -> None:
    f = Square()
    with no_grad():
        y = f(var(1))
    assert (y.creator, y.generation) == (None, 0)
    assert not hasattr(f, "inputs")


@pytest.mark.usefixtures("reference_counting_alone")
def test_the_same_function_twice() -> None:
    class Save(Function):
        """A rule that uses what forward saved."""

        def forward(self, x: Array) -> Array:
            self.saved = x
            return x * x

        def backward(self, gy: Array) -> Array:
            return 2 * self.saved * gy

    for f in (Square(), Save()):
        x = var(3)
        a = f(x)
        y = f(a)
        assert y.creator is not a.creator
        assert f.inputs == [x]
        y.backward()
        assert_allclose(grad(x), [4 * 27])
        alive = weakref.ref(a)
        del x, a, y, f
        assert alive() is None


# --- Transaction and checks -----------------------------------------------------------------------


def test_a_rule_that_raises_leaves_every_gradient_as_it_was() -> None:
    class Bad(Function):
        def forward(self, x: Array) -> Array:
            return x * 1

        def backward(self, gy: Array) -> Array:
            raise ZeroDivisionError

    x, w = var(1), var(2)
    x.grad = kept = np.array([7.0])
    a = x * w
    a.grad = stale = np.array([8.0])
    y = Bad()(a) + w
    y.grad = seed = np.array([9.0])
    with pytest.raises(ZeroDivisionError):
        y.backward(retain_grad=True)
    for array, before, value in [(x.grad, kept, 7.0), (a.grad, stale, 8.0), (y.grad, seed, 9.0)]:
        assert array is before
        assert_allclose(before, [value])
    assert w.grad is None


class Returns(Function):
    """A function of any number of inputs, whose rule returns what it is told."""

    def __init__(self, returned: object) -> None:
        self.returned = returned

    def forward(self, *xs: Array) -> Array:
        return xs[0] * 1

    def backward(self, *gys: Array) -> object:
        return self.returned


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (np.ones(3), ValueError, "Returns.backward returned 1 gradients; expected 2, one for each"),
        ((np.ones(3),) * 3, ValueError, "returned 3 gradients; expected 2"),
        ((np.ones(3), None), TypeError, "Returns.backward for input 1 returned NoneType: expected"),
        ((Variable(np.ones(3)), np.ones(1)), TypeError, "for input 0 returned Variable: expected"),
        (
            (np.ones(3), np.ones((3, 1))),
            ValueError,
            "Returns.backward for input 1 returned shape (3, 1); expected (1,), as the input has",
        ),
        ((np.ones(()), np.ones(1)), ValueError, "for input 0 returned shape (); expected (3,)"),
        ((np.ones(6), np.ones(1)), ValueError, "for input 0 returned shape (6,); expected (3,)"),
    ],
)
def test_what_a_rule_returns_is_checked(returned: object, error: type[Exception], message: str) -> None:
    x, w = var(1, 2, 3), var(1)
    y = as_variable(apply(Returns(returned), x, w))
    with pytest.raises(error, match=re.escape(message)):
        y.backward()
    assert (x.grad, w.grad) == (None, None)


def apply(f: Function, *xs: Variable) -> Variable:
    y = f(*xs)
    assert isinstance(y, Variable)
    return y


def test_only_broadcasting_is_undone() -> None:
    """A gradient that would fit after a sum, but has not the output's shape, is a mistake."""
    x = var(1, 2, 3)
    y = apply(Returns(np.ones((2, 3))), x)
    with pytest.raises(ValueError, match=re.escape("returned shape (2, 3); expected (3,)")):
        y.backward()


def test_forward_must_return_arrays() -> None:
    class Forgets(Function):
        def forward(self, x: Array) -> None: ...

    with pytest.raises(TypeError, match=r"Forgets\.forward returned NoneType: expected"):
        Forgets()(var(1))


# --- Memory ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("reference_counting_alone")
@pytest.mark.parametrize("retain_grad", [False, True])
def test_everything_dies_with_its_last_handle(retain_grad: bool) -> None:
    x = var(1, 2, 3, 4)
    a = x * x
    parts = split(exp(a) + a / 2.0, 2)
    y = parts[0] * parts[1] - parts[0]
    y.backward(retain_grad)
    alive = [weakref.ref(v) for v in (x, a, *parts, y)]
    arrays = [weakref.ref(v.data) for v in (x, a, y)] + [weakref.ref(grad(x))]
    functions = [weakref.ref(v.creator) for v in (a, y) if v.creator is not None]
    del a, parts
    assert alive[1]() is not None
    del y
    assert [v() for v in alive[1:]] == [None] * (len(alive) - 1)
    assert [f() for f in functions] == [None] * 2
    del x
    assert alive[0]() is None
    assert [array() for array in arrays] == [None] * 4


@pytest.mark.usefixtures("reference_counting_alone")
def test_a_failed_backward_keeps_nothing() -> None:
    x = var(1)
    y = apply(Returns(None), x) * 2
    alive = weakref.ref(y)
    with pytest.raises(TypeError):
        y.backward()
    del y
    assert alive() is None


@pytest.mark.usefixtures("reference_counting_alone")
def test_a_long_chain() -> None:
    x = y = Variable(np.array(1.0))
    for _ in range(100_000):
        y = -y
    y.backward()
    assert_allclose(grad(x), 1.0)
    alive = weakref.ref(y)
    last = y.creator
    assert last is not None
    first_but_one = weakref.ref(last.inputs[0])
    del y, last
    assert (alive(), first_but_one()) == (None, None)


def pickled(x: Variable) -> Variable:
    return cast(Variable, pickle.loads(pickle.dumps(x)))  # of what was dumped


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_a_leaf(copied: Callable[[Variable], Variable]) -> None:
    x = var(3.0)
    x.name = "x"
    y = copied(x * x)
    assert y.creator is None
    assert y.generation == 0
    assert y.data.tolist() == [9.0]
    y.backward()
    assert grad(y).tolist() == [1.0]
    assert x.grad is None
    (x * x).backward()
    again = copied(x)
    assert (again.name, grad(again).tolist()) == ("x", [6.0])


@pytest.mark.parametrize("x", [var(2.0), Variable(np.array(1 + 2j))])
def test_there_is_no_gradient_of_complex_numbers(x: Variable) -> None:
    with pytest.raises(
        TypeError, match=r"^gradients are for real values; this is of dtype complex128$"
    ):
        (x * 2j).backward()
    assert x.grad is None
