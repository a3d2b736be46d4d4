"""What a campaign found, for people and for machines: terminal, JSON, JUnit, Markdown."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from dezero.contract import Array, Contract
from dezero.verify.campaign import MOST_UNRESOLVED, Counterexample, Tally
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import Claims
from dezero.verify.coverage import FEATURES
from dezero.verify.known import ENOUGH, KnownFailure
from dezero.verify.laws import SENTENCES
from dezero.verify.oracles import BITS
from dezero.verify.outcomes import Certificate
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
        uncovered: The operations and features below the floor: they should have occurred.
        claims: What the target does not claim.
        known: What the target is known to do wrong.
        others: The counterexamples of other causes, if the campaign went on behind the first.
        conditions: The arguments that a replay needs besides: where those of a function lie, and the
            limits of a port.
    """

    target: str
    module: str | None
    laws: Sequence[str]
    seed: int
    again: str
    contracts: Mapping[str, Contract]
    tally: Tally
    uncovered: Sequence[str] = ()
    claims: Claims = field(default_factory=Claims)
    known: Sequence[KnownFailure] = ()
    others: Sequence[Counterexample] = ()
    conditions: str = ""

    @property
    def counterexamples(self) -> list[Counterexample]:
        """The first, if there is any, and those of other causes."""
        first = self.tally.counterexample
        return [] if first is None else [first, *self.others]

    @property
    def passing(self) -> list[KnownFailure]:
        """The known failures that pass unexpectedly: never met, though there was every chance."""
        tally = self.tally
        return [f for f in self.known if f not in tally.known and tally.known_to_hold[f] >= ENOUGH]

    @property
    def missing_operations(self) -> list[str]:
        """The operations that never occurred."""
        return [name for name in self.contracts if name not in self.tally.coverage.operations]

    @property
    def verdict(self) -> str:
        """One of `held`, `lacking`, `counterexample`, `nothing ran`, `passes unexpectedly`,
        `unresolved` and `too little covered`.
        """
        if self.claims.lacking:
            return "lacking"
        if self.tally.counterexample is not None:
            return "counterexample"
        if not self.tally.held:
            return "nothing ran"
        if self.passing:
            return "passes unexpectedly"
        if self.tally.unresolved_share > MOST_UNRESOLVED:
            return "unresolved"
        return "too little covered" if self.uncovered else "held"

    @property
    def exit_code(self) -> int:
        """0 all held, 5 nothing ran, 1 anything else."""
        return {"held": 0, "nothing ran": 5}.get(self.verdict, 1)


# ------------------------------------------------------------------------------------------- Programs


def snippet(program: Program, module: str = "dezero.functions") -> str:
    """Python that builds a program, pulls its gradient back and prints it."""
    package = module.rpartition(".")[0] if module == "dezero.functions" else module
    lines = ["import numpy as np", f"import {module} as F", f"from {package} import Variable", ""]
    names: list[str] = []
    for x in program.inputs:
        names.append(f"x{len(names)}")
        lines.append(f"{names[-1]} = Variable({array_text(x)})")
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
        given = array_text(seed) if simple else f"Variable({array_text(seed)})"
        lines += [f"{names[output]}.grad = {given}", f"{names[output]}.backward()"]
    lines.append(f"print({', '.join(f'x{i}.grad' for i in range(len(program.inputs)))})")
    return "\n".join(lines) + "\n"


def array_text(x: Array) -> str:
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
        return array_text(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_attribute, value))}{',' if len(value) == 1 else ''})"
    return "..." if value is ... else repr(value)


# ------------------------------------------------------------------------------------------- Machines


