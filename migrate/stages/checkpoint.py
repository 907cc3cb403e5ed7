"""To what can a rollback return? A named point, with what the target held then.

The first load of an attempt takes one by itself, before its first write: a baseline of every object
that the plan touches, all readable fields and all kinds of links. Until the ledger names it, a
half-taken baseline is nothing and is taken anew. Later points of the attempt (`points.py`) share that
baseline: what the target held then is the baseline, and over it what we had done by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from migrate.catalog import Catalog
from migrate.clock import parse_stamp, stamp
from migrate.connector import Target, TellsCallsLeft
from migrate.errors import Damaged, UsageError
from migrate.ledger import Ledger
from migrate.ledger.tables import attempts, checkpoints, systems, watermarks
from migrate.load import Loading
from migrate.plan.terms import parse_window
from migrate.stages.snapshot import snapshot, snapshot_links
from migrate.store import Store
from migrate.workspace import Workspace


@dataclass(frozen=True)
class Checkpoint:
    """A point to return to.

    `segment`: the journal's last entry then. `baseline`: folder of each touched object's snapshot, and of its
    links, as read when the journal stood at `read_at`. `kind`: load (the first of its attempt), wave (a later
    load, or a wave of one) or hand. `base`: whose baseline it shares, None where it has its own. `facts`:
    digests of the catalogs and the plan, the calls left, who took it and why, as far as they were known.
    """

    name: str
    attempt: int
    at: str
    segment: int
    watermarks: dict[str, tuple[str, int]]
    baseline: dict[str, str]
    window_end: str | None
    kind: str = "load"
    base: str | None = None
    read_at: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def links(self, object: str) -> str:
        """Folder of the baseline's links from an object's records."""
        return f"{self.baseline[object]}-links"


def key_fields(workspace: Workspace, point: Checkpoint | None = None) -> dict[str, str]:
    """The field that holds the migration key, by target object.

    Args:
        point: objects of its baseline count too, though the plan may not name them any more.
    """
    found = {}
    for object, folder in (point.baseline if point else {}).items():
        if manifest := workspace.store.manifest(folder):
            found[object] = str(manifest.facts["key_field"])
    return found | {each.target: each.key.field for each in workspace.plan.model.objects}


def of_attempt(ledger: Ledger, attempt: int) -> Checkpoint | None:
    """The checkpoint that an attempt's first load has taken, or None before it."""
    return next((each for each in all_of(ledger) if (each.attempt, each.kind) == (attempt, "load")), None)


def named(ledger: Ledger, name: str) -> Checkpoint:
    """The checkpoint with a name.

    Raises:
        UsageError: there is none; those that there are.
    """
    found = all_of(ledger)
    for each in found:
        if each.name == name:
            return each
    listed = ", ".join(f"`{each.name}`" for each in found)
    raise UsageError(
        f"There is no checkpoint `{name}`.",
        f"Checkpoints: {listed}." if found else "There is none yet; the first load takes one.",
    )


def all_of(ledger: Ledger) -> list[Checkpoint]:
    """Every checkpoint, oldest first."""
    rows = ledger.read(sa.select(checkpoints).order_by(checkpoints.c.at, checkpoints.c.segment))
    by_name = {row.name: row for row in rows}
    return [_of(row, by_name.get(row.base) or row) for row in rows]


def _of(row: Any, base: Any) -> Checkpoint:
    marks = {name: (value[0], int(value[1])) for name, value in json.loads(row.watermarks).items()}
    return Checkpoint(
        row.name, row.attempt, row.at, row.segment, marks, json.loads(base.baseline), base.window_end,
        row.kind, row.base, base.segment, json.loads(row.facts),
    )  # fmt: skip


def files(workspace: Workspace, point: Checkpoint) -> dict[str, list[str]]:
    """The baseline's Parquet files by object.

    Raises:
        Damaged: a part of it isn't there any more.
    """
    found = {}
    for object, folder in point.baseline.items():
        manifest = workspace.store.manifest(folder)
        if manifest is None:
            raise Damaged(folder, "the baseline isn't there any more", "Restore it from a backup.")
        found[object] = workspace.store.files(manifest)
    return found


def ensure(loading: Loading) -> Checkpoint:
    """The attempt's checkpoint; taken now if there is none. Objects that the plan names only since it was
    taken get their baseline now, before we first write to them."""
    ledger, workspace = loading.ledger, loading.workspace
    base = f"baseline/attempt-{loading.attempt}"
    keys = key_fields(workspace)
    if found := of_attempt(ledger, loading.attempt):
        fresh = {object: key for object, key in keys.items() if object not in found.baseline}
        if not fresh:
            return found
        more = take_baseline(loading.target, loading.catalog, workspace, base, fresh, loading)
        whole = json.dumps({**found.baseline, **more})
        with ledger.write(loading.lease) as tx:
            tx.sql.execute(
                checkpoints.update().where(checkpoints.c.name == found.name).values(baseline=whole)
            )
        return replace(found, baseline={**found.baseline, **more})
    baseline = take_baseline(loading.target, loading.catalog, workspace, base, keys, loading)
    plan = workspace.plan.model
    end = window_end(plan.cutover.window, loading.clock.now(), plan.calendar.zone)
    return write_down(loading, first_name(loading.attempt), "load", baseline=baseline, window_end=stamp(end))


