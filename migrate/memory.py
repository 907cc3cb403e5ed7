"""How is memory given back? The C library and Arrow keep what was freed, and a batch of long bodies is large.

Peaks on 16,000 activities with bodies, in MB: extract 252 with jemalloc as Arrow's pool, 221 with what
stands here; load 367 and 321. No stage is slower. Where the engine is to take little (`lean`), what DuckDB
frees goes back at once too.
"""

from __future__ import annotations

import ctypes
import os
import sys

POOL = "ARROW_DEFAULT_MEMORY_POOL"
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # parameters of mallopt(3) in glibc's malloc.h
_KEPT = 64 << 10  # bytes that may stay unused at the top of a heap
_LEAST_MAPPED = 128 << 10  # bytes from which on a block is a mapping of its own, given back when it is freed
_ARENAS = 2  # heaps; glibc would make eight a core, each with its own unused rest


def give_back() -> None:
    """Tell the C library and Arrow to return free memory; call it before Arrow is imported.

    What the user's environment says (`ARROW_DEFAULT_MEMORY_POOL`, `MALLOC_…`) counts. Another C library than
    glibc has no such settings; there Arrow's own choice stays, but on Linux jemalloc takes its place.
    """
    if sys.platform != "linux":
        return
    if not _glibc():
        os.environ.setdefault(POOL, "jemalloc")
        return
    os.environ.setdefault(POOL, "system")
    _set("MALLOC_TRIM_THRESHOLD_", _TRIM_THRESHOLD, _KEPT)
    _set("MALLOC_ARENA_MAX", _ARENA_MAX, _ARENAS)


def lean() -> None:
    """Let the C library return at once what DuckDB frees too; else it grows its heaps and keeps them.

    DuckDB frees blocks of 256 KiB; glibc's threshold for a mapping of its own climbs with the first of them,
    and all later ones lie in heaps that a single live object keeps whole (mallopt(3), read 2026-11-27).
    """
    if _glibc():
        _set("MALLOC_TRIM_THRESHOLD_", _TRIM_THRESHOLD, _KEPT)
        _set("MALLOC_ARENA_MAX", _ARENA_MAX, _ARENAS)
        _set("MALLOC_MMAP_THRESHOLD_", _MMAP_THRESHOLD, _LEAST_MAPPED)


def _glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")


def _set(name: str, parameter: int, value: int) -> None:
    """Set a parameter, unless the user's environment does."""
    if name not in os.environ:
        ctypes.CDLL(None).mallopt(parameter, value)


def without_pandas() -> None:
    """Let Arrow look for pandas once and not find it: 50 MB that a command without cleaning functions spares.

    Arrow imports pandas by itself, to see whether a Python list is one of its series. For commands that turn
    no user's function loose on Arrow columns; whoever imports pandas by name gets it all the same.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        import pyarrow as pa

        pa.array([None])  # Arrow looks once in a process
    finally:
        sys.meta_path.remove(_NoPandas)


class _NoPandas:
    """A finder that says of one module that it isn't there."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ImportError(name=name, path=str(path or target or ""))
