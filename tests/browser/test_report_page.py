"""Does the report's page stand by itself in a browser: readable, without errors, its rows in reach?"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from migrate_validators.page import LIMIT
from migrate_validators.page import page as drawn
from migrate_validators.samples import COLUMNS
from playwright.sync_api import Browser, Page, expect

from migrate.connector import Link, Version, Who
from tests.browser.chromium import MISSING, chromium, found
from tests.unit.moved import Moved, moved
from tests.unit.test_report import reported

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not found(), reason=MISSING)]

A4 = (710, 1_039)  # what @page leaves of a sheet, in CSS pixels
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
    with chromium() as made:
        yield made


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
    assert re.search(r"Not ready: \d red lines", verdict.inner_text())
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


def test_it_prints_with_every_detail_and_the_first_screen_on_one_sheet(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    page, _, _ = opened(browser, report, viewport={"width": A4[0], "height": A4[1]})

    page.emulate_media(media="print")
    assert page.locator("#check-rows-Account .figures").first.is_visible()
    first = page.locator("#first").bounding_box()
    assert first is not None
    assert first["height"] < 2 * A4[1]  # both sides
    assert first["width"] <= A4[0]
    page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    assert (tmp_path / "report.pdf").stat().st_size > 20_000


def test_a_manager_finds_what_differs_and_an_engineer_the_record_behind_it(
    browser: Browser, report: Path
) -> None:
    page, complaints, asked = opened(browser, report)
    shown = page.locator("#found tbody tr")
    every = shown.count()

    page.get_by_role("combobox", name="What").select_option("amount changed")
    expect(page.locator("#shown")).to_contain_text("1 of ")
    assert shown.count() == 1 < every
    assert "100.11" in shown.first.inner_text()

    page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(every)
    page.get_by_role("searchbox").fill("0800 1 nobody")
    expect(shown).to_have_count(0)
    page.get_by_role("searchbox").fill("Account A2")
    expect(shown).to_have_count(1)
    link = page.get_by_role("link", name="open new record 102")
    assert link.get_attribute("href") == "https://app.example.com/companies/102"
    old = page.get_by_role("link", name="open old record A2")
    assert old.get_attribute("href") == "https://old.example.com/Account/A2"
    assert complaints == asked == []


def test_a_group_leads_to_its_rows_in_one_click(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report)

    line = page.get_by_role("row").filter(has_text="Opportunity").filter(has_text="amount").first
    line.locator("a.rowsof").click()

    expect(page.locator("#found tbody tr")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "differences"


def test_what_is_shown_is_exported_and_nothing_in_it_is_a_formula(browser: Browser, migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealname"] = '=HYPERLINK("x"),"y"'
    page, complaints, asked = opened(browser, Path(reported(migration).path))

    page.get_by_role("combobox", name="Object").select_option("Opportunity")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export what is shown").click()

    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["object"] for row in rows} == {"Opportunity"}
    assert len(rows) == page.locator("#found tbody tr").count()
    assert next(row["found"] for row in rows if row["field"] == "dealname") == '\'=HYPERLINK("x"),"y"'
    assert complaints == asked == []


def test_dark_is_what_the_system_wants_or_the_reader_says(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report, color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)

    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(paper) == light
    other, _, _ = opened(browser, report, color_scheme="dark")
    assert other.evaluate(paper) == dark


def test_times_stand_in_utc_with_the_reader_s_own_beside(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report, timezone_id="Asia/Tokyo")
    assert "14 Mar 2026, 12:00 UTC (21:00 in Tokyo)" in page.locator("#first header").inner_text()
    utc, _, _ = opened(browser, report, timezone_id="UTC")
    assert utc.locator(".local").count() == 0


def test_it_is_read_by_keyboard_alone(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report)

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#verdict"
    page.get_by_role("combobox", name="What").focus()
    page.keyboard.type("amount")
    expect(page.locator("#found tbody tr")).to_have_count(1)


def test_without_scripts_the_rows_are_a_table(browser: Browser, report: Path) -> None:
    page, _, _ = opened(browser, report, java_script_enabled=False)

    assert "100.11" in page.locator("#found").inner_text()
    assert not page.locator("#explorer").is_visible()
    assert not page.get_by_role("button", name="colours").is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_no_fault(browser: Browser, report: Path, scheme: str, width: int) -> None:
    page, _, _ = opened(
        browser, report, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    violations = Axe().run(page).response["violations"]

    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in violations] == []


def test_hostile_names_are_text_and_break_nothing(browser: Browser, migration: Moved) -> None:
    names = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script> אבג\u202e😀"
    migration.target.records["deals"]["301"]["dealname"] = names + "W" * 5_000
    page, complaints, asked = opened(
        browser, Path(reported(migration).path), viewport={"width": 390, "height": 800}
    )
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    assert page.title().startswith("Not ready")
    assert page.locator("img").count() == 0
    assert "<script>document.title" in page.locator("#found").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints == asked == []


def test_a_hundred_thousand_differences_open_fast(browser: Browser, migration: Moved, tmp_path: Path) -> None:
    report = reported(migration)
    document = json.loads(report.storage.read("report.json")[0])
    row = [f"{name} of it" for name in COLUMNS[:-1]] + [["rows"]]
    row[2], row[5], row[10], row[11] = "fail", "Account", "<" * 240, "ü" * 240
    rows = [[f"D-{n}", *row[1:]] for n in range(6_000)]
    document["differences"] |= {"total": 100_000, "sample": {"columns": list(COLUMNS), "rows": rows}}
    path = tmp_path / "huge.html"
    path.write_text(drawn(document, report.digest))
    assert 500_000 < path.stat().st_size < LIMIT

    page, complaints, _ = opened(browser, path)

    assert page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < 5_000
    page.get_by_role("searchbox").fill("d-77")
    expect(page.locator("#found tbody tr").first).to_contain_text("D-77")
    assert complaints == []
