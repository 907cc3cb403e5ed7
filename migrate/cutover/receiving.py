"""How do posts get in while a door is a buffer? A small web server that keeps each before it answers.

`POST /<door>` takes what forms send (URL-encoded, the shape of web-to-lead, or multipart without files) and
flat JSON. Who gets 200 has a post on our disk; who gets 503 has none and tries again (the door is full, or
the disk is). Nothing is shown of what came in: `GET /` answers whether it runs, and no more. It listens on
loopback unless told; before the world it belongs behind the company's own web server, with TLS.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from migrate.errors import NoSpace, UsageError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from migrate.cutover.posts import Posts
    from migrate.plan.cutover import IntakePlan
    from migrate.workspace import Workspace

LARGEST, MOST_FIELDS = 64 << 10, 200  # bytes of a post, and values in it
KEY = "idempotency-key"  # a header: the post's own id
SLOW = 30  # seconds after which a sender tries again


class Unreadable(Exception):
    """A post that can't be read; `status` says why."""

    def __init__(self, status: int, words: str) -> None:
        self.status, self.words = status, words
        super().__init__(status, words)


def application(doors: Mapping[str, IntakePlan], posts: Posts) -> Starlette:
    """The receiver.

    Args:
        doors: by their place in the address (`slug`).
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from migrate.cutover.posts import Full

    async def post(request: Request) -> Response:
        door = doors.get(request.path_params["door"])
        if door is None:
            return PlainTextResponse("There is no such door.", 404)
        try:
            fields = fields_of(await _body(request), request.headers.get("content-type", ""))
        except Unreadable as error:
            return PlainTextResponse(error.words, error.status)
        given = (fields.get(door.id, "") if door.id else "") or request.headers.get(KEY, "")
        try:
            taken = await run_in_threadpool(posts.take, door, fields, given)
        except (Full, NoSpace):
            return PlainTextResponse("Try again later.", 503, {"Retry-After": str(SLOW)})
        return _thanks(request, door, taken.id)

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("The intake runs.")

    return Starlette(routes=[Route("/", alive), Route("/{door}", post, methods=["POST"])])


async def _body(request: Request) -> bytes:
    """The whole body, as long as it isn't too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise Unreadable(413, f"A post may have {LARGEST:,} bytes.")
    return bytes(body)


def fields_of(body: bytes, media: str) -> dict[str, str]:
    """What was posted, by name; of a name that comes several times, the values with `;` between.

    Raises:
        Unreadable: it is neither a form nor a flat JSON object, or too much.
    """
    kind = media.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            pairs = _flat(json.loads(body))
        elif kind == "multipart/form-data":
            pairs = _parts(body, media)
        elif kind in ("application/x-www-form-urlencoded", ""):
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        else:
            raise Unreadable(415, "Send a form, or JSON.")
    except ValueError as error:
        raise Unreadable(400, "That isn't a form, or JSON of names and values.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        clean = value.replace("\x00", "")
        found[name] = f"{found[name]};{clean}" if name in found else clean
    if not found or len(found) > MOST_FIELDS:
        raise Unreadable(400, f"A post has between 1 and {MOST_FIELDS} values.")
    return found


def _flat(document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, dict):
        raise Unreadable(400, "Send one JSON object.")
    pairs = []
    for name, value in document.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict | list):
                raise Unreadable(400, f"`{name}` isn't a value, or a list of values.")
            if each is not None:
                pairs.append((str(name), each if isinstance(each, str) else json.dumps(each)))
    return pairs


def _parts(body: bytes, media: str) -> list[tuple[str, str]]:
    """Values of a multipart form; files in it are left out."""
    from email import message_from_bytes
    from email.policy import HTTP

    message = message_from_bytes(b"Content-Type: " + media.encode() + b"\r\n\r\n" + body, policy=HTTP)
    if not message.is_multipart():
        raise Unreadable(400, "That form has no parts.")
    pairs = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name and part.get_filename() is None:
            content = part.get_payload(decode=True)
            pairs.append((str(name), content.decode() if isinstance(content, bytes) else ""))
    return pairs


def _thanks(request: Request, door: IntakePlan, id: str) -> Response:
    """What a sender sees: a page, the plan's page, or the post's id for a program."""
    from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

    if "application/json" in request.headers.get("accept", "") or door.door == "api":
        return JSONResponse({"id": id, "kept": True})
    if door.thanks:
        return RedirectResponse(door.thanks, 303)
    page = (
        f"<!doctype html><title>Thank you</title><p>Thank you. Your message was kept ({html.escape(id[:8])})."
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'"})


def slug(name: str) -> str:
    """A door's name in an address: small letters, digits and hyphens."""
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in name.lower())
    return "-".join(part for part in plain.split("-") if part)


def buffers(workspace: Workspace) -> dict[str, IntakePlan]:
    """The plan's doors that are buffers, by their place in the address.

    Raises:
        UsageError: there is none, or two have the same place.
    """
    found: dict[str, IntakePlan] = {}
    for each in workspace.plan.model.cutover.intake:
        if each.during == "buffer":
            place = slug(each.name)
            if not place or place in found:
                raise UsageError(f"The door `{each.name}` has no place of its own.", "Give it another name.")
            found[place] = each
    if not found:
        raise UsageError(
            "The plan has no door that is a buffer.",
            "Add it under `cutover: {intake: […]}`, with `during: buffer`.",
        )
    return found


def serve(workspace: Workspace, *, host: str, port: int) -> None:
    """Receive until a signal comes.

    Raises:
        UsageError: no door is a buffer, or the packages for it aren't installed.
    """
    try:
        import starlette  # noqa: F401 - `application` needs it
        import uvicorn
    except ImportError as error:
        raise UsageError(
            f"The receiver needs a package that isn't installed ({error.name}).",
            'Install it with the extra `console`: `pip install "crm-migrate[console]"`.',
        ) from error
    from migrate.cutover.posts import opened

    doors = buffers(workspace)
    posts = opened(workspace)
    try:
        app = application(doors, posts)
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)
    finally:
        posts.close()
