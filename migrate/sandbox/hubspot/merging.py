"""What is left of two records that become one?

The primary record survives under its id and keeps its values; what it lacks comes from the other one.
The other goes to the bin for good: its id leads to the survivor, and nobody can restore it.

Facts: HubSpot, "Merge records" and "Error handling" (250 identities), read 2026-11-23.
"""

from __future__ import annotations

from typing import Final

from migrate.sandbox.hubspot import links, records
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.hubspot.records import Record

IDENTITIES: Final = 250


def merge(call: Call, kind: str, primary: int, other: int) -> Record:
    """Merge `other` into `primary` and return the survivor.

    Raises:
        ApiError: an id names no live record, both are the same, or the survivor would hold too much (414).
    """
    found = records.resolve(call.sql, kind, [primary, other])
    missing = [str(id) for id in (primary, other) if id not in found or found[id].archived]
    if missing:
        raise not_found(call.catalog.kinds[kind].singular, missing)
    winner, loser = found[primary], found[other]
    if winner.id == loser.id:
        raise ApiError(400, "Cannot merge an object with itself")
    emails = _emails(winner) + [address for address in _emails(loser) if address not in _emails(winner)]
    if len(emails) > IDENTITIES:
        raise ApiError(414, f"Cannot have more than {IDENTITIES} identities on a profile")
    before = loser.properties
    call.sql.execute("DELETE FROM hs_unique WHERE record = ?", (loser.id,))
    call.sql.execute(
        "UPDATE hs_record SET archived = 1, archived_at = ?, merged_into = ? WHERE id = ?",
        (call.stamp, winner.id, loser.id),
    )
    own = {
        name
        for name, row in call.catalog.properties[kind].items()
        if not row["modificationMetadata"]["readOnlyValue"]
    }
    values: dict[str, str | None] = {
        name: value for name, value in before.items() if name in own and name not in winner.properties
    }
    if kind == "contacts":
        values["hs_additional_emails"] = ";".join(emails[1:]) or None
        values["email"] = emails[0] if emails else None
    merged = [part for part in winner.properties.get("hs_merged_object_ids", "").split(";") if part]
    merged += [part for part in before.get("hs_merged_object_ids", "").split(";") if part]
    values["hs_merged_object_ids"] = ";".join([*merged, str(loser.id)])
    if kind == "contacts":
        stamps = [part for part in winner.properties.get("hs_calculated_merged_vids", "").split(";") if part]
        stamp = int(call.now.timestamp() * 1000)
        values["hs_calculated_merged_vids"] = ";".join(
            [*stamps, f"{loser.id}:{stamp}", f"{winner.id}:{stamp}"]
        )
    records.change(call, [(winner, values, {})])
    links.move(call, kind, loser.id, winner.id)
    call.log("merge", kind, str(loser.id), before, None, f"into {winner.id}")
    return records.fetch(call.sql, [winner.id])[winner.id]


def _emails(record: Record) -> list[str]:
    held = [record.properties.get("email", ""), *record.properties.get("hs_additional_emails", "").split(";")]
    return list(dict.fromkeys(address for address in held if address))
