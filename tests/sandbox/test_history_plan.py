"""Does the example plan move a whole history: every e-mail, call, task, meeting and note, once and as it was?

Judged by the sandboxes' own stores: what was seeded into one, what the other holds.
"""

from __future__ import annotations

import html
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from migrate.sandbox.hubspot.markup import sanitised
from migrate.sandbox.salesforce.ids import normal_id
from tests.sandbox.files_rig import Files, credentials, in_process
from tests.sandbox.history_rig import EMAILS, USER, by_source, extra, history, instant, seeded

pytestmark = pytest.mark.long

LIMIT = 65_536
BERLIN = ZoneInfo("Europe/Berlin")
SEED = seeded()["records"]
SHADOW, DRAFT, LATER = "00T5g00000shado", "02s5g00000draft", "02s5g00000synce"


def long(id: str) -> str:
    return normal_id(id) or id


def source(object: str) -> dict[str, dict[str, Any]]:
    return {long(row["Id"]): row for row in SEED[object]}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    with ExitStack() as stack:
        made = stack.enter_context(history(tmp_path_factory.mktemp("history")))
        stack.enter_context(in_process(credentials(made.salesforce, made.hubspot)))
        yield made


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    """The history, moved once: the first test that asks for it pays for the line."""
    return started.moved(capsys)


def linked(moved: Files, object: str, other: str) -> dict[str, set[str]]:
    """For each of our records of `object`, by Salesforce id: the Salesforce ids of those it is linked to."""
    names = {row["id"]: id for id, row in by_source(moved.hubspot, object).items()}
    others = {row["id"]: id for id, row in by_source(moved.hubspot, other).items()}
    found: dict[str, set[str]] = {}
    for link in moved.hubspot.control.ndjson("/truth/links"):
        if (link["from_object"], link["to_object"]) == (object, other) and link["from"] in names:
            found.setdefault(names[link["from"]], set()).add(others[link["to"]])
    return found


def content(moved: Files, file: dict[str, Any]) -> bytes:
    """A file's bytes from the sandbox's own folder."""
    digest = str(file["sha256"])
    return (moved.root.parent / "hubspot" / "files" / digest[:2] / digest).read_bytes()


# -- e-mails -------------------------------------------------------------------------------------


def test_every_message_is_there_once_with_its_own_time_direction_thread_and_people(moved: Files) -> None:
    there = by_source(moved.hubspot, "emails")
    mails = {id: row for id, row in source("EmailMessage").items() if id not in (long(DRAFT), long(LATER))}
    assert there.keys() == mails.keys()
    for id, mail in mails.items():
        held = there[id]
        assert instant(held["hs_timestamp"]) == instant(mail["MessageDate"])
        assert instant(held["source_created"]) == instant(mail["CreatedDate"])
        assert held["hs_email_direction"] == ("INCOMING_EMAIL" if mail["Incoming"] else "EMAIL")
        assert held["hs_email_subject"] == mail["Subject"]
        assert held["message_id"] == mail["MessageIdentifier"]
        assert held["thread_id"] == mail["ThreadIdentifier"]
        assert held["salesforce_status"] == {"1": "Read", "3": "Sent"}[mail["Status"]]
        assert held["old_salesforce_id"] == id
        headers = json.loads(held["hs_email_headers"])
        name = headers["from"]
        assert name["email"] == mail["FromAddress"].lower()
        assert (
            " ".join(name.get(part, "") for part in ("firstName", "lastName")).split()
            == mail["FromName"].split()
        )
        for role, field in (("to", "ToAddress"), ("cc", "CcAddress"), ("bcc", "BccAddress")):
            listed = [each.strip().lower() for each in (mail.get(field) or "").split(";") if each.strip()]
            assert [each["email"] for each in headers[role]] == listed
        assert held["hs_email_to_email"] == ";".join(each["email"] for each in headers["to"])


