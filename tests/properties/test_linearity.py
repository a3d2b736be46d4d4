"""The gradient is linear in the cotangents.

The pullback of s + 2 o is that of s plus twice that of o, and zeros give zeros. So no rule has state,
a constant term, or a branch that looks at its cotangent.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given

from dezero.verify.program import Program, Step

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_linearity(program: Program) -> None:
    holds("linearity", DEZERO, program)


@given(IN_FLOAT32)
def test_linearity_in_float32(program: Program) -> None:
    holds("linearity", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_linearity_of_core_simple(program: Program) -> None:
    holds("linearity", CORE_SIMPLE, program)


def test_a_rule_that_cancels() -> None:
    """A saturated softmax: what is left of ``gy - sum(gy * y)`` is mostly rounding."""
    x, seed = np.array([2.0, 0.5], np.float32), np.array([-0.5, 2.0], np.float32)
    steps = (Step("pow", (0,), {"c": 3.0}), Step("softmax", (1,), {"axis": 0}))
    holds("linearity", DEZERO, Program((x,), steps, (2,), (seed,)))
