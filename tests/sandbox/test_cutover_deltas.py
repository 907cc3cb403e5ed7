"""While people work in both systems, deltas bring the source's changes over, through outages and kills, and
what was changed on the wrong side is listed. Judged by HubSpot's own store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, credentials, sandboxes
from migrate.demo.shape import sf_id
from migrate.sandbox.server import launch
from tests.sandbox.test_stages import SIZES, SPEED, Company

pytestmark = pytest.mark.long

MAREN = "maren@x.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    base, seed = tmp_path_factory.mktemp("deltas"), generated(SIZES)
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        found = Company(base / "it", seed, salesforce, hubspot)
        plan = found.workspace("it") / "plan.yaml"
        last = "cutover: {window: 10 working days}"
        assert last in plan.read_text()
        plan.write_text(plan.read_text().replace(last, "cutover: {profile: small, lag: 30 minutes}"))
        yield found
        found.salesforce.stop()
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def company(made: Company, capsys: pytest.CaptureFixture[str]) -> Company:
    """The company, its base loaded once and its cutover begun."""
    made.capsys = capsys
    if not made.said:
        for words in ("discover", "check", "prepare", "cutover start --as Ada"):
            made.said[words] = made.run(words)
            assert made.said[words][0] in (0, 1), made.said[words]
    return made


def delta(company: Company) -> dict[str, Any]:
    """Rounds until the target has caught up; the last one."""
    code, found = company.run("cutover delta --as Ada")
    assert code in (0, 1), found
    assert not found["round"]["error"]
    round: dict[str, Any] = found["round"]
    return round


def person(company: Company, do: str, object: str, key: str, **more: Any) -> str:
    """Somebody works in HubSpot on a record of ours; its id there."""
    id = company.there(object)[key]["hs_object_id"]
    company.hubspot.control.post("/act", {"as": MAREN, "do": do, "object": object, "id": id, **more})
    return id


def companies_of(company: Company, contact: str) -> set[str]:
    """Keys of the companies to which a contact is linked."""
    names = {row["id"]: row["properties"].get("migration_key") for row in _all(company, "companies")}
    id = company.there("contacts")[contact]["hs_object_id"]
    return {
        str(names[row["to"]])
        for row in company.hubspot.control.ndjson("/truth/links")
        if (row["from_object"], row["to_object"], row["from"]) == ("contacts", "companies", id)
        and not row["archived"]
    }


def _all(company: Company, object: str) -> list[dict[str, Any]]:
    return list(company.hubspot.control.ndjson(f"/truth/{object}"))


def test_the_first_delta_takes_the_cutover_to_holding_and_says_how_far_behind_it_is(company: Company) -> None:
    code, found = company.run("cutover delta --as Ada")

    assert code in (0, 1), found
    assert found["state"] == "holding"
    round = found["round"]
    # The portal's own enrichment fills empty fields; nobody has to decide about it.
    code, told = company.run("cutover conflicts")
    assert (code, told["open"], round["conflicts"]) == (0, 0, 0)
    assert {each["object"] for each in round["lag"]} == {"Account", "Contact", "Opportunity"}
    assert 0 < round["longest"] <= round["bound"] == 1800
    assert all(each["forgets"] > each["watermark"] for each in round["lag"])  # Salesforce: 15 days
    endpoints = round["calls"]["legacy"]["endpoints"]
    assert sum(each["calls"] for each in endpoints.values()) > 5
    assert round["calls"]["new"]["left"] is not None


def test_what_was_deleted_and_brought_back_is_there_again_and_once(company: Company) -> None:
    contact = next(iter(_live(company, "Contact")))
    key = company.key("Contact", contact)
    assert key in company.there("contacts")
    company.act("delete", "Contact", id=contact)
    assert delta(company)["sent"]["delete"] == 1
    assert key not in company.there("contacts")

    company.act("undelete", "Contact", id=contact)
    round = delta(company)

    assert round["sent"]["create"] == 1
    assert key in company.there("contacts")
    assert delta(company)["sent"] == {}


def test_a_reference_that_leads_elsewhere_now_moves_the_link(company: Company) -> None:
    contact, row = next(
        (id, row) for id, row in _live(company, "Contact").items()
        if row["AccountId"] and company.key("Account", row["AccountId"]) in company.there("companies")
    )  # fmt: skip
    former = company.key("Account", row["AccountId"])
    other = next(key for key in company.there("companies") if key != former)
    key = company.key("Contact", contact)
    assert former in companies_of(company, key)

    company.act("update", "Contact", id=contact, fields={"AccountId": other.rpartition(".")[2]})
    delta(company)

    assert companies_of(company, key) == {other}


def test_what_people_change_in_the_target_is_listed_with_both_values_and_is_not_written_over(
    company: Company,
) -> None:
    seen, met = sf_id("Account", 6), sf_id("Account", 7)
    keys = {each: company.key("Account", each) for each in (seen, met)}
    was = {each: company.there("companies")[keys[each]]["city"] for each in (seen, met)}
    for each in (seen, met):
        person(company, "update", "companies", keys[each], fields={"city": "Hers"})
    company.act("update", "Account", id=met, fields={"BillingCity": "Ours"})
    time.sleep(60 / SPEED)  # as long as the index of what changed may lag

    round = delta(company)

    assert round["sent"]["held"] == 1
    assert all(company.there("companies")[key]["city"] == "Hers" for key in keys.values())
    code, found = company.run("cutover conflicts")
    told = {(each["key"], each["field"]): each for each in found["conflicts"]}
    assert code == 1
    one, other = told[keys[seen], "city"], told[keys[met], "city"]
    assert (one["there"], one["here"], one["home"], one["open"]) == ("Hers", was[seen], "source", True)
    assert (other["there"], other["here"], other["open"]) == ("Hers", "Ours", True)
    assert "person" in one["who"] and "person" in other["who"]
    delta(company)
    assert company.run("cutover conflicts")[1]["total"] == found["total"]  # each once
    code, log = company.run("cutover log --all")
    events = [each for each in log["events"] if each["what"] == "cutover conflicts found"]
    assert [each["facts"]["records"] for each in events] == [{"companies": 2}]
    assert "Hers" not in json.dumps(log["events"])


def test_what_people_delete_in_the_target_is_listed(company: Company) -> None:
    key = company.key("Account", sf_id("Account", 8))
    person(company, "delete", "companies", key)

    delta(company)

    told = [each for each in company.run("cutover conflicts")[1]["conflicts"] if each["key"] == key]
    assert [(each["field"], each["there"]) for each in told] == [("", "deleted")]


def _live(company: Company, object: str) -> dict[str, dict[str, Any]]:
    rows = company.salesforce.control.ndjson(f"/truth/{object}")
    return {row["Id"]: row for row in rows if not row.get("IsDeleted")}


@pytest.mark.slow
def test_a_watch_outlives_an_outage_and_a_kill_and_nothing_is_lost_nor_twice(company: Company) -> None:
    """The old system goes away while the watch runs; people go on as soon as it is back."""
    watch = _watch(company)
    made_before = company.act("create", "Contact", fields=_person("before"))
    assert "error" not in _until(watch, lambda step: step["round"]["sent"].get("create"))

    port = int(company.salesforce.url.rpartition(":")[2])
    company.salesforce.stop()
    _until(watch, lambda step: step["round"]["error"])
    company.salesforce = launch(
        "salesforce", company.salesforce.data, port, speed=SPEED, settings=SETTINGS["salesforce"]
    )
    made_after = company.act("create", "Contact", fields=_person("after"))
    _until(watch, lambda step: step["round"]["sent"].get("create"))

    watch.kill()
    watch.communicate()
    made_late = company.act("create", "Contact", fields=_person("late"))
    code, found = company.run("cutover delta")
    assert code in (0, 1), found

    keys = {company.key("Contact", each) for each in (made_before, made_after, made_late)}
    assert keys <= set(company.there("contacts"))  # `there` asserts that no key is there twice
    assert delta(company)["sent"] == {}


def _person(name: str) -> dict[str, str]:
    return {"LastName": name, "Email": f"{name}@outage.example", "LeadSource": "Web"}


def _watch(company: Company) -> subprocess.Popen[str]:
    words = [
        "-w",
        str(company.root),
        "--json",
        "cutover",
        "delta",
        "--watch",
        "--every",
        "30s",
        "--as",
        "Ada",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "migrate", *words], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def _until(watch: subprocess.Popen[str], met: Any) -> dict[str, Any]:
    """Rounds of the watch as they end, until one is as wanted."""
    assert watch.stdout is not None
    deadline = time.monotonic() + 240
    for line in watch.stdout:
        step: dict[str, Any] = json.loads(line)
        if "round" in step and met(step):
            return step
        assert time.monotonic() < deadline, step
    raise AssertionError(f"the watch ended with {watch.wait()}")
