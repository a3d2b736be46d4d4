"""Rewriting a program changes how it is computed, and never what."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from dezero.contract import Array
from dezero.verify.decoding import well_placed
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.evaluation import evaluate
from dezero.verify.oracles import root
from dezero.verify.program import Program, Step
from dezero.verify.rewrites import (
    ancestors,
    in_another_order,
    perturbed,
    places_when_perturbed,
    simpler,
    with_copies,
    with_explicit_broadcasting,
)
from dezero.verify.strategies import programs
from dezero.verify.trial import Trial

X = np.array([1.0, 2.0])
ONES = np.ones(2)
CHAIN = Program((X,), (Step("square", (0,)), Step("sin", (1,))), (2,), (ONES,))
DIAMOND = Program((X,), (Step("square", (0,)), Step("sin", (1,)), Step("mul", (1, 2))), (3,), (ONES,))
BRANCHES = Program(
    (X,),
    (
        Step("split", (0,), {"sections": 2, "axis": 0}, 2),
        Step("square", (2,)),
        Step("exp", (1,)),
        Step("mul", (3, 4)),
    ),
    (5,),
    (np.ones(1),),
)
ROW_AND_COLUMN = Program(
    (np.ones((1, 2)), np.ones((2, 1))), (Step("add", (0, 1)),), (2,), (np.ones((2, 2)),)
)


def outputs(program: Program) -> list[Array]:
    values = evaluate(program)
    return [values[i] for i in program.outputs]


def same_outputs(a: Program, b: Program) -> bool:
    """Whether two programs give the same outputs, bit for bit."""
    return all(map(np.array_equal, outputs(a), outputs(b)))


@given(programs(CONTRACTS, ("float64", "float32")))
def test_with_copies_is_the_same_function(program: Program) -> None:
    other = with_copies(program)
    if other is not None:
        assert len(other.steps) == len(program.steps) + 1
        assert same_outputs(other, program)


@given(programs(CONTRACTS, ("float64", "float32")))
def test_another_order_is_the_same_function(program: Program) -> None:
    other = in_another_order(program)
    if other is not None:
        assert sorted(s.op for s in other.steps) == sorted(s.op for s in program.steps)
        assert same_outputs(other, program)


@given(programs(CONTRACTS, ("float64", "float32")))
def test_explicit_broadcasting_is_the_same_function(program: Program) -> None:
    other = with_explicit_broadcasting(program, evaluate(program), CONTRACTS)
    if other is not None:
        assert same_outputs(other, program)
        values = evaluate(other)
        for step, first in other.places():
            if step.op in ("add", "mul", "div", "maximum"):
                assert {values[i].shape for i in step.operands} == {values[first].shape}


@given(programs(CONTRACTS))
def test_perturbed_by_nothing_is_the_same_function(program: Program) -> None:
    values = evaluate(program)
    other = perturbed(program, [y.shape for y in values], np.random.default_rng(0), 0.0)
    assert same_outputs(other, program)
    again = evaluate(other)
    for i, place in enumerate(places_when_perturbed(program)):
        assert np.array_equal(again[place], values[i])


@given(programs(CONTRACTS))
def test_perturbed_moves_but_little(program: Program) -> None:
    eps = float(np.finfo(np.float64).eps)
    shapes = [y.shape for y in evaluate(program)]
    other = perturbed(program, shapes, np.random.default_rng(0), eps)
    for x, moved in zip(program.inputs, other.inputs, strict=False):
        assert np.all(np.abs(x - moved) <= 2 * eps * np.abs(x))
    for factor in other.inputs[len(program.inputs) :]:
        assert np.all((np.abs(factor - 1) <= 2 * eps) & (factor != 1))


def test_perturbed_leaves_alone_what_is_fixed() -> None:
    fixed = set(range(DIAMOND.n_values))
    shapes = [y.shape for y in evaluate(DIAMOND)]
    moved = perturbed(DIAMOND, shapes, np.random.default_rng(0), 0.5, fixed)
    assert root(moved) == root(DIAMOND)
    assert root(perturbed(DIAMOND, shapes, np.random.default_rng(0), 0.5)) != root(DIAMOND)


def test_what_is_not_shared_is_not_copied() -> None:
    assert with_copies(CHAIN) is None


def test_the_last_use_gets_the_copy() -> None:
    copied = with_copies(DIAMOND)
    assert copied is not None
    assert [(s.op, s.operands) for s in copied.steps] == [
        ("square", (0,)),
        ("square", (0,)),
        ("sin", (1,)),
        ("mul", (2, 3)),
    ]


def test_a_chain_has_one_order() -> None:
    assert in_another_order(CHAIN) is None


def test_branches_change_places() -> None:
    other = in_another_order(BRANCHES)
    assert other is not None
    assert [(s.op, s.operands) for s in other.steps] == [
        ("split", (0,)),
        ("exp", (1,)),
        ("square", (2,)),
        ("mul", (4, 3)),
    ]


def test_both_operands_are_broadcast() -> None:
    explicit = with_explicit_broadcasting(ROW_AND_COLUMN, evaluate(ROW_AND_COLUMN), CONTRACTS)
    assert explicit is not None
    assert [(s.op, s.operands) for s in explicit.steps] == [
        ("broadcast_to", (0,)),
        ("broadcast_to", (1,)),
        ("add", (2, 3)),
    ]


def test_what_fits_is_not_broadcast() -> None:
    assert with_explicit_broadcasting(DIAMOND, evaluate(DIAMOND), CONTRACTS) is None


def test_an_engine_without_broadcast_to_is_left_in_peace() -> None:
    few = {"add": CONTRACTS["add"]}
    assert with_explicit_broadcasting(ROW_AND_COLUMN, evaluate(ROW_AND_COLUMN), few) is None


def test_ancestors_are_all_that_leads_there() -> None:
    assert ancestors(BRANCHES, [2]) == {0, 1}  # exp of the first part
    assert ancestors(BRANCHES, []) == set()


# --- simpler ----------------------------------------------------------------------------------------


def passes_over_a_step(candidate: Program, program: Program) -> bool:
    """Whether it has no input that was not the program's: then it may compute something else."""
    return all(any(x is given for given in program.inputs) for x in candidate.inputs)


