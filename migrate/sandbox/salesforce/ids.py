"""How does Salesforce name a record, and is this text such a name?

Ids are 15 case-sensitive characters, shown as 18: the last three say which of the
15 are upper case, so that the whole survives a case-insensitive reader
(Salesforce, "Understanding 18-digit record ids", read 2026-11-23). Ids minted
here grow in ASCII order within one key prefix, as `ORDER BY Id` expects.
"""

import re

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_INSTANCE = "5g0"  # the characters of the made-up instance that minted the record

MASTER_RECORD_TYPE = "012000000000000AAA"


def long_id(short: str) -> str:
    """Append the three checksum characters to a 15-character id."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << n for n, char in enumerate(short[start : start + 5]) if "A" <= char <= "Z")
        suffix += _SUFFIX[bits]
    return short + suffix


def mint(prefix: str, number: int) -> str:
    """The 18-character id of the `number`-th record of a key prefix."""
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return long_id(prefix + _INSTANCE + digits)


def minted_number(id: str) -> int:
    """Which `mint` made this id; 0 when none did."""
    if id[3:6] != _INSTANCE:
        return 0
    number = 0
    for char in id[6:15]:
        number = number * 62 + _BASE62.index(char)
    return number


def normal_id(text: str) -> str | None:
    """The 18-character form of an id of 15 or 18 characters; None when it is neither.

    The first 15 characters decide; an 18-character id in the wrong case is mended
    from its suffix, as the vendor does.
    """
    if not _SHAPE.fullmatch(text):
        return None
    if len(text) == 15:
        return long_id(text)
    if long_id(text[:15]) == text:
        return text
    mended = ""
    for group in range(3):
        bits = _SUFFIX.find(text[15 + group].upper())
        if bits < 0:
            return None
        for n, char in enumerate(text[group * 5 : group * 5 + 5]):
            mended += char.upper() if bits >> n & 1 else char.lower()
    return long_id(mended) if long_id(mended) == mended + text[15:].upper() else None
