"""What did a multipart request bring, when it may be too large for memory?

The body is taken apart while it comes in: a part with a file name goes to a file on disk and is digested on
the way, any other is small and stays in memory. Nothing here is seen by anybody until the vendor has taken
it over in its transaction; what it doesn't take over is removed.

Format: RFC 7578; the longest boundary, RFC 2046.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from migrate.sandbox.contents import Contents

SMALL = 1 << 20  # bytes that a part without a file name may have
LONGEST_BOUNDARY = 70  # bytes
SAMPLE = 1 << 16  # bytes of a part that a fault's `body` is looked for in


@dataclass(frozen=True)
class Part:
    """One part. One with a file name lies at `path` until it is taken over, any other is `value`."""

    name: str
    value: bytes = b""
    filename: str | None = None
    media: str = ""
    path: Path | None = None
    size: int = 0
    md5: str = ""
    sha256: str = ""

    def text(self) -> str:
        """The value of a part that isn't a file."""
        return self.value.decode("utf-8", "replace")


@dataclass
class _Open:
    headers: dict[str, str] = field(default_factory=dict)
    value: bytearray = field(default_factory=bytearray)
    path: Path | None = None
    file: IO[bytes] | None = None
    size: int = 0
    md5: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)


class Reader:
    """Takes one body apart as it comes in."""

    def __init__(self, media: str, contents: Contents) -> None:
        self._contents = contents
        self._parts: list[Part] = []
        self._paths: list[Path] = []
        self._sample = bytearray()
        self._ended = False
        self._part = _Open()
        self._name, self._value = b"", b""
        self.trouble = ""
        self.received = 0
        boundary = parse_options_header(media)[1].get(b"boundary", b"")
        if not 1 <= len(boundary) <= LONGEST_BOUNDARY:
            self.trouble, boundary = "the multipart boundary is missing or too long", b"none"
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finished,
            },
        )

    def write(self, data: bytes) -> None:
        """Take the next bytes; after trouble they are only counted."""
        self.received += len(data)
        if self.trouble:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            self.trouble = str(error)

    def parts(self) -> tuple[Part, ...]:
        """All parts, when the body is complete and well formed; else none, and `trouble` says why."""
        if not self._ended and not self.trouble:
            self.trouble = "the body ends before its last boundary"
        return () if self.trouble else tuple(self._parts)

    def sample(self) -> bytes:
        """Head and first bytes of each part, for faults that look into bodies."""
        return bytes(self._sample)

    def discard(self) -> None:
        """Remove what nobody took over."""
        if self._part.file is not None:
            self._part.file.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._part = _Open()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._sample += self._name + b": " + self._value + b"\r\n"
        self._part.headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name, self._value = b"", b""

    def _headers_end(self) -> None:
        if self._option("filename") is not None:
            self._part.path = self._contents.incoming()
            self._paths.append(self._part.path)
            self._part.file = self._part.path.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, memoryview(data)[start:end]
        if part.size < SAMPLE:
            self._sample += piece[: SAMPLE - part.size]
        part.size += len(piece)
        if part.file is None:
            if part.size > SMALL:
                raise FormParserError("a part without a file name is too long")
            part.value += piece
            return
        part.file.write(piece)
        part.md5.update(piece)
        part.sha256.update(piece)

    def _end(self) -> None:
        part, is_file = self._part, self._part.file is not None
        if part.file is not None:
            part.file.close()
            part.file = None
        self._sample += b"\r\n"
        self._parts.append(
            Part(
                name=self._option("name") or "",
                value=bytes(part.value),
                filename=self._option("filename"),
                media=part.headers.get("content-type", "").partition(";")[0].strip(),
                path=part.path,
                size=part.size,
                md5=part.md5.hexdigest() if is_file else "",
                sha256=part.sha256.hexdigest() if is_file else "",
            )
        )

    def _finished(self) -> None:
        self._ended = True

    def _option(self, name: str) -> str | None:
        value = parse_options_header(self._part.headers.get("content-disposition", "").encode())[1]
        found = value.get(name.encode())
        if found is None:
            return None
        with suppress(UnicodeDecodeError):
            return found.decode()
        return found.decode("latin-1")
