"""Loaders give every example once an epoch, in the order of a seed; transforms have inverses."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import math
import struct
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dezero.contract import Array
from dezero.dataloaders import DataLoader, SeqDataLoader
from dezero.datasets import CIFAR100, MNIST, Dataset
from dezero.transforms import (
    AsType,
    Compose,
    Flatten,
    Normalize,
    RandomHorizontalFlip,
    ToArray,
    ToFloat,
    ToInt,
    ToPIL,
    Transform,
)

SIZES = st.integers(0, 40)
BATCHES = st.integers(1, 45)
SEEDS = st.integers(0, 2**32 - 1)
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
DTYPES = st.sampled_from(["float32", "float64", "int64", "uint8"])


def numbered(n: int, shape: tuple[int, ...] = (), dtype: str = "float64") -> Dataset:
    """Examples that say which they are: each datum is filled with its number, which is its label."""
    data = np.broadcast_to(np.arange(n).reshape(n, *[1] * len(shape)), (n, *shape))
    return Dataset.of(data.astype(dtype), np.arange(n))


# --------------------------------------------------------------------------------------------- loaders


@given(SIZES, BATCHES, SHAPES, DTYPES, st.booleans())
def test_every_example_once_an_epoch(
    n: int, batch_size: int, shape: tuple[int, ...], dtype: str, shuffle: bool
) -> None:
    loader = DataLoader(numbered(n, shape, dtype), batch_size, shuffle)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == loader.max_iter == math.ceil(n / batch_size)
        seen: list[int] = []
        for k, (x, t) in enumerate(batches):
            size = batch_size if k < len(batches) - 1 else n - batch_size * (len(batches) - 1)
            assert x.shape == (size, *shape)
            assert t.shape == (size,)
            assert x.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(x, np.broadcast_to(t, (*shape, size)).T.reshape(x.shape))
            seen += t.tolist()
        assert (sorted(seen) if shuffle else seen) == list(range(n))


@given(SIZES, BATCHES, BATCHES, SEEDS)
def test_the_order_is_the_seed_s(n: int, batch_size: int, another: int, seed: int) -> None:
    """Whatever the size of the batches; from the global state or from a generator."""

    def epochs(loader: DataLoader) -> list[list[int]]:
        return [[i for _, t in loader for i in t.tolist()] for _ in range(2)]

    dataset = numbered(n)
    np.random.seed(seed)
    first = epochs(DataLoader(dataset, batch_size))
    np.random.seed(seed)
    assert epochs(DataLoader(dataset, another)) == first

    generated = epochs(DataLoader(dataset, batch_size, rng=np.random.default_rng(seed)))
    np.random.seed(seed ^ 1)
    assert epochs(DataLoader(dataset, another, rng=np.random.default_rng(seed))) == generated


@given(SIZES, st.integers(1, 10))
def test_sequences_go_on_from_batch_to_batch(n: int, batch_size: int) -> None:
    if 0 < n < batch_size:
        with pytest.raises(ValueError, match="expected at most the number of examples"):
            SeqDataLoader(numbered(n), batch_size)
        return
    batches = [t for _, t in SeqDataLoader(numbered(n), batch_size)]
    assert len(batches) == math.ceil(n / batch_size)
    for before, after in itertools.pairwise(batches):
        np.testing.assert_array_equal(after, before + 1)
    runs = np.array(batches[: n // batch_size]).T.reshape(-1)  # row by row
    np.testing.assert_array_equal(runs, np.arange(n // batch_size * batch_size))


@given(SIZES, st.slices(40), st.integers(-50, 50))
def test_a_dataset_is_indexed_as_an_array(n: int, s: slice, i: int) -> None:
    dataset, numbers = numbered(n), np.arange(n)
    assert [t for _, t in dataset[s]] == numbers[s].tolist()
    if -n <= i < n:
        assert dataset[i] == (numbers[i], numbers[i])
    else:
        with pytest.raises(IndexError):
            dataset[i]


# ------------------------------------------------------------------------------------------ transforms

PIXELS = npst.arrays(np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=4))
PICTURES = st.sampled_from([1, 3, 4]).flatmap(
    lambda c: npst.arrays(np.uint8, st.tuples(st.just(c), st.integers(1, 5), st.integers(1, 5)))
)
MEANS = st.floats(-100, 100)
DEVIATIONS = st.floats(0.01, 100)


@given(PIXELS, st.data())
def test_normalize_has_an_inverse(x: Array, data: st.DataObject) -> None:
    means = data.draw(st.lists(MEANS, min_size=len(x), max_size=len(x)))
    stds = data.draw(st.lists(DEVIATIONS, min_size=len(x), max_size=len(x)))
    y = Normalize(means, stds)(x)
    back = y * np.reshape(stds, (-1, 1, 1)) + np.reshape(means, (-1, 1, 1))
    np.testing.assert_allclose(back, x, atol=400 * float(np.finfo(np.float64).eps))


@given(PIXELS, MEANS, DEVIATIONS)
def test_one_number_is_one_for_each_channel(x: Array, mean: float, std: float) -> None:
    one = Normalize(mean, std)(x)
    np.testing.assert_array_equal(Normalize([mean] * len(x), [std] * len(x))(x), one)
    np.testing.assert_array_equal(Normalize([mean], [std])(x), one)


@given(npst.arrays(DTYPES, npst.array_shapes(max_dims=4, max_side=4), elements=st.integers(0, 255)))
def test_flip_is_its_own_inverse(x: Array) -> None:
    flip = RandomHorizontalFlip(1)
    np.testing.assert_array_equal(flip(flip(x)), x)
    assert flip(x).dtype == x.dtype
    np.testing.assert_array_equal(flip(x)[..., 0], x[..., -1])


@given(npst.arrays(np.uint8, SHAPES))
def test_flatten_and_reshape(x: Array) -> None:
    y = Flatten()(x)
    assert y.shape == (x.size,)
    np.testing.assert_array_equal(y.reshape(x.shape), x)
    np.testing.assert_array_equal(Flatten()(y), y)


@given(npst.arrays(np.uint8, SHAPES))
def test_element_types_and_back(x: Array) -> None:
    np.testing.assert_array_equal(AsType(np.uint8)(ToInt()(ToFloat()(x))), x)
    np.testing.assert_array_equal(ToFloat()(ToFloat()(x)), ToFloat()(x))


ELEMENTARY: list[Transform] = [
    Flatten(),
    ToFloat(),
    ToInt(),
    Normalize(3.0, 2.0),
    RandomHorizontalFlip(1),
]


@given(PIXELS, st.lists(st.sampled_from(ELEMENTARY), max_size=5), st.integers(0, 5))
def test_compose_is_associative(x: Array, chain: list[Transform], cut: int) -> None:
    whole: Array = Compose(chain)(x)
    halves: Any = Compose([Compose(chain[:cut]), Compose(chain[cut:])])(x)
    np.testing.assert_array_equal(halves, whole)
    assert halves.dtype == whole.dtype


@given(PICTURES)
def test_pictures_and_back(x: Array) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    np.testing.assert_array_equal(ToArray(np.uint8)(ToPIL()(x)), x)
    np.testing.assert_array_equal(ToArray()(ToPIL()(x.astype(np.float32))), x)
    flip = RandomHorizontalFlip(1)
    np.testing.assert_array_equal(ToArray()(flip(ToPIL()(x))), flip(x))


# ---------------------------------------------------------------------------------------------- files

AXES = st.sampled_from([28, 0, 1]) | st.integers(0, 2**32 - 1)


@given(st.binary(max_size=64), st.lists(AXES, min_size=3, max_size=3))
def test_no_header_gets_past_its_bytes(tail: bytes, sizes: list[int]) -> None:
    """Whatever an IDX file announces: ValueError, unless there is just that much."""
    assume((tail, sizes) != (b"", [0, 28, 28]))  # which is a whole file, of no pictures
    with tempfile.TemporaryDirectory() as folder:
        for name, axes in (("images-idx3", sizes), ("labels-idx1", sizes[:1])):
            content = struct.pack(f">HBB{len(axes)}I", 0, 8, len(axes), *axes) + tail
            (Path(folder) / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
            MNIST(folder=folder)


def archived() -> bytes:
    """The test pictures of CIFAR100, two of them, in an archive that is not yet compressed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, size in (("ö" * 30, 5), ("cifar-100-binary/test.bin", 2 * 3074)):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    return file.getvalue()


ARCHIVED = archived()
HEADERS = range(4 * 512)  # of the long name, the name, its file, and the file with the pictures
CHANGES = st.dictionaries(st.sampled_from(HEADERS), st.integers(0, 255), max_size=6)


@given(CHANGES, st.booleans())
def test_no_archive_does_more_than_be_refused(changes: dict[int, int], mend: bool) -> None:
    content = bytearray(ARCHIVED)
    for place, byte in changes.items():
        content[place] = byte
    for begin in range(0, len(HEADERS), 512) if mend else ():
        block = content[begin : begin + 512]  # a header's checksum counts itself as spaces
        block[148:156] = b" " * 8
        content[begin + 148 : begin + 156] = b"%06o\0 " % sum(block)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cifar-100-binary.tar.gz"
        path.write_bytes(gzip.compress(bytes(content), 1))
        with contextlib.suppress(ValueError):
            assert CIFAR100(train=False, folder=folder).data.shape[1:] == (3, 32, 32)
