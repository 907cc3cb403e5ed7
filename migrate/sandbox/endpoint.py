"""What does a sandbox's control endpoint answer? One method a path of `/__control__/…`.

It stands beside the vendor's API and is never faulted or counted; `control.py` is its client.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from migrate.sandbox.control import PREFIX
from migrate.sandbox.pipeline import Sandbox
from migrate.sandbox.store import dumps
from migrate.sandbox.wire import Receive, Scope, Send


class Controlled:
    """A sandbox with its control endpoint beside the vendor's API: an ASGI application."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._control = sandbox, _application(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        there = self._control if scope["path"].startswith(PREFIX) else self._sandbox
        await there(scope, receive, send)


def _application(sandbox: Sandbox) -> Starlette:
    here = _Endpoint(sandbox)
    return Starlette(
        routes=[
            Route(PREFIX + path, handler, methods=[method])
            for method, path, handler in (
                ("GET", "/health", _json(here.health)),
                ("GET", "/clock", _json(here.clock)),
                ("POST", "/clock", _json(here.set_clock)),
                ("GET", "/faults", _json(here.faults)),
                ("POST", "/faults", _json(here.arm, lists=True)),
                ("DELETE", "/faults", _json(here.disarm)),
                ("GET", "/held", _json(here.held)),
                ("POST", "/release/{id}", _json(here.release)),
                ("POST", "/act", _json(here.act)),
                ("GET", "/automations", _json(here.automations)),
                ("POST", "/automations", _json(here.set_automations)),
                ("GET", "/settings", _json(here.settings)),
                ("POST", "/settings", _json(here.set_settings)),
                ("POST", "/seed", _json(here.seed)),
                ("GET", "/truth", _json(here.objects)),
                ("GET", "/truth/{object}", _lines(here.truth)),
                ("GET", "/log", _lines(here.log)),
                ("GET", "/requests", _lines(here.requests)),
                ("POST", "/save", _json(here.save)),
                ("POST", "/restore", _json(here.restore)),
            )
        ]
    )


