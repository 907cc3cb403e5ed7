"""How does a record get a value out of other objects' records? By one aggregate over those that name it.

A plan's `related` gives an entry further fields, which its expressions read like the source's own: the parent
out of an association, the first day in a stage out of a history, the notes of a visit as one text. A field
that is nothing but `min`, `max`, `arg_min` or `arg_max` of another keeps what the catalog says of it, so
that a reference stays a reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.engine import Engine, identifier
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Expression, ObjectPlan, Plan, parse_expression
from migrate.plan.expressions import suggest
from migrate.plan.mistakes import Keys
from migrate.plan.models import RelatedPlan
from migrate.types import Kind, duckdb_type

_ID = Field(name="_id", label="Id", kind=Kind.STRING, vendor_type="id")
_SPAN = {
    "since": Field(name="since", label="Since", kind=Kind.TIMESTAMP, vendor_type="span"),
    "until": Field(name="until", label="Until", kind=Kind.TIMESTAMP, vendor_type="span"),
}
_KINDS = {
    "VARCHAR": Kind.TEXT, "BOOLEAN": Kind.BOOL, "BIGINT": Kind.INT, "INTEGER": Kind.INT, "DATE": Kind.DATE,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP, "VARCHAR[]": Kind.MULTIPICKLIST,
}  # fmt: skip
_BARE = re.compile(r"(?:MIN|MAX|ARG_MIN|ARG_MAX)\((\"[^\"]+\")(?:, .*)?\)")


@dataclass(frozen=True)
class CheckedRelated:
    """One further field, resolved. `spans`: value and instant, where the rows are spans of time."""

    name: str
    of: str
    by: Expression
    equals: Expression | None
    spans: tuple[Expression, Expression] | None
    where: Expression | None
    take: Expression
    field: Field


class Related:
    """Checks what the plan's entries take from other objects.

    Args:
        tell: notes a mistake.
    """

    def __init__(
        self, plan: Plan, source: Catalog, engine: Engine, tell: Callable[[PlanMistake], None]
    ) -> None:
        self._plan, self._source, self._engine, self._tell = plan, source, engine, tell

    def of(self, index: int, each: ObjectPlan) -> tuple[CheckedRelated, ...]:
        """The sound ones of an entry."""
        own = self._source.objects.get(each.source)
        if own is None:
            return ()
        found = (self._one(("objects", index, "related", name), name, related, own)
                 for name, related in each.related.items())  # fmt: skip
        return tuple(one for one in found if one is not None)

    def _one(self, keys: Keys, name: str, plan: RelatedPlan, own: ObjectSchema) -> CheckedRelated | None:
        there = self._source.objects.get(plan.of)
        if there is None:
            right = suggest(plan.of, self._source.objects, "Its objects are")
            self._mistake((*keys, "of"), f"`{plan.of}` isn't an object of the source.", right)
            return None
        if name in own.fields:
            self._mistake(keys, f"`{name}` is a field of `{own.name}` already.", "Give it another name.")
            return None
        fields: Mapping[str, Field] = {"_id": _ID, **there.fields}
        by = self._parse((*keys, "by"), plan.by, fields, plan.of)
        equals = self._parse((*keys, "equals"), plan.equals, own.fields, own.name) if plan.equals else None
        spans = None
        if plan.spans is not None:
            value = self._parse((*keys, "spans", "value"), plan.spans.value, fields, plan.of)
            at = self._parse(
                (*keys, "spans", "at"), plan.spans.at, fields, plan.of, "TIMESTAMP WITH TIME ZONE"
            )
            kind = self._type(value, fields) if value else None
            if value is None or at is None or kind is None:
                return None
            spans = value, at
            held = fields[value.column] if value.column else self._field("value", kind)
            fields = {**fields, **_SPAN, "value": held or _ID}
        where = self._parse((*keys, "where"), plan.where, fields, plan.of, "BOOLEAN") if plan.where else None
        take = self._parse((*keys, "take"), plan.take, fields, plan.of, aggregates=True)
        kind = self._type(take, fields, many=True) if take else None
        if by is None or take is None or kind is None or (plan.equals and equals is None):
            return None
        if plan.where and where is None:
            return None
        field = self._kept(name, take, fields) or self._field(name, kind)
        if field is None:
            remedy = "Cast it: `CAST(… AS VARCHAR)`, `CAST(… AS DECIMAL(18,2))`."
            self._mistake((*keys, "take"), f"`{plan.take}` gives {kind}.", remedy)
            return None
        return CheckedRelated(name, plan.of, by, equals, spans, where, take, field)

    def _parse(
        self,
        keys: Keys,
        text: str,
        fields: Mapping[str, Field],
        owner: str,
        wanted: str = "",
        *,
        aggregates: bool = False,
    ) -> Expression | None:
        locate = self._plan.locate(*keys)
        try:
            found = parse_expression(
                text, fields, locate(0), owner=owner, locate=locate, aggregates=aggregates
            )
        except PlanError as error:
            for mistake in error.mistakes:
                self._tell(mistake)
            return None
        if wanted and (kind := self._type(found, fields)) != wanted:
            if kind is not None:
                self._mistake(keys, f"`{text}` gives {kind}; it must be {wanted}.", "Cast it, or compare it.")
            return None
        return found

    def _type(self, found: Expression, fields: Mapping[str, Field], *, many: bool = False) -> str | None:
        used = {name: fields[name] for name in found.inputs} | ({"_id": _ID} if many else {})
        try:
            # Beside an aggregate, DuckDB refuses a field that is in none.
            return self._engine.describe({"x": found.sql} | ({"n": "count(*)"} if many else {}), used)["x"]
        except ValueError as error:
            words = str(error).split("\n", 1)[0]
            remedy = "Put every field into an aggregate." if many else "Cast what has the wrong type."
            self._tell(PlanMistake(found.at, f"`{found.text.strip()}` doesn't fit together: {words}", remedy))
            return None

    def _mistake(self, keys: Keys, what: str, remedy: str) -> None:
        self._tell(PlanMistake(self._plan.at(*keys), what, remedy))

    @staticmethod
    def _kept(name: str, take: Expression, fields: Mapping[str, Field]) -> Field | None:
        bare = _BARE.fullmatch(take.sql)
        return None if bare is None else fields[bare[1].strip('"')].model_copy(update={"name": name})

    @staticmethod
    def _field(name: str, kind: str) -> Field | None:
        number = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
        if number:
            precision, scale = int(number[1]), int(number[2])
            return Field(name=name, label=name, kind=Kind.DECIMAL, vendor_type="related", precision=precision,
                         scale=scale)  # fmt: skip
        if kind == "HUGEINT":
            return Field(
                name=name, label=name, kind=Kind.DECIMAL, vendor_type="related", precision=38, scale=0
            )
        known = _KINDS.get(kind)
        return None if known is None else Field(name=name, label=name, kind=known, vendor_type="related")


def extended(schema: ObjectSchema, related: Sequence[CheckedRelated]) -> ObjectSchema:
    """The object with its further fields."""
    if not related:
        return schema
    return schema.model_copy(update={"fields": {**schema.fields, **{one.name: one.field for one in related}}})


def joined(rows: str, related: Sequence[CheckedRelated], rows_of: Callable[[str], str]) -> str:
    """SQL: the rows of an object with its further fields, null where no record names the row.

    Args:
        rows: with `_id` and the object's fields.
        rows_of: SQL of another object's rows.
    """
    if not related:
        return rows
    items = ", ".join(f"j{n}.v AS {identifier(one.name)}" for n, one in enumerate(related))
    keys = ", ".join(
        f"CAST({one.equals.sql if one.equals else '_id'} AS VARCHAR) AS _k{n}"
        for n, one in enumerate(related)
    )
    without = ", ".join(f"_k{n}" for n in range(len(related)))
    joins = " ".join(_join(n, one, rows_of(one.of)) for n, one in enumerate(related))
    return f"(SELECT s.* EXCLUDE ({without}), {items} FROM (SELECT *, {keys} FROM {rows}) AS s {joins})"


def _join(number: int, one: CheckedRelated, rows: str) -> str:
    if one.spans is not None:
        rows = _spans(rows, one)
    type = duckdb_type(one.field.kind, one.field.precision, one.field.scale)
    where = f"WHERE {one.where.sql}" if one.where else ""
    return (
        f"LEFT JOIN (SELECT CAST({one.by.sql} AS VARCHAR) AS k, CAST({one.take.sql} AS {type}) AS v "
        f"FROM {rows} AS o {where} GROUP BY k) AS j{number} ON j{number}.k = s._k{number}"
    )


def _spans(rows: str, one: CheckedRelated) -> str:
    """Rows where the value changes, each with its instant and that of the next one."""
    assert one.spans is not None  # noqa: S101 - the caller's condition
    value, at = one.spans
    order = f"PARTITION BY {one.by.sql} ORDER BY {at.sql}, _id"
    changed = f"{value.sql} IS DISTINCT FROM lag({value.sql}) OVER ({order})"
    first = f"row_number() OVER ({order}) = 1"
    return (
        f"(SELECT *, lead(since) OVER (PARTITION BY {one.by.sql} ORDER BY since, _id) AS until FROM ("
        f"SELECT *, {value.sql} AS value, {at.sql} AS since FROM {rows} QUALIFY {changed} OR {first}))"
    )


def objects(plans: Iterator[ObjectPlan] | Sequence[ObjectPlan]) -> Iterator[str]:
    """Source objects out of which entries take something."""
    for each in plans:
        for related in each.related.values():
            yield related.of
