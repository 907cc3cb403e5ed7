"""Does going back bring everything home that was entered or changed since the switch, and list the rest?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import reverse
from migrate.cutover.machine import Cutover
from migrate.cutover.posts import opened
from migrate.cutover.replaying import replay
from migrate.cutover.returning import back
from migrate.errors import UsageError
from tests.sandbox.back_rig import LABELS, LIKE, OTHER, OWNERS, PERSON, Rig, portals

SEED = {
    "records": {
        "companies": [
            {"id": f"90{n}", "properties": {"name": name, "domain": f"{name}.example", "city": "Bonn",
                                            "description": f"about {name}", "annualrevenue": "1200.50"}}
            for n, name in enumerate(("acme", "bolt", "cord", "dent"), 1)
        ],
        "contacts": [
            {"id": f"80{n}", "properties": {"lastname": name, "email": f"{name}@example.com",
                                            "phone": "+49 1", "hubspot_owner_id": "1", "jobtitle": "buyer"}}
            for n, name in enumerate(("ada", "bea", "cyd", "dan", "eve"), 1)
        ],
    },
    "links": [
        {"from_object": "contacts", "from": f"80{n}", "to_object": "companies", "to": f"90{m}", "typeId": 1,
         "category": "HUBSPOT_DEFINED"}
        for n, m in ((1, 1), (2, 1), (3, 2), (4, 3))
    ],
}  # fmt: skip


@pytest.fixture
def rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Rig]:
    with portals(
        tmp_path, LIKE.replace("MODE", "journal"), {"labels.csv": LABELS, "owners.csv": OWNERS}
    ) as found:
        found.capsys = capsys
        found.old.control.post("/seed", SEED)
        yield found


MOVING = {"hs_lastmodifieddate", "lastmodifieddate", "hs_updated_by_user_id"}  # stamps, whoever writes
KEYS = {"migration_key", "reverse_key"}


def fields(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Records without stamps and keys."""
    return {id: {k: v for k, v in row.items() if k not in MOVING | KEYS and v is not None}
            for id, row in rows.items()}  # fmt: skip


def test_a_no_op_migration_switched_and_taken_back_leaves_every_field_as_it_was(rig: Rig) -> None:
    before = {object: fields(rig.truth("old", object)) for object in ("companies", "contacts")}
    links = rig.links("old")
    rig.to_approved()
    loaded = {object: fields(rig.truth("new", object)) for object in before}
    rig.switch()
    with rig.workspace() as workspace:
        found = back(Cutover(workspace), who="Ada")
        assert Cutover(workspace).state == "reverted"
    assert found.clean, found
    assert {object: fields(rig.truth("old", object)) for object in before} == before
    assert {object: fields(rig.truth("new", object)) for object in before} == loaded
    assert rig.links("old") == rig.links("new") == links


def test_going_back_brings_every_change_home_and_lists_what_has_no_way_back(rig: Rig) -> None:
    rig.to_approved()
    rig.switch()
    ada, bea, cyd, dan, eve = (
        rig.named("new", "contacts", n)["_id"] for n in ("ada", "bea", "cyd", "dan", "eve")
    )
    acme, bolt = (rig.named("new", "companies", n, "name")["_id"] for n in ("acme", "bolt"))
    rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 2", "hubspot_owner_id": "2"})
    rig.act("new", "update", "companies", id=acme, fields={"annualrevenue": "99.5", "city": ""})
    fay = rig.act("new", "create", "contacts", fields={"lastname": "fay", "email": "fay@example.com"})["id"]
    new = rig.act("new", "create", "companies", fields={"name": "echo"})["id"]
    rig.act("new", "link", "contacts", id=fay, to_object="companies", to=new)
    rig.act("new", "link", "contacts", id=eve, to_object="companies", to=bolt)
    rig.act("new", "unlink", "contacts", id=cyd, to_object="companies", to=bolt)
    rig.act("new", "delete", "contacts", id=dan)
    # Somebody still works in the old system.
    old_bea = rig.named("old", "contacts", "bea")["_id"]
    rig.act(
        "old", "update", "contacts", id=old_bea, fields={"phone": "+49 old", "jobtitle": "chief"}, who=OTHER
    )
    rig.act("new", "update", "contacts", id=bea, fields={"phone": "+49 new", "firstname": "Bea"})

    with rig.workspace() as workspace:
        found = back(Cutover(workspace), who="Ada")
        assert Cutover(workspace).state == "reverted"

    people = {row["lastname"]: row for row in rig.truth("old", "contacts").values()}
    assert people["ada"]["phone"] == "+49 2"
    assert people["ada"]["hubspot_owner_id"] == "2"
    assert people["fay"]["email"] == "fay@example.com"
    assert "dan" not in people
    assert (people["bea"]["phone"], people["bea"]["firstname"], people["bea"]["jobtitle"]) == (
        "+49 old", "Bea", "chief",
    )  # fmt: skip
    firms = {row["name"]: row for row in rig.truth("old", "companies").values()}
    assert firms["acme"]["annualrevenue"] == "99.5"
    assert not firms["acme"].get("city")
    assert rig.links("old") == {("ada", "acme"), ("bea", "acme"), ("eve", "bolt"), ("fay", "echo")}
    assert len(people) == 5
    assert len(firms) == 5
    (conflict,) = found.left
    assert (conflict.what, conflict.field, conflict.old_value, conflict.new_value) == (
        "conflict", "phone", "+49 old", "+49 new",
    )  # fmt: skip
    assert [(each.field, each.old_value) for each in found.edited] == [("jobtitle", "chief")]
    assert {Path(each).name for each in found.sheets} >= {f"{PERSON}.xlsx", f"{OTHER}.xlsx"}


