"""Layers: functions of Variables that own the parameters which an optimizer updates.

::

    class Net(Model):
        def __init__(self) -> None:
            self.l1 = Linear(100)  # its weight is drawn at the first call, when the size of x is known
            self.l2 = Linear(10)

        def forward(self, x: Variable) -> Variable:
            return self.l2(F.relu(self.l1(x)))

Weights are drawn from NumPy's global random state, in the order and by the formulas of the book, and
are float32: under ``np.random.seed`` a program gets the same ones wherever it runs.
"""

from __future__ import annotations

import math
import operator
import os
import weakref
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar, cast, overload

import numpy as np
from numpy.typing import DTypeLike

import dezero.functions as F
from dezero import utils
from dezero.arrays import Shape, accumulator, as_array
from dezero.contract import Array
from dezero.core import operand
from dezero.graph import Operand, Parameter, Variable, has_data

Y = TypeVar("Y")
C = TypeVar("C", bound=int | None)
Y_co = TypeVar("Y_co", covariant=True)

Elements: TypeAlias = np.dtype[np.generic] | type[np.floating[Any]]
"""An element type, or floating ones of any width."""

Lengths: TypeAlias = tuple[int | str | None, ...]
"""A shape of which some lengths are not known yet; one with a name is the same all over a layer."""


class _Gives(Protocol[Y_co]):
    """Something whose `forward` returns a Y: so a call is known to give what `forward` gives."""

    @property
    def forward(self) -> Callable[..., Y_co]: ...


class _Place(NamedTuple):
    """A parameter, and where it is: an attribute of a layer."""

    layer: Layer
    name: str
    parameter: Parameter


