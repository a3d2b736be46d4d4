"""How a law ends that does not simply hold: it is broken, or cannot be decided; and what was proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class Broken(Exception):
    """A law does not hold.

    Attributes:
        what: What was looked at, in a sentence.
        expected: What it should be, as text.
        found: What it is, as text.
        margin: By how many times the tolerance was exceeded; infinite where there is none.
        step: The number of the step that is to blame, where that is known.
    """

    def __init__(
        self,
        what: str,
        expected: object = "",
        found: object = "",
        margin: float = np.inf,
        step: int | None = None,
    ) -> None:
        # Half of a surrogate pair, which a target may say and no file can hold, becomes an escape.
        what, expected, found = (
            str(text).encode(errors="backslashreplace").decode() for text in (what, expected, found)
        )
        super().__init__(what, expected, found, margin, step)
        self.what = what
        self.expected: str = expected
        self.found: str = found
        self.margin = margin
        self.step = step


class Unresolved(Exception):
    """The oracles cannot decide whether a law holds here."""


class Convention(Unresolved):
    """The program lies on a kink at which the engine documents another derivative than ours.

    Attributes:
        op: The operation.
    """

    def __init__(self, engine: str, op: str) -> None:
        super().__init__(f"{engine} documents another derivative of {op} at its kinks")
        self.op = op


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was proved of the gradient of a program.

    Attributes:
        ulps: No element of the gradient of any input is further than this from its true value. One ulp
            is the last place of the largest element of that gradient, or of the terms it is summed of,
            or of 1e-12 where those are smaller.
    """

    ulps: float
