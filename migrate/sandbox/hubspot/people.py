"""What do people do in HubSpot's own pages while a migration runs?

Edits, merges, deletions, restores from the bin, notes, links: the same checks as over the API, but under
a user's name in the history, and with what only a person can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.hubspot import consent, file_people, imports, links, merging, objects, records, writes
from migrate.sandbox.hubspot.call import Actor, Call, user
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.seeding import chosen_types


def actor(call: Call, name: str) -> Actor:
    """The user of an owner's e-mail or user id; anybody else acts as the portal's administrator."""
    for owner in call.catalog.owners.values():
        if name and name in (owner["email"], str(owner["userId"]), owner["id"]):
            return user(int(owner["userId"]), str(owner["email"]))
    return user(int(name) if name.isdigit() else int(call.catalog.portal["userId"]), name)


def act(call: Call, action: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a user does: create, update, delete, undelete, merge, link, unlink, import, or touch (`do`).

    `fields` holds values; a create may name `on: {"object", "id"}` (or a list) to stand on; merge names the
    loser as `other`, or several as `losers`; link and unlink name `to_object`, `to` and perhaps `label` or
    `types`; touch gives all records of the object, or those of `ids`, one and the same modified date. For
    files and folders see `file_people.act`. On `consent`, whose `id` is an address, a user can subscribe and
    unsubscribe (from `subscription`, by default everything), and a mail can bounce, with a `reason`.
    An import has `rows`, and takes `seconds`.

    Raises:
        ValueError: it can't be done.
    """
    try:
        return _act(call, action)
    except ApiError as refusal:
        raise ValueError(refusal.message) from refusal


def _act(call: Call, action: Mapping[str, Any]) -> dict[str, Any]:
    if action["object"] in file_people.OBJECTS:
        return file_people.act(call, action)
    if action["object"] == consent.OBJECT:
        return _consent(call, action)
    kind = call.catalog.kind(str(action["object"])).name
    do, id = action["do"], int(action.get("id") or 0)
    fields = dict(action.get("fields") or {})
    if do == "create":
        if kind in ("notes", "tasks", "calls", "emails", "meetings"):
            fields.setdefault("hs_timestamp", call.stamp)
        record = writes.create(call, kind, [{"properties": fields}]).stored[0]
        on = action.get("on") or []
        for place in [on] if isinstance(on, Mapping) else on:
            target = call.catalog.kind(str(place["object"])).name
            links.add(
                call, kind, target, [(record.id, int(place["id"]), chosen_types(call, kind, target, place))]
            )
        return objects.render(call, record, None, whole=True)
    if do == "update":
        record = writes.update(call, kind, [{"id": str(id), "properties": fields}]).stored[0]
        return objects.render(call, record, None, whole=True)
    if do == "delete":
        ids = [int(each) for each in action.get("ids") or [id]]
        return {"deleted": records.archive(call, kind, ids)}
    if do == "undelete":
        return objects.render(call, records.restore(call, kind, id), None, whole=True)
    if do == "merge":
        survivor = int(action.get("master") or id)
        losers = action.get("losers") or [action.get("loser") or action["other"]]
        for loser in losers:
            record = merging.merge(call, kind, survivor, int(loser))
        return objects.render(call, record, None, whole=True)
    if do in ("link", "unlink"):
        target, to_id = call.catalog.kind(str(action["to_object"])).name, int(action["to"])
        chosen = chosen_types(call, kind, target, action)
        if do == "unlink":
            return {"unlinked": links.remove(call, kind, target, [(id, to_id, chosen)])}
        for one, each in ((kind, id), (target, to_id)):
            if not links.live(call, one, [each]):
                raise ValueError(f"There is no live record {each} of {one}.")
        links.add(call, kind, target, [(id, to_id, chosen)])
        return {"linked": 1}
    if do == "import":
        return imports.begin(call, kind, action)
    if do == "touch":
        return {"touched": _touch(call, kind, [int(each) for each in action.get("ids") or []])}
    raise ValueError(f"`{do}` is nothing that a user does here.")


def _consent(call: Call, action: Mapping[str, Any]) -> dict[str, Any]:
    address, do = consent.address_of(action["id"]), action["do"]
    subscription = str(action.get("subscription") or consent.ALL)
    if do == "bounce":
        return {"bounced": consent.bounce(call, address, str(action.get("reason") or "UNKNOWN_USER"))}
    if do not in ("subscribe", "unsubscribe"):
        raise ValueError(f"`{do}` is nothing that a user does with consent.")
    status = consent.OUT if do == "unsubscribe" else consent.IN
    changed = consent.put(call, [consent.Status(address, consent.EMAIL, subscription, status)])
    return {"changed": sum(changed)}


def _touch(call: Call, kind: str, ids: list[int]) -> int:
    """What a portal-wide job does: many records get one and the same modified date, no value changes."""
    chosen = list(records.rows(call.sql, "kind = ? AND archived = 0", (kind,)))
    if ids:
        chosen = [record for record in chosen if record.id in set(ids)]
    name = call.catalog.kinds[kind].modified
    call.sql.executemany(
        "UPDATE hs_record SET properties = json_set(properties, ?, ?), updated = ? WHERE id = ?",
        [(f"$.{name}", call.stamp, call.stamp, record.id) for record in chosen],
    )
    records.soon(call, [record.id for record in chosen])
    return len(chosen)
