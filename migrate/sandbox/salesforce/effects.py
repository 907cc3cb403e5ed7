"""What does the platform do by itself around a write of files, activities and e-mails?

`dml.py` and `lifecycle.py` call these at fixed moments: with the record complete but
unwritten, with it written, before and after a deletion. Nothing here is asked for by
the client; everything is in its transaction.
"""

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce import activities, emails, files, granting, history
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.standard_rights import OBJECTS

Lists = dict[str, list[str]]


def lists_of(call: Call, item: SObject, given: Mapping[str, Any]) -> tuple[Mapping[str, Any], Lists]:
    """Take the lists of ids out of what a client gives: they aren't columns.

    Raises:
        Refusal: such a list that isn't one.
    """
    names = {"EmailMessage": tuple(emails.LISTS)}.get(item.name, ())
    if item.name in activities.LISTS and activities.shares(call):
        names = (activities.LISTS[item.name],)
    taken: Lists = {}
    for name in names:
        if name not in given:
            continue
        value = given[name]
        if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
            raise Refusal("JSON_PARSER_ERROR", f"a list of ids is expected at field {name}")
        taken[name] = value
    return {name: value for name, value in given.items() if name not in taken} if taken else given, taken


def before(
    call: Call, item: SObject, record: Record, old: Record | None, touched: set[str], lists: Lists
) -> None:
    """Check and complete a record that is to be written, in place.

    Raises:
        Refusal: what the platform refuses of such a record.
    """
    match item.name:
        case "ContentVersion":
            files.before_version(call, record, old, touched)
        case "ContentDocumentLink":
            files.before_link(call, record, old)
        case "ContentNote":
            files.before_note(call, record, old, touched)
        case "EmailMessage":
            emails.before_email(call, record, old, touched)
        case "EmailMessageRelation":
            emails.filled(call, record)
        case "Task" | "Event":
            activities.before_activity(call, item, record, old, lists)
        case "TaskRelation" | "EventRelation":
            activities.before_relation(call, item, record, old)
        case _:
            granting.before(call, item, record, old)


def after(call: Call, item: SObject, record: Record, old: Record | None, lists: Lists) -> None:
    """Let follow what a written record brings with it."""
    history.track(call, item, record, old)
    match item.name:
        case "ContentVersion":
            files.after_version(call, record, old)
        case "ContentDocument":
            files.after_document(call, record, old)
        case "ContentNote":
            files.after_note(call, record, old)
        case "ContentDocumentLink":
            emails.has_attachment(call, record.get("LinkedEntityId"))
        case "Attachment":
            emails.has_attachment(call, record.get("ParentId"))
        case "EmailMessage":
            emails.after_email(call, record, old, lists)
        case "Task" | "Event":
            activities.after_activity(call, item, record, old, lists)
        case "TaskRelation" | "EventRelation":
            activities.after_relation(call, item, record, old)
        case "FieldPermissions" | "PermissionSetAssignment":
            granting.touched(call)


def deletes(call: Call, item: SObject, record: Record) -> None:
    """Refuse a deletion that the platform refuses."""
    if item.name == "ContentDocumentLink":
        files.deletes_link(call, record)


def deleted(call: Call, item: SObject, record: Record) -> None:
    """Let follow what the deletion of one record, not a cascade, brings with it."""
    if item.name in ("TaskRelation", "EventRelation"):
        activities.deleted_relation(call, item, record)
    elif item.name in OBJECTS:
        granting.touched(call)
