"""Does the row diff find every difference, each once, and nothing else?"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import migrate.diff
from migrate.diff import DIFFERS, DUPLICATE, ONLY_LEFT, ONLY_RIGHT, diff
from migrate.engine import Engine

SCHEMA = pa.schema(
    [("key", pa.string()), ("a b", pa.string()), ("n", pa.decimal128(18, 2)), ("l", pa.list_(pa.string()))]
)
COLUMNS = ("a b", "n", "l")

values = st.fixed_dictionaries(
    {
        "key": st.one_of(st.none(), st.sampled_from([f"k{n}" for n in range(12)])),
        "a b": st.one_of(st.none(), st.sampled_from(["", "x", "it's", 'a"b'])),
        "n": st.one_of(st.none(), st.decimals(-99, 99, places=2)),
        "l": st.one_of(st.none(), st.lists(st.sampled_from(["p", "q"]), max_size=2)),
    }
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(folders=[tmp_path_factory.getbasetemp()], threads=1) as made:
        yield made


def table(engine: Engine, name: str, rows: list[dict[str, Any]]) -> str:
    with engine.cursor() as cursor:
        cursor.register("handed", pa.Table.from_pylist(rows, schema=SCHEMA))
        cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM handed")
        cursor.unregister("handed")
    return name


@pytest.fixture(params=["hashes as they are", "hashes that collide", "in lots"])
def way(engine: Engine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same diff where keys share hashes, and where values are fetched in several lots."""
    colliding = request.param == "hashes that collide"
    if colliding:
        engine.run(
            """CREATE MACRO memory.main.hash(a) AS CAST(coalesce(length(a), 2) AS UBIGINT),
            (a, b, c, d) AS md5_number_lower(row(a, b, c, d)::VARCHAR)"""
        )
    elif request.param == "in lots":
        monkeypatch.setattr(migrate.diff, "LOTS", (3,))
    yield
    if colliding:
        engine.run("DROP MACRO memory.main.hash")


@pytest.mark.usefixtures("way")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.lists(values, max_size=10), right=st.lists(values, max_size=10))
def test_the_diff_says_what_comparing_row_by_row_says(
    engine: Engine, left: list[dict[str, Any]], right: list[dict[str, Any]]
) -> None:
    sides = [Counter(row["key"] for row in rows if row["key"] is not None) for rows in (left, right)]
    twice = {key for side in sides for key, count in side.items() if count > 1}
    one, other = (
        {row["key"]: row for row in rows if row["key"] not in {None, *twice}} for rows in (left, right)
    )
    fields = sorted(
        (key, name)
        for key in one.keys() & other.keys()
        for name in COLUMNS
        if one[key][name] != other[key][name]
    )
    nulls = [sum(row["key"] is None for row in rows) for rows in (left, right)]

    with diff(engine, table(engine, "lhs", left), table(engine, "rhs", right), "key", COLUMNS) as found:
        rows = engine.rows(f"SELECT * FROM {found.table} ORDER BY key, field")
        assert (found.left_rows, found.right_rows) == (len(left), len(right))
        assert found.compared == len(one.keys() & other.keys())
        assert found.only_left == len(one.keys() - other.keys()) + nulls[0]
        assert found.only_right == len(other.keys() - one.keys()) + nulls[1]
        assert found.duplicates == len(twice)
        assert found.differing == len({key for key, _ in fields})
        assert sorted((row["key"], row["field"]) for row in rows if row["class"] == DIFFERS) == fields
        by_class = Counter(row["class"] for row in rows)
        assert by_class[ONLY_LEFT] == found.only_left
        assert by_class[ONLY_RIGHT] == found.only_right
        assert by_class[DUPLICATE] == found.duplicates
        assert found.equal == (not rows)


def test_values_are_given_exactly_as_they_are_on_both_sides(engine: Engine) -> None:
    left = table(engine, "lhs", [{"key": "k", "a b": "it's", "n": None, "l": ["p"]}])
    right = table(engine, "rhs", [{"key": "k", "a b": None, "n": None, "l": ["p", "q"]}])

    with diff(engine, left, right, "key", COLUMNS) as found:
        rows = {
            row["field"]: (row["left"], row["right"]) for row in engine.rows(f"SELECT * FROM {found.table}")
        }

    assert rows == {"a b": ("it's", None), "l": ("[p]", "[p, q]")}
    assert found.by_field == {"a b": 1, "l": 1}


