"""What does either vendor's store hold, so named that two runs can be compared? All objects, files by digest.

A record with a migration key is called by it; one that stood there before by its id; any other by what it is.
References are names, ids and stamps don't count. Nothing here knows a connector, the journal or the ledger.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migrate.sandbox.server import Running
from tests.harness.oracle import SYSTEM, State

Row = dict[str, Any]
KEYS = ("migration_key", "Migration_Key__c")
# What Salesforce sets by itself: who and when, and what is drawn from others.
_OWN = frozenset({
    "Id", "IsDeleted", "SystemModstamp", "LastActivityDate", "LastViewedDate", "LastReferencedDate",
    "ActivityId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "ContentModifiedDate",
    "MasterRecordId", "LatestPublishedVersionId", "IsLatest", "VersionNumber", "LastCURequestDate",
    "LastCUUpdateDate", "CompletedDateTime",
})  # fmt: skip
# Of a Salesforce org's objects those that describe it and aren't data.
_SETTINGS = frozenset({
    "User", "Profile", "Organization", "UserRole", "UserPermissionAccess", "Group", "RecordType",
    "OpportunityStage", "PermissionSet", "PermissionSetAssignment", "FieldPermissions", "ObjectPermissions",
    "links", "files",
})  # fmt: skip
_NO_RECORDS = frozenset({"links", "files", "folders", "consent", "subscriptions"})  # of HubSpot's truth


@dataclass(frozen=True)
class Held:
    """One live record. `values`: without what the vendor sets by itself."""

    object: str
    id: str
    key: str | None
    values: Mapping[str, Any]


@dataclass
class Store:
    """A store at one moment: live records by object and id, and links as (object, id, object, id, label)."""

    records: dict[tuple[str, str], Held]
    links: set[tuple[str, str, str, str, str]]


def hubspot(running: Running) -> Store:
    """HubSpot's records, files (named by their path, which carries the key) and associations."""
    records: dict[tuple[str, str], Held] = {}
    for name in running.control.get("/truth"):
        if name in _NO_RECORDS:
            continue
        for row in running.control.ndjson(f"/truth/{name}"):
            if row["archived"] or row["purged"] or row["mergedInto"]:
                continue
            values = {k: v for k, v in row["properties"].items() if k not in SYSTEM and v not in (None, "")}
            records[name, row["id"]] = Held(name, row["id"], _key(values), values)
    for row in running.control.ndjson("/truth/files"):
        if not row["archived"] and not row["purged"]:
            values = {name: row[name] for name in ("size", "sha256", "access")}
            records["files", row["id"]] = Held("files", row["id"], f"file {row['path']}", values)
    links = set()
    for row in running.control.ndjson("/truth/links"):
        if not row["archived"]:
            for told in row["types"]:
                name = told["label"] or f"{told['category']}:{told['typeId']}"
                links.add((row["from_object"], row["from"], row["to_object"], row["to"], name))
    return Store(records, links)


def salesforce(running: Running) -> Store:
    """Salesforce's records, with digests in place of files."""
    digests = {
        (row["object"], row["id"], row["field"]): row["sha256"]
        for row in running.control.ndjson("/truth/files")
    }
    records: dict[tuple[str, str], Held] = {}
    for name in running.control.get("/truth"):
        if name in _SETTINGS or name.endswith("History"):
            continue
        for row in running.control.ndjson(f"/truth/{name}"):
            if row.get("IsDeleted"):
                continue
            values = {
                column: digests.get((name, row["Id"], column), value)
                for column, value in row.items()
                if column not in _OWN and value not in (None, "")
            }
            records[name, row["Id"]] = Held(name, row["Id"], _key(values), values)
    return Store(records, set())


def _key(values: Mapping[str, Any]) -> str | None:
    return next((str(values[name]) for name in KEYS if values.get(name)), None)


def state(now: Store, before: Store) -> State:
    """Name everything that lives now.

    Args:
        before: what stood there before anything was moved; such records keep their id as a name.
    """
    names: dict[tuple[str, str], str] = {}
    for place, record in now.records.items():
        if place in before.records:
            names[place] = f"{'adopted' if record.key else 'foreign'}:{record.object}:{record.id}"
        elif record.key:
            names[place] = f"{record.object}:{record.key}"
    ids = {id: name for (_, id), name in names.items()}

    def named(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return ids.get(value) or ";".join(ids.get(part, part) for part in value.split(";"))

    told = {
        place: {"": place[0], **{name: named(value) for name, value in record.values.items()}}
        for place, record in now.records.items()
    }
    for place in now.records.keys() - names.keys():  # neither key nor past: what it says is its name
        names[place] = f"other:{json.dumps(told[place], sort_keys=True, default=str)}"
    counted = Counter(names.values())
    links = frozenset(
        (names[one, left], names[other, right], label)
        for one, left, other, right, label in now.links
        if (one, left) in names and (other, right) in names
    )
    records = {name: told[place] for place, name in names.items()}
    return State(records, links, tuple(sorted(name for name, n in counted.items() if n > 1)))


def judge(read: Callable[[Any], Store], before: Mapping[int, Store]) -> Callable[[Any], State]:
    """A judge of what a command left in a lane's target.

    Args:
        read: the lane's target's store.
        before: each lane's store before anything was moved, by `id(lane)`.
    """

    def judged(lane: Any) -> State:
        lane.settle()
        return state(read(lane), before[id(lane)])

    return judged


def target(lane: Any) -> Store:
    """The store of the system that a lane writes to."""
    return salesforce(lane.salesforce) if lane.back else hubspot(lane.hubspot)
