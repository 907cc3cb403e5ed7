"""What can't come back by itself? The list that `check` prints and that approvers see before they sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrate.cutover.inverting import Inverse, analyse, asked, unknown_rules
from migrate.cutover.reverse_plan import BackEntry, turned
from migrate.stages.check import check
from migrate.stages.checked import Checked, PicklistCounts
from migrate.stages.count import count_values
from migrate.stages.pipeline import checked, extracted, source_objects
from migrate.workspace import Workspace

ELSEWHERE = frozenset({"window", "triggers", "notify", "sponsors"})  # a plan that only rolls back has these

MANY = 4  # locked fields of one object, that are told together


@dataclass(frozen=True)
class WayBack:
    """Every field's way back. `unknown`: rules about fields that the plan doesn't fill. `stays`: entries
    (files, what the old system lets nobody change) of which nothing goes back. `unmade`: by object of the new
    system, fields without which the old one makes no record, and to which nothing leads."""

    inverses: tuple[Inverse, ...]
    unknown: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    unmade: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Inverse, ...]:
        """Those for which the plan needs a rule."""
        return asked(self.inverses)

    @property
    def lossy(self) -> tuple[Inverse, ...]:
        """Those of which something is lost, with or without a rule: what approvers must know."""
        return tuple(each for each in self.inverses if each.verdict != "exact")

    @property
    def told(self) -> tuple[str, ...]:
        """What is lost, a sentence each: for who signs."""
        return (*(each.words for each in self.lossy), *self._kept)

    @property
    def _kept(self) -> tuple[str, ...]:
        kept = [
            f"{name}: what is added or changed of it in the new system stays there" for name in self.stays
        ]
        kept += [
            f"{name}: who is entered in the new system can't be made in the old one, which refuses a record "
            f"without {', '.join(f'`{each}`' for each in needed)}, and no field's way back leads there"
            for name, needed in self.unmade.items()
        ]
        return tuple(kept)

    @property
    def words(self) -> str:
        """For people: what doesn't come back to the letter; "" where all does."""
        locked: dict[str, list[str]] = {}
        for each in self.lossy:
            if each.locked:
                locked.setdefault(each.object, []).append(each.name)
        # Of an object of which we may write nothing there is one thing to say, and not one a field.
        shut = {target: names for target, names in locked.items() if len(names) >= MANY}
        lines = [f"  {each.words}" for each in self.lossy if not (each.locked and each.object in shut)]
        lines += [
            f"  {', '.join(names)}: our user may not change these fields of the old system (need a rule). "
            "Where changes are to go back, give it the right to edit, and run `migrate discover`."
            for names in shut.values()
        ]
        lines += [f"  {name}: a rule stands there, but the plan fills no such field" for name in self.unknown]
        lines += [f"  {each}" for each in self._kept]
        if not lines:
            return ""
        if self.asked:
            lines.append(
                f"  Write what becomes of `{self.asked[0].name}` under `cutover: {{reverse: {{rules: …}}}}`: "
                "`{sql: …}`, `{keep: source}` or `{lossy: accepted}`; the same for the others."
            )
        return "\n".join(["The way back isn't exact for:", *lines])


def has_cutover(workspace: Workspace) -> bool:
    """Whether the plan says more of a cutover than until when one may roll back."""
    return bool(workspace.plan.model.cutover.model_fields_set - ELSEWHERE)


def way_back(workspace: Workspace, found: Checked | None = None) -> WayBack:
    """The analysis, with the counts of what was extracted.

    Raises:
        PlanError: the plan isn't sound.
        Damaged: a part of the extract isn't what its manifest says.
    """
    found = found or checked(workspace)
    plan, source = found.plan, found.source
    files = extracted(workspace, source_objects(plan)).files
    counts = count_values(plan, source, files, workspace.engine) if any(files.values()) else None
    return of_plan(found, counts)


def quick(workspace: Workspace) -> WayBack:
    """The same without counts: reads the plan and the catalogs alone."""
    found = check(workspace.plan, workspace.catalog("source"), workspace.catalog("target"))
    return of_plan(found, None)


def of_plan(found: Checked, counts: PicklistCounts | None) -> WayBack:
    """The analysis of a checked plan."""
    rules = found.plan.model.cutover.reverse.rules
    inverses = analyse(found, rules, counts)
    entries = turned(found.plan, found.source, found.target, inverses)
    back = {each.forward for each in entries}
    unmade = {each.object: lacks for each in entries if each.first and (lacks := _lacks(each, found))}
    stays = tuple(each.name for each in found.plan.model.objects if each.name not in back)
    return WayBack(inverses, tuple(unknown_rules(inverses, rules)), stays, unmade)


def _lacks(each: BackEntry, found: Checked) -> tuple[str, ...]:
    """Fields that a new record of the old system must have, and that the way back doesn't fill."""
    filled = {each.key_field, *(one.name for one in each.fields)}
    schema = found.source.objects[each.old]
    return tuple(n for n, one in schema.fields.items() if one.required and n not in filled)
