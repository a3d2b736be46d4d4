"""Rules read with exact numbers: ⟨w, A v⟩ = ⟨A'w, v⟩ for random shapes and attributes, no tolerance.

A is the derivative of the reference f at x: ⟨w, f(x + t·v)⟩ is a power series in t, and its coefficient
of t is ⟨w, A v⟩. (Where f is linear, A v is f(v).) A'w is what the rule gives. Its own series, at
x + t·v, gives the second derivative along v: twice the coefficient of t² on the left, that of t on the
right. With rationals the value is compared, too: that of `forward`, at x.

w and v are random integers of 32 bits, for every element: a bilinear equation that does not hold for
all of them holds by chance with a probability of at most 2⁻³¹ (Schwartz and Zippel), and v has a part
of its own in each operand. What is a sample are x and, above all, shapes and attributes: empty and 0-d
ones are among them wherever the contract allows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dezero import arrays
from dezero.contract import Array, Contract
from dezero.operation import Operation
from dezero.verify import balls
from dezero.verify.attributes import SHAPES
from dezero.verify.decoding import decode
from dezero.verify.evaluation import apply
from dezero.verify.program import Program, ProgramError
from dezero.verify.proofs import Refuted, Unproved, pulled, rationals

SAMPLES = 6 * len(SHAPES)
"""How many applications of an operation are read: six with each of the shapes, as far as they fit."""

WIDEST = 1e-20
"""The largest radius of an enclosure of zero that counts."""

Element = Any  # of an object array: a rational series or a ball


@dataclass(frozen=True)
class Numbers:
    """A kind of power series: `rationals` or `balls`.

    Attributes:
        constants: An array of series that do not depend on t.
        line: An array of series x + t · direction.
        parameter: The series t.
        vanishes: Whether the coefficient of t^k is zero.
    """

    constants: Callable[[Array], Array]
    line: Callable[[Array, Array], Array]
    parameter: Callable[[], Element]
    vanishes: Callable[[Element, int], bool]


def _encloses_zero(ball: Element, k: int) -> bool:
    (middle,), (radius,) = balls.coefficient(np.array([ball], object), k)
    holds_zero = not abs(middle) > radius
    if holds_zero and not radius < WIDEST:
        raise Unproved(f"an enclosure is too wide: its radius is {radius:g}")
    return holds_zero


RATIONALS = Numbers(rationals.constants, rationals.line, rationals.parameter, rationals.vanishes)
BALLS = Numbers(balls.constants, balls.line, balls.parameter, _encloses_zero)


def check(operation: type[Operation], numbers: Numbers) -> int:
    """Reads the rule of an operation at random operands; returns how many times.

    Raises:
        Refuted: An equation does not hold.
        Unproved: The reference cannot be computed with such numbers, or not sharply enough.
    """
    bits = random.Random(operation.contract.name)
    for program in samples(operation.contract):
        with balls.precision(256, rationals.ORDER):
            try:
                _check(operation, program, numbers, bits)
            except balls.Undecided as error:
                raise Unproved(f"a comparison is undecided: {error}") from error
    return SAMPLES


def samples(contract: Contract) -> Iterator[Program]:
    """Programs of one step: the operation, on operands of all kinds; the same at every call."""
    bits = random.Random(contract.name)
    for number in range(SAMPLES):
        sources = [(i, bits.randrange(256)) for i in range(len(SHAPES))]
        record = (0, number, bits.getrandbits(64))
        yield decode([contract], sources, [record], 0, "float64")


def _check(operation: type[Operation], program: Program, numbers: Numbers, bits: random.Random) -> None:
    def integers(like: Array) -> Array:
        drawn = np.array([bits.getrandbits(32) - 2**31 for _ in range(like.size)], object)
        return drawn.reshape(like.shape)

    (step,) = program.steps
    x0s = [program.inputs[i] for i in step.operands]
    vs = [integers(x) for x in x0s]
    xs = [numbers.line(x, v) for x, v in zip(x0s, vs, strict=True)]
    where = f"at {', '.join(str(x.shape) for x in x0s)}, {dict(step.attributes)}"
    try:
        ys = apply(step, xs)
    except ProgramError as error:
        raise Unproved("not rational") from error
    function = operation(**step.attributes)
    if numbers is RATIONALS:
        _check_value(function, xs, ys, where)
    ws = [integers(y) for y in ys]
    gxs = pulled(function, arrays, xs, ys, [numbers.constants(w) for w in ws])
    try:
        gxs = [arrays.sum_to(g, x.shape) for g, x in zip(gxs, xs, strict=True)]
        t, left, right = numbers.parameter(), _inner(ws, ys), _inner(gxs, vs)
    except (TypeError, ValueError) as error:
        raise Refuted(f"{where}: the rule gives what is no cotangent: {error}") from error
    for k in range(1, rationals.ORDER + 1):
        if not numbers.vanishes(k * left - t * right, k):
            raise Refuted(f"{where}: derivative {k} along a line is not that of the reference")


def _inner(ws: Sequence[Array], ys: Sequence[Array]) -> Element:
    """⟨w, y⟩."""
    return sum(np.sum(w * y) for w, y in zip(ws, ys, strict=True))


def _check_value(function: Operation, xs: Sequence[Array], ys: Sequence[Array], where: str) -> None:
    """Not the slopes: at a kink forward picks one of them, and the rule is what says which is meant."""
    try:
        given = function.forward(*xs)
    except TypeError:  # it is for floats only: then only the law `value` compares it
        return
    values = given if isinstance(given, tuple) else (given,)
    for value, y in zip(values, ys, strict=True):
        if value.shape != y.shape:
            raise Refuted(f"{where}: the value has shape {value.shape}, the reference {y.shape}")
        if not all(rationals.vanishes(d, 0) for d in np.asarray(value - y).ravel().tolist()):
            raise Refuted(f"{where}: the value is not the reference's")