class Layer:
    """A function with parameters: derive from it, and define ``forward``.

    Parameters and layers are registered by being attributes: in the order of their first assignment,
    for as long as they are. A list of layers is none; see `dezero.models.Sequential`.

    Attributes:
        inputs: Weak references to the Variables of the last call.
        outputs: The same to what it gave. In a layer that was called by another, these live as long as
            the other's output; so, where ``y = model(x)``, ``model.conv5_3.outputs[0]().grad`` is there
            after ``backward(retain_grad=True)``. (Where nothing is recorded, under `no_grad`, only what
            somebody holds lives.)
    """

    inputs: list[weakref.ref[Variable]]
    outputs: list[weakref.ref[Variable]]

    # Any parameters may override Any: so a subclass takes what it needs.
    def forward(self, *inputs: Any, **settings: Any) -> Variable | tuple[Variable, ...]:
        """The output, or a tuple of outputs, from Variables."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    @overload
    def __call__(self: _Gives[tuple[Variable]], *inputs: Operand, **settings: object) -> Variable: ...
    @overload
    def __call__(self: _Gives[Y], *inputs: Operand, **settings: object) -> Y: ...
    def __call__(self: object, *inputs: Operand, **settings: object) -> object:
        """What ``forward`` gives: a Variable, or a tuple of several.

        Args:
            inputs: Variables, or constants, of which `forward` gets Variables, too.
            settings: Passed on to ``forward`` as they are.

        Raises:
            TypeError: An input is no operand, or ``forward`` returned something else.
        """
        assert isinstance(self, Layer)
        xs = [operand(type(self).__name__, f"input {i}", x) for i, x in enumerate(inputs)]
        inner: list[Variable] = []
        token = _given_within.set(inner)
        try:
            given: object = self.forward(*xs, **settings)
        finally:
            _given_within.reset(token)
        # A tuple, or something that is no tuple: whatever it holds is looked at below.
        ys = cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,)
        outputs = [y for y in ys if isinstance(y, Variable)]
        if len(outputs) < max(len(ys), 1):
            wrong = next((type(y).__name__ for y in ys if not isinstance(y, Variable)), "()")
            raise TypeError(
                f"{type(self).__name__}.forward returned {wrong}; "
                "expected a Variable, or a tuple of Variables"
            )
        self.inputs = [weakref.ref(x) for x in xs]
        self.outputs = [weakref.ref(y) for y in outputs]
        _keep(inner, outputs)
        return outputs[0] if len(outputs) == 1 else given

    @property
    def _params(self) -> dict[str, Parameter | Layer]:
        """What is registered, by name."""
        return {name: x for name, x in vars(self).items() if isinstance(x, (Parameter, Layer))}

    def _places(self) -> dict[str, _Place]:
        """Where the parameters are, by keys such as ``l0/W``; each once, at its first name."""
        places: dict[str, _Place] = {}
        seen: set[int] = set()
        waiting: list[tuple[str, Layer, str, Parameter | Layer]] = [("", self, "", self)]
        while waiting:
            key, layer, name, x = waiting.pop()
            if id(x) in seen:
                continue
            seen.add(id(x))
            if isinstance(x, Parameter):
                places[key] = _Place(layer, name, x)
            else:
                below = list(x._params.items())
                waiting += [(f"{key}/{n}" if key else n, x, n, y) for n, y in reversed(below)]
        return places

    def params(self) -> Iterator[Parameter]:
        """The parameters of this layer and of those in it, in the order of registration, each once."""
        seen: set[Parameter | Layer] = set()
        waiting: list[Parameter | Layer] = [self]
        while waiting:
            x = waiting.pop()
            if x in seen:
                continue
            seen.add(x)
            if isinstance(x, Parameter):
                yield x
            else:
                waiting += reversed([y for y in vars(x).values() if isinstance(y, (Parameter, Layer))])

    def cleargrads(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.params():
            parameter.cleargrad()

    def to_cpu(self) -> None:
        """Does nothing: parameters are NumPy's arrays."""

    def to_gpu(self) -> NoReturn:
        """Raises RuntimeError: dezero computes with NumPy alone."""
        raise RuntimeError(
            f"{type(self).__name__}: dezero computes with NumPy alone, so parameters cannot be "
            "on a GPU; call to_gpu() only if dezero.cuda.gpu_enable"
        )

    def _expected(self, name: str) -> tuple[Lengths | None, Elements | None]:
        """The shape and the element type that a parameter without data will have; None for not known.

        Args:
            name: The name of the parameter in this very layer.
        """
        return None, None

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters to an ``.npz`` file, by keys such as ``l0/W``.

        Args:
            path: The file, by whatever name; it is there whole, or as it was before.

        Raises:
            ValueError: A parameter has no data yet; nothing is written.
            OSError: The file cannot be written.
        """
        places = self._places()
        without = [key for key, place in places.items() if not has_data(place.parameter)]
        if without:
            raise ValueError(
                f"{type(self).__name__}.save_weights: {', '.join(without)}: no data yet; "
                "they get it from the call that first needs them"
            )
        from dezero import archives  # here, so that `import dezero` need not wait for it

        archives.write_arrays(path, {key: place.parameter.data for key, place in places.items()})

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read all parameters from a file that `save_weights` wrote.

        A parameter that has no data yet takes the shape that the file has, if its layer can.

        Raises:
            ValueError: The file does not fit, or is no ``.npz``. The message lists every parameter that
                is missing, or not expected, or of another shape or element type; none has changed.
            OSError: The file cannot be read.
        """
        from dezero import archives

        who = f"{type(self).__name__}.load_weights"
        places = self._places()
        named: defaultdict[int, dict[str, int]] = defaultdict(dict)  # lengths, by the id of a layer

        def difference(key: str, shape: Shape, dtype: np.dtype[np.generic]) -> str:
            if key not in places:
                return "not expected"
            layer, name, p = places[key]
            expected = (p.shape, p.dtype) if has_data(p) else layer._expected(name)
            return _difference(shape, dtype, *expected, named[id(layer)])

        arrays, wrong = archives.read_arrays(who, path, difference)
        for key in places:
            if key not in arrays:
                wrong.setdefault(key, "missing in the file")
        if wrong:
            lines = [f"\n  {key}: {wrong[key]}" for key in {**places, **wrong} if key in wrong]
            raise ValueError(f"{who}: {os.fspath(path)} does not fit:{''.join(lines)}")
        for key, place in places.items():
            place.parameter.data = arrays[key]

    def __getstate__(self) -> dict[str, object]:
        """What is pickled and copied: all but what the last call left, which is weak."""
        return {name: x for name, x in vars(self).items() if name not in ("inputs", "outputs")}


_given_within: ContextVar[list[Variable] | None] = ContextVar("_given_within", default=None)
"""What the layers that the present layer has called have given."""

_kept: weakref.WeakKeyDictionary[Variable, list[Variable]] = weakref.WeakKeyDictionary()
"""By a layer's output: the Variables in the graph behind it that shall live as long as it does.

They could not hold it in turn, or it would live for ever. A graph holds Nodes and no Variables, so a
Variable holds others through its `grad`, which no layer has given, or here, where those are older.
"""


