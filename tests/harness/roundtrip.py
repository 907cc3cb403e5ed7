"""Does a third system hold what the first one held? Judged by three stores, field by field.

First and third are Salesforce orgs, the middle is HubSpot. A record of the third names its record of the
middle by migration key, and that one its record of the first. Since both ends have the same schema, a field
is compared with the field of the same name: values exactly, numbers as decimals, references as the records
that they mean, users by e-mail address, files by SHA-256. Nothing here knows a connector, a plan or the
journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from migrate.sandbox.server import Running

Row = dict[str, Any]
KEY = "Migration_Key__c"


@dataclass
class Org:
    """A Salesforce store: live records by object and id, users' e-mail addresses, digests of files."""

    records: dict[str, dict[str, Row]]
    object_of: dict[str, str]
    users: dict[str, str]
    left: set[str]  # users who are there no more, as `_meant` calls them
    digests: dict[tuple[str, str], str]

    @classmethod
    def read(cls, running: Running, objects: Iterable[str]) -> Org:
        """Read these objects whole."""
        records: dict[str, dict[str, Row]] = {}
        for name in dict.fromkeys(objects):
            rows = running.control.ndjson(f"/truth/{name}")
            records[name] = {row["Id"]: row for row in rows if not row["IsDeleted"]}
        rows = running.control.ndjson("/truth/User")
        users = {row["Id"]: str(row["Email"] or "").lower() for row in rows}
        left = {f"user {users[row['Id']]}" for row in rows if not row["IsActive"]}
        digests = {
            (row["id"], row["field"]): str(row["sha256"])
            for row in running.control.ndjson("/truth/files")
            if not row["deleted"]
        }
        return cls(records, {id: name for name, rows in records.items() for id in rows}, users, left, digests)


@dataclass(frozen=True)
class Forced:
    """What a vendor forces to be otherwise, in a field of these records (None: of all).

    `section`: of its fact sheet; `test`: the test that writes the field to the sandbox and sees it.
    """

    object: str
    field: str
    vendor: str
    section: str
    test: str
    ids: frozenset[str] | None = None


@dataclass
class Compared:
    """What was compared, and what differs. `told`: differences in words; `forced`: by exception."""

    records: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    filled: int = 0  # cells with a value at either end
    references: int = 0
    files: int = 0
    forced: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    uncovered: Counter[str] = field(default_factory=Counter)  # filled fields of the first that nothing maps


