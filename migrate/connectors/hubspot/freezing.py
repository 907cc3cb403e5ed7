"""Is the portal still? Who wrote which record since, which imports run, and what a super admin does.

Search tells which records changed, a little late; each is then read from the row store with its properties'
history, which names source and user. Deleted records stand in the list of archived ones, without who did it.
A link moves no stamp and has no author: links are swept. HubSpot has no way to close a portal, and the API
none to take a user's rights, so people do what there is to do.
HubSpot, "Imports" (2026-03, states), "Property history", knowledge base "Manage connected apps", read
2026-11-27. Menu words without a page are from practice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from migrate.connector import Query, Who
from migrate.connector.freezing import LEVELS, Deed, Instruction, Job, Level, Touch
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.paths import STANDARD
from migrate.connectors.hubspot.portal import Portal, chunks, next_after
from migrate.connectors.hubspot.properties import stamp_of
from migrate.connectors.hubspot.reading import WITH_HISTORY, Reading
from migrate.connectors.hubspot.values import instant
from migrate.connectors.hubspot.who import who
from migrate.errors import SystemRefused

LAG: Final = 60.0  # seconds; the index of search lags, by half a minute as seen, and HubSpot names no bound
SCOPE: Final = "crm.import"
ENDED: Final = frozenset({"DONE", "FAILED", "CANCELED", "REVERTED"})
_SECOND: Final = timedelta(seconds=1)
_NAMES: Final = {
    "companies": ("name", "domain"),
    "contacts": ("email", "lastname"),
    "deals": ("dealname",),
    "tickets": ("subject",),
    "products": ("name",),
    "line_items": ("name",),
}
_RANK: Final = {Who.PERSON: 0, Who.INTEGRATION: 1, Who.OURS: 2, Who.AUTOMATION: 3}

_ALL: Final[dict[Level, tuple[Instruction, ...]]] = {
    "configuration": (
        Instruction(
            "configuration",
            "Tell super admins to change nothing under Settings > Properties, Objects and Automation > "
            "Workflows. Settings > Account Management > Audit Logs shows who does (Enterprise).",
            "Tell them that the settings are theirs again.",
        ),
    ),
    "bulk": (
        Instruction(
            "bulk",
            "Settings > Users & Teams > (user): take the permissions to import, to delete in bulk and to "
            "edit property settings. Begin no import; wait for those in progress.",
            "Switch the permissions on again.",
        ),
        Instruction(
            "bulk",
            "Settings > Integrations > Connected Apps: turn off the sync of each app that writes, or have "
            "its owner stop it.",
            "Turn each sync on again.",
            source="HubSpot knowledge base, Manage connected apps, read 2026-11-27",
        ),
    ),
    "data": (
        Instruction(
            "data",
            "Settings > Users & Teams: set Edit to None for each object of the users who write (they may "
            "still add notes and tasks), or Actions > Deactivate user. HubSpot has no switch that closes a "
            "portal to writers.",
            "Give the former permissions back, or Actions > Reactivate user.",
        ),
        Instruction(
            "data",
            "Automation > Workflows: turn off the workflows that write to these objects. Settings > Data "
            "Management > Objects: switch off Create and associate companies with contacts; Settings > AI > "
            "Data enrichment: switch off automatic enrichment.",
            "Turn them on again.",
        ),
    ),
}  # fmt: skip


class Freezing:
    """What one portal tells of its stillness."""

    def __init__(self, portal: Portal, metadata: Metadata, reading: Reading) -> None:
        self._portal, self._metadata, self._reading = portal, metadata, reading

    def touches(self, object: str, since: datetime) -> Iterator[Sequence[Touch]]:
        query = Query(object, (), since=since)
        pages = self._reading.changed(query)
        if pages is None:  # search doesn't know the object, or not for this token
            pages = self._reading.read(query, None)
        for page in pages:
            for piece in chunks(page.batch.column(0).to_pylist(), WITH_HISTORY):
                yield self._told(object, piece, since)
        gone = Query(object, ("_at",), since=since, deleted=True)
        for page in self._reading.read(gone, None):
            rows = page.batch.to_pylist()
            if rows:
                yield [
                    Touch(object, row["_id"], "", row["_at"], Who.PERSON, "", "", "deleted") for row in rows
                ]

    def _told(self, object: str, ids: Sequence[str], since: datetime) -> list[Touch]:
        app, people = self._portal.identity().app, self._metadata.people()
        fields = [name for name in self._metadata.fields(object) if name != stamp_of(object)]
        names = [name for name in _NAMES.get(object, ()) if name in fields]
        found = []
        wanted = [*names, stamp_of(object)]
        for record in self._reading.with_history(object, wanted, list(ids), fields):
            properties, told = record.get("properties") or {}, record.get("propertiesWithHistory") or {}
            versions = sorted(
                (
                    (who(each.get("sourceType"), each.get("sourceId"), app) or Who.INTEGRATION, name, each)
                    for name, entries in told.items()
                    for each in entries
                    if _at(each.get("timestamp")) >= since - _SECOND
                ),
                key=lambda each: _RANK[each[0]],
            )
            # A number that HubSpot works out by itself is nobody's work.
            worked = [each for each in versions if str(each[2].get("sourceType")).upper() != "CALCULATED"]
            by, author = Who.AUTOMATION, ("", "")
            if worked:
                by, author = worked[0][0], _author(worked[0][2], people)
            fresh = _at(record.get("createdAt")) >= since - _SECOND
            deed: Deed = "created" if fresh else "changed"
            name = next((str(properties[each]) for each in names if properties.get(each)), "")
            found.append(
                Touch(
                    object, str(record["id"]), name,
                    _at(properties.get(stamp_of(object)) or record.get("updatedAt")), by, *author, deed,
                    tuple(dict.fromkeys(name for _, name, _ in worked)), stirred=not worked and not fresh,
                )
            )  # fmt: skip
        return found

    def jobs(self, since: datetime) -> list[Job]:
        """Imports. HubSpot doesn't tell who began one."""
        found: list[Job] = []
        objects = {id: name for name, id in STANDARD.items()}
        after: str | None = None
        while True:
            params = {"limit": 100, **({"after": after} if after else {})}
            page = self._portal.get_or_none(self._portal.paths.imports(), 403, 404, **params)
            if page is None:
                raise SystemRefused(
                    self._portal.system,
                    f"it shows its imports only to a token with the scope `{SCOPE}`",
                    "Give the token that scope, then freeze again.",
                )
            for row in page["results"]:
                begun, state = _at(row.get("createdAt")), str(row.get("state"))
                if state in ENDED and begun < since:
                    continue
                kinds = [objects.get(str(each), str(each)) for each in row.get("mappedObjectTypeIds") or ()]
                name = str(row.get("importName") or "")
                found.append(
                    Job(str(row["id"]), f"import {name}".strip(), ", ".join(kinds), state, "", "", begun,
                        state in ENDED)
                )  # fmt: skip
            after = next_after(page)
            if after is None:
                return found


def _author(entry: Mapping[str, Any], people: Mapping[str, str]) -> tuple[str, str]:
    """Name and id of whoever wrote a version: a user, or an app, or what HubSpot calls the source."""
    source = str(entry.get("sourceId") or "")
    user = str(entry.get("updatedByUserId") or (source[7:] if source.startswith("userId:") else ""))
    if user:
        return people.get(user) or f"user {user}", user
    return str(entry.get("sourceLabel") or source or entry.get("sourceType") or ""), source


def _at(text: Any) -> datetime:
    at = instant(str(text or ""))
    if at is None:
        raise ValueError(f"no time: {text!r}")
    return at


def instructions(levels: Mapping[str, Level]) -> list[Instruction]:
    """Of the highest level that is asked, and of those that it holds."""
    highest = max((LEVELS.index(level) for level in levels.values()), default=-1)
    return [each for level in LEVELS[: highest + 1] for each in _ALL[level]]
