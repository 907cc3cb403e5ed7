"""Which rows are still to be done, and how are they cut into batches?

Rows come from ready parts, whose order is fixed; what is done is known by (part, rows) from the
ledger. A batch's name follows from its content, so a resumed load finds its own work again. The
operation of a row is decided when it is cut, by the crosswalk; a batch in doubt keeps the
operation of its intent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.errors import Damaged
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading
from migrate.load.work import NONE, Item, Known, RecordWork, batch_name, digest_of, image
from migrate.plan.keys import entry_sql, itself_sql
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest, Part

if TYPE_CHECKING:
    import pyarrow as pa


class Cutter:
    """Cuts one entry's ready rows, generation by generation."""

    def __init__(self, loading: Loading, plan: ObjectPlan, *, sample: bool = False) -> None:
        """Args:
        sample: only the keys in the engine's table `sample`.
        """
        self.loading, self.plan, self.sample = loading, plan, sample
        self.fields = list(loading.catalog.objects[plan.target].fields)

    def manifests(self) -> list[Manifest]:
        """Ready generations, oldest first."""
        return self.loading.workspace.store.manifests("ready", self.plan.name)

    def in_doubt(self) -> Iterator[RecordWork]:
        """Batches of this object that a former process left open."""
        stages = {manifest.folder: manifest for manifest in self.manifests()}
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, ("load", "replay")):
            manifest = stages.get(row.stage)
            if manifest is None:
                continue
            items = {item.row: item for item in self._items(manifest, _part(manifest, row.part))}
            yield RecordWork(row, self.plan, row.operation, tuple(items[n] for n in row.rows), doubt=True)

    def pending(self, manifest: Manifest, *, tombstones: bool = False) -> Iterator[RecordWork]:
        """Batches over the rows that have none yet, in the order of the rows.

        Args:
            tombstones: only the records to delete. They go first, for a new survivor of merged records
                may bear the unique value of the one that goes.
        """
        size = self.loading.target.limits.records_of(self.plan.target)
        for part in manifest.parts:
            done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
            if len(done) >= part.rows:
                continue
            grouped: dict[str, list[Item]] = {}
            blocked = self._blocked(manifest, part) | self._outside(part, manifest)
            over = self._over(manifest, part)
            for item in self._items(manifest, part):
                if item.row in done:
                    continue
                operation = self._operation(item)
                if item.key in over and operation in ("create", "adopt"):
                    if not over[item.key]:
                        continue
                    operation = NONE  # deleted at the source before it ever got here
                elif item.key in blocked:
                    continue
                if tombstones and operation != "delete":
                    continue
                group = grouped.setdefault(operation, [])
                group.append(item)
                if len(group) >= size:
                    yield self._work(manifest, part, operation, grouped.pop(operation))
            for operation, group in grouped.items():
                yield self._work(manifest, part, operation, group)

    def replay(self, keys: Sequence[str], vanished: Collection[str] = ()) -> Iterator[RecordWork]:
        """Batches over the newest staged version of each key, whatever was done with its rows before.

        Args:
            vanished: keys whose record was to be adopted and isn't in the target any more; they are created.
        """
        open_keys = set(keys)
        size = self.loading.target.limits.records_of(self.plan.target)
        for manifest in reversed(self.manifests()):
            for part in manifest.parts:
                if not open_keys:
                    return
                grouped: dict[str, list[Item]] = {}
                over = self._over(manifest, part)
                for item in self._items(manifest, part):
                    if item.key in open_keys:
                        open_keys.discard(item.key)
                        operation = self._operation(item)
                        if item.key in over and operation in ("create", "adopt"):
                            continue  # deleted, rejected or merged since: its newest version isn't to be sent
                        if operation == "adopt" and item.key in vanished:
                            operation, item = "create", replace(item, id=None)
                        grouped.setdefault(operation, []).append(item)
                for operation, items in grouped.items():
                    for first in range(0, len(items), size):
                        yield self._work(manifest, part, operation, items[first : first + size])

    def left(self) -> int:
        """How many rows are still to be done."""
        total = 0
        for manifest in self.manifests():
            for part in manifest.parts:
                done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
                total += part.rows - len(done)
        return total

    def waiting(self, manifest: Manifest) -> Iterator[tuple[str, list[int]]]:
        """(part, rows) that are still to be done and wait for a parent. What was rejected, merged or skipped
        since has its end there, and isn't waiting."""
        for part in manifest.parts:
            done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
            if len(done) >= part.rows:
                continue
            over = self._over(manifest, part)
            rows = [item.row for item in self._items(manifest, part) if item.key not in over]
            if left := [row for row in rows if row not in done]:
                yield part.name, left

    def _over(self, manifest: Manifest, part: Part) -> dict[str, bool]:
        """Keys of a part that aren't in the newest generation's whole state; True: deleted at the source."""
        store = self.loading.workspace.store
        whole = store.manifests("full", self.plan.name)
        if not whole or whole[-1].generation <= manifest.generation:
            return {}
        later = [each for each in self.manifests() if each.generation > manifest.generation]
        gone = " UNION ALL ".join(
            f"SELECT _key FROM read_parquet({store.files(each)!r}) WHERE _deleted"
            for each in later
            if each.parts
        )
        files = store.files(whole[-1])
        live = f"SELECT _key FROM read_parquet({files!r})" if files else "SELECT ''"
        path = str(store.path(manifest, part))
        rows = self.loading.workspace.engine.rows(
            f"""SELECT _key, _key IN ({gone or "SELECT ''"}) AS dead FROM read_parquet({path!r})
            WHERE _key NOT IN ({live})"""
        )
        return {row["_key"]: bool(row["dead"]) for row in rows}

    def _blocked(self, manifest: Manifest, part: Part) -> set[str]:
        """Keys of a part whose records must wait for a parent (`missing: reject`) that isn't there yet."""
        store = self.loading.workspace.store
        found: set[str] = set()
        path = str(store.path(manifest, part))
        for index, link in enumerate(self.plan.links):
            if link.missing != "reject":
                continue
            staged = " UNION ALL ".join(
                f"""SELECT "left", "right", label, _deleted, {each.generation} AS gen
                FROM read_parquet({store.files(each)!r})"""
                for each in store.manifests("links", f"{self.plan.name}.{index}")
                if each.parts
            )
            if not staged:
                continue
            rows = self.loading.workspace.engine.rows(
                f"""SELECT DISTINCT "left" AS key FROM (
                  SELECT "left", "right", arg_max(_deleted, gen) AS gone FROM ({staged})
                  WHERE "left" IN (SELECT _key FROM read_parquet({path!r})) GROUP BY "left", "right", label)
                WHERE NOT gone AND {entry_sql('"right"')} <> '{self.plan.name}'
                AND {itself_sql('"right"')} IS NULL AND "right" NOT IN (SELECT key FROM crosswalk)"""
            )
            found.update(row["key"] for row in rows)
        return found

    def _outside(self, part: Part, manifest: Manifest) -> set[str]:
        """Keys of a part that are not in the sample, where only a sample is to be loaded."""
        if not self.sample:
            return set()
        path = str(self.loading.workspace.store.path(manifest, part))
        rows = self.loading.workspace.engine.rows(
            f"SELECT _key FROM read_parquet({path!r}) WHERE _key NOT IN (SELECT key FROM sample)"
        )
        return {row["_key"] for row in rows}

    def _work(self, manifest: Manifest, part: Part, operation: str, items: list[Item]) -> RecordWork:
        rows = tuple(item.row for item in items)
        # A replay does rows again that have a batch already; what was journalled until now tells them apart.
        again = f"@{self.loading.journal.last_seq}" if self.loading.phase == "replay" else ""
        name = batch_name(self.loading.attempt, manifest.folder, part.name, rows, operation + again)
        batch = BatchRow(
            name,
            self.loading.attempt,
            self.loading.system,
            self.loading.phase,
            manifest.folder,
            part.name,
            rows,
            self.plan.target,
            operation,
            digest_of(items),
            stamp(self.loading.clock.now()),
        )
        return RecordWork(batch, self.plan, operation, tuple(items))

    @staticmethod
    def _operation(item: Item) -> str:
        if item.values.get("_deleted") is not None:
            return "delete" if item.known else NONE
        if item.known:
            return NONE if item.version < item.known.version else "update"
        return "adopt" if item.id else "create"

    def _items(self, manifest: Manifest, part: Part) -> Iterator[Item]:
        """All rows of a part as items. A part is small (thousands of rows) by construction."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.loading.workspace.store.path(manifest, part)
        try:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != part.sha256:
                raise Damaged(str(path), "has changed while it was being loaded", "Run the load again.")
            table = pq.read_table(pa.BufferReader(content))
        except (OSError, ValueError) as error:
            raise Damaged(str(path), f"can't be read ({error})", "Run `migrate transform` again.") from error
        known = self._known(str(path))
        columns = [name for name in table.schema.names if not name.startswith("_")]
        number = 0
        for batch in table.to_batches():
            values = self.loading.target.encode(self.plan.target, batch.select(columns))
            yield from self._of_batch(batch, values, known, number)
            number += batch.num_rows

    @staticmethod
    def _of_batch(
        batch: pa.RecordBatch, values: list[dict[str, str | None]], known: dict[str, Known], first: int
    ) -> Iterator[Item]:
        keys, ids = batch.column("_key").to_pylist(), batch.column("_target_id").to_pylist()
        versions, deleted = batch.column("_version").to_pylist(), batch.column("_deleted").to_pylist()
        for index, key in enumerate(keys):
            wire = values[index]
            if deleted[index]:
                wire = {"_deleted": "true"}
            before = known.get(key)
            version = stamp(versions[index]) if versions[index] is not None else ""
            yield Item(first + index, key, version, before.id if before else ids[index], wire, before)

    def _known(self, path: str) -> dict[str, Known]:
        quoted = path.replace("'", "''")
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, target_id, origin, "after", "before", version, stamp, adopted
            FROM crosswalk
            WHERE key IN (SELECT _key FROM read_parquet('{quoted}'))"""
        )
        return {
            row["key"]: Known(
                row["target_id"],
                row["origin"],
                image(row["after"]),
                row["version"] or "",
                row["stamp"] or "",
                image(row["before"]),
                row["adopted"] or "",
            )
            for row in rows
        }


def _part(manifest: Manifest, name: str) -> Part:
    for part in manifest.parts:
        if part.name == name:
            return part
    raise Damaged(
        f"{manifest.folder}/{name}",
        "has a batch in doubt but is no longer in the manifest",
        "Restore the stage folder; the stage must not change while a load is unfinished.",
    )
