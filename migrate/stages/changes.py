"""What has changed in a target since the last look? The former snapshot goes on, so that a look costs little.

The records changed since the former look's watermark, less an overlap, are read and laid over it, and those
deleted since are taken out. The vendor's own count must then agree; where it doesn't, or where the vendor
can't tell changes or deletions, the object is read whole. It is read whole, too, the first time, when the
catalog or the fields are others, and when the last whole look is too long ago: a change that the vendor
doesn't stamp stays unseen until then, no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.connector import FindsChanges, Query
from migrate.engine import parquet, text
from migrate.errors import Damaged, GapTooLong
from migrate.stages.snapshot import (
    Asked,
    asked_of,
    link_schema,
    snapshot,
    snapshot_links,
    write_links,
    write_pages,
)
from migrate.store import Manifest

if TYPE_CHECKING:
    from datetime import datetime

    from migrate.catalog import ObjectSchema
    from migrate.clock import Clock
    from migrate.connector import Page, Target
    from migrate.engine import Engine
    from migrate.store import Store

OVERLAP = timedelta(minutes=10)  # longer than the vendors' long transactions and their indexes' lag
TRIES = 3  # looks at what changed, before a count that still differs is taken seriously
_NO_IDS = "(SELECT NULL::VARCHAR AS _id WHERE false)"


@dataclass(frozen=True)
class Following:
    """Looks go on from the former one. `whole_every`: the longest time from one whole look to the next.

    `catalog`: digest of the target's; a snapshot taken with another one isn't gone on from.
    """

    whole_every: timedelta
    catalog: str


@dataclass
class Look:
    """One look at a target: where it is read, and what it is kept in."""

    connector: Target
    store: Store
    engine: Engine
    clock: Clock

    def whole(
        self,
        schema: ObjectSchema,
        folder: str,
        *,
        key_field: str,
        fields: Sequence[str],
        catalog: str,
        why: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> Manifest:
        """Read an object whole; what a later look needs to go on from it stands in the facts.

        Facts: those of `snapshot`, and `watermark` (the vendor's time when it began), `whole` (when it was
        read whole last), `catalog`, `why`.
        """
        facts = {"watermark": stamp(self.connector.now()), "whole": stamp(self.clock.now()),
                 "catalog": catalog, "why": why}  # fmt: skip
        return snapshot(
            self.connector, schema, self.store, folder, key_field=key_field, fields=fields, clock=self.clock,
            progress=progress, facts=facts,
        )  # fmt: skip

    def on(
        self,
        schema: ObjectSchema,
        folder: str,
        following: Following,
        *,
        key_field: str,
        fields: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Manifest:
        """Go on from the former snapshot in `folder` where that is safe, else read the object whole.

        Facts, where it went on: also `since` (from when on changes were read), `changed`, `deleted`, and
        `after` (the former watermark).
        """
        asked = asked_of(self.connector, schema, key_field, fields)
        former = self.store.manifest(folder)
        why = self._whole_because(former, asked, following)
        if former is not None and not why:
            found = self._laid_over(former, asked, following, progress)
            if isinstance(found, Manifest):
                return found
            why = found
        return self.whole(
            schema, folder, key_field=key_field, fields=fields, catalog=following.catalog, why=why,
            progress=progress,
        )  # fmt: skip

    def _whole_because(self, former: Manifest | None, asked: Asked, following: Following) -> str:
        if former is None or "watermark" not in former.facts:
            return "it is the first look"
        facts = former.facts
        if asked.schema.stamp is None:
            return "its records bear no time of their last change"
        if facts["catalog"] != following.catalog:
            return "the target's catalog is another one"
        if (facts["key_field"], former.schema) != (asked.key_field, asked.described):
            return "other fields are compared"
        if self.clock.now() - parse_stamp(facts["whole"]) >= following.whole_every:
            return "the last whole look was too long ago"
        try:
            self.store.verify(former)
        except Damaged as error:
            return f"the former snapshot was damaged ({error})"
        return ""

    def _laid_over(
        self,
        former: Manifest,
        asked: Asked,
        following: Following,
        progress: Callable[[int], None] | None,
    ) -> Manifest | str:
        """The snapshot brought up to now; or why it has to be read whole."""
        object, before = asked.schema.name, self._rows(former)
        since, began = parse_stamp(former.facts["watermark"]) - OVERLAP, stamp(self.clock.now())
        for attempt in range(TRIES):
            if attempt:
                self.clock.sleep(self.connector.limits.settle)
            watermark = stamp(self.connector.now())
            # Deletions first: a record that was deleted and brought back is then among the changed ones.
            try:
                gone = self.gone(former.folder, object, since)
            except GapTooLong:
                return "the vendor has forgotten some deletions"
            changed = self.changed(former.folder, asked, since, progress)
            query = _overlaid(before, self._rows(changed), self._rows(gone))
            rows = int(self.engine.rows(f"SELECT count(*) AS n FROM ({query})")[0]["n"])
            if rows == self.connector.count(Query(object, ())):
                break
        else:
            return "the vendor counts another number of records: not every deletion or merge was told"
        with self.store.rewriter(former.folder, asked.staged) as writer:
            for batch in self.engine.stream(query) if rows else ():
                writer.write(batch)
        facts = former.facts | {
            "taken": began, "ended": stamp(self.clock.now()), "watermark": watermark, "since": stamp(since),
            "after": former.facts["watermark"], "changed": changed.rows, "deleted": gone.rows, "why": "",
            "catalog": following.catalog,
        }  # fmt: skip
        return self.store.replace(
            Manifest(
                former.folder, former.stage, object, 0, rows, tuple(writer.parts), asked.described, facts
            )
        )

    def gone(self, folder: str, object: str, since: datetime) -> Manifest:
        """Stage the ids of the records that were deleted since, as `<folder>-gone`: `_id`.

        Raises:
            GapTooLong: the vendor has forgotten some.
        """
        import pyarrow as pa

        folder, schema = f"{folder}-gone", pa.schema([("_id", pa.string())])
        self.store.discard(folder)
        with self.store.writer(folder, schema) as writer:
            for page in self.connector.read(Query(object, (), since=since, deleted=True), after=None):
                if page.batch.num_rows:
                    writer.write(pa.Table.from_batches([page.batch]).select(["_id"]))
        return self._publish(folder, object, writer.parts)

    def changed(
        self,
        folder: str,
        asked: Asked,
        since: datetime,
        progress: Callable[[int], None] | None = None,
    ) -> Manifest:
        """Stage the records that changed since, each as it is now, as `<folder>-changed`."""
        folder = f"{folder}-changed"
        self.store.discard(folder)
        query = Query(asked.schema.name, asked.asked, since=since)
        pages: Iterator[Page] | None = None
        if isinstance(self.connector, FindsChanges):
            pages = self.connector.changed(query)
        if pages is None:
            pages = self.connector.read(query, after=None)
        with self.store.writer(folder, asked.staged) as writer:
            write_pages(self.connector, asked, pages, writer, progress)
        return self._publish(folder, asked.schema.name, writer.parts)

    def _publish(self, folder: str, object: str, parts: Sequence[Any]) -> Manifest:
        rows = sum(part.rows for part in parts)
        return self.store.publish(Manifest(folder, folder.partition("/")[0], object, 0, rows, tuple(parts)))

    def _rows(self, manifest: Manifest) -> str:
        return parquet(self.store.files(manifest)) if manifest.parts else ""

    def links(
        self,
        left: str,
        ours: str,
        rights: Sequence[str],
        folder: str,
        *,
        around: Mapping[str, Manifest],
        going_on: bool,
        progress: Callable[[int], None] | None = None,
    ) -> Manifest:
        """Links of our records now; where looks go on, only those of records that changed are read anew.

        A link has no stamp: one that came or went without a change of either end is seen when links are
        swept. They are, whenever an end's object is read whole, and when our records are others.

        Args:
            ours: a query of the ids of our records of `left`, as `_id`.
            around: by object this look's snapshots.

        Facts: `swept` (when links of all records were read), `read` (of how many records anew, where not of
        all), `with` (by object the watermark of the snapshots that they go with).
        """
        mark = str(
            self.engine.rows(f"SELECT concat(count(*), '-', bit_xor(hash(_id))) AS m FROM ({ours})")[0]["m"]
        )
        now = {name: str(each.facts.get("watermark")) for name, each in sorted(around.items())}
        former = self.store.manifest(folder) if going_on else None
        if former is None or not self._follows(former, mark, left, rights, around):
            facts = {"swept": stamp(self.clock.now()), "mark": mark, "with": now}
            return snapshot_links(
                self.connector, left, self._ids(ours), rights, self.store, folder, clock=self.clock,
                progress=progress, facts=facts,
            )  # fmt: skip
        began, before = stamp(self.clock.now()), self._rows(former)
        stirred = f"SELECT _id FROM ({ours}) WHERE _id IN ({self._stirred(left, before, rights, around)})"
        there = [
            f"""(right_object <> {text(name)}
                OR "right" IN (SELECT _id FROM {self._rows(around[name]) or _NO_IDS}))"""
            for name in rights
            if name in around
        ]
        with self.store.rewriter(folder, link_schema()) as writer:
            if before:
                kept = [f'"left" NOT IN ({stirred})', *there]
                for batch in self.engine.stream(f"SELECT * FROM {before} WHERE {' AND '.join(kept)}"):
                    writer.write(batch)
            read = write_links(self.connector, left, self._ids(stirred), rights, writer, progress)
        rows = sum(part.rows for part in writer.parts)
        facts = former.facts | {
            "taken": began, "ended": stamp(self.clock.now()), "read": read, "with": now,
        }  # fmt: skip
        return self.store.replace(
            Manifest(folder, former.stage, left, 0, rows, tuple(writer.parts), facts=facts)
        )

    def _follows(
        self, former: Manifest, mark: str, left: str, rights: Sequence[str], around: Mapping[str, Manifest]
    ) -> bool:
        """Whether every change since these links were read is among those of this look."""
        facts = former.facts
        if facts.get("mark") != mark or facts.get("rights") != list(rights):
            return False
        for name in {left, *rights} & around.keys():
            if around[name].facts.get("after", "none") != facts["with"].get(name):
                return False
        try:
            self.store.verify(former)
        except Damaged:
            return False
        return True

    def _stirred(self, left: str, before: str, rights: Sequence[str], around: Mapping[str, Manifest]) -> str:
        """A query of the ids of `left` that changed or are gone, or one of whose far ends changed."""
        parts = [f"SELECT _id FROM {_NO_IDS}"]
        for name in sorted({left, *rights} & around.keys()):
            changed = self.store.manifest(f"{around[name].folder}-changed")
            rows = self._rows(changed) if changed is not None else ""
            if name == left:
                gone = self.store.manifest(f"{around[name].folder}-gone")
                dead = self._rows(gone) if gone is not None else ""
                parts += [f"SELECT _id FROM {each}" for each in (rows, dead) if each]
            if rows and before and name in rights:
                parts.append(
                    f"""SELECT "left" AS _id FROM {before}
                    WHERE right_object = {text(name)} AND "right" IN (SELECT _id FROM {rows})"""
                )
        return " UNION ALL ".join(parts)

    def _ids(self, query: str) -> Iterator[str]:
        for batch in self.engine.stream(f"SELECT DISTINCT _id FROM ({query}) ORDER BY ALL"):
            yield from batch.column(0).to_pylist()


def _overlaid(before: str, changed: str, gone: str) -> str:
    """A query of the former rows with the changed ones in their place, less the deleted."""
    dead = gone or _NO_IDS
    moved = changed or _NO_IDS
    parts = []
    if before:
        parts.append(
            f"""SELECT * FROM {before} WHERE _id NOT IN (SELECT _id FROM {moved} WHERE _id IS NOT NULL)
            AND _id NOT IN (SELECT _id FROM {dead} WHERE _id IS NOT NULL)"""
        )
    if changed:
        # Pages of a living system may bring a record twice: the later state counts.
        parts.append(
            f"SELECT * FROM {changed} QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _stamp DESC) = 1"
        )
    return " UNION ALL BY NAME ".join(parts) or "SELECT NULL::VARCHAR AS _id WHERE false"


def words(facts: dict[str, Any]) -> str:
    """When an object was read, for people: whole, or whole then and what changed since now."""
    from migrate.clock import parse_stamp as at

    def moment(told: str) -> str:
        return f"{at(told):%Y-%m-%d %H:%M:%S} UTC"

    if "since" not in facts:
        why = f" ({facts['why']})" if facts.get("why") else ""
        return f"Read whole at {moment(facts['taken'])}{why}."
    return (
        f"Read whole at {moment(facts['whole'])}, changes since read at {moment(facts['taken'])}: "
        f"{facts['changed']:,} changed or new, {facts['deleted']:,} deleted."
    )
