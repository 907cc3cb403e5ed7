"""Is everybody who said no in the source opted out in the target? Read again by address; one missing is red.

What should be there is worked out from the extracted records and the plan's conditions, not from what was
staged by address for the load. Opted out must be: the own address of everybody who said no; the address that
each of our target records has *now*, if its source record, or one that was merged into it, said no; and the
field of the record, where a no is kept there. More opt-outs than the source has are no fault. What is missing
counts only when a second look still doesn't find it. No tolerance waives one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from migrate.catalog import ANY
from migrate.connector import ALL, CONSENT, KeepsConsent
from migrate.engine import identifier, text
from migrate.errors import Position
from migrate.plan import Expression, SubscriptionMap, parse_expression
from migrate.stages.crosswalk import current_ids, latest_ready, rows_of
from migrate.types import duckdb_type
from migrate_validators.classes import Class
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.expected import columns_of
from migrate_validators.model import Decision, Result, Verdict, many

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan
    from migrate.plan.optouts import ConsentPlan

ID = CONSENT
TITLE = "Everybody who said no is opted out"
LOT = 1_000
WANTED = {"channel": "VARCHAR", "address": "VARCHAR", "subscription": "VARCHAR", "key": "VARCHAR"}
_STATED = pa.schema(
    [(name, pa.string()) for name in ("channel", "address", "subscription", "status")]
    + [("out", pa.bool_())]
)  # fmt: skip


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a source object that keeps opt-outs, or whose records keep them in the target."""
    chosen = {each.source for each in evidence.objects}
    planned = {each.source for each in evidence.plan.model.objects}
    sources = dict.fromkeys(each.source for each in evidence.plan.model.consent)
    sources |= dict.fromkeys(each.source for each in evidence.objects if any(_kept(evidence, each)))
    for source in sources:
        if source in chosen or source not in planned:
            yield _source(evidence, source)


def _source(evidence: Evidence, source: str) -> Result:
    wanted = evidence.table(f"consent {source}", f"SELECT {_nulls(WANTED)} WHERE false")
    fields = evidence.table(
        f"consent fields {source}", f"SELECT {_nulls({'key': '', 'field': '', 'status': ''})} WHERE false"
    )
    left = records = flags = 0
    for index, each in enumerate(evidence.plan.model.consent):
        if each.source != source:
            continue
        said = _said_no(evidence, index, each)
        records = max(records, said.records)
        if each.leave is not None:
            left += int(evidence.one(f"SELECT count(*) AS n FROM {said.table}"))
        elif each.field is not None:
            flags += _missing_flags(evidence, each.field, source, _keys(evidence, source, said.table), fields)
        else:
            _want(evidence, each, said.table, wanted)
    for entry in evidence.plan.model.objects:
        if entry.source == source:
            for name in _kept(evidence, entry):
                records = max(records, _looked_through(evidence, entry, name))
                flags += _missing_flags(evidence, name, source, _staged(evidence, entry, name), fields)
    lacking = _lacking(evidence, source, wanted)
    expected = int(evidence.one(f"SELECT count(*) AS n FROM {wanted}")) + flags
    kept = evidence.keep(
        f"{ID}.{source}",
        f"""SELECT key, what AS field, '{Class.OPT_OUT}' AS class, 'opted out' AS expected,
            status AS found, address FROM (
                SELECT key, concat_ws(' ', channel, subscription, address) AS what, address, status
                FROM {lacking} UNION ALL SELECT key, field AS what, NULL AS address, status FROM {fields})
        ORDER BY ALL""",
    )
    figures = {
        "opt-outs that must be there": expected,
        "by address": expected - flags,
        "in fields of records": flags,
        "missing": kept.row_count,
        "left behind, as the plan says": left,
    }
    summary = (
        f"{kept.row_count:,} of {many(expected, 'opt-out')} aren't in the target: these can be written to."
        if kept.row_count
        else f"All {many(expected, 'opt-out')} are in the target."
        if expected
        else f"Nobody among {many(records, 'record')} said no."
    )
    decision = Decision(
        Verdict.FAIL, f"{many(kept.row_count, 'opt-out')} of {source} missing", owner="Data protection",
        where="Nobody may be written to until they are there", command=f"migrate diff {ID}.{source}",
    )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{source}",
            check=ID,
            object=source,
            title=TITLE,
            verdict=Verdict.FAIL if kept.row_count else Verdict.PASS,
            summary=summary,
            compared=records + expected,
            figures=figures,
            tolerance="none, and none can be set",
            decisions=(decision,) if kept.row_count else (),
        )
    )


def _nulls(columns: Mapping[str, str]) -> str:
    return ", ".join(f"NULL::VARCHAR AS {identifier(name)}" for name in columns)


# -- who said no ------------------------------------------------------------------------------


class _Said:
    """A table (`_id`, `addresses`, `topic`) of who said no, and how many records were looked at."""

    def __init__(self, table: str, records: int) -> None:
        self.table, self.records = table, records


