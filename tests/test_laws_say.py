"""What a law says when it is broken: what was looked at, what was expected, and what was found.

Each lie here offends at one place, and the law must name that place and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from test_laws import (
    Altered,
    BroadcastToTwice,
    NeverCleared,
    ReadOnly,
    Remembering,
    TouchesGradients,
    Variables,
    WritesIntoSeeds,
)

from dezero import Variable
from dezero.contract import Array
from dezero.verify.comparison import same
from dezero.verify.engines import Graph
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.laws import LAWS, SENTENCES, STANDING_LAWS, Law
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial

A, B = np.array([1.0, 2.0]), np.array([3.0, 5.0])
SEED = np.array([1.0, -2.0])
PRODUCT = Program((A, B), (Step("mul", (0, 1)), Step("neg", (2,))), (3,), (SEED,))
"""-a·b, of which the gradients are [-3, 10] and [-1, 4]."""
PARTS = Program(
    (np.array([1.0, 2.0, 4.0, 8.0]),),
    (Step("split", (0,), {"sections": 2, "axis": 0}, 2), Step("square", (2,)), Step("neg", (3,))),
    (4,),
    (SEED,),
)
"""Values 1 and 2 are the halves of the input, 3 is [16, 64]."""
APART = Program((A, B), (Step("neg", (0,)), Step("square", (1,)), Step("add", (2, 3))), (4,), (SEED,))
"""b² - a, of which the first two steps may change places; the gradients are [-1, 2] and [6, -20]."""
LINEAR = Program((A,), (Step("neg", (0,)),), (1,), (SEED,))
AT_ZERO = Program((np.array(0.0),), (Step("relu", (0,)),), (1,), (np.array(1.0),))
TWO_KINKS = Program((np.zeros(2),), (Step("relu", (0,)),), (1,), (SEED,))
SHARED = Program((A,), (Step("square", (0,)), Step("mul", (1, 1))), (2,), (SEED,))
"""a⁴, of which the gradient is [4, -64]."""

Change = Callable[[Array], Array]


def more(x: Array) -> Array:
    """With 1 added to its last element."""
    y = x.copy()
    y.flat[-1] += 1
    return y


def always(g: Array) -> Change:
    """Another one, whatever it was."""
    return lambda _: g


class Values(DezeroEngine):
    """One of the values is another one."""

    def __init__(self, value: int, change: Change) -> None:
        self.number, self.change = value, change

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        graph = super().build(program, keep=keep)
        variable = graph.values[self.number]
        assert variable is not None
        variable.data = self.change(variable.data)
        return graph


class Lists(DezeroEngine):
    """One of the values is no array."""

    def value(self, variable: Variable) -> Array:
        value = super().value(variable)
        return value if variable.creator is None else value.view(np.matrix)


class Gradients(DezeroEngine):
    """The gradients of an input are others from some time on.

    Args:
        number: Of the input.
        change: What becomes of its gradients.
        since: After so many runs of backward.
        retaining: Whether that is so with retain_grad.
    """

    def __init__(
        self, number: int, change: Change, since: int = 0, retaining: bool | None = None
    ) -> None:
        self.number, self.change, self.since, self.retaining = number, change, since, retaining
        self.leaves: list[Variable] = []
        self.runs = 0
        self.first = ""
        self.retains = False

    def leaf(self, data: Array) -> Variable:
        self.leaves.append(super().leaf(data))
        return self.leaves[-1]

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        self.leaves.clear()
        self.first = program.steps[0].op
        return super().build(program, keep=keep)

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        self.runs += 1
        self.retains = retain_grad
        super().backward(variable, seed, retain_grad=retain_grad)

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        if g is None or self.runs <= self.since or self.retaining not in (None, self.retains):
            return g
        return self.change(g) if variable is self.leaves[self.number] else g


class Reordered(Gradients):
    """They are, once the program begins with a square."""

    def gradient(self, variable: Variable) -> Array | None:
        return (
            super().gradient(variable)
            if self.first == "square"
            else DezeroEngine.gradient(self, variable)
        )


class Crashes(DezeroEngine):
    """A rule raises, and says where."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        error = RuntimeError("the lamp went out")
        error.add_note("in the hall")
        error.add_note("at night")
        raise error


