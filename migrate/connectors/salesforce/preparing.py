"""How does the org get what the plan needs? Objects, fields and values are added; `removing` takes them back.

Each change is looked up before it is made and counts as `there` when it is, so that a repetition after
a crash makes nothing twice. A field made by API is visible to nobody, so each is then granted through a
permission set of ours to the user as whom we act (`Seeing`); the org's administrator decides who else
sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import NewField, NewLabel, NewObject, NewOption, SchemaChange
from migrate.connectors.salesforce.definitions import (
    STANDARD_SETS,
    field_definition,
    field_name,
    fits,
    object_definition,
    value_definition,
)
from migrate.connectors.salesforce.metadata import Metadata, Saved, listed
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.seeing import Seeing
from migrate.errors import InDoubt

TRIES = 4
FIRST_WAIT = 5.0  # seconds, then twice as long each time
MADE = frozenset({"DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"})
# Their values carry more than a name (closed, won, probability): an administrator's to make.
BY_HAND = frozenset({"CaseStatus", "LeadStatus", "OpportunityStage", "TaskStatus"})

Said = dict[SchemaChange, str]


class Preparing:
    """Makes what is missing in the org."""

    def __init__(self, org: Org) -> None:
        self._org, self._metadata, self.seeing = org, Metadata(org), Seeing(org)

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        """Objects first, then plain fields, then those that lead to other objects, then values."""
        said: Said = {}
        self._org.forget()
        self._objects([each for each in changes if isinstance(each, NewObject)], said)
        fields = [each for each in changes if isinstance(each, NewField)]
        options = [each for each in changes if isinstance(each, NewOption)]
        for wave in (
            [each for each in fields if each.reference is None],
            [each for each in fields if each.reference is not None and each.detail],
            [each for each in fields if each.reference is not None and not each.detail],
        ):
            self._fields(wave, options, said)
        self.seeing.grant(
            [each.object for each in changes if isinstance(each, NewObject) and _good(said[each])],
            [each for each in fields if _good(said[each])],
        )
        for object, name in dict.fromkeys((each.object, each.field) for each in options):
            mine = [each for each in options if (each.object, each.field) == (object, name)]
            self._options(object, name, mine, said)
        for change in changes:
            if isinstance(change, NewLabel):
                said[change] = (
                    "refused: Salesforce has no link labels; a link is a reference field or a junction"
                )
        self._org.forget()
        return [(change, said[change]) for change in changes]

    # -- objects and fields -------------------------------------------------------------------

    def _objects(self, changes: Sequence[NewObject], said: Said) -> None:
        wanted = {change.object: change for change in changes}
        for name, outcome in self._make(
            "CustomObject", {name: object_definition(change) for name, change in wanted.items()}
        ).items():
            said[wanted[name]] = outcome

    def _fields(self, changes: Sequence[NewField], options: Sequence[NewOption], said: Said) -> None:
        wanted: dict[str, NewField] = {}
        twins: dict[str, list[NewField]] = {}
        given: dict[str, Mapping[str, Any]] = {}
        for change in changes:
            name = field_name(change.object, change.name)
            twins.setdefault(name, []).append(change)  # of tasks and events, a field of both
            wanted.setdefault(name, change)
            values = list(change.options)
            values += [each for each in options if (each.object, each.field) == (change.object, change.name)]
            given.setdefault(name, field_definition(change, list(dict.fromkeys(values))))
        for name, outcome in self._make("CustomField", given).items():
            for change in twins[name]:
                said[change] = outcome

    def _make(self, kind: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Make what isn't there; the outcome of each by name."""
        outcomes: dict[str, str] = {}
        sent: set[str] = set()
        for attempt in range(TRIES):
            there = self._metadata.read(kind, [name for name in given if name not in outcomes])
            for name, found in there.items():
                outcomes[name] = fits(kind, given[name], found) or ("made" if name in sent else "there")
            missing = {name: value for name, value in given.items() if name not in outcomes}
            if not missing:
                break
            sent |= missing.keys()
            try:
                saved = self._metadata.create(kind, missing)
            except InDoubt:
                if attempt == TRIES - 1:
                    raise
                self._org.clock.sleep(FIRST_WAIT * 2**attempt)
                continue
            outcomes |= {each.name: _outcome(each) for each in saved if each.code not in MADE}
        return {
            name: outcomes.get(name, "refused: the org says that it is there, and doesn't show it")
            for name in given
        }

    # -- values -------------------------------------------------------------------------------

    def _options(self, object: str, name: str, changes: Sequence[NewOption], said: Said) -> None:
        full = field_name(object, name)
        found = self._metadata.read("CustomField", [full]).get(full) if name.endswith("__c") else None
        if found is None:
            return self._standard(object, name, changes, said)
        value_set = found.get("valueSet") or {}
        if shared := value_set.get("valueSetName"):
            return self._add("GlobalValueSet", shared, "customValue", changes, said)
        there = listed((value_set.get("valueSetDefinition") or {}).get("value"))
        new = _new(there, changes, said)
        if new:
            whole = {**found, "valueSet": {**value_set, "valueSetDefinition": {
                "sorted": "false", "value": [*_without(there, new), *map(value_definition, new)],
            }}}  # fmt: skip
            self._update("CustomField", full, whole, new, said)
        return None

    def _standard(self, object: str, name: str, changes: Sequence[NewOption], said: Said) -> None:
        known = STANDARD_SETS.get(f"{object}.{name}")
        if known is None or known in BY_HAND:
            schema = self._org.schema(object).fields.get(name)
            there = [{"fullName": option.value} for option in schema.options] if schema else []
            why = (
                "its values say more than their name, so an administrator makes them"
                if known
                else "no picklist of ours"
            )
            said |= dict.fromkeys(_new(there, changes, said), f"refused: {object}.{name}: {why}")
            return
        self._add("StandardValueSet", known, "standardValue", changes, said)

    def _add(self, kind: str, name: str, part: str, changes: Sequence[NewOption], said: Said) -> None:
        """Add values to a set that several fields may share."""
        found = self._metadata.read(kind, [name]).get(name)
        if found is None:
            said |= dict.fromkeys(changes, f"refused: the value set {name} can't be read")
            return
        there = listed(found.get(part))
        new = _new(there, changes, said)
        if new:
            whole = [*_without(there, new), *map(value_definition, new)]
            self._update(kind, name, {**found, part: whole}, new, said)

    def _update(
        self, kind: str, name: str, whole: Mapping[str, Any], new: Sequence[NewOption], said: Said
    ) -> None:
        definition = {key: value for key, value in whole.items() if key != "fullName"}
        [saved] = self._metadata.update(kind, {name: definition})
        said |= dict.fromkeys(new, _outcome(saved))


def _new(there: Sequence[Mapping[str, Any]], changes: Sequence[NewOption], said: Said) -> list[NewOption]:
    """Those that aren't there; the others are said to be."""
    known = {str(each.get("fullName")) for each in there if str(each.get("isActive", "true")) != "false"}
    said |= {change: "there" for change in changes if change.value in known}
    return [change for change in changes if change.value not in known]


def _without(there: Sequence[Mapping[str, Any]], new: Sequence[NewOption]) -> list[Mapping[str, Any]]:
    """A value that comes back from being inactive stands among the others no more."""
    values = {each.value for each in new}
    return [each for each in there if str(each.get("fullName")) not in values]


def _outcome(saved: Saved) -> str:
    return f"refused: {saved.code} {saved.words}".rstrip() if saved.code else "made"


def _good(outcome: str) -> bool:
    return not outcome.startswith("refused")
