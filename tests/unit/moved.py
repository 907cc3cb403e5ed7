# ruff: noqa: E501 - rows of fixtures are read across
"""A small migration that has been moved: artifacts and journal by hand, the target a dict that behaves.

Three companies with a parent and an adopted one, three contacts (two of them one), three deals with money;
one deal was rejected. `Moved.target.records` may be edited to plant a fault; `results()` then runs the checks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from migrate_validators.evidence import Evidence
from migrate_validators.model import Result
from migrate_validators.report import Report
from migrate_validators.run import Scope, checks, chosen_checks, conclude, run

from migrate.catalog import Catalog, Field, ObjectSchema, Option, Owner
from migrate.clock import stamp
from migrate.connector import (
    Answer,
    Held,
    Limits,
    Link,
    Page,
    Query,
    Question,
    Rights,
    Version,
)
from migrate.engine import Engine
from migrate.errors import SystemRefused
from migrate.journal.entry import schema as journal_schema
from migrate.ledger import Ledger
from migrate.ledger.people import handed_out, standing_answers
from migrate.ledger.validations import begin_validation, last_validation
from migrate.plan import load_plan
from migrate.storage import FolderStorage
from migrate.store import Manifest, Store
from migrate.types import Kind, arrow_type
from tests.unit.totals import answered

AT = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
STAMP = "2026-03-14T12:00:00.000Z"

PLAN = """
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_"}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
objects:
  - source: Account
    target: companies
    key: {field: migration_key, old_id: old_id}
    match: [domain]
    fields:
      name: Name
      domain: lower(Website)
      industry: {from: Industry, picklist: picklists/industry.csv, wins: source}
      phone: {from: Phone, wins: longest}
    links:
      - {to: companies, via: ParentId, label: parent}
  - source: Contact
    target: contacts
    key: {field: migration_key, old_id: old_id}
    dedupe: {on: [lower(Email)]}
    fields:
      email: lower(Email)
    links:
      - {to: companies, via: AccountId, label: primary}
  - source: Opportunity
    target: deals
    key: {field: migration_key, old_id: old_id}
    fields:
      dealname: Name
      amount: Amount
      closedate: CloseDate
      dealstage: {from: StageName, picklist: picklists/stage.csv}
