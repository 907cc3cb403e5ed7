"""A Salesforce org full of history, an empty HubSpot, and what each of their own stores holds in the end."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.demo.nasty import nasty
from migrate.demo.run import PLANS
from migrate.sandbox.server import Running, launch
from tests.sandbox.files_rig import NOISE, Files

SPEED = 20.0
FAMILY = "sf00D5g000004SimuEAC"
EMAILS = ("angstrom.mueller@nasty.example", "obrien@nasty.example", "ops@nasty.example")
USER = "0055g000004jiCGAAY"
LATER = "2027-01-15"
DAY, MADE = "2019-03-31", "2018-01-02T03:04:05.000Z"


def extra(seed: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the seed of everything nasty lacks: relations, drafts, series, things to come, shadows, notes."""
    records = seed["records"]
    people = [row["Id"] for row in records["Contact"][:4]]
    meeting = records["Event"][0]["Id"]
    account, mails = records["Account"][0]["Id"], [row["Id"] for row in records["EmailMessage"]]
    return {
        "EmailMessageRelation": [
            _relation(mails[0], "ToAddress", people[0]),
            _relation(mails[0], "CcAddress", people[1]),
            _relation(mails[0], "BccAddress", None),
            _relation(mails[1], "FromAddress", people[2]),
        ],
        "EmailMessage": [
            _mail("02s5g00000draft", "5", f"{DAY}T10:00:00.000Z"),
            _mail("02s5g00000synce", "3", "2026-11-05T10:00:00.000Z"),
        ],
        "Task": [
            _task("00T5g00000shado", "the shadow of an e-mail", TaskSubtype="Email", WhoId=people[0]),
            _task("00T5g00000oldma", "of before there were e-mails", TaskSubtype="Email", WhatId=account),
            _task("00T5g00000openn", "open", Status="Not Started", ActivityDate=LATER, WhoId=people[0]),
            _task("00T5g00000archi", "archived", ActivityDate="2011-01-01", IsArchived=True, WhatId=account),
            _task(SERIES, "every day", Status="Not Started", ActivityDate=None, IsRecurrence=True, **_DAILY),
            *(_task(f"00T5g00000occ0{n}", "every day", ActivityDate=f"2015-01-0{n}",
                    RecurrenceActivityId=SERIES) for n in (1, 2, 3)),
        ],
        "Event": [
            _event("00U5g00000futur", "next year", "2027-01-20", WhoId=people[0]),
            _event("00U5g00000child", "an invitee's copy", DAY, IsChild=True),
        ],
        "TaskRelation": [
            {"TaskId": records["Task"][1]["Id"], "RelationId": id, "IsWhat": id == account}
            for id in (people[1], people[2], account)
        ],
        "EventRelation": [
            {"EventId": meeting, "RelationId": people[3], "IsWhat": False, "IsParent": True},
            {"EventId": meeting, "RelationId": USER, "IsInvitee": True},
        ],
        "Note": [
            {**_OURS, "Title": "A & B <note>", "Body": "first\r\nsecond <b>", "ParentId": account},
            {**_OURS, "Title": "of a person", "Body": "x", "ParentId": people[0]},
        ],
        "ContentNote": [
            {"Id": "0695g00000note1", "Title": "Rich", "CreatedDate": "2017-05-06T07:08:09.000Z",
             "Content": base64.b64encode("<p>Grüße \U0001f600 &amp; mehr</p>".encode()).decode()},
        ],
        "ContentDocumentLink": [
            {"ContentDocumentId": "0695g00000note1", "LinkedEntityId": id, "ShareType": "V"}
            for id in (account, people[0])
        ],
    }  # fmt: skip


SERIES = "00T5g00000seri3"
_DAILY = {
    "RecurrenceType": "RecursDaily", "RecurrenceInterval": 1, "RecurrenceStartDateOnly": "2015-01-01",
    "RecurrenceEndDateOnly": "2015-01-03",
}  # fmt: skip
_OURS = {"OwnerId": USER, "CreatedDate": MADE, "LastModifiedDate": MADE}


def _relation(mail: str, kind: str, person: str | None) -> dict[str, Any]:
    given = {"EmailMessageId": mail, "RelationType": kind, "RelationAddress": f"{kind.lower()}@x.test"}
    return given | ({"RelationId": person} if person else {})


def _mail(id: str, status: str, at: str) -> dict[str, Any]:
    given = {"Id": id, "Subject": "one more", "Status": status, "TextBody": "x", "ToAddress": "a@b.test"}
    return {**given, "Incoming": False, "MessageDate": at}


def _task(id: str, subject: str, **more: Any) -> dict[str, Any]:
    given = {**_OURS, "Id": id, "Subject": subject, "Status": "Completed", "ActivityDate": DAY, **more}
    return {name: value for name, value in given.items() if value is not None}


def _event(id: str, subject: str, day: str, **more: Any) -> dict[str, Any]:
    start, end = f"{day}T09:00:00.000Z", f"{day}T09:30:00.000Z"
    return {**_OURS, "Id": id, "Subject": subject, "StartDateTime": start, "ActivityDateTime": start,
            "ActivityDate": day, "DurationInMinutes": 30, "EndDateTime": end, **more}  # fmt: skip


def seeded() -> dict[str, Any]:
    """The whole seed document, and a shadow task on one e-mail."""
    seed = nasty()
    more = extra(seed)
    for object, rows in more.items():
        seed["records"].setdefault(object, []).extend(rows)
    seed["records"]["EmailMessage"][2]["ActivityId"] = "00T5g00000shado"
    seed["settings"] = {"shared_activities": True, "chatter": True}
    seed["clients"] = [{"client_id": "app", "client_secret": "secret", "user": "admin@sandbox.example"}]
    return seed


@contextmanager
def history(base: Path, *, plan: str = "history-salesforce-to-hubspot") -> Iterator[Files]:
    """Both sandboxes at a moment in November 2026, and a workspace with the example plan."""
    with (
        launch("salesforce", base / "salesforce", speed=SPEED) as salesforce,
        launch("hubspot", base / "hubspot", speed=SPEED, settings=NOISE) as hubspot,
    ):
        salesforce.control.post("/seed", seeded())
        owners = [{"email": email, "firstName": email.partition("@")[0]} for email in EMAILS]
        hubspot.control.post("/seed", {"tokens": [{"token": "pat-na1-sandbox"}], "owners": owners})
        root = base / "work"
        shutil.copytree(PLANS / plan, root)
        text = (root / "plan.yaml").read_text()
        text = text.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
        (root / "plan.yaml").write_text(
            text.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 5}")
        )
        yield Files(root, salesforce, hubspot)


def live(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if not (row["archived"] or row["purged"] or row["mergedInto"])]


def by_source(running: Running, object: str) -> dict[str, dict[str, Any]]:
    """Properties of HubSpot's own live records, by the Salesforce id in their key; a twin is a failure."""
    found: dict[str, dict[str, Any]] = {}
    for row in live(running.control.ndjson(f"/truth/{object}")):
        key = row["properties"].get("migration_key")
        if key:
            id = key.split(".")[2].partition("~")[0]
            assert id not in found, f"twins of {key}"
            found[id] = {**row["properties"], "id": row["id"]}
    return found


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
