"""How is a copy of the whole workspace taken while commands run? The ledger first, then what it names.

A backup is a manifest that names files by the SHA-256 of their bytes, and the files under these names: the
next backup into the same place copies only what is new. The ledger is taken at one moment; the journal and
the stages are copied after it, so what it names is there, and what came later is merely more: the state of a
workspace after a crash, which every command takes up. A segment that a compaction takes away meanwhile means:
begin again. The manifest is written last; without it there is no backup.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.clock import stamp
from migrate.errors import Busy, Damaged, PlanError, UsageError
from migrate.load.context import Progress, no_progress
from migrate.stages.copies import plan_files
from migrate.storage import FolderStorage, Storage, drop, sha256_of, space
from migrate.store.artifacts import MANIFEST
from migrate.workspace import COPY, TRAIL

if TYPE_CHECKING:
    from migrate.workspace import Workspace

FORMAT = 1
BACKUPS = "backups"
TRIES = 5  # while a compaction takes segments away, or a stage is written anew
LEDGER_KEY, POSTS_KEY = "ledger.db", "intake/posts.db"
# Copied in their own way, or not at all.
_APART = ("stage/", "blobs/", "journal/", "spill/", "purging", "console/", "intake/")
_MADE = frozenset({"ledger.json", COPY, TRAIL})  # made anew where it is restored
_DAMAGED = "Run `migrate fsck --deep`, mend what it names, and take the backup again."


@dataclass(frozen=True)
class Entry:
    """One file of a backup."""

    sha256: str
    bytes: int


@dataclass
class Backup:
    """One backup. `files`: below the state; `plan`: the plan and what it names.

    `last_seq`: the journal's end, as the ledger knew it. `copied`, `copied_bytes`: what this run wrote; the
    rest lay there from earlier ones.
    """

    name: str
    at: str
    workspace: str
    ledger: str  # the kind of database that it was taken from
    last_seq: int
    files: dict[str, Entry] = field(default_factory=dict)
    plan: dict[str, Entry] = field(default_factory=dict)
    copied: int = 0
    copied_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Size of everything."""
        return sum(each.bytes for each in (*self.files.values(), *self.plan.values()))


class _Moved(Exception):
    """Something was taken away, or written anew, while it was copied."""


@contextlib.contextmanager
def place_of(where: str, environment: Mapping[str, str]) -> Iterator[Storage]:
    """The storage that a backup goes to, or comes from: a folder, or `s3://bucket/prefix`."""
    if not where.startswith("s3://"):
        yield FolderStorage(Path(where).resolve())
        return
    from migrate.storage.opening import open_s3

    opened = open_s3(where, environment)
    try:
        yield opened
    finally:
        opened.desk.close()  # the local copies


def backup(workspace: Workspace, where: str, progress: Progress = no_progress) -> Backup:
    """Take a backup into a folder or on S3; other commands may run meanwhile.

    Raises:
        UsageError: the place lies in the workspace's own state.
        Busy: stages changed again and again while they were copied.
        Damaged: something of ours isn't what it was; a copy of it would be no backup.
        NoSpace: the disk refused; what was there before is untouched.
    """
    with place_of(where, workspace.environment) as there:
        return _backup(workspace, there, progress)


def _backup(workspace: Workspace, there: Storage, progress: Progress) -> Backup:
    inside = Path(there.address()).is_relative_to(workspace.storage.address())
    if not (there.remote or workspace.storage.remote) and inside:
        raise UsageError(f"{there.address()} lies in what is to be backed up.", "Name another place.")
    last: Exception | None = None
    for _ in range(TRIES):
        try:
            return _Taking(workspace, there, progress).take()
        except _Moved as error:
            last = error
    raise Busy(
        f"What was to be copied changed again and again ({last}).",
        "Take the backup when no transform and no compaction runs.",
    )


