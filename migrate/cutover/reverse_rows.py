"""What does that which people changed in the new system mean in the old one's fields?

Where a changed field has no inverse, the change is listed and nothing is written. Whatever stands otherwise
in the old system than it stood when the cohort was switched is somebody's edit there: it is a conflict,
listed with both values, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate.cutover.reverse_changes import Changes, listed
from migrate.cutover.reverse_left import left
from migrate.cutover.reverse_plan import BackEntry, BackField
from migrate.cutover.reverse_side import Side
from migrate.cutover.reverse_told import (
    CHANGES,
    CONFLICT,
    CREATE,
    DELIVER,
    GONE,
    LOST,
    LOT,
    PART,
    REF,
    STAYS,
    Told,
)
from migrate.engine import identifier, text
from migrate.held import held
from migrate.journal import Entry
from migrate.load import Loading
from migrate.load.staged import FIELDS
from migrate.store import Manifest
from migrate.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.connector import Held


class Rows:
    """Makes a round's rows of one entry, of what `changes` found.

    Args:
        at: when the new system was looked at.
    """

    def __init__(self, changes: Changes, loading: Loading, *, at: str = "") -> None:
        self.changes, self.loading, self.at = changes, loading, at
        self.side, self.number = changes.side, changes.number
        self.engine = self.side.workspace.engine
        self._conflicts: dict[tuple[str, str], str | None] = {}

    def schema(self, each: BackEntry) -> pa.Schema:
        """The columns of the ready rows."""
        import pyarrow as pa

        old = self.side.source.objects[each.old].fields
        columns: list[tuple[str, Any]] = [
            ("_key", pa.string()), ("_source_id", pa.string()), ("_version", pa.timestamp("us", tz="UTC")),
            ("_target_id", pa.string()), ("_deleted", pa.bool_()), ("_hash", pa.string()),
            (FIELDS, pa.list_(pa.string())), (each.key_field, pa.string()),
        ]  # fmt: skip
        columns += [
            (f.name, pa.string() if f.entries else arrow_type(old[f.name].kind, old[f.name].precision,
                                                             old[f.name].scale))
            for f in each.fields
        ]  # fmt: skip
        return pa.schema(columns)

    def ready(self, each: BackEntry) -> Iterator[tuple[pa.Table, list[Told], list[Entry]]]:
        """The entry's rows, some at a time: what is to be written, everything that was found, and what the
        way back's journal must know of the old records first."""
        query = "SELECT * FROM back_rows ORDER BY _key"
        known = left(self.side, "SELECT _key FROM back_rows")
        self._conflicts = self._disputed()
        for batch in self.engine.stream(query, rows=LOT):
            yield self._lot(each, batch, known)

    def _disputed(self) -> dict[tuple[str, str], str | None]:
        """Conflicts of the steps before, by turned key and field: what stood in the old system then."""
        rows: list[dict[str, Any]] = []
        for manifest in self.side.store.manifests(CHANGES, "all"):
            if manifest.generation < self.number and manifest.parts:
                rows += self.engine.rows(
                    f"""SELECT rkey, field, old_value FROM read_parquet({self.side.store.files(manifest)!r})
                    WHERE fate = {text(CONFLICT)} AND rkey IN (SELECT _key FROM back_rows)"""
                )
        return {(row["rkey"], row["field"]): row["old_value"] for row in rows}

    def _lot(
        self, each: BackEntry, batch: pa.RecordBatch, known: dict[str, dict[str, Any]]
    ) -> tuple[pa.Table, list[Told], list[Entry]]:
        import pyarrow as pa

        target, old = self.loading.target, self.side.source.objects[each.old].fields
        plain = [(n, f) for n, f in enumerate(each.fields) if not f.entries]

        def encoded(prefix: str) -> list[dict[str, str | None]]:
            columns = [batch.column(f"{prefix}{n}") for n, _ in plain]
            types = [arrow_type(old[f.name].kind, old[f.name].precision, old[f.name].scale) for _, f in plain]
            arrays = [column.cast(kind) for column, kind in zip(columns, types, strict=True)]
            if not arrays:
                return [{} for _ in range(batch.num_rows)]
            return target.encode(each.old, pa.RecordBatch.from_arrays(arrays, [f.name for _, f in plain]))

        new_wires, old_wires = encoded("v"), encoded("o")
        rows = batch.select(
            ["_key", "_old_id", "_new_id", "_fresh", "_owner", "_title", "_old_stamp"]
            + [f"{p}{n}" for n in range(len(each.fields)) for p in ("c", "l", "t")]
            + [f"{p}{n}" for n, f in enumerate(each.fields) if f.entries for p in ("o", "v")]
            + [f"{p}{n}" for n in range(len(each.fields), len(each.fields) + len(listed(each)))
               for p in ("c", "t")]
        ).to_pylist()  # fmt: skip
        names = [each.key_field, *(f.name for f in each.fields)]
        asked = [row["_old_id"] for row in rows if row["_old_id"] is not None]
        there = {r.asked: r for r in target.read_back(each.old, names, ids=asked)} if asked else {}
        wanted: list[list[str] | None] = []
        told: list[Told] = []
        seeds: list[Entry] = []
        for index, row in enumerate(rows):
            told += self._only_listed(each, row)
            if row["_fresh"]:
                told += [self._told(each, row, f, None, row[f"t{n}"], LOST, _lost(f))
                         for n, f in enumerate(each.fields) if row[f"l{n}"]]  # fmt: skip
                told.append(self._told(each, row, None, None, None, CREATE))
                told += [self._told(each, row, f, None, row[f"t{n}"], PART)
                         for n, f in enumerate(each.fields) if row[f"c{n}"] and not row[f"l{n}"]]  # fmt: skip
                wanted.append(None)
                continue
            record = there.get(row["_old_id"])
            if record is None or record.id != row["_old_id"]:
                why = (
                    "it was deleted in the old system"
                    if record is None
                    else f"it was merged into {record.id} there"
                )
                told += [self._told(each, row, f, None, row[f"t{n}"], GONE, why)
                         for n, f in enumerate(each.fields) if row[f"c{n}"]]  # fmt: skip
                wanted.append([])
                continue
            fields, found = self._fields(
                each, row, record, old_wires[index], new_wires[index], known.get(row["_key"])
            )
            told += found
            wanted.append(fields)
            if fields:
                seeds.append(self._seed(each, row["_key"], record, names))
        return self._table(each, batch, wanted), told, seeds

    def _fields(
        self, each: BackEntry, row: dict[str, Any], record: Held, before: dict[str, str | None],
        wires: dict[str, str | None], known: dict[str, Any] | None,
    ) -> tuple[list[str], list[Told]]:  # fmt: skip
        """The fields of a record to be written, and every change that was found."""
        fields, told = [], []
        still = record.stamp != "" and record.stamp == row["_old_stamp"]
        rules = self.side.source.objects[each.old].fields
        for number, field in enumerate(each.fields):
            if not row[f"c{number}"]:
                continue
            now, becomes = record.values.get(field.name), row[f"t{number}"]
            if row[f"l{number}"]:
                told.append(self._told(each, row, field, now, becomes, LOST, _lost(field)))
                continue
            if known is not None and field.name in known:
                same = known[field.name] == now
            else:
                was = row[f"o{number}"] if field.entries else before.get(field.name)
                same = still or now == was or now == held(rules[field.name].held, was)
            former = (row["_key"], field.name)
            same = same and not (former in self._conflicts and self._conflicts[former] == now)
            if not field.entries and now == held(rules[field.name].held, wires.get(field.name)):
                continue  # it stands there already
            if same:
                fields.append(field.name)
                wire = wires.get(field.name)
                if field.entries:
                    wire = None if row[f"v{number}"] is None else f"{REF}{row[f'v{number}']}"
                told.append(self._told(each, row, field, now, becomes, DELIVER, wire=wire))
            else:
                why = "somebody changed it in the old system since the switch"
                told.append(self._told(each, row, field, now, becomes, CONFLICT, why))
        return fields, told

    def _only_listed(self, each: BackEntry, row: dict[str, Any]) -> Iterator[Told]:
        stays = [one for one in each.stays if not one.field.startswith("links.")]
        for number, one in enumerate(stays, len(each.fields)):
            if row[f"c{number}"]:
                why = "the plan keeps the old value" if one.rule and one.rule.keep else one.why
                yield Told(
                    row["_key"], each.name, each.object, row["_new_id"], each.old, row["_old_id"],
                    row["_owner"], row["_title"], one.old or one.field, None, row[f"t{number}"], STAYS, why,
                )  # fmt: skip

    def _told(
        self, each: BackEntry, row: dict[str, Any], field: BackField | None, old: str | None,
        new: str | None, fate: str, why: str = "", *, wire: str | None = None,
    ) -> Told:  # fmt: skip
        return Told(
            row["_key"], each.name, each.object, row["_new_id"], each.old, row["_old_id"], row["_owner"],
            row["_title"], field.name if field is not None else "", old, new, fate, why, wire,
        )  # fmt: skip

    def _seed(self, each: BackEntry, key: str, record: Held, names: Sequence[str]) -> Entry:
        """What the journal must know of an old record before we write to it: that it is ours to change, and
        how it stands."""
        image = {name: record.values.get(name) for name in names}
        return Entry(
            self.loading.attempt, f"seed-{self.number}", self.loading.system, each.old, "record", key,
            "adopt", "done", record.id, before=image, after=image, stamp=record.stamp,
            reason="known since it came over",
        )  # fmt: skip

    def _table(self, each: BackEntry, batch: pa.RecordBatch, wanted: list[list[str] | None]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        schema = self.schema(each)
        count = batch.num_rows
        columns: list[Any] = [
            batch.column("_key"), batch.column("_new_id"),
            pa.array([self.at] * count, pa.string()).cast(pa.timestamp("us", tz="UTC")),
            pa.nulls(count, pa.string()), pa.array([False] * count), pa.nulls(count, pa.string()),
            pa.array(wanted, pa.list_(pa.string())), batch.column("_key"),
        ]  # fmt: skip
        for number, field in enumerate(each.fields):
            value, lost = batch.column(f"v{number}"), batch.column(f"l{number}")
            empty = pa.nulls(count, value.type)
            columns.append(pc.if_else(lost, empty, value).cast(schema.field(field.name).type))
        table = pa.Table.from_arrays(columns, schema=schema)
        return table.filter(pa.array([names is None or bool(names) for names in wanted]))


def _lost(field: BackField) -> str:
    if field.link:
        return "the old field holds one record of the old system: here there are several, or another"
    if field.entries:
        return "the record that it refers to was never in the old system"
    why = field.inverse.why
    return f"this value has no way back{f': {why}' if why else ''}"


def references(side: Side, ready: Sequence[Manifest]) -> str:
    """A query of the turned keys to which ready rows lead, and that the way back's journal doesn't know."""
    selects = []
    for manifest in ready:
        each = next(one for one in side.entries if one.name == manifest.object)
        files = side.store.files(manifest)
        if files:
            selects += [
                f"SELECT DISTINCT {identifier(f.name)} AS rkey FROM read_parquet({files!r})"
                for f in each.fields
                if f.entries
            ]
    return " UNION ".join(selects) or "SELECT NULL::VARCHAR AS rkey WHERE false"
