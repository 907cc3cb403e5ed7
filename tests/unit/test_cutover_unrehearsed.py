"""Does a rehearsal that found trouble let a cohort be loaded? Only where somebody says why, for the trail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cutover import starting, trail
from migrate.cutover.machine import Cutover, states
from migrate.cutover.rehearsal import running
from migrate.cutover.rehearsal.found import Options, Rehearsed
from migrate.cutover.rehearsal.projecting import project
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.workspace import Workspace
from tests.unit.gate_case import Case
from tests.unit.test_cutover_machine import TWO


class Planned(Case):
    """Nothing was done yet."""

    def ready(self) -> None:
        """Not yet."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(TWO, encoding="utf-8")
    made = Workspace(tmp_path, {})
    yield made
    made.close()


def seen(workspace: Workspace, *lost: str) -> Rehearsed:
    nothing = project([], [], factor=1.0, records=1)
    return Rehearsed(
        workspace.plan.digest, "twin", "2026-11-27T08:00:00Z", 1, 1, 4.0, 0.25, (), nothing, (), "pass", 3,
        lost, "pass", (), {}, 0, "",
    )  # fmt: skip


@pytest.mark.parametrize(("lost", "state"), [((), "rehearsed"), (("an edit of Firm 1",), "planned")])
def test_a_rehearsal_is_recorded_and_moves_the_cohorts_only_if_it_is_clean(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...], state: str
) -> None:
    monkeypatch.setattr(running, "_played", lambda *_: seen(workspace, *lost))

    running.rehearse(workspace, Options(), who="Ada")

    [event] = trail.events(workspace.ledger, starting.REHEARSED)
    assert (event.facts["clean"], event.facts["lost"]) == (not lost, len(lost))
    assert set(states(workspace).values()) == {state}


def test_a_start_after_a_rehearsal_with_trouble_is_refused_until_somebody_says_why(
    tmp_path: Path, engine: Engine
) -> None:
    case = Planned(tmp_path / "w", engine)
    digest = case.workspace.plan.digest
    trail.append(case.workspace.ledger, "Max", starting.REHEARSED, plan=digest, clean=False, lost=2)

    with pytest.raises(UsageError, match=r"(?s)2 lost.*cutover rehearse.*--despite"):
        starting.start(case.cutover, who="Max")
    assert states(case.workspace) == {"all": "planned"}

    starting.start(case.cutover, who="Max", despite="both are known")
    assert states(case.workspace) == {"all": "syncing"}
    assert Cutover(case.workspace).moves()[0].facts["despite"] == "both are known"


def test_within_a_rehearsal_its_own_cutover_starts(tmp_path: Path, engine: Engine) -> None:
    case = Planned(tmp_path / "w", engine)
    trail.append(
        case.workspace.ledger, "Ada", starting.REHEARSED, plan=case.workspace.plan.digest, within=True
    )

    starting.start(case.cutover, who="Ada")

    assert states(case.workspace) == {"all": "syncing"}
