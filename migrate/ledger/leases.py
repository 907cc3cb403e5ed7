"""Who may write to a system now? One writer a system, by a lease with an epoch.

A lease is free at once when its holder is proved dead on this host (boot id, pid and start of
the process are in it), else at its end. The epoch grows at each taking, so that what a stale
process tries to write is refused. Times are the injected clock's.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp, stamp
from migrate.errors import LeaseHeld, LeaseLost
from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.tables import leases


@dataclass(frozen=True)
class Process:
    """This process, so that another one can tell whether it still lives."""

    holder: str
    host: str
    boot: str
    pid: int
    start: str


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _pid_space() -> str:
    """Which numbering of processes we live in; containers on one host have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:")
    except OSError:
        return ""


def start_of(pid: int) -> str | None:
    """Start of a process in clock ticks since boot; None if it doesn't run (or can't be told)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def this_process() -> Process:
    """The process that runs this."""
    pid = os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    boot = _boot_id()
    return Process(user, socket.gethostname(), boot + _pid_space() if boot else "", pid, start_of(pid) or "")


def proved_dead(row: Any, *, one_host: bool) -> bool:
    """Whether the holder named in a lease row has surely ended: same host, and gone or another boot.

    Args:
        one_host: all who may hold it are on one host. Elsewhere another boot may be another host, for two
            machines of a team can have the same name.
    """
    if row.host != socket.gethostname() or not row.boot:
        return False
    boot, bracket, space = row.boot.partition("[")
    if boot != _boot_id():
        return one_host
    if bracket + space != _pid_space():
        return False  # its number means another process here
    return bool(start_of(row.pid) != row.process)


class Lease:
    """Our right to write to one system. Thread safe.

    Args:
        seconds: how long it lasts from each renewal, in seconds of the ledger's clock.
    """

    def __init__(self, ledger: Ledger, system: str, epoch: int, until: datetime, seconds: float) -> None:
        self.ledger, self.system, self.epoch = ledger, system, epoch
        self._until, self.seconds = until, seconds
        self._lock = Lock()

    @classmethod
    def take(cls, ledger: Ledger, system: str, seconds: float) -> Lease:
        """Take the lease, or refuse.

        Raises:
            LeaseHeld: somebody else holds it; names who, where and since when.
        """
        me = this_process()
        with ledger.write() as tx:
            now = ledger.clock.now()
            row = tx.sql.execute(sa.select(leases).where(leases.c.system == system)).first()
            epoch = 1
            if row is not None:
                mine = (row.host, row.boot, row.pid, row.process) == (me.host, me.boot, me.pid, me.start)
                dead = proved_dead(row, one_host=ledger.backend.one_host)
                free = row.holder is None or parse_stamp(row.until) <= now or mine or dead
                if not free:
                    raise LeaseHeld(
                        system, f"{row.holder} (process {row.pid})", row.host, row.since, row.until
                    )
                epoch = row.epoch + 1
            until = now + timedelta(seconds=seconds)
            tx.put(
                leases,
                system=system,
                epoch=epoch,
                holder=me.holder,
                host=me.host,
                boot=me.boot,
                pid=me.pid,
                process=me.start,
                since=stamp(now),
                until=stamp(until),
            )
        return cls(ledger, system, epoch, until, seconds)

    def guard(self, call: float) -> datetime:
        """Make sure that a call of `call` seconds at most ends within the lease; renew it if need be.

        Returns:
            The call's deadline.

        Raises:
            LeaseLost: another operator has it. The caller sends nothing.
        """
        with self._lock:
            now = self.ledger.clock.now()
            # One that ended unnoticed (a sleep, a long wait) is renewed too, if nobody has taken it since:
            # the ledger's transaction decides.
            if (self._until - now).total_seconds() < call + self.seconds / 2:
                with self.ledger.write(self) as tx:
                    self._renew(tx, now)
            elif self._epoch_now() != self.epoch:
                raise LeaseLost(self.system, "another operator has taken over")
            deadline = now + timedelta(seconds=call)
            if deadline > self._until:
                raise LeaseLost(self.system, "a call could outlast it")
            return deadline

    def keep(self) -> None:
        """Renew it where half of it has gone, so that long reading doesn't lose it.

        Raises:
            LeaseLost: another operator has it.
        """
        with self._lock:
            now = self.ledger.clock.now()
            if (self._until - now).total_seconds() < self.seconds / 2:
                with self.ledger.write(self) as tx:
                    self._renew(tx, now)

    def _epoch_now(self) -> int | None:
        query = sa.select(leases.c.epoch).where(leases.c.system == self.system)
        found = self.ledger.value(query)
        return None if found is None else int(found)

    def _renew(self, tx: Transaction, now: datetime) -> None:
        until = now + timedelta(seconds=self.seconds)
        tx.sql.execute(
            leases.update()
            .where(leases.c.system == self.system, leases.c.epoch == self.epoch)
            .values(until=stamp(until))
        )
        self._until = until

    def release(self) -> None:
        """Give it back, if it is still ours."""
        with self.ledger.write() as tx:
            tx.sql.execute(
                leases.update()
                .where(leases.c.system == self.system, leases.c.epoch == self.epoch)
                .values(holder=None, until=tx.at)
            )
