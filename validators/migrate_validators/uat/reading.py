"""What did the testers say? Their workbooks are somebody else's files: nothing in them is believed unproved.

A file is taken whole or not at all, and where one of several can't be, none is. Each thing that is wrong is
told with file, sheet and line, and what to do. Who answered is what the ledger knows of the sheet, not what
the file says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.errors import UsageError
from migrate.forms import RUN, TOP, form_digest, id_parts
from migrate.ledger.people import Answer, Handed, handed_out, standing_answers, take_answers
from migrate.workbooks import UnreadableWorkbookError, line_digest, read_sheets
from migrate_validators.uat.workbooks import (
    ANSWER,
    DIGEST,
    FORMAT,
    HEAD,
    ID,
    LOCKED,
    NOT_OK,
    OK,
    RECORDS,
    REMARK,
)

if TYPE_CHECKING:
    from migrate.workspace import Workspace

LINES = 20_000  # that a sheet may have
SIGNS = 2_000  # of a remark
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_AGAIN = "Make a new sheet (`migrate uat sheets --user …`), and copy the answers over."


@dataclass(frozen=True)
class Taken:
    """What the files held. `new`: answers that weren't known; `failed`: what isn't OK to them now."""

    files: int
    testers: tuple[str, ...]
    records: int
    answers: int
    new: int
    failed: int
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "files": self.files, "testers": list(self.testers), "records": self.records,
            "answers": self.answers, "new": self.new, "failed": self.failed, "notes": list(self.notes),
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        said = (
            f"{self.files:,} sheets of {len(self.testers):,} testers: {self.answers:,} answers on "
            f"{self.records:,} records, {self.new:,} of them new. Not OK now: {self.failed:,}."
        )
        return "\n".join([said, *self.notes, "Next: `migrate validate --only people`, or the whole."])


@dataclass(frozen=True)
class _Sheet:
    handed: Handed
    answers: list[Answer]
    notes: list[str]


def read(workspace: Workspace, files: Sequence[Path]) -> Taken:
    """Take the answers of workbooks into the ledger. One that was read before counts once.

    Raises:
        UsageError: a file isn't a sheet of this workspace and attempt, or something in it was changed beside
            the answers; all of it is told, and nothing is taken.
    """
    ledger = workspace.ledger
    known = {each.id: each for each in handed_out(ledger)}
    attempt = ledger.attempt()
    found: list[_Sheet] = []
    wrong: list[str] = []
    for file in dict.fromkeys(files):
        try:
            found.append(_read(file, known, attempt))
        except _WrongError as error:
            wrong += error.lines
    if wrong:
        told = "\n  ".join(wrong)
        raise UsageError(f"Nothing was taken:\n  {told}", "Mend these files, or leave them out.")
    answers = [answer for sheet in found for answer in sheet.answers]
    new = take_answers(ledger, answers, who="uat") if answers else 0
    testers = {sheet.handed.tester for sheet in found}
    failed = sum(not one.ok for one in standing_answers(ledger, attempt) if one.tester in testers)
    return Taken(
        len(found), tuple(sorted(testers)), len({(one.entry, one.key) for one in answers}), len(answers), new,
        failed, tuple(note for sheet in found for note in sheet.notes),
    )  # fmt: skip


class _WrongError(Exception):
    """Why a file isn't taken, a line each."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__(*lines)


def _read(file: Path, known: Mapping[str, Handed], attempt: int) -> _Sheet:
    grids = _grids(file)
    if RECORDS not in grids or RUN not in grids:
        raise _WrongError(
            f"{file}: it isn't a sheet of `migrate uat sheets` (it lacks `{RECORDS}` or `{RUN}`)."
        )
    run = {str(row[0]): str(row[1] or "") for row in grids[RUN] if len(row) > 1 and row[0]}
    if run.get("format") != str(FORMAT):
        raise _WrongError(f"{file}, sheet `{RUN}`: it is of another version of the format. {_AGAIN}")
    handed = known.get(run.get("sheet", ""))
    if handed is None:
        raise _WrongError(
            f"{file}: it is a sheet of another run: this workspace handed out no `{run.get('sheet', '')}`. "
            "Read it where it was made."
        )
    if handed.attempt != attempt:
        raise _WrongError(
            f"{file}: it was made in attempt {handed.attempt}, and this is attempt {attempt}, whose records "
            "are others. Make new sheets."
        )
    rows = grids[RECORDS]
    head = rows[TOP] if len(rows) > TOP else ()
    if tuple(head[: len(HEAD)]) != HEAD:
        raise _WrongError(
            f"{file}, sheet `{RECORDS}`, line {TOP + 1}: the columns aren't as they were handed out. {_AGAIN}"
        )
    return _answers(file, handed, rows)


def _answers(file: Path, handed: Handed, rows: Sequence[Sequence[Any]]) -> _Sheet:
    wrong: list[str] = []
    answers: list[Answer] = []
    notes: list[str] = []
    seen: dict[str, str] = {}
    for number, row in enumerate(rows[TOP + 1 :], TOP + 2):
        cells = [*row, *([None] * (len(HEAD) - len(row)))]
        at = f"{file}, sheet `{RECORDS}`, line {number}"
        if all(each in (None, "") for each in cells):
            continue
        if any(each not in (None, "") for each in cells[len(HEAD) :]):
            wrong.append(f"{at}: something stands beside our columns. Move it into the remark.")
        id, digest = str(cells[ID] or ""), str(cells[DIGEST] or "")
        subject = id_parts(id)
        if subject is None or line_digest(id, cells[:LOCKED]) != digest:
            wrong.append(f"{at}: something was changed beside the answer and the remark. {_AGAIN}")
            continue
        if id in seen:
            wrong.append(f"{at}: it is the same line as an earlier one. Delete it.")
            continue
        seen[id] = digest
        said, remark = _plain(cells[ANSWER]), _plain(cells[REMARK])
        if not said:
            if remark:
                notes.append(f"{at}: a remark without an answer doesn't count; choose {OK} or {NOT_OK}.")
            continue
        if said.casefold() not in (OK.casefold(), NOT_OK.casefold()):
            wrong.append(f"{at}: `{said[:40]}` is no answer. Choose {OK} or {NOT_OK}.")
            continue
        if len(remark) > SIGNS:
            notes.append(f"{at}: of a remark of {len(remark):,} signs the first {SIGNS:,} are kept.")
        entry, key, field = subject
        answers.append(
            Answer(
                handed.id, handed.tester, handed.attempt, entry, key, field, said.casefold() == OK.casefold(),
                remark[:SIGNS], _value(cells[3]), _value(cells[4]), file.name[-255:],
            )
        )  # fmt: skip
    if not wrong and form_digest(list(seen.items())) != handed.digest:
        wrong.append(f"{file}, sheet `{RECORDS}`: lines are missing, or hidden cells were changed. {_AGAIN}")
    if wrong:
        raise _WrongError(*wrong)
    return _Sheet(handed, answers, notes)


def _plain(value: Any) -> str:
    return _CONTROLS.sub("", str(value if value is not None else "")).strip()


def _value(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _grids(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    wide = dict.fromkeys((RECORDS, RUN), len(HEAD) + 20)
    try:
        return read_sheets(file, wide, LINES, _AGAIN)
    except UnreadableWorkbookError as error:
        raise _WrongError(str(error)) from error
