"""What is done, in which order, and how does one tell that it is done? Commands as they are typed.

Every promise here is one that a program checks: the exit codes, and words that the command prints.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrate_rollback.runbook.terms import span
from migrate_rollback.window import Window

NEVER = (
    "Don't start `load`, `run`, `prepare` or `repair`: each is one more thing to undo.",
    "Don't delete or merge records in the target by hand: what you touch is held.",
    "Don't edit plan.yaml or the folder `.migrate`: the way back reads both.",
    "Don't close the laptop, don't `kill -9`. Ctrl-C keeps everything; the command goes on.",
    "Don't force holds tonight: keeping can be changed tomorrow, forcing can't.",
)
FAILS = (
    ("3", "The target refused or is away. The message says until when: wait, and run it again."),
    ("4", "Another operator is at work. The message names who, where and since when: call them."),
    ("5", "Our own disk or files. Stop, run `{command} fsck`, and call the engineer."),
    ("70", "A defect of ours. What was done is kept. Call the engineer with the lines that it printed."),
    ("130 or 143", "It was stopped. Run it again: it goes on."),
)


@dataclass(frozen=True)
class Step:
    """One of them. `codes`: exit codes with which it is done, and what each means. `see`: words that it
    prints then, any of them. `typed`: what it asks for. `seconds`: expected, None where never measured."""

    title: str
    command: str
    seconds: float | None
    see: tuple[str, ...]
    codes: tuple[tuple[int, str], ...]
    fails: str
    typed: str = ""
    note: str = ""

    @property
    def takes(self) -> str:
        """The time in words."""
        return span(self.seconds)


@dataclass(frozen=True)
class Measured:
    """Seconds that the commands took last; None where they never ran."""

    plan: float | None
    run: float | None
    verify: float | None


def run_command(command: str, window: Window) -> str:
    """The command that goes back."""
    return f"{command} rollback run" + (" --after-window" if window.state == "closed" else "")


def steps(command: str, system: str, window: Window, measured: Measured) -> list[Step]:
    """All of them, by where this attempt stands.

    Args:
        command: `migrate`, with the workspace as it is named.
        system: the target's label, which the run asks for.
    """
    stand = Step(
        "Where do we stand?", f"{command} status", 5.0, (f"Attempt {window.attempt}",),
        ((0, "nothing to warn of"), (1, "a warning is open: read its last lines")),
        "The plan can't be read: put plan.yaml back as it was for the load, from your version control.",
    )  # fmt: skip
    look = Step(
        "Look; nothing is changed", f"{command} rollback plan", measured.plan,
        (f"Attempt {window.attempt}, back to",),
        ((0, "all of it can be undone"), (1, "something is held, by hand, or can't be undone: it says what")),
        "More held than you expected? Find out who is working in the target before you go on.",
    )  # fmt: skip
    late = " First it lists what is lost by now, and asks for `lose` and their number." if (
        window.state == "closed"
    ) else ""  # fmt: skip
    back = Step(
        "Put it back", run_command(command, window), measured.run,
        ("Next: `migrate rollback verify`.",),
        ((0, "everything is back"), (1, "done, and something is held: see the last step")),
        "Run the same command again: it goes on where it stopped. After a killed load it waits first.",
        system, f"It asks for the target's name.{late}",
    )  # fmt: skip
    prove = Step(
        "Prove it", f"{command} rollback verify", measured.verify, ("pass,",),
        ((0, "everything is back, and proved"),
         (1, "`pass, n held`: go on. `fail`: put it back once more")),
        "It says `fail` twice? Keep its output, and call the engineer: it names every record.",
    )  # fmt: skip
    holds = Step(
        "See what was held", f"{command} rollback hold list", 10.0, ("Nothing is held.", "group"),
        ((0, "nothing is held: you are done"),
         (1, "these stay as others have left them; decide in the morning")),
        "`hold show` with a group's name shows its records.",
    )  # fmt: skip
    return [stand, prove, holds] if window.state == "back" else [stand, look, back, prove, holds]
