"""Is everybody told, once and in time, that the way back runs out?"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from migrate_rollback import returning
from migrate_rollback import window as windows
from migrate_rollback.late import late
from migrate_rollback.model import Group
from migrate_rollback.notifying import notice
from migrate_rollback.planned import RollbackPlan
from migrate_rollback.scope import Scope
from migrate_rollback.window import Window

from migrate.clock import stamp
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.journal.entry import DUCKDB
from migrate.ledger import Ledger
from migrate.ledger.tables import attempts, checkpoints, events, measures, rollbacks
from migrate.plan.cutover import CutoverPlan

ENGINE = Engine()
COLUMNS = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in DUCKDB.items())
NOTHING = f"(SELECT {COLUMNS} WHERE false)"
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=10)


class Hands:
    """A clock that stands where it is put."""

    speed = 1.0

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.db", Hands())
    with made.write() as tx:
        tx.put(attempts, number=1, state="open", opened=stamp(START), closed=None, plan=None)
        tx.put(
            checkpoints, name="before-load-1", attempt=1, at=stamp(START), window_end=stamp(END), segment=0,
            watermarks="{}", baseline="{}",
        )  # fmt: skip
    yield made
    made.close()


def at(ledger: Ledger, when: datetime) -> Window:
    clock: Any = ledger.clock
    clock.at = when
    found = returning.current(ledger, clock)
    assert found is not None
    return found


def measured(ledger: Ledger, name: str, seconds: float) -> None:
    with ledger.write() as tx:
        tx.put(measures, name=name, value=seconds, at=tx.at)


def workspace(ledger: Ledger, environment: dict[str, str] | None = None, **notify: str) -> Any:
    cutover = CutoverPlan.model_validate({"notify": notify} if notify else {})
    return SimpleNamespace(
        ledger=ledger, clock=ledger.clock, environment=environment or {},
        plan=SimpleNamespace(model=SimpleNamespace(cutover=cutover)),
        system=lambda _role: SimpleNamespace(system="new", type="hubspot"),
        engine=ENGINE, journal=SimpleNamespace(source=lambda: NOTHING),
        catalog=lambda _role: SimpleNamespace(objects={}),
    )  # fmt: skip


def after(ledger: Ledger, op: str) -> Any:
    """A workspace whose load into Salesforce did one thing to an account, at its very start."""
    change = f"""SELECT * REPLACE (2 AS seq, 1 AS attempt, 'new' AS system, 'Account' AS object,
        'record' AS kind, '{op}' AS op, 'done' AS outcome, 'b' AS batch, '001A' AS target_id,
        '{stamp(START)}' AS "at") FROM (SELECT {COLUMNS})"""
    there = workspace(ledger)
    there.journal = SimpleNamespace(source=lambda: f"({change})")
    there.system = lambda _role: SimpleNamespace(system="new", type="salesforce")
    there.store = SimpleNamespace(manifest=lambda _folder: None)
    return there


# -- the window -----------------------------------------------------------------------------------


def test_the_last_safe_start_leaves_room_for_a_rollback_as_it_was_measured(ledger: Ledger) -> None:
    assert at(ledger, START).last_safe_start == stamp(END - timedelta(hours=1))
    assert "never measured" in at(ledger, START).words

    measured(ledger, windows.MEASURE, 7_200)

    found = at(ledger, START)
    assert found.last_safe_start == stamp(END - timedelta(hours=4))
    assert (found.seconds, found.measured) == (7_200, "the last rollback")


def test_the_newest_measurement_counts_be_it_a_drill_or_a_rollback(ledger: Ledger) -> None:
    measured(ledger, windows.MEASURE, 7_200)
    ledger.clock.sleep(60)
    measured(ledger, windows.DRILL, 600)

    assert windows.took(ledger) == (600, "the last drill")


@pytest.mark.parametrize(
    ("when", "state", "percent"),
    [
        (START - timedelta(days=1), "open", 0),
        (START, "open", 0),
        (START + timedelta(days=5), "open", 50),
        (END - timedelta(minutes=61), "open", 99),
        (END - timedelta(hours=1), "late", 99),
        (END - timedelta(microseconds=1), "late", 99),
        (END, "closed", 100),
        (END + timedelta(days=9), "closed", 100),
    ],
)
def test_the_window_is_open_late_or_closed(ledger: Ledger, when: datetime, state: str, percent: int) -> None:
    found = at(ledger, when)

    assert (found.state, found.percent) == (state, percent)


def test_a_closed_window_is_refused_and_the_refusal_says_how_to_go_on(ledger: Ledger) -> None:
    windows.must_be_open(at(ledger, END - timedelta(seconds=1)))

    with pytest.raises(UsageError, match="closed at 11 Mar 2026, 00:00 UTC") as refused:
        windows.must_be_open(at(ledger, END))
    assert "--after-window" in refused.value.remedy


def test_what_is_rolled_back_warns_nobody(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tx.put(attempts, number=1, state="rolled_back", opened=stamp(START), closed=tx.at, plan=None)

    found = at(ledger, START + timedelta(days=9))

    assert (found.state, found.passed) == ("back", ())


def test_what_is_left_of_a_partial_rollback_still_has_its_window(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tx.put(attempts, number=1, state="rolled_back", opened=stamp(START), closed=tx.at, plan=None)
        tx.put(attempts, number=2, state="open", opened=stamp(START), closed=None, plan=None)
        scope = Scope("before-load-1", ("deals",)).text()
        tx.put(rollbacks, attempt=1, checkpoint="before-load-1", scope=scope, began=tx.at, ended=tx.at)

    found = at(ledger, START + timedelta(days=5))

    assert (found.state, found.passed, found.ends) == ("open", (50,), stamp(END))


def test_before_the_first_load_there_is_no_window(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "other.db", Hands())
    assert returning.current(ledger, ledger.clock) is None
    assert notice(workspace(ledger)) is None
    ledger.close()


@pytest.mark.parametrize(("op", "days"), [("create", 40), ("delete", 15)])
def test_the_end_comes_nearer_by_the_kinds_of_change_that_were_made(
    ledger: Ledger, op: str, days: int
) -> None:
    """The plan says 40 days; Salesforce keeps what was deleted for 15, and what was created for ever."""
    with ledger.write() as tx:
        tx.sql.execute(checkpoints.update().values(window_end=stamp(START + timedelta(days=40))))
    there = after(ledger, op)

    found, again = returning.tighten(there), returning.tighten(there)

    assert found == again
    assert found is not None
    assert found.ends == stamp(START + timedelta(days=days))
    words = "the vendor keeps what was changed for 15 days" if op == "delete" else "the plan's 40 days"
    assert windows.bound(ledger, found, "40 days") == words


@pytest.mark.parametrize(("op", "days", "lost"), [("delete", 16, 1), ("delete", 14, 0), ("create", 99, 0)])
def test_what_the_vendor_has_forgotten_is_lost_and_named(
    ledger: Ledger, op: str, days: int, lost: int
) -> None:
    groups = (Group("Contact", "hold", "edited", 3), Group("Contact", "delete", "", 40))
    plan = RollbackPlan(1, "before-load-1", stamp(START), stamp(END), None, False, 1.0, groups, "x")
    at(ledger, START + timedelta(days=days))

    found = late(after(ledger, op), plan)

    assert found.answer == f"lose {lost + 3}"
    told = [each.words for each in found.losses]
    assert told[-1].startswith("Contact: 3, hold")
    assert told[:-1] == [
        "Account: 1, deleted by our load, and kept by the vendor: 15 days, or until the bin is full (001A)"
    ] * lost  # fmt: skip


# -- warnings -------------------------------------------------------------------------------------


def test_each_warning_is_told_once(ledger: Ledger, capfd: pytest.CaptureFixture[str]) -> None:
    told = []
    for hours in range(0, 240, 6):
        at(ledger, START + timedelta(hours=hours))
        found = notice(workspace(ledger))
        assert found is not None
        told.append((hours, found.fresh, found.open_warning))

    assert [(hours, fresh) for hours, fresh, _ in told if fresh] == [(120, 50), (192, 80), (228, 95)]
    assert [hours for hours, _, is_open in told if is_open] == list(range(120, 240, 6))
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(each["event"], each["level"], each["at_percent"]) for each in logged] == [
        ("rollback window", "warning", percent) for percent in (50, 80, 95)
    ]
    assert at(ledger, END).passed == ()


def test_who_looks_late_is_told_the_highest_only(ledger: Ledger, capfd: pytest.CaptureFixture[str]) -> None:
    at(ledger, END - timedelta(hours=2))

    first, second = notice(workspace(ledger)), notice(workspace(ledger))

    assert first is not None
    assert second is not None
    assert (first.fresh, second.fresh) == (95, None)
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert "more than 95%" in "\n".join(first.lines)


def test_two_who_look_at_once_are_told_once_together(ledger: Ledger) -> None:
    window = at(ledger, END - timedelta(hours=2))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: windows.warn(ledger, window), range(8)))

    assert [each.at_percent for each in found if each] == [95]
    rows = [row for row in ledger.read(events.select()) if row.what == windows.WARNED]
    assert len(rows) == 3


# -- the webhook ----------------------------------------------------------------------------------


class Receiver:
    """What came, and what is answered: the codes in turn, then 200."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.got = list(codes), list[tuple[dict[str, str], bytes]]()
        self.url = ""


