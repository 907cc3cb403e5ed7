"""How do people decide about held records in a spreadsheet?

One row a held record, as it stood when the sheet was written, with a list of decisions and room for a
remark; everything else is locked. A row has a hidden id, with a digest of the record's state, and a digest of
its cells, so that what was changed, here or in the target, is seen when it comes back (`sheet_reading`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from migrate.clock import stamp
from migrate.connector import RECORD
from migrate.errors import UsageError
from migrate.forms import Form
from migrate.load.context import Progress, no_progress
from migrate.storage import write_aside
from migrate.workbooks import cut
from migrate.workspace import Workspace
from migrate_rollback import decisions, holding, showing
from migrate_rollback.deeds import quoted
from migrate_rollback.showing import Shown

FORMAT = 1
RECORDS = "Held records"
HEAD = (
    "Object", "Id", "Record", "Key", "Owner", "Why it is held", "What we wrote", "What is there now",
    "By whom, when", "What can be decided", "Decision", "Remark", "id", "digest",
)  # fmt: skip
DECISION, REMARK, ID, DIGEST = (HEAD.index(name) for name in ("Decision", "Remark", "id", "digest"))
LOCKED = DECISION  # so many columns in front are ours
URL = HEAD.index("Record")
LINES = 20_000  # records of a sheet
SIGNS, CELL = 500, 2_000  # of a value, and of a cell with several
_WIDTHS = (14, 14, 40, 30, 30, 40, 40, 40, 34, 20, 12, 50, 4, 4)
_HOW = (
    "keep: the record stays as it is; so does what isn't decided. merge: our fields go, what others wrote "
    "stays. force: the record is undone as if nobody had touched it, and what others wrote is lost.",
    "Only the two yellow columns are yours; a sheet in which something else was changed can't be read.",
)
AGAIN = "Make a new sheet (`migrate rollback hold list --xlsx FILE`), and copy the decisions over."


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
        _lines([whole, *wrote]), _lines([each.now, *now, *(f"link: {link}" for link in each.links)]),
        _lines(by), ", ".join(hold.choices),
    ]  # fmt: skip


def _lines(told: Sequence[str]) -> str:
    return cut("\n".join(filter(None, told)), CELL)


def _value(value: str | None) -> str:
    return "(empty)" if value is None else cut(value, SIGNS)


def id_of(each: Shown) -> str:
    """What a row is about: the record, and the state in which it is decided about."""
    return json.dumps([each.hold.object, each.hold.id, state_of(each)], ensure_ascii=False)


def state_of(each: Shown) -> str:
    """A digest of what speaks for or against undoing a record: whole values and links, no stamps.

    Only where a target doesn't tell what was written, the moment of the last save stands for it.
    """
    sides = [[side.field, side.now, side.at if side.field == RECORD else ""] for side in each.fields]
    whole = [each.hold.code, each.hold.choices, each.now, sides, each.links]
    return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()[:24]


def write(
    workspace: Workspace, path: Path, *, owner: str | None = None, progress: Progress = no_progress
) -> int:
    """Write a workbook with a row for each held record; returns how many.

    Looks at each record. Memory: the workbook, at most `LINES` rows of cut values.

    Args:
        owner: only this owner's records (id, e-mail, name or `nobody`).

    Raises:
        UsageError: nothing is held, or more than a sheet takes; or the file is there, for it may have been
            filled in.
        Parked, SystemRefused: the target.
    """
    if path.exists():
        raise UsageError(f"{path} is there already.", "Name another file, or delete it.")
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
    said = (f"Held by the rollback of attempt {attempt}, as of {at}", *_HOW)
    form = Form(RECORDS, said, HEAD, _WIDTHS, (DECISION, REMARK))
    runs: list[tuple[tuple[str, ...], tuple[int, int]]] = []  # rows of the same choices follow each other
    number = 0
    for number, each in enumerate(shown, 1):
        link = (URL,) if each.url.startswith(("https://", "http://")) else ()
        row = form.add(id_of(each), cells_of(each), links=link)
        if runs and runs[-1][0] == each.hold.choices:
            runs[-1] = (runs[-1][0], (runs[-1][1][0], row))
        else:
            runs.append((each.hold.choices, (row, row)))
        progress("held records", number, total)
    for choices in dict.fromkeys(run[0] for run in runs):
        form.choose(DECISION, [rows for these, rows in runs if these == choices], "Decision", choices)
    book, _ = form.made({"format": FORMAT, "attempt": attempt, "written": at})
    write_aside(path, book)
    return number
