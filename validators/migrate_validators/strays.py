"""Is there anything in the target that shouldn't be? Twins, strays, and records that automations made.

Twin: a second record with the same migration key, or a copy of one of ours, as a person's *clone* leaves it:
without the key, but with the old system's id. Stray: a record with a key of our family that the journal
doesn't know, such as a call of a stopped process that landed late. These must go. A record that an automation
of the target made after the load is journalled as a side record; one that isn't in the journal is listed.
Read from the target's row store, all records, not a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.connector import Who
from migrate.engine import identifier, parquet, text
from migrate_validators.classes import FAIL, KNOWN, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.model import Decision, Result, Verdict

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "strays"
TITLE = "No twin and no stray"


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a target object."""
    seen: set[str] = set()
    for each in evidence.objects:
        if each.target not in seen:
            seen.add(each.target)
            yield _object(evidence, each)


def _object(evidence: Evidence, each: ObjectPlan) -> Result:
    object = each.target
    found = f"(SELECT _id, _key, _stamp, _source FROM {evidence.found(object)})"
    family = text(f"{evidence.source.family}.")
    baseline = evidence.store.manifest(evidence.baseline[object]) if object in evidence.baseline else None
    files = evidence.store.files(baseline) if baseline else []
    known = f"(SELECT _id FROM {parquet(files)})" if files else "(SELECT NULL::VARCHAR AS _id WHERE false)"
    journalled = f"""(SELECT target_id FROM {evidence.journal} WHERE kind = 'side' AND op = 'create'
        AND outcome = 'done' AND object = {text(object)})"""
    # What an automation made can be told from what was there only against a baseline.
    side = f"f._key IS NULL AND f._source = '{Who.AUTOMATION.value}'" if baseline else "false"
    copies = _copies(evidence, object)
    odd = evidence.table(
        f"odd {object}",
        f"""SELECT f._id AS id, coalesce(f._key, o.of) AS key, f._stamp AS stamp, f._source AS made_by, CASE
            WHEN t._key IS NOT NULL THEN 'twin'
            WHEN starts_with(f._key, {family}) AND c.key IS NULL THEN 'stray'
            WHEN o.of IS NOT NULL AND b._id IS NULL THEN 'copy'
            WHEN f._key IS NULL AND b._id IS NULL AND j.target_id IS NOT NULL THEN 'side record'
            WHEN {side} AND b._id IS NULL THEN 'side record, not journalled' END AS what
        FROM {found} AS f
        LEFT JOIN (SELECT _key FROM {found} WHERE _key IS NOT NULL GROUP BY _key HAVING count(*) > 1) AS t
            ON t._key = f._key
        LEFT JOIN {evidence.crosswalk} AS c ON c.key = f._key AND c.target_id = f._id
        LEFT JOIN {known} AS b ON b._id = f._id
        LEFT JOIN ({copies}) AS o ON o.id = f._id
        LEFT JOIN (SELECT DISTINCT target_id FROM {journalled}) AS j ON j.target_id = f._id
        WHERE what IS NOT NULL""",
    )
    compared = int(evidence.one(f"SELECT count(*) AS n FROM {found}"))
    by = {
        str(row["what"]): int(row["n"])
        for row in evidence.rows(f"SELECT what, count(*) AS n FROM {odd} GROUP BY what ORDER BY what")
    }
    kept = evidence.keep(
        f"{ID}.{each.name}",
        f"""SELECT key, id,
        CASE WHEN what IN ('twin', 'copy') THEN '{Class.TWIN}' ELSE '{Class.EXTRA}' END AS class,
        CASE what WHEN 'side record' THEN '{KNOWN}' WHEN 'side record, not journalled' THEN '{WARN}'
            ELSE '{FAIL}' END AS grade,
        id AS found, stamp, made_by, what FROM {odd} ORDER BY what, key, id""",
    )
    twins, strays, copied = by.get("twin", 0), by.get("stray", 0), by.get("copy", 0)
    late, sides = by.get("side record, not journalled", 0), by.get("side record", 0)
    decisions = []
    if not compared:
        verdict, summary = Verdict.EMPTY, "The target holds no record of this object."
    elif twins or strays or copied:
        verdict = Verdict.FAIL
        summary = (
            f"{twins:,} records share a migration key, {strays:,} carry a key that the journal doesn't know, "
            f"{copied:,} are copies of ours."
        )
    elif late:
        verdict, summary = (
            Verdict.WARN,
            f"{late:,} records were made by automations since the load's last look.",
        )
    else:
        verdict = Verdict.PASS
        made = f"; {sides:,} made by the target itself are journalled" if sides else ""
        summary = f"{compared:,} records looked at: no twin, no stray{made}."
    if twins or strays or copied:
        decisions.append(
            Decision(
                Verdict.FAIL, f"{twins + strays + copied:,} twins, copies and strays in {object}",
                owner="Migration engineer",
                where="Merge or delete copies in the target; a rollback of this attempt removes the others"
                if copied
                else "A rollback of this attempt removes them", command=f"migrate diff {ID}.{each.name}",
            )
        )  # fmt: skip
    elif late:
        decisions.append(
            Decision(
                Verdict.WARN, f"{late:,} {object} made by automations of the target, not yet journalled",
                owner="Migration engineer", command="migrate load",
            )
        )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {object}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={
                "records looked at": compared,
                "twins": twins,
                "strays": strays,
                "copies": copied,
                "side records, journalled": sides,
                "side records, not journalled": late,
            },
            decisions=tuple(decisions),
        )
    )


def _copies(evidence: Evidence, object: str) -> str:
    """A query (id, of) of records without a key of ours that hold the old id of one that has it."""
    fields = evidence.target_schema(object).fields
    names = dict.fromkeys(
        each.key.old_id
        for each in evidence.plan.model.objects
        if each.target == object and each.key.old_id in fields
    )
    found, family = evidence.found(object), text(f"{evidence.source.family}.")
    selects = [
        f"""SELECT f._id AS id, min(o._key) AS of FROM {found} AS f
        JOIN {found} AS o ON o.{column} = f.{column} AND starts_with(o._key, {family})
        WHERE f.{column} <> '' AND NOT coalesce(starts_with(f._key, {family}), false) GROUP BY f._id"""
        for column in (identifier(str(name)) for name in names)
    ]
    none = "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS of WHERE false"
    return f"SELECT id, min(of) AS of FROM ({' UNION ALL '.join(selects) or none}) GROUP BY id"
