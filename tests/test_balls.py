"""Balls enclose what they stand for: checked in more digits, and at the awkward places."""

from __future__ import annotations

import importlib
import math
import operator
from typing import Any

import numpy as np
import pytest

from dezero.verify import balls
from dezero.verify.balls import Ball, Undecided

flint: Any = importlib.import_module("flint")  # python-flint is typed in parts only

UNARY: dict[str, tuple[str, list[float]]] = {
    "exp": ("exp", [0.3, -700.0, 900.0, 1e-30]),
    "expm1": ("expm1", [0.3, 1e-60, -1e-25, -700.0, 0.0]),
    "log": ("log", [0.3, 1e-300, 1e300, 1.0]),
    "log1p": ("log1p", [0.3, 1e-60, -1e-25, -0.999, 0.0]),
    "sqrt": ("sqrt", [0.3, 1e-300, 2.0]),
    "sin": ("sin", [0.3, 1e-60, 1e6, 0.0]),
    "cos": ("cos", [0.3, 1e-60, 1e6, 0.0]),
    "tan": ("tan", [0.3, 1e-60, 1.5, 0.0]),
    "sinh": ("sinh", [0.3, 1e-60, -900.0, 0.0]),
    "cosh": ("cosh", [0.3, 1e-60, -900.0, 0.0]),
    "tanh": ("tanh", [0.3, 1e-60, -1000.0, 1000.0, -20.0, 0.0]),
    "arcsin": ("asin", [0.3, 1e-60, -0.999999]),
    "arccos": ("acos", [0.3, 1e-60, -0.999999]),
    "arctan": ("atan", [0.3, 1e-60, -1e9]),
}


def one(x: float) -> Any:  # an object array of one ball
    return balls.line(np.array([x]), np.array([1.0]))


@pytest.mark.parametrize(("name", "x"), [(name, x) for name in UNARY for x in UNARY[name][1]])
def test_functions_enclose_value_and_derivatives_sharply(name: str, x: float) -> None:
    ufunc: Any = getattr(np, name)  # a ufunc by its name
    with balls.precision(128, 2):
        series = ufunc(one(x))[0].series
    with balls.precision(6000, 2):  # the truth: values, and quotients of differences of them
        exact = getattr(flint.arb(x), UNARY[name][0])()
        h = flint.arb(2) ** -200 * (abs(flint.arb(x)) if x else 1)
        right = getattr(flint.arb(x) + h, UNARY[name][0])()
        left = getattr(flint.arb(x) - h, UNARY[name][0])()
        slope = (right - left) / (2 * h)
        assert series[0].overlaps(exact)
        assert series[0].rad() <= abs(exact) * 2.0**-100 + 2.0**-1000
        assert abs(series[1].mid() - slope) <= abs(slope) * 2.0**-100 + 2.0**-1000
        assert series[1].rad() <= abs(slope) * 2.0**-100 + 2.0**-1000
        bend = (right - 2 * exact + left) / (2 * h * h)
        assert abs(series[2].mid() - bend) <= (abs(bend) + abs(slope)) * 2.0**-90 + 2.0**-1000


def test_sixty_digits_of_a_composed_function() -> None:
    with balls.precision(256, 1):
        y = np.log1p(np.tanh(one(0.7)) * np.exp(one(-0.2)) + 3) ** 3
        found = y[0].series[1]
        x, z = flint.arb(0.7), flint.arb(-0.2)
        inner = x.tanh() * z.exp()
        slope = z.exp() * (1 - x.tanh() ** 2) + inner
        expected = 3 * (inner + 3).log1p() ** 2 * slope / (inner + 4)
        assert found.overlaps(expected)
        assert found.rel_accuracy_bits() > 200


def test_arithmetic_with_numbers_on_either_side() -> None:
    with balls.precision():
        x = one(4.0)
        for y, value, slope in (
            (x + 1, 5.0, 1.0),
            (1 - x, -3.0, -1.0),
            (2 / x, 0.5, -0.125),
            (x / 2.0, 2.0, 0.5),
            (x**2, 16.0, 8.0),
            (x**-1, 0.25, -0.0625),
            (x**0, 1.0, 0.0),
            (x**0.5, 2.0, 0.25),
            (2.0**x, 16.0, 16 * math.log(2)),
            (x**x, 256.0, 256 * (1 + math.log(4))),
            ((-x) ** 3, -64.0, -48.0),
            (np.log2(x), 2.0, 1 / (4 * math.log(2))),
            (abs(-x), 4.0, 1.0),
            (np.square(x), 16.0, 8.0),
            (np.reciprocal(x), 0.25, -0.0625),
            (np.array([3.0]) * x, 12.0, 3.0),
            (x[0] * np.array([3.0]), 12.0, 3.0),
        ):
            for k, expected in enumerate((value, slope)):
                mid, rad = balls.coefficient(y, k)
                assert abs(mid[0] - expected) <= rad[0] + 1e-14
                assert rad[0] <= 1e-13


