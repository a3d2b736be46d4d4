"""The documents: what they show runs, and gives what they say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from dezero.verify import cli
from dezero.verify.laws import SENTENCES

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
    ROOT / "tests" / "mutation" / "README.md",
]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"# (\w+)\.py\n")
LINK = re.compile(r"\]\(([^)\s]+)\)")

PART = "a part of a file of dezero's; test_the_operation_that_is_added"
ENVIRONMENT = "makes an environment, from an index"
PEERS = "needs the extra peers; tests/test_peers.py holds what each adapter says"
ELSEWHERE = "another test runs it: "
NOT_RUN = MappingProxyType(
    {
        # document: first line of a block, or of a console's command -> why it is not run here
        "README.md": {
            "$ make verify": ENVIRONMENT + "; the command is run below",
            "$ make test": "runs these tests",
            "$ pip install .": ENVIRONMENT,
            "$ pip install '.[verify]'": ENVIRONMENT,
            "$ pip install '.[cluster]'": ENVIRONMENT,
        },
        "CONTRIBUTING.md": {
            "$ make test": "runs these tests",
            "$ make verify": ENVIRONMENT,
            "$ make docs": ELSEWHERE + "tests/test_site.py",
            "$ make format": "changes the sources",
            "$ make clean": "removes the environment in which it would run",
            "class Hypot(": PART,
            "def _from_origin(": PART,
            "def hypot(": PART,
            "$ dezero verify --ops hypot": "dezero has no hypot; test_the_operation_that_is_added",
        },
        "docs/start-ci.md": {"$ pip install": ENVIRONMENT},
        "docs/start-types.md": {"$ pip install": ENVIRONMENT},
        "docs/ci.md": {
            "# test_waves.py": ELSEWHERE + "tests/test_pytest_plugin.py",
            "pytest --dezero-seed": "takes too long; tests/test_pytest_plugin.py",
            "# .github/workflows/": "CI of GitHub's; tests/test_ci.py runs its steps",
            "# .gitlab-ci.yml": "CI of GitLab's; tests/test_ci.py runs its steps",
            "![derivatives]": "Markdown for another's README",
        },
        "docs/campaigns.md": {
            "pip install": ENVIRONMENT,
            "dezero verify --examples 1000000": "takes hours; see tests/test_stretches.py",
            "dezero verify --database": "needs Redis and GitHub; tests/test_databases.py",
            "jobs:": "CI of GitHub's; the commands are those of the parts above",
        },
        "docs/speed.md": {"make bench": "takes ten minutes; see tests/test_benchmarks.py"},
        "docs/strength.md": {
            "dezero faults --markdown": "takes ten minutes; tests/test_faults.py",
            "dezero faults --sensitivity": "takes three minutes; tests/test_strength.py",
        },
        "docs/found.md": {
            "pip install": ENVIRONMENT,
            "import torch": PEERS,
            "import mygrad": PEERS,
            "import autograd": PEERS,
            "import jax": PEERS,
            "from micrograd": PEERS,
        },
        "docs/operations.md": {
            "def vjp(": "the source itself; tests/test_site.py says when it is stale",
            "def __call__(": "the source itself; tests/test_site.py says when it is stale",
        },
        "docs/specification.md": {
            "[2, 1, 3]  with": "shapes, no program; tests/test_specification.py",
            "waiting ": "an algorithm in words",
        },
        "examples/ports/js/README.md": {
            "dezero verify --": ELSEWHERE + "tests/test_ports_js.py",
            "$ dezero verify": "its second run is of a state long past",
        },
        "examples/ports/rust/README.md": {
            "cargo build": ELSEWHERE + "tests/test_ports_rust.py",
            "$ dezero verify": "takes a minute; tests/test_ports_rust.py tries fewer programs",
        },
        "examples/ports/c/README.md": {
            "cc ": ELSEWHERE + "tests/test_ports_c.py",
            "$ dezero verify": "what the first version held; tests/test_ports_c.py asks today's",
        },
        "docs/ports.md": {"[": "a form with a free text; tests/test_port.py"},
    }
)
"""All that is shown and not run, with the reason. What is neither run nor here is an error, and so is
what stands here and is not met."""


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


class Page:
    """A document, run in a folder.

    Attributes:
        unmet: What `NOT_RUN` says of it, and was not met yet.
    """

    def __init__(self, document: Path, folder: Path) -> None:
        self.document = document
        self.folder = folder
        self.text = document.read_text("utf-8")
        self.not_run = NOT_RUN.get(document.relative_to(ROOT).as_posix(), {})
        self.unmet = set(self.not_run)

    def run(self) -> None:
        printed = ""
        for number, block in enumerate(blocks_of(self.text)):
            if block.language == "text" and block.follows and printed:
                assert agrees(printed, block.text), printed
                printed = ""
            elif block.language == "console":
                self.run_console(block.text)
            elif block.language == "python":
                self.write(block)
                printed = run_python(block.text, f"{self.document.stem}_{number}")
            elif not (block.language == "py" and self.write(block)):
                first = block.text.partition("\n")[0]
                assert self.is_excused(first), f"neither run nor in NOT_RUN: {first}"

    def is_excused(self, line: str) -> bool:
        """Whether `NOT_RUN` has a reason why this is not run."""
        reasons = {start for start in self.not_run if line.startswith(start)}
        self.unmet -= reasons
        return bool(reasons)

    def write(self, block: Block) -> bool:
        """Writes a block that names a file; one that is not run itself only if a command reads it."""
        module = MODULE.match(block.text)
        name = "" if module is None else f"{module[1]}.py"
        if module is None or (
            block.language == "py" and not re.search(rf"(?m)^\$ .*\b{name}", self.text)
        ):
            return False
        (self.folder / name).write_text(block.text, "utf-8")
        sys.modules.pop(module[1], None)
        return True

    def run_console(self, text: str) -> None:
        """Runs the commands of a block, and compares what they say, and their exit codes."""
        shown = commands_in(text)
        for number, (command, expected) in enumerate(shown):
            if command == "echo $?" or self.is_excused(f"$ {command}"):
                continue
            code, output, errors = run_command(shlex.split(command, comments=True))
            after = shown[number + 1] if number + 1 < len(shown) else ("", "")
            said = f"$ {command}\n{output}{errors}"
            assert code == (int(after[1]) if after[0] == "echo $?" else 0), said
            assert agrees(output, expected), said


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


def run_command(words: list[str]) -> tuple[int, str, str]:
    """The exit code of a command, its output and its errors; of `dezero` in this process."""
    program, *arguments = words
    if program == "dezero":
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = cli.main(arguments)
        return code, output.getvalue(), errors.getvalue()
    assert program in ("mypy", "pytest"), f"neither run nor in NOT_RUN: $ {shlex.join(words)}"
    ran = subprocess.run([sys.executable, "-m", *words], capture_output=True, encoding="utf-8")
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to run in, with the remembered programs; what is imported from there is forgotten."""
    shutil.copytree(ROOT / "tests" / "programs", tmp_path / "tests" / "programs")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "dezero"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dezero "$@"\n', "utf-8")
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    monkeypatch.setenv("MYPY_CACHE_DIR", str(ROOT / ".mypy_cache" / "of_documents"))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a page may write a module twice in a second
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_what_is_shown_runs(document: Path, folder: Path) -> None:
    page = Page(document, folder)
    page.run()
    assert not page.unmet, "NOT_RUN has reasons for what is not there"


