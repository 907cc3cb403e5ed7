"""What does the portal tell about itself and its use?

Account details, the day's calls, usage of records, properties and associations.

Facts: HubSpot, "Account information" and "Limits tracking", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.rates import TIERS
from migrate.sandbox.hubspot.values import iso
from migrate.sandbox.vendor import Reply

LIMITS = ("records", "custom-properties", "pipelines", "custom-object-types", "associations/records/from")


def details(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /account-info/v3/details`."""
    portal = call.catalog.portal
    offset = call.now.astimezone(ZoneInfo(portal["timeZone"])).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    body = {
        "portalId": portal["portalId"],
        "accountType": portal["accountType"],
        "timeZone": portal["timeZone"],
        "companyCurrency": portal["companyCurrency"],
        "additionalCurrencies": portal["additionalCurrencies"],
        "utcOffset": f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
        "utcOffsetMilliseconds": minutes * 60_000,
        "uiDomain": portal["uiDomain"],
        "dataHostingLocation": portal["dataHostingLocation"],
    }
    return Reply(200, body)


def usage(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /account-info/v3/api-usage/daily/private-apps`."""
    zone = ZoneInfo(call.catalog.portal["timeZone"])
    local = call.now.astimezone(zone)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    row = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": int(call.settings["daily"] or TIERS[call.settings["tier"]][1]),
        "currentUsage": int(tables.get_meta(call.sql, f"calls:{local.date().isoformat()}", "0") or 0),
        "collectedAt": call.stamp,
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(midnight),
    }
    return Reply(200, {"results": [row]})


def _share(used: int, most: int) -> dict[str, Any]:
    return {"limit": most, "usage": used, "percentage": round(100 * used / most, 2)}


def limits(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/limits/{what}`: use against the tier's limit, by object type."""
    what, kinds = path["what"], call.catalog.kinds
    if what not in LIMITS:
        raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
    counts = dict(call.sql.execute("SELECT kind, count(*) FROM hs_record WHERE archived = 0 GROUP BY kind"))
    rows: list[dict[str, Any]] = []
    for kind in kinds.values():
        head = {
            "objectTypeId": kind.id,
            "singularLabel": kind.singular.title(),
            "pluralLabel": kind.name.title(),
        }
        if what == "records":
            rows.append(head | _share(counts.get(kind.name, 0), int(call.settings["record_limit"])))
        elif what == "custom-properties":
            own = [row for row in call.catalog.properties[kind.name].values() if not row["hubspotDefined"]]
            rows.append(head | _share(len(own), int(call.settings["property_limit"])))
        elif what == "pipelines":
            rows.append(head | _share(len(call.catalog.pipelines.get(kind.name, {})), 50))
    if what == "custom-object-types":
        live = [row for row in call.catalog.schemas.values() if not row["archived"]]
        return Reply(200, _share(len(live), 10))
    if what == "associations/records/from":
        return Reply(200, {"results": [], "hasRecordsAtLimit": False, "hasRecordsNearLimit": False})
    return Reply(200, {"byObjectType": rows, "results": rows})
