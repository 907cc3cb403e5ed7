"""How much memory has a process held? By the kernel's own high-water mark, asked while the process runs.

`ru_maxrss` of a child won't do: the kernel lets it begin with the peak of the process that started it, and a
proof that has done much is larger than what it measures (getrusage(2) and proc(5), seen on Linux 6).
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

LOOK = 0.05  # seconds between two looks


def most(pid: int) -> int:
    """The most memory that a process has held at once until now, in bytes; 0 once it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max(
        (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), default=0
    )


def waited(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process's end; the most memory that it held, in bytes."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, most(process.pid))
        time.sleep(LOOK)
    return peak
