"""The site: it is built without a warning, its links lead somewhere, and nothing in it is stale."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from browsing import Opened, browser, contrast, luminance

from dezero.contract import Contract
from dezero.verify.catalogue import OPERATIONS

if TYPE_CHECKING:  # it need not be installed
    from playwright.sync_api import Browser

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.xdist_group("site")  # it is built once

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

NOT_IN_THE_API = {
    "__init__": "re-exports what the pages show where it is defined",
    "__main__": "the command",
    "archives": "what datasets and layers call",
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("built")
    folders = ["-c", str(DOCS), "-d", str(folder / "doctrees"), str(ROOT), str(folder / "site")]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *folders]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / "site"


def test_it_is_built_and_whole(site: Path) -> None:
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


# ----------------------------------------------------------------------------------------- In a browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and does not speak of it."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_each_page_opens_without_a_complaint(browser: Browser, site: Path, address: str) -> None:
    """It asks this site only, its images are there, and on a telephone nothing runs over."""
    opened = Opened(browser, viewport={"width": 360, "height": 740})
    page = opened.page
    drawn = 0
    page.goto(f"{address}/index.html")  # which leads on at once
    page.wait_for_url("**/docs/index.html")
    for path in sorted(
        {*(site / "docs").rglob("*.html"), *site.glob("*.html")} - {site / "index.html"}
    ):
        page.goto(f"{address}/{path.relative_to(site).as_posix()}")
        images = page.locator("img:visible")
        drawn += images.count()
        assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth)"), path
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        cells = page.locator("table.docutils td:not(:first-child)")  # they are scrolled, not squeezed
        assert cells.evaluate_all("all => all.every(one => one.offsetWidth > 100)"), path
    assert drawn >= 3
    assert opened.complaints == []
    assert all(url.startswith(address) for url in opened.requests)


def test_a_page_that_complains_is_noticed(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "it.html").write_text(
        '<script>console.error("a"); throw new Error("b")</script><img src="c.png">', "utf-8"
    )
    opened = Opened(browser)
    opened.page.goto((tmp_path / "it.html").as_uri())
    for said in ("a", "b", "ERR_FILE_NOT_FOUND"):
        assert any(said in complaint for complaint in opened.complaints)
    assert not opened.page.locator("img").evaluate("one => one.naturalWidth")


def test_who_searches_finds_by_keys_alone(browser: Browser, address: str) -> None:
    opened = Opened(browser)
    page = opened.page
    page.goto(f"{address}/docs/index.html")
    page.get_by_role("textbox", name="Search").focus()
    page.keyboard.type("clearance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=clearance**")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    found.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "search.html" not in url)
    assert "clearance" in page.locator("article").inner_text()
    assert opened.complaints == []


def test_the_sidebar_leads_to_a_page(browser: Browser, address: str) -> None:
    opened = Opened(browser)
    page = opened.page
    page.goto(address)
    page.wait_for_url("**/docs/index.html")  # from the root
    page.locator(".sidebar-tree").get_by_role("link", name="Laws and tolerance").click()
    page.wait_for_url("**/docs/laws.html")
    assert page.locator("h1").first.inner_text().startswith("The laws")
    assert opened.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_site_is_as_dark_as_is_wanted(browser: Browser, address: str, scheme: str) -> None:
    opened = Opened(browser, color_scheme=scheme)
    opened.page.goto(f"{address}/docs/operations.html")
    ink, paper = opened.colours()
    assert contrast(ink, paper) > 7
    assert (luminance(ink) > luminance(paper)) == (scheme == "dark")
    opened.page.get_by_role("button", name="Toggle Light / Dark").first.click()
    assert opened.page.evaluate("document.body.dataset.theme") != "auto"
    assert opened.complaints == []
