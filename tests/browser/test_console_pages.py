"""Is the console usable and open to everybody: every page, by keyboard, on a phone, with a passkey?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect

from migrate.cutover import signing as signatures
from migrate.cutover import trail
from migrate.engine import Engine
from tests.browser.chromium import MISSING, chromium, found
from tests.browser.console_case import APPROVER, OPERATOR, PEOPLE, VIEWER, deciding, signing
from tests.harness.console import Served, serving
from tests.unit.gate_case import Case

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not found(), reason=MISSING)]

PAGES = (
    "/", "/report", "/sign", "/decisions", "/conflicts", "/maps", "/runbook", "/trace", "/runs", "/trail",
)  # fmt: skip
WAIT = 60_000  # milliseconds, on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("console")


@pytest.fixture(scope="module")
def own_engine(work: Path) -> Iterator[Engine]:
    made = Engine("512MB", work / "spill", 2, folders=[work])
    yield made
    made.close()


@pytest.fixture(scope="module")
def case(work: Path, own_engine: Engine) -> Case:
    return signing(work / "signing", own_engine)


@pytest.fixture(scope="module")
def to_sign(case: Case) -> Iterator[Served]:
    with serving(case.root) as made:
        yield made


@pytest.fixture(scope="module")
def to_decide(work: Path, own_engine: Engine) -> Iterator[Served]:
    with serving(deciding(work / "deciding", own_engine).root) as made:
        yield made


class Seat:
    """Somebody at a browser. `complaints`: of the page; `asked`: foreign addresses that it asked for."""

    def __init__(self, browser: Browser, served: Served, person: str, url: str = "", **options: Any) -> None:
        self.base = url or served.url
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._sent)
        self.page.goto(served.invited(person).replace(served.url, self.base))
        self.page.get_by_role("button", name=f"Log in as {person}").click()
        expect(self.page.get_by_role("heading", name="Where we are")).to_be_visible(timeout=WAIT)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _sent(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.asked.append(request.url)

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page


@pytest.mark.parametrize(
    ("which", "person", "options"),
    [
        ("to_decide", OPERATOR, {"viewport": {"width": 1240, "height": 900}}),
        ("to_sign", APPROVER, {"viewport": {"width": 1240, "height": 900}, "color_scheme": "dark"}),
        pytest.param(
            "to_decide", VIEWER, {"viewport": {"width": 390, "height": 844}}, marks=pytest.mark.long
        ),
    ],
)
def test_every_page_is_open_to_everybody_and_asks_nobody_else(
    browser: Browser, request: pytest.FixtureRequest, which: str, person: str, options: dict[str, Any]
) -> None:
    seat = Seat(browser, request.getfixturevalue(which), person, **options)
    for path in PAGES:
        page = seat.open(path)
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        results = Axe().run(page)
        assert results.violations_count == 0, (path, results.generate_report())
        assert page.locator("h1").count() == 1
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than the window"
    assert seat.complaints == []
    assert seat.asked == []
    seat.context.close()


@pytest.mark.long
def test_the_door_and_a_refusal_are_open_to_everybody_too(browser: Browser, to_sign: Served) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    for url in (to_sign.url + "/", to_sign.invited(VIEWER), to_sign.url + "/in/nothing"):
        page.goto(url)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
    page.context.close()


@pytest.mark.long
def test_a_step_is_ticked_off_by_keyboard_alone(browser: Browser, to_decide: Served) -> None:
    seat = Seat(browser, to_decide, OPERATOR)
    page = seat.open("/runbook")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Tick off":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Done: {OPERATOR}").nth(1)).to_be_visible(timeout=WAIT)
    assert (OPERATOR, "step ticked") in to_decide.trail()
    seat.context.close()


def test_a_viewer_has_no_button_that_does_anything(browser: Browser, to_sign: Served) -> None:
    seat = Seat(browser, to_sign, VIEWER)
    for path in PAGES:
        buttons = seat.open(path).locator("main button").all_text_contents()
        assert set(buttons) <= {"Trace"}, path
    seat.context.close()


def test_words_of_the_data_do_nothing_in_a_browser(browser: Browser, to_decide: Served) -> None:
    seat = Seat(browser, to_decide, OPERATOR)
    alerts: list[str] = []

    def told(dialog: Dialog) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    seat.page.on("dialog", told)
    expect(seat.open("/maps").get_by_text("<script>alert(1)</script>")).to_be_visible()
    page = seat.open("/trace")
    page.get_by_role("searchbox").fill("A0")
    with page.expect_navigation():
        page.get_by_role("button", name="Trace").click()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    expect(page.get_by_text("<b>Bold & Co</b> 0").first).to_be_visible()
    assert page.locator("main dd b").count() == 0
    assert alerts == []
    seat.context.close()


@pytest.mark.long
def test_the_report_opens_in_a_place_where_it_reaches_nothing(browser: Browser, to_sign: Served) -> None:
    seat = Seat(browser, to_sign, APPROVER)
    with seat.context.expect_page() as opened:
        seat.open("/report").get_by_role("link", name="Open the report").click()
    report = opened.value
    report.wait_for_load_state()
    assert report.evaluate("origin") == "null"
    assert (
        report.evaluate("(() => { try { return document.cookie } catch (e) { return e.name } })()")
        == "SecurityError"
    )
    expect(report.get_by_role("status").first).to_contain_text("Ready")
    seat.context.close()


@pytest.mark.long
def test_the_whole_runbook_opens_in_such_a_place_too(browser: Browser, to_sign: Served) -> None:
    seat = Seat(browser, to_sign, VIEWER)
    with seat.context.expect_page() as opened:
        seat.open("/runbook").get_by_role("link", name="The whole runbook").first.click()
    book = opened.value
    book.wait_for_load_state()
    assert book.evaluate("origin") == "null"
    expect(book.get_by_role("heading", level=1)).to_contain_text("from old to new")
    results = Axe().run(book)
    assert results.violations_count == 0, results.generate_report()
    seat.context.close()


@pytest.mark.long
def test_a_move_elsewhere_shows_without_loading_the_page_again(
    browser: Browser, case: Case, to_sign: Served
) -> None:
    seat = Seat(browser, to_sign, VIEWER)
    page = seat.page
    page.evaluate("document.body.dataset.same = 'yes'")
    expect(page.locator("li[aria-current=step]")).to_have_text("verified")
    case.moved("drained")
    expect(page.locator("li[aria-current=step]")).to_have_text("drained", timeout=WAIT)
    assert page.evaluate("document.body.dataset.same") == "yes"
    case.gate(request=True)
    expect(page.locator("li[aria-current=step]")).to_have_text("verified", timeout=WAIT)
    seat.context.close()


def test_somebody_signs_with_their_name_and_the_code_of_the_report(
    browser: Browser, case: Case, to_sign: Served
) -> None:
    case.gate(request=True)
    seat = Seat(browser, to_sign, APPROVER)
    with seat.context.expect_page() as opened:
        seat.open("/sign").get_by_role("link", name="the report").click()
    code = re.search(r"[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{3}", opened.value.locator("#first").inner_text())
    assert code is not None
    page = seat.page
    page.get_by_label("Your name").fill(APPROVER)
    page.get_by_label("The evidence code").fill(code[0])
    page.get_by_label("I approve").check()
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("Your signature stands; others are still to sign.")).to_be_visible(timeout=WAIT)
    assert case.standing()[APPROVER] == ""
    seat.context.close()


@pytest.mark.long
def test_a_passkey_is_registered_and_signs_and_its_private_key_never_comes_here(
    browser: Browser, work: Path, own_engine: Engine
) -> None:
    person = "{name: Ada Example, email: ada@example.com, by: passkey%s}"
    case = Case(work / "passkey", own_engine, PEOPLE, sign=f"  sign: [{person % ''}]\n  profile: small\n")
    with serving(case.root) as served:
        local = served.url.replace("127.0.0.1", "localhost")
        seat = Seat(browser, served, APPROVER, local)
        device = seat.context.new_cdp_session(seat.page)
        device.send("WebAuthn.enable")
        device.send(
            "WebAuthn.addVirtualAuthenticator",
            {"options": {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
                         "hasUserVerification": True, "isUserVerified": True,
                         "automaticPresenceSimulation": True}},
        )  # fmt: skip
        seat.open("/sign").get_by_role("button", name="Register a passkey").click()
        line = seat.page.get_by_label("The line for the plan").inner_text()
        assert line.startswith(f"passkey {local} ")

        plan = case.root / "plan.yaml"
        plan.write_text(plan.read_text().replace("by: passkey", f'by: passkey, key: "{line}"'))
        case.gate(request=True)
        seat.open("/sign").get_by_role("button", name="Sign with the passkey").click()
        expect(seat.page.get_by_text("Your signature stands")).to_be_visible(timeout=WAIT)
        [event] = trail.events(case.workspace.ledger, signatures.SIGNED)
        assert (event.who, event.facts["kind"]) == (APPROVER, "passkey")
        assert case.standing() == {APPROVER: ""}
        seat.context.close()
