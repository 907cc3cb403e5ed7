"""Which path leads to which piece of work, in both path families, and which scopes does it need?

Numbered (`/crm/v3/objects/...`) and dated paths (`/crm/objects/2026-09/...`) are first brought to one
form, then looked up in one table, so that both are served from the same code.

Paths: HubSpot, API reference of v3, v4, 2025-09, 2026-03 and 2026-09, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from migrate.sandbox.hubspot import (
    account,
    associations,
    batches,
    fetching,
    files,
    folders,
    hosting,
    imports,
    labels,
    objects,
    owners,
    pipelines,
    preferences,
    properties,
    schemas,
    search,
    shapes,
    standards,
    wishes,
    workflows,
)
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.shapes import Shape
from migrate.sandbox.vendor import Reply

Work = Callable[[Call, Mapping[str, str]], Reply]
_DATED: Final = r"20\d\d-\d\d"
_AREAS: Final = "objects|properties|pipelines|owners|limits|property-validations|associations|imports"
_FORMS: Final = (
    re.compile(rf"/crm/(?P<area>{_AREAS})/(?P<family>{_DATED})(?:-beta)?(?P<rest>/.*)?"),
    re.compile(rf"/crm/(?P<family>v[34])/(?P<area>{_AREAS}|schemas)(?P<rest>/.*)?"),
    re.compile(r"/crm/(?P<area>associations)/(?P<family>v4)(?P<rest>/.*)?"),
    re.compile(rf"/crm-object-schemas/(?P<family>v3|{_DATED})/(?P<area>schemas)(?P<rest>/.*)?"),
    re.compile(rf"/(?P<area>files)/(?P<family>v3|{_DATED})(?P<rest>/.*)?"),
    re.compile(rf"/(?P<area>communication-preferences)/(?P<family>v[34]|{_DATED})(?P<rest>/.*)?"),
    re.compile(rf"/(?P<area>automation)/(?P<family>v4|{_DATED})(?:-beta)?(?P<rest>/.*)?"),
    re.compile(rf"/(?P<area>account-info)/(?P<family>v3|{_DATED})(?P<rest>/.*)?"),
    re.compile(rf"/(?P<area>oauth)/(?P<family>v[123]|{_DATED})(?P<rest>/.*)?"),
)
FAMILIES: Final = frozenset({"v1", "v2", "v3", "v4", "2025-09", "2026-03", "2026-09"})
READ, WRITE, SCHEMA_READ, SCHEMA_WRITE, BOTH_READ, BOTH_WRITE, OWNERS, NONE = range(8)
FILES_READ, FILES_WRITE, FILES_DELETE = range(8, 11)
FILE_SCOPES: Final = {
    FILES_READ: ["files", "files.read", "files.ui_hidden.read"],
    FILES_WRITE: ["files", "files.write"],
    FILES_DELETE: ["files", "files.delete"],
}
CONSENT_READ, CONSENT_WRITE, CONSENT_BATCH_READ, CONSENT_BATCH_WRITE = range(11, 15)
FLOWS, IMPORTS = 15, 16
_CONSENT: Final = "communication_preferences"
CONSENT_SCOPES: Final = {
    CONSENT_READ: [f"{_CONSENT}.read", f"{_CONSENT}.read_write"],
    CONSENT_WRITE: [f"{_CONSENT}.read_write", f"{_CONSENT}.write"],
    CONSENT_BATCH_READ: [f"{_CONSENT}.statuses.batch.read"],
    CONSENT_BATCH_WRITE: [f"{_CONSENT}.statuses.batch.write"],
}
UPLOADS: Final = re.compile(rf"/files/(?:v3|{_DATED})/files(?:/[0-9]+)?/?")  # whose bodies come in parts


@dataclass(frozen=True)
class Route:
    """One entry of the table."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    work: Work
    needs: int
    shape: Shape | None


