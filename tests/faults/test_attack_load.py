"""Can a load be made to lose, double or overwrite something, unnoticed? Attempts that once could, or might."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.errors import InDoubt, Parked, UsageError
from migrate.journal import LINKS
from migrate.sandbox.server import Running
from migrate.stages.letters import replay
from tests.faults import attack_rig
from tests.faults.attack_rig import Rig, key


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
    rig.act(**{"as": "eve@x.example", "do": "create", "object": "contacts", "fields": {"email": "taken@x.example"}})
    rig.ready("Contact", 1, [{"n": 1, "email": "taken@x.example", "lastname": "New"}], full=[1, 2])
    loaded = rig.load()
    assert rig.keyed("contacts")[key("Contact", 1)]["properties"]["lastname"] == "P1"
    assert (loaded.refused, [row["outcome"] for row in rig.letters()]) == (1, ["conflict"])


def test_a_conflict_is_replayed_once_the_clash_is_gone(rig: Rig, portal: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    eve = rig.act(**{"as": "eve@x.example", "do": "create", "object": "contacts", "fields": {"email": "p1@x.example"}})
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
    old = rig.act(**{"as": "eve@x.example", "do": "create", "object": "companies", "fields": {"name": "Old"}})["id"]
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
    theirs = rig.act(**{"as": "eve@x.example", "do": "create", "object": "companies", "fields": {"phone": "1"}})["id"]
    rig.act(**{"as": "eve@x.example", "do": "merge", "object": "companies", "id": theirs, "into": theirs, "with": ours,
               "fields": {}, "loser": ours, "winner": theirs, "primary": theirs, "secondary": ours})  # fmt: skip
    rig.ready("Account", 1, [{"n": 1, "deleted": True}], full=[])
    rig.load()
    assert writes(portal, "delete", "companies") == []
    assert [row["outcome"] for row in rig.letters()] == ["held"]


def test_a_poisoned_record_stands_alone_and_stops_nobody(rig: Rig, portal: Running) -> None:
    rig.ready("Account", 0, [])
    rig.ready("Contact", 0, people(*range(1, 21)))
    rig.links(0, [])
    fault(portal, {"kind": "status", "status": 500, "html": True}, path="contacts/batch/create", body="p7@x", times=10_000)
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
    fault(portal, {"kind": "status", "status": 400}, path="associations/contacts/companies/batch/create", times=1)
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
