"""The executable specification: values in closed form, dtypes, and what it refuses."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dezero.contract import Array
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.evaluation import FUNCTIONS, evaluate
from dezero.verify.program import MAX_ELEMENTS, Program, ProgramError, Step
from dezero.verify.reference import point
from dezero.verify.reference_conv import BOUNDS


def run(op: str, *operands: Any, n_out: int = 1, **attributes: Any) -> list[Array]:
    """The results of one operation on anything that NumPy makes an array of."""
    inputs = tuple(np.asarray(x) for x in operands)
    step = Step(op, tuple(range(len(inputs))), attributes, n_out)
    program = Program(inputs, (step,), (len(inputs),), (np.ones(()),))
    return evaluate(program)[len(inputs) :]


INF = np.inf
A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

LAYER = [[0.0, 2.0], [0.5, 0.5]]
CLASSES = (np.log(4 / 3) + np.log(2)) / 2
IMAGE = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])

VALUES: list[tuple[str, list[Any], dict[str, Any], Any]] = [
    ("identity", [[2.0, -3.0]], {}, [2.0, -3.0]),
    ("add", [1.0, [2.0, 3.0]], {}, [3.0, 4.0]),
    ("sub", [1.0, 3.0], {}, -2.0),
    ("mul", [2.0, 3.0], {}, 6.0),
    ("div", [3.0, 2.0], {}, 1.5),
    ("neg", [2.0], {}, -2.0),
    ("reciprocal", [4.0], {}, 0.25),
    ("square", [-3.0], {}, 9.0),
    ("pow", [[-2.0, 0.0]], {"c": 3}, [-8.0, 0.0]),
    ("pow", [[-2.0, 0.0]], {"c": 0}, [1.0, 1.0]),
    ("pow", [-2.0], {"c": -2.0}, 0.25),
    ("pow", [4.0], {"c": 0.5}, 2.0),
    ("power", [2.0, [3.0, -1.0]], {}, [8.0, 0.5]),
    ("sqrt", [9.0], {}, 3.0),
    ("exp", [0.0], {}, 1.0),
    ("expm1", [1e-20], {}, 1e-20),
    ("log", [1.0], {}, 0.0),
    ("log1p", [1e-20], {}, 1e-20),
    ("log2", [8.0], {}, 3.0),
    ("sin", [np.pi / 6], {}, 0.5),
    ("cos", [0.0], {}, 1.0),
    ("tan", [np.pi / 4], {}, 1.0),
    ("arcsin", [0.5], {}, np.pi / 6),
    ("arccos", [0.5], {}, np.pi / 3),
    ("arctan", [1.0], {}, np.pi / 4),
    ("sinh", [np.log(2)], {}, 0.75),
    ("cosh", [np.log(2)], {}, 1.25),
    ("tanh", [[np.log(2), 1000.0]], {}, [0.6, 1.0]),
    ("sigmoid", [[0.0, 1000.0, -1000.0, -700.0]], {}, [0.5, 1.0, 0.0, np.exp(-700.0)]),
    ("softplus", [[0.0, 1000.0, -1000.0, -40]], {}, [np.log(2), 1000.0, 0.0, np.exp(-40.0)]),
    ("relu", [[-1.0, 0.0, 2.0]], {}, [0.0, 0.0, 2.0]),
    ("relu", [0.5], {}, 0.5),
    ("leaky_relu", [[-1.0, 0.0, 2.0]], {"slope": 0.5}, [-0.5, 0.0, 2.0]),
    ("leaky_relu", [0.5], {"slope": 0.5}, 0.5),
    ("abs", [[-1.5, 0.0, 2.0]], {}, [1.5, 0.0, 2.0]),
    ("maximum", [[1.0, 2.0, 1e308], [2.0, 1.0, 1e308]], {}, [2.0, 2.0, 1e308]),
    ("minimum", [[1.0, 2.0, INF], [2.0, 1.0, INF]], {}, [1.0, 1.0, INF]),
    ("minimum", [3.0, 3.0], {}, 3.0),
    ("maximum", [[np.nan, 1.0], [1.0, np.nan]], {}, [np.nan, np.nan]),
    ("clip", [[-1.0, 0.5, 2.0]], {"x_min": 0.0, "x_max": 1.0}, [0.0, 0.5, 1.0]),
    ("clip", [[-1.0, 1.5, 3.0]], {"x_min": 2.0, "x_max": 1.0}, [1.0, 1.0, 1.0]),
    ("where", [1.0, [2.0, 3.0]], {"condition": np.array([True, False])}, [1.0, 3.0]),
    ("reshape", [A], {"shape": (3, 2)}, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    ("transpose", [A], {"axes": None}, [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]),
    ("transpose", [[[[1.0, 2.0], [3.0, 4.0]]]], {"axes": (0, 2, 1)}, [[[1.0, 3.0], [2.0, 4.0]]]),
    ("swapaxes", [A], {"axis1": 0, "axis2": -1}, [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]),
    ("expand_dims", [[1.0, 2.0]], {"axis": 1}, [[1.0], [2.0]]),
    ("squeeze", [[[1.0, 2.0]]], {"axis": 0}, [1.0, 2.0]),
    ("squeeze", [[[[1.0, 2.0]]]], {"axis": 0}, [[1.0, 2.0]]),
    ("flatten", [np.arange(8.0).reshape(2, 2, 2)], {}, np.arange(8.0).reshape(2, 4)),
    ("flatten", [np.zeros((0, 3, 2))], {}, np.zeros((0, 6))),
    ("flatten", [np.zeros((3, 0, 2))], {}, np.zeros((3, 0))),
    ("flatten", [[1.0, 2.0]], {}, [[1.0], [2.0]]),
    ("flatten", [5.0], {}, [[5.0]]),
    ("broadcast_to", [[1.0, 2.0]], {"shape": (2, 2)}, [[1.0, 2.0], [1.0, 2.0]]),
    ("sum_to", [A], {"shape": (3,)}, [5.0, 7.0, 9.0]),
    ("sum_to", [A], {"shape": (2, 1)}, [[6.0], [15.0]]),
    ("sum_to", [A], {"shape": ()}, 21.0),
    ("sum_to", [A], {"shape": (2, 3)}, A),
    ("flip", [[1.0, 2.0, 3.0]], {"axis": None}, [3.0, 2.0, 1.0]),
    ("flip", [A], {"axis": 1}, A[:, ::-1]),
    ("roll", [A], {"shift": 1, "axis": None}, [[6.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
    ("roll", [A], {"shift": 1, "axis": 1}, [[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]]),
    ("pad", [[1.0, 2.0]], {"pad_width": ((1, 2),)}, [0.0, 1.0, 2.0, 0.0, 0.0]),
    ("pad", [1.0], {"pad_width": ()}, 1.0),
    ("get_item", [A], {"slices": (0, slice(None, None, 2))}, [1.0, 3.0]),
    ("get_item", [A], {"slices": (np.array([0, 0]), np.array([1, 1]))}, [2.0, 2.0]),
    ("get_item", [A], {"slices": (..., None, (0, 2))}, [[[1.0, 3.0]], [[4.0, 6.0]]]),
    ("get_item", [A], {"slices": A > 4}, [5.0, 6.0]),
    (
        "get_item_grad",
        [[1.0, 2.0, 4.0]],
        {"slices": np.array([0, 2, 0]), "in_shape": (3,)},
        [5.0, 0.0, 2.0],
    ),
    ("concatenate", [[1.0], [2.0, 3.0]], {"axis": 0}, [1.0, 2.0, 3.0]),
    ("concatenate", [A[:, :1], A[:, 1:]], {"axis": 1}, A),
    ("concatenate", [A[:1], A[1:]], {}, A),
    ("stack", [[1.0, 2.0], [3.0, 4.0]], {"axis": 1}, [[1.0, 3.0], [2.0, 4.0]]),
    ("stack", [A[0], A[1]], {}, A),
    ("sum", [A], {"axis": 0, "keepdims": True}, [[5.0, 7.0, 9.0]]),
    ("sum", [np.zeros((0, 2))], {"axis": 0}, [0.0, 0.0]),
    ("mean", [A], {"axis": (0, 1)}, 3.5),
    ("mean", [A], {"axis": None}, 3.5),
    ("var", [A], {"axis": 1}, [2 / 3, 2 / 3]),
    ("var", [A], {"axis": 1, "keepdims": True}, [[2 / 3], [2 / 3]]),
    ("max", [[[1.0, 2.0, 2.0], [5.0, 4.0, INF]]], {"axis": 1}, [2.0, INF]),
    ("min", [[3.0, 1.0, 1.0]], {"axis": None, "keepdims": True}, [1.0]),
    ("min", [A], {"axis": 1}, [1.0, 4.0]),
    ("min", [A], {"axis": 1, "keepdims": True}, [[1.0], [4.0]]),
    ("max", [[0.1, 0.1, 0.1, 1e-9]], {"axis": None}, 0.1),
    ("max", [[1e308, 1e308]], {"axis": None}, 1e308),
    ("prod", [A], {"axis": 1}, [6.0, 120.0]),
    ("prod", [A], {"axis": 1, "keepdims": True}, [[6.0], [120.0]]),
    ("prod", [np.zeros((0,))], {"axis": None}, 1.0),
    ("cumsum", [A], {"axis": None}, [1.0, 3.0, 6.0, 10.0, 15.0, 21.0]),
    ("cumsum", [A], {"axis": 0}, [[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]]),
    ("logsumexp", [[0.0, 0.0]], {"axis": None}, np.log(2)),
    ("logsumexp", [[[[0.0], [0.0]]]], {"axis": 1}, [[np.log(2)]]),
    ("logsumexp", [[[[0.0], [0.0]]]], {"axis": 1, "keepdims": True}, [[[np.log(2)]]]),
    ("logsumexp", [[[1000.0, 1000.0], [-1000.0, -INF]]], {"axis": 1}, [1000 + np.log(2), -1000.0]),
    ("logsumexp", [[-INF, -INF]], {"axis": 0}, -INF),
    ("logsumexp", [[INF, 0.0]], {"axis": 0}, INF),
    ("softmax", [[1000.0, 1000.0, -1000.0]], {"axis": 0}, [0.5, 0.5, 0.0]),
    ("softmax", [[[0.0, np.log(3)], [1000.0, 1000.0]]], {"axis": 1}, [[0.25, 0.75], [0.5, 0.5]]),
    ("log_softmax", [[1000.0, -1000.0]], {"axis": 0}, [0.0, -2000.0]),
    ("log_softmax", [[0.0, -40.0]], {"axis": 0}, [-np.exp(-40.0), -40.0]),
    ("log_softmax", [[[0.0, 0.0], [1e3, 0.0]]], {"axis": 1}, [[-np.log(2)] * 2, [0.0, -1e3]]),
    ("matmul", [[1.0, 2.0], [3.0, 4.0]], {}, 11.0),
    ("matmul", [A, [1.0, 0.0, 1.0]], {}, [4.0, 10.0]),
    ("linear", [A, [[1.0], [0.0], [1.0]], [0.5]], {}, [[4.5], [10.5]]),
    ("linear", [A[0], [[1.0], [0.0], [1.0]], [0.5]], {}, [4.5]),
    (
        "dropout",
        [[1.0, 2.0, INF]],
        {"mask": np.array([True, True, False]), "dropout_ratio": 0.75},
        [4.0, 8.0, np.nan],
    ),
    ("embed_id", [A], {"x": np.array([1, 0, 1])}, A[[1, 0, 1]]),
    ("silu", [[0.0, 1000.0, -np.log(3)]], {}, [0.0, 1000.0, -np.log(3) / 4]),
    ("gelu", [[0.0, 1.0, 1000.0, -1000.0]], {}, [0.0, 0.8411919906082768, 1000.0, 0.0]),
    ("batch_norm", [[[1.0], [5.0]], [3.0], [0.5]], {"eps": 0.0}, [[-2.5], [3.5]]),
    ("batch_norm", [[[[1.0, 5.0]]], [2.0], [0.5]], {"eps": 12.0}, [[[-0.5, 1.5]]]),
    (
        "batch_norm",
        [[[[[1.0, 5.0]], [[2.0, 2.0]]]], [2.0, 3.0], [0.5, -1.0]],
        {"eps": 12.0},
        [[[[-0.5, 1.5]], [[-1.0, -1.0]]]],
    ),
    ("layer_norm", [[[1.0, 5.0], [2.0, 2.0]], [1.0, 3.0], [0.5, 0.5]], {"eps": 12.0}, LAYER),
    ("mean_squared_error", [A, A + 2.0], {}, 12.0),
    ("mean_squared_error", [3.0, 1.0], {}, 4.0),
    ("huber", [[0.5, 2.0, -3.0, 0.0], [0.0, 0.0, 0.0, 0.0]], {"delta": 2.0}, 6.125 / 4),
    ("huber", [[1.0, 3.0], [0.5, 5.0]], {"delta": 1.0}, 1.625 / 2),
    ("softmax_cross_entropy", [[[0.0, np.log(3)], [0.0, 0.0]]], {"t": np.array([1, 0])}, CLASSES),
    ("sigmoid_cross_entropy", [[0.0, np.log(3)], [0.5, 1.0]], {}, (np.log(2) + np.log(4 / 3)) / 2),
    ("sigmoid_cross_entropy", [[1000.0, -1000.0], [0.0, 1.0]], {}, 1000.0),
    ("binary_cross_entropy", [[0.5, 0.25], [0.5, 1.0]], {}, (np.log(2) + np.log(4)) / 2),
    ("conv2d", [IMAGE, [[[[1.0, 10.0]]]]], {"stride": 1, "pad": 0}, [[[[21.0, 32.0], [54.0, 65.0]]]]),
    ("conv2d", [IMAGE, [[[[1.0, 10.0]]]]], {}, [[[[21.0, 32.0], [54.0, 65.0]]]]),
    ("conv2d", [IMAGE, [[[[1.0]]]]], {"stride": 2, "pad": 1}, [[[[0.0, 0.0, 0.0], [0.0, 5.0, 0.0]]]]),
    ("deconv2d", [[[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]]], {"stride": 1}, [[[[1.0, 12.0, 20.0]]]]),
    ("deconv2d", [[[[[1.0, 2.0]]]], [[[[1.0, 10.0]]]]], {"stride": 2}, [[[[1.0, 10.0, 2.0, 20.0]]]]),
    ("conv2d_grad_w", [IMAGE, [[[[1.0, 10.0]]]]], {"kernel_size": 2}, [[[[21.0, 32.0], [54.0, 65.0]]]]),
    ("im2col", [IMAGE], {"kernel_size": 2}, [[1.0, 2.0, 4.0, 5.0], [2.0, 3.0, 5.0, 6.0]]),
    (
        "col2im",
        [[[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]]],
        {"input_shape": (1, 1, 2, 3), "kernel_size": 2},
        [[[[1.0, 12.0, 20.0], [3.0, 34.0, 40.0]]]],
    ),
    ("pooling", [IMAGE], {"kernel_size": 2}, [[[[5.0, 6.0]]]]),
    ("pooling", [-IMAGE], {"kernel_size": (1, 2), "stride": 2, "pad": (0, 1)}, [[[[-1.0, -2.0]]]]),
    ("average_pooling", [IMAGE], {"kernel_size": 2}, [[[[3.0, 4.0]]]]),
    ("average_pooling", [IMAGE[:, :, :1]], {"kernel_size": 3, "pad": 1}, [[[[3 / 9, 6 / 9, 5 / 9]]]]),
]


@pytest.mark.parametrize(("op", "operands", "attributes", "expected"), VALUES)
def test_values(op: str, operands: list[Any], attributes: dict[str, Any], expected: Any) -> None:
    (found,) = run(op, *operands, **attributes)
    assert type(found) is np.ndarray
    assert found.shape == np.shape(expected)
    if op == "log_softmax" and np.ravel(expected)[0] != 0:
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)


def test_every_operation_has_a_value_here() -> None:
    assert {op for op, *_ in VALUES} | {"split", "lstm_cell"} == set(FUNCTIONS)


def test_every_operation_says_what_it_is() -> None:
    for name, function in FUNCTIONS.items():
        assert function.__doc__, name


def defaults(function: Callable[..., object]) -> dict[str, object]:
    """What may be left out in a call, and what it is then."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_may_be_left_out_is_the_same_as_for_the_operation(name: str) -> None:
    of_class = defaults(OPERATIONS[name].__init__)
    found = defaults(FUNCTIONS[name])
    assert found == {key: of_class[key] for key in found}
    if name in BOUNDS:
        of_bound = defaults(BOUNDS[name])
        assert of_class == {key: of_bound[key] for key in of_class}


