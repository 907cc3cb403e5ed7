"""What does a meeting look at that decides on a rollback? A workbook: figures, and rows behind them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from migrate.errors import UsageError
from migrate.workbooks import add_sheet
from migrate.workspace import Workspace
from migrate_rollback import planrows
from migrate_rollback.model import ACTIONS, CODES
from migrate_rollback.planned import UNDONE, RollbackPlan, span

ROWS = 100_000  # of a sheet; all of them are in the Parquet artifact
OPEN_ROWS = 20_000  # of what is left to people
_HEAD = ("Object", "What would happen", "Why", "Kind", "Key", "Id", "From", "To", "Label", "Detail", "Page")


def write(workspace: Workspace, found: RollbackPlan, path: Path) -> None:
    """Write a plan's workbook; a file that is there is replaced, whole or not at all.

    Sheets: Decision, Groups, Left to people (with links to the records), Side effects, Rows (the first
    100,000).

    Raises:
        UsageError: the file can't be written.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    address = workspace.store.storage.address(found.folder)
    add_sheet(book, "Decision", _decision(found), (34, 22, 90))
    add_sheet(book, "Groups", _groups(found), (26, 26, 44, 12, 90))
    left = _rows(workspace, found, ("can't", "by hand"), OPEN_ROWS, address)
    add_sheet(book, "Left to people", left, (22, 22, 44, 10, 30, 20, 24, 20, 20, 40, 60), link=len(_HEAD) - 1)
    add_sheet(book, "Side effects", _effects(found), (16, 22, 12, 110))
    rows = _rows(workspace, found, (), ROWS, address)
    add_sheet(book, "Rows", rows, (22, 22, 30, 10, 30, 20, 20, 20, 20, 40, 60))
    aside = path.with_name(f".{path.name}.part")
    try:
        book.save(aside)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(
            f"{path} can't be written: {error.strerror}.", "Name a file in a folder that you may write to."
        ) from error


def _decision(found: RollbackPlan) -> Iterator[list[Any]]:
    counts, cost = found.counts, found.cost
    undone = sum(counts.get(action, 0) for action in UNDONE)
    asked = f"Roll `{found.system}` back to `{found.checkpoint}`, or keep what was loaded?"
    state = "open" if found.open else "closed: it is too late"
    yield ["Decision asked", "", asked]
    yield ["The state to go back to", found.taken, f"attempt {found.attempt}"]
    yield ["The window ends", found.window_end or "not known", state]
    yield ["Last safe start", found.last_safe_start or "not known", "later it may not end in time"]
    yield []
    yield ["Can't be undone", counts.get("can't", 0), "sheet Left to people"]
    yield ["Left to a person", counts.get("by hand", 0), "sheet Left to people, with links to the records"]
    yield ["Held", counts.get("hold", 0), "others have worked on it since: it stays as they left it"]
    yield ["Would be undone", undone, ", ".join(_parts(counts))]
    yield []
    yield ["Duration", span(found.seconds), cost.words]
    yield ["Calls", cost.total, ", ".join(f"{n:,} {what}" for what, n in cost.calls.items())]
    yield ["Calls left today", "not told" if cost.left is None else cost.left, ""]
    yield []
    for each in found.stays:
        yield ["Stays, whatever is undone", each.count, each.what]
    for words in found.untold:
        yield ["Not told by the target", "", words]


def _parts(counts: dict[str, int]) -> Iterator[str]:
    for action in UNDONE:
        if counts.get(action):
            yield f"{counts[action]:,} {ACTIONS[action]}"


def _groups(found: RollbackPlan) -> Iterator[list[Any]]:
    yield ["Object", "What would happen", "Why", "Count", "What a person does"]
    for group in found.groups:
        yield [
            group.object,
            ACTIONS[group.action],
            CODES.get(group.code, group.code),
            group.count,
            group.note,
        ]


def _effects(found: RollbackPlan) -> Iterator[list[Any]]:
    yield ["Kind", "Object", "Count", "What"]
    for each in found.effects:
        yield [each.kind, each.object, each.count, each.words]


def _rows(
    workspace: Workspace, found: RollbackPlan, actions: tuple[str, ...], most: int, address: str
) -> Iterator[list[Any]]:
    """Rows, and before them how many there are. Addresses that opted out stay in the workspace."""
    wanted = [group for group in found.groups if not actions or group.action in actions]
    total = sum(group.count for group in wanted)
    out = sum(group.count for group in wanted if group.code == "consent")
    shown = min(total - out, most)
    left_out = f" ({out:,} opt-outs are left out here)" if out else ""
    yield [f"{shown:,} of {total:,} rows{left_out}; all of them as Parquet: {address}"]
    yield list(_HEAD)
    rows = (row for row in planrows.read(workspace, found.folder, actions) if row["why"] != "consent")
    for row in islice(rows, most):
        words = ACTIONS.get(row["action"], row["action"])
        yield [
            row["object"], words, CODES.get(row["why"], row["why"]),
            *(row[name] for name in planrows.NAMES[3:]),
        ]  # fmt: skip
