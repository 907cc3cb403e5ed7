"""How does text get into a spreadsheet so that it stays text, and what of it comes back unchanged?

Every cell is text or a whole number: an amount stays exact, and a text that begins as a formula does gets an
apostrophe before it, so that it stays text when somebody saves the sheet as CSV.
A cell holds 32,767 characters (Microsoft, "Excel specifications and limits"). A workbook that comes back is
somebody else's file: it is small or isn't opened, nothing in it is run, and a line's digest tells whether the
cells that were ours are as they were.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openpyxl import Workbook

CELL = 32_767  # characters
FILE_BYTES, UNPACKED, MEMBERS = 20_000_000, 200_000_000, 500  # of a workbook that is read
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


def text_in(sheet: Any, row: int, column: int, value: str) -> Any:
    """Put a text into a cell of an openpyxl sheet; it stays a text, whatever it begins like."""
    cell = sheet.cell(row, column)
    cell.value, cell.data_type = value, "s"
    return cell


def cut(value: str, signs: int) -> str:
    """A value's first signs, and how many there are where that isn't all."""
    return value if len(value) <= signs else f"{value[:signs]} … ({len(value):,} signs in all)"


def line_digest(id: str, cells: Sequence[Any]) -> str:
    """Of a line's locked cells; blanks and line ends don't count, for programs change them."""
    plain = [" ".join(str(each if each is not None else "").split()) for each in cells]
    return hashlib.sha256(json.dumps([id, *plain], ensure_ascii=False).encode()).hexdigest()[:24]


class UnreadableWorkbookError(Exception):
    """Why a workbook isn't taken, with its name and what to do."""


def read_sheets(
    file: Path, columns: Mapping[str, int], lines: int, again: str
) -> dict[str, list[tuple[Any, ...]]]:
    """The cells of some sheets, formulas as the texts that they are; nothing of it is run or fetched.

    Args:
        columns: how many are read, by sheet; sheets that aren't there are left out.
        lines: most that a sheet may have.
        again: what to do about a file that no sheet of ours can be.

    Raises:
        UnreadableWorkbookError: it isn't there, is no workbook, or is larger than any of ours.
    """
    _must_be_small(file, again)
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a stranger's workbook holds besides
            book = load_workbook(file, read_only=True, data_only=False, keep_links=False)
        try:
            found: dict[str, list[tuple[Any, ...]]] = {}
            for name, most in columns.items():
                if name in book.sheetnames:
                    rows = book[name].iter_rows(max_row=lines + 1, max_col=most, values_only=True)
                    found[name] = list(rows)
                    if len(found[name]) > lines:
                        raise UnreadableWorkbookError(
                            f"{file}, sheet `{name}`: it has more than {lines:,} lines. {again}"
                        )
        finally:
            book.close()
    except UnreadableWorkbookError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise UnreadableWorkbookError(
            f"{file}: it can't be read as a workbook ({said}). Save it as .xlsx again."
        ) from error
    return found


def _must_be_small(file: Path, again: str) -> None:
    try:
        if file.stat().st_size > FILE_BYTES:
            raise UnreadableWorkbookError(
                f"{file}: it has more than {FILE_BYTES // 1_000_000} MB, no sheet of ours has."
            )
        with zipfile.ZipFile(file) as packed:
            members = packed.infolist()
    except FileNotFoundError as error:
        raise UnreadableWorkbookError(f"{file}: it isn't there.") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise UnreadableWorkbookError(
            f"{file}: it isn't a workbook ({error}). Save it as .xlsx again."
        ) from error
    if len(members) > MEMBERS or sum(each.file_size for each in members) > UNPACKED:
        raise UnreadableWorkbookError(f"{file}: it unpacks to more than a sheet of ours can hold. {again}")
