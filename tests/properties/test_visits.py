"""In a backward each rule runs once.

However often the outputs of an application are used: once if the variable depends on it, else not at
all. With a diamond of n levels a naive recursion would run 2ⁿ rules.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_visits(program: Program) -> None:
    holds("visits", DEZERO, program)


@given(IN_FLOAT32)
def test_visits_in_float32(program: Program) -> None:
    holds("visits", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_visits_of_core_simple(program: Program) -> None:
    holds("visits", CORE_SIMPLE, program)
