"""That every operation keeps the contract it states, and that clearances are what they say."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import pytest

import dezero.functions as F
from dezero import Variable
from dezero.contract import (
    ABOVE_MINUS_ONE,
    AT_BOUNDS,
    AT_DELTA,
    AT_ZERO,
    AT_ZERO_BY_SLOPE,
    BASE_OF_CONSTANT_POWER,
    COSINE_NOT_ZERO,
    LARGEST_TIED,
    NONEMPTY,
    NONEMPTY_BATCH,
    NONZERO,
    NONZERO_DIVISOR,
    POSITIVE,
    POSITIVE_BASE,
    PROBABILITIES,
    REALS,
    SMALLEST_TIED,
    WHERE_EQUAL,
    WITHIN_ONE,
    Array,
    Attribute,
    Smoothness,
    interval,
)
from dezero.graph import ARRAYS, VARIABLES, Node, grad, stand_in
from dezero.operation import Composite, Operation

CLASSES: list[type[Operation | Composite]] = [
    cls
    for cls in vars(F).values()
    if isinstance(cls, type) and issubclass(cls, (Operation, Composite)) and hasattr(cls, "contract")
]
OPERATIONS = {cls.contract.name: cls for cls in CLASSES}
WITH_A_RULE = {name: cls for name, cls in OPERATIONS.items() if issubclass(cls, Operation)}
COMPOSITES = {name: cls for name, cls in OPERATIONS.items() if issubclass(cls, Composite)}

Example: TypeAlias = tuple[dict[str, Any], list[Array]]

X = np.array([[0.9, -0.4, 0.2], [0.3, 0.7, -0.8]])
Y = np.array([[0.5, 1.5, -0.6], [-1.1, 0.4, 2.0]])
P = np.array([[0.9, 0.4, 0.2], [0.3, 0.7, 0.8]])
IMAGES = np.random.default_rng(4).permutation(12).reshape(1, 2, 3, 2) / 8.0
KERNELS = np.random.default_rng(5).normal(size=(1, 2, 2, 1))
WINDOW: dict[str, Any] = {"kernel_size": 2, "stride": (1, 2), "pad": (0, 1)}
REDUCED: dict[str, Any] = {"axis": 1, "keepdims": True}


def _each(names: Sequence[str], example: Example) -> dict[str, Example]:
    return dict.fromkeys(names, example)


EXAMPLES: dict[str, Example] = {
    **_each(("add", "sub", "mul", "div", "maximum", "minimum"), ({}, [X, Y])),
    **_each(("neg", "abs", "identity", "square", "reciprocal", "exp", "expm1"), ({}, [X])),
    **_each(("sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan"), ({}, [X])),
    **_each(("arcsin", "arccos", "sigmoid", "softplus", "relu", "flatten"), ({}, [X])),
    **_each(("sqrt", "log", "log1p", "log2"), ({}, [P])),
    **_each(("sum", "mean", "max", "min", "var", "prod", "logsumexp"), (REDUCED, [X])),
    **_each(("softmax", "log_softmax", "cumsum", "flip"), ({"axis": 0}, [X])),
    **_each(("concatenate", "stack"), ({"axis": 1}, [X, Y])),
    "pow": ({"c": 3}, [X]),
    "power": ({}, [P, Y]),
    "reshape": ({"shape": (3, 2)}, [X]),
    "transpose": ({"axes": (1, 0)}, [X]),
    "broadcast_to": ({"shape": (4, 2, 3)}, [X]),
    "sum_to": ({"shape": (2, 1)}, [X]),
    "matmul": ({}, [X, Y.T]),
    "get_item": ({"slices": (slice(None), 1)}, [X]),
    "get_item_grad": ({"slices": (slice(None), [0, 0, 1]), "in_shape": (2, 4)}, [X]),
    "leaky_relu": ({"slope": 0.3}, [X]),
    "clip": ({"x_min": -0.5, "x_max": 0.5}, [X]),
    "where": ({"condition": X > 0}, [X, Y]),
    "astype": ({"dtype": np.dtype(np.float32)}, [X]),
    "swapaxes": ({"axis1": 0, "axis2": 1}, [X]),
    "expand_dims": ({"axis": 1}, [X]),
    "squeeze": ({"axis": 1}, [X[:, None]]),
    "split": ({"sections": 3, "axis": 1}, [X]),
    "pad": ({"pad_width": ((1, 0), (0, 2))}, [X]),
    "roll": ({"shift": 1, "axis": 0}, [X]),
    **_each(("silu", "gelu"), ({}, [X])),
    **_each(("mean_squared_error", "sigmoid_cross_entropy"), ({}, [X, Y])),
    "binary_cross_entropy": ({}, [P, Y]),
    "huber": ({"delta": 0.6}, [X, Y]),
    "softmax_cross_entropy": ({"t": np.array([2, 0])}, [X]),
    "linear": ({}, [X, Y.T, np.array([0.3, -0.7])]),
    "dropout": ({"mask": Y > 0, "dropout_ratio": 0.25}, [X]),
    "embed_id": ({"x": np.array([[1, 0], [1, 1]])}, [X]),
    "lstm_cell": ({}, [X, Y, P, X * Y, Y - X]),
    **_each(("batch_norm", "layer_norm"), ({"eps": 0.1}, [X, P[0], Y[1]])),
    "conv2d": ({"stride": 2, "pad": 1}, [IMAGES, KERNELS]),
    "deconv2d": (
        {"stride": (1, 2), "pad": (1, 0), "outsize": (2, 4)},
        [IMAGES, KERNELS.swapaxes(0, 1)],
    ),
    "conv2d_grad_w": ({"kernel_size": 2, "stride": (2, 1), "pad": (1, 0)}, [IMAGES, KERNELS]),
    "im2col": ({**WINDOW, "to_matrix": False}, [IMAGES]),
    "col2im": (
        {"input_shape": (1, 1, 3, 2), **WINDOW, "to_matrix": False},
        [np.resize(X, (1, 1, 2, 2, 2, 2))],
    ),
    **_each(("pooling", "average_pooling"), (WINDOW, [IMAGES])),
}


def applied(
    name: str, change: Callable[[Array], Array] = np.asarray
) -> tuple[Operation, list[Variable], list[Array]]:
    """A recorded application of the operation, its operands, and the cotangents for its outputs."""
    attributes, given = EXAMPLES[name]
    operands = [change(x) for x in given]
    operation = WITH_A_RULE[name](**attributes)
    xs = [Variable(x) for x in operands]
    y = operation(*xs)
    ys = y if isinstance(y, list) else [y]
    rng = np.random.default_rng(0)
    return operation, xs, [rng.uniform(0.5, 1.5, v.shape).astype(v.dtype) for v in ys]


def test_every_operation_has_an_example() -> None:
    assert set(OPERATIONS) == set(EXAMPLES)
    assert len(WITH_A_RULE) > 50
    assert len(COMPOSITES) > 10


def test_names_are_unique_and_each_has_its_function() -> None:
    assert len(CLASSES) == len(OPERATIONS)
    functions = {name for name in OPERATIONS if callable(getattr(F, name, None))}
    assert set(OPERATIONS) - functions == {"power"}  # F.pow chooses between pow and power


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_a_contract_says(name: str) -> None:
    cls = OPERATIONS[name]
    contract = cls.contract
    assert contract.summary == (cls.__doc__ or "").splitlines()[0]
    assert len(contract.summary) >= 8
    assert contract.summary.endswith((".", "relu."))
    assert contract.domain.text
    assert (contract.smoothness is Smoothness.PIECEWISE) == (contract.kinks is not None)
    if contract.kinks is not None:
        assert contract.kinks.text
        assert contract.kinks.convention
    if contract.smoothness is Smoothness.LINEAR:
        assert contract.saves == frozenset()
    assert contract.outputs == {"split": None, "lstm_cell": 2}.get(name, 1)
    assert contract.several_outputs == (name in ("split", "lstm_cell"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_attributes_are_the_constructor_s(name: str) -> None:
    cls = OPERATIONS[name]
    constructor = cls.__init__
    parameters = (
        [] if constructor is object.__init__ else list(inspect.signature(constructor).parameters)
    )
    assert list(cls.contract.attributes) == parameters[1:]
    attributes, operands = EXAMPLES[name]
    made = cls(**attributes)
    assert {key: getattr(made, key) for key in attributes} == attributes
    if isinstance(made, Operation):
        assert made.attributes == attributes
    assert cls.contract.arity in (None, len(operands))


STATISTICS = {"mean": np.zeros(3), "var": np.ones(3)}


def by_function(
    name: str, attributes: dict[str, Any], operands: Sequence[Array | Variable]
) -> Sequence[Variable]:
    """What the function gives for these attributes and operands, by the names of its parameters."""
    function, left = getattr(F, name), list(operands)
    given = {**attributes, **STATISTICS} if name == "batch_norm" else attributes
    arguments: dict[str, object] = {}
    for parameter in inspect.signature(function).parameters:
        if parameter in given:
            arguments[parameter] = given[parameter]
        elif left:
            arguments[parameter] = left if OPERATIONS[name].contract.arity is None else left.pop(0)
    y: Variable | Sequence[Variable] = function(**arguments)
    return [y] if isinstance(y, Variable) else y


UNFIT: list[Any] = [  # for some attributes; others take them
    None, 1.5, np.float32(1), "S1", (1, 1), ((1, 0),), [1], [0, 1], np.array([0, 1]),
    Variable(np.array(0.5)), Variable(np.array([0.5, 0.25, 0.125])), Variable(np.array([0, 1])),
]  # fmt: skip


# F.pow takes any operand in the place of its attribute; F.dropout draws one of its own.
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"pow", "power", "dropout"}))
def test_what_a_function_takes_its_rule_can_take(name: str) -> None:
    attributes, operands = EXAMPLES[name]
    refused = 0
    for attribute, unfit, create_graph in product(attributes, UNFIT, (False, True)):
        xs = [Variable(x) for x in operands]
        try:
            y = by_function(name, {**attributes, attribute: unfit}, xs)[-1]
        except (TypeError, ValueError, IndexError):
            refused += 1
            continue
        if y.dtype.kind == "f":  # not so for a choice of labels, or an element type of another kind
            y.backward(create_graph=create_graph)
            assert all(x.grad is not None and x.grad.shape == x.shape for x in xs)
    assert refused or not attributes


NUMBERS = {Attribute.REAL, Attribute.SLOPE, Attribute.EXPONENT, Attribute.EPSILON, Attribute.RATIO}
SCALARS = {Attribute.SHIFT: "an integer", **dict.fromkeys(NUMBERS, "a number")}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_attribute_that_is_one_number_takes_no_variable_and_no_array(name: str) -> None:
    cls = OPERATIONS[name]
    for attribute, kind in cls.contract.attributes.items():
        if kind not in SCALARS:
            continue
        for unfit in (Variable(np.array(0.5)), np.array([0.5, 0.25, 0.125]), "a", [1]):
            expected = (
                f"{name}: {attribute} is of type {type(unfit).__name__}; expected {SCALARS[kind]}"
            )
            with pytest.raises(TypeError, match=re.escape(expected)):
                cls(**{**EXAMPLES[name][0], attribute: unfit})
        number: Any = np.int64(1) if kind is Attribute.SHIFT else np.float64(0.5)
        made = cls(**{**EXAMPLES[name][0], attribute: number})
        assert type(getattr(made, attribute)) in (int, float)  # it does not widen float32


def defaults(function: Callable[..., object]) -> dict[str, object]:
    """What may be left out in a call, and what it is then."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"power"}))
