"""How do people say it? Words for what the plan, the catalogs and the ledger spell in their own way.

`report.json` keeps the spelling that programs rely on; what people read goes through here: reasons,
names of figures and columns, moments, shares. Nothing is rounded to more than it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrate.errors import PlanError, Position
from migrate.plan import parse_expression

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence

REASONS = {
    "unmapped_picklist": "a value has no home in the map",
    "no_owner": "nobody in the target can own it",
    "required": "a value is missing that the target requires",
    "too_long": "a text is too long",
    "expression": "a value can't be converted",
    "ambiguous_match": "no match one to one with a record of the target",
    "ambiguous_source": "several records match one of the target",
    "duplicate": "a value that must be unique is shared",
    "where": "left out on purpose, by the plan's `where`",
    "mailbox_sync": "from the day on from which the target's own sync brings it",
    "future": "still to come; left out by the plan's rule",
}
FIGURES = {
    "read in the base extract": "read at first",
    "changed by deltas": "new since then",
    "dead_letter": "refused by the target",
    "blocked": "waiting for another record",
    "unaccounted": "without an end",
    "in the crosswalk": "noted as moved",
    "in the target with our key": "in the target with our mark",
    "staged": "to be made",
    "folded": "asked for twice",
    "side records, journalled": "made by automations, on our list",
    "side records, not journalled": "made by automations, not on our list",
}
COLUMNS = {
    "key": "record",
    "id": "id in the target",
    "source_id": "id at the source",
    "outcome": "end",
    "class": "what it is",
    "by": "written by",
    "writer": "who",
    "written": "when",
    "stamp": "last changed",
    "was": "at the source",
}
GLOSSARY = {
    "adopted": "The record stood in the new system already; it was taken over, not made a second time.",
    "amber": "Somebody has to accept it. It opens the gate, and stays in the report with a name.",
    "archive": "Records that were kept as files and not made in the new system.",
    "dead letter": "A record that the new system refused, with its own words why.",
    "difference": "A value, link or file that isn't what it should be. Its id (`D-…`) lasts from run to run.",
    "dropped on purpose": "The plan leaves these records out by a rule that somebody wrote and signed.",
    "evidence": "`report.json`. Its SHA-256, and the short code made of it, name this very report.",
    "expected": "What the plan makes of the old system's value, worked out again from what was staged.",
    "group": "Differences with one likely cause (`G-…`): mending the cause mends all of them.",
    "explained": "Told, with what explains it; nobody has to do anything.",
    "known": "The difference was there at the former validation, too; otherwise it is new.",
    "masked": "Names of persons, e-mail addresses, phone numbers and long texts are shown in part only.",
    "merged": "Two old records are one in the new system. The one that stays is named.",
    "red": "It must be mended, tolerated by the plan, or waived by a name, before the move goes on.",
    "tolerance": "A bound in the plan within which a check may differ, with an owner and a reason.",
    "unexplained": "A record that was read and has no end. More than none is always red.",
    "waiver": "Somebody lets one difference stand, by name, for a reason, until a day.",
    "way back": "A rollback to the checkpoint before the load: until when, and what it can't undo.",
}
_SEGMENT = re.compile(rf"(^|; )({'|'.join(REASONS)})(: [^=;]+?)?(?= = |;|$)")
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s'\"`/]+/)+(?=[^\s'\"`/])")


def label(fields: Mapping[str, Field], name: str) -> str:
    """What people call a field; its own name where nobody says."""
    return fields[name].label if name in fields else name


def told(reason: str, fields: Mapping[str, Field]) -> str:
    """Why a record didn't move: `unmapped_picklist: stage = x` as people say it."""

    def words(found: re.Match[str]) -> str:
        name = (found[3] or "").removeprefix(": ")
        return f"{found[1]}{REASONS[found[2]]}" + (f": {label(fields, name)}" if name else "")

    return _SEGMENT.sub(words, reason)


def why(evidence: Evidence, each: ObjectPlan, reason: str) -> str:
    """Why records of an object didn't move; a `dedupe` is told by its fields, not by its expressions."""
    schema = evidence.source.objects.get(each.source)
    for written in each.dedupe.on if each.dedupe and schema else ():
        assert schema is not None  # noqa: S101 - the line above
        try:
            inputs = parse_expression(written, schema.fields, Position("plan.yaml")).inputs
        except PlanError:
            continue
        reason = reason.replace(written, " and ".join(label(schema.fields, name) for name in inputs))
    return told(reason, evidence.target_schema(each.target).fields)


def moment(value: str | None) -> str:
    """A moment in UTC, to the minute."""
    return f"{datetime.fromisoformat(value).astimezone(UTC):%d %b %Y, %H:%M} UTC" if value else "not known"


def span(start: str, end: str) -> str:
    """From one moment to another, the day said once where it is one."""
    if moment(start) == moment(end):
        return moment(start)
    day, _, clock = moment(end).partition(", ")
    began = moment(start).removesuffix(" UTC")
    return f"{began} to {clock if began.startswith(day) else moment(end)}"


def share(count: int, of: int) -> str:
    """A part of the whole in per cent, cut and never rounded up: only all is 100 %."""
    if not of:
        return "–"
    if count and count * 1000 < of:
        return "under 0.1 %"
    return f"{count * 1000 // of / 10:.1f} %" if count != of else "100 %"


def without_folders(text: str) -> str:
    """A message of the machine's without the folders of its paths, which are nobody else's business."""
    return _FOLDERS.sub("", text)
