"""Is everything that we keep still what it was? A look over ledger, journal, stages, blobs and catalogs.

The journal is always read whole, for a rollback lives of it. Of stages, the default looks at names and sizes;
`deep` compares every part and every blob with its digest. Nothing is changed and nothing is set aside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.blobs import REMEDY as FETCH_AGAIN
from migrate.errors import Damaged
from migrate.ledger import copies
from migrate.ledger.tables import checkpoints, cursors, events, systems, validations
from migrate.load.context import Progress, no_progress
from migrate.stages.kept import PLANS, WHOLE
from migrate.storage import at_once
from migrate.store import Manifest
from migrate.store.artifacts import MANIFEST
from migrate.workspace import COPY, catalog_key

if TYPE_CHECKING:
    from migrate.journal.flaws import Told
    from migrate.workspace import Workspace

LOST = "Restore it from a backup (`migrate restore`)."
FOLDER = "fsck/affected"  # the artifact that lists the records which damage to the journal affects
MOVES = "purging.json"  # the moves of a purge that was cut short
_LOT = 200  # keys that are asked for side by side


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it was.

    `part`: ledger, journal, stage, blob, catalog, plan, checkpoint or report. `kind`: missing, altered,
    truncated, swapped, unreadable, unchained, or, of what counts for nothing, additional or stale. `rows`:
    records that it tells of, as far as is known.
    """

    part: str
    kind: str
    place: str
    what: str
    remedy: str
    rows: int = 0

    @property
    def counts(self) -> bool:
        """Whether something of ours is lost or wrong; what is too much, or one step behind, isn't."""
        return self.kind not in ("additional", "stale")


@dataclass
class Looked:
    """What a look over the workspace found.

    `looked`: how many of each part were looked at. `records`: by object, what damage to the journal affects;
    `folder`: the artifact below `stage` that lists them, "" where there are none.
    """

    deep: bool
    findings: list[Finding] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)
    records: dict[str, int] = field(default_factory=dict)
    words: str = ""
    folder: str = ""

    @property
    def damaged(self) -> list[Finding]:
        """Findings that count."""
        return [each for each in self.findings if each.counts]

    def add(self, part: str, kind: str, place: str, what: str, remedy: str, rows: int = 0) -> None:
        """Note a finding."""
        self.findings.append(Finding(part, kind, place, what, remedy, rows))


def fsck(workspace: Workspace, *, deep: bool = False, progress: Progress = no_progress) -> Looked:
    """Look over everything that is ours; records that damage affects stand in the artifact `fsck/affected`.

    Args:
        deep: compare every part and blob with its digest, and read the ledger's file whole.

    Raises:
        Damaged: the ledger can't be opened at all; names `rebuild`.
    """
    found = Looked(deep)
    if workspace.storage.has(MOVES):
        words, again = (
            "a purge was cut short",
            "Run the same `migrate purge` again; it makes the rest of its moves.",
        )
        found.add("stage", "altered", workspace.storage.address(MOVES), words, again)
    _ledger(workspace, found)
    _events(workspace, found)
    flaws, told = workspace.journal.audit()
    found.looked["segments"] = workspace.journal.count()
    by_segment = Counter(each.segment for each in told.records)
    for flaw in flaws:
        found.add("journal", flaw.kind, flaw.place, flaw.what, flaw.remedy, by_segment[flaw.name])
    _publish(workspace, found, told)
    _stages(workspace, found, progress)
    _checkpoints(workspace, found)
    _catalogs(workspace, found)
    _plans(workspace, found)
    _reports(workspace, found)
    _blobs(workspace, found, progress)
    return found


def _ledger(workspace: Workspace, found: Looked) -> None:
    for words in workspace.ledger.unsound(deep=found.deep):
        remedy = "Run `migrate rebuild --replace`: it makes the ledger anew out of the journal."
        found.add("ledger", "altered", workspace.ledger.backend.name, words, remedy)
    place, remedy = workspace.storage.address(COPY), "It is written anew whenever the ledger changes."
    try:
        kept, now = copies.read(workspace.storage.read(COPY)[0]), copies.read(workspace.ledger.copy())
    except (OSError, ValueError) as error:
        found.add("ledger", "unreadable", place, f"the ledger's copy can't be read ({error})", remedy)
        return
    if kept["head"] != now["head"]:
        return  # an earlier version wrote it; the next change writes it anew
    odd = [
        name for name in {*kept["tables"], *now["tables"]} - copies.QUIET
        if kept["tables"].get(name) != now["tables"].get(name)
    ]  # fmt: skip
    if odd:
        words = f"the ledger's copy differs from it in {', '.join(sorted(odd))}"
        found.add("ledger", "stale", place, words, remedy)