def _keep(inner: list[Variable], outputs: list[Variable]) -> None:
    """Let what inner layers gave live as long as the outputs of the layer that called them."""
    for y in outputs:
        older = [x for x in inner if x.generation < y.generation]
        if older:
            _kept.setdefault(y, []).extend(older)
    enclosing = _given_within.get()
    if enclosing is not None:
        enclosing += outputs


def _difference(
    shape: Shape,
    dtype: np.dtype[np.generic],
    lengths: Lengths | None,
    elements: Elements | None,
    named: dict[str, int],
) -> str:
    """In what an array is not as expected; empty if it is. It may say how long what has a name is."""
    differences: list[str] = []
    if lengths is not None and not _fits(shape, lengths, named):
        known = [named.get(n) if isinstance(n, str) else n for n in lengths]
        text = ", ".join("any" if n is None else str(n) for n in known)
        differences.append(f"shape {shape}, expected ({text}{',' * (len(lengths) == 1)})")
    if elements is np.floating:
        if dtype.kind != "f":
            differences.append(f"elements of {dtype}, expected floating ones")
    elif elements is not None and dtype != elements:
        differences.append(f"elements of {dtype}, expected {elements}")
    return "; ".join(differences)


def _fits(shape: Shape, lengths: Lengths, named: dict[str, int]) -> bool:
    return len(shape) == len(lengths) and all(
        n is None or m == (named.setdefault(n, m) if isinstance(n, str) else n)
        for m, n in zip(shape, lengths, strict=True)
    )


def _size(who: Layer, name: str, n: int) -> int:
    """``n``, if it is a length that an axis can have."""
    try:
        size = operator.index(n)
    except TypeError:
        size = 0
    if size < 1:
        raise ValueError(f"{type(who).__name__}: {name} is {n!r}; expected a positive integer")
    return size


def _floating(who: Layer, dtype: DTypeLike) -> np.dtype[np.generic]:
    given: np.dtype[np.generic] = np.dtype(dtype)
    if given.kind != "f":
        raise TypeError(f"{type(who).__name__}: dtype is {given}; expected a floating one")
    return given


def _fitting(who: Layer, x: Variable, axis: int, size: int | None, form: str, ndim: int = 0) -> int:
    """The length of an axis of ``x``, if it is ``size``, or anything but 0 if that is not known.

    Args:
        who: Which layer asks.
        x: Its input.
        axis: Which axis.
        size: How long it must be.
        form: The expected shape in words, with ``{}`` for the length.
        ndim: How many axes x must have; 0 for any number.
    """
    there = -x.ndim <= axis < x.ndim and ndim in (0, x.ndim)
    length = x.shape[axis] if there else 0
    if length == 0 or size not in (None, length):
        expected = form.format("at least 1" if size is None else size)
        raise ValueError(f"{type(who).__name__}: x has shape {x.shape}; expected {expected}")
    return length


def _drawn(xp: ModuleType, shape: Shape, fan_in: int, dtype: np.dtype[np.generic]) -> Array:
    """Independent normal numbers of variance 1 / fan_in.

    Source: Y. LeCun et al., "Efficient BackProp", 1998.
    """
    # A Python float is weak: a float64 of NumPy would make float64 of all.
    return as_array(xp.random.randn(*shape).astype(dtype) * math.sqrt(1 / fan_in))


# --------------------------------------------------------------------------- Linear and convolutions


class Linear(Layer):
    """x W + b, for x of shape (…, I).

    Args:
        out_size: O.
        nobias: Leave b out.
        dtype: The element type of W and b.
        in_size: I; if it is None, the first call says.

    Attributes:
        W: Of shape (I, O), drawn from N(0, 1 / I).
        b: Of shape (O,), zeros; None if there is none.

    Raises:
        ValueError: A size is not positive; in a call, x is not of the size that W is for.
        TypeError: ``dtype`` is not floating.
    """

    def __init__(
        self,
        out_size: int,
        nobias: bool = False,
        dtype: DTypeLike = np.float32,
        in_size: int | None = None,
    ) -> None:
        self.in_size: int | None = None if in_size is None else _size(self, "in_size", in_size)
        self.out_size: int = _size(self, "out_size", out_size)
        self.dtype: np.dtype[np.generic] = _floating(self, dtype)
        self.W: Parameter = Parameter(None, name="W")
        if self.in_size is not None:
            self._init_W()
        self.b: Parameter | None = None if nobias else Parameter(np.zeros(out_size, self.dtype), "b")

    def _init_W(self, xp: ModuleType = np) -> None:
        size = _known(self, "in_size", self.in_size)
        self.W.data = _drawn(xp, (size, self.out_size), size, self.dtype)

    def _expected(self, name: str) -> tuple[Lengths | None, Elements | None]:
        return (self.in_size, self.out_size), self.dtype

    def forward(self, x: Variable) -> Variable:
        made = has_data(self.W)
        size = self.W.shape[0] if made else self.in_size
        self.in_size = _fitting(self, x, -1, size, "(…, {})")
        if not made:
            self._init_W()
        return F.linear(x, self.W, self.b)


