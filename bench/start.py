"""Does `migrate --help` stay light? It must load no library that it doesn't need to print a page.

python -m bench.start
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.measure import ROOT, ROUNDS, environment

HEAVY = ("duckdb", "pyarrow", "sqlalchemy", "pandas", "httpx2")
_HELP = """
import runpy, sys
sys.argv = ["migrate", "--help"]
try:
    runpy.run_module("migrate", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded), file=sys.stderr)
"""


def modules() -> set[str]:
    """Top-level packages that are loaded once `migrate --help` has been printed, in a process of its own.

    Raises:
        RuntimeError: the command failed, or printed no help.
    """
    done = subprocess.run(
        [sys.executable, "-c", _HELP],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode or "Usage" not in done.stdout:
        raise RuntimeError(f"`migrate --help` ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return set(done.stderr.splitlines()[-1].split())


def seconds() -> float:
    """Wall time of `migrate --help`, interpreter included."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "migrate", "--help"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment())
    return time.perf_counter() - start


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The JSON document."""
    loaded = modules()
    heavy = sorted(loaded.intersection(HEAVY))
    return {
        "bench": "start",
        "heavy": heavy,
        "looked_for": list(HEAVY),
        "packages": len(loaded),
        "seconds": round(statistics.median(seconds() for _ in range(rounds)), 3),
        "n": rounds,
        "versions": {"python": platform.python_version()},
        "ok": not heavy,
    }


def main() -> int:
    """Print the JSON line and the human one; 1 where a heavy library was loaded."""
    found = measure()
    print(json.dumps(found))
    print(
        f"start: `migrate --help` in {found['seconds']:.2f} s (n={found['n']}) loads "
        f"{', '.join(found['heavy']) or 'none'} of {', '.join(HEAVY)} "
        f"{'ok' if found['ok'] else 'FALLS SHORT'}"
    )
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
