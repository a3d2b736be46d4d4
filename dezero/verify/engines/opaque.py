"""Engines that cannot be looked into: a program goes in, and values and gradients come out.

Ports are such engines, and so are the autograds of others in this process. The laws about graphs and
their memory say nothing of them. What they cannot do is run a program with more digits than they have,
which shows what rounding does inside of an operation. So dezero is, on the same program: what it loses
there, they may lose, too.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dezero.contract import Array
from dezero.verify.engines import Engine
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.program import Program, Step
from dezero.verify.rewrites import moves
from dezero.verify.trial import PERTURBED_RUNS, Trial

VALUE_LAWS = ("runs", "value", "shape_dtype")
GRADIENT_LAWS = ("gradient", "kink", "determinism", "linearity", "sharing", "broadcasting")
"""The laws that need only values and gradients."""


@dataclass(eq=False)
class OpaqueVariable:
    """A value of a program that an opaque engine ran.

    Attributes:
        data: Its array.
        grad: Its gradient, for inputs.
    """

    data: Array
    grad: Array | None = None


class OpaqueEngine(Engine[OpaqueVariable]):
    """An engine that runs whole programs; how, is left to `build` and `pull_back`.

    Attributes:
        not_claimed: What it does not claim, each with the reason, if there is one to give.
    """

    rule = ""
    module = "dezero.functions"  # a program is shown as what dezero makes of it
    differentiates_twice: bool = False
    not_claimed: dict[str, str]

    @property
    @abstractmethod
    def laws(self) -> tuple[str, ...]:
        """The laws that can be held against it."""

    @property
    @abstractmethod
    def dtypes(self) -> Sequence[str]:
        """The element types in which it computes."""

    @property
    @abstractmethod
    def who(self) -> str:
        """What it is, with its version, for the report."""

    def leaf(self, data: Array) -> OpaqueVariable:
        return OpaqueVariable(data)

    def value(self, variable: OpaqueVariable) -> Array:
        return variable.data

    def gradient(self, variable: OpaqueVariable) -> Array | None:
        return variable.grad

    def clear(self, variable: OpaqueVariable) -> None:
        variable.grad = None

    def apply(self, step: Step, operands: Sequence[OpaqueVariable]) -> list[OpaqueVariable]:
        raise NotImplementedError(f"{self.name} runs whole programs")

    def backward(self, variable: OpaqueVariable, seed: Array, *, retain_grad: bool = False) -> None:
        raise NotImplementedError(f"{self.name} runs whole programs")

    def no_grad(self) -> AbstractContextManager[None]:
        return nullcontext()

    def recording(self) -> bool:
        return True

    def application(self, variable: OpaqueVariable) -> object | None:
        return None

    def parts(self, variable: OpaqueVariable) -> list[object]:
        return [variable]


class OpaqueTrial(Trial[OpaqueVariable]):
    """An opaque engine and a program, in the precisions that it has."""

    def __init__(self, engine: Engine[OpaqueVariable], program: Program) -> None:
        super().__init__(engine, program)
        assert isinstance(engine, OpaqueEngine)
        self.opaque = engine

    @property
    def _moves(self) -> bool:
        """Whether its values can be moved on the way: by a `mul`."""
        return "mul" in self.opaque.contracts

    @cached_property
    def _twin(self) -> Trial[Any]:
        """dezero on the same program, which tells how far values move where the engine cannot."""
        return Trial(DezeroEngine(), self.program)

    @cached_property
    def _roundings(self) -> tuple[list[Array], list[Array]]:
        """How far dezero's values, and its gradients, lie from those that it has with more digits."""
        random = np.random.default_rng(len(self.program.steps))
        programs = [self.program]
        for _ in range(0 if self.kinked else PERTURBED_RUNS):  # moved off a kink, values would jump
            moved = [
                np.asarray(x * moves(x.shape, random, self.eps, self.program.dtype.name))
                for x in self.program.inputs
            ]
            programs.append(self.program.with_inputs(moved))
        values: list[list[Array]] = []
        gradients: list[list[Array]] = []
        for program in programs:
            short, long = (self._twin.rerun(p) for p in (program, program.astype("longdouble")))
            values.append(_differences(short.values, long.values))
            gradients.append(_differences(short.gradients, long.gradients))
        return _largest(values), _largest(gradients)

    @cached_property
    def spread(self) -> list[Array]:
        moved = super().spread if self._moves else self._twin.spread
        return _largest([moved, self._roundings[1]])

    @cached_property
    def spread_of_values(self) -> list[Array]:
        return _largest([self._spread_of_moved_values(), self._roundings[0]])

    # Engine[Any]: of dezero as well, whose variables are of another type.
    def spread_of(self, result: Callable[[Engine[Any], Program], Array]) -> float:
        moved = super().spread_of(result) if self._moves else self._twin.spread_of(result)
        twin = self._twin.engine
        short, long = (result(twin, p) for p in (self.program, self.program.astype("longdouble")))
        return max(moved, float(np.max(np.abs(short - long), initial=0.0)))

    def _spread_of_moved_values(self) -> list[Array]:
        return super().spread_of_values if self._moves else self._twin.spread_of_values

    def in_wider_precision(self) -> Trial[OpaqueVariable] | None:
        if self.program.dtype != np.float32 or "float64" not in self.opaque.dtypes:
            return None
        trial = self.of(self.program.astype("float64"))
        trial.eps = self.eps / 4
        return trial


def _differences(xs: Sequence[Array | None], ys: Sequence[Array | None]) -> list[Array]:
    """How far arrays lie from others; no further than nothing where there are none."""
    with np.errstate(all="ignore"):
        return [
            np.zeros(()) if x is None or y is None else np.abs(np.subtract(x, y)).astype(np.float64)
            for x, y in zip(xs, ys, strict=True)
        ]


def _largest(several: Sequence[Sequence[Array]]) -> list[Array]:
    """Of several lists of arrays the largest elements, place by place."""
    return [
        np.asarray(np.max(np.broadcast_arrays(*arrays), axis=0))
        for arrays in zip(*several, strict=True)
    ]
