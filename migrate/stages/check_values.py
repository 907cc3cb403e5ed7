"""Where does each picklist value and each owner go, and which have no home?

Homes are written in CSV maps, by an option's value or by a label that only one option has. What a
map doesn't name has no home: the plan's `unmapped` says what becomes of it, and all of it is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from migrate.catalog import Catalog, Option, Owner
from migrate.connector import owners_by_email
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan import FieldPlan, Plan
from migrate.plan.expressions import suggest
from migrate.plan.maps import PicklistMap, PicklistRow
from migrate.plan.mistakes import Keys
from migrate.stages.checked import CheckedOwners, Findings, Unmapped


def resolve(options: Sequence[Option], written: str, name: str) -> tuple[str | None, str, str]:
    """The option's value that a text means, or None with what is wrong and what would be right."""
    if any(option.value == written for option in options):
        return written, "", ""
    labelled = sorted({option.value for option in options if option.label == written})
    if len(labelled) == 1:
        return labelled[0], "", ""
    if labelled:
        both = ", ".join(f"`{value}`" for value in labelled)
        return (
            None,
            f"`{written}` is the label of several values of `{name}`.",
            f"Write the value itself: {both}.",
        )
    known = [text for option in options for text in dict.fromkeys((option.label, option.value))]
    return None, f"`{written}` isn't a value of `{name}`.", suggest(written, known, "Its values are")


def option_words(option: Option) -> str:
    """An option for people: its value, and its label where that is another."""
    return f"`{option.value}`" + (f" ({option.label})" if option.label != option.value else "")


