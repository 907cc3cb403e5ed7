"""Who can own records?

An owner id isn't a user id: records hold owner ids. Deactivated users are archived owners, listed only
when asked for, without `userId`.

Facts: HubSpot, "Owners", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.objects import next_page
from migrate.sandbox.hubspot.writes import number_of
from migrate.sandbox.vendor import Reply


def shown(owner: Mapping[str, Any]) -> dict[str, Any]:
    """An owner as replies carry it."""
    told = dict(owner)
    told["userIdIncludingInactive"] = owner["userId"]
    if owner["archived"]:
        told["userId"] = None
    return told


def listing(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/owners`: active ones, or with `archived=true` the others."""
    limit = call.number("limit", 100, 500)
    request = call.request
    after = (request.arg("after") if request else None) or "0"
    if number_of(after) is None:
        raise ApiError(400, f"The after parameter `{after}` is not valid")
    email = ((request.arg("email") if request else None) or "").strip().lower()
    rows = sorted(
        (
            owner
            for owner in call.catalog.owners.values()
            if owner["archived"] == call.flag("archived")
            and int(owner["id"]) > int(after)
            and (not email or (owner["email"] or "").lower() == email)
        ),
        key=lambda owner: int(owner["id"]),
    )
    body: dict[str, Any] = {"results": [shown(owner) for owner in rows[:limit]]}
    if len(rows) > limit:
        body["paging"] = {"next": next_page(call, rows[limit - 1]["id"])}
    return Reply(200, body)


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/owners/{id}`, by owner id or, with `idProperty=userId`, by user id."""
    by_user = call.request is not None and call.request.arg("idProperty") == "userId"
    for owner in call.catalog.owners.values():
        key = str(owner["userId"]) if by_user else owner["id"]
        if key == path["id"] and owner["archived"] == call.flag("archived"):
            return Reply(200, shown(owner))
    raise ApiError(404, f"No owner exists with id {path['id']}", "OBJECT_NOT_FOUND")
