"""How does a text get another of its shape, under a key? By a one-to-one map of its letters and digits.

Each character belongs to an alphabet (Latin, Greek, Cyrillic, Hebrew, …, digits), in which it has a place; a
run of them is a number of mixed radix. A balanced Feistel network over the two halves of that number (as in
NIST SP 800-38G, FF1, with blake2b for its pseudo-random function) maps runs of one shape onto runs of the
same shape, one to one: equal in, equal out; distinct in, distinct out. Without the key nothing of it can be
turned back.

Capitals and accents are laid over the result: texts that differ in these alone come out so, too, and groups
that a plan makes without regard to them stay groups. A character that has no alphabet here (a sign, an emoji,
`ß`, which has no single capital) stays, and so does `q`, for no accent goes with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import prod

ROUNDS = 8  # FF1 has ten, over far larger halves; a name has few letters anyway
DIGITS = "0123456789"
# First and last code point of the letters of a script that take each other's places.
_RANGES = (
    ("a", "p"), ("r", "z"), ("α", "ρ"), ("σ", "ω"), ("а", "я"), ("ա", "ֆ"), ("א", "ת"),
    ("ؠ", "ي"), ("ก", "ฮ"), ("ア", "ヺ"), ("あ", "ゖ"), ("가", "힣"), ("一", "鿿"),
    ("\U00020000", "\U0002a6df"),
)  # fmt: skip


def _alphabets() -> list[str]:
    latin, *found = [
        "".join(c for c in map(chr, range(ord(first), ord(last) + 1)) if _simple(c))
        for first, last in _RANGES
    ]
    latin, found = latin + found[0], found[1:]
    others = [c for c in map(chr, range(0xDF, 0x250)) if _simple(c) and c.islower()]
    accented = [c for c in others if _base(c) in latin]
    return [DIGITS, latin, *found, "".join(accented), "".join(c for c in others if c not in accented)]


def _base(char: str) -> str:
    """The letter below the accents; itself where it has none."""
    return unicodedata.normalize("NFD", char)[0]


def _forms(latin: str) -> dict[str, list[str]]:
    """By letter, it with each of its accents, as single characters; those of two bytes first."""
    found: dict[str, list[str]] = {char: [] for char in latin}
    for char in map(chr, [*range(0xDF, 0x250), *range(0x1E00, 0x1F00)]):
        if _simple(char) and char.islower() and (base := _base(char)) in found:
            found[base].append(char)
    return found


def _simple(char: str) -> bool:
    """Whether it is a letter whose capital, if it has one, leads back to it."""
    upper = char.upper()
    return (
        unicodedata.category(char)[0] == "L"
        and len(upper) == 1
        and upper.lower() == char
        and char.islower() == (upper != char)
        and len(char.encode()) == len(upper.encode())
    )


ALPHABETS = _alphabets()
LATIN = 1  # the place of the plain letters among the alphabets
FORMS = _forms(ALPHABETS[LATIN])
ACCENTS = {char: (base, n) for base, forms in FORMS.items() for n, char in enumerate(forms)}
PLACE = {char: (number, place) for number, each in enumerate(ALPHABETS) for place, char in enumerate(each)}


class Cipher:
    """A keyed one-to-one map of texts onto texts of the same shape.

    Args:
        key: at least 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a key of fewer than 16 bytes can be guessed")
        self.key = blake2b(key[:64], digest_size=32, person=b"migrate anonym").digest()

    def run(self, text: str, tweak: bytes = b"") -> str:
        """Map a text; characters without an alphabet stay where they are.

        Args:
            tweak: another one, another map.
        """
        folded = [_lower(char) for char in text]
        accents = {n: ACCENTS[char] for n, char in enumerate(folded) if char in ACCENTS}
        for n, (base, _) in accents.items():
            folded[n] = base
        known = [(n, PLACE[char]) for n, char in enumerate(folded) if char in PLACE]
        if not known:
            return text
        places = self.permute(
            [place for _, (_, place) in known],
            [len(ALPHABETS[number]) for _, (number, _) in known],
            bytes(number for _, (number, _) in known) + b"|" + tweak,
        )
        for (n, (number, _)), place in zip(known, places, strict=True):
            folded[n] = ALPHABETS[number][place]
        for n, (_, accent) in accents.items():
            forms = FORMS[folded[n]]
            folded[n] = forms[accent % len(forms)]
        return "".join(
            new.upper() if old != low and new != old else new
            for old, low, new in zip(text, map(_lower, text), folded, strict=True)
        )

    def permute(self, places: Sequence[int], radixes: Sequence[int], tweak: bytes) -> list[int]:
        """One number of mixed radix for another, one to one.

        Args:
            places: digits of the number, each below its radix.
        """
        half = len(places) // 2
        low, high = tuple(radixes[:half]), tuple(radixes[half:])
        size_low, size_high = prod(low), prod(high)
        left, right = _number(places[:half], low), _number(places[half:], high)
        for turn in range(ROUNDS):
            if turn % 2:
                left = (left + self._drawn(turn, right, size_low, tweak)) % size_low
            else:
                right = (right + self._drawn(turn, left, size_high, tweak)) % size_high
        return [*_digits(left, low), *_digits(right, high)]

    def _drawn(self, turn: int, other: int, size: int, tweak: bytes) -> int:
        number = other.to_bytes((other.bit_length() + 7) // 8 + 1, "big")
        # Eight bytes more than needed, so that no remainder is likelier than another.
        needed = (size.bit_length() + 7) // 8 + 8
        drawn, block = b"", 0
        while len(drawn) < needed:
            message = b"%d|%d|%d|" % (turn, block, size) + number + b"|" + tweak
            drawn += blake2b(message, key=self.key, digest_size=min(64, needed - len(drawn))).digest()
            block += 1
        return int.from_bytes(drawn, "big") % size

    def stream(self, length: int, tweak: bytes) -> bytes:
        """Key stream of so many bytes."""
        from hashlib import shake_256

        return shake_256(self.key + tweak).digest(length)


@lru_cache(maxsize=4096)
def _lower(char: str) -> str:
    """Its small letter, if that is one letter that leads back to it."""
    low = char.lower()
    return low if len(low) == 1 and low.upper() == char else char


def _number(places: Sequence[int], radixes: Sequence[int]) -> int:
    found = 0
    for place, radix in zip(places, radixes, strict=True):
        found = found * radix + place
    return found


def _digits(number: int, radixes: Sequence[int]) -> list[int]:
    found = []
    for radix in reversed(radixes):
        number, place = divmod(number, radix)
        found.append(place)
    return found[::-1]
