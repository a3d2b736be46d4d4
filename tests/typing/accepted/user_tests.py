"""A user's tests: `check`, the fixture of the plugin for pytest, and strategies for Hypothesis."""

from __future__ import annotations

from typing import Any, assert_type

from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dezero import Function, Variable
from dezero import functions as F
from dezero.verify import REALS, Check, Program, Tally, check, interval, programs, variables

Array = NDArray[Any]


class Double(Function):
    def forward(self, x: Array) -> Array:
        return 2.0 * x

    def backward(self, gy: Variable) -> Variable:
        return 2.0 * gy


def logit(p: Variable) -> Variable:
    return F.log(p / (1.0 - p))


def test_with_the_fixture(dezero_check: Check) -> None:
    assert_type(dezero_check(F.sin), Tally)
    dezero_check(Double)
    dezero_check(Double())
    dezero_check(logit, interval(0, 1), examples=3, seed=1)
    dezero_check(F.mul, REALS, (REALS, (3,)), laws=["gradient"])


assert_type(check(Double, examples=1), Tally)
assert_type(variables(), st.SearchStrategy[Variable])
assert_type(variables((2,), "float32", st.just(1.0)), st.SearchStrategy[Variable])
assert_type(variables(st.just((2,)), st.just("float64"), interval(0, 1)), st.SearchStrategy[Variable])
assert_type(programs(), st.SearchStrategy[Program])
assert_type(programs(["add"], ["float32"]), st.SearchStrategy[Program])
assert_type(st.from_type(Variable), st.SearchStrategy[Variable])


@given(variables())
def test_with_a_strategy(x: Variable) -> None:
    assert_type(x - x, Variable)
