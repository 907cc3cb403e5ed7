"""Where does everything stand? Read from the workspace alone; no system is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp
from migrate.journal import REFUSED
from migrate.ledger import Ledger
from migrate.ledger import batches as book
from migrate.ledger.canaries import last_flown
from migrate.ledger.leases import proved_dead
from migrate.ledger.switches import open_switches
from migrate.ledger.tables import attempts, leases
from migrate.load.work import crosswalk
from migrate.stages.crosswalk import current_ids
from migrate.stages.remaining import remaining
from migrate.stages.repairs import unfinished
from migrate.workspace import Workspace


@dataclass(frozen=True)
class ObjectStatus:
    """Records of one entry of the plan, each counted once however many deltas have brought it.

    `extracted`: in the source as of the last extract; `ready`: of these to be in the target; `done`: of
    these with a settled batch; `left`: still to be sent, deletions included. As of the last load, `empty`:
    references of loaded records that wait for their record; `old_links`: old addresses left in texts.
    """

    object: str
    extracted: int
    ready: int
    done: int
    left: int
    empty: int = 0
    old_links: int = 0


@dataclass(frozen=True)
class Holder:
    """Who took the lease on a system last and didn't give it back. `free`: why it is free all the same, if
    it is: its holder is dead (proved on this host), or its time is over."""

    system: str
    who: str
    since: str
    until: str
    free: str = ""


@dataclass(frozen=True)
class Status:
    """The workspace at a glance.

    `attempt`: the one that is being rolled back, if there is one, else the newest; `state`: its state.
    """

    attempt: int
    state: str
    objects: tuple[ObjectStatus, ...]
    leases: tuple[Holder, ...]
    in_doubt: int
    refused: int
    canaries: tuple[dict[str, Any], ...] = ()  # the last of each entry and operation
    off: tuple[str, ...] = ()  # automations of the target that are off because of us
    repair: str = ""  # one that has begun and isn't at its end: what it is about, and how it goes on
    waived: tuple[str, ...] = ()  # entries that the plan loads without one, by whom and why


def status(workspace: Workspace) -> Status:
    """Gather it."""
    ledger = workspace.ledger
    # A rollback opens the next attempt at its beginning; until its end it is the former one that matters.
    rolling = ledger.value(sa.select(attempts.c.number).where(attempts.c.state == "rolling_back"))
    attempt = rolling or ledger.attempt()
    crosswalk(workspace)
    objects = []
    for each in workspace.plan.model.objects:
        found = remaining(workspace, each.name, attempt)
        extracted = _extracted(workspace, each.source)
        waiting = workspace.store.manifest(f"unfilled/{each.name}/current")
        texts = workspace.store.manifest(f"old-links/{each.name}/current")
        objects.append(
            ObjectStatus(
                each.name, extracted, found.ready, found.done, found.left, waiting.rows if waiting else 0,
                int(texts.facts.get("left", 0)) if texts else 0,
            )
        )  # fmt: skip
    refused = REFUSED.format(journal=workspace.journal.source())
    count = workspace.engine.rows(f"SELECT count(*) AS n FROM ({refused}) WHERE attempt = {attempt}")[0]["n"]
    return Status(
        attempt,
        "rolling_back" if rolling else ledger.attempt_state(),
        tuple(objects),
        holders(workspace),
        len(book.in_doubt(ledger, attempt)),
        int(count),
        tuple(each.document() | {"words": str(each)} for each in last_flown(ledger, attempt)),
        tuple(map(str, open_switches(ledger))),
        _repair(ledger, attempt),
        tuple(
            f"{each.name}: no canary, by {each.automations.waive.by}: {each.automations.waive.reason}"
            for each in workspace.plan.model.objects
            if each.automations.waive
        ),
    )


def _repair(ledger: Ledger, attempt: int) -> str:
    begun = unfinished(ledger, attempt)
    return "" if begun is None else f"Repair {begun.number} isn't at its end: `{begun.asked.words}` goes on."


def holders(workspace: Workspace) -> tuple[Holder, ...]:
    """Who took the lease on each system last and didn't give it back; asks the ledger alone."""
    ledger, now = workspace.ledger, workspace.clock.now()
    taken = sa.select(leases).where(leases.c.holder.is_not(None)).order_by(leases.c.system)
    return tuple(_holder(row, now, one_host=ledger.backend.one_host) for row in ledger.read(taken))


def _holder(row: Any, now: datetime, *, one_host: bool) -> Holder:
    free = ""
    if proved_dead(row, one_host=one_host):
        free = "its holder is dead"
    elif parse_stamp(row.until) <= now:
        free = "its time is over"
    return Holder(row.system, f"{row.holder} on {row.host} (process {row.pid})", row.since, row.until, free)


def _extracted(workspace: Workspace, source: str) -> int:
    manifests = workspace.store.manifests("source", source)
    if len(manifests) < 2:
        return sum(manifest.rows for manifest in manifests)
    schema = workspace.catalog("source").objects.get(source)
    ids = current_ids(workspace.store, source, schema.stamp if schema else None)
    return int(workspace.engine.rows(f"SELECT count(*) AS n FROM {ids}")[0]["n"])
