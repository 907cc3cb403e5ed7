"""What does a viewer see of a record? As in a report: enough to tell it from others, not whose it is.

A value is masked where its field holds something of a person on either side, or where it holds what such a
field of the same record holds, also within a longer text. Where nothing tells, an e-mail address is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migrate_validators.masking import EMAIL, Masking, initials
from migrate_validators.personal import Holds, by_name, is_of_persons, of_schema, plain

if TYPE_CHECKING:
    from migrate_validators.trace import Way

    from migrate.cutover.conflicts import Conflict
    from migrate.workspace import Workspace

_TOLD = frozenset({Holds.NAME, Holds.EMAIL, Holds.PHONE})
_LEAST = 3  # signs of a value that is sought within others


class Mask:
    """Masks the ways of records.

    Args:
        personal: by entry, the fields that hold something of a person.
        persons: entries whose records are persons on either side.
    """

    def __init__(self, personal: Mapping[str, Mapping[str, Holds]], persons: frozenset[str]) -> None:
        self._personal, self._persons = personal, persons
        self._masking = Masking({}, lambda _names, _phones: (set(), set()))

    @classmethod
    def of(cls, workspace: Workspace) -> Mask:
        """By a workspace's catalogs."""
        source, target = workspace.catalog("source"), workspace.catalog("target")
        personal: dict[str, dict[str, Holds]] = {}
        persons: set[str] = set()
        for entry in workspace.plan.model.objects:
            schemas = (source.objects.get(entry.source), target.objects.get(entry.target))
            for schema in schemas:
                # A fact is told of an entry, or of the target's object.
                for name in (entry.name, entry.target):
                    personal.setdefault(name, {}).update(of_schema(schema))
            if any(map(is_of_persons, schemas)):
                persons |= {entry.name, entry.target}
        return cls(personal, frozenset(persons))

    def way(self, way: Way) -> Way:
        """A record's way without who it is."""
        known: dict[str, Holds] = {}
        for step in way.steps:
            for name, value in step.facts.items():
                kind = self._kind(way.object, name)
                if kind in _TOLD and isinstance(value, str) and len(value.strip()) >= _LEAST:
                    known[value.strip()] = kind
        steps = [
            replace(
                step,
                what=self._text(step.what, known),
                facts={
                    name: self._fact(self._kind(way.object, name), value, known)
                    for name, value in step.facts.items()
                },
            )
            for step in way.steps
        ]
        return replace(way, steps=steps)

    def conflict(self, one: Conflict) -> Conflict:
        """A conflict without a person's values, and without the name of who changed it."""
        kind = self._kind(one.object, one.field)
        return replace(
            one, who=initials(one.who) if one.who else "", decided=self._text(one.decided, {}),
            **{side: self._fact(kind, getattr(one, side), {}) for side in ("there", "here", "was")},
        )  # fmt: skip

    def _kind(self, entry: str, name: str) -> Holds | None:
        if entry in self._persons and plain(name) == "name":
            return Holds.NAME
        return self._personal.get(entry, {}).get(name) or by_name(name)

    def _fact(self, kind: Holds | None, value: Any, known: Mapping[str, Holds]) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        return self._masking.value(str(value), kind) if kind else self._text(str(value), known)

    def _text(self, words: str, known: Mapping[str, Holds]) -> str:
        for value in sorted(known, key=len, reverse=True):
            if value in words:
                words = words.replace(value, str(self._masking.value(value, known[value])))
        return EMAIL.sub(lambda found: str(self._masking.value(found[0], Holds.EMAIL)), words)