def test_split_gives_equal_parts() -> None:
    first, second = run("split", A.T[:2], sections=2, axis=0, n_out=2)
    np.testing.assert_array_equal(first, [[1.0, 4.0]])
    np.testing.assert_array_equal(second, [[2.0, 5.0]])
    np.testing.assert_array_equal(run("split", A, sections=2, n_out=2)[1], A[1:])
    np.testing.assert_array_equal(run("split", A[:, :2], sections=2, axis=1, n_out=2)[0], A[:, :1])


# --- on complex numbers: as the complex-step oracle asks ------------------------------------------


def at(op: str, *operands: Any, **attributes: Any) -> Any:
    """What a reference function gives for complex numbers."""
    return np.asarray(FUNCTIONS[op](*[np.asarray(x) for x in operands], **attributes))


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "expected"),
    [
        ("relu", [2j], {}, 0),
        ("leaky_relu", [2j], {"slope": 0.5}, 1j),
        ("maximum", [1 + 2j, 1 + 4j], {}, 1 + 3j),
        ("minimum", [1 + 2j, 1 + 4j], {}, 1 + 3j),
        ("clip", [[0 + 1j, 1 + 1j, 2 + 1j]], {"x_min": 0.0, "x_max": 1.0}, [1j, 1 + 1j, 1]),
        ("clip", [1 + 1j], {"x_min": 1.0, "x_max": 1.0}, 1),
    ],
)
def test_the_slope_at_a_kink_is_the_documented_one(
    op: str, operands: list[Any], attributes: dict[str, Any], expected: Any
) -> None:
    np.testing.assert_array_equal(at(op, *operands, **attributes), expected)


