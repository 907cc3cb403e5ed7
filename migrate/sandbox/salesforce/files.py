"""What becomes of files: contents, versions, documents and their links?

A first version makes its document, a link to the owner, and one to the record that it
was published to; further ones raise the number and are the latest. A document's
deletion takes versions and links along; the owner's own link can't be deleted, nor a
version alone. A note is a document whose content is cleaned HTML (Salesforce, Object
Reference "ContentVersion", "ContentDocument", "ContentDocumentLink", "ContentNote",
"Attachment"; REST API "Insert or Update Blob Data"; read 2026-11-26).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from migrate.sandbox.contents import PIECE
from migrate.sandbox.salesforce import blobs, jobs, saving
from migrate.sandbox.salesforce.blobs import Blob
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.measures import measure
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import Field, SObject

OWNS, SEES = "I", "V"  # share types of the owner's link, and of a record's that a file was published to
TAGS = "a|b|br|code|div|em|h[1-6]|i|img|li|ol|p|s|span|strike|strong|u|ul"
_STRAY = re.compile(rf"&(?!#?\w{{1,31}};)|<(?!/?(?:{TAGS})\b[^<>]*>)", re.IGNORECASE)


@dataclass(frozen=True)
class Kept:
    """Bytes that came as a part of a multipart request, kept already."""

    blob: Blob


def keep(call: Call, field: Field, value: Any) -> str | None:
    """The name under which the bytes of a base64 field are kept.

    Raises:
        Refusal: it isn't base64, or more than a JSON request may bring.
    """
    if value is None or value == "":
        return None
    if isinstance(value, Kept):
        return value.blob.sha256
    if not isinstance(value, str):
        raise Refusal("JSON_PARSER_ERROR", f"Cannot deserialize base64Binary at field {field.name}")
    most = call.settings["base64_limit"]
    if len(value) * 3 // 4 > most:
        raise too_large(most)
    return blobs.put(call.tx, _decoded(value, field)).sha256


def _decoded(text: str, field: Field) -> Iterator[bytes]:
    bare = re.sub(r"\s+", "", text)
    step = PIECE // 3 * 4
    try:
        for start in range(0, len(bare), step):
            yield base64.b64decode(bare[start : start + step], validate=True)
    except binascii.Error as error:
        raise Refusal(
            "JSON_PARSER_ERROR", f"Cannot deserialize base64Binary at field {field.name}: {error}"
        ) from error


def too_large(most: int) -> Refusal:
    """More than the vendor takes in one request or file."""
    return Refusal(
        "REQUEST_ENTITY_TOO_LARGE",
        f"Maximum size of request reached. Maximum size of request is {most} bytes",
        status=413,
    )


# versions


def before_version(call: Call, record: Record, before: Record | None, touched: set[str]) -> None:
    """Check a version that is to be written; on insert find or make its document."""
    if before is not None:
        return
    if not record.get("ContentUrl"):
        missing = [name for name in ("PathOnClient", "VersionData") if not record.get(name)]
        if missing:
            raise Refusal(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
            )
    if jobs.started_today(call, "version") >= int(call.settings["daily_versions"]):
        raise Refusal("LIMIT_EXCEEDED", "ContentPublish Limit exceeded.")
    jobs.count_start(call, "version")
    if "FirstPublishLocationId" in touched and record.get("ContentDocumentId"):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "First Publish Location can be set only for the first version of a document",
            ["FirstPublishLocationId"],
        )
    title(record)
    record["Id"] = call.records.new_id("068")
    found = call.records.get("ContentDocument", str(record.get("ContentDocumentId")))
    if found is None:
        record["ContentDocumentId"] = document(call, record)["Id"]
    else:
        record["OwnerId"] = found["OwnerId"]
    record["VersionNumber"] = str(
        1 + max([int(v["VersionNumber"]) for v in versions(call, found)], default=0)
    )
    record["IsLatest"] = True


def title(record: Record) -> None:
    """A version without a title has its file's name, without the extension."""
    if not record.get("Title"):
        path = str(record.get("PathOnClient") or record.get("ContentUrl") or "Untitled")
        record["Title"] = PurePosixPath(path.replace("\\", "/")).stem[:255]


