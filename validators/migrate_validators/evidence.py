"""What is every check given? The plan, the catalogs, what was staged, and the target read anew.

The target is read again through its own API; nothing that the loader says of it is believed. What was
staged and journalled says what *should* be there. All tables of one validation lie in a DuckDB schema of
its own, dropped at the end.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa

from migrate.engine import Engine, identifier, parquet, text
from migrate.plan.keys import belongs_sql
from migrate.plan.sales import Money, money_of
from migrate.rewriting import rewritten_fields
from migrate.stages.changes import Following, Look
from migrate.stages.crosswalk import ends_into
from migrate.stages.snapshot import LINK_COLUMNS, OURS
from migrate.storage import Storage
from migrate.types import duckdb_type
from migrate_validators.keeping import Kept, whole, write_rows
from migrate_validators.reading import fields_asked

if TYPE_CHECKING:
    from migrate.catalog import Catalog, Field, ObjectSchema
    from migrate.clock import Clock
    from migrate.connector import Source, Target
    from migrate.ledger.people import Answer, Handed
    from migrate.plan import Plan
    from migrate.plan.models import ObjectPlan
    from migrate.store import Manifest, Store
    from migrate_validators.model import Result

Progress = Callable[[str, int, int], None]
T = TypeVar("T")
ENDED = "_ended"


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Looked:
    """What a part looks at. `table`: entry, key, target_id, object; `snapshots`: the rows read, by object."""

    table: str
    snapshots: dict[str, Manifest]


class Part(Protocol):
    """Which records a look at a part takes."""

    @property
    def because(self) -> str:
        """Why these, in words."""
        ...

    def look_at(self, evidence: Evidence, wanted: Mapping[str, tuple[str, Sequence[str]]]) -> Looked:
        """Choose the records and read them.

        Args:
            wanted: by target object its key field and the fields to read.
        """
        ...


@dataclass
class Evidence:
    """One validation's view of a migration.

    `journal`: the journal as a table expression. `folder`: the report's, within the engine's reach.
    `counted`: rows of a source object by the vendor's second route, taken with the extract. `baseline`:
    folder of each target object's snapshot before the load, as far as there is one. `following`: the former
    look at the target goes on; None: it is read whole. `open_source`, `open_target`: further connectors, for
    what is asked again; `asking.py` asks. `part`: only these records are looked at; None: all.
    `sheets`, `reported`: people's own test, as handed out and as answered. `at_home`: a query of the keys of
    records that are at home in the target, for their cohort is switched; "" where none is.
    """

    plan: Plan
    source: Catalog
    target: Catalog
    store: Store
    engine: Engine
    journal: str
    connector: Target
    clock: Clock
    folder: Storage
    attempt: int = 1
    objects: Sequence[ObjectPlan] = ()
    baseline: dict[str, str] = field(default_factory=dict)
    progress: Progress = no_progress
    following: Following | None = None
    open_source: Callable[[], Source] | None = None
    open_target: Callable[[], Source] | None = None
    part: Part | None = None
    sheets: Sequence[Handed] = ()
    reported: Sequence[Answer] = ()
    at_home: str = ""
    schema: str = field(default_factory=lambda: f"validate_{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        self.objects = list(self.objects) or list(self.plan.model.objects)
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, ...], threading.RLock] = {}
        self._made: dict[tuple[str, ...], Any] = {}
        self.opened: list[Source] = []
        self.engine.run(f"CREATE SCHEMA {self.schema}")
        ends_into(self.engine, self.store, self.journal, self.plan, self.source, self.ends, self.attempt)

    @property
    def moving(self) -> list[ObjectPlan]:
        """The entries of which something is to be in the target: not those whose every record is skipped.

        Nor those of which the source holds none, by its own count. `counts` tells of both.
        """
        return self.once(("moving",), self._moving)

    def _moving(self) -> list[ObjectPlan]:
        rows = self.rows(
            f"SELECT entry, count(*) FILTER (outcome <> 'skipped') AS n, count(*) AS whole "
            f"FROM {self.ends} GROUP BY entry"
        )
        ended = {str(row["entry"]): (int(row["n"]), int(row["whole"])) for row in rows}
        return [each for each in self.objects if not self._vacant(each, *ended.get(each.name, (0, 0)))]

    @property
    def present(self) -> list[ObjectPlan]:
        """The entries of whose records the source holds any, skipped or not."""
        ended = {str(row["entry"]) for row in self.rows(f"SELECT DISTINCT entry FROM {self.ends}")}
        return [each for each in self.objects if each.name in ended or not self._vacant(each, 0, 0)]

    def _vacant(self, each: ObjectPlan, moved: int, whole: int) -> bool:
        if whole:
            return not moved
        manifests = self.store.manifests("source", each.source)
        return bool(manifests) and all(manifest.facts.get("counted") == 0 for manifest in manifests)

    def close(self) -> None:
        """Drop the validation's tables, and close what was opened for it."""
        for opened in self.opened:
            opened.close()
        self.engine.run(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")

    # -- tables -------------------------------------------------------------------------------

    @property
    def ends(self) -> str:
        """Table of the end of every extracted record; columns as in `migrate.stages.crosswalk.ENDS`."""
        return f"{self.schema}.{ENDED}"

    @property
    def crosswalk(self) -> str:
        """Table of the crosswalk, one row a key."""
        return f"{self.ends}_crosswalk"

    @property
    def refused(self) -> str:
        """Table of what the target refused in this attempt and nothing has mended."""
        return f"{self.ends}_refused"

    def table(self, name: str, query: str) -> str:
        """Make (again) a table of this validation; returns its name as SQL."""
        full = f"{self.schema}.{identifier(name)}"
        self.engine.run(f"CREATE OR REPLACE TABLE {full} AS {query}")
        return full

    def texts(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
        """Make (again) a table of texts out of few rows; returns its name as SQL."""
        full = f"{self.schema}.{identifier(name)}"
        listed = ", ".join(f"{identifier(one)} VARCHAR" for one in columns)
        schema = pa.schema([(one, pa.string()) for one in columns])
        self.engine.run(f"CREATE OR REPLACE TABLE {full} ({listed})")
        self.engine.insert(full, pa.Table.from_pylist(list(rows), schema))
        return full

    def rows(self, query: str) -> list[dict[str, Any]]:
        """A small result."""
        return self.engine.rows(query)

    def one(self, query: str) -> Any:
        """The single value of a query."""
        return next(iter(self.engine.rows(query)[0].values()))

    def owns(self, each: ObjectPlan, key: str) -> str:
        """A condition: the migration key (in SQL) is one of this entry's."""
        return belongs_sql(self.source.family, each.name, key)

    # -- the target, read anew ----------------------------------------------------------------

    def target_schema(self, object: str) -> ObjectSchema:
        """The target object's schema, with what `prepare` made."""
        return self.target.objects[object]

    @property
    def money(self) -> Money | None:
        """The plan's entry of sales, and each system's words for them; None where it has none.

        Raises:
            PlanError: the plan's own words for it aren't expressions over the fields.
        """
        return self.once(("money",), lambda: money_of(self.plan, self.source, self.target))

    @property
    def snapshots(self) -> dict[str, Manifest]:
        """A snapshot of each target object, taken now; once for all checks."""
        return self.once(("snapshots",), self._snapshots)

    @property
    def looked(self) -> str:
        """Table of the loaded records that a part looks at: `entry`, `key`, `target_id`, `object`."""
        self.snapshots  # noqa: B018 - choosing them and reading them is one step
        return str(self._made["looked",])

    def looks_at(self, key: str) -> str:
        """A condition: the record of this key (in SQL) is looked at."""
        return f"{key} IN (SELECT key FROM {self.looked})" if self.part is not None else "true"

    def ours(self, key: str) -> str:
        """A condition: the record of this key (in SQL) isn't at home in the target: its values are ours."""
        return f"coalesce({key} NOT IN ({self.at_home}), true)" if self.at_home else "true"

    def known(self, object: str) -> str:
        """Our records of a target object with `_id` and `_key`: as read now, with all fields read.

        Where only a part is read, as the crosswalk says, with the fields empty.
        """
        if self.part is None:
            return self.found(object)
        names = [f"NULL::VARCHAR AS {identifier(name)}" for name in self.target_schema(object).fields]
        return f"""(SELECT target_id AS _id, key AS _key{"".join(f", {each}" for each in names)}
            FROM {self.crosswalk} WHERE object = {text(object)})"""

    def read_anew(self) -> dict[str, Manifest]:
        """The snapshots, as far as a check asked for them."""
        return dict(self._made.get(("snapshots",), {}))

    def _snapshots(self) -> dict[str, Manifest]:
        from migrate.plan.needs import written_fields

        found: dict[str, Manifest] = {}
        asked: dict[str, tuple[str, list[str]]] = {}
        # Also those of records to which a compared one leads.
        led = [
            (self.plan.object(entry).target, one.id)
            for each in self.plan.model.objects
            for one in each.fields.values()
            for entry in one.entries
        ]
        if any(rewritten_fields(each) for each in self.objects):
            led += [(one.target, self.target_schema(one.target).url_field) for one in self.plan.model.objects]
        ours = [each.target for each in self.objects]
        for object in dict.fromkeys([*ours, *(object for object, _ in led if self.part is None)]):
            plans = [each for each in self.plan.model.objects if each.target == object]
            schema = self.target_schema(object)
            wanted = [name for each in plans for name in written_fields(each)]
            wanted += [id for other, id in led if other == object and id]
            wanted += [
                name for each in self.plan.model.validate_.sums if each.object == object for name in each.by
            ]
            if self.money is not None and self.money.target.object == object:
                wanted += self.money.target.reads
            wanted += fields_asked(self.plan, schema)
            fields = [name for name in dict.fromkeys(wanted) if name in schema.fields]
            asked[object] = (plans[0].key.field, fields)
        if self.part is not None:
            chosen = self.part.look_at(self, asked)
            self._made["looked",] = chosen.table
            return chosen.snapshots
        for object, (key_field, fields) in asked.items():
            found[object] = self._read(object, key_field, fields)
        return found

    def _read(self, object: str, key_field: str, fields: Sequence[str]) -> Manifest:
        """The object's records now, read whole; or what the former look found, brought up to now."""
        schema, folder = self.target_schema(object), f"target/{object}/validate"

        def told(rows: int) -> None:
            self.progress(f"read {object}", rows, 0)

        if self.following is not None:
            return self.look.on(
                schema, folder, self.following, key_field=key_field, fields=fields, progress=told
            )
        return self.look.whole(
            schema, folder, key_field=key_field, fields=fields, catalog=self.target.digest(), progress=told
        )

    @property
    def look(self) -> Look:
        """How the target is read."""
        return Look(self.connector, self.store, self.engine, self.clock)

    def found(self, object: str) -> str:
        """The target object's rows now, as a table expression: `_id`, `_key`, `_stamp`, `_source`, fields."""
        manifest = self.snapshots[object]
        fields = self.target_schema(object).fields
        if files := self.store.files(manifest):
            key = next(each.key.field for each in self.plan.model.objects if each.target == object)
            if key not in fields or "not_kept" not in fields[key].held:
                return parquet(files)
            # Records that can bear no key are known by their ids, which only our journal tells.
            return f"""(SELECT f.* REPLACE (c.key AS _key) FROM {parquet(files)} AS f
                LEFT JOIN {self.crosswalk} AS c ON c.target_id = f._id AND c.object = {text(object)})"""
        columns = [f"NULL::VARCHAR AS {name}" for name in OURS]
        columns += [
            f"NULL::{sql_type(fields[name])} AS {identifier(name)}"
            for name in manifest.schema
            if name in fields
        ]
        return f"(SELECT {', '.join(columns)} WHERE false)"

    def links(self, object: str) -> str:
        """Links of our records of a target object now, as a table expression; read once."""
        return self.once(("links", object), lambda: self._links(object))

    def _links(self, object: str) -> str:
        rights = dict.fromkeys(
            link.to for each in self.plan.model.objects if each.target == object for link in each.links
        )
        manifest = self.look.links(
            object,
            f"""SELECT DISTINCT target_id AS _id FROM {self.crosswalk} WHERE object = {text(object)}
                AND {self.looks_at("key")}""",
            list(rights),
            f"target/{object}/validate-{'links' if self.part is None else 'part-links'}",
            around=self.snapshots if self.following is not None else self.read_anew(),
            going_on=self.following is not None,
            progress=lambda rows: self.progress(f"read links of {object}", rows, 0),
        )
        self._made["links read", object] = manifest
        return links_of(self.store.files(manifest))

    def links_read(self, object: str) -> dict[str, Any]:
        """When an object's links were `swept`; `read`: of how many records anew, where not of all."""
        manifest = self._made.get(("links read", object))
        return dict(manifest.facts) if manifest is not None else {}

    # -- once, by whichever check comes first -------------------------------------------------

    def once(self, name: tuple[str, ...], make: Callable[[], T]) -> T:
        """What `make` gives, made once a validation; checks run side by side and share it."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            if name not in self._made:
                self._made[name] = make()
            made: T = self._made[name]
            return made

    # -- rows for people ----------------------------------------------------------------------

    def keep(self, id: str, query: str) -> Kept:
        """Write the rows that differ to the report's folder, each with its lasting id.

        Args:
            id: of the result, `<check>.<object>`.
            query: gives the columns of `classes.COLUMNS` as far as it has them (`class` and `grade` are
                `other` and `fail` without), and others behind.
        """
        with self._table_of(whole(self.engine, id, query)) as table:
            return write_rows(self.engine, self.folder, id, table)

    def keep_few(self, id: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Kept:
        """As `keep`, of a few rows of texts that were made without a query."""
        made = self.texts(f"given {id}", rows, columns)
        return self.keep(id, f"SELECT * FROM {made} ORDER BY ALL")

    def kept_rows(self, result: Result) -> str:
        """The rows behind a result of this validation, as a table expression."""
        return parquet([str(self.folder.local(str(result.rows)))])

    @contextmanager
    def _table_of(self, query: str) -> Iterator[str]:
        table = self.table(f"kept {uuid.uuid4().hex}", query)
        try:
            yield table
        finally:
            self.engine.run(f"DROP TABLE {table}")


def sql_type(field: Field) -> str:
    """DuckDB's type of a field."""
    return duckdb_type(field.kind, field.precision, field.scale)


def links_of(files: Sequence[str]) -> str:
    """Staged links as a table expression, empty where there is none."""
    if files:
        return parquet(files)
    return (
        f"(SELECT {', '.join(f'NULL::VARCHAR AS {identifier(name)}' for name in LINK_COLUMNS)} WHERE false)"
    )
