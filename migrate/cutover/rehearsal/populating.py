"""What stands in the source's twin? What the extract holds now, or whole trees of it, as the vendor's text.

A record counts in its latest version, unless it was deleted since. With a sample, the twin has the records
of whole trees, closed under references, and of other objects those rows that lead nowhere else: so nothing
in the twin refers to what isn't there. Contents of files aren't planted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.catalog import ObjectSchema
from migrate.engine import identifier, parquet, text
from migrate.errors import UsageError
from migrate.load.context import Progress, no_progress
from migrate.plan.keys import id_sql
from migrate.stages.departed import DELETED
from migrate.stages.extract import arrow_schema, objects_needed
from migrate.storage import FolderStorage
from migrate.store import Manifest, Store, generation_folder
from migrate.twins import Planted, Standing, plant
from migrate.types import Kind
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.connector import Target

CHOSEN = "rehearsal_chosen"  # engine's table (object, id): what a sample takes of the plan's objects


def opened(catalog: Catalog, names: Collection[str]) -> Catalog:
    """The catalog as somebody who may write sees it: a reader's says of every field that it can't be changed.

    People work in the source, and the way back writes to it. Where our user may not change an object, its
    fields count as open, but for those that are calculated and the record's id and stamps.

    Args:
        names: the objects that people work on.
    """
    objects = dict(catalog.objects)
    for name, schema in catalog.objects.items():
        if name not in names:
            continue
        if schema.updateable and any(each.updateable for each in schema.fields.values()):
            continue
        kept = {schema.key_field, schema.stamp, schema.created}
        fields = {
            each.name: each
            if each.calculated or each.name in kept
            else each.model_copy(update={"updateable": True, "createable": True})
            for each in schema.fields.values()
        }
        given = {"createable": True, "updateable": True, "deletable": True, "fields": fields}
        objects[name] = schema.model_copy(update=given)
    return catalog.model_copy(update={"objects": objects})


def choose(workspace: Workspace) -> int:
    """Turn the engine's table `sample` (key) into the ids of source records; returns how many."""
    engine, family = workspace.engine, workspace.catalog("source").family
    engine.run(f"CREATE OR REPLACE TABLE {CHOSEN} (object VARCHAR, id VARCHAR)")
    for each in workspace.plan.model.objects:
        prefix = f"{family}.{each.source}."
        engine.run(
            f"""INSERT INTO {CHOSEN} SELECT DISTINCT {text(each.source)}, {id_sql(family, each.name, "key")}
            FROM sample WHERE starts_with(key, {text(prefix)})"""
        )
    engine.run(f"CREATE OR REPLACE TABLE {CHOSEN} AS SELECT DISTINCT * FROM {CHOSEN}")
    return int(engine.rows(f"SELECT count(*) AS n FROM {CHOSEN}")[0]["n"])


def populate(
    workspace: Workspace, standing: Standing, source: Target, scratch: Path, *, sampled: bool,
    progress: Progress = no_progress,
) -> Planted:  # fmt: skip
    """Plant the extract of `workspace` into the source's twin, parents before children where it can.

    Args:
        workspace: holds the extract, the plan, and with `sampled` the engine's table `CHOSEN`.
        source: a connector to the twin, which turns staged values into the vendor's own.
        scratch: a folder for what is planted, which the caller removes.
    """
    done, catalog = Planted(), workspace.catalog("source")
    store = Store(FolderStorage(scratch))
    planned = {each.source for each in workspace.plan.model.objects}
    order = sorted(objects_needed(workspace), key=lambda name: (name not in planned,))
    for name in order:
        if name not in catalog.objects or name not in standing.twin.catalog.objects:
            continue
        schema = catalog.objects[name]
        manifest = _latest(workspace, store, schema, planned, sampled=sampled)
        found = plant(standing, source, schema, store, manifest)
        done.taken, done.refused = done.taken + found.taken, done.refused + found.refused
        done.why = done.why or (f"{name}: {found.why}" if found.why else "")
        progress(f"twin {name}", found.taken, manifest.rows)
    return done


