"""How does everything get into the target, in order, and go on where it stopped?

Order: artifacts verified, lease taken, checkpoint with its baseline, batches in doubt settled, then
objects by reference (parents first where a child must wait for them), then links, then a sweep. Only
when all rows of a generation are settled does its watermark move, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.journal import REFUSED
from migrate.ledger import batches as book
from migrate.ledger.canaries import Canary, flown
from migrate.ledger.tables import attempts, generations, watermarks
from migrate.load import LinkProtocol, Loading, RecordProtocol, Tally, canary, strays
from migrate.load.canary import Canaries
from migrate.load.context import Progress, no_progress
from migrate.load.cutting import Cutter
from migrate.load.link_work import LinkCutter
from migrate.load.strays import Swept
from migrate.load.work import RecordWork, crosswalk, crosswalk_table
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import always_written, written_fields
from migrate.stages import checkpoint, pipeline
from migrate.stages.remaining import foreseen
from migrate.store import Manifest
from migrate.workspace import Workspace


@dataclass
class Loaded:
    """What one load did and left. Counts are of this run, but for `blocked`, `refused` and the sweep."""

    attempt: int
    objects: dict[str, Tally] = field(default_factory=dict)  # by entry
    links: dict[str, Tally] = field(default_factory=dict)  # by entry and index of the link
    blocked: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    swept: list[Swept] = field(default_factory=list)
    side_links: int = 0
    canaries: list[Canary] = field(default_factory=list)  # of the attempt
    canaries_due: dict[str, list[str]] = field(default_factory=dict)  # by entry; of a dry run

    @property
    def clean(self) -> bool:
        """Nothing was refused, held or blocked, and the sweep found no twin and no stray."""
        odd = any(swept.twins or swept.strays for swept in self.swept)
        return not (self.refused or any(self.blocked.values()) or odd or self.met)

    @property
    def met(self) -> int:
        """Edits by others that our writes met: covered by ours, or made right after them."""
        return sum(tally["lost_edit"] + tally["changed_at_landing"] for tally in self.objects.values())


def load(
    workspace: Workspace,
    objects: Sequence[str] = (),
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
    sample: bool = False,
    keep_going: bool = False,
) -> Loaded:
    """Load what is ready and not yet done.

    Args:
        keep_going: don't stop where the target refuses every record of an object alike.
        sample: only records that the engine's table `sample` names.

    Raises:
        UsageError: nothing is ready, or a rollback is under way.
        LeaseHeld, LeaseLost: another operator writes to the target.
        Damaged: an artifact differs from its digest; nothing was written.
        Parked, SystemRefused: the target; what was done is kept, run again.
        CanaryStopped: the target did more than was asked with the first record of an entry.
    """
    plans = _ordered(workspace.plan.model.objects)
    named = workspace.plan.chosen(objects)
    chosen = [each for each in plans if each in named]
    attempt = _open_attempt(workspace, write=not dry_run)
    loaded = Loaded(attempt)
    if dry_run:
        _verify(workspace, plans)
        return _dry(workspace, chosen, loaded, sample)
    with (
        pipeline.alone(workspace, "ready", with_others=True),
        closing(workspace.target()) as target,
        Loading(
            workspace, target, workspace.catalog("target"), attempt, progress=progress, keep_going=keep_going
        ) as loading,
    ):
        must_be_open(workspace, attempt)
        _verify(workspace, plans)
        base = checkpoint.ensure(loading)
        loading.baseline = checkpoint.files(workspace, base)
        _settle_doubts(loading, plans, loaded)
        canaries = Canaries(loading, plans, lambda plan, work: _alone(loading, plan, work, loaded))
        canaries.resume()
        crosswalk_table(loading)
        canaries.ahead(chosen, sample=sample)
        for each in chosen:
            _records(loading, each, loaded, canaries, sample)
        crosswalk_table(loading)
        for each in chosen:
            for index in range(len(each.links)):
                _links(loading, f"{each.name}.{index}", loaded)
        _look_around(loading, base, loaded)
        _finish(loading, chosen, loaded, sample)
        loaded.canaries = flown(loading.ledger, attempt)
    return loaded


def _ordered(plans: Sequence[ObjectPlan]) -> list[ObjectPlan]:
    """Parents before the children that must wait for them; links never make an object wait."""
    by_target: dict[str, list[str]] = {}
    for each in plans:
        by_target.setdefault(each.target, []).append(each.name)
    graph: dict[str, set[str]] = {each.name: set() for each in plans}
    for each in plans:
        for link in each.links:
            if link.missing == "reject":
                graph[each.name].update(name for name in by_target.get(link.to, []) if name != each.name)
        for field_plan in each.fields.values():
            if field_plan.reference and field_plan.reference != each.name:
                graph[each.name].add(field_plan.reference)
    named = {each.name: each for each in plans}
    try:
        return [named[name] for name in TopologicalSorter(graph).static_order() if name in named]
    except CycleError as error:
        cycle = " -> ".join(str(name) for name in error.args[1])
        raise UsageError(
            f"These objects wait for each other: {cycle}.",
            "Set `missing: link` on one of their links, so that its record loads first and the link second.",
        ) from error


def _verify(workspace: Workspace, plans: Sequence[ObjectPlan]) -> None:
    """Every ready part against its digest, and their plan against today's, before the first write."""
    for each in plans:
        workspace.store.must_be_whole("ready", each.name)
        manifests = workspace.store.manifests("ready", each.name)
        if not manifests:
            raise UsageError(f"`{each.name}` isn't ready.", "Run `migrate transform` first.")
        newest = manifests[-1]
        for index in range(len(each.links)):
            workspace.store.must_be_whole("links", f"{each.name}.{index}")
            manifests += workspace.store.manifests("links", f"{each.name}.{index}")
        for manifest in manifests:
            workspace.store.verify(manifest)
        if newest.facts.get("plan", workspace.plan.digest) != workspace.plan.digest:
            raise UsageError(
                "The plan, or a map beside it, was edited since the last transform.",
                "Run `migrate transform` again (only what the edit changes is then sent), or undo the edit.",
            )


