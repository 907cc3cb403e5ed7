"""Which steps of a switch are done, and how do they come to be done once, or undone last first?

Each step stands in the trail before it is begun (with what its `check` said then) and after it has ended. One
that was begun and has no end is in doubt, for its process was killed: it is asked by its `check`, or done
again. A step that was done before we came isn't ours, and is never undone. The hooks are those of the plan
when the switch
began: a later edit of the plan changes nothing about how they are undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from migrate.cutover import hooks, trail
from migrate.cutover.hooks import About, StepFailed
from migrate.cutover.trail import Event
from migrate.errors import UsageError
from migrate.plan.cutover import HookPlan
from migrate.workspace import Workspace

Stage = Literal["open", "begun", "done", "there", "undo begun", "undone"]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """A step of one switch. `there`: it was done before we came; `before`: what its check said then."""

    name: str
    stage: Stage
    before: str = ""

    @property
    def ours(self) -> bool:
        """Whether there is, or may be, something of ours to undo."""
        return self.stage in ("begun", "done", "undo begun")


@dataclass(frozen=True)
class Steps:
    """The steps of one switch, and who acts.

    Args:
        switch: the event with which it began; holds the hooks.
    """

    workspace: Workspace
    switch: Event
    who: str

    @property
    def hooks(self) -> list[HookPlan]:
        """The hooks as the plan had them when the switch began."""
        return [HookPlan.model_validate(each) for each in self.switch.facts["hooks"]]

    def all(self) -> list[Step]:
        """Every step, in order, as the trail has it."""
        found = {each.name: Step(each.name, "open") for each in self.hooks}
        for event in trail.events(self.workspace.ledger, hooks.EVENT, self.switch.cohort):
            if event.facts["switch"] == self.switch.digest:
                name = event.facts["step"]
                before = event.facts.get("before", found[name].before)
                found[name] = Step(name, event.facts["stage"], before)
        return list(found.values())

    def do(self, told: Told = lambda _: None) -> None:
        """Do every step that isn't done, in order.

        Raises:
            StepFailed: one failed; those before it are done.
        """
        for hook, step in zip(self.hooks, self.all(), strict=True):
            if step.stage in ("done", "there"):
                continue
            if step.stage in ("undo begun", "undone"):
                raise UsageError(
                    f"The step `{step.name}` of this switch has been undone.",
                    "`migrate cutover switch --undo` gives the switch up; then begin another one.",
                )
            told(f"Step `{hook.name}`")
            self._do(hook, step)

    def _do(self, hook: HookPlan, step: Step) -> None:
        about = self._about(step.before)
        if step.stage == "begun":
            if hook.check is not None and hooks.act(self.workspace, hook, "check", about).done:
                self._record(hook, "done", asked=True)
                return
        else:
            before = hooks.act(self.workspace, hook, "check", about)
            if before.done:
                self._record(hook, "there", before=before.words)
                return
            about = self._about(before.words)
            self._record(hook, "begun", before=before.words)
        said = hooks.act(self.workspace, hook, "do", about)
        self._must(hook, "do", about, done=True)
        self._record(hook, "done", tries=said.tries)

    def undo(self, told: Told = lambda _: None) -> None:
        """Undo every step that is ours, last first.

        Raises:
            StepFailed: one couldn't be undone; those after it are, those before it aren't yet.
        """
        for hook, step in reversed(list(zip(self.hooks, self.all(), strict=True))):
            if step.ours:
                told(f"Undoing step `{hook.name}`")
                self._undo(hook, step)

    def _undo(self, hook: HookPlan, step: Step) -> None:
        about = self._about(step.before)
        in_doubt = step.stage in ("begun", "undo begun")
        if in_doubt and hook.check is not None and not hooks.act(self.workspace, hook, "check", about).done:
            self._record(hook, "undone", asked=True)
            return
        self._record(hook, "undo begun")
        said = hooks.act(self.workspace, hook, "undo", about)
        self._must(hook, "undo", about, done=False)
        self._record(hook, "undone", tries=said.tries)

    def _must(self, hook: HookPlan, kind: Literal["do", "undo"], about: About, *, done: bool) -> None:
        """What was done must be seen to be done, where it can be asked."""
        if hook.check is None or hooks.act(self.workspace, hook, "check", about).done == done:
            return
        words = "its check says that it isn't done" if done else "its check says that it is still done"
        raise StepFailed(hook.name, kind, words, f"See to `{hook.name}`, and run the command again.")

    def _about(self, before: str) -> About:
        return About(self.switch.cohort, self.switch.digest, before)

    def _record(self, hook: HookPlan, stage: Stage, **facts: Any) -> None:
        trail.append(
            self.workspace.ledger, self.who, hooks.EVENT, cohort=self.switch.cohort,
            switch=self.switch.digest, step=hook.name, stage=stage, **facts,
        )  # fmt: skip


def recorded(plans: Sequence[HookPlan]) -> list[dict[str, Any]]:
    """Hooks as the trail keeps them: names of variables, no address and no secret."""
    return [each.model_dump(mode="json", exclude_defaults=True) for each in plans]
