"""Nothing that was given is changed, and a gradient's memory is its own.

Backward writes into no value, no saved array and no cotangent; and a gradient shares memory with
nothing, so that whoever modifies `p.grad.data` in place changes nothing else.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_isolation(program: Program) -> None:
    holds("isolation", DEZERO, program)


@given(IN_FLOAT32)
def test_isolation_in_float32(program: Program) -> None:
    holds("isolation", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_isolation_of_core_simple(program: Program) -> None:
    holds("isolation", CORE_SIMPLE, program)
