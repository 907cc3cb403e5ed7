"""Do people's edits, merges and new records survive a load, or are they told? Is work booked once?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from migrate.connector import Page, Query
from migrate.errors import UsageError
from migrate.ledger.tables import cursors, generations
from migrate.load.context import no_progress
from migrate.sandbox.server import Running
from migrate.stages import extract, pipeline
from tests.faults import attack_rig
from tests.faults.attack_rig import Rig, key

pytestmark = pytest.mark.long

EVE = "eve@x.example"


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Running]:
    with attack_rig.hubspot(tmp_path / "hubspot") as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, portal: Running) -> Iterator[Rig]:
    made = Rig(tmp_path / "workspace", portal)
    made.ready("Account", 0, [])
    made.links(0, [])
    yield made
    made.workspace.close()


def people(*numbers: int, suffix: str = "") -> list[dict[str, Any]]:
    return [{"n": n, "email": f"p{n}@x.example", "lastname": f"P{n}{suffix}"} for n in numbers]


def test_an_address_that_a_user_takes_in_the_very_moment_costs_one_record_and_is_told(
    rig: Rig, portal: Running
) -> None:
    rig.ready("Contact", 0, people(*range(1, 21)))
    act = {"as": EVE, "do": "create", "object": "contacts", "fields": {"email": "p7@x.example"}}
    fault = {"kind": "act", "at": "arrival", "action": act}
    portal.control.post("/faults", [{"on": {"path": "contacts/batch/create"}, "do": fault}])
    rig.load()
    assert len(rig.keyed("contacts")) == 19
    (letter,) = rig.letters()
    assert (letter["key"], letter["outcome"]) == (key("Contact", 7), "conflict")
    assert "Existing ID" in letter["reason"]


def test_an_edit_between_our_read_and_our_write_is_told(rig: Rig, portal: Running) -> None:
    rig.ready("Contact", 0, people(1, 2))
    rig.load()
    id = rig.keyed("contacts")[key("Contact", 1)]["id"]
    act = {"as": EVE, "do": "update", "object": "contacts", "id": id, "fields": {"lastname": "Eve's"}}
    fault = {"kind": "act", "at": "arrival", "action": act}
    portal.control.post("/faults", [{"on": {"path": "contacts/batch/update"}, "do": fault}])
    rig.ready("Contact", 1, people(1, 2, suffix="!"))
    loaded = rig.load()
    assert rig.keyed("contacts")[key("Contact", 1)]["properties"]["lastname"] == "P1!"
    assert loaded.objects["Contact"]["lost_edit"] == 1


def test_an_edit_while_an_update_is_in_doubt_stays_and_is_told(rig: Rig, portal: Running) -> None:
    rig.ready("Contact", 0, people(*range(1, 31)))
    rig.load()
    id = rig.keyed("contacts")[key("Contact", 1)]["id"]
    portal.control.post(
        "/faults",
        [
            {"on": {"path": "contacts/batch/update", "nth": 1}, "do": {"kind": "drop", "at": "after_commit"}},
            {
                "on": {"path": "contacts/batch/read", "nth": 2},
                "do": {
                    "kind": "act", "at": "arrival",
                    "action": {
                        "as": EVE, "do": "update", "object": "contacts", "id": id,
                        "fields": {"lastname": "Eve's"},
                    },
                },
            },
        ],
    )  # fmt: skip
    rig.ready("Contact", 1, people(*range(1, 31), suffix="!"))
    rig.load()
    names = {k: row["properties"]["lastname"] for k, row in rig.keyed("contacts").items()}
    assert names[key("Contact", 1)] == "Eve's"
    assert sum(name.endswith("!") for name in names.values()) == 29
    assert [letter["key"] for letter in rig.letters()] == [key("Contact", 1)]


def test_an_update_that_commits_late_does_not_cover_what_a_user_wrote_after_it(
    rig: Rig, portal: Running
) -> None:
    rig.ready("Contact", 0, people(*range(1, 31)))
    rig.load()
    late = {"kind": "late_commit", "seconds": 1.5, "close_after": 0.05}
    portal.control.post("/faults", [{"on": {"path": "contacts/batch/update", "nth": 1}, "do": late}])
    rig.ready("Contact", 1, people(*range(1, 31), suffix="!"))
    loaded = rig.load()
    assert loaded.clean
    updates = [
        row for row in portal.control.ndjson("/log") if row["op"] == "update" and row["object"] == "contacts"
    ]
    assert max(Counter(row["id"] for row in updates).values()) == 1  # waited for, not sent again


def test_a_new_survivor_takes_over_the_address_of_the_one_deleted_at_the_source(rig: Rig) -> None:
    rig.ready("Contact", 0, people(1, 3))
    rig.load()
    rig.ready("Account", 1, [])
    rig.ready(
        "Contact",
        1,
        [{"n": 1, "deleted": True}, {"n": 2, "email": "p1@x.example", "lastname": "Two"}],
        full=[2, 3],
    )
    loaded = rig.load()
    assert loaded.clean
    assert set(rig.keyed("contacts")) == {key("Contact", 2), key("Contact", 3)}


def test_a_transform_and_a_load_keep_out_of_each_others_way(rig: Rig) -> None:
    rig.ready("Contact", 0, people(1))
    with pipeline.alone(rig.workspace, "ready"), pytest.raises(UsageError, match="busy"):
        rig.load()
    with pipeline.alone(rig.workspace, "ready", with_others=True), pytest.raises(UsageError, match="busy"):
        pipeline.transform(rig.again())
    assert rig.load().clean


class Pages:
    """A source of some pages; dies after `alive` of them."""

    def __init__(self, fields: Sequence[str], alive: int = 99) -> None:
        self.fields, self.alive, self.asked = tuple(fields), alive, list[str | None]()

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    def count(self, query: Query) -> int:  # noqa: ARG002 - the protocol's
        return 3

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        self.asked.append(after)
        for number in range(int(after or 0), 3):
            if number >= self.alive:
                raise KeyboardInterrupt
            columns = {"_id": [f"{number:018d}"], **{name: [f"{name}{number}"] for name in query.fields}}
            schema = pa.schema([(name, pa.string()) for name in columns])
            yield Page(
                pa.RecordBatch.from_pydict(columns, schema=schema), None if number == 2 else str(number + 1)
            )


def test_an_extract_begun_with_another_catalog_begins_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "PART_ROWS", 1)
    workspace = rig.again()
    catalog = workspace.catalog("source")
    less = catalog.model_copy(deep=True)
    del less.objects["Account"].fields["Website"]
    with pytest.raises(KeyboardInterrupt):
        extract._object(workspace, Pages((), alive=2), less, "Account", False, no_progress)  # type: ignore[arg-type]
    source = Pages(())
    done = extract._object(workspace, source, catalog, "Account", False, no_progress)  # type: ignore[arg-type]
    assert (done.rows, source.asked) == (3, [None])
    manifest = workspace.store.manifests("source", "Account")[0]
    columns = {tuple(batch.schema.names) for batch in workspace.store.read(manifest)}
    assert columns == {("_id", "Id", "Name", "Website")}


def test_an_extract_killed_between_its_manifest_and_the_ledger_is_booked_by_the_next(rig: Rig) -> None:
    workspace = rig.again()
    catalog = workspace.catalog("source")
    extract._object(workspace, Pages(()), catalog, "Account", False, no_progress)  # type: ignore[arg-type]
    with workspace.ledger.write() as tx:  # as the kill leaves it
        tx.sql.execute(generations.delete())
        tx.put(
            cursors, folder="source/Account/g0000", query="{}", cursor=None, started="2026-11-01T00:00:00Z"
        )
    extract._object(workspace, Pages(()), catalog, "Account", False, no_progress)  # type: ignore[arg-type]
    assert workspace.ledger.value(sa.select(generations.c.watermark)) == "2026-11-01T00:00:00.000000Z"
    assert workspace.ledger.read(sa.select(cursors)) == []


def test_the_watermark_stays_behind_what_was_not_transformed(rig: Rig) -> None:
    workspace = rig.again()
    with workspace.ledger.write() as tx:
        for number, state in ((0, "transformed"), (1, "extracted")):
            tx.put(generations, object="Contact", number=number, attempt=1, state=state, manifest="",
                   watermark=f"2026-11-0{1 + number}T00:00:00.000000Z", settled=None)  # fmt: skip
    rig.ready("Contact", 0, people(1))
    rig.load()
    assert rig.again().ledger.watermark("Contact") == ("2026-11-01T00:00:00.000000Z", 0)


def companies_of(rig: Rig, number: int) -> dict[str, list[str | None]]:
    """Labels by number of the account, from the target's own store."""
    numbers = {row["id"]: name[-1] for name, row in rig.keyed("companies").items()}
    one = rig.keyed("contacts")[key("Contact", number)]["id"]
    return {
        numbers[row["to"]]: [each["label"] for each in row["types"]]
        for row in rig.truth("links")
        if row["from_object"] == "contacts" and row["from"] == one
    }


