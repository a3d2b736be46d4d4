"""The datasets: pairs by index, the book's spiral; files that are small, missing, damaged, hostile."""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import struct
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

import numpy as np
import pytest

from dezero import archives, utils
from dezero.contract import Array
from dezero.datasets import (
    CIFAR10,
    CIFAR100,
    MNIST,
    Dataset,
    ImageNet,
    Shakespear,
    SinCurve,
    Spiral,
    get_spiral,
)

X = np.arange(10.0).reshape(5, 2)
T = np.array([4, 3, 2, 1, 0])

# -------------------------------------------------------------------------------------------- Dataset


def doubled(x: Array) -> Array:
    return x * 2


def test_a_pair_by_index() -> None:
    dataset = Dataset.of(X, T)
    assert len(dataset) == 5
    for i in range(-5, 5):
        for index in (i, np.int64(i), np.array(i)):
            x, t = dataset[cast(int, index)]  # which NumPy's integers are at run time only
            np.testing.assert_array_equal(x, X[i])
            assert t == T[i]


def test_the_data_are_shared() -> None:
    dataset = Dataset.of(X, T)
    assert dataset.data is X
    assert dataset.label is T
    assert np.shares_memory(dataset[1:3].data, X)


def test_arrays_without_an_axis() -> None:
    with pytest.raises(ValueError, match=r"Dataset\.of: data has no axis; expected one along"):
        Dataset.of(np.array(1.0))
    with pytest.raises(ValueError, match=r"Dataset\.of: label has no axis; expected one along"):
        Dataset.of(X, np.array(1))


@pytest.mark.parametrize("i", [5, -6, 10**30])
def test_no_such_index(i: int) -> None:
    with pytest.raises(IndexError, match=f"Dataset: index {i} is out of range for 5 examples"):
        Dataset.of(X, T)[i]


@pytest.mark.parametrize("i", [1.0, "1", None, [1], (0, 1), np.array([1, 2])])
def test_no_index(i: Any) -> None:
    expected = f"Dataset: the index is a {type(i).__name__}; expected an integer or a slice"
    with pytest.raises(TypeError, match=expected):
        Dataset.of(X, T)[i]


def test_iteration_ends() -> None:
    seen = list(Dataset.of(X, T))
    assert [t for _, t in seen] == T.tolist()
    np.testing.assert_array_equal([x for x, _ in seen], X)
    assert list(Dataset.of(X[:0], T[:0])) == []


@pytest.mark.parametrize("s", [slice(1, 4), slice(None, None, -2), slice(-2, 99), slice(3, 3)])
def test_a_slice_is_a_dataset(s: slice) -> None:
    part = Dataset.of(X, T, doubled, str)[s]
    assert type(part) is Dataset
    assert len(part) == len(X[s])
    assert [t for _, t in part] == [str(t) for t in T[s]]
    for (x, _), expected in zip(part, X[s], strict=True):
        np.testing.assert_array_equal(x, 2 * expected)


def test_a_slice_without_labels_leaves_the_whole_as_it_is() -> None:
    dataset = Dataset.of(X)
    assert dataset[:2].label is None
    assert dataset[:2][1][1] is None
    assert len(dataset) == 5


def test_transforms() -> None:
    x, t = Dataset.of(X, T, transform=doubled, target_transform=float)[1]
    np.testing.assert_array_equal(x, [4.0, 6.0])
    assert (type(t), t) == (float, 3.0)
    np.testing.assert_array_equal(X[1], [2.0, 3.0])
    x, t = Dataset.of(X, None, doubled, float)[1]  # no label: nothing to transform
    np.testing.assert_array_equal(x, [4.0, 6.0])
    assert t is None


def test_without_a_transform_it_is_the_identity() -> None:
    dataset = Dataset.of(X, T)
    assert dataset.transform(X) is X
    assert dataset.target_transform(T) is T


