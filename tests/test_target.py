"""`check`: one line in a user's test. What it says when something is wrong is part of the product."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dezero.functions as F
from dezero import Function, Parameter, Variable, grad
from dezero.contract import POSITIVE, REALS, Array, Domain, interval
from dezero.layers import Linear
from dezero.namespace import Namespace, T
from dezero.operation import Unary
from dezero.verify import check, cli
from dezero.verify.cli.arguments import add_domains, domains_again, domains_joined
from dezero.verify.laws import LAWS
from dezero.verify.program import Program, Step
from dezero.verify.target import (
    FUNCTION_LAWS,
    TargetError,
    arity_of,
    inputs_within,
    name_of,
    prepare,
)


class Cube(Function):
    """x³, as the book would write it."""

    def forward(self, x: Array) -> Array:
        return np.asarray(x**3)

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        return gy * 3.0 * x * x


class WrongCube(Cube):
    """x³, with a slip."""

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        return gy * 2.0 * x * x


class FirstOrderCube(Cube):
    """x³, whose rule steps out of the graph."""

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        return gy * Variable(np.asarray(3.0 * x.data**2))


class WrongShape(Cube):
    """x³, whose rule gives a gradient of another shape."""

    def backward(self, gy: Variable) -> Variable:
        return F.reshape(gy, (gy.size, 1))


class Log(Unary, domain=POSITIVE, saves="x"):
    """The logarithm."""

    def forward(self, x: Array) -> Array:
        return np.asarray(np.log(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / x


class ForgetfulLog(Unary, domain=POSITIVE, saves=""):
    """The logarithm, whose contract forgets what the rule reads."""

    def forward(self, x: Array) -> Array:
        return np.asarray(np.log(x))

    def vjp(self, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return gy / x


def sine_product(a: Variable, b: Variable) -> Variable:
    return F.sin(a) * b


def detached(x: Variable) -> Variable:
    return F.sin(x) * Variable(x.data)


def array_out(x: Variable) -> Any:
    return x.data


def crashing(x: Variable) -> Variable:
    raise RuntimeError("the lamp went out")


def type_error(x: Variable) -> Variable:
    raise TypeError("the lamp is no number")


def two(x: Variable) -> list[Variable]:
    return [F.sin(x), x * x]


def spread(x: Variable) -> Variable:
    return F.sum(x) * F.mean(x)


def scaled(x: Variable, by: float = 2.0) -> Variable:
    return x * by


def any_number(*xs: Variable) -> Variable:
    return xs[0]


def wild(x: Variable) -> Variable:
    """So wild that no difference of values converges."""
    return F.sin(x * 1e9)


GOOD: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (F.sin, ()),
    (sine_product, ()),
    (Cube(), ()),
    (F.matmul, ((REALS, (2, 3)), (REALS, (3, 2)))),
    (spread, ()),
    (F.softmax, ((REALS, (2, 3)),)),
]


@pytest.mark.parametrize(("target", "given"), GOOD, ids=[name_of(target) for target, _ in GOOD])
def test_a_right_gradient_passes(target: Callable[..., Any], given: tuple[Any, ...]) -> None:
    tally = check(target, *given, examples=15)
    assert tally.examples == 15
    assert tally.counterexample is None
    assert set(tally.held) == set(FUNCTION_LAWS)


def test_a_function_may_give_several_outputs() -> None:
    check(two, examples=15)


@pytest.mark.parametrize(
    ("target", "given"),
    [
        (Log(), ()),
        (F.arcsin, (interval(-0.9, 0.9),)),
    ],
    ids=["contract", "arcsin"],
)
def test_a_right_gradient_on_a_domain_with_an_edge_passes(
    target: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    check(target, *given, examples=15)


def entropy(x: Variable) -> Variable:
    return x * F.log(x)


def test_where_the_gradient_of_a_function_is_nearly_zero_its_rounding_is_no_finding() -> None:
    prepared = prepare(entropy, (interval(0, 1),))
    x, one = np.array(np.exp(-1.0)), np.array(1.0)
    program = Program((x,), (Step("entropy", (0,)),), (1,), (one,))
    LAWS["linearity"].hold(prepared.trial(program))


# --- what a function captures, and gives -------------------------------------------------------------


def test_what_a_function_captures_is_no_leak_and_keeps_its_gradient() -> None:
    weights, gradient = Parameter(np.array([1.0, 2.0])), Variable(np.array([3.0, 4.0]))
    weights.grad = gradient
    on_the_way = F.sin(weights)
    layer = Linear(3, in_size=2)

    def weighted(x: Variable) -> Variable:
        return x * weights + on_the_way

    check(weighted, (REALS, (2,)), examples=15)
    check(layer, (REALS, (4, 2)), examples=15)
    assert weights.grad is gradient
    assert_array_equal(gradient.data, [3.0, 4.0])
    assert [v.grad for v in (on_the_way, *layer.params())] == [None, None, None]


def test_a_leak_is_seen_also_beside_what_is_captured() -> None:
    weights = Parameter(np.array([1.0, 2.0]))
    kept: list[Variable] = []

    def leaking(x: Variable) -> Variable:
        kept.append(F.sin(x))
        return kept[-1] * weights

    with pytest.raises(AssertionError, match="leaking breaks the law `refcount`"):
        check(leaking, (REALS, (2,)), examples=5)


CAPTURED = Variable(np.array([1.0, 2.0]))
ON_THE_WAY = F.sin(CAPTURED)


def its_input(x: Variable) -> Variable:
    return x


def its_input_among_others(x: Variable) -> list[Variable]:
    return [x, x * 2.0]


def its_input_twice(x: Variable) -> list[Variable]:
    return [x, x]


def its_inputs_swapped(a: Variable, b: Variable) -> list[Variable]:
    return [b, a]


def one_twice(x: Variable) -> list[Variable]:
    y = F.sin(x)
    return [y, y, F.exp(y)]


def a_constant(x: Variable) -> Variable:
    return Variable(np.array(1.0))


def captured(x: Variable) -> Variable:
    return CAPTURED


def captured_on_the_way(x: Variable) -> Variable:
    return ON_THE_WAY


def captured_among_others(x: Variable) -> list[Variable]:
    return [F.sin(x), CAPTURED]


@pytest.mark.parametrize(
    "target",
    [
        its_input,
        its_input_among_others,
        its_input_twice,
        its_inputs_swapped,
        one_twice,
        a_constant,
        captured,
        captured_on_the_way,
        captured_among_others,
    ],
    ids=name_of,
)
def test_a_function_may_give_what_is_there_already(target: Callable[..., Any]) -> None:
    tally = check(target, examples=15)
    assert set(tally.held) == set(FUNCTION_LAWS)


def root(x: Variable) -> Variable:
    return x**0.5


@pytest.mark.parametrize("target", [F.sqrt, root, F.arcsin, F.log], ids=name_of)
def test_where_the_value_is_not_finite_nothing_is_accused(target: Callable[..., Any]) -> None:
    with pytest.raises(AssertionError, match=r"unresolved: .*the value is not finite; give a domain"):
        check(target, examples=15)


def test_a_gradient_that_is_no_number_where_the_value_is_one_is_accused() -> None:
    class Bad(Cube):
        def backward(self, gy: Variable) -> Variable:
            return gy * np.nan

    with pytest.raises(AssertionError, match=r"Bad breaks the law `gradient`(.|\n)*found +nan"):
        check(Bad(), examples=5)


def test_a_gradient_of_another_shape_fails_and_says_which_was_expected() -> None:
    message = r"WrongShape breaks the law `\w+`(.|\n)*ValueError: .*has shape \(3, 1\); expected \(3,\)"
    with pytest.raises(AssertionError, match=message):
        check(WrongShape(), (REALS, (3,)), examples=5)


WRONG: list[tuple[Callable[..., Any], str]] = [
    (WrongCube(), r"WrongCube breaks the law `gradient`: The gradient of every input equals"),
    (detached, r"detached breaks the law `gradient`"),
    (FirstOrderCube(), r"FirstOrderCube breaks the law `second_order`"),
    (ForgetfulLog(), r"ForgetfulLog breaks the law `\w+`(.|\n)*nan"),
    (array_out, r"array_out breaks the law(.|\n)*array_out gave ndarray; expected a Variable"),
    (type_error, r"type_error breaks the law(.|\n)*TypeError: the lamp is no number"),
]


@pytest.mark.parametrize(("target", "message"), WRONG, ids=[name_of(target) for target, _ in WRONG])
def test_a_wrong_gradient_fails_and_says_how(target: Callable[..., Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(target, examples=20)


def test_any_crash_is_a_finding() -> None:
    with pytest.raises(AssertionError, match="RuntimeError: the lamp went out"):
        check(crashing, examples=5)


def test_the_message_shows_what_came_and_the_smallest_inputs() -> None:
    with pytest.raises(AssertionError) as caught:
        check(WrongCube())
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["gradient", "expected", "found", "inputs"]
    assert lines[4].count("[") <= 2  # a number, or one in a list


def test_what_does_not_converge_is_unresolved() -> None:
    with pytest.raises(AssertionError, match=r"wild: more than half of the samples are unresolved: "):
        check(wild, examples=10)


def test_a_kink_inside_is_no_failure() -> None:
    tally = check(F.relu, (REALS, (2,)), examples=30)
    assert tally.counterexample is None


def test_the_same_seed_tries_the_same_inputs() -> None:
    once, again = check(F.sin, seed=3, examples=10), check(F.sin, seed=3, examples=10)
    assert once.worst_margin == again.worst_margin


def test_only_the_chosen_laws_are_asked() -> None:
    assert set(check(FirstOrderCube(), laws=["gradient"], examples=5).held) == {"gradient"}


# --- what cannot be checked -------------------------------------------------------------------------


def given_back(x: Variable) -> Variable:
    return x


REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    (3, (), "int is not callable; expected a function of Variables"),
    (lambda: 1, (), "takes no arguments; there is nothing to differentiate"),
    (any_number, (), "takes any number of arguments; give a domain for each"),
    (F.sin, ("reals",), r"sin: 'reals' is no domain; expected a Domain, or \(Domain, shape\)"),
    (F.sin, ((REALS, (9, 9)),), "sin: 81 elements in its arguments; at most 64"),
    (F.sin, ((REALS, (-1,)),), r"sin: \(-1,\) is no shape; expected whole numbers from 0"),
    (F.sin, ((REALS, (0.5,)),), r"sin: \(0.5,\) is no shape"),
    (F.matmul, (REALS,), "matmul: 1 domains were given, one for each argument; missing"),
    (given_back, (REALS, REALS), "2 domains were given, one for each argument; too many"),
]


@pytest.mark.parametrize(
    ("target", "given", "message"), REFUSED, ids=[case[2][:24] for case in REFUSED]
)
def test_what_cannot_be_checked_is_refused(target: Any, given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        check(target, *given)


def test_lengths_may_be_numbers_of_numpy() -> None:
    given: Any = (REALS, (np.int64(2),))
    check(F.sin, given, examples=2)


def above(low: float) -> Domain:
    """A domain that does not say between which bounds it lies."""

    def clearance(x: Array, **_: object) -> float:
        return float(np.min(x - low, initial=np.inf))

    return Domain(f"x > {low}", clearance)


def test_a_domain_into_which_nothing_is_led_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        r"\w+: 2000 inputs were tried, and none lies in its domain \(x > 9\); give the Domain its low"
    )
    with pytest.raises(TargetError, match=said):
        check(F.sin, above(9))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far.py").write_text(
        "from dezero import functions as F\nfrom test_target import above\n"
        "def f(x):\n    return F.sin(x)\nf.domains = (above(9),)\n",
        "utf-8",
    )
    monkeypatch.setitem(sys.modules, "test_target", sys.modules[__name__])
    assert cli.main(["verify", "far:f"]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_a_domain_is_searched_for_inputs() -> None:
    assert check(F.sin, (above(1.5), (1,)), examples=20).examples == 20


def test_the_arity_is_that_of_what_is_called() -> None:
    assert arity_of(sine_product) == 2
    assert arity_of(Cube()) == 1
    assert arity_of(F.Add()) == 2
    assert arity_of(scaled) == 1


def test_a_function_may_carry_its_domains() -> None:
    def root(x: Variable) -> Variable:
        return F.sqrt(x)

    vars(root)["domains"] = (POSITIVE,)
    assert check(root, examples=10).counterexample is None
    assert prepare(root).engine.name == "root"


@pytest.mark.parametrize(
    "domain",
    [REALS, POSITIVE, interval(-1, 1), interval(-np.inf, -3.0), interval(5, 6)],
    ids=lambda d: d.text,
)
def test_inputs_lie_within_their_domain(domain: Any) -> None:
    x = np.random.default_rng(0).normal(size=50) * 3
    led = inputs_within([domain], [x])
    assert led is not None
    assert domain.clearance(led[0]) > 0


# --- domains on the command line ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["-1:1@2,3", "-inf:0", "-.5:-.25@", ":0", "0:inf@2"])
def test_a_domain_is_taken_as_it_is_documented(text: str) -> None:
    given = ["verify", "dezero.functions:sin", "--domain", text, "--seed", "1", "--examples", "2"]
    assert cli.main([*given, "--laws", "runs"]) == 0


@pytest.mark.parametrize(
    "option", [("--certify",), ("--certificates", "F"), ("--dtype", "float32"), ("--ops", "sin")]
)
def test_what_is_for_engines_is_refused(
    option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", "dezero.functions:sin", "--examples", "2", *option]) == 2
    assert capsys.readouterr().err.startswith(f"dezero: {option[0]} ")


def test_an_option_is_no_domain(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["verify", "dezero.functions:sin", "--domain", "--seed", "1"])
    assert "argument --domain: expected one argument" in capsys.readouterr().err


def test_domains_are_given_again_to_the_last_digit() -> None:
    parser = argparse.ArgumentParser()
    add_domains(parser)
    given = ["--domain", "-0.123456789:0.123456999@2,3", "--domain", "0:inf", "--domain", "-1e-20:3"]
    options = parser.parse_args(domains_joined(given))
    assert domains_again(options) == given


# --- what ends the process ---------------------------------------------------------------------------

EXITING = """
import sys