class KeepsOutputs(DezeroEngine):
    """The output remembers its cotangent."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, seed, retain_grad=retain_grad)
        variable.grad = Variable(seed)


class AddsToRetained(DezeroEngine):
    """What is retained on the way is added to what was."""

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        self.graph = super().build(program, keep=keep)
        return self.graph

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        between = self.graph.values[2]
        assert between is not None
        before = between.grad
        super().backward(variable, seed, retain_grad=retain_grad)
        if retain_grad and before is not None and between.grad is not None:
            between.grad = Variable(before.data + between.grad.data)


class WrongGrad(Altered):
    """The function that leaves gradients alone has others."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        return [found[0], *(Variable(more(g.data)) for g in found[1:])]


class Unsigned(DezeroEngine):
    """Cotangents lose their sign."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, np.abs(seed), retain_grad=retain_grad)


class ChangesValues(DezeroEngine):
    """Backward writes into a value on the way."""

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        self.graph = super().build(program, keep=keep)
        return self.graph

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, seed, retain_grad=retain_grad)
        between = self.graph.values[2]
        assert between is not None
        between.data[0] = 7.0


class LendsSeeds(DezeroEngine):
    """The gradient of the output is the array of the cotangent."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, seed.copy(), retain_grad=retain_grad)
        variable.grad = Variable(seed)


class LendsValues(DezeroEngine):
    """The gradient of the second input is the array of its value."""

    def leaf(self, data: Array) -> Variable:
        self.last = super().leaf(data)
        return self.last

    def gradient(self, variable: Variable) -> Array | None:
        return variable.data if variable is self.last else super().gradient(variable)


def subclassed(x: Array) -> Array:
    return x.view(np.matrix)


def narrowed(x: Array) -> Array:
    return x.astype(np.float16)


def as_a_row(x: Array) -> Array:
    return x.reshape(1, -1)


