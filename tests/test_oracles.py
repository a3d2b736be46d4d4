"""The oracles against each other, against closed forms, and against planted faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dezero.contract import Array
from dezero.verify import evaluation
from dezero.verify.oracles import (
    AT_ONCE,
    Estimate,
    Undecided,
    complex_step,
    complex_step_along,
    enclose_along,
    enclose_gradient,
    enclose_product,
    enclose_root,
    enclose_second,
    enclose_values,
    ladders,
    one_sided,
    root,
)
from dezero.verify.program import Program, ProgramError, Step

Attributes = dict[str, Any]  # whatever an operation takes

RNG = np.random.default_rng(20)
EMPTY: Array = np.zeros((0, 2))
X = RNG.normal(size=(2, 3))
Y = RNG.normal(size=(2, 3))
POSITIVE = np.exp(X)
INSIDE = np.tanh(X)
ROW = RNG.normal(size=3)
IMAGES = np.sin(np.arange(12.0)).reshape(1, 2, 3, 2)
KERNELS = np.cos(np.arange(4.0)).reshape(1, 2, 2, 1)
WINDOWS = np.sin(np.arange(8.0)).reshape(2, 4)

CASES: list[tuple[str, list[Array], Attributes, int]] = [
    *((op, [X, Y], {}, 1) for op in ("add", "sub", "mul", "div", "maximum", "minimum")),
    *((op, [X, ROW], {}, 1) for op in ("add", "sub", "mul", "div", "maximum", "minimum")),
    *((op, [np.array(0.7), X], {}, 1) for op in ("mul", "div")),
    ("power", [POSITIVE, ROW], {}, 1),
    *(
        (op, [X], {}, 1)
        for op in (
            *("identity", "neg", "abs", "square", "reciprocal", "exp", "expm1", "sin", "cos", "tan"),
            *("sinh", "cosh", "tanh", "arctan", "sigmoid", "softplus", "relu", "flatten"),
        )
    ),
    *((op, [400 * X], {}, 1) for op in ("tanh", "sigmoid", "softplus")),
    *((op, [1e-12 * X], {}, 1) for op in ("expm1", "log1p", "tanh", "sinh", "arctan", "sin")),
    *((op, [POSITIVE], {}, 1) for op in ("sqrt", "log", "log1p", "log2")),
    *((op, [INSIDE], {}, 1) for op in ("arcsin", "arccos", "log1p")),
    *(("pow", [X], {"c": c}, 1) for c in (0, 1, 2, 3.0, -1, -3, 5, 101.0, 0.0)),
    *(("pow", [POSITIVE], {"c": c}, 1) for c in (0.5, -1.7, 2, -2)),
    ("pow", [np.array([0.0, 1.0])], {"c": 1}, 1),
    ("leaky_relu", [X], {"slope": 0.2}, 1),
    ("clip", [X], {"x_min": -0.5, "x_max": 0.5}, 1),
    ("where", [X, ROW], {"condition": X > 0}, 1),
    ("reshape", [X], {"shape": (3, 2)}, 1),
    ("transpose", [X], {"axes": None}, 1),
    ("transpose", [X], {"axes": (1, 0)}, 1),
    ("swapaxes", [X], {"axis1": 0, "axis2": 1}, 1),
    ("expand_dims", [X], {"axis": 1}, 1),
    ("squeeze", [X[:1]], {"axis": 0}, 1),
    ("squeeze", [X[:1]], {"axis": None}, 1),
    ("broadcast_to", [ROW], {"shape": (2, 3)}, 1),
    ("sum_to", [X], {"shape": (3,)}, 1),
    ("sum_to", [X], {"shape": (2, 1)}, 1),
    ("sum_to", [X], {"shape": ()}, 1),
    ("get_item", [X], {"slices": (0, slice(None, None, 2))}, 1),
    ("get_item", [X], {"slices": (np.array([0, 0, 1]), 1)}, 1),
    ("get_item", [X], {"slices": X > 0}, 1),
    ("get_item_grad", [X], {"slices": (slice(1, 3), slice(None)), "in_shape": (4, 3)}, 1),
    ("get_item_grad", [ROW], {"slices": np.array([1, 1, 0]), "in_shape": (2,)}, 1),
    ("concatenate", [X, Y, X[:1]], {"axis": 0}, 1),
    ("stack", [X, Y], {"axis": -1}, 1),
    ("split", [X], {"sections": 3, "axis": 1}, 3),
    ("pad", [X], {"pad_width": ((1, 0), (0, 2))}, 1),
    ("flip", [X], {"axis": None}, 1),
    ("flip", [X], {"axis": 1}, 1),
    ("roll", [X], {"shift": 1, "axis": None}, 1),
    ("roll", [X], {"shift": -2, "axis": 1}, 1),
    *(
        (op, [x], {"axis": axis, "keepdims": keepdims}, 1)
        for op in ("sum", "mean", "var", "max", "min", "prod", "logsumexp")
        for x, axis, keepdims in (
            (X, None, False),
            (X, 0, True),
            (X, (0, 1), False),
            (X, -1, False),
            (np.array(0.3), None, False),
        )
    ),
    *((op, [EMPTY], {"axis": 0, "keepdims": False}, 1) for op in ("sum", "prod")),
    ("cumsum", [X], {"axis": None}, 1),
    ("cumsum", [X], {"axis": 0}, 1),
    ("softmax", [X], {"axis": 1}, 1),
    ("softmax", [500 * X], {"axis": 0}, 1),
    ("log_softmax", [X], {"axis": 1}, 1),
    ("log_softmax", [500 * X], {"axis": 0}, 1),
    ("matmul", [X, Y.T], {}, 1),
    ("matmul", [ROW, Y.T], {}, 1),
    ("matmul", [X, ROW], {}, 1),
    ("matmul", [ROW, ROW], {}, 1),
    ("matmul", [RNG.normal(size=(2, 1, 2, 3)), RNG.normal(size=(2, 3, 1))], {}, 1),
    ("matmul", [np.zeros((2, 0)), np.zeros((0, 3))], {}, 1),
    ("linear", [X, Y.T, ROW[:2]], {}, 1),
    ("linear", [ROW, Y.T, ROW[:2]], {}, 1),
    ("dropout", [X], {"mask": Y > 0, "dropout_ratio": 0.25}, 1),
    ("embed_id", [X], {"x": np.array([[1, 0], [1, 1]])}, 1),
    *((op, [x], {}, 1) for op in ("silu", "gelu") for x in (X, 10 * X)),
    ("lstm_cell", [X, Y, POSITIVE, INSIDE, X * Y], {}, 2),
    *((op, [X, ROW, ROW], {"eps": 0.1}, 1) for op in ("batch_norm", "layer_norm")),
    ("layer_norm", [X, ROW, ROW], {"eps": 1e-5}, 1),
    ("batch_norm", [IMAGES, ROW[:2], ROW[1:]], {"eps": 0.1}, 1),
    ("layer_norm", [ROW, ROW, ROW], {"eps": 0.1}, 1),
    *((op, [X, Y], {}, 1) for op in ("mean_squared_error", "sigmoid_cross_entropy")),
    *(("huber", [X, Y], {"delta": delta}, 1) for delta in (0.01, 0.7, 10.0)),
    ("mean_squared_error", [np.array(0.7), np.array(0.2)], {}, 1),
    ("sigmoid_cross_entropy", [100 * X, INSIDE], {}, 1),
    ("softmax_cross_entropy", [X], {"t": np.array([2, 0])}, 1),
    ("softmax_cross_entropy", [100 * X], {"t": np.array([1, 1])}, 1),
    ("binary_cross_entropy", [POSITIVE / (1 + POSITIVE), Y], {}, 1),
    ("conv2d", [IMAGES, KERNELS], {}, 1),
    ("conv2d", [IMAGES, KERNELS], {"stride": 2, "pad": (0, 1)}, 1),
    ("deconv2d", [IMAGES, KERNELS.swapaxes(0, 1)], {"stride": (1, 2), "pad": 1}, 1),
    ("conv2d_grad_w", [IMAGES, KERNELS], {"kernel_size": 2}, 1),
    ("im2col", [IMAGES], {"kernel_size": 2, "pad": (0, 1), "to_matrix": False}, 1),
    ("col2im", [WINDOWS], {"input_shape": (1, 1, 3, 2), "kernel_size": 2}, 1),
    *(
        (op, [IMAGES], {"kernel_size": 2, "stride": (1, 2), "pad": (0, 1)}, 1)
        for op in ("pooling", "average_pooling")
    ),
]


def make(inputs: Sequence[Array], *steps: Step, outputs: Sequence[int] | None = None) -> Program:
    """A program with random seeds; its outputs are those of the last step, unless given."""
    n_values = len(inputs) + sum(step.n_out for step in steps)
    if outputs is None:
        outputs = range(n_values - steps[-1].n_out, n_values)
    bare = Program(tuple(inputs), steps, tuple(outputs), tuple(np.ones(()) for _ in outputs))
    values = evaluation.evaluate(bare)
    rng = np.random.default_rng(3)
    seeds = tuple(np.asarray(rng.normal(size=values[output].shape)) for output in outputs)
    return Program(bare.inputs, bare.steps, bare.outputs, seeds)


def directions(program: Program, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=x.shape)) for x in program.inputs]


def line(program: Program, direction: Sequence[Array]) -> Callable[[float], float]:
    def f(t: float) -> float:
        moved = [x + t * v for x, v in zip(program.inputs, direction, strict=True)]
        return root(program.with_inputs([np.asarray(x) for x in moved]))

    return f


@pytest.mark.parametrize(("op", "inputs", "attributes", "n_out"), CASES)
def test_the_oracles_agree_on_every_operation(
    op: str, inputs: list[Array], attributes: Attributes, n_out: int
) -> None:
    program = make(inputs, Step(op, tuple(range(len(inputs))), attributes, n_out))
    direction = directions(program)
    scale = 1.0
    for gradient, proof in zip(complex_step(program), enclose_gradient(program), strict=True):
        size = np.max(np.abs(proof.mid), initial=0.0)
        assert np.all(proof.rad <= 1e-15 * np.abs(proof.mid) + 1e-30 * max(1.0, size))
        scale = max(scale, float(size))
        assert proof.contains(gradient, 1e-14 * np.abs(proof.mid) + 2e-15 * size)
    along = enclose_along(program, direction)
    assert along.contains(complex_step_along(program, direction), 1e-14 * scale)
    assert enclose_root(program).contains(root(program), 1e-13 * (1 + abs(root(program))))


@pytest.mark.parametrize(("op", "inputs", "attributes", "n_out"), CASES)
def test_differences_of_values_agree_where_they_claim_to(
    op: str, inputs: list[Array], attributes: Attributes, n_out: int
) -> None:
    program = make(inputs, Step(op, tuple(range(len(inputs))), attributes, n_out))
    direction = directions(program)
    estimate = ladders(line(program, direction), bound=1e-2)
    if estimate.resolved:
        assert enclose_along(program, direction).contains(estimate.value, 3 * estimate.error)


def test_the_cases_are_every_operation() -> None:
    assert {case[0] for case in CASES} == set(evaluation.FUNCTIONS)


@pytest.mark.parametrize(("op", "inputs", "attributes", "n_out"), CASES)
def test_one_function_serves_all_kinds_of_numbers(
    op: str, inputs: list[Array], attributes: Attributes, n_out: int
) -> None:
    program = make(inputs, Step(op, tuple(range(len(inputs))), attributes, n_out))
    values = [evaluation.evaluate(program)[i] for i in program.outputs]
    single = evaluation.evaluate(program.astype("float32"))
    turned = evaluation.evaluate(program, [x + 0j for x in program.inputs])
    for k, proof in enumerate(enclose_values(program)):
        i = program.outputs[k]
        assert type(values[k]) is np.ndarray
        assert values[k].dtype == np.float64
        assert single[i].dtype == np.float32
        assert single[i].shape == turned[i].shape == proof.mid.shape == values[k].shape
        np.testing.assert_allclose(turned[i], values[k], rtol=1e-13, atol=1e-300)
        assert proof.contains(values[k], 2e-12 * np.abs(proof.mid))


def composed() -> Program:
    return make(
        [X, RNG.normal(size=(3, 2))],
        Step("sin", (0,)),
        Step("matmul", (2, 1)),
        Step("tanh", (3,)),
        Step("sum", (0,), {"axis": 1, "keepdims": True}),
        Step("exp", (5,)),
        Step("mul", (4, 6)),
        Step("split", (7,), {"sections": 2, "axis": 1}, 2),
        Step("softplus", (8,)),
        Step("logsumexp", (9,), {"axis": None, "keepdims": False}),
        outputs=(7, 10, 11),
    )


def test_the_oracles_agree_on_a_composed_program() -> None:
    program = composed()
    direction = directions(program)
    for gradient, proofs in zip(complex_step(program), enclose_gradient(program), strict=True):
        assert proofs.contains(gradient, 1e-14)
    proof = enclose_along(program, direction)
    assert proof.rad < 1e-14
    estimate = ladders(line(program, direction))
    assert estimate.resolved
    assert proof.contains(estimate.value, 3 * estimate.error)
    assert proof.contains(complex_step_along(program, direction), 1e-13)
    right, left = one_sided(program, direction)
    assert proof.contains(right.value, right.error)
    assert proof.contains(left.value, left.error)


@pytest.mark.parametrize("n", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 3])
def test_elements_enclosed_at_once_do_not_meet(n: int) -> None:
    x = np.arange(1.0, n + 1)  # whole numbers, small enough that all here is exact
    steps = Step("sum", (0,)), Step("square", (1,)), Step("square", (2,))
    program = Program((x,), steps, (3,), (np.ones(()),))
    (gradient,) = enclose_gradient(program)
    assert np.array_equal(gradient.mid, np.full(n, 4 * x.sum() ** 3))
    assert np.all(gradient.rad == 0)


SMOOTH = ("sin", "tanh", "exp", "arctan", "sigmoid", "softplus", "square", "neg", "cosh", "cos")
JOINING = ("add", "mul", "sub", "maximum")


def random_program(seed: int) -> Program:
    rng = np.random.default_rng(seed)
    steps: list[Step] = []
    for number in range(2, 8):
        op = str(rng.choice(SMOOTH + JOINING))
        arity = 2 if op in JOINING else 1
        steps.append(Step(op, tuple(int(i) for i in rng.integers(0, number, arity))))
    inputs = [np.asarray(rng.normal(size=shape)) for shape in ((2,), (3, 2))]
    return make(inputs, *steps, outputs=(6, 7))


@pytest.mark.parametrize("seed", range(60))
def test_the_oracles_agree_on_random_programs(seed: int) -> None:
    program = random_program(seed)
    direction = directions(program)
    proof = enclose_along(program, direction)
    if not abs(proof.mid) < 1e100:  # squares of exponentials of squares
        return
    scale = 1 + sum(float(np.sum(np.abs(g))) for g in complex_step(program))
    assert proof.contains(complex_step_along(program, direction), 1e-12 * scale)
    estimate = ladders(line(program, direction))
    if estimate.resolved:
        assert proof.contains(estimate.value, 3 * estimate.error)
    for side in one_sided(program, direction):
        if side.resolved:
            assert proof.contains(side.value, 3 * side.error + 1e-12 * scale)


def test_the_second_derivative_is_that_of_the_first() -> None:
    program = composed()
    v = directions(program, 1)
    proof = enclose_second(program, v)

    def slope(t: float) -> float:
        moved = [x + t * d for x, d in zip(program.inputs, v, strict=True)]
        return complex_step_along(program.with_inputs(moved), v)

    estimate = ladders(slope)
    assert estimate.resolved
    assert proof.contains(estimate.value, 3 * estimate.error)


def test_a_second_derivative_in_closed_form() -> None:
    program = Program(
        (np.array(3.0), np.array(5.0)),
        (Step("square", (0,)), Step("mul", (2, 1))),
        (3,),
        (np.array(1.0),),
    )
    one, zero = np.array(1.0), np.array(0.0)
    assert enclose_second(program, [one, zero]).mid == 10.0
    assert enclose_second(program, [one, one]).mid == 10.0 + 2 * 6.0
    assert enclose_second(program, [zero, one]).mid == 0.0


def test_a_product_with_the_hessian_in_closed_form() -> None:
    program = Program(
        (np.array([3.0, 7.0]), np.array(5.0)),
        (Step("square", (0,)), Step("mul", (2, 1))),
        (3,),
        (np.array([1.0, -2.0]),),
    )
    v = [np.array([1.0, 0.5]), np.array(-0.25)]
    of_x, of_factor = enclose_product(program, v)
    np.testing.assert_array_equal(of_x.mid, [10.0 + 6.0 * -0.25, -2 * (10.0 * 0.5 + 14.0 * -0.25)])
    np.testing.assert_array_equal(of_factor.mid, 6.0 - 2 * 14.0 * 0.5)
    assert np.all(of_x.rad == 0)
    assert of_factor.rad == 0


def test_products_with_the_hessian_enclose_the_second_derivative() -> None:
    program = composed()
    v = [np.round(d, 3) for d in directions(program, 1)]
    v = [np.asarray(d.astype(np.float32), np.float64) for d in v]
    products = enclose_product(program, v)
    assert [h.mid.shape for h in products] == [x.shape for x in program.inputs]
    along = sum(float(np.vdot(h.mid, d)) for h, d in zip(products, v, strict=True))
    assert enclose_second(program, v).contains(along, 1e-13)


def test_inputs_of_float32_are_taken_exactly() -> None:
    x = np.array([0.1, 0.7], np.float32)
    program = Program((x,), (Step("exp", (0,)),), (1,), (np.ones(2, np.float32),))
    np.testing.assert_allclose(complex_step(program)[0], np.exp(x.astype(float)), rtol=1e-15)
    assert complex_step(program)[0].dtype == np.float64
    assert enclose_gradient(program)[0].contains(np.exp(x.astype(float)), 1e-15)


@pytest.mark.parametrize("x", [0.0, 1e-200, -1e-30, 1e-8, 3.0, 1e100, 1e300])
def test_the_complex_step_fits_every_magnitude(x: float) -> None:
    program = make([np.array(x)], Step("arctan", (0,)))
    expected = program.seeds[0] / (1 + (x if x < 1e150 else math.inf) ** 2)
    np.testing.assert_allclose(complex_step(program)[0], expected, rtol=1e-14, atol=1e-300)
    if x > 0:
        program = make([np.array(x)], Step("log", (0,)))
        np.testing.assert_allclose(complex_step(program)[0], program.seeds[0] / x, rtol=1e-14)


def test_an_input_that_nothing_reads_has_gradient_zero_and_one_that_is_copied_its_seed() -> None:
    program = make([X, ROW, Y], Step("neg", (0,)), Step("identity", (1,)), outputs=(3, 4, 3))
    first, second, third = complex_step(program)
    np.testing.assert_array_equal(first, -(program.seeds[0] + program.seeds[2]))
    np.testing.assert_array_equal(second, program.seeds[1])
    np.testing.assert_array_equal(third, np.zeros((2, 3)))
    for gradient, proof in zip((first, second, third), enclose_gradient(program), strict=True):
        assert proof.contains(gradient, 1e-15)


def test_a_seed_must_have_its_outputs_shape() -> None:
    program = Program((X,), (Step("neg", (0,)),), (1,), (np.ones(3),))
    with pytest.raises(ProgramError, match=r"seed 0 has shape \(3,\).*value 1.*\(2, 3\)"):
        complex_step(program)
    with pytest.raises(ProgramError, match="seed"):
        enclose_along(program, [X])


def test_outside_the_domain_nothing_is_proved_and_nothing_warns() -> None:
    program = make([np.array([-1.0, 2.0])], Step("log", (0,)), Step("tanh", (1,)))
    (proof,) = enclose_gradient(program)
    assert proof.rad[0] == math.inf
    assert proof.rad[1] == math.inf  # the root is the sum over both elements
    assert proof.contains(np.array([7.0, 7.0]))
    assert enclose_root(program).contains(7.0)
    assert not enclose_root(make([X], Step("neg", (0,)))).contains(math.nan)
    assert math.isnan(root(program))


# --- kinks ----------------------------------------------------------------------------------------

TIED = np.array([2.0, 1.0, 2.0, 2.0])
KINKS: list[tuple[str, list[Array], Attributes, list[list[float]]]] = [
    ("relu", [np.array([0.0, 1.0])], {}, [[0, 1]]),
    ("abs", [np.array([0.0, -1.0])], {}, [[0, -1]]),
    ("leaky_relu", [np.array([0.0])], {"slope": 0.25}, [[0.25]]),
    ("clip", [np.array([0.0, 0.5, 1.0, 2.0])], {"x_min": 0.0, "x_max": 1.0}, [[1, 1, 1, 0]]),
    ("clip", [np.array([0.5, 3.0])], {"x_min": 2.0, "x_max": 1.0}, [[0, 0]]),
    ("maximum", [np.array([1.0, 2.0]), np.array([1.0, 1.0])], {}, [[0.5, 1], [0.5, 0]]),
    ("minimum", [np.array([1.0, 2.0]), np.array([1.0, 1.0])], {}, [[0.5, 0], [0.5, 1]]),
    ("max", [TIED], {"axis": None, "keepdims": False}, [[1 / 3, 0, 1 / 3, 1 / 3]]),
    ("min", [-TIED], {"axis": 0, "keepdims": True}, [[1 / 3, 0, 1 / 3, 1 / 3]]),
    ("pow", [np.array([0.0])], {"c": 1}, [[1]]),
    ("pow", [np.array([0.0])], {"c": 0}, [[0]]),
    (
        "huber",
        [np.array([0.5, 1.0]), np.array([-0.5, 3.0])],
        {"delta": 1.0},
        [[0.5, -0.5], [-0.5, 0.5]],
    ),
]


@pytest.mark.parametrize(("op", "inputs", "attributes", "expected"), KINKS)
def test_at_a_kink_the_documented_convention_holds(
    op: str, inputs: list[Array], attributes: Attributes, expected: list[list[float]]
) -> None:
    bare = make(inputs, Step(op, tuple(range(len(inputs))), attributes))
    program = Program(bare.inputs, bare.steps, bare.outputs, (np.ones(bare.seeds[0].shape),))
    for gradient, proof, wanted in zip(
        complex_step(program), enclose_gradient(program), expected, strict=True
    ):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-15)
        assert proof.contains(np.array(wanted), 1e-15)


def test_one_sided_derivatives_reveal_a_kink() -> None:
    x = np.array(0.3)
    program = Program(
        (x,),
        (Step("sub", (0, 0)), Step("sin", (0,)), Step("add", (1, 2)), Step("sub", (3, 2))),
        (4,),
        (np.array(1.0),),
    )
    flat = one_sided(program, [np.array(1.0)])
    assert flat[0].resolved
    assert abs(flat[0].value - flat[1].value) <= flat[0].error + flat[1].error + 1e-14
    program = make([np.array(0.0)], Step("exp", (0,)), Step("abs", (0,)), Step("mul", (1, 2)))
    right, left = one_sided(program, [np.array(1.0)])
    weight = float(program.seeds[0])
    assert right.resolved
    assert left.resolved
    assert abs(right.value - weight) <= right.error + 1e-14
    assert abs(left.value + weight) <= left.error + 1e-14


def test_differences_can_stay_on_one_side() -> None:
    right = ladders(lambda t: abs(t) * math.exp(t), side=1)
    left = ladders(lambda t: abs(t) * math.exp(t), side=-1)
    assert abs(right.value - 1) <= right.error < 1e-6
    assert abs(left.value + 1) <= left.error < 1e-6
    assert ladders(lambda t: math.sqrt(t + 1) if t >= 0 else math.nan, side=1).resolved


def test_balls_that_overlap_are_undecided() -> None:
    rounded = make([np.array(1.1)], Step("log", (0,)), Step("exp", (1,)), Step("maximum", (0, 2)))
    one = [np.array(1.0)]
    with pytest.raises(Undecided, match="overlap"):
        enclose_along(rounded, one)
    with pytest.raises(Undecided, match="overlap"):
        enclose_second(rounded, one)
    with pytest.raises(Undecided):
        enclose_gradient(rounded)


def test_a_choice_for_rounding_only_is_no_kink() -> None:
    for op in ("softplus", "sigmoid"):
        program = make([np.array([0.0, 1e-300])], Step("sub", (0, 0)), Step(op, (1,)))
        assert enclose_along(program, [np.ones(2)]).contains(0.0)
    program = make([np.zeros(3)], Step("softmax", (0,), {"axis": 0}))
    assert enclose_gradient(program)[0].contains(complex_step(program)[0], 1e-15)


# --- what differences must not claim --------------------------------------------------------------


@pytest.mark.parametrize("pole", [0.03, 0.1, 0.2, 0.35, 0.6])
def test_a_pole_within_reach_is_not_confidently_wrong(pole: float) -> None:
    estimate = ladders(lambda t: 1 / (t - pole) if t != pole else math.inf)
    error = abs(estimate.value + 1 / pole**2)
    assert not estimate.resolved or error <= 3 * estimate.error


def test_no_value_is_taken_beyond_the_bound() -> None:
    seen: list[float] = []

    def f(t: float) -> float:
        seen.append(t)
        return math.log(0.1 + t)

    estimate = ladders(f, bound=0.1)
    assert max(abs(t) for t in seen) < 0.1
    assert estimate.resolved
    assert abs(estimate.value - 10) <= 3 * estimate.error


ROUGH: list[Callable[[float], float]] = [
    lambda t: math.nan,
    lambda t: math.inf if t > 0.1 else 0.0,
    lambda t: math.copysign(1.0, t),
    lambda t: math.sin(1e6 * t),
    lambda t: math.sqrt(max(t, 0)),
]


@pytest.mark.parametrize("f", ROUGH)
def test_what_has_no_derivative_or_hides_it_is_not_resolved(f: Callable[[float], float]) -> None:
    assert not ladders(f).resolved


def test_a_kink_hides_from_central_differences() -> None:
    assert ladders(abs).value == 0.0  # by symmetry; which is why `one_sided` exists


def test_a_derivative_of_zero_is_resolved_by_the_rounding_error() -> None:
    for estimate in (ladders(math.cos), ladders(lambda t: 7.0)):
        assert estimate.resolved
        assert abs(estimate.value) <= estimate.error < 1e-12
    assert ladders(math.sin) == Estimate(
        ladders(math.sin).value, ladders(math.sin).error, resolved=True
    )


# --- planted faults -------------------------------------------------------------------------------


def _conjugating(x: Array) -> Array:
    return np.asarray(x * np.conj(x))


def _of_the_modulus(x: Array) -> Array:
    return np.asarray(np.abs(x))


def _truncating(x: Array) -> Array:
    return np.asarray(np.exp(np.real(x)))


@pytest.mark.parametrize(
    ("op", "wrong"),
    [("square", _conjugating), ("abs", _of_the_modulus), ("exp", _truncating)],
)
def test_a_reference_unfit_for_complex_steps_is_caught_by_the_other_oracles(
    op: str, wrong: Callable[[Array], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make([X], Step(op, (0,)))
    direction = directions(program)
    monkeypatch.setattr(evaluation, "FUNCTIONS", {**evaluation.FUNCTIONS, op: wrong})
    found = complex_step_along(program, direction)
    estimate = ladders(line(program, direction), bound=1e-3)
    assert estimate.resolved
    assert abs(found - estimate.value) > 3 * estimate.error
    assert not enclose_along(program, direction).contains(found, 1e-3)


def test_a_wrong_value_is_caught_by_a_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make([X], Step("sin", (0,)))
    expected = program.seeds[0] * np.cos(X)
    assert enclose_gradient(program)[0].contains(expected, 1e-14)

    def off_by_a_little(x: Array) -> Any:  # arrays of numbers and of balls alike
        return np.sin(x) * (1 + 1e-9)

    monkeypatch.setattr(evaluation, "FUNCTIONS", {**evaluation.FUNCTIONS, "sin": off_by_a_little})
    assert not enclose_gradient(program)[0].contains(expected, 1e-14)
    assert not np.allclose(complex_step(program)[0], expected, rtol=1e-12, atol=0)
