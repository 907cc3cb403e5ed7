"""How is a sandbox started, found and stopped?

`serve` runs one in this process, `launch` in a process of its own that dies
with its parent. Only loopback is served. uvicorn speaks HTTP; the protocol
class here only adds the transport, so that a fault can really cut the line.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from migrate.errors import Damaged, UsageError
from migrate.sandbox.control import Control
from migrate.sandbox.endpoint import Controlled
from migrate.sandbox.pipeline import TRANSPORT, Sandbox
from migrate.sandbox.tls import certificates
from migrate.sandbox.vendor import Vendor

GROUP = "crm_migrate.sandboxes"


class Protocol(H11Protocol):
    """HTTP/1.1 that shows the application its transport, so that a fault can really cut the line."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop."""
        super().connection_made(transport)
        plain = self.config.loaded_app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {TRANSPORT: transport}
            await plain(scope, receive, send)

        self.app = with_transport


class Server(uvicorn.Server):
    """uvicorn with the sandbox's background work, a word when it listens, and a quick, clean end."""

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._sandbox = sandbox
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, start the background work, say so."""
        await super().startup(sockets=sockets)
        self._ticking = asyncio.create_task(self._sandbox.tick())
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on everybody: whoever is held would wait forever."""
        self._ticking.cancel()
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets=sockets)
        self._sandbox.close()

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 — uvicorn's signature
        """End cleanly, with status 0."""
        self.should_exit = True


def find(name: str) -> type[Vendor]:
    """The vendor of this name: an entry point, or a class as `package.module:Class`.

    Raises:
        LookupError: there is none; the text names those that there are.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    if name in known:
        found: type[Vendor] = known[name].load()
        return found
    module, colon, attribute = name.partition(":")
    if colon:
        found = getattr(import_module(module), attribute)
        return found  # noqa: RET504 — `getattr` has no type
    raise LookupError(f"No sandbox is called `{name}`; there are {', '.join(sorted(known)) or 'none'}.")


def serve(
    vendor: str,
    data: Path,
    *,
    port: int = 0,
    tls: bool = False,
    speed: float = 1.0,
    settings: Mapping[str, Any] | None = None,
    until_stdin_ends: bool = False,
) -> None:
    """Serve on loopback until a signal; print one JSON line with `url`, `ca` and `pid` once listening.

    Raises:
        UsageError: the port is taken or not ours to take, the folder can't hold a sandbox, or a setting is
            unknown.
    """
    sandbox = _opened(vendor, data, speed, settings)
    # The protocol must be named: asyncio turns Nagle's delay (40 ms a reply) off only where it is.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        sandbox.close()
        raise UsageError(
            f"Port {port} of this machine can't be had ({error.strerror}).",
            "Name another one with `--port`, leave it out for a free one, or stop what holds it.",
        ) from error
    files = certificates(data) if tls else None
    config = uvicorn.Config(
        Controlled(sandbox),
        interface="asgi3",
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the reply's date is the sandbox's
        timeout_keep_alive=300,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=1 << 20,  # so that too long an address is the vendor's to refuse
        ssl_certfile=None if files is None else str(files.chain),
        ssl_keyfile=None if files is None else str(files.key),
    )

    def ready() -> None:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        ca = None if files is None else str(files.ca.resolve())
        print(json.dumps({"url": url, "ca": ca, "pid": os.getpid()}), flush=True)

    server = Server(config, sandbox, ready)
    if until_stdin_ends:
        threading.Thread(target=_wait_for_end, args=(server,), daemon=True).start()
    server.run(sockets=[listening])


def _opened(vendor: str, data: Path, speed: float, settings: Mapping[str, Any] | None) -> Sandbox:
    try:
        return Sandbox(find(vendor), data, speed=speed, settings=settings)
    except (LookupError, ValueError) as error:
        raise UsageError(str(error.args[0] if error.args else error)) from error
    except OSError as error:
        raise UsageError(
            f"{data}: no sandbox can lie there ({error.strerror or error}).",
            "Name a folder with `--data` that is there, or can be made.",
        ) from error
    except sqlite3.Error as error:
        raise Damaged(
            str(data / "store.db"), f"isn't a sandbox's store, or is in use ({error})", "Name another folder."
        ) from error


def _wait_for_end(server: Server) -> None:
    # A parent that was killed can't stop its children, but its end of the pipe closes.
    while os.read(0, 1024):
        continue
    server.should_exit = True


class Running:
    """A sandbox in a process of its own; a context that stops it at the end."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, ca: Path | None, data: Path) -> None:
        self._process = process
        self.url = url
        self.ca = ca
        self.pid = process.pid
        self.data = data
        self.control = Control(url, ca)

    def stop(self) -> None:
        """End it cleanly; may be called again."""
        self.control.close()
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def launch(
    vendor: str,
    data: Path,
    port: int = 0,
    tls: bool = False,
    speed: float = 1.0,
    settings: Mapping[str, Any] | None = None,
) -> Running:
    """Start `python -m migrate.sandbox` and wait until it listens.

    It ends with `stop()`, or when this process dies. Its messages go to
    `<data>/server.log`.

    Raises:
        RuntimeError: it ended at once; the text holds its last messages.
    """
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "migrate.sandbox", vendor, "--data", str(data), "--port", str(port)]
    command += ["--speed", str(speed), "--settings", json.dumps(dict(settings or {})), "--until-stdin-ends"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    messages = data / "server.log"
    with messages.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--tls"] if tls else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
        )
    assert process.stdout is not None  # noqa: S101 — for the type checker
    line = process.stdout.readline()
    if not line:
        _end(process)
        tail = messages.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"The sandbox `{vendor}` ended with status {process.returncode}:\n{tail}")
    said = json.loads(line)
    return Running(process, said["url"], Path(said["ca"]) if said["ca"] else None, data)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
