"""Which properties does an object type have, and how are they made?

Properties and their groups over the API: names, types and options are checked as HubSpot does, unique
values can only be asked for at creation, archived properties keep their values.

Facts: HubSpot, "Properties", read 2026-11-23; at most ten unique properties an object type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.batches import inputs_of, reply
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.vendor import Reply

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")
FIELD_TYPES: Final = {
    "string": {"text", "textarea", "html", "file", "phonenumber", "calculation_equation"},
    "number": {"number", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox", "calculation_equation"},
    "bool": {"booleancheckbox", "calculation_equation"},
    "phone_number": {"phonenumber"},
}
MOST_UNIQUE: Final = 10
SENSITIVITIES: Final = ("non_sensitive", "sensitive", "highly_sensitive")
CHANGEABLE: Final = (
    "label",
    "description",
    "groupName",
    "displayOrder",
    "hidden",
    "formField",
    "fieldType",
    "type",
)


def _missing(name: str) -> ApiError:
    return ApiError(
        404, f"Property with name `{name}` does not exist", "OBJECT_NOT_FOUND", context={"name": [name]}
    )


def _options(rows: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for order, row in enumerate(rows or []):
        if not isinstance(row, dict) or not str(row.get("label") or "") or not str(row.get("value") or ""):
            raise ApiError(400, "Property options must have a label and a value", sub="INVALID_OPTION")
        found.append(
            {
                "label": str(row["label"]),
                "value": str(row["value"]),
                "displayOrder": int(row.get("displayOrder", order)),
                "hidden": bool(row.get("hidden", False)),
                "description": str(row.get("description") or ""),
            }
        )
    for part in ("value", "label"):
        seen = Counter(str(option[part]) for option in found)
        twice = sorted(value for value, count in seen.items() if count > 1)
        if twice:
            raise ApiError(
                400, f"Property options must have unique {part}s: {', '.join(twice)}", sub="INVALID_OPTION"
            )
    return found


def define(call: Call, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Store a property of the portal's own.

    Raises:
        ApiError: 400 for a bad definition, 409 for a name that is taken.
    """
    absent = [name for name in ("name", "label", "type", "fieldType", "groupName") if not body.get(name)]
    if absent:
        raise ApiError(
            400, f"Some required fields were not set: [{', '.join(absent)}]", context={"properties": absent}
        )
    name, type, field_type = str(body["name"]), str(body["type"]), str(body["fieldType"])
    if not NAME.fullmatch(name):
        raise ApiError(
            400, f"Property name `{name}` must start with a lower-case letter and hold a-z, 0-9 and _ only"
        )
    if name.startswith("hs_"):
        raise ApiError(400, f"Property name `{name}` starts with `hs_`, which is reserved")
    if name in call.catalog.properties[kind]:
        raise ApiError(
            409, f"Property `{name}` already exists", "OBJECT_ALREADY_EXISTS", context={"name": [name]}
        )
    custom = sum(not row["hubspotDefined"] for row in call.catalog.properties[kind].values())
    if custom >= call.settings["property_limit"]:
        raise ApiError(400, f"There can be at most {call.settings['property_limit']} custom properties")
    if name in call.catalog.binned[kind]:
        raise ApiError(409, f"Property `{name}` already exists in the archive", "OBJECT_ALREADY_EXISTS")
    if field_type not in FIELD_TYPES.get(type, ()):
        raise ApiError(400, f"The type `{type}` can't have the fieldType `{field_type}`")
    if body["groupName"] not in call.catalog.groups[kind]:
        raise ApiError(400, f"Property group `{body['groupName']}` does not exist")
    unique = bool(body.get("hasUniqueValue"))
    own = [n for n in call.catalog.unique(kind) if not call.catalog.properties[kind][n]["hubspotDefined"]]
    if unique and len(own) >= MOST_UNIQUE:
        raise ApiError(400, f"There can be at most {MOST_UNIQUE} properties with unique values")
    if unique and type not in ("string", "number"):
        raise ApiError(400, f"A property of type `{type}` can't have unique values")
    outside = bool(body.get("externalOptions"))
    if type == "bool" and not body.get("options"):
        options = _options([{"label": "Yes", "value": "true"}, {"label": "No", "value": "false"}])
    else:
        options = _options(body.get("options"))
    if type == "enumeration" and not options and not outside:
        raise ApiError(400, "A property of type `enumeration` must have options", sub="INVALID_OPTION")
    if len(options) > call.settings["option_limit"]:
        raise ApiError(400, f"A property has at most {call.settings['option_limit']} options")
    definition = {
        "name": name,
        "label": str(body["label"]),
        "type": type,
        "fieldType": field_type,
        "description": str(body.get("description") or ""),
        "groupName": str(body["groupName"]),
        "options": options,
        "displayOrder": int(body.get("displayOrder", -1)),
        "calculated": field_type == "calculation_equation",
        "externalOptions": outside,
        "hasUniqueValue": unique,
        "hidden": bool(body.get("hidden", False)),
        "hubspotDefined": False,
        "formField": bool(body.get("formField", False)),
        "showCurrencySymbol": bool(body.get("showCurrencySymbol")),
        "modificationMetadata": {
            "archivable": True,
            "readOnlyDefinition": False,
            "readOnlyValue": field_type == "calculation_equation",
            "readOnlyOptions": False,
        },
        "archived": False,
        "createdAt": call.stamp,
        "updatedAt": call.stamp,
        "_flags": "x" if outside else "",
    }
    for optional in ("referencedObjectType", "calculationFormula"):
        if body.get(optional):
            definition[optional] = body[optional]
    tables.put(call.sql, "property", kind, name, definition)
    call.catalog.properties[kind][name] = definition
    call.log("schema", kind, name, None, definition)
    return definition


