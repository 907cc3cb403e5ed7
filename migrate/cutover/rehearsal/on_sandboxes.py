"""How is a cutover rehearsed on the vendors' own sandboxes? With their rules, their limits and their time.

The plan is copied beside, speaks to the sandboxes (`overlay`), and is played as on twins, but that nobody can
be made to edit records there: edits by people aren't proved. Whatever was loaded is taken back at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from migrate.connector import CallCounts
from migrate.cutover.rehearsal.acting import Edit
from migrate.cutover.rehearsal.found import Options, Rehearsed
from migrate.cutover.rehearsal.identities import let_in
from migrate.cutover.rehearsal.measuring import Counting, Recorder
from migrate.cutover.rehearsal.overlay import ROLES, sandbox_workspace
from migrate.cutover.rehearsal.playing import Play, Showing, shown
from migrate.errors import UsageError
from migrate.load.context import Progress
from migrate.place import LEDGER
from migrate.stages.extract import objects_needed
from migrate.workspace import Role, Workspace

SANDBOX = "sandbox"
NOT_PROVED = (
    "the size and the values of the real systems: a sandbox holds what somebody put there",
    "edits by people, there and back: nobody was made to work in the sandboxes",
    "automations, rules and integrations that the sandboxes don't have",
    "what other programs take of the real quota meanwhile",
    "how fast people decide, sign and tick off",
)


class Counted:
    """Calls of one system's connectors since it was asked last, by method."""

    def __init__(self, counts: CallCounts) -> None:
        self._counts = counts
        self._seen: dict[str, int] = {}
        self._throttled = 0

    def made(self) -> tuple[Mapping[str, int], int]:
        """By method, and how many were throttled."""
        now: dict[str, int] = {}
        throttled = 0
        for name, each in dict(self._counts.endpoints).items():
            method = name.partition(" ")[0]
            now[method] = now.get(method, 0) + each.calls
            throttled += each.throttled
        found = {kind: number - self._seen.get(kind, 0) for kind, number in now.items()}
        since, self._seen, self._throttled = throttled - self._throttled, now, throttled
        return {kind: number for kind, number in found.items() if number}, since


def on_sandboxes(workspace: Workspace, folder: Path, options: Options, progress: Progress) -> Rehearsed:
    """Play a workspace's cutover on the sandboxes that the overlay names.

    Raises:
        UsageError: the overlay or the map of ids is wrong, or a system is the real one.
        SystemRefused: as the steps.
    """
    if options.systems is None:
        raise UsageError("No sandboxes are named.", "Give `--systems FILE`.")
    root = folder / "workspace"
    # A ledger of its own, whatever the real one's is.
    environment = {name: value for name, value in workspace.environment.items() if name != LEDGER}
    made = sandbox_workspace(workspace, root, options.systems, options.ids, environment)
    left = let_in(made.plan_path, hooks=options.hooks)
    made.close()
    copy = Workspace(root, environment)
    try:
        for role in ROLES:
            copy.connector(role).close()  # so that its calls are counted
        counting: dict[Role, Counting] = {
            role: Counted(copy.calls[copy.system(role).system]) for role in ROLES
        }
        recorder = Recorder(copy, counting, told=options.told)

        def nobody(_w: Workspace, _r: Role, _cohort: str, _word: str, _spared: Collection[str]) -> list[Edit]:
            return []

        of = sum(
            manifest.rows
            for name in objects_needed(workspace)
            for manifest in workspace.store.manifests("source", name)
        )
        showing = Showing(SANDBOX, None, of, not_proved=(*NOT_PROVED, *left))
        return shown(workspace, Play(copy, recorder, progress, nobody, SANDBOX), options, showing)
    finally:
        copy.close()
