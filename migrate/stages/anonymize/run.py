"""How does an extract become one that may be passed on? Its shape is kept, and nobody is in it.

What is staged of both systems, the files, the catalogs, the plan and its maps are written anew into a
workspace of their own, on which `transform`, a drill, a rehearsal and `validate` run. It is made aside and
takes its name when it is whole, so a kill leaves nothing that looks done. The key isn't in it, and without
it nobody can turn a pseudonym back.

Journal, baselines, reports and the ledger's history stay behind: the result is a migration before its load.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.connector import SpellsIds
from migrate.engine import parquet
from migrate.errors import UsageError
from migrate.ledger.tables import generations, systems
from migrate.load.context import Progress, no_progress
from migrate.place import LEDGER
from migrate.plugins import load
from migrate.stages.anonymize.beside import anonymous, write_plan
from migrate.stages.anonymize.blobs import replaced
from migrate.stages.anonymize.cipher import Cipher
from migrate.stages.anonymize.columns import Columns, blob_names, changed
from migrate.stages.anonymize.known import Original, original
from migrate.stages.anonymize.leaks import Leak, leaks
from migrate.stages.anonymize.pseudonyms import IdForm, Pseudonyms
from migrate.stages.files import STAGE as FILES
from migrate.stages.files import STORED
from migrate.types import BlobRef
from migrate.workspace import Role, Workspace

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.store import Manifest

STAGES = ("source", FILES, "target")
ROLES: tuple[Role, ...] = ("source", "target")
ANONYMIZED = "anonymized"  # event of the result: of which plan it was made, and its own
KEY = 32  # bytes
BATCH = 32 << 20  # bytes of a part, uncompressed, that are in hand at a time


@dataclass(frozen=True)
class Anonymized:
    """What was made. `rows`: by artifact's object, of both systems; `files`, `bytes`: that were replaced.

    `looked`: how many names, telephone numbers and e-mail addresses of the original were looked for;
    `exempt`: names that are also words of a picklist, a label or the plan, and so can't be looked for.
    `leaks`: what was found, and where; the result is kept all the same, under a name that says so.
    """

    folder: str
    rows: dict[str, int]
    files: int
    bytes: int
    looked: dict[str, int]
    exempt: int
    leaks: tuple[Leak, ...]


def anonymize(
    workspace: Workspace, to: Path, *, key: bytes | None = None, progress: Progress = no_progress
) -> Anonymized:
    """Write a workspace without personal data.

    Args:
        to: a folder that isn't there yet.
        key: of the pseudonyms; None: one that is thrown away. The same key gives the same pseudonyms again.

    Raises:
        UsageError: nothing is extracted, the folder is there already, or it lies within the workspace.
        Damaged: a part of the extract isn't what its manifest says.
        NoSpace: the disk refused.
    """
    to = to.resolve()
    if to.exists():
        raise UsageError(f"{to} is there already.", "Name a folder that isn't.")
    if not list(_manifests(workspace, "source")):
        raise UsageError("Nothing is extracted yet.", "Run `migrate extract` first.")
    aside = to.with_name(f".{to.name}.unfinished")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed one left
    aside.mkdir(parents=True, mode=0o700)
    source = original(workspace)
    run = _Run(workspace, aside, source, key or secrets.token_bytes(KEY), progress)
    try:
        run.write()
        found = leaks(workspace, aside, source, progress)
    finally:
        run.close()
    if found:
        to = to.with_name(f"{to.name}.leaks")
        shutil.rmtree(to, ignore_errors=True)
    aside.rename(to)
    emails = workspace.engine.rows("SELECT count(DISTINCT email) AS n FROM original_emails")[0]["n"]
    looked = {
        "names": len(source.names), "telephone numbers": len(source.numbers), "e-mail addresses": emails
    }  # fmt: skip
    return Anonymized(str(to), run.rows, run.files, run.bytes, looked, source.hidden, tuple(found))


def look_again(workspace: Workspace, at: Path, progress: Progress = no_progress) -> list[Leak]:
    """Scan a result once more against the original that this workspace is.

    Raises:
        UsageError: there is no plan in that folder.
    """
    if not (at / "plan.yaml").is_file():
        raise UsageError(f"{at} is no workspace.", "Name the folder that `migrate anonymize` made.")
    return leaks(workspace, at.resolve(), original(workspace), progress)


def id_forms(workspace: Workspace) -> tuple[IdForm, ...]:
    """How ids look in both systems, where they have a form."""
    kinds = [load(workspace.system(role).type) for role in ROLES]
    return tuple(
        IdForm(kind.id_pattern, kind.other_id) for kind in dict.fromkeys(kinds) if isinstance(kind, SpellsIds)
    )


def _manifests(workspace: Workspace, stage: str) -> Iterator[Manifest]:
    for key in sorted(workspace.store.storage.keys(stage)):
        if key.endswith("/manifest.json"):
            manifest = workspace.store.manifest(key.removesuffix("/manifest.json"))
            if manifest is not None:
                yield manifest


class _Run:
    def __init__(self, real: Workspace, root: Path, source: Original, key: bytes, progress: Progress) -> None:
        self.real, self.root, self.progress = real, root, progress
        self.cipher = Cipher(key)
        self.pseudonyms = Pseudonyms(self.cipher, source.known, id_forms(real))
        self.catalogs: dict[str, Catalog] = {role: real.catalog(role) for role in ROLES}
        self.rows: dict[str, int] = {}
        self.files = self.bytes = 0
        self._blobs: dict[str, str] = {}
        self.copy: Workspace | None = None

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()

    def write(self) -> None:
        """Everything, the ledger last."""
        write_plan(self.pseudonyms, self.real.plan, self.root)
        # A team's ledger is the original's: this one has its own, as a file.
        environment = {name: v for name, v in self.real.environment.items() if name != LEDGER}
        copy = self.copy = Workspace(self.root, environment)
        copy.place.make()
        digests = {
            role: copy.keep_catalog(copy.system(role).system, anonymous(self.pseudonyms, self.catalogs[role]))
            for role in ROLES
        }
        self._replace_files(copy)
        columns = Columns(self.pseudonyms, self.real.plan, self.catalogs, self._blobs)
        for stage in STAGES:
            for manifest in _manifests(self.real, stage):
                self._artifact(copy, stage, manifest, columns, digests)
        self._enter(copy, digests)

    def _replace_files(self, copy: Workspace) -> None:
        for manifest in _manifests(self.real, FILES):
            if not manifest.rows:
                continue
            query = (
                f"SELECT DISTINCT blob FROM {parquet(self.real.store.files(manifest))} "
                f"WHERE outcome = '{STORED}' AND blob IS NOT NULL ORDER BY blob"
            )
            for batch in self.real.engine.stream(query):
                for text in batch["blob"].to_pylist():
                    ref = BlobRef.parse(text)
                    if ref is None or text in self._blobs:
                        continue
                    self._blobs |= blob_names(ref, replaced(self.cipher, self.real.blobs, ref, copy.blobs))
                    self.files, self.bytes = self.files + 1, self.bytes + ref.bytes
                    self.progress("files", self.files, self.files)

    def _artifact(
        self, copy: Workspace, stage: str, manifest: Manifest, columns: Columns, digests: Mapping[Role, str]
    ) -> None:
        """Rewrite an artifact, part by part."""
        import pyarrow.parquet as pq

        store = self.real.store
        store.verify(manifest)
        object, done = manifest.object.partition(".")[0] if stage == FILES else manifest.object, 0
        parts = []
        for number, part in enumerate(manifest.parts):
            with pq.ParquetFile(store.path(manifest, part)) as source:
                schema = source.schema_arrow
                made = {n.name: columns.change(stage, object, n.name, n.type) for n in schema}
                with copy.store.writer(manifest.folder, schema, part_rows=1 << 62, first=number) as writer:
                    for batch in source.iter_batches(batch_size=_rows(source)):
                        for n, name in enumerate(schema.names):
                            if (make := made[name]) is not None:
                                batch = batch.set_column(n, schema.field(n), changed(batch, name, make))
                        writer.write(batch)
                        done += batch.num_rows
                        self.progress(f"{stage} {manifest.object}", done, manifest.rows)
                    writer.close_part()
                    parts += writer.parts
        facts = {name: self._fact(name, value, digests, stage) for name, value in manifest.facts.items()}
        copy.store.publish(replace(manifest, parts=tuple(parts), facts=facts))
        what = f"{stage} {manifest.object}"
        self.rows[what] = self.rows.get(what, 0) + manifest.rows

    def _fact(self, name: str, value: Any, digests: Mapping[Role, str], stage: str) -> Any:
        if name == "catalog":
            return digests["target" if stage == "target" else "source"]
        return self.pseudonyms.structure(value) if isinstance(value, str) and name != "asked" else value

    def _enter(self, copy: Workspace, digests: Mapping[Role, str]) -> None:
        """Bind the result to tenants that aren't there, and enter its generations, before any load."""
        with copy.ledger.write() as tx:
            for role in ROLES:
                label = copy.system(role).system
                old = self.real.ledger.system(label)
                tx.put(
                    systems, label=label, role=role, type=old.type, tenant=self.pseudonyms.value(old.tenant),
                    family=self.pseudonyms.family(old.family), catalog=digests[role], at=tx.at,
                )  # fmt: skip
            for manifest in _manifests(copy, "source"):
                if manifest.stage == "source":
                    tx.put(
                        generations, object=manifest.object, number=manifest.generation, attempt=1,
                        state="extracted", manifest=manifest.digest(), watermark=manifest.facts["watermark"],
                        settled=None,
                    )  # fmt: skip
            tx.event("migrate anonymize", ANONYMIZED, plan=self.real.plan.played, own=copy.plan.played)


def _rows(part: Any) -> int:
    """Rows of a part that make about `BATCH`; bodies of mails are long."""
    metadata = part.metadata
    size = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    return int(max(16, min(1 << 16, BATCH * max(1, metadata.num_rows) // max(1, size))))
