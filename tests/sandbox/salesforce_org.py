"""A simulated Salesforce org inside the test's own process: no socket, the clock in the test's hand."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.parts import Reader
from migrate.sandbox.salesforce import SalesforceVendor
from migrate.sandbox.salesforce.seed import ADMIN_TOKEN, READER_TOKEN
from migrate.sandbox.store import Store
from migrate.sandbox.vendor import Reply, Request

__all__ = ["ADMIN_TOKEN", "READER_TOKEN", "Answer", "Org"]
START = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)


class Answer:
    """A reply, decompressed."""

    def __init__(self, reply: Reply) -> None:
        self.status, self.headers = reply.status, reply.headers
        body = reply.content()
        self.body = gzip.decompress(body) if reply.headers.get("Content-Encoding") == "gzip" else body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        return str(self.json[0]["errorCode"])


class Org:
    """One org; `get`, `post` and so on speak to its newest data API as the administrator."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.clock = SandboxClock(start=START)
        self.store = Store(data, self.clock)
        self.vendor = SalesforceVendor(self.clock, settings)
        self.number = 0
        with self.store.begin() as tx:
            self.vendor.setup(tx)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()

    def pass_time(self, seconds: float) -> None:
        """Move the clock and do what falls due, as often as work makes more work."""
        for _ in range(8):
            self.clock.set(offset=self.clock.offset + seconds / 8)
            with self.store.begin() as tx:
                while (task := self.store.next_due(tx)) is not None:
                    self.vendor.due(tx, *task)

    def seed(self, document: dict[str, Any]) -> dict[str, Any]:
        with self.store.begin() as tx:
            return self.vendor.seed(tx, document)

    def act(self, **action: Any) -> dict[str, Any]:
        with self.store.begin() as tx:
            return self.vendor.act(tx, action)

    def truth(self, object: str) -> dict[str, dict[str, Any]]:
        with self.store.begin() as tx:
            return {row["Id"]: row for row in self.vendor.truth(tx, object)}

    def log(self) -> list[tuple[str, str, str]]:
        return self.store.connection.execute("SELECT op, object, id FROM _log ORDER BY seq").fetchall()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        token: str | None = ADMIN_TOKEN,
        **faults: Any,
    ) -> Answer:
        """One request to an absolute path."""
        self.number += 1
        path, _, arguments = path.partition("?")
        pairs = dict(pair.split("=", 1) for pair in arguments.split("&") if pair) | (query or {})
        request = Request(
            method,
            path,
            {name: [value] for name, value in pairs.items()},
            ({"authorization": f"Bearer {token}"} if token else {}) | (headers or {}),
            body if isinstance(body, bytes) else orjson.dumps(body),
            number=self.number,
            scheme="https",
            host="acme.my.salesforce.com",
            raw_path=quote(path),
            **faults,
        )
        reader = self._reader(request)
        if reader is not None:
            reader.write(request.body)
            request = replace(request, body=b"", parts=reader.parts(), trouble=reader.trouble)
        try:
            with self.store.begin(self.number) as tx:
                return Answer(self.vendor.handle(request, tx))
        finally:
            if reader is not None:
                reader.discard()

    def _reader(self, request: Request) -> Reader | None:
        """What takes a body apart before the vendor sees it, as on the line."""
        media = request.headers.get("content-type", "")
        apart = media.startswith("multipart/form-data") and self.vendor.streams(request.method, request.path)
        return Reader(media, self.store.contents) if apart else None

    def get(self, path: str, **rest: Any) -> Answer:
        return self.send("GET", "/services/data/v66.0" + path, **rest)

    def post(self, path: str, body: Any, **rest: Any) -> Answer:
        return self.send("POST", "/services/data/v66.0" + path, body=body, **rest)

    def patch(self, path: str, body: Any, **rest: Any) -> Answer:
        return self.send("PATCH", "/services/data/v66.0" + path, body=body, **rest)

    def delete(self, path: str, **rest: Any) -> Answer:
        return self.send("DELETE", "/services/data/v66.0" + path, **rest)

    def query(self, soql: str, *, all: bool = False, **rest: Any) -> Answer:
        return self.get("/queryAll" if all else "/query", query={"q": soql}, **rest)

    def rows(self, soql: str, *, all: bool = False) -> list[dict[str, Any]]:
        answer = self.query(soql, all=all)
        assert answer.status == 200, answer.text
        return [
            {key: value for key, value in row.items() if key != "attributes"}
            for row in answer.json["records"]
        ]

    def create(self, object: str, **fields: Any) -> str:
        answer = self.post(f"/sobjects/{object}", fields)
        assert answer.status == 201, answer.text
        return str(answer.json["id"])
