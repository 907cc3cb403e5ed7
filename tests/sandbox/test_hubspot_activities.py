"""Which rules has the HubSpot sandbox for e-mails, calls, meetings, notes and tasks?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.sandbox.hubspot.markup import sanitised
from tests.sandbox.hubspot_portal import Portal

AT = "2019-03-31T01:30:00.000Z"
KINDS = ("emails", "calls", "meetings", "notes", "tasks")


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


def create(portal: Portal, kind: str, **values: Any) -> Any:
    return portal.ask("POST", f"/crm/v3/objects/{kind}", {"properties": values})


def held(portal: Portal, kind: str, id: str, *names: str) -> dict[str, Any]:
    found = portal.good("GET", f"/crm/v3/objects/{kind}/{id}?properties={','.join(names)}")
    return {name: found["properties"][name] for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_an_activity_needs_its_time_and_may_be_of_the_past(portal: Portal, kind: str) -> None:
    refused = create(portal, kind)
    assert (refused.status, refused.body["context"]["properties"]) == (400, ["hs_timestamp"])
    made = create(portal, kind, hs_timestamp="1969-07-20T20:17:00Z")
    assert held(portal, kind, made.body["id"], "hs_timestamp") == {"hs_timestamp": "1969-07-20T20:17:00.000Z"}


def test_a_meeting_without_a_time_happened_when_it_began(portal: Portal) -> None:
    made = create(portal, "meetings", hs_meeting_start_time=AT)
    assert held(portal, "meetings", made.body["id"], "hs_timestamp") == {"hs_timestamp": AT}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("emails", "hs_email_html"), ("emails", "hs_email_text"), ("calls", "hs_call_body"),
     ("notes", "hs_note_body"), ("meetings", "hs_meeting_body"), ("tasks", "hs_task_body")],
)  # fmt: skip
def test_a_body_has_65_536_characters_at_most(portal: Portal, kind: str, name: str) -> None:
    assert create(portal, kind, hs_timestamp=AT, **{name: "ä" * 65_536}).status == 201
    refused = create(portal, kind, hs_timestamp=AT, **{name: "ä" * 65_537})
    assert (refused.status, "VALUE_TOO_LONG" in refused.body["message"]) == (400, True)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("emails", "hs_email_status", "READ"), ("emails", "hs_email_direction", "OUT"),
     ("calls", "hs_call_status", "DONE"), ("tasks", "hs_task_status", "Completed"),
     ("meetings", "hs_meeting_outcome", "HELD"), ("calls", "hs_call_disposition", "Busy")],
)  # fmt: skip
def test_a_status_that_hubspot_has_not_is_refused(portal: Portal, kind: str, name: str, value: str) -> None:
    refused = create(portal, kind, hs_timestamp=AT, **{name: value})
    assert (refused.status, "INVALID_OPTION" in refused.body["message"]) == (400, True)


def test_headers_are_json_and_their_addresses_are_told(portal: Portal) -> None:
    assert create(portal, "emails", hs_timestamp=AT, hs_email_headers="From: a@b.test").status == 400
    headers = {
        "from": {"email": "a@b.test", "firstName": "A"}, "to": [{"email": "c@d.test"}, {"email": "e@f.test"}],
        "cc": [{"email": "g@h.test"}], "bcc": [],
    }  # fmt: skip
    made = create(portal, "emails", hs_timestamp=AT, hs_email_headers=json.dumps(headers)).body["id"]
    echoes = [f"hs_email_{role}_email" for role in ("from", "to", "cc", "bcc")]
    assert held(portal, "emails", made, *echoes) == {
        "hs_email_from_email": "a@b.test", "hs_email_to_email": "c@d.test;e@f.test",
        "hs_email_cc_email": "g@h.test", "hs_email_bcc_email": None,
    }  # fmt: skip
    echoed = create(portal, "emails", hs_timestamp=AT, hs_email_to_email="x@y.test")
    assert (echoed.status, "READ_ONLY_VALUE" in echoed.body["message"]) == (400, True)


def test_a_body_is_sanitised_unless_that_is_switched_off_and_a_text_never(portal: Portal) -> None:
    body = "<p onclick='x()'>a</p><script>b()</script>&lt;script&gt; <a href=\"javascript:c()\">d</a>"
    made = create(portal, "notes", hs_timestamp=AT, hs_note_body=body).body["id"]
    assert held(portal, "notes", made, "hs_note_body") == {"hs_note_body": "<p>a</p>&lt;script&gt; <a>d</a>"}
    made = create(portal, "emails", hs_timestamp=AT, hs_email_text=body).body["id"]
    assert held(portal, "emails", made, "hs_email_text") == {"hs_email_text": body}
    portal.vendor.settings["sanitise_html"] = False
    made = create(portal, "notes", hs_timestamp=AT, hs_note_body=body).body["id"]
    assert held(portal, "notes", made, "hs_note_body") == {"hs_note_body": body}


_PART = st.sampled_from(
    ["<p>", "</p>", "<script>", "</script>", "<scr", "ipt>", " onx=1", "<a href='", ">", "x"]
)


@given(st.lists(_PART, max_size=20).map("".join))
def test_what_was_sanitised_stays_as_it_is(html: str) -> None:
    once = sanitised(html)
    assert sanitised(once) == once
    assert "<script>" not in once


@given(st.text(st.characters(blacklist_characters="<"), max_size=80))
def test_text_without_tags_is_left_alone(text: str) -> None:
    assert sanitised(text) == text
