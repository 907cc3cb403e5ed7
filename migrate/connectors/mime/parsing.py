"""What does one raw message say?

The parser of Python's `email` package reads any bytes; what it couldn't make sense of is in `defects`, with
what this module had to guess. The body is every inline part of text in its order; everything else is an
attachment, a forwarded message and a calendar's invitation included: nothing here is ever sent or answered.

Python, `email.parser` and `email.message` (policy `compat32`, which never raises on a header), RFC 5322, RFC
2045 and RFC 2183, read 2026-11-26.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from email.utils import parsedate_tz

from migrate.connectors.mime.decoding import LONGEST_NAME, addresses, attempt, clean, decode, header, note

ROLES = ("from", "sender", "reply_to", "to", "cc", "bcc")
DEEPEST = 50  # levels of parts; what lies deeper is left to the message's raw bytes, and noted
_BLANK = re.compile(rb"\r?\n\r?\n")
_ID = re.compile(r"<[^<>\s]+>")
_DAY = timedelta(hours=24)
_NO_ZONE = re.compile(r"(:\d\d|(?<![+\-\d])\d{4})\s*(\([^)]*\)\s*)?$")  # it ends with a time or a year


@dataclass(frozen=True)
class Attachment:
    """One part that isn't the body."""

    name: str | None
    type: str
    content_id: str | None
    inline: bool
    content: bytes
    defects: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """Somebody named in a header."""

    role: str
    name: str
    email: str


@dataclass
class Mail:
    """One message as it was understood. `date` is UTC; `zone` the offset as written, None where it has none.

    `readable`: it has a sender, a date, a subject or a body. `defects`: what was guessed or lost.
    """

    message_id: str | None = None
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    date: datetime | None = None
    zone: str | None = None
    date_written: str | None = None
    subject: str | None = None
    people: list[Person] = field(default_factory=list)
    headers: str = ""
    text: str | None = None
    html: str | None = None
    attachments: list[Attachment] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        return bool(self.people or self.date or self.subject or self.text or self.html or self.attachments)

    def of(self, role: str) -> list[Person]:
        return [person for person in self.people if person.role == role]


