# ruff: noqa: E501 - catalogs are read across
"""Two small systems and a workspace between them: every stage runs, in memory and in no time.

The source is a table of rows by object, the target the fake one, with faults to order. Objects refer to each
other: companies to a parent and a main contact (a circle with contacts), calls and files to several.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from migrate_rollback import rolling
from migrate_validators.run import validate

from migrate.catalog import Catalog, Field, LinkType, ObjectSchema
from migrate.clock import Clock
from migrate.connector import Answer, Limits, Page, Query, Question, Rights, Source, Target
from migrate.engine import Engine
from migrate.stages.discover import discover
from migrate.stages.extract import arrow_schema, extract
from migrate.stages.load import Loaded, load
from migrate.stages.pipeline import transform
from migrate.types import Kind
from migrate.workspace import Workspace
from tests.unit.bench import HandClock
from tests.unit.fake_target import FakeTarget, Fault, Killed, Record
from tests.unit.totals import answered

AT = datetime(2026, 1, 1, tzinfo=UTC)


def field(name: str, kind: Kind = Kind.STRING, **more: Any) -> Field:
    return Field(name=name, label=name, kind=kind, vendor_type=kind.value, **more)


def to(name: str, *objects: str, **more: Any) -> Field:
    """A reference."""
    return field(name, Kind.REFERENCE, references=objects, **more)


def objects(url: str, **found: Sequence[Field]) -> dict[str, ObjectSchema]:
    return {
        name: ObjectSchema(
            name=name, label=name, fields={each.name: each for each in fields}, url=f"{url}/{name}/{{id}}",
            url_field="url" if name == "files" else None, stamp="Stamp" if any(each.name == "Stamp" for each in fields) else None,
        )
        for name, fields in found.items()
    }  # fmt: skip


_STAMPED = (field("Id"), field("Stamp", Kind.TIMESTAMP))
SOURCE = Catalog(
    type="salesforce", tenant="S", family="src", api="1", discovered=AT,
    objects=objects(
        "https://old.test",
        Account=[*_STAMPED, field("Name"), to("ParentId", "Account"), to("MainId", "Contact"), field("Note", Kind.TEXT)],
        Contact=[*_STAMPED, field("LastName"), field("Email"), to("AccountId", "Account"), field("Bio", Kind.TEXT)],
        Task=[*_STAMPED, field("Subject"), field("Type"), to("WhatId", "Account", "Contact"), field("Body", Kind.TEXT)],
        File=[*_STAMPED, field("Name"), to("ParentId", "Account", "Contact", "Task")],
    ),
)  # fmt: skip
_HELD = ("trim", "empty_is_null")
_KEYED = (field("migration_key", unique=True, external_id=True), field("name", held=_HELD))
TARGET = Catalog(
    type="hubspot", tenant="T", family="tgt", api="1", discovered=AT,
    objects=objects(
        "https://new.test",
        companies=[*_KEYED, to("parent", "companies"), to("main", "contacts"), field("note", Kind.TEXT, held=_HELD),
                   field("file_ids", Kind.MULTIPICKLIST)],
        contacts=[*_KEYED, field("email", unique=True), to("company", "companies"), field("bio", Kind.TEXT, held=_HELD)],
        calls=[*_KEYED, to("about", "companies", "contacts"), field("file_ids", Kind.MULTIPICKLIST), field("file_list"),
               field("body", Kind.TEXT, held=_HELD)],
        tasks=[*_KEYED, to("about", "companies", "contacts"), field("body", Kind.TEXT, held=_HELD)],
        files=[*_KEYED, to("of", "companies", "contacts", "calls"), field("url"), field("document")],
        seats=[*_KEYED, to("holder", "contacts", required=True)],
    ),
    links=(LinkType(left="contacts", right="companies", label="default", wire="1"),),
)  # fmt: skip
HEAD = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_"}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
objects:
"""


