"""Every law holds for a correct engine, and every law catches a lie.

A lie is an engine that is dezero but for one method. It is told to the law that it offends; the others
may notice it, too. A law that no lie can break would be no law.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

from dezero import Variable
from dezero.config import Config, no_grad
from dezero.contract import Array
from dezero.verify import evaluation, standing
from dezero.verify.engines import Engine, Graph
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.laws import LAWS, SENTENCES, STANDING_LAWS
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial

X, Y = np.array([1.0, 2.0]), np.array([[0.5], [-1.5]])
SEED, SEEDS = np.array([1.0, -2.0]), np.array([[1.0, -2.0], [0.5, 1.0]])

SMOOTH = Program(
    (X, Y),
    (Step("square", (0,)), Step("mul", (2, 1)), Step("exp", (1,)), Step("mul", (3, 4))),
    (5,),
    (SEEDS,),
)
"""A shared input, broadcasting, values on the way."""
SHARED = Program((X,), (Step("square", (0,)), Step("mul", (1, 1))), (2,), (SEED,))
KINKED = Program((np.array(0.0),), (Step("relu", (0,)),), (1,), (np.array(1.0),))
NEXT_TO_A_KINK = Program((np.array(1e-4),), (Step("relu", (0,)),), (1,), (np.array(1.0),))
SINGLE = SMOOTH.astype("float32")
PROGRAMS = {"smooth": SMOOTH, "shared": SHARED, "kinked": KINKED, "in float32": SINGLE}


# ----------------------------------------------------------------------------- An engine that is right


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("engine", [DezeroEngine(), CoreSimpleEngine()], ids=lambda e: e.name)
def test_a_correct_engine_keeps_every_law(law: str, program: Program, engine: Engine[Any]) -> None:
    if all(step.op in engine.contracts for step in program.steps):
        LAWS[law].check(Trial(engine, program))


def test_every_law_says_what_it_is() -> None:
    assert set(SENTENCES) == {*LAWS, "depth"}
    for sentence in SENTENCES.values():
        assert sentence[0].isupper() or sentence.startswith("no_grad")
        assert sentence.endswith(".")


def test_next_to_a_kink_nothing_is_decided() -> None:
    with pytest.raises(Unresolved, match="next to a kink"):
        LAWS["kink"].check(Trial(DezeroEngine(), NEXT_TO_A_KINK))


# ------------------------------------------------------------------------------------------- The liars


class Crashes(DezeroEngine):
    """A rule raises."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        raise RuntimeError("the lamp went out")


class WrongValue(DezeroEngine):
    """Squares are a little too large."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs = super().apply(step, operands)
        if step.op == "square":
            outputs[0].data = np.asarray(outputs[0].data * (1 + 1e-9))
        return outputs


class Scalars(DezeroEngine):
    """Gradients lose their element type."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None else g.astype(np.float16)


class WrongGradient(DezeroEngine):
    """Gradients are a little too large."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None else np.asarray(g * (1 + 1e-9))


class OneAtZero(DezeroEngine):
    """The derivative of relu at 0 is two."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None else np.where(variable.data == 0, 2.0, g)


class Affine(DezeroEngine):
    """A constant is added to every cotangent."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, np.asarray(seed + 0.5), retain_grad=retain_grad)


class Overwriting(DezeroEngine):
    """Backward replaces the gradients of leaves."""

    def __init__(self) -> None:
        self.leaves: list[Variable] = []

    def leaf(self, data: Array) -> Variable:
        self.leaves.append(super().leaf(data))
        return self.leaves[-1]

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        for leaf in self.leaves:
            leaf.cleargrad()
        super().backward(variable, seed, retain_grad=retain_grad)


class Remembering(DezeroEngine):
    """Values on the way keep their gradients."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, seed, retain_grad=True)


class NeverCleared(DezeroEngine):
    """`cleargrad` gives zeros."""

    def clear(self, variable: Variable) -> None:
        variable.grad = None if variable.creator else Variable(np.zeros(variable.shape))


class ForgetsTheSecondUse(DezeroEngine):
    """Of a product of a value with itself only one factor gets its cotangent."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        if step.op == "mul" and operands[0] is operands[1]:
            operands = [operands[0], Variable(operands[0].data)]
        return super().apply(step, operands)


class BroadcastToTwice(DezeroEngine):
    """An explicit broadcast gives back twice what it should."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        if step.op == "broadcast_to":
            half = Variable(operands[0].data)
            operands = [operands[0] + operands[0] - half]
        return super().apply(step, operands)


