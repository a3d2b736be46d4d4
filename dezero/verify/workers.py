"""The stretches of a campaign on many processes or machines, by Dask's distributed scheduler.

What is sent are functions by name, and plain data; what comes back is JSON. A worker that dies is no
loss but of time: its stretches are done elsewhere, and each counts once, for it is counted when its
result comes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol, cast

import dask
import distributed

ATTEMPTS = 3
"""How often a stretch may lose the worker that does it, or its process, until it is to blame itself."""


class Future(Protocol):
    """What is asked of Dask's futures. (Dask says of few of its functions what they take and give.)"""

    def result(self) -> str:
        """What a task has given, or raises what it raised."""
        ...

    def cancel(self) -> object:
        """Call the task off."""
        ...


class Client(Protocol):
    """What is asked of Dask's clients."""

    def submit(
        self, task: Callable[[int], str], number: int, /, *, key: str, pure: bool, retries: int
    ) -> Future:
        """Hand out a task."""
        ...

    def nthreads(self) -> Mapping[str, int]:
        """How many tasks each worker takes at once."""
        ...


class _Queue(Protocol):
    def add(self, future: Future, /) -> object: ...
    def __iter__(self) -> Iterator[Future]: ...


# These casts say what the Protocols above say: the one place where Dask's functions are named.
_distributed = cast(Any, distributed)
_settings = cast(Any, dask).config.set
_as_completed = cast(Callable[[list[Future]], _Queue], distributed.as_completed)


class StretchFailed(Exception):
    """The process of a stretch ended without a result."""


def stretch_of(given: Sequence[str], port: Sequence[str] | None, seed: int, number: int) -> str:
    """What one stretch of the campaign of a command has done, as JSON.

    Args:
        given: The arguments behind ``dezero verify``.
        port: Those behind ``--``, if there were any.
        seed: The seed of the campaign.
        number: The number of the stretch.

    Raises:
        StretchFailed: The process was killed, or could not begin.
    """
    asked = {"given": list(given), "port": port, "seed": seed, "number": number, "parent": os.getpid()}
    done = subprocess.run(
        [sys.executable, "-m", "dezero.verify.cli.stretching"],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise StretchFailed(f"its process ended with {done.returncode}; {' '.join(last)}".rstrip("; "))
    return done.stdout


class WorkersFailed(Exception):
    """The workers cannot be reached, or a stretch cannot be done by any of them."""


@contextmanager
def local(n: int) -> Generator[Client]:
    """So many processes on this machine."""
    with (
        _settings(
            {
                "distributed.scheduler.allowed-failures": ATTEMPTS,
                # By default who was silent for five minutes is taken for dead: a machine that has slept
                # would lose all of its workers when it wakes. The death of a process is seen without.
                "distributed.scheduler.worker-ttl": None,
            }
        ),
        _distributed.LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # what of it cannot be left out listens here only
            scheduler_kwargs={"dashboard": False},
        ) as cluster,
        _distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def at(address: str) -> Generator[Client]:
    """The workers of a scheduler that runs already, as ``tcp://host:8786``.

    Raises:
        WorkersFailed: It cannot be reached.
    """
    try:
        client = _distributed.Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise WorkersFailed(f"no scheduler at {address}: {error}") from None
    with client:
        yield client


def results(
    client: Client, task: Callable[[int], str], numbers: Iterator[int], wanted: Callable[[int], bool]
) -> Generator[tuple[int, str]]:
    """What a task gives for some numbers, as the results come.

    Args:
        client: The workers.
        task: A function that they can import, with the plain data that it is given.
        numbers: The numbers, ascending; taken as workers have room.
        wanted: Whether a number is wanted still: it is asked before each is handed out, and behind each
            result for those under way, which are called off.

    Raises:
        WorkersFailed: A number's task raised, or killed every worker that tried it.
    """
    campaign = uuid.uuid4().hex  # a key is known to the scheduler as long as anybody holds it
    under_way: dict[Future, int] = {}
    queue = _as_completed([])

    def hand_out() -> None:
        room = 2 * max(1, sum(client.nthreads().values())) - len(under_way)
        for number in islice(numbers, max(room, 0)):
            if not wanted(number):
                return
            key = f"{campaign}-{number}"
            future = client.submit(task, number, key=key, pure=False, retries=ATTEMPTS - 1)
            under_way[future] = number
            queue.add(future)

    hand_out()
    for future in queue:
        number = under_way.pop(future, None)
        if number is None:
            continue
        try:
            result = future.result()
        except Exception as error:  # whatever the task raised, or KilledWorker
            raise WorkersFailed(f"stretch {number}: {type(error).__name__}: {error}") from error
        yield number, result
        for other, its_number in list(under_way.items()):
            if not wanted(its_number):
                del under_way[other]
                other.cancel()
        hand_out()
        if not under_way:
            return
