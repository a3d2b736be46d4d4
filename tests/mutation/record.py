"""What is known of each mutant: results of trials, and which change nothing that anyone could see."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from ground import End, Verdict
from mutants import Mutant


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test could tell from the original.

    Attributes:
        path: Of the source.
        where: The function or class.
        old: What is changed.
        new: What takes its place.
        nth: Which of the same changes there; -1 for each.
        reason: Why nobody can see it.
    """

    path: str
    where: str
    old: str
    new: str
    nth: int
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        """Whether it speaks of this mutant."""
        told = (mutant.path, mutant.where, mutant.old, mutant.new)
        return told == (self.path, self.where, self.old, self.new) and self.nth in (-1, mutant.nth)


def equivalents(file: Path) -> list[Equivalent]:
    """Those on record.

    Raises:
        ValueError: An entry gives no reason.
    """
    entries = [Equivalent(**entry) for entry in json.loads(file.read_text("utf-8"))]
    for entry in entries:
        if not entry.reason.strip():
            raise ValueError(
                f"{file.name}: {entry.where}: {entry.old!r} -> {entry.new!r} has no reason"
            )
    return entries


class Results:
    """The verdicts so far, in a file of one JSON object a line: a run goes on where the last ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._of: dict[str, Verdict] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text("utf-8").splitlines(keepends=True) if file.exists() else []
        if lines and not lines[-1].endswith("\n"):  # the run was ended while it was written
            file.write_text("".join(lines[:-1]), "utf-8")
            del lines[-1]
        for line in lines:
            entry = json.loads(line)
            key = entry.pop("key")
            self._of[key] = Verdict(**entry)

    def __getitem__(self, mutant: Mutant) -> Verdict | None:
        return self._of.get(mutant.key)

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        """Also in the file, at once."""
        self._of[mutant.key] = verdict
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": mutant.key, **asdict(verdict)}) + "\n")


@dataclass(frozen=True)
class Tally:
    """What became of the mutants of a source.

    Attributes:
        mutants: How many there are.
        killed: By how they ended.
        equivalent: On record as such.
        survived: Nothing noticed them, or they hung.
        not_run: Not tried yet.
    """

    mutants: int
    killed: Mapping[str, int]
    equivalent: int
    survived: Sequence[Mutant]
    not_run: int

    @property
    def share(self) -> float | None:
        """The share of the killed among those tried that are not equivalent; None if there are none."""
        killed = sum(self.killed.values())
        tried = killed + len(self.survived)
        return killed / tried if tried else None


def tally(mutants: Iterable[Mutant], results: Results, known: Sequence[Equivalent]) -> Tally:
    """Counts the mutants of a source, or of several."""
    killed: Counter[str] = Counter()
    survived: list[Mutant] = []
    total = equivalent = not_run = 0
    for mutant in mutants:
        total += 1
        verdict = results[mutant]
        if any(entry.is_of(mutant) for entry in known):
            equivalent += 1
        elif verdict is None:
            not_run += 1
        elif not verdict.killed:
            survived.append(mutant)
        else:
            killed[verdict.end] += 1
    return Tally(total, killed, equivalent, survived, not_run)


def unknown(known: Sequence[Equivalent], mutants: Sequence[Mutant]) -> list[Equivalent]:
    """The entries that speak of no mutant: the source has changed."""
    return [entry for entry in known if not any(entry.is_of(mutant) for mutant in mutants)]


def table(of: Mapping[str, Tally]) -> str:
    """The record as Markdown: a table by source, and the survivors."""
    ends = [end for end in get_args(End) if end not in {"survived", "hung"}]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("mutmut", "numpy", "hypothesis", "pytest")
    )
    lines = [
        f"Of {date.today().isoformat()}, Python {platform.python_version()}, {versions}.",
        "",
        f"| source | mutants | not run | equivalent | killed | {' / '.join(ends)} | survived | share |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for path, counts in of.items():
        killed = sum(counts.killed.values())
        how = " / ".join(str(counts.killed.get(end, 0)) for end in ends)
        share = "–" if counts.share is None else f"{counts.share:.1%}"
        lines.append(
            f"| `{path}` | {counts.mutants} | {counts.not_run} | {counts.equivalent} | {killed} "
            f"| {how} | {len(counts.survived)} | {share} |"
        )
    lines += [
        "",
        "Share: the killed among those tried that are not equivalent.",
        "",
        "## Survivors",
        "",
    ]
    survivors = [mutant for counts in of.values() for mutant in counts.survived]
    lines += [as_listed(mutant) for mutant in survivors] or ["None."]
    return "\n".join(lines) + "\n"


def as_listed(mutant: Mutant) -> str:
    """Its line in the list of survivors."""
    return f"- `{mutant.path}`, `{mutant.where or 'module'}`: {_code(mutant.old)} → {_code(mutant.new)}"


def _code(text: str) -> str:
    shown = text if len(text) <= 80 else f"{text[:38]} … {text[-38:]}"
    return f"``{shown}``" if "`" in shown else f"`{shown}`"