def _said_no(evidence: Evidence, index: int, each: ConsentPlan) -> _Said:
    fields = evidence.source.objects[each.source].fields

    def parse(written: str) -> Expression:
        return parse_expression(written, fields, Position("plan.yaml"), owner=each.source)

    no = parse(each.opted_out)
    address = parse(each.address) if each.address is not None else None
    topic = parse(each.subscription.from_) if isinstance(each.subscription, SubscriptionMap) else None
    inputs = dict.fromkeys(name for one in (no, address, topic) if one for name in one.inputs)
    types = {
        name: duckdb_type(fields[name].kind, fields[name].precision, fields[name].scale) for name in inputs
    }
    stamp = evidence.source.objects[each.source].stamp
    manifests = evidence.store.manifests("source", each.source)
    wanted = {"_id": "VARCHAR", **types, **({stamp: "TIMESTAMPTZ"} if stamp and stamp not in types else {})}
    order = f"{identifier(stamp)} DESC NULLS LAST, _gen DESC" if stamp else "_gen DESC"
    rows = evidence.table(
        f"consent rows {index}",
        f"""SELECT * FROM {rows_of(evidence.store, manifests, wanted, generation=True)}
        WHERE _id IN {current_ids(evidence.store, each.source, stamp)}
        QUALIFY row_number() OVER (PARTITION BY _id ORDER BY {order}) = 1""",
    )
    # A condition that raises for a record counts as a no.
    says = f"coalesce(TRY(struct_pack(v := coalesce(CAST(({no.sql}) AS BOOLEAN), false))).v, true)"
    table = evidence.table(
        f"consent said {index}",
        f"""SELECT _id, TRY(CAST(({_many(evidence, each, address)}) AS VARCHAR[])) AS addresses,
            TRY(CAST(({topic.sql if topic else "NULL"}) AS VARCHAR)) AS topic FROM {rows} WHERE {says}""",
    )
    return _Said(table, int(evidence.one(f"SELECT count(*) AS n FROM {rows}")))


def _many(evidence: Evidence, each: ConsentPlan, address: Expression | None) -> str:
    """Addresses as a list, whether the expression gives one text or a list of them."""
    if address is None:
        return "[]"
    fields = evidence.source.objects[each.source].fields
    used = {name: fields[name] for name in address.inputs}
    kind = evidence.engine.describe({"x": address.sql}, used)["x"]
    return address.sql if kind.endswith("[]") else f"[{address.sql}]"


def _keys(evidence: Evidence, source: str, said: str) -> str:
    """A query of the migration keys that stand for these people: their own, or their survivors'."""
    return f"""SELECT DISTINCT coalesce(nullif(survivor, ''), key) AS key FROM {evidence.ends}
        WHERE source_object = {text(source)} AND source_id IN (SELECT _id FROM {said})"""


def _want(evidence: Evidence, each: ConsentPlan, said: str, wanted: str) -> None:
    """Addresses of who said no, and those that their records have in the target now."""
    kind = _subscription(evidence, each)
    prefix = text(f"{evidence.source.family}.{each.source}.")
    channel = text(each.channel)
    evidence.engine.run(
        f"""INSERT INTO {wanted} SELECT {channel}, lower(trim(one)), {kind}, {prefix} || _id
        FROM (SELECT *, unnest(addresses) AS one FROM {said}) WHERE trim(coalesce(one, '')) <> ''"""
    )
    keeps = evidence.target.preferences
    for entry in evidence.plan.model.objects:
        name = keeps.addresses.get(entry.target) if keeps else None
        if entry.source != each.source or name is None:
            continue
        if name not in evidence.snapshots[entry.target].schema:
            continue
        evidence.engine.run(
            f"""INSERT INTO {wanted}
            SELECT DISTINCT {channel}, lower(trim(f.{identifier(name)})), {kind}, f._key
            FROM {evidence.found(entry.target)} AS f
            JOIN {evidence.ends} AS e ON coalesce(nullif(e.survivor, ''), e.key) = f._key
            JOIN {said} AS s ON s._id = e.source_id
            WHERE e.source_object = {text(each.source)} AND trim(coalesce(f.{identifier(name)}, '')) <> ''"""
        )


def _subscription(evidence: Evidence, each: ConsentPlan) -> str:
    """SQL of the subscription type's id, by the plan and its map; what has no home there means everything."""
    keeps = evidence.target.preferences
    ids = {one.name: one.id for one in keeps.subscriptions} if keeps else {}
    if not isinstance(each.subscription, SubscriptionMap):
        return text(ALL if each.subscription == "all" else ids.get(each.subscription, each.subscription))
    homes = evidence.plan.picklist(each.subscription.picklist).home
    cases = " ".join(
        f"WHEN {text(value)} THEN {text(ALL if home == 'all' else ids.get(home, home))}"
        for value, home in homes.items()
        if home
    )
    return f"CASE topic {cases} ELSE {text(ALL)} END" if cases else text(ALL)


# -- what the target holds --------------------------------------------------------------------


