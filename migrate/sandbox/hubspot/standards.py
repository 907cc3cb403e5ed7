"""What does every HubSpot portal have before anybody changes it?

Object types and their ids, association types with their numbers, default pipelines, and scopes (its
properties are in `stock`). Data only; the portal's own additions live in the store.

Numbers: type ids and association ids as in the enumerations of @hubspot/api-client 13.5.0; default columns
and scopes from HubSpot's CRM guides, read 2026-11-23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from migrate.sandbox.hubspot.stock import BORN


@dataclass(frozen=True)
class Kind:
    """A standard object type."""

    name: str
    singular: str
    id: str
    created: str
    modified: str
    shown: tuple[str, ...]
    display: str
    read: str
    write: str


def _kind(name: str, singular: str, id: str, shown: str, display: str, scope: str = "") -> Kind:
    dated = name in ("contacts", "companies", "deals", "tickets", "products", "line_items")
    created = "createdate" if dated else "hs_createdate"
    modified = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
    scope = scope or f"crm.objects.{name}"
    read, write = (scope, scope) if scope == "tickets" else (f"{scope}.read", f"{scope}.write")
    columns = dict.fromkeys((*shown.split(), created, modified, "hs_object_id"))
    return Kind(name, singular, id, created, modified, tuple(columns), display, read, write)


KINDS: Final = {
    kind.name: kind
    for kind in (
        _kind("contacts", "contact", "0-1", "email firstname lastname", "email"),
        _kind("companies", "company", "0-2", "domain name", "name"),
        _kind("deals", "deal", "0-3", "amount closedate dealname dealstage pipeline", "dealname"),
        _kind(
            "tickets",
            "ticket",
            "0-5",
            "content hs_pipeline hs_pipeline_stage hs_ticket_category hs_ticket_priority subject",
            "subject",
            "tickets",
        ),
        _kind("products", "product", "0-7", "description name price", "name"),
        _kind("line_items", "line_item", "0-8", "amount quantity", "name"),
        _kind("tasks", "task", "0-27", "", "hs_task_subject", "crm.objects.contacts"),
        _kind("notes", "note", "0-46", "", "hs_note_body", "crm.objects.contacts"),
        _kind("meetings", "meeting", "0-47", "", "hs_meeting_title", "crm.objects.contacts"),
        _kind("calls", "call", "0-48", "", "hs_call_title", "crm.objects.contacts"),
        _kind("emails", "email", "0-49", "", "hs_email_subject", "crm.objects.contacts"),
    )
}
ENGAGEMENTS: Final = frozenset({"tasks", "notes", "meetings", "calls", "emails"})
PIPED: Final = {"deals": ("pipeline", "dealstage"), "tickets": ("hs_pipeline", "hs_pipeline_stage")}

# from, to, type id, type id of the other direction, label, label of the other direction
ASSOCIATIONS: Final[tuple[tuple[str, str, int, int, str | None, str | None], ...]] = (
    ("contacts", "companies", 279, 280, None, None),
    ("contacts", "companies", 1, 2, "Primary", "Primary"),
    ("deals", "companies", 341, 342, None, None),
    ("deals", "companies", 5, 6, "Primary", "Primary"),
    ("deals", "contacts", 3, 4, None, None),
    ("tickets", "contacts", 16, 15, None, None),
    ("tickets", "companies", 339, 340, None, None),
    ("tickets", "companies", 26, 25, "Primary", "Primary"),
    ("tickets", "deals", 28, 27, None, None),
    ("companies", "companies", 450, 450, None, None),
    ("companies", "companies", 13, 14, "Child Company", "Parent Company"),
    ("contacts", "contacts", 449, 449, None, None),
    ("deals", "deals", 451, 451, None, None),
    ("tickets", "tickets", 452, 452, None, None),
    ("deals", "line_items", 19, 20, None, None),
    *(
        (activity, other, number, number - 1, None, None)
        for activity, numbers in {
            "notes": (202, 190, 214, 228),
            "calls": (194, 182, 206, 220),
            "emails": (198, 186, 210, 224),
            "meetings": (200, 188, 212, 226),
            "tasks": (204, 192, 216, 230),
        }.items()
        for other, number in zip(("contacts", "companies", "deals", "tickets"), numbers, strict=True)
    ),
)
PRIMARY: Final = frozenset({1, 5, 26})  # seen from the record that has one primary company
CHILD_TO_PARENT: Final = 14


def _stage(id: str, label: str, order: int, metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "id": id,
        "label": label,
        "displayOrder": order,
        "metadata": metadata,
        "archived": False,
        "createdAt": BORN,
        "updatedAt": BORN,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def stage(kind: str, id: str, label: str, order: int, metadata: dict[str, str]) -> dict[str, Any]:
    """A pipeline stage with `isClosed` worked out, as HubSpot adds it."""
    told = dict(metadata)
    if kind == "deals" and "probability" in told:
        told.setdefault("isClosed", "true" if float(told["probability"]) in (0.0, 1.0) else "false")
    if kind == "tickets":
        told.setdefault("ticketState", "OPEN")
        told.setdefault("isClosed", "true" if told["ticketState"] == "CLOSED" else "false")
    return _stage(id, label, order, told)


def pipelines(kind: str) -> list[dict[str, Any]]:
    """The pipeline that a fresh portal has."""
    if kind == "deals":
        rows = (
            ("appointmentscheduled", "Appointment Scheduled", "0.2"),
            ("qualifiedtobuy", "Qualified To Buy", "0.4"),
            ("presentationscheduled", "Presentation Scheduled", "0.6"),
            ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
            ("contractsent", "Contract Sent", "0.9"),
            ("closedwon", "Closed Won", "1.0"),
            ("closedlost", "Closed Lost", "0.0"),
        )
        stages = [stage(kind, id, label, i, {"probability": p}) for i, (id, label, p) in enumerate(rows)]
        return [_pipeline("default", "Sales Pipeline", stages)]
    if kind == "tickets":
        states = (
            ("1", "New", "OPEN"),
            ("2", "Waiting on contact", "OPEN"),
            ("3", "Waiting on us", "OPEN"),
            ("4", "Closed", "CLOSED"),
        )
        stages = [stage(kind, id, label, i, {"ticketState": s}) for i, (id, label, s) in enumerate(states)]
        return [_pipeline("0", "Support Pipeline", stages)]
    return []


def _pipeline(id: str, label: str, stages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": id,
        "label": label,
        "displayOrder": 0,
        "archived": False,
        "createdAt": BORN,
        "updatedAt": BORN,
        "stages": stages,
    }


_SCOPED = ("contacts", "companies", "deals", "line_items", "products", "custom")
SCOPES: Final = (
    *(f"crm.objects.{name}.{verb}" for name in _SCOPED for verb in ("read", "write")),
    "crm.objects.owners.read",
    *(
        f"crm.schemas.{name}.{verb}"
        for name in ("contacts", "companies", "deals", "custom", "line_items")
        for verb in ("read", "write")
    ),
    "tickets",
    "oauth",
    "files",
    "files.ui_hidden.read",
    "crm.lists.read",
    "crm.lists.write",
    "crm.import",
    "crm.export",
    "sales-email-read",
    "automation",
    "communication_preferences.read",
    "communication_preferences.read_write",
    "communication_preferences.statuses.batch.read",
    "communication_preferences.statuses.batch.write",
)
FREE_MAIL: Final = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "hotmail.com",
        "outlook.com",
        "live.com",
        "aol.com",
        "icloud.com",
        "me.com",
        "gmx.de",
        "gmx.net",
        "web.de",
        "protonmail.com",
        "proton.me",
        "mail.com",
        "yandex.ru",
        "qq.com",
        "163.com",
    ]
)
