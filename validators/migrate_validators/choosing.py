"""Which accounts are looked at whole? The most valuable ones, those of a list, and some at random.

The random ones are a simple random sample of the others: in the order of a hash of their keys and the plan's
seed, so that the same seed draws the same ones. What the strata lack is added behind, and isn't part of what
the sample proves. A record that was merged into another isn't an account of its own; one that is at home in
the target by now is its people's, and isn't chosen.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.errors import UsageError
from migrate.plan.expressions import parse_expression
from migrate.stages.crosswalk import latest_extracted
from migrate.types import Kind
from migrate_validators.books import AMOUNT, books
from migrate_validators.edges import edges_of, parents
from migrate_validators.evidence import Evidence, sql_type

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan

PIPELINE = "pipeline"
TOP, LISTED, SAMPLE, STRATUM = "top", "list", "sample", "stratum"


@dataclass(frozen=True)
class Chosen:
    """The accounts that are looked at.

    `table`: key, source_id, value, why (`top`, `list`, `sample`, `stratum`), nth, in the order of `nth`.
    `all`: table of every account: key, source_id, value. `worth`: what the value is, in words; empty where
    accounts have none. `unknown`: ids of the list that are no accounts. `home`: accounts that are at home in
    the target, of which none is looked at.
    """

    entry: ObjectPlan
    table: str
    all: str
    population: int
    worth: str
    currency: str
    unknown: tuple[str, ...]
    home: int = 0


def account_entry(evidence: Evidence) -> ObjectPlan | None:
    """The entry that the plan names; else the one to which most other entries lead; None where none does."""
    said = evidence.plan.model.validate_.high_value.entry
    if said is not None:
        return evidence.plan.object(said)
    leads = {each.name: parents(evidence, each) - {each.name} for each in evidence.plan.model.objects}
    counts = {
        each.name: sum(each.name in to for to in leads.values()) for each in evidence.plan.model.objects
    }
    best = max(counts, key=lambda name: counts[name], default=None)
    return evidence.plan.object(best) if best is not None and counts[best] else None


def choose(evidence: Evidence) -> Chosen | None:
    """The accounts of the plan's rule; None where the plan has no entry of accounts, or it isn't validated.

    Raises:
        UsageError: the list has no column `id`.
        PlanError: an expression isn't one over the entry's source fields.
    """
    each = account_entry(evidence)
    if each is None or each not in evidence.present:
        return None
    said = evidence.plan.model.validate_.high_value
    value, worth = _value(evidence, each)
    strata = "".join(f", s.{identifier(name)}" for name in said.strata)
    with_home = evidence.table(
        "spot with home",
        f"""SELECT e.key, e.source_id, coalesce(v.value, 0) AS value{strata}
        FROM {evidence.ends} AS e LEFT JOIN {_rows(evidence, each)} AS s ON s._id = e.source_id
        LEFT JOIN ({value}) AS v ON v.key = e.key
        WHERE e.entry = {text(each.name)} AND e.outcome NOT IN ('merged', 'skipped', 'unknown')
        AND {_condition(evidence, each)}""",
    )
    everyone = evidence.table("spot everyone", f"SELECT * FROM {with_home} WHERE {evidence.ours('key')}")
    listed, unknown = _listed(evidence, each, with_home)
    wanted = ", ".join(map(text, listed)) or "''"
    order = f"md5({text(str(said.seed))} || ':' || key)"
    table = evidence.table(
        "spot chosen",
        f"""WITH first AS (
            SELECT key, CASE WHEN source_id IN ({wanted}) THEN '{LISTED}' ELSE '{TOP}' END AS why
            FROM {everyone} WHERE source_id IN ({wanted}) OR {worth != ""} AND value > 0
            QUALIFY source_id IN ({wanted}) OR row_number() OVER (
                PARTITION BY source_id IN ({wanted}) ORDER BY value DESC, key) <= {said.top}),
        drawn AS (SELECT key, '{SAMPLE}' AS why FROM {everyone} ANTI JOIN first USING (key)
            ORDER BY {order} LIMIT {said.sample}),
        picked AS (SELECT * FROM first UNION ALL SELECT * FROM drawn)
        {_strata(said.strata, everyone, order)}
        SELECT a.key, a.source_id, a.value, b.why, row_number() OVER (ORDER BY
            CASE b.why WHEN '{LISTED}' THEN 0 WHEN '{TOP}' THEN 1 ELSE 2 END, a.value DESC, a.key) AS nth
        FROM (SELECT key, any_value(why) AS why FROM whole GROUP BY key) AS b
        JOIN {everyone} AS a USING (key)""",
    )
    population = int(evidence.one(f"SELECT count(*) FROM {everyone}"))
    home = int(evidence.one(f"SELECT count(*) FROM {with_home}")) - population
    return Chosen(each, table, everyone, population, worth, _currency(evidence), unknown, home)


def _strata(strata: list[str], everyone: str, order: str) -> str:
    """SQL of `whole`: what was chosen, and the first account of every value of a stratum that it lacks."""
    added = "".join(
        f"""UNION ALL (SELECT e.key, '{STRATUM}' AS why FROM {everyone} AS e
            WHERE e.{identifier(name)} IS NOT NULL AND e.{identifier(name)} NOT IN (
                SELECT o.{identifier(name)} FROM {everyone} AS o SEMI JOIN picked USING (key)
                WHERE o.{identifier(name)} IS NOT NULL)
            QUALIFY row_number() OVER (PARTITION BY e.{identifier(name)} ORDER BY {order}) = 1)
            """
        for name in strata
    )
    return f", whole AS (SELECT * FROM picked {added})"


def _rows(evidence: Evidence, each: ObjectPlan) -> str:
    """The newest state of the entry's source records, with all fields."""
    fields = evidence.source.objects[each.source].fields
    types = {name: sql_type(field) for name, field in fields.items() if field.kind is not Kind.BINARY}
    return latest_extracted(evidence.store, each.source, types)


