"""PyTorch as a peer: eager, on one thread."""

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
from dezero.verify.program import Program

torch: Untyped = module("torch")
nn: Untyped = module("torch.nn.functional")
Tensor = Untyped


def _all(x: Tensor, axis: Untyped) -> Untyped:
    """Axes as torch wants them: for `flip` and its like, None is not all of them."""
    return tuple(range(x.ndim)) if axis is None else axis


def _index(slices: Untyped) -> Untyped:
    """An index with tensors for arrays."""
    items = slices if isinstance(slices, tuple) else (slices,)
    return tuple(torch.from_numpy(i) if isinstance(i, np.ndarray) else i for i in items)


def _transpose(x: Tensor, axes: Untyped = None) -> Tensor:
    return x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes)


def _pad(x: Tensor, pad_width: Untyped) -> Tensor:
    return nn.pad(x, [n for both in reversed(pad_width) for n in both])


def _prod(x: Tensor, axis: Untyped = None, keepdims: bool = False) -> Tensor:
    if axis is None:
        return torch.prod(x).reshape((1,) * x.ndim if keepdims else ())
    return torch.prod(x, axis, keepdims)


def _reduced(reduce: Operation) -> Operation:
    def reduced(x: Tensor, axis: Untyped = None, keepdims: bool = False) -> Tensor:
        return reduce(x, dim=_all(x, axis), keepdim=keepdims)

    return reduced


def _images(a: Tensor, b: Tensor, stride: Untyped = 1, pad: Untyped = 0) -> Tensor:
    return nn.conv2d(a, b, stride=stride, padding=pad)


def _deconv2d(
    a: Tensor, b: Tensor, stride: Untyped = 1, pad: Untyped = 0, outsize: Untyped = None
) -> Tensor:
    return nn.conv_transpose2d(
        a, b, stride=stride, padding=pad, output_padding=_extra(a, b, stride, pad, outsize)
    )


def _extra(a: Untyped, b: Untyped, stride: Untyped, pad: Untyped, outsize: Untyped) -> tuple[int, int]:
    """How much longer the images are than the least."""
    if outsize is None:
        return 0, 0
    (sh, sw), (ph, pw), (h, w) = pair(stride), pair(pad), pair(outsize)
    return (
        h - ((a.shape[2] - 1) * sh + b.shape[2] - 2 * ph),
        w - ((a.shape[3] - 1) * sw + b.shape[3] - 2 * pw),
    )


def _per_length(loss: Operation) -> Operation:
    """A loss summed, over the length of the first axis."""

    def divided(x: Tensor, t: Tensor, **attributes: Untyped) -> Tensor:
        return loss(x, t, reduction="sum", **attributes) / (len(x) if x.ndim else 1)

    return divided


def _batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return nn.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def _layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return nn.layer_norm(x, x.shape[-1:], gamma, beta, eps)


SAME_NAME = (
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
    *("log2", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sigmoid"),
    *("relu", "abs", "maximum", "minimum", "matmul"),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "identity": torch.clone,
        **{name: getattr(torch, name) for name in SAME_NAME},
        "pow": lambda x, c: torch.pow(x, c),
        "power": torch.pow,
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        "leaky_relu": lambda x, slope: nn.leaky_relu(x, slope),
        "clip": lambda x, x_min, x_max: torch.clip(x, x_min, x_max),
        "where": lambda a, b, condition: torch.where(torch.from_numpy(condition), a, b),
        "reshape": lambda x, shape: torch.reshape(x, shape),
        "transpose": _transpose,
        "swapaxes": lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
        "expand_dims": lambda x, axis: torch.unsqueeze(x, axis),
        "squeeze": lambda x, axis=None: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
        "flatten": lambda x: torch.flatten(torch.atleast_2d(x) if x.ndim == 0 else x.unsqueeze(-1), 1),
        "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
        "sum_to": lambda x, shape: x.sum_to_size(shape),
        "flip": lambda x, axis=None: torch.flip(x, _axes(x, axis)),
        "roll": lambda x, shift, axis=None: torch.roll(x, shift, axis),
        "pad": _pad,
        "get_item": lambda x, slices: x[_index(slices)],
        "concatenate": lambda *xs, axis=0: torch.cat(xs, axis),
        "stack": lambda *xs, axis=0: torch.stack(xs, axis),
        "split": lambda x, sections, axis=0: torch.tensor_split(x, sections, axis),
        "sum": _reduced(torch.sum),
        "mean": _reduced(torch.mean),
        "var": _reduced(lambda x, dim, keepdim: torch.var(x, dim, correction=0, keepdim=keepdim)),
        "max": _reduced(torch.amax),
        "min": _reduced(torch.amin),
        "prod": _prod,
        "cumsum": lambda x, axis=None: (
            torch.cumsum(torch.flatten(x), 0) if axis is None else torch.cumsum(x, axis)
        ),
        "logsumexp": _reduced(torch.logsumexp),
        "softmax": lambda x, axis: torch.softmax(x, axis),
        "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
        "linear": lambda x, W, b: nn.linear(x, W.T, b),
        "embed_id": lambda W, x: nn.embedding(torch.from_numpy(x), W),
        "silu": nn.silu,
        "gelu": lambda x: nn.gelu(x, approximate="tanh"),
        "batch_norm": _batch_norm,
        "layer_norm": _layer_norm,
        "conv2d": _images,
        "deconv2d": _deconv2d,
        "pooling": lambda x, kernel_size, stride=1, pad=0: nn.max_pool2d(x, kernel_size, stride, pad),
        "average_pooling": lambda x, kernel_size, stride=1, pad=0: nn.avg_pool2d(
            x, kernel_size, stride, pad
        ),
        "mean_squared_error": _per_length(nn.mse_loss),
        "huber": _per_length(nn.huber_loss),
        "sigmoid_cross_entropy": _per_length(nn.binary_cross_entropy_with_logits),
        "softmax_cross_entropy": lambda x, t: nn.cross_entropy(x, torch.from_numpy(t)),
    }
)


