"""Depth costs no stack: a long chain is built, differentiated and freed by iteration.

The law says a million operations; by default a twentieth, fifty times Python's recursion limit,
and the whole million under the profile "thorough".
"""

from __future__ import annotations

import pytest
from hypothesis import settings

from dezero.verify import standing
from dezero.verify.engines import Engine, V
from dezero.verify.standing import check_depth

from . import CORE_SIMPLE, DEZERO


@pytest.mark.parametrize("engine", [DEZERO, CORE_SIMPLE], ids=["dezero", "core_simple"])
def test_depth(engine: Engine[V], monkeypatch: pytest.MonkeyPatch) -> None:
    if settings.get_current_profile_name() != "thorough":
        monkeypatch.setattr(standing, "DEPTH", 50_000)
    check_depth(engine)
