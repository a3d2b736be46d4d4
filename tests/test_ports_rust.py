"""The port to Rust: it holds, frees what it should, and what is planted in it is found and shrunk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ports import (
    PORTS,
    Fault,
    X,
    compiled,
    finds,
    holds_core,
    lacks,
    program,
    refuses,
    runs_a_chain,
)

SOURCE = PORTS / "rust" / "src" / "main.rs"
RUSTC = shutil.which("rustc")

pytestmark = pytest.mark.skipif(RUSTC is None, reason="rustc is not installed, which builds the port")

FAULTS = {
    "the last cotangent wins": Fault(
        """*place = Some(match place.as_ref() {
            Some(before) => before.add(&g)?,
            None => g,
        });""",
        "*place = Some(g);",
        "neg,add,mul,sin",
    ),
    "sum_to overwrites": Fault("|sum, x| sum + x", "|_, x| x", "neg,add,mul,sin"),
    "a tie goes to both in full": Fault(
        "Some(Ordering::Equal) => g / 2.0", "Some(Ordering::Equal) => g", "neg,maximum", "kink"
    ),
    "what is missing counts as ones": Fault(
        "Array::full(shape, 0.0), Ok)", "Array::full(shape, 1.0), Ok)", "mul,split,concatenate"
    ),
}


def build(source: Path, program: Path, *options: str) -> list[str]:
    """Builds a port; the command that starts it. rustc alone takes a fraction of cargo's time."""
    assert RUSTC is not None
    command = [RUSTC, "--edition", "2021", *options, "-o", str(program), str(source)]
    return compiled(*command)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return build(SOURCE, tmp_path_factory.mktemp("rust") / "port", "-D", "warnings")


def test_it_holds_with_every_operation_of_core(port: list[str], tmp_path: Path) -> None:
    holds_core(port, tmp_path / "report.json")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_shrunk(fault: Fault, tmp_path: Path) -> None:
    faulty = build(fault.plant(SOURCE, tmp_path / "main.rs"), tmp_path / "port")
    finds(fault, faulty, tmp_path / "report.json")


def test_its_own_tests_pass_of_what_is_freed_and_of_a_long_chain(tmp_path: Path) -> None:
    own = build(SOURCE, tmp_path / "tests", "--test")
    done = subprocess.run(own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("no JSON", "internal", "byte 0 of the line: expected a value"),
        ("[" * 100_000, "internal", "no more than 64 levels"),
        ('{"cmd":"echo","id":1', "internal", "expected a comma or }"),
        ('{"cmd":"spin","id":1}', "internal", 'no command "spin"'),
        (
            program({"op": "sum", "in": [0], "attrs": {"axis": 1}}),
            "shape",
            "axis 1 of an array of 1 axes",
        ),
        (program({"op": "sum", "in": [0, 0]}), "internal", "2 operands for"),
        (program({"op": "sum", "in": [3]}), "internal", "in: expected a number below 1, found 3"),
        (
            program({"op": "sum", "in": [0], "attrs": {"of": 1}}),
            "internal",
            'sum has no attribute "of"',
        ),
        (program({"op": "sum", "in": [0]}, seeds=[X]), "shape", "expected one for each output"),
        (
            program({"op": "broadcast_to", "in": [0], "attrs": {"shape": [10**15, 10**15, 2]}}),
            "shape",
            "is too large",
        ),
        (program({"op": "split", "in": [0], "attrs": {"sections": 0}}), "shape", "0 equal parts of"),
    ],
)
def test_it_says_what_is_wrong_and_goes_on(port: list[str], line: str, kind: str, words: str) -> None:
    refuses(port, line, kind, words)


def test_an_operation_that_it_has_not_is_unsupported_and_stop_ends_it(port: list[str]) -> None:
    lacks(port, "spin", "spin", "no operation spin")


def test_a_chain_of_100_000_steps_is_run_and_freed(port: list[str]) -> None:
    runs_a_chain(port)
