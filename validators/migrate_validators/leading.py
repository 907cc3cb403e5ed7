"""Where does a field that holds a reference lead? To a migration key, told by the target's own records.

The journal is not asked: a target id is followed to the record that has it, as read now, and that record's
migration key is what is compared with the staged one. A record that isn't ours keeps its id, so that it is
never taken for one of ours; a staged reference whose record isn't in the target expects an empty field, for
what waits is told elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.types import Kind

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence


def leading(each: ObjectPlan) -> list[str]:
    """The target fields of an entry that lead to other records."""
    return [name for name, field in each.fields.items() if field.entries]


def expected(evidence: Evidence, each: ObjectPlan, name: str, staged: str) -> str:
    """SQL of what a field should show: the key that was staged (or a list of them), if its record is there.

    Args:
        staged: SQL of the staged key or list.
    """
    field, records = each.fields[name], _records(evidence, each, name)
    shows = "k._key" if field.id is None else "k._shows"
    if field.gather is None:
        return f"(SELECT any_value({shows}) FROM {records} AS k WHERE k._key = {staged})"
    return f"""(SELECT list_sort(list(DISTINCT {shows})) FROM {records} AS k
        JOIN (SELECT unnest({staged}) AS key) AS u ON u.key = k._key)"""


def found(evidence: Evidence, each: ObjectPlan, name: str, value: str, *, wire: bool = False) -> str:
    """SQL of what a field of the target shows: the key of the record whose id it holds.

    Args:
        value: SQL of the field's value.
        wire: it is a wire value (text), whatever the field's kind is.
    """
    field, records = each.fields[name], _records(evidence, each, name)
    kind = evidence.target_schema(each.target).fields[name].kind
    if field.gather is None:
        key = f"(SELECT any_value(k._key) FROM {records} AS k WHERE k._id = {value})"
        return f"nullif(coalesce({key}, {value}), '')" if field.id is None else f"nullif({value}, '')"
    listed = value if kind is Kind.MULTIPICKLIST and not wire else f"string_split({value}, ';')"
    each_one = "coalesce(k._key, u.id)" if field.id is None else "u.id"
    return f"""(SELECT list_sort(list(DISTINCT {each_one})) FROM (SELECT unnest({listed}) AS id) AS u
        LEFT JOIN {records} AS k ON k._id = u.id WHERE u.id <> '')"""


def _records(evidence: Evidence, each: ObjectPlan, name: str) -> str:
    """Table (_id, _key, _shows) of the records that a field may lead to, read anew."""
    field = each.fields[name]
    shows = "NULL::VARCHAR" if field.id is None else f"CAST({identifier(field.id)} AS VARCHAR)"
    targets = dict.fromkeys(evidence.plan.object(entry).target for entry in field.entries)
    known = f"leading {each.name} {name}"
    return evidence.once(
        ("leading", each.name, name),
        lambda: evidence.table(
            known,
            " UNION ALL ".join(
                f"SELECT _id, _key, {shows} AS _shows FROM {evidence.known(target)} WHERE _key IS NOT NULL"
                for target in targets
            ),
        ),
    )


def waiting(evidence: Evidence, each: ObjectPlan) -> str:
    """A query (_key, field, parent, cause) of fields that still wait for the record that they lead to."""
    manifest = evidence.store.manifest(f"unfilled/{each.name}/current")
    files = evidence.store.files(manifest) if manifest else []
    if not files:
        return "(SELECT '' AS _key, '' AS field, '' AS parent, '' AS cause WHERE false)"
    listed = ", ".join(map(text, files))
    return f"""(SELECT _key, field, parent, cause FROM read_parquet([{listed}])
        WHERE {evidence.looks_at("_key")})"""
