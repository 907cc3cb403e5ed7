"""How is a record created and changed, and what is refused?

Every write passes here: REST rows, collections, bulk ingest and acting users. Checks
run in the vendor's spirit and with its texts: known columns, writeable columns,
values, references, required fields, owners, restricted lists by record type,
uniqueness, then the org's own rules. Audit fields are taken on insert alone, and
only with the permission (Salesforce, "Set Audit Fields upon Record Creation", help
article 000386065, read 2026-11-23); `SystemModstamp` is always the server's.
"""

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce import effects, files, org_automations, org_rules
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.derive import derive
from migrate.sandbox.salesforce.errors import Refusal, no_such_column
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import AUDIT, Field, SObject
from migrate.sandbox.salesforce.values import accept, bad_choice, initial

NULL_CELL = "#N/A"
_LOOPS = ("ParentId", "ReportsToId", "ManagerId")


def create(
    call: Call, item: SObject, given: Mapping[str, Any], *, csv: bool = False, upsert: bool = False
) -> str:
    """Insert one record and return its id.

    Args:
        given: field names (any case) or relationships to values; `csv`: values are cells.
        upsert: audit fields are refused even with the permission.

    Raises:
        Refusal: nothing was written.
    """
    if not item.flags.get("createable", True):
        raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {item.label}")
    if not call.rights.may(item.name, "create"):
        raise Refusal(
            "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403
        )
    given, lists = effects.lists_of(call, item, given)
    values = _values(call, item, given, csv=csv, insert=True, upsert=upsert)
    stamp = call.stamp()
    record: Record = {"Id": "", "IsDeleted": False}
    for field in item.fields.values():
        value = values[field.name] if field.name in values else initial(field)
        if value is None and field.kind == "boolean":
            value = False
        if value is not None and field.name != "Id":
            record[field.name] = value
    _own_defaults(call, item, record, values)
    record["CreatedDate"] = values.get("CreatedDate") or stamp
    record["CreatedById"] = values.get("CreatedById") or call.actor
    record["LastModifiedDate"] = values.get("LastModifiedDate") or values.get("CreatedDate") or stamp
    record["LastModifiedById"] = values.get("LastModifiedById") or call.actor
    if record["LastModifiedDate"] < record["CreatedDate"]:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "Last Modified Date must not be before Created Date",
            ["LastModifiedDate"],
        )
    if record["CreatedDate"] > stamp:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "Created Date must not be in the future", ["CreatedDate"])
    record["SystemModstamp"] = stamp
    _check(call, item, record, None, set(values))
    derive(call, item, record, None)
    effects.before(call, item, record, None, set(values), lists)
    org_automations.before(call, item, record, None)
    org_rules.rules(call, item, record)
    org_rules.storage(call, item, record)
    record["Id"] = record["Id"] or call.records.new_id(str(item.prefix))
    call.records.put(item, record)
    call.tx.log(actor=call.actor, op="create", object=item.name, id=record["Id"], before=None, after=record)
    _only_primary(call, item, record)
    effects.after(call, item, record, None, lists)
    org_automations.after(call, item, record, None, create)
    return str(record["Id"])


def update(
    call: Call, item: SObject, id: str, given: Mapping[str, Any], *, csv: bool = False, upsert: bool = False
) -> str:
    """Change the given fields of one record and return its 18-character id.

    Raises:
        Refusal: nothing was written.
    """
    before = existing(call, item, id)
    if not item.flags.get("updateable", True):
        raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be updated: {item.label}")
    if not call.rights.may(item.name, "edit"):
        raise Refusal(
            "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403
        )
    given, lists = effects.lists_of(call, item, given)
    values = _values(call, item, given, csv=csv, insert=False, upsert=upsert)
    return write(call, item, before, values, lists=lists)


def write(
    call: Call,
    item: SObject,
    before: Record,
    values: Mapping[str, Any],
    *,
    check: bool = True,
    lists: effects.Lists | None = None,
) -> str:
    """Lay kept values over a record, with the platform's own consequences."""
    record = dict(before)
    for name, value in values.items():
        if value is None:
            record.pop(name, None)
            if item.fields[name].kind == "boolean":
                record[name] = False
        else:
            record[name] = value
    if "ContactId" in values and item.name == "OpportunityContactRole" and not values["ContactId"]:
        raise Refusal("REQUIRED_FIELD_MISSING", "Required fields are missing: [ContactId]", ["ContactId"])
    stamp = call.stamp()
    record["LastModifiedDate"] = record["SystemModstamp"] = stamp
    record["LastModifiedById"] = call.actor
    if check:
        _check(call, item, record, before, set(values))
    derive(call, item, record, before)
    if check:
        effects.before(call, item, record, before, set(values), lists or {})
        org_automations.before(call, item, record, before)
        org_rules.rules(call, item, record)
    call.records.put(item, record, before)
    call.forget(record["Id"])
    call.tx.log(actor=call.actor, op="update", object=item.name, id=record["Id"], before=before, after=record)
    _only_primary(call, item, record)
    effects.after(call, item, record, before, lists or {})
    return str(record["Id"])


