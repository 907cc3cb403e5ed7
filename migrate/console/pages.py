"""What does each page show, and what does each form begin?

A handler gets a request of somebody who is logged in and whose form and role were looked at (`app`), gathers
facts, and draws them. Nothing is done by a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response

from migrate.console import looking, reading, sessions, signoff
from migrate.console.acts import ACTS, command
from migrate.console.asking import Asked, Refused, not_theirs
from migrate.console.books import books, whole
from migrate.console.cohorts import cohorts, keeping
from migrate.console.drawing import PAGES, drawn
from migrate.console.people import Person
from migrate.console.reading import LONG, SHORT, Desk
from migrate.console.runs import Run, Runs
from migrate.console.sessions import Session
from migrate.console.signoff import signoffs
from migrate.cutover.tokens import peek
from migrate.errors import UsageError

QUICK = 20.0  # seconds that a page waits for a quick command
SIGNED = ("missing", "approved")  # what has become of the cohort by a signature
_SCRIPT = re.compile(r"script-src ('sha256-[A-Za-z0-9+/=]+')")


@dataclass
class Console:
    """One workspace's console. `secure`: it speaks TLS; `port` stands in the cookie's name, since browsers
    keep cookies by host alone."""

    where: Path | str
    port: int
    secure: bool = False
    desk: Desk = field(init=False)
    runs: Runs = field(init=False)
    registering: dict[str, tuple[str, Any]] = field(default_factory=dict)  # passkeys that were asked for

    def __post_init__(self) -> None:
        self.desk, self.runs = Desk(self.where), Runs(self.where)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return f"__Host-migrate-{self.port}" if self.secure else f"migrate-{self.port}"

    # -- who asks -----------------------------------------------------------------------------

    def session(self, cookie: str, *, looks: bool) -> tuple[Session, Person] | None:
        """Who has this cookie; None: nobody, or nobody any more."""
        people = self.desk.basis().people
        with self.desk.open() as workspace:
            found = sessions.find(workspace.ledger, cookie, looks=looks)
        person = people.get(found.person) if found is not None else None
        return (found, person) if found is not None and person is not None else None

    # -- drawing ------------------------------------------------------------------------------

    def page(self, template: str, asked: Asked | None, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """A page for whoever asks."""
        basis = self.desk.basis()
        more: dict[str, Any] = {"systems": basis.systems if asked else None}
        if asked is not None:
            more |= {
                "person": asked.person, "session": asked.session, "here": asked.path,
                "see_words": asked.inside, "ran": self._ran(asked),
            }  # fmt: skip
        zone = asked.person.zone if asked else "UTC"
        masked = asked is None or not asked.inside
        text = drawn(template, clock=basis.clock.now(), zone=zone, masked=masked, **{**more, **facts})
        return HTMLResponse(text, status)

    def _ran(self, asked: Asked) -> Run | None:
        try:
            return self.runs.get(asked.query["ran"]) if "ran" in asked.query else None
        except UsageError:
            return None

    # -- pages --------------------------------------------------------------------------------

    def _now(self, asked: Asked) -> dict[str, Any]:
        found = self.desk.ask("now", reading.now, keep=SHORT)
        return {
            "now": found, "running": self.runs.running(),
            "cohorts": self.desk.ask("cohorts", cohorts, keep=SHORT),
            "keeping": self.desk.ask("keeping", keeping, keep=SHORT),
            "live": True, "here": asked.path if asked.path == "/" else "/",
        }  # fmt: skip

    def home(self, asked: Asked) -> Response:
        """Where we are."""
        return self.page("now.html.j2", asked, **self._now(asked))

    def live_now(self, asked: Asked) -> Response:
        """The same, without what stands around it."""
        return self.page("now_part.html.j2", asked, **self._now(asked))

    def report(self, asked: Asked) -> Response:
        """The last report in short."""
        document = self.desk.ask("report", reading.report)
        return self.page("report.html.j2", asked, report=document, hidden=_hidden(document, asked))

    def report_page(self, asked: Asked) -> Response:
        """The report itself, drawn anew from the evidence, in a place where it can reach nothing of ours."""
        from migrate_validators.page import page

        document = self._open_report(asked)
        digest = document.pop("digest")
        return _apart(page(document, digest))

    def report_workbook(self, asked: Asked) -> Response:
        """The same as a workbook."""
        from migrate_validators.page import code_of
        from migrate_validators.workbook import workbook

        document = self._open_report(asked)
        digest = document.pop("digest")
        content = workbook(document, digest, code_of(digest))
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return _file(content, kind, f"report-{code_of(digest)}.xlsx")

    def _open_report(self, asked: Asked) -> dict[str, Any]:
        document = self.desk.ask("report", reading.report)
        if document is None:
            raise Refused(404, "There is no report", "Run `migrate validate` first.")
        if _hidden(document, asked):
            raise Refused(403, "Not for viewers", "This report isn't masked: it shows who a person is.")
        document.pop("report")
        return document

    def conflicts(self, asked: Asked) -> Response:
        """What was changed on the wrong side."""
        masked = not asked.inside
        found = self.desk.ask(
            ("conflicts", masked), lambda w: looking.conflicted(w, masked=masked), keep=LONG, long=True
        )
        return self.page("conflicts.html.j2", asked, c=found)

    def decisions(self, asked: Asked) -> Response:
        """What waits for a person, and what persons decided."""
        document = self.desk.ask("report", reading.report)
        found = self.desk.ask("decisions", looking.decisions, keep=SHORT, long=True)
        return self.page("decisions.html.j2", asked, d=found, hidden=_hidden(document, asked))

    def maps(self, asked: Asked) -> Response:
        """The maps beside the plan."""
        return self.page("maps.html.j2", asked, maps=self.desk.ask("maps", looking.maps))

    def map_file(self, asked: Asked) -> Response:
        """One of them as it lies on disk; named by its number, so that no path comes from outside."""
        found = self.desk.ask("maps", looking.maps)
        number = int(asked.parts["number"])
        if number >= len(found):
            raise Refused(404, "There is no such map", "The page of maps names them.")
        if found[number].kind != "picklist" and not asked.inside:
            raise Refused(403, "Not for viewers", "This file names people.")
        file = found[number].file
        content = self.desk.ask("map", lambda workspace: workspace.plan.beside(file).read_bytes())
        return _file(content, "text/csv; charset=utf-8", Path(file).name)

    def runbook(self, asked: Asked) -> Response:
        """The runbooks with their ticks."""
        found = self.desk.ask("books", lambda workspace: books(workspace, self.where), keep=LONG, long=True)
        return self.page("runbook.html.j2", asked, books=found)

    def runbook_page(self, asked: Asked) -> Response:
        """A cohort's runbook as it is handed out, apart from what is ours as the report is."""
        number = int(asked.parts["number"])
        found = self.desk.ask(
            ("book", number), lambda workspace: whole(workspace, self.where, number), keep=LONG, long=True
        )
        if found is None:
            raise Refused(404, "There is no such runbook", "The page of runbooks leads to each.")
        return _apart(found)

    def trace(self, asked: Asked) -> Response:
        """Search for a record; the words come by POST, so that no e-mail address stands in an address bar."""
        needle = asked.form.get("needle", "").strip()[:500]
        masked = not asked.inside
        found = None
        if needle:
            found = self.desk.ask(
                "trace", lambda workspace: looking.way(workspace, needle, masked=masked), long=True
            )
        return self.page("trace.html.j2", asked, needle=needle, found=found)

    def trail(self, asked: Asked) -> Response:
        """The trail, and whether it is what it was."""
        words = asked.query.get("page", "1")
        page = int(words) if words.isdecimal() and len(words) < 9 else 1
        found = self.desk.ask("trail", lambda workspace: looking.trail(workspace, page))
        return self.page("trail.html.j2", asked, t=found)

    def run_list(self, asked: Asked) -> Response:
        """Commands that were given here."""
        return self.page("runs.html.j2", asked, runs=self.runs.all())

    def run_page(self, asked: Asked) -> Response:
        """One of them."""
        return self._run("run.html.j2", asked)

    def live_run(self, asked: Asked) -> Response:
        """The same, without what stands around it."""
        return self._run("run_part.html.j2", asked)

    def _run(self, template: str, asked: Asked) -> Response:
        try:
            found = self.runs.get(asked.parts["id"])
        except UsageError as error:
            raise Refused(404, "There is no such command", str(error)) from error
        return self.page(template, asked, run=found, live=found.state == "running")

    # -- sign-off -----------------------------------------------------------------------------

    def sign(self, asked: Asked) -> Response:
        """What is to be signed, and by whom."""
        found = self.desk.ask("sign", lambda workspace: signoffs(workspace, asked.person.name))
        told = asked.query.get("signed", "")
        told = told if told in SIGNED else ""
        return self.page(
            "sign.html.j2", asked, signoffs=found, told=told, registering=self._registering(asked),
            registered="",
        )  # fmt: skip

    def _registering(self, asked: Asked) -> str:
        """What the browser is asked for, where the plan lacks this person's passkey; JSON, else ""."""
        name = asked.person.name
        if not self.desk.ask("passkey", lambda workspace: signoff.lacks_passkey(workspace, name)):
            return ""
        from migrate.cutover import passkeys

        try:
            options, state = passkeys.register(asked.origin, name)
        except ValueError:  # browsers give none to this address
            return ""
        self.registering[asked.session.person] = (asked.origin, state)
        return json.dumps(options)

    def register(self, asked: Asked) -> Response:
        """A new passkey: the line for the plan. Nothing is changed by it."""
        from migrate.cutover import passkeys

        known = self.registering.pop(asked.session.person, None)
        if known is None:
            raise Refused(400, "Nobody asked for a passkey", "Load the page of the sign-off again.")
        made = passkeys.registered(*known, asked.form.get("proof", "").encode())
        found = self.desk.ask("sign", lambda workspace: signoffs(workspace, asked.person.name))
        return self.page("sign.html.j2", asked, signoffs=found, told="", registering="", registered=str(made))

    def sign_link(self, asked: Asked) -> Response:
        """A signature by who came in by a link: typed name, code, and that they mean it."""
        form, person = asked.form, asked.person.name
        if form.get("sure") != "yes":
            raise Refused(400, "You didn't say that you approve", "Tick the box. Nothing was signed.")
        missing = self.desk.ask("sign now", lambda workspace: signoff.sign_by_link(
            workspace, form.get("cohort", ""), person=person, name=form.get("name", ""),
            code=form.get("code", "").strip().upper(),
        ))  # fmt: skip
        return RedirectResponse(f"/sign?signed={'missing' if missing else 'approved'}", 303)

    def sign_key(self, asked: Asked) -> Response:
        """A signature that was made elsewhere, or by the browser's passkey."""
        form, person = asked.form, asked.person.name
        proof = form.get("proof", "").replace("\r\n", "\n").encode("utf-8", "replace")
        missing = self.desk.ask("sign now", lambda workspace: signoff.sign_by_key(
            workspace, form.get("cohort", ""), person=person, statement=form.get("statement", ""),
            proof=proof,
        ))  # fmt: skip
        return RedirectResponse(f"/sign?signed={'missing' if missing else 'approved'}", 303)

    # -- acts ---------------------------------------------------------------------------------

    def act(self, asked: Asked) -> Response:
        """Begin the command that a form stands for."""
        act = ACTS.get(asked.parts["name"])
        if act is None:
            raise Refused(404, "There is no such act", "Nothing was done.")
        if not asked.person.may(act.role):
            raise not_theirs(asked.person, act.role)
        typed = {"target": self.desk.basis().systems[1], "cohort": asked.form.get("cohort", "")}
        arguments = command(act, asked.form, asked.person, typed)
        run = self.runs.start(
            asked.form.get("_once", ""), act=act.name, title=act.title, arguments=arguments,
            person=asked.person.name,
        )  # fmt: skip
        if not act.quick:
            return RedirectResponse(f"/runs/{run.id}", 303)
        self.runs.wait(run.id, QUICK)
        back = asked.form.get("_back", "/")
        back = back if back in dict(PAGES) else "/"
        return RedirectResponse(f"{back}?ran={quote(run.id)}", 303)

    def stop(self, asked: Asked) -> Response:
        """Ask a command to stop."""
        run = self.runs.stop(asked.parts["id"])
        return RedirectResponse(f"/runs/{run.id}", 303)

    # -- coming and going ---------------------------------------------------------------------

    def door(self, token: str) -> Response:
        """What a link shows. It isn't used up by being looked at."""
        name = None
        if token:
            with self.desk.open() as workspace:
                name = peek(workspace.ledger, token, sessions.PURPOSE)
        refused = bool(token) and name is None
        status = 403 if refused else 200
        return self.page("in.html.j2", None, status=status, name=name, token=token, refused=refused)

    def enter(self, token: str, former: str) -> Response:
        """Log in."""
        with self.desk.open() as workspace:
            found = sessions.enter(workspace.ledger, token, former)
        if found is None:
            return self.page("in.html.j2", None, status=403, name=None, token="", refused=True)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            self.cookie, found.cookie, max_age=int(sessions.ABSOLUTE.total_seconds()), path="/",
            secure=self.secure, httponly=True, samesite="strict",
        )  # fmt: skip
        return answer

    def out(self, asked: Asked) -> Response:
        """Log out."""
        with self.desk.open() as workspace:
            sessions.leave(workspace.ledger, asked.session)
        answer = RedirectResponse("/in", 303)
        answer.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="strict")
        return answer


def _hidden(document: Mapping[str, Any] | None, asked: Asked) -> bool:
    """The report shows who a person is, and the one who asks is only a viewer."""
    return document is not None and not document["masked"] and not asked.inside


def _apart(text: str) -> Response:
    """A page with a script and styles of its own, opened where it can reach nothing of ours."""
    script = _SCRIPT.search(text)
    policy = (
        "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src {script[1] if script else chr(39) + 'none' + chr(39)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def _file(content: bytes, kind: str, name: str) -> Response:
    named = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    headers = {"Content-Disposition": f'attachment; filename="{named}"'}
    return Response(content, media_type=kind, headers=headers)
