"""What did people decide in a spreadsheet? It is somebody else's file: nothing in it is believed unproved.

A sheet is taken whole or not at all, and each thing that is wrong is told with sheet and line. Each record is
looked at again: a row whose record has changed since is refused by name, for its decision was about
something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.errors import UsageError
from migrate.forms import RUN, TOP, id_parts
from migrate.load.context import Progress, no_progress
from migrate.workbooks import UnreadableWorkbookError, line_digest, read_sheets
from migrate.workspace import Workspace
from migrate_rollback import decisions, holding, showing
from migrate_rollback.decisions import CHOICES, Choice
from migrate_rollback.sheets import (
    AGAIN,
    DECISION,
    DIGEST,
    FORMAT,
    HEAD,
    ID,
    LINES,
    LOCKED,
    RECORDS,
    REMARK,
    state_of,
)

LONGEST = 2_000  # signs of a remark


@dataclass(frozen=True)
class Taken:
    """What a sheet held. `counts`: decisions by kind; `notes`: remarks on rows that decide nothing."""

    file: str
    rows: int
    decisions: int
    counts: dict[str, int]
    notes: tuple[str, ...]


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
    subject: tuple[str, str]
    state: str
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
        grids = read_sheets(file, dict.fromkeys((RECORDS, RUN), len(HEAD) + 20), LINES + TOP + 1, AGAIN)
    except UnreadableWorkbookError as error:
        raise UsageError(f"Nothing was taken: {error}", AGAIN) from error
    if RECORDS not in grids or RUN not in grids:
        raise UsageError(
            f"{file} isn't a sheet of `migrate rollback hold list` (it lacks `{RECORDS}` or `{RUN}`).", AGAIN
        )
    run = {str(row[0]): str(row[1] or "") for row in grids[RUN] if len(row) > 1 and row[0]}
    if run.get("format") != str(FORMAT):
        raise UsageError(f"{file}, sheet `{RUN}`: it is of another version of the format.", AGAIN)
    if run.get("attempt") != str(attempt):
        raise UsageError(
            f"{file} is about the rollback of attempt {run.get('attempt')}, and this is attempt {attempt}.",
            AGAIN,
        )
    grid = grids[RECORDS]
    head = grid[TOP] if len(grid) > TOP else ()
    if tuple(head[: len(HEAD)]) != HEAD:
        raise UsageError(
            f"{file}, sheet `{RECORDS}`, line {TOP + 1}: the columns aren't as they were handed out.", AGAIN
        )
    wrong: list[str] = []
    found: dict[tuple[str, str], _Line] = {}
    for number, row in enumerate(grid[TOP + 1 :], TOP + 2):
        cells = [*row, *([None] * (len(HEAD) - len(row)))]
        if any(each not in (None, "") for each in cells):
            line = _line(number, cells)
            if isinstance(line, str) or line.subject in found:
                said = line if isinstance(line, str) else "it is the same row as an earlier one. Delete it."
                wrong.append(f"{file}, sheet `{RECORDS}`, line {number}: {said}")
            else:
                found[line.subject] = line
    if wrong:
        raise _refused(wrong)
    return list(found.values()), run.get("digest", "")


def _line(number: int, cells: Sequence[Any]) -> _Line | str:
    """A row, or what is wrong with it."""
    if any(each not in (None, "") for each in cells[len(HEAD) :]):
        return "something stands beside our columns. Move it into the remark."
    id, digest = str(cells[ID] or ""), str(cells[DIGEST] or "")
    about = id_parts(id)
    if about is None or line_digest(id, cells[:LOCKED]) != digest:
        return f"something was changed beside the decision and the remark. {AGAIN}"
    what = str(cells[DECISION] or "").strip().casefold()
    choices = tuple(str(cells[LOCKED - 1] or "").split(", "))
    if what and what not in CHOICES:
        return f"`{what[:40]}` is no decision. Choose {' or '.join(choices)}."
    if what and what not in choices:
        return f"`{what}` isn't possible for {about[0]} {about[1]}. Choose {' or '.join(choices)}."
    return _Line(number, about[:2], about[2], choices, what, str(cells[REMARK] or "").strip())


def _out_of_date(workspace: Workspace, file: Path, lines: Sequence[_Line], progress: Progress) -> list[str]:
    """Rows whose record isn't any more as the sheet shows it, in words."""
    if not lines:
        return []
    now: dict[tuple[str, str], str] = {}
    with closing(workspace.target()) as target:
        for lot in showing.look(workspace, target, records=[line.subject for line in lines]):
            now.update({(each.object, each.id): state_of(each) for each in lot})
            progress("looked at again", len(now), len(lines))
    wrong = []
    for line in lines:
        if line.subject not in now:
            wrong.append(f"{line.place(file)}: {' '.join(line.subject)} isn't held any more.")
        elif now[line.subject] != line.state:
            what = f"{' '.join(line.subject)} has changed since the sheet was written"
            wrong.append(f"{line.place(file)}: {what}. {AGAIN}")
    return wrong
