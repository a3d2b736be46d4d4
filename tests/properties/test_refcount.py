"""Reference counting alone frees every graph.

With the garbage collector off, all that a program made dies with the last handle on it: after
backward, after an exception in a rule, under `create_graph`, after the second order. The collector
then finds nothing. And ten thousand iterations do not grow.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from dezero.verify.engines import Engine, V
from dezero.verify.program import Program
from dezero.verify.standing import check_growth

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_refcount(program: Program) -> None:
    holds("refcount", DEZERO, program)


@given(IN_FLOAT32)
def test_refcount_in_float32(program: Program) -> None:
    holds("refcount", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_refcount_of_core_simple(program: Program) -> None:
    holds("refcount", CORE_SIMPLE, program)


@pytest.mark.parametrize("engine", [DEZERO, CORE_SIMPLE], ids=["dezero", "core_simple"])
def test_ten_thousand_iterations_do_not_grow(engine: Engine[V]) -> None:
    check_growth(engine)
