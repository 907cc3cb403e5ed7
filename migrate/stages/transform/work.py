"""What do all steps of a transform share? The engine, the catalogs, and names for their tables.

Every intermediate table lies in one DuckDB schema of its own, which is dropped at the end, so that
two transforms in one process don't meet. Tables are in-memory tables of an engine with a memory
limit: what doesn't fit is spilled to the engine's folder.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from migrate.blobs import Blobs
from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.engine import Engine, identifier, parquet
from migrate.errors import UsageError
from migrate.plan import Plan
from migrate.plan.keys import belongs_sql, key_sql
from migrate.plan.models import ObjectPlan
from migrate.stages.checked import Checked, CheckedObject
from migrate.store import Manifest, Store, generation_folder
from migrate.types import arrow_type, duckdb_type

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Column:
    """One target field of the ready rows. `sql`: its name in the tables, whatever the field is called."""

    name: str
    field: Field
    sql: str
    leads: tuple[tuple[str, str | None], ...] = ()  # entries, and what of theirs is gathered
    many: bool = False  # it gathers: a list of migration keys, whatever the field's kind is
    nobody: str | None = None  # id of the owner who takes the records that have none
    former_of: str | None = None  # `sql` of the owner column whose former owner it keeps

    @property
    def arrow(self) -> pa.DataType:
        if self.many:
            return pa.list_(pa.string())
        return arrow_type(self.field.kind, self.field.precision, self.field.scale)

    @property
    def type(self) -> str:
        if self.many:
            return "VARCHAR[]"
        return duckdb_type(self.field.kind, self.field.precision, self.field.scale)


@dataclass
class ObjectWork:
    """One object of the plan on its way. Tables are named `<schema>.o<number>_<what>`."""

    number: int
    plan: ObjectPlan
    checked: CheckedObject
    columns: list[Column]
    family: str  # with which its migration keys begin
    base: str
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The entry's name: of its stage folders, and in sums."""
        return self.plan.name

    @property
    def source(self) -> str:
        """The source object; several entries may share it."""
        return self.plan.source

    def table(self, what: str) -> str:
        return f"{self.base}{self.number}_{what}"

    def key(self, id_sql: str) -> str:
        """The migration key of an id, in SQL."""
        return key_sql(self.family, self.name, id_sql)

    def owns(self, key: str) -> str:
        """A condition: the migration key (in SQL) is one of this entry's."""
        return belongs_sql(self.family, self.name, key)

    @property
    def live(self) -> str:
        """The records that are still to be made ready: evaluated, without a mistake, not merged."""
        return (
            f"(SELECT * FROM {self.table('values')} ANTI JOIN {self.table('mistakes')} USING (_key) "
            f"ANTI JOIN {self.table('merged')} USING (_key))"
        )


