"""Which value stays on a record that is adopted, field by field? Rules, and the plan's own expressions.

A rule is decided on wire values; an expression runs in the engine, on both values in the target
field's type, and its result becomes a wire value again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from migrate.catalog import Field
from migrate.errors import Position
from migrate.plan import parse_expression
from migrate.survivorship import RULES, survive
from migrate.types import arrow_type, duckdb_type

if TYPE_CHECKING:
    from migrate.load.context import Loading


class Wins:
    """One object plan's survivorship."""

    def __init__(self, loading: Loading, object: str, rules: Mapping[str, str]) -> None:
        """Args:
        rules: rule or expression by target field; `target` where none is given.
        """
        self._loading, self._object = loading, object
        schema = loading.catalog.objects[object].fields
        self._rules = {name: rule for name, rule in rules.items() if rule in RULES}
        self._expressions = {
            name: (
                parse_expression(
                    text, {name: schema[name]}, Position("plan.yaml"), tables=("source", "target")
                ).sql,
                schema[name],
            )
            for name, text in rules.items()
            if text not in RULES
        }

    def choose(
        self, name: str, source: str | None, target: str | None, source_stamp: str, target_stamp: str
    ) -> str | None:
        """The wire value that stays in a field."""
        if name in self._expressions:
            sql, field = self._expressions[name]
            return self._computed(sql, field, source, target)
        rule = self._rules.get(name, "target")
        return survive(rule, source, target, source_stamp=source_stamp, target_stamp=target_stamp)

    def _computed(self, sql: str, field: Field, source: str | None, target: str | None) -> str | None:
        import pyarrow as pa

        kind = duckdb_type(field.kind, field.precision, field.scale)
        column = '"' + field.name.replace('"', '""') + '"'
        sides = ", ".join(
            f"(SELECT CAST({_literal(value)} AS {kind}) AS {column}) AS {side}"
            for side, value in (("source", source), ("target", target))
        )
        table = self._loading.workspace.engine.stream(
            f"SELECT CAST({sql} AS {kind}) AS {column} FROM {sides}"
        ).read_all()
        table = table.cast(pa.schema([(field.name, arrow_type(field.kind, field.precision, field.scale))]))
        batch = table.combine_chunks().to_batches()[0]
        return self._loading.target.encode(self._object, batch)[0][field.name]


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
