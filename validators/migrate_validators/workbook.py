"""How does a spreadsheet read a validation? A sheet for the first screen, one for differences, one a check.

Every cell is text or a whole number: an amount stays exact, and a text that begins as a formula does gets an
apostrophe before it, so that it stays text when somebody saves the sheet as CSV. Rows are bounded; each sheet
says where the rest is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openpyxl import Workbook

CELL = 32_767  # characters, as Excel allows
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_NO_TITLE = re.compile(r"[\[\]:*?/\\]")
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
    _sheet(book, _FIRST, _first(document, digest, evidence))
    _sheet(book, _DIFFERENCES, _differences(document))
    for check in dict.fromkeys(each["check"] for each in document["results"]):
        results = [each for each in document["results"] if each["check"] == check]
        _sheet(book, check, _check(results))
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def neutral(value: Any) -> Any:
    """A value as a cell takes it: no formula, no control sign, not too long."""
    if value is None or isinstance(value, int):
        return value if not isinstance(value, bool) else str(value).lower()
    text = _CONTROLS.sub("", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def _sheet(book: Workbook, title: str, rows: Iterable[Iterable[Any]]) -> None:
    taken = {name.lower() for name in book.sheetnames}
    plain = _NO_TITLE.sub(" ", title).strip("' ")[:28] or "check"
    name, count = plain, 2
    while name.lower() in taken:
        name, count = f"{plain} {count}", count + 1
    sheet = book.create_sheet(name)
    for letter, width in zip("ABCDEFGHIJKLM", _WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    for row in rows:
        sheet.append([neutral(value) for value in row])


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
