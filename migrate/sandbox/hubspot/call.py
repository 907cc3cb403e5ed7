"""What does every piece of work on the portal need to know?

A `Call` is one unit of work: a request, an acting user's deed, an automation or a seed. It names who
acts, when, over which family of paths, and carries transaction, catalog and settings. It lives no longer.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from migrate.sandbox.hubspot.catalog import Catalog
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.shapes import Shape
from migrate.sandbox.hubspot.values import iso
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Request


@dataclass(frozen=True)
class Actor:
    """Who writes, in the words of a property's history."""

    name: str
    source: str
    source_id: str
    user: int | None = None
    label: str = ""
    record_source: str = ""

    @property
    def origin(self) -> str:
        """Value of `hs_object_source` on records that this actor makes."""
        return self.record_source or self.source


def app(app_id: int) -> Actor:
    """A private or OAuth app writing over the API."""
    return Actor(f"app:{app_id}", "INTEGRATION", str(app_id), None, f"App {app_id}")


def user(user_id: int, name: str = "") -> Actor:
    """A person in HubSpot's own pages."""
    return Actor(f"user:{user_id}", "CRM_UI", f"userId:{user_id}", user_id, name)


def automation(name: str, source: str = "AUTOMATION_PLATFORM", record_source: str = "AUTOMATION") -> Actor:
    """One of HubSpot's silent writers."""
    return Actor(f"automation:{name}", source, name, None, name, record_source)


CALCULATED: Final = Actor("calculated", "CALCULATED", "calculated", None, "CALCULATED")


@dataclass
class Call:
    """One unit of work on the portal."""

    tx: Tx
    catalog: Catalog
    settings: Mapping[str, Any]
    automations: dict[str, bool]
    actor: Actor
    now: datetime
    family: str = ""
    request: Request | None = None
    strict: bool = True
    quiet: bool = False
    scopes: frozenset[str] | None = None
    partial: tuple[int, ...] = ()
    shape: Shape | None = None
    rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.stamp = iso(self.now)

    @property
    def sql(self) -> sqlite3.Connection:
        """The transaction's connection."""
        return self.tx.sql

    @property
    def dated(self) -> bool:
        """Whether the path carries a date instead of a version number."""
        return self.family[:2] == "20"

    def log(self, op: str, object: str, id: str, before: Any, after: Any, note: str = "") -> None:
        """Note an accepted write; seeds aren't writes."""
        if not self.quiet:
            self.tx.log(
                actor=self.actor.name, op=op, object=object, id=id, before=before, after=after, note=note
            )

    def body(self) -> Any:
        """The request's JSON in the shape that its route declares.

        Raises:
            ApiError: 400 for what isn't JSON or has another shape, 415 for another media type.
        """
        request = self.request
        if request is None:
            return {}
        media = request.headers.get("content-type", "")
        if request.body and "json" not in media:
            raise ApiError(415, "Unsupported Media Type", "BAD_REQUEST")
        try:
            body = request.json()
        except ValueError as trouble:
            line, column = getattr(trouble, "lineno", 1), getattr(trouble, "colno", 1)
            raise ApiError(400, f"Invalid input JSON on line {line}, column {column}: {trouble}") from trouble
        return body if self.shape is None else self.shape(body)

    def mapping(self) -> dict[str, Any]:
        """`body`, when it must be an object."""
        body = self.body()
        if not isinstance(body, dict):
            raise ApiError(
                400, "Invalid input JSON on line 1, column 1: Cannot deserialize instance of object"
            )
        return body

    def flag(self, name: str) -> bool:
        """A boolean query argument, false when absent."""
        return self.request is not None and (self.request.arg(name, "") or "").lower() == "true"

    def number(self, name: str, default: int, most: int) -> int:
        """A whole query argument from 1 to `most`.

        Raises:
            ApiError: 400, it isn't.
        """
        text = self.request.arg(name) if self.request is not None else None
        if text is None or text == "":
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise ApiError(
                400, f"The value '{text}' of {name} must be a number from 1 to {most}", sub="ILLEGAL_LIMIT"
            )
        return int(text)

    def names(self, name: str) -> list[str]:
        """A query argument that lists names with commas, or comes several times."""
        values = self.request.query.get(name, []) if self.request is not None else []
        return [part.strip() for value in values for part in value.split(",") if part.strip()]
