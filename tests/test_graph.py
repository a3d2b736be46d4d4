"""Variable, Function, backward and grad: what a reader of the book expects, in small exact examples."""

from __future__ import annotations

import copy
import math
import pickle
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest

import dezero.functions as F
from dezero import (
    Function,
    Parameter,
    Variable,
    as_array,
    as_variable,
    grad,
    no_grad,
    setup_variable,
    using_config,
)
from dezero.contract import Array
from dezero.graph import stand_in, values


def var(*numbers: object, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers, dtype))


def num(number: object, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(number, dtype))


def grad_of(x: Variable) -> Array:
    assert x.grad is not None
    return x.grad.data


def notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


untyped = cast("Callable[..., Any]", Variable)  # for what a type checker would refuse


class Square(Function):
    """As the book writes it."""

    def forward(self, x: Array) -> Array:
        return x**2

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        return gy * 2.0 * x


class BookExp(Function):
    def forward(self, x: Array) -> Array:
        return as_array(np.exp(x))

    def backward(self, gy: Variable) -> Variable:
        y = self.outputs[0]()
        assert y is not None
        return gy * y


class Raising(Function):
    def forward(self, x: Array) -> Array:
        return x * 1.0

    def backward(self, gy: Variable) -> Variable:
        raise RuntimeError("no gradient today")


# ------------------------------------------------------------------------------------------- Variable


@pytest.mark.parametrize("data", [1.0, 1, [1.0], (1.0,), "1", np.float64(1.0), True])
def test_variable_holds_ndarrays_only(data: object) -> None:
    with pytest.raises(TypeError) as caught:
        untyped(data)
    assert str(caught.value) == (
        f"Variable holds an ndarray, not {type(data).__name__}; "
        "wrap it: Variable(np.array(2.0)), or as_variable(2.0)"
    )


def test_a_variable_may_wait_for_its_data() -> None:
    x = Variable(None, "later")
    assert repr(x) == "variable(None)"
    assert cast(object, x.data) is None
    x.data = np.array([1.0, 2.0])
    F.sum(x * x).backward()
    np.testing.assert_array_equal(grad_of(x), [2.0, 4.0])


@pytest.mark.parametrize("place", [0, 1])
def test_a_variable_without_data_is_no_operand(place: int) -> None:
    x = Variable(None)
    with pytest.raises(TypeError, match=f"Sub: operand {place} has no data yet"):
        _ = x - 2.0 if place == 0 else 2.0 - x


def test_pickle_of_a_variable_without_data() -> None:
    x = pickle.loads(pickle.dumps(Parameter(None, "W")))
    assert type(x) is Parameter
    assert (x.name, repr(x)) == ("W", "variable(None)")


def test_repr() -> None:
    assert repr(num(2.0)) == "variable(2.0)"
    assert repr(var(1.0, 2.0)) == "variable([1. 2.])"
    assert repr(var([1, 2, 3], [4, 5, 6], dtype=int)) == (
        "variable([[1 2 3]\n" + " " * 9 + " [4 5 6]])"
    )


def test_attributes() -> None:
    x = Variable(np.zeros((2, 3), np.float32), "x")
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
    assert x.dtype == np.float32
    assert (x.name, x.grad, x.creator, x.generation) == ("x", None, None, 0)
    assert x.T.shape == (3, 2)
    with pytest.raises(TypeError, match="unsized"):
        len(num(1.0))


def test_numbers() -> None:
    assert (float(num(2.5)), int(num(2.5)), float(var([2.5]))) == (2.5, 2, 2.5)
    with pytest.raises(ValueError, match="size 1"):
        float(var(1.0, 2.0))


