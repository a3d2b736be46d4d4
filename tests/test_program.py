"""Programs as data: there and back bit for bit, and no hostile text gets past ProgramError."""

from __future__ import annotations

import json
import math
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dezero.contract import Array
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate
from dezero.verify.program import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_STEPS,
    AttributeValue,
    Program,
    ProgramError,
    Step,
    decode_attribute,
    decode_tensor,
    encode_attribute,
    encode_tensor,
)
from dezero.verify.strategies import programs

ONE = np.array(1.0)


def valid() -> dict[str, Any]:
    """A program as decoded JSON, of which the tests spoil a part."""
    one = {"dtype": "float64", "shape": [], "data": [1.0]}
    return {
        "inputs": [one],
        "nodes": [
            {"op": "square", "in": [0], "attrs": {}, "n_out": 1},
            {"op": "get_item", "in": [1], "attrs": {"slices": [None, {"ellipsis": True}]}, "n_out": 1},
        ],
        "outputs": [2],
        "seeds": [{"dtype": "float64", "shape": [1], "data": [1.0]}],
    }


def identical(a: AttributeValue, b: AttributeValue) -> bool:
    """Whether two attributes are the same bit for bit, types and all."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


# --- there and back ---------------------------------------------------------------------------------

TENSORS: list[Any] = [
    np.array([math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1]),
    np.array([0.1, 1e-45, 3.4e38, -0.0, math.nan, math.inf], np.float32),
    np.array([[2**63 - 1, -(2**63 - 1)], [2**53 + 1, 0]]),
    np.array(-(2**63)),
    np.array([True, False]),
    np.array(2.5),
    np.zeros((0, 3)),
    np.zeros((2, 0, 1), np.float32),
    np.arange(6.0).reshape(2, 3).T,
]


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda t: f"{t.dtype}{list(t.shape)}")
def test_a_tensor_comes_back(tensor: Array) -> None:
    text = json.dumps(encode_tensor(tensor), allow_nan=False)
    assert identical(decode_tensor(json.loads(text), "here"), tensor)


ATTRIBUTES: list[AttributeValue] = [
    None,
    True,
    3,
    -1.5,
    -0.0,
    math.inf,
    math.nan,
    "text",
    (),
    (1, (2, 3)),
    slice(None, None, -1),
    slice(1, 2),
    ...,
    (..., None, slice(0, 1), 2, np.array([0, 1, 0])),
    np.array([[True, False]]),
    ((1, 0), (0, 2)),
]


@pytest.mark.parametrize("value", ATTRIBUTES, ids=repr)
def test_an_attribute_comes_back(value: AttributeValue) -> None:
    text = json.dumps(encode_attribute(value), allow_nan=False)
    assert identical(decode_attribute(json.loads(text), "here"), value)


@given(programs(CONTRACTS, ("float64", "float32")))
def test_a_program_comes_back(program: Program) -> None:
    text = program.to_json()
    back = Program.from_json(text)
    assert "\n" not in text
    assert back.to_json() == text
    assert back.outputs == program.outputs
    for a, b in zip((*program.inputs, *program.seeds), (*back.inputs, *back.seeds), strict=True):
        assert identical(a, b)
    for step, again in zip(program.steps, back.steps, strict=True):
        assert (step.op, step.operands, step.n_out) == (again.op, again.operands, again.n_out)
        assert identical(tuple(step.attributes.values()), tuple(again.attributes.values()))


@given(programs(CONTRACTS, ("float64", "float32")))
def test_a_program_that_came_back_computes_the_same(program: Program) -> None:
    for a, b in zip(evaluate(program), evaluate(Program.from_json(program.to_json())), strict=True):
        assert identical(a, b)


def test_what_has_no_name_on_the_wire_is_not_written() -> None:
    with pytest.raises(ProgramError, match="dtype complex128 cannot be written"):
        encode_tensor(np.array(1j))


# --- hostile input ----------------------------------------------------------------------------------

TENSOR = {"dtype": "float64", "shape": [1], "data": [1.0]}
INTEGER = {"dtype": "int64", "shape": [], "data": [1]}
BOOL = {"dtype": "bool", "shape": [1], "data": [True]}
SINGLE = {"dtype": "float32", "shape": [1], "data": [1.0]}

HOSTILE: list[tuple[str, tuple[str | int, ...], object, str]] = [
    ("unknown dtype", ("inputs", 0, "dtype"), "float16", r"input 0: dtype 'float16'; expected one of"),
    ("dtype is a list", ("inputs", 0, "dtype"), ["float64"], r"input 0: dtype \['float64'\]"),
    ("dtype is missing", ("inputs", 0), {"shape": [], "data": [1]}, r"input 0: dtype None"),
    ("too few numbers", ("inputs", 0, "data"), [], r"input 0: 0 numbers for shape \[\]; expected 1"),
    ("too many numbers", ("seeds", 0, "data"), [1, 2], r"seed 0: 2 numbers for shape \[1\]"),
    ("data is a number", ("inputs", 0, "data"), 1.0, r"input 0: data: 1.0; expected a list"),
    ("nested data", ("inputs", 0, "data"), [[1.0]], r"input 0: \[1.0\] is not a number"),
    ("a bool for a number", ("inputs", 0, "data"), [True], r"input 0: True is not a number"),
    ("a string for a number", ("inputs", 0, "data"), ["1"], r"input 0: '1' is not a number"),
    ("a huge number", ("inputs", 0, "data"), [10**400], r"input 0: 1000\d*\.\.\. is not a number"),
    (
        "a huge shape",
        ("inputs", 0, "shape"),
        [10**9],
        r"input 0: shape \[1000000000\]; at most 1000000",
    ),
    ("a huge product", ("inputs", 0, "shape"), [10**9] * 9, r"input 0: shape .*; at most"),
    ("a huge length", ("inputs", 0, "shape"), [10**400], r"input 0: shape .*; at most"),
    ("too many axes", ("inputs", 0, "shape"), [1] * 33, r"input 0: shape .* at most 32 axes"),
    ("many axes, and empty", ("inputs", 0, "shape"), [0] * 65, r"input 0: shape .* at most 32 axes"),
    ("a negative length", ("inputs", 0, "shape"), [-1], r"input 0: shape: -1; expected a non-neg"),
    ("a bool for a length", ("inputs", 0, "shape"), [True], r"input 0: shape: True; expected"),
    ("a real length", ("inputs", 0, "shape"), [1.0], r"input 0: shape: 1.0; expected"),
    ("an input of integers", ("inputs", 0), INTEGER, r"input 0: dtype int64; expected a floating one"),
    ("a seed of bools", ("seeds", 0), BOOL, r"seed 0: dtype bool; expected a floating one"),
    (
        "a seed of float32",
        ("seeds", 0),
        SINGLE,
        r"seed 0: dtype float32; expected float64, as the first",
    ),
    (
        "an input of float32",
        ("inputs",),
        [TENSOR, SINGLE],
        r"input 1: dtype float32; expected float64, as",
    ),
    ("inputs is an object", ("inputs",), {}, r"program: inputs: \{\}; expected a list"),
    ("inputs is null", ("inputs",), None, r"program: inputs: None; expected a list"),
    ("a node is a list", ("nodes", 0), [], r"node 0: \[\]; expected an object"),
    ("op is a number", ("nodes", 0, "op"), 3, r"node 0: op is 3; expected an operation's name"),
    ("in is missing", ("nodes", 0, "in"), None, r"node 0 \(square\): in: None; expected a list"),
    ("a negative reference", ("nodes", 0, "in"), [-1], r"node 0 \(square\): in: -1; expected a non"),
    (
        "a forward reference",
        ("nodes", 0, "in"),
        [1],
        r"step 0 \(square\): operand 1 is not a value yet",
    ),
    ("a huge reference", ("nodes", 0, "in"), [10**99], r"step 0 \(square\): operand"),
    ("a bool for a reference", ("nodes", 0, "in"), [False], r"node 0 \(square\): in: False"),
    (
        "attrs is a list",
        ("nodes", 0, "attrs"),
        [],
        r"node 0 \(square\): attrs: \[\]; expected an object",
    ),
    ("no output of a node", ("nodes", 0, "n_out"), 0, r"step 0 \(square\): n_out is 0; at least 1"),
    ("negative n_out", ("nodes", 0, "n_out"), -1, r"step 0 \(square\): n_out is -1"),
    ("huge n_out", ("nodes", 0, "n_out"), 10**12, r"node 0 \(square\): n_out is 1000000000000"),
    ("a bool for n_out", ("nodes", 0, "n_out"), True, r"node 0 \(square\): n_out is True"),
    (
        "a huge attribute",
        ("nodes", 0, "attrs"),
        {"c": 10**30},
        r"node 0 \(square\): c: 1000.*integers up",
    ),
    (
        "a slice of two",
        ("nodes", 0, "attrs"),
        {"s": {"slice": [1, 2]}},
        r"\(square\): s: slice \[1, 2\]",
    ),
    ("a slice of bools", ("nodes", 0, "attrs"), {"s": {"slice": [True, 1, 1]}}, r"s: slice \[True"),
    (
        "a slice of strings",
        ("nodes", 0, "attrs"),
        {"s": {"slice": "abc"}},
        r"s: slice: 'abc'; expected",
    ),
    ("an odd float", ("nodes", 0, "attrs"), {"c": {"float": "nan"}}, r"c: 'nan' is not a number"),
    ("an unknown object", ("nodes", 0, "attrs"), {"c": {"x": 1}}, r"\(square\): c: dtype None"),
    ("no outputs", ("outputs",), [], r"program: no outputs; at least one is needed"),
    (
        "an output that is none",
        ("outputs",),
        [9],
        r"program: output 9 is not a value that a step gives; expected 1 to 2",
    ),
    ("an output that is an input", ("outputs",), [0], r"program: output 0 is not a value that a step"),
    ("a negative output", ("outputs",), [-1], r"program: outputs: -1; expected a non-negative"),
    ("no seeds", ("seeds",), [], r"program: 0 seeds for 1 outputs; one for each"),
    ("too many seeds", ("seeds",), [TENSOR, TENSOR], r"program: 2 seeds for 1 outputs"),
    ("seeds is a string", ("seeds",), "ones", r"program: seeds: 'ones'; expected a list"),
]


def spoiled(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The valid program with something else in one place."""
    program = valid()
    place: Any = program
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return program


