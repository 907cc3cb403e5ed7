"""How is one step of the switch done, looked at, or taken back? By a command or a webhook of the plan.

A command is started without a shell, in the plan's folder, with the facts in its environment; a webhook gets
them as JSON, signed where the plan names a secret. Both are told whose step they are by a key that stays the
same for every try, so that the receiver can tell two deliveries from two orders. What a `check` says is kept
in the trail as the state before: let it say no secret. What the others say is shown, and kept nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from migrate import webhooks
from migrate.clock import stamp
from migrate.errors import MigrateError
from migrate.plan.cutover import ActPlan, HookPlan
from migrate.plan.terms import parse_span
from migrate.workspace import Workspace

Kind = Literal["do", "undo", "check"]
EVENT = "cutover step"  # what a webhook is told; also the event of the trail
SAID = 500  # characters of what a check says that are kept
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between tries; doubled each time


class StepFailed(MigrateError):
    """A step of the switch, or its undoing, didn't come to its end."""

    exit_code = 3

    def __init__(self, step: str, kind: Kind, why: str, remedy: str = "") -> None:
        self.step, self.kind, self.why, self.remedy = step, kind, why, remedy
        super().__init__(step, kind, why, remedy)

    def __str__(self) -> str:
        words = {"do": "", "undo": "undoing of the ", "check": "check of the "}[self.kind]
        text = f"The {words}step `{self.step}` failed: {self.why}."
        return f"{text}\n  {self.remedy}" if self.remedy else text


@dataclass(frozen=True)
class Said:
    """What came of an act. `done`: of a check, whether the step is done; `words`: what it said."""

    done: bool
    words: str = ""
    tries: int = 1


@dataclass(frozen=True)
class About:
    """Whose step it is. `switch`: names this switch for ever; `before`: what the check said before it."""

    cohort: str
    switch: str
    before: str = ""

    def key(self, hook: HookPlan, kind: Kind) -> str:
        """The same for every try of one act."""
        return f"{self.switch[:16]}.{hook.name}.{kind}"


def act(workspace: Workspace, hook: HookPlan, kind: Kind, about: About) -> Said:
    """Do an act of a step, with its timeout and its retries.

    Raises:
        StepFailed: every try failed; says how the last one did.
    """
    plan: ActPlan | None = getattr(hook, kind)
    if plan is None:
        return Said(done=False)
    if plan.webhook is not None:
        return _delivered(workspace, hook, kind, about, plan.webhook)
    return _commanded(workspace, hook, kind, about, plan.command or [])


def _commanded(workspace: Workspace, hook: HookPlan, kind: Kind, about: About, command: list[str]) -> Said:
    environment = {
        **workspace.environment, "MIGRATE_STEP": hook.name, "MIGRATE_ACT": kind,
        "MIGRATE_COHORT": about.cohort, "MIGRATE_SWITCH": about.key(hook, kind),
        "MIGRATE_BEFORE": about.before,
    }  # fmt: skip
    wait, why = FIRST_WAIT, ""
    for number in range(hook.retries + 1):
        if number:
            time.sleep(wait)  # the world's time: what is waited for lives outside of every sandbox
            wait = min(wait * 2, LONGEST_WAIT)
        code, out, why = _run(workspace, hook, command, environment)
        if kind == "check" and code in (0, 1):
            return Said(code == 0, out[:SAID], number + 1)
        if code == 0:
            return Said(True, out[:SAID], number + 1)
    raise StepFailed(hook.name, kind, why, f"Mend it; `{command[0]}` was tried {hook.retries + 1} times.")


def _run(
    workspace: Workspace, hook: HookPlan, command: list[str], environment: Mapping[str, str]
) -> tuple[int | None, str, str]:
    """One try: exit code (None: it was ended, or never began), what it printed, what went wrong."""
    timeout = parse_span(hook.timeout).total_seconds()
    try:
        process = subprocess.Popen(
            command, cwd=workspace.root, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return None, "", f"`{command[0]}` can't be started ({error.strerror})"
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        return None, "", f"it took longer than {hook.timeout}, and was ended"
    except BaseException:
        _end(process)  # ours and whatever it has started: nothing of it goes on when we are told to stop
        raise
    said = out.decode(errors="replace").strip()
    last = err.decode(errors="replace").strip().rpartition("\n")[2][:SAID]
    return process.returncode, said, f"exit code {process.returncode}" + (f", {last}" if last else "")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()  # not read to its end: a child that left our session may hold it open
    process.wait()


def _delivered(workspace: Workspace, hook: HookPlan, kind: Kind, about: About, webhook: str) -> Said:
    call = parse_span(hook.timeout).total_seconds()
    reply = webhooks.send(
        webhook, hook.secret, document(workspace, hook, kind, about), workspace.environment,
        tries=hook.retries + 1, call=call, longest=(call + LONGEST_WAIT) * (hook.retries + 1),
        key=about.key(hook, kind),
    )  # fmt: skip
    if reply.problem:
        raise StepFailed(hook.name, kind, reply.problem, "Mend it, and run the command again.")
    if kind != "check":
        return Said(True, "", reply.tries)
    found = reply.document
    if not isinstance(found.get("done"), bool):
        words = 'its answer has no `done`; a check answers with `{"done": true}` or `{"done": false}`'
        raise StepFailed(hook.name, kind, words)
    return Said(found["done"], json.dumps(found.get("state", ""), sort_keys=True)[:SAID], reply.tries)


def document(workspace: Workspace, hook: HookPlan, kind: Kind, about: About) -> dict[str, Any]:
    """What a webhook is told; nothing of the data."""
    return {
        "event": EVENT, "step": hook.name, "act": kind, "cohort": about.cohort,
        "key": about.key(hook, kind), "before": about.before,
        "source": workspace.system("source").system, "target": workspace.system("target").system,
        "at": stamp(workspace.clock.now()),
    }  # fmt: skip
