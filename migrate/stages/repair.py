"""How is a wrong mapping mended after the load, without a rollback? Only the named fields, where left so.

The plan in the folder is compared with the one that was loaded. Where the named fields would change, they
are written anew, by compare-and-set; what others have changed since is held. A repair has a checkpoint of its
own, to which a rollback returns; afterwards the edited plan is the one on record.

A killed repair goes on with the same words. What else the plan changes is told, and left to the next load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from migrate.catalog import takes_back_no
from migrate.engine import identifier, text
from migrate.errors import CanaryStopped, UsageError
from migrate.ledger import batches as book
from migrate.ledger.leases import this_process
from migrate.load import Loading, Tally
from migrate.load.canary import Canaries
from migrate.load.context import Progress, no_progress
from migrate.load.mending import PHASE, MendCutter, Mender
from migrate.load.staged import FIELDS
from migrate.load.switches import quiet
from migrate.load.work import RecordWork, crosswalk, crosswalk_table
from migrate.plan.models import ObjectPlan
from migrate.stages import accepted, checkpoint, drift, kept, pipeline, repair_lists, repairs
from migrate.stages.admitting import must_be_open, open_attempt, verify, waves_of
from migrate.stages.old_links import addresses_for
from migrate.stages.plan_diff import CHANGES, Changed, PlanDiff, compare, compared
from migrate.stages.repair_asked import Foreseen, HeldGroup, Repaired, fields_of
from migrate.stages.repair_lists import LETTER
from migrate.stages.repairs import Asked, Begun
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate.plan import Plan

LOADS = ("load", "replay")
LISTED = 5  # keys of a held group that a summary names


def foresee(
    workspace: Workspace,
    names: Sequence[str],
    where: str = "",
    *,
    since: str = "",
    progress: Progress = no_progress,
) -> Foreseen:
    """Which values a repair would change, out of the artifacts; asks no system and writes nothing to it.

    Records are counted as they stand in the journal: what others have changed since shows only when a
    repair reads them. `changes` are of all records, also where `where` chooses some. Args: as `repair`.

    Raises:
        UsageError: nothing was loaded, or a name is wrong.
        PlanError: a plan isn't sound.
    """
    fields = fields_of(workspace, names)
    records, left_out = {}, 0
    with compared(workspace, _loaded(workspace, since), workspace.plan, progress) as (found, store):
        crosswalk(workspace)
        for each in workspace.plan.model.objects:
            if each.name in fields:
                query = repair_lists.listed(workspace, store, found, each, fields[each.name], where)
                records[each.name], out = repair_lists.sizes(workspace, query)
                left_out += out
    wanted, others = _parted(found, fields)
    return Foreseen(found.old, found.new, wanted, others, records, left_out, found.folder)


def _loaded(workspace: Workspace, since: str) -> Plan:
    """The plan that was loaded, or the one that is named, where today's is another one."""
    record = "" if since else kept.of_record(workspace.ledger)
    old = kept.named(workspace, since) if since else kept.kept(workspace, record)
    if old.digest == workspace.plan.digest:
        raise UsageError(
            "The plan is the one that was loaded, so there is nothing to repair.",
            "Edit plan.yaml, or a map beside it, then look at `migrate plan diff`. For what an earlier "
            "repair left of the same edit, add `--from` and the beginning of the former plan's digest.",
        )
    return old


def _parted(
    found: PlanDiff, fields: dict[str, tuple[str, ...]]
) -> tuple[tuple[Changed, ...], tuple[Changed, ...]]:
    wanted = [
        each for each in found.changes if each.what == CHANGES and each.field in fields.get(each.entry, ())
    ]
    return tuple(wanted), tuple(each for each in found.changes if each not in wanted)


