"""How strong the kit is: how soon it catches planted faults, and how small a fault may be.

Two measurements. `strength_of` plants a fault and runs campaigns over all operations, at several seeds:
how many programs until a law accuses, and how small is the program that is left? `sensitivity` makes a
rule wrong by a factor 1 + 10^-k and asks for which k the law of the gradient still sees it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from dezero.graph import Variable
from dezero.operation import Operation
from dezero.verify import campaign
from dezero.verify.campaign import Counterexample, Plan, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import Fault, planted, scaled
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.outcomes import Broken, Unresolved
from dezero.verify.program import Program
from dezero.verify.strategies import swept
from dezero.verify.trial import Trial

DTYPES = ("float64", "float64", "float64", "float32")
"""The element types as `dezero verify` draws them."""
ENGINE = DezeroEngine()


def trial(program: Program) -> Trial[Variable]:
    """A trial of dezero as it is, faults included."""
    return Trial(ENGINE, program)


# ---------------------------------------------------------------------------------------------- Faults


@dataclass(frozen=True)
class Catch:
    """How a planted fault was caught at one seed.

    Attributes:
        law: The law that accused.
        examples: The programs that it took; 0 if a law that needs none of them accused.
        steps: Those of the program that was left after shrinking; None if there is no program.
        margin: By how many times the tolerance was exceeded; infinite where there is none.
    """

    law: str
    examples: int
    steps: int | None
    margin: float


@dataclass(frozen=True)
class Strength:
    """How a planted fault was caught.

    Attributes:
        fault: The fault.
        catches: One for each seed; None where no law accused, or only one that names something else.
    """

    fault: Fault
    catches: Sequence[Catch | None]

    @property
    def caught(self) -> bool:
        """Whether it was caught at every seed."""
        return bool(self.catches) and None not in self.catches

    @property
    def laws(self) -> list[str]:
        """The laws that accused, that which did so most often first."""
        return [law for law, _ in Counter(c.law for c in self.catches if c).most_common()]

    @property
    def examples(self) -> float:
        """The programs that it took: the median."""
        return median([c.examples for c in self.catches if c] or [math.inf])

    @property
    def steps(self) -> int | None:
        """The steps of the largest of the programs that were left; None without programs."""
        return max((c.steps for c in self.catches if c and c.steps is not None), default=None)

    @property
    def margin(self) -> float:
        """By how many times the tolerance was exceeded: the median."""
        return median([c.margin for c in self.catches if c] or [0.0])


def rightly(fault: Fault, found: Counterexample) -> bool:
    """Whether a law accuses a fault that may: one of its own, or the first in which a crash shows.

    A wrong gradient is named by `kink` where a value lies on one: there that is the law of gradients.
    """
    law = "gradient" if found.law == "kink" and "kink" not in fault.laws else found.law
    return law in fault.laws or found.broken.expected == "no exception"


def catch(fault: Fault, seed: int, examples: int) -> Catch | None:
    """The catch of a fault at one seed, among all operations and both element types, if there is one.

    Args:
        fault: What to plant.
        seed: That of the campaign.
        examples: The programs until it is given up.
    """
    with planted(fault):
        if fault.smallest:
            tally = campaign.run(Plan(trial, CONTRACTS, tuple(LAWS), seed, examples, dtypes=DTYPES))
        else:
            tally = Tally()
            campaign.standing(ENGINE, tuple(STANDING_LAWS), tally, seed)
    found = tally.counterexample
    if found is None or not rightly(fault, found):
        return None
    steps = None if found.program is None else len(found.program.steps)
    return Catch(found.law, tally.examples, steps, found.broken.margin)


def strength_of(
    fault: Fault, seeds: Iterable[int], examples: int, listener: Callable[[], None] = lambda: None
) -> Strength:
    """How a fault is caught at some seeds.

    Args:
        fault: What to plant.
        seeds: Those of the campaigns. A fault that only standing laws see knows no seeds: one will do.
        examples: The programs until it is given up.
        listener: Is told after each seed.
    """
    catches: list[Catch | None] = []
    for seed in seeds:
        if fault.smallest or not catches:
            catches.append(catch(fault, seed, examples))
        listener()
    return Strength(fault, tuple(catches))


# ----------------------------------------------------------------------------------------- Sensitivity

EXPONENTS = {
    "float64": [k / 2 for k in range(6, 31)],
    "float32": [k / 2 for k in range(6, 15)],
}
"""The k of the factors 1 + 10^-k that are tried: as far as the factor is not 1 after rounding."""
GOALS = {"float64": 11.0, "float32": 4.0}
"""The k at which a factor shall be seen, for nine operations in ten."""
SHARE = 0.9
COMPANY = ("flatten", "swapaxes", "neg", "square", "add")
"""The operations beside the one at fault."""
PROGRAMS = 1000
SEED = 1

RULES: Mapping[str, type[Operation]] = {
    name: operation for name, operation in OPERATIONS.items() if issubclass(operation, Operation)
}
"""The operations that have a rule of their own."""


def sensitivity(name: str, dtype: str, programs: int = PROGRAMS) -> float | None:
    """The largest k for which a factor 1 + 10^-k on a rule is seen; None if it is for none.

    Only the law of the gradient is asked. The factors become smaller one after the other, each as soon
    as a program shows the one before: so all are held against the same programs.

    Args:
        name: The operation.
        dtype: The element type of the inputs.
        programs: How many programs there are, of a sweep over the operation and a few others.
    """
    contracts = {op: CONTRACTS[op] for op in (*COMPANY, name)}
    left = list(EXPONENTS[dtype])
    seen: float | None = None
    for program in islice(swept(contracts, (dtype,), SEED), programs):
        while (
            left and any(step.op == name for step in program.steps) and _shows(program, name, left[0])
        ):
            seen = left.pop(0)
    return seen


def _shows(program: Program, name: str, k: float) -> bool:
    """Whether the law of the gradient accuses a program, with a factor on a rule."""
    fault = Fault("factor", "rules", "", ("gradient",), 1, scaled(RULES[name], 1 + 10**-k))
    with planted(fault):
        try:
            LAWS["gradient"].hold(trial(program))
        except Broken:
            return True
        except Unresolved:
            pass
    return False


def share_seen(seen: Iterable[float | None], k: float) -> float:
    """The share of operations whose rule may not be wrong by 10^-k unseen."""
    ks = list(seen)
    return sum(s is not None and s >= k for s in ks) / max(len(ks), 1)


def sensitive_enough(curve: Mapping[str, Mapping[str, float | None]]) -> bool:
    """Whether nine operations in ten reach the goals; given k by element type and operation."""
    return all(share_seen(seen.values(), GOALS[dtype]) >= SHARE for dtype, seen in curve.items())
