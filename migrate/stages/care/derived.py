"""What do manifests and the journal tell of a ledger whose copy is gone, too? Less; the rest is listed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migrate.catalog import Catalog
from migrate.clock import parse_stamp, stamp
from migrate.engine import parquet
from migrate.journal import UNDO
from migrate.ledger.tables import attempts, checkpoints, generations, systems
from migrate.plan import load_plan
from migrate.plan.terms import parse_window

if TYPE_CHECKING:
    from migrate.ledger import Transaction
    from migrate.workspace import Role, Workspace

LOST = (
    "Waivers, validations, testers' sheets and answers, canaries, automations that were switched off, what "
    "was decided on holds, and the trail of events: they stood in the ledger and its copy alone.",
    "Checkpoints but the first of each attempt, and the watermarks at that moment.",
    "The ends of rollback windows, as far as a vendor's recycle bin ends them sooner than the plan.",
)


def derive(
    workspace: Workspace, tx: Transaction, rows: list[dict[str, Any]], unknown: list[str]
) -> dict[str, int]:
    """Fill systems, attempts, checkpoints and generations; adds to `unknown` what isn't told anywhere.

    Args:
        rows: of the journal's segments.
    """
    unknown += LOST
    counts = {
        "systems": _systems(workspace, tx), "generations": _generations(workspace, tx),
        "attempts": 0, "checkpoints": 0,
    }  # fmt: skip
    told = _told(workspace, rows) or _begun(workspace, tx)
    if not told:
        return counts
    newest = max(row["attempt"] for row in told)
    for row in told:
        number = row["attempt"]
        state = "open" if not row["undone"] else "rolling_back" if number == newest else "rolled_back"
        tx.put(attempts, number=number, state=state, opened=row["at"], closed=None, plan=None)
        counts["attempts"] += 1
        counts["checkpoints"] += _checkpoint(workspace, tx, row)
        if state == "rolling_back":
            unknown.append(
                f"Whether the rollback of attempt {number} came to its end: run it again, it sees."
            )
            tx.put(attempts, number=number + 1, state="open", opened=tx.at, closed=None, plan=None)
    return counts


def _told(workspace: Workspace, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        return []
    names = [str(workspace.storage.below("journal").local(row["name"])) for row in rows]
    return workspace.engine.rows(
        f"""SELECT attempt, min("at") AS "at", min(seq) AS seq,
          bool_or(starts_with(batch, '{UNDO}')) AS undone
        FROM {parquet(names)} WHERE attempt > 0 GROUP BY attempt ORDER BY attempt"""
    )


def _begun(workspace: Workspace, tx: Transaction) -> list[dict[str, Any]]:
    """Without a journal, attempts are those of which a baseline lies there."""
    folders = workspace.store.storage.folders("baseline")
    numbers = sorted(int(each.removeprefix("attempt-")) for each in folders if each.startswith("attempt-"))
    return [{"attempt": number, "at": tx.at, "seq": 1, "undone": number != numbers[-1]} for number in numbers]


def _systems(workspace: Workspace, tx: Transaction) -> int:
    found = 0
    roles: tuple[Role, ...] = ("source", "target")
    for role in roles:
        entry = workspace.system(role)
        keys = [
            each for each in workspace.storage.keys("catalog") if each.startswith(f"catalog/{entry.system}-")
        ]
        known = [Catalog.model_validate_json(workspace.storage.read(each)[0]) for each in keys]
        if known:
            newest = max(known, key=lambda each: each.discovered)
            tx.put(
                systems, label=entry.system, role=role, type=newest.type, tenant=newest.tenant,
                family=newest.family, catalog=newest.digest(), at=tx.at,
            )  # fmt: skip
            found += 1
    return found


def _generations(workspace: Workspace, tx: Transaction) -> int:
    store, found = workspace.store, 0
    ready = any(store.manifests("ready", object) for object in store.storage.folders("ready"))
    for object in store.storage.folders("source"):
        for manifest in store.manifests("source", object):
            tx.put(
                generations, object=object, number=manifest.generation, attempt=1,
                state="transformed" if ready else "extracted", manifest=manifest.digest(),
                watermark=manifest.facts.get("watermark"), settled=None,
            )  # fmt: skip
            found += 1
    return found


def _checkpoint(workspace: Workspace, tx: Transaction, row: dict[str, Any]) -> int:
    """The first checkpoint of an attempt, of the baseline that lies there."""
    number, store = row["attempt"], workspace.store
    base = f"baseline/attempt-{number}"
    folders = {
        object: f"{base}/{object}"
        for object in store.storage.folders(base)
        if not object.endswith("-links") and store.manifest(f"{base}/{object}") is not None
    }
    if not folders:
        return 0
    plan = load_plan(workspace.plan_path).model
    end = parse_window(plan.cutover.window).end(parse_stamp(row["at"]), plan.calendar.zone)
    tx.put(
        checkpoints, name=f"before-load-{number}", attempt=number, at=row["at"], segment=row["seq"] - 1,
        watermarks="{}", baseline=json.dumps(folders), window_end=stamp(end),
    )  # fmt: skip
    return 1
