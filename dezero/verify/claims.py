"""What a target claims to have, and what it does not: that was not verified, and never counts so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dezero.verify.catalogue import CORE, OPERATIONS
from dezero.verify.engines import Engine
from dezero.verify.engines.opaque import OpaqueEngine
from dezero.verify.laws import SENTENCES

PROFILES: Mapping[str, tuple[str, ...]] = {"core": CORE, "extended": tuple(OPERATIONS)}
"""The operations of each profile. Of `core` a target must have all; of `extended` it may leave out."""


@dataclass(frozen=True)
class Claims:
    """What a target claims.

    Attributes:
        profile: One of `PROFILES`.
        operations: The operations that it does not claim, each with the reason if there is one.
        laws: The laws that cannot be held against it.
        lacking: What it lacks, though the profile demands it, in words.
    """

    profile: str = "extended"
    operations: Mapping[str, str] = field(default_factory=dict[str, str])
    laws: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def not_claimed(self) -> list[str]:
        """All that it does not claim, in words."""
        return [_with_reason(*of) for of in self.operations.items()] + [
            f"the law {n}" for n in self.laws
        ]


def claims_of(engine: Engine[Any], profile: str) -> Claims:
    """What an engine claims.

    Args:
        engine: The engine, of whatever variables.
        profile: One of `PROFILES`.
    """
    known = _laws_of(engine)
    reasons = engine.not_claimed if isinstance(engine, OpaqueEngine) else {}
    lacks = [name for name in OPERATIONS if name not in engine.contracts]
    unknown = {name: why for name, why in reasons.items() if name not in OPERATIONS}
    operations = {name: reasons.get(name, "") for name in lacks} | unknown
    lacking = [_with_reason(name, operations[name]) for name in lacks if name in CORE]
    if "gradient" not in known:
        lacking.append("gradients (the feature vjp)")
    return Claims(
        profile,
        operations,
        tuple(law for law in SENTENCES if law not in known),
        tuple(lacking) if profile == "core" else (),
    )


def _laws_of(engine: Engine[Any]) -> Collection[str]:  # of whatever variables
    if isinstance(engine, OpaqueEngine):
        return engine.laws
    return SENTENCES if engine.differentiates_twice else SENTENCES.keys() - {"second_order"}


def _with_reason(name: str, reason: str) -> str:
    return f"{name} ({reason})" if reason else name
