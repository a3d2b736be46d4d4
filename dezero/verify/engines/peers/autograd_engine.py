"""HIPS autograd as a peer."""

# Nothing is known of the types of a peer, so neither of lambdas that take and give them.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import numpy as np

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

anp: Untyped = module("autograd.numpy")
make_vjp: Untyped = module("autograd").make_vjp
traced_tuple: Untyped = module("autograd.builtins").tuple
getval: Untyped = module("autograd.tracer").getval
Box = Untyped


class AutogradEngine(PeerEngine):
    """The functions of `autograd.numpy`."""

    name = "autograd"
    package = "autograd"
    differentiates_twice = True
    operations: ClassVar[Mapping[str, Operation]] = {
        **operations_of(anp, without=("flip", "broadcast_to")),
        "softplus": lambda x: anp.logaddexp(x, 0.0),
    }
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "flip": "it has no rule for it",
            "broadcast_to": "it gives no new axes",
        }
    )
    narrower: ClassVar[Mapping[str, Narrower]] = MappingProxyType(
        {
            "transpose": Narrower(
                "axes from 0", lambda x, axes=None: axes is None or min(axes, default=0) >= 0
            ),
            "expm1": Narrower("the rule y + 1 cancels below", lambda x: within(x, -5.0)),
            "pad": Narrower("of arrays with axes", lambda x, pad_width: x.ndim > 0),
            "power": Narrower("b ≠ 0", lambda a, b: bool(np.all(b != 0))),
            "get_item": Narrower("of arrays with axes", lambda x, slices: x.ndim > 0),
            "prod": Narrower(
                "x not near 0: it divides by x",
                lambda x, axis=None, keepdims=False: bool(np.all(np.abs(x) > 1e-4)),
            ),
            "tanh": Narrower("cosh⁴ overflows beyond", lambda x: within(x, -150.0, 150.0)),
            "softplus": Narrower("digits are lost above", lambda x: within(x, high=3.0)),
            "where": Narrower(
                "operands of the shape of the result",
                lambda a, b, condition: (
                    a.shape == b.shape == np.broadcast_shapes(a.shape, condition.shape)
                ),
            ),
        }
    )
    conventions: Mapping[str, str] = MappingProxyType({"clip": "0 on the bounds"})

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        kept: list[Array] = []

        def traced(leaves: Box) -> Box:
            values = self.results(program, [leaves[i] for i in range(len(program.inputs))])
            kept.extend(np.array(getval(value)) for value in values)
            return traced_tuple([values[i] for i in program.outputs])

        pull, _ = make_vjp(traced)(tuple(program.inputs))

        def pulled(seeds: Sequence[Array]) -> list[Array | None]:
            return [np.asarray(g) for g in pull(tuple(seeds))]

        return kept, pulled

    def second(self, program: Program, direction: Sequence[Array]) -> list[Array | None]:
        def traced(leaves: Box) -> Box:
            values = self.results(program, [leaves[i] for i in range(len(program.inputs))])
            return traced_tuple([values[i] for i in program.outputs])

        def gradient(leaves: Box) -> Box:
            found = make_vjp(traced)(leaves)[0](tuple(program.seeds))
            return traced_tuple([found[i] for i in range(len(direction))])

        return [np.asarray(g) for g in make_vjp(gradient)(tuple(program.inputs))[0](tuple(direction))]
