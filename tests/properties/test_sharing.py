"""A value that is used twice equals two values, and order does not matter.

A shared step is computed a second time for its last use; steps that do not depend on each other change
places. The function is the same, hence the gradients: only fan-out and the order of the queue are
different.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_sharing(program: Program) -> None:
    holds("sharing", DEZERO, program)


@given(IN_FLOAT32)
def test_sharing_in_float32(program: Program) -> None:
    holds("sharing", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_sharing_of_core_simple(program: Program) -> None:
    holds("sharing", CORE_SIMPLE, program)
