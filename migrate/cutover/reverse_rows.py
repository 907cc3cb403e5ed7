"""What did people change in the new system since, and what does that mean in the old one's fields?

Values decide: a record as it was looked at last is compared with what it is now, field by field, typed. Of a
changed field the old value is made by its inverse; where there is none, the change is listed and nothing is
written. Whatever stands otherwise in the old system than it stood when the cohort was switched is somebody's
edit there: it is a conflict, listed with both values, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from migrate.connector import ALL, KeepsConsent
from migrate.cutover.reverse_left import left
from migrate.cutover.reverse_plan import BackEntry, BackField, opted_table, shown
from migrate.cutover.reverse_side import FOREIGN, LINKS, NEW, Side
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
from migrate.plan.keys import key_prefix, split_entry
from migrate.store import Manifest
from migrate.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Field
    from migrate.connector import Held


class Rows:
    """Makes a round's rows of one entry.

    Needs the engine's table `ids`, and `going` (key) with `bounded`.

    Args:
        number: of the step; its base is the step before.
        bounded: only records of `going`, and new ones.
        consent: ask the new system whose address is opted out, too: a call for each lot of people.
        only: ids of the new system that count, whatever their home side; none: those at home there.
    """

    def __init__(
        self, side: Side, loading: Loading, number: int, *, only: Sequence[str] = (), bounded: bool = False,
        at: str = "", consent: bool = False,
    ) -> None:  # fmt: skip
        self.side, self.loading, self.number, self.only, self.at = side, loading, number, tuple(only), at
        self.bounded, self.consent = bounded, consent
        self.engine = side.workspace.engine
        self._conflicts: dict[tuple[str, str], str | None] = {}

    # -- what counts --------------------------------------------------------------------------

    def counts(self, alias: str) -> str:
        """A condition on a row of `ids`: its changes are ours to bring back."""
        if self.only:
            return f"{alias}.id IN ({', '.join(map(text, self.only))})"
        mine = f" AND ({alias}.key IS NULL OR {alias}.key IN (SELECT key FROM going))" if self.bounded else ""
        return f"{alias}.side = 'target'{mine}"

    def considered(self, object: str) -> str:
        """A query of the ids of an object that this step settles: their base moves on to now."""
        foreign = self.side.base(object, 0, FOREIGN)
        new = f"""SELECT _id FROM {self.side.look(NEW, object)}
            WHERE _id NOT IN (SELECT id FROM ids WHERE object = {text(object)})
            AND _id NOT IN (SELECT _id FROM {foreign})"""
        if self.only:
            new += " AND false"
        ours = f"SELECT id AS _id FROM ids AS i WHERE object = {text(object)} AND {self.counts('i')}"
        return f"{ours} UNION {new}"

    # -- updates and creations ----------------------------------------------------------------

    def table(self, each: BackEntry) -> None:
        """Make the engine's table `back_rows` of an entry: changed and new records, with their old values."""
        side, object = self.side, each.object
        self._link_tables(each)
        self._opted_tables(each)
        select = [
            "i.rkey AS _key", "i.old_id AS _old_id", "n._id AS _new_id", "false AS _fresh",
            *self._values(each, fresh=False),
        ]  # fmt: skip
        fresh = [
            f"{self.rkey(each, 'n._id')} AS _key", "NULL::VARCHAR AS _old_id", "n._id AS _new_id",
            "true AS _fresh", *self._values(each, fresh=True),
        ]  # fmt: skip
        now, base = side.look(NEW, object), side.base(object, self.number - 1)
        old = side.base(each.old, self.number - 1, "base-old")
        changed = " OR ".join(f"c{n}" for n in range(len(each.fields) + len(self._listed(each)))) or "false"
        self.engine.run(
            f"""CREATE OR REPLACE TABLE back_rows AS
            SELECT * FROM (SELECT {", ".join(select)} FROM {now} AS n
              JOIN ids AS i ON i.object = {text(object)} AND i.id = n._id AND i.entry = {text(each.name)}
                AND {self.counts("i")}
              LEFT JOIN {base} AS b ON b._id = n._id LEFT JOIN {old} AS o ON o._id = i.old_id)
            WHERE {changed} ORDER BY _key"""
        )
        if each.first and not self.only:
            foreign = side.base(object, 0, FOREIGN)
            anything = " OR ".join(
                f"n.{identifier(name)} IS DISTINCT FROM b.{identifier(name)}" for name in each.looked_at
            )
            self.engine.run(
                f"""INSERT INTO back_rows SELECT {", ".join(fresh)} FROM {now} AS n
                LEFT JOIN {base} AS b ON b._id = n._id
                WHERE n._id NOT IN (SELECT id FROM ids WHERE object = {text(object)})
                AND n._id NOT IN (SELECT _id FROM {foreign}) AND (b._id IS NULL OR {anything or "false"})
                ORDER BY n._id"""
            )

    @staticmethod
    def _listed(each: BackEntry) -> list[str]:
        """Fields of the new object whose changes are only listed."""
        return [one.field for one in each.stays if not one.field.startswith("links.")]

    def rkey(self, each: BackEntry, id: str) -> str:
        """SQL of the turned key of a new record, by SQL of its id."""
        prefix, suffix = key_prefix(self.side.target.family, each.name), split_entry(each.name)[1]
        return f"{text(prefix)} || {id}" + (f" || {text(suffix)}" if suffix else "")

    def _values(self, each: BackEntry, *, fresh: bool) -> Iterator[str]:
        """`v<n>`: the old value; `c<n>`: it changed; `l<n>`: it has no way back; `t<n>`: the new one as text;
        `o<n>`: as it stood in the old system."""
        new = self.side.target.objects[each.object].fields
        for number, field in enumerate(each.fields):
            yield from self._value(number, field, new, fresh=fresh)
        first = len(each.fields)
        for number, name in enumerate(self._listed(each), first):
            column = identifier(name)
            changed = f"n.{column} IS NOT NULL" if fresh else f"n.{column} IS DISTINCT FROM b.{column}"
            yield f"{changed} AS c{number}"
            yield f"{shown(new[name], f'n.{column}')} AS t{number}"
        yield (
            f"CAST(n.{identifier(each.owner)} AS VARCHAR)" if each.owner else "NULL::VARCHAR"
        ) + " AS _owner"
        yield (
            f"CAST(n.{identifier(each.title)} AS VARCHAR)" if each.title else "NULL::VARCHAR"
        ) + " AS _title"
        yield ("NULL::VARCHAR" if fresh else "o._stamp") + " AS _old_stamp"

    def _value(
        self, number: int, field: BackField, new: Mapping[str, Field], *, fresh: bool
    ) -> Iterator[str]:
        if field.link:
            there = f'(SELECT count(*) FROM now_{number} AS x WHERE x."left" = n._id)'
            value = f'(SELECT min(x."right") FROM now_{number} AS x WHERE x."left" = n._id)'
            changed = f'EXISTS (SELECT 1 FROM moved_{number} AS x WHERE x."left" = n._id)'
            lost = f"{there} > 1"
            all_ = 'string_agg(x."right", \', \' ORDER BY x."right")'
            said = f'(SELECT {all_} FROM now_{number} AS x WHERE x."left" = n._id)'
        elif field.channel:
            value = field.sql
            already = "false" if fresh else f"coalesce(o.{identifier(field.name)}, false)"
            changed, lost = f"({value}) IS NOT NULL AND NOT {already}", "false"
            said = f"CASE WHEN ({value}) IS NOT NULL THEN 'opted out' END"
        else:
            value = field.sql
            names = [identifier(name) for name in field.inputs]
            differs = [f"n.{name} IS DISTINCT FROM b.{name}" for name in names] or ["false"]
            filled = [f"n.{name} IS NOT NULL" for name in names] or ["false"]
            changed = " OR ".join(filled if fresh else differs)
            # A rule's own null is an answer; a value of its that doesn't fit is none.
            given = f"({field.raw}) IS NOT NULL" if field.raw else f"({' OR '.join(filled)})"
            lost = f"{given} AND ({value}) IS NULL"
            said = shown(new[field.inputs[0]], f"n.{names[0]}") if names else "NULL::VARCHAR"
        if field.entries:
            lost, value = f"({lost}) OR {self._never_there(field, value)}", self._reference(field, value)
        kept = "false" if fresh else field.keep
        old = "NULL" if fresh else f"o.{identifier(field.name)}"
        yield f"{value} AS v{number}"
        yield f"(({changed}) AND NOT coalesce({kept}, false)) AS c{number}"
        yield f"coalesce({lost}, false) AS l{number}"
        yield f"{said} AS t{number}"
        yield f"{old} AS o{number}"

    def _reference(self, field: BackField, id: str) -> str:
        """The turned key of the record that an id of the new system names."""
        named = ", ".join(map(text, field.entries))
        first = next(each for each in self.side.entries if each.name == field.entries[0])
        new = self.rkey(first, f"({id})")
        return (
            f"coalesce((SELECT min(r.rkey) FROM ids AS r WHERE r.id = {id} AND r.entry IN ({named})), {new})"
        )

    def _never_there(self, field: BackField, id: str) -> str:
        """A condition: an id of the new system names a record that the old one has never had and doesn't get,
        for it was there before the first switch and isn't ours."""
        named = ", ".join(map(text, field.entries))
        side = self.side
        objects = dict.fromkeys(each.object for each in side.entries if each.name in field.entries)
        foreign = " UNION ALL ".join(f"SELECT _id FROM {side.base(each, 0, FOREIGN)}" for each in objects)
        known = f"SELECT 1 FROM ids AS r WHERE r.id = {id} AND r.entry IN ({named})"
        return f"(coalesce({id} IN ({foreign}), false) AND NOT EXISTS ({known}))"

    def _opted_tables(self, each: BackEntry) -> None:
        """Whose address the new system has opted out of a channel, where a whole look was asked for."""
        for channel in sorted({field.channel for field in each.fields if field.channel}):
            table = opted_table(channel)
            self.engine.run(f"CREATE OR REPLACE TABLE {table} (id VARCHAR)")
            if not self.consent or each.address is None:
                continue
            address = f"lower(trim(CAST({identifier(each.address)} AS VARCHAR)))"
            query = f"""SELECT _id, {address} AS address FROM {self.side.look(NEW, each.object)}
                WHERE nullif({address}, '') IS NOT NULL AND _id IN ({self.considered(each.object)})"""
            with closing(self.side.forward.target()) as target:
                if not isinstance(target, KeepsConsent):
                    continue
                for batch in self.engine.stream(query, rows=LOT):
                    found = batch.to_pylist()
                    said = target.read_consent(channel, sorted({row["address"] for row in found}))
                    out = {one.address for one in said if one.out and one.subscription == ALL}
                    self.engine.put(table, [(row["_id"],) for row in found if row["address"] in out])

    def _link_tables(self, each: BackEntry) -> None:
        """`now_<n>`: the links that are a field now; `moved_<n>`: records whose links changed since."""
        folder = f"{each.object}-links"
        for number, field in enumerate(each.fields):
            if not field.link:
                continue
            where = f"right_object = {text(field.far)} AND label = {text(field.label)}"
            now = f'SELECT "left", "right" FROM {self.side.look(NEW, folder)} WHERE {where}'
            base = self.side.base(each.object, self.number - 1, LINKS)
            before = f'SELECT "left", "right" FROM {base} WHERE {where}'
            self.engine.run(f"CREATE OR REPLACE TABLE now_{number} AS {now}")
            self.engine.run(
                f"""CREATE OR REPLACE TABLE moved_{number} AS
                SELECT DISTINCT "left" FROM (({now} EXCEPT {before}) UNION ALL ({before} EXCEPT {now}))"""
            )

    # -- into artifacts -----------------------------------------------------------------------

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
            + [f"{p}{n}" for n in range(len(each.fields), len(each.fields) + len(self._listed(each)))
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
                why = "the plan keeps the old value" if one.rule is not None else one.why
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
