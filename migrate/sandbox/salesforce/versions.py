"""Which version does a path name, and which are there?

Three a year; those up to v30 are retired and answer 410 (Salesforce, "API End-of-Life Policy",
read 2026-11-23).
"""

import re
from urllib.parse import quote

from migrate.sandbox.salesforce.errors import Refusal, not_found
from migrate.sandbox.vendor import Reply, Request

OLDEST, NEWEST, RETIRED = 31, 68, 30
MAX_URI = 16_384
_SEASONS = ("Summer", "Winter", "Spring")


def versions() -> Reply:
    """`GET /services/data/`: no token needed."""
    found = []
    for number in range(OLDEST, NEWEST + 1):
        season = _SEASONS[(number - OLDEST) % 3]  # v31 was Summer '14
        year = 14 + (number - OLDEST + 2) // 3  # v32 is Winter '15, v33 Spring '15, v34 Summer '15
        found.append(
            {"label": f"{season} '{year:02d}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        )
    return Reply(200, found)


def versioned(request: Request) -> tuple[str | None, str]:
    """Version and the rest of the path; no version for the list of versions.

    Raises:
        Refusal: 404 for a strange path or version, 410 for a retired one, 414 for too long an address.
    """
    raw = (request.raw_path or quote(request.path)).partition("?")[0]
    length = len(raw) + sum(
        len(quote(value)) + len(name) + 2 for name, values in request.query.items() for value in values
    )
    if length > MAX_URI:
        raise Refusal("URI_TOO_LONG", "The request URI is too long", status=414)
    headers = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    if length + headers > MAX_URI:
        message = "The combined length of the URI and headers exceeds the 16,384-byte limit"
        raise Refusal("REQUEST_HEADER_FIELDS_TOO_LARGE", message, status=431)
    if re.fullmatch(r"/services/data/?", raw):
        return None, ""
    found = re.fullmatch(r"/services/data/v(\d{1,3})\.(\d)(/.*)?", raw)
    if found is None:
        raise not_found()
    number = int(found[1])
    if number <= RETIRED:
        raise Refusal("UNSUPPORTED_API_VERSION", f"Version {number}.0 of the API has been retired")
    if number > NEWEST or found[2] != "0":
        raise not_found()
    return f"{number}.0", (found[3] or "/").rstrip("/") or "/"