def to_dict(report: Report) -> dict[str, Json]:
    """Everything about a campaign, as JSON."""
    tally = report.tally
    pairs = [f"{a} -> {b}" for a, b in tally.coverage.missing_pairs(report.contracts)]
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
    operations: dict[str, Json] = {name: tally.coverage.operations[name] for name in report.contracts}
    steps: dict[str, Json] = {str(n): tally.coverage.steps[n] for n in sorted(tally.coverage.steps)}
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
        "certified": certificates_to_dict(tally.certified),
        "steps": steps,
        "laws": laws,
        "coverage": {
            "operations": operations,
            "missing_operations": list[Json](report.missing_operations),
            "pairs": n_pairs - len(pairs),
            "pairs_share": round(1 - len(pairs) / n_pairs, 4) if n_pairs else None,
            "missing_pairs": list[Json](pairs),
            "features": {name: tally.coverage.features[name] for name in FEATURES},
            "below_the_floor": list[Json](report.uncovered),
        },
        "profile": report.claims.profile,
        "lacking": list[Json](report.claims.lacking),
        "not_claimed": {
            "operations": dict[str, Json](report.claims.operations),
            "laws": list[Json](report.claims.laws),
        },
        "known_failures": [_known_to_dict(report, failure) for failure in report.known],
        "counterexample": counterexample_to_dict(tally.counterexample),
        "other_counterexamples": [counterexample_to_dict(found) for found in report.others],
    }


def _known_to_dict(report: Report, failure: KnownFailure) -> Json:
    tally = report.tally
    return {
        "op": failure.op,
        "law": failure.law,
        "reason": failure.reason,
        "state": _state(report, failure),
        "held": tally.known_to_hold[failure],
        "counterexample": counterexample_to_dict(tally.known.get(failure)),
    }


def _state(report: Report, failure: KnownFailure) -> str:
    """What became of a known failure."""
    if failure in report.tally.known:
        return "met"
    return "passes unexpectedly" if failure in report.passing else "not met"


def certificates_to_dict(ulps: Sequence[float]) -> dict[str, Json]:
    """What was proved: in how many programs, by balls of how many bits, within how many ulps."""
    if not ulps:
        return {"programs": 0}
    median, most, largest = (float(f"{q:.2g}") for q in np.percentile(ulps, [50, 99, 100]).tolist())
    return {
        "programs": len(ulps),
        "bits": BITS,
        "median": median,
        "99 in 100": most,
        "largest": largest,
    }


def certified(program: Program, certificate: Certificate) -> str:
    """A program and what was proved of its gradient, as a line of JSON."""
    return json.dumps({"ulps": certificate.ulps, "bits": BITS, "program": program.to_dict()}) + "\n"


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
    suite = ElementTree.Element(
        "testsuite", name=f"dezero verify {report.target}", time=f"{report.tally.elapsed:.3f}"
    )
    for name in report.laws:
        seconds = f"{report.tally.cost.get(name, 0.0):.3f}"
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"dezero.{report.target}", name=name, time=seconds
        )
        found = [one for one in report.counterexamples if one.law == name]
        if found:
            message = "; ".join(one.broken.what for one in found)
            failure = ElementTree.SubElement(case, "failure", message=message)
            failure.text = "\n".join(explain(report, one) for one in found)
        elif not report.tally.held[name]:
            ElementTree.SubElement(case, "skipped", message="never held: it was not reached")
    skipped = [(name, "not claimed") for name in report.claims.not_claimed]
    skipped += [
        (f"{failure.law} with {failure.op}", f"a known failure: {failure.reason}")
        for failure in report.tally.known
    ]
    for name, message in skipped:
        case = ElementTree.SubElement(suite, "testcase", classname=f"dezero.{report.target}", name=name)
        ElementTree.SubElement(case, "skipped", message=message)
    if report.verdict not in ("held", "counterexample"):
        case = ElementTree.SubElement(suite, "testcase", classname="dezero", name="verdict")
        ElementTree.SubElement(case, "failure", message=report.verdict).text = summary(report)
    for count, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(count, str(sum(1 for _ in suite.iter(tag))))
    for element in suite.iter():  # XML has no place for control characters
        element.text = element.text and printable(element.text)
        element.attrib.update({name: printable(text) for name, text in element.attrib.items()})
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
        f"## dezero verify {_within_markdown(report.target)}: {report.verdict}",
        "",
        _fenced(summary(report)),
        "",
        "| law | says | held | unresolved |",
        "|---|---|--:|--:|",
        *rows,
    ]
    if report.claims.not_claimed:
        not_claimed = ", ".join(map(_within_markdown, report.claims.not_claimed))
        lines += ["", f"Not claimed, and so not verified: {not_claimed}."]
    for found in report.counterexamples:
        lines += ["", _fenced(explain(report, found).rstrip())]
    return printable("\n".join(lines) + "\n")


