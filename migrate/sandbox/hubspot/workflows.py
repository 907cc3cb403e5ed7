"""What do a portal's workflows do when a record is made or changed, and how are they listed and switched?

A handful of them, one for each kind of harm that a workflow does to a migration; all are off until somebody
switches them on, by the control endpoint or by the workflows API. They act some seconds after the write,
under a name of their own in the history. Mails go into a log that only the control endpoint shows; marketing
mail leaves its marks on the contact.

Facts: HubSpot, "Workflows v4" (`/automation/v4/flows`, dated `/automation/2026-09-beta/flows`; scope
`automation`; an update names the revision that it changes), read 2026-11-26. Ids of action types and the
answer to a stale revision are assumptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from migrate.sandbox.hubspot import checks, links, records, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.hubspot.records import Record
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply

KIND: Final = "workflow"  # of a task that was put off
CREATE, UPDATE = "create", "update"
MAIL_DDL: Final = """CREATE TABLE IF NOT EXISTS hs_mail (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL,
    workflow TEXT NOT NULL, record INTEGER NOT NULL)"""


@dataclass(frozen=True)
class Workflow:
    """One workflow: which write of which object starts it, and what it does."""

    id: str
    name: str
    object: str
    on: str
    does: str  # set, task, owner, mail or touch
    action: str  # HubSpot's id of the action type
    values: Mapping[str, str]


_CHECKED: Final = {"jobtitle": "To be checked"}
WORKFLOWS: Final = {
    "workflow_fills": Workflow(
        "585050001", "Contacts are open leads", "contacts", CREATE, "set", "0-5", {"hs_lead_status": "OPEN"}
    ),
    "workflow_changes": Workflow(
        "585050002", "Titles are to be checked", "contacts", CREATE, "set", "0-5", _CHECKED
    ),
    "workflow_owner": Workflow(
        "585050003", "New contacts go round the team", "contacts", CREATE, "owner", "0-11", {}
    ),
    "workflow_mail": Workflow("585050004", "Welcome mail", "contacts", CREATE, "mail", "0-4", {}),
    "workflow_task": Workflow("585050005", "Call about a new deal", "deals", CREATE, "task", "0-3", {}),
    "workflow_touch": Workflow("585050006", "New deals are counted", "deals", CREATE, "touch", "0-5", {}),
    "workflow_on_update": Workflow(
        "585050007", "Changes are told", "companies", UPDATE, "set", "0-5", {"about_us": "Updated"}
    ),
}
_BY_ID: Final = {each.id: key for key, each in WORKFLOWS.items()}


def wake(call: Call, kind: str, on: str, written: Sequence[Record]) -> None:
    """Put off what the switched-on workflows will do about records that were written. Seeds wake nobody."""
    if call.quiet:
        return
    low, high = call.settings["workflow_delay"]
    for key, each in WORKFLOWS.items():
        if call.automations.get(key) and (each.object, each.on) == (kind, on):
            for record in written:
                call.tx.later(call.rng.uniform(low, high), KIND, {"workflow": key, "record": record.id})


def run(call: Call, payload: Mapping[str, Any]) -> None:
    """Do what a workflow put off, if the record is there yet."""
    workflow = WORKFLOWS[str(payload["workflow"])]
    id = int(payload["record"])
    record = records.fetch(call.sql, [id]).get(id)
    if record is None or record.archived:
        return
    match workflow.does:
        case "set":
            values = checks.clean(call, record.kind, dict(workflow.values), held=record.properties)
            records.change(call, [(record, values, {})])
        case "owner":
            _pass_on(call, record)
        case "task":
            _task(call, workflow, record)
        case "mail":
            _mail(call, workflow, record)
        case _:
            _touch(call, record)


def _pass_on(call: Call, record: Record) -> None:
    """The next active owner takes the record."""
    owners = sorted(each["id"] for each in call.catalog.owners.values() if not each.get("archived"))
    others = [id for id in owners if id != record.properties.get("hubspot_owner_id")]
    if others:
        records.change(call, [(record, {"hubspot_owner_id": others[record.id % len(others)]}, {})])


def _task(call: Call, workflow: Workflow, record: Record) -> None:
    values = {"hs_task_subject": workflow.name, "hs_task_status": "NOT_STARTED", "hs_timestamp": call.stamp}
    [made] = records.insert(call, "tasks", [checks.draft(call, "tasks", values)])
    default = call.catalog.default("tasks", record.kind).spec
    links.add(call, "tasks", record.kind, [(made.id, record.id, [default])])


def _mail(call: Call, workflow: Workflow, record: Record) -> None:
    address = record.properties.get("email")
    if not address:
        return
    call.sql.execute(
        "INSERT INTO hs_mail (at, recipient, subject, workflow, record) VALUES (?, ?, ?, ?, ?)",
        (call.stamp, address, workflow.name, workflow.id, record.id),
    )
    sent = int(record.properties.get("hs_email_delivered") or 0) + 1
    marks = {
        "hs_email_last_send_date": call.stamp,
        "hs_email_last_email_name": workflow.name,
        "hs_email_delivered": str(sent),
    }
    records.change(call, [(record, dict(marks), {})])


def _touch(call: Call, record: Record) -> None:
    """Move the modified date and leave every value, as a counter does that no property shows."""
    name = call.catalog.kinds[record.kind].modified
    call.sql.execute(
        "UPDATE hs_record SET properties = json_set(properties, ?, ?), updated = ? WHERE id = ?",
        (f"$.{name}", call.stamp, call.stamp, record.id),
    )
    records.soon(call, [record.id])


def mails(tx: Tx) -> Iterator[dict[str, Any]]:
    """Every mail that a workflow sent."""
    names = ("id", "at", "recipient", "subject", "workflow", "record")
    for row in tx.sql.execute(f"SELECT {', '.join(names)} FROM hs_mail ORDER BY id"):
        yield dict(zip(names, row, strict=True))


# -- the API ------------------------------------------------------------------------------------


def listing(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET /automation/v4/flows`: a page of them, in short."""
    limit, after = call.number("limit", 100, 100), str(_after(call))
    page = [key for key in WORKFLOWS if WORKFLOWS[key].id > after]
    told: dict[str, Any] = {"results": [_short(call, key) for key in page[:limit]]}
    if len(page) > limit:
        told["paging"] = {"next": {"after": WORKFLOWS[page[limit - 1]].id}}
    return Reply(200, told)