@contextmanager
def receiving(*codes: int) -> Iterator[Receiver]:
    made = Receiver(*codes)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((dict(self.headers), content))
            code = made.codes.pop(0) if made.codes else 200
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", made.url + "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_is_told_once_signed_and_without_data(ledger: Ledger) -> None:
    at(ledger, START + timedelta(days=5))
    with receiving() as receiver:
        there = workspace(
            ledger, {"HOOK": receiver.url, "KEY": "s3cret"}, webhook="env:HOOK", secret="env:KEY"
        )
        found, again = notice(there), notice(there)

    assert found is not None
    assert again is not None
    assert (found.webhook, again.webhook) == ("sent", "")
    ((headers, content),) = receiver.got
    signed = hmac.new(b"s3cret", headers["X-Migrate-Timestamp"].encode() + b"." + content, hashlib.sha256)
    assert headers["X-Migrate-Signature"] == "sha256=" + signed.hexdigest()
    assert json.loads(content) == {
        "event": "rollback window", "at_percent": 50, "share": 0.5, "attempt": 1, "system": "new",
        "ends": stamp(END), "last_safe_start": stamp(END - timedelta(hours=1)), "state": "open",
        "at": stamp(START + timedelta(days=5)),
    }  # fmt: skip


def test_a_busy_receiver_is_tried_again(ledger: Ledger) -> None:
    at(ledger, START + timedelta(days=5))
    with receiving(503, 429) as receiver:
        found = notice(workspace(ledger, {"HOOK": receiver.url}, webhook="env:HOOK"))

    assert found is not None
    assert found.webhook == "sent"
    assert len(receiver.got) == 3
    assert "X-Migrate-Signature" not in receiver.got[0][0]


