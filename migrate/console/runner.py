"""How did a command of the console end? This process stands beside it, and writes that down.

It stands beside the command so that the console may go, be killed and come again meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.clock import stamp
from migrate.console.runs import END, ERR, OUT, PROCESS, REQUEST
from migrate.ledger.leases import start_of, this_process
from migrate.storage import write_aside


def main(folder: Path) -> int:
    """Run what `request.json` says; returns the command's exit code."""
    facts = json.loads((folder / REQUEST).read_bytes())
    where, arguments = str(facts["where"]), [str(each) for each in facts["arguments"]]
    # In the workspace's folder, so that what a command tells people to type next is what they would type.
    here = not where.startswith("s3://")
    command = [sys.executable, "-P", "-m", "migrate", *([] if here else ["-w", where]), "--json", "--verbose"]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with (folder / OUT).open("wb") as out, (folder / ERR).open("wb") as err:
        child = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            cwd=where if here else None, preexec_fn=_heeds_signals,
        )  # fmt: skip
        me = this_process()
        process: dict[str, Any] = {
            **asdict(me), "pid_start": me.start, "child": child.pid, "child_start": start_of(child.pid) or "",
        }  # fmt: skip
        write_aside(folder / PROCESS, json.dumps(process).encode())
        code = child.wait()
    code = code if code >= 0 else 128 - code  # as a shell tells of a signal
    write_aside(folder / END, json.dumps({"exit_code": code, "at": stamp(datetime.now(UTC))}).encode())
    return code


def _heeds_signals() -> None:
    """The command stops when it is asked to, though we don't."""
    for heeded in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(heeded, signal.SIG_DFL)
    os.setpgid(0, 0)
