"""`docs/specification.md`: what an implementer in any language needs, from the contracts.

The prose stands beside this file, in ``specification.md``. What a contract does not know of an
operation stands here: the JSON forms of attributes, the shapes of results, and the formulas of the
profile `core`. The values of the others are said by the reference's docstrings, or here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from dezero.contract import Attribute, Contract, Shapes
from dezero.verify.catalogue import CORE, OPERATIONS
from dezero.verify.evaluation import FUNCTIONS


@dataclass(frozen=True, slots=True)
class Formula:
    """What is said of an operation of the profile `core` besides its contract.

    Attributes:
        shape: The shape of the result.
        value: The value.
        vjp: The rule: the cotangent of each operand.
    """

    shape: str
    value: str
    vjp: str


_SAME = "that of x"
_WIDER = "that to which a and b broadcast"
_REDUCED = (
    "that of x without the axes of `axis`, or with length 1 in their place if `keepdims`; "
    "`null` reduces all axes, `[]` none"
)

FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "add": Formula(_WIDER, "a + b", "ga = gy; gb = gy"),
        "sub": Formula(_WIDER, "a - b", "ga = gy; gb = -gy"),
        "mul": Formula(_WIDER, "a · b", "ga = gy · b; gb = gy · a"),
        "div": Formula(_WIDER, "a / b", "ga = gy / b; gb = -ga · (a / b)"),
        "neg": Formula(_SAME, "-x", "gx = -gy"),
        "pow": Formula(
            _SAME,
            "x to the power c; 1 for c = 0, also where x = 0",
            "gx = gy · c · x^(c - 1); for c = 0 it is gy · 0, also where x = 0",
        ),
        "square": Formula(_SAME, "x · x", "gx = gy · 2x"),
        "sqrt": Formula(_SAME, "√x", "gx = gy / (2y), where y = √x"),
        "exp": Formula(_SAME, "eˣ", "gx = gy · y, where y = eˣ"),
        "log": Formula(_SAME, "ln x", "gx = gy / x"),
        "sin": Formula(_SAME, "sin x", "gx = gy · cos x"),
        "cos": Formula(_SAME, "cos x", "gx = -gy · sin x"),
        "tanh": Formula(
            _SAME,
            "tanh x; ±1 for large |x|, without overflow on the way",
            "gx = gy · (1 - tanh² x), computed as gy · 4 · σ(2x) · σ(-2x): "
            "1 - y² cancels where y is near ±1",
        ),
        "sigmoid": Formula(
            _SAME,
            "σ(x), computed as 1 / (1 + e⁻ˣ) for x ≥ 0 and as eˣ / (1 + eˣ) for x < 0: "
            "so e never overflows",
            "gx = gy · y · σ(-x), where y = σ(x): 1 - y would cancel where y is near 1",
        ),
        "relu": Formula(_SAME, "x where x > 0, else 0", "gx = gy where x > 0, else 0"),
        "maximum": Formula(
            _WIDER,
            "the larger of a and b",
            "ga = gy where a > b, gy / 2 where a = b, else 0; "
            "gb = gy where a < b, gy / 2 where a = b, else 0",
        ),
        "sum": Formula(
            _REDUCED,
            "Σ x over those axes; of no elements, 0",
            "gx = gy, reduced axes kept, broadcast to the shape of x",
        ),
        "mean": Formula(
            _REDUCED,
            "Σ x / n over those axes; n is the product of their lengths (1 for `[]`)",
            "gx = gy / n, reduced axes kept, broadcast to the shape of x",
        ),
        "broadcast_to": Formula(
            "`shape`", "x, read again along new and stretched axes", "gx = sum_to(gy, shape of x)"
        ),
        "sum_to": Formula(
            "`shape`",
            "sum_to(x, shape): see [broadcasting](#broadcasting-and-its-adjoint)",
            "gx = gy broadcast to the shape of x",
        ),
        "reshape": Formula(
            "`shape`: each length is written out, none is -1",
            "the same elements, row by row",
            "gx = gy, reshaped to the shape of x",
        ),
        "transpose": Formula(
            "its axis i has the length of axis axes[i] of x",
            "the index on axis i of the result is that on axis axes[i] of x; `null` reverses the axes",
            "gx = gy, transposed by the inverse permutation: axis axes[i] of gx is axis i of gy",
        ),
        "matmul": Formula(
            "a is […, n, k] and b is […, k, m]: the result is […, n, m], where the leading axes "
            "broadcast against each other. An a of shape [k] is read as [1, k], and the axis of n is "
            "left out of the result; a b of shape [k] is read as [k, 1], and the axis of m is left "
            "out. Neither is `[]`",
            "y[…, i, j] = Σₖ a[…, i, k] · b[…, k, j]; for k = 0 zeros",
            "with a, b and gy read as matrices as above, ga = gy @ bᵀ and gb = aᵀ @ gy, where @ is "
            "this product and ᵀ exchanges the last two axes; then `sum_to` over the "
            "leading axes that were "
            "broadcast, and the shapes of a and b",
        ),
        "softmax": Formula(
            _SAME,
            "eˣ / Σ eˣ along the axis, computed with x - max x in place of x; of no elements, none",
            "gx = y · gy - y · Σ(y · gy), the sum along the axis, which is kept",
        ),
        "concatenate": Formula(
            "that of the operands, which differ along the axis only; along it, the sum of their "
            "lengths. One operand is allowed, and lengths of 0",
            "the operands one behind another along the axis",
            "each operand gets its part of gy",
        ),
        "split": Formula(
            "`sections` outputs, each of the shape of x, but the length of the axis is divided by "
            "`sections`, which divides it",
            "the parts one behind another along the axis; `n_out` equals `sections`",
            "gx = the cotangents of the outputs, concatenated along the axis; "
            "zeros for those that are missing",
        ),
    }
)
"""The formulas of the profile `core`."""

_PAIR = "an integer for both axes, or a list of two: [down, across]"
_SHAPE = "a list of integers from 0"

FORMS: Mapping[Attribute, str] = MappingProxyType(
    {
        Attribute.AXIS: "an axis of the operand",
        Attribute.NEW_AXIS: "an axis of the result",
        Attribute.UNIT_AXIS: "`null`, or an axis of length one",
        Attribute.ANY_AXIS: "`null`, or an axis of the operand",
        Attribute.AXES: "`null`, an axis, or a list of distinct axes",
        Attribute.PERMUTATION: "`null`, or a list of the axes in some order, negative ones among them",
        Attribute.FLAG: "`true` or `false`",
        Attribute.REAL: "a number",
        Attribute.SLOPE: "a number",
        Attribute.EXPONENT: "a number; a whole one if x is not positive",
        Attribute.SHIFT: "an integer, of any sign and size",
        Attribute.SECTIONS: "an integer from 1",
        Attribute.SHAPE_OF_SAME_SIZE: f"{_SHAPE}, of as many elements",
        Attribute.WIDER_SHAPE: f"{_SHAPE}, a shape to which the operand broadcasts",
        Attribute.NARROWER_SHAPE: f"{_SHAPE}, a shape that broadcasts to the operand's",
        Attribute.PAD_WIDTHS: "for each axis [before, after], integers from 0, in a list",
        Attribute.INDEX: "an [index](#indices)",
        Attribute.INDEX_INTO: "an [index](#indices) that gives the operand's shape",
        Attribute.STRIDE: _PAIR,
        Attribute.PADDING: _PAIR,
        Attribute.KERNEL: _PAIR,
        Attribute.OUT_SIZE: f"`null`, or {_PAIR}",
        Attribute.IMAGE_SHAPE: "[N, C, H, W]",
        Attribute.LABELS: "a tensor of `int64`: for each row of x the number of a column",
        Attribute.ROWS: "a tensor of `int64`: numbers of rows of the operand",
        Attribute.RATIO: "a number from 0 to below 1",
        Attribute.EPSILON: "a positive number",
        Attribute.MASK: "a tensor of `bool` that broadcasts against the operands",
        Attribute.INDEXED_SHAPE: f"{_SHAPE}: the shape that is indexed",
        Attribute.DTYPE: "the name of an element type",
    }
)
"""What an attribute of each kind is, and how it is written in JSON."""

_FIT: Mapping[Shapes, str] = MappingProxyType(
    {
        Shapes.ANY: "of any shape",
        Shapes.ELEMENTWISE: "of shapes that broadcast against each other",
        Shapes.MATMUL: "matrices, vectors, or stacks of matrices",
        Shapes.IMAGES: "[N, C, H, W]",
        Shapes.CONVOLUTION: "[N, C, H, W] and [O, C, KH, KW]",
        Shapes.DECONVOLUTION: "[N, C, H, W] and [C, O, KH, KW]",
        Shapes.CONVOLUTION_GRADIENT: "[N, C, H, W] and [N, O, OH, OW]",
        Shapes.LINEAR: "[…, I], [I, O] and [O]",
        Shapes.WINDOWS: "what `im2col` gives with the same attributes",
        Shapes.CLASSES: "[N, C]",
        Shapes.ROWS: "[V, …]",
        Shapes.PER_CHANNEL: "[N, C, …], [C] and [C]",
        Shapes.PER_FEATURE: "[…, D], [D] and [D]",
        Shapes.EQUAL: "of one shape",
        Shapes.EQUAL_BUT_AXIS: "of shapes that differ along the axis only",
    }
)
"""What shapes the operands have."""

_PLACES = "[N, C, OH, OW]: OH and OW are the numbers of places down and across"
_COLUMNS = "[N, C, KH, KW, OH, OW]; with `to_matrix` [N · OH · OW, C · KH · KW]"
_LEN = "len is the length of the first axis, or 1"

RESULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "average_pooling": (_PLACES, ""),
        "binary_cross_entropy": ("[]", f"Σ -(t ln p + (1 - t) ln(1 - p)) / len(p); {_LEN}"),
        "clip": (_SAME, ""),
        "col2im": (
            "`input_shape`",
            "zeros, and at each place of `im2col`'s formula the element of the operand is added: "
            "where windows overlap, several; what falls on the padding is dropped",
        ),
        "conv2d": ("[N, O, OH, OW]: OH and OW are the numbers of places down and across", ""),
        "conv2d_grad_w": (
            "[O, C, KH, KW]",
            "W[o, c, k, l] = Σ over n, i, j of a[n, c, i·stride + k, j·stride + l] · b[n, o, i, j]",
        ),
        "cumsum": (
            "that of x; for `null` [number of elements]",
            "partial sums along the axis; for `null` of all elements, row by row",
        ),
        "deconv2d": (
            "[N, O, *outsize]; for `null` [N, O, (H - 1) · SH + KH - 2PH, (W - 1) · SW + KW - 2PW]",
            "zeros, and for each n, c, i, j, o, k, l the product a[n, c, i, j] · b[c, o, k, l] is "
            "added in row i·stride + k and column j·stride + l of the padded result; "
            "the padding is cut off",
        ),
        "dropout": ("that to which x and mask broadcast", ""),
        "embed_id": (
            "the shape of the attribute x, then that of W without its first axis",
            "for each number in the attribute x that row of W",
        ),
        "expand_dims": (
            "that of x, with an axis of length 1 inserted so that it is axis `axis` of the result",
            "the same elements",
        ),
        "flatten": ("[n, product of the other lengths]; [1, 1] for []", "the same elements"),
        "flip": (_SAME, "the elements in reverse order along the axis; for `null` along all axes"),
        "get_item": ("as the index says", "the elements that the index takes"),
        "get_item_grad": (
            "`in_shape`",
            "zeros, and where `get_item` would read an element, that of gy is added: "
            "repeated ones add up",
        ),
        "huber": (
            "[]",
            f"Σ h(x0 - x1) / len(x0); h(d) = d² / 2 where |d| < delta, "
            f"else delta · (|d| - delta / 2); {_LEN}",
        ),
        "im2col": (_COLUMNS, ""),
        "leaky_relu": (_SAME, ""),
        "linear": ("[…, O]", ""),
        "log_softmax": (_SAME, "x - m - ln Σ exp(x - m) along the axis, m = max x"),
        "logsumexp": (_REDUCED, "m + ln Σ exp(x - m), m = max x"),
        "lstm_cell": (
            "two outputs of that shape",
            "c' = σ(f) · c + σ(i) · tanh u; outputs σ(o) · tanh c', then c'",
        ),
        "batch_norm": (
            "that of x",
            "gamma · (x - mean) / √(var + eps) + beta; mean and var (the mean of (x - mean)²) "
            "over all axes but axis 1, to which gamma and beta belong",
        ),
        "layer_norm": (
            "that of x",
            "gamma · (x - mean) / √(var + eps) + beta; mean and var (the mean of (x - mean)²) "
            "over the last axis",
        ),
        "max": (_REDUCED, "the largest element"),
        "min": (_REDUCED, "the smallest element"),
        "mean_squared_error": ("[]", f"Σ (x0 - x1)² / len(x0); {_LEN}"),
        "pad": ("each axis is longer by before + after", "x with zeros around it"),
        "pooling": (
            _PLACES,
            "the largest element of x in each window; what lies in the padding is never the largest",
        ),
        "power": (_WIDER, "a to the power b; the cotangent of b is gy · y · ln a"),
        "prod": (_REDUCED, "Π x; of no elements, 1"),
        "roll": (
            _SAME,
            "the element at place i moves to place (i + shift) mod n of the axis; "
            "for `null` of all elements, row by row",
        ),
        "sigmoid_cross_entropy": ("[]", f"Σ (ln(1 + eˣ) - t · x) / len(x); {_LEN}"),
        "softmax_cross_entropy": ("[]", "the mean over n of -ln softmax(x)[n, t[n]], along axis 1"),
        "squeeze": (
            "that of x without that axis; for `null` without any of length 1",
            "the same elements",
        ),
        "stack": (
            "that of the operands, with an axis as long as they are many inserted "
            "so that it is axis `axis`",
            "the operands one behind another along that axis",
        ),
        "swapaxes": ("that of x, with two lengths exchanged", "the index on the two axes is exchanged"),
        "var": (_REDUCED, "the mean of (x - mean x)²"),
        "where": ("that to which a, b and condition broadcast", ""),
    }
)
"""Of other operations the shape, where it is not just that of the operands, and the value, if the
docstring of the reference says it in terms of NumPy."""


def specification() -> str:
    """The specification in Markdown, with a line's end at its end."""
    text = resources.files("dezero.verify").joinpath("specification.md").read_text("utf-8")
    others = sorted(OPERATIONS.keys() - set(CORE))
    core = "\n".join(_core_section(OPERATIONS[name].contract) for name in CORE)
    rest = "\n".join(_other_section(OPERATIONS[name].contract) for name in others)
    return text.replace("{core}\n", f"{core}\n").replace("{others}\n", rest)


