"""Can a load be made to lose, double or overwrite something unnoticed? Attempts that could once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.errors import InDoubt, Parked, UsageError
from migrate.journal import LINKS
from migrate.sandbox.server import Running
from migrate.stages.letters import replay
from tests.faults import attack_rig
from tests.faults.attack_rig import Rig, key

pytestmark = pytest.mark.long


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Running]:
    with attack_rig.hubspot(tmp_path / "hubspot") as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, portal: Running) -> Iterator[Rig]:
    made = Rig(tmp_path / "workspace", portal)
    yield made
    made.workspace.close()


def people(*numbers: int) -> list[dict[str, object]]:
    return [{"n": n, "email": f"p{n}@x.example", "lastname": f"P{n}"} for n in numbers]


def firms(*numbers: int) -> list[dict[str, object]]:
    return [{"n": n, "name": f"F{n}", "domain": f"f{n}.example"} for n in numbers]


def fault(portal: Running, do: dict[str, object], **on: object) -> None:
    portal.control.post("/faults", [{"on": on, "do": do}])


def writes(portal: Running, op: str, object: str) -> list[dict[str, object]]:
    return [row for row in portal.control.ndjson("/log") if row["op"] == op and row["object"] == object
            and str(row["actor"]).startswith("app")]  # fmt: skip


def replayed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay whose transform has nothing new, for the rows are staged by hand."""
    monkeypatch.setattr("migrate.stages.letters.transform", lambda *_: {})
    replay(rig.again())


def test_an_update_that_clashes_in_another_unique_value_is_a_conflict_and_not_done(rig: Rig) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(1, 2))
    rig.links(0, [])
    rig.load()
    rig.act(
        **{
            "as": "eve@x.example",
            "do": "create",
            "object": "contacts",
            "fields": {"email": "taken@x.example"},
        }
    )
    rig.ready("Contact", 1, [{"n": 1, "email": "taken@x.example", "lastname": "New"}], full=[1, 2])
    loaded = rig.load()
    assert rig.keyed("contacts")[key("Contact", 1)]["properties"]["lastname"] == "P1"
    assert (loaded.refused, [row["outcome"] for row in rig.letters()]) == (1, ["conflict"])


def test_a_conflict_is_replayed_once_the_clash_is_gone(
    rig: Rig, portal: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = rig.act(
        **{"as": "eve@x.example", "do": "create", "object": "contacts", "fields": {"email": "p1@x.example"}}
    )
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(1, 2))
    rig.links(0, [])
    assert rig.load().refused == 1
    rig.act(**{"as": "eve@x.example", "do": "delete", "object": "contacts", "id": eve["id"]})
    replayed(rig, monkeypatch)
    assert set(rig.keyed("contacts")) == {key("Contact", 1), key("Contact", 2)}
    assert rig.letters() == []


