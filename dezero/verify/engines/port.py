"""A port as an engine: a process in whatever language, which runs programs by the protocol.

Nothing of what it does is relied on. Its lines are read by threads, into buffers of bounded size; each
request has a time limit; a port that dies, hangs, floods or answers garbage is killed with its process
group and started anew for the next request. What it did is a `PortError`, and so breaks the law `runs`.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import IO, Any

import numpy as np

from dezero import __version__
from dezero.contract import Array, Contract
from dezero.verify.engines import Engine, Graph
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.program import (
    MAX_BYTES,
    Json,
    Program,
    ProgramError,
    Step,
    decode_tensor,
    encode_tensor,
)
from dezero.verify.protocol import PROTOCOL, Capabilities, Result, Run, brief, decode, encode, identity
from dezero.verify.rewrites import places_when_perturbed
from dezero.verify.trial import PERTURBED_RUNS, Trial

SECONDS_TO_START = 10.0
SECONDS_TO_RUN = 2.0
SECONDS_TO_STOP = 1.0
KEPT = 64 * 1024
"""How many bytes of its standard error are kept: the last ones."""
RAW = 500
"""How much of a line that is wrong is shown."""

VALUE_LAWS = ("runs", "value", "shape_dtype")
GRADIENT_LAWS = ("gradient", "kink", "determinism", "linearity", "sharing", "broadcasting")
"""The laws that need only values and gradients."""


class PortError(Exception):
    """A port did not answer a request as it should; the message says what it did.

    Attributes:
        stderr: What it last wrote to its standard error, printable; empty if it goes on running.
    """

    def __init__(self, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.stderr = stderr


# ---------------------------------------------------------------------------------------- The process


class PortProcess:
    """One process of a port, until it ends or is killed.

    Attributes:
        command: The program to start, and its arguments; no shell reads them.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Raises PortError if there is no such program."""
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that it can be killed with all that it started
            )
        except (OSError, ValueError) as error:
            raise PortError(f"{command[0]} cannot be started: {error}") from None
        streams = self._process.stdin, self._process.stdout, self._process.stderr
        stdin, stdout, stderr = streams
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # One reply to one request: a port that writes more is not read on, and blocks.
        self._replies: queue.Queue[bytes] = queue.Queue(maxsize=2)
        self._errors = bytearray()
        self._threads = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in (
                (self._write, stdin),
                (self._read, stdout),
                (self._read_errors, stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, request: Mapping[str, Json], seconds: float) -> bytes:
        """The line with which the port answers; raises PortError if it does not, in time."""
        unasked = self._next(0.0)
        if unasked is not None:
            raise PortError(f"it wrote a line that nobody asked for: {brief(unasked, RAW)}")
        self._requests.put(encode(request))
        line = self._next(seconds)
        if line is None:
            raise PortError(f"no reply within {seconds:g} s")
        if not line:
            raise PortError("it closed its output")
        if not line.endswith(b"\n"):
            raise PortError(
                f"a line longer than {MAX_BYTES} bytes: {brief(line, RAW)}"
                if len(line) > MAX_BYTES
                else f"it closed its output in the middle of a line: {brief(line, RAW)}"
            )
        return line

    def _next(self, seconds: float) -> bytes | None:
        try:
            return self._replies.get(timeout=seconds) if seconds else self._replies.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Asks it to end, and ends it."""
        self._requests.put(encode({"cmd": "stop"}))
        self._requests.put(None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_STOP)
        self.kill()

    def kill(self) -> int:
        """Ends it and all that it started; returns its exit code, that of the kill if it ran still."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._requests.put(None)
        until = time.monotonic() + SECONDS_TO_STOP
        for thread in self._threads:  # they end with the pipes, unless something fled from the group
            thread.join(max(0.0, until - time.monotonic()))
        return code

    @property
    def errors(self) -> str:
        """The last of what it wrote to its standard error, printable."""
        text = bytes(self._errors).decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)

    def _write(self, stdin: IO[bytes]) -> None:
        with suppress(OSError), stdin:  # it may have ended, which its output tells
            while (line := self._requests.get()) is not None:
                stdin.write(line)
                stdin.flush()

    def _read(self, stdout: IO[bytes]) -> None:
        with suppress(queue.Full), stdout:
            while line := stdout.readline(MAX_BYTES + 1):
                self._replies.put_nowait(line)
                if not line.endswith(b"\n"):
                    return
            self._replies.put_nowait(b"")

    def _read_errors(self, stderr: IO[bytes]) -> None:
        with stderr:
            while read := os.read(stderr.fileno(), KEPT):
                self._errors += read
                del self._errors[:-KEPT]


# ----------------------------------------------------------------------------------------- The engine


@dataclass(eq=False)
class PortVariable:
    """A value of a program that a port ran.

    Attributes:
        data: Its array.
        grad: Its gradient, for inputs.
    """

    data: Array
    grad: Array | None = None


@dataclass
class PortGraph(Graph[PortVariable]):
    """A program that a port ran: its inputs and outputs, and the gradients that came with them.

    Attributes:
        result: The program, and the reply.
    """

    result: tuple[Program, Result] | None = field(default=None)


class PortEngine(Engine[PortVariable]):
    """A port, for as long as it takes.

    A program is one request, for the values of its outputs and for its gradients. So what an autograd
    does step by step, a port cannot be asked for.

    Attributes:
        command: What starts it.
        seconds_to_start, seconds_to_run: Its time limits.
        capabilities: What it says of itself.
        not_claimed: What it does not declare, each with the reason.
    """

    rule = ""
    module = "dezero.functions"  # a program is shown as what dezero makes of it
    differentiates_twice = False

    def __init__(
        self,
        command: Sequence[str],
        seconds_to_start: float = SECONDS_TO_START,
        seconds_to_run: float = SECONDS_TO_RUN,
    ) -> None:
        """Starts it.

        Raises:
            PortError: It cannot be started, does not answer as it should, or changes numbers.
        """
        self.command: tuple[str, ...] = tuple(command)
        self.seconds_to_start = seconds_to_start
        self.seconds_to_run = seconds_to_run
        self._process: PortProcess | None = None
        self._last_id = 0
        self.capabilities: Capabilities = self._start()
        self.name: str = self.capabilities.name
        self.not_claimed: dict[str, str]
        self._contracts, self.not_claimed = _claimed(self.capabilities)
        try:
            self._echo()
        except PortError:
            self.stop()
            raise

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def laws(self) -> tuple[str, ...]:
        """The laws that can be held against it."""
        return VALUE_LAWS + (GRADIENT_LAWS if "vjp" in self.capabilities.features else ())

    def stop(self) -> None:
        """Ends its process."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def run(self, program: Program, *want: str) -> Result:
        """What a port makes of a program; raises PortError unless it gives what is wanted.

        Args:
            program: The program.
            want: "values" and "vjp"; by default what it claims of these.
        """
        wanted = frozenset(want) or {"values", "vjp"} & {"values", *self.capabilities.features}
        run = Run(self._next_id(), program, tuple(range(len(program.inputs))), frozenset(wanted))
        reply = self._ask(run.to_dict())
        try:
            if "unsupported" in reply:
                raise PortError(f"it does not support what it declares: {brief(reply, RAW)}")
            if "error" in reply:
                raise PortError(f"it reports an error: {brief(reply['error'], RAW)}")
            return Result.from_dict(reply, run)
        except ProgramError as error:
            raise PortError(f"{error}; the reply: {brief(reply, RAW)}") from None

    # --- requests ---

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _start(self) -> Capabilities:
        self._process = PortProcess(self.command)
        start: dict[str, Json] = {"cmd": "start", "protocol": PROTOCOL, "kit": __version__}
        line = b""
        try:
            line = self._process.ask(start, self.seconds_to_start)
            return Capabilities.from_dict(decode(line))
        except (PortError, ProgramError) as error:
            raise self._killed(error, line) from None

    def _ask(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """The reply to a request with a number; whoever does not give one is killed."""
        if self._process is None:
            self._start()
        assert self._process is not None
        line = b""
        try:
            line = self._process.ask(request, self.seconds_to_run)
            reply = decode(line)
            if identity(reply) != identity(request):
                raise ProgramError(f"id is {identity(reply)}; expected {identity(request)}")
        except (PortError, ProgramError) as error:
            raise self._killed(error, line) from None
        except BaseException:  # interrupted: the next reply would be that to this request
            self._process.kill()
            self._process = None
            raise
        return reply

    def _killed(self, error: Exception, line: bytes) -> PortError:
        """What to raise after the process was killed for an error."""
        process, self._process = self._process, None
        assert process is not None
        code = process.kill()
        ended = "" if code == -9 else f"; it ended with exit code {code}"
        shown = f"; its line: {brief(line, RAW)}" if line else ""
        return PortError(f"{error}{ended}{shown}", process.errors)

    def _echo(self) -> None:
        """Raises PortError unless numbers come back as they were."""
        for dtype in self.capabilities.dtypes:
            for sent in _numbers(dtype, "nonfinite" in self.capabilities.features):
                tensor = encode_tensor(sent)
                number = self._next_id()
                reply = self._ask({"cmd": "echo", "id": number, "tensor": tensor})
                try:
                    returned = encode_tensor(decode_tensor(reply.get("tensor"), "echo"))
                except ProgramError as error:
                    raise PortError(f"{error}; the reply: {brief(reply, RAW)}") from None
                if returned != tensor:
                    raise PortError(f"echo: {brief(tensor, RAW)} came back as {brief(returned, RAW)}")

    # --- what an engine does ---

    def build(self, program: Program, *, keep: bool = True) -> Graph[PortVariable]:
        """Run a program; what is kept on the way is the port's affair."""
        result = self.run(program)
        leaves: list[PortVariable | None] = [PortVariable(x) for x in program.inputs]
        values = leaves + [None] * (program.n_values - len(leaves))
        outputs = [PortVariable(y) for y in result.values]
        for output, variable in zip(program.outputs, outputs, strict=True):
            values[output] = variable
        return PortGraph(values, outputs, (program, result))

    def pull_back(self, graph: Graph[PortVariable], seeds: Sequence[Array], **options: bool) -> None:
        """Give the inputs their gradients: those that came with the values, if the seeds are theirs."""
        assert isinstance(graph, PortGraph)
        assert graph.result is not None
        if "vjp" not in self.capabilities.features:
            return
        program, result = graph.result
        if seeds is not program.seeds:
            result = self.run(replace(program, seeds=tuple(seeds)), "vjp")
        for leaf, grad in zip(graph.leaves(program), result.grads, strict=True):
            leaf.grad = grad

    def leaf(self, data: Array) -> PortVariable:
        return PortVariable(data)

    def value(self, variable: PortVariable) -> Array:
        return variable.data

    def gradient(self, variable: PortVariable) -> Array | None:
        return variable.grad

    def clear(self, variable: PortVariable) -> None:
        variable.grad = None

    def apply(self, step: Step, operands: Sequence[PortVariable]) -> list[PortVariable]:
        raise NotImplementedError("a port runs whole programs")

    def backward(self, variable: PortVariable, seed: Array, *, retain_grad: bool = False) -> None:
        raise NotImplementedError("a port runs whole programs")

    def no_grad(self) -> AbstractContextManager[None]:
        return nullcontext()

    def recording(self) -> bool:
        return True

    def application(self, variable: PortVariable) -> object | None:
        return None

    def parts(self, variable: PortVariable) -> list[object]:
        return [variable]


def _claimed(capabilities: Capabilities) -> tuple[dict[str, Contract], dict[str, str]]:
    """The contracts that a port claims, and what it does not claim with the reasons."""
    claimed: dict[str, Contract] = {}
    missing: dict[str, str] = {}
    for name, contract in CONTRACTS.items():
        declared = capabilities.ops.get(name)
        if declared is None:
            missing[name] = ""
            continue
        if contract.several_outputs and "multi_output" not in capabilities.features:
            missing[name] = "no feature multi_output"
            continue
        lacking = [attribute for attribute in contract.attributes if attribute not in declared]
        if lacking:
            missing[name] = f"without {', '.join(lacking)}"
            continue
        claimed[name] = contract
    for name in capabilities.ops:
        if name not in CONTRACTS:
            missing[brief(name)] = "not known to this kit"
    return claimed, missing


def _numbers(dtype: str, nonfinite: bool) -> list[Array]:
    """What is sent to see whether numbers survive: telling ones, and random bit patterns."""
    about = np.finfo(dtype)
    telling = [0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, 1e21, 1e-7, 123456789.0]
    telling += [float(about.max), float(about.tiny), float(about.smallest_subnormal), float(about.eps)]
    if nonfinite:
        telling += [np.nan, np.inf, -np.inf]
    # By integers: half of the bit patterns of doubles have exponents that decimals get wrong first.
    bits = np.random.default_rng(0).integers(0, 2**about.bits, 1000, dtype=f"uint{about.bits}")
    patterns = bits.view(dtype)
    return [
        np.array(telling, dtype),
        patterns[np.isfinite(patterns)],
        np.zeros((2, 0, 3), dtype),
        np.array(0.5, dtype),
    ]


# ------------------------------------------------------------------------------------------ The trial


class PortTrial(Trial[PortVariable]):
    """A port and a program: only outputs and gradients are seen, in the precisions that it has.

    A port of doubles cannot be run with more digits, which shows what rounding does inside of an
    operation. So dezero is, on the same program: what it loses there, a port may lose, too.
    """

    def __init__(self, engine: Engine[PortVariable], program: Program) -> None:
        super().__init__(engine, program)
        assert isinstance(engine, PortEngine)
        self.port = engine

    @property
    def _moves(self) -> bool:
        """Whether its values can be moved on the way: by a `mul`."""
        return "mul" in self.port.contracts

    @cached_property
    def _twin(self) -> Trial[Any]:
        """dezero on the same program, which tells how far values move where the port cannot."""
        return Trial(DezeroEngine(), self.program)

    @cached_property
    def _roundings(self) -> tuple[list[Array], list[Array]]:
        """How far dezero's values, and its gradients, lie from those that it has with more digits."""
        random = np.random.default_rng(len(self.program.steps))
        programs = [self.program]
        for _ in range(0 if self.kinked else PERTURBED_RUNS):  # moved off a kink, values would jump
            factors = [1 + self.eps * random.integers(-1, 2, x.shape) for x in self.program.inputs]
            moved = [x * f for x, f in zip(self.program.inputs, factors, strict=True)]
            programs.append(
                self.program.with_inputs([np.asarray(x, self.program.dtype) for x in moved])
            )
        values: list[list[Array]] = []
        gradients: list[list[Array]] = []
        for program in programs:
            short, long = (self._twin.rerun(p) for p in (program, program.astype("longdouble")))
            values.append(_differences(short.values, long.values))
            gradients.append(_differences(short.gradients, long.gradients))
        return _largest(values), _largest(gradients)

    @cached_property
    def spread(self) -> list[Array]:
        moved = super().spread if self._moves else self._twin.spread
        return _largest([moved, self._roundings[1]])

    @cached_property
    def spread_of_values(self) -> list[Array]:
        return _largest([self._spread_of_moved_values(), self._roundings[0]])

    def _spread_of_moved_values(self) -> list[Array]:
        if not self._moves:
            return self._twin.spread_of_values
        n_inputs, places = len(self.program.inputs), places_when_perturbed(self.program)

        def values(program: Program) -> list[Array]:
            inner = tuple(places[n_inputs:])
            seeds = tuple(np.zeros(self.values[i].shape) for i in range(n_inputs, len(places)))
            result = self.port.run(replace(program, outputs=inner, seeds=seeds), "values")
            return [*program.inputs[:n_inputs], *result.values]

        return self._spread_of(values)

    def in_wider_precision(self) -> Trial[PortVariable] | None:
        if self.program.dtype != np.float32 or "float64" not in self.port.capabilities.dtypes:
            return None
        trial = self.of(self.program.astype("float64"))
        trial.eps = self.eps / 4
        return trial


def _differences(xs: Sequence[Array | None], ys: Sequence[Array | None]) -> list[Array]:
    """How far arrays lie from others; no further than nothing where there are none."""
    with np.errstate(all="ignore"):
        return [
            np.zeros(()) if x is None or y is None else np.abs(np.subtract(x, y)).astype(np.float64)
            for x, y in zip(xs, ys, strict=True)
        ]


def _largest(several: Sequence[Sequence[Array]]) -> list[Array]:
    """Of several lists of arrays the largest elements, place by place."""
    return [
        np.asarray(np.max(np.broadcast_arrays(*arrays), axis=0))
        for arrays in zip(*several, strict=True)
    ]
