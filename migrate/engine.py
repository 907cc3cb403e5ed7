"""How is SQL run over staged Parquet with bounded memory, and without reaching anything else?

The invariant: SQL that runs here, a plan's expressions included, reads and writes files only in
the folders that the engine was given. External access is off, no extension is loaded or installed,
Python variables are invisible to SQL, the session's zone is UTC, and the configuration is locked
before the first statement. Results are streamed: `con.sql(q).to_arrow_reader()` hands over batches
as they are made, `con.execute(q)` copies the whole result first (seen with DuckDB 2.0).

Where the facts come from: DuckDB, "Securing DuckDB" and "Configuration", read 2026-11-23.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from migrate.catalog import Field
from migrate.errors import Defect, NoSpace
from migrate.macros import MACROS
from migrate.memory import lean
from migrate.sizes import parse_bytes
from migrate.types import duckdb_type

T = TypeVar("T")
LEAN = 256 * 1000**2  # bytes; below it what DuckDB frees is given back to the system at once
MEMORY_LIMIT = "512MB"  # DuckDB's own bound; a process needs about twice as much


class Engine:
    """An in-memory DuckDB whose reach and memory are bounded by its settings.

    Args:
        memory_limit: DuckDB's bound (`512MB`); what doesn't fit is spilled.
        temp_dir: where it spills to; default: a folder of its own, removed by `close`.
        threads: most threads a statement uses.
        folders: the only folders whose files SQL may read or write (with all below them).
        ordered: keep rows in the order of their files; costs memory in large writes.

    One engine may be used from several threads, each with its own `cursor()`. A TIMESTAMPTZ can't
    be fetched with `fetchall` (DuckDB asks for pytz, which isn't a dependency): read it as Arrow.
    """

    def __init__(
        self,
        memory_limit: str = MEMORY_LIMIT,
        temp_dir: Path | None = None,
        threads: int = 2,
        folders: Sequence[Path] = (),
        *,
        ordered: bool = True,
    ) -> None:
        self._own: tempfile.TemporaryDirectory[str] | None = None
        if temp_dir is None:
            self._own = tempfile.TemporaryDirectory(prefix="migrate-spill-")
            temp_dir = Path(self._own.name)
        temp_dir.mkdir(parents=True, exist_ok=True)
        self.temp_dir = temp_dir.resolve()
        self.memory = parse_bytes(memory_limit)
        if self.memory < LEAN:
            lean()
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(self.temp_dir),
                "preserve_insertion_order": ordered,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            },
        )
        if self.memory < LEAN:  # what was read of a file is had again from the system's own cache
            self._connection.execute("SET GLOBAL enable_external_file_cache = false")
        reach = ", ".join(text(str(folder.resolve())) for folder in folders)
        for setting in (
            "SET GLOBAL TimeZone = 'UTC'",
            "SET GLOBAL python_enable_replacements = false",
            f"SET GLOBAL allowed_directories = [{reach}]",
            "SET GLOBAL enable_external_access = false",
            "SET GLOBAL lock_configuration = true",
        ):
            self._connection.execute(setting)
        for macro in MACROS:
            self._connection.execute(macro)
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database, with the same limits."""
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        return cursor

    def interrupt(self) -> None:
        """End whatever runs, in all threads; what waits for it gets DuckDB's error."""
        for cursor in list(self._cursors):
            cursor.interrupt()

    def stream(self, sql: str, *, rows: int = 50_000) -> pa.RecordBatchReader:
        """The query's result, batch by batch, never wholly in memory; on a cursor of its own.

        Args:
            rows: most rows in a batch.

        Raises (at once or while it is read):
            NoSpace: the memory limit is too small for the query, or the disk is full.
            duckdb.Error: the query is wrong.
            Defect: the query failed at run time.
        """
        cursor = self.cursor()
        try:
            reader = _heard(cursor, lambda: cursor.sql(sql).to_arrow_reader(rows))
        except duckdb.Error as error:
            cursor.close()
            raise _translated(error, self.temp_dir) from error
        return pa.RecordBatchReader.from_batches(reader.schema, self._batches(cursor, reader))

    def _batches(
        self, cursor: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader
    ) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := _heard(cursor, lambda: next(reader, None))) is not None:
                yield batch
        except (duckdb.Error, OSError) as error:
            raise _translated(error, self.temp_dir) from error
        finally:
            cursor.close()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """A small result as one dict a row, keyed by column."""
        return [row for batch in self.stream(sql) for row in batch.to_pylist()]

    def run(self, sql: str) -> None:
        """Execute a statement whose result nobody needs (`COPY`, `CREATE TABLE`).

        Raises:
            NoSpace: the memory limit is too small for it, or the disk is full.
        """
        with self.cursor() as cursor:
            try:
                _heard(cursor, lambda: cursor.execute(sql))
            except duckdb.Error as error:
                raise _translated(error, self.temp_dir) from error

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table, in the order of its columns.

        Raises:
            NoSpace: the memory limit is too small for it, or the disk is full.
        """
        with self.cursor() as cursor:
            cursor.register("handed_over", rows)
            try:
                _heard(cursor, lambda: cursor.execute(f"INSERT INTO {table} SELECT * FROM handed_over"))
            except duckdb.Error as error:
                raise _translated(error, self.temp_dir) from error
            finally:
                cursor.unregister("handed_over")

    def put(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows that are had as tuples, cells in the order of the table's columns; none is no error.

        Raises:
            NoSpace: the memory limit is too small for it, or the disk is full.
        """
        import pyarrow as pa

        if rows:
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            self.insert(table, pa.table(columns, names=[str(number) for number in range(len(columns))]))

    def describe(self, expressions: Mapping[str, str], fields: Mapping[str, Field]) -> dict[str, str]:
        """DuckDB's own result type of each expression, over an empty table of these fields' types.

        Args:
            expressions: DuckDB SQL by any name; columns are the fields' names, in double quotes.
            fields: the columns, by name; `source.x` is the column `x` of the table `source`.

        Returns:
            DuckDB's type (`DECIMAL(18,2)`, `TIMESTAMP WITH TIME ZONE`, `"NULL"`) by the same names.

        Raises:
            ValueError: DuckDB refuses one of them; the text is DuckDB's own first line.
        """
        names = list(expressions)
        if not names:
            return {}
        select = ", ".join(f"{expressions[name]} AS c{index}" for index, name in enumerate(names))
        with self.cursor() as cursor:
            try:
                found = cursor.sql(f"DESCRIBE SELECT {select} FROM {_empty(fields)}").fetchall()
            except duckdb.Error as error:
                raise ValueError(reason(error)) from error
        return {name: str(row[1]) for name, row in zip(names, found, strict=True)}

    def close(self) -> None:
        self._connection.close()
        if self._own is not None:
            self._own.cleanup()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _heard(cursor: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Let DuckDB work in a thread of its own, so that a signal reaches us meanwhile and ends the query.

    DuckDB and Arrow look for signals rarely or not at all; a query would go on for as long as it takes.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="query") as pool:
        future = pool.submit(work)
        try:
            return future.result()
        except BaseException:
            cursor.interrupt()
            raise


