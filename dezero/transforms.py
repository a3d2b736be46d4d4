"""What happens to an example on its way out of a dataset: pictures to arrays, arrays to numbers.

A transform is an object that is called with one picture or array and returns another. Pictures are
Pillow's; arrays of pictures are (C, H, W). No transform changes what it is given. Pillow is imported
only by what must make a new picture, `ToPIL` and ``Convert("BGR")``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeAlias, TypeVar, overload, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike

from dezero.arrays import as_array, floating
from dezero.contract import Array
from dezero.cuda import optional
from dezero.utils import checked_rng, pair

Transform: TypeAlias = Callable[[Any], object]
"""Any callable of one argument. What a chain of them passes on is known at run time only."""


@runtime_checkable
class Image(Protocol):
    """What is used here of a ``PIL.Image.Image``."""

    @property
    def size(self) -> tuple[int, int]: ...
    def convert(self, mode: str, /) -> Self: ...
    def resize(self, size: tuple[int, int], resample: int, /) -> Self: ...
    def crop(self, box: tuple[int, int, int, int], /) -> Self: ...
    def transpose(self, method: Any, /) -> Self: ...  # of an enumeration that Pillow defines
    def split(self) -> tuple[Self, ...]: ...


ImageT = TypeVar("ImageT", bound=Image)


class Compose:
    """Transforms one after the other; none gives back what came."""

    def __init__(self, transforms: Sequence[Transform] = ()) -> None:
        self.transforms: tuple[Transform, ...] = tuple(transforms)

    def __call__(self, img: object) -> Any:  # the last transform alone knows what
        for transform in self.transforms:
            img = transform(img)
        return img


# ------------------------------------------------------------------------------------------- pictures


class Convert:
    """A picture in another mode: one of Pillow's (``"RGB"``, ``"L"``), or ``"BGR"`` for VGG's order."""

    def __init__(self, mode: str = "RGB") -> None:
        self.mode: str = mode

    def __call__(self, img: ImageT) -> ImageT:
        if self.mode != "BGR":
            return img.convert(self.mode)
        r, g, b = img.convert("RGB").split()
        swapped: ImageT = optional("PIL.Image", "pillow", 'Convert("BGR")').merge("RGB", (b, g, r))
        return swapped


class Resize:
    """A picture of another size.

    Args:
        size: The width and the height in pixels; one number for both.
        mode: One of Pillow's resampling filters; bilinear by default.

    Raises:
        ValueError: The size is not positive.
    """

    def __init__(self, size: int | tuple[int, int], mode: int = 2) -> None:
        self.size: tuple[int, int] = _size("Resize", size)
        self.mode: int = mode

    def __call__(self, img: ImageT) -> ImageT:
        return img.resize(self.size, self.mode)


class CenterCrop:
    """The middle of a picture; where the picture is smaller, it is framed in black.

    If the margins cannot be equal, one more is cut off on the right and below, and one more is added on
    the left and above, as in the book.

    Args:
        size: The width and the height in pixels; one number for both.

    Raises:
        ValueError: The size is not positive.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size: tuple[int, int] = _size("CenterCrop", size)

    def __call__(self, img: ImageT) -> ImageT:
        (width, height), (w, h) = img.size, self.size
        left, upper = (width - w) // 2, (height - h) // 2
        return img.crop((left, upper, left + w, upper + h))


class ToArray:
    """A picture as an array (C, H, W), 0 … 255 for the usual modes; an array passes as it is.

    Raises:
        TypeError: What came is neither a picture nor an array.
    """

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)  # of any element type

    def __call__(self, img: Image | Array) -> Array:
        if isinstance(img, np.ndarray):
            return img
        if not isinstance(img, Image):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers err
            raise TypeError(f"ToArray: got {type(img).__name__}; expected a picture or an ndarray")
        pixels = as_array(img)
        channels_first = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[np.newaxis]
        return channels_first.astype(self.dtype)


