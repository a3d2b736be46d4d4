"""What the suite did not notice until `make mutants` asked: see docs/mutants.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dezero.functions as F
from dezero import arrays, core, graph
from dezero.contract import REALS, Array, Shapes
from dezero.core_simple import Function, Variable, as_array
from dezero.namespace import Namespace, T
from dezero.operation import Binary, Nary, Operation, Splitting, Unary


class Constant(Function):
    """A function without inputs."""

    def forward(self) -> Array:
        return np.ones(2)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        return ()


class Shrinking(Function):
    """A sum whose rule forgets to give back the shape."""

    def forward(self, x: Array) -> Array:
        return as_array(x.sum())

    def backward(self, gy: Array) -> Array:
        return gy


def test_a_function_without_inputs_has_generation_0() -> None:
    y = Constant()()
    assert y.creator is not None
    assert (y.creator.generation, y.generation) == (0, 1)
    y.backward()


def test_a_gradient_of_fewer_axes_is_refused_by_name() -> None:
    y = Shrinking()(Variable(np.ones((1, 3))))
    with pytest.raises(ValueError, match=re.escape("returned shape (); expected (1, 3)")):
        y.backward()


def test_a_fraction_beside_integers_stays_one() -> None:
    y = Variable(np.array([2, 3])) * 2.5
    assert_array_equal(y.data, [5.0, 7.5], strict=True)


def test_the_power_0_has_the_derivative_0_everywhere() -> None:
    x = Variable(np.array([0.0, 3.0, np.inf]))
    (x**0).backward()
    assert x.grad is not None
    assert_array_equal(x.grad, np.zeros(3))


def test_a_wider_gradient_that_was_set_is_added_in_the_dtype_of_the_data() -> None:
    x = Variable(np.ones(2, np.float32))
    x.grad = np.ones(2)
    (x * 3).backward()
    assert_array_equal(x.grad, np.array([4, 4], np.float32), strict=True)


def test_a_wider_seed_is_taken_in_the_dtype_of_the_data() -> None:
    y = Variable(np.ones(2, np.float32)) * 3
    y.grad = np.ones(2)
    y.backward(retain_grad=True)
    assert_array_equal(y.grad, np.ones(2, np.float32), strict=True)


class OfMany(Nary, domain=REALS, shapes=Shapes.ELEMENTWISE, name="of_several"):
    """An operation of many operands."""

    def forward(self, *xs: Array) -> Array:
        return xs[0]

    def vjp(self, xp: Namespace[T], gy: T, xs: object, /) -> tuple[T, ...]:
        return (gy,)


class IntoMany(Splitting, domain=REALS, name="into_several"):
    """An operation of many outputs."""

    def forward(self, x: Array, /) -> tuple[Array, ...]:
        return x[:1], x[1:]

    def vjp(self, xp: Namespace[T], gys: Sequence[T], x: T, /) -> T:
        return xp.broadcast_to(gys[0], x.shape)


def test_a_name_that_is_given_is_taken_whatever_the_arity() -> None:
    assert (OfMany.contract.name, IntoMany.contract.name) == ("of_several", "into_several")
    assert IntoMany.contract.shapes is Shapes.ANY


def test_the_rule_of_a_splitting_knows_the_shape_of_its_operand() -> None:
    x = core.Variable(np.arange(3.0))
    head, _ = IntoMany()(x)
    head.backward()
    assert x.grad is not None
    assert_array_equal(x.grad.data, np.ones(3), strict=True)


def test_what_the_rules_call_their_operands() -> None:
    assert (Operation.operand_names, Nary.operand_names) == ((), ())
    assert (Unary.operand_names, Splitting.operand_names) == (("x",), ("x",))
    assert Binary.operand_names == ("a", "b")


OPERATIONS = [
    operation
    for module in (core, F)
    for operation in vars(module).values()
    if isinstance(operation, type)
    and issubclass(operation, (Unary, Binary))
    and hasattr(operation, "contract")
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_rule_saves_nothing_but_its_operands_and_its_value(operation: type[Operation]) -> None:
    assert operation.contract.saves <= {*operation.operand_names, "y"}


def test_the_derivative_of_abs_is_the_sign_and_0_at_0() -> None:
    x = core.Variable(np.array([-2.0, 0.0, 3.0]))
    core.abs(x).backward()
    assert x.grad is not None
    assert_array_equal(x.grad.data, [-1.0, 0.0, 1.0])


@pytest.mark.parametrize("axes", [(-1, 0, 1), (1, -1, 0), (-2, 2, -3)])
def test_what_was_transposed_by_axes_from_the_end_comes_back(axes: tuple[int, ...]) -> None:
    x = core.Variable(np.arange(24.0).reshape(2, 3, 4))
    y = core.transpose(x, axes)
    (y * y).backward()
    assert x.grad is not None
    assert_array_equal(x.grad.data, 2 * x.data)


def test_an_operation_of_indexing_keeps_the_index_as_it_came_but_for_variables() -> None:
    def kept(slices: Any) -> Any:
        creator = core.get_item(np.ones((2, 3)), slices).creator
        assert isinstance(creator, core.GetItem)
        return creator.slices

    places = np.array([0, 1])
    assert kept(1) == 1
    assert kept((1, 2)) == (1, 2)
    assert kept(core.Variable(places)) is places
    assert kept((0, core.Variable(places)))[1] is places


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0)])
def test_between_bounds_that_meet_clip_is_constant(bounds: tuple[float, float]) -> None:
    x = core.Variable(np.array([0.0, 1.0, 1.5, 2.0]))
    F.clip(x, *bounds).backward()
    assert x.grad is not None
    assert_array_equal(x.grad.data, np.zeros(4))


def test_where_keeps_a_mask_whatever_the_condition_was() -> None:
    y = F.where(np.array([0, 2]), np.ones(2), np.zeros(2))
    assert_array_equal(y.data, [0.0, 1.0])
    assert isinstance(y.creator, F.Where)
    assert y.creator.condition.dtype == np.bool_


def test_logsumexp_beside_an_infinity_is_silent() -> None:
    y = F.logsumexp(core.Variable(np.array([np.inf, 1000.0])))
    assert_array_equal(y.data, np.array(np.inf), strict=True)


@pytest.mark.parametrize("n", [2, 6])  # the value is rounded down, or up
def test_the_shares_of_logsumexp_are_right_where_its_value_is_rounded(n: int) -> None:
    x = core.Variable(np.full(n, 4e15))
    F.logsumexp(x).backward()
    assert x.grad is not None
    assert_allclose(x.grad.data, np.full(n, 1 / n), rtol=1e-15)


@pytest.mark.parametrize("ratio", [0.0, 0.25])
def test_dropout_keeps_what_is_drawn_at_the_ratio(
    ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(shape: tuple[int, ...]) -> Array:
        return np.full(shape, ratio)

    monkeypatch.setattr(np.random, "random", drawn)
    assert_array_equal(F.dropout(np.ones(3), ratio).data, np.full(3, 1 / (1 - ratio)))


def test_the_running_variance_of_a_batch_of_two_is_unbiased() -> None:
    mean, var = np.zeros(1), np.ones(1)
    F.batch_norm(np.array([[1.0], [5.0]]), np.ones(1), np.zeros(1), mean, var, decay=0.75)
    assert_array_equal(mean, [0.75])
    assert_array_equal(var, [0.75 + 0.25 * 8])


def test_the_label_that_is_named_is_the_wrong_one() -> None:
    with pytest.raises(IndexError, match=re.escape("the label 3 is not within 0 … 2")):
        F.softmax_cross_entropy(np.zeros((3, 3)), np.array([0, 3, 2]))
    with pytest.raises(IndexError, match=re.escape("the label -1 is not within 0 … 2")):
        F.softmax_cross_entropy(np.zeros((3, 3)), np.array([0, 2, -1]))


@pytest.mark.parametrize("pad", [(2, 0), (0, 3), (3, 0), (0, 4)])
@pytest.mark.parametrize("name", ["pooling", "pooling_simple"])
def test_a_window_in_the_padding_is_refused_by_name(name: str, pad: tuple[int, int]) -> None:
    function = {"pooling": F.pooling, "pooling_simple": F.pooling_simple}[name]
    message = f"{name}: pad is {pad}; expected less than kernel_size, (2, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}(\n|$)"):
        function(np.ones((1, 1, 4, 4)), (2, 3), 1, pad)


def test_conv2d_simple_is_named_in_its_errors() -> None:
    x = np.ones((1, 1, 4, 4))
    for wrong in (np.ones((1, 1, 2)), np.ones((1, 1, 5, 5))):
        with pytest.raises(ValueError, match=r"^conv2d_simple: "):
            F.conv2d_simple(x, wrong)
    with pytest.raises(ValueError, match=r"^conv2d_simple: b has shape \(2,\); expected \(1,\)"):
        F.conv2d_simple(x, np.ones((1, 1, 2, 2)), np.ones(2))


def test_the_mean_of_one_element_has_a_gradient() -> None:
    x = core.Variable(np.ones((1, 1, 2, 2)))
    F.average_pooling(x, 1).backward()
    assert x.grad is not None
    assert_array_equal(x.grad.data, np.ones((1, 1, 2, 2)))


@pytest.mark.parametrize(
    "operation",
    [
        F.Conv2d(),
        F.Deconv2d(),
        F.Conv2DGradW(2),
        F.Im2col(2),
        F.Col2im((1, 1, 2, 2), 2),
        F.Pooling(2),
        F.AveragePooling(2),
        F.Pooling2DGrad(2).pooling,
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_a_window_moves_by_one_and_over_no_padding_unless_told(operation: Any) -> None:
    assert (operation.stride, operation.pad) == (1, 0)
    assert getattr(operation, "to_matrix", True) is True
    assert getattr(operation, "outsize", None) is None
    assert getattr(operation, "kernel_size", 2) == 2


def test_conv2d_simple_is_conv2d() -> None:
    x, kernels = np.arange(32.0).reshape(1, 2, 4, 4), np.arange(8.0).reshape(1, 2, 2, 2)
    assert_array_equal(F.conv2d_simple(x, kernels).data, F.conv2d(x, kernels).data)


def test_the_running_deviation_is_kept_from_zero_by_eps() -> None:
    with core.test_mode():
        y = F.batch_norm(
            np.array([[5.0]]), np.ones(1), np.zeros(1), np.array([1.0]), np.array([3.0]), eps=1.0
        )
    assert_array_equal(y.data, [[2.0]])


X, ONE = np.ones((2, 2)), np.ones(2)
PICTURE, KERNEL = np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
UNFIT: dict[str, Callable[[Any], object]] = {
    # what the error begins with -> a call with what is neither an array nor a number
    "accuracy: t": lambda bad: F.accuracy(X, bad),
    "accuracy: y": lambda bad: F.accuracy(bad, ONE),
    "batch_norm: beta": lambda bad: F.batch_norm(X, ONE, bad, ONE, ONE),
    "batch_norm: decay": lambda bad: F.batch_norm(X, ONE, ONE, ONE, ONE, decay=bad),
    "batch_norm: eps": lambda bad: F.batch_norm(X, ONE, ONE, ONE, ONE, eps=bad),
    "batch_norm: gamma": lambda bad: F.batch_norm(X, bad, ONE, ONE, ONE),
    "batch_norm: mean": lambda bad: F.batch_norm(X, ONE, ONE, bad, ONE),
    "batch_norm: var": lambda bad: F.batch_norm(X, ONE, ONE, ONE, bad),
    "batch_norm: x": lambda bad: F.batch_norm(bad, ONE, ONE, ONE, ONE),
    "binary_cross_entropy: p": lambda bad: F.binary_cross_entropy(bad, ONE),
    "binary_cross_entropy: t": lambda bad: F.binary_cross_entropy(ONE, bad),
    "clip: x_max": lambda bad: F.clip(X, 0.0, bad),
    "clip: x_min": lambda bad: F.clip(X, bad, 0.0),
    "concatenate: axis": lambda bad: F.concatenate([X, X], axis=bad),
    "conv2d: b": lambda bad: F.conv2d(PICTURE, KERNEL, bad),
    "conv2d_simple: W": lambda bad: F.conv2d_simple(PICTURE, bad),
    "conv2d_simple: b": lambda bad: F.conv2d_simple(PICTURE, KERNEL, bad),
    "conv2d_simple: x": lambda bad: F.conv2d_simple(bad, KERNEL),
    "deconv2d: b": lambda bad: F.deconv2d(PICTURE, KERNEL, bad),
    "dropout: dropout_ratio": lambda bad: F.dropout(X, bad),
    "dropout: x": lambda bad: F.dropout(bad),
    "embed_id: W": lambda bad: F.embed_id(np.array([0]), bad),
    "embed_id: x": lambda bad: F.embed_id(bad, X),
    "gelu: x": lambda bad: F.gelu(bad),
    "huber: delta": lambda bad: F.huber(X, X, bad),
    "huber: x0": lambda bad: F.huber(bad, X),
    "huber: x1": lambda bad: F.huber(X, bad),
    "layer_norm: beta": lambda bad: F.layer_norm(X, ONE, bad),
    "layer_norm: eps": lambda bad: F.layer_norm(X, ONE, ONE, bad),
    "layer_norm: gamma": lambda bad: F.layer_norm(X, bad, ONE),
    "layer_norm: x": lambda bad: F.layer_norm(bad, ONE, ONE),
    "leaky_relu: slope": lambda bad: F.leaky_relu(X, bad),
    "linear: b": lambda bad: F.linear(X, X, bad),
    "lstm_cell: c": lambda bad: F.lstm_cell(X, X, X, X, bad),
    "lstm_cell: f": lambda bad: F.lstm_cell(bad, X, X, X, X),
    "lstm_cell: i": lambda bad: F.lstm_cell(X, bad, X, X, X),
    "lstm_cell: o": lambda bad: F.lstm_cell(X, X, bad, X, X),
    "lstm_cell: u": lambda bad: F.lstm_cell(X, X, X, bad, X),
    "mean_squared_error: x0": lambda bad: F.mean_squared_error(bad, X),
    "mean_squared_error: x1": lambda bad: F.mean_squared_error(X, bad),
    "Pooling2DGrad: gy": lambda bad: F.Pooling2DGrad(1)(bad, PICTURE),
    "pooling_simple: x": lambda bad: F.pooling_simple(bad, 1),
    "pow: c": lambda bad: F.Pow(bad),
    "roll: shift": lambda bad: F.roll(X, bad),
    "sigmoid_cross_entropy: t": lambda bad: F.sigmoid_cross_entropy(ONE, bad),
    "sigmoid_cross_entropy: x": lambda bad: F.sigmoid_cross_entropy(bad, ONE),
    "sigmoid_simple: x": lambda bad: F.sigmoid_simple(bad),
    "softmax_cross_entropy: t": lambda bad: F.softmax_cross_entropy(X, bad),
    "softmax_cross_entropy: x": lambda bad: F.softmax_cross_entropy(bad, ONE),
    "split: axis": lambda bad: F.split(X, 2, bad),
    "split: sections": lambda bad: F.split(X, bad),
}


@pytest.mark.parametrize("who", UNFIT)
def test_what_is_unfit_is_named_by_function_and_argument(who: str) -> None:
    with pytest.raises(TypeError) as caught:
        UNFIT[who]({"no": "array"})
    assert str(caught.value).startswith(f"{who}: ") or str(caught.value).startswith(
        f"{who} is of type dict"
    )


MASK, LABELS = np.ones(2, bool), np.array([0])
UNFIT_FOR_A_CLASS: dict[str, Callable[[Any], object]] = {
    "BatchNorm, batch_norm: beta": lambda bad: F.BatchNorm()(X, ONE, bad),
    "BatchNorm, batch_norm: eps": lambda bad: F.BatchNorm(bad),
    "BatchNorm, batch_norm: gamma": lambda bad: F.BatchNorm()(X, bad, ONE),
    "BatchNorm, batch_norm: x": lambda bad: F.BatchNorm()(bad, ONE, ONE),
    "BinaryCrossEntropy, binary_cross_entropy: p": lambda bad: F.BinaryCrossEntropy()(bad, ONE),
    "Dropout, dropout: dropout_ratio": lambda bad: F.Dropout(MASK, bad),
    "Dropout, dropout: x": lambda bad: F.Dropout(MASK)(bad),
    "SigmoidCrossEntropy, sigmoid_cross_entropy: x": lambda bad: F.SigmoidCrossEntropy()(bad, ONE),
    "SoftmaxCrossEntropy, softmax_cross_entropy: x": lambda bad: F.SoftmaxCrossEntropy(LABELS)(bad),
}


@pytest.mark.parametrize("who", UNFIT_FOR_A_CLASS)
def test_a_class_is_named_as_its_function(who: str) -> None:
    with pytest.raises(TypeError, match=f"^{who.partition(', ')[2]}"):
        UNFIT_FOR_A_CLASS[who]({"no": "array"})


def test_what_running_statistics_may_be_is_said() -> None:
    no_array: Any = 0.0
    with pytest.raises(TypeError) as caught:
        F.batch_norm(X, ONE, ONE, no_array, ONE)
    assert str(caught.value) == (
        "batch_norm: mean is of type float; expected an ndarray of floating numbers, "
        "such as np.zeros for the mean and np.ones for the variance"
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_float16_is_summed_in_a_wider_type(dtype: Any) -> None:
    assert arrays.accumulator(np.dtype(np.float16)) == np.float32
    assert core.wide(arrays, np.ones(1, np.float16)).dtype == np.float32
    x = np.random.default_rng(0).normal(size=(1000, 7)).astype(dtype)
    assert arrays.accumulator(x.dtype) == dtype
    assert core.wide(arrays, x) is x
    assert core.narrowed(x, np.ones(1, np.float16)).dtype == np.float16
    assert core.narrowed(x, x) is x
    shifted = x - x.max(1, keepdims=True)
    total = np.log1p(np.sum(np.exp(shifted), 1, keepdims=True, where=shifted != 0))
    # Bit for bit: one who sums in float64 has other last digits.
    assert_array_equal(F.var(x, 1).data, np.var(x, 1), strict=True)
    assert_array_equal(F.log_softmax(x, 1).data, shifted - total, strict=True)
    assert_array_equal(F.logsumexp(x, 1).data, (total + x.max(1, keepdims=True))[:, 0], strict=True)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_share_of_float16_is_in_float16(create_graph: bool) -> None:
    for function in (F.mean, F.max, F.min):
        x = graph.Variable(np.ones(4, np.float16))
        function(x).backward(create_graph=create_graph)
        assert x.grad is not None
        assert_array_equal(x.grad.data, np.full(4, 0.25, np.float16), strict=True)


def test_inputs_are_the_living_also_where_nothing_was_saved() -> None:
    a, b = graph.Variable(np.ones(2)), graph.Variable(np.ones(2))
    creator = (a + b).creator
    assert creator is not None
    assert creator.inputs == [a, b]


@pytest.mark.parametrize("dtype", ["S1", "U1", "V1", "M8[s]", "m8[s]"])
def test_what_is_no_number_is_no_element_type(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"^astype: dtype is .*; expected one of numbers$"):
        F.AsType(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i4", "f2", "?"])
def test_what_is_a_number_is_one(dtype: Any) -> None:
    assert F.AsType(dtype).dtype == dtype


def test_what_pad_takes_is_said() -> None:
    one_pair: Any = (1, 2)
    with pytest.raises(TypeError) as caught:
        F.pad(X, one_pair)
    assert str(caught.value) == "pad: pad_width is (1, 2); expected a pair of integers for each axis"


def test_a_loss_reshapes_only_what_has_another_shape() -> None:
    p, t = graph.Variable(np.full(2, 0.5)), np.ones(2)
    for targets, reshaped in ((t, False), (t[:, None], True)):
        t_given = graph.Variable(targets)
        creators = [F.binary_cross_entropy(p, t_given).creator]
        names = set[str]()
        while creators:
            creator = creators.pop()
            if creator is not None:
                names.add(creator.name)
                creators += [node.creator for node in creator.input_nodes]
        assert ("Reshape" in names) is reshaped


def test_the_shape_of_what_was_not_saved_has_its_element_type() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        x = graph.Variable(np.ones((2, 3), dtype))
        stands = graph.VARIABLES.operand(x.node, None)
        assert (stands.shape, stands.dtype) == ((2, 3), np.dtype(dtype))


@pytest.mark.parametrize("wide", range(3))
def test_a_normalisation_is_in_the_widest_type_of_its_operands(wide: int) -> None:
    x, gamma, beta = (
        np.asarray(a, np.float32 if i == wide else np.float16) for i, a in enumerate((X, ONE, ONE))
    )
    assert F.BatchNorm()(x, gamma, beta).dtype == np.float32
    assert F.layer_norm(x, gamma, beta).dtype == np.float32
    with core.test_mode():
        assert F.batch_norm(x, gamma, beta, ONE, ONE).dtype == np.float32


@pytest.mark.parametrize(("one", "other"), [(np.float16, np.float32), (np.float32, np.float64)])
def test_a_loss_is_in_the_widest_type_of_its_operands(one: Any, other: Any) -> None:
    a, b = np.full((2, 2), 0.5, one), np.full((2, 2), 0.25, other)
    for loss in (
        F.binary_cross_entropy,
        F.sigmoid_cross_entropy,
        F.mean_squared_error,
        F.huber,
    ):
        assert loss(a, b).dtype == loss(b, a).dtype == other
        assert loss(a, a).dtype == one
    assert F.softmax_cross_entropy(a, np.array([0, 1])).dtype == one


@pytest.mark.parametrize(("decay", "mean"), [(0.0, 1.0), (1.0, 5.0)])
def test_all_or_nothing_of_the_running_statistics_may_be_kept(decay: float, mean: float) -> None:
    running = np.full(2, 5.0)
    F.batch_norm(X, ONE, ONE, running, ONE.copy(), decay)
    assert_array_equal(running, np.full(2, mean))
