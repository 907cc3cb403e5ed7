"""How do the standard objects' lines become objects with fields?

Reads the tables of `standard_table.py`, `standard_activities.py`, `standard_files.py`
and `standard_rights.py`, and adds the one object that is made for whoever asks,
`UserPermissionAccess`.
"""

import re
from typing import Any

from migrate.sandbox.salesforce import (
    standard_activities,
    standard_files,
    standard_privacy,
    standard_rights,
    standard_table,
)
from migrate.sandbox.salesforce.rights import PERMISSIONS
from migrate.sandbox.salesforce.schema import Field, SObject, system_fields

TABLES = (
    standard_table.TABLE,
    standard_activities.TABLE,
    standard_files.TABLE,
    standard_privacy.TABLE,
    standard_rights.TABLE,
)
_FLAGS: dict[str, dict[str, bool]] = {  # a word behind an object's labels -> what it says of the object
    "mergeable": {"mergeable": True},
    "readonly": {"createable": False, "updateable": False, "deletable": False, "undeletable": False},
    "nocreate": {"createable": False},
    "noupdate": {"updateable": False},
    "nodelete": {"deletable": False, "undeletable": False},
    "noundelete": {"undeletable": False},
    "noaudit": {"audited": False},
    "alias": {"alias": True},
    "noprefix": {"alias": True, "prefixed": False},
    "stamped": {"created": False, "modified": False},
    "born": {"modified": False, "stamped": False, "audited": False},
}
_LINE = re.compile(r"(\w+) (\w+)(?:\(([^)]*)\))?([^=]*)(?:= (.*))?")


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _field(line: str) -> Field:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"a line of the standard objects' table that is no field: `{line}`")
    name, kind, argument, flags, values = found.groups()
    words = flags.split()
    given: dict[str, Any] = {"name": name, "type": kind, "label": _spaced(name)}
    if kind == "reference":
        given["referenceTo"] = argument.split(",") if argument else []
        given["label"] = _spaced(name.removesuffix("Id")) + " ID"
        given["relationshipName"] = name.removesuffix("Id") if argument else None
        given["namePointing"] = given["polymorphicForeignKey"] = len(given["referenceTo"]) > 1
    elif argument and "," in argument:
        given["precision"], given["scale"] = (int(number) for number in argument.split(","))
    elif argument:
        given["digits" if kind == "int" else "length"] = int(argument)
    if kind == "textarea":
        given["extraTypeInfo"] = "plaintextarea"
    if name == "PhotoUrl":
        given["extraTypeInfo"] = "imageurl"
    if kind == "email" and name == "Email":
        given["idLookup"] = True
    if values:
        given["picklistValues"] = [
            {"value": value.removeprefix("*"), "defaultValue": value.startswith("*")}
            for value in values.split("|")
        ]
    for word in words:
        match word.partition(":"):
            case ("req", _, _):
                given |= {"nillable": False, "permissionable": False}
            case ("ro", _, _):
                given |= {"createable": False, "updateable": False, "defaultedOnCreate": kind == "boolean"}
                given["permissionable"] = False
            case ("noup", _, _):
                given["updateable"] = False
            case ("def", _, _):
                given["defaultedOnCreate"] = True
            case ("name", _, _):
                given |= {"nameField": True, "idLookup": True}
                if "ro" in words and "auto" not in words and name == "Name":
                    given |= {"idLookup": False, "extraTypeInfo": "personname"}  # a person's compound name
            case ("unique", _, _):
                given |= {"unique": True, "idLookup": True}
            case ("auto", _, _):
                given["autoNumber"] = True
            case ("strict", _, _):
                given["restrictedPicklist"] = True
            case ("cascade", _, _):
                given["cascadeDelete"] = True
            case ("restrict", _, _):
                given["restrictedDelete"] = True
            case ("open", _, _):
                given["permissionable"] = False
            case ("nofilter", _, _):
                given["filterable"] = False
            case ("norel", _, _):
                given["relationshipName"] = None
            case ("in", _, child):
                given["childRelationshipName"] = child
            case ("as", _, relation):
                given["relationshipName"] = relation
            case ("of", _, compound):
                given["compoundFieldName"] = compound
                if compound == "Name":
                    given["extraTypeInfo"] = "personname"
            case _:
                raise ValueError(f"an unknown flag in the standard objects' table: `{word}`")
    return Field(given)


def standard_objects() -> list[SObject]:
    """Fresh objects, so that one org's amendments never reach another's."""
    objects = []
    for block in (block for table in TABLES for block in table.split("\n@")[1:]):
        head, *lines = block.strip().splitlines()
        name, prefix, rest = head.split(" ", 2)
        flags: dict[str, bool] = {}
        *words, last_word = rest.split(" ")
        while last_word in _FLAGS:
            flags |= _FLAGS[last_word]
            *words, last_word = words
        rest = " ".join([*words, last_word])
        if name in ("User", "Organization", "Profile", "OpportunityStage", "RecordType"):
            flags |= {"deletable": False, "undeletable": False}
        label, plural = rest.split("|")
        deletable = name not in (
            "User",
            "Profile",
            "UserRole",
            "Group",
            "Organization",
            "RecordType",
            "OpportunityStage",
        )
        first, last = system_fields(
            label,
            deletable=deletable,
            created=flags.pop("created", True),
            modified=flags.pop("modified", True),
            stamped=flags.pop("stamped", True),
        )
        fields = [_field(line) for line in lines if line.strip()]
        objects.append(SObject(name, prefix, label, plural, [*first, *fields, *last], **flags))
    return [*objects, _user_permission_access()]


def _user_permission_access() -> SObject:
    """One row, made for whoever asks: see `call.own_permissions`."""
    fixed = {"createable": False, "updateable": False, "permissionable": False}
    fields = [Field({"name": "Id", "type": "id", "label": "ID", "nillable": False, **fixed})]
    fields += [
        Field({"name": name, "type": "boolean", "label": _spaced(name), **fixed}) for name in PERMISSIONS
    ]
    flags = {
        "createable": False,
        "updateable": False,
        "deletable": False,
        "undeletable": False,
        "replicateable": False,
    }
    return SObject(
        "UserPermissionAccess", "0up", "User Permission Access", "User Permission Access", fields, **flags
    )
