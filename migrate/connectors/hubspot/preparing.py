"""How does the portal get what the plan needs? What is missing is added; `removing` takes it back.

Each change is looked up before it is made and counts as `there` when it is, so that a repetition after a
crash makes nothing twice. A property's `hasUniqueValue` can be set only when it is made, and at most ten
of an object may have it (HubSpot, properties, read 2026-11-23). A custom object is made with its
properties in one call; pairs with a custom object are joined before they get labels (HubSpot, custom
objects, read 2026-11-26).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import NewField, NewHelper, NewLabel, NewObject, NewOption, SchemaChange
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.linking import REFUSALS
from migrate.connectors.hubspot.metadata import Metadata, custom_name
from migrate.connectors.hubspot.paths import CUSTOM_PREFIX, PIPELINED, STANDARD
from migrate.connectors.hubspot.portal import Portal
from migrate.connectors.hubspot.replies import error_body, problem
from migrate.types import Kind

UNLABELLED = "default"
GROUP, GROUP_LABEL = "migration", "Migration"
# Neither comes back over the API; see `removing`.
ARCHIVED = (
    "refused: it lies in HubSpot's archive, which keeps its name for 90 days; restore it in the settings, "
    "under Properties, Archived properties, or name it otherwise"
)
BINNED = (
    "refused: an object of this name was deleted; purge it in HubSpot's settings, under Custom objects, or "
    "name it otherwise"
)
_TYPES = {
    Kind.STRING: ("string", "text"),
    Kind.TEXT: ("string", "textarea"),
    Kind.BOOL: ("bool", "booleancheckbox"),
    Kind.INT: ("number", "number"),
    Kind.DECIMAL: ("number", "number"),
    Kind.MONEY: ("number", "number"),
    Kind.DATE: ("date", "date"),
    Kind.TIMESTAMP: ("datetime", "date"),
    Kind.PICKLIST: ("enumeration", "select"),
    Kind.MULTIPICKLIST: ("enumeration", "checkbox"),
}
_YES_NO = [
    {"label": "Yes", "value": "true", "displayOrder": 0, "hidden": False},
    {"label": "No", "value": "false", "displayOrder": 1, "hidden": False},
]
_Option = Mapping[str, Any]


class Preparing:
    """Makes what is missing in the portal's schema."""

    def __init__(self, portal: Portal, metadata: Metadata) -> None:
        self._portal, self._metadata = portal, metadata
        self.beside: list[SchemaChange] = []  # made for the sake of what was asked for

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        said: dict[SchemaChange, str] = {}
        self._metadata.forget()  # the catalog at hand may be older than a former try of the same changes
        for change in changes:
            if isinstance(change, NewObject):
                said[change] = self._object(change)
                if said[change] == "made":
                    within = [option for each in change.fields for option in each.options]
                    said |= dict.fromkeys([*change.fields, *within], "made")
                self._metadata.forget()
        for change in changes:  # a new picklist gets its options with it
            if isinstance(change, NewField) and change not in said:
                options = [
                    each
                    for each in changes
                    if isinstance(each, NewOption)
                    and (each.object, each.field) == (change.object, change.name)
                ]
                said[change] = self._field(change, options)
                if said[change] == "made":
                    said |= dict.fromkeys(options, "made")
        for change in changes:
            if isinstance(change, NewLabel):
                said[change] = self._label(change)
        options = [change for change in changes if isinstance(change, NewOption) and change not in said]
        for object, field in dict.fromkeys((change.object, change.field) for change in options):
            of_field = [change for change in options if (change.object, change.field) == (object, field)]
            said |= self._options(object, field, of_field)
        self._metadata.forget()
        return [(change, said[change]) for change in changes]

    def _object(self, change: NewObject) -> str:
        """One call makes the object with all its properties, so that a crash can't leave it half made."""
        if self.type_id(change.object) is not None:
            return "there"
        known = {each.name for each in change.fields}
        body: dict[str, Any] = {
            "name": change.object.removeprefix(CUSTOM_PREFIX),
            "description": change.description,
            "labels": {"singular": change.label, "plural": change.plural},
            "primaryDisplayProperty": change.name_field,
            "secondaryDisplayProperties": [name for name in change.secondary if name in known],
            "requiredProperties": [each.name for each in change.fields if each.required],
            "searchableProperties": list(change.searchable) or [change.name_field],
            "properties": [
                {k: v for k, v in _property(each, each.options).items() if k != "groupName"}
                for each in change.fields
            ],
            "associatedObjects": [id for each in change.links if (id := self.type_id(each)) is not None],
        }
        reply = self._post(self._portal.paths.schemas(), body)
        if reply.status == 409:
            self._metadata.forget()
            return "there" if self.type_id(change.object) is not None else BINNED
        return "made" if reply.status < 300 else _refusal(reply)

    def type_id(self, object: str) -> str | None:
        """An object's type id; None where the portal has no such object (yet)."""
        if object in STANDARD:
            return STANDARD[object]
        found = (each for each in self._metadata.custom() if custom_name(each) == object)
        return next((str(each["objectTypeId"]) for each in found), None)

    def _field(self, change: NewField, options: Sequence[NewOption]) -> str:
        body = _property(change, options)
        path = self._portal.paths.properties(change.object, f"/{change.name}")
        there = self._portal.get_or_none(path, 404)
        if there is not None:
            return _fits(there, body["type"], change.unique)
        refused = self._group(change.object)
        if refused:
            return refused
        reply = self._post(self._portal.paths.properties(change.object), body)
        if reply.status == 409:
            there = self._portal.get_or_none(path, 404)
            if there is None and self._portal.get_or_none(path, 404, archived="true") is not None:
                return ARCHIVED
            return _fits(there, body["type"], change.unique) if there else _refusal(reply)
        return "made" if reply.status < 300 else _refusal(reply)

    def _group(self, object: str) -> str | None:
        path = self._portal.paths.properties(object, f"/groups/{GROUP}")
        if self._portal.get_or_none(path, 404) is not None:
            return None
        body = {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}
        reply = self._post(self._portal.paths.properties(object, "/groups"), body)
        if reply.status < 300:
            self.beside.append(NewHelper(object, "property group", GROUP))
        return None if reply.status < 300 or reply.status == 409 else _refusal(reply)

    def _options(self, object: str, field: str, changes: Sequence[NewOption]) -> dict[SchemaChange, str]:
        if field in PIPELINED.get(object, ()):
            why = "refused: pipelines and stages are set up by a person in HubSpot's settings"
            known = {option.value for option in self._metadata.fields(object)[field].options}
            return {change: "there" if change.value in known else why for change in changes}
        path = self._portal.paths.properties(object, f"/{field}")
        there = self._portal.get_or_none(path, 404)
        if there is None:
            return dict.fromkeys(changes, f"refused: {object} has no property `{field}`")
        held: list[_Option] = list(there.get("options") or ())
        values = {str(option["value"]) for option in held}
        new = [change for change in changes if change.value not in values]
        said: dict[SchemaChange, str] = dict.fromkeys(changes, "there")
        if not new:
            return said
        if (there.get("modificationMetadata") or {}).get("readOnlyOptions"):
            return said | dict.fromkeys(new, f"refused: the options of `{field}` are HubSpot's own")
        added = [_option(change, len(held) + order) for order, change in enumerate(new)]
        reply = self._portal.http.call(
            "PATCH", path, json={"options": [*held, *added]}, write=True, ok=REFUSALS
        )  # the list replaces the old one, so it carries every option there was
        return said | dict.fromkeys(new, "made" if reply.status < 300 else _refusal(reply))

    def _label(self, change: NewLabel) -> str:
        def there() -> bool:
            found = self._metadata.labels(change.left, change.right)
            return any(each.label == change.label for each in found)

        if there():
            return "there"
        if not self._metadata.labels(change.left, change.right):
            refused = self._joined(change.left, change.right)
            self._metadata.forget()
            if refused or change.label == UNLABELLED:
                return refused or "made"
            self.beside.append(NewLabel(change.left, change.right, UNLABELLED))
        name = re.sub(r"[^a-z0-9]+", "_", change.label.lower()).strip("_") or "label"
        body: dict[str, Any] = {"label": change.label, "name": name if name[0].isalpha() else f"l_{name}"}
        if change.inverse is not None:
            body["inverseLabel"] = change.inverse
        reply = self._post(self._portal.paths.associations(change.left, change.right, "/labels"), body)
        self._metadata.forget()
        if reply.status == 409 and there():
            return "there"
        return "made" if reply.status < 300 else _refusal(reply)

    def _joined(self, left: str, right: str) -> str | None:
        """Let two objects be linked, of which at least one is custom; a refusal, if there is one."""
        holder, other = (left, right) if left not in STANDARD else (right, left)
        body = {  # told from the custom object, which the path names
            "fromObjectTypeId": self.type_id(holder),
            "toObjectTypeId": self.type_id(other),
            "name": f"{left}_to_{right}",
        }
        if holder in STANDARD or None in body.values():
            return f"refused: HubSpot doesn't link {left} to {right}"
        reply = self._post(self._portal.paths.schemas(holder, "/associations"), body)
        return None if reply.status < 300 or reply.status == 409 else _refusal(reply)

    def _post(self, path: str, body: Mapping[str, Any]) -> Reply:
        return self._portal.http.call("POST", path, json=body, write=True, ok=REFUSALS)