def test_a_body_is_whole_or_cut_and_then_the_whole_message_is_a_file(moved: Files) -> None:
    there, files = by_source(moved.hubspot, "emails"), moved.by_key()
    cut = 0
    for id, held in there.items():
        mail = source("EmailMessage")[id]
        file = files.get(f"sf00D5g000004SimuEAC.EmailMessage.{id}~eml")
        for field, property in (("HtmlBody", "hs_email_html"), ("TextBody", "hs_email_text")):
            whole, got = mail[field].strip(), held[property]
            if len(whole) <= LIMIT:
                assert got == (sanitised(whole) if property == "hs_email_html" else whole)
                continue
            cut += 1
            assert len(got) <= LIMIT
            left, _, closed = got.partition("[… cut; the whole message is attached]")
            assert sanitised(whole).startswith(left)
            assert closed in ("", "</p></body></html>", "</body></html>")
            assert file is not None
            message = message_from_bytes(content(moved, file), policy=policy.default)
            assert isinstance(message, EmailMessage)
            part = message.get_body(("html" if field == "HtmlBody" else "plain",))
            assert part is not None
            assert part.get_payload(decode=True).decode() == whole  # type: ignore[union-attr]
    assert cut == 10  # five messages, each with two long bodies
    told = moved.said["transform"][1]["objects"]["EmailMessage"]["warnings"]
    assert [line for line in told if "was cut" in line] == told
    assert len(told) == 2


def test_an_email_names_the_files_that_hung_on_it_and_its_whole_message(moved: Files) -> None:
    keys = {file["id"]: key for key, file in moved.by_key().items()}
    files = {id: {keys[each] for each in (row.get("hs_attachment_ids") or "").split(";") if each}
             for id, row in by_source(moved.hubspot, "emails").items()}  # fmt: skip
    family = "sf00D5g000004SimuEAC"
    expected: dict[str, set[str]] = {id: set() for id in files}
    for id, row in source("Attachment").items():
        if long(row["ParentId"]) in expected:
            expected[long(row["ParentId"])].add(f"{family}.Attachment.{id}")
    for id in expected:
        mail = source("EmailMessage")[id]
        if max(len(mail["HtmlBody"]), len(mail["TextBody"])) > LIMIT:
            expected[id].add(f"{family}.EmailMessage.{id}~eml")
    assert files == expected
    assert sum(map(len, files.values())) == len(keys)  # no file hangs nowhere


def test_fault_f08_no_draft_is_moved_and_nothing_is_ever_sent(moved: Files) -> None:
    assert long(DRAFT) not in by_source(moved.hubspot, "emails")
    statuses = {row.get("hs_email_status") for row in by_source(moved.hubspot, "emails").values()}
    assert statuses == {"SENT", None}  # logged as sent, never SCHEDULED or SENDING
    outcomes = {row.get("hs_meeting_outcome") for row in by_source(moved.hubspot, "meetings").values()}
    assert outcomes == {"COMPLETED"}  # no meeting that anybody could be invited to
    assert all("hs_attendee_owner_ids" not in row for row in by_source(moved.hubspot, "meetings").values())


def test_fault_f08_threads_hold_together(moved: Files) -> None:
    def threads(rows: dict[str, dict[str, Any]], name: str) -> set[frozenset[str]]:
        found: dict[str, set[str]] = {}
        for id, row in rows.items():
            found.setdefault(row[name], set()).add(id)
        return {frozenset(ids) for ids in found.values()}

    there = by_source(moved.hubspot, "emails")
    mails = {id: row for id, row in source("EmailMessage").items() if id in there}
    assert threads(there, "thread_id") == threads(mails, "ThreadIdentifier")


def test_what_the_mailbox_brings_by_itself_is_left_to_it_with_the_reason(moved: Files) -> None:
    assert long(LATER) not in by_source(moved.hubspot, "emails")
    code, found = moved.run("validate")
    assert code in (0, 1)
    flows = {flow["source"]: flow for flow in found["flows"]}
    reasons = {
        entry: {each["reason"]: each["records"] for each in flow["reasons"]} for entry, flow in flows.items()
    }
    left = {"left out on purpose, by the plan's `where`": 1}
    left |= {"from the day on from which the target's own sync brings it": 1}
    assert reasons["EmailMessage"] == left
    assert reasons["Event"] == left
    for flow in flows.values():
        assert flow["extracted"] == flow["loaded"] + flow["merged"] + flow["skipped"] + flow["rejected"]


def test_a_message_is_linked_to_all_its_people_and_to_what_it_is_about(moved: Files) -> None:
    people: dict[str, set[str]] = {}
    for row in extra(seeded())["EmailMessageRelation"]:
        if row.get("RelationId"):
            people.setdefault(long(row["EmailMessageId"]), set()).add(long(row["RelationId"]))
    assert linked(moved, "emails", "contacts") == people
    about = linked(moved, "emails", "companies")
    assert about == {
        id: {long(row["RelatedToId"])}
        for id, row in source("EmailMessage").items()
        if id in by_source(moved.hubspot, "emails")
    }


