"""How does the platform itself write a record, without asking anybody?

For what follows from a user's write: a document behind a first version, a task behind
an e-mail, a row of history. The same log as every other write.
"""

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.derive import derive
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import initial


def insert(call: Call, item: SObject, given: Mapping[str, Any], *, note: str = "") -> Record:
    """Write a new record with kept values; what isn't given has its default."""
    stamp = call.stamp()
    record: Record = {"IsDeleted": False}
    for field in item.fields.values():
        value = given.get(field.name, initial(field))
        if value is not None and field.name != "Id":
            record[field.name] = value
    record.setdefault("CreatedDate", stamp)
    record.setdefault("CreatedById", call.actor)
    record.setdefault("LastModifiedDate", record["CreatedDate"])
    record.setdefault("LastModifiedById", record["CreatedById"])
    record["SystemModstamp"] = stamp
    if "OwnerId" in item.fields:
        record.setdefault("OwnerId", call.actor)
    derive(call, item, record, None)
    record["Id"] = given.get("Id") or call.records.new_id(str(item.prefix))
    call.records.put(item, record)
    call.tx.log(
        actor=call.actor, op="create", object=item.name, id=record["Id"], before=None, after=record, note=note
    )
    return record


def change(call: Call, item: SObject, before: Record, values: Mapping[str, Any], *, note: str = "") -> Record:
    """Lay kept values over a record; None takes a value away."""
    record = {**before, **values}
    for name, value in values.items():
        if value is None:
            record.pop(name)
    if record == before:
        return before
    stamp = call.stamp()
    record["LastModifiedDate"] = record["SystemModstamp"] = stamp
    record["LastModifiedById"] = call.actor
    call.records.put(item, record, before)
    call.forget(record["Id"])
    call.tx.log(
        actor=call.actor, op="update", object=item.name, id=record["Id"],
        before=before, after=record, note=note,
    )  # fmt: skip
    return record
