"""How do people decide about held records in a spreadsheet, and is what comes back what was handed out?

One row a held record, as it stood when the sheet was written, with a list of decisions and room for a
remark; everything else is locked. A row has a hidden id and a digest of its cells. Taken back, each record is
looked at again: a row whose record has changed since is refused by name, for its decision was about
something else. A sheet is taken whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.clock import stamp
from migrate.errors import UsageError
from migrate.load.context import Progress, no_progress
from migrate.workbooks import UnreadableWorkbookError, cut, line_digest, neutral, read_sheets, text_in
from migrate.workspace import Workspace
from migrate_rollback import decisions, holding, showing
from migrate_rollback.decisions import CHOICES, Choice
from migrate_rollback.deeds import quoted
from migrate_rollback.showing import Shown

FORMAT = 1
RECORDS, RUN = "Held records", "run"
HEAD = (
    "Object", "Id", "Record", "Key", "Owner", "Why it is held", "What we wrote", "What is there now",
    "By whom, when", "What can be decided", "Decision", "Remark", "id", "digest",
)  # fmt: skip
DECISION, REMARK, ID, DIGEST = (HEAD.index(name) for name in ("Decision", "Remark", "id", "digest"))
LOCKED = DECISION  # so many columns in front are ours
URL = HEAD.index("Record")
TOP = 4  # lines above the head
LINES = 20_000  # records of a sheet
SIGNS = 500  # of a value
LONGEST = 2_000  # signs of a remark
_WIDTHS = (14, 14, 40, 30, 30, 40, 40, 40, 34, 20, 12, 50, 4, 4)
_HOW = (
    "keep: the record stays as it is; so does what isn't decided. merge: our fields go, what others wrote "
    "stays. force: the record is undone as if nobody had touched it, and what others wrote is lost.",
    "Only the two yellow columns are yours; a sheet in which something else was changed can't be read.",
)
_AGAIN = "Make a new sheet (`migrate rollback hold list --xlsx FILE`), and copy the decisions over."


@dataclass(frozen=True)
class Taken:
    """What a sheet held. `counts`: decisions by kind; `notes`: remarks on rows that decide nothing."""

    file: str
    rows: int
    decisions: int
    counts: dict[str, int]
    notes: tuple[str, ...]


def cells_of(each: Shown) -> list[str]:
    """What stands in a record's locked cells."""
    hold = each.hold
    theirs = [side for side in each.fields if side.standing == "theirs"] or list(each.fields)
    wrote = [f"{side.field}: {_value(side.ours)}" for side in theirs if side.ours is not None]
    now = [f"{side.field}: {_value(side.now)}" for side in theirs]
    by = [f"{side.field}: {side.who}, {side.at}" for side in theirs if side.who]
    whole = "the whole record" if hold.action == "delete" else ""
    return [
        hold.object, hold.id, each.url, hold.key, hold.owner, cut(hold.reason, SIGNS),
        "\n".join(filter(None, [whole, *wrote])),
        "\n".join([*filter(None, [each.now]), *now, *(f"link: {link}" for link in each.links)]),
        "\n".join(by), ", ".join(hold.choices),
    ]  # fmt: skip


def _value(value: str | None) -> str:
    return "(empty)" if value is None else cut(value, SIGNS)


def id_of(each: Shown) -> str:
    """The lasting id of a record's row."""
    return json.dumps([each.hold.object, each.hold.id], ensure_ascii=False)


def write(
    workspace: Workspace, path: Path, *, owner: str | None = None, progress: Progress = no_progress
) -> int:
    """Write a workbook with a row for each held record; returns how many.

    Looks at each record. Memory: the workbook, at most `LINES` rows of cut values.

    Args:
        owner: only this owner's records (id, e-mail, name or `nobody`).

    Raises:
        UsageError: nothing is held, or more than a sheet takes.
        Parked, SystemRefused: the target.
    """
    attempt = holding.prepare(workspace)
    id = _owner(workspace, owner)
    total = _count(workspace, id)
    if not total:
        raise UsageError("Nothing is held.", "There is nothing to decide.")
    if total > LINES:
        raise UsageError(
            f"{total:,} records are held, and a sheet takes {LINES:,}.",
            "Write one for each owner (`--owner`), or decide by group.",
        )
    with closing(workspace.target()) as target:
        shown = showing.look(workspace, target, owner=id)
        lines = (each for lot in shown for each in lot)
        return _book(path, lines, total, attempt, stamp(workspace.clock.now()), progress)


def _owner(workspace: Workspace, owner: str | None) -> str | None:
    if owner is None:
        return None
    rows = workspace.engine.rows("SELECT DISTINCT owner FROM undo_holds ORDER BY owner")
    return decisions.owner_id(workspace.guarded(), owner, [row["owner"] for row in rows])


