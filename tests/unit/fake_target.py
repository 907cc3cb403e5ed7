"""A target that behaves: unique keys, stamps, history, late landing, lost answers, bad batches."""

# ruff: noqa: ARG002 - a protocol's signatures, of which a fake needs less than a vendor

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.clock import Clock, stamp
from migrate.connector import (
    Answer,
    Batch,
    BatchRefused,
    Held,
    Limits,
    Link,
    NewField,
    Operation,
    Outcome,
    Page,
    Query,
    Question,
    Rights,
    SchemaChange,
    Version,
    Who,
    Write,
)
from migrate.errors import InDoubt
from migrate.types import Kind, arrow_type
from tests.unit.bench import HandClock
from tests.unit.totals import answered

LONGEST = 20.0
Fault = Literal["fine", "lost before", "lost after", "late", "unsaid", "killed before", "killed after"]


class Killed(BaseException):
    """As if the process had been killed there."""


def _field(name: str, **more: object) -> Field:
    facts: dict[str, object] = {
        "label": name,
        "kind": Kind.STRING,
        "vendor_type": "string",
        "held": ("trim", "empty_is_null"),
    }
    return Field.model_validate({"name": name, **facts, **more})


FIELDS = {
    name: _field(name, unique=name in ("migration_key", "email"))
    for name in ("migration_key", "name", "email", "phone")
}
CATALOG = Catalog(
    type="fake", tenant="T", family="tgt", api="1", discovered=datetime(2026, 1, 1, tzinfo=UTC),
    objects={name: ObjectSchema(name=name, label=name, fields=FIELDS) for name in ("contacts", "companies")},
)  # fmt: skip


@dataclass
class Record:
    """One record, with every value that its fields ever had, newest last."""

    object: str
    id: str
    values: dict[str, str | None]
    stamp: str
    versions: list[Version] = field(default_factory=list)
    live: bool = True


