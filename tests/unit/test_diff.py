"""Does the row diff find every difference, each once, and nothing else?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
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
