"""Does the report say until when there is a way back, and turn red once there is none?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from migrate_rollback.section import section
from migrate_validators.screen import _of

from migrate.ledger import Ledger
from migrate.ledger.tables import checkpoints, measures
from tests.unit.moved import AT, Clock

BACK = {"delete": 9, "restore": 2, "unlink": 3, "side_records": 0, "residue": ["stamps"]}


def seen(folder: Path, end: str | None, seconds: float | None = None, *, loaded: bool = True) -> Any:
    clock = Clock()
    ledger = Ledger(folder / "ledger.db", clock)
    with ledger.write() as tx:
        if loaded:
            tx.put(
                checkpoints, name="attempt-1", attempt=1, at="2026-03-01T00:00:00Z", window_end=end,
                segment=0, watermarks="{}", baseline="{}",
            )  # fmt: skip
        if seconds is not None:
            tx.put(measures, name="rollback", value=seconds, at=tx.at)
    return SimpleNamespace(
        evidence=SimpleNamespace(attempt=1, clock=clock), ledger=ledger, facts={"way_back": BACK}
    )


@pytest.mark.parametrize(
    ("end", "seconds", "state", "said"),
    [
        ("2026-03-20T00:00:00.000000Z", 3600.0, "pass", "last safe start 2026-03-19T21:30"),
        ("2026-03-20T00:00:00.000000Z", None, "warn", "never measured"),
        ("2026-03-14T13:30:00.000000Z", 3600.0, "warn", "Too late to start safely"),
        ("2026-03-14T12:00:00.000000Z", 3600.0, "fail", "no way back any more"),
        (None, None, "warn", "No end"),
    ],
)
def test_the_way_back_is_open_late_or_closed(
    tmp_path: Path, end: str | None, seconds: float | None, state: str, said: str
) -> None:
    found = section(seen(tmp_path, end, seconds))

    assert found is not None
    assert found["verdict"] == state
    assert said in found["summary"]
    assert _of("way_back", found).figures["records that would be deleted"] == 9


def test_a_verified_rollback_stands_in_the_report_with_who_and_the_digest(tmp_path: Path) -> None:
    told = seen(tmp_path, None, loaded=False)
    with told.ledger.write() as tx:
        tx.event("anna", "rollback verify", attempt=1, digest="4b22" * 16, verdict="pass",
                 words="pass, 2 held, 5 residue", place="reports/x")  # fmt: skip

    found = section(told)

    assert found is not None
    assert found["verdict"] == "pass"
    assert "Attempt 1 is rolled back" in found["summary"]
    (table,) = _of("way_back", found).tables
    ((at, *rest),) = table.rows
    assert at == "2026-03-14T12:00:00.000000Z"
    assert rest == [1, "pass, 2 held, 5 residue", "anna", "4b22" * 4]


def test_before_the_first_load_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert section(seen(tmp_path, None, loaded=False)) is None
    assert datetime(2026, 3, 14, 12, tzinfo=UTC) == AT
