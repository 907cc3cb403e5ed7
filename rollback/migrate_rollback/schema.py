"""What did `prepare` make in the target, does anybody use it, and can it go?

It stays unless a person asks for it (`rollback run --schema`): a second load would need it. Then it goes
last, when everything else is back, one thing after the other, each only while the target says that no
record uses it, asked right before. What stood there before us is never touched: only changes that the
journal calls `made` are looked at. An answer that was lost is settled by looking again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from migrate.catalog import Catalog
from migrate.clock import stamp
from migrate.connector import (
    NewField,
    NewHelper,
    NewLabel,
    NewObject,
    NewOption,
    RemovesSchema,
    SchemaChange,
    Use,
)
from migrate.engine import text
from migrate.errors import InDoubt, UsageError
from migrate.journal import UNDO
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.ledger.tables import attempts
from migrate.load import Loading
from migrate.stages.checkpoint import all_of
from migrate.stages.discover import discover
from migrate.stages.prepare import entry, of_facts, words
from migrate.workspace import Workspace
from migrate_rollback.model import Reverted
from migrate_rollback.scope import Scope

PHASE = "schema"
TRIES = 3
KINDS = {
    "NewObject": "objects", "NewField": "fields", "NewOption": "picklist values", "NewLabel": "link labels",
    "NewHelper": "helpers",
}  # fmt: skip
_ORDER: tuple[type[SchemaChange], ...] = (NewLabel, NewOption, NewField, NewObject, NewHelper)
_SAME = """object, "after"['change'], "after"['name'], "after"['field'], "after"['value'], "after"['right'],
    CASE WHEN "after"['change'] = 'NewLabel' THEN "after"['label'] END"""


@dataclass(frozen=True)
class Standing:
    """One thing that `prepare` made and no rollback has removed. `seq`, `attempt`: of the journal's row."""

    change: SchemaChange
    seq: int
    attempt: int

    @property
    def object(self) -> str:
        """The object that it belongs to."""
        return self.change.left if isinstance(self.change, NewLabel) else self.change.object

    @property
    def words(self) -> str:
        """For people."""
        return words(self.change)


def standing(
    workspace: Workspace, objects: Collection[str] | None = None, *, after: int = 0
) -> list[Standing]:
    """Everything of our making that is still there, in the order in which it would go. Asks no system.

    Args:
        objects: only what belongs to these; None: all.
        after: only what was made after this row of the journal.
    """
    rows = workspace.engine.rows(
        f"""WITH j AS (SELECT *, concat_ws(chr(10), {_SAME}) AS what FROM {workspace.journal.source()}
          WHERE kind = 'schema' AND outcome = 'done'),
        made AS (SELECT what, arg_max("after", seq) AS facts, max(seq) AS seq, max(attempt) AS attempt FROM j
          WHERE op = 'create' AND reason = 'made' GROUP BY what),
        gone AS (SELECT what, max(seq) AS seq FROM j WHERE op = 'delete' GROUP BY what)
        SELECT made.facts, made.seq, made.attempt FROM made LEFT JOIN gone USING (what)
        WHERE (gone.seq IS NULL OR gone.seq < made.seq) AND made.seq > {int(after)}"""
    )
    found = [Standing(of_facts(dict(row["facts"])), int(row["seq"]), int(row["attempt"])) for row in rows]
    found = [replace(each, change=_with_fields(each.change, found)) for each in found]
    chosen = [each for each in found if objects is None or each.object in objects]
    return sorted(chosen, key=lambda each: (_ORDER.index(type(each.change)), -each.seq))


def _with_fields(change: SchemaChange, found: Sequence[Standing]) -> SchemaChange:
    """An object with the fields that are ours: others' fields in it speak against removing it."""
    if not isinstance(change, NewObject):
        return change
    fields = [each.change for each in found if isinstance(each.change, NewField)]
    return replace(change, fields=tuple(each for each in fields if each.object == change.object))


