"""Strategies for users' own Hypothesis tests, and what Hypothesis knows of our types."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from dezero import Parameter, Variable
from dezero.verify import Domain, Program, interval, programs, variables
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate

ROOT = Path(__file__).parent.parent
TINY = settings(database=None, derandomize=True, max_examples=200)


@settings(max_examples=60)
@given(programs(["mul", "sin"], ["float32"]))
def test_programs_have_the_operations_and_the_type_that_are_asked_for(program: Program) -> None:
    assert {step.op for step in program.steps} <= {"mul", "sin"}
    assert {x.dtype.name for x in program.inputs} == {"float32"}
    assert all(np.all(np.isfinite(y)) for y in evaluate(program))


def test_programs_have_all_operations_by_default() -> None:
    drawn: set[str] = set()

    @settings(TINY, max_examples=150, phases=[Phase.generate])
    @given(programs())
    def collect(program: Program) -> None:
        drawn.update(step.op for step in program.steps)

    collect()
    assert drawn <= set(CONTRACTS)
    assert len(drawn) > 0.75 * len(CONTRACTS)


@settings(max_examples=60)
@given(variables())
def test_variables_are_small_and_finite_by_default(x: Variable) -> None:
    assert x.dtype == np.float64
    assert x.ndim <= 3
    assert 1 <= x.size <= 64
    assert np.abs(x.data).max() <= 100
    assert x.creator is None
    assert x.grad is None


@settings(max_examples=40)
@given(variables((2, 3), "float32"))
def test_variables_have_the_shape_and_type_that_are_asked_for(x: Variable) -> None:
    assert (x.shape, x.dtype.name) == ((2, 3), "float32")


def test_shapes_and_types_may_be_drawn() -> None:
    strategy = variables(st.sampled_from([(0,), (4,)]), st.sampled_from(["float64", "float32"]))
    for shape, dtype in (((0,), "float64"), ((4,), "float32")):

        def asked_for(x: Variable, shape: tuple[int, ...] = shape, dtype: str = dtype) -> bool:
            return (x.shape, x.dtype.name) == (shape, dtype)

        assert not find(strategy, asked_for).data.any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "domain",
    [
        interval(0, 1),
        interval(0, 0.1),
        interval(0, np.inf),
        interval(-np.inf, -500),
        interval(900, np.inf),
    ],
    ids=lambda domain: domain.text,
)
def test_elements_lie_in_their_domain(domain: Domain, dtype: str) -> None:
    @settings(TINY, max_examples=50)
    @given(variables(dtype=dtype, elements=domain))
    def inside(x: Variable) -> None:
        assert domain.clearance(x.data) > 0

    inside()


def test_elements_may_be_drawn() -> None:
    found = find(
        variables((3,), "float32", st.sampled_from([0.1, 7.0])), lambda x: bool(np.all(x.data > 1))
    )
    np.testing.assert_array_equal(found.data, np.array([7.0, 7.0, 7.0], np.float32))


def test_a_variable_shrinks_to_a_simple_one() -> None:
    found = find(variables(), lambda x: bool(np.any(x.data > 2)), settings=TINY)
    assert found.shape == ()
    assert found.data == 3


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no operation is called 'sni'; there are: .*sin"):
        programs(["sni"])
    with pytest.raises(ValueError, match="no operation is called 'nothing'"):
        programs([])
    with pytest.raises(ValueError, match="no dtype is called 'int64'; there are: float64, float32"):
        programs(dtypes=["int64"])
    with pytest.raises(ValueError, match="no dtype is called 'float16'"):
        variables(dtype="float16")


# ------------------------------------------------------------------------------------- By the type


def test_types_are_registered() -> None:
    """From annotations Hypothesis would guess programs that it never gets done with."""
    by_type = st.from_type(Variable), st.from_type(Program)
    assert not any("builds(Variable" in repr(s) or "builds(Program" in repr(s) for s in by_type)

    @settings(TINY, max_examples=20)
    @given(*by_type)
    def drawn(x: Variable, program: Program) -> None:
        assert x.dtype == np.float64
        assert np.all(np.isfinite(x.data))
        assert program.steps

    drawn()


def test_a_class_below_is_not_what_was_asked_for() -> None:
    find(st.from_type(Variable), lambda x: type(x) is not Parameter)


ORDERS = {
    "hypothesis first": "import hypothesis; register(); import dezero",
    "dezero first": "import dezero; import hypothesis; register()",
    "the kit at once": "import hypothesis; register(); import dezero.verify",
}
DRAWN = """
assert not any(type(finder).__name__ == "_Awaited" for finder in sys.meta_path)
assert dezero.__spec__.loader.get_source("dezero").startswith('\"\"\"dezero')
assert "exec_module" not in vars(dezero.__spec__.loader)
from hypothesis import find, strategies as st
def strange(x):
    return x.data is None or x.dtype.name != "float64" or x.ndim > 1
found = find(st.from_type(dezero.Variable), strange)
print(found.shape, found.dtype)
"""
"""What Hypothesis would guess from the annotations gives None at once."""


def drawn(order: str) -> subprocess.CompletedProcess[str]:
    """What is drawn in a new process, where Hypothesis loads no plugin but as an order says."""
    code = f"import sys\nfrom dezero_plugins.for_hypothesis import register\n{order}\n{DRAWN}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HYPOTHESIS_NO_PLUGINS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize("order", ORDERS)
def test_whichever_comes_first_a_variable_is_known(order: str) -> None:
    done = drawn(ORDERS[order])
    assert done.stdout == "(1, 1) float64\n", done.stderr


def test_that_it_is_not_registered_would_be_noticed() -> None:
    assert "NoneType" in drawn("import hypothesis; import dezero").stderr
