"""Which rows are still to be done, and how are they cut into batches?

Rows come from ready parts, whose order is fixed; what is done is known by (part, rows) from the
ledger. A batch's name follows from its content, so a resumed load finds its own work again. The
operation of a row is decided when it is cut, by the crosswalk; a batch in doubt keeps the
operation of its intent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from migrate.clock import stamp
from migrate.engine import text
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load import jobs
from migrate.load.context import Loading
from migrate.load.staged import Staged, part_of
from migrate.load.work import ERASED, NONE, STAYS, Item, RecordWork, batch_name, digest_of
from migrate.plan.keys import entry_sql, itself_sql
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest, Part


class Cutter:
    """Cuts one entry's ready rows, generation by generation."""

    def __init__(self, loading: Loading, plan: ObjectPlan, *, sample: bool = False) -> None:
        """Args:
        sample: only the keys in the engine's table `sample`.
        """
        self.loading, self.plan, self.sample = loading, plan, sample
        self.staged = Staged(loading, plan)

    def manifests(self) -> list[Manifest]:
        """Ready generations, oldest first."""
        return self.staged.manifests()

    def in_doubt(self) -> Iterator[RecordWork]:
        """Batches of this object that a former process left open."""
        stages = {manifest.folder: manifest for manifest in self.staged.manifests()}
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, ("load", "replay")):
            manifest = stages.get(row.stage)
            if manifest is None:
                continue
            items = {item.row: item for item in self.staged.items(manifest, part_of(manifest, row.part))}
            yield RecordWork(row, self.plan, row.operation, tuple(items[n] for n in row.rows), doubt=True)

    def pending(self, manifest: Manifest, *, tombstones: bool = False) -> Iterator[RecordWork]:
        """Batches over the rows that have none yet, in the order of the rows.

        Args:
            tombstones: only the records to delete. They go first, for a new survivor of merged records
                may bear the unique value of the one that goes.
        """
        size = self.loading.target.limits.records_of(self.plan.target)
        few = self.sample and not self.loading.scoped
        many = None if few else jobs.limits(self.loading, self.plan.target, manifest.rows)
        for part in manifest.parts:
            done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
            if len(done) >= part.rows:
                continue
            grouped: dict[str, list[Item]] = {}
            weight = 0
            blocked = self._blocked(manifest, part) | self._outside(part, manifest)
            over, stays = self.staged.over(manifest, part), self._stays(manifest, part)
            for item in self.staged.items(manifest, part):
                if item.row in done:
                    continue
                operation = STAYS if item.key in stays else self._operation(item)
                if operation == STAYS:
                    if tombstones:
                        continue
                elif item.key in over and operation in ("create", "adopt"):
                    if not over[item.key]:
                        continue
                    operation = NONE  # deleted at the source before it ever got here
                elif item.key in blocked or (item.waits and operation != NONE):
                    continue
                if tombstones and operation != "delete":
                    continue
                group = grouped.setdefault(operation, [])
                group.append(item)
                if operation == "create" and many is not None:
                    weight += sum(len(value or "") for value in item.values.values())
                    if len(group) >= many.records or weight >= many.characters:
                        yield self._job(manifest, part, grouped.pop(operation))
                        weight = 0
                elif len(group) >= size:
                    yield self._work(manifest, part, operation, grouped.pop(operation))
            for operation, group in grouped.items():
                if operation == "create" and many is not None and len(group) >= many.least:
                    yield self._job(manifest, part, group)
                    continue
                for first in range(0, len(group), size):
                    yield self._work(manifest, part, operation, group[first : first + size])

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
                over, stays = self.staged.over(manifest, part), self._stays(manifest, part)
                for item in self.staged.items(manifest, part):
                    if item.key in open_keys:
                        open_keys.discard(item.key)
                        operation = STAYS if item.key in stays else self._operation(item)
                        if item.key in over and operation in ("create", "adopt"):
                            continue  # deleted, rejected or merged since: its newest version isn't to be sent
                        if item.waits and operation not in (NONE, STAYS):
                            continue  # its parent is gone; the next load tells it as blocked
                        if operation == "adopt" and item.key in vanished:
                            operation, item = "create", replace(item, id=None)
                        grouped.setdefault(operation, []).append(item)
                for operation, items in grouped.items():
                    for first in range(0, len(items), size):
                        yield self._work(manifest, part, operation, items[first : first + size])

    def left(self) -> int:
        """How many rows are still to be done."""
        total = 0
        for manifest in self.staged.manifests():
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
            over = ", ".join(map(text, self.staged.over(manifest, part)))
            rows = self.loading.workspace.engine.rows(
                f"""SELECT file_row_number AS row
                FROM read_parquet({text(self.staged.path(manifest, part))}, file_row_number=true)
                {f"WHERE _key NOT IN ({over})" if over else ""} ORDER BY row"""
            )
            if left := [row["row"] for row in rows if row["row"] not in done]:
                yield part.name, left

    def parents(self, within: str = "") -> Iterator[tuple[str, str]]:
        """Links whose record must wait for its parent (`missing: reject`): the plan's word for the link, and
        a query (key, parent) of the records whose parent isn't there yet.

        Args:
            within: a query of keys, where only their records matter.
        """
        store = self.loading.workspace.store
        for index, link in enumerate(self.plan.links):
            staged = " UNION ALL ".join(
                f"""SELECT "left", "right", label, _deleted, {each.generation} AS gen
                FROM read_parquet({store.files(each)!r})"""
                for each in store.manifests("links", f"{self.plan.name}.{index}")
                if each.parts
            )
            if link.missing != "reject" or not staged:
                continue
            yield (
                str(link.via or link.through),
                f"""SELECT DISTINCT "left" AS key, "right" AS parent FROM (
                  SELECT "left", "right", arg_max(_deleted, gen) AS gone FROM ({staged})
                  {f'WHERE "left" IN ({within})' if within else ""} GROUP BY "left", "right", label)
                WHERE NOT gone AND {entry_sql('"right"')} <> {text(self.plan.name)}
                AND {itself_sql('"right"')} IS NULL AND "right" NOT IN (SELECT key FROM crosswalk)""",
            )

    def _blocked(self, manifest: Manifest, part: Part) -> set[str]:
        """Keys of a part whose records must wait for a parent that isn't there yet."""
        within = f"SELECT _key FROM read_parquet({text(self.staged.path(manifest, part))})"
        engine = self.loading.workspace.engine
        return {row["key"] for _, query in self.parents(within) for row in engine.rows(query)}

    def _stays(self, manifest: Manifest, part: Part) -> set[str]:
        """Keys of a part whose record is at home in the target."""
        away = self.loading.away
        if away is None:
            return set()
        path = text(self.staged.path(manifest, part))
        rows = self.loading.workspace.engine.rows(
            f"SELECT _key FROM read_parquet({path}) WHERE {away.condition('_key')}"
        )
        return {row["_key"] for row in rows}

    def _outside(self, part: Part, manifest: Manifest) -> set[str]:
        """Keys of a part that are not in the sample, where only a sample is to be loaded."""
        if not self.sample:
            return set()
        path = text(self.staged.path(manifest, part))
        rows = self.loading.workspace.engine.rows(
            f"SELECT _key FROM read_parquet({path}) WHERE _key NOT IN (SELECT key FROM sample)"
        )
        return {row["_key"] for row in rows}

    def _work(self, manifest: Manifest, part: Part, operation: str, items: list[Item]) -> RecordWork:
        return cut(self.loading, self.plan, manifest.folder, part.name, operation, items)

    def _job(self, manifest: Manifest, part: Part, items: list[Item]) -> RecordWork:
        return replace(self._work(manifest, part, "create", items), by_job=True)

    @staticmethod
    def _operation(item: Item) -> str:
        if item.values.get("_deleted") is not None:
            return "delete" if item.known and item.version != ERASED else NONE
        if item.known:
            return NONE if item.version < item.known.version else "update"
        return "adopt" if item.id else "create"


def cut(
    loading: Loading, plan: ObjectPlan, stage: str, part: str, operation: str, items: Sequence[Item],
    *, again: bool = False,
) -> RecordWork:  # fmt: skip
    """A batch of these rows of a part.

    Args:
        again: the rows may have had a batch already, as in a replay.
    """
    rows = tuple(item.row for item in items)
    # What was journalled until now tells batches of the same rows apart.
    mark = f"@{loading.journal.last_seq}" if again or loading.phase == "replay" else ""
    name = batch_name(loading.attempt, stage, part, rows, operation + mark)
    batch = BatchRow(
        name, loading.attempt, loading.system, loading.phase, stage, part, rows, plan.target, operation,
        digest_of(items), stamp(loading.clock.now()),
    )  # fmt: skip
    return RecordWork(batch, plan, operation, tuple(items))
