"""The random programs: always valid, always the same for the same records, and rich."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from dezero.contract import Contract
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.program import Program
from dezero.verify.reference import evaluate
from dezero.verify.strategies import (
    LARGEST,
    MOST_ELEMENTS,
    SHAPES,
    Bits,
    Record,
    decode,
    input_array,
    programs,
)

ALL = sorted(CONTRACTS.values(), key=lambda contract: contract.name)
SIMPLE = sorted(CoreSimpleEngine().contracts.values(), key=lambda contract: contract.name)

SOURCES = st.lists(
    st.tuples(st.integers(0, len(SHAPES) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


def records(contracts: list[Contract]) -> st.SearchStrategy[list[Record]]:
    """Records of any numbers, also larger ones than `programs` draws."""
    return st.lists(
        st.tuples(
            st.integers(0, len(contracts) - 1),
            st.integers(0, 1000),
            st.integers(0, 2**64),
        ),
        max_size=12,
    )


def check(program: Program, dtype: str) -> None:
    """Raises AssertionError unless a program is valid, finite and of bounded size."""
    values = evaluate(program)
    assert program.steps
    assert len(values) == program.n_values
    for y in values:
        assert y.size <= MOST_ELEMENTS
        assert np.all(np.isfinite(y))
        assert np.max(np.abs(y), initial=0.0) <= 10 * LARGEST[dtype]
    for output, seed in zip(program.outputs, program.seeds, strict=True):
        assert seed.shape == values[output].shape
    assert {x.dtype.name for x in (*program.inputs, *program.seeds)} == {dtype}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_program_is_valid(dtype: str) -> None:
    @given(programs(CONTRACTS, (dtype,)))
    def property(program: Program) -> None:
        check(program, dtype)

    property()


@given(records(ALL), SOURCES, st.integers(0, 255))
def test_any_records_decode(drawn: list[Record], sources: list[tuple[int, int]], seed: int) -> None:
    check(decode(ALL, sources, drawn, seed, "float64"), "float64")


@given(records(SIMPLE), SOURCES, st.integers(0, 255))
def test_any_records_decode_with_few_operations(
    drawn: list[Record], sources: list[tuple[int, int]], seed: int
) -> None:
    program = decode(SIMPLE, sources, drawn, seed, "float32")
    check(program, "float32")
    assert {step.op for step in program.steps} <= {contract.name for contract in SIMPLE}


@given(records(ALL), SOURCES, st.data())
def test_what_shrinking_does_to_records_decodes(
    drawn: list[Record], sources: list[tuple[int, int]], data: st.DataObject
) -> None:
    """A record is left out, a number becomes smaller."""
    if drawn:
        k = data.draw(st.integers(0, len(drawn) - 1))
        smaller = tuple(data.draw(st.integers(0, n)) for n in drawn[k])
        check(decode(ALL, sources, drawn[:k] + drawn[k + 1 :], 0, "float64"), "float64")
        lowered: Record = (smaller[0], smaller[1], smaller[2])
        check(decode(ALL, sources, [*drawn[:k], lowered, *drawn[k + 1 :]], 0, "float64"), "float64")


@given(records(ALL), SOURCES, st.integers(0, 255))
def test_decoding_is_deterministic(
    drawn: list[Record], sources: list[tuple[int, int]], seed: int
) -> None:
    once, again = (decode(ALL, sources, drawn, seed, "float64").to_json() for _ in range(2))
    assert once == again


def test_no_record_gives_the_simplest_program() -> None:
    program = decode(ALL, [(0, 0)], [], 0, "float64")
    assert len(program.steps) == 1


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


def test_every_operation_occurs(sample: list[Program]) -> None:
    counts = Counter(step.op for program in sample for step in program.steps)
    assert set(CONTRACTS) == set(counts)


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
            broadcast += step.op in ("add", "mul", "div") and len(shapes) > 1
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


@pytest.mark.parametrize("op", ["mul"])
def test_an_operation_shrinks_to_itself(op: str) -> None:
    def has(program: Program) -> bool:
        return any(step.op == op for step in program.steps)

    few = {name: CONTRACTS[name] for name in ("mul", "add", "sin", "sum", "split", "max")}
    found = find(
        programs(few), has, settings=settings(max_examples=300, database=None, derandomize=True)
    )
    assert len(found.steps) <= 2


def test_zero_bits_are_the_simplest_choice_every_time() -> None:
    bits = Bits(0)
    assert [bits.choose(n) for n in (2, 7, 0, 1)] == [0, 0, 0, 0]


@given(st.integers(0, 2**64), st.lists(st.integers(0, 9), max_size=9))
def test_bits_stay_within(number: int, choices: list[int]) -> None:
    bits = Bits(number)
    assert all(0 <= bits.choose(n) < max(n, 1) for n in choices)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_small_numbers_are_nice_inputs(dtype: str) -> None:
    assert input_array((), 0, dtype).tolist() == 1.0
    assert input_array((2,), 8, dtype).tolist() == [1.0, 1.0]
    for number in range(256):
        x = input_array((2, 3), number, dtype)
        assert x.dtype == dtype
        assert np.array_equal(x, x.astype(np.float32))
        assert np.max(np.abs(x)) <= LARGEST[dtype]