def _after(call: Call) -> str:
    return (call.request.arg("after") or "0") if call.request is not None else "0"


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /automation/v4/flows/{id}`."""
    return Reply(200, _whole(call, _key(path)))


def put(call: Call, path: Mapping[str, str]) -> Reply:
    """`PUT /automation/v4/flows/{id}`: the whole flow; here only `isEnabled` changes anything."""
    key, body = _key(path), call.mapping()
    missing = [name for name in ("type", "revisionId", "isEnabled", "actions") if name not in body]
    if missing:
        raise ApiError(400, f"Some required fields were not set: [{', '.join(missing)}]")
    if str(body["revisionId"]) != str(_revision(call, key)):
        raise ApiError(409, f"Flow revision {body['revisionId']} is not the latest one", "CONFLICT")
    before = bool(call.automations.get(key))
    call.automations[key] = bool(body["isEnabled"])
    tables.set_meta(call.sql, f"flow:{key}", str(_revision(call, key) + 1))
    now = call.automations[key]
    call.log("schema", "flows", WORKFLOWS[key].id, {"isEnabled": before}, {"isEnabled": now})
    return Reply(200, _whole(call, key))


def _key(path: Mapping[str, str]) -> str:
    key = _BY_ID.get(path["id"])
    if key is None:
        raise not_found("FLOW", [path["id"]])
    return key


def _revision(call: Call, key: str) -> int:
    return int(tables.get_meta(call.sql, f"flow:{key}", "1") or 1)


def _short(call: Call, key: str) -> dict[str, Any]:
    each = WORKFLOWS[key]
    return {
        "id": each.id,
        "isEnabled": bool(call.automations.get(key)),
        "flowType": "WORKFLOW",
        "objectTypeId": call.catalog.kinds[each.object].id,
        "name": each.name,
        "revisionId": str(_revision(call, key)),
        "createdAt": "2024-01-02T03:04:05.006Z",
        "updatedAt": "2024-01-02T03:04:05.006Z",
    }


def _whole(call: Call, key: str) -> dict[str, Any]:
    each = WORKFLOWS[key]
    return _short(call, key) | {
        "type": "CONTACT_FLOW" if each.object == "contacts" else "PLATFORM_FLOW",
        "startActionId": "1",
        "nextAvailableActionId": "2",
        "actions": [
            {
                "type": "SINGLE_CONNECTION",
                "actionId": "1",
                "actionTypeVersion": 0,
                "actionTypeId": each.action,
                "fields": dict(each.values),
            }
        ],
        "timeWindows": [],
        "blockedDates": [],
        "customProperties": {},
        "suppressionListIds": [],
        "enrollmentCriteria": {"type": "EVENT_BASED", "shouldReEnroll": each.on == UPDATE},
    }
