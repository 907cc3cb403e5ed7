"""Which addresses are to be opted out, of what, and whose are they?

Every record of a source object counts, whatever becomes of it: one that is merged into another, rejected or
skipped has an address too. Records that were merged are one person: if any of them said no, all their
addresses are opted out, those that the plan gives the survivor and those of the records it adopts included.

A condition that raises for a record counts as a no. A subscription type without a home means everything. Rows
are the addresses; a later generation has only those that no earlier one had, for nothing is ever taken back.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from migrate.connector import ALL, CONSENT
from migrate.engine import identifier, parquet, text
from migrate.load.consent import ADDRESSES
from migrate.plan import Expression
from migrate.stages.checked import CheckedConsent
from migrate.stages.transform.current import current
from migrate.stages.transform.publish import publish
from migrate.stages.transform.work import ObjectWork, Work, attempt
from migrate.store import Manifest

# `keys`: migration keys of everybody whose address it is, with blanks between.
COLUMNS = {
    "_key": "VARCHAR",
    "address": "VARCHAR",
    "channel": "VARCHAR",
    "subscription": "VARCHAR",
    "legal_basis": "VARCHAR",
    "explanation": "VARCHAR",
    "since": "VARCHAR",
    "keys": "VARCHAR",
}


@dataclass(frozen=True)
class ConsentCounts:
    """One entry of the plan's `consent`: `records` that say no, `without` an address among them."""

    source: str
    home: str
    records: int
    without: int


def opt_outs(work: Work) -> list[ConsentCounts]:
    """Publish the addresses to opt out as `consent/addresses`; needs the survivors of every object.

    Returns:
        The counts by entry of the plan, in its order.
    """
    table = f"{work.schema}.consent"
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in COLUMNS.items())
    work.run(f"CREATE TABLE {table}_all ({columns})")
    counts = [_entry(work, each, table) for each in work.checked.consent]
    _publish(work, table, counts)
    return counts


def _entry(work: Work, each: CheckedConsent, table: str) -> ConsentCounts:
    one = f"{table}{each.index}"
    rows = current(work, each.schema.name)
    home = each.plan.field or ("leave" if each.plan.leave is not None else ADDRESSES)
    no = attempt(f"CAST(({each.opted_out.sql}) AS BOOLEAN)")
    value = _value(each.subscription_from) if each.subscription_from else "NULL::VARCHAR"
    work.run(
        f"""CREATE TABLE {one} AS SELECT _id, {value} AS subscription, {_value(each.explanation)} AS why,
            {_value(each.at)} AS since FROM (SELECT *, {no} AS _no FROM {rows})
        WHERE _no IS NULL OR coalesce(_no.v, false)"""
    )
    records = int(work.one(f"SELECT count(*) FROM {one}"))
    if each.address is None:
        return ConsentCounts(each.schema.name, home, records, 0)
    _people(work, each, one, rows)
    _addresses(work, each, one, rows)
    without = int(
        work.one(
            f"""SELECT count(*) FROM {one} JOIN {one}_people USING (_id)
            WHERE person NOT IN (SELECT person FROM {one}_addresses)"""
        )
    )
    subscription, join = _subscription(work, each, one)
    prefix = text(f"{work.source.family}.{each.schema.name}.")
    work.run(
        f"""INSERT INTO {table}_all BY NAME
        WITH everybody AS (
          SELECT person, string_agg({prefix} || _id, ' ' ORDER BY _id) AS keys
          FROM {one}_people GROUP BY person)
        SELECT {text(each.plan.channel + ":")} || {subscription} || ':' || address AS _key,
            address, {text(each.plan.channel)} AS channel, {subscription} AS subscription,
            {text(each.plan.legal_basis) if each.plan.legal_basis else "NULL"} AS legal_basis,
            o.why AS explanation, o.since, keys
        FROM {one} AS o JOIN {one}_people USING (_id) JOIN {one}_addresses USING (person)
        JOIN everybody USING (person) {join}"""
    )
    return ConsentCounts(each.schema.name, home, records, without)


def _value(expression: Expression | None) -> str:
    """An expression as text; null where there is none, or where it raises."""
    return f"({attempt(f'CAST(({expression.sql}) AS VARCHAR)')}).v" if expression else "NULL::VARCHAR"


def _subscription(work: Work, each: CheckedConsent, one: str) -> tuple[str, str]:
    """(the subscription type's id, the join that it needs), in SQL."""
    if each.subscriptions is None:
        return text(each.subscription or ALL), ""
    types = {"value": pa.string(), "home": pa.string()}
    homes = work.table_of(f"{one}_homes", types, sorted(each.subscriptions.items()))
    return f"coalesce(h.home, {text(ALL)})", f"LEFT JOIN {homes} AS h ON h.value = o.subscription"