def _axes(x: Untyped, axis: Untyped) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _no_axis_left_out(x: Array, axis: Untyped = None, **_: Untyped) -> bool:
    return bool(axis != ())


def _forward_slices(x: Array, slices: Untyped) -> bool:
    items = slices if isinstance(slices, tuple) else (slices,)
    return all(not isinstance(i, slice) or (i.step or 1) > 0 for i in items)


def _half(x: Array, kernel_size: Untyped, stride: Untyped = 1, pad: Untyped = 0) -> bool:
    return all(2 * p <= k for p, k in zip(pair(pad), pair(kernel_size), strict=True))


def _small_extra(
    a: Array, b: Array, stride: Untyped = 1, pad: Untyped = 0, outsize: Untyped = None
) -> bool:
    extra = _extra(a, b, stride, pad, outsize)
    return all(0 <= e < s for e, s in zip(extra, pair(stride), strict=True))


NO_AXES = Narrower("not over axis=(), which is all axes for it", _no_axis_left_out)

NARROWER: Mapping[str, Narrower] = MappingProxyType(
    {
        "get_item": Narrower("slices with a negative step are not supported", _forward_slices),
        **dict.fromkeys(("sum", "mean", "var", "max", "min", "logsumexp"), NO_AXES),
        "prod": Narrower(
            "over one axis, or all",
            lambda x, axis=None, keepdims=False: not isinstance(axis, tuple),
        ),
        "pooling": Narrower("padding up to half of the window", _half),
        "deconv2d": Narrower("outsize within a stride of the least", _small_extra),
        "batch_norm": Narrower(
            "more than one value per channel", lambda x, gamma, beta, eps: x.size > x.shape[1]
        ),
        "embed_id": Narrower("of vectors", lambda W, x: W.ndim == 2),
        "expm1": Narrower("the rule y + 1 cancels for x below", lambda x: within(x, -5.0)),
        "sigmoid": Narrower("the rule y (1 - y) cancels above", lambda x: within(x, high=5.0)),
        "silu": Narrower("the rule of sigmoid cancels", lambda x: within(x, -5.0, 5.0)),
        "tanh": Narrower("the rule 1 - y² cancels beyond", lambda x: within(x, -3.0, 3.0)),
        "gelu": Narrower("the rule of tanh cancels", lambda x: within(x, -2.0, 2.0)),
        "sigmoid_cross_entropy": Narrower("it cancels for logits below", lambda x, t: within(x, -2.0)),
        "clip": Narrower("x_min < x_max", lambda x, x_min, x_max: x_min != x_max),
        "power": Narrower("b ≠ 0", lambda a, b: bool(np.all(b != 0))),
        "softplus": Narrower("second derivatives overflow", lambda x: within(x, -300.0, 300.0)),
    }
)


class TorchEngine(PeerEngine):
    """PyTorch, eager, on one thread of the processor."""

    name = "torch"
    package = "torch"
    differentiates_twice = True
    operations: ClassVar[Mapping[str, Operation]] = OPERATIONS
    narrower: ClassVar[Mapping[str, Narrower]] = NARROWER
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "binary_cross_entropy": "targets from 0 to 1 only",
            "dropout": "its mask is its own",
            "im2col": "unfold gives another layout",
            "col2im": "fold takes another layout",
            "get_item_grad": "no function of its own",
            "conv2d_grad_w": "no function of its own",
            "lstm_cell": "LSTMCell has weights in it",
        }
    )
    conventions: Mapping[str, str] = MappingProxyType(
        {
            "clip": "0 on the bounds, since 2.14; 1 before",
            "pooling": "the first of those tied has all of it",
        }
    )

    def __init__(self) -> None:
        super().__init__()
        torch.set_num_threads(1)

    def run(self, program: Program) -> tuple[list[Array], Pullback]:
        leaves, outputs, values = self._run(program)

        def pull(seeds: Sequence[Array]) -> list[Array | None]:
            given = [torch.from_numpy(seed.copy()) for seed in seeds]
            needed = [(y, s) for y, s in zip(outputs, given, strict=True) if y.requires_grad]
            ys, ss = zip(*needed, strict=True)
            found = torch.autograd.grad(ys, leaves, ss, retain_graph=True, allow_unused=True)
            return [None if g is None else g.numpy() for g in found]

        return [v.detach().numpy().copy() for v in values], pull

    def second(self, program: Program, direction: Sequence[Array]) -> list[Array | None]:
        leaves, outputs, _ = self._run(program)
        seeds = [torch.from_numpy(seed.copy()) for seed in program.seeds]
        first = torch.autograd.grad(outputs, leaves, seeds, create_graph=True, allow_unused=True)
        pairs = [
            (g, torch.from_numpy(d.copy()))
            for g, d in zip(first, direction, strict=False)
            if g is not None and g.requires_grad
        ]
        if not pairs:
            return [None] * len(leaves)
        gradients, directions = zip(*pairs, strict=True)
        found = torch.autograd.grad(gradients, leaves, directions, allow_unused=True)
        # Not numpy(force=True): of zeros that torch has not allocated it reads memory of others.
        return [None if g is None else g.clone().numpy() for g in found]

    def _run(self, program: Program) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        leaves = [torch.from_numpy(x.copy()).requires_grad_() for x in program.inputs]
        values = self.results(program, leaves)
        return leaves, [values[i] for i in program.outputs], values
