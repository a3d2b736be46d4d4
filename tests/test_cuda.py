"""NumPy always, CuPy where it is installed; and the error where a module is missing."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import numpy as np
import pytest

from dezero import Variable, cuda

# The manner of CuPy, in two lines: an array that is none of NumPy's, and a module that makes it.


class Elsewhere:
    def __init__(self, data: object) -> None:
        self.data: object = data


def to_numpy(x: Elsewhere) -> object:
    return np.asarray(x.data)


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("cupy")
    vars(module).update(ndarray=Elsewhere, asarray=Elsewhere, asnumpy=to_numpy)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # what makes Python say that there is none


def test_there_is_no_gpu() -> None:
    assert cuda.gpu_enable is False


@pytest.mark.parametrize("x", [np.zeros(2), np.float32(1), 1.0, None, "x", Variable(np.zeros(2))])
def test_the_module_of_all_else_is_numpy(x: object) -> None:
    assert cuda.get_array_module(x) is np


def test_the_module_of_an_array_of_cupy(cupy: ModuleType) -> None:
    assert cuda.get_array_module(Elsewhere([1.0])) is cupy
    assert cuda.get_array_module(np.zeros(2)) is np


@pytest.mark.usefixtures("no_cupy")
def test_no_module_is_asked_that_is_not_there() -> None:
    assert cuda.get_array_module(np.zeros(2)) is np
    assert cuda.as_numpy(1.0).shape == ()


def test_as_numpy() -> None:
    x = np.array([1.0, 2.0], np.float32)
    assert cuda.as_numpy(x) is x
    assert cuda.as_numpy(Variable(x)) is x
    for number in (2.0, np.float32(2)):
        made = cuda.as_numpy(number)
        assert type(made) is np.ndarray
        assert (made.shape, made.item()) == ((), 2)
    assert cuda.as_numpy(np.float32(2)).dtype == np.float32


def test_as_numpy_of_an_array_of_cupy(cupy: ModuleType) -> None:
    assert cupy.ndarray is Elsewhere
    np.testing.assert_array_equal(cuda.as_numpy(Elsewhere([1.0, 2.0])), [1.0, 2.0])


@pytest.mark.parametrize(
    ("x", "kind"), [("x", "str"), ([1.0], "list"), (None, "NoneType"), (Variable(None), "NoneType")]
)
def test_as_numpy_refuses(x: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"as_numpy: got {kind}; expected an ndarray, a Variable"):
        cuda.as_numpy(x)


def test_as_cupy(cupy: ModuleType) -> None:
    assert cupy.ndarray is Elsewhere
    x = np.zeros(2)
    for given in (x, Variable(x)):
        made = cuda.as_cupy(given)
        assert isinstance(made, Elsewhere)
        assert made.data is x


@pytest.mark.usefixtures("no_cupy")
def test_as_cupy_names_what_is_missing() -> None:
    with pytest.raises(ImportError, match=r"cuda\.as_cupy needs cupy.*install it: pip install cupy"):
        cuda.as_cupy(np.zeros(2))


def test_optional() -> None:
    assert cuda.optional("math", "python", "a test") is math
    with pytest.raises(ImportError, match=r"F\.f needs no-such-thing.*pip install no-such-thing") as e:
        cuda.optional("no_such_thing_here", "no-such-thing", "F.f")
    assert e.value.name == "no_such_thing_here"
    assert isinstance(e.value.__cause__, ModuleNotFoundError)
