"""Balls: numbers with a proven error bound, carrying their derivatives along.

A `Ball` is a truncated power series ``c0 + c1·t + c2·t² + …`` whose coefficients are midpoints with
radii: FLINT's ``arb_series``. Put ``x + t·v`` into a function and c1 of the result encloses the
derivative along v, with no derivative rule of ours in it. NumPy carries balls in object arrays:
``np.sin`` of one calls each element's ``sin``. All that python-flint leaves untyped stays in here.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import operator
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeAlias, cast

import numpy as np

from dezero.contract import Array

Number: TypeAlias = int | float
Series: TypeAlias = Any  # flint.arb_series: python-flint's types cover it in parts only
Coefficient: TypeAlias = Any  # flint.arb, likewise

_flint: Any = importlib.import_module("flint")  # as above
arb: Any = _flint.arb
arb_series: Any = _flint.arb_series
ctx: Any = _flint.ctx


class Undecided(Exception):
    """Two balls overlap, so that which number is larger cannot be told: there may be a kink."""


@contextlib.contextmanager
def precision(bits: int = 128, order: int = 1) -> Generator[None]:
    """Within, balls have so many bits and carry derivatives up to this order."""
    before: tuple[int, int] = (ctx.prec, ctx.cap)
    ctx.prec, ctx.cap = bits, order + 1
    try:
        yield
    finally:
        ctx.prec, ctx.cap = before


class Ball:
    """A power series in t with enclosures for coefficients, as an element of an object array.

    Outside a function's domain the coefficients are indeterminate: the radius is infinite.

    Args:
        value: An exact number, or a series.
    """

    __slots__ = ("series",)
    series: Series

    def __init__(self, value: Number | Series) -> None:
        self.series = value if type(value) is arb_series else arb_series([arb(value)])

    # --- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Ball | Number) -> Ball:
        return _combine(operator.add, self, other)

    def __radd__(self, other: Number) -> Ball:
        return _combine(operator.add, other, self)

    def __sub__(self, other: Ball | Number) -> Ball:
        return _combine(operator.sub, self, other)

    def __rsub__(self, other: Number) -> Ball:
        return _combine(operator.sub, other, self)

    def __mul__(self, other: Ball | Number) -> Ball:
        return _combine(operator.mul, self, other)

    def __rmul__(self, other: Number) -> Ball:
        return _combine(operator.mul, other, self)

    def __truediv__(self, other: Ball | Number) -> Ball:
        return _combine(_quotient, self, other)

    def __rtruediv__(self, other: Number) -> Ball:
        return _combine(_quotient, other, self)

    def __pow__(self, other: Ball | Number) -> Ball:
        return _combine(_power, self, other)

    def __rpow__(self, other: Number) -> Ball:
        return _combine(_power, other, self)

    def __neg__(self) -> Ball:
        return Ball(-self.series)

    def __pos__(self) -> Ball:
        return self

    def __abs__(self) -> Ball:
        return self if self >= 0 else -self

    # --- comparisons, by the value at t = 0 -------------------------------------------------------

    def __lt__(self, other: Ball | Number) -> bool:
        return _order(self, other) < 0

    def __le__(self, other: Ball | Number) -> bool:
        return _order(self, other) <= 0

    def __gt__(self, other: Ball | Number) -> bool:
        return _order(self, other) > 0

    def __ge__(self, other: Ball | Number) -> bool:
        return _order(self, other) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Ball, int, float)):
            return _order(self, other) == 0
        return NotImplemented

    __hash__: None = None  # type: ignore[assignment]  # equality may be undecided: no key of a dict

    def __float__(self) -> float:
        """The midpoint of the value at t = 0: for choices that do not change the result."""
        return float(self.series[0])

    def __repr__(self) -> str:
        return f"Ball({self.series})"

    # --- functions, under the names by which NumPy calls them -------------------------------------

    def exp(self) -> Ball:
        """e to the power x."""
        return Ball(self.series.exp())

    def expm1(self) -> Ball:
        """exp(x) - 1: exp but for the constant term."""
        return _with_value(self.series.exp(), self.series[0].expm1())

    def log(self) -> Ball:
        """Natural logarithm."""
        return Ball(self.series.log())

    def log1p(self) -> Ball:
        """log(1 + x), the constant term computed for itself."""
        return _with_value((self.series + 1).log(), self.series[0].log1p())

    def log2(self) -> Ball:
        """Logarithm to base 2."""
        return Ball(self.series.log() / arb(2).log())

    def sqrt(self) -> Ball:
        """Square root."""
        return Ball(self.series.sqrt())

    def sin(self) -> Ball:
        """Sine."""
        return Ball(self.series.sin())

    def cos(self) -> Ball:
        """Cosine."""
        return Ball(self.series.cos())

    def tan(self) -> Ball:
        """Tangent."""
        return Ball(self.series.tan())

    def arcsin(self) -> Ball:
        """Inverse sine."""
        return Ball(self.series.asin())

    def arccos(self) -> Ball:
        """Inverse cosine."""
        return Ball(self.series.acos())

    def arctan(self) -> Ball:
        """Inverse tangent."""
        return Ball(self.series.atan())

    def sinh(self) -> Ball:
        """(e - 1/e) / 2 with e = exp(x), the constant term computed for itself."""
        e = self.series.exp()
        return _with_value((e - (-self.series).exp()) / 2, self.series[0].sinh())

    def cosh(self) -> Ball:
        """1 + 2 sinh²(x/2): near 0 its slope does not cancel."""
        half = (self * 0.5).sinh().series
        return Ball(1 + 2 * half * half)

    def tanh(self) -> Ball:
        """(1 - u) / (1 + u) with u = exp(-2|x|), the constant term computed for itself."""
        if float(self) < 0:  # any choice is right; this one keeps u small
            return -(-self).tanh()
        u = (self.series * -2).exp()
        return _with_value(_quotient(1 - u, 1 + u), self.series[0].tanh())

    def square(self) -> Ball:
        """x · x."""
        return Ball(self.series * self.series)

    def reciprocal(self) -> Ball:
        """1 / x."""
        return 1 / self

    def conjugate(self) -> Ball:
        """Itself: a ball is real."""
        return self


def _combine(op: Callable[[Series, Series], Series], a: object, b: object) -> Ball:
    operands: list[Series] = []
    for x in (a, b):
        if type(x) is Ball:
            operands.append(x.series)
        elif isinstance(x, (int, float)):
            operands.append(arb_series([arb(x)]))
        else:
            return cast(Ball, NotImplemented)  # Python's word for: ask the other operand
    return Ball(op(*operands))


def _quotient(a: Series, b: Series) -> Series:
    try:
        return a / b
    except ValueError:  # the value of b is 0, exactly
        return _indeterminate()


def _power(a: Series, b: Series) -> Series:
    """Whole exponents by multiplication, for any base; others by exp and log, for positive ones."""
    if b.length() <= 1:
        exponent = b[0]
        if exponent.is_integer() and abs(exponent) <= 10_000:
            try:
                return a ** int(exponent.unique_fmpz())
            except (ValueError, ZeroDivisionError):  # a negative power of 0
                return _indeterminate()
        return a**exponent
    return a**b


def _indeterminate() -> Series:
    return arb_series([arb.nan()] * ctx.cap)


def _with_value(series: Series, value: Coefficient) -> Ball:
    """The series with another enclosure of the same constant term, a sharper one."""
    coefficients = series.coeffs()
    coefficients[:1] = [value]
    return Ball(arb_series(coefficients))


def _order(a: Ball, b: Ball | Number) -> int:
    """-1, 0 or 1 as a < b, a = b or a > b. Raises Undecided where a and b overlap."""
    if a is b:
        return 0
    left = a.series[0]
    right = b.series[0] if type(b) is Ball else arb(b)
    if left < right:
        return -1
    if left > right:
        return 1
    if left == right:  # both exact
        return 0
    raise Undecided(f"{left} and {right} overlap")


# --- arrays ---------------------------------------------------------------------------------------


def constants(x: Array) -> Array:
    """An object array of balls that do not depend on t; doubles are exact."""
    return _array((Ball(value) for value in x.ravel().tolist()), x)


def parameter(degree: int = 1) -> Ball:
    """The series t to a power."""
    return Ball(arb_series([0] * degree + [1]))


def line(x: Array, direction: Array) -> Array:
    """An object array of balls: x + t · direction."""
    pairs = zip(x.ravel().tolist(), direction.ravel().tolist(), strict=True)
    return _array((Ball(arb_series([arb(value), arb(slope)])) for value, slope in pairs), x)


def _array(balls: Iterable[Ball], like: Array) -> Array:
    array = np.empty(like.size, object)
    for i, ball in enumerate(balls):
        array[i] = ball
    return array.reshape(like.shape)


def coefficient(balls: Array, k: int) -> tuple[Array, Array]:
    """The coefficients of t^k as midpoints and radii in float64: each is within mid ± rad.

    Numbers among the balls count as constants.
    """
    mids = np.empty(balls.size)
    rads = np.empty(balls.size)
    for i, ball in enumerate(balls.ravel().tolist()):
        series = ball.series if type(ball) is Ball else arb_series([arb(ball)])
        mids[i], rads[i] = _interval(series[k])
    return mids.reshape(balls.shape), rads.reshape(balls.shape)


def _interval(c: Coefficient) -> tuple[float, float]:
    mid = float(c)
    if not math.isfinite(mid):
        return (math.nan if c.is_nan() else mid), math.inf
    distance = (c - arb(mid)).abs_upper()
    return mid, 0.0 if distance == 0 else math.nextafter(float(distance), math.inf)
