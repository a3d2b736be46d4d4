"""micrograd as a peer: it has scalars, so an array is an array of them, and NumPy pairs them up."""

# Nothing is known of the types of a peer, so neither of lambdas that take and give them.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from dezero.contract import Array
from dezero.verify.engines.peers import Narrower, Operation, PeerEngine, Pullback, Untyped, module
from dezero.verify.program import Program

Value: Untyped = module("micrograd.engine").Value
Values = Untyped


def _each(function: Untyped, arity: int = 1) -> Untyped:
    """A function of values, for each in arrays."""
    each = np.frompyfunc(function, arity, 1)
    return lambda *xs: np.asarray(each(*xs))  # of arrays without axes NumPy makes what is in them


class MicrogradEngine(PeerEngine):
    """The operations of `micrograd.engine.Value`."""

    name = "micrograd"
    package = "micrograd"
    precisions: ClassVar[Sequence[str]] = ("float64",)
    operations: ClassVar[Mapping[str, Operation]] = {
        "add": _each(operator.add, 2),
        "sub": _each(operator.sub, 2),
        "mul": _each(operator.mul, 2),
        "div": _each(operator.truediv, 2),
        "neg": _each(operator.neg),
        "pow": lambda x, c: _each(lambda value: value**c)(x),
        "relu": _each(Value.relu),
    }
    without: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"determinism": "it orders values by sets, so sums come in the order of their addresses"}
    )
    narrower: ClassVar[Mapping[str, Narrower]] = MappingProxyType(
        {"pow": Narrower("x ≠ 0 for c = 0", lambda x, c: c != 0 or bool(np.all(x != 0)))}
    )

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        def pull(seeds: Sequence[Array]) -> list[Array | None]:
            leaves, values = self._run(program)  # anew: gradients of all values would be added to
            root = Value(0.0)
            for output, seed in zip(program.outputs, seeds, strict=True):
                for value, weight in zip(np.ravel(values[output]), seed.ravel().tolist(), strict=True):
                    root = root + value * weight
            root.backward()
            return [_floats(leaf, "grad") for leaf in leaves]

        return [_floats(value, "data") for value in self._run(program)[1]], pull

    def _run(self, program: Program) -> tuple[list[Values], list[Values]]:
        leaves = [_each(Value)(x.astype(object)) for x in program.inputs]
        return leaves, self.results(program, leaves)


def _floats(values: Values, attribute: str) -> Array:
    """An attribute of each value."""
    floats = [float(getattr(value, attribute)) for value in np.ravel(values)]
    return np.reshape(np.array(floats, np.float64), np.shape(values))
