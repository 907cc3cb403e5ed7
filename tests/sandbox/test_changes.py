"""A look that goes on from the former one finds what a look at everything finds, at either vendor."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from migrate.connector import Batch, Link, Operation, Write
from migrate.engine import Engine
from migrate.stages.changes import OVERLAP, Following, Look, words
from migrate.store import Manifest, Store
from tests.sandbox import conformance
from tests.sandbox.conformance import TargetHarness

DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=["hubspot", "salesforce"])
def vendor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetHarness]:
    opened = conformance.hubspot if request.param == "hubspot" else conformance.salesforce_target
    with opened(tmp_path_factory.mktemp("target")) as harness:
        yield harness


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path], threads=1) as made:
        yield made


class Eye:
    """Looks at the harness's object, going on, and whole beside it."""

    def __init__(self, vendor: TargetHarness, engine: Engine, root: Path) -> None:
        self.vendor, self.target = vendor, vendor.target()
        self.catalog = self.target.discover()
        self.schema = self.catalog.objects[vendor.object]
        self.look = Look(self.target, Store(root / "stage"), engine, self.target.clock)
        self.fields = [vendor.key, *vendor.names.values()]

    def on(
        self, whole_every: timedelta = DAY, catalog: str = "c", fields: list[str] | None = None
    ) -> Manifest:
        return self.look.on(
            self.schema, "target/x/validate", Following(whole_every, catalog), key_field=self.vendor.key,
            fields=fields or self.fields,
        )  # fmt: skip

    def whole(self) -> Manifest:
        return self.look.whole(
            self.schema, "target/x/whole", key_field=self.vendor.key, fields=self.fields, catalog="c"
        )

    def rows(self, manifest: Manifest) -> list[dict[str, Any]]:
        found = [row for batch in self.look.store.read(manifest) for row in batch.to_pylist()]
        return sorted(found, key=str)

    def settle(self) -> None:
        """As long as an index may lag."""
        self.target.clock.sleep(60)


@pytest.fixture
def eye(vendor: TargetHarness, engine: Engine, tmp_path: Path) -> Eye:
    return Eye(vendor, engine, tmp_path)


def create(eye: Eye, *keys: str) -> list[str]:
    writes = tuple(eye.vendor.record(key, first="A", exact="0.1", text="x\ny") for key in keys)
    outcomes = eye.target.send(Batch(Operation.CREATE, eye.vendor.object, writes))
    assert {each.status for each in outcomes} == {"done"}, outcomes
    return [str(each.id) for each in outcomes]


def person(eye: Eye, do: str, id: str, **more: Any) -> None:
    who = "ann@example.com" if eye.target.type == "hubspot" else "admin@sandbox.example"
    action = {"as": who, "do": do, "object": eye.vendor.object, "id": id, **more}
    eye.vendor.running.control.post("/act", action)


@pytest.mark.long
def test_rounds_of_random_work_are_seen_as_a_whole_look_sees_them(eye: Eye) -> None:
    chance = random.Random(7)  # noqa: S311 - a seed for work, not a secret
    create(eye, *(f"r{number}" for number in range(12)))
    eye.settle()
    assert eye.on().facts["why"] == "it is the first look"
    gone: list[str] = []
    for turn in range(5):
        live = eye.vendor.live()
        for id in chance.sample(live, 3):
            eye.vendor.edit(id)
        victims = chance.sample(live, 2)
        for id in victims:
            person(eye, "delete", id)
        if gone:
            person(eye, "undelete", gone.pop())
        gone += victims
        create(eye, *(f"t{turn}.{n}" for n in range(2)))
        eye.settle()

        found, whole = eye.on(), eye.whole()

        assert "since" in found.facts, found.facts["why"]  # it did go on
        assert eye.rows(found) == eye.rows(whole)
        assert {row["_id"] for row in eye.rows(found)} == set(eye.vendor.live())
        assert "changes since read at" in words(found.facts)


