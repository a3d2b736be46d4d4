"""`python docs/report_picture.py`: the picture of a report in the README, as Chromium shows it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from dezero.verify.cli import main
from dezero.verify.faults import FAULTS, planted

COMMAND = ["verify", "--seed", "8", "--ops", "add,mul,sin,get_item", "--laws", "runs,value,gradient"]


def draw(picture: Path) -> None:
    """Plants a fault, lets it be found, and looks at the page."""
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder, "report.html")
        with planted(FAULTS["repeats_overwritten"]):
            main([*COMMAND, "--html", str(page_file)])
        browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1000, "height": 1180})
            page.goto(page_file.as_uri())
            page.screenshot(path=picture)
            browser.close()


if __name__ == "__main__":
    draw(Path(__file__).with_name("report.png"))
