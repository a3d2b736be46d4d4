"""The random programs are rich, and small ones are simple; the sweep leaves nothing to chance."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, seed, settings

from dezero.contract import Contract, Shapes
from dezero.verify import strategies
from dezero.verify.coverage import Coverage
from dezero.verify.decoding import KINDS
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate
from dezero.verify.program import Program
from dezero.verify.strategies import alone_in, programs, swept


@pytest.fixture(scope="module")
def sample() -> list[Program]:
    """Some hundreds of programs, as a campaign sees them."""
    drawn: list[Program] = []

    @settings(max_examples=300, derandomize=True, database=None, deadline=None)
    @given(programs(CONTRACTS, ("float64", "float32")))
    def collect(program: Program) -> None:
        drawn.append(program)

    collect()
    return drawn


def test_nearly_every_operation_is_drawn(sample: list[Program]) -> None:
    """All of them is what the sweep is for."""
    counts = Counter(step.op for program in sample for step in program.steps)
    assert len(counts) >= 0.9 * len(CONTRACTS)


def test_shapes_vary(sample: list[Program]) -> None:
    shapes = {y.shape for program in sample for y in evaluate(program)}
    assert {(), (1,), (2, 3), (0,)} <= shapes
    assert max(map(len, shapes)) >= 3


def test_operands_broadcast(sample: list[Program]) -> None:
    broadcast = 0
    for program in sample:
        values = evaluate(program)
        for step, _ in program.places():
            shapes = {values[i].shape for i in step.operands}
            broadcast += CONTRACTS[step.op].shapes is Shapes.ELEMENTWISE and len(shapes) > 1
    assert broadcast >= 10


def test_programs_have_several_outputs(sample: list[Program]) -> None:
    assert sum(len(program.outputs) > 1 for program in sample) >= 50


def test_programs_have_values_that_nobody_uses(sample: list[Program]) -> None:
    unused = 0
    for program in sample:
        used = {i for step in program.steps for i in step.operands} | set(program.outputs)
        unused += bool(set(range(program.n_values)) - used)
    assert unused >= 3


def test_values_are_shared(sample: list[Program]) -> None:
    def shared(program: Program) -> bool:
        uses = Counter(i for step in program.steps for i in step.operands)
        return max(uses.values()) > 1

    assert sum(map(shared, sample)) >= 50


def test_kinks_are_planted(sample: list[Program]) -> None:
    kinked = 0
    for program in sample:
        values = evaluate(program)
        for step, _ in program.places():
            kinks = CONTRACTS[step.op].kinks
            if kinks is not None:
                gap = kinks.clearance(*(values[i] for i in step.operands), **step.attributes)
                kinked += gap == 0
    assert kinked >= 5


def test_both_precisions_occur(sample: list[Program]) -> None:
    assert {program.dtype.name for program in sample} == {"float64", "float32"}


def test_attributes_are_json(sample: list[Program]) -> None:
    for program in sample:
        json.loads(program.to_json())


@pytest.mark.parametrize("op", ["mul", "batch_norm"])
def test_an_operation_shrinks_to_itself(op: str) -> None:
    def has(program: Program) -> bool:
        return any(step.op == op for step in program.steps)

    few = {name: CONTRACTS[name] for name in (op, "add", "sin", "sum", "split", "max")}
    found = find(
        programs(few), has, settings=settings(max_examples=300, database=None, derandomize=True)
    )
    assert len(found.steps) <= 2


def json_drawn() -> list[str]:
    """Programs that Hypothesis draws at one seed."""
    drawn: list[str] = []

    @seed(7)
    @settings(max_examples=60, derandomize=False, database=None, phases=[Phase.generate])
    @given(programs(CONTRACTS))
    def collect(program: Program) -> None:
        drawn.append(program.to_json())

    collect()
    return drawn


def test_what_is_drawn_does_not_depend_on_the_modules_that_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json_drawn()
    constants = [*range(-300, 300), *(bytes([k]) * n for n in (1, 2, 8) for k in range(80))]
    (tmp_path / "users_module.py").write_text(f"CONSTANTS = {constants}\n")
    monkeypatch.syspath_prepend(tmp_path)
    users = importlib.import_module("users_module")
    assert len(users.CONSTANTS) == len(constants)
    assert json_drawn() == before
    del sys.modules["users_module"]


# ------------------------------------------------------------------------------------------ the sweep


def tallied(programs: Sequence[Program]) -> Coverage:
    coverage = Coverage()
    for program in programs:
        coverage.count(program)
    return coverage


def alone(contracts: Mapping[str, Contract]) -> int:
    """How many programs of one operation come first in a round."""
    return sum(len(KINDS) * alone_in(contract) for contract in contracts.values())


def the_round(ops: Sequence[str], seed: int = 1) -> list[Program]:
    """The first round of a sweep over some operations."""
    contracts = {op: CONTRACTS[op] for op in ops}
    n = len(ops)
    return list(islice(swept(contracts, ("float64",), seed), alone(contracts) + n * n))


FITTING = {"square", "log1p", "softplus", "sin", "tanh", "sigmoid", "reshape", "swapaxes"}
"""What may stand before an operation to make a value fit it."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_operation_comes_alone_in_a_sweep(seed: int) -> None:
    first = list(islice(swept(CONTRACTS, ("float64",), seed), alone(CONTRACTS)))
    assert set(tallied(first).operations) == set(CONTRACTS)
    for program in first:
        ops = {step.op for step in program.steps}
        assert len(ops - FITTING) <= 1
    assert sum(len(program.steps) == 1 for program in first) > 0.75 * len(first)