@pytest.mark.parametrize("x", [-0.5, 0.5])
@pytest.mark.parametrize("c", [101, -101, 3])
def test_an_integer_power_has_its_slope_on_both_sides_of_zero(x: float, c: int) -> None:
    """A plain complex power goes through the logarithm when c is large, and jumps at its cut."""
    found = at("pow", x + 1e-200j, c=float(c))
    np.testing.assert_allclose(found.real, x**c, rtol=1e-12)
    np.testing.assert_allclose(found.imag, c * x ** (c - 1) * 1e-200, rtol=1e-12)


def test_an_integer_power_keeps_the_width_of_a_complex_number() -> None:
    assert at("pow", np.array([-2 + 1j], np.complex64), c=3.0).dtype == np.complex64


def test_the_logarithm_near_one_is_accurate_in_both_parts() -> None:
    found = at("log1p", 1e-20 + 1e-30j)
    np.testing.assert_allclose([found.real, found.imag], [1e-20, 1e-30], rtol=1e-14)


@pytest.mark.parametrize("op", ["max", "min"])
def test_the_mean_of_those_tied_keeps_the_dtype(op: str) -> None:
    assert at(op, np.ones(3, np.float32), axis=0).dtype == np.float32


def test_the_adjoint_of_an_index_takes_complex_numbers() -> None:
    np.testing.assert_array_equal(at("get_item_grad", 2j, slices=1, in_shape=(2,)), [0, 2j])


