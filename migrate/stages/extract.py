"""What did the source hold, to the record? Each object into Parquet parts, resumable by part.

The watermark of a generation is the vendor's time *before* its reading began; the next delta starts
an overlap earlier, so that rows committed late are read again rather than lost. A delta that brings nothing
moves the watermark and makes no generation. Each part's cursor
is in the ledger with it: a killed extract goes on after the last part. Counts come by a second
route and stand in the manifest beside the rows. Files follow their records: see `files`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.catalog import Catalog, ObjectSchema
from migrate.clock import parse_stamp, stamp
from migrate.connector import Query, Source
from migrate.errors import CursorLost, UsageError
from migrate.ledger import Ledger
from migrate.ledger.tables import cursors, extracts, generations
from migrate.load.context import Progress, no_progress
from migrate.plan.keys import split_entry
from migrate.plan.models import PlanModel
from migrate.stages.departed import merges, returned, tombstones
from migrate.stages.files import Fetched, fetch_files
from migrate.stages.pipeline import alone
from migrate.stages.related import objects as related_objects
from migrate.stages.snapshot import known_folder, snapshot
from migrate.stages.unchanged import brings_nothing, move_on
from migrate.store import Manifest, Part, PartWriter, Store, generation_folder
from migrate.types import Kind, arrow_type
from migrate.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

OVERLAP = timedelta(minutes=10)  # longer than the vendors' long transactions
PART_ROWS = 50_000


@dataclass(frozen=True)
class Extracted:
    """One object's generation: rows read, what the vendor counted, records deleted at the source."""

    object: str
    generation: int
    rows: int
    counted: int
    deleted: int
    fresh: bool  # false: it was there already
    files: tuple[Fetched, ...] = ()  # of each field of files that the plan moves, if any was fetched now


def objects_needed(workspace: Workspace) -> list[str]:
    """Source objects that the plan reads; junctions, related ones and those with opt-outs included."""
    found: dict[str, None] = {}
    for each in workspace.plan.model.objects:
        found[each.source] = None
    for each in workspace.plan.model.objects:
        for link in each.links:
            if link.through:
                found[link.through] = None
    found |= dict.fromkeys(related_objects(workspace.plan.model.objects))
    found |= dict.fromkeys(workspace.plan.model.archive)
    for consent in workspace.plan.model.consent:
        found[consent.source] = None
    return list(found)


def extract(
    workspace: Workspace,
    objects: Sequence[str] = (),
    *,
    since_watermark: bool = False,
    refused: bool = False,
    progress: Progress = no_progress,
) -> list[Extracted]:
    """Extract the base, or with `since_watermark` the next delta; and a snapshot of the target to match.

    Args:
        refused: fetch the files again that the source refused, or gave damaged, before.

    Raises:
        UsageError: an unknown object, or a delta before its base.
        CursorLost: the vendor forgot our place twice.
        NoSpace: the disk refused; what is complete stays.
    """
    needed = objects_needed(workspace)
    objects = list(dict.fromkeys(split_entry(name)[0] for name in objects))  # once a source object
    if unknown := [name for name in objects if name not in needed]:
        raise UsageError(f"`{unknown[0]}` isn't in the plan.", f"The plan reads {', '.join(needed)}.")
    catalog = workspace.catalog("source")
    with alone(workspace, "extract"), closing(workspace.source()) as source:
        workspace.blobs.clean()
        done = []
        for name in objects or needed:
            records = _object(workspace, source, catalog, name, since_watermark, progress)
            files = fetch_files(workspace, source, catalog, name, progress, again=refused)
            done.append(replace(records, files=tuple(files)))
    snapshot_targets(workspace, progress, again=since_watermark)
    return done


