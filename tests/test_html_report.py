"""The page: what it says, that nothing of a target becomes markup, and that it works in a browser.

Where there is no browser, its tests are skipped: see browsing.py.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsing import Opened, browser, contrast, luminance

from dezero.verify import scoreboard
from dezero.verify.campaign import Counterexample, Tally
from dezero.verify.claims import Claims
from dezero.verify.cli import main
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import FAULTS, planted
from dezero.verify.html_report import histogram, to_html
from dezero.verify.known import KnownFailure
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken
from dezero.verify.pages import LONGEST, Shown, plain
from dezero.verify.program import Program, Step
from dezero.verify.report import Report
from dezero.verify.scoreboard import NOT_CLAIMED, Score
from dezero.verify.tracing import cotangent_of, first_wrong, trace
from dezero.verify.trial import Trial

__all__ = ["browser"]  # a fixture

if TYPE_CHECKING:  # it need not be installed
    from playwright.sync_api import Browser

PROGRAM = Program(
    (np.array([1.0, 2.0]),),
    (Step("mul", (0, 0)), Step("sin", (1,)), Step("exp", (2,))),
    (3,),
    (np.array([-0.5, 1.0]),),
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x00\" onload='alert(3)' {{ 7 * 7 }}"
)


def report_of(tally: Tally, target: str = "dezero", claims: Claims | None = None) -> Report:
    laws = [law for law in LAWS if law != "second_order"]
    return Report(
        target, "dezero.functions", laws, 1, f"{target} --seed 1", CONTRACTS, tally,
        claims=Claims() if claims is None else claims,
    )  # fmt: skip


def broken_page(hostile: str = "the value") -> str:
    """A page with a counterexample, of which everything that a target can say says this."""
    broken = Broken(hostile, hostile, hostile, 1e9)
    found = Counterexample("gradient", PROGRAM, broken, 1)
    tally = Tally(examples=3, elapsed=1.0, counterexample=found)
    tally.held.update(runs=3, value=3)
    tally.unresolved["kink", hostile] += 1
    with planted(FAULTS["sin_factor"]):
        shown = Shown(found, trace(Trial(DezeroEngine(), PROGRAM)), hostile)
    return to_html(report_of(tally, hostile, Claims(operations={hostile: hostile})), [shown])


def board(hostile: str = "2.0") -> str:
    """A scoreboard of an engine with a counterexample, and one that is missing; both say this."""
    broken = Broken(hostile, hostile, hostile, 1e9)
    tally = Tally(examples=3)
    tally.known[KnownFailure("sin", "gradient", "met")] = Counterexample("gradient", PROGRAM, broken, 1)
    claims = Claims(operations={"cos": hostile})
    scores = [
        Score(hostile, hostile, "dezero", laws=("runs", "gradient"), claims=claims, tally=tally),
        Score(f"{hostile} 2", missing=hostile),
    ]
    return scoreboard.to_html(scores, 1)


def large_page() -> str:
    """A page of ten thousand programs, with all operations and fifty counterexamples."""
    random = np.random.default_rng(0)
    tally = Tally(examples=10_000, elapsed=60.0)
    for law in LAWS:
        tally.held[law] = 10_000
        for op in CONTRACTS:
            tally.matrix[law, op] = int(random.integers(1, 3000))
    for op in CONTRACTS:
        tally.coverage.operations[op] = int(random.integers(1, 3000))
    for quarter in range(-60, 0):
        tally.margins[quarter] = int(random.integers(1, 500))
    broken = Broken("gradient of input 0", "1.0", "2.0", 1e9)
    found = Counterexample("gradient", PROGRAM, broken, 1)
    return to_html(report_of(tally), [Shown(found)] * 50)


# ------------------------------------------------------------------------------------- What it says


def test_a_trace_tells_where_cotangents_part() -> None:
    with planted(FAULTS["sin_factor"]):
        traced = trace(Trial(DezeroEngine(), PROGRAM))
    assert [one.parts for one in traced] == ["gradient", "gradient", "", ""]
    assert first_wrong(traced) == 1  # what comes out of the wrong rule
    np.testing.assert_allclose(traced[2].cotangent, PROGRAM.seeds[0] * np.exp(np.sin([1.0, 4.0])))


def test_a_trace_tells_where_values_part() -> None:
    with planted(FAULTS["tanh_value"]):
        program = Program(
            (np.array(0.5),), (Step("tanh", (0,)), Step("exp", (1,))), (2,), (np.ones(()),)
        )
        traced = trace(Trial(DezeroEngine(), program))
    right = trace(Trial(DezeroEngine(), program))
    assert first_wrong(right) is None
    assert [one.op for one in right] == [None, "tanh", "exp"]
    assert traced[1].found is not None
    assert traced[1].found != right[1].found


def test_the_cotangent_of_an_output_that_is_used_further() -> None:
    program = Program(
        (np.array(2.0),), (Step("square", (0,)), Step("square", (1,))), (1, 2), (np.ones(()),) * 2
    )
    assert cotangent_of(program, 1, np.array(4.0)) == 1 + 2 * 4.0
    assert cotangent_of(program, 2, np.array(16.0)) == 1.0


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    arguments = ["verify", "--seed", "1", "--ops", "sin,mul,sum", "--laws", "gradient,runs"]
    with planted(FAULTS["sin_factor"]):
        assert main([*arguments, "--html", str(file)]) == 1
    page = file.read_text("utf-8")
    assert "The law <code>gradient</code> is broken" in page
    assert "diverges first" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert main([*arguments, "--html", str(file)]) == 0
    assert '<span class="verdict good">held</span>' in file.read_text("utf-8")


class Markup(HTMLParser):
    """What is markup in a page: its tags, with the attributes that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.others: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs).get("nonce"))
        self.others |= {tag} | {name for name, _ in attrs if name.startswith("on")}