class _Raw(Compat32):
    """Headers as they stand, raw bytes as surrogates: what to make of them is decided in `decoding`."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the policy's signature
        return value


RAW = _Raw()


def parse(raw: bytes, *, cut: bool = False) -> Mail:
    """Understand one message as well as can be; never raises for what it holds.

    Args:
        cut: only the message's beginning is there; its body is left out.
    """
    mail = Mail()
    parser = BytesParser(policy=RAW)
    empty: Message[str, str] = Message()
    message = attempt(mail.defects, "message", lambda: parser.parsebytes(raw, headersonly=cut), empty)
    _heads(message, mail)
    mail.headers = _head(raw, mail.defects)
    if not cut:
        attempt(mail.defects, "parts", lambda: _body(message, mail), None)
    for part in attempt(mail.defects, "parts", lambda: list(_walk(message)), [(message, 0)]):
        for defect in part[0].defects:
            note(mail.defects, type(defect).__name__)
    if not mail.readable:
        note(mail.defects, "nothing in it is readable")
    return mail


def _head(raw: bytes, defects: list[str]) -> str:
    """The header block as it stands."""
    blank = _BLANK.search(raw)
    return decode(raw[: blank.start()] if blank else raw[: 1 << 16], "utf-8", defects, "headers")


def _heads(message: Message[str, str], mail: Mail) -> None:
    defects = mail.defects

    def one(name: str) -> str | None:
        return header(attempt(defects, name, lambda: message.get(name), None), defects, name)

    def every(name: str) -> list[str]:
        none: list[str] = []
        return attempt(defects, name, lambda: message.get_all(name, []), none)

    mail.subject = one("Subject")
    mail.message_id = _first_id(one("Message-ID") or one("Message-Id"))
    mail.in_reply_to = _first_id(one("In-Reply-To"))
    mail.references = list(dict.fromkeys(_ID.findall(one("References") or "")))
    for role in ROLES:
        name = role.replace("_", "-")
        mail.people += [Person(role, who, email) for who, email in addresses(every(name), defects, name)]
    mail.date_written = one("Date")
    mail.date, mail.zone = _date(mail.date_written, defects)
    if mail.date is None:
        for value in every("Received"):
            stamp = (header(value, [], "Received") or "").rpartition(";")[2]
            mail.date, mail.zone = _date(stamp, [])
            if mail.date is not None:
                note(defects, "Date: none that can be read; taken from Received")
                break


def _first_id(text: str | None) -> str | None:
    if text is None:
        return None
    found = _ID.search(text)
    return found[0] if found else text.split()[0][:LONGEST_NAME]


def _date(text: str | None, defects: list[str]) -> tuple[datetime | None, str | None]:
    """The instant in UTC, and the zone's offset as `+hhmm`."""
    if not text:
        return None, None
    parts = attempt(defects, "Date", lambda: parsedate_tz(text), None)
    if parts is None:
        note(defects, f"Date: `{text[:60]}` can't be read")
        return None, None
    offset = parts[9] if not _NO_ZONE.search(text) else None  # the parser gives 0 where there is none
    if offset is not None and abs(offset) >= _DAY.total_seconds():
        note(defects, "Date: its zone can't be; taken as UTC")
        offset = None
    try:
        local = datetime(*parts[:5], min(parts[5], 59), tzinfo=UTC)
        instant = local - timedelta(seconds=offset or 0)
    except (ValueError, OverflowError):
        note(defects, f"Date: `{text[:60]}` is no day or time")
        return None, None
    if offset is None:
        note(defects, "Date: without a zone; taken as UTC")
        return instant, None
    hours, minutes = divmod(abs(offset) // 60, 60)
    return instant, f"{'-' if offset < 0 else '+'}{hours:02d}{minutes:02d}"


def _walk(message: Message[str, str]) -> Iterator[tuple[Message[str, str], int]]:
    """Every part with its depth; without recursion, since mail may be nested at will."""
    waiting: list[tuple[Message[str, str], int]] = [(message, 0)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        if part.get_content_maintype() == "multipart" and depth < DEEPEST and part.is_multipart():
            payload = part.get_payload()
            if isinstance(payload, list):
                waiting += [(each, depth + 1) for each in reversed(payload) if isinstance(each, Message)]


def _body(message: Message[str, str], mail: Mail) -> None:
    texts: list[str] = []
    htmls: list[str] = []
    for part, depth in _walk(message):
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            if depth == DEEPEST:
                note(mail.defects, f"parts nested deeper than {DEEPEST} levels are left out")
            continue
        own: list[str] = []
        kind = clean(part.get_content_type(), own, "type")
        disposition = attempt(own, "Content-Disposition", part.get_content_disposition, None)
        name = _name(part, own)
        if kind.startswith("multipart/"):  # broken: its parts can't be told apart
            whole = decode(_content(part, own), None, own, "parts").strip("\r\n")
            if whole:
                note(own, "parts that can't be told apart are in the text")
                texts.append(whole)
        elif kind in ("text/plain", "text/html") and disposition != "attachment" and name is None:
            where = "body" if depth else "message"
            charset = attempt(own, where, part.get_content_charset, None)
            text = decode(_content(part, own), charset, own, where)
            (texts if kind == "text/plain" else htmls).append(text)
        else:
            cid = header(part.get("Content-ID"), own, "Content-ID")
            mail.attachments.append(
                Attachment(
                    name=name,
                    type=kind,
                    content_id=cid.strip("<>") if cid else None,
                    inline=disposition == "inline" or cid is not None,
                    content=_content(part, own),
                    defects=tuple(own),
                )
            )
        for defect in own:
            note(mail.defects, defect)
    mail.text = "\n".join(texts) if texts else None
    mail.html = "\n".join(htmls) if htmls else None


def _name(part: Message[str, str], defects: list[str]) -> str | None:
    found = attempt(defects, "file name", part.get_filename, None)
    if found is None:
        return None
    name = header(found, defects, "file name")
    return name[:LONGEST_NAME] if name else None


def _content(part: Message[str, str], defects: list[str]) -> bytes:
    """A part's bytes, its transfer encoding undone; a message within the message as it stands."""
    if part.is_multipart():  # message/rfc822, message/delivery-status, or a multipart that isn't one
        payload: Sequence[Message[str, str]] = part.get_payload()  # type: ignore[assignment]
        return b"\r\n".join(
            attempt(defects, "message within", lambda each=each: flat(each), b"")  # type: ignore[misc]
            for each in payload
        )
    raw = attempt(defects, "content", lambda: part.get_payload(decode=True), None)
    if isinstance(raw, bytes):
        return raw
    kept = part.get_payload()
    return kept.encode("utf-8", "surrogateescape") if isinstance(kept, str) else b""


def flat(message: Message[str, str]) -> bytes:
    """A message's bytes, its lines as they are."""
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=RAW).flatten(message)
    return out.getvalue()
