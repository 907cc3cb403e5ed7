"""What does a request want of the file that it uploads, replaces, imports or changes?

Access must be said; a life is a day to a year, as a period or as its end; a name has no folders in it. What
is wanted wrongly is refused before anything is kept.

Facts: HubSpot, "Files" guide and "Upload file", read 2026-11-26 (hidden files can't be created over the API,
`ttl` from 1 day to 1 year); that `options` is required, and its text, HubSpot/hubspot-api-php#381. A month of
a `ttl` counts as 30 days and a year as 365.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from migrate.sandbox.hubspot import filing, shapes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.values import EPOCH, instant

VISIBLE: Final = ("PUBLIC_INDEXABLE", "PUBLIC_NOT_INDEXABLE", "PRIVATE", "SENSITIVE")
HIDDEN: Final = ("HIDDEN_INDEXABLE", "HIDDEN_NOT_INDEXABLE", "HIDDEN_PRIVATE", "HIDDEN_SENSITIVE")
STRATEGIES: Final = ("NONE", "REJECT", "RETURN_EXISTING")
PLACES: Final = ("ENTIRE_PORTAL", "EXACT_FOLDER")
LONGEST_NAME: Final = 255
MEGABYTE: Final = 1_000_000
SIZES: Final = {"free": 20 * MEGABYTE}  # of the tiers that allow less than `LARGEST`
LARGEST: Final = 2_000 * MEGABYTE
_PERIOD: Final = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?"
)
_SECONDS: Final = (365 * 86_400, 30 * 86_400, 7 * 86_400, 86_400, 3_600, 60, 1)
_MEMBERS: Final = {
    "access": shapes.text,
    "ttl": shapes.text,
    "expiresAt": shapes.text,
    "overwrite": shapes.flag,
    "duplicateValidationStrategy": shapes.text,
    "duplicateValidationScope": shapes.text,
}
OPTIONS = shapes.members(**_MEMBERS)
IMPORT = shapes.members(
    url=shapes.text, name=shapes.text, folderId=shapes.text, folderPath=shapes.text, **_MEMBERS
)
CHANGE = shapes.members(
    access=shapes.text,
    name=shapes.text,
    parentFolderId=shapes.text,
    parentFolderPath=shapes.text,
    isUsableInContent=shapes.flag,
    expiresAt=shapes.text,
    clearExpires=shapes.flag,
)


@dataclass(frozen=True)
class Wishes:
    """What is wanted of a new content."""

    access: str
    expires: int | None = None
    overwrite: bool = False
    strategy: str = "NONE"
    place: str = "ENTIRE_PORTAL"


def of_form(call: Call, text: str | None) -> Wishes:
    """The wishes of an upload's `options`, JSON in a part of its own.

    Raises:
        ApiError: 400.
    """
    if not text:
        raise ApiError(400, "options parameter is required")
    try:
        body = OPTIONS(orjson.loads(text))
    except orjson.JSONDecodeError as trouble:
        raise ApiError(400, f"Invalid input JSON on line 1, column 1: {trouble}") from trouble
    return of_json(call, body)


def of_json(call: Call, body: Mapping[str, Any]) -> Wishes:
    """The wishes of a body that has been read.

    Raises:
        ApiError: 400.
    """
    strategy = body.get("duplicateValidationStrategy", "NONE")
    place = body.get("duplicateValidationScope", "ENTIRE_PORTAL")
    for value, known in ((strategy, STRATEGIES), (place, PLACES)):
        if value not in known:
            raise _no_such(value, known)
    return Wishes(
        access(body.get("access")), expiry(call, body), body.get("overwrite", False), strategy, place
    )


def access(value: Any) -> str:
    """An access that a file may be given over the API.

    Raises:
        ApiError: 400, none, an unknown one, or one of hidden files.
    """
    if not value:
        raise ApiError(400, "Some required fields were not set: [access]")
    if value in HIDDEN:
        raise ApiError(400, f"Files can't be hidden over the API: {value}")
    if value not in VISIBLE:
        raise _no_such(value, VISIBLE)
    return str(value)


def _no_such(value: Any, known: tuple[str, ...]) -> ApiError:
    return ApiError(
        400,
        f'Invalid input JSON on line 1, column 1: Cannot deserialize value from String "{value}": '
        f"not one of the values accepted for Enum class: [{', '.join(known)}]",
    )


def expiry(call: Call, body: Mapping[str, Any]) -> int | None:
    """When a file is to be deleted for good, in epoch milliseconds.

    Raises:
        ApiError: 400, no period or instant, or sooner than in a day or later than in a year.
    """
    if body.get("ttl"):
        found = _PERIOD.fullmatch(body["ttl"])
        if found is None or not any(found.groups()):
            raise ApiError(400, f"ttl `{body['ttl']}` is not a valid period")
        seconds = sum(int(n) * unit for n, unit in zip(found.groups("0"), _SECONDS, strict=True))
    elif body.get("expiresAt"):
        try:
            seconds = round((instant(body["expiresAt"]) - call.now).total_seconds())
        except (ValueError, OverflowError) as trouble:
            raise ApiError(400, f"expiresAt `{body['expiresAt']}` is not a valid date-time") from trouble
    else:
        return None
    if not 86_400 <= seconds <= 366 * 86_400:
        raise ApiError(400, "The time to live must be at least 1 day and at most 1 year")
    return round((call.now + timedelta(seconds=seconds) - EPOCH).total_seconds() * 1000)


def name(call: Call, wanted: str | None, sent: str | None, digest: str) -> tuple[str, str]:
    """Name and extension: the wanted ones, else those of the file that was sent, else made of its content.

    Raises:
        ApiError: 400, signs or a length that no name has, or an extension that the portal doesn't take.
    """
    own = (sent or "").replace("\\", "/").rpartition("/")[2].strip()
    found, extension = filing.split(checked((wanted or "").strip() or own or digest))
    extension = extension or filing.split(own)[1]
    taken = call.settings["file_extensions"]
    if taken is not None and extension.lower() not in taken:
        raise ApiError(400, f"Files of the type `{extension}` can't be uploaded to this account")
    return found, extension


def renamed(wanted: str, extension: str) -> str:
    """The name that a file gets which keeps its extension, be it sent along or not.

    Raises:
        ApiError: 400, signs or a length that no name has.
    """
    whole = checked(wanted.strip())
    ending = f".{extension}".lower()
    return whole[: -len(ending)] if extension and whole.lower().endswith(ending) else whole


def checked(whole: str) -> str:
    """A name that a file may have.

    Raises:
        ApiError: 400, signs or a length that no name has.
    """
    if "/" in whole or "\\" in whole or any(ord(sign) < 32 for sign in whole) or whole in ("", ".", ".."):
        raise ApiError(400, f"File name `{whole}` has characters that names can't have")
    if len(whole) > LONGEST_NAME:
        raise ApiError(400, f"File names can't have more than {LONGEST_NAME} characters")
    return whole


def fits(call: Call, size: int) -> None:
    """Refuse a content that is too large for the portal's tier.

    Raises:
        ApiError: 413.
    """
    most = call.settings["file_size_limit"] or SIZES.get(call.settings["tier"], LARGEST)
    if size > int(most):
        raise ApiError(
            413, f"The file has {size} bytes, more than the {most} that are allowed", "BAD_REQUEST"
        )
