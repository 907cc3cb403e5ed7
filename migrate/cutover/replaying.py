"""How do posts get where their records are at home? As records of the source, by the plan, through the load.

A run takes what waits, makes source rows of it with ids of their own (`intake-…`), transforms them by the
plan as if they had been extracted, and loads them by the load's protocol: so mapping, opt-outs, owners,
matches, canaries, dead letters and the journal are those of every other record, and a run that was killed
goes on and makes nobody twice. A run has a store of its own, so that no extract, no watermark and no sweep of
the workspace meets these rows.

Where the records are at home in the source (after a thaw, or when a cutover was given up) the posts are made
there: see `giving_back`.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate.cutover import homes
from migrate.cutover.cohorts import cohorts
from migrate.cutover.giving_back import give_back
from migrate.cutover.machine import Cutover, Line, guard, states
from migrate.cutover.posted import ID, End, rows_of
from migrate.cutover.posts import Post, Posts, folder, opened, there
from migrate.cutover.states import HERE, STANDSTILL
from migrate.engine import parquet, text
from migrate.errors import Defect, UsageError
from migrate.load.context import Progress, no_progress
from migrate.plan.keys import key_of, key_prefix
from migrate.stages.extract import arrow_schema, objects_needed, snapshot_targets
from migrate.stages.load import load
from migrate.stages.plan_diff import Overlay
from migrate.store import Manifest, Store, generation_folder
from migrate.types import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from migrate.plan.cutover import IntakePlan
    from migrate.workspace import Workspace

FIRST = 9_000  # the generation of a run, beside those of the workspace: work done is known by its folder
RUNS = 999
REPLAYED = "cutover intake replayed"
STAGED = "staged/posts/g0000"  # an empty artifact: a run's rows are ready
SHARED = frozenset({"target", "files", "baseline", "cutover"})  # stages that are the workspace's


@dataclass
class Replayed:
    """What became of the posts. `counts`: by door, of all that ever came; `blocked`: of them wait for another
    record; `side`: where this run's went."""

    side: str
    runs: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: list[Post] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Posts without an end."""
        return sum(each["waiting"] for each in self.counts.values())


def side_now(workspace: Workspace) -> str:
    """Where a record that is new now is at home: `source`, `target`, or "" while that isn't known.

    Posts are new records, which no cohort with a condition has: they go with the last cohort.
    """
    last = cohorts(workspace)[-1]
    state = states(workspace)[last.name]
    if last.where is not None:
        state = "switched" if homes.elsewhere(workspace) == "target" else "holding"
    if state in STANDSTILL or state in ("switching", "reversing"):
        return ""
    return "target" if state in HERE else "source"


def replay(
    workspace: Workspace, *, side: str = "", again: bool = False, progress: Progress = no_progress
) -> Replayed:
    """Load what waits, on the side where it is at home; go on with runs that were killed first.

    Args:
        side: as `side_now` says; "" for that.
        again: what was refused or skipped, too.

    Raises:
        UsageError: it isn't known where the records are at home, or a door's object isn't in the plan.
        PlanError, Drifted, LeaseHeld, Parked, SystemRefused: as the load.
    """
    posts = opened(workspace)
    try:
        home = side or side_now(workspace)
        doors = {each.name: each for each in workspace.plan.model.cutover.intake}
        count = 0
        for run, where in posts.runs():
            _run(workspace, posts, doors, run, where, progress)
            count += 1
        if not home:
            raise UsageError(
                "The cohort of new records is frozen or switching: where posts belong isn't known yet.",
                "Switch, or thaw, and run this again.",
            )
        if again:
            posts.again()
        if doors and (run := posts.assign(list(doors), home)):
            _run(workspace, posts, doors, run, home, progress)
            count += 1
        return Replayed(home, count, posts.counts(), posts.listed("refused"))
    finally:
        posts.close()


def _run(
    workspace: Workspace,
    posts: Posts,
    doors: Mapping[str, IntakePlan],
    run: int,
    side: str,
    progress: Progress,
) -> None:
    if side == "source":
        give_back(workspace, posts, doors, run)
        return
    if run > RUNS:
        raise UsageError(
            f"A workspace takes {RUNS} replays, and this would be one more.",
            "Gather posts before you replay. These wait on; `migrate cutover intake status` counts them.",
        )
    place = folder(workspace) / f"run-{run:04d}"
    store = RunStore(place, workspace.store, FIRST + run)
    inner = copy.copy(workspace)
    inner.__dict__["store"] = store
    if store.manifest(STAGED) is None:  # work done is known by (part, rows), so these stay as they were made
        snapshot_targets(
            workspace, progress, again=True
        )  # by which posts of people who are there are matched
        posts.settle(_staged(workspace, posts, doors, run, store))
        _transform(inner, progress)
        store.publish(Manifest(STAGED, "staged", "", 0, 0, ()))
    load(inner, progress=progress, apart=True)
    posts.settle(list(_ends(inner, posts, doors, run)))
    posts.release(run)  # what is blocked goes with the next run
    shutil.rmtree(place, ignore_errors=True)


class RunStore(Overlay):
    """A store of its own for one run, over the workspace's for what a load reads besides."""

    def __init__(self, place: Path, under: Store, generation: int) -> None:
        super().__init__(place, under, SHARED)
        self.generation = generation

    def manifest(self, folder: str) -> Manifest | None:
        """The published manifest of a folder, or None."""
        number = folder.rpartition("/g")[2]
        if self._of(folder) is None and number.isdigit() and int(number) not in (0, self.generation):
            return None  # a transform asks for every one before its own; there is none here
        return super().manifest(folder)