def test_what_may_be_left_out_is_the_same_for_a_class_and_its_function(name: str) -> None:
    attributes = OPERATIONS[name].contract.attributes
    of_function = defaults(getattr(F, name))
    of_class = {key: value for key, value in of_function.items() if key in attributes}
    assert defaults(OPERATIONS[name].__init__) == of_class
    for key, value in of_class.items():  # or the examples would not tell whether it is passed on
        assert EXAMPLES[name][0][key] != value


def test_what_may_be_left_out_is_the_same_for_the_simple_functions() -> None:
    simple = [name for name in vars(F) if name.endswith("_simple")]
    assert len(simple) > 5
    for name in simple:
        assert defaults(getattr(F, name)) == defaults(getattr(F, name.removesuffix("_simple")))
    assert defaults(F.Pooling2DGrad) == defaults(F.Pooling)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"power", "dropout"}))  # one draws its mask
def test_a_function_hands_its_attributes_and_operands_on(name: str) -> None:
    attributes, operands = EXAMPLES[name]
    expected = outputs(name, operands)
    for one, other in zip(by_function(name, attributes, operands), expected, strict=True):
        np.testing.assert_array_equal(one.data, other.data, strict=True)


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_s_operands_are_as_many_as_its_arity(name: str) -> None:
    parameters = inspect.signature(COMPOSITES[name].__call__).parameters
    assert len(parameters) == 1 + (COMPOSITES[name].contract.arity or 0)
    assert COMPOSITES[name].contract.saves == frozenset()


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_are_inside_the_domain_and_off_the_kinks(name: str) -> None:
    contract = OPERATIONS[name].contract
    attributes, operands = EXAMPLES[name]
    assert contract.domain.clearance(*operands, **attributes) > 0.05
    assert contract.kinks is None or contract.kinks.clearance(*operands, **attributes) > 0.05


