"""What the derivative of a program is, with an error bound.

A program has one derivative: that of its root, the sum of ``sum(seed * output)`` over its outputs.
Three oracles find it, by ways that have nothing in common but the reference:

* `complex_step`: fast, and exact up to rounding. At a kink it gives the documented convention.
* `enclose_along` and its kin: power series of balls, a proof. Undecided near a kink.
* `ladders`: differences of values alone, for whatever can be evaluated and no more.

At a kink `one_sided` finds the derivatives to the right and to the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dezero.contract import Array
from dezero.verify import balls
from dezero.verify.balls import Ball, Undecided
from dezero.verify.evaluation import apply, evaluate
from dezero.verify.program import Program, ProgramError, Step

__all__ = [
    "BITS",
    "Enclosure",
    "Enclosures",
    "Estimate",
    "Undecided",
    "complex_step",
    "complex_step_along",
    "enclose_along",
    "enclose_gradient",
    "enclose_product",
    "enclose_root",
    "enclose_second",
    "enclose_values",
    "is_smooth",
    "ladders",
    "noise_of",
    "one_sided",
    "root",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative found by extrapolation.

    Attributes:
        value: The derivative.
        error: How far off it may be: an estimate, not a bound.
        resolved: Whether the error is small enough for the value to accuse anyone.
    """

    value: float
    error: float
    resolved: bool


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A proof: the number lies within ``mid ± rad``. An infinite rad proves nothing."""

    mid: float
    rad: float

    def contains(self, value: float, error: float = 0.0) -> bool:
        """Whether some number within ``value ± error`` may be the enclosed one."""
        return self.rad == math.inf or abs(value - self.mid) <= self.rad + error


@dataclass(frozen=True, slots=True)
class Enclosures:
    """Proofs for an array of numbers: each lies within ``mid ± rad``."""

    mid: Array
    rad: Array

    def contains(self, values: Array, errors: Array | float = 0.0) -> bool:
        """Whether numbers within ``values ± errors`` may be the enclosed ones."""
        with np.errstate(invalid="ignore"):
            near = np.abs(values - self.mid) <= self.rad + errors
        return bool(np.all(near | np.isinf(self.rad)))


# --- complex step ---------------------------------------------------------------------------------

_STEP = 200
"""The step is 2^-200 of the coordinate: its square is lost."""


def complex_step(program: Program, values: Sequence[Array] | None = None) -> list[Array]:
    """The gradient of the root, in float64, for each input; an input of float32 is taken exactly.

    The step is 2^-200 of the coordinate, and at least 2^-700. It has to be small beside the coordinate,
    and, times the derivative, a normal number: that is not so for log at 1e-300, exp at -700 or sin at
    1e100. Balls have no such limits.

    Args:
        program: The program.
        values: All of its values in float64, where they are known.

    Raises:
        ProgramError: The program cannot be evaluated.
    """
    program, values = _evaluated(program, values)
    gradients: list[Array] = []
    with np.errstate(all="ignore"):
        for i, x in enumerate(program.inputs):
            gradient = np.zeros(x.shape)
            steps = _affected(program, {i})
            moved = list(values)
            if steps:
                hs = _steps_of(x, 1.0)
                for place in np.ndindex(x.shape):
                    moved[i] = x.astype(np.complex128)
                    moved[i][place] += 1j * hs[place]
                    _replay(steps, moved)
                    gradient[place] = _imaginary(program, moved) / hs[place]
            gradients.append(gradient)
    return gradients


def complex_step_along(program: Program, direction: Sequence[Array]) -> float:
    """The derivative of the root along a direction (an array for each input); raises as above."""
    return _slope_along(program, direction)(0.0)


def _slope_along(program: Program, direction: Sequence[Array]) -> Callable[[float], float]:
    """The function t -> derivative of the root along the direction v, at x + t·v."""
    program, values = _evaluated(program)
    vs = [np.asarray(v, np.float64) for v in direction]
    h = _step_along(program, vs)
    steps = _affected(program, range(len(vs)))

    def slope(t: float) -> float:
        moved = list(values)
        moved[: len(vs)] = [(x + t * v) + 1j * (h * v) for x, v in zip(program.inputs, vs, strict=True)]
        with np.errstate(all="ignore"):
            _replay(steps, moved)
            return _imaginary(program, moved) / h

    return slope


def _step_along(program: Program, direction: Sequence[Array]) -> float:
    """The least of the steps of the inputs."""
    pairs = zip(program.inputs, direction, strict=True)
    return min(float(np.min(_steps_of(x, v), initial=1.0)) for x, v in pairs)


def _steps_of(x: Array, v: Array | float) -> Array:
    """Powers of two h with h·v far below x; below 1 where x is zero."""
    scale = np.frexp(x)[1] - np.frexp(v)[1]
    return np.asarray(np.ldexp(1.0, np.maximum(scale - _STEP, -700)))


def _imaginary(program: Program, values: Sequence[Array]) -> float:
    """The imaginary part of the root."""
    return sum(
        float(np.vdot(seed, np.imag(values[output])))
        for output, seed in zip(program.outputs, program.seeds, strict=True)
        if values[output].dtype.kind == "c"
    )


# --- running a program again ----------------------------------------------------------------------


def _evaluated(
    program: Program, known: Sequence[Array] | None = None
) -> tuple[Program, Sequence[Array]]:
    """The program in float64, with all of its values."""
    if any(x.dtype != np.float64 for x in (*program.inputs, *program.seeds)):
        program = program.astype("float64")
    values = evaluate(program) if known is None else known
    for k, (output, seed) in enumerate(zip(program.outputs, program.seeds, strict=True)):
        if seed.shape != values[output].shape:
            raise ProgramError(
                f"program: seed {k} has shape {seed.shape}; its output, value {output}, "
                f"has {values[output].shape}"
            )
    return program, values


def _affected(program: Program, moved: Collection[int]) -> list[tuple[int, Step]]:
    """The steps between some inputs and the outputs, each with the number of its first value."""
    needed = set(program.outputs)
    places = list(program.places())
    for step, first in reversed(places):
        if not needed.isdisjoint(range(first, first + step.n_out)):
            needed.update(step.operands)
    reached = set(moved)
    steps: list[tuple[int, Step]] = []
    for step, first in places:
        if not reached.isdisjoint(step.operands):
            given = range(first, first + step.n_out)
            reached.update(given)
            if not needed.isdisjoint(given):
                steps.append((first, step))
    return steps


def _replay(steps: Sequence[tuple[int, Step]], values: list[Array]) -> None:
    """Runs the steps again, in place. Their shapes are known to fit."""
    for first, step in steps:
        results = apply(step, [values[i] for i in step.operands])
        values[first : first + len(results)] = results


# --- balls ----------------------------------------------------------------------------------------

BITS = 128
"""The precision of the balls."""
AT_ONCE = 24
"""For how many elements of the inputs one evaluation of balls gives the derivatives. With more, the
longer series cost more than is saved; and FLINT 3.6 ends the process at arcsin of 256 coefficients."""


def enclose_values(program: Program, bits: int = BITS) -> list[Enclosures]:
    """Proofs for the outputs.

    Raises:
        Undecided: A comparison cannot be decided, here and in all functions that enclose.
        ProgramError: The program cannot be evaluated.
    """
    with balls.precision(bits, 0):
        values = evaluate(program, [balls.constants(x) for x in program.inputs])
        return [Enclosures(*balls.coefficient(values[output], 0)) for output in program.outputs]


def enclose_root(program: Program, bits: int = BITS) -> Enclosure:
    """A proof for the value of the root."""
    with balls.precision(bits, 0):
        inputs = [balls.constants(x) for x in program.inputs]
        return _enclosure(_root(program, evaluate(program, inputs)), 0)


def enclose_along(program: Program, direction: Sequence[Array], bits: int = BITS) -> Enclosure:
    """A proof for the derivative of the root along a direction (an array for each input)."""
    with balls.precision(bits, 1):
        inputs = [balls.line(x, v) for x, v in zip(program.inputs, direction, strict=True)]
        return _enclosure(_root(program, evaluate(program, inputs)), 1)


def enclose_gradient(program: Program, bits: int = BITS) -> list[Enclosures]:
    """Proofs for the gradient of the root: one array of them for each input.

    Of n elements at once, the k-th is moved by t^(n + k). Every product of two moves is of degree 2n or
    beyond, and cut off: so the coefficient of t^(n + k) is the derivative by the k-th alone.
    """
    gradient = [Enclosures(np.zeros(x.shape), np.zeros(x.shape)) for x in program.inputs]
    places = [(i, place) for i, x in enumerate(program.inputs) for place in np.ndindex(x.shape)]
    for begin in range(0, len(places), AT_ONCE):
        chosen = places[begin : begin + AT_ONCE]
        n = len(chosen)
        with balls.precision(bits, 2 * n - 1):
            moved = [balls.constants(x) for x in program.inputs]
            for k, (i, place) in enumerate(chosen):
                moved[i][place] += balls.parameter(n + k)
            slopes = _root(program, evaluate(program, moved))
            for k, (i, place) in enumerate(chosen):
                slope = _enclosure(slopes, n + k)
                gradient[i].mid[place], gradient[i].rad[place] = slope.mid, slope.rad
    return gradient


def enclose_second(program: Program, v: Sequence[Array], bits: int = BITS) -> Enclosure:
    """A proof for the second derivative of the root along v: twice the coefficient of t²."""
    with balls.precision(bits, 2):
        inputs = [balls.line(x, a) for x, a in zip(program.inputs, v, strict=True)]
        return _enclosure(2 * _root(program, evaluate(program, inputs)), 2)


def enclose_product(program: Program, v: Sequence[Array], bits: int = BITS) -> list[Enclosures]:
    """Proofs for the product of the root's Hessian with v: one array of them for each input.

    By polarisation: ``e' H v`` is the coefficient of t² along v + e, less those along v and along e.
    The sums v + e must have no rounding in them.
    """
    with balls.precision(bits, 2):

        def along(direction: Sequence[Array]) -> Ball:
            pairs = zip(program.inputs, direction, strict=True)
            return _root(program, evaluate(program, [balls.line(x, d) for x, d in pairs]))

        itself = along(v)
        products: list[Enclosures] = []
        for i, x in enumerate(program.inputs):
            mid, rad = np.zeros(x.shape), np.zeros(x.shape)
            for place in np.ndindex(x.shape):
                e = [np.zeros(d.shape) for d in v]
                e[i][place] = 1.0
                both = along([np.asarray(d + f) for d, f in zip(v, e, strict=True)])
                product = _enclosure(both - itself - along(e), 2)
                mid[place], rad[place] = product.mid, product.rad
            products.append(Enclosures(mid, rad))
        return products


def _root(program: Program, values: Sequence[Array]) -> Ball:
    total = Ball(0)
    for output, seed in zip(program.outputs, program.seeds, strict=True):
        if seed.shape != values[output].shape:
            raise ProgramError(
                f"program: a seed has shape {seed.shape}; its output, value {output}, "
                f"has {values[output].shape}"
            )
        for value, weight in zip(values[output].flat, seed.ravel().tolist(), strict=True):
            total = total + value * weight
    return total


def _enclosure(ball: Ball, k: int) -> Enclosure:
    mid, rad = balls.coefficient(np.array(ball, object), k)
    return Enclosure(float(mid), float(rad))


# --- differences of values ------------------------------------------------------------------------

_LEVELS, _LONGEST = 8, 0.5
EPSILON = float(np.finfo(np.float64).eps)
"""The distance from 1 to the next number of float64."""
_RESOLVED = 1e-6
"""A derivative is resolved when its error is below this part of it …"""
_FLOOR = 100.0
"""… or within so many times the rounding error of the longest step, the least there can be."""
_SPACING = 1e-6
"""Between the values of which the noise is read: so near that a smooth function is a cubic there."""

_Sample = Callable[[float], tuple[float, float]]
"""A step's length h -> an approximation that tends to the derivative with h, and its rounding."""


