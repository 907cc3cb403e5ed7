"""May a load begin? Its attempt is open, its parts are whole, and they were made with today's plan."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from migrate.connector import CONSENT
from migrate.errors import UsageError
from migrate.ledger import batches as book
from migrate.ledger.tables import attempts
from migrate.load.consent import ADDRESSES
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import expected
from migrate.plan.waves import Waves, waves
from migrate.stages import checkpoint
from migrate.workspace import Workspace


def waves_of(workspace: Workspace) -> Waves:
    """The plan's entries in the order of the load, and the references that wait for a second pass.

    Raises:
        UsageError: entries wait for each other.
    """
    return waves(workspace.plan.model.objects, expected(workspace.plan, workspace.catalog("target")))


def verify(workspace: Workspace, plans: Sequence[ObjectPlan], *, edited: bool = False) -> None:
    """Every ready part against its digest, and their plan against today's, before the first write.

    Args:
        edited: the plan may be another one than theirs.

    Raises:
        UsageError: an entry isn't ready, or was made ready by another plan.
        Damaged: a part differs from its digest.
    """
    for each in plans:
        workspace.store.must_be_whole("ready", each.name)
        manifests = workspace.store.manifests("ready", each.name)
        if not manifests:
            raise UsageError(f"`{each.name}` isn't ready.", "Run `migrate transform` first.")
        newest = manifests[-1]
        for index in range(len(each.links)):
            workspace.store.must_be_whole("links", f"{each.name}.{index}")
            manifests += workspace.store.manifests("links", f"{each.name}.{index}")
        for manifest in manifests:
            workspace.store.verify(manifest)
        workspace.store.must_be_whole(CONSENT, ADDRESSES)
        for manifest in workspace.store.manifests(CONSENT, ADDRESSES):
            workspace.store.verify(manifest)
        if not edited and newest.facts.get("plan", workspace.plan.digest) != workspace.plan.digest:
            raise UsageError(
                "The plan, or a map beside it, was edited since the last transform.",
                "Run `migrate transform` again (only what the edit changes is then sent), or undo the edit.",
            )


def open_attempt(workspace: Workspace, *, write: bool) -> int:
    """The number of the attempt that a load belongs to.

    Args:
        write: whether the ledger shall name it, where it is a new one.

    Raises:
        UsageError: a rollback is under way, or was cut short in the midst of a call.
    """
    ledger = workspace.ledger
    number = ledger.attempt()
    busy = ledger.read(sa.select(attempts.c.number).where(attempts.c.state == "rolling_back"))
    if busy:
        raise UsageError(
            f"Attempt {busy[0][0]} is being rolled back.",
            "Run `migrate rollback run --yes` to its end first; then a load begins the next attempt.",
        )
    # A forced hold that was cut short: its last call may still land on what we are about to write.
    cut = book.in_doubt(ledger, None, ("rollback",))
    if cut and checkpoint.of_attempt(ledger, number) is None:
        raise UsageError(
            f"The rollback of attempt {cut[0].attempt} was cut short in the midst of a call.",
            "Run `migrate rollback run --yes` to its end first; then load.",
        )
    if write and ledger.value(sa.select(attempts.c.number).where(attempts.c.number == number)) is None:
        with ledger.write() as tx:
            tx.put(
                attempts, number=number, state="open", opened=tx.at, closed=None, plan=workspace.plan.digest
            )
    return number


def no_repair_in_doubt(workspace: Workspace) -> None:
    """A repair's call may still land on what a load is about to write.

    Raises:
        UsageError: a repair was cut short in the midst of a call.
    """
    if book.in_doubt(workspace.ledger, None, ("repair",)):
        raise UsageError(
            "A repair was cut short in the midst of a call.",
            "Run the same `migrate repair` again, to its end.",
        )


def must_be_open(workspace: Workspace, attempt: int) -> None:
    """Ask again under the lease: a rollback may have come and gone between our question and our turn.

    Raises:
        UsageError: the attempt is being rolled back, or has been.
    """
    if open_attempt(workspace, write=False) != attempt:
        raise UsageError(
            f"Attempt {attempt} has been rolled back meanwhile.", "Run `migrate load` for the next one."
        )
