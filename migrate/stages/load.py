"""How does everything get into the target, in order, and go on where it stopped?

Order: artifacts verified, lease taken, picklists compared with those that the maps were made for, checkpoint
with its baseline, batches in doubt settled, opt-outs, then objects by reference (parents first where a child
must wait for them), a second pass over what had to wait for its record, then links, then a sweep. Only when
all rows of a generation are settled does its watermark move, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from migrate.errors import ValueChange
from migrate.journal import REFUSED
from migrate.ledger import batches as book
from migrate.ledger.canaries import Canary, flown
from migrate.ledger.tables import generations, watermarks
from migrate.load import (
    ConsentProtocol,
    LinkProtocol,
    Loading,
    RecordProtocol,
    Tally,
    canary,
    companions,
    proven,
    strays,
)
from migrate.load.canary import Canaries
from migrate.load.consent import ConsentCutter, ConsentWork, consent_left, open_table
from migrate.load.context import Progress, no_progress
from migrate.load.cutting import Cutter
from migrate.load.homes import away
from migrate.load.later import LaterCutter
from migrate.load.link_work import LinkCutter
from migrate.load.strays import Swept
from migrate.load.switches import quiet
from migrate.load.work import RecordWork, crosswalk, crosswalk_table
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import always_written, written_fields
from migrate.plan.waves import Waves
from migrate.rewriting import rewritten_fields, shows_images
from migrate.stages import accepted, checkpoint, drift, kept, pipeline
from migrate.stages.admitting import must_be_open, no_repair_in_doubt, open_attempt, verify, waves_of
from migrate.stages.blocked import blocked_links, blocked_records, unfilled
from migrate.stages.checkpoint import Checkpoint
from migrate.stages.old_links import LEFT, addresses_for, write_down
from migrate.stages.points import Points
from migrate.stages.remaining import foreseen
from migrate.workspace import Workspace


@dataclass
class Loaded:
    """What one load did and left. Counts are of this run, but for `blocked`, `refused` and the sweep."""

    attempt: int
    objects: dict[str, Tally] = field(default_factory=dict)  # by entry
    links: dict[str, Tally] = field(default_factory=dict)  # by entry and index of the link
    later: dict[str, Tally] = field(default_factory=dict)  # by entry: what the second pass filled
    consent: Tally = field(default_factory=Counter)  # opt-outs: opt_out, unchanged, refused
    blocked: dict[str, int] = field(default_factory=dict)
    unfilled: dict[str, int] = field(default_factory=dict)  # by entry: fields that wait for their record
    old_links: dict[str, Tally] = field(default_factory=dict)  # by entry: old addresses, rewritten and left
    refused: int = 0
    swept: list[Swept] = field(default_factory=list)
    side_links: int = 0
    companions: dict[str, int] = field(default_factory=dict)  # by object: made by the vendor with ours; all
    canaries: list[Canary] = field(default_factory=list)  # of the attempt
    canaries_due: dict[str, list[str]] = field(default_factory=dict)  # by entry; of a dry run
    drift: list[ValueChange] = field(
        default_factory=list
    )  # picklist values that changed and are in nobody's way

    @property
    def clean(self) -> bool:
        """Nothing was refused, held or blocked, no picklist has changed; no twin, no stray."""
        odd = any(swept.twins or swept.strays for swept in self.swept)
        waiting = any(self.blocked.values()) or any(self.unfilled.values())
        waiting = waiting or any(tally[LEFT] for tally in self.old_links.values())
        return not (self.refused or waiting or odd or self.met or self.drift)

    @property
    def met(self) -> int:
        """Edits by others that our writes met: covered by ours, or made right after them."""
        tallies = (*self.objects.values(), *self.later.values())
        return sum(tally["lost_edit"] + tally["changed_at_landing"] for tally in tallies)


def load(
    workspace: Workspace,
    objects: Sequence[str] = (),
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
    sample: bool = False,
    scoped: bool = False,
    keep_going: bool = False,
    gives_back: bool = False,
    apart: bool = False,
) -> Loaded:
    """Load what is ready and not yet done.

    Args:
        apart: what is ready lies in a store of its own and stands for no extract: no watermark moves, the
            target isn't swept, and that a record is at home in the target keeps none of it back.
        keep_going: don't stop where the target refuses every record of an object alike.
        gives_back: the records came from this target, so that a deletion deletes what we didn't create.
        sample: only records that the engine's table `sample` names.
        scoped: the same, and links and references are others' where they are outside: neither carried, nor
            told as blocked.

    Raises:
        UsageError: nothing is ready, a rollback is under way, or the plan isn't the one that was loaded and
            nobody has accepted what it would change.
        LeaseHeld, LeaseLost: another operator writes to the target.
        Damaged: an artifact differs from its digest; nothing was written.
        Drifted: picklists have changed since the rows were made; nothing was written.
        Parked, SystemRefused: the target; what was done is kept, run again.
        CanaryStopped: the target did more than was asked with the first record of an entry.
    """
    plan, sample = waves_of(workspace), sample or scoped
    plans, named = plan.order, workspace.plan.chosen(objects)
    chosen = [each for each in plans if each in named]
    attempt = open_attempt(workspace, write=not dry_run)
    loaded = Loaded(attempt)
    if dry_run:
        verify(workspace, plans)
        return _dry(workspace, plan, chosen, loaded, sample=sample)
    with (
        pipeline.alone(workspace, "ready", with_others=True),
        closing(workspace.target()) as target,
        Loading(
            workspace,
            target,
            workspace.guarded(),
            attempt,
            progress=progress,
            keep_going=keep_going,
            gives_back=gives_back,
        ) as loading,  # fmt: skip
        ExitStack() as stack,
    ):
        loading.later, loading.scoped = plan.waiting, scoped
        loading.away = None if apart else away(workspace)
        loading.addresses = addresses_for(loading)
        must_be_open(workspace, attempt)
        no_repair_in_doubt(workspace)
        verify(workspace, plans, edited=gives_back)
        if not gives_back:  # rows that go back were made one by one, not by the plan as a whole
            accepted.admit(loading)
        kept.keep(workspace)
        loaded.drift = drift.before_load(workspace, target)
        proven.must_be(loading)
        base = _base(loading, plans, sample=sample)
        loading.baseline = checkpoint.files(workspace, base) if base else {}
        stack.enter_context(quiet(loading))
        _settle_doubts(loading, plans, loaded)
        points = Points(loading, base)
        canaries = Canaries(loading, plans, lambda plan, work: _alone(loading, plan, work, loaded, points))
        canaries.resume()
        _consent(loading, loaded, sample)
        crosswalk_table(loading)
        # A body that shows images goes when their files are there: a target may close it to changes.
        canaries.ahead([each for each in chosen if not shows_images(each)], sample=sample)
        for each in chosen:
            _records(loading, each, loaded, canaries, points, sample=sample)
        crosswalk_table(loading)
        for each in chosen:
            _second_pass(loading, each, loaded, points)
        for each in chosen:
            for index in range(len(each.links)):
                _links(loading, f"{each.name}.{index}", loaded, points)
        if apart:
            _wait_for_calls(loading)
        else:
            _look_around(loading, base, plans, loaded)
            _finish(loading, chosen, loaded, sample=sample)
        points.end()
        if not apart:
            kept.on_record(loading)
        loaded.canaries = flown(loading.ledger, attempt)
    return loaded


def _base(loading: Loading, plans: Sequence[ObjectPlan], *, sample: bool) -> Checkpoint | None:
    """The attempt's checkpoint, with its baseline; None where nothing has been loaded and nothing is there to
    be loaded."""
    ledger = loading.ledger
    if checkpoint.of_attempt(ledger, loading.attempt) is None:
        work = any(
            Cutter(loading, each).left()
            or any(LinkCutter(loading, f"{each.name}.{index}").rows() for index in range(len(each.links)))
            for each in plans
        )
        if not (work or ConsentCutter(loading, sample=sample).left()):
            return None
    return checkpoint.ensure(loading)


def _dry(
    workspace: Workspace, plan: Waves, plans: Sequence[ObjectPlan], loaded: Loaded, *, sample: bool
) -> Loaded:
    """Counts of what a load would do now; sends nothing and writes nothing."""
    crosswalk(workspace)
    catalog = workspace.catalog("target").digest()
    loaded.consent["would opt_out"] = consent_left(
        workspace, loaded.attempt, sample=sample, away=away(workspace) if sample else None
    )
    for each in plans:
        later = plan.later_fields(each.name)
        tally = foreseen(workspace, each, loaded.attempt, sample=sample, later=later)
        if ahead := canary.due(workspace.ledger, loaded.attempt, catalog, each, tally):
            loaded.canaries_due[each.name] = ahead
        loaded.blocked[each.name] = tally.pop("blocked", 0)
        loaded.objects[each.name] = Counter({f"would {op}": number for op, number in tally.items()})
    return loaded


def protocol_for(loading: Loading, plan: ObjectPlan, only: Collection[str] = ()) -> RecordProtocol:
    """The record protocol with one entry's rules.

    Args:
        only: fields of a second pass.
    """
    wins = {name: each.wins for name, each in plan.fields.items() if each.wins}
    return RecordProtocol(
        loading,
        plan.target,
        written_fields(plan),
        conflict=plan.conflict,
        wins=wins,
        always=[*always_written(plan), *(f.former for f in plan.fields.values() if f.former)],
        only=only,
    )


def _settle_doubts(loading: Loading, plans: Sequence[ObjectPlan], loaded: Loaded) -> None:
    """Batches that a former process left open come first, whatever was asked for, and are counted."""
    if not book.in_doubt(loading.ledger, loading.attempt, ("load", "replay")):
        return
    if doubts := list(ConsentCutter(loading).in_doubt()):
        loaded.consent.update(loading.run(doubts, ConsentProtocol(loading).run))
    crosswalk_table(loading)
    for each in plans:
        cutter, protocol = Cutter(loading, each), protocol_for(loading, each)
        loaded.objects[each.name] = loading.run(cutter.in_doubt(), protocol.run)
        second = LaterCutter(loading, each)
        if second.fields:
            protocol = protocol_for(loading, each, second.fields)
            loaded.later[each.name] = loading.run(second.in_doubt(), protocol.run)
    crosswalk_table(loading)
    for each in plans:
        for index in range(len(each.links)):
            name = f"{each.name}.{index}"
            loaded.links[name] = loading.run(LinkCutter(loading, name).in_doubt(), LinkProtocol(loading).run)


def _consent(loading: Loading, loaded: Loaded, sample: bool) -> None:
    """Opt-outs come before the people: at no moment is somebody there who said no and can be written to."""
    cutter = ConsentCutter(loading, sample=sample)
    if total := cutter.left():
        protocol, done = ConsentProtocol(loading), 0

        def carry(work: ConsentWork) -> Tally:
            nonlocal done
            tally = protocol.run(work)
            done += tally["_rows"]
            loading.progress("opt-outs", done, total)
            return tally

        loaded.consent.update(loading.run(cutter.pending(), carry))
    open_table(loading)


def _alone(loading: Loading, plan: ObjectPlan, work: RecordWork, loaded: Loaded, points: Points) -> Tally:
    """Carry a canary."""
    points.begin()
    tally = protocol_for(loading, plan).run(work)
    loaded.objects.setdefault(plan.name, Counter()).update(tally)
    return tally


def _records(
    loading: Loading, plan: ObjectPlan, loaded: Loaded, canaries: Canaries, points: Points, *, sample: bool
) -> None:
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
            gone = cutter.pending(manifest, tombstones=True)
            tally.update(loading.run(points.before(plan.name, gone), carry))
        works = canaries.guard(plan, points.before(plan.name, cutter.pending(manifest)))
        tally.update(loading.run(works, carry))
        crosswalk_table(loading)


def _second_pass(loading: Loading, plan: ObjectPlan, loaded: Loaded, points: Points) -> None:
    """Fill what had to wait; every entry's records are there by now."""
    cutter = LaterCutter(loading, plan)
    if not cutter.fields:
        return
    protocol = protocol_for(loading, plan, cutter.fields)
    done = 0

    def carry(work: RecordWork) -> Tally:
        nonlocal done
        tally = protocol.run(work)
        done += tally["_rows"]
        loading.progress(f"{plan.name} later", done, 0)
        return tally

    tally = loaded.later.setdefault(plan.name, Counter())
    for manifest in cutter.manifests():
        tally.update(loading.run(points.before("later", cutter.pending(manifest)), carry))
    crosswalk_table(loading)


