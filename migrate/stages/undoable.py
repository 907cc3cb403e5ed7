"""Which kinds of change did we make, or will a plan make, and what of them couldn't be put back?

The kinds made follow from the journal, those to come from the plan; what they mean at a vendor stands in its
connector's table (`migrate.connector.restoring`).
"""

from __future__ import annotations

from migrate.connector import Change
from migrate.engine import text
from migrate.journal import UNDO
from migrate.ledger.canaries import MAILS, flown
from migrate.types import Kind
from migrate.workspace import Workspace

SCHEMA = {
    "NewField": Change.FIELD_MADE,
    "NewOption": Change.OPTION_ADDED,
    "NewLabel": Change.LABEL_MADE,
    "NewObject": Change.OBJECT_MADE,
}
_RECORDS = {
    "create": Change.RECORD_CREATED,
    "adopt": Change.FIELD_OVERWRITTEN,
    "update": Change.FIELD_OVERWRITTEN,
    "delete": Change.RECORD_DELETED,
}
_FILES = {Change.RECORD_CREATED: Change.FILE_MADE, Change.RECORD_DELETED: Change.FILE_DELETED}


def file_objects(workspace: Workspace) -> set[str]:
    """Target objects whose records are files."""
    objects = workspace.catalog("target").objects
    return {
        name
        for name, each in objects.items()
        if any(field.kind is Kind.BINARY for field in each.fields.values())
    }


def kinds_made(workspace: Workspace, since: int = 0, attempt: int | None = None) -> set[Change]:
    """Kinds of change that we made in the target, by the journal.

    What was begun counts as made: it may have landed. What a rollback did to undo them doesn't count.

    Args:
        since: only entries after this `seq` of the journal (a checkpoint's `segment`).
        attempt: only those of this attempt.
    """
    only = "" if attempt is None else f"AND attempt = {int(attempt)}"
    target = workspace.system("target").system
    rows = workspace.engine.rows(
        f"""SELECT kind, op, object, "after"['change'] AS change FROM {workspace.journal.source()}
        WHERE seq > {int(since)} AND outcome IN ('intent', 'done') AND system = {text(target)}
        AND NOT starts_with(coalesce(batch, ''), '{UNDO}')
        AND NOT (kind = 'link' AND coalesce(was_there, false)) {only} GROUP BY ALL"""
    )
    files = file_objects(workspace) if rows else set()
    found: set[Change] = set()
    for row in rows:
        change = _change(row["kind"], row["op"], row["change"])
        if change is not None:
            found.add(_FILES.get(change, change) if row["object"] in files else change)
    if found:
        found.add(Change.HISTORY)
    attempts = range(1, workspace.ledger.attempt() + 1) if attempt is None else [attempt]
    if found and any(
        effect.does == MAILS
        for number in attempts
        for each in flown(workspace.ledger, number)
        for effect in each.effects
    ):
        found.add(Change.MAIL_SENT)
    return found


def _change(kind: str, op: str, change: str | None) -> Change | None:
    if kind in ("record", "side", "file"):
        if kind == "side" and op == "link":
            return Change.LINK_MADE
        return _RECORDS.get(op)
    if kind == "link":
        return {"link": Change.LINK_MADE, "unlink": Change.LINK_REMOVED}.get(op)
    if kind == "consent":
        return Change.OPTED_OUT
    return SCHEMA.get(change or "") if kind == "schema" else None
