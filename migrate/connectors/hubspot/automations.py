"""What stirs in a portal when a record is written, and how is it switched off meanwhile?

Workflows are listed and switched by the workflows API, which needs the scope `automation` (HubSpot, workflows
v4, read 2026-11-26: `isEnabled`, `revisionId`; an update sends the whole flow back). Two account settings
that write by themselves (companies by e-mail domain, enrichment) stand in no API, nor do notifications.
HubSpot has no header that leaves automations out.

New records are found by id: search gives the highest id that its index knows (the index lags, so the true one
may be higher), and the list, which doesn't lag, goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from migrate.connector import Automation, Held, Told
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.paths import STANDARD
from migrate.connectors.hubspot.portal import Portal, next_after
from migrate.connectors.hubspot.reading import Reading
from migrate.connectors.hubspot.values import instant
from migrate.errors import SystemRefused

FLOWS: Final = "/automation/v4/flows"
SCOPE: Final = "automation"
ON: Final = "on"
MAIL_SIGNS: Final = {  # marketing mail leaves its marks on the contact
    "contacts": ("hs_email_last_send_date", "hs_email_last_email_name", "hs_email_delivered")
}
UNTOLD: Final = (
    "HubSpot doesn't tell two account settings that write by themselves: *create and associate companies "
    "with contacts* (a contact's e-mail domain makes a company) and *data enrichment* (fills empty company "
    "fields). Look at them under Settings; the canary finds them.",
    "HubSpot doesn't tell which users are notified of new or assigned records; a notification leaves no "
    "trace in the API, so the canary can't find it.",
)
_CLOCKS = timedelta(seconds=1)  # records are stamped by other machines than the one that told the time
_NOT_SENT = ("createdAt", "updatedAt", "id", "crmObjectCreationStatus", "dataSources")


class Automations:
    """Listing and switching workflows, and finding records that nobody sent."""

    def __init__(self, portal: Portal, metadata: Metadata, reading: Reading) -> None:
        self._portal, self._metadata, self._reading = portal, metadata, reading

    # -- new records --------------------------------------------------------------------------

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        body = {
            "limit": 1,
            "properties": ["hs_object_id"],
            "sorts": [{"propertyName": "hs_object_id", "direction": "DESCENDING"}],
        }

        def highest(object: str) -> str | None:
            path = self._portal.paths.objects(object, "/search")
            reply = self._portal.ask(path, body, ok=(400, 403, 404))
            if reply.status >= 300:
                return None  # not searchable, or not for this token
            return next((str(each["id"]) for each in reply.json()["results"]), "0")

        found = zip(objects, self._portal.each(highest, objects), strict=True)
        return {object: mark for object, mark in found if mark is not None}

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        found = self._reading.after(object, mark, fields)
        return [held for held, created in found if _at(created) >= since - _CLOCKS]

    # -- workflows ----------------------------------------------------------------------------

    def listed(self, objects: Sequence[str]) -> Told:
        names = {self._type(object): object for object in objects}
        flows: list[Mapping[str, Any]] = []
        after: str | None = None
        while True:
            params = {"limit": 100, **({"after": after} if after else {})}
            page = self._portal.get_or_none(FLOWS, 403, 404, **params)
            if page is None:
                what = (
                    f"HubSpot lists workflows only to a token with the scope `{SCOPE}`; this one hasn't it."
                )
                return Told((), (what, *UNTOLD))
            flows += page.get("results") or ()
            after = next_after(page)
            if after is None:
                break
        found = [
            Automation(
                object=names[type],
                kind="workflow" if flow.get("flowType") == "WORKFLOW" else str(flow.get("flowType")),
                name=str(flow.get("name") or flow["id"]),
                id=str(flow["id"]),
                active=bool(flow.get("isEnabled")),
                switchable=True,
            )
            for flow in flows
            if (type := str(flow.get("objectTypeId") or "")) in names
        ]
        return Told(tuple(sorted(found, key=lambda each: (each.object, each.name, each.id))), UNTOLD)

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        flows = {id: self._flow(id) for id in dict.fromkeys(ids)}
        return {id: ON if flow.get("isEnabled") else "" for id, flow in flows.items() if flow is not None}

    def set_state(self, id: str, state: str) -> None:
        flow = self._flow(id)
        if flow is None:
            raise SystemRefused(
                self._portal.system, f"workflow {id} isn't there, or not for this token.", _needs()
            )
        if bool(flow.get("isEnabled")) == bool(state):
            return
        body = {name: value for name, value in flow.items() if name not in _NOT_SENT}
        self._portal.http.call("PUT", f"{FLOWS}/{id}", json={**body, "isEnabled": bool(state)}, write=True)

    def _flow(self, id: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._portal.get_or_none(f"{FLOWS}/{id}", 403, 404)
        return found

    def _type(self, object: str) -> str:
        if object in STANDARD:
            return STANDARD[object]
        custom = next((each for each in self._metadata.custom() if each["fullyQualifiedName"] == object), {})
        return str(custom.get("objectTypeId") or object)


def _needs() -> str:
    return f"Give the token the scope `{SCOPE}`, or take the workflow out of `automations: switch_off`."


def _at(text: str) -> datetime:
    at = instant(text)
    if at is None:
        raise ValueError(f"a record without a creation time: {text!r}")
    return at