def test_a_merge_that_no_log_tells_is_found_by_the_count_and_read_whole(eye: Eye) -> None:
    first, second = create(eye, "m1", "m2")
    eye.settle()
    eye.on()
    person(
        eye, "merge", first, **({"other": second} if eye.target.type == "hubspot" else {"losers": [second]})
    )
    eye.settle()

    found = eye.on()

    assert eye.rows(found) == eye.rows(eye.whole())
    assert second not in {row["_id"] for row in eye.rows(found)}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"catalog": "another"}, "the target's catalog is another one"),
        ({"whole_every": timedelta(0)}, "the last whole look was too long ago"),
    ],
)
def test_it_is_read_whole_when_that_is_due(eye: Eye, more: dict[str, Any], why: str) -> None:
    eye.on()
    assert eye.on(**more).facts["why"] == why


def test_it_is_read_whole_when_other_fields_are_asked_or_a_part_was_damaged(eye: Eye) -> None:
    first = eye.on()
    assert eye.on(fields=eye.fields[:3]).facts["why"] == "other fields are compared"
    again = eye.on()
    path = eye.look.store.path(again, again.parts[0])
    path.write_bytes(path.read_bytes()[:-9])

    found = eye.on()

    assert "damaged" in found.facts["why"]
    assert eye.rows(found) == eye.rows(eye.whole())
    assert first.rows == found.rows


@pytest.mark.parametrize("vendor", ["hubspot"], indirect=True)  # Salesforce's links are records and fields
def test_links_of_changed_records_are_read_again_and_all_at_a_whole_look(eye: Eye) -> None:
    left, right = eye.vendor.object, "companies"
    ids = create(eye, "l1", "l2", "l3")
    writes = tuple(Write(f"f{n}", values={"migration_key": f"f{n}", "name": f"f{n}"}) for n in range(2))
    firms = [str(each.id) for each in eye.target.send(Batch(Operation.CREATE, right, writes))]
    ours = " UNION ALL ".join(f"SELECT '{id}' AS _id" for id in ids)

    def link(id: str, firm: str, label: str = "default") -> Link:
        return Link(left, id, right, firm, label)

    def look(around: Manifest) -> set[tuple[str, str]]:
        found = eye.look.links(left, ours, [right], "target/x/links", around={left: around}, going_on=True)
        return {(row["left"], row["right"]) for row in eye.rows(found)}

    eye.target.send(Batch(Operation.LINK, left, links=(link(ids[0], firms[0]), link(ids[1], firms[0]))))
    eye.settle()
    assert look(eye.on()) == {(ids[0], firms[0]), (ids[1], firms[0])}

    eye.target.send(Batch(Operation.LINK, left, links=(link(ids[2], firms[1]),)))
    eye.target.send(Batch(Operation.UNLINK, left, links=(link(ids[0], firms[0], "*"),)))
    for id in (ids[0], ids[2]):
        eye.vendor.edit(id)
    person(eye, "delete", ids[1])
    eye.settle()

    assert look(eye.on()) == {(ids[2], firms[1])}

    eye.target.send(Batch(Operation.LINK, left, links=(link(ids[0], firms[1]),)))  # nobody touches the record
    eye.settle()
    look(eye.on())
    assert look(eye.on(whole_every=timedelta(0))) == {(ids[2], firms[1]), (ids[0], firms[1])}


@pytest.mark.slow
def test_what_a_look_reads_is_what_changed(eye: Eye) -> None:
    [id] = create(eye, "c1")
    eye.settle()
    eye.on()
    eye.target.clock.sleep(2 * OVERLAP.total_seconds())
    eye.on()
    eye.target.clock.sleep(OVERLAP.total_seconds())
    eye.vendor.edit(id)
    eye.settle()

    found = eye.on()

    assert (found.facts["changed"], found.facts["deleted"]) == (1, 0)
    assert eye.rows(found) == eye.rows(eye.whole())
