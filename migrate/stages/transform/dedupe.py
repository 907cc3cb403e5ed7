"""Which source records are one, who of them survives, and which would still collide in the target?

Every record ends once: a group's survivor goes on, its losers are merged into it or rejected. A
record that was staged or moved before stays a survivor; two such records are never merged, since
the target holds both. Records with a mistake take no part: they are rejected, and join their
group when they are mended.

Order within a group, after records that were moved before: `newest` and `oldest` by creation (by
stamp where the source keeps none), `fullest` by the number of target fields that have a value,
`most_recent_activity` by the day of the last activity, where the source keeps one, else as
`newest`. Ties go to the oldest record, then to the lower id, so that the outcome never varies.
"""

from __future__ import annotations

from migrate.catalog import ANY
from migrate.engine import text
from migrate.held import held_sql
from migrate.stages.transform.work import Column, ObjectWork, Work, as_text, filled

_AGE = "coalesce(_created, _stamp)"
_TIES = f"{_AGE} ASC NULLS LAST, _id"


def known(work: Work, each: ObjectWork) -> None:
    """Fill `prior` (`_key`, `hash`, `target_id`, `stamp`: staged in earlier generations, as last staged)
    and `known` (`_key`, `staged`, `target_id`: all that were staged earlier or stand in the crosswalk)."""
    types = {"_key": "VARCHAR", "_hash": "VARCHAR", "_target_id": "VARCHAR", "_deleted": "BOOLEAN"}
    staged = " UNION ALL ".join(
        f"SELECT *, {number} AS _gen FROM {work.scan(manifest, types)}"
        for number, manifest in work.earlier("ready", each.name)
    )
    empty = ", ".join(f"NULL::{kind} AS {name}" for name, kind in types.items())
    work.run(
        f"""CREATE TABLE {each.table("prior")} AS
        SELECT _key, last._hash AS hash, target_id FROM (
            SELECT _key, arg_max(struct_pack(_hash, _deleted), _gen) AS last,
                arg_max(_target_id, _gen) FILTER (_target_id IS NOT NULL) AS target_id
            FROM ({staged or f"SELECT {empty}, 0 AS _gen WHERE false"}) GROUP BY _key
        ) WHERE NOT last._deleted"""
    )
    work.run(
        f"""CREATE TABLE {each.table("known")} AS
        SELECT coalesce(p._key, c.key) AS _key, p._key IS NOT NULL AS staged, c.target_id
        FROM {each.table("prior")} AS p FULL JOIN
            (SELECT key, any_value(target_id) AS target_id FROM {work.schema}.crosswalk
             WHERE {each.owns("key")} GROUP BY key) AS c ON c.key = p._key"""
    )


def dedupe(work: Work, each: ObjectWork) -> None:
    """Fill `merged` (`_key`, `_id`, `survivor`, `rank`, `reason`) and give survivors what they lack."""
    merged, mistakes = each.table("merged"), each.table("mistakes")
    work.run(
        f"CREATE TABLE {merged} AS SELECT ''::VARCHAR AS _key, ''::VARCHAR AS _id, ''::VARCHAR AS survivor, "
        "0::BIGINT AS rank, ''::VARCHAR AS reason WHERE false"
    )
    rule = each.plan.dedupe
    if rule is None:
        return
    on = [f"d{index}" for index in range(len(rule.on))]
    groups = each.table("groups")
    work.run(
        f"""CREATE TABLE {groups} AS
        SELECT _key, _id, rank, survivor,
            rank > 1 AND is_known AND (target_id IS NULL OR target_id IS DISTINCT FROM first_id) AS torn
        FROM (SELECT *, first_value(_key) OVER g AS survivor, first_value(target_id) OVER g AS first_id,
                row_number() OVER g AS rank, count(*) OVER (PARTITION BY {", ".join(on)}) AS members
            FROM (SELECT v._key, v._id, v._created, v._stamp, v._activity,
                    {", ".join(f"v.{key}" for key in on)}, {_fullness(each)} AS fullness,
                    k._key IS NOT NULL AS is_known, coalesce(k.staged, false) AS staged, k.target_id
                FROM {each.live} AS v LEFT JOIN {each.table("known")} AS k USING (_key)
                WHERE {" AND ".join(filled(f"v.{key}") for key in on)})
            WINDOW g AS (
                PARTITION BY {", ".join(on)} ORDER BY staged DESC, is_known DESC, {_order(rule.keep)}))
        WHERE members > 1"""
    )
    words = f"same {', '.join(rule.on)}; keeps the {rule.keep.replace('_', ' ')}"
    work.run(
        f"INSERT INTO {mistakes} SELECT _key, _id, 'dedupe', 'duplicate', survivor, "
        f"{text(words)} || '; both were moved before they became one' FROM {groups} WHERE torn"
    )
    work.run(f"DELETE FROM {groups} WHERE torn")
    if rule.losers == "reject":
        work.run(
            f"INSERT INTO {mistakes} SELECT _key, _id, 'dedupe', 'duplicate', survivor, {text(words)} "
            f"FROM {groups} WHERE rank > 1"
        )
        return
    work.run(
        f"INSERT INTO {merged} SELECT _key, _id, survivor, rank, {text(words)} FROM {groups} WHERE rank > 1"
    )
    _fill(work, each, groups)


