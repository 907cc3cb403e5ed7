"""In which rows, and in which of their values, do two tables of any size differ?

Each row is hashed first, typed and in the given columns only; hashes of keys and rows are grouped, and keys
and values are fetched for the rows whose hashes don't pair, and for no others. Hashes live as long as one
comparison and are never stored: they hold for one version of DuckDB only. Keys that stand several times on
a side, or are null, can't be joined; they are classes of their own and never silently paired.

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

if TYPE_CHECKING:
    from migrate.engine import Engine

ONLY_LEFT, ONLY_RIGHT = "only_left", "only_right"
DIFFERS, DUPLICATE = "differs", "duplicate_key"


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
        self.engine.run(
            f"COPY (SELECT * FROM {self.table} ORDER BY key, field) TO {text(str(path))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        return int(self.engine.rows(f"SELECT count(*) AS n FROM {self.table}")[0]["n"])

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
            differ (and a third time for rows without a key, where there are any). Both have `key` and all of
            `columns`, of equal types.
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
        engine.run(
            f"""CREATE TABLE {schema}.{side} AS
            SELECT CASE WHEN {name} IS NOT NULL THEN hash({name}) END AS k, {hashed} AS h FROM {source}"""
        )
    read = {
        side: engine.rows(f"SELECT count(*) AS n, count(*) - count(k) AS nameless FROM {schema}.{side}")[0]
        for side in "lr"
    }
    # Hashes of keys only choose which rows are looked at: whatever isn't one row on each side, with one hash.
    engine.run(
        f"""CREATE TABLE {schema}.looked AS SELECT k
        FROM (SELECT k, h, true AS here FROM {schema}.l UNION ALL SELECT k, h, NULL FROM {schema}.r)
        WHERE k IS NOT NULL GROUP BY k HAVING count(*) <> 2 OR count(here) <> 1 OR min(h) <> max(h)"""
    )
    for side, source in (("l", left), ("r", right)):
        engine.run(
            f"""CREATE OR REPLACE TABLE {schema}.{side} AS
            SELECT {", ".join([name, *map(identifier, columns)])} FROM {source}
            WHERE {name} IS NOT NULL AND hash({name}) IN (SELECT k FROM {schema}.looked)"""
        )
    # From here on keys and values speak for themselves.
    engine.run(
        f"""CREATE TABLE {schema}.odd AS
        SELECT k, count(here) AS l, count(*) - count(here) AS r,
            CASE WHEN count(here) > 1 OR count(*) - count(here) > 1 THEN '{DUPLICATE}'
                WHEN count(*) = 2 THEN '{DIFFERS}' WHEN count(here) = 1 THEN '{ONLY_LEFT}'
                ELSE '{ONLY_RIGHT}' END AS class
        FROM (SELECT {name} AS k, true AS here FROM {schema}.l
            UNION ALL SELECT {name}, NULL FROM {schema}.r)
        GROUP BY k"""
    )
    kinds = {row["class"]: row for row in engine.rows(
        f"SELECT class, count(*) AS n, CAST(sum(l) AS BIGINT) AS l FROM {schema}.odd GROUP BY class"
    )}  # fmt: skip
    alone, other, several = (kinds.get(kind, {"n": 0, "l": 0}) for kind in (ONLY_LEFT, ONLY_RIGHT, DUPLICATE))
    _values(engine, schema, name, columns)
    for side, source, kind in (("l", left, ONLY_LEFT), ("r", right, ONLY_RIGHT)):
        if read[side]["nameless"]:
            engine.run(_of_one_side(schema, kind, name, columns) + f" FROM {source} WHERE {name} IS NULL")
    by_field = engine.rows(
        f"""SELECT field, count(*) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'
        GROUP BY field ORDER BY n DESC, field"""
    )
    differing = engine.rows(
        f"SELECT count(DISTINCT key) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'"
    )
    left_rows, nameless = int(read["l"]["n"]), int(read["l"]["nameless"])
    return Differences(
        engine=engine,
        table=f"{schema}.differences",
        left_rows=left_rows,
        right_rows=int(read["r"]["n"]),
        compared=left_rows - nameless - int(several["l"]) - int(alone["n"]),
        only_left=int(alone["n"]) + nameless,
        only_right=int(other["n"]) + int(read["r"]["nameless"]),
        differing=int(differing[0]["n"]),
        duplicates=int(several["n"]),
        by_field={str(row["field"]): int(row["n"]) for row in by_field},
    )


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


def _values(engine: Engine, schema: str, name: str, columns: list[str]) -> None:
    """The table of differences, but for rows without a key."""
    engine.run(
        f"""CREATE TABLE {schema}.differences (key VARCHAR, class VARCHAR, field VARCHAR,
        "left" VARCHAR, "right" VARCHAR)"""
    )
    of = f"SELECT k FROM {schema}.odd WHERE class ="
    if columns:
        pieces = ", ".join(
            f"CASE WHEN l.{column} IS DISTINCT FROM r.{column} THEN {{'f': {text(plain)}, "
            f"'l': CAST(l.{column} AS VARCHAR), 'r': CAST(r.{column} AS VARCHAR)}} END"
            for plain, column in ((plain, identifier(plain)) for plain in columns)
        )
        engine.run(
            f"""INSERT INTO {schema}.differences
            SELECT CAST(k AS VARCHAR), '{DIFFERS}', v.f, v.l, v.r FROM (
                SELECT l.{name} AS k, unnest([{pieces}]) AS v
                FROM {schema}.l AS l JOIN {schema}.r AS r ON l.{name} = r.{name}
                WHERE l.{name} IN ({of} '{DIFFERS}'))
            WHERE v IS NOT NULL"""
        )
    for side, kind in (("l", ONLY_LEFT), ("r", ONLY_RIGHT)):
        insert = _of_one_side(schema, kind, name, columns)
        engine.run(f"{insert} FROM {schema}.{side} WHERE {name} IN ({of} '{kind}')")
    engine.run(
        f"""INSERT INTO {schema}.differences SELECT CAST(k AS VARCHAR), '{DUPLICATE}', NULL,
        l || ' rows', r || ' rows' FROM {schema}.odd WHERE class = '{DUPLICATE}'"""
    )


def _of_one_side(schema: str, kind: str, name: str, columns: list[str]) -> str:
    """The head of a statement that adds rows of one side, with all their values."""
    pairs = ", ".join(f"{text(column)}: {identifier(column)}" for column in columns)
    whole = f"CAST({{{pairs}}} AS VARCHAR)" if columns else "''"
    values = f"{whole}, NULL" if kind == ONLY_LEFT else f"NULL, {whole}"
    return f"INSERT INTO {schema}.differences SELECT CAST({name} AS VARCHAR), '{kind}', NULL, {values}"
