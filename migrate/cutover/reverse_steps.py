"""How is one numbered step of the way back taken? Looked, planned whole, marked, then carried out.

A step is planned into artifacts that count once its mark is published, last; a process that is killed before
plans it anew, one that is killed after goes on with the load, which sends nothing twice. Deletions are a
generation of their own and go last, so that nothing is cascaded away that was only about to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from migrate.clock import stamp
from migrate.cutover import homes
from migrate.cutover.machine import states
from migrate.cutover.reverse_artifacts import (
    DOOMED,
    OLD_BASE,
    PLANNED,
    PLANNED_LINKS,
    Findings,
    append,
    copied,
    publish,
    put,
)
from migrate.cutover.reverse_changes import Changes
from migrate.cutover.reverse_gone import plan_deletions
from migrate.cutover.reverse_links import plan_links
from migrate.cutover.reverse_plan import BackEntry
from migrate.cutover.reverse_rows import Rows, references
from migrate.cutover.reverse_side import ANCHOR, BASE, FOREIGN, LINKS, NEW, OLD, ROUND, Side
from migrate.cutover.states import HERE
from migrate.engine import parquet, text
from migrate.errors import UsageError
from migrate.journal import Entry
from migrate.load import Loading
from migrate.load.context import Progress, no_progress
from migrate.stages.admitting import open_attempt
from migrate.stages.at_home import born
from migrate.stages.load import Loaded, load
from migrate.stages.transform.publish import PART_ROWS
from migrate.store import Manifest, generation_folder


def anchor(side: Side, cohort: str, who: str) -> int:
    """Note how both systems hold a cohort's records now: changes count from here on. The step's number.

    Raises:
        Parked, SystemRefused: a system.
    """
    began = stamp(side.forward.clock.now())
    side.ready()
    side.look_old()
    side.look_new()
    side.ids()
    marks = side.marks()
    number = marks[-1].number + 1 if marks else 0
    if number == 0:
        _foreign(side)
    files = homes.keys(side.forward, cohort)
    engine = side.workspace.engine
    engine.run(f"CREATE OR REPLACE TABLE cohort_now AS SELECT key FROM {copied(side, files)}")
    mine = "side = 'source' AND key IN (SELECT key FROM cohort_now)"
    moving = f"SELECT id FROM ids WHERE object = {{object}} AND {mine}"
    for object in side.objects:
        _move_base(side, object, number, moving.format(object=text(object)))
    for object in side.old_objects:
        olds = f"SELECT old_id FROM ids WHERE old = {text(object)} AND {mine}"
        now, before = side.look(OLD, object), side.base(object, number - 1, OLD_BASE)
        put(side, OLD_BASE, object, number, _moved(now, before, olds))
    side.mark(number, ANCHOR, cohort, began)
    with side.workspace.ledger.write() as tx:
        tx.event(who, "way back anchored", cohort=cohort, step=number)
    return number


def _foreign(side: Side) -> None:
    """Records that the new system had before, and that aren't ours: they are nobody's news."""
    for object in side.objects:
        query = f"""SELECT _id FROM {side.look(NEW, object)}
            WHERE _id NOT IN (SELECT id FROM ids WHERE object = {text(object)})"""
        put(side, FOREIGN, object, 0, query)


def _move_base(side: Side, object: str, number: int, ids: str) -> None:
    """The next base of an object and its links: as now for these ids, as before for all others."""
    now, before = side.look(NEW, object), side.base(object, number - 1)
    put(side, BASE, object, number, _moved(now, before, ids))
    if object in side.pairs:
        now, before = side.look(NEW, f"{object}-links"), side.base(object, number - 1, LINKS)
        put(side, LINKS, object, number, _moved(now, before, ids, '"left"'))


def _moved(now: str, before: str, ids: str, column: str = "_id") -> str:
    return f"""SELECT * FROM {now} WHERE {column} IN ({ids})
        UNION ALL BY NAME SELECT * FROM {before} WHERE {column} NOT IN ({ids})"""


# -- planning -------------------------------------------------------------------------------------


def plan(
    side: Side,
    *,
    only: Sequence[str] = (),
    objects: Sequence[str] = (),
    cohort: str = "",
    whole: bool = False,
    tried: str = "",
    who: str,
) -> int | None:
    """Look at the new system and plan a step whole; its number, None where nothing has changed.

    Args:
        only: ids of the new system; none: every record that is at home there, and new ones.
        objects: of the new system; none: all.
        cohort: only records that go home with it, and new ones; "": of every switched cohort.
        whole: read every record, and no index.
        tried: the old system's field that a canary tries with this step.

    Raises:
        UsageError: nothing was anchored.
        Parked, SystemRefused: a system.
    """
    marks = side.marks()
    if not marks:
        raise UsageError(
            "The way back was never made ready: no cohort was switched.", "Run `migrate cutover switch`."
        )
    side.ready()
    at = side.look_new(whole=whole, objects=objects)
    side.ids()
    number = marks[-1].number + 1
    attempt = open_attempt(side.workspace, write=True)
    with (
        closing(side.workspace.target()) as target,
        Loading(side.workspace, target, side.workspace.guarded(), attempt) as loading,
    ):
        bounded = bool(cohort) and _going(side, cohort)
        changes = Changes(side, number, only=only, bounded=bounded, consent=whole)
        rows = Rows(changes, loading, at=at)
        told = Findings(side, number)
        ready = [_entry(side, rows, each, told, loading, objects) for each in side.entries]
        _seed_references(side, loading, ready, number)
        told.publish()
    if not told.rows:
        return None
    for object in side.objects:
        if objects and object not in objects:
            continue
        settled = changes.considered(object)
        _move_base(side, object, number, settled)
    side.mark(number, ROUND, "", at, tried)
    with side.workspace.ledger.write() as tx:
        tx.event(who, "way back planned", step=number, changes=told.rows)
    return number


def _going(side: Side, cohort: str) -> bool:
    """Make the engine's table `going` (key): records that go home with a cohort, for no other one that is
    switched has them, and all that were born in the new system. Whether there is any other."""
    others = [name for name, state in states(side.forward).items() if name != cohort and state in HERE]
    engine = side.workspace.engine
    engine.run(
        f"CREATE OR REPLACE TABLE going AS SELECT key FROM {copied(side, homes.keys(side.forward, cohort))}"
    )
    for name in others:
        keys = copied(side, homes.keys(side.forward, name))
        engine.run(f"DELETE FROM going WHERE key IN (SELECT key FROM {keys})")
    engine.run(f"INSERT INTO going SELECT key FROM {copied(side, born(side.forward))}")
    return bool(others)


def upserts(number: int) -> int:
    """The ready generation of what a step writes; its deletions are the next one."""
    return 2 * number


def _entry(
    side: Side, rows: Rows, each: BackEntry, told: Findings, loading: Loading, objects: Sequence[str]
) -> Manifest:
    """An entry's rows of a step: what is to be written, its links, and what is to be deleted."""
    counts = not objects or each.object in objects
    schema = rows.schema(each)
    folder = generation_folder(PLANNED, each.name, rows.number)
    side.store.discard(folder)
    with side.store.writer(folder, schema, part_rows=PART_ROWS) as writer:
        if counts:
            rows.changes.table(each)
            for table, found, seeds in rows.ready(each):
                writer.write(table)
                told.write(found)
                append(loading, seeds)
    ready = publish(side, PLANNED, each.name, rows.number, writer.parts, schema)
    for index in range(len(each.links)):
        plan_links(rows.changes, each, index, counts=counts, told=told, loading=loading)
    plan_deletions(side, rows, each, told, loading, counts=counts)
    return ready


