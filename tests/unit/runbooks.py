"""Operator's pages of invented migrations, for tests and pictures: nothing is loaded, nobody is asked."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from migrate_rollback.runbook.gathering import Progressed, Runbook
from migrate_rollback.runbook.lights import Light
from migrate_rollback.runbook.messages import messages
from migrate_rollback.runbook.options import Looked, options
from migrate_rollback.runbook.steps import FAILS, NEVER, Measured, run_command, steps
from migrate_rollback.runbook.terms import Times
from migrate_rollback.runbook.triggers import Evidence, Trigger
from migrate_rollback.window import Window

State = Literal["open", "late", "closed", "going", "back"]
TIMES = Times("Europe/Berlin")
LOOKED = Looked(
    "2026-03-14T01:40:00Z", 1_260.0, 4_812,
    Counter({
        ("contacts", "delete"): 8_911, ("contacts", "hold"): 37, ("companies", "delete"): 2_004,
        ("companies", "restore"): 211, ("companies", "hold"): 12, ("deals", "delete"): 6_120,
        ("deals", "by hand"): 3, ("companies", "can't"): 4, ("deals>contacts", "with record"): 9_400,
    }),
)  # fmt: skip
TRIGGERS = (
    Trigger("Deals with a wrong value", "rows.Opportunity", "61", "> 50", "Dana Reyes", "fail"),
    Trigger("Records that were not taken", "status:refused", "4", ">= 100", "Kim Osei", "pass"),
    Trigger("Open pipeline", "questions.pipeline", None, "> 0", "Kim Osei", "unset",
            "the last report has no check `questions.pipeline`"),
)  # fmt: skip
LIGHTS = (
    Light("Lease", "pass", "free: nobody writes to the target"),
    Light("Credentials", "pass", "valid, as ops@example.com"),
    Light("Quota", "warn", "98,204 of 650,000 calls left; a run that finds none parks, and goes on later"),
    Light("Journal", "pass", "intact: 41 segments, each as its digest says"),
)
ENDS, SAFE = "2026-03-20T17:00:00Z", "2026-03-20T15:28:30Z"


def said(
    *, done: bool = False, held: str = "", held_one: bool = False, system: str = "new"
) -> dict[str, Any]:
    """The facts of messages."""
    return {
        "done": done, "system": system, "source": "legacy", "begin": "It begins now", "held": held,
        "held_one": held_one, "figures": "It concerns 17,246 records and links.",
        "ending": "It takes about 21 minutes; begun now it ends at 14 Mar 2026, 02:13 UTC (03:13 in "
        "Europe/Berlin).",
        "proof": "The proof is attested under 4b227777d4dd1fc6.", "verdict": "pass, 49 held, 7 residue",
        "deciders": "Decided by Dana Reyes and Kim Osei.",
    }  # fmt: skip


def runbook_of(
    state: State = "open", *, system: str = "new", triggers: tuple[Trigger, ...] = TRIGGERS,
    tell: tuple[str, ...] = ("Dana Reyes (Sales)", "Kim Osei (Data owner)"), looked: Looked = LOOKED,
) -> Runbook:  # fmt: skip
    """A page's content in a state of the window."""
    window = Window(
        2, state, "2026-03-06T17:00:00Z", ENDS, SAFE, 0.53, 1_260.0, "the last drill"
    )  # fmt: skip
    run = run_command("migrate -w acme", window)
    done = state == "back"
    evidence = Evidence({"ended": "2026-03-14T00:00:00Z", "results": [{"grades": {"fail": 61}}]})
    return Runbook(
        title=f"Take back {system}", system=system, source="legacy", tenant="4471203 (app.example.com)",
        attempt=2, made=TIMES.moment("2026-03-14T01:52:00Z"), again="migrate -w acme rollback runbook --look",
        version="0.1.0", state=state,
        words={
            "open": "The way back is open.",
            "late": "The way back is open, but there may not be time enough.",
            "closed": "The way back is closed: some things can't be undone any more.",
            "going": "A rollback is under way.", "back": "The target was put back.",
        }[state],
        window={
            "opened": TIMES.moment(window.opened), "ends": TIMES.both(ENDS),
            "last_safe_start": TIMES.both(SAFE), "percent": 100 if state == "closed" else 53,
            "left": "over" if state == "closed" else "about 7 days left",
            "takes": "about 21 minutes", "measured": "measured by the last drill",
            "bound": "the plan's 10 working days",
        },
        folder="", tell=tell, triggers=triggers, looked=TIMES.moment(looked.at) if looked.at else "",
        options=() if done else tuple(options(looked, evidence, window, run, "migrate -w acme")),
        lights=LIGHTS, steps=tuple(steps("migrate -w acme", system, window, Measured(95.0, 1_260.0, 240.0))),
        fails=tuple((code, words.format(command="migrate -w acme")) for code, words in FAILS), never=NEVER,
        progress=Progressed("14 Mar 2026, 01:40 UTC", 9_120, 17_246, "14 Mar 2026, 02:02 UTC")
        if state == "going" else None,
        messages=tuple(messages(said(done=done, system=system))),
        verified={"at": "14 Mar 2026, 02:20 UTC", "who": "anna", "words": "pass, 49 held, 7 residue"}
        if done else None,
    )  # fmt: skip
