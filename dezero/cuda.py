"""Which arrays are at hand: NumPy's; CuPy's only to convert, where it is installed.

DeZero programs move a model if ``cuda.gpu_enable``. Here it is False, for dezero computes with NumPy
alone. Like CuPy, whatever else a single call needs is imported by that call, through `optional`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import numpy as np

from dezero.arrays import as_array, is_array_or_number
from dezero.contract import Array
from dezero.graph import Variable

gpu_enable: bool = False
"""Always False: ``if cuda.gpu_enable: model.to_gpu()`` passes over the GPU."""


def get_array_module(x: object) -> ModuleType:
    """The module whose functions compute on ``x``: CuPy for its own arrays, NumPy for all else."""
    cupy = sys.modules.get("cupy")  # whoever has an array of it has imported it
    return cupy if cupy is not None and isinstance(_held(x), cupy.ndarray) else np


def as_numpy(x: object) -> Array:
    """The ndarray that ``x`` is or holds: of an array, a Variable, a number or an array of CuPy.

    Raises:
        TypeError: ``x`` is none of these.
    """
    held, module = _held(x), get_array_module(x)
    if module is not np:
        return as_array(module.asnumpy(held))
    if not is_array_or_number(held):
        raise TypeError(
            f"as_numpy: got {type(held).__name__}; expected an ndarray, a Variable with data, a number "
            "or an array of CuPy"
        )
    return as_array(held)


def as_cupy(x: object) -> object:
    """``x`` as an array of CuPy, on the GPU. No function of dezero takes it.

    Raises:
        ImportError: CuPy is not installed.
    """
    return optional("cupy", "cupy", "cuda.as_cupy").asarray(_held(x))


def optional(module: str, package: str, caller: str) -> ModuleType:
    """A module that only ``caller`` needs, imported now; ``package`` is the name to install it by.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{caller} needs {package}, which cannot be imported ({error}); "
            f"install it: pip install {package}",
            name=module,
        ) from error


def _held(x: object) -> object:
    return x.data if isinstance(x, Variable) else x
