"""What happens to the rows of one write request?

Creates, updates and upserts of one or many records; a single write is a batch of one. When every input
carries its own `objectWriteTraceId`, bad rows are told one by one and the good ones are stored; else the
first bad row refuses the whole request, and nothing is stored.

Facts: HubSpot, "Error handling" (multi-status errors) and CRM batch endpoints, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from migrate.sandbox.hubspot import automations, checks, links, records, workflows
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import Spec
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.hubspot.records import Draft, Key, Record
from migrate.sandbox.hubspot.values import BadValue, canonical

MOST: Final = 100
_ID: Final = re.compile(r"[0-9]{1,18}")


@dataclass
class Written:
    """Outcome of a write: rows stored and rows refused, by the index of their input."""

    stored: dict[int, Record] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    refused: dict[int, ApiError] = field(default_factory=dict)
    together: bool = False  # one refusal refuses all, traced or not
    apart: frozenset[int] = frozenset()  # inputs whose refusal leaves the others alone, traced or not


@dataclass
class _Alteration:
    record: Record
    values: dict[str, str | None]
    calculated: dict[str, str | None]
    keys: set[Key]


def traced(inputs: Sequence[dict[str, Any]]) -> bool:
    """Whether bad rows are told one by one: each input has a trace id of its own."""
    traces = [row.get("objectWriteTraceId") for row in inputs]
    return bool(traces) and all(traces) and len(set(traces)) == len(traces)


def number_of(text: Any) -> int | None:
    """A record id as a number; `None` for what can't be one."""
    return int(text) if _ID.fullmatch(str(text)) else None


def create(call: Call, kind: str, inputs: Sequence[dict[str, Any]]) -> Written:
    """Create a record for each input.

    Raises:
        ApiError: a row is bad and the inputs aren't traced.
    """
    done, drafts = Written(), dict[int, Draft]()
    for index, row in enumerate(inputs):
        try:
            _ordered(call, index)
            drafts[index] = checks.draft(call, kind, row.get("properties") or {})
            drafts[index].links = associations(call, kind, row.get("associations") or [])
        except ApiError as refusal:
            done.refused[index] = refusal
    _unknown_targets(call, kind, drafts, done)
    _store(call, kind, inputs, drafts, {}, done)
    return done


def update(call: Call, kind: str, inputs: Sequence[dict[str, Any]], *, told_apart: bool = False) -> Written:
    """Change the record that each input names by `id` (a record id, or a value of its `idProperty`).

    Args:
        told_apart: unknown ids are one error row beside the others' success, even without trace ids, unless
            the setting `update_unknown_apart` says otherwise.

    Raises:
        ApiError: a row is bad and the inputs aren't traced, or a record is named twice.
    """
    if any(row.get("idProperty") == "hs_object_id" for row in inputs):
        raise ApiError(
            400,
            f"Unable to perform update/upsert by non-unique {call.catalog.kinds[kind].id} property "
            f"hs_object_id in portal ID {call.catalog.portal_id}",
        )
    done, found = Written(), find(call, kind, inputs)
    missing = {index: str(row.get("id")) for index, row in enumerate(inputs) if index not in found}
    if missing and not traced(inputs):
        refusal = not_found(call.catalog.kinds[kind].singular, list(missing.values()))
        if not (told_apart and call.settings["update_unknown_apart"]):
            raise refusal
        done.refused[min(missing)] = refusal
        done.apart = frozenset(missing)
    seen: set[int] = set()
    alterations: dict[int, _Alteration] = {}
    for index, row in enumerate(inputs):
        record = found.get(index)
        if index in done.apart:
            continue
        try:
            _ordered(call, index)
            alterations[index] = _alter(
                call, _once(call, kind, row, record, seen), row.get("properties") or {}
            )
        except ApiError as refusal:
            done.refused[index] = refusal
    _store(call, kind, inputs, {}, alterations, done)
    return done


def _once(call: Call, kind: str, row: dict[str, Any], record: Record | None, seen: set[int]) -> Record:
    if record is None:
        raise not_found(call.catalog.kinds[kind].singular, [str(row.get("id"))])
    if record.id in seen:
        raise ApiError(400, f"Duplicate IDs found in batch input: [{record.id}]. IDs must be unique")
    seen.add(record.id)
    return record


def upsert(call: Call, kind: str, inputs: Sequence[dict[str, Any]]) -> Written:
    """Change the record that holds the key, or create it.

    Raises:
        ApiError: several `idProperty` values, one that isn't unique, a key twice; or a bad row as above.
    """
    names = {row.get("idProperty") for row in inputs}
    if len(names) > 1:
        raise ApiError(400, "All inputs of an upsert must use the same idProperty")
    name = str(next(iter(names), None) or "")
    if name not in call.catalog.unique(kind):
        raise ApiError(
            400, f"idProperty `{name}` must be a property with unique values", context={"idProperty": [name]}
        )
    found = find(call, kind, inputs)
    definition = call.catalog.properties[kind][name]
    by_email = kind == "contacts" and name == "email" and not call.settings["partial_upsert_by_email"]
    done, seen = Written(together=by_email), set[str]()
    drafts, alterations = dict[int, Draft](), dict[int, _Alteration]()
    for index, row in enumerate(inputs):
        try:
            key = canonical(definition, row.get("id"))
        except BadValue as bad:
            done.refused[index] = ApiError(400, bad.message, sub=bad.code)
            continue
        if key is None:
            raise ApiError(400, "Some required fields were not set: [id]")
        if key in seen:
            raise ApiError(400, f"Duplicate IDs found in batch input: [{key}]. IDs must be unique")
        seen.add(key)
        try:
            _ordered(call, index)
            if index in found:
                alterations[index] = _alter(call, found[index], row.get("properties") or {})
            else:
                drafts[index] = checks.draft(call, kind, {name: key, **(row.get("properties") or {})})
        except ApiError as refusal:
            done.refused[index] = refusal
    _store(call, kind, inputs, drafts, alterations, done)
    return done


