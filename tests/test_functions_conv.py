"""Convolution, its adjoints and pooling: values, adjoints, gradients of every order, errors."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pytest

import dezero
import dezero.functions as F
from dezero import Variable, arrays
from dezero.contract import LARGEST_OF_WINDOW_TIED, Array
from dezero.verify import reference_conv as spec

Pair: TypeAlias = int | tuple[int, int]
Rule: TypeAlias = Callable[..., Variable]

# Shape of the images, kernel, stride, padding: also steps that leave the last rows and columns out,
# and padding that is wider than the window.
GEOMETRIES: list[tuple[tuple[int, int], tuple[int, int], Pair, Pair]] = [
    ((1, 1), (1, 1), 1, 0),
    ((3, 4), (1, 1), 1, 0),
    ((3, 4), (3, 4), 1, 0),
    ((5, 4), (3, 2), 1, 0),
    ((5, 4), (3, 2), 1, 1),
    ((5, 6), (2, 3), 2, 0),
    ((6, 5), (3, 3), 2, 1),
    ((7, 4), (2, 1), (3, 2), (1, 0)),
    ((5, 5), (1, 2), (3, 1), (0, 1)),
    ((2, 2), (2, 2), 5, 1),
    ((2, 3), (1, 2), 2, 3),
]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed + sum(shape)).normal(size=shape)


def counted(*shape: int) -> Array:
    """Distinct integers, positive and negative, in floating point: sums of products are exact."""
    n = int(np.prod(shape))
    return (np.random.default_rng(n).permutation(n) - n // 2).reshape(shape).astype(np.float64)


def pair(x: Pair) -> tuple[int, int]:
    return x if isinstance(x, tuple) else (x, x)


def outsize(size: tuple[int, int], kernel: tuple[int, int], stride: Pair, pad: Pair) -> tuple[int, int]:
    h, w = (
        (n + 2 * p - k) // s + 1
        for n, k, s, p in zip(size, kernel, pair(stride), pair(pad), strict=True)
    )
    return h, w


def slope(f: Callable[..., Variable], xs: list[Array], which: int, v: Array) -> float:
    """The derivative of a sum of values along v, in operand ``which``: by differences, extrapolated."""

    def at(t: float) -> float:
        moved = [x + t * v if i == which else x for i, x in enumerate(xs)]
        return float(np.sum(f(*moved).data))

    def central(t: float) -> float:
        return (at(t) - at(-t)) / (2 * t)

    return (4 * central(5e-4) - central(1e-3)) / 3


def check_gradients(f: Rule, *xs: Array, order: int = 2) -> None:
    """Along random directions the gradients of f are its slopes; and so for their gradients in turn."""
    weights = normal(*f(*xs).shape, seed=9)
    directions = [normal(*x.shape, seed=5) for x in xs]

    def weighted(*operands: Any) -> Variable:
        return F.sum(F.sin(f(*operands)) * weights)  # the sine, so that every order is there

    for i, v in enumerate(directions):

        def along(*operands: Any, i: int = i, v: Array = v) -> Variable:
            variables = [F.identity(x) for x in operands]
            g = dezero.grad(weighted(*variables), variables, create_graph=order > 1)[i]
            return F.sum(g * v)

        np.testing.assert_allclose(
            float(along(*xs)), slope(weighted, list(xs), i, v), rtol=1e-6, atol=1e-8
        )
        if order > 1:
            operands = [Variable(x) for x in xs]
            gs = dezero.grad(along(*operands), operands)
            for k, (g, u) in enumerate(zip(gs, directions, strict=True)):
                expected = slope(along, list(xs), k, u)
                np.testing.assert_allclose(np.sum(g.data * u), expected, rtol=1e-6, atol=1e-8)


# ---------------------------------------------------------------------------------------------- values


def test_a_convolution_by_hand() -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    W = np.array([[[[1.0, 2.0], [0.0, -1.0]]]])
    np.testing.assert_array_equal(F.conv2d(x, W).data, [[[[-2.0, 0.0], [4.0, 6.0]]]])
    np.testing.assert_array_equal(F.conv2d(x, W, np.array([10.0])).data, [[[[8, 10], [14, 16]]]])
    np.testing.assert_array_equal(F.conv2d(x, W, stride=2, pad=1).data, [[[[0, -2], [0, 6]]]])
    y = np.array([[[[1.0, 10.0]]]])
    np.testing.assert_array_equal(F.deconv2d(y, W).data, [[[[1, 12, 20], [0, -1, -10]]]])
    np.testing.assert_array_equal(F.deconv2d(y, W, np.array([5.0]), 1, (0, 1)).data, [[[[17], [4]]]])
    np.testing.assert_array_equal(
        F.conv2d_grad_w(x, np.array([[[[1.0, 10.0]]]]), (3, 2)).data,
        [[[[10, 21], [43, 54], [76, 87]]]],
    )


def test_pooling_by_hand() -> None:
    x = np.array([[[[-5.0, -4.0, -9.0], [-3.0, -8.0, -1.0], [-7.0, -2.0, -6.0]]]])
    np.testing.assert_array_equal(F.pooling(x, 2).data, [[[[-3, -1], [-2, -1]]]])
    # Never the zero of a padding:
    np.testing.assert_array_equal(F.pooling(x, 2, 2, 1).data, [[[[-5, -4], [-3, -1]]]])
    np.testing.assert_array_equal(F.pooling(x, (3, 1), pad=(1, 0)).data[0, 0, 0], [-3, -4, -1])
    np.testing.assert_array_equal(F.average_pooling(x, 2).data, [[[[-5, -5.5], [-5, -4.25]]]])
    # Zeros of the padding count:
    np.testing.assert_array_equal(F.average_pooling(x, 2, 2, 1).data[0, 0, 0], [-1.25, -3.25])


def test_im2col_by_hand() -> None:
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    np.testing.assert_array_equal(F.im2col(x, 1).data, [[0, 4], [1, 5], [2, 6], [3, 7]])
    np.testing.assert_array_equal(F.im2col(x, 2).data, [np.arange(8)])
    assert F.im2col(x, (1, 2), to_matrix=False).shape == (1, 2, 1, 2, 2, 1)
    ones = np.ones((4, 8))
    np.testing.assert_array_equal(
        F.col2im(ones, (1, 2, 3, 3), 2).data, [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]] * 2]
    )
    np.testing.assert_array_equal(F.im2col_array(x, 2, 1, 1), F.im2col(x, 2, 1, 1).data)
    np.testing.assert_array_equal(
        F.col2im_array(ones, (1, 2, 3, 3), 2, 1, 0), F.col2im(ones, (1, 2, 3, 3), 2).data
    )


@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), GEOMETRIES)
def test_values_are_those_of_the_specification(
    size: tuple[int, int], kernel: tuple[int, int], stride: Pair, pad: Pair
) -> None:
    x, W = counted(2, 3, *size), counted(4, 3, *kernel)
    gy = counted(2, 4, *outsize(size, kernel, stride, pad))
    how: dict[str, Any] = {"stride": stride, "pad": pad}
    same = np.testing.assert_array_equal
    same(F.conv2d(x, W, **how).data, spec.conv2d(x, W, **how))
    same(F.conv2d_simple(x, W, **how).data, spec.conv2d(x, W, **how))
    y = F.deconv2d(gy, W, outsize=size, **how).data
    assert y.shape == x.shape
    same(y, spec.deconv2d(gy, W, outsize=size, **how))
    if stride != 5:  # there the least size is zero
        same(F.deconv2d(gy, W, **how).data, spec.deconv2d(gy, W, **how))
    how["kernel_size"] = kernel
    gW = F.conv2d_grad_w(x, gy, **how).data
    assert gW.shape == W.shape
    same(gW, spec.conv2d_grad_w(x, gy, **how))
    for matrix in (True, False):
        col = F.im2col(x, **how, to_matrix=matrix).data
        same(col, spec.im2col(x, **how, to_matrix=matrix))
        gx = F.col2im(col, x.shape, **how, to_matrix=matrix).data
        same(gx, spec.col2im(col, input_shape=x.shape, **how, to_matrix=matrix))
    y = F.average_pooling(x, **how).data
    np.testing.assert_allclose(y, spec.average_pooling(x, **how), rtol=1e-15)
    if all(p < k for p, k in zip(pair(pad), kernel, strict=True)):
        same(F.pooling(x, **how).data, spec.pooling(x, **how))
        same(F.pooling_simple(x, **how).data, spec.pooling(x, **how))


def test_the_same_in_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: a second opinion on values that the specification gives")
    torch: Any = importlib.import_module("torch")
    f = torch.nn.functional
    x, W, b = normal(2, 3, 7, 6), normal(4, 3, 3, 2), normal(4)

    def close(y: Variable, expected: Any) -> None:
        np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-12, atol=1e-13)

    tx, tW, tb = (torch.tensor(a, requires_grad=True) for a in (x, W, b))
    v, w, c = Variable(x), Variable(W), Variable(b)
    y, ty = F.conv2d(v, w, c, (2, 1), (1, 0)), f.conv2d(tx, tW, tb, (2, 1), (1, 0))
    close(y, ty)
    F.sum(F.sin(y)).backward()
    torch.sin(ty).sum().backward()
    for ours, theirs in ((v, tx), (w, tW), (c, tb)):
        assert ours.grad is not None
        close(ours.grad, theirs.grad)
    t = f.conv_transpose2d(ty, tW, None, (2, 1), (1, 0), (0, 0))
    close(F.deconv2d(y, w, None, (2, 1), (1, 0)), t)
    close(
        F.deconv2d(y, w, None, (2, 1), (1, 0), (8, 6)),
        f.conv_transpose2d(ty, tW, None, (2, 1), (1, 0), (1, 0)),
    )
    close(F.pooling(x, (3, 2), 2, 1), f.max_pool2d(tx, (3, 2), 2, 1))
    close(F.average_pooling(x, (3, 2), 2, 1), f.avg_pool2d(tx, (3, 2), 2, 1))


# -------------------------------------------------------------------------------------------- adjoints


@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), GEOMETRIES)
def test_adjoints(size: tuple[int, int], kernel: tuple[int, int], stride: Pair, pad: Pair) -> None:
    """⟨conv(x, W), g⟩ = ⟨x, deconv(g, W)⟩ = ⟨W, grad_w(x, g)⟩, ⟨im2col x, c⟩ = ⟨x, col2im c⟩."""
    x, W = counted(2, 3, *size), counted(4, 3, *kernel)
    how: dict[str, Any] = {"stride": stride, "pad": pad}
    y = F.conv2d(x, W, **how).data
    g = counted(*y.shape)
    assert np.sum(y * g) == np.sum(x * F.deconv2d(g, W, outsize=size, **how).data)
    assert np.sum(y * g) == np.sum(W * F.conv2d_grad_w(x, g, kernel, **how).data)
    for matrix in (True, False):
        col = F.im2col(x, kernel, to_matrix=matrix, **how).data
        c = counted(*col.shape)
        assert np.sum(col * c) == np.sum(x * F.col2im(c, x.shape, kernel, to_matrix=matrix, **how).data)


def test_rows_that_no_window_meets() -> None:
    x, W = Variable(np.ones((1, 1, 6, 5))), Variable(np.ones((1, 1, 2, 2)))
    met = np.zeros((1, 1, 6, 5))
    met[:, :, [0, 1, 3, 4], :2] = 1.0
    for y in (F.conv2d(x, W, stride=3), F.average_pooling(x, 2, 3) * 4, F.im2col(x, 2, 3)):
        if y.ndim == 4:
            assert y.shape == (1, 1, 2, 2)
        x.cleargrad()
        F.sum(y).backward()
        assert x.grad is not None
        expected = met.copy()
        expected[:, :, [0, 1, 3, 4], 3:] = 1.0
        np.testing.assert_array_equal(x.grad.data, expected)
    for height in (5, 6, 7):  # all images on which the window takes these places
        z = F.deconv2d(np.ones((1, 1, 2, 2)), W, stride=3, outsize=(height, 5))
        assert z.shape == (1, 1, height, 5)
        np.testing.assert_array_equal(z.data[:, :, 5:], 0.0)


def test_rationals_are_exact() -> None:
    def thirds(x: Array) -> Array:
        return np.array([Fraction(int(n), 3) for n in x.flat], object).reshape(x.shape)

    x, W = thirds(counted(2, 2, 4, 3)), thirds(counted(3, 2, 2, 2))
    y = F.conv2d(x, W, stride=2, pad=1).data
    assert y.dtype == object
    np.testing.assert_array_equal(y, spec.conv2d(x, W, stride=2, pad=1))
    g = thirds(counted(*y.shape))
    gx = F.deconv2d(g, W, stride=2, pad=1, outsize=(4, 3)).data
    gW = F.conv2d_grad_w(x, g, 2, 2, 1).data
    assert np.sum(y * g) == np.sum(x * gx) == np.sum(W * gW)
    np.testing.assert_array_equal(F.pooling(x, 2, 1, 1).data, spec.pooling(x, kernel_size=2, pad=1))
    mean = F.average_pooling(x, 2, 1, 1).data
    np.testing.assert_array_equal(mean, spec.average_pooling(x, kernel_size=2, pad=1))


# ------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (2, 1), ((3, 2), (0, 1))])
def test_gradients_of_every_order(stride: Pair, pad: Pair) -> None:
    size, kernel = (5, 4), (2, 3)
    x, W, b = normal(2, 2, *size), normal(3, 2, *kernel), normal(3)
    gy = normal(2, 3, *outsize(size, kernel, stride, pad))
    how: dict[str, Any] = {"stride": stride, "pad": pad}
    check_gradients(partial(F.conv2d, **how), x, W, b)
    check_gradients(partial(F.conv2d_simple, **how), x, W, b)
    check_gradients(partial(F.deconv2d, outsize=size, **how), gy, W, normal(2))
    check_gradients(partial(F.deconv2d, **how), gy, W)
    how["kernel_size"] = kernel
    check_gradients(partial(F.conv2d_grad_w, **how), x, gy)
    check_gradients(partial(F.pooling, **how), x)
    check_gradients(partial(F.pooling_simple, **how), x)
    check_gradients(partial(F.Pooling2DGrad(**how), x=x), gy[:, :2])
    check_gradients(partial(F.average_pooling, **how), x)
    for matrix in (True, False):
        how["to_matrix"] = matrix
        check_gradients(partial(F.im2col, **how), x)
        check_gradients(partial(F.col2im, input_shape=x.shape, **how), F.im2col(x, **how).data)


def test_the_gradient_of_a_weight_gradient() -> None:
    x, W = Variable(normal(2, 3, 5, 5)), Variable(normal(4, 3, 3, 3))
    y = F.conv2d(x, W, stride=2, pad=1)
    gW = dezero.grad(F.sum(y**2), W, create_graph=True)
    assert gW.creator is not None
    gx, ggW = dezero.grad(F.sum(gW**2), [x, W], create_graph=True)

    def penalty(x: Array, W: Array) -> Variable:
        y = F.conv2d(x, W, stride=2, pad=1)
        return F.sum(F.conv2d_grad_w(x, y * 2.0, 3, 2, 1) ** 2)

    u, v = normal(2, 3, 5, 5, seed=1), normal(4, 3, 3, 3, seed=1)
    operands = [x.data, W.data]
    np.testing.assert_allclose(np.sum(gx.data * u), slope(penalty, operands, 0, u), rtol=1e-8)
    np.testing.assert_allclose(np.sum(ggW.data * v), slope(penalty, operands, 1, v), rtol=1e-8)
    third = dezero.grad(F.sum(gx * u), W)
    assert third.shape == W.shape
    assert np.all(np.isfinite(third.data))


def test_both_readings_agree() -> None:
    x, W, b = Variable(normal(2, 2, 6, 5)), Variable(normal(3, 2, 3, 3)), Variable(normal(3))
    y = F.pooling(F.conv2d(x, W, b, 1, 1), 2, 2, 1)
    z = F.average_pooling(F.deconv2d(y, W, stride=2), 2) ** 2
    on_arrays = dezero.grad(z, [x, W, b])
    on_variables = dezero.grad(z, [x, W, b], create_graph=True)
    for g, h in zip(on_arrays, on_variables, strict=True):
        assert g.creator is None
        assert h.creator is not None
        assert g.data.flags.writeable
        assert h.data.flags.writeable
        np.testing.assert_array_equal(g.data, h.data)


def test_ties_share() -> None:
    x = Variable(np.zeros((1, 1, 2, 3)))
    F.sum(F.pooling(x, 2)).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [[[[0.25, 0.5, 0.25]] * 2]])
    for low in (0.0, -np.inf):  # the padding takes no share, not even of minus infinity
        x = Variable(np.full((1, 1, 1, 2), low))
        F.sum(F.pooling(x, 3, 1, 1)).backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.data, [[[[1.0, 1.0]]]])


def test_the_gradient_of_pooling_is_an_adjoint() -> None:
    x, gy = Variable(normal(2, 2, 5, 4)), Variable(normal(2, 2, 3, 2))
    gx = F.Pooling2DGrad(2, 2, (1, 0))(gy, x)
    np.testing.assert_array_equal(gx.data, dezero.grad(F.pooling(x, 2, 2, (1, 0)), x, gys=gy).data)
    u = normal(2, 2, 5, 4, seed=3)
    back, none = dezero.grad(gx, [gy, x], gys=Variable(u))
    np.testing.assert_allclose(np.sum(back.data * gy.data), np.sum(gx.data * u), rtol=1e-12)
    np.testing.assert_array_equal(none.data, 0.0)
    with pytest.raises(
        ValueError, match=r"Pooling2DGrad: gy has shape \(2, 2, 3, 1\); expected \(2, 2, 3, 2\)"
    ):
        F.Pooling2DGrad(2, 2, (1, 0))(gy.data[..., :1], x)


# -------------------------------------------------------------------------------------- element types


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_element_types_are_kept(dtype: Any) -> None:
    x, W, b = (Variable(normal(*s).astype(dtype)) for s in ((2, 2, 5, 4), (3, 2, 2, 2), (3,)))
    y = F.conv2d(x, W, b, 2, 1)
    ys = [y, F.conv2d_simple(x, W, b), F.deconv2d(y, W), F.pooling(x, 2, 1, 1)]
    ys += [
        F.pooling_simple(x, 2, 1, 1),
        F.average_pooling(x, 2, 1, 1),
        F.im2col(x, 2),
        F.conv2d_grad_w(x, x, 1),
    ]
    ys += [F.col2im(F.im2col(x, 2, 1, 1), x.shape, 2, 1, 1)]
    for create_graph in (False, True):
        for y in ys:
            assert y.dtype == dtype
            for v in (x, W, b):
                v.cleargrad()
            F.sum(y).backward(create_graph=create_graph)
            for v in (x, W, b):
                assert v.grad is None or (v.grad.dtype, v.grad.shape) == (dtype, v.shape)


def test_more_digits_are_used() -> None:
    x = Variable(normal(2, 2, 5, 4).astype(np.longdouble) / 3)
    W = Variable(normal(3, 2, 2, 2).astype(np.longdouble) / 3)
    y = F.conv2d(x, W, stride=2, pad=1)
    eps = float(np.finfo(np.longdouble).eps)
    np.testing.assert_allclose(
        y.data, spec.conv2d(x.data, W.data, stride=2, pad=1), rtol=0, atol=64 * eps
    )


def test_mixed_types_and_integers() -> None:
    x, W = normal(1, 1, 3, 3).astype(np.float32), normal(1, 1, 2, 2)
    for y in (F.conv2d(x, W), F.deconv2d(x, W), F.conv2d_grad_w(x, W, 2)):
        assert y.dtype == np.float64
    ints = Variable(np.array([[[[-3, -2], [-7, -5]]]]))
    y = F.pooling(ints, 2, 1, 1)
    assert y.dtype == ints.dtype
    assert y.data.tolist() == [[[[-3, -2, -2], [-3, -2, -2], [-7, -5, -5]]]]
    F.sum(y).backward()
    assert ints.grad is not None
    assert ints.grad.data.tolist() == [[[[2, 4], [1, 2]]]]
    assert F.average_pooling(ints, 2).data.tolist() == [[[[-4.25]]]]
    bytes_ = np.full((1, 1, 2, 2), 100, np.int8)
    assert F.average_pooling(bytes_, 2).data.tolist() == [[[[100.0]]]]
    flags = np.array([[[[False, True], [False, False]]]])
    assert F.pooling(flags, 2, 2, 1).data.tolist() == [[[[False, True], [False, False]]]]


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("c", [0, 2])
@pytest.mark.parametrize("o", [0, 3])
def test_nothing_in_a_batch_or_no_channels(n: int, c: int, o: int) -> None:
    x, W, b = Variable(np.ones((n, c, 4, 3))), Variable(np.ones((o, c, 2, 2))), Variable(np.ones(o))
    for make in (F.conv2d, F.conv2d_simple):
        y = make(x, W, b, 2, 1)
        assert y.shape == (n, o, 3, 2)
        z = F.deconv2d(y, W, stride=2, pad=1, outsize=(4, 3))
        assert z.shape == x.shape
        for create_graph in (False, True):
            for v in (x, W, b):
                v.cleargrad()
            F.sum(z).backward(create_graph=create_graph)
            for v in (x, W, b):
                assert v.grad is not None
                assert v.grad.shape == v.shape
    for y in (
        F.pooling(x, 2, 1, 1),
        F.pooling_simple(x, 2, 1, 1),
        F.average_pooling(x, 2),
        F.im2col(x, 2),
    ):
        x.cleargrad()
        F.sum(y).backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape


def test_results_own_their_memory() -> None:
    x = normal(2, 3, 4, 4)
    before = x.copy()
    for y in (
        F.im2col(x, 1),
        F.im2col(x, 1, to_matrix=False),
        F.pooling(x, 1),
        F.average_pooling(x, 1),
    ):
        y.data[...] = 0.0
    F.col2im(x.reshape(2, 3, 1, 1, 4, 4), x.shape, 1, to_matrix=False).data[...] = 0.0
    np.testing.assert_array_equal(x, before)


# ----------------------------------------------------------------------------------------------- kinks


def test_how_far_pooling_is_from_a_kink() -> None:
    x = np.array([[[[1.0, 3.0, 3.5], [-2.0, 0.0, 9.0]]]])
    near = LARGEST_OF_WINDOW_TIED.clearance
    assert near(x, 2) == 2.0  # 3 and 1; 9 and 3.5
    assert near(x, kernel_size=(1, 2), stride=1) == 0.5
    assert near(x, kernel_size=(1, 2), stride=(1, 2)) == 2.0  # 3.5 is met by no window
    assert near(x, kernel_size=(2, 3), stride=1, pad=(1, 2)) == 0.5
    assert near(x, kernel_size=2, stride=3, pad=1) == np.inf  # 1 and 3.5: the padding is no rival
    assert near(x, 1) == near(x[:0], 2) == np.inf
    assert near(np.zeros((1, 1, 2, 2)), 2) == 0.0
    assert near(np.zeros((1, 1, 2, 2), np.int64), 2, 1, 1) == 0.0


# ---------------------------------------------------------------------------------------------- errors

X, K = np.ones((2, 3, 4, 5)), np.ones((6, 3, 2, 2))
MISTAKES: list[tuple[Callable[[], Variable], str]] = [
    (lambda: F.conv2d(X[0], K), "conv2d: x has shape (3, 4, 5); expected (N, C, H, W), with at least"),
    (
        lambda: F.conv2d(X[:, :, :0], K, pad=2),
        "conv2d: x has shape (2, 3, 0, 5); expected (N, C, H, W)",
    ),
    (lambda: F.conv2d(X, K[0]), "conv2d: W has shape (3, 2, 2); expected (O, C, KH, KW)"),
    (lambda: F.conv2d(X, K[..., :0]), "conv2d: W has shape (6, 3, 2, 0); expected (O, C, KH, KW)"),
    (
        lambda: F.conv2d(X, K[:, :2]),
        "conv2d: x of shape (2, 3, 4, 5) has 3 channels, W of shape (6, 2, 2, 2) takes 2; expected",
    ),
    (lambda: F.conv2d(X, K[:, :1]), "has 3 channels, W of shape (6, 1, 2, 2) takes 1"),
    (
        lambda: F.conv2d(X, K, np.ones(3)),
        "conv2d: b has shape (3,); expected (6,), one for each channel",
    ),
    (lambda: F.conv2d(X, K, 1.0), "conv2d: b has shape (); expected (6,), one for each channel"),
    (
        lambda: F.conv2d(X, K, stride=0),
        "conv2d: stride is 0; expected an integer not below 1, or a pair",
    ),
    (
        lambda: F.conv2d(X, K, stride=(1, -1)),
        "conv2d: stride is (1, -1); expected an integer not below 1",
    ),
    (lambda: F.conv2d(X, K, pad=-1), "conv2d: pad is -1; expected an integer not below 0, or a pair"),
    (lambda: F.conv2d(X, K, pad=(1, 2, 3)), "conv2d: pad is (1, 2, 3); expected"),  # type: ignore[arg-type]  # a mistake
    (lambda: F.conv2d(X, K, stride=1.5), "conv2d: stride is 1.5; expected"),  # type: ignore[arg-type]  # a mistake
    (
        lambda: F.conv2d(X, np.ones((6, 3, 5, 7)), pad=(0, 1)),
        "conv2d: a kernel of size (5, 7) on images of size (4, 5) with pad (0, 1); expected one",
    ),
    (lambda: F.conv2d_simple(X, K[0]), "conv2d_simple: W has shape (3, 2, 2); expected (O, C, KH, KW)"),
    (lambda: F.conv2d_simple(X, K, np.ones(3)), "conv2d_simple: b has shape (3,); expected (6,)"),
    (lambda: F.deconv2d(X[0], K), "deconv2d: x has shape (3, 4, 5); expected (N, C, H, W)"),
    (lambda: F.deconv2d(X, K[0]), "deconv2d: W has shape (3, 2, 2); expected (C, O, KH, KW)"),
    (
        lambda: F.deconv2d(X, K),
        "deconv2d: x of shape (2, 3, 4, 5) has 3 channels, W of shape (6, 3, 2, 2) takes 6",
    ),
    (lambda: F.deconv2d(X, K[:3], np.ones(6)), "deconv2d: b has shape (6,); expected (3,)"),
    (
        lambda: F.deconv2d(X, K[:3], stride=2, outsize=(8, 8)),
        "deconv2d: outsize is (8, 8); for x of shape (2, 3, 4, 5), W of shape (3, 3, 2, 2), stride 2 "
        "and pad 0 expected from (8, 10) to (9, 11), with at least one row and column",
    ),
    (lambda: F.deconv2d(X, K[:3], stride=2, outsize=(10, 10)), "deconv2d: outsize is (10, 10); for x"),
    (lambda: F.deconv2d(X, K[:3], stride=2, outsize=(8, 12)), "deconv2d: outsize is (8, 12); for x"),
    (
        lambda: F.deconv2d(X, K[:3], outsize=0),
        "deconv2d: outsize is 0; expected an integer not below 1",
    ),
    (lambda: F.deconv2d(X, K[:3], pad=3), "deconv2d: outsize is None; for x of shape"),
    (
        lambda: F.conv2d_grad_w(X, X, 2),
        "conv2d_grad_w: gy has shape (2, 3, 4, 5); expected (2, O, 3, 4), for x",
    ),
    (
        lambda: F.conv2d_grad_w(X, X[:1], 1),
        "conv2d_grad_w: gy has shape (1, 3, 4, 5); expected (2, O, 4, 5)",
    ),
    (
        lambda: F.conv2d_grad_w(X, X[0], 1),
        "conv2d_grad_w: gy has shape (3, 4, 5); expected (2, O, 4, 5)",
    ),
    (
        lambda: F.im2col(X, 6),
        "im2col: a kernel of size (6, 6) on images of size (4, 5) with pad (0, 0)",
    ),
    (lambda: F.im2col(X, 0), "im2col: kernel_size is 0; expected an integer not below 1, or a pair"),
    (
        lambda: F.col2im(X, (2, 3, 4, 5), 2),
        "col2im: x has shape (2, 3, 4, 5); expected (24, 12), for images of shape (2, 3, 4, 5)",
    ),
    (lambda: F.col2im(X, X.shape, 2, to_matrix=False), "expected (2, 3, 2, 2, 3, 4), for images"),
    (lambda: F.col2im(X, (3, 4, 5), 2), "col2im: x has shape (3, 4, 5); expected (N, C, H, W)"),
    (lambda: F.pooling(X[0], 2), "pooling: x has shape (3, 4, 5); expected (N, C, H, W)"),
    (
        lambda: F.pooling(X, (3, 2), 1, (1, 2)),
        "pooling: pad is (1, 2); expected less than kernel_size, (3, 2)",
    ),
    (lambda: F.pooling(X, 2, 1, 2), "pooling: pad is 2; expected less than kernel_size, 2"),
    (lambda: F.pooling(X, 2, 0), "pooling: stride is 0; expected an integer not below 1"),
    (
        lambda: F.pooling_simple(X, 2, 1, 2),
        "pooling_simple: pad is 2; expected less than kernel_size, 2",
    ),
    (
        lambda: F.average_pooling(X, 5),
        "average_pooling: a kernel of size (5, 5) on images of size (4, 5)",
    ),
]


@pytest.mark.parametrize(("call", "text"), MISTAKES, ids=[text for _, text in MISTAKES])
def test_errors(call: Callable[[], Variable], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("function", [F.conv2d, F.deconv2d, F.conv2d_simple])
def test_a_bias_that_is_no_operand(function: Callable[..., Variable]) -> None:
    kernels = np.ones((2, 2, 2, 2))
    with pytest.raises(TypeError, match=f"^{function.__name__}: b: str is no operand; expected"):
        function(np.ones((1, 2, 4, 4)), kernels, "b")


def test_errors_name_the_operation_and_its_operands() -> None:
    with pytest.raises(ValueError, match="channels") as caught:
        F.conv2d(X.astype(np.float32), K[:, :2])
    assert caught.value.__notes__ == ["in Conv2d(float32[2, 3, 4, 5], float64[6, 2, 2, 2])"]


@pytest.mark.parametrize(
    ("name", "operands", "attributes"),
    [
        ("conv2d", (X, K[:, :1]), {}),
        ("conv2d", (X, K), {"stride": 0}),
        ("conv2d", (X, K), {"pad": -1}),
        ("conv2d", (X, np.ones((6, 3, 5, 5))), {}),
        ("deconv2d", (X, K), {}),
        ("deconv2d", (X, K[:3]), {"stride": 2, "outsize": (10, 10)}),
        ("deconv2d", (X, K[:3]), {"pad": 3}),
        ("conv2d_grad_w", (X, X[:1]), {"kernel_size": 1}),
        ("conv2d_grad_w", (X, X), {"kernel_size": 2}),
        ("col2im", (X,), {"input_shape": X.shape, "kernel_size": 2}),
        ("im2col", (X,), {"kernel_size": 6}),
        ("im2col", (X[0],), {"kernel_size": 1}),
        ("pooling", (X,), {"kernel_size": 2, "pad": 2}),
        ("pooling", (X,), {"kernel_size": (2, 1), "stride": 99, "pad": (1, 3)}),
        ("average_pooling", (X[:, :, :0],), {"kernel_size": 1, "pad": 1}),
    ],
)
def test_the_specification_refuses_as_much(
    name: str, operands: tuple[Array, ...], attributes: dict[str, Any]
) -> None:
    for function in (getattr(F, name), getattr(spec, name)):
        with pytest.raises(ValueError):  # noqa: PT011  # texts are above
            function(*operands, **attributes)


def test_bounds_hold_and_are_known_beforehand() -> None:
    gy = np.ones((2, 6, 3, 4))
    col = spec.im2col(X, kernel_size=2)
    for name, operands, attributes in (
        ("conv2d", (X, K), {"pad": 3}),
        ("deconv2d", (gy, K), {"stride": 3}),
        ("deconv2d", (gy, K), {"stride": 3, "outsize": (10, 11)}),
        ("conv2d_grad_w", (X, gy), {"kernel_size": 2}),
        ("im2col", (X,), {"kernel_size": 2}),
        ("col2im", (col,), {"input_shape": X.shape, "kernel_size": 2}),
        ("pooling", (X,), {"kernel_size": 3, "pad": 2}),
        ("average_pooling", (X,), {"kernel_size": 3, "pad": 2}),
    ):
        y = getattr(spec, name)(*operands, **attributes)
        assert spec.BOUNDS[name](*operands, **attributes) >= y.size
    huge = 10**9
    assert spec.BOUNDS["conv2d"](X[:0], K, pad=huge) > huge
    assert spec.BOUNDS["deconv2d"](gy[:0], K, stride=huge) > huge
    assert spec.BOUNDS["pooling"](X[:0], kernel_size=huge, pad=huge - 1) > huge


def test_the_specification_by_complex_steps() -> None:
    """What the specification says of derivatives at ties is what the rules do."""
    h = 1e-30
    x = np.array([[[[1.0, 2.0, 2.0], [2.0, 0.0, 2.0]]]])
    variable = Variable(x)
    F.sum(F.pooling(variable, 2, 1, 1)).backward()
    assert variable.grad is not None
    for index in np.ndindex(x.shape):
        step = x.astype(np.complex128)
        step[index] += 1j * h
        slope_here = np.sum(spec.pooling(step, kernel_size=2, pad=1)).imag / h
        np.testing.assert_allclose(variable.grad.data[index], slope_here, rtol=1e-14)


def test_windows_are_slices() -> None:
    windows = arrays.Windows("f", (2, 3, 7, 6), (3, 2), 2, (1, 0))
    assert (windows.kernel, windows.stride, windows.pad, windows.places) == (
        (3, 2),
        (2, 2),
        (1, 0),
        (4, 3),
    )
    assert windows.shape == (2, 3, 3, 2, 4, 3)
    assert windows.matrix_shape == (24, 18)
    assert len(list(windows)) == 6
    x = normal(2, 3, 7, 6)
    np.testing.assert_array_equal(windows.padded(x)[windows.inner], x)
    assert arrays.Windows("f", x.shape, 1, 1, 0).padded(x) is x
