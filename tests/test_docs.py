"""The documents: what they show runs, and gives what they say."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dezero.verify.laws import SENTENCES

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"# (\w+)\.py\n")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: What stands behind the fence.
        text: What stands in it.
        follows: Whether nothing but an empty line lies between the last block and this.
    """

    language: str
    text: str
    follows: bool


def blocks_of(text: str) -> list[Block]:
    blocks: list[Block] = []
    end = -1
    for found in FENCED.finditer(text):
        blocks.append(Block(found[1], found[2], found.start() == end + 2))
        end = found.end()
    return blocks


def told(output: str) -> str:
    """An output without what differs from run to run and from machine to machine."""
    output = re.sub(r"[\d.]+ s \(\d+ programs a second\)", "T", output)
    output = re.sub(r"(?m)^(\s+margin\s+)\S+", r"\1N", output)
    for line in re.findall(r"(?m)^(?:covered|resolved): .*$", output):
        output = output.replace(line, re.sub(r"[\d.]+", "N", line))
    output = re.sub(r"(counterexample\.) \d+ programs", r"\1 N programs", output)
    output = re.sub(r"-?\d+\.\d{9,}(e[+-]\d+)?", lambda number: f"{float(number[0]):.9g}", output)
    return output.strip()


def agrees(output: str, shown: str) -> bool:
    """Whether an output is as shown; a line of three dots stands for any lines."""
    pattern = re.escape(told(shown) + "\n").replace(re.escape("...") + "\\\n", "(?:.*\n)*")
    return re.fullmatch(pattern, told(output) + "\n") is not None


def commands_in(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown."""
    parts = re.split(r"(?m)^\$ (.*)\n", text)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def run_python(code: str, name: str) -> str:
    """Runs a block, and the tests in it; what it prints."""
    namespace: dict[str, object] = {"__name__": name}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), namespace)
        for key, test in list(namespace.items()):
            if key.startswith("test_") and callable(test):
                test()
    return printed.getvalue()


def run_console(text: str) -> None:
    """Runs the commands of a block that are ours; others stand there for the reader."""
    shown = commands_in(text)
    for number, (command, expected) in enumerate(shown):
        if not command.startswith("dezero "):
            continue
        words = shlex.split(command)
        ran = subprocess.run([sys.executable, "-m", *words], capture_output=True, encoding="utf-8")
        after = shown[number + 1] if number + 1 < len(shown) else ("", "")
        code = int(after[1]) if after[0] == "echo $?" else 0
        assert ran.returncode == code, f"$ {command}\n{ran.stdout}{ran.stderr}"
        assert agrees(ran.stdout, expected), f"$ {command}\n{ran.stdout}{ran.stderr}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with the remembered programs; what is imported from there is forgotten."""
    shutil.copytree(ROOT / "tests" / "programs", tmp_path / "tests" / "programs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_shown_runs(document: Path, folder: Path) -> None:
    printed = ""
    for number, block in enumerate(blocks_of(document.read_text("utf-8"))):
        if block.language == "python":
            module = MODULE.match(block.text)
            if module is not None:
                (folder / f"{module[1]}.py").write_text(block.text, "utf-8")
            printed = run_python(block.text, f"{document.stem}_{number}")
        elif block.language == "console":
            run_console(block.text)
        elif block.language == "text" and block.follows and printed:
            assert agrees(printed, block.text), printed
            printed = ""


def test_the_laws_are_those_of_the_kit() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.partition("\n## The laws\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", section)
    assert dict(rows) == SENTENCES
    assert [name for name, _ in rows] == list(SENTENCES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = FENCED.sub("", document.read_text("utf-8"))
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        assert (document.parent / path).exists(), link
        assert path or anchor in anchors, link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_a_machine(document: Path) -> None:
    text = document.read_text("utf-8")
    assert not re.search(r"/work\b|/tmp\b|/root\b|/home\b|@[A-Z]+@", text)


def test_an_output_that_differs_is_noticed() -> None:
    report = "dezero: held. 5 programs, 2 laws, seed 1, 0.1 s (16 programs a second)\n"
    assert agrees(report, report.replace("0.1 s (16", "2.5 s (3"))
    assert not agrees(report, report.replace("held", "counterexample"))
    assert agrees(report + "more\n", report + "...\n")
    assert agrees(report, "...\n")
    assert not agrees("more\n" + report, report)
    assert agrees("  expected  0.12345678901", "  expected  0.12345678902")
    assert not agrees("  expected  0.1234567", "  expected  0.1234568")


def test_the_parts_of_a_document_are_found() -> None:
    blocks = blocks_of(
        "```python\n1\n```\n\n```text\n2\n```\nand\n\n```console\n$ dezero a\nb\n$ c\n```\n"
    )
    assert [(b.language, b.follows) for b in blocks] == [
        ("python", False),
        ("text", True),
        ("console", False),
    ]
    assert commands_in(blocks[2].text) == [("dezero a", "b\n"), ("c", "")]