SAID: list[tuple[str, DezeroEngine, Program, str, str, str]] = [
    # The law, who lies, about what; what was looked at, expected and found.
    (
        "runs",
        Crashes(),
        PRODUCT,
        "the program, forward and backward",
        "no exception",
        "RuntimeError: the lamp went out; in the hall; at night",
    ),
    ("value", Values(0, more), PARTS, "value 0, an input", "8.0", "9.0"),
    ("value", Values(1, more), PARTS, "value 1, of step 0 (split)", "2.0", "3.0"),
    ("value", Values(2, more), PARTS, "value 2, of step 0 (split)", "8.0", "9.0"),
    ("value", Values(3, more), PARTS, "value 3, of step 1 (square)", "64.0", "65.0"),
    ("value", Values(3, as_a_row), PARTS, "value 3, of step 1 (square)", "shape (2,)", "shape (1, 2)"),
    ("gradient", Gradients(1, more), PRODUCT, "gradient of input 1[1]", "4.0", "5.0"),
    (
        "gradient",
        Gradients(1, as_a_row),
        PRODUCT,
        "gradient of input 1 has the wrong shape",
        "(2,)",
        "(1, 2)",
    ),
    ("kink", Gradients(0, more), AT_ZERO, "gradient at a kink, of input 0", "0.0", "1.0"),
    (
        "kink",
        Gradients(0, as_a_row),
        AT_ZERO,
        "gradient at a kink, of input 0 has the wrong shape",
        "()",
        "(1, 1)",
    ),
    (
        "linearity",
        Gradients(1, more),
        PRODUCT,
        "gradient of input 1 for zero cotangents",
        "0.0",
        "[-0.0, 1.0]",
    ),
    (
        "linearity",
        Gradients(1, as_a_row, 3),
        PRODUCT,
        "gradient for a sum of cotangents, of input 1 has the wrong shape",
        "(2,)",
        "(1, 2)",
    ),
    (
        "accumulation",
        KeepsOutputs(),
        PRODUCT,
        "the gradient of an output after backward",
        "None",
        "an array",
    ),
    (
        "accumulation",
        Gradients(1, more, 2),
        PRODUCT,
        "gradient after backward twice, of input 1[1]",
        "8.0",
        "9.0",
    ),
    (
        "accumulation",
        Gradients(1, more, 0, True),
        PRODUCT,
        "gradient of input 1 with retain_grad",
        "[-1.0, 4.0]",
        "[-1.0, 5.0]",
    ),
    (
        "accumulation",
        AddsToRetained(),
        PRODUCT,
        "a retained gradient after one more backward",
        "[-1.0, 2.0]",
        "[-2.0, 4.0]",
    ),
    ("accumulation", WrongGrad(), PRODUCT, "gradient by grad(), of input 1[1]", "4.0", "5.0"),
    (
        "sharing",
        Gradients(0, more, 1),
        SHARED,
        "gradient of the program with its shared values computed twice, of input 0[1]",
        "-64.0",
        "-63.0",
    ),
    (
        "sharing",
        Reordered(1, more),
        APART,
        "gradient of the program with its steps in another order, of input 1[1]",
        "-20.0",
        "-19.0",
    ),
    (
        "dropped_outputs",
        Gradients(1, more, 1),
        PRODUCT,
        "gradient of input 1 with dropped values",
        "[-1.0, 4.0]",
        "[-1.0, 5.0]",
    ),
    ("shape_dtype", Lists(), PRODUCT, "value 2, of step 0 (mul)", "an ndarray", "matrix"),
    (
        "shape_dtype",
        Values(2, narrowed),
        PRODUCT,
        "value 2, of step 0 (mul)",
        "float64[2]",
        "float16[2]",
    ),
    (
        "shape_dtype",
        Values(2, as_a_row),
        PRODUCT,
        "value 2, of step 0 (mul)",
        "float64[2]",
        "float64[1, 2]",
    ),
    ("shape_dtype", Gradients(1, subclassed), PRODUCT, "gradient of input 1", "an ndarray", "matrix"),
    ("shape_dtype", Gradients(1, narrowed), PRODUCT, "gradient of input 1", "float64[2]", "float16[2]"),
    (
        "shape_dtype",
        Gradients(1, as_a_row),
        PRODUCT,
        "gradient of input 1",
        "float64[2]",
        "float64[1, 2]",
    ),
    ("isolation", ChangesValues(), PRODUCT, "value 2 after backward", "as before", "changed"),
    (
        "isolation",
        LendsSeeds(),
        PRODUCT,
        "the memory of the gradient of value 3",
        "its own",
        "that of cotangent 0",
    ),
    (
        "isolation",
        LendsValues(),
        PRODUCT,
        "the memory of the gradient of value 1",
        "its own",
        "that of value 1",
    ),
    (
        "isolation",
        WritesIntoSeeds(),
        PRODUCT,
        "cotangent 0 after backward",
        "[1.0, -2.0]",
        "[2.0, -4.0]",
    ),
    ("isolation", ReadOnly(), PRODUCT, "the gradient of value 0", "writable", "read-only"),
    (
        "accumulation",
        Remembering(),
        PRODUCT,
        "the gradient of a value on the way after backward",
        "None",
        "an array",
    ),
    ("accumulation", NeverCleared(), PRODUCT, "the gradient after cleargrad", "None", "[0. 0.]"),
    (
        "accumulation",
        TouchesGradients(),
        PRODUCT,
        "the gradient of a leaf after grad()",
        "[-6.0, 20.0]",
        "[-9.0, 30.0]",
    ),
    (
        "broadcasting",
        BroadcastToTwice(),
        Program((np.array(3.0), B), (Step("mul", (0, 1)),), (2,), (SEED,)),
        "gradient with explicit broadcasting, of input 0",
        "-7.0",
        "-14.0",
    ),
    (
        "determinism",
        Gradients(1, more, 1),
        PRODUCT,
        "gradient of input 1 in a second run",
        "[-1.0, 4.0]",
        "[-1.0, 5.0]",
    ),
]


