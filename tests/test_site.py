"""The site: it is built without a warning, its links lead somewhere, and nothing in it is stale."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from dezero.contract import Contract
from dezero.verify.catalogue import OPERATIONS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

NOT_IN_THE_API = {
    "__init__": "re-exports what the pages show where it is defined",
    "__main__": "the command",
    "functions": "gathers the modules of operations",
    "pictures": "what utils calls",
}


class Page(HTMLParser):
    """A page of the site.

    Attributes:
        links: Where its links lead.
        loads: What a browser loads to show it.
        anchors: What a link may lead to in it.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("img", "script", "iframe", "source") and "src" in found:
            self.loads.append(found["src"])
        elif tag == "link" and "href" in found:
            self.loads.append(found["href"])


def faults_of(site: Path) -> list[str]:
    """The links of a site that lead nowhere, and what it loads from elsewhere."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    faults: list[str] = []
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    faults.append(f"{path.name} loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target in pages and anchor not in pages[target].anchors
            ):
                faults.append(f"{path.name} links to {link}")
    return faults


def test_it_is_built_and_whole(tmp_path: Path) -> None:
    site = tmp_path / "site"
    folders = ["-c", str(DOCS), "-d", str(tmp_path / "doctrees"), str(ROOT), str(site)]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *folders]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stderr
    assert not faults_of(site)
    for document in (
        *DOCS.rglob("*.md"),
        *DOCS.rglob("*.rst"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ):
        assert (site / document.relative_to(ROOT)).with_suffix(".html").is_file()
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="b"><a href="#b"></a><a href="https://c"></a>', "utf-8")
    assert not faults_of(tmp_path)
    for wrong in ('<a href="#c">', '<a href="b.html">', '<img src="b.svg">', '<script src="//c/d.js">'):
        (tmp_path / "c.html").write_text(wrong, "utf-8")
        assert len(faults_of(tmp_path)) == 1, wrong


def script(name: str) -> ModuleType:
    """A script of docs/, imported."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_operations_are_those_of_the_sources() -> None:
    shown = (DOCS / "operations.md").read_text("utf-8")
    assert script("operations_page").page() == shown, "stale: python docs/operations_page.py"
    assert set(re.findall(r"(?m)^## `(\w+)`$", shown)) == set(OPERATIONS)


def test_a_changed_contract_or_rule_makes_the_operations_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    page = script("operations_page")
    before = page.page()
    sin = OPERATIONS["sin"]
    with monkeypatch.context() as patch:
        patch.setattr(sin, "contract", OPERATIONS["log"].contract)
        assert page.page() != before
    monkeypatch.setattr(sin, "vjp", OPERATIONS["cos"].__dict__["vjp"])
    assert page.page() != before
    assert isinstance(sin.contract, Contract)


def test_the_api_has_every_module_of_the_library() -> None:
    shown = {
        name
        for page in (DOCS / "api").glob("*.rst")
        for name in re.findall(r"automodule:: dezero\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)
    }
    modules = {path.stem for path in (ROOT / "dezero").glob("*.py")}
    assert shown | set(NOT_IN_THE_API) == modules
    assert not shown & set(NOT_IN_THE_API)
