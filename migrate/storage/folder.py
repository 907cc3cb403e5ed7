"""How does a file become visible whole in a folder? Written aside, flushed to disk, renamed.

Asides begin with a dot and end in `.aside`; what a killed process left of them counts for nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from migrate.errors import Damaged, NoSpace
from migrate.storage.kind import ANY, NEW, Found


@contextlib.contextmanager
def space(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into `NoSpace`, naming the path."""
    try:
        yield
    except OSError as error:
        raise NoSpace(str(path), error.strerror or str(error)) from error


def flush_file(path: Path) -> None:
    """Make a file's bytes durable.

    Raises:
        NoSpace: the disk refused.
    """
    with space(path), path.open("rb+") as out:
        os.fsync(out.fileno())


def flush_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.aside")


def write_aside(path: Path, content: bytes) -> None:
    """Write a whole file: aside, flushed, renamed. A reader sees the old one or the new one."""
    aside = aside_of(path)
    try:
        with space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(path)
            flush_folder(path.parent)
    except NoSpace:
        drop(aside)
        raise


def drop(aside: Path) -> None:
    """Give back the space of a file that could not be finished."""
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """The path, or where something lies there already, the same with a number after it."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, streamed."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class FolderStorage:
    """A folder of this machine, or one that a team has mounted; what each method promises: see `Storage`."""

    remote = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        return self.root / key

    def address(self, key: str = "") -> str:
        return str(self._path(key))

    def below(self, key: str) -> FolderStorage:
        return FolderStorage(self._path(key))

    def read(self, key: str) -> tuple[bytes, str]:
        content = self._path(key).read_bytes()
        return content, hashlib.sha256(content).hexdigest()

    def tag(self, key: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self.read(key)[1]
        return NEW

    def write(self, key: str, content: bytes, over: str = ANY) -> str:  # noqa: ARG002 - a lock keeps others out
        write_aside(self._path(key), content)
        return hashlib.sha256(content).hexdigest()

    def aside(self, key: str) -> Path:
        path = self._path(key)
        with space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return aside_of(path)

    def keep(self, key: str, aside: Path, sha256: str, over: str = ANY, *, again: bool = True) -> None:  # noqa: ARG002
        path = self._path(key)
        with space(path):
            with aside.open("rb+") as out:
                os.fsync(out.fileno())
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                flush_folder(path.parent.parent)
            aside.replace(path)
            flush_folder(path.parent)

    def local(self, key: str, sha256: str = "") -> Path:  # noqa: ARG002 - `find` is what compares here
        return self._path(key)

    def open(self, key: str) -> IO[bytes]:
        return self._path(key).open("rb")

    def has(self, key: str) -> bool:
        return self._path(key).is_file()

    def find(self, key: str) -> Found | None:
        path = self._path(key)
        try:
            return Found(path.stat().st_size, sha256_of(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Damaged(str(path), f"can't be read ({error.strerror})", "Look after that disk.") from error

    def keys(self, under: str = "") -> list[str]:
        return sorted(key for key, _ in self.sizes(under))

    def folders(self, under: str = "") -> list[str]:
        root = self._path(under)
        return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []

    def sizes(self, under: str = "") -> Iterator[tuple[str, int]]:
        for path in self._path(under).rglob("*"):
            key = path.relative_to(self.root)
            if path.is_file() and not any(part.startswith(".") for part in key.parts):
                yield key.as_posix(), path.stat().st_size

    def older(self, under: str, than: timedelta) -> list[str]:
        end = time.time() - than.total_seconds()
        return [key for key in self.keys(under) if self._path(key).stat().st_mtime < end]

    def remove(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            with contextlib.suppress(OSError):  # there is something left in it
                while folder != self.root:
                    folder.rmdir()
                    folder = folder.parent

    def set_aside(self, key: str) -> str:
        path = self._path(key)
        aside = path.with_name(f"{path.name}.damaged")
        with contextlib.suppress(FileNotFoundError):  # somebody else has found it out too
            path.replace(aside)
        return aside.name

    def prove(self) -> None:
        pass  # locks and leases keep writers apart in a folder

    def clean(self, under: str = "", idle: float = 0.0) -> None:
        for path in self._path(under).rglob(".*.aside"):
            with contextlib.suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - path.stat().st_mtime >= idle:
                    drop(path)

    def room(self) -> int | None:
        with space(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.root).free
