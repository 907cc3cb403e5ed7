"""Which plan was loaded? A copy of it, with its maps, kept by digest before the first write that follows it.

A copy lies under `plans/<digest>` and counts once `whole.json`, written last, names each file with its
digest. So a later plan can be compared with what was loaded, though the files in the folder were edited.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.errors import Damaged, UsageError
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, rollbacks
from migrate.stages import checkpoint

if TYPE_CHECKING:
    from migrate.ledger import Ledger, Transaction
    from migrate.load import Loading
    from migrate.plan import Plan
    from migrate.workspace import Workspace

PLANS, PLAN, WHOLE = "plans", "plan.yaml", "whole.json"
LEAST = 6  # characters of a digest that name it


def keep(workspace: Workspace) -> str:
    """Keep a copy of the workspace's plan and of all files that it takes; returns its digest.

    Raises:
        PlanError: a map is missing or can't be read.
        UsageError: the plan was edited while this command ran.
    """
    plan = workspace.plan
    storage = workspace.storage.below(f"{PLANS}/{plan.digest}")
    if storage.has(WHOLE):
        return plan.digest
    digests = {}
    for name, path in {PLAN: plan.path, **{each: plan.folder / each for each in plan.names()}}.items():
        if path.is_file():  # a module of functions may be an installed one
            content = path.read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            storage.write(name, content)
    if _read(workspace, plan.digest, digests).digest != plan.digest:
        raise UsageError("The plan was edited while this command ran.", "Run it again.")
    storage.write(WHOLE, json.dumps(digests, indent=1, sort_keys=True).encode())
    return plan.digest


def kept(workspace: Workspace, digest: str) -> Plan:
    """The plan of this digest, as it was when it was loaded.

    Raises:
        UsageError: no copy of it was kept.
        Damaged: a file of the copy isn't what it was.
    """
    storage = workspace.storage.below(f"{PLANS}/{digest}")
    try:
        digests: dict[str, str] = json.loads(storage.read(WHOLE)[0])
    except FileNotFoundError as error:
        raise UsageError(
            f"No copy of the plan {digest[:12]} was kept.",
            "Put that plan back into the folder and run `migrate load`, which sends nothing and keeps it; "
            "then edit it again.",
        ) from error
    except ValueError as error:
        raise Damaged(
            storage.address(WHOLE), f"can't be read ({error})", "Restore it from a backup."
        ) from error
    return _read(workspace, digest, digests)


def _read(workspace: Workspace, digest: str, digests: dict[str, str]) -> Plan:
    from migrate.plan import load_plan
    from migrate.plan.validation import ValidatePlan

    storage = workspace.storage.below(f"{PLANS}/{digest}")
    paths: dict[str, Path] = {}
    for name, sha256 in digests.items():
        try:
            paths[name] = storage.local(name, sha256)
            same = hashlib.sha256(paths[name].read_bytes()).hexdigest() == sha256
        except FileNotFoundError:
            same = False
        if not same:
            words = "is missing or isn't what it was when the plan was loaded"
            raise Damaged(storage.address(name), words, "Restore it from a backup.")
    plan = load_plan(paths[PLAN])
    # What is asked of the loaded records decides nothing of what is written, and its files aren't kept.
    plan.model = plan.model.model_copy(update={"validate_": ValidatePlan()})
    return workspace.with_files(plan)


def named(workspace: Workspace, word: str) -> Plan:
    """A plan by what people call it: a folder, a file, or the first characters of a kept one's digest.

    Raises:
        UsageError: nothing, or more than one, is called so.
        PlanError: it can't be read.
    """
    from migrate.plan import load_plan

    path = Path(word)
    if path.is_dir():
        path = path / PLAN
    if path.is_file():
        return workspace.with_files(load_plan(path))
    digests = workspace.storage.folders(PLANS)
    found = [each for each in digests if len(word) >= LEAST and each.startswith(word)]
    if len(found) != 1:
        listed = ", ".join(f"`{each[:12]}`" for each in digests) or "none yet"
        what = "More than one kept plan begins with" if found else "There is no plan"
        raise UsageError(f"{what} `{word}`.", f"Name a folder, a plan.yaml, or a kept plan: {listed}.")
    return kept(workspace, found[0])


def of_record(ledger: Ledger) -> str:
    """The digest of the plan by which what stands in the target was loaded last.

    After a rollback to a checkpoint it is the one that was on record there.

    Raises:
        UsageError: nothing has been loaded in this attempt.
    """
    number = ledger.attempt()
    digest = standing(ledger)
    if digest is None:
        raise UsageError(
            f"Nothing has been loaded in attempt {number}, so no plan is on record.",
            "Run `migrate load` first, or name both plans: `migrate plan diff OLD NEW`.",
        )
    return digest


def standing(ledger: Ledger) -> str | None:
    """The same, or None where nothing has been loaded in this attempt."""
    number = ledger.attempt()
    digest = ledger.value(sa.select(attempts.c.plan).where(attempts.c.number == number))
    if digest is None:
        back = sa.select(rollbacks.c.checkpoint).where(rollbacks.c.attempt == number - 1)
        if (name := ledger.value(back)) is not None:
            digest = checkpoint.named(ledger, str(name)).facts.get("plan")
    return None if digest is None else str(digest)


def on_record(loading: Loading) -> None:
    """Put the plan that was loaded now on record as the attempt's. A load that was killed isn't on record.

    Raises:
        UsageError: the plan was edited while this command ran.
        LeaseLost: another operator has taken over.
    """
    digest = keep(loading.workspace)
    query = sa.select(attempts.c.plan).where(attempts.c.number == loading.attempt)
    former = loading.ledger.value(query)
    if former == digest:
        return
    with loading.ledger.write(loading.lease) as tx:
        put_on_record(tx, loading.attempt, digest)
        if former is not None:
            tx.event(this_process().holder, "plan loaded", attempt=loading.attempt, old=former, new=digest)


def put_on_record(tx: Transaction, attempt: int, digest: str) -> None:
    """From now on the attempt is loaded by this plan."""
    tx.sql.execute(attempts.update().where(attempts.c.number == attempt).values(plan=digest))