def test_a_number_of_whatever_kind_has_a_point_for_comparisons() -> None:
    assert point(np.array([Fraction(1, 3)], object)).dtype == np.float64
    assert point(np.array([1j], np.complex64)).dtype == np.float32


WINDOWED = [
    row
    for row in VALUES
    if row[0] in ("conv2d", "deconv2d", "conv2d_grad_w", "im2col", "col2im", "average_pooling")
]


@pytest.mark.parametrize(("op", "operands", "attributes", "expected"), WINDOWED)
def test_windows_are_linear_in_each_operand_over_the_complex_numbers(
    op: str, operands: list[Any], attributes: dict[str, Any], expected: Any
) -> None:
    for i in range(len(operands)):
        turned = [np.multiply(1j, x) if i == j else x for j, x in enumerate(operands)]
        np.testing.assert_allclose(at(op, *turned, **attributes), np.multiply(1j, expected), rtol=1e-14)


def test_lstm_cell_gives_the_output_and_the_state() -> None:
    """Its gates are open, but for one that is half open."""
    h, state = run("lstm_cell", [0.0], [1000.0], [1000.0], [np.log(2)], [3.0], n_out=2)
    np.testing.assert_allclose(state, [1.5 + 0.6], rtol=1e-14)
    np.testing.assert_allclose(h, np.tanh([2.1]), rtol=1e-14)


