"""What does the platform add to tasks and events?

The account behind what they are about, closing and ending, occurrences of a series,
the archive, and, where an org shares activities, relations to up to 50 contacts or one
lead (Salesforce, Object Reference "Task", "Event", "TaskRelation", "EventRelation",
read 2026-11-26; help "Archived Activities", read 2026-11-23).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.sandbox.salesforce import recurrence, saving, standard_privacy
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.derive import account_of
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import instant

MOST_CONTACTS = 50
MOST_MINUTES = 14 * 24 * 60
LISTS = {"Task": "TaskWhoIds", "Event": "EventWhoIds"}
_SHARED_ONLY = ("IsWhat", "IsParent", "AccountId")
_NOTHING = dict.fromkeys(("read", "create", "edit", "delete"), False)


def absent(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Rights that nobody has, because the org lacks the feature: an entry of the map in `rights.py`."""
    objects: dict[str, Any] = {}
    hidden: dict[str, list[str]] = {}
    if not settings["shared_activities"]:
        objects["TaskRelation"] = dict(_NOTHING)
        hidden["EventRelation"] = list(_SHARED_ONLY)
    if not settings["chatter"]:
        objects["ContentNote"] = dict(_NOTHING)
    if not settings["data_privacy"]:
        objects.update({name: dict(_NOTHING) for name in standard_privacy.OBJECTS})
        hidden.update({name: ["IndividualId"] for name in standard_privacy.REFERRING})
    return {"objects": objects, "hidden": hidden}


def shares(call: Call) -> bool:
    return bool(call.settings["shared_activities"])


def before_activity(
    call: Call, item: SObject, record: Record, before: Record | None, lists: dict[str, list[str]]
) -> None:
    """Check and complete an activity that is to be written.

    Raises:
        Refusal: times that don't fit together, or a series that can't be.
    """
    if lists.get(LISTS[item.name]):
        whos = [_person(call, id) for id in lists[LISTS[item.name]]]
        record["WhoId"] = record.get("WhoId") if record.get("WhoId") in whos else whos[0]
    timed = before is None or any(before.get(name) != record.get(name) for name in _TIMES)
    if item.name == "Event" and timed and not record.get("IsRecurrence"):
        _times(record, before)
    if record.get("IsRecurrence") and before is None:
        recurrence.check(item, record)
    if item.name == "Task" and before is None and (record.get("WhoId") or record.get("WhatId")):
        # Given values of LastModified are not kept for a task that is about somebody or something.
        record["LastModifiedDate"], record["LastModifiedById"] = call.stamp(), call.actor


def _person(call: Call, id: str) -> str:
    full = normal_id(id)
    item = call.schema.of_id(full) if full else None
    if full is None or item is None or item.name not in ("Contact", "Lead"):
        raise Refusal("MALFORMED_ID", f"Name ID: id value of incorrect type: {id}", ["WhoId"])
    found = call.records.get(item.name, full)
    if found is None or found.get("IsDeleted"):
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {full}", ["WhoId"])
    return full


_TIMES = (
    "ActivityDate", "ActivityDateTime", "DurationInMinutes", "EndDateTime", "IsAllDayEvent", "StartDateTime",
)  # fmt: skip


