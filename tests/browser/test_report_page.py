"""Does the report's page stand by itself in a browser: readable, without errors, its rows in reach?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from migrate.connector import Link, Version, Who
from tests.unit.moved import Moved, moved
from tests.unit.test_report import reported

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `apt-get install -y chromium`"),
]

CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = parsed(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("main *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const pair = [light(parsed(getComputedStyle(node).color)), light(behind(node))];
    const [one, other] = pair.sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) low.push([node.textContent.trim().slice(0, 40), node.className, ratio.toFixed(2)]);
  }
  return low;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


@pytest.fixture
def report(migration: Moved) -> Path:
    """A report with every verdict that a page must show: passes, things to accept, red lines."""
    target = migration.target
    target.records["companies"]["102"]["phone"] = "0800 1"
    target.writers["102", "phone"] = Version(
        "phone", "0800 1", "2026-03-14T12:00:09Z", Who.AUTOMATION, "Enrichment"
    )
    target.records["deals"]["301"]["amount"] = "100.11"
    target.joined.add(Link("contacts", "203", "companies", "9", "default"))
    return Path(reported(migration).path)


def opened(browser: Browser, path: Path, **options: Any) -> tuple[Page, list[str], list[str]]:
    """The page, what it complained of, and what it asked for beyond itself."""
    page = browser.new_context(**options).new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: asked.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    page.goto(path.as_uri())
    return page, complaints, asked


def test_the_page_opens_without_errors_and_asks_nobody_for_anything(browser: Browser, report: Path) -> None:
    page, complaints, asked = opened(browser, report)

    assert complaints == []
    assert asked == []
    assert page.title().startswith("Not ready")
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_verdict_is_on_the_first_screen_in_words(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report, viewport={"width": 1280, "height": 800})

    verdict = page.get_by_role("status")
    box = verdict.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 800
    assert "Not ready: 2 red lines" in verdict.inner_text()
    assert page.locator("h1").count() == 1
    order = page.locator("h1, h2").evaluate_all("nodes => nodes.map(node => node.tagName)")
    assert order[0] == "H1"


def test_colour_is_never_the_only_sign(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report)

    marks = page.locator(".pill, .cell:not(.quiet)").all_text_contents()
    assert len(marks) > 20
    for mark in marks:
        assert mark.strip()[0] in "✓!✕○⚠·"
        assert len(mark.strip()) > 2


def test_a_red_figure_leads_to_its_rows(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report)

    page.locator(".matrix a.cell.fail").first.click()

    details = page.locator("details:target")
    assert details.evaluate("node => node.open")
    assert "100.11" in page.locator("#check-rows-Opportunity").inner_text()
    assert "rows.Opportunity.parquet" in page.locator("#check-rows-Opportunity").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, report: Path, scheme: str) -> None:
    page, _, _ = opened(browser, report, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    assert page.evaluate(CONTRAST) == []


def test_nothing_overflows_a_narrow_screen(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report, viewport={"width": 390, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints_with_every_detail(browser: Browser, report: Path, tmp_path: Path) -> None:
    page, _, _ = opened(browser, report)

    page.emulate_media(media="print")
    assert page.locator("#check-rows-Account .figures").first.is_visible()
    page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