class NeedsHandles(DezeroEngine):
    """Without a handle on the values between, the gradients are others."""

    def __init__(self) -> None:
        self.kept = True

    def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
        self.kept = keep
        return super().build(program, keep=keep)

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return g if g is None or self.kept else np.nextafter(g, np.inf)


class WritesIntoSeeds(DezeroEngine):
    """The cotangent that was given is used as scratch memory."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, seed.copy(), retain_grad=retain_grad)
        seed *= 2.0


class SharesMemory(DezeroEngine):
    """All gradients of one shape lie in one array."""

    shared = np.zeros(2)

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return self.shared if g is not None and g.shape == (2,) else g


class ReadOnly(DezeroEngine):
    """Nobody may write into a gradient."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        if g is not None:
            g = g.copy()
            g.flags.writeable = False
        return g


class Moody(DezeroEngine):
    """Every gradient is a unit in the last place larger than the one before."""

    def __init__(self) -> None:
        self.asked = 0

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        self.asked += 1
        return None if g is None else np.asarray(g * (1 + self.asked * 2.0**-52))


class Recording(DezeroEngine):
    """`no_grad` does nothing."""

    def no_grad(self) -> AbstractContextManager[None]:
        return nullcontext()


class StaysOff(DezeroEngine):
    """An exception leaves nothing recorded from then on."""

    off = False

    def no_grad(self) -> AbstractContextManager[None]:
        @contextmanager
        def region() -> Any:
            try:
                with no_grad():
                    yield
            except BaseException:
                self.off = True
                raise

        return region()

    def recording(self) -> bool:
        return super().recording() and not self.off


class RunsTwice(DezeroEngine):
    """Backward looks at every rule once more, for every use of its output."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        super().backward(variable, np.zeros_like(seed))
        super().backward(variable, seed, retain_grad=retain_grad)


class WritesEarly(DezeroEngine):
    """Leaves receive gradients before the rules have run."""

    def __init__(self) -> None:
        self.last: Variable | None = None

    def leaf(self, data: Array) -> Variable:
        self.last = super().leaf(data)
        return self.last

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        try:
            super().backward(variable, seed, retain_grad=retain_grad)
        except Exception:
            if self.last is not None:
                self.last.grad = Variable(np.zeros(self.last.shape))
            raise


class Swallows(DezeroEngine):
    """An exception in a rule is nobody's business."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        try:
            super().backward(variable, seed, retain_grad=retain_grad)
        except Exception:
            variable.cleargrad()


class Cycle(DezeroEngine):
    """A Variable is held by what made it."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs = super().apply(step, operands)
        if outputs[0].creator is not None:
            vars(outputs[0].creator)["holds"] = outputs[0]
        return outputs


class Hoards(DezeroEngine):
    """A list somewhere holds every array."""

    hoard: list[Array]

    def __init__(self) -> None:
        self.hoard = []

    def leaf(self, data: Array) -> Variable:
        self.hoard.append(data)
        return super().leaf(data)


Variables = Sequence[Variable]


class Altered(DezeroEngine):
    """Of gradients that are variables it gives others: `altered` says which."""

    def gradients(
        self, ys: Variables, xs: Variables, seeds: Variables, create_graph: bool = False
    ) -> list[Variable]:
        return self.altered(super().gradients(ys, xs, seeds, create_graph), xs, seeds, create_graph)

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        """The others, in place of those that are right; ``first`` if they will be differentiated."""
        raise NotImplementedError


class WrongSecondOrder(Altered):
    """First gradients are right, but cut off from what they were computed from."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        return [Variable(g.data) for g in found] if first else found


class TouchesGradients(Altered):
    """`grad()` leaves its results in the leaves, too."""

    def altered(
        self, found: list[Variable], xs: Variables, seeds: Variables, first: bool
    ) -> list[Variable]:
        for x, g in zip(xs, found, strict=True):
            x.grad = Variable(3 * g.data)
        return found


