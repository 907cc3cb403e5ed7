"""May this cohort switch? Every line red or green, with the command that mends it.

A look asks both systems, the ledger and the trail, and writes nothing. `run` records what it found, with the
digest of the evidence, and moves the cohort: to verified once all but the signatures is green, to approved
once they are there, and back where something has changed. The guards of these moves, and of the switch, go by
the newest recorded gate: it has to be fresh, on the evidence that stands now, and without a red line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.cutover import excusing, people, signing, trail
from migrate.cutover.excusing import Excuse
from migrate.cutover.gates import calendar, frozen, intake, proof, rehearsed, standing, systems, way_back
from migrate.cutover.gates.evidence import Evidence, gather
from migrate.cutover.gates.lines import GateLine
from migrate.cutover.machine import Cutover, Line, MoveRefused, guard
from migrate.cutover.signing import Signature
from migrate.errors import Damaged, UsageError
from migrate.plan.terms import parse_span

if TYPE_CHECKING:
    from migrate.cutover.states import State
    from migrate.cutover.trail import Event

GATE = "cutover gate"
AGAIN = "migrate cutover gate"
# In the order in which one mends them.
PARTS: tuple[Callable[[Cutover], Iterable[GateLine]], ...] = (
    standing.plan, standing.check, rehearsed.lines, standing.doubt, standing.letters,
    frozen.lines,
    intake.lines, proof.lines,
    systems.lines, way_back.lines, standing.window, calendar.lines, standing.lease, standing.history,
)  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """What was found. `at`: a stamp; `code`: as printed on the report's first page, "" without a report.

    `requested`: who asked for the approval of this evidence, "" while nobody has. `losses`: what is lost on
    the way back, a sentence each.
    """

    cohort: str
    state: State
    at: str
    evidence: Evidence
    lines: tuple[GateLine, ...]
    excuses: tuple[Excuse, ...]
    signatures: tuple[Signature, ...]
    requested: str
    losses: tuple[str, ...] = ()

    @property
    def red(self) -> tuple[GateLine, ...]:
        """Lines that stand in the way."""
        return tuple(each for each in self.lines if not each.ok)

    @property
    def verified(self) -> bool:
        """Whether nothing but signatures is missing."""
        return all(each.ok or each.id == signing.ID for each in self.lines)

    @property
    def passed(self) -> bool:
        """Whether nothing is red."""
        return not self.red

    @property
    def code(self) -> str:
        """What who signs has to type."""
        return self.evidence.code

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "cohort": self.cohort, "state": self.state, "at": self.at, "passed": self.passed,
            "verified": self.verified, "evidence": self.evidence.digest, "core": self.evidence.core,
            "code": self.code, "requested": self.requested, "red": [each.id for each in self.red],
            "lines": [each.document() for each in self.lines],
            "excuses": [each.document() for each in self.excuses],
            "signatures": [each.document() for each in self.signatures], "facts": self.evidence.document,
            "losses": list(self.losses),
        }  # fmt: skip


@dataclass(frozen=True)
class Approval:
    """What the switch consumes: the evidence, who signed it, and by which overrides. Digests in hex."""

    evidence: str
    core: str
    gate: str  # digest of the gate's event
    signatures: tuple[str, ...]  # digests of their events
    overrides: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON, for the trail."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }


def current(cutover: Cutover) -> Evidence:
    """The evidence as it stands now, with what people let stand. Asks no system."""
    return _current(cutover)[0]


def _current(cutover: Cutover) -> tuple[Evidence, list[Excuse]]:
    bare = gather(cutover)
    excuses = excusing.standing(cutover, bare.core)
    return Evidence(bare.document, excusing.signed_with(excuses)), excuses


def look(cutover: Cutover) -> Gate:
    """Ask everything, and write nothing.

    Raises:
        Damaged: an artifact of ours.
    """
    found = [signing.signers_line(cutover)]
    for part in PARTS:
        found += part(cutover)
    return _gate(cutover, found)


def _gate(cutover: Cutover, lines: Sequence[GateLine]) -> Gate:
    """Lines without that of the signatures, judged."""
    evidence, excuses = _current(cutover)
    judged = excusing.applied([*lines, signing.line(cutover, evidence)], excuses)
    asked = signing.requested(cutover, evidence)
    return Gate(
        cutover.cohort, cutover.state, stamp(cutover.workspace.clock.now()), evidence, tuple(judged),
        tuple(excuses), tuple(signing.signatures(cutover, evidence)), asked.who if asked else "",
        way_back.losses(cutover),
    )  # fmt: skip


def run(cutover: Cutover, *, who: str, request: bool = False) -> Gate:
    """Look, record it, and move the cohort by what was found.

    Args:
        who: who acts; with `request`, who asks for the approval, and so can't give it.

    Raises:
        UsageError: an approval is asked for where something else is red.
        MoveRefused: something has changed meanwhile.
    """
    if request:
        people.must_be_known(cutover, who)
    found = look(cutover)
    _record(cutover, found, who)
    _follow(cutover, found, who)
    if request:
        if not found.verified:
            words = ", ".join(each.id for each in found.red if each.id != signing.ID)
            raise UsageError(
                f"No approval can be asked for while lines are red: {words}.",
                f"Mend them; `{AGAIN}` names the commands.",
            )
        signing.request(cutover, found.evidence, who=who)
    return _gate(cutover, [each for each in found.lines if each.id != signing.ID])


def must_pass(cutover: Cutover, *, who: str) -> Gate:
    """Ask the gate anew, for a step that must not go by an older answer.

    Raises:
        MoveRefused: a line is red; the cohort is moved back accordingly.
    """
    found = run(cutover, who=who)
    if not found.passed:
        raise MoveRefused(cutover.cohort, "switching", [_told(each) for each in found.lines])
    return found


def _record(cutover: Cutover, found: Gate, who: str) -> Event:
    """In the trail, and as a document beside the data, with the trail's head."""
    event = trail.append(
        cutover.workspace.ledger, who, GATE, cohort=cutover.cohort, evidence=found.evidence.digest,
        core=found.evidence.core, code=found.code, lines={each.id: each.state for each in found.lines},
        red={each.id: {"words": each.words, "about": each.about} for each in found.red},
    )  # fmt: skip
    folder = _folder(cutover, event)
    content = json.dumps({**found.document(), "event": event.digest}, indent=1, ensure_ascii=False)
    cutover.workspace.storage.write(f"{folder}/gate.json", content.encode())
    trail.note(cutover.workspace, folder)
    return event


