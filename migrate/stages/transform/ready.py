"""Which rows are ready to be loaded, and does every extracted record have exactly one end?

A base generation has every ready record. A delta has those whose values differ from what was staged
last for that key, those that are new, and a tombstone for each record that was staged and has since
been deleted at the source. `full` keeps key and hash of all of them. Rows are sorted by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from migrate.engine import text
from migrate.errors import Defect
from migrate.stages.transform.cuts import CUT
from migrate.stages.transform.links import LinkCounts
from migrate.stages.transform.lots import Lot, lots
from migrate.stages.transform.publish import (
    FULL,
    MATCH,
    MERGED,
    REJECT,
    SKIPPED,
    Artifact,
    arrow_schema,
    batches,
    publish,
)
from migrate.stages.transform.references import gathered, reference
from migrate.stages.transform.work import Column, ObjectWork, Work
from migrate.types import Kind


@dataclass(frozen=True)
class ObjectCounts:
    """One object's records: extracted = ready + merged + skipped + rejected.

    `ready`: records that are to be in the target (`adopt` of them take over a record that is there).
    `changed`: those of them in this generation's artifact; `tombstones` are in it too, and in no sum.
    `links`, `link_rejects`: link rows to be there, and rejected ones; `link` has all their figures.
    `warnings`: sentences for people.
    """

    extracted: int
    ready: int
    adopt: int
    merged: int
    skipped: int
    rejected: int
    changed: int
    tombstones: int
    links: int = 0
    link_rejects: int = 0
    link: LinkCounts = field(default_factory=LinkCounts)
    warnings: tuple[str, ...] = ()


def count(work: Work, each: ObjectWork) -> dict[str, int]:
    """How many records an object has, and how many have which end.

    Raises:
        Defect: a record has no end, or more than one.
    """
    asked = {
        "extracted": f"SELECT count(*) FROM {work.sources[each.source]}",
        "ready": f"SELECT count(*) FROM {each.live}",
        "merged": f"SELECT count(*) FROM {each.table('merged')}",
        "skipped": f"SELECT count(*) FROM {each.table('skipped')}",
        "rejected": f"SELECT count(DISTINCT _key) FROM {each.table('mistakes')}",
    }
    counts = {name: int(work.one(sql)) for name, sql in asked.items()}
    ends = counts["ready"] + counts["merged"] + counts["skipped"] + counts["rejected"]
    if counts["extracted"] != ends:
        raise Defect(
            f"`{each.name}`: {counts['extracted']:,} records were extracted, {ends:,} have an end "
            f"({', '.join(f'{name} {number:,}' for name, number in counts.items())})."
        )
    return counts


def stage(work: Work, each: ObjectWork, counts: Mapping[str, int]) -> ObjectCounts:
    """Publish an object's rejects, merged, skipped, matches, full and, last, ready."""
    facts = {**counts, "warnings": each.warnings}
    named = "_key, _id AS _source_id"
    publish(
        work, "rejects", each.name,
        f"SELECT {named}, field, reason, value, detail FROM {each.table('mistakes')} ORDER BY ALL",
        REJECT, facts,
    )  # fmt: skip
    publish(
        work, "merged", each.name,
        f"SELECT {named}, survivor, reason FROM {each.table('merged')} ORDER BY _key", MERGED, facts,
    )  # fmt: skip
    publish(
        work, "skipped", each.name,
        f"SELECT {named}, reason FROM {each.table('skipped')} ORDER BY _key", SKIPPED, facts,
    )  # fmt: skip
    cut = f"SELECT {', '.join(CUT)} FROM {each.table('cuts')} ORDER BY _key, field"
    publish(work, "cuts", each.name, cut, CUT, facts)
    publish(
        work, "matches", each.name,
        f"SELECT _key, target_id, field, value FROM {each.table('matches')} ORDER BY _key", MATCH, facts,
    )  # fmt: skip
    adopt, changed, tombstones = _ready(work, each, counts["ready"])
    return ObjectCounts(
        extracted=counts["extracted"],
        ready=counts["ready"],
        adopt=adopt,
        merged=counts["merged"],
        skipped=counts["skipped"],
        rejected=counts["rejected"],
        changed=changed,
        tombstones=tombstones,
        warnings=tuple(each.warnings),
    )


