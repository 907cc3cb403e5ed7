"""Who came first? A load and a rollback take turns, and neither goes by what it read before its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from migrate_rollback import deeds, doubts, force_hold, worklist
from migrate_rollback import run as roll_back
from migrate_rollback.looking import Look

from migrate.clock import stamp
from migrate.connector import Who
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.journal import Entry
from migrate.ledger import BatchRow
from migrate.ledger.tables import attempts, checkpoints, watermarks
from migrate.load import Loading
from migrate.plan.cutover import CutoverPlan
from migrate.plan.models import AutomationsPlan, ObjectPlan
from migrate.stages import checkpoint
from migrate.stages.load import load
from migrate.stages.pipeline import next_ready
from migrate.store import Manifest
from migrate.workspace import Workspace
from tests.unit.bench import HandClock, workspace
from tests.unit.fake_target import CATALOG, FakeTarget, Killed
from tests.unit.test_load_protocol import PLAN, Case, key


def plan_of(entry: ObjectPlan) -> Any:
    """A plan with one entry and no opt-outs."""
    model = SimpleNamespace(objects=[entry], consent=[], automations=AutomationsPlan(), cutover=CutoverPlan())
    return SimpleNamespace(model=model, digest="d", chosen=lambda _names: [entry])


class Site:
    """A workspace with one attempt. `meanwhile`: what another operator does just before our turn comes."""

    def __init__(self, root: Path, engine: Engine) -> None:
        clock = HandClock()
        self.target = FakeTarget(clock)
        self.meanwhile: Callable[[], None] = lambda: None
        self.workspace: Workspace = workspace(root, clock, engine)
        self.workspace.__dict__.update(plan=plan_of(PLAN), target=self.take, catalog=lambda _role: CATALOG)
        with self.workspace.ledger.write() as tx:
            tx.put(attempts, number=1, state="open", opened=tx.at, closed=None, plan="d")

    def take(self) -> FakeTarget:
        self.meanwhile()
        return self.target

    def checkpoint(self, attempt: int) -> None:
        with self.workspace.ledger.write() as tx:
            tx.put(
                checkpoints, name=f"before-load-{attempt}", attempt=attempt, at=tx.at, segment=0,
                watermarks="{}", baseline="{}", window_end=None,
            )  # fmt: skip

    def state(self, attempt: int, state: str) -> None:
        with self.workspace.ledger.write() as tx:
            tx.put(attempts, number=attempt, state=state, opened=tx.at, closed=None, plan="d")

    def states(self) -> dict[int, str]:
        return {row.number: row.state for row in self.workspace.ledger.read(sa.select(attempts))}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Engine(folders=[tmp_path], temp_dir=tmp_path / "spill") as engine:
        yield Site(tmp_path, engine)


def test_a_load_whose_attempt_was_rolled_back_before_its_turn_sends_nothing(site: Site) -> None:
    def meanwhile() -> None:
        site.state(1, "rolled_back")
        site.state(2, "open")

    site.meanwhile = meanwhile
    with pytest.raises(UsageError, match="rolled back meanwhile"):
        load(site.workspace)
    site.meanwhile = lambda: site.state(1, "rolling_back")
    with pytest.raises(UsageError, match="being rolled back"):
        load(site.workspace)
    assert site.target.calls == 0


def test_a_rollback_that_another_one_was_before_leaves_the_later_load_alone(site: Site) -> None:
    site.checkpoint(1)

    def meanwhile() -> None:
        site.state(1, "rolled_back")
        site.state(2, "open")
        site.checkpoint(2)
        with site.workspace.ledger.write() as tx:
            tx.put(watermarks, object="Contact", value="w", generation=3)

    site.meanwhile = meanwhile
    with pytest.raises(UsageError, match="meanwhile"):
        roll_back(site.workspace)
    assert site.states() == {1: "rolled_back", 2: "open"}
    assert site.workspace.ledger.watermark("Contact") == ("w", 3)


def test_a_hold_is_not_forced_before_the_rollback_has_come_to_its_end(site: Site) -> None:
    site.checkpoint(1)
    site.state(1, "rolling_back")
    site.state(2, "open")
    with Loading(site.workspace, site.target, CATALOG, 1) as loading:
        held = Entry(
            1, "undo-1", "new", "contacts", "record", "k", "delete", "held", "1", reason="edited: by ann"
        )
        loading.journal.append([held])
        with loading.ledger.write(loading.lease) as tx:
            loading.journal.register(tx)
    with pytest.raises(UsageError, match="still being rolled back"):
        force_hold(site.workspace, "contacts.edited")
    assert site.states()[1] == "rolling_back"


def test_ready_parts_stay_while_a_rollback_must_still_settle_what_was_cut_from_them(site: Site) -> None:
    site.workspace.store.publish(Manifest("ready/Contact/g0000", "ready", "Contact", 0, 0, ()))
    assert next_ready(site.workspace) == 0
    row = BatchRow("b", 1, "new", "load", "ready/Contact/g0000", "p", (0,), "contacts", "create", "d", "t")
    with Loading(site.workspace, site.target, CATALOG, 1) as loading, loading.batch(row):
        pass
    site.state(1, "rolling_back")
    site.state(2, "open")
    assert next_ready(site.workspace) == 1


def test_no_load_begins_while_a_forced_deletion_may_still_land(site: Site) -> None:
    site.checkpoint(1)
    row = BatchRow("undo-1", 1, "new", "rollback", "rollback/x", "p", (0,), "contacts", "delete", "d", "t")
    with Loading(site.workspace, site.target, CATALOG, 1) as loading, loading.batch(row):
        pass
    site.state(1, "rolled_back")
    site.state(2, "open")
    with pytest.raises(UsageError, match="cut short"):
        load(site.workspace)
    site.checkpoint(2)  # of a workspace whose next load has begun: it is too late to wait
    with pytest.raises(UsageError, match="isn't ready"):
        load(site.workspace)


def test_a_stray_gets_back_what_it_held_before_its_own_attempt(site: Site) -> None:
    ids = pa.table({"_id": ["7"], "_key": pa.array([None], pa.string())})
    with site.workspace.store.writer("base/contacts", ids.schema) as writer:
        writer.write(ids)
    site.workspace.store.publish(Manifest("base/contacts", "base", "contacts", 0, 1, tuple(writer.parts)))
    with Loading(site.workspace, site.target, CATALOG, 2) as loading:
        for attempt, name in ((1, "Old"), (2, "hers")):  # a person renamed it after the first one's rollback
            for before in (name, "Ours"):
                loading.journal.append([
                    Entry(
                        attempt, "b", "new", "contacts", "record", "src.Contact.c1", "adopt", "intent", "7",
                        before={"name": before}, after={"name": "Ours"},
                    )
                ])  # fmt: skip
        with loading.ledger.write(loading.lease) as tx:
            loading.journal.register(tx)
    engine = site.workspace.engine
    deeds.tables(engine, site.workspace.journal.source(), 2)
    point = checkpoint.Checkpoint("c", 2, "", 0, {}, {"contacts": "base/contacts"}, None)
    worklist.strays_table(site.workspace, point, [("contacts", "src.Contact.c1", "7")])
    [row] = engine.rows("SELECT * FROM undo_strays")
    assert (row["action"], dict(row["before"])) == ("restore", {"name": "hers"})


def test_a_doubt_is_settled_by_the_fields_that_were_sent_not_by_todays_plan(site: Site) -> None:
    site.workspace.plan.model.objects[0] = PLAN.model_copy(
        update={"fields": {}}
    )  # the phone was left out since
    record = site.target.make(phone="1")
    site.target.write(record, {"phone": None}, Who.OURS)  # our update landed, and nobody saw it
    row = BatchRow("b", 1, "new", "load", "ready/x", "p", (0,), "contacts", "update", "d", "t")
    sent = Entry(
        1, "b", "new", "contacts", "record", "k", "update", "intent", record.id,
        before={"phone": "1"}, after={"phone": None},
    )  # fmt: skip
    with Loading(site.workspace, site.target, CATALOG, 1) as loading:
        with loading.batch(replace(row, deadline=stamp(loading.clock.now()))):
            loading.journal.append([sent])
        doubts.settle(loading, Look(site.workspace, site.target, CATALOG))
    [done] = site.workspace.engine.rows(
        f"SELECT * FROM {site.workspace.journal.source()} WHERE outcome = 'done'"
    )
    assert (dict(done["before"]), dict(done["after"])["phone"]) == ({"phone": "1"}, None)


def test_an_edit_that_a_killed_load_covered_is_told_by_the_one_that_settles_it(
    tmp_path: Path, site: Site
) -> None:
    case = Case(tmp_path / "case", site.workspace.engine)
    case.workspace.__dict__.update(
        plan=plan_of(PLAN.model_copy(update={"links": []})),
        target=lambda: case.target,
        catalog=lambda _role: CATALOG,
    )
    site.workspace = case.workspace
    case.workspace.storage.write("plans/d/whole.json", b"{}")  # the stand-in plan has no files to keep
    site.checkpoint(1)
    case.stage(0, {"c1": {"name": "a"}})
    load(case.workspace)
    case.target.faults, case.target.edits = ["killed after"], [(key("c1"), "name", "hers")]
    case.stage(1, {"c1": {"name": "b"}})
    with pytest.raises(Killed):
        load(case.workspace)
    case.workspace.__dict__.pop("journal")
    found = load(case.workspace)
    assert (found.met, found.clean, found.objects["Contact"]["update"]) == (1, False, 1)
