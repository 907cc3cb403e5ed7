"""What does each system say of every sale? One table, old and new side by side.

Old: the source's own fields, as extracted, of every record that the source has. New: the target's own fields,
read anew, of the records that bear our keys. Nothing that was staged or mapped comes between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from migrate.engine import identifier, text
from migrate.plan.terms import FiscalYear, fiscal_year
from migrate.stages.crosswalk import LOADED, latest_extracted
from migrate.stages.readback import from_wire
from migrate_validators.again import Values, read_again
from migrate_validators.evidence import Evidence, sql_type

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.plan.sales import Money, Side

AMOUNT = "DECIMAL(28, 10)"
SHARE = "DECIMAL(10, 6)"  # so that amount times share still fits DuckDB's 38 digits
MOST = 2_000  # sales that differ and are read again
COLUMNS = {"amount": AMOUNT, "currency": "VARCHAR", "name": "VARCHAR", "closed": "DATE", "state": "VARCHAR",
           "probability": SHARE}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """A figure that people know. `sql`: of one side's row, with `{side}` before each column."""

    id: str
    title: str
    needs: tuple[str, ...]
    sql: str


@dataclass(frozen=True)
class Books:
    """The sales of both systems.

    `table`: key, id, end, reason, moved (whether it was loaded as a record of its own), `old_there` and
    `new_there`, and `old_` and `new_` of each of `COLUMNS`, null where a system doesn't say. `measures`:
    those that both systems tell; `missing`: titles of the others, with the words that a side lacks. `again`:
    whether what differs was looked at twice. `assumed`: the source's currency is only assumed to be the
    target's.
    """

    table: str
    measures: tuple[Measure, ...]
    missing: tuple[tuple[str, str], ...]
    year: FiscalYear
    again: bool
    assumed: bool


def measures(year: FiscalYear) -> list[Measure]:
    """All figures, the whole amount first."""
    inside = f"{{side}}_closed >= DATE '{year.start}' AND {{side}}_closed < DATE '{year.end}'"

    def when(condition: str, what: str = "{side}_amount") -> str:
        return f"CASE WHEN {condition} THEN {what} END"

    return [
        Measure("all", "Everything", ("amount",), "{side}_amount"),
        Measure("open", "Open pipeline", ("open",), when("{side}_state = 'open'")),
        Measure("weighted", "Weighted pipeline", ("open", "probability"),
                when("{side}_state = 'open'", "{side}_amount * {side}_probability")),
        Measure("won", f"Won in fiscal year {year.name}", ("won", "closed"),
                when(f"{{side}}_state = 'won' AND {inside}")),
        Measure("lost", f"Lost in fiscal year {year.name}", ("lost", "closed"),
                when(f"{{side}}_state = 'lost' AND {inside}")),
    ]  # fmt: skip


def books(evidence: Evidence) -> Books | None:
    """The sales of both systems; None where the plan has none. Made once a validation."""
    money = evidence.money
    return None if money is None else evidence.once(("books",), lambda: _books(evidence, money))


def _books(evidence: Evidence, money: Money) -> Books:
    calendar = evidence.plan.model.calendar
    today = evidence.clock.now().astimezone(ZoneInfo(calendar.zone)).date()
    year = fiscal_year(today, calendar.fiscal_year_start)
    told, missing = [], []
    for one in measures(year):
        lacks = [
            f"{word} in the {which}"
            for which, side in (("source", money.source), ("target", money.target))
            for word in one.needs
            if not side.has(word)
        ]
        told += [] if lacks else [one]
        missing += [(one.title, ", ".join(lacks))] if lacks else []
    table = _table(evidence, money)
    again = _look_again(evidence, money, table, told)
    return Books(table, tuple(told), tuple(missing), year, again, evidence.source.currency is None)


def _table(evidence: Evidence, money: Money) -> str:
    each = money.entry
    old = evidence.table("money old", old_side(evidence, money))
    new = evidence.table("money new", _new(evidence, money, evidence.found(each.target)))
    listed = "".join(f", o.{name} AS old_{name}, n.{name} AS new_{name}" for name in COLUMNS)
    loaded = ", ".join(map(text, LOADED))
    return evidence.table(
        "money",
        f"""SELECT coalesce(e.key, n.key) AS key, coalesce(n.id, e.target_id) AS id,
        coalesce(e.outcome, 'unknown') AS "end", coalesce(e.reason, '') AS reason,
        coalesce(e.outcome IN ({loaded}), true) AS moved, o._id IS NOT NULL AS old_there,
        n.key IS NOT NULL AS new_there{listed}
        FROM (SELECT e.*, CASE WHEN outcome IN ({loaded}) THEN key END AS own FROM {evidence.ends} AS e
            WHERE entry = {text(each.name)} AND outcome <> 'unknown') AS e
        LEFT JOIN {old} AS o ON o._id = e.source_id
        FULL JOIN {new} AS n ON n.key = e.own AND n.copy = 1""",
    )


