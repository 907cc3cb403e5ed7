"""Is a portal's freeze verified, too? Links bear no stamp, imports run, and workflows can be switched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from migrate.connector import NewField
from migrate.cutover import homes
from migrate.cutover.freeze_acts import standing
from migrate.cutover.freezing import drain, still_frozen
from migrate.cutover.machine import Cutover
from tests.sandbox.back_rig import LABELS, LIKE, OWNERS, PERSON, Rig, portals
from tests.sandbox.test_cutover_back import SEED

FLOW = "Contacts are open leads"
MODE = f"journal, freeze: {{still: 30 seconds, switch_off: [{FLOW}]}}"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    base = tmp_path_factory.mktemp("portal")
    plan = LIKE.replace("MODE", MODE).replace(
        'OLD_", clock: sandbox', 'OLD_", clock: sandbox, longest_call: 5'
    )
    with portals(base, plan, {"labels.csv": LABELS, "owners.csv": OWNERS}) as rig:
        rig.old.control.post("/seed", SEED | {"automations": {"workflow_fills": True}})
        yield rig


@pytest.fixture
def rig(held: Rig, capsys: pytest.CaptureFixture[str]) -> Rig:
    """Loaded, and holding."""
    held.capsys = capsys
    with held.workspace() as workspace:
        loaded = Cutover(workspace).state != "planned"
    if not loaded:
        for words in ("discover", "prepare --yes", "extract", "transform", "load"):
            held.run(words)
        with held.workspace() as workspace:
            homes.publish(workspace, "all")
            held.moves(workspace, "all", ("rehearsed", "loading", "syncing", "holding"))
    with held.workspace() as workspace:
        if Cutover(workspace).state != "holding":
            held.run("cutover thaw --as Ada --reason test")
    return held


def flows(rig: Rig) -> bool:
    return bool(rig.old.control.get("/automations")["workflow_fills"])


def frozen(rig: Rig) -> dict[str, Any]:
    return dict(rig.run("cutover freeze --wait --as Ada", 0)["freeze"])


def test_a_link_that_is_made_after_the_freeze_was_asked_for_is_found_by_the_sweep(rig: Rig) -> None:
    first = rig.run("cutover freeze --as Ada", 1)["freeze"]
    assert not first["offences"]
    eve, bolt = (
        rig.named("old", "contacts", "eve")["_id"],
        rig.named("old", "companies", "bolt", "name")["_id"],
    )
    rig.act("old", "link", "contacts", id=eve, to_object="companies", to=bolt)
    with rig.workspace() as workspace:
        workspace.clock.sleep(first["needed"])  # links are read again once all else is still

    second = rig.run("cutover freeze --as Ada", 1)["freeze"]

    assert {(each["object"], each["deed"]) for each in second["offences"]} == {
        ("contacts_to_companies", "created")
    }
    assert any(each["id"].startswith(f"{eve}-{bolt}-") for each in second["offences"])
    frozen(rig)
    with rig.workspace() as workspace:
        cutover = Cutover(workspace)
        drain(cutover, who="Ada")
        assert ("eve", "bolt") in rig.links("new")
        rig.act("old", "unlink", "contacts", id=eve, to_object="companies", to=bolt)
        line = still_frozen(cutover)
        assert not line.ok
        assert "no stamp" in line.words or "contacts_to_companies" in line.words


@pytest.mark.long
def test_an_import_that_runs_keeps_the_cohort_from_being_frozen(rig: Rig) -> None:
    rig.act(
        "old", "import", "contacts", rows=[{"lastname": "imported", "email": "imp@example.com"}], seconds=1500
    )

    found = rig.run("cutover freeze --wait --for 200s --as Ada", 1)["freeze"]
    assert [(each["object"], each["ended"]) for each in found["jobs"]] == [("contacts", False)]
    with rig.workspace() as workspace:
        workspace.clock.sleep(1600)

    found = frozen(rig)
    assert found["touched"] == 1
    assert found["offences"][0]["by"].startswith(PERSON) or PERSON in found["offences"][0]["by"]


def test_a_workflow_that_the_plan_names_is_off_while_frozen_and_on_after_the_thaw(rig: Rig) -> None:
    assert flows(rig)
    rig.run("cutover freeze --as Ada", 1)
    assert not flows(rig)
    with rig.workspace() as workspace:
        assert [each.name for each in standing(Cutover(workspace))] == [FLOW]
    frozen(rig)

    rig.run("cutover thaw --as Ada --reason again", 0)

    assert flows(rig)
    with rig.workspace() as workspace:
        assert not standing(Cutover(workspace))


def test_a_field_that_is_made_meanwhile_breaks_the_freeze_until_it_is_asked_for_anew(rig: Rig) -> None:
    rig.run("cutover freeze --as Ada", 1)
    with rig.workspace() as workspace, closing(workspace.connector("source")) as source:
        made = source.prepare([NewField("contacts", "shoe_size", "Shoe size", "string")])
        assert [outcome for _, outcome in made] == ["made"]

    found = rig.run("cutover freeze --wait --as Ada", 1)["freeze"]
    assert [each.partition(" (")[0] for each in found["configuration"]] == ["`contacts` was changed"]

    assert rig.run("cutover freeze --wait --anew --as Ada", 0)["freeze"]["frozen"]
