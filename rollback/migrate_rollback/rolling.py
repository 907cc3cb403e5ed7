"""How does everything go back, and go on where it stopped?

One lease, one transaction that begins, the load's doubts settled, a sweep for what landed late, then passes:
each with a work list that is published before its first write. A pass that a kill interrupted is gone on
with; passes follow until nothing is left to undo. A run after that finds nothing and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing

from migrate.connector import Link
from migrate.errors import Defect, UsageError
from migrate.journal import Entry, share_count, shares
from migrate.ledger import batches as book
from migrate.load import Loading, Tally, proven, sweep
from migrate.load.context import Progress, no_progress
from migrate.load.switches import quiet
from migrate.load.work import crosswalk_table
from migrate.stages import checkpoint
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import (
    at_home,
    attempts,
    decisions,
    deeds,
    doubts,
    holding,
    keeping,
    referring,
    schema,
    scoping,
    worklist,
)
from migrate_rollback.attempts import Chosen
from migrate_rollback.late import Late
from migrate_rollback.looking import Look
from migrate_rollback.model import PHASE, RolledBack
from migrate_rollback.scope import Scope
from migrate_rollback.undo import RecordUndo
from migrate_rollback.unlink import LinkUndo
from migrate_rollback.worklist import Lot

PASSES = 5


def run(
    workspace: Workspace, progress: Progress = no_progress, scope: Scope | None = None, *,
    decided: Sequence[int] | None = None, remove_schema: bool = False, late: Late | None = None,
) -> RolledBack:  # fmt: skip
    """Put back everything that we did since a checkpoint, except what others have touched since.

    Args:
        scope: to which checkpoint, and what of it; None goes on with the rollback under way.
        decided: events of decisions about held records (`decisions`): only these are carried out.
        remove_schema: what `prepare` made goes too, last, as far as nobody uses it.
        late: what somebody has confirmed to be lost, where the window is over.

    Raises:
        UsageError: a cohort is switched, nothing was loaded, the scope means nothing, another rollback is
            unfinished, the window is over, or a later load has begun.
        Damaged: the checkpoint's baseline isn't whole.
        LeaseHeld, LeaseLost: another operator writes to the target.
        Parked, SystemRefused, InDoubt: the target; what was done is kept, run again.
    """
    scoping.must_make_sense(workspace, scope)
    chosen = attempts.choose(workspace.ledger, scope)
    at_home.must_be_ours(workspace, chosen.scope)
    if decided is not None and chosen.state == "open":
        raise UsageError("Nothing is held yet.", "Run `migrate rollback run` first.")
    if remove_schema:
        schema.rows(workspace, chosen.scope)  # refuses what it can't do before anything is touched
    with (
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.guarded(), chosen.number, PHASE, progress) as loading,
        ExitStack() as stack,
    ):
        if attempts.choose(workspace.ledger, scope) != chosen:  # asked again, now that nobody else can write
            raise UsageError(
                "Another operator has loaded or rolled back meanwhile.",
                "Look at `migrate rollback plan` again.",
            )
        at_home.must_be_ours(workspace, chosen.scope)
        if chosen.state != "open":
            at_home.must_still_be_ours(workspace, scoping.keys(workspace, chosen))
        started = loading.clock.now()
        target.bind(checkpoint.key_fields(workspace, chosen.point))
        done = RolledBack(chosen.number, chosen.number + 1, scope=chosen.scope)
        proven.must_be(loading)
        scoping.settle(workspace, chosen)
        attempts.begin(loading, chosen, late=late)
        stack.enter_context(quiet(loading, strict=False))
        look = Look(workspace, target, loading.catalog)
        done.settled = doubts.settle(loading, look)
        whole = chosen.state == "open"
        for _ in range(PASSES):
            manifest = _next(loading, chosen, look, done, decided)
            if manifest is None:
                break
            done.passes += 1
            _pass(loading, look, chosen, manifest, done)
            loading.journal.compact()  # hundreds of small files, all open at once, cost memory in each query
            # What a kill left of another list is finished first, and isn't what was asked for.
            if decided is not None and manifest.facts.get("decided") == list(decided):
                scoping.tables(workspace, chosen)
                break
        else:
            raise Defect("a rollback doesn't come to its end: each pass leaves something to the next one")
        _links_gone(loading)
        referring.write_down(loading, look)
        loading.journal.compact()
        done.seconds = (loading.clock.now() - started).total_seconds()
        if remove_schema:
            done.schema = schema.revert(loading, schema.rows(workspace, chosen.scope))
        kept = keeping.rows(loading, chosen)
        measured = done.seconds if whole and done.undone and not chosen.scope.partial else None
        attempts.finish(loading, chosen, measured, kept)
        decisions.tables(workspace, loading.catalog, chosen.number)
        done.held = holding.standing(workspace)
        done.left_alone = at_home.left_alone(workspace, chosen.number)
        done.next_attempt = workspace.ledger.attempt()
    return done


def _folder(attempt: int, number: int) -> str:
    return f"rollback/attempt-{attempt}/pass-{number:04d}"


def _next(
    loading: Loading, chosen: Chosen, look: Look, done: RolledBack, decided: Sequence[int] | None
) -> Manifest | None:
    """The list to work on: one that was left unfinished, else a new one; None where nothing is left."""
    store = loading.workspace.store
    number = 1
    latest: Manifest | None = None
    while (found := store.manifest(_folder(chosen.number, number))) is not None:
        latest, number = found, number + 1
    crosswalk_table(loading)
    if latest is not None and worklist.left(loading, latest):
        store.verify(latest)
        scoping.tables(loading.workspace, chosen)
        worklist.strays_table(loading.workspace, chosen.point, _listed_strays(loading, latest))
        return latest
    _wait_landing(loading)
    strays = _sweep(loading, chosen)
    scoping.tables(loading.workspace, chosen)
    fresh = worklist.strays_table(loading.workspace, chosen.point, strays)
    _leave_others_sides(loading, look)
    _late_links(loading)
    folder = _folder(chosen.number, number)
    store.discard(folder)
    if attempts.later_load(loading.ledger, chosen):
        raise UsageError("A later load has begun.", "Roll that one back first.")
    if decided is not None:
        decisions.tables(loading.workspace, loading.catalog, chosen.number)
        decisions.deciding(loading.workspace, decided)
    manifest = worklist.build(loading.workspace, chosen.point, folder, decided)
    if manifest is not None:
        done.late += fresh
    return manifest


def _wait_landing(loading: Loading) -> None:
    """Calls in doubt of this rollback itself may still land; the sweep comes after them."""
    last = book.last_deadline(loading.ledger, loading.system)
    if last is not None:
        loading.wait_landing(last)


def _sweep(loading: Loading, chosen: Chosen) -> list[tuple[str, str, str]]:
    """Records with our key that the crosswalk doesn't know: (object, key, id)."""
    store, keys = loading.workspace.store, checkpoint.key_fields(loading.workspace, chosen.point)
    found: list[tuple[str, str, str]] = []
    for number, (object, folder) in enumerate(chosen.point.baseline.items(), 1):
        if schema.removed(loading.workspace, loading.catalog, object, keys[object]):
            continue  # no record bore a key any more when we removed its field
        manifest = store.manifest(folder)
        swept = sweep(loading, object, keys[object], store.files(manifest) if manifest else [])
        found.extend((object, key, id) for key, id in swept.strays)
        loading.progress("sweep", number, len(chosen.point.baseline))
    return found


