"""Is the operator's page one screen, two sides of a sheet, and usable by everybody?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from axe_playwright_python.sync_playwright import Axe
from migrate_rollback.runbook import write
from playwright.sync_api import Browser, expect

from tests.browser.chromium import MISSING, chromium, found
from tests.browser.test_report_page import A4, CONTRAST, opened
from tests.unit.runbooks import State, runbook_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not found(), reason=MISSING)]
SCREEN = {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def drawn(folder: Path, state: State = "open") -> Path:
    return write(runbook_of(state), folder)[0]


@pytest.mark.parametrize("state", get_args(State))
def test_it_is_one_screen_asks_nobody_and_complains_of_nothing(
    browser: Browser, tmp_path: Path, state: State
) -> None:
    page, complaints, asked = opened(browser, drawn(tmp_path, state), viewport=SCREEN)

    assert complaints == asked == []
    assert page.evaluate("document.documentElement.scrollHeight") <= SCREEN["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]
    assert page.locator("h1").count() == 1


def test_it_prints_on_two_sides_with_the_messages(browser: Browser, tmp_path: Path) -> None:
    page, _, _ = opened(browser, drawn(tmp_path), viewport={"width": A4[0], "height": A4[1]})

    page.emulate_media(media="print")

    assert page.evaluate("document.documentElement.scrollHeight") < 2 * A4[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= A4[0]
    assert page.locator("#message-1").is_visible()
    assert not page.locator("button.copy").first.is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1920), ("dark", 1920), ("light", 390)])
@pytest.mark.parametrize("state", ["late", "closed"])
def test_axe_finds_no_fault(browser: Browser, tmp_path: Path, state: State, scheme: str, width: int) -> None:
    page, _, _ = opened(
        browser, drawn(tmp_path, state), color_scheme=scheme, viewport={"width": width, "height": 900},
        bypass_csp=True,
    )  # fmt: skip
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    violations = Axe().run(page).response["violations"]

    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in violations] == []
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_command_is_copied_by_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    page, complaints, _ = opened(
        browser, drawn(tmp_path), permissions=["clipboard-read", "clipboard-write"], viewport=SCREEN
    )

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("button", name="Copy the command of step 3").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Copy the command of step 3")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "migrate -w acme rollback run"
    assert complaints == []


def test_without_scripts_everything_is_there_but_the_copying(browser: Browser, tmp_path: Path) -> None:
    page, _, _ = opened(browser, drawn(tmp_path), java_script_enabled=False, viewport=SCREEN)

    assert "migrate -w acme rollback verify" in page.locator("main").inner_text()
    assert not page.locator("button.copy").first.is_visible()
