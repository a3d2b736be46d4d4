"""The sizes of the terms: never below the gradient, equal where nothing cancels, more where it does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from dezero.contract import Array
from dezero.namespace import Namespace
from dezero.verify import magnitude
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.magnitude import Sized, gradient_sizes, sized
from dezero.verify.program import Program, Step
from dezero.verify.strategies import programs
from dezero.verify.trial import Trial

NAMESPACE: type[Any] = vars(magnitude)["_SizedNamespace"]
"""Private, but to be compared with what rules may call."""

X, Y, SEED = np.array([1.0, 2.0]), np.array([[3.0], [0.5]]), np.array([1.0, -2.0])
WEIGHTS, ONES = np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2))


def gradients(program: Program) -> list[Array]:
    """By dezero; zeros where there is none."""
    found = Trial(DezeroEngine(), program).run.gradients
    pairs = zip(found, program.inputs, strict=True)
    return [np.zeros(x.shape) if g is None else g for g, x in pairs]


def test_a_power_of_zero_swallows_nothing() -> None:
    zero = Sized(np.array(0.0), np.array(3.0))  # of terms that cancel
    assert [float((zero**n).size) for n in (1, 2, 3)] == [3.0, 0.0, 0.0]
    assert float((Sized(np.array(2.0)) ** 3).size) == 8.0 + 3 * 4 * 2.0


def test_a_size_that_is_no_number_is_that_of_the_value() -> None:
    with np.errstate(invalid="ignore"):
        product = Sized(np.array(0.0)) * Sized(np.array(2.0), np.array(np.inf))
    assert float(product.size) == 0.0
    assert float((product + Sized(np.array(5.0))).size) == 5.0


@given(programs(CONTRACTS))
def test_no_gradient_is_larger_than_its_terms(program: Program) -> None:
    for size, g, x in zip(gradient_sizes(program), gradients(program), program.inputs, strict=True):
        assert size.shape == x.shape
        assert np.all(np.abs(g) <= size * (1 + 1e-12) + 1e-300)


@given(programs(CONTRACTS))
def test_sizes_are_no_excuse_for_everything(program: Program) -> None:
    for size in gradient_sizes(program):
        assert np.all(size < 1e30)


PLAIN: dict[str, tuple[tuple[Array, ...], tuple[Step, ...], Array]] = {
    "product": ((X, Y), (Step("mul", (0, 1)),), np.array([[1.0, 2.0], [0.5, 1.0]])),
    "square": ((X,), (Step("square", (0,)),), SEED),
    "shared": ((X,), (Step("square", (0,)), Step("mul", (0, 1))), X),
    "moved": (
        (Y,),
        (Step("transpose", (0,), {"axes": None}), Step("reshape", (1,), {"shape": (2,)})),
        SEED,
    ),
    "summed": (
        (Y,),
        (Step("neg", (0,)), Step("sum", (1,), {"axis": 0, "keepdims": False})),
        np.array([3.0]),
    ),
    "matmul": ((WEIGHTS, WEIGHTS), (Step("matmul", (0, 1)),), ONES),
    "repeated": ((X,), (Step("get_item", (0,), {"slices": np.array([0, 1, 0])}),), np.ones(3)),
}
"""Products and sums of numbers of one sign: no rule subtracts, no cotangents meet with two signs."""


@pytest.mark.parametrize("name", PLAIN)
def test_where_nothing_cancels_the_size_is_the_gradient(name: str) -> None:
    inputs, steps, seed = PLAIN[name]
    program = Program(inputs, steps, (len(inputs) + len(steps) - 1,), (seed,))
    for size, g in zip(gradient_sizes(program), gradients(program), strict=True):
        np.testing.assert_allclose(size, np.abs(g), rtol=1e-15)


def test_where_a_difference_cancels_the_size_is_that_of_both() -> None:
    program = Program((X,), (Step("sub", (0, 0)),), (1,), (SEED,))
    assert gradients(program)[0].tolist() == [0.0, 0.0]
    assert gradient_sizes(program)[0].tolist() == [2.0, 4.0]


def test_what_cancels_on_its_way_is_seen_at_the_leaf() -> None:
    """x² - x·x, of which every cotangent that arrives is 2x or -x."""
    steps = (Step("square", (0,)), Step("mul", (0, 0)), Step("sub", (1, 2)))
    program = Program((X,), steps, (3,), (SEED,))
    assert gradients(program)[0].tolist() == [0.0, 0.0]
    assert gradient_sizes(program)[0].tolist() == [4.0, 16.0]


def test_what_cancels_inside_of_a_rule_is_seen() -> None:
    """A saturated softmax: ``gy - sum(gy * y)`` is nearly zero, its terms are not."""
    program = Program((np.array([30.0, 0.0]),), (Step("softmax", (0,), {"axis": 0}),), (1,), (SEED,))
    assert abs(gradients(program)[0][0]) < 1e-12
    assert gradient_sizes(program)[0][0] > 1.0


def test_an_input_that_nothing_reads_has_no_terms() -> None:
    program = Program((X, Y), (Step("neg", (0,)),), (2,), (SEED,))
    assert gradient_sizes(program)[1].tolist() == [[0.0], [0.0]]


def test_two_outputs_are_summed() -> None:
    program = Program((X,), (Step("neg", (0,)), Step("identity", (0,))), (1, 2), (SEED, SEED))
    assert gradients(program)[0].tolist() == [0.0, 0.0]
    assert gradient_sizes(program)[0].tolist() == [2.0, 4.0]


def test_every_function_that_a_rule_may_call_is_there() -> None:
    """Names that a Protocol demands, as mypy does; here for who adds one and runs the tests only."""
    demanded = {name for name in vars(Namespace) if not name.startswith("_")}
    assert demanded
    assert demanded <= set(vars(NAMESPACE))


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "sigmoid", "identity"]
)
def test_a_size_is_never_below_the_value(name: str) -> None:
    x = Sized(np.array([0.25, 1.0, 3.0]))
    y = getattr(NAMESPACE(), name)(x)
    assert np.all(np.abs(y.value) <= y.size)


def test_what_was_summed_from_more_has_larger_sizes() -> None:
    exact, cancelled = Sized(np.array(0.5)), Sized(np.array(0.5), np.array(100.0))
    functions = NAMESPACE()
    for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "sigmoid", "identity"):
        function = getattr(functions, name)
        assert function(cancelled).size > function(exact).size
        assert function(cancelled).value == function(exact).value


def test_arithmetic_on_values_is_plain_and_on_sizes_without_signs() -> None:
    a, b = Sized(np.array(-2.0), np.array(3.0)), Sized(np.array(4.0), np.array(5.0))
    found = {
        "+": a + b, "-": a - b, "*": a * b, "/": a / b, "neg": -a,
        "r+": 1 + a, "r-": 1 - a, "r*": 3 * a, "r/": 1 / b,
    }  # fmt: skip
    assert {name: float(y.value) for name, y in found.items()} == {
        "+": 2.0, "-": -6.0, "*": -8.0, "/": -0.5, "neg": 2.0,
        "r+": -1.0, "r-": 3.0, "r*": -6.0, "r/": 0.25,
    }  # fmt: skip
    assert {name: float(y.size) for name, y in found.items()} == {
        "+": 8.0, "-": 8.0, "*": 15.0, "/": 0.9375, "neg": 3.0,
        "r+": 4.0, "r-": 4.0, "r*": 9.0, "r/": 0.3125,
    }  # fmt: skip


def test_a_power_amplifies_by_its_exponent() -> None:
    y = Sized(np.array(3.0), np.array(6.0)) ** -2.0
    assert math.isclose(float(y.value), 1 / 9)
    assert math.isclose(float(y.size), (1 + 2 * 2) / 9)


def test_comparisons_are_those_of_the_values() -> None:
    a, b = Sized(X, X * 100), sized(1.0)
    assert (a > b).tolist() == [False, True]
    assert (a >= b).tolist() == [True, True]
    assert (a < 2.0).tolist() == [True, False]
    assert (a <= 1.0).tolist() == [True, False]


def test_a_plain_number_is_as_large_as_it_is() -> None:
    x = sized(-2.0)
    assert (float(x.value), float(x.size)) == (-2.0, 2.0)
    assert sized(x) is x
