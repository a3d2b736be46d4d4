"""The port to C: it holds, bears what is no request, and what is planted in it is found and shrunk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ports import (
    PORTS,
    Fault,
    X,
    ask,
    compiled,
    finds,
    holds_core,
    lacks,
    program,
    refuses,
    runs_a_chain,
)

from dezero.verify.program import Json

SOURCE = PORTS / "c" / "port.c"
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

pytestmark = pytest.mark.skipif(CC is None, reason="there is no C compiler, which builds the port")

FAULTS = {
    "the last cotangent wins": Fault(
        "*place = *place == NULL ? g : zip(plus, *place, g);", "*place = g;", "neg,add,mul,sin"
    ),
    "sum_to overwrites": Fault(
        "same(&x->shape, shape) ? x : fold_to(x, shape, 0, plus)",
        "same(&x->shape, shape) ? x : fold_to(x, shape, 0, larger)",
        "neg,add,mul,sin",
    ),
    "relu'(0) is 1": Fault("x > 0 ? g : 0)", "x >= 0 ? g : 0)", "neg,relu", "kink"),
    "a tie goes to both in full": Fault(
        "side == other ? g / 2 : 0", "side == other ? g : 0", "neg,maximum", "kink"
    ),
    "concatenate repeats its first operand": Fault(
        "memcpy(at, xs[k]->data + block * run, run * sizeof *at);",
        "memcpy(at, xs[0]->data + block * run, run * sizeof *at);",
        "mul,split,concatenate",
        "value",
    ),
}


def build(source: Path, program: Path, *options: str) -> list[str]:
    """Builds a port; the command that starts it."""
    assert CC is not None
    command = [CC, "-std=c11", "-O2", *options, "-o", str(program), str(source), "-lm"]
    return compiled(*command)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    strict = ("-Wall", "-Wextra", "-pedantic", "-Werror")
    return build(SOURCE, tmp_path_factory.mktemp("c") / "port", *strict)


def test_it_holds_with_every_operation_of_core(port: list[str], tmp_path: Path) -> None:
    holds_core(port, tmp_path / "report.json")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_shrunk(fault: Fault, tmp_path: Path) -> None:
    faulty = build(fault.plant(SOURCE, tmp_path / "port.c"), tmp_path / "port")
    finds(fault, faulty, tmp_path / "report.json")


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("no JSON", "internal", "byte 0 of the line: expected a value"),
        ("[" * 100_000, "internal", "no more than 64 levels"),
        ('{"cmd":"echo","id":1', "internal", "expected a comma, or the end"),
        ('{"cmd":"ec\\u00zz"}', "internal", "byte 12 of the line: expected four digits"),
        ('{"cmd":"run","id":1e}', "internal", "expected a digit"),
        ('{"cmd":"spin","id":1}', "internal", 'no command "spin"'),
        ('{"cmd":"spin' + "\\" * 1001 + '"', "internal", "expected a letter"),
        ('{"cmd":"run","id":1,"inputs":{}}', "internal", '"inputs" is of another kind'),
        (
            program({"op": "sum", "in": [0], "attrs": {"axis": 1}}),
            "shape",
            "axis 1 of an array of 1 axes",
        ),
        (program({"op": "sum", "in": [0, 0]}), "internal", "2 operands for sum"),
        (program({"op": "sum", "in": [3]}), "internal", "value 3 of 1"),
        (program({"op": "sum", "in": [0], "n_out": 2}), "internal", "2 outputs"),
        (
            program({"op": "sum", "in": [0], "attrs": {"of": 1}}),
            "internal",
            "sum: an unknown attribute",
        ),
        (program({"op": "sum", "in": [0]}, seeds=[X]), "shape", "seed 0: [2]"),
        (program({"op": "sum", "in": [0]}, seeds=[]), "shape", "0 seeds, 1 outputs"),
        (
            program({"op": "broadcast_to", "in": [0], "attrs": {"shape": [10**15, 10**15, 2]}}),
            "shape",
            "a shape of more than 134217728 elements",
        ),
        (
            program({"op": "broadcast_to", "in": [0], "attrs": {"shape": [2**26, 2]}}),
            "internal",
            "a request may take 1073741824 bytes",
        ),
        (
            program({"op": "reshape", "in": [0], "attrs": {"shape": [1 for _ in range(40)]}}),
            "shape",
            "more than 32 axes",
        ),
        (
            program({"op": "split", "in": [0], "attrs": {"sections": 0}}),
            "shape",
            "0 equal parts of [2]",
        ),
    ],
)
def test_it_says_what_is_wrong_and_goes_on(port: list[str], line: str, kind: str, words: str) -> None:
    refuses(port, line, kind, words)


def test_an_operation_that_it_has_not_is_unsupported_and_stop_ends_it(port: list[str]) -> None:
    lacks(port, 's"\\pin\u00e9', 's"\\pin?', "no such operation")


def test_a_chain_of_100_000_steps_is_run_and_freed(port: list[str]) -> None:
    runs_a_chain(port)


def test_what_a_request_took_is_given_back(port: list[str]) -> None:
    """Each takes a third of a gigabyte, of which no request may take more than one."""
    attributes: dict[str, Json] = {"shape": [2**24, 2]}
    wide: dict[str, Json] = {"op": "broadcast_to", "in": [0], "attrs": attributes}
    replies = ask(port, *[program(wide, want=["nothing"])] * 5)
    assert replies == [{"id": 1}] * 5
