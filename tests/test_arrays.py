"""NumPy's side of the two readings: ndarrays in, ndarrays out, element types kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import dezero.functions as F
from dezero import arrays
from dezero.contract import Array
from dezero.namespace import Namespace

FLAT: list[Callable[[Array], Array]] = [
    arrays.exp,
    arrays.log,
    arrays.sqrt,
    arrays.sin,
    arrays.cos,
    arrays.sinh,
    arrays.cosh,
    arrays.sigmoid,
    arrays.identity,
    arrays.sum,
    arrays.prod,
    arrays.transpose,
    arrays.flip,
    lambda x: arrays.roll(x, 1),
    lambda x: arrays.reshape(x, ()),
    lambda x: arrays.sum_to(x, ()),
    lambda x: arrays.broadcast_to(x, ()),
    lambda x: arrays.where(x > 0, x, 0.0),
    lambda x: arrays.get_item(x, ()),
    lambda x: arrays.get_item_grad(x, (), ()),
    lambda x: arrays.pad(x, ()),
]


@pytest.mark.parametrize("f", FLAT)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_dimension_and_element_type(f: Callable[[Array], Array], dtype: Any) -> None:
    y = f(np.array(0.5, dtype))
    assert type(y) is np.ndarray
    assert (y.shape, y.dtype) == ((), dtype)


@pytest.mark.parametrize("name", [n for n in vars(Namespace) if not n.startswith("_")])
def test_both_namespaces_have_what_rules_call(name: str) -> None:
    promised = list(inspect.signature(getattr(Namespace, name)).parameters.values())[1:]
    placed = [p.name for p in promised if p.kind is not p.KEYWORD_ONLY]
    named = {p.name for p in promised} - {*placed}
    for side in (arrays, F):
        own = inspect.signature(getattr(side, name)).parameters
        assert named <= {*own}, side.__name__
        assert all(own[p].default is None for p in {*list(own)[len(placed) :]} - named)  # a bias
        for a, b in zip(placed, own, strict=False):
            if a in ("axis", "keepdims"):  # what is passed by name
                assert a == b


def test_as_array() -> None:
    a = np.ones(2)
    assert arrays.as_array(a) is a
    assert arrays.as_array(np.float32(1)).dtype == np.float32
    assert arrays.as_array(2).shape == ()
    for yes in (a, np.float32(1), 1, 1.0, True, np.True_):
        assert arrays.is_array_or_number(yes)
    for no in cast("list[object]", [[1.0], (1.0,), "1", None, {}, 1j]):
        assert not arrays.is_array_or_number(no)


@pytest.mark.parametrize(
    ("axis", "axes", "kept", "size"),
    [
        (None, (0, 1, 2), (1, 1, 1), 24),
        (1, (1,), (2, 1, 4), 3),
        (-1, (2,), (2, 3, 1), 4),
        ((2, 0), (0, 2), (1, 3, 1), 8),
        ((-1, -3), (0, 2), (1, 3, 1), 8),
        ((), (), (2, 3, 4), 1),
    ],
)
def test_reduced_axes(axis: Any, axes: tuple[int, ...], kept: tuple[int, ...], size: int) -> None:
    assert arrays.reduced_axes(3, axis) == axes
    assert arrays.kept_shape((2, 3, 4), axis) == kept
    assert arrays.reduced_size((2, 3, 4), axis) == size


def test_sigmoid_is_exact_on_both_sides() -> None:
    x = np.array([-800.0, -700.0, -1.0, 0.0, 1.0, 700.0, 800.0])
    y = arrays.sigmoid(x)
    np.testing.assert_array_equal(y[[0, 3, 6]], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(y[1], np.exp(-700.0), rtol=1e-14)
    np.testing.assert_allclose(y + arrays.sigmoid(-x), 1.0, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.bool_])
def test_sigmoid_of_what_has_no_sign(dtype: Any) -> None:
    np.testing.assert_allclose(arrays.sigmoid(np.array([1, 0], dtype)), [0.7311, 0.5], rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "to"),
    [
        ((2, 3), (2, 3)),
        ((2, 3), (1, 3)),
        ((2, 3), (3,)),
        ((2, 3), ()),
        ((4, 1, 3), (1, 1)),
        ((0, 3), (3,)),
    ],
)
def test_sum_to_undoes_broadcasting(shape: tuple[int, ...], to: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    y = arrays.sum_to(x, to)
    assert y.shape == to
    v = np.random.default_rng(0).normal(size=to)
    np.testing.assert_allclose(np.sum(y * v), np.sum(x * np.broadcast_to(v, shape)), atol=1e-12)


@pytest.mark.parametrize(("shape", "to"), [((2, 3), (2,)), ((3,), (1, 3)), ((1,), (2,)), ((3,), (0,))])
def test_sum_to_an_impossible_shape(shape: tuple[int, ...], to: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sum_to") as caught:
        arrays.sum_to(np.zeros(shape), to)
    assert str(caught.value) == f"sum_to: {to} does not broadcast to the operand's shape {shape}"


def test_identity_and_get_item_grad_own_their_memory() -> None:
    x = np.arange(3.0)
    assert not np.shares_memory(arrays.identity(x), x)
    assert not np.shares_memory(arrays.get_item_grad(x, slice(None), (3,)), x)


def test_get_item_grad_keeps_the_element_type() -> None:
    for slices in (slice(1, 3), [1, 1]):
        y = arrays.get_item_grad(np.ones(2, np.float32), slices, (4,))
        assert y.dtype == np.float32
        assert y.sum() == 2.0


@pytest.mark.parametrize(
    ("index", "can"),
    [
        (0, False),
        (slice(None), False),
        ((0, ..., None), False),
        (np.array([True, False]), False),
        (np.array([0]), True),
        ([0, 0], True),
        ((slice(None), [0]), True),
        ((slice(None), np.array([True])), False),
        (((0, 0), 1), True),
        ((range(2), 1), True),
    ],
)
def test_which_indices_pick_repeatedly(index: Any, can: bool) -> None:
    assert arrays.picks_repeatedly(index) is can


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_where_with_zero_is_numpys_bit_for_bit(dtype: str) -> None:
    a = np.array([np.nan, -np.nan, np.inf, -np.inf, 1.5, -2.0, 0.0, -0.0, 5e-324], dtype)
    for condition in (np.arange(9) % 2 == 0, np.ones(9, bool), np.zeros((2, 1), bool), np.arange(9)):
        for b in (0.0, -0.0, 1.0):
            found, expected = arrays.where(condition, a, b), np.where(condition, a, b)
            assert found.dtype == expected.dtype
            assert found.shape == expected.shape
            assert np.array_equal(found, expected, equal_nan=True)
            assert np.array_equal(np.signbit(found), np.signbit(expected))
            assert not np.shares_memory(found, a)


def test_where_with_zero_of_one_number() -> None:
    for holds in (True, False):
        found = arrays.where(np.array(holds), np.array(-2.0), 0.0)
        assert type(found) is np.ndarray
        assert (found.shape, found.item()) == ((), -2.0 if holds else 0.0)