def first_name(attempt: int) -> str:
    """What the first checkpoint of an attempt is called."""
    return f"before-load-{attempt}"


def write_down(
    loading: Loading, name: str, kind: str, *, baseline: Mapping[str, str] | None = None,
    base: Checkpoint | None = None, window_end: str | None = None, **facts: object,
) -> Checkpoint:  # fmt: skip
    """Put a checkpoint into the ledger, at the journal's present end.

    Args:
        baseline: folders of its own; else it shares those of `base`.
        facts: who took it and why.
    """
    known = _facts(loading)
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)
        marks = {row.object: [row.value, row.generation] for row in tx.sql.execute(sa.select(watermarks))}
        tx.put(
            checkpoints,
            name=name,
            attempt=loading.attempt,
            at=tx.at,
            segment=loading.journal.last_seq,
            watermarks=json.dumps(marks),
            baseline=json.dumps(baseline or {}),
            window_end=window_end,
            kind=kind,
            base=None if base is None else base.base or base.name,
            facts=json.dumps({**known, **facts}),
        )
    return named(loading.ledger, name)


def _facts(loading: Loading) -> dict[str, Any]:
    """What a person who returns there may want to compare: both catalogs, the plan, the calls left."""
    found = dict[str, Any]()
    systems_known = loading.ledger.read(sa.select(systems.c.role, systems.c.catalog))
    found["catalogs"] = {row.role: row.catalog for row in systems_known}
    found["plan"] = loading.ledger.value(
        sa.select(attempts.c.plan).where(attempts.c.number == loading.attempt)
    )
    if isinstance(loading.target, TellsCallsLeft):
        found["calls_left"], found["calls_max"] = loading.target.calls_left()
    return found


def must_be_whole(workspace: Workspace, point: Checkpoint, others: Sequence[Checkpoint] = ()) -> None:
    """Compare a baseline with its digests, so that nothing is undone towards what isn't known any more.

    Args:
        others: checkpoints to propose instead.

    Raises:
        Damaged: a part is missing or differs. It is left where it is.
    """
    store = workspace.store
    for object in point.baseline:
        for folder in (point.baseline[object], point.links(object)):
            manifest = store.manifest(folder)
            bad = folder if manifest is None else None
            for part in manifest.parts if manifest else ():
                found = store.storage.find(f"{folder}/{part.name}")
                if found is None or (found.bytes, found.sha256) != (part.bytes, part.sha256):
                    bad = f"{folder}/{part.name}"
            if bad is not None:
                instead = [f"`{each.name}`" for each in others if each.baseline != point.baseline]
                more = (
                    f" Or return to a checkpoint with another baseline: {', '.join(instead)}."
                    if instead
                    else ""
                )
                raise Damaged(
                    store.storage.address(bad),
                    f"isn't what the baseline of `{point.name}` was",
                    f"Restore it from a backup.{more}",
                )


def take_baseline(
    target: Target, catalog: Catalog, workspace: Workspace, base: str, keys: Mapping[str, str],
    loading: Loading | None = None,
) -> dict[str, str]:  # fmt: skip
    """Snapshot objects with all readable fields and links; returns folder by object.

    Args:
        keys: the field that holds the migration key, by object.
    """
    store = workspace.store
    folders: dict[str, str] = {}
    for object, key in keys.items():
        folder = f"{base}/{object}"
        manifest = snapshot(
            target, catalog.objects[object], store, folder, key_field=key, clock=workspace.clock
        )
        snapshot_links(
            target, object, ids_of(store, folder), target.linked_objects(object), store, f"{folder}-links",
            clock=workspace.clock,
        )  # fmt: skip
        folders[object] = folder
        if loading is not None:
            loading.progress(f"baseline {object}", manifest.rows, manifest.rows)
    return folders


def ids_of(store: Store, folder: str) -> Iterator[str]:
    """Ids in a snapshot, streamed."""
    manifest = store.manifest(folder)
    if manifest is None:
        return
    for batch in store.read(manifest, ["_id"]):
        yield from batch.column(0).to_pylist()


def window_end(words: str, start: datetime, zone: str) -> datetime:
    """End of the rollback window that the plan promises; what the vendor keeps may shorten it later, by the
    kinds of change that were made (`migrate_rollback.window`)."""
    return parse_window(words).end(start, zone)


def window_open(checkpoint: Checkpoint, now: datetime) -> bool:
    """Whether the promise to return still holds."""
    return checkpoint.window_end is None or now < parse_stamp(checkpoint.window_end)
