"""The value of every step is the reference's.

The reference is `dezero.verify.reference`: for each operation the plainest NumPy expression of its
value. Two results that are equal but for rounding are equal: how much rounding may do, the engine
itself tells, by its spread under moves of one unit roundoff.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_value(program: Program) -> None:
    holds("value", DEZERO, program)


@given(IN_FLOAT32)
def test_value_in_float32(program: Program) -> None:
    holds("value", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_value_of_core_simple(program: Program) -> None:
    holds("value", CORE_SIMPLE, program)