def test_truth() -> None:
    assert num(2.0)
    assert not num(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(var(1.0, 2.0))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_methods_reduce_as_numpy_s(name: str) -> None:
    x = var([1.0, 2.0], [3.0, 5.0])
    for arguments in [(), (0,), (1,), (0, True), (None, True)]:
        expected: Array = getattr(np, name)(x.data, *arguments[:1], keepdims=len(arguments) == 2)
        np.testing.assert_array_equal(getattr(x, name)(*arguments).data, expected, strict=True)


def test_the_graphics_card_is_refused_by_name() -> None:
    with pytest.raises(RuntimeError) as caught:
        num(1.0).to_gpu()
    expected = "Variable.to_gpu: dezero computes with NumPy alone; cuda.gpu_enable is False"
    assert str(caught.value) == expected


def test_iteration_goes_through_the_graph() -> None:
    x = var([1.0, 2.0], [3.0, 4.0])
    first, second = x
    F.sum(first * second).backward()
    np.testing.assert_array_equal(grad_of(x), [[3.0, 4.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="unsized"):
        list(num(1.0))


def test_as_numpy_array() -> None:
    x = var(1.0, 2.0)
    np.testing.assert_array_equal(np.asarray(x), [1.0, 2.0])
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert cast(Array, x.__array__(np.dtype(np.float32))).dtype == np.float32
    assert np.shares_memory(cast(Array, x.__array__(copy=False)), x.data)
    copied = np.array(x)
    copied[0] = 9
    assert x.data[0] == 1.0


def test_identity() -> None:
    x, same_value = var(1.0), var(1.0)
    assert x == x
    assert x != same_value
    assert len({x, same_value, x}) == 2
    assert values(x) is x.data
    assert hash(x) == object.__hash__(x)


def test_comparisons_give_arrays() -> None:
    x = var(1.0, 2.0, 3.0)
    for result, expected in (
        (x < 2, [True, False, False]),
        (x <= 2, [True, True, False]),
        (x > np.array([2.0, 1.0, 3.0]), [False, True, False]),
        (x >= var(1.0, 3.0, 3.0), [True, False, True]),
        (np.array([2.0, 2.0, 2.0]) > x, [True, False, False]),
        (num(3.0) > 2.0, True),
    ):
        assert type(result) is np.ndarray
        assert result.dtype == np.bool_
        np.testing.assert_array_equal(result, expected)


def test_in_place_operators_rebind() -> None:
    x = before = var(1.0, 2.0)
    x += 1.0
    x *= 3.0
    x -= 2.0
    x /= 2.0
    assert x is not before
    np.testing.assert_array_equal(before.data, [1.0, 2.0])
    np.testing.assert_array_equal(x.data, [2.0, 3.5])
    x.backward()
    np.testing.assert_array_equal(grad_of(before), [1.5, 1.5])


# ----------------------------------------------------------------------------------------- its data


@pytest.mark.parametrize("data", [[1.0, 2.0], 1.0, var(1.0)])
def test_the_setter_takes_ndarrays_only(data: object) -> None:
    x = var(1.0, 2.0)
    with pytest.raises(TypeError, match="Variable holds an ndarray, not "):
        x.data = cast(Array, data)
    np.testing.assert_array_equal(x.data, [1.0, 2.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_data_of_a_value_on_the_way_can_be_taken_away(create_graph: bool) -> None:
    """As the book does, to save memory: what a rule reads, its application has itself."""
    x, W, b = var(1.0, 2.0), var(3.0, 4.0), var(5.0, 6.0)
    t = x * W
    kept = t * t
    y = t + b
    t.data = cast(Array, None)
    F.sum(y * kept).backward(create_graph=create_graph)
    values = np.array([3.0, 8.0])
    np.testing.assert_array_equal(grad_of(b), values**2)
    np.testing.assert_array_equal(grad_of(x), [3.0, 4.0] * (values**2 + (values + b.data) * 2 * values))
    assert y.creator is not None
    assert y.creator.inputs[0].shape == (2,)
    with pytest.raises(TypeError, match="Add: operand 0 has no data yet"):
        _ = t + b


def test_an_array_that_was_taken_away_is_freed() -> None:
    t = var(1.0, 2.0) + 1.0
    y = t + 1.0
    array = weakref.ref(t.data)
    t.data = cast(Array, None)
    assert array() is None
    assert y.creator is not None


def test_backward_needs_data() -> None:
    with pytest.raises(TypeError, match=r"^backward: the variable has no data$"):
        Variable(None).backward()


def test_data_of_the_same_shape_keep_the_graph() -> None:
    x = var(1.0, 2.0)
    y = x * x
    y.data = np.array([10.0, 20.0])
    z = F.sum(y * y)
    assert float(z) == 500.0
    z.backward(retain_grad=True)
    np.testing.assert_array_equal(grad_of(y), [20.0, 40.0])
    np.testing.assert_array_equal(grad_of(x), [40.0, 160.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_data_set_after_use_do_not_change_what_was_recorded(create_graph: bool) -> None:
    x = var(1.0, 2.0)
    y = F.sum(x * x)
    x.data = np.array([5.0, 5.0])
    y.backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(x), [2.0, 4.0])


def test_data_of_the_same_shape_set_after_use_leave_retain_grad_alone() -> None:
    x = var(1.0, 2.0)
    y = F.exp(x)
    z = F.sum(y * y)
    expected = 2 * y.data
    y.data = y.data.copy()
    z.backward(retain_grad=True, create_graph=True)
    np.testing.assert_array_equal(grad_of(y), expected)


def test_data_of_another_shape_make_a_leaf() -> None:
    x = var(1.0, 2.0)
    y = x * x
    y.data = np.zeros(3)
    assert (y.creator, y.generation) == (None, 0)
    F.sum(y * 2.0).backward()
    np.testing.assert_array_equal(grad_of(y), [2.0, 2.0, 2.0])
    assert x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_new_leaf_takes_no_gradient_of_its_old_value(create_graph: bool) -> None:
    x = var(1.0, 2.0)
    y = x.reshape(2, 1) * 3.0
    x.data = np.zeros(3)
    F.sum(y).backward(create_graph=create_graph)
    assert x.grad is None or x.grad.shape == x.shape
    F.sum(x * 2.0).backward()
    np.testing.assert_array_equal(grad_of(x), [2.0, 2.0, 2.0])


def test_a_new_leaf_retains_no_gradient_of_its_old_value() -> None:
    x = var(1.0, 2.0)
    y = x * x
    z = F.sum(y)
    y.data = np.zeros(3)
    z.backward(retain_grad=True)
    assert y.grad is None
    np.testing.assert_array_equal(grad_of(x), [2.0, 4.0])


def test_inputs_of_a_recorded_application_keep_their_shape() -> None:
    x = var(1.0, 2.0)
    y = x + x
    x.data = np.zeros(3)
    assert y.creator is not None
    assert [i.shape for i in y.creator.inputs] == [(2,), (2,)]


# ------------------------------------------------------------------------------- pickles and copies


def _pickled(x: object) -> object:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, _pickled])
def test_a_graph_variable_is_copied_as_its_value(duplicate: Callable[[Any], Any]) -> None:
    x = Parameter(np.array([1.0, 2.0], np.float32), "x")
    y = x * x
    y.backward(retain_grad=True, create_graph=True)
    x2, y2 = duplicate([x, y])
    assert (type(x2), type(y2)) == (Parameter, Variable)
    assert (x2.name, x2.dtype, y2.creator, y2.generation) == ("x", np.float32, None, 0)
    np.testing.assert_array_equal(y2.data, [1.0, 4.0])
    np.testing.assert_array_equal(grad_of(x2), [2.0, 4.0])
    assert grad_of(x2) is not grad_of(x)
    assert not np.shares_memory(y2.data, y.data)
    F.sum(y2 * 3.0).backward()
    np.testing.assert_array_equal(grad_of(y2), [4.0, 4.0])
    np.testing.assert_array_equal(grad_of(y), [1.0, 1.0])


class Tagged(Variable):
    """A Variable with an attribute of its own."""

    def __init__(self, data: Array, tag: str) -> None:
        super().__init__(data)
        self.tag: str = tag


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, _pickled])
def test_attributes_of_a_subclass_are_copied(duplicate: Callable[[Any], Any]) -> None:
    twin = duplicate(Tagged(np.array(1.0), "mine"))
    assert (type(twin), twin.tag, twin.data) == (Tagged, "mine", 1.0)


def test_what_has_no_gradient_is_copied_with_none() -> None:
    assert cast(Variable, _pickled(num(1.0))).grad is None


def test_a_parameter_is_a_variable() -> None:
    p = Parameter(np.array(3.0))
    y = p * 2.0
    assert isinstance(p, Variable)
    assert type(y) is Variable
    y.backward()
    assert grad_of(p) == 2.0


def test_as_variable() -> None:
    x = var(1.0)
    assert as_variable(x) is x
    a = np.array([1.0])
    assert as_variable(a).data is a
    assert as_variable(np.float32(2)).dtype == np.float32
    assert as_variable(2).shape == ()
    with pytest.raises(TypeError) as caught:
        cast("Callable[[object], object]", as_variable)([1.0])
    assert str(caught.value) == "list is no operand; expected a Variable, an ndarray or a number"
    setup_variable()


# ------------------------------------------------------------------------------------------- backward


def test_the_generations_of_a_diamond() -> None:
    """Step 16 of the book: y = (x²)² + (x²)²."""
    x = num(2.0)
    a = Square()(x)
    b, c = Square()(a), Square()(a)
    y = b + c
    assert [v.generation for v in (x, a, b, c, y)] == [0, 1, 2, 2, 3]
    assert y.creator is not None
    assert y.creator.generation == 2
    y.backward()
    assert [float(y), grad_of(x)] == [32.0, 64.0]


class Counted(Function):
    runs = 0

    def forward(self, x: Array) -> Array:
        return x * 1.0

    def backward(self, gy: Variable) -> Variable:
        Counted.runs += 1
        return gy


@pytest.mark.parametrize("long_way_first", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_long_and_a_short_way(create_graph: bool, long_way_first: bool) -> None:
    """The younger generation first: a's rule must wait for both ways."""
    Counted.runs = 0
    x = num(3.0)
    a = Counted()(x * x)
    long_way = F.exp(F.log(a * a))
    y = long_way * a if long_way_first else a * long_way  # x⁶
    y.backward(retain_grad=True, create_graph=create_graph)
    assert Counted.runs == 1
    np.testing.assert_allclose(grad_of(a), 3 * 3.0**4, rtol=1e-14)
    np.testing.assert_allclose(grad_of(x), 6 * 3.0**5, rtol=1e-14)


def test_each_rule_runs_once() -> None:
    Counted.runs = 0
    x = num(1.0)
    h = Counted()(x)
    for _ in range(10):
        h = h + h
    h.backward()
    assert Counted.runs == 1
    assert grad_of(x) == 1024.0


def test_one_variable_used_twice() -> None:
    x = num(3.0)
    F.add(x, x).backward()
    assert grad_of(x) == 2.0
    x.cleargrad()
    assert x.grad is None
    F.add(F.add(x, x), x).backward()
    assert grad_of(x) == 3.0


def test_gradients_accumulate_in_new_arrays() -> None:
    x = var(1.0, 2.0)
    y = x * x
    y.backward()
    first, first_data = x.grad, grad_of(x)
    y.backward()
    assert x.grad is not first
    np.testing.assert_array_equal(first_data, [2.0, 4.0])
    np.testing.assert_array_equal(grad_of(x), [4.0, 8.0])


def test_retain_grad() -> None:
    x = num(2.0)
    h = x * x
    y = h * 3.0
    y.backward()
    assert (h.grad, y.grad) == (None, None)
    x.cleargrad()
    y.backward(retain_grad=True)
    assert [float(grad_of(v)) for v in (x, h, y)] == [12.0, 3.0, 1.0]


def test_the_gradient_of_y_is_the_seed_and_is_used_up() -> None:
    x = var(1.0, 2.0)
    y = x * 2.0
    y.grad = var(3.0, 4.0)
    y.backward()
    np.testing.assert_array_equal(grad_of(x), [6.0, 8.0])
    assert y.grad is None


def test_a_seed_of_another_type_is_taken_in_that_of_the_value() -> None:
    x = var(1.0, dtype=np.float32)
    y = x * np.float32(2.0)
    y.grad = var(3.0)
    y.backward()
    np.testing.assert_array_equal(grad_of(x), np.array([6.0], np.float32), strict=True)


def test_the_gradient_of_a_leaf_is_no_seed() -> None:
    x = num(1.0)
    x.grad = num(5.0)
    x.backward()
    assert grad_of(x) == 6.0


def test_a_wrong_seed() -> None:
    y = var(1.0, 2.0) * 2.0
    y.grad = var(1.0)
    with pytest.raises(ValueError, match=r"a gradient of shape \(1,\) for a variable of shape \(2,\)"):
        y.backward()
    y.grad = cast(Variable, np.ones(2))
    with pytest.raises(
        TypeError, match=r"the gradient of a variable of shape \([0-9, ]*\) is a Variable, not ndarray"
    ):
        y.backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_of_a_leaf_and_of_an_unrecorded_result(create_graph: bool) -> None:
    x = var(1.0, 2.0, dtype=np.float32)
    x.backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(x), [1.0, 1.0])
    assert grad_of(x).dtype == np.float32
    with no_grad():
        y = x * x
    y.backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(y), [1.0, 1.0])
    np.testing.assert_array_equal(grad_of(x), [1.0, 1.0])


def test_no_gradient_shares_memory() -> None:
    p, q, x = var(1.0, 2.0), var(3.0, 4.0), num(1.0)
    h = p + q
    y = h.reshape(2, 1) + F.broadcast_to(x, (2, 1))
    seed = np.ones((2, 1))
    y.grad = Variable(seed)
    y.backward(retain_grad=True)
    arrays = [seed, *(grad_of(v) for v in (p, q, x, h, y)), *(v.data for v in (p, q, x, h, y))]
    for i, a in enumerate(arrays[:6]):
        assert not any(np.shares_memory(a, b) for b in (arrays[:i] + arrays[i + 1 :]))
        assert a.flags.writeable
    grad_of(p)[:] = 100.0
    np.testing.assert_array_equal(grad_of(q), [1.0, 1.0])
    np.testing.assert_array_equal(grad_of(h), [1.0, 1.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_gradient_of_a_sum_can_be_changed_in_place(create_graph: bool) -> None:
    x = var(1.0, 2.0)
    F.sum(x).backward(create_graph=create_graph)
    grad_of(x)[:] *= 0.5
    np.testing.assert_array_equal(grad_of(x), [0.5, 0.5])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("kept", [0, 1])
def test_an_unused_output_is_a_zero(kept: int, create_graph: bool) -> None:
    x = var(1.0, 2.0, 3.0, 4.0)
    part = F.split(x, 2)[kept]  # the other one is dropped
    F.sum(part * part).backward(create_graph=create_graph)
    expected = np.zeros(4)
    expected[2 * kept : 2 * kept + 2] = 2 * part.data
    np.testing.assert_array_equal(grad_of(x), expected)
    x.cleargrad()
    parts = F.split(x, 2)  # the other one is alive, but unused
    F.sum(parts[kept]).backward(retain_grad=True)
    np.testing.assert_array_equal(grad_of(x), expected != 0)
    assert parts[1 - kept].grad is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_gradient_has_shape_and_type_of_its_value(dtype: Any) -> None:
    x, b, s = (
        Variable(np.ones((2, 3), dtype)),
        Variable(np.ones(3, dtype)),
        Variable(np.array(2, dtype)),
    )
    y = F.sum(F.exp(x * s - b) / 2 + 1.0)
    assert y.dtype == dtype
    y.backward(retain_grad=True)
    for v in (x, b, s, y):
        assert (grad_of(v).shape, grad_of(v).dtype) == (v.shape, v.dtype)


def test_mixed_types() -> None:
    a, b = Variable(np.ones(2, np.float32)), Variable(np.ones(2, np.float64))
    y = a * b
    assert y.dtype == np.float64
    y.backward()
    assert [grad_of(v).dtype for v in (a, b)] == [np.float32, np.float64]
    a.grad = var(2.0, 2.0)
    (a * 1.0).backward()
    np.testing.assert_array_equal(grad_of(a), np.array([3.0, 3.0], np.float32), strict=True)


def test_a_number_of_numpy_s_keeps_its_type_and_one_of_python_s_has_none() -> None:
    x = var(1.0, dtype=np.float32)
    assert ((x * 2.0).dtype, (x * np.float64(2.0)).dtype) == (np.dtype("f4"), np.dtype("f8"))


def test_the_matrix_product_from_the_left() -> None:
    """Reached by what does not know the product itself."""
    a, x = np.array([[1.0, 2.0]]), var([3.0], [4.0])
    assert x.__rmatmul__(a).data == 11.0


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_])
def test_integers_take_part(dtype: Any) -> None:
    n = Variable(np.array([1, 0, 1], dtype))
    y = F.sum(n * var(2.0, 3.0, 4.0))
    y.backward()
    assert grad_of(n).dtype == np.float64
    np.testing.assert_array_equal(grad_of(n), [2.0, 3.0, 4.0])


def test_complex_values_have_no_gradient() -> None:
    z = Variable(np.array([1j]))
    for y in (z, z * z, F.sum(z)):
        with pytest.raises(
            TypeError, match="gradients are for real values; this is of dtype complex128"
        ):
            y.backward()
    assert z.grad is None


def test_objects_are_differentiated_as_what_they_are() -> None:
    x = Variable(np.array([Fraction(1, 3), Fraction(2)], object))
    (x * x).backward()
    assert grad_of(x).tolist() == [Fraction(2, 3), Fraction(4)]


def test_broadcasting_is_undone() -> None:
    a, b, c = Variable(np.ones((2, 3))), var([1.0], [2.0]), num(3.0)
    y = F.sum(a * b + c)
    y.backward()
    np.testing.assert_array_equal(grad_of(a), [[1.0] * 3, [2.0] * 3])
    np.testing.assert_array_equal(grad_of(b), [[3.0], [3.0]])
    assert grad_of(c).shape == ()
    assert grad_of(c) == 6.0


def test_empty_arrays() -> None:
    x, b = Variable(np.zeros((0, 3))), var(1.0, 2.0, 3.0)
    y = F.sum(x * b)
    assert float(y) == 0.0
    y.backward()
    assert grad_of(x).shape == (0, 3)
    np.testing.assert_array_equal(grad_of(b), [0.0, 0.0, 0.0])


def test_threads_do_not_meet() -> None:
    results: list[float] = []

    def work(n: int) -> None:
        x = num(float(n))
        for _ in range(50):
            x.cleargrad()
            (x * x * x).backward(create_graph=True)
        results.append(float(grad_of(x)) / n**2)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3.0] * 4