def test_values_are_numbered_inputs_first() -> None:
    program = Program(
        (np.array([1.0, 2.0]), np.array(3.0)),
        (Step("split", (0,), {"sections": 2, "axis": 0}, 2), Step("mul", (3, 1))),
        (4,),
        (np.ones(1),),
    )
    assert [v.tolist() for v in evaluate(program)] == [[1.0, 2.0], 3.0, [1.0], [2.0], [6.0]]
    assert [v.tolist() for v in evaluate(program, [np.array([5.0, 7.0]), np.array(2.0)])][4] == [14]


def test_linear_operations_run_on_fractions() -> None:
    x = np.array([Fraction(1, 3), Fraction(2, 3)], object)
    program = Program(
        (np.zeros(2),),
        (Step("pad", (0,), {"pad_width": ((1, 0),)}), Step("cumsum", (1,), {"axis": 0})),
        (2,),
        (np.ones(3),),
    )
    _, padded, summed = evaluate(program, [x])
    assert [type(e) for e in padded] == [Fraction] * 3
    assert summed.tolist() == [0, Fraction(1, 3), 1]


def test_numpys_warnings_are_silent() -> None:
    assert np.isnan(run("log", -1.0)[0])
    assert run("exp", 1e4)[0] == INF


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "message"),
    [
        ("sine", [1.0], {}, r"^step 0 \(sine\): no such operation$"),
        ("matmul", [A, A], {}, r"^step 0 \(matmul\): operands of shapes \(2, 3\), \(2, 3\): \S+"),
        ("sum", [A], {"axes": 1}, r"^step 0 \(sum\): .*unexpected keyword argument 'axes'"),
        ("sum", [A], {"axis": 2}, r"axis 2 is out of bounds"),
        ("sum", [A], {"axis": "x"}, r"^step 0 \(sum\)"),
        ("sum", [A, A], {}, r"positional argument"),
        ("reshape", [A], {}, r"missing .* 'shape'"),
        ("reshape", [A], {"shape": (5,)}, r"cannot reshape"),
        ("add", [[1.0, 2.0], [1.0, 2.0, 3.0]], {}, r"broadcast"),
        ("sum_to", [A], {"shape": (2,)}, r"^step 0 \(sum_to\)"),
        ("sum_to", [[1.0]], {"shape": (3,)}, r"shape \(3,\) does not broadcast to \(1,\)"),
        ("broadcast_to", [A], {"shape": ("a",)}, r"^step 0 \(broadcast_to\)"),
        ("pad", [A], {"pad_width": ((1, 1),)}, r"^step 0 \(pad\)"),
        ("pad", [[1.0]], {"pad_width": ((-1, 1),)}, r"pad_width"),
        ("get_item", [A], {"slices": 5}, r"index 5 is out of bounds"),
        ("get_item", [A], {"slices": "name"}, r"^step 0 \(get_item\)"),
        ("max", [np.zeros(0)], {"axis": None}, r"^step 0 \(max\)"),
        ("concatenate", [], {"axis": 0}, r"^step 0 \(concatenate\)"),
        ("split", [A], {"sections": 3, "axis": 1}, r"sections is 3, n_out is 1"),
        ("split", [np.zeros(0)], {"sections": 10**9, "axis": 0}, r"n_out is 1"),
        ("conv2d", [IMAGE, np.ones((1, 2, 1, 1))], {}, r": channels do not fit: 1 and 2$"),
        (
            "conv2d",
            [IMAGE, np.ones((1, 1, 5, 1))],
            {"pad": (1, 0)},
            r": a window of \(5, 1\) has no place on \(2, 3\) with padding \(1, 0\)$",
        ),
        (
            "im2col",
            [IMAGE],
            {"kernel_size": (1, 6), "pad": (0, 1)},
            r": a window of \(1, 6\) has no place on \(2, 3\) with padding \(0, 1\)$",
        ),
        (
            "average_pooling",
            [IMAGE[:, :, :0]],
            {"kernel_size": 1, "pad": 1},
            r": a window of \(1, 1\) has no place on \(0, 3\) with padding \(1, 1\)$",
        ),
        ("pooling", [IMAGE], {"kernel_size": 0}, r": 0: expected numbers not below 1$"),
        (
            "pooling",
            [IMAGE],
            {"kernel_size": 2, "stride": (1, 0)},
            r": \(1, 0\): expected numbers not below 1$",
        ),
        ("pooling", [IMAGE], {"kernel_size": 2, "pad": -1}, r": -1: expected numbers not below 0$"),
        ("pooling", [IMAGE], {"kernel_size": 2, "pad": (2, 1)}, r": a window with no element of x$"),
        ("pooling", [IMAGE], {"kernel_size": 2, "pad": (1, 2)}, r": a window with no element of x$"),
        ("deconv2d", [IMAGE, np.ones((2, 1, 1, 1))], {}, r": channels do not fit: 1 and 2$"),
        (
            "deconv2d",
            [IMAGE, np.ones((1, 1, 1, 1))],
            {"outsize": 5},
            r": places do not fit: \(2, 3\) and \(5, 5\)$",
        ),
        (
            "conv2d_grad_w",
            [IMAGE, np.ones((1, 1, 1, 1))],
            {"kernel_size": 1},
            r": places do not fit: \(1, 1\) and \(2, 3\)$",
        ),
        (
            "col2im",
            [A],
            {"input_shape": (1, 1, 2, 3), "kernel_size": 2},
            r": shapes do not fit: \(2, 3\) and \(2, 4\)$",
        ),
        (
            "pooling",
            [IMAGE],
            {"kernel_size": (2, 1), "pad": (0, 1)},
            r": pad \(0, 1\) and kernel_size \(2, 1\): a window with no element of x$",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    op: str, operands: list[Any], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProgramError, match=message):
        run(op, *operands, **attributes)


BIG = np.zeros(MAX_ELEMENTS)
MANY = np.zeros((1000, 1), int)


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("add", [BIG[:, None], BIG], {}),
        ("where", [1.0, 2.0], {"condition": np.zeros((2, MAX_ELEMENTS), bool)}),
        ("maximum", [BIG[:, None], BIG[:2]], {}),
        ("matmul", [BIG[:, None], BIG[None]], {}),
        ("matmul", [np.zeros((1001, 1, 1)), np.zeros((1, 1, 1000))], {}),
        ("pad", [1.0 + BIG[:1]], {"pad_width": ((0, 10**9),)}),
        ("broadcast_to", [1.0], {"shape": (10**9,)}),
        ("stack", [BIG, BIG], {"axis": 0}),
        ("concatenate", [BIG, BIG[:1]], {"axis": 0}),
        ("get_item", [BIG[:1001]], {"slices": (None, MANY.repeat(1001, 1))}),
        ("get_item", [np.zeros((5, 1001))], {"slices": MANY[:, 0]}),
        ("get_item_grad", [1.0], {"slices": 0, "in_shape": (10**9,)}),
        (
            "get_item_grad",
            [1.0],
            {"slices": (np.zeros((10**5, 1), int), np.zeros((1, 10**5), int)), "in_shape": (2, 2)},
        ),
    ],
)
def test_large_results_are_refused_before_memory_is_asked_for(
    op: str, operands: list[Any], attributes: dict[str, Any]
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProgramError, match=f"at most {MAX_ELEMENTS} are allowed"):
            run(op, *operands, **attributes)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_just_fits_is_not_refused() -> None:
    assert run("get_item", np.zeros((5, 1000)), slices=MANY[:, 0])[0].size == MAX_ELEMENTS
    assert run("matmul", np.zeros((1000, 1)), np.zeros((1, 1000)))[0].size == MAX_ELEMENTS
    assert run("get_item", BIG, slices=BIG == 0)[0].size == MAX_ELEMENTS
    assert run("get_item", A, slices=(True, None))[0].shape == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "elements"),
    [
        ("conv2d", [IMAGE, np.ones((1, 1, 2, 2))], {"pad": (2, 3)}, 6 * 9),
        ("conv2d", [IMAGE, np.ones((3, 1, 1, 1))], {}, 3 * 6),
        ("conv2d", [IMAGE[:0], np.ones((3, 1, 1, 1))], {}, 3 * 6),
        ("deconv2d", [IMAGE, np.ones((1, 1, 1, 2))], {}, 2 * 4),
        ("conv2d_grad_w", [IMAGE, np.ones((1, 4, 1, 1))], {"kernel_size": (2, 3)}, 4 * 6),
        ("conv2d_grad_w", [IMAGE.repeat(5, 0), np.ones((5, 1, 2, 3))], {"kernel_size": 1}, 5 * 6),
        ("im2col", [IMAGE], {"kernel_size": 2}, 2 * 2 * 2),
        ("col2im", [np.ones((2, 4))], {"kernel_size": 2, "input_shape": IMAGE.shape}, 2 * 2 * 2),
    ],
)
def test_the_bound_is_the_largest_of_what_is_made(
    op: str, operands: list[Array], attributes: dict[str, Any], elements: int
) -> None:
    assert BOUNDS[op](*operands, **attributes) == elements
