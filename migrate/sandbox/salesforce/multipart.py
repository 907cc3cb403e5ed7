"""How do records and their files travel in one multipart request?

First a part with the record's plain fields as JSON, its name beginning with `entity_`
(`collection` for many records), then a part for each file, named as the field that it
fills; in a collection each record names its parts itself. Limits are the vendor's:
2 GB for a ContentVersion, 500 MB for another file or a collection's files together
(Salesforce, REST API "Insert or Update Blob Data", read 2026-11-26).
"""

from typing import Any

import orjson

from migrate.sandbox.parts import Part
from migrate.sandbox.salesforce import blobs
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.files import Kept, too_large
from migrate.sandbox.salesforce.schema import SObject


def is_multipart(call: Call) -> bool:
    return call.header("content-type").lower().startswith("multipart/")


def _parts(call: Call) -> tuple[Part, ...]:
    if call.request.trouble or not call.request.parts:
        why = call.request.trouble or "the body has no parts"
        raise Refusal("INVALID_MULTIPART_REQUEST", f"The multipart request can't be read: {why}")
    return call.request.parts


def record(call: Call, item: SObject) -> dict[str, Any]:
    """One record with its files, which are kept already.

    Raises:
        Refusal: no JSON part, a file for a field that holds none, or too large a file.
    """
    given: dict[str, Any] | None = None
    files: dict[str, Kept] = {}
    for part in _parts(call):
        if part.name.startswith("entity_") and given is None:
            given = _json(part, call)
            continue
        field = item.field(part.name)
        if field is None or field.kind != "base64":
            raise Refusal("INVALID_FIELD", f"No such column '{part.name}' on sobject of type {item.name}", [])
        most = int(call.settings["version_limit" if item.name == "ContentVersion" else "blob_limit"])
        files[field.name] = _kept(call, part, most)
    if given is None:
        raise Refusal("INVALID_MULTIPART_REQUEST", "the part with the record's fields is missing")
    return {**given, **files}


def collection(call: Call) -> dict[str, Any]:
    """A collection's body with each record's files in their places.

    Raises:
        Refusal: no JSON part, a record that names a part that isn't there, or too many bytes.
    """
    parts = {part.name: part for part in _parts(call)}
    if "collection" not in parts:
        raise Refusal("INVALID_MULTIPART_REQUEST", "the part `collection` is missing")
    given = _json(parts.pop("collection"), call)
    most = int(call.settings["blob_limit"])
    if sum(part.size for part in parts.values()) > most:
        raise too_large(most)
    for row in given.get("records", ()) if isinstance(given.get("records"), list) else ():
        named = row.get("attributes") if isinstance(row, dict) else None
        if not isinstance(named, dict) or "binaryPartName" not in named:
            continue
        part = parts.get(str(named["binaryPartName"]))
        if part is None:
            raise Refusal("INVALID_MULTIPART_REQUEST", f"there is no part `{named['binaryPartName']}`")
        row[str(named.get("binaryPartNameAlias"))] = _kept(call, part, most)
    return given


def _json(part: Part, call: Call) -> dict[str, Any]:
    if part.size > int(call.settings["json_limit"]):
        raise too_large(int(call.settings["json_limit"]))
    try:
        found = orjson.loads(part.value if part.path is None else part.path.read_bytes())
    except ValueError as error:
        raise Refusal("JSON_PARSER_ERROR", f"Unexpected character in the request body: {error}") from error
    if not isinstance(found, dict):
        raise Refusal("JSON_PARSER_ERROR", "Cannot deserialize the request body: it has another shape.")
    return found


def _kept(call: Call, part: Part, most: int) -> Kept:
    if part.size > most:
        raise too_large(most)
    return Kept(blobs.take(call.tx, part))
