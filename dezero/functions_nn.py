"""Functions for networks: losses, normalisation, dropout, embedding, cells. All are made of others.

Losses divide by the length of their first operand, as the book does: by the size of the batch.
"""

from __future__ import annotations

import math

import numpy as np

from dezero.arrays import Axes, Shape, accumulator, as_array, broadcasts, floating, number
from dezero.config import Config
from dezero.contract import (
    AT_DELTA,
    NONEMPTY_BATCH,
    PROBABILITIES,
    REALS,
    Array,
    Attribute,
    Shapes,
    Smoothness,
)
from dezero.core import get_item, matmul, mean, mul, operand, sum, wide
from dezero.functions_array import log_softmax
from dezero.functions_elementwise import (
    astype,
    clip,
    exp,
    log,
    log1p,
    sigmoid,
    softplus,
    sqrt,
    square,
    tanh,
    where,
)
from dezero.graph import VARIABLES, Operand, Variable, values
from dezero.operation import Composite

__all__ = [
    "GELU",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Dropout",
    "EmbedID",
    "Huber",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "MeanSquaredError",
    "SiLU",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "accuracy",
    "batch_norm",
    "batch_nrom",
    "binary_cross_entropy",
    "dropout",
    "embed_id",
    "gelu",
    "huber",
    "layer_norm",
    "linear",
    "linear_simple",
    "lstm_cell",
    "mean_squared_error",
    "mean_squared_error_simple",
    "sigmoid_cross_entropy",
    "sigmoid_simple",
    "silu",
    "softmax_cross_entropy",
    "softmax_cross_entropy_simple",
    "softmax_simple",
]

# ------------------------------------------------------------------------------- Layers' own functions


class Linear(Composite, arity=3, shapes=Shapes.LINEAR, domain=REALS):
    """x W + b."""

    def __call__(self, x: Operand, W: Operand, b: Operand | None = None) -> Variable:
        y = matmul(x, W)
        if b is None:
            return y
        shape = operand("linear", "b", b).shape
        if not broadcasts(shape, y.shape):
            raise ValueError(f"linear: b has shape {shape}; expected one that broadcasts to {y.shape}")
        return y + b  # as it was given: a number of Python takes the element type of y


def linear(x: Operand, W: Operand, b: Operand | None = None) -> Variable:
    """x W + b: x of shape (…, I), W (I, O) and b (O,); without b, x W.

    Raises:
        ValueError: The shapes of x and W do not fit together, or b does not broadcast to that of x W.
    """
    return Linear()(x, W, b)


linear_simple = linear


class Dropout(
    Composite,
    arity=1,
    domain=REALS,
    smoothness=Smoothness.LINEAR,
    attributes={"mask": Attribute.MASK, "dropout_ratio": Attribute.RATIO},
):
    """x / (1 - dropout_ratio) where the mask holds, 0 elsewhere."""

    def __init__(self, mask: Array, dropout_ratio: float = 0.5) -> None:
        self.mask = mask
        self.dropout_ratio: float = number("dropout", "dropout_ratio", dropout_ratio)

    def __call__(self, x: Operand) -> Variable:
        return where(self.mask, operand("dropout", "x", x) / (1.0 - self.dropout_ratio), 0.0)


def dropout(x: Operand, dropout_ratio: float = 0.5) -> Variable:
    """In training each element is dropped with a probability, and the others grow to make up for it.

    The choice is drawn from NumPy's global random state; when not training (`test_mode`) x stays.

    Raises:
        ValueError: ``dropout_ratio`` is not within 0 ≤ ratio < 1.

    Source: N. Srivastava et al., "Dropout", JMLR 2014.
    """
    if not 0 <= number("dropout", "dropout_ratio", dropout_ratio) < 1:
        raise ValueError(f"dropout: dropout_ratio is {dropout_ratio}; expected 0 <= ratio < 1")
    x = operand("dropout", "x", x)
    if not Config.train:
        return x
    return Dropout(np.random.random(x.shape) >= dropout_ratio, dropout_ratio)(x)