class Comparison:
    """One comparison of two orgs by way of the middle.

    Args:
        origins: id in the third org -> id in the first.
        gone: ids of the first that rightly have no record in the third, with the reason (merged, skipped).
    """

    def __init__(
        self,
        first: Org,
        third: Org,
        origins: Mapping[str, str],
        gone: Mapping[str, str],
        exceptions: Sequence[Forced] = (),
    ) -> None:
        self.first, self.third, self.origins, self.gone = first, third, origins, gone
        self.exceptions = list(exceptions)
        self.prefixes = {id[:3] for id in first.object_of}
        messages = third.records.get("EmailMessage", {}).values()
        self.sides = {str(row["ActivityId"]) for row in messages if row.get("ActivityId")}
        self.done = Compared()

    def object(
        self, name: str, fields: Sequence[str], *, binary: Sequence[str] = (), sets: Sequence[str] = ()
    ) -> None:
        """Compare every record of an object: none missing, none twice, each field equal.

        Args:
            sets: fields that hold several values in no order.
        """
        there = Counter(
            self.origins[id] for id in self.third.records[name] if self.origins.get(id) is not None
        )
        for id in self.third.records[name]:
            if id in self.sides and not self.origins.get(id):
                self.done.forced[name, "made by Salesforce beside an e-mail"] += 1
            elif self.origins.get(id) not in self.first.records[name]:
                self.done.told.append(f"{name} {id} comes from nowhere ({self.origins.get(id)})")
        for id, row in self.first.records[name].items():
            if id in self.gone:
                self.done.forced[name, self.gone[id]] += 1
            elif there[id] != 1:
                called = row.get("Name") or row.get("Subject")
                self.done.told.append(f"{name} {id} {called}: {there[id]} times")
        for id, row in self.third.records[name].items():
            was = self.first.records[name].get(self.origins.get(id, ""))
            if was is None:
                continue
            self.done.records[name] += 1
            for column in fields:
                self._cell(name, column, was, row, several=column in sets)
            for column in binary:
                self.done.files += 1
                one = self.first.digests.get((was["Id"], column))
                other = self.third.digests.get((id, column))
                if one != other:
                    self.done.told.append(f"{name}.{column} of {was['Id']}: digest {one}, now {other}")
        self._uncovered(name, [*fields, *binary])

    def _cell(self, name: str, column: str, was: Row, row: Row, *, several: bool) -> None:
        one, other = self._meant(was.get(column), self.first), self._meant(row.get(column), self.third)
        if several and isinstance(one, str) and isinstance(other, str):
            one, other = ";".join(sorted(one.split(";"))), ";".join(sorted(other.split(";")))
        self.done.cells[name] += 1
        self.done.filled += one is not None or other is not None
        if isinstance(was.get(column), str) and was[column] in self.first.object_of:
            self.done.references += 1
        if one == other:
            return
        if isinstance(one, str) and self._dangling(one) and other is None:
            self.done.forced[name, f"{column} points at a record that isn't there"] += 1
            return
        if one in self.first.left:
            self.done.forced[name, f"{column} of a user who left, whom HubSpot lets own nothing"] += 1
            return
        for each in self.exceptions:
            if (each.object, each.field) == (name, column) and (each.ids is None or was["Id"] in each.ids):
                self.done.forced[name, f"{column} ({each.vendor} {each.section})"] += 1
                return
        self.done.told.append(f"{name}.{column} of {was['Id']}: {one!r:.200}, now {other!r:.200}")

    def _dangling(self, id: str) -> bool:
        """Whether it is the id of a record that the first org hasn't."""
        return len(id) == 18 and id[:3] in self.prefixes and id not in self.first.object_of

    def _meant(self, value: Any, org: Org) -> Any:
        """A value by what it means; ids of the third as those of the first."""
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return Decimal(repr(value) if isinstance(value, float) else value)
        if isinstance(value, str) and value in org.users:
            return f"user {org.users[value]}"
        if org is self.third and isinstance(value, str) and value in org.object_of:
            return self.origins.get(value, value)
        return value

    def _uncovered(self, name: str, fields: Sequence[str]) -> None:
        known = {*fields, "Id", "IsDeleted", "SystemModstamp", "CreatedById", "LastModifiedById"}
        for row in self.first.records[name].values():
            for column, value in row.items():
                if column not in known and value not in (None, "", False, 0):
                    self.done.uncovered[f"{name}.{column}"] += 1

    def files(self) -> None:
        """Compare the files that hang on each record, by SHA-256: attachments, and latest versions.

        Whichever way a file hangs there: an attachment may have become a document.
        """
        one, other = self._hung(self.first), self._hung(self.third)
        for place in sorted(one.keys() | other.keys()):
            here, there = one.get(place, Counter()), other.get(place, Counter())
            self.done.files += here.total()
            for word, difference in (("lost", here - there), ("added", there - here)):
                told = [f"digest {word}: {sha} x {n} of {place}" for sha, n in difference.items()]
                self.done.told += told

    def _hung(self, org: Org) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for id, row in org.records["Attachment"].items():
            parent = self._meant(row["ParentId"], org)
            found.setdefault(parent, Counter())[org.digests[id, "Body"]] += 1
        latest = {
            row["ContentDocumentId"]: org.digests.get((id, "VersionData"), "")
            for id, row in org.records["ContentVersion"].items()
            if row["IsLatest"]
        }
        for row in org.records["ContentDocumentLink"].values():
            parent = self._meant(row["LinkedEntityId"], org)
            if not str(parent).startswith("user "):
                found.setdefault(parent, Counter())[latest[row["ContentDocumentId"]]] += 1
        return found

    def pairs(self, name: str, left: str, right: str, *more: str) -> None:
        """Compare a junction whose records carry no key: each pair once, as at the first."""

        def counted(org: Org) -> Counter[tuple[Any, ...]]:
            return Counter(
                tuple(self._meant(row.get(column), org) for column in (left, right, *more))
                for row in org.records[name].values()
            )

        one, other = counted(self.first), counted(self.third)
        one = Counter({
            pair: n for pair, n in one.items()
            if not str(pair[1]).startswith("user ") and pair[0] not in self.gone and pair[1] not in self.gone
        })  # fmt: skip
        other = Counter({pair: n for pair, n in other.items() if not str(pair[1]).startswith("user ")})
        self.done.records[name] += sum(one.values())
        self.done.references += 2 * sum(one.values())
        for word, difference in (("lost", one - other), ("added", other - one)):
            told = sorted(difference.items(), key=repr)
            self.done.told += [f"{name} {word}: {pair} x {n}" for pair, n in told]


def last_part(key: str) -> tuple[str, str, str]:
    """Object, id and part ("" where it has none) of a migration key."""
    _, object, id = key.split(".", 2)
    id, _, part = id.partition("~")
    return object, id, part
