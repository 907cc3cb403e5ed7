"""Was anything lost, doubled, overwritten or left behind? Judged by the sandboxes' own stores and logs.

Nothing here knows a connector, the journal or the ledger. *Equal* is meant by migration key: a record that
has none is named by what it was before (its id, if it stood there before the load) or by what it is (a side
record, by its domain or e-mail); references are names, ids and stamps don't count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from migrate.sandbox.server import Running

OBJECTS = ("companies", "contacts", "deals")
KEY = "migration_key"
KEYS = (KEY, "Migration_Key__c")
OURS = "app:7001"
# What HubSpot sets by itself and nobody can ask back: ids, stamps, who and whence.
SYSTEM = frozenset({
    "hs_object_id", "hs_createdate", "createdate", "lastmodifieddate", "hs_lastmodifieddate",
    "hs_object_source", "hs_object_source_id", "hs_object_source_label", "hs_created_by_user_id",
    "hs_object_source_user_id", "hs_updated_by_user_id", "hs_merged_object_ids",
})  # fmt: skip
REFERENCES = frozenset({"associatedcompanyid", "hs_parent_company_id"})


@dataclass(frozen=True)
class Stored:
    """One record in HubSpot's store."""

    object: str
    id: str
    values: dict[str, str]
    live: bool

    @property
    def key(self) -> str | None:
        """Its migration key."""
        return self.values.get(KEY) or None


@dataclass
class Truth:
    """HubSpot's store at one moment: all records by object and id, and each pair of associated records."""

    records: dict[tuple[str, str], Stored]
    links: set[tuple[str, str, str, str, str]]  # left object, left id, right object, right id, type

    def live(self, object: str | None = None) -> list[Stored]:
        """Records that aren't in the bin."""
        return [r for r in self.records.values() if r.live and (object is None or r.object == object)]

    def ours(self) -> list[Stored]:
        """Live records with a migration key."""
        return [record for record in self.live() if record.key]

    def by_key(self) -> dict[str, Stored]:
        """Live records by migration key; of twins one."""
        return {str(record.key): record for record in self.ours()}


def truth(hubspot: Running) -> Truth:
    """Read HubSpot's store."""
    records = {}
    for object in OBJECTS:
        for row in hubspot.control.ndjson(f"/truth/{object}"):
            live = not (row["archived"] or row["purged"] or row["mergedInto"])
            records[object, row["id"]] = Stored(object, row["id"], dict(row["properties"]), live)
    links = set()
    for row in hubspot.control.ndjson("/truth/links"):
        if row["archived"]:
            continue
        for told in row["types"]:
            name = told["label"] or f"{told['category']}:{told['typeId']}"
            links.add((row["from_object"], row["from"], row["to_object"], row["to"], name))
    return Truth(records, links)


@dataclass(frozen=True)
class State:
    """A truth by names: what two runs are compared by."""

    records: dict[str, dict[str, str]]
    links: frozenset[tuple[str, str, str]]
    doubles: tuple[str, ...]  # names that more than one live record has


def state(now: Truth, before: Truth) -> State:
    """Name everything that lives now.

    Args:
        before: what stood there before anything was moved; such records keep their id as a name.
    """
    names: dict[tuple[str, str], str] = {}
    for record in now.live():
        if (record.object, record.id) in before.records:
            name = f"foreign:{record.object}:{record.id}"
            if record.key:
                name = f"adopted:{record.key}@{record.id}"
        elif record.key:
            name = record.key
        else:
            known_by = record.values.get("domain") or record.values.get("email") or record.id
            name = f"side:{record.object}:{known_by}"
        names[record.object, record.id] = name
    ids = {id: name for (_, id), name in names.items()}
    records = {}
    for place, name in names.items():
        values = now.records[place].values
        told = {k: v for k, v in values.items() if k not in SYSTEM and v not in (None, "")}
        for reference in REFERENCES & told.keys():
            told[reference] = ids.get(str(told[reference]), f"?{told[reference]}")
        records[name] = {"": place[0], **told}
    counted = Counter(names.values())
    links = frozenset(
        (names[one, left], names[other, right], label)
        for one, left, other, right, label in now.links
        if (one, left) in names and (other, right) in names
    )
    return State(records, links, tuple(sorted(name for name, n in counted.items() if n > 1)))


