"""What do an org's triggers and flows do when a record is saved, and how does the Tooling API list them?

A handful of them, one for each kind of harm to a migration; all are off until the control endpoint switches
them on. Triggers act within the save and as whoever saves; a flow on a scheduled path acts some seconds
later, as the platform's own user. A mail that is logged on its record leaves a completed task there; what was
sent is in a log that only the control endpoint shows.

Facts: Salesforce, Apex Developer Guide "Triggers and Order of Execution", Tooling API "ApexTrigger",
"ValidationRule", Object Reference "FlowDefinitionView", "DuplicateRule", read 2026-11-26. Salesforce has no
header that leaves triggers or flows out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import long_id
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply

LATER: Final = "flow-later"  # of work that was put off
PLATFORM: Final = long_id("0055g000000Auto")  # the user as whom the platform itself saves
CREATE, UPDATE = "create", "update"
MAILS: Final = """CREATE TABLE IF NOT EXISTS sf_mail (id INTEGER PRIMARY KEY, at TEXT NOT NULL,
    recipient TEXT NOT NULL, subject TEXT NOT NULL, record TEXT NOT NULL)"""
Create = Callable[[Call, SObject, Mapping[str, Any]], str]


@dataclass(frozen=True)
class Automatic:
    """One trigger or flow: its metadata, which save starts it, and what it does."""

    kind: str  # ApexTrigger or FlowDefinitionView
    name: str
    object: str
    on: str
    does: str  # set, owner, task, mail or touch
    values: Mapping[str, str]


AUTOMATIC: Final = {
    "trigger_fills": Automatic(
        "ApexTrigger", "AccountDefaults", "Account", CREATE, "set", {"Description": "To be checked"}
    ),
    "trigger_changes": Automatic(
        "ApexTrigger", "NameCase", "Contact", CREATE, "set", {"LastName": "TO BE CHECKED"}
    ),
    "trigger_owner": Automatic("ApexTrigger", "RoundRobin", "Account", CREATE, "owner", {}),
    "trigger_task": Automatic("ApexTrigger", "WelcomeTask", "Contact", CREATE, "task", {}),
    "flow_mail": Automatic("FlowDefinitionView", "Welcome_Mail", "Contact", CREATE, "mail", {}),
    "flow_touch": Automatic("FlowDefinitionView", "Nightly_Score", "Account", CREATE, "touch", {}),
    "flow_on_update": Automatic(
        "FlowDefinitionView", "Changes_Are_Told", "Account", UPDATE, "set", {"AccountNumber": "Updated"}
    ),
}


def before(call: Call, item: SObject, record: Record, old: Record | None) -> None:
    """Before the save: what sets values of the record itself."""
    for each in _awake(call, item, old):
        if each.does == "set":
            record |= {name: value for name, value in each.values.items() if name in item.fields}
        if each.does == "owner":
            users = [user["Id"] for user in call.records.scan("User", deleted=False) if user.get("IsActive")]
            record["OwnerId"] = next(id for id in sorted(users) if id != record.get("OwnerId"))


def after(call: Call, item: SObject, record: Record, old: Record | None, create: Create) -> None:
    """After the save: what makes other records, sends mail, or comes later."""
    for each in _awake(call, item, old):
        if each.does in ("task", "mail"):
            subject = "Call the new contact" if each.does == "task" else "Email: Welcome"
            status = "Not Started" if each.does == "task" else "Completed"
            values = {"Subject": subject, "Status": status, "WhoId": record["Id"]}
            create(call, call.schema.objects["Task"], values)
        if each.does == "mail":
            call.tx.sql.execute(
                "INSERT INTO sf_mail (at, recipient, subject, record) VALUES (?, ?, ?, ?)",
                (call.stamp(), str(record.get("Email") or ""), "Welcome", record["Id"]),
            )
        if each.does == "touch":
            call.tx.later(2.0, LATER, {"object": item.name, "id": record["Id"]})


def _awake(call: Call, item: SObject, old: Record | None) -> Iterator[Automatic]:
    on = CREATE if old is None else UPDATE
    for key, each in AUTOMATIC.items():
        if call.automations.get(key) and (each.object, each.on) == (item.name, on):
            yield each


def mails(tx: Tx) -> Iterator[dict[str, Any]]:
    """Every mail that was sent."""
    names = ("id", "at", "recipient", "subject", "record")
    for row in tx.sql.execute(f"SELECT {', '.join(names)} FROM sf_mail ORDER BY id"):
        yield dict(zip(names, row, strict=True))


def tooling(call: Call) -> Reply:
    """`GET /tooling/query?q=SELECT ... FROM ...`, of what is listed here, without conditions."""
    text = call.request.arg("q") or ""
    found = re.fullmatch(r"\s*SELECT\s+([\w.,\s]+?)\s+FROM\s+(\w+)\s*", text, re.IGNORECASE)
    rows = _listed(call).get(found[2]) if found else None
    if found is None or rows is None:
        raise Refusal("INVALID_TYPE" if found else "MALFORMED_QUERY", f"{text}: not supported")
    names = [name.strip() for name in found[1].split(",")]
    records = []
    for row in rows:
        if missing := [name for name in names if name not in row]:
            raise Refusal("INVALID_FIELD", f"No such column '{missing[0]}' on entity '{found[2]}'")
        url = f"{call.base}/tooling/sobjects/{found[2]}/{row.get('Id', row.get('DurableId'))}"
        records.append({"attributes": {"type": found[2], "url": url}} | {name: row[name] for name in names})
    return Reply(
        200,
        {
            "size": len(records), "totalSize": len(records), "done": True, "queryLocator": None,
            "entityTypeName": found[2], "records": records,
        },
    )  # fmt: skip


def _listed(call: Call) -> dict[str, list[dict[str, Any]]]:
    triggers, flows = [], []
    for number, (key, each) in enumerate(AUTOMATIC.items()):
        active = bool(call.automations.get(key))
        if each.kind == "ApexTrigger":
            triggers.append(
                {
                    "Id": long_id(f"01q5g00000{number:05d}"), "Name": each.name,
                    "TableEnumOrId": each.object, "Status": "Active" if active else "Inactive",
                }
            )  # fmt: skip
        else:
            kind = {CREATE: "Create", UPDATE: "Update"}[each.on]
            flows.append(
                {
                    "DurableId": long_id(f"3005g00000{number:05d}"), "ApiName": each.name, "IsActive": active,
                    "ProcessType": "AutoLaunchedFlow", "TriggerType": "RecordAfterSave",
                    "TriggerObjectOrEventLabel": each.object, "RecordTriggerType": kind,
                }
            )  # fmt: skip
    checks = [
        {
            "Id": long_id(f"03d5g00000{number:05d}"), "ValidationName": rule.get("name", f"Rule_{number}"),
            "EntityDefinitionId": rule["object"], "Active": bool(call.automations.get("validation_rules")),
        }
        for number, rule in enumerate(call.settings.get("validation_rules", ()))
    ]  # fmt: skip
    duplicates = [
        {
            "Id": long_id(f"0Bm5g00000{number:05d}"),
            "DeveloperName": rule.get("name", f"Duplicates_{number}"),
            "SobjectType": rule["object"], "IsActive": bool(call.automations.get("duplicate_rules")),
        }
        for number, rule in enumerate(call.settings.get("duplicate_rules", ()))
    ]  # fmt: skip
    return {
        "ApexTrigger": triggers,
        "FlowDefinitionView": flows,
        "ValidationRule": checks,
        "DuplicateRule": duplicates,
    }