def old_side(evidence: Evidence, money: Money) -> str:
    """A query of `_id` and `COLUMNS` of every sale at the source, as it says them itself."""
    source = money.entry.source
    schema = evidence.source.objects[source]
    types = {name: sql_type(schema.fields[name]) for name in money.source.reads}
    newest = latest_extracted(evidence.store, source, types)
    currency = evidence.source.currency or evidence.target.currency
    return words(evidence, money.source, newest, "_id", currency)


def _new(evidence: Evidence, money: Money, rows: str) -> str:
    ours = f"(SELECT * FROM {rows} WHERE {evidence.owns(money.entry, '_key')})"
    told = words(evidence, money.target, ours, "_key, _id", evidence.target.currency)
    # A second record with the same key stands by itself: it has no old side.
    return f"""SELECT _key AS key, _id AS id, row_number() OVER (PARTITION BY _key ORDER BY _id) AS copy,
        * EXCLUDE (_key, _id) FROM ({told})"""


def words(evidence: Evidence, side: Side, rows: str, names: str, currency: str | None) -> str:
    """A query of `names` and `COLUMNS` of one side's rows (a table expression).

    Args:
        currency: of a sale that names none.
    """
    closed = side.sql.get("closed", "NULL::DATE")
    kind = evidence.rows(f"DESCRIBE SELECT {closed} AS c FROM {rows} AS r")[0]["column_type"]
    if str(kind) == "TIMESTAMP WITH TIME ZONE":
        closed = f"timezone({text(evidence.plan.model.calendar.zone)}, {closed})"
    states = " ".join(
        f"WHEN {side.sql[state]} THEN '{state}'" for state in ("won", "lost", "open") if state in side.sql
    )
    usual = text(currency) if currency else "NULL"
    told = {
        "amount": side.sql["amount"],
        "currency": f"coalesce(nullif(CAST({side.sql.get('currency', 'NULL')} AS VARCHAR), ''), {usual})",
        "name": side.sql.get("name", "NULL"),
        "closed": closed,
        "state": f"CASE {states} END" if states else "NULL",
        "probability": side.sql.get("probability", "NULL"),
    }
    listed = ", ".join(f"CAST({told[name]} AS {kind}) AS {name}" for name, kind in COLUMNS.items())
    return f"SELECT {names}, {listed} FROM {rows} AS r"


def _look_again(evidence: Evidence, money: Money, table: str, told: list[Measure]) -> bool:
    """Bring what differs to what the target says once it has settled; whether that was done."""
    differs = " OR ".join(
        f"({one.sql.format(side='old')}) IS DISTINCT FROM ({one.sql.format(side='new')})" for one in told
    )
    differs += " OR old_currency IS DISTINCT FROM new_currency"
    query = f"SELECT key, id FROM {table} WHERE moved AND id IS NOT NULL AND ({differs})"
    if int(evidence.one(f"SELECT count(*) FROM ({query})")) > MOST:
        return False
    rows = {str(row["id"]): str(row["key"]) for row in evidence.rows(query)}
    if not rows:
        return True
    schema = evidence.target_schema(money.entry.target)
    now = read_again(evidence, schema.name, list(rows), list(money.target.reads))
    again = evidence.table("money again", _new(evidence, money, _typed(evidence, money, schema, rows, now)))
    values = ", ".join(f"new_{name} = n.{name}" for name in COLUMNS)
    evidence.engine.run(f"UPDATE {table} AS t SET {values} FROM {again} AS n WHERE n.id = t.id")
    gone = ", ".join(text(id) for id in rows if id not in now) or "''"
    nothing = ", ".join(["new_there = false", *(f"new_{name} = NULL" for name in COLUMNS)])
    evidence.engine.run(f"UPDATE {table} SET {nothing} WHERE id IN ({gone})")
    return True


def _typed(
    evidence: Evidence,
    money: Money,
    schema: ObjectSchema,
    keys: dict[str, str],
    now: dict[str, Values],
) -> str:
    """Records that were read by id, as the target's rows: `_key`, `_id`, and the fields that are read."""
    rows = [{"_key": keys[id], "_id": id, **values} for id, values in now.items()]
    read = evidence.texts("money read", rows, ["_key", "_id", *money.target.reads])
    typed = "".join(
        f", {from_wire(identifier(name), schema.fields[name])} AS {identifier(name)}"
        for name in money.target.reads
    )
    return f"(SELECT _key, _id{typed} FROM {read})"
