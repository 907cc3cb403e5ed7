"""What may the credential do, and is that too little or too much?

A source is read by a user who can read everything and write nothing: what it may write is named as
excess, since a mistake of ours could then change the system that everyone still works in. A target's
user writes everything, makes fields, and may set audit fields where the plan keeps old dates and
authors. Salesforce, Object Reference "UserPermissionAccess", help "User Permissions" and REST guide
"Limits", read 2026-11-26.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import Rights
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.org import Org
from migrate.errors import SystemRefused

_API, _VIEW, _MODIFY = "PermissionsApiEnabled", "PermissionsViewAllData", "PermissionsModifyAllData"
_AUDIT, _OWNERS = "PermissionsCreateAuditFields", "PermissionsUpdateWithInactiveOwner"
_CUSTOMIZE, _METADATA = "PermissionsCustomizeApplication", "PermissionsModifyMetadata"
_APEX = "PermissionsAuthorApex"
_SOURCE = (_API, _VIEW, _MODIFY)
_TARGET = (*_SOURCE, _AUDIT, _OWNERS, _CUSTOMIZE, _METADATA, _APEX)
_WRITES = (("createable", "create"), ("updateable", "change"), ("deletable", "delete"))


def rights(org: Org, objects: Sequence[str], *, write: bool) -> Rights:
    """Compare what is granted with what is needed; only reads."""
    granted: list[str] = []
    missing: list[str] = []
    excess: list[str] = []
    asked = _TARGET if write else _SOURCE
    held = _permissions(org, asked)
    if held is None:
        missing.append("The user's permissions can't be read; grant `View Setup and Configuration`.")
    else:
        granted += [_words(name) for name in asked if held.get(name)]
        if not held.get(_API):
            missing.append("The user lacks `API Enabled`.")
        if not held.get(_VIEW):
            missing.append("The user lacks `View All Data`: records not shared with it are missed.")
        if write:
            _target(held, missing, excess)
        elif held.get(_MODIFY):
            excess.append("The source user may write everything (`Modify All Data`): it should only read.")
    listed = org.listed()
    for name in objects:
        entry = listed.get(name)
        if entry is None and write and name.endswith("__c"):
            granted.append(f"make {name}")  # `prepare` does; whether it may is said above
            continue
        if entry is None or not entry.get("queryable"):
            missing.append(f"`{name}` can't be read: it isn't there, or the user has no read access to it.")
            continue
        may = [word for flag, word in _WRITES if entry.get(flag)]
        granted.append(f"read {name}")
        if write:
            granted += [f"{word} {name}" for word in may]
            missing += [f"The user may not {word} `{name}`." for flag, word in _WRITES if not entry.get(flag)]
        elif may:
            excess.append(f"The source user may {', '.join(may)} `{name}`: it should only read.")
    left, most = _calls(org)
    return Rights(_user(org), tuple(granted), tuple(missing), tuple(excess), left, most)


def _target(held: Mapping[str, Any], missing: list[str], excess: list[str]) -> None:
    if not held.get(_MODIFY):
        missing.append("The user lacks `Modify All Data`.")
    if not (held.get(_METADATA) or held.get(_MODIFY)) or not held.get(_CUSTOMIZE):
        missing.append(
            "The user lacks `Customize Application` or `Modify Metadata`: `prepare` can't make fields."
        )
    if held.get(_APEX):
        excess.append("The user may write code (`Author Apex`), which no migration needs.")


def _permissions(org: Org, names: Sequence[str]) -> Mapping[str, Any] | None:
    """What the user holds of these, None where that can't be read; an edition may lack some."""
    try:
        there = {str(field["name"]) for field in org.described("UserPermissionAccess")["fields"]}
        text = soql.select("UserPermissionAccess", [name for name in names if name in there], (), "LIMIT 1")
        rows = org.rest.rows(text)
    except SystemRefused as failure:
        if failure.code == "INVALID_SESSION_ID" or failure.code.startswith("REQUEST_LIMIT"):
            raise
        return None
    return rows[0] if rows else None


def _user(org: Org) -> str:
    id = org.user()
    rows = org.rest.rows(soql.select("User", ["Id", "Username"], [f"Id = {soql.text(id)}"]))
    return str(rows[0]["Username"]) if rows else id


def _calls(org: Org) -> tuple[int | None, int | None]:
    told = org.http.call("GET", f"{org.base}/limits/", write=False).json()
    daily = told.get("DailyApiRequests") or {}
    left, most = daily.get("Remaining"), daily.get("Max")
    return (None if left is None else int(left)), (None if most is None else int(most))


def _words(permission: str) -> str:
    return re.sub("(?<!^)([A-Z][a-z])", r" \1", permission.removeprefix("Permissions"))
