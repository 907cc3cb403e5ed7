"""How does a long text lose its words, and quickly? Each letter moves by a key stream of the text's own.

The stream is drawn from the key and the text (without capitals and blanks around), so equal texts come out
equal, and the same word in two texts has two pseudonyms: nobody can count words. Two texts that differ come
out the same with a chance of less than 10 to the -40, for a long text has letters enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np

from migrate.stages.anonymize.cipher import ALPHABETS, PLACE, Cipher

_WORD = re.compile(r"[^\W\d_]{4,}")
NONE = 255
TRIES = 64


@cache
def _tables() -> tuple[Any, ...]:
    """By code point: its alphabet, its place there, whether it is a capital, and its capital. By alphabet:
    where it begins in the list of all letters, its size; and that list."""
    size = 0x110000
    alphabet = np.full(size, NONE, np.uint8)
    place = np.zeros(size, np.uint16)
    upper = np.zeros(size, bool)
    capital = np.arange(size, dtype=np.uint32)
    for char, (number, where) in PLACE.items():
        alphabet[ord(char)], place[ord(char)] = number, where
        big = char.upper()
        if big != char:
            alphabet[ord(big)], place[ord(big)], upper[ord(big)] = number, where, True
            capital[ord(char)] = ord(big)
    sizes = np.array([len(each) for each in ALPHABETS], np.uint32)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint32)
    letters = np.frombuffer("".join(ALPHABETS).encode("utf-32-le"), np.uint32)
    return alphabet, place, upper, capital, begins, sizes, letters


def streamed(cipher: Cipher, text: str, spans: Sequence[tuple[int, int, str]], names: Collection[str]) -> str:
    """A long text without its words.

    Args:
        spans: start, end and what takes the place of a part, which has as many characters.
        names: words, in lower case, that must not come out by chance.
    """
    alphabet, place, upper, capital, begins, sizes, letters = _tables()
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    made = points.copy()
    own = alphabet[points]
    moved = np.flatnonzero(own != NONE)
    digest = blake2b(text.strip().casefold().encode(), key=cipher.key, digest_size=32).digest()
    stream = np.frombuffer(cipher.stream(4 * len(moved), digest), np.uint32)
    old, sets = points[moved], own[moved]
    new = letters[begins[sets] + ((place[old] + stream.astype(np.uint64)) % sizes[sets]).astype(np.uint32)]
    made[moved] = np.where(upper[old], capital[new], new)
    for start, end, other in spans:
        made[start:end] = np.frombuffer(other.encode("utf-32-le"), np.uint32)
    result = made.astype("<u4").tobytes().decode("utf-32-le")
    return _WORD.sub(lambda match: _without(cipher, match.group(), names), result)


def _without(cipher: Cipher, word: str, names: Collection[str]) -> str:
    """A word that came out by chance as a name is drawn again."""
    made = word
    for attempt in range(TRIES):
        if made.lower() not in names:
            break
        made = cipher.run(word, b"again%d" % attempt)
    return made
