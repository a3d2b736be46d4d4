"""JAX as a peer: not compiled, in doubles, on the processor."""

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
    pair,
    within,
)
from dezero.verify.engines.peers.numpy_names import operations_of
from dezero.verify.program import Program

jax: Untyped = module("jax")
jnp: Untyped = module("jax.numpy")
Traced = Untyped


def _conv2d(a: Traced, b: Traced, stride: Untyped = 1, pad: Untyped = 0) -> Traced:
    padding = [(p, p) for p in pair(pad)]
    return jax.lax.conv_general_dilated(a, b, pair(stride), padding)


class JaxEngine(PeerEngine):
    """The functions of `jax.numpy` and `jax.nn`."""

    name = "jax"
    package = "jax"
    differentiates_twice = True
    operations: ClassVar[Mapping[str, Operation]] = {
        **operations_of(jnp),
        "identity": jnp.copy,
        "sigmoid": jax.nn.sigmoid,
        "softplus": jax.nn.softplus,
        "relu": jax.nn.relu,
        "leaky_relu": lambda x, slope: jax.nn.leaky_relu(x, slope),
        "silu": jax.nn.silu,
        "gelu": lambda x: jax.nn.gelu(x, approximate=True),
        "softmax": lambda x, axis: jax.nn.softmax(x, axis),
        "log_softmax": lambda x, axis: jax.nn.log_softmax(x, axis),
        "logsumexp": lambda x, axis=None, keepdims=False: jax.nn.logsumexp(x, axis, keepdims=keepdims),
        "conv2d": _conv2d,
        "get_item_grad": lambda x, slices, in_shape: jnp.zeros(in_shape, x.dtype).at[slices].add(x),
        "embed_id": lambda W, x: jnp.take(W, x, axis=0),
    }
    narrower: ClassVar[Mapping[str, Narrower]] = MappingProxyType(
        {
            "sigmoid": Narrower("the rule y (1 - y) cancels above", lambda x: within(x, high=5.0)),
            "softplus": Narrower("digits are lost above", lambda x: within(x, high=3.0)),
            "silu": Narrower("the rule of sigmoid cancels", lambda x: within(x, -5.0, 5.0)),
            "expm1": Narrower("the rule y + 1 cancels below", lambda x: within(x, -5.0)),
            "tanh": Narrower("the rule 1 - y² cancels beyond", lambda x: within(x, -3.0, 3.0)),
            "gelu": Narrower("the rule of tanh cancels", lambda x: within(x, -2.0, 2.0)),
            "clip": Narrower("x_min ≠ x_max", lambda x, x_min, x_max: x_min != x_max),
            "pad": Narrower("of arrays with axes", lambda x, pad_width: x.ndim > 0),
            "pow": Narrower(
                "x ≠ 0 for c = 0 and c = 1", lambda x, c: c not in (0, 1) or bool(np.all(x != 0))
            ),
        }
    )
    conventions: Mapping[str, str] = MappingProxyType(
        {"abs": "1 at 0", "clip": "one half on the bounds", "leaky_relu": "1 at 0"}
    )

    def __init__(self) -> None:
        super().__init__()
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        def traced(*leaves: Traced) -> tuple[list[Traced], list[Traced]]:
            values = self.results(program, leaves)
            return [values[i] for i in program.outputs], values

        _, pull, values = jax.vjp(traced, *map(jnp.asarray, program.inputs), has_aux=True)

        def pulled(seeds: Sequence[Array]) -> list[Array | None]:
            return [np.array(g) for g in pull([jnp.asarray(seed) for seed in seeds])]

        return [np.array(value) for value in values], pulled

    def second(self, program: Program, direction: Sequence[Array]) -> list[Array | None]:
        def traced(*leaves: Traced) -> list[Traced]:
            values = self.results(program, leaves)
            return [values[i] for i in program.outputs]

        def gradient(*leaves: Traced) -> list[Traced]:
            _, pull = jax.vjp(traced, *leaves)
            return list(pull([jnp.asarray(seed) for seed in program.seeds]))[: len(direction)]

        _, pull = jax.vjp(gradient, *map(jnp.asarray, program.inputs))
        return [np.array(g) for g in pull([jnp.asarray(d) for d in direction])]
