"""How many bytes does a size in words mean? Units are powers of 1,000, as plans and DuckDB have them."""

from __future__ import annotations

import re

_BYTES = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)\s*$", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Read `100MB`: a number of bytes.

    Raises:
        ValueError: it isn't a size.
    """
    found = _BYTES.match(text)
    if not found:
        raise ValueError(f"`{text}` isn't a size")
    return int(float(found[1]) * 1000 ** ("B", "KB", "MB", "GB", "TB").index(found[2].upper()))
