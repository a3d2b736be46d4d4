"""Backward adds to the gradients of leaves, and leaves no other trace.

Backward twice doubles the gradients, `cleargrad` resets them. Values on the way keep nothing, unless
`retain_grad` asks for it, and then the same each time. `grad()` gives the same numbers, and touches
none.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_accumulation(program: Program) -> None:
    holds("accumulation", DEZERO, program)


@given(IN_FLOAT32)
def test_accumulation_in_float32(program: Program) -> None:
    holds("accumulation", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_accumulation_of_core_simple(program: Program) -> None:
    holds("accumulation", CORE_SIMPLE, program)
