"""Which two tables does the row diff's benchmark compare, as Parquet and in PostgreSQL?

Made from the row's number alone, so that they are the same everywhere. Rows lie in another random order on
each side. One row in `every` differs; a twentieth of those stand on one side only. Keys look like ours, with
dashes for dots, since reladiff refuses keys with dots.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

KEY = "key"
TABLES = ("left", "right")
# Values depend on the row's number `n` and on `c`, which is 1 where a row is to differ.
COLUMNS = {
    "name": "'Account ' || hash(n, c) % 900000 || ' ' || n",
    "domain": "'www.' || to_base(CAST(hash(n, 2) % 10000000000 AS BIGINT), 36) || '.example'",
    "phone": "'+44 20 ' || (hash(n, 3) % 10000000)",
    "street": "(hash(n, 4) % 400) || ' High Street'",
    "city": "list_extract(['London', 'Leeds', 'Málaga', 'Łódź', 'Zürich'], CAST(hash(n, 5) % 5 AS INT) + 1)",
    "zip": "lpad(CAST(hash(n, 6) % 100000 AS VARCHAR), 5, '0')",
    "country": "list_extract(['Germany', 'Spain', 'Poland'], CAST(hash(n, 7) % 3 AS INT) + 1)",
    "industry": "CASE WHEN n % 7 = 0 THEN NULL ELSE 'industry ' || (hash(n, 8) % 30) END",
    "type": "CASE WHEN n % 5 = 0 THEN NULL ELSE 'type ' || (hash(n, 9) % 6) END",
    "description": "repeat('note ' || (hash(n, 10) % 1000) || ' ', 5) || n",
    "owner": "'0055g00' || lpad(CAST(hash(n, 11) % 60 AS VARCHAR), 8, '0') || 'AAA'",
    "parent": "CASE WHEN n % 3 = 0 THEN '0015g00' || lpad(CAST(hash(n, 12) % 90000 AS VARCHAR), 8, '0') END",
    "employees": "CASE WHEN n % 6 = 0 THEN NULL ELSE CAST(hash(n, 13) % 50000 AS BIGINT) END",
    "score": "CAST(hash(n, 14) % 100 AS BIGINT)",
    "revenue": "CAST((hash(n, 15) % 1000000000 + c) / 100 AS DECIMAL(18, 2))",
    "balance": "CAST((hash(n, 16) % 1000000000) / 100 AS DECIMAL(18, 2))",
    "active": "hash(n, 17) % 3 = 0",
    "since": "DATE '2005-01-01' + CAST(hash(n, 18) % 7000 AS INTEGER)",
    "created": "TIMESTAMP '2016-01-01' + to_seconds(CAST(hash(n, 19) % 300000000 AS BIGINT))",
    "changed": "TIMESTAMP '2020-01-01' + to_seconds(CAST(hash(n, 20 + c * (n % 2)) % 90000000 AS BIGINT))",
}


def columns(count: int) -> dict[str, str]:
    """So many columns: those above, and the same with other values as `name_2`.

    Raises:
        ValueError: there aren't as many.
    """
    more = {f"{name}_2": value.replace("hash(n, ", "hash(n + 1, ") for name, value in COLUMNS.items()}
    found = dict(list({**COLUMNS, **more}.items())[:count])
    if len(found) < count:
        raise ValueError(f"there are {len(found)} columns, not {count}")
    return found


def generate(folder: Path, rows: int, every: int, count: int = len(COLUMNS)) -> dict[str, Any]:
    """The two tables, `count` columns beside the key; what a side must know, and how many rows differ."""
    folder.mkdir(parents=True)
    odd = f"n % {every} = 3"
    lost = f"{odd} AND (n // {every}) % 40"
    made = columns(count)
    values = ", ".join(f'{value} AS "{name}"' for name, value in made.items())
    config = {"threads": 2, "memory_limit": "1500MB", "temp_directory": str(folder / "spill")}
    with duckdb.connect(":memory:", config=config) as connection:
        for side, changed, kept in zip(
            TABLES, ("0", f"CAST({odd} AS INT)"), (f"{lost} = 0", f"{lost} = 1"), strict=True
        ):
            connection.execute(
                f"""COPY (SELECT 'sf-Account-' || lpad(CAST(hash(n) AS VARCHAR), 20, '0') AS "{KEY}", {values}
                FROM (SELECT n, {changed} AS c FROM (SELECT range AS n FROM range({rows}))
                    WHERE NOT ({kept}) ORDER BY hash(n, '{side}')))
                TO '{folder / side}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
            )
        found = connection.execute(
            f"""SELECT count(*) FILTER ({lost} NOT IN (0, 1)), count(*) FILTER ({lost} = 1),
            count(*) FILTER ({lost} = 0) FROM (SELECT range AS n FROM range({rows})) WHERE {odd}"""
        ).fetchone()
    assert found is not None
    return {
        "left": f"{folder / 'left'}.parquet",
        "right": f"{folder / 'right'}.parquet",
        "key": KEY,
        "columns": list(made),
        "expected": dict(zip(("differing", "only_left", "only_right"), map(int, found), strict=True)),
    }


@contextmanager
def served(known: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """The two tables in a PostgreSQL server, with primary keys and statistics; how they are reached.

    Args:
        folder: for what is on its way there.
    """
    import psycopg

    from tests.harness.servers import postgres

    with postgres() as url, psycopg.connect(url, autocommit=True) as there:
        for table in TABLES:
            source, csv = f"read_parquet('{known[table]}')", folder / f"{table}.csv"
            with duckdb.connect(":memory:") as here:
                described = here.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
                here.execute(f"COPY (SELECT * FROM {source}) TO '{csv}' (FORMAT csv, HEADER false)")
            typed = ", ".join(f'"{name}" {kind}' for name, kind, *_ in described)
            there.execute(f'CREATE TABLE "{table}" ({typed}, PRIMARY KEY ("{KEY}"))'.encode())
            with (
                csv.open("rb") as file,
                there.cursor().copy(f'COPY "{table}" FROM STDIN (FORMAT csv)'.encode()) as copy,
            ):
                while block := file.read(1 << 20):
                    copy.write(block)
            csv.unlink()
            there.execute(f'VACUUM ANALYZE "{table}"'.encode())
        told = psycopg.conninfo.conninfo_to_dict(url)
        yield {
            "server": {"host": told["host"], "user": told["user"], "database": told["dbname"]},
            "version": there.info.parameter_status("server_version"),
        }
