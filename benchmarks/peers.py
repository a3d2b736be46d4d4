"""The contenders, those that are installed, and what they give as arrays."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from dezero import Variable
from dezero.arrays import as_array
from dezero.contract import Array

HAND = "numpy"
OURS = "dezero"
PEERS = ("torch", "autograd", "mygrad", "jax")
CONTENDERS = (OURS, HAND, *PEERS)


def missing() -> list[str]:
    """The peers that are not installed."""
    return [name for name in PEERS if find_spec(name) is None]


@cache
def module(name: str) -> ModuleType:
    """A module of a peer. Its attributes are `Any`: most peers ship no types, and none is needed here.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    loaded = importlib.import_module(name)
    if name == "torch":
        loaded.set_num_threads(1)
    return loaded


def versions() -> dict[str, str]:
    """The versions of the contenders that are installed."""
    return {name: version(name) for name in CONTENDERS if name not in missing()}


def array(x: object) -> Array:
    """What a contender calls a tensor, as an ndarray."""
    if isinstance(x, Variable):
        return x.data
    detach = getattr(x, "detach", None)
    if detach is not None:  # torch
        return as_array(detach().numpy())
    data: object = getattr(x, "data", x)  # mygrad has its array there, NumPy and jax something else
    return np.asarray(data if type(data) is np.ndarray else x)
