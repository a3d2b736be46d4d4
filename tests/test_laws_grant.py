"""What a law grants to rounding, and what it does not: of second derivatives, at kinks, and of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from test_laws import Altered, Variables
from test_laws_say import (
    APART,
    AT_ZERO,
    LINEAR,
    PARTS,
    PRODUCT,
    SEED,
    SHARED,
    TWO_KINKS,
    A,
    B,
    Gradients,
    Values,
    always,
    more,
)

import dezero.functions as F
from dezero import Variable
from dezero.contract import Array
from dezero.verify import laws
from dezero.verify.comparison import Mismatch, margins_of
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.faults import FAULTS, planted
from dezero.verify.laws import LAWS
from dezero.verify.oracles import Estimate
from dezero.verify.outcomes import Broken, Convention, Unresolved
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial


class Blurred(Trial[Variable]):
    """A trial that knows its truth to 0.11 only."""

    @property
    def truth_error(self) -> list[Array]:
        return [np.full(x.shape, 0.11) for x in self.program.inputs]


def test_what_the_truth_may_be_off_by_is_granted() -> None:
    LAWS["gradient"].check(Blurred(Gradients(1, more), PRODUCT))
    with pytest.raises(Broken, match="gradient of input 1"):
        LAWS["gradient"].check(Blurred(Gradients(1, lambda g: more(more(g))), PRODUCT))


# ----------------------------------------------------------------------------------------- second_order

CUBED = Program((A,), (Step("pow", (0,), {"c": 3}),), (1,), (SEED,))


class Twisted(Altered):
    """The Hessian is not symmetric; along one direction nobody sees it."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        if first:
            return found
        (h,), (d,) = (g.data for g in found), (seed.data for seed in seeds)
        return [Variable(h + h[0] / d[0] * np.stack([d[1], -d[0]]))]


class Bent(Altered):
    """Second derivatives are a little too large.

    Args:
        factor: By so much; or by so much times the roundoff, if that is given.
    """

    def __init__(self, factor: float, roundings: bool = False) -> None:
        self.factor, self.roundings = factor, roundings

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        if first:
            return found
        unit = float(np.finfo(found[0].dtype.name).eps) if self.roundings else 1.0
        return [Variable(np.asarray(g.data * (1 + self.factor * unit), g.dtype)) for g in found]


def directions(program: Program) -> list[list[Array]]:
    """The two directions of the law, as its docstring says: numbers of float32."""
    random = np.random.default_rng(program.n_values)
    return [
        [random.normal(size=x.shape).astype(np.float32).astype(float) for x in program.inputs]
        for _ in range(2)
    ]


def test_a_curvature_that_is_wrong_is_told_beside_the_right_one() -> None:
    with pytest.raises(Broken) as caught:
        LAWS["second_order"].check(Trial(Bent(0.5), CUBED))
    ((v,), _) = directions(CUBED)
    right = float(np.sum(SEED * 6 * A * v**2))
    assert caught.value.what == "v' H v"
    assert float(caught.value.expected) == pytest.approx(right, rel=1e-14)
    assert float(caught.value.found) == pytest.approx(1.5 * right, rel=1e-14)
    assert 1e9 < caught.value.margin < 1e16


