"""Proofs: what the table says of each operation, and that a corrupted rule fails."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dezero.contract import AT_ZERO, Attribute, Shapes, Smoothness
from dezero.functions import (
    Abs,
    Arcsin,
    Clip,
    Conv2d,
    Cos,
    Div,
    Exp,
    Identity,
    LeakyReLU,
    Log2,
    LogSumExp,
    MatMul,
    Maximum,
    Mul,
    Pad,
    Pooling,
    Pow,
    Power,
    Reciprocal,
    ReLU,
    Sigmoid,
    Sin,
    Softmax,
    Softplus,
    Split,
    Sqrt,
    Square,
    Stack,
    Sum,
    Transpose,
    Var,
)
from dezero.operation import Binary, Composite, Nary, Operation, Splitting, Unary
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.cli import main
from dezero.verify.faults import FAULTS, Fault, Replacement, planted, scaled
from dezero.verify.proofs import Refuted, Unproved, adjoint, rationals, symbols
from dezero.verify.proofs.rationals import Series, fraction
from dezero.verify.proofs.verdicts import KINDS, Verdict, Verdicts, judged

sympy: Any = importlib.import_module("sympy")  # it is typed in parts only

DOCUMENT = Path(__file__).parent.parent / "docs" / "proofs.md"
VERDICTS = Verdicts()

RULES = {name: op for name, op in OPERATIONS.items() if issubclass(op, Operation)}
COMPOSITES = [name for name, op in OPERATIONS.items() if issubclass(op, Composite)]
PLAIN = (Shapes.ANY, Shapes.ELEMENTWISE)


def elementwise(operation: type[Operation]) -> bool:
    """By another way than `symbols` takes: none of its attributes speaks of axes, shapes or indices."""
    contract = operation.contract
    numbers = {Attribute.REAL, Attribute.SLOPE, Attribute.EXPONENT, Attribute.MASK}
    return (
        contract.name != "flatten"
        and {*contract.attributes.values()} <= numbers
        and contract.shapes in PLAIN
    )


def fault(operation: type[Operation], **attributes: object) -> Fault:
    """An operation with other attributes."""
    return Fault(
        "", "rules", "", (), 1, lambda: [Replacement(operation, *new) for new in attributes.items()]
    )


def unary(operation: type[Unary], vjp: Callable[[Any, Any, Any, Any, Any], Any]) -> Fault:
    """Another rule: of self, xp, gy, x, y."""
    return fault(operation, vjp=vjp)


def binary(operation: type[Binary], vjp: Callable[[Any, Any, Any, Any, Any, Any], Any]) -> Fault:
    """Another rule: of self, xp, gy, a, b, y."""
    return fault(operation, vjp=vjp)


def splitting(operation: type[Splitting], vjp: Callable[[Any, Any, Any, Any], Any]) -> Fault:
    """Another rule: of self, xp, gys, x."""
    return fault(operation, vjp=vjp)


def nary(operation: type[Nary], vjp: Callable[[Any, Any, Any, Any], Any]) -> Fault:
    """Another rule: of self, xp, gy, xs."""
    return fault(operation, vjp=vjp)


def corrupted(wrong: Fault) -> Verdict:
    """The verdict on the operation that has a fault."""
    (name,) = wrong.operations
    with planted(wrong):
        return judged(RULES[name])


# ------------------------------------------------------- The table


def documented() -> dict[str, list[str]]:
    """The cells of the table in the document, by operation."""
    rows = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return {row[0].strip("`"): row for row in cells}


def test_the_table_has_every_operation() -> None:
    assert list(documented()) == sorted(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_table_says_what_is_proved(name: str) -> None:
    """If this fails: `dezero prove --markdown`, and put the table into the document."""
    found = VERDICTS[name]
    domain = OPERATIONS[name].contract.domain.text
    assert documented()[name] == [f"`{name}`", domain, found.kind, found.grounds, found.why_not_more]
    assert found.kind not in ("refuted", "sampled")


@pytest.mark.parametrize("name", RULES)
def test_what_is_elementwise_is_proved_and_what_is_linear_is_exact(name: str) -> None:
    found = VERDICTS[name]
    assert (found.kind == "proved") == elementwise(RULES[name])
    if RULES[name].contract.smoothness in (Smoothness.LINEAR, Smoothness.MULTILINEAR):
        assert f"rationals, {adjoint.SAMPLES} samples" in found.grounds
    assert bool(found.why_not_more) == (found.kind != "proved")


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_is_as_good_as_its_weakest_part(name: str) -> None:
    found = VERDICTS[name]
    parts = found.grounds.removeprefix("made of ").split(", ")
    assert found.kind == max((VERDICTS[part].kind for part in parts), key=KINDS.index)
    assert found.why_not_more.startswith("no rule of its own")


def test_a_composite_is_made_of_what_it_calls() -> None:
    assert VERDICTS["linear"].grounds == "made of add, matmul"
    assert VERDICTS["silu"].grounds == "made of mul, sigmoid"


@pytest.mark.parametrize("name", ["sum", "transpose", "reshape", "get_item", "mul", "pad", "stack"])
def test_the_samples_have_empty_and_0d_operands(name: str) -> None:
    operands = [
        program.inputs[program.steps[0].operands[0]]
        for program in adjoint.samples(RULES[name].contract)
    ]
    assert sum(x.size == 0 for x in operands) >= 6
    assert sum(x.ndim == 0 for x in operands) >= 3


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_sample_is_one_step(name: str) -> None:
    for program in adjoint.samples(OPERATIONS[name].contract):
        assert [step.op for step in program.steps] == [name]


# ------------------------------------------------------- Corrupted rules


@pytest.mark.parametrize("name", RULES)
def test_a_factor_on_any_rule_refutes_it(name: str) -> None:
    """However small: 2⁻⁵⁰ is a few units in the last place."""
    wrong = Fault("", "rules", "", (), 1, scaled(RULES[name], 1 + 2.0**-50))
    assert corrupted(wrong).kind == "refuted"


IN_ONE_RULE = [
    n
    for n, f in FAULTS.items()
    if f.family == "rules" and len(f.operations & {*RULES}) == 1 and "_in_float" not in n
]
"""But for those in one element type: what is proved is proved of numbers, which have none."""


@pytest.mark.parametrize("name", IN_ONE_RULE)
def test_the_planted_faults_in_rules_are_refuted(name: str) -> None:
    assert corrupted(FAULTS[name]).kind == "refuted"


CORRUPTED: dict[str, Fault] = {
    # What is wrong at a kink, or on one side, only.
    "leaky_relu_at_zero": unary(
        LeakyReLU,
        lambda self, xp, gy, x, y: xp.where(x >= 0, gy, gy * self.slope),
    ),
    "clip_at_upper_bound": unary(
        Clip,
        lambda self, xp, gy, x, y: xp.where((x >= self.x_min) & (x < self.x_max), gy, 0.0),
    ),
    "maximum_to_first": binary(
        Maximum,
        lambda self, xp, gy, a, b, y: (xp.where(a >= b, gy, 0.0), xp.where(a >= b, 0.0, gy)),
    ),
    "abs_one_side": unary(Abs, lambda self, xp, gy, x, y: xp.where(x > 0, gy, 0.0)),
    "relu_one": unary(ReLU, lambda self, xp, gy, x, y: gy),
    "clip_bounds_crossed": unary(
        Clip,
        lambda self, xp, gy, x, y: xp.where((x >= self.x_min) & (x <= self.x_max), gy, 0.0),
    ),
    # What is right but for one point, where it is not defined.
    "pow_zero_exponent": unary(Pow, lambda self, xp, gy, x, y: gy * (self.c * x ** (self.c - 1))),
    "square_by_division": unary(Square, lambda self, xp, gy, x, y: gy * (2.0 * x * x) / x),
    "sin_by_root": unary(Sin, lambda self, xp, gy, x, y: gy * xp.sqrt(1.0 - xp.sin(x) * xp.sin(x))),
    # Other operands, signs, factors, and constants.
    "reciprocal_sign": unary(Reciprocal, lambda self, xp, gy, x, y: gy * y * y),
    "sqrt_factor": unary(Sqrt, lambda self, xp, gy, x, y: gy / y),
    "div_by_numerator": binary(Div, lambda self, xp, gy, a, b, y: (gy / b, -gy * (a / a) / b)),
    "power_exchanged": binary(
        Power,
        lambda self, xp, gy, a, b, y: (gy * (y * xp.log(a)), gy * (b * a ** (b - 1.0))),
    ),
    "log2_constant": unary(Log2, lambda self, xp, gy, x, y: gy / (x * 0.6931471805599454)),
    "arcsin_inner": unary(Arcsin, lambda self, xp, gy, x, y: gy / xp.sqrt(1.0 + x * x)),
    "softplus_argument": unary(Softplus, lambda self, xp, gy, x, y: gy * xp.sigmoid(-x)),
    "exp_not_linear": unary(Exp, lambda self, xp, gy, x, y: gy * gy * y),
    # Rules that are not elementwise.
    "pad_start": unary(
        Pad,
        lambda self, xp, gy, x, y: xp.get_item(gy, tuple(slice(0, n) for n in x.shape)),
    ),
    "transpose_reversed": unary(Transpose, lambda self, xp, gy, x, y: xp.transpose(gy)),
    "sum_shares": unary(
        Sum,
        lambda self, xp, gy, x, y: xp.broadcast_to(self.kept(xp, gy, x) / max(x.size, 1), x.shape),
    ),
    "split_other_axis": splitting(Split, lambda self, xp, gys, x: xp.concatenate(gys, 0)),
    "matmul_second_only": binary(MatMul, lambda self, xp, gy, a, b, y: (0.0 * a, 0.0 * b)),
    "conv_pad_forgotten": binary(
        Conv2d,
        lambda self, xp, gy, a, b, y: (
            xp.deconv2d(gy, b, stride=self.stride, pad=0, outsize=a.shape[2:]),
            xp.conv2d_grad_w(a, gy, b.shape[2:], self.stride, 0),
        ),
    ),
    "var_unbiased": unary(
        Var,
        lambda self, xp, gy, x, y: (
            self.kept(xp, gy, x)
            * (x - xp.sum(x, self.axis, True) / (x.size // gy.size))
            * (2.0 / max(x.size // gy.size - 1, 1))
        ),
    ),
    "pooling_all_tied": unary(
        Pooling,
        lambda self, xp, gy, x, y: self.returned(
            xp, xp.where(self.met(xp, x) >= self.spread(xp, y), self.spread(xp, gy), 0.0), x
        ),
    ),
    "softmax_no_sum": unary(Softmax, lambda self, xp, gy, x, y: gy * y),
    "logsumexp_unscaled": unary(LogSumExp, lambda self, xp, gy, x, y: self.kept(xp, gy, x) * xp.exp(x)),
    "no_cotangents": binary(Mul, lambda self, xp, gy, a, b, y: (gy,)),
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_a_corrupted_rule_fails_its_proof(name: str) -> None:
    found = corrupted(CORRUPTED[name])
    assert found.kind == "refuted"
    assert found.why_not_more


@pytest.mark.parametrize("operation", [Sin, Mul, MatMul, Var, Softmax])
def test_a_rule_may_read_what_is_saved_only(operation: type[Operation]) -> None:
    found = corrupted(fault(operation, keeps=()))
    assert found.kind == "refuted"
    assert found.why_not_more == "the rule reads what its contract does not save"


@pytest.mark.parametrize(
    "wrong",
    [
        splitting(Split, lambda self, xp, gys, x: xp.concatenate(gys, self.axis) * x),
        nary(Stack, lambda self, xp, gy, xs: [x * 1.0 for x in xs]),
    ],
)
def test_a_rule_may_read_the_shape_only_of_what_is_never_saved(wrong: Fault) -> None:
    found = corrupted(wrong)
    assert found.kind == "refuted"
    assert found.why_not_more == "the rule reads what its contract does not save"


def test_where_a_rule_is_wrong_is_said() -> None:
    found = corrupted(unary(Cos, lambda self, xp, gy, x, y: gy * xp.sin(x)))
    assert found.why_not_more == "cotangent of x: found gy*sin(x), expected -gy*sin(x)"
    found = corrupted(unary(ReLU, lambda self, xp, gy, x, y: xp.where(y >= 0, gy, 0.0)))
    assert found.why_not_more == "cotangent of x where x = 0: found gy, expected 0"


def test_the_rule_at_a_kink_is_held_against_the_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "_AT_KINK", {AT_ZERO: "1"})
    found = judged(ReLU)
    assert found.kind == "refuted"
    assert found.why_not_more == "cotangent of x, by convention where x = 0: found 0, expected gy"


def test_a_kink_that_the_contract_does_not_name_is_found() -> None:
    found = corrupted(fault(ReLU, contract=replace(ReLU.contract, kinks=None)))
    assert found.kind == "refuted"
    assert found.why_not_more == "value, on another branch: found 0, expected x"


def test_a_value_that_is_not_the_reference_s_is_refuted() -> None:
    with (
        planted(fault(Sum, forward=Identity.forward)),
        pytest.raises(Refuted, match="the value has shape"),
    ):
        adjoint.check(Sum, adjoint.RATIONALS)


# ------------------------------------------------------- What is not proved is not called so


def test_a_rest_that_is_not_reduced_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is right, and SymPy does too little: no proof, and no accusation."""
    monkeypatch.setattr(symbols, "_reduced", sympy.expand)
    found = judged(Sigmoid)
    assert found.kind == "certified by balls"
    assert found.why_not_more.startswith("SymPy leaves a rest: ")
    assert found.why_not_more.endswith("not rational")