# -- tasks, calls, meetings -----------------------------------------------------------------------


def test_tasks_and_calls_keep_their_day_state_and_words(moved: Files) -> None:
    tasks, calls = by_source(moved.hubspot, "tasks"), by_source(moved.hubspot, "calls")
    rows = source("Task")
    assert tasks.keys() | calls.keys() == {
        id for id in rows if id != long(SHADOW) and not rows[id].get("IsRecurrence")
    }
    assert {id for id, row in rows.items() if row.get("TaskSubtype") == "Call"} == calls.keys()
    state = {"Completed": "COMPLETED", "Not Started": "NOT_STARTED"}
    for id, held in tasks.items():
        assert instant(held["hs_timestamp"]).astimezone(BERLIN).date().isoformat() == rows[id]["ActivityDate"]
        assert held["hs_task_status"] == state[rows[id]["Status"]]
        assert held["hs_task_subject"] == rows[id]["Subject"]
        said = html.unescape((held.get("hs_task_body") or "").replace("<br>", "\n"))
        assert said == _lines(rows[id].get("Description"))
    for id, held in calls.items():
        assert held["hs_call_duration"] == str(rows[id]["CallDurationInSeconds"] * 1000)
        assert held["hs_call_direction"] == rows[id]["CallType"].upper()
        assert html.unescape(held["hs_call_body"].replace("<br>", "\n")) == _lines(rows[id]["Description"])
    assert instant(tasks[long("00T5g00000archi")]["hs_timestamp"]).year == 2010  # Berlin's new year, in UTC


def _lines(text: str | None) -> str:
    return (text or "").strip().replace("\r\n", "\n").replace("\r", "\n")


def test_fault_f09_a_series_is_its_occurrences_and_a_shadow_or_copy_is_no_record(moved: Files) -> None:
    tasks, meetings = by_source(moved.hubspot, "tasks"), by_source(moved.hubspot, "meetings")
    days = {
        row["hs_timestamp"][:10] for row in tasks.values() if row.get("series") == long("00T5g00000seri3")
    }
    assert days == {"2014-12-31", "2015-01-01", "2015-01-02"}  # midnight in Berlin
    assert long("00T5g00000seri3") not in tasks
    assert long(SHADOW) not in tasks
    assert tasks[long("00T5g00000oldma")]["hs_task_type"] == "EMAIL"
    assert long("00U5g00000child") not in meetings


def test_fault_f09_everybody_who_took_part_is_linked(moved: Files) -> None:
    more = extra(seeded())
    task, event = more["TaskRelation"][0]["TaskId"], more["EventRelation"][0]["EventId"]
    people = {long(row["RelationId"]) for row in more["TaskRelation"] if not row["IsWhat"]}
    who = long(source("Task")[long(task)]["WhoId"])
    assert linked(moved, "tasks", "contacts")[long(task)] == people | {who}
    who = long(source("Event")[long(event)]["WhoId"])
    other = long(more["EventRelation"][0]["RelationId"])
    assert linked(moved, "meetings", "contacts")[long(event)] == {who, other}


def test_meetings_keep_their_times(moved: Files) -> None:
    meetings, rows = by_source(moved.hubspot, "meetings"), source("Event")
    for id, held in meetings.items():
        starts = {"hs_timestamp", "hs_meeting_start_time"}
        for name in ("hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time"):
            field = "StartDateTime" if name in starts else "EndDateTime"
            assert instant(held[name]) == instant(rows[id][field])
    assert long("00U5g00000futur") not in meetings


def test_notes_of_both_kinds_are_notes_with_their_whole_text_and_time(moved: Files) -> None:
    notes = by_source(moved.hubspot, "notes")
    bodies = {row["hs_note_body"] for row in notes.values()}
    assert bodies == {
        "<b>A &amp; B &lt;note&gt;</b><br>first<br>second &lt;b&gt;", "<b>of a person</b><br>x",
        "<p>Grüße \U0001f600 &amp; mehr</p>",
    }  # fmt: skip
    rich = notes[long("0695g00000note1")]
    assert rich["hs_timestamp"] == "2017-05-06T07:08:09.000Z"
    assert len(linked(moved, "notes", "contacts")[long("0695g00000note1")]) == 1