# ------------------------------------------------------------------------------------ the transaction


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_raises_changes_nothing(create_graph: bool) -> None:
    x, w, old = var(1.0, 2.0), var(3.0, 4.0), var(7.0, 7.0)
    w.grad = old
    h = w * 2.0
    y = F.sum(Raising()(x) + h)
    seed = y.grad = num(2.0)
    with pytest.raises(RuntimeError) as caught:
        y.backward(retain_grad=True, create_graph=create_graph)
    assert "in the rule of Raising, generation 0" in notes(caught.value)
    assert (x.grad, h.grad) == (None, None)
    assert w.grad is old
    assert y.grad is seed
    np.testing.assert_array_equal(old.data, [7.0, 7.0])


def test_a_forward_that_raises_says_on_what() -> None:
    x, y = Variable(np.ones((2, 3), np.float32)), Variable(np.ones(4))
    with pytest.raises(ValueError, match="broadcast") as caught:
        F.add(x, y)
    assert notes(caught.value) == ["in Add(float32[2, 3], float64[4])"]


# ------------------------------------------------------------------------------- Functions of the user


def wrong(answer: Callable[[Variable], object], n_inputs: int = 1) -> Variable:
    class Wrong(Function):
        def forward(self, *xs: Array) -> Array:
            return xs[0] * 1.0

        def backward(self, gy: Variable) -> Any:
            return answer(gy)

    return Wrong()(*[var(1.0, 2.0) for _ in range(n_inputs)])