def test_what_nothing_decides_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adjoint, "WIDEST", 0.0)
    found = judged(Softmax)
    assert found.kind == "sampled"
    assert "an enclosure is too wide" in found.why_not_more


def test_a_rule_with_an_operation_on_whole_arrays_is_not_proved_with_symbols() -> None:
    found = corrupted(unary(Square, lambda self, xp, gy, x, y: xp.flip(xp.flip(gy * (2.0 * x)))))
    assert found.kind == "exact"
    assert found.why_not_more == "its rule calls flip, which is not elementwise"


def test_a_convention_without_an_expression_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "_AT_KINK", {})
    found = judged(ReLU)
    assert found.kind == "exact"
    assert found.why_not_more == "nothing says in symbols what 0 is"


def test_a_domain_without_symbols_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "_ASSUMED", {})
    with pytest.raises(Unproved, match="nothing says in symbols what x > 0 is"):
        symbols.prove(Sqrt)


@pytest.mark.parametrize(
    ("operation", "branches"), [(Sin, 1), (ReLU, 3), (Maximum, 3), (Clip, 7), (Pow, 7)]
)
def test_every_branch_is_read(operation: type[Operation], branches: int) -> None:
    """clip: five places of x if x_min < x_max, and two ways in which it is not."""
    assert symbols.prove(operation) == branches


