"""What does each rep get on the day that everybody goes back? One workbook: their records, and what is left.

A line a change: what it is, what stands in the old system, what stood in the new one, whether it came back,
and what is to be entered by hand, and why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.cutover.returned import EDITED, LEFT, Line
from migrate.workbooks import add_sheet

if TYPE_CHECKING:
    from migrate.cutover.reverse_side import Side

HEAD = (
    "Record", "Kind", "Field", "In the old system", "In the new system", "What became of it", "Why",
    "Where in the old system",
)  # fmt: skip
WIDTHS = (36, 18, 24, 32, 32, 26, 60, 50)
NOBODY = "nobody"
_NAME = re.compile(r"[^A-Za-z0-9@._-]+")


def write_sheets(side: Side, lines: Sequence[Line], folder: Path) -> list[Path]:
    """Write one workbook for each owner of records that changed; those of nobody have one, too.

    Returns:
        Files, by the owner's name. What was in the folder under these names is replaced.
    """
    people = {each.id: each.email or each.name for each in side.target.owners}
    urls = {name: each.url for name, each in side.source.objects.items() if each.url}
    by_owner: dict[str, list[Line]] = {}
    for each in lines:
        by_owner.setdefault(people.get(each.owner or "", each.owner or NOBODY), []).append(each)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [_write(folder, owner, by_owner[owner], urls) for owner in sorted(by_owner)]


def _write(folder: Path, owner: str, lines: Sequence[Line], urls: dict[str, str]) -> Path:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    mine = [each for each in lines if each.left]
    theirs = [each for each in lines if each.what == EDITED]
    done = [each for each in lines if not each.left and each.what != EDITED]
    for title, some in (
        ("To enter by hand", mine),
        ("Changed in the old system", theirs),
        ("Came back", done),
    ):
        rows = [[*_row(each, urls)] for each in some]
        add_sheet(book, title, [list(HEAD), *rows], WIDTHS, link=len(HEAD) - 1)
    path = folder / f"{_NAME.sub('_', owner) or NOBODY}.xlsx"
    aside = path.with_suffix(".xlsx.new")
    book.save(aside)
    aside.chmod(0o600)
    aside.replace(path)
    return path


def _row(each: Line, urls: dict[str, str]) -> tuple[str | None, ...]:
    url = urls.get(each.old_object, "")
    return (
        each.title or each.new_id, each.old_object, each.field or "(the whole record)", each.old_value,
        each.new_value, LEFT.get(each.what, each.what), each.why,
        url.replace("{id}", each.old_id) if url and each.old_id else "",
    )  # fmt: skip