WRONG_GRADIENTS: list[tuple[Callable[[Variable], object], type[Exception], str]] = [
    (
        lambda gy: (gy, gy),
        ValueError,
        "Wrong.backward returned 2 gradients for 1 inputs; "
        "expected one for each (None for no gradient)",
    ),
    (
        lambda gy: (),
        ValueError,
        "Wrong.backward returned 0 gradients for 1 inputs; "
        "expected one for each (None for no gradient)",
    ),
    (
        lambda gy: gy.data,
        TypeError,
        "Wrong.backward returned ndarray for input 0; expected a Variable, or None for no gradient",
    ),
    (
        lambda gy: 1.0,
        TypeError,
        "Wrong.backward returned float for input 0; expected a Variable, or None for no gradient",
    ),
    (
        lambda gy: Variable(np.ones(5)),
        ValueError,
        "the gradient of input 0 has shape (5,); expected (2,), or a shape to which that broadcasts",
    ),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("answer", "error", "message"),
    WRONG_GRADIENTS,
)
def test_what_a_backward_returns_is_checked(
    answer: Callable[[Variable], object], error: type[Exception], message: str, create_graph: bool
) -> None:
    y = wrong(answer)
    with pytest.raises(error) as caught:
        y.backward(create_graph=create_graph)
    assert str(caught.value) == message
    assert notes(caught.value)[-1] == "in the rule of Wrong, generation 0"