def repair(
    workspace: Workspace,
    names: Sequence[str],
    where: str = "",
    *,
    since: str = "",
    why: str = "",
    progress: Progress = no_progress,
) -> Repaired:
    """Write the named fields anew where they are as we left them; go on with a repair that was cut short.

    Args:
        names: `OBJECT.FIELD`.
        where: a condition over the target's fields, with the values of the new plan; "" for all.
        since: the plan with which today's is compared, as `kept.named` takes it; "": the one on record.
        why: the reason, for the trail.

    Raises:
        UsageError: nothing was loaded, a rollback, a load in doubt or another repair is under way, a name is
            wrong, or the plan changes more than the named fields and nobody has accepted that.
        PlanError, Drifted: the plan isn't sound, or picklists have changed.
        LeaseHeld, LeaseLost: another operator writes to the target.
        Parked, SystemRefused, InDoubt: the target; what was done is kept, run again.
        CanaryStopped: the target did more than was asked with the first record.
    """
    attempt = open_attempt(workspace, write=False)
    fields = fields_of(workspace, names)
    begun = _unfinished(workspace, attempt, fields, where)
    ended = repairs.last(workspace.ledger, attempt)
    if begun is None and not since and ended and _asks(ended, fields, where, workspace.plan.digest):
        return replace(_figures(workspace, ended), already=True)  # it may have been killed after its end
    found = None if begun else compare(workspace, _loaded(workspace, since), workspace.plan, progress)
    if found is not None:
        if not _parted(found, fields)[0]:
            raise UsageError(
                f"Both plans make the same of {', '.join(names)}.", "Look at `migrate plan diff`."
            )
        if (where or _parted(found, fields)[1]) and (record := kept.standing(workspace.ledger)):
            # The edited plan goes on record, and the next load brings what this repair leaves.
            accepted.must_be(workspace, record, progress)
        kept.keep(workspace)
        pipeline.transform(workspace, progress)
    with (
        pipeline.alone(workspace, "ready", with_others=True),
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.guarded(), attempt, PHASE, progress) as loading,
        ExitStack() as stack,
    ):
        must_be_open(workspace, attempt)
        if _unfinished(workspace, attempt, fields, where) != begun:
            raise UsageError("Another operator has repaired meanwhile.", "Look at `migrate plan diff` again.")
        if book.in_doubt(loading.ledger, attempt, LOADS):
            raise UsageError(
                "A load was cut short in the midst of a call, so it isn't known how it left its records.",
                "Put the former plan back, run `migrate load` to its end, then edit and repair.",
            )
        waves = waves_of(workspace)
        verify(workspace, waves.order)
        drift.before_load(workspace, target)
        loading.later = waves.waiting
        crosswalk_table(loading)
        loading.addresses = addresses_for(loading)
        plans = [each for each in waves.order if each.name in fields]
        if point := checkpoint.of_attempt(loading.ledger, attempt):
            loading.baseline = checkpoint.files(workspace, point)
        if begun is None and found is not None:
            begun = _begin(loading, found, plans, Asked(fields, where, found.old, found.new), why)
        assert begun is not None  # noqa: S101 - begun now, or before
        stack.enter_context(quiet(loading))
        objects = _write(loading, plans, begun)
        done = _end(loading, plans, begun)
        done.objects, done.others = objects, _parted(found, fields)[1] if found else ()
    return done


def _unfinished(
    workspace: Workspace, attempt: int, fields: dict[str, tuple[str, ...]], where: str
) -> Begun | None:
    begun = repairs.unfinished(workspace.ledger, attempt)
    if begun is None:
        return None
    asked = begun.asked
    if not _asks(begun, fields, where, workspace.plan.digest):
        edited = "" if asked.new == workspace.plan.digest else " under the plan that it began with"
        raise UsageError(
            f"Repair {begun.number} isn't at its end.",
            f"Run `{asked.words}`{edited}, or go back to {begun.checkpoint}.",
        )
    return begun


def _asks(begun: Begun, fields: dict[str, tuple[str, ...]], where: str, plan: str) -> bool:
    """Whether a repair was asked the same."""
    return (begun.asked.fields, begun.asked.where, begun.asked.new) == (fields, where, plan)


def _begin(loading: Loading, found: PlanDiff, plans: Sequence[ObjectPlan], asked: Asked, why: str) -> Begun:
    """Lists, checkpoint, and the event that makes them count.

    Raises:
        UsageError: there is nothing to repair, or people would be opted in.
    """
    workspace, rows = loading.workspace, 0
    number = repairs.next_number(loading.ledger)
    for each in plans:
        fields = asked.fields[each.name]
        query = repair_lists.listed(workspace, workspace.store, found, each, fields, asked.where)
        _no_opting_in(loading, each, fields, query)
        rows += repair_lists.publish(workspace, number, each, query, fields).rows
    if not rows:
        raise UsageError(
            "No record that was loaded would change, but for those with a dead letter of their own.",
            "Look at `migrate plan diff` and `migrate dead-letters list`; `migrate load` brings what is new.",
        )
    name, segment = repair_lists.mark(loading, number, [each.target for each in plans])
    begun = Begun(number, loading.attempt, asked, name, segment)
    repairs.begin(loading, begun, who=this_process().holder, why=why)
    return begun


