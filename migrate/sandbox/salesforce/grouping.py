"""How do records become the rows of an aggregate query?

Sums and averages are exact decimals; unnamed aggregates are called `expr0`, `expr1`, …
More rows than a page are refused, for there is no second one; `LIMIT` needs a `GROUP BY`.
(Salesforce, SOQL and SOSL Reference "GROUP BY", "Aggregate Functions", read
2026-11-23; restforce#726 for the words of the refusal, read 2026-11-26).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from migrate.sandbox.salesforce.errors import Refusal, malformed
from migrate.sandbox.salesforce.evaluate import Execution, comparable
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import COMPOUND, NUMBERS, Field
from migrate.sandbox.salesforce.syntax import AGGREGATES, Condition, Item, Junction, Literal, Path, Select
from migrate.sandbox.salesforce.syntax import Call as Function
from migrate.sandbox.salesforce.values import number, plain, shown

MOST = 2000


def groups(run: Execution) -> list[dict[str, Any]]:
    """The rows of an aggregate query."""
    for path in run.select.group:
        field = run.source(path).field if isinstance(path, Path) else None
        if field is not None and not field.describe["groupable"]:
            raise malformed(f"field '{field.name}' can not be grouped in a query call")
    if run.select.limit is not None and not run.select.group:
        raise malformed("Non-grouped query that uses overall aggregate functions cannot also use LIMIT")
    keys = [run.value(path) for path in run.select.group]
    named: list[tuple[str, Item]] = []
    unnamed = 0
    for item in run.items:
        if isinstance(item.what, Path) and item.what not in run.select.group:
            raise malformed(f"Field must be grouped or aggregated: {item.what}")
        if item.alias is None and isinstance(item.what, Function):
            named.append((f"expr{unnamed}", item))
            unnamed += 1
        elif isinstance(item.what, Path | Function):
            named.append((item.alias or str(item.what).rsplit(".", 1)[-1], item))
        else:
            raise malformed("unexpected entry in an aggregate query")
    buckets: dict[tuple[Any, ...], list[Record]] = {}
    source = Execution(
        run.call, Select((), run.select.object, run.select.alias, run.select.where), every=run.every
    )
    for record in source.matching():
        buckets.setdefault(tuple(key(record) for key in keys), []).append(record)
    if not keys and not buckets:
        buckets[()] = []
    rows = []
    for records in buckets.values():
        row: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for name, item in named:
            row[name] = _measure(run, item.what, records)
        if run.select.having is None or _having(run, run.select.having, records):
            rows.append((row, records))
    for order in reversed(run.select.order):
        what: Any = next((item.what for name, item in named if name == str(order.what)), order.what)
        rows.sort(key=_measure_key(run, what), reverse=order.descending)
    start = run.select.offset or 0
    stop = None if run.select.limit is None else start + run.select.limit
    if len(rows[start:stop]) > MOST:
        raise Refusal(
            "EXCEEDED_ID_LIMIT",
            "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single "
            "batch",
        )
    return [row for row, _ in rows[start:stop]]


def _measure(run: Execution, what: Any, records: list[Record]) -> Any:
    if isinstance(what, Function) and what.name in AGGREGATES:
        if what.path is None:
            return len(records)
        source = run.source(what.path)
        found = [value for record in records if (value := source.get(record)) is not None]
        return _aggregate(what.name, source.field, found)
    value = run.value(what)(records[0]) if records else None
    if isinstance(value, Decimal):
        return number(plain(value))
    return shown(run.source(what).field, value) if isinstance(what, Path) else value


def _measure_key(run: Execution, what: Any) -> Callable[[tuple[Any, list[Record]]], Any]:
    return lambda pair: comparable(_measure(run, what, pair[1]))


def _having(run: Execution, condition: Condition, records: list[Record]) -> bool:
    if isinstance(condition, Junction):
        results = [_having(run, part, records) for part in condition.parts]
        return {"and": all(results), "or": any(results), "not": not results[0]}[condition.op]
    value, right = _measure(run, condition.left, records), condition.right
    if not isinstance(right, Literal) or condition.op not in ("=", "!=", "<", "<=", ">", ">="):
        raise malformed("HAVING compares with one value")
    if isinstance(right.value, Decimal):
        if value is None:
            return False
        if isinstance(value, str | bool):
            raise malformed("HAVING compares a text with a number")
        left = Decimal(str(value))
        results_of = {"<": left < right.value, "<=": left <= right.value, ">": left > right.value}
        results_of |= {">=": left >= right.value, "=": left == right.value, "!=": left != right.value}
        return bool(results_of[condition.op])
    return bool(value == right.value) == (condition.op == "=")


def _aggregate(name: str, field: Field, found: list[Any]) -> Any:
    if field.kind in COMPOUND:
        raise Refusal("INVALID_FIELD", f"field {field.name} does not support aggregate operator {name}")
    if name == "COUNT":
        return len(found)
    if name == "COUNT_DISTINCT":
        return len(set(found))
    if not found:
        return None
    if name in ("SUM", "AVG"):
        if field.kind not in NUMBERS and field.kind not in ("int", "long"):
            raise Refusal("INVALID_FIELD", f"field {field.name} does not support aggregate operator {name}")
        total = sum((Decimal(value) for value in found), Decimal(0))
        return number(plain(total if name == "SUM" else total / len(found)))
    if field.kind in NUMBERS:
        best = min(map(Decimal, found)) if name == "MIN" else max(map(Decimal, found))
        return number(plain(best))
    return shown(field, min(found) if name == "MIN" else max(found))