def test_the_wrong_one_of_several_is_named() -> None:
    with pytest.raises(TypeError, match="returned str for input 1"):
        wrong(lambda gy: (gy, "gy"), 2).backward()
    with pytest.raises(ValueError, match="returned 1 gradients for 2 inputs"):
        wrong(lambda gy: gy, 2).backward()


def test_a_backward_may_return_a_list_and_none() -> None:
    class First(Function):
        def forward(self, a: Array, b: Array) -> Array:
            return as_array(a + 0 * b)

        def backward(self, gy: Variable) -> Any:
            return [gy, None]

    a, b = var(1.0), var(2.0)
    First()(a, b).backward()
    np.testing.assert_array_equal(grad_of(a), [1.0])
    assert b.grad is None
    assert grad(First()(a, b), b).data == [0.0]


@pytest.mark.parametrize(("answer", "name"), [(None, "NoneType"), ("1", "str"), ({}, "dict")])
def test_what_a_forward_returns_is_checked(answer: object, name: str) -> None:
    class Odd(Function):
        def forward(self, x: Array) -> Any:
            return answer

    with pytest.raises(TypeError) as caught:
        Odd()(var(1.0))
    assert str(caught.value) == f"Odd.forward returned {name}; expected an ndarray"


def test_unwritten_methods() -> None:
    class Nothing(Function):
        pass

    class Forward(Function):
        def forward(self, x: Array) -> Array:
            return x * 1.0

    with pytest.raises(NotImplementedError, match="Nothing has no forward"):
        Nothing()(var(1.0))
    with pytest.raises(NotImplementedError, match="Forward has no backward"):
        Forward()(var(1.0)).backward()


@pytest.mark.parametrize("operand", [[1.0], None, "a", {}])
def test_what_is_no_operand(operand: Any) -> None:
    for operands, place in (((var(1.0), operand), 1), ((operand, 2.0), 0)):
        with pytest.raises(TypeError) as caught:
            F.add(*operands)
        assert str(caught.value) == (
            f"Add: operand {place}: {type(operand).__name__} is no operand; "
            "expected a Variable, an ndarray or a number"
        )


@pytest.mark.parametrize("operand", [[1.0], None, "a"])
def test_what_is_no_operand_behind_a_number(operand: Any) -> None:
    with pytest.raises(TypeError, match=r"Add: operand 1: .* is no operand"):
        F.add(2.0, operand)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_finds_its_inputs_and_outputs_after_they_were_dropped(create_graph: bool) -> None:
    x = num(0.5)
    y = Square()(BookExp()(Square()(x)))  # exp(x²)²; nobody holds what is between
    y.backward(create_graph=create_graph)
    np.testing.assert_allclose(grad_of(x), 4 * 0.5 * math.exp(0.5), rtol=1e-14)
    if create_graph:
        first = x.grad
        assert first is not None
        x.cleargrad()
        first.backward()
        np.testing.assert_allclose(grad_of(x), (4 + 16 * 0.25) * math.exp(0.5), rtol=1e-14)