class FakeTarget:
    """Records of a few objects, and links. Faults are taken off `faults` one a call, `fine` after the last.

    A field that refers to an object takes the id of one of its live records, or none. A record to which a
    required reference leads can't be deleted.

    `edits`: people's work, one off the list before each write is executed: (key, field, value).
    """

    type, system = "fake", "new"

    clock: Clock

    def __init__(
        self, clock: HandClock, faults: Sequence[Fault] = (), *, seed: int = 0, catalog: Catalog = CATALOG
    ) -> None:
        self.catalog = catalog
        self.clock, self.faults = clock, list(faults)
        self.before_write: Callable[[], None] = lambda: None
        self.records: dict[str, Record] = {}
        self.linked: set[Link] = set()
        self.edits: list[tuple[str, str, str]] = []
        self.edited: list[tuple[str, str, str, str]] = []  # id, field, value, the value under it
        self.bad: set[str] = set()  # keys whose record the target refuses as a whole batch
        self.loops: set[tuple[str, str]] = set()  # keys and fields that it takes no new value of
        self.names_loops = True  # its error says which field it was
        self.calls = 0
        self.unsafe = 0  # records that were twins at any moment
        self._late: list[tuple[datetime, Batch]] = []
        self._random = random.Random(seed)  # noqa: S311 - an order of replies
        self._ticks = 0
        clock.due = self._land

    # -- what a connector declares ------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return Limits(4, 100, 4, 100, None, 1, LONGEST)

    def discover(self) -> Catalog:
        return self.catalog

    def tenant(self) -> str:
        return self.catalog.tenant

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        return Rights("fake", (), (), ())

    def now(self) -> datetime:
        return self.clock.now()

    def close(self) -> None:
        """Nothing is open."""

    def count(self, query: Query) -> int:
        return len(self.live(query.object))

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        fields = self.catalog.objects[query.object].fields
        live = self.live(query.object)
        columns = [pa.array([record.id for record in live], pa.string())]
        for name in query.fields:
            values = [record.values.get(name) for record in live]
            many = fields[name].kind is Kind.MULTIPICKLIST
            columns.append(pa.array([v.split(";") if v and many else v for v in values],
                                    arrow_type(fields[name].kind)))  # fmt: skip
        yield Page(pa.RecordBatch.from_arrays(columns, ["_id", *query.fields]), None)

    def totals(self, question: Question) -> Answer:
        return answered((record.values for record in self.live(question.object)), question)

    def live(self, object: str) -> list[Record]:
        """The object's live records."""
        return [record for record in self.records.values() if record.live and record.object == object]

    def use(self, catalog: Catalog) -> None:
        """It knows its catalog."""

    def bind(self, key_fields: Mapping[str, str]) -> None:
        """The key is in `migration_key`."""

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        return [(change, "there" if isinstance(change, NewField) else "made") for change in changes]

    def safe_create(self, object: str) -> Literal["unique", "settled"]:
        return "unique"

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:
        return [
            {name: ";".join(value) if isinstance(value, list) else value for name, value in row.items()}
            for row in batch.to_pylist()
        ]

    def linked_objects(self, object: str) -> list[str]:
        return ["companies"]

    # -- people -------------------------------------------------------------------------------

    def stamp(self) -> str:
        """A new one with each change: time passes a little."""
        self._ticks += 1
        return stamp(self.clock.now() + timedelta(microseconds=self._ticks))

    def write(self, record: Record, values: Mapping[str, str | None], who: Who) -> None:
        """Set values, as the vendor holds them."""
        record.stamp = self.stamp()
        for name, value in values.items():
            kept = (value or "").strip(" \t\r\n") or None
            if kept != record.values.get(name):
                record.values[name] = kept
                record.versions.append(
                    Version(name, kept, record.stamp, who, "ann" if who is Who.PERSON else "")
                )

    def make(self, who: Who = Who.OURS, object: str = "contacts", **values: str | None) -> Record:
        """A new record."""
        return self._make(object, who, values)

    def _make(self, object: str, who: Who, values: Mapping[str, str | None]) -> Record:
        record = Record(object, str(len(self.records) + 1), {}, "")
        self.records[record.id] = record
        self.write(record, values, who)
        return record

    def by(self, name: str, value: str | None, object: str | None = None) -> Record | None:
        """The live record with a value."""
        found = [
            r for r in self.records.values()
            if r.live and value is not None and r.values.get(name) == value and object in (None, r.object)
        ]  # fmt: skip
        return found[0] if found else None

    def edit(self, key: str, name: str, value: str) -> None:
        """A person changes a field of the record with this key (or this id), if it is there."""
        record = self.by("migration_key", key) or self.records.get(key)
        if record is not None and record.live and record.values.get(name) != value:
            self.edited.append((record.id, name, value, record.values.get(name) or ""))
            self.write(record, {name: value}, Who.PERSON)

    # -- reading ------------------------------------------------------------------------------

    def read_back(
        self, object: str, fields: Sequence[str], *, ids: Sequence[str] = (), keys: Sequence[str] = ()
    ) -> list[Held]:
        asked = [(key, self.by("migration_key", key, object)) for key in keys] + [
            (id, self.records.get(id)) for id in ids
        ]
        found = [
            self._held(record, name, fields)
            for name, record in asked
            if record is not None and record.live and record.object == object
        ]
        self._random.shuffle(found)
        return found

    def sweep(self, object: str, fields: Sequence[str]) -> Iterator[Held]:
        return iter([self._held(record, record.id, fields) for record in self.live(object)])

    @staticmethod
    def _held(record: Record, asked: str, fields: Sequence[str]) -> Held:
        values = {name: record.values.get(name) for name in fields}
        return Held(record.id, asked, values, record.stamp, "ours")

    def read_links(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        return [link for link in self.linked if link.left in ids and link.right_object == right]

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:
        wanted = set(fields)
        return {
            id: [
                version
                for version in reversed(self.records[id].versions)
                if not wanted or version.field in wanted
            ]
            for id in ids
        }

    # -- writing ------------------------------------------------------------------------------

    def send(self, batch: Batch) -> list[Outcome]:
        self.before_write()
        self.calls += 1
        assert len(batch.writes) <= self.limits.write_records
        if self.edits:
            self.edit(*self.edits.pop(0))
        fault: Fault = self.faults.pop(0) if self.faults else "fine"
        if len(batch.writes) > 1 and any(write.key in self.bad for write in batch.writes):
            raise BatchRefused("new", "VALIDATION", "one of them")
        match fault:
            case "lost before":
                raise InDoubt("new", "reset")
            case "killed before":
                raise Killed
            case "late":
                self._late.append((self.clock.now() + timedelta(seconds=LONGEST / 2), batch))
                raise InDoubt("new", "read time-out")
        outcomes = self._execute(batch)
        match fault:
            case "lost after":
                raise InDoubt("new", "half a reply")
            case "killed after":
                raise Killed
            case "unsaid":
                outcomes = [Outcome(o.index, "unsaid") if o.index % 2 else o for o in outcomes]
        self._random.shuffle(outcomes)
        return outcomes

    def _land(self) -> None:
        due = [batch for at, batch in self._late if at <= self.clock.now()]
        self._late = [(at, batch) for at, batch in self._late if at > self.clock.now()]
        for batch in due:
            self._execute(batch)

    def _execute(self, batch: Batch) -> list[Outcome]:
        if batch.links:
            for link in batch.links:
                if batch.operation is Operation.LINK:
                    self.linked.add(link)
                elif link.label == "*":  # the pair with all its labels
                    self.linked -= {each for each in self.linked if replace(each, label="*") == link}
                else:
                    self.linked.discard(link)
            return [Outcome(index, "done") for index in range(len(batch.links))]
        do = {Operation.CREATE: self._create, Operation.UPDATE: self._update, Operation.DELETE: self._delete}
        return [do[batch.operation](batch.object, index, write) for index, write in enumerate(batch.writes)]

    def _dangling(self, object: str, write: Write) -> Outcome | None:
        for name, value in write.values.items():
            to = self.catalog.objects[object].fields[name].references
            record = self.records.get(str(value))
            if value is not None and to and not (record and record.live and record.object in to):
                return Outcome(-1, "refused", code="INVALID_REFERENCE", reason=f"{name} = {value}")
        return None

    def _create(self, object: str, index: int, write: Write) -> Outcome:
        if write.key in self.bad:
            return Outcome(index, "refused", code="INVALID", reason="bad")
        for name in ("migration_key", "email"):
            if (there := self.by(name, write.values.get(name), object)) is not None:
                return Outcome(index, "conflict", there.id, code="TAKEN", reason=name)
        if (refused := self._dangling(object, write)) is not None:
            return replace(refused, index=index)
        for name, one in self.catalog.objects[object].fields.items():
            if one.required and write.values.get(name) is None:
                return Outcome(index, "refused", code="REQUIRED", reason=name)
        record = self._make(object, Who.OURS, write.values)
        return Outcome(index, "done", record.id, record.stamp)

    def _update(self, object: str, index: int, write: Write) -> Outcome:
        record = self.records.get(str(write.id))
        if record is None or not record.live:
            return Outcome(index, "refused", code="NOT_FOUND", reason="no such record")
        if (refused := self._dangling(object, write)) is not None:
            return replace(refused, index=index)
        if loops := [name for name in write.values if (write.key, name) in self.loops]:
            named = (loops[0],) if self.names_loops else ()
            return Outcome(index, "refused", code="LOOP", reason=f"loop in {loops[0]}", fields=named)
        there = self.by("email", write.values.get("email"), object)
        if there is not None and there.id != record.id:
            return Outcome(index, "conflict", there.id, code="TAKEN", reason="email")
        self.write(record, write.values, Who.OURS)
        return Outcome(index, "done", record.id, record.stamp)

    def _delete(self, object: str, index: int, write: Write) -> Outcome:
        record = self.records.get(str(write.id))
        if record is not None:
            for other, name in self._leading_to(record):
                if self.catalog.objects[other.object].fields[name].required:
                    return Outcome(index, "refused", code="REFERENCED", reason=f"{other.object} {other.id}")
            for other, name in self._leading_to(record):
                self.write(other, {name: None}, Who.AUTOMATION)
            record.live = False
            gone = (record.object, record.id)
            ends = {
                each: ((each.left_object, each.left), (each.right_object, each.right)) for each in self.linked
            }
            self.linked = {each for each, both in ends.items() if gone not in both}
        return Outcome(index, "done", write.id)

    def _leading_to(self, record: Record) -> list[tuple[Record, str]]:
        return [
            (other, name)
            for other in self.records.values()
            for name, one in self.catalog.objects[other.object].fields.items()
            if other.live and record.object in one.references and other.values.get(name) == record.id
        ]
