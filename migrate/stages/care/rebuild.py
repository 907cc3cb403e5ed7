"""How does a lost ledger come back? Out of the copy that lies beside the data, and out of the journal.

The copy holds what is small and stands nowhere else: attempts, checkpoints, watermarks, decisions. Segments
and batches come out of the segments themselves. A copy that is gone is made up for out of the manifests, as
far as these tell; what can't be known is listed. Killed at any moment, the same command does it again: the
new ledger gets its name when it is whole.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.clock import parse_stamp, stamp
from migrate.errors import Damaged, LeaseHeld, UsageError
from migrate.journal import Journal
from migrate.journal.chain import LOST
from migrate.ledger import Ledger, Transaction, copies
from migrate.ledger.leases import proved_dead, this_process
from migrate.ledger.tables import batches, events, leases, metadata, owner, segments, systems
from migrate.place import LEDGER
from migrate.stages.care.derived import derive
from migrate.storage import flush_folder, free_name
from migrate.workspace import COPY

if TYPE_CHECKING:
    from migrate.workspace import Workspace

AHEAD = 1000  # epochs that a stale process may have had after the last one that we know of
_FRESH = "ledger.db.fresh"
LEASES = "Who held a lease: nobody does now. Make sure that no other command of this workspace still runs."
UNTOLD = (
    "Calls that were under way and had left nothing in the journal: the next load's sweep looks for them."
)


@dataclass(frozen=True)
class Rebuilt:
    """What a new ledger was made of.

    `tables`: rows by table. `from_copy`: the copy was there; else the manifests told. `in_doubt`: batches
    that aren't settled. `unknown`: sentences about what can't be known. `aside`: where the old one lies, "".
    """

    tables: dict[str, int]
    from_copy: bool
    in_doubt: int
    unknown: tuple[str, ...]
    aside: str = ""


def rebuild(workspace: Workspace, *, replace: bool = False, let_go: bool = False) -> Rebuilt:
    """Make the ledger anew.

    Args:
        replace: though there is one that can be read; a file is set aside, a database's rows go.
        let_go: set segments aside that aren't what they were; what they told is lost, and `from_target` looks
            for it in the target.

    Raises:
        UsageError: there is a ledger, or nothing that one could be made of.
        LeaseHeld: the ledger that is to be replaced says that somebody is at work.
        JournalDamaged: a segment is missing or damaged; names the records that it is about.
        Damaged: the same of a segment of which nobody knows more than its own pages.
    """
    if not workspace.has_history() and not let_go:
        raise UsageError(
            "There is no journal and no copy of a ledger here, so there is nothing to make a ledger of.",
            "Restore the workspace from a backup (`migrate restore`).",
        )
    file, url = workspace.place.ledger_file, workspace.environment.get(LEDGER)
    workspace.place.make()
    if url:
        with closing(Ledger(url, workspace.clock)) as ledger:
            there = ledger.owner() is not None
            if there:
                _may_replace(ledger, ledger.backend.name, replace=replace)
            found = _fill(workspace, ledger, empty=not there, let_go=let_go)
    elif file is not None:
        found = _into_file(workspace, file, replace=replace, let_go=let_go)
    else:
        raise UsageError("A workspace on S3 has its ledger in PostgreSQL.", f"Set {LEDGER} to its URL.")
    workspace.forget()
    workspace.ledger.keep_copy()
    return found


def ledger_there(workspace: Workspace) -> bool:
    """Whether the workspace's ledger can be opened."""
    try:
        workspace.ledger  # noqa: B018 - opening is the question
    except Damaged:
        return False
    return True


def _into_file(workspace: Workspace, file: Path, *, replace: bool, let_go: bool) -> Rebuilt:
    if file.exists() and file.stat().st_size:
        _must_be_lost(workspace, file, replace=replace)
    fresh = file.with_name(_FRESH)
    for name in (fresh, *_beside(fresh)):
        name.unlink(missing_ok=True)
    with closing(Ledger(fresh, workspace.clock)) as ledger:
        found = _fill(workspace, ledger, empty=True, let_go=let_go)
    aside = ""
    if file.exists():
        lost = free_name(file.with_name(f"{file.name}.lost-{workspace.clock.now():%Y%m%dT%H%M%S}"))
        for old, new in zip((file, *_beside(file)), (lost, *_beside(lost)), strict=True):
            if old.exists():
                old.replace(new)
        aside = str(lost)
    for name in _beside(file):
        name.unlink(missing_ok=True)  # the log of another database must not be read into this one
    fresh.replace(file)
    flush_folder(file.parent)
    return Rebuilt(found.tables, found.from_copy, found.in_doubt, found.unknown, aside)


def _beside(file: Path) -> tuple[Path, Path]:
    return file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


def _must_be_lost(workspace: Workspace, file: Path, *, replace: bool) -> None:
    try:
        ledger = Ledger(file, workspace.clock)
    except Damaged:
        return
    with closing(ledger):
        if ledger.value(sa.select(systems.c.label).limit(1)) is not None:
            _may_replace(ledger, str(file), replace=replace)


def _may_replace(ledger: Ledger, name: str, *, replace: bool) -> None:
    if not replace:
        raise UsageError(
            f"The ledger {name} is there, and can be read.",
            "`migrate fsck` says whether it is whole; `migrate rebuild --replace` makes a new one.",
        )
    nobody_at_work(ledger)