def _joined(pulled: Iterable[tuple[Node, Array | None]]) -> Array:
    return np.concatenate([gx.reshape(-1) for _, gx in pulled if gx is not None])


def outputs(name: str, operands: Sequence[Array | Variable]) -> list[Variable]:
    """What the example's operation gives for these operands."""
    y = OPERATIONS[name](**EXAMPLES[name][0])(*operands)
    return y if isinstance(y, list) else [y]


@pytest.mark.parametrize("name", OPERATIONS)
def test_there_are_as_many_outputs_as_it_says(name: str) -> None:
    attributes, operands = EXAMPLES[name]
    promised = OPERATIONS[name].contract.outputs
    assert len(outputs(name, operands)) == (attributes["sections"] if promised is None else promised)


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_passes_cotangents_on_to_every_operand(name: str) -> None:
    operands = [Variable(x) for x in EXAMPLES[name][1]]
    rng = np.random.default_rng(0)
    loss = Variable(np.array(0.0))
    for y in outputs(name, operands):
        loss = loss + F.sum(y * rng.uniform(0.5, 1.5, y.shape))
    loss.backward()
    for x in operands:
        assert x.grad is not None
        assert np.all(np.isfinite(x.grad.data))
        assert np.any(x.grad.data != 0)


def _is_linear(name: str, moved: Sequence[int]) -> bool:
    """Whether an operation is linear in some of its operands, at its example."""
    _, first = EXAMPLES[name]
    rng = np.random.default_rng(1)
    second = [rng.uniform(0.2, 0.8, x.shape) if i in moved else x for i, x in enumerate(first)]
    pairs = enumerate(zip(first, second, strict=True))
    mixed = [2.0 * a + 0.5 * b if i in moved else a for i, (a, b) in pairs]
    with np.errstate(all="ignore"):
        at_first, at_second, at_mixed = (
            np.concatenate([y.data.reshape(-1) for y in outputs(name, operands)])
            for operands in (first, second, mixed)
        )
    precision = 1e-6 if at_mixed.dtype == np.float32 else 1e-12
    return np.allclose(at_mixed, 2.0 * at_first + 0.5 * at_second, rtol=precision, atol=precision)