class Values:
    """Resolves the maps of one plan against two catalogs."""

    def __init__(
        self,
        plan: Plan,
        source: Catalog,
        target: Catalog,
        counts: Mapping[tuple[str, str], Mapping[str, int]] | None,
        findings: Findings,
    ) -> None:
        self.plan, self.source, self.target = plan, source, target
        self.counts, self.findings = counts, findings
        self._told: set[PlanMistake] = set()

    def _tell(self, at: Position, what: str, remedy: str) -> None:
        self.findings.mistakes.append(PlanMistake(at, what, remedy))

    def picklist(
        self,
        keys: Keys,
        file: str,
        unmapped: str,
        default: str | None,
        options: Sequence[Option],
        *,
        name: str,
        object: str,
        written: str,
        shown: str,
        add: Callable[[str], None] | None,
    ) -> tuple[dict[str, str | None], str | None]:
        """Homes by source value, and the resolved default.

        Args:
            keys: where the map is named in the plan (the entry that has `picklist`).
            options: the target's; none means that any text will do.
            name: the target field (or label) for messages; `shown`: the source's.
            object, written: the entry or junction object and the expression, as the counts are keyed.
            add: notes a new option to prepare; None where the target can take none.
        """
        try:
            table = self.plan.picklist(file)
        except PlanError as error:
            self._unreadable(error, keys, file, "picklist")
            return {}, None
        home: dict[str, str | None] = {}
        for row in table.rows:
            if row.target:
                home |= self._home(table, row, options, name, unmapped, add)
        self._asleep(table, home, options, name)
        fallback: str | None = None
        if unmapped == "default" and default is not None:
            fallback, what, remedy = resolve(options, default, name) if options else (default, "", "")
            if fallback is None:
                self._tell(self.plan.at(*keys, "default"), what, remedy)
        seen = (self.counts or {}).get((object, written))
        left = {row.source: row.count for row in table.rows if not row.target}
        if seen is not None:
            named = {row.source for row in table.rows if row.target}
            left = {value: count for value, count in seen.items() if value not in named}
        if unmapped == "add":
            known = {text for option in options for text in (option.value, option.label)}
            for value in [value for value in left if value not in known]:
                if add is not None:
                    add(value)
            left = {value: count for value, count in left.items() if value not in known}
        self._without_home(left, keys, file, unmapped, name, object, shown)
        return home, fallback

    def _home(
        self,
        table: PicklistMap,
        row: PicklistRow,
        options: Sequence[Option],
        name: str,
        unmapped: str,
        add: Callable[[str], None] | None,
    ) -> dict[str, str | None]:
        target = table.home[row.source]
        if target is None or not options:
            return {row.source: target}
        value, what, remedy = resolve(options, target, name)
        if value is None and unmapped == "add" and add is not None and "several" not in what:
            add(target)
            return {row.source: target}
        if value is None:
            self._tell(row.at, what, remedy)
            return {}
        return {row.source: value}

    def _asleep(
        self, table: PicklistMap, home: Mapping[str, str | None], options: Sequence[Option], name: str
    ) -> None:
        """Tell which values of the target are switched off and yet are somebody's home."""
        off = {option.value: option for option in options if not option.active}
        led: dict[str, list[PicklistRow]] = {}
        for row in table.rows:
            value = home.get(row.source)
            if value in off:
                led.setdefault(str(value), []).append(row)
        for value, rows in led.items():
            lead = "leads" if len(rows) == 1 else "lead"
            who = _counted([(row.source, row.count) for row in rows])
            self.findings.warnings.append(
                PlanMistake(
                    rows[0].at,
                    f"{who} {lead} to {option_words(off[value])} of `{name}`, "
                    "which is inactive in the target.",
                    "Lead to an active value, or switch that one on there: a restricted picklist refuses it.",
                )
            )

    def _without_home(
        self,
        left: Mapping[str, int | None],
        keys: Keys,
        file: str,
        rule: str,
        name: str,
        object: str,
        shown: str,
    ) -> None:
        ordered = sorted(left.items(), key=lambda item: (-(item[1] or 0), item[0]))
        self.findings.unmapped.extend(Unmapped(object, name, value, count, rule) for value, count in ordered)
        if not ordered or rule != "reject":
            return
        plural = "value" if len(ordered) == 1 else "values"
        self.findings.warnings.append(
            PlanMistake(
                self.plan.at(*keys, "from"),
                f"`{shown}` has {len(ordered):,} {plural} without a home in `{name}`.",
                f"{_counted(ordered)}\n"
                f"  Add them to {file}; with `unmapped: reject` these records become rejects.",
            )
        )

    def _unreadable(self, error: PlanError, keys: Keys, file: str, key: str) -> None:
        for mistake in error.mistakes:
            if not mistake.at.line and mistake.what.startswith("There is no such file"):
                at = self.plan.at(*keys, key)
                self._tell(at, f"There is no file `{file}` beside the plan.", mistake.remedy)
            elif mistake not in self._told:  # a map that several fields name is read, and told, once
                self._told.add(mistake)
                self.findings.mistakes.append(mistake)

    def owners(self, keys: Keys, field: FieldPlan, object: str, name: str) -> CheckedOwners | None:
        """The owner map, resolved: active target owners by source id, and who takes the others."""
        people = owners_by_email(self.target.owners)
        active = {email: owner for email, owner in people.items() if owner.active}
        takers: dict[str, Owner | None] = {}
        for key, email in (("inactive", field.inactive), ("nobody", field.nobody)):
            takers[key] = active.get((email or "").strip().lower())
            if email is not None and takers[key] is None:
                self._no_owner(self.plan.at(*keys, key), email, people, active)
        taker = takers["inactive"]
        try:
            table = self.plan.owners(field.owner or "")
        except PlanError as error:
            self._unreadable(error, keys, field.owner or "", "owner")
            return None
        home = {
            owner.id: active[owner.email.lower()]
            for owner in self.source.owners
            if owner.email and not owner.queue and owner.email.lower() in active
        }
        for row in table.rows:
            home.pop(row.source_id, None)
            if row.target_email:
                found = active.get(row.target_email.lower())
                if found is None:
                    self._no_owner(row.at, row.target_email, people, active)
                elif row.active or taker is None:
                    home[row.source_id] = found
        seen = (self.counts or {}).get((object, field.origin))
        if seen is not None and taker is None:
            left = {value: count for value, count in seen.items() if value not in home}
            ordered = sorted(left.items(), key=lambda item: (-item[1], item[0]))
            self.findings.unmapped.extend(Unmapped(object, name, value, n, "reject") for value, n in ordered)
            if ordered:
                noun = "owner" if len(ordered) == 1 else "owners"
                self.findings.warnings.append(
                    PlanMistake(
                        self.plan.at(*keys, "owner"),
                        f"`{field.origin}` has {len(ordered):,} {noun} without a home in `{name}`.",
                        f"{_counted(ordered)}\n"
                        f"  Add them to {field.owner}, or name who takes their records with "
                        "`inactive: <e-mail>`; without it these records become rejects.",
                    )
                )
        return CheckedOwners(home, taker, takers["nobody"], table)

    def _no_owner(
        self, at: Position, email: str, people: Mapping[str, object], active: Iterable[str]
    ) -> None:
        if email.strip().lower() in people:
            self._tell(
                at, f"`{email}` is inactive in the target and can't own records.", "Name an active owner."
            )
        else:
            self._tell(
                at, f"`{email}` isn't an owner in the target.", suggest(email, active, "Its owners are")
            )


def ambiguous_labels(options: Sequence[Option]) -> set[str]:
    """Labels that more than one option has."""
    return {label for label, count in Counter(option.label for option in options).items() if count > 1}


def _counted(values: Sequence[tuple[str, int | None]], most: int = 20) -> str:
    shown: list[str] = []
    for index, (value, count) in enumerate(values[:most]):
        noun = (" record" if count == 1 else " records") if index == 0 else ""
        shown.append(f"`{value}`" if count is None else f"`{value}` ({count:,}{noun})")
    return ", ".join(shown) + (f" and {len(values) - most:,} more" if len(values) > most else "")
