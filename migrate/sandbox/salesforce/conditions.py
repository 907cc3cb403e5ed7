"""Does this record meet this condition?

A condition is compiled once into a function of a record, and, where it can, into an
SQL clause over the indexes that lets only possible matches through. Text compares
without case, ids with it; `!=` and `NOT IN` let nulls pass (Salesforce, SOQL and
SOSL Reference "Comparison Operators" and "Date Formats and Date Literals", read
2026-11-23).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.dates import Getter, date_part, date_word
from migrate.sandbox.salesforce.errors import Refusal, malformed, no_such_column
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record, folded
from migrate.sandbox.salesforce.schema import NUMBERS, Field, SObject
from migrate.sandbox.salesforce.syntax import (
    DATE_PARTS,
    Compare,
    Condition,
    Junction,
    Literal,
    Path,
    Select,
    without,
)
from migrate.sandbox.salesforce.syntax import Call as Function
from migrate.sandbox.salesforce.values import instant, read_instant

Test = Callable[[Record], bool]
TYPE = Field({"name": "Type", "type": "string", "permissionable": False})


@dataclass(frozen=True)
class Source:
    """A resolved path: how to get its kept value, and the field it ends at."""

    get: Getter
    field: Field


def resolve(call: Call, item: SObject, path: Path) -> Source:
    """Find the field that a path names, following references upwards.

    Raises:
        Refusal: `INVALID_FIELD` for an unknown or hidden field or relationship.
    """
    name, *rest = path.parts
    if not rest:
        field = item.field(name)
        if field is None or not call.rights.sees(item.name, field.name):
            raise no_such_column(name, item.name)
        return Source(_own(item, field), field)
    reference = item.relations.get(name.lower())
    if reference is None or not call.rights.sees(item.name, reference.name):
        raise Refusal(
            "INVALID_FIELD",
            f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name. Please reference "
            "your WSDL or the describe call for the appropriate names.",
        )
    key, upper = reference.name, Path(tuple(rest))
    if len(reference.targets) > 1 and len(rest) == 1 and rest[0].lower() == "type":
        return Source(lambda record: _type_of(call, record.get(key)), TYPE)
    sources: dict[str, Source] = {}
    refusal: Refusal | None = None
    for target in reference.targets:
        parent = call.schema.get(target)
        if parent is None or not call.rights.may(target, "read"):
            refusal = refusal or no_such_column(rest[0], target)
            continue
        try:
            sources[parent.name] = resolve(call, parent, upper)
        except Refusal as error:
            refusal = error
    if not sources:
        raise refusal or no_such_column(str(path), item.name)

    def get(record: Record) -> Any:
        id = record.get(key)
        above = call.parent(id)
        if above is None:
            return None
        kind = call.schema.of_id(str(id))
        source = sources.get(kind.name) if kind else None
        return None if source is None else source.get(above)

    return Source(get, next(iter(sources.values())).field)


def _type_of(call: Call, id: str | None) -> str | None:
    kind = call.schema.of_id(id) if id else None
    return None if kind is None else kind.name


def _own(item: SObject, field: Field) -> Getter:
    name = field.name
    if field.kind == "boolean":
        return lambda record: record.get(name, False)
    if field.kind == "address":
        stem = name.removesuffix("Address")
        parts = [
            (part[0].lower() + part[1:], stem + part, item.fields.get(stem + part))
            for part in (
                "City",
                "Country",
                "GeocodeAccuracy",
                "Latitude",
                "Longitude",
                "PostalCode",
                "State",
                "Street",
            )
        ]

        def address(record: Record) -> dict[str, Any] | None:
            found = {
                key: float(record[column])
                if part and part.kind == "double" and column in record
                else record.get(column)
                for key, column, part in parts
            }
            return found if any(value is not None for value in found.values()) else None

        return address
    return lambda record: record.get(name)


def compile_condition(
    call: Call, item: SObject, condition: Condition, alias: str | None, run: "Runner"
) -> Test:
    """A function that tells whether a record meets the condition."""
    if isinstance(condition, Junction):
        tests = [compile_condition(call, item, part, alias, run) for part in condition.parts]
        if condition.op == "not":
            return lambda record: not tests[0](record)
        if condition.op == "and":
            return lambda record: all(test(record) for test in tests)
        return lambda record: any(test(record) for test in tests)
    return _comparison(call, item, condition, alias, run)


Runner = Callable[[Select], list[Any]]


def _comparison(call: Call, item: SObject, compare: Compare, alias: str | None, run: Runner) -> Test:
    left = compare.left
    if isinstance(left, Function):
        if left.path is None or left.name not in DATE_PARTS:
            raise malformed(f"function {left.name} is not allowed in a filter")
        source = resolve(call, item, without(left.path, alias, item.name))
        get = date_part(left.name, source.get)
        field = Field({"name": str(left.path), "type": "date" if left.name == "DAY_ONLY" else "int"})
    else:
        source = resolve(call, item, without(left, alias, item.name))
        get, field = source.get, source.field
    if not field.describe["filterable"]:
        raise Refusal("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
    op, right = compare.op, compare.right
    if isinstance(right, Select):
        wanted = {value for value in run(right) if value is not None}
        return (lambda r: get(r) in wanted) if op == "in" else (lambda r: get(r) not in wanted)
    if isinstance(right, tuple):
        if op in ("includes", "excludes"):
            return _includes(get, right, op)
        return _among(field, get, right, op)
    if right.kind == "word":
        return _between(field, get, op, *date_word(str(right.value), call.now))
    value = literal(field, right)
    return _simple(field, get, op, value)


def _simple(field: Field, get: Getter, op: str, value: Any) -> Test:
    if op == "like":
        pattern = re.compile(
            "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in str(value or "")),
            re.IGNORECASE | re.DOTALL,
        )
        return lambda r: (found := get(r)) is not None and pattern.fullmatch(str(found)) is not None
    fold = _folder(field)
    if op == "=":
        return lambda r: _fold(fold, get(r)) == value
    if op == "!=":
        return lambda r: _fold(fold, get(r)) != value
    if value is None:
        raise malformed("null is not allowed with this operator")
    ops: dict[str, Callable[[Any, Any], bool]] = {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    test = ops[op]
    return lambda r: (found := _fold(fold, get(r))) is not None and test(found, value)


def _fold(fold: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else fold(value)


def _folder(field: Field) -> Callable[[Any], Any]:
    if field.kind in NUMBERS or field.kind in ("int", "long"):
        return Decimal
    if field.kind in ("id", "reference", "date", "datetime", "boolean", "time"):
        return lambda value: value
    return lambda value: str(value).lower()


def _among(field: Field, get: Getter, right: Sequence[Literal], op: str) -> Test:
    fold = _folder(field)
    wanted = {literal(field, entry) for entry in right}
    if op == "in":
        return lambda r: _fold(fold, get(r)) in wanted
    return lambda r: _fold(fold, get(r)) not in wanted


def _includes(get: Getter, right: Sequence[Literal], op: str) -> Test:
    groups = [{part.lower() for part in str(entry.value).split(";")} for entry in right]

    def test(record: Record) -> bool:
        chosen = {part.lower() for part in str(get(record) or "").split(";") if part}
        return any(group <= chosen for group in groups)

    return test if op == "includes" else lambda record: not test(record)


def _between(field: Field, get: Getter, op: str, start: datetime, end: datetime) -> Test:
    if field.kind not in ("date", "datetime"):
        raise Refusal("INVALID_FIELD", f"date literals need a date or dateTime field, not '{field.name}'")
    low = start.date().isoformat() if field.kind == "date" else instant(start)
    high = end.date().isoformat() if field.kind == "date" else instant(end)
    tests: dict[str, Callable[[str], bool]] = {
        "=": lambda v: low <= v < high,
        "!=": lambda v: not low <= v < high,
        "<": lambda v: v < low,
        "<=": lambda v: v < high,
        ">": lambda v: v >= high,
        ">=": lambda v: v >= low,
    }
    if op not in tests:
        raise malformed("this operator takes no date literal")
    test = tests[op]
    return lambda r: (found := get(r)) is not None and test(found)


def literal(field: Field, given: Literal) -> Any:
    """A literal in the form in which the field's folded values compare.

    Raises:
        Refusal: the literal is of another type than the field.
    """
    if given.kind == "null":
        return False if field.kind == "boolean" else None
    kind = field.kind
    if kind in NUMBERS or kind in ("int", "long"):
        if given.kind != "number":
            raise _other_type(field, "int" if kind == "int" else "double", quoted=False)
        return given.value
    if kind == "boolean":
        if given.kind != "boolean":
            raise _other_type(field, "boolean", quoted=False)
        return given.value
    if kind == "date":
        if given.kind != "date":
            raise _other_type(field, "date", quoted=False)
        return given.value
    if kind == "datetime":
        if given.kind != "instant":
            raise _other_type(field, "dateTime", quoted=False)
        return read_instant(str(given.value))
    if given.kind != "string":
        raise _other_type(field, "string", quoted=True)
    if kind in ("id", "reference"):
        found = normal_id(str(given.value)) if given.value else None
        if found is None and given.value:
            raise Refusal("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {given.value}")
        return found
    return str(given.value).lower() or None


def _other_type(field: Field, wanted: str, *, quoted: bool) -> Refusal:
    return Refusal(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' must be of type {wanted} and should "
        f"{'' if quoted else 'not '}be enclosed in quotes",
    )


def narrowed(item: SObject, condition: Condition | None, alias: str | None) -> tuple[str, list[Any]]:
    """An SQL clause over `sf_record` that lets at least all matches of the condition through."""
    if condition is None:
        return "", []
    parts = condition.parts if isinstance(condition, Junction) and condition.op == "and" else (condition,)
    clauses, values = "", []
    for part in parts:
        if isinstance(part, Compare) and isinstance(part.left, Path):
            path = without(part.left, alias, item.name)
            field = item.field(path.parts[0]) if len(path.parts) == 1 else None
            if field is not None:
                clause, given = _indexed(item, field, part)
                clauses += clause
                values += given
    return clauses, values


def _indexed(item: SObject, field: Field, compare: Compare) -> tuple[str, list[Any]]:
    right = compare.right
    if isinstance(right, Select):
        return "", []
    many = right if isinstance(right, tuple) else (right,)
    if any(entry.kind in ("null", "word") for entry in many):
        return "", []
    op = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "in": "in"}.get(compare.op)
    if op is None or len(many) > 2000:
        return "", []
    wanted = [literal(field, entry) for entry in many]
    if any(value is None for value in wanted):
        return "", []
    marks = ", ".join("?" * len(wanted))
    if field.name in ("Id", "SystemModstamp"):
        column = "id" if field.name == "Id" else "stamp"
        return (f" AND {column} IN ({marks})" if op in ("=", "in") else f" AND {column} {op} ?"), wanted
    if op not in ("=", "in"):
        return "", []
    if field in item.uniques:
        keys = [folded(field, value) for value in wanted]
        if field.describe["caseSensitive"]:
            return "", []
        clause = f" AND id IN (SELECT id FROM sf_key WHERE object = ? AND field = ? AND value IN ({marks}))"
        return clause, [item.name, field.name, *keys]
    if field.kind == "reference" and not any(
        value[:3] in ("005", "012", "00G", "00e", "00E") for value in wanted
    ):
        clause = (
            f" AND id IN (SELECT id FROM sf_reference WHERE object = ? AND field = ? AND target IN ({marks}))"
        )
        return clause, [item.name, field.name, *wanted]
    return "", []
