"""How is what `prepare` made in an org taken back, and who uses it?

A deleted field or object keeps its data for 15 days, in which an administrator brings it back in the setup
(Salesforce help, "Manage Deleted Custom Fields", "Manage Deleted Custom Objects", read 2026-11-26); its name
is free at once. A picklist value that a definition leaves out becomes inactive: values are deleted in the
setup only. Our permission set goes when nobody else has it and it grants nothing any more. Use is counted
by the org itself; what a filter can't ask of (long texts) is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.connector import NewField, NewHelper, NewObject, NewOption, SchemaChange, Use
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.definitions import ACTIVITIES, STANDARD_SETS, field_name, part_names
from migrate.connectors.salesforce.looking import Looking
from migrate.connectors.salesforce.metadata import Metadata, Saved, listed
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.reading import live_only
from migrate.errors import UsageError
from migrate.types import Kind

KEPT_DAYS = 15
GONE = Use(there=False)
INACTIVE = "removed: inactive now; Salesforce deletes picklist values in its setup only"
OK = (400, 403, 404)


class Removing:
    """Takes back what is in the org's schema because of us."""

    def __init__(self, org: Org, looking: Looking) -> None:
        self._org, self._looking, self._metadata = org, looking, Metadata(org)

    def use(self, changes: Sequence[SchemaChange]) -> list[Use]:
        self._org.forget()
        return [self._use(change) for change in changes]

    def remove(self, change: SchemaChange) -> str:
        if isinstance(change, NewField):
            saved = self._metadata.delete("CustomField", field_name(change.object, change.name))
        elif isinstance(change, NewObject):
            saved = self._metadata.delete("CustomObject", change.object)
        elif isinstance(change, NewOption):
            return self._inactive(change)
        elif isinstance(change, NewHelper):
            return self._set_gone(change)
        else:
            return "removed"  # Salesforce has no link labels
        self._org.forget()
        return _told(saved)

    # -- how it stands ------------------------------------------------------------------------

    def _use(self, change: SchemaChange) -> Use:
        if isinstance(change, NewObject):
            found = self._metadata.read("CustomObject", [change.object]).get(change.object)
            if found is None:
                return GONE
            ours = {field_name(each.object, each.name).partition(".")[2] for each in change.fields}
            own = {str(each.get("fullName")) for each in listed(found.get("fields"))}
            others = sorted(name for name in own - ours if name.endswith("__c"))
            why = f"somebody has made fields in it: {', '.join(others[:5])}" if others else ""
            return Use(there=True, records=self._org.rest.count(change.object, []), why=why)
        if isinstance(change, NewHelper):
            return self._set(change)
        if isinstance(change, NewField):
            full = field_name(change.object, change.name)
            if not self._metadata.read("CustomField", [full]):
                return GONE
            return self._filled(change.object, part_names(change.name), None)
        return self._option(change) if isinstance(change, NewOption) else GONE

    def _option(self, change: NewOption) -> Use:
        kind, name, _ = self._set_of(change)
        if change.value not in [value for value, active in self._values(change) if active]:
            return GONE
        if kind == "GlobalValueSet":
            return Use(
                there=True, why=f"other fields may share the value set {name}; its administrator knows"
            )
        paths = [
            path for path, known in STANDARD_SETS.items() if known == name and kind == "StandardValueSet"
        ]
        own = f"{change.object}.{change.field}"
        uses = [
            self._filled(object, (field,), change.value)
            for object, _, field in (path.partition(".") for path in dict.fromkeys([own, *paths]))
            if object == change.object or object in self._org.listed()
        ]
        return Use(True, sum(each.records for each in uses), next((u.why for u in uses if u.why), ""))

    def _filled(self, object: str, names: Sequence[str], value: str | None) -> Use:
        """Records with a value, or this value, in one of these fields; fields of activities are of both."""
        count = 0
        for each in sorted(ACTIVITIES) if object in ACTIVITIES and value is None else (object,):
            schema = self._org.schema(each)
            unseen = [name for name in names if name not in schema.fields]
            if unseen:
                return Use(there=True, why=f"our user doesn't see {each}.{unseen[0]}, so nobody knows")
            live = live_only(schema)
            kinds = {name: schema.fields[name].kind for name in names}
            if Kind.TEXT in kinds.values():
                held = self._looking.sweep(each, list(names), None)
                count += sum(any(row.values.get(name) for name in names) for row in held)
                continue
            asked = " OR ".join(_condition(name, kind, value) for name, kind in kinds.items())
            count += self._org.rest.count(each, [*live, f"({asked})"], all=bool(live))
        return Use(there=True, records=count)

    def _values(self, change: NewOption) -> list[tuple[str, bool]]:
        """The picklist's values, and whether each is active."""
        kind, name, part = self._set_of(change)
        found = self._metadata.read(kind, [name]).get(name) or {}
        told = listed(found.get(part)) if part else listed(_own(found).get("value"))
        return [(str(each.get("fullName")), str(each.get("isActive", "true")) != "false") for each in told]

    def _set_of(self, change: NewOption) -> tuple[str, str, str]:
        """Kind, name and part of what defines a picklist's values; no part: the field itself does.

        Raises:
            UsageError: nothing that we may change defines them.
        """
        if change.field.endswith("__c"):
            full = field_name(change.object, change.field)
            found = self._metadata.read("CustomField", [full]).get(full) or {}
            shared = (found.get("valueSet") or {}).get("valueSetName")
            return ("GlobalValueSet", str(shared), "customValue") if shared else ("CustomField", full, "")
        known = STANDARD_SETS.get(f"{change.object}.{change.field}")
        if known is None:
            raise UsageError(f"{change.object}.{change.field} is no picklist of ours", "Look in the setup.")
        return "StandardValueSet", known, "standardValue"

    def _set(self, helper: NewHelper) -> Use:
        """Our permission set: whom else it serves, and what it still grants."""
        id = self._set_id(helper)
        if id is None:
            return GONE
        mine = [f"PermissionSetId = {soql.text(id)}", f"AssigneeId != {soql.text(self._org.user())}"]
        others = self._org.rest.count("PermissionSetAssignment", mine)
        parts = [f"ParentId = {soql.text(id)}"]
        granted = sum(self._org.rest.count(each, parts) for each in ("FieldPermissions", "ObjectPermissions"))
        whom = f"{others} others are assigned to it" if others else ""
        return Use(there=True, why=whom or (f"it grants {granted} fields and objects" if granted else ""))

    def _set_id(self, helper: NewHelper) -> str | None:
        rows = self._org.rest.rows(soql.select(helper.object, ["Id"], [f"Name = {soql.text(helper.name)}"]))
        return str(rows[0]["Id"]) if rows else None

    # -- removing -----------------------------------------------------------------------------

    def _inactive(self, change: NewOption) -> str:
        kind, name, part = self._set_of(change)
        found = self._metadata.read(kind, [name]).get(name)
        if found is None:
            return "removed"
        rest = [
            each
            for each in (listed(found.get(part)) if part else listed(_own(found).get("value")))
            if str(each.get("fullName")) != change.value
        ]
        whole = {key: value for key, value in found.items() if key != "fullName"}
        if part:
            whole[part] = rest
        else:
            own = {"sorted": "false", "value": rest}
            whole["valueSet"] = {**found["valueSet"], "valueSetDefinition": own}
        [saved] = self._metadata.update(kind, {name: whole})
        self._org.forget()
        return INACTIVE if not saved.code else _told(saved)

    def _set_gone(self, helper: NewHelper) -> str:
        """Its assignments first, for an assigned set can't be deleted."""
        id = self._set_id(helper)
        if id is None:
            return "removed"
        text = soql.select("PermissionSetAssignment", ["Id"], [f"PermissionSetId = {soql.text(id)}"])
        for object, each in [
            *(("PermissionSetAssignment", str(row["Id"])) for row in self._org.rest.rows(text)),
            (helper.object, id),
        ]:
            path = f"{self._org.base}/sobjects/{object}/{each}"
            reply = self._org.http.call("DELETE", path, write=True, ok=OK)
            if reply.status >= 300 and reply.status != 404:
                return f"refused: {object} {each} can't be deleted ({reply.status})"
        return "removed"


def _own(found: dict[str, object]) -> dict[str, object]:
    """The values that a field defines itself."""
    value_set = found.get("valueSet")
    own = value_set.get("valueSetDefinition") if isinstance(value_set, dict) else None
    return own if isinstance(own, dict) else {}


def _condition(name: str, kind: Kind, value: str | None) -> str:
    if value is not None:
        many = kind is Kind.MULTIPICKLIST
        return f"{name} INCLUDES ({soql.text(value)})" if many else f"{name} = {soql.text(value)}"
    return f"{name} = true" if kind is Kind.BOOL else f"{name} != null"


def _told(saved: Saved) -> str:
    return f"refused: {saved.code} {saved.words}".rstrip() if saved.code else "removed"
