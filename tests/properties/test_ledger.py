"""What the oracles cannot decide does not pass silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dezero.verify.laws import LAWS
from dezero.verify.program import Program, Step

from . import CORE_SIMPLE, DEZERO, Ledger, holds

ONE = np.array(1.0)
SQUARE = Program((ONE,), (Step("square", (0,)),), (1,), (ONE,))
NEXT_TO_A_KINK = Program((np.array(1e-3),), (Step("abs", (0,)),), (1,), (ONE,))


def test_every_law_has_its_file() -> None:
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {*LAWS, "depth"} <= files


def test_what_is_resolved_is_counted() -> None:
    ledger = Ledger()
    holds("gradient", DEZERO, SQUARE, ledger)
    assert (ledger.asked["gradient"], ledger.unresolved["gradient"]) == (1, 0)


def test_what_is_unresolved_is_counted() -> None:
    ledger = Ledger()
    holds("kink", DEZERO, NEXT_TO_A_KINK, ledger)
    assert (ledger.asked["kink"], ledger.unresolved["kink"]) == (1, 1)


def test_a_small_share_passes() -> None:
    ledger = Ledger()
    ledger.asked["kink"], ledger.unresolved["kink"] = 100, 5
    ledger.balance()


def test_of_a_few_samples_no_share_is_taken() -> None:
    ledger = Ledger()
    ledger.asked["kink"], ledger.unresolved["kink"] = 10, 9
    ledger.balance()


def test_a_large_share_fails_and_says_which_law() -> None:
    ledger = Ledger()
    ledger.asked.update(value=900, kink=100)
    ledger.unresolved["kink"] = 6
    with pytest.raises(
        AssertionError, match=r"the law `kink`: 6 of 100 samples are unresolved; at most 5%"
    ):
        ledger.balance()


def test_a_broken_law_shows_the_program() -> None:
    unfair = Program((ONE,), (Step("square", (0,)),), (1,), (np.array([1.0, 2.0]),))
    with pytest.raises((AssertionError, ValueError)):
        holds("gradient", CORE_SIMPLE, unfair, Ledger())