def _times(record: Record, before: Record | None) -> None:
    """Start, end and duration of an event: what is given decides, the rest follows."""
    old = before or {}

    def new(name: str) -> bool:
        return record.get(name) is not None and record.get(name) != old.get(name)

    start = record.get("StartDateTime") if new("StartDateTime") else None
    other = record.get("ActivityDateTime") if new("ActivityDateTime") else None
    if start and other and start != other:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "StartDateTime and ActivityDateTime must be the same, or one of them null",
            ["StartDateTime", "ActivityDateTime"],
        )
    day = f"{record['ActivityDate']}T00:00:00.000Z" if record.get("ActivityDate") else None
    if record.get("IsAllDayEvent") and (before is None or new("ActivityDate")) and not (start or other):
        start = day
    start = start or other or record.get("StartDateTime") or record.get("ActivityDateTime") or day
    if start is None:
        raise Refusal(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [ActivityDateTime]",
            ["ActivityDateTime"],
        )
    begin = datetime.fromisoformat(start)
    minutes = record.get("DurationInMinutes")
    end = datetime.fromisoformat(record["EndDateTime"]) if record.get("EndDateTime") else None
    if end is not None and (new("EndDateTime") or minutes is None):
        # An event of whole days ends with its last day, not when that begins.
        length = int((end - begin).total_seconds() // 60) + (24 * 60 if record.get("IsAllDayEvent") else 0)
        if new("DurationInMinutes") and minutes != length:
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION",
                "DurationInMinutes must be the time between StartDateTime and EndDateTime",
                ["DurationInMinutes", "EndDateTime"],
            )
    elif minutes is not None:
        length = int(minutes)
    elif record.get("IsAllDayEvent"):
        length = 24 * 60
    else:
        raise Refusal(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [DurationInMinutes]",
            ["DurationInMinutes"],
        )
    if not 0 <= length <= MOST_MINUTES:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            f"Duration must be between 0 and {MOST_MINUTES} minutes: Duration",
            ["DurationInMinutes"],
        )
    record["DurationInMinutes"] = length
    record["StartDateTime"] = record["ActivityDateTime"] = start
    record["ActivityDate"] = start[:10]
    last = begin + timedelta(minutes=length - 24 * 60 if record.get("IsAllDayEvent") else length)
    record["EndDateTime"] = instant(max(last, begin))
    record["EndDate"] = record["EndDateTime"][:10]


def after_activity(
    call: Call, item: SObject, record: Record, before: Record | None, lists: dict[str, list[str]]
) -> None:
    """Write the relations of an activity, and the occurrences of a new series."""
    if before is None and record.get("IsRecurrence"):
        for given in recurrence.occurrences(item, record):
            given["RecurrenceActivityId"] = record["Id"]
            made = saving.insert(call, item, given, note=f"occurrence of {record['Id']}")
            if shares(call):
                _relations(call, item, made, None, {})
    if shares(call):
        _relations(call, item, record, before, lists)


def _relations(
    call: Call, item: SObject, record: Record, before: Record | None, lists: dict[str, list[str]]
) -> None:
    there = {relation["RelationId"]: relation for relation in related(call, item, record["Id"])}
    old = before or {}
    for field, what in (("WhoId", False), ("WhatId", True)):
        gone, now = old.get(field), record.get(field)
        if gone and gone != now and gone in there:
            _drop(call, item, there.pop(gone))
        if now and now not in there:
            there[now] = _relate(call, item, record, now, what=what)
    whos = lists.get(LISTS[item.name])
    if whos is None:
        return
    wanted = [_person(call, id) for id in whos]
    for id, relation in list(there.items()):
        if not relation.get("IsWhat") and not relation.get("IsInvitee") and id not in wanted:
            _drop(call, item, there.pop(id))
    for id in wanted:
        if id not in there:
            there[id] = _relate(call, item, record, id, what=False)
    _few(there.values())


def related(call: Call, item: SObject, id: str) -> list[Record]:
    """The live relations of an activity."""
    found = [
        call.records.get(object, child)
        for object, field, child in call.records.children(id)
        if object == item.name + "Relation" and field == item.name + "Id"
    ]
    return [relation for relation in found if relation and not relation.get("IsDeleted")]


def _few(relations: Any) -> None:
    whos = [str(r["RelationId"]) for r in relations if not r.get("IsWhat") and r.get("IsParent", True)]
    leads = [id for id in whos if id.startswith("00Q")]
    if len(whos) > MOST_CONTACTS or (leads and len(whos) > 1):
        raise Refusal(
            "LIMIT_EXCEEDED",
            f"An activity can be related to at most {MOST_CONTACTS} contacts or one lead",
            ["RelationId"],
        )


def _relate(call: Call, item: SObject, record: Record, id: str, *, what: bool) -> Record:
    kind = call.schema.objects[item.name + "Relation"]
    target = call.schema.of_id(id)
    if target is None or call.records.get(target.name, id) is None:
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {id}", ["RelationId"])
    given: dict[str, Any] = {item.name + "Id": record["Id"], "RelationId": id, "IsWhat": what}
    if item.name == "Event":
        given["IsParent"] = True
    if account := account_of(call, {"WhatId" if what else "WhoId": id}):
        given["AccountId"] = account
    return saving.insert(call, kind, given, note=f"of {record['Id']}")


