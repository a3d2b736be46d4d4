"""The loaders: order, batches, the end of an epoch; what they read, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dezero import Variable
from dezero.dataloaders import DataLoader, SeqDataLoader
from dezero.datasets import Dataset

X = np.arange(20, dtype=np.float32).reshape(10, 2)
T = np.arange(10)
TEN = Dataset.of(X, T)


def labels(loader: DataLoader) -> list[list[int]]:
    """An epoch: the labels, batch by batch."""
    return [t.tolist() for _, t in loader]


# --------------------------------------------------------------------------------------------- batches


def test_batches_in_order() -> None:
    loader = DataLoader(TEN, 4, shuffle=False)
    assert (loader.data_size, loader.max_iter, loader.batch_size, loader.iteration) == (10, 3, 4, 0)
    batches = list(loader)
    assert [len(t) for _, t in batches] == [4, 4, 2]
    for k, (x, t) in enumerate(batches):
        assert (type(x), type(t)) == (np.ndarray, np.ndarray)
        assert x.dtype == np.float32
        assert t.dtype == np.int64
        np.testing.assert_array_equal(x, X[4 * k : 4 * k + 4])
        np.testing.assert_array_equal(t, T[4 * k : 4 * k + 4])


def test_a_batch_is_its_owner_s() -> None:
    x, _ = next(DataLoader(TEN, 4, shuffle=False))
    x += 1
    np.testing.assert_array_equal(X[0], [0, 1])


def test_the_end_of_an_epoch_is_the_beginning_of_the_next() -> None:
    loader = DataLoader(TEN, 5, shuffle=False)
    assert labels(loader) == labels(loader) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert loader.iteration == 0
    loader.next()
    loader.next()
    assert loader.iteration == 2
    with pytest.raises(StopIteration):
        loader.next()
    assert loader.next()[1].tolist() == [0, 1, 2, 3, 4]


def test_after_a_break_it_goes_on() -> None:
    loader = DataLoader(TEN, 4, shuffle=False)
    for _ in loader:
        break
    assert labels(loader) == [[4, 5, 6, 7], [8, 9]]
    loader.next()
    loader.reset()
    assert loader.next()[1].tolist() == [0, 1, 2, 3]


def test_one_batch_may_be_larger_than_the_data() -> None:
    assert labels(DataLoader(TEN, 99, shuffle=False)) == [list(range(10))]


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_data_no_batch(shuffle: bool) -> None:
    loader = DataLoader(TEN[:0], 3, shuffle)
    assert (loader.max_iter, loader.data_size) == (0, 0)
    assert list(loader) == []
    assert list(SeqDataLoader(TEN[:0], 3)) == []


# ----------------------------------------------------------------------------------------------- order


def test_by_default_it_shuffles_by_the_global_state() -> None:
    """As the book does: one permutation when it is made, one more at the end of each epoch."""
    np.random.seed(0)
    loader = DataLoader(TEN, 10)
    orders = [labels(loader)[0] for _ in range(3)]
    np.random.seed(0)
    assert orders == [np.random.permutation(10).tolist() for _ in range(3)]
    assert len({tuple(order) for order in orders}) == 3


def test_without_shuffling_nothing_is_drawn() -> None:
    before = np.random.get_state(legacy=False)
    labels(DataLoader(TEN, 3, shuffle=False))
    labels(DataLoader(TEN, 3, rng=np.random.default_rng(0)))
    labels(SeqDataLoader(TEN, 3))
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


def test_a_generator_of_its_own() -> None:
    loader = DataLoader(TEN, 10, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for _ in range(3):
        assert labels(loader)[0] == rng.permutation(10).tolist()


def test_data_and_labels_stay_together() -> None:
    for x, t in DataLoader(TEN, 3):
        np.testing.assert_array_equal(x, X[t])


# ---------------------------------------------------------------------------------------- what it reads


def test_examples_of_every_kind() -> None:
    pairs: list[tuple[object, int]] = [
        ([1, 2], 0),
        (np.array([3, 4]), 1),
        (Variable(np.array([5, 6])), 2),
    ]
    x, t = next(DataLoader(pairs, 3, shuffle=False))
    np.testing.assert_array_equal(x, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(t, [0, 1, 2])
    x, t = next(DataLoader([(1.0, True), (2.0, False)], 2, shuffle=False))
    assert x.shape == (2,)
    assert x.dtype == np.float64
    assert t.dtype == np.bool_


def test_without_labels() -> None:
    x, t = next(DataLoader(Dataset.of(X), 3, shuffle=False))
    np.testing.assert_array_equal(x, X[:3])
    assert t.tolist() == [None, None, None]


def test_indices_are_python_s() -> None:
    class Indexed:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int, /) -> tuple[int, int]:
            assert type(index) is int
            return index, index

    assert labels(DataLoader(Indexed(), 2, shuffle=False)) == [[0, 1]]
    assert labels(SeqDataLoader(Indexed(), 2)) == [[0, 1]]


def test_transforms_are_applied_each_time() -> None:
    calls: list[float] = []

    def count(x: Any) -> Any:
        calls.append(float(x[0]))
        return x

    loader = DataLoader(Dataset.of(X, T, count), 5, shuffle=False)
    assert calls == []
    list(loader)
    list(loader)
    assert calls == [float(x) for x in X[:, 0]] * 2


# -------------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("loader", [DataLoader, SeqDataLoader])
@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size(loader: type[DataLoader], batch_size: int) -> None:
    expected = f"{loader.__name__}: batch_size is {batch_size}; expected at least 1"
    with pytest.raises(ValueError, match=expected):
        loader(TEN, batch_size)


def test_batch_size_is_an_integer() -> None:
    assert DataLoader(TEN, np.int64(4)).max_iter == 3  # type: ignore[arg-type]  # an int at run time
    wrong: Any = 2.5
    with pytest.raises(TypeError, match="DataLoader: batch_size is of type float; expected an integer"):
        DataLoader(TEN, wrong)


@pytest.mark.parametrize("loader", [DataLoader, SeqDataLoader])
def test_no_gpu(loader: type[DataLoader]) -> None:
    expected = f"{loader.__name__}: dezero computes with NumPy alone.*leave gpu=False"
    with pytest.raises(RuntimeError, match=expected):
        loader(TEN, 2, gpu=True)
    made = loader(TEN, 2)
    made.to_cpu()
    assert made.gpu is False
    with pytest.raises(RuntimeError, match=expected):
        made.to_gpu()
    assert made.gpu is False


def test_no_gpu_draws_nothing() -> None:
    before = np.random.get_state(legacy=False)
    with pytest.raises(RuntimeError):
        DataLoader(TEN, 2, gpu=True)
    with pytest.raises(ValueError, match="batch_size"):
        DataLoader(TEN, 0)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


def test_examples_of_different_shapes() -> None:
    pairs: list[tuple[object, object]] = [([1, 2], 0), ([1], 0), ([3, 4], [0])]
    loader = DataLoader(pairs, 2, shuffle=False)
    message = r"DataLoader: the data of a batch have the shapes \(1,\), \(2,\); expected one shape"
    with pytest.raises(ValueError, match=message):
        loader.next()
    assert loader.iteration == 0
    with pytest.raises(ValueError, match=r"the labels of a batch have the shapes \(\), \(1,\)"):
        DataLoader([pairs[0], pairs[2]], 2).next()


@pytest.mark.parametrize("loader", [DataLoader, SeqDataLoader])
@pytest.mark.parametrize("dataset", [(i for i in range(3)), {1, 2, 3}, None])
def test_what_is_no_dataset(loader: type[DataLoader], dataset: Any) -> None:
    message = (
        rf"^{loader.__name__}: dataset is of type {type(dataset).__name__}, without __\w+__; "
        r"expected examples with a length and an index, such as Dataset\.of\(x, t\)$"
    )
    with pytest.raises(TypeError, match=message):
        loader(dataset, 2)


def test_the_rng_draws_orders() -> None:
    rng: Any = 0
    with pytest.raises(TypeError, match=r"^DataLoader: rng is of type int; expected a Generator, as"):
        DataLoader(Dataset.of(np.zeros(3)), 2, rng=rng)


@pytest.mark.parametrize("dataset", [np.zeros((3, 4)), [1, 2, 3], [(1, 2, 3)] * 3, np.zeros((3, 1))])
def test_what_is_no_pair(dataset: Any) -> None:
    message = (
        r"DataLoader: example 0 is no pair of data and label, but of type \w+; for arrays write Data"
    )
    with pytest.raises(TypeError, match=message):
        DataLoader(dataset, 2, shuffle=False).next()


def test_the_errors_of_a_dataset_are_its_own() -> None:
    class Broken(Dataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: Any, /) -> Any:
            raise ValueError("no such file")

    loader = DataLoader(Broken(), 1, shuffle=False)
    with pytest.raises(ValueError, match="no such file"):
        loader.next()
    assert loader.iteration == 0


# ----------------------------------------------------------------------------------------- side by side


def test_sequences_side_by_side() -> None:
    loader = SeqDataLoader(TEN, 2)
    assert (loader.shuffle, loader.max_iter) == (False, 5)
    for _ in range(2):
        assert labels(loader) == [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]
    x, t = loader.next()
    np.testing.assert_array_equal(x, X[t])
    assert x.dtype == np.float32


def test_sequences_that_do_not_come_out_even() -> None:
    """The book's batches: as many as of a DataLoader."""
    assert labels(SeqDataLoader(TEN, 3)) == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [3, 6, 9]]
    assert labels(SeqDataLoader(TEN[:8], 3)) == [[0, 2, 4], [1, 3, 5], [2, 4, 6]]
    assert labels(SeqDataLoader(TEN, 10)) == [list(range(10))]
    assert labels(SeqDataLoader(TEN, 1)) == [[i] for i in range(10)]


def test_more_sequences_than_examples() -> None:
    message = "SeqDataLoader: batch_size is 11; expected at most the number of examples, 10"
    with pytest.raises(ValueError, match=message):
        SeqDataLoader(TEN, 11)
