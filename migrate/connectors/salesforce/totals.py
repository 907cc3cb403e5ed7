"""What does the org itself count and sum? One aggregate query, of which no record is read.

An aggregate query gives at most 2,000 groups and can't be paged (`EXCEEDED_ID_LIMIT`); a query without
groups takes no `LIMIT`. With several currencies an org sums them in its own, by its rates, also where it
groups by currency: such a sum can be compared with nothing. Salesforce, SOQL and SOSL Reference "GROUP BY",
"Querying Currency Fields in Multi-Currency Orgs", "Date Functions", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from migrate.catalog import Field, ObjectSchema
from migrate.connector import Answer, By, NotAnswered, Question, Total, Where
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.reading import live_only
from migrate.errors import SystemRefused, UsageError
from migrate.types import NUMERIC, Kind

GROUPS = 2000
CURRENCY = "CurrencyIsoCode"
ROUTE = "SOQL aggregate query"
_UNQUOTED = (*NUMERIC, Kind.BOOL, Kind.DATE, Kind.TIMESTAMP)


def totals(org: Org, question: Question) -> Answer:
    """The org's own counts and sums.

    Raises:
        NotAnswered: the org can't group by that, sum that, or give so many groups.
        UsageError: there is no such object or field.
    """
    schema = org.schema(question.object)
    described = {str(field["name"]): field for field in org.described(question.object)["fields"]}
    keys = [key for by in question.by for key in _keys(org, schema, described, by)]
    items = [f"{key} g{number}" for number, key in enumerate(keys)] + ["COUNT(Id) n"]
    if question.sum is not None:
        items.append(f"SUM({_summed(org, schema, described, question.sum)}) s")
    archived = live_only(schema)
    conditions = [_condition(org, schema, one) for one in question.where] + archived
    text = f"SELECT {', '.join(items)} FROM {soql.name(question.object)}"
    text += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text += f" GROUP BY {', '.join(keys)} LIMIT {GROUPS}" if keys else ""
    if not org.rest.fits(text):
        raise NotAnswered(org.system, "the conditions are longer than a query may be")
    try:
        rows = org.rest.query(text, all=bool(archived))["records"]
    except SystemRefused as error:
        # Some objects are only queried by the records that they hang on (ContentDocumentLink).
        if error.code != "MALFORMED_QUERY":
            raise
        raise NotAnswered(org.system, error.what) from error
    if keys and len(rows) >= GROUPS:
        raise NotAnswered(org.system, f"it gives at most {GROUPS:,} groups")
    return Answer(tuple(_total(question, row) for row in rows if int(row["n"])), ROUTE)


def _keys(org: Org, schema: ObjectSchema, described: Mapping[str, Mapping[str, Any]], by: By) -> list[str]:
    field = _field(org, schema, by.field)
    if by.month:
        if field.kind not in (Kind.DATE, Kind.TIMESTAMP):
            raise UsageError(f"`{by.field}` of `{schema.name}` has no months: it is no date.")
        return [f"CALENDAR_YEAR({by.field})", f"CALENDAR_MONTH({by.field})"]
    if not described.get(by.field, {}).get("groupable"):
        raise NotAnswered(org.system, f"it doesn't group by `{by.field}`")
    return [by.field]


def _summed(org: Org, schema: ObjectSchema, described: Mapping[str, Mapping[str, Any]], name: str) -> str:
    field = _field(org, schema, name)
    if field.kind not in NUMERIC or not described.get(name, {}).get("aggregatable"):
        raise NotAnswered(org.system, f"it doesn't sum `{name}`")
    if field.kind is Kind.MONEY and CURRENCY in schema.fields:
        raise NotAnswered(org.system, "with several currencies it sums in its own, by its own rates")
    return name


def _condition(org: Org, schema: ObjectSchema, where: Where) -> str:
    field = _field(org, schema, where.field)
    if where.operator in ("empty", "filled"):
        return f"{where.field} {'=' if where.operator == 'empty' else '!='} null"
    values = [value if field.kind in _UNQUOTED else soql.text(value) for value in where.values]
    if where.operator == "in":
        return f"{where.field} IN ({', '.join(values)})"
    return f"{where.field} {where.operator} {values[0]}"


def _field(org: Org, schema: ObjectSchema, name: str) -> Field:
    if name not in schema.fields:
        raise UsageError(
            f"`{schema.name}` of `{org.system}` has no field `{soql.name(name)}` that this user may read."
        )
    return schema.fields[name]


def _total(question: Question, row: Mapping[str, Any]) -> Total:
    values, at = list[str | None](), 0
    for by in question.by:
        first = row.get(f"g{at}")
        if by.month:
            values.append(None if first is None else f"{int(first):04d}-{int(row[f'g{at + 1}']):02d}")
            at += 2
            continue
        text = str(first)
        values.append(None if first is None else text.lower() if isinstance(first, bool) else text)
        at += 1
    summed = row.get("s")
    return Total(tuple(values), int(row["n"]), None if summed is None else Decimal(str(summed)))