def _drop(call: Call, item: SObject, relation: Record) -> None:
    kind = call.schema.objects[item.name + "Relation"]
    call.records.purge(kind, relation)
    call.tx.log(
        actor=call.actor, op="delete", object=kind.name, id=relation["Id"], before=relation, after=None,
        note="hard replaced",
    )  # fmt: skip


def before_relation(call: Call, item: SObject, record: Record, before: Record | None) -> None:
    """Check a relation that a client writes itself."""
    if before is not None:
        return
    activity = call.schema.objects[item.name.removesuffix("Relation")]
    who = str(record["RelationId"])[:3] in ("003", "00Q")
    if item.name == "EventRelation" and not shares(call):
        if not who and not str(record["RelationId"]).startswith("005"):
            wrong = f"Relation ID: id value of incorrect type: {record['RelationId']}"
            raise Refusal("MALFORMED_ID", wrong, ["RelationId"])
        record["IsInvitee"] = True
    elif item.name == "TaskRelation" or record.get("IsParent") or not record.get("IsInvitee"):
        record["IsWhat"] = not who and not str(record["RelationId"]).startswith("005")
        if item.name == "EventRelation":
            record["IsParent"] = True
    there = related(call, activity, record[activity.name + "Id"])
    if any(relation["RelationId"] == record["RelationId"] for relation in there):
        raise Refusal("DUPLICATE_VALUE", "the activity is related to this record already", ["RelationId"])
    if record.get("IsWhat") and any(relation.get("IsWhat") for relation in there):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", "an activity is about one record besides people", ["RelationId"]
        )
    if not record.get("IsInvitee") or record.get("IsParent"):
        _few([*there, record])
    if account := account_of(call, {"WhoId" if who else "WhatId": record["RelationId"]}):
        record["AccountId"] = account


def after_relation(call: Call, item: SObject, record: Record, before: Record | None) -> None:
    """The first person becomes the activity's `WhoId`; an invitee makes the event a group's."""
    activity = call.schema.objects[item.name.removesuffix("Relation")]
    found = call.records.get(activity.name, record[activity.name + "Id"])
    if before is not None or found is None:
        return
    values: dict[str, Any] = {}
    if record.get("IsInvitee"):
        values = {"IsGroupEvent": True, "GroupEventType": "1"}
    if record.get("IsParent", item.name == "TaskRelation"):
        field = "WhatId" if record.get("IsWhat") else "WhoId"
        if not found.get(field):
            values[field] = record["RelationId"]
    if values:
        saving.change(call, activity, found, values, note=f"relation {record['Id']}")


def deleted_relation(call: Call, item: SObject, record: Record) -> None:
    """Another person takes the place of one who was the activity's `WhoId`."""
    activity = call.schema.objects[item.name.removesuffix("Relation")]
    found = call.records.get(activity.name, record[activity.name + "Id"])
    if found is None or found.get("IsDeleted"):
        return
    field = "WhatId" if record.get("IsWhat") else "WhoId"
    if found.get(field) == record["RelationId"]:
        others = [r for r in related(call, activity, found["Id"]) if not r.get("IsWhat")]
        heir = None if record.get("IsWhat") or not others else others[0]["RelationId"]
        saving.change(call, activity, found, {field: heir}, note=f"relation {record['Id']} deleted")


def archive_old(call: Call) -> None:
    """Once a day: closed tasks and past events of more than a year ago go to the archive."""
    today = call.now.astimezone(UTC).strftime("%Y-%m-%d")
    if not call.automations.get("archive_activities") or call.records.state("archived-on") == today:
        return
    call.records.set_state("archived-on", today)
    horizon = (call.now - timedelta(days=int(call.settings["archive_days"]))).strftime("%Y-%m-%d")
    for name in ("Task", "Event"):
        item = call.schema.objects[name]
        for record in list(call.records.scan(name, deleted=False)):
            last = record.get("EndDate") or record.get("ActivityDate") or record["CreatedDate"][:10]
            over = name == "Event" or record.get("IsClosed")
            if over and last < horizon and not record.get("IsArchived"):
                call.records.put(item, {**record, "IsArchived": True}, record)
                call.tx.log(
                    actor="archive", op="update", object=name, id=record["Id"],
                    before=record, after={**record, "IsArchived": True}, note="archived",
                )  # fmt: skip