def ladders(f: Callable[[float], float], bound: float = math.inf, side: int = 0) -> Estimate:
    """The derivative of f at 0 from its values alone: two ladders of Ridders' extrapolation.

    The ladders share neither first step nor ratio, so that what deceives one (a pole or a kink
    between its steps) rarely deceives both; where they disagree, the error says so.

    Args:
        f: A function of a real number, such as t -> root(x + t·v).
        bound: No value is taken at this distance or beyond.
        side: 0 for differences across 0; 1 or -1 for values on that side only.

    Source: C. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", 1982.
    """
    if side == 0:
        noise = noise_of(f, bound)

        def central(h: float) -> tuple[float, float]:
            right, left = f(h), f(-h)
            return (right - left) / (2 * h), EPSILON * (abs(right) + abs(left)) / h

        estimate = _two_ladders(central, _LONGEST, bound, 2, noise)
        shortest = longest_step(bound) / 2.0 ** (_LEVELS - 1)
        return estimate if is_smooth(f, shortest, noise) else replace(estimate, resolved=False)

    at_zero = f(0.0)

    def one_way(h: float) -> tuple[float, float]:
        there = f(side * h)
        return (there - at_zero) / (side * h), 2 * EPSILON * (abs(there) + abs(at_zero)) / h

    return _two_ladders(one_way, 0.1, bound, 1)


