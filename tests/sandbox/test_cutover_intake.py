"""Is every post kept once, and does it get to where its record is at home, once, through kills?"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from migrate.connector import NewField
from migrate.cutover.posts import opened
from migrate.cutover.replaying import replay
from migrate.demo.generated import generated
from migrate.demo.run import SECRET, WRITER, credentials, sandboxes
from migrate.workspace import Workspace
from tests.sandbox.test_stages import SIZES, Company

SPEED = 40.0
POSTS = 500
CUTOVER = """cutover:
  profile: small
  intake:
    - name: Web form
      object: Contact
      door: form
      during: buffer
      id: post_id
      key: Migration_Post__c
      fields: {first_name: FirstName, last_name: LastName, email: Email, no_mail: HasOptedOutOfEmail}
    - {name: Partners, object: Contact, door: api, during: buffer, most: 2}
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    base, seed = tmp_path_factory.mktemp("intake"), generated(SIZES)
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        given = credentials(salesforce, hubspot)
        given |= {"LEGACY_CLIENT_ID": WRITER, "LEGACY_CLIENT_SECRET": SECRET}  # it has to take posts back
        for name, value in given.items():
            patch.setenv(name, value)
        made = Company(base / "doors", seed, salesforce, hubspot)
        root = made.workspace("doors")
        plan = (root / "plan.yaml").read_text()
        plan = plan.replace('LEGACY_", clock: sandbox}', 'LEGACY_", clock: sandbox, longest_call: 5}')
        (root / "plan.yaml").write_text(plan.replace("cutover: {window: 10 working days}\n", CUTOVER))
        yield made
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def company(started: Company, capsys: pytest.CaptureFixture[str]) -> Company:
    started.capsys = capsys
    if "load" not in started.said:
        said = started.must("discover", "check", "prepare", "extract", "transform", "load")
        started.said["load"] = (0, said["load"])
    return started


