"""What may the running user do?

Rights come from two places, the later winning: what a seed stored, and the run-time
setting `permissions`. Both are maps from `*`, a user id or a username to
`{"PermissionsX": bool, "objects": {name: {"read|create|edit|delete": bool}},
"hidden": {name: [field]}, "readonly": {name: [field]}}`. Names of the permissions
follow the vendor's `UserPermissionAccess` object (Salesforce, Object Reference, read
2026-11-23): "Modify All Data" grants every write, "View All Data" every read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PERMISSIONS = (
    "PermissionsApiEnabled",
    "PermissionsAuthorApex",
    "PermissionsBulkApiHardDelete",
    "PermissionsCreateAuditFields",
    "PermissionsCustomizeApplication",
    "PermissionsEditReadonlyFields",
    "PermissionsManageUsers",
    "PermissionsModifyAllData",
    "PermissionsModifyMetadata",
    "PermissionsQueryAllFiles",
    "PermissionsTransferAnyEntity",
    "PermissionsUpdateWithInactiveOwner",
    "PermissionsViewAllData",
    "PermissionsViewAllUsers",
    "PermissionsViewEncryptedData",
    "PermissionsViewSetup",
)
_OFF_EVEN_FOR_ADMINS = (
    "PermissionsBulkApiHardDelete",
    "PermissionsCreateAuditFields",
    "PermissionsEditReadonlyFields",
    "PermissionsUpdateWithInactiveOwner",
)
ADMIN: dict[str, Any] = {name: name not in _OFF_EVEN_FOR_ADMINS for name in PERMISSIONS}
READER: dict[str, Any] = {
    **dict.fromkeys(PERMISSIONS, False),
    "PermissionsApiEnabled": True,
    "PermissionsViewAllData": True,
    "PermissionsViewSetup": True,
    "PermissionsViewAllUsers": True,
}


@dataclass(frozen=True)
class Rights:
    """The running user, and what the org lets it do."""

    user: str
    system: Mapping[str, bool]
    objects: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    readonly: Mapping[str, frozenset[str]] = field(default_factory=dict)
    host: str = "sandbox.my.salesforce.com"

    def has(self, permission: str) -> bool:
        return bool(self.system.get(permission, False))

    @property
    def audits(self) -> bool:
        """May audit fields be given on insert?"""
        return self.has("PermissionsCreateAuditFields") and self.has("PermissionsModifyAllData")

    def may(self, object: str, act: str) -> bool:
        """`act` is read, create, edit or delete; an object's own entry wins over the wide permissions."""
        given = {**self.objects.get("*", {}), **self.objects.get(object, {})}
        if act in given:
            return bool(given[act])
        if act == "read":
            return True
        if object == "User":
            return self.has("PermissionsManageUsers")
        return self.has("PermissionsModifyAllData")

    def sees(self, object: str, field: str) -> bool:
        return field not in self.hidden.get(object, ())

    def narrowed(
        self, hidden: Mapping[str, frozenset[str]], readonly: Mapping[str, frozenset[str]]
    ) -> "Rights":
        """The same user with more fields hidden, and more that it may only read."""
        return replace(self, hidden=_joined(self.hidden, hidden), readonly=_joined(self.readonly, readonly))

    def reads_only(self, object: str, field: str) -> bool:
        return field in self.readonly.get(object, ())


def rights_of(user: Mapping[str, Any], host: str, layers: Iterable[Mapping[str, Any]]) -> Rights:
    """Lay the maps over each other, `*` first, then the username, then the id, map by map."""
    system: dict[str, bool] = dict(ADMIN)
    objects: dict[str, dict[str, bool]] = {}
    hidden: dict[str, frozenset[str]] = {}
    readonly: dict[str, frozenset[str]] = {}
    for layer in layers:
        for key in ("*", user.get("Username"), user["Id"], str(user["Id"])[:15]):
            given = layer.get(key) if key else None
            if not given:
                continue
            system.update(
                {name: bool(value) for name, value in given.items() if name.startswith("Permissions")}
            )
            for name, acts in given.get("objects", {}).items():
                objects.setdefault(name, {}).update(acts)
            hidden.update({name: frozenset(fields) for name, fields in given.get("hidden", {}).items()})
            readonly.update({name: frozenset(fields) for name, fields in given.get("readonly", {}).items()})
    return Rights(str(user["Id"]), system, objects, hidden, readonly, host)


def _joined(
    left: Mapping[str, frozenset[str]], right: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    return {name: left.get(name, frozenset()) | right.get(name, frozenset()) for name in {*left, *right}}
