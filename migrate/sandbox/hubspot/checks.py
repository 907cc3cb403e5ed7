"""May this record be written like that?

Turns what a writer sent into the values that will be held, or refuses with every fault of the record at
once. The only place that knows lifecycle stages, pipelines, engagement dates and values that HubSpot
works out itself.

Facts: HubSpot, CRM object guides, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from migrate.sandbox.hubspot import consent, filing, finding, standards, stock
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError, bad_values
from migrate.sandbox.hubspot.markup import sanitised
from migrate.sandbox.hubspot.records import Draft, keys_of
from migrate.sandbox.hubspot.values import BadValue, canonical

Values = dict[str, str | None]


def clean(call: Call, kind: str, raw: Any, *, held: dict[str, str] | None) -> Values:
    """Canonical values of one record's `properties`.

    Args:
        held: values of the existing record; `None` when it is about to be created.

    Raises:
        ApiError: 400 with every property that HubSpot refuses.
    """
    if not isinstance(raw, dict):
        raise ApiError(400, "Invalid input JSON on line 1, column 1: `properties` must be an object")
    properties = call.catalog.properties[kind]
    before = held or {}
    values: Values = {}
    faults: list[dict[str, str]] = []
    for name, sent in raw.items():
        definition = properties.get(name)
        if definition is None:
            faults.append(_fault(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            continue
        flags = definition.get("_flags", "")
        frozen = definition["modificationMetadata"]["readOnlyValue"] or ("c" in flags and held is not None)
        if kind == "contacts" and name == "createdate" and held is None:
            frozen = not call.settings["contact_createdate_writable"]
        if frozen and call.strict:
            faults.append(
                _fault(name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value can\'t be set.')
            )
            continue
        try:
            values[name] = canonical(
                definition,
                sent,
                held=before.get(name),
                allowed=_allowed(call, kind, definition, sent, before.get(name)),
                owner=lambda id: _owner(call, id),
            )
            if definition["fieldType"] == "html" and values[name] and call.settings["sanitise_html"]:
                values[name] = sanitised(str(values[name])) or None
        except BadValue as bad:
            faults.append(_fault(name, bad.code, bad.message))
    if kind == "emails" and values.get("hs_email_headers"):
        faults += _headers(str(values["hs_email_headers"]))
    if kind in standards.PIPED:
        faults += _pipeline(call, kind, values, before, creating=held is None)
    if faults:
        raise bad_values(faults, call.catalog.portal_id)
    if call.settings["lifecycle_forward_only"] and call.strict:
        _lifecycle(values, before)
    return values


def _allowed(
    call: Call, kind: str, definition: Mapping[str, Any], sent: Any, held: str | None
) -> set[str] | None:
    name = definition["name"]
    if name != "hs_attachment_ids":
        return call.catalog.allowed(kind, name) if definition["type"] == "enumeration" else None
    if not call.settings["attachments_must_exist"] or not call.strict:
        return None
    # Attachments are files that are there; one that has gone since may stay where it is named.
    ids = {id for id in str(sent).split(";") if filing.live(call.sql, finding.number(id)) is not None}
    return ids | set((held or "").split(";"))


def _fault(name: str, code: str, message: str) -> dict[str, str]:
    return {"name": name, "error": code, "message": message}


def _owner(call: Call, id: str) -> bool:
    owner = call.catalog.owners.get(id)
    return owner is not None and (not owner["archived"] or call.settings["accept_archived_owners"])


def _headers(text: str) -> list[dict[str, str]]:
    try:
        good = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        good = False
    return (
        [] if good else [_fault("hs_email_headers", "INVALID_JSON", "hs_email_headers must be a JSON object")]
    )


def _pipeline(
    call: Call, kind: str, values: Values, before: dict[str, str], *, creating: bool
) -> list[dict[str, str]]:
    pipeline_name, stage_name = standards.PIPED[kind]
    if not creating and pipeline_name not in values and stage_name not in values:
        return []
    live = sorted(
        (p for p in call.catalog.pipelines.get(kind, {}).values() if not p["archived"]),
        # The default pipeline is the one that each account begins with, wherever it stands in the order.
        key=lambda p: (p["id"] not in ("default", "0"), int(p["displayOrder"])),
    )
    if creating and not values.get(pipeline_name) and live:
        values[pipeline_name] = live[0]["id"]
    pipeline = values.get(pipeline_name) or before.get(pipeline_name) or ""
    stage = values.get(stage_name) if stage_name in values else before.get(stage_name)
    if creating and not stage and not call.strict and live:
        found = next((p for p in live if p["id"] == pipeline), live[0])
        stage = values[stage_name] = found["stages"][0]["id"]
    if stage and call.catalog.stage(kind, pipeline, stage) is None:
        message = f"{stage} is not a valid stage of the pipeline {pipeline}"
        return [_fault(stage_name, "INVALID_OPTION", message)]
    return []


def _lifecycle(values: Values, before: dict[str, str]) -> None:
    """A move backwards is dropped without a word; clearing first and then setting works."""
    wanted, held = values.get("lifecyclestage"), before.get("lifecyclestage")
    order = stock.LIFECYCLE
    if wanted in order and held in order and order.index(wanted) < order.index(held):
        del values["lifecyclestage"]


def required(call: Call, kind: str, values: dict[str, str]) -> None:
    """Refuse a new record that lacks what its type requires.

    Raises:
        ApiError: 400 with `context.properties`.
    """
    if kind == "meetings" and "hs_timestamp" not in values and "hs_meeting_start_time" in values:
        values["hs_timestamp"] = values["hs_meeting_start_time"]
    wanted = ["hs_timestamp"] if kind in standards.ENGAGEMENTS else []
    if kind in standards.PIPED and call.settings["stage_required"]:
        wanted.append(standards.PIPED[kind][1])
    if kind in call.catalog.schemas:
        wanted += call.catalog.schemas[kind]["requiredProperties"]
    if call.family == "2026-09":
        wanted += call.settings["required_2026_09"].get(kind, [])
    missing = [name for name in wanted if name not in values]
    if missing:
        singular = call.catalog.kinds[kind].singular.upper()
        raise ApiError(
            400,
            f"Error creating {singular}. Some required properties were not set.",
            errors=[
                {
                    "message": f"{name} is required",
                    "code": "REQUIRED_FIELD",
                    "context": {"propertyName": [name]},
                }
                for name in missing
            ],
            context={"properties": missing},
        )


def derived(call: Call, kind: str, values: Values, after: dict[str, str]) -> Values:
    """Values that HubSpot works out from a write; `after` is the record as it will be."""
    told: Values = {}
    if kind in standards.PIPED and standards.PIPED[kind][1] in values:
        pipeline_name, stage_name = standards.PIPED[kind]
        stage = call.catalog.stage(kind, after.get(pipeline_name, ""), after.get(stage_name, ""))
        closed = stage is not None and stage["metadata"].get("isClosed") == "true"
        closing = "closedate" if kind == "deals" else "closed_date"
        if closed and not after.get(closing):
            told[closing] = call.stamp
        if kind == "deals":
            won = closed and stage is not None and float(stage["metadata"].get("probability", "0")) == 1.0
            told |= {"hs_is_closed": str(closed).lower(), "hs_is_closed_won": str(won).lower()}
            told["hs_deal_stage_probability"] = stage["metadata"].get("probability") if stage else None
    if kind == "contacts" and "email" in values:
        address = values["email"]
        told["hs_email_domain"] = address.rpartition("@")[2] if address else None
        told |= consent.reflections(call, address, after)
    if kind == "line_items" and {"quantity", "price", "discount"} & values.keys():
        quantity, price, discount = (Decimal(after.get(n) or "0") for n in ("quantity", "price", "discount"))
        total = (quantity * (price - discount)).normalize()
        told["amount"] = format(total if total else Decimal(0), "f")
    if kind == "emails" and values.get("hs_email_headers"):
        headers = orjson.loads(str(values["hs_email_headers"]))
        told["hs_email_from_email"] = ";".join(_addresses([headers.get("from")])) or None
        for role in ("to", "cc", "bcc"):
            told[f"hs_email_{role}_email"] = ";".join(_addresses(headers.get(role))) or None
    return told


def _addresses(people: Any) -> list[str]:
    rows = people if isinstance(people, list) else []
    return [str(row["email"]) for row in rows if isinstance(row, dict) and row.get("email")]


def draft(call: Call, kind: str, raw: Any) -> Draft:
    """A new record, checked in all that doesn't concern other records.

    Raises:
        ApiError: HubSpot would refuse it.
    """
    values = {n: v for n, v in clean(call, kind, raw, held=None).items() if v is not None}
    required(call, kind, values)
    calculated = {n: v for n, v in derived(call, kind, dict(values), values).items() if v is not None}
    return Draft(values, calculated, keys_of(call, kind, values))
