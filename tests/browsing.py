"""What the tests in a browser share: Chromium, a page in it, and what that complained of.

They need Chromium and Playwright. Where there is none they are skipped; with DEZERO_BROWSER=required in
the environment, as in CI, that is an error.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # it need not be installed
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Request, Response

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a module that import this."""
    required = os.environ.get("DEZERO_BROWSER") == "required"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        if required:
            raise
        pytest.skip("there is no Playwright: pip install playwright")
    if BROWSER is None:
        assert not required, "DEZERO_BROWSER=required, and there is no Chromium"
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield launched
        launched.close()


class Opened:
    """A page in a browser.

    Attributes:
        page: The page.
        requests: What it asked for.
        complaints: What it complained of on its console, raised, asked the user, or was refused.
    """

    def __init__(self, browser: Browser, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("console", self._of_message)
        self.page.on("pageerror", self._of_error)
        self.page.on("dialog", self._of_dialog)
        self.page.on("request", self._of_request)
        self.page.on("response", self._of_response)

    def colours(self) -> tuple[str, str]:
        """Those of the letters and of the paper."""
        look = (
            "() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] }"
        )
        ink, paper = self.page.evaluate(look)
        return ink, paper

    def _of_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _of_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _of_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def _of_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _of_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


def luminance(colour: str) -> float:
    """Of ``rgb(r, g, b)``, by WCAG 2.2."""
    parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, by WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