def _sql(evidence: Evidence, each: ObjectPlan, word: str, written: str) -> str:
    at = evidence.plan.at("validate", "high_value", word)
    return parse_expression(written, _fields(evidence, each), at, owner=each.source).sql


def _fields(evidence: Evidence, each: ObjectPlan) -> dict[str, Field]:
    return evidence.source.objects[each.source].fields


def _condition(evidence: Evidence, each: ObjectPlan) -> str:
    where = evidence.plan.model.validate_.high_value.where
    if where is None:
        return "true"
    return f"""e.source_id IN (SELECT _id FROM {_rows(evidence, each)}
        WHERE {_sql(evidence, each, "where", where)})"""


def _value(evidence: Evidence, each: ObjectPlan) -> tuple[str, str]:
    """A query (key, value) of what accounts are worth, and what that is; empty where they have no value."""
    by = evidence.plan.model.validate_.high_value.by
    if by is not None and by != PIPELINE:
        return _by_field(evidence, each, _sql(evidence, each, "by", by)), by
    if sales := _by_sales(evidence, each):
        return sales
    # A revenue, as a rule.
    money = [name for name, field in _fields(evidence, each).items() if field.kind is Kind.MONEY]
    if money and by is None:
        return _by_field(evidence, each, identifier(money[0])), _fields(evidence, each)[money[0]].label
    return f"SELECT NULL::VARCHAR AS key, NULL::{AMOUNT} AS value WHERE false", ""


def _by_field(evidence: Evidence, each: ObjectPlan, sql: str) -> str:
    return f"""SELECT e.key, CAST({sql} AS {AMOUNT}) AS value FROM {_rows(evidence, each)} AS s
        JOIN {evidence.ends} AS e ON e.entry = {text(each.name)} AND e.source_id = s._id"""


def _by_sales(evidence: Evidence, each: ObjectPlan) -> tuple[str, str] | None:
    """Open amounts of the sales that lead to an account, at the source; all where nobody says `open`."""
    found = books(evidence)
    money = evidence.money
    if found is None or money is None:
        return None
    edges = edges_of(evidence, money.entry, each)
    if not edges:
        return None
    still = any(one.id == "open" for one in found.measures)
    pairs = " UNION ".join(edges)
    state = "WHERE m.old_state = 'open'" if still else ""
    query = f"""SELECT p.parent AS key, CAST(sum(m.old_amount) AS {AMOUNT}) AS value
        FROM ({pairs}) AS p JOIN {found.table} AS m ON m.key = p.child {state} GROUP BY p.parent"""
    return query, "open pipeline" if still else "sales"


def _listed(evidence: Evidence, each: ObjectPlan, everyone: str) -> tuple[list[str], tuple[str, ...]]:
    file = evidence.plan.model.validate_.high_value.list_
    if file is None:
        return [], ()
    with evidence.plan.beside(file).open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if "id" not in (reader.fieldnames or ()):
            raise UsageError(
                f"`{file}` has no column `id`.", f"It names records of `{each.source}` by their ids."
            )
        ids = [row["id"].strip() for row in reader if (row["id"] or "").strip()]
    known = ", ".join(map(text, ids)) or "''"
    there = {
        str(row["source_id"])
        for row in evidence.rows(f"SELECT source_id FROM {everyone} WHERE source_id IN ({known})")
    }
    return [id for id in ids if id in there], tuple(id for id in dict.fromkeys(ids) if id not in there)


def _currency(evidence: Evidence) -> str:
    return evidence.source.currency or evidence.target.currency or ""
