"""How is a ratio measured so that somebody else gets the same one?

Each run is a process of its own, since the peak of memory belongs to a process. It imports first, then its
clock runs, then it prints one JSON line. Sides take turns, after one round that isn't counted; a figure is
the median of the others. A peer runs in a virtual environment of its own, with pinned versions that the
result names.

The peak is `VmHWM` of `/proc/self/status` (Linux, proc(5)). `ru_maxrss` won't do: the kernel lets a child
begin with the peak of the process that started it.

Nothing but the standard library is imported here, so that a peer's environment can use it too.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROOF = ROOT / ".proof"
ROUNDS = 7


@dataclass(frozen=True)
class Side:
    """One of those that are compared: a module below `bench.sides`, run by an interpreter.

    `rounds`: of the counted ones, how many it takes part in (None: all of them).
    """

    name: str
    module: str
    python: str = sys.executable
    rounds: int | None = None


@dataclass(frozen=True)
class Figures:
    """What a side's runs came to. `versions`: of what it ran on; `seconds` and `peak` are medians."""

    seconds: float
    peak: int  # bytes
    runs: tuple[float, ...]
    versions: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """For the JSON line."""
        return {
            "seconds": round(self.seconds, 4),
            "peak_mb": round(self.peak / 1e6, 1),
            "n": len(self.runs),
            "runs": [round(each, 4) for each in self.runs],
            "versions": dict(self.versions),
        }


class Timed:
    """Seconds and peak memory (bytes) of a `with` block, filled in at its end."""

    seconds = 0.0
    peak = 0


@contextmanager
def timed() -> Iterator[Timed]:
    """Measure what a side does. Everything it needs is imported already."""
    found = Timed()
    start = time.perf_counter()
    yield found
    found.seconds = time.perf_counter() - start
    found.peak = peak()


def peak() -> int:
    """The most memory that this process has held at once, in bytes."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def report(found: Timed, *packages: str, **more: Any) -> None:
    """A side's last words: one JSON line."""
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in packages}
    print(json.dumps({"seconds": found.seconds, "peak": found.peak, "versions": versions, **more}))


def arguments() -> dict[str, Any]:
    """What a side was called with: one JSON object."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def environment() -> dict[str, str]:
    """A side's: without what importing `migrate` has set in ours, which a peer mustn't inherit."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ARROW_", "MIGRATE_"))
    }
    return {**inherited, "PYTHONPATH": "", "PYTHONHASHSEED": "0"}


def run(side: Side, given: Mapping[str, Any]) -> dict[str, Any]:
    """One run of one side in a process of its own; what it reported.

    Raises:
        RuntimeError: it failed; the text holds its last messages.
    """
    done = subprocess.run(
        [side.python, "-m", f"bench.sides.{side.module}", json.dumps(given)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        raise RuntimeError(f"`{side.name}` ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    reported: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return reported


def in_turn(
    sides: Sequence[Side], given: Mapping[str, Mapping[str, Any]], *, rounds: int = ROUNDS
) -> dict[str, Figures]:
    """Each side once without being counted, then `rounds` times in turn.

    Args:
        given: arguments by side; `into` among them is a folder that is emptied before each run.
    """
    runs: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides:
            if side.rounds is not None and number > max(side.rounds, 0):
                continue
            into = Path(given[side.name]["into"])
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
            os.sync()  # what one run has left to write isn't the next one's to wait for
            told = run(side, given[side.name])
            print(f"  {number or 'warm-up'} {side.name}: {told['seconds']:.2f} s", file=sys.stderr)
            if number:
                runs[side.name].append(told)
    return {
        name: Figures(
            seconds=statistics.median(each["seconds"] for each in found),
            peak=int(statistics.median(each["peak"] for each in found)),
            runs=tuple(each["seconds"] for each in found),
            versions=found[-1]["versions"],
        )
        for name, found in runs.items()
    }


def peer(name: str, *requirements: str) -> str:
    """The interpreter of a peer's own environment, made where it isn't there yet."""
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    home = PROOF / "peers" / f"{name}-{digest}"
    python = home / "bin" / "python"
    whole = home / "installed"
    if not whole.exists():
        print(f"  making an environment for {', '.join(requirements)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *requirements], check=True, stdout=sys.stderr)
        whole.touch()
    return str(python)


def scratch(name: str) -> Path:
    """An empty folder for one benchmark."""
    folder = PROOF / "bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
