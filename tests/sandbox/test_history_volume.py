"""The proof of many activities, small: everything arrives, and its oracle sees what doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.history_activities import FAMILY, Figures, count, kind, record, rig

MANY = 120


@pytest.mark.slow
def test_many_activities_arrive_and_the_oracle_sees_a_loss_a_change_and_a_missing_link(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, MANY) as here:
        here.must("discover", "check", "prepare", "extract", "transform", "load")
        found = Figures()
        count(here, MANY, found)
        assert found.complete
        assert (found.activities, found.cut, found.whole) == (MANY, 1, 1)

        task, call, event = (
            next(n for n in range(MANY) if kind(n) == what) for what in ("Task", "Call", "Event")
        )
        there = {
            row["properties"]["migration_key"]: row["id"]
            for object in ("tasks", "calls", "meetings")
            for row in here.hubspot.control.ndjson(f"/truth/{object}")
        }

        def key(number: int) -> str:
            object, row = record(number)
            return f"{FAMILY}.{object}.{row['Id']}" + ("~call" if kind(number) == "Call" else "")

        control = here.hubspot.control
        control.post("/act", {"do": "delete", "object": "tasks", "id": there[key(task)]})
        changed = {"do": "update", "object": "calls", "id": there[key(call)], "fields": {"hs_call_body": "x"}}
        control.post("/act", changed)
        link = next(
            each for each in control.ndjson("/truth/links")
            if each["from"] == there[key(event)] and each["to_object"] == "contacts"
        )  # fmt: skip
        control.post("/act", {"do": "unlink", "object": "meetings", "id": link["from"], "to": link["to"],
                              "to_object": "contacts"})  # fmt: skip
        red = Figures()
        count(here, MANY, red)
        assert (red.lost, red.changed, red.unlinked) == ([key(task)], [key(call)], [key(event)])
        assert not red.complete
