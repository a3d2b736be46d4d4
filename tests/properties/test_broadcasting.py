"""Implicit broadcasting is explicit broadcasting.

With a `broadcast_to` before every operand that needs one the gradients are the same. Broadcasting is
undone in the engine, in one place; here the engine meets its own operation.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import DEZERO, IN_FLOAT32, IN_FLOAT64, holds


@given(IN_FLOAT64)
def test_broadcasting(program: Program) -> None:
    holds("broadcasting", DEZERO, program)


@given(IN_FLOAT32)
def test_broadcasting_in_float32(program: Program) -> None:
    holds("broadcasting", DEZERO, program)
