"""What would another plan make of the same records? Every value that would change, before anything is sent.

The present extract is transformed twice, by either plan, into a folder beside the workspace's stages, which
stay as they are. Rows are compared by their hashes first; only those that differ are read whole. What is
found is one row a value (`plan-diff/<old>-<new>`), so it may be larger than memory.

Matches and duplicates are decided anew for both sides alike: records that were loaded keep what they have.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.connector import CONSENT
from migrate.engine import identifier, parquet, text
from migrate.load.consent import ADDRESSES
from migrate.load.context import Progress, no_progress
from migrate.stages import pipeline
from migrate.storage import FolderStorage
from migrate.store import Manifest, Store

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.plan import Plan
    from migrate.workspace import Workspace

STAGE = "plan-diff"
COLUMNS = ("entry", "object", "key", "field", "what", "old", "new")
CHANGES, COMES, GOES = "changes", "comes", "goes"
READ = frozenset({"source", "target", "files"})  # stages that a transform reads and never writes
SAMPLES = 3
SHOWN = 80  # characters of a sample's value


@dataclass(frozen=True)
class Sample:
    """One value that would change; texts as the engine casts them (UTC), cut to `SHOWN` characters."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Changed:
    """Changes of one kind. `what`: changes, comes (a record or link that only the new plan makes), goes.

    `records`: how many; of links, how many links. `field`: a target field; a link is called
    `link to <object>`; empty for a whole record.
    """

    entry: str
    object: str
    field: str
    what: str
    records: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class PlanDiff:
    """What differs between two plans' rows. `folder`: of the Parquet with one row for each value.

    `digest`: of these rows, so that who accepts them can't be taken to have accepted others.
    """

    old: str
    new: str
    folder: str
    rows: int
    changes: tuple[Changed, ...]
    digest: str

    @property
    def same(self) -> bool:
        """Both plans make the same of the extract."""
        return not self.rows

    def of(self, object: str, fields: Sequence[str] | None = None) -> list[Changed]:
        """Changes of values of an entry."""
        return [
            each
            for each in self.changes
            if each.entry == object and each.what == CHANGES and (fields is None or each.field in fields)
        ]


class Overlay(Store):
    """A store of its own for what is written, over another one for stages only read (`reads`)."""

    def __init__(self, folder: Path, under: Store, reads: Collection[str] = READ) -> None:
        super().__init__(FolderStorage(folder))
        self._under, self._reads = under, reads

    def _of(self, folder: str) -> Store | None:
        return self._under if folder.partition("/")[0] in self._reads else None

    def manifest(self, folder: str) -> Manifest | None:
        """The published manifest of a folder, or None."""
        under = self._of(folder)
        return under.manifest(folder) if under else super().manifest(folder)

    def generations(self, stage: str, object: str) -> list[int]:
        """Numbers of an object's generations at a stage."""
        under = self._of(stage)
        return under.generations(stage, object) if under else super().generations(stage, object)

    def verify(self, manifest: Manifest) -> None:
        """Compare every part with its digest."""
        under = self._of(manifest.folder)
        if under:
            under.verify(manifest)
        else:
            super().verify(manifest)

    def files(self, manifest: Manifest) -> list[str]:
        """Absolute local paths of the parts, in order."""
        under = self._of(manifest.folder)
        return under.files(manifest) if under else super().files(manifest)


def compare(workspace: Workspace, old: Plan, new: Plan, progress: Progress = no_progress) -> PlanDiff:
    """What differs between what two plans make of the present extract; see `compared`."""
    with compared(workspace, old, new, progress) as (found, _):
        return found


@contextmanager
def compared(
    workspace: Workspace, old: Plan, new: Plan, progress: Progress = no_progress
) -> Iterator[tuple[PlanDiff, Store]]:
    """Transform the present extract by both plans, and publish every value that differs.

    Nothing that a load reads is written. Memory is bounded by the engine's limit; the disk must take
    what two transforms write.

    Yields:
        What differs, and the store with what the new plan makes, which goes at the end.

    Raises:
        PlanError: a plan isn't sound.
        UsageError: nothing has been extracted, or another plan diff is under way.
        NoSpace: the disk refused.
    """
    with pipeline.alone(workspace, "plan-diff"), _scratch(workspace) as folder:
        sides = []
        for name, plan in (("old", old), ("new", new)):
            store = Overlay(folder / name, workspace.store)
            pipeline.transform_by(workspace, plan, store, _named(progress, name))
            sides.append(store)
        yield _published(workspace, old, new, sides[0], sides[1]), sides[1]


