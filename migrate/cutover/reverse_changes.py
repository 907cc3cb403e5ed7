"""What did people change in the new system since it was looked at last?

Values decide: a record as it was looked at last is compared with what it is now, field by field, typed, in
SQL. Of a changed field the old system's value is made by its inverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from migrate.connector import ALL, KeepsConsent
from migrate.cutover.reverse_plan import BackEntry, BackField, opted_table, shown
from migrate.cutover.reverse_side import FOREIGN, LINKS, NEW, Side
from migrate.cutover.reverse_told import LOT
from migrate.engine import identifier, text
from migrate.plan.keys import key_prefix, split_entry

if TYPE_CHECKING:
    from migrate.catalog import Field


class Changes:
    """Makes the engine's tables of what changed until a step.

    Needs the engine's table `ids`, and `going` (key) with `bounded`.

    Args:
        number: of the step; its base is the step before.
        bounded: only records of `going`, and new ones.
        consent: ask the new system whose address is opted out, too: a call for each lot of people.
        only: ids of the new system that count, whatever their home side; none: those at home there.
    """

    def __init__(
        self, side: Side, number: int, *, only: Sequence[str] = (), bounded: bool = False,
        consent: bool = False,
    ) -> None:  # fmt: skip
        self.side, self.number, self.only = side, number, tuple(only)
        self.bounded, self.consent = bounded, consent
        self.engine = side.workspace.engine

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
            f"{rkey(self.side, each, 'n._id')} AS _key", "NULL::VARCHAR AS _old_id", "n._id AS _new_id",
            "true AS _fresh", *self._values(each, fresh=True),
        ]  # fmt: skip
        now, base = side.look(NEW, object), side.base(object, self.number - 1)
        old = side.base(each.old, self.number - 1, "base-old")
        changed = " OR ".join(f"c{n}" for n in range(len(each.fields) + len(listed(each)))) or "false"
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

    def _values(self, each: BackEntry, *, fresh: bool) -> Iterator[str]:
        """`v<n>`: the old value; `c<n>`: it changed; `l<n>`: it has no way back; `t<n>`: the new one as text;
        `o<n>`: as it stood in the old system."""
        new = self.side.target.objects[each.object].fields
        for number, field in enumerate(each.fields):
            yield from self._value(number, field, new, fresh=fresh)
        first = len(each.fields)
        for number, name in enumerate(listed(each), first):
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
        new = rkey(self.side, first, f"({id})")
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


def listed(each: BackEntry) -> list[str]:
    """Fields of the new object whose changes are only listed."""
    return [one.field for one in each.stays if not one.field.startswith("links.")]


def rkey(side: Side, each: BackEntry, id: str) -> str:
    """SQL of the turned key of a new record, by SQL of its id."""
    prefix, suffix = key_prefix(side.target.family, each.name), split_entry(each.name)[1]
    return f"{text(prefix)} || {id}" + (f" || {text(suffix)}" if suffix else "")