def unequal(wanted: State, found: State) -> list[str]:
    """What differs, in words; empty where the two are equal."""
    told = [f"double: {name}" for name in found.doubles]
    told += [f"lost: {name}" for name in wanted.records.keys() - found.records.keys()]
    told += [f"stray: {name}" for name in found.records.keys() - wanted.records.keys()]
    for name in wanted.records.keys() & found.records.keys():
        one, other = wanted.records[name], found.records[name]
        told += [
            f"differs: {name}.{column}: {one.get(column)!r}, found {other.get(column)!r}"
            for column in sorted(one.keys() | other.keys())
            if one.get(column) != other.get(column)
        ]
    told += [f"link lost: {link}" for link in sorted(wanted.links - found.links)]
    told += [f"link stray: {link}" for link in sorted(found.links - wanted.links)]
    return sorted(told)


# -- promises about keys ----------------------------------------------------------------------


def twins(now: Truth) -> list[str]:
    """Keys that more than one live record has."""
    counted = Counter(str(record.key) for record in now.ours())
    return sorted(key for key, n in counted.items() if n > 1)


def lost(now: Truth, keys: Iterable[str]) -> list[str]:
    """Keys that no live record has."""
    return sorted(set(keys) - {str(record.key) for record in now.ours()})


def strays(now: Truth, keys: Iterable[str]) -> list[str]:
    """Keys in the target that nobody expects there."""
    return sorted({str(record.key) for record in now.ours()} - set(keys))


def creates(log: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Accepted creates by what names a record for ever: its migration key, or a file's path, which has it."""
    found: Counter[str] = Counter()
    for entry in log:
        after = entry["after"] or {}
        named = [str(after[name]) for name in (*KEYS, "path") if after.get(name)]
        if entry["op"] == "create" and named:
            found[f"{entry['object']}:{named[0]}" if entry.get("object") else named[0]] += 1
    return found


def log(hubspot: Running, after: int = 0) -> list[dict[str, Any]]:
    """HubSpot's log of accepted writes."""
    return hubspot.control.ndjson(f"/log?after={after}")


def last(hubspot: Running) -> int:
    """Number of the newest accepted write."""
    found = log(hubspot)
    return int(found[-1]["seq"]) if found else 0


def overwritten(before: Truth, now: Truth, allowed: Iterable[str] = ()) -> list[str]:
    """Records that stood there before and aren't as they were, but for those with the `allowed` keys.

    Links that were there must be there still.
    """
    may = set(allowed)
    told = []
    for place, record in before.records.items():
        if not record.live:
            continue
        found = now.records.get(place)
        if found is None or not found.live:
            told.append(f"{place} is gone")
            continue
        if found.key and found.key in may:
            continue
        for name in sorted((record.values.keys() | found.values.keys()) - SYSTEM - REFERENCES):
            if (record.values.get(name) or "") != (found.values.get(name) or ""):
                told.append(f"{place}.{name}: {record.values.get(name)!r}, now {found.values.get(name)!r}")
    told += [f"link gone: {link}" for link in sorted(before.links - now.links)]
    return told


def put_back(before: Truth, now: Truth, held: Iterable[str] = ()) -> list[str]:
    """What a rollback left other than it was; empty where the target is as before.

    Args:
        held: ids of records that were rightly held.
    """
    told = overwritten(before, now)
    told += [
        f"left behind: {record.object}/{record.id} {record.key or record.values.get('domain', '')}"
        for record in now.live()
        if (record.object, record.id) not in before.records
    ]
    told += [f"link left behind: {link}" for link in sorted(now.links - before.links)]
    ids = set(held)
    return [line for line in told if not any(id in line for id in ids)]


# -- sums -------------------------------------------------------------------------------------


def sums(now: Truth) -> dict[tuple[str, str], int]:
    """Cents of our deals' amounts, by stage and owner."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for record in now.ours():
        if record.object == "deals" and record.values.get("amount"):
            group = (record.values.get("dealstage", ""), record.values.get("hubspot_owner_id", ""))
            cents = Decimal(record.values["amount"]) * 100
            if cents != cents.to_integral_value():
                raise AssertionError(f"{record.key}: {record.values['amount']} isn't whole cents")
            found[group] += int(cents)
    return {group: cents for group, cents in found.items() if cents}
