"""Two results side by side: how far they differ, in tolerances, or whether they are the same bits.

What a tolerance is, and whether a difference accuses anyone, the trial says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dezero.contract import Array
from dezero.verify.outcomes import Broken

SAFETY = 10.0
"""How many times the estimated rounding a difference must exceed."""


@dataclass(frozen=True)
class Mismatch:
    """A difference that exceeds its tolerance.

    Attributes:
        what: What was compared.
        array: Which of the arrays, by number.
        index: Where in it.
        expected: The number that should stand there.
        found: The number that stands there.
        margin: The difference, in tolerances.
    """

    what: str
    array: int
    index: tuple[int, ...]
    expected: float
    found: float
    margin: float

    def broken(self) -> Broken:
        """The same as an exception."""
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return Broken(
            f"{self.what} {self.array}{place}",
            repr(self.expected),
            repr(self.found),
            self.margin,
        )


def widened(tolerances: Sequence[Array], errors: Sequence[Array]) -> list[Array]:
    """Tolerances for what may be off by some errors, too."""
    return [t + SAFETY * e for t, e in zip(tolerances, errors, strict=True)]


def alike(found: Array | None, expected: Array) -> bool:
    """Whether two arrays have the same shape, and differences of nothing but zeros."""
    if found is None or found.shape != expected.shape:
        return False
    with np.errstate(all="ignore"):
        return not np.any(found - expected)


def margins_of(found: Array, expected: Array, tolerance: Array) -> Array:
    """The differences, in tolerances; infinite where what was found is not a number."""
    with np.errstate(all="ignore"):
        margins = np.abs(np.subtract(found, expected, dtype=float)) / np.maximum(tolerance, 1e-300)
    margins = np.where(np.isfinite(found), margins, np.inf)
    return np.where(found == expected, 0.0, margins)  # two infinities, too


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Arrays that an engine may spoil."""
    return [x.copy() for x in arrays]


def kept(g: Array | None) -> Array | None:
    """A gradient, safe from what comes after."""
    return None if g is None else g.copy()


def shown(g: Array | None) -> str:
    """An array as an error shows it: every digit."""
    return "None" if g is None else repr(g.tolist())


def same(a: Array | None, b: Array | None) -> bool:
    """Whether two arrays are the same bit for bit."""
    if a is None or b is None:
        return a is b
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if a.dtype.itemsize > 8:  # a long double is padded by bytes that hold whatever was there before
        return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a), np.signbit(b))
    return a.tobytes() == b.tobytes()
