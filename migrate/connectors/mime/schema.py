"""Which objects and fields does a folder of messages have, and how does a message fill them?

Three objects: `messages`; `attachments`, one a part that isn't the body; `addresses`, one a person named in
a header, so that a plan can link messages to people by e-mail address. All of it is read from the raw bytes,
so nothing can be written, and no field is ever unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from migrate.catalog import Field, ObjectSchema, Option
from migrate.connectors.mime.folder import Place
from migrate.connectors.mime.parsing import ROLES, Mail
from migrate.types import Kind

MESSAGES, ATTACHMENTS, ADDRESSES = "messages", "attachments", "addresses"
DIRECTIONS = ("incoming", "outgoing", "internal", "unknown")

Row = dict[str, Any]


def _field(name: str, label: str, kind: Kind, **more: Any) -> Field:
    nullable = more.pop("nullable", True)
    return Field(
        name=name, label=label, kind=kind, vendor_type=str(kind), nullable=nullable, createable=False,
        updateable=False, **more,
    )  # fmt: skip


_ID = _field("id", "Id", Kind.STRING, nullable=False, unique=True)


def _object(name: str, label: str, *fields: Field, created: str | None = None) -> ObjectSchema:
    return ObjectSchema(
        name=name, label=label, fields={field.name: field for field in (_ID, *fields)}, key_by="none",
        stamp="modified", created=created, createable=False, updateable=False, deletable=False,
    )  # fmt: skip


_MODIFIED = _field("modified", "File last modified", Kind.TIMESTAMP, nullable=False)
_MESSAGE = _field("message", "Message", Kind.REFERENCE, nullable=False, references=(MESSAGES,))
_LIST = Kind.MULTIPICKLIST  # a list of texts

OBJECTS: dict[str, ObjectSchema] = {
    MESSAGES: _object(
        MESSAGES, "Messages",
        _field("file", "File", Kind.STRING, nullable=False),
        _field("number", "Number in the file", Kind.INT, nullable=False),
        _field("message_id", "Message-ID", Kind.STRING),
        _field("in_reply_to", "In-Reply-To", Kind.STRING),
        _field("reference_ids", "References", _LIST),
        _field("thread_id", "First message of the thread", Kind.STRING),
        _field("date", "Date (UTC)", Kind.TIMESTAMP),
        _field("zone", "Offset of the date", Kind.STRING),
        _field("date_written", "Date as written", Kind.STRING),
        _field("subject", "Subject", Kind.TEXT),
        _field("from_email", "From, address", Kind.STRING),
        _field("from_name", "From, name", Kind.STRING),
        *(_field(f"{role}_people", f"{role.capitalize()}: `Name <address>`", _LIST)
          for role in ("to", "cc", "bcc", "reply_to")),
        _field("direction", "Direction", Kind.PICKLIST, nullable=False, restricted=True,
               options=tuple(Option(value=each, label=each.capitalize()) for each in DIRECTIONS)),
        _field("text", "Text body", Kind.TEXT),
        _field("html", "HTML body", Kind.TEXT),
        _field("headers", "Headers", Kind.TEXT),
        _field("attachments", "Number of attachments", Kind.INT, nullable=False),
        _field("size", "Bytes", Kind.INT, nullable=False),
        _field("readable", "Readable", Kind.BOOL, nullable=False),
        _field("defects", "What was guessed or lost", Kind.TEXT),
        _MODIFIED,
        _field("raw", "The message as it is", Kind.BINARY, nullable=False),
        created="date",
    ),
    ATTACHMENTS: _object(
        ATTACHMENTS, "Attachments",
        _MESSAGE,
        _field("number", "Number in the message", Kind.INT, nullable=False),
        _field("name", "File name", Kind.STRING),
        _field("type", "Media type", Kind.STRING, nullable=False),
        _field("content_id", "Content-ID", Kind.STRING),
        _field("inline", "Shown within the body", Kind.BOOL, nullable=False),
        _field("size", "Bytes", Kind.INT, nullable=False),
        _field("defects", "What was guessed or lost", Kind.TEXT),
        _MODIFIED,
        _field("content", "Content", Kind.BINARY, nullable=False, size_in="size", cid_in="content_id"),
    ),
    ADDRESSES: _object(
        ADDRESSES, "Addresses",
        _MESSAGE,
        _field("number", "Number in the message", Kind.INT, nullable=False),
        _field("role", "Role", Kind.PICKLIST, nullable=False, restricted=True,
               options=tuple(Option(value=each, label=each) for each in ROLES)),
        _field("email", "Address", Kind.STRING, nullable=False),
        _field("name", "Name", Kind.STRING),
        _MODIFIED,
    ),
}  # fmt: skip


def rows(object: str, place: Place, mail: Mail, own: Sequence[str]) -> Iterator[Row]:
    """One message's records of an object, `_id` included; without the fields that hold bytes.

    Args:
        own: the company's addresses and domains, in lower case.
    """
    if object == MESSAGES:
        yield _message(place, mail, own)
        return
    if object == ATTACHMENTS:
        for number, each in enumerate(mail.attachments, 1):
            yield {
                **_part(place, number), "name": each.name,
                "type": each.type, "content_id": each.content_id, "inline": each.inline,
                "size": len(each.content), "defects": "\n".join(each.defects) or None,
                "modified": place.modified,
            }  # fmt: skip
        return
    for number, person in enumerate(mail.people, 1):
        yield {
            **_part(place, number), "role": person.role,
            "email": person.email, "name": person.name or None, "modified": place.modified,
        }  # fmt: skip


def _part(place: Place, number: int) -> Row:
    id = f"{place.id}-{number}"
    return {"_id": id, "id": id, "message": place.id, "number": number}


def _message(place: Place, mail: Mail, own: Sequence[str]) -> Row:
    sender = next(iter(mail.of("from") or mail.of("sender")), None)
    first = mail.references[0] if mail.references else mail.in_reply_to or mail.message_id
    people = {
        f"{role}_people": [_written(each.name, each.email) for each in mail.of(role)] or None
        for role in ("to", "cc", "bcc", "reply_to")
    }
    return {
        "_id": place.id, "id": place.id, "file": place.name, "number": place.number,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to, "reference_ids": mail.references or None, "thread_id": first,
        "date": mail.date, "zone": mail.zone, "date_written": mail.date_written, "subject": mail.subject,
        "from_email": sender.email if sender else None,
        "from_name": (sender.name or None) if sender else None,
        **people, "direction": direction(mail, own), "text": mail.text, "html": mail.html,
        "headers": mail.headers or None, "attachments": len(mail.attachments), "size": place.size,
        "readable": mail.readable, "defects": "\n".join(mail.defects) or None, "modified": place.modified,
    }  # fmt: skip


def _written(name: str, email: str) -> str:
    """`Name <address>`, the name quoted where it has a sign that means something in an address."""
    if not name:
        return email
    quoted = json.dumps(name, ensure_ascii=False) if any(each in name for each in '",;<>@()') else name
    return f"{quoted} <{email}>"


def direction(mail: Mail, own: Sequence[str]) -> str:
    """Who wrote to whom, seen from the company whose addresses these are; unknown without any."""
    senders = [each.email for each in mail.of("from") or mail.of("sender")]
    if not senders or not own:
        return "unknown"
    if not any(is_own(each, own) for each in senders):
        return "incoming"
    receivers = [each.email for role in ("to", "cc", "bcc") for each in mail.of(role)]
    return "internal" if receivers and all(is_own(each, own) for each in receivers) else "outgoing"


def is_own(email: str, own: Sequence[str]) -> bool:
    """Whether an address is one of them, or lies in one of the domains or below it."""
    domain = email.rpartition("@")[2]
    return any(
        email == each if "@" in each else domain == each or domain.endswith(f".{each}") for each in own
    )
