"""Is a difference still there when one looks again, and who made it?

A snapshot is minutes old when it is compared, and a target's own automations may be at work. So each
record that differs is read again, by id and from the row store, until two reads in a row say the same.
What stays is explained from the target's history, where it keeps one: an automation wrote it, a person
did, another program did, or nobody but us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.connector import KeepsHistory, Who
from migrate_validators.evidence import Evidence

if TYPE_CHECKING:
    from migrate.connector import Held

MOST = 20_000  # records that are read again; beyond that the snapshot's word stands
ROUNDS = 5

Values = Mapping[str, "str | None"]

AUTOMATION, PERSON, PROGRAM, OURS, UNKNOWN = "automation", "person", "another program", "ours", "unknown"
HELD = "held"  # in place of an author: a repair found that somebody had changed it, and left it so
_WHO = {
    Who.AUTOMATION: AUTOMATION,
    Who.PERSON: PERSON,
    Who.INTEGRATION: PROGRAM,
    Who.OURS: OURS,
}  # fmt: skip


@dataclass(frozen=True)
class Author:
    """Who wrote a value last, by the target's own history; `at` in the vendor's text."""

    who: str
    name: str = ""
    at: str = ""


def read_again(
    evidence: Evidence, object: str, ids: Sequence[str], fields: Sequence[str]
) -> dict[str, Values]:
    """Values of these records as they are now, once two reads in a row agree.

    Returns:
        Wire values by id; a record that is gone isn't there. At most `ROUNDS` reads; the last one counts.
    """
    settle = evidence.connector.limits.settle
    last: dict[str, Values] | None = None
    for _ in range(ROUNDS):
        if last is not None:
            evidence.clock.sleep(settle)
        now = {
            record.asked: dict(record.values)
            for record in _read(evidence, object, list(ids), list(fields))
            if record.id == record.asked and not record.archived
        }
        if now == last:
            return dict(now)
        last = dict(now)
    return last or {}


def _read(evidence: Evidence, object: str, ids: list[str], fields: list[str]) -> list[Held]:
    return evidence.connector.read_back(object, fields, ids=ids) if ids else []


def authors(
    evidence: Evidence, object: str, fields_by_id: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], Author]:
    """The last author of each named field of each record; empty where the target keeps no history."""
    if not fields_by_id or not isinstance(evidence.connector, KeepsHistory):
        return {}
    names = sorted({name for fields in fields_by_id.values() for name in fields})
    found: dict[tuple[str, str], Author] = {}
    for id, versions in evidence.connector.history(object, list(fields_by_id), names).items():
        for version in versions:  # newest first
            if version.field in fields_by_id.get(id, ()) and (id, version.field) not in found:
                author = Author(_WHO.get(version.who, UNKNOWN), version.name, version.at)
                found[id, version.field] = author
    return found