# -- posts as source rows -------------------------------------------------------------------------


def _staged(
    workspace: Workspace, posts: Posts, doors: Mapping[str, IntakePlan], run: int, store: RunStore
) -> list[End]:
    """Publish a run's posts as the base of their objects, and every other object empty.

    Returns:
        Ends of the posts that can't be a row: a value isn't of its field's type, or none is known.
    """
    catalog = workspace.catalog("source")
    refused: list[End] = []
    by_object: dict[str, list[IntakePlan]] = {}
    for door in doors.values():
        by_object.setdefault(door.object, []).append(door)
    for object in dict.fromkeys([*objects_needed(workspace), *by_object]):
        schema = catalog.objects.get(object)
        if schema is None:
            raise UsageError(f"The source has no object `{object}`.", "Mend the door's `object` in the plan.")
        names = [field.name for field in schema.fields.values() if field.kind is not Kind.BINARY]
        at, columns = generation_folder("source", object, 0), arrow_schema(schema, names)
        with store.rewriter(at, columns) as writer:
            for door in by_object.get(object, ()):
                after = ""
                while some := posts.of(run, door.name, after=after):
                    after = some[-1].id
                    good, bad = rows_of(workspace, schema, names, door, some)
                    refused += bad
                    if good.num_rows:
                        writer.write(good.select(columns.names).cast(columns))
        rows = sum(part.rows for part in writer.parts)
        facts = {"counted": rows, "watermark": "", "catalog": catalog.digest(), "since": None}
        types = {name: schema.fields[name].vendor_type for name in names}
        store.replace(Manifest(at, "source", object, 0, rows, tuple(writer.parts), types, facts))
    return refused


def _transform(inner: Workspace, progress: Progress) -> None:
    """By the plan, into the run's store."""
    from migrate.journal import CROSSWALK
    from migrate.stages.check import check
    from migrate.stages.transform import transform

    plan, source, target = inner.plan, inner.catalog("source"), inner.catalog("target")
    store = inner.store
    if not isinstance(store, RunStore):
        raise Defect("posts are transformed into a store of their own")
    transform(
        checked=check(plan, source, target, engine=inner.engine), plan=plan, source=source, target=target,
        store=store, generation=store.generation, engine=inner.engine, progress=progress,
        crosswalk=CROSSWALK.format(journal=inner.journal.source()), blobs=inner.blobs,
        discovered=inner.catalog_digest("target"),
    )  # fmt: skip


# -- what became of them --------------------------------------------------------------------------


def _ends(inner: Workspace, posts: Posts, doors: Mapping[str, IntakePlan], run: int) -> Iterator[End]:
    """Ends of a run's posts: what the transform made of them, else what the journal says of their key.

    Those that wait for another record have none.
    """
    family, store, engine = inner.catalog("source").family, inner.store, inner.engine
    journal = inner.journal.source()
    for door in doors.values():
        entries = [each for each in inner.plan.model.objects if each.source == door.object]
        if not entries:
            raise UsageError(
                f"No entry of the plan takes `{door.object}`, so posts of `{door.name}` go nowhere.",
                "Add an entry, or mend the door's `object`.",
            )
        entry = entries[0]  # what became of the first of several target records stands for the post
        prefix = key_prefix(family, entry.name) + ID
        queries = [
            f"""SELECT key, CASE WHEN outcome = 'done' AND op = 'adopt' THEN 'adopted'
              WHEN outcome = 'done' THEN 'created' ELSE 'refused' END AS state,
              coalesce(target_id, '') AS target, reason FROM (
              SELECT key, arg_max(outcome, seq) AS outcome, arg_max(op, seq) AS op,
                arg_max(target_id, seq) AS target_id, coalesce(arg_max(reason, seq), '') AS reason
              FROM {journal} WHERE kind = 'record' AND starts_with(key, {text(prefix)})
              AND outcome IN ('done', 'refused', 'conflict', 'held') GROUP BY key)"""
        ]
        for stage, state, reason in (
            ("rejects", "refused", "concat_ws(': ', reason, field)"),
            ("merged", "merged", "'into ' || survivor"),
            ("skipped", "skipped", "reason"),
        ):
            for manifest in store.manifests(stage, entry.name):
                if files := store.files(manifest):
                    wanted = f"_key AS key, '{state}' AS state, '' AS target, min({reason}) AS reason"
                    queries.append(f"SELECT {wanted} FROM {parquet(files)} GROUP BY _key")
        told = {row["key"]: row for row in engine.rows(" UNION ALL ".join(queries))}
        after = ""
        while some := posts.of(run, door.name, after=after):
            after = some[-1].id
            for post in some:
                key = key_of(family, entry.name, f"{ID}{post.id}")
                if post.state == "waiting" and (row := told.get(key)):
                    yield post.id, row["state"], key, row["target"], row["reason"]


@guard("sealed")
def _nobody_waits(cutover: Cutover) -> list[Line]:
    """Nothing that came in is forgotten."""
    if not there(cutover.workspace):
        return []
    posts = opened(cutover.workspace)
    try:
        counts = posts.counts()
    finally:
        posts.close()
    waiting = sum(each["waiting"] for each in counts.values())
    words = f"{waiting:,} posts wait that came in during the freeze." if waiting else "No post waits."
    return [Line("intake", not waiting, words, "`migrate cutover intake replay`" if waiting else "")]