def test_a_record_archived_between_match_and_adoption_is_told_and_made_by_a_replay(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = rig.act(
        **{"as": "eve@x.example", "do": "create", "object": "companies", "fields": {"name": "Old"}}
    )["id"]
    rig.ready("Account", 0, [{**firms(1)[0], "adopt": str(old)}])
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    rig.act(**{"as": "eve@x.example", "do": "delete", "object": "companies", "id": old})
    assert rig.load().refused == 1
    assert rig.letters()[0]["reason"].startswith("gone:")
    replayed(rig, monkeypatch)
    assert set(rig.keyed("companies")) == {key("Account", 1)}
    assert rig.letters() == []


def test_a_tombstone_spares_what_a_user_merged_into_another_record(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    rig.load()
    ours = rig.keyed("companies")[key("Account", 1)]["id"]
    theirs = rig.act(
        **{"as": "eve@x.example", "do": "create", "object": "companies", "fields": {"phone": "1"}}
    )["id"]
    rig.act(**{"as": "eve@x.example", "do": "merge", "object": "companies", "id": theirs, "other": ours})
    rig.ready("Account", 1, [{"n": 1, "deleted": True}], full=[])
    rig.load()
    assert writes(portal, "delete", "companies") == []
    assert [row["outcome"] for row in rig.letters()] == ["held"]


def test_a_poisoned_record_stands_alone_and_stops_nobody(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(*range(1, 21)))
    rig.links(0, [])
    fault(
        portal,
        {"kind": "status", "status": 500, "html": True},
        path="contacts/batch/create",
        body="p7@x",
        times=10_000,
    )
    loaded = rig.load()
    assert len(rig.keyed("contacts")) == 19
    assert [(row["key"], row["outcome"]) for row in rig.letters()] == [(key("Contact", 7), "refused")]
    assert loaded.objects["Contact"]["create"] == 19


def test_an_outage_of_writes_makes_no_dead_letters(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(*range(1, 9)))
    rig.links(0, [])
    fault(portal, {"kind": "status", "status": 503}, path="contacts/batch/create", times=10_000)
    with pytest.raises(InDoubt):
        rig.load()
    assert rig.letters() == []
    portal.control.delete("/faults")
    rig.load()
    assert len(rig.keyed("contacts")) == 8


def test_a_record_deleted_at_the_source_while_it_waited_for_its_parent_never_arrives(
    tmp_path: Path, portal: Running
) -> None:
    rig = Rig(tmp_path / "workspace", portal, missing="reject")
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(1, 2))
    rig.links(0, [(1, 1, "default", False), (2, 1, "default", False)], missing="reject")
    assert rig.load().blocked["Contact"] == 2
    rig.ready("Account", 1, [])
    rig.ready("Contact", 1, [{"n": 1, "deleted": True}], full=[2])
    rig.links(1, [(1, 1, "default", True)], missing="reject")
    rig.load()
    rig.ready("Account", 2, firms(1))
    rig.ready("Contact", 2, [], full=[2])
    rig.links(2, [])
    loaded = rig.load()
    assert set(rig.keyed("contacts")) == {key("Contact", 2)}
    assert loaded.blocked == {"Account": 0, "Contact": 0, "Contact.0": 0}
    rig.workspace.close()


def test_a_record_that_is_rejected_now_is_not_replayed_in_its_old_version(
    rig: Rig, portal: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(1, 2))
    rig.links(0, [])
    fault(portal, {"kind": "partial", "rows": [0]}, path="contacts/batch/create", times=1)
    rig.load()
    assert len(rig.keyed("contacts")) == 1
    missing = ({key("Contact", 1), key("Contact", 2)} - set(rig.keyed("contacts"))).pop()
    present = 3 - int(missing[-1])
    rig.ready("Account", 1, [])
    rig.ready("Contact", 1, [], full=[present])
    replayed(rig, monkeypatch)
    assert missing not in rig.keyed("contacts")
    rig.ready("Contact", 2, [], full=[1, 2])  # mended: the same values as before, so nothing is staged anew
    rig.ready("Account", 2, [])
    replayed(rig, monkeypatch)
    assert missing in rig.keyed("contacts")


def test_a_link_that_a_later_generation_takes_away_is_not_left_by_loading_both_at_once(rig: Rig) -> None:
    rig.ready("Account", 0, firms(1, 2))
    rig.ready("Contact", 0, people(1))
    rig.links(0, [(1, 1, "default", False)])
    rig.ready("Account", 1, [], full=[1, 2])
    rig.ready("Contact", 1, [], full=[1])
    rig.links(1, [(1, 1, "default", True), (1, 2, "default", False)])
    loaded = rig.load()
    one = rig.keyed("contacts")[key("Contact", 1)]["id"]
    ends = {row["to"] for row in rig.truth("links") if row["from"] == one and row["to_object"] == "companies"}
    assert ends == {rig.keyed("companies")[key("Account", 2)]["id"]}
    assert loaded.clean


def test_unlinking_what_went_with_its_record_leaves_nothing_blocked(rig: Rig) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, people(1))
    rig.links(0, [(1, 1, "default", False)])
    rig.load()
    rig.ready("Account", 1, [], full=[1])
    rig.ready("Contact", 1, [{"n": 1, "deleted": True}], full=[])
    rig.links(1, [(1, 1, "default", True)])
    assert rig.load().clean
    assert rig.keyed("contacts") == {}


def test_a_link_that_two_rows_name_stays_ours(rig: Rig) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, people(1))
    rig.links(0, [(1, 1, "default", False)])
    rig.load()
    rig.ready("Account", 1, [], full=[1])
    rig.ready("Contact", 1, [], full=[1])
    rig.links(1, [(1, 1, "default", False)])
    rig.load()
    workspace = rig.again()
    ours = workspace.engine.rows(LINKS.format(journal=workspace.journal.source()))
    assert [row["was_there"] for row in ours] == [False]


