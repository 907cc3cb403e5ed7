"""In which rows, and in which of their values, do two tables of any size differ?

Each row is hashed first, typed and in the given columns only; keys and hashes are grouped, and values
are fetched for the rows that differ and for no others. Hashes live as long as one comparison and are
never stored: they hold for one version of DuckDB only. Keys that stand several times on a side, or are
null, can't be joined; they are classes of their own and never silently paired.

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
        engine.run(f"CREATE TABLE {schema}.{side} AS SELECT {name} AS k, {hashed} AS h FROM {source}")
    read = engine.rows(
        f"SELECT (SELECT count(*) FROM {schema}.l) AS l, (SELECT count(*) FROM {schema}.r) AS r"
    )[0]
    # One grouping finds what differs, what is alone and what stands several times; a join would have to be
    # told about the last first.
    engine.run(
        f"""CREATE TABLE {schema}.odd AS
        SELECT k, count(here) AS l, count(*) - count(here) AS r,
            CASE WHEN k IS NULL THEN NULL
                WHEN count(here) > 1 OR count(*) - count(here) > 1 THEN '{DUPLICATE}'
                WHEN count(*) = 2 THEN '{DIFFERS}' WHEN count(here) = 1 THEN '{ONLY_LEFT}'
                ELSE '{ONLY_RIGHT}' END AS class
        FROM (SELECT k, h, true AS here FROM {schema}.l UNION ALL SELECT k, h, NULL FROM {schema}.r)
        GROUP BY k HAVING k IS NULL OR count(*) <> 2 OR count(here) <> 1 OR min(h) <> max(h)"""
    )
    for side in "lr":
        engine.run(f"DROP TABLE {schema}.{side}")
    kinds = {row["class"]: row for row in engine.rows(
        f"SELECT class, count(*) AS n, CAST(sum(l) AS BIGINT) AS l, CAST(sum(r) AS BIGINT) AS r "
        f"FROM {schema}.odd GROUP BY class"
    )}  # fmt: skip
    none = {"n": 0, "l": 0, "r": 0}
    nameless, several = kinds.get(None, none), kinds.get(DUPLICATE, none)
    differing, alone = int(kinds.get(DIFFERS, none)["n"]), int(kinds.get(ONLY_LEFT, none)["n"])
    _values(engine, schema, left, right, name, columns, nameless=(nameless["l"], nameless["r"]))
    if several["n"]:
        engine.run(
            f"""INSERT INTO {schema}.differences SELECT CAST(k AS VARCHAR), '{DUPLICATE}', NULL,
            l || ' rows', r || ' rows' FROM {schema}.odd WHERE class = '{DUPLICATE}'"""
        )
    by_field = engine.rows(
        f"""SELECT field, count(*) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'
        GROUP BY field ORDER BY n DESC, field"""
    )
    return Differences(
        engine=engine,
        table=f"{schema}.differences",
        left_rows=int(read["l"]),
        right_rows=int(read["r"]),
        compared=int(read["l"]) - int(several["l"]) - int(nameless["l"]) - alone,
        only_left=alone + int(nameless["l"]),
        only_right=int(kinds.get(ONLY_RIGHT, none)["n"]) + int(nameless["r"]),
        differing=differing,
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


def _values(
    engine: Engine,
    schema: str,
    left: str,
    right: str,
    name: str,
    columns: list[str],
    *,
    nameless: tuple[int, int],
) -> None:
    """The table of differences, but for keys that stand several times.

    Args:
        nameless: rows without a key on each side.
    """
    engine.run(
        f"""CREATE TABLE {schema}.differences (key VARCHAR, class VARCHAR, field VARCHAR,
        "left" VARCHAR, "right" VARCHAR)"""
    )
    listed = [identifier(column) for column in columns]
    sides = (("lv", left, ONLY_LEFT), ("rv", right, ONLY_RIGHT))
    for table, source, alone in sides:
        engine.run(
            f"""CREATE TABLE {schema}.{table} AS SELECT {", ".join([name, *listed])} FROM {source}
            WHERE {name} IN (SELECT k FROM {schema}.odd WHERE class IN ('{DIFFERS}', '{alone}'))"""
        )
    if columns:
        pieces = ", ".join(
            f"CASE WHEN l.{column} IS DISTINCT FROM r.{column} THEN {{'f': {text(plain)}, "
            f"'l': CAST(l.{column} AS VARCHAR), 'r': CAST(r.{column} AS VARCHAR)}} END"
            for plain, column in zip(columns, listed, strict=True)
        )
        engine.run(
            f"""INSERT INTO {schema}.differences
            SELECT CAST(k AS VARCHAR), '{DIFFERS}', v.f, v.l, v.r FROM (
                SELECT l.{name} AS k, unnest([{pieces}]) AS v
                FROM {schema}.lv AS l JOIN {schema}.rv AS r ON l.{name} = r.{name})
            WHERE v IS NOT NULL"""
        )
    whole = "CAST({" + ", ".join(
        f"{text(plain)}: {column}" for plain, column in zip(columns, listed, strict=True)
    ) + "} AS VARCHAR)" if columns else "''"  # fmt: skip
    for (table, source, alone), rows in zip(sides, nameless, strict=True):
        values = f"{whole}, NULL" if alone == ONLY_LEFT else f"NULL, {whole}"
        insert = f"INSERT INTO {schema}.differences SELECT CAST({name} AS VARCHAR), '{alone}', NULL, {values}"
        of_one_side = f"SELECT k FROM {schema}.odd WHERE class = '{alone}'"
        engine.run(f"{insert} FROM {schema}.{table} WHERE {name} IN ({of_one_side})")
        if rows:
            engine.run(f"{insert} FROM {source} WHERE {name} IS NULL")