@pytest.mark.parametrize("name", OPERATIONS)
def test_linear_is_what_says_it_is(name: str) -> None:
    smoothness = OPERATIONS[name].contract.smoothness
    n = len(EXAMPLES[name][1])
    in_all, in_each = _is_linear(name, range(n)), all(_is_linear(name, [i]) for i in range(n))
    assert in_all == (smoothness is Smoothness.LINEAR)
    assert (in_each and n > 1 and not in_all) == (smoothness is Smoothness.MULTILINEAR)


@pytest.mark.parametrize("name", WITH_A_RULE)
def test_a_rule_reads_what_is_saved_and_no_more(name: str) -> None:
    operation, xs, gys = applied(name)
    saves = WITH_A_RULE[name].contract.saves
    n = len(operation.input_nodes)
    names = [*(operation.operand_names or ("xs",) * n), *["y"] * len(gys)]
    assert [x is not None for x in operation.saved] == [x in saves for x in names]
    truth = list(operation.pull(ARRAYS, gys))
    assert [node for node, _ in truth] == [x.node for x in xs]
    for node, gx in truth:
        assert gx is not None
        assert np.all(np.isfinite(gx))
        assert np.any(gx != 0)
        assert gx.size >= math.prod(node.shape)
    saved = operation.saved
    for i, x in enumerate(saved):
        if x is not None:  # without it, the result must be another one
            blinded = (*saved[:i], stand_in(x.shape, x.dtype), *saved[i + 1 :])
            operation.remember(operation.input_nodes, blinded)
            with np.errstate(all="ignore"):
                blind = operation.pull(ARRAYS, gys)
            assert not np.array_equal(_joined(blind), _joined(truth))