class _Taking:
    def __init__(self, workspace: Workspace, there: Storage, progress: Progress) -> None:
        self.workspace, self.there, self.progress = workspace, there, progress
        self.sizes = dict(workspace.storage.sizes())
        at = stamp(workspace.clock.now())
        self.made = Backup("", at, "", type(workspace.ledger.backend).__name__, 0)

    def take(self) -> Backup:
        workspace, made = self.workspace, self.made
        with contextlib.suppress(FileNotFoundError):
            made.workspace = json.loads(workspace.storage.read("ledger.json")[0])["id"]
        folder = Path(tempfile.mkdtemp(prefix=".backup-", dir=workspace.place.scratch))
        try:
            path = folder / LEDGER_KEY
            workspace.ledger.snapshot(path)
            named = _named(path)
            made.last_seq = max((row["last_seq"] for row in named["segments"]), default=0)
            self._file(path, LEDGER_KEY, sha256_of(path))
            self._journal(named["segments"])
            self._stages({(row["folder"], row["name"]): row["sha256"] for row in named["extracts"]})
            self._posts(folder / "posts.db")
            self._rest()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        content = json.dumps(_document(made), indent=1, sort_keys=True).encode()
        made.name = (
            f"{made.at[:19].replace('-', '').replace(':', '')}Z-{hashlib.sha256(content).hexdigest()[:16]}"
        )
        self.there.write(f"{BACKUPS}/{made.name}.json", content)
        return made

    # -- what is copied -----------------------------------------------------------------------

    def _journal(self, rows: list[dict[str, Any]]) -> None:
        journal = self.workspace.storage.below("journal")
        digests = {row["name"]: row["sha256"] for row in rows}
        live = {Path(path).name for path in self._live()}
        # In the midst of a compaction the ledger may still name what a new segment has taken the place of.
        for name in sorted(live | digests.keys()):
            if name not in live and not journal.has(name):
                raise _Moved(f"segment `{name}`")
            self._key(f"journal/{name}", digests.get(name, ""))

    def _live(self) -> list[str]:
        try:
            return self.workspace.journal.files()
        except Damaged as error:
            raise _Moved(str(error)) from error

    def _stages(self, begun: dict[tuple[str, str], str]) -> None:
        store = self.workspace.store
        keys = [key for key in store.storage.keys("") if key.endswith(f"/{MANIFEST}")]
        for number, key in enumerate(keys, 1):
            self._stage(key.removesuffix(f"/{MANIFEST}"))
            self.progress("stages", number, len(keys))
        for (folder, name), sha256 in begun.items():
            if store.storage.has(f"{folder}/{name}"):
                self._key(f"stage/{folder}/{name}", sha256)

    def _stage(self, folder: str) -> None:
        store, key = self.workspace.store, f"{folder}/{MANIFEST}"
        for _ in range(TRIES):
            try:
                content, _ = store.storage.read(key)
            except FileNotFoundError:
                return  # it has been taken away: it isn't there any more
            manifest = store.manifest(folder)
            if manifest is None:
                return
            try:
                for part in manifest.parts:
                    self._key(f"stage/{folder}/{part.name}", part.sha256)
                if store.storage.read(key)[0] == content:
                    self._bytes(content, f"stage/{key}")
                    return
            except (FileNotFoundError, _Moved):
                if store.storage.has(key) and store.storage.read(key)[0] == content:
                    raise Damaged(
                        store.storage.address(folder), "isn't what its manifest says", _DAMAGED
                    ) from None
        raise _Moved(f"stage `{folder}`")

    def _posts(self, copy: Path) -> None:
        """What came in at doors, on this machine; its receiver may be writing."""
        live = self.workspace.place.scratch / POSTS_KEY
        if live.exists():
            with (
                contextlib.closing(sqlite3.connect(live)) as one,
                contextlib.closing(sqlite3.connect(copy)) as two,
            ):
                one.backup(two)
            self._file(copy, POSTS_KEY, sha256_of(copy))

    def _rest(self) -> None:
        workspace = self.workspace
        names = list(workspace.blobs.names())
        for number, (name, _) in enumerate(names, 1):
            self._key(f"blobs/{name[:2]}/{name[2:]}", name)
            self.progress("files", number, len(names))
        for key in workspace.storage.keys(""):
            ours = key.startswith(_APART) or key in _MADE or key.startswith(LEDGER_KEY)
            if not ours and not key.endswith((".damaged", ".lock")):
                self._bytes(workspace.storage.read(key)[0], key)
        for path in _plan(workspace):
            content, name = path.read_bytes(), path.relative_to(workspace.root).as_posix()
            self._bytes(content, name, plan=True)

    # -- copying ------------------------------------------------------------------------------

    def _key(self, key: str, sha256: str) -> None:
        """A file of the state; `sha256`: what it must be, "" where nobody knows."""
        storage = self.workspace.storage
        if sha256 and key in self.sizes and self.there.has(object_key(sha256)):
            self.made.files[key] = Entry(sha256, self.sizes[key])
            return
        try:
            path = storage.local(key, sha256)
            found = sha256_of(path)
        except OSError as error:
            raise _Moved(f"`{key}`") from error
        if sha256 and found != sha256:
            raise Damaged(storage.address(key), "differs from its digest", _DAMAGED)
        self._file(path, key, found)

    def _file(self, path: Path, key: str, sha256: str) -> None:
        try:
            size = path.stat().st_size
            self._put(path, sha256, size)
        except FileNotFoundError as error:
            raise _Moved(f"`{key}`") from error
        self.made.files[key] = Entry(sha256, size)

    def _bytes(self, content: bytes, key: str, *, plan: bool = False) -> None:
        entry = Entry(hashlib.sha256(content).hexdigest(), len(content))
        if not self.there.has(object_key(entry.sha256)):
            self.there.write(object_key(entry.sha256), content)
            self.made.copied += 1
            self.made.copied_bytes += entry.bytes
        (self.made.plan if plan else self.made.files)[key] = entry

    def _put(self, path: Path, sha256: str, size: int) -> None:
        key = object_key(sha256)
        if self.there.has(key):
            return
        aside = self.there.aside(key)
        try:
            with space(aside):
                shutil.copyfile(path, aside)
            _must_be(aside, sha256)
            self.there.keep(key, aside, sha256, again=False)
        except BaseException:
            drop(aside)
            raise
        self.made.copied += 1
        self.made.copied_bytes += size