def longest_step(bound: float) -> float:
    """The longest step of differences across 0, where no value is taken at this distance or beyond."""
    return min(_LONGEST, 0.9 * bound)


def noise_of(f: Callable[[float], float], bound: float) -> float:
    """How far values of f may lie from those of a smooth function, by what is rounded inside of it.

    Four standard deviations, from the fourth differences of values that are close together.

    Source: J. Moré and S. Wild, "Estimating Computational Noise", 2011, 2.2: each of these differences
    has the variance of the noise times (2k)! / (k!)², which is 70.
    """
    spacing = min(_SPACING, bound / 20)
    with np.errstate(all="ignore"):
        differences = np.diff([f(k * spacing) for k in range(-4, 5)], 4)
        noise = 4 * math.sqrt(np.mean(differences**2) / 70)
    return noise if math.isfinite(noise) else 0.0


def is_smooth(f: Callable[[float], float], h: float, noise: float) -> bool:
    """Whether f(h) + f(-h) - 2 f(0) is a quarter of that for 2h, as for smooth functions, or less."""
    middle = f(0.0)

    def bend(h: float) -> tuple[float, float]:
        right, left = f(h), f(-h)
        rounding = EPSILON * (abs(right) + abs(left) + 2 * abs(middle)) + 4 * noise
        return abs(right + left - 2 * middle), 8 * rounding

    (near, rounding), (far, _) = bend(h), bend(2 * h)
    return near <= 0.4 * far + rounding


