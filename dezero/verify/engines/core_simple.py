"""`dezero.core_simple` as an engine: the seed system, first order only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType

from dezero import core_simple
from dezero.config import no_grad, recording
from dezero.contract import Array, Contract
from dezero.core_simple import Function, Variable
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines import Engine
from dezero.verify.program import Step

CLASSES: Mapping[str, type[Function]] = MappingProxyType(
    {
        name: getattr(core_simple, operation.__name__)
        for name, operation in OPERATIONS.items()
        if hasattr(core_simple, operation.__name__)
    }
)
"""What `core_simple` has of dezero's operations, under the same class names."""


class CoreSimpleEngine(Engine[Variable]):
    """The operations of `dezero.core_simple` on its own Variable."""

    name = "core_simple"
    differentiates_twice = False
    rule = "backward"
    module = "dezero.core_simple"

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return {name: OPERATIONS[name].contract for name in CLASSES}

    def leaf(self, data: Array) -> Variable:
        return Variable(data)

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs = CLASSES[step.op](**step.attributes)(*operands)
        return outputs if isinstance(outputs, list) else [outputs]

    def value(self, variable: Variable) -> Array:
        return variable.data

    def gradient(self, variable: Variable) -> Array | None:
        return variable.grad

    def clear(self, variable: Variable) -> None:
        variable.cleargrad()

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        variable.grad = seed
        variable.backward(retain_grad=retain_grad)

    def no_grad(self) -> AbstractContextManager[None]:
        return no_grad()

    def recording(self) -> bool:
        return recording()

    def application(self, variable: Variable) -> Function | None:
        return variable.creator

    def parts(self, variable: Variable) -> list[object]:
        return [variable, variable.data, *([variable.creator] if variable.creator else [])]
