"""Are duplicates that a migration makes told from those that were there, also among a million records?"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from migrate_validators.likely import CAP, Likely, find, normal
from migrate_validators.model import Verdict

from migrate.engine import Engine, identifier
from tests.unit.moved import Moved, moved, publish

Person = tuple[str, str | None, str | None, str | None, str | None]


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as opened:
        yield opened


def among(
    engine: Engine,
    folder: Path,
    *rows: Person,
    threshold: float = 92,
    company: bool = False,
    dots: bool = False,
) -> Likely:
    """Likely duplicates among rows of id, e-mail, phone, domain, name."""
    columns = zip(*rows, strict=True)
    names = ("id", "email", "phone", "domain", "name")
    table = pa.table({name: pa.array(one, pa.string()) for name, one in zip(names, columns, strict=True)})
    pq.write_table(table, folder / "rows.parquet")
    return found_in(engine, folder / "rows.parquet", threshold=threshold, company=company, dots=dots)


def found_in(
    engine: Engine, file: Path, *, threshold: float = 92, company: bool = False, dots: bool = False
) -> Likely:
    def make(name: str, query: str) -> str:
        engine.run(f"CREATE OR REPLACE TABLE {identifier(name)} AS {query}")
        return identifier(name)

    return find(
        engine, make, "x", f"SELECT * FROM read_parquet('{file}')", threshold=threshold, company=company,
        gmail_dots=dots,
    )  # fmt: skip


def pairs(engine: Engine, found: Likely) -> list[tuple[str, str]]:
    return [(row["a"], row["b"]) for row in engine.rows(f"SELECT a, b FROM {found.pairs} ORDER BY ALL")]


def value(engine: Engine, sql: str) -> object:
    return engine.rows(f"SELECT {sql} AS v")[0]["v"]


def test_names_addresses_phones_and_domains_are_compared_in_one_form(engine: Engine) -> None:
    assert value(engine, normal("name", "'Müller & Söhne G.m.b.H.'", company=True)) == "muller sohne"
    assert value(engine, normal("name", "'Lovelace, Ada'")) == value(engine, normal("name", "'ada LOVELACE'"))
    assert value(engine, normal("name", "'The Company Inc.'", company=True)) == "company inc the"
    assert value(engine, normal("email", "' Ada@X.Example '")) == "ada@x.example"
    assert value(engine, normal("email", "'none'")) is None
    assert value(engine, normal("email", "'a.d.a+crm@googlemail.com'", gmail_dots=True)) == "ada@gmail.com"
    assert value(engine, normal("email", "'a.d.a@gmail.com'")) == "a.d.a@gmail.com"
    assert value(engine, normal("phone", "'+49 (30) 123-456-78'")) == value(
        engine, normal("phone", "'030 12345678'")
    )
    assert value(engine, normal("phone", "'110'")) is None
    assert value(engine, normal("domain", "'https://www.Acme.example/en?x=1'")) == "acme.example"
    assert value(engine, normal("domain", "'ACME.example:8080'")) == "acme.example"


def test_people_are_alike_by_address_or_by_name_and_phone_and_not_by_a_name_alone(
    engine: Engine, tmp_path: Path
) -> None:
    found = among(
        engine,
        tmp_path,
        ("1", "ada@x.example", None, None, "Ada Lovelace"),
        ("2", "ADA@x.example", "1", None, "Ada Lovelase"),
        ("3", "bo@x.example", "+49 30 1234567", None, "Bo Diddley"),
        ("4", "bo@home.example", "030 1234567", None, "Bo Diddley"),
        ("5", None, None, None, "Cy Twombly"),
        ("6", None, None, None, "Cy Twombly"),
        ("7", "office@x.example", None, None, "Dee Dee Bridgewater"),
        ("8", "office@x.example", None, None, "Ornette Coleman"),
        ("9", "eve1@x.example", None, None, "Eve Arden"),
        ("10", "eve2@x.example", None, None, "Eve Arden"),
    )

    assert pairs(engine, found) == [("1", "2"), ("3", "4")]
    assert (found.records, found.members, found.groups, found.superfluous) == (10, 4, 2, 2)


def test_companies_are_alike_without_their_legal_form_but_not_at_two_domains(
    engine: Engine, tmp_path: Path
) -> None:
    found = among(
        engine,
        tmp_path,
        ("1", None, None, "acme.example", "Acme GmbH"),
        ("2", None, None, "www.acme.example", "ACME"),
        ("3", None, None, "bolt.example", "Bolt Ltd."),
        ("4", None, None, "bolt-usa.test", "Bolt, Inc."),
        ("5", None, None, None, "Bolt"),
        company=True,
    )

    assert pairs(engine, found) == [("1", "2"), ("3", "5"), ("4", "5")]
    assert found.groups == 2


def test_a_chain_of_pairs_is_one_cluster(engine: Engine, tmp_path: Path) -> None:
    found = among(
        engine,
        tmp_path,
        ("1", "ada@x.example", None, None, "Ada Byron"),
        ("2", "ada@x.example", "030 1234567", None, "Ada Byron"),
        ("3", "other@y.example", "030 1234567", None, "Ada Byron"),
    )

    assert pairs(engine, found) == [("1", "2"), ("2", "3")]
    assert (found.members, found.groups) == (3, 1)


def test_a_block_of_everybody_is_named_and_never_compared_each_with_each(
    engine: Engine, tmp_path: Path
) -> None:
    crowd = 2_000
    rows = [(str(n), "info@x.example", None, None, f"Person {n:05} {n % 7}") for n in range(crowd)]
    twin: Person = ("twin", "info@x.example", None, None, "Person 00007 0")

    found = among(engine, tmp_path, *rows, twin)

    assert ("7", "twin") in pairs(engine, found)
    assert found.large[0].kind == "email"
    assert found.large[0].records == crowd + 1
    assert found.candidates < crowd * CAP


def test_no_pair_is_scored_twice_for_sharing_several_blocks(engine: Engine, tmp_path: Path) -> None:
    found = among(
        engine,
        tmp_path,
        ("1", "ada@x.example", "030 1234567", "x.example", "Ada Lovelace"),
        ("2", "ada@x.example", "030 1234567", "x.example", "Ada Lovelace"),
    )

    assert found.candidates == 1


def test_what_was_merged_on_the_way_lowers_the_rate_and_nothing_was_made(migration: Moved) -> None:
    result = migration.results("duplicates")["duplicates.Contact"]

    assert result.verdict is Verdict.PASS
    assert result.figures["records at the source"] == 3
    assert result.figures["likely duplicates at the source"] == 1
    assert result.figures["likely duplicates in the target"] == 0
    assert result.figures["rate at the source"] == "33.33 %"


def test_a_second_record_beside_one_that_was_there_is_listed_with_both_ids(migration: Moved) -> None:
    migration.target.records["companies"]["9"] = {"name": "ACME Inc.", "domain": "acme.example"}

    result = migration.results("duplicates")["duplicates.Account"]

    assert result.verdict is Verdict.WARN
    assert result.figures["of them with a record that was there before"] == 1
    (row,) = result.sample
    assert (row["key"], row["id"], row["other_id"], row["class"]) == (
        "sf.Account.A1",
        "101",
        "9",
        "likely duplicate",
    )
    assert float(row["score"]) == 100.0
    assert result.grades == {"warn": 1}


def test_two_of_ours_that_were_no_pair_at_the_source_are_listed(migration: Moved) -> None:
    for id in ("101", "102"):
        migration.target.records["companies"][id] |= {"name": "Acme", "domain": "acme.example"}

    result = migration.results("duplicates")["duplicates.Account"]

    assert [(row["id"], row["other_id"]) for row in result.sample] == [("101", "102")]


def test_a_pair_that_was_one_at_the_source_is_counted_and_not_the_migrations_doing(migration: Moved) -> None:
    manifest = migration.store.manifest("source/Account/g0000")
    assert manifest is not None
    rows = pq.read_table(migration.store.files(manifest)[0]).to_pylist()
    rows[1] |= {"Name": "ACME", "Website": "acme.example"}
    schema = pq.read_schema(migration.store.files(manifest)[0])
    publish(migration.store, "source/Account/g0000", rows, schema, counted=3)
    for id in ("101", "102"):
        migration.target.records["companies"][id] |= {"name": "Acme", "domain": "acme.example"}

    result = migration.results("duplicates")["duplicates.Account"]

    assert result.verdict is Verdict.PASS
    assert result.figures["likely duplicates in the target"] == 1


def test_one_that_we_adopted_was_there_before_and_so_was_its_twin(migration: Moved) -> None:
    migration.target.records["companies"]["9"] = {"name": "Curie & Co", "domain": "curie.example"}

    assert migration.results("duplicates")["duplicates.Account"].verdict is Verdict.PASS


def test_the_plan_says_of_what_duplicates_are_compared_by_and_how_alike(migration: Moved) -> None:
    plan = migration.root / "plan.yaml"
    wanted = "{entry: Opportunity, on: [dealname], threshold: 80}"
    plan.write_text(plan.read_text() + f"validate:\n  duplicates: [{wanted}]\n")
    migration.target.records["deals"]["7"] = {"dealname": "Grand Tour 2026"}
    migration.target.records["deals"]["301"]["dealname"] = "Grant Tours 2026"

    result = migration.results("duplicates")["duplicates.Opportunity"]

    assert [(row["id"], row["other_id"]) for row in result.sample] == [("301", "7")]


def test_nothing_at_the_source_to_compare_with_is_empty_and_no_pass(migration: Moved) -> None:
    schema = pa.schema([("_id", pa.string()), ("Email", pa.string()), ("AccountId", pa.string())])
    publish(migration.store, "source/Contact/g0000", [], schema, counted=3)

    assert migration.results("duplicates")["duplicates.Contact"].verdict is Verdict.EMPTY


def people(file: Path, rows: int) -> int:
    """Write invented people, every fiftieth of them twice; returns how many stand twice."""
    chance = random.Random(7)  # noqa: S311 - the same people each time
    sounds = [a + b for a in "bcdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
    first = ["".join(chance.choices(sounds, k=2)) for _ in range(2_000)]
    last = ["".join(chance.choices(sounds, k=3)) for _ in range(40_000)]
    names = ("id", "email", "phone", "domain", "name")
    schema = pa.schema([(name, pa.string()) for name in names])
    twice = 0
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, rows, 50_000):
            lot: list[Person] = []
            for n in range(start, min(rows, start + 50_000)):
                one = f"{first[int(2_000 * chance.random() ** 3)]} {last[int(40_000 * chance.random() ** 2)]}"
                mail = f"{one.replace(' ', '.')}{n}@x{n % 9_000}.example"
                lot.append((str(n), mail, f"+49 30 {chance.randrange(10**7, 10**8)}", None, one))
                if n % 50 == 7:
                    lot[-1] = (str(n), *lot[-2][1:])
                    twice += 1
            writer.write(
                pa.table([pa.array(column, pa.string()) for column in zip(*lot, strict=True)], schema)
            )
    return twice


@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_million_people_are_compared_in_bounded_time_and_memory(
    engine: Engine, tmp_path: Path, rows: int
) -> None:
    twice = people(tmp_path / "people.parquet", rows)
    begun = time.monotonic()

    found = found_in(engine, tmp_path / "people.parquet")

    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{rows:,} rows, {found.candidates:,} pairs scored: {seconds:.1f} s, peak RSS {peak:,.0f} MB")
    assert found.groups == twice
    assert found.candidates < rows * 10
    assert peak < 1_500
    assert seconds < 600