def _count(workspace: Workspace, owner: str | None) -> int:
    whose = "true" if owner is None else f"owner = {quoted([owner])}"
    return int(workspace.engine.rows(f"SELECT count(*) AS n FROM undo_holds WHERE {whose}")[0]["n"])


def _book(path: Path, shown: Iterator[Shown], total: int, attempt: int, at: str, progress: Progress) -> int:
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
    for row, words in enumerate((f"Held by the rollback of attempt {attempt}, as of {at}", *_HOW), 1):
        sheet.cell(row, 1, neutral(words)).font = bold if row == 1 else Font()
    for column, name in enumerate(HEAD, 1):
        head = sheet.cell(TOP + 1, column, name)
        head.font, head.fill = bold, shade
        dimension = sheet.column_dimensions[get_column_letter(column)]
        dimension.width, dimension.hidden = _WIDTHS[column - 1], column - 1 in (ID, DIGEST)
    digests: list[tuple[str, str]] = []
    runs: list[tuple[tuple[str, ...], int, int]] = []  # rows of the same choices follow each other
    for row, each in enumerate(shown, TOP + 2):
        id, cells = id_of(each), [neutral(value) for value in cells_of(each)]
        digest = line_digest(id, cells)
        digests.append((id, digest))
        for column, value in enumerate(cells, 1):
            cell = text_in(sheet, row, column, value)
            cell.alignment = wrap
            if column - 1 == URL and value.startswith(("https://", "http://")):
                cell.hyperlink, cell.font = value, blue
        for column in (DECISION, REMARK):
            answer = sheet.cell(row, column + 1)
            answer.fill, answer.protection, answer.alignment = yours, free, wrap
        for column, value in ((ID, id), (DIGEST, digest)):
            text_in(sheet, row, column + 1, value)
        if runs and runs[-1][0] == each.hold.choices:
            runs[-1] = (runs[-1][0], runs[-1][1], row)
        else:
            runs.append((each.hold.choices, row, row))
        progress("held records", len(digests), total)
    letter = get_column_letter(DECISION + 1)
    for choices in dict.fromkeys(run[0] for run in runs):
        told = ",".join(choices)
        rule = DataValidation(type="list", formula1=f'"{told}"', allow_blank=True, showErrorMessage=True)
        rule.errorTitle, rule.error = "Decision", f"Choose {' or '.join(choices)}, or leave it empty."
        sheet.add_data_validation(rule)
        for these, first, last in runs:
            if these == choices:
                rule.add(f"{letter}{first}:{letter}{last}")
    sheet.freeze_panes = f"A{TOP + 2}"
    sheet.protection.sheet = True
    sheet.protection.formatColumns = False  # widths may be changed
    sheet.protection.formatRows = False
    hidden = book.create_sheet(RUN)
    facts = {"format": FORMAT, "attempt": attempt, "written": at, "digest": _digest(digests)}
    for row, (name, fact) in enumerate(facts.items(), 1):
        hidden.cell(row, 1, name)
        text_in(hidden, row, 2, str(fact))
    hidden.sheet_state = "veryHidden"
    hidden.protection.sheet = True
    book.save(path)
    return len(digests)


def _digest(lines: Sequence[tuple[str, str]]) -> str:
    """Of a sheet: of its rows' ids and digests, in whichever order they stand."""
    return hashlib.sha256(json.dumps(sorted(lines), ensure_ascii=False).encode()).hexdigest()


def read(workspace: Workspace, file: Path, progress: Progress = no_progress) -> Taken:
    """Take the decisions of a sheet into the ledger's trail. Nothing is written to the target.

    Rows without a decision decide nothing. Rows may be sorted or left out.

    Raises:
        UsageError: it isn't a sheet of this rollback, something was changed beside decision and remark, a
            decision isn't possible, or a record isn't any more as the sheet shows it. All of it is told with
            sheet and line, and nothing is taken.
        Parked, SystemRefused: the target.
    """
    attempt = holding.prepare(workspace)
    rows, digest = _rows(file, attempt)
    decided = [each for each in rows if each.what]
    wrong = _out_of_date(workspace, file, decided, progress)
    if wrong:
        raise _refused(wrong)
    notes = tuple(
        f"{each.place(file)}: a remark without a decision doesn't count." for each in rows
        if each.remark and not each.what
    )  # fmt: skip
    choices = [Choice(*each.subject, each.what, each.remark[:LONGEST]) for each in decided]
    if choices:
        decisions.record_rows(workspace, attempt, choices, {"file": file.name[-255:], "digest": digest})
    counts = Counter(each.what for each in decided)
    return Taken(file.name, len(rows), len(decided), {w: counts[w] for w in CHOICES if counts[w]}, notes)