"""


def _field(name: str, kind: Kind = Kind.STRING, **more: Any) -> Field:
    held = ("trim", "empty_is_null") if kind is Kind.STRING else ()
    return Field(name=name, label=name, kind=kind, vendor_type=kind.value, **{"held": held, **more})


def _schema(name: str, *fields: Field, **more: Any) -> ObjectSchema:
    return ObjectSchema(name=name, label=name, fields={each.name: each for each in fields}, **more)


def _options(*pairs: str) -> tuple[Option, ...]:
    return tuple(Option(value=one.partition("=")[0], label=one.partition("=")[2] or one) for one in pairs)


KEYED = (_field("migration_key", unique=True), _field("old_id"))
SOURCE = Catalog(
    type="salesforce", tenant="00D", family="sf", api="v67", discovered=AT,
    objects={
        "Account": _schema("Account", _field("Name"), _field("Website"), _field("Industry", Kind.PICKLIST),
                           _field("Phone"), _field("ParentId", Kind.REFERENCE),
                           url="https://old.example.com/Account/{id}", short_id=1,
                           urls=("https://classic.example.com/old/Account/{id}", "https://old.example.com/{id}")),
        "Contact": _schema("Contact", _field("Email"), _field("AccountId", Kind.REFERENCE),
                           url="https://old.example.com/Contact/{id}"),
        "Opportunity": _schema("Opportunity", _field("Name"), _field("Amount", Kind.MONEY, precision=18, scale=2),
                               _field("CloseDate", Kind.DATE), _field("StageName", Kind.PICKLIST)),
    },
)  # fmt: skip
TARGET = Catalog(
    type="hubspot", tenant="4471", family="hs", api="2026-03", currency="EUR", discovered=AT,
    owners=(Owner(id="7", email="ada@example.com", name="Ada"),),
    objects={
        "companies": _schema(
            "companies", *KEYED, _field("name"), _field("phone"), _field("city"),
            _field("domain", held=("trim", "lower", "empty_is_null")),
            _field("industry", Kind.PICKLIST, options=_options("TECH=Technology", "AGRI=Agriculture")),
            stamp=None, url="https://app.example.com/companies/{id}",
        ),
        "contacts": _schema("contacts", *KEYED, _field("email"), url="https://app.example.com/contacts/{id}"),
        "deals": _schema(
            "deals", *KEYED, _field("dealname"), _field("amount", Kind.MONEY, precision=18, scale=2),
            _field("closedate", Kind.DATE),
            _field("dealstage", Kind.PICKLIST, options=(
                Option(value="1", label="Won", parent="p"), Option(value="2", label="Lost", parent="p"))),
        ),
    },
)  # fmt: skip


class Clock:
    """Stands still; remembers how long it was asked to wait."""

    speed = 1.0

    def __init__(self) -> None:
        self.slept, self.at = 0.0, AT

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@dataclass
class Target:
    """A target system as checks see it. `records[object][id]`: wire values. `writers`: last author of a field."""

    records: dict[str, dict[str, dict[str, str | None]]]
    joined: set[Link]
    writers: dict[tuple[str, str], Version] = field(default_factory=dict)
    late: dict[tuple[str, str], str] = field(default_factory=dict)  # (id, field) -> value after it settled
    limits: Limits = field(default_factory=lambda: Limits(100, 100, 100, 2, None, 1, 2.0, settle=5.0))
    automatic: set[Link] = field(default_factory=set)
    extras: tuple[str, ...] = ("_source",)
    sources: dict[str, str] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)  # ids that a listing leaves out
    reads: Counter[str] = field(default_factory=Counter)  # of whole objects

    def now(self) -> datetime:
        return AT

    catalog: Catalog = TARGET  # as it is now
    lacking: tuple[str, ...] = ()
    refuses: str = ""  # why it answers no totals

    def discover(self) -> Catalog:
        return self.catalog

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        assert objects
        assert not write
        return Rights("new user", (), self.lacking, ())

    def count(self, query: Query) -> int:
        return len(self.records[query.object])

    def totals(self, question: Question) -> Answer:
        rows = [{"_id": id, **row} for id, row in self.records[question.object].items()]
        return answered(rows, question, self.refuses)

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        assert after is None
        self.reads[query.object] += 1
        schema = TARGET.objects[query.object]
        rows = [row for row in self.records[query.object].items() if row[0] not in self.unlisted]
        for start in range(0, len(rows), 2):
            lot = rows[start : start + 2]
            arrays = [pa.array([id for id, _ in lot])]
            for name in query.fields:
                if name == "_source":
                    arrays.append(pa.array([self.sources.get(id, "ours") for id, _ in lot]))
                    continue
                kind = arrow_type(
                    schema.fields[name].kind, schema.fields[name].precision, schema.fields[name].scale
                )
                arrays.append(pa.array([typed(schema.fields[name], row.get(name)) for _, row in lot], kind))
            yield Page(pa.RecordBatch.from_arrays(arrays, ["_id", *query.fields]), str(start))

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:  # noqa: ARG002
        return [{k: None if v is None else str(v) for k, v in row.items()} for row in batch.to_pylist()]

    def read_back(
        self,
        object: str,
        fields: Sequence[str],
        *,
        ids: Sequence[str] = (),
        keys: Sequence[str] = (),  # noqa: ARG002
    ) -> list[Held]:
        found = []
        for id in ids:
            if id in self.records[object]:
                row = self.records[object][id]
                values = {name: self.late.get((id, name), row.get(name)) for name in fields}
                found.append(Held(id, id, values, STAMP))
        return found

    def read_links(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        return sorted(
            (
                one
                for one in self.joined
                if (one.left_object, one.right_object) == (left, right) and one.left in ids
            ),
            key=repr,
        )

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:  # noqa: ARG002
        return {
            id: [one for (of, name), one in self.writers.items() if of == id and name in fields] for id in ids
        }

    def made_by_automation(self, links: Sequence[Link]) -> set[Link]:
        return self.automatic & set(links)


@dataclass
class Legacy:
    """The source as it is now. `rows[object]`: the live records, with their `_id`."""

    rows: dict[str, list[dict[str, Any]]]
    catalog: Catalog = SOURCE
    lacking: tuple[str, ...] = ()
    refuses: str = ""
    closed: bool = False

    def discover(self) -> Catalog:
        return self.catalog

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        assert objects
        assert not write
        return Rights("old user", (), self.lacking, ())

    def count(self, query: Query) -> int:
        return len(self.rows[query.object])

    def totals(self, question: Question) -> Answer:
        return answered(self.rows[question.object], question, self.refuses)

    def close(self) -> None:
        self.closed = True


def typed(field: Field, value: str | None) -> Any:
    if value is None:
        return None
    if field.kind is Kind.MONEY:
        return Decimal(value)
    return date.fromisoformat(value) if field.kind is Kind.DATE else value


def publish(
    store: Store, folder: str, rows: list[dict[str, Any]], schema: pa.Schema, **facts: Any
) -> Manifest:
    store.discard(folder)
    with store.writer(folder, schema) as writer:
        if rows:
            writer.write(pa.Table.from_pylist(rows, schema=schema))
    stage, object, *rest = folder.split("/")
    number = int(rest[0].removeprefix("g")) if rest and rest[0].startswith("g") else 0
    return store.publish(Manifest(folder, stage, object, number, len(rows), tuple(writer.parts), facts=facts))


def texts(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.bool_() if name == "_deleted" else pa.string()) for name in names])


def typed_schema(catalog: Catalog, object: str, names: Sequence[str]) -> pa.Schema:
    fields = catalog.objects[object].fields
    return pa.schema(
        [(name, arrow_type(fields[name].kind, fields[name].precision, fields[name].scale)) for name in names]
    )


@dataclass
class Moved:
    """Everything that a validation needs, in a folder."""

    root: Path
    store: Store
    engine: Engine
    target: Target
    clock: Clock
    journal: list[dict[str, Any]]
    baseline: dict[str, str] = field(default_factory=dict)
    source: Legacy | None = None
    catalog: Catalog = SOURCE  # of the source, as discovered

    def evidence(self) -> Evidence:
        path = self.root / "journal.parquet"
        rows = [{"attempt": 1, "epoch": 1, "seq": seq, **row} for seq, row in enumerate(self.journal, 1)]
        rows = [row | {side: list(row.get(side, {}).items()) for side in ("before", "after")} for row in rows]
        pq.write_table(pa.Table.from_pylist(rows, schema=journal_schema()), path)
        return Evidence(
            plan=load_plan(self.root / "plan.yaml"), source=self.catalog, target=TARGET, store=self.store,
            engine=self.engine, journal=f"read_parquet('{path}')", connector=self.target,  # type: ignore[arg-type]
            clock=self.clock, folder=FolderStorage(self.root / "report"), baseline=self.baseline,
            sheets=handed_out(self.ledger, 1), reported=standing_answers(self.ledger, 1),
            open_source=self._source,  # type: ignore[arg-type]
        )  # fmt: skip

    def _source(self) -> Legacy:
        if self.source is None:
            raise SystemRefused("legacy", "it is switched off")
        return self.source

    def results(self, *names: str) -> dict[str, Result]:
        """Run these checks (default: all) and give their results by id."""
        known = checks()
        evidence = self.evidence()
        try:
            found = run(evidence, {name: known[name] for name in names or known})
        finally:
            evidence.close()
        return {result.id: result for result in found}

    @cached_property
    def ledger(self) -> Ledger:
        """A ledger of its own, in its first attempt."""
        return Ledger(self.root / "ledger.db", self.clock)

    def report(self, *only: str, unmask: bool = False) -> Report:
        """Run the checks (default: all) and write the report as `validate` does."""
        evidence, scope = self.evidence(), Scope(only=only)
        former = last_validation(self.ledger)
        reports, name = FolderStorage(self.root / "reports"), f"{former.number if former else 0:03}"
        evidence.folder = reports.below(name)
        number = begin_validation(
            self.ledger, attempt=1, folder=name, started=stamp(self.clock.at), part=scope.part
        )
        try:
            results = run(evidence, chosen_checks(only))
            return conclude(
                evidence, results, ledger=self.ledger, reports=reports, name=name, number=number,
                started=self.clock.at, scope=scope, unmask=unmask,
            )  # fmt: skip
        finally:
            evidence.close()

    def letter(self, kind: str, key: str, reason: str) -> None:
        """The target refused this."""
        self.journal.append(
            {
                "batch": "b",
                "object": "",
                "kind": kind,
                "key": key,
                "op": "create",
                "outcome": "refused",
                "reason": reason,
            }
        )


def moved(root: Path) -> Moved:
    """A migration of which everything arrived but one rejected deal."""
    (root / "picklists").mkdir(parents=True)
    (root / "plan.yaml").write_text(PLAN)
    (root / "picklists" / "industry.csv").write_text(
        "source,count,target,note\nTech,2,Technology,\nFarm,1,AGRI,\n"
    )
    (root / "picklists" / "stage.csv").write_text(
        "source,count,target,note\nClosed Won,2,Won,\nGone,1,Lost,\n"
    )
    store = Store(root / "stage")
    companies = {
        "101": ("A1", "Acme", "acme.example", "TECH", "12345"),
        "102": ("A2", "Bolt", "bolt.example", "AGRI", "22"),
        "55": ("A3", "Curie & Co", "curie.example", "TECH", "+49 30 1"),  # adopted; its own name stays
    }
    source: list[dict[str, Any]] = [
        {
            "_id": "A1",
            "Name": "Acme",
            "Website": "acme.example",
            "Industry": "Tech",
            "Phone": "12345",
            "ParentId": None,
        },
        {
            "_id": "A2",
            "Name": "Bolt",
            "Website": "BOLT.example",
            "Industry": "Farm",
            "Phone": "22",
            "ParentId": "A1",
        },
        {
            "_id": "A3",
            "Name": "Curie",
            "Website": "curie.example",
            "Industry": "Tech",
            "Phone": "+49 30 1",
            "ParentId": None,
        },
    ]
    _object(store, "Account", "companies", source, [
        {"name": row["Name"], "domain": str(row["Website"]).lower(), "phone": row["Phone"],
         "industry": {"Tech": "TECH", "Farm": "AGRI"}[str(row["Industry"])]} for row in source
    ])  # fmt: skip
    people = [
        {"_id": "C1", "Email": "Ada@x.example", "AccountId": "A1"},
        {"_id": "C2", "Email": "ada@x.example", "AccountId": "A1"},
        {"_id": "C3", "Email": "bo@x.example", "AccountId": "A2"},
    ]
    _object(store, "Contact", "contacts", people, [{"email": "ada@x.example"}, None, {"email": "bo@x.example"}],
            merged=[{"_key": "sf.Contact.C2", "_source_id": "C2", "survivor": "sf.Contact.C1", "reason": "dedupe"}])  # fmt: skip
    deals = [
        {
            "_id": "D1",
            "Name": "One",
            "Amount": Decimal("100.10"),
            "CloseDate": date(2026, 1, 5),
            "StageName": "Closed Won",
        },
        {
            "_id": "D2",
            "Name": "Two",
            "Amount": Decimal("0.20"),
            "CloseDate": date(2026, 2, 5),
            "StageName": "Gone",
        },
        {
            "_id": "D3",
            "Name": "Three",
            "Amount": Decimal("61.30"),
            "CloseDate": None,
            "StageName": "Verbal OK",
        },
    ]
    _object(store, "Opportunity", "deals", deals, [
        {"dealname": "One", "amount": Decimal("100.10"), "closedate": date(2026, 1, 5), "dealstage": "1"},
        {"dealname": "Two", "amount": Decimal("0.20"), "closedate": date(2026, 2, 5), "dealstage": "2"},
        None,
    ], rejects=[{"_key": "sf.Opportunity.D3", "_source_id": "D3", "field": "dealstage", "reason": "unmapped_picklist",
                 "value": "Verbal OK", "detail": ""}])  # fmt: skip
    _links(store, "Account.0", [("sf.Account.A2", "sf.Account.A1", "parent")], "companies")
    _links(store, "Contact.0", [("sf.Contact.C1", "sf.Account.A1", "primary"),
                                ("sf.Contact.C3", "sf.Account.A2", "primary")], "contacts")  # fmt: skip
    records: dict[str, dict[str, dict[str, str | None]]] = {
        "companies": {
            id: {"migration_key": f"sf.Account.{old}", "old_id": old, "name": name, "domain": domain,
                 "industry": industry, "phone": phone}
            for id, (old, name, domain, industry, phone) in companies.items()
        },
        "contacts": {
            "201": {"migration_key": "sf.Contact.C1", "old_id": "C1", "email": "ada@x.example"},
            "203": {"migration_key": "sf.Contact.C3", "old_id": "C3", "email": "bo@x.example"},
        },
        "deals": {
            "301": {"migration_key": "sf.Opportunity.D1", "old_id": "D1", "dealname": "One", "amount": "100.10",
                    "closedate": "2026-01-05", "dealstage": "1"},
            "302": {"migration_key": "sf.Opportunity.D2", "old_id": "D2", "dealname": "Two", "amount": "0.20",
                    "closedate": "2026-02-05", "dealstage": "2"},
        },
    }  # fmt: skip
    records["companies"]["9"] = {"name": "Someone else's"}
    records["companies"]["55"]["city"] = "Ulm"  # theirs, and the plan doesn't map it
    publish(
        store,
        "baseline/companies",
        [
            {"_id": "9", "name": "Someone else's"},
            {"_id": "55", "name": "Curie & Co", "domain": "curie.example", "phone": "0", "city": "Ulm"},
        ],
        texts("_id", "_key", "_stamp", "_source", "migration_key", "name", "domain", "phone", "city"),
    )
    journal: list[dict[str, Any]] = []
    for object, rows in records.items():
        for id, row in rows.items():
            if "migration_key" not in row:
                continue
            op = "adopt" if id == "55" else "create"
            before = {"name": "Curie & Co", "domain": "curie.example", "phone": "0"} if op == "adopt" else {}
            journal.append(
                {"batch": "b", "object": object, "kind": "record", "key": row["migration_key"], "target_id": id,
                 "op": op, "outcome": "done", "before": before, "after": row, "reason": "", "stamp": STAMP,
                 "version": "2026-03-01T00:00:00.000000Z"}
            )  # fmt: skip
    links = {
        Link("companies", "102", "companies", "101", "parent"),
        Link("contacts", "201", "companies", "101", "primary"),
        Link("contacts", "203", "companies", "102", "primary"),
    }
    keys = {
        str(id): row["migration_key"] for rows in records.values() for id, row in rows.items() if len(row) > 1
    }
    for link in sorted(links, key=repr):
        journal.append(
            {"batch": "l", "object": f"{link.left_object}>{link.right_object}", "kind": "link",
             "key": f"{keys[link.left]}>{keys[link.right]}>{link.label}", "left": link.left, "right": link.right,
             "label": link.label, "op": "link", "outcome": "done", "was_there": False, "reason": ""}
        )  # fmt: skip
    target = Target(records, links | {Link("companies", "101", "companies", "102", "child")})
    engine = Engine(folders=[root], threads=1)
    legacy = Legacy({"Account": source, "Contact": people, "Opportunity": deals})
    return Moved(root, store, engine, target, Clock(), journal, {"companies": "baseline/companies"}, legacy)


def _object(
    store: Store,
    source: str,
    target: str,
    rows: list[dict[str, Any]],
    ready: list[dict[str, Any] | None],
    *,
    merged: Sequence[dict[str, Any]] = (),
    rejects: Sequence[dict[str, Any]] = (),
) -> None:
    names = [name for name in rows[0] if name != "_id"]
    schema = pa.schema([("_id", pa.string()), *typed_schema(SOURCE, source, names)])
    publish(store, f"source/{source}/g0000", rows, schema, counted=len(rows))
    staged = []
    for row, values in zip(rows, ready, strict=True):
        if values is not None:
            key = f"sf.{source}.{row['_id']}"
            staged.append(
                {"_key": key, "_source_id": row["_id"], "_version": AT, "_deleted": False,
                 "migration_key": key, "old_id": row["_id"], **values}
            )  # fmt: skip
    fields = [name for name in staged[0] if not name.startswith("_")]
    ours = [("_key", pa.string()), ("_source_id", pa.string()), ("_version", pa.timestamp("us", "UTC")),
            ("_target_id", pa.string()), ("_deleted", pa.bool_())]  # fmt: skip
    publish(store, f"ready/{source}/g0000", staged, pa.schema([*ours, *typed_schema(TARGET, target, fields)]))
    publish(store, f"merged/{source}/g0000", list(merged), texts("_key", "_source_id", "survivor", "reason"))
    publish(store, f"skipped/{source}/g0000", [], texts("_key", "_source_id", "reason"))
    publish(store, f"rejects/{source}/g0000", list(rejects),
            texts("_key", "_source_id", "field", "reason", "value", "detail"))  # fmt: skip


def _links(store: Store, name: str, pairs: list[tuple[str, str, str]], left_object: str) -> None:
    rows = [
        {"left": left, "right": right, "left_object": left_object, "right_object": "companies", "label": label,
         "missing": "link", "source_id": "", "_deleted": False}
        for left, right, label in pairs
    ]  # fmt: skip
    schema = texts(
        "left", "right", "left_object", "right_object", "label", "missing", "source_id", "_deleted"
    )
    publish(
        store,
        f"links/{name}/g0000",
        rows,
        schema,
        found=len(rows),
        staged=len(rows),
        skipped=0,
        folded=0,
        rejected=0,
    )


def told(result: Result) -> str:
    """A result in one text, for messages of failing tests."""
    return json.dumps(
        {"verdict": result.verdict, "summary": result.summary, "sample": result.sample}, default=str
    )
