"""Which org travels? Real input and planted traps in one: what nobody here wrote, and what nobody would.

Of the Maven data the companies, sellers and opportunities (its people are made up anyway); DreamHouse and
E-Bikes whole; the raw messages of CPython's test data as e-mails of a company's history; the nasty seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

from migrate.demo.maven import maven
from migrate.demo.nasty import nasty
from migrate.demo.shape import stamp
from migrate.demo.trees import dreamhouse, ebikes
from migrate.sandbox.salesforce.ids import mint

Row = dict[str, Any]
_MAVEN = ("OpportunityStage", "User", "Account", "Opportunity")
_FIRST = 90_000_000


def whole(shared: Path) -> dict[str, Any]:
    """A seed document of all inputs.

    Raises:
        MissingData: a file of the real input isn't there.
    """
    seller = maven(shared / "maven-crm").salesforce
    kept = {name: seller["records"][name] for name in _MAVEN}
    documents = [
        nasty(),
        {"metadata": seller["metadata"], "records": kept},
        dreamhouse(shared / "dreamhouse"),
        ebikes(shared / "ebikes"),
        {"records": {"EmailMessage": list(messages(shared / "mime", kept["Account"]))}},
    ]
    return joined(documents)


def joined(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Seed documents as one: records one after the other, metadata field by field."""
    records: dict[str, list[Row]] = {}
    metadata: dict[str, Row] = {}
    for document in documents:
        for name, rows in document.get("records", {}).items():
            records.setdefault(name, []).extend(rows)
        for name, given in document.get("metadata", {}).items():
            known = metadata.setdefault(name, {})
            fields = [*known.get("fields", []), *given.get("fields", [])]
            metadata[name] = {**known, **given, "fields": fields}
    return {"org": {"Name": "All in one"}, "metadata": metadata, "records": records}


def messages(folder: Path, accounts: list[Row]) -> Iterator[Row]:
    """The raw messages as e-mails, as far as they can be read; what can't be stays out of the field."""
    for number, path in enumerate(sorted(folder.glob("msg_*.txt"))):
        message = message_from_bytes(path.read_bytes(), policy=default)
        row: Row = {
            "Id": mint("02s", _FIRST + number),
            "Subject": _header(message, "subject")[:3000] or path.name,
            "TextBody": _body(message, "plain")[:131_000] or None,
            "HtmlBody": _body(message, "html")[:131_000] or None,
            "FromAddress": _addresses(message, "from").partition(";")[0][:1000] or None,
            "ToAddress": _addresses(message, "to")[:4000] or None,
            "CcAddress": _addresses(message, "cc")[:4000] or None,
            "Incoming": number % 2 == 0,
            "Status": "1" if number % 2 == 0 else "3",
            "MessageDate": _date(message),
            "MessageIdentifier": _header(message, "message-id")[:765] or None,
            "RelatedToId": accounts[number % len(accounts)]["Id"],
        }
        yield {name: value for name, value in row.items() if value is not None}


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, TypeError, AttributeError, IndexError):  # a header that Python's parser trips over
        return ""


def _addresses(message: EmailMessage, name: str) -> str:
    found = [address for _, address in getaddresses([_header(message, name)])]
    return ";".join(each for each in found if each.count("@") == 1 and " " not in each)


def _body(message: EmailMessage, kind: str) -> str:
    """The parts of a kind that can be decoded; a stray surrogate becomes a question mark, as in mailboxes."""
    texts = []
    for part in message.walk():
        if part.get_content_type() == f"text/{kind}":
            try:
                texts.append(str(part.get_content()))
            except (LookupError, ValueError, KeyError, AttributeError):
                continue
    return "\n".join(texts).encode("utf-8", "replace").decode().replace("\0", "").strip()


def _date(message: EmailMessage) -> str:
    try:
        return stamp(parsedate_to_datetime(_header(message, "date")))
    except (ValueError, TypeError):
        return "2001-01-01T00:00:00.000Z"
