"""Targets: what a command verifies. An engine by name, a function of the user's, or a port."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from dezero.contract import Contract
from dezero.graph import Function
from dezero.verify.attributes import check_step
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import NotStarted, UsageError
from dezero.verify.engines import Engine
from dezero.verify.engines.core_simple import CoreSimpleEngine
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.engines.opaque import OpaqueEngine, OpaqueTrial
from dezero.verify.engines.port import PortEngine, PortError, PortTrial
from dezero.verify.laws import LAWS, STANDING_LAWS
from dezero.verify.program import Program, ProgramError
from dezero.verify.protocol import brief
from dezero.verify.target import FUNCTION_LAWS, Prepared, Target, prepare
from dezero.verify.trial import Trial

ENGINES: dict[str, type[Engine[Any]]] = {  # an engine of whatever variables it has
    "dezero": DezeroEngine,
    "core_simple": CoreSimpleEngine,
}

PEERS = {
    "torch": "TorchEngine",
    "jax": "JaxEngine",
    "autograd": "AutogradEngine",
    "mygrad": "MyGradEngine",
    "micrograd": "MicrogradEngine",
}
"""The engine of each peer, in a module that imports the peer: so only where it is asked for."""
NAMES = (*ENGINES, *PEERS)


@dataclass(frozen=True)
class Chosen:
    """What shall be verified, in the terms of a campaign."""

    name: str  # as the command takes it
    engine: Engine[Any]  # of whatever variables it has
    module: str | None
    laws: list[str]
    contracts: Mapping[str, Contract]
    prepared: Prepared | None

    def trial(self, program: Program) -> Trial[Any]:
        """A trial of the target."""
        if self.prepared is not None:
            return self.prepared.trial(program)
        return trial_of(self.engine, program)

    def check(self, program: Program) -> None:
        """Raises ProgramError unless the laws may be asked of the target and a program from elsewhere.

        Its operations are the target's, its shapes and its attributes are such as the contracts ask
        for, and its values are numbers, within the domains.
        """
        for number, step in enumerate(program.steps):
            if step.op not in self.contracts:
                raise ProgramError(f"step {number}: {self.engine.name} has no operation {step.op!r}")
        if program.dtype.name not in self.engine.dtypes:
            raise ProgramError(
                f"program: its numbers are {program.dtype.name}; {self.engine.name} is verified in "
                f"{', '.join(self.engine.dtypes)}"
            )
        if self.prepared is not None:
            self.prepared.check(program)
            return
        trial = self.trial(program)
        with np.errstate(all="ignore"):
            values = trial.values
        trial.check()
        for number, step in enumerate(program.steps):
            operands = [values[i] for i in step.operands]
            try:
                check_step(self.contracts[step.op], step.attributes, operands)
            except ProgramError as error:
                raise ProgramError(f"step {number} ({step.op}): {error}") from None
        for i, value in enumerate(values):
            if np.any(np.isnan(value)):
                raise ProgramError(f"value {i}: {brief(value.tolist())}; expected numbers")
        for number, step in enumerate(program.steps):
            domain, operands = self.contracts[step.op].domain, [values[i] for i in step.operands]
            if not domain.clearance(*operands, **step.attributes) > 0:
                raise ProgramError(f"step {number} ({step.op}) is outside of its domain, {domain.text}")


def trial_of(engine: Engine[Any], program: Program) -> Trial[Any]:  # of whatever variables
    """A trial of an engine."""
    if isinstance(engine, PortEngine):
        return PortTrial(engine, program)
    return (OpaqueTrial if isinstance(engine, OpaqueEngine) else Trial)(engine, program)


def engine_of(name: str) -> Engine[Any]:  # of whatever variables
    """The engine of a name; raises NotStarted if it is a peer's that is not installed."""
    if name in ENGINES:
        return ENGINES[name]()
    try:
        module = importlib.import_module(f"dezero.verify.engines.peers.{name}_engine")
    except ModuleNotFoundError as error:
        raise NotStarted(
            f"{name} cannot be loaded: {error}: pip install '.[peers]' in a checkout"
        ) from None
    except Exception as error:  # whatever a peer does while it is imported
        raise NotStarted(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None
    return cast("Engine[Any]", getattr(module, PEERS[name])())  # as the table says


@contextmanager
def port(options: argparse.Namespace) -> Generator[PortEngine | None, None, None]:
    """The port that was asked for, within; None if none was."""
    if options.port is None:
        yield None
        return
    if options.target != "dezero":
        raise UsageError(f"a target, {options.target}, or the command of a port; not both")
    if not options.port:
        raise UsageError("nothing stands behind --; expected the command of a port")
    try:
        engine = PortEngine(options.port, options.start_limit, options.program_limit)
    except PortError as error:
        raise NotStarted(f"{shlex.join(options.port)}: {error}\n{last_words(error)}".rstrip()) from None
    try:
        yield engine
    finally:
        engine.stop()


def last_words(error: BaseException | None) -> str:
    """What a port last wrote to its standard error, if it was killed."""
    if not isinstance(error, PortError) or not error.stderr:
        return ""
    return f"\nIts standard error ended with:\n\n{error.stderr.rstrip()}\n"


def target_of(port: PortEngine, options: argparse.Namespace) -> Chosen:
    """A port as a target."""
    if options.domain:
        raise UsageError("--domain is for functions; a port is an engine")
    wanted = arguments.chosen(options.ops, list(port.contracts), "operation of the port")
    contracts = {op: contract for op, contract in port.contracts.items() if op in wanted}
    laws = arguments.chosen(options.laws, port.laws, "law for ports")
    if not contracts and getattr(options, "profile", None) != "core":  # which lists all that is missing
        raise UsageError("the port claims no operation that this kit knows")
    return Chosen(f"-- {shlex.join(port.command)}", port, port.module, laws, contracts, None)


def target(options: argparse.Namespace) -> Chosen:
    """An engine or a function as a target; raises UsageError, NotStarted or TargetError."""
    name: str = options.target
    if name in NAMES:
        if options.domain:
            raise UsageError(f"--domain is for functions; {name} is an engine")
        engine = engine_of(name)
        known = [*LAWS, *(law for law in STANDING_LAWS if law not in LAWS)]
        if isinstance(engine, OpaqueEngine):
            known = [law for law in known if law in engine.laws]
        elif not engine.differentiates_twice:
            known.remove("second_order")
        wanted = arguments.chosen(options.ops, list(engine.contracts), "operation")
        contracts = {op: contract for op, contract in engine.contracts.items() if op in wanted}
        laws = arguments.chosen(options.laws, known, "law")
        return Chosen(name, engine, engine.module, laws, contracts, None)
    if ":" not in name:
        raise UsageError(
            f"no target is called {name!r}; expected {', '.join(NAMES)}, or package.module:function"
        )
    if options.ops:
        raise UsageError("--ops is for engines; a function is one operation")
    for option in ("certify", "certificates"):
        if getattr(options, option, None):
            raise UsageError(f"--{option} needs a reference; of a function only the values are known")
    if getattr(options, "dtype", None) == "float32":
        raise UsageError("--dtype float32 is for engines; a function is given float64")
    prepared = prepare(_loaded(name), options.domain or ())
    laws = arguments.chosen(options.laws, FUNCTION_LAWS, "law for functions")
    return Chosen(name, prepared.engine, None, laws, prepared.engine.contracts, prepared)


def _loaded(name: str) -> Target:
    module_name, _, path = name.partition(":")
    here = os.getcwd()
    if here not in sys.path:  # where it stays, for what the target imports when it is called
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # whatever a user's module does while it is imported
        raise NotStarted(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None
    if isinstance(found, type) and issubclass(found, Function):
        try:
            return found()
        except (Exception, SystemExit) as error:  # whatever a user's class does
            raise NotStarted(
                f"{name} cannot be made without arguments ({error!r}); "
                "name a function that applies it instead"
            ) from None
    return cast(Target, found)  # `prepare` looks at what it is
