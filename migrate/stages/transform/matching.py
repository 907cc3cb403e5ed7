"""Which records that stood in the target before are adopted instead of making a twin?

A match is decided once, against the baseline, and one to one. Fields are tried in the plan's order;
a record is matched by the first field that finds anything. Several target records for one source
record, or several source records for one target record, are nobody's to guess: all of them are
rejected with the ids. A record that was staged or moved before keeps what it has.
"""

from __future__ import annotations

from migrate.engine import identifier, parquet, text
from migrate.errors import UsageError
from migrate.stages.transform.dedupe import normal
from migrate.stages.transform.work import ObjectWork, Work, filled

LISTED = 20  # ids that a message names


def match(work: Work, each: ObjectWork) -> None:
    """Fill `matches` (`_key`, `target_id`, `field`, `value`) and the mistakes of ambiguous ones.

    Raises:
        UsageError: the target's records haven't been extracted.
    """
    matches, mistakes = each.table("matches"), each.table("mistakes")
    types = {"_key": "VARCHAR", "target_id": "VARCHAR", "field": "VARCHAR", "value": "VARCHAR"}
    work.run(f"CREATE TABLE {matches} ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
    work.run(f"CREATE TABLE {each.table('before')} AS SELECT * FROM {matches}")
    for _, manifest in work.earlier("matches", each.name):
        work.run(f"INSERT INTO {each.table('before')} SELECT * FROM {work.scan(manifest, types)}")
    if not each.plan.match:
        return
    columns = [column for name in each.plan.match for column in each.columns if column.name == name]
    snapshot = work.needed(f"target/{each.plan.target}/snapshot", f"extract --object {each.source}")
    base, family = each.table("base"), f"{work.source.family}."
    if work.store.files(snapshot):
        found = ", ".join(
            f"{normal(f'CAST({identifier(c.name)} AS {c.type})', c)} AS {c.sql}" for c in columns
        )
        work.run(
            f"CREATE TABLE {base} AS SELECT _id, {found} FROM {parquet(work.store.files(snapshot))} "
            f"WHERE NOT starts_with(coalesce(_key, ''), {text(family)})"
        )
    else:
        found = ", ".join(f"NULL::VARCHAR AS {column.sql}" for column in columns)
        work.run(f"CREATE TABLE {base} AS SELECT NULL::VARCHAR AS _id, {found} WHERE false")
    if len({c.name for c in columns}) < len(set(each.plan.match)):
        raise UsageError(
            f"`match` of `{each.name}` names a field that the plan doesn't fill", "Map it under `fields`."
        )
    for column in columns:
        _by(work, each, column.sql, column.name, normal(f"v.{column.sql}", column))
    work.run(f"DELETE FROM {matches} WHERE _key IN (SELECT _key FROM {mistakes})")


def _by(work: Work, each: ObjectWork, sql: str, name: str, same: str) -> None:
    matches, found = each.table("matches"), each.table(f"found_{sql}")
    taken = (
        f"SELECT target_id, _key FROM {matches} UNION ALL SELECT target_id, _key FROM {each.table('before')} "
        f"UNION ALL SELECT target_id, key FROM {work.schema}.crosswalk "
        f"WHERE {each.owns('key')}"
    )
    # The join comes first: what it finds is small, and the exclusions are then cheap in memory.
    work.run(
        f"CREATE TABLE {found}_all AS SELECT v._key, v._id, {same} AS same, b._id AS target_id "
        f"FROM {each.table('values')} AS v JOIN {each.table('base')} AS b ON b.{sql} = {same} "
        f"WHERE {filled(same)}"
    )
    excluded = " ".join(
        f"ANTI JOIN {each.table(what)} USING (_key)"
        for what in ("mistakes", "merged", "known", "matches", "before")
    )
    work.run(
        f"""CREATE TABLE {found} AS
        SELECT *, count(*) OVER (PARTITION BY _key) AS targets,
            count(*) OVER (PARTITION BY target_id) AS sources
        FROM (SELECT v.*, coalesce(t._key, '') AS taken FROM (SELECT * FROM {found}_all {excluded}) AS v
            LEFT JOIN (SELECT target_id, min(_key) AS _key FROM ({taken}) GROUP BY target_id) AS t
            USING (target_id))"""
    )
    sources = (
        f"SELECT target_id, array_to_string(list_slice(list_sort(list(_key)), 1, {LISTED}), ', ') AS keys "
        f"FROM {found} GROUP BY target_id"
    )
    work.run(
        f"""INSERT INTO {each.table("mistakes")}
        SELECT _key, any_value(_id), {text(name)}, 'ambiguous_match', any_value(same),
            CASE WHEN max(targets) > 1 THEN 'several target records have this value: '
                    || array_to_string(list_slice(list_sort(list(target_id)), 1, {LISTED}), ', ')
                WHEN max(taken) <> ''
                    THEN 'target record ' || any_value(target_id) || ' belongs to ' || max(taken)
                ELSE 'several source records match target record ' || any_value(target_id) || ': '
                    || any_value(keys) END
        FROM {found} JOIN ({sources}) USING (target_id)
        GROUP BY _key HAVING max(targets) > 1 OR max(sources) > 1 OR max(taken) <> ''"""
    )
    work.run(
        f"INSERT INTO {matches} SELECT _key, target_id, {text(name)}, same FROM {found} "
        f"ANTI JOIN {each.table('mistakes')} USING (_key)"
    )
