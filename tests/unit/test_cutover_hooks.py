"""What is a step's webhook told, by whom can it tell that, and what counts as an answer?"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import hooks
from migrate.cutover.hooks import About, StepFailed
from migrate.plan.cutover import HookPlan
from migrate.workspace import Workspace
from tests.unit.test_cli import PLAN

ABOUT = About("pilot", "a" * 64, before='"old"')
SECRET = "s3cret"


@dataclass
class Door:
    """A server that answers as it is told; then with 200 and nothing."""

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard.append((dict(self.headers.items()), content))
            code, body = found.answers.pop(0) if found.answers else (200, b"")
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def workspace(tmp_path: Path, door: Door) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    made = Workspace(tmp_path, {"FORM": door.url, "SECRET": SECRET})
    yield made
    made.close()


def hook(**more: Any) -> HookPlan:
    act = {"webhook": "env:FORM"}
    return HookPlan.model_validate(
        {"name": "web form", "do": act, "undo": act, "check": act, "secret": "env:SECRET", "retries": 1}
        | more
    )


def test_a_webhook_is_told_the_step_and_can_tell_that_it_was_us(workspace: Workspace, door: Door) -> None:
    said = hooks.act(workspace, hook(), "do", ABOUT)

    assert (said.done, said.tries) == (True, 1)
    headers, content = door.heard[0]
    told = json.loads(content)
    assert (told["step"], told["act"], told["cohort"], told["before"]) == ("web form", "do", "pilot", '"old"')
    signed = f"{headers['X-Migrate-Timestamp']}.".encode() + content
    assert headers["X-Migrate-Signature"] == (
        "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    )


def test_two_tries_of_one_act_bear_one_key_and_two_acts_two(workspace: Workspace, door: Door) -> None:
    door.answers = [(503, b"")]

    said = hooks.act(workspace, hook(), "do", ABOUT)
    hooks.act(workspace, hook(), "undo", ABOUT)

    keys = [headers["Idempotency-Key"] for headers, _ in door.heard]
    assert said.tries == 2
    assert keys[0] == keys[1] == f"{'a' * 16}.web form.do"
    assert keys[2] == f"{'a' * 16}.web form.undo"


def test_a_webhook_that_goes_on_refusing_fails_the_step_without_telling_its_address(
    workspace: Workspace, door: Door
) -> None:
    door.answers = [(503, b""), (503, b"")]

    with pytest.raises(StepFailed, match="it answered 503") as failed:
        hooks.act(workspace, hook(), "do", ABOUT)

    assert door.url not in str(failed.value)
    assert SECRET not in str(failed.value)
    assert len(door.heard) == 2


@pytest.mark.parametrize(
    ("answer", "done"), [(b'{"done": true, "state": "new"}', True), (b'{"done": false}', False)]
)
def test_a_check_says_whether_it_is_done(workspace: Workspace, door: Door, answer: bytes, done: bool) -> None:
    door.answers = [(200, answer)]

    assert hooks.act(workspace, hook(), "check", ABOUT).done is done


@pytest.mark.parametrize("answer", [b"", b"ok", b"[]", b'{"done": "yes"}'])
def test_a_check_that_does_not_say_it_is_no_answer(workspace: Workspace, door: Door, answer: bytes) -> None:
    door.answers = [(200, answer)]

    with pytest.raises(StepFailed, match="no `done`"):
        hooks.act(workspace, hook(), "check", ABOUT)


def test_nothing_is_sent_unsigned_where_the_secret_is_missing(workspace: Workspace, door: Door) -> None:
    with pytest.raises(StepFailed, match="`OTHER` isn't set"):
        hooks.act(workspace, hook(secret="env:OTHER"), "do", ABOUT)

    assert door.heard == []


def test_a_command_that_is_not_there_is_named(workspace: Workspace) -> None:
    missing = hook(do={"command": ["./no-such-program"]}, retries=0)

    with pytest.raises(StepFailed, match=r"`\./no-such-program` can't be started"):
        hooks.act(workspace, missing, "do", ABOUT)
