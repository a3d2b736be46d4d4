"""Functions as targets: what a user wrote, held against the laws by oracles that need values only.

`check` is one line in a test:

    from dezero.verify import check
    check(my_function, interval(0, 1), REALS)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias, cast

import numpy as np

from dezero.contract import NO_ATTRIBUTES, REALS, Array, Contract, Domain, Shapes, Smoothness
from dezero.graph import Variable
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.laws import LAWS
from dezero.verify.oracles import ladders
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial, Unresolved

Target: TypeAlias = Callable[..., Variable | Sequence[Variable]]
"""A function of Variables that gives a Variable or several, or an instance of a Function."""

Shape: TypeAlias = tuple[int, ...]
Given: TypeAlias = Domain | tuple[Domain, Shape]
"""Where an argument lies; with a shape, if it shall not vary."""

SHAPES: tuple[Shape, ...] = ((), (1,), (3,), (2, 3), (2, 1, 2))
MOST_ELEMENTS = 64
"""Every coordinate of every argument is differentiated numerically: so there are not to be too many."""

NOT_FOR_FUNCTIONS = frozenset(("value", "kink", "sharing", "broadcasting"))
FUNCTION_LAWS = tuple(name for name in LAWS if name not in NOT_FOR_FUNCTIONS)
"""The laws that can be held against a function of which nothing but the values is known."""


class TargetError(ValueError):
    """A target cannot be checked; the message says why, and what would help."""


class FunctionEngine(DezeroEngine):
    """An engine with one operation: the target."""

    def __init__(self, name: str, target: Target, arity: int) -> None:
        self.name = name
        self.target = target
        self._contracts = {
            name: Contract(
                name=name,
                summary="",
                arity=arity,
                several_outputs=False,
                shapes=Shapes.ANY,
                domain=REALS,
                kinks=None,
                smoothness=Smoothness.SMOOTH,
                attributes=NO_ATTRIBUTES,
                saves=frozenset(),
            )
        }

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs = cast(object, self.target(*operands))  # what a user's function gives must be looked at
        given = (
            list(cast("Sequence[object]", outputs)) if isinstance(outputs, (list, tuple)) else [outputs]
        )
        for output in given:
            if not isinstance(output, Variable):
                raise TypeError(f"{self.name} gave {type(output).__name__}; expected a Variable")
        return cast("list[Variable]", given)


class FunctionTrial(Trial[Variable]):
    """A function and inputs for it; what the derivative is, is found from differences of values."""

    def _root(self, inputs: Sequence[Array]) -> float:
        with self.engine.no_grad():
            graph = self.engine.build(self.exact_program.with_inputs(inputs))
        pairs = zip(self.exact_program.seeds, graph.outputs, strict=True)
        return float(sum(np.vdot(seed, output.data) for seed, output in pairs))

    @cached_property
    def values(self) -> list[Array]:
        return [v.data for v in self.run.graph.values if v is not None]

    @cached_property
    def _estimates(self) -> tuple[list[Array], list[Array]]:
        xs = [x.astype(np.float64) for x in self.program.inputs]
        if not math.isfinite(self._root(xs)):
            raise Unresolved("the value is not finite")
        slopes, errors = [np.zeros(x.shape) for x in xs], [np.zeros(x.shape) for x in xs]
        for i, x in enumerate(xs):
            for place in np.ndindex(x.shape):

                def along(t: float, i: int = i, place: tuple[int, ...] = place) -> float:
                    moved = [x.copy() for x in xs]
                    moved[i][place] += t
                    with np.errstate(all="ignore"):
                        return self._root(moved)

                estimate = ladders(along)
                if not estimate.resolved:
                    raise Unresolved("the differences of values do not converge")
                slopes[i][place], errors[i][place] = estimate.value, estimate.error
        return slopes, errors

    @cached_property
    def truth(self) -> list[Array]:
        return self._estimates[0]

    @property
    def truth_error(self) -> list[Array]:
        return self._estimates[1]

    def proof(self) -> list[Array]:
        return self.truth

    def _moved(self, random: np.random.Generator, eps: float) -> Program:
        """Only the inputs: what is inside the function cannot be moved."""
        inputs = [] if found.program is None else [x.tolist() for x in found.program.inputs]
        raise AssertionError(
            f"{prepared.engine.name} breaks the law `{found.law}`: {LAWS[found.law].sentence}\n"
            f"  {found.broken.what}\n  expected {found.broken.expected}\n  found    {found.broken.found}"
            f"\n  inputs   {inputs}"
        )

    if tally.samples and tally.unresolved_share > 0.5:
        reasons = ", ".join(sorted({reason for _, reason in tally.unresolved}))
        raise AssertionError(f"{prepared.engine.name}: most samples are unresolved: {reasons}")
    return tally
