"""dezero as a port: programs in, values and gradients out, by the protocol of `dezero.verify.protocol`.

It is what a port in another language does, and it is verified like one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from dezero import __version__
from dezero.contract import Array
from dezero.graph import Variable
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.evaluation import check_size
from dezero.verify.program import (
    MAX_BYTES,
    Json,
    ProgramError,
    Step,
    decode_tensor,
    encode_tensor,
)
from dezero.verify.protocol import (
    DTYPES,
    PROTOCOL,
    Capabilities,
    Result,
    Run,
    brief,
    decode,
    encode,
    identity,
)

CAPABILITIES = Capabilities(
    "dezero",
    __version__,
    "Python",
    DTYPES,
    {name: frozenset(contract.attributes) for name, contract in CONTRACTS.items()},
    frozenset(("vjp", "second_order", "multi_output", "nonfinite")),
)

DOES_NOT_FIT = (ProgramError, TypeError, ValueError, IndexError)
"""What dezero raises when operands and attributes do not fit."""


class _Bounded(DezeroEngine):
    """dezero, with results of a bounded size."""

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        check_size(step, [x.data for x in operands])
        return super().apply(step, operands)


def serve(requests: BinaryIO, replies: BinaryIO) -> int:
    """Answers requests until `stop` or the end of them; returns an exit code.

    What is no request is answered with an error of kind `internal`, and the next line is read; only a
    line that never ends is given up with exit code 1.
    """
    with redirect_stdout(sys.stderr), np.errstate(all="ignore"):
        while line := requests.readline(MAX_BYTES + 1):
            if len(line) > MAX_BYTES:
                replies.write(encode(_error(None, "internal", "a line longer than is read")))
                replies.flush()
                return 1
            reply = _answered(line)
            if reply is None:
                break
            replies.write(encode(reply))
            replies.flush()
    return 0


def _answered(line: bytes) -> dict[str, Json] | None:
    """The reply to a line; None to `stop`."""
    number: int | None = None
    try:
        request = decode(line)
        command = request.get("cmd")
        if command == "stop":
            return None
        if command == "start":
            if request.get("protocol") != PROTOCOL:
                raise ProgramError(
                    f"start: protocol is {brief(request.get('protocol'))}, not {PROTOCOL}"
                )
            return CAPABILITIES.to_dict()
        number = identity(request)
        if command == "echo":
            return {"id": number, "tensor": encode_tensor(decode_tensor(request.get("tensor"), "echo"))}
        if command == "run":
            return _ran(request)
        raise ProgramError(f"cmd is {brief(command)}; expected start, echo, run or stop")
    except (ProgramError, RecursionError) as error:  # the latter: nested deeper than can be shown
        return _error(number, "internal", str(error))


def _ran(request: Mapping[str, Json]) -> dict[str, Json]:
    run = Run.from_dict(request)
    engine, program = _Bounded(), run.program
    for step in program.steps:
        if step.op not in engine.contracts:
            return {
                "id": run.id,
                "unsupported": {"op": step.op},
                "message": f"dezero has no {brief(step.op)}",
            }
    try:
        graph = engine.build(program, keep=False)
        result = Result(run.id)
        if "values" in run.want:
            result = replace(result, values=tuple(engine.value(y) for y in graph.outputs))
        if "vjp" in run.want:
            leaves = graph.leaves(program)
            engine.pull_back(graph, program.seeds)
            result = replace(result, grads=tuple(engine.gradient(leaves[i]) for i in run.wrt))
        if "hvp" in run.want:
            result = replace(result, hvp=_products(engine, run))
        return result.to_dict()
    except DOES_NOT_FIT as error:
        return _error(run.id, "shape", f"{type(error).__name__}: {error}")
    except Exception as error:  # the port must outlive whatever a rule raises
        return _error(run.id, "internal", f"{type(error).__name__}: {error}")


def _products(engine: DezeroEngine, run: Run) -> tuple[Array, ...]:
    """The product of the Hessian with v: the gradient of the gradient along v."""
    graph = engine.build(run.program)
    leaves = graph.leaves(run.program)
    xs = [leaves[i] for i in run.wrt]
    seeds = [engine.leaf(seed) for seed in run.program.seeds]
    gradients = engine.gradients(graph.outputs, xs, seeds, create_graph=True)
    products = engine.gradients(gradients, xs, [engine.leaf(d) for d in run.v])
    return tuple(engine.value(h) for h in products)


def _error(number: int | None, kind: str, message: str) -> dict[str, Json]:
    return {"id": number, "error": {"kind": kind, "message": message}}


def main() -> int:
    """`dezero serve`: on standard input and output."""
    return serve(sys.stdin.buffer, sys.stdout.buffer)