def _route(methods: str, template: str, work: Work, needs: int, shape: Shape | None = None) -> Route:
    text = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template).replace("{what...}", "(?P<what>.+)")
    return Route(frozenset(methods.split("|")), re.compile(text), work, needs, shape)


_FOLDER_TASK = "/files/folders/update/async"
_IMPORT_TASK = "/files/files/import-from-url/async"
_PREFERENCES = "/communication-preferences"
_STATUSES = f"{_PREFERENCES}/statuses"
_LIMITS = "/associations/definitions/configurations"
TABLE: Final = (
    _route("POST", "/objects/{type}/batch/create", batches.create, WRITE, shapes.RECORDS),
    _route("POST", "/objects/{type}/batch/read", batches.read, READ, shapes.READ),
    _route("POST", "/objects/{type}/batch/update", batches.update, WRITE, shapes.RECORDS),
    _route("POST", "/objects/{type}/batch/upsert", batches.upsert, WRITE, shapes.RECORDS),
    _route("POST", "/objects/{type}/batch/archive", batches.archive, WRITE, shapes.IDS),
    _route("POST", "/objects/{type}/search", search.search, READ, shapes.SEARCH),
    _route("POST", "/objects/{type}/merge", objects.merge, WRITE, shapes.MERGE),
    _route("POST", "/objects/{type}/gdpr-delete", objects.gdpr_delete, WRITE, shapes.GDPR),
    _route("GET", "/objects/{type}", objects.listing, READ),
    _route("POST", "/objects/{type}", objects.create, WRITE, shapes.RECORD),
    _route("GET", "/objects/{type}/{id}", objects.get, READ),
    _route("PATCH", "/objects/{type}/{id}", objects.update, WRITE, shapes.RECORD),
    _route("DELETE", "/objects/{type}/{id}", objects.archive, WRITE),
    _route(
        "PUT",
        "/objects/{type}/{id}/associations/default/{to_type}/{to_id}",
        associations.put_default,
        BOTH_WRITE,
    ),
    _route("GET", "/objects/{type}/{id}/associations/{to_type}", associations.listing, BOTH_READ),
    _route(
        "PUT",
        "/objects/{type}/{id}/associations/{to_type}/{to_id}",
        associations.put_labelled,
        BOTH_WRITE,
        shapes.LINK_TYPES,
    ),
    _route("DELETE", "/objects/{type}/{id}/associations/{to_type}/{to_id}", associations.delete, BOTH_WRITE),
    _route("POST", "/associations/usage/high-usage-report/{user}", associations.high_usage, NONE),
    _route("GET", f"{_LIMITS}/all", labels.limits, NONE),
    _route("GET", _LIMITS + "/{type}/{to_type}", labels.limits, BOTH_READ),
    _route("POST", _LIMITS + "/{type}/{to_type}/batch/purge", labels.purge_limits, BOTH_WRITE, shapes.LIMITS),
    _route("POST", _LIMITS + "/{type}/{to_type}/batch/{op}", labels.write_limits, BOTH_WRITE, shapes.LIMITS),
    _route(
        "POST",
        "/associations/{type}/{to_type}/batch/read",
        associations.batch_read,
        BOTH_READ,
        shapes.FROM_PAGES,
    ),
    _route(
        "POST",
        "/associations/{type}/{to_type}/batch/create",
        associations.batch_create,
        BOTH_WRITE,
        shapes.PAIRS,
    ),
    _route(
        "POST",
        "/associations/{type}/{to_type}/batch/archive",
        associations.batch_archive,
        BOTH_WRITE,
        shapes.ENDS,
    ),
    _route(
        "POST",
        "/associations/{type}/{to_type}/batch/associate/default",
        associations.batch_default,
        BOTH_WRITE,
        shapes.PAIRS,
    ),
    _route(
        "POST",
        "/associations/{type}/{to_type}/batch/labels/archive",
        associations.labels_archive,
        BOTH_WRITE,
        shapes.PAIRS,
    ),
    _route("GET", "/associations/{type}/{to_type}/labels", labels.listing, BOTH_READ),
    _route("POST", "/associations/{type}/{to_type}/labels", labels.create, BOTH_WRITE, shapes.LABEL),
    _route("PUT", "/associations/{type}/{to_type}/labels", labels.update, BOTH_WRITE, shapes.LABEL),
    _route("DELETE", "/associations/{type}/{to_type}/labels/{number}", labels.delete, BOTH_WRITE),
    _route(
        "POST", "/properties/{type}/batch/create", properties.batch_create, SCHEMA_WRITE, shapes.PROPERTIES
    ),
    _route("POST", "/properties/{type}/batch/read", properties.batch_read, SCHEMA_READ, shapes.NAMES),
    _route("POST", "/properties/{type}/batch/archive", properties.batch_archive, SCHEMA_WRITE, shapes.NAMES),
    _route("GET", "/properties/{type}/groups", properties.groups, SCHEMA_READ),
    _route("POST", "/properties/{type}/groups", properties.create_group, SCHEMA_WRITE, shapes.GROUP),
    _route("GET", "/properties/{type}/groups/{name}", properties.group, SCHEMA_READ, shapes.GROUP),
    _route("PATCH|DELETE", "/properties/{type}/groups/{name}", properties.group, SCHEMA_WRITE, shapes.GROUP),
    _route("GET", "/properties/{type}", properties.listing, SCHEMA_READ),
    _route("POST", "/properties/{type}", properties.create, SCHEMA_WRITE, shapes.PROPERTY),
    _route("GET", "/properties/{type}/{name}", properties.get, SCHEMA_READ),
    _route("PATCH", "/properties/{type}/{name}", properties.update, SCHEMA_WRITE, shapes.PROPERTY),
    _route("DELETE", "/properties/{type}/{name}", properties.archive, SCHEMA_WRITE),
    _route("GET", "/property-validations/{type}", properties.validations, SCHEMA_READ),
    _route("GET", "/property-validations/{type}/{name}", properties.validations, SCHEMA_READ),
    _route("GET", "/pipelines/{type}", pipelines.listing, SCHEMA_READ),
    _route("POST", "/pipelines/{type}", pipelines.create, SCHEMA_WRITE, shapes.PIPELINE),
    _route("GET", "/pipelines/{type}/{pipeline}", pipelines.one, SCHEMA_READ, shapes.PIPELINE),
    _route("PUT|PATCH|DELETE", "/pipelines/{type}/{pipeline}", pipelines.one, SCHEMA_WRITE, shapes.PIPELINE),
    _route("GET", "/pipelines/{type}/{pipeline}/audit", pipelines.audit, SCHEMA_READ),
    _route("GET", "/pipelines/{type}/{pipeline}/stages", pipelines.stages, SCHEMA_READ, shapes.STAGE),
    _route("POST", "/pipelines/{type}/{pipeline}/stages", pipelines.stages, SCHEMA_WRITE, shapes.STAGE),
    _route("GET", "/pipelines/{type}/{pipeline}/stages/{stage}", pipelines.stage, SCHEMA_READ, shapes.STAGE),
    _route(
        "PUT|PATCH|DELETE",
        "/pipelines/{type}/{pipeline}/stages/{stage}",
        pipelines.stage,
        SCHEMA_WRITE,
        shapes.STAGE,
    ),
    _route("GET", "/pipelines/{type}/{pipeline}/stages/{stage}/audit", pipelines.audit, SCHEMA_READ),
    _route("GET", "/owners", owners.listing, OWNERS),
    _route("GET", "/owners/{id}", owners.get, OWNERS),
    _route("GET", "/schemas", schemas.listing, SCHEMA_READ),
    _route("POST", "/schemas", schemas.create, SCHEMA_WRITE, shapes.SCHEMA),
    _route("GET", "/schemas/{type}", schemas.get, SCHEMA_READ),
    _route("PATCH", "/schemas/{type}", schemas.update, SCHEMA_WRITE, shapes.SCHEMA),
    _route("DELETE", "/schemas/{type}", schemas.delete, SCHEMA_WRITE),
    _route("DELETE", "/schemas/{type}/{purge}", schemas.delete, SCHEMA_WRITE),
    _route("POST", "/schemas/{type}/associations", schemas.associate, SCHEMA_WRITE, shapes.SCHEMA_LINK),
    _route("DELETE", "/schemas/{type}/associations/{number}", schemas.dissociate, SCHEMA_WRITE),
    _route("GET", "/limits/{what...}", account.limits, NONE),
    _route("POST", "/files/files", files.upload, FILES_WRITE),
    _route("GET", "/files/files/search", files.search, FILES_READ),
    _route("GET", "/files/files/stat/{what...}", files.stat, FILES_READ),
    _route("POST", _IMPORT_TASK, fetching.begin, FILES_WRITE, wishes.IMPORT),
    _route("GET", _IMPORT_TASK + "/tasks/{id}/status", fetching.status, FILES_READ),
    _route("GET", "/files/files/{id}", files.get, FILES_READ),
    _route("PUT", "/files/files/{id}", files.replace, FILES_WRITE),
    _route("PATCH", "/files/files/{id}", files.update, FILES_WRITE, wishes.CHANGE),
    _route("DELETE", "/files/files/{id}", files.archive, FILES_DELETE),
    _route("DELETE", "/files/files/{id}/gdpr-delete", files.gdpr_delete, FILES_DELETE),
    _route("GET", "/files/files/{id}/signed-url", hosting.signed_url, FILES_READ),
    _route("GET", "/files/files/{id}/download", hosting.download, FILES_READ),
    _route("POST", "/files/folders", folders.create, FILES_WRITE, folders.NEW),
    _route("GET", "/files/folders/search", folders.search, FILES_READ),
    _route("POST", _FOLDER_TASK, folders.update_later, FILES_WRITE, folders.CHANGE),
    _route("GET", _FOLDER_TASK + "/tasks/{id}/status", folders.update_status, FILES_READ),
    _route("GET", "/files/folders/{what...}", folders.get, FILES_READ),
    _route("PATCH", "/files/folders/{what...}", folders.update, FILES_WRITE, folders.CHANGE),
    _route("DELETE", "/files/folders/{what...}", folders.archive, FILES_DELETE),
    _route("GET", f"{_PREFERENCES}/definitions", preferences.definitions, CONSENT_READ),
    _route(
        "POST", f"{_STATUSES}/batch/read", preferences.batch_read, CONSENT_BATCH_READ, preferences.ADDRESSES
    ),
    _route(
        "POST", f"{_STATUSES}/batch/write", preferences.batch_write, CONSENT_BATCH_WRITE, preferences.WRITES
    ),
    _route(
        "POST",
        f"{_STATUSES}/batch/unsubscribe-all",
        preferences.batch_write_wide,
        CONSENT_BATCH_WRITE,
        preferences.ADDRESSES,
    ),
    _route(
        "POST",
        f"{_STATUSES}/batch/unsubscribe-all/read",
        preferences.batch_wide,
        CONSENT_BATCH_READ,
        preferences.ADDRESSES,
    ),
    _route("GET", f"{_STATUSES}/{{address}}/unsubscribe-all", preferences.wide, CONSENT_READ),
    _route("POST", f"{_STATUSES}/{{address}}/unsubscribe-all", preferences.write_wide, CONSENT_WRITE),
    _route("GET", f"{_STATUSES}/{{address}}", preferences.statuses, CONSENT_READ),
    _route("POST", f"{_STATUSES}/{{address}}", preferences.write, CONSENT_WRITE, preferences.WRITE),
    _route("GET", f"{_PREFERENCES}/status/email/{{address}}", preferences.legacy_status, CONSENT_READ),
    _route("POST", f"{_PREFERENCES}/subscribe", preferences.subscribe, CONSENT_WRITE, preferences.LEGACY),
    _route("POST", f"{_PREFERENCES}/unsubscribe", preferences.unsubscribe, CONSENT_WRITE, preferences.LEGACY),
    _route("GET", "/automation/flows", workflows.listing, FLOWS),
    _route("GET", "/automation/flows/{id}", workflows.get, FLOWS),
    _route("PUT", "/automation/flows/{id}", workflows.put, FLOWS),
    _route("GET", "/imports", imports.listing, IMPORTS),
    _route("GET", "/imports/{id}", imports.get, IMPORTS),
    _route("POST", "/imports/{id}/cancel", imports.cancel, IMPORTS),
    _route("GET", "/account-info/details", account.details, NONE),
    _route("GET", "/account-info/api-usage/daily/private-apps", account.usage, NONE),
)


