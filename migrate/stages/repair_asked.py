"""What may a repair be asked, and what does it tell? Names of fields by entry; foreseen and done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrate.errors import UsageError
from migrate.load import Tally
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import always_written
from migrate.stages.plan_diff import Changed
from migrate.workspace import Workspace


@dataclass(frozen=True)
class HeldGroup:
    """Records that a repair left as they are, for one reason. `name`: `deals.edited`; `keys`: the first."""

    name: str
    reason: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Foreseen:
    """What a repair would do. `changes`: of the named fields; `others`: what else the plan changes.

    `records`: loaded records that it would look at, by entry; some may turn out to be held. `left_out`: those
    that have a dead letter of their own.
    """

    old: str
    new: str
    changes: tuple[Changed, ...]
    others: tuple[Changed, ...]
    records: dict[str, int]
    left_out: int
    folder: str


@dataclass
class Repaired:
    """What a repair did. `objects`: of this run; all else of the whole repair.

    `mended`: records written; `kept`: that needed nothing; `held`: left as they are; `left_out`: that have a
    dead letter of their own. `already`: it was at its end before, and nothing was sent. `settled`: ready rows
    that no load need send any more.
    """

    number: int
    checkpoint: str
    attempt: int
    old: str
    new: str
    objects: dict[str, Tally] = field(default_factory=dict)
    mended: int = 0
    kept: int = 0
    held: tuple[HeldGroup, ...] = ()
    others: tuple[Changed, ...] = ()
    left_out: int = 0
    already: bool = False
    settled: int = 0
    lost_edits: int = 0

    @property
    def clean(self) -> bool:
        """Every record got its new values."""
        return not (self.held or self.lost_edits or self.left_out)


def fields_of(workspace: Workspace, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`deals.amount` and so on, by entry of the plan; an owner's former owner goes with it.

    Raises:
        UsageError: a name isn't OBJECT.FIELD, or names what a repair can't write.
    """
    found: dict[str, dict[str, None]] = {}
    plans = workspace.plan.model.objects
    for name in names:
        object, dot, wanted = name.rpartition(".")
        entries = [each for each in plans if object in (each.target, each.name, each.source)]
        if not dot or not entries:
            listed = ", ".join(dict.fromkeys(f"`{each.target}`" for each in plans))
            raise UsageError(
                f"`{name}` names no field of the plan.", f"Write OBJECT.FIELD; objects: {listed}."
            )
        holding = [each for each in entries if wanted in _mapped(each)]
        if not holding:
            fields = ", ".join(f"`{each}`" for each in dict.fromkeys(n for e in entries for n in _mapped(e)))
            raise UsageError(f"The plan doesn't fill `{name}`.", f"It fills {fields}.")
        for each in holding:
            _may_be_written(each, wanted)
            mapped = each.fields.get(wanted)
            more = [mapped.former] if mapped is not None and mapped.former else []
            found.setdefault(each.name, {}).update(dict.fromkeys([wanted, *more]))
    return {name: tuple(sorted(fields)) for name, fields in found.items()}


def _mapped(plan: ObjectPlan) -> list[str]:
    former = [each.former for each in plan.fields.values() if each.former]
    return list(dict.fromkeys([*plan.fields, *former, *always_written(plan)]))


def _may_be_written(plan: ObjectPlan, name: str) -> None:
    if name in always_written(plan):
        raise UsageError(
            f"`{name}` says where a record came from; a repair doesn't change it.",
            "Roll back and load again under the new plan.",
        )
    if name in plan.insert_only:
        raise UsageError(
            f"The target takes `{plan.target}.{name}` only when a record is made.",
            "Roll back and load again under the new plan.",
        )
