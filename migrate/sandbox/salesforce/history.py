"""Which rows of history does the platform write when a record changes?

An opportunity's stage history always: one row at the start, one whenever amount, close
date, probability or stage changes. A field's history where the org tracks the field
(setting `tracked_fields`): `created` at the start, then a row for each change, two for
a reference, with names and with ids; long texts and lists of values are named without
their values (Salesforce, Object Reference "StandardObjectNameHistory",
"OpportunityHistory", "EntityHistory", read 2026-11-26).
"""

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import Field, SObject
from migrate.sandbox.salesforce.standard_activities import HISTORIES
from migrate.sandbox.salesforce.values import plain_truth

_STAGED = ("Amount", "CloseDate", "Probability", "StageName")
_KEPT = ("StageName", "Amount", "ExpectedRevenue", "CloseDate", "Probability", "ForecastCategory")
_TYPES = {
    "boolean": "Boolean", "combobox": "DynamicEnum", "currency": "Currency", "date": "DateOnly",
    "datetime": "DateTime", "double": "Double", "email": "Email", "int": "Integer", "long": "Integer",
    "multipicklist": "MultiEnum", "percent": "Percent", "phone": "Phone", "picklist": "DynamicEnum",
    "textarea": "TextArea", "url": "Url",
}  # fmt: skip


def track(call: Call, item: SObject, record: Record, before: Record | None) -> None:
    """Write the rows that a change leaves behind."""
    if not call.automations.get("field_history", True):
        return
    if item.name == "Opportunity" and (
        before is None or any(before.get(name) != record.get(name) for name in _STAGED)
    ):
        values = {name: record[name] for name in _KEPT if name in record}
        for name, old in (("PrevAmount", "Amount"), ("PrevCloseDate", "CloseDate")):
            if before is not None and old in before:
                values[name] = before[old]
        _row(call, "OpportunityHistory", {"OpportunityId": record["Id"], **values})
    tracked = call.settings.get("tracked_fields", {}).get(item.name)
    if not tracked or item.name not in HISTORIES:
        return
    history, key = HISTORIES[item.name]
    if before is None:
        _row(call, history, {key: record["Id"], "Field": "created", "DataType": "Text"})
        return
    for name in tracked:
        field = item.fields.get(name)
        if field is not None and before.get(name) != record.get(name):
            for row in _changes(call, field, before.get(name), record.get(name)):
                _row(call, history, {key: record["Id"], **row})


def _changes(call: Call, field: Field, old: Any, new: Any) -> list[dict[str, Any]]:
    if field.kind == "reference":
        name = field.name if field.custom else field.name.removesuffix("Id")
        names = {"OldValue": _name(call, old), "NewValue": _name(call, new)}
        ids = {"OldValue": old, "NewValue": new}
        return [
            {"Field": name, "DataType": kind, **values}
            for kind, values in (("Text", names), ("EntityId", ids))
        ]
    row: dict[str, Any] = {"Field": field.name, "DataType": _TYPES.get(field.kind, "Text")}
    if not field.long_text and field.kind != "multipicklist":
        row |= {"OldValue": plain_truth(field, old), "NewValue": plain_truth(field, new)}
    return [row]


def _name(call: Call, id: str | None) -> Any:
    found = call.parent(id)
    return None if found is None else found.get("Name") or found.get("Subject") or found.get("Title")


def _row(call: Call, history: str, given: Mapping[str, Any]) -> None:
    item = call.schema.objects[history]
    stamp = call.stamp()
    row = {name: value for name, value in given.items() if value is not None}
    row |= {"IsDeleted": False, "CreatedDate": stamp, "CreatedById": call.actor, "SystemModstamp": stamp}
    row["Id"] = call.records.new_id(str(item.prefix))
    call.records.put(item, row)
    call.tx.log(
        actor=call.actor, op="create", object=history, id=row["Id"], before=None, after=row, note="history"
    )
