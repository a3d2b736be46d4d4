"""A valid program is built and differentiated, and nothing is raised.

What a law compares must first exist: an exception in a valid program is a finding of its own, and not
an error of the test.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_runs(program: Program) -> None:
    holds("runs", DEZERO, program)


@given(IN_FLOAT32)
def test_runs_in_float32(program: Program) -> None:
    holds("runs", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_runs_of_core_simple(program: Program) -> None:
    holds("runs", CORE_SIMPLE, program)
