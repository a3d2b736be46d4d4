"""A port as an engine: a process in whatever language, which runs programs by the protocol.

Nothing of what it does is relied on. Its lines are read by threads, into buffers of bounded size; each
request has a time limit; a port that dies, hangs, floods or answers garbage is killed with its process
group and started anew for the next request. What it did is a `PortError`, and so breaks the law `runs`.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import IO, TypeVar

import numpy as np

from dezero import __version__
from dezero.contract import Array, Contract
from dezero.verify import trial
from dezero.verify.engines import Engine, Graph
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.engines.opaque import (
    GRADIENT_LAWS,
    VALUE_LAWS,
    OpaqueEngine,
    OpaqueTrial,
    OpaqueVariable,
)
from dezero.verify.program import (
    MAX_BYTES,
    Json,
    Program,
    ProgramError,
    decode_tensor,
    encode_steps,
    encode_tensor,
)
from dezero.verify.protocol import PROTOCOL, Capabilities, Result, Run, brief, decode, encode, identity
from dezero.verify.rewrites import places_when_perturbed

S = TypeVar("S")

SECONDS_TO_START = 10.0
SECONDS_TO_RUN = 2.0
SECONDS_TO_STOP = 1.0
KEPT = 64 * 1024
"""How many bytes of its standard error are kept: the last ones."""
MOST_UNASKED = 2
"""How many lines are read of a port that writes without being asked."""
RAW = 500
"""How much of a line that is wrong is shown."""


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
        self._stdin = stdin
        assert stdout is not None
        assert stderr is not None
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._asked = 0
        if sys.platform != "win32":
            os.set_blocking(stdin.fileno(), False)
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

    def ask(self, requests: Sequence[Mapping[str, Json]], seconds: float) -> Iterator[bytes]:
        """The line with which the port answers each of some requests, which go down the pipe together.

        Args:
            requests: What it is asked.
            seconds: The time that it has for each.

        Raises:
            PortError: It does not answer, in time; or it wrote before it was asked.
        """
        unasked = self._next(0.0)
        if unasked:
            raise PortError(f"it wrote a line that nobody asked for: {brief(unasked, RAW)}")
        if unasked is None:
            self._asked += len(requests)
            self._send(b"".join([encode(request) for request in requests]))
        for _ in requests:
            line = self._next(seconds) if unasked is None else unasked
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
            yield line

    def _send(self, lines: bytes) -> None:
        """Writes lines: at once what the pipe takes, the rest by the thread, which may wait."""
        if sys.platform != "win32":
            with suppress(BlockingIOError):
                try:
                    lines = lines[os.write(self._stdin.fileno(), lines) :]
                except (BrokenPipeError, ValueError):  # it has ended, which its output tells
                    return
        if lines:
            self._requests.put(lines)

    def _next(self, seconds: float) -> bytes | None:
        try:
            return self._replies.get(timeout=seconds) if seconds else self._replies.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> bool:
        """Asks it to end, and ends it; returns whether it ended by itself, in time."""
        self._requests.put(encode({"cmd": "stop"}))
        self._requests.put(None)
        ended = True
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            ended = False
        self.kill()
        return ended

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
    def pid(self) -> int:
        """Its number, which is that of its process group, too."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """The last of what it wrote to its standard error, printable."""
        text = bytes(self._errors).decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)

    def _write(self, stdin: IO[bytes]) -> None:
        with suppress(OSError), stdin:  # it may have ended, which its output tells
            while (lines := self._requests.get()) is not None:
                while lines:
                    if sys.platform != "win32":
                        select.select((), (stdin,), ())
                    lines = lines[os.write(stdin.fileno(), lines) :]

    def _read(self, stdout: IO[bytes]) -> None:
        line, n_read = b"\n", 0
        with stdout:
            # One reply to one request: a port that writes more is not read on, and blocks.
            while line.endswith(b"\n") and n_read < self._asked + MOST_UNASKED:
                line = stdout.readline(MAX_BYTES + 1)
                self._replies.put(line)
                n_read += 1

    def _read_errors(self, stderr: IO[bytes]) -> None:
        with stderr:
            while read := os.read(stderr.fileno(), KEPT):
                self._errors += read
                del self._errors[:-KEPT]


# ----------------------------------------------------------------------------------------- The engine


@dataclass(eq=False, kw_only=True)
class PortOutput(OpaqueVariable):
    """An output of a program that a port ran, or a gradient of it that is only asked for with a vector.

    Attributes:
        program: The program; for a gradient, with its seeds.
        of_gradient: Whether it is a gradient: then its array is no more than of the right shape.
    """

    program: Program
    of_gradient: bool = False


@dataclass
class PortGraph(Graph[OpaqueVariable]):
    """A program that a port ran: its inputs and outputs, and the gradients that came with them.

    Attributes:
        result: The program, and the reply.
    """

    result: tuple[Program, Result] | None = field(default=None)


class PortEngine(OpaqueEngine):
    """A port, for as long as it takes.

    A program is one request, for the values of its outputs and for its gradients. So what an autograd
    does step by step, a port cannot be asked for.

    Attributes:
        command: What starts it.
        seconds_to_start, seconds_to_run: Its time limits.
        capabilities: What it says of itself.
        not_claimed: What it does not declare, each with the reason.
    """

    def __init__(
        self,
        command: Sequence[str],
        seconds_to_start: float = SECONDS_TO_START,
        seconds_to_run: float = SECONDS_TO_RUN,
        tries_numbers: bool = True,
    ) -> None:
        """Starts it; ``tries_numbers`` says whether to see first that numbers survive.

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
        self.differentiates_twice: bool = {"vjp", "second_order"} <= self.capabilities.features
        try:
            for sent in self.numbers() if tries_numbers else ():
                self.echo(sent)
        except PortError:
            self.stop()
            raise

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def laws(self) -> tuple[str, ...]:
        gradients = GRADIENT_LAWS if "vjp" in self.capabilities.features else ()
        return VALUE_LAWS + gradients + (("second_order",) if self.differentiates_twice else ())

    @property
    def dtypes(self) -> Sequence[str]:
        return self.capabilities.dtypes

    @property
    def who(self) -> str:
        return f"{self.name} {self.capabilities.version}, {self.capabilities.language}"

    def stop(self) -> bool:
        """Ends its process; returns whether it ended by itself, in time."""
        process, self._process = self._process, None
        return process is None or process.stop()

    def run(self, program: Program, *want: str, v: Sequence[Array] = ()) -> Result:
        """What a port makes of a program; raises PortError unless it gives what is wanted.

        Args:
            program: The program.
            want: "values" and "vjp"; by default what it claims of these.
            v: For "hvp", an array for each of the first inputs: the Hessian is that over them.
        """
        (outcome,) = self.outcomes([self.request(program, *want, v=v)])
        return settled(outcome)

    def outcomes(self, runs: Sequence[Run]) -> list[Result | PortError]:
        """What comes of several runs, of which it is asked before the first reply is read.

        What it does wrong at one of them is the outcome of that; the next are asked of a new process.
        """
        # Such runs share most of their arrays, and often their steps: each is encoded once.
        tensor, nodes = _once(encode_tensor), _once(encode_steps)
        requests = [run.to_dict(tensor, nodes) for run in runs]
        outcomes: list[Result | PortError] = []
        while len(outcomes) < len(runs):
            try:
                for reply in self._replies(requests[len(outcomes) :]):
                    outcomes.append(_result(reply, runs[len(outcomes)]))
            except PortError as error:
                outcomes.append(error)
        return outcomes

    def request(self, program: Program, *want: str, v: Sequence[Array] = ()) -> Run:
        """The request for a run, with a number of its own; what it takes, `run` says."""
        wanted = frozenset(want) or {"values", "vjp"} & {"values", *self.capabilities.features}
        wrt = tuple(range(len(v) if "hvp" in wanted else len(program.inputs)))
        return Run(self._next_id(), program, wrt, frozenset(wanted), tuple(v))

    # --- requests ---

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _start(self) -> Capabilities:
        self._process = PortProcess(self.command)
        start: dict[str, Json] = {"cmd": "start", "protocol": PROTOCOL, "kit": __version__}
        line = b""
        try:
            (line,) = self._process.ask([start], self.seconds_to_start)
            return Capabilities.from_dict(decode(line))
        except (PortError, ProgramError) as error:
            raise self._killed(error, line) from error

    def _replies(self, requests: Sequence[Mapping[str, Json]]) -> Iterator[dict[str, Json]]:
        """The replies to requests with numbers; whoever does not give one is killed."""
        if self._process is None:
            self._start()
        assert self._process is not None
        line = b""
        try:
            for request, line in zip(
                requests, self._process.ask(requests, self.seconds_to_run), strict=True
            ):
                reply = decode(line)
                if identity(reply) != identity(request):
                    raise ProgramError(f"id is {identity(reply)}; expected {identity(request)}")
                yield reply
                line = b""  # what is wrong next is not wrong with this one
        except (PortError, ProgramError) as error:
            raise self._killed(error, line) from None
        except BaseException:  # interrupted, or not read on: the next reply would be to these requests
            self._process.kill()
            self._process = None
            raise

    def _killed(self, error: Exception, line: bytes) -> PortError:
        """What to raise after the process was killed for an error."""
        process, self._process = self._process, None
        assert process is not None
        code = process.kill()
        ended = "" if code == -9 else f"; it ended with exit code {code}"
        shown = f"; its line: {brief(line, RAW)}" if line else ""
        return PortError(f"{error}{ended}{shown}", process.errors)

    def numbers(self) -> Iterator[Array]:
        """What is sent to see whether numbers survive, in each of its element types."""
        for dtype in self.capabilities.dtypes:
            yield from _numbers(dtype, "nonfinite" in self.capabilities.features)

    def echo(self, sent: Array) -> None:
        """Raises PortError unless an array comes back as it was."""
        tensor = encode_tensor(sent)
        (reply,) = self._replies([{"cmd": "echo", "id": self._next_id(), "tensor": tensor}])
        try:
            returned = encode_tensor(decode_tensor(reply.get("tensor"), "echo"))
        except ProgramError as error:
            raise PortError(f"{error}; the reply: {brief(reply, RAW)}") from None
        if returned != tensor:
            raise PortError(f"echo: {brief(tensor, RAW)} came back as {brief(returned, RAW)}")

    # --- what an engine does ---

    def build(self, program: Program, *, keep: bool = True) -> Graph[OpaqueVariable]:
        """Run a program; what is kept on the way is the port's affair."""
        return self.graph(program, self.run(program))

    def graph(self, program: Program, result: Result) -> Graph[OpaqueVariable]:
        """A program of which the port has told what comes of it."""
        leaves: list[OpaqueVariable | None] = [OpaqueVariable(x) for x in program.inputs]
        values = leaves + [None] * (program.n_values - len(leaves))
        outputs: list[OpaqueVariable] = [PortOutput(y, program=program) for y in result.values]
        for output, variable in zip(program.outputs, outputs, strict=True):
            values[output] = variable
        return PortGraph(values, outputs, (program, result))

    def pull_back(self, graph: Graph[OpaqueVariable], seeds: Sequence[Array], **options: bool) -> None:
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

    def gradients(
        self,
        ys: Sequence[OpaqueVariable],
        xs: Sequence[OpaqueVariable],
        seeds: Sequence[OpaqueVariable],
        create_graph: bool = False,
    ) -> list[OpaqueVariable]:
        """The gradients with respect to the first inputs: of outputs, or of gradients of them.

        Those of outputs are not asked for where they are to be differentiated again: a port gives the
        product of a Hessian with a vector in one reply.
        """
        y = ys[0]
        assert isinstance(y, PortOutput)
        given = tuple(seed.data for seed in seeds)
        if y.of_gradient:
            result = self.run(y.program, "hvp", v=given)
            return [_filled(h, x) for h, x in zip(result.hvp, xs, strict=True)]
        program = replace(y.program, seeds=given)
        if create_graph:
            return [PortOutput(x.data, program=program, of_gradient=True) for x in xs]
        grads = self.run(program, "vjp").grads
        return [_filled(g, x) for g, x in zip(grads, xs, strict=False)]  # the factors are behind


