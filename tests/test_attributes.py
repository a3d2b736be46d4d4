"""Attributes for random programs: whatever the numbers, they are what their kind says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dezero.contract import Array, Attribute, Contract
from dezero.verify.attributes import SHAPES, Bits, attributes_for, check_step, pair
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.evaluation import evaluate
from dezero.verify.program import ProgramError
from dezero.verify.strategies import swept

Test: TypeAlias = Callable[[Array, Any], bool]  # whatever an attribute may be

BITS = st.integers(0, 2**64)


def made(kinds: Mapping[str, Attribute], x: Array, bits: int) -> dict[str, Any]:  # as above
    """Attributes of these kinds, made for an operand."""
    return dict(attributes_for(of_kinds(kinds), x, Bits(bits)))


def of_kinds(kinds: Mapping[str, Attribute]) -> Contract:
    """A contract that asks for attributes of these kinds."""
    return replace(CONTRACTS["sin"], attributes=kinds)


def test_zero_bits_are_the_simplest_choice_every_time() -> None:
    bits = Bits(0)
    assert [bits.choose(n) for n in (2, 7, 0, 1)] == [0, 0, 0, 0]


@given(BITS, st.lists(st.integers(0, 9), max_size=9))
def test_bits_stay_within(number: int, choices: list[int]) -> None:
    bits = Bits(number)
    assert all(0 <= bits.choose(n) < max(n, 1) for n in choices)


# ------------------------------------------------------------------------------------------ each alone


def is_axis(x: Array, axis: Any) -> bool:
    return bool(-x.ndim <= axis < x.ndim)


def divides_an_axis(x: Array, sections: Any) -> bool:
    return bool(sections >= 1) and any(n % sections == 0 for n in x.shape)


def broadcasts_to(shape: tuple[int, ...], x: Array) -> bool:
    return np.broadcast_shapes(shape, x.shape) == x.shape


def reduces(x: Array, axis: Any) -> bool:
    return bool(np.sum(x, axis=axis) is not None)  # NumPy refuses what is out of bounds or repeated


def transposes(x: Array, axes: Any) -> bool:
    return np.transpose(x, axes).size == x.size


def indexes(x: Array, slices: Any) -> bool:
    return type(np.asarray(x[slices])) is np.ndarray


def is_mask(x: Array, mask: Any) -> bool:
    return mask.dtype == bool and broadcasts_to(mask.shape, x)


def pads(x: Array, widths: Any) -> bool:
    return len(widths) == x.ndim and all(n >= 0 for sides in widths for n in sides)


OF_ANY: dict[Attribute, Test] = {
    Attribute.NEW_AXIS: lambda x, axis: -x.ndim - 1 <= axis <= x.ndim,
    Attribute.UNIT_AXIS: lambda x, axis: axis is None or x.shape[axis] == 1,
    Attribute.ANY_AXIS: lambda x, axis: axis is None or is_axis(x, axis),
    Attribute.AXES: reduces,
    Attribute.PERMUTATION: transposes,
    Attribute.FLAG: lambda x, flag: type(flag) is bool,
    Attribute.REAL: lambda x, number: math.isfinite(number),
    Attribute.SLOPE: lambda x, number: math.isfinite(number),
    Attribute.EXPONENT: lambda x, number: math.isfinite(number),
    Attribute.SHIFT: lambda x, shift: type(shift) is int,
    Attribute.SHAPE_OF_SAME_SIZE: lambda x, shape: math.prod(shape) == x.size,
    Attribute.WIDER_SHAPE: lambda x, shape: np.broadcast_shapes(x.shape, shape) == shape,
    Attribute.NARROWER_SHAPE: lambda x, shape: broadcasts_to(shape, x),
    Attribute.PAD_WIDTHS: pads,
    Attribute.INDEX: indexes,
    Attribute.MASK: is_mask,
    Attribute.RATIO: lambda x, ratio: 0 <= ratio < 1,
    Attribute.EPSILON: lambda x, eps: eps > 0,
}
OF_AXES: dict[Attribute, Test] = {Attribute.AXIS: is_axis, Attribute.SECTIONS: divides_an_axis}
OF_IMAGES: dict[Attribute, Test] = {
    Attribute.STRIDE: lambda x, stride: min(pair(stride)) >= 1,
    Attribute.PADDING: lambda x, pad: min(pair(pad)) >= 0,
    Attribute.KERNEL: lambda x, kernel: all(
        1 <= k <= n for k, n in zip(pair(kernel), x.shape[2:], strict=True)
    ),
}
OF_ROWS: dict[Attribute, Test] = {
    Attribute.LABELS: lambda x, t: t.shape == x.shape[:1] and bool(np.all((t >= 0) & (t < x.shape[1]))),
    Attribute.ROWS: lambda x, rows: (
        rows.dtype.kind == "i" and bool(np.all((rows >= 0) & (rows < len(x))))
    ),
}
TOGETHER = {
    Attribute.INDEX_INTO,
    Attribute.INDEXED_SHAPE,
    Attribute.IMAGE_SHAPE,
    Attribute.OUT_SIZE,
}
TESTS = {**OF_ANY, **OF_AXES, **OF_IMAGES, **OF_ROWS}


def shapes_for(kind: Attribute) -> list[tuple[int, ...]]:
    """The shapes of operands that an operation with such an attribute may have."""
    if kind in OF_ANY:
        return list(SHAPES)
    if kind in OF_AXES:
        return [shape for shape in SHAPES if shape]
    n_axes = 4 if kind in OF_IMAGES else 2
    return [shape for shape in SHAPES if len(shape) == n_axes and 0 not in shape]


def test_every_kind_is_tested() -> None:
    assert {*TESTS, *TOGETHER, Attribute.DTYPE} == set(Attribute)


@pytest.mark.parametrize("kind", TESTS, ids=lambda kind: kind.name)
def test_an_attribute_is_of_its_kind(kind: Attribute) -> None:
    @given(st.sampled_from(shapes_for(kind)), BITS)
    def property(shape: tuple[int, ...], bits: int) -> None:
        x = np.arange(math.prod(shape), dtype=float).reshape(shape)
        attributes = made({"it": kind}, x, bits)
        assert TESTS[kind](x, attributes["it"])
        check_step(of_kinds({"it": kind}), attributes, [x])

    property()


@pytest.mark.parametrize("kind", TESTS, ids=lambda kind: kind.name)
def test_there_is_a_choice(kind: Attribute) -> None:
    chosen: set[str] = set()
    for shape in shapes_for(kind):
        x = np.arange(math.prod(shape), dtype=float).reshape(shape)
        chosen.update(repr(made({"it": kind}, x, bits)["it"]) for bits in range(200))
    assert len(chosen) > 1


# ------------------------------------------------------------------------------------------- together


@given(st.sampled_from(SHAPES), BITS)
def test_the_adjoint_of_indexing_has_an_index_into_its_shape(shape: tuple[int, ...], bits: int) -> None:
    kinds = {"slices": Attribute.INDEX_INTO, "in_shape": Attribute.INDEXED_SHAPE}
    x = np.zeros(shape)
    attributes = made(kinds, x, bits)
    assert np.zeros(attributes["in_shape"])[attributes["slices"]].shape == shape


@given(st.sampled_from([s for s in SHAPES if s]), BITS)
def test_an_axis_falls_into_so_many_sections(shape: tuple[int, ...], bits: int) -> None:
    x = np.zeros(shape)
    attributes = made({"sections": Attribute.SECTIONS, "axis": Attribute.AXIS}, x, bits)
    parts = np.split(x, attributes["sections"], attributes["axis"])
    assert len(parts) == attributes["sections"]


@given(st.sampled_from([s for s in SHAPES if len(s) == 2 and 0 not in s]), BITS)
def test_windows_are_those_of_the_image(shape: tuple[int, ...], bits: int) -> None:
    kinds = {
        "input_shape": Attribute.IMAGE_SHAPE,
        "kernel_size": Attribute.KERNEL,
        "stride": Attribute.STRIDE,
        "pad": Attribute.PADDING,
        "to_matrix": Attribute.FLAG,
    }
    attributes = made(kinds, np.zeros(shape), bits)
    (n, channels, height, width), (kh, kw) = attributes["input_shape"], attributes["kernel_size"]
    assert (attributes["stride"], attributes["pad"], attributes["to_matrix"]) == (1, 0, True)
    assert (n * (height - kh + 1) * (width - kw + 1), channels * kh * kw) == shape


@given(st.sampled_from([s for s in SHAPES if len(s) == 4]), BITS)
def test_an_out_size_has_room_for_a_window_at_each_place(shape: tuple[int, ...], bits: int) -> None:
    kinds = {
        "stride": Attribute.STRIDE,
        "pad": Attribute.PADDING,
        "outsize": Attribute.OUT_SIZE,
    }
    attributes = made(kinds, np.zeros(shape), bits)
    if attributes["outsize"] is not None:
        steps, pads = pair(attributes["stride"]), pair(attributes["pad"])
        for n, s, p, size in zip(shape[2:], steps, pads, attributes["outsize"], strict=True):
            assert size >= 1
            assert (n - 1) * s < size + 2 * p


@given(st.sampled_from([s for s in SHAPES if len(s) == 4]), BITS)
def test_padding_is_smaller_than_the_window(shape: tuple[int, ...], bits: int) -> None:
    kinds = {"kernel_size": Attribute.KERNEL, "pad": Attribute.PADDING}
    attributes = made(kinds, np.zeros(shape), bits)
    kernel, pad = pair(attributes["kernel_size"]), pair(attributes["pad"])
    assert all(p < k for p, k in zip(pad, kernel, strict=True))


def test_labels_and_rows_repeat() -> None:
    """Where cotangents meet is where a rule may lose one."""
    x = np.zeros((3, 2))
    for kind in (Attribute.LABELS, Attribute.ROWS):
        drawn = [made({"it": kind}, x, bits)["it"].ravel() for bits in range(50)]
        assert any(len(np.unique(numbers)) < len(numbers) for numbers in drawn)


def test_a_real_number_may_be_an_element() -> None:
    x = np.array([0.123, 0.456])
    assert {0.123, 0.456} <= {made({"it": Attribute.REAL}, x, bits)["it"] for bits in range(50)}


def test_attributes_are_named_as_in_the_contract() -> None:
    for contract in CONTRACTS.values():
        shape = (1, 2, 3, 2) if {"stride", "kernel_size"} & contract.attributes.keys() else (2, 3)
        x = np.zeros((2, 3) if "input_shape" in contract.attributes else shape)
        assert list(attributes_for(contract, x, Bits(0))) == list(contract.attributes)


# -------------------------------------------------------------------------------------- those of others


def test_all_that_is_drawn_is_of_its_kind() -> None:
    for program in islice(swept(CONTRACTS, ["float64"], 3), 400):
        values = evaluate(program)
        for step in program.steps:
            check_step(CONTRACTS[step.op], step.attributes, [values[i] for i in step.operands])


HALVES, TRUTHS, NUMBERS = np.array([0.5, 0.5]), np.array([True, False]), np.array([0, 1])
WRONG: dict[Attribute, list[Any]] = {
    Attribute.AXIS: [None, True, 2, -3, 0.0, (0,), NUMBERS],
    Attribute.NEW_AXIS: [None, True, 3, -4, (0,)],
    Attribute.UNIT_AXIS: [False, 2, (0,)],
    Attribute.ANY_AXIS: [False, 2, (0,)],
    Attribute.AXES: [True, 2, (0, True), (2,), NUMBERS],
    Attribute.PERMUTATION: [0, (0, True), (0, 2), NUMBERS],
    Attribute.FLAG: [None, 0, 1, TRUTHS],
    Attribute.REAL: [None, True, math.inf, math.nan, "1", NUMBERS],
    Attribute.SLOPE: [None, True, math.inf, NUMBERS],
    Attribute.EXPONENT: [None, True, math.inf, math.nan, NUMBERS],
    Attribute.SHIFT: [None, True, 1.0, (1, 2), NUMBERS],
    Attribute.SECTIONS: [None, True, 0, 2.0, (1,), NUMBERS],
    Attribute.SHAPE_OF_SAME_SIZE: [None, 4, (-1,), (True, 4), (4.0,), NUMBERS],
    Attribute.WIDER_SHAPE: [None, 4, (-1,), NUMBERS],
    Attribute.NARROWER_SHAPE: [None, 2, (-1,), NUMBERS],
    Attribute.PAD_WIDTHS: [1, (1, 1), ((1, 1, 1), (0, 0)), ((-1, 0), (0, 0)), NUMBERS],
    Attribute.INDEX: [True, 0.5, "x", (0, (0, 1)), (0, False), HALVES],
    Attribute.INDEX_INTO: [True, 0.5, (0, HALVES)],
    Attribute.STRIDE: [0, True, 1.0, (1, 0), (1, 1, 1), NUMBERS],
    Attribute.PADDING: [-1, False, 1.0, (0, -1), NUMBERS],
    Attribute.KERNEL: [0, True, (1, 0), (1,), NUMBERS],
    Attribute.OUT_SIZE: [0, True, (1, 0), NUMBERS],
    Attribute.IMAGE_SHAPE: [None, 4, (1, 1, -1, 1), NUMBERS],
    Attribute.LABELS: [0, (0, 1), HALVES, TRUTHS, np.array([0, 2]), np.array([0, -1]), np.array([0])],
    Attribute.ROWS: [0, (0, 1), HALVES, TRUTHS, np.array([2]), np.array([-1])],
    Attribute.RATIO: [None, False, 1.0, -0.5, NUMBERS],
    Attribute.EPSILON: [None, True, 0, 0.0, -1.0, math.inf, np.array([1, 2])],
    Attribute.MASK: [True, 1, (True, False), NUMBERS, HALVES],
    Attribute.INDEXED_SHAPE: [None, 4, (-1,), NUMBERS],
}


def test_every_kind_has_something_that_is_none() -> None:
    assert {*WRONG, Attribute.DTYPE} == set(Attribute)


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.name)
def test_what_is_not_of_its_kind_is_refused(kind: Attribute) -> None:
    for value in WRONG[kind]:
        with pytest.raises(ProgramError) as raised:
            check_step(of_kinds({"it": kind}), {"it": value}, [np.zeros((2, 2))])
        assert str(raised.value).startswith("it is ")
        assert str(raised.value).endswith(f"; expected {kind.value}")
