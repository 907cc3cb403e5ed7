"""Which records does a field lead to? Ids of the source become migration keys, moved to survivors.

A reference holds the key of one record: of the entry that its plan names, or, where it names several, of
the one whose extract holds the id. What is gathered holds a list: the keys of all records of an entry whose
own reference leads to this record, in the order of the keys. A record that was merged stands for its
survivor, on either side; a gathered record that was skipped or rejected isn't in the list, for its end is
told at its own entry. Whether the other record is in the target is asked by the load.
"""

from __future__ import annotations

from migrate.engine import identifier
from migrate.plan.expressions import OWN_ID
from migrate.stages.transform.current import current
from migrate.stages.transform.work import Column, ObjectWork, Work, followed


def reference(work: Work, column: Column, value: str, alias: str) -> tuple[str, str]:
    """(key, join) of a reference column, in SQL.

    Args:
        value: the source's id.
        alias: for the join's table.
    """
    entries = [work.objects[name] for name, _ in column.leads]
    value = f"nullif(trim({value}), '')"
    key = entries[0].key(value)
    if len(entries) > 1:
        cases = " ".join(f"WHEN {value} IN ({_held(work, each)}) THEN {each.key(value)}" for each in entries)
        key = f"CASE {cases} ELSE {key} END"
    merged = " UNION ALL ".join(followed(work, each) for each in entries)
    return f"coalesce({alias}.survivor, {key})", f"LEFT JOIN ({merged}) AS {alias} ON {alias}._key = {key}"


def _held(work: Work, each: ObjectWork) -> str:
    """Ids of the records that an entry takes: in its extract, and not another part's."""
    return (
        f"SELECT _id FROM {current(work, each.source)} WHERE _id NOT IN "
        f"(SELECT _id FROM {each.table('skipped')})"
    )


def gathered(work: Work, each: ObjectWork, column: Column, alias: str) -> tuple[str, str]:
    """(list of keys, join) of a column that gathers, in SQL; the list is null where there is none."""
    found = " UNION ALL ".join(_of_entry(work, each, work.objects[name], str(theirs))
                               for name, theirs in column.leads)  # fmt: skip
    listed = f"SELECT parent, list_sort(list(DISTINCT child)) AS children FROM ({found}) GROUP BY parent"
    return f"{alias}.children", f"LEFT JOIN ({listed}) AS {alias} ON {alias}.parent = v._key"


def _of_entry(work: Work, each: ObjectWork, other: ObjectWork, theirs: str) -> str:
    """(parent, child) keys: every record of an entry that is to be in the target, with whom it leads to."""
    column = OWN_ID if theirs == OWN_ID else identifier(theirs)
    parent = each.key(f"nullif(trim(s.{column}), '')")
    return f"""SELECT coalesce(p.survivor, {parent}) AS parent, c.child
        FROM {current(work, other.source)} AS s JOIN (
            SELECT _id, _key AS child FROM {other.live}
            UNION ALL SELECT _id, survivor FROM {other.table("merged")}) AS c ON c._id = s._id
        LEFT JOIN ({followed(work, each)}) AS p ON p._key = {parent}
        WHERE nullif(trim(s.{column}), '') IS NOT NULL"""
