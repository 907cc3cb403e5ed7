"""What stands on the page? Gathered from the plan, the ledger, the last look and the last report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from migrate import __version__
from migrate.clock import parse_stamp
from migrate.errors import UsageError
from migrate.ledger import batches as book
from migrate.ledger.tables import events
from migrate.load.context import Progress, no_progress
from migrate.workspace import Workspace
from migrate_rollback import holding, planning, returning
from migrate_rollback import window as windows
from migrate_rollback.attesting import attested
from migrate_rollback.planned import UNDONE
from migrate_rollback.runbook.lights import Light, lights
from migrate_rollback.runbook.messages import Message, messages
from migrate_rollback.runbook.options import Looked, Option, looked, options
from migrate_rollback.runbook.steps import FAILS, NEVER, Measured, Step, run_command, steps
from migrate_rollback.runbook.terms import Times, many, span
from migrate_rollback.runbook.triggers import Trigger, evidence, triggers
from migrate_rollback.window import Window


@dataclass(frozen=True)
class Progressed:
    """How far a rollback under way has come. `ends`: when it will be done, None while that can't be told."""

    began: str
    done: int
    total: int
    ends: str | None

    @property
    def percent(self) -> int:
        """Of the list that it works on."""
        return 100 * self.done // self.total if self.total else 0


@dataclass(frozen=True)
class Runbook:
    """The page's content. Instants are words by now; `folder`: where to stand when typing, "" if anywhere."""

    title: str
    system: str
    source: str
    tenant: str
    attempt: int
    made: str
    again: str
    version: str
    state: str
    words: str
    window: Mapping[str, Any]
    folder: str
    tell: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    looked: str
    options: tuple[Option, ...]
    lights: tuple[Light, ...]
    steps: tuple[Step, ...]
    fails: tuple[tuple[str, str], ...]
    never: tuple[str, ...]
    progress: Progressed | None
    messages: tuple[Message, ...]
    verified: Mapping[str, Any] | None

    @property
    def alarming(self) -> bool:
        """A light is red, or a trigger is reached."""
        states = [each.state for each in self.lights] + [each.state for each in self.triggers]
        return "fail" in states

    def document(self) -> dict[str, Any]:
        """For programs and for the templates."""
        made = asdict(self)
        for told, each in zip(made["steps"], self.steps, strict=True):
            told["takes"] = each.takes
        if self.progress is not None:
            made["progress"]["percent"] = self.progress.percent
        return made


def runbook(
    workspace: Workspace, where: Path | str, *, look: bool = False, progress: Progress = no_progress
) -> Runbook:
    """Gather it, as of now.

    Args:
        where: the workspace as it was typed. A place on this machine's disk that isn't relative never stands
            on the page; then one is told to type the commands in that folder.
        look: look at every record in the target first, as `rollback plan` does.

    Raises:
        UsageError: nothing has been loaded.
        Parked, SystemRefused: the target, where `look` asks it.
    """
    if look:
        planning.plan(workspace, progress)
    # A page must be made, and say so, also where the journal can't be read.
    intact = not workspace.journal.audit()[0]
    window = returning.tighten(workspace) if intact else returning.current(workspace.ledger, workspace.clock)
    if window is None:
        raise UsageError(
            "Nothing has been loaded, so there is no way back to describe.",
            "`migrate rollback runbook` has something to say after the first `migrate load`.",
        )
    plan, ledger = workspace.plan.model, workspace.ledger
    times, (command, folder) = Times(plan.calendar.zone), named(where)
    system, report = plan.target.system, evidence(workspace)
    seen = looked(workspace, window.attempt)
    measured = _measured(workspace, seen, window)
    held = sum(group.count for group in holding.groups(workspace)) if intact else 0
    run = run_command(command, window)
    tell = tuple(plan.cutover.sponsors or plan.validate_.decision.asked_of)
    going = _progress(workspace, window, times)
    verified = next(iter(attested(ledger, window.attempt)), None)
    return Runbook(
        title=f"Take back {system}", system=system, source=plan.source.system,
        tenant=_tenant(workspace), attempt=window.attempt,
        made=times.moment(workspace.clock.now()), again=f"{command} rollback runbook --look",
        version=__version__,
        state=window.state, words=_state(window), window=_window(workspace, window, seen, times),
        folder=folder, tell=tell, triggers=tuple(triggers(workspace, report, window, intact=intact)),
        looked=times.moment(seen.at) if seen.at else "",
        options=() if window.state == "back" else tuple(options(seen, report, window, run, command)),
        lights=tuple(lights(workspace, sorted({each.target for each in plan.objects}), times,
            going=window.state == "going",
        )),
        steps=tuple(steps(command, system, window, measured)),
        fails=tuple((code, words.format(command=command)) for code, words in FAILS), never=NEVER,
        progress=going, messages=tuple(messages(_said(workspace, window, seen, measured, times, tell, held))),
        verified={**verified, "at": times.moment(verified["at"])} if verified else None,
    )  # fmt: skip


