"""How does HubSpot import a file from a URL?

The request is answered at once; the fetch runs beside the server, because the URL may be the sandbox's own,
and the file is made when it is done. Only this machine's own addresses are fetched, redirects not followed.

A fetch lives in memory and a task in the store: a task without a fetch, after a restart, is fetched again.

Facts: HubSpot, "Import file from URL" and the guide's "Check a file's upload status", read 2026-11-26.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit

import httpx2

from migrate.sandbox.contents import PIECE
from migrate.sandbox.hubspot import files, filing, folders, tasks, wishes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.filing import Body
from migrate.sandbox.vendor import Reply

IMPORT: Final = "file:import"
LOOK: Final = 0.2  # seconds between two looks whether a fetch is done


def begin(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST /files/v3/files/import-from-url/async`."""
    body = call.mapping()
    url = str(body.get("url") or "")
    if not url:
        raise ApiError(400, "Some required fields were not set: [url]")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ApiError(400, f"url `{url}` is not a valid URL")
    wishes.of_json(call, body)
    if bool(body.get("folderId")) == bool(body.get("folderPath")):
        raise ApiError(400, "Exactly one of folderId and folderPath is required")
    return tasks.begin(call, IMPORT, "files/import-from-url/async", body)


def status(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /files/v3/files/import-from-url/async/tasks/{taskId}/status`."""
    task = tasks.get(call, path["id"], IMPORT)
    found = (
        next(filing.files(call.sql, "id = ? AND purged = 0", (task.result,)), None) if task.result else None
    )
    return Reply(200, tasks.render(task, files.render(call, found) if found else None))


@dataclass
class _Fetch:
    path: Path
    file: IO[bytes]
    done: threading.Event = field(default_factory=threading.Event)
    trouble: str = ""
    size: int = 0
    md5: str = ""
    sha256: str = ""


class Fetches:
    """The fetches that run or have run, by task."""

    def __init__(self) -> None:
        self._fetches: dict[str, _Fetch] = {}

    def clear(self) -> None:
        """Forget them."""
        for fetch in self._fetches.values():
            fetch.path.unlink(missing_ok=True)
        self._fetches.clear()

    def work(self, call: Call, task: tasks.Task) -> None:
        """Begin a task's fetch, look again later, or make its file once it is done."""
        fetch = self._fetches.get(task.id)
        if fetch is None:
            path = call.tx.contents.incoming()
            fetch = self._fetches[task.id] = _Fetch(path, path.open("wb"))
            task.status, task.started = "PROCESSING", call.stamp
            tasks.put(call, task)
            threading.Thread(target=_fetch, args=(task.given["url"], fetch), daemon=True).start()
        if not fetch.done.is_set():
            call.tx.later(LOOK, IMPORT, {"task": task.id})
            return
        del self._fetches[task.id]
        try:
            with call.tx.savepoint():
                made = _make(call, task, fetch)
        except ApiError as refusal:
            tasks.fail(call, task, refusal)
        else:
            tasks.end(call, task, str(made.id))
        finally:
            fetch.path.unlink(missing_ok=True)


def _make(call: Call, task: tasks.Task, fetch: _Fetch) -> filing.File:
    if fetch.trouble:
        raise ApiError(400, f"The file could not be downloaded: {fetch.trouble}", "VALIDATION_ERROR")
    given = task.given
    wishes.fits(call, fetch.size)
    sent = unquote(urlsplit(given["url"]).path)
    name = wishes.name(call, given.get("name"), sent, fetch.md5)
    folder = folders.target(call, given.get("folderId"), given.get("folderPath"))
    body = Body.at(fetch.path, fetch.size, fetch.md5, fetch.sha256)
    call.tx.contents.keep(fetch.path, fetch.sha256)
    return files.add(call, None if folder is None else folder.id, name, body, wishes.of_json(call, given))


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _fetch(url: str, fetch: _Fetch) -> None:
    """In a thread of its own: no transaction, no store."""
    try:
        if not _loopback(url):
            fetch.trouble = "only addresses of this machine can be reached"
            return
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        # A sandbox over TLS has an authority of its own, and nothing but loopback is asked.
        with (
            httpx2.Client(trust_env=False, verify=False, timeout=60.0) as client,
            client.stream("GET", url) as reply,
            fetch.file as file,
        ):
            if reply.status_code != 200:
                fetch.trouble = f"the URL answered {reply.status_code}"
                return
            for piece in reply.iter_bytes(PIECE):
                file.write(piece)
                md5.update(piece)
                sha256.update(piece)
                fetch.size += len(piece)
        fetch.md5, fetch.sha256 = md5.hexdigest(), sha256.hexdigest()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        fetch.trouble = str(error) or type(error).__name__
    finally:
        fetch.file.close()
        fetch.done.set()
