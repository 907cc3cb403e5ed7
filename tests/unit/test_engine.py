"""Does the engine stream, and does it keep to its folders and its memory?"""

from __future__ import annotations

import resource
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.catalog import Field
from migrate.engine import Engine, parquet
from migrate.errors import Defect, NoSpace, UsageError
from migrate.types import Kind
from migrate.workspace import Workspace


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    return path


def test_only_the_given_folders_can_be_read_or_written(tmp_path: Path) -> None:
    ours, theirs = write(tmp_path / "stage" / "a.parquet"), write(tmp_path / "other" / "a.parquet")
    with Engine(folders=[tmp_path / "stage"]) as engine:
        assert engine.rows(f"SELECT sum(a) AS s FROM {parquet([str(ours)])}") == [{"s": 6}]
        for sql in (
            f"SELECT * FROM {parquet([str(theirs)])}",
            f"SELECT * FROM {parquet([str(tmp_path / 'stage' / '..' / 'other' / 'a.parquet')])}",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/etc/passwd')",
            f"COPY (SELECT 1) TO '{tmp_path / 'other' / 'b.parquet'}'",
            f"ATTACH '{tmp_path / 'other' / 'x.db'}'",
            "INSTALL httpfs",
            "LOAD '/usr/lib/libc.so.6'",
        ):
            with pytest.raises(duckdb.Error):
                engine.run(sql)


def test_the_configuration_is_locked_on_every_cursor() -> None:
    with Engine() as engine, engine.cursor() as cursor:
        for sql in (
            "SET enable_external_access = true",
            "SET memory_limit = '64GB'",
            "SET TimeZone = 'Europe/Berlin'",
            "RESET lock_configuration",
        ):
            with pytest.raises(duckdb.Error, match="locked"):
                cursor.execute(sql)


def test_a_python_variable_is_no_table() -> None:
    secret = pa.table({"a": [1]})
    with Engine() as engine, pytest.raises(duckdb.Error, match="does not exist"):
        engine.rows("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_the_session_counts_in_utc_on_every_cursor() -> None:
    with Engine() as engine:
        rows = engine.rows("SELECT CAST(TIMESTAMPTZ '2020-01-01 00:30:00+02' AS DATE) AS d")
        assert str(rows[0]["d"]) == "2019-12-31"


def test_a_result_larger_than_memory_is_streamed() -> None:
    with Engine("100MB", threads=1) as engine:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reader = engine.stream("SELECT i, repeat('x', 100) || i AS t FROM range(3000000) r(i)", rows=10_000)
        rows, largest = 0, 0
        for batch in reader:
            rows += batch.num_rows
            largest = max(largest, batch.num_rows)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert rows == 3_000_000
    assert largest <= 10_240  # whole vectors of 2,048
    assert grown < 200_000  # KB; the result itself has 350 MB


def test_two_streams_don_t_disturb_each_other() -> None:
    with Engine() as engine:
        left, right = (engine.stream("SELECT i FROM range(200000) r(i)", rows=2048) for _ in range(2))
        assert sum(a.num_rows + b.num_rows for a, b in zip(left, right, strict=True)) == 400_000


def test_too_little_memory_is_said_as_such(tmp_path: Path) -> None:
    with Engine("10MB", temp_dir=tmp_path / "spill", threads=1) as engine, pytest.raises(NoSpace):
        engine.rows("SELECT list(repeat('x', 1000) || i) AS l FROM range(1000000) r(i)")


def test_a_failure_in_the_middle_of_a_stream_is_a_defect() -> None:
    with Engine() as engine, pytest.raises((Defect, duckdb.Error)):
        engine.rows("SELECT CASE WHEN i > 100000 THEN error('x') END AS a FROM range(200000) r(i)")


def test_types_are_duckdbs_own() -> None:
    fields = {
        "Amount": Field(
            name="Amount", label="", kind=Kind.MONEY, vendor_type="currency", precision=18, scale=2
        ),
        "At": Field(name="At", label="", kind=Kind.TIMESTAMP, vendor_type="datetime"),
        "Tags": Field(name="Tags", label="", kind=Kind.MULTIPICKLIST, vendor_type="multipicklist"),
    }
    with Engine() as engine:
        expressions = {"a": '"Amount" * 2', "b": '"Amount" / 2', "c": '"At"', "d": '"Tags"'}
        assert engine.describe(expressions, fields) == {
            "a": "DECIMAL(18,2)",
            "b": "DOUBLE",
            "c": "TIMESTAMP WITH TIME ZONE",
            "d": "VARCHAR[]",
        }
        assert engine.describe(
            {"x": '"source"."Amount" > "target"."Amount"'},
            {"source.Amount": fields["Amount"], "target.Amount": fields["Amount"]},
        ) == {"x": "BOOLEAN"}
        with pytest.raises(ValueError, match="No function matches"):
            engine.describe({"x": 'lower("Amount")'}, fields)


def test_a_setting_bounds_what_the_workspace_s_engine_keeps_in_memory(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"MIGRATE_MEMORY": "64MB"})
    limit = workspace.engine.rows("SELECT current_setting('memory_limit') AS v")[0]["v"]
    workspace.close()
    assert limit == "61.0 MiB"
    with pytest.raises(UsageError, match="MIGRATE_MEMORY"):
        assert Workspace(tmp_path, {"MIGRATE_MEMORY": "much"}).engine
