"""For peers whose functions are named, and called, as NumPy's are."""

# Nothing is known of the types of a peer, so neither of lambdas that take and give them.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence

from dezero.verify.engines.peers import Operation, Untyped

NAMES = {
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "neg": "negative",
    "pow": "power",
}
"""Where the name is another than ours."""

PLAIN = (
    *(
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "reciprocal",
        "square",
        "sqrt",
        "exp",
        "expm1",
        "log",
        "log1p",
    ),
    *("log2", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "abs"),
    *("maximum", "minimum", "matmul", "power", "sum", "mean", "var", "max", "min", "prod", "cumsum"),
    *("swapaxes", "flip", "roll"),
)
"""What takes its operands and attributes as ours does."""


def operations_of(xp: Untyped, without: Sequence[str] = ()) -> dict[str, Operation]:
    """What a namespace of functions has of our operations.

    Args:
        xp: The namespace, a module without types of its own that could be relied on.
        without: Names of ours that it has, but that mean something else.
    """
    adapted: dict[str, Operation] = {
        "pow": lambda x, c: xp.power(x, c),
        "clip": lambda x, x_min, x_max: xp.clip(x, x_min, x_max),
        "where": lambda a, b, condition: xp.where(condition, a, b),
        "reshape": lambda x, shape: xp.reshape(x, shape),
        "transpose": lambda x, axes=None: xp.transpose(x, axes),
        "expand_dims": lambda x, axis: xp.expand_dims(x, axis),
        "squeeze": lambda x, axis=None: xp.squeeze(x, axis),
        "broadcast_to": lambda x, shape: xp.broadcast_to(x, shape),
        "pad": lambda x, pad_width: xp.pad(x, pad_width, "constant"),
        "get_item": lambda x, slices: x[slices],
        "concatenate": lambda *xs, axis=0: xp.concatenate(xs, axis),
        "stack": lambda *xs, axis=0: xp.stack(xs, axis),
        "split": lambda x, sections, axis=0: xp.split(x, sections, axis),
    }
    found: dict[str, Operation] = {}
    for name in (*PLAIN, *adapted):
        if name not in without and (name == "get_item" or hasattr(xp, NAMES.get(name, name))):
            found[name] = adapted.get(name) or getattr(xp, NAMES.get(name, name))
    return found