def test_what_a_target_says_is_text() -> None:
    page = broken_page(HOSTILE)
    found = Markup()
    found.feed(page)
    assert len(found.scripts) == 1  # ours
    assert found.scripts[0] is not None
    assert not found.others & {"img", "iframe", "onerror", "onload", "object", "link", "base"}
    assert "&lt;script&gt;alert(1)" in page
    assert "\\u202e" in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "{{ 7 * 7 }}" in page


def test_what_an_engine_says_on_a_scoreboard_is_text() -> None:
    page = board(HOSTILE)
    found = Markup()
    found.feed(page)
    assert len(found.scripts) == 1
    assert not found.others & {"img", "iframe", "onerror", "onload", "object", "link", "base"}
    assert "\u202e" not in page
    assert "\x00" not in page


def test_long_texts_are_cut() -> None:
    assert len(broken_page("x" * 1_000_000)) < 200_000
    assert len(board("x" * 1_000_000)) < 400_000
    assert plain("x" * 3000) == "x" * LONGEST + "… (3000 characters)"


def test_the_histogram_counts_quarters_of_a_decade() -> None:
    text = histogram({-80: 3, -4: 2, -1: 1})
    assert text.count("<rect") == 2
    assert "2 programs: 0.1 to 0.18 of the tolerance" in text
    assert "In 3 of the programs nothing differed" in text
    assert histogram({}) == "<p>In 0 of the programs nothing differed at all.</p>"


# ----------------------------------------------------------------------------------------- In a browser


def opened_page(browser: Browser, path: Path, text: str, **context: Any) -> Opened:
    """A page from a file, which asks for nothing else."""
    path.write_text(text, "utf-8")
    opened = Opened(browser, **context)
    opened.page.goto(path.as_uri())
    assert opened.requests == [path.as_uri()]
    return opened


def test_it_opens_and_leads_to_the_counterexample(browser: Browser, tmp_path: Path) -> None:
    opened = opened_page(browser, tmp_path / "report.html", broken_page())
    page = opened.page
    page.get_by_role("link", name="broken").first.click()
    assert page.evaluate("document.activeElement.id") == "counterexample-1"
    assert page.locator("tr.first").inner_text().startswith("x1 diverges first")
    assert page.locator(".drawing svg g.first").count() == 1
    assert opened.complaints == []


def test_the_matrix_filters(browser: Browser, tmp_path: Path) -> None:
    opened = opened_page(browser, tmp_path / "report.html", large_page())
    page = opened.page
    rows = page.locator("tr[data-op]:visible")
    assert rows.count() == len(CONTRACTS)
    assert page.get_by_role("link", name="broken").first.get_attribute("href") == "#counterexample-1"
    page.get_by_role("searchbox", name="Operations").fill("conv2d")
    wanted = [op for op in CONTRACTS if "conv2d" in op]
    assert [row.get_attribute("data-op") for row in rows.all()] == wanted
    page.get_by_role("searchbox", name="Laws").fill("kink")
    assert page.locator("thead th[data-law]:visible").all_inner_texts() == ["kink"]
    assert page.locator("#filtered").inner_text() == f"{len(wanted)} operations, 1 law"
    page.get_by_role("searchbox", name="Operations").fill("")
    assert rows.count() == len(CONTRACTS)
    assert page.locator("article").count() == 50
    assert opened.complaints == []


def test_a_scoreboard_leads_to_its_counterexample_by_keys(browser: Browser, tmp_path: Path) -> None:
    opened = opened_page(browser, tmp_path / "board.html", board(HOSTILE))
    page = opened.page
    assert page.locator("tr[data-op=cos] td").first.inner_text() == NOT_CLAIMED
    link = page.locator("tr[data-op=sin] a")
    assert link.inner_text() == "gradient"
    for _ in range(20):
        page.keyboard.press("Tab")
        if link.evaluate("a => a === document.activeElement"):
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "counterexample-1"
    assert opened.complaints == []