class Watching(Function):
    """2 x and 3 x; it keeps the element types of the cotangents that its rule is given."""

    def forward(self, x: Array) -> tuple[Array, Array]:
        return x * 2, x * 3

    def backward(self, ga: Variable, gb: Variable) -> Variable:
        self.given = ga.dtype, gb.dtype
        return 2.0 * ga + 3.0 * gb


def test_a_rule_is_given_cotangents_of_the_type_of_its_values() -> None:
    """Those that are made for it, too: the seed, and zeros for what nothing depends on."""
    f = Watching()
    a, _ = f(var(1.0, dtype=np.float32))
    a.backward()
    assert f.given == (np.dtype(np.float32), np.dtype(np.float32))


def test_the_first_gradient_may_be_none() -> None:
    class Second(Function):
        def forward(self, a: Array, b: Array) -> Array:
            return as_array(0 * a + b)

        def backward(self, gy: Variable) -> Any:
            return None, gy

    a, b = var(1.0), var(2.0)
    Second()(a, b).backward()
    assert a.grad is None
    np.testing.assert_array_equal(grad_of(b), [1.0])


def test_the_wrong_shape_of_a_later_gradient_is_named() -> None:
    with pytest.raises(ValueError, match="the gradient of input 1 has shape"):
        wrong(lambda gy: (gy, Variable(np.ones(5))), 2).backward()


def test_a_function_without_inputs_is_a_beginning() -> None:
    class Constant(Function):
        def forward(self) -> Array:
            return np.ones(2)

        def backward(self, gy: Variable) -> Any:
            return ()

    y = Constant()()
    assert (y.generation, cast(Function, y.creator).generation) == (1, 0)
    y.backward()


def test_before_it_is_applied_a_function_has_its_defaults() -> None:
    f = Square()
    assert (f.generation, f.n_outputs, f.output_types, f.fresh) == (0, 1, (), False)
    assert (f.input_nodes, f.saved) == ((), ())


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_leaf_keeps_what_a_fresh_rule_gives_and_copies_all_else(
    fresh: bool, create_graph: bool
) -> None:
    class Giving(Function):
        def forward(self, x: Array) -> Array:
            return x * 2.0

        def backward(self, gy: Variable) -> Variable:
            self.given = gy * 2.0
            return self.given

    Giving.fresh = fresh
    x, f = var(1.0, 2.0), Giving()
    f(x).backward(create_graph=create_graph)
    np.testing.assert_array_equal(grad_of(x), [2.0, 2.0])
    # What is recorded may be read again, when it is differentiated.
    assert np.shares_memory(grad_of(x), f.given.data) == (fresh and not create_graph)


def test_a_handle_on_a_leaf_whose_data_were_replaced_is_its_own() -> None:
    x = num(3.0)
    y = x * x
    x.data = np.array(5.0)
    (handle, _) = cast(Function, y.creator).inputs
    assert handle is not x
    handle.backward()
    assert float(grad_of(handle)) == 1.0
    assert x.grad is None


def test_the_handle_of_what_was_not_saved_has_its_shape_and_type_and_no_number() -> None:
    y = F.exp(var([1.0, 2.0], dtype=np.float32) * 1.0)
    (handle,) = cast(Function, y.creator).inputs
    assert (handle.shape, handle.dtype) == ((1, 2), np.dtype(np.float32))
    assert np.all(np.isnan(handle.data))


def test_function_attributes_of_the_book() -> None:
    x = var(1.0, 2.0)
    f = Square()
    assert (f.inputs, f.outputs) == ([], ())
    with no_grad():
        assert f(x).creator is None
        assert (f.inputs, f.outputs) == ([], ())
    y = f(x)
    assert y.creator is f
    assert f.inputs == [x]
    assert f.outputs[0]() is y
    assert f.generation == 0


@pytest.mark.parametrize("create_graph", [False, True])
def test_one_instance_applied_twice(create_graph: bool) -> None:
    f = Square()
    x = num(3.0)
    y = f(f(x))
    y.backward(create_graph=create_graph)
    assert [float(y), float(grad_of(x))] == [81.0, 108.0]
    assert y.creator is not f
    assert y.generation == 2


def test_an_instance_with_state_applied_twice() -> None:
    class Mask(Function):
        mask: Array

        def forward(self, x: Array) -> Array:
            self.mask = x > 0
            return x * self.mask

        def backward(self, gy: Variable) -> Variable:
            return gy * self.mask

    f = Mask()
    a, b = var(1.0, -1.0), var(-1.0, 1.0)
    (f(a) + f(b)).backward()
    np.testing.assert_array_equal(grad_of(a), [1.0, 0.0])
    np.testing.assert_array_equal(grad_of(b), [0.0, 1.0])


def test_several_outputs() -> None:
    class Both(Function):
        def forward(self, x: Array) -> tuple[Array, Array]:
            return x * 2.0, x * 3.0

        def backward(self, ga: Variable, gb: Variable) -> Variable:
            return 2.0 * ga + 3.0 * gb

    x = num(1.0)
    outputs = Both()(x)
    assert isinstance(outputs, list)
    a, b = outputs
    assert a.creator is b.creator
    (a * b).backward()
    assert grad_of(x) == 12.0
    x.cleargrad()
    Both()(x)[1].backward()
    assert grad_of(x) == 3.0


def test_set_creator() -> None:
    x = num(2.0)
    h = x * x * x
    f = Square()
    y = f(h)
    z = Variable(y.data)
    z.set_creator(f)
    assert (z.creator, z.generation) == (f, f.generation + 1)
    assert z.generation == 3


