"""Where do machines read what happened? One line of JSON an event, on stderr."""

from __future__ import annotations

import sys
from typing import Any


def logger() -> Any:
    """A structlog logger; its events hold figures and names, and no value of a record."""
    import structlog

    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
    )
