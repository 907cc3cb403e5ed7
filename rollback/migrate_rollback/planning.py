"""What would a rollback do now? Every record that we made or changed, looked at as it stands.

Reads the target, writes nothing to it, needs no lease. Late calls of a stopped load are looked for by the
run itself. The rows are published as Parquet (`planrows`), what it costs is reckoned (`calls`), and what
happens beside it is named (`effects`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from migrate.clock import parse_stamp, stamp
from migrate.connector import Change, Link, Restorable, Target, restoring_of, row_for
from migrate.ledger.tables import measures
from migrate.load.context import Progress, no_progress
from migrate.stages.checkpoint import window_open
from migrate.stages.undoable import file_objects
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import at_home, attempts, effects, planrows, schema, scoping, window, worklist
from migrate_rollback.attempts import Listed
from migrate_rollback.calls import LINKS, RECORDS, Meter
from migrate_rollback.effects import Cascades
from migrate_rollback.looking import Look
from migrate_rollback.model import BY_HAND, Group, Residue, Row, Verdict
from migrate_rollback.planned import OPEN, RollbackPlan, SideEffect
from migrate_rollback.planrows import Rows, Told
from migrate_rollback.scope import Scope

MEASURE = "rollback plan"  # seconds that the last look took
ORDER = (
    *OPEN, "delete", "delete file", "restore", "unlink", "relink", "revert schema", "with record", "stays",
    "nothing",
)  # fmt: skip


def checkpoints(workspace: Workspace) -> list[Listed]:
    """Every checkpoint, oldest first, with whether one can return to it."""
    return attempts.listed(workspace.ledger)


def plan(workspace: Workspace, progress: Progress = no_progress, scope: Scope | None = None) -> RollbackPlan:
    """Look at everything that is to be undone, and say what would become of it.

    Args:
        scope: to which checkpoint, and what of it; None is the rollback under way, or the whole.

    Raises:
        UsageError: nothing has been loaded.
        JournalDamaged: a segment isn't what it was; names the records that it is about.
        Parked, SystemRefused: the target.
    """
    scoping.must_make_sense(workspace, scope)
    began = workspace.clock.now()
    chosen = attempts.choose(workspace.ledger, scope)
    store, engine, point = workspace.store, workspace.engine, chosen.point
    workspace.journal.verify()
    scoping.tables(workspace, chosen)
    worklist.strays_table(workspace, point, [])
    base = f"rollback/attempt-{chosen.number}/plan"
    store.discard(base)
    work = worklist.build(workspace, point, f"{base}/work")
    is_open = chosen.state != "open" or window_open(point, workspace.clock.now())
    catalog = workspace.guarded()
    with closing(workspace.target()) as target, store.writer(base, planrows.schema()) as writer:
        rows = Rows(writer, engine, catalog)
        looking = _Looking(workspace, target, Look(workspace, target, catalog))
        done = 0
        for lot in _lots(workspace, work, target.limits.link_reads) if work else ():
            rows.add(list(looking.told(lot)), ours=lot[0].action == "delete")
            done += len(lot)
            progress("looked at", done, work.rows if work else done)
        rows.links(workspace.journal.source())
        rows.opt_outs(catalog)
        rows.deleted(looking.of_deleted)
        rows.held(dict.fromkeys(BY_HAND, "by hand") | {"lost": "can't"})
        cost = looking.meter.reckoning(point, looking.deletes, work is not None)
        rows.add(_schema(workspace, target, chosen.scope, last=work is None), ours=False)
        beside, untold, sent = looking.effects(range(point.attempt, chosen.number + 1))
    total = sum(part.rows for part in writer.parts)
    seconds = max(window.took(workspace.ledger)[0] or 0.0, cost.seconds)
    cost = replace(cost, seconds=seconds)
    facts = {"at": stamp(workspace.clock.now()), "seconds": seconds, "calls": cost.total,
             "whole": (scope is None or scope.empty) and not chosen.scope.partial}  # fmt: skip
    store.publish(Manifest(base, "rollback", str(chosen.number), 0, total, tuple(writer.parts), facts=facts))
    with workspace.ledger.write() as tx:
        took = (workspace.clock.now() - began).total_seconds()
        tx.put(measures, name=MEASURE, value=took, at=tx.at)
    safe = window.last_safe_start(point.window_end, seconds)
    late = chosen.state == "open" and safe is not None and workspace.clock.now() >= parse_stamp(safe)
    groups = sorted(rows.counts.items(), key=lambda each: (ORDER.index(each[0][1]), each[0]))
    return RollbackPlan(
        chosen.number, point.name, point.at, point.window_end, safe,
        is_open, seconds,
        tuple(
            Group(object, action, code, n, looking.note(object, action, code))
            for (object, action, code), n in groups
        ),
        base, target.system, cost, tuple(beside), untold,
        (*looking.stays(), *sent), late, tuple(rows.left), chosen.scope,
        at_home.left_alone(workspace, chosen.number),
    )  # fmt: skip


class _Looking:
    """Judges lots as a run would, and keeps what is said besides: costs, side effects, remedies."""

    def __init__(self, workspace: Workspace, target: Target, look: Look) -> None:
        self.workspace, self.target, self.look = workspace, target, look
        self.meter, self.cascades = Meter(workspace, target), Cascades()
        self.restoring: tuple[Restorable, ...] = restoring_of(target, target.limits)
        self.files = file_objects(workspace)
        self.deletes: Counter[str] = Counter()
        self.restores: Counter[str] = Counter()

    def told(self, rows: list[Row]) -> Iterator[Told]:
        """What would become of the rows of a lot: of one object, one action."""
        first, limits = rows[0], self.target.limits
        if first.action in ("unlink", "relink"):
            self.meter.unlinks(rows)
            # Whether another link's mark is to be given back is known only when it comes to it.
            yield from (
                (row, row.action, "", "") for row in rows if row.action == "unlink" or row.kind == "rejoin"
            )
            return
        foreign: dict[str, list[Link]] = {}
        links: list[Link] = []
        if first.action == "delete":
            with self.meter.of(LINKS, len(rows)):
                sides = [row.id for row in rows if row.kind == "side"]
                others = set(self.look.ours_of_sides(first.object, sides)[1]) if sides else set()
                rows = [row for row in rows if row.kind != "side" or row.id not in others]
                links = self.look.links(first.object, [row.id for row in rows]) if rows else []
                foreign = self.look.foreign(first.object, rows, links)
        going: set[str] = set()
        for batch in worklist.chunks(rows, limits.records_of(first.object)):
            with self.meter.of(RECORDS, 1):
                judged = self.look.judge(first.object, batch, foreign)
            acts = [
                (row, verdict)
                for row, _, verdict in judged
                if verdict.what == "restore" or (verdict.what == "delete" and not self._fixed(row.object))
            ]
            self._count(first, acts)
            going.update(row.id for row, verdict in acts if verdict.what == "delete")
            for row, _, verdict in judged:
                yield row, *self._action(row, verdict)
        ours = self.look.ends([link.right for link in links if link.left in going])
        self.cascades.add(first.object, going, links, ours)

    def _count(self, first: Row, acts: Sequence[tuple[Row, Verdict]]) -> None:
        if not acts:
            return
        rows = [row for row, _ in acts]
        if first.action == "delete":
            self.deletes[first.object] += len(acts)
            self.meter.deletes(first.object, len(acts))
            return
        self.restores[first.object] += len(acts)
        names = sorted({name for _, verdict in acts for name in verdict.values})
        self.meter.restores(self.look, first.object, rows, names)

    def _action(self, row: Row, verdict: Verdict) -> tuple[str, str, str]:
        if verdict.what == "hold":
            return ("by hand" if verdict.code in BY_HAND else "hold"), verdict.code, verdict.reason
        if verdict.what == "gone":
            if not verdict.code:
                return "nothing", "", verdict.reason
            return self.of_deleted(row.object), verdict.code, verdict.reason
        if row.action == "delete" and self._fixed(row.object):
            return "can't", "fixed", ""
        action = "delete file" if row.action == "delete" and row.object in self.files else row.action
        return action, "", ", ".join(verdict.values)

    def of_deleted(self, object: str) -> str:
        """What becomes of a deleted record: a person brings it back, or nobody does."""
        back = row_for(self.restoring, Change.RECORD_DELETED, object).route == "ui"
        return "by hand" if back else "can't"

    def _fixed(self, object: str) -> bool:
        """Whether nobody can delete records of this object."""
        return row_for(self.restoring, Change.RECORD_CREATED, object).route == "none"

    def note(self, object: str, action: str, code: str) -> str:
        """What a person does about a group, and until when."""
        if action not in ("by hand", "can't"):
            return ""
        if code in ("gone", "deleted"):
            row = row_for(self.restoring, Change.RECORD_DELETED, object)
            then = "first, then its values are put back" if code == "gone" else "if it is wanted"
            return f"bring it back {then}: {row.where}; {row.lasts}" if row.route == "ui" else row.note
        if code == "lost":
            return "its former values stand in no journal any more: look at the record"
        if code == "merged":
            return row_for(self.restoring, Change.RECORD_MERGED, object).note
        if code == "fixed":
            return row_for(self.restoring, Change.RECORD_CREATED, object).note
        if code == "consent":
            return row_for(self.restoring, Change.OPTED_OUT).note
        return "look at the record: `migrate rollback hold show` has the target's words" if code else ""

    def stays(self) -> Iterator[Residue]:
        """What nobody can put back of whatever is undone."""
        if records := self.deletes.total() + self.restores.total():
            note = row_for(self.restoring, Change.HISTORY).note
            yield Residue(f"{Change.HISTORY}: {note}", records)

    def effects(self, attempts: Sequence[int]) -> tuple[list[SideEffect], tuple[str, ...], list[Residue]]:
        """What happens beside it; what isn't told of that; mail that was sent."""
        plan = self.workspace.plan.model
        acting, untold = effects.of_automations(self.target, plan, self.deletes, self.restores)
        mails, sent = effects.of_mail(self.workspace, attempts, self.restores, self.deletes)
        catalog = self.workspace.catalog("target")
        bins = effects.of_bin(self.restoring, catalog, self.deletes)
        return [*self.cascades.effects(), *acting, *mails, *bins], untold, sent


def _schema(workspace: Workspace, target: Target, scope: Scope, *, last: bool) -> list[Told]:
    """What `prepare` made, which goes only where a person asks for it.

    Args:
        last: everything else is back, so that it can be told what is used by others.
    """
    if scope.cohort is not None:
        return []
    found = schema.rows(workspace, scope)
    # Asked earlier, each would be used by our own records; and to count them all of them are read.
    told = schema.looked(workspace, target, found) if last and found else [(each, None) for each in found]
    rows = []
    for number, (each, use) in enumerate(told):
        if use is not None and not use.there:
            continue
        used = "" if use is None or use.free else use.why or f"{use.records:,} records use it: it stays"
        row = Row(number, 0, "schema", each.object, "", "", "revert schema")
        rows.append((row, "revert schema", "", f"{each.words}{': ' if used else ''}{used}"))
    return rows


def _lots(workspace: Workspace, work: Manifest, size: int) -> Iterator[list[Row]]:
    for rows in worklist.read(workspace, work):
        groups: dict[tuple[int, str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row.step, row.object, row.action), []).append(row)
        for group in groups.values():
            for lot in worklist.chunks(group, size):
                yield list(lot)
