"""Which fields hold what of a person? Told by the catalogs: by a field's kind and by how people call it.

No vendor marks its fields so that one could rely on it, therefore names decide: `Email`, `MobilePhone`,
`hs_email_subject`. An object whose records have a last name is one of persons.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from migrate.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migrate.catalog import Field, ObjectSchema
    from migrate_validators.evidence import Evidence


class Holds(StrEnum):
    """What a field holds of a person."""

    EMAIL = "e-mail"
    PHONE = "phone"
    NAME = "name"
    BIRTH = "birthday"
    TEXT = "text"  # free text, in which anything may stand


_LAST_NAME = re.compile(r"lastname|surname|familyname")
_NAMES = re.compile(
    r"(first|last|middle|sur|family|given|full|nick|maiden)name"
    r"|(contact|person|sender|recipient|assistant|spouse)name|^(from|to)name"
)
_RULES = (
    (Holds.EMAIL, re.compile(r"email(?!.*(status|type|count|optout|bounce))|^mail$|mailaddress$")),
    (Holds.PHONE, re.compile(r"phone|mobile|fax|whatsapp|skype")),
)
_TITLES = re.compile(r"subject|(call|meeting|task|email|note).*(title|name)")
_STREETS = re.compile(r"street|address")
_TEXTS = frozenset({Kind.STRING, Kind.TEXT})


def plain(name: str) -> str:
    """A name as it is compared: `First Name`, `first_name` and `FirstName__c` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("__c"))


def is_of_persons(schema: ObjectSchema | None) -> bool:
    """Whether an object's records are persons; firms among which there are persons are firms."""
    names = {plain(name) for name in schema.fields} if schema is not None else set()
    return any(map(_LAST_NAME.search, names)) and "ispersonaccount" not in names


def holds(field: Field, of_person: bool) -> Holds | None:
    """What a field holds of a person; None: nothing that is masked."""
    name = plain(field.name)
    if field.owner or field.kind not in _TEXTS:
        return Holds.BIRTH if field.kind is Kind.DATE and "birth" in name else None
    if field.kind is Kind.TEXT or field.html or _TITLES.search(name):
        return Holds.TEXT
    return _by_name(name, of_person)


def by_name(name: str) -> Holds | None:
    """The same, where only a name or a label is known."""
    return _by_name(plain(name), False)


def _by_name(name: str, of_person: bool) -> Holds | None:
    for what, pattern in _RULES:
        if pattern.search(name):
            return what
    if _NAMES.search(name) or (of_person and name == "name"):
        return Holds.NAME
    return Holds.TEXT if of_person and _STREETS.search(name) else None


def personal_fields(evidence: Evidence) -> dict[str, dict[str, Holds]]:
    """By entry: every field, of either side, that holds something of a person."""
    found: dict[str, dict[str, Holds]] = {}
    for each in evidence.plan.model.objects:
        for schema in (evidence.source.objects.get(each.source), evidence.target.objects.get(each.target)):
            found.setdefault(each.name, {}).update(of_schema(schema))
    return found


def of_schema(schema: ObjectSchema | None) -> dict[str, Holds]:
    """Every field of an object that holds something of a person."""
    if schema is None:
        return {}
    of_person = is_of_persons(schema)
    return {field.name: what for field in schema.fields.values() if (what := holds(field, of_person))}


def name_pairs(schema: ObjectSchema) -> Iterator[tuple[str, ...]]:
    """The fields that together name a person: the first and the last name, and each that holds both."""
    by = {plain(name): name for name, what in of_schema(schema).items() if what is Holds.NAME}
    firsts = [name for key, name in by.items() if re.search(r"first|given", key)]
    lasts = [name for key, name in by.items() if _LAST_NAME.search(key)]
    yield from ((first, last) for first in firsts for last in lasts)
    yield from ((name,) for name in by.values() if name not in firsts and name not in lasts)
