"""What do the rows of a ready part ask for, and what does the crosswalk know of them?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate.catalog import says_yes, takes_back_no
from migrate.clock import stamp
from migrate.engine import text
from migrate.errors import Damaged
from migrate.load.references import Resolved, leads_of, resolve
from migrate.load.work import Item, Known, image
from migrate.plan.models import ObjectPlan
from migrate.rewriting import rewritten_fields
from migrate.store import Manifest, Part

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.load.context import Loading


SLICE = 500  # rows whose values are in memory as Python's own
FIELDS = "_fields"  # column that a part may have: the fields of each row that are to be written; null: all
OPT_OUT = "its opt-out"  # what a record waits for whose address the target wouldn't opt out


class Staged:
    """Reads one entry's ready parts. Needs the engine's table `crosswalk`."""

    def __init__(self, loading: Loading, plan: ObjectPlan) -> None:
        self.loading, self.plan = loading, plan
        self.leads = leads_of(plan, loading.later.get(plan.name, ()))
        schema = loading.catalog.objects[plan.target].fields
        self.consent = {name: field for name, field in schema.items() if field.consent is not None}
        self.texts = rewritten_fields(plan) if loading.addresses else []

    def manifests(self) -> list[Manifest]:
        """Ready generations, oldest first."""
        return self.loading.workspace.store.manifests("ready", self.plan.name)

    def path(self, manifest: Manifest, part: Part) -> str:
        """The file of a part."""
        return str(self.loading.workspace.store.path(manifest, part))

    def items(self, manifest: Manifest, part: Part) -> Iterator[Item]:
        """All rows of a part as items. A part is small (thousands of rows) by construction.

        Raises:
            Damaged: the part isn't what its manifest says.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path(manifest, part)
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a path of the store, as the engine takes it
                content = file.read()
            if hashlib.sha256(content).hexdigest() != part.sha256:
                raise Damaged(path, "has changed while it was being loaded", "Run the load again.")
            table = pq.read_table(pa.BufferReader(content))
            del content  # a generator keeps what it has
        except (OSError, ValueError) as error:
            raise Damaged(path, f"can't be read ({error})", "Run `migrate transform` again.") from error
        known, withheld = self._known(path), self._withheld(path)
        resolved = resolve(
            self.loading, path, [lead for lead in self.leads if lead.name in table.schema.names]
        )
        for name, values in resolved.values.items():
            table = table.set_column(table.schema.get_field_index(name), name, values)
        for name in self.texts:
            if name in table.schema.names:
                place = table.schema.get_field_index(name)
                table = table.set_column(place, name, self._rewritten(name, table))
        columns = [name for name in table.schema.names if not name.startswith("_")]
        number = 0
        for batch in table.to_batches(max_chunksize=SLICE):
            values = self.loading.target.encode(self.plan.target, batch.select(columns))
            yield from self._of_batch(batch, values, known, withheld, resolved, number)
            number += batch.num_rows

    def _rewritten(self, name: str, table: pa.Table) -> pa.Array:
        """A column of texts with the addresses that are known by now in the places of old ones."""
        import pyarrow as pa
        import pyarrow.compute as pc

        addresses, field = self.loading.addresses, self.loading.catalog.objects[self.plan.target].fields[name]
        assert addresses is not None  # noqa: S101 - else there are no such columns
        column = table[name].combine_chunks()
        pattern = addresses.pattern(self.plan, name)
        mask = pc.fill_null(pc.match_substring_regex(column, pattern=pattern), False)
        texts = column.filter(mask).to_pylist()
        if not texts:
            return column
        keys = table["_key"].combine_chunks().filter(mask).to_pylist()
        found = [addresses.find(each, self.plan, name, key) for each, key in zip(texts, keys, strict=True)]
        urls = addresses.of(old for olds in found for old in olds)
        made = [addresses.rewritten(each, olds, field, urls) for each, olds in zip(texts, found, strict=True)]
        return pc.replace_with_mask(column, mask, pa.array(made, column.type))

    def _of_batch(
        self,
        batch: pa.RecordBatch,
        values: list[dict[str, str | None]],
        crosswalk: dict[str, dict[str, Any]],
        withheld: set[str],
        resolved: Resolved,
        first: int,
    ) -> Iterator[Item]:
        keys, ids = batch.column("_key").to_pylist(), batch.column("_target_id").to_pylist()
        versions, deleted = batch.column("_version").to_pylist(), batch.column("_deleted").to_pylist()
        bounded = FIELDS in batch.schema.names
        only: list[Any] = batch.column(FIELDS).to_pylist() if bounded else [None] * len(keys)
        known = self._with_images([crosswalk[key] for key in keys if key in crosswalk])
        for index, key in enumerate(keys):
            wire, waits = values[index], []
            if only[index] is not None:
                wire = {name: wire[name] for name in only[index] if name in wire}
            for lead in self.leads:
                if lead.name not in wire or first + index not in resolved.absent.get(lead.name, ()):
                    continue
                if not lead.later:
                    waits.append(lead.name)
                elif wire[lead.name] is None:
                    del wire[lead.name]  # what is known of it comes in the second pass; it isn't emptied
            before = known.get(key)
            if before is None and key in withheld:
                waits.append(OPT_OUT)
            if deleted[index]:
                wire, waits = {"_deleted": "true"}, []
            wire = self._guarded(wire, fresh=before is None and not ids[index])
            version = stamp(versions[index]) if versions[index] is not None else ""
            id = before.id if before else ids[index]
            yield Item(first + index, key, version, id, wire, before, tuple(waits))

    def _guarded(self, wire: dict[str, str | None], *, fresh: bool) -> dict[str, str | None]:
        """The values without those that could opt somebody in, whatever the plan's expressions say.

        Args:
            fresh: a new record is made, in which no no can stand yet.
        """
        if not self.consent:
            return wire
        withheld = says_yes if fresh else takes_back_no
        return {
            name: value
            for name, value in wire.items()
            if name not in self.consent or not withheld(self.consent[name], value)
        }

    def _withheld(self, path: str) -> set[str]:
        """Keys of a part whose opt-out isn't in the target: nobody is made who could be written to."""
        if not self.loading.withheld:
            return set()
        rows = self.loading.workspace.engine.rows(
            f"""SELECT _key FROM read_parquet({path!r})
            WHERE split_part(_key, '~', 1) IN (SELECT key FROM {self.loading.withheld})"""
        )
        return {row["_key"] for row in rows}

    def images(self, path: str) -> str:
        """A table expression of `seq` and `after`: how we left the records of a part, by the `told_seq` of
        the crosswalk."""
        engine = self.loading.workspace.engine
        told = engine.rows(
            f"""SELECT told_seq FROM crosswalk
            WHERE told_seq IS NOT NULL AND key IN (SELECT _key FROM read_parquet({text(path)}))"""
        )
        return self._told([row["told_seq"] for row in told])

    def _told(self, seqs: Sequence[int]) -> str:
        journal = self.loading.journal.source(seqs)
        return f"""(SELECT seq, "after" FROM {journal} WHERE kind = 'record' AND outcome = 'done')"""

    def _known(self, path: str) -> dict[str, dict[str, Any]]:
        """What the crosswalk says of the keys of a part, but for the after-images."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, target_id, origin, told_seq, "before", version, stamp, adopted
            FROM crosswalk WHERE key IN (SELECT _key FROM read_parquet({text(path)}))"""
        )
        return {row["key"]: row for row in rows}

    def _with_images(self, rows: Sequence[dict[str, Any]]) -> dict[str, Known]:
        """The same of some keys, whole."""
        seqs = [row["told_seq"] for row in rows if row["told_seq"] is not None]
        after: dict[int, Any] = {}
        if seqs:
            listed = ", ".join(map(str, seqs))
            query = f"SELECT * FROM {self._told(seqs)} WHERE seq IN ({listed})"
            after = {row["seq"]: row["after"] for row in self.loading.workspace.engine.rows(query)}
        return {
            row["key"]: Known(
                row["target_id"],
                row["origin"],
                image(after.get(row["told_seq"])),
                row["version"] or "",
                row["stamp"] or "",
                image(row["before"]),
                row["adopted"] or "",
            )
            for row in rows
        }

    def over(self, manifest: Manifest, part: Part) -> dict[str, bool]:
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
        rows = self.loading.workspace.engine.rows(
            f"""SELECT _key, _key IN ({gone or "SELECT ''"}) AS dead
            FROM read_parquet({self.path(manifest, part)!r}) WHERE _key NOT IN ({live})"""
        )
        return {row["_key"]: bool(row["dead"]) for row in rows}


def part_of(manifest: Manifest, name: str) -> Part:
    """The part of this name.

    Raises:
        Damaged: a batch in doubt was cut from it, and it isn't there any more.
    """
    for part in manifest.parts:
        if part.name == name:
            return part
    raise Damaged(
        f"{manifest.folder}/{name}",
        "has a batch in doubt but is no longer in the manifest",
        "Restore the stage folder; the stage must not change while a load is unfinished.",
    )
