"""Which value of the target does each value of the source most likely mean, and who takes whose records?

A home that is written needs nobody's trust: it is the same text, or `SURE` of a hundred alike, and
then says so. What is less alike, or is the label of several options, stays without a home; the
guess stands in the note, and `check` lists the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rapidfuzz import fuzz

from migrate.catalog import Catalog, Option
from migrate.plan.maps import EXAMPLES, OWNER_COLUMNS, PICKLIST_COLUMNS, write_csv

SURE = 90.0  # likeness of 100 from which a guess is written as if a person had decided
NEAR = 78.0  # from which it is worth a note; values are short and misspelt


def picklist_csv(
    seen: Mapping[str, int | None],
    options: Sequence[Option],
    known: Sequence[Option] = (),
    examples: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """A picklist map with its best guesses.

    Args:
        seen: records by source value; None where nothing was counted.
        options: of the target, out of which a home may come.
        known: all that its field has, if these are more; a label that several of them have is ambiguous.
        examples: ids of some records that hold a value.
    """
    rows = picklist_rows(seen, options, known, examples)
    return write_csv((*PICKLIST_COLUMNS, EXAMPLES), rows)


def picklist_rows(
    seen: Mapping[str, int | None],
    options: Sequence[Option],
    known: Sequence[Option] = (),
    examples: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[tuple[object, ...]]:
    """The rows of such a map."""
    known = known or options
    elsewhere = [option for option in known if option not in options]
    rows: list[tuple[object, ...]] = []
    for value, count in seen.items():
        found, score = _alike(value, options)
        home, note = "", ""
        if len(found) > 1 and score >= SURE:
            values = ", ".join(f"`{option.value}`" for option in found)
            note = f"several values are called so: {values}"
        elif found and score >= SURE:
            home = _written(found[0], known)
            note = "" if score >= 100 else f"guessed, {score:.0f} % alike"
        elif (there := _alike(value, elsewhere))[1] >= SURE:
            note = f"`{there[0][0].label}` is there, but not valid with the rest of the plan"
        elif found and score >= NEAR:
            # Cut, not rounded: what is 89.6 % alike mustn't read like what would have been taken.
            note = f"perhaps `{_written(found[0], known)}`: only {int(score)} % alike, so you decide"
        rows.append((value, "" if count is None else count, home, note, " ".join(examples.get(value, ()))))
    return rows


def likely_homes(values: Sequence[str], options: Sequence[Option]) -> int:
    """How many of the values have a sure home among these options."""
    found = (_alike(value, options) for value in values)
    return sum(len(homes) == 1 and score >= SURE for homes, score in found)


def owners_csv(source: Catalog, target: Catalog) -> str:
    """The map of owners: by e-mail address, which is never guessed."""
    people = (owner for owner in target.owners if owner.active and not owner.queue)
    there = {owner.email.lower(): owner for owner in people if owner.email}
    rows: list[tuple[object, ...]] = []
    for owner in source.owners:
        found = None if owner.queue else there.get((owner.email or "").lower())
        note = "" if found else "no active owner with this e-mail in the target"
        if owner.queue:
            note = "a queue: name the person who takes its records"
        active = str(owner.active).lower()
        rows.append((owner.id, owner.email or "", owner.name, active, found.email if found else "", note))
    return write_csv(OWNER_COLUMNS, rows)


def _alike(value: str, options: Sequence[Option]) -> tuple[list[Option], float]:
    """The options that are most like a source value, and how much; several only if their labels are one."""
    ours = " ".join(value.casefold().split())
    best: list[Option] = []
    most = 0.0
    for option in options:
        score = 0.0
        for text in (option.value, option.label):
            theirs = " ".join(text.casefold().replace("_", " ").split())
            alike = 100.0 if ours == theirs else min(fuzz.token_sort_ratio(ours, theirs), 99.0)
            score = max(score, alike)
        if score > most:
            best, most = [option], score
        elif best and score == most and option.label == best[0].label:
            best.append(option)
    return best, most


def _written(option: Option, options: Sequence[Option]) -> str:
    """As a map writes it: by its label, where no other option has it."""
    alone = sum(each.label == option.label for each in options) == 1
    return option.label if alone else option.value
