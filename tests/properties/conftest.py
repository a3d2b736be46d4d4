"""The end of the session asks whether too much was left undecided."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from . import LEDGER


@pytest.fixture(scope="session", autouse=True)
def few_samples_are_unresolved() -> Generator[None]:
    """An error here belongs to no test: it says that a law is hardly tested."""
    yield
    LEDGER.balance()