def test_the_labels_of_a_histogram_stand_apart(browser: Browser, tmp_path: Path) -> None:
    tally = Tally(examples=1)
    tally.margins[-2] += 1  # as few as there can be
    page = opened_page(browser, tmp_path / "report.html", to_html(report_of(tally), [])).page
    boxes: list[tuple[float, float, float, float]] = []
    for text in page.locator(".histogram text").all():
        box = text.bounding_box()
        assert box is not None
        boxes.append((box["y"], box["x"], box["width"], box["height"]))
    boxes.sort()
    assert len(boxes) > 4
    for (y, x, width, height), (below, beside, *_) in itertools.pairwise(boxes):
        assert height < 24
        assert x + width < beside or y + height <= below


def test_what_a_law_says_is_read_by_keys(browser: Browser, tmp_path: Path) -> None:
    for text in (broken_page(), board()):
        page = opened_page(browser, tmp_path / "page.html", text).page
        says = page.get_by_text(LAWS["visits"].sentence, exact=True)
        assert not says.is_visible()
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        assert says.is_visible()


def test_copying(browser: Browser, tmp_path: Path) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    opened = opened_page(browser, tmp_path / "report.html", broken_page(), permissions=allowed)
    page = opened.page
    button = page.get_by_role("button", name="Copy").first
    button.focus()
    page.keyboard.press("Enter")  # as by hand, with no mouse
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "x1 = F.Mul()(x0, x0)" in copied
    assert opened.complaints == []


def test_hostile_texts_stay_texts(browser: Browser, tmp_path: Path) -> None:
    opened = opened_page(browser, tmp_path / "report.html", broken_page(HOSTILE))
    assert "<script>alert(1)</script>" in opened.page.locator("h1").inner_text()
    assert opened.page.locator("script").count() == 1
    assert opened.page.locator("img").count() == 0
    assert opened.complaints == []


def test_a_script_that_is_not_ours_does_not_run(browser: Browser, tmp_path: Path) -> None:
    text = broken_page().replace("</main>", "<script>alert(1)</script></main>")
    opened = opened_page(browser, tmp_path / "report.html", text)
    assert len(opened.complaints) == 1
    assert "Content Security Policy" in opened.complaints[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_the_paper(browser: Browser, tmp_path: Path, scheme: str) -> None:
    opened = opened_page(browser, tmp_path / "report.html", broken_page(), color_scheme=scheme)
    ink, paper = opened.colours()
    assert contrast(ink, paper) > 7
    assert (luminance(ink) > luminance(paper)) == (scheme == "dark")


def test_on_paper_it_is_light_and_whole(browser: Browser, tmp_path: Path) -> None:
    """On A4, at 96 dots an inch; also who looks at dark pages prints on white paper."""
    size = {"width": 794, "height": 1123}
    for text in (broken_page(), large_page(), board()):
        file = tmp_path / "page.html"
        opened = opened_page(browser, file, text, color_scheme="dark", viewport=size)
        page = opened.page
        page.emulate_media(media="print")
        ink, paper = opened.colours()
        assert luminance(ink) < luminance(paper)
        assert page.evaluate("document.documentElement.scrollWidth") <= 794
        inside = "all => all.every(one => one.scrollWidth <= one.clientWidth)"
        assert page.locator("pre, .scroll").evaluate_all(inside)
        assert page.locator("button:visible, input:visible").count() == 0


def test_on_a_narrow_screen_nothing_runs_over(browser: Browser, tmp_path: Path) -> None:
    size = {"width": 360, "height": 740}
    for text in (broken_page(), board(), board("x" * 3000)):
        page = opened_page(browser, tmp_path / "page.html", text, viewport=size).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_by_keys_alone_all_can_be_reached(browser: Browser, tmp_path: Path) -> None:
    """Each link, button and field, and whatever scrolls, in the order of the page; one leads on."""
    for text in (broken_page(), board()):
        page = opened_page(browser, tmp_path / "page.html", text).page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").startswith("Skip to the ")
        assert page.locator(".skip").is_visible()
        where = "e => e.getBoundingClientRect().top + scrollY"
        wanted = page.locator("a, button, input, pre, summary, .scroll").evaluate_all(
            f"all => all.map({where})"
        )
        met = [page.locator(":focus").evaluate(where)]
        for _ in wanted[1:]:
            page.keyboard.press("Tab")
            met.append(page.locator(":focus").evaluate(where))
        assert len(met) == len(wanted)
        assert page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        page.keyboard.press("Tab")
        assert page.locator(":focus").count() == 0  # that was the last


@pytest.mark.parametrize("page_of", [broken_page, board])
def test_what_replays_a_counterexample_does(
    browser: Browser, tmp_path: Path, page_of: Callable[[str], str]
) -> None:
    """The command is copied to a shell; there is no fault in the dezero that it runs."""
    page = opened_page(browser, tmp_path / "page.html", page_of("dezero")).page
    text = page.locator(".code", has_text="shell, to replay it").locator("pre").inner_text()
    first, rest = text.split("\n", 1)
    assert first == "dezero replay - dezero <<'END'"
    command = f'dezero() {{ "$PYTHON" -m dezero "$@"; }}\n{first}\n{rest}'
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "held        gradient" in done.stdout