# ------------------------------------------------------- Exact arithmetic


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.1, Fraction(1, 10)),
        (2.0 / 3, Fraction(2, 3)),
        (1 / 49, Fraction(1, 49)),
        (-0.75, Fraction(-3, 4)),
        (7, Fraction(7)),
        (2.0**-40, Fraction(1, 2**40)),
        (1 + 2.0**-52, 1 + Fraction(1, 2**52)),
    ],
)
def test_a_double_stands_for_a_simple_fraction(number: float, expected: Fraction) -> None:
    assert fraction(number) == expected


def test_doubles_stand_for_different_numbers() -> None:
    for x in np.random.default_rng(0).normal(size=50).tolist():
        assert float(fraction(x)) == x


def test_series_multiply_and_divide() -> None:
    a, b = Series(Fraction(2), Fraction(3)), Series(Fraction(5), Fraction(-1), Fraction(4))
    assert list((a * b).coefficients) == [10, 13, 5]
    assert list((a * b / b).coefficients) == [2, 3, 0]
    assert list((1 - a).coefficients) == [-1, -3]
    inverse = 1 / Series(Fraction(2), Fraction(1))
    assert list(inverse.coefficients) == [Fraction(1, 2), Fraction(-1, 4), Fraction(1, 8)]


def test_series_are_compared_by_their_values() -> None:
    a = Series(Fraction(1, 10), Fraction(3))
    assert a == 0.1
    assert a > -np.inf
    assert a < np.inf
    assert a <= Series(Fraction(1, 10))
    assert not a < 0.1
    assert list(abs(-a).coefficients) == [Fraction(1, 10), 3]
    with pytest.raises(TypeError, match="compared with str"):
        assert a == "0.1"


