"""A console that serves a small workspace, and people at browsers."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx2

from migrate.console.runs import Run, Runs
from migrate.console.serving import Listening, bound, link, server
from migrate.console.sessions import PURPOSE
from migrate.cutover import tokens
from migrate.workspace import Workspace

PEOPLE = """
cutover:
  people:
    - {name: Vera Viewer, email: vera@example.com, role: viewer, zone: Europe/Berlin}
    - {name: Otto Operator, email: otto@example.com, role: operator}
    - {name: Ada Approver, email: ada@example.com, role: approver}
  sign:
    - {name: Sam Sponsor, email: sam@example.com, role: sponsor}
"""
VIEWER, OPERATOR, APPROVER, SPONSOR = "Vera Viewer", "Otto Operator", "Ada Approver", "Sam Sponsor"
_INPUT = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass
class Browser:
    """A browser without scripts: cookies, pages, forms."""

    base: str
    verify: bool = True
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(
            base_url=self.base, headers={"Origin": self.base}, timeout=120, verify=self.verify
        )

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.http.get(path, **more)

    def forms(self, path: str) -> list[tuple[str, dict[str, str]]]:
        """The forms of a page: where each is sent, and its hidden values."""
        text = self.get(path).text
        found = re.findall(r'<form method="post" action="([^"]+)"(.*?)</form>', text, re.DOTALL)
        return [(action, {k: unescape(v) for k, v in _INPUT.findall(inside)}) for action, inside in found]

    def form(self, path: str, action: str, **hidden: str) -> dict[str, str]:
        """The first form of a page that is sent there and has these hidden values."""
        for where, values in self.forms(path):
            if where == action and hidden.items() <= values.items():
                return values
        raise AssertionError(f"{path} has no form to {action} with {hidden}")

    def send(self, path: str, values: Mapping[str, str], **more: Any) -> httpx2.Response:
        return self.http.post(path, data=dict(values), **more)

    def do(
        self, page: str, act: str, values: Mapping[str, str] | None = None, **hidden: str
    ) -> httpx2.Response:
        """Fill in a page's form and send it."""
        form = self.form(page, f"/acts/{act}", **hidden)
        return self.send(f"/acts/{act}", {**form, **(values or {})})


@dataclass
class Served:
    """A console that listens."""

    root: Path
    url: str
    browsers: list[Browser] = field(default_factory=list)

    @property
    def runs(self) -> Runs:
        """What was begun in it."""
        return Runs(self.root)

    def invited(self, person: str) -> str:
        """A new one-time link."""
        with closing(Workspace(self.root)) as workspace:
            token = tokens.make(workspace.ledger, PURPOSE, person, timedelta(hours=1), who="test")
        return link(self.url, token)

    def browser(self, cookies: Mapping[str, str] | None = None, *, verify: bool = True) -> Browser:
        """A new one, in which nobody has logged in."""
        made = Browser(self.url, verify)
        made.http.cookies.update(dict(cookies or {}))
        self.browsers.append(made)
        return made

    def come(self, person: str) -> Browser:
        """Somebody who has logged in."""
        browser = self.browser()
        token = self.invited(person).rpartition("/")[2]
        answer = browser.send("/in", {"token": token})
        assert answer.status_code == 303, answer.text
        return browser

    def ended(self, answer: httpx2.Response) -> Run:
        """The run that an act began, when it has ended."""
        assert answer.status_code == 303, answer.text
        id = re.split(r"[/=]", answer.headers["location"])[-1]
        return self.runs.wait(id, 60)

    def trail(self) -> list[tuple[str, str]]:
        """(who, what) of every event."""
        from migrate.cutover.trail import events

        with closing(Workspace(self.root)) as workspace:
            return [(each.who, each.what) for each in events(workspace.ledger)]


def own_token(browser: Browser, action: str) -> str:
    """The token that the session would give a form of this action, had its page one."""
    from migrate.console.sessions import Session

    cookie = next(value for name, value in browser.http.cookies.items() if name.startswith("migrate-"))
    return Session(cookie, "", "").form(action)


@contextmanager
def serving(root: Path, certificate: Path | None = None, key: Path | None = None) -> Iterator[Served]:
    """A console in a thread of this process."""
    taken = bound(Listening(port=0))
    port = int(taken.getsockname()[1])
    listening = Listening(port=port, certificate=certificate, key=key)
    made = server(root, listening, port)
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(sockets=[taken])))
    thread.start()
    while not made.started:
        time.sleep(0.01)
    found = Served(root, listening.url(port))
    try:
        yield found
    finally:
        for each in found.browsers:
            each.http.close()
        made.should_exit = True
        thread.join()
        taken.close()


@contextmanager
def console_process(root: Path) -> Iterator[tuple[subprocess.Popen[str], Served]]:
    """A console as its user starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate", "-w", str(root), "console", "--port", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r"http://\S+:\d+", said)
    assert found, said + process.stderr.read()
    try:
        yield process, Served(root, found[0])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def people(root: Path, text: str = PEOPLE) -> None:
    """Let the plan name who may come in."""
    plan = root / "plan.yaml"
    plan.write_text(plan.read_text() + text)


def document(run: Run) -> dict[str, Any]:
    """What a command printed."""
    return dict(json.loads(json.dumps(run.answer)))