def document(call: Call, version: Record, id: str | None = None) -> Record:
    """Make the document of a first version."""
    given = {
        name: version[name] for name in ("OwnerId", *_AUDIT, *_MIRRORED) if version.get(name) is not None
    }
    given |= {"LatestPublishedVersionId": version["Id"], "Id": id}
    return saving.insert(call, call.schema.objects["ContentDocument"], given, note="first version")


_AUDIT = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")
_MIRRORED = (
    "Title", "Description", "ContentSize", "ContentSizeLong", "FileType", "FileExtension",
    "SharingOption", "SharingPrivacy", "ContentModifiedDate",
)  # fmt: skip


def number(version: Record) -> int:
    """Which version it is; 0 for a seeded one whose number is none."""
    text = str(version.get("VersionNumber"))
    return int(text) if text.isdecimal() else 0


def mirrored(version: Record) -> Record:
    """What a document shows of its latest version."""
    shown = {name: version[name] for name in _MIRRORED if name in version}
    return {**shown, "LatestPublishedVersionId": version["Id"]}


def versions(call: Call, document: Record | None) -> list[Record]:
    """All live versions of a document, oldest first."""
    if document is None:
        return []
    ids = [id for object, _, id in call.records.children(document["Id"]) if object == "ContentVersion"]
    found = [version for id in ids if (version := call.records.get("ContentVersion", id)) is not None]
    return sorted(
        (version for version in found if not version.get("IsDeleted")),
        key=number,
    )


def after_version(call: Call, record: Record, before: Record | None) -> None:
    """Let the document follow its latest version; link a new document."""
    item = call.schema.objects["ContentDocument"]
    found = call.records.get(item.name, record["ContentDocumentId"])
    if found is None:
        return
    if before is None:
        for other in versions(call, found):
            if other["Id"] != record["Id"] and other.get("IsLatest"):
                version = call.schema.objects["ContentVersion"]
                saving.change(call, version, other, {"IsLatest": False}, note="no longer the latest")
        if number(record) == 1:
            links(call, record, found["Id"])
        saving.change(call, item, found, mirrored(record), note="new version")
    elif record.get("IsLatest"):
        names = ("Title", "Description", "SharingOption", "SharingPrivacy")
        saving.change(call, item, found, {name: record[name] for name in names if name in record})
    refresh_note(call, found["Id"])


def links(call: Call, version: Record, document: str) -> None:
    """The links that a new document has from the start; those that there are already stay alone."""
    if any(object == "ContentDocumentLink" for object, _, _ in call.records.children(document)):
        return
    item = call.schema.objects["ContentDocumentLink"]
    place = version.get("FirstPublishLocationId")
    for entity, share in ((version["OwnerId"], OWNS), (place, SEES)):
        if entity and (share == OWNS or entity != version["OwnerId"]):
            given = {"LinkedEntityId": entity, "ContentDocumentId": document, "ShareType": share}
            saving.insert(call, item, {**given, "Visibility": "AllUsers"}, note="first version")


# documents and links


def after_document(call: Call, record: Record, before: Record | None) -> None:
    """A document's title and description are its latest version's."""
    if before is None:
        return
    for version in versions(call, record):
        if version.get("IsLatest"):
            values: Record = {name: record[name] for name in ("Title", "Description") if name in record}
            saving.change(call, call.schema.objects["ContentVersion"], version, values)
    refresh_note(call, record["Id"])


def before_link(call: Call, record: Record, before: Record | None) -> None:
    """One link for each pair.

    Raises:
        Refusal: there is one already, or the e-mail isn't open to changes.
    """
    if before is not None:
        return
    document, entity = record["ContentDocumentId"], record["LinkedEntityId"]
    for object, field, id in call.records.children(document):
        if object == "ContentDocumentLink" and field == "ContentDocumentId":
            other = call.records.get(object, id)
            if other and not other.get("IsDeleted") and other["LinkedEntityId"] == entity:
                raise Refusal(
                    "DUPLICATE_VALUE",
                    f"Document with ID: {document[:15]} is already linked with the entity with ID: "
                    f"{entity[:15]}",
                    ["LinkedEntityId"],
                )
    mail = call.records.get("EmailMessage", entity)
    if (
        mail is not None
        and mail.get("Status") != "5"
        and not mail.get("IsClientManaged")
        and call.settings["sent_email_locked"]
    ):
        raise Refusal(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "files can be added only to an e-mail message that is a draft or client managed",
            ["LinkedEntityId"],
            status=400,
        )