LIES: list[tuple[str, Callable[[], DezeroEngine], Program, str]] = [
    ("runs", Crashes, SMOOTH, "the program, forward and backward"),
    ("value", WrongValue, SMOOTH, r"value 2, of step 0 \(square\)"),
    ("shape_dtype", Scalars, SMOOTH, "gradient of input 0"),
    ("gradient", WrongGradient, SMOOTH, r"gradient of input 0\[\d\]"),
    ("kink", OneAtZero, KINKED, "gradient at a kink, of input 0"),
    ("linearity", Affine, SMOOTH, "gradient of input 0 for zero cotangents"),
    ("accumulation", Overwriting, SMOOTH, "gradient after backward twice, of input 0"),
    ("accumulation", Remembering, SMOOTH, "the gradient of a value on the way after backward"),
    ("accumulation", NeverCleared, SMOOTH, "the gradient after cleargrad"),
    ("accumulation", TouchesGradients, SMOOTH, r"the gradient of a leaf after grad\(\)"),
    ("sharing", ForgetsTheSecondUse, SHARED, "shared values computed twice"),
    ("broadcasting", BroadcastToTwice, SMOOTH, "gradient with explicit broadcasting"),
    ("dropped_outputs", NeedsHandles, SMOOTH, "gradient of input 0 with dropped values"),
    ("isolation", WritesIntoSeeds, SMOOTH, "cotangent 0 after backward"),
    ("isolation", SharesMemory, SHARED, "the memory of the gradient of value"),
    ("isolation", ReadOnly, SMOOTH, "the gradient of value 0"),
    ("determinism", Moody, SMOOTH, "gradient of input 0 in a second run"),
    ("no_graph", Recording, SMOOTH, "the creator of value 2 under no_grad"),
    ("no_graph", StaysOff, SMOOTH, "whether operations are recorded after an exception"),
    ("visits", RunsTwice, SMOOTH, r"visits of step \d \(\w+\) in a backward"),
    ("transaction", WritesEarly, SMOOTH, "gradient of value 1 after a rule raised"),
    ("transaction", Swallows, SMOOTH, "an exception in the rule of step"),
    ("refcount", Cycle, SMOOTH, "what is alive when the last handle has gone"),
    ("refcount", Hoards, SMOOTH, "what is alive when the last handle has gone"),
    ("second_order", WrongSecondOrder, SMOOTH, "v' H v"),
]


@pytest.mark.parametrize(
    ("law", "liar", "program", "what"), LIES, ids=[f"{law}-{liar.__name__}" for law, liar, *_ in LIES]
)
def test_a_lie_breaks_its_law(
    law: str, liar: Callable[[], DezeroEngine], program: Program, what: str
) -> None:
    with pytest.raises(Broken, match=what) as caught:
        LAWS[law].check(Trial(liar(), program))
    assert caught.value.margin > 1


def test_a_difference_in_the_last_place_can_be_read() -> None:
    with pytest.raises(Broken) as caught:
        LAWS["determinism"].check(Trial(Moody(), SMOOTH))
    assert caught.value.expected != caught.value.found


