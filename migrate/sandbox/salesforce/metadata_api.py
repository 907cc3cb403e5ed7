"""How does a client make objects, fields and values, in one synchronous call?

`POST /services/Soap/m/{version}`: createMetadata, updateMetadata, upsertMetadata, readMetadata,
deleteMetadata and listMetadata of CustomObject, CustomField, GlobalValueSet and StandardValueSet, ten
components a call, one result a component; errors of the whole call are SOAP faults with status 500
(Salesforce, Metadata API Developer Guide "createMetadata()", "readMetadata()", "updateMetadata()",
"StandardValueSet Names and Standard Picklist Fields", read 2026-11-26).
"""

from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

from migrate.sandbox.salesforce import granting
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.metadata_fields import (
    checked_name,
    custom_value,
    definition,
    described,
    entry,
    flag,
    parts_of,
)
from migrate.sandbox.salesforce.metadata_soap import META, Fault, names_of, plain, reply, typed, value_of, xml
from migrate.sandbox.salesforce.schema import Field, SObject
from migrate.sandbox.vendor import Reply

MOST = 10
SETS = "value-sets"
ACTIVITY = ("Task", "Event")  # custom fields of `Activity` stand on both
Sow = Callable[[Call, dict[str, Any]], Call]

STANDARD_SETS: dict[str, tuple[str, ...]] = {
    "AccountOwnership": ("Account.Ownership",),
    "AccountRating": ("Account.Rating", "Lead.Rating"),
    "AccountType": ("Account.Type",),
    "CampaignMemberStatus": ("CampaignMember.Status",),
    "CampaignStatus": ("Campaign.Status",),
    "CampaignType": ("Campaign.Type",),
    "CaseOrigin": ("Case.Origin",),
    "CasePriority": ("Case.Priority",),
    "CaseReason": ("Case.Reason",),
    "CaseStatus": ("Case.Status",),
    "CaseType": ("Case.Type",),
    "ContactRole": ("OpportunityContactRole.Role",),
    "Industry": ("Account.Industry", "Lead.Industry"),
    "LeadSource": (
        "Account.AccountSource",
        "Contact.LeadSource",
        "Lead.LeadSource",
        "Opportunity.LeadSource",
    ),
    "LeadStatus": ("Lead.Status",),
    "OpportunityStage": ("Opportunity.StageName",),
    "OpportunityType": ("Opportunity.Type",),
    "Salutation": ("Contact.Salutation", "Lead.Salutation"),
    "TaskPriority": ("Task.Priority",),
    "TaskStatus": ("Task.Status",),
}


def answer(call: Call, operation: ElementTree.Element, sow: Sow) -> Reply:
    """Carry one operation out.

    Args:
        sow: lays metadata over the org's and gives a call with the new schema.

    Raises:
        Fault: the user may not, or the operation isn't known here.
    """
    if not (call.rights.has("PermissionsModifyMetadata") or call.rights.has("PermissionsModifyAllData")):
        raise Fault(
            "INSUFFICIENT_ACCESS",
            "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions",
        )
    name = plain(operation.tag)
    work = Work(call, sow)
    match name:
        case "createMetadata" | "updateMetadata" | "upsertMetadata":
            body = work.save(name.removesuffix("Metadata"), [typed(each) for each in operation])
        case "readMetadata":
            body = work.read(*names_of(operation))
        case "deleteMetadata":
            body = work.delete(*names_of(operation))
        case "listMetadata":
            body = work.listed(
                [str(value_of(each).get("type")) for each in operation if plain(each.tag) == "queries"]
            )
        case _:
            raise Fault("UNKNOWN_EXCEPTION", f"this simulator doesn't know the operation {name}")
    return reply(200, f'<{name}Response xmlns="{META}">{body}</{name}Response>')


