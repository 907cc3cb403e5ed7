"""Can a cohort that isn't switched be taken back while people work on another one, which is left alone?"""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cutover import homes
from migrate.cutover.machine import Cutover
from migrate.cutover.starting import load_scope
from migrate.cutover.states import State
from tests.sandbox.back_rig import LABELS, LIKE, OWNERS, Rig, portals
from tests.sandbox.test_cutover_back import SEED

COHORTS = "journal, cohorts: [{name: pilot, where: \"contacts: lastname = 'ada'\"}, {name: rest}]"
SYNCING: tuple[State, ...] = ("rehearsed", "loading", "syncing")


def people(rig: Rig) -> dict[str, str]:
    return {row["lastname"]: row["phone"] for row in rig.truth("new", "contacts").values()}


def firms(rig: Rig) -> set[str]:
    return {row["name"] for row in rig.truth("new", "companies").values()}


def delta(rig: Rig) -> None:
    for words in ("extract --since-watermark", "transform"):
        rig.run(words)
    with rig.workspace() as workspace:
        load_scope(workspace)


@pytest.mark.long
def test_a_cohort_that_isn_t_switched_goes_by_its_name_and_the_switched_one_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = LIKE.replace("MODE", COHORTS)
    with portals(tmp_path, plan, {"labels.csv": LABELS, "owners.csv": OWNERS}) as rig:
        rig.capsys = capsys
        rig.old.control.post("/seed", SEED)
        rig.to_approved("pilot")
        ada = rig.named("old", "contacts", "ada")["_id"]
        rig.act("old", "update", "contacts", id=ada, fields={"jobtitle": "chief"})
        delta(rig)
        rig.switch("pilot")
        with rig.workspace() as workspace:
            homes.publish(workspace, "rest")
            rig.moves(workspace, "rest", SYNCING)
        rig.act("new", "update", "contacts", id=rig.named("new", "contacts", "ada")["_id"],
                fields={"phone": "+49 theirs"})  # fmt: skip

        refused = rig.run("rollback run --yes", 2)["message"]
        assert "`pilot` is switched" in refused
        assert "--cohort rest" in refused
        assert "`pilot` is switched" in rig.run("rollback run --yes --cohort pilot", 2)["message"]
        going = rig.run("rollback run --yes --cohort rest", 2)["message"]
        assert "cutover cancel --cohort rest" in going
        assert len(people(rig)) == 5

        with rig.workspace() as workspace:
            Cutover(workspace, "rest").move("cancelled", who="Ada", reason="not now")
        planned = rig.run("rollback plan --cohort rest")
        done = rig.run("rollback run --yes --cohort rest")

        # Ada's firm goes with no cohort of hers, but she refers to it.
        assert people(rig) == {"ada": "+49 theirs"}
        assert firms(rig) == {"acme"}
        alone = {"a record at home in the target refers to it": 1}
        assert planned["left_alone"] == done["left_alone"] == alone
        assert rig.run("rollback verify")["verdict"] == "pass"

        # A round for somebody else doesn't bring it back, and takes no old change of hers for a new one.
        delta(rig)
        assert people(rig) == {"ada": "+49 theirs"}
        assert rig.run("dead-letters list").get("groups") == [], rig.run("dead-letters list")
        assert rig.run("cutover conflicts").get("open") == 0, rig.run("cutover conflicts")
        # Its own start does, once each.
        with rig.workspace() as workspace:
            rig.moves(workspace, "rest", ("planned", *SYNCING))
            load_scope(workspace)
        assert sorted(people(rig)) == ["ada", "bea", "cyd", "dan", "eve"]
        assert len(rig.truth("new", "contacts")) == 5
        assert people(rig)["ada"] == "+49 theirs"
        assert len(rig.truth("new", "companies")) == 4
        assert rig.links("new") == rig.links("old")