def test_each_feeds_each_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """With enough tries: these take any numbers, and give as many axes as they take."""
    monkeypatch.setattr(strategies, "TRIES", 64)
    ops = (
        *("add", "sub", "neg", "sin", "tanh", "exp", "matmul", "cumsum", "flip", "roll", "concatenate"),
        *("softmax", "log_softmax", "split", "transpose", "silu", "linear", "batch_norm", "layer_norm"),
    )
    assert tallied(the_round(ops)).missing_pairs({op: CONTRACTS[op] for op in ops}) == []


def test_most_pairs_come_within_a_round_over_all_operations() -> None:
    """Some cannot: a loss has no axes, a negative value no logarithm. Others need several rounds."""
    tally = tallied(the_round(list(CONTRACTS)))
    assert len(tally.missing_pairs(CONTRACTS)) <= 0.05 * len(CONTRACTS) ** 2


def test_what_feeds_is_tried_again_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    ops = ("sub", "log", "matmul", "relu", "huber", "max", "power", "concatenate")
    contracts = {op: CONTRACTS[op] for op in ops}
    often = len(tallied(the_round(ops)).missing_pairs(contracts))
    monkeypatch.setattr(strategies, "TRIES", 1)
    assert len(tallied(the_round(ops)).missing_pairs(contracts)) > often


def json_of(contracts: Sequence[str], seed: int, n: int = 60) -> list[str]:
    chosen = {op: CONTRACTS[op] for op in contracts}
    return [program.to_json() for program in islice(swept(chosen, ("float64",), seed), n)]


def test_a_sweep_depends_on_its_seed_alone() -> None:
    assert json_of(list(CONTRACTS), 1) == json_of(list(CONTRACTS), 1)
    assert json_of(list(CONTRACTS), 1) == json_of(list(CONTRACTS)[::-1], 1)
    assert json_of(list(CONTRACTS), 1) != json_of(list(CONTRACTS), 2)


def test_a_sweep_has_the_element_types_that_are_asked_for() -> None:
    for dtypes in (("float32",), ("float64", "float32")):
        drawn = {program.dtype.name for program in islice(swept(CONTRACTS, dtypes, 1), 1200)}
        assert drawn == set(dtypes)


def test_a_second_round_has_other_programs() -> None:
    contracts = {op: CONTRACTS[op] for op in ("sin", "mul", "sum")}
    length = alone(contracts) + 9
    rounds = list(islice(swept(contracts, ("float64",), 1), 2 * length))
    first, second = (
        [program.to_json() for program in half] for half in (rounds[:length], rounds[length:])
    )
    assert len(set(second) - set(first)) > length / 2
    inputs = {x.tobytes() for program in rounds for x in program.inputs}
    assert len(inputs) > length / 2
    assert tallied(rounds[length:]).missing_pairs(contracts) == []


def test_a_sweep_over_one_operation() -> None:
    for program in islice(swept({"sin": CONTRACTS["sin"]}, ("float64",), 1), 30):
        assert {step.op for step in program.steps} == {"sin"}
        assert all(np.all(np.isfinite(y)) for y in evaluate(program))
