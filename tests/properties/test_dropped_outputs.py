"""What is held makes no difference.

Outputs are held weakly. Whether a value on the way still has a handle, or was dropped as soon as it
was used, the gradients are the same bit for bit.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_dropped_outputs(program: Program) -> None:
    holds("dropped_outputs", DEZERO, program)


@given(IN_FLOAT32)
def test_dropped_outputs_in_float32(program: Program) -> None:
    holds("dropped_outputs", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_dropped_outputs_of_core_simple(program: Program) -> None:
    holds("dropped_outputs", CORE_SIMPLE, program)