def _known(who: Layer, name: str, size: int | None) -> int:
    if size is None:
        raise RuntimeError(f"{type(who).__name__}: {name} is not known yet; give it, or call the layer")
    return size


class _Convolution(Layer, ABC):
    """What Conv2d and Deconv2d share."""

    _in_axis: ClassVar[int] = 1  # of W: 0 or 1, along which the channels of x are

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        pad: int | tuple[int, int] = 0,
        nobias: bool = False,
        dtype: DTypeLike = np.float32,
        in_channels: int | None = None,
    ) -> None:
        self.in_channels: int | None = None
        if in_channels is not None:
            self.in_channels = _size(self, "in_channels", in_channels)
        self.out_channels: int = _size(self, "out_channels", out_channels)
        self.kernel_size: int | tuple[int, int] = kernel_size
        self.stride: int | tuple[int, int] = stride
        self.pad: int | tuple[int, int] = pad
        self.dtype: np.dtype[np.generic] = _floating(self, dtype)
        for length in utils.pair(kernel_size):
            _size(self, "kernel_size", length)
        self.W: Parameter = Parameter(None, name="W")
        if self.in_channels is not None:
            self._init_W()
        self.b: Parameter | None = None
        if not nobias:
            self.b = Parameter(np.zeros(out_channels, self.dtype), name="b")

    def _shape(self, channels: C) -> tuple[C | int, ...]:
        if self._in_axis == 0:
            return channels, self.out_channels, *utils.pair(self.kernel_size)
        return self.out_channels, channels, *utils.pair(self.kernel_size)

    def _init_W(self, xp: ModuleType = np) -> None:
        channels = _known(self, "in_channels", self.in_channels)
        shape = self._shape(channels)
        self.W.data = _drawn(xp, shape, channels * math.prod(shape[2:]), self.dtype)

    def _expected(self, name: str) -> tuple[Lengths | None, Elements | None]:
        return self._shape(self.in_channels), self.dtype

    @abstractmethod
    def _convolve(self, x: Operand, W: Operand) -> Variable:
        """What the layer computes, with some W."""

    def forward(self, x: Variable) -> Variable:
        made = has_data(self.W)
        channels = self.W.shape[self._in_axis] if made else self.in_channels
        channels = _fitting(self, x, 1, channels, "(N, {}, H, W)", ndim=4)
        if not made:
            # Tried without images first: a call that fails shall not settle how many channels come.
            self._convolve(x.data[:0], np.zeros(self._shape(channels), self.dtype))
        self.in_channels = channels
        if not made:
            self._init_W()
        return self._convolve(x, self.W)


class Conv2d(_Convolution):
    """The cross-correlation of images (N, C, H, W) with W, plus b for each channel.

    Args:
        out_channels: OC.
        kernel_size: KH and KW, or one number for both.
        stride: How far the kernel moves, down and right, or one number for both.
        pad: How many zeros are put around, above and left, or one number for both.
        nobias: Leave b out.
        dtype: The element type of W and b.
        in_channels: C; if it is None, the first call says.

    Attributes:
        W: Of shape (OC, C, KH, KW), drawn from N(0, 1 / (C · KH · KW)).
        b: Of shape (OC,), zeros; None if there is none.

    Raises:
        ValueError: A size is not positive; in a call, x has not the channels that W is for.
        TypeError: ``dtype`` is not floating.
    """

    def _convolve(self, x: Operand, W: Operand) -> Variable:
        return F.conv2d(x, W, self.b, self.stride, self.pad)


class Deconv2d(_Convolution):
    """The adjoint of a cross-correlation with W, of images (N, C, H, W), plus b for each channel.

    Args: As for `Conv2d`; the padding is taken off.

    Attributes:
        W: Of shape (C, OC, KH, KW), drawn from N(0, 1 / (C · KH · KW)).
        b: Of shape (OC,), zeros; None if there is none.

    Raises:
        ValueError, TypeError: As `Conv2d`.
    """

    _in_axis = 0

    def _convolve(self, x: Operand, W: Operand) -> Variable:
        return F.deconv2d(x, W, self.b, self.stride, self.pad)