@pytest.mark.parametrize("name", sorted(set(WITH_A_RULE) - {"astype"}))  # its engine gives float32 back
def test_a_rule_keeps_the_precision_of_its_cotangents(name: str) -> None:
    operation, _, gys = applied(name, lambda x: x.astype(np.float32))
    assert {gy.dtype for gy in gys} == {np.dtype(np.float32)}
    assert {gx.dtype for _, gx in operation.pull(ARRAYS, gys) if gx is not None} == {gys[0].dtype}


def tied(x: Array) -> Array:
    """The same number everywhere, on all kinks that the examples have but those at zero."""
    return np.full(x.shape, 0.5)


@pytest.mark.parametrize("change", [np.asarray, tied], ids=["apart", "tied"])
@pytest.mark.parametrize("name", sorted(set(WITH_A_RULE) - {"astype"}))
def test_a_rule_is_linear_in_the_cotangents_in_both_readings(
    name: str, change: Callable[[Array], Array]
) -> None:
    operation, xs, gys = applied(name, change)
    once = [gx for _, gx in operation.pull(ARRAYS, gys)]
    fourfold = [gx for _, gx in operation.pull(ARRAYS, [4.0 * gy for gy in gys])]
    seeds = [Variable(gy) for gy in gys]
    recorded = [gx for _, gx in operation.pull(VARIABLES, seeds)]
    total = Variable(np.array(0.0))
    for i, (gx, four, variable) in enumerate(zip(once, fourfold, recorded, strict=True)):
        assert gx is not None
        assert variable is not None
        assert np.all(np.isfinite(gx))
        np.testing.assert_array_equal(four, 4.0 * gx)
        np.testing.assert_array_equal(variable.data, gx)
        total = total + F.sum(variable * np.cos(np.arange(gx.size) + i).reshape(gx.shape))
    # What is linear equals its derivative times itself.
    pulled = grad(total, seeds)
    along = sum(float(np.vdot(g.data, gy)) for g, gy in zip(pulled, gys, strict=True))
    np.testing.assert_allclose(along, total.data, rtol=1e-12, atol=1e-14)
    if WITH_A_RULE[name].contract.smoothness in (Smoothness.LINEAR, Smoothness.PIECEWISE):
        assert not any(np.any(g.data) for g in grad(total, xs))


@pytest.mark.parametrize("name", WITH_A_RULE)
def test_a_rule_may_leave_out_only_what_nobody_can_see(name: str) -> None:
    operation, xs, gys = applied(name)
    truth = [gx for _, gx in operation.pull(ARRAYS, gys)]
    for i in range(len(xs)):
        del xs[i]
        for k, (_, gx) in enumerate(operation.pull(ARRAYS, gys)):
            if k != i and truth[k] is not None:
                np.testing.assert_array_equal(gx, truth[k])
        xs.insert(i, operation.inputs[i])  # a new handle: the cotangent is wanted again
        again = [gx for _, gx in operation.pull(ARRAYS, gys)]
        np.testing.assert_array_equal(again[i], truth[i])


