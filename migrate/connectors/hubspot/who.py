"""Who made a record, and who wrote a value?

HubSpot keeps a source on every record (`hs_object_source`, `hs_object_source_id`) and on every version of a
property (`sourceType`, `sourceId`). What isn't known to be an automation counts as somebody's work.
Names from HubSpot's property history and record source pages (read 2026-11-23); not all are documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.connector import Version, Who
from migrate.connectors.hubspot.values import instant, instant_text

_PEOPLE = ("CRM_UI", "IMPORT", "MOBILE", "EXTENSION", "MERGE", "BATCH_UPDATE", "SALES", "SIDEKICK")
_AUTOMATIONS = (
    "AUTOMATION",
    "WORKFLOW",
    "CALCULATED",
    "ENRICHMENT",
    "DATA_ENRICHMENT",
    "COMPANY_INSIGHTS",
    "INSIGHTS",
    "COMPANIES",
    "CONTACTS",
    "DEALS",
    "ASSOCIATIONS",
    "INTERNAL_PROCESSING",
    "CRM_SETTING",
    "PROPERTY_SETTINGS",
    "DEFAULT",
    "SYSTEM",
    "AI_",
    "BREEZE",
    "WAL_INCREMENTAL",
)
_PROGRAMS = ("INTEGRATION", "API")


def who(source: str | None, source_id: str | None, app: str) -> Who | None:
    """Who a source is; None where there is none. `app`: our own app's id, empty if unknown."""
    kind = (source or "").upper()
    if not kind:
        return None
    if kind.startswith(_PROGRAMS):
        return Who.OURS if app and str(source_id or "").rpartition(":")[2] == app else Who.INTEGRATION
    if kind.startswith(_AUTOMATIONS):
        return Who.AUTOMATION
    return Who.PERSON if kind.startswith(_PEOPLE) else Who.INTEGRATION


def source_of(properties: Mapping[str, Any], app: str) -> str:
    """`Held.source` of a record."""
    found = who(properties.get("hs_object_source"), properties.get("hs_object_source_id"), app)
    return found.value if found else ""


def version(field: str, entry: Mapping[str, Any], app: str, people: Mapping[str, str]) -> Version:
    """One entry of a property's history. `people`: names by user id."""
    value = entry.get("value")
    at = instant(str(entry.get("timestamp") or ""))
    source = str(entry.get("sourceId") or "")
    user = str(entry.get("updatedByUserId") or (source[7:] if source.startswith("userId:") else ""))
    name = str(entry.get("sourceLabel") or "")
    if user and (not name or name == source):
        name = people.get(user) or f"user {user}"
    return Version(
        field=field,
        value=None if value in (None, "") else str(value),
        at=instant_text(at) if at else str(entry.get("timestamp") or ""),
        who=who(entry.get("sourceType"), entry.get("sourceId"), app) or Who.INTEGRATION,
        name=name or source,
    )
