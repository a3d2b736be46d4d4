"""The same program gives the same gradients, bit for bit.

No order depends on addresses, on hashes or on what ran before.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_determinism(program: Program) -> None:
    holds("determinism", DEZERO, program)


@given(IN_FLOAT32)
def test_determinism_in_float32(program: Program) -> None:
    holds("determinism", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_determinism_of_core_simple(program: Program) -> None:
    holds("determinism", CORE_SIMPLE, program)