def _events(workspace: Workspace, found: Looked) -> None:
    """The trail: each event's digest covers the one before it."""
    previous = ""
    for row in workspace.ledger.read(sa.select(events).order_by(events.c.number)):
        found.looked["events"] += 1
        if row.previous != previous or row.digest != _digest_of(row):
            words = (
                f"event {row.number} (`{row.what}` of {row.at}) isn't what it was, or one before it is gone"
            )
            found.add("ledger", "altered", workspace.ledger.backend.name, words, LOST)
        previous = row.digest


def _digest_of(row: Any) -> str:
    from migrate.ledger.database import event_digest

    return event_digest(row.previous, row.at, row.who, row.what, row.facts)


def _publish(workspace: Workspace, found: Looked, told: Told) -> None:
    import pyarrow as pa

    store = workspace.store
    store.discard(FOLDER)
    if not told.records:
        return
    names = ("segment", "kind", "object", "key", "id", "told_by")
    schema = pa.schema([(name, pa.string()) for name in names])
    rows = [{name: getattr(each, name) for name in names} for each in told.records]
    with store.writer(FOLDER, schema) as writer:
        writer.write(pa.Table.from_pylist(rows, schema))
    store.publish(Manifest(FOLDER, "fsck", "affected", 0, len(rows), tuple(writer.parts)))
    found.records, found.words, found.folder = told.counts(), told.words(), FOLDER


# -- stages ---------------------------------------------------------------------------------------


def _stages(workspace: Workspace, found: Looked, progress: Progress) -> None:
    """Each manifest can be read, and each part is there, of its size; `deep`: with its digest."""
    storage = workspace.store.storage
    sizes = dict(storage.sizes())
    begun = {row.folder for row in workspace.ledger.read(sa.select(cursors.c.folder))}
    named: set[str] = set()
    folders = [key.removesuffix(f"/{MANIFEST}") for key in sizes if key.endswith(f"/{MANIFEST}")]
    for number, folder in enumerate(sorted(folders), 1):
        named.add(f"{folder}/{MANIFEST}")
        try:
            manifest = workspace.store.manifest(folder)
        except Damaged as error:
            found.add("stage", "unreadable", error.path, error.what, error.remedy or LOST)
            named.update(key for key in sizes if key.rpartition("/")[0] == folder)
            continue
        if manifest is None:
            continue  # its writer has just taken it away
        found.looked["manifests"] += 1
        named.update(f"{folder}/{part.name}" for part in manifest.parts)
        _parts(workspace, manifest, sizes, found)
        progress("stages", number, len(folders))
    for key in sorted(set(sizes) - named):
        folder, _, name = key.rpartition("/")
        if name.endswith(".damaged"):
            if f"{folder}/{MANIFEST}" not in sizes and name == f"{MANIFEST}.damaged":
                words = "was found damaged before, and set aside"
                found.add("stage", "missing", storage.address(folder), words, _again(folder))
        elif folder not in begun:
            words = "isn't named by a manifest; it counts for nothing"
            found.add("stage", "additional", storage.address(key), words, "It may be removed.")


def _parts(workspace: Workspace, manifest: Manifest, sizes: dict[str, int], found: Looked) -> None:
    storage = workspace.store.storage
    keys = [f"{manifest.folder}/{part.name}" for part in manifest.parts]
    seen = at_once(storage, storage.find, keys) if found.deep else [None] * len(keys)
    for key, part, there in zip(keys, manifest.parts, seen, strict=True):
        found.looked["parts"] += 1
        size = sizes.get(key)
        kind, words = "", ""
        if size is None:
            kind, words = "missing", "is missing, though the manifest names it"
        elif size != part.bytes:
            kind, words = "truncated", f"has {size:,} bytes instead of {part.bytes:,}"
        elif there is not None and there.sha256 != part.sha256:
            kind, words = "altered", "differs from its digest"
        if kind:
            found.add("stage", kind, storage.address(key), words, _again(manifest.folder), part.rows)


def _again(folder: str) -> str:
    """What brings a folder back."""
    stage = folder.partition("/")[0]
    if stage in ("source", "target", "files"):
        return "Run `migrate extract` again, or restore it from a backup if a load was made of it."
    if stage in ("ready", "rejects", "merged", "skipped", "links", "full", "consent"):
        return "Run `migrate transform` again, or restore it from a backup if a load was made of it."
    return LOST


