"""What checking costs: programs a second, and one check beside the peers' own checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import module
from benchmarks.timing import Job, Measured, Workload
from dezero.contract import Array
from dezero.verify import campaign
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.laws import LAWS
from dezero.verify.program import Program, Step
from dezero.verify.trial import Trial

TITLE = "sum(tanh(sin(a) @ b) exp(sum(a, 1)) / (1 + mean(a a)))"
_RANDOM = np.random.default_rng(5)
INPUTS = _RANDOM.normal(size=(3, 4)), _RANDOM.normal(size=(4, 2))


def trial(program: Program) -> Trial[Any]:
    """A trial of dezero. (A law asks not what an engine's variables are.)"""
    return Trial(DezeroEngine(), program)


def program_of(a: Array, b: Array) -> Program:
    """The program of which the title tells; the row sums stay (3, 1)."""
    return Program(
        inputs=(a, b, np.ones(())),
        steps=(
            Step("sin", (0,)),
            Step("matmul", (3, 1)),
            Step("tanh", (4,)),
            Step("sum", (0,), {"axis": 1, "keepdims": True}),
            Step("exp", (6,)),
            Step("mul", (5, 7)),
            Step("mul", (0, 0)),
            Step("mean", (9,)),
            Step("add", (2, 10)),
            Step("div", (8, 11)),
            Step("sum", (12,)),
        ),
        outputs=(13,),
        seeds=(np.ones(()),),
    )


def function(xp: Any) -> Callable[[Any, Any], Any]:
    """The same in a peer's names."""

    def f(a: Any, b: Any) -> Any:
        row = xp.exp(xp.sum(a, 1).reshape(-1, 1))
        return xp.sum(xp.tanh(xp.sin(a) @ b) * row / (1.0 + xp.mean(a * a)))

    return f


def checked(proved: bool) -> None:
    """The gradient of the program by the oracles; raises Broken if it is wrong.

    Complex step in every coordinate, within a tolerance that is measured; balls where that is in doubt
    or, if it shall be proved, in every coordinate, too.
    """
    judged = trial(program_of(*INPUTS))
    judged.certify = proved
    LAWS["gradient"].hold(judged)


def checks() -> list[Workload]:
    """The program's gradient checked by us and by the peers; and held against all laws."""
    a, b = INPUTS

    def ours(run: Callable[[], None]) -> Callable[[], Job]:
        def job() -> list[object]:
            run()  # raises, if a law is broken
            return [np.array(True)]

        return lambda: Job(job)

    def all_laws() -> None:
        tally = campaign.Tally()
        campaign.judge(campaign.Plan(trial, CONTRACTS, list(LAWS), 0), program_of(a, b), tally)
        if tally.unresolved:
            raise AssertionError("a law could not be decided")

    def torch_() -> Job:
        torch = module("torch")
        ta, tb = (torch.tensor(x, requires_grad=True) for x in (a, b))
        f = function(torch)
        return Job(lambda: [np.array(torch.autograd.gradcheck(f, (ta, tb)))])

    def jax_() -> Job:
        jnp, test_util = module("jax.numpy"), module("jax.test_util")
        arguments, f = (jnp.asarray(a), jnp.asarray(b)), function(jnp)
        return Job(lambda: [np.array(test_util.check_grads(f, arguments, 1, ["rev"]) is None)])

    def autograd() -> Job:
        test_util, f = module("autograd.test_util"), function(module("autograd.numpy"))
        check = test_util.check_grads(f, modes=["rev"], order=1)
        return Job(lambda: [np.array(check(a, b) is None)])

    peers = {"torch": torch_, "autograd": autograd, "jax": jax_}
    return [
        Workload(name, f"{how} {TITLE}", {"dezero": ours(run), **peers}, 1, "check", 0.0, rounds=15)
        for name, how, run in (
            ("check", "the gradient by complex step:", lambda: checked(proved=False)),
            ("check-proved", "the gradient by complex step and balls:", lambda: checked(proved=True)),
            ("check-laws", "all laws:", all_laws),
        )
    ]


def verified(quick: bool) -> Measured:
    """Random programs over all operations, against all laws."""
    measured = Measured(
        "verify", "random programs against all laws, one process", "programs per second"
    )
    n = 5 if quick else 250
    figures: list[float] = []
    for seed in range(1 if quick else 3):
        tally = campaign.run(campaign.Plan(trial, CONTRACTS, list(LAWS), seed, n))
        if tally.counterexample is not None:
            raise AssertionError(f"dezero breaks the law {tally.counterexample.law}")
        figures.append(tally.examples / tally.elapsed)
    measured.figures["dezero"] = figures
    return measured
