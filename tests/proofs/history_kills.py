"""Can a load of files, activities, custom records and links be killed anywhere, both ways, and elsewhere?

One small org with a bit of everything. Each request is held once, at one of the four points in turn; every
second write is struck once, before it or after it in turn. Then the same command runs again, and the target's
own store must be as after the straight run.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrate.demo.nasty import nasty
from migrate.demo.shape import Expected, Seed
from tests.harness import kill, stores
from tests.harness.kill import Strike
from tests.harness.lanes import Lane, several, side_by_side
from tests.proofs.claims import Ground, Line
from tests.proofs.faults import Case, Write, cases_of
from tests.proofs.faults import show as show_fault
from tests.proofs.kills import campaign, line
from tests.proofs.roundtrip import AUDITED, STAND_IN_USER, Journey, journey, owners_of

KEPT = {  # so many records of each object, the first ones; each kind has its own way through the load
    "User": 3, "Account": 3, "Visit__c": 2, "Task": 2, "EmailMessage": 2, "Attachment": 4,
    "ContentDocument": 2, "ContentVersion": 3, "ContentDocumentLink": 10,
}  # fmt: skip
HANGING = {  # these are nothing without what they hang on
    "Attachment": ("ParentId",),
    "ContentVersion": ("ContentDocumentId",),
    "ContentDocumentLink": ("ContentDocumentId", "LinkedEntityId"),
}
MOVED = "load"
USERS = "users.json"


def small() -> dict[str, Any]:
    """A little of everything out of the nasty seed; files are short, and so are bodies but for one."""
    document = nasty()
    whole = {name: rows for name, rows in document["records"].items() if name in KEPT}
    whole["Task"] = [row for row in whole["Task"] if row["TaskSubtype"] != "Call"]
    records = {name: rows[: KEPT[name]] for name, rows in whole.items()}
    kept = {row["Id"] for rows in records.values() for row in rows}
    gone = {row["Id"] for rows in document["records"].values() for row in rows} - kept
    for name, rows in records.items():
        if name not in HANGING:
            rows[:] = [{k: None if v in gone else v for k, v in row.items()} for row in rows]
    for name, columns in HANGING.items():
        records[name] = [row for row in records[name] if not gone & {row[column] for column in columns}]
    for row in records["ContentVersion"]:
        row["VersionData"] = {**row["VersionData"], "size": min(row["VersionData"]["size"], 5_000)}
    for number, row in enumerate(records["Account"]):
        row["Notes__c"] = row["Notes__c"][: 70_000 if number == 0 else 200]
    for row in records["EmailMessage"]:
        row["HtmlBody"], row["TextBody"] = row["HtmlBody"][:500], row["TextBody"][:500]
    return {**document, "records": records}


@contextmanager
def travelled(folder: Path) -> Iterator[Journey]:
    """The small org in HubSpot, with the plan that brought it and the one back, ready to be used again."""
    with journey(folder, small()) as trip:
        trip.there()
        trip.plan_back()
        yield trip


def plans(trip: Journey, folder: Path) -> None:
    """Both plans without what a lane writes into them itself, and the users whom they name."""
    folder.mkdir(parents=True)
    (folder / USERS).write_text(json.dumps(trip.first.control.ndjson("/truth/User")))
    for side in ("there", "back"):
        to = folder / side
        shutil.copytree(trip.root / side, to, ignore=shutil.ignore_patterns(".migrate*"))
        text = (to / "plan.yaml").read_text()
        text = re.sub(r"clock: sandbox, |longest_call: \d+, ", "", text)
        (to / "plan.yaml").write_text(text)


def users_of(folder: Path) -> list[dict[str, Any]]:
    """The first org's users, its own ones too."""
    found: list[dict[str, Any]] = json.loads((folder / USERS).read_text())
    return found


def there(ground: Ground, folder: Path, name: str, **more: Any) -> AbstractContextManager[list[Lane]]:
    """Lanes whose target is HubSpot."""
    seed = Seed(small(), {"owners": owners_of(users_of(folder))}, _NOTHING)
    return several(
        lambda n: Lane(ground.folder(f"{name}-{n}"), seed, folder=folder / "there",
                       options={"concurrency": 1}, **more),
        ground.lanes,
    )  # fmt: skip


@contextmanager
def back(ground: Ground, folder: Path, store: Path, name: str, **more: Any) -> Iterator[list[Lane]]:
    """Lanes whose target is Salesforce; HubSpot holds what a journey brought there."""
    users = [*small()["records"]["User"], dict(STAND_IN_USER)]
    seed = Seed(
        {"records": {"User": users}, "settings": dict(AUDITED)},
        {"owners": owners_of(users_of(folder))},
        _NOTHING,
    )
    with several(
        lambda n: Lane(ground.folder(f"{name}-{n}"), seed, folder=folder / "back", back=True,
                       options={"concurrency": 1}, **more),
        ground.lanes,
    ) as lanes:  # fmt: skip
        for lane in lanes:
            lane.hubspot.control.post("/restore", {"from": str(store)})
        yield lanes


