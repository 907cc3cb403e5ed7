"""How does a workbook look in which somebody answers, and is it still what was handed out?

One line an item: in front what is ours and locked, then the answers, which are yellow and free, last two
hidden columns, the line's id and a digest of our cells. A hidden sheet says of which run it is. So what comes
back is known, and a changed line is seen.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence

from migrate.workbooks import line_digest, neutral, text_in

TOP = 4  # lines above the head
RUN = "run"  # the hidden sheet's name


class Form:
    """A workbook under way. Memory: all of it; `neutral` cells only, none is a formula."""

    def __init__(
        self,
        title: str,
        said: Sequence[str],
        head: Sequence[str],
        widths: Sequence[int],
        answers: Sequence[int],
    ) -> None:
        """
        Args:
            said: lines above the head, the first is the heading; fewer than `TOP`.
            head: names of the columns; the last two are hidden, the id and the digest.
            answers: columns, from 0, that are the reader's; those before the first of them are ours.
        """  # fmt: skip
        from openpyxl.styles import Alignment, Font, PatternFill, Protection
        from openpyxl.utils import get_column_letter
        from openpyxl.workbook import Workbook

        self._book, self._answers = Workbook(), answers
        sheet = self._book.active
        assert sheet is not None  # noqa: S101 - a new book has one
        self._sheet = sheet
        sheet.title = title
        self._bold, self._wrap = Font(bold=True), Alignment(wrap_text=True, vertical="top")
        self._yours = PatternFill("solid", fgColor="FFFBE6")
        self._shade = PatternFill("solid", fgColor="EDEDED")
        self._free, self._blue = Protection(locked=False), Font(color="0563C1", underline="single")
        for row, words in enumerate(said, 1):
            sheet.cell(row, 1, neutral(words)).font = self._bold if row == 1 else Font()
        for column, name in enumerate(head, 1):
            cell = sheet.cell(TOP + 1, column, name)
            cell.font, cell.fill = self._bold, self._shade
            dimension = sheet.column_dimensions[get_column_letter(column)]
            dimension.width, dimension.hidden = widths[column - 1], column > len(head) - 2
        self._hidden = (len(head) - 1, len(head))
        self._lines: list[tuple[str, str]] = []

    def add(self, id: str, cells: Sequence[str], *, links: Sequence[int] = (), strong: bool = False) -> int:
        """Append a line; returns its row in the sheet.

        Args:
            cells: what is ours, in order.
            links: columns, from 0, that hold web addresses to click on.
            strong: it stands out, as the head of the lines after it.
        """
        row, ours = TOP + 2 + len(self._lines), [neutral(each) for each in cells]
        for column, value in enumerate(ours):
            cell = text_in(self._sheet, row, column + 1, value)
            cell.alignment = self._wrap
            if strong:
                cell.font, cell.fill = self._bold, self._shade
            if column in links:
                cell.hyperlink, cell.font = value, self._blue
        for column in self._answers:
            cell = self._sheet.cell(row, column + 1)
            cell.fill, cell.protection, cell.alignment = self._yours, self._free, self._wrap
        digest = line_digest(id, ours)
        for column, value in zip(self._hidden, (id, digest), strict=True):
            text_in(self._sheet, row, column, value)
        self._lines.append((id, digest))
        return row

    def choose(
        self, column: int, runs: Sequence[tuple[int, int]], title: str, choices: Sequence[str]
    ) -> None:
        """Let an answer be one of a few words, or nothing, in these runs of rows (first and last)."""
        from openpyxl.utils import get_column_letter
        from openpyxl.worksheet.datavalidation import DataValidation

        told = ",".join(choices)
        rule = DataValidation(type="list", formula1=f'"{told}"', allow_blank=True, showErrorMessage=True)
        rule.errorTitle, rule.error = title, f"Choose {' or '.join(choices)}, or leave it empty."
        self._sheet.add_data_validation(rule)
        letter = get_column_letter(column + 1)
        for first, last in runs:
            rule.add(f"{letter}{first}:{letter}{last}")

    def made(self, facts: Mapping[str, object]) -> tuple[bytes, str]:
        """The workbook, locked, and its digest, which its hidden sheet holds beside the facts."""
        sheet, digest = self._sheet, form_digest(self._lines)
        sheet.freeze_panes = f"A{TOP + 2}"
        sheet.protection.sheet = True
        sheet.protection.formatColumns = False  # widths may be changed
        sheet.protection.formatRows = False
        hidden = self._book.create_sheet(RUN)
        for row, (name, fact) in enumerate({**facts, "digest": digest}.items(), 1):
            hidden.cell(row, 1, name)
            text_in(hidden, row, 2, str(fact))
        hidden.sheet_state = "veryHidden"
        hidden.protection.sheet = True
        written = io.BytesIO()
        self._book.save(written)
        return written.getvalue(), digest


def form_digest(lines: Sequence[tuple[str, str]]) -> str:
    """Of a form: of its lines' ids and digests, in whichever order they stand."""
    return hashlib.sha256(json.dumps(sorted(lines), ensure_ascii=False).encode()).hexdigest()


def id_parts(id: str) -> tuple[str, str, str] | None:
    """The three texts of a line's id; None where it is none of ours."""
    try:
        found = json.loads(id)
    except ValueError:
        return None
    if not isinstance(found, list) or len(found) != 3 or not all(isinstance(each, str) for each in found):
        return None
    return found[0], found[1], found[2]
