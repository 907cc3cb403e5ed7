"""Which shape must the body of a call have?

HubSpot reads JSON into typed members before it looks at any of them: a list where a text is wanted refuses
the whole request, a number where a text is wanted becomes text, null is as good as absent. So the work
behind a route never meets a body of another shape than the one declared here; whether a member may be
absent, and what its value means, stays the work's own question. Members that nobody declared pass as they
are.

Facts: HubSpot, "Error handling" (invalid input JSON); models of hubspot-api-client 12.0.0, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from migrate.sandbox.hubspot.errors import ApiError

Shape = Callable[[Any], Any]  # gives the value back in its type; raises `ApiError` when it can't
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def _other(wanted: str, value: Any) -> ApiError:
    sort = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}.get(
        type(value), "a number"
    )
    return ApiError(
        400,
        f"Invalid input JSON on line 1, column 1: Cannot deserialize value of type `{wanted}` from {sort}",
    )


def anything(value: Any) -> Any:
    """Taken as it is."""
    return value


def text(value: Any) -> str:
    """A text; numbers and booleans become one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise _other("java.lang.String", value)


def whole(value: Any) -> int:
    """A whole number, or the text of one."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise _other("int", value)
    return int(value)


def flag(value: Any) -> bool:
    """A boolean, or the text of one."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise _other("boolean", value)


def many(shape: Shape) -> Shape:
    """A list of what `shape` takes; null is no member of it."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _other("java.util.ArrayList", value)
        return [shape(each) for each in value]

    return read


def members(**shapes: Shape) -> Shape:
    """An object with these members; `from_` stands for `from`. Null members are left out."""
    named = {name.rstrip("_"): shape for name, shape in shapes.items()}

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _other("object", value)
        return {
            name: named[name](each) if name in named else each
            for name, each in value.items()
            if each is not None or name not in named
        }

    return read


def table(shape: Shape) -> Shape:
    """An object whose members have any name."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _other("java.util.LinkedHashMap", value)
        return {name: shape(each) for name, each in value.items() if each is not None or shape is anything}

    return read


def _batch(shape: Shape) -> Shape:
    return members(inputs=many(shape))


_TYPES: Final = many(members(associationCategory=text, associationTypeId=whole))
_END: Final = members(id=text)
_ASSOCIATIONS: Final = many(members(to=_END, types=_TYPES))
RECORD: Final = members(
    id=text, idProperty=text, objectWriteTraceId=text, properties=table(anything), associations=_ASSOCIATIONS
)
RECORDS: Final = _batch(RECORD)
READ: Final = members(
    inputs=many(_END),
    properties=many(text),
    propertiesWithHistory=many(text),
    idProperty=text,
)
IDS: Final = _batch(_END)
MERGE: Final = members(primaryObjectId=text, objectIdToMerge=text)
GDPR: Final = members(objectId=text, idProperty=text)

_FILTERS: Final = many(
    members(propertyName=text, operator=text, value=text, highValue=text, values=many(text))
)


def _sort(value: Any) -> Any:
    return value if isinstance(value, str) else members(propertyName=text, direction=text)(value)


SEARCH: Final = members(
    query=text,
    limit=whole,
    after=text,
    sorts=many(_sort),
    properties=many(text),
    filterGroups=many(members(filters=_FILTERS)),
    filters=_FILTERS,
)

PAIRS: Final = _batch(members(from_=_END, to=_END, types=_TYPES))
FROM_PAGES: Final = _batch(members(id=text, after=text))
ENDS: Final = _batch(members(from_=_END, to=many(_END)))
LINK_TYPES: Final = _TYPES
LABEL: Final = members(name=text, label=text, inverseLabel=text, associationTypeId=whole)
LIMITS: Final = _batch(members(category=text, typeId=whole, maxToObjectIds=whole))

_OPTION: Final = members(label=text, value=text, description=text, displayOrder=whole, hidden=flag)
PROPERTY: Final = members(
    name=text,
    label=text,
    type=text,
    fieldType=text,
    groupName=text,
    description=text,
    displayOrder=whole,
    hidden=flag,
    formField=flag,
    hasUniqueValue=flag,
    externalOptions=flag,
    referencedObjectType=text,
    calculationFormula=text,
    dataSensitivity=text,
    options=many(_OPTION),
)
PROPERTIES: Final = _batch(PROPERTY)
NAMES: Final = members(inputs=many(members(name=text)), archived=flag)
GROUP: Final = members(name=text, label=text, displayOrder=whole)
STAGE: Final = members(
    id=text, stageId=text, label=text, displayOrder=whole, metadata=table(text), archived=flag
)
PIPELINE: Final = members(
    id=text, pipelineId=text, label=text, displayOrder=whole, archived=flag, stages=many(STAGE)
)
SCHEMA: Final = members(
    name=text,
    description=text,
    labels=members(singular=text, plural=text),
    primaryDisplayProperty=text,
    secondaryDisplayProperties=many(text),
    requiredProperties=many(text),
    searchableProperties=many(text),
    properties=many(PROPERTY),
    associatedObjects=many(text),
)
SCHEMA_LINK: Final = members(fromObjectTypeId=text, toObjectTypeId=text, name=text)
TOKEN: Final = members(tokenKey=text)
