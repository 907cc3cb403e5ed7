"""What came in at a door while nobody knew where it belongs? Posts, each kept once, each with its end.

A post is on the disk before its sender is told so: one SQLite file beside the workspace's scratch, in which a
commit flushes. The same post sent again, by its own id or by the same words within a minute, is the one
that is there. `received` is always `created + adopted + merged + skipped + refused + waiting`.

It holds personal data, on the machine that receives, until it is forgotten (`forget`); the folder is private.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.errors import NoSpace, UsageError

if TYPE_CHECKING:
    from migrate.clock import Clock
    from migrate.plan.cutover import IntakePlan
    from migrate.workspace import Workspace

SAME = timedelta(minutes=1)  # in which the same words are the same post
ENDS = ("created", "adopted", "merged", "skipped", "refused")
WAITING = "waiting"
_TABLES = (
    """CREATE TABLE IF NOT EXISTS posts (
        id TEXT PRIMARY KEY, door TEXT NOT NULL, at TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL, run INTEGER, side TEXT, key TEXT, target_id TEXT, reason TEXT, ended TEXT)""",
    "CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY AUTOINCREMENT)",  # never the same twice
    "CREATE INDEX IF NOT EXISTS posts_digest ON posts (door, digest, at)",
    "CREATE INDEX IF NOT EXISTS posts_state ON posts (state, door)",
)


class Full(UsageError):
    """More posts wait at a door than the plan lets."""


@dataclass(frozen=True)
class Post:
    """One post. `fields`: as they were posted, by name; `key`: the migration key of its record."""

    id: str
    door: str
    at: str
    fields: Mapping[str, str]
    state: str = WAITING
    run: int | None = None
    side: str = ""
    key: str = ""
    target_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Taken:
    """What became of a post at the door. `fresh`: it wasn't there yet."""

    id: str
    fresh: bool