def _fenced(text: str) -> str:
    """A text as a block of code, which nothing in it can end."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _within_markdown(text: str) -> str:
    """A text of a target in a line of Markdown: as text and nothing else."""
    return re.sub(r"([\\`*_\[\]<>&|~])", r"\\\1", " ".join(text.split()))


_COLORS = {"held": "brightgreen", "counterexample": "red"}


def to_badge(report: Report) -> str:
    """The verdict in the form of an endpoint badge: https://shields.io/badges/endpoint-badge."""
    message, color = report.verdict, _COLORS.get(report.verdict, "orange")
    if message == "held":
        message = f"held on {_count(report.tally.examples, 'program')}"
    label = f"dezero verify {report.target}"
    badge = {"schemaVersion": 1, "label": label, "message": message, "color": color}
    return json.dumps(badge, ensure_ascii=False) + "\n"


# --------------------------------------------------------------------------------------------- People


def summary(report: Report) -> str:
    """A campaign in a few lines."""
    tally, n = report.tally, len(report.contracts)
    if report.claims.lacking:
        lacking = [f"  {what}" for what in report.claims.lacking]
        profile = f"of the profile {report.claims.profile} it lacks"
        return printable("\n".join([f"{report.target}: lacking. {profile}:", *lacking]))
    rate = tally.examples / tally.elapsed if tally.elapsed else 0.0
    lines = [
        f"{report.target}: {report.verdict}. {_count(tally.examples, 'program')}, "
        f"{_count(len(report.laws), 'law')}, "
        f"seed {report.seed}, {tally.elapsed:.1f} s ({rate:.0f} programs a second)"
    ]
    if report.module is not None and tally.examples:
        missing = len(tally.coverage.missing_pairs(report.contracts))
        lines.append(
            f"covered: {n - len(report.missing_operations)} of {n} operations, "
            f"{1 - missing / n**2:.1%} of {n**2} ordered pairs; "
            f"{tally.coverage.features['kink']} programs on a kink"
        )
    share = 1 - tally.unresolved.total() / tally.samples if tally.samples else 0.0
    lines.append(
        f"resolved: {share:.2%} of {tally.samples} samples; "
        f"largest difference that held: {tally.worst_margin:.2f} of its tolerance"
    )
    if tally.certified:
        about = certificates_to_dict(tally.certified)
        lines.append(
            f"certified: the gradients in float64 of {_count(len(tally.certified), 'program')}, "
            f"within {about['largest']} ulps by balls of {BITS} bits; "
            f"half of the programs within {about['median']}, 99 in 100 within {about['99 in 100']}"
        )
    if report.uncovered:
        lines.append(f"never occurred, but should have: {', '.join(report.uncovered)}")
    for failure in report.known:
        state = _state(report, failure)
        held = "" if state == "met" else f" (held in {_count(tally.known_to_hold[failure], 'program')})"
        lines.append(f"known, {state}{held}: {failure.op}, {failure.law}: {failure.reason}")
    lines += [f"unresolved: {n} × {law}: {reason}" for (law, reason), n in tally.unresolved.items()]
    return printable("\n".join(lines))


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
    elif program is not None:
        lines += ["", f"It was applied to {', '.join(array_text(x) for x in program.inputs)}"]
    if program is not None:
        lines += ["", f"  {program.to_json()}"]
    place = "FILE" if saved is None else str(saved)
    lines += ["", f"Seed {found.seed}. To see it again:"]
    if program is not None:
        where = "" if saved else "   (FILE: the JSON above)"
        lines.append(f"  {replay_command(place, report.target, report.conditions)}{where}")
    lines.append(f"  dezero verify {report.again}")
    return printable("\n".join(lines) + "\n")


def replay_command(file: str, target: str, conditions: str = "") -> str:
    """The command that holds a target against the laws on the program in a file.

    Args:
        file: Its name; ``-`` for standard input.
        target: The target, as the command takes it.
        conditions: The arguments that it needs besides.
    """
    words = ["dezero replay", *([conditions] if conditions else []), shlex.quote(file), target]
    return " ".join(words)


def _count(n: int, what: str) -> str:
    return f"{n} {plural(n, what)}"


def printable(text: str) -> str:
    """A text with its control characters shown, but for ends of lines and tabs.

    What it says may come from a target, or from a file of another machine.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def plural(n: int, what: str) -> str:
    """The word for so many things."""
    return what if n == 1 else f"{what}s"