def test_as_many_labels_as_data() -> None:
    with pytest.raises(ValueError, match="Dataset: there are 5 data, but 4 labels"):
        Dataset.of(X, T[:4])

    class Mine(Dataset):
        def prepare(self) -> None:
            self.data, self.label = X, T[:4]

    with pytest.raises(ValueError, match="Mine: there are 5 data, but 4 labels"):
        Mine()


def test_a_dataset_as_the_book_writes_it() -> None:
    class Mine(Dataset):
        def prepare(self) -> None:
            self.data = X if self.train else X[:2]
            self.label = T if self.train else T[:2]

    assert (len(Mine()), len(Mine(train=False))) == (5, 2)
    assert Mine().train
    assert not Mine(False).train


def test_a_dataset_whose_data_stay_elsewhere() -> None:
    class Big(Dataset):
        def __getitem__(self, index: Any, /) -> Any:
            if index >= 3:
                raise IndexError
            return index, -index

        def __len__(self) -> int:
            return 3

    assert list(Big()) == [(0, 0), (1, -1), (2, -2)]


def test_a_dataset_is_pickled() -> None:
    again = pickle.loads(pickle.dumps(Spiral()))
    np.testing.assert_array_equal(again.data, Spiral().data)
    assert again.transform(3) == 3


# ------------------------------------------------------------------------------------ made by a formula


@pytest.mark.parametrize(("train", "seed"), [(True, 1984), (False, 2020)])
def test_spiral_is_the_book_s(train: bool, seed: int) -> None:
    """The recipe point by point, in the order in which the book draws."""
    rng = np.random.RandomState(seed)
    points: list[list[float]] = []
    classes: list[int] = []
    for i in range(3):
        for j in range(100):
            r = j / 100
            angle = i * 4.0 + 4.0 * r + rng.randn() * 0.2
            points.append([r * math.sin(angle), r * math.cos(angle)])
            classes.append(i)
    order = rng.permutation(300)
    x, t = get_spiral(train)
    np.testing.assert_allclose(x, np.array(points, np.float32)[order], rtol=2e-7)
    np.testing.assert_array_equal(t, np.array(classes)[order])


@pytest.mark.parametrize("train", [True, False])
def test_spiral(train: bool) -> None:
    x, t = get_spiral(train)
    assert x.shape == (300, 2)
    assert x.dtype == np.float32
    assert t.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(t), [100, 100, 100])
    np.testing.assert_allclose(sorted(np.hypot(*x.T)), np.repeat(np.arange(100) / 100, 3), atol=1e-6)
    dataset = Spiral(train)
    np.testing.assert_array_equal(dataset.data, x)
    np.testing.assert_array_equal(dataset.label, t)
    assert dataset[7][1] == t[7]


def test_spiral_leaves_the_global_state_alone() -> None:
    before = np.random.get_state(legacy=False)
    get_spiral()
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


def test_train_and_test_differ() -> None:
    assert not np.array_equal(get_spiral(True)[0], get_spiral(False)[0])


def test_sin_curve() -> None:
    curve = SinCurve()
    x = np.linspace(0, 2 * np.pi, 1000)
    assert curve.label is not None
    assert curve.data.shape == curve.label.shape == (999, 1)
    assert curve.data.dtype == np.float64
    np.testing.assert_array_equal(curve.data[1:], curve.label[:-1])
    noise = curve.data[:, 0] - np.sin(x[:-1])
    assert 0.04 < np.abs(noise).max() <= 0.05
    np.testing.assert_array_equal(SinCurve(train=False).data[:, 0], np.cos(x[:-1]))


def test_the_noise_is_drawn_from_the_global_state_to_test_too() -> None:
    np.random.seed(1)
    first, second = SinCurve().data, SinCurve().data
    np.random.seed(1)
    np.testing.assert_array_equal(SinCurve().data, first)
    np.random.seed(1)
    SinCurve(train=False)
    np.testing.assert_array_equal(SinCurve().data, second)


# ---------------------------------------------------------------------------------- small files to read

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
DIGITS = np.array([3, 0, 9, 1], np.uint8)
NAMES = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx(array: Array, *, kind: int = 8, shape: tuple[int, ...] | None = None) -> bytes:
    """An array of bytes in the IDX format; with ``shape``, one that lies about its shape."""
    sizes = array.shape if shape is None else shape
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes) + array.tobytes()


