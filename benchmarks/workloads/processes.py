"""What needs a process of its own: memory, and the time of an import.

`python -m benchmarks.workloads.processes TASK CONTENDER N` prints one figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from benchmarks import surroundings
from benchmarks.peers import HAND, OURS
from benchmarks.timing import Measured


def asked(*arguments: object) -> float:
    """The figure that a process of this file prints.

    Raises:
        RuntimeError: It failed; the message has the end of what it said.
    """
    command = [sys.executable, "-m", __name__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr.strip()[-300:]}")
    return float(done.stdout)


def memory_of_chain(present: Sequence[str], quick: bool) -> Measured:
    """Bytes per node of a chain of 0-d operations, by what the process grows."""
    n = 2_000 if quick else 100_000
    measured = Measured(
        "chain-memory", f"memory of y = sin(y) without axes, {n} times", "bytes per node"
    )
    _repeat(measured, "chain", (OURS, "torch", "autograd", "mygrad"), present, n, 1 if quick else 3)
    return measured


def time_to_free(present: Sequence[str], quick: bool) -> Measured:
    """How long it takes to let a graph go."""
    n = 2_000 if quick else 1_000_000
    measured = Measured("chain-free", f"freeing a chain of {n} nodes", "µs per node")
    _repeat(measured, "free", (OURS, "torch"), present, n, 1 if quick else 3)
    return measured


def peak_of_mlp(present: Sequence[str], quick: bool) -> Measured:
    """The most memory that steps of the MLP ask for beyond what is there at the start."""
    measured = Measured("mlp-memory", "peak memory of MLP steps (SGD) beyond the start", "KiB")
    _repeat(measured, "mlp", (OURS, HAND, "torch"), present, 0, 1 if quick else 5)
    return measured


def _repeat(
    measured: Measured, task: str, who: Sequence[str], present: Sequence[str], n: int, rounds: int
) -> None:
    for name in who:
        if name not in present:
            measured.absent[name] = "not installed"
    for _ in range(rounds):
        for name in (name for name in who if name in present):
            measured.figures.setdefault(name, []).append(asked(task, name, n))


def time_of_import(quick: bool) -> Measured:
    """`import dezero` in a fresh interpreter, beyond one that imports NumPy; interleaved."""
    measured = Measured("import", "import dezero beyond import numpy, fresh interpreters", "ms")
    figures: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        # Compiled once and kept, as it is for users, whatever the caller's environment says.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        _started("dezero", environment)
        for _ in range(1 if quick else 15):
            alone, both = (_started(name, environment) for name in ("numpy", "dezero"))
            figures.append((both - alone) * 1e3)
    measured.figures[OURS] = figures
    return measured


def _started(module: str, environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)
    return time.perf_counter() - began


# ------------------------------------------------------------------------------- Inside such a process


def status(field: str) -> int:
    """The bytes that /proc says of this process: ``VmRSS`` are held now, ``VmHWM`` were at most.

    (Not getrusage: its ru_maxrss begins with what the parent held when it made the process.)

    Raises:
        OSError: The system has no /proc.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def _chain(name: str, n: int) -> float:
    from benchmarks.workloads.chains import KINDS  # after the threads are set

    chain = KINDS[name]()
    chain.build(100)
    chain.pull()
    before = status("VmRSS")
    chain.build(n)
    return (status("VmRSS") - before) / n


def _free(name: str, n: int) -> float:
    from benchmarks.workloads.chains import KINDS

    chain = KINDS[name]()
    chain.build(n)
    began = time.perf_counter()
    del chain
    return (time.perf_counter() - began) / n * 1e6


def _mlp(name: str, _: int) -> float:
    from benchmarks.workloads.networks import mlp

    workload = mlp("mlp", (64, 784, 256, 10), adam=False)
    job = workload.contenders[name]()
    # A step of two rows loads what a first step loads, and no more.
    small = mlp("mlp", (2, 4, 3, 2), adam=False).contenders[name]()
    small.run()
    before = status("VmRSS")
    for _ in range(5):
        job.run()
    return (status("VmHWM") - before) / 1024


def main(arguments: Sequence[str]) -> None:
    """Prints the figure of one task."""
    task, name, n = arguments
    print({"chain": _chain, "free": _free, "mlp": _mlp}[task](name, int(n)))


if __name__ == "__main__":
    surroundings.prepare()
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # what it holds need not be freed one by one