def test_an_empty_list_is_not_the_same_as_none_or_as_a_list_of_nothing(engine: Engine) -> None:
    lists: list[tuple[list[str | None] | None, list[str | None] | None]] = [
        (None, []),
        ([], [None]),
        ([None], None),
        (None, None),
    ]
    left, right = (
        [{"key": str(number), "l": pair[side]} for number, pair in enumerate(lists)] for side in (0, 1)
    )

    with diff(engine, table(engine, "lhs", left), table(engine, "rhs", right), "key", COLUMNS) as found:
        assert (found.differing, found.by_field) == (3, {"l": 3})


def test_the_differences_are_written_for_a_spreadsheet_or_a_script(engine: Engine, tmp_path: Path) -> None:
    left = table(engine, "lhs", [{"key": "k", "a b": "x", "n": None, "l": None}])
    right = table(engine, "rhs", [])

    with diff(engine, left, right, "key", COLUMNS) as found:
        assert found.write(tmp_path / "rows.parquet") == 1

    assert (tmp_path / "rows.parquet").exists()


def test_nothing_is_left_in_the_engine(engine: Engine) -> None:
    before = engine.rows("SELECT count(*) AS n FROM duckdb_tables()")
    with diff(engine, table(engine, "lhs", []), table(engine, "rhs", []), "key", COLUMNS) as found:
        assert found.equal

    assert [row["n"] for row in engine.rows("SELECT count(*) AS n FROM duckdb_tables()")] >= [before[0]["n"]]
    assert not engine.rows("SELECT * FROM duckdb_schemas() WHERE schema_name LIKE 'diff_%'")


# Under the default limit of 512 MB. Each would be far beyond it if a step held it whole: rows, key, columns.
SHAPES = {
    "one key a million times": (
        "range(2000000)",
        "CASE WHEN n % 2 = 0 THEN 'same' ELSE 'k' || n END",
        ["hash(n, {i}) || ' ' || {c}"] * 4,
    ),
    "a thousand columns": ("range(5000)", "'k' || n", ["'value ' || ((n * {i}) % 1009 + {c})"] * 1000),
    "texts of 100 kB": ("range(1500)", "'k' || n", ["repeat(md5(n || ''), 3200) || {c}"]),
}

PROGRAM = """
import sys
from pathlib import Path
from migrate.diff import diff
from migrate.engine import Engine, parquet
from bench.measure import peak

folder, columns = Path(sys.argv[1]), sys.argv[2].split(",")
left, right = (parquet([str(folder / f"{side}.parquet")]) for side in ("left", "right"))
with Engine(folders=[folder], temp_dir=folder / "spill") as engine:
    with diff(engine, left, right, "key", columns) as found:
        lines = found.write(folder / "differences.parquet")
        print(found.compared, found.differing, found.duplicates, lines, peak())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("one key a million times", (1_000_000, 1_000, 1, 4_001)),
        ("a thousand columns", (5_000, 5_000, 0, 5_000_000)),
        ("texts of 100 kB", (1_500, 1_500, 0, 1_500)),
    ],
)
def test_memory_stays_bounded_for_skewed_and_wide_tables(
    tmp_path: Path, shape: str, expected: tuple[int, int, int, int]
) -> None:
    rows, key, columns = SHAPES[shape]
    for side in ("left", "right"):
        changed = "0" if side == "left" else "CAST(n % 2000 = 3 AS INT)" if "key" in shape else "1"
        values = ", ".join(f"{sql.format(i=i, c=changed)} AS c{i}" for i, sql in enumerate(columns))
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(
                f"""COPY (SELECT {key} AS key, {values} FROM {rows} AS t(n))
                TO '{tmp_path / side}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
            )
    names = ",".join(f"c{i}" for i in range(len(columns)))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), names],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert not done.returncode, done.stderr[-2000:]
    *counts, peak = map(int, done.stdout.split())
    assert tuple(counts) == expected
    assert peak < 1_000_000_000
    written = pq.read_table(tmp_path / "differences.parquet", columns=["key", "field"])
    assert written.num_rows == expected[3]
    assert written.equals(written.sort_by([("key", "ascending"), ("field", "ascending")]))
