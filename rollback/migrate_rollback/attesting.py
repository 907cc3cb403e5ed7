"""What proves afterwards that the target was put back? A document with the digests of all that was compared.

`rollback verify` writes one each time, whatever its verdict; the ledger's trail keeps its digest, so that an
exchanged one shows. `check` reads it again later: is it as it was written, are the artifacts behind it still
those, and what has happened since?
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from migrate import __version__
from migrate.clock import stamp
from migrate.errors import Damaged, UsageError
from migrate.journal import UNDO
from migrate.ledger import Ledger
from migrate.ledger.leases import this_process
from migrate.ledger.tables import events, measures, segments
from migrate.load.context import Progress, no_progress
from migrate.stages.checkpoint import Checkpoint
from migrate.storage import NEW, Storage, Taken
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import attempts, holding, verifying
from migrate_rollback.model import Verified
from migrate_rollback.window import VERIFY

FORMAT, KIND = 1, "rollback attestation"
REPORTS = "reports"
NAMED = 1_000  # findings and held groups that stand in the document by name


@dataclass(frozen=True)
class Attestation:
    """A written one. `place`: below the workspace; `document` holds its own `digest`."""

    place: str
    document: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over everything in it but this."""
        return str(self.document["digest"])


@dataclass(frozen=True)
class Checked:
    """What a second look at an attestation finds.

    `broken`: why it proves nothing any more; `since`: what has happened after it was written.
    """

    digest: str
    words: str
    broken: tuple[str, ...]
    since: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Everything that it names is still as it says."""
        return not self.broken


def verify(workspace: Workspace, progress: Progress = no_progress) -> tuple[Verified, Attestation]:
    """Verify the rollback, and attest what was found; written to `reports/rollback-attempt-n/`.

    Raises:
        UsageError, Parked, SystemRefused, Damaged: as `verifying.verify`; nothing is attested then.
    """
    began = workspace.clock.now()
    found = verifying.verify(workspace, progress)
    chosen = attempts.choose(workspace.ledger)
    seconds = (workspace.clock.now() - began).total_seconds()
    document = _document(workspace, found, chosen.point, stamp(began), seconds)
    key = _kept(workspace.storage.below(REPORTS), f"rollback-attempt-{found.attempt}", document)
    with workspace.ledger.write() as tx:
        tx.put(measures, name=VERIFY, value=seconds, at=tx.at)
        tx.event(
            this_process().holder, VERIFY, attempt=found.attempt, digest=document["digest"],
            verdict=found.verdict, words=found.words, place=f"{REPORTS}/{key}",
        )  # fmt: skip
    return found, Attestation(f"{REPORTS}/{key}", document)


def attested(ledger: Ledger, attempt: int | None = None) -> list[dict[str, Any]]:
    """The facts of each attestation by the trail, with `at` and `who`, the newest first.

    Args:
        attempt: only of this one.
    """
    query = sa.select(events).where(events.c.what == VERIFY).order_by(events.c.number.desc())
    found = [{**json.loads(row.facts), "at": row.at, "who": row.who} for row in ledger.read(query)]
    return [each for each in found if attempt in (None, each["attempt"])]


def check(workspace: Workspace, content: bytes) -> Checked:
    """Look at an attestation again: at itself, at the trail, and at every artifact that it names.

    Raises:
        UsageError: it is no attestation.
    """
    try:
        told = json.loads(content)
        digest, compared, journal = told["digest"], told["compared"], told["journal"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "This file is no attestation of a rollback.", "`migrate rollback verify` names the one it wrote."
        ) from error
    broken: list[str] = []
    if digest != digest_of(told):
        broken.append("it isn't as it was written: its digest differs from its content")
    if all(each["digest"] != digest for each in attested(workspace.ledger)):
        broken.append("this workspace's trail knows no attestation with its digest")
    since: list[str] = []
    for each in [*compared, told["differences"]]:
        for side in ("then", "now", "links_then", "links_now", "rows"):
            if each.get(side):
                (broken if side.endswith("then") else since).extend(_differs(workspace, each[side]))
    broken += [f"journal: {flaw.what} ({flaw.name})" for flaw in workspace.journal.audit()[0]]
    since += _since(workspace, told, journal)
    return Checked(digest, str(told["words"]), tuple(broken), tuple(since))


def _kept(reports: Storage, folder: str, document: Mapping[str, Any]) -> str:
    """Write it under the next number; another one's is never written over."""
    content = json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
    number = sum(key.startswith(f"{folder}/attestation-") for key in reports.keys(folder)) + 1
    while True:
        key = f"{folder}/attestation-{number:04d}.json"
        try:
            reports.write(key, content, NEW)
        except Taken:
            number += 1
        else:
            return key


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document without its own digest, keys sorted."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _document(
    workspace: Workspace, found: Verified, point: Checkpoint, began: str, seconds: float
) -> dict[str, Any]:
    me, bound = this_process(), workspace.ledger.system(workspace.system("target").system)
    last = workspace.ledger.read(sa.select(segments).order_by(segments.c.last_seq.desc()).limit(1))
    compared = [
        {
            "object": object,
            "then": _named(workspace, folder), "links_then": _named(workspace, f"{folder}-links"),
            "now": _named(workspace, f"after/attempt-{found.attempt}/{object}"),
            "links_now": _named(workspace, f"after/attempt-{found.attempt}/{object}-links"),
        }
        for object, folder in point.baseline.items()
    ]  # fmt: skip
    groups = holding.groups(workspace)
    records = workspace.engine.rows(
        f"SELECT object, id, key, code FROM undo_held ORDER BY object, id LIMIT {NAMED}"
    )
    document = {
        "format": FORMAT, "kind": KIND, "verdict": found.verdict, "words": found.words,
        "attempt": found.attempt, "checkpoint": {"name": point.name, "taken": point.at},
        "target": {"system": bound.label, "type": bound.type, "tenant": bound.tenant},
        "plan": workspace.plan.digest, "catalog": bound.catalog,
        "compared": compared, "differences": {"rows": _named(workspace, found.folder)},
        "held": [
            {"group": each.name, "count": each.count, "why": each.words, "decision": each.decided or "kept"}
            for each in groups
        ],
        "held_records": records,
        "residue": [{"what": each.what, "count": each.count} for each in found.residue],
        "foreign": dict(found.foreign), "failures": [vars(each) for each in found.failures[:NAMED]],
        "journal": {
            "last_seq": last[0].last_seq if last else 0, "head": last[0].sha256 if last else "",
        },
        "by": me.holder, "host": me.host, "version": __version__,
        "began": began, "seconds": round(seconds, 1), "at": stamp(workspace.clock.now()),
    }  # fmt: skip
    return {**document, "digest": digest_of(document)}