def test_powers_of_zero() -> None:
    with balls.precision():
        zero = one(0.0)
        for exponent, value, slope in ((0, 1.0, 0.0), (1, 0.0, 1.0), (2, 0.0, 0.0)):
            assert balls.coefficient(zero**exponent, 0)[0][0] == value
            assert balls.coefficient(zero**exponent, 1)[0][0] == slope
        assert balls.coefficient(zero**-1, 0)[1][0] == math.inf


@pytest.mark.parametrize(
    ("ufunc", "x"), [(np.log, -1.0), (np.sqrt, -1.0), (np.arcsin, 2.0), (np.log1p, -3.0)]
)
def test_outside_the_domain_nothing_is_proved(ufunc: Any, x: float) -> None:
    with balls.precision():
        _, rad = balls.coefficient(ufunc(one(x)), 0)
        assert rad[0] == math.inf
        assert balls.coefficient(1 / (one(x) - x), 1)[1][0] == math.inf


def test_comparisons_by_value() -> None:
    with balls.precision():
        third = Ball(1) / 3
        again = Ball(2) / 6 + Ball(1) / 7 - Ball(1) / 7
        assert Ball(1) < Ball(2) <= Ball(2) < third * 9 > 2
        assert Ball(1) >= 1 != Ball(2)
        assert Ball(0) == 0
        assert third == third  # the same object is the same number
        assert third != 1
        for a, b in ((third, again), (Ball(math.nan), Ball(1))):
            for compare in (operator.lt, operator.ge, operator.eq, operator.ne):
                with pytest.raises(Undecided, match="overlap"):
                    compare(a, b)
        assert (Ball(1) == "one") is False


def test_doubles_are_exact() -> None:
    x = np.array([[0.1, -1e-300], [1e300, 5e-324]])
    with balls.precision():
        mid, rad = balls.coefficient(balls.constants(x), 0)
        np.testing.assert_array_equal(mid, x)
        np.testing.assert_array_equal(rad, 0.0)
        moved = balls.line(x, np.full((2, 2), 1e-20))
        assert moved.shape == (2, 2)
        assert moved[0, 0].series[1] == flint.arb(1e-20)
        assert balls.line(np.array(1.0), np.array(2.0)).shape == ()


def test_radii_are_rounded_up() -> None:
    with balls.precision():
        third = np.array([Ball(1) / 3, 2.0, Ball(math.nan)], object)
        mid, rad = balls.coefficient(third, 0)
        assert mid[0] == 1 / 3
        distance = abs(flint.arb(mid[0]) - flint.arb(1) / 3)
        assert flint.arb(rad[0]) >= distance
        assert rad[0] < 1e-16
        assert (mid[1], rad[1]) == (2.0, 0.0)
        assert rad[2] == math.inf
        assert balls.coefficient(third, 1)[0][1] == 0.0


def test_the_precision_is_restored_even_after_an_error() -> None:
    before = (flint.ctx.prec, flint.ctx.cap)
    with balls.precision(300, 2):
        assert (flint.ctx.prec, flint.ctx.cap) == (300, 3)
    with pytest.raises(ZeroDivisionError), balls.precision(300, 2):
        _ = 1 // 0
    assert (flint.ctx.prec, flint.ctx.cap) == before


def test_array_operations_carry_balls() -> None:
    with balls.precision():
        x = balls.line(np.arange(6.0).reshape(2, 3), np.ones((2, 3)))
        results: list[tuple[Any, float]] = [  # balls, which NumPy's types do not know
            (x.sum(), 6.0),
            ((x @ x.T)[0, 0], 6.0),
            (np.max(x), 1.0),
            (np.prod(x[1]), 47.0),
            (np.cumsum(x)[-1], 6.0),
        ]
        for y, slope in results:
            assert balls.coefficient(np.array(y, object), 1)[0] == slope


def test_a_ball_shows_its_series() -> None:
    assert "1.5" in repr(Ball(1.5))
    assert float(Ball(1.5)) == 1.5
    with pytest.raises(TypeError):
        hash(Ball(1))