class _Endpoint:
    """One method a path: takes the request's arguments and document, gives what is sent back as JSON."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def health(self, _: Any, __: Request) -> Any:
        one = self._sandbox
        return {
            "vendor": one.vendor.name,
            "now": one.clock.now(),
            "requests": len(one.requests),
            "underway": sum(seen.status is None for seen in one.requests[-1000:]),
            "held": len(one.holds),
            "failures": one.failures,
            "soon": one.soon(),
        }

    def clock(self, _: Any, __: Request) -> Any:
        clock = self._sandbox.clock
        return {"now": clock.now(), "speed": clock.speed, "offset": clock.offset}

    def set_clock(self, document: Any, request: Request) -> Any:
        if unknown := document.keys() - {"speed", "offset"}:
            raise ValueError(f"The clock has `speed` and `offset`, but no `{sorted(unknown)[0]}`.")
        self._sandbox.clock.set(speed=document.get("speed"), offset=document.get("offset"))
        self._sandbox.run_due()
        return self.clock(None, request)

    def faults(self, _: Any, __: Request) -> Any:
        return self._sandbox.faults.as_json()

    def arm(self, document: Any, _: Request) -> Any:
        return self._sandbox.faults.arm(document if isinstance(document, list) else [document])

    def disarm(self, _: Any, __: Request) -> Any:
        self._sandbox.faults.clear()
        return []

    def held(self, _: Any, __: Request) -> Any:
        return self._sandbox.holds.as_json()

    def release(self, _: Any, request: Request) -> Any:
        self._sandbox.holds.release(request.path_params["id"])
        return {"released": request.path_params["id"]}

    def act(self, document: Any, _: Request) -> Any:
        return self._sandbox.act(document)

    def automations(self, _: Any, __: Request) -> Any:
        return self._sandbox.vendor.automations

    def set_automations(self, document: Any, _: Request) -> Any:
        known = self._sandbox.vendor.automations
        if unknown := document.keys() - known.keys():
            raise ValueError(f"No automation is called `{sorted(unknown)[0]}`; there are {sorted(known)}.")
        known.update({name: bool(on) for name, on in document.items()})
        return known

    def settings(self, _: Any, __: Request) -> Any:
        return self._sandbox.vendor.settings

    def set_settings(self, document: Any, _: Request) -> Any:
        vendor = self._sandbox.vendor
        vendor.set(document)
        return vendor.settings

    def seed(self, document: Any, _: Request) -> Any:
        with self._sandbox.store.begin() as tx:
            return self._sandbox.vendor.seed(tx, document)

    def objects(self, _: Any, __: Request) -> Any:
        self._sandbox.run_due()
        vendor = self._sandbox.vendor
        with self._sandbox.store.begin() as tx:
            return {name: sum(1 for _ in vendor.truth(tx, name)) for name in vendor.objects(tx)}

    def truth(self, request: Request) -> Iterable[Any]:
        self._sandbox.run_due()
        name = request.path_params["object"]
        # All at once: between two records of a truth nothing may change.
        with self._sandbox.store.begin() as tx:
            if name not in (known := self._sandbox.vendor.objects(tx)):
                raise KeyError(f"No object is called `{name}`; there are {', '.join(known)}.")
            return list(self._sandbox.vendor.truth(tx, name))

    def log(self, request: Request) -> Iterable[Any]:
        self._sandbox.run_due()
        names = ("seq", "at", "request", "actor", "op", "object", "id", "before", "after", "note")
        rows = self._sandbox.store.connection.execute(
            f"SELECT {', '.join(names)} FROM _log WHERE seq > ? ORDER BY seq", (_after(request),)
        )
        for row in rows:
            line = dict(zip(names, row, strict=True))
            for key in ("before", "after"):
                line[key] = None if line[key] is None else orjson.Fragment(line[key])
            yield line

    def requests(self, request: Request) -> Iterable[Any]:
        after = _after(request)
        return (seen for seen in self._sandbox.requests if seen.number > after)

    def save(self, document: Any, _: Request) -> Any:
        self._sandbox.save(Path(_given(document, "to")))
        return {"saved": document["to"]}

    def restore(self, document: Any, _: Request) -> Any:
        self._sandbox.restore(Path(_given(document, "from")))
        return {"restored": document["from"]}


def _after(request: Request) -> int:
    return int(request.query_params.get("after", 0))


def _given(document: dict[str, Any], name: str) -> Any:
    """What an order must name.

    Raises:
        ValueError: it doesn't.
    """
    if name not in document:
        raise ValueError(f"`{name}` is missing.")
    return document[name]


def _order(body: bytes, lists: bool) -> Any:
    """The document of a request.

    Raises:
        ValueError: it is none, or of another shape than an order has.
    """
    document = orjson.loads(body) if body else {}
    if not isinstance(document, dict) and not (lists and isinstance(document, list)):
        raise ValueError("An order is a JSON object.")
    return document


def _json(handler: Callable[[Any, Request], Any], *, lists: bool = False) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        body = await request.body()
        try:
            return Response(dumps(handler(_order(body, lists), request)), media_type=_JSON)
        except (ValueError, TypeError, LookupError, OSError, sqlite3.DatabaseError) as error:
            return _refusal(error)

    return answer


def _lines(handler: Callable[[Request], Iterable[Any]]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            content = b"".join(dumps(line) + b"\n" for line in handler(request))
        except (ValueError, TypeError, LookupError, OSError) as error:
            return _refusal(error)
        return Response(content, media_type="application/x-ndjson")

    return answer


_JSON = "application/json"


def _refusal(error: Exception) -> Response:
    status = 404 if isinstance(error, KeyError | FileNotFoundError) else 400
    return Response(
        dumps({"error": type(error).__name__, "message": _words(error)}), status_code=status, media_type=_JSON
    )


def _words(error: Exception) -> str:
    # A KeyError's own text is the repr of what it was given.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