_NOTHING = Expected(sources={}, adopted=0, merged=0, rejected={}, enriched=("", ""))


def strikes(lane: Lane, saved: str) -> tuple[list[Strike], str]:
    """Each request at one point in turn, every second write on one side in turn; and how many of both.

    What each write does to a load is shown by the proof of the main job, both sides of it. A sync is no
    point: SIGKILL leaves what was written, synced or not, so the point is the same as the next.
    """
    requests = kill.requests_of(lane, saved, MOVED)
    writes = [n for n, kind, _ in kill.writes_of(lane, saved, MOVED) if kind != "fsync"]
    works = [Strike("request", n, kill.HOLDS[n % len(kill.HOLDS)]) for n in range(1, requests + 1)]
    works += [Strike("write", n, ("before", "after")[turn % 2]) for turn, n in enumerate(writes[::2])]
    return works, f"{requests} requests and every second of {len(writes)} writes"


def ready(lanes: Sequence[Lane]) -> kill.Judge:
    """Bring all lanes to the point before the load; the judge of what a load leaves."""
    before = {}
    for lane in lanes:
        before[id(lane)] = stores.target(lane)
        lane.must("discover", "check", "prepare", "extract", "transform")
        lane.save("ready")
    return stores.judge(stores.target, before)


def killed(ground: Ground, claim: str, lanes: Sequence[Lane], judge: kill.Judge, every: int = 1) -> Line:
    """One claim: kill the load of these lanes at every n-th of its points."""
    works, what = strikes(lanes[0], "ready")
    found = campaign(ground, lanes, "ready", MOVED, judge, works[::every])
    return line(claim, found, what if every == 1 else f"every {every}th of {what}")


# -- what the network and the vendors do -------------------------------------------------------

INTO_HUBSPOT = (
    Write("file", "ready", MOVED, r"/files/[^/]+/files$", (), ""),
    Write("activity", "ready", MOVED, r"/objects/[^/]*/?emails/batch/create", (0, 1), "dead-letters replay"),
    Write("custom", "ready", MOVED, r"/objects/[^/]*/?[^/]*visit/batch/create", (0,), "dead-letters replay"),
    Write("link", "ready", MOVED, r"/associations/.*/batch/create", (0, 2), MOVED),
)
INTO_SALESFORCE = (
    Write("file", "ready", MOVED, r"/sobjects/ContentVersion/?$", (), ""),
    Write("record", "ready", MOVED, r"/composite/sobjects/?$", (0, 1), "dead-letters replay"),
)
NAMES = ("dropped", "late-commit", "storms", "expired", "partial")


def faults(lanes: Sequence[Lane], writes: Sequence[Write], claim: str, judge: kill.Judge) -> Line:
    """Each fault on each kind of write, once; the lanes have their saved copy `ready`."""
    straight = {id(lane): {"ready": kill.straight(lane, "ready", MOVED, judge)} for lane in lanes}
    cases = [case for name in NAMES for case in faulty(name, writes, back=lanes[0].back)]
    found = side_by_side(lanes, cases, lambda lane, case: show_fault(lane, case, straight[id(lane)], judge))
    told = tuple(line for lines in found for line in lines)
    bad = sum(bool(lines) for lines in found)
    names = "; ".join(case.name for case in cases)
    return Line(claim, f"{len(cases) - bad} of {len(cases)} ({names})", len(cases), not bad, told)


def faulty(name: str, writes: Sequence[Write], *, back: bool) -> list[Case]:
    """The cases of one fault. A file is one upload, which nothing can do in part."""
    chosen = [write for write in writes if not (name == "partial" and write.kind == "file")]
    if not back:
        return cases_of(name, chosen)
    if name == "storms":  # Salesforce has no 429: a day's calls are used up, or its servers are away
        return [case for write in chosen for case in salesforce_storms(write)]
    cases = cases_of(name, chosen)
    if name == "expired":  # a session is renewed by logging in again
        cases = [replace(case, first=None, mend="") for case in cases]
    return cases


def salesforce_storms(write: Write) -> list[Case]:
    """At the day's limit the load is parked, and goes on when it is run again; maintenance is waited for."""
    return [
        Case(write, f"{write.kind}: day's limit", ({"kind": "status", "status": 429},), 1, 3, write.words),
        Case(write, f"{write.kind}: maintenance", ({"kind": "status", "status": 503},), 3),
    ]
