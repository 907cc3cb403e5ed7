"""How does a workspace come back from a backup? Everything is compared with its digest before it gets a name.

The files are brought beside the state and looked over there, ledger and journal together; only then do they
take its place, in one rename (on S3: the ledger comes last, in one transaction). A restored journal may lie
behind the target: the next command that writes looks there first (`migrate.load.proven`).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from migrate.clock import SystemClock
from migrate.errors import Damaged, UsageError
from migrate.journal import Journal
from migrate.ledger import Ledger, Transaction
from migrate.ledger.leases import this_process
from migrate.ledger.tables import leases, metadata, owner, sessions, systems, tokens
from migrate.load.context import Progress, no_progress
from migrate.load.proven import RESTORED
from migrate.place import LEDGER
from migrate.stages.care.backup import LEDGER_KEY, Backup, Entry, object_key, place_of, read
from migrate.stages.care.rebuild import AHEAD, nobody_at_work
from migrate.storage import (
    FolderStorage,
    Storage,
    flush_file,
    flush_folder,
    free_name,
    sha256_of,
    space,
    write_aside,
)
from migrate.store import Store
from migrate.workspace import Workspace

_ASIDE = ".migrate.restoring"
_WHOLE = "Take another backup: `migrate restore --at NAME` names one, `migrate restore --list` lists them."


@dataclass(frozen=True)
class Restored:
    """What was restored. `aside`: where the former state lies, "". `plan_kept`: files of the plan that differ
    from the backup's and were left as they are; `plan_written`: those that weren't there."""

    backup: str
    at: str
    files: int
    bytes: int
    last_seq: int
    aside: str = ""
    plan_written: tuple[str, ...] = ()
    plan_kept: tuple[str, ...] = ()


def restore(
    workspace: Workspace, where: str, name: str | None = None, *, replace: bool = False,
    progress: Progress = no_progress,
) -> Restored:  # fmt: skip
    """Bring a backup back into a workspace.

    Args:
        name: of the backup; None: the newest.
        replace: though there is a state, or a ledger; a folder's is set aside.

    Raises:
        UsageError: there is no such backup, or the workspace isn't empty.
        LeaseHeld: somebody works with the state that is to be replaced.
        Damaged: something of the backup isn't what its name says, or its ledger is newer than its journal;
            nothing was changed.
        NoSpace: the disk refused; nothing was changed.
    """
    with place_of(where, workspace.environment) as there:
        return _restore(workspace, there, read(there, name), replace=replace, progress=progress)


def _restore(
    workspace: Workspace, there: Storage, made: Backup, *, replace: bool, progress: Progress
) -> Restored:
    if LEDGER_KEY not in made.files:
        raise Damaged(there.address(), f"the backup `{made.name}` has no ledger", _WHOLE)
    folder = workspace.place.folder
    state = folder / ".migrate" if folder is not None and not workspace.place.remote else None
    if not replace:
        _must_be_empty(workspace, state)
    elif state is None and workspace.has_history():
        raise UsageError(
            f"{workspace.storage.address()} holds a state; nothing on S3 is replaced.", "Name another prefix."
        )
    elif state is not None:
        _nobody(workspace, state)
    aside = (folder or workspace.place.scratch) / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    try:
        _fetch(there, made, aside, progress)
        _look_over(made, aside, there)
        written, kept = _plan(workspace, there, made)
        former = _name(workspace, made, aside, state)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    workspace.forget()
    workspace.ledger.keep_copy()
    return Restored(
        made.name, made.at, len(made.files), made.bytes, made.last_seq, former, tuple(written), tuple(kept)
    )


def _must_be_empty(workspace: Workspace, state: Path | None) -> None:
    holds = state.is_dir() and any(state.iterdir()) if state is not None else workspace.has_history()
    if holds:
        raise UsageError(
            f"{state or workspace.storage.address()} isn't empty.",
            "Restore into another folder, or give `--replace`: the state that is there is then set aside.",
        )


def _nobody(workspace: Workspace, state: Path) -> None:
    """Nobody works with the state that is to be set aside, as far as its ledger can be read."""
    file, url = state / LEDGER_KEY, workspace.environment.get(LEDGER)
    if not url and not file.exists():
        return
    with contextlib.suppress(Damaged), closing(Ledger(url or file, SystemClock())) as ledger:
        nobody_at_work(ledger)


def _fetch(there: Storage, made: Backup, aside: Path, progress: Progress) -> None:
    """Every file beside the state, compared with its digest."""
    with space(aside):
        aside.mkdir(parents=True, mode=0o700)
    for number, (key, entry) in enumerate(sorted(made.files.items()), 1):
        _bring(there, entry, aside / key)
        progress("restore", number, len(made.files))


def _bring(there: Storage, entry: Entry, path: Path) -> None:
    key = object_key(entry.sha256)
    try:
        with there.open(key) as source, space(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        flush_file(path)
    except FileNotFoundError as error:
        raise Damaged(there.address(key), f"is missing; it is `{path.name}`", _WHOLE) from error
    if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
        raise Damaged(there.address(key), f"isn't what its name says; it is `{path.name}`", _WHOLE)


def _look_over(made: Backup, aside: Path, there: Storage) -> None:
    """Do ledger and journal belong together?"""
    with closing(Ledger(aside / LEDGER_KEY, SystemClock())) as ledger:
        journal = Journal(FolderStorage(aside / "journal"), ledger, Store(aside / "stage"))
        flaws, _ = journal.audit()
    for flaw in flaws:
        words = f"the backup `{made.name}` is not whole: its ledger is newer than its journal"
        raise Damaged(there.address(), f"{words} (`{flaw.name}` {flaw.what})", _WHOLE)


def _plan(workspace: Workspace, there: Storage, made: Backup) -> tuple[list[str], list[str]]:
    """Write the files of the plan that aren't there; those that differ stay, and are named."""
    written, kept = [], []
    for name, entry in sorted(made.plan.items()):
        path = workspace.root / name
        content, _ = there.read(object_key(entry.sha256))
        if not path.exists():
            workspace.place.keep(path, content)
            written.append(name)
        elif path.read_bytes() != content:
            kept.append(name)
    return written, kept


