"""Strategies for your own Hypothesis tests: programs by the names of operations, and Variables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dezero.contract import REALS, Array, Domain
from dezero.graph import Variable
from dezero.verify import strategies
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.program import Program

Shape: TypeAlias = tuple[int, ...]

DTYPES = ("float64", "float32")
SPAN = 100.0
"""How far values reach where a domain has no bound: enough to saturate, not to overflow exp."""


def programs(
    ops: Sequence[str] | None = None, dtypes: Sequence[str] = ("float64",)
) -> st.SearchStrategy[Program]:
    """Programs over operations of dezero, as campaigns draw them; they shrink to a step or a few.

    Args:
        ops: The names of the operations, as `dezero ops` lists them; None for all.
        dtypes: The element types of the inputs, the simplest first.

    Raises:
        ValueError: An operation or an element type is not known, or none is given.
    """
    names = _known(list(CONTRACTS) if ops is None else ops, CONTRACTS, "operation")
    return strategies.programs({op: CONTRACTS[op] for op in names}, _known(dtypes, DTYPES, "dtype"))


def variables(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    dtype: str | st.SearchStrategy[str] = "float64",
    elements: Domain | st.SearchStrategy[float] | None = None,
) -> st.SearchStrategy[Variable]:
    """Variables without a history.

    Args:
        shape: Their shape; None for up to three axes of one to four.
        dtype: Their element type, `float64` or `float32`.
        elements: Where their elements lie, as in `check`, or what draws them, to be rounded to the
            element type; None for any from -100 to 100.

    Raises:
        ValueError: The element type is not known.
    """
    shapes: st.SearchStrategy[Shape]
    if shape is None:
        shapes = arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)
    else:
        shapes = st.just(shape) if isinstance(shape, tuple) else shape
    dtypes = st.just(_known([dtype], DTYPES, "dtype")[0]) if isinstance(dtype, str) else dtype
    drawn = elements if isinstance(elements, st.SearchStrategy) else _within(elements or REALS)

    def inside(x: Array) -> bool:
        return not isinstance(elements, Domain) or elements.clearance(x) > 0

    wide = arrays.arrays(np.float64, shapes, elements=drawn)
    return st.builds(np.ndarray.astype, wide, dtypes).filter(inside).map(Variable)


def _within(domain: Domain) -> st.SearchStrategy[float]:
    """Floats of a domain of one operand; as far as `SPAN` beyond zero or a bound, where it has none."""
    low, high = domain.low, domain.high
    return st.floats(
        low if math.isfinite(low) else min(-SPAN, high - SPAN),
        high if math.isfinite(high) else max(SPAN, low + SPAN),
        exclude_min=math.isfinite(low),
        exclude_max=math.isfinite(high),
        allow_subnormal=False,
    )


def _known(given: Sequence[str], known: Iterable[str], what: str) -> Sequence[str]:
    """Names, if there are any and each is known."""
    for name in given or ("nothing",):
        if name not in known:
            raise ValueError(f"no {what} is called {name!r}; there are: {', '.join(known)}")
    return given


# For `st.from_type`. Where only `dezero` is loaded, Hypothesis' entry point sees to the first.
st.register_type_strategy(Variable, lambda _: variables())
st.register_type_strategy(Program, lambda _: programs())
