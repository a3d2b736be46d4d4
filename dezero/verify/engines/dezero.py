"""dezero itself as an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType

from dezero.config import no_grad, recording
from dezero.contract import Array, Contract
from dezero.graph import Function, Variable, grad
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines import Engine
from dezero.verify.program import Step

CONTRACTS = MappingProxyType({name: cls.contract for name, cls in OPERATIONS.items()})


class DezeroEngine(Engine[Variable]):
    """The operations of `dezero.functions` on `dezero.Variable`."""

    name = "dezero"
    differentiates_twice = True
    rule = "pull"
    module = "dezero.functions"

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return CONTRACTS

    def leaf(self, data: Array) -> Variable:
        return Variable(data)

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs = OPERATIONS[step.op](**step.attributes)(*operands)
        return outputs if isinstance(outputs, list) else [outputs]

    def value(self, variable: Variable) -> Array:
        return variable.data

    def gradient(self, variable: Variable) -> Array | None:
        return None if variable.grad is None else variable.grad.data

    def clear(self, variable: Variable) -> None:
        variable.cleargrad()

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        variable.grad = Variable(seed)
        variable.backward(retain_grad=retain_grad)

    def no_grad(self) -> AbstractContextManager[None]:
        return no_grad()

    def recording(self) -> bool:
        return recording()

    def application(self, variable: Variable) -> Function | None:
        return variable.creator

    def parts(self, variable: Variable) -> list[object]:
        return [
            variable,
            variable.node,
            variable.data,
            *([variable.creator] if variable.creator else []),
        ]

    def gradients(
        self,
        ys: Sequence[Variable],
        xs: Sequence[Variable],
        seeds: Sequence[Variable],
        create_graph: bool = False,
    ) -> list[Variable]:
        return grad(ys, xs, create_graph, seeds)

    def backward_recorded(
        self, variable: Variable, seed: Array, leaves: Sequence[Variable]
    ) -> list[Variable]:
        variable.grad = Variable(seed)
        variable.backward(create_graph=True)
        return [leaf.grad for leaf in leaves if leaf.grad is not None]