@pytest.mark.parametrize(("code", "tries"), [(500, 3), (404, 1), (302, 1)])
def test_a_failing_webhook_fails_no_command_is_said_aloud_and_made_up_for(
    ledger: Ledger, code: int, tries: int
) -> None:
    at(ledger, START + timedelta(days=5))
    with receiving(*[code] * tries) as receiver:
        there = workspace(ledger, {"HOOK": receiver.url}, webhook="env:HOOK")
        failed, later = notice(there), notice(there)

    assert failed is not None
    assert later is not None
    assert f"NOT told: it answered {code}" in "\n".join(failed.lines)
    assert (later.fresh, later.webhook) == (None, "sent")
    assert len(receiver.got) == tries + 1


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "`HOOK` isn't set"),
        ({"HOOK": "http://hooks.example.com/x", "KEY": "k"}, "neither https nor on this machine"),
        ({"HOOK": "ftp://127.0.0.1/x", "KEY": "k"}, "neither https nor on this machine"),
        ({"HOOK": "http://127.0.0.1:9/x"}, "`KEY` isn't set, and nothing is sent unsigned"),
        ({"HOOK": "http://127.0.0.1:9/s3cr3t-path", "KEY": "k"}, "can't be reached (ConnectError)"),
    ],
)
def test_a_webhook_that_leads_nowhere_is_named_without_its_address(
    ledger: Ledger, environment: dict[str, str], said: str
) -> None:
    at(ledger, START + timedelta(days=5))

    found = notice(workspace(ledger, environment, webhook="env:HOOK", secret="env:KEY"))

    assert found is not None
    assert said in found.webhook
    assert "s3cr3t-path" not in "\n".join(found.lines)
