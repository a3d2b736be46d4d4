"""The kit catches planted faults, names a law that is broken, and shrinks to a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import get_args

import pytest

from dezero import arrays, config, core, functions_conv, functions_nn, graph
from dezero.contract import Contract
from dezero.functions import Sin
from dezero.graph import Function, Node, Reading, Variable
from dezero.operation import Operation
from dezero.verify import campaign, standing
from dezero.verify.campaign import Counterexample, Plan
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.faults import FAULTS, UNSEEN, Fault, Replacement, planted, scaled
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.planting import Family
from dezero.verify.strength import DTYPES, ENGINE, rightly, trial

EXAMPLES = 2000
SEED = 1
COMPANY = ("flatten", "swapaxes", "neg", "square", "add")
"""The operations beside one whose rule is scaled."""
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


def caught(fault: Fault) -> Counterexample | None:
    """What `dezero faults` finds at one seed, among all operations."""
    with planted(fault):
        if fault.smallest:
            plan = Plan(trial, CONTRACTS, tuple(LAWS), SEED, EXAMPLES, dtypes=DTYPES)
            return campaign.run(plan).counterexample
        tally = campaign.Tally()
        campaign.standing(ENGINE, tuple(STANDING_LAWS), tally, SEED)
        return tally.counterexample


def in_company(names: Sequence[str]) -> dict[str, Contract]:
    """Some operations and their company."""
    return {name: c for name, c in CONTRACTS.items() if name in (*names, *COMPANY)}


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that is long enough for recursion, and no longer."""
    monkeypatch.setattr(standing, "DEPTH", 10_000)
    monkeypatch.setattr(standing, "ITERATIONS", 1_000)


def test_there_are_enough_of_them() -> None:
    assert len(FAULTS) >= 130
    assert {law for fault in FAULTS.values() for law in fault.laws} <= {*LAWS, *STANDING_LAWS}
    assert not FAULTS.keys() & UNSEEN.keys()
    assert {fault.family for fault in FAULTS.values()} | {"interface"} == set(get_args(Family))


def test_every_law_has_a_fault_of_its_own() -> None:
    only = {fault.laws[0] for fault in FAULTS.values()}
    assert {*LAWS, *STANDING_LAWS} - only == {
        "runs",
        "sharing",
        "broadcasting",
    }  # others are asked first


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_named_and_shrunk(name: str) -> None:
    fault = FAULTS[name]
    found = caught(fault)
    assert found is not None
    assert rightly(fault, found), (found.law, found.broken, found.program)
    if found.program is not None:
        assert len(found.program.steps) <= fault.smallest + 1, found.program.steps


@pytest.mark.parametrize("name", SAMPLE)
def test_a_factor_on_any_one_rule_is_caught(name: str) -> None:
    operation = OPERATIONS[name]
    assert issubclass(operation, Operation)
    fault = Fault(f"{name}_scaled", "rules", "", ("gradient",), 1, scaled(operation, 1 + 1e-10))
    with planted(fault):
        plan = Plan(trial, in_company([name]), tuple(LAWS), SEED, EXAMPLES)
        found = campaign.run(plan).counterexample
    assert found is not None
    assert found.program is not None
    assert len(found.program.steps) <= 4
    assert name in {step.op for step in found.program.steps} or found.law == "second_order"


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_law_sees_as_yet(name: str) -> None:
    """If this fails, a law has learnt to see it: move it to FAULTS."""
    with planted(UNSEEN[name]):
        contracts = in_company(["split", "mul", "exp"])
        tally = campaign.run(Plan(trial, contracts, tuple(LAWS), SEED, 60))
        campaign.standing(ENGINE, tuple(STANDING_LAWS), tally, SEED)
    assert tally.counterexample is None


CLASSES = (Variable, Function, Node, Reading, config.using_config, *OPERATIONS.values())
OWNERS = (arrays, config, core, functions_conv, functions_nn, graph, *CLASSES)


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