class RoundsBadly(DezeroEngine):
    """Gradients are off by a multiple of the roundoff, in every precision."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None else np.asarray(g * (1 + 300 * np.finfo(g.dtype).eps))


@pytest.mark.parametrize("program", [SMOOTH, SINGLE], ids=["float64", "float32"])
def test_a_difference_of_rounding_goes_away_in_a_wider_precision(program: Program) -> None:
    trial = Trial(RoundsBadly(), program)
    with pytest.raises(Broken):
        LAWS["gradient"].check(trial)
    LAWS["gradient"].hold(trial)


@pytest.mark.parametrize("program", [SMOOTH, SINGLE], ids=["float64", "float32"])
def test_a_wrong_rule_is_wrong_in_every_precision(program: Program) -> None:
    class Wrong(DezeroEngine):
        def gradient(self, variable: Variable) -> Array | None:
            g = super().gradient(variable)
            return None if g is None else np.asarray(g * (1 + 1e-3))

    with pytest.raises(Broken, match="gradient of input") as caught:
        LAWS["gradient"].hold(Trial(Wrong(), program))
    assert 1 < caught.value.margin < np.inf  # that of the program's own precision


def test_what_no_rounding_explains_is_not_tried_again() -> None:
    tried: list[str] = []

    class Counted(Recording):
        def build(self, program: Program, *, keep: bool = True) -> Graph[Variable]:
            tried.append(program.dtype.name)
            return super().build(program, keep=keep)

    with pytest.raises(Broken) as caught:
        LAWS["no_graph"].hold(Trial(Counted(), SMOOTH))
    assert caught.value.margin == np.inf
    assert set(tried) == {"float64"}


def test_the_wider_trial_is_stricter_and_has_an_end() -> None:
    trial = Trial(DezeroEngine(), SINGLE)
    wider = trial.in_wider_precision()
    assert wider is not None
    assert wider.program.dtype == np.float64
    assert wider.eps == trial.eps / 4
    widest = Trial(DezeroEngine(), SMOOTH.astype("longdouble"))
    assert widest.in_wider_precision() is None


def test_every_law_has_a_lie() -> None:
    assert {law for law, *_ in LIES} == set(LAWS)


# ------------------------------------------------------------------------------------ The standing laws


class Growing(DezeroEngine):
    """Every backward leaves something behind."""

    def __init__(self) -> None:
        self.log: list[list[int]] = []

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        self.log.append([])
        super().backward(variable, seed, retain_grad=retain_grad)


class Recursive(DezeroEngine):
    """Backward goes down by recursion, to see how deep the graph is."""

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        def depth(y: Variable) -> int:
            return 1 + depth(y.creator.inputs[0]) if y.creator else 0

        depth(variable)
        super().backward(variable, seed, retain_grad=retain_grad)


class Forgetful(DezeroEngine):
    """A long chain loses its sign."""

    def gradient(self, variable: Variable) -> Array | None:
        g = super().gradient(variable)
        return None if g is None else -g


class OneSwitchForAll(DezeroEngine):
    """`no_grad` is a switch of the whole process."""

    on = True

    def no_grad(self) -> AbstractContextManager[None]:
        @contextmanager
        def region() -> Any:
            self.on = False
            try:
                yield
            finally:
                self.on = True

        return region()

    def recording(self) -> bool:
        return self.on


class LeaksFromGenerators(OneSwitchForAll):
    """In other threads it records; but what a generator switches off is off for its consumer."""

    def no_grad(self) -> AbstractContextManager[None]:
        @contextmanager
        def region() -> Any:
            before = Config.enable_backprop
            Config.enable_backprop = False
            try:
                yield
            finally:
                Config.enable_backprop = before

        return region()

    def recording(self) -> bool:
        return Config.enable_backprop


STANDING_LIES: list[tuple[str, Callable[[], DezeroEngine], str]] = [
    ("refcount", Growing, "blocks of memory left by 10000 iterations"),
    ("depth", Recursive, "a chain of 3000 operations"),
    ("depth", Forgetful, "the gradient of a chain of 3000 negations"),
    ("no_graph", OneSwitchForAll, "whether another thread records"),
    ("no_graph", LeaksFromGenerators, "whether its consumer records while it is suspended"),
]


@pytest.mark.parametrize(
    ("law", "liar", "what"), STANDING_LIES, ids=[liar.__name__ for _, liar, _ in STANDING_LIES]
)
def test_a_lie_breaks_its_standing_law(
    law: str, liar: Callable[[], DezeroEngine], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "DEPTH", 3000)

    def hold() -> None:
        for check in STANDING_LAWS[law]:
            check(liar())

    with pytest.raises(Broken, match=what):
        hold()


def test_every_standing_law_has_a_lie() -> None:
    assert {law for law, *_ in STANDING_LIES} == set(STANDING_LAWS)


@pytest.mark.parametrize("wrong", [1 + 1e-9, -1.0])
def test_a_wrong_reference_is_found_by_a_law(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever of the two errs, engine or reference: where they differ a law is broken."""

    def off(x: Array) -> Any:  # arrays of numbers and of balls alike
        return np.sin(x) * wrong

    program = Program((np.array([0.5, 1.5]),), (Step("sin", (0,)),), (1,), (np.array([1.0, 2.0]),))
    for law in ("value", "gradient", "second_order"):
        LAWS[law].hold(Trial(DezeroEngine(), program))
    monkeypatch.setattr(evaluation, "FUNCTIONS", {**evaluation.FUNCTIONS, "sin": off})
    for law in ("value", "gradient", "second_order"):
        with pytest.raises(Broken):
            LAWS[law].hold(Trial(DezeroEngine(), program))