class Rows:
    """A source of rows; `touch` and `delete` are a user's work, seen by the next delta."""

    type, system = "salesforce", "old"

    def __init__(self, clock: HandClock, catalog: Catalog = SOURCE) -> None:
        self.clock: Clock = clock
        self.catalog = catalog
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in catalog.objects}
        self.gone: list[tuple[str, str, datetime]] = []

    def put(self, object: str, id: str, **values: Any) -> None:
        """A new record, or new values of one."""
        self.clock.sleep(60)
        row = self.rows[object].setdefault(id, {"Id": id})
        row |= values | {"Stamp": self.clock.now()}

    def delete(self, object: str, id: str) -> None:
        self.clock.sleep(60)
        del self.rows[object][id]
        self.gone.append((object, id, self.clock.now()))

    @property
    def limits(self) -> Limits:
        return Limits(10, 100, 10, 100, None, 1, 1.0)

    def discover(self) -> Catalog:
        return self.catalog

    def totals(self, question: Question) -> Answer:
        return answered(self.rows[question.object].values(), question)

    def tenant(self) -> str:
        return self.catalog.tenant

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:  # noqa: ARG002 - the protocol's
        return Rights("fake", (), (), ())

    def now(self) -> datetime:
        return self.clock.now()

    def close(self) -> None:
        """Nothing is open."""

    def _wanted(self, query: Query) -> list[dict[str, Any]]:
        since = query.since or AT - timedelta(days=1)
        return [row for row in self.rows[query.object].values() if row["Stamp"] >= since]

    def count(self, query: Query) -> int:
        return len(self._wanted(query))

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:  # noqa: ARG002 - one page is all
        if query.deleted:
            gone = [
                (id, at)
                for object, id, at in self.gone
                if object == query.object and query.since and at >= query.since
            ]
            columns = {
                "_id": [id for id, _ in gone],
                "_at": pa.array([at for _, at in gone], pa.timestamp("us", "UTC")),
            }
            yield Page(pa.RecordBatch.from_pydict(columns), None)
            return
        rows = [{"_id": row["Id"], **row} for row in self._wanted(query)]
        schema = arrow_schema(self.catalog.objects[query.object], query.fields)
        yield Page(pa.RecordBatch.from_pylist(rows, schema), None)


class _Between(Workspace):
    """A workspace whose systems are at hand."""

    def __init__(self, root: Path, source: Rows, target: FakeTarget, engine: Engine) -> None:
        super().__init__(root, {})
        self._systems = {"source": source, "target": target}
        self.__dict__ |= {"clock": source.clock, "engine": engine}

    def connector(self, role: Any) -> Any:
        return self._systems[role]

    def source(self) -> Source:
        return cast("Source", self._systems["source"])

    def target(self) -> Target:
        return cast("Target", self._systems["target"])


class Move:
    """One migration. Each command is a process of its own: nothing but the files is kept between them."""

    def __init__(
        self, root: Path, engine: Engine, plan: str, *, faults: Sequence[Fault] = (), seed: int = 0
    ) -> None:
        self.root, self.engine = root, engine
        self.clock = HandClock()
        self.source = Rows(self.clock)
        self.target = FakeTarget(self.clock, faults, seed=seed, catalog=TARGET)
        root.mkdir(parents=True, exist_ok=True)
        self.plan(plan)
        discover(self.workspace)

    def plan(self, text: str) -> None:
        """Write the plan's entries."""
        (self.root / "plan.yaml").write_text(HEAD + textwrap.indent(textwrap.dedent(text), "  "))

    @property
    def workspace(self) -> Workspace:
        """The workspace as a new process finds it."""
        return _Between(self.root, self.source, self.target, self.engine)

    def stage(self, *, delta: bool = False) -> dict[str, Any]:
        """Extract (what changed since) and transform."""
        extract(self.workspace, since_watermark=delta)
        return dict(transform(self.workspace))

    def load(self, **more: Any) -> Loaded:
        return load(self.workspace, **more)

    def load_through(self, tries: int = 200) -> Loaded:
        """Load again and again, as often as it is killed."""
        for _ in range(tries):
            with suppress(Killed):
                return self.load()
        raise AssertionError("never came to its end")

    def move(self, *, delta: bool = False) -> Loaded:
        self.stage(delta=delta)
        return self.load()

    def validate(self) -> dict[str, Mapping[str, Any]]:
        """The report's results by id."""
        report = validate(self.workspace)
        return {str(each["id"]): each for each in report.results}

    def roll_back(self) -> Any:
        return rolling.run(self.workspace)

    def roll_back_through(self, tries: int = 200) -> Any:
        """Roll back again and again, as often as it is killed."""
        for _ in range(tries):
            with suppress(Killed):
                return self.roll_back()
        raise AssertionError("never came to its end")

    def key(self, entry: str, id: str) -> str:
        source, tilde, part = entry.partition("~")
        return f"src.{source}.{id}{tilde}{part}"

    def there(self, entry: str, id: str) -> Record:
        """The one live record of a source record."""
        found = [
            record
            for record in self.target.records.values()
            if record.live and record.values.get("migration_key") == self.key(entry, id)
        ]
        assert len(found) == 1, f"{len(found)} records of {entry} {id}"
        return found[0]

    def artifact(self, folder: str) -> list[dict[str, Any]]:
        """The rows of a published artifact."""
        store = self.workspace.store
        manifest = store.manifest(folder)
        assert manifest is not None, f"{folder} isn't there"
        return [row for batch in store.read(manifest) for row in batch.to_pylist()]