class Work:
    """One call's components, one after the other; each stands or falls alone."""

    def __init__(self, call: Call, sow: Sow) -> None:
        self.call, self._sow = call, sow

    def save(self, how: str, given: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """One `SaveResult` a component."""
        _few(len(given))
        if len({kind for kind, _ in given}) > 1:
            raise Fault("INVALID_TYPE", "all components of a call must be of one type")
        return "".join(self._saved(how, kind, each) for kind, each in given)

    def _saved(self, how: str, kind: str, given: dict[str, Any]) -> str:
        name = str(given.get("fullName") or "")
        try:
            with self.call.tx.savepoint():
                created = self._one(how, kind, name, given)
        except Refusal as refusal:
            self.call = self._sow(self.call, {})
            error = {"message": refusal.message, "statusCode": refusal.code}
            return xml("result", {"errors": error, "fullName": name, "success": False})
        more = {"created": created} if how == "upsert" else {}
        return xml("result", {**more, "fullName": name, "success": True})

    def _one(self, how: str, kind: str, name: str, given: dict[str, Any]) -> bool:
        save = {
            "CustomObject": self._object, "CustomField": self._field, "GlobalValueSet": self._global,
            "StandardValueSet": self._standard,
        }.get(kind)  # fmt: skip
        if save is None:
            raise Refusal("INVALID_TYPE", f"this simulator doesn't know the type {kind}")
        there = self._find(kind, name) is not None
        if there and how == "create":
            raise Refusal("DUPLICATE_DEVELOPER_NAME", f"The name {name} is in use already")
        if not there and how == "update":
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"no {kind} named {name} found")
        save(name, given, there=there)
        return not there

    def _object(self, name: str, given: dict[str, Any], *, there: bool) -> None:
        checked_name(name)
        for needed in ("label", "pluralLabel", "nameField", "sharingModel", "deploymentStatus"):
            if not given.get(needed):
                raise Refusal("REQUIRED_FIELD_MISSING", f"Required field is missing: {needed}")
        entry: dict[str, Any] = {"label": given["label"], "labelPlural": given["pluralLabel"]}
        if not there:
            entry["keyPrefix"] = self._prefix()
        kind = given["nameField"].get("type")
        if kind not in ("Text", "AutoNumber") or not given["nameField"].get("label"):
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "The nameField needs a label and the type Text or AutoNumber"
            )
        named: dict[str, Any] = {"name": "Name", "label": given["nameField"]["label"]}
        if kind == "AutoNumber":
            entry["nameFormat"] = given["nameField"].get("displayFormat") or "{0}"
            named |= {"autoNumber": True, "createable": False, "updateable": False, "defaultedOnCreate": True,
                      "nillable": False}  # fmt: skip
        entry["fields"] = [named]
        self.call = self._sow(self.call, {name: entry})
        for field in given.get("fields", ()):
            full = f"{name}.{field.get('fullName', '')}"
            self._field(full, field, there=self._find("CustomField", full) is not None)

    def _prefix(self) -> str:
        used = self.call.schema.by_prefix.keys()
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        free = (f"a{digit}{letter}" for digit in range(10) for letter in letters)
        return next(each for each in free if each not in used)

    def _field(self, name: str, given: dict[str, Any], *, there: bool) -> None:
        object, _, own = name.partition(".")
        targets = ACTIVITY if object == "Activity" else (object,)
        if object in ACTIVITY:
            raise Refusal("INVALID_FULLNAME", f"Custom fields of {object} are made on Activity")
        unique = object == "Activity" and flag(given, "unique")
        if unique and not self.call.settings["unique_activity_fields"]:
            raise Refusal("FIELD_INTEGRITY_EXCEPTION", "Cannot set 'unique' on a CustomField of Activity")
        for target in targets:
            item = self.call.schema.get(target)
            if item is None:
                raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"Entity Enumeration Or ID: bad value: {object}")
            old = item.field(own)
            values = self._values(given, old)
            found = entry(self.call, item, own, given, values)
            if old is not None and old.kind != found["type"]:
                raise Refusal("FIELD_INTEGRITY_EXCEPTION", f"Cannot change the type of {name} here")
            whole = [found, *parts_of(found)]
            self.call = self._sow(self.call, {item.name: {"fields": whole}})
            for each in (part["name"] for part in whole):
                if not there:
                    granting.secure(self.call, item.name, each, wanted=bool(found["permissionable"]))
                elif not found["permissionable"]:
                    granting.secure(self.call, item.name, each, wanted=False)

    def _values(self, given: dict[str, Any], old: Field | None) -> list[dict[str, Any]]:
        value_set = given.get("valueSet") or {}
        if not isinstance(value_set, dict):
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "a valueSet holds a valueSetDefinition or a valueSetName"
            )
        if named := value_set.get("valueSetName"):
            shared = (self.call.records.state(SETS) or {}).get(named)
            if shared is None:
                raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"no GlobalValueSet named {named} found")
            values: list[dict[str, Any]] = shared["values"]
            return values
        listed = (value_set.get("valueSetDefinition") or {}).get("value", ())
        return described(list(listed), old.values if old is not None else {})

    def _global(self, name: str, given: dict[str, Any], *, there: bool) -> None:
        if not given.get("masterLabel"):
            raise Refusal("REQUIRED_FIELD_MISSING", "Required field is missing: masterLabel")
        stored = self.call.records.state(SETS) or {}
        before = {each["value"]: each for each in stored.get(name, {}).get("values", ())}
        values = described(given.get("customValue", []), before)
        stored[name] = {"label": given["masterLabel"], "values": values}
        self.call.records.set_state(SETS, stored)
        if there:  # fields that share it follow
            for item in list(self.call.schema.objects.values()):
                mine = [
                    f.name
                    for f in item.fields.values()
                    if f.describe["picklistValues"] == list(before.values())
                ]
                fields = [{"name": each, "picklistValues": values} for each in mine if before]
                if fields:
                    self.call = self._sow(self.call, {item.name: {"fields": fields}})

    def _standard(self, name: str, given: dict[str, Any], *, there: bool) -> None:  # noqa: ARG002 - they all are
        for path in STANDARD_SETS[name]:
            object, _, own = path.partition(".")
            item = self.call.schema.get(object)
            field = item.field(own) if item is not None else None
            if item is not None and field is not None:
                values = described(given.get("standardValue", []), field.values)
                self.call = self._sow(
                    self.call, {object: {"fields": [{"name": own, "picklistValues": values}]}}
                )

    # -- reading ------------------------------------------------------------------------------

    def read(self, kind: str, names: Sequence[str]) -> str:
        """The components, absent ones as nil."""
        _few(len(names))
        records = []
        for name in names:
            found = self._find(kind, name)
            records.append(
                '<records xsi:nil="true"/>'
                if found is None
                else xml("records", {"fullName": name, **found}, kind)
            )
        return f"<result>{''.join(records)}</result>"

    def _find(self, kind: str, name: str) -> dict[str, Any] | None:
        """A component's definition without its name, or None."""
        match kind:
            case "CustomObject":
                item = self.call.schema.get(name)
                return None if item is None else _definition(item)
            case "CustomField":
                object, _, own = name.partition(".")
                item = self.call.schema.get("Task" if object == "Activity" else object)
                field = item.field(own) if item is not None else None
                return definition(field) if field is not None and field.custom else None
            case "GlobalValueSet":
                shared = (self.call.records.state(SETS) or {}).get(name)
                if shared is None:
                    return None
                values = [custom_value(each) for each in shared["values"]]
                return {"customValue": values, "masterLabel": shared["label"], "sorted": False}
            case "StandardValueSet" if name in STANDARD_SETS:
                object, _, own = STANDARD_SETS[name][0].partition(".")
                item = self.call.schema.get(object)
                field = item.field(own) if item is not None else None
                values = [custom_value(each) for each in field.describe["picklistValues"]] if field else []
                return {"sorted": False, "standardValue": values}
        return None

    def listed(self, kinds: Sequence[str]) -> str:
        """File properties of every custom object."""
        found = ""
        for kind in kinds:
            names = sorted(self.call.schema.objects) if kind == "CustomObject" else []
            for name in names:
                stamp = self.call.stamp()
                found += xml("result", {
                    "createdById": self.call.actor, "createdByName": "", "createdDate": stamp,
                    "fileName": f"objects/{name}.object", "fullName": name, "id": "",
                    "lastModifiedById": self.call.actor, "lastModifiedByName": "",
                    "lastModifiedDate": stamp, "type": kind,
                })  # fmt: skip
        return found

    def delete(self, kind: str, names: Sequence[str]) -> str:
        """One `DeleteResult` a component; custom fields and custom objects only. Their values go with them:
        the vendor keeps them for 15 days under another name, where no API shows them."""
        _few(len(names))
        found = ""
        for name in names:
            result: dict[str, Any] = {"fullName": name, "success": True}
            try:
                self._gone(kind, name)
            except Refusal as refusal:
                error = {"message": refusal.message, "statusCode": refusal.code}
                result = {"errors": error, "fullName": name, "success": False}
            found += xml("result", result)
        return found

    def _gone(self, kind: str, name: str) -> None:
        if kind not in ("CustomField", "CustomObject") or self._find(kind, name) is None:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"no {kind} named {name} found")
        (self._field_gone if kind == "CustomField" else self._object_gone)(name)

    def _field_gone(self, name: str) -> None:
        object, _, own = name.partition(".")
        for target in ACTIVITY if object == "Activity" else (object,):
            fields = self.call.schema.objects[target].fields.values()
            for each in [f.name for f in fields if own in (f.name, f.describe["compoundFieldName"])]:
                self.call.records.forget_field(self.call.schema.objects[target].name, each)
                self.call = self._sow(self.call, {target: {"remove": [each]}})
                granting.secure(self.call, target, each, wanted=False)
                granting.forget(self.call, f"{target}.{each}")

    def _object_gone(self, name: str) -> None:
        item = self.call.schema.objects.get(name)
        if item is None or not item.custom:
            raise Refusal("FIELD_INTEGRITY_EXCEPTION", f"{name} is a standard object")
        others = [f"{o.name}.{f.name}" for o, f in self.call.schema.children.get(name, ()) if f.custom]
        others = [path for path in others if not path.startswith(f"{name}.")]
        if others:
            raise Refusal("DEPENDENCY_EXISTS", f"This object is referenced elsewhere: {', '.join(others)}")
        self.call.records.forget_object(name)
        self.call = self._sow(self.call, {name: {"gone": True}})
        granting.forget(self.call, name)


def _definition(item: SObject) -> dict[str, Any]:
    name = item.fields.get("Name")
    fields = [
        {"fullName": field.name, **definition(field)}
        for field in item.fields.values()
        if field.custom and item.custom
    ]
    named = (
        {"label": name.label, "type": "AutoNumber" if name.describe["autoNumber"] else "Text"}
        if name
        else None
    )
    found = {
        "deploymentStatus": "Deployed", "fields": fields, "label": item.label, "nameField": named,
        "pluralLabel": item.plural, "sharingModel": "ReadWrite",
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def _few(count: int) -> None:
    if count > MOST:
        raise Fault("LIMIT_EXCEEDED", f"{count} components in a call; at most {MOST}")
