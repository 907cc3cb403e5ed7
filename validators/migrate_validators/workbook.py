"""How does a spreadsheet read a validation? A sheet for the first screen, one for differences, one a check.

Cells are as `migrate.workbooks` makes them: no text is a formula. Rows are bounded; each sheet says where the
rest is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from migrate.workbooks import add_sheet

_WIDTHS = (26, 16, 44, 26, 26, 26, 20, 20, 20, 20, 30, 30, 20)
_FIRST, _DIFFERENCES = "First screen", "Differences"


def workbook(document: dict[str, Any], digest: str, evidence: str) -> bytes:
    """report.xlsx of a report.

    Args:
        document: report.json, as read; whatever is masked there is masked here.
        digest: its SHA-256 in hex; `evidence`: its short name.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    add_sheet(book, _FIRST, _first(document, digest, evidence), _WIDTHS)
    add_sheet(book, _DIFFERENCES, _differences(document), _WIDTHS)
    for check in dict.fromkeys(each["check"] for each in document["results"]):
        results = [each for each in document["results"] if each["check"] == check]
        add_sheet(book, check, _check(results), _WIDTHS)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _first(document: dict[str, Any], digest: str, evidence: str) -> Iterator[list[Any]]:
    yield ["Verdict", document["verdict"], document["title"]]
    yield ["", "", document["summary"]]
    for side, title in (("source", "From"), ("target", "To")):
        each = document[side]
        kind = "production" if each.get("production") else "not production"
        yield [title, each["system"], each.get("name") or "", each["tenant"], kind]
    yield ["Target read again (UTC)", document["started"], document["ended"]]
    yield ["Evidence", evidence, f"SHA-256 of report.json: {digest}"]
    yield ["Persons", "masked" if document.get("masked") else "not masked"]
    for section in document.get("screen", ()):
        yield []
        yield [section["title"], section["verdict"] or "not set up", section["summary"]]
        yield from ([name, value] for name, value in section["figures"].items())
        for table in section["tables"]:
            yield from _table(table)


def _table(table: dict[str, Any]) -> Iterator[list[Any]]:
    yield [table["title"]]
    yield list(table["columns"])
    yield from (list(row) for row in table["rows"])
    if table["note"]:
        yield [table["note"]]


def _differences(document: dict[str, Any]) -> Iterator[list[Any]]:
    found = document.get("differences", {})
    sample = found.get("sample") or {"columns": [], "rows": []}
    total = found.get("total", 0)
    yield [f"{len(sample['rows']):,} of {total:,} differences; all of them: {found.get('rows') or 'none'}"]
    yield list(sample["columns"])
    yield from sample["rows"]


def _check(results: list[dict[str, Any]]) -> Iterator[list[Any]]:
    yield ["Result", "Verdict", "Summary", "Compared", "Rows behind it", "Tolerance"]
    for each in results:
        yield [each["id"], each["verdict"], each["summary"], each["compared"], each["row_count"],
               each["tolerance"]]  # fmt: skip
    for each in results:
        if each["figures"] or each["tables"] or each["sample"]:
            yield []
            yield [each["id"], each["verdict"], each["title"]]
        yield from ([name, value] for name, value in each["figures"].items())
        for table in each["tables"]:
            yield from _table(table)
        if each["sample"]:
            yield [f"{len(each['sample'])} of {each['row_count']:,} rows; all of them: {each['rows']}"]
            yield list(each["sample"][0])
            yield from (list(row.values()) for row in each["sample"])
