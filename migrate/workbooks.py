"""How does text get into a spreadsheet so that it stays text? Cells, sheets, and the names of sheets.

Every cell is text or a whole number: an amount stays exact, and a text that begins as a formula does gets an
apostrophe before it, so that it stays text when somebody saves the sheet as CSV.
A cell holds 32,767 characters (Microsoft, "Excel specifications and limits").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openpyxl import Workbook

CELL = 32_767  # characters
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_NO_TITLE = re.compile(r"[\[\]:*?/\\]")


def neutral(value: Any) -> Any:
    """A value as a cell takes it: no formula, no control sign, not too long."""
    if value is None or isinstance(value, int):
        return value if not isinstance(value, bool) else str(value).lower()
    text = _CONTROLS.sub("", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def add_sheet(
    book: Workbook, title: str, rows: Iterable[Iterable[Any]], widths: Sequence[int] = (),
    link: int | None = None,
) -> None:  # fmt: skip
    """Append a sheet to a write-only workbook; rows are written and forgotten.

    Args:
        title: made into a name that Excel takes and that no sheet of the book has yet.
        widths: of the first columns, in characters.
        link: the column whose web addresses one may click on.
    """
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils import get_column_letter

    taken = {name.lower() for name in book.sheetnames}
    plain = _NO_TITLE.sub(" ", title).strip("' ")[:28] or "sheet"
    name, count = plain, 2
    while name.lower() in taken:
        name, count = f"{plain} {count}", count + 1
    sheet = book.create_sheet(name)
    for number, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    for row in rows:
        cells = [neutral(value) for value in row]
        if link is not None and link < len(cells) and str(cells[link]).startswith("https://"):
            address = cells[link]
            cells[link] = WriteOnlyCell(sheet, address)
            cells[link].hyperlink = address
        sheet.append(cells)
