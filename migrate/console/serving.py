"""Where does the console listen, and how does it begin and end? On loopback, unless told otherwise.

Elsewhere it speaks TLS only: a session that others can read is theirs. Where it listens is written beside the
runs, so that `invite` makes links that lead there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.console.runs import Runs
from migrate.errors import UsageError
from migrate.storage import write_aside

if TYPE_CHECKING:
    import uvicorn

PORT, LOOPBACK = 8321, "127.0.0.1"
ADDRESS = "address.json"


@dataclass(frozen=True)
class Listening:
    """Where to listen. `names`: how browsers call this host, where it isn't loopback."""

    host: str = LOOPBACK
    port: int = PORT
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    @property
    def secure(self) -> bool:
        """It speaks TLS."""
        return self.certificate is not None

    @property
    def loopback(self) -> bool:
        """Nobody but this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def checked(self) -> Listening:
        """Itself.

        Raises:
            UsageError: it would be open to others without TLS, or under no name; or the certificate can't be
                used.
        """
        if (self.certificate is None) != (self.key is None):
            raise UsageError("TLS needs both a certificate and its key.", "Give `--cert` and `--key`.")
        if not self.loopback and not self.secure:
            raise UsageError(
                f"At {self.host} others can reach the console, and without TLS read what passes.",
                "Give `--cert` and `--key`; or leave it on loopback, and reach it through an SSH tunnel.",
            )
        if not self.names and self.host in ("0.0.0.0", "::"):  # noqa: S104 - refused here
            raise UsageError(
                f"{self.host} is no name by which a browser calls this machine.",
                "Give it with `--name console.example.com`.",
            )
        if self.certificate is not None and self.key is not None:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self.certificate, self.key
                )
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"{self.certificate} and {self.key} can't be used ({error}).",
                    "Give a certificate and its key, both in PEM.",
                ) from error
        return self

    def hosts(self, port: int) -> list[str]:
        """What may stand in a request's Host."""
        names = [
            *self.names,
            *(("127.0.0.1", "localhost", "[::1]") if self.loopback else (_bare(self.host),)),
        ]
        usual = 443 if self.secure else 80
        return [f"{name}:{port}" for name in names] + (names if port == usual else [])

    def url(self, port: int) -> str:
        """How people call it."""
        name = (self.names or ("127.0.0.1" if self.loopback else _bare(self.host),))[0]
        return f"{'https' if self.secure else 'http'}://{name}:{port}"


def _bare(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def bound(listening: Listening) -> socket.socket:
    """A socket that listens there.

    Raises:
        UsageError: the place is taken, or isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((listening.host, listening.port))
    except OSError as error:
        made.close()
        raise UsageError(
            f"Nothing can listen at {listening.host}, port {listening.port} ({error.strerror}).",
            "Another console may be there; give `--port` another number.",
        ) from error
    made.listen(64)
    return made


def server(where: Path | str, listening: Listening, port: int) -> uvicorn.Server:
    """The server, not started yet.

    Raises:
        UsageError: what the extra `console` brings isn't installed.
    """
    try:
        import uvicorn

        from migrate.console.app import application
        from migrate.console.pages import Console
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The console needs `{error.name}`, which isn't installed.",
            "Install it with its extra: `pip install 'crm-migrate[console]'`.",
        ) from error

    console = Console(where, port, listening.secure)
    config = uvicorn.Config(
        application(console, listening.hosts(port)), log_level="warning", access_log=False,
        server_header=False, ssl_certfile=listening.certificate, ssl_keyfile=listening.key,
        timeout_graceful_shutdown=5, proxy_headers=False, lifespan="off", ws="none",
    )  # fmt: skip
    return uvicorn.Server(config)


def serve(where: Path | str, listening: Listening, ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it. Commands that were begun go on.

    Args:
        ready: called with the address, once it listens.

    Raises:
        UsageError: as `checked`, `bound` and `server`.
    """
    taken = bound(listening.checked())
    port = int(taken.getsockname()[1])
    made = server(where, listening, port)
    home = Runs(where).folder
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_aside(home.with_name(ADDRESS), json.dumps({"url": listening.url(port)}).encode())
    ready(listening.url(port))
    asyncio.run(made.serve(sockets=[taken]))


def address(where: Path | str) -> str:
    """Where the console of a workspace listens, or did last; the usual place where none ever did."""
    try:
        return str(json.loads(Runs(where).folder.with_name(ADDRESS).read_bytes())["url"])
    except (OSError, ValueError, KeyError):
        return Listening().url(PORT)


def link(base: str, token: str) -> str:
    """The one-time link."""
    return f"{base}/in/{token}"


__all__: Sequence[str] = ("LOOPBACK", "PORT", "Listening", "address", "link", "serve")