def rows(workspace: Workspace, scope: Scope | None = None) -> list[Standing]:
    """What of it a rollback of this scope is about, in the order in which it would go. Asks no system.

    `prepare` runs before an attempt's first checkpoint: going back to that one takes in what was made for the
    attempt, and for those that are rolled back already; going back to a later one only what was made since.

    Raises:
        UsageError: a cohort has no schema of its own.
    """
    scope = scope or Scope()
    if scope.cohort is not None:
        raise UsageError(
            "Fields and picklist values belong to no cohort.", "Leave out `--schema`, or `--cohort`."
        )
    points = all_of(workspace.ledger)
    firsts = {each.attempt: each.name for each in reversed(points)}
    point = next((each for each in points if each.name == scope.to), None)
    if point is None:
        return standing(workspace, scope.objects)
    if firsts[point.attempt] != point.name:
        return standing(workspace, scope.objects, after=point.segment)
    # An attempt that stands needs what was made for it; one that is rolled back doesn't any more.
    known = workspace.ledger.read(sa.select(attempts.c.number, attempts.c.state))
    stand = [each.number for each in known if each.state != "rolled_back" and each.number < point.attempt]
    return [each for each in standing(workspace, scope.objects) if each.attempt > max(stand, default=0)]


def removed(workspace: Workspace, catalog: Catalog, object: str, field: str = "") -> bool:
    """Whether a rollback has removed this object of ours, or this field, so that there is nothing to read.

    Args:
        catalog: the target's; what is there (again) is read, whoever made it.
    """
    there = catalog.objects.get(object)
    if there is not None and (not field or field in there.fields):
        return False
    which = f"""'NewField' AND "after"['name'] = {text(field)}""" if field else "'NewObject'"
    rows = workspace.engine.rows(
        f"""SELECT 1 FROM {workspace.journal.source()} WHERE kind = 'schema' AND outcome = 'done'
        AND op = 'delete' AND object = {text(object)} AND "after"['change'] = {which} LIMIT 1"""
    )
    return bool(rows)


def residue(workspace: Workspace) -> dict[str, int]:
    """What of it nobody has taken back, in words with counts; picklist values that could only be switched off
    count too."""
    found: dict[str, int] = {}
    groups: dict[tuple[str, str], list[str]] = {}
    for each in standing(workspace):
        change = each.change
        name = change.field if isinstance(change, NewOption) else getattr(change, "name", "")
        name = change.label if isinstance(change, NewLabel | NewObject) else name
        groups.setdefault((each.object, KINDS[type(change).__name__]), []).append(name)
    for (object, kind), names in sorted(groups.items()):
        what = f"{object}: {kind} made by prepare ({', '.join(sorted(set(names)))})"
        found[what] = len(names)
    for row in workspace.engine.rows(
        f"""WITH last AS (SELECT object, "after"['field'] AS field, "after"['value'] AS value,
          arg_max(op || ' ' || coalesce(reason, ''), seq) AS said FROM {workspace.journal.source()}
          WHERE kind = 'schema' AND outcome = 'done' AND "after"['change'] = 'NewOption' GROUP BY ALL)
        SELECT object, field, count(*) AS n FROM last WHERE said LIKE 'delete removed: inactive%'
        GROUP BY ALL ORDER BY ALL"""
    ):
        found[f"{row['object']}.{row['field']}: picklist values of ours, inactive"] = int(row["n"])
    return found


def looked(workspace: Workspace, target: object, found: Sequence[Standing]) -> list[tuple[Standing, Use]]:
    """Each with how it stands now, for a plan.

    Raises:
        Parked, SystemRefused: the target.
    """
    if not isinstance(target, RemovesSchema):
        label = workspace.system("target").system
        return [(row, Use(there=True, why=f"the connector of `{label}` can't remove it")) for row in found]
    return list(zip(found, target.schema_use([row.change for row in found]), strict=True))


def revert(loading: Loading, chosen: Sequence[Standing]) -> Reverted:
    """Remove them, as far as nobody uses them; then discover the target again.

    Args:
        chosen: from `rows`.

    Raises:
        UsageError: the target's connector can't remove anything.
        LeaseLost: another operator has taken over.
        Parked, SystemRefused, InDoubt: the target; what was done is journalled, run again.
    """
    target, done = loading.target, Reverted()
    if not isinstance(target, RemovesSchema):
        raise UsageError(
            f"The connector of `{loading.system}` can't remove what `prepare` made.",
            "Run the rollback without `--schema`; `rollback verify` lists what stays.",
        )
    _landed(loading)
    gone: set[SchemaChange] = set()
    for step in _steps(chosen):
        looked_at = dict(zip(step, target.schema_use([row.change for row in step]), strict=True))
        for row, use in looked_at.items():
            if any(_within(row.change, whole) for whole in gone):
                gone.add(row.change)
                _say(loading, row, "done", "went with what it was part of")
                done.removed.append(row.words)
                continue
            if isinstance(row.change, NewHelper):
                [use] = target.schema_use([row.change])  # what went before held it
            outcome, why = _one(loading, target, row, use)
            if outcome == "done":
                gone.add(row.change)
                done.removed.append(row.words)
            else:
                done.stays[row.words] = why
    if done.removed:
        discover(loading.workspace, ("target",))
    return done