def _order(keep: str) -> str:
    newest = f"{_AGE} DESC NULLS LAST"
    first = {
        "newest": newest,
        "oldest": f"{_AGE} ASC NULLS LAST",
        "fullest": "fullness DESC",
        "most_recent_activity": f"_activity DESC NULLS LAST, {newest}",
    }[keep]
    return f"{first}, {_TIES}"


def _fullness(each: ObjectWork) -> str:
    counted = [f"CAST(v.{c.sql} IS NOT NULL AS INTEGER)" for c in each.columns if c.sql.startswith("f")]
    return " + ".join(counted) or "0"


def _fill(work: Work, each: ObjectWork, groups: str) -> None:
    """Give a survivor's empty fields the values of its losers, in the order of the group.

    A former owner goes with the owner: it is taken only together with the owner of the same record.
    """
    fill = each.table("fill")
    filled_from: list[str] = []
    for column in each.columns:
        if column.former_of:
            owner = column.former_of
            filled_from.append(
                f"arg_min_null(v.{column.sql}, rank) FILTER (v.{owner} IS NOT NULL) AS {column.sql}"
            )
        elif column.sql.startswith("f"):
            filled_from.append(f"{_first(column)} AS {column.sql}")
    names = [c.sql for c in each.columns if c.sql.startswith(("f", "w"))]
    if not names:
        return
    work.run(
        f"CREATE TABLE {fill} AS SELECT survivor AS _key, {', '.join(filled_from)} "
        f"FROM {groups} AS g JOIN {each.table('values')} AS v USING (_key) GROUP BY survivor"
    )
    sets = ", ".join(f"{name} = s.{name}" for name in names)
    work.run(f"UPDATE {each.table('values')} AS v SET {sets} FROM {fill} AS s WHERE v._key = s._key")


def required(work: Work, each: ObjectWork) -> None:
    """Reject survivors without a value that the target requires."""
    for column in each.columns:
        if column.field.required and column.sql.startswith("f") and not column.many:
            work.run(
                f"INSERT INTO {each.table('mistakes')} "
                f"SELECT _key, _id, {text(column.name)}, 'required', NULL, "
                f"'the target takes no record without it' FROM {each.live} WHERE {column.sql} IS NULL"
            )


def _first(column: Column) -> str:
    """The value of the first of a group that has one; of a field that keeps opt-outs, any no."""
    first = f"arg_min(v.{column.sql}, rank)"
    consent = column.field.consent
    if consent is None:
        return first
    if ANY in consent.out:
        return first
    no = f"CAST(v.{column.sql} AS VARCHAR) IN ({', '.join(map(text, consent.out))})"
    return f"coalesce(arg_min(v.{column.sql}, rank) FILTER ({no}), {first})"


def normal(sql: str, column: Column) -> str:
    """A value as records are compared by it: as the target holds it, lower case, trimmed."""
    return f"lower(trim({held_sql(column.field.held, as_text(sql, column.type))}))"


def collisions(work: Work, each: ObjectWork) -> None:
    """Reject all but one of the records that would have the same value in a unique target field."""
    for column in each.columns:
        if not column.field.unique or not column.sql.startswith("f"):
            continue
        same = normal(f"v.{column.sql}", column)
        work.run(
            f"""INSERT INTO {each.table("mistakes")}
            SELECT _key, _id, {text(column.name)}, 'duplicate', value,
                'unique in the target, and ' || first || ' has the same value'
            FROM (SELECT _key, _id, value, row_number() OVER g AS place, first_value(_key) OVER g AS first
                FROM (SELECT v._key, v._id, v._created, v._stamp, {same} AS same,
                        {as_text(f"v.{column.sql}", column.type)} AS value,
                        coalesce(k.staged, false) AS staged, k._key IS NOT NULL AS is_known
                    FROM {each.live} AS v LEFT JOIN {each.table("known")} AS k USING (_key)
                    WHERE {filled(same)})
                WINDOW g AS (PARTITION BY same ORDER BY staged DESC, is_known DESC, {_TIES}))
            WHERE place > 1"""
        )


def follow(work: Work, each: ObjectWork) -> None:
    """Reject losers whose survivor is rejected: nothing of them would arrive."""
    merged, mistakes = each.table("merged"), each.table("mistakes")
    work.run(
        f"INSERT INTO {mistakes} SELECT m._key, m._id, s.field, s.reason, m.survivor, "
        f"'is one with ' || m.survivor || ', which is rejected' FROM {merged} AS m JOIN "
        f"(SELECT _key, min(field) AS field, arg_min(reason, field) AS reason FROM {mistakes} GROUP BY _key) "
        "AS s "
        "ON s._key = m.survivor"
    )
    work.run(f"DELETE FROM {merged} WHERE _key IN (SELECT _key FROM {mistakes})")
