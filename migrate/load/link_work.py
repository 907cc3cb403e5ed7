"""How are staged links cut into batches? Resolved to target ids, one pair of objects a batch.

A link whose ends aren't both in the target stays, blocked. A generation that takes a link away makes the
older row that asks for it void.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from migrate.clock import stamp
from migrate.connector import Link
from migrate.engine import text
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading
from migrate.load.work import batch_name
from migrate.plan.keys import itself_sql
from migrate.store import Manifest


@dataclass(frozen=True)
class LinkItem:
    """One staged link, resolved to target ids; "" for an end that isn't in the target.

    `deleted`: it is to be removed. `over`: a later generation removes it, so it isn't made any more. `stays`:
    its left record is at home in the target, so nothing is done.
    """

    row: int
    key: str
    link: Link
    deleted: bool = False
    over: bool = False
    stays: bool = False

    @property
    def operation(self) -> str:
        """What its batch does."""
        if self.stays:
            return "stays"
        return "unlink" if self.deleted else "keep" if self.over else "link"


@dataclass(frozen=True)
class LinkWork:
    """One batch of links between one pair of objects."""

    batch: BatchRow
    items: tuple[LinkItem, ...]
    doubt: bool = False


def link_key(left: str, right: str, label: str) -> str:
    """The name of a link in the journal: its ends' migration keys and its label."""
    return f"{left}>{right}>{label}"