class ToPIL:
    """An array (C, H, W) of whole numbers 0 … 255 as a picture: C is 1 (grey), 3 (RGB) or 4 (RGBA).

    Raises:
        ValueError: The array has another shape, or other numbers.
        ImportError: Pillow is not installed.
    """

    def __call__(self, array: Array) -> Image:
        if array.ndim != 3 or array.shape[0] not in (1, 3, 4) or not array.size:
            raise ValueError(f"ToPIL: the shape is {array.shape}; expected (C, H, W), C one of 1, 3, 4")
        with np.errstate(invalid="ignore"):  # NaN and infinity are found by the comparison
            pixels = array.astype(np.uint8)
        if not np.array_equal(pixels, array):
            raise ValueError(f"ToPIL: the {array.dtype} array holds other than whole numbers 0 … 255")
        channels_last = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
        image: Image = optional("PIL.Image", "pillow", "ToPIL").fromarray(channels_last)
        return image


class RandomHorizontalFlip:
    """A picture, or an array (…, W), mirrored left to right with a probability.

    Each call draws one number.

    Args:
        p: The probability.
        rng: Where to draw from; NumPy's global state by default, which ``np.random.seed`` sets.

    Raises:
        ValueError: ``p`` is no probability.
        TypeError: ``rng`` draws no numbers.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p is {p}; expected a probability, 0 … 1")
        self.p: float = p
        self.rng: np.random.Generator | None = checked_rng("RandomHorizontalFlip", rng, "random")

    @overload
    def __call__(self, img: Array) -> Array: ...
    @overload
    def __call__(self, img: ImageT) -> ImageT: ...
    def __call__(self, img: Array | ImageT) -> Array | ImageT:
        if (np.random.random() if self.rng is None else self.rng.random()) >= self.p:
            return img
        # Zero is Pillow's FLIP_LEFT_RIGHT.
        return as_array(np.flip(img, -1)) if isinstance(img, np.ndarray) else img.transpose(0)


# --------------------------------------------------------------------------------------------- arrays


class Normalize:
    """``(array - mean) / std``. Floating arrays keep their element type; others become float64.

    It is computed in float32 at least, for a small std would be zero in float16.

    Args:
        mean: A number, or one for each entry along the first axis (the channels of (C, H, W)).
        std: The same.

    Raises:
        ValueError: A standard deviation is not positive, or there are not as many numbers as channels.
    """

    def __init__(
        self,
        mean: float | Sequence[float] | Array = 0.0,
        std: float | Sequence[float] | Array = 1.0,
    ) -> None:
        if not np.all(np.asarray(std) > 0):
            raise ValueError(f"Normalize: std is {std}; expected positive numbers")
        self.mean: float | Sequence[float] | Array = mean
        self.std: float | Sequence[float] | Array = std

    def __call__(self, array: Array) -> Array:
        given = floating(as_array(array))
        x = given.astype(np.result_type(given.dtype, np.float32), copy=False)
        y = (x - _by_channel("mean", self.mean, x)) / _by_channel("std", self.std, x)
        return as_array(y).astype(given.dtype, copy=False)


class Flatten:
    """The elements in one row, in memory of their own."""

    def __call__(self, array: Array) -> Array:
        return as_array(array).flatten()


class AsType:
    """The same values in another element type; a number becomes an array without axes."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)  # of any element type

    def __call__(self, array: Array | np.generic | float) -> Array:
        return as_array(array).astype(self.dtype)


class ToFloat(AsType):
    """The same values in float32."""


class ToInt(AsType):
    """The same values in int64, rounded towards zero."""

    def __init__(self, dtype: DTypeLike = np.int64) -> None:
        super().__init__(dtype)


def _size(who: str, size: int | tuple[int, int]) -> tuple[int, int]:
    width, height = pair(size)
    if width < 1 or height < 1:
        raise ValueError(f"{who}: the size is {size}; expected a positive width and height")
    return width, height


def _by_channel(name: str, numbers: float | Sequence[float] | Array, x: Array) -> Array:
    """The numbers in the element type of ``x``, in a shape that broadcasts along its first axis."""
    given = np.asarray(numbers, x.dtype)
    if given.ndim == 0:
        return given
    if given.ndim > 1 or x.ndim == 0 or given.size not in (1, len(x)):
        raise ValueError(
            f"Normalize: {name} has the shape {given.shape}, the array {x.shape}; "
            "expected one number, or one for each channel of (C, H, W)"
        )
    return given.reshape(-1, *[1] * (x.ndim - 1))