def test_a_refused_link_is_replayed(rig: Rig, portal: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, people(1))
    rig.links(0, [(1, 1, "default", False)])
    fault(
        portal,
        {"kind": "status", "status": 400},
        path="associations/.*contacts/companies/batch/create",
        times=1,
    )
    rig.load()
    assert [(row["kind"], row["outcome"]) for row in rig.letters()] == [("link", "refused")]
    replayed(rig, monkeypatch)
    assert rig.letters() == []
    one = rig.keyed("contacts")[key("Contact", 1)]["id"]
    assert [row for row in rig.truth("links") if row["from"] == one]


def test_a_load_after_an_edit_of_the_plan_asks_for_a_transform(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    path = rig.root / "plan.yaml"
    before = path.read_text()
    path.write_text(before.replace("domain: Website", "domain: lower(Website)"))
    with pytest.raises(UsageError, match="edited since the last transform"):
        rig.load()
    assert rig.keyed("companies") == {}
    path.write_text(before)
    rig.load()
    assert len(rig.keyed("companies")) == 1


def test_a_quota_that_runs_out_parks_without_dead_letters_and_is_gone_on_with(tmp_path: Path) -> None:
    with attack_rig.hubspot(tmp_path / "hubspot") as portal:
        rig = Rig(tmp_path / "workspace", portal)
        rig.ready("Account", 0, firms(*range(1, 251)))
        rig.ready("Contact", 0, people(*range(1, 251)))
        rig.links(0, [(n, n, "default", False) for n in range(1, 251)])
        used = len(portal.control.ndjson("/requests"))
        portal.control.post("/settings", {"daily": used + 22})
        with pytest.raises(Parked) as parked:
            rig.load()
        assert rig.letters() == []
        assert parked.value.resume_at is not None
        portal.control.post("/settings", {"daily": 1_000_000})
        assert rig.load().clean
        assert (len(rig.keyed("companies")), len(rig.keyed("contacts"))) == (250, 250)
        rig.workspace.close()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_weather_at_full_concurrency_neither_loses_nor_doubles(rig: Rig, portal: Running, seed: int) -> None:
    rig.ready("Account", 0, firms(*range(1, 701)))
    rig.ready("Contact", 0, people(*range(1, 701)))
    rig.links(0, [(n, 1 + (n * 7) % 700, "default", False) for n in range(1, 701)])
    create = {"path": "batch/create", "method": "POST"}
    portal.control.post(
        "/faults",
        [
            {"on": {**create, "nth": 2 + seed}, "do": {"kind": "status", "status": 429, "retry_after": 3}},
            {"on": {**create, "nth": 3 + seed}, "do": {"kind": "drop", "at": "after_commit"}},
            {
                "on": {**create, "nth": 5 + seed},
                "do": {"kind": "late_commit", "seconds": 1.5, "close_after": 0.1},
            },
            {"on": {**create, "nth": 7 + seed}, "do": {"kind": "garbage", "body": "<html>back soon</html>"}},
            {"on": {**create, "nth": 9}, "do": {"kind": "drop", "at": "half_reply"}},
            {"on": {**create, "nth": 11}, "do": {"kind": "status", "status": 503, "html": True}},
            {"on": {**create, "nth": 13}, "do": {"kind": "shuffle"}},
            {"on": {"path": "batch/read", "nth": 4}, "do": {"kind": "status", "status": 502, "html": True}},
            {"on": {"path": "batch/read", "nth": 6}, "do": {"kind": "garbage", "body": "<html></html>"}},
            {"on": {"path": "batch/read", "nth": 8}, "do": {"kind": "drop", "at": "half_reply"}},
        ],
    )
    loaded = rig.load()
    assert loaded.clean, loaded
    assert sum(each["hits"] for each in portal.control.get("/faults")) >= 9
    firms_there, people_there = rig.keyed("companies"), rig.keyed("contacts")  # asserts that there is no twin
    assert (len(firms_there), len(people_there)) == (700, 700)
    assert len(writes(portal, "create", "contacts")) == 700
    linked = {(row["from"], row["to"]) for row in rig.truth("links") if row["from_object"] == "contacts"}
    assert linked == {
        (people_there[key("Contact", n)]["id"], firms_there[key("Account", 1 + (n * 7) % 700)]["id"])
        for n in range(1, 701)
    }


def test_links_to_ends_that_users_archived_or_merged_are_told_and_stop_nobody(
    rig: Rig, portal: Running
) -> None:
    rig.ready("Account", 0, firms(1, 2, 3, 4))
    rig.ready("Contact", 0, people(1, 2, 3, 4))
    rig.links(0, [])
    rig.load()
    firm = {n: rig.keyed("companies")[key("Account", n)]["id"] for n in (1, 2, 3, 4)}
    man = {n: rig.keyed("contacts")[key("Contact", n)]["id"] for n in (1, 2, 3, 4)}
    rig.act(**{"as": "eve@x.example", "do": "delete", "object": "companies", "id": firm[1]})
    rig.act(**{"as": "eve@x.example", "do": "delete", "object": "contacts", "id": man[2]})
    rig.act(**{"as": "eve@x.example", "do": "merge", "object": "companies", "id": firm[4], "other": firm[3]})
    rig.ready("Account", 1, [], full=[1, 2, 3, 4])
    rig.ready("Contact", 1, [], full=[1, 2, 3, 4])
    rig.links(
        1,
        [
            (1, 1, "default", False),
            (2, 2, "default", False),
            (3, 3, "default", False),
            (4, 2, "default", False),
        ],
    )
    rig.load()
    there = {(row["from"], row["to"]) for row in rig.truth("links") if row["from_object"] == "contacts"}
    assert (man[4], firm[2]) in there
    told = {row["key"][:40] for row in rig.letters() if row["kind"] == "link"}
    journal = {(row["left"], row["right"]) for row in rig.again().engine.rows(
        LINKS.format(journal=rig.workspace.journal.source()))}  # fmt: skip
    assert there <= journal | {(man[3], firm[3]), (man[3], firm[4])}
    assert len(told) >= 2
    if (man[3], firm[4]) in there:  # the link followed the merge: it must be known as ours, to be undone
        assert (man[3], firm[4]) in journal


def test_a_merge_by_a_user_between_our_write_and_the_end_makes_no_second_record(
    rig: Rig, portal: Running
) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(1, 2, 3))
    rig.links(0, [])
    # The outcomes are in the journal, the settlement isn't in the ledger: then a user merges two of them.
    from migrate.ledger import batches as book

    real = book.settle
    settled: list[object] = []

    def killed(*arguments: Any, **more: Any) -> None:
        settled.append(arguments)
        if len(settled) > 1:  # the first was the canary's
            raise KeyboardInterrupt
        real(*arguments, **more)

    book.settle = killed
    try:
        with pytest.raises(KeyboardInterrupt):
            rig.load()
    finally:
        book.settle = real
    man = {n: rig.keyed("contacts")[key("Contact", n)]["id"] for n in (1, 2, 3)}
    rig.act(**{"as": "eve@x.example", "do": "merge", "object": "contacts", "id": man[1], "other": man[2]})
    rig.load()
    assert len(rig.keyed("contacts")) == 2