@pytest.mark.parametrize(
    ("path", "value", "message"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE]
)
def test_what_is_wrong_is_refused_by_name(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    with pytest.raises(ProgramError, match=message):
        Program.from_json(json.dumps(spoiled(path, value)))


TEXTS: list[tuple[str, str, str]] = [
    ("nothing", "", r"program: not JSON: "),
    ("a word", "program", r"program: not JSON: "),
    ("NaN unquoted", '{"inputs": [NaN]}', r'NaN is not a JSON number; write it as a string: "NaN"'),
    ("Infinity unquoted", "[-Infinity]", r"-Infinity is not a JSON number"),
    ("half a program", '{"inputs": [', r"program: not JSON: "),
    ("a list", "[]", r"program: \[\]; expected an object"),
    ("null", "null", r"program: None; expected an object"),
    ("an empty object", "{}", r"program: inputs: None; expected a list"),
    ("deep nesting", "[" * 200_000, r"program: not JSON: "),
    ("a deep value", "[" * 900 + "]" * 900, r"program: "),
    ("a number of 5000 digits", "9" * 5000, r"program: "),
    ("10^7 characters", " " * 10_000_000, r"program: not JSON: "),
    ("too many characters", " " * (MAX_BYTES + 1), r"program: 16000001 characters; at most 16000000"),
    ("a lone surrogate", '{"inputs": ["\\ud800"]}', r"input 0: '\\ud800'; expected an object"),
]


@pytest.mark.parametrize(
    ("text", "message"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS]
)
def test_what_is_no_program_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        Program.from_json(text)
    assert len(str(caught.value)) < 400


def test_an_empty_shape_may_be_huge_in_no_direction() -> None:
    empty = {"dtype": "float64", "shape": [0, 10**30], "data": []}
    with pytest.raises(ProgramError, match=r"input 0: shape \[0, 1000"):
        Program.from_dict(spoiled(("inputs", 0), empty))


def nested(depth: int) -> Any:
    """A number in so many lists."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    return deep


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900])
def test_a_deep_attribute_is_refused(depth: int) -> None:
    with pytest.raises(ProgramError, match=r"node 0 \(square\): c: nested more than 8 deep"):
        Program.from_dict(spoiled(("nodes", 0, "attrs"), {"c": nested(depth)}))


def test_an_attribute_may_be_nested_somewhat() -> None:
    value = decode_attribute(nested(MAX_DEPTH), "here")
    assert identical(decode_attribute(encode_attribute(value), "here"), value)


def test_too_many_elements_altogether_are_refused() -> None:
    tensor: Any = {"dtype": "bool", "shape": [600_000], "data": [True] * 600_000}
    with pytest.raises(ProgramError, match=r"program: 1200000 elements in its inputs; at most 1000000"):
        Program.from_dict({**valid(), "inputs": [tensor, tensor]})
    assert MAX_ELEMENTS == 1_000_000


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(ProgramError, match="100001 steps; at most 100000 are allowed"):
        Program((ONE,), (Step("neg", (0,)),) * (MAX_STEPS + 1), (1,), (ONE,))
    with pytest.raises(ProgramError, match="1000002 values; at most 1000000 are allowed"):
        Program((ONE,), (Step("split", (0,), n_out=MAX_ELEMENTS + 1),), (1,), (ONE,))


def runs_or_refuses(decoded: object) -> None:
    """Whatever comes: a program, or a ProgramError; and the reference refuses what does not fit."""
    try:
        program = Program.from_dict(cast(Any, decoded))
        evaluate(program)
    except ProgramError as refused:
        error = str(refused)
    else:
        return
    assert error.startswith(("program", "input", "node", "seed", "step"))


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**3), 10**3)
    | st.sampled_from([10**9, 10**30, -(10**9), 2**63])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from(["NaN", "-0", "float64", "int64", "bool", "slice", "square", "split", "add"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["slice", "ellipsis", "float", "dtype", "shape", "data", "op", "in", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_json_is_refused_in_good_order(decoded: Any) -> None:
    runs_or_refuses(decoded)


@given(st.text(max_size=40))
def test_any_text_is_refused_in_good_order(text: str) -> None:
    with pytest.raises(ProgramError, match=r"^program: "):
        Program.from_json(text)


def places_in(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in decoded JSON."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(cast("dict[str | int, Any]", value).items())
    elif isinstance(value, list):
        items = list(enumerate(cast("list[object]", value)))
    found = [path] if path else []
    for key, inner in items:
        found += places_in(inner, (*path, key))
    return found


@given(programs(CONTRACTS), st.integers(0, 10**6), JSON_VALUES)
def test_a_spoiled_program_is_refused_or_runs(program: Program, where: int, value: Any) -> None:
    decoded: Any = json.loads(program.to_json())
    paths = places_in(decoded)
    path = paths[where % len(paths)]
    place = decoded
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    runs_or_refuses(decoded)


# --- what else a program can do ---------------------------------------------------------------------

BRANCHED = Program(
    (np.array(1.0), np.array([2.0, 3.0]), np.array(4.0)),
    (
        Step("square", (0,)),  # 3: not needed
        Step("split", (1,), {"sections": 2, "axis": 0}, 2),  # 4, 5: half of it needed
        Step("exp", (3,)),  # 6: not needed
        Step("mul", (5, 2)),  # 7
    ),
    (7,),
    (np.array([1.0]),),
)


def test_places_are_the_numbers_of_first_outputs() -> None:
    assert [(step.op, first) for step, first in BRANCHED.places()] == [
        ("square", 3),
        ("split", 4),
        ("exp", 6),
        ("mul", 7),
    ]
    assert BRANCHED.n_values == 8


def test_pruned_leaves_what_the_outputs_need() -> None:
    pruned = BRANCHED.pruned()
    assert [step.op for step in pruned.steps] == ["split", "mul"]
    assert [x.tolist() for x in pruned.inputs] == [[2.0, 3.0], 4.0]
    assert [step.operands for step in pruned.steps] == [(0,), (3, 1)]
    assert pruned.outputs == (4,)


@given(programs(CONTRACTS))
def test_pruned_is_the_same_function_and_pruned_already(program: Program) -> None:
    first = Program(program.inputs, program.steps, program.outputs[:1], program.seeds[:1])
    pruned = first.pruned()
    found, expected = evaluate(pruned)[pruned.outputs[0]], evaluate(program)[program.outputs[0]]
    assert identical(found, expected)
    assert pruned.pruned().to_json() == pruned.to_json()


def test_astype_changes_inputs_and_seeds() -> None:
    narrow = BRANCHED.astype("float32")
    assert narrow.dtype == np.float32
    assert {x.dtype.name for x in (*narrow.inputs, *narrow.seeds)} == {"float32"}
    assert narrow.astype("float64").to_json() == BRANCHED.to_json()


def test_a_program_without_inputs_has_no_output() -> None:
    with pytest.raises(ProgramError, match="output 0 is not a value"):
        Program((), (), (0,), (ONE,))
