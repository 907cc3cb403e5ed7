"""What does HubSpot tell about a file's content, and as what is it served?

Its `type` is a sort (IMG, DOCUMENT, AUDIO, MOVIE, OTHER), not a media type; pictures have their size, and
`encoding` is a picture's format or a text's character set. Pages and scripts are served as plain text, so
that no browser runs them from HubSpot's own domains.

Facts: HubSpot, "Files" and "Get signed URL" (members and sorts), "File manager" (pages as plain text), read
2026-11-26; what `encoding` holds for which sort is what replies show, documented nowhere.
"""

from __future__ import annotations

import mimetypes
import struct
from dataclasses import dataclass
from typing import Final

HEAD: Final = 1 << 18  # bytes that `look` needs of a content: a picture's size may stand after its thumbnail
_SORTS: Final = {
    "IMG": "jpg jpeg png gif bmp svg webp tif tiff ico heic avif",
    "DOCUMENT": "pdf doc docx xls xlsx ppt pptx csv txt rtf odt ods odp pages numbers key md xml json html"
    " htm eml msg",
    "AUDIO": "mp3 wav ogg m4a aac flac wma aiff",
    "MOVIE": "mp4 mov avi wmv mkv webm m4v mpg mpeg flv",
}
_SORT_OF: Final = {extension: sort for sort, listed in _SORTS.items() for extension in listed.split()}
_TEXTS: Final = frozenset(["txt", "csv", "md", "xml", "json", "html", "htm", "svg", "js", "css"])
_PLAIN: Final = frozenset(["html", "htm", "js"])


@dataclass(frozen=True)
class Look:
    """What HubSpot works out from a content and its extension."""

    type: str
    encoding: str | None = None
    width: int | None = None
    height: int | None = None


def look(extension: str, head: bytes, charset: str | None) -> Look:
    """Tell a content by its extension and its first bytes.

    Args:
        charset: what the sender takes for the character set of a text.
    """
    lowered = extension.lower()
    sort = _SORT_OF.get(lowered, "OTHER")
    if sort == "IMG":
        width, height = _size(head) or (None, None)
        return Look(sort, {"jpeg": "jpg"}.get(lowered, lowered), width, height)
    if lowered in _TEXTS:
        return Look(sort, (charset or _charset(head)).lower())
    return Look(sort)


def media_type(extension: str) -> str:
    """The media type that a file is served with."""
    lowered = extension.lower()
    if lowered in _PLAIN:
        return "text/plain"
    return mimetypes.guess_type(f"x.{lowered}")[0] or "application/octet-stream"


def _charset(head: bytes) -> str:
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be")):
        if head.startswith(mark):
            return name
    try:
        head[:4096].decode()
    except UnicodeDecodeError as trouble:
        return "utf-8" if trouble.start > 4090 else "iso-8859-1"
    return "utf-8"


def _size(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