def common(path: str) -> tuple[str, str] | None:
    """A path in the one form that the table knows, and its family; `None` for no path of HubSpot's."""
    trimmed = path.rstrip("/")
    for form in _FORMS:
        found = form.fullmatch(trimmed)
        if found is None:
            continue
        area, family, rest = found["area"], found["family"], found["rest"] or ""
        if family not in FAMILIES:
            return None
        associating = area == "associations" or (area == "objects" and "/associations/" in rest)
        if area == "communication-preferences":
            # v3 has paths of its own; v4 and the dated family share theirs.
            legacy = rest.startswith(("/status/", "/subscribe", "/unsubscribe"))
            if rest != "/definitions" and (family == "v3") != legacy:
                return None
            return f"/{area}{rest}", family
        if area == "automation":
            return f"/{area}{rest}", family
        if family in ("v3", "v4") and (family == "v4") != associating:
            return None
        return f"/{area}{rest}", family
    return None


def look_up(method: str, text: str) -> tuple[Route, dict[str, str]] | str | None:
    """The entry and the path's parts; the text `method` when only the method is wrong; else `None`."""
    known = False
    for route in TABLE:
        found = route.pattern.fullmatch(text)
        if found is not None:
            known = True
            if method in route.methods:
                return route, {name: unquote(value) for name, value in found.groupdict().items()}
    return "method" if known else None


