"""Optimizers: from the gradients of parameters, their next values.

::

    optimizer = Adam(alpha=0.001).setup(model)
    optimizer.add_hook(ClipGrad(5.0))
    for x, t in loader:
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()

An update writes into the parameters' arrays: the Parameter, its array and its element type stay, and no
graph is recorded. (A graph that was recorded before may read the new values: pull back before.) In the
formulas g is the gradient, x the parameter, and products, quotients and roots go element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol, Self, TypeAlias, cast
from weakref import WeakKeyDictionary

import numpy as np

from dezero.arrays import as_array, number
from dezero.contract import Array
from dezero.graph import Parameter, Variable

_BLOCK = 16384
"""The elements of a block: in float32, with the temporaries of a formula, less than a megabyte."""

Formula: TypeAlias = Callable[..., tuple[Array, ...]]
"""Of the gradient and of each array of state: gives the step, then the new states, all of one shape."""


class HasParams(Protocol):
    """What can be optimized or frozen: a Layer, a Model, or anything else that lists its parameters."""

    def params(self) -> Iterable[Parameter]:
        """The parameters. One that comes twice counts once."""
        ...


Hook: TypeAlias = Callable[[list[Parameter]], object]
"""What runs before each update, on the parameters that have a gradient. What it returns is ignored."""


class Optimizer:
    """What the optimizers share. Derive from it, and define `update_one`, to write your own.

    Attributes:
        target: Whose parameters are updated; None before `setup`.
        hooks: What runs before each update, in this order.
        states: What the method remembers of a parameter, for as long as the parameter lives: arrays
            of its shape, and of its element type or float32, whichever is the wider.
    """

    def __init__(self) -> None:
        self.target: HasParams | None = None
        self.hooks: list[Hook] = []
        # By weak keys, not by id(): the id of a parameter that died may be another one's next.
        self.states: WeakKeyDictionary[Parameter, tuple[Array, ...]] = WeakKeyDictionary()

    def setup(self, target: HasParams) -> Self:
        """Choose whose parameters are updated, and return the optimizer.

        Raises:
            TypeError: ``target`` has no method ``params()``.
        """
        self.target = _with_params(target, f"{type(self).__name__}.setup")
        return self

    def add_hook(self, f: Hook) -> None:
        """Let ``f`` run before each update, after the hooks that are there already.

        Raises:
            TypeError: It cannot be called.
        """
        if not callable(f):
            raise TypeError(
                f"{type(self).__name__}.add_hook: f is of type {type(f).__name__}; "
                "expected a function of the parameters, such as ClipGrad(5.0)"
            )
        self.hooks.append(f)

    def update(self) -> None:
        """Run the hooks, then update every parameter of the target that has a gradient.

        All gradients are checked before the hooks run, and after each: if an error below is raised,
        no parameter has changed, and if a gradient was wrong from the start, no gradient either.

        Raises:
            RuntimeError: There was no `setup`.
            TypeError: The elements of a parameter are not floating, or those of a gradient not real; or
                a gradient is no Variable.
            ValueError: A gradient is not of its parameter's shape; or a parameter is read-only, or has
                a gradient but no data.
        """
        for param in self._ready():
            self.update_one(param)

    def update_one(self, param: Parameter) -> None:
        """Update one parameter by its gradient, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no update_one")

    def _ready(self) -> list[Parameter]:
        """The parameters that shall be updated, once the hooks have run."""
        if self.target is None:
            raise RuntimeError(
                f"{type(self).__name__}.update: there is no target; call setup(model) first"
            )
        params = self._with_gradient(dict.fromkeys(self.target.params()))
        for hook in self.hooks:
            hook(params)
            params = self._with_gradient(params)
        return params

    def _with_gradient(self, params: Iterable[Parameter]) -> list[Parameter]:
        found = [param for param in params if param.grad is not None]
        for param in found:
            _checked_gradient(param, type(self).__name__)
        return found

    def _move(self, param: Parameter, formula: Formula, count: int = 0) -> None:
        """Move the parameter by a formula with ``count`` arrays of state, in place.

        The formula goes over blocks that fit into the processor's cache, where they can be had by
        slicing: then what it allocates on the way stays there. (It halves the time of a step of Adam:
        see docs/decisions.md.) The state is zero at first, and after a change of shape, and in float32
        at least: the squares and the eps of a method leave the range of float16.
        """
        g = _checked_gradient(param, type(self).__name__).astype(_working(param), copy=False)
        state = self.states.get(param, ())
        if len(state) != count or any(s.shape != g.shape for s in state):
            state = tuple([np.zeros_like(g) for _ in range(count)])
        elif any(s.dtype != g.dtype for s in state):
            state = tuple([s.astype(g.dtype) for s in state])
        if state:
            self.states[param] = state
        arrays = (param.data, g, *state)
        if all(x.flags.c_contiguous for x in arrays):
            arrays = tuple([x.reshape(-1) for x in arrays])
            blocks = [slice(i, i + _BLOCK) for i in range(0, param.data.size, _BLOCK)]
        else:
            blocks = [slice(None)]  # of the first axis: all
        for block in blocks:
            data, *given = [x[block] for x in arrays]
            step, *new = formula(*given)
            data += step
            for old, s in zip(given[1:], new, strict=True):
                old[...] = s

    def __getstate__(self) -> dict[str, object]:
        """What is pickled and copied: weak keys cannot be, so the states go with their parameters."""
        return {**self.__dict__, "states": list(self.states.items())}

    def __setstate__(self, state: dict[str, object]) -> None:
        # What __getstate__ gave.
        pairs = cast("list[tuple[Parameter, tuple[Array, ...]]]", state["states"])
        self.__dict__.update(state, states=WeakKeyDictionary(dict(pairs)))