def _listed_strays(loading: Loading, manifest: Manifest) -> list[tuple[str, str, str]]:
    return [
        (row.object, row.key, row.id)
        for rows in worklist.read(loading.workspace, manifest)
        for row in rows
        if row.kind == "stray"
    ]


def _late_links(loading: Loading) -> None:
    """Links that were looked for once, weren't there, and are there now: they go in this pass."""
    engine = loading.workspace.engine
    by_pair: dict[str, list[tuple[str, Link]]] = {}
    for row in engine.rows("SELECT * FROM undo_late ORDER BY ALL"):
        left, _, right = row["object"].partition(">")
        link = Link(left, row["left"], right, row["right"], row["label"])
        by_pair.setdefault(row["object"], []).append((row["key"], link))
    for object, listed in by_pair.items():
        first = listed[0][1]
        ids = list(dict.fromkeys(link.left for _, link in listed))
        there = set(loading.target.read_links(first.left_object, ids, first.right_object))
        for key, link in listed:
            if link in there:
                ends = deeds.quoted([object, link.left, link.right, link.label, key])
                engine.run(
                    f"""INSERT INTO undo_made (object, "left", "right", label, key, seq)
                    SELECT *, 0 FROM (SELECT {ends}) WHERE NOT EXISTS (SELECT 1 FROM undo_made WHERE
                    (object, "left", "right", label, key) = ({ends}))"""
                )