def test_a_coefficient_too_small_for_a_double_does_not_vanish() -> None:
    assert not rationals.vanishes(Series(Fraction(1, 10**400)), 0)
    assert rationals.vanishes(Series(Fraction(1)), 1)
    assert rationals.vanishes(0, 0)


# ------------------------------------------------------- The command


def test_the_command_lists_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--ops", "sin,sum,softmax"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "proved              sin                    symbols",
        f"certified by balls  softmax                balls, {adjoint.SAMPLES} samples; "
        "not elementwise; not rational",
        f"exact               sum                    rationals, {adjoint.SAMPLES} samples; "
        "not elementwise",
        "1 proved, 1 exact, 1 certified by balls",
    ]


def test_the_command_gives_json_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--ops", "log", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "operation": "log",
            "domain": "x > 0",
            "verdict": "proved",
            "grounds": "symbols",
            "why not more": "",
        }
    ]
    assert main(["prove", "--ops", "log", "--markdown"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "| operation | domain | verdict | grounds | why not more |",
        "|---|---|---|---|---|",
        "| `log` | x > 0 | proved | symbols |  |",
    ]


@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]])
def test_a_refuted_rule_is_exit_code_one(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with planted(FAULTS["cos_sign"]):
        assert main(["prove", "--ops", "cos,sin", *form]) == 1
    assert "expected -gy*sin(x)" in capsys.readouterr().out


def test_a_composite_of_a_refuted_rule_is_refuted(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(FAULTS["matmul_transposed"]):
        assert main(["prove", "--ops", "linear"]) == 1
    assert "no rule of its own; refuted: matmul" in capsys.readouterr().out


def test_an_unknown_operation_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--ops", "sinus"]) == 2
    assert "no operation is called 'sinus'" in capsys.readouterr().err


def test_without_sympy_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)
    for module in [m for m in sys.modules if m.startswith("dezero.verify.proofs")]:
        monkeypatch.delitem(sys.modules, module)
    assert main(["prove", "--ops", "sin"]) == 3
    assert "pip install '.[prove]' in a checkout" in capsys.readouterr().err
