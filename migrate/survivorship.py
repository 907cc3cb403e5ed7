"""Which side's value wins when a source record meets a target record that was there before?

Pure functions over wire values, used by the load to decide and by the row check to decide again.
"""

from __future__ import annotations

from datetime import datetime

RULES = ("source", "target", "newest", "longest", "first_non_null")


def survive(
    rule: str,
    source: str | None,
    target: str | None,
    *,
    source_stamp: str | None = None,
    target_stamp: str | None = None,
) -> str | None:
    """The value that stays.

    Args:
        rule: `source`: the source's. `target`: the target's, unless it is empty. `newest`: of the
            record with the later stamp (the target's on a tie). `longest`: the longer text (the
            target's on a tie). `first_non_null`: the source's, unless it is empty.
        source_stamp, target_stamp: modification stamps of the two records, ISO-8601 UTC.

    Raises:
        ValueError: the rule is none of these.
    """
    if rule == "source":
        return source
    if rule == "target":
        return source if target is None else target
    if rule == "first_non_null":
        return target if source is None else source
    if source is None or target is None:
        return target if source is None else source
    if rule == "longest":
        return source if len(source) > len(target) else target
    if rule == "newest":
        return source if _later(source_stamp or "", target_stamp or "") else target
    raise ValueError(f"no survivorship rule `{rule}`")


def _later(one: str, other: str) -> bool:
    """Whether a stamp is later. As instants: vendors leave out fractions of a second, and not alike."""
    try:
        return datetime.fromisoformat(one) > datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return one > other
