"""Which address shows what, and who may see or do it? The web application.

Each request goes the same way: the door (`guarding`), the session, the person as the plan knows them now, for
a form its token, then the role; only then a page is drawn, or a command begun. Nothing is done by GET.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from migrate.console import looking, reading, sessions
from migrate.console.acts import ACTS, command
from migrate.console.books import books
from migrate.console.cohorts import cohorts
from migrate.console.drawing import PAGES, asset, drawn
from migrate.console.guarding import Guard, TooLarge
from migrate.console.people import Person, Role, everybody
from migrate.console.reading import LONG, SHORT, Desk
from migrate.console.runs import Run, Runs
from migrate.console.sessions import Session
from migrate.cutover.tokens import peek
from migrate.errors import MigrateError, PlanError, UsageError

QUICK = 20.0  # seconds that a page waits for a quick command
FORM = "application/x-www-form-urlencoded"
_SCRIPT = re.compile(r"script-src ('sha256-[A-Za-z0-9+/=]+')")


@dataclass(frozen=True)
class Asked:
    """A request of somebody who is logged in."""

    path: str
    query: Mapping[str, str]
    parts: Mapping[str, str]
    form: Mapping[str, str]
    session: Session
    person: Person

    @property
    def inside(self) -> bool:
        """They do more than look: persons of the data aren't masked for them."""
        return bool(self.person.roles - {"viewer"})


class Refused(Exception):
    """An answer that ends a request."""

    def __init__(self, status: int, heading: str, words: str) -> None:
        self.status, self.heading, self.words = status, heading, words
        super().__init__(status, heading, words)