@pytest.mark.parametrize(
    ("law", "liar", "program", "what", "expected", "found"),
    SAID,
    ids=[f"{law}-{type(liar).__name__}-{what}" for law, liar, _, what, *_ in SAID],
)
def test_a_broken_law_says_where_what_was_expected_and_what_was_found(
    law: str, liar: DezeroEngine, program: Program, what: str, expected: str, found: str
) -> None:
    trial = Trial(liar, program)
    if law != "runs":
        LAWS["runs"].check(trial)  # the first run of several, as in a campaign
    with pytest.raises(Broken) as caught:
        LAWS[law].check(trial)
    assert (caught.value.what, caught.value.expected, caught.value.found) == (what, expected, found)


def test_a_wrong_value_names_its_step_and_how_far_off_it_is() -> None:
    with pytest.raises(Broken) as caught:
        LAWS["value"].check(Trial(Values(3, more), PARTS))
    roundings = 5 * np.finfo(float).eps * (64 + 0.25 * 64)
    assert caught.value.step == 1
    # The last place of 64 is moved by no more than twice four roundings.
    assert 1 / (roundings + 10 * 16 * np.finfo(float).eps * 64) < caught.value.margin < 1 / roundings


def test_a_value_of_the_wrong_shape_is_off_by_more_than_any_tolerance() -> None:
    with pytest.raises(Broken) as caught:
        LAWS["value"].check(Trial(Values(3, as_a_row), PARTS))
    assert (caught.value.step, caught.value.margin) == (1, np.inf)


@pytest.mark.parametrize(("roundings", "holds"), [(5, True), (6, False)])
def test_an_input_may_be_off_by_a_few_roundings_and_no_more(roundings: int, holds: bool) -> None:
    # Two steps: four roundings of the element, and of a quarter of the largest one.
    program = Program((np.ones(1),), (Step("neg", (0,)), Step("neg", (1,))), (2,), (np.ones(1),))

    def off(x: Array) -> Array:
        return x + roundings * np.finfo(float).eps

    trial = Trial(Values(0, off), program)
    if holds:
        LAWS["value"].check(trial)
    else:
        with pytest.raises(Broken, match="value 0, an input") as caught:
            LAWS["value"].check(trial)
        assert caught.value.margin == pytest.approx(6 / 5)


def test_of_a_value_that_is_infinite_a_rounding_away_nothing_is_said() -> None:
    """1/(a - b), where a is the number next to b, and at last where it is not."""
    a = np.append(np.full(9, 1 + np.finfo(float).eps), 3.0)
    steps = Step("sub", (0, 1)), Step("reciprocal", (2,))
    program = Program((a, np.ones(10)), steps, (3,), (np.ones(10),))
    next_to_it, apart = np.where(a < 2, 1e4, 1.0), np.where(a < 2, 1.0, 1e4)
    with np.errstate(all="ignore"):
        LAWS["value"].check(Trial(DezeroEngine(), program))
        with pytest.raises(Unresolved, match=r"^a rounding away, the value is not finite$"):
            LAWS["value"].check(Trial(Values(3, lambda y: y * next_to_it), program))
        with pytest.raises(Broken, match="value 3, of step 1") as caught:
            LAWS["value"].check(Trial(Values(3, lambda y: y * apart), program))
    assert (caught.value.expected, caught.value.found) == ("0.5", "5000.0")