def _empty(fields: Mapping[str, Field]) -> str:
    tables: dict[str, list[str]] = {}
    for name, field in fields.items():
        table, _, column = name.rpartition(".") if name.startswith(("source.", "target.")) else ("", "", name)
        kind = duckdb_type(field.kind, field.precision, field.scale)
        tables.setdefault(table, []).append(f"CAST(NULL AS {kind}) AS {identifier(column)}")
    if not tables:
        return "(SELECT 1 WHERE false)"
    return ", ".join(
        f"(SELECT {', '.join(columns)} WHERE false) AS {identifier(table or 'fields')}"
        for table, columns in tables.items()
    )


def reason(error: Exception) -> str:
    """DuckDB's complaint in one line, without the statement that it quotes."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(" Error: ", 1)[-1].strip()


def _translated(error: Exception, temp_dir: Path) -> Exception:
    words = str(error)
    if "Out of Memory" in words or "No space left" in words or "max_temp_directory_size" in words:
        return NoSpace(str(temp_dir), reason(error))
    if isinstance(error, duckdb.Error):
        return error
    return Defect(f"A query failed: {reason(error)}")


def identifier(name: str) -> str:
    """A name in DuckDB's double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text literal in DuckDB's single quotes."""
    return "'" + value.replace("'", "''") + "'"


def parquet(files: Sequence[str]) -> str:
    """The table expression that reads these Parquet files in this order."""
    return f"read_parquet([{', '.join(text(each) for each in files)}], union_by_name = false)"