@pytest.mark.parametrize("name", ["matmul", "conv2d", "deconv2d", "conv2d_grad_w"])
def test_a_costly_rule_leaves_out_what_nobody_can_see(name: str) -> None:
    operation, xs, gys = applied(name)
    for i in range(2):
        del xs[i]
        assert [gx is None for _, gx in operation.pull(ARRAYS, gys)] == [i == 0, i == 1]
        xs.insert(i, operation.inputs[i])


@pytest.mark.parametrize("name", [name for name, kind in WITH_A_RULE.items() if kind.fresh])
def test_a_rule_that_promises_new_arrays_gives_no_other(name: str) -> None:
    operation, xs, gys = applied(name)
    gxs = [gx for _, gx in operation.pull(ARRAYS, gys) if gx is not None]
    assert len(gxs) == 2
    others = [*gys, *[x.data for x in xs], *[x for x in operation.saved if x is not None]]
    for i, gx in enumerate(gxs):
        assert not any(np.shares_memory(gx, other) for other in (*others, *gxs[:i]))


def test_some_rules_promise_new_arrays() -> None:
    fresh = {name: kind.fresh for name, kind in WITH_A_RULE.items() if kind.fresh is not False}
    assert fresh == dict.fromkeys(("matmul", "conv2d", "deconv2d", "conv2d_grad_w"), True)


# ------------------------------------------------------------------------------------------ clearances


Clearances: TypeAlias = list[tuple[Any, list[Any], dict[str, Any], float]]

OF_DOMAINS: Clearances = [
    (REALS, [[1e300, -1e300]], {}, math.inf),
    (POSITIVE, [[3.0, 0.25]], {}, 0.25),
    (POSITIVE, [[3.0, -0.25]], {}, -0.25),
    (POSITIVE, [[]], {}, math.inf),
    (POSITIVE, [[math.nan, 1.0]], {}, -math.inf),
    (ABOVE_MINUS_ONE, [[-0.75, 3.0]], {}, 0.25),
    (WITHIN_ONE, [[-0.75, 0.5]], {}, 0.25),
    (WITHIN_ONE, [[1.0]], {}, 0.0),
    (NONZERO, [[-0.5, 3.0]], {}, 0.5),
    (NONZERO_DIVISOR, [[0.0], [2.0]], {}, 2.0),
    (POSITIVE_BASE, [[0.5], [-2.0]], {}, 0.5),
    (COSINE_NOT_ZERO, [[0.0]], {}, 1.0),
    (BASE_OF_CONSTANT_POWER, [[0.0, -1.0]], {"c": 0}, math.inf),
    (BASE_OF_CONSTANT_POWER, [[0.0, -1.0]], {"c": 2.0}, math.inf),
    (BASE_OF_CONSTANT_POWER, [[0.5, -0.25]], {"c": -1}, 0.25),
    (BASE_OF_CONSTANT_POWER, [[0.5, -0.25]], {"c": 0.5}, -0.25),
    (NONEMPTY, [np.zeros((0, 3))], {"axis": 1}, math.inf),
    (NONEMPTY, [np.zeros((0, 3))], {"axis": -2}, -math.inf),
    (NONEMPTY, [np.zeros((0, 3))], {"axis": None}, -math.inf),
    (NONEMPTY, [np.zeros((0, 3))], {"axis": (0, 1)}, -math.inf),
    (NONEMPTY, [0.0], {"axis": None, "keepdims": True}, math.inf),
    (NONEMPTY_BATCH, [np.zeros((0, 3)), [1.0]], {}, -math.inf),
    (NONEMPTY_BATCH, [0.0, 1.0], {"delta": 2.0}, math.inf),
    (PROBABILITIES, [[0.25, 0.5], [0.0, 1.0]], {}, 0.25),
    (PROBABILITIES, [[0.5, 0.875], [0.0, 1.0]], {}, 0.125),
    (PROBABILITIES, [[1.5], [0.0]], {}, -0.5),
    (PROBABILITIES, [[], []], {}, -math.inf),
]


