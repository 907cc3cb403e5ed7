"""Do very many activities with their bodies get through, in bounded memory, once each and as they were?

E-mails, tasks, calls and meetings on accounts and people; bodies of log-normal length with signs of every
width, some longer than HubSpot takes, whose messages go along as files. What arrived is counted in HubSpot's
own store: each activity's body by its digest, its time to the millisecond, and its links.

`python -m tests.proofs.history_activities --activities 100000` runs it alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from migrate.cutting import cut_html, cut_text
from migrate.sandbox.salesforce.ids import mint
from migrate.sandbox.server import launch
from tests.proofs.history_files import Figures as Measured
from tests.proofs.history_files import Rig

FAMILY = "sf00D5g000004SimuEAC"
SPEED = 20.0
MEMORY = "96MB"  # of the engine; the process has about two and a half times as much beside it
ACCOUNTS, PEOPLE = 200, 400
LIMIT = 65_536
CHUNK = 500  # records in one seed document
START = datetime(2008, 1, 1, tzinfo=UTC)
_KINDS = ("EmailMessage", "EmailMessage", "Task", "Call", "Event")  # two fifths are e-mails
_TARGETS = {"EmailMessage": "emails", "Task": "tasks", "Call": "calls", "Event": "meetings"}
_BODY = {
    "EmailMessage": "hs_email_html", "Task": "hs_task_body", "Call": "hs_call_body",
    "Event": "hs_meeting_body",
}  # fmt: skip
_WORDS = (
    "angebot", "vertrag", "\U0001f600", "größe", "漢字", "&", "<b>dringend</b>", "rückruf", "termin",
)  # fmt: skip
PLAN = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
mailbox_sync_from: 2026-11-01
objects:
  - {source: Account, target: companies, fields: {name: Name}}
  - {source: Contact, target: contacts, fields: {email: Email, lastname: LastName}}
  - source: EmailMessage
    part: eml
    target: files
    where: length(HtmlBody) > 30000
    activity: {at: MessageDate}
    fields:
      name: Id || '.eml'
      content:
        eml: {from: FromAddress, to: people(ToAddress), subject: Subject, date: MessageDate, html: HtmlBody}
  - source: EmailMessage
    target: emails
    activity: {at: MessageDate}
    fields:
      hs_timestamp: MessageDate
      hs_email_direction: CASE WHEN Incoming THEN 'INCOMING_EMAIL' ELSE 'EMAIL' END
      hs_email_subject: Subject
      hs_email_html: {from: HtmlBody, oversize: cut}
      hs_email_headers: email_headers(FromAddress, FromName, people(ToAddress), NULL, NULL)
      hs_attachment_ids: {gather: {EmailMessage~eml: _id}, missing: later}
    links: [{to: companies, via: RelatedToId}]
  - source: Task
    part: call
    target: calls
    where: TaskSubtype = 'Call'
    activity: {at: CreatedDate, synced: false}
    fields:
      hs_timestamp: CreatedDate
      hs_call_title: Subject
      hs_call_body: {from: Description, oversize: cut}
    links: [{to: contacts, via: WhoId}, {to: companies, via: WhatId}]
  - source: Task
    target: tasks
    where: TaskSubtype <> 'Call'
    activity: {at: CreatedDate, synced: false}
    fields:
      hs_timestamp: CreatedDate
      hs_task_subject: Subject
      hs_task_body: {from: Description, oversize: cut}
    links: [{to: contacts, via: WhoId}, {to: companies, via: WhatId}]
  - source: Event
    target: meetings
    activity: {at: StartDateTime}
    fields:
      hs_timestamp: StartDateTime
      hs_meeting_title: Subject
      hs_meeting_body: {from: Description, oversize: cut}
    links: [{to: contacts, via: WhoId}, {to: companies, via: WhatId}]
"""