def _name(workspace: Workspace, made: Backup, aside: Path, state: Path | None) -> str:
    """Let it take the state's place; returns where the former one lies."""
    url, file, clock = workspace.environment.get(LEDGER), aside / LEDGER_KEY, workspace.clock
    if url:
        (aside / "ledger.json").unlink(missing_ok=True)
        id = made.workspace or uuid.uuid4().hex
        with closing(Ledger(file, clock)) as source, closing(Ledger(url, clock)) as ledger:
            if ledger.owner() not in (None, id):
                raise UsageError(
                    f"{ledger.backend.name} is the ledger of another workspace.", "Name an empty database."
                )
            place = json.dumps({"id": id, "place": ledger.backend.name}).encode()
            with ledger.write() as tx:
                for table in reversed(metadata.sorted_tables):
                    tx.sql.execute(table.delete())
                _pour(source, tx)
                tx.put(owner, workspace=id, at=tx.at)
                _mark(tx, made)
                # Just before the commit: where that fails, the same command does it again.
                write_aside(aside / "ledger.json", place)
                former = _swap(workspace, aside, state)
        return former
    with closing(Ledger(file, clock)) as ledger, ledger.write() as tx:
        tx.sql.execute(owner.delete())
        _mark(tx, made)
    return _swap(workspace, aside, state)


def _swap(workspace: Workspace, aside: Path, state: Path | None) -> str:
    if state is None:
        for path in aside.glob(f"{LEDGER_KEY}*"):
            path.unlink()
        for path in sorted(aside.rglob("*"), key=lambda path: path.name == "manifest.json"):
            if path.is_file():
                key = path.relative_to(aside).as_posix()
                held = workspace.storage.aside(key)
                shutil.copyfile(path, held)
                workspace.storage.keep(key, held, sha256_of(held), again=False)
        return ""
    former = ""
    if state.exists():
        lost = free_name(state.with_name(f".migrate.before-{workspace.clock.now():%Y%m%dT%H%M%S}"))
        state.replace(lost)
        former = str(lost)
    if workspace.environment.get(LEDGER):
        for path in aside.glob(f"{LEDGER_KEY}*"):
            path.unlink()
    aside.replace(state)
    flush_folder(state.parent)
    return former


def _pour(source: Ledger, tx: Transaction) -> None:
    with contextlib.closing(sqlite3.connect(str(source.backend.name))) as opened:
        opened.row_factory = sqlite3.Row
        for table in metadata.sorted_tables:
            if table.name == owner.name:
                continue
            rows = opened.execute(f"SELECT * FROM {table.name}")
            while lot := rows.fetchmany(1000):
                tx.sql.execute(table.insert(), [dict(row) for row in lot])
    if tx.sql.dialect.name == "postgresql":
        from migrate.ledger.copies import count_on

        count_on(tx.sql)


def _mark(tx: Transaction, made: Backup) -> None:
    """Nobody holds a lease, no link is open, and the next command that writes looks at the target first."""
    for door in (sessions, tokens):
        tx.sql.execute(door.delete())
    labels: dict[str, int] = {row.label: 0 for row in tx.sql.execute(sa.select(systems.c.label)).all()}
    labels |= {row.system: row.epoch for row in tx.sql.execute(sa.select(leases)).all()}
    for label, epoch in labels.items():
        tx.put(leases, system=label, epoch=epoch + AHEAD, holder=None, until=tx.at)
    facts: dict[str, Any] = {"backup": made.name, "at": made.at, "last_seq": made.last_seq}
    tx.event(this_process().holder, RESTORED, **facts)