from dezero import Function


def later(x):
    sys.exit(0)


class Rule(Function):
    def forward(self, x):
        return x * 1

    def backward(self, gy):
        raise SystemExit(0)


def rule(x):
    return Rule()(x)


class Made(Function):
    def __init__(self):
        sys.exit(0)
"""


@pytest.mark.parametrize("name", ["later", "rule"])
def test_a_function_that_ends_the_process_is_a_counterexample(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exiting.py").write_text(EXITING, "utf-8")
    assert cli.main(["verify", f"exiting:{name}", "--seed", "1", "--examples", "3"]) == 1
    assert f"RuntimeError: {name} would end the process: SystemExit(0)" in capsys.readouterr().out


def test_what_a_function_imports_when_it_is_called_is_looked_for_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])  # as of a console script
    before = sys.path.copy()
    (tmp_path / "late.py").write_text("def f(x):\n    from beside_late import g\n    return g(x)\n")
    (tmp_path / "beside_late.py").write_text("def g(x):\n    return x * x\n")
    assert cli.main(["verify", "late:f", "--seed", "1", "--examples", "3"]) == 0
    assert sys.path == before


SEVERAL = """
from dezero import functions as F

def several(x):
    return [F.sin(x), F.cos(x)] if float(x.data.sum()) > 0 else F.sin(x)
