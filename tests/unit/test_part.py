"""A quick look takes what changed, or a sample; it finds what is wrong there and never says more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from migrate_validators.part import Part, part_of
from migrate_validators.run import validate

from migrate.clock import parse_stamp, stamp
from migrate.connector import Held, Page, Query
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.stages.discover import discover
from migrate.types import Kind, arrow_type
from tests.unit.fake_target import FakeTarget
from tests.unit.two_systems import TARGET, Move, field

PLAN = """
- source: Account
  target: companies
  key: {field: migration_key}
  fields:
    name: Name
    parent: {from: ParentId, reference: Account, missing: later}
- source: Contact
  target: contacts
  key: {field: migration_key}
  fields:
    name: LastName
    email: Email
    company: {from: AccountId, reference: Account}
  links:
    - {to: companies, via: AccountId, label: default}
"""
STAMPED = TARGET.model_copy(
    update={
        "objects": {
            name: each.model_copy(
                update={"stamp": "at", "fields": {**each.fields, "at": field("at", Kind.TIMESTAMP)}}
            )
            for name, each in TARGET.objects.items()
        }
    }
)


class Stamped(FakeTarget):
    """Tells when a record changed, and which were deleted since. Remembers how it was asked."""

    def __init__(self, move: Move) -> None:
        super().__init__(move.clock, catalog=STAMPED)
        self.reads: list[Query] = []
        self.asked: list[str] = []

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:  # noqa: ARG002 - one page is all
        self.reads.append(query)
        fields = self.catalog.objects[query.object].fields
        rows = [
            each
            for each in self.records.values()
            if each.object == query.object and each.live is not query.deleted
            and (query.since is None or parse_stamp(each.stamp) >= query.since)
        ]  # fmt: skip
        columns = [pa.array([each.id for each in rows], pa.string())]
        for name in query.fields:
            values = [each.stamp if name == "at" else each.values.get(name) for each in rows]
            kind = arrow_type(fields[name].kind)
            given: list[Any] = [
                parse_stamp(v) if v and fields[name].kind is Kind.TIMESTAMP else v for v in values
            ]
            many = fields[name].kind is Kind.MULTIPICKLIST
            columns.append(pa.array([v.split(";") if v and many else v for v in given], kind))
        yield Page(pa.RecordBatch.from_arrays(columns, ["_id", *query.fields]), None)

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:  # noqa: ARG002
        return [
            {
                k: ";".join(v) if isinstance(v, list) else stamp(v) if isinstance(v, datetime) else v
                for k, v in row.items()
            }
            for row in batch.to_pylist()
        ]

    def read_back(
        self, object: str, fields: Sequence[str], *, ids: Sequence[str] = (), keys: Sequence[str] = ()
    ) -> list[Held]:
        self.asked += [*ids, *keys]
        return super().read_back(object, fields, ids=ids, keys=keys)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path], threads=1) as made:
        yield made


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    made = Move(tmp_path, engine, PLAN)
    made.target = Stamped(made)
    discover(made.workspace)
    for number in range(12):
        parent = {"ParentId": "A0"} if number else {}
        made.source.put("Account", f"A{number}", Name=f"Firm {number}", **parent)
        made.source.put(
            "Contact", f"C{number}", LastName=f"P {number}", Email=f"p{number}@a.test", AccountId=f"A{number}"
        )
    made.move()
    made.clock.sleep(3600)
    target(made).reads.clear()
    target(made).asked.clear()
    return made


def target(move: Move) -> Stamped:
    assert isinstance(move.target, Stamped)
    return move.target


def looked(move: Move, **more: Any) -> tuple[dict[str, dict[str, Any]], str]:
    """Results of a part by id, and the verdict of the whole."""
    report = validate(move.workspace, **more)
    return {each["id"]: each for each in report.results}, report.verdict.value


def whole(move: Move) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in validate(move.workspace).results}


# -- a sample ---------------------------------------------------------------------------------


def test_a_sample_is_read_by_id_and_says_of_how_many(move: Move) -> None:
    found, verdict = looked(move, sample=4)

    assert verdict == "empty"  # never green: strays and twins can't be known
    assert not target(move).reads
    assert len(set(target(move).asked)) == 8
    rows = found["rows.Account"]
    assert (rows["verdict"], rows["compared"], rows["population"]) == ("pass", 4, 12)
    assert "sample of 4" in rows["because"]
    assert "Of 12 in all" in rows["summary"]
    assert found["links.Contact.0"]["compared"] == 4
    assert found["links.Contact.0"]["population"] == 12
    assert found["links.Account.references"]["verdict"] == "pass"  # though most parents weren't read
    assert found["counts.Account"]["verdict"] == "empty"
    assert found["counts.Account"]["figures"]["in the target with our key"] == "not counted"
    for name in ("strays", "consent", "duplicates", "untouched", "invariants", "files"):
        if name in found:
            assert (found[name]["verdict"], found[name]["compared"]) == ("empty", 0)
            assert "needs the whole target" in found[name]["summary"]
    assert {"strays", "invariants"} <= found.keys()


@pytest.mark.long
def test_what_a_sample_proves_rests_on_its_random_part_alone(move: Move) -> None:
    clean = looked(move, sample=4)[0]["rows.Account"]["drawn"]
    for number in range(1, 13):
        move.target.edit(move.key("Account", f"A{number}"), "name", "Other")

    spoilt = looked(move, sample=4)[0]["rows.Account"]["drawn"]

    # The first of a group was sure to be taken: neither it nor its like is part of the draw.
    assert clean["population"] - clean["looked"] == 12 - 4
    assert 0 < clean["looked"] < 4
    assert (clean["differing"], spoilt["differing"]) == (0, clean["looked"])


def test_a_look_at_what_changed_proves_nothing_of_the_rest(move: Move) -> None:
    move.target.edit(move.key("Account", "A1"), "name", "Other")

    assert looked(move, since="2020-01-01T00:00:00Z")[0]["rows.Account"]["drawn"] is None


@pytest.mark.long
def test_a_sample_is_the_same_at_each_look_and_grows_by_its_size(move: Move) -> None:
    seen = []
    for size in (3, 3, 6):
        target(move).asked.clear()
        looked(move, sample=size, only=["rows"])
        seen.append(set(target(move).asked))

    assert seen[0] == seen[1] < seen[2]


@pytest.mark.long
def test_a_sample_larger_than_the_entry_finds_what_a_whole_look_finds(move: Move) -> None:
    for number in (1, 5):
        move.target.edit(move.key("Account", f"A{number}"), "name", "Other")
    move.there("Contact", "C3").live = False
    part, everything = looked(move, sample=1000)[0], whole(move)

    for id in ("rows.Account", "rows.Contact", "links.Contact.0", "links.Contact.references"):
        assert part[id]["verdict"] == everything[id]["verdict"], id
        assert part[id]["grades"] == everything[id]["grades"], id
    assert everything["rows.Account"]["row_count"] == 2


@pytest.mark.long
def test_no_small_group_is_lost_from_a_sample(tmp_path: Path, engine: Engine) -> None:
    made = Move(tmp_path, engine, PLAN)
    for number in range(40):
        made.source.put("Account", f"A{number}", Name=f"Firm {number}")
    made.source.rows["Account"]["A7"]["Stamp"] = datetime(2011, 5, 5, tzinfo=UTC)  # alone in its year
    made.source.rows["Account"]["A9"]["Stamp"] = datetime(2015, 5, 5, tzinfo=UTC)
    # The base reads whatever it is that the source holds; only a delta asks for a window.
    made.source._wanted = lambda query: list(made.source.rows[query.object].values())  # type: ignore[method-assign]
    made.move()
    for id in ("A7", "A9"):
        made.target.edit(made.key("Account", id), "name", "Other")

    found = {each["id"]: each for each in validate(made.workspace, sample=4, only=["rows"]).results}

    assert found["rows.Account"]["row_count"] == 2


# -- since ------------------------------------------------------------------------------------


def test_since_last_looks_at_what_changed_on_either_side_and_at_what_is_gone(move: Move) -> None:
    whole(move)
    move.clock.sleep(3600)
    target(move).asked.clear()
    move.target.edit(move.key("Account", "A3"), "name", "Other")
    gone = move.there("Account", "A5")
    gone.live, gone.stamp = False, stamp(move.clock.now())
    move.source.put("Contact", "C2", LastName="New name")  # the source's side, extracted but not loaded
    move.stage(delta=True)
    target(move).reads.clear()

    found, verdict = looked(move, since="last")

    rows = {row["key"].rpartition(".")[2]: row for row in found["rows.Account"]["sample"]}
    assert set(rows) == {"A3", "A5"}
    assert [row["key"] for row in found["rows.Contact"]["sample"]] == [move.key("Contact", "C2")]
    assert found["rows.Account"]["population"] == 12
    assert "since" in found["rows.Account"]["because"]
    assert verdict == "fail"
    assert all(query.since is not None for query in target(move).reads)
    assert len(set(target(move).asked)) <= 4


@pytest.mark.long
def test_where_nothing_changed_nothing_was_compared(move: Move) -> None:
    whole(move)
    move.clock.sleep(3600)

    found, verdict = looked(move, since=stamp(move.clock.now()))

    assert found["rows.Account"]["verdict"] == "empty"
    assert verdict == "empty"


@pytest.mark.long
def test_records_without_a_time_are_all_looked_at(tmp_path: Path, engine: Engine) -> None:
    made = Move(tmp_path, engine, PLAN)
    made.source.put("Account", "A1", Name="Firm")
    made.move()
    made.clock.sleep(3600)
    made.target.edit(made.key("Account", "A1"), "name", "Other")

    report = validate(made.workspace, since=stamp(made.clock.now()), only=["rows"])

    assert report.result("rows.Account")["row_count"] == 1
    assert "bear no time" in report.document()["read"]["companies"]["why"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"since": "last"}, "No whole validation"),
        ({"since": "soon"}, "is no instant"),
        ({"since": "2026-03-14T08:00"}, "has no zone"),
        ({"since": "2026-03-14", "sample": 3}, "don't go together"),
        ({"sample": 3, "whole_every": timedelta(days=1)}, "starts from no former one"),
    ],
)
def test_what_cannot_be_a_part_is_refused_with_the_remedy(
    move: Move, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        validate(move.workspace, **more)


def test_a_day_begins_in_the_plans_zone(move: Move) -> None:
    part = part_of("2026-03-14", 0, move.workspace.ledger, "Europe/Berlin")
    assert part == Part(since="2026-03-13T23:00:00.000000Z")


@pytest.mark.long
def test_a_part_is_not_the_last_whole_validation(move: Move) -> None:
    whole(move)
    first = part_of("last", 0, move.workspace.ledger, "UTC")
    move.clock.sleep(60)
    looked(move, sample=2)
    assert part_of("last", 0, move.workspace.ledger, "UTC") == first
