"""What does a source object look like now? Its latest versions over all generations, less the deleted.

Deltas overlap, so a record may be there several times: the version with the latest stamp counts
(the later generation on a tie). A record counts as deleted when its deletion isn't older than its
latest version; one that was brought back has a later stamp, or is told as returned, and counts again.
"""

from __future__ import annotations

from migrate.engine import identifier
from migrate.stages.departed import DELETED, MERGED, RETURNED, survivors
from migrate.stages.transform.files import join_files
from migrate.stages.transform.work import Work
from migrate.store import generation_folder
from migrate.types import duckdb_type

_PLACE = ", file_index AS _file, file_row_number AS _row"


def current(work: Work, object: str) -> str:
    """The view of an object's current state: `_id` and every field of the catalog, typed.

    A second table `<view>_gone` has `_id` and `_at` of the records that were deleted at the source, a
    third one, `<view>_merged`, `_id` and `survivor` of those that were merged into another there.

    Raises:
        UsageError: the object's base extract isn't there.
        Damaged: a part of it isn't whole.
    """
    if object in work.sources:
        return work.sources[object]
    schema = work.source_schema(object)
    view = f"{work.schema}.s{len(work.sources)}"
    types = {"_id": "VARCHAR"} | {
        name: duckdb_type(field.kind, field.precision, field.scale) for name, field in schema.fields.items()
    }
    extracts = [(0, work.needed(generation_folder("source", object, 0), f"extract --object {object}"))]
    deletions, merged, returns = [], [], []
    # Every published extract counts, however many ready generations have been made of them.
    newest = max(work.store.generations("source", object), default=0)
    for number in range(newest + 1):
        if number and (delta := work.manifest(generation_folder("source", object, number))):
            extracts.append((number, delta))
        if folded := work.manifest(generation_folder("source", object, number) + MERGED):
            merged += work.store.files(folded)
        if gone := work.manifest(generation_folder("source", object, number) + DELETED):
            deletions.append((number, gone))
        if told := work.manifest(generation_folder("source", object, number) + RETURNED):
            returns.append((number, told))

    deleted = " UNION ALL ".join(
        f"SELECT _id, TRY_CAST(_at AS TIMESTAMPTZ) AS _at, {number} AS _gen "
        f"FROM {work.scan(manifest, {'_id': 'VARCHAR', '_at': 'VARCHAR'})}"
        for number, manifest in deletions
    )
    back = " UNION ALL ".join(
        f"SELECT _id, {number} AS _gen FROM {work.scan(manifest, {'_id': 'VARCHAR'})}"
        for number, manifest in returns
    )
    none = "SELECT NULL::VARCHAR AS _id, NULL::TIMESTAMPTZ AS _at, 0 AS _gen WHERE false"
    work.run(
        f"""CREATE TABLE {view}_dead AS SELECT d._id, max(d._at) AS _at, max(d._gen) AS _gen
        FROM ({deleted or none}) AS d ANTI JOIN ({back or none}) AS b
        ON b._id = d._id AND b._gen >= d._gen GROUP BY d._id"""
    )
    stamp = (
        f"CAST({identifier(schema.stamp)} AS TIMESTAMPTZ)" if schema.stamp in types else "NULL::TIMESTAMPTZ"
    )
    rows = " UNION ALL ".join(
        f"SELECT *, {number} AS _gen FROM {work.scan(manifest, types, _PLACE)}"
        for number, manifest in extracts
    )
    work.run(
        f"""CREATE TABLE {view}_latest AS
        SELECT latest._gen, latest._file, latest._row FROM (
            SELECT _id, {stamp} AS _stamp, _gen, _file, _row FROM ({rows})
            QUALIFY row_number() OVER (
                PARTITION BY _id ORDER BY _stamp DESC NULLS LAST, _gen DESC, _file DESC, _row DESC) = 1
        ) AS latest LEFT JOIN {view}_dead AS dead USING (_id)
        WHERE dead._id IS NULL OR coalesce(dead._at < latest._stamp, dead._gen < latest._gen)"""
    )
    if len(extracts) == 1 and work.one(f"SELECT count(*) FROM {view}_latest") == extracts[0][1].rows:
        work.run(f"CREATE VIEW {view}_bare AS SELECT * FROM {work.scan(extracts[0][1], types)}")
    else:
        work.run(
            f"CREATE VIEW {view}_bare AS SELECT {', '.join(identifier(name) for name in types)} "
            f"FROM ({rows}) JOIN {view}_latest USING (_gen, _file, _row)"
        )
    join_files(work, object, f"{view}_bare", view)
    work.run(
        f"CREATE TABLE {view}_gone AS SELECT _id, _at FROM {view}_dead "
        f"ANTI JOIN (SELECT _id FROM {view}) USING (_id)"
    )
    work.run(f"CREATE TABLE {view}_merged AS FROM {survivors(merged, f'(SELECT _id FROM {view})')}")
    work.sources[object] = view
    return view
