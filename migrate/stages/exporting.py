"""What became of every record, handed to everyone else's systems: old ids and addresses to new ones.

Also the records that weren't moved, with the reason. Written aside and renamed; streamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrate.catalog import Catalog
from migrate.engine import text
from migrate.errors import UsageError
from migrate.plan.keys import key_sql
from migrate.plan.models import ObjectPlan
from migrate.stages.crosswalk import ends_into, merged_at_source
from migrate.stages.handing_out import Format, writer
from migrate.storage import flush_folder, space
from migrate.workspace import Workspace

COLUMNS = (
    "old_id", "old_url", "key", "target_object", "target_id", "new_url", "outcome", "reason", "survivor",
    "old_id_short",
)  # fmt: skip
MERGED_AT_SOURCE = "merged_at_source"
LOOKED_UP = ("old_id", "old_id_short", "old_url", "target_id")


def export(workspace: Workspace, out: Path, format: Format = "csv") -> int:
    """Write every extracted record's old id and address with its new ones and its outcome.

    Columns: `COLUMNS`. `old_id_short` is the short form by which the vendor's reports and links name the
    record; null where it has none. Of a merged record the target is its survivor's; records that users had
    merged at the source, which were never extracted or are gone since, are there too.

    Returns:
        Rows written.

    Raises:
        UsageError: nothing has been transformed yet, or the folder isn't there.
        NoSpace: the disk refused.
    """
    rows = 0
    with ends(workspace) as table, aside(out) as path:
        reader = workspace.engine.stream(
            f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY source_object, old_id, entry"
        )
        with writer(path, format, reader.schema, "crosswalk", LOOKED_UP) as sink:
            for batch in reader:
                sink.write(batch)
                rows += batch.num_rows
    return rows


@contextmanager
def ends(workspace: Workspace) -> Iterator[str]:
    """A view of the engine with `COLUMNS`, `entry` and `source_object` of every extracted record.

    Raises:
        UsageError: nothing has been transformed yet.
    """
    plan, source, target = workspace.plan, workspace.catalog("source"), workspace.catalog("target")
    if not any(workspace.store.manifests("ready", each.name) for each in plan.model.objects):
        raise UsageError("Nothing has been transformed yet.", "Run `migrate transform` first.")
    engine = workspace.engine
    ends_into(
        engine,
        workspace.store,
        workspace.journal.source(),
        plan,
        source,
        "ended",
        workspace.ledger.attempt(),
    )
    for each in plan.model.objects:
        _merged_at_source(workspace, each, source)
    try:
        engine.run(
            f"""CREATE OR REPLACE VIEW exported AS SELECT source_object, entry, source_id AS old_id,
            {_short("source_object", "source_id", source)} AS old_id_short,
            {_url("source_object", "source_id", source)} AS old_url, key, target_object, target_id,
            {_url("target_object", "target_id", target)} AS new_url, outcome, reason, survivor FROM ended"""
        )
        yield "exported"
    finally:
        engine.run("DROP VIEW IF EXISTS exported")
        for name in ("ended", "ended_crosswalk", "ended_refused"):
            engine.run(f"DROP TABLE IF EXISTS {name}")


def _merged_at_source(workspace: Workspace, each: ObjectPlan, source: Catalog) -> None:
    """Add the records that users of the source had merged into others: they have their survivor's end."""
    schema = source.objects.get(each.source)
    merged = merged_at_source(workspace.store, each.source, schema.stamp if schema else None)
    key, survivor = (key_sql(source.family, each.name, f"m.{name}") for name in ("_id", "survivor"))
    workspace.engine.run(
        f"""INSERT INTO ended (key, entry, source_object, source_id, outcome, reason, survivor,
            target_object, target_id)
        SELECT {key}, {text(each.name)}, {text(each.source)}, m._id, {text(MERGED_AT_SOURCE)},
            'merged into ' || m.survivor || ' by a user of the source', coalesce(e.survivor, {survivor}),
            {text(each.target)}, e.target_id
        FROM {merged} AS m LEFT JOIN ended AS e ON e.key = {survivor}"""
    )


@contextmanager
def aside(out: Path) -> Iterator[Path]:
    """A path beside a file, which becomes the file when all went well.

    Raises:
        UsageError: the folder isn't there.
        NoSpace: the disk refused.
    """
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.absolute().parent} isn't a folder.", "Name a file in one that is there.")
    path = out.with_name(f".{out.name}.aside")
    path.unlink(missing_ok=True)
    try:
        with space(out):
            yield path
            with path.open("rb+") as written:
                os.fsync(written.fileno())
            path.replace(out)
            flush_folder(out.absolute().parent)
    finally:
        path.unlink(missing_ok=True)


def _url(object: str, id: str, catalog: Catalog) -> str:
    """SQL for the page of a record; null where the vendor's pattern isn't known."""
    cases = [
        f"WHEN {object} = {text(name)} THEN replace({text(schema.url)}, '{{id}}', {id})"
        for name, schema in catalog.objects.items()
        if schema.url
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"


def _short(object: str, id: str, catalog: Catalog) -> str:
    """SQL for the short form of a record's id; null where it has none."""
    cases = [
        f"WHEN {object} = {text(name)} THEN left({id}, {schema.short_id})"
        for name, schema in catalog.objects.items()
        if schema.short_id
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"