def listing(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../properties/{type}`: the whole list."""
    kind = call.catalog.kind(path["type"]).name
    held = (call.catalog.binned if call.flag("archived") else call.catalog.properties)[kind]
    wanted = (call.request.arg("dataSensitivity") if call.request else None) or "non_sensitive"
    if wanted not in SENSITIVITIES:
        raise ApiError(400, f"dataSensitivity `{wanted}` is none of {', '.join(SENSITIVITIES)}")
    rows = [row for row in held.values() if row.get("dataSensitivity", "non_sensitive") == wanted]
    return Reply(200, {"results": [call.catalog.shown(row, kind) for row in rows]})


def _find(call: Call, kind: str, name: str, *, archived: bool = False) -> dict[str, Any]:
    found = (call.catalog.binned if archived else call.catalog.properties)[kind].get(name)
    if found is None:
        raise _missing(name)
    return found


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../properties/{type}/{name}`."""
    kind = call.catalog.kind(path["type"]).name
    return Reply(
        200, call.catalog.shown(_find(call, kind, path["name"], archived=call.flag("archived")), kind)
    )


def create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../properties/{type}`."""
    kind = call.catalog.kind(path["type"]).name
    return Reply(201, call.catalog.shown(define(call, kind, call.mapping()), kind))


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PATCH .../properties/{type}/{name}`: options are replaced whole; `hasUniqueValue` can't change."""
    kind = call.catalog.kind(path["type"]).name
    held, body = _find(call, kind, path["name"]), call.mapping()
    fixed = held["modificationMetadata"]
    if "hasUniqueValue" in body and bool(body["hasUniqueValue"]) != held["hasUniqueValue"]:
        raise ApiError(400, "hasUniqueValue can only be set when the property is created")
    if fixed["readOnlyOptions"] and "options" in body:
        raise ApiError(400, f"The options of `{held['name']}` are read only", sub="READ_ONLY_OPTIONS")
    if fixed["readOnlyDefinition"] and set(body) & set(CHANGEABLE):
        raise ApiError(400, f"The definition of `{held['name']}` is read only", sub="READ_ONLY_DEFINITION")
    changed = dict(held)
    changed |= {name: body[name] for name in CHANGEABLE if name in body}
    changed["updatedAt"] = call.stamp
    if "options" in body:
        changed["options"] = _options(body["options"])
        if len(changed["options"]) > call.settings["option_limit"]:
            raise ApiError(400, f"A property has at most {call.settings['option_limit']} options")
    if changed["fieldType"] not in FIELD_TYPES.get(changed["type"], ()):
        raise ApiError(400, f"The type `{changed['type']}` can't have the fieldType `{changed['fieldType']}`")
    if changed["groupName"] not in call.catalog.groups[kind]:
        raise ApiError(400, f"Property group `{changed['groupName']}` does not exist")
    tables.put(call.sql, "property", kind, held["name"], changed)
    call.log("schema", kind, held["name"], held, changed)
    return Reply(200, call.catalog.shown(changed, kind))


def _archive(call: Call, kind: str, name: str) -> None:
    held = call.catalog.properties[kind].get(name)
    if held is None:
        return
    if not held["modificationMetadata"]["archivable"]:
        raise ApiError(400, f"Property `{name}` is HubSpot's own and can't be archived")
    gone = {**held, "archived": True, "archivedAt": call.stamp}
    tables.put(call.sql, "property", kind, name, gone)
    call.sql.execute("DELETE FROM hs_unique WHERE kind = ? AND name = ?", (kind, name))
    call.log("schema", kind, name, held, None)


def archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE .../properties/{type}/{name}`: records keep its values, unseen."""
    kind = call.catalog.kind(path["type"]).name
    _find(call, kind, path["name"])
    _archive(call, kind, path["name"])
    return Reply(204)


def batch_create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/create`; refused ones are error rows."""
    kind = call.catalog.kind(path["type"]).name
    results, errors = [], []
    for row in inputs_of(call, 100):
        try:
            results.append(call.catalog.shown(define(call, kind, row), kind))
        except ApiError as refusal:
            errors.append(refusal.row())
    latest = call.family == "2026-09"
    return reply(call, results, errors, 200 if latest else 201, mixed=200 if latest else 207)


def batch_read(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/read`."""
    kind = call.catalog.kind(path["type"]).name
    archived = bool(call.mapping().get("archived"))
    rows = (call.catalog.binned if archived else call.catalog.properties)[kind]
    results, errors = [], []
    for row in inputs_of(call, 100):
        name = str(row.get("name"))
        if name in rows:
            results.append(call.catalog.shown(rows[name], kind))
        else:
            errors.append(_missing(name).row())
    return reply(call, results, errors, 200)


def batch_archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/archive`."""
    kind = call.catalog.kind(path["type"]).name
    for row in inputs_of(call, 100):
        _archive(call, kind, str(row.get("name")))
    return Reply(204)


def validations(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../property-validations/{type}[/{name}]`: the rules of the setting `validation_rules`."""
    kind = call.catalog.kind(path["type"]).name
    rules = call.settings["validation_rules"].get(kind, {})
    if "name" in path:
        _find(call, kind, path["name"])
        return Reply(200, {"results": rules.get(path["name"], [])})
    rows = [{"propertyName": name, "propertyValidationRules": listed} for name, listed in rules.items()]
    return Reply(200, {"results": rows})


def groups(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../properties/{type}/groups`."""
    return Reply(200, {"results": list(call.catalog.groups[call.catalog.kind(path["type"]).name].values())})


def group(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET|PATCH|DELETE .../properties/{type}/groups/{name}`."""
    kind, name = call.catalog.kind(path["type"]).name, path["name"]
    held = call.catalog.groups[kind].get(name)
    if held is None:
        raise ApiError(404, f"Property group `{name}` does not exist", "OBJECT_NOT_FOUND")
    method = call.request.method if call.request else "GET"
    if method == "PATCH":
        body = call.mapping()
        held = dict(held)
        held |= {key: body[key] for key in ("label", "displayOrder") if key in body}
        tables.put(call.sql, "group", kind, name, held)
    if method == "DELETE":
        if any(row["groupName"] == name for row in call.catalog.properties[kind].values()):
            raise ApiError(400, f"Property group `{name}` still has properties")
        tables.drop(call.sql, "group", kind, name)
        return Reply(204)
    return Reply(200, held)


def create_group(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../properties/{type}/groups`."""
    kind, body = call.catalog.kind(path["type"]).name, call.mapping()
    name, label = str(body.get("name") or ""), str(body.get("label") or "")
    if not label or not NAME.fullmatch(name):
        raise ApiError(400, "A property group needs a label and a name of a-z, 0-9 and _")
    if name in call.catalog.groups[kind]:
        raise ApiError(409, f"Property group `{name}` already exists", "OBJECT_ALREADY_EXISTS")
    row = {"name": name, "label": label, "displayOrder": int(body.get("displayOrder", -1)), "archived": False}
    tables.put(call.sql, "group", kind, name, row)
    call.log("schema", kind, f"group:{name}", None, row)
    return Reply(201, row)