def test_a_full_disk_under_the_journal_stops_and_is_gone_on_with(
    rig: Rig, portal: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    from migrate.errors import NoSpace

    rig.ready("Account", 0, firms(*range(1, 301)))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    real, count = pq.ParquetWriter.write_table, [0]

    def full(writer: pq.ParquetWriter, table: object, *more: object) -> None:
        count[0] += 1
        if count[0] <= 2:
            raise OSError(28, "No space left on device")
        real(writer, table, *more)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(NoSpace, match="Free some space"):
        rig.load()
    monkeypatch.undo()
    assert rig.load().clean
    assert len(writes(portal, "create", "companies")) == 300


def test_a_long_wait_does_not_cost_us_the_lease(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, firms(1))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    fault(
        portal, {"kind": "status", "status": 429, "retry_after": 90}, path="companies/batch/create", times=1
    )
    assert rig.load().clean  # the lease lasts 64 s


def test_a_lowered_batch_limit_makes_no_dead_letters(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, firms(*range(1, 41)))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    # Whoever sends the first record together with the 20th is refused.
    fault(
        portal,
        {"kind": "status", "status": 400},
        path="companies/batch/create",
        body='"F1".*"F2[0-9]"',
        times=100,
    )
    loaded = rig.load()
    assert loaded.clean
    assert len(rig.keyed("companies")) == 40


def test_a_credential_revoked_in_the_middle_stops_with_no_letters(rig: Rig, portal: Running) -> None:
    from migrate.errors import SystemRefused

    rig.ready("Account", 0, firms(*range(1, 701)))
    rig.ready("Contact", 0, [])
    rig.links(0, [])
    fault(portal, {"kind": "expire"}, path="companies/batch/create", nth=3, times=10_000)
    with pytest.raises(SystemRefused, match="credential"):
        rig.load()
    portal.control.delete("/faults")
    assert rig.load().clean
    assert len(writes(portal, "create", "companies")) == 700
    assert len(rig.keyed("companies")) == 700
