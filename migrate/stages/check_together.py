"""Which records get a value that the target doesn't take together with another field's?

An option of the target may be valid only with some values of another field (`Field.within` names the
field, `Option.beside` the values). Both values come out of the plan: through maps, as they are, or,
where nothing fills the other field, as the target's own default for new records. With an extract the
combinations that occur are counted; without one, only what fits under no circumstances is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrate.catalog import Field
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan import Plan
from migrate.plan.mistakes import Keys
from migrate.stages.checked import CheckedField, CheckedObject, Combinations, Findings


def check_together(
    plan: Plan, objects: Mapping[str, CheckedObject], counts: Combinations | None, findings: Findings
) -> None:
    """Add a warning for each combination that the target refuses.

    Args:
        objects: as checked so far, by entry.
        counts: from `count_combinations`; None before the first extract.
    """
    for index, each in enumerate(plan.model.objects):
        checked = objects.get(each.name)
        for name, field in checked.fields.items() if checked else ():
            if checked is not None and field.target.within in checked.target.fields:
                pair = _Pair(plan, ("objects", index, "fields", name), field, checked)
                findings.warnings.extend(pair.misfits((counts or {}).get((each.name, name))))


@dataclass(frozen=True)
class _Pair:
    """A field whose options depend on another one. `keys`: where the plan fills it."""

    plan: Plan
    keys: Keys
    field: CheckedField
    object: CheckedObject

    @property
    def outer(self) -> CheckedField | None:
        return self.object.fields.get(str(self.field.target.within))

    @property
    def outer_place(self) -> Field:
        return self.object.target.fields[str(self.field.target.within)]

    def misfits(self, counts: Mapping[tuple[str, str | None], int] | None) -> Iterator[PlanMistake]:
        if self.field.function or (self.outer and self.outer.function):
            return  # what a function gives is known to the transform only
        if self.outer is None and str(self.field.target.within) in self.object.plan.fields:
            return  # its mapping is wrong, and told as that
        found: dict[tuple[Position, str, str], int | None] = {}
        if counts is None:
            for value in self._values():
                given = self._given(value)
                if given and all(self._wrong(value, each) for each in given):
                    for outer in given:
                        found[self._told(value, outer)] = None
        for (value, beside), records in (counts or {}).items():
            for outer in self._homes(self.outer, beside):
                if self._wrong(value, outer):
                    told = self._told(value, outer)
                    found[told] = (found.get(told) or 0) + records
        for (at, option, outer), number in found.items():
            yield self._mistake(at, option, outer, number)

    def _values(self) -> list[str]:
        """Source values, or literals, that are known without an extract."""
        if self.field.home is not None:
            return list(self.field.home)
        return [each for each in self.field.expression.outcomes or () if each is not None]

    def _given(self, value: str) -> set[str]:
        """What the other field may get in records that have this value; none where nobody can tell."""
        if self.outer is not None and self.outer.home is not None:
            if self.outer.plan.origin == self.field.plan.origin and self.field.home is not None:
                return self._homes(self.outer, value)
            rest = {self.outer.default} if self.outer.plan.unmapped == "default" else set()
            homes = {home or self.outer_place.default for home in (*self.outer.home.values(), *rest)}
        elif self.outer is not None:
            outcomes = self.outer.expression.outcomes or ()
            homes = {each or self.outer_place.default for each in outcomes}
        else:
            homes = {self.outer_place.default}
        return set() if None in homes else {home for home in homes if home is not None}

    def _homes(self, field: CheckedField | None, value: str | None) -> set[str]:
        """What a source value becomes: one text, or none where its records are rejected or it isn't known."""
        default = (self.outer_place if field is self.outer else self.field.target).default
        if field is None or value is None or value == "":
            home = default
        elif field.home is None:
            home = value
        elif value in field.home:
            home = field.home[value] or default
        else:
            home = {"default": field.default, "add": value}.get(field.plan.unmapped)
        return set() if home is None else {home}

    def _wrong(self, value: str, outer: str) -> bool:
        """Whether the target has the option that the value becomes, but not with `outer`."""
        for option in self._homes(self.field, value):
            places = [each.beside for each in self.field.target.options if each.value == option]
            return bool(places) and all(beside is not None and outer not in beside for beside in places)
        return False

    def _told(self, value: str, outer: str) -> tuple[Position, str, str]:
        (option,) = self._homes(self.field, value)
        return self._at(value), option, outer

    def _at(self, value: str) -> Position:
        """The row of the map that names the value, else the field in the plan."""
        file = self.field.plan.picklist
        if file is not None:
            try:
                rows = self.plan.picklist(file).rows
            except PlanError:
                rows = ()
            for row in rows:
                if row.source == value and row.target:
                    return row.at
            return self.plan.at(*self.keys, "picklist")
        return self.plan.at(*self.keys)

    def _mistake(self, at: Position, option: str, outer: str, records: int | None) -> PlanMistake:
        inner, place = self.field.target, self.outer_place
        right = [
            value for each in inner.options if each.value == option for value in sorted(each.beside or ())
        ]
        homes = " or ".join(f"`{_label(place, each)}`" for each in dict.fromkeys(right)) or "no value"
        count = "" if records is None else f" ({records:,} {'record' if records == 1 else 'records'})"
        if self.outer is None:
            gives = f"nothing fills `{place.name}`, and new records get `{_label(place, outer)}`"
            do = f"Map `{place.name}` under `fields`, to {homes} for these records"
        else:
            gives = f"the plan gives these records `{_label(place, outer)}`"
            do = f"Give them {homes} in `{place.name}`"
        return PlanMistake(
            at,
            f"`{_label(inner, option)}` of `{inner.name}` is valid only with {homes} in `{place.name}`, "
            f"but {gives}{count}.",
            f"{do}, or another value of `{inner.name}`; as it is, {_outcome(inner)}.",
        )


def _outcome(field: Field) -> str:
    if field.lenient:
        return "the target takes them, and whoever edits one of them must choose again"
    return "the target refuses them"


def _label(field: Field, value: str) -> str:
    """The option's label; with its value where the label alone doesn't say which."""
    found = next((each.label for each in field.options if each.value == value), value)
    return found if sum(each.label == found for each in field.options) <= 1 else f"{found} ({value})"
