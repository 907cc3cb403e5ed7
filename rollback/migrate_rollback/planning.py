"""What would a rollback do now? Every record that we made or changed, looked at as it stands.

Reads the target, writes nothing to it, needs no lease. Late calls of a stopped load are looked for by the
run itself. The rows are published as Parquet, the groups are counted here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from migrate.load.context import Progress, no_progress
from migrate.stages.checkpoint import Checkpoint, all_of, window_open
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import attempts, consent, deeds, worklist
from migrate_rollback.looking import Look
from migrate_rollback.model import BY_HAND, Group, RollbackPlan, Row, Verdict
from migrate_rollback.scope import Scope

if TYPE_CHECKING:
    import pyarrow as pa


def checkpoints(workspace: Workspace) -> list[Checkpoint]:
    """Every point to which one could return, oldest first."""
    return all_of(workspace.ledger)


def plan(workspace: Workspace, progress: Progress = no_progress, scope: Scope | None = None) -> RollbackPlan:
    """Look at everything that is to be undone, and say what would become of it.

    Args:
        scope: to which checkpoint, and what of it; None is the rollback under way, or the whole.

    Raises:
        UsageError: nothing has been loaded.
        JournalDamaged: a segment isn't what it was; names the records that it is about.
        Parked, SystemRefused: the target.
    """
    chosen = attempts.choose(workspace.ledger, scope)
    store, engine, point = workspace.store, workspace.engine, chosen.point
    workspace.journal.verify()
    deeds.tables(engine, workspace.journal.source(), chosen.number)
    worklist.strays_table(workspace, point, [])
    base = f"rollback/attempt-{chosen.number}/plan"
    store.discard(base)
    work = worklist.build(workspace, point, f"{base}/work")
    is_open = chosen.state != "open" or window_open(point, workspace.clock.now())
    counts: Counter[tuple[str, str, str]] = Counter()
    seconds = attempts.took(workspace) or 0.0
    with closing(workspace.target()) as target, store.writer(base, _schema()) as writer:
        look = Look(workspace, target, workspace.guarded())
        seconds = max(seconds, _reckoned(workspace, look, work))
        for rows in _lots(workspace, work, target.limits.link_reads) if work else ():
            told = list(_told(look, rows)) if is_open else [(row, "can't", "window", "") for row in rows]
            counts.update((row.object, action, code) for row, action, code, _ in told)
            writer.write(_table(told))
            done = sum(counts.values())
            progress("looked at", done, work.rows if work else done)
    total = sum(part.rows for part in writer.parts)
    store.publish(Manifest(base, "rollback", str(chosen.number), 0, total, tuple(writer.parts)))
    groups = [Group(object, action, code, n) for (object, action, code), n in sorted(counts.items())]
    stays = consent.by_address(workspace, chosen.number) | consent.to_stay(engine, workspace.guarded())
    groups += [Group(what, "can't", "consent", n) for what, n in stays.items()]
    groups += [
        Group(each.object, "by hand" if each.code in BY_HAND else "hold", each.code, each.n)
        for each in _held(workspace)
    ]
    return RollbackPlan(
        chosen.number, point.name, point.at, point.window_end, attempts.last_safe_start(point, seconds),
        is_open, seconds, tuple(groups), base,
    )  # fmt: skip


class _HeldGroup:
    """Rows that a former run has left as they are."""

    def __init__(self, object: str, code: str, n: int) -> None:
        self.object, self.code, self.n = object, code, n


def _held(workspace: Workspace) -> Iterator[_HeldGroup]:
    for row in workspace.engine.rows(
        "SELECT object, code, count(*) AS n FROM undo_held GROUP BY ALL ORDER BY ALL"
    ):
        yield _HeldGroup(row["object"], row["code"], int(row["n"]))


def _lots(workspace: Workspace, work: Manifest, size: int) -> Iterator[list[Row]]:
    for rows in worklist.read(workspace, work):
        groups: dict[tuple[int, str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row.step, row.object, row.action), []).append(row)
        for group in groups.values():
            for lot in worklist.chunks(group, size):
                yield list(lot)


def _told(look: Look, rows: list[Row]) -> Iterator[tuple[Row, str, str, str]]:
    first = rows[0]
    if first.action in ("unlink", "relink"):
        if first.action == "unlink":
            yield from ((row, "unlink", "", "") for row in rows)
        return
    sides = [row.id for row in rows if row.kind == "side"]
    others = set(look.ours_of_sides(first.object, sides)[1]) if sides else set()
    rows = [row for row in rows if row.kind != "side" or row.id not in others]
    foreign = look.foreign(first.object, rows) if first.action == "delete" else {}
    for row, _, verdict in look.judge(first.object, rows, foreign):
        yield row, *_action(row, verdict)


def _action(row: Row, verdict: Verdict) -> tuple[str, str, str]:
    if verdict.what == "hold":
        return ("by hand" if verdict.code in BY_HAND else "hold"), verdict.code, verdict.reason
    if verdict.what == "gone":
        return ("can't" if verdict.code else "nothing"), verdict.code, verdict.reason
    return row.action, "", ", ".join(verdict.values)


def _reckoned(workspace: Workspace, look: Look, work: Manifest | None) -> float:
    """Seconds by the calls that it takes at the target's pace: read, delete or write, links, sweep."""
    if work is None:
        return 0.0
    limits = look.target.limits
    calls = 40.0
    for row in workspace.engine.rows("SELECT object, count(*) AS n FROM undo_records GROUP BY object"):
        batches = math.ceil(int(row["n"]) / limits.records_of(row["object"]))
        others = len(look.target.linked_objects(row["object"]))
        calls += 3 * batches + others * math.ceil(int(row["n"]) / limits.link_reads)
    return calls / (limits.calls_per_second or 10.0)


def _schema() -> pa.Schema:
    import pyarrow as pa

    names = ("object", "action", "why", "kind", "key", "id", "left", "right", "label", "detail")
    return pa.schema([(name, pa.string()) for name in names])


def _table(told: list[tuple[Row, str, str, str]]) -> pa.Table:
    import pyarrow as pa

    cells = [
        (row.object, action, code, row.kind, row.key, row.id, row.left, row.right, row.label, detail)
        for row, action, code, detail in told
    ]
    columns = list(zip(*cells, strict=True)) if cells else [()] * len(_schema().names)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=_schema())