class Died(BaseException):
    """What a kill looks like from inside: nothing is caught, nothing is tidied up."""


@pytest.mark.long
def test_a_canary_that_died_after_either_of_its_writes_comes_back_when_it_is_flown_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.to_approved()
    before = {side: fields(rig.truth(side, "companies")) for side in ("old", "new")}
    write = reverse._Tried._write

    def dying(after: str) -> Callable[..., None]:
        def carried(tried: reverse._Tried, way: str, *values: str | None) -> None:
            write(tried, way, *values)
            if way == after:
                raise Died

        return carried

    with rig.workspace() as workspace:
        rig.moves(workspace, "all", ("switching",))
        reverse.open(Cutover(workspace), who="Ada")
        for way in ("out", "home"):
            with monkeypatch.context() as patch:
                patch.setattr(reverse._Tried, "_write", dying(way))
                with pytest.raises(Died):
                    reverse.canary(workspace, "all")
        reverse.canary(workspace, "all")

    assert {side: fields(rig.truth(side, "companies")) for side in before} == before


@pytest.mark.long
def test_posts_that_came_in_during_the_freeze_go_back_with_everything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    door = "journal, intake: [{name: form, object: contacts, door: form, during: buffer}]"
    plan = LIKE.replace("MODE", door)
    with portals(tmp_path, plan, {"labels.csv": LABELS, "owners.csv": OWNERS}) as rig:
        rig.capsys = capsys
        rig.old.control.post("/seed", SEED)
        rig.to_approved()
        with rig.workspace() as workspace, closing(opened(workspace)) as posts:
            for name in ("gus", "hal"):
                posts.take(
                    workspace.plan.model.cutover.intake[0],
                    {"lastname": name, "email": f"{name}@example.com", "phone": "+49 3"},
                )
            with pytest.raises(UsageError, match="isn't known yet"):
                replay(workspace)
        rig.switch()
        with rig.workspace() as workspace:
            done = replay(workspace)
        assert (done.side, done.counts["form"]["created"]) == ("target", 2)
        gus = rig.named("new", "contacts", "gus")["_id"]
        rig.act("new", "update", "contacts", id=gus, fields={"phone": "+49 4"})

        with rig.workspace() as workspace:
            back(Cutover(workspace), who="Ada")

        people = {row["lastname"]: row for row in rig.truth("old", "contacts").values()}
        assert (people["gus"]["phone"], people["hal"]["phone"]) == ("+49 4", "+49 3")
        assert len(people) == 7


@pytest.mark.long
def test_a_second_cutover_finds_what_the_first_one_brought_home_and_makes_nobody_twice(rig: Rig) -> None:
    rig.to_approved()
    rig.switch()
    ada = rig.named("new", "contacts", "ada")["_id"]
    rig.act("new", "create", "contacts", fields={"lastname": "fay", "email": "fay@example.com"})
    rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 2"})
    with rig.workspace() as workspace:
        assert back(Cutover(workspace), who="Ada").clean
    rig.act(
        "old", "update", "contacts", id=rig.named("old", "contacts", "fay")["_id"], fields={"phone": "+1"}
    )
    rig.act(
        "old", "update", "contacts", id=rig.named("old", "contacts", "ada")["_id"], fields={"phone": "+2"}
    )

    for words in ("extract --since-watermark", "transform", "load"):
        rig.run(words)

    assert rig.named("new", "contacts", "fay")["phone"] == "+1"
    assert rig.named("new", "contacts", "ada")["phone"] == "+2"
    assert len(rig.truth("new", "contacts")) == 6


@pytest.mark.long
def test_only_the_cohort_that_goes_back_takes_its_records_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohorts = "journal, cohorts: [{name: pilot, where: \"contacts: lastname = 'ada'\"}, {name: rest}]"
    plan = LIKE.replace("MODE", cohorts)
    with portals(tmp_path, plan, {"labels.csv": LABELS, "owners.csv": OWNERS}) as rig:
        rig.capsys = capsys
        rig.old.control.post("/seed", SEED)
        rig.to_approved("pilot")
        rig.switch("pilot")
        people = {name: rig.named("new", "contacts", name)["_id"] for name in ("ada", "bea", "cyd")}
        rig.act("new", "update", "contacts", id=people["bea"], fields={"phone": "too early"})
        rig.approved("rest")
        rig.switch("rest")
        rig.act("new", "update", "contacts", id=people["ada"], fields={"phone": "+49 a"})
        rig.act("new", "update", "contacts", id=people["cyd"], fields={"phone": "+49 c"})

        with rig.workspace() as workspace:
            back(Cutover(workspace, "pilot"), who="Ada")
            assert (Cutover(workspace, "pilot").state, Cutover(workspace, "rest").state) == (
                "reverted",
                "switched",
            )
        phones = {row["lastname"]: row["phone"] for row in rig.truth("old", "contacts").values()}
        assert (phones["ada"], phones["cyd"]) == ("+49 a", "+49 1")

        with rig.workspace() as workspace:
            back(Cutover(workspace, "rest"), who="Ada")
        phones = {row["lastname"]: row["phone"] for row in rig.truth("old", "contacts").values()}
        # What somebody wrote in the new system before the switch was written on the wrong side.
        assert (phones["ada"], phones["bea"], phones["cyd"]) == ("+49 a", "+49 1", "+49 c")
