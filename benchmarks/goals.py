"""What is aimed at, as ratios within one run: the one place where these numbers stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.peers import HAND, OURS
from benchmarks.timing import Measured, Spread


@dataclass(frozen=True)
class Goal:
    """An upper bound of a ratio.

    Attributes:
        workload: Of which workload.
        other: Whom dezero is compared with; None for dezero's own figure.
        most: The bound.
    """

    workload: str
    other: str | None
    most: float

    @property
    def title(self) -> str:
        """What is bounded, in words."""
        return self.workload if self.other is None else f"{self.workload} to {self.other}"

    def found(self, measured: Mapping[str, Measured]) -> Spread | None:
        """What was measured; None if it was not."""
        of = measured.get(self.workload)
        if of is None or OURS not in of.figures:
            return None
        return of.spread(OURS) if self.other is None else of.ratio(self.other)


GOALS = (
    Goal("small", "torch", 0.4),
    Goal("small", HAND, 2.5),
    Goal("chain-1000000-backward", "torch", 0.2),
    Goal("chain-growth", None, 1.3),
    Goal("chain-memory", "torch", 0.4),
    Goal("mlp-sgd", HAND, 1.05),
    Goal("mlp-sgd", "torch", 1.0),
    Goal("mlp-adam", HAND, 1.05),
    Goal("mlp-adam", "torch", 1.0),
    Goal("mlp-memory", HAND, 1.1),
    Goal("convolution", "torch", 1.5),
    Goal("lstm", "torch", 1.0),
    Goal("check", "autograd", 1.0),
    Goal("check-proved", "autograd", 1.0),
    Goal("import", None, 30.0),
)