def _steps(rows: Sequence[Standing]) -> Iterator[list[Standing]]:
    """Whole objects are tried first: what is within them goes with them. Then the rest, by kind."""
    objects = [row for row in rows if isinstance(row.change, NewObject)]
    wholes = {row.object for row in objects}
    references = [
        row
        for row in rows
        if isinstance(row.change, NewLabel)
        or (isinstance(row.change, NewField) and row.change.reference and row.object not in wholes)
    ]
    fields = [row for row in rows if isinstance(row.change, NewField) and row not in references]
    options = [row for row in rows if isinstance(row.change, NewOption)]
    helpers = [row for row in rows if isinstance(row.change, NewHelper)]
    yield from (step for step in (references, objects, fields, options, helpers) if step)


def _within(part: SchemaChange, whole: SchemaChange) -> bool:
    if isinstance(whole, NewObject):
        return not isinstance(part, NewLabel | NewObject) and part.object == whole.object
    return (
        isinstance(whole, NewField)
        and isinstance(part, NewOption)
        and (part.object, part.field) == (whole.object, whole.name)
    )


def _one(loading: Loading, target: RemovesSchema, row: Standing, use: Use) -> tuple[str, str]:
    """Remove one; what became of it, and why it stays."""
    if not use.there:
        _say(loading, row, "done", "gone: it isn't there any more")
        return "done", ""
    if not use.free:
        n = f"{use.records:,} record{'s use' if use.records != 1 else ' uses'} it"
        why = use.why or n
        _say(loading, row, "held", f"used: {why}")
        return "held", why
    batch = _batch(loading, row)
    loading.journal.append([entry(loading, batch, row.change, "delete", "intent")])
    with loading.batch(batch):
        said = _removed(loading, target, row.change)
        outcome = "refused" if said.startswith("refused") else "done"
        loading.journal.append([entry(loading, batch, row.change, "delete", outcome, said)])
        loading.settle(batch, [], Counter())
    return outcome, said.removeprefix("refused: ")


def _removed(loading: Loading, target: RemovesSchema, change: SchemaChange) -> str:
    """Ask for it until the target shows it no more; a lost answer is settled by looking.

    Raises:
        InDoubt: no answer came, however often.
    """
    for attempt in range(1, TRIES + 1):
        try:
            said = target.remove_schema(change)
        except InDoubt:
            if attempt == TRIES:
                raise
            loading.pause(loading.target.limits.longest_call)
            said = "removed: the answer was lost, the target told"
        if said.startswith("refused"):
            return said
        [use] = target.schema_use([change])
        if not use.there:
            return said
        if not use.free:
            return f"refused: somebody has begun to use it ({use.why or f'{use.records:,} records'})"
    return "refused: the target says that it is removed, and still shows it"


def _landed(loading: Loading) -> None:
    """What a former process was about when it ended may still land; then it is looked at as anything else."""
    for batch in book.in_doubt(loading.ledger, phases=(PHASE,)):
        if batch.system == loading.system:
            loading.wait_landing(batch.deadline)
            loading.settle(batch, [], Counter())


def _batch(loading: Loading, row: Standing) -> BatchRow:
    at = stamp(loading.clock.now())
    number = loading.journal.last_seq
    return BatchRow(
        f"{UNDO}schema-{loading.attempt}-{row.seq}-{number}", loading.attempt, loading.system, PHASE, PHASE,
        "-", (), row.object, "delete", "-", at,
    )  # fmt: skip


def _say(loading: Loading, row: Standing, outcome: str, why: str) -> None:
    """Journal what needs no call."""
    loading.journal.append([entry(loading, _batch(loading, row), row.change, "delete", outcome, why)])