# ----------------------------------------------------------------------------------------- Recurrent


def _check_batch(who: Layer, x: Variable, h: Variable | None) -> None:
    if h is not None and x.shape[:-1] != h.shape[:-1]:
        raise ValueError(
            f"{type(who).__name__}: x has shape {x.shape}, and the state is of another "
            f"batch, of shape {h.shape}; call reset_state() before a new sequence"
        )


class RNN(Layer):
    """A step of a recurrent network: h ← tanh(x W_x + b + h W_h), the h before being none at first.

    The states hold the graph of all steps; ``h.unchain_backward()`` on the loss lets go of it.

    Args:
        hidden_size: H.
        in_size: The size of x, of shape (N, I); if it is None, the first call says.

    Attributes:
        x2h: The `Linear` layer of x.
        h2h: That of h, without b; if ``in_size`` is None, its weight is drawn at the second step.
        h: The state, of shape (N, H); None before the first step.

    Raises:
        ValueError: A size is not positive; in a call, x has another size, or the state is of another
            batch.
    """

    def __init__(self, hidden_size: int, in_size: int | None = None) -> None:
        self.x2h: Linear = Linear(hidden_size, in_size=in_size)
        # Drawn when the book draws it, lest a seed give other weights to the layers that follow.
        self.h2h: Linear = Linear(
            hidden_size, nobias=True, in_size=None if in_size is None else hidden_size
        )
        self.h: Variable | None = None

    def reset_state(self) -> None:
        """Forget the state: the next step is the first of a sequence."""
        self.h = None

    def forward(self, x: Variable) -> Variable:
        _check_batch(self, x, self.h)
        a = self.x2h(x)
        self.h = F.tanh(a if self.h is None else a + self.h2h(self.h))
        return self.h


class LSTM(Layer):
    """A step of a long short-term memory::

        f, i, o = sigmoid(x W + b + h U), each with its own W, b and U;  u = tanh(x W + b + h U)
        c ← f · c + i · u
        h ← o · tanh(c)

    At the first step there is no h, and no c.

    Args:
        hidden_size: H.
        in_size: The size of x, of shape (N, I); if it is None, the first call says.

    Attributes:
        x2f, x2i, x2o, x2u: The `Linear` layers of x.
        h2f, h2i, h2o, h2u: Those of h, without b.
        h, c: The state, both of shape (N, H); None before the first step.

    Raises:
        ValueError: A size is not positive; in a call, x has another size, or the state is of another
            batch.

    Source: S. Hochreiter and J. Schmidhuber, 1997; F. Gers et al. (the forget gate), 2000.
    """

    def __init__(self, hidden_size: int, in_size: int | None = None) -> None:
        self.x2f: Linear = Linear(hidden_size, in_size=in_size)
        self.x2i: Linear = Linear(hidden_size, in_size=in_size)
        self.x2o: Linear = Linear(hidden_size, in_size=in_size)
        self.x2u: Linear = Linear(hidden_size, in_size=in_size)
        self.h2f: Linear = Linear(hidden_size, in_size=hidden_size, nobias=True)
        self.h2i: Linear = Linear(hidden_size, in_size=hidden_size, nobias=True)
        self.h2o: Linear = Linear(hidden_size, in_size=hidden_size, nobias=True)
        self.h2u: Linear = Linear(hidden_size, in_size=hidden_size, nobias=True)
        self.h: Variable | None = None
        self.c: Variable | None = None

    def reset_state(self) -> None:
        """Forget the state: the next step is the first of a sequence."""
        self.h = None
        self.c = None

    def forward(self, x: Variable) -> Variable:
        _check_batch(self, x, self.h)

        def gate(x2g: Linear, h2g: Linear) -> Variable:
            a = x2g(x)
            return a if self.h is None else a + h2g(self.h)

        f, i = gate(self.x2f, self.h2f), gate(self.x2i, self.h2i)
        o, u = gate(self.x2o, self.h2o), gate(self.x2u, self.h2u)
        if self.c is None:
            self.c = F.sigmoid(i) * F.tanh(u)
            self.h = F.sigmoid(o) * F.tanh(self.c)
        else:
            self.h, self.c = F.lstm_cell(f, i, o, u, self.c)
        return self.h