def _once(encode: Callable[[S], Json]) -> Callable[[S], Json]:
    """The same function, which remembers what it gave: of objects that live as long as it does."""
    known: dict[int, Json] = {}

    def encoded(x: S) -> Json:
        if id(x) not in known:
            known[id(x)] = encode(x)
        return known[id(x)]

    return encoded


def settled(outcome: Result | PortError) -> Result:
    """The result; raises the PortError if there is none."""
    if isinstance(outcome, PortError):
        raise outcome
    return outcome


def _result(reply: Mapping[str, Json], run: Run) -> Result | PortError:
    """What a reply to a run gives, or what is wrong with it: the port itself goes on."""
    try:
        if "unsupported" in reply:
            return PortError(f"it does not support what it declares: {brief(reply, RAW)}")
        if "error" in reply:
            return PortError(f"it reports an error: {brief(reply['error'], RAW)}")
        return Result.from_dict(reply, run)
    except ProgramError as error:
        return PortError(f"{error}; the reply: {brief(reply, RAW)}")


def _filled(g: Array | None, x: OpaqueVariable) -> OpaqueVariable:
    return OpaqueVariable(np.zeros_like(x.data) if g is None else g)


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


class PortTrial(OpaqueTrial):
    """A port and a program: only outputs and gradients are seen."""

    def __init__(self, engine: Engine[OpaqueVariable], program: Program) -> None:
        super().__init__(engine, program)
        assert isinstance(engine, PortEngine)
        self.port = engine

    @cached_property
    def _outcomes(self) -> Mapping[int, list[Result | PortError]]:
        """What comes of all that the laws will want to know, by the identity of the program.

        It is asked for together: it takes the way there and back but once.
        """
        request, laws = self.port.request, self.laws
        asked = [request(self.program)]
        if "determinism" in laws:
            asked.append(request(self.program))
        if "linearity" in laws:
            asked += [request(program, "vjp") for program in self.reseeded]
        if "sharing" in laws:
            asked += [request(program) for _, program in self.reordered]
        if "broadcasting" in laws and self.explicit is not None:
            asked.append(request(self.explicit))
        outcomes: defaultdict[int, list[Result | PortError]] = defaultdict(list)
        for run, outcome in zip(asked, self.port.outcomes(asked), strict=True):
            outcomes[id(run.program)].append(outcome)
        return outcomes

    def _answer(self, program: Program, *want: str) -> Result:
        """The next that came of a program; it is asked for alone if that was not foreseen."""
        foreseen = self._outcomes.get(id(program))
        return settled(foreseen.pop(0)) if foreseen else self.port.run(program, *want)

    def rerun(
        self, program: Program, *, keep: bool = True, retain_grad: bool = False
    ) -> trial.Run[OpaqueVariable]:
        """A program run by the port, which is given it as text: there is nothing that it may spoil."""
        result = self._answer(program)
        graph = self.port.graph(program, result)
        self.port.pull_back(graph, program.seeds)
        values = [None if v is None else v.data for v in graph.values]
        leaves = graph.leaves(self.program)
        return trial.Run(program, graph, values, [leaf.grad for leaf in leaves])

    def pull_reseeded(self, graph: Graph[OpaqueVariable]) -> list[list[Array | None]]:
        return [list(self._answer(program, "vjp").grads) for program in self.reseeded]

    def _spread_of_moved_values(self) -> list[Array]:
        if not self._moves:
            return super()._spread_of_moved_values()
        n_inputs, places = len(self.program.inputs), places_when_perturbed(self.program)

        def values(program: Program) -> list[Array]:
            inner = tuple(places[n_inputs:])
            seeds = tuple(np.zeros(self.values[i].shape) for i in range(n_inputs, len(places)))
            result = self.port.run(replace(program, outputs=inner, seeds=seeds), "values")
            return [*program.inputs[:n_inputs], *result.values]

        return self._spread_of(values)
