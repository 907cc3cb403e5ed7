"""Does a switch end in exactly two ways, whatever fails and whoever is killed?

The gate and the reverse path are stand-ins, for they ask systems; ledger, trail, commands and processes are
real. A step's command keeps its own state in files, as the world outside would, and counts what was asked of
it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrate.cutover import homes, machine, sealing, switching, trail
from migrate.cutover.hooks import StepFailed
from migrate.cutover.machine import Cutover
from migrate.cutover.states import State
from migrate.cutover.steps import Steps
from migrate.errors import Parked, UsageError
from migrate.workspace import Workspace
from tests.unit.test_cli import PLAN

TO_APPROVED: tuple[State, ...] = (
    "rehearsed", "loading", "syncing", "holding", "frozen", "drained", "verified", "approved",
)  # fmt: skip
WORLD = """\
import json, os, pathlib, signal, sys
name, act = os.environ["MIGRATE_STEP"].replace(" ", "-"), os.environ["MIGRATE_ACT"]
here = pathlib.Path(sys.argv[1])
state, log = here / name, here / "log"
with log.open("a") as out:
    out.write(json.dumps([os.environ["MIGRATE_STEP"], act, os.environ["MIGRATE_BEFORE"]]) + "\\n")
if act == "check":
    print(state.read_text() if state.exists() else "old")
    sys.exit(0 if state.exists() and state.read_text() == "new" else 1)
trouble = here / f"{name}.{act}"
what = trouble.read_text().split() if trouble.exists() else []
if "before" in what:
    trouble.unlink()
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit()
if "fails" in what:
    sys.exit("no such form")
state.write_text("new" if act == "do" else os.environ["MIGRATE_BEFORE"])
if "after" in what:
    trouble.unlink()
    os.kill(os.getppid(), signal.SIGKILL)
"""


@dataclass
class ReversePath:
    """Stands in for the reverse path. `comes`: whether a canary comes back."""

    comes: bool = True
    asked: list[str] = field(default_factory=list)

    def open(self, cutover: Cutover, *, who: str) -> None:
        self.asked.append(f"open {cutover.cohort} {who}")

    def canary(self, workspace: Workspace, cohort: str) -> Any:
        self.asked.append(f"canary {cohort}")
        if not self.comes:
            raise Parked(workspace.system("source").system, "it doesn't answer")
        return {"came": cohort}


def stand_in(patch: Callable[[Any, str, Any], None], path: ReversePath) -> None:
    """No guards but the switch's own, no systems."""
    mine = {}
    for move, guards in machine._guards.items():
        mine[move] = [each for each in guards if each.__module__ in (switching.__name__, sealing.__name__)]
    patch(machine, "GUARDS", ())
    patch(machine, "_guards", mine)
    patch(homes, "publish", lambda *_: SimpleNamespace(rows=1))
    patch(switching, "_reverse", lambda: path)
    patch(switching, "must_pass", lambda *_, **__: None)
    patch(switching, "approval", lambda cutover: SimpleNamespace(
        evidence="e" * 64, gate="g" * 64, signatures=[f"s{len(cutover.moves())}"], overrides=[]
    ))  # fmt: skip


def plan_in(folder: Path, *steps: str, retries: int = 0) -> None:
    """A plan whose hooks are steps of the world in `folder/world`."""
    (folder / "world").mkdir(exist_ok=True)
    (folder / "world.py").write_text(WORLD, encoding="utf-8")
    command = {"command": [sys.executable, "world.py", "world"]}
    hooks = [
        {"name": each, "do": command, "undo": command, "check": command, "retries": retries} for each in steps
    ]
    plan = YAML(typ="safe").load(PLAN) | {"cutover": {"hooks": hooks}}
    with (folder / "plan.yaml").open("w", encoding="utf-8") as out:
        YAML().dump(plan, out)


def go(folder: str) -> None:
    """A switch in a process of its own, which a step may kill."""
    stand_in(setattr, ReversePath())
    switching.switch(Cutover(Workspace(Path(folder), {})), who="Ada")


@dataclass
class World:
    """What the steps have made of it."""

    folder: Path

    def state(self, step: str) -> str:
        file = self.folder / step.replace(" ", "-")
        return file.read_text() if file.exists() else "old"

    def order(self, step: str, act: str, *what: str) -> None:
        (self.folder / f"{step.replace(' ', '-')}.{act}").write_text(" ".join(what))

    def mend(self, step: str, act: str) -> None:
        (self.folder / f"{step.replace(' ', '-')}.{act}").unlink()

    @property
    def acts(self) -> list[str]:
        """Everything but checks, in order."""
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        return [f"{act} {step}" for step, act, _ in lines if act != "check"]


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> ReversePath:
    found = ReversePath()
    stand_in(monkeypatch.setattr, found)
    return found


