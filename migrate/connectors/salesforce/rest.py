"""How are few rows read, counted and asked for? By REST queries, paged by the last id seen.

`WHERE Id > last ORDER BY Id LIMIT 2000` needs no cursor at the vendor, so nothing can expire; a page
that the vendor cuts shorter (200 rows with long text) only makes more of them. Numbers are taken from
the JSON as text, so that no float comes between. Salesforce, REST API Developer Guide "Query" and SOQL
reference "LIMIT", read 2026-11-23.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from migrate.connector import Page
from migrate.connectors.http import Http, Reply
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.values import BadValue, Column, empty, typed

ROWS = 2000
LONGEST_URI = 16_000  # the vendor refuses more than 16,384 bytes with 414
PREFIX = "keyset:"


class Rest:
    """SOQL over REST, at one org and API version."""

    def __init__(self, http: Http, base: str) -> None:
        self._http, self._base = http, base

    def query(self, text: str, *, all: bool = False) -> dict[str, Any]:
        """The first reply to a query, numbers as text. `all`: deleted and archived rows too."""
        path = f"{self._base}/{'queryAll' if all else 'query'}/"
        return _parse(self._http.call("GET", path, params={"q": text}, write=False))

    def rows(self, text: str, *, all: bool = False) -> list[dict[str, Any]]:
        """Every record of a query, following the vendor's pages. For short lists (users, currencies)."""
        answer = self.query(text, all=all)
        found: list[dict[str, Any]] = list(answer["records"])
        while not answer.get("done", True):
            answer = _parse(self._http.call("GET", str(answer["nextRecordsUrl"]), write=False))
            found += answer["records"]
        return found

    def count(self, object: str, conditions: Sequence[str], *, all: bool = False) -> int:
        """`SELECT COUNT()`: counted by the vendor, without reading a row."""
        return int(self.query(soql.select(object, ["COUNT()"], conditions), all=all)["totalSize"])

    def fits(self, text: str) -> bool:
        """Whether a query is short enough for a URI."""
        return len(quote(text)) + len(self._base) + 200 < LONGEST_URI

    def pages(
        self,
        object: str,
        fields: Sequence[str],
        conditions: Sequence[str],
        columns: Sequence[Column],
        *,
        last: str = "",
        all: bool = False,
    ) -> Iterator[Page]:
        """Records in the order of their ids, after the id `last`.

        Raises:
            SystemRefused: a value isn't of its field's described type.
        """
        while True:
            after = [f"Id > {soql.text(last)}"] if last else []
            answer = self.query(
                soql.select(object, fields, [*conditions, *after], f"ORDER BY Id LIMIT {ROWS}"), all=all
            )
            records = answer["records"]
            try:
                batch = to_batch(records, columns)
            except BadValue as failure:
                raise failure.refusal(self._http.system, object) from failure
            if not records or (answer.get("done", True) and len(records) < ROWS):
                yield Page(batch, None)
                return
            last = str(records[-1]["Id"])
            yield Page(batch, f"{PREFIX}{last}")


def to_batch(records: Sequence[dict[str, Any]], columns: Sequence[Column]) -> pa.RecordBatch:
    """Records of a reply (numbers as text) as a typed page."""
    if not records:
        return empty(columns)
    names = {"Id": pa.string(), **{each.name: each.text for each in columns}}
    texts = {
        name: pa.array([_text(record[name]) for record in records], type) for name, type in names.items()
    }
    return typed(texts, columns)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or value == "" else str(value)


def _parse(reply: Reply) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(reply.body, parse_float=str, parse_int=str)
    return parsed
