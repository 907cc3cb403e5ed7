"""How long is there a way back after the switch, and what does it take to begin one later?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from migrate.clock import SystemClock, parse_stamp
from migrate.cutover import starting, switching, trail
from migrate.cutover.gates.rehearsed import FOLDER
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal.measuring import Measured
from migrate.cutover.rehearsal.projecting import project
from migrate.cutover.returning import back
from migrate.cutover.standing import standing
from migrate.cutover.window import back_window, late, must_be_in_time
from migrate.errors import UsageError
from migrate.workspace import Workspace
from tests.unit.test_cutover_switch import ReversePath, World, approved, plan_in, stand_in


@pytest.fixture
def cutover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cutover]:
    """Switched, with a plan that promises 10 working days."""
    stand_in(monkeypatch.setattr, ReversePath())
    plan_in(tmp_path, "web form")
    workspace = Workspace(tmp_path, {})
    found = approved(Cutover(workspace))
    switching.switch(found, who="Ada")
    yield found
    workspace.close()


class Later(SystemClock):
    """Two months from now."""

    def now(self) -> datetime:
        """The time."""
        return super().now() + timedelta(days=60)


def test_a_way_back_that_begins_after_its_window_wants_the_losses_confirmed(
    cutover: Cutover, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert late(cutover) is None
    must_be_in_time(cutover, None)
    monkeypatch.setitem(cutover.workspace.__dict__, "clock", Later())

    with pytest.raises(UsageError, match=r"(?s)promised until.*--after-window"):
        back(cutover, who="Ada")
    assert cutover.state == "switched"
    assert not any(each.startswith("undo") for each in World(cutover.workspace.root / "world").acts)

    given_up = late(cutover)
    assert given_up is not None
    assert given_up.answer == f"lose {len(given_up.losses)}"
    with pytest.raises(UsageError, match="discover"):  # no system stands behind this plan
        back(cutover, who="Ada", late=given_up)
    begun = cutover.last("reversing")
    assert begun is not None
    assert begun.facts["lost"] == list(given_up.losses)
    must_be_in_time(cutover, None)  # one that has begun may end whenever it does


def test_the_last_safe_start_of_a_way_back_follows_from_what_the_rehearsal_measured(
    cutover: Cutover,
) -> None:
    window = back_window(cutover)
    assert window is not None
    assert window.last_safe_start is None
    assert "no rehearsal measured" in window.words

    way = Measured("back", "Back", "migrate cutover back", 1200.0, 10, "fixed", {"target": {"reads": 3}})
    projection = project([way], [], factor=1.0, records=10)
    document = {"projection": asdict(projection), "not_proved": [], "records": 10, "of": 10}
    content = json.dumps(document).encode()
    workspace = cutover.workspace
    workspace.storage.write(f"{FOLDER}/r.json", content)
    trail.append(
        workspace.ledger, "Ada", starting.REHEARSED, evidence=hashlib.sha256(content).hexdigest(),
        plan=workspace.plan.digest, on="twin", file="r.json", clean=True,
    )  # fmt: skip

    window = back_window(cutover)
    assert window is not None
    assert window.last_safe_start is not None
    room = parse_stamp(window.ends) - parse_stamp(window.last_safe_start)
    taken = projection.steps[0].seconds.high
    assert room == timedelta(seconds=1.5 * taken, hours=1)
    assert standing(workspace, "all").last_safe_start == window.last_safe_start