def write_mnist(folder: Path, images: bytes, labels: bytes = idx(DIGITS)) -> None:
    for name, content in zip(NAMES, (images, labels), strict=True):
        (folder / name).write_bytes(gzip.compress(content))


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def records(labels: list[list[int]], first: int = 0) -> bytes:
    """Records of CIFAR: the labels, then a picture whose planes are constant: first, +1, +2 …"""
    return b"".join(
        bytes(row) + bytes(first + 3 * i + plane for plane in range(3) for _ in range(1024))
        for i, row in enumerate(labels)
    )


CIFAR10_MEMBERS = {
    **{
        f"cifar-10-batches-bin/data_batch_{i}.bin": records([[i], [9 - i]], 10 * i) for i in range(1, 6)
    },
    "cifar-10-batches-bin/test_batch.bin": records([[7]], 100),
    "cifar-10-batches-bin/readme.html": b"<html>",
}
CIFAR100_MEMBERS = {
    "cifar-100-binary/train.bin": records([[19, 99], [0, 5]]),
    "cifar-100-binary/test.bin": records([[4, 0]]),
}


def write_cifar(folder: Path, members: dict[str, bytes], name: str = "cifar-10") -> None:
    write_tar(folder / f"{name}-binary.tar.gz", members)


def write_class_index(folder: Path, index: object) -> None:
    (folder / "imagenet_class_index.json").write_text(json.dumps(index))


