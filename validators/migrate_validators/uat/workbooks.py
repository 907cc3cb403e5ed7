"""How does a tester's sheet look, and is it still what was handed out?

One workbook a tester: a line a record and a line a field, with a list of `OK` and `not OK` and room for a
remark. Everything else is locked. Each line has a hidden id and a digest of what stands in it; a hidden sheet
says whose it is and of which run. So what comes back is known, and a changed line is seen.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.workbooks import cut, line_digest, neutral, text_in

if TYPE_CHECKING:
    from migrate_validators.uat.rows import Line

FORMAT = 1
RECORDS, RUN = "Records", "run"
OK, NOT_OK = "OK", "not OK"
HEAD = (
    "Record", "Why this one", "Field", "Old value", "New value", "Old system", "New system", "OK or not?",
    "Remark", "id", "digest",
)  # fmt: skip
ANSWER, REMARK, ID, DIGEST = (HEAD.index(name) for name in ("OK or not?", "Remark", "id", "digest"))
LOCKED = ANSWER  # so many columns in front are ours
TOP = 4  # lines above the head
SIGNS = 1_000  # of a value
_WIDTHS = (30, 26, 26, 46, 46, 14, 14, 12, 50, 4, 4)
_HOW = (
    "Compare the old value with the new one. Choose OK or not OK, for a record as a whole or field by field; "
    "say in the remark what is wrong. Leave empty what you didn't look at.",
    "Only the two yellow columns are yours; a sheet in which something else was changed can't be read.",
)
_WEB = re.compile(r"https?://[^\s\"<>]{3,}")


def id_of(line: Line) -> str:
    """The lasting id of a line."""
    return json.dumps([line.entry, line.key, line.field], ensure_ascii=False)


def cells_of(line: Line) -> list[str]:
    """What stands in a line's locked cells."""
    whole = not line.field
    return [
        cut(line.title, SIGNS), line.why if whole else "", line.label, cut(line.old, SIGNS),
        cut(line.new, SIGNS), line.old_url, line.new_url,
    ]  # fmt: skip


def sheet_digest(lines: Sequence[tuple[str, str]]) -> str:
    """Of a sheet: of its lines' ids and digests, in whichever order they stand."""
    return hashlib.sha256(json.dumps(sorted(lines), ensure_ascii=False).encode()).hexdigest()


def written(path: Path, lines: Sequence[Line], *, tester: str, run: dict[str, Any]) -> str:
    """Write a tester's workbook; returns the sheet's digest.

    Args:
        run: what the hidden sheet says besides (id, attempt, plan).
    """
    from openpyxl.styles import Alignment, Font, PatternFill, Protection
    from openpyxl.utils import get_column_letter
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    assert sheet is not None  # noqa: S101 - a new book has one
    sheet.title = RECORDS
    bold, wrap = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    yours, shade = PatternFill("solid", fgColor="FFFBE6"), PatternFill("solid", fgColor="EDEDED")
    free, blue = Protection(locked=False), Font(color="0563C1", underline="single")
    for row, words in enumerate((f"People's own test: {tester}", *_HOW), 1):
        sheet.cell(row, 1, neutral(words)).font = bold if row == 1 else Font()
    for column, name in enumerate(HEAD, 1):
        head = sheet.cell(TOP + 1, column, name)
        head.font, head.fill = bold, shade
        dimension = sheet.column_dimensions[get_column_letter(column)]
        dimension.width, dimension.hidden = _WIDTHS[column - 1], column - 1 in (ID, DIGEST)
    digests = []
    for row, line in enumerate(lines, TOP + 2):
        id, cells = id_of(line), [neutral(each) for each in cells_of(line)]
        digest = line_digest(id, cells)
        digests.append((id, digest))
        for column, value in enumerate(cells, 1):
            cell = text_in(sheet, row, column, value)
            cell.alignment = wrap
            if not line.field:
                cell.font, cell.fill = bold, shade
            if column > LOCKED - 2 and _WEB.fullmatch(str(value)):
                cell.hyperlink, cell.font = str(value), blue
        for column in (ANSWER, REMARK):
            answer = sheet.cell(row, column + 1)
            answer.fill, answer.protection, answer.alignment = yours, free, wrap
        for column, value in ((ID, id), (DIGEST, digest)):
            text_in(sheet, row, column + 1, value)
    choice = DataValidation(type="list", formula1=f'"{OK},{NOT_OK}"', allow_blank=True, showErrorMessage=True)
    choice.errorTitle, choice.error = "OK or not OK", "Choose OK or not OK, or leave it empty."
    sheet.add_data_validation(choice)
    letter = get_column_letter(ANSWER + 1)
    choice.add(f"{letter}{TOP + 2}:{letter}{TOP + 1 + max(len(lines), 1)}")
    sheet.freeze_panes = f"A{TOP + 2}"
    sheet.protection.sheet = True
    sheet.protection.formatColumns = False  # widths may be changed
    sheet.protection.formatRows = False
    whole = sheet_digest(digests)
    hidden = book.create_sheet(RUN)
    for row, (name, value) in enumerate(
        {"format": FORMAT, "tester": tester, **run, "digest": whole}.items(), 1
    ):
        hidden.cell(row, 1, name)
        text_in(hidden, row, 2, str(value))
    hidden.sheet_state = "veryHidden"
    hidden.protection.sheet = True
    book.save(path)
    return whole