def nobody_at_work(ledger: Ledger) -> None:
    """Make sure that nobody holds a lease.

    Raises:
        LeaseHeld: somebody does, who isn't proved dead.
    """
    for row in ledger.read(sa.select(leases).where(leases.c.holder.is_not(None))):
        dead = proved_dead(row, one_host=ledger.backend.one_host)
        if not dead and parse_stamp(row.until) > ledger.clock.now():
            raise LeaseHeld(row.system, f"{row.holder} (process {row.pid})", row.host, row.since, row.until)


def _fill(workspace: Workspace, ledger: Ledger, *, empty: bool, let_go: bool) -> Rebuilt:
    """Everything in one transaction."""
    unknown = [LEASES, UNTOLD]
    document = _copy(workspace, unknown)
    lost: dict[str, str] = {}
    last = 0
    with closing(_Nothing(workspace)) as nothing:
        _tell(nothing.ledger, document)
        journal = Journal(workspace.storage.below("journal"), nothing.ledger, workspace.store)
        if let_go and (lost := journal.set_damaged_aside()):
            with nothing.ledger.write() as tx:
                last = int(tx.sql.execute(sa.select(sa.func.max(segments.c.last_seq))).scalar() or 0)
                tx.sql.execute(segments.delete().where(segments.c.name.in_(sorted(lost))))
                tx.event("", LOST, segments=lost)
        rows, known = journal.witness()
    with ledger.write() as tx:
        if not empty:
            for table in reversed(metadata.sorted_tables):
                tx.sql.execute(table.delete())
        if document is not None:
            counts = copies.fill(tx.sql, document)
        else:
            counts = derive(workspace, tx, rows, unknown)
        if rows:
            tx.sql.execute(segments.insert(), rows)
        counts["segments"] = len(rows)
        doubts = _batches(tx, known)
        counts["batches"] = len(known)
        if sum(each["rows"] for each in rows) and not known:
            unknown.append("Which rows are done: the segments are of an earlier version. A load looks again.")
        _epochs(tx, rows)
        if workspace.environment.get(LEDGER) and not counts.get("owner"):
            tx.put(owner, workspace=_id(workspace), at=tx.at)
        if lost:
            tx.event(this_process().holder, LOST, segments=lost, last_seq=last)
        tx.event(this_process().holder, "rebuild", tables=counts, copy=document is not None)
    return Rebuilt(counts, document is not None, doubts, tuple(unknown))


def _tell(ledger: Ledger, document: dict[str, Any] | None) -> None:
    """What the copy knows of segments: their digests, and which ones are known to be lost."""
    if document is None:
        return
    with ledger.write() as tx:
        if document["segments"]:
            tx.sql.execute(segments.insert(), document["segments"])
        part = document["tables"].get(events.name, {"columns": [], "rows": []})
        rows = [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]
        if rows:
            tx.sql.execute(events.insert(), rows)


class _Nothing:
    """An empty ledger that is thrown away: what a journal is asked with when nobody else knows it."""

    def __init__(self, workspace: Workspace) -> None:
        self._file = workspace.place.scratch / "ledger.db.empty"
        self.close()
        self.ledger = Ledger(self._file, workspace.clock)

    def close(self) -> None:
        if "ledger" in self.__dict__:
            self.ledger.close()
        for name in (self._file, *_beside(self._file)):
            name.unlink(missing_ok=True)


def _copy(workspace: Workspace, unknown: list[str]) -> dict[str, Any] | None:
    """The copy, if it is there and can be read."""
    place = workspace.storage.address(COPY)
    try:
        return copies.read(workspace.storage.read(COPY)[0])
    except FileNotFoundError:
        unknown.append(f"What only the copy {place} told: it isn't there.")
    except ValueError as error:
        unknown.append(f"What only the copy {place} told: it can't be read ({error}).")
    return None


def _batches(tx: Transaction, known: list[dict[str, Any]]) -> int:
    """The batches, in the order in which they came; returns how many are in doubt."""
    now = parse_stamp(tx.at)
    made = []
    for number, each in enumerate(known):
        settled = each["state"] == "settled"
        made.append(
            {
                **each,
                "job": each["job"] or None,
                "intended": stamp(now - timedelta(microseconds=len(known) - number)),
                # Nobody knows until when its calls can land: as long as the vendor's longest call from now.
                "deadline": tx.at if settled else stamp(now + timedelta(days=1)),
                "settled": tx.at if settled else None,
            }
        )
    if made:
        tx.sql.execute(batches.insert(), made)
    return sum(each["state"] != "settled" for each in known)


def _epochs(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """Epochs go on above any that a process may still have."""
    last = max((row["epoch"] for row in rows), default=0)
    for row in tx.sql.execute(sa.select(leases)).all():
        last = max(last, row.epoch)
    labels = set(tx.sql.execute(sa.select(systems.c.label)).scalars())
    labels |= set(tx.sql.execute(sa.select(leases.c.system)).scalars())
    for label in sorted(labels):
        tx.put(leases, system=label, epoch=last + AHEAD, holder=None, until=tx.at)


def _id(workspace: Workspace) -> str:
    return str(json.loads(workspace.storage.read("ledger.json")[0])["id"])