def _object(
    workspace: Workspace, source: Source, catalog: Catalog, name: str, delta: bool, progress: Progress
) -> Extracted:
    store, ledger = workspace.store, workspace.ledger
    known = store.manifests("source", name)
    _book(ledger, name, known)
    begun = _begun(ledger, name, len(known))
    if known and not delta and not begun:
        last = known[-1]
        return Extracted(name, last.generation, last.rows, int(last.facts["counted"]), 0, fresh=False)
    if delta and not known:
        raise UsageError(
            f"`{name}` has no base extract yet.", "Run `migrate extract` without `--since-watermark` first."
        )
    generation = len(known)
    folder = generation_folder("source", name, generation)
    since = parse_stamp(known[-1].facts["watermark"]) - OVERLAP if known else None
    schema = catalog.objects.get(name)
    if schema is None:
        raise UsageError(
            f"The source has no object `{name}` (or the credentials may not see it).",
            "Run `migrate discover` again, or ask for read rights.",
        )
    fields = tuple(field.name for field in schema.fields.values() if field.kind is not Kind.BINARY)
    query = Query(name, fields, since=since)
    if begun and not _read_from(ledger, folder):
        begun = ""  # nothing was read yet: it begins now, so that its watermark isn't older than it has to be
    if begun and begun != _window(since, fields):
        # Discovered anew meanwhile: parts of one generation have the same columns, so it begins again.
        _forget(store, ledger, folder, keep_query=False)
        begun = ""
    if not begun:
        started = stamp(source.now())
        with ledger.write() as tx:
            tx.put(cursors, folder=folder, query=_window(since, fields), cursor=None, started=started)
    try:
        parts, started = _read(workspace, source, query, schema, folder, progress)
    except CursorLost:
        _forget(store, ledger, folder, keep_query=True)
        parts, started = _read(workspace, source, query, schema, folder, progress)
    deleted = tombstones(workspace, source, query, schema, generation, parts) if known else 0
    if known:
        parts = _with_returned(workspace, source, query, schema, folder, parts, generation)
    merges(workspace, source, query, generation, parts)
    rows = sum(part.rows for part in parts)
    manifest = Manifest(
        folder,
        "source",
        name,
        generation,
        rows,
        tuple(parts),
        {field: schema.fields[field].vendor_type for field in fields},
        {"counted": source.count(query), "watermark": started, "catalog": catalog.digest(),
         "since": stamp(since) if since else None},
    )  # fmt: skip
    if known and brings_nothing(workspace, known, manifest):
        last = move_on(workspace, known[-1], manifest)
        return Extracted(name, last.generation, rows, manifest.facts["counted"], deleted, fresh=True)
    store.publish(manifest)
    _book(ledger, name, [*known, manifest])
    return Extracted(name, generation, rows, manifest.facts["counted"], deleted, fresh=True)


def _window(since: datetime | None, fields: Sequence[str]) -> str:
    return json.dumps({"since": stamp(since) if since else None, "fields": list(fields)})


def _book(ledger: Ledger, name: str, known: Sequence[Manifest]) -> None:
    """Enter published generations into the ledger; a process that died after publishing left that undone."""
    query = sa.select(generations.c.number).where(generations.c.object == name)
    there = {row.number for row in ledger.read(query)}
    missing = [manifest for manifest in known if manifest.generation not in there]
    if not missing:
        return
    with ledger.write() as tx:
        for manifest in missing:
            tx.put(
                generations,
                object=name,
                number=manifest.generation,
                attempt=ledger.attempt(),
                state="extracted",
                manifest=manifest.digest(),
                watermark=manifest.facts["watermark"],
                settled=None,
            )
            tx.sql.execute(cursors.delete().where(cursors.c.folder == manifest.folder))
            tx.sql.execute(extracts.delete().where(extracts.c.folder == manifest.folder))


def _begun(ledger: Ledger, name: str, generation: int) -> str:
    """The window and fields of an extract that was begun; "" where none was."""
    folder = generation_folder("source", name, generation)
    return str(ledger.value(sa.select(cursors.c.query).where(cursors.c.folder == folder)) or "")


def _read_from(ledger: Ledger, folder: str) -> bool:
    """Whether an extract that was begun has kept a part, or a place to go on from."""
    cursor = ledger.value(sa.select(cursors.c.cursor).where(cursors.c.folder == folder))
    parts = ledger.value(sa.select(sa.func.count()).where(extracts.c.folder == folder))
    return cursor is not None or bool(parts)


def _forget(store: Store, ledger: Ledger, folder: str, *, keep_query: bool) -> None:
    store.discard(folder)
    with ledger.write() as tx:
        tx.sql.execute(extracts.delete().where(extracts.c.folder == folder))
        tx.sql.execute(cursors.update().where(cursors.c.folder == folder).values(cursor=None))
        if not keep_query:
            tx.sql.execute(cursors.delete().where(cursors.c.folder == folder))


def arrow_schema(schema: ObjectSchema, fields: Sequence[str]) -> pa.Schema:
    """The Arrow schema of a staged object: `_id`, then the fields in the catalog's types."""
    import pyarrow as pa

    columns = [("_id", pa.string())]
    for name in fields:
        field = schema.fields[name]
        columns.append((name, arrow_type(field.kind, field.precision, field.scale)))
    return pa.schema(columns)