@dataclass(frozen=True)
class _Line:
    number: int
    id: str
    subject: tuple[str, str]
    digest: str
    choices: tuple[str, ...]
    what: str
    remark: str

    def place(self, file: Path) -> str:
        return f"{file}, sheet `{RECORDS}`, line {self.number}"


def _refused(wrong: Sequence[str]) -> UsageError:
    shown = [*wrong[:50], *([f"and {len(wrong) - 50:,} more"] if len(wrong) > 50 else [])]
    told = "\n  ".join(shown)
    return UsageError(f"Nothing was taken:\n  {told}", "Mend these rows, or empty their decision.")


def _rows(file: Path, attempt: int) -> tuple[list[_Line], str]:
    try:
        grids = read_sheets(file, dict.fromkeys((RECORDS, RUN), len(HEAD) + 20), LINES + TOP + 1, _AGAIN)
    except UnreadableWorkbookError as error:
        raise UsageError(f"Nothing was taken: {error}", _AGAIN) from error
    if RECORDS not in grids or RUN not in grids:
        raise UsageError(
            f"{file} isn't a sheet of `migrate rollback hold list` (it lacks `{RECORDS}` or `{RUN}`).", _AGAIN
        )
    run = {str(row[0]): str(row[1] or "") for row in grids[RUN] if len(row) > 1 and row[0]}
    if run.get("format") != str(FORMAT):
        raise UsageError(f"{file}, sheet `{RUN}`: it is of another version of the format.", _AGAIN)
    if run.get("attempt") != str(attempt):
        raise UsageError(
            f"{file} is about the rollback of attempt {run.get('attempt')}, and this is attempt {attempt}.",
            _AGAIN,
        )
    grid = grids[RECORDS]
    head = grid[TOP] if len(grid) > TOP else ()
    if tuple(head[: len(HEAD)]) != HEAD:
        raise UsageError(
            f"{file}, sheet `{RECORDS}`, line {TOP + 1}: the columns aren't as they were handed out.", _AGAIN
        )
    wrong: list[str] = []
    found: dict[str, _Line] = {}
    for number, row in enumerate(grid[TOP + 1 :], TOP + 2):
        cells = [*row, *([None] * (len(HEAD) - len(row)))]
        if any(each not in (None, "") for each in cells):
            line = _line(number, cells)
            if isinstance(line, str) or line.id in found:
                said = line if isinstance(line, str) else "it is the same row as an earlier one. Delete it."
                wrong.append(f"{file}, sheet `{RECORDS}`, line {number}: {said}")
            else:
                found[line.id] = line
    if wrong:
        raise _refused(wrong)
    return list(found.values()), run.get("digest", "")


def _line(number: int, cells: Sequence[Any]) -> _Line | str:
    """A row, or what is wrong with it."""
    if any(each not in (None, "") for each in cells[len(HEAD) :]):
        return "something stands beside our columns. Move it into the remark."
    id, digest = str(cells[ID] or ""), str(cells[DIGEST] or "")
    subject = _subject(id)
    if subject is None or line_digest(id, cells[:LOCKED]) != digest:
        return f"something was changed beside the decision and the remark. {_AGAIN}"
    what = str(cells[DECISION] or "").strip().casefold()
    choices = tuple(str(cells[LOCKED - 1] or "").split(", "))
    if what and what not in CHOICES:
        return f"`{what[:40]}` is no decision. Choose {' or '.join(choices)}."
    if what and what not in choices:
        return f"`{what}` isn't possible for {subject[0]} {subject[1]}. Choose {' or '.join(choices)}."
    return _Line(number, id, subject, digest, choices, what, str(cells[REMARK] or "").strip())


def _subject(id: str) -> tuple[str, str] | None:
    try:
        found = json.loads(id)
    except ValueError:
        return None
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(each, str) for each in found):
        return None
    return found[0], found[1]


def _out_of_date(workspace: Workspace, file: Path, lines: Sequence[_Line], progress: Progress) -> list[str]:
    """Rows whose record isn't any more as the sheet shows it, in words."""
    if not lines:
        return []
    now: dict[str, str] = {}
    with closing(workspace.target()) as target:
        for lot in showing.look(workspace, target, records=[line.subject for line in lines]):
            now.update(
                {(id := id_of(each)): line_digest(id, [*map(neutral, cells_of(each))]) for each in lot}
            )
            progress("looked at again", len(now), len(lines))
    wrong = []
    for line in lines:
        if line.id not in now:
            wrong.append(f"{line.place(file)}: {' '.join(line.subject)} isn't held any more.")
        elif now[line.id] != line.digest:
            what = f"{' '.join(line.subject)} has changed since the sheet was written"
            wrong.append(f"{line.place(file)}: {what}. {_AGAIN}")
    return wrong