class Receiver:
    """The receiver as a process of its own, on one port however often it is killed."""

    def __init__(self, root: Path) -> None:
        with closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.root = root
        self.client = httpx2.Client(trust_env=False)
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        words = [
            "-m",
            "migrate",
            "-w",
            str(self.root),
            "cutover",
            "intake",
            "serve",
            "--port",
            str(self.port),
        ]
        process = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                httpx2.get(f"http://127.0.0.1:{self.port}/", trust_env=False)
            except httpx2.TransportError:
                assert process.poll() is None
                time.sleep(0.05)
            else:
                return process
        raise TimeoutError("the receiver doesn't answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._started()

    def post(self, door: str, **more: Any) -> httpx2.Response:
        return self.client.post(f"http://127.0.0.1:{self.port}/{door}", **more)

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def receiver(company: Company) -> Iterator[Receiver]:
    made = Receiver(company.root)
    yield made
    made.close()


def form(number: int, **more: str) -> dict[str, str]:
    return {
        "post_id": f"p{number}", "first_name": "Web", "last_name": f"Visitor {number}",
        "email": f"visitor{number}@example.org", "retURL": "https://example.org/thanks", **more,
    }  # fmt: skip


def counts(company: Company) -> dict[str, dict[str, int]]:
    with closing(Workspace(company.root)) as workspace, closing(opened(workspace)) as posts:
        return posts.counts()


@pytest.mark.long
def test_posts_through_kills_are_there_once_and_answered_ones_are_there(
    receiver: Receiver, company: Company
) -> None:
    answered: Counter[int] = Counter()
    lock, numbers = threading.Lock(), iter(range(POSTS))

    def send() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            while True:
                try:
                    reply = receiver.post("web-form", data=form(number))
                except httpx2.TransportError:
                    time.sleep(0.05)  # killed: the sender tries the same post again
                    continue
                assert reply.status_code == 200
                with lock:
                    answered[number] += 1
                break

    threads = [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for _ in range(2):
        time.sleep(0.7)
        receiver.kill()
    for each in threads:
        each.join()

    assert len(answered) == POSTS
    found = counts(company)["Web form"]
    assert (found["received"], found["waiting"]) == (POSTS, POSTS)


def test_the_same_words_within_a_minute_are_one_post_and_a_full_door_says_no(receiver: Receiver) -> None:
    first = receiver.post("partners", json={"LastName": "Partner", "Email": "one@partner.example"})
    same = receiver.post("partners", json={"LastName": "Partner", "Email": "one@partner.example"})
    assert first.json() == same.json()
    assert receiver.post("partners", json={"LastName": "Another"}).status_code == 200
    full = receiver.post("partners", json={"LastName": "A third"})
    assert (full.status_code, full.headers["retry-after"]) == (503, "30")
    assert receiver.post("partners", content=b"x" * 70_000).status_code == 413
    assert receiver.post("partners", json={"a": {"b": 1}}).status_code == 400
    assert receiver.post("elsewhere", json={"a": "b"}).status_code == 404


REPLAY = """
import sys
from pathlib import Path
from migrate.workspace import Workspace
from migrate.cutover.replaying import replay
replay(Workspace(Path(sys.argv[1])), side="target")
"""


def test_a_replay_that_is_killed_makes_nobody_twice_and_each_post_has_its_end(company: Company) -> None:
    with closing(Workspace(company.root)) as workspace, closing(opened(workspace)) as posts:
        door = workspace.plan.model.cutover.intake[0]
        for number in range(230):
            posts.take(door, form(number), f"p{number}")
        posts.take(door, form(900, email="no e-mail address at all"), "odd")
        posts.take(door, {"colour": "blue"}, "nothing")
    for kill in range(2):
        before = company.writes()
        process = subprocess.Popen(
            [sys.executable, "-c", REPLAY, str(company.root)], stderr=subprocess.DEVNULL
        )
        while company.writes() == before and process.poll() is None:
            time.sleep(0.02)
        process.kill()  # in the midst: something has landed, and its end isn't written down
        process.wait()
        assert kill or counts(company)["Web form"]["waiting"] >= 230
    with closing(Workspace(company.root)) as workspace:
        done = replay(workspace, side="target")

    found = done.counts["Web form"]
    ends = {name: number for name, number in found.items() if name != "received"}
    assert found["received"] == sum(ends.values())
    assert found["waiting"] == 0
    made = [
        each for each in company.there("contacts").values() if each.get("lastname", "").startswith("Visitor")
    ]
    assert len(made) == found["created"]
    assert len({each["email"] for each in made if each.get("email")}) >= 230
    assert {each.reason.partition(":")[0] for each in done.refused} >= {"unknown"}


def test_a_no_in_a_post_is_a_no_in_the_target(company: Company) -> None:
    with closing(Workspace(company.root)) as workspace:
        with closing(opened(workspace)) as posts:
            door = workspace.plan.model.cutover.intake[0]
            posts.take(door, form(700, no_mail="on"), "p700")
        replay(workspace, side="target")
    said = {
        row["address"]
        for row in company.hubspot.control.ndjson("/truth/consent")
        if row["status"] == "NOT_SUBSCRIBED" or "UNSUB" in row["status"]
    }
    assert "visitor700@example.org" in said


def test_after_a_thaw_posts_are_made_in_the_source_once(company: Company) -> None:
    field = NewField("Contact", "Migration_Post__c", "Migration post", "string", unique=True)
    with closing(Workspace(company.root)) as workspace:
        with closing(workspace.connector("source")) as source:
            assert [outcome for _, outcome in source.prepare([field])] == ["made"]
        company.must("discover")
    with closing(Workspace(company.root)) as workspace:
        with closing(opened(workspace)) as posts:
            door = workspace.plan.model.cutover.intake[0]
            for number in range(1000, 1010):
                posts.take(door, form(number), f"p{number}")
        company.salesforce.control.post(
            "/faults",
            [
                {
                    "on": {"path": "/composite/sobjects$", "method": "POST"},
                    "do": {"kind": "drop", "at": "after_commit"},
                }
            ],
        )
        done = replay(workspace)

    assert done.side == "source"
    there = [
        row
        for row in company.salesforce.control.ndjson("/truth/Contact")
        if str(row["LastName"]).startswith("Visitor 10")
    ]
    assert len(there) == 10
    assert len({row["Migration_Post__c"] for row in there}) == 10
    assert done.waiting == 0


def test_what_posts_have_made_disturbs_no_validation(company: Company) -> None:
    code, found = company.run("validate")
    assert code in (0, 1), found
    bad = {each["id"]: each["summary"] for each in found["results"] if each["verdict"] in ("fail", "error")}
    assert not bad
