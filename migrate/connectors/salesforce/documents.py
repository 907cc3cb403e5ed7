"""How are the links of files read, which Salesforce gives only by document or by record?

A query of ContentDocumentLink without `ContentDocumentId` or `LinkedEntityId` by `=` or `IN` is refused
(SOQL and SOSL Reference, "ContentDocumentLink" in Object Reference, read 2026-11-26). So the documents are
gone through by their ids, in lots that fit into one query, and the links of each lot are read whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate.connector import Page
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.blobs import LINK
from migrate.connectors.salesforce.rest import Rest, to_batch
from migrate.connectors.salesforce.values import BadValue, Column

DOCUMENT, BY, ENTITY = "ContentDocument", "ContentDocumentId", "LinkedEntityId"
PREFIX = "document:"
LOT = 300  # ids of 18 characters with their quotes: a third of the longest URI


def pages(
    rest: Rest, system: str, fields: Sequence[str], conditions: Sequence[str], columns: Sequence[Column],
    after: str | None,
) -> Iterator[Page]:  # fmt: skip
    """Links in the order of their documents' ids. The cursor is the last document of a page.

    Raises:
        SystemRefused: a value isn't of its field's described type.
    """
    last = after.removeprefix(PREFIX) if after else ""
    while True:
        lot = _documents(rest, last)
        wanted = [*conditions, f"{BY} IN ({', '.join(map(soql.text, lot))})"]
        found = rest.rows(soql.select(LINK, fields, wanted)) if lot else []
        try:
            batch = to_batch(found, columns)
        except BadValue as failure:
            raise failure.refusal(system, LINK) from failure
        whole = len(lot) < LOT
        last = lot[-1] if lot else last
        yield Page(batch, None if whole else f"{PREFIX}{last}")
        if whole:
            return


def count(rest: Rest, conditions: Sequence[str]) -> int:
    """The vendor's own count of the links of all documents."""
    total, last = 0, ""
    while lot := _documents(rest, last):
        total += rest.count(LINK, [*conditions, f"{BY} IN ({', '.join(map(soql.text, lot))})"])
        if len(lot) < LOT:
            break
        last = lot[-1]
    return total


def rows(rest: Rest, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Every live link, document by document."""
    last = ""
    while lot := _documents(rest, last):
        yield from of(rest, fields, lot)
        if len(lot) < LOT:
            return
        last = lot[-1]


def of(rest: Rest, fields: Sequence[str], documents: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The live links of these documents."""
    for first in range(0, len(documents), LOT):
        lot = documents[first : first + LOT]
        yield from rest.rows(soql.select(LINK, fields, [f"{BY} IN ({', '.join(map(soql.text, lot))})"]))


def _documents(rest: Rest, last: str) -> list[str]:
    after = [f"Id > {soql.text(last)}"] if last else []
    rows = rest.rows(soql.select(DOCUMENT, ["Id"], after, f"ORDER BY Id LIMIT {LOT}"))
    return [str(row["Id"]) for row in rows]