def test_every_reason_is_of_a_document() -> None:
    assert {ROOT / name for name in NOT_RUN} <= set(DOCUMENTS)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "```python\nraise ValueError\n```\n",
        "```python\ndef test_it():\n    assert False\n```\n",
        "```sh\ndezero verify\n```\n",
        "```\nanything\n```\n",
        "```py\n# unread.py\n```\n",
        "```console\n$ make test\n```\n",
        "```console\n$ dezero spec --nonsense\n```\n",
        "```console\n$ dezero smoke\nfine\n```\n",
    ],
)
def test_a_page_that_is_not_true_is_noticed(
    text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = folder / "page.md"
    document.write_text(text, "utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", folder)
    with pytest.raises((AssertionError, ValueError, SystemExit)):
        Page(document, folder).run()


def test_the_laws_are_those_of_the_kit() -> None:
    text = (ROOT / "docs" / "laws.md").read_text("utf-8")
    section = text.partition("\n## The laws\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", section)
    assert dict(rows) == SENTENCES
    assert [name for name, _ in rows] == list(SENTENCES)


def anchors_of(document: Path) -> set[str]:
    """The anchors that a code host gives to the titles of a document, and the site, too."""
    titles = re.findall(r"(?m)^#+ (.*)$", FENCED.sub("", document.read_text("utf-8")))
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def dead_links(document: Path) -> list[str]:
    """The links within the project that lead nowhere."""
    dead: list[str] = []
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    assert not dead_links(document)


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One `two`\n\n[a](b.md) [b](#one-two) [c](a.md#one-two)", "utf-8")
    assert dead_links(tmp_path / "a.md") == ["b.md"]
    (tmp_path / "b.md").write_text("[a](a.md#one) [b](#b) [c](a.md) [d](https://b)", "utf-8")
    assert dead_links(tmp_path / "a.md") == []
    assert dead_links(tmp_path / "b.md") == ["a.md#one", "#b"]


def untrue_figures(page: str) -> list[str]:
    """The answers on the page of figures that do not stand, word by word, where they link to."""
    rows = re.findall(r"(?m)^\| [^|]*\? \| (.*?) \| .* \| \[.*\]\(([\w.-]+)(?:#[\w-]+)?\) \|$", page)
    assert len(rows) > 5
    texts = {path: " ".join((ROOT / "docs" / path).read_text("utf-8").split()) for _, path in rows}
    prints = " ".join(f"{n} {kind}," for kind, n in verdicts_of(texts["proofs.md"]).items())
    texts["proofs.md"] += prints.rstrip(",")
    return [answer for answer, path in rows if answer not in texts[path]]


def verdicts_of(text: str) -> dict[str, int]:
    """How many operations have which verdict in the table of proofs."""
    found = re.findall(r"\| `\w+` \| [^|]* \| ([a-z ]+) \|", text)
    return {kind: found.count(kind) for kind in ("proved", "exact", "certified by balls")}


def test_figures_are_those_of_their_pages() -> None:
    page = (ROOT / "docs" / "figures.md").read_text("utf-8")
    assert not untrue_figures(page)
    assert untrue_figures(page.replace("139 of 139", "138 of 139"))
    assert untrue_figures(page.replace("38 proved", "39 proved"))
    home = (ROOT / "docs" / "index.md").read_text("utf-8")
    for said in re.findall(r"\d+ (?:of \d+ faults|proved, \d+ exact)", home):
        assert said in page


def test_the_operation_that_is_added(tmp_path: Path) -> None:
    """What CONTRIBUTING says of a new operation is done to a copy of dezero."""
    blocks = blocks_of((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    parts = [block.text for block in blocks if block.language == "py"]
    shown = next(block.text for block in blocks if block.text.startswith("$ dezero verify --ops hypot"))
    ((command, expected),) = commands_in(shown)
    names = ("functions_elementwise.py", "contract.py", "verify/reference.py")
    shutil.copytree(ROOT / "dezero", tmp_path / "dezero", ignore=shutil.ignore_patterns("__pycache__"))
    for name, part in zip(names, parts, strict=True):
        with (tmp_path / "dezero" / name).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{part}")
    module = tmp_path / "dezero" / "functions_elementwise.py"
    text = module.read_text("utf-8").replace(
        "    WITHIN_ONE,\n", "    NOT_BOTH_ZERO,\n    WITHIN_ONE,\n", 1
    )
    module.write_text(
        text.replace("__all__ = [\n", '__all__ = [\n    "Hypot",\n    "hypot",\n', 1), "utf-8"
    )
    ran = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert agrees(ran.stdout, expected), ran.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
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
