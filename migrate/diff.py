"""In which rows, and in which of their values, do two tables of any size differ?

Each row is hashed first, typed and in the given columns only; hashes of keys and rows (16 bytes a row) are
grouped, and keys and values are fetched for the rows whose hashes don't pair, and for no others. Which rows
belong together is then decided by the keys themselves, never by their hashes. What is overlooked: two
different rows of one key with the same 64-bit hash (a chance of rows / 2^64), and a row of the left only
whose values are those of a row of the right only, if their keys have the same hash (pairs of such rows /
2^64). Hashes live as long as one comparison and are never stored: they hold for one version of DuckDB only.
Keys that stand several times on a side, or are null, can't be joined; they are classes of their own and never
silently paired.

Everything spills under the engine's memory limit. 512 MB do for 10,000,000 rows of 40 columns; more makes it
faster. The process itself takes some 200 to 300 MB on top of it.

Equality is that of SQL's `IS NOT DISTINCT FROM` on values of equal type: what counts as equal (trimmed,
rounded, sorted) is the caller's business, in the table expressions that it hands over.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.errors import NoSpace

if TYPE_CHECKING:
    from migrate.engine import Engine

ONLY_LEFT, ONLY_RIGHT = "only_left", "only_right"
DIFFERS, DUPLICATE = "differs", "duplicate_key"
LOTS = (1, 16, 256, 4096)  # in how many lots values are fetched or written; the next where memory didn't do


@dataclass
class Differences:
    """What a comparison found. `table` lives in the engine until `close`.

    Columns of `table`: `key`, `class` (only_left, only_right, differs, duplicate_key), `field`, `left`,
    `right`. A row that differs has one line a field, with both values as text; a row of one side only has
    one line, with all its values; a key that stands several times has one line, with its counts.

    `left_rows`, `right_rows`: rows read. `compared`: keys that stand once on each side.
    """

    engine: Engine
    table: str
    left_rows: int
    right_rows: int
    compared: int
    only_left: int
    only_right: int
    differing: int
    duplicates: int
    by_field: dict[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return not (self.only_left or self.only_right or self.differing or self.duplicates)

    def write(self, path: Path) -> int:
        """Write the table as Parquet, ordered by key and field; returns its rows.

        The path must be within the engine's reach.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = f"SELECT * FROM {self.table} ORDER BY key, field"
        try:
            self.engine.run(f"COPY ({lines}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        except NoSpace:
            _in_lots(self.engine, self.table, path)
        return _count(self.engine, self.table)

    def close(self) -> None:
        """Drop what the comparison left in the engine."""
        self.engine.run(f"DROP SCHEMA IF EXISTS {self.table.partition('.')[0]} CASCADE")

    def __enter__(self) -> Differences:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def diff(engine: Engine, left: str, right: str, key: str, columns: Sequence[str]) -> Differences:
    """Compare two tables.

    Args:
        left, right: DuckDB table expressions; each is read twice, the second time only for the keys that
            differ (their keys alone once more where some stand several times; the values in lots where rows
            are so long that memory doesn't do). Both have `key` and all of `columns`, of equal types.
        key: names a row on each side.
        columns: those that are compared.

    Raises:
        NoSpace: the engine's memory limit or disk is too small.
        duckdb.Error: a table or column isn't there.
    """
    schema = f"diff_{uuid.uuid4().hex}"
    engine.run(f"CREATE SCHEMA {schema}")
    try:
        return _diff(engine, schema, left, right, key, list(columns))
    except BaseException:
        engine.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        raise


def _diff(engine: Engine, schema: str, left: str, right: str, key: str, columns: list[str]) -> Differences:
    name = identifier(key)
    hashed = _hash(engine, left, columns)
    for side, source in (("l", left), ("r", right)):
        engine.run(f"CREATE TABLE {schema}.{side} AS SELECT hash({name}) AS k, {hashed} AS h FROM {source}")
    left_rows, right_rows = (_count(engine, f"{schema}.{side}") for side in "lr")
    _look(engine, schema, left, name)
    twice = _twice(engine, schema, left, right, name)
    _values(engine, schema, left, right, name, columns)
    lines = {
        row["class"]: int(row["n"])
        for row in engine.rows(f"SELECT class, count(*) AS n FROM {schema}.differences GROUP BY class")
    }
    by_field = engine.rows(
        f"""SELECT field, count(*) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'
        GROUP BY field ORDER BY n DESC, field"""
    )
    differing = engine.rows(
        f"SELECT count(DISTINCT key) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'"
    )
    return Differences(
        engine=engine,
        table=f"{schema}.differences",
        left_rows=left_rows,
        right_rows=right_rows,
        compared=left_rows - twice - lines.get(ONLY_LEFT, 0),
        only_left=lines.get(ONLY_LEFT, 0),
        only_right=lines.get(ONLY_RIGHT, 0),
        differing=int(differing[0]["n"]),
        duplicates=lines.get(DUPLICATE, 0),
        by_field={str(row["field"]): int(row["n"]) for row in by_field},
    )


def _look(engine: Engine, schema: str, left: str, name: str) -> None:
    """Hashes of the keys whose rows are looked at: whatever isn't one row on each side, with one hash.

    Hashes of the right side are inverted, so that two rows of one side are no pair. Rows without a key are
    always looked at.
    """
    engine.run(
        f"""CREATE TABLE {schema}.looked AS SELECT k
        FROM (SELECT k, h FROM {schema}.l UNION ALL SELECT k, ~h FROM {schema}.r) GROUP BY k
        HAVING count(*) <> 2 OR bit_xor(h) <> {2**64 - 1}
            OR k = (SELECT hash(any_value({name})) FROM {left} WHERE false)"""
    )


def _twice(engine: Engine, schema: str, left: str, right: str, name: str) -> int:
    """The table of keys that stand several times on a side, with counts; how many rows of the left they have.

    Keys are read only where a hash stands several times, which two different keys can cause too.
    """
    several = " UNION ".join(
        f"SELECT k FROM {schema}.{side} WHERE k IN (FROM {schema}.looked) GROUP BY k HAVING count(*) > 1"
        for side in "lr"
    )
    engine.run(f"CREATE TABLE {schema}.several AS {several}")
    for side in "lr":
        engine.run(f"DROP TABLE {schema}.{side}")
    keys = " UNION ALL ".join(
        f"""SELECT {name} AS k, {mine} AS l, {1 - mine} AS r FROM {source}
        WHERE {name} IS NOT NULL AND hash({name}) IN (FROM {schema}.several)"""
        for source, mine in ((left, 1), (right, 0))
    )
    if not _count(engine, f"{schema}.several"):
        keys = f"SELECT {name} AS k, 1 AS l, 1 AS r FROM {left} WHERE false"
    engine.run(
        f"""CREATE TABLE {schema}.twice AS SELECT k, CAST(sum(l) AS BIGINT) AS l, CAST(sum(r) AS BIGINT) AS r
        FROM ({keys}) GROUP BY k HAVING sum(l) > 1 OR sum(r) > 1"""
    )
    return int(engine.rows(f"SELECT CAST(coalesce(sum(l), 0) AS BIGINT) AS n FROM {schema}.twice")[0]["n"])


def _in_lots(engine: Engine, table: str, path: Path) -> None:
    """Write the table in its order, but never more of it at once than fits: lines may be 200 kB long."""
    from pyarrow.parquet import ParquetWriter

    schema = table.partition(".")[0]
    for lots in LOTS[2:]:
        engine.run(
            f"""CREATE OR REPLACE TABLE {schema}.ranked AS SELECT rowid AS line,
            ntile({lots}) OVER (ORDER BY key, field) AS lot FROM {table}"""
        )
        lines = engine.stream(f"SELECT * FROM {table} WHERE false").schema
        try:
            with ParquetWriter(path, lines, compression="zstd") as writer:
                for lot in range(1, lots + 1):
                    of = f"SELECT line FROM {schema}.ranked WHERE lot = {lot}"
                    for batch in engine.stream(
                        f"SELECT * FROM {table} WHERE rowid IN ({of}) ORDER BY key, field"
                    ):
                        writer.write_batch(batch)
        except NoSpace:
            if lots == LOTS[-1]:
                raise
        else:
            return


def _count(engine: Engine, table: str) -> int:
    return int(engine.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def _hash(engine: Engine, source: str, columns: list[str]) -> str:
    """The hash of a row's columns; lists and structs as text too: null, `[]` and `[NULL]` hash alike."""
    if not columns:
        return "0::UBIGINT"
    listed = [identifier(column) for column in columns]
    types = engine.rows(f"SELECT column_type AS t FROM (DESCRIBE SELECT {', '.join(listed)} FROM {source})")
    nested = [
        f"CAST({column} AS VARCHAR)"
        for column, row in zip(listed, types, strict=True)
        if row["t"].endswith("]") or row["t"].startswith(("STRUCT", "MAP", "UNION"))
    ]
    return f"hash({', '.join([*listed, *nested])})"


def _values(engine: Engine, schema: str, left: str, right: str, name: str, columns: list[str]) -> None:
    """The table of differences. Here keys and values speak for themselves, and each key stands once.

    DuckDB works on 2,048 rows at once in each thread, however long they are. Where that is too much for the
    memory limit (texts of 100 kB, a thousand columns), the rows are taken in lots, for each of which both
    tables are read again.
    """
    for lots in LOTS:
        engine.run(
            f"""CREATE OR REPLACE TABLE {schema}.differences (key VARCHAR, class VARCHAR, field VARCHAR,
            "left" VARCHAR, "right" VARCHAR)"""
        )
        try:
            for lot in range(lots):
                _lot(engine, schema, left, right, name, columns, f"k % {lots} = {lot}")
        except NoSpace:
            if lots == LOTS[-1]:
                raise
        else:
            break
    engine.run(
        f"""INSERT INTO {schema}.differences SELECT CAST(k AS VARCHAR), '{DUPLICATE}', NULL,
        l || ' rows', r || ' rows' FROM {schema}.twice"""
    )


def _lot(engine: Engine, schema: str, left: str, right: str, name: str, columns: list[str], lot: str) -> None:
    listed = ", ".join([name, f"true AS {schema}", *map(identifier, columns)])
    looked = f"hash({name}) IN (SELECT k FROM {schema}.looked WHERE {lot})"
    if _count(engine, f"{schema}.twice"):
        looked += f" AND NOT coalesce({name} IN (SELECT k FROM {schema}.twice), false)"
    whole = {side: _whole(side, columns) for side in "lr"}
    pieces = ", ".join(
        f"CASE WHEN l.{column} IS DISTINCT FROM r.{column} THEN {{'f': {text(plain)}, "
        f"'l': CAST(l.{column} AS VARCHAR), 'r': CAST(r.{column} AS VARCHAR)}} END"
        for plain, column in ((plain, identifier(plain)) for plain in columns)
    )
    engine.run(
        f"""INSERT INTO {schema}.differences
        SELECT CAST(k AS VARCHAR), class, v.f, v.l, v.r FROM (
            SELECT coalesce(l.{name}, r.{name}) AS k,
                CASE WHEN r.{schema} IS NULL THEN '{ONLY_LEFT}' WHEN l.{schema} IS NULL THEN '{ONLY_RIGHT}'
                    ELSE '{DIFFERS}' END AS class,
                unnest(CASE WHEN r.{schema} IS NULL THEN [{{'f': NULL, 'l': {whole["l"]}, 'r': NULL}}]
                    WHEN l.{schema} IS NULL THEN [{{'f': NULL, 'l': NULL, 'r': {whole["r"]}}}]
                    ELSE [{pieces}] END) AS v
            FROM (SELECT {listed} FROM {left} WHERE {looked}) AS l
            FULL JOIN (SELECT {listed} FROM {right} WHERE {looked}) AS r ON l.{name} = r.{name})
        WHERE v IS NOT NULL"""
    )


def _whole(side: str, columns: list[str]) -> str:
    """All values of a row as one text."""
    pairs = ", ".join(f"{text(column)}: {side}.{identifier(column)}" for column in columns)
    return f"CAST({{{pairs}}} AS VARCHAR)" if columns else "''"
