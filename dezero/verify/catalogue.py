"""The operations that a program may name: those of `dezero.functions`, by their contracts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType

from dezero import functions
from dezero.contract import Attribute, Contract
from dezero.operation import Composite, Operation


def _operations() -> dict[str, type[Operation | Composite]]:
    found: dict[str, type[Operation | Composite]] = {}
    for member in vars(functions).values():
        if not (inspect.isclass(member) and issubclass(member, (Operation, Composite))):
            continue
        contract: Contract | None = vars(member).get("contract")
        # An element type is the engine's business: a program has one, that of its inputs.
        if contract is not None and Attribute.DTYPE not in contract.attributes.values():
            found[contract.name] = member
    return found


OPERATIONS: Mapping[str, type[Operation | Composite]] = MappingProxyType(_operations())
"""Every operation of dezero, by its name in programs."""

CORE = (
    *("add", "sub", "mul", "div", "neg", "pow", "square", "sqrt", "exp", "log", "sin", "cos", "tanh"),
    *("sigmoid", "relu", "maximum", "sum", "mean", "broadcast_to", "sum_to", "reshape", "transpose"),
    *("matmul", "softmax", "concatenate", "split"),
)
"""The profile `core`: what every port has, with all attributes. All of `OPERATIONS` is `extended`."""
