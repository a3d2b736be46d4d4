"""Batches of the examples of a dataset: shuffled, or as sequences that run side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dezero.arrays import integer
from dezero.contract import Array
from dezero.utils import checked_rng


class Examples(Protocol):
    """What a loader reads: a `Dataset`, a list of pairs, whatever has a length and gives (x, t)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[object, object]: ...


class DataLoader:
    """An iterator over the batches of a dataset; each epoch gives every example once.

    A batch is a pair of arrays, the data (B, …) and the labels (B, …), where B is ``batch_size``, or
    less in the last batch. Without labels the second array is one of None. At the end of an epoch the
    loader is reset: the next ``for`` begins a new one. After a ``break`` it goes on where it was left.

    Args:
        dataset: The examples, such as ``Dataset.of(x, t)`` for two arrays.
        batch_size: The number of examples in a batch.
        shuffle: Whether each epoch has a new order.
        gpu: False; dezero computes with NumPy alone.
        rng: Where the order is drawn from; NumPy's global state by default, which ``np.random.seed``
            sets.

    Attributes:
        data_size: The number of examples.
        max_iter: The number of batches in an epoch.
        iteration: The number of batches given in this epoch.
        index: The order of the examples in this epoch.

    Raises:
        ValueError: ``batch_size`` is less than one; or, at a batch, its examples differ in shape.
        TypeError: ``dataset`` has no length, or no items; ``rng`` draws no order; or, at a batch, an
            example is no pair.
        RuntimeError: ``gpu`` is true.
    """

    def __init__(
        self,
        dataset: Examples,
        batch_size: int,
        shuffle: bool = True,
        gpu: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        if gpu:
            self.to_gpu()
        for method in ("__len__", "__getitem__"):
            if not hasattr(dataset, method):
                raise TypeError(
                    f"{self._name}: dataset is of type {type(dataset).__name__}, without {method}; "
                    "expected examples with a length and an index, such as Dataset.of(x, t)"
                )
        self.dataset: Examples = dataset
        self.batch_size: int = integer(self._name, "batch_size", batch_size)
        if self.batch_size < 1:
            raise ValueError(f"{self._name}: batch_size is {batch_size}; expected at least 1")
        self.shuffle: bool = shuffle
        self.gpu: bool = False
        self.rng: np.random.Generator | None = checked_rng(self._name, rng, "permutation")
        self.data_size: int = len(dataset)
        self.max_iter: int = math.ceil(self.data_size / self.batch_size)
        self.reset()

    def reset(self) -> None:
        """Begin a new epoch, in a new order if the loader shuffles."""
        self.iteration: int = 0
        self.index: NDArray[np.integer] = self._order()

    def _order(self) -> NDArray[np.integer]:
        if not self.shuffle:
            return np.arange(self.data_size)
        permutation = np.random.permutation if self.rng is None else self.rng.permutation
        return permutation(self.data_size)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Array, Array]:
        if self.iteration >= self.max_iter:
            self.reset()
            raise StopIteration
        examples = [self._example(i) for i in self._chosen()]
        batch = (
            self._stacked("data", [x for x, _ in examples]),
            self._stacked("labels", [t for _, t in examples]),
        )
        self.iteration += 1
        return batch

    def next(self) -> tuple[Array, Array]:
        """The next batch.

        Raises:
            StopIteration: The epoch is over; the loader has been reset.
        """
        return next(self)

    def to_cpu(self) -> None:
        """Does nothing: batches are NumPy's arrays."""

    def to_gpu(self) -> NoReturn:
        """Raises RuntimeError: dezero computes with NumPy alone."""
        raise RuntimeError(
            f"{self._name}: dezero computes with NumPy alone, so batches cannot be on a GPU; "
            "leave gpu=False, as dezero.cuda.gpu_enable says"
        )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _chosen(self) -> list[int]:
        """Which examples the next batch consists of."""
        begin = self.iteration * self.batch_size
        return [int(i) for i in self.index[begin : begin + self.batch_size]]

    def _example(self, i: int) -> tuple[object, object]:
        example = self.dataset[i]
        try:
            x, t = example
        except (TypeError, ValueError):
            raise TypeError(
                f"{self._name}: example {i} is no pair of data and label, but of type "
                f"{type(example).__name__}; for arrays write Dataset.of(x, t)"
            ) from None
        return x, t

    def _stacked(self, what: str, parts: Sequence[object]) -> Array:
        arrays = [np.asarray(part) for part in parts]
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise ValueError(
                f"{self._name}: the {what} of a batch have the shapes "
                f"{', '.join(map(str, shapes))}; expected one shape"
            )
        return np.stack(arrays)


class SeqDataLoader(DataLoader):
    """An iterator over a sequence cut into ``batch_size`` runs that are read side by side.

    Batch k holds, for each row i, the example ``i * jump + k`` with ``jump = data_size // batch_size``:
    row i of a batch is what follows row i of the batch before. As in the book, an epoch has
    ``ceil(data_size / batch_size)`` batches: if the runs do not come out even, a last one holds what
    follows each run, and of the examples after the last run only the first is read.

    Raises:
        ValueError: ``batch_size`` is less than one, or more than there are examples (if there are any).
        RuntimeError: ``gpu`` is true.
    """

    def __init__(self, dataset: Examples, batch_size: int, gpu: bool = False) -> None:
        super().__init__(dataset, batch_size, shuffle=False, gpu=gpu)
        if 0 < self.data_size < self.batch_size:
            raise ValueError(
                f"{self._name}: batch_size is {self.batch_size}; "
                f"expected at most the number of examples, {self.data_size}"
            )

    def _chosen(self) -> list[int]:
        jump = self.data_size // self.batch_size
        return [i * jump + self.iteration for i in range(self.batch_size)]
