"""Where do picklist values and owners go? Tables from a source value to its home in the target.

A home is written in a map as the target's own value or as its label, where that label is unique.
What has no home stays without one here; whether that is a reject is decided where it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from migrate.catalog import Option
from migrate.connector import owners_by_email
from migrate.stages.checked import CheckedOwners
from migrate.stages.transform.work import Work


def resolve(options: Sequence[Option], value: str) -> str | None:
    """The option's value that a text means: by value, else by a label that only one option has."""
    if any(option.value == value for option in options):
        return value
    labelled = {option.value for option in options if option.label == value}
    return labelled.pop() if len(labelled) == 1 else None


def picklist_home(
    homes: Mapping[str, str | None], options: Sequence[Option], unmapped: str
) -> dict[str, str | None]:
    """Target value by source value; None is a home as well: the map says that the field stays empty.

    Args:
        homes: the map, resolved by `check`.
        unmapped: with `add` a value is its own home, or that of an option which has it as its label.
    """
    found: dict[str, str | None] = {}
    if unmapped == "add":
        counts = Counter(option.label for option in options)
        found |= {option.label: option.value for option in options if counts[option.label] == 1}
        found |= {option.value: option.value for option in options}
    return found | dict(homes)


def home_table(work: Work, name: str, found: Mapping[str, str | None]) -> str:
    """A table (value, home); a value that isn't in it has no home, a null home is "leave it empty"."""
    rows = sorted(found.items(), key=lambda item: item[0])
    return work.table_of(name, {"value": pa.string(), "home": pa.string()}, rows)


def owner_table(work: Work, name: str, owners: CheckedOwners) -> tuple[str, str | None]:
    """A table (value, home, former), and the target owner who takes the records of the others.

    An owner goes to the active target owner with the map's `target_email`. Who is inactive, or has
    no active owner there, goes to the plan's `inactive` owner, and `former` keeps name and e-mail;
    without an `inactive` owner an inactive source owner still goes to an active one of that e-mail.
    Owners whom the map doesn't list are taken from the source's catalog, by their own e-mail; a queue's
    address means nobody.
    """
    active = {email: owner.id for email, owner in owners_by_email(work.target.owners).items() if owner.active}
    taker = owners.inactive.id if owners.inactive else None
    people: dict[str, tuple[str, str, bool, str | None]] = {
        owner.id: (
            owner.name,
            owner.email or "",
            owner.active,
            None if owner.queue else active.get((owner.email or "").strip().lower()),
        )
        for owner in work.source.owners
    }
    for row in owners.written.rows:
        home = owners.home.get(row.source_id)
        own = home.id if home is not None and home.active else active.get(row.target_email.lower())
        people[row.source_id] = (row.source_name, row.source_email, row.active, own)
    rows: list[tuple[str, str | None, str | None]] = []
    for id, (label, email, is_active, own) in sorted(people.items()):
        if own is not None and (is_active or taker is None):
            rows.append((id, own, None))
        else:
            rows.append((id, taker, f"{label} <{email}>" if email else label or id))
    types = {"value": pa.string(), "home": pa.string(), "former": pa.string()}
    return work.table_of(name, types, rows), taker
