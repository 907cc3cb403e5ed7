"""How does a tester's sheet look, and is it still what was handed out?

One workbook a tester: a line a record and a line a field, with a list of `OK` and `not OK` and room for a
remark. Everything else is locked. Each line has a hidden id and a digest of what stands in it; a hidden sheet
says whose it is and of which run. So what comes back is known, and a changed line is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.forms import TOP, Form
from migrate.workbooks import cut

if TYPE_CHECKING:
    from migrate_validators.uat.rows import Line

FORMAT = 1
RECORDS = "Records"
OK, NOT_OK = "OK", "not OK"
HEAD = (
    "Record", "Why this one", "Field", "Old value", "New value", "Old system", "New system", "OK or not?",
    "Remark", "id", "digest",
)  # fmt: skip
ANSWER, REMARK, ID, DIGEST = (HEAD.index(name) for name in ("OK or not?", "Remark", "id", "digest"))
LOCKED = ANSWER  # so many columns in front are ours
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


def written(path: Path, lines: Sequence[Line], *, tester: str, run: dict[str, Any]) -> str:
    """Write a tester's workbook; returns the sheet's digest.

    Args:
        run: what the hidden sheet says besides (id, attempt, plan).
    """
    form = Form(RECORDS, (f"People's own test: {tester}", *_HOW), HEAD, _WIDTHS, (ANSWER, REMARK))
    for line in lines:
        cells = cells_of(line)
        links = [each for each in range(LOCKED - 2, LOCKED) if _WEB.fullmatch(cells[each])]
        form.add(id_of(line), cells, links=links, strong=not line.field)
    rows = (TOP + 2, TOP + 1 + max(len(lines), 1))
    form.choose(ANSWER, [rows], "OK or not OK", (OK, NOT_OK))
    book, digest = form.made({"format": FORMAT, "tester": tester, **run})
    path.write_bytes(book)
    return digest
