"""What a later generation carries: what is new or different, and what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.stages.transform import lots
from tests.unit.test_transform import account, contact, ends
from tests.unit.transform_case import World, day

PLAN = "- {source: Account, target: companies, fields: {name: Name, domain: Website}}"


@pytest.fixture(params=[200, 50_000_000], ids=["sorted at once", "in lots of two"])
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(lots, "ROW", request.param)
    return World(tmp_path)


def test_a_delta_carries_only_what_is_new_or_differs_and_tombstones(world: World) -> None:
    plan = world.plan(PLAN)
    world.extract("Account", [account("A1"), account("A2"), account("A3"), account("A4")])
    world.transform(plan)
    world.extract("Account", [
        account("A1", Name="first", Stamp=day(1)),  # differs
        account("A2", Size="7", Stamp=day(1)),  # changed where the plan doesn't look
        account("A5", Stamp=day(1)),  # new
    ], generation=1)  # fmt: skip
    world.delete("Account", {"A3": day(1), "A9": day(1)}, generation=1)

    counts = world.transform(plan, generation=1)["Account"]

    assert (counts.extracted, counts.ready, counts.changed, counts.tombstones) == (4, 4, 2, 1)
    rows = {row["_source_id"]: row for row in world.rows("ready", "Account", 1)}
    assert {id: row["_deleted"] for id, row in rows.items()} == {"A1": False, "A3": True, "A5": False}
    assert (rows["A1"]["name"], rows["A1"]["_version"]) == ("first", day(1))
    assert (rows["A3"]["name"], rows["A3"]["_version"]) == (None, day(1))
    full = [row["_key"] for row in world.rows("full", "Account", 1)]
    assert full == [f"fam.Account.A{number}" for number in (1, 2, 4, 5)]

    again = world.transform(plan, generation=2)["Account"]
    assert (again.ready, again.changed, again.tombstones) == (4, 0, 0)


def test_the_latest_version_counts_even_when_an_overlap_brings_an_older_one(world: World) -> None:
    plan = world.plan(PLAN)
    world.extract("Account", [account("A1", Name="new", Stamp=day(5))])
    world.transform(plan)
    world.extract("Account", [account("A1", Name="old", Stamp=day(1))], generation=1)

    assert world.transform(plan, generation=1)["Account"].changed == 0


def test_a_record_that_was_brought_back_after_its_deletion_counts_again(world: World) -> None:
    plan = world.plan(PLAN)
    world.extract("Account", [account("A1"), account("A2")])
    world.transform(plan)
    world.delete("Account", {"A1": day(1), "A2": day(1)}, generation=1)
    world.transform(plan, generation=1)
    world.extract("Account", [account("A1", Stamp=day(2))], generation=2)

    counts = world.transform(plan, generation=2)["Account"]

    assert (counts.extracted, counts.changed, counts.tombstones) == (1, 1, 0)


def test_a_record_that_is_only_rejected_now_gets_no_tombstone_and_is_deleted_later(world: World) -> None:
    plan = world.plan(PLAN)
    world.extract("Account", [account("A1")])
    world.transform(plan)
    world.extract("Account", [account("A1", Name=None, Stamp=day(1))], generation=1)
    counts = world.transform(plan, generation=1)["Account"]
    assert (counts.rejected, counts.tombstones) == (1, 0)
    world.delete("Account", {"A1": day(2)}, generation=2)

    assert world.transform(plan, generation=2)["Account"].tombstones == 1


def test_a_survivor_that_was_staged_stays_one_and_two_of_them_never_merge(world: World) -> None:
    plan = world.plan("""
        - source: Contact
          target: contacts
          dedupe: {on: [Email], keep: fullest}
          fields: {email: Email, lastname: LastName, phone: Phone}
    """)
    world.extract("Contact", [contact("C1", Email="a@x"), contact("C2", Email="b@x")])
    world.transform(plan)
    world.extract("Contact", [contact("C3", Email="a@x", Phone="3", Stamp=day(1))], generation=1)

    counts = world.transform(plan, generation=1)["Contact"]

    assert (counts.merged, counts.changed) == (1, 1)
    [row] = world.rows("ready", "Contact", 1)
    assert (row["_source_id"], row["phone"]) == ("C1", "3")

    world.extract("Contact", [contact("C2", Email="a@x", Stamp=day(2))], generation=2)
    counts = world.transform(plan, generation=2)["Contact"]
    assert (counts.ready, counts.merged, counts.rejected) == (1, 1, 1)
    [reject] = world.rows("rejects", "Contact", 2)
    assert (reject["_source_id"], reject["reason"]) == ("C2", "duplicate")


def test_a_match_is_decided_once_and_a_taken_record_isnt_given_twice(world: World) -> None:
    plan = world.plan("""
        - {source: Account, target: companies, match: [domain], fields: {name: Name, domain: Website}}
    """)
    world.snapshot("companies", [{"_id": "1", "domain": "one.test"}])
    world.extract("Account", [account("A1", Website="one.test")])
    world.transform(plan)
    world.extract("Account", [
        account("A1", Website="one.test", Name="changed", Stamp=day(1)),
        account("A2", Website="one.test", Stamp=day(1)),
    ], generation=1)  # fmt: skip

    world.transform(plan, generation=1)

    assert [(row["_source_id"], row["_target_id"]) for row in world.rows("ready", "Account", 1)] == [
        ("A1", "1")
    ]
    [reject] = world.rows("rejects", "Account", 1)
    assert (reject["_source_id"], reject["reason"]) == ("A2", "ambiguous_match")


def test_links_of_a_delta_are_the_new_and_the_gone(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          fields: {name: Name}
          links:
            - {to: companies, via: ParentId, label: parent}
    """)
    world.extract(
        "Account", [account("A1"), account("A2", ParentId="A1"), account("A3", ParentId="A1"), account("A4")]
    )
    world.transform(plan)
    world.extract("Account", [
        account("A2", ParentId="A4", Stamp=day(1)), account("A4", ParentId="A1", Stamp=day(1)),
    ], generation=1)  # fmt: skip

    counts = world.transform(plan, generation=1)["Account"]

    found = world.rows("links", "Account.0", 1)
    assert [(row["left"][-2:], row["right"][-2:], row["_deleted"]) for row in found] == [
        ("A2", "A1", True), ("A2", "A4", False), ("A4", "A1", False),
    ]  # fmt: skip
    assert (counts.links, counts.link.written, counts.link.unlinked, counts.changed) == (3, 2, 1, 0)
    assert ends(world, "ready", "Account", 1) == []
