"""How does a record come to be, change, leave and return?

Every writer goes through here: the API, acting users, silent writers and seeds. Each write leaves a
history row with its source, keeps `hs_unique` in step and moves the modified date; associations don't
move it. An archived record holds no unique value, so a new record may take its key.

Facts: HubSpot, "Object APIs" and "Restore deleted records", read 2026-11-23.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import orjson

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.call import CALCULATED, Actor, Call
from migrate.sandbox.hubspot.catalog import Spec
from migrate.sandbox.hubspot.errors import ApiError, bad_values, not_found
from migrate.sandbox.hubspot.values import iso

BIN_DAYS: Final = 90
COLUMNS = "id, kind, properties, created, updated, archived, archived_at, merged_into, purged"
Key = tuple[str, str]  # unique property and value


@dataclass(slots=True)
class Record:
    """One record as stored; `properties` holds no nulls."""

    id: int
    kind: str
    properties: dict[str, str]
    created: str
    updated: str
    archived: bool = False
    archived_at: str | None = None
    merged_into: int | None = None
    purged: bool = False


@dataclass(slots=True)
class Draft:
    """A checked record that isn't stored yet."""

    values: dict[str, str]
    calculated: dict[str, str]
    keys: set[Key]
    links: list[tuple[str, int, list[Spec]]] = field(default_factory=list)
    trace: str | None = None
    id: int | None = None
    created: str | None = None


def _of(row: Sequence[Any]) -> Record:
    return Record(
        row[0], row[1], orjson.loads(row[2]), row[3], row[4], bool(row[5]), row[6], row[7], bool(row[8])
    )


def fetch(sql: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Record]:
    """Records by id, archived and merged ones too."""
    wanted = list(dict.fromkeys(ids))
    found: dict[int, Record] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        for row in sql.execute(f"SELECT {COLUMNS} FROM hs_record WHERE id IN ({marks})", part):
            found[row[0]] = _of(row)
    return found


def rows(sql: sqlite3.Connection, where: str, arguments: Sequence[Any]) -> Iterable[Record]:
    """Records by a condition of this package's own making."""
    for row in sql.execute(f"SELECT {COLUMNS} FROM hs_record WHERE {where}", arguments):
        yield _of(row)


def gone(call: Call, record: Record) -> bool:
    """Whether an archived record has lain in the bin for longer than HubSpot keeps it."""
    return record.archived_at is not None and record.archived_at < iso(call.now - timedelta(days=BIN_DAYS))


def resolve(sql: sqlite3.Connection, kind: str, ids: Iterable[int]) -> dict[int, Record]:
    """Unpurged records of one type by id; a merged id leads to the survivor."""
    found = fetch(sql, ids)
    for id, record in list(found.items()):
        hop = record
        while hop.merged_into is not None:
            hop = fetch(sql, [hop.merged_into])[hop.merged_into]
        found[id] = hop
    return {id: record for id, record in found.items() if record.kind == kind and not record.purged}


def keyed(call: Call, kind: str, name: str, values: Iterable[str]) -> dict[str, int]:
    """Ids of live records by the values of a unique property."""
    wanted = list(dict.fromkeys(values))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        query = f"SELECT value, record FROM hs_unique WHERE kind = ? AND name = ? AND value IN ({marks})"
        found.update(call.sql.execute(query, (kind, name, *part)).fetchall())
    return found


def keys_of(call: Call, kind: str, properties: dict[str, str]) -> set[Key]:
    """Unique values that a record holds; a contact's additional addresses count as its e-mail."""
    held = {(name, properties[name]) for name in call.catalog.unique(kind) if properties.get(name)}
    if kind == "contacts" and properties.get("hs_additional_emails"):
        held |= {("email", address) for address in properties["hs_additional_emails"].split(";") if address}
    return held


def holders(call: Call, kind: str, keys: Iterable[Key]) -> dict[Key, int]:
    """Ids of the live records that hold unique values."""
    by_name: dict[str, list[str]] = {}
    for name, value in keys:
        by_name.setdefault(name, []).append(value)
    return {
        (name, value): id
        for name, values in by_name.items()
        for value, id in keyed(call, kind, name, values).items()
    }