CLASS_INDEX: dict[str, list[str]] = {str(i): [f"n{i:08}", f"name {i}"] for i in range(1000)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All of the files, in small."""
    write_mnist(tmp_path, idx(PIXELS))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS[:1])))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(DIGITS[:1])))
    write_cifar(tmp_path, CIFAR10_MEMBERS)
    write_cifar(tmp_path, CIFAR100_MEMBERS, "cifar-100")
    write_class_index(tmp_path, CLASS_INDEX)
    (tmp_path / "shakespear.txt").write_text("to be, ö\n", "utf-8")
    return tmp_path


def test_mnist(folder: Path) -> None:
    dataset = MNIST(folder=folder)
    assert dataset.label is not None
    assert (dataset.data.dtype, dataset.label.dtype) == (np.dtype(np.uint8), np.dtype(np.int64))
    np.testing.assert_array_equal(dataset.data, PIXELS[:, np.newaxis])
    np.testing.assert_array_equal(dataset.label, DIGITS)
    x, t = dataset[2]
    assert (x.shape, x.dtype, t) == ((784,), np.float32, 9)
    np.testing.assert_array_equal(x, (PIXELS[2].reshape(-1) / 255).astype(np.float32))
    test = MNIST(False, None, folder=folder)
    np.testing.assert_array_equal(test[0][0], PIXELS[:1])
    assert len(test) == 1
    assert MNIST.labels()[7] == "7"
    assert list(MNIST.labels()) == list(range(10))


def test_the_data_can_be_changed(folder: Path) -> None:
    """What is read of bytes is read-only, unless one sees to it."""
    for dataset in (MNIST(folder=folder), CIFAR10(folder=folder)):
        dataset.data[0] = 1
        assert dataset.label is not None
        dataset.label[0] = 1


def test_cifar10(folder: Path) -> None:
    dataset = CIFAR10(folder=str(folder))
    assert (dataset.data.shape, dataset.data.dtype) == ((10, 3, 32, 32), np.dtype(np.uint8))
    assert dataset.label is not None
    assert dataset.label.dtype == np.int64
    np.testing.assert_array_equal(dataset.label, [1, 8, 2, 7, 3, 6, 4, 5, 5, 4])
    planes = [[10 * i + 3 * j + plane for plane in range(3)] for i in range(1, 6) for j in range(2)]
    np.testing.assert_array_equal(dataset.data[:, :, 0, 0], planes)
    np.testing.assert_array_equal(dataset.data[:, :, 31, 31], planes)
    x, t = dataset[1]
    assert (x.dtype, t) == (np.float32, 8)
    np.testing.assert_array_equal(x[0], np.full((32, 32), (13 - 0.5) / 0.5))
    test = CIFAR10(train=False, transform=None, folder=folder)
    assert (len(test), test[0][1], test[0][0][2, 0, 0]) == (1, 7, 102)


def test_cifar100(folder: Path) -> None:
    np.testing.assert_array_equal(CIFAR100(folder=folder).label, [99, 5])
    np.testing.assert_array_equal(CIFAR100(label_type="coarse", folder=folder).label, [19, 0])
    np.testing.assert_array_equal(CIFAR100(folder=folder).data[:, :, 0, 0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(CIFAR100(False, folder=folder).label, [0])
    with pytest.raises(ValueError, match="CIFAR100: label_type is 'both'; expected 'fine' or 'coarse'"):
        CIFAR100(label_type="both", folder=folder)  # type: ignore[arg-type]  # the point of it


def test_names_of_classes() -> None:
    assert [CIFAR10.labels()[i] for i in (0, 3, 9)] == ["airplane", "cat", "truck"]
    fine, coarse = CIFAR100.labels(), CIFAR100.labels("coarse")
    assert (len(CIFAR10.labels()), len(fine), len(coarse)) == (10, 100, 20)
    for names in (fine, coarse):
        assert list(names.values()) == sorted(set(names.values()))
    assert (fine[99], coarse[19], coarse[0]) == ("worm", "vehicles_2", "aquatic_mammals")


def test_names_of_imagenet(folder: Path) -> None:
    assert ImageNet.labels(folder=folder) == {i: f"name {i}" for i in range(1000)}


def test_shakespear(folder: Path) -> None:
    play = Shakespear(folder=folder)
    assert play.label is not None
    text = "".join(play.id_to_char[int(i)] for i in play.data)
    assert text == "to be, ö"
    np.testing.assert_array_equal(play.label[:-1], play.data[1:])
    assert play.id_to_char[int(play.label[-1])] == "\n"
    assert list(play.char_to_id) == list("to be,ö\n")
    assert {i: c for c, i in play.char_to_id.items()} == play.id_to_char
    assert play.data.dtype == np.int64


def test_shakespear_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "shakespear.txt").write_text("")
    assert len(Shakespear(folder=tmp_path)) == 0


def test_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Array, str]] = []
    plt = ModuleType("matplotlib.pyplot")

    def imshow(image: Array, cmap: str, interpolation: str) -> None:
        shown.append((image, f"{cmap} {interpolation}"))

    def nothing(*_: object) -> None: ...

    vars(plt).update(imshow=imshow, axis=nothing, show=nothing)
    monkeypatch.setitem(sys.modules, "matplotlib", ModuleType("matplotlib"))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", plt)
    np.random.seed(0)
    chosen = np.random.randint(0, 4, 6)
    np.random.seed(0)
    MNIST(folder=folder).show(row=2, col=3)
    CIFAR10(folder=folder).show()
    (grey, how), (colour, _) = shown
    assert how == "gray nearest"
    for k, i in enumerate(chosen):
        r, c = divmod(k, 3)
        np.testing.assert_array_equal(grey[28 * r : 28 * r + 28, 28 * c : 28 * c + 28], PIXELS[i])
    assert colour.shape == (320, 320, 3)
    assert set(map(tuple, (colour[::32, ::32] - colour[::32, ::32, :1]).reshape(-1, 3))) == {(0, 1, 2)}


def test_show_names_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"MNIST\.show needs matplotlib.*pip install matplotlib"):
        MNIST(folder=folder).show()


# ---------------------------------------------------------------------------------- files not in place

Reads: TypeAlias = Callable[[Path | None], object]

READERS: list[tuple[str, Reads, list[str]]] = [
    ("MNIST", lambda folder: MNIST(folder=folder), list(NAMES)),
    (
        "MNIST",
        lambda folder: MNIST(False, folder=folder),
        ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
    ),
    ("CIFAR10", lambda folder: CIFAR10(folder=folder), ["cifar-10-binary.tar.gz"]),
    ("CIFAR100", lambda folder: CIFAR100(folder=folder), ["cifar-100-binary.tar.gz"]),
    ("ImageNet.labels", lambda folder: ImageNet.labels(folder=folder), ["imagenet_class_index.json"]),
    ("Shakespear", lambda folder: Shakespear(folder=folder), ["shakespear.txt"]),
]


@pytest.mark.parametrize(("name", "read", "files"), READERS)
def test_missing_files_are_named(name: str, read: Reads, files: list[str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as e:
        read(tmp_path)
    message = str(e.value)
    assert message.startswith(
        f"{name}: {' and '.join(files)} not found in {str(tmp_path)!r}; put there"
    )
    for file in files:
        assert f"{file} (https://" in message


def test_of_two_files_only_the_missing_one_is_missing(folder: Path) -> None:
    (folder / NAMES[1]).unlink()
    (folder / NAMES[1]).mkdir()  # which is no file either
    with pytest.raises(FileNotFoundError, match=f"^MNIST: {NAMES[1]} not found in"):
        MNIST(folder=folder)


@pytest.mark.parametrize(("name", "read", "files"), READERS)
def test_without_a_folder_files_are_fetched(
    name: str, read: Reads, files: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def get_file(url: str, file_name: str | None = None, *, sha256: str | None = None) -> str:
        assert url.startswith("https://")
        assert file_name is not None
        assert file_name == "shakespear.txt" or url.endswith(f"/{file_name}")
        assert name == "ImageNet.labels" or (sha256 is not None and len(bytes.fromhex(sha256)) == 32)
        fetched.append(file_name)
        return str(folder / file_name)

    monkeypatch.setattr(utils, "get_file", get_file)
    read(None)
    assert fetched == files


@pytest.mark.parametrize(("name", "read", "files"), READERS)
def test_without_a_network(
    name: str, read: Reads, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(url: str, file_name: str | None = None, *, sha256: str | None = None) -> str:
        raise OSError(f"get_file: no network; put the file at /cache/{file_name}")

    monkeypatch.setattr(utils, "get_file", get_file)
    with pytest.raises(OSError, match="no network; put the file at /cache/") as e:
        read(None)
    message = str(e.value)
    assert message.startswith(f"{name} needs {files[0]} (https://")
    assert message.endswith("the others beside it; or name a folder that holds them all: folder=...")
    assert all(f"{file} (https://" in message for file in files)
    assert isinstance(e.value.__cause__, OSError)


# -------------------------------------------------------------------------- files that are not as they


def refused(read: Reads, folder: Path, file: str, message: str) -> None:
    """A ValueError that names the file and what is wrong; and no memory was given out on its word."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as e:
        read(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(e.value).startswith(str(folder / file))
    assert peak < 8 * 2**20


def read_mnist(folder: Path | None) -> object:
    return MNIST(folder=folder)


def read_cifar10(folder: Path | None) -> object:
    return CIFAR10(folder=folder)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (b"", "ends after 0 of the 4 bytes"),
        (idx(PIXELS)[:3], "ends after 3 of the 4 bytes"),
        (idx(PIXELS)[:9], "ends after 5 of the 12 bytes"),
        (idx(PIXELS)[:-1], "ends after 3135 of the 3136 bytes"),
        (idx(PIXELS) + b"\0", "goes on after the 3136 bytes"),
        (idx(PIXELS, kind=0x0D), "begins with 00 00 0d 03; expected 00 00 08 03"),
        (idx(PIXELS.reshape(4, -1)), "begins with 00 00 08 02; expected 00 00 08 03.*with 3 axes"),
        (b"\x89PNG and so on", "begins with 89 50 4e 47"),
        (idx(PIXELS.reshape(2, 56, 28)), r"the shape \(56, 28\); expected \(28, 28\)"),
        (idx(PIXELS.reshape(4, 14, 56)), r"the shape \(14, 56\); expected \(28, 28\)"),
        (idx(PIXELS, shape=(5, 28, 28)), "ends after 3136 of the 3920 bytes"),
        (idx(PIXELS, shape=(2**32 - 1, 28, 28)), "announces 3367254359280 bytes; at most 1073741824"),
        (idx(PIXELS, shape=(10**6, 28, 28)), "ends after 3136 of the 784000000 bytes"),
        (idx(PIXELS, shape=(4, 2**32 - 1, 2**32 - 1)), "the shape .4294967295, 4294967295.; expected"),
    ],
)
def test_idx_files_that_lie(images: bytes, message: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, images)
    refused(read_mnist, tmp_path, NAMES[0], message)


