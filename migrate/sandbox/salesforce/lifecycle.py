"""What happens when records are deleted, brought back or merged?

A deletion is soft: the record and what cascades from it stay in the recycle bin for
15 days, other references to it are emptied, and a restricted one refuses the whole.
Bringing back revives what went together, but no emptied reference. A merge deletes
the losers with `MasterRecordId` set and moves their children to the master
(Salesforce, SOAP API `delete()`, `undelete()`, `merge()`, read 2026-11-23). There is
no REST verb for the last two: acting users do them.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from migrate.sandbox.salesforce import effects, files
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.dml import existing, write
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import accept, instant

BIN_DAYS = 15
Doomed = dict[tuple[str, str], tuple[SObject, Record]]  # object and id -> the record


def delete(call: Call, item: SObject, id: str, *, hard: bool = False) -> str:
    """Delete one record with all that cascades from it; returns its 18-character id.

    Raises:
        Refusal: `DELETE_FAILED` when a live record refers to it by a restricted lookup.
    """
    record = existing(call, item, id)
    if not item.flags.get("deletable", True):
        raise Refusal("CANNOT_DELETE_ENTITY", f"entity type cannot be deleted: {item.label}", status=405)
    if not call.rights.may(item.name, "delete"):
        raise Refusal(
            "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403
        )
    if hard and not call.rights.has("PermissionsBulkApiHardDelete"):
        raise Refusal("FUNCTIONALITY_NOT_ENABLED", "hardDelete permission is not enabled for this user")
    effects.deletes(call, item, record)
    doomed: Doomed = {(item.name, record["Id"]): (item, record)}
    emptied: list[tuple[SObject, str, str]] = []
    _gather(call, item, record, doomed, emptied)
    for child, field, child_id in emptied:
        if (child.name, child_id) in doomed:
            continue
        other = call.records.get(child.name, child_id)
        if other is not None:
            write(call, child, other, {field: None}, check=False)
    stamp = call.stamp()
    for (_, doomed_id), (kind, row) in doomed.items():
        before = dict(row)
        row["LastModifiedDate"] = row["SystemModstamp"] = stamp
        row["LastModifiedById"] = call.actor
        if hard:
            call.records.purge(kind, before)
        else:
            call.records.bin(kind, row, stamp, record["Id"])
        call.forget(doomed_id)
        note = "" if kind is item and doomed_id == record["Id"] else f"cascade of {record['Id']}"
        call.tx.log(
            actor=call.actor, op="delete", object=kind.name, id=doomed_id, before=before, after=None,
            note=("hard " + note).strip() if hard else note,
        )  # fmt: skip
    effects.deleted(call, item, record)
    return str(record["Id"])


def _gather(
    call: Call, parent: SObject, record: Record, doomed: Doomed, emptied: list[tuple[SObject, str, str]]
) -> None:
    id = record["Id"]
    twin = files.twin(call, parent, record)
    if twin is not None and (twin[0].name, id) not in doomed and not twin[1].get("IsDeleted"):
        doomed[twin[0].name, id] = twin
    for object, name, child_id in call.records.children(id):
        item = call.schema.get(object)
        field = item.fields.get(name) if item else None
        if item is None or field is None or (object, child_id) in doomed:
            continue
        child = call.records.get(object, child_id)
        if child is None or child.get("IsDeleted"):
            continue
        if field.restricted:
            raise Refusal(
                "DELETE_FAILED",
                f"Your attempt to delete the record could not be completed because it is associated with the "
                f"following {item.plural.lower()}: {child.get('Name') or child_id}",
                [],
            )
        if field.cascade:
            doomed[object, child_id] = (item, child)
            _gather(call, item, child, doomed, emptied)
        elif name != "MasterRecordId":
            emptied.append((item, name, child_id))


def undelete(call: Call, item: SObject, id: str) -> str:
    """Bring one record back, with everything that went into the bin together with it.

    Raises:
        Refusal: it isn't in the bin (any more).
    """
    full = normal_id(id) or id
    record = call.records.get(item.name, full)
    if record is None or not record.get("IsDeleted"):
        raise Refusal("UNDELETE_FAILED", "entity is not in the recycle bin")
    if record.get("MasterRecordId"):
        raise Refusal("UNDELETE_FAILED", "entity was merged away")
    stamp = call.stamp()
    together = call.records.deleted_with(full) or [(item.name, full)]
    for object, child_id in together:
        kind, row = call.object(object), call.records.get(object, child_id)
        if row is None:
            continue
        before = dict(row)
        row["LastModifiedDate"] = row["SystemModstamp"] = stamp
        row["LastModifiedById"] = call.actor
        call.records.bin(kind, row, None, None)
        call.forget(child_id)
        note = "" if child_id == full else f"together with {full}"
        call.tx.log(
            actor=call.actor, op="undelete", object=object, id=child_id, before=before, after=row, note=note
        )
    return full


def merge(call: Call, item: SObject, master: str, losers: Sequence[str], fields: Mapping[str, Any]) -> str:
    """Merge up to two losers into the master.

    Raises:
        Refusal: the object doesn't merge, or a record is missing.
    """
    if not item.flags.get("mergeable"):
        raise Refusal("INVALID_TYPE", f"entity type does not support merge: {item.name}")
    if not 1 <= len(losers) <= 2:
        raise Refusal("INVALID_NUMBER_OF_RECORDS", "merge takes one or two records besides the master")
    winner = existing(call, item, master)
    for loser_id in losers:
        loser = existing(call, item, loser_id)
        if loser["Id"] == winner["Id"]:
            raise Refusal("INVALID_ID", "the master cannot be merged into itself")
        for object, name, child_id in call.records.children(loser["Id"]):
            kind, child = call.object(object), call.records.get(object, child_id)
            if child is not None and name != "MasterRecordId":
                # No record is its own parent: a master that hung under the loser hangs nowhere.
                parent = None if child_id == winner["Id"] else winner["Id"]
                write(call, kind, child, {name: parent}, check=False)
        before, stamp = dict(loser), call.stamp()
        loser["MasterRecordId"] = winner["Id"]
        loser["LastModifiedDate"] = loser["SystemModstamp"] = stamp
        loser["LastModifiedById"] = call.actor
        call.records.put(item, loser, before)
        call.records.bin(item, loser, stamp, loser["Id"])
        call.forget(loser["Id"])
        call.tx.log(
            actor=call.actor, op="merge", object=item.name, id=loser["Id"], before=before, after=loser,
            note=f"into {winner['Id']}",
        )  # fmt: skip
    kept = {name: accept(item.fields[name], value) for name, value in fields.items()}
    write(call, item, existing(call, item, master), kept, check=False)
    return str(winner["Id"])


def empty_old(call: Call) -> None:
    """Purge what has lain in the recycle bin for more than 15 days; looked at once an hour."""
    hour = call.now.strftime("%Y-%m-%dT%H")
    if call.records.state("bin-hour") == hour:
        return
    call.records.set_state("bin-hour", hour)
    horizon = instant(call.now - timedelta(days=BIN_DAYS))
    rows = call.tx.sql.execute(
        "SELECT object, id FROM sf_record WHERE deleted_at IS NOT NULL AND deleted_at < ?", (horizon,)
    ).fetchall()
    for object, id in rows:
        item, record = call.schema.get(object), call.records.get(object, id)
        if item is not None and record is not None:
            call.records.purge(item, record)