@given(programs(CONTRACTS))
def test_what_is_simpler_is_valid_and_smaller(program: Program) -> None:
    for candidate in simpler(program):
        assert len(candidate.outputs) + len(candidate.steps) < len(program.outputs) + len(program.steps)
        assert len(candidate.outputs) <= len(program.outputs)
        assert len(candidate.steps) <= len(program.steps)
        Trial(DezeroEngine(), candidate).check()


@given(programs(CONTRACTS))
def test_what_is_simpler_is_the_same_function_unless_a_step_is_passed_over(program: Program) -> None:
    expected = outputs(program)
    places = list(range(len(expected)))
    one_less = [[k for k in places if k != left_out] for left_out in places if len(places) > 1]
    for number, candidate in enumerate(simpler(program)):
        kept = one_less[number] if number < len(one_less) else places
        if number < len(one_less) or not passes_over_a_step(candidate, program):
            for k, y, seed in zip(kept, outputs(candidate), candidate.seeds, strict=True):
                assert np.array_equal(y, expected[k])
                assert np.array_equal(seed, program.seeds[k])


@given(programs(CONTRACTS, ("float32",)))
def test_what_is_simpler_has_the_same_precision(program: Program) -> None:
    for candidate in simpler(program):
        assert {x.dtype for x in candidate.inputs} <= {np.dtype(np.float32)}
        assert {y.dtype for y in outputs(candidate)} == {np.dtype(np.float32)}


@given(programs(CONTRACTS))
def test_what_is_simpler_is_pruned(program: Program) -> None:
    for candidate in simpler(program):
        assert candidate.pruned().to_json() == candidate.to_json()


def test_a_step_is_passed_over() -> None:
    last, first, _ = simpler(CHAIN)
    assert [s.op for s in last.steps] == ["square"]
    assert [s.op for s in first.steps] == ["sin"]
    assert last.inputs == first.inputs == CHAIN.inputs


def test_a_step_of_another_shape_is_not_passed_over() -> None:
    summed = Step("sum", (1,), {"axis": None, "keepdims": False})
    program = Program((X,), (Step("sin", (0,)), summed, Step("exp", (2,))), (3,), (np.array(1.0),))
    assert [[s.op for s in candidate.steps] for candidate in simpler(program)] == [
        ["sin", "sum"],
        ["exp"],
        ["sum", "exp"],
        ["sum", "exp"],
    ]


def test_a_step_is_replaced_by_what_it_gave() -> None:
    *_, candidate = simpler(CHAIN)
    assert [x.tolist() for x in candidate.inputs] == [[1.0, 4.0]]
    assert [(s.op, s.operands) for s in candidate.steps] == [("sin", (0,))]
    assert candidate.outputs == (1,)


def test_all_outputs_of_a_step_are_replaced_at_once() -> None:
    *_, candidate = simpler(BRANCHES)
    assert [x.tolist() for x in candidate.inputs] == [[1.0], [2.0]]
    assert [(s.op, s.operands) for s in candidate.steps] == [
        ("square", (1,)),
        ("exp", (0,)),
        ("mul", (2, 3)),
    ]


def test_one_output_less_comes_first() -> None:
    two = Program((X,), (Step("square", (0,)), Step("sin", (0,))), (1, 2), (ONES, 2 * ONES))
    first, second = simpler(two)
    assert [s.op for s in first.steps] == ["sin"]
    assert first.seeds[0].tolist() == [2.0, 2.0]
    assert [s.op for s in second.steps] == ["square"]


def test_what_leaves_a_domain_is_no_candidate_of_a_campaign() -> None:
    """Else a right engine breaks the law `value` there: what is expected is not a number."""
    program = Program(
        (np.array(-1.5),), (Step("square", (0,)), Step("log", (1,))), (2,), (np.array(1.0),)
    )
    candidates = list(simpler(program))
    kept = [candidate for candidate in candidates if well_placed(candidate, CONTRACTS)]
    assert 0 < len(kept) < len(candidates)
    for candidate in kept:
        assert np.all(np.isfinite(outputs(candidate)))


def test_one_step_is_as_simple_as_can_be() -> None:
    assert not list(simpler(ROW_AND_COLUMN))