def _with_params(target: HasParams, who: str) -> HasParams:
    if isinstance(target, type) or not callable(getattr(target, "params", None)):
        what = f"the class {target.__name__}" if isinstance(target, type) else type(target).__name__
        raise TypeError(f"{who}: {what} has no params(); expected a Layer, a Model or the like")
    return target


def _checked_gradient(param: Parameter, who: str) -> Array:
    """The value of the gradient, if the parameter can be updated by it."""
    what = f"{who}: the parameter {param.name}" if param.name else f"{who}: a parameter"
    if param.grad is None:
        raise ValueError(f"{what} has no gradient; expected one, as backward() leaves it")
    # The casts tell the truth: anything can be assigned, and data that were taken read None.
    if not isinstance(cast(object, param.grad), Variable):
        kind = type(param.grad).__name__
        raise TypeError(f"{what} has a gradient of type {kind}; expected a Variable")
    if cast(object, param.data) is None:
        raise ValueError(f"{what} has a gradient, but no data")
    data, g = as_array(param.data), as_array(param.grad.data)
    if data.dtype.kind != "f":
        raise TypeError(f"{what} has elements of {data.dtype}; expected floating ones")
    if not data.flags.writeable:
        raise ValueError(f"{what} is read-only; expected an array that can be changed in place")
    if g.shape != data.shape:
        raise ValueError(f"{what} has a gradient of shape {g.shape}; expected its own, {data.shape}")
    if not np.can_cast(g.dtype, data.dtype, "same_kind"):
        raise TypeError(f"{what} has a gradient of {g.dtype}; expected real numbers")
    return g


def _working(param: Parameter) -> np.dtype[np.generic]:
    """The element type in which a method computes."""
    return np.result_type(param.dtype, np.float32)


def _number(
    who: object, name: str, given: float, holds: Callable[[float], bool], expected: str
) -> float:
    """``given``, if it is a number of which something holds."""
    value = number(type(who).__name__, name, given)
    if not holds(value):
        raise ValueError(f"{type(who).__name__}: {name} is {value}; expected {expected}")
    return value


def _not_negative(x: float) -> bool:
    return 0 <= x < math.inf


def _positive(x: float) -> bool:
    return 0 < x < math.inf


def _part(x: float) -> bool:
    return 0 <= x < 1


# ---------------------------------------------------------------------------------------------- Hooks


class WeightDecay:
    """A hook: g ← g + rate · x, the gradient of the loss with the penalty ½ rate · Σ x² added.

    Krogh and Hertz, "A simple weight decay can improve generalization", NIPS 1991. The decay goes
    through the method like any gradient; it is not the decoupled one of AdamW.

    Args:
        rate: How strong it is.

    Raises:
        ValueError: ``rate`` is negative or not finite.
    """

    def __init__(self, rate: float) -> None:
        self.rate: float = _number(self, "rate", rate, _not_negative, "0 ≤ rate < ∞")

    def __call__(self, params: list[Parameter]) -> None:
        """Replace each gradient that there is by a new one."""
        for param, g in _gradients(params):
            _set_gradient(param, g + self.rate * param.data)


