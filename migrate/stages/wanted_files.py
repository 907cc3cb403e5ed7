"""Which files of a source object does the plan move? What is wrong with it is `check`'s to tell.

Rather a file too many than one too few: a condition that can't be read lets every file through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate.catalog import Field, ObjectSchema
from migrate.errors import PlanError, Position
from migrate.plan import parse_expression
from migrate.plan.models import ObjectPlan
from migrate.sizes import parse_bytes
from migrate.types import Kind


@dataclass(frozen=True)
class Wanted:
    """One field of files that the plan moves. `most`: bytes beyond which no entry takes the file."""

    field: Field
    condition: str | None  # SQL over the record's fields; None: every record's file
    most: int | None

    @property
    def asked(self) -> list[str | int | None]:
        """What decides which files are fetched."""
        return [self.condition, self.most]


def wanted(plans: Sequence[ObjectPlan], schema: ObjectSchema) -> list[Wanted]:
    """The files of a source object that the plan's entries move."""
    binary = {name for name, field in schema.fields.items() if field.kind is Kind.BINARY}
    users: dict[str, list[ObjectPlan]] = {}
    for each in plans:
        if each.source == schema.name and binary:
            for field in each.fields.values():
                for name in sorted(binary & _inputs(field.origin, schema)):
                    users.setdefault(name, []).append(each)
    return [
        Wanted(schema.fields[name], _condition(entries, schema), _most(entries))
        for name, entries in users.items()
    ]


def _inputs(origin: str, schema: ObjectSchema) -> set[str]:
    try:
        return set(parse_expression(origin, schema.fields, Position("plan.yaml")).inputs)
    except PlanError:  # `check` tells it
        return set()


def _condition(entries: Sequence[ObjectPlan], schema: ObjectSchema) -> str | None:
    found = []
    for each in entries:
        if each.where is None:
            return None
        try:
            sql = parse_expression(each.where, schema.fields, Position("plan.yaml")).sql
        except PlanError:  # `check` tells it; rather a file too many than one too few
            return None
        found.append(f"coalesce(TRY(CAST(({sql}) AS BOOLEAN)), TRY(CAST(({sql}) AS BOOLEAN)) IS NULL)")
    return " OR ".join(dict.fromkeys(found))


def _most(entries: Sequence[ObjectPlan]) -> int | None:
    """Files that go to an archive are needed, whatever their size."""
    sizes = []
    for each in entries:
        if each.files.max_bytes is None or each.files.oversize == "link":
            return None
        try:
            sizes.append(parse_bytes(each.files.max_bytes))
        except ValueError:  # `check` tells it
            return None
    return max(sizes, default=None)
