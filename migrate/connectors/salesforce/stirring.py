"""What stirs in an org when a record is saved, as far as it tells, and which records came since?

Apex triggers and validation rules stand in the Tooling API, flows in FlowDefinitionView, duplicate rules in
DuplicateRule (Salesforce, Tooling API and Object Reference, read 2026-11-26). Assignment rules don't fire on
our writes: a header says so. Nothing switches triggers off but a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from migrate.connector import Automation, Held, Told, Who
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org
from migrate.errors import SystemRefused

RULES: Final = frozenset(
    {
        "DUPLICATES_DETECTED",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "CANNOT_EXECUTE_FLOW_TRIGGER",
    }
)
UNTOLD: Final = (
    "Salesforce doesn't tell what a trigger or flow does, nor whether it sends mail; the canary finds what "
    "it leaves on the record, and an e-mail that isn't logged there leaves nothing.",
)
_CLOCKS = timedelta(seconds=1)
Row = Mapping[str, Any]


class Stirring:
    """Listing automations, and finding records that nobody sent."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def listed(self, objects: Sequence[str]) -> Told:
        found: list[Automation] = []
        untold: list[str] = []
        for kind, text, read in (
            ("trigger", "SELECT Id, Name, TableEnumOrId, Status FROM ApexTrigger", _trigger),
            (
                "flow",
                "SELECT DurableId, ApiName, IsActive, TriggerObjectOrEventLabel, RecordTriggerType "
                "FROM FlowDefinitionView",
                _flow,
            ),
            (
                "validation rule",
                "SELECT Id, ValidationName, EntityDefinitionId, Active FROM ValidationRule",
                _validation,
            ),
            (
                "duplicate rule",
                "SELECT Id, DeveloperName, SobjectType, IsActive FROM DuplicateRule",
                _duplicates,
            ),
        ):
            rows = self._rows(text)
            if rows is None:
                untold.append(f"Salesforce doesn't list its {kind}s to this user.")
            found += [each for row in rows or () if (each := read(row)).object in objects]
        return Told(
            tuple(sorted(found, key=lambda each: (each.object, each.kind, each.name))), (*untold, *UNTOLD)
        )

    def _rows(self, text: str) -> list[Row] | None:
        """None where this user may not ask, or the org has no such thing."""
        path = f"{self._org.base}/tooling/query"
        reply = self._org.http.call("GET", path, params={"q": text}, write=False, ok=(400, 403, 404))
        if reply.status >= 300:
            return None
        answer = json.loads(reply.body)
        rows = list(answer["records"])
        while not answer.get("done", True):
            answer = json.loads(self._org.http.call("GET", str(answer["nextRecordsUrl"]), write=False).body)
            rows += answer["records"]
        return rows

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        """The vendor's time: what comes later is stamped later."""
        return dict.fromkeys(objects, self._org.now().isoformat())

    def made_since(self, object: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        """Whoever of the org's users made them: a trigger acts as the one who saves, which is us."""
        at = (since - _CLOCKS).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            rows = self._org.rest.rows(
                f"SELECT {', '.join(dict.fromkeys(['Id', *fields, 'CreatedById']))} FROM {object} "
                f"WHERE CreatedDate >= {at}"
            )
        except SystemRefused:
            return []  # an object without a creation time, or one that can't be queried so
        return [
            Held(
                long_id(str(row["Id"])),
                long_id(str(row["Id"])),
                {name: None if row.get(name) is None else str(row[name]) for name in fields},
                "",
                self._maker(str(row["CreatedById"])),
            )
            for row in rows
        ]

    def _maker(self, user: str) -> str:
        """A record of our user that we didn't send was made by a trigger within a save of ours."""
        return (Who.AUTOMATION if long_id(user) == self._org.user() else Who.PERSON).value


def _trigger(row: Row) -> Automation:
    active = row["Status"] == "Active"
    return Automation(str(row["TableEnumOrId"]), "trigger", str(row["Name"]), str(row["Id"]), active)


def _flow(row: Row) -> Automation:
    on = str(row.get("RecordTriggerType") or "")
    label = str(row.get("TriggerObjectOrEventLabel") or "")
    return Automation(label, "flow", str(row["ApiName"]), str(row["DurableId"]), bool(row["IsActive"]), on)


def _validation(row: Row) -> Automation:
    return Automation(
        str(row["EntityDefinitionId"]), "validation rule", str(row["ValidationName"]), str(row["Id"]),
        bool(row["Active"]),
    )  # fmt: skip


def _duplicates(row: Row) -> Automation:
    return Automation(
        str(row["SobjectType"]), "duplicate rule", str(row["DeveloperName"]), str(row["Id"]),
        bool(row["IsActive"]),
    )  # fmt: skip