def _lacking(evidence: Evidence, source: str, wanted: str) -> str:
    """A table of the wanted opt-outs that the target doesn't hold, also on a second look."""
    evidence.engine.run(
        f"CREATE OR REPLACE TABLE {wanted} AS SELECT channel, address, subscription, min(key) AS key "
        f"FROM {wanted} GROUP BY ALL"
    )
    stated = evidence.table(
        f"consent stated {source}", f"SELECT {_nulls(_texts())}, false AS out WHERE false"
    )
    missing = f"""SELECT w.*, coalesce(s.status, 'not specified') AS status FROM {wanted} AS w
        LEFT JOIN (SELECT channel, address, subscription, any_value(status) AS status FROM {stated}
            GROUP BY ALL) AS s USING (channel, address, subscription)
        WHERE NOT EXISTS (SELECT 1 FROM {stated} AS o WHERE o.out AND o.channel = w.channel
            AND o.address = w.address AND o.subscription IN ({text(ALL)}, w.subscription))"""
    _read(evidence, source, stated, f"SELECT DISTINCT channel, address FROM {wanted} ORDER BY ALL")
    lacking = evidence.table(f"consent lacking {source}", missing)
    if evidence.one(f"SELECT count(*) AS n FROM {lacking}"):
        evidence.clock.sleep(evidence.connector.limits.settle)
        evidence.engine.run(
            f"DELETE FROM {stated} WHERE (channel, address) IN (SELECT (channel, address) FROM {lacking})"
        )
        _read(evidence, source, stated, f"SELECT DISTINCT channel, address FROM {lacking} ORDER BY ALL")
        lacking = evidence.table(f"consent lacking {source}", missing)
    return lacking


def _texts() -> dict[str, str]:
    return {name: "VARCHAR" for name in _STATED.names if name != "out"}


def _read(evidence: Evidence, source: str, stated: str, query: str) -> None:
    """Ask the target for what it keeps of these addresses, a lot at a time."""
    connector = evidence.connector
    if not isinstance(connector, KeepsConsent):
        return
    done = 0
    for batch in evidence.engine.stream(query, rows=LOT):
        by_channel: dict[str, list[str]] = {}
        for row in batch.to_pylist():
            by_channel.setdefault(row["channel"], []).append(row["address"])
        found = [
            {"channel": one.channel, "address": one.address, "subscription": one.subscription,
             "status": one.values.get("status") or "", "out": one.out}
            for channel, addresses in by_channel.items()
            for one in connector.read_consent(channel, addresses)
        ]  # fmt: skip
        done += batch.num_rows
        evidence.progress(f"read opt-outs of {source}", done, 0)
        evidence.engine.insert(stated, pa.Table.from_pylist(found, schema=_STATED))


# -- fields of records ------------------------------------------------------------------------


def _kept(evidence: Evidence, each: ObjectPlan) -> Iterator[str]:
    """Target fields of an entry that keep a no."""
    fields = evidence.target_schema(each.target).fields
    yield from (name for name in each.fields if name in fields and fields[name].consent is not None)


def _staged(evidence: Evidence, entry: ObjectPlan, name: str) -> str:
    """A query of the keys whose staged value says no."""
    field = evidence.target_schema(entry.target).fields[name]
    if name not in columns_of(evidence, entry):
        return "SELECT NULL::VARCHAR AS key WHERE false"
    staged = latest_ready(evidence.store, entry.name, {name: sql_type(field)})
    return f"SELECT _key AS key FROM {staged} WHERE {says_no(field, identifier(name))}"


def _looked_through(evidence: Evidence, entry: ObjectPlan, name: str) -> int:
    """How many staged records were looked through for a no in this field."""
    if name not in columns_of(evidence, entry):
        return 0
    return int(evidence.one(f"SELECT count(*) AS n FROM {latest_ready(evidence.store, entry.name, {})}"))


def _missing_flags(evidence: Evidence, name: str, source: str, keys: str, into: str) -> int:
    """Add the records whose field should say no and doesn't; returns how many should."""
    expected = 0
    for entry in evidence.plan.model.objects:
        field = evidence.target_schema(entry.target).fields.get(name)
        if entry.source != source or name not in entry.fields or field is None:
            continue
        should = f"(SELECT DISTINCT key FROM ({keys}))"
        found = evidence.found(entry.target)
        expected += int(
            evidence.one(f"SELECT count(*) AS n FROM {found} AS f JOIN {should} AS k ON k.key = f._key")
        )
        evidence.engine.run(
            f"""INSERT INTO {into} SELECT f._key, {text(f"{entry.target}.{name}")},
                coalesce(CAST(f.{identifier(name)} AS VARCHAR), 'not specified')
            FROM {found} AS f JOIN {should} AS k ON k.key = f._key
            WHERE NOT {says_no(field, f"f.{identifier(name)}")}
            AND f._key NOT IN (SELECT key FROM {into} WHERE field = {text(f"{entry.target}.{name}")})"""
        )
    return expected


def says_no(field: Field, value: str) -> str:
    """SQL: whether a value of a field that keeps a no says it."""
    as_text = f"coalesce(CAST({value} AS VARCHAR), '')"
    if field.consent is None:
        return "false"
    if ANY in field.consent.out:
        return f"({as_text} <> '')"
    return f"({as_text} IN ({', '.join(map(text, field.consent.out))}))"
