"""What can be done from the console, by whom, and which command is it? One table; nothing else acts.

An act is a command line made of a form's values. Values never stand where an option could: they follow `=` or
`--`. Who acts is the person who is logged in, never what a form says. An act that destroys asks for a word to
be typed, and only then gives the command its `--yes`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from migrate.console.people import Person, Role
from migrate.errors import UsageError

LONGEST = 2_000  # signs of a value
Values = Mapping[str, str]


@dataclass(frozen=True)
class Box:
    """A value that a form asks for. `kind`: of the input; `fixed`: the page gives it, nobody types it."""

    name: str
    label: str = ""
    kind: Literal["text", "date", "textarea", "check", "fixed"] = "text"
    needed: bool = True


@dataclass(frozen=True)
class Act:
    """Something that a person can do.

    `role`: whose it is. `title`: on the button. `does`: in a sentence, before it is done. `quick`: the page
    waits for its end. `typed`: what must be typed to mean it: `target` (the system's label) or `cohort`.
    """

    name: str
    title: str
    role: Role
    does: str
    arguments: Callable[[Values, Person], list[str]]
    boxes: tuple[Box, ...] = ()
    quick: bool = False
    typed: Literal["", "target", "cohort"] = ""


def _plain(*words: str) -> Callable[[Values, Person], list[str]]:
    return lambda _values, _person: list(words)


def _waive(values: Values, person: Person) -> list[str]:
    return [
        "waive", f"--by={person.name}", f"--reason={values['reason']}", f"--until={values['until']}", "--",
        values["what"],
    ]  # fmt: skip


def _take_back(values: Values, person: Person) -> list[str]:
    return ["waive", f"--by={person.name}", "--take-back", "--", values["what"]]


def _hold(what: str, *, yes: bool = False) -> Callable[[Values, Person], list[str]]:
    def arguments(values: Values, _person: Person) -> list[str]:
        return ["rollback", "hold", what, *(["--yes"] if yes else []), "--", values["group"]]

    return arguments


def _tick(*, undo: bool) -> Callable[[Values, Person], list[str]]:
    def arguments(values: Values, person: Person) -> list[str]:
        back = ["--undo"] if undo else []
        return [
            "console", "tick", f"--as={person.name}", *back, "--", values["runbook"], values["step"],
        ]  # fmt: skip

    return arguments


def _cutover(*words: str, more: tuple[str, ...] = ()) -> Callable[[Values, Person], list[str]]:
    """A cutover command of one cohort. `more`: values that are options of it."""

    def arguments(values: Values, person: Person) -> list[str]:
        options = [f"--{name}={values[name]}" for name in more if values[name]]
        return ["cutover", *words, f"--cohort={values['cohort']}", f"--as={person.name}", *options]

    return arguments


def _acting(*words: str) -> Callable[[Values, Person], list[str]]:
    return lambda _values, person: [*words, f"--as={person.name}"]


def _cutover_window(values: Values, person: Person) -> list[str]:
    options = [f"--{name}={values[name]}" for name in ("cohort", "at", "until")]
    return ["console", "window", f"--as={person.name}", *options]


def _gate_waive(values: Values, person: Person) -> list[str]:
    options = [f"--{name}={values[name]}" for name in ("cohort", "reason", "until")]
    return ["cutover", "waive", f"--as={person.name}", *options, "--", values["line"]]


def _override(values: Values, person: Person) -> list[str]:
    options = [f"--{name}={values[name]}" for name in ("cohort", "reason")]
    return ["override", "--yes", f"--as={person.name}", *options, f"--lines={values['line']}"]


_WHAT = Box("what", kind="fixed")
_GROUP = Box("group", kind="fixed")
_COHORT = Box("cohort", kind="fixed")
_STEP = (Box("runbook", kind="fixed"), Box("step", kind="fixed"))
_REASON = Box("reason", "Why?", "textarea")

ACTS: Mapping[str, Act] = {
    act.name: act
    for act in (
        Act(
            "waive", "Waive", "approver",
            "It stays in the report, amber, with your name and your reason, and is red again after the day. "
            "The next validation takes it into account.",
            _waive, (_WHAT, Box("reason", "Why may it stand?", "textarea"), Box("until", "Until", "date")),
            quick=True,
        ),
        Act("take-back", "Take the waiver back", "approver", "The difference is red again.", _take_back,
            (_WHAT,), quick=True),
        Act("hold-keep", "Keep theirs", "operator",
            "These records stay as they are, by your decision. It can be changed later.", _hold("keep"),
            (_GROUP,), quick=True),
        Act("hold-merge", "Undo by field", "operator",
            "Our fields go where they are as we left them; what others wrote stays.",
            _hold("merge", yes=True), (_GROUP,), typed="target"),
        Act("hold-force", "Undo all the same", "operator",
            "What others wrote on these records goes with them. That can't be taken back.",
            _hold("force", yes=True), (_GROUP,), typed="target"),
        Act("rehearse", "Rehearse on twins", "operator", "Plays the whole cutover, the way back included, on "
            "local twins of both systems. Reads and writes no real system.", _acting("cutover", "rehearse")),
        Act("window", "Set the maintenance window", "operator", "Kept in the trail; pages count down to "
            "it, and the runbook gets its times. An hour without a zone is one of the plan's calendar.",
            _cutover_window, (_COHORT, Box("at", "From, as 2026-12-04 18:00"), Box("until", "Until")),
            quick=True),
        Act("start", "Start", "operator", "Extracts, transforms and loads the cohort's records, and all that "
            "they refer to. Goes on where it was stopped.", _cutover("start"), (_COHORT,)),
        Act("delta", "Bring what has changed", "operator", "Rounds of deltas until the lag is under the "
            "plan's bound; in a freeze, the last one.", _cutover("delta"), (_COHORT,)),
        Act("watch", "Keep watch", "operator", "A round of deltas a minute, until it is stopped.",
            _cutover("delta", "--watch"), (_COHORT,)),
        Act("freeze", "Freeze", "operator", "Says what people have to do, then looks until the old system "
            "stands still, for 12 hours at most.", _cutover("freeze", "--wait"), (_COHORT,)),
        Act("thaw", "Thaw", "operator", "People may work on in the old system; approvals that were given "
            "are void.", _cutover("thaw", more=("reason",)), (_COHORT, _REASON)),
        Act("replay", "Load the posts that were kept", "operator", "Where new records are at home now: in "
            "the old system after a thaw, in the new one after the switch. Nobody twice.",
            _acting("cutover", "intake", "replay")),
        Act("gate", "Ask the gate", "operator", "Asks both systems, the ledger and the trail whether the "
            "cohort may switch, and records it.", _cutover("gate"), (_COHORT,)),
        Act("request", "Ask for the approval", "operator", "Asks the gate, and then those who sign. Who asks "
            "can't approve.", _cutover("gate", "--request"), (_COHORT,)),
        Act("gate-waive", "Let it stand until a day", "approver", "Only what is red under this line now; "
            "what comes later is red again.", _gate_waive,
            (_COHORT, Box("line", kind="fixed"), _REASON, Box("until", "Until", "date")), quick=True),
        Act("override", "Override the gate", "approver", "Opens the gate for this line, with your name, for "
            "ever. Void once the evidence changes.", _override, (_COHORT, Box("line", kind="fixed"), _REASON),
            quick=True, typed="cohort"),
        Act("switch", "Switch", "operator", "The plan's hooks in order, then a canary. Uses up the approval. "
            "Where anything fails, what was done is undone.", _cutover("switch", "--yes"), (_COHORT,),
            typed="cohort"),
        Act("switch-undo", "Give the switch up", "operator", "Undoes the steps of a switch that was stopped, "
            "last first; the cohort is frozen again.", _cutover("switch", "--undo", "--yes"), (_COHORT,),
            typed="cohort"),
        Act("back", "Go back to the old system", "operator", "Undoes the switch's hooks, then brings home "
            "what was entered or changed since. What has no way back stands in a sheet for each owner.",
            _cutover("back", "--yes"), (_COHORT,), typed="cohort"),
        Act("seal", "Seal", "operator", "Ends the way back of this cohort, for ever.",
            _cutover("seal", "--yes"), (_COHORT,), typed="cohort"),
        Act("cancel", "Cancel the cutover", "operator",
            "Gives it up before its switch. What was loaded stays until a rollback takes it back.",
            _cutover("cancel", more=("reason",)), (_COHORT, _REASON), quick=True),
        Act("validate", "Validate", "operator", "Reads the target again and compares every row.",
            _plain("validate")),
        Act("rollback-plan", "Look what going back would do", "operator",
            "Looks at every record in the target; changes nothing.", _plain("rollback", "plan")),
        Act("tick", "Done", "operator", "Ticks the step off, with your name.", _tick(undo=False), _STEP,
            quick=True),
        Act("untick", "Not done after all", "operator", "Takes the tick back.", _tick(undo=True), _STEP,
            quick=True),
    )
}  # fmt: skip

# By state: what leads on from there, or back. Whether it may, the command decides, never the page.
OFFERED: Mapping[str, tuple[str, ...]] = {
    "planned": ("rehearse", "start", "window", "cancel"),
    "rehearsed": ("start", "rehearse", "window", "cancel"),
    "loading": ("start", "window", "cancel"),
    "syncing": ("delta", "window", "cancel"),
    "holding": ("freeze", "watch", "delta", "replay", "window", "cancel"),
    "frozen": ("delta", "thaw", "cancel"),
    "drained": ("gate", "thaw", "cancel"),
    "verified": ("request", "gate", "thaw", "cancel"),
    "approved": ("switch", "gate", "thaw", "cancel"),
    "switching": ("switch", "switch-undo"),
    "switched": ("replay", "back", "seal"),
    "reversing": ("back",),
    "reverted": ("start",),
    "cancelled": ("start",),
}


def command(act: Act, form: Values, person: Person, typed: Mapping[str, str]) -> list[str]:
    """The arguments of the command, as they stand behind `migrate`.

    Args:
        typed: what must be typed to mean it, by the act's `typed`.

    Raises:
        UsageError: a value is missing or can't be one; or the wrong word was typed.
    """
    values = {}
    for box in act.boxes:
        value = _clean(form.get(box.name, ""), box.label or box.name)
        if box.needed and not value:
            raise UsageError(f"`{box.label or box.name}` is empty.", "Fill it in; nothing was done.")
        values[box.name] = value
    if act.typed and form.get("typed", "").strip() != (wanted := typed.get(act.typed, "")):
        raise UsageError(f"To mean it, type `{wanted}`.", "Something else was typed; nothing was done.")
    return act.arguments(values, person)


def _clean(value: str, label: str) -> str:
    """A value as a command line can have it."""
    words = value.replace("\r\n", "\n").strip()
    if len(words) > LONGEST:
        raise UsageError(f"`{label}` has more than {LONGEST:,} signs.", "Say it shorter; nothing was done.")
    # No control characters, and no half of a surrogate pair, which no file system takes.
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign != "\n" for sign in words):
        raise UsageError(f"`{label}` holds signs that can't be written.", "Type it anew; nothing was done.")
    return words