def one_sided(program: Program, direction: Sequence[Array]) -> tuple[Estimate, Estimate]:
    """The derivatives of the root along v, just right and just left of x.

    They are the limits, for t from above and from below, of the derivative at x + t·v: where they
    differ by more than their errors, x is a kink.
    """
    slope = _slope_along(program, direction)
    # A derivative times the step, if it is below this, may have become 0.
    lost = float(np.finfo(np.float64).tiny) / _step_along(program, direction)

    def toward(sign: int) -> _Sample:
        def sample(h: float) -> tuple[float, float]:
            there = slope(sign * h)
            return there, 8 * EPSILON * abs(there) + lost

        return sample

    right, left = (_two_ladders(toward(sign), 2.0**-10, math.inf, 1) for sign in (1, -1))
    return right, left


def _two_ladders(
    sample: _Sample, first: float, bound: float, power: int, noise: float = 0.0
) -> Estimate:
    steps = (min(first, 0.9 * bound), min(0.83 * first, 0.71 * bound))
    ladders = ((steps[0], 2.0), (steps[1], 1.7))
    rungs = [_ladder(sample, step, ratio, power, noise) for step, ratio in ladders]
    (value, error), (other, _) = sorted(rungs, key=lambda rung: rung[1])
    error += abs(value - other)
    if not math.isfinite(error):
        return Estimate(math.nan, math.inf, False)
    floor = _FLOOR * max(sample(step)[1] for step in steps)
    return Estimate(value, error, error <= max(_RESOLVED * abs(value), floor))


def _ladder(sample: _Sample, h: float, ratio: float, power: int, noise: float) -> tuple[float, float]:
    """The limit for h -> 0 of samples whose error is a series in h^power, and its error.

    Each column of the table removes the next term of the series and carries the rounding along.
    The entry that differs least from its neighbours wins: not one of the longest steps alone, for where
    they see nothing they agree about that.
    """
    best, least = math.nan, math.inf
    above: list[tuple[float, float]] = []
    for level in range(_LEVELS):
        step = h / ratio**level
        there, rounding = sample(step)
        if not math.isfinite(there):
            return math.nan, math.inf
        row = [(there, rounding + noise / step)]
        for column, (previous, noise_of_previous) in enumerate(above, 1):
            factor = ratio ** (power * column)
            value, noise_of_value = row[-1]
            refined = (factor * value - previous) / (factor - 1)
            carried = (factor * noise_of_value + noise_of_previous) / (factor - 1)
            error = max(abs(refined - value), abs(refined - previous)) + carried
            row.append((refined, carried))
            if error < least and level >= _LEVELS // 2:
                best, least = refined, error
        above = row
    return best, least


def root(program: Program) -> float:
    """The root's value in float64."""
    program, values = _evaluated(program)
    pairs = zip(program.seeds, program.outputs, strict=True)
    return sum(float(np.vdot(seed, values[output])) for seed, output in pairs)