def test_authors_go_through_the_owner_map(moved: Files) -> None:
    owners = {row["email"]: row["id"] for row in _owners(moved)}
    held = by_source(moved.hubspot, "notes")
    ours = {row["hubspot_owner_id"] for row in held.values()}
    assert owners["angstrom.mueller@nasty.example"] in ours
    tasks = by_source(moved.hubspot, "tasks")
    for id, row in source("Task").items():
        if id in tasks and row["OwnerId"] == "0055g000004jiCHAAY":  # she has left
            assert tasks[id]["hubspot_owner_id"] == owners["ops@nasty.example"]
            assert "gone@nasty.example" in tasks[id]["former_owner"]
        elif id in tasks and long(row["OwnerId"]) == USER:
            assert tasks[id]["hubspot_owner_id"] == owners["angstrom.mueller@nasty.example"]


def _ask(moved: Files, method: str, path: str) -> Any:
    request = urllib.request.Request(  # noqa: S310 - a loopback address
        f"{moved.hubspot.url}{path}", method=method, headers={"Authorization": "Bearer pat-na1-sandbox"}
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        return json.loads(reply.read() or "null")


def _owners(moved: Files) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(moved, "GET", "/crm/v3/owners?limit=100")["results"]
    return found


def test_another_load_sends_nothing(moved: Files) -> None:
    before = len(moved.hubspot.control.ndjson("/log?after=0"))
    moved.must("transform", "load")
    assert len(moved.hubspot.control.ndjson("/log?after=0")) == before


def timeline(moved: Files) -> dict[str, dict[str, Any]]:
    code, found = moved.run("validate")
    assert code in (0, 1), found
    return {each["object"]: each for each in found["results"] if each["check"] == "timeline"}


def test_the_timeline_agrees_but_for_what_hubspot_took_out_of_one_body(moved: Files) -> None:
    found = timeline(moved)
    verdicts = {name: each["verdict"] for name, each in found.items()}
    assert verdicts == dict.fromkeys(verdicts, "pass") | {"EmailMessage": "fail"}
    mails = found["EmailMessage"]["figures"]
    assert (mails["activities compared"], mails["bodies that differ"]) == (23, 1)  # its script was taken out
    assert (mails["bodies cut"], mails["of them with the whole message beside"]) == (5, 5)
    assert mails["times that differ"] == mails["authors that differ"] == mails["parents that differ"] == 0
    assert found["Task"]["compared"] == 21


def test_the_timeline_finds_what_was_planted(moved: Files) -> None:
    """Somebody changes a body, a time, an owner, and takes a link away: each is found, and nothing else."""

    def edit(object: str, **fields: str) -> None:
        id = min(row["id"] for row in by_source(moved.hubspot, object).values())
        act = {"do": "update", "object": object, "id": id, "fields": fields, "as": EMAILS[1]}
        moved.hubspot.control.post("/act", act)

    edit("calls", hs_call_body="another body")
    edit("meetings", hs_timestamp="2026-11-26T03:00:00.000Z")
    owner = next(row["id"] for row in _owners(moved) if row["email"] == EMAILS[1])
    edit("tasks", hubspot_owner_id=owner)
    notes = by_source(moved.hubspot, "notes")
    gone = next(
        link for link in moved.hubspot.control.ndjson("/truth/links")
        if link["from"] == notes[long("0695g00000note1")]["id"] and link["to_object"] == "contacts"
    )  # fmt: skip
    _ask(moved, "DELETE", f"/crm/v4/objects/notes/{gone['from']}/associations/contacts/{gone['to']}")
    found = timeline(moved)
    odd = {
        name: {key: value for key, value in each["figures"].items() if "differ" in key and value}
        for name, each in found.items()
    }
    assert odd == {
        "EmailMessage": {"bodies that differ": 1}, "EmailMessage~eml": {},
        "Task~call": {"bodies that differ": 1}, "Task": {"authors that differ": 1},
        "Event": {"times that differ": 1, "years that differ": 2}, "Note": {},
        "ContentNote": {"parents that differ": 1},
    }  # fmt: skip
    assert {name for name, each in found.items() if each["verdict"] == "fail"} == {
        name for name, figures in odd.items() if figures
    }


def test_a_rollback_takes_the_whole_history_away_but_for_what_people_changed(moved: Files) -> None:
    moved.must("rollback plan", "rollback run --yes")
    code, found = moved.run("rollback verify")
    assert code in (0, 1), found
    left = {
        object: len(by_source(moved.hubspot, object))
        for object in ("emails", "calls", "tasks", "meetings", "notes")
    }
    assert left == {"emails": 0, "calls": 1, "tasks": 1, "meetings": 1, "notes": 0}
    assert moved.there() == []