def _follow(cutover: Cutover, found: Gate, who: str) -> None:
    """Forward where it is green, back where it is green no more."""
    evidence = found.evidence.digest
    state = cutover.state
    if state == "drained" and found.verified:
        cutover.move("verified", who=who, evidence=evidence)
    elif state in ("verified", "approved") and not found.verified:
        cutover.move("drained", who=who, evidence=evidence, red=[each.id for each in found.red])
    elif state == "approved" and not found.passed:
        cutover.move("verified", who=who, evidence=evidence, red=[each.id for each in found.red])
    if cutover.state == "verified" and found.passed:
        cutover.move("approved", who=who, evidence=evidence)


def approve_if_complete(cutover: Cutover, *, who: str) -> str:
    """After a signature: move to approved if it was the last. Why not, in words; "" if it moved."""
    lines = cutover.lines("approved")
    if red := [each for each in lines if not each.ok]:
        return " ".join(f"{each.words} {each.remedy}".strip() for each in red)
    cutover.move("approved", who=who, evidence=current(cutover).digest)
    return ""


def last(cutover: Cutover) -> Event | None:
    """The newest recorded gate of the cohort."""
    found = trail.events(cutover.workspace.ledger, GATE, cutover.cohort)
    return found[-1] if found else None


def recorded(cutover: Cutover) -> dict[str, Any] | None:
    """The newest recorded gate as `Gate.document`, with `event`; None before the first. Asks no system.

    Raises:
        Damaged: its file isn't there, or isn't that event's.
    """
    event = last(cutover)
    if event is None:
        return None
    key = f"{_folder(cutover, event)}/gate.json"
    try:
        told: dict[str, Any] = json.loads(cutover.workspace.storage.read(key)[0])
    except (OSError, ValueError):
        told = {}
    if told.get("event") != event.digest:
        place = cutover.workspace.storage.address(key)
        raise Damaged(place, "is missing, or isn't what the trail says", f"Run `{AGAIN}` again.")
    return told


def _folder(cutover: Cutover, event: Event) -> str:
    return f"cutover/{cutover.cohort}/gate-{event.number:06d}"


def override(cutover: Cutover, names: Sequence[str], *, who: str, reason: str) -> Event:
    """Open the gate for red lines, by name, with a reason; on the evidence as it stands now.

    Raises:
        UsageError: name, reason or lines are missing, a line isn't red now, or is one that nobody can talk
            past; there is no fresh gate to go by.
    """
    recorded = _fresh(cutover)
    if isinstance(recorded, Line):
        raise UsageError(recorded.words, f"Run {recorded.remedy} first.")
    red = [
        GateLine(id, "red", str(told["words"]), about=str(told["about"]))
        for id, told in recorded.facts["red"].items()
    ]
    return excusing.override(cutover, red, names, str(recorded.facts["core"]), who=who, reason=reason)


