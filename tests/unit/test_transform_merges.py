"""Records that users of the source merged: whoever still names the old one is led to the survivor."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from migrate.stages.departed import MERGED
from migrate.store import generation_folder
from tests.unit.test_transform import account, contact
from tests.unit.transform_case import World, day

PLAN = """
- source: Account
  target: companies
  dedupe: {on: [Website], keep: oldest}
  fields: {name: Name, parent_ref: {from: ParentId, reference: Account}}
- source: Contact
  target: contacts
  fields: {lastname: LastName}
  links:
    - {to: companies, via: AccountId, label: primary}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def merge(world: World, object: str, pairs: dict[str, str], generation: int = 0) -> None:
    """Publish merges: loser to survivor."""
    schema = pa.schema([("_id", pa.string()), ("survivor", pa.string())])
    rows = [{"_id": loser, "survivor": survivor} for loser, survivor in pairs.items()]
    folder = generation_folder("source", object, generation) + MERGED
    world.write(folder, pa.Table.from_pylist(rows, schema))


def parents(world: World, generation: int = 0) -> dict[str, str]:
    return {row["_source_id"]: row["parent_ref"] for row in world.rows("ready", "Account", generation)}


def firms(world: World, generation: int = 0) -> dict[str, str]:
    rows = world.rows("links", "Contact.0", generation)
    return {
        row["left"].rpartition(".")[2]: row["right"].rpartition(".")[2] for row in rows if not row["_deleted"]
    }


def test_references_and_links_follow_a_chain_of_merges_and_then_our_own(world: World) -> None:
    """A9 became A8, A8 became A2, and A2 is one with A1 by the plan."""
    world.extract("Account", [
        account("A1", Website="x"),
        account("A2", Website="x"),
        account("A3", ParentId="A9"),
        account("A4", ParentId="A8"),
        account("A5", ParentId="A6"),
        account("A6"),
    ])  # fmt: skip
    world.extract("Contact", [contact("C1", AccountId="A9"), contact("C2", AccountId="A6")])
    merge(world, "Account", {"A9": "A8", "A8": "A2", "A6": "A5"})  # A6 lives: it was brought back

    counts = world.transform(world.plan(PLAN))

    assert (counts["Account"].extracted, counts["Account"].ready, counts["Account"].merged) == (6, 5, 1)
    assert parents(world) == {
        "A1": None, "A3": "fam.Account.A1", "A4": "fam.Account.A1", "A5": "fam.Account.A6", "A6": None,
    }  # fmt: skip
    assert firms(world) == {"C1": "A1", "C2": "A6"}
    assert counts["Contact"].link.rejected == 0


def test_a_merge_that_comes_with_a_delta_moves_what_named_the_loser(world: World) -> None:
    plan = world.plan(PLAN)
    world.extract("Account", [account("A1"), account("A2"), account("A3", ParentId="A2")])
    world.extract("Contact", [contact("C1", AccountId="A2")])
    world.transform(plan)
    assert firms(world) == {"C1": "A2"}

    world.extract("Account", [], generation=1)
    world.delete("Account", {"A2": day(1)}, generation=1)
    merge(world, "Account", {"A2": "A1"}, generation=1)
    counts = world.transform(plan, generation=1)

    assert counts["Account"].tombstones == 1
    assert parents(world, 1) == {"A2": None, "A3": "fam.Account.A1"}
    assert firms(world, 1) == {"C1": "A1"}
    gone = [row for row in world.rows("links", "Contact.0", 1) if row["_deleted"]]
    assert [row["right"] for row in gone] == ["fam.Account.A2"]


def test_a_ring_of_merges_ends(world: World) -> None:
    world.extract("Account", [account("A1"), account("A3", ParentId="A8")])
    world.extract("Contact", [])
    merge(world, "Account", {"A8": "A9", "A9": "A8"})

    world.transform(world.plan(PLAN))

    assert parents(world)["A3"] in ("fam.Account.A8", "fam.Account.A9")  # blocked by the load, not lost
