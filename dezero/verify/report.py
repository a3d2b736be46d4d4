"""What a campaign found, for people and for machines: terminal, JSON, JUnit, Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from dezero.contract import Array, Contract
from dezero.verify.campaign import MOST_UNRESOLVED, Counterexample, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.laws import SENTENCES
from dezero.verify.program import AttributeValue, Json, Program


@dataclass(frozen=True)
class Report:
    """A campaign that has ended.

    Attributes:
        target: What was verified.
        module: Where its operations can be imported from as classes; None for a user's function.
        laws: The names of the laws.
        seed: The seed of the campaign.
        again: The arguments of the command that verifies the same.
        contracts: The operations that could occur.
        tally: What was done, and found.
    """

    target: str
    module: str | None
    laws: Sequence[str]
    seed: int
    again: str
    contracts: Mapping[str, Contract]
    tally: Tally

    @property
    def missing_operations(self) -> list[str]:
        """The operations that never occurred."""
        return [name for name in self.contracts if name not in self.tally.operations]

    @property
    def verdict(self) -> str:
        """One of `held`, `counterexample`, `unresolved` and `nothing ran`."""
        if self.tally.counterexample is not None:
            return "counterexample"
        if not self.tally.held:
            return "nothing ran"
        return "unresolved" if self.tally.unresolved_share > MOST_UNRESOLVED else "held"

    @property
    def exit_code(self) -> int:
        """0 all held, 1 a counterexample or too much unresolved, 5 nothing ran."""
        return {"held": 0, "counterexample": 1, "unresolved": 1, "nothing ran": 5}[self.verdict]


# ------------------------------------------------------------------------------------------- Programs


def snippet(program: Program, module: str = "dezero.functions") -> str:
    """Python that builds a program, pulls its gradient back and prints it."""
    package = module.rpartition(".")[0] if module == "dezero.functions" else module
    lines = ["import numpy as np", f"import {module} as F", f"from {package} import Variable", ""]
    names: list[str] = []
    for x in program.inputs:
        names.append(f"x{len(names)}")
        lines.append(f"{names[-1]} = Variable({_array(x)})")
    for step, first in program.places():
        made = [f"x{first + k}" for k in range(step.n_out)]
        attributes = ", ".join(f"{k}={_attribute(v)}" for k, v in step.attributes.items())
        operands = ", ".join(names[i] for i in step.operands)
        called = OPERATIONS[step.op].__name__
        several = OPERATIONS[step.op].contract.several_outputs
        left = f"[{', '.join(made)}]" if several else made[0]
        lines.append(f"{left} = F.{called}({attributes})({operands})")
        names.extend(made)
    simple = module != "dezero.functions"
    for output, seed in zip(program.outputs, program.seeds, strict=True):
        given = _array(seed) if simple else f"Variable({_array(seed)})"
        lines += [f"{names[output]}.grad = {given}", f"{names[output]}.backward()"]
    lines.append(f"print({', '.join(f'x{i}.grad' for i in range(len(program.inputs)))})")
    return "\n".join(lines) + "\n"


def _array(x: Array) -> str:
    """An array as an expression that gives it bit for bit."""
    dtype = "" if x.dtype.name in ("float64", "bool", "int64") else f", np.{x.dtype.name}"
    if x.size == 0:
        return f"np.zeros({x.shape}{dtype})"
    values = [float(v) if x.dtype.kind == "f" else v for v in x.ravel().tolist()]
    text = repr(np.array(values, object).reshape(x.shape).tolist())
    for name in ("nan", "inf"):
        text = text.replace(name, f"np.{name}")
    return f"np.array({text}{dtype})"


def _attribute(value: AttributeValue) -> str:
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_attribute, value))}{',' if len(value) == 1 else ''})"
    return "..." if value is ... else repr(value)


# ------------------------------------------------------------------------------------------- Machines


def to_dict(report: Report) -> dict[str, Json]:
    """Everything about a campaign, as JSON."""
    tally = report.tally
    pairs = [f"{a} -> {b}" for a, b in tally.missing_pairs(report.contracts)]
    n_pairs = len(report.contracts) ** 2
    laws: dict[str, Json] = {}
    for name in report.laws:
        reasons: dict[str, Json] = {r: n for (law, r), n in tally.unresolved.items() if law == name}
        laws[name] = {
            "says": SENTENCES[name],
            "held": tally.held[name],
            "unresolved": reasons,
            "seconds": round(tally.cost.get(name, 0.0), 3),
        }
    operations: dict[str, Json] = {name: tally.operations[name] for name in report.contracts}
    steps: dict[str, Json] = {str(n): tally.steps[n] for n in sorted(tally.steps)}
    return {
        "target": report.target,
        "verdict": report.verdict,
        "seed": report.seed,
        "versions": {name: version(name) for name in ("dezero", "numpy", "hypothesis")},
        "examples": tally.examples,
        "seconds": round(tally.elapsed, 3),
        "examples_per_second": round(tally.examples / tally.elapsed, 1) if tally.elapsed else None,
        "unresolved_share": round(tally.unresolved_share, 5),
        "worst_margin": round(tally.worst_margin, 4),
        "programs_on_a_kink": tally.kinked,
        "steps": steps,
        "laws": laws,
        "coverage": {
            "operations": operations,
            "missing_operations": list[Json](report.missing_operations),
            "pairs": n_pairs - len(pairs),
            "pairs_share": round(1 - len(pairs) / n_pairs, 4) if n_pairs else None,
            "missing_pairs": list[Json](pairs),
        },
        "counterexample": counterexample_to_dict(tally.counterexample),
    }


def counterexample_to_dict(found: Counterexample | None) -> Json:
    """A counterexample as JSON: its program is under "program", ready for a replay."""
    if found is None:
        return None
    margin = found.broken.margin
    return {
        "law": found.law,
        "says": SENTENCES[found.law],
        "what": found.broken.what,
        "expected": found.broken.expected,
        "found": found.broken.found,
        "margin": margin if math.isfinite(margin) else None,
        "step": found.broken.step,
        "seed": found.seed,
        "program": None if found.program is None else found.program.to_dict(),
    }


def to_json(report: Report) -> str:
    """Everything about a campaign, as JSON text."""
    return json.dumps(to_dict(report), indent=1, ensure_ascii=False) + "\n"


def to_junit(report: Report) -> str:
    """A test case for each law, as JUnit XML."""
    found = report.tally.counterexample
    suite = ElementTree.Element(
        "testsuite",
        name=f"dezero verify {report.target}",
        tests=str(len(report.laws)),
        failures=str(int(report.exit_code != 0)),
        time=f"{report.tally.elapsed:.3f}",
    )
    for name in report.laws:
        seconds = f"{report.tally.cost.get(name, 0.0):.3f}"
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"dezero.{report.target}", name=name, time=seconds
        )
        if found is not None and found.law == name:
            failure = ElementTree.SubElement(case, "failure", message=found.broken.what)
            failure.text = explain(report, found)
        elif not report.tally.held[name]:
            ElementTree.SubElement(case, "skipped", message="never held: it was not reached")
    if report.verdict in ("unresolved", "nothing ran"):
        case = ElementTree.SubElement(suite, "testcase", classname="dezero", name="resolved")
        ElementTree.SubElement(case, "failure", message=report.verdict).text = summary(report)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def to_markdown(report: Report) -> str:
    """A summary for a pull request."""
    tally = report.tally
    rows = [
        f"| `{name}` | {SENTENCES[name]} | {tally.held[name]} | "
        f"{sum(n for (law, _), n in tally.unresolved.items() if law == name)} |"
        for name in report.laws
    ]
    lines = [
        f"## dezero verify {report.target}: {report.verdict}",
        "",
        summary(report),
        "",
        "| law | says | held | unresolved |",
        "|---|---|--:|--:|",
        *rows,
    ]
    if tally.counterexample is not None:
        lines += ["", "```", explain(report, tally.counterexample).rstrip(), "```"]
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------------------------------------- People


def summary(report: Report) -> str:
    """A campaign in a few lines."""
    tally, n = report.tally, len(report.contracts)
    rate = tally.examples / tally.elapsed if tally.elapsed else 0.0
    lines = [
        f"{report.target}: {report.verdict}. {_count(tally.examples, 'program')}, "
        f"{_count(len(report.laws), 'law')}, "
        f"seed {report.seed}, {tally.elapsed:.1f} s ({rate:.0f} programs a second)"
    ]
    if report.module is not None and tally.examples:
        missing = len(tally.missing_pairs(report.contracts))
        lines.append(
            f"covered: {n - len(report.missing_operations)} of {n} operations, "
            f"{1 - missing / n**2:.1%} of {n**2} ordered pairs; "
            f"{tally.kinked} programs on a kink"
        )
    share = 1 - tally.unresolved.total() / tally.samples if tally.samples else 0.0
    lines.append(
        f"resolved: {share:.2%} of {tally.samples} samples; "
        f"largest difference that held: {tally.worst_margin:.2f} of its tolerance"
    )
    lines += [f"unresolved: {n} × {law}: {reason}" for (law, reason), n in tally.unresolved.items()]
    return "\n".join(lines)


def explain(report: Report, found: Counterexample, saved: Path | None = None) -> str:
    """A counterexample: the law, the program as code and as JSON, and how to see it again."""
    broken, program = found.broken, found.program
    lines = [
        f"The law `{found.law}` is broken: {SENTENCES[found.law]}",
        "",
        f"  {broken.what}",
        f"  expected  {broken.expected}",
        f"  found     {broken.found}",
    ]
    if math.isfinite(broken.margin):
        lines.append(f"  margin    {broken.margin:.3g} times the tolerance")
    if program is not None and report.module is not None:
        lines += ["", f"The smallest program that shows it ({_count(len(program.steps), 'step')}):", ""]
        lines += [f"  {line}".rstrip() for line in snippet(program, report.module).splitlines()]
        lines += ["", f"  {program.to_json()}"]
    elif program is not None:
        lines += ["", f"It was applied to {', '.join(_array(x) for x in program.inputs)}"]
    place = "FILE" if saved is None else str(saved)
    lines += ["", f"Seed {found.seed}. To see it again:"]
    if program is not None and report.module is not None:
        where = "" if saved else "   (FILE: the JSON above)"
        lines.append(f"  dezero replay {place} {report.target}{where}")
    lines.append(f"  dezero verify {report.again}")
    return "\n".join(lines) + "\n"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
