"""With a live way back, is what it brings to the old system taken for anybody's work there?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import homes
from migrate.cutover.states import PATH
from tests.sandbox.back_rig import LABELS, LIKE, OTHER, OWNERS, Rig, portals
from tests.sandbox.test_cutover_back import SEED

pytestmark = pytest.mark.long
COHORTS = "{mode: live}, cohorts: [{name: pilot, where: \"contacts: lastname = 'ada'\"}, {name: rest}]"


@pytest.fixture
def rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Rig]:
    """The pilot is switched; all others still come over."""
    with portals(
        tmp_path, LIKE.replace("MODE", COHORTS), {"labels.csv": LABELS, "owners.csv": OWNERS}
    ) as found:
        found.capsys = capsys
        found.old.control.post("/seed", SEED)
        found.to_approved("pilot")
        with found.workspace() as workspace:
            homes.publish(workspace, "rest")
            found.moves(workspace, "rest", PATH[1 : PATH.index("holding") + 1])
        found.switch("pilot")
        yield found


def delta(rig: Rig) -> dict[str, Any]:
    """One round."""
    found: dict[str, Any] = rig.run("cutover delta --rounds 1 --cohort rest")["round"]
    assert not found["error"]
    return found


def phones(rig: Rig, side: str) -> dict[str, str]:
    return {row["lastname"]: row["phone"] for row in rig.truth(side, "contacts").values()}


def test_what_the_way_back_brought_is_nobodys_edit_in_the_old_system(rig: Rig) -> None:
    ada = rig.named("new", "contacts", "ada")["_id"]
    rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 a"})
    delta(rig)
    assert phones(rig, "old")["ada"] == "+49 a"
    rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 b"})  # the echo is older by now
    assert delta(rig)["conflicts"] == 0
    assert phones(rig, "old")["ada"] == phones(rig, "new")["ada"] == "+49 b"

    old = rig.named("old", "contacts", "ada")["_id"]
    rig.act("old", "update", "contacts", id=old, who=OTHER, fields={"jobtitle": "chief"})
    assert delta(rig)["conflicts"] == 1
    (conflict,) = rig.run("cutover conflicts")["conflicts"]
    assert (conflict["field"], conflict["there"], conflict["here"]) == ("jobtitle", "buyer", "chief")


def test_who_was_born_in_the_new_system_does_not_come_over_as_a_second_copy(rig: Rig) -> None:
    firm = rig.act("new", "create", "companies", fields={"name": "echo"})["id"]
    fay = rig.act("new", "create", "contacts", fields={"lastname": "fay", "phone": "+1"})["id"]
    rig.act("new", "link", "contacts", id=fay, to_object="companies", to=firm)
    delta(rig)
    assert phones(rig, "old")["fay"] == "+1"
    found = delta(rig)
    assert (found["conflicts"], found["blocked"], found["letters"]) == (0, 0, 0)
    rig.act("new", "update", "contacts", id=fay, fields={"phone": "+2"})
    delta(rig)
    for side in ("old", "new"):
        assert rig.named(side, "contacts", "fay")["phone"] == "+2"
        rig.named(side, "companies", "echo", "name")
        assert ("fay", "echo") in rig.links(side)
    rig.act("new", "delete", "contacts", id=fay)
    delta(rig)
    assert delta(rig)["conflicts"] == 0
    assert "fay" not in phones(rig, "old")


def test_going_back_counts_what_people_entered_and_not_the_canary(rig: Rig) -> None:
    ada = rig.named("new", "contacts", "ada")["_id"]
    rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 a"})
    delta(rig)
    found = rig.run("cutover back --cohort pilot --yes --as Ada")["back"]
    assert (found["state"], found["counts"]) == ("reverted", {"brought back": 1})


def test_who_was_born_in_the_new_system_goes_home_with_the_first_cohort_as_people_left_them(rig: Rig) -> None:
    fay = rig.act("new", "create", "contacts", fields={"lastname": "fay", "phone": "+1"})["id"]
    delta(rig)
    with rig.workspace() as workspace:
        rig.moves(workspace, "rest", PATH[PATH.index("frozen") : PATH.index("approved") + 1])
    rig.switch("rest")
    rig.act("new", "update", "contacts", id=fay, fields={"phone": "+2"})
    found = rig.run("cutover back --cohort pilot --yes --as Ada")["back"]
    assert (found["state"], found["counts"]) == ("reverted", {"brought back": 1, "created": 1})
    assert rig.named("old", "contacts", "fay")["phone"] == "+2"
