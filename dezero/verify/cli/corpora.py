"""The static corpus: `dezero corpus DIR` writes it, `dezero verify --corpus DIR` reads it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dezero.contract import Array
from dezero.verify import corpus
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, NOTHING_RAN, AddCommand, UsageError
from dezero.verify.cli.targets import Chosen
from dezero.verify.corpus import Case, Expected
from dezero.verify.engines import Engine
from dezero.verify.engines.opaque import OpaqueEngine
from dezero.verify.program import MAX_BYTES, ProgramError
from dezero.verify.report import printable

MOST_SHOWN = 10
"""How many cases that fail are shown."""
OF_CAMPAIGNS = (
    *arguments.REPORTS,
    *("save", "certify", "certificates", "database", "known_failures", "laws", "examples", "time"),
    *("workers", "cluster", "resume", "shard", "keep_going"),
)
"""The options of `verify` that say nothing of a corpus."""


def define(add: AddCommand) -> None:
    """Defines the command."""
    made = add(
        "corpus",
        help="write programs with what they give, for use without Python",
        description="Write programs with what they give to a folder, a JSON file for each operation: "
        "the same each time.",
    )
    made.add_argument("folder", type=Path, metavar="DIR", help="where to")
    made.set_defaults(run=_write)


def _write(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    n_cases = 0
    for op, cases in corpus.corpus():
        arguments.write(folder / f"{op}.json", corpus.to_json(op, cases))
        n_cases += len(cases)
    print(f"{n_cases} cases in {folder}")
    return HELD


def refuse_others(options: argparse.Namespace) -> None:
    """Raises UsageError if a corpus was given together with what only campaigns know."""
    for name in OF_CAMPAIGNS if options.corpus is not None else ():
        if getattr(options, name):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for random programs; what a corpus shows is printed")


def verify(folder: Path, target: Chosen) -> int:
    """Holds a target against a corpus; says what it found, and returns an exit code."""
    if target.prepared is not None:
        raise UsageError("--corpus is for engines; a function is one operation")
    engine = target.engine
    claimed, left_out, of_other_types, failed = 0, 0, 0, 0
    for case in _read(folder):
        if any(step.op not in target.contracts for step in case.program.steps):
            left_out += 1
            continue
        if case.program.dtype.name not in engine.dtypes:
            of_other_types += 1
            continue
        try:
            target.check(case.program)
        except ProgramError as error:
            raise ProgramError(f"{folder}: {printable(case.id)}: {error}") from None
        claimed += 1
        wrong = next(_failures(engine, case), None)
        if wrong is not None:
            failed += 1
            if failed <= MOST_SHOWN:
                print(f"broken  {printable(f'{case.id}: {wrong}')}")
    if failed > MOST_SHOWN:
        print(f"and {failed - MOST_SHOWN} more")
    verdict = "nothing ran" if not claimed else f"{failed} broken" if failed else "held"
    said = f"{claimed} cases of {folder}; {left_out} with operations not claimed"
    if of_other_types:
        said += f", {of_other_types} of element types not claimed"
    print(f"{target.name}: {verdict}. {said}")
    kinds = {"gradients": _differentiates(engine), "second derivatives": engine.differentiates_twice}
    not_claimed = [kind for kind, claims in kinds.items() if not claims]
    if claimed and not_claimed:
        print(f"not claimed: {', '.join(not_claimed)}")
    return COUNTEREXAMPLE if failed else HELD if claimed else NOTHING_RAN


def _read(folder: Path) -> Iterator[Case]:
    try:
        files = sorted(folder.glob("*.json"))
        texts = [(str(path), path.read_text("utf-8")) for path in files]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"a file of {folder} is not UTF-8: {error.reason}") from None
    if not texts:
        raise UsageError(f"{folder} has no corpus in it: no file of JSON")
    for where, text in texts:
        if len(text) > MAX_BYTES:
            raise ProgramError(f"{where}: {len(text)} characters; at most {MAX_BYTES} are read")
        yield from corpus.from_json(text, where)[1]


def _differentiates(engine: Engine[Any]) -> bool:  # of whatever variables
    """Whether an engine claims gradients: a port may not."""
    return not isinstance(engine, OpaqueEngine) or "gradient" in engine.laws


def _failures(engine: Engine[Any], case: Case) -> Iterator[str]:
    """What an engine, of whatever variables, gives that a case does not allow."""
    program = case.program
    try:
        with np.errstate(all="ignore"):
            graph = engine.build(program)
            values: list[Array | None] = [engine.value(y) for y in graph.outputs]
            grads: list[Array | None] | None = None
            if _differentiates(engine):
                engine.pull_back(graph, program.seeds)
                grads = [engine.gradient(x) for x in graph.leaves(program)]
            hvp = _products(engine, case) if case.v and engine.differentiates_twice else None
    except Exception as error:  # whatever an engine does with a valid program
        yield f"{type(error).__name__}: {error}"
        return
    yield from _outside("output", values, case.values, case.tolerance)
    if grads is not None:
        yield from _outside("gradient of input", grads, case.grads, case.tolerance)
    if hvp is not None:
        yield from _outside("product with the Hessian, of input", hvp, case.hvp, case.tolerance)


def _products(engine: Engine[Any], case: Case) -> list[Array | None]:  # of whatever variables
    graph = engine.build(case.program)
    xs = graph.leaves(case.program)
    seeds = [engine.leaf(seed) for seed in case.program.seeds]
    gradients = engine.gradients(graph.outputs, xs, seeds, create_graph=True)
    return [engine.value(h) for h in engine.gradients(gradients, xs, [engine.leaf(d) for d in case.v])]


def _outside(
    what: str, found: Sequence[Array | None], expected: Sequence[Expected], tolerance: str
) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{what}: {len(found)} arrays; expected {len(expected)}"
        return
    for k, (g, e) in enumerate(zip(found, expected, strict=True)):
        given = np.zeros(e.lo.shape) if g is None else g  # not connected: nothing flows
        if given.shape != e.lo.shape:
            yield f"{what} {k}: shape {given.shape}; expected {e.lo.shape}"
            continue
        for place in np.argwhere(e.misses(given, tolerance)):
            at = tuple(place.tolist())
            shown = f"[{', '.join(map(str, at))}]" if at else ""
            bounds = f"{float(e.lo[at])!r} to {float(e.hi[at])!r}"
            yield f"{what} {k}{shown}: {float(given[at])!r}; expected {bounds}, class {tolerance}"
