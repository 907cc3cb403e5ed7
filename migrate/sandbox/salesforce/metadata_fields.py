"""What is a custom field in the Metadata API's words, and what in describe's?

Field types, what each needs and its bounds: Salesforce, Metadata API "CustomField", help "Custom Field
Types", "Custom Field Attributes", read 2026-11-26. Error texts are in the vendor's spirit.
"""

import re
from collections.abc import Mapping
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.schema import Field, SObject

Given = Mapping[str, Any]
TYPES = {  # the Metadata API's type -> describe's
    "AutoNumber": "string", "Checkbox": "boolean", "Currency": "currency", "Date": "date",
    "DateTime": "datetime", "Email": "email", "Html": "textarea", "LongTextArea": "textarea",
    "Location": "location", "Lookup": "reference", "MasterDetail": "reference",
    "MultiselectPicklist": "multipicklist", "Number": "double", "Percent": "percent", "Phone": "phone",
    "Picklist": "picklist", "Text": "string", "TextArea": "textarea", "Time": "time", "Url": "url",
}  # fmt: skip
_NUMBERS = frozenset({"Currency", "Number", "Percent"})
_LONG = frozenset({"Html", "LongTextArea"})
_MAY_BE_KEY = frozenset({"AutoNumber", "Email", "Number", "Text"})
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
MOST_EXTERNAL_IDS = 25
MOST_MASTERS = 2


def flag(given: Given, name: str) -> bool:
    return str(given.get(name, "false")).lower() in ("true", "1")


def number(given: Given, name: str, least: int, most: int) -> int:
    """A number of the definition.

    Raises:
        Refusal: it is missing or out of its bounds.
    """
    text = given.get(name)
    if text is None:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", f"Must specify '{name}' for a CustomField of type {given['type']}"
        )
    if not str(text).isdigit() or not least <= int(text) <= most:
        raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", f"{name}: value outside of valid range: {text}")
    return int(text)


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > 43:
        raise Refusal(
            "INVALID_FULLNAME",
            f"The name {name} can only contain alphanumeric characters, must begin with a letter, can't end "
            "with an underscore or contain two consecutive ones, and may have 40 characters",
        )
    return name