class ByOutputs(Function):
    """x² and x³; the rule reads the outputs only."""

    def forward(self, x: Array) -> tuple[Array, Array]:
        return as_array(x**2), as_array(x**3)

    def backward(self, ga: Variable, gb: Variable) -> Variable:
        self.seen = a, b = [output() for output in self.outputs]
        assert a is not None
        assert b is not None
        return ga * 2.0 * (b / a) + gb * 3.0 * a


@pytest.mark.parametrize("held", [False, True])
def test_a_rule_finds_each_of_its_outputs(held: bool) -> None:
    """The living ones themselves; else handles on the same place in the graph."""
    f, x = ByOutputs(), num(2.0)
    a, b = f(x)
    y, kept = a + b, [a, b] if held else []
    del a, b
    gx = grad(y, x, create_graph=True)
    assert gx.data == 16.0
    if held:
        assert f.seen == kept
    assert grad(gx, x).data == 14.0


def test_an_output_of_which_the_data_were_replaced_is_read_as_it_was() -> None:
    f, x = BookExp(), num(1.0)
    y = f(x)
    z = y * 1.0
    y.data = np.array(0.0)
    z.backward()
    np.testing.assert_array_equal(grad_of(x), np.exp(1.0))


def test_a_function_may_say_what_its_rule_does_not_read() -> None:
    class Frugal(Square):
        def unread(self, n_saved: int) -> list[int]:
            return [n_saved - 1]

        def backward(self, gy: Variable) -> Variable:
            self.y = self.outputs[0]()
            return super().backward(gy)

    for held in (True, False):
        f, x = Frugal(), num(3.0)
        y = f(x)
        assert f.saved[0] is x.data
        assert f.saved[1] is None
        z, kept = y * 1.0, y if held else None
        del y
        z.backward()
        assert grad_of(x) == 6.0
        assert f.y is kept if held else np.isnan(float(cast(Variable, f.y)))


def test_a_leaf_is_at_the_beginning() -> None:
    with no_grad():
        unrecorded = [F.sin(num(1.0)), num(1.0) * num(2.0), *Watching()(num(1.0))]
    for x in (num(1.0), *unrecorded):
        assert (x.creator, x.generation, x.node.index) == (None, 0, 0)


def test_a_node_can_be_watched() -> None:
    x = num(1.0)
    node = weakref.ref(x.node)
    assert node() is x.node
    del x
    assert node() is None


def test_only_what_can_be_seen_is_wanted() -> None:
    held = num(1.0)
    y = (num(2.0) * held) * (held * 2.0)
    creator = cast(Function, y.creator)
    assert [creator.wants(0), creator.wants(1)] == [True, True]  # they lead to one that is held
    constant, variable = cast(Function, creator.input_nodes[0].creator).input_nodes
    assert (constant.wanted, variable.wanted) == (False, True)


def test_stand_ins_are_not_collected_without_end() -> None:
    for n in range(2000):
        assert not stand_in((n,), np.dtype(np.float64)).flags.writeable
    assert stand_in.cache_info().currsize < 1000


def test_set_creator_finds_the_place_among_the_outputs() -> None:
    f = Watching()
    _, b = f(num(1.0))
    b.unchain()
    assert b.node.index == 0
    b.set_creator(f)
    assert (b.node.index, b.generation) == (1, 1)
    other = num(1.0)
    other.set_creator(f)
    assert other.node.index == 0


# ------------------------------------------------------------------------------------------- unchain


def test_unchain_cuts_for_consumers_recorded_before() -> None:
    x = num(2.0)
    h = x * x
    y = h * 3.0
    h.unchain()
    assert (h.creator, h.generation) == (None, 0)
    y.backward()
    assert x.grad is None
    assert grad_of(h) == 3.0


def test_unchain_backward_keeps_the_last_step() -> None:
    x = num(2.0)
    h = x * x
    y = h * 3.0
    y.unchain_backward()
    assert h.creator is None
    assert y.creator is not None
    y.backward()
    assert x.grad is None
    assert grad_of(h) == 3.0


def test_unchain_backward_reaches_the_beginning() -> None:
    x = num(2.0)
    first = x * x
    y = F.sin(first + 1.0) * 3.0
    y.unchain_backward()
    assert first.creator is None


def test_unchain_backward_of_a_leaf() -> None:
    x = num(2.0)
    x.unchain_backward()
    assert x.creator is None


# --------------------------------------------------------------------------------------- higher orders


DERIVATIVES: list[tuple[Callable[[Variable], Variable], tuple[Callable[[float], float], ...]]] = [
    (F.sin, (math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x))),
    (lambda x: x**4, (lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x)),
    (
        lambda x: F.exp(x * x),
        (
            lambda x: 2 * x * math.exp(x * x),
            lambda x: (2 + 4 * x**2) * math.exp(x * x),
            lambda x: (12 * x + 8 * x**3) * math.exp(x * x),
        ),
    ),
]


@pytest.mark.parametrize(
    ("f", "orders"),
    DERIVATIVES,
)
@pytest.mark.parametrize("at", [0.0, 0.7, -1.3])
def test_third_order(
    f: Callable[[Variable], Variable], orders: tuple[Callable[[float], float], ...], at: float
) -> None:
    x = num(at)
    y = f(x)
    for order in orders:
        x.cleargrad()
        y.backward(create_graph=True)
        assert x.grad is not None
        y = x.grad
        np.testing.assert_allclose(y.data, order(at), rtol=1e-13, atol=1e-15)


def test_the_book_s_newton_step() -> None:
    x = num(2.0)
    y = x**4 - 2 * x**2
    y.backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    assert float(gx) == 24.0
    x.cleargrad()
    gx.backward()
    assert grad_of(x) == 44.0
    gx.backward()
    assert grad_of(x) == 88.0