class ClipGrad:
    """A hook: g ← min(1, rate) · g with rate = max_norm / (‖g‖ + 1e-6), and g all gradients in one.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013;
    with the 1e-6 of the book. Where all are zero they stay so. If the norm is not finite, because a
    gradient has a NaN or an infinity, there is no direction to keep: the gradients stay as they are.
    The squares are summed in float64, and do not overflow.

    Args:
        max_norm: The largest Euclidean norm; infinity for no limit.

    Raises:
        ValueError: ``max_norm`` is negative or not a number.
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm: float = _number(self, "max_norm", max_norm, lambda x: x >= 0, "max_norm ≥ 0")

    def __call__(self, params: list[Parameter]) -> None:
        """If the norm is too large, replace each gradient that there is by a new one."""
        gradients = list(_gradients(params))
        norm = math.hypot(*(_norm(g) for _, g in gradients))
        rate = self.max_norm / (norm + 1e-6)
        if rate < 1 and norm < math.inf:
            for param, g in gradients:
                # In float64: in float32 a small rate would be zero, and what it gives need not be.
                _set_gradient(param, g * np.float64(rate))


class FreezeParam:
    """A hook: the parameters of some layers keep their values; their gradients are cleared.

    Which parameters a layer has is asked anew before each update, so that those count, too, which it
    makes at its first call.

    Args:
        layers: Layers, or anything with ``params()``, and Parameters.

    Raises:
        TypeError: One is neither.
    """

    def __init__(self, *layers: HasParams | Parameter) -> None:
        self.layers: list[HasParams | Parameter] = [
            layer if isinstance(layer, Parameter) else _with_params(layer, "FreezeParam")
            for layer in layers
        ]

    def __call__(self, params: list[Parameter]) -> None:
        """Clear the gradients of those of ``params`` that are frozen."""
        frozen: set[Parameter] = set()
        for layer in self.layers:
            frozen.update([layer] if isinstance(layer, Parameter) else layer.params())
        for param in params:
            if param in frozen:
                param.cleargrad()


def _gradients(params: Iterable[Parameter]) -> Iterable[tuple[Parameter, Array]]:
    return ((param, param.grad.data) for param in params if param.grad is not None)


def _set_gradient(param: Parameter, g: Array) -> None:
    # A new Variable: the old one may have a graph, or may have been given to another parameter, too.
    param.grad = Variable(np.asarray(g, param.dtype))


def _norm(g: Array) -> float:
    """The Euclidean norm, of the elements divided by the largest lest their squares leave the range."""
    elements = g.astype(np.result_type(g.dtype, np.float64)).ravel()
    largest = np.max(np.abs(elements), initial=0.0)
    if largest == 0 or not np.isfinite(largest):
        return float(largest)
    return float(largest) * math.sqrt(float(np.sum(np.square(elements / largest))))


# ---------------------------------------------------------------------------------------- Optimizers


class SGD(Optimizer):
    """Stochastic gradient descent: x ← x - lr · g.

    Robbins and Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22 (1951).

    Args:
        lr: The learning rate.

    Raises:
        ValueError: ``lr`` is negative or not finite.
    """

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__()
        self.lr: float = _number(self, "lr", lr, _not_negative, "0 ≤ lr < ∞")

    def update_one(self, param: Parameter) -> None:
        def formula(g: Array) -> tuple[Array, ...]:
            return (-self.lr * g,)

        self._move(param, formula)


class MomentumSGD(Optimizer):
    """The heavy ball: v ← momentum · v - lr · g, x ← x + v.

    Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
    Mathematics and Mathematical Physics 4 (1964). The learning rate is inside of v: if it changes, the
    steps that are under way keep theirs. (PyTorch has it outside, which is the same while it is
    constant.)

    Args:
        lr: The learning rate.
        momentum: The share of the last step that is kept.

    Raises:
        ValueError: ``lr`` is negative or not finite, or not 0 ≤ momentum < 1.
    """

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__()
        self.lr: float = _number(self, "lr", lr, _not_negative, "0 ≤ lr < ∞")
        self.momentum: float = _number(self, "momentum", momentum, _part, "0 ≤ momentum < 1")

    def update_one(self, param: Parameter) -> None:
        def formula(g: Array, v: Array) -> tuple[Array, ...]:
            v = self.momentum * v - self.lr * g
            return v, v

        self._move(param, formula, 1)


class AdaGrad(Optimizer):
    """Steps that shrink with the gradients so far: h ← h + g², x ← x - lr · g / (√h + eps).

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12 (2011), with a diagonal matrix; δ there is eps here.

    Args:
        lr: The learning rate.
        eps: What keeps the divisor from zero.

    Raises:
        ValueError: ``lr`` is negative or not finite, or ``eps`` not positive and finite.
    """

    def __init__(self, lr: float = 0.001, eps: float = 1e-8) -> None:
        super().__init__()
        self.lr: float = _number(self, "lr", lr, _not_negative, "0 ≤ lr < ∞")
        self.eps: float = _number(self, "eps", eps, _positive, "0 < eps < ∞")

    def update_one(self, param: Parameter) -> None:
        def formula(g: Array, h: Array) -> tuple[Array, ...]:
            h = h + g * g
            return -self.lr * g / (np.sqrt(h) + self.eps), h

        self._move(param, formula, 1)


class AdaDelta(Optimizer):
    """Steps in the units of x, with no learning rate.

    The mean square of the gradients is a ← rho · a + (1 - rho) · g²; the step is
    d = -√(b + eps) / √(a + eps) · g; the mean square of the steps is b ← rho · b + (1 - rho) · d²;
    then x ← x + d. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012),
    Algorithm 1.

    Args:
        rho: How slowly the mean squares forget.
        eps: What starts the steps, and keeps the divisor from zero.

    Raises:
        ValueError: Not 0 ≤ rho < 1, or ``eps`` not positive and finite.
    """

    def __init__(self, rho: float = 0.95, eps: float = 1e-6) -> None:
        super().__init__()
        self.rho: float = _number(self, "rho", rho, _part, "0 ≤ rho < 1")
        self.eps: float = _number(self, "eps", eps, _positive, "0 < eps < ∞")

    def update_one(self, param: Parameter) -> None:
        def formula(g: Array, a: Array, b: Array) -> tuple[Array, ...]:
            a = self.rho * a + (1 - self.rho) * g * g
            d = -np.sqrt((b + self.eps) / (a + self.eps)) * g
            return d, a, self.rho * b + (1 - self.rho) * d * d

        self._move(param, formula, 2)


class Adam(Optimizer):
    """Steps by running means of the gradient and of its square.

    m ← beta1 · m + (1 - beta1) · g, v ← beta2 · v + (1 - beta2) · g², x ← x - lr · m / (√v + eps),
    where lr = alpha · √(1 - beta2ᵗ) / (1 - beta1ᵗ) corrects the bias of means that start from zero.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980, in the form
    at the end of its Section 2, whose ε̂ is eps here. (Its Algorithm 1, and PyTorch, add ε to the
    corrected root: the same with eps = ε · √(1 - beta2ᵗ).) t counts the updates of the optimizer, not
    those of a parameter, which matters to one that had no gradient at some of them.

    Args:
        alpha: The step size.
        beta1: How slowly the mean of the gradients forgets.
        beta2: How slowly the mean of their squares forgets.
        eps: What keeps the divisor from zero.

    Attributes:
        t: The number of updates so far.

    Raises:
        ValueError: ``alpha`` is negative or not finite, a beta not in 0 ≤ beta < 1, or ``eps`` not
            positive and finite.
    """

    def __init__(
        self, alpha: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__()
        self.t: int = 0
        self.alpha: float = _number(self, "alpha", alpha, _not_negative, "0 ≤ alpha < ∞")
        self.beta1: float = _number(self, "beta1", beta1, _part, "0 ≤ beta1 < 1")
        self.beta2: float = _number(self, "beta2", beta2, _part, "0 ≤ beta2 < 1")
        self.eps: float = _number(self, "eps", eps, _positive, "0 < eps < ∞")

    @property
    def lr(self) -> float:
        """The learning rate of the last update; before the first, that of the first."""
        t = max(self.t, 1)
        return self.alpha * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)

    def update(self) -> None:
        params = self._ready()
        self.t += 1  # not before all is checked: an update that fails is none
        for param in params:
            self.update_one(param)

    def update_one(self, param: Parameter) -> None:
        lr = self.lr

        def formula(g: Array, m: Array, v: Array) -> tuple[Array, ...]:
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            return -lr * m / (np.sqrt(v) + self.eps), m, v

        self._move(param, formula, 2)