def _seed_references(side: Side, loading: Loading, ready: Sequence[Manifest], number: int) -> None:
    """Let the journal know the old records to which rows lead, so that references find them."""
    journal = side.workspace.journal.source()
    ends = [references(side, ready)]
    for each in side.entries:
        for index in range(len(each.links)):
            manifest = side.store.manifest(generation_folder(PLANNED_LINKS, f"{each.name}.{index}", number))
            if manifest is not None and manifest.parts:
                table = parquet(side.store.files(manifest))
                ends += [f'SELECT "left" AS rkey FROM {table}', f'SELECT "right" AS rkey FROM {table}']
    query = f"""SELECT i.rkey, i.old, i.old_id FROM ids AS i
        WHERE i.rkey IN ({" UNION ".join(ends)}) AND i.old_id IS NOT NULL
        AND i.rkey NOT IN (SELECT key FROM {journal} WHERE kind = 'record' AND outcome = 'done')"""
    for batch in side.workspace.engine.stream(query):
        append(
            loading,
            [
                Entry(
                    loading.attempt, f"seed-{number}", loading.system, row["old"], "record", row["rkey"],
                    "adopt", "done", row["old_id"], reason="known since it came over",
                )
                for row in batch.to_pylist()
            ],
        )  # fmt: skip


# -- carrying out -----------------------------------------------------------------------------------


def deliver(side: Side, progress: Progress = no_progress) -> Loaded | None:
    """Carry out every step that was planned: write, then delete. None where none was.

    Raises:
        Parked, SystemRefused, InDoubt, LeaseHeld: the old system; what was done is kept, run again.
        Drifted: its picklists have changed.
    """
    steps = [mark.number for mark in side.marks() if mark.kind == ROUND]
    if not steps:
        return None
    for number in steps:
        for each in side.entries:
            _release(side, PLANNED, each.name, number, "ready", upserts(number))
            for index in range(len(each.links)):
                name = f"{each.name}.{index}"
                _release(side, PLANNED_LINKS, name, number, "links", upserts(number))
    loaded = load(side.workspace, progress=progress, gives_back=True, keep_going=True)
    due = [number for number in steps if _release_deletions(side, number)]
    if due:
        loaded = load(side.workspace, progress=progress, gives_back=True, keep_going=True)
    return loaded


def _release_deletions(side: Side, number: int) -> bool:
    """Make a step's deletions ready, where it has any and they aren't yet."""
    planned = [side.store.manifest(generation_folder(DOOMED, each.name, number)) for each in side.entries]
    if not any(manifest is not None and manifest.rows for manifest in planned):
        return False
    made = [_release(side, DOOMED, each.name, number, "ready", upserts(number) + 1) for each in side.entries]
    return any(made)


def _release(side: Side, stage: str, name: str, number: int, to: str, generation: int) -> bool:
    """Publish what a step planned where the load finds it, once; whether it was made now. Only a step that
    is marked is released: batches are cut from these parts, so that they must never change again."""
    planned = side.store.manifest(generation_folder(stage, name, number))
    folder = generation_folder(to, name, generation)
    if planned is None or side.store.manifest(folder) is not None:
        return False
    side.store.verify(planned)
    side.store.discard(folder)
    parts: list[Any] = []
    writer = None
    for batch in side.store.read(planned):
        if writer is None:
            writer = side.store.writer(folder, batch.schema, part_rows=PART_ROWS)
            writer.__enter__()
        writer.write(batch)
    if writer is not None:
        writer.__exit__(None, None, None)
        parts = writer.parts
    side.store.publish(
        Manifest(folder, to, name, generation, planned.rows, tuple(parts), planned.schema, planned.facts)
    )
    return True