def _core_section(contract: Contract) -> str:
    formula = FORMULAS[contract.name]
    return _section(
        contract,
        {"shape": formula.shape, "value": formula.value, "vjp": formula.vjp},
    )


def _other_section(contract: Contract) -> str:
    shape, value = RESULTS.get(contract.name) or (_plain_shape(contract), "")
    documented = inspect.getdoc(FUNCTIONS[contract.name]) or contract.summary
    return _section(contract, {"shape": shape, "value": value or " ".join(documented.split())})


def _plain_shape(contract: Contract) -> str:
    if contract.attributes or contract.outputs != 1:
        raise ValueError(f"{contract.name}: give the shape of its result in RESULTS")
    return _WIDER if contract.shapes is Shapes.ELEMENTWISE else _SAME


def _section(contract: Contract, said: Mapping[str, str]) -> str:
    rows = {"operands": _operands(contract), **_attributes(contract), **said}
    rows["domain"] = f"{contract.domain.text}; {contract.smoothness.value}"
    if contract.kinks is not None:
        rows["kink"] = f"{contract.kinks.text}; the derivative there: {contract.kinks.convention}"
    lines = [f"#### `{contract.name}`\n"]
    lines += [f"- {name}: {text}" for name, text in rows.items()]
    return "\n".join(lines) + "\n"


def _operands(contract: Contract) -> str:
    names = operands(contract)
    fit = _FIT[contract.shapes]
    if contract.arity is None:
        return f"one or more, {fit}"
    return f"{', '.join(f'`{name}`' for name in names)}, {fit}"


def operands(contract: Contract) -> tuple[str, ...]:
    """The names of an operation's operands in its formulas: those of the reference's parameters."""
    parameters = inspect.signature(FUNCTIONS[contract.name]).parameters.values()
    return tuple(p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY)


def _attributes(contract: Contract) -> dict[str, str]:
    parameters = inspect.signature(OPERATIONS[contract.name]).parameters
    return {
        f"attribute `{name}`": f"{FORMS[kind]}; {_default(parameters[name])}"
        for name, kind in contract.attributes.items()
    }


def _default(parameter: inspect.Parameter) -> str:
    value: object = parameter.default
    if value is inspect.Parameter.empty:
        return "no default"
    json_names = {None: "null", True: "true", False: "false"}
    in_json = json_names[value] if value is None or isinstance(value, bool) else repr(value)
    return f"default `{in_json}`"
