"""What may the credential do, and is that too little or too much?

A source is read by a user who can read everything and write nothing: what it may write is named as excess,
since a mistake of ours could then change the system that everyone still works in.
Salesforce, Object Reference "UserPermissionAccess" and REST guide "Limits", read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import Rights
from migrate.connectors.http import Http
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.rest import Rest
from migrate.errors import SystemRefused

_PERMISSIONS = ("PermissionsApiEnabled", "PermissionsViewAllData", "PermissionsModifyAllData")
_WRITES = (("createable", "create"), ("updateable", "change"), ("deletable", "delete"))


def rights(
    http: Http,
    rest: Rest,
    base: str,
    objects: Sequence[str],
    listed: Mapping[str, Mapping[str, Any]],
    *,
    write: bool,
    user: str,
) -> Rights:
    """Compare what is granted with what is needed; only reads.

    Args:
        listed: the global describe by object; an object without read access isn't in it.
        user: the user's id, empty where the log-in didn't name it.
    """
    granted: list[str] = []
    missing: list[str] = []
    excess: list[str] = []
    held = _permissions(rest)
    if held is None:
        missing.append("The user's permissions can't be read; grant `View Setup and Configuration`.")
    else:
        granted += [_words(name) for name in _PERMISSIONS if held.get(name)]
        if not held.get("PermissionsApiEnabled"):
            missing.append("The user lacks `API Enabled`.")
        if not held.get("PermissionsViewAllData"):
            missing.append("The user lacks `View All Data`: records not shared with it are missed.")
        if write and not held.get("PermissionsModifyAllData"):
            missing.append("The user lacks `Modify All Data`.")
        if not write and held.get("PermissionsModifyAllData"):
            excess.append("The source user may write everything (`Modify All Data`): it should only read.")
    for name in objects:
        entry = listed.get(name)
        if entry is None or not entry.get("queryable"):
            missing.append(f"`{name}` can't be read: it isn't there, or the user has no read access to it.")
            continue
        may = [word for flag, word in _WRITES if entry.get(flag)]
        granted.append(f"read {name}")
        if write:
            missing += [f"The user may not {word} `{name}`." for flag, word in _WRITES if not entry.get(flag)]
        elif may:
            excess.append(f"The source user may {', '.join(may)} `{name}`: it should only read.")
    left, most = _calls(http, base)
    return Rights(_user(rest, user), tuple(granted), tuple(missing), tuple(excess), left, most)


def _permissions(rest: Rest) -> Mapping[str, Any] | None:
    try:
        rows = rest.rows(f"SELECT {', '.join(_PERMISSIONS)} FROM UserPermissionAccess LIMIT 1")
    except SystemRefused as failure:
        if failure.code.startswith("INVALID_") and failure.code != "INVALID_SESSION_ID":
            return None
        raise
    return rows[0] if rows else None


def _user(rest: Rest, id: str) -> str:
    if not id:
        return "(the access token's user)"
    rows = rest.rows(soql.select("User", ["Id", "Username"], [f"Id = {soql.text(id)}"]))
    return str(rows[0]["Username"]) if rows else id


def _calls(http: Http, base: str) -> tuple[int | None, int | None]:
    daily = http.call("GET", f"{base}/limits/", write=False).json().get("DailyApiRequests") or {}
    left, most = daily.get("Remaining"), daily.get("Max")
    return (None if left is None else int(left)), (None if most is None else int(most))


def _words(permission: str) -> str:
    return re.sub("(?<!^)([A-Z][a-z])", r" \1", permission.removeprefix("Permissions"))