def _open_attempt(workspace: Workspace, *, write: bool) -> int:
    ledger = workspace.ledger
    number = ledger.attempt()
    busy = ledger.read(sa.select(attempts.c.number).where(attempts.c.state == "rolling_back"))
    if busy:
        raise UsageError(
            f"Attempt {busy[0][0]} is being rolled back.",
            "Run `migrate rollback run --yes` to its end first; then a load begins the next attempt.",
        )
    # A forced hold that was cut short: its last call may still land on what we are about to write.
    cut = book.in_doubt(ledger, None, ("rollback",))
    if cut and checkpoint.of_attempt(ledger, number) is None:
        raise UsageError(
            f"The rollback of attempt {cut[0].attempt} was cut short in the midst of a call.",
            "Run `migrate rollback run --yes` to its end first; then load.",
        )
    if write and ledger.value(sa.select(attempts.c.number).where(attempts.c.number == number)) is None:
        with ledger.write() as tx:
            tx.put(
                attempts, number=number, state="open", opened=tx.at, closed=None, plan=workspace.plan.digest
            )
    return number


def must_be_open(workspace: Workspace, attempt: int) -> None:
    """Ask again under the lease: a rollback may have come and gone between our question and our turn.

    Raises:
        UsageError: the attempt is being rolled back, or has been.
    """
    if _open_attempt(workspace, write=False) != attempt:
        raise UsageError(
            f"Attempt {attempt} has been rolled back meanwhile.", "Run `migrate load` for the next one."
        )


def _dry(workspace: Workspace, plans: Sequence[ObjectPlan], loaded: Loaded, sample: bool) -> Loaded:
    """Counts of what a load would do now; sends nothing and writes nothing."""
    crosswalk(workspace)
    catalog = workspace.catalog("target").digest()
    for each in plans:
        tally = foreseen(workspace, each, loaded.attempt, sample=sample)
        if ahead := canary.due(workspace.ledger, loaded.attempt, catalog, each, tally):
            loaded.canaries_due[each.name] = ahead
        loaded.blocked[each.name] = tally.pop("blocked", 0)
        loaded.objects[each.name] = Counter({f"would {op}": number for op, number in tally.items()})
    return loaded


