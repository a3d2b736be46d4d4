"""What must be set before NumPy and its peers are loaded. This file imports neither."""

from __future__ import annotations

import os

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
}
"""One thread for every contender, on the processor, and float64 where it is asked for."""

OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What would make NumPy's BLAS another than the one that others get."""


def prepare() -> None:
    """Let everyone compute with one thread, and NumPy with the kernels that it chooses itself."""
    os.environ.update(ONE_THREAD)
    for name in OVERRIDES:
        os.environ.pop(name, None)
