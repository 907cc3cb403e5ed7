"""Is what the target brings by itself left to it, and what is still to come left out, with the reason?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from migrate.catalog import ObjectSchema
from migrate.clock import stamp
from migrate.errors import Defect, PlanError
from migrate.plan import load_plan
from migrate.stages.check import check
from migrate.store import Store
from migrate.types import Kind
from tests.unit.transform_case import SOURCE, TARGET, World, fields, of

READ = datetime(2026, 11, 20, 12, tzinfo=UTC)  # when the extract began

_EVENT = ObjectSchema(
    name="Event", label="Event", stamp="Stamp", created="Created",
    fields=SOURCE.objects["Deal"].fields | fields(
        Start=Kind.TIMESTAMP, Due=Kind.DATE, IsClosed=Kind.BOOL,
        WhatId=of("WhatId", Kind.REFERENCE, references=("Account",)),
    ),
)  # fmt: skip
SOURCES = SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Event": _EVENT}})
PLAN = """
- source: Event
  target: deals
  {activity}
  fields: {{dealname: Name}}
"""


def world(tmp_path: Path, rows: list[Mapping[str, Any]]) -> World:
    made = World(tmp_path, source=SOURCES, target=TARGET)
    manifest = made.extract("Event", [{"Name": row["Id"], **row} for row in rows])
    store: Store = made.store
    store.publish(replace(manifest, facts={**manifest.facts, "watermark": stamp(READ)}))
    return made


def skipped(made: World, activity: str, top: str = "") -> dict[str, str]:
    """Why which record was left out."""
    path = made.root / "plan" / "plan.yaml"
    made.plan(PLAN.format(activity=activity))
    path.write_text(path.read_text().replace("objects:", f"{top}\nobjects:"))
    counts = made.transform(load_plan(path))["Event"]
    found = {row["_source_id"]: row["reason"] for row in made.rows("skipped", "Event")}
    assert counts.skipped == len(found)
    assert counts.extracted == counts.ready + counts.skipped + counts.rejected + counts.merged
    return found


def moments(*offsets: int) -> list[Mapping[str, Any]]:
    return [{"Id": f"E{hours}", "Start": READ + timedelta(hours=hours)} for hours in offsets]


def test_what_is_later_than_the_extract_is_left_out_unless_the_plan_takes_it(tmp_path: Path) -> None:
    made = world(tmp_path, moments(-1, 0, 1))
    assert skipped(made, "activity: {at: Start}") == {"E1": "future"}
    assert skipped(made, "activity: {at: Start, future: load}") == {}


@pytest.mark.parametrize(
    ("top", "left"),
    [
        ('mailbox_sync_from: "2026-11-20T10:30:00Z"', {"E-1", "E0"}),
        ("mailbox_sync_from: 2026-11-20", {"E-1", "E0", "E-2", "E-12"}),
        ("calendar: {zone: America/New_York}\nmailbox_sync_from: 2026-11-20", {"E-1", "E0", "E-2"}),
        ("mailbox_sync_from: 2027-01-01", set()),
    ],
)
def test_what_the_target_s_own_mailbox_brings_is_left_to_it(tmp_path: Path, top: str, left: set[str]) -> None:
    made = world(tmp_path, moments(-13, -12, -2, -1, 0))
    assert skipped(made, "activity: {at: Start}", top) == dict.fromkeys(left, "mailbox_sync")


def test_what_no_mailbox_brings_is_not_bounded(tmp_path: Path) -> None:
    made = world(tmp_path, moments(-13, 0))
    made.extract("Deal", [{"Id": "D1", "Name": "d"}])
    also = "- {source: Deal, part: x, target: deals, activity: {at: Stamp}, fields: {dealname: Name}}"
    path = made.root / "plan" / "plan.yaml"
    made.plan(f"{also}\n{PLAN.format(activity='activity: {at: Start, synced: false}')}")
    path.write_text(path.read_text().replace("objects:", "mailbox_sync_from: 2026-01-01\nobjects:"))
    with pytest.raises(Defect, match="when it began"):  # of the deals, no extract says so
        made.transform(load_plan(path))
    made.plan(PLAN.format(activity="activity: {at: Start, synced: false}"))
    assert made.transform(load_plan(path))["Event"].skipped == 0


def test_what_is_still_open_is_left_out_unless_the_plan_takes_it(tmp_path: Path) -> None:
    rows: list[Mapping[str, Any]] = [
        {"Id": "done", "Start": READ - timedelta(days=1), "IsClosed": True},
        {"Id": "open", "Start": READ - timedelta(days=1), "IsClosed": False},
        {"Id": "unknown", "Start": None, "IsClosed": None},
    ]
    made = world(tmp_path, rows)
    assert skipped(made, "activity: {at: Start, open: NOT IsClosed}") == {"open": "future"}
    assert skipped(made, "activity: {at: Start, open: NOT IsClosed, future: load}") == {}


def test_where_comes_first_and_a_time_that_can_t_be_read_is_a_reject(tmp_path: Path) -> None:
    odd: Mapping[str, Any] = {"Id": "odd", "Start": None}
    made = world(tmp_path, [*moments(5, -5), odd])
    text = (
        "where: \"Id <> 'E5'\"\n  activity: {at: \"CAST(CASE WHEN Id = 'odd' THEN 'x' END AS TIMESTAMPTZ)\"}"
    )
    assert skipped(made, text) == {"E5": "where"}
    [reject] = made.rows("rejects", "Event")
    assert (reject["_source_id"], reject["field"], reject["reason"]) == ("odd", "activity", "expression")


def test_the_same_artifacts_give_the_same_rows_whenever_they_are_transformed(tmp_path: Path) -> None:
    made = world(tmp_path, moments(-1, 0, 1))
    skipped(made, "activity: {at: Start}")
    once = made.digest("ready", "Event")
    skipped(made, "activity: {at: Start}")
    assert made.digest("ready", "Event") == once


def test_links_of_what_is_left_out_are_left_out_with_it(tmp_path: Path) -> None:
    made = world(tmp_path, [{**row, "WhatId": "A1"} for row in moments(-1, 1)])
    made.extract("Account", [{"Id": "A1", "Name": "A"}])
    plan = made.plan(
        """
        - {source: Account, target: companies, fields: {name: Name}}
        - source: Event
          target: deals
          activity: {at: Start}
          fields: {dealname: Name}
          links: [{to: companies, via: WhatId}]
        """
    )
    counts = made.transform(plan)["Event"]
    assert (counts.link.found, counts.link.staged, counts.link.skipped) == (2, 1, 1)
    assert [row["left"] for row in made.rows("links", "Event.0")] == ["fam.Event.E-1"]


@pytest.mark.parametrize(
    ("activity", "top", "what"),
    [
        ("activity: {at: Due}", "", "must be an instant"),
        ("activity: {at: Start, open: Name}", "", "must be true or false"),
        ("activity: {at: Nowhen}", "", "isn't a field"),
        ("activity: {at: Start}", "mailbox_sync_from: soon", "neither a day nor an instant"),
        ("", "mailbox_sync_from: 2026-12-01", "nothing is bounded"),
    ],
)
def test_what_can_t_be_is_said_where_it_stands(tmp_path: Path, activity: str, top: str, what: str) -> None:
    made = world(tmp_path, moments(0))
    with pytest.raises(PlanError, match=what):
        skipped(made, activity, top)


def test_an_entry_without_a_bound_is_a_warning(tmp_path: Path) -> None:
    made = world(tmp_path, moments(0))
    plan = made.plan(PLAN.format(activity="activity: {at: Start}"))
    assert any(
        "own mailbox or calendar" in each.what for each in check(plan, made.source, made.target).warnings
    )