def _tenant(workspace: Workspace) -> str:
    """The target's own id, with its name where it has one."""
    catalog = workspace.catalog("target")
    return f"{catalog.tenant} ({catalog.tenant_name})" if catalog.tenant_name else catalog.tenant


def named(where: Path | str) -> tuple[str, str]:
    """The command with its workspace, and the folder to type it in.

    Returns:
        `migrate -w acme` and "", or `migrate` and `acme` where the way to it is this machine's own business.
    """
    import shlex

    if isinstance(where, str):
        return f"migrate -w {shlex.quote(where)}", ""
    if where == Path():
        return "migrate", where.resolve().name
    if where.is_absolute():
        return "migrate", where.name
    return f"migrate -w {shlex.quote(str(where))}", ""


def _state(window: Window) -> str:
    return {
        "open": "The way back is open.",
        "late": "The way back is open, but there may not be time enough.",
        "closed": "The way back is closed: some things can't be undone any more.",
        "going": "A rollback is under way.",
        "back": "The target was put back.",
    }[window.state]


def _window(workspace: Workspace, window: Window, seen: Looked, times: Times) -> dict[str, Any]:
    now, end = workspace.clock.now(), window.ends
    left = (parse_stamp(end) - now).total_seconds() if end else None
    seconds, measured = window.seconds, f"measured by {window.measured}"
    if seconds is None:
        seconds, measured = seen.seconds, "reckoned by the last look" if seen.at else "rehearse it first"
    return {
        "opened": times.moment(window.opened), "ends": times.both(end),
        "last_safe_start": times.both(window.last_safe_start), "percent": window.percent,
        "left": f"{span(left)} left" if left and left > 0 else "over", "takes": span(seconds),
        "measured": measured,
        "bound": windows.bound(workspace.ledger, window, workspace.plan.model.cutover.window),
    }  # fmt: skip


def _measured(workspace: Workspace, seen: Looked, window: Window) -> Measured:
    ledger = workspace.ledger
    look = windows.took(ledger, {planning.MEASURE: ""})[0]
    prove = windows.took(ledger, {windows.VERIFY: ""})[0]
    return Measured(look, window.seconds if window.seconds is not None else seen.seconds, prove)


def _progress(workspace: Workspace, window: Window, times: Times) -> Progressed | None:
    """Of the rollback under way: what of its present list is done."""
    if window.state != "going":
        return None
    ledger, number, manifest = workspace.ledger, 1, None
    base = f"rollback/attempt-{window.attempt}"
    while (found := workspace.store.manifest(f"{base}/pass-{number:04d}")) is not None:
        manifest, number = found, number + 1
    query = sa.select(events.c.at).where(events.c.what == "rollback begin").order_by(events.c.number.desc())
    began = str(ledger.value(query))
    if manifest is None:
        return Progressed(times.moment(began), 0, 0, None)
    done = sum(
        len(book.rows_done(ledger, window.attempt, manifest.folder, part.name)) for part in manifest.parts
    )
    now = workspace.clock.now()
    ends = None
    if done:
        gone = (now - parse_stamp(began)).total_seconds()
        ends = times.moment(now + timedelta(seconds=gone / done * (manifest.rows - done)))
    return Progressed(times.moment(began), done, manifest.rows, ends)


def _said(
    workspace: Workspace, window: Window, seen: Looked, measured: Measured, times: Times,
    tell: tuple[str, ...], held: int,
) -> dict[str, Any]:  # fmt: skip
    """The facts of the messages; each is a whole phrase, so that none has a hole."""
    plan, done = workspace.plan.model, window.state == "back"
    verified = next(iter(attested(workspace.ledger, window.attempt)), None)
    held = held if done else seen.count("hold")
    touched = seen.count(*UNDONE)
    known = f"It concerns {touched:,} records and links." if seen.at else ""
    end = workspace.clock.now() + timedelta(seconds=measured.run) if measured.run is not None else None
    ending = (
        f"It takes {span(measured.run)}; begun now it ends at {times.moment(end)}."
        if end is not None
        else "How long it takes was never measured; we write when it is done."
    )
    proof = f"The proof is attested under {verified['digest'][:16]}." if verified else ""
    return {
        "done": done, "system": plan.target.system, "source": plan.source.system,
        "begin": "It has begun" if window.state == "going" else "It begins now",
        "held": many(held, "record") if held else "", "held_one": held == 1,
        "figures": known, "ending": ending, "proof": proof,
        "verdict": verified["words"] if verified else "not verified yet",
        "deciders": f"Decided by {' and '.join(tell)}." if tell else "",
    }  # fmt: skip
