"""The journal is gone, or lies behind the target: what can still be known of what we did?

What we created bears its migration key in the target; a sweep finds it, and it is written down again, with
the values that were staged for it as what we left there. A record that the baseline knows is somebody else's
that we changed: what it held before stood in the journal alone, so it is written down as *not reversible*,
and a rollback leaves it, by name. Links that were staged, are there now and weren't in the baseline are ours.

Reads the target, and writes nothing to it. May be run again: what it has written down, the sweep knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.connector import Link
from migrate.engine import parquet, text
from migrate.errors import UsageError
from migrate.held import held
from migrate.journal import UNDO, Entry
from migrate.journal.chain import LOST
from migrate.ledger.leases import this_process
from migrate.ledger.tables import batches, checkpoints, events, segments
from migrate.load import Loading, strays
from migrate.load.context import Progress, no_progress
from migrate.load.link_work import LinkCutter, pair_name
from migrate.load.staged import Staged
from migrate.load.work import Item, crosswalk
from migrate.stages import checkpoint
from migrate.stages.care.rebuild import nobody_at_work

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate.workspace import Workspace

BATCH = "from-target"
WHY = "lost: what it held before we changed it stood in the journal, which is gone; it can't be put back"
_LOT = 5_000


@dataclass
class Found:
    """What was written down again, by target object. `lost`: ids of records that can't be put back.

    `segments`: names of those that are gone. `checkpoints`: names of those that can't be returned to any
    more. `blind`: objects that bear no key, of which nothing can be known.
    """

    created: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)
    links: int = 0
    segments: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)


def from_target(workspace: Workspace, progress: Progress = no_progress) -> Found:
    """Let go of segments that are lost, and write down again what the target itself tells.

    Raises:
        UsageError: there is no checkpoint, so nothing was loaded.
        LeaseHeld: somebody is at work.
        Parked, SystemRefused: the target.
    """
    ledger, found = workspace.ledger, Found()
    attempt = max((point.attempt for point in checkpoint.all_of(ledger)), default=0)
    point = checkpoint.of_attempt(ledger, attempt)
    if point is None:
        raise UsageError("There is no checkpoint, so nothing was loaded.", "Go on with `migrate load`.")
    least = _let_go(workspace, attempt, found)
    with (
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.guarded(), attempt, progress=progress) as loading,
    ):
        loading.journal.skip(least)
        crosswalk(workspace)
        keys = checkpoint.key_fields(workspace, point)
        base = checkpoint.files(workspace, point)
        engine = workspace.engine
        engine.run("CREATE OR REPLACE TABLE again (object VARCHAR, key VARCHAR, id VARCHAR, there BOOLEAN)")
        for number, (object, files) in enumerate(base.items(), 1):
            fields = loading.catalog.objects[object].fields
            if keys[object] not in fields or "not_kept" in fields[keys[object]].held:
                found.blind.append(object)
                continue
            swept = strays.sweep(loading, object, keys[object], files)
            _note(workspace, object, swept.strays, files)
            progress(f"sweep {object}", number, len(base))
        _believe(workspace)
        for plan in workspace.plan.model.objects:
            _write_down(loading, plan, found)
        _without_stage(loading, found)
        crosswalk(workspace)
        for plan in workspace.plan.model.objects:
            for index in range(len(plan.links)):
                found.links += _links(loading, point, f"{plan.name}.{index}")
        loading.journal.compact()
        with ledger.write(loading.lease) as tx:
            loading.journal.register(tx)
            told = {"created": found.created, "lost": {o: len(ids) for o, ids in found.lost.items()}}
            tx.event(this_process().holder, "rebuild from target", **told, links=found.links)
    return found


def _let_go(workspace: Workspace, attempt: int, found: Found) -> int:
    """Forget segments that are missing or damaged, in one transaction; returns the number to go on after.

    Batches whose outcomes went with them are forgotten, too, so that a load looks at their rows again; so are
    checkpoints after the attempt's first, for what lay between them is lost.
    """
    ledger = workspace.ledger
    nobody_at_work(ledger)
    if lost := workspace.journal.set_damaged_aside():
        kept = workspace.journal.batches(without=set(lost))
        last = int(ledger.value(sa.select(sa.func.max(segments.c.last_seq))) or 0)
        with ledger.write() as tx:
            tx.event(this_process().holder, LOST, segments=lost, last_seq=last)
            tx.sql.execute(segments.delete().where(segments.c.name.in_(sorted(lost))))
            known = {row.id for row in tx.sql.execute(sa.select(batches.c.id)).all()}
            gone = sorted(known - kept)
            for first in range(0, len(gone), 500):
                tx.sql.execute(batches.delete().where(batches.c.id.in_(gone[first : first + 500])))
    told = ledger.read(sa.select(events).where(events.c.what == LOST).order_by(events.c.number))
    if not told:
        return 0
    found.segments = sorted({name for row in told for name in json.loads(row.facts)["segments"]})
    query = sa.select(checkpoints).where(checkpoints.c.attempt == attempt).order_by(checkpoints.c.at)
    rows = ledger.read(query)
    found.checkpoints = [row.name for row in rows[1:] if row.at <= told[-1].at]
    with ledger.write() as tx:
        tx.sql.execute(checkpoints.delete().where(checkpoints.c.name.in_(found.checkpoints)))
    return max(
        [*(int(json.loads(row.facts)["last_seq"]) for row in told), *(int(row.segment) for row in rows)]
    )


def _note(workspace: Workspace, object: str, swept: tuple[tuple[str, str], ...], files: list[str]) -> None:
    """Strays of an object into the table `again`; `there`: the baseline knows the record."""
    for first in range(0, len(swept), _LOT):
        values = ", ".join(f"({text(key)}, {text(id)})" for key, id in swept[first : first + _LOT])
        there = f"id IN (SELECT _id FROM {parquet(files)})" if files else "false"
        workspace.engine.run(
            f"""INSERT INTO again SELECT {text(object)}, key, id, {there}
            FROM (VALUES {values}) AS swept (key, id)"""
        )


def _believe(workspace: Workspace) -> None:
    """The crosswalk with what was swept, so that references and links find their ends."""
    workspace.engine.run(
        """INSERT INTO crosswalk BY NAME SELECT key, object, id AS target_id,
          CASE WHEN there THEN 'adopt' ELSE 'create' END AS origin FROM again"""
    )


def _write_down(loading: Loading, plan: ObjectPlan, found: Found) -> None:
    """What is staged of an entry and stands in the target, newest version first; each key once."""
    engine, staged = loading.workspace.engine, Staged(loading, plan)
    rules = loading.catalog.objects[plan.target].fields
    lot: list[Entry] = []
    for manifest in reversed(staged.manifests()):
        for part in manifest.parts:
            path = staged.path(manifest, part)
            rows = engine.rows(
                f"""SELECT key, id, there FROM again WHERE object = {text(plan.target)}
                AND key IN (SELECT _key FROM {parquet([path])} WHERE NOT coalesce(_deleted, false))"""
            )
            wanted = {row["key"]: row for row in rows}
            if not wanted:
                continue
            for item in staged.items(manifest, part):
                row = wanted.pop(item.key, None)
                if row is None:
                    continue
                after = {
                    name: held(rules[name].held, value) if name in rules else value
                    for name, value in item.values.items()
                    if not name.startswith("_")
                }
                lot += _entries(loading, plan.target, row, item, after, found)
            _append(loading, lot)
            lot = []
            taken = ", ".join(text(row["key"]) for row in rows)
            engine.run(f"DELETE FROM again WHERE object = {text(plan.target)} AND key IN ({taken})")


def _without_stage(loading: Loading, found: Found) -> None:
    """The rest: it bears a key of ours, and no stage tells what was written."""
    while rows := loading.workspace.engine.rows(f"SELECT * FROM again ORDER BY object, key LIMIT {_LOT}"):
        lot: list[Entry] = []
        for row in rows:
            lot += _entries(loading, row["object"], row, None, {}, found)
        _append(loading, lot)
        loading.workspace.engine.run(
            f"""DELETE FROM again WHERE (object, key, id) IN
            (SELECT (object, key, id) FROM again ORDER BY object, key LIMIT {_LOT})"""
        )


def _entries(
    loading: Loading, object: str, row: dict[str, Any], item: Item | None, after: dict[str, str | None],
    found: Found,
) -> Iterator[Entry]:  # fmt: skip
    version, key, id = (item.version if item else ""), row["key"], row["id"]
    facts: dict[str, Any] = {"target_id": id, "version": version}
    if not row["there"]:
        found.created[object] = found.created.get(object, 0) + 1
        yield Entry(
            loading.attempt, BATCH, loading.system, object, "record", key, "create", "done", after=after,
            reason="found in the target by its key", **facts,
        )  # fmt: skip
        return
    found.lost.setdefault(object, []).append(id)
    yield Entry(
        loading.attempt, BATCH, loading.system, object, "record", key, "adopt", "done", reason=WHY, **facts
    )
    yield Entry(
        loading.attempt, f"{UNDO}{BATCH}", loading.system, object, "record", key, "restore", "held",
        reason=WHY, **facts,
    )  # fmt: skip


def _append(loading: Loading, lot: list[Entry]) -> None:
    if not lot:
        return
    loading.journal.append(lot)
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)


def _links(loading: Loading, point: checkpoint.Checkpoint, name: str) -> int:
    """Staged links of a name that are there, that the journal doesn't know and the baseline didn't have."""
    cutter, written = LinkCutter(loading, name), 0
    for manifest in cutter.manifests():
        for part in manifest.parts:
            lot: list[Entry] = []
            items = [
                each for each in cutter.staged(manifest, part.name) if not each.deleted and not each.over
            ]
            pairs: dict[tuple[str, str], list[Any]] = {}
            for item in items:
                pairs.setdefault((item.link.left_object, item.link.right_object), []).append(item)
            for (left, right), listed in pairs.items():
                ids = list(dict.fromkeys(item.link.left for item in listed))
                size = loading.target.limits.link_reads
                there: set[Link] = set()
                for first in range(0, len(ids), size):
                    there.update(loading.target.read_links(left, ids[first : first + size], right))
                before = _before(loading, point, left, right, ids)
                known = _known(loading, f"{left}>{right}", ids)
                for item in listed:
                    link = item.link
                    if link in there and (link.left, link.right, link.label) not in known:
                        was = (link.left, link.right, link.label) in before
                        lot.append(
                            Entry(
                                loading.attempt, BATCH, loading.system, pair_name(link), "link", item.key,
                                "link", "done", left=link.left, right=link.right, label=link.label,
                                was_there=was, reason="found in the target, and staged",
                            )
                        )  # fmt: skip
            written += len(lot)
            _append(loading, lot)
    return written


def _before(
    loading: Loading, point: checkpoint.Checkpoint, left: str, right: str, ids: list[str]
) -> set[tuple[str, str, str]]:
    store = loading.workspace.store
    manifest = store.manifest(point.links(left)) if left in point.baseline else None
    if manifest is None or not manifest.parts:
        return set()
    listed = ", ".join(map(text, ids))
    rows = loading.workspace.engine.rows(
        f"""SELECT "left", "right", label FROM {parquet(store.files(manifest))}
        WHERE left_object = {text(left)} AND right_object = {text(right)} AND "left" IN ({listed})"""
    )
    return {(row["left"], row["right"], row["label"]) for row in rows}


def _known(loading: Loading, pair: str, ids: list[str]) -> set[tuple[str, str, str]]:
    listed = ", ".join(map(text, ids))
    rows = loading.workspace.engine.rows(
        f"""SELECT DISTINCT "left", "right", label FROM {loading.journal.source()}
        WHERE kind IN ('link', 'side') AND op = 'link' AND outcome = 'done' AND object = {text(pair)}
        AND "left" IN ({listed})"""
    )
    return {(row["left"], row["right"], row["label"]) for row in rows}
