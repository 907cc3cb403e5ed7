"""What becomes of an e-mail message?

Its addresses and its lists of ids become relations; a message that belongs to no case
gets a completed task as its activity (Enhanced Email), stamped with the time of the
insert; a message that isn't a draft is closed to changes, but for its visibility, its
custom fields and the step from New to Read (Salesforce, Object Reference
"EmailMessage", "EmailMessageRelation"; help "Considerations for Using Enhanced
Email"; read 2026-11-26). The activity of a message can be given for cases alone.
"""

import re
from typing import Any

from migrate.sandbox.salesforce import saving
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record

NEW, READ, DRAFT = "0", "1", "5"
LISTS = {"ToIds": "ToAddress", "CcIds": "CcAddress", "BccIds": "BccAddress"}
_PERSONS = ("Contact", "Lead", "User")


def before_email(call: Call, record: Record, before: Record | None, touched: set[str]) -> None:
    """Refuse what can't be set or changed.

    Raises:
        Refusal: `INSUFFICIENT_ACCESS_OR_READONLY`.
    """
    if before is None:
        if record.get("ActivityId") and not record.get("ParentId"):
            raise _closed("ActivityId")
        return
    changed = {name for name in touched if before.get(name) != record.get(name)}
    if before.get("Status") == DRAFT:
        if before.get("IsPrivateDraft") and before["CreatedById"] != call.actor:
            raise _closed(*sorted(changed))
        return
    item = call.schema.objects["EmailMessage"]
    free = {"IsExternallyVisible", *(name for name, field in item.fields.items() if field.custom)}
    if before.get("Status") == NEW and record.get("Status") == READ:
        free.add("Status")
    if changed - free:
        raise _closed(*sorted(changed - free))


def _closed(*fields: str) -> Refusal:
    return Refusal(
        "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", fields, status=400
    )


def after_email(call: Call, record: Record, before: Record | None, lists: dict[str, list[str]]) -> None:
    """Write relations and, for a new message, its task."""
    old = relations(call, record["Id"])
    for name, kind in LISTS.items():
        if name in lists:
            for relation in old:
                if relation["RelationType"] == kind and relation.get("RelationId"):
                    _drop(call, relation)
            for id in lists[name]:
                _relate(call, record, kind, id=id)
    for field in ("FromAddress", "ToAddress", "CcAddress", "BccAddress"):
        if before is None or before.get(field) != record.get(field):
            for relation in old:
                if relation["RelationType"] == field and not relation.get("RelationId"):
                    _drop(call, relation)
            for address in re.split(r"[;,]\s*", str(record.get(field) or "")):
                if address.strip():
                    _relate(call, record, field, address=address.strip())
    if before is None:
        _activity(call, record)


def relations(call: Call, id: str) -> list[Record]:
    """The live relations of a message."""
    found = [
        call.records.get(object, child)
        for object, field, child in call.records.children(id)
        if object == "EmailMessageRelation" and field == "EmailMessageId"
    ]
    return [relation for relation in found if relation and not relation.get("IsDeleted")]


def _drop(call: Call, relation: Record) -> None:
    item = call.schema.objects["EmailMessageRelation"]
    call.records.purge(item, relation)
    call.tx.log(
        actor=call.actor, op="delete", object=item.name, id=relation["Id"], before=relation, after=None,
        note="hard replaced",
    )  # fmt: skip


def _relate(
    call: Call, email: Record, kind: str, *, id: str | None = None, address: str | None = None
) -> None:
    given: dict[str, Any] = {"EmailMessageId": email["Id"], "RelationType": kind, "RelationAddress": address}
    if id is not None:
        person = _person(call, id)
        given |= {"RelationId": person["Id"], "RelationAddress": person.get("Email")}
    filled(call, given)
    saving.insert(call, call.schema.objects["EmailMessageRelation"], given, note="of an e-mail")


def _person(call: Call, id: str) -> Record:
    full = normal_id(id) if isinstance(id, str) else None
    item = call.schema.of_id(full) if full else None
    if full is None or item is None or item.name not in _PERSONS:
        raise Refusal("MALFORMED_ID", f"Relation ID: id value of incorrect type: {id}", ["RelationId"])
    found = call.records.get(item.name, full)
    if found is None or found.get("IsDeleted"):
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {full}", ["RelationId"])
    return found


def filled(call: Call, relation: dict[str, Any]) -> None:
    """What a relation says of the person it names, in place."""
    id = relation.get("RelationId")
    item = call.schema.of_id(id) if id else None
    if item is None or id is None:
        relation.pop("RelationObjectType", None)
        return
    relation["RelationObjectType"] = item.name
    if not relation.get("RelationAddress"):
        relation["RelationAddress"] = (call.records.get(item.name, id) or {}).get("Email")


def _activity(call: Call, email: Record) -> None:
    """The task that Enhanced Email makes for a message outside cases."""
    about = str(email.get("RelatedToId") or "")
    if not call.settings["enhanced_email"] or email.get("ParentId") or about.startswith("500"):
        return
    item = call.schema.objects["Task"]
    who = [
        relation["RelationId"]
        for relation in relations(call, email["Id"])
        if relation.get("RelationObjectType") in ("Contact", "Lead")
    ]
    given = {
        "Subject": f"Email: {email.get('Subject') or ''}".strip()[:255],
        "Description": str(email.get("TextBody") or "")[:32_000] or None,
        "TaskSubtype": "Email",
        "Status": "Not Started" if email.get("Status") == DRAFT else "Completed",
        "ActivityDate": str(email.get("MessageDate") or email["CreatedDate"])[:10],
        "WhoId": who[0] if who else None,
        "WhatId": about or None,
    }
    task = saving.insert(
        call, item, {name: value for name, value in given.items() if value}, note=f"of {email['Id']}"
    )
    message = call.schema.objects["EmailMessage"]
    call.records.put(message, {**email, "ActivityId": task["Id"]}, email)
    email["ActivityId"] = task["Id"]


def has_attachment(call: Call, id: str | None) -> None:
    """A message knows whether files hang on it."""
    email = call.records.get("EmailMessage", id) if id else None
    if email is not None and not email.get("HasAttachment"):
        call.records.put(call.schema.objects["EmailMessage"], {**email, "HasAttachment": True}, email)
        call.forget(email["Id"])
