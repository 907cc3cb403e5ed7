"""What `Http` makes of answers, refusals and silence, against a server on a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from migrate.clock import SandboxClock
from migrate.connectors.credentials import Bearer
from migrate.connectors.http import Http, Judgement, Reply, Verdict, retry_after, standard
from migrate.connectors.pace import Pace
from migrate.errors import InDoubt, Parked, Retriable, SystemRefused

Answer = Callable[[int, BaseHTTPRequestHandler], None]


def say(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"{}", **headers: str) -> None:
    handler.send_response(status)
    headers.setdefault("Content_Type", "application/json")
    headers.setdefault("Content_Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server:
    """Answers the n-th request with the n-th script, then with the last one."""

    def __init__(self, *answers: Answer) -> None:
        self.seen: list[tuple[str, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
                answers[min(len(outer.seen), len(answers)) - 1](len(outer.seen), self)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Renewable:
    def __init__(self) -> None:
        self.renewals = 0

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer t{self.renewals}"}

    def renew(self) -> bool:
        self.renewals += 1
        return True


@contextmanager
def speaking(
    *answers: Answer, auth: object = None, classify: Callable[[Reply], Judgement] = standard
) -> Iterator[tuple[Http, Server]]:
    server = Server(*answers)
    clock = SandboxClock(datetime(2026, 5, 1, tzinfo=UTC), speed=200)
    http = Http(
        "new",
        server.url,
        clock,
        auth=auth or Bearer("secret-token"),  # type: ignore[arg-type]
        classify=classify,
        calls_per_second=None,
        concurrency=4,
        longest_call=60,
    )
    try:
        yield http, server
    finally:
        http.close()
        server.stop()


def well(_: int, handler: BaseHTTPRequestHandler) -> None:
    say(handler, 200, b'{"answer": 42}')


def status(code: int, **headers: str) -> Answer:
    return lambda _, handler: say(handler, code, b"<html>", Content_Type="text/html", **headers)


def hang_up(_: int, handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def half(_: int, handler: BaseHTTPRequestHandler) -> None:
    say(handler, 200, b'{"answer"', Content_Length="40")
    hang_up(_, handler)


@pytest.mark.parametrize(
    "trouble",
    [status(500), status(503), status(429), hang_up, half],
    ids=["500", "503", "429", "hang up", "half"],
)
def test_a_read_is_repeated_until_it_is_answered_in_full(trouble: Answer) -> None:
    with speaking(trouble, trouble, well) as (http, server):
        assert http.call("GET", "/x", write=False).json() == {"answer": 42}
        assert len(server.seen) == 3


def test_a_read_whose_body_is_no_json_is_repeated() -> None:
    with speaking(lambda _, handler: say(handler, 200, b"garbage"), well) as (http, _server):
        assert http.call("GET", "/x", write=False).json() == {"answer": 42}


@pytest.mark.parametrize(
    "trouble", [status(500), status(502), hang_up, half], ids=["500", "502", "hang up", "half"]
)
def test_a_write_whose_answer_was_not_read_is_in_doubt_and_not_sent_again(trouble: Answer) -> None:
    with speaking(trouble, well) as (http, server):
        with pytest.raises(InDoubt):
            http.call("POST", "/x", json={}, write=True)
        assert len(server.seen) == 1


def test_a_write_with_an_unreadable_success_is_in_doubt() -> None:
    with (
        speaking(lambda _, handler: say(handler, 200, b'{"results": [')) as (http, server),
        pytest.raises(InDoubt, match="POST /x"),
    ):
        http.call("POST", "/x", json={}, write=True)
    assert len(server.seen) == 1


def test_a_write_that_times_out_is_in_doubt() -> None:
    gate = threading.Event()

    def hold(number: int, handler: BaseHTTPRequestHandler) -> None:
        gate.wait(5)
        hang_up(number, handler)

    with speaking(hold) as (http, _server):
        with pytest.raises(InDoubt, match="ReadTimeout"):
            http.call("POST", "/x", json={}, write=True)
        gate.set()


def test_a_throttled_write_is_sent_again_after_the_time_named_and_at_half_the_pace() -> None:
    with speaking(well, well, well, well, status(429, Retry_After="20"), well) as (http, server):
        for _ in range(4):
            http.call("POST", "/x", json={}, write=True)
        before, at = http.pace.window, http.clock.now()
        assert http.call("POST", "/x", json={}, write=True).json() == {"answer": 42}
        assert (http.clock.now() - at).total_seconds() >= 20
        assert http.pace.window < before
        assert len(server.seen) == 6


def test_a_refused_connection_is_tried_again_and_then_parked() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    clock = SandboxClock(datetime(2026, 5, 1, tzinfo=UTC), speed=5000)
    http = Http(
        "new", url, clock, auth=Bearer("t"), calls_per_second=None, concurrency=1, longest_call=9, tries=3
    )
    with pytest.raises(Parked, match="nothing is lost"):
        http.call("POST", "/x", write=True)
    http.close()


def test_an_expired_credential_is_renewed_once_and_the_call_repeated() -> None:
    auth = Renewable()
    with speaking(status(401), well, auth=auth) as (http, server):
        http.call("POST", "/x", json={}, write=True)
    assert [seen[2] for seen in server.seen] == ["Bearer t0", "Bearer t1"]
    with speaking(status(401), auth=Renewable()) as (http, server), pytest.raises(SystemRefused):
        http.call("GET", "/x", write=False)
    assert len(server.seen) == 2


def test_one_renewal_serves_all_threads() -> None:
    auth = Renewable()

    def gate(_: int, handler: BaseHTTPRequestHandler) -> None:
        say(handler, 401 if handler.headers["Authorization"] == "Bearer t0" else 200)

    with speaking(gate, auth=auth) as (http, _server):
        threads = [
            threading.Thread(target=http.call, args=("GET", "/x"), kwargs={"write": False}) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert auth.renewals == 1


def test_messages_never_hold_the_token() -> None:
    with speaking(status(403)) as (http, _server), pytest.raises(SystemRefused) as caught:
        http.call("GET", "/x", write=False)
    assert "secret-token" not in str(caught.value) + repr(http._auth)


def test_a_status_the_caller_expects_is_handed_over_and_any_other_is_refused() -> None:
    body = json.dumps({"category": "CONFLICT"}).encode()
    with speaking(lambda _, handler: say(handler, 409, body)) as (http, _):
        assert http.call("POST", "/x", write=True, ok=(409,)).json()["category"] == "CONFLICT"
        with pytest.raises(SystemRefused, match="status 409"):
            http.call("POST", "/x", write=True)


def test_a_daily_quota_parks_until_it_is_renewed() -> None:
    tomorrow = datetime(2026, 5, 2, tzinfo=UTC)

    def classify(reply: Reply) -> Judgement:
        return Judgement(Verdict.EXHAUSTED, "used up", resume_at=tomorrow, calls_left=0, calls_max=9)

    with speaking(status(429), classify=classify) as (http, _), pytest.raises(Parked) as caught:
        http.call("POST", "/x", write=True)
    assert caught.value.resume_at == tomorrow
    assert (http.calls_left, http.calls_max) == (0, 9)


def test_a_stream_is_read_in_pieces_and_a_break_is_retriable() -> None:
    body = b"a,b\n" * 1000

    def csv(_: int, handler: BaseHTTPRequestHandler) -> None:
        say(handler, 200, body, Content_Type="text/csv")

    with speaking(status(503), csv) as (http, _), http.stream("/x.csv") as stream:
        assert b"".join(stream.bytes()) == body
        assert stream.headers["content-type"] == "text/csv"
    with speaking(half) as (http, _), pytest.raises(Retriable), http.stream("/x") as stream:
        list(stream.bytes())


def test_retry_after_may_be_a_date_on_the_vendors_own_clock() -> None:
    headers = {"retry-after": "Fri, 01 May 2026 10:00:30 GMT", "date": "Fri, 01 May 2026 10:00:00 GMT"}
    reply = Reply("new", "GET", "/x", 429, headers, b"", False)
    assert retry_after(reply, datetime(2030, 1, 1, tzinfo=UTC)) == 30


def test_calls_keep_the_pace_over_time() -> None:
    clock = SandboxClock(datetime(2026, 5, 1, tzinfo=UTC), speed=20)
    pace = Pace(clock, calls_per_second=10, most=4)
    start = clock.now()
    for _ in range(60):
        with pace.slot():
            pass
    assert (clock.now() - start).total_seconds() >= 4.8
    assert pace.window == 2