@dataclass
class Figures:
    """What one proof found. `lost`, `twice`, `changed`, `unlinked`: keys. `peak`: bytes, the most of all."""

    activities: int = 0
    characters: int = 0
    cut: int = 0
    whole: int = 0  # of those that were cut, so many have their message beside
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unlinked: list[str] = field(default_factory=list)
    peak: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every activity there, once, as it was, with what it is about, and whole where it was cut."""
        wrong = self.lost or self.twice or self.changed or self.unlinked
        return not wrong and self.activities > 0 and self.cut == self.whole


def kind(number: int) -> str:
    """Which kind of activity the n-th is."""
    return _KINDS[number % len(_KINDS)]


def body(number: int) -> str:
    """The n-th body: HTML for an e-mail, of a length drawn once; each two-hundredth e-mail's is too long."""
    rng = random.Random(number)  # noqa: S311 - lengths, no secrets
    size = int(min(30_000, math.exp(rng.gauss(7.0, 1.2))))
    if kind(number) == "EmailMessage" and number % 1_000 == 0:
        size = 100_000
    words = " ".join(rng.choice(_WORDS) for _ in range(200)) + " "
    text = (words * (size // len(words) + 1))[:size].strip() or "x"
    return f"<p>{text}</p>" if kind(number) == "EmailMessage" else text


def moment(number: int) -> datetime:
    """When the n-th took place: spread over eighteen years, to the second."""
    return START + timedelta(seconds=(number * 5_681) % (18 * 365 * 86_400))


def record(number: int) -> tuple[str, dict[str, Any]]:
    """The n-th activity as Salesforce holds it: object and fields."""
    what, at = kind(number), moment(number).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    about = {"WhatId": mint("001", 1 + number % ACCOUNTS), "WhoId": mint("003", 1 + number % PEOPLE)}
    common = {"Subject": f"n{number}", "CreatedDate": at, "LastModifiedDate": at}
    if what == "EmailMessage":
        return what, {
            **common, "Id": mint("02s", 1 + number), "HtmlBody": body(number), "MessageDate": at,
            "FromAddress": "us@acme.test", "FromName": "Us", "ToAddress": f"p{number % PEOPLE}@x.test",
            "Incoming": False, "Status": "3", "RelatedToId": about["WhatId"],
        }  # fmt: skip
    if what == "Event":
        end = (moment(number) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return what, {
            **common, **about, "Id": mint("00U", 1 + number), "Description": body(number),
            "StartDateTime": at,
            "ActivityDateTime": at, "ActivityDate": at[:10], "DurationInMinutes": 30, "EndDateTime": end,
        }  # fmt: skip
    subtype = "Call" if what == "Call" else "Task"
    return "Task", {
        **common, **about, "Id": mint("00T", 1 + number), "Description": body(number), "TaskSubtype": subtype,
        "Status": "Completed", "ActivityDate": at[:10],
    }  # fmt: skip


class Bounded(Rig):
    """The same, with what the engine may keep in memory bounded by its setting."""

    @property
    def environment(self) -> dict[str, str]:
        # Few arenas of the C library, for each thread would else keep what it once held.
        return {**super().environment, "MIGRATE_MEMORY": MEMORY, "MALLOC_ARENA_MAX": "2"}


@contextmanager
def rig(base: Path, activities: int) -> Iterator[Rig]:
    """Both sandboxes, Salesforce with so many activities, and a plan."""
    root = base / "work"
    root.mkdir(parents=True)
    (root / "plan.yaml").write_text(PLAN)
    settings = {"burst": 1_000_000, "tier": "professional", "daily": 100_000_000, "sanitise_html": False}
    with (
        launch(
            "salesforce", base / "salesforce", speed=SPEED, settings={"daily_limit": 100_000_000}
        ) as salesforce,
        launch("hubspot", base / "hubspot", speed=SPEED, settings=settings) as hubspot,
    ):
        clients = [{"client_id": "app", "client_secret": "secret", "user": "admin@sandbox.example"}]
        accounts = [{"Id": mint("001", 1 + n), "Name": f"Firm {n}"} for n in range(ACCOUNTS)]
        people = [
            {"Id": mint("003", 1 + n), "LastName": f"P{n}", "Email": f"p{n}@x.test"} for n in range(PEOPLE)
        ]
        salesforce.control.post(
            "/seed", {"clients": clients, "records": {"Account": accounts, "Contact": people}}
        )
        for first in range(0, activities, CHUNK):
            rows: dict[str, list[dict[str, Any]]] = {}
            for number in range(first, min(first + CHUNK, activities)):
                object, row = record(number)
                rows.setdefault(object, []).append(row)
            salesforce.control.post("/seed", {"records": rows})
        hubspot.control.post("/seed", {"tokens": [{"token": "pat-na1-sandbox"}]})
        yield Bounded(root, salesforce, hubspot, Measured())


def prove(base: Path, activities: int) -> Figures:
    """Move so many activities, and count.

    Args:
        base: a folder for the sandboxes and the workspace.
    """
    with rig(base, activities) as here:
        here.must("discover", "check", "prepare", "extract", "transform", "load")
        found = Figures(peak=here.figures.peak, peaks=here.figures.peaks, seconds=here.figures.seconds)
        count(here, activities, found)
        return found


def expected(number: int) -> tuple[str, str, str]:
    """(key, digest of the body, time) that the n-th activity should have in HubSpot."""
    what, text = kind(number), body(number)
    object, row = record(number)
    left = cut_html(text, LIMIT) if what == "EmailMessage" else cut_text(text, LIMIT)
    key = f"{FAMILY}.{object}.{row['Id']}" + ("~call" if what == "Call" else "")
    at = moment(number).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return key, hashlib.sha256(left.encode()).hexdigest(), at


def count(here: Rig, activities: int, found: Figures) -> None:
    """Compare HubSpot's own store with what was made up; one record at a time."""
    there: dict[str, tuple[str, str, str]] = {}
    for what, object in _TARGETS.items():
        for row in here.hubspot.control.ndjson(f"/truth/{object}"):
            values = row["properties"]
            key = values.get("migration_key")
            if row["archived"] or not key:
                continue
            if key in there:
                found.twice.append(key)
            digest = hashlib.sha256(values.get(_BODY[what], "").encode()).hexdigest()
            there[key] = (row["id"], digest, values["hs_timestamp"])
    links: dict[str, int] = {}
    for link in here.hubspot.control.ndjson("/truth/links"):
        if link["from_object"] in _TARGETS.values():
            links[link["from"]] = links.get(link["from"], 0) + 1
    files = {
        row["path"].split("/")[-2]
        for row in here.hubspot.control.ndjson("/truth/files")
        if not row["archivedAt"] and not row["purged"]
    }
    found.activities = activities
    for number in range(activities):
        key, digest, at = expected(number)
        text = body(number)
        found.characters += len(text)
        if len(text) > LIMIT:
            found.cut += 1
            found.whole += f"{key}~eml" in files
        if key not in there:
            found.lost.append(key)
            continue
        id, held, time_ = there[key]
        if (held, time_) != (digest, at):
            found.changed.append(key)
        if links.get(id, 0) < (1 if kind(number) == "EmailMessage" else 2):
            found.unlinked.append(key)


def main() -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--activities", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="proof-activities-", dir=given.folder) as base:
        found = prove(Path(base), given.activities)
    print(f"{found.activities:,} activities, {found.characters:,} characters of bodies, {found.cut:,} cut, "
          f"{found.whole:,} of them whole in a file")  # fmt: skip
    print(f"lost {len(found.lost)}, twice {len(found.twice)}, changed {len(found.changed)}, "
          f"unlinked {len(found.unlinked)}")  # fmt: skip
    print(f"peaks in MB: {json.dumps({words: peak // 1_000_000 for words, peak in found.peaks.items()})}")
    print(f"seconds: {json.dumps({words: round(took) for words, took in found.seconds.items()})}")
    print(f"in all: {time.monotonic() - began:.0f} s")
    return 0 if found.complete else 1


if __name__ == "__main__":
    sys.exit(main())