def existing(call: Call, item: SObject, id: str) -> Record:
    """The live record of that id.

    Raises:
        Refusal: `MALFORMED_ID`, `NOT_FOUND` or `ENTITY_IS_DELETED`.
    """
    full = normal_id(id)
    if full is None or (item.prefix and full[:3] != item.prefix):
        raise Refusal("MALFORMED_ID", f"malformed id {id}")
    found = call.records.get(item.name, full)
    if found is None:
        raise Refusal("NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + id)
    if found.get("IsDeleted"):
        raise Refusal("ENTITY_IS_DELETED", "entity is deleted")
    return found


def upsert(
    call: Call,
    item: SObject,
    key: Field,
    value: Any,
    given: Mapping[str, Any],
    *,
    csv: bool = False,
    only: bool = False,
) -> tuple[str, bool]:
    """Create or change by external id: the id, and whether it was created.

    Raises:
        Refusal: `DUPLICATE_EXTERNAL_ID` when several match; anything that a write raises.
    """
    wanted = accept(key, value, csv=csv)
    if wanted is None:
        raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", [])
    found = call.records.by_key(item, key, wanted)
    if len(found) > 1:
        raise Refusal(
            "DUPLICATE_EXTERNAL_ID",
            f"{key.name}: more than one record found for external id field: [{', '.join(found)}]",
        )
    rest = {name: cell for name, cell in given.items() if name.lower() != key.name.lower()}
    if found:
        return update(call, item, found[0], rest, csv=csv, upsert=True), False
    if only:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    return create(call, item, {**rest, key.name: value}, csv=csv, upsert=True), True


def upsert_key(call: Call, item: SObject, name: str) -> Field:
    """The external-id field of that name.

    Raises:
        Refusal: 404 `NOT_FOUND` when there is none that may serve.
    """
    field = item.field(name)
    serves = field is not None and (field.describe["externalId"] or field.describe["idLookup"])
    if field is None or not serves or not call.rights.sees(item.name, field.name) or field.name == "Id":
        raise Refusal("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _values(
    call: Call, item: SObject, given: Mapping[str, Any], *, csv: bool, insert: bool, upsert: bool
) -> dict[str, Any]:
    """Given names and values as field names and kept values."""
    values: dict[str, Any] = {}
    locked: list[str] = []
    for name, value in given.items():
        if name == "attributes" or name.lower() == "id":
            continue
        if csv and value == "":
            continue  # an empty cell leaves the field as it is; `#N/A` empties it
        field = item.field(name)
        if csv and value == NULL_CELL:
            value = None
        if field is None or not call.rights.sees(item.name, field.name):
            reference = item.relations.get(name.partition(".")[0].split(":")[-1].lower())
            if reference is None or not ("." in name or isinstance(value, dict)):
                raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {item.name}", [])
            field = reference
            value = _by_external_id(call, reference, name, value, csv=csv)
        if not _writeable(call, item, field, insert=insert, upsert=upsert):
            locked.append(field.name)
            continue
        kept = accept(field, value, csv=csv)
        values[field.name] = files.keep(call, field, kept) if field.kind == "base64" else kept
    if locked:
        raise Refusal(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(sorted(locked))}. Please check the security "
            "settings of this field and verify that it is read/write for your profile or permission set.",
            sorted(locked),
        )
    return values


def _writeable(call: Call, item: SObject, field: Field, *, insert: bool, upsert: bool) -> bool:
    if call.rights.reads_only(item.name, field.name):
        return False
    if field.name in AUDIT:
        return insert and not upsert and call.rights.audits and item.audited
    return field.createable if insert else field.updateable