def test_a_hessian_that_is_not_symmetric_is_told_beside_zero() -> None:
    with pytest.raises(Broken) as caught:
        LAWS["second_order"].check(Trial(Twisted(), CUBED))
    (v,), (w,) = directions(CUBED)
    assert (caught.value.what, caught.value.expected) == ("w' H v - v' H w", "0.0")
    twist = 2 * 6.0 * float(w @ np.array([v[1], -v[0]]))
    assert float(caught.value.found) == pytest.approx(twist, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_second_derivatives_may_be_off_by_rounding(dtype: str) -> None:
    program = CUBED.astype(dtype)
    LAWS["second_order"].check(Trial(Bent(8, roundings=True), program))
    LAWS["second_order"].check(Trial(Bent(-8, roundings=True), program))
    with pytest.raises(Broken):
        LAWS["second_order"].check(Trial(Bent(2000 * float(np.finfo(dtype).eps)), program))


def test_second_order_is_not_for_kinks_nor_for_engines_that_know_one_order_only() -> None:
    class OneOrder(Bent):
        differentiates_twice = False

    LAWS["second_order"].check(Trial(OneOrder(0.5), CUBED))
    LAWS["accumulation"].check(Trial(OneOrder(0.5), CUBED))
    LAWS["second_order"].check(Trial(Bent(0.5), AT_ZERO))


# ------------------------------------------------------------------------------------------------- kink


@pytest.mark.parametrize("slope", [2.0, -1.0])
def test_a_gradient_at_a_kink_beyond_both_sides_is_told_beside_them(slope: float) -> None:
    trial = Trial(Gradients(0, always(np.array(slope))), AT_ZERO)
    trial.truth = [np.array(slope)]  # as if that were the convention
    with pytest.raises(Broken) as caught:
        LAWS["kink"].check(trial)
    d = float(np.random.default_rng(AT_ZERO.n_values).normal())
    low, high = sorted((0.0, d))
    assert caught.value.what == "the derivative along a direction"
    assert caught.value.found == repr(slope * d)
    between, told_low, also, told_high = caught.value.expected.split()
    assert (between, also) == ("between", "and")
    assert (float(told_low), float(told_high)) == pytest.approx((low, high), abs=1e-9)
    assert 1e3 < caught.value.margin < np.inf


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_a_gradient_at_a_kink_between_the_two_sides_is_right(slope: float) -> None:
    trial = Trial(Gradients(0, always(np.array(slope))), AT_ZERO)
    trial.truth = [np.array(slope)]
    LAWS["kink"].check(trial)


def test_at_a_kink_the_proof_is_asked_before_anyone_is_accused() -> None:
    trial = Trial(DezeroEngine(), AT_ZERO)
    trial.truth = [np.array(0.25)]
    LAWS["kink"].check(trial)


@pytest.mark.parametrize("unresolved", [0, 1])
def test_one_sided_derivatives_that_do_not_converge_decide_nothing(
    unresolved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(program: Program, direction: Sequence[Array]) -> tuple[Estimate, ...]:
        return tuple(Estimate(0.0, 1.0, side != unresolved) for side in range(2))

    monkeypatch.setattr(laws, "one_sided", found)
    with pytest.raises(Unresolved, match=r"^a one-sided derivative does not converge$"):
        LAWS["kink"].check(Trial(DezeroEngine(), AT_ZERO))


def test_next_to_a_kink_the_law_says_why_it_cannot_tell() -> None:
    with pytest.raises(Unresolved, match=r"^a value lies next to a kink$"):
        LAWS["kink"].check(Trial(DezeroEngine(), AT_ZERO.with_inputs([np.array(1e-4)])))


def test_another_convention_is_respected() -> None:
    class Other(Gradients):
        conventions = MappingProxyType({"relu": "1 at 0"})

    with pytest.raises(Convention, match="documents another derivative of relu"):
        LAWS["kink"].check(Trial(Other(0, more), AT_ZERO))


def test_of_several_kinks_at_once_only_the_convention_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(program: Program, direction: Sequence[Array]) -> tuple[Estimate, ...]:
        raise AssertionError("the convention need not lie between the two sides")

    monkeypatch.setattr(laws, "one_sided", never)
    twice = Program((np.array(0.0),), (Step("relu", (0,)), Step("abs", (1,))), (2,), (np.array(1.0),))
    for program in (TWO_KINKS, twice):
        LAWS["kink"].check(Trial(DezeroEngine(), program))


@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_how_much_is_rounding_goes_by_the_size_of_the_numbers(size: float) -> None:
    with pytest.raises(Broken):
        LAWS["second_order"].check(Trial(Bent(1e-6), replace(CUBED, seeds=(size * SEED,))))
    for slope in (1.001, -0.001):
        wrong = np.array(size * slope)
        trial = Trial(Gradients(0, always(wrong)), replace(AT_ZERO, seeds=(np.array(size),)))
        trial.truth = [wrong]
        with pytest.raises(Broken, match="the derivative along a direction"):
            LAWS["kink"].check(trial)


def test_in_the_widest_precision_a_lie_is_one_too() -> None:
    with pytest.raises(Broken, match="v' H v"):
        LAWS["second_order"].check(Trial(Bent(1e-6), CUBED.astype("longdouble")))


class NeverProves(Trial[Variable]):
    """A trial without balls, without moved runs, and without more digits."""

    def proof(self) -> tuple[list[Array], list[Array]]:
        raise AssertionError("nobody has to ask for a proof")

    def proof_of_values(self) -> tuple[list[Array], list[Array]]:
        raise AssertionError("nobody has to ask for a proof")

    def in_wider_precision(self) -> Trial[Variable] | None:
        raise AssertionError("nobody has to ask for more digits")

    def _spread_of(self, result: Callable[[Program], list[Array]]) -> list[Array]:
        raise AssertionError("nobody has to move anything")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("program", [LINEAR, PRODUCT, PARTS, APART, SHARED, AT_ZERO, CUBED])
def test_an_honest_engine_costs_no_more_than_its_runs(law: str, program: Program) -> None:
    LAWS[law].check(NeverProves(DezeroEngine(), program))


def test_what_the_truth_may_be_off_by_is_granted_to_the_proof_too() -> None:
    trial = Blurred(Gradients(1, more), PRODUCT)
    trial.truth = [g + 5 for g in trial.truth]
    LAWS["gradient"].check(trial)


def test_cotangents_that_nearly_cancel_are_rounded_as_each_of_them_is() -> None:
    others = np.random.default_rng(PRODUCT.n_values).normal(size=2)
    nearly = replace(PRODUCT, seeds=(-2 * others * (1 + 1e-9),))
    LAWS["linearity"].check(NeverProves(DezeroEngine(), nearly))


class BlurredAndQuick(Blurred, NeverProves):
    """It has no proof either."""


def test_what_the_truth_may_be_off_by_is_granted_before_there_is_a_proof() -> None:
    LAWS["gradient"].check(BlurredAndQuick(Gradients(1, more), PRODUCT))


SLOPE = Program((A, B), (Step("mul", (0, 1)), Step("sub", (2, 1)), Step("exp", (3,))), (4,), (SEED,))
"""exp(a·b - b): what is rounded of a difference grows with the exponential."""


@pytest.mark.parametrize(("roundings", "holds"), [(745, True), (775, False)])
def test_the_tolerance_of_a_value_is_what_three_kinds_of_rounding_make(
    roundings: int, holds: bool
) -> None:
    """Of steps, of moved values as the engine has them, and as the specification has them."""
    off = 1 + roundings * float(np.finfo(float).eps)
    trial = Trial(Values(4, lambda y: y * off), SLOPE)
    if holds:
        LAWS["value"].check(trial)
    else:
        with pytest.raises(Broken, match="value 4") as caught:
            LAWS["value"].check(trial)
        assert 1 < caught.value.margin < 1.05


class Unsure(NeverProves):
    """A trial that knows a second derivative to 1 only."""

    def second(self, v: Sequence[Array]) -> tuple[float, float]:
        return super().second(v)[0], 1.0


def test_what_a_second_derivative_may_be_off_by_is_granted() -> None:
    LAWS["second_order"].check(Unsure(Bent(0.01), CUBED))
    with pytest.raises(AssertionError, match="nobody has to ask for more digits"):
        LAWS["second_order"].check(Unsure(Bent(10.0), CUBED))


class StandsStill(Trial[Variable]):
    """A trial that never asks how the truth moves."""

    def movement_of_second(self, v: Sequence[Array]) -> float:
        raise AssertionError("the engine is right without that")


BOWL = Program(
    (A,), (Step("pow", (0,), {"c": 3}), Step("sin", (1,)), Step("mul", (2, 0))), (3,), (SEED,)
)
"""a·sin(a³), of which the Hessian is a sum of terms that cancel in part."""


@pytest.mark.parametrize(("roundings", "holds"), [(2800, True), (2920, False)])
def test_the_tolerance_of_second_order_is_what_five_kinds_of_rounding_make(
    roundings: int, holds: bool
) -> None:
    """Of sums, of moved values, of the terms of products, of cotangents, and of the truth."""
    trial = Trial(Bent(roundings * float(np.finfo(float).eps)), BOWL)
    if holds:
        LAWS["second_order"].check(trial)
    else:
        with pytest.raises(Broken) as caught:
            LAWS["second_order"].check(trial)
        assert 1 < caught.value.margin < 1.05


def test_how_the_truth_moves_is_asked_last() -> None:
    LAWS["second_order"].check(StandsStill(Bent(2000 * float(np.finfo(float).eps)), BOWL))


class Adds(Altered):
    """To each product with a Hessian is added a part of the direction."""

    def __init__(self, part: float) -> None:
        self.part = part

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        if first:
            return found
        return [g + self.part * v.data for g, v in zip(found, seeds, strict=True)]


@pytest.mark.parametrize("program", [LINEAR, CUBED, BOWL])
@pytest.mark.parametrize("part", [1e-6, 1.0])
def test_what_no_cotangent_explains_is_no_rounding_of_cotangents(part: float, program: Program) -> None:
    with pytest.raises(Broken, match="v' H v"):
        LAWS["second_order"].check(Trial(Adds(part), program))


class KnowsNoCotangents(Trial[Variable]):
    """A trial of an engine that does not say what its cotangents are."""

    def rounding_of_cotangents(self, random: np.random.Generator) -> Program | None:
        return None


def test_where_cotangents_are_not_known_their_rounding_is_not_granted() -> None:
    with pytest.raises(Broken, match="v' H v"):
        LAWS["second_order"].check(KnowsNoCotangents(Bent(1e-6), CUBED))


class KnowsInfiniteCotangents(Trial[Variable]):
    """A trial of an engine of which a cotangent is so large that its rounding has no number."""

    def rounding_of_cotangents(self, random: np.random.Generator) -> Program | None:
        rounding = super().rounding_of_cotangents(random)
        assert rounding is not None
        return replace(rounding, seeds=tuple(np.full_like(s, np.inf) for s in rounding.seeds))


def test_where_cotangents_overflow_their_rounding_is_not_granted() -> None:
    with np.errstate(all="ignore"), pytest.raises(Broken, match="v' H v") as caught:
        LAWS["second_order"].check(KnowsInfiniteCotangents(Bent(1e-6), CUBED))
    assert np.isfinite(caught.value.margin)


@pytest.mark.parametrize(("roundings", "holds"), [(338, True), (352, False)])
def test_what_the_rounding_of_cotangents_makes_is_granted(roundings: int, holds: bool) -> None:
    """Those of a² and -a² cancel; what is rounded of them is curved, and nothing else is."""
    cancels = Step("square", (0,)), Step("neg", (1,)), Step("add", (1, 2))
    part = roundings * float(np.finfo(float).eps)
    trial = Trial(Adds(part), Program((A,), cancels, (3,), (SEED,)))
    if holds:
        LAWS["second_order"].check(trial)
    else:
        with pytest.raises(Broken, match="v' H v"):
            LAWS["second_order"].check(trial)


def bent_up(op: str, seed: float) -> Program:
    """relu(a)·3 - 3 + 3, or |a|·3 - 3 + 3, at 0."""
    steps = Step(op, (0,)), Step("mul", (2, 1)), Step("sub", (3, 1)), Step("add", (4, 1))
    return Program((np.array(0.0), np.array(3.0)), steps, (5,), (np.array(seed),))


@pytest.mark.parametrize("seed", [1.0, -1.0])
@pytest.mark.parametrize(
    ("op", "end", "most"),
    [("relu", 3.0, 841), ("relu", 0.0, -585), ("abs", 3.0, 1139), ("abs", -3.0, -1139)],
)
def test_the_tolerance_at_a_kink_goes_by_all_terms_also_by_those_that_cancel(
    op: str, end: float, most: int, seed: float
) -> None:
    def beyond(roundings: float) -> Trial[Variable]:
        wrong = np.array(seed * (end + 3 * roundings * np.finfo(float).eps))
        trial = Trial(Gradients(0, always(wrong)), bent_up(op, seed))
        trial.truth = [wrong, *trial.truth[1:]]
        return trial

    LAWS["kink"].check(beyond(0.98 * most))
    with pytest.raises(Broken, match="the derivative along a direction") as caught:
        LAWS["kink"].check(beyond(1.02 * most))
    assert 1 < caught.value.margin < 1.04


def test_what_cancels_in_a_rule_is_rounded_as_its_terms_are_for_the_sum_of_cotangents() -> None:
    factors = np.array(1e8), np.array(1e8 + 1e-3)
    steps = Step("mul", (0, 1)), Step("mul", (0, 2)), Step("sub", (3, 4))
    program = Program((A, *factors), steps, (5,), (1e-20 * SEED,))
    LAWS["linearity"].check(NeverProves(DezeroEngine(), program))
    others = np.random.default_rng(program.n_values).normal(size=2)
    nearly = replace(program, seeds=(-2 * others * (1 + 1e-9),))  # the sum cancels, too
    LAWS["linearity"].check(Trial(DezeroEngine(), nearly))


class BentInDoubles(Bent):
    """They are, in one precision."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        self.factor = 1e-6 if xs[0].dtype == np.float64 else 0.0
        return super().altered(found, xs, seeds, first)


def test_a_second_derivative_that_is_right_in_more_digits_is_right() -> None:
    LAWS["second_order"].check(Trial(BentInDoubles(0.0), CUBED))


class TooFew(Altered):
    """There is no gradient for the last input."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        return found if first else found[:-1]


def test_a_second_derivative_that_is_missing_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        LAWS["second_order"].check(Trial(TooFew(), PRODUCT))


# --- the movement of the truth ------------------------------------------------------------------------

EPS = float(np.finfo(float).eps)
LARGEST = float(np.log(np.finfo(float).max))  # its exponential overflows, moved by two roundings
NEARLY = Program((np.array(LARGEST * (1 - EPS)),), (Step("exp", (0,)),), (1,), (np.array(1.0),))


def test_the_truth_moves_by_what_a_rounding_does() -> None:
    """Of a³ at 1 and 2: nine roundings of 3a², and six of v' H v; of the values, three of a³."""
    trial = Trial(DezeroEngine(), replace(CUBED, seeds=(np.ones(2),)))
    mismatch = Mismatch("gradient of input", 0, (1,), 12.0, 13.0, 2.0)
    assert EPS < trial.movement_of_truth(mismatch) / 12 < 20 * EPS
    assert EPS < trial.movement_of_second([np.array([1.0, 0.0])]) / 6 < 20 * EPS
    inputs, cubes = trial.movement_of_values()
    assert not inputs.any()
    assert np.all((cubes > EPS * A**3) & (cubes < 20 * EPS * A**3))


def test_where_the_truth_overflows_nothing_is_accused() -> None:
    class Halves(DezeroEngine):
        def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
            outputs = super().apply(step, operands)
            if step.op == "exp":
                outputs[0].data = np.asarray(outputs[0].data / 2)
            return outputs

    with np.errstate(all="ignore"):
        with pytest.raises(Unresolved, match=r"^a rounding away, the value is not finite$"):
            LAWS["value"].check(Trial(Halves(), NEARLY))
        with pytest.raises(Unresolved, match=r"^a rounding away, the derivative is not finite$"):
            LAWS["gradient"].check(Trial(Gradients(0, lambda g: np.asarray(g / 2)), NEARLY))


def test_an_overflow_of_an_engine_excuses_nothing() -> None:
    """Of one that is wrong, and gives infinities wherever the program is moved."""

    class Overflows(DezeroEngine):
        def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
            outputs = super().apply(step, operands)
            moved = step.op == "mul" and not np.array_equal(operands[0].data, A)
            outputs[0].data = np.asarray(outputs[0].data * (np.inf if moved else 1.001))
            return outputs

    with np.errstate(all="ignore"), pytest.raises(Broken):
        LAWS["value"].check(Trial(Overflows(), PRODUCT))


def test_what_errors_are_granted_to_a_number_without_axes() -> None:
    """NumPy's arithmetic makes scalars of such arrays."""
    trial = Trial(
        DezeroEngine(), Program((np.array(1.0),), (Step("neg", (0,)),), (1,), (np.array(1.0),))
    )
    errors: list[Any] = [np.array(0.1) + np.array(0.1)]
    assert type(errors[0]) is np.float64
    trial.require("gradient of input", [np.array(-2.0)], [np.array(-1.0)], errors)
    with pytest.raises(Broken):
        trial.require("gradient of input", [np.array(-20.0)], [np.array(-1.0)], errors)


# --------------------------------------------------------------------------- beyond the element type

TOWER = (Step("exp", (0,)), Step("exp", (1,)), Step("square", (2,)), Step("exp", (3,)))


def lost(y: Array) -> Array:
    """What is no number, where there should be one."""
    return np.full_like(y, np.nan)


@pytest.mark.parametrize(
    ("law", "engine"),
    [
        ("value", Values(4, lost)),
        ("gradient", Gradients(0, lost)),
        ("linearity", Gradients(0, lost, since=1)),
        ("accumulation", Gradients(0, lost, since=2)),
        ("second_order", Bent(np.nan)),
    ],
)
@pytest.mark.parametrize(("x", "within"), [(0.0, True), (0.784, None), (1.1, False)])
def test_what_is_no_number_is_an_offence_where_every_number_is_within_the_range(
    law: str, engine: DezeroEngine, x: float, within: bool | None
) -> None:
    """In float32, of exp(exp(exp x)²): at 0 it is 1618, at 1.1 more than float32 has.

    Between them, where it is 5e34 and its derivative 2e37, only the second derivative is too large.
    """
    if within is None:
        within = law != "second_order"
    program = Program((np.full(2, x, np.float32),), TOWER, (4,), (np.ones(2, np.float32),))
    with np.errstate(all="ignore"), pytest.raises(Broken if within else Unresolved) as caught:
        LAWS[law].check(Trial(engine, program))
    if not within:
        assert str(caught.value) == "a number is beyond the range of float32"


def _applied(op: str, x: float, dtype: str) -> Trial[Variable]:
    program = Program((np.array([x], dtype),), (Step(op, (0,)),), (1,), (np.array([0.5], dtype),))
    return Trial(DezeroEngine(), program)


def _sine(x: float, dtype: str) -> Trial[Variable]:
    return _applied("sin", x, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("law", ["gradient", "second_order"])
def test_a_rule_that_is_wrong_in_one_element_type_is_wrong(law: str, dtype: str) -> None:
    with planted(FAULTS[f"cos_sign_in_{dtype}"]):
        with pytest.raises(Broken):
            LAWS[law].hold(_applied("cos", 0.75, dtype))
        other = "float32" if dtype == "float64" else "float64"
        LAWS[law].hold(_applied("cos", 0.75, other))


def test_a_value_that_is_wrong_in_one_element_type_is_wrong() -> None:
    with planted(FAULTS["exp_doubled_in_float32"]):
        with pytest.raises(Broken):
            LAWS["value"].hold(_applied("exp", 0.75, "float32"))
        LAWS["value"].hold(_applied("exp", 0.75, "float64"))


@pytest.mark.parametrize(("dtype", "cap"), [("float64", 2.0**26), ("float32", 2.0**11.5)])
def test_the_next_wider_precision_excuses_half_of_the_digits(dtype: str, cap: float) -> None:
    trial = _sine(0.75, dtype)
    wider = trial.wider_to_excuse(cap)
    assert wider is not None
    assert wider.program.dtype.itemsize > trial.program.dtype.itemsize
    for margin in (cap * 1.001, 1e30, np.inf, np.nan):
        assert trial.wider_to_excuse(margin) is None


def test_below_the_normal_numbers_no_digit_need_be_left() -> None:
    tiny = np.finfo(np.float32).smallest_normal
    assert _sine(float(tiny) / 4, "float32").wider_to_excuse(1e30) is not None
    assert _sine(float(tiny) / 4, "float32").wider_to_excuse(np.inf) is None
    assert _sine(float(tiny) * 4, "float32").wider_to_excuse(1e30) is None
    # A direction in which only the second derivative is that small.
    along = [np.array([2.0**-126])]
    assert _sine(0.75, "float32").wider_to_excuse(1e30, along) is not None


def test_a_second_derivative_below_the_normal_numbers_is_found_as_zero() -> None:
    """-1e10 and 1e-15 of it, squared: all is normal in float32, but for a curvature of 2e-46."""
    slope, square = Step("leaky_relu", (0,), {"slope": 1e-15}), Step("square", (1,))
    seed = np.array(1e-16, np.float32)
    program = Program((np.array(-1e10, np.float32),), (slope, square), (2,), (seed,))
    trial = Trial(DezeroEngine(), program)
    assert trial.wider_to_excuse(1e30) is None
    LAWS["second_order"].hold(trial)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_infinite_terms_of_a_second_derivative_excuse_nothing(dtype: str) -> None:
    with planted(FAULTS["second_infinite"]), pytest.raises(Broken) as caught:
        LAWS["second_order"].hold(_sine(0.75, dtype))
    assert caught.value.margin == np.inf


class Naive(DezeroEngine):
    """The loss of a guess is log(1 + e^-x) to the letter: from 17 on, that is 0 in float32."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        if step.op != "softplus":
            return super().apply(step, operands)
        return [F.log(1.0 + F.exp(operands[0]))]


def _beside_one(x: float) -> Program:
    """log(1 + eˣ) in float32, times another input."""
    inputs = (np.array(x, np.float32), np.array(0.75, np.float32))
    steps = (Step("softplus", (0,)), Step("mul", (1, 2)))
    return Program(inputs, steps, (3,), (np.array(0.5, np.float32),))


@pytest.mark.parametrize("law", ["value", "gradient"])
def test_a_value_that_is_lost_in_a_rounding_accuses_nobody(law: str) -> None:
    LAWS[law].hold(Trial(DezeroEngine(), _beside_one(-17.0)))
    with pytest.raises(Unresolved, match=r"^the digits of a value are lost in a rounding$"):
        LAWS[law].hold(Trial(Naive(), _beside_one(-17.0)))


@pytest.mark.parametrize("law", ["value", "gradient", "second_order"])
def test_a_value_that_is_off_by_more_than_a_rounding_is_wrong(law: str) -> None:
    """e⁻⁷ is 7,000 roundings of float32; and none of a value that is held, but of its gradient."""

    class Wrong(DezeroEngine):
        def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
            (y,) = super().apply(step, operands)
            return [y * 1e-3] if step.op == "softplus" else [y]

    with pytest.raises(Broken):
        LAWS[law].hold(Trial(Wrong(), _beside_one(-7.0)))


def test_a_value_that_is_lost_excuses_none_beside_it() -> None:
    inputs = (np.array([-50.0, 1000.0]),)
    program = Program(inputs, (Step("softplus", (0,)),), (1,), (np.ones(2),))
    with pytest.raises(Broken) as caught, np.errstate(over="ignore"):
        LAWS["value"].hold(Trial(Naive(), program))
    assert (caught.value.expected, caught.value.found) == ("1000.0", "inf")


def test_what_is_computed_from_a_lost_value_is_undecided_and_what_is_before_it_is_not() -> None:
    class Wrong(Naive):
        def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
            (y,) = super().apply(step, operands)
            return [y + 1.0] if step.op == "sin" else [y]

    x, seed = np.array(-17.0, np.float32), np.array(1.0, np.float32)
    sin, softplus = Step("sin", (0,)), Step("softplus", (0,))
    before = Program((x,), (sin, softplus, Step("add", (1, 2))), (3,), (seed,))
    behind = Program((x,), (softplus, Step("sin", (1,))), (2,), (seed,))
    with pytest.raises(Broken, match="value 1, of step 0"):
        LAWS["value"].hold(Trial(Wrong(), before))
    with pytest.raises(Unresolved, match="the digits of a value are lost"):
        LAWS["value"].hold(Trial(Wrong(), behind))


def test_two_infinities_are_alike() -> None:
    inf = np.inf
    found, expected = np.array([inf, inf, -inf, 1.0, inf]), np.array([inf, -inf, -inf, inf, 1.0])
    margins = margins_of(found, expected, np.ones(5))
    assert margins.tolist() == [0.0, inf, 0.0, inf, inf]


ACROSS = Program(
    (np.array([-400.0]),), (Step("exp", (0,)), Step("reciprocal", (1,))), (2,), (np.ones(1),)
)
"""e^400 by way of a cotangent of -e^800, which float64 has no place for."""


@pytest.mark.parametrize("law", ["gradient", "second_order"])
def test_a_cotangent_beyond_float64_accuses_nobody(law: str) -> None:
    with pytest.raises(Unresolved, match="a number is beyond the range of float64"):
        LAWS[law].hold(Trial(DezeroEngine(), ACROSS))


@pytest.mark.parametrize("law", ["linearity", "accumulation", "sharing"])
def test_the_same_infinity_twice_is_no_difference(law: str) -> None:
    LAWS[law].hold(Trial(DezeroEngine(), ACROSS))


def test_an_infinite_enclosure_settles_nothing() -> None:
    program = Program((np.array([1e-200]),), (Step("reciprocal", (0,)),), (1,), (np.ones(1),))
    with pytest.raises(Unresolved, match="the enclosure is too wide"):
        Trial(DezeroEngine(), program).proof()
    with pytest.raises(Unresolved, match="the enclosure is too wide"):
        Trial(DezeroEngine(), program).second([np.ones(1)])


class Stretched(Altered):
    """The products of the Hessian have an axis too many, over which all would broadcast."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        return found if first else [Variable(g.data[None]) for g in found]


def test_a_product_of_the_hessian_of_another_shape_is_wrong() -> None:
    with pytest.raises(Broken, match="the product of the Hessian with a vector, for input 0") as caught:
        LAWS["second_order"].hold(Trial(Stretched(), CUBED))
    assert (caught.value.expected, caught.value.found) == ("shape (2,)", "shape (1, 2)")


class Overwriting(DezeroEngine):
    """A square leaves zeros in its operand."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        y = super().apply(step, operands)
        if step.op == "square":
            operands[0].data[...] = 0.0
        return y


def test_what_an_engine_was_given_is_as_it_was() -> None:
    program = Program((A, B), (Step("square", (1,)), Step("add", (2, 0))), (3,), (SEED,))
    with pytest.raises(Broken, match="input 1 after backward") as caught:
        LAWS["isolation"].hold(Trial(Overwriting(), program))
    assert caught.value.what == "input 1 after backward"
    assert (caught.value.expected, caught.value.found) == (str(B.tolist()), str([0.0] * B.size))


@pytest.mark.parametrize("of_derivatives", [True, False])
def test_lost_digits_excuse_derivatives_and_nothing_else(of_derivatives: bool) -> None:
    def broken(trial: Trial[Any]) -> None:
        raise Broken("it")

    law = laws.Law("it", broken, of_derivatives)
    with pytest.raises(Unresolved if of_derivatives else Broken):
        law.hold(Trial(Naive(), _beside_one(-17.0)))
    with pytest.raises(Broken):
        law.hold(Trial(DezeroEngine(), _beside_one(-17.0)))


def test_the_laws_of_derivatives() -> None:
    asking = {name for name, law in LAWS.items() if law.of_derivatives}
    assert asking == {"gradient", "kink", "second_order"}


def test_a_value_and_a_gradient_may_be_more_exact_than_balls() -> None:
    """Where a score leads by 240, the loss is 5e-105; of 1 + that, 128 bits show nothing."""
    loss = Step("softmax_cross_entropy", (0,), {"t": np.array([0])})
    scores, factor = np.array([[240.0, 0.0]]), np.array(0.75)
    program = Program((scores, factor), (loss, Step("mul", (2, 1))), (3,), (np.array(0.5),))
    trial = Trial(DezeroEngine(), program)
    (slope,) = (g for g, x in zip(trial.run.gradients, program.inputs, strict=True) if x is factor)
    assert slope is not None
    assert 0 < float(slope) < 1e-104
    for law in ("value", "gradient"):
        LAWS[law].hold(trial)
