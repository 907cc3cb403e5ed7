"""How does a test or an oracle steer a sandbox and look behind its API?

`Control` is the client of `/__control__/…`, which `endpoint.py` serves. What it shows
is the truth as the store holds it, past the vendor's delays and permissions.
Requests there are never faulted and never counted.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import httpx2
import orjson

from migrate.sandbox.store import dumps

PREFIX = "/__control__"


class ControlError(Exception):
    """The control endpoint refused an order; the text says why."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(status, text)

    def __str__(self) -> str:
        return f"The sandbox's control endpoint answered {self.status}: {self.text}"


class Control:
    """Client of one sandbox's control endpoint. Paths are without the prefix: `/faults`."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        verify: ssl.SSLContext | bool = True if ca is None else ssl.create_default_context(cafile=ca)
        # `trust_env` off: a proxy of the environment has no business with loopback.
        self._client = httpx2.Client(base_url=url + PREFIX, verify=verify, trust_env=False, timeout=120.0)

    def get(self, path: str) -> Any:
        """The JSON document at `path`.

        Raises:
            ControlError: the endpoint refused.
        """
        return orjson.loads(self._ask("GET", path))

    def post(self, path: str, document: Any = None) -> Any:
        """Send `document` to `path`; gives the JSON answer.

        Raises:
            ControlError: the endpoint refused.
        """
        return orjson.loads(self._ask("POST", path, document))

    def delete(self, path: str) -> Any:
        """Delete what is at `path`; gives the JSON answer.

        Raises:
            ControlError: the endpoint refused.
        """
        return orjson.loads(self._ask("DELETE", path))

    def ndjson(self, path: str) -> list[dict[str, Any]]:
        """The JSON lines at `path`.

        Raises:
            ControlError: the endpoint refused.
        """
        return [orjson.loads(line) for line in self._ask("GET", path).splitlines()]

    def wait_held(self, count: int = 1, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Wait until exactly `count` requests are held, and show them.

        Raises:
            TimeoutError: after `timeout` wall seconds it were more or fewer.
        """
        end = time.monotonic() + timeout
        while True:
            held: list[dict[str, Any]] = self.get("/held")
            if len(held) == count:
                return held
            if time.monotonic() > end:
                raise TimeoutError(f"{len(held)} requests are held, not {count}, after {timeout:g} seconds.")
            time.sleep(0.01)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, document: Any = None) -> bytes:
        content = None if document is None else dumps(document)
        response = self._client.request(method, path, content=content)
        if response.status_code >= 400:
            raise ControlError(response.status_code, response.text)
        return response.content
