"""Is the cutover's runbook usable by everybody, and does it ask nobody for anything?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from migrate.cutover.runbook import runbook, write
from migrate.workspace import Workspace
from tests.browser.chromium import MISSING, chromium, found
from tests.browser.test_report_page import CONTRAST, opened
from tests.unit.test_cli import PLAN
from tests.unit.test_cutover_runbook import AT, TERMS, UNTIL

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not found(), reason=MISSING)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cutover")
    (folder / "plan.yaml").write_text(PLAN + TERMS, encoding="utf-8")
    with closing(Workspace(folder, {})) as workspace:
        return write(runbook(workspace, Path("acme"), "all", at=AT, until=UNTIL), folder / "out")[0]


def test_it_asks_nobody_complains_of_nothing_and_scrolls_no_page_sideways(
    browser: Browser, drawn: Path
) -> None:
    for width in (1920, 390):
        page, complaints, asked = opened(browser, drawn, viewport={"width": width, "height": 900})
        assert complaints == asked == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1


def test_a_step_is_reached_by_its_id_and_a_message_opens_ready_to_be_copied(
    browser: Browser, drawn: Path
) -> None:
    page, _, _ = opened(browser, drawn, viewport={"width": 1400, "height": 900})
    expect(page.locator("#step-freeze")).to_contain_text("cutover freeze --cohort all --wait")
    page.locator("summary").first.click()
    expect(page.locator("#message-1")).to_be_visible()
    expect(page.locator("#message-1")).to_contain_text("18:00 Europe/Berlin")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1920), ("dark", 1920), ("light", 390)])
def test_axe_finds_no_fault(browser: Browser, drawn: Path, scheme: str, width: int) -> None:
    page, _, _ = opened(
        browser, drawn, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    violations = Axe().run(page).response["violations"]

    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in violations] == []
    assert page.evaluate(CONTRAST) == []
