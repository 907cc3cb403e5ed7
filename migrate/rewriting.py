"""Which new address takes the place of an old one? That of the record which the old one's record became.

What is in the target is handed in as a query, so that a load can ask the journal and a validation the target
itself. A record that was merged leads to its survivor; of a record with several parts it is the part that
stands first in the plan. A file has an address of its own, read from the target; any other record has its
page, as the catalog's pattern tells.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate.catalog import Catalog, Field
from migrate.engine import Engine, text
from migrate.oldlinks import Old, OldLinks
from migrate.plan.keys import entry_sql, key_of, key_prefix
from migrate.plan.models import ObjectPlan

if TYPE_CHECKING:
    import pyarrow as pa

# Reads a field of records of the target: (object, field, ids) to values by id.
Reads = Callable[[str, str, Sequence[str]], Mapping[str, str | None]]
Ids = tuple[tuple[str, str], ...]


@dataclass
class Addresses:
    """New addresses of the source's records, asked for in lots.

    `moved`: a query (key, object, id) of the records that are in the target. `merged`: a query (key,
    survivor) of those that became another one.
    """

    engine: Engine
    plans: Sequence[ObjectPlan]
    source: Catalog
    target: Catalog
    moved: str
    merged: str
    read: Reads
    links: OldLinks = field(init=False)

    def __post_init__(self) -> None:
        self.links = OldLinks(self.source)

    def of(self, found: Iterable[Old]) -> dict[Ids, str]:
        """The new addresses of old ones, by the records that they may mean; absent where there is none."""
        wanted = list(dict.fromkeys(old.ids for old in found if old.ids))
        rows = [row for ids in wanted for row in self._candidates(ids)]
        if not rows:
            return {}
        best = self._records(rows)
        urls = self._urls(dict.fromkeys(best.values()))
        return {ids: urls[record] for ids in wanted if (record := best.get(ids)) and record in urls}

    def rewritten(self, value: str, field: Field, urls: Mapping[Ids, str]) -> str:
        """A text of a field with its new addresses; as it was where it would be too long for the target."""

        def new(old: Old) -> str | None:
            url = urls.get(old.ids) if old.ids else None
            return html.escape(url, quote=True) if url and field.html else url

        made = self.links.replaced(value, new)
        return value if field.length and len(made) > field.length else made

    def _candidates(self, ids: Ids) -> list[tuple[Ids, int, str, str]]:
        """(ids, place in the plan, entry, key or how it begins) of every record that may be meant."""
        found = []
        for object, id in ids:
            short = self.source.objects[object].short_id == len(id)
            for place, each in enumerate(self.plans):
                if each.source == object:
                    family = self.source.family
                    key = f"{key_prefix(family, each.name)}{id}" if short else key_of(family, each.name, id)
                    found.append((ids, place, f"{each.name}{'…' if short else ''}", key))
        return found

    def _records(self, rows: Sequence[tuple[Ids, int, str, str]]) -> dict[Ids, tuple[str, str]]:
        """(object, id) in the target, by what was asked for."""
        import pyarrow as pa

        numbers = {ids: number for number, ids in enumerate(dict.fromkeys(row[0] for row in rows))}
        asked: pa.Table = pa.table(
            {
                "number": pa.array([numbers[row[0]] for row in rows], pa.int64()),
                "place": pa.array([row[1] for row in rows], pa.int64()),
                "entry": pa.array([row[2].rstrip("…") for row in rows], pa.string()),
                "short": pa.array([row[2].endswith("…") for row in rows], pa.bool_()),
                "key": pa.array([row[3] for row in rows], pa.string()),
            }
        )
        lengths = sorted({len(row[3]) for row in rows if row[2].endswith("…")})
        with self.engine.cursor() as cursor:
            cursor.register("asked_now", asked)
            cursor.execute("CREATE OR REPLACE TABLE asked AS SELECT * FROM asked_now")
            cursor.unregister("asked_now")
        both = "SELECT a.*, m.object, m.id FROM asked AS a JOIN there AS m ON"
        same = [f"{both} m.key = a.key WHERE NOT a.short"]
        same += [
            f"""{both} substr(m.key, 1, {n}) = a.key
            WHERE a.short AND length(a.key) = {n} AND {entry_sql("m.key")} = a.entry"""
            for n in lengths
        ]
        found = self.engine.rows(
            f"""WITH moved AS ({self.moved}), there AS (
              SELECT key, object, id FROM moved UNION ALL
              SELECT g.key, m.object, m.id FROM ({self.merged}) AS g JOIN moved AS m ON m.key = g.survivor)
            SELECT number, arg_min(object, (place, id)) AS object, arg_min(id, (place, id)) AS id
            FROM ({" UNION ALL ".join(same)}) GROUP BY number"""
        )
        by_number = {number: ids for ids, number in numbers.items()}
        return {by_number[row["number"]]: (row["object"], row["id"]) for row in found}

    def _urls(self, records: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The address of each record of the target that has one."""
        found: dict[tuple[str, str], str] = {}
        read: dict[str, list[str]] = {}
        for object, id in records:
            schema = self.target.objects.get(object)
            if schema is not None and schema.url_field:
                read.setdefault(object, []).append(id)
            elif schema is not None and schema.url:
                found[object, id] = schema.url.replace("{id}", id)
        for object, ids in read.items():
            name = str(self.target.objects[object].url_field)
            for id, url in self.read(object, name, ids).items():
                if url:
                    found[object, id] = url
        return found


def rewritten_fields(plan: ObjectPlan) -> list[str]:
    """The target fields of an entry in whose texts old addresses become new ones."""
    return [name for name, each in plan.fields.items() if each.rewrite is not None]


def condition(links: OldLinks, column: str) -> str:
    """A condition of the engine: the text may hold an old address."""
    return f"regexp_matches({column}, {text(links.pattern)})"
