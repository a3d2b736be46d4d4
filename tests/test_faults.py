"""The kit catches planted faults, names a law that is broken, and shrinks to a few steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
import pytest

from dezero import config, graph
from dezero.contract import Contract
from dezero.functions import Sin
from dezero.graph import Function, Node, Reading, Variable
from dezero.verify import campaign, standing, strategies
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import FAULTS, UNSEEN, Fault, Replacement, planted, scaled
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.program import Program, Step
from dezero.verify.trial import Broken, Trial

ENGINE = DezeroEngine()
EXAMPLES = 2000
SEED = 1
COMPANY = ("flatten", "swapaxes", "neg", "square", "add")
"""The operations beside the one that is at fault: among all, a rare one takes long to come up."""
FEW = ("exp", "sin", "mul", "sum", "split", "get_item_grad", "reshape")
"""The operations that come to them for a fault of the engine."""
SEEDS: Mapping[str, int] = {}
"""Where the programs of the first seed show a fault late: for the time that it takes, no more."""
BY_HAND: Mapping[str, tuple[str, float]] = {
    # What goes on after the program that showed it: a campaign cannot run that program again.
    "no_grad_leaks": ("sin", 1.0),
    # Random programs have few values that are so small or so large.
    "expm1_cancels": ("expm1", 1e-5),
    "logsumexp_overflows": ("logsumexp", 800.0),
}
"""What no short campaign shows, and an operation and a value that show it."""
SAMPLE = (
    "add",
    "sub",
    "mul",
    "div",
    "matmul",
    "sum",
    "get_item",
    "exp",
    "sin",
    "softmax",
    "split",
    "max",
)
"""Operations of every kind; all of them, one after the other, take some minutes."""


def trial(program: Program) -> Trial[Variable]:
    return Trial(ENGINE, program)


def look(
    contracts: Mapping[str, Contract], seed: int, dtypes: Sequence[str] = ("float64",)
) -> campaign.Tally:
    programs = strategies.programs(contracts, dtypes)
    return campaign.run(campaign.Plan(programs, trial, contracts, tuple(LAWS), seed, EXAMPLES))


def contracts_of(names: frozenset[str]) -> dict[str, Contract]:
    """Some operations and their company."""
    return {name: c for name, c in CONTRACTS.items() if name in (names or FEW) or name in COMPANY}


def caught(fault: Fault) -> campaign.Tally:
    dtypes = ("float64", "float32") if fault.family == "dtype" else ("float64",)
    contracts = contracts_of(fault.operations)
    with planted(fault):
        if fault.smallest:
            return look(contracts, SEEDS.get(fault.name, SEED), dtypes)
        tally = campaign.Tally()
        campaign.standing(ENGINE, tuple(STANDING_LAWS), tally, SEED)
        return tally


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that is long enough for recursion, and no longer."""
    monkeypatch.setattr(standing, "DEPTH", 10_000)
    monkeypatch.setattr(standing, "ITERATIONS", 1_000)


def test_there_are_enough_of_them() -> None:
    assert len(FAULTS) >= 60
    assert {law for fault in FAULTS.values() for law in fault.laws} <= {*LAWS, *STANDING_LAWS}
    assert not FAULTS.keys() & UNSEEN.keys()


def test_every_law_has_a_fault_of_its_own() -> None:
    only = {fault.laws[0] for fault in FAULTS.values()}
    assert {*LAWS, *STANDING_LAWS} - only == {
        "runs",
        "sharing",
        "broadcasting",
    }  # others are asked first


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    "name",
    [name for name in FAULTS if name not in BY_HAND],
)
def test_a_fault_is_caught_named_and_shrunk(name: str) -> None:
    fault = FAULTS[name]
    found = caught(fault).counterexample
    assert found is not None
    crashed = found.broken.expected == "no exception"  # in the first law that had it run
    assert crashed or found.law in fault.laws, (found.law, found.broken, found.program)
    if found.program is not None:
        assert len(found.program.steps) <= max(4, fault.smallest + 1), found.program.steps


@pytest.mark.parametrize("name", BY_HAND)
def test_a_fault_that_is_rare_is_named_on_a_program_of_one_step(name: str) -> None:
    (law,) = FAULTS[name].laws
    op, x = BY_HAND[name]
    program = Program((np.array(x),), (Step(op, (0,)),), (1,), (np.array(1.0),))
    with planted(FAULTS[name]), pytest.raises(Broken):
        LAWS[law].check(trial(program))
    LAWS[law].check(trial(program))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_factor_on_any_one_rule_is_caught(name: str) -> None:
    fault = Fault(f"{name}_scaled", "rules", "", ("gradient",), 1, scaled(OPERATIONS[name], 1 + 1e-10))
    found = caught(fault).counterexample
    assert found is not None
    assert found.program is not None
    assert len(found.program.steps) <= 4
    assert name in {step.op for step in found.program.steps} or found.law == "second_order"


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_law_sees_as_yet(name: str) -> None:
    """If this fails, a law has learnt to see it: move it to FAULTS."""
    with planted(UNSEEN[name]):
        contracts = contracts_of(frozenset(("split", "mul", "exp")))
        programs = strategies.programs(contracts)
        tally = campaign.run(campaign.Plan(programs, trial, contracts, tuple(LAWS), SEED, 60))
        campaign.standing(ENGINE, tuple(STANDING_LAWS), tally, SEED)
    assert tally.counterexample is None


OWNERS = (graph, config, Variable, Function, Node, Reading, config.using_config, *OPERATIONS.values())


@pytest.mark.parametrize("fault", [*FAULTS.values(), *UNSEEN.values()], ids=lambda fault: fault.name)
def test_everything_is_restored(fault: Fault) -> None:
    owners = [wrong.owner for wrong in fault.patch()]
    before = [dict(vars(owner)) for owner in (*OWNERS, *owners)]
    with suppress(KeyError), planted(fault):
        assert [dict(vars(owner)) for owner in owners] != before[len(OWNERS) :]
        raise KeyError
    for owner, old in zip((*OWNERS, *owners), before, strict=True):
        assert vars(owner).keys() == old.keys()
        assert all(vars(owner)[name] is value for name, value in old.items())


def test_an_attribute_that_was_inherited_is_inherited_again() -> None:
    assert "pull" not in vars(Sin)
    fault = Fault("", "rules", "", (), 1, lambda: [Replacement(Sin, "pull", None)])
    with planted(fault):
        assert "pull" in vars(Sin)
    assert "pull" not in vars(Sin)
