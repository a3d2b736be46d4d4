"""Power series with rational coefficients, as elements of object arrays: see `dezero.verify.balls`.

Put ``x + t·v`` into a rational function: the coefficient of t is its derivative along v, exactly, and
twice that of t² its second derivative. No rounding, no tolerance, and no derivative rule of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import zip_longest
from typing import TypeAlias, cast

import numpy as np

from dezero.contract import Array
from dezero.verify.proofs import Element, Operator

Coefficients: TypeAlias = Sequence[Fraction]

ORDER = 2
"""Up to which power of t coefficients are kept."""


@lru_cache(maxsize=4096)
def fraction(number: float) -> Fraction:
    """The real number that a number in a rule or a program stands for.

    A double stands for a simple fraction that rounds to it: 0.1 for a tenth, ``2.0 / 3`` for two
    thirds. Two different doubles never stand for the same number.
    """
    bound, exact = 1, Fraction(number)
    while float(simple := exact.limit_denominator(bound)) != number:
        bound *= 2
    return simple


class Series(Element):
    """``c0 + c1·t + c2·t²``. Comparisons see c0. There is no exp, nor anything else irrational."""

    __slots__ = ("coefficients",)

    def __init__(self, *coefficients: Fraction) -> None:
        self.coefficients: tuple[Fraction, ...] = coefficients

    def combined(self, op: Operator, a: object, b: object) -> Series:
        rule = _ARITHMETIC.get(op)
        operands = [x for x in (_coefficients(a), _coefficients(b)) if x is not None]
        if rule is None or len(operands) < 2:
            return cast(Series, NotImplemented)  # Python's word for: ask the other operand
        return Series(*rule(*operands))

    def sign(self, other: object) -> int:
        if isinstance(other, float) and math.isinf(other):
            return -1 if other > 0 else 1
        coefficients = _coefficients(other)
        if coefficients is None:
            raise TypeError(f"a rational number is compared with {type(other).__name__}")
        a, b = self.coefficients[0], coefficients[0]
        return (a > b) - (a < b)


def _coefficients(x: object) -> Coefficients | None:
    if isinstance(x, Series):
        return x.coefficients
    return (fraction(x),) if isinstance(x, (int, float)) else None


def _sum(a: Coefficients, b: Coefficients) -> Coefficients:
    return [p + q for p, q in zip_longest(a, b, fillvalue=Fraction())]


def _difference(a: Coefficients, b: Coefficients) -> Coefficients:
    return [p - q for p, q in zip_longest(a, b, fillvalue=Fraction())]


def _product(a: Coefficients, b: Coefficients) -> Coefficients:
    c = [Fraction()] * min(len(a) + len(b) - 1, ORDER + 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b[: len(c) - i]):
            c[i + j] += p * q
    return c


def _quotient(a: Coefficients, b: Coefficients) -> Coefficients:
    """c with b · c = a, from the lowest coefficient up."""
    c: list[Fraction] = []
    for k in range(len(a) if len(b) == 1 else ORDER + 1):
        known = sum((b[i] * c[k - i] for i in range(1, min(k + 1, len(b)))), Fraction())
        c.append(((a[k] if k < len(a) else Fraction()) - known) / b[0])
    return c


_ARITHMETIC: Mapping[Operator, Callable[[Coefficients, Coefficients], Coefficients]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
}


# --- arrays ---------------------------------------------------------------------------------------


def constants(x: Array) -> Array:
    """An object array of series that do not depend on t."""
    return _array((Series(fraction(value)) for value in x.ravel().tolist()), x)


def line(x: Array, direction: Array) -> Array:
    """An object array of series: x + t · direction."""
    pairs = zip(x.ravel().tolist(), direction.ravel().tolist(), strict=True)
    return _array((Series(fraction(value), fraction(slope)) for value, slope in pairs), x)


def _array(elements: Iterable[Series], like: Array) -> Array:
    array = np.empty(like.size, object)
    array[:] = list(elements)
    return array.reshape(like.shape)


def parameter() -> Series:
    """The series t."""
    return Series(Fraction(0), Fraction(1))


def vanishes(series: Series | float, k: int) -> bool:
    """Whether the coefficient of t^k is zero."""
    coefficients = _coefficients(series) or ()
    return k >= len(coefficients) or coefficients[k] == 0