"""


def test_a_function_that_gives_now_two_values_now_one_is_a_counterexample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of_several.py").write_text(SEVERAL, "utf-8")
    given = ("--domain=-0.01:0.01@1", "--seed", "0", "--examples", "5")
    assert cli.main(["verify", "of_several:several", *given]) == 1
    assert "several gives 1 values; expected 2" in capsys.readouterr().out


def test_a_module_that_ends_the_process_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exiting.py").write_text(EXITING, "utf-8")
    (tmp_path / "gone.py").write_text("raise SystemExit(0)", "utf-8")
    assert cli.main(["verify", "gone:f"]) == 3
    assert "gone:f cannot be loaded: SystemExit: 0" in capsys.readouterr().err
    assert cli.main(["verify", "exiting:Made"]) == 3
    assert "exiting:Made cannot be made without arguments (SystemExit(0))" in capsys.readouterr().err


# --- what was found, again ---------------------------------------------------------------------------

MODULE = """
import numpy as np
from dezero import Function

class Root(Function):
    def forward(self, x):
        return np.sqrt(x)

    def backward(self, gy):
        (x,) = self.inputs
        return RULE

def root(x):
    return Root()(x)
"""
RIGHT_RULE, WRONG_RULE = "gy / (2 * x**0.5)", "gy / (2 * x)"


def test_a_counterexample_of_a_function_is_replayed_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rule in (("wrong_root", WRONG_RULE), ("right_root", RIGHT_RULE)):
        (tmp_path / f"{name}.py").write_text(MODULE.replace("RULE", rule), "utf-8")
    given = ["--domain", "0:inf@2", "--seed", "1"]
    assert cli.main(["verify", "wrong_root:root", *given, "--save", "found"]) == 1
    shown = capsys.readouterr().out
    (file,) = Path("found").iterdir()
    assert f"dezero replay --domain 0:inf@2 {file} wrong_root:root\n" in shown
    replay = ["replay", "--domain", "0:inf@2", str(file)]
    assert cli.main([*replay, "wrong_root:root"]) == 1
    shown = capsys.readouterr().out
    assert "broken      gradient: " in shown
    assert "applied to np.array([" in shown
    assert cli.main([*replay, "right_root:root"]) == 0
    assert "broken" not in capsys.readouterr().out


ONE = np.array(1.0)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (Program((ONE,), (Step("sin", (0,)),), (1,), (ONE,)), "has no operation 'sin'"),
        (Program((ONE, ONE), (Step("root", (0,)),), (2,), (ONE,)), "root of its 1 inputs"),
        (Program((-ONE,), (Step("root", (0,)),), (1,), (ONE,)), "-1.0 is outside of the domain"),
        (
            Program((ONE,), (Step("root", (0,)),), (1,), (ONE,)).astype("float32"),
            "its numbers are float32; root is verified in float64",
        ),
    ],
)
def test_a_program_that_is_not_of_the_function_is_refused(
    program: Program,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_root.py").write_text(MODULE.replace("RULE", RIGHT_RULE), "utf-8")
    (tmp_path / "program.json").write_text(program.to_json(), "utf-8")
    assert cli.main(["replay", "--domain", "0:inf", "program.json", "a_root:root"]) == 2
    assert message in capsys.readouterr().err


def test_what_a_function_says_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = MODULE.replace("return RULE", "raise ValueError('\\x1b[2Jheld')")
    assert "\\x1b" in text
    (tmp_path / "hostile_root.py").write_text(text, "utf-8")
    given = ["--domain", "0:inf@2", "--seed", "1"]
    assert cli.main(["verify", "hostile_root:root", *given, "--save", "found"]) == 1
    (file,) = Path("found").iterdir()
    assert cli.main(["replay", "--domain", "0:inf@2", str(file), "hostile_root:root"]) == 1
    shown = capsys.readouterr()
    assert "\\u001b[2Jheld" in shown.out
    assert "\x1b[2J" not in shown.out + shown.err


def test_what_is_no_program_is_refused_by_the_file_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.json"
    file.write_text("{", "utf-8")
    assert cli.main(["replay", str(file)]) == 2
    assert f"{file}: program: not JSON" in capsys.readouterr().err


def test_a_function_may_differentiate_inside_of_itself() -> None:
    def penalty(x: Variable) -> Variable:
        slope = grad(F.sum(F.sin(x) * x), x, create_graph=True)
        return F.sum(slope**2)

    def forgotten(x: Variable) -> Variable:
        return penalty(x) + F.sum(grad(F.sum(x**3), x))  # without create_graph: a constant

    laws = [law for law in FUNCTION_LAWS if law != "no_graph"]
    check(penalty, REALS, laws=laws, seed=1, examples=20)
    with pytest.raises(AssertionError, match="breaks the law `gradient`"):
        check(forgotten, REALS, laws=laws, seed=1, examples=20)
    with pytest.raises(AssertionError, match="breaks the law `no_graph`"):
        check(penalty, REALS, seed=1, examples=20)  # which is true of it


def in_one_pass(x: Variable) -> Variable:
    return F.mean((x + 100.0) ** 2) - F.mean(x + 100.0) ** 2


def tanh_by_powers(x: Variable) -> Variable:
    a, b = F.exp(x), F.exp(-x)
    return (a - b) / (a + b)


def steep(x: Variable) -> Variable:
    return F.sigmoid(1e4 * x)


def softplus_of_a_slope(x: Variable) -> Variable:
    return F.log(1.0 + F.exp(-50.0 * x))


def softplus_of_its_sigmoid(x: Variable) -> Variable:
    return -F.log(F.sigmoid(x))


def what_tanh_lacks(x: Variable) -> Variable:
    return 1.0 - F.tanh(x)


def difference_of_squares(x: Variable) -> Variable:
    return (x + 100.0) ** 2 - 1e4


ROUNDED: list[tuple[Callable[..., Variable], Any]] = [
    (in_one_pass, REALS),
    (in_one_pass, (interval(10, 11), (3,))),
    (tanh_by_powers, interval(-15, 15)),
    (steep, REALS),
    (F.exp, interval(700, 709)),
    (F.sum, (REALS, (0,))),
    # From somewhere on, what they give is 0, or 1, and stands still.
    (softplus_of_a_slope, REALS),
    (softplus_of_its_sigmoid, interval(0, 100)),
    (what_tanh_lacks, interval(20, 40)),
    (difference_of_squares, interval(0, 1e-15)),
]


@pytest.mark.parametrize(("target", "domain"), ROUNDED)
def test_what_is_rounded_inside_of_a_function_is_no_finding(target: Any, domain: Any) -> None:
    for seed in (1, 2):
        check(target, domain, seed=seed)


def test_an_argument_that_is_overwritten_is_shown_as_it_was() -> None:
    def overwriting(x: Variable) -> Variable:
        x.data[...] = 0.0
        return F.sin(x)

    with pytest.raises(AssertionError) as caught:
        check(overwriting, seed=1)
    assert "inputs   [0.0]" not in str(caught.value)


def test_a_wrong_rule_where_the_values_stand_still_is_seen() -> None:
    class Forgetful(Function):
        """The larger of x and 0, and a rule that forgets which it was."""

        def forward(self, x: Array) -> Array:
            return np.maximum(x, 0.0)

        def backward(self, gy: Variable) -> Variable:
            return gy

    with pytest.raises(AssertionError, match="the law `gradient`"):
        check(Forgetful(), interval(-5, -2), examples=3)


def test_a_wrong_rule_whose_terms_cancel_is_seen() -> None:
    class Spread(Function):
        """(x + 100)² - 100², and a rule that is off by a millionth."""

        def forward(self, x: Array) -> Array:
            return np.asarray((x + 100.0) ** 2 - 1e4)

        def backward(self, gy: Variable) -> Variable:
            (x,) = self.inputs
            return gy * 2.0 * (x + 100.0) * (1.0 + 1e-6)

    with pytest.raises(AssertionError, match="the law `gradient`"):
        check(Spread())
