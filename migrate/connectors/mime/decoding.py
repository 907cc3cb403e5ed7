"""What text do these bytes hold, when nobody keeps the rules?

Mail declares charsets that don't exist, puts raw bytes into headers and breaks its own encodings. Each
function gives the best text that there is and notes in `defects` what it had to guess. What comes out is
always text that UTF-8 can hold: no lone surrogate, no NUL.

Python, `email` (legacy API, policy `compat32`) and RFC 2047, read 2026-11-26.
"""

from __future__ import annotations

import binascii
import inspect
import re
from collections.abc import Callable, Iterable
from email.errors import MessageError
from email.utils import getaddresses
from typing import TypeVar

T = TypeVar("T")

# What Python's e-mail package raises on mail that breaks the rules; binascii's and Unicode's errors are
# ValueErrors. Anything else is a defect of ours and is let through.
BROKEN = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)

_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\s]*)\?=")  # RFC 2047; a language is left out

_FOLD = re.compile(r"[\r\n]+[ \t]?")
# Python from 3.11.10 on throws a whole header away for one bad entry, unless told not to.
_LENIENT = {"strict": False} if "strict" in inspect.signature(getaddresses).parameters else {}

LONGEST_NAME = 1_000  # characters of a name or an address that is kept; no real one is longer


def attempt(defects: list[str], what: str, work: Callable[[], T], otherwise: T) -> T:
    """The result of `work`, or `otherwise` with a note where the message breaks the rules."""
    try:
        return work()
    except BROKEN as error:
        note(defects, f"{what}: {type(error).__name__}")
        return otherwise


def note(defects: list[str], what: str) -> None:
    """Note a defect, each once; what it quotes may be bytes that are no text."""
    what = what.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if what not in defects:
        defects.append(what)


def clean(text: str, defects: list[str], what: str) -> str:
    """Text that UTF-8 can hold: raw bytes decoded, lone surrogates and NUL characters taken out."""
    if any("\ud800" <= each <= "\udfff" for each in text):
        raw = text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace")
        text = _guess(raw, defects, what)
    if "\0" in text:
        note(defects, f"{what}: NUL characters taken out")
        text = text.replace("\0", "")
    return text


def _escaped(text: str) -> bool:
    """Whether every surrogate stands for a raw byte (as the parser leaves them)."""
    return all("\udc80" <= each <= "\udcff" for each in text if "\ud800" <= each <= "\udfff")


def decode(raw: bytes, charset: str | None, defects: list[str], what: str) -> str:
    """Bytes in a declared charset; where it is unknown or wrong, UTF-8, else Windows-1252."""
    name = (charset or "us-ascii").strip().strip("'\"").lower() or "us-ascii"
    try:
        # `decode` refuses `hex`, `zip` and others that are codecs, but no charsets.
        return clean(raw.decode(name), defects, what)
    except UnicodeDecodeError:
        note(defects, f"{what}: not in its charset `{name[:40]}`")
    except (LookupError, ValueError, TypeError):
        note(defects, f"{what}: unknown charset `{name[:40]}`")
    return _guess(raw, defects, what)


def _guess(raw: bytes, defects: list[str], what: str) -> str:
    try:
        return raw.decode("utf-8").replace("\0", "")
    except UnicodeDecodeError:
        note(defects, f"{what}: bytes without a known charset, read as Windows-1252")
        # Its five undefined bytes become the C1 controls that a browser makes of them.
        return "".join(_WINDOWS[byte] for byte in raw).replace("\0", "")


_WINDOWS = [
    bytes([byte]).decode("windows-1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
    for byte in range(256)
]


def header(value: str | None, defects: list[str], what: str) -> str | None:
    """A header's text: encoded words decoded, folds undone; None where it is absent or empty."""
    if value is None:
        return None
    text = clean(_words(value, defects, what), defects, what)
    return _FOLD.sub(" ", text).strip() or None


def _words(text: str, defects: list[str], what: str) -> str:
    """Text with its encoded words decoded; neighbours in one charset as one, since some cut characters."""
    found: list[str] = []
    charset, held, end = "", b"", 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        word = attempt(defects, what, lambda match=match: _bytes(match[2], match[3]), b"")  # type: ignore[misc]
        joined = bool(charset) and not between.strip()
        if not joined or charset != match[1].lower():
            found.append(decode(held, charset, defects, what) if charset else "")
            held = b""
        if not joined:
            found.append(between)
        charset, held, end = match[1].lower(), held + word, match.end()
    if charset:
        found.append(decode(held, charset, defects, what))
    return "".join(found) + text[end:]


def _bytes(encoding: str, word: str) -> bytes:
    raw = word.encode("ascii", "surrogateescape")
    if encoding in "bB":
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    return binascii.a2b_qp(raw, header=True)


def addresses(values: Iterable[str], defects: list[str], what: str) -> list[tuple[str, str]]:
    """(name, address) of everyone in these headers, addresses in lower case, in their order.

    An entry without `@` (a group's name, `undisclosed-recipients`) is noted and left out.
    """
    texts = [clean(_FOLD.sub(" ", value), defects, what) for value in values]
    none: list[tuple[str, str]] = []
    pairs = attempt(defects, what, lambda: getaddresses(texts, **_LENIENT), none)
    found = []
    for raw_name, raw_address in pairs:
        name = (header(raw_name, defects, what) or "")[:LONGEST_NAME]
        address = clean(raw_address, defects, what).strip().lower()
        if not name and not address:
            continue
        at = address.rfind("@")
        if at < 1 or at == len(address) - 1 or any(each.isspace() for each in address):
            note(defects, f"{what}: `{(raw_address or raw_name)[:60]}` is no address")
            continue
        if len(address) > LONGEST_NAME:
            note(defects, f"{what}: an address of {len(address):,} characters")
            continue
        found.append((name, address))
    return found
