"""The console shows what is so, does what a person's role allows by running commands, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from migrate.engine import Engine
from tests.harness.console import (
    APPROVER,
    OPERATOR,
    SPONSOR,
    VIEWER,
    Browser,
    Served,
    own_token,
    people,
    serving,
)
from tests.unit.care_case import loaded

PAGES = (
    "/", "/report", "/sign", "/decisions", "/conflicts", "/maps", "/runbook", "/trace", "/runs", "/trail",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console")
    engine = Engine("512MB", folder / "spill", 2, folders=[folder])
    move = loaded(folder / "w", engine)
    move.validate()
    engine.close()
    people(move.root)
    return move.root


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as made:
        yield made


@pytest.fixture(scope="module")
def operator(served: Served) -> Browser:
    return served.come(OPERATOR)


@pytest.fixture(scope="module")
def approver(served: Served) -> Browser:
    return served.come(APPROVER)


@pytest.fixture(scope="module")
def viewer(served: Served) -> Browser:
    return served.come(VIEWER)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_for_everybody_who_is_logged_in(viewer: Browser, path: str) -> None:
    answer = viewer.get(path)
    assert answer.status_code == 200, answer.text
    assert "Vera Viewer" in answer.text
    assert 'aria-current="page"' in answer.text


@pytest.mark.parametrize(
    "path", [*PAGES, "/live/now", "/report/page", "/report/workbook", "/maps/0", "/runbook/0"]
)
def test_without_a_session_nothing_is_shown(served: Served, path: str) -> None:
    answer = httpx2.get(served.url + path)
    assert answer.status_code in (303, 401)
    assert "companies" not in answer.text


# -- acts -------------------------------------------------------------------------------------


def test_an_act_is_a_command_that_stands_in_the_trail_with_the_persons_name(
    served: Served, operator: Browser
) -> None:
    answer = operator.do("/runbook", "tick", step="Prove it")
    run = served.ended(answer)
    assert (run.state, run.exit_code, run.person) == ("done", 0, OPERATOR)
    assert run.command.startswith("migrate console tick '--as=Otto Operator' -- 'rollback 1' 'Prove it'")
    assert (OPERATOR, "step ticked") in served.trail()
    assert "Done: Otto Operator" in operator.get("/runbook").text

    served.ended(operator.do("/runbook", "untick", step="Prove it"))
    assert "Done: Otto Operator" not in operator.get("/runbook").text


def test_a_command_that_fails_says_why_to_those_who_act_and_not_to_viewers(
    served: Served, operator: Browser, viewer: Browser
) -> None:
    run = served.ended(operator.do("/", "rollback-plan"))
    # It asks the target, which isn't there.
    assert run.state == "failed"
    assert "NEW_" in run.message, run
    assert "NEW_" in operator.get(f"/runs/{run.id}").text
    for path in (f"/runs/{run.id}", f"/trail?ran={run.id}"):
        page = viewer.get(path).text
        assert "ended with an error" in page
        assert "NEW_" not in page


ROLES = {
    **dict.fromkeys(("waive", "take-back", "gate-waive", "override"), APPROVER),
    **dict.fromkeys(
        ("hold-keep", "hold-merge", "hold-force", "validate", "rollback-plan", "tick", "untick", "rehearse",
         "start", "delta", "replay", "watch", "freeze", "thaw", "gate", "request", "switch", "switch-undo",
         "back", "seal", "cancel", "window"),
        OPERATOR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("person", [VIEWER, OPERATOR, APPROVER, SPONSOR])
def test_nobody_does_what_is_anothers_role(served: Served, person: str) -> None:
    browser = served.come(person)
    role = {SPONSOR: APPROVER}.get(person, person)
    before = len(served.runs.all())
    for act in (act for act, whose in ROLES.items() if whose != role):
        values = {
            "_form": own_token(browser, f"/acts/{act}"),
            "_once": _fresh(),
            "what": "D-1",
            "reason": "r",
        }
        answer = browser.send(f"/acts/{act}", values)
        assert (act, answer.status_code) == (act, 403)
        assert "Nothing was done" in answer.text
    assert len(served.runs.all()) == before


def test_every_act_is_somebodys_and_the_table_of_this_test_knows_it() -> None:
    from migrate.console.acts import ACTS

    assert {
        act.name: {"operator": OPERATOR, "approver": APPROVER}[act.role] for act in ACTS.values()
    } == ROLES


def test_a_form_that_is_sent_twice_runs_once(served: Served, operator: Browser) -> None:
    form = operator.form("/runbook", "/acts/tick", step="Look; nothing is changed")
    before = len(served.runs.all())
    first, second = operator.send("/acts/tick", form), operator.send("/acts/tick", form)
    assert first.headers["location"] == second.headers["location"]
    assert len(served.runs.all()) == before + 1


def test_what_destroys_wants_the_systems_name_typed(served: Served, operator: Browser) -> None:
    before = len(served.runs.all())
    token = own_token(operator, "/acts/hold-force")
    values = {"_form": token, "_once": "y" * 20, "group": "companies.edited", "typed": "old"}
    answer = operator.send("/acts/hold-force", values)
    assert answer.status_code == 400
    assert "<code>new</code>" in answer.text
    assert len(served.runs.all()) == before


@pytest.mark.parametrize("value", ["--take-back", "D-1 --by=Eve", "$(id)"])
def test_a_value_is_never_an_option_nor_a_shells(served: Served, approver: Browser, value: str) -> None:
    token = own_token(approver, "/acts/waive")
    values = {"_form": token, "_once": _fresh(), "what": value, "reason": value, "until": "2126-01-01"}
    run = served.ended(approver.send("/acts/waive", values))
    assert run.state == "failed"
    assert "no red difference or group" in run.message or "has no difference" in run.message


@pytest.mark.parametrize("value", ["", "   ", "a\x00b", "a\x1bb", "x" * 2_001])
def test_a_value_that_cant_be_one_begins_nothing(served: Served, approver: Browser, value: str) -> None:
    before = len(served.runs.all())
    token = own_token(approver, "/acts/waive")
    values = {"_form": token, "_once": _fresh(), "what": "D-1", "reason": value, "until": "2126-01-01"}
    assert approver.send("/acts/waive", values).status_code == 400
    assert len(served.runs.all()) == before


def _fresh() -> str:
    import secrets

    return secrets.token_urlsafe(18)


# -- tokens and sessions ----------------------------------------------------------------------


def test_a_request_without_a_token_does_nothing(served: Served, operator: Browser) -> None:
    form = operator.form("/runbook", "/acts/tick")
    before = served.trail()
    for token in (
        "",
        "0" * 64,
        own_token(operator, "/acts/untick"),
        own_token(served.come(OPERATOR), "/acts/tick"),
    ):
        answer = operator.send("/acts/tick", {**form, "_form": token, "_once": _fresh()})
        assert answer.status_code == 403
    assert [each for each in served.trail() if each[1] == "step ticked"] == [
        each for each in before if each[1] == "step ticked"
    ]


def test_a_form_of_another_site_does_nothing(served: Served, operator: Browser) -> None:
    form = operator.form("/runbook", "/acts/tick")
    for headers in (
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": served.url + ".evil.test"},
    ):
        assert operator.send("/acts/tick", form, headers=headers).status_code == 403
    bare = served.browser(dict(operator.http.cookies.items()))
    del bare.http.headers["Origin"]
    assert bare.send("/acts/tick", form).status_code == 403
    assert bare.send("/acts/tick", form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", "127.0.0.1", "localhost:1", ""])
def test_a_foreign_name_that_leads_to_this_machine_is_refused(
    served: Served, operator: Browser, host: str
) -> None:
    answer = operator.get("/", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "companies" not in answer.text


def test_nothing_is_done_by_get(served: Served, operator: Browser) -> None:
    for path in ("/acts/tick", "/out", "/runs/x/stop"):
        assert operator.get(path).status_code == 405


def test_a_link_is_shown_by_get_and_used_by_post_once(served: Served) -> None:
    url = served.invited(VIEWER)
    for _ in range(3):  # a mail scanner looks at it
        page = httpx2.get(url)
        assert page.status_code == 200
        assert "Log in as Vera Viewer" in page.text
        assert "set-cookie" not in page.headers
    token = url.rpartition("/")[2]
    first, second = served.browser(), served.browser()
    assert first.send("/in", {"token": token}).status_code == 303
    again = second.send("/in", {"token": token})
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert httpx2.get(url).status_code == 403


def test_a_session_that_the_browser_brings_is_never_taken_over(served: Served) -> None:
    planted = "attackers-own-value"
    browser = served.browser()
    name = f"migrate-{served.url.rpartition(':')[2]}"
    browser.http.cookies.set(name, planted)
    assert browser.get("/").status_code == 303
    browser.send("/in", {"token": served.invited(VIEWER).rpartition("/")[2]})
    given = browser.http.cookies.get(name, domain="127.0.0.1") or browser.http.cookies.get(name)
    assert given != planted
    other = served.browser({name: planted})
    assert other.get("/").status_code == 303


def test_logging_in_again_ends_the_former_session_and_logging_out_ends_this_one(served: Served) -> None:
    browser = served.come(VIEWER)
    former = dict(browser.http.cookies.items())
    browser.send("/in", {"token": served.invited(VIEWER).rpartition("/")[2]})
    assert served.browser(former).get("/").status_code == 303
    now = dict(browser.http.cookies.items())
    assert served.browser(now).get("/").status_code == 200
    token = own_token(browser, "/out")
    assert browser.send("/out", {"_form": token}).status_code == 303
    assert served.browser(now).get("/").status_code == 303


def test_the_cookie_is_for_http_alone_and_for_this_site_alone(served: Served) -> None:
    browser = served.browser()
    answer = browser.send("/in", {"token": served.invited(VIEWER).rpartition("/")[2]})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "path=/" in said


def test_who_is_taken_out_of_the_plan_is_out(served: Served, root: Path) -> None:
    browser = served.come(VIEWER)
    plan = root / "plan.yaml"
    before = plan.read_text()
    plan.write_text(re.sub(r".*vera@example.com.*\n", "", before))
    try:
        assert browser.get("/").status_code == 303
    finally:
        plan.write_text(before)
    assert browser.get("/").status_code == 200


# -- what stands on the pages -----------------------------------------------------------------


def test_every_answer_forbids_foreign_scripts_frames_and_caches(served: Served, operator: Browser) -> None:
    for path in (*PAGES, "/in", "/static/console.js", "/nowhere", "/runs/none"):
        headers = operator.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


def test_no_page_has_a_script_or_a_style_of_its_own(operator: Browser) -> None:
    for path in PAGES:
        text = operator.get(path).text
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=", text), path


def test_the_report_is_drawn_from_the_evidence_where_it_reaches_nothing_of_ours(
    operator: Browser, root: Path
) -> None:
    for page in (root / ".migrate" / "reports").glob("*/index.html"):
        page.write_text("<script>alert(1)</script>")
    answer = operator.get("/report/page")
    assert answer.status_code == 200
    assert "alert(1)" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-downloads;")
    assert "allow-same-origin" not in policy
    assert re.search(r"script-src 'sha256-[^']+';", policy)


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/maps/99", "/maps/-1",
     "/maps/../plan.yaml", "/runs/..%2f..%2fledger.db", "/runs/....", "/in/../../etc/passwd",
     "/live/runs/%2e%2e", "/report/../plan.yaml"],
)  # fmt: skip
def test_no_path_leads_out(operator: Browser, path: str) -> None:
    request = httpx2.Request("GET", operator.base + "/x", headers={"Host": operator.base[7:]})
    raw = request.url.copy_with(raw_path=path.encode())
    answer = operator.http.send(operator.http.build_request("GET", raw))
    assert answer.status_code in (303, 400, 403, 404), answer.text[:200]
    assert "root:" not in answer.text
    assert "from __future__" not in answer.text


def test_words_of_the_data_are_never_markup(served: Served, viewer: Browser) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>`<b>x</b>`"
    form = viewer.form("/trace", "/trace")
    answer = viewer.send("/trace", {**form, "needle": nasty})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "<b>x" not in answer.text


def test_a_viewer_sees_a_record_with_its_persons_masked(viewer: Browser, operator: Browser) -> None:
    asked = {"needle": "p2@old.test"}
    shown = operator.send("/trace", {**operator.form("/trace", "/trace"), **asked}).text
    assert "Person 2" in shown
    masked = viewer.send("/trace", {**viewer.form("/trace", "/trace"), **asked}).text
    assert "src.Contact.C2" in masked
    assert "Person 2" not in masked
    assert masked.count("p2@old.test") == 1  # in the box in which it was typed


def test_times_stand_in_the_readers_zone_with_utc(viewer: Browser, operator: Browser) -> None:
    assert re.search(r"\d\d:\d\d CET \((?:\d+ \w+ )?\d\d:\d\d UTC\)", viewer.get("/trail").text)
    assert re.search(r"\d\d:\d\d UTC</time>", operator.get("/trail").text)