def _links(loading: Loading, name: str, loaded: Loaded, points: Points) -> None:
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
            gone = cutter.pending(manifest, removing=True)
            tally.update(loading.run(points.before("links", gone), carry))
        tally.update(loading.run(points.before("links", cutter.pending(manifest)), carry))


def _look_around(
    loading: Loading, base: Checkpoint | None, plans: Sequence[ObjectPlan], loaded: Loaded
) -> None:
    """Twins, strays and sides, once the target's own automations have had their time."""
    _wait_for_calls(loading)
    loading.clock.sleep(loading.target.limits.settle)
    crosswalk_table(loading)
    loaded.companions = companions.write_down(loading, plans)
    keys = checkpoint.key_fields(loading.workspace, base)
    for object, files in loading.baseline.items():
        loaded.swept.append(strays.sweep(loading, object, keys[object], files))
    for object in loading.baseline:
        loaded.side_links += strays.side_links(loading, object)


def _wait_for_calls(loading: Loading) -> None:
    """No call of ours can land any more."""
    last = book.last_deadline(loading.ledger, loading.system)
    if last is not None:
        loading.wait_landing(last)
    loading.wait_all_landed()


def _finish(loading: Loading, plans: Sequence[ObjectPlan], loaded: Loaded, *, sample: bool) -> None:
    """Blocked rows with their causes, watermarks, and the journal made compact."""
    for each in plans:
        loaded.blocked[each.name] = blocked_records(loading, each)
        for index in range(len(each.links)):
            name = f"{each.name}.{index}"
            loaded.blocked[name] = blocked_links(loading, name)
    for each in plans:
        if loading.later.get(each.name):
            loaded.unfilled[each.name] = unfilled(loading, each)
        if rewritten_fields(each):
            loaded.old_links[each.name] = write_down(loading, each)
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