def _named(workspace: Workspace, folder: str) -> dict[str, Any] | None:
    manifest = workspace.store.manifest(folder)
    return None if manifest is None else _told(manifest)


def _told(manifest: Manifest) -> dict[str, Any]:
    return {"folder": manifest.folder, "rows": manifest.rows, "sha256": manifest.digest()}


def _differs(workspace: Workspace, told: Mapping[str, Any]) -> list[str]:
    """What isn't any more as an attestation names it."""
    manifest = workspace.store.manifest(told["folder"])
    if manifest is None:
        return [f"{told['folder']} isn't there any more"]
    if manifest.digest() != told["sha256"]:
        return [f"{told['folder']} holds something else by now ({manifest.rows:,} rows)"]
    try:
        workspace.store.verify(manifest)
    except Damaged as error:
        return [f"{told['folder']}: {error.what}"]
    return []


def _since(workspace: Workspace, told: Mapping[str, Any], journal: Mapping[str, Any]) -> list[str]:
    """What was done after it was written."""
    found = []
    rows = workspace.engine.rows(
        f"""SELECT attempt, starts_with(coalesce(batch, ''), '{UNDO}') AS undo, count(*) AS n
        FROM {workspace.journal.source()} WHERE seq > {int(journal["last_seq"])} GROUP BY ALL ORDER BY ALL"""
    )
    for row in rows:
        what = "undone" if row["undo"] else "written"
        found.append(f"the journal has {row['n']:,} rows more of attempt {row['attempt']}, {what} since")
    found += [
        f"attempt {told['attempt']} was verified again at {later['at']}: {later['words']}"
        for later in attested(workspace.ledger, told["attempt"])[:1]
        if later["digest"] != told["digest"]
    ]
    if workspace.plan.digest != told["plan"]:
        found.append("the plan was changed")
    if workspace.catalog_digest("target") != told["catalog"]:
        found.append("the target was discovered anew, with another catalog")
    return found
