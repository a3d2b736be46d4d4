"""How far a campaign is, shown while it runs."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from dezero.verify.campaign import Listener, Plan, Progress


@contextmanager
def shown(plan: Plan, what: str = "random programs") -> Generator[Listener]:
    """What shows how far a campaign is: a bar on a terminal, and lines elsewhere.

    Args:
        plan: The campaign.
        what: What the bar is of.
    """
    console = Console(stderr=True)

    def state(done: Progress) -> str:
        rate = done.examples / done.elapsed if done.elapsed else 0.0
        return (
            f"{done.examples} programs, {rate:.0f}/s, "
            f"{done.operations} of {len(plan.contracts)} operations, {done.unresolved:.1%} unresolved"
        )

    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            task = bars.add_task(what, total=plan.examples)

            def show(done: Progress) -> None:
                bars.update(task, description=state(done), completed=done.examples)

            yield show
            return
    due = 10.0

    def tell(done: Progress) -> None:
        nonlocal due
        if done.elapsed >= due:
            print(state(done), file=sys.stderr, flush=True)
            due = done.elapsed + 10.0

    yield tell
