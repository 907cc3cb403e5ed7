"""`python -m migrate.sandbox <vendor>`: serve one simulated CRM until a signal.

Prints one JSON line, `{"url": …, "ca": …, "pid": …}`, when it listens; its
messages go to stderr.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from migrate.sandbox.server import serve


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m migrate.sandbox", description="Serve a simulated CRM.")
    parser.add_argument("vendor", help="its name, or a class as package.module:Class")
    parser.add_argument("--data", type=Path, required=True, help="folder of the store")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--tls", action="store_true", help="serve https, with a throwaway authority")
    parser.add_argument("--speed", type=float, default=1.0, help="sandbox seconds in a second")
    parser.add_argument("--settings", type=json.loads, default={}, help="the vendor's, a JSON object")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when stdin closes")
    options = parser.parse_args()
    serve(
        options.vendor,
        options.data,
        port=options.port,
        tls=options.tls,
        speed=options.speed,
        settings=options.settings,
        until_stdin_ends=options.until_stdin_ends,
    )


if __name__ == "__main__":
    main()
