"""What the console begins outlives it; what kills the console loses nothing; sessions end with their time."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from migrate.console import sessions
from migrate.console.runs import PROCESS, Runs
from migrate.console.serving import Listening, bound
from migrate.cutover import tokens
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.stages.care.backup import backup
from migrate.stages.care.fsck import fsck
from migrate.workspace import Workspace
from tests.harness.console import OPERATOR, console_process, people, serving
from tests.unit.bench import HandClock
from tests.unit.care_case import loaded


@pytest.fixture
def root(tmp_path: Path, engine: Engine) -> Path:
    move = loaded(tmp_path / "w", engine)
    people(move.root)
    return move.root


def until(runs: Runs, id: str, state: str) -> None:
    for _ in range(600):
        if runs.get(id).state == state:
            return
        time.sleep(0.1)
    raise AssertionError(f"{runs.get(id)} never was {state}")


def test_a_console_that_is_killed_leaves_its_commands_at_work_and_the_workspace_whole(root: Path) -> None:
    id = secrets.token_urlsafe(18)
    with console_process(root) as (process, served):
        operator = served.come(OPERATOR)
        # A command that goes on until it is stopped, and asks no system.
        served.runs.start(id, act="x", title="x", arguments=["console", "--port", "0"], person=OPERATOR)
        until(served.runs, id, "running")
        process.send_signal(signal.SIGKILL)
        process.wait()
        operator.http.close()

    runs = Runs(root)
    assert runs.get(id).state == "running"
    with console_process(root) as (_, served):
        operator = served.come(OPERATOR)
        page = operator.get(f"/runs/{id}").text
        assert "under way" in page
        assert (
            operator.send(f"/runs/{id}/stop", operator.form(f"/runs/{id}", f"/runs/{id}/stop")).status_code
            == 303
        )
        operator.http.close()
    until(runs, id, "stopped")
    assert runs.get(id).exit_code == 130

    workspace = Workspace(root)
    assert fsck(workspace, deep=True).findings == []
    taken = backup(workspace, str(root.parent / "backups"))
    assert not any(key.startswith("console/") for key in taken.files)
    workspace.close()


@pytest.mark.long
def test_a_console_ends_cleanly_when_it_is_asked_to(root: Path) -> None:
    with console_process(root) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, 143)


@pytest.mark.long
def test_a_command_whose_end_nobody_saw_is_told_so(root: Path) -> None:
    runs, id = Runs(root), secrets.token_urlsafe(18)
    runs.start(id, act="x", title="x", arguments=["console", "--port", "0"], person=OPERATOR)
    for _ in range(600):
        if (runs.folder / id / PROCESS).exists():
            break
        time.sleep(0.1)
    process = json.loads((runs.folder / id / PROCESS).read_text())
    for which in ("pid", "child"):
        os.kill(process[which], signal.SIGKILL)
    until(runs, id, "lost")
    with pytest.raises(UsageError, match="doesn't run here any more"):
        runs.stop(id)


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "a" * 65, "x/../../y", "short"])
def test_a_name_that_is_none_runs_nothing(root: Path, id: str) -> None:
    runs = Runs(root)
    with pytest.raises(UsageError):
        runs.start(id, act="x", title="x", arguments=["status"], person=OPERATOR)
    with pytest.raises(UsageError):
        runs.get(id)
    assert runs.all() == []


# -- where it listens -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listening", "words"),
    [
        (Listening(host="192.0.2.1"), "without TLS"),
        (Listening(host="::"), "without TLS"),
        (Listening(certificate=Path("c.pem")), "both a certificate and its key"),
        (Listening(host="::", certificate=Path("c.pem"), key=Path("k.pem")), "is no name"),
        (Listening(certificate=Path("c.pem"), key=Path("k.pem")), "can't be used"),
    ],
)
def test_others_reach_it_by_tls_and_a_name_or_not_at_all(listening: Listening, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        listening.checked()


def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    with closing(bound(Listening(port=0))) as taken, pytest.raises(UsageError, match="--port"):
        bound(Listening(port=taken.getsockname()[1]))


def test_with_tls_the_cookie_is_for_tls_alone(root: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = trustme.CA().issue_cert("localhost")
    certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(key))
    with serving(root, certificate, key) as served:
        assert served.url.startswith("https://")
        browser = served.browser(verify=False)
        answer = browser.send("/in", {"token": served.invited(OPERATOR).rpartition("/")[2]})
        said = answer.headers["set-cookie"]
        assert said.startswith("__Host-migrate-")
        assert "secure" in said.lower()
        assert browser.get("/").status_code == 200


# -- sessions ---------------------------------------------------------------------------------


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: HandClock) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "sessions.db", clock)
    yield made
    made.close()


def entered(ledger: Ledger) -> sessions.Session:
    token = tokens.make(ledger, sessions.PURPOSE, OPERATOR, timedelta(hours=1))
    found = sessions.enter(ledger, token, "")
    assert found is not None
    return found


def test_a_session_ends_when_nobody_is_there(ledger: Ledger, clock: HandClock) -> None:
    session = entered(ledger)
    for _ in range(5):
        clock.sleep(29 * 60)
        assert sessions.find(ledger, session.cookie) is not None
    clock.sleep(30 * 60)
    assert sessions.find(ledger, session.cookie) is None


def test_a_page_that_asks_by_itself_keeps_no_session_alive(ledger: Ledger, clock: HandClock) -> None:
    session = entered(ledger)
    for _ in range(29):
        clock.sleep(60)
        assert sessions.find(ledger, session.cookie, looks=True) is not None
    clock.sleep(60)
    assert sessions.find(ledger, session.cookie, looks=True) is None


def test_a_session_ends_after_twelve_hours_whatever_happens(ledger: Ledger, clock: HandClock) -> None:
    session = entered(ledger)
    for _ in range(47):
        clock.sleep(15 * 60)
        assert sessions.find(ledger, session.cookie) is not None
    clock.sleep(15 * 60)
    assert sessions.find(ledger, session.cookie) is None


def test_a_form_fits_its_session_and_its_path_alone(ledger: Ledger) -> None:
    one, other = entered(ledger), entered(ledger)
    token = one.form("/acts/switch")
    assert one.fits("/acts/switch", token)
    assert not one.fits("/acts/seal", token)
    assert not other.fits("/acts/switch", token)
    assert not one.fits("/acts/switch", "")
    assert not one.fits("/acts/switch", "\ud800")