def _named(progress: Progress, side: str) -> Progress:
    return lambda name, done, total: progress(f"{name}, {side} plan", done, total)


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[Path]:
    """A private folder that SQL may read; whatever a killed process left there goes first."""
    folder = workspace.place.scratch / "plan-diff.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in COLUMNS])


def _published(workspace: Workspace, old: Plan, new: Plan, before: Overlay, after: Overlay) -> PlanDiff:
    engine, store = workspace.engine, workspace.store
    folder = f"{STAGE}/{old.digest[:12]}-{new.digest[:12]}"
    store.discard(folder)
    entries = {each.name: each for plan in (old, new) for each in plan.model.objects}
    with store.writer(folder, _schema()) as writer:
        for name, each in entries.items():
            for query in (*_records(workspace, before, after, name), *_links(old, new, before, after, name)):
                wanted = f"""SELECT {text(name)} AS entry, {text(each.target)} AS object, * FROM ({query})
                    ORDER BY key, field, what, old, new"""  # wholly ordered: equal rows, equal digest
                for batch in engine.stream(wanted):
                    writer.write(batch)
        for batch in engine.stream(_opt_outs(before, after)):
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    facts = {"old": old.digest, "new": new.digest}
    manifest = store.publish(Manifest(folder, STAGE, "", 0, rows, tuple(writer.parts), facts=facts))
    return PlanDiff(old.digest, new.digest, folder, rows, _summary(workspace, manifest), manifest.digest())


def _summary(workspace: Workspace, manifest: Manifest) -> tuple[Changed, ...]:
    files = workspace.store.files(manifest)
    if not files:
        return ()
    short = ", ".join(f"left({name}, {SHOWN}) AS {name}" for name in ("old", "new"))
    found = workspace.engine.rows(
        f"""SELECT entry, any_value(object) AS object, coalesce(field, '') AS field, what,
          count(*) AS records, min({{'key': key, 'old': old, 'new': new}}, {SAMPLES}) AS samples
        FROM (SELECT * REPLACE ({short}) FROM {parquet(files)}) GROUP BY entry, coalesce(field, ''), what
        ORDER BY entry, field, what"""
    )
    return tuple(
        Changed(
            row["entry"], row["object"], row["field"], row["what"], int(row["records"]),
            tuple(Sample(each["key"], each["old"], each["new"]) for each in row["samples"]),
        )
        for row in found
    )  # fmt: skip


def _files(store: Store, stage: str, object: str) -> list[str]:
    return [file for manifest in store.manifests(stage, object) for file in store.files(manifest)]


