"""What does a seeded file need, so that it looks as if it had come in by the API?

A version without a document gets one, with the owner's link and that of its first
place; a document that is there follows its latest version; a note gets document and
version. E-mails and activities get nothing: a seed tells their history whole.
"""

from migrate.sandbox.salesforce import files
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject


def complete(call: Call, item: SObject, record: Record) -> None:
    """Fill what the other records of a file decide, in place, before the defaults."""
    if item.name == "ContentVersion":
        files.title(record)
        record.setdefault("Id", call.records.new_id("068"))
        found = call.records.get("ContentDocument", str(record.get("ContentDocumentId")))
        older = files.versions(call, found)
        record.setdefault("VersionNumber", str(1 + max(map(files.number, older), default=0)))
        record.setdefault("IsLatest", True)
        if found is not None:
            record.setdefault("OwnerId", found["OwnerId"])
    elif item.name == "ContentNote":
        record.setdefault("Title", "Untitled Note")
        record.setdefault("Id", call.records.new_id("069"))
        record.setdefault("LatestPublishedVersionId", call.records.new_id("068"))


def follow(call: Call, item: SObject, record: Record) -> None:
    """Write what a planted file brings with it."""
    if record.get("IsDeleted"):
        return
    if item.name == "ContentVersion":
        _version(call, item, record)
    elif item.name == "ContentNote" and call.records.get("ContentDocument", record["Id"]) is None:
        version = {**record, "Id": record["LatestPublishedVersionId"]}
        files.document(call, version, record["Id"])
        files.after_note(call, record, None)


def _version(call: Call, item: SObject, record: Record) -> None:
    found = call.records.get("ContentDocument", str(record.get("ContentDocumentId")))
    if found is None:
        found = files.document(call, record, record.get("ContentDocumentId"))
        if "ContentDocumentId" not in record:
            call.records.put(item, {**record, "ContentDocumentId": found["Id"]}, record)
            record["ContentDocumentId"] = found["Id"]
        files.links(call, record, found["Id"])
        return
    newest = max(files.versions(call, found), key=files.number)
    for version in files.versions(call, found):
        if version.get("IsLatest") != (version["Id"] == newest["Id"]):
            call.records.put(item, {**version, "IsLatest": version["Id"] == newest["Id"]}, version)
    document = call.schema.objects["ContentDocument"]
    call.records.put(document, {**found, **files.mirrored(newest)}, found)
