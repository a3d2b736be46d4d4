"""What no random program shows: depth, long runs, threads and suspended generators."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Generator

import numpy as np

from dezero.verify.engines import Engine, V
from dezero.verify.outcomes import Broken
from dezero.verify.program import Step

DEPTH = 1_000_000
ITERATIONS = 10_000


def check_depth(engine: Engine[V]) -> None:
    """A chain of a million operations is built, differentiated and freed without recursion."""
    x = engine.leaf(np.array(1.0))
    y = x
    step = Step("neg", (0,))
    try:
        for _ in range(DEPTH):
            (y,) = engine.apply(step, [y])
        engine.backward(y, np.array(1.0))
        gradient = engine.gradient(x)
        del y
    except RecursionError as error:
        raise Broken(f"a chain of {DEPTH} operations", "no recursion", f"{error}") from None
    if gradient is None or gradient.tolist() != (-1.0) ** DEPTH:
        raise Broken(f"the gradient of a chain of {DEPTH} negations", (-1.0) ** DEPTH, gradient)


def check_growth(engine: Engine[V]) -> None:
    """Ten thousand iterations do not grow."""
    step = Step("mul", (0, 1))
    x = engine.leaf(np.array([1.0, 2.0]))

    def iterate(times: int) -> None:
        for _ in range(times):
            (y,) = engine.apply(step, [x, x])
            (z,) = engine.apply(step, [y, x])
            engine.backward(z, np.array([1.0, 1.0]))
            engine.clear(x)

    iterate(100)
    collecting = gc.isenabled()
    gc.disable()
    try:
        before = sys.getallocatedblocks()  # arrays are not tracked by the collector
        iterate(ITERATIONS)
        grown = sys.getallocatedblocks() - before
    finally:
        if collecting:
            gc.enable()
    if grown > ITERATIONS // 10:
        raise Broken(f"blocks of memory left by {ITERATIONS} iterations", 0, grown)


def check_regions(engine: Engine[V]) -> None:
    """no_grad does not reach another thread, nor out of a suspended generator."""
    seen: list[bool] = []

    def look() -> None:
        seen.append(engine.recording())

    with engine.no_grad():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    if seen != [True]:
        raise Broken("whether another thread records, during no_grad in this one", True, seen)

    def suspended() -> Generator[bool]:
        with engine.no_grad():
            yield engine.recording()
            yield engine.recording()

    generator = suspended()
    for inside in generator:
        if inside:
            raise Broken("whether a generator records in its no_grad", False, inside)
        if not engine.recording():
            raise Broken("whether its consumer records while it is suspended", True, False)
    if not engine.recording():
        raise Broken("whether operations are recorded after the generator has ended", True, False)