def _works(work: Work, each: CheckedConsent) -> list[ObjectWork]:
    """The plan's entries of this source object."""
    return [one for one in work.objects.values() if one.source == each.schema.name]


def _people(work: Work, each: CheckedConsent, one: str, rows: str) -> None:
    """`<one>_people` (`_id`, `person`): all who are one with somebody who said no, by the survivor's id."""
    merged = " UNION ".join(
        f"""SELECT m._id, v._id AS person FROM {entry.table("merged")} AS m
        JOIN {entry.table("values")} AS v ON v._key = m.survivor"""
        for entry in _works(work, each)
    )
    none = "SELECT NULL::VARCHAR AS _id, NULL::VARCHAR AS person WHERE false"
    # One row a record: two entries of the plan may merge the same object's records in two ways.
    work.run(
        f"""CREATE TABLE {one}_merged AS
        SELECT _id, min(person) AS person FROM ({merged or none}) GROUP BY _id"""
    )
    work.run(
        f"""CREATE TABLE {one}_people AS
        WITH everybody AS (
          SELECT s._id, coalesce(m.person, s._id) AS person
          FROM (SELECT _id FROM {rows}) AS s LEFT JOIN {one}_merged AS m USING (_id))
        SELECT * FROM everybody WHERE person IN (
          SELECT person FROM everybody WHERE _id IN (SELECT _id FROM {one}))"""
    )


def _addresses(work: Work, each: CheckedConsent, one: str, rows: str) -> None:
    """`<one>_addresses` (`person`, `address`): every address of these people, in lower case."""
    assert each.address is not None  # noqa: S101 - the caller's condition
    sql = each.address.sql if each.many else f"[{each.address.sql}]"
    selects = [f"SELECT _id, unnest(({attempt(f'CAST({sql} AS VARCHAR[])')}).v) AS address FROM {rows}"]
    kept = work.target.preferences.addresses if work.target.preferences else {}
    for entry in _works(work, each):
        name = kept.get(entry.plan.target)
        column = next((column for column in entry.columns if column.name == name), None)
        if name is None or column is None:
            continue
        selects.append(f"SELECT _id, CAST({column.sql} AS VARCHAR) AS address FROM {entry.table('values')}")
        selects += _adopted(work, entry, name)
    work.run(
        f"""CREATE TABLE {one}_addresses AS
        SELECT DISTINCT person, lower(trim(address)) AS address
        FROM ({" UNION ALL ".join(selects)}) JOIN {one}_people USING (_id)
        WHERE trim(coalesce(address, '')) <> ''"""
    )


def _adopted(work: Work, entry: ObjectWork, name: str) -> list[str]:
    """The addresses of the target's own records that an object's records take over."""
    manifest = work.manifest(f"target/{entry.plan.target}/snapshot") if entry.plan.match else None
    files = work.store.files(manifest) if manifest is not None else []
    if not files or name not in pq.read_schema(files[0]).names:
        return []
    matched = f"""(SELECT _key, target_id FROM {entry.table("matches")}
        UNION SELECT _key, target_id FROM {entry.table("before")})"""
    return [
        f"""SELECT v._id, CAST(s.{identifier(name)} AS VARCHAR) AS address
        FROM {parquet(files)} AS s JOIN {matched} AS m ON m.target_id = s._id
        JOIN {entry.table("values")} AS v ON v._key = m._key"""
    ]


def _publish(work: Work, table: str, counts: list[ConsentCounts]) -> Manifest | None:
    """One row an address and type, the earliest no first; what an earlier generation has is left out."""
    if not work.checked.consent and not work.earlier(CONSENT, ADDRESSES):
        return None
    earlier = " UNION ALL ".join(
        work.scan(manifest, {"_key": "VARCHAR"}) for _, manifest in work.earlier(CONSENT, ADDRESSES)
    )
    known = f"WHERE _key NOT IN ({earlier})" if earlier else ""
    keys = "array_to_string(list_sort(list_distinct(flatten(list(string_split(keys, ' '))))), ' ')"
    sql = f"""SELECT _key, any_value(address) AS address, any_value(channel) AS channel,
        any_value(subscription) AS subscription, min(legal_basis) AS legal_basis,
        first(explanation ORDER BY explanation IS NULL, since, explanation) AS explanation,
        min(since) AS since,
        {keys} AS keys
        FROM {table}_all {known} GROUP BY _key ORDER BY _key"""
    facts = {"entries": [vars(each) for each in counts]}
    return publish(work, CONSENT, ADDRESSES, sql, COLUMNS, facts)