class LinkCutter:
    """Cuts one link plan's staged rows. Needs the engine's table `crosswalk`."""

    def __init__(self, loading: Loading, name: str) -> None:
        """Args:
        name: `<entry>.<index of the link in the plan>`.
        """
        self.loading, self.name = loading, name

    def manifests(self) -> list[Manifest]:
        """Staged generations, oldest first."""
        return self.loading.workspace.store.manifests("links", self.name)

    def rows(self) -> int:
        """Staged rows in all."""
        return sum(manifest.rows for manifest in self.manifests())

    def in_doubt(self) -> Iterator[LinkWork]:
        """Batches that a former process left open."""
        stages = {manifest.folder: manifest for manifest in self.manifests()}
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, ("load", "replay")):
            if manifest := stages.get(row.stage):
                items = {item.row: item for item in self._resolved(manifest, row.part)}
                yield LinkWork(row, tuple(items[n] for n in row.rows if n in items), doubt=True)

    def pending(self, manifest: Manifest, *, removing: bool = False) -> Iterator[LinkWork]:
        """Batches over a generation's rows whose two ends are in the target; the others stay, blocked.

        Args:
            removing: only the links to remove. They go first, for the same pair may get another label.
        """
        for part in manifest.parts:
            done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
            if len(done) < part.rows:
                items = (
                    item
                    for item in self._resolved(manifest, part.name, within=self._within())
                    if item.row not in done and (item.deleted or not removing)
                )
                yield from self._cut(manifest, part.name, items)

    def staged(self, manifest: Manifest, part: str) -> Iterator[LinkItem]:
        """All rows of a part whose two ends are in the crosswalk, whatever was done with them."""
        return self._resolved(manifest, part)

    def replay(self, keys: Sequence[str]) -> Iterator[LinkWork]:
        """Batches over the newest staged row of each of these links, whatever was done with it before."""
        wanted = set(keys)
        for manifest in reversed(self.manifests()):
            for part in manifest.parts:
                if not wanted:
                    return
                items = [item for item in self._resolved(manifest, part.name) if item.key in wanted]
                wanted.difference_update(item.key for item in items)
                yield from self._cut(manifest, part.name, items)

    def _cut(self, manifest: Manifest, part: str, items: Iterable[LinkItem]) -> Iterator[LinkWork]:
        size = self.loading.target.limits.link_writes
        groups: dict[tuple[str, str, str], list[LinkItem]] = {}
        for item in items:
            pair = (item.operation, item.link.left_object, item.link.right_object)
            group = groups.setdefault(pair, [])
            group.append(item)
            if len(group) >= size:
                yield self._work(manifest, part, groups.pop(pair))
        for group in groups.values():
            yield self._work(manifest, part, group)

    def _work(self, manifest: Manifest, part: str, items: list[LinkItem]) -> LinkWork:
        rows = tuple(item.row for item in items)
        operation = items[0].operation
        again = f"@{self.loading.journal.last_seq}" if self.loading.phase == "replay" else ""
        name = batch_name(self.loading.attempt, manifest.folder, part, rows, operation + again)
        payload = json.dumps([[i.link.left, i.link.right, i.link.label] for i in items])
        batch = BatchRow(
            name,
            self.loading.attempt,
            self.loading.system,
            self.loading.phase,
            manifest.folder,
            part,
            rows,
            pair_name(items[0].link),
            operation,
            hashlib.sha256(payload.encode()).hexdigest(),
            stamp(self.loading.clock.now()),
        )
        return LinkWork(batch, tuple(items))

    def _resolved(self, manifest: Manifest, part: str, *, within: str = "") -> Iterator[LinkItem]:
        """Rows of a part that can be carried out, in its order: those to be made whose two ends are in the
        crosswalk, and those to be removed, for what has no end in the target any more is gone."""
        path = self.loading.workspace.store.path(manifest, part)
        away = self.loading.away
        stays = away.condition('links."left"') if away else "false"
        far = f"""coalesce(r.target_id, {itself_sql('links."right"')})"""
        reader = self.loading.workspace.engine.stream(
            f"""SELECT links.file_row_number AS row, links."left" AS lk, links."right" AS rk,
              links.left_object AS lo, links.right_object AS ro, links.label AS label,
              links._deleted AS gone, coalesce(l.target_id, '') AS lid, coalesce({far}, '') AS rid,
              NOT links._deleted AND coalesce(later.gone, false) AS over, {stays} AS stays
            FROM read_parquet({text(str(path))}, file_row_number=true) AS links
            LEFT JOIN crosswalk AS l ON l.key = links."left"
            LEFT JOIN crosswalk AS r ON r.key = links."right"
            LEFT JOIN ({self._later(manifest)}) AS later ON later."left" = links."left"
              AND later."right" = links."right" AND later.label = links.label
            WHERE (links._deleted OR coalesce(later.gone, false)
              OR (l.target_id IS NOT NULL AND {far} IS NOT NULL)) {within}
            ORDER BY links.file_row_number"""
        )
        for batch in reader:
            for row in batch.to_pylist():
                link = Link(row["lo"], row["lid"], row["ro"], row["rid"], row["label"])
                key = link_key(row["lk"], row["rk"], row["label"])
                yield LinkItem(
                    row["row"], key, link, bool(row["gone"]), bool(row["over"]), bool(row["stays"])
                )

    def _within(self) -> str:
        """A condition: where a load has a scope, one end of the link is in it."""
        if not self.loading.scoped:
            return ""
        ends = [f"links.{end} IN (SELECT key FROM sample)" for end in ('"left"', '"right"')]
        if away := self.loading.away:
            ends.append(away.condition('links."left"'))  # told as a conflict, whatever the scope
        return f"AND ({' OR '.join(ends)})"

    def _later(self, manifest: Manifest) -> str:
        """SQL: what the generations after this one say of a link last. `gone`: it is to be removed."""
        selects = [
            f"""SELECT "left", "right", label, _deleted, {later.generation} AS gen
            FROM read_parquet([{", ".join(map(text, self.loading.workspace.store.files(later)))}])"""
            for later in self.manifests()
            if later.generation > manifest.generation and later.parts
        ]
        none = """SELECT ''::VARCHAR AS "left", ''::VARCHAR AS "right", ''::VARCHAR AS label,
            false AS _deleted, 0 AS gen WHERE false"""
        return f"""SELECT "left", "right", label, arg_max(_deleted, gen) AS gone
            FROM ({" UNION ALL ".join(selects) or none}) GROUP BY ALL"""


def pair_name(link: Link) -> str:
    """The pair of objects as the journal's `object` of a link."""
    return f"{link.left_object}>{link.right_object}"
