"""Messages of the protocol: what is written is read, and what is malformed is said where."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from dezero.verify.program import MAX_BYTES, Json, Program, ProgramError, Step
from dezero.verify.protocol import Capabilities, Result, Run, brief, decode, encode, identity
from dezero.verify.serve import CAPABILITIES, serve

PROGRAM = Program(
    (np.array([1.0, -0.0]), np.array(2.0)),
    (Step("mul", (0, 1)), Step("split", (2,), {"sections": 2, "axis": 0}, 2)),
    (3, 4),
    (np.array([1.0]), np.array([np.inf])),
)
BOTH = frozenset(("values", "vjp"))
RUN = Run(7, PROGRAM, (0, 1), BOTH)
T: dict[str, Json] = {"dtype": "float64", "shape": [1], "data": [2.0]}
START: dict[str, Json] = CAPABILITIES.to_dict()


def answers(*requests: bytes) -> list[dict[str, Json]]:
    """What our port says to some lines."""
    replies = io.BytesIO()
    serve(io.BytesIO(b"".join(requests)), replies)
    return [decode(line) for line in replies.getvalue().splitlines(keepends=True)]


def test_messages_come_back_as_they_were() -> None:
    again = Run.from_dict(decode(encode(RUN.to_dict())))
    assert again.program.to_json() == PROGRAM.to_json()
    assert (again.id, again.wrt, again.want) == (7, (0, 1), BOTH)
    assert Capabilities.from_dict(decode(encode(START))) == CAPABILITIES
    result = Result(7, (np.array([2.0]), np.array([-0.0])), (None, np.array(3.0)))
    assert Result.from_dict(decode(encode(result.to_dict())), RUN).to_dict() == result.to_dict()


def test_a_message_is_one_line() -> None:
    assert encode({"message": "two\nlines"}).count(b"\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello\n", "message: not JSON: Expecting value"),
        (b"[1]\n", "message: [1]; expected an object"),
        (b"\xff\xfe\n", "message: not JSON: 'utf-8' codec can't decode"),
        (b'{"id": NaN}\n', 'NaN is not a JSON number; write it as a string: "NaN"'),
        (b"[" * 10_000 + b"]" * 10_000, "message: not JSON: maximum recursion depth"),
        (b'{"id": ' + b"9" * 5000 + b"}", "message: not JSON: Exceeds the limit"),
        (b" " * (MAX_BYTES + 1), f"message: {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are read"),
    ],
)
def test_a_line_that_is_no_message(line: bytes, message: str) -> None:
    with pytest.raises(ProgramError) as raised:
        decode(line)
    assert message in str(raised.value)


@pytest.mark.parametrize("number", [None, True, 1.0, "1", [[]]])
def test_an_identity_is_an_integer(number: Json) -> None:
    with pytest.raises(ProgramError, match=r"^message: id is .*; expected an integer$"):
        identity({"id": number})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": 2}, "start: protocol is 2; expected 1"),
        ({"protocol": True}, "start: protocol is True; expected 1"),
        ({"numbers": ["bits"]}, 'start: numbers has no "decimal", which this kit needs'),
        ({"dtypes": ["int8"]}, "start: dtypes is ['int8']; expected one of float64, float32"),
        ({"ops": ["add"]}, "start: ops: ['add']; expected an object"),
        ({"ops": {"sum": {"attrs": "axis"}}}, "start: ops: 'sum': 'axis'; expected a list"),
        ({"implementation": {}}, "start: implementation: name: None; expected a short text"),
        (
            {"implementation": {"name": "\x1b[2J"}},
            "start: implementation: name: '\\x1b[2J'; expected a short text",
        ),
        ({"features": [1]}, "start: features: 1; expected a short text"),
    ],
)
def test_a_start_that_is_none(change: dict[str, Json], message: str) -> None:
    with pytest.raises(ProgramError) as raised:
        Capabilities.from_dict(START | change)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"grads": [None, None]}, "values: None; expected a list"),
        ({"values": [T], "grads": [None, None]}, "values: 1 tensors; expected 2"),
        ({"values": [T, T], "grads": [None]}, "grads: 1 tensors; expected 2"),
        ({"values": [T, None], "grads": [None, None]}, "values: 1: None; expected an object"),
        (
            {"values": [T, T | {"shape": [2]}], "grads": [None, None]},
            "values: 1: 1 numbers for shape [2]; expected 2",
        ),
        (
            {"values": [T, T], "grads": [None, T | {"data": [None]}]},
            "grads: 1: None is not a number of dtype float64",
        ),
    ],
)
def test_a_result_that_is_none(reply: dict[str, Json], message: str) -> None:
    with pytest.raises(ProgramError) as raised:
        Result.from_dict({"id": 7, **reply}, RUN)
    assert str(raised.value) == message


def test_only_what_is_wanted_is_looked_for() -> None:
    only_values = Run(7, PROGRAM, (0, 1), frozenset(("values",)))
    assert len(Result.from_dict({"id": 7, "values": [T, T]}, only_values).values) == 2


def test_what_came_from_outside_is_shown_on_a_short_line() -> None:
    assert brief("\x1b[2J\n\ud800") == "'\\x1b[2J\\n\\ud800'"
    assert brief(b"x" * 10**6) == "b'" + "x" * 55 + "..."
    deep: Json = []
    for _ in range(10_000):
        deep = [deep]
    assert brief(deep) == "a deeply nested list"


# --- our port -----------------------------------------------------------------------------------------


def test_our_port_answers() -> None:
    start, echo, run = answers(
        encode({"cmd": "start", "protocol": 1, "kit": "0"}),
        encode({"cmd": "echo", "id": 3, "tensor": {**T, "data": ["-0"]}}),
        encode(RUN.to_dict()),
        encode({"cmd": "stop"}),
        b"what comes after stop is not read\n",
    )
    assert start == START
    assert echo == {"id": 3, "tensor": T | {"data": ["-0"]}}
    assert run["values"] == [T, T | {"data": ["-0"]}]
    assert run["grads"] == [
        {"dtype": "float64", "shape": [2], "data": [2.0, "Infinity"]},
        {"dtype": "float64", "shape": [], "data": ["NaN"]},  # 1 · 1 + -0 · ∞
    ]


def test_only_the_gradients_asked_for_are_given() -> None:
    (reply,) = answers(encode(Run(1, PROGRAM, (1,), frozenset(("vjp",))).to_dict()))
    assert reply["values"] == []
    assert reply["grads"] == [{"dtype": "float64", "shape": [], "data": ["NaN"]}]


def test_an_input_that_is_not_connected_has_no_gradient() -> None:
    program = Program((np.array(1.0), np.array(2.0)), (Step("sin", (0,)),), (2,), (np.array(1.0),))
    (reply,) = answers(encode(Run(1, program, (1,), BOTH).to_dict()))
    assert reply["grads"] == [None]


def changed(**change: Json) -> bytes:
    return encode({**RUN.to_dict(), **change})


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (
            b"{}\n",
            {
                "id": None,
                "error": {"kind": "internal", "message": "message: id is None; expected an integer"},
            },
        ),
        (
            b'{"cmd":"start","protocol":9}\n',
            {"id": None, "error": {"kind": "internal", "message": "start: protocol is 9, not 1"}},
        ),
        (
            b'{"cmd":"dance","id":1}\n',
            {
                "id": 1,
                "error": {
                    "kind": "internal",
                    "message": "cmd is 'dance'; expected start, echo, run or stop",
                },
            },
        ),
        (
            changed(want=["hessian"]),
            {
                "id": 7,
                "error": {
                    "kind": "internal",
                    "message": "run: want has 'hessian'; expected some of ['hvp', 'values', 'vjp']",
                },
            },
        ),
        (
            changed(wrt=[2]),
            {
                "id": 7,
                "error": {
                    "kind": "internal",
                    "message": "run: wrt has 2; expected the number of an input",
                },
            },
        ),
        (
            changed(nodes=[{"op": "dance", "in": [0], "n_out": 3}]),
            {"id": 7, "unsupported": {"op": "dance"}, "message": "dezero has no 'dance'"},
        ),
    ],
)
def test_what_our_port_refuses(line: bytes, reply: Json) -> None:
    good = encode({"cmd": "echo", "id": 8, "tensor": T})
    assert answers(line, good) == [reply, {"id": 8, "tensor": T}]


def test_an_operation_that_does_not_fit_is_an_error_of_shape() -> None:
    node: Json = {"op": "reshape", "in": [0], "attrs": {"shape": [3]}, "n_out": 2}
    (reply,) = answers(changed(nodes=[node], outputs=[2, 3]))
    error = reply["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "shape"
    large: Json = {"op": "broadcast_to", "in": [0], "attrs": {"shape": [999999, 2]}, "n_out": 2}
    (reply,) = answers(changed(nodes=[large], outputs=[2, 3]))
    assert "at most 1000000 are allowed" in json.dumps(reply)


def test_a_line_that_never_ends_is_given_up() -> None:
    replies = io.BytesIO()
    assert serve(io.BytesIO(b" " * (MAX_BYTES + 2)), replies) == 1
    assert b"a line longer than is read" in replies.getvalue()


def test_products_with_the_hessian() -> None:
    """Of x0² x1 at (1, 2), with (1, -1): the Hessian is ((4, 2), (2, 0))."""
    one = np.array([1.0])
    steps = (Step("square", (0,)), Step("mul", (2, 1)))
    program = Program((one, 2 * one), steps, (3,), (one,))
    run = Run(1, program, (0, 1), frozenset(("hvp",)), (one, -one))
    assert Run.from_dict(decode(encode(run.to_dict()))).to_dict() == run.to_dict()
    (reply,) = answers(encode(run.to_dict()))
    assert [h.tolist() for h in Result.from_dict(reply, run).hvp if h is not None] == [[2.0], [2.0]]
    (reply,) = answers(encode(Run(1, program, (1,), frozenset(("hvp",)), (one,)).to_dict()))
    assert reply["hvp"] == [T | {"data": [0.0]}]


@pytest.mark.parametrize(
    ("v", "message"),
    [
        (None, "run: v: None; expected a list"),
        ([T], "run: v: 1 tensors; expected 2"),
        ([T, T], "run: v: 0: float64[1]; expected float64[2], as input 0"),
    ],
)
def test_a_v_that_is_none(v: Json, message: str) -> None:
    (reply,) = answers(changed(want=["hvp"], v=v))
    assert reply["error"] == {"kind": "internal", "message": message}