@pytest.mark.parametrize(("domain", "operands", "attributes", "expected"), OF_DOMAINS)
def test_clearance_of_domains(
    domain: Any, operands: list[Any], attributes: dict[str, Any], expected: float
) -> None:
    assert domain.clearance(*[np.array(x, float) for x in operands], **attributes) == expected


OF_KINKS: Clearances = [
    (AT_ZERO, [[-0.5, 2.0]], {}, 0.5),
    (AT_ZERO_BY_SLOPE, [[-0.5, 2.0]], {"slope": 0.2}, 0.5),
    (AT_ZERO_BY_SLOPE, [[0.0]], {"slope": 1.0}, math.inf),
    (AT_BOUNDS, [[-0.5, 2.0]], {"x_min": 0.0, "x_max": 1.75}, 0.25),
    (WHERE_EQUAL, [[1.0, 2.0], [1.5, 4.0]], {}, 0.5),
    (WHERE_EQUAL, [[1.0, 2.0], [1.0, 4.0]], {}, 0.0),
    (AT_DELTA, [[1.0, -1.0], [0.5, 1.0]], {"delta": 1.75}, 0.25),
    (AT_DELTA, [[1.0], [2.0]], {"delta": 1.0}, 0.0),
    (LARGEST_TIED, [[1.0, 2.0, 2.5]], {"axis": None}, 0.5),
    (LARGEST_TIED, [[1.0, 1.0, 2.5]], {"axis": 0}, 1.5),
    (LARGEST_TIED, [[2.5, 2.5]], {"axis": -1}, 0.0),
    (LARGEST_TIED, [[[2.5, 2.5], [1.0, 4.0]]], {"axis": 0}, 1.5),
    (LARGEST_TIED, [[[2.5, 2.5], [1.0, 4.0]]], {"axis": ()}, math.inf),
    (LARGEST_TIED, [[[2.5, 2.5], [1.0, 4.0]]], {"axis": (0, -1), "keepdims": True}, 1.5),
    (LARGEST_TIED, [1.0], {"axis": None}, math.inf),
    (LARGEST_TIED, [[1.0]], {"axis": None}, math.inf),
    (SMALLEST_TIED, [[1.0, 1.0, 2.5]], {"axis": None}, 0.0),
    (SMALLEST_TIED, [[1.0, 1.25, 1.25]], {"axis": 0}, 0.25),
    (LARGEST_TIED, [np.zeros((3, 0))], {"axis": 0}, math.inf),
    (LARGEST_TIED, [np.zeros((0, 3))], {"axis": 1}, math.inf),
    (SMALLEST_TIED, [np.zeros((0, 3))], {"axis": (1,)}, math.inf),
]


@pytest.mark.parametrize(("kinks", "operands", "attributes", "expected"), OF_KINKS)
def test_clearance_of_kinks(
    kinks: Any, operands: list[Any], attributes: dict[str, Any], expected: float
) -> None:
    assert kinks.clearance(*[np.array(x, float) for x in operands], **attributes) == expected


def test_interval() -> None:
    assert interval(-math.inf, math.inf).text == "ℝ"
    assert interval(0.0, math.inf).text == "x > 0"
    assert interval(-1.0, 1.0).text == "-1 < x < 1"


@pytest.mark.parametrize(
    ("record", "field"), [(F.Sin.contract, "name"), (REALS, "text"), (AT_ZERO, "text")]
)
def test_records_are_frozen(record: object, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(record, field, "no")


# ------------------------------------------------------------------------------------------ stand_in


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (1000, 1000, 1000)])
def test_a_stand_in_has_a_shape_and_no_number(shape: tuple[int, ...], dtype: str) -> None:
    x = stand_in(shape, np.dtype(dtype))
    assert x.shape == shape
    assert x.dtype == (np.dtype(dtype) if dtype[0] == "f" else np.float64)
    assert x.strides == (0,) * len(shape)
    assert not x.flags.writeable
    if x.size:
        assert np.isnan(x[(0,) * len(shape)])
