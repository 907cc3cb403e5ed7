"""In which rows, and in which of their values, do two tables of any size differ?

Each row is hashed first, typed and in the given columns only; keys and hashes are joined, and values
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
            differ. Both have `key` and all of `columns`, of equal types.
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
    counts: dict[str, int] = {}
    for side, source in (("l", left), ("r", right)):
        engine.run(f"CREATE TABLE {schema}.{side} AS SELECT {name} AS k, {hashed} AS h FROM {source}")
        found = engine.rows(
            f"SELECT count(*) AS rows, count(k) AS keys, count(DISTINCT k) AS once FROM {schema}.{side}"
        )[0]
        counts[side] = int(found["rows"])
        counts[f"{side}_twice"] = int(found["keys"]) - int(found["once"])
    twice = counts["l_twice"] + counts["r_twice"]
    duplicates = 0
    sides = [f"{schema}.l", f"{schema}.r"]
    if twice:
        engine.run(
            f"""CREATE TABLE {schema}.twice AS SELECT k, sum(l) AS l, sum(r) AS r FROM (
            SELECT k, count(*) AS l, 0 AS r FROM {schema}.l WHERE k IS NOT NULL GROUP BY k
            UNION ALL SELECT k, 0, count(*) FROM {schema}.r WHERE k IS NOT NULL GROUP BY k)
            GROUP BY k HAVING sum(l) > 1 OR sum(r) > 1"""
        )
        duplicates = int(engine.rows(f"SELECT count(*) AS n FROM {schema}.twice")[0]["n"])
        sides = [f"(FROM {side} ANTI JOIN {schema}.twice USING (k))" for side in sides]
    engine.run(
        f"""CREATE TABLE {schema}.odd AS
        SELECT coalesce(l.k, r.k) AS k, l.h IS NOT NULL AS on_left, r.h IS NOT NULL AS on_right
        FROM {sides[0]} AS l FULL JOIN {sides[1]} AS r ON l.k = r.k WHERE l.h IS DISTINCT FROM r.h"""
    )
    found = engine.rows(
        f"""SELECT count(*) FILTER (on_left AND on_right) AS both, count(*) FILTER (NOT on_right) AS l,
        count(*) FILTER (NOT on_left) AS r FROM {schema}.odd"""
    )[0]
    only_left, only_right, differing = int(found["l"]), int(found["r"]), int(found["both"])
    _values(engine, schema, left, right, name, columns, both=differing, one=only_left + only_right)
    if duplicates:
        engine.run(
            f"""INSERT INTO {schema}.differences SELECT CAST(k AS VARCHAR), '{DUPLICATE}', NULL,
            l || ' rows', r || ' rows' FROM {schema}.twice"""
        )
    in_twice = (
        int(engine.rows(f"SELECT coalesce(sum(l), 0) AS n FROM {schema}.twice")[0]["n"]) if twice else 0
    )
    by_field = engine.rows(
        f"""SELECT field, count(*) AS n FROM {schema}.differences WHERE class = '{DIFFERS}'
        GROUP BY field ORDER BY n DESC, field"""
    )
    return Differences(
        engine=engine,
        table=f"{schema}.differences",
        left_rows=counts["l"],
        right_rows=counts["r"],
        compared=counts["l"] - in_twice - only_left,
        only_left=only_left,
        only_right=only_right,
        differing=differing,
        duplicates=duplicates,
        by_field={str(row["field"]): int(row["n"]) for row in by_field},
    )


def _hash(engine: Engine, table: str, columns: list[str]) -> str:
    """SQL of a row's hash. DuckDB gives a null list and an empty one the same hash (seen with 2.0)."""
    if not columns:
        return "0::UBIGINT"
    listed = ", ".join(identifier(column) for column in columns)
    schema = engine.stream(f"SELECT {listed} FROM {table} LIMIT 0").schema
    nested = [f"{identifier(f.name)} IS NULL" for f in schema if f.type.num_fields]
    return f"hash({', '.join([listed, *nested])})"


def _values(
    engine: Engine, schema: str, left: str, right: str, name: str, columns: list[str], *, both: int, one: int
) -> None:
    """The table of differences, but for keys that stand several times."""
    engine.run(
        f"""CREATE TABLE {schema}.differences (key VARCHAR, class VARCHAR, field VARCHAR,
        "left" VARCHAR, "right" VARCHAR)"""
    )
    listed = [identifier(column) for column in columns]
    if both:
        differing = f"SELECT k FROM {schema}.odd WHERE on_left AND on_right"
        for side, source in (("lv", left), ("rv", right)):
            engine.run(
                f"CREATE TABLE {schema}.{side} AS SELECT {', '.join([name, *listed])} FROM {source} "
                f"WHERE {name} IN ({differing})"
            )
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
    if one:
        whole = "CAST({" + ", ".join(
            f"{text(plain)}: {column}" for plain, column in zip(columns, listed, strict=True)
        ) + "} AS VARCHAR)" if columns else "''"  # fmt: skip
        for kind, source, there, values in (
            (ONLY_LEFT, left, "NOT on_right", f"{whole}, NULL"),
            (ONLY_RIGHT, right, "NOT on_left", f"NULL, {whole}"),
        ):
            engine.run(
                f"""INSERT INTO {schema}.differences
                SELECT CAST({name} AS VARCHAR), '{kind}', NULL, {values} FROM {source}
                WHERE {name} IN (SELECT k FROM {schema}.odd WHERE {there}) OR {name} IS NULL"""
            )