class Posts:
    """The posts of one workspace. Threads may share it; several processes may open it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock, self._lock, self._path = clock, threading.Lock(), path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._sql = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = FULL")  # a commit is on the disk
        for statement in _TABLES:
            self._sql.execute(statement)

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._sql.execute("BEGIN IMMEDIATE")
                try:
                    yield self._sql
                except BaseException:
                    self._sql.execute("ROLLBACK")
                    raise
                self._sql.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if "full" in str(error) or "disk" in str(error):
                    raise NoSpace(str(self._path), str(error)) from error
                raise

    def take(self, door: IntakePlan, fields: Mapping[str, str], given: str = "") -> Taken:
        """Keep a post; when this returns it is on the disk.

        Args:
            given: its own id, where its sender gave one.

        Raises:
            Full: as many wait as the plan lets.
            NoSpace: the disk refused.
        """
        body = json.dumps(dict(fields), sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{door.name}\n{body}".encode()).hexdigest()
        now = self._clock.now()
        at = stamp(now)
        with self._write() as sql:
            if given:
                id = hashlib.sha256(f"{door.name}\nid\n{given}".encode()).hexdigest()[:32]
                if sql.execute("SELECT 1 FROM posts WHERE id = ?", (id,)).fetchone():
                    return Taken(id, fresh=False)
            else:
                query = "SELECT id FROM posts WHERE door = ? AND digest = ? AND at >= ? ORDER BY at LIMIT 1"
                there = sql.execute(query, (door.name, digest, stamp(now - SAME))).fetchone()
                if there:
                    return Taken(str(there[0]), fresh=False)
                id = hashlib.sha256(f"{digest}\n{at}".encode()).hexdigest()[:32]
            waiting = sql.execute(
                "SELECT count(*) FROM posts WHERE state = ? AND door = ?", (WAITING, door.name)
            ).fetchone()[0]
            if waiting >= door.most:
                raise Full(
                    f"At `{door.name}` {waiting:,} posts wait, as many as the plan lets.",
                    "Run `migrate cutover intake replay`, or raise `most` of the door.",
                )
            sql.execute(
                "INSERT INTO posts (id, door, at, digest, body, state) VALUES (?, ?, ?, ?, ?, ?)",
                (id, door.name, at, digest, body, WAITING),
            )
        return Taken(id, fresh=True)

    def assign(self, doors: Sequence[str], side: str) -> int:
        """Give what waits at these doors, and has no run, to a new run; its number, 0 where nothing waits.

        No number comes twice: what a run has done is known by it.
        """
        where = f"state = '{WAITING}' AND run IS NULL AND door IN ({', '.join('?' * len(doors))})"
        with self._write() as sql:
            if not sql.execute(f"SELECT 1 FROM posts WHERE {where} LIMIT 1", tuple(doors)).fetchone():
                return 0
            run = int(sql.execute("INSERT INTO runs DEFAULT VALUES").lastrowid or 0)
            sql.execute(f"UPDATE posts SET run = ?, side = ? WHERE {where}", (run, side, *doors))
            return run

    def again(self) -> int:
        """Let what was refused wait anew; how many."""
        with self._write() as sql:
            done = sql.execute(
                "UPDATE posts SET state = ?, run = NULL, side = NULL, reason = NULL, ended = NULL "
                "WHERE state IN ('refused', 'skipped')",
                (WAITING,),
            )
            return done.rowcount

    def release(self, run: int) -> None:
        """What a run left waiting may go with another one."""
        with self._write() as sql:
            query = "UPDATE posts SET run = NULL, side = NULL WHERE run = ? AND state = ?"
            sql.execute(query, (run, WAITING))

    def settle(self, ends: Sequence[tuple[str, str, str, str, str]]) -> None:
        """Write ends down: (id, state, key, id in the system, reason)."""
        at = stamp(self._clock.now())
        with self._write() as sql:
            sql.executemany(
                "UPDATE posts SET state = ?, key = ?, target_id = ?, reason = ?, ended = ? WHERE id = ?",
                [(state, key, target, reason, at, id) for id, state, key, target, reason in ends],
            )

    def runs(self) -> list[tuple[int, str]]:
        """Runs that aren't at their end, each with its side."""
        with self._lock:
            query = "SELECT DISTINCT run, side FROM posts WHERE state = ? AND run IS NOT NULL ORDER BY run"
            return [(int(run), str(side)) for run, side in self._sql.execute(query, (WAITING,))]

    def of(self, run: int, door: str, *, most: int = 5_000, after: str = "") -> list[Post]:
        """Posts of a run that came through a door, in the order of their ids."""
        return self._read("run = ? AND door = ? AND id > ? ORDER BY id LIMIT ?", (run, door, after, most))

    def listed(self, state: str = "", *, most: int = 200) -> list[Post]:
        """Posts in a state, or all; the newest first."""
        where = "state = ?" if state else "?1 = ''"
        return self._read(f"{where} ORDER BY at DESC LIMIT ?", (state, most))

    def _read(self, where: str, values: tuple[object, ...]) -> list[Post]:
        names = "id, door, at, body, state, run, side, key, target_id, reason"
        with self._lock:
            rows = self._sql.execute(f"SELECT {names} FROM posts WHERE {where}", values).fetchall()
        found = []
        for id, door, at, body, state, run, *rest in rows:
            side, key, target, reason = (str(each or "") for each in rest)
            found.append(Post(id, door, at, json.loads(body), state, run, side, key, target, reason))
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """By door: received, and how many have each end or wait."""
        found: dict[str, dict[str, int]] = {}
        with self._lock:
            query = "SELECT door, state, count(*) FROM posts GROUP BY door, state"
            rows = self._sql.execute(query).fetchall()
        for door, state, count in rows:
            each = found.setdefault(door, dict.fromkeys(("received", *ENDS, WAITING), 0))
            each[state] += count
            each["received"] += count
        return dict(sorted(found.items()))

    def forget(self, words: str) -> int:
        """Empty the posts in whose values these words stand (a person's address), in any letter case; how
        many. They keep their ends."""
        with self._write() as sql:
            rows = sql.execute("SELECT id, body FROM posts").fetchall()
            theirs = words.lower()
            found = [
                id for id, body in rows if any(theirs in value.lower() for value in json.loads(body).values())
            ]
            sql.executemany("UPDATE posts SET body = '{}', digest = '' WHERE id = ?", [(id,) for id in found])
        return len(found)

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()


def opened(workspace: Workspace) -> Posts:
    """The workspace's posts, on this machine."""
    return Posts(folder(workspace) / "posts.db", workspace.clock)


def folder(workspace: Workspace) -> Path:
    """Where posts and their stages lie."""
    return workspace.place.scratch / "intake"


def there(workspace: Workspace) -> bool:
    """Whether any post was ever received here."""
    return (folder(workspace) / "posts.db").exists()
