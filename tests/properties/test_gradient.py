"""The gradient of every input is the derivative of the reference.

The derivative is found by complex step, which knows no derivative rule. A difference that rounding
does not explain accuses only after balls have proved it: a false alarm would be a defect of the kit.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_gradient(program: Program) -> None:
    holds("gradient", DEZERO, program)


@given(IN_FLOAT32)
def test_gradient_in_float32(program: Program) -> None:
    holds("gradient", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_gradient_of_core_simple(program: Program) -> None:
    holds("gradient", CORE_SIMPLE, program)
