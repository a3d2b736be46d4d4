"""Examples to learn from: made by a formula, read from a file, or from arrays of the user's own.

Files are read from a folder that the user names, else fetched once and kept. They are read as plain
bytes: nothing is unpickled, extracted or executed, and no memory is given out on a header's word.
"""

from __future__ import annotations

import copy
import operator
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from dezero import utils
from dezero.arrays import as_array
from dezero.contract import Array
from dezero.cuda import optional
from dezero.transforms import Compose, Flatten, Normalize, ToFloat, Transform

Example: TypeAlias = tuple[Any, Any]
"""A datum and its label, as the transforms left them; what they are is known at run time only."""

Folder: TypeAlias = str | os.PathLike[str]


class Dataset:
    """Pairs of data and labels.

    A subclass sets ``data`` and ``label`` in `prepare`, or has its own ``__getitem__`` and ``__len__``.
    ``dataset[i]`` is a pair (data, label), transformed now; ``dataset[a:b]`` is a dataset of these
    examples, on the same memory and with the same transforms.

    Args:
        train: Whether these are the examples to learn from, or those to test with.
        transform: Called with each datum.
        target_transform: Called with each label.

    Attributes:
        data: The data, one along the first axis for each example.
        label: The labels, likewise; None if there are none (then each label reads None).

    Raises:
        ValueError: There are not as many labels as data.
        IndexError: At an index: there is no such example.
        TypeError: At an index: it is neither an integer nor a slice.
    """

    data: Array
    label: Array | None = None

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.train: bool = train
        self.transform: Transform = _unchanged if transform is None else transform
        self.target_transform: Transform = _unchanged if target_transform is None else target_transform
        self.prepare()
        self._check_lengths()

    @staticmethod
    def of(
        data: Array,
        label: Array | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> Dataset:
        """The dataset of two arrays, which it shares: ``data[i]`` belongs to ``label[i]``.

        Raises:
            ValueError: There are not as many labels as data, or one has no axis to count them along.
        """
        dataset = Dataset(True, transform, target_transform)
        dataset.data, dataset.label = as_array(data), None if label is None else as_array(label)
        for what, array in (("data", dataset.data), ("label", dataset.label)):
            if array is not None and array.ndim == 0:
                raise ValueError(f"Dataset.of: {what} has no axis; expected one along the examples")
        dataset._check_lengths()
        return dataset

    def prepare(self) -> None:
        """Sets ``data`` and ``label``; called once, by the constructor."""

    def _check_lengths(self) -> None:
        if self.label is not None and len(self.label) != len(self.data):
            raise ValueError(
                f"{type(self).__name__}: there are {len(self.data)} data, but {len(self.label)} labels"
            )

    def _hold(self, data: Array, label: Array | None) -> None:
        self.data = data
        self.label = label

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Example]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Example: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Example | Self:
        if isinstance(index, slice):
            part = copy.copy(self)
            part.data = self.data[index]
            part.label = None if self.label is None else self.label[index]
            return part
        name, n = type(self).__name__, len(self)
        try:
            i = operator.index(index)
        except TypeError:
            kind = type(index).__name__
            raise TypeError(f"{name}: the index is a {kind}; expected an integer or a slice") from None
        if not -n <= i < n:
            raise IndexError(f"{name}: index {i} is out of range for {n} examples")
        label = None if self.label is None else self.target_transform(self.label[i])
        return self.transform(self.data[i]), label


# ------------------------------------------------------------------------------------ made by a formula


def get_spiral(train: bool = True) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three arms of a spiral, a hundred points each: points (300, 2) and classes (300,), shuffled.

    The points are the book's, which draws them with the seeds 1984 (to learn) and 2020 (to test).
    NumPy's global state is not touched.
    """
    rng = np.random.RandomState(1984 if train else 2020)
    arm, step = np.divmod(np.arange(300), 100)
    radius = step / 100
    angle = arm * 4.0 + 4.0 * radius + rng.standard_normal(300) * 0.2
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).astype(np.float32)
    order = rng.permutation(300)
    return points[order], arm[order].astype(np.int64)


class Spiral(Dataset):
    """`get_spiral` as a dataset."""

    def prepare(self) -> None:
        self._hold(*get_spiral(self.train))


class SinCurve(Dataset):
    """A period of the sine with noise, or to test of the cosine: the label of each value is the next.

    ``data`` and ``label`` are (999, 1), in float64. The noise is uniform in ±0.05, from NumPy's global
    state.
    """

    def prepare(self) -> None:
        x = np.linspace(0, 2 * np.pi, 1000)
        noise = np.random.uniform(-0.05, 0.05, x.shape)  # as in the book, to test it is drawn as well
        y = (np.sin(x) + noise if self.train else np.cos(x))[:, np.newaxis]
        self._hold(y[:-1], y[1:])


# ------------------------------------------------------------------------------------- read from files

MNIST_TRANSFORM: Transform = Compose([Flatten(), ToFloat(), Normalize(0.0, 255.0)])
"""To (784,) in float32, 0 … 1."""

CIFAR_TRANSFORM: Transform = Compose([ToFloat(), Normalize(0.5, 0.5)])
"""To float32; the book's numbers: (x - 0.5) / 0.5 of 0 … 255."""


