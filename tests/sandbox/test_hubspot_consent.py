"""Does the sandbox keep consent as HubSpot does: by address, outside the contacts, and able to be undone?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

V4 = "/communication-preferences/v4"
DATED = "/communication-preferences/2026-03"
STATUSES = f"{V4}/statuses"
MARKETING = "29873401"


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path, shuffle_results=False)


def status(portal: Portal, address: str, subscription: str = MARKETING) -> str:
    rows = portal.good("GET", f"{STATUSES}/{address}?channel=EMAIL")["results"]
    return str(next(row["status"] for row in rows if str(row["subscriptionId"]) == subscription))


def body(state: str, **more: Any) -> dict[str, Any]:
    return {"channel": "EMAIL", "statusState": state, "subscriptionId": MARKETING, **more}


def test_an_address_is_opted_out_before_any_contact_has_it_and_the_contact_shows_it(portal: Portal) -> None:
    portal.good("POST", f"{STATUSES}/ada@x.test/unsubscribe-all?channel=EMAIL")
    id = portal.make("contacts", email="Ada@x.test")
    assert portal.get("contacts", id, "hs_email_optout")["hs_email_optout"] == "true"
    assert portal.ask("DELETE", f"/crm/v3/objects/contacts/{id}").status == 204
    wide = portal.good("GET", f"{STATUSES}/ada@x.test/unsubscribe-all?channel=EMAIL")["results"]
    assert [row["wideStatusType"] for row in wide] == ["PORTAL_WIDE"]
    assert portal.good("GET", f"{STATUSES}/bob@x.test/unsubscribe-all?channel=EMAIL")["results"] == []


def test_both_families_serve_the_same_statuses(portal: Portal) -> None:
    portal.good("POST", f"{STATUSES}/ada@x.test", body("UNSUBSCRIBED"))
    rows = portal.good("GET", f"{DATED}/statuses/ada@x.test?channel=EMAIL")["results"]
    assert {row["status"] for row in rows if str(row["subscriptionId"]) == MARKETING} == {"UNSUBSCRIBED"}
    names = [row["name"] for row in portal.good("GET", f"{DATED}/definitions")["results"]]
    assert names == ["Marketing Information", "Customer Service Communication", "One to One"]


def test_the_second_write_of_a_status_says_that_nothing_changed(portal: Portal) -> None:
    first = portal.good("POST", f"{STATUSES}/ada@x.test", body("UNSUBSCRIBED"))["results"][0]
    again = portal.good("POST", f"{STATUSES}/ada@x.test", body("UNSUBSCRIBED"))["results"][0]
    assert first["setStatusSuccessReason"] != "NO_STATUS_CHANGE" == again["setStatusSuccessReason"]


def test_v4_opts_in_again_whoever_opted_out_and_v3_refuses_to(portal: Portal) -> None:
    portal.good("POST", f"{STATUSES}/ada@x.test/unsubscribe-all?channel=EMAIL")
    refused = portal.ask(
        "POST",
        "/communication-preferences/v3/subscribe",
        {"emailAddress": "ada@x.test", "subscriptionId": MARKETING},
    )
    assert refused.status == 400
    assert "unsubscribed" in refused.body["message"]
    portal.good("POST", f"{STATUSES}/ada@x.test", body("SUBSCRIBED"))
    assert status(portal, "ada@x.test") == "SUBSCRIBED"
    assert portal.good("GET", f"{STATUSES}/ada@x.test/unsubscribe-all?channel=EMAIL")["results"] == []
    notes = [row[0] for row in portal.store.connection.execute("SELECT note FROM _log ORDER BY seq")]
    assert notes == ["opt-out", "opt-in", "opt-in"]  # the log names each opt-in: an oracle scans it


def test_a_batch_answers_each_address_and_tells_the_bad_ones_apart(portal: Portal) -> None:
    path = f"{STATUSES}/batch/unsubscribe-all?channel=EMAIL"
    reply = portal.ask("POST", path, {"inputs": ["ada@x.test", "no address", "Bob@x.test"]})
    assert reply.status == 207
    assert [row["subscriberIdString"] for row in reply.body["results"]] == ["ada@x.test", "bob@x.test"]
    assert [error["context"]["subscriberIdString"] for error in reply.body["errors"]] == [["no address"]]
    read = portal.good(
        "POST", f"{STATUSES}/batch/unsubscribe-all/read?channel=EMAIL", {"inputs": ["bob@x.test"]}
    )
    assert read["results"][0]["wideStatuses"][0]["status"] == "UNSUBSCRIBED"
    rows = [{"subscriberIdString": "eve@x.test", **body("UNSUBSCRIBED")}]
    assert (
        portal.good("POST", f"{STATUSES}/batch/write", {"inputs": rows})["results"][0]["status"]
        == "UNSUBSCRIBED"
    )
    told = portal.good("POST", f"{STATUSES}/batch/read?channel=EMAIL", {"inputs": ["eve@x.test"]})["results"]
    assert [each["status"] for each in told[0]["statuses"]] == [
        "UNSUBSCRIBED",
        "NOT_SPECIFIED",
        "NOT_SPECIFIED",
    ]


def test_privacy_settings_ask_for_a_legal_basis(tmp_path: Path) -> None:
    portal = Portal(tmp_path, data_privacy=True)
    assert portal.ask("POST", f"{STATUSES}/ada@x.test", body("UNSUBSCRIBED")).status == 400
    said = body("UNSUBSCRIBED", legalBasis="CONSENT_WITH_NOTICE", legalBasisExplanation="Asked by phone")
    portal.good("POST", f"{STATUSES}/ada@x.test", said)
    told = portal.good("GET", f"{STATUSES}/ada@x.test?channel=EMAIL")["results"]
    assert [row.get("legalBasisExplanation") for row in told if row["status"] == "UNSUBSCRIBED"] == [
        "Asked by phone"
    ]
    wrong = {**said, "legalBasis": "BECAUSE"}
    assert portal.ask("POST", f"{STATUSES}/ada@x.test", wrong).status == 400


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", f"{STATUSES}/ada@x.test", None),  # no channel
        ("GET", f"{STATUSES}/nobody?channel=EMAIL", None),
        ("POST", f"{STATUSES}/ada@x.test", {**body("UNSUBSCRIBED"), "subscriptionId": 1}),
        ("POST", f"{STATUSES}/ada@x.test", body("GONE")),
        (
            "POST",
            f"{STATUSES}/batch/unsubscribe-all?channel=EMAIL",
            {"inputs": [f"a{n}@x.test" for n in range(101)]},
        ),
    ],
)
def test_what_is_asked_wrongly_is_refused(portal: Portal, method: str, path: str, content: Any) -> None:
    assert portal.ask(method, path, content).status == 400
    assert portal.truth("consent") == []


def test_scopes_and_tiers_hold_for_consent_too(portal: Portal) -> None:
    portal.seed(tokens=[{"token": "reader", "scopes": ["communication_preferences.read"]}])
    assert portal.ask("GET", f"{V4}/definitions", token="reader").status == 200
    path = f"{STATUSES}/ada@x.test/unsubscribe-all?channel=EMAIL"
    assert portal.ask("POST", path, token="reader").status == 403
    all_scopes = [
        "communication_preferences.statuses.batch.read",
        "communication_preferences.statuses.batch.write",
    ]
    portal.seed(tokens=[{"token": "batcher", "scopes": all_scopes}])
    read = f"{STATUSES}/batch/read?channel=EMAIL"
    assert portal.ask("POST", read, {"inputs": ["a@x.test"]}, token="batcher").status == 200
    portal.vendor.settings["consent_batch"] = False
    assert portal.ask("POST", read, {"inputs": ["a@x.test"]}, token="batcher").status == 403


def test_people_change_their_mind_and_mails_bounce(portal: Portal) -> None:
    id = portal.make("contacts", email="ada@x.test")
    portal.act(do="unsubscribe", object="consent", id="ada@x.test", subscription=MARKETING)
    told = portal.get("contacts", id, "hs_email_optout", f"hs_email_optout_{MARKETING}")
    assert (told["hs_email_optout"], told[f"hs_email_optout_{MARKETING}"]) == (None, "true")
    portal.act(do="bounce", object="consent", id="ada@x.test", reason="UNKNOWN_USER")
    assert portal.get("contacts", id, "hs_email_bad_address")["hs_email_bad_address"] == "true"
    refused = portal.ask(
        "PATCH", f"/crm/v3/objects/contacts/{id}", {"properties": {"hs_email_optout": "false"}}
    )
    assert refused.status == 400
    portal.ask("PATCH", f"/crm/v3/objects/contacts/{id}", {"properties": {"email": "new@x.test"}})
    assert portal.get("contacts", id, f"hs_email_optout_{MARKETING}")[f"hs_email_optout_{MARKETING}"] is None


def test_a_seed_brings_types_and_statuses(portal: Portal) -> None:
    counts = portal.seed(
        subscriptions=[{"id": "77", "name": "Events", "purpose": "Marketing"}],
        consent=[{"address": "Ada@x.test"}, {"address": "bob@x.test", "subscription": "77"}],
        records={"contacts": [{"properties": {"email": "late@x.test"}}]},
    )
    assert counts["consent"] == 2
    assert {(row["address"], row["subscription"]) for row in portal.truth("consent")} == {
        ("ada@x.test", "*"),
        ("bob@x.test", "77"),
    }
    assert [row["id"] for row in portal.truth("subscriptions")][-1] == "77"
