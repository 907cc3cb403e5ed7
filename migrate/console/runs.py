"""How does the console act? It runs a command, as a process of its own, and keeps what became of it.

A command outlives the console: it has its own session, its words go into files, and a process beside it notes
how it ended (`runner`). So a console that is killed leaves the workspace whole, and the next one finds every
command again. A run is named by the form that asked for it: a form that is sent twice runs once.

The files lie in `.migrate/console/runs/<id>` (of a workspace on S3, in this user's state folder). They are no
evidence: what a command did stands in the ledger. Backups leave them out, a purge removes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from migrate.clock import stamp
from migrate.errors import UsageError
from migrate.ledger.leases import proved_dead
from migrate.storage import write_aside

REQUEST, PROCESS, END, OUT, ERR = "request.json", "process.json", "end.json", "stdout.txt", "stderr.txt"
KEPT = 200  # runs that are kept
TAIL = 4_000  # bytes of what a command says that are shown
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
# A child of nobody's: it outlives us, and isn't left to us to bury.
_APART = """import os, sys
if os.fork(): os._exit(0)
from pathlib import Path
from migrate.console.runner import main
main(Path(sys.argv[1]))"""
_BEGINS = 30.0  # seconds until one that hasn't begun never will
State = Literal["running", "done", "look", "failed", "stopped", "lost"]
STATES: Mapping[State, str] = {
    "running": "under way", "done": "done", "look": "done, look at what remains",
    "failed": "ended with an error", "stopped": "was stopped; what it did is kept",
    "lost": "ended, nobody saw how",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A command that was asked for. `command`: as one would type it. `exit_code`: None until it ended.

    `answer`: the document that it printed. `said`: the end of what it told on stderr.
    """

    id: str
    act: str
    title: str
    command: str
    person: str
    began: str
    state: State
    ended: str = ""
    exit_code: int | None = None
    answer: Mapping[str, Any] | None = None
    said: str = ""

    @property
    def words(self) -> str:
        """How it stands."""
        return STATES[self.state]

    @property
    def message(self) -> str:
        """What a person should know of its end."""
        told = dict(self.answer or {})
        return str(told.get("message") or told.get("words") or "")


class Runs:
    """The commands of one workspace.

    Args:
        where: the workspace, a folder or `s3://bucket/prefix`.
        folder: where their files lie.
    """

    def __init__(self, where: Path | str, folder: Path | None = None) -> None:
        self.where = where.resolve() if isinstance(where, Path) else where
        self.folder = folder or _folder(self.where)

    def start(
        self, id: str, *, act: str, title: str, arguments: Sequence[str], person: str,
        more: Mapping[str, str] | None = None,
    ) -> Run:  # fmt: skip
        """Run a command; where this id has run already, nothing happens.

        Args:
            arguments: what stands behind `migrate`, without a secret.
            person: who asked for it; the trail names them.
            more: variables of its environment.

        Raises:
            UsageError: the id is none.
        """
        if not _ID.fullmatch(id):
            raise UsageError("That form has no name of its own.", "Load the page again.")
        place = self.folder / id
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            return self.get(id)
        facts = {
            "act": act, "title": title, "arguments": list(arguments), "person": person, "began": _now(),
            "where": str(self.where),
        }  # fmt: skip
        write_aside(place / REQUEST, json.dumps(facts).encode())
        subprocess.run(
            [sys.executable, "-P", "-c", _APART, str(place)], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **(more or {}), "LOGNAME": person}, start_new_session=True,
        )  # fmt: skip
        self._tidy()
        return self.get(id)

    def get(self, id: str, *, whole: bool = True) -> Run:
        """One run, as it stands now.

        Args:
            whole: with what it said and answered, which may be long.

        Raises:
            UsageError: there is none.
        """
        place = self.folder / id
        facts = _read(place / REQUEST) if _ID.fullmatch(id) else None
        if facts is None:
            raise UsageError("There is no such run.", "The list of runs names those that are kept.")
        end, process = _read(place / END), _read(place / PROCESS)
        command = " ".join(["migrate", *map(shlex.quote, facts["arguments"])])
        state, code, ended = _state(facts, process, end)
        return Run(
            id, facts["act"], facts["title"], command, facts["person"], facts["began"], state, ended, code,
            _answer(place / OUT) if whole and code is not None else None, _tail(place / ERR) if whole else "",
        )  # fmt: skip

    def all(self) -> list[Run]:
        """Every run that is kept, newest first, without what it said."""
        ids = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        found = [self.get(id, whole=False) for id in ids if (self.folder / id / REQUEST).exists()]
        return sorted(found, key=lambda run: (run.began, run.id), reverse=True)

    def wait(self, id: str, seconds: float) -> Run:
        """The run, when it has ended or the time is over."""
        until = time.monotonic() + seconds
        while self.get(id, whole=False).state == "running" and time.monotonic() < until:
            time.sleep(0.05)
        return self.get(id)

    def running(self) -> list[Run]:
        """Those that are under way, newest first."""
        return [self.get(each.id) for each in self.all() if each.state == "running"]

    def stop(self, id: str) -> Run:
        """Ask a command to stop, as Ctrl-C does; it keeps everything that it has done.

        Raises:
            UsageError: it doesn't run on this machine, or not any more.
        """
        process = _read(self.folder / id / PROCESS) if _ID.fullmatch(id) else None
        if process is None or not _lives(process, "child"):
            raise UsageError("That command doesn't run here any more.", "Look at how it ended.")
        os.kill(int(process["child"]), signal.SIGINT)
        return self.get(id)

    def _tidy(self) -> None:
        for old in self.all()[KEPT:]:
            if old.state != "running":
                shutil.rmtree(self.folder / old.id, ignore_errors=True)


def _folder(where: Path | str) -> Path:
    if isinstance(where, Path) and not (where / ".migrate").is_file():
        return where / ".migrate" / "console" / "runs"
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "migrate" / "console" / hashlib.sha256(str(where).encode()).hexdigest()[:16]


def _state(
    facts: Mapping[str, Any], process: Mapping[str, Any] | None, end: Mapping[str, Any] | None
) -> tuple[State, int | None, str]:
    if end is not None:
        code = int(end["exit_code"])
        known: Mapping[int, State] = {0: "done", 1: "look", 130: "stopped", 143: "stopped"}
        return known.get(code, "failed"), code, str(end["at"])
    if process is None:
        late = (datetime.now(UTC) - datetime.fromisoformat(facts["began"])).total_seconds() > _BEGINS
        return ("lost" if late else "running"), None, ""
    alive = _lives(process, "pid") or _lives(process, "child")
    return ("running" if alive else "lost"), None, ""


def _lives(process: Mapping[str, Any], which: Literal["pid", "child"]) -> bool:
    """Whether the process is still there; one on another host is taken for alive."""
    row = SimpleNamespace(
        host=process["host"], boot=process["boot"], pid=process[which], process=process[f"{which}_start"]
    )
    return not proved_dead(row, one_host=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None


def _answer(path: Path) -> dict[str, Any] | None:
    """The last document that was printed; a watching command prints one a line."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return dict(json.loads(lines[-1])) if lines else None
    except (OSError, ValueError):
        return None


def _tail(path: Path) -> str:
    """The end of a text, each line as a terminal would show it: what follows a carriage return covers it."""
    try:
        with path.open("rb") as opened:
            opened.seek(max(0, path.stat().st_size - TAIL))
            lines = opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines if line.strip())


def _now() -> str:
    return stamp(datetime.now(UTC))
