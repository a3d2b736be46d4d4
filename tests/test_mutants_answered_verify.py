"""What the suite did not notice of the kit until `make mutants` asked: see docs/mutants.md."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from dezero.contract import Array
from dezero.verify import evaluation, oracles, reference_conv
from dezero.verify.oracles import (
    Enclosure,
    Enclosures,
    Estimate,
    complex_step,
    complex_step_along,
    enclose_along,
    enclose_gradient,
    enclose_product,
    enclose_root,
    enclose_second,
    enclose_values,
    ladders,
    one_sided,
    root,
)
from dezero.verify.program import Program, Step

ONE = np.array(1.0)
EPSILON = float(np.finfo(np.float64).eps)
TINY = float(np.finfo(np.float64).tiny)


def of_one(x: float, *steps: Step) -> Program:
    """A program of one number, whose last value is the root."""
    return Program((np.array(x),), steps, (len(steps),), (ONE,))


# --- what was found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found", [Estimate(1.0, 0.5, True), Enclosure(1.0, 0.5), Enclosures(np.ones(1), np.zeros(1))]
)
def test_what_an_oracle_found_stays_and_takes_no_more(found: object) -> None:
    name = next(iter(type(found).__annotations__))
    with pytest.raises(FrozenInstanceError):
        setattr(found, name, 2.0)
    assert not hasattr(found, "__dict__")


def test_an_enclosure_of_infinity_contains_what_it_may_and_does_not_warn() -> None:
    endless = Enclosures(np.array([np.inf, 1.0]), np.array([np.inf, 0.5]))
    assert endless.contains(np.array([np.inf, 1.5]))
    assert endless.contains(np.array([np.inf, 2.0]), 0.5)
    assert not endless.contains(np.array([np.inf, 2.0]))
    assert Enclosure(1.0, 0.5).contains(1.5)
    assert Enclosure(1.0, 0.5).contains(2.0, 0.5)
    assert not Enclosure(1.0, 0.5).contains(1.6)


# --- balls ----------------------------------------------------------------------------------------

LOST = Program(
    (np.array([2.0**60]), ONE), (Step("add", (0, 1)), Step("sub", (2, 0))), (3,), (np.ones(1),)
)
"""(2⁶⁰ + 1) - 2⁶⁰, which floating-point numbers say is 0."""


def test_a_proof_of_values_is_one_by_balls() -> None:
    (proof,) = enclose_values(LOST)
    assert (proof.mid.tolist(), proof.rad.tolist()) == ([1.0], [0.0])
    assert enclose_root(LOST) == Enclosure(1.0, 0.0)
    assert root(LOST) == 0.0


def test_more_bits_make_a_narrower_proof() -> None:
    """Where 2⁶⁰ and the exponential of 1 cancel, 50 bits are none too many."""
    steps = Step("exp", (0,)), Step("add", (1, 2)), Step("sub", (3, 1))
    program = Program((ONE, np.array(2.0**60)), steps, (4,), (ONE,))
    along = [np.array(0.5), np.array(2.0**60)]
    for few, many in (
        (enclose_root(program, 50), enclose_root(program)),
        (enclose_values(program, 50)[0], enclose_values(program)[0]),
        (enclose_along(program, along, 50), enclose_along(program, along)),
        (enclose_gradient(program.with_inputs([ONE, ONE]), 20)[0],) * 2,
    ):
        assert np.all(np.asarray(few.rad) >= np.asarray(many.rad))
    assert enclose_root(program, 50).rad > 1 > 1e-12 > enclose_root(program).rad
    assert enclose_values(program, 50)[0].rad > 1 > 1e-12 > enclose_values(program)[0].rad
    assert enclose_along(program, along, 50).rad > 1 > 1e-12 > enclose_along(program, along).rad


OF_TWO = Program((ONE, np.ones(2)), (Step("mul", (0, 1)),), (2,), (np.ones(2),))
ALONG = [ONE, np.ones(2)]


@pytest.mark.parametrize(
    "oracle", [complex_step_along, one_sided, enclose_along, enclose_second, enclose_product]
)
@pytest.mark.parametrize("direction", [ALONG[:1], [*ALONG, ONE]])
def test_a_direction_has_an_array_for_each_input(
    oracle: Callable[[Program, Sequence[Array]], object], direction: Sequence[Array]
) -> None:
    oracle(OF_TWO, ALONG)
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is (shorter|longer)"):
        oracle(OF_TWO, direction)


# --- complex step ---------------------------------------------------------------------------------


def test_values_that_are_known_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    values = evaluation.evaluate(OF_TWO)

    def never(*_: object) -> list[Array]:
        raise AssertionError("they are known")

    monkeypatch.setattr(oracles, "evaluate", never)
    assert [g.tolist() for g in complex_step(OF_TWO, values)] == [2.0, [1.0, 1.0]]


def watched(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    """What a function of the reference is given from now on."""
    seen: list[Array] = []
    function = evaluation.FUNCTIONS[name]

    def seeing(x: Any) -> Any:  # arrays of any numbers
        seen.append(x)
        return function(x)

    monkeypatch.setattr(evaluation, "FUNCTIONS", {**evaluation.FUNCTIONS, name: seeing})
    return seen


@pytest.mark.parametrize(
    ("program", "times"),
    [
        # What is needed of sin: it is, it is not (nor is what needs it), or for another input only.
        (of_one(1.0, Step("neg", (0,)), Step("sin", (1,))), 1),
        (Program((ONE,), (Step("neg", (0,)), Step("sin", (1,))), (1,), (ONE,)), 0),
        (Program((ONE,), (Step("sin", (0,)), Step("neg", (0,))), (2,), (ONE,)), 0),
        (Program((ONE,), (Step("neg", (0,)), Step("sin", (0,)), Step("neg", (2,))), (1,), (ONE,)), 0),
        (Program((ONE, ONE), (Step("neg", (0,)), Step("sin", (1,))), (2, 3), (ONE, ONE)), 1),
    ],
)
def test_only_what_lies_between_an_input_and_the_outputs_is_run_again(
    program: Program, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched("sin", monkeypatch)
    complex_step(program)
    assert sum(np.iscomplexobj(x) for x in seen) == times


def test_beyond_the_largest_number_nothing_warns() -> None:
    program = of_one(1000.0, Step("exp", (0,)))
    assert not np.isfinite(complex_step(program)[0])
    assert not np.isfinite(complex_step_along(program, [ONE]))
    assert not any(side.resolved for side in one_sided(program, [ONE]))


def test_a_direction_of_another_kind_of_number_is_taken_exactly() -> None:
    program = Program((np.ones(2),), (Step("square", (0,)),), (1,), (np.ones(2),))
    for kind in (np.float32, np.float16, np.int64):
        assert complex_step_along(program, [np.array([1, 2], kind)]) == 6.0


def test_the_root_of_a_program_in_float32_is_found_in_float64() -> None:
    x = np.array(0.1, np.float32)
    program = Program((x,), (Step("exp", (0,)),), (1,), (np.array(1.0, np.float32),))
    assert root(program) == math.exp(float(x))
    assert complex_step_along(program, [ONE]) == pytest.approx(math.exp(float(x)), rel=1e-14)


# --- differences ----------------------------------------------------------------------------------


def steps_of(first: float, ratios: tuple[float, float] = (2.0, 1.7)) -> list[float]:
    """The step lengths of the two ladders, of eight rungs each."""
    firsts = first, 0.83 * first
    return sorted(h / r**k for h, r in zip(firsts, ratios, strict=True) for k in range(8))


def asked(side: int, bound: float = math.inf) -> list[float]:
    """Where the ladders ask for a value, but for 0."""
    at: set[float] = set()

    def f(t: float) -> float:
        at.add(t)
        return t

    ladders(f, bound, side)
    return sorted(at - {0.0})


def test_the_ladders_have_no_step_in_common() -> None:
    both = steps_of(0.5)
    assert len(set(both)) == 16
    both = [1e-6 * k for k in (1, 2, 3, 4)] + both  # where the noise is read
    assert asked(0) == pytest.approx([*(-h for h in reversed(both)), *both], rel=1e-14)
    assert asked(1) == pytest.approx(steps_of(0.1), rel=1e-14)
    assert asked(-1) == pytest.approx([-h for h in reversed(steps_of(0.1))], rel=1e-14)


def test_the_shortest_step_is_looked_at_twice() -> None:
    """By the ladder, and by who asks whether the function is smooth there, and at twice the step."""
    for bound, first in ((math.inf, 0.5), (0.01, 0.9 * 0.01)):
        at: list[float] = []

        def f(t: float, at: list[float] = at) -> float:
            at.append(t)
            return t

        ladders(f, bound)
        assert [at.count(first / 2.0**k) for k in (5, 6, 7)] == [1, 2, 2]
        assert [at.count(-first / 2.0**k) for k in (5, 6, 7)] == [1, 2, 2]


def test_the_noise_is_four_deviations_read_off_fourth_differences() -> None:
    at: list[float] = []

    def of(t: float) -> float:
        at.append(t)
        return float(len(at) == 5)  # 1 in the middle: of it the fourth differences are 1, -4, 6, -4, 1

    assert oracles.noise_of(of, math.inf) == pytest.approx(4 * math.sqrt(14 / 70), rel=1e-14)
    assert at == pytest.approx([k * 1e-6 for k in range(-4, 5)], rel=1e-14)
    at.clear()
    oracles.noise_of(of, 1e-6)
    assert at == pytest.approx([k * 5e-8 for k in range(-4, 5)], rel=1e-14)
    assert oracles.noise_of(lambda t: math.nan, math.inf) == 0.0
    assert oracles.noise_of(lambda t: math.inf, math.inf) == 0.0


def is_smooth(near: float, far: float, middle: float = 0.0, noise: float = 0.0) -> bool:
    """Of a function that is ``near`` at ±1, ``far`` at ±2, but for signs, and ``middle`` at 0."""
    there = {0.0: middle, 1.0: near, -1.0: near, 2.0: far, -2.0: far}
    return oracles.is_smooth(there.__getitem__, 1.0, noise)


def test_a_smooth_function_bends_by_a_quarter_for_half_the_step() -> None:
    assert is_smooth(1.0, 4.0)
    assert is_smooth(0.399, 1.0)
    assert not is_smooth(0.401, 1.0)
    assert is_smooth(-0.399, 1.0)
    assert not is_smooth(-0.401, 1.0)
    assert is_smooth(1.399, 2.0, middle=1.0)
    assert not is_smooth(1.401, 2.0, middle=1.0)
    assert not is_smooth(math.nan, 1.0)
    one = np.array([1.0])
    up = [float(one[0] + k * EPSILON) for k in range(20)]
    assert is_smooth(up[15], 1.0, middle=1.0)  # 30 roundings for 32
    assert not is_smooth(up[17], 1.0, middle=1.0)  # 34 roundings
    assert is_smooth(15.9e-3, 0.0, noise=1e-3)  # 31.8 noises for 32
    assert not is_smooth(16.1e-3, 0.0, noise=1e-3)


def test_what_is_not_smooth_is_not_resolved_and_keeps_its_estimate() -> None:
    found = ladders(lambda t: math.exp(-((t / 1e-4) ** 2)))
    assert (found.value, found.resolved) == (0.0, False)
    assert ladders(lambda t: math.nan).resolved is False
    assert ladders(lambda t: math.nan, side=1).resolved is False


def test_a_bump_between_the_shortest_steps_is_seen_by_how_it_bends() -> None:
    found = ladders(lambda t: t + math.exp(-(((t - 3e-4) / 1e-3) ** 2)))
    assert found.value == pytest.approx(1.0, abs=1e-6)  # and is 550
    assert found.error < 1e-6
    assert found.resolved is False


def test_a_bound_shortens_both_ladders() -> None:
    expected = sorted(
        [0.9 * 0.01 / 2.0**k for k in range(8)] + [0.71 * 0.01 / 1.7**k for k in range(8)]
    )
    assert asked(1, 0.01) == pytest.approx(expected, rel=1e-14)


def test_one_sided_derivatives_are_limits_along_the_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched("sin", monkeypatch)
    one_sided(of_one(1.0, Step("sin", (0,))), [np.array(0.5)])
    moved = sorted({float(np.real(x)) - 1.0 for x in seen if np.iscomplexobj(x)})
    both = [0.5 * h for h in steps_of(2.0**-10)]
    assert moved == pytest.approx([*(-h for h in reversed(both)), *both], rel=1e-9)


# The errors of a constant or a linear function are of rounding alone. From a rung to the next the noise
# of a difference grows by the ratio, that of a derivative does not. (f · noise + noise above) / (f - 1)
# of the ladder of ratio 1.7 is the least in the fifth rung, the first that counts (f: its factor).


def is_resolved(found: Estimate, value: float, error: float, tolerance: float = 1e-12) -> None:
    assert found.value == value
    assert found.error == pytest.approx(error, rel=tolerance, abs=0.0)
    assert found.resolved is True


def test_the_rounding_of_values_is_carried_into_the_error() -> None:
    above, noise = (14 * 1.7**k / 0.415 for k in (3, 4))
    is_resolved(ladders(lambda t: 7.0), 0.0, (2.89 * noise + above) / 1.89 * EPSILON)
    above, noise = (28 * 1.7**k / 0.083 for k in (3, 4))
    for side in (1, -1):
        is_resolved(ladders(lambda t: 7.0, side=side), 0.0, (1.7 * noise + above) / 0.7 * EPSILON)


def always_noisy(f: Callable[[float], float], bound: float) -> float:
    return 1e-9


def test_noise_is_carried_as_rounding_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """But it does not count for what is resolved."""
    monkeypatch.setattr(oracles, "noise_of", always_noisy)
    above, noise = ((14 * EPSILON + 1e-9) * 1.7**k / 0.415 for k in (3, 4))
    found = ladders(lambda t: 7.0)
    assert found.error == pytest.approx((2.89 * noise + above) / 1.89, rel=1e-12)
    assert not found.resolved
    assert ladders(lambda t: 7.0 + t).resolved


def test_the_noise_of_a_function_is_carried_into_the_error() -> None:
    """(t + 10⁶)² - 10¹² - 2 · 10⁶ t is t², but for what is rounded at 10¹²."""
    quiet, noisy = ladders(lambda t: t * t + t), ladders(lambda t: (t + 1e6) ** 2 - 1e12 - 2e6 * t + t)
    assert quiet.error < 1e-13
    assert abs(noisy.value - 1.0) < noisy.error < 1.0


NARROW: dict[str, Callable[[float], float]] = {
    "a peak between the steps": lambda t: math.exp(-0.5 * ((t - 0.02) / 0.002) ** 2),
    "a peak at 0": lambda t: math.exp(-0.5 * (t / 1e-4) ** 2),
    "its slope": lambda t: -1e8 * t * math.exp(-0.5 * (t / 1e-4) ** 2),
    "a step": lambda t: 1 / (1 + math.exp(-max(min(1e4 * (t - 0.001), 700.0), -700.0))),
    "a foot": lambda t: math.exp(-0.5 * ((t - 0.037) / 0.005) ** 2),
}


@pytest.mark.parametrize("name", NARROW)
def test_what_is_narrower_than_the_steps_is_not_resolved(name: str) -> None:
    assert not ladders(NARROW[name]).resolved


def test_noise_is_not_taken_for_a_bend() -> None:
    estimate = ladders(lambda t: (t + 1000.0) - 1000.0)
    assert estimate.resolved
    assert abs(estimate.value - 1.0) <= estimate.error < 1e-9


def test_the_rounding_of_derivatives_is_carried_into_the_error() -> None:
    for side in one_sided(of_one(1.0, Step("pow", (0,), {"c": 1})), [ONE]):
        is_resolved(side, 1.0, 3 * 8 * EPSILON, 0.05)


@pytest.mark.parametrize(
    ("x", "step"),
    [(1.0, 2.0**-200), (2.0**30, 2.0**-170), (1e-300, 2.0**-700), (1e100, 1.0), (0.0, 2.0**-201)],
)
def test_a_derivative_that_may_have_become_0_has_an_error(x: float, step: float) -> None:
    """One that is less than the least normal number, divided by the step, is lost."""
    for side in one_sided(of_one(x, Step("sub", (0, 0))), [ONE]):
        is_resolved(side, 0.0, 3 * TINY / step)


def test_without_elements_the_step_is_one() -> None:
    empty = np.zeros(0)
    program = Program((empty,), (Step("sum", (0,), {"axis": None, "keepdims": False}),), (1,), (ONE,))
    for side in one_sided(program, [empty]):
        is_resolved(side, 0.0, 3 * TINY)


def nowhere(t: float) -> float:
    return math.nan


def steep(t: float) -> float:
    """Its differences, divided by the smaller steps, are beyond the largest number."""
    return math.copysign(1e307, t)


@pytest.mark.parametrize("f", [nowhere, steep])
def test_what_has_no_differences_has_no_derivative(f: Callable[[float], float]) -> None:
    estimate = ladders(f)
    assert math.isnan(estimate.value)
    assert (estimate.error, estimate.resolved) == (math.inf, False)


def test_a_derivative_of_nothing_is_resolved() -> None:
    assert ladders(lambda t: 0.0) == Estimate(0.0, 0.0, True)


@pytest.mark.parametrize("exact", [9.0, 7.0])
def test_of_two_ladders_the_one_of_less_error_is_believed(exact: float) -> None:
    halves = {s * 0.5 / 2.0**k for s in (1, -1) for k in range(8)}

    def f(t: float) -> float:
        return 8 * t * (1 + 1e-6 * math.cos(1e4 * t)) if t in halves else exact * t

    estimate = ladders(f)
    assert estimate.value == pytest.approx(exact, rel=1e-12)
    assert estimate.error == pytest.approx(1.0, rel=1e-3)
    assert not estimate.resolved


# --- the specification of convolutions ------------------------------------------------------------

IMAGES = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
KERNELS = np.ones((1, 2, 2, 2), np.float32)
PLACES = np.ones((1, 1, 2, 2), np.float32)
OF_WINDOWS: dict[str, tuple[list[Array], dict[str, Any]]] = {
    "conv2d": ([IMAGES, KERNELS], {}),
    "deconv2d": ([IMAGES, KERNELS.swapaxes(0, 1)], {}),
    "conv2d_grad_w": ([IMAGES, PLACES], {"kernel_size": 2}),
    "im2col": ([IMAGES], {"kernel_size": 2}),
    "col2im": ([np.ones((4, 8), np.float32)], {"input_shape": (1, 2, 3, 3), "kernel_size": 2}),
    "pooling": ([IMAGES], {"kernel_size": 2}),
    "average_pooling": ([IMAGES], {"kernel_size": 2}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("op", OF_WINDOWS)
def test_what_windows_make_has_the_type_of_what_they_met(op: str, dtype: str) -> None:
    operands, attributes = OF_WINDOWS[op]
    y = evaluation.FUNCTIONS[op](*(x.astype(dtype) for x in operands), **attributes)
    assert np.asarray(y).dtype == dtype


def test_images_and_kernels_of_two_types_make_the_wider() -> None:
    for op in ("conv2d", "deconv2d", "conv2d_grad_w"):
        (a, b), attributes = OF_WINDOWS[op]
        for pair in ((a, b.astype(np.float64)), (a.astype(np.float64), b)):
            assert np.asarray(evaluation.FUNCTIONS[op](*pair, **attributes)).dtype == np.float64


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "message"),
    [
        ("conv2d", [IMAGES, KERNELS[:, :1]], {}, "channels do not fit: 2 and 1"),
        ("deconv2d", [IMAGES, KERNELS], {}, "channels do not fit: 2 and 1"),
        (
            "deconv2d",
            [IMAGES, KERNELS.swapaxes(0, 1)],
            {"outsize": 3},
            "places do not fit: (3, 3) and (2, 2)",
        ),
        (
            "conv2d_grad_w",
            [IMAGES, PLACES],
            {"kernel_size": 3},
            "places do not fit: (2, 2) and (1, 1)",
        ),
        (
            "col2im",
            [IMAGES],
            {"input_shape": (1, 2, 3, 3), "kernel_size": 2},
            "shapes do not fit: (1, 2, 3, 3) and (4, 8)",
        ),
        (
            "im2col",
            [IMAGES],
            {"kernel_size": (6, 2), "pad": (1, 0)},
            "a window of (6, 2) has no place on (3, 3) with padding (1, 0)",
        ),
        ("im2col", [IMAGES], {"kernel_size": (2, 0)}, "(2, 0): expected numbers not below 1"),
        (
            "pooling",
            [IMAGES],
            {"kernel_size": 2, "pad": 2},
            "pad 2 and kernel_size 2: a window with no element of x",
        ),
    ],
)
def test_the_specification_says_what_does_not_fit(
    op: str, operands: list[Array], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        evaluation.FUNCTIONS[op](*operands, **attributes)


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "elements"),
    [
        # Of what is padded, of the result, or of the windows: the largest, and what makes it so.
        ("conv2d", [IMAGES, KERNELS], {}, 2 * 3 * 3),
        ("conv2d", [IMAGES, KERNELS], {"pad": (1, 2)}, 2 * 5 * 7),
        ("conv2d", [IMAGES, np.ones((9, 2, 2, 2))], {}, 9 * 2 * 2),
        ("conv2d", [IMAGES, np.ones((9, 2, 2, 2))], {"stride": 2, "pad": 1}, 2 * 5 * 5),
        ("deconv2d", [IMAGES, np.ones((2, 9, 2, 2))], {}, 9 * 4 * 4),
        ("deconv2d", [IMAGES, np.ones((2, 9, 2, 2))], {"stride": (1, 2)}, 9 * 4 * 6),
        ("deconv2d", [IMAGES, np.ones((2, 9, 2, 2))], {"pad": 1}, 9 * 4 * 4),
        ("deconv2d", [IMAGES, np.ones((2, 9, 2, 2))], {"outsize": (6, 5)}, 9 * 6 * 5),
        ("conv2d_grad_w", [IMAGES, np.ones((1, 9, 2, 2))], {"kernel_size": 2}, 9 * 2 * 2 * 2),
        ("conv2d_grad_w", [IMAGES, PLACES], {"kernel_size": 2, "pad": (0, 1)}, 2 * 3 * 5),
        ("conv2d_grad_w", [np.ones((1, 1, 9, 9)), PLACES], {"kernel_size": 2, "stride": 8}, 81),
        ("im2col", [IMAGES], {"kernel_size": 2}, 2 * 2 * 2 * 2 * 2),
        ("im2col", [IMAGES], {"kernel_size": 2, "stride": 2, "pad": 1}, 2 * 5 * 5),
        ("pooling", [np.ones((0, 2, 3, 3))], {"kernel_size": 1}, 2 * 3 * 3),
        ("col2im", [PLACES], {"kernel_size": 1, "input_shape": (4, 2, 3, 3)}, 4 * 2 * 3 * 3),
    ],
)
def test_how_many_elements_are_made_is_known_before(
    op: str, operands: list[Array], attributes: dict[str, Any], elements: int
) -> None:
    assert reference_conv.BOUNDS[op](*operands, **attributes) == elements
