"""A small load against a sandbox's HubSpot, with ready rows staged by hand, for tests that attack it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.ledger.tables import systems
from migrate.plan import load_plan
from migrate.sandbox.server import Running, launch
from migrate.stages.discover import discover
from migrate.stages.load import Loaded, load
from migrate.stages.prepare import prepare
from migrate.store import Manifest
from migrate.types import Kind
from migrate.workspace import Workspace

SPEED = 20.0
TOKEN = "pat-na1-sandbox"
START = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = {"Account": ("name", "domain"), "Contact": ("email", "lastname")}
TARGETS = {"Account": "companies", "Contact": "contacts"}
PLAN = """\
version: 1
source: {{system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox, longest_call: 2}}
target:
  {{system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 2,
    concurrency: {flight}}}
calendar: {{fiscal_year_start: 1, zone: UTC}}
objects:
  - source: Account
    target: companies
    key: {{field: migration_key}}
    fields: {{name: Name, domain: Website}}
  - source: Contact
    target: contacts
    key: {{field: migration_key}}
    fields: {{email: Email, lastname: LastName}}
    links:
      - {{to: companies, via: AccountId, label: {label}, missing: {missing}}}
cutover: {{window: 10 working days}}
"""


def key(object: str, number: int) -> str:
    """The migration key of the n-th record."""
    return f"sfT.{object}.{number:018d}"


class Rig:
    """A workspace, a HubSpot sandbox, and rows by hand."""

    def __init__(self, root: Path, hubspot: Running, *, missing: str = "link", label: str = "default",
                 flight: int = 4) -> None:  # fmt: skip
        self.root, self.hubspot = root, hubspot
        root.mkdir(parents=True, exist_ok=True)
        (root / "plan.yaml").write_text(PLAN.format(missing=missing, label=label, flight=flight))
        environment = {
            "LEGACY_INSTANCE_URL": hubspot.url, "LEGACY_CLIENT_ID": "a", "LEGACY_CLIENT_SECRET": "b",
            "NEW_TOKEN": TOKEN, "NEW_BASE_URL": hubspot.url,
        }  # fmt: skip
        self.environment = environment
        self.workspace = Workspace(root, environment)
        self._bind_source()
        discover(self.workspace, ("target",))
        prepare(self.workspace)
        self.again()

    def again(self) -> Workspace:
        """A new process's view of the same workspace."""
        self.workspace.close()
        self.workspace = Workspace(self.root, self.environment)
        return self.workspace

    def _bind_source(self) -> None:
        def of(name: str, kind: Kind = Kind.STRING) -> Field:
            return Field(name=name, label=name, kind=kind, vendor_type=str(kind))

        catalog = Catalog(
            type="salesforce", tenant="T", family="sfT", api="1", discovered=START,
            objects={
                name: ObjectSchema(name=name, label=name, fields={each: of(each) for each in names})
                for name, names in {
                    "Account": ("Id", "Name", "Website"), "Contact": ("Id", "Email", "LastName", "AccountId"),
                }.items()
            },
        )  # fmt: skip
        digest = self.workspace.keep_catalog("legacy", catalog)
        with self.workspace.ledger.write() as tx:
            tx.put(systems, label="legacy", role="source", type="salesforce", tenant="T", family="sfT",
                   catalog=digest, at=tx.at)  # fmt: skip

    # -- staging ------------------------------------------------------------------------------

    def ready(self, object: str, generation: int, rows: Sequence[Mapping[str, Any]],
              full: Sequence[int] | None = None) -> None:  # fmt: skip
        """Stage rows: `n` (number), fields, `version` (days), `adopt` (target id), `deleted`.

        Args:
            full: the numbers that are in the whole state; by default those of these rows.
        """
        names = FIELDS[object]
        texts = [*names, "migration_key"]
        schema = pa.schema(
            [("_key", pa.string()), ("_source_id", pa.string()), ("_version", pa.timestamp("us", "UTC")),
             ("_target_id", pa.string()), ("_deleted", pa.bool_()), ("_hash", pa.string()),
             *((name, pa.string()) for name in texts)]
        )  # fmt: skip
        table = pa.Table.from_pylist(
            [
                {"_key": key(object, row["n"]), "_source_id": f"{row['n']:018d}",
                 "_version": START + timedelta(days=row.get("version", generation)),
                 "_target_id": row.get("adopt"), "_deleted": row.get("deleted", False),
                 "_hash": json.dumps(row, default=str),
                 "migration_key": None if row.get("deleted") else key(object, row["n"]),
                 **{name: row.get(name) for name in names}}
                for row in rows
            ],
            schema=schema,
        )  # fmt: skip
        self._publish("ready", object, generation, table)
        whole = [row["n"] for row in rows if not row.get("deleted")] if full is None else full
        keys = pa.table({"_key": [key(object, n) for n in whole], "_hash": ["" for _ in whole]},
                        schema=pa.schema([("_key", pa.string()), ("_hash", pa.string())]))  # fmt: skip
        self._publish("full", object, generation, keys)

    def links(
        self, generation: int, rows: Sequence[tuple[int, int, str, bool]], missing: str = "link"
    ) -> None:
        """Stage links of contacts to accounts: (contact, account, label, deleted)."""
        schema = pa.schema(
            [("left", pa.string()), ("right", pa.string()), ("left_object", pa.string()),
             ("right_object", pa.string()), ("label", pa.string()), ("missing", pa.string()),
             ("source_id", pa.string()), ("_deleted", pa.bool_())]
        )  # fmt: skip
        table = pa.Table.from_pylist(
            [
                {"left": key("Contact", one), "right": key("Account", other), "left_object": "contacts",
                 "right_object": "companies", "label": label, "missing": missing, "source_id": "",
                 "_deleted": gone}
                for one, other, label, gone in rows
            ],
            schema=schema,
        )  # fmt: skip
        self._publish("links", "Contact.0", generation, table)

    def _publish(self, stage: str, object: str, generation: int, table: pa.Table) -> None:
        store = self.workspace.store
        folder = f"{stage}/{object}/g{generation:04d}"
        store.discard(folder)
        with store.writer(folder, table.schema) as writer:
            if table.num_rows:
                writer.write(table)
        facts = {"plan": load_plan(self.workspace.plan_path).digest}
        store.publish(
            Manifest(folder, stage, object, generation, table.num_rows, tuple(writer.parts), facts=facts)
        )

    # -- what is true -------------------------------------------------------------------------

    def load(self, **more: Any) -> Loaded:
        """Load, as a new process would."""
        return load(self.again(), **more)

    def truth(self, object: str, *, archived: bool = False) -> list[dict[str, Any]]:
        """Live records of the target, from its own store."""
        return [row for row in self.hubspot.control.ndjson(f"/truth/{object}")
                if archived or not row.get("archived")]  # fmt: skip

    def keyed(self, object: str) -> dict[str, dict[str, Any]]:
        """Live records by their migration key."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.truth(object):
            name = row["properties"].get("migration_key")
            if name:
                assert name not in found, f"twins of {name}"
                found[name] = row
        return found

    def act(self, **action: Any) -> dict[str, Any]:
        """Let a user act."""
        done: dict[str, Any] = self.hubspot.control.post("/act", action)
        return done

    def letters(self) -> list[dict[str, Any]]:
        """Dead letters now."""
        from migrate.journal import REFUSED

        workspace = self.again()
        return workspace.engine.rows(f"SELECT * FROM ({REFUSED.format(journal=workspace.journal.source())})")


@contextmanager
def hubspot(folder: Path, **settings: Any) -> Iterator[Running]:
    """A HubSpot sandbox that runs fast."""
    given = {"tier": "enterprise", "burst": 100_000, **settings}
    with launch("hubspot", folder, speed=SPEED, settings=given) as running:
        running.control.post("/seed", {"tokens": [{"token": TOKEN}]})
        yield running
