"""How is memory given back? The C library and Arrow keep what was freed, and a batch of long bodies is large.

Peaks on 16,000 activities with bodies, in MB: extract 252 with jemalloc as Arrow's pool, 221 with what
stands here; load 367 and 321. No stage is slower.
"""

from __future__ import annotations

import ctypes
import os
import sys

POOL = "ARROW_DEFAULT_MEMORY_POOL"
_TRIM_THRESHOLD, _ARENA_MAX = -1, -8  # parameters of mallopt(3) in glibc's malloc.h
_KEPT = 64 << 10  # bytes that may stay unused at the top of a heap
_ARENAS = 2  # heaps; glibc would make eight a core, each with its own unused rest


def give_back() -> None:
    """Tell the C library and Arrow to return free memory; call it before Arrow is imported.

    What the user's environment says (`ARROW_DEFAULT_MEMORY_POOL`, `MALLOC_…`) counts. Another C library than
    glibc has no such settings; there Arrow's own choice stays, but on Linux jemalloc takes its place.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        os.environ.setdefault(POOL, "jemalloc")
        return
    os.environ.setdefault(POOL, "system")
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        mallopt(_TRIM_THRESHOLD, _KEPT)
    if "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_ARENA_MAX, _ARENAS)