def protocol_for(loading: Loading, plan: ObjectPlan) -> RecordProtocol:
    """The record protocol with one object plan's rules."""
    wins = {name: each.wins for name, each in plan.fields.items() if each.wins}
    return RecordProtocol(
        loading,
        plan.target,
        written_fields(plan),
        conflict=plan.conflict,
        wins=wins,
        always=[*always_written(plan), *(f.former for f in plan.fields.values() if f.former)],
    )


def _settle_doubts(loading: Loading, plans: Sequence[ObjectPlan], loaded: Loaded) -> None:
    """Batches that a former process left open come first, whatever was asked for, and are counted."""
    if not book.in_doubt(loading.ledger, loading.attempt, ("load", "replay")):
        return
    crosswalk_table(loading)
    for each in plans:
        loaded.objects[each.name] = loading.run(
            Cutter(loading, each).in_doubt(), protocol_for(loading, each).run
        )
    crosswalk_table(loading)
    for each in plans:
        for index in range(len(each.links)):
            name = f"{each.name}.{index}"
            loaded.links[name] = loading.run(LinkCutter(loading, name).in_doubt(), LinkProtocol(loading).run)


def _alone(loading: Loading, plan: ObjectPlan, work: RecordWork, loaded: Loaded) -> Tally:
    """Carry a canary."""
    tally = protocol_for(loading, plan).run(work)
    loaded.objects.setdefault(plan.name, Counter()).update(tally)
    return tally


def _records(loading: Loading, plan: ObjectPlan, loaded: Loaded, canaries: Canaries, sample: bool) -> None:
    crosswalk_table(loading)
    cutter, protocol = Cutter(loading, plan, sample=sample), protocol_for(loading, plan)
    total = cutter.left()
    done = 0

    def carry(work: RecordWork) -> Tally:
        nonlocal done
        tally = protocol.run(work)
        done += tally["_rows"]
        loading.progress(plan.name, done, total)
        return tally

    tally = loaded.objects.setdefault(plan.name, Counter())
    for manifest in cutter.manifests():
        # Generations in order: a delta of a key must not overtake its base.
        if manifest.generation:
            tally.update(loading.run(cutter.pending(manifest, tombstones=True), carry))
        tally.update(loading.run(canaries.guard(plan, cutter.pending(manifest)), carry))
        crosswalk_table(loading)


def _links(loading: Loading, name: str, loaded: Loaded) -> None:
    cutter, protocol = LinkCutter(loading, name), LinkProtocol(loading)
    total, done = cutter.rows(), 0

    def carry(work: Any) -> Tally:
        nonlocal done
        tally = protocol.run(work)
        done += tally["_rows"]
        loading.progress(f"{name} links", done, total)
        return tally

    tally = loaded.links.setdefault(name, Counter())
    for manifest in cutter.manifests():
        # Generations in order: a link that a delta takes away must not be made after it was taken away.
        if manifest.generation:
            tally.update(loading.run(cutter.pending(manifest, removing=True), carry))
        tally.update(loading.run(cutter.pending(manifest), carry))


def _look_around(loading: Loading, base: checkpoint.Checkpoint, loaded: Loaded) -> None:
    """Twins, strays and sides, once the target's own automations have had their time."""
    last = book.last_deadline(loading.ledger, loading.system)
    if last is not None:
        loading.wait_landing(last)
    loading.wait_all_landed()
    loading.clock.sleep(loading.target.limits.settle)
    crosswalk_table(loading)
    keys = checkpoint.key_fields(loading.workspace, base)
    for object, files in loading.baseline.items():
        loaded.swept.append(strays.sweep(loading, object, keys[object], files))
    for object in loading.baseline:
        loaded.side_links += strays.side_links(loading, object)


