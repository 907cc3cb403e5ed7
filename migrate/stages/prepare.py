"""What does the target lack for this plan, and can it be made? Objects, fields, options, link labels.

Every change is journalled before it is asked for; making what is there already is no change. What
`prepare` makes stays after a rollback (the report lists it as residue): removing a field would
remove what people have put into it since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from migrate.catalog import Catalog, Field
from migrate.clock import stamp
from migrate.connector import NewField, NewLabel, NewObject, NewOption, SchemaChange
from migrate.errors import SystemRefused
from migrate.journal import Entry
from migrate.ledger import BatchRow
from migrate.load import Loading
from migrate.plan import Plan
from migrate.plan.models import LabelMap, NewObjectPlan, ObjectPlan
from migrate.plan.needs import missing, new_objects
from migrate.stages.discover import discover
from migrate.workspace import Workspace


@dataclass(frozen=True)
class Prepared:
    """One change and its outcome: made, there, or refused: why."""

    change: SchemaChange
    outcome: str

    @property
    def words(self) -> str:
        """The change in words."""
        change = self.change
        if isinstance(change, NewObject):
            return f"{change.object}: object `{change.label}`"
        if isinstance(change, NewField):
            return f"{change.object}.{change.name} ({change.kind}{', unique' if change.unique else ''})"
        if isinstance(change, NewOption):
            return f"{change.object}.{change.field}: option `{change.value}`"
        back = f", seen from there `{change.inverse}`" if change.inverse else ""
        return f"{change.left} to {change.right}: label `{change.label}`{back}"


def changes(plan: Plan, target: Catalog, added: Sequence[NewOption] = ()) -> list[SchemaChange]:
    """Everything that the plan needs and the target lacks.

    Args:
        added: picklist values of the source without a home, where the plan says `unmapped: add`.
    """
    found: list[SchemaChange] = []
    fields = [_new_field(object, name, field) for object, name, field in missing(plan, target)]
    made = new_objects(plan, target)
    for each in plan.model.objects:
        if each.create_object is not None and each.target in made:
            found.append(_new_object(each, each.create_object, fields, plan))
            del made[each.target]
    for field in fields:
        found += [field, *field.options]
    labels = {(link.left, link.right, link.label) for link in target.links}
    for each in plan.model.objects:
        for link in each.links:
            found.extend(
                NewLabel(each.target, link.to, label, link.inverse if label == link.label else None)
                for label in _labels(plan, link.label)
                if (each.target, link.to, label) not in labels
            )
    return list(dict.fromkeys([*found, *added]))


def _new_object(each: ObjectPlan, wanted: NewObjectPlan, fields: Sequence[NewField], plan: Plan) -> NewObject:
    to = [link.to for link in each.links]
    to += [other.target for other in plan.model.objects for link in other.links if link.to == each.target]
    return NewObject(
        each.target,
        wanted.label,
        wanted.plural,
        wanted.name_field,
        wanted.description or "Made by the migration.",
        tuple(field for field in fields if field.object == each.target),
        tuple(wanted.searchable),
        tuple(wanted.secondary),
        tuple(dict.fromkeys(to)),
    )


def _new_field(object: str, name: str, field: Field) -> NewField:
    return NewField(
        object,
        name,
        field.label,
        field.kind.value,
        field.unique,
        "Made by the migration.",
        field.length,
        field.precision,
        field.scale,
        field.required,
        field.references[0] if field.references else None,
        tuple(NewOption(object, name, option.value, option.label) for option in field.options),
        bool(field.detail),
    )


def _labels(plan: Plan, label: str | LabelMap) -> list[str]:
    if isinstance(label, str):
        return [label]
    found = [value for value in plan.picklist(label.picklist).home.values() if value]
    return list(dict.fromkeys([*found, *([label.default] if label.default else [])]))


def prepare(
    workspace: Workspace, added: Sequence[NewOption] = (), *, dry_run: bool = False
) -> list[Prepared]:
    """Make what the target lacks, and discover it again.

    Raises:
        SystemRefused: the target refused one of the changes; the others are made.
    """
    wanted = changes(workspace.plan, workspace.catalog("target"), added)
    if dry_run or not wanted:
        return [Prepared(change, "would be made") for change in wanted]
    target = workspace.target()
    attempt = workspace.ledger.attempt()
    try:
        with Loading(workspace, target, workspace.catalog("target"), attempt) as loading:
            at = stamp(workspace.clock.now())
            batch = BatchRow(
                f"prepare-{attempt}", attempt, loading.system, "prepare", "prepare", "-", (), "-",
                "schema", "-", at,
            )  # fmt: skip
            loading.journal.append(_entry(loading, batch, change, "intent", "") for change in wanted)
            with loading.batch(batch):
                said = target.prepare(wanted)
                loading.journal.append(
                    _entry(
                        loading,
                        batch,
                        change,
                        "refused" if outcome.startswith("refused") else "done",
                        outcome,
                    )
                    for change, outcome in said
                )
                loading.settle(batch, [], Counter())
    finally:
        target.close()
    refused = [(change, outcome) for change, outcome in said if outcome.startswith("refused")]
    discover(workspace, ("target",))
    if refused:
        lines = "\n".join(f"  {Prepared(change, outcome).words}: {outcome}" for change, outcome in refused)
        raise SystemRefused(
            workspace.system("target").system,
            f"{len(refused)} of {len(said)} changes could not be made:\n{lines}",
            "Make them by hand in the target, or change the plan, then run `migrate prepare` again.",
        )
    return [Prepared(change, outcome) for change, outcome in said]


def _entry(loading: Loading, batch: BatchRow, change: SchemaChange, outcome: str, reason: str) -> Entry:
    facts = {name: str(value) for name, value in asdict(change).items()}
    object = change.left if isinstance(change, NewLabel) else change.object
    return Entry(
        loading.attempt, batch.id, loading.system, object, "schema", "", "create", outcome,
        after={"change": type(change).__name__, **facts}, reason=reason,
    )  # fmt: skip