class EmbedID(
    Composite, arity=1, shapes=Shapes.ROWS, domain=REALS, smoothness=Smoothness.LINEAR,
    attributes={"x": Attribute.ROWS}, name="embed_id",
):  # fmt: skip
    """The rows of W that x names."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __call__(self, W: Operand) -> Variable:
        return get_item(W, self.x)


def embed_id(x: Operand, W: Operand) -> Variable:
    """The rows of W (V, D) that the integers x (…) name: of shape (…, D).

    Raises:
        ValueError: W has no rows: it is 0-d.
        TypeError: x holds no integers.
        IndexError: One of them is not within 0 … V - 1.
    """
    rows, table = _array("embed_id", "x", x), operand("embed_id", "W", W)
    if not table.ndim:
        raise ValueError("embed_id: W has shape (); expected (V, D)")
    _check_integers("embed_id", "x", rows, "row", len(table))
    return EmbedID(rows)(table)


# ---------------------------------------------------------------------------------------- Activations


class SiLU(Composite, arity=1, domain=REALS, name="silu"):
    """x · sigmoid(x)."""

    def __call__(self, x: Operand) -> Variable:
        return mul(x, sigmoid(x))


def silu(x: Operand) -> Variable:
    """x · sigmoid(x), elementwise. Source: S. Elfwing et al., Neural Networks 107, 2018."""
    return SiLU()(x)


class GELU(Composite, arity=1, domain=REALS, name="gelu"):
    """x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""

    def __call__(self, x: Operand) -> Variable:
        x = operand("gelu", "x", x)
        # (1 + tanh u) / 2 is sigmoid(2u), which keeps its digits where tanh u rounds to -1. From ±60 on
        # it is 0 or 1 in every element type; there x³ would overflow, and the gradient be 0 · ∞.
        near = clip(x, -60.0, 60.0)
        return x * sigmoid(near * (1.0 + square(near) * 0.044715) * (2.0 * math.sqrt(2.0 / math.pi)))


def gelu(x: Operand) -> Variable:
    """The Gaussian error linear unit, elementwise, in the approximation by tanh.

    Source: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016.
    """
    return GELU()(x)


def sigmoid_simple(x: Operand) -> Variable:
    """1 / (1 + e⁻ˣ), made of simpler functions: it overflows where `sigmoid` does not."""
    return 1.0 / (1.0 + exp(-operand("sigmoid_simple", "x", x)))


def softmax_simple(x: Operand, axis: int = 1) -> Variable:
    """eˣ / Σ eˣ along an axis, made of simpler functions: it overflows where `softmax` does not."""
    y = exp(x)
    return y / sum(y, axis, keepdims=True)


class LSTMCell(Composite, arity=5, outputs=2, shapes=Shapes.EQUAL, domain=REALS, name="lstm_cell"):
    """c' = sigmoid(f) · c + sigmoid(i) · tanh(u) and h = sigmoid(o) · tanh(c')."""

    def __call__(self, f: Operand, i: Operand, o: Operand, u: Operand, c: Operand) -> list[Variable]:
        parts = {"f": f, "i": i, "o": o, "u": u, "c": c}
        shapes = {name: operand("lstm_cell", name, part).shape for name, part in parts.items()}
        if len(set(shapes.values())) > 1:
            given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(f"lstm_cell: the shapes are {given}; expected the same for all")
        state = sigmoid(f) * c + sigmoid(i) * tanh(u)
        return [sigmoid(o) * tanh(state), state]


def lstm_cell(f: Operand, i: Operand, o: Operand, u: Operand, c: Operand) -> tuple[Variable, Variable]:
    """A step of a long short-term memory: the output h and the state c', both of shape (N, H).

    Args:
        f, i, o, u: What goes into the forget, the input and the output gate, and the update.
        c: The state before.

    Raises:
        ValueError: They are not all of one shape.

    Source: S. Hochreiter and J. Schmidhuber, 1997; F. Gers et al. (the forget gate), 2000.
    """
    h, state = LSTMCell()(f, i, o, u, c)
    return h, state


