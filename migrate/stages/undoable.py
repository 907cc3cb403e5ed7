"""Which kinds of change did we make, or will a plan make, and what of them couldn't be put back?

The kinds made follow from the journal, those to come from the plan; what they mean at a vendor stands in its
connector's table (`migrate.connector.restoring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from migrate.connector import Change, Restorable, limits_for, restoring_of, row_for
from migrate.engine import text
from migrate.errors import PlanMistake
from migrate.journal import UNDO
from migrate.ledger.canaries import MAILS, flown
from migrate.plan.terms import parse_window
from migrate.plugins import load
from migrate.stages.prepare import changes
from migrate.types import Kind
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.connector import Told
    from migrate.plan import Plan
    from migrate.stages.checked import Checked

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
_BY_OBJECT = frozenset({Change.RECORD_CREATED, Change.FIELD_OVERWRITTEN, Change.RECORD_DELETED})
_FILES = {Change.RECORD_CREATED: Change.FILE_MADE, Change.RECORD_DELETED: Change.FILE_DELETED}


def file_objects(workspace: Workspace) -> set[str]:
    """Target objects whose records are files."""
    objects = workspace.catalog("target").objects
    return {name for name, each in objects.items() if _is_file(each)}


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
        AND NOT (kind IN ('link', 'consent') AND coalesce(was_there, false)) {only} GROUP BY ALL"""
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


@dataclass(frozen=True)
class Ahead:
    """A kind of change that a load by this plan makes. `by`: what in the plan makes it; `most`: how many at
    most, None where nothing has been extracted yet, or where an extract doesn't tell."""

    change: Change
    by: str
    row: Restorable
    most: int | None = None

    @property
    def words(self) -> str:
        """For people: what, how many, why or until when."""
        many = "" if self.most is None else f", at most {self.most:,}"
        until = "" if self.row.route == "none" else f"{self.row.lasts} ({self.row.where}): "
        return f"{self.change} ({self.by}{many}): {until}{self.row.note}"


@dataclass(frozen=True)
class WayBack:
    """What of a load to come couldn't be put back, and until when the rest can.

    `never`: by nobody. `by_hand`: by a person in the vendor's own pages, for some days. `limit`: days after
    which the first of it is lost, None where the vendor sets none. `warning`: the plan's window is longer.
    """

    ahead: tuple[Ahead, ...]
    limit: int | None
    warning: PlanMistake | None

    @property
    def never(self) -> tuple[Ahead, ...]:
        return tuple(each for each in self.ahead if each.row.route == "none")

    @property
    def by_hand(self) -> tuple[Ahead, ...]:
        return tuple(each for each in self.ahead if each.row.route == "ui")

    @property
    def words(self) -> str:
        """For people, what can't be undone first."""
        lines = [str(self.warning)] if self.warning else []
        if self.never:
            lines.append("A rollback couldn't put back:")
            lines += [f"  {each.words}" for each in self.never]
        if self.by_hand:
            lines.append("Only a person could put back:")
            lines += [f"  {each.words}" for each in self.by_hand]
        return "\n".join(lines)


def way_back(workspace: Workspace, found: Checked, told: Told | None = None) -> WayBack:
    """What a load by this plan will do that can't be put back, by the target's table. Asks no system.

    Args:
        told: the target's automations, where they were asked for: one that acts may send mail.
    """
    kind = load(workspace.system("target").type)
    table = restoring_of(kind)
    wanted = _planned(workspace, found)
    if told is not None and any(each.active and not each.bypassed for each in told.automations):
        wanted[Change.MAIL_SENT] = ("automations of the target that are active", None)
    ahead = [
        Ahead(change, by, row, most)
        for change, (by, most) in wanted.items()
        for row in _rows(table, change, [each.plan.target for each in found.objects.values()])
    ]
    ahead.sort(key=lambda each: list(Change).index(each.change))
    limit = limits_for(table, set(wanted))
    return WayBack(tuple(ahead), limit, _too_long(workspace, found.plan, table, set(wanted), limit))


def _planned(workspace: Workspace, found: Checked) -> dict[Change, tuple[str, int | None]]:
    """Kinds of change by what makes them, and how many at most."""
    entries = list(found.objects.values())
    files = [each for each in entries if _is_file(each.target)]
    records = [each for each in entries if each not in files]
    matched = [each for each in entries if each.plan.match]
    linked = [each for each in entries if each.links]
    by: dict[Change, tuple[str, int | None]] = {}
    for change, some, words in (
        (Change.RECORD_CREATED, records, "{}"),
        (Change.FILE_MADE, files, "{}"),
        (Change.FIELD_OVERWRITTEN, matched, "adopted by {}"),
        (Change.RECORD_DELETED, records, "by a delta, where the source deleted what we had created"),
        (Change.FILE_DELETED, files, "by a delta, where the source deleted what we had created"),
    ):
        if some:
            names = ", ".join(dict.fromkeys(each.plan.target for each in some))
            by[change] = (words.format(names), _extracted(workspace, [each.plan.source for each in some]))
    if linked:
        by[Change.LINK_MADE] = (f"links of {', '.join(each.plan.name for each in linked)}", None)
    if moved := [each.plan.source for each in found.consent if each.plan.leave is None]:
        by[Change.OPTED_OUT] = ("`consent`", _extracted(workspace, moved))
    for each in changes(found.plan, workspace.catalog("target"), found.added):
        change = SCHEMA[type(each).__name__]
        by[change] = ("`prepare`", (by.get(change, ("", 0))[1] or 0) + 1)
    if by:
        by[Change.HISTORY] = ("every write", None)
    return by


def _is_file(schema: ObjectSchema) -> bool:
    return any(field.kind is Kind.BINARY for field in schema.fields.values())


def _extracted(workspace: Workspace, sources: Sequence[str]) -> int | None:
    """Records extracted of these source objects; None where nothing was."""
    store = workspace.store
    manifests = [each for name in dict.fromkeys(sources) for each in store.manifests("source", name)]
    return sum(each.rows for each in manifests) if manifests else None


def _rows(table: Sequence[Restorable], change: Change, objects: Sequence[str]) -> list[Restorable]:
    """The rows that hold for a change to records of these objects."""
    if change not in _BY_OBJECT:
        return [row_for(table, change)]
    return list(dict.fromkeys(row_for(table, change, object) for object in objects))


def _too_long(
    workspace: Workspace, plan: Plan, table: Sequence[Restorable], made: set[Change], limit: int | None
) -> PlanMistake | None:
    now = workspace.clock.now()
    words = plan.model.cutover.window
    days = (parse_window(words).end(now, plan.model.calendar.zone) - now) / timedelta(days=1)
    if limit is None or days <= limit:
        return None
    first = next(each for each in table if each.change in made and each.days == limit)
    return PlanMistake(
        plan.at("cutover", "window"),
        f"The rollback window `{words}` is {days:.0f} days, and in `{plan.model.target.system}` a "
        f"{first.change} can be put back for {limit} days only.",
        f"Write a window of {limit} days or less.",
    )