@dataclass
class Console:
    """One workspace's console. `secure`: it speaks TLS; `port` stands in the cookie's name, since browsers
    keep cookies by host alone."""

    where: Path | str
    port: int
    secure: bool = False
    desk: Desk = field(init=False)
    runs: Runs = field(init=False)

    def __post_init__(self) -> None:
        self.desk, self.runs = Desk(self.where), Runs(self.where)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return f"__Host-migrate-{self.port}" if self.secure else f"migrate-{self.port}"

    # -- who asks -----------------------------------------------------------------------------

    def session(self, cookie: str, *, looks: bool) -> tuple[Session, Person] | None:
        """Who has this cookie; None: nobody, or nobody any more."""
        with self.desk.open() as workspace:
            found = sessions.find(workspace.ledger, cookie, looks=looks)
            if found is None:
                return None
            person = everybody(workspace.plan).get(found.person)
            return (found, person) if person is not None else None

    # -- drawing ------------------------------------------------------------------------------

    def page(self, template: str, asked: Asked | None, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """A page for whoever asks."""
        with self.desk.open() as workspace:
            clock, model = workspace.clock.now(), workspace.plan.model
            systems = (model.source.system, model.target.system)
        more: dict[str, Any] = {"systems": systems if asked else None}
        if asked is not None:
            more |= {
                "person": asked.person, "session": asked.session, "here": asked.path,
                "see_words": asked.inside, "ran": self._ran(asked),
            }  # fmt: skip
        zone = asked.person.zone if asked else "UTC"
        masked = asked is None or not asked.inside
        text = drawn(template, clock=clock, zone=zone, masked=masked, **{**more, **facts})
        return HTMLResponse(text, status)

    def _ran(self, asked: Asked) -> Run | None:
        try:
            return self.runs.get(asked.query["ran"]) if "ran" in asked.query else None
        except UsageError:
            return None

    # -- pages --------------------------------------------------------------------------------

    def _now(self, asked: Asked) -> dict[str, Any]:
        found = self.desk.ask("now", reading.now, keep=SHORT)
        running = [run for run in self.runs.all() if run.state == "running"]
        return {
            "now": found, "running": running, "cohorts": self.desk.ask("cohorts", cohorts, keep=SHORT),
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
        from migrate_validators.page import code_of

        code = code_of(document["digest"]) if document else ""
        return self.page(
            "report.html.j2", asked, report=document, evidence=code, hidden=_hidden(document, asked)
        )

    def report_page(self, asked: Asked) -> Response:
        """The report itself, drawn anew from the evidence, in a place where it can reach nothing of ours."""
        from migrate_validators.page import page

        document = self._open_report(asked)
        digest = document.pop("digest")
        text = page(document, digest)
        script = _SCRIPT.search(text)
        policy = (
            "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
            f"script-src {script[1] if script else chr(39) + 'none' + chr(39)}; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

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

    def decisions(self, asked: Asked) -> Response:
        """What waits for a person, and what persons decided."""
        document = self.desk.ask("report", reading.report)
        found = self.desk.ask("decisions", looking.decisions, keep=SHORT)
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
        found = self.desk.ask("books", lambda workspace: books(workspace, self.where), keep=LONG)
        return self.page("runbook.html.j2", asked, books=found)

    def trace(self, asked: Asked) -> Response:
        """Search for a record; the words come by POST, so that no e-mail address stands in an address bar."""
        needle = asked.form.get("needle", "").strip()[:500]
        masked = not asked.inside
        found = None
        if needle:
            found = self.desk.ask("trace", lambda workspace: looking.way(workspace, needle, masked=masked))
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

    # -- acts ---------------------------------------------------------------------------------

    def act(self, asked: Asked) -> Response:
        """Begin the command that a form stands for."""
        act = ACTS.get(asked.parts["name"])
        if act is None:
            raise Refused(404, "There is no such act", "Nothing was done.")
        if not asked.person.may(act.role):
            raise _not_theirs(asked.person, act.role)
        with self.desk.open() as workspace:
            target = workspace.plan.model.target.system
        typed = {"target": target, "cohort": asked.form.get("cohort", "")}
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


Handler = Callable[[Asked], Response]


def application(console: Console, hosts: list[str]) -> Guard:
    """The application.

    Args:
        hosts: how browsers may call it, `name:port`.
    """
    c = console

    def page(path: str, handler: Handler, role: Role = "viewer", *, post: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _answer(c, request, handler, role)

        return Route(path, endpoint, methods=["POST"] if post else ["GET"])

    async def door(request: Request) -> Response:
        return await _plainly(lambda: c.door(request.path_params.get("token", "")))

    async def enter(request: Request) -> Response:
        form = await _form(request)
        former = request.cookies.get(c.cookie, "")
        return await _plainly(lambda: c.enter(form.get("token", ""), former))

    async def static(request: Request) -> Response:
        found = asset(request.path_params["name"])
        return Response(found[0], media_type=found[1]) if found else Response("Not there.", 404)

    async def healthy(_request: Request) -> Response:
        return Response("ok", media_type="text/plain")

    routes = [
        Route("/in", door), Route("/in/{token}", door), Route("/in", enter, methods=["POST"]),
        Route("/static/{name}", static), Route("/healthy", healthy),
        page("/", c.home), page("/live/now", c.live_now), page("/report", c.report),
        page("/report/page", c.report_page), page("/report/workbook", c.report_workbook),
        page("/decisions", c.decisions), page("/maps", c.maps), page("/maps/{number:int}", c.map_file),
        page("/runbook", c.runbook), page("/trace", c.trace), page("/trace", c.trace, post=True),
        page("/trail", c.trail), page("/runs", c.run_list), page("/runs/{id}", c.run_page),
        page("/live/runs/{id}", c.live_run), page("/acts/{name}", c.act, post=True),
        page("/runs/{id}/stop", c.stop, "operator", post=True), page("/out", c.out, post=True),
    ]  # fmt: skip
    return Guard(Starlette(routes=routes), hosts, secure=console.secure)


async def _answer(console: Console, request: Request, handler: Handler, role: Role) -> Response:
    cookie, live = request.cookies.get(console.cookie, ""), request.url.path.startswith("/live/")
    try:
        known = await run_in_threadpool(console.session, cookie, looks=live)
    except MigrateError as error:
        return _broken(error)
    if known is None:
        if request.method == "GET" and not live:
            return RedirectResponse("/in", 303)
        return Response("Log in first; nothing was done.", 401)
    session, person = known
    form = await _form(request)
    asked = Asked(
        request.url.path, request.query_params,
        {name: str(value) for name, value in request.path_params.items()}, form, session, person,
    )  # fmt: skip

    def answer() -> Response:
        if request.method == "POST" and not session.fits(asked.path, form.get("_form", "")):
            words = "It lacks the token of this session and this form. Load the page again. Nothing was done."
            raise Refused(403, "That form isn't ours", words)
        if not person.may(role):
            raise _not_theirs(person, role)
        return handler(asked)

    def told() -> Response:
        try:
            return answer()
        except Refused as refused:
            return _wrong(console, asked, refused)
        except UsageError as error:
            return _wrong(console, asked, Refused(400, "That doesn't go", str(error)))
        except MigrateError as error:
            return _wrong(console, asked, Refused(503, "That can't be told now", str(error)))

    return await _plainly(told)


async def _plainly(answer: Callable[[], Response]) -> Response:
    try:
        return await run_in_threadpool(answer)
    except MigrateError as error:
        return _broken(error)


def _wrong(console: Console, asked: Asked, refused: Refused) -> Response:
    return console.page(
        "wrong.html.j2", asked, status=refused.status, heading=refused.heading, words=refused.words
    )


def _broken(error: MigrateError) -> Response:
    """No page can be drawn: the plan can't be read, or the ledger is away."""
    why = "The plan can't be read." if isinstance(error, PlanError) else "The workspace can't be read."
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{why}</title>"
        f'<link rel="stylesheet" href="/static/console.css"><main><h1>{why}</h1>'
        f'<pre class="said">{html.escape(str(error))}</pre></main></html>'
    )
    return HTMLResponse(text, 503)


async def _form(request: Request) -> dict[str, str]:
    if request.method != "POST":
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        body = await request.body()
    except TooLarge:
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))


def _not_theirs(person: Person, role: Role) -> Refused:
    return Refused(403, f"That is for an {role}", f"You are {person.words}. Nothing was done.")


def _hidden(document: Mapping[str, Any] | None, asked: Asked) -> bool:
    """The report shows who a person is, and the one who asks is only a viewer."""
    return document is not None and not document["masked"] and not asked.inside


def _file(content: bytes, kind: str, name: str) -> Response:
    named = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    headers = {"Content-Disposition": f'attachment; filename="{named}"'}
    return Response(content, media_type=kind, headers=headers)