def _read(
    workspace: Workspace, source: Source, query: Query, schema: ObjectSchema, folder: str, progress: Progress
) -> tuple[list[Part], str]:
    """Read pages into parts from where the ledger says; returns all parts and when reading began."""
    ledger = workspace.ledger
    state = ledger.read(sa.select(cursors).where(cursors.c.folder == folder))[0]
    rows = ledger.read(sa.select(extracts).where(extracts.c.folder == folder).order_by(extracts.c.part))
    parts = [Part(row.name, row.rows, row.bytes, row.sha256) for row in rows]
    cursor = rows[-1].cursor if rows else state.cursor
    if rows and cursor is None:
        return parts, str(state.started)  # killed after the last part, before the manifest
    # Objects without a stamp are links, whose count costs as much as reading them.
    total = source.count(query) if schema.stamp is not None else 0
    done = sum(part.rows for part in parts)
    writer = workspace.store.writer(
        folder, arrow_schema(schema, query.fields), part_rows=1 << 62, first=len(parts)
    )
    with writer:
        gathered = 0
        for page in source.read(query, after=cursor):
            writer.write(page.batch)
            gathered += page.batch.num_rows
            done += page.batch.num_rows
            progress(query.object, done, total)
            if gathered >= PART_ROWS or (page.cursor is None and gathered):
                _keep(ledger, folder, writer, len(parts), page.cursor)
                parts.append(writer.parts[-1])
                gathered = 0
            elif not gathered and page.cursor is not None:
                with ledger.write() as tx:
                    tx.sql.execute(
                        cursors.update().where(cursors.c.folder == folder).values(cursor=page.cursor)
                    )
        if gathered:
            _keep(ledger, folder, writer, len(parts), None)
            parts.append(writer.parts[-1])
    return parts, str(state.started)


def _with_returned(
    workspace: Workspace, source: Source, query: Query, schema: ObjectSchema, folder: str,
    parts: list[Part], generation: int,
) -> list[Part]:  # fmt: skip
    """The parts of a delta, and one more with the records that were brought back, if there are any."""
    with workspace.store.writer(
        folder, arrow_schema(schema, query.fields), part_rows=1 << 62, first=len(parts)
    ) as writer:
        for batch in returned(workspace, source, query, parts, generation):
            writer.write(batch)
        _keep(workspace.ledger, folder, writer, len(parts), None)
        return [*parts, *writer.parts]


def _keep(ledger: Ledger, folder: str, writer: PartWriter, number: int, cursor: str | None) -> None:
    part = writer.close_part()
    if part is None:
        return
    with ledger.write() as tx:
        tx.put(
            extracts,
            folder=folder,
            part=number,
            name=part.name,
            rows=part.rows,
            bytes=part.bytes,
            sha256=part.sha256,
            cursor=cursor,
        )


def snapshot_targets(
    workspace: Workspace, progress: Progress = no_progress, *, again: bool = False
) -> list[str]:
    """Snapshot what of the target the plan matches, and finds links, by; returns the folders."""
    catalog = workspace.catalog("target")
    wanted = [each for each in workspace.plan.model.objects if each.match]
    folders = []
    with closing(workspace.target()) as target:
        for each in wanted:
            folder = f"target/{each.target}/snapshot"
            folders.append(folder)
            if workspace.store.manifest(folder) is not None and not again:
                continue
            present = catalog.objects[each.target]
            snapshot(
                target,
                present,
                workspace.store,
                folder,
                key_field=each.key.field,
                clock=workspace.clock,
            )
            progress(f"target {each.target}", 1, 1)
        for object, field in known_by(workspace.plan.model):
            folder = known_folder(object, field)
            folders.append(folder)
            if workspace.store.manifest(folder) is None or again:
                snapshot(
                    target, catalog.objects[object], workspace.store, folder, key_field="", fields=[field],
                    clock=workspace.clock,
                )  # fmt: skip
                progress(f"target {object} by {field}", 1, 1)
    return folders


def known_by(plan: PlanModel) -> list[tuple[str, str]]:
    """Target objects and fields by which links find their far end."""
    pairs = ((link.to, link.on) for each in plan.objects for link in each.links if link.on is not None)
    return list(dict.fromkeys(pairs))
