"""Which objects and fields does this org have?

A `Field` is its describe entry, with every key that the vendor sends, plus the few
attributes that reading and writing look at often. The standard objects come from
`standard.py`; a seed adds custom fields, custom objects and changes to either.
Key lists: Salesforce, REST API "sObject Describe" and SOAP API "Field" /
"DescribeSObjectResult", read 2026-11-23.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

NUMBERS = frozenset({"currency", "double", "percent"})
TEXTS = frozenset(
    {"string", "textarea", "email", "phone", "url", "picklist", "combobox", "encryptedstring", "anyType"}
)
COMPOUND = frozenset({"address", "location"})
AUDIT = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")

_SOAP = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "long": "xsd:long",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "location": "urn:location",
    "anyType": "xsd:anyType",
}
_LENGTH = {"id": 18, "reference": 18, "email": 80, "phone": 40, "url": 255, "picklist": 255, "combobox": 255}
_LENGTH |= {"string": 255, "textarea": 255, "multipicklist": 4099, "encryptedstring": 175}
_NO_PREFILTER = frozenset({"OwnerId", "CreatedById", "LastModifiedById", "MasterRecordId"})
ANY_CUSTOM = "*__c"  # in a list of targets: every custom object of the org
_NOT_GROUPABLE = frozenset(
    {"textarea", "double", "currency", "percent", "datetime", "base64", "address", "location"}
)

_DEFAULTS: dict[str, Any] = {
    "aggregatable": True,
    "aiPredictionField": False,
    "autoNumber": False,
    "byteLength": 0,
    "calculated": False,
    "calculatedFormula": None,
    "cascadeDelete": False,
    "caseSensitive": False,
    "compoundFieldName": None,
    "controllerName": None,
    "createable": True,
    "custom": False,
    "defaultValue": None,
    "defaultValueFormula": None,
    "defaultedOnCreate": False,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "digits": 0,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "externalId": False,
    "extraTypeInfo": None,
    "filterable": True,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "groupable": True,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "idLookup": False,
    "inlineHelpText": None,
    "label": "",
    "length": 0,
    "mask": None,
    "maskType": None,
    "name": "",
    "nameField": False,
    "namePointing": False,
    "nillable": True,
    "permissionable": True,
    "picklistValues": [],
    "polymorphicForeignKey": False,
    "precision": 0,
    "queryByDistance": False,
    "referenceTargetField": None,
    "referenceTo": [],
    "relationshipName": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "restrictedPicklist": False,
    "scale": 0,
    "searchPrefilterable": False,
    "soapType": "xsd:string",
    "sortable": True,
    "type": "string",
    "unique": False,
    "updateable": True,
    "writeRequiresMasterRead": False,
}


class Field:
    """One field: `describe` has all keys of the vendor's answer, `child` names the parent's list."""

    __slots__ = (
        "cascade", "child", "createable", "custom", "describe", "kind", "label", "length", "name",
        "nillable", "relation", "restricted", "targets", "unique", "updateable", "values",
    )  # fmt: skip

    def __init__(self, given: Mapping[str, Any]) -> None:
        extra = dict(given)
        self.child: str | None = extra.pop("childRelationshipName", None)
        name, kind = str(extra["name"]), str(extra.get("type", "string"))
        custom = bool(extra.get("custom", name.endswith("__c")))
        full = dict(_DEFAULTS)
        full["custom"] = custom
        full["soapType"] = _SOAP.get(kind, "xsd:string")
        full["length"] = _LENGTH.get(kind, 0)
        full["label"] = name.removesuffix("__c").replace("_", " ")
        full["groupable"] = kind not in _NOT_GROUPABLE
        full["aggregatable"] = kind not in ("boolean", "textarea", "address", "location", "base64")
        long = kind == "textarea" and int(extra.get("length", 255)) > 255
        full["filterable"] = not long and kind != "base64"
        full["sortable"] = full["filterable"] and kind not in ("address", "location", "base64")
        full["defaultedOnCreate"] = kind == "boolean"
        full["nillable"] = kind != "boolean"
        if kind == "boolean":
            full["defaultValue"] = False
        if kind == "reference":
            full["searchPrefilterable"] = name not in _NO_PREFILTER
            full["relationshipName"] = name.removesuffix("Id") if not custom else name[:-1] + "r"
        if kind in NUMBERS:
            full["precision"], full["scale"] = 18, 0 if kind == "percent" else 2
        if kind == "int":
            full["digits"] = 8
        if kind == "textarea" and int(extra.get("length", 255)) <= 255:
            full["groupable"] = full["aggregatable"] = True
        if kind in COMPOUND:
            full["queryByDistance"] = True
            full["createable"] = full["updateable"] = False
        full.update({key: value for key, value in extra.items() if key in _DEFAULTS})
        full["byteLength"] = full["length"] * (1 if kind in ("id", "reference") else 3)
        if full["externalId"]:
            full["idLookup"] = True
        if full["calculated"] or full["autoNumber"]:
            full["createable"] = full["updateable"] = False
        full["picklistValues"] = [_value(value) for value in full["picklistValues"]]
        self.describe: dict[str, Any] = full
        self.name, self.kind, self.custom, self.label = name, kind, custom, str(full["label"])
        self.length, self.nillable = int(full["length"]), bool(full["nillable"])
        self.createable, self.updateable = bool(full["createable"]), bool(full["updateable"])
        self.unique = bool(full["unique"])
        self.targets: list[str] = list(full["referenceTo"])
        self.relation: str | None = full["relationshipName"]
        self.cascade = bool(full["cascadeDelete"])
        self.restricted = bool(full["restrictedDelete"])
        self.values = {value["value"]: value for value in full["picklistValues"]}

    @property
    def long_text(self) -> bool:
        return self.kind == "textarea" and self.length > 255


def _value(given: Mapping[str, Any] | str) -> dict[str, Any]:
    if isinstance(given, str):
        given = {"value": given}
    value = str(given.get("value", given.get("label")))
    return {
        "active": bool(given.get("active", True)),
        "defaultValue": bool(given.get("defaultValue", False)),
        "label": given.get("label", value),
        "validFor": given.get("validFor"),
        "value": value,
    }


class SObject:
    """One object and its fields, in the order in which describe lists them."""

    def __init__(
        self, name: str, prefix: str | None, label: str, plural: str, fields: Iterable[Field], **flags: bool
    ):
        self.name, self.prefix, self.label, self.plural = name, prefix, label, plural
        self.fields = {field.name: field for field in fields}
        self.flags: dict[str, bool] = flags
        self.record_types: list[dict[str, Any]] = []
        self.name_format = "{0}"  # of an auto-numbered name

    @cached_property
    def by_lower(self) -> dict[str, Field]:
        return {name.lower(): field for name, field in self.fields.items()}

    @cached_property
    def relations(self) -> dict[str, Field]:
        """Lower-cased relationship name (`account`, `owner`) -> the reference field."""
        return {
            field.relation.lower(): field
            for field in self.fields.values()
            if field.relation and field.targets
        }

    @cached_property
    def references(self) -> list[Field]:
        return [field for field in self.fields.values() if field.kind == "reference"]

    @cached_property
    def uniques(self) -> list[Field]:
        return [field for field in self.fields.values() if field.unique or field.describe["externalId"]]

    @cached_property
    def blobs(self) -> list[Field]:
        return [field for field in self.fields.values() if field.kind == "base64"]

    @property
    def audited(self) -> bool:
        """May audit fields be given on insert, with the permission?"""
        return self.flags.get("audited", True)

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    def field(self, name: str) -> Field | None:
        return self.by_lower.get(name.lower())


class Schema:
    """All objects of the org."""

    def __init__(self, objects: Iterable[SObject]) -> None:
        self.objects = {item.name: item for item in objects}
        self.by_lower = {name.lower(): item for name, item in self.objects.items()}
        self.by_prefix = {
            item.prefix: item
            for item in self.objects.values()
            if item.prefix and not item.flags.get("alias")  # an alias has another object's ids
        }
        self.children: dict[str, list[tuple[SObject, Field]]] = {}
        for item in self.objects.values():
            for field in item.references:
                for target in field.targets:
                    self.children.setdefault(target, []).append((item, field))

    def get(self, name: str) -> SObject | None:
        return self.by_lower.get(name.lower())

    def of_id(self, id: str) -> SObject | None:
        return self.by_prefix.get(id[:3])


def amended(base: Iterable[SObject], metadata: Mapping[str, Mapping[str, Any]]) -> Schema:
    """The standard objects with a seed's `metadata` laid over them.

    Each entry may carry `fields` (describe keys; an existing name is changed key by key),
    `remove` (field names), `keyPrefix`, `label`, `labelPlural`, `flags`, `recordTypes`
    (`{recordTypeId, developerName, name, active, available, default, picklists}`).
    """
    objects = {item.name: item for item in base}
    number = 0
    for name, given in metadata.items():
        item = objects.get(name)
        if item is None:
            number += 1
            prefix = given.get("keyPrefix") or f"a{number:02d}"
            label = given.get("label") or name.removesuffix("__c").replace("_", " ")
            item = SObject(
                name, prefix, label, given.get("labelPlural") or label + "s", custom_system_fields(label)
            )
        fields = dict(item.fields)
        for entry in given.get("fields", ()):
            old = fields.get(entry["name"])
            child = {} if old is None else {"childRelationshipName": old.child}
            fields[entry["name"]] = Field(dict(entry) if old is None else {**old.describe, **child, **entry})
        for gone in given.get("remove", ()):
            fields.pop(gone, None)
        label, plural = given.get("label", item.label), given.get("labelPlural", item.plural)
        flags = {**item.flags, **given.get("flags", {})}
        changed = SObject(name, given.get("keyPrefix", item.prefix), label, plural, fields.values(), **flags)
        changed.name_format = given.get("nameFormat", item.name_format)
        changed.record_types = list(given.get("recordTypes", item.record_types))
        objects[name] = changed
    _spread(objects)
    return Schema(objects.values())


def _spread(objects: Mapping[str, SObject]) -> None:
    """Let fields that refer to every custom object name them."""
    custom = sorted(name for name in objects if name.endswith("__c"))
    for item in objects.values():
        for field in item.references:
            if ANY_CUSTOM in field.targets:
                field.targets = [name for name in field.targets if name != ANY_CUSTOM]
                field.targets += [name for name in custom if name not in field.targets]
                field.describe["referenceTo"] = list(field.targets)


def system_fields(
    label: str, *, deletable: bool = True, created: bool = True, modified: bool = True, stamped: bool = True
) -> tuple[list[Field], list[Field]]:
    """The fields that every object begins and ends with, as far as this one has them."""
    fixed: dict[str, Any] = {
        "createable": False, "updateable": False, "nillable": False, "defaultedOnCreate": True,
        "permissionable": False,
    }  # fmt: skip
    first = [Field({"name": "Id", "type": "id", "label": f"{label} ID", "idLookup": True, **fixed})]
    if deletable:
        first.append(Field({"name": "IsDeleted", "type": "boolean", "label": "Deleted", **fixed}))
    user = {"type": "reference", "referenceTo": ["User"], **fixed}
    stamp = {"type": "datetime", **fixed}
    last = [
        Field({"name": "CreatedDate", "label": "Created Date", **stamp}),
        Field({"name": "CreatedById", "label": "Created By ID", "relationshipName": "CreatedBy", **user}),
        Field({"name": "LastModifiedDate", "label": "Last Modified Date", **stamp}),
        Field(
            {
                "name": "LastModifiedById",
                "label": "Last Modified By ID",
                "relationshipName": "LastModifiedBy",
                **user,
            }
        ),
        Field({"name": "SystemModstamp", "label": "System Modstamp", **stamp}),
    ]
    has = {"Created": created, "LastMod": modified, "SystemM": stamped}
    return first, [field for field in last if has[field.name[:7]]]


def custom_system_fields(label: str) -> list[Field]:
    """What a new custom object has before anybody adds a field."""
    first, last = system_fields(label)
    owner = {
        "name": "OwnerId", "type": "reference", "label": "Owner ID", "referenceTo": ["Group", "User"],
        "nillable": False, "defaultedOnCreate": True, "namePointing": True, "polymorphicForeignKey": True,
    }  # fmt: skip
    name = {
        "name": "Name",
        "type": "string",
        "label": f"{label} Name",
        "length": 80,
        "nameField": True,
        "idLookup": True,
    }
    return [*first, Field(owner), Field({**name, "permissionable": False}), *last]