@pytest.mark.parametrize(("label", "plain"), [("primary", False), ("primary", True), ("default", False)])
def test_a_contact_that_moves_to_another_account_leaves_the_first_one_wholly(
    tmp_path: Path, portal: Running, label: str, plain: bool
) -> None:
    rig = Rig(tmp_path / "workspace", portal, label=label)
    rig.ready("Account", 0, [{"n": n, "name": f"F{n}", "domain": f"f{n}.example"} for n in (1, 2)])
    rig.ready("Contact", 0, people(1))
    rig.links(0, [])
    rig.load()
    if plain:  # a user linked them before we did: that link is theirs
        rig.act(**{
            "as": EVE, "do": "link", "object": "contacts", "to_object": "companies",
            "id": rig.keyed("contacts")[key("Contact", 1)]["id"],
            "to": rig.keyed("companies")[key("Account", 1)]["id"],
        })  # fmt: skip
    rig.ready("Account", 1, [], full=[1, 2])
    rig.ready("Contact", 1, [], full=[1])
    rig.links(1, [(1, 1, label, False)])
    rig.load()
    rig.ready("Account", 2, [], full=[1, 2])
    rig.ready("Contact", 2, [], full=[1])
    rig.links(2, [(1, 1, label, True), (1, 2, label, False)])
    assert rig.load().clean
    now = companies_of(rig, 1)
    assert set(now) == ({"1", "2"} if plain else {"2"})
    assert "Primary" in now["2"]
    rig.workspace.close()


def test_a_link_that_gets_another_label_keeps_its_pair(tmp_path: Path, portal: Running) -> None:
    rig = Rig(tmp_path / "workspace", portal, label="primary")
    rig.ready("Account", 0, [{"n": 1, "name": "F1", "domain": "f1.example"}])
    rig.ready("Contact", 0, people(1))
    rig.links(0, [(1, 1, "primary", False)])
    rig.load()
    rig.ready("Account", 1, [], full=[1])
    rig.ready("Contact", 1, [], full=[1])
    rig.links(1, [(1, 1, "default", False), (1, 1, "primary", True)])
    assert rig.load().clean
    assert set(companies_of(rig, 1)) == {"1"}
    rig.workspace.close()
