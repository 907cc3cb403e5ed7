"""Who sees a field that was made through the Metadata API? Nobody, until a permission set says so.

A field made there comes without field-level security: it is invisible to every user, administrators
too, until a permission set that is assigned to the user (or its profile) grants it; required fields and
master-detail ones are visible to all and can't be granted (Salesforce, Metadata API "Field-Level
Security", Object Reference "FieldPermissions", read 2026-11-26). Fields of a seed are visible, as in an
org whose profiles list them.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.records import Record, Records
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.standard_rights import OBJECTS

Narrowing = tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]
SECURED, MARK = "secured-fields", "grants"


def secure(call: Call, object: str, field: str, *, wanted: bool = True) -> None:
    """Put a field under security, or take it out of it."""
    stored: dict[str, list[str]] = call.records.state(SECURED) or {}
    names = set(stored.get(object, ())) - {field}
    stored[object] = sorted(names | {field} if wanted else names)
    call.records.set_state(SECURED, stored)
    touched(call)


def forget(call: Call, path: str) -> None:
    """What grants a field (`Object.Field`) or an object goes with it."""
    for table, column in (("FieldPermissions", "Field"), ("ObjectPermissions", "SobjectType")):
        item = call.schema.objects[table]
        for row in list(call.records.scan(table, deleted=False)):
            if row[column] == path or str(row[column]).startswith(f"{path}."):
                call.records.purge(item, row)
    touched(call)


def touched(call: Call) -> None:
    """Somebody's rights have changed."""
    call.records.set_state(MARK, secrets.token_hex(8))


def hidden(records: Records, user: str) -> Narrowing:
    """By object, the secured fields that this user doesn't see, and those that it may only read."""
    stored: Mapping[str, list[str]] = records.state(SECURED) or {}
    if not any(stored.values()):
        return {}, {}
    sets = {
        row["PermissionSetId"]
        for row in records.scan("PermissionSetAssignment", deleted=False)
        if row["AssigneeId"] == user
    }
    read: set[str] = set()
    edit: set[str] = set()
    for row in records.scan("FieldPermissions", deleted=False):
        if row["ParentId"] in sets:
            read |= {row["Field"]} if row.get("PermissionsRead") else set()
            edit |= {row["Field"]} if row.get("PermissionsEdit") else set()
    unseen = {
        object: frozenset(name for name in names if f"{object}.{_granted(name)}" not in read)
        for object, names in stored.items()
    }
    fixed = {
        object: frozenset(name for name in names if f"{object}.{_granted(name)}" in read - edit)
        for object, names in stored.items()
    }
    return unseen, fixed


def _granted(field: str) -> str:
    """The field whose grant holds for this one: of a geolocation's numbers the geolocation's."""
    return re.sub("__(Latitude|Longitude)__s$", "__c", field)


def before(call: Call, item: SObject, record: Record, old: Record | None) -> None:
    """Check a grant that is to be written.

    Raises:
        Refusal: there is no such field, it can't be granted, or there is such a row already.
    """
    if item.name not in OBJECTS:
        return
    same: tuple[str, ...] = ()
    match item.name:
        case "PermissionSet":
            record["IsCustom"] = True
            same = ("Name",)
        case "PermissionSetAssignment":
            record["IsActive"] = True
            same = ("PermissionSetId", "AssigneeId")
        case "FieldPermissions":
            _field(call, record)
            same = ("ParentId", "Field")
        case "ObjectPermissions":
            if call.schema.get(str(record["SobjectType"])) is None:
                raise _unknown("Sobject Type Name", record["SobjectType"], "SobjectType")
            same = ("ParentId", "SobjectType")
    if old is not None:
        return
    for other in call.records.scan(item.name, deleted=False):
        if all(other.get(name) == record.get(name) for name in same):
            raise Refusal(
                "DUPLICATE_VALUE",
                f"duplicate value found: {same[-1]} duplicates value on record with id: {other['Id']}",
                [],
            )


def _field(call: Call, record: Record) -> None:
    object, _, name = str(record["Field"]).partition(".")
    item = call.schema.get(object)
    field = item.field(name) if item is not None else None
    grantable = field is not None and field.describe["permissionable"]
    if item is None or not grantable or item.name != record["SobjectType"]:
        raise _unknown("Field Name", record["Field"], "Field")
    if record.get("PermissionsEdit") and not record.get("PermissionsRead"):
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "Permission Edit depends on permission(s): Read", [])


def _unknown(label: str, value: Any, field: str) -> Refusal:
    return Refusal(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"{label}: bad value for restricted picklist field: {value}",
        [field],
    )