class Work:
    """One transform of one generation."""

    def __init__(
        self,
        *,
        checked: Checked,
        plan: Plan,
        source: Catalog,
        target: Catalog,
        store: Store,
        generation: int,
        engine: Engine,
        crosswalk: str,
        progress: Progress | None,
        blobs: Blobs | None = None,
        discovered: str = "",
        whole: Collection[str] = (),
    ) -> None:
        self.checked, self.plan, self.source, self.target = checked, plan, source, target
        self.store, self.generation, self.engine = store, generation, engine
        self.discovered = discovered
        self.blobs = blobs  # where messages that the plan makes are put
        self.progress: Progress = progress or (lambda _object, _done, _total: None)
        self.schema = f"transform_{uuid.uuid4().hex}"
        self.objects: dict[str, ObjectWork] = {}  # by the entry's name
        self.sources: dict[str, str] = {}  # source object -> its current state
        self.files: dict[tuple[str, str], str] = {}  # source object and field -> what became of its files
        self._verified = set(whole)
        engine.run(f"CREATE SCHEMA {self.schema}")
        none = "SELECT ''::VARCHAR AS key, ''::VARCHAR AS target_id WHERE false"
        engine.run(
            f"CREATE TABLE {self.schema}.crosswalk AS SELECT key, target_id FROM ({crosswalk or none})"
        )

    def close(self) -> None:
        self.engine.run(f"DROP SCHEMA {self.schema} CASCADE")

    def run(self, sql: str) -> None:
        self.engine.run(sql)

    def one(self, sql: str) -> Any:
        """The single value of a query."""
        return next(iter(self.engine.rows(sql)[0].values()))

    def table_of(
        self, name: str, types: Mapping[str, pa.DataType], rows: pa.Table | Iterable[Sequence[object]]
    ) -> str:
        """A table with these rows (an Arrow table, or tuples in the columns' order)."""
        schema = pa.schema(list(types.items()))
        if isinstance(rows, pa.Table):
            table = rows.cast(schema)
        else:
            columns = list(zip(*rows, strict=True)) or [()] * len(types)
            table = pa.table(
                [pa.array(list(each), schema.field(i).type) for i, each in enumerate(columns)], schema
            )
        with self.engine.cursor() as cursor:
            cursor.register("handed_over", table)
            cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM handed_over")
            cursor.unregister("handed_over")
        return name

    def source_schema(self, object: str) -> ObjectSchema:
        return self.source.objects[object]

    def manifest(self, folder: str) -> Manifest | None:
        """A published and whole artifact, or None.

        Raises:
            Damaged: one of its parts isn't what the manifest says.
        """
        manifest = self.store.manifest(folder)
        if manifest is not None and folder not in self._verified:
            self.store.verify(manifest)
            self._verified.add(folder)
        return manifest

    def needed(self, folder: str, command: str) -> Manifest:
        manifest = self.manifest(folder)
        if manifest is None:
            what = f"`{folder}` isn't there yet, or was set aside"
            raise UsageError(what, f"Run `migrate {command}` first.")
        return manifest

    def earlier(self, stage: str, object: str) -> list[tuple[int, Manifest]]:
        """An entry's artifacts of the generations before this one, oldest first."""
        found = (
            (number, self.manifest(generation_folder(stage, object, number)))
            for number in range(self.generation)
        )
        return [(number, manifest) for number, manifest in found if manifest is not None]

    def scan(self, manifest: Manifest, types: Mapping[str, str], extra: str = "") -> str:
        """A query over an artifact's parts that gives exactly these columns; absent ones are null.

        Args:
            types: column name to DuckDB type.
            extra: more select items (`, file_row_number`), for artifacts that have rows.
        """
        files = self.store.files(manifest)
        there = set(pq.read_schema(files[0]).names) if files else set()
        items = ", ".join(
            f"CAST({identifier(name) if name in there else 'NULL'} AS {kind}) AS {identifier(name)}"
            for name, kind in types.items()
        )
        if not files:
            empty = extra.replace("file_index", "0::BIGINT").replace("file_row_number", "0::BIGINT")
            return f"(SELECT {items}{empty} WHERE false)"
        return f"(SELECT {items}{extra} FROM {parquet(files)})"


def followed(work: Work, each: ObjectWork) -> str:
    """A query of records that became another one, here or at the source: `_key`, `survivor`, `rank`.

    A record that was merged at the source is in no extract any more, yet others may still name it.
    """
    merged = each.table("merged")
    return (
        f"SELECT _key, survivor, rank FROM {merged} UNION ALL "
        f"SELECT {each.key('s._id')}, coalesce(m.survivor, {each.key('s.survivor')}), 1 "
        f"FROM {work.sources[each.source]}_merged AS s LEFT JOIN {merged} AS m "
        f"ON m._key = {each.key('s.survivor')}"
    )


def filled(sql: str) -> str:
    """Whether a text expression is neither null nor blank."""
    return f"coalesce(trim({sql}) <> '', false)"


def as_text(column: str, type: str) -> str:
    """A value as text: lists joined with `;`, everything else as DuckDB casts it (zone UTC)."""
    return f"array_to_string({column}, ';')" if type.endswith("[]") else f"CAST({column} AS VARCHAR)"


def attempt(sql: str, more: str = "") -> str:
    """`{v: value}`, or NULL where the expression raises: so an error and a null can be told apart."""
    return f"TRY(struct_pack(v := ({sql}){more}))"