def test_idx_files_that_are_damaged(tmp_path: Path) -> None:
    write_mnist(tmp_path, idx(PIXELS))
    path = tmp_path / NAMES[0]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # in the checksum
    for damaged, message in (
        (whole[: len(whole) // 2], "ended before the end-of-stream marker"),
        (whole[:-4], "ended before the end-of-stream marker"),
        (bytes(flipped), "CRC check failed"),
        (whole[:10] + b"\xff" * 40 + whole[50:], "invalid block type"),
        (idx(PIXELS), "[Nn]ot a gzipped file"),
    ):
        path.write_bytes(damaged)
        refused(read_mnist, tmp_path, NAMES[0], message)


def test_labels_that_fit_no_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, idx(PIXELS), idx(DIGITS[:3]))
    with pytest.raises(ValueError, match="MNIST: there are 4 data, but 3 labels"):
        MNIST(folder=tmp_path)
    write_mnist(tmp_path, idx(PIXELS), idx(DIGITS + 1))
    refused(read_mnist, tmp_path, NAMES[1], "holds the label 10; expected 0 … 9")
    write_mnist(tmp_path, idx(PIXELS), idx(PIXELS))
    refused(read_mnist, tmp_path, NAMES[1], "begins with 00 00 08 03; expected 00 00 08 01")


def test_no_images_at_all(tmp_path: Path) -> None:
    write_mnist(tmp_path, idx(PIXELS[:0]), idx(DIGITS[:0]))
    assert MNIST(folder=tmp_path).data.shape == (0, 1, 28, 28)


ARCHIVE = "cifar-10-binary.tar.gz"
SECOND = "cifar-10-batches-bin/data_batch_2.bin"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"{SECOND} has 0 bytes; expected a multiple of 3073"),
        (records([[1]])[:-1], f"{SECOND} has 3072 bytes; expected a multiple of 3073"),
        (records([[1, 2]]), f"{SECOND} has 3074 bytes"),
        (records([[10]]), "holds the label 10; expected 0 … 9"),
    ],
)
def test_records_that_lie(content: bytes, message: str, tmp_path: Path) -> None:
    write_cifar(tmp_path, {**CIFAR10_MEMBERS, SECOND: content})
    refused(read_cifar10, tmp_path, ARCHIVE, message)


