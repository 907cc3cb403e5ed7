"""Which new address takes the place of an old one? That of the record which the old one's record became.

What is in the target is handed in as a query, so that a load can ask the journal and a validation the target
itself. A record that was merged leads to its survivor; of a record with several parts it is the part that
stands first in the plan. A file has an address of its own, read from the target or told by the catalog; any
other record has its page, as the catalog's pattern tells.

An image within a message is looked for among the files that hang on the text's own record: by Content-ID
where the source keeps it, else by the name with which its Content-ID begins. Two files of that name are none.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate.catalog import Catalog, Field
from migrate.engine import Engine, text
from migrate.oldlinks import CID, INLINE, Old, OldLinks
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
    survivor) of those that became another one. `images`: a query (field, parent, cid, name, key) of the files
    that may stand within a text: `field` names the text's field (`inline_name`), `parent` is its record.
    """

    engine: Engine
    plans: Sequence[ObjectPlan]
    source: Catalog
    target: Catalog
    moved: str
    merged: str
    read: Reads
    images: str = "SELECT NULL AS field, NULL AS parent, NULL AS cid, NULL AS name, NULL AS key WHERE false"
    links: OldLinks = field(init=False)

    def __post_init__(self) -> None:
        self.links = OldLinks(self.source)
        self._one = threading.RLock()  # what is asked for lies in tables that all threads see
        self._inline = {
            inline_name(each, name)
            for each in self.plans
            for name in rewritten_fields(each)
            if each.fields[name].inline
        }

    def find(self, value: str, plan: ObjectPlan, name: str, key: str) -> list[Old]:
        """The old addresses of a text: that of a record's field."""
        of = inline_name(plan, name)
        return list(self.links.inline(value, f"{of} {key}") if of in self._inline else self.links.find(value))

    def pattern(self, plan: ObjectPlan, name: str) -> str:
        """A regular expression: what such a text holds that is worth a look."""
        return (
            f"{self.links.pattern}|{INLINE}"
            if inline_name(plan, name) in self._inline
            else self.links.pattern
        )

    def condition(self, plan: ObjectPlan, name: str, column: str) -> str:
        """A condition of the engine: the text may hold an old address."""
        return f"regexp_matches({column}, {text(self.pattern(plan, name))})"

    def of(self, found: Iterable[Old]) -> dict[Ids, str]:
        """The new addresses of old ones, by the records that they may mean; absent where there is none."""
        wanted = list(dict.fromkeys(old.ids for old in found if old.ids))
        rows = [row for ids in wanted for row in self._candidates(ids)]
        with self._one:
            rows += [(ids, 0, "", key) for ids, key in self._files(wanted).items()]
            if not rows:
                return {}
            best = self._records(rows)
            urls = self._urls(dict.fromkeys(best.values()))
        return {ids: urls[record] for ids in wanted if (record := best.get(ids)) and record in urls}

    def known_files(self, found: Iterable[Old]) -> set[Ids]:
        """Of images within texts those whose file the source has."""
        with self._one:
            return set(self._files(list(dict.fromkeys(old.ids for old in found if old.ids))))

    def rewritten(self, value: str, olds: Iterable[Old], field: Field, urls: Mapping[Ids, str]) -> str:
        """A text of a field with its new addresses; as it was where it would be too long for the target."""

        def new(old: Old) -> str | None:
            url = urls.get(old.ids) if old.ids else None
            return html.escape(url, quote=True) if url and field.html else url

        made = self.links.replaced(value, olds, new)
        return value if field.length and len(made) > field.length else made

    def _candidates(self, ids: Ids) -> list[tuple[Ids, int, str, str]]:
        """(ids, place in the plan, entry, key or how it begins) of every record that may be meant."""
        found = []
        for object, id in ids:
            if object == CID:
                continue
            short = self.source.objects[object].short_id == len(id)
            for place, each in enumerate(self.plans):
                if each.source == object:
                    family = self.source.family
                    key = f"{key_prefix(family, each.name)}{id}" if short else key_of(family, each.name, id)
                    found.append((ids, place, f"{each.name}{'…' if short else ''}", key))
        return found

    def _files(self, wanted: Sequence[Ids]) -> dict[Ids, str]:
        """Keys of the files that stand within texts, by what names them there."""
        import pyarrow as pa

        asked = [(ids, *ids[0][1].split(" ", 2)) for ids in wanted if ids[0][0] == CID]
        if not asked:
            return {}
        table: pa.Table = pa.table(
            {
                "number": pa.array(range(len(asked)), pa.int64()),
                "field": pa.array([each[1] for each in asked], pa.string()),
                "parent": pa.array([each[2] for each in asked], pa.string()),
                "cid": pa.array([each[3] for each in asked], pa.string()),
            }
        )
        with self.engine.cursor() as cursor:
            cursor.register("inline_now", table)
            cursor.execute("CREATE OR REPLACE TABLE inline_asked AS SELECT * FROM inline_now")
            cursor.unregister("inline_now")
        rows = self.engine.rows(
            f"""WITH found AS (
              SELECT a.number, i.key, i.cid IS NOT DISTINCT FROM a.cid AS exact
              FROM inline_asked AS a JOIN ({self.images}) AS i ON i.field = a.field AND i.parent = a.parent
              AND (i.cid = a.cid OR (i.cid IS NULL AND lower(i.name) IN
                (lower(a.cid), lower(regexp_replace(a.cid, '@[^@]*$', ''))))))
            SELECT number, min(key) AS key FROM found
            WHERE exact OR number NOT IN (SELECT number FROM found WHERE exact)
            GROUP BY number HAVING count(DISTINCT key) = 1"""
        )
        return {asked[row["number"]][0]: row["key"] for row in rows}

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
            elif schema is not None and (pattern := schema.bytes_url or schema.url):
                found[object, id] = pattern.replace("{id}", id)
        for object, ids in read.items():
            name = str(self.target.objects[object].url_field)
            for id, url in self.read(object, name, ids).items():
                if url:
                    found[object, id] = url
        return found


def rewritten_fields(plan: ObjectPlan) -> list[str]:
    """The target fields of an entry in whose texts old addresses become new ones."""
    return [name for name, each in plan.fields.items() if each.rewrite is not None]


def shows_images(plan: ObjectPlan) -> bool:
    """Whether texts of an entry show images that are files of their own."""
    return any(each.inline for each in plan.fields.values())


def inline_name(plan: ObjectPlan, name: str) -> str:
    """How a field is named to whose texts files belong; it holds no blank."""
    return f"{plan.name}.{name}"