def _no_opting_in(loading: Loading, plan: ObjectPlan, fields: Sequence[str], query: str) -> None:
    """No repair takes back a no.

    Raises:
        UsageError: a field of consent would get a value that opts people in.
    """
    schema = loading.catalog.objects[plan.target].fields
    for name in fields:
        if schema[name].consent is None:
            continue
        column = identifier(name)
        counts = loading.workspace.engine.stream(
            f"""SELECT {column}, count(*) AS n FROM ({query})
            WHERE NOT {LETTER} AND list_contains({FIELDS}, {text(name)}) GROUP BY 1"""
        )
        for batch in counts:
            values = loading.target.encode(plan.target, batch.select([name]))
            numbers = batch.column("n").to_pylist()
            yes = sum(
                number
                for value, number in zip(values, numbers, strict=True)
                if takes_back_no(schema[name], value.get(name))
            )
            if yes:
                raise UsageError(
                    f"`{plan.target}.{name}` would opt {yes:,} people in.",
                    "A repair only opts out: narrow it down with `--where`, or leave the field out.",
                )


def _write(loading: Loading, plans: Sequence[ObjectPlan], begun: Begun) -> dict[str, Tally]:
    """What a former process left in doubt first, then the rest, parents first; what was done, by entry."""
    done: dict[str, Tally] = {}
    tools = {each.name: _tools(loading, each, begun) for each in plans}
    counts: Counter[str] = Counter()

    def carry(plan: ObjectPlan, work: RecordWork) -> Tally:
        cutter, mender = tools[plan.name]
        tally = mender.run(work)
        counts[plan.name] += tally["_rows"]
        loading.progress(f"repair {plan.name}", counts[plan.name], cutter.manifest.rows)
        return tally

    def alone(plan: ObjectPlan, work: RecordWork) -> Tally:
        """Carry a canary."""
        tally = carry(plan, work)
        done[plan.name].update(tally)
        return tally

    for each in plans:
        in_doubt = tools[each.name][0].in_doubt()
        done[each.name] = loading.run(in_doubt, partial(carry, each))
    crosswalk_table(loading)
    canaries = Canaries(loading, list(loading.workspace.plan.model.objects), alone)
    try:
        canaries.resume()
        for each in plans:
            works = canaries.guard(each, tools[each.name][0].pending())
            done[each.name].update(loading.run(works, partial(carry, each)))
            crosswalk_table(loading)
    except CanaryStopped as stopped:
        stopped.command = "migrate repair"
        raise
    return done


def _tools(loading: Loading, plan: ObjectPlan, begun: Begun) -> tuple[MendCutter, Mender]:
    manifest = loading.workspace.store.manifest(repair_lists.folder(begun.number, plan.name))
    if manifest is None:
        raise UsageError(
            f"The work list of repair {begun.number} isn't there any more.", "Restore it from a backup."
        )
    loading.workspace.store.verify(manifest)
    wins = {name: each.wins for name, each in plan.fields.items() if each.wins}
    always = [each.former for each in plan.fields.values() if each.former]
    mender = Mender(loading, plan.target, begun.asked.fields[plan.name], wins=wins, always=always)
    return MendCutter(loading, plan, manifest), mender


def _figures(workspace: Workspace, begun: Begun) -> Repaired:
    """What a whole repair did, out of the journal."""
    asked, counts = begun.asked, repair_lists.counted(workspace, begun)
    return Repaired(
        begun.number, begun.checkpoint, begun.attempt, asked.old, asked.new,
        mended=counts["done"], kept=counts["kept"], lost_edits=counts["lost_edit"],
        held=tuple(
            HeldGroup(f"{row['object']}.{row['code']}", row["reason"], int(row["n"]), tuple(row["keys"]))
            for row in repair_lists.held(workspace, begun, LISTED)
        ),
        left_out=repair_lists.left_out(workspace, begun),
    )  # fmt: skip


def _end(loading: Loading, plans: Sequence[ObjectPlan], begun: Begun) -> Repaired:
    """Count it out of the journal; the new plan goes on record, in one transaction with the end."""
    last = book.last_deadline(loading.ledger, loading.system)
    if last is not None:
        loading.wait_landing(last)
    settled = repair_lists.settle_ready(loading, begun, plans)
    done = _figures(loading.workspace, begun)
    done.settled = settled
    loading.journal.compact()
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)
        kept.put_on_record(tx, loading.attempt, begun.asked.new)
        tx.event(
            this_process().holder, repairs.END, number=begun.number, attempt=begun.attempt,
            old=done.old, new=done.new, mended=done.mended, kept=done.kept,
            held=sum(each.count for each in done.held),
        )  # fmt: skip
    return done
