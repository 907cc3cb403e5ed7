"""What happens to the product at the n-th write or call? The product runs here, unmodified.

Only names of the standard library are wrapped, from outside: `os.fsync`, `os.replace`, `os.rename`,
`os.unlink`, commits of `sqlite3`, the requests that change something on S3 (`put`: before it nothing is sent;
`answer`: before it all is sent, after it the answer is there), and `send` and `recv` of sockets. Each passage
is a numbered point; an `Order` kills, stops or fails the process before or after one of them. As a program:

    python -m tests.harness.under --at 12 --side before --kinds fsync,replace,commit -- -w DIR load

As a server (`--serve`) it reads orders as JSON lines and forks a product for each, so that a campaign of
hundreds of runs doesn't import the product hundreds of times.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

WRITES = ("fsync", "replace", "rename", "unlink", "commit", "put", "answer")
CALLS = ("send", "recv")


@dataclass(frozen=True)
class Order:
    """What happens where.

    `at`: number of the passage (1 is the first), counted over passages of `kinds` whose text contains
    `match`. `do`: kill; stop (SIGSTOP, goes on at SIGCONT); half (of a `send`: half is sent, then stop);
    full (no space left, from this passage on). `record`: file that gets a line a point.
    """

    at: int = 0
    side: str = "before"
    kinds: tuple[str, ...] = WRITES
    do: str = "kill"
    match: str = ""
    record: str = ""


@dataclass
class Points:
    """Counts the passages of one process."""

    order: Order
    count: int = 0
    hit: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _out: TextIO | None = None

    def pass_by(self, kind: str, what: str, work: Callable[[], Any]) -> Any:
        """Carry out `work`, with what is ordered before or after it."""
        if kind not in self.order.kinds or self.order.match not in what:
            return work()
        with self._lock:
            self.count += 1
            number = self.count
            if self.order.record:
                self._out = self._out or open(self.order.record, "a", buffering=1)  # noqa: PTH123, SIM115
                self._out.write(json.dumps([number, kind, what]) + "\n")
        if self.order.at and self.order.do == "full" and number >= self.order.at:
            self._refuse(kind, what)
        if number == self.order.at and self.order.side == "before":
            self._strike()
        try:
            return work()
        finally:
            if number == self.order.at and self.order.side == "after":
                self._strike()

    def _strike(self) -> None:
        if self.order.do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            stop()

    @staticmethod
    def _refuse(kind: str, what: str) -> None:
        if kind == "commit":
            raise sqlite3.OperationalError("database or disk is full")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)

    def half(self, what: str) -> bool:
        """Is only half of this `send` to be sent, with a stop after it?"""
        if self.order.do != "half" or self.order.match not in what:
            return False
        with self._lock:
            self.count += 1
            return self.count == self.order.at


def stop() -> None:
    """SIGSTOP, before this thread's next step.

    A signal to the process may be taken by another thread, and this one would go on for some microseconds:
    long enough to send the other half.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def install(order: Order) -> Points:
    """Wrap the standard library's names in this process."""
    points = Points(order)
    for name in ("fsync", "replace", "rename", "unlink"):
        _wrap(os, name, points)

    class Connection(sqlite3.Connection):
        """A connection whose commits are points; their text is the transaction's writing statements."""

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._said: list[str] = []
            self.set_trace_callback(self._hear)

        def _hear(self, statement: str) -> None:
            if statement.startswith("BEGIN"):
                self._said = []
            elif not statement.startswith(("SELECT", "PRAGMA", "COMMIT")):
                self._said.append(statement[:1000])

        def commit(self) -> None:
            if self.in_transaction:
                points.pass_by("commit", " ; ".join(self._said), super().commit)

    plain = sqlite3.connect

    def connect(*args: Any, **more: Any) -> Any:
        more.setdefault("factory", Connection)
        return plain(*args, **more)

    sqlite3.connect = connect
    sqlite3.dbapi2.connect = connect
    if os.environ.get("MIGRATE_LEDGER"):
        _wrap_commits_of_postgres(points)
    _calls_of_s3(points)
    _sockets(points)
    return points


def _wrap_commits_of_postgres(points: Points) -> None:
    import psycopg

    plain = psycopg.Connection.commit

    def commit(self: psycopg.Connection[Any]) -> None:
        if self.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
            points.pass_by("commit", "", lambda: plain(self))
        else:
            plain(self)

    psycopg.Connection.commit = commit  # type: ignore[method-assign]


def _calls_of_s3(points: Points) -> None:
    """The product's only client that goes through `http.client` is S3's."""
    from http.client import HTTPConnection

    begin, send, answer = HTTPConnection.putrequest, HTTPConnection.endheaders, HTTPConnection.getresponse
    asked: dict[int, str] = {}

    def begun(self: HTTPConnection, method: str, url: str, *rest: Any, **more: Any) -> None:
        asked[id(self)] = f"{method} {url}"
        begin(self, method, url, *rest, **more)

    def passing(self: HTTPConnection, kind: str, work: Callable[[], Any]) -> Any:
        what = asked.get(id(self), "")
        return points.pass_by(kind, what, work) if what.startswith(("PUT ", "POST ", "DELETE ")) else work()

    def sent(self: HTTPConnection, *given: Any, **more: Any) -> None:
        passing(self, "put", lambda: send(self, *given, **more))

    def answered(self: HTTPConnection) -> Any:
        return passing(self, "answer", lambda: answer(self))

    HTTPConnection.putrequest = begun  # type: ignore[method-assign]
    HTTPConnection.endheaders = sent  # type: ignore[method-assign]
    HTTPConnection.getresponse = answered  # type: ignore[method-assign]


