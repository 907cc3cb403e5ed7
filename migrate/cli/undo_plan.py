"""How does a plan of a rollback reach people and programs? What can't be undone comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from migrate.cli.output import table

if TYPE_CHECKING:
    from migrate_rollback import RollbackPlan

LINKS = 10  # shown to people; more in the JSON, all in the rows
PARTS = (
    ("Can't be undone", ("can't",)),
    ("Left to a person", ("by hand",)),
    ("Held: others have worked on it since", ("hold", "stays")),
    ("Would be undone", ("delete", "delete file", "restore", "unlink", "relink", "with record")),
    ("Made by `prepare`", ("revert schema",)),
    ("Nothing to do", ("nothing",)),
)  # fmt: skip


def document(found: RollbackPlan) -> dict[str, Any]:
    """A plan for programs."""
    groups = [
        {"object": g.object, "action": g.action, "why": g.code, "count": g.count, "words": g.words,
         "note": g.note}
        for g in found.groups
    ]  # fmt: skip
    cost = found.cost
    return {
        "attempt": found.attempt, "system": found.system, "checkpoint": found.checkpoint,
        "scope": found.scope,
        "taken": found.taken, "window_end": found.window_end,
        "last_safe_start": found.last_safe_start, "open": found.open, "late": found.late,
        "seconds": round(found.seconds, 1), "counts": found.counts, "groups": groups,
        "side_effects": found.effects, "untold": found.untold, "stays": found.stays,
        "calls": {**cost.calls, "total": cost.total},
        "quota": {"left": cost.left, "most": cost.most, "kept": cost.kept, "enough": cost.enough},
        "left_to_people": found.left, "left_alone": found.left_alone, "folder": found.folder,
    }  # fmt: skip


def text(found: RollbackPlan, stage: str) -> str:
    """A plan for people."""
    return "\n".join(_lines(found, stage))


def left_alone(found: Mapping[str, int], attempt: int) -> Iterator[str]:
    """What of a cohort stays, for people work on it in the target."""
    for why, number in found.items():
        yield f"Left alone, {why}: {number:,} (listed under rollback/attempt-{attempt}/left-alone)"


def _lines(found: RollbackPlan, stage: str) -> Iterator[str]:
    yield f"Attempt {found.attempt}, back to `{found.checkpoint}` of {found.taken}{found.scope.part}."
    if not found.groups:
        yield "Nothing is left to undo."
    for title, actions in PARTS:
        groups = found.of(*actions)
        if not groups:
            continue
        yield f"{title}: {sum(group.count for group in groups):,}"
        rows = [(group.object, group.count, group.words) for group in groups]
        yield table(rows, ("object", "count", "what would happen"))
        for note in dict.fromkeys(group.note for group in groups if group.note):
            yield f"  {note}"
        if "by hand" in actions:
            yield from (f"  {each.object} {each.id}: {each.url}" for each in found.left[:LINKS] if each.url)
    yield from left_alone(found.left_alone, found.attempt)
    if found.effects:
        yield "What happens besides:"
        beside = [(each.kind, each.object or "all", each.count, each.words) for each in found.effects]
        yield table(beside, ("", "object", "count", "what"))
    yield from found.untold
    for each in found.stays:
        yield f"Stays, whatever is undone: {each.what} ({each.count:,})."
    if found.groups:
        yield found.cost.words
    if not found.open:
        yield f"The window closed at {found.window_end}: `run` refuses, unless told `--after-window`."
    elif found.late:
        yield (
            f"The window ends {found.window_end}; the last safe start was {found.last_safe_start}: "
            "it may not come to its end in time."
        )
    elif found.window_end:
        yield f"The window ends {found.window_end}; last safe start {found.last_safe_start}."
    yield f"One row for each thing: {stage}/{found.folder}"
