"""A small world for the transform's tests: catalogs, extracts and plans made by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from migrate.blobs import StoredBlobs
from migrate.catalog import Catalog, Field, LinkType, ObjectSchema, Option, Owner
from migrate.engine import Engine
from migrate.plan import Plan, load_plan
from migrate.stages.check import check
from migrate.stages.transform import transform
from migrate.stages.transform.ready import ObjectCounts
from migrate.store import Manifest, Store, generation_folder
from migrate.types import Kind, arrow_type

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


def day(number: int) -> datetime:
    """The n-th day of the tests' calendar."""
    return START + timedelta(days=number)


def fields(**kinds: Kind | Field) -> dict[str, Field]:
    """Fields by name, of a kind or as given."""
    return {
        name: kind
        if isinstance(kind, Field)
        else Field(name=name, label=name, kind=kind, vendor_type=str(kind))
        for name, kind in kinds.items()
    }


def of(name: str, kind: Kind = Kind.STRING, **more: Any) -> Field:
    """One field with more facts about it."""
    return Field(name=name, label=name, kind=kind, vendor_type=str(kind), **more)


_COMMON = {
    "Id": of("Id", nullable=False),
    "Stamp": of("Stamp", Kind.TIMESTAMP),
    "Created": of("Created", Kind.TIMESTAMP),
}
_KEYS = fields(
    migration_key=of("migration_key", unique=True, external_id=True), old_id=Kind.STRING, old_url=Kind.STRING
)

SOURCE = Catalog(
    type="handmade", tenant="T1", family="fam", api="1", discovered=START,
    objects={
        name: ObjectSchema(
            name=name, label=name, stamp="Stamp", created="Created", url=f"https://old.test/{name}/{{id}}",
            fields=_COMMON | extra,
        )
        for name, extra in {
            "Account": fields(
                Name=Kind.STRING, Website=Kind.STRING, Industry=Kind.PICKLIST, Tags=Kind.MULTIPICKLIST,
                Size=Kind.STRING, Revenue=of("Revenue", Kind.MONEY, precision=18, scale=2),
                Rate=of("Rate", Kind.DECIMAL, precision=18, scale=4), LastActivityDate=Kind.DATE,
                ParentId=of("ParentId", Kind.REFERENCE, references=("Account",)),
                OwnerId=of("OwnerId", Kind.REFERENCE, references=("User",), owner=True),
            ),
            "Contact": fields(
                Email=Kind.STRING, LastName=Kind.STRING, Phone=Kind.STRING,
                AccountId=of("AccountId", Kind.REFERENCE, references=("Account",)),
            ),
            "Deal": fields(
                Name=Kind.STRING, AccountId=of("AccountId", Kind.REFERENCE, references=("Account",)),
            ),
            "Role": fields(
                DealId=of("DealId", Kind.REFERENCE, references=("Deal",)),
                ContactId=of("ContactId", Kind.REFERENCE, references=("Contact",)), Role=Kind.PICKLIST,
            ),
        }.items()
    },
    owners=(
        Owner(id="U1", email="ann@x.test", name="Ann", active=True),
        Owner(id="U2", email="bob@x.test", name="Bob", active=False),
        Owner(id="U3", email="cat@x.test", name="Cat", active=True),
    ),
)  # fmt: skip

_INDUSTRIES = (Option(value="TECH", label="Technology"), Option(value="FOOD", label="Food"))
TARGET = Catalog(
    type="handmade", tenant="T2", family="new", api="1", discovered=START,
    objects={
        "companies": ObjectSchema(name="companies", label="Companies", stamp=None, fields=_KEYS | fields(
            name=of("name", length=20, required=True, held=("trim",)),
            domain=of("domain", held=("trim", "lower")),
            industry=of("industry", Kind.PICKLIST, options=_INDUSTRIES, restricted=True),
            tags=of("tags", Kind.MULTIPICKLIST, options=_INDUSTRIES), size=Kind.INT,
            revenue=of("revenue", Kind.MONEY, precision=18, scale=2),
            rate=of("rate", Kind.DECIMAL, precision=18, scale=2), note=Kind.TEXT,
            owner=of("owner", Kind.REFERENCE, owner=True), former_owner=Kind.STRING, parent_ref=Kind.STRING,
        )),
        "contacts": ObjectSchema(name="contacts", label="Contacts", stamp=None, fields=_KEYS | fields(
            email=of("email", unique=True, held=("trim", "lower")), lastname=Kind.STRING, phone=Kind.STRING,
        )),
        "deals": ObjectSchema(
            name="deals", label="Deals", stamp=None, fields=_KEYS | fields(dealname=Kind.STRING),
        ),
    },
    links=tuple(
        LinkType(left=left, right=right, label=label, wire=label)
        for left, right, label in (
            ("companies", "companies", "parent"), ("companies", "companies", "default"),
            ("contacts", "companies", "primary"), ("contacts", "companies", "default"),
            ("deals", "companies", "default"), ("deals", "contacts", "default"),
            ("deals", "contacts", "decider"),
        )
    ),
    owners=(
        Owner(id="501", email="ann@x.test", name="Ann"),
        Owner(id="502", email="ops@x.test", name="Ops"),
        Owner(id="503", email="cat@x.test", name="Cat", active=False),
    ),
)  # fmt: skip

