"""At a kink the gradient is what the contract documents.

Where `relu`, `abs`, `max` … are not differentiable, their rules follow a convention (relu'(0) = 0,
ties in `max` share). A convention of one number lies between the one-sided derivatives. The programs
land on kinks on purpose.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_kink(program: Program) -> None:
    holds("kink", DEZERO, program)


@given(IN_FLOAT32)
def test_kink_in_float32(program: Program) -> None:
    holds("kink", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_kink_of_core_simple(program: Program) -> None:
    holds("kink", CORE_SIMPLE, program)
