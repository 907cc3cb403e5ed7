"""How is a text shortened to what a target takes, so that what is left is whole?

Length is counted in UTF-16 units, the most that a vendor who counts characters can mean (a character beyond
the basic plane counts twice). A cut never falls within a character, nor between a character and the marks,
joiners and modifiers that make one sign of it. In HTML it never falls within a tag, a comment or an entity
either, nothing of a `<script>` or `<style>` is kept in part, and every element that the cut leaves open is
closed behind it. A note says that something is missing; it counts, and is left out where it doesn't fit.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

NOTE = "[…]"
_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905 - a list of words
)
_RAW = frozenset({"script", "style", "title", "textarea"})
_TAG = re.compile(r"</?([A-Za-z][^\s/<>]*)(?:\"[^\"]*\"|'[^']*'|[^'\"<>])*>")  # quoted values may hold `>`
_ENTITY = re.compile(r"&(?:#\d{1,8}|#[xX][0-9A-Fa-f]{1,8}|[A-Za-z]\w{1,40});")
_JOINER, _LAST_SELECTOR = "\u200d", 0xE01EF


def units(text: str) -> int:
    """The length in UTF-16 units."""
    return len(text) + sum(each > "\uffff" for each in text)


def cut_text(text: str, most: int, note: str = NOTE) -> str:
    """The longest beginning that fits with the note behind it; the text itself where it fits.

    Args:
        most: UTF-16 units.
    """
    if units(text) <= most:
        return text
    note = note if units(note) < most else ""
    left, end = most - units(note), 0
    for end_, each in enumerate(text):
        left -= 2 if each > "\uffff" else 1
        if left < 0:
            break
        end = end_ + 1
    return text[: _whole(text, end)] + note


@dataclass(frozen=True, slots=True)
class _Open:
    """An open element, and those around it."""

    tag: str
    below: _Open | None


def cut_html(text: str, most: int, note: str = NOTE) -> str:
    """As `cut_text`, for HTML: nothing is torn, and what stands open is closed."""
    if units(text) <= most:
        return text
    written = html.escape(note, quote=False)
    written = written if units(written) < most else ""
    room = most - units(written)
    open_: _Open | None = None
    many: Counter[str] = Counter()  # of each element that is open
    closing = used = 0  # units that closing `open_` takes; units so far
    best, left = 0, open_
    raw = ""  # an element whose content is no HTML
    for end, tag, token in _tokens(text):
        used += units(token)
        if used > room:
            break
        if tag and token[1] == "/":
            if raw and tag != raw:
                continue
            raw = ""
            while many[tag] and open_:
                last, open_ = open_.tag, open_.below
                many[last] -= 1
                closing -= units(last) + 3
                if last == tag:
                    break
        elif tag and not raw and tag not in _VOID and not token.endswith("/>"):
            open_ = _Open(tag, open_)
            many[tag] += 1
            closing += units(tag) + 3
            raw = tag if tag in _RAW else ""
        if not raw and used + closing <= room and (tag or _starts(text, end)):
            best, left = end, open_
    closers = []
    while left:
        closers.append(f"</{left.tag}>")
        left = left.below
    return text[:best] + written + "".join(closers)


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """(end, the tag's name, token): a comment, a tag, an entity or one character; in linear time."""
    at, size = 0, len(text)
    ends = {"-->": True, ">": True}  # whether one is still to come
    while at < size:
        each, end, tag = text[at], at + 1, ""
        if each == "<":
            if found := _TAG.match(text, at):
                end, tag = found.end(), found[1].lower()
            elif text.startswith(("<!", "<?"), at):
                mark = "-->" if text.startswith("<!--", at) else ">"
                close = text.find(mark, at + 2) if ends[mark] else -1
                ends[mark] = close >= 0
                end = close + len(mark) if close >= 0 else end
        elif each == "&" and (found := _ENTITY.match(text, at)):
            end = found.end()
        yield end, tag, text[at:end]
        at = end


def _whole(text: str, end: int) -> int:
    """The last place at or before `end` where a sign begins, or the text ends."""
    while 0 < end < len(text) and not _starts(text, end):
        end -= 1
    return end


def _starts(text: str, at: int) -> bool:
    """Whether a sign of its own begins at this place: no mark, joiner or modifier of the one before."""
    if at <= 0 or at >= len(text):
        return True
    before, each = text[at - 1], text[at]
    if unicodedata.category(each) in ("Mn", "Mc", "Me") or each == _JOINER or before == _JOINER:
        return False
    if "\U0001f3fb" <= each <= "\U0001f3ff" or 0xE0020 <= ord(each) <= _LAST_SELECTOR:
        return False
    if before == "\r" and each == "\n":
        return False
    if _flag(before) and _flag(each):  # a flag is two letters; count the letters before this place
        start = at
        while start > 0 and _flag(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 0
    return True


def _flag(each: str) -> bool:
    return "\U0001f1e6" <= each <= "\U0001f1ff"
