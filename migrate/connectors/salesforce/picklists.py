"""Which values of a picklist go with which of the controlling field, and which types of record are there?

`validFor` of a value is base64 of a bit set, the most significant bit first: bit n stands for the n-th value
of the controlling field, of a checkbox for unchecked and checked. The pages hold to it, the API doesn't (SOAP
API Developer Guide, "Dependent Picklists", read 2026-11-26).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.catalog import Field, Option
from migrate.types import Kind

CHECKBOX = ("false", "true")


def dependent(described: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]) -> dict[str, Field]:
    """The fields whose values another field controls, with those values.

    Args:
        described: the fields of a describe call.
        fields: the same, in the catalog's words.
    """
    raw = {str(each["name"]): each for each in described}
    found = {}
    for name, field in fields.items():
        entry = raw.get(name, {})
        controller = raw.get(str(entry.get("controllerName") or ""))
        if not entry.get("dependentPicklist") or controller is None or controller["name"] not in fields:
            continue
        outer = (
            CHECKBOX
            if controller["type"] == "boolean"
            else [str(each["value"]) for each in controller.get("picklistValues") or ()]
        )
        bits = {str(each["value"]): str(each.get("validFor") or "") for each in entry["picklistValues"]}
        options = tuple(
            option.model_copy(update={"parents": valid_for(bits.get(option.value, ""), outer)})
            for option in field.options
        )
        found[name] = field.model_copy(
            update={"options": options, "within": str(controller["name"]), "lenient": True}
        )
    return found


def valid_for(bits: str, outer: Sequence[str]) -> tuple[str, ...]:
    """The controlling values whose bits are set; none where the text is no bit set."""
    try:
        raw = base64.b64decode(bits, validate=True)
    except (binascii.Error, ValueError):
        return ()
    return tuple(
        value for n, value in enumerate(outer) if n >> 3 < len(raw) and raw[n >> 3] & (0x80 >> (n & 7))
    )


def record_types(infos: Sequence[Mapping[str, Any]], fields: Mapping[str, Field]) -> dict[str, Field]:
    """The field of the record type as a picklist of the object's types, so that a map can name them.

    The value is the type's id, the label its developer name, which is the same in every org. A type is
    active where our user may give it (REST API Developer Guide, "sObject Describe", recordTypeInfos, read
    2026-11-26).
    """
    types = [each for each in infos if not each.get("master")]
    field = fields.get("RecordTypeId")
    if field is None or not types:
        return {}
    options = tuple(
        Option(
            value=str(each["recordTypeId"]),
            label=str(each.get("developerName") or each["name"]),
            active=bool(each.get("available", True)) and bool(each.get("active", True)),
        )
        for each in types
    )
    picklist = {"kind": Kind.PICKLIST, "references": (), "options": options, "restricted": True}
    return {"RecordTypeId": field.model_copy(update=picklist)}