def _by_external_id(call: Call, reference: Field, name: str, value: Any, *, csv: bool) -> str | None:
    """`Account.Ext__c` with a cell, or `Account` with `{"Ext__c": …}`, as the id it means."""
    target = reference.targets[0]
    if csv or "." in name:
        relation, _, column = name.partition(".")
        if ":" in relation:
            target = relation.partition(":")[0]
    else:
        columns = [key for key in value if key != "attributes"]
        named = value.get("attributes", {})
        if len(columns) != 1 or not isinstance(named, dict):
            raise Refusal(
                "INVALID_FIELD", f"The external foreign key reference does not reference one field: {name}"
            )
        target = str(named.get("type", target))
        column, value = columns[0], value[columns[0]]
    if value is None:
        return None
    parent = call.object(target)
    key = parent.field(column)
    if key is None or not call.rights.sees(parent.name, key.name):
        raise no_such_column(column, parent.name)
    if key.name == "Id":
        return str(value)
    found = call.records.by_key(parent, key, accept(key, value, csv=csv))
    if len(found) != 1:
        what = "not found" if not found else "is not unique"
        raise Refusal(
            "INVALID_FIELD",
            f"Foreign key external ID: {value} {what} for field {key.name} in entity {parent.name}",
            [],
        )
    return found[0]


def _own_defaults(call: Call, item: SObject, record: Record, values: Mapping[str, Any]) -> None:
    if "OwnerId" in item.fields and not record.get("OwnerId"):
        record["OwnerId"] = call.actor
        rule = call.settings.get("assignment", {}).get(item.name)
        if (
            rule
            and call.automations.get("assignment_rules")
            and call.header("sforce-auto-assign").lower() != "false"
        ):
            record["OwnerId"] = rule
    if "RecordTypeId" in item.fields and not values.get("RecordTypeId"):
        for kind in item.record_types:
            if kind.get("default"):
                record["RecordTypeId"] = kind["recordTypeId"]


def _check(call: Call, item: SObject, record: Record, before: Record | None, touched: set[str]) -> None:
    missing = [
        field.name
        for field in item.fields.values()
        if not field.nillable
        and field.createable
        and field.name not in AUDIT
        and record.get(field.name) is None
        and (not field.describe["defaultedOnCreate"] or field.name in touched)
    ]
    if missing:
        raise Refusal(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
        )
    for field in item.references:
        if field.name in touched and record.get(field.name) is not None:
            _check_reference(call, item, field, record)
    for kind in item.record_types:
        if kind["recordTypeId"] == record.get("RecordTypeId"):
            for name, allowed in kind.get("picklists", {}).items():
                value, listed = record.get(name), item.fields.get(name)
                restricted = listed is not None and listed.describe["restrictedPicklist"]
                if (
                    listed is not None
                    and restricted
                    and value is not None
                    and name in touched
                    and value not in allowed
                ):
                    raise bad_choice(listed, value)
    for field in item.uniques:
        value = record.get(field.name)
        if field.unique and value is not None and (before is None or before.get(field.name) != value):
            others = [id for id in call.records.by_key(item, field, value) if id != record["Id"]]
            if others:
                raise Refusal(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{others[0][:15]}",
                    [],
                )


def _check_reference(call: Call, item: SObject, field: Field, record: Record) -> None:
    id = str(record[field.name])
    target = call.schema.of_id(id)
    if target is not None and target.name not in field.targets and field.targets:
        raise Refusal("MALFORMED_ID", f"{field.label}: id value of incorrect type: {id}", [field.name])
    found = call.parent(id)
    if target is None or found is None or found.get("IsDeleted"):
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {id}", [field.name])
    inactive = field.name == "OwnerId" and target.name == "User" and not found.get("IsActive", True)
    if inactive and not call.rights.has("PermissionsUpdateWithInactiveOwner"):
        raise Refusal(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{id[:15]}] as owner of {item.name.lower()}",
        )
    locks = call.settings.get("row_locks", {})
    if isinstance(locks, dict) and int(locks.get(id, 0)) > 0:
        locks[id] = int(locks[id]) - 1
        raise Refusal(
            "UNABLE_TO_LOCK_ROW", f"unable to obtain exclusive access to this record or 1 records: {id}"
        )
    if field.name in _LOOPS and record["Id"]:
        above: Record | None = found
        steps = 0
        while above is not None and steps < 100:
            if above["Id"] == record["Id"]:
                raise Refusal("CIRCULAR_DEPENDENCY", f"attempt to form a loop in {field.label}", [field.name])
            above, steps = call.parent(above.get(field.name)), steps + 1


def _only_primary(call: Call, item: SObject, record: Record) -> None:
    """An opportunity has one primary contact role: a new one takes the place."""
    if item.name != "OpportunityContactRole" or not record.get("IsPrimary"):
        return
    for object, field, id in call.records.children(record["OpportunityId"]):
        if object == item.name and field == "OpportunityId" and id != record["Id"]:
            other = call.records.get(item.name, id)
            if other and other.get("IsPrimary") and not other.get("IsDeleted"):
                write(call, item, other, {"IsPrimary": False}, check=False)