def _leave_others_sides(loading: Loading, look: Look) -> None:
    """Records of automations that somebody else's write set off are nobody's business here."""
    engine = loading.workspace.engine
    by_object: dict[str, list[str]] = {}
    for row in engine.rows("SELECT object, id FROM undo_sides ORDER BY object, id"):
        by_object.setdefault(row["object"], []).append(row["id"])
    for object, ids in by_object.items():
        _, theirs = look.ours_of_sides(object, ids)
        if theirs:
            for table in ("undo_sides", "undo_ends"):
                role = " AND role = 'side'" if table == "undo_ends" else ""
                listed = deeds.quoted(theirs)
                engine.run(f"DELETE FROM {table} WHERE object = '{object}' AND id IN ({listed}){role}")


def _pass(loading: Loading, look: Look, chosen: Chosen, manifest: Manifest, done: RolledBack) -> None:
    records, links = RecordUndo(loading, look), LinkUndo(loading, chosen.point)
    totals = worklist.count(loading.workspace, manifest)
    counts: Counter[str] = Counter()

    def carry(lot: Lot) -> Tally:
        tally = links.run(lot) if lot.action in ("unlink", "relink") else records.run(lot)
        counts[lot.object] += tally["_rows"]
        loading.progress(f"undo {lot.object}", counts[lot.object], totals[lot.object])
        return Counter({f"{lot.object}\n{name}": n for name, n in tally.items() if name != "_rows"})

    found = loading.run(worklist.in_doubt(loading, manifest), carry)
    for step in worklist.steps(loading, manifest):
        found.update(loading.run(step, carry))
    for name, count in found.items():
        object, _, what = name.partition("\n")
        done.objects.setdefault(object, Counter())[what] += count
        done.lost_edits += count if what == "lost_edit" else 0


def _links_gone(loading: Loading) -> None:
    """Our links whose record was deleted went with it: their entries end."""
    engine = loading.workspace.engine
    for share in shares(share_count(engine, loading.workspace.journal.source()), '"left"'):
        reader = engine.stream(
            f"""WITH made AS (
              SELECT object, "left", "right", label, arg_max(key, seq) AS key, arg_max(op, seq) AS op
              FROM undo_journal
              WHERE kind = 'link' AND outcome = 'done' AND op IN ('link', 'unlink') AND {share}
              GROUP BY object, "left", "right", label
            ), gone AS (SELECT object, id FROM undo_deleted)
            SELECT made.* FROM made WHERE op = 'link'
            AND ((split_part(object, '>', 1), "left") IN (SELECT (object, id) FROM gone)
              OR (split_part(object, '>', 2), "right") IN (SELECT (object, id) FROM gone))""",
            rows=worklist.READ_ROWS,
        )
        for batch in reader:
            loading.journal.append(
                Entry(
                    loading.attempt, deeds.WITH_RECORD, loading.system, row["object"], "link", row["key"],
                    "unlink", "done", left=row["left"], right=row["right"], label=row["label"],
                    was_there=True, reason="went with its record",
                )
                for row in batch.to_pylist()
            )  # fmt: skip
