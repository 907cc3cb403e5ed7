"""What does the target lack for this plan, and can it be made? Objects, fields, options, link labels.

Every change is journalled before it is asked for; making what is there already is no change. What
`prepare` makes stays after a rollback (the report lists it as residue), unless the rollback is told to take
back what nobody uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from migrate.catalog import Catalog, Field
from migrate.clock import stamp
from migrate.connector import (
    NewField,
    NewHelper,
    NewLabel,
    NewObject,
    NewOption,
    RemovesSchema,
    SchemaChange,
)
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
        return words(self.change)


def words(change: SchemaChange) -> str:
    """A change, for people."""
    if isinstance(change, NewObject):
        return f"{change.object}: object `{change.label}`"
    if isinstance(change, NewField):
        return f"{change.object}.{change.name} ({change.kind}{', unique' if change.unique else ''})"
    if isinstance(change, NewOption):
        return f"{change.object}.{change.field}: option `{change.value}`"
    if isinstance(change, NewHelper):
        return f"{change.object}: {change.kind} `{change.name}`"
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
            loading.journal.append(entry(loading, batch, change, "create", "intent") for change in wanted)
            with loading.batch(batch):
                said = target.prepare(wanted)
                beside = target.made_beside() if isinstance(target, RemovesSchema) else ()
                loading.journal.append(
                    entry(
                        loading,
                        batch,
                        change,
                        "create",
                        "refused" if outcome.startswith("refused") else "done",
                        outcome,
                    )
                    for change, outcome in [*((each, "made") for each in beside), *said]
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


def entry(
    loading: Loading, batch: BatchRow, change: SchemaChange, op: str, outcome: str, reason: str = ""
) -> Entry:
    """A change of the schema as a row of the journal; `op`: create or delete."""
    facts = {name: str(value) for name, value in asdict(change).items()}
    object = change.left if isinstance(change, NewLabel) else change.object
    return Entry(
        loading.attempt, batch.id, loading.system, object, "schema", "", op, outcome,
        after={"change": type(change).__name__, **facts}, reason=reason,
    )  # fmt: skip


def of_facts(facts: Mapping[str, str | None]) -> SchemaChange:
    """The change that `entry` wrote, as far as taking it back needs it: what it is, where, and its kind."""
    told = {name: value or "" for name, value in facts.items()}
    match told["change"]:
        case "NewObject":
            return NewObject(told["object"], told["label"], told["plural"], told["name_field"])
        case "NewField":
            reference = told.get("reference", "None")
            return NewField(
                told["object"], told["name"], told["label"], told["kind"], told["unique"] == "True",
                reference=None if reference == "None" else reference,
                required=told["required"] == "True", detail=told.get("detail") == "True",
            )  # fmt: skip
        case "NewOption":
            return NewOption(told["object"], told["field"], told["value"], told["label"])
        case "NewHelper":
            return NewHelper(told["object"], told["kind"], told["name"])
        case _:
            inverse = told.get("inverse", "None")
            return NewLabel(
                told["left"], told["right"], told["label"], None if inverse == "None" else inverse
            )