_File: TypeAlias = tuple[str, str | None]  # where it is fetched, and its SHA-256

_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_MNIST_TRAIN: Mapping[str, _File] = {
    "train-images-idx3-ubyte.gz": (
        _MNIST + "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte.gz": (
        _MNIST + "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
}
_MNIST_TEST: Mapping[str, _File] = {
    "t10k-images-idx3-ubyte.gz": (
        _MNIST + "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        _MNIST + "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
_CIFAR10: Mapping[str, _File] = {
    "cifar-10-binary.tar.gz": (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    )
}
_CIFAR100: Mapping[str, _File] = {
    "cifar-100-binary.tar.gz": (
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    )
}
_SHAKESPEARE: Mapping[str, _File] = {
    "shakespear.txt": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    )
}
_IMAGENET: Mapping[str, _File] = {
    "imagenet_class_index.json": (
        "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
        None,
    )
}


class _Pictures(Dataset):
    """Pictures from files: ``data`` (N, C, H, W) in uint8, ``label`` (N,) in int64."""

    def __init__(
        self,
        train: bool,
        transform: Transform | None,
        target_transform: Transform | None,
        folder: Folder | None,
    ) -> None:
        self.folder: Folder | None = folder
        super().__init__(train, transform, target_transform)

    def show(self, row: int = 10, col: int = 10) -> None:
        """Show pictures drawn at random (by NumPy's global state), in rows and columns.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        plt = optional("matplotlib.pyplot", "matplotlib", f"{type(self).__name__}.show")
        chosen = self.data[np.random.randint(0, len(self.data), row * col)]
        plt.imshow(_mosaic(chosen, row, col), cmap="gray", interpolation="nearest")
        plt.axis("off")
        plt.show()


class MNIST(_Pictures):
    """Handwritten digits: 60000 to learn from, 10000 to test with; ``data`` is (N, 1, 28, 28) in uint8.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".

    Args:
        train: Which of the two.
        transform: By default to (784,) in float32, 0 … 1; None for the pictures as they are.
        target_transform: Called with each label.
        folder: Where ``train-images-idx3-ubyte.gz`` and its like are. By default they are fetched.

    Raises:
        OSError: The files are not there, or cannot be fetched.
        ValueError: A file is not what it should be.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = MNIST_TRANSFORM,
        target_transform: Transform | None = None,
        *,
        folder: Folder | None = None,
    ) -> None:
        super().__init__(train, transform, target_transform, folder)

    def prepare(self) -> None:
        from dezero import archives  # where a file is read: `import dezero` need not wait for it

        files = _MNIST_TRAIN if self.train else _MNIST_TEST
        images, labels = _located("MNIST", files, self.folder)
        data = archives.read_idx(images, (28, 28))[:, np.newaxis]
        self._hold(data, _classes(labels, archives.read_idx(labels, ()), 10))

    @staticmethod
    def labels() -> dict[int, str]:
        """The name of each class."""
        return {i: str(i) for i in range(10)}


class CIFAR10(_Pictures):
    """Colour pictures of ten classes: 50000 to learn from, 10000 to test with; (N, 3, 32, 32) in uint8.

    The "binary version" of the archive is read: it holds plain bytes, the "python version" pickles.
    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Args:
        train: Which of the two.
        transform: By default the book's, to float32; None for the pictures as they are.
        target_transform: Called with each label.
        folder: Where ``cifar-10-binary.tar.gz`` is. By default it is fetched.

    Raises:
        OSError: The file is not there, or cannot be fetched.
        ValueError: The file is not what it should be.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = CIFAR_TRANSFORM,
        target_transform: Transform | None = None,
        *,
        folder: Folder | None = None,
    ) -> None:
        super().__init__(train, transform, target_transform, folder)

    def prepare(self) -> None:
        from dezero import archives

        (path,) = _located("CIFAR10", _CIFAR10, self.folder)
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if self.train else ["test_batch.bin"]
        labels, data = archives.read_cifar(path, [f"cifar-10-batches-bin/{name}" for name in names], 1)
        self._hold(data, _classes(path, labels[:, 0], 10))

    @staticmethod
    def labels() -> dict[int, str]:
        """The name of each class."""
        return dict(enumerate(_CIFAR10_NAMES.split()))


class CIFAR100(_Pictures):
    """Colour pictures of a hundred classes in twenty groups; otherwise like `CIFAR10`.

    Args:
        train: Which of the two.
        transform: By default the book's, to float32; None for the pictures as they are.
        target_transform: Called with each label.
        label_type: ``"fine"`` for the classes, ``"coarse"`` for the groups.
        folder: Where ``cifar-100-binary.tar.gz`` is. By default it is fetched.

    Raises:
        OSError: The file is not there, or cannot be fetched.
        ValueError: The file is not what it should be, or ``label_type`` is neither.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = CIFAR_TRANSFORM,
        target_transform: Transform | None = None,
        label_type: Literal["fine", "coarse"] = "fine",
        *,
        folder: Folder | None = None,
    ) -> None:
        self.label_type: Literal["fine", "coarse"] = label_type
        super().__init__(train, transform, target_transform, folder)

    def prepare(self) -> None:
        from dezero import archives

        names = self.labels(self.label_type)
        (path,) = _located("CIFAR100", _CIFAR100, self.folder)
        member = f"cifar-100-binary/{'train' if self.train else 'test'}.bin"
        labels, data = archives.read_cifar(path, [member], 2)  # the group, then the class
        self._hold(data, _classes(path, labels[:, int(self.label_type == "fine")], len(names)))

    @staticmethod
    def labels(label_type: Literal["fine", "coarse"] = "fine") -> dict[int, str]:
        """The name of each class, or of each group."""
        if label_type not in _CIFAR100_NAMES:
            raise ValueError(f"CIFAR100: label_type is {label_type!r}; expected 'fine' or 'coarse'")
        return dict(enumerate(_CIFAR100_NAMES[label_type].split()))


_CIFAR10_NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100_NAMES = {
    "fine": """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
        butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab
        crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard
        lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
        oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
        possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
        spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
        train trout tulip turtle wardrobe whale willow_tree wolf woman worm""",
    "coarse": """aquatic_mammals fish flowers food_containers fruit_and_vegetables
        household_electrical_devices household_furniture insects large_carnivores
        large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
        medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1
        vehicles_2""",
}


class ImageNet:
    """The classes of ImageNet's challenge; its pictures are not for everyone to fetch."""

    @staticmethod
    def labels(*, folder: Folder | None = None) -> dict[int, str]:
        """The names of the thousand classes, from ``imagenet_class_index.json``.

        Args:
            folder: Where the file is. By default it is fetched.

        Raises:
            OSError: The file is not there, or cannot be fetched.
            ValueError: The file is not what it should be.
        """
        import json

        (path,) = _located("ImageNet.labels", _IMAGENET, folder)
        with open(path, "rb") as file:
            text = file.read(2**20)  # the file has some 35 KB
        try:
            index = json.loads(text)
            names = {i: index[str(i)][1] for i in range(1000)}
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            raise ValueError(f"{path}: no index of a thousand classes in JSON ({error!r})") from error
        if not all(isinstance(name, str) for name in names.values()):
            raise ValueError(f"{path}: the name of a class is no string")
        return names


class Shakespear(Dataset):
    """The characters of a megabyte of Shakespeare as numbers; the label of each is the next.

    Source: A. Karpathy's char-rnn. Training and test data are the same.

    Args:
        train: Has no effect.
        transform: Called with each number.
        target_transform: Called with each label.
        folder: Where the text is, as ``shakespear.txt``. By default it is fetched.

    Attributes:
        char_to_id: The number of each character, in the order of their first appearance.
        id_to_char: The character of each number.

    Raises:
        OSError: The file is not there, or cannot be fetched.
        ValueError: The file is no text in UTF-8.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        *,
        folder: Folder | None = None,
    ) -> None:
        self.folder: Folder | None = folder
        super().__init__(train, transform, target_transform)

    def prepare(self) -> None:
        (path,) = _located("Shakespear", _SHAKESPEARE, self.folder)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: no text in UTF-8 ({error})") from error
        self.id_to_char: dict[int, str] = dict(enumerate(dict.fromkeys(text)))
        self.char_to_id: dict[str, int] = {char: i for i, char in self.id_to_char.items()}
        ids = np.array([self.char_to_id[char] for char in text], np.int64)
        self._hold(ids[:-1], ids[1:])


# --------------------------------------------------------------------------------------------- reading


def _unchanged(x: object) -> object:
    return x


def _mosaic(pictures: Array, row: int, col: int) -> Array:
    """(row * col, C, H, W) as one picture: (row * H, col * W), or with the colours as the last axis."""
    _, c, h, w = pictures.shape
    whole = pictures.reshape(row, col, c, h, w).transpose(0, 3, 1, 4, 2).reshape(row * h, col * w, c)
    return whole[:, :, 0] if c == 1 else whole


def _located(who: str, files: Mapping[str, _File], folder: Folder | None) -> list[str]:
    """The paths of files: in the user's folder, taken as they are; else fetched, and verified there."""
    wanted = ", ".join(f"{name} ({url})" for name, (url, _) in files.items())
    if folder is None:
        try:
            return [utils.get_file(url, name, sha256=digest) for name, (url, digest) in files.items()]
        except OSError as error:
            raise OSError(
                f"{who} needs {wanted}. {error}, the others beside it; "
                "or name a folder that holds them all: folder=..."
            ) from error
    paths = {name: os.path.join(folder, name) for name in files}
    missing = [name for name, path in paths.items() if not os.path.isfile(path)]
    if missing:
        raise FileNotFoundError(
            f"{who}: {' and '.join(missing)} not found in {os.fspath(folder)!r}; put there {wanted}"
        )
    return list(paths.values())


def _classes(path: str, labels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """The labels in int64, in which they can be computed with."""
    largest = labels.max(initial=0)
    if largest >= count:
        raise ValueError(f"{path}: holds the label {largest}; expected 0 … {count - 1}")
    return labels.astype(np.int64)