# -------------------------------------------------------------------------------------- Normalisation


def _standardized(x: Variable, axis: Axes, eps: float) -> Variable:
    x = _wide(x)
    centred = x - mean(x, axis, keepdims=True)
    return centred / sqrt(mean(square(centred), axis, keepdims=True) + eps)


def _wide(x: Variable) -> Variable:
    """``x``; in float32 where it is float16, in which the square of 256 is infinite."""
    return wide(VARIABLES.xp, x)


def _narrowed(y: Variable, *operands: Variable) -> Variable:
    """``y``, which was computed of the operands in a wider type, in that of those that are floating."""
    floats = [x.dtype for x in operands if x.dtype.kind == "f"]
    dtype = np.result_type(*floats) if floats else y.dtype
    return y if y.dtype == dtype else astype(y, dtype)


def _epsilon(who: str, eps: float) -> float:
    eps = number(who, "eps", eps)
    if not eps >= 0:
        raise ValueError(f"{who}: eps is {eps}; expected eps >= 0")
    return eps


def _check_shape(who: str, name: str, x: Variable | Array, expected: Shape) -> None:
    if x.shape != expected:
        raise ValueError(f"{who}: {name} has shape {x.shape}; expected {expected}")


class BatchNorm(
    Composite,
    arity=3,
    shapes=Shapes.PER_CHANNEL,
    domain=NONEMPTY_BATCH,
    attributes={"eps": Attribute.EPSILON},
):
    """gamma · (x - mean) / √(var + eps) + beta, with the statistics of every channel."""

    def __init__(self, eps: float = 2e-5) -> None:
        self.eps: float = _epsilon("batch_norm", eps)

    def __call__(self, x: Operand, gamma: Operand, beta: Operand) -> Variable:
        x = operand("batch_norm", "x", x)
        return _scaled(x, _standardized(x, _but_channels(x), self.eps), gamma, beta)


def _scaled(x: Variable, standardized: Variable, gamma: Operand, beta: Operand) -> Variable:
    gamma, beta = operand("batch_norm", "gamma", gamma), operand("batch_norm", "beta", beta)
    return _narrowed(_channels(gamma, x) * standardized + _channels(beta, x), x, gamma, beta)


def _but_channels(x: Variable) -> tuple[int, ...]:
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _channels(numbers: Variable, x: Variable) -> Variable:
    """A number for each channel, so that it broadcasts to x."""
    return numbers.reshape(*numbers.shape, *(1,) * (x.ndim - 2))


