"""Take the pictures of the documentation anew: `python -m tests.browser.pictures` after `make demo`.

They show the demo's last report, with its simulated systems' invented names: light, dark, and on a phone; and
an operator's page and the console of invented migrations. `python -m tests.browser.pictures runbook` (or
`console`) takes only these.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Literal

from migrate_rollback.runbook import write
from playwright.sync_api import Browser

from migrate.engine import Engine
from tests.browser.chromium import chromium
from tests.browser.console_case import APPROVER, OPERATOR, signing
from tests.harness.console import serving
from tests.unit.runbooks import runbook_of

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / ".demo" / "generated" / ".migrate" / "reports"
IMAGES = ROOT / "docs" / "images"


def taken(
    browser: Browser,
    page_file: Path,
    into: Path,
    name: str,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    part: str = "body",
) -> None:
    """One picture: what a window of this size shows from a part of the page on."""
    page = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, timezone_id="Europe/Berlin"
    ).new_page()
    page.goto(page_file.as_uri())
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    page.locator(part).first.evaluate("node => node.scrollIntoView({block: 'start'})")
    page.screenshot(path=str(into / name))


def runbooks(browser: Browser, into: Path) -> None:
    """The operator's page, while the way back is open and while a rollback is under way."""
    with tempfile.TemporaryDirectory() as folder:
        page_file = write(runbook_of("open"), Path(folder) / "open")[0]
        taken(browser, page_file, into, "runbook.png", (1920, 1080), "light")
        page_file = write(runbook_of("going"), Path(folder) / "going")[0]
        taken(browser, page_file, into, "runbook-dark.png", (1920, 800), "dark")


def consoles(browser: Browser, into: Path) -> None:
    """The console's first page for an operator, and the sign-off for who signs."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        engine = Engine("512MB", work / "spill", 2, folders=[work])
        with serving(signing(work / "acme", engine).root) as served:
            for person, path, name, scheme in (
                (OPERATOR, "/", "console.png", "light"), (APPROVER, "/sign", "console-sign.png", "dark"),
            ):  # fmt: skip
                context = browser.new_context(
                    viewport={"width": 1240, "height": 900},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                page = context.new_page()
                page.goto(served.invited(person))
                page.get_by_role("button").click()
                page.wait_for_url(f"{served.url}/")
                page.goto(served.url + path)
                page.screenshot(path=str(into / name), full_page=True)
                context.close()
        engine.close()


def main() -> int:
    """Take them all: of the demo's report for the docs, or of the first folder given into the second."""
    if sys.argv[1:] == ["runbook"]:
        with chromium() as browser:
            runbooks(browser, IMAGES)
        return 0
    if sys.argv[1:] == ["console"]:
        with chromium() as browser:
            consoles(browser, IMAGES)
        return 0
    given = [Path(each) for each in sys.argv[1:]]
    if not given and not (REPORTS / "latest.json").exists():
        sys.stderr.write("There is no report of the demo. Run `make demo` first.\n")
        return 2
    report = given[0] if given else REPORTS / json.loads((REPORTS / "latest.json").read_text())["folder"]
    page_file, into = report / "index.html", given[1] if len(given) > 1 else IMAGES
    into.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        taken(browser, page_file, into, "report.png", (1240, 1180), "light")
        taken(
            browser,
            page_file,
            into,
            "report-dark.png",
            (1240, 900),
            "dark",
            "section[aria-labelledby=bridge]",
        )
        taken(browser, page_file, into, "report-differences.png", (1240, 760), "light", "#differences")
        taken(browser, page_file, into, "report-phone.png", (390, 844), "light")
        runbooks(browser, into)
        consoles(browser, into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
