"""The smoke test of a port: whether its harness works, before anything is said about its autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dezero.contract import Contract
from dezero.verify.engines.port import SECONDS_TO_STOP, PortEngine, PortError, PortTrial
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken
from dezero.verify.program import Program, ProgramError
from dezero.verify.protocol import brief
from dezero.verify.strategies import swept

LAWS_OF_THE_HARNESS: Final = ("runs", "shape_dtype")
_MOST = 300
"""The most of a message that is shown."""


class NoReply(Exception):
    """The port did not start: it gave no reply to `start`."""


@dataclass(frozen=True, slots=True)
class Smoke:
    """What the smoke test of a port has found.

    Attributes:
        well: Whether the harness works.
        line: What is wrong, or that nothing is, in one line.
    """

    well: bool
    line: str


def smoke(command: Sequence[str], seconds_to_start: float, seconds_to_run: float) -> Smoke:
    """Starts a port, sends it numbers one by one, a program for each operation, and stops it.

    Raises:
        NoReply: It cannot be started, or does not reply to `start`.
    """
    try:
        port = PortEngine(command, seconds_to_start, seconds_to_run, tries_numbers=False)
    except PortError as error:
        if isinstance(error.__cause__, ProgramError):  # it replied, but not as it should
            return Smoke(False, _line(error))
        raise NoReply(_line(error)) from None
    try:
        n_numbers = _sent_back(port)
        _run(port)
    except PortError as error:
        return Smoke(False, _line(error))
    finally:
        ended = port.stop()
    if not ended:
        return Smoke(False, f"stop: it does not end within {SECONDS_TO_STOP:g} s")
    if not port.contracts:
        return Smoke(False, "start: ops: no operation that this kit knows, with all of its attributes")
    ops, features = len(port.contracts), ", ".join(sorted(port.capabilities.features)) or "no features"
    return Smoke(True, f"{port.who}: {n_numbers} numbers came back, {ops} operations run; {features}")


def _sent_back(port: PortEngine) -> int:
    """Sends numbers, the telling ones alone and the others together; returns how many."""
    n_numbers = 0
    for array in port.numbers():
        alone = array.ndim == 1 and array.size < 100
        for sent in array if alone else [array]:
            port.echo(np.asarray(sent))
        n_numbers += array.size
    return n_numbers


def _run(port: PortEngine) -> None:
    """Runs a small program for each operation; raises PortError at the first that fails."""
    for name, contract in port.contracts.items():
        program = _small(name, contract, port.dtypes[0])
        trial = PortTrial(port, program)
        for law in LAWS_OF_THE_HARNESS:
            try:
                LAWS[law].hold(trial)
            except Broken as broken:
                cause = broken.__cause__
                raise PortError(
                    f"{name}: {broken.what}: expected {broken.expected}, found {broken.found}",
                    cause.stderr if isinstance(cause, PortError) else "",
                ) from None


def _small(name: str, contract: Contract, dtype: str) -> Program:
    """A program of an operation alone."""
    return next(p for p in swept({name: contract}, [dtype], 0) if all(x.size for x in p.inputs))


def _line(error: PortError) -> str:
    """A port's error in one line: its standard error's last line with it."""
    words = error.stderr.strip().splitlines()
    last = f"; its last words: {brief(words[-1], 200)}" if words else ""
    text = " ".join(str(error).split())
    return (text if len(text) <= _MOST else f"{text[: _MOST - 3]}...") + last