def test_values_and_a_gradient_that_only_the_proof_knows_are_no_offence() -> None:
    trial = Trial(DezeroEngine(), PRODUCT)
    trial.values = [more(y) for y in trial.values]
    trial.truth = [more(g) for g in trial.truth]
    LAWS["value"].check(trial)
    LAWS["gradient"].check(trial)


def test_a_certificate_is_made_of_gradients_in_float64_where_it_is_asked_for() -> None:
    def certified(program: Program, certify: bool) -> bool:
        trial = Trial(DezeroEngine(), program)
        trial.certify = certify
        LAWS["gradient"].check(trial)
        return trial.certificate is not None

    assert certified(PRODUCT, True)
    assert not certified(PRODUCT, False)
    assert not certified(PRODUCT.astype("float32"), True)
    assert not certified(AT_ZERO, True)


# ------------------------------------------------------------------------------------ against itself


def test_a_gradient_that_is_not_additive_is_told_at_the_sum_of_cotangents() -> None:
    random = np.random.default_rng(PRODUCT.n_values)
    other = random.normal(size=2)
    with pytest.raises(Broken) as caught:
        LAWS["linearity"].check(Trial(Unsigned(), PRODUCT))
    assert caught.value.what.startswith("gradient for a sum of cotangents, of input 0[")
    at = int(caught.value.what[-2])
    expected = -B * (np.abs(SEED) + 2 * np.abs(other))
    found = -B * np.abs(SEED + 2 * other)
    assert float(caught.value.expected) == pytest.approx(expected[at], rel=1e-14)
    assert float(caught.value.found) == pytest.approx(found[at], rel=1e-14)


class Without(DezeroEngine):
    """An input whose gradient is zero has none, as where nothing was reached."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None or not np.any(g) else g


class FirstHasNone(Gradients):
    """The first input has no gradient at all."""

    def gradient(self, variable: Variable) -> Array | None:
        return None if variable is self.leaves[0] else super().gradient(variable)


class Drops(Values):
    """A value on the way is dropped, though nobody asked for that."""

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        graph = super().build(program, keep=keep)
        graph.values[2] = None
        return graph


def test_what_comes_after_nothing_is_looked_at_too() -> None:
    with pytest.raises(Broken, match="gradient of input 1"):
        LAWS["shape_dtype"].check(Trial(FirstHasNone(1, narrowed), PRODUCT))
    longer = Program((A, B), (*PRODUCT.steps, Step("neg", (3,))), (4,), (SEED,))
    for law in ("shape_dtype", "value"):
        with pytest.raises(Broken, match=r"value 3, of step 1 \(neg\)"):
            LAWS[law].check(Trial(Drops(3, as_a_row), longer))


@pytest.mark.parametrize("law", LAWS)
def test_no_gradient_is_a_gradient_of_zeros(law: str) -> None:
    unread = Program((A, B), (Step("square", (0,)), Step("mul", (2, 0))), (3,), (SEED,))
    LAWS[law].check(Trial(Without(), unread))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("program", [PRODUCT, PARTS, APART, SHARED, AT_ZERO, TWO_KINKS])
def test_an_honest_engine_breaks_none(law: str, dtype: str, program: Program) -> None:
    LAWS[law].check(Trial(DezeroEngine(), program.astype(dtype)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("program", [PRODUCT, PARTS, APART, SHARED])
def test_an_honest_engine_breaks_none_in_more_digits(law: str, program: Program) -> None:
    wider = Trial(DezeroEngine(), program).in_wider_precision()
    if wider is not None:  # where a long double is no longer than a double, there is none
        LAWS[law].check(wider)


def test_long_doubles_are_the_same_by_their_digits_and_signs() -> None:
    x = np.array([1.0, 0.0, np.nan], np.longdouble)
    copy = np.empty_like(x)
    copy.view(np.uint8)[:] = 255  # also where nothing of a number stands
    copy[:] = x
    assert same(x, copy)
    for place, other in ((0, 1 + np.finfo(np.longdouble).eps), (1, -0.0), (2, 0.0)):
        changed = x.copy()
        changed[place] = other
        assert not same(x, changed)
    assert not same(x, x.reshape(1, 3))
    assert not same(x, x.astype(np.float64))


class OfOneType(DezeroEngine):
    """It takes no cotangent of another type than its variable has."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        assert (seed.dtype, seed.shape) == (variable.dtype, variable.shape)
        super().backward(variable, seed, retain_grad=retain_grad)

    def gradients(
        self,
        ys: Sequence[Variable],
        xs: Sequence[Variable],
        seeds: Sequence[Variable],
        create_graph: bool = False,
    ) -> list[Variable]:
        assert [(s.dtype, s.shape) for s in seeds] == [(y.dtype, y.shape) for y in ys]
        return super().gradients(ys, xs, seeds, create_graph)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cotangents_are_of_the_type_of_the_program(law: str, dtype: str) -> None:
    LAWS[law].check(Trial(OfOneType(), APART.astype(dtype)))