def _property(change: NewField, options: Sequence[NewOption]) -> dict[str, Any]:
    """A property's definition, as a call makes it."""
    type_, field_type = _TYPES.get(Kind(change.kind), ("string", "text"))
    body: dict[str, Any] = {
        "name": change.name,
        "label": change.label,
        "type": type_,
        "fieldType": field_type,
        "groupName": GROUP,
        "description": change.description,
        "hasUniqueValue": change.unique,
        "formField": False,
    }
    if Kind(change.kind) is Kind.MONEY:
        body["showCurrencySymbol"] = True
    if type_ == "bool":
        body["options"] = _YES_NO
    elif type_ == "enumeration":
        body["options"] = [_option(each, order) for order, each in enumerate(options)]
    return body


def _fits(there: Mapping[str, Any], type_: str, unique: bool) -> str:
    if there.get("type") != type_:
        return f"refused: there already, as {there.get('type')} and not {type_}; name it otherwise"
    if unique and not there.get("hasUniqueValue"):
        return (
            "refused: there already without unique values, which HubSpot can't add later; name it otherwise"
        )
    return "there"


def _option(change: NewOption, order: int) -> dict[str, Any]:
    return {"label": change.label, "value": change.value, "displayOrder": order, "hidden": False}


def _refusal(reply: Reply) -> str:
    said = problem(error_body(reply))
    return f"refused: {said.reason or said.code or reply.status}"