def waive(cutover: Cutover, name: str, *, who: str, reason: str, until: str) -> Event:
    """Let a red line stand until a day, ahead of the gate.

    Raises:
        UsageError: as `excusing.waive`.
    """
    recorded = last(cutover)
    told = recorded.facts["red"].get(name) if recorded else None
    line = GateLine(name, "red", told["words"], about=told["about"]) if told else GateLine(name, "green", "")
    return excusing.waive(cutover, line, who=who, reason=reason, until=until)


def approval(cutover: Cutover) -> Approval:
    """What the switch is about to use up.

    Raises:
        UsageError: there is none: no fresh gate, evidence that has changed, or a signature that is missing.
    """
    if red := [each for each in _switching(cutover) if not each.ok]:
        raise UsageError(red[0].words, red[0].remedy)
    evidence, excuses = _current(cutover)
    recorded = last(cutover)
    signed = [each.event for each in signing.signatures(cutover, evidence) if not each.void]
    overrides = [each.event for each in excuses if each.kind == "overridden"]
    return Approval(
        evidence.digest, evidence.core, recorded.digest if recorded else "", tuple(signed), tuple(overrides)
    )


def _told(line: GateLine) -> Line:
    """A line as guards have it: commands in backticks."""
    plain = line.remedy and "`" not in line.remedy
    return Line(line.id, line.ok, line.words, f"`{line.remedy}`" if plain else line.remedy)


def _again() -> str:
    return f"`{AGAIN}`"


# -- guards ---------------------------------------------------------------------------------------


def _fresh(cutover: Cutover) -> Event | Line:
    """The newest gate, if it can be gone by: young, and on what stands now. Else why not."""
    recorded = last(cutover)
    if recorded is None:
        return Line("gate", False, "The gate was never asked.", _again())
    bound = cutover.workspace.plan.model.cutover.gate.fresh
    age = cutover.workspace.clock.now() - parse_stamp(recorded.at)
    if age > parse_span(bound):
        return Line("gate", False, f"The gate was asked at {recorded.at}; it may be {bound} old.", _again())
    evidence, _ = _current(cutover)
    if recorded.facts["core"] != evidence.core:
        return Line(
            "gate", False, f"The evidence has changed since the gate was asked at {recorded.at}.", _again()
        )
    return recorded


def _green(cutover: Cutover) -> Iterator[Line]:
    """The newest gate is fresh, and of its lines none is red now but that of the signatures."""
    recorded = _fresh(cutover)
    if isinstance(recorded, Line):
        yield recorded
        return
    _, excuses = _current(cutover)
    told = [
        GateLine(id, "red", str(each["words"]), remedy=AGAIN, about=str(each["about"]))
        for id, each in recorded.facts["red"].items()
        if id != signing.ID
    ]
    red = [each for each in excusing.applied(told, excuses) if not each.ok]
    for each in red:
        yield Line(f"gate:{each.id}", False, each.words, _again())
    # What a record once excused may have run out since.
    once = [id for id, state in recorded.facts["lines"].items() if state in ("waived", "overridden")]
    lapsed = [id for id in once if id != signing.ID and not any(id in each.lines for each in excuses)]
    for id in lapsed:
        yield Line(f"gate:{id}", False, f"What let `{id}` stand is over.", _again())
    if not red and not lapsed:
        yield Line("gate", True, f"Asked at {recorded.at}.")


def _signed(cutover: Cutover) -> Line:
    evidence, excuses = _current(cutover)
    found = excusing.applied([signing.line(cutover, evidence)], excuses)[0]
    return _told(found)


@guard("verified")
def _verified(cutover: Cutover) -> list[Line]:
    return list(_green(cutover))


@guard("approved")
def _approved(cutover: Cutover) -> list[Line]:
    return [*_green(cutover), _signed(cutover)]


@guard("switching")
def _switching(cutover: Cutover) -> list[Line]:
    """Beside the gate whatever can be asked without a system is asked anew."""
    parts = (standing.plan, standing.lease, standing.history, calendar.lines)
    _, excuses = _current(cutover)
    anew = excusing.applied([line for part in parts for line in part(cutover)], excuses)
    return [*_green(cutover), _signed(cutover), *map(_told, anew)]
