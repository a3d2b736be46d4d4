"""Known failures: what a target is known to do wrong, each with the reason why that is borne with.

A file of them is a JSON list of `{"op": …, "law": …, "reason": …}`. A campaign that finds a program
with the operation that breaks the law counts it, and goes on: programs with that operation are no
longer held against that law. One that is never found, though there was every chance, is out of date:
an error.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from dezero.verify.program import Json, Program

ENOUGH = 20
"""In how many programs with its operation a law must hold until a known failure passes unexpectedly."""
MOST = 10_000
"""How many known failures a file may have."""
_KEYS = ("op", "law", "reason")


class KnownFailureError(ValueError):
    """A file of known failures is malformed: where, what came, and what was expected."""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """What a target is known to do wrong.

    Attributes:
        op: The operation.
        law: The law that programs with it break.
        reason: Why that is borne with.
    """

    op: str
    law: str
    reason: str

    def concerns(self, program: Program) -> bool:
        """Whether the operation stands in a program."""
        return any(step.op == self.op for step in program.steps)


def read(text: str, where: str, ops: Collection[str], laws: Collection[str]) -> list[KnownFailure]:
    """The known failures that a file's text lists.

    Args:
        text: The text.
        where: The name of the file, for errors.
        ops: The operations that there are.
        laws: The laws that there are.

    Raises:
        KnownFailureError: It is no such list, or an entry has no reason, or stands there twice.
    """
    try:
        decoded = cast(Json, json.loads(text))  # JSON and nothing else
    except (ValueError, RecursionError) as error:
        raise KnownFailureError(f"{where}: not JSON: {error}") from None
    if not isinstance(decoded, list) or len(decoded) > MOST:
        raise KnownFailureError(f"{where}: {_shown(decoded)}; expected a list of up to {MOST} objects")
    failures: list[KnownFailure] = []
    for number, entry in enumerate(decoded):
        failure = _entry(entry, f"{where}: entry {number}", ops, laws)
        for earlier, other in enumerate(failures):
            if (other.op, other.law) == (failure.op, failure.law):
                raise KnownFailureError(
                    f"{where}: entry {number}: {failure.op} and {failure.law} stand in entry {earlier}"
                )
        failures.append(failure)
    return failures


def _entry(entry: Json, where: str, ops: Collection[str], laws: Collection[str]) -> KnownFailure:
    if not isinstance(entry, dict):
        raise KnownFailureError(f"{where}: {_shown(entry)}; expected an object with {', '.join(_KEYS)}")
    for key in entry:
        if key not in _KEYS:
            raise KnownFailureError(f"{where}: {_shown(key)}; expected only {', '.join(_KEYS)}")
    op, law, reason = (entry.get(key) for key in _KEYS)
    if not isinstance(op, str) or op not in ops:
        raise KnownFailureError(f"{where}: op is {_shown(op)}; expected the name of an operation")
    if not isinstance(law, str) or law not in laws:
        raise KnownFailureError(f"{where}: law is {_shown(law)}; expected one of {', '.join(laws)}")
    if not isinstance(reason, str) or not reason.strip():
        raise KnownFailureError(f"{where}: reason is {_shown(reason)}; expected why it is borne with")
    return KnownFailure(op, law, reason)


def _shown(value: Json) -> str:
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
