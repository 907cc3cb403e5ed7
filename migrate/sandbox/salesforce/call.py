"""Who is asking, when, with which rights, against which schema?

A `Call` is made for each request, acting user or piece of scheduled work, and holds
everything that the answer may depend on. It also keeps the vendor's time: stamps
never run backwards, and carry whole seconds like the vendor's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from migrate.sandbox.salesforce.errors import Refusal, no_such_object
from migrate.sandbox.salesforce.records import Record, Records
from migrate.sandbox.salesforce.rights import PERMISSIONS, Rights
from migrate.sandbox.salesforce.schema import Schema, SObject
from migrate.sandbox.salesforce.values import instant
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Request


@dataclass
class Call:
    """One piece of work inside one transaction."""

    tx: Tx
    schema: Schema
    rights: Rights
    now: datetime
    settings: Mapping[str, Any]
    automations: Mapping[str, bool]
    request: Request
    version: str = "66.0"
    forced_stamp: str | None = None
    stages: dict[str, Record] | None = None
    _parents: dict[str, Record | None] = field(default_factory=dict)

    @cached_property
    def records(self) -> Records:
        return Records(self.tx.sql)

    @property
    def actor(self) -> str:
        return self.rights.user

    @property
    def base(self) -> str:
        return f"/services/data/v{self.version}"

    def object(self, name: str) -> SObject:
        """The object of that name, in any case.

        Raises:
            Refusal: `INVALID_TYPE`, also when the user may not read it.
        """
        item = self.schema.get(name)
        if item is None or not self.rights.may(item.name, "read"):
            raise no_such_object(name)
        return item

    def stamp(self) -> str:
        """The time to write into a record; never earlier than the last one given."""
        if self.forced_stamp is not None:
            return self.forced_stamp
        current = instant(self.now)
        last = self.records.state("stamp")
        if last is not None and last > current:
            return str(last)
        if last != current:
            self.records.set_state("stamp", current)
        return current

    def parent(self, id: str | None) -> Record | None:
        """The record that a reference names, kept for the length of this call."""
        if id is None:
            return None
        if id not in self._parents:
            item = self.schema.of_id(id)
            self._parents[id] = None if item is None else self.records.get(item.name, id)
        return self._parents[id]

    def forget(self, id: str) -> None:
        """A record has changed: read it anew next time."""
        self._parents.pop(id, None)

    def header(self, name: str) -> str:
        return self.request.headers.get(name, "")

    def json(self, wanted: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
        """The request's body as JSON of the wanted kind.

        Raises:
            Refusal: `JSON_PARSER_ERROR`, 413 for more than 50 MB, or 415 for another media type.
        """
        most = int(self.settings.get("json_limit", len(self.request.body)))
        if len(self.request.body) > most:
            raise Refusal(
                "REQUEST_ENTITY_TOO_LARGE",
                f"Maximum size of request reached. Maximum size of request is {most} bytes",
                status=413,
            )
        media = self.header("content-type")
        if self.request.body and media and "json" not in media:
            raise Refusal(
                "UNSUPPORTED_MEDIA_TYPE", f"Content-Type header specified in HTTP request is {media}"
            )
        try:
            found = self.request.json()
        except ValueError as error:
            raise Refusal(
                "JSON_PARSER_ERROR", f"Unexpected character in the request body: {error}"
            ) from error
        if not isinstance(found, wanted):
            raise Refusal("JSON_PARSER_ERROR", "Cannot deserialize the request body: it has another shape.")
        return found


def own_permissions(rights: Rights) -> Record:
    """The one row of `UserPermissionAccess`: what the running user may do."""
    return {"Id": "000000000000000AAA", **{name: rights.has(name) for name in PERMISSIONS}}