def _checkpoints(workspace: Workspace, found: Looked) -> None:
    store = workspace.store
    for row in workspace.ledger.read(sa.select(checkpoints).order_by(checkpoints.c.at)):
        found.looked["checkpoints"] += 1
        for object, folder in json.loads(row.baseline).items():
            for each in (folder, f"{folder}-links"):
                if not store.storage.has(f"{each}/{MANIFEST}"):
                    words = f"the baseline of `{object}` at checkpoint `{row.name}` isn't there"
                    found.add("checkpoint", "missing", store.storage.address(each), words, LOST)


# -- the rest -------------------------------------------------------------------------------------


def _catalogs(workspace: Workspace, found: Looked) -> None:
    from migrate.catalog import Catalog

    storage = workspace.storage
    wanted = {catalog_key(row.label, row.catalog) for row in _bound(workspace)}
    there = {key for key in storage.keys("catalog") if key.endswith(".json")}
    again = "Run `migrate discover` again."
    for key in sorted(wanted - there):
        found.add("catalog", "missing", storage.address(key), "is missing, though the ledger names it", again)
    for key in sorted(there):
        found.looked["catalogs"] += 1
        try:
            digest = Catalog.model_validate_json(storage.read(key)[0]).digest()
        except (OSError, ValueError) as error:
            words = f"can't be read ({str(error).partition(chr(10))[0]})"
            found.add("catalog", "unreadable", storage.address(key), words, again)
            continue
        if not key.endswith(f"-{digest[:16]}.json"):
            found.add(
                "catalog", "altered", storage.address(key), "differs from the digest in its name", again
            )


def _plans(workspace: Workspace, found: Looked) -> None:
    """The plans that were loaded, each file with the digest that was kept with it."""
    storage = workspace.storage
    for key in storage.keys(PLANS):
        folder, _, name = key.rpartition("/")
        if name != WHOLE:
            continue
        found.looked["plans"] += 1
        for file, digest in json.loads(storage.read(key)[0]).items():
            there = storage.find(f"{folder}/{file}")
            if there is None or there.sha256 != digest:
                kind, words = (
                    ("missing", "is missing") if there is None else ("altered", "differs from its digest")
                )
                found.add("plan", kind, storage.address(f"{folder}/{file}"), words, LOST)


def _bound(workspace: Workspace) -> list[Any]:
    return workspace.ledger.read(sa.select(systems))


def _reports(workspace: Workspace, found: Looked) -> None:
    storage = workspace.storage.below("reports")
    query = sa.select(validations).where(validations.c.digest.is_not(None))
    for row in workspace.ledger.read(query):
        found.looked["reports"] += 1
        key = f"{row.folder}/report.json"
        there = storage.find(key)
        again = "Run `migrate validate` again, or restore it from a backup."
        if there is None:
            found.add(
                "report", "missing", storage.address(key), "is missing, though the ledger names it", again
            )
        elif there.sha256 != row.digest:
            found.add(
                "report", "altered", storage.address(key), "differs from the digest in the ledger", again
            )


def _blobs(workspace: Workspace, found: Looked, progress: Progress) -> None:
    """Which blobs the stages name are there; `deep`: and is each one what its name says?"""
    there = dict(workspace.blobs.names())
    found.looked["blobs"] = len(there)
    storage = workspace.storage.below("blobs")
    for name, rows in _wanted(workspace):
        if name not in there:
            place = storage.address(f"{name[:2]}/{name[2:]}")
            found.add("blob", "missing", place, "is missing, though a stage names it", FETCH_AGAIN, rows)
    if not found.deep:
        return
    names = sorted(there)
    for first in range(0, len(names), _LOT):
        keys = [f"{name[:2]}/{name[2:]}" for name in names[first : first + _LOT]]
        for key, seen in zip(keys, at_once(storage, storage.find, keys), strict=True):
            if seen is not None and seen.sha256 != key.replace("/", ""):
                what = "isn't what its name says"
                found.add("blob", "altered", storage.address(key), what, FETCH_AGAIN)
        progress("blobs", min(first + _LOT, len(names)), len(names))


def _wanted(workspace: Workspace) -> Iterator[tuple[str, int]]:
    """Names of the blobs that the newest lists of fetched files name, with how many rows name each."""
    from migrate.engine import parquet

    store = workspace.store
    for object in store.storage.folders("files"):
        files = []
        for manifest in store.manifests("files", object)[-1:]:
            files += [path for path in store.files(manifest) if store.storage.remote or _there(path)]
        if not files:
            continue
        for row in workspace.engine.rows(
            f"""SELECT split_part(blob, ':', 2) AS name, count(*) AS n FROM {parquet(files)}
            WHERE blob IS NOT NULL AND outcome = 'stored' GROUP BY ALL ORDER BY ALL"""
        ):
            yield row["name"], int(row["n"])


def _there(path: str) -> bool:
    from pathlib import Path

    return Path(path).is_file()