def batch_norm(
    x: Operand,
    gamma: Operand,
    beta: Operand,
    mean: Array,
    var: Array,
    decay: float = 0.9,
    eps: float = 2e-5,
) -> Variable:
    """Each channel of a batch, shifted and scaled to the mean ``beta`` and the deviation ``gamma``.

    In training with the statistics of the batch, which are also worked into the running ones; else
    (`test_mode`) with the running ones, which stay. The running variance takes up the unbiased one.

    Args:
        x: Of shape (N, C, …).
        gamma, beta: Of shape (C,).
        mean, var: The running statistics, of shape (C,): changed in place in training.
        decay: What part of the running statistics is kept.
        eps: Added to the variance.

    Raises:
        ValueError: x has fewer than two axes, or no elements in training, or the shapes do not fit; eps
            is negative, or decay not within 0 … 1.
        TypeError: A running statistic is no array of floating numbers, to be changed in place.

    Source: S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015.
    """
    who = "batch_norm"
    decay, normalize = number(who, "decay", decay), BatchNorm(eps)
    if not 0 <= decay <= 1:
        raise ValueError(f"batch_norm: decay is {decay}; expected 0 <= decay <= 1")
    x, gamma, beta = operand(who, "x", x), operand(who, "gamma", gamma), operand(who, "beta", beta)
    _check_statistics(mean=mean, var=var)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x has shape {x.shape}; expected (N, C, …)")
    for name, given in (("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)):
        _check_shape(who, name, given, x.shape[1:2])
    if not Config.train:
        scale = as_array(np.sqrt(var + var.dtype.type(normalize.eps)))
        centred = _wide(x) - _channels(Variable(mean), x)
        return _scaled(x, centred / _channels(Variable(scale), x), gamma, beta)
    if x.size == 0:
        raise ValueError(
            f"batch_norm: x has shape {x.shape}; a batch without elements has no statistics"
        )
    y = normalize(x, gamma, beta)
    axes = _but_channels(x)
    n = x.size // x.shape[1]
    unbiased = n / max(n - 1, 1)
    numbers = floating(x.data)
    dtype = accumulator(numbers.dtype)
    # Both of them, before either of the running ones changes.
    mean_now, var_now = numbers.mean(axes, dtype), numbers.var(axes, dtype) * unbiased
    mean += (1 - decay) * (mean_now - mean)
    var += (1 - decay) * (var_now - var)
    return y


batch_nrom = batch_norm


def _check_statistics(**statistics: object) -> None:
    for name, x in statistics.items():
        if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
            what = f"of {x.dtype}" if isinstance(x, np.ndarray) else f"of type {type(x).__name__}"
            raise TypeError(
                f"batch_norm: {name} is {what}; expected an ndarray of floating numbers, "
                "such as np.zeros for the mean and np.ones for the variance"
            )


class LayerNorm(
    Composite,
    arity=3,
    shapes=Shapes.PER_FEATURE,
    domain=NONEMPTY_BATCH,
    attributes={"eps": Attribute.EPSILON},
):
    """gamma · (x - mean) / √(var + eps) + beta, with the statistics of every row."""

    def __init__(self, eps: float = 1e-5) -> None:
        self.eps: float = _epsilon("layer_norm", eps)

    def __call__(self, x: Operand, gamma: Operand, beta: Operand) -> Variable:
        who = "layer_norm"
        x, gamma, beta = operand(who, "x", x), operand(who, "gamma", gamma), operand(who, "beta", beta)
        _check_shape(who, "gamma", gamma, x.shape[-1:])
        _check_shape(who, "beta", beta, x.shape[-1:])
        return _narrowed(gamma * _standardized(x, -1, self.eps) + beta, x, gamma, beta)


def layer_norm(x: Operand, gamma: Operand, beta: Operand, eps: float = 1e-5) -> Variable:
    """Each row of x (…, D) shifted and scaled to the mean ``beta`` and the deviation ``gamma``.

    Raises:
        ValueError: ``gamma`` or ``beta`` is not of shape (D,), or eps is negative.

    Source: J. L. Ba et al., "Layer Normalization", 2016.
    """
    return LayerNorm(eps)(x, gamma, beta)


# --------------------------------------------------------------------------------------------- Losses


def _averaged(losses: Variable, x: Variable, *others: Variable) -> Variable:
    """Σ losses / len(x), in the element type of the operands, in a wider one of which they came."""
    return _narrowed(sum(losses) / (len(x) if x.ndim else 1), x, *others)


def _array(who: str, name: str, x: Operand) -> Array:
    """What ``x`` holds, or the array that can be made of a list."""
    array = values(x)
    if array.dtype == object:
        raise TypeError(f"{who}: {name} is of type {type(x).__name__}; expected an array")
    return array


def _check_integers(who: str, name: str, given: Array, what: str, n: int) -> None:
    """Raises TypeError, IndexError: what was given are no integers, or one is not within 0 … n - 1."""
    if given.dtype.kind not in "iu":
        raise TypeError(f"{who}: {name} holds {given.dtype}; expected integers")
    if given.size and not (given.min() >= 0 and given.max() < n):
        wrong = given[(given < 0) | (given >= n)].flat[0]
        raise IndexError(f"{who}: the {what} {wrong} is not within 0 … {n - 1}")


def _beside(x: Variable, other: Variable) -> Variable:
    """``x`` in the type in which NumPy computes with both; in no integers, which wrap, nor float16."""
    dtype = np.result_type(x.dtype, other.dtype)
    dtype = np.dtype(np.float64) if dtype.kind in "iub" else accumulator(dtype)
    return x if x.dtype == dtype else astype(x, dtype)


def _difference(who: str, x0: Operand, x1: Operand) -> tuple[Variable, Variable, Variable]:
    """x0 - x1, of the shape of x0 and the type of `_beside`; and the two."""
    x0, x1 = operand(who, "x0", x0), operand(who, "x1", x1)
    if not broadcasts(x1.shape, x0.shape):  # NumPy makes (N, N) of (N, 1) and (N,)
        raise ValueError(
            f"{who}: x0 has shape {x0.shape}, x1 {x1.shape}; expected the same, or an x1 that "
            "broadcasts to the shape of x0"
        )
    return _beside(x0, x1) - _beside(x1, x0), x0, x1


def _scores_and_targets(who: str, name: str, x: Operand, t: Operand) -> tuple[Variable, Variable]:
    """``x``, and ``t`` in its shape: they may differ in axes of length one, or one of them be flat."""
    x, t = operand(who, name, x), operand(who, "t", t)
    axes, of_x = ([n for n in shape if n != 1] for shape in (t.shape, x.shape))
    if t.size != x.size or not (axes == of_x or min(len(axes), len(of_x)) < 2):
        raise ValueError(f"{who}: t has shape {t.shape}; expected {x.shape}")
    if t.shape != x.shape:
        t = t.reshape(x.shape)
    return x, t


class MeanSquaredError(Composite, arity=2, shapes=Shapes.EQUAL, domain=NONEMPTY_BATCH):
    """Σ (x0 - x1)² / len(x0)."""

    def __call__(self, x0: Operand, x1: Operand) -> Variable:
        difference, x0, x1 = _difference("mean_squared_error", x0, x1)
        return _averaged(square(difference), x0, x1)


def mean_squared_error(x0: Operand, x1: Operand) -> Variable:
    """Σ (x0 - x1)² / len(x0).

    Raises:
        ValueError: x1 is not of the shape of x0, and does not broadcast to it.
    """
    return MeanSquaredError()(x0, x1)


mean_squared_error_simple = mean_squared_error


class Huber(
    Composite, arity=2, shapes=Shapes.EQUAL, domain=NONEMPTY_BATCH, smoothness=Smoothness.PIECEWISE,
    kinks=AT_DELTA, attributes={"delta": Attribute.EPSILON},
):  # fmt: skip
    """Σ h(x0 - x1) / len(x0); h(d) is d² / 2 up to delta, and grows by delta from there."""

    def __init__(self, delta: float = 1.0) -> None:
        self.delta: float = number("huber", "delta", delta)
        if not self.delta > 0:
            raise ValueError(f"huber: delta is {delta}; expected delta > 0")

    def __call__(self, x0: Operand, x1: Operand) -> Variable:
        difference, x0, x1 = _difference("huber", x0, x1)
        bounded = clip(difference, -self.delta, self.delta)
        return _averaged(bounded * (difference - 0.5 * bounded), x0, x1)


def huber(x0: Operand, x1: Operand, delta: float = 1.0) -> Variable:
    """Σ h(x0 - x1) / len(x0), with h(d) = d² / 2 up to |d| = delta, delta · (|d| - delta / 2) beyond.

    Raises:
        ValueError: ``delta`` is not positive; or x1 does not broadcast to the shape of x0.

    Source: P. J. Huber, "Robust Estimation of a Location Parameter", 1964.
    """
    return Huber(delta)(x0, x1)


class SoftmaxCrossEntropy(
    Composite, arity=1, shapes=Shapes.CLASSES, domain=NONEMPTY_BATCH, attributes={"t": Attribute.LABELS}
):
    """The mean of -log softmax(x) at the labels t."""

    def __init__(self, t: Array) -> None:
        self.t = t

    def __call__(self, x: Operand) -> Variable:
        x = operand("softmax_cross_entropy", "x", x)
        picked = get_item(log_softmax(_wide(x), 1), (np.arange(len(x)), self.t))
        return -_averaged(picked, x)


def softmax_cross_entropy(x: Operand, t: Operand) -> Variable:
    """The mean over a batch of -log softmax(x) at the labels, exact and finite for scores of any size.

    The gradient at the labels is (softmax(x) - 1) / N, within a rounding of 1: for a sure guess it is 0
    before the loss is.

    Args:
        x: The scores, of shape (N, C).
        t: The labels, N integers from 0 to C - 1.

    Raises:
        ValueError: x is not of shape (N, C), or there are not N labels.
        TypeError: The labels are no integers.
        IndexError: A label is not within 0 … C - 1.
    """
    x, given = operand("softmax_cross_entropy", "x", x), _array("softmax_cross_entropy", "t", t)
    labels = given.reshape(-1)
    if x.ndim != 2 or len(labels) != len(x):
        raise ValueError(
            f"softmax_cross_entropy: x has shape {x.shape}, t {given.shape}; expected (N, C) and (N,)"
        )
    _check_integers("softmax_cross_entropy", "t", labels, "label", x.shape[1])
    return SoftmaxCrossEntropy(labels)(x)


softmax_cross_entropy_simple = softmax_cross_entropy


class SigmoidCrossEntropy(Composite, arity=2, shapes=Shapes.EQUAL, domain=NONEMPTY_BATCH):
    """Σ ((1 - t) softplus(x) + t softplus(-x)) / len(x)."""

    def __call__(self, x: Operand, t: Operand) -> Variable:
        x, t = _scores_and_targets("sigmoid_cross_entropy", "x", x, t)
        scores, targets = _beside(x, t), _beside(t, x)
        return _averaged((1.0 - targets) * softplus(scores) + targets * softplus(-scores), x, t)


def sigmoid_cross_entropy(x: Operand, t: Operand) -> Variable:
    """Σ -(t log p + (1 - t) log(1 - p)) / len(x) with p = sigmoid(x): exact for scores of any size.

    Args:
        x: The scores.
        t: For each score a number from 0 to 1.

    Raises:
        ValueError: x and t have other numbers of elements; or they differ in more than axes of
            length one, and neither is flat.
    """
    return SigmoidCrossEntropy()(x, t)


class BinaryCrossEntropy(Composite, arity=2, shapes=Shapes.EQUAL, domain=PROBABILITIES):
    """Σ -(t log p + (1 - t) log(1 - p)) / len(p)."""

    def __call__(self, p: Operand, t: Operand) -> Variable:
        p, t = _scores_and_targets("binary_cross_entropy", "p", p, t)
        parts, targets = _beside(p, t), _beside(t, p)
        # Bounds that are numbers of Python, which a long double has more than.
        limits = np.finfo(parts.dtype.name if parts.dtype.itemsize < 8 else "float64")
        parts = clip(parts, float(limits.tiny), 1.0 - float(limits.epsneg))  # so that 0 · log 0 is 0
        return -_averaged(targets * log(parts) + (1.0 - targets) * log1p(-parts), p, t)


def binary_cross_entropy(p: Operand, t: Operand) -> Variable:
    """Σ -(t log p + (1 - t) log(1 - p)) / len(p); finite also where p is 0 or 1.

    Args:
        p: Probabilities.
        t: For each a number from 0 to 1.

    Raises:
        ValueError: p and t have other numbers of elements; or they differ in more than axes of
            length one, and neither is flat.
    """
    return BinaryCrossEntropy()(p, t)


def accuracy(y: Operand, t: Operand) -> Variable:
    """The part of the rows of y (N, C) whose largest score is at the label t (N,); without gradient.

    Raises:
        ValueError: y is not of shape (N, C), or there are not N labels.
    """
    scores, labels = _array("accuracy", "y", y), _array("accuracy", "t", t)
    if scores.ndim != 2 or labels.size != len(scores):
        raise ValueError(
            f"accuracy: y has shape {scores.shape}, t {labels.shape}; expected (N, C) and (N,)"
        )
    hits: Array = np.argmax(scores, axis=1) == labels.reshape(-1)
    return Variable(as_array(np.mean(hits)))
