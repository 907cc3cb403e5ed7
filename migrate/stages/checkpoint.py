"""To what can a rollback return? A named point, with what the target held then.

The first load of an attempt takes one by itself, before its first write: a baseline of every object
that the plan touches, all readable fields and all kinds of links. Until the ledger names it, a
half-taken baseline is nothing and is taken anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from migrate.catalog import Catalog
from migrate.clock import parse_stamp, stamp
from migrate.connector import Target
from migrate.errors import Damaged, Defect
from migrate.ledger import Ledger
from migrate.ledger.tables import checkpoints, watermarks
from migrate.load import Loading
from migrate.plan.terms import parse_window
from migrate.stages.snapshot import snapshot, snapshot_links
from migrate.store import Store
from migrate.workspace import Workspace


@dataclass(frozen=True)
class Checkpoint:
    """A point to return to. `baseline`: folder of each touched object's snapshot, and of its links."""

    name: str
    attempt: int
    at: str
    segment: int
    watermarks: dict[str, tuple[str, int]]
    baseline: dict[str, str]
    window_end: str | None

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
    """The automatic checkpoint of an attempt, or None before its first load."""
    rows = ledger.read(
        sa.select(checkpoints).where(checkpoints.c.attempt == attempt).order_by(checkpoints.c.at).limit(1)
    )
    return _of(rows[0]) if rows else None


def all_of(ledger: Ledger) -> list[Checkpoint]:
    """Every checkpoint, oldest first."""
    return [_of(row) for row in ledger.read(sa.select(checkpoints).order_by(checkpoints.c.at))]


def _of(row: object) -> Checkpoint:
    facts = row._mapping  # type: ignore[attr-defined]
    marks = {name: (value[0], int(value[1])) for name, value in json.loads(facts["watermarks"]).items()}
    return Checkpoint(
        facts["name"], facts["attempt"], facts["at"], facts["segment"], marks,
        json.loads(facts["baseline"]), facts["window_end"],
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
    with ledger.write(loading.lease) as tx:
        marks = {row.object: [row.value, row.generation] for row in tx.sql.execute(sa.select(watermarks))}
        tx.put(
            checkpoints,
            name=f"before-load-{loading.attempt}",
            attempt=loading.attempt,
            at=tx.at,
            segment=loading.journal.last_seq,
            watermarks=json.dumps(marks),
            baseline=json.dumps(baseline),
            window_end=stamp(end),
        )
    found = of_attempt(ledger, loading.attempt)
    if found is None:
        raise Defect("the checkpoint just taken isn't in the ledger")
    return found


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
