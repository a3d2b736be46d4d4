"""What a stretch costs besides the programs, and so how many workers one scheduler can serve.

`python -m benchmarks.scheduler` hands out to one worker stretches whose results are ready, reads
each result, and prints a table in Markdown: by the seconds for each, what share of their time more and
more workers would be at work. It is a calculation, from above: a part of those seconds a worker spends.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache, partial

from dezero.verify import stretches, workers
from dezero.verify.campaign import Plan, run_stretch
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.trial import Trial

WORKERS = (1, 2, 10, 100, 1000)


@cache
def result(programs: int) -> str:
    """What a stretch gives, in JSON; of no laws, for those are asked in no time."""
    engine = DezeroEngine()
    plan = Plan(lambda program: Trial(engine, program), CONTRACTS, (), seed=1, examples=programs)
    return json.dumps(stretches.to_dict(run_stretch(plan)))


def ready(programs: int, number: int) -> str:
    """The result of a stretch, from the second time on without doing anything."""
    return result(programs)


def share(workers: int, stretch: float, overhead: float) -> float:
    """The share of their time that workers are at work, at the most.

    One scheduler serves one stretch after the other; so of workers that are done every `stretch`
    seconds it keeps up with no more than `stretch / overhead`.

    Args:
        workers: How many there are.
        stretch: The seconds that a stretch takes a worker.
        overhead: The seconds that one takes the scheduler, and who counts its result.
    """
    return min(1.0, stretch / (workers * overhead), stretch / (stretch + overhead))


def measured(n: int, programs: int) -> float:
    """The seconds for each of so many stretches with results of so many programs."""
    task = partial(ready, programs)
    with workers.local(1) as client:

        def done(n: int) -> int:
            texts = (text for _, text in workers.results(client, task, iter(range(n)), lambda _: True))
            return sum(1 for text in texts if stretches.from_dict(json.loads(text), "here").examples)

        done(2)
        begun = time.perf_counter()
        assert done(n) == n
        return (time.perf_counter() - begun) / n


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduler", description=__doc__)
    parser.add_argument("--stretches", type=int, default=200)
    parser.add_argument("--programs", type=int, default=2000, help="how many a stretch has")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    options = parser.parse_args()
    overhead = measured(options.stretches, options.programs)
    print(f"{1000 * overhead:.1f} ms for each of {options.stretches} stretches\n")
    print("| workers | " + " | ".join(f"stretches of {s:g} s" for s in options.seconds) + " |")
    print("|--:|" + "--:|" * len(options.seconds))
    for n in WORKERS:
        cells = (f"{share(n, seconds, overhead):.1%}" for seconds in options.seconds)
        print(f"| {n} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
