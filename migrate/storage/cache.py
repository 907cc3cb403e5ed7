"""Where are local copies of what lies on S3, and who may lose them? In a private cache, and anybody.

Copies are named by the SHA-256 of their bytes, so a copy is right or it isn't there; each is compared with
its name when a process first takes it. The cache is bounded: what was used longest ago goes first. A process
works with hard links in a folder of its own (its *desk*), so that no copy goes away under it; the bound may
be exceeded by what the commands that run just now have on their desks. A desk goes with its process, or, if
that was killed, with the next one that comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from migrate.errors import UsageError
from migrate.storage.folder import drop, sha256_of, space

FOLDER, LIMIT = "MIGRATE_CACHE", "MIGRATE_CACHE_LIMIT"  # environment variables
DEFAULT_LIMIT = "20GB"
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB|TB)", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Desk:
    """One process's private folder, and the cache that it shares with others of the same user.

    Args:
        root: of the cache; made private (0700).
        limit: bytes that the cache may hold.

    Raises:
        UsageError: the folder is somebody else's.
        NoSpace: it can't be made.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self._limit = root, limit
        self._files, desks = root / "files", root / "desks"
        with space(root):
            for folder in (root, self._files, desks):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if root.stat().st_uid != os.geteuid():
            raise UsageError(
                f"{root} belongs to another user; local copies of records must be private.",
                f"Name another folder for them with the variable {FOLDER}.",
            )
        root.chmod(0o700)
        self._at: dict[str, str] = {}  # key -> digest of the copy that lies on the desk
        self._size: int | None = None
        self._guard = Lock()
        self.folder = desks / uuid.uuid4().hex
        with space(self.folder):
            fresh = desks / f".{self.folder.name}"
            self._lock = fresh.open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            fresh.rename(desks / f"{self.folder.name}.lock")  # locked before anyone sees it
            for part in (self.folder, self.folder / "at", self.folder / "aside"):
                part.mkdir(mode=0o700)
        _clear(desks)

    def aside(self, key: str) -> Path:
        """A path on the desk where a file can be written."""
        path = self.folder / "aside" / f"{uuid.uuid4().hex}-{key.rpartition('/')[2]}"
        with space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def have(self, key: str, sha256: str) -> Path | None:
        """The copy with these bytes, on the desk under its key; None where there is none."""
        path = self.folder / "at" / key
        with self._guard:
            if self._at.get(key) == sha256 and path.exists():
                return path
        kept = self._kept(sha256)
        try:
            if sha256_of(kept) != sha256:
                drop(kept)
                return None
            os.utime(kept)
        except OSError:
            return None
        return self._lay(key, sha256, kept)

    def take(self, key: str, sha256: str, path: Path) -> Path:
        """Lay a file with these bytes on the desk under its key, and take it into the cache."""
        kept, at = self._kept(sha256), self.folder / "at" / key
        with space(at), self._guard:
            at.parent.mkdir(parents=True, exist_ok=True)
            path.replace(at)
            self._at[key] = sha256
            kept.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # it is there, or links can't be made: then it isn't cached
                os.link(at, kept)
        self._bound(at.stat().st_size)
        return at

    def _kept(self, sha256: str) -> Path:
        return self._files / sha256[:2] / sha256

    def _lay(self, key: str, sha256: str, kept: Path) -> Path | None:
        path = self.folder / "at" / key
        with self._guard, space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            try:
                os.link(kept, path)
            except FileNotFoundError:
                return None  # another process has made room
            except OSError:
                shutil.copyfile(kept, path)  # a file system without links
            self._at[key] = sha256
        return path

    def _bound(self, added: int) -> None:
        """Make room: what was used longest ago goes first."""
        with self._guard:
            if self._size is not None and self._size + added <= self._limit:
                self._size += added
                return
            found = []
            for path in self._files.glob("*/*"):
                with contextlib.suppress(FileNotFoundError):
                    told = path.stat()
                    found.append((told.st_mtime, told.st_size, path))
            self._size = sum(size for _, size, _ in found)
            for _, size, path in sorted(found):
                if self._size <= self._limit:
                    break
                drop(path)
                self._size -= size

    def close(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        drop(self.folder.with_suffix(".lock"))
        self._lock.close()


def _clear(desks: Path) -> None:
    """Remove the desks of processes that were killed."""
    for path in desks.glob("*.lock"):
        with contextlib.suppress(OSError), path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a living one's raises
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)


def open_desk(environment: Mapping[str, str]) -> Desk:
    """A desk in the cache that the environment names; by default `~/.cache/migrate`.

    Raises:
        UsageError: the limit isn't one, or the folder is somebody else's.
    """
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    given = environment.get(LIMIT) or DEFAULT_LIMIT
    found = _SIZE.fullmatch(given.strip())
    if found is None:
        raise UsageError(f"{LIMIT} is `{given}`, which is no size.", "Write it like `50GB`.")
    limit = int(found[1]) * _UNITS[found[2].upper()]
    return Desk(Path(environment.get(FOLDER) or Path(base) / "migrate").expanduser().absolute(), limit)
