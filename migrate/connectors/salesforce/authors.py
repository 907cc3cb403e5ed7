"""Who wrote a field, and when? What the org's history tables tell, and the record's last author for the rest.

Field history is kept only for objects and fields where an administrator switched it on, for 18 to 24
months, and without the values of long texts and multi-selects. For a field without it there is one
word: who saved the record last. That is certain about the newest write alone, so a save of ours over a
person's isn't told apart; the docs say so. Salesforce, Object Reference
"StandardObjectNameHistory", "Custom Object__History", help "Field History Tracking", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrate.catalog import Field
from migrate.connector import RECORD, Version, Who
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.looking import Looking
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.written import canonical

_MODIFIED, _BY, _MASTER = "LastModifiedDate", "LastModifiedById", "MasterRecordId"
_UNCHANGED = frozenset({"created", "feedEvent", "ownerAccepted", "ownerAssignment", "locked", "unlocked"})
# Users as which the platform itself works (Object Reference "User", `UserType`, read 2026-11-26).
_MACHINES = frozenset({"AutomatedProcess", "CloudIntegrationUser"})


class Authors:
    """Versions of fields, with their authors."""

    def __init__(self, org: Org, looking: Looking) -> None:
        self._org, self._looking = org, looking
        self._people: dict[str, tuple[Who, str]] = {}

    def history(self, object: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, list[Version]]:
        schema = self._org.schema(object).fields
        asked = list(dict.fromkeys(ids))
        rows = self._tracked(object, asked)
        stamp = self._org.schema(object).stamp or _MODIFIED
        wanted = [name for name in (stamp, _BY) if name in schema]
        last: dict[str, Mapping[str, Any]] = {}
        if len(wanted) == 2:
            fields = [name for name in dict.fromkeys(["Id", *names, *wanted]) if name in schema]
            last = {long_id(str(row["Id"])): row for row in self._looking.records(object, asked, fields)}
        losers = self._merged_into(object, asked) if not names else []
        users = {str(row["CreatedById"]) for each in rows.values() for row in each}
        self._learn(users | {str(row[_BY]) for row in (*last.values(), *losers)})
        found: dict[str, list[Version]] = {}
        for id in asked:
            # The newest first, also within one second, which is as fine as the stamps are.
            read = (self._version(schema, row) for row in reversed(rows.get(long_id(id), ())))
            told = [each for each in read if each is not None and (not names or each.field in names)]
            if long_id(id) in last:
                row = last[long_id(id)]
                at = canonical(schema[stamp], row[stamp]) or ""
                told += self._last(schema, row, at, names, {each.field for each in told})
            for row in losers:
                if long_id(str(row[_MASTER])) == long_id(id):
                    who, person = self._people[str(row[_BY])]
                    at = canonical(schema[stamp], row[stamp]) or ""
                    told.append(Version(_MASTER, str(row["Id"]), at, who, person))
            found[id] = sorted(told, key=lambda each: each.at, reverse=True)
        return found

    def people(self, users: Sequence[str]) -> dict[str, tuple[Who, str]]:
        """What these users are, and their names, by the ids as they are given."""
        self._learn(set(users))
        return {user: self._people[user] for user in users}

    def _merged_into(self, object: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Records that somebody has merged into these, while they are in the recycle bin."""
        schema = self._org.schema(object)
        stamp = schema.stamp or _MODIFIED
        if not {_MASTER, _BY, stamp} <= schema.fields.keys():
            return []
        text = soql.select(object, ["Id", _MASTER, _BY, stamp], ["IsDeleted = true"])
        return [
            row
            for listed in self._looking.listed(text, ids)
            for row in self._org.rest.rows(f"{text} AND {_MASTER} IN ({listed})", all=True)
        ]

    def _tracked(self, object: str, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
        """Rows of the object's history by record; none where nothing is tracked."""
        name, key = _history_of(object)
        if name not in self._org.listed() or not ids:
            return {}
        text = soql.select(name, [key, "Field", "OldValue", "NewValue", "CreatedById", "CreatedDate"])
        found: dict[str, list[Mapping[str, Any]]] = {}
        for listed in self._looking.listed(text, ids):
            for row in self._org.rest.rows(f"{text} WHERE {key} IN ({listed}) ORDER BY CreatedDate, Id"):
                if row["Field"] not in _UNCHANGED:
                    found.setdefault(long_id(str(row[key])), []).append(row)
        return found

    def _version(self, schema: Mapping[str, Field], row: Mapping[str, Any]) -> Version | None:
        """None for the row that names in words what a reference leads to; another one gives the id."""
        name = str(row["Field"])
        field = schema.get(name) or schema.get(f"{name}Id")
        who, person = self._people[str(row["CreatedById"])]
        at = canonical(schema.get("CreatedDate"), row["CreatedDate"]) or ""
        try:
            held = canonical(field, row.get("NewValue"))
        except ValueError:
            return None
        return Version(field.name if field else name, held, at, who, person)

    def _last(
        self,
        schema: Mapping[str, Field],
        row: Mapping[str, Any],
        at: str,
        names: Sequence[str],
        told: set[str],
    ) -> list[Version]:
        """The last author, for every asked field that no history tells of; or for the record as a whole.

        `at` is the record's stamp: `LastModifiedDate` can be a date of the old system's, set on insert.
        """
        who, person = self._people[str(row[_BY])]
        if not names:
            return [Version(RECORD, None, at, who, person)]
        return [
            Version(name, canonical(schema.get(name), row.get(name)), at, who, person)
            for name in names
            if name not in told
        ]

    def _learn(self, users: set[str]) -> None:
        new = sorted(user for user in users if user not in self._people)
        text = soql.select("User", ["Id", "Name", "Email", "UserType"])
        rows: dict[str, Mapping[str, Any]] = {}
        for listed in self._looking.listed(text, new):
            rows |= {
                long_id(str(row["Id"])): row for row in self._org.rest.rows(f"{text} WHERE Id IN ({listed})")
            }
        for user in new:
            row = rows.get(long_id(user), {})
            name = (
                f"{row.get('Name') or user} ({row['Email']})"
                if row.get("Email")
                else str(row.get("Name") or user)
            )
            machine = str(row.get("UserType") or "") in _MACHINES
            ours = long_id(user) == self._org.user()
            self._people[user] = (Who.OURS if ours else Who.AUTOMATION if machine else Who.PERSON, name)


def _history_of(object: str) -> tuple[str, str]:
    """Name of an object's history, and its field that holds the record's id."""
    if object.endswith("__c"):
        return f"{object[:-3]}__History", "ParentId"
    name = "OpportunityFieldHistory" if object == "Opportunity" else f"{object}History"
    return name, f"{object}Id"
