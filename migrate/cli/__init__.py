"""The command line: parse, call one library function, render. It decides nothing.

Results go to stdout, progress and people's words to stderr with `--json`; every error says what
happened, to what, and what to do, and ends with the exit code of its class.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    from migrate.cli.root import run
    from migrate.memory import give_back

    give_back()
    return run(sys.argv[1:] if arguments is None else list(arguments))


__all__ = ["main"]
