"""What does a portal hold before the first request?

Loads a seed document: portal, tokens, owners, properties, pipelines, labels, custom types, records and
links. Records come from people (`CRM_UI`), are in the search index at once, wake no automation and leave
no line in the log of accepted writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from migrate.sandbox.hubspot import (
    auth,
    checks,
    consent,
    file_people,
    labels,
    links,
    mirroring,
    pipelines,
    properties,
    records,
    schemas,
    shapes,
    standards,
    stock,
    tables,
    writes,
)
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import HUBSPOT, Spec
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.values import instant, iso

PORTAL: Mapping[str, Any] = {
    "portalId": 4471203,
    "accountType": "DEVELOPER_TEST",  # nobody's customers are in it; STANDARD is a firm's own portal
    "timeZone": "America/New_York",
    "companyCurrency": "USD",
    "additionalCurrencies": [],
    "uiDomain": "app.hubspot.com",
    "dataHostingLocation": "na1",
    "domain": "sandbox.example.com",
    "user": "admin@sandbox.example.com",
    "userId": 501,
}
TOKEN = "pat-na1-sandbox"  # noqa: S105 - opens a simulator on loopback
APP_ID = 7001
REFRESH = {
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
    "refresh_token": "sandbox-refresh",
}


def fresh(call_sql: Any, first_id: int) -> None:
    """Fill an empty store with what a new portal has."""
    tables.put(call_sql, "portal", "", "portal", dict(PORTAL))
    tables.set_meta(call_sql, "last_id", str(first_id))
    for kind in standards.KINDS:
        group = stock.GROUPS[kind]
        label = group.replace("information", " information").capitalize()
        row = {"name": group, "label": label, "displayOrder": 0, "archived": False}
        tables.put(call_sql, "group", kind, group, row)
        for definition in stock.properties(kind):
            tables.put(call_sql, "property", kind, definition["name"], definition)
        for pipeline in standards.pipelines(kind):
            tables.put(call_sql, "pipeline", kind, pipeline["id"], pipeline)
    consent.fresh(call_sql)
    auth.keep(call_sql, TOKEN, "private", APP_ID, standards.SCOPES)
    client = f"{REFRESH['client_id']}:{REFRESH['client_secret']}"
    auth.keep(call_sql, REFRESH["refresh_token"], "refresh", APP_ID + 1, standards.SCOPES, client_id=client)


_LINK = shapes.members(object=shapes.text, id=shapes.text, ref=shapes.text, label=shapes.text)
_RECORDS = shapes.many(
    shapes.members(
        id=shapes.whole,
        ref=shapes.text,
        createdAt=shapes.text,
        archived=shapes.flag,
        properties=shapes.table(shapes.anything),
        associations=shapes.many(_LINK),
    )
)
PARTS: Mapping[str, shapes.Shape] = {
    "portal": shapes.table(shapes.anything),
    "by": shapes.whole,
    "tokens": shapes.many(
        shapes.members(token=shapes.text, app_id=shapes.whole, scopes=shapes.many(shapes.text))
    ),
    "apps": shapes.many(
        shapes.members(
            client_id=shapes.text,
            client_secret=shapes.text,
            refresh_token=shapes.text,
            code=shapes.text,
            redirect_uri=shapes.text,
            app_id=shapes.whole,
            scopes=shapes.many(shapes.text),
        )
    ),
    "owners": shapes.many(
        shapes.members(
            id=shapes.whole,
            userId=shapes.whole,
            email=shapes.text,
            type=shapes.text,
            firstName=shapes.text,
            lastName=shapes.text,
            archived=shapes.flag,
        )
    ),
    "schemas": shapes.many(shapes.SCHEMA),
    "properties": shapes.table(shapes.many(shapes.PROPERTY)),
    "pipelines": shapes.table(shapes.many(shapes.PIPELINE)),
    "mirror": shapes.table(shapes.anything),
    "labels": shapes.many(
        shapes.members(
            from_=shapes.text, to=shapes.text, name=shapes.text, label=shapes.text, inverseLabel=shapes.text
        )
    ),
    "files": file_people.SEED,
    "subscriptions": shapes.many(
        shapes.members(
            id=shapes.text,
            name=shapes.text,
            purpose=shapes.text,
            isActive=shapes.flag,
            isInternal=shapes.flag,
        )
    ),
    "consent": shapes.many(
        shapes.members(
            address=shapes.text,
            subscription=shapes.text,
            status=shapes.text,
            legalBasis=shapes.text,
            legalBasisExplanation=shapes.text,
        )
    ),
    "records": shapes.table(_RECORDS),
    "links": shapes.many(
        shapes.members(
            from_object=shapes.text,
            to_object=shapes.text,
            from_=shapes.whole,
            to=shapes.whole,
            label=shapes.text,
            typeId=shapes.whole,
            category=shapes.text,
        )
    ),
    "settings": shapes.table(shapes.anything),
    "automations": shapes.table(shapes.flag),
}


def shaped(
    document: Mapping[str, Any], settings: Mapping[str, Any], automations: Mapping[str, bool]
) -> dict[str, Any]:
    """The seed document, each part in its shape. Nothing has been loaded yet.

    Raises:
        ValueError: a part that seeds don't have or that has another shape, or an unknown setting.
    """
    found: dict[str, Any] = {}
    for part, given in document.items():
        if part not in PARTS:
            raise ValueError(f"A seed has no `{part}`; there are {', '.join(sorted(PARTS))}.")
        if given is None:
            continue
        try:
            found[part] = PARTS[part](given)
        except ApiError as refusal:
            raise ValueError(f"`{part}`: {refusal.message}") from refusal
    for part, known in (("settings", settings), ("automations", automations)):
        unknown = found.get(part, {}).keys() - known.keys()
        if unknown:
            raise ValueError(f"`{part}` has no `{min(unknown)}`; there are {', '.join(sorted(known))}.")
    return found


def load(document: Mapping[str, Any], opened: Callable[[], Call]) -> dict[str, int]:
    """Load a seed document.

    Args:
        opened: a new `Call` that sees the metadata stored so far.

    Returns:
        Counts by what was loaded; records by object type, links as `links`.

    Raises:
        ValueError: the document can't be loaded; the text says which part.
    """
    try:
        return _load(document, opened)
    except ApiError as refusal:
        raise ValueError(refusal.message) from refusal


def _load(document: Mapping[str, Any], opened: Callable[[], Call]) -> dict[str, int]:
    counts: dict[str, int] = {}
    call = opened()
    if document.get("portal"):
        tables.put(call.sql, "portal", "", "portal", {**call.catalog.portal, **document["portal"]})
    _tokens(call, document)
    for number, owner in enumerate(document.get("owners") or []):
        _owner(call, owner, number)
    counts["owners"] = len(document.get("owners") or [])
    for body in document.get("schemas") or []:
        schemas.define(opened(), body)
    if document.get("mirror"):
        counts |= mirroring.load(opened(), document["mirror"])
    for name, rows in (document.get("properties") or {}).items():
        call = opened()
        kind = call.catalog.kind(name).name
        group = next(iter(call.catalog.groups[kind]))
        for row in rows:
            properties.define(call, kind, {"groupName": group, "label": row["name"], **row})
        counts["properties"] = counts.get("properties", 0) + len(rows)
    for name, rows in (document.get("pipelines") or {}).items():
        for row in rows:
            call = opened()
            kind = call.catalog.kind(name).name
            call.catalog.pipelines.setdefault(kind, {}).pop(str(row.get("id")), None)
            pipelines.make(call, kind, {**row, "stages": [_stage(kind, stage) for stage in row["stages"]]})
    for row in document.get("labels") or []:
        call = opened()
        source, target = call.catalog.kind(row["from"]).name, call.catalog.kind(row["to"]).name
        labels.define(call, source, target, row["name"], row["label"], row.get("inverseLabel"))
    if document.get("files"):
        counts["files"] = file_people.load(opened(), document["files"])
    for row in document.get("subscriptions") or []:
        consent.define(call.sql, row)
    counts |= _records(opened(), document)
    if document.get("consent"):
        counts["consent"] = _consent(opened(), document["consent"])
    return counts


def _consent(call: Call, rows: Sequence[Mapping[str, Any]]) -> int:
    """Statuses that people set themselves; `subscription` `*` is everything."""
    consent.put(
        call,
        [
            consent.Status(
                consent.address_of(row["address"]),
                consent.EMAIL,
                row.get("subscription") or consent.ALL,
                row.get("status") or consent.OUT,
                row.get("legalBasis"),
                row.get("legalBasisExplanation"),
            )
            for row in rows
        ],
    )
    return len(rows)


def _tokens(call: Call, document: Mapping[str, Any]) -> None:
    if document.get("tokens"):
        call.sql.execute("DELETE FROM hs_token WHERE token = ?", (TOKEN,))
    for row in document.get("tokens") or []:
        scopes = row.get("scopes", standards.SCOPES)
        auth.keep(call.sql, row["token"], "private", int(row.get("app_id", APP_ID)), scopes)
    for row in document.get("apps") or []:
        client = f"{row['client_id']}:{row['client_secret']}"
        scopes = row.get("scopes", standards.SCOPES)
        auth.keep(call.sql, row["refresh_token"], "refresh", int(row["app_id"]), scopes, client_id=client)
        if row.get("code"):
            auth.keep_code(call.sql, row["code"], row.get("redirect_uri", ""), row["refresh_token"])


def _owner(call: Call, row: Mapping[str, Any], number: int) -> None:
    id = str(row.get("id") or 50_017 + 13 * number)  # a number, as text
    owner = {
        "id": id,
        "email": row.get("email"),
        "type": row.get("type", "PERSON"),
        "firstName": row.get("firstName", ""),
        "lastName": row.get("lastName", ""),
        "userId": int(row.get("userId") or 801 + 7 * number),
        "createdAt": row.get("createdAt", stock.BORN),
        "updatedAt": row.get("updatedAt", stock.BORN),
        "archived": bool(row.get("archived", False)),
    }
    if row.get("teams"):
        owner["teams"] = row["teams"]
    tables.put(call.sql, "owner", "", id, owner)


def _stage(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    metadata = dict(row.get("metadata") or {})
    if kind == "deals":
        metadata.setdefault("probability", str(row.get("probability", "0.5")))
    return {**row, "metadata": metadata}


def _records(call: Call, document: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    by_ref: dict[str, tuple[str, int]] = {}
    wanted: list[tuple[str, int, Mapping[str, Any]]] = []
    highest = int(tables.get_meta(call.sql, "last_id", "0") or 0)
    for name, rows in (document.get("records") or {}).items():
        kind = call.catalog.kind(name).name
        drafts = []
        for number, row in enumerate(rows):
            try:
                draft = checks.draft(call, kind, row.get("properties") or {})
            except ApiError as refusal:
                raise ValueError(f"{name}[{number}]: {refusal.message}") from refusal
            if row.get("id"):
                draft.id = int(row["id"])
                highest = max(highest, draft.id)
            if row.get("createdAt"):
                draft.created = iso(instant(str(row["createdAt"])).astimezone(UTC))
            drafts.append(draft)
        tables.set_meta(call.sql, "last_id", str(highest))
        keys = [key for draft in drafts for key in draft.keys]
        held = records.holders(call, kind, keys)
        if held or len(set(keys)) < len(keys):
            twice = sorted(held) or sorted(key for key in set(keys) if keys.count(key) > 1)
            raise ValueError(f"{name}: unique values that two records would hold: {twice[:5]}")
        made = records.insert(call, kind, drafts)
        highest = max(highest, int(tables.get_meta(call.sql, "last_id", "0") or 0))
        counts[name] = len(made)
        for row, record in zip(rows, made, strict=True):
            if row.get("ref"):
                by_ref[str(row["ref"])] = (kind, record.id)
            wanted += [(kind, record.id, link) for link in row.get("associations") or []]
            if row.get("archived"):
                records.archive(call, kind, [record.id])
    for link in document.get("links") or []:
        kind = call.catalog.kind(link["from_object"]).name
        wanted.append((kind, int(link["from"]), {"object": link["to_object"], "id": link["to"], **link}))
    pairs: dict[tuple[str, str], list[links.Pair]] = {}
    for kind, id, link in wanted:
        for target, to_id, chosen in _targets(call, kind, link, by_ref):
            pairs.setdefault((kind, target), []).append((id, to_id, chosen))
    for (kind, target), listed in pairs.items():
        links.add(call, kind, target, listed)
    counts["links"] = len(wanted)
    return counts


def _targets(
    call: Call, kind: str, link: Mapping[str, Any], by_ref: Mapping[str, tuple[str, int]]
) -> list[tuple[str, int, list[Spec]]]:
    if isinstance(link.get("to"), Mapping) and link.get("types") and "object" not in link:
        return writes.associations(call, kind, [link])
    if link.get("ref"):
        target, to_id = by_ref[str(link["ref"])]
    else:
        target, to_id = call.catalog.kind(link["object"]).name, int(link["id"])
    return [(target, to_id, chosen_types(call, kind, target, link))]


def chosen_types(call: Call, source: str, target: str, told: Mapping[str, Any]) -> list[Spec]:
    """Types named by `types`, `typeId` or `label`; none means unlabelled.

    Raises:
        ValueError: no type of the pair has that label.
    """
    known = call.catalog.between(source, target)
    if told.get("types"):
        return links.specs(call, source, target, told["types"])
    if told.get("typeId"):
        return [
            spec
            for spec in known
            if spec[1] == int(told["typeId"]) and spec[0] == told.get("category", HUBSPOT)
        ]
    if told.get("label"):
        found = [spec for spec, type in known.items() if type.label == told["label"]]
        if not found:
            raise ValueError(f"No association type from {source} to {target} is labelled `{told['label']}`.")
        return found[:1]
    return []