def _ready(work: Work, each: ObjectWork, total: int) -> tuple[int, int, int]:
    schema = pa.schema(
        [
            ("_key", pa.string()),
            ("_source_id", pa.string()),
            ("_version", pa.timestamp("us", tz="UTC")),
            ("_target_id", pa.string()),
            ("_deleted", pa.bool_()),
            ("_hash", pa.string()),
            *((column.name, column.arrow) for column in each.columns),
        ]
    )
    logical = {name: str(schema.field(name).type) for name in schema.names[:6]} | {
        column.name: f"{column.field.kind}:{column.field.vendor_type}" for column in each.columns
    }
    adopt = tombstones = done = 0
    work.progress(each.name, 0, total)
    with (
        Artifact(work, "full", each.name, arrow_schema(FULL), FULL) as full,
        Artifact(work, "ready", each.name, schema, logical) as artifact,
    ):
        for batch in (batch for lot in lots(work, each) for batch in batches(work, _rows(work, each, lot))):
            table = pa.Table.from_batches([batch]).rename_columns([*schema.names, "_changed"])
            kept = table.filter(pc.invert(table["_deleted"]))
            full.write(kept)
            artifact.write(table.filter(table["_changed"]))
            adopt += kept.num_rows - kept["_target_id"].null_count
            tombstones += table.num_rows - kept.num_rows
            done += kept.num_rows
            work.progress(each.name, done, total)
        if done != total:
            raise Defect(f"`{each.name}`: {total:,} records are ready, but {done:,} were written.")
        full.publish({})
        changed = artifact.rows - tombstones
        facts = {"ready": done, "adopt": adopt, "changed": changed, "tombstones": tombstones}
        names = {"key_field": each.plan.key.field, "target": each.plan.target}
        artifact.publish({**facts, **names, "warnings": each.warnings})
    return adopt, changed, tombstones


def _rows(work: Work, each: ObjectWork, lot: Lot) -> str:
    """Ready rows and tombstones of a lot, sorted by key: the artifact's columns in order, then `_changed`."""
    joins: list[str] = []
    items: list[str] = []
    for index, column in enumerate(each.columns):
        value = f"v.{column.sql}"
        if column.leads:
            value, join = (
                gathered(work, each, column, f"r{index}")
                if column.many
                else reference(work, column, value, f"r{index}")
            )
            joins.append(join)
        if column.nobody:  # who is adopted keeps the owner that it has there
            adopted = f"m._key IS NOT NULL OR v._key IN (SELECT _key FROM {each.table('before')})"
            value = f"CASE WHEN {adopted} THEN {value} ELSE coalesce({value}, {text(column.nobody)}) END"
        items.append(f"{value} AS c{index}")
    digest = ", ".join(_digest(column, f"c{index}") for index, column in enumerate(each.columns))
    names = ", ".join(f"c{index}" for index in range(len(each.columns)))
    empty = ", ".join(f"NULL::{column.type}" for column in each.columns)
    prior, gone = each.table("prior"), f"{work.sources[each.source]}_gone"
    return f"""SELECT * FROM (
        SELECT n._key, n._id, n._stamp, n.target_id, false AS _deleted, n._hash, {names},
            p.hash IS DISTINCT FROM n._hash AS _changed
        FROM (SELECT *, md5(concat_ws(chr(30), {digest})) AS _hash FROM (
            SELECT v._key, v._id, v._stamp, coalesce(m.target_id, b.target_id) AS target_id,
                {", ".join(items)}
            FROM {each.live} AS v LEFT JOIN {each.table("matches")} AS m ON m._key = v._key
            LEFT JOIN (SELECT * FROM {each.table("before")}
                WHERE _key NOT IN (SELECT key FROM {work.schema}.crosswalk)) AS b ON b._key = v._key
            {" ".join(joins)} WHERE {lot.holds("v._key")})) AS n
        LEFT JOIN {prior} AS p ON p._key = n._key
        UNION ALL
        SELECT p._key, g._id, g._at, NULL, true, NULL, {empty}, true
        FROM {prior} AS p JOIN {gone} AS g ON p._key = {each.key("g._id")}
        WHERE {lot.holds("p._key")}
    ) ORDER BY _key"""


def _digest(column: Column, value: str) -> str:
    """`name=value` for the digest of a row, null where the value is; instants and lists spelled one way."""
    if column.field.kind is Kind.TIMESTAMP:
        value = f"epoch_us({value})"
    elif column.type.endswith("[]"):
        value = f"array_to_string({value}, chr(29))"
    return f"{text(column.name)} || chr(31) || CAST({value} AS VARCHAR)"
