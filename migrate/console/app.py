"""Which address leads to which page, and who gets that far? The web application.

Each request goes the same way: the door (`guarding`), the session, the person as the plan knows them now, for
a form its token, then the role; only then a page is drawn, or a command begun. Nothing is done by GET.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from migrate.console.asking import Asked, Refused, not_theirs
from migrate.console.drawing import asset
from migrate.console.guarding import Guard, TooLarge
from migrate.console.pages import Console
from migrate.console.people import Role
from migrate.errors import MigrateError, PlanError, UsageError

FORM = "application/x-www-form-urlencoded"
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
        Route("/in", door),
        Route("/in/{token}", door),
        Route("/in", enter, methods=["POST"]),
        Route("/static/{name}", static),
        Route("/healthy", healthy),
        page("/", c.home),
        page("/live/now", c.live_now),
        page("/report", c.report),
        page("/report/page", c.report_page),
        page("/report/workbook", c.report_workbook),
        page("/decisions", c.decisions),
        page("/conflicts", c.conflicts),
        page("/maps", c.maps),
        page("/maps/{number:int}", c.map_file),
        page("/runbook", c.runbook),
        page("/runbook/{number:int}", c.runbook_page),
        page("/trace", c.trace),
        page("/trace", c.trace, post=True),
        page("/sign", c.sign),
        page("/sign/link", c.sign_link, "approver", post=True),
        page("/sign/key", c.sign_key, "approver", post=True),
        page("/sign/register", c.register, "approver", post=True),
        page("/trail", c.trail),
        page("/runs", c.run_list),
        page("/runs/{id}", c.run_page),
        page("/live/runs/{id}", c.live_run),
        page("/acts/{name}", c.act, post=True),
        page("/runs/{id}/stop", c.stop, "operator", post=True),
        page("/out", c.out, post=True),
    ]
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
        f"{'https' if console.secure else 'http'}://{request.headers['host']}",
    )  # fmt: skip

    def answer() -> Response:
        if request.method == "POST" and not session.fits(asked.path, form.get("_form", "")):
            words = "It lacks the token of this session and this form. Load the page again. Nothing was done."
            raise Refused(403, "That form isn't ours", words)
        if not person.may(role):
            raise not_theirs(person, role)
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