def refuse_conflict(
    call: Call, kind: str, keys: set[Key], held: dict[Key, int], own: int | None = None
) -> None:
    """Raise HubSpot's refusal when another live record holds one of the keys."""
    for key in sorted(keys):
        other = held.get(key)
        if other is None or other == own:
            continue
        name, value = key
        if other < 0:  # two new rows of one request
            message = f"Duplicate values found in batch input: [{value}]"
            raise ApiError(400, message, sub="CONFLICTING_UNIQUE_VALUE")
        if name == "email" and kind == "contacts":
            raise ApiError(409, f"Contact already exists. Existing ID: {other}", "CONFLICT")
        raise bad_values(
            [
                {
                    "name": name,
                    "error": "CONFLICTING_UNIQUE_VALUE",
                    "message": f"{value} is already held by the record with id {other}.",
                }
            ],
            call.catalog.portal_id,
        )


def history(call: Call, rows: Iterable[tuple[int, Actor, dict[str, str | None]]]) -> None:
    """Append versions: (record, who, changed values)."""
    call.sql.executemany(
        "INSERT INTO hs_history (record, at, source, source_id, user, changes) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (id, call.stamp, actor.source, actor.source_id, actor.user, orjson.dumps(changes).decode())
            for id, actor, changes in rows
            if changes
        ],
    )


def soon(call: Call, ids: Iterable[int]) -> None:
    """Let search see the records after the index's lag; seeds are seen at once."""
    low, high = call.settings["index_lag"]
    now = call.now.timestamp()
    call.sql.executemany(
        "INSERT INTO hs_pending VALUES (?, ?)",
        [(0.0 if call.quiet else now + call.rng.uniform(low, high), id) for id in ids],
    )


def insert(call: Call, kind: str, drafts: Sequence[Draft]) -> list[Record]:
    """Store new records with history, unique values and the marks of who made them."""
    told = call.catalog.kinds[kind]
    fresh = iter(tables.take_ids(call.sql, sum(1 for draft in drafts if draft.id is None)))
    marks = {
        "hs_createdate": call.stamp,
        told.created: call.stamp,
        told.modified: call.stamp,
        "hs_object_source": call.actor.origin,
        "hs_object_source_id": call.actor.source_id,
        "hs_object_source_label": call.actor.label or call.actor.origin,
    }
    if call.actor.user is not None:
        marks |= dict.fromkeys(
            ("hs_created_by_user_id", "hs_updated_by_user_id", "hs_object_source_user_id"),
            str(call.actor.user),
        )
    made: list[Record] = []
    versions: list[tuple[int, Actor, dict[str, str | None]]] = []
    for draft in drafts:
        id = next(fresh) if draft.id is None else draft.id
        dates = {told.created: draft.created, "hs_createdate": draft.created} if draft.created else {}
        properties = {**marks, **dates, **draft.values, **draft.calculated, "hs_object_id": str(id)}
        made.append(Record(id, kind, properties, draft.created or call.stamp, properties[told.modified]))
        versions.append((id, call.actor, dict(draft.values)))
        versions.append((id, CALCULATED, dict(draft.calculated)))
    call.sql.executemany(
        "INSERT INTO hs_record (id, kind, properties, created, updated) VALUES (?, ?, ?, ?, ?)",
        [(r.id, kind, orjson.dumps(r.properties).decode(), r.created, r.updated) for r in made],
    )
    call.sql.executemany(
        "INSERT INTO hs_unique VALUES (?, ?, ?, ?)",
        [(kind, *key, r.id) for r, draft in zip(made, drafts, strict=True) for key in draft.keys],
    )
    history(call, versions)
    soon(call, [record.id for record in made])
    for record in made:
        call.log("create", kind, str(record.id), None, record.properties)
    return made


def change(
    call: Call, changes: Sequence[tuple[Record, dict[str, str | None], dict[str, str | None]]]
) -> None:
    """Store changes of live records: (record, values, calculated values). Records are changed in place.

    A write that changes nothing leaves no version; whether it moves the modified date is the setting
    `touch_unchanged`.
    """
    stored: list[Record] = []
    versions: list[tuple[int, Actor, dict[str, str | None]]] = []
    for record, values, calculated in changes:
        before = record.properties
        differing = {n: v for n, v in values.items() if before.get(n) != v}
        derived = {n: v for n, v in calculated.items() if before.get(n) != v}
        if not (differing or derived or call.settings["touch_unchanged"]):
            continue
        after: dict[str, str | None] = {**before, **differing, **derived}
        after[call.catalog.kinds[record.kind].modified] = call.stamp
        after["hs_updated_by_user_id"] = None if call.actor.user is None else str(call.actor.user)
        record.properties = {n: v for n, v in after.items() if v is not None}
        record.updated = call.stamp
        old, new = keys_of(call, record.kind, before), keys_of(call, record.kind, record.properties)
        for name, value in old - new:
            call.sql.execute(
                "DELETE FROM hs_unique WHERE kind = ? AND name = ? AND value = ?", (record.kind, name, value)
            )
        for name, value in new - old:
            call.sql.execute(
                "INSERT INTO hs_unique VALUES (?, ?, ?, ?)", (record.kind, name, value, record.id)
            )
        stored.append(record)
        versions += [(record.id, call.actor, differing), (record.id, CALCULATED, derived)]
        call.log("update", record.kind, str(record.id), before, record.properties)
    call.sql.executemany(
        "UPDATE hs_record SET properties = ?, updated = ? WHERE id = ?",
        [(orjson.dumps(r.properties).decode(), r.updated, r.id) for r in stored],
    )
    history(call, versions)
    soon(call, [record.id for record in stored])


