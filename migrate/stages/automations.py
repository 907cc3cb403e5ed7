"""What stirs in the target when a record is written, and what of it is off because of us?"""

from __future__ import annotations

from contextlib import closing

from migrate.connector import ListsAutomations, Told
from migrate.ledger.switches import Switch, all_switches, open_switches
from migrate.load import Loading
from migrate.load.switches import restore
from migrate.workspace import Workspace


def listed(workspace: Workspace) -> Told:
    """What the target tells of the automations of the plan's objects; writes nothing."""
    objects = list(dict.fromkeys(each.target for each in workspace.plan.model.objects))
    with closing(workspace.target()) as target:
        if not isinstance(target, ListsAutomations):
            return Told((), (f"`{target.system}` tells nothing of its automations.",))
        return target.automations(objects)


def switch_on_again(workspace: Workspace) -> list[Switch]:
    """Switch on all that we switched off and that isn't on again.

    Raises:
        LeaseHeld: a load is under way, and needs them off.
        SystemRefused: the target doesn't let us; the rest is on again.
    """
    label = workspace.system("target").system
    if not open_switches(workspace.ledger, label):
        return []
    with (
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.catalog("target"), workspace.ledger.attempt()) as loading,
    ):
        numbers = {each.number for each in restore(loading)}
    return [each for each in all_switches(workspace.ledger) if each.number in numbers]
