"""All that can be measured, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.timing import Measured, measure
from benchmarks.workloads import chains, checking, graphs, networks, processes

Measurement = Callable[[Sequence[str]], Measured]


def measurements(quick: bool) -> dict[str, Measurement]:
    """What measures each workload, once it is told which contenders are there.

    Args:
        quick: Tiny sizes, and one repetition: that all agree, and nothing of their speed.
    """
    found: dict[str, Measurement] = {}
    for workload in (
        *chains.workloads(quick),
        *graphs.workloads(quick),
        *networks.workloads(quick),
        *checking.checks(),
    ):
        found[workload.name] = partial(measure, workload, quick=quick)
    found["chain-growth"] = lambda _: chains.growth(quick)
    found["chain-memory"] = partial(processes.memory_of_chain, quick=quick)
    found["chain-free"] = partial(processes.time_to_free, quick=quick)
    found["mlp-memory"] = partial(processes.peak_of_mlp, quick=quick)
    found["import"] = lambda _: processes.time_of_import(quick)
    found["verify"] = lambda _: checking.verified(quick)
    return found