def entry(call: Call, item: SObject, name: str, given: Given, values: list[dict[str, Any]]) -> dict[str, Any]:
    """A definition as describe keys.

    Args:
        values: of its value set, as describe keys.

    Raises:
        Refusal: it lacks something, or the platform doesn't allow it.
    """
    kind = str(given.get("type") or "")
    if kind not in TYPES:
        raise Refusal("INVALID_FIELD", f"Must specify a valid 'type' for a CustomField, not '{kind}'")
    if not given.get("label"):
        raise Refusal("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    found: dict[str, Any] = {
        "name": checked_name(name), "type": TYPES[kind], "label": str(given["label"])[:40], "custom": True,
        "inlineHelpText": given.get("inlineHelpText"), "permissionable": True,
    }  # fmt: skip
    if kind == "Text":
        found["length"] = number(given, "length", 1, 255)
    elif kind in _LONG:
        found["length"] = number(given, "length", 256, 131_072)
        number(given, "visibleLines", 2, 50)
        found["extraTypeInfo"] = "richtextarea" if kind == "Html" else "plaintextarea"
        found["htmlFormatted"] = kind == "Html"
    elif kind == "TextArea":
        found |= {"length": 255, "extraTypeInfo": "plaintextarea"}
    elif kind in _NUMBERS:
        precision = number(given, "precision", 1, 18)
        found |= {"precision": precision, "scale": number(given, "scale", 0, precision)}
    elif kind == "Location":
        decimal = flag(given, "displayLocationInDecimal")
        found |= {"scale": number(given, "scale", 0, 15), "displayLocationInDecimal": decimal}
    elif kind == "Checkbox":
        if given.get("defaultValue") is None:
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "Must specify 'defaultValue' for a CustomField of type Checkbox"
            )
        found["defaultValue"] = flag(given, "defaultValue")
    elif kind == "AutoNumber":
        found |= {"autoNumber": True, "nillable": False, "defaultedOnCreate": True, "length": 30}
    elif TYPES[kind] in ("picklist", "multipicklist"):
        if "valueSet" not in given:
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", f"Must specify a 'valueSet' for a CustomField of type {kind}"
            )
        if kind == "MultiselectPicklist":
            number(given, "visibleLines", 3, 10)
        found["picklistValues"] = values
        found["restrictedPicklist"] = flag(given["valueSet"], "restricted") or bool(
            given["valueSet"].get("valueSetName")
        )
    elif TYPES[kind] == "reference":
        found |= _reference(call, item, name, kind, given)
    if flag(given, "required"):
        if kind in _LONG or kind in ("Checkbox", "MultiselectPicklist"):
            raise Refusal("FIELD_INTEGRITY_EXCEPTION", f"A field of type {kind} can't be required")
        found |= {"nillable": False, "permissionable": False}
    for key, wire in (("unique", "unique"), ("externalId", "externalId")):
        if flag(given, key):
            if kind not in _MAY_BE_KEY:
                raise Refusal(
                    "FIELD_INTEGRITY_EXCEPTION", f"Cannot set '{key}' on a CustomField of type {kind}"
                )
            found[wire] = True
    if found.get("unique"):
        found |= {"caseSensitive": flag(given, "caseSensitive"), "idLookup": True}
    others = sum(field.describe["externalId"] for field in item.fields.values() if field.name != name)
    if found.get("externalId") and others >= MOST_EXTERNAL_IDS:
        raise Refusal("LIMIT_EXCEEDED", f"{item.label} already has {MOST_EXTERNAL_IDS} external id fields")
    return found


