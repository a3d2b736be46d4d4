"""One stretch of a campaign, in a process of its own: what a worker is asked for.

A worker's process has threads that it talks to its scheduler with. They make and drop objects, and draw
from `random`, at any moment: laws about memory would accuse an engine of what they hold, and Hypothesis
would not draw the same programs again. So a worker starts a process that has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TextIO

from dezero.verify import stretches
from dezero.verify.campaign import Tally, run_stretch
from dezero.verify.cli import targets, verifying
from dezero.verify.cli.arguments import NotStarted, UsageError
from dezero.verify.target import TargetError


class _WorkerGone(BaseException):
    """Nobody waits for the stretch any more.

    No Exception, and no SystemExit: Hypothesis would take either for a failure of what it draws for.
    """


def _main(asked: TextIO, told: TextIO) -> int:
    """Does the stretch that is asked for, unless its worker goes meanwhile."""
    task = json.loads(asked.read())

    def orphaned(_: Tally) -> None:
        if os.getppid() != task["parent"]:
            raise _WorkerGone("the worker has gone")

    parser = argparse.ArgumentParser(prog="dezero verify")
    verifying.add_arguments(parser)
    options = parser.parse_args(task["given"])
    options.port = task["port"]
    try:
        with targets.port(options) as engine:
            target, _ = verifying.claiming(options, engine)
            plan = verifying.plan_of(options, target, task["seed"])
            tally = run_stretch(plan.of_stretch(task["number"]), orphaned)
    except (NotStarted, UsageError, TargetError, _WorkerGone) as error:
        print(error, file=sys.stderr)
        return 1
    told.write(json.dumps(stretches.to_dict(tally)))
    told.flush()
    return 0


if __name__ == "__main__":
    answer: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a target prints is no part of the answer
    sys.exit(_main(sys.stdin, answer))
