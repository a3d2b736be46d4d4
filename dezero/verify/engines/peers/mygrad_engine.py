"""MyGrad as a peer."""

# Nothing is known of the types of a peer, so neither of lambdas that take and give them.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from dezero.contract import Array
from dezero.verify.engines.peers import (
    Narrower,
    Operation,
    PeerEngine,
    Pullback,
    Untyped,
    module,
    within,
)
from dezero.verify.engines.peers.numpy_names import operations_of
from dezero.verify.program import Program

mygrad: Untyped = module("mygrad")
activations: Untyped = module("mygrad.nnet.activations")
softmax_crossentropy: Untyped = module("mygrad.nnet.losses").softmax_crossentropy
Tensor = Untyped


class MyGradEngine(PeerEngine):
    """The functions of `mygrad` and `mygrad.nnet`."""

    name = "mygrad"
    package = "mygrad"
    operations: ClassVar[Mapping[str, Operation]] = {
        **operations_of(mygrad),
        "softplus": lambda x: mygrad.logaddexp(x, 0.0),
        "relu": activations.relu,
        "leaky_relu": lambda x, slope: activations.leaky_relu(x, slope),
        "sigmoid": activations.sigmoid,
        "softmax": lambda x, axis: activations.softmax(x, axis),
        "log_softmax": lambda x, axis: activations.logsoftmax(x, axis),
        "softmax_cross_entropy": lambda x, t: softmax_crossentropy(x, t),
    }
    precisions: ClassVar[Sequence[str]] = ("float64",)
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"conv2d": "of its own results it reads memory of others"}
    )
    narrower: ClassVar[Mapping[str, Narrower]] = MappingProxyType(
        {
            "sigmoid": Narrower("the rule y (1 - y) cancels above", lambda x: within(x, high=5.0)),
            "tanh": Narrower("the rule 1 - y² cancels beyond", lambda x: within(x, -3.0, 3.0)),
            "softmax_cross_entropy": Narrower(
                "it cancels where one class is sure", lambda x, t: within(x, -4.0, 4.0)
            ),
            "leaky_relu": Narrower("slope ≠ 1", lambda x, slope: slope != 1),
        }
    )
    conventions: Mapping[str, str] = MappingProxyType(
        {
            "max": "the first of those tied has all of it",
            "min": "the first of those tied has all of it",
            "maximum": "0 to both",
            "minimum": "0 to both",
            "clip": "0 on the bounds",
            "leaky_relu": "0",
        }
    )

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        def pull(seeds: Sequence[Array]) -> list[Array | None]:
            leaves, values = self._run(program)  # anew: a graph is gone after its backward
            pairs = zip(program.outputs, seeds, strict=True)
            root = mygrad.add_sequence(0.0, *[mygrad.sum(values[i] * seed) for i, seed in pairs])
            root.backward()
            return [leaf.grad for leaf in leaves]

        _, values = self._run(program)
        return [value.data.copy() for value in values], pull

    def _run(self, program: Program) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [mygrad.tensor(x.copy()) for x in program.inputs]
        return leaves, self.results(program, leaves)