def scopes(call: Call, route: Route, path: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """Scopes that a call needs: one of each alternative list.

    Raises:
        ApiError: 400, an object type that doesn't exist.
    """
    if route.needs == NONE:
        return []
    if route.needs == FLOWS:
        return [["automation"]]
    if route.needs == IMPORTS:
        return [["crm.import"]]
    if route.needs in FILE_SCOPES:
        return [FILE_SCOPES[route.needs]]
    if route.needs in CONSENT_SCOPES:
        return [CONSENT_SCOPES[route.needs]]
    if route.needs == OWNERS:
        return [["crm.objects.owners.read"]]
    if route.pattern.pattern.startswith("/schemas"):
        return [["crm.schemas.custom.read" if route.needs == SCHEMA_READ else "crm.schemas.custom.write"]]
    kinds = [call.catalog.kind(path["type"])]
    if route.needs in (BOTH_READ, BOTH_WRITE):
        kinds.append(call.catalog.kind(path["to_type"]))
    if route.needs in (READ, BOTH_READ):
        return [[kind.read] for kind in kinds]
    if route.needs in (WRITE, BOTH_WRITE):
        return [[kind.write] for kind in kinds]
    name = "custom" if kinds[0].name in call.catalog.schemas else kinds[0].name
    verb = "read" if route.needs == SCHEMA_READ else "write"
    own = f"crm.schemas.{name}.{verb}"
    if own not in standards.SCOPES:
        return [[kinds[0].read if verb == "read" else kinds[0].write]]
    return [[own, kinds[0].read]] if verb == "read" else [[own]]