# --------------------------------------------------------------------------- Embedding, normalisation


class EmbedID(Layer):
    """The rows of W that integers name: of shape (…, D) for integers of shape (…).

    Args:
        in_size: V, how many there are.
        out_size: D.
        dtype: The element type of W.

    Attributes:
        W: Of shape (V, D), drawn from N(0, 1).

    Raises:
        ValueError: A size is not positive.
        TypeError: ``dtype`` is not floating; in a call, x holds no integers.
        IndexError: In a call, an integer names no row.
    """

    def __init__(self, in_size: int, out_size: int, dtype: DTypeLike = np.float32) -> None:
        shape = (
            _size(self, "in_size", in_size),
            _size(self, "out_size", out_size),
        )
        self.W: Parameter = Parameter(_drawn(np, shape, 1, _floating(self, dtype)), name="W")

    def forward(self, x: Variable) -> Variable:
        return F.embed_id(x, self.W)


class BatchNorm(Layer):
    """Each channel of a batch (N, C, …), shifted and scaled by what the batch or the past tells.

    In training by the mean and the variance of the batch, which also go into the running ones; under
    `test_mode` by the running ones, which stay. See `dezero.functions.batch_norm`.

    The first call says what C is, and makes the parameters in the element type of x, which for integers
    is that of their sum with float32; the running statistics at least in float32, for the variance of
    float16 may lie beyond it.

    Attributes:
        gamma, beta: Of shape (C,), ones and zeros.
        avg_mean, avg_var: The running statistics, of shape (C,), zeros and ones. They are Parameters
            so that they are saved with the others; they never have a gradient, so no optimizer
            changes them.

    Raises:
        ValueError: x has fewer than two axes, or other channels than the parameters.
    """

    def __init__(self) -> None:
        self.avg_mean: Parameter = Parameter(None, name="avg_mean")
        self.avg_var: Parameter = Parameter(None, name="avg_var")
        self.gamma: Parameter = Parameter(None, name="gamma")
        self.beta: Parameter = Parameter(None, name="beta")

    def _expected(self, name: str) -> tuple[Lengths | None, Elements | None]:
        return ("C",), np.floating

    def forward(self, x: Variable) -> Variable:
        made = has_data(self.avg_mean)
        size = _fitting(self, x, 1, self.avg_mean.size if made else None, "(N, {}, …)")
        if not made:
            # (An integer can hold no mean.)
            dtype = x.dtype if x.dtype.kind == "f" else np.result_type(x.dtype, np.float32)
            self.avg_mean.data = np.zeros(size, dtype)
            self.avg_var.data = np.ones(size, dtype)
            self.gamma.data = np.ones(size, dtype)
            self.beta.data = np.zeros(size, dtype)
        for statistic in (self.avg_mean, self.avg_var):  # of a file, too
            if statistic.dtype != accumulator(statistic.dtype):
                statistic.data = statistic.data.astype(accumulator(statistic.dtype))
        return F.batch_norm(x, self.gamma, self.beta, self.avg_mean.data, self.avg_var.data)


class LayerNorm(Layer):
    """Each row of x, of shape (…, D), shifted and scaled to the mean beta and the deviation gamma.

    Args:
        size: D; if it is None, the first call says.
        eps: Added to the variance.
        dtype: The element type of gamma and beta.

    Attributes:
        gamma, beta: Of shape (D,), ones and zeros.

    Raises:
        ValueError: ``size`` is not positive; in a call, x has another size.
        TypeError: ``dtype`` is not floating.
    """

    def __init__(
        self, size: int | None = None, eps: float = 1e-5, dtype: DTypeLike = np.float32
    ) -> None:
        self.eps: float = eps
        self.dtype: np.dtype[np.generic] = _floating(self, dtype)
        self.gamma: Parameter = Parameter(None, name="gamma")
        self.beta: Parameter = Parameter(None, name="beta")
        if size is not None:
            self._init_params(_size(self, "size", size))

    def _init_params(self, size: int) -> None:
        self.gamma.data = np.ones(size, self.dtype)
        self.beta.data = np.zeros(size, self.dtype)

    def _expected(self, name: str) -> tuple[Lengths | None, Elements | None]:
        return ("D",), self.dtype

    def forward(self, x: Variable) -> Variable:
        made = has_data(self.gamma)
        size = _fitting(self, x, -1, self.gamma.size if made else None, "(…, {})")
        if not made:
            self._init_params(size)
        return F.layer_norm(x, self.gamma, self.beta, self.eps)