@pytest.fixture
def cutover(tmp_path: Path, path: ReversePath) -> Iterator[Cutover]:
    plan_in(tmp_path, "web form", "mail", "user")
    workspace = Workspace(tmp_path, {})
    yield approved(Cutover(workspace))
    assert path is not None
    assert trail.verify(workspace) == []
    workspace.close()


@pytest.fixture
def world(cutover: Cutover) -> World:
    return World(cutover.workspace.root / "world")


def approved(cutover: Cutover) -> Cutover:
    """One that has come to its approval."""
    begin = TO_APPROVED.index(cutover.state) + 1 if cutover.state in TO_APPROVED else 0
    for to in TO_APPROVED[begin:]:
        cutover.move(to, who="Ada")
    return cutover


def stages(cutover: Cutover) -> dict[str, str]:
    event = cutover.last("switching")
    assert event is not None
    return {each.name: each.stage for each in Steps(cutover.workspace, event, "Ada").all()}


def test_a_switch_does_its_steps_in_order_once_and_ends_when_the_canary_has_come_back(
    cutover: Cutover, world: World, path: ReversePath
) -> None:
    done = switching.switch(cutover, who="Ada")

    assert (done.state, cutover.state, done.failed) == ("switched", "switched", "")
    assert done.canary == {"came": "all"}
    assert world.acts == ["do web form", "do mail", "do user"]
    assert path.asked == ["open all Ada", "canary all"]
    assert set(stages(cutover).values()) == {"done"}


def test_the_approval_that_a_switch_used_up_stands_in_its_move(cutover: Cutover) -> None:
    last = cutover.last("approved")
    switching.switch(cutover, who="Ada")

    event = cutover.last("switching")
    assert event is not None
    assert last is not None
    assert (event.facts["approved"], event.facts["signatures"]) == (last.digest, ["s8"])
    assert event.evidence == "e" * 64


def test_a_step_that_fails_takes_those_before_it_back_last_first(cutover: Cutover, world: World) -> None:
    world.order("user", "do", "fails")

    done = switching.switch(cutover, who="Ada")

    assert (done.state, cutover.state) == ("frozen", "frozen")
    assert "no such form" in done.failed
    assert world.acts == ["do web form", "do mail", "do user", "undo mail", "undo web form"]
    assert [world.state(each) for each in ("web form", "mail", "user")] == ["old", "old", "old"]


def test_a_canary_that_does_not_come_back_takes_every_step_back(
    cutover: Cutover, world: World, path: ReversePath
) -> None:
    path.comes = False

    done = switching.switch(cutover, who="Ada")

    assert cutover.state == "frozen"
    assert "doesn't answer" in done.failed
    assert world.acts[3:] == ["undo user", "undo mail", "undo web form"]


def test_an_approval_is_good_for_one_switch(cutover: Cutover, world: World) -> None:
    world.order("mail", "do", "fails")
    switching.switch(cutover, who="Ada")
    world.mend("mail", "do")

    with pytest.raises(UsageError, match="is frozen; this needs approved"):
        switching.switch(cutover, who="Ada")

    assert switching.switch(approved(cutover), who="Ada").state == "switched"


def test_a_signature_is_good_for_one_switch(
    cutover: Cutover, path: ReversePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.comes = False
    switching.switch(cutover, who="Ada")
    approved(cutover)
    used = SimpleNamespace(evidence="e" * 64, gate="g" * 64, signatures=["s8", "new"], overrides=[])
    monkeypatch.setattr(switching, "approval", lambda _: used)

    with pytest.raises(UsageError, match="used up by the switch"):
        switching.switch(cutover, who="Ada")

    assert cutover.state == "approved"


def test_a_step_that_was_done_before_we_came_is_never_undone(cutover: Cutover, world: World) -> None:
    (world.folder / "mail").write_text("new")
    world.order("user", "do", "fails")

    switching.switch(cutover, who="Ada")

    assert stages(cutover) == {"web form": "undone", "mail": "there", "user": "undone"}
    assert world.state("mail") == "new"
    assert "undo mail" not in world.acts


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["web form", "mail", "user"])
def test_a_switch_that_is_killed_in_a_step_goes_on_and_does_nothing_twice(
    cutover: Cutover, world: World, step: str, when: str
) -> None:
    world.order(step, "do", when)
    script = "import sys; from tests.unit.test_cutover_switch import go; go(sys.argv[1])"
    killed = subprocess.run(
        [sys.executable, "-c", script, str(cutover.workspace.root)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (cutover.state, stages(cutover)[step]) == ("switching", "begun")

    done = switching.switch(cutover, who="Ada")

    assert done.state == "switched"
    assert [world.state(each) for each in ("web form", "mail", "user")] == ["new", "new", "new"]
    wanted = ["do web form", "do mail", "do user"]
    if when == "before":  # the one that was ended before it did anything is begun again
        wanted.insert(wanted.index(f"do {step}"), f"do {step}")
    assert world.acts == wanted


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_switch_that_is_killed_can_be_given_up(cutover: Cutover, world: World, when: str) -> None:
    world.order("mail", "do", when)
    script = "import sys; from tests.unit.test_cutover_switch import go; go(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", script, str(cutover.workspace.root)], capture_output=True, check=False
    )

    done = switching.give_up(cutover, who="Ada")

    assert done.state == "frozen"
    assert [world.state(each) for each in ("web form", "mail", "user")] == ["old", "old", "old"]
    assert "do user" not in world.acts


