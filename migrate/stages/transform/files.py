"""Which file does a record bring, and which records can't go because of their file?

`extract` left an artifact for each field of files; here it becomes the field's value, a text that names the
bytes. A record whose file the source didn't give is rejected with the reason. One whose file is larger than
the plan, or the target, takes is rejected or skipped, as the plan says; of those that the plan links to an
archive, the file is skipped, for the text that links to it is another field's or entry's.
"""

from __future__ import annotations

from migrate.engine import identifier, text
from migrate.errors import UsageError
from migrate.sizes import parse_bytes
from migrate.stages.files import OVERSIZE, STAGE, STORED, artifact
from migrate.stages.transform.work import ObjectWork, Work
from migrate.store import generation_folder
from migrate.types import Kind

_TOLD = {"_id": "VARCHAR", "blob": "VARCHAR", "bytes": "BIGINT", "outcome": "VARCHAR", "reason": "VARCHAR"}


def join_files(work: Work, object: str, bare: str, view: str) -> None:
    """Make the view of an object's records with their files, where any were fetched, in place of nulls.

    Fills `work.files`: by object and field, a table of what became of each record's file.
    """
    fields = [field.name for field in work.source_schema(object).fields.values() if field.kind is Kind.BINARY]
    found: dict[str, str] = {}
    for number, name in enumerate(fields):
        parts = []
        for generation in work.store.generations(STAGE, artifact(object, name)):
            manifest = work.manifest(generation_folder(STAGE, artifact(object, name), generation))
            if manifest is not None:
                parts.append(f"SELECT *, {generation} AS _gen FROM {work.scan(manifest, _TOLD)}")
        if parts:
            table = found[name] = f"{view}_file{number}"
            work.run(
                f"""CREATE TABLE {table} AS SELECT * EXCLUDE (_gen) FROM ({" UNION ALL ".join(parts)})
                QUALIFY row_number() OVER (
                    PARTITION BY _id ORDER BY _gen DESC, outcome = {text(STORED)} DESC, reason) = 1"""
            )
    work.files |= {(object, name): table for name, table in found.items()}
    items = ", ".join(f"{table}.blob AS {identifier(name)}" for name, table in found.items())
    joins = " ".join(f"LEFT JOIN {table} ON {table}._id = s._id" for table in found.values())
    replaced = f" REPLACE ({items})" if found else ""
    work.run(f"CREATE VIEW {view} AS SELECT s.*{replaced} FROM {bare} AS s {joins}")


def files(work: Work, each: ObjectWork) -> None:
    """Give every record whose file can't go its end: `mistakes` or `skipped`.

    Raises:
        UsageError: files of the plan haven't been fetched.
    """
    for index, (name, field) in enumerate(each.checked.fields.items()):
        if field.target.kind is not Kind.BINARY:
            continue
        for source in sorted(field.expression.inputs):
            if each.checked.source.fields[source].kind is Kind.BINARY:
                _file(work, each, f"f{index}", name, source, field.target.max_bytes)


def _file(work: Work, each: ObjectWork, column: str, name: str, source: str, most: int | None) -> None:
    told = work.files.get((each.source, source))
    values, mistakes = each.table("values"), each.table("mistakes")
    if told is None:
        if work.one(f"SELECT count(*) FROM {values}"):
            raise UsageError(
                f"The files of `{each.source}.{source}` haven't been fetched.", "Run `migrate extract` first."
            )
        return
    missing = int(work.one(f"SELECT count(*) FROM {values} ANTI JOIN {told} USING (_id)"))
    if missing:
        raise UsageError(
            f"{missing:,} files of `{each.source}.{source}` haven't been fetched.",
            "Run `migrate extract` again; it fetches what the plan didn't ask for before.",
        )
    limit = min([size for size in (_planned(each), most) if size is not None], default=None)
    large = f"(t.outcome = {text(OVERSIZE)}" + (f" OR t.bytes > {limit})" if limit is not None else ")")
    if each.plan.files.oversize == "reject":
        detail = "'its file has ' || t.bytes || ' bytes, more than "
        detail += f"the {limit:,} that it may have'" if limit is not None else "it may have'"
        work.run(
            f"INSERT INTO {mistakes} SELECT v._key, v._id, {text(name)}, 'oversize', NULL, {detail} "
            f"FROM {values} AS v JOIN {told} AS t USING (_id) WHERE {large}"
        )
    else:
        reason = "oversize" if each.plan.files.oversize == "skip" else "linked"
        work.run(
            f"INSERT INTO {each.table('skipped')} SELECT v._key, v._id, {text(reason)} "
            f"FROM {values} AS v JOIN {told} AS t USING (_id) WHERE {large}"
        )
        for table in (values, mistakes):
            work.run(
                f"DELETE FROM {table} WHERE _key IN (SELECT _key FROM {each.table('skipped')} "
                f"WHERE reason = {text(reason)})"
            )
    work.run(
        f"INSERT INTO {mistakes} SELECT v._key, v._id, {text(name)}, 'file', NULL, t.reason "
        f"FROM {values} AS v JOIN {told} AS t USING (_id) "
        f"WHERE t.outcome NOT IN ({text(STORED)}, {text(OVERSIZE)}) AND v.{column} IS NULL"
    )


def _planned(each: ObjectWork) -> int | None:
    return parse_bytes(each.plan.files.max_bytes) if each.plan.files.max_bytes else None