def deletes_link(call: Call, record: Record) -> None:
    """Refuse to delete the owner's own link."""
    found = call.records.get("ContentDocument", record["ContentDocumentId"])
    if found is not None and record["LinkedEntityId"] == found["OwnerId"] and record.get("ShareType") == OWNS:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "field integrity exception")


def own_files(call: Call, item: SObject, record: Mapping[str, Any]) -> bool:
    """Does this user see the file in a query that names no document? See "Query All Files"."""
    if record.get("OwnerId") == call.actor:
        return True
    document = record["ContentDocumentId"] if item.name == "ContentVersion" else record["Id"]
    linked = (
        call.records.get("ContentDocumentLink", id)
        for object, _, id in call.records.children(document)
        if object == "ContentDocumentLink"
    )
    return any(link and link["LinkedEntityId"] == call.actor and not link["IsDeleted"] for link in linked)


# notes


def before_note(call: Call, record: Record, before: Record | None, touched: set[str]) -> None:
    """Clean a note's content; on insert make its document and version.

    Raises:
        Refusal: special characters that are not escaped, or tags that notes don't have.
    """
    if "Content" in touched and record.get("Content"):
        text = blobs.read(call.tx, record["Content"]).decode("utf-8", "replace")
        if _STRAY.search(text):
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION",
                "Note Can't Be Saved Because It Contains HTML Tags Or Unescaped Characters That Are Not "
                "Allowed In A Note.",
                ["Content"],
            )
        cleaned = re.sub(r"[\r\n]+", "", text)
        record["Content"] = blobs.put(call.tx, [cleaned.encode()]).sha256
    measure(call, call.schema.objects["ContentNote"], record)
    if before is None:
        version = call.records.new_id("068")
        record["LatestPublishedVersionId"] = version
        record["ContentModifiedDate"] = record["LastModifiedDate"]
        record["Id"] = document(call, {**record, "Id": version})["Id"]


def after_note(call: Call, record: Record, before: Record | None) -> None:
    """A note's content is a version of its document; a new content is a new version."""
    item = call.schema.objects["ContentVersion"]
    found = call.records.get("ContentDocument", record["Id"])
    older = versions(call, found)
    if before is None or before.get("Content") != record.get("Content"):
        given = {
            "Id": record["LatestPublishedVersionId"] if before is None else None,
            "ContentDocumentId": record["Id"],
            "VersionData": record.get("Content") or blobs.put(call.tx, []).sha256,
            "PathOnClient": f"{record['Title']}.snote"[:500],
            "IsLatest": True,
            "VersionNumber": str(len(older) + 1),
        }
        kept = ("Title", "OwnerId", *(_AUDIT if before is None else ()))
        given |= {name: record[name] for name in kept}
        after_version(call, saving.insert(call, item, given, note="note"), None)
    elif before.get("Title") != record.get("Title") and older:
        changed = saving.change(call, item, older[-1], {"Title": record["Title"]})
        after_version(call, changed, older[-1])


def refresh_note(call: Call, document: str) -> None:
    """A note shows its document's latest version."""
    note, found = call.records.get("ContentNote", document), call.records.get("ContentDocument", document)
    if note is None or found is None:
        return
    latest = call.records.get("ContentVersion", str(found.get("LatestPublishedVersionId"))) or {}
    shown = {name: latest[name] for name in (*_MIRRORED, "TextPreview") if name in latest}
    shown |= {"Content": latest.get("VersionData"), "LatestPublishedVersionId": latest.get("Id")}
    item = call.schema.objects["ContentNote"]
    saving.change(
        call,
        item,
        note,
        {name: value for name, value in shown.items() if name in item.fields},
        note="version",
    )


def twin(call: Call, item: SObject, record: Record) -> tuple[SObject, Record] | None:
    """A note is its document under another name, and goes with it."""
    other = {"ContentNote": "ContentDocument", "ContentDocument": "ContentNote"}.get(item.name)
    found = call.records.get(other, record["Id"]) if other else None
    return None if found is None or other is None else (call.schema.objects[other], found)
