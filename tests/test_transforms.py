"""The transforms: what they give, in which element type, and what they refuse."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dezero.contract import Array
from dezero.transforms import (
    AsType,
    CenterCrop,
    Compose,
    Convert,
    Flatten,
    Image,
    Normalize,
    RandomHorizontalFlip,
    Resize,
    ToArray,
    ToFloat,
    ToInt,
    ToPIL,
)

RGB = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
"""Three channels, two rows, four columns."""


def zeros(shape: tuple[int, ...]) -> Array:
    return np.zeros(shape)


def pillow() -> ModuleType:
    module: ModuleType = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    return module


def picture(channels_first: Array) -> Image:
    made: Image = pillow().fromarray(np.ascontiguousarray(channels_first.transpose(1, 2, 0)))
    return made


# ------------------------------------------------------------------------------------------- in a row


def test_compose_goes_from_first_to_last() -> None:
    def double(x: int) -> int:
        return 2 * x

    def one_more(x: int) -> int:
        return x + 1

    assert Compose([double, one_more])(3) == 7
    assert Compose([one_more, double])(3) == 8
    thing = object()
    assert Compose()(thing) is thing
    assert Compose([])(thing) is thing


def test_compose_keeps_its_own_list() -> None:
    chain: list[Any] = [str]
    composed = Compose(chain)
    chain.append(len)
    assert composed(12) == "12"


def test_the_default_of_mnist() -> None:
    y: Array = Compose([Flatten(), ToFloat(), Normalize(0.0, 255.0)])(RGB)
    assert y.shape == (24,)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, (RGB.reshape(-1) / 255).astype(np.float32))


# --------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.float16, np.float16),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.uint8, np.float64),
        (np.int64, np.float64),
        (np.bool_, np.float64),
    ],
)
@pytest.mark.parametrize("mean", [0.5, [0.5, 0.25, 0.125], np.array([0.5, 0.25, 0.125]), [0.5]])
def test_normalize(dtype: Any, result: Any, mean: float | Sequence[float] | Array) -> None:
    x = RGB.astype(dtype)
    y = Normalize(mean, 2.0)(x)
    assert y.dtype == result
    along = np.asarray(mean).reshape(-1, 1, 1)
    np.testing.assert_array_equal(y, (x.astype(result) - along.astype(result)) / 2)
    np.testing.assert_array_equal(x, RGB.astype(dtype))


def test_normalize_by_channel() -> None:
    y = Normalize([0.0, 8.0, 16.0], [1.0, 2.0, 4.0])(RGB)
    one = RGB[0].astype(np.float64)
    np.testing.assert_array_equal(y, [one, one / 2, one / 4])
    np.testing.assert_array_equal(Normalize([1.0, 2.0])(np.array([1, 2])), [0.0, 0.0])


def test_normalize_by_a_std_that_float16_does_not_have() -> None:
    assert Normalize(0.0, 1e-8)(np.zeros(2, np.float16)).tolist() == [0.0, 0.0]
    y = Normalize(0.0, 1e-8)(np.array([6e-8], np.float16))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, [5.96], rtol=1e-3)


def test_a_flip_asks_its_rng_for_numbers_alone() -> None:
    rng: Any = random.Random(0)  # it draws no orders
    assert RandomHorizontalFlip(1, rng=rng)(np.array([0, 1])).tolist() == [1, 0]


def test_the_rng_of_a_flip_draws_numbers() -> None:
    rng: Any = 0
    with pytest.raises(TypeError, match="RandomHorizontalFlip: rng is of type int; expected"):
        RandomHorizontalFlip(1, rng=rng)


def test_normalize_by_default_changes_no_value() -> None:
    np.testing.assert_array_equal(Normalize()(RGB), RGB)
    assert Normalize(0.0, 2.0)(np.array(3.0)).shape == ()
    assert Normalize(0.0, 2.0)(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), [1.0, 0.0]])
def test_normalize_refuses_a_deviation(std: float | Sequence[float]) -> None:
    with pytest.raises(ValueError, match=r"Normalize: std is .*; expected positive numbers"):
        Normalize(0.0, std)


@pytest.mark.parametrize(
    ("mean", "std", "shape", "message"),
    [
        ([0.0, 1.0], 1.0, (3, 2, 4), r"mean has the shape \(2,\), the array \(3, 2, 4\)"),
        (0.0, [1.0, 1.0], (3, 2, 4), r"std has the shape \(2,\), the array \(3, 2, 4\)"),
        (0.0, [1.0, 1.0], (), r"std has the shape \(2,\), the array \(\)"),
        (np.zeros((3, 1)), 1.0, (3, 2, 4), r"mean has the shape \(3, 1\)"),
    ],
)
def test_normalize_refuses_another_number_of_channels(
    mean: float | Sequence[float] | Array,
    std: float | Sequence[float],
    shape: tuple[int, ...],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=f"Normalize: {message}.*one for each channel"):
        Normalize(mean, std)(zeros(shape))


def test_flatten() -> None:
    y = Flatten()(RGB)
    np.testing.assert_array_equal(y, np.arange(24))
    assert y.dtype == np.uint8
    assert not np.shares_memory(y, RGB)
    assert Flatten()(np.array(1.0)).shape == (1,)


def test_element_types() -> None:
    x = np.array([-1.7, 0.0, 1.7])
    for cast, dtype in ((AsType(), np.float32), (ToFloat(), np.float32), (ToInt(), np.int64)):
        y = cast(x)
        assert y.dtype == dtype
        assert x.dtype == np.float64
    np.testing.assert_array_equal(ToInt()(x), [-1, 0, 1])
    assert AsType(np.uint8)(np.array([3.0])).dtype == np.uint8
    assert ToFloat(np.float16)(x).dtype == np.float16
    assert ToInt(np.int32)(x).dtype == np.int32


@pytest.mark.parametrize("label", [3, 3.0, np.uint8(3), np.array(3)])
def test_element_type_of_a_label(label: Any) -> None:
    y = ToInt()(label)
    assert (type(y), y.shape, y.item()) == (np.ndarray, (), 3)


# ------------------------------------------------------------------------------------------- by chance


def test_flip() -> None:
    np.testing.assert_array_equal(RandomHorizontalFlip(1)(RGB), RGB[:, :, ::-1])
    assert RandomHorizontalFlip(0)(RGB) is RGB
    np.testing.assert_array_equal(RandomHorizontalFlip(1)(np.array([1, 2, 3])), [3, 2, 1])


def flips(flip: RandomHorizontalFlip, n: int = 400) -> list[bool]:
    return [bool(flip(np.array([0, 1]))[0]) for _ in range(n)]


def test_flip_is_drawn_from_the_global_state() -> None:
    np.random.seed(0)
    drawn = flips(RandomHorizontalFlip())
    np.random.seed(0)
    assert drawn == flips(RandomHorizontalFlip())
    np.random.seed(0)
    assert drawn == [bool(number < 0.5) for number in np.random.random(400)]
    assert 150 < sum(drawn) < 250


def test_flip_is_drawn_from_a_generator_of_its_own() -> None:
    before = np.random.get_state(legacy=False)
    drawn = flips(RandomHorizontalFlip(0.2, rng=np.random.default_rng(3)))
    assert drawn == flips(RandomHorizontalFlip(0.2, rng=np.random.default_rng(3)))
    assert 40 < sum(drawn) < 120
    after = np.random.get_state(legacy=False)
    np.testing.assert_equal(after, before)


def test_flip_never_is_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.random, "random", float)  # the least number that can be drawn: zero
    assert RandomHorizontalFlip(0)(RGB) is RGB


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_flip_refuses(p: float) -> None:
    with pytest.raises(ValueError, match=r"RandomHorizontalFlip: p is .*; expected a prob"):
        RandomHorizontalFlip(p)


# ------------------------------------------------------------------------------------------- pictures


def test_to_array() -> None:
    y = ToArray()(picture(RGB))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, RGB)
    assert ToArray(np.uint8)(picture(RGB)).dtype == np.uint8
    assert ToArray()(RGB) is RGB


def test_to_array_of_a_grey_picture() -> None:
    y = ToArray()(pillow().fromarray(RGB[0]))
    np.testing.assert_array_equal(y, RGB[:1])


@pytest.mark.parametrize("x", ["a.png", [[1, 2]], None, 3.0])
def test_to_array_refuses(x: Any) -> None:
    with pytest.raises(TypeError, match=f"ToArray: got {type(x).__name__}; expected a pict"):
        ToArray()(x)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_to_pil_and_back(channels: int, mode: str) -> None:
    x = (np.arange(channels * 35) * 7 % 256).astype(np.float32).reshape(channels, 5, 7)
    pillow()
    image: Any = ToPIL()(x)
    assert (image.mode, image.size) == (mode, (7, 5))
    np.testing.assert_array_equal(ToArray()(image), x)


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 5), (5, 5, 3), (3, 0, 4), (1, 3, 2, 4), ()])
def test_to_pil_refuses_a_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"ToPIL: the shape is \(.*\); expected \(C, H, W\)"):
        ToPIL()(zeros(shape))


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, float("nan"), float("inf")])
def test_to_pil_refuses_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="ToPIL: the float64 array holds other than whole numb"):
        ToPIL()(np.full((3, 2, 2), value))


def test_pillow_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"ToPIL needs pillow.*pip install pillow"):
        ToPIL()(np.zeros((3, 2, 2)))
    with pytest.raises(ImportError, match=r'Convert\("BGR"\) needs pillow.*pip install pillow'):
        Convert("BGR")(Stub())


class Stub:
    """As much of a picture as is used before Pillow itself is."""

    size = (1, 1)

    def convert(self, mode: str, /) -> Stub:
        assert mode == "RGB"
        return self

    def resize(self, size: tuple[int, int], resample: int, /) -> Stub:
        return self

    def crop(self, box: tuple[int, int, int, int], /) -> Stub:
        return self

    def transpose(self, method: Any, /) -> Stub:
        return self

    def split(self) -> tuple[Stub, ...]:
        return self, self, self


def test_convert() -> None:
    image = picture(RGB)
    np.testing.assert_array_equal(ToArray()(Convert("BGR")(image)), RGB[::-1])
    np.testing.assert_array_equal(ToArray()(Convert()(image)), RGB)
    assert ToArray()(Convert("L")(image)).shape == (1, 2, 4)
    grey = pillow().fromarray(RGB[0])
    np.testing.assert_array_equal(ToArray()(Convert("BGR")(grey)), RGB[[0, 0, 0]])


def test_resize() -> None:
    image = picture(np.full((3, 5, 7), 9, np.uint8))
    assert Resize((4, 2))(image).size == (4, 2)
    small = Resize(3)(image)
    assert small.size == (3, 3)
    np.testing.assert_array_equal(ToArray()(small), np.full((3, 3, 3), 9))
    assert image.size == (7, 5)


def test_resize_by_a_filter_of_ones_own() -> None:
    image = picture(np.array([[[0, 100]]] * 3, np.uint8))
    by_nearest = ToArray()(Resize((4, 1), pillow().Resampling.NEAREST)(image))
    np.testing.assert_array_equal(by_nearest[0], [[0, 0, 100, 100]])
    by_default = ToArray()(Resize((4, 1))(image))
    np.testing.assert_array_equal(
        by_default, ToArray()(Resize((4, 1), pillow().Resampling.BILINEAR)(image))
    )
    assert not np.array_equal(by_default, by_nearest)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        (2, slice(1, 3), slice(2, 4)),  # of 5 and 7: margins 1 and 2, 2 and 3
        ((3, 1), slice(2, 3), slice(2, 5)),
        ((7, 5), slice(0, 5), slice(0, 7)),
        ((1, 4), slice(0, 4), slice(3, 4)),
    ],
)
def test_center_crop(size: int | tuple[int, int], rows: slice, columns: slice) -> None:
    x = np.arange(105, dtype=np.uint8).reshape(3, 5, 7)
    np.testing.assert_array_equal(ToArray()(CenterCrop(size)(picture(x))), x[:, rows, columns])


def test_center_crop_of_a_smaller_picture() -> None:
    y = ToArray()(CenterCrop(4)(picture(np.full((3, 2, 2), 9, np.uint8))))
    np.testing.assert_array_equal(y, np.pad(np.full((3, 2, 2), 9), ((0, 0), (1, 1), (1, 1))))


def test_center_crop_of_a_picture_that_is_smaller_by_an_odd_number() -> None:
    y = ToArray()(CenterCrop((8, 4))(picture(np.full((3, 3, 5), 9, np.uint8))))
    np.testing.assert_array_equal(y, np.pad(np.full((3, 3, 5), 9), ((0, 0), (1, 0), (2, 1))))


@pytest.mark.parametrize("transform", [Resize, CenterCrop])
@pytest.mark.parametrize("size", [0, -1, (3, 0), (0, 3)])
def test_sizes_are_positive(transform: type[Resize | CenterCrop], size: Any) -> None:
    with pytest.raises(ValueError, match=f"{transform.__name__}: the size is .*; expected a positive"):
        transform(size)


def test_flip_of_a_picture() -> None:
    flipped = RandomHorizontalFlip(1)(picture(RGB))
    np.testing.assert_array_equal(ToArray()(flipped), RGB[:, :, ::-1])
    image = picture(RGB)
    assert RandomHorizontalFlip(0)(image) is image