HEAD = """\
version: 1
source: {system: old, type: salesforce, credentials: env:OLD_}
target: {system: new, type: hubspot, credentials: env:NEW_}
"""


@dataclass
class World:
    """A workspace's stage folder, and a plan beside it."""

    root: Path
    files: dict[str, str] = field(default_factory=dict)
    source: Catalog = SOURCE
    target: Catalog = TARGET

    @property
    def store(self) -> Store:
        return Store(self.root / "stage")

    def plan(self, objects: str, **more: str) -> Plan:
        """A plan of these objects; `more`: files beside it, by name with `_` for `.` (`owners_csv`)."""
        folder = self.root / "plan"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in more.items():
            (folder / name.replace("_", ".")).write_text(content)
        extra = "overrides: overrides.csv\n" if "overrides_csv" in more else ""
        (folder / "plan.yaml").write_text(
            HEAD + extra + "objects:\n" + textwrap.indent(textwrap.dedent(objects), "  ")
        )
        return load_plan(folder / "plan.yaml")

    def extract(self, object: str, rows: Iterable[Row], generation: int = 0) -> Manifest:
        """Publish extracted rows; `_id` is the row's `Id`."""
        schema = self.source.objects[object]
        types = [("_id", pa.string())] + [
            (name, arrow_type(each.kind, each.precision, each.scale)) for name, each in schema.fields.items()
        ]
        made = [{"_id": row["Id"], "Stamp": day(0), "Created": day(0)} | dict(row) for row in rows]
        return self.write(
            generation_folder("source", object, generation), pa.Table.from_pylist(made, pa.schema(types))
        )

    def delete(self, object: str, ids: Mapping[str, datetime], generation: int) -> Manifest:
        """Publish deletions: id to when."""
        schema = pa.schema([("_id", pa.string()), ("_at", pa.timestamp("us", tz="UTC"))])
        rows = [{"_id": id, "_at": at} for id, at in ids.items()]
        return self.write(
            generation_folder("source", object, generation) + "-deleted", pa.Table.from_pylist(rows, schema)
        )

    def snapshot(self, object: str, rows: Sequence[Row]) -> Manifest:
        """Publish what the target holds."""
        schema = self.target.objects[object]
        types = [(name, pa.string()) for name in ("_id", "_key", "_stamp", "_source")] + [
            (name, arrow_type(each.kind, each.precision, each.scale)) for name, each in schema.fields.items()
        ]
        return self.write(
            f"target/{object}/snapshot", pa.Table.from_pylist([dict(row) for row in rows], pa.schema(types))
        )

    def write(self, folder: str, table: pa.Table, part_rows: int = 50_000) -> Manifest:
        with self.store.writer(folder, table.schema, part_rows=part_rows) as writer:
            writer.write(table)
        stage, object, *_ = folder.split("/")
        return self.store.publish(Manifest(folder, stage, object, 0, table.num_rows, tuple(writer.parts)))

    def transform(
        self, plan: Plan, generation: int = 0, memory: str = "512MB", **more: Any
    ) -> dict[str, ObjectCounts]:
        with Engine(memory, self.root / "spill", folders=[self.root / "stage"]) as engine:
            checked = check(plan, self.source, self.target)
            return transform(
                checked=checked, plan=plan, source=self.source, target=self.target, store=self.store,
                generation=generation, engine=engine, blobs=StoredBlobs(self.root / "blobs"), **more,
            )  # fmt: skip

    def rows(self, stage: str, object: str, generation: int = 0) -> list[dict[str, Any]]:
        """An artifact's rows."""
        manifest = self.store.manifest(generation_folder(stage, object, generation))
        assert manifest is not None, f"{stage}/{object} hasn't been published"
        return [row for batch in self.store.read(manifest) for row in batch.to_pylist()]

    def digest(self, stage: str, object: str, generation: int = 0) -> str:
        manifest = self.store.manifest(generation_folder(stage, object, generation))
        assert manifest is not None
        return manifest.digest()


def money(text: str) -> Decimal:
    return Decimal(text)
