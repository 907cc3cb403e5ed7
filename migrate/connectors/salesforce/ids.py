"""Which of an id's two spellings do we keep? Always the one of 18 characters.

The 15-character form tells `a` from `A`; a join that ignores case, or a spreadsheet, merges two
records into one. The last three characters of the long form spell out which of the first fifteen
are capitals, five at a time, lowest bit first.
Salesforce, "What are the differences between 15 and 18 character record IDs", read 2026-11-23.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
PATTERN = r"(?<![A-Za-z0-9])[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?(?![A-Za-z0-9])"
_OWN = 6  # before it: three letters of the object, and three of the pod and for later use
# Where nothing is spelled out, a word with digits must not be taken for an id: the third of these is a zero.
_BEGINS = re.compile(r"(?:[0-9][0-9A-Za-z]{2}|[a-z][0-9][0-9A-Za-z])[0-9A-Za-z]{2}0")
_SHORT = re.compile(r"[A-Za-z0-9]{15}")
_LONG = re.compile(r"[A-Za-z0-9]{18}")


def suffix(short: str) -> str:
    """The three characters that make 15 case-safe."""
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return "".join(
        _ALPHABET[sum(1 << place for place, letter in enumerate(group) if "A" <= letter <= "Z")]
        for group in groups
    )


def long_id(id: str) -> str:
    """The 18-character form of an id in either form. Raises ValueError for anything else."""
    if _SHORT.fullmatch(id):
        return id + suffix(id)
    if _LONG.fullmatch(id):
        return id[:15] + suffix(id[:15])
    raise ValueError(f"`{id}` is no Salesforce id: it has neither 15 nor 18 letters and digits")


def long_ids(ids: pa.Array) -> pa.Array:
    """A column of ids (nulls stay) in the long form; a column that is long already is given back as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shortest = pc.min(pc.utf8_length(ids)).as_py()  # comparing with a Python number would import pandas
    if shortest is None or shortest >= 18:
        return ids
    return pa.array(
        [long_id(id) if id is not None and len(id) == 15 else id for id in ids.to_pylist()], pa.string()
    )


def other_id(id: str, draw: Callable[[str], str]) -> str | None:
    """An id of the same object and the same length; see `SpellsIds`."""
    if _LONG.fullmatch(id):
        short = id[:15]
        if id != short + suffix(short):
            return None
    elif _SHORT.fullmatch(id) and _BEGINS.match(id):
        short = id
    else:
        return None
    other = short[:_OWN] + draw(short[_OWN:])
    return other if len(id) == 15 else other + suffix(other)
