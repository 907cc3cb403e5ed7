"""Who lets which line of the gate stand, why, and does that still count?

A *waiver* is given ahead, for one of a few lines, until a day; it covers what the line was red about, and no
more. An *override* opens a red gate for named lines, and rests on the evidence as it was: it is void once
that changes. Both are events of the trail with a name and a reason, kept for ever, and part of what people
sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

from migrate.clock import parse_stamp, stamp
from migrate.cutover import people, trail
from migrate.cutover.gates.lines import NEVER, WAIVABLE, GateLine, may_override
from migrate.errors import UsageError
from migrate.plan.terms import instant_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migrate.cutover.machine import Cutover
    from migrate.cutover.trail import Event

WAIVED, ENDED, OVERRIDDEN = "gate line waived", "gate waiver ended", "gate overridden"
SIGNATURES = "signatures"


@dataclass(frozen=True)
class Excuse:
    """A waiver or an override. `lines`: what each was red about; `words`: what it said then; `until`: a
    stamp, "" for an override."""

    kind: Literal["waived", "overridden"]
    who: str
    reason: str
    at: str
    lines: Mapping[str, str]
    words: Mapping[str, str]
    until: str
    event: str

    def __str__(self) -> str:
        until = f" until {self.until}" if self.until else ""
        return f"{self.who}: {self.reason}{until}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "lines": dict(self.lines), "words": dict(self.words)}


def standing(cutover: Cutover, core: str) -> list[Excuse]:
    """Waivers that haven't run out, and overrides that rest on this evidence; oldest first.

    Args:
        core: `Evidence.core` as it stands now.
    """
    began = max((each.number for each in cutover.moves() if each.facts["to"] == "planned"), default=0)
    now = cutover.workspace.clock.now()
    found: dict[str, Excuse] = {}
    kinds = (WAIVED, ENDED, OVERRIDDEN)
    for event in trail.events(cutover.workspace.ledger, kinds, cutover.cohort):
        if event.number <= began:
            continue
        if event.what == OVERRIDDEN:
            if event.evidence == core:
                found[event.digest] = _excuse("overridden", event)
            continue
        found.pop(f"waiver:{event.facts['line']}", None)
        if event.what == WAIVED and parse_stamp(str(event.facts["until"])) > now:
            found[f"waiver:{event.facts['line']}"] = _excuse("waived", event)
    return list(found.values())


def all_of(cutover: Cutover) -> list[Excuse]:
    """Every override that there ever was, void ones too: they are kept for ever."""
    return [
        _excuse("overridden", each)
        for each in trail.events(cutover.workspace.ledger, OVERRIDDEN, cutover.cohort)
    ]


def _excuse(kind: Literal["waived", "overridden"], event: Event) -> Excuse:
    facts = event.facts
    return Excuse(
        kind, event.who, str(facts["reason"]), event.at, dict(facts["lines"]), dict(facts["words"]),
        str(facts.get("until", "")), event.digest,
    )  # fmt: skip


def signed_with(excuses: Sequence[Excuse]) -> tuple[str, ...]:
    """Those that who signs must have known of: all but the one that does without signatures."""
    return tuple(each.event for each in excuses if set(each.lines) != {SIGNATURES})


def applied(lines: Sequence[GateLine], excuses: Sequence[Excuse]) -> list[GateLine]:
    """Lines, with the red ones that somebody lets stand marked. What nobody may let stand stays red."""
    return [_applied(line, excuses) for line in lines]


def _applied(line: GateLine, excuses: Sequence[Excuse]) -> GateLine:
    if line.ok:
        return line
    for each in excuses:
        allowed = may_override(line.id) if each.kind == "overridden" else line.id in WAIVABLE
        if allowed and each.lines.get(line.id) == line.about:
            return replace(line, state=each.kind, excused=str(each))
    return line


def waive(cutover: Cutover, line: GateLine, *, who: str, reason: str, until: str) -> Event:
    """Let one line stand until a day (its end, in the plan's zone) or an instant with its zone.

    Raises:
        UsageError: name, reason or day are missing, the line isn't red, or isn't one that can be waived.
    """
    name = _named(cutover, who, reason)
    if line.id not in WAIVABLE:
        raise UsageError(
            f"`{line.id}` can't be waived.",
            f"These can: {', '.join(sorted(WAIVABLE))}. `migrate override` names others.",
        )
    if line.state != "red":
        raise UsageError(f"`{line.id}` isn't red.", "There is nothing to waive.")
    try:
        end = instant_of(until, cutover.workspace.plan.model.calendar.zone, end=True)
    except ValueError as error:
        raise UsageError(f"`{until}` is no day and no instant.", "Write `--until 2026-03-31`.") from error
    if end.tzinfo is None or end <= cutover.workspace.clock.now():
        raise UsageError(f"`{until}` has no zone, or has passed.", "Write a day to come.")
    return trail.append(
        cutover.workspace.ledger, name, WAIVED, cohort=cutover.cohort, line=line.id,
        lines={line.id: line.about}, words={line.id: line.words}, reason=reason.strip(), via=trail.actor(),
        until=stamp(end.astimezone(UTC)),
    )  # fmt: skip


def take_back(cutover: Cutover, line: str, *, who: str) -> Event:
    """End a waiver.

    Raises:
        UsageError: there is none.
    """
    name = people.must_be_known(cutover, who)
    given = [each for each in trail.events(cutover.workspace.ledger, (WAIVED, ENDED), cutover.cohort)
             if each.facts["line"] == line]  # fmt: skip
    if not given or given[-1].what == ENDED:
        raise UsageError(f"`{line}` isn't waived.", "There is nothing to take back.")
    return trail.append(cutover.workspace.ledger, name, ENDED, cohort=cutover.cohort, line=line)


def override(
    cutover: Cutover, red: Sequence[GateLine], names: Sequence[str], core: str, *, who: str, reason: str
) -> Event:
    """Open a red gate for these lines, on this evidence alone.

    Args:
        red: the lines that are red now.

    Raises:
        UsageError: name, reason or lines are missing, a line isn't red, or is one that nobody can talk past.
    """
    name = _named(cutover, who, reason)
    known = {each.id: each for each in red}
    if not names:
        raise UsageError("Which red lines?", "Name each: `--lines drift,quota`.")
    for each in names:
        if each in NEVER:
            raise UsageError(
                f"`{each}` can't be overridden: the lease, the plan, the trail, who signs, and the way back.",
                "Mend it; `migrate cutover gate` names the command.",
            )
        if each not in known:
            raise UsageError(f"`{each}` isn't a red line now.", f"Red are {', '.join(known) or 'none'}.")
    return trail.append(
        cutover.workspace.ledger, name, OVERRIDDEN, cohort=cutover.cohort, evidence=core,
        lines={each: known[each].about for each in names}, words={each: known[each].words for each in names},
        reason=reason.strip(), via=trail.actor(),
    )  # fmt: skip


def _named(cutover: Cutover, who: str, reason: str) -> str:
    name = people.must_be_known(cutover, who)
    if not reason.strip():
        raise UsageError("It needs a reason, kept for ever.", "Give `--reason`.")
    return name
