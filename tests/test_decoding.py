"""Programs from numbers: always valid, always the same for the same numbers, with operands that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dezero.contract import Contract, Shapes
from dezero.verify.attributes import SHAPES
from dezero.verify.decoding import (
    LARGEST,
    MOST_ELEMENTS,
    NEAREST,
    Record,
    decode,
    input_array,
    well_placed,
)
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.evaluation import evaluate
from dezero.verify.laws import LAWS
from dezero.verify.program import Program, Step
from dezero.verify.strategies import programs, swept
from dezero.verify.trial import Trial

ENGINE = DezeroEngine()
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
def test_every_program_that_is_drawn_is_valid(dtype: str) -> None:
    @given(programs(CONTRACTS, (dtype,)))
    def property(program: Program) -> None:
        check(program, dtype)

    property()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_program_of_a_sweep_is_valid(dtype: str) -> None:
    for program in islice(swept(CONTRACTS, (dtype,), 1), 300):
        check(program, dtype)


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


def test_no_operation_gives_no_program() -> None:
    with pytest.raises(ValueError, match=r"no operation of \['log'\] takes a matrix of 0.5"):
        decode([replace(CONTRACTS["log"], shapes=Shapes.IMAGES)], [(0, 0)], [], 0, "float64")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_small_numbers_are_nice_inputs(dtype: str) -> None:
    assert input_array((), 0, dtype).tolist() == 1.0
    assert input_array((2,), 8, dtype).tolist() == [1.0, 1.0]
    for number in range(256):
        x = input_array((2, 3), number, dtype)
        assert x.dtype == dtype
        assert np.array_equal(x, x.astype(np.float32))
        assert np.max(np.abs(x)) <= LARGEST[dtype]


# -------------------------------------------------------------------------------- an operation alone


def alone(
    contract: Contract, bits: int, shape: int, contracts: Sequence[Contract] = ALL
) -> Program | None:
    """A program of one record, for an operation; None if it does not fit the input at all."""
    sources = [(shape, 16 + bits % 240)]
    program = decode(contracts, sources, [(contracts.index(contract), 0, bits)], bits, "float64")
    return program if contract.name in {step.op for step in program.steps} else None


@pytest.mark.parametrize("name", CONTRACTS)
def test_operands_and_attributes_fit(name: str) -> None:
    """Whatever the input's shape and the numbers, the engine takes what comes, and mostly it comes."""
    random = np.random.default_rng(3)
    made = [
        alone(CONTRACTS[name], int(random.integers(2**32)), shape)
        for shape in range(len(SHAPES))
        for _ in range(6)
    ]
    fitting = [program for program in made if program is not None]
    for program in fitting:
        check(program, "float64")
        for law in ("runs", "value"):
            LAWS[law].check(Trial(ENGINE, program))
    assert len(fitting) >= 0.5 * len(made)


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_operation_that_is_all_there_is_finds_operands(name: str) -> None:
    """Nothing is there that could reshape a value: what does not fit is made a new input."""
    random = np.random.default_rng(3)
    found = [
        alone(CONTRACTS[name], int(random.integers(2**32)), shape, [CONTRACTS[name]])
        for shape in range(len(SHAPES))
        for _ in range(3)
    ]
    assert all(program is None or {step.op for step in program.steps} == {name} for program in found)


SHAPED = {Shapes.ANY, Shapes.ELEMENTWISE, Shapes.MATMUL, Shapes.EQUAL, Shapes.EQUAL_BUT_AXIS}
"""Where companions are found among the values that are there."""


@pytest.mark.parametrize(
    "shapes", [s for s in Shapes if s not in SHAPED], ids=lambda shapes: shapes.name
)
def test_the_shapes_of_the_operands_are_as_the_contract_says(shapes: Shapes) -> None:
    of_these = [contract for contract in CONTRACTS.values() if contract.shapes is shapes]
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for contract in of_these:
        for bits in range(0, 2**16, 997):
            program = alone(contract, bits, bits % len(SHAPES))
            for step in program.steps if program else ():
                if program and step.op == contract.name:
                    values = evaluate(program)
                    seen.add(tuple(values[i].shape for i in step.operands))
    for operands in seen:
        assert suits(shapes, *operands), operands
    assert len(seen) >= 4 * bool(of_these)


def suits(shapes: Shapes, x: tuple[int, ...], *others: tuple[int, ...]) -> bool:
    """What the members of `Shapes` say, in Python."""
    match shapes:
        case Shapes.LINEAR:
            w, b = others
            return len(x) >= 1 and w[:-1] == x[-1:] and b == w[1:]
        case Shapes.PER_CHANNEL:
            return len(x) >= 2 and others == (x[1:2], x[1:2])
        case Shapes.PER_FEATURE:
            return len(x) >= 1 and others == (x[-1:], x[-1:])
        case Shapes.CLASSES | Shapes.WINDOWS:
            return len(x) == 2 and not others
        case Shapes.ROWS:
            return len(x) >= 1 and not others
        case Shapes.IMAGES:
            return len(x) == 4 and not others
        case Shapes.CONVOLUTION:
            (w,) = others
            return len(x) == len(w) == 4 and x[1] == w[1]
        case Shapes.DECONVOLUTION:
            (w,) = others
            return len(x) == len(w) == 4 and x[1] == w[0]
        case Shapes.CONVOLUTION_GRADIENT:
            (gy,) = others
            return len(x) == len(gy) == 4 and x[0] == gy[0]
        case _:
            return False


# -------------------------------------------------------------------------------- new inputs, domains


def test_inputs_come_first_though_some_are_made_late() -> None:
    """The parameters of a normalisation are nowhere: they are new inputs, after a step was made."""
    numbers = {contract.name: i for i, contract in enumerate(ALL)}
    records = [(numbers["sin"], 0, 0), (numbers["batch_norm"], 0, 0)]
    program = decode(ALL, [(SHAPES.index((2, 3)), 20)], records, 0, "float64")
    assert [step.op for step in program.steps] == ["sin", "batch_norm"]
    assert [x.shape for x in program.inputs] == [(2, 3), (3,), (3,)]
    assert program.steps[0].operands == (0,)
    assert program.steps[1].operands[0] == 3
    assert set(program.steps[1].operands[1:]) == {1, 2}
    check(program, "float64")


@pytest.mark.parametrize(
    ("op", "x", "expected"),
    [
        ("log", 1.0, True),
        ("log", NEAREST / 2, False),
        ("log", -1.0, False),
        ("abs", 0.0, True),  # on the kink
        ("abs", NEAREST / 2, False),
        ("abs", 1.0, True),
        ("exp", 1000.0, False),  # not finite
    ],
)
def test_well_placed(op: str, x: float, expected: bool) -> None:
    program = Program((np.array(x),), (Step(op, (0,)),), (1,), (np.array(1.0),))
    assert well_placed(program, CONTRACTS) == expected


@pytest.mark.parametrize(("dtype", "expected"), [("float64", True), ("float32", False)])
def test_well_placed_values_are_in_the_range_of_the_element_type(dtype: str, expected: bool) -> None:
    x = np.array(1e20, dtype)
    program = Program((x,), (Step("square", (0,)),), (1,), (np.ones((), dtype),))
    assert well_placed(program, CONTRACTS) == expected


def test_a_program_that_cannot_run_is_not_well_placed() -> None:
    step = Step("reshape", (0,), {"shape": (5,)})
    program = Program((np.array(1.0),), (step,), (1,), (np.array(1.0),))
    assert not well_placed(program, CONTRACTS)