def test_double_backpropagation() -> None:
    """Step 36 of the book: z = (dy/dx)³ + y with y = x²."""
    x = num(2.0)
    y = x**2
    y.backward(create_graph=True)
    gx = x.grad
    assert gx is not None
    x.cleargrad()
    (gx**3 + y).backward()
    assert grad_of(x) == 100.0


def test_without_create_graph_the_gradient_is_a_leaf() -> None:
    x = num(2.0)
    (x * x).backward()
    assert x.grad is not None
    assert x.grad.creator is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_is_recorded_only_with_create_graph(create_graph: bool) -> None:
    recorded: list[bool] = []

    class Watched(Function):
        def forward(self, x: Array) -> Array:
            return x * 1.0

        def backward(self, gy: Variable) -> Variable:
            gx = gy * 1.0
            recorded.append(gx.creator is not None)
            return gx

    y = Watched()(num(1.0))
    for switch in (True, False):
        with using_config("enable_backprop", switch):
            y.backward(create_graph=create_graph)
    assert recorded == [create_graph] * 2


def test_create_graph_records_under_no_grad() -> None:
    x = num(2.0)
    y = x**3
    with no_grad():
        (gx,) = grad(y, [x], create_graph=True)
    assert float(grad(gx, x)) == 12.0


# ----------------------------------------------------------------------------------------------- grad


def test_grad_of_one_and_of_several() -> None:
    x, w = num(2.0), num(3.0)
    y = x * x * w
    alone = grad(y, x)
    both = grad(y, [x, w])
    as_tuple = grad([y], (x,))
    assert float(alone) == 12.0
    assert [float(g) for g in both] == [12.0, 4.0]
    assert isinstance(as_tuple, list)
    assert float(as_tuple[0]) == 12.0
    assert float(grad([y, x * w], x)) == 15.0
    assert grad(y, []) == []


def test_grad_touches_no_gradient() -> None:
    x = num(2.0)
    h = x * x
    y = h * 3.0
    old, x.grad = x.grad, num(7.0)
    y.grad = num(5.0)
    gx, gh, gy = grad(y, [x, h, y])
    assert (float(gx), float(gh), float(gy)) == (12.0, 3.0, 1.0)
    assert old is None
    assert (float(grad_of(x)), h.grad, float(grad_of(y))) == (7.0, None, 5.0)
    assert gx.creator is None


def test_grad_with_respect_to_intermediates_and_duplicates() -> None:
    x = num(2.0)
    h = x * x
    y = h * h + x
    assert [float(g) for g in grad(y, [h, x, h])] == [8.0, 33.0, 8.0]
    assert float(grad(y, h)) == 8.0
    g1, g2 = grad(y, [x, x])
    assert not np.shares_memory(g1.data, g2.data)


@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_of_what_is_not_connected(create_graph: bool) -> None:
    x, other = var(1.0, 2.0), Variable(np.ones((2, 3), np.float32))
    h = other * 2.0
    g_other, g_h = grad(x * x, [other, h], create_graph=create_graph)
    np.testing.assert_array_equal(g_other.data, np.zeros((2, 3)))
    np.testing.assert_array_equal(g_h.data, np.zeros((2, 3)))
    assert g_other.dtype == np.float32
    assert grad_of(grad_target(g_other)).flags.writeable


def grad_target(g: Variable) -> Variable:
    x = Variable(g.data)
    x.grad = g
    return x


def test_grad_with_cotangents() -> None:
    x = var(1.0, 2.0)
    y, z = x * x, x * 3.0
    np.testing.assert_array_equal(grad(y, x, gys=var(1.0, 10.0)).data, [2.0, 40.0])
    np.testing.assert_array_equal(grad([y, z], x, gys=[var(1.0, 10.0), None]).data, [5.0, 43.0])


def test_grad_with_the_wrong_cotangents() -> None:
    x = var(1.0, 2.0)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        grad([x * x, x], x, gys=[None])
    assert str(caught.value) == "grad: 1 cotangents for 2 ys; expected one for each"
    with pytest.raises(ValueError, match=r"shape \(1,\) for a variable of shape \(2,\)"):
        grad(x * x, x, gys=var(1.0))
    with pytest.raises(
        TypeError, match=r"the gradient of a variable of shape \([0-9, ]*\) is a Variable, not ndarray"
    ):
        grad(x * x, x, gys=[cast(Variable, np.ones(2))])


def test_grad_of_grad() -> None:
    x, w = num(2.0), num(3.0)
    y = x**3 * w
    gx = grad(y, x, create_graph=True)
    assert [float(g) for g in grad(gx, [x, w])] == [36.0, 12.0]
    assert (x.grad, w.grad) == (None, None)


def test_grad_of_a_leaf() -> None:
    x = var(1.0, 2.0)
    np.testing.assert_array_equal(grad(x, x).data, [1.0, 1.0])
    assert x.grad is None


@pytest.mark.parametrize(
    ("ys", "xs", "message"),
    [
        (None, var(1.0), "grad: ys is NoneType; expected a Variable, or a sequence of them"),
        (var(1.0), 2.0, "grad: xs is float; expected a Variable, or a sequence of them"),
        (np.ones(2), var(1.0), r"grad: ys\[0\] is float64; expected a Variable"),
        ([var(1.0), None], var(1.0), r"grad: ys\[1\] is NoneType; expected a Variable"),
        (var(1.0), [np.ones(1)], r"grad: xs\[0\] is ndarray; expected a Variable"),
    ],
)
def test_grad_of_what_is_no_variable(ys: Any, xs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        grad(ys, xs)
