"""Which Chromium opens the report? The system's, or the one that Playwright keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = "no Chromium: `apt-get install -y chromium`, or `.venv/bin/playwright install chromium`"


def system() -> str | None:
    """The system's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def found() -> bool:
    """Whether there is one."""
    if system():
        return True
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser without a window."""
    with sync_playwright() as playwright:
        made = launched(playwright)
        yield made
        made.close()


def launched(playwright: Playwright) -> Browser:
    """The system's browser, else Playwright's."""
    return playwright.chromium.launch(executable_path=system(), headless=True, args=FLAGS)