@pytest.mark.parametrize("law", ["isolation", "shape_dtype", "value", "accumulation"])
def test_an_empty_array_shares_no_memory_and_differs_from_nothing(law: str) -> None:
    empty = np.zeros((0, 2))
    program = Program((empty,), (Step("neg", (0,)),), (1,), (empty,))
    LAWS[law].check(Trial(DezeroEngine(), program))


# ------------------------------------------------------------------------------------------- Law itself


def overflowing(trial: Trial[Any]) -> None:
    """It computes beyond the largest number.

    That is no offence.
    """
    assert np.float64(1e308) * np.float64(10) == np.inf
    if trial.program.dtype == np.float64:
        raise Broken("x", margin=2.0)


def never(trial: Trial[Any]) -> None:
    raise Broken("x", margin=np.inf if trial.program.dtype == np.float64 else 0.5)


def test_a_law_holds_if_it_does_in_the_wider_precision_and_warns_of_nothing() -> None:
    Law("overflowing", overflowing).hold(Trial(DezeroEngine(), PRODUCT))


def test_what_is_broken_in_both_precisions_is_told_of_the_first() -> None:
    with pytest.raises(Broken) as caught:
        Law("never", never).hold(Trial(DezeroEngine(), PRODUCT.astype("float32")))
    assert caught.value.margin == 0.5


def test_a_law_says_the_first_line_of_its_docstring() -> None:
    assert Law("overflowing", overflowing).sentence == "It computes beyond the largest number."
    assert Law("never", never).sentence == ""
    assert SENTENCES["depth"].startswith("A chain of a million operations is built, ")
    assert SENTENCES["depth"].endswith(" without recursion.")
    assert SENTENCES["runs"] == "A valid program is built and differentiated without an exception."


def test_a_law_stays_what_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(LAWS["runs"], "name", "walks")  # noqa: B010 (type checkers know that it cannot be set)


def test_the_laws_by_name() -> None:
    first = ["runs", "value", "shape_dtype", "gradient", "kink", "determinism", "isolation"]
    among_themselves = ["second_order", "linearity", "accumulation", "sharing", "broadcasting"]
    of_the_graph = ["dropped_outputs", "no_graph", "visits", "transaction", "refcount"]
    assert list(LAWS) == [*first, *among_themselves, *of_the_graph]
    assert {name: law.name for name, law in LAWS.items()} == {name: name for name in LAWS}
    assert {law.check.__name__ for law in LAWS.values()} == {f"check_{name}" for name in LAWS}
    assert list(STANDING_LAWS) == ["no_graph", "refcount", "depth"]


@pytest.mark.parametrize("law", ["runs", "gradient"])
def test_what_ends_the_process_says_who_would(law: str) -> None:
    class Ending(DezeroEngine):
        name = "ending"

        def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
            raise SystemExit(0)

    with pytest.raises(RuntimeError, match=r"^ending would end the process: SystemExit\(0\)$"):
        LAWS[law].hold(Trial(Ending(), PRODUCT))
