"""What is done in a cutover, by whom, with which command? Ids stay, whatever becomes of the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["before", "window", "after", "back"]
PHASES: dict[Phase, str] = {
    "before": "Before the maintenance window",
    "window": "In the maintenance window",
    "after": "Afterwards",
    "back": "The way back",
}


@dataclass(frozen=True)
class Step:
    """One step. `command`: with `{cohort}`; "" where a person acts without one. `measured`: ids of the
    rehearsal's steps that it is made of. `people`: seconds that people are taken to need for it, where it is
    theirs. `see`: how one tells that it is done. `fails`: what to do else."""

    id: str
    phase: Phase
    title: str
    role: str
    command: str
    measured: tuple[str, ...] = ()
    people: float = 0.0
    see: str = ""
    fails: str = ""
    decision: bool = False


STEPS: tuple[Step, ...] = (
    Step(
        "prepare", "before", "Make what the new system lacks", "operator", "prepare", ("prepare",),
        see="Each change is `made` or was there.",
        fails="The vendor's words name the field; mend the plan, `check`, and run it again.",
    ),
    Step(
        "load", "before", "Load the cohort", "operator", "cutover start --cohort {cohort}",
        ("extract", "transform", "load"), see="The cohort is `syncing`.",
        fails="Run it again: it goes on where it stopped. Dead letters: `dead-letters list`.",
    ),
    Step(
        "sync", "before", "Follow the old system until the window", "operator",
        "cutover delta --cohort {cohort} --watch --every 15m", ("delta",), see="The cohort is `holding`.",
        fails="It waits for a system that is away; `cutover status` says the lag.",
    ),
    Step(
        "announce", "before", "Send the announcements", "operator", "", people=900,
        see="All five audiences have theirs.", fails="Who can't be reached must know before the freeze.",
    ),
    Step(
        "ready", "window", "Go, or not?", "approver", "cutover status", people=600, decision=True,
        see="No abort criterion is met, everybody is there, and the last start isn't over.",
        fails="Not today: nothing has been frozen, and people work on as before.",
    ),
    Step(
        "freeze", "window", "Freeze", "operator", "cutover freeze --cohort {cohort} --wait", ("freeze",),
        see="The cohort is `frozen`, and a final watermark is read.",
        fails="It lists who still writes: call them. Without an end: `cutover thaw`.",
    ),
    Step(
        "drain", "window", "Bring the last changes", "operator", "cutover delta --cohort {cohort}",
        ("drain",), see="The cohort is `drained`.", fails="`cutover thaw`, then freeze again.",
    ),
    Step(
        "validate", "window", "Compare the new system with the old", "operator", "validate", ("validate",),
        see="The verdict is `pass` or `warn`.",
        fails="`diff` shows every row: mend it, or waive it by name.",
    ),
    Step(
        "gate", "window", "Ask the gate, and for the signatures", "operator",
        "cutover gate --cohort {cohort} --request --as {operator}", ("gate",),
        see="Nothing but signatures is red.", fails="Each red line names the command that mends it.",
    ),
    Step(
        "approve", "window", "Read the report and sign", "approver", "", ("approve",), people=1_800,
        see="The cohort is `approved`.", fails="Who doesn't sign says why: thaw, or mend and ask again.",
    ),
    Step(
        "no-return", "window", "Switch, or go back to work in the old system?", "approver", "", people=300,
        decision=True, see="There is time enough left to switch and, if need be, to come back.",
        fails="`cutover thaw`: people work on in the old system, and nothing is lost.",
    ),
    Step(
        "switch", "window", "Switch", "operator", "cutover switch --cohort {cohort}", ("switch",),
        see="The cohort is `switched`: a canary has come back.",
        fails="It undoes its steps by itself, last first; the cohort is `frozen` again.",
    ),
    Step(
        "open", "window", "Let people into the new system", "operator", "", people=600,
        see="A rep has opened an account that they know, and it is right.",
        fails="Support calls the operator: abort criteria decide.",
    ),
    Step(
        "watch", "after", "Watch", "operator", "cutover status --cohort {cohort}",
        see="No alert, and no abort criterion is met.", fails="See the way back.",
    ),
    Step(
        "seal", "after", "Close the way back", "approver", "cutover seal --cohort {cohort}",
        see="The cohort is `sealed`. There is no way back from here.", decision=True,
        fails="While anybody doubts, leave it open: the window says until when.",
    ),
    Step(
        "thaw", "back", "Before the switch: work on in the old system", "operator",
        "cutover thaw --cohort {cohort} --reason {reason}", ("thaw",), see="The cohort is `holding`.",
        fails="People may work in the old system at once, whatever the command says.",
    ),
    Step(
        "back", "back", "After the switch: return to the old system", "operator",
        "cutover back --cohort {cohort}", ("back",),
        see="The cohort is `reverted`; every change since has its line.",
        fails="Run it again: it goes on where it stopped.",
    ),
    Step(
        "undo", "back", "Take everything out of the new system", "operator", "rollback run",
        ("rollback", "verify"), see="`rollback verify` says `pass`.",
        fails="Run it again; the page of `rollback runbook` has the rest.",
    ),
)  # fmt: skip