def test_an_undo_that_fails_leaves_it_switching_and_goes_on_later(cutover: Cutover, world: World) -> None:
    world.order("user", "do", "fails")
    world.order("web form", "undo", "fails")
    with pytest.raises(StepFailed, match="undoing of the step `web form`"):
        switching.switch(cutover, who="Ada")
    assert cutover.state == "switching"
    world.mend("web form", "undo")

    done = switching.switch(cutover, who="Ada")  # neither on nor half: it goes back to its end

    assert done.state == "frozen"
    assert world.state("web form") == "old"
    assert world.acts.count("undo mail") == 1


def test_a_plan_that_was_edited_in_the_midst_of_a_switch_stops_it(cutover: Cutover, world: World) -> None:
    world.order("mail", "do", "after")
    script = "import sys; from tests.unit.test_cutover_switch import go; go(sys.argv[1])"
    root = cutover.workspace.root
    subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, check=False)
    plan_in(root, "web form", "another", "user")
    again = Cutover(Workspace(root, {}))

    with pytest.raises(UsageError, match="was edited since this switch began"):
        switching.switch(again, who="Ada")

    assert switching.give_up(again, who="Ada").state == "frozen"  # by the hooks of then
    assert world.state("mail") == "old"
    again.workspace.close()


def test_a_step_is_tried_again_as_often_as_the_plan_says(tmp_path: Path, path: ReversePath) -> None:
    plan_in(tmp_path, "web form", retries=1)
    workspace = Workspace(tmp_path, {})
    world = World(tmp_path / "world")
    world.order("web form", "do", "fails")

    done = switching.switch(approved(Cutover(workspace)), who="Ada")

    assert path.asked == ["open all Ada"]
    assert "exit code 1, no such form" in done.failed
    assert world.acts == ["do web form", "do web form"]  # and nothing to undo: the check says so
    workspace.close()


def test_a_step_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, path: ReversePath
) -> None:
    plan_in(tmp_path)
    slow = {"command": ["/bin/sh", "-c", "sleep 60 & echo $! > child; wait"]}
    plan = YAML(typ="safe").load((tmp_path / "plan.yaml").read_text())
    plan["cutover"]["hooks"] = [
        {"name": "slow", "do": slow, "undo": {"command": ["true"]}, "timeout": "1 second", "retries": 0}
    ]
    with (tmp_path / "plan.yaml").open("w") as out:
        YAML().dump(plan, out)
    workspace = Workspace(tmp_path, {})

    done = switching.switch(approved(Cutover(workspace)), who="Ada")

    assert path.comes
    assert "took longer than 1 second" in done.failed
    child = int((tmp_path / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"
    workspace.close()


def test_what_goes_back_undoes_the_steps_last_first(cutover: Cutover, world: World) -> None:
    switching.switch(cutover, who="Ada")
    cutover.move("reversing", who="Ada")

    switching.take_back(cutover, who="Ada")
    switching.take_back(cutover, who="Ada")  # again after a kill: nothing is left to undo

    assert world.acts[3:] == ["undo user", "undo mail", "undo web form"]


def test_no_way_leads_back_from_sealed(cutover: Cutover) -> None:
    switching.switch(cutover, who="Ada")
    assert any("refuses from then on" in words for words in sealing.look(cutover).ends)

    sealing.seal(cutover, who="Ada")

    assert cutover.state == "sealed"
    with pytest.raises(UsageError):
        cutover.move("reversing", who="Ada")


def test_a_rollback_is_refused_from_the_switch_on_and_says_what_leads_back(cutover: Cutover) -> None:
    from migrate_rollback import Scope
    from migrate_rollback.at_home import must_be_ours

    switching.switch(cutover, who="Ada")

    with pytest.raises(UsageError, match="`all` is switched") as refused:
        must_be_ours(cutover.workspace, Scope())

    assert "migrate cutover back" in refused.value.remedy


def test_the_way_back_is_promised_from_the_switch_on_and_no_longer_than_the_old_system_is_there(
    cutover: Cutover,
) -> None:
    from migrate.cutover.window import back_window

    assert back_window(cutover) is None
    switching.switch(cutover, who="Ada")

    window = back_window(cutover)
    assert window is not None
    event = cutover.last("switched")
    assert event is not None
    assert (window.state, window.opened) == ("open", event.at)
    assert window.bound == "the plan's 10 working days"