def _finish(loading: Loading, plans: Sequence[ObjectPlan], loaded: Loaded, sample: bool) -> None:
    """Blocked rows with their causes, watermarks, and the journal made compact."""
    for each in plans:
        loaded.blocked[each.name] = _blocked_records(loading, each)
        for index in range(len(each.links)):
            name = f"{each.name}.{index}"
            loaded.blocked[name] = _blocked_links(loading, name)
    for source in dict.fromkeys(each.source for each in plans):
        # Several entries may share a source object; its generation is through only when all of them are.
        whole = [each for each in loading.workspace.plan.model.objects if each.source == source]
        if not sample and all(each in plans for each in whole):
            _move_watermark(loading, source)
    refused = REFUSED.format(journal=loading.journal.source())
    loaded.refused = int(
        loading.workspace.engine.rows(
            f"SELECT count(*) AS n FROM ({refused}) WHERE attempt = {loading.attempt}"
        )[0]["n"]
    )
    loading.journal.compact()
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)


def _pending_rows(loading: Loading, manifests: Sequence[Manifest]) -> Iterator[tuple[str, list[int]]]:
    for manifest in manifests:
        for part in manifest.parts:
            done = book.rows_done(loading.ledger, loading.attempt, manifest.folder, part.name)
            rows = [row for row in range(part.rows) if row not in done]
            if rows:
                yield str(loading.workspace.store.path(manifest, part)), rows


def _waiting(loading: Loading, plan: ObjectPlan) -> Iterator[tuple[str, list[int]]]:
    cutter = Cutter(loading, plan)
    for manifest in cutter.manifests():
        for part, rows in cutter.waiting(manifest):
            yield str(loading.workspace.store.path(manifest, part)), rows


def _blocked_records(loading: Loading, plan: ObjectPlan) -> int:
    selects = [
        f"""SELECT _key, 'its parent is not in the target' AS cause
        FROM read_parquet('{path}', file_row_number=true)
        WHERE file_row_number IN ({", ".join(map(str, rows))})"""
        for path, rows in _waiting(loading, plan)
    ]
    return _publish_blocked(loading, plan.name, selects, "SELECT ''::VARCHAR AS _key, ''::VARCHAR AS cause")


def _blocked_links(loading: Loading, name: str) -> int:
    """Links whose ends aren't both in the target, each with the end that is missing and why."""
    selects = [
        f"""SELECT b."left", b."right", b.label,
          CASE WHEN l.key IS NULL THEN b."left" ELSE b."right" END || ' is not in the target' AS cause
        FROM read_parquet('{path}', file_row_number=true) AS b
        LEFT JOIN crosswalk AS l ON l.key = b."left" LEFT JOIN crosswalk AS r ON r.key = b."right"
        WHERE file_row_number IN ({", ".join(map(str, rows))})"""
        for path, rows in _pending_rows(loading, loading.workspace.store.manifests("links", name))
    ]
    shape = (
        """SELECT ''::VARCHAR AS "left", ''::VARCHAR AS "right", ''::VARCHAR AS label, ''::VARCHAR AS cause"""
    )
    return _publish_blocked(loading, name, selects, shape)


def _publish_blocked(loading: Loading, name: str, selects: list[str], shape: str) -> int:
    store = loading.workspace.store
    folder = f"blocked/{name}/current"
    store.discard(folder)
    query = " UNION ALL ".join(selects) if selects else f"SELECT * FROM ({shape}) WHERE false"
    reader = loading.workspace.engine.stream(query)
    with store.writer(folder, reader.schema) as writer:
        for batch in reader:
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "blocked", name, 0, rows, tuple(writer.parts)))
    return rows


def _move_watermark(loading: Loading, source: str) -> None:
    """When every row of the newest generation has its end, its watermark is where the next delta starts."""
    query = (
        sa.select(generations)
        .where(generations.c.object == source, generations.c.state != "extracted")
        .order_by(generations.c.number.desc())
    )
    rows = loading.ledger.read(query.limit(1))
    if not rows or rows[0].watermark is None:
        return
    with loading.ledger.write(loading.lease) as tx:
        tx.put(watermarks, object=source, value=rows[0].watermark, generation=rows[0].number)
        tx.sql.execute(
            generations.update()
            .where(
                generations.c.object == source,
                generations.c.number <= rows[0].number,
                generations.c.settled.is_(None),
            )
            .values(state="loaded", settled=tx.at)
        )