def mirror(call: Call, id: int, name: str, value: int | None) -> None:
    """Set a property that only reflects an association; the modified date stays."""
    if value is None:
        query = "UPDATE hs_record SET properties = json_remove(properties, ?) WHERE id = ?"
        call.sql.execute(query, (f"$.{name}", id))
    else:
        query = "UPDATE hs_record SET properties = json_set(properties, ?, ?) WHERE id = ?"
        call.sql.execute(query, (f"$.{name}", str(value), id))


def archive(call: Call, kind: str, ids: Iterable[int]) -> int:
    """Put live records into the recycle bin; unknown and archived ids are passed over."""
    live = [r for r in fetch(call.sql, ids).values() if r.kind == kind and not r.archived]
    for record in live:
        record.archived_at = call.stamp
        call.sql.execute(
            "UPDATE hs_record SET archived = 1, archived_at = ? WHERE id = ?", (call.stamp, record.id)
        )
        call.sql.execute("DELETE FROM hs_unique WHERE record = ?", (record.id,))
        call.log("delete", kind, str(record.id), record.properties, None)
    return len(live)


def restore(call: Call, kind: str, id: int) -> Record:
    """Take a record out of the recycle bin, as only a person in HubSpot's pages can.

    Raises:
        ApiError: it isn't in the bin, or a live record holds its unique value.
    """
    record = fetch(call.sql, [id]).get(id)
    binned = record is not None and record.kind == kind and record.archived and not gone(call, record)
    if record is None or not binned or record.merged_into or record.purged:
        raise not_found(call.catalog.kinds[kind].singular, [str(id)])
    keys = keys_of(call, kind, record.properties)
    refuse_conflict(call, kind, keys, holders(call, kind, keys))
    call.sql.execute("UPDATE hs_record SET archived = 0, archived_at = NULL WHERE id = ?", (id,))
    call.sql.executemany("INSERT INTO hs_unique VALUES (?, ?, ?, ?)", [(kind, *key, id) for key in keys])
    record.archived, record.archived_at = False, None
    soon(call, [id])
    call.log("undelete", kind, str(id), None, record.properties)
    return record


def purge(call: Call, record: Record) -> None:
    """Delete for good: values and history go, only the bare row stays for oracles."""
    before = record.properties
    call.sql.execute(
        "UPDATE hs_record SET archived = 1, purged = 1, archived_at = ?, properties = '{}' WHERE id = ?",
        (call.stamp, record.id),
    )
    for table, column in (
        ("hs_unique", "record"),
        ("hs_history", "record"),
        ("hs_index", "id"),
        ("hs_link", "from_id"),
        ("hs_link", "to_id"),
    ):
        call.sql.execute(f"DELETE FROM {table} WHERE {column} = ?", (record.id,))
    call.log("delete", record.kind, str(record.id), before, None, "gdpr")


def versions(
    call: Call, ids: Sequence[int], names: Sequence[str], most: int
) -> dict[int, dict[str, list[Any]]]:
    """Versions of properties, newest first, at most `most` of each."""
    found: dict[int, dict[str, list[Any]]] = {id: {name: [] for name in names} for id in ids}
    labels = {"CRM_UI": "", "INTEGRATION": "App "}
    marks = ",".join("?" * len(ids))
    query = (
        "SELECT record, at, source, source_id, user, changes FROM hs_history "
        f"WHERE record IN ({marks}) ORDER BY seq DESC"
    )
    for record, at, source, source_id, person, text in call.sql.execute(query, list(ids)):
        changes = orjson.loads(text)
        for name in names:
            if name in changes and len(found[record][name]) < most:
                version = {
                    "value": changes[name] or "",
                    "timestamp": at,
                    "sourceType": source,
                    "sourceId": source_id,
                }
                if source in labels:
                    version["sourceLabel"] = labels[source] + source_id
                if person is not None:
                    version["updatedByUserId"] = person
                found[record][name].append(version)
    return found