def _must_be(path: Path, sha256: str) -> None:
    if sha256_of(path) != sha256:
        raise _Moved(f"`{path}`")


def object_key(sha256: str) -> str:
    """Where a backup keeps the bytes with this digest."""
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def _document(made: Backup) -> dict[str, Any]:
    return {
        "format": FORMAT, "at": made.at, "workspace": made.workspace, "ledger": made.ledger,
        "last_seq": made.last_seq,
        "files": {key: [each.sha256, each.bytes] for key, each in made.files.items()},
        "plan": {key: [each.sha256, each.bytes] for key, each in made.plan.items()},
    }  # fmt: skip


def _named(ledger: Path) -> dict[str, list[dict[str, Any]]]:
    """What a copy of the ledger says of files: segments, and parts of extracts under way."""
    with contextlib.closing(sqlite3.connect(ledger)) as opened:
        opened.row_factory = sqlite3.Row
        return {
            name: [dict(row) for row in opened.execute(f"SELECT * FROM {name}")]
            for name in ("segments", "extracts")
        }


def _plan(workspace: Workspace) -> list[Path]:
    try:
        return list(plan_files(workspace))
    except PlanError:  # a backup is taken all the same
        return [workspace.plan_path] if workspace.plan_path.exists() else []


def names(there: Storage) -> list[str]:
    """Names of the backups in a place, oldest first."""
    return sorted(key.rpartition("/")[2].removesuffix(".json") for key in there.keys(BACKUPS))


def read(there: Storage, name: str | None) -> Backup:
    """A backup's manifest; the newest one where none is named.

    Raises:
        UsageError: there is none.
        Damaged: the manifest isn't what its name says.
    """
    known = names(there)
    if not known or (name is not None and name not in known):
        which = f" `{name}`" if name else ""
        listed = f"There are: {', '.join(known[-5:])}." if known else "`migrate backup` takes one."
        raise UsageError(f"There is no backup{which} in {there.address()}.", listed)
    chosen = name or known[-1]
    key = f"{BACKUPS}/{chosen}.json"
    content, _ = there.read(key)
    if hashlib.sha256(content).hexdigest()[:16] != chosen.rpartition("-")[2]:
        raise Damaged(there.address(key), "isn't what its name says", "Take another backup.")
    found = json.loads(content)
    if found["format"] != FORMAT:
        raise Damaged(there.address(key), "was written by another version", "Use that version.")
    made = Backup(chosen, found["at"], found["workspace"], found["ledger"], int(found["last_seq"]))
    made.files = {key: Entry(*each) for key, each in found["files"].items()}
    made.plan = {key: Entry(*each) for key, each in found["plan"].items()}
    return made
