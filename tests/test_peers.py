"""Peers: a tiny one made here, with faults and without, and those of others that are installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from dezero.contract import Array
from dezero.verify import campaign, cli
from dezero.verify.campaign import Plan, Tally
from dezero.verify.cli.targets import PEERS, engine_of
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.engines.opaque import OpaqueTrial
from dezero.verify.engines.peers import Narrower, PeerEngine, Pullback
from dezero.verify.laws import LAWS
from dezero.verify.oracles import enclose_gradient
from dezero.verify.outcomes import Broken, Convention
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial


class Traced:
    """A number of the tiny autograd, or many: what it is, and what its cotangent does to others."""

    def __init__(self, data: Array, *pulls: tuple[Traced, Callable[[Array], Array]]) -> None:
        self.data = data
        self.pulls = pulls


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    g = g.sum(tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return np.asarray(g.sum(stretched, keepdims=True))


def add(a: Traced, b: Traced) -> Traced:
    return Traced(np.asarray(a.data + b.data), (a, lambda g: g), (b, lambda g: g))


def mul(a: Traced, b: Traced) -> Traced:
    return Traced(np.asarray(a.data * b.data), (a, lambda g: g * b.data), (b, lambda g: g * a.data))


def sin(x: Traced) -> Traced:
    return Traced(np.asarray(np.sin(x.data)), (x, lambda g: g * np.cos(x.data)))


def sin_without_sign(x: Traced) -> Traced:
    return Traced(np.asarray(np.sin(x.data)), (x, lambda g: g * np.abs(np.cos(x.data))))


def relu(x: Traced) -> Traced:
    return Traced(np.asarray(np.maximum(x.data, 0)), (x, lambda g: g * (x.data >= 0)))


class TinyEngine(PeerEngine):
    """Some lines of NumPy, as a peer."""

    name = "tiny"
    package = "numpy"
    precisions = ("float64",)
    operations = MappingProxyType({"add": add, "mul": mul, "sin": sin})
    reasons = MappingProxyType({"cos": "nobody asked"})

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        leaves = [Traced(x) for x in program.inputs]
        values = self.results(program, leaves)

        def pull(seeds: Sequence[Array]) -> list[Array | None]:
            gradients = {id(value): np.zeros(value.data.shape) for value in values}
            for output, seed in zip(program.outputs, seeds, strict=True):
                gradients[id(values[output])] += seed
            for value in reversed(values):
                for operand, pull in value.pulls:
                    g = unbroadcast(pull(gradients[id(value)]), operand.data.shape)
                    gradients[id(operand)] += g
            return [gradients[id(leaf)] for leaf in leaves]

        return [value.data for value in values], pull


class FaultyEngine(TinyEngine):
    operations = MappingProxyType({"add": add, "mul": mul, "sin": sin_without_sign})


class SidedEngine(TinyEngine):
    """At 0 its relu has the derivative 1, and nobody says so."""

    operations = MappingProxyType({"add": add, "mul": mul, "relu": relu})


class DeclaredEngine(SidedEngine):
    conventions = MappingProxyType({"relu": "1 at 0"})


def sin_of_vectors(x: Traced) -> Traced:
    if x.data.ndim > 1:
        raise ArithmeticError("no")
    return sin(x)


def is_vector(x: Array) -> bool:
    return x.ndim < 2


class NarrowEngine(TinyEngine):
    """What it does not claim would be noticed."""

    operations = MappingProxyType({"add": add, "mul": mul, "sin": sin_of_vectors})
    narrower = MappingProxyType({"sin": Narrower("vectors", is_vector)})


def tried(engine: PeerEngine, examples: int = 150) -> Tally:
    def trial(program: Program) -> OpaqueTrial:
        return OpaqueTrial(engine, program)

    return campaign.run(Plan(trial, engine.contracts, engine.laws, 1, examples, dtypes=engine.dtypes))


def test_a_peer_that_is_right_is_held_to_the_laws_of_values_and_gradients() -> None:
    tally = tried(TinyEngine())
    assert tally.counterexample is None
    assert tally.examples == 150
    assert set(tally.held) == set(TinyEngine().laws)
    assert {"value", "gradient", "linearity"} <= set(tally.held)
    assert "second_order" not in tally.held


def test_a_wrong_rule_is_found_and_shrunk() -> None:
    found = tried(FaultyEngine(), 1000).counterexample
    assert found is not None
    assert found.law == "gradient"
    assert found.program is not None
    assert len(found.program.steps) <= 2
    assert any(step.op == "sin" for step in found.program.steps)


AT_ZERO = Program((np.array(0.0),), (Step("relu", (0,)),), (1,), (np.array(1.0),))


def test_a_convention_that_is_not_declared_is_found() -> None:
    with pytest.raises(Broken, match="kink"):
        LAWS["kink"].hold(OpaqueTrial(SidedEngine(), AT_ZERO))


def test_a_convention_that_is_declared_is_counted_and_no_failure() -> None:
    with pytest.raises(Convention, match="tiny documents another derivative of relu at its kinks"):
        LAWS["kink"].hold(OpaqueTrial(DeclaredEngine(), AT_ZERO))
    tally = tried(DeclaredEngine())
    assert tally.counterexample is None
    assert tally.conventions["relu"] > 0
    assert not tally.unresolved


def test_what_is_not_claimed_is_not_generated() -> None:
    tally = tried(NarrowEngine(), 400)
    assert tally.counterexample is None
    assert tally.coverage.operations["sin"] > 20


def test_all_that_is_left_out_is_listed_with_its_reason() -> None:
    assert DeclaredEngine().not_claimed["relu at kinks"] == "1 at 0"
    listed = NarrowEngine().not_claimed
    assert listed["cos"] == "nobody asked"
    assert listed["exp"] == ""
    assert listed["sin in part"] == "vectors"
    assert "add" not in listed


def test_what_a_peer_raises_names_the_step() -> None:
    program = Program((np.ones((1, 1)),), (Step("sin", (0,)),), (1,), (np.ones((1, 1)),))
    with pytest.raises(Broken) as broken:
        LAWS["runs"].hold(OpaqueTrial(NarrowEngine(), program))
    assert broken.value.found == "ArithmeticError: no; in step 0 (sin) of the program, by tiny"


@pytest.mark.parametrize("command", ["verify", "replay FILE"])
def test_a_peer_that_is_not_there_is_an_error_that_says_what_to_do(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.setitem(sys.modules, "micrograd", None)  # so that it cannot be imported
    monkeypatch.setitem(sys.modules, "micrograd.engine", None)
    monkeypatch.delitem(sys.modules, "dezero.verify.engines.peers.micrograd_engine", raising=False)
    file = tmp_path / "program.json"
    file.write_text(AT_ZERO.to_json(), encoding="utf-8")
    arguments = [word.replace("FILE", str(file)) for word in command.split()]
    assert cli.main([*arguments, "micrograd"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("dezero: micrograd cannot be loaded: ")
    assert "pip install '.[peers]' in a checkout" in error


def test_the_help_names_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["verify", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(PEERS) in shown


@pytest.mark.filterwarnings("ignore")  # what peers warn of is not asked here
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_holds_where_it_claims_to(name: str) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed: it is of the extra `peers`")
    engine = engine_of(name)
    assert isinstance(engine, PeerEngine)
    assert engine.who.startswith(f"{name} ")
    tally = tried(engine, 3 if name == "jax" else 60)  # JAX compiles each operation for each shape
    assert tally.counterexample is None
    assert tally.samples > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["torch", "jax", "autograd"])
def test_second_derivatives_are_asked_of_a_peer(name: str) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed: it is of the extra `peers`")
    engine = engine_of(name)
    assert isinstance(engine, PeerEngine)
    x = np.array([0.5, -1.5])
    program = Program((x,), (Step("sin", (0,)), Step("mul", (1, 0))), (2,), (np.array([1.0, 2.0]),))
    LAWS["second_order"].hold(OpaqueTrial(engine, program))
    found = engine.second(program, [np.array([1.0, 1.0])])[0]
    assert found is not None
    np.testing.assert_allclose(found, [1.0, 2.0] * (2 * np.cos(x) - x * np.sin(x)))


def test_a_derivative_that_is_zero_is_no_failure_where_the_enclosure_has_another_middle() -> None:
    """A loss over one class is constant. What others rightly gave for it was once blamed."""
    file = Path(__file__).parent / "programs" / "an_enclosure_of_zero.json"
    program = Program.from_json(file.read_text("utf-8"))
    enclosed = enclose_gradient(program)[0]
    assert 0 < abs(enclosed.mid) < enclosed.rad
    LAWS["gradient"].hold(Trial(DezeroEngine(), program))
