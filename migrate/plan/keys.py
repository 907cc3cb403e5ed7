"""How is a source record named for ever? Migration keys, and which entry of the plan a key belongs to.

A key is `family.Object.id`. Where several entries of a plan take the same source object, an entry with a
`part` ends its keys with `~part`, so that each of a record's target records has a key of its own. An entry
is called by its source object and its part (`Task`, `Task~call`); ids hold no `~`.

The far end of a link may be no record of the source at all, but one that the target has had before, found by
an e-mail address: then `=` and the target's id stand for a key.

Functions that end in `_sql` give SQL for the engine.
"""

from __future__ import annotations

TILDE = "~"
POSTED = "intake-"  # begins the id in the key of a record that came in as a post
ITSELF = "="


def split_entry(entry: str) -> tuple[str, str]:
    """The source object of an entry's name, and how its keys end (`~part`, or nothing)."""
    source, tilde, part = entry.partition(TILDE)
    return source, tilde + part


def entry_of(key: str) -> str:
    """The entry that a migration key belongs to; "" where the text is no key."""
    pieces = key.split(".", 2)
    if len(pieces) < 3:
        return ""
    _, tilde, part = pieces[2].partition(TILDE)
    return pieces[1] + tilde + part


def id_of(key: str) -> str:
    """The source's own id in a migration key."""
    return key.split(".", 2)[2].partition(TILDE)[0]


def key_prefix(family: str, entry: str) -> str:
    """What all keys of an entry begin with; entries of one source object share it."""
    return f"{family}.{split_entry(entry)[0]}."


def key_of(family: str, entry: str, id: str) -> str:
    """The migration key of a source record, as an entry takes it."""
    return f"{key_prefix(family, entry)}{id}{split_entry(entry)[1]}"


def key_sql(family: str, entry: str, id: str) -> str:
    """The migration key of an id, both in SQL."""
    suffix = split_entry(entry)[1]
    return f"{_text(key_prefix(family, entry))} || {id}" + (f" || {_text(suffix)}" if suffix else "")


def id_sql(family: str, entry: str, key: str) -> str:
    """The source id in a key of an entry."""
    first, last = len(key_prefix(family, entry)), len(split_entry(entry)[1])
    return f"substr({key}, {first + 1}, length({key}) - {first + last})"


def belongs_sql(family: str, entry: str, key: str) -> str:
    """A condition: the key is one of this entry's; false or null where there is none."""
    suffix = split_entry(entry)[1]
    end = f"ends_with({key}, {_text(suffix)})" if suffix else f"NOT contains({key}, '{TILDE}')"
    return f"(starts_with({key}, {_text(key_prefix(family, entry))}) AND {end})"


def entry_sql(key: str) -> str:
    """The name of the entry that a key belongs to."""
    part = f"'{TILDE}' || split_part({key}, '{TILDE}', 2)"
    return f"(split_part({key}, '.', 2) || CASE WHEN contains({key}, '{TILDE}') THEN {part} ELSE '' END)"


def posted_sql(key: str) -> str:
    """A condition: the key is of a record that came in as a post; the source never had it."""
    return f"starts_with(split_part({key}, '.', 3), '{POSTED}')"


def itself_sql(key: str) -> str:
    """The target id that stands for a key; null where it is a key."""
    return f"CASE WHEN starts_with({key}, '{ITSELF}') THEN substr({key}, 2) END"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
