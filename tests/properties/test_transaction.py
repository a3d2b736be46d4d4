"""A rule that raises leaves every gradient as it was.

Leaves receive their gradients after every rule has run. So a failure in the last rule to run changes
nothing.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_transaction(program: Program) -> None:
    holds("transaction", DEZERO, program)


@given(IN_FLOAT32)
def test_transaction_in_float32(program: Program) -> None:
    holds("transaction", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_transaction_of_core_simple(program: Program) -> None:
    holds("transaction", CORE_SIMPLE, program)