def test_a_label_of_another_kind(tmp_path: Path) -> None:
    for kind, row in (("fine", [0, 100]), ("coarse", [20, 0])):
        write_cifar(tmp_path, {"cifar-100-binary/train.bin": records([row])}, "cifar-100")
        with pytest.raises(ValueError, match=rf"tar\.gz: holds the label {max(row)}; expected 0 … "):
            CIFAR100(label_type=kind, folder=tmp_path)  # type: ignore[arg-type]  # one of the two


def test_a_member_that_is_missing(tmp_path: Path) -> None:
    write_cifar(tmp_path, {k: v for k, v in CIFAR10_MEMBERS.items() if k != SECOND})
    refused(read_cifar10, tmp_path, ARCHIVE, f"holds no {SECOND}")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as archive:
        for name, content in CIFAR10_MEMBERS.items():
            info = tarfile.TarInfo(name)
            if name == SECOND:
                info.type, info.linkname = kind, "/etc/hostname"
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    refused(read_cifar10, tmp_path, ARCHIVE, f"{SECOND} is no regular file")


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


FIRST = "cifar-10-batches-bin/data_batch_1.bin"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(FIRST, 3073 * 10**9) + bytes(4096), "unexpected end of data"),
        (header(FIRST, 3073 * 10**5) + bytes(4096), "unexpected end of data"),
        (header("x", 2**70) + bytes(4096), r"tar\.gz: ."),
        (header("x", -512) + bytes(4096), r"tar\.gz: ."),
        (header("x", 0) + header("y", -512) + bytes(4096), "y has -512 bytes"),  # and is the next, too
        (header("x", 2**60, tarfile.XHDTYPE) + bytes(4096), "a header announces 1152921504606846976 b"),
        (header("x", 2**33, tarfile.XHDTYPE) + bytes(4096), "a header announces 8589934592 bytes"),
        (header("x", -(2**20), tarfile.XHDTYPE) + bytes(2**25), "a header announces -1048576 bytes"),
        (header("x", 2**33, tarfile.GNUTYPE_LONGNAME) + bytes(4096), "a header announces 8589934592 b"),
        (header("x", 2**60, tarfile.GNUTYPE_SPARSE) + bytes(4096), r"tar\.gz: ."),
        (header("x", 600, tarfile.XHDTYPE) + b"999999999 path=" + bytes(5000), r"tar\.gz: ."),
        (header("x", 1024, tarfile.XHDTYPE) + b"\xff" * 5000, r"tar\.gz: ."),
        (b"no archive" * 100, "bad checksum|truncated header|invalid header"),
        (b"", "empty file"),
    ],
)
def test_archives_that_lie(content: bytes, message: str, tmp_path: Path) -> None:
    """What tarfile says of a header differs from version to version; that it is refused does not."""
    (tmp_path / ARCHIVE).write_bytes(gzip.compress(content))
    refused(read_cifar10, tmp_path, ARCHIVE, message)


