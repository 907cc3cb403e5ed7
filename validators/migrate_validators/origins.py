"""What did the source itself hold of what a target field was made of? By the plan's own expression.

Worked out from the extract, past the transform: the latest extracted row of each record, and of a field the
value that the plan's expression gives for it, before any map. Fields that are made otherwise (gathered, by a
Python function, out of related records) have no such value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.errors import PlanError, Position
from migrate.plan import Expression, parse_expression
from migrate.stages.crosswalk import rows_of
from migrate_validators.evidence import sql_type

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence


def origins(evidence: Evidence, each: ObjectPlan) -> dict[str, Expression]:
    """The expression of each target field whose value at the source can be told, by target field."""
    return evidence.once(("origins", each.name), lambda: _origins(evidence, each))


def _origins(evidence: Evidence, each: ObjectPlan) -> dict[str, Expression]:
    schema = evidence.source.objects[each.source]
    found = {}
    for name, field in each.fields.items():
        if field.python is not None or field.eml is not None or field.gather is not None:
            continue
        try:
            made = parse_expression(field.origin, schema.fields, Position("plan.yaml"), owner=each.source)
        except PlanError:  # it reads related records
            continue
        if made.inputs and all(one in schema.fields for one in made.inputs):
            found[name] = made
    return found


def original(evidence: Evidence, each: ObjectPlan, expressions: dict[str, str], where: str = "true") -> str:
    """A query of `_key` and these columns, one row an extracted record.

    Args:
        expressions: SQL over the source's fields, by column.
        where: which of the records' ends (`evidence.ends` as `e`).
    """
    fields = evidence.source.objects[each.source].fields
    manifests = evidence.store.manifests("source", each.source)
    wanted = {"_id": "VARCHAR"} | {name: sql_type(field) for name, field in fields.items()}
    rows = rows_of(evidence.store, manifests, wanted, generation=True)
    newest = (
        "" if len(manifests) < 2 else "QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _gen DESC) = 1"
    )
    items = "".join(f", TRY({sql}) AS {identifier(name)}" for name, sql in expressions.items())
    outer = "".join(f", s.{identifier(name)}" for name in expressions)
    return f"""(SELECT e.key AS _key{outer} FROM {evidence.ends} AS e
        JOIN (SELECT _id{items} FROM {rows} {newest}) AS s ON s._id = e.source_id
        WHERE e.entry = {text(each.name)} AND e.outcome <> 'unknown' AND ({where}))"""


def as_text(sql: str) -> str:
    """SQL of a value as a text; blank texts are none."""
    return f"nullif(trim(CAST({sql} AS VARCHAR)), '')"


def joined(columns: Sequence[str]) -> str:
    """SQL of several texts as one; null where all are blank."""
    return f"nullif(concat_ws(' ', {', '.join(columns)}), '')" if columns else "NULL::VARCHAR"
