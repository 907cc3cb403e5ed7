"""Is the promise to return kept to its end, and who may take it? The whole line, real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from migrate.clock import SandboxClock, stamp
from migrate.ledger import Ledger
from migrate.ledger.tables import checkpoints, events, leases
from tests.sandbox.test_rollback import OBJECTS, Line, line

__all__ = ["line"]
pytestmark = pytest.mark.long

DAY = 86_400  # of the sandbox's seconds


def ledger_of(line: Line) -> Ledger:
    return Ledger(line.root / ".migrate" / "ledger.db", SandboxClock.read(line.hubspot.url))


def change(line: Line, statement: Any) -> None:
    """Something that only time, or another machine, would bring about."""
    ledger = ledger_of(line)
    with ledger.write() as tx:
        tx.sql.execute(statement)
    ledger.close()


def later(line: Line, seconds: float) -> str:
    return stamp(SandboxClock.read(line.hubspot.url).now() + timedelta(seconds=seconds))


def trail(line: Line, what: str) -> list[dict[str, Any]]:
    ledger = ledger_of(line)
    rows = ledger.read(sa.select(events).where(events.c.what == what).order_by(events.c.number))
    ledger.close()
    return [{**json.loads(row.facts), "who": row.who} for row in rows]


def typed(line: Line, answer: str, *words: str) -> tuple[int, str, str]:
    """A command whose questions are answered through a pipe."""
    call = [sys.executable, "-m", "migrate", "-w", str(line.root), *words]
    done = subprocess.run(call, input=answer, capture_output=True, env=line.variables, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


# -- after the window -----------------------------------------------------------------------------


def test_after_the_window_only_who_types_what_is_lost_goes_back(line: Line) -> None:
    attempt = line.run("load", codes=(0, 1))["attempt"]
    companies = line.truth("companies")
    made = [id for id in line.ours("companies") if companies[id]["properties"]["createdate"] >= "2026"]
    touched = made[0]
    line.act(do="update", object="companies", id=touched, fields={"description": "by hand"})
    over = stamp(SandboxClock.read(line.hubspot.url).now())
    change(line, checkpoints.update().where(checkpoints.c.attempt == attempt).values(window_end=over))
    before = {object: line.truth(object) for object in OBJECTS}

    assert line.run("status")["window"]["state"] == "closed"
    refused = line.run("rollback", "run", "--yes", codes=(2,))
    assert "--after-window" in refused["message"]
    code, _, err = typed(line, "", "rollback", "run", "--yes", "--after-window")
    assert code == 2
    assert "companies: 1, hold" in err
    assert touched in err
    code, _, err = typed(line, "lose 2\n", "rollback", "run", "--yes", "--after-window")
    assert code == 2
    assert "isn't `lose 1`" in err
    assert {object: line.truth(object) for object in OBJECTS} == before

    code, out, _ = typed(line, "lose 1\n", "rollback", "run", "--yes", "--after-window")

    assert code == 1
    assert "Held: companies.edited: 1" in out
    assert {object: line.ours(object) for object in OBJECTS} == {
        "companies": [touched], "contacts": [], "deals": []
    }  # fmt: skip
    (told,) = [each for each in trail(line, "rollback begin") if each["attempt"] == attempt]
    assert (told["after_window"], told["lost"]) == (over, 1)
    assert line.run("rollback", "verify", codes=(1,))["words"].startswith("pass, 1 held")


# -- the attestation ------------------------------------------------------------------------------


def test_a_verified_rollback_is_attested_and_a_changed_attestation_shows(line: Line, tmp_path: Path) -> None:
    line.run("load", codes=(0, 1))
    line.run("rollback", "run", "--yes")
    found = line.run("rollback", "verify")
    place = line.root / ".migrate" / found["attestation"]
    document = json.loads(place.read_text())

    assert document["verdict"] == "pass"
    assert {each["object"] for each in document["compared"]} >= set(OBJECTS)
    assert all(each["then"]["sha256"] and each["now"]["sha256"] for each in document["compared"])
    assert document["by"]
    assert document["host"]
    assert trail(line, "rollback verify")[-1]["digest"] == document["digest"] == found["digest"]
    checked = line.run("rollback", "verify", "--check", str(place))
    assert (checked["whole"], checked["since"]) == (True, [])

    document["held"] = [{"group": "companies.edited", "count": 1}]
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document))
    broken = line.run("rollback", "verify", "--check", str(forged), codes=(5,))["broken"]
    assert broken == ["it isn't as it was written: its digest differs from its content"]
    (tmp_path / "other.json").write_text("{}")
    line.run("rollback", "verify", "--check", str(tmp_path / "other.json"), codes=(2,))

    line.run("load", codes=(0, 1))
    since = line.run("rollback", "verify", "--check", str(place))["since"]
    assert any("rows more of attempt" in each and "written since" in each for each in since)
    line.back()


def test_the_page_is_made_and_red_where_the_journal_is_damaged(line: Line, tmp_path: Path) -> None:
    line.run("load", codes=(0, 1))
    segments = (line.root / ".migrate" / "journal").glob("*.parquet")
    segment = max(segments, key=lambda path: path.stat().st_size)
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])

    page = line.run("rollback", "runbook", "--out", str(tmp_path), codes=(1,))

    (light,) = [each for each in page["lights"] if each["name"] == "Journal"]
    assert light["state"] == "fail"
    assert segment.name in light["words"]
    assert "migrate fsck" in (tmp_path / "runbook.md").read_text()
    segment.write_bytes(whole)
    line.back()


# -- two operators --------------------------------------------------------------------------------


def running(line: Line) -> subprocess.Popen[bytes]:
    """A rollback that stands in the midst of a deletion."""
    line.fault("deals/batch/archive", "hold", at="arrival")
    process = line.start("rollback", "run", "--yes")
    line.hubspot.control.wait_held(1, 60)
    return process


def test_a_second_operator_is_refused_with_name_host_and_since_when(line: Line, tmp_path: Path) -> None:
    line.run("load", codes=(0, 1))
    first = running(line)
    first.send_signal(signal.SIGSTOP)  # however long the commands below take, it stays where it is
    change(line, leases.update().values(until=later(line, DAY)))

    refused = line.run("rollback", "run", "--yes", codes=(4,))

    assert refused["error"] == "LeaseHeld"
    facts = refused["facts"]
    assert f"(process {first.pid})" in facts["holder"]
    assert facts["host"] in refused["message"]
    assert facts["since"] in refused["message"]
    assert refused["message"].count("\n") == 1
    page = line.run("rollback", "runbook", "--out", str(tmp_path), codes=(0, 1))  # looking needs no lease
    lights = {each["name"]: each for each in page["lights"]}
    assert (page["state"], lights["Lease"]["state"], lights["Journal"]["state"]) == ("going", "warn", "pass")
    assert f"(process {first.pid})" in lights["Lease"]["words"]
    assert page["progress"]["total"] > 0
    assert "A rollback is under way." in (tmp_path / "runbook.md").read_text()
    line.hubspot.control.delete("/faults")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    line.back()


def test_a_dead_operator_on_this_host_keeps_nobody_waiting(line: Line) -> None:
    line.run("load", codes=(0, 1))
    first = running(line)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    line.hubspot.control.delete("/faults")
    change(line, leases.update().values(until=later(line, DAY)))  # its end would be waited for in vain

    line.run("rollback", "run", "--yes")

    line.back()


def test_an_operator_on_another_host_blocks_until_the_lease_ends_and_no_longer(line: Line) -> None:
    before = {object: line.ours(object) for object in OBJECTS}
    line.run("load", codes=(0, 1))
    first = running(line)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    line.hubspot.control.delete("/faults")
    change(line, leases.update().values(host="the-other-laptop", until=later(line, DAY)))

    refused = line.run("rollback", "run", "--yes", codes=(4,))

    assert refused["facts"]["host"] == "the-other-laptop"
    assert "written to by" in line.say("status")
    assert refused["facts"]["until"] in refused["message"]
    change(line, leases.update().values(until=later(line, 0)))  # a day goes by
    line.back()
    assert {object: line.ours(object) for object in OBJECTS} == before
