"""Under `no_grad` nothing is recorded, and no value changes.

The region ends with its block, also by an exception. It does not reach another thread, nor leak out of
a suspended generator.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from dezero.verify.engines import Engine, V
from dezero.verify.program import Program
from dezero.verify.standing import check_regions

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_no_graph(program: Program) -> None:
    holds("no_graph", DEZERO, program)


@given(IN_FLOAT32)
def test_no_graph_in_float32(program: Program) -> None:
    holds("no_graph", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_no_graph_of_core_simple(program: Program) -> None:
    holds("no_graph", CORE_SIMPLE, program)


@pytest.mark.parametrize("engine", [DEZERO, CORE_SIMPLE], ids=["dezero", "core_simple"])
def test_a_region_stays_in_its_thread_and_generator(engine: Engine[V]) -> None:
    check_regions(engine)
