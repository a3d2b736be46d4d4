"""A gradient can be differentiated, and its derivative is symmetric.

Hessian-vector products along random directions equal the second derivative of the reference, which is
proved by power series of balls; and w' H v = v' H w. `core_simple` is of first order and has no part
in this.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import DEZERO, IN_FLOAT32, IN_FLOAT64, holds


@given(IN_FLOAT64)
def test_second_order(program: Program) -> None:
    holds("second_order", DEZERO, program)


@given(IN_FLOAT32)
def test_second_order_in_float32(program: Program) -> None:
    holds("second_order", DEZERO, program)