def parts_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The two numbers of which a geolocation consists, as describe keys; they are what is written."""
    if found["type"] != "location":
        return []
    return [
        {
            "name": f"{found['name'].removesuffix('__c')}__{part}__s", "type": "double", "custom": True,
            "label": f"{found['label']} ({part})", "compoundFieldName": found["name"],
            "precision": found["scale"] + 3, "scale": found["scale"], "permissionable": False,
        }
        for part in ("Latitude", "Longitude")
    ]  # fmt: skip


def _reference(call: Call, item: SObject, name: str, kind: str, given: Given) -> dict[str, Any]:
    to = call.schema.get(str(given.get("referenceTo") or ""))
    if to is None:
        raise Refusal(
            "INVALID_FIELD",
            f"referenceTo value of '{given.get('referenceTo')}' does not resolve to a valid sObject type",
        )
    if not given.get("relationshipName"):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", f"Must specify a 'relationshipName' for a CustomField of type {kind}"
        )
    child = str(given["relationshipName"])
    if any(
        field.child == child and field.name != name for other, field in call.schema.children.get(to.name, ())
    ):
        raise Refusal("DUPLICATE_DEVELOPER_NAME", f"A relationship named {child} exists already on {to.name}")
    found: dict[str, Any] = {"referenceTo": [to.name], "childRelationshipName": child}
    if kind == "Lookup":
        constraint = str(given.get("deleteConstraint") or "SetNull")
        if flag(given, "required") and constraint == "SetNull":
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "A required lookup can't have the deleteConstraint SetNull"
            )
        return found | {
            "restrictedDelete": constraint == "Restrict",
            "cascadeDelete": constraint == "Cascade",
        }
    if not item.custom:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            f"{item.label} can't be the detail side of a master-detail relationship",
        )
    masters = [
        field
        for field in item.fields.values()
        if field.describe["relationshipOrder"] is not None and field.name != name
    ]
    if len(masters) >= MOST_MASTERS:
        raise Refusal(
            "LIMIT_EXCEEDED", f"{item.label} already has {MOST_MASTERS} master-detail relationships"
        )
    if name not in item.fields and call.records.count(item.name, deleted=True):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "Cannot create a new master-detail relationship on an existing custom object with records; "
            "create a lookup first",
        )
    return found | {
        "cascadeDelete": True, "relationshipOrder": len(masters), "nillable": False, "permissionable": False,
        "updateable": flag(given, "reparentableMasterDetail"),
        "writeRequiresMasterRead": flag(given, "writeRequiresMasterRead"),
    }  # fmt: skip


def kind_of(field: Field) -> str:
    """The Metadata API's word for a field's type."""
    told = field.describe
    if told["autoNumber"]:
        return "AutoNumber"
    match field.kind:
        case "reference":
            return "Lookup" if told["relationshipOrder"] is None else "MasterDetail"
        case "textarea" if field.length > 255:
            return "Html" if told["htmlFormatted"] else "LongTextArea"
        case "textarea":
            return "TextArea"
        case "int" | "long" | "double":
            return "Number"
    return next((word for word, kind in TYPES.items() if kind == field.kind and word != "AutoNumber"), "Text")


def definition(field: Field) -> dict[str, Any]:
    """A field as `readMetadata` gives it, elements in the order of the vendor's WSDL."""
    told, kind = field.describe, kind_of(field)
    found: dict[str, Any] = {}
    if field.unique:
        found["caseSensitive"] = told["caseSensitive"]
    if field.kind == "boolean":
        found["defaultValue"] = bool(told["defaultValue"])
    if kind == "Lookup":
        found["deleteConstraint"] = (
            "Cascade" if field.cascade else "Restrict" if field.restricted else "SetNull"
        )
    if kind in ("Text", "Number", "Email", "AutoNumber"):
        found["externalId"] = told["externalId"]
    found["label"] = field.label
    if kind == "Text" or kind in _LONG:
        found["length"] = field.length
    if kind in _NUMBERS:
        found["precision"] = told["precision"]
    if field.kind == "reference":
        found |= {"referenceTo": field.targets[0] if field.targets else None, "relationshipName": field.child}
        if kind == "MasterDetail":
            found["relationshipOrder"] = told["relationshipOrder"]
    if kind == "Location":
        found |= {"displayLocationInDecimal": told["displayLocationInDecimal"], "scale": told["scale"]}
    found["required"] = not field.nillable and field.kind not in ("boolean",) and kind != "MasterDetail"
    if kind in _NUMBERS:
        found["scale"] = told["scale"]
    found["type"] = kind
    if kind in ("Text", "Number", "Email"):
        found["unique"] = field.unique
    if field.kind in ("picklist", "multipicklist"):
        found["valueSet"] = {
            "restricted": told["restrictedPicklist"],
            "valueSetDefinition": {
                "sorted": False,
                "value": [custom_value(each) for each in told["picklistValues"]],
            },
        }
    if kind in _LONG or kind == "MultiselectPicklist":
        found["visibleLines"] = 4
    return {name: value for name, value in found.items() if value is not None}


def custom_value(value: Mapping[str, Any]) -> dict[str, Any]:
    """A picklist value as a `CustomValue`."""
    return {
        "fullName": value["value"], "default": value["defaultValue"], "isActive": value["active"],
        "label": value["label"],
    }  # fmt: skip


def described(values: list[Any], before: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`CustomValue`s as describe keys. A value that was there and isn't named any more becomes inactive.

    Raises:
        Refusal: a value stands twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for each in values:
        name = str(each.get("fullName") or each.get("label") or "")
        if not name or name.lower() in {known.lower() for known in found}:
            raise Refusal("DUPLICATE_VALUE", f"Duplicate or empty picklist value: {name}")
        found[name] = {
            **before.get(name, {}), "value": name, "label": each.get("label") or name,
            "defaultValue": flag(each, "default"),
            "active": flag(each, "isActive") if "isActive" in each else True,
        }  # fmt: skip
    gone = [{**value, "active": False} for name, value in before.items() if name not in found]
    return [*found.values(), *gone]
