"""What does a record of an e-mail look like as a message, so that nothing of it is lost?

The original's own header lines are taken as they are, where the source keeps them; what they lack is added
from the record's fields. Bodies are carried in base64, so that every character and line end comes back. The
same record always gives the same bytes. Nothing is sent: the message is a file.

Facts: RFC 5322 (headers), RFC 2045 to 2047 (MIME, encoded words), read 2026-11-26.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any

PARTS = (
    "from", "to", "cc", "bcc", "reply_to", "subject", "date", "message_id", "in_reply_to", "references",
    "headers", "text", "html",
)  # fmt: skip
LISTS = ("to", "cc", "bcc", "reply_to", "references")  # a list, or one text
LONGEST_LINE = 998  # octets of a header line
_BODY = re.compile(rb"(?i)(mime-version|content-[a-z-]+)\s*:")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_AFTER_NAME = re.compile(r"^(.*?)\s*<([^<>]*)>\s*$", re.DOTALL)


def eml(record: Mapping[str, Any]) -> bytes:
    """The message of a record.

    Args:
        record: texts by `PARTS`; those of `LISTS` may be lists, `date` is an instant. None is left out.
    """
    lines = _given(record.get("headers"))
    there = {found[1].lower() for line in lines if (found := _NAME.match(line))}
    for name, value in _made(record):
        if name.encode().lower() not in there:
            lines.append(f"{name}: ".encode() + value)
    lines.append(b"MIME-Version: 1.0")
    text, html = record.get("text"), record.get("html")
    if text is not None and html is not None:
        boundary = "=_" + hashlib.sha256(f"{text}\0{html}".encode()).hexdigest()[:32]
        lines.append(f'Content-Type: multipart/alternative; boundary="{boundary}"'.encode())
        mark = f"--{boundary}".encode()
        body = [mark, *_part("plain", text), mark, *_part("html", html), mark + b"--", b""]
        return b"\r\n".join([*lines, b"", *body])
    only = _part("html", html) if html is not None else _part("plain", text or "")
    return b"\r\n".join([*lines, *only])


def _given(headers: str | None) -> list[bytes]:
    """Lines of the original's headers, folds kept, but for those that describe its body."""
    found: list[bytes] = []
    keep = False
    for line in re.split(r"\r\n|\r|\n", headers or ""):
        raw = line.encode()
        if raw[:1] in (b" ", b"\t") and found and keep and raw.strip():
            found[-1] += b"\r\n" + raw
        elif _NAME.match(raw):
            keep = not _BODY.match(raw)
            found += [raw] if keep else []
    return found


def _made(record: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
    for name in ("from", "to", "cc", "bcc", "reply_to"):
        people = [each for each in _list(record.get(name)) if each.strip()]
        if people:
            yield name.replace("_", "-").title(), b",\r\n ".join(_person(each) for each in people)
    if record.get("subject"):
        yield "Subject", _text(str(record["subject"]))
    moment = record.get("date")
    if isinstance(moment, datetime):
        yield "Date", format_datetime(moment).encode()
    for name, key in (("Message-ID", "message_id"), ("In-Reply-To", "in_reply_to")):
        if record.get(key):
            yield name, _text(str(record[key]))
    references = [each for each in _list(record.get("references")) if each.strip()]
    if references:
        yield "References", b"\r\n ".join(_text(each) for each in references)


def _list(value: Any) -> Sequence[str]:
    if value is None:
        return ()
    return [value] if isinstance(value, str) else [str(each) for each in value if each is not None]


def _person(text: str) -> bytes:
    """`Name <address>`, the name encoded where it isn't ASCII, in quotes where it has signs."""
    found = _AFTER_NAME.match(text)
    if not found or not found[1]:
        return _text(text)
    name, address = found[1].strip(), found[2].strip()
    if not name.isascii():
        bare = name.removeprefix('"').removesuffix('"').replace('\\"', '"').replace("\\\\", "\\")
        return _text(bare) + b" <" + _text(address) + b">"
    if re.search(r'[()<>\[\]:;@\\,."]', name) and not re.fullmatch(r'"(?:[^"\\]|\\.)*"', name, re.DOTALL):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _text(name) + b" <" + _text(address) + b">"


def _text(value: str) -> bytes:
    """A header's text: line ends as blanks; encoded where it isn't ASCII, or looks as if it were."""
    flat = " ".join(value.split()) if re.search(r"[\r\n\0\t]", value) else value
    if flat.isascii() and flat.isprintable() and "=?" not in flat and len(flat) < LONGEST_LINE - 100:
        return flat.encode()
    return Header(flat, "utf-8", maxlinelen=76, header_name="x" * 40).encode(linesep="\r\n").encode()


def _part(kind: str, text: str) -> list[bytes]:
    raw = base64.encodebytes(text.encode()).replace(b"\n", b"\r\n")
    return [
        f"Content-Type: text/{kind}; charset=utf-8".encode(), b"Content-Transfer-Encoding: base64", b"",
        raw.removesuffix(b"\r\n"),
    ]  # fmt: skip