def _latest(
    workspace: Workspace, store: Store, schema: ObjectSchema, planned: set[str], *, sampled: bool
) -> Manifest:
    """Publish an object's records as they are now, less what a sample leaves out."""
    real = workspace.store
    rows, dead = [], []
    for number in real.generations("source", schema.name):
        folder = generation_folder("source", schema.name, number)
        if (manifest := real.manifest(folder)) is not None and manifest.parts:
            real.verify(manifest)
            rows.append(f"SELECT *, {number} AS _gen FROM {parquet(real.files(manifest))}")
        if (gone := real.manifest(folder + DELETED)) is not None and gone.parts:
            dead.append(f"SELECT _id, CAST(_at AS TIMESTAMPTZ) AS _at, {number} AS _gen FROM "
                        f"{parquet(real.files(gone))}")  # fmt: skip
    names = tuple(name for name, field in schema.fields.items() if field.kind is not Kind.BINARY)
    columns = arrow_schema(schema, names)
    folder = f"twin/{schema.name}"
    with store.writer(folder, columns) as writer:
        if rows:
            chosen = _sampled(schema, planned) if sampled else "true"
            stamp = identifier(schema.stamp) if schema.stamp in names else "NULL::TIMESTAMPTZ"
            listed = ", ".join(identifier(each) for each in columns.names)
            nobody = "SELECT NULL::VARCHAR AS _id, NULL::TIMESTAMPTZ AS _at, 0 AS _gen WHERE false"
            query = f"""WITH dead AS (SELECT _id, max(_at) AS _at, max(_gen) AS _gen
                FROM ({" UNION ALL ".join(dead) or nobody}) GROUP BY _id),
              latest AS (SELECT *, {stamp} AS _seen FROM ({" UNION ALL BY NAME ".join(rows)})
                QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _seen DESC NULLS LAST, _gen DESC) = 1)
              SELECT {listed} FROM latest ANTI JOIN (
                SELECT d._id FROM dead AS d JOIN latest AS l USING (_id)
                WHERE coalesce(d._at >= l._seen, d._gen >= l._gen)) AS gone USING (_id)
              WHERE {chosen} ORDER BY _id"""
            for batch in workspace.engine.stream(query):
                writer.write(batch.cast(columns))
    count = sum(part.rows for part in writer.parts)
    described = {name: schema.fields[name].vendor_type for name in names}
    return store.publish(Manifest(folder, "twin", schema.name, 0, count, tuple(writer.parts), described))


def _sampled(schema: ObjectSchema, planned: set[str]) -> str:
    """A condition: of the plan's objects the chosen ones; of others those that lead to nothing else."""
    if schema.name in planned:
        return f"_id IN (SELECT id FROM {CHOSEN} WHERE object = {text(schema.name)})"
    conditions = ["true"]
    for name, field in schema.fields.items():
        there = [each for each in field.references if each in planned]
        if not there:
            continue
        listed = ", ".join(text(each) for each in there)
        ids = f"SELECT id FROM {CHOSEN} WHERE object IN ({listed})"
        conditions.append(f"({identifier(name)} IS NULL OR {identifier(name)} IN ({ids}))")
    return " AND ".join(conditions)


def as_target(workspace: Workspace) -> Target:
    """A connector to the source's twin that can write values as the vendor takes them.

    Raises:
        UsageError: this kind of system can only be read, so its twin can't be given records.
    """
    found: Target = workspace.connector("source")
    if not hasattr(found, "encode"):
        with closing(found):
            raise UsageError(
                f"Records can't be put into a twin of `{workspace.system('source').system}`.",
                "Rehearse on a sandbox of the vendor's: `migrate cutover rehearse --on sandbox`.",
            )
    return found


def rows_of(workspace: Workspace, catalog: Catalog) -> Mapping[str, int]:
    """Live records of the extract, by source object, as its manifests say; deltas counted once too often."""
    return {
        name: sum(manifest.rows for manifest in workspace.store.manifests("source", name))
        for name in objects_needed(workspace)
        if name in catalog.objects
    }
