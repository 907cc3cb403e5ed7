"""A HubSpot portal's files over a real socket: uploads, downloads, and what the store really holds."""

from __future__ import annotations

import ssl
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

from migrate.sandbox.server import Running

TOKEN = "pat-na1-sandbox"
V3 = "/files/v3"


def png(width: int, height: int) -> bytes:
    """A picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Files:
    """The files of one running portal."""

    def __init__(self, running: Running) -> None:
        self.running, self.control = running, running.control
        verify = True if running.ca is None else ssl.create_default_context(cafile=running.ca)
        self.client = httpx2.Client(base_url=running.url, verify=verify, trust_env=False, timeout=60.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def ask(self, method: str, path: str, *, token: str | None = TOKEN, **more: Any) -> httpx2.Response:
        """One request."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def good(self, method: str, path: str, **more: Any) -> Any:
        """The body of a request that must succeed."""
        reply = self.ask(method, path, **more)
        assert reply.is_success, reply.text
        return orjson.loads(reply.content) if reply.content else None

    def upload(
        self,
        name: str = "a.txt",
        content: Any = b"text",
        *,
        folder: str | None = "/in",
        base: str = V3,
        token: str = TOKEN,
        fields: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """Upload a file; it is private unless `options` say otherwise."""
        data = {"options": orjson.dumps({"access": "PRIVATE", **options}).decode(), **(fields or {})}
        if folder is not None:
            data["folderPath"] = folder
        sent = {"file": (name, content, "application/octet-stream")}
        return self.ask("POST", f"{base}/files", files=sent, data=data, token=token)

    def made(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """The file of an upload that must succeed."""
        reply = self.upload(*arguments, **named)
        assert reply.status_code == 201, reply.text
        body: dict[str, Any] = orjson.loads(reply.content)
        return body

    def replace(self, id: str, content: bytes, **options: Any) -> httpx2.Response:
        """Give a file another content."""
        data = {"options": orjson.dumps({"access": "PRIVATE", **options}).decode()}
        return self.ask("PUT", f"{V3}/files/{id}", files={"file": ("other.txt", content)}, data=data)

    def anonymous(self, url: str, **headers: str) -> httpx2.Response:
        """Fetch a URL without a token."""
        return self.client.get(url, headers=headers)

    def truth(self, object: str = "files") -> dict[str, dict[str, Any]]:
        """What the store really holds, by id."""
        return {row["id"]: row for row in self.control.ndjson(f"/truth/{object}")}

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        offset = self.control.get("/clock")["offset"]
        self.control.post("/clock", {"offset": offset + seconds})

    def fault(self, kind: str, **do: Any) -> None:
        """Let the next upload go wrong."""
        on = {"method": "POST", "path": r"/files/v3/files$"}
        self.control.post("/faults", [{"on": on, "do": {"kind": kind, **do}}])

    def contents(self) -> list[Path]:
        """The contents that lie on disk, those being received too."""
        return [path for path in (self.running.data / "files").rglob("*") if path.is_file()]

    def note(self, **properties: str) -> httpx2.Response:
        """Write a note."""
        body = {"properties": {"hs_timestamp": "2024-01-01", **properties}}
        return self.ask("POST", "/crm/v3/objects/notes", json=body)
