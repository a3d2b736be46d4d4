"""The laws as properties for pytest: one file for each, which says what the law is.

Every file reads alike: `holds` a law of an engine on random programs. `DEZERO` is tried in float64 and
in float32, `CORE_SIMPLE` in float64 over the operations that it has. What `holds` cannot decide is
counted, and the end of the session asks whether that was often: see `conftest.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dezero.verify.campaign import MOST_UNRESOLVED
from dezero.verify.engines import Engine
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program
from dezero.verify.strategies import programs
from dezero.verify.trial import Trial

DEZERO = DezeroEngine()
CORE_SIMPLE = CoreSimpleEngine()

IN_FLOAT64 = programs(DEZERO.contracts)
IN_FLOAT32 = programs(DEZERO.contracts, ("float32",))
OF_CORE_SIMPLE = programs(CORE_SIMPLE.contracts)

FEW = 50
"""Of fewer samples a share says nothing."""


@dataclass
class Ledger:
    """How often a law was asked, and how often the oracles could not decide.

    Attributes:
        asked: The samples of each law.
        unresolved: Those without a verdict.
    """

    asked: Counter[str] = field(default_factory=Counter[str])
    unresolved: Counter[str] = field(default_factory=Counter[str])

    def balance(self) -> None:
        """Raises AssertionError if a law was left undecided too often to be called tested."""
        for law, asked in self.asked.items():
            share = self.unresolved[law] / asked
            assert asked < FEW or share <= MOST_UNRESOLVED, (
                f"the law `{law}`: {self.unresolved[law]} of {asked} samples are unresolved; "
                f"at most {MOST_UNRESOLVED:.0%} may be"
            )


LEDGER = Ledger()
"""That of the session."""


def holds(law: str, engine: Engine[Any], program: Program, ledger: Ledger = LEDGER) -> None:
    """Asks whether a law holds for a program, run by an engine; if not, raises AssertionError."""
    ledger.asked[law] += 1
    try:
        LAWS[law].check(Trial(engine, program))
    except Unresolved:
        ledger.unresolved[law] += 1
    except Broken as broken:
        raise AssertionError(
            f"{engine.name} breaks the law `{law}`: {LAWS[law].sentence}\n"
            f"  {broken.what}\n"
            f"  expected {broken.expected}\n"
            f"  found    {broken.found}\n"
            f"  program  {program.to_json()}"
        ) from None