def find(call: Call, kind: str, inputs: Sequence[dict[str, Any]]) -> dict[int, Record]:
    """Live records that inputs name by `id`, each by its `idProperty` when it has one; by input index."""
    wanted: dict[int, int] = {}
    by_name: dict[str, dict[int, str]] = {}
    for index, row in enumerate(inputs):
        name = row.get("idProperty")
        if name and name != "hs_object_id":
            if name not in call.catalog.unique(kind):
                raise ApiError(400, f"idProperty `{name}` must be a property with unique values")
            try:
                key = canonical(call.catalog.properties[kind][name], row.get("id"))
            except BadValue:
                continue
            by_name.setdefault(name, {})[index] = key or ""
        elif (id := number_of(row.get("id"))) is not None:
            wanted[index] = id
    for name, values in by_name.items():
        holders = records.keyed(call, kind, name, values.values())
        wanted |= {index: holders[value] for index, value in values.items() if value in holders}
    found = records.resolve(call.sql, kind, wanted.values())
    return {i: found[id] for i, id in wanted.items() if id in found and not found[id].archived}


def associations(call: Call, kind: str, raw: Any) -> list[tuple[str, int, list[Spec]]]:
    """Associations of a create: `{"to": {"id"}, "types": [...]}` each; the types tell the other object type.

    Raises:
        ApiError: 400, no such type, or no type at all.
    """
    found = []
    for row in raw:
        if not row.get("to") or not row.get("types"):
            raise ApiError(400, "Some required fields were not set: [to, types]")
        first = row["types"][0]
        spec = (first.get("associationCategory"), first.get("associationTypeId"))
        target = next(
            (t for (s, t), known in call.catalog.links.items() if s == kind and spec in known), None
        )
        if target is None:
            raise ApiError(
                400,
                f"Invalid association type {spec[1]} of category {spec[0]} from {kind}",
                sub="crm.associations.INVALID_ASSOCIATION_TYPE",
            )
        found.append(
            (target, number_of(row["to"].get("id")) or 0, links.specs(call, kind, target, row["types"]))
        )
    return found


def _ordered(call: Call, index: int) -> None:
    """A fault may order that a row fails, whatever it holds."""
    if index in call.partial:
        raise ApiError(400, "There was a problem with the request.", str(call.settings["partial_category"]))


def _alter(call: Call, record: Record, raw: Any) -> _Alteration:
    values = checks.clean(call, record.kind, raw, held=record.properties)
    after = {n: v for n, v in {**record.properties, **values}.items() if v is not None}
    changed = {n: v for n, v in values.items() if record.properties.get(n) != v}
    calculated = checks.derived(call, record.kind, changed, after)
    keys = records.keys_of(call, record.kind, after) - records.keys_of(call, record.kind, record.properties)
    return _Alteration(record, values, calculated, keys)


def _unknown_targets(call: Call, kind: str, drafts: dict[int, Draft], done: Written) -> None:
    wanted: dict[str, set[int]] = {}
    for draft in drafts.values():
        for target, id, _ in draft.links:
            wanted.setdefault(target, set()).add(id)
    live = {target: links.live(call, target, ids) for target, ids in wanted.items()}
    for index, draft in list(drafts.items()):
        missing = [(target, id) for target, id, _ in draft.links if id not in live[target]]
        if missing:
            target, id = missing[0]
            done.refused[index] = not_found(call.catalog.kinds[target].singular, [str(id)])
            del drafts[index]
            continue
        try:
            for target, id, chosen in draft.links:
                links.refuse_full(call, kind, target, (0, id, chosen))
        except ApiError as refusal:
            done.refused[index] = refusal
            del drafts[index]


def _store(
    call: Call,
    kind: str,
    inputs: Sequence[dict[str, Any]],
    drafts: dict[int, Draft],
    alterations: dict[int, _Alteration],
    done: Written,
) -> None:
    wanted = {index: draft.keys for index, draft in drafts.items()} | {
        i: a.keys for i, a in alterations.items()
    }
    held = records.holders(call, kind, {key for keys in wanted.values() for key in keys})
    claimed: dict[Key, int] = {}
    for index in sorted(wanted):
        own = alterations[index].record.id if index in alterations else None
        try:
            records.refuse_conflict(call, kind, wanted[index], held, own)
            records.refuse_conflict(call, kind, wanted[index], claimed)
            claimed |= dict.fromkeys(wanted[index], own or -1)
        except ApiError as refusal:
            done.refused[index] = refusal
            drafts.pop(index, None)
            alterations.pop(index, None)
    whole = done.refused.keys() - done.apart
    if whole and (done.together or not traced(inputs)):
        raise done.refused[min(whole)]
    records.change(call, [(a.record, a.values, a.calculated) for a in alterations.values()])
    done.stored |= {index: a.record for index, a in alterations.items()}
    made = records.insert(call, kind, list(drafts.values())) if drafts else []
    done.stored |= dict(zip(drafts, made, strict=True))
    done.new = set(drafts)
    pairs: dict[str, list[links.Pair]] = {}
    for draft, record in zip(drafts.values(), made, strict=True):
        for target, id, chosen in draft.links:
            pairs.setdefault(target, []).append((record.id, id, chosen))
    for target, rows in pairs.items():
        links.add(call, kind, target, rows)
    automations.after_create(call, kind, made)
    workflows.wake(call, kind, workflows.CREATE, made)
    workflows.wake(call, kind, workflows.UPDATE, [each.record for each in alterations.values()])
