"""A user's tests, wrongly written; each marked line is an error for both checkers."""

from __future__ import annotations

from dezero import functions as F
from dezero.verify import REALS, Check, check, programs, variables


def test_with_the_fixture(dezero_check: Check) -> None:
    dezero_check(3)  # rejected: no function
    dezero_check(F.sin, 1.0)  # rejected: no domain
    dezero_check(F.sin, (REALS, 3))  # rejected: a shape is a tuple
    dezero_check(F.sin, example=3)  # rejected: no such keyword
    dezero_check(int)  # rejected: a class, but no Function


check(F.sin, seed="random")  # rejected: a seed is a number
check(F.sin, laws=[1])  # rejected: laws have names
variables(shape=3)  # rejected: a shape is a tuple
variables(elements=[1.0])  # rejected: neither a domain nor a strategy
programs([1])  # rejected: operations have names