def test_a_member_of_less_than_nothing(tmp_path: Path) -> None:
    before = header("x", 4096) + bytes(4096)
    test = header("cifar-10-batches-bin/test_batch.bin", -3073) + bytes(4096)
    (tmp_path / ARCHIVE).write_bytes(gzip.compress(before + test))
    with pytest.raises(ValueError, match=r"test_batch\.bin has -3073 bytes"):
        CIFAR10(train=False, folder=tmp_path)


def test_archives_that_are_damaged(tmp_path: Path) -> None:
    write_cifar(tmp_path, CIFAR10_MEMBERS)
    whole = (tmp_path / ARCHIVE).read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:30], b"", whole[:40] + b"\xff" * 80 + whole[120:]):
        (tmp_path / ARCHIVE).write_bytes(damaged)
        refused(read_cifar10, tmp_path, ARCHIVE, "file|unexpected end|invalid")


def test_nothing_is_written_beside_an_archive(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    CIFAR10(folder=folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        json.dumps({**CLASS_INDEX, "1000": ["n", "x"]})[:-9],
        json.dumps({k: v for k, v in CLASS_INDEX.items() if k != "500"}),
        json.dumps({**CLASS_INDEX, "500": "n"}),
        json.dumps({**CLASS_INDEX, "500": 7}),
        "[" * 10**5,
        "\xff",
    ],
)
def test_names_of_imagenet_that_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "imagenet_class_index.json").write_text(text, "latin-1")
    with pytest.raises(ValueError, match=r"class_index\.json: no index of a thousand classes in JSON"):
        ImageNet.labels(folder=tmp_path)


def test_a_name_that_is_no_string(tmp_path: Path) -> None:
    write_class_index(tmp_path, {**CLASS_INDEX, "500": ["n", None]})
    with pytest.raises(ValueError, match=r"class_index\.json: the name of a class is no string"):
        ImageNet.labels(folder=tmp_path)


def test_shakespear_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "shakespear.txt").write_bytes(b"to be \xff")
    with pytest.raises(ValueError, match=r"shakespear\.txt: no text in UTF-8"):
        Shakespear(folder=tmp_path)


def test_what_is_read_at_once_is_bounded() -> None:
    assert archives.LARGEST == 2**30