def _records(workspace: Workspace, before: Overlay, after: Overlay, name: str) -> Iterator[str]:
    """A query of an entry's values that differ: key, field, what, old, new."""
    import pyarrow.parquet as pq

    sides = [_files(store, "ready", name) for store in (before, after)]
    names: dict[str, None] = {}
    held: list[set[str]] = []
    for files in sides:
        there = pq.read_schema(files[0]).names if files else []
        held.append(set(there))
        names.update(dict.fromkeys(each for each in there if not each.startswith("_")))
    if not names:
        return
    hashes = [
        f"SELECT _key, _hash FROM {parquet(files)}" if files else "SELECT '' AS _key, '' AS _hash WHERE false"
        for files in sides
    ]
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE plan_changed AS SELECT coalesce(o._key, n._key) AS key,
        CASE WHEN o._key IS NULL THEN '{COMES}' WHEN n._key IS NULL THEN '{GOES}' ELSE '{CHANGES}' END AS what
        FROM ({hashes[0]}) AS o FULL JOIN ({hashes[1]}) AS n ON o._key = n._key
        WHERE o._hash IS DISTINCT FROM n._hash"""
    )
    yield f"""SELECT key, NULL::VARCHAR AS field, what, NULL::VARCHAR AS old, NULL::VARCHAR AS new
        FROM plan_changed WHERE what <> '{CHANGES}'"""
    if not all(sides):
        return
    values = ", ".join(
        "{"
        + ", ".join(
            f"'{word}': {_text(f'{letter}.{identifier(each)}') if each in held[side] else 'NULL::VARCHAR'}"
            for side, (word, letter) in enumerate((("old", "o"), ("new", "n")))
        )
        + f", 'field': {text(each)}}}"
        for each in names
    )
    yield f"""SELECT key, v.field AS field, '{CHANGES}' AS what, v.old AS old, v.new AS new FROM (
          SELECT c.key, unnest([{values}]) AS v FROM plan_changed AS c
          JOIN {parquet(sides[0])} AS o ON o._key = c.key JOIN {parquet(sides[1])} AS n ON n._key = c.key
          WHERE c.what = '{CHANGES}')
        WHERE v.old IS DISTINCT FROM v.new"""


def _text(column: str) -> str:
    return f"CAST({column} AS VARCHAR)"


def _links(old: Plan, new: Plan, before: Overlay, after: Overlay, name: str) -> Iterator[str]:
    """A query of an entry's links that only one of the plans makes."""
    sides = []
    for plan, store in ((old, before), (new, after)):
        entry = next((each for each in plan.model.objects if each.name == name), None)
        links = range(len(entry.links)) if entry else ()
        sides.append([file for index in links for file in _files(store, "links", f"{name}.{index}")])
    if not any(sides):
        return
    named = [
        f"""SELECT DISTINCT "left" AS key, 'link to ' || right_object AS field,
        "right" || ' (' || coalesce(label, '') || ')' AS value FROM {parquet(files)}"""
        if files
        else "SELECT ''::VARCHAR AS key, ''::VARCHAR AS field, ''::VARCHAR AS value WHERE false"
        for files in sides
    ]
    yield f"""SELECT key, field, '{GOES}' AS what, value AS old, NULL::VARCHAR AS new
        FROM ({named[0]} EXCEPT {named[1]})
        UNION ALL SELECT key, field, '{COMES}', NULL, value FROM ({named[1]} EXCEPT {named[0]})"""


def _opt_outs(before: Overlay, after: Overlay) -> str:
    """A query of the addresses that only one of the plans opts out."""
    named = []
    for store in (before, after):
        files = _files(store, CONSENT, ADDRESSES)
        named.append(
            f"""SELECT DISTINCT address AS key, channel AS field, coalesce(subscription, '') AS value
            FROM {parquet(files)}"""
            if files
            else "SELECT ''::VARCHAR AS key, ''::VARCHAR AS field, ''::VARCHAR AS value WHERE false"
        )
    return f"""SELECT '{CONSENT}' AS entry, '{CONSENT}' AS object, * FROM (
        SELECT key, field, '{GOES}' AS what, value AS old, NULL::VARCHAR AS new
        FROM ({named[0]} EXCEPT {named[1]})
        UNION ALL SELECT key, field, '{COMES}', NULL, value FROM ({named[1]} EXCEPT {named[0]}))
        ORDER BY key, field, what, old, new"""


def changed_keys(workspace: Workspace, found: PlanDiff, entry: str, fields: Sequence[str]) -> str:
    """A query (key, fields) of the records of an entry of which these fields would change."""
    manifest = workspace.store.manifest(found.folder)
    files = workspace.store.files(manifest) if manifest else []
    if not files:
        return "(SELECT ''::VARCHAR AS key, []::VARCHAR[] AS fields WHERE false)"
    listed = ", ".join(text(each) for each in fields)
    return f"""(SELECT key, list(field ORDER BY field) AS fields FROM {parquet(files)}
        WHERE entry = {text(entry)} AND what = '{CHANGES}' AND field IN ({listed}) GROUP BY key)"""


def document(found: PlanDiff) -> dict[str, Any]:
    """As JSON's facts."""
    return {"old": found.old, "new": found.new, "rows": found.rows, "changes": found.changes,
            "folder": found.folder, "digest": found.digest}  # fmt: skip