def _wrap(module: Any, name: str, points: Points) -> None:
    plain = getattr(module, name)

    def counted(*args: Any, **more: Any) -> Any:
        what = str(args[-1] if name == "replace" else args[0])
        if name == "fsync":
            what = os.path.realpath(f"/proc/self/fd/{args[0]}")
        if name == "unlink" and not os.path.lexists(args[0]):
            return plain(*args, **more)  # nothing is there, so nothing is written
        if points.order.do == "full" and name == "fsync" and os.path.isdir(what):  # noqa: PTH112
            return plain(*args, **more)  # a folder's flush needs no space
        return points.pass_by(name, what, lambda: plain(*args, **more))

    setattr(module, name, counted)


def _sockets(points: Points) -> None:
    send, recv = socket.socket.send, socket.socket.recv

    def sent(self: socket.socket, data: Any, *flags: int) -> int:
        what = bytes(data[:200]).decode("latin-1")
        if points.half(what):
            count = send(self, bytes(data)[: max(1, len(data) // 2)], *flags)
            stop()
            return count
        done: int = points.pass_by("send", what, lambda: send(self, data, *flags))
        return done

    def received(self: socket.socket, size: int, *flags: int) -> bytes:
        done: bytes = points.pass_by("recv", "", lambda: recv(self, size, *flags))
        return done

    socket.socket.send = sent  # type: ignore[method-assign, assignment]
    socket.socket.recv = received  # type: ignore[method-assign, assignment]


def product(arguments: Sequence[str], order: Order) -> int:
    """Run the product's command line under an order; gives its exit code."""
    from migrate.cli.root import run

    install(order)
    return run(list(arguments))


# -- a server of products ---------------------------------------------------------------------


def preload() -> None:
    """Import what the product imports, so that a fork has it already. Starts no thread."""
    import importlib

    for name in (
        "duckdb", "pandas", "pyarrow", "pyarrow.compute", "pyarrow.parquet", "pyarrow.csv", "sqlalchemy",
        "alembic", "httpx2", "httpcore2", "h11", "anyio.to_thread", "anyio.streams.tls", "pydantic",
        "sqlglot", "ruamel.yaml", "rapidfuzz", "orjson", "tqdm", "jinja2", "pyarrow.pandas_compat",
        "multiprocessing.synchronize", "sqlalchemy.dialects.sqlite", "sqlglot.parsers.duckdb",
        "sqlglot.generators.duckdb", "tzdata", "migrate.cli.root", "migrate.cli.stages",
        "migrate.cli.plans", "migrate.cli.evidence", "migrate.cli.letters", "migrate.cli.rollback",
        "migrate.workspace", "migrate.journal", "migrate.ledger", "migrate.engine", "migrate.store",
        "migrate.plan", "migrate.stages.load", "migrate.stages.extract", "migrate.stages.pipeline",
        "migrate.stages.check", "migrate.stages.transform", "migrate.stages.discover",
        "migrate.stages.prepare", "migrate.connectors.salesforce", "migrate.connectors.hubspot",
        "migrate_validators", "migrate_rollback", "migrate.storage.opening", "boto3.session",
        "botocore.client",
    ):  # fmt: skip
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # the product imports it by itself, or says what is wrong


def serve() -> None:
    """Answer `{"start": …}` and `{"wait": pid}` on stdin until it ends; then end all that still run."""
    preload()
    living: set[int] = set()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid = os.fork()
            if pid == 0:
                _child(asked["start"])
            living.add(pid)
            print(json.dumps({"pid": pid}), flush=True)
        else:
            _, status = os.waitpid(asked["wait"], 0)
            living.discard(asked["wait"])
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def _child(start: Mapping[str, Any]) -> None:
    code = 70
    try:
        for number, (path, flags) in enumerate((
            (os.devnull, os.O_RDONLY),
            (start["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (start["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )):  # fmt: skip
            handle = os.open(path, flags, 0o600)
            os.dup2(handle, number)
            os.close(handle)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        os.environ.clear()
        os.environ.update(start["environment"])
        random.seed()
        given = dict(start["order"])
        code = product(start["arguments"], Order(**(given | {"kinds": tuple(given["kinds"])})))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's loop
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def as_document(order: Order) -> dict[str, Any]:
    """An order as the server reads it."""
    return asdict(order)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--side", choices=("before", "after"), default="before")
    parser.add_argument("--kinds", default=",".join(WRITES))
    parser.add_argument("--do", choices=("kill", "stop", "half", "full"), default="kill")
    parser.add_argument("--match", default="")
    parser.add_argument("--record", default="")
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    order = Order(given.at, given.side, tuple(given.kinds.split(",")), given.do, given.match, given.record)
    sys.exit(product(given.arguments, order))


if __name__ == "__main__":
    main()
