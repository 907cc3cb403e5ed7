"""Does the sandbox do every fault that can be ordered, and nothing that wasn't?

A tiny vendor with one object stands in for the real ones, so that what is
seen here is the framework's own.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from migrate.cli import main
from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.control import ControlError
from migrate.sandbox.server import Running, launch
from migrate.sandbox.store import Store, Tx
from migrate.sandbox.vendor import Reply, Request, Vendor

TINY = "tests.sandbox.test_framework:Tiny"
POINTS = ("arrival", "before_commit", "after_commit", "half_reply")


class Tiny(Vendor):
    """Things with a name. `POST /things` takes a list of names, `GET /things` lists them."""

    name = "tiny"
    defaults: ClassVar[Mapping[str, Any]] = {"limit": 100}

    def __init__(self, clock: SandboxClock, settings: Mapping[str, Any]) -> None:
        super().__init__(clock, settings)
        self.automations = {"stamp": False}
        self.in_memory = 0

    def setup(self, tx: Tx) -> None:
        tx.sql.execute("CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY, name TEXT)")

    def reset(self) -> None:
        self.in_memory = 0

    def _create(self, tx: Tx, name: str, actor: str) -> str:
        id = str(tx.sql.execute("INSERT INTO things (name) VALUES (?)", (name,)).lastrowid)
        tx.log(actor=actor, op="create", object="thing", id=id, before=None, after={"name": name})
        if self.automations["stamp"]:
            tx.later(5.0, "stamp", {"id": id})
        return id

    def handle(self, request: Request, tx: Tx) -> Reply:
        self.in_memory += 1
        if request.expire:
            return Reply(401, {"message": "expired"})
        if request.path == "/memory":
            return Reply(200, self.in_memory)
        if request.path == "/crash":
            self._create(tx, "never", "app")
            raise RuntimeError("a hole in the simulator")
        if request.path == "/empty":
            return Reply(204)
        if request.path == "/mirror":
            return Reply(200, {"path": request.path, "raw": request.raw_path, "query": request.query})
        if request.method == "POST":
            rows: list[dict[str, Any]] = []
            for index, name in enumerate(request.json()):
                if index in request.partial:
                    rows.append({"name": name, "error": "ordered"})
                else:
                    rows.append({"name": name, "id": self._create(tx, name, "app")})
            return Reply(201, rows[::-1] if request.shuffle else rows)
        return Reply(200, [name for (name,) in tx.sql.execute("SELECT name FROM things ORDER BY id")])

    def due(self, tx: Tx, kind: str, payload: dict[str, Any]) -> None:
        if payload.get("fail"):
            raise RuntimeError("a task that fails")
        tx.sql.execute("UPDATE things SET name = name || '!' WHERE id = ?", (payload["id"],))
        tx.log(actor=kind, op="update", object="thing", id=payload["id"], before=None, after=None)

    def act(self, tx: Tx, action: dict[str, Any]) -> dict[str, Any]:
        if action["do"] != "create":
            raise ValueError(f"Nobody can {action['do']} here.")
        return {"id": self._create(tx, action["fields"]["name"], action["as"])}

    def seed(self, tx: Tx, document: dict[str, Any]) -> dict[str, Any]:
        if document.get("task"):
            tx.later(0.0, "fails", {"fail": True})
        names = [(name,) for name in document.get("things", [])]
        tx.sql.executemany("INSERT INTO things (name) VALUES (?)", names)
        return {"things": len(names)}

    def truth(self, tx: Tx, object: str) -> Iterator[dict[str, Any]]:
        if object != "thing":
            raise KeyError(object)
        for id, name in tx.sql.execute("SELECT id, name FROM things ORDER BY id"):
            yield {"id": str(id), "name": name}

    def objects(self, tx: Tx) -> list[str]:  # noqa: ARG002 — others ask the store
        return ["thing"]

    def throttled(self, retry_after: float | None) -> Reply:
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return Reply(429, {"message": "slow down"}, headers)

    def broken(self, status: int) -> Reply:
        return Reply(status, {"message": "broken"})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch(TINY, tmp_path_factory.mktemp("tiny"), speed=10.0) as one:
        one.control.post("/save", {"to": str(one.data / "fresh.db")})
        yield one


@pytest.fixture
def tiny(running: Running) -> Iterator[Running]:
    """A sandbox without things, faults or automations."""
    running.control.delete("/faults")
    running.control.post("/automations", {"stamp": False})
    running.control.post("/restore", {"from": str(running.data / "fresh.db")})
    yield running
    assert running.control.get("/held") == []


@pytest.fixture
def client(tiny: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=tiny.url, trust_env=False, timeout=10.0) as one:
        yield one


def things(tiny: Running) -> list[str]:
    """Names in the store, seen past the API."""
    return [row["name"] for row in tiny.control.ndjson("/truth/thing")]


def last(tiny: Running) -> dict[str, Any]:
    """The last vendor request as the sandbox noted it."""
    return tiny.control.ndjson("/requests")[-1]


def order(tiny: Running, kind: str, *, on: dict[str, Any] | None = None, **do: Any) -> None:
    tiny.control.post("/faults", [{"on": {"method": "POST", **(on or {})}, "do": {"kind": kind, **do}}])


def post_on_a_socket(tiny: Running, name: str) -> socket.socket:
    """Send a whole request and leave the reply unread."""
    body = json.dumps([name]).encode()
    line = socket.create_connection(("127.0.0.1", int(tiny.url.rsplit(":", 1)[1])), timeout=10.0)
    line.sendall(b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return line


def read_all(line: socket.socket) -> bytes:
    parts = []
    while part := line.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_until(line: socket.socket, mark: bytes) -> bytes:
    answer = b""
    while mark not in answer:
        part = line.recv(65536)
        assert part, f"the line ended before {mark!r}: {answer!r}"
        answer += part
    return answer


def eventually(fact: Callable[[], object]) -> None:
    end = time.monotonic() + 5.0
    while not fact():
        assert time.monotonic() < end, "it didn't come true within 5 seconds"
        time.sleep(0.01)


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", POINTS)
def test_a_held_request_goes_on_when_it_is_released(tiny: Running, at: str) -> None:
    order(tiny, "hold", at=at)
    with post_on_a_socket(tiny, "held") as line:
        (held,) = tiny.control.wait_held()
        assert (held["at"], held["path"], held["gone"]) == (at, "/things", False)
        assert things(tiny) == (["held"] if at in ("after_commit", "half_reply") else [])
        if at == "half_reply":
            assert b"}]" not in read_until(line, b"\r\n\r\n[")
        tiny.control.post(f"/release/{held['id']}")
        read_until(line, b"}]")
    assert things(tiny) == ["held"]


@pytest.mark.parametrize("at", POINTS)
@pytest.mark.parametrize("then", ["proceed", "drop"])
def test_a_held_request_whose_client_has_gone_goes_on_or_is_forgotten(
    tiny: Running, at: str, then: str
) -> None:
    order(tiny, "hold", at=at, then=then)
    with post_on_a_socket(tiny, "orphan"):
        tiny.control.wait_held()

    tiny.control.wait_held(0)

    committed = then == "proceed" or at in ("after_commit", "half_reply")
    assert things(tiny) == (["orphan"] if committed else [])
    assert last(tiny)["status"] == (201 if committed else 0)


@pytest.mark.parametrize("at", POINTS)
def test_a_dropped_request_gets_no_reply_or_half_of_one(tiny: Running, at: str) -> None:
    order(tiny, "drop", at=at)
    with post_on_a_socket(tiny, "dropped") as line:
        answer = read_all(line)
    if at == "half_reply":
        head, _, body = answer.partition(b"\r\n\r\n")
        promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == promised // 2 > 0
    else:
        assert answer == b""
    assert things(tiny) == (["dropped"] if at in ("after_commit", "half_reply") else [])


def test_a_drop_can_be_a_reset(tiny: Running) -> None:
    order(tiny, "drop", at="after_commit", reset=True)
    with post_on_a_socket(tiny, "reset") as line, pytest.raises(ConnectionResetError):
        read_all(line)


def test_a_client_sees_a_dropped_reply_as_a_protocol_error_and_goes_on(
    tiny: Running, client: httpx2.Client
) -> None:
    order(tiny, "drop", at="arrival")
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post("/things", json=["a"])
    assert client.post("/things", json=["a"]).status_code == 201


def test_a_late_commit_happens_after_the_client_has_gone(tiny: Running) -> None:
    order(tiny, "late_commit", seconds=3)
    with post_on_a_socket(tiny, "late"):
        (held,) = tiny.control.wait_held()
        assert held["at"] == "late_commit"
    eventually(lambda: all(one["gone"] for one in tiny.control.get("/held")))
    assert things(tiny) == []
    tiny.control.wait_held(0)
    assert things(tiny) == ["late"]


def test_a_late_commit_can_close_the_connection_itself(tiny: Running) -> None:
    order(tiny, "late_commit", seconds=2, close_after=0.05)
    with post_on_a_socket(tiny, "late") as line:
        assert read_all(line) == b""
        assert things(tiny) == []
        tiny.control.wait_held(0)
        assert things(tiny) == ["late"]


def test_a_late_commit_that_is_released_is_answered(tiny: Running) -> None:
    order(tiny, "late_commit", seconds=1000)
    with post_on_a_socket(tiny, "soon") as line:
        (held,) = tiny.control.wait_held()
        tiny.control.post(f"/release/{held['id']}")
        assert read_until(line, b"}]").startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(
    ("status", "after", "header"),
    [(429, None, None), (429, 7, "7"), (500, None, None), (503, 2.5, "2.5"), (502, None, None)],
)
def test_a_refused_request_executes_nothing(
    tiny: Running, client: httpx2.Client, status: int, after: float | None, header: str | None
) -> None:
    order(tiny, "status", status=status, retry_after=after)
    reply = client.post("/things", json=["a"])
    assert (reply.status_code, reply.headers.get("retry-after")) == (status, header)
    assert things(tiny) == []
    assert last(tiny)["status"] == status


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_can_be_a_date_of_the_sandbox(tiny: Running, client: httpx2.Client, status: int) -> None:
    order(tiny, "status", status=status, retry_after="http-date", seconds=60)
    reply = client.post("/things", json=["a"])
    wait = parsedate_to_datetime(reply.headers["retry-after"]) - parsedate_to_datetime(reply.headers["date"])
    assert timedelta(seconds=60) <= wait <= timedelta(seconds=62)


def test_a_refusal_can_be_a_page(tiny: Running, client: httpx2.Client) -> None:
    order(tiny, "status", status=502, html=True)
    reply = client.post("/things", json=["a"])
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.text.startswith("<html>")


def test_the_handler_is_told_of_expiry_partial_failure_and_shuffling(
    tiny: Running, client: httpx2.Client
) -> None:
    order(tiny, "expire", on={"nth": 1})
    order(tiny, "partial", on={"nth": 2}, rows=[0, 2])
    order(tiny, "shuffle", on={"nth": 2})  # counts from its own arming, as the one above
    assert client.post("/things", json=["a"]).status_code == 401
    rows = client.post("/things", json=["a", "b", "c"]).json()
    assert [row["name"] for row in rows] == ["c", "b", "a"]
    assert [row["name"] for row in rows if "error" in row] == ["c", "a"]
    assert things(tiny) == ["b"]


def test_a_slow_request_takes_sandbox_seconds(tiny: Running, client: httpx2.Client) -> None:
    order(tiny, "slow", seconds=3)
    began = time.monotonic()
    client.post("/things", json=["a"])
    assert 0.3 <= time.monotonic() - began < 2.0


@pytest.mark.parametrize("at", ["arrival", "after_commit"])
def test_a_user_acts_at_that_very_moment(tiny: Running, client: httpx2.Client, at: str) -> None:
    order(tiny, "act", at=at, action={"as": "eve", "do": "create", "fields": {"name": "hers"}})
    client.post("/things", json=["ours"])
    assert things(tiny) == (["hers", "ours"] if at == "arrival" else ["ours", "hers"])
    assert {row["actor"]: row["request"] for row in tiny.control.ndjson("/log")} == {
        "eve": 0,
        "app": last(tiny)["number"],
    }


def test_garbage_is_answered_though_the_request_was_executed(tiny: Running, client: httpx2.Client) -> None:
    order(tiny, "garbage", body="<!doctype html>oops")
    reply = client.post("/things", json=["a"])
    assert (reply.status_code, reply.text) == (200, "<!doctype html>oops")
    assert things(tiny) == ["a"]


def test_an_order_counts_only_requests_that_match_and_only_from_its_arming(
    tiny: Running, client: httpx2.Client
) -> None:
    client.post("/things", json=["b0"])
    order(tiny, "status", status=500, on={"nth": 2, "times": 2, "path": r"things\?x=a b$", "body": "b."})
    seen = []
    for name in ("b1", "c1", "b2", "b3", "b4"):
        client.get("/things")
        seen.append(client.post("/things?x=a%20b", json=[name]).status_code)
        client.post("/things", json=["elsewhere"])
    assert seen == [201, 201, 500, 500, 201]
    (fault,) = tiny.control.get("/faults")
    assert (fault["seen"], fault["hits"]) == (4, 2)


def test_an_order_without_end_lasts_until_faults_are_cleared(tiny: Running, client: httpx2.Client) -> None:
    order(tiny, "status", status=500, on={"times": None})
    assert [client.post("/things", json=["a"]).status_code for _ in range(3)] == [500] * 3
    tiny.control.delete("/faults")
    assert client.post("/things", json=["a"]).status_code == 201


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"do": {"kind": "explode"}}, "`explode` is no kind of fault"),
        ({"do": {"kind": "hold", "at": "lunch"}}, "`lunch` is no point"),
        ({"do": {"kind": "hold"}}, "`hold` needs `at`"),
        ({"do": {"kind": "expire"}, "on": {"pth": "x"}}, "doesn't know `pth`"),
        ({"do": {"kind": "expire"}, "on": {"path": "("}}, "no regular expression"),
    ],
)
def test_a_wrong_order_is_refused_with_a_reason(tiny: Running, fault: dict[str, Any], told: str) -> None:
    with pytest.raises(ControlError, match="400") as refusal:
        tiny.control.post("/faults", [fault])
    assert told in str(refusal.value)
    assert tiny.control.get("/faults") == []


# --- clock, tasks, store --------------------------------------------------------------------------


def test_the_clock_runs_at_its_speed_and_jumps_by_its_offset(tiny: Running) -> None:
    before = tiny.control.get("/clock")
    time.sleep(0.1)
    after = tiny.control.get("/clock")
    assert after["speed"] == 10.0
    passed = datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(seconds=1) <= passed < timedelta(seconds=20)
    jumped = tiny.control.post("/clock", {"offset": before["offset"] + 86400})
    leap = datetime.fromisoformat(jumped["now"]) - datetime.fromisoformat(after["now"])
    assert timedelta(days=1) <= leap < timedelta(days=1, seconds=20)
    with pytest.raises(ControlError, match="above zero"):
        tiny.control.post("/clock", {"speed": 0})


def test_a_new_speed_makes_no_jump() -> None:
    clock = SandboxClock(start=datetime(2026, 1, 1, tzinfo=UTC))
    for speed in (1000.0, 0.001, 50.0):
        before = clock.now()
        clock.set(speed=speed)
        assert abs(clock.now() - before) < timedelta(seconds=1)
    assert clock.wall(100.0) == 2.0


def test_a_task_runs_when_its_time_has_come_and_not_before(tiny: Running, client: httpx2.Client) -> None:
    tiny.control.post("/automations", {"stamp": True})
    client.post("/things", json=["a"])
    assert things(tiny) == ["a"]
    eventually(lambda: things(tiny) == ["a!"])
    assert [row["actor"] for row in tiny.control.ndjson("/log")] == ["app", "stamp"]


def test_a_leap_of_the_clock_brings_tasks_forward(tiny: Running, client: httpx2.Client) -> None:
    tiny.control.post("/automations", {"stamp": True})
    client.post("/things", json=["a"])
    tiny.control.post("/clock", {"offset": tiny.control.get("/clock")["offset"] + 10})
    assert client.get("/things").json() == ["a!"]


def test_restoring_puts_records_log_and_memory_back(tiny: Running, client: httpx2.Client) -> None:
    client.post("/things", json=["kept"])
    copy = str(tiny.data / "copy.db")
    tiny.control.post("/save", {"to": copy})
    log = tiny.control.ndjson("/log")
    client.post("/things", json=["lost"])
    assert things(tiny) == ["kept", "lost"]
    number = last(tiny)["number"]

    tiny.control.post("/restore", {"from": copy})

    assert things(tiny) == ["kept"]
    assert tiny.control.ndjson("/log") == log
    assert client.get("/memory").json() == 1
    assert last(tiny)["number"] == number + 1
    with pytest.raises(ControlError, match="404"):
        tiny.control.post("/restore", {"from": copy + ".not"})


def test_the_log_can_be_read_from_a_point_on(tiny: Running, client: httpx2.Client) -> None:
    client.post("/things", json=["a", "b", "c"])
    first, *rest = tiny.control.ndjson("/log")
    assert first["op"] == "create"
    assert (first["before"], first["after"]) == (None, {"name": "a"})
    assert tiny.control.ndjson(f"/log?after={first['seq']}") == rest
    assert tiny.control.get("/truth") == {"thing": 3}


def test_a_savepoint_that_fails_leaves_neither_record_nor_log(tmp_path: Path) -> None:
    store = Store(tmp_path, SandboxClock())
    with store.begin() as tx:
        tx.sql.execute("CREATE TABLE t (x)")
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            tx.sql.execute("INSERT INTO t VALUES (1)")
            tx.log(actor="a", op="create", object="t", id="1", before=None, after={"x": 1})
            raise ZeroDivisionError
        counts = tx.sql.execute("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM _log)")
        assert counts.fetchone() == (0, 0)
        with pytest.raises(ValueError, match="no operation"):
            tx.log(actor="a", op="explode", object="t", id="1", before=None, after=None)
    store.close()


# --- the server -----------------------------------------------------------------------------------


def test_a_hole_in_the_simulator_is_a_broken_vendor_and_is_told(tiny: Running, client: httpx2.Client) -> None:
    assert client.post("/crash").status_code == 500
    assert things(tiny) == []
    assert "a hole" in tiny.control.get("/health")["failures"][-1]["error"]


def test_a_task_that_fails_is_told_and_not_tried_again(tiny: Running) -> None:
    before = len(tiny.control.get("/health")["failures"])
    tiny.control.post("/seed", {"things": ["a"], "task": True})
    eventually(lambda: len(tiny.control.get("/health")["failures"]) > before)
    time.sleep(0.3)
    assert len(tiny.control.get("/health")["failures"]) == before + 1


def test_control_requests_are_neither_counted_nor_faulted(tiny: Running, client: httpx2.Client) -> None:
    before = tiny.control.ndjson("/requests")
    tiny.control.post("/faults", {"on": {"times": None}, "do": {"kind": "status", "status": 500}})
    assert tiny.control.get("/health")["vendor"] == "tiny"
    assert tiny.control.ndjson("/requests") == before


def test_settings_and_automations_change_at_run_time(tiny: Running) -> None:
    assert tiny.control.post("/settings", {"limit": 7})["limit"] == 7
    assert tiny.control.get("/settings") == {"limit": 7}
    with pytest.raises(ControlError, match="lmit"):
        tiny.control.post("/settings", {"lmit": 7})
    with pytest.raises(ControlError, match="No automation"):
        tiny.control.post("/automations", {"stmp": True})


@pytest.fixture
def same_signals() -> Iterator[None]:
    """A command sets a handler of its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("same_signals")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("clok",), "nothing of this name"),
        (("truth", "{}"), "nothing of this name"),
        (("truth/nobody",), "No object is called `nobody`; there are thing"),
        (("clock", "[1]"), "An order is a JSON object"),
        (("clock", '{"sped": 1}'), "no `sped`"),
        (("settings", "5"), "An order is a JSON object"),
        (("restore", "{}"), "`from` is missing"),
        (("restore", '{"from": "/absent.db"}'), "There is no file /absent.db"),
        (("restore", '{"from": "NONE"}'), "not a database"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_a_sandbox_refuses_is_the_commands_mistake_and_its_reason_is_told(
    tiny: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "none").write_text("no database, but long enough to be looked at" * 9)
    given = [word.replace("NONE", str(tmp_path / "none")) for word in words]
    assert main(["sandbox", "control", tiny.url, *given]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("same_signals")
def test_records_and_log_are_shown_a_document_each(tiny: Running, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.control.post("/seed", {"things": ["a", "b"]})
    for path in ("truth/thing", "log"):
        assert main(["--json", "sandbox", "control", tiny.url, path]) == 0
        assert isinstance(json.loads(capsys.readouterr().out)["answer"], list)


def test_a_user_that_does_the_impossible_is_refused(tiny: Running) -> None:
    with pytest.raises(ControlError, match="Nobody can merge"):
        tiny.control.post("/act", {"as": "eve", "do": "merge"})
    assert tiny.control.post("/act", {"as": "eve", "do": "create", "fields": {"name": "x"}})["id"]


def test_paths_come_decoded_and_as_sent(client: httpx2.Client) -> None:
    reply = client.get("/mirror?a=1&a=2&b=").json()
    assert reply == {"path": "/mirror", "raw": "/mirror", "query": {"a": ["1", "2"], "b": [""]}}
    assert client.get("/empty").content == b""
    assert client.get("/thi%6egs%2F").status_code == 200


def test_a_batch_of_a_hundred_costs_milliseconds_over_one_connection(
    tiny: Running, client: httpx2.Client
) -> None:
    names = [f"{n:0>200}" for n in range(100)]
    client.post("/things", json=names)
    times = []
    for _ in range(20):
        began = time.monotonic()
        client.post("/things", json=names)
        times.append(time.monotonic() - began)
    assert sorted(times)[5] < 0.02  # the quicker ones, because the machine may be busy


def test_a_large_body_arrives_whole(tiny: Running, client: httpx2.Client) -> None:
    order(tiny, "hold", at="before_commit", then="drop")
    with socket.create_connection(("127.0.0.1", int(tiny.url.rsplit(":", 1)[1])), timeout=10.0) as line:
        body = json.dumps(["x" * 5_000_000]).encode()
        line.sendall(b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        tiny.control.wait_held()
    tiny.control.wait_held(0)
    assert things(tiny) == []
    client.post("/things", content=body)
    assert len(things(tiny)[0]) == 5_000_000


def test_https_is_trusted_through_the_throwaway_authority_only(tmp_path: Path) -> None:
    with launch(TINY, tmp_path, tls=True) as tiny:
        assert tiny.url.startswith("https://")
        assert tiny.ca is not None
        context = ssl.create_default_context(cafile=tiny.ca)
        with httpx2.Client(base_url=tiny.url, verify=context, trust_env=False) as client:
            assert client.post("/things", json=["a"]).status_code == 201
            for at in POINTS:
                order(tiny, "drop", at=at)
                with pytest.raises(httpx2.RemoteProtocolError):
                    client.post("/things", json=[at])
        assert things(tiny) == ["a", "after_commit", "half_reply"]
        with httpx2.Client(trust_env=False) as stranger, pytest.raises(httpx2.ConnectError):
            stranger.get(tiny.url)
        order(tiny, "hold", at="arrival", then="drop")
        port = int(tiny.url.rsplit(":", 1)[1])
        line = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        line.request("POST", "/things", b'["gone"]')
        tiny.control.wait_held()
        line.close()
        tiny.control.wait_held(0)


def test_what_was_accepted_survives_stop_and_kill_and_time_never_turns_back(tmp_path: Path) -> None:
    ends: tuple[Callable[[Running], object], ...] = (
        lambda tiny: tiny.stop(),
        lambda tiny: os.kill(tiny.pid, signal.SIGKILL),
    )
    now, number = datetime.min.replace(tzinfo=UTC), 0
    for round_, end in enumerate(ends, start=1):
        with launch(TINY, tmp_path, speed=1000.0) as tiny:
            assert datetime.fromisoformat(tiny.control.get("/clock")["now"]) >= now
            order(tiny, "hold", at="arrival")
            with httpx2.Client(base_url=tiny.url, trust_env=False) as client, post_on_a_socket(tiny, "held"):
                tiny.control.wait_held()
                assert client.post("/things", json=[str(round_)]).status_code == 201
                assert last(tiny)["number"] > number
                number = last(tiny)["number"]
                time.sleep(0.05)
                log = tiny.control.ndjson("/log")
                assert [row["seq"] for row in log] == list(range(1, round_ + 1))
                now = datetime.fromisoformat(log[-1]["at"])
                end(tiny)
    with launch(TINY, tmp_path) as tiny:
        assert things(tiny) == ["1", "2"]


def test_a_sandbox_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="No sandbox is called `nobody`"):
        launch("nobody", tmp_path)


def test_a_sandbox_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom migrate.sandbox.server import launch\n"
        f"one = launch({TINY!r}, pathlib.Path(sys.argv[1]))\nprint(one.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and ") Z " in state.read_text())
