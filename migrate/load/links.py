"""How does one batch of links get through? Like records, with `was there` for a before-image.

Vendors make links by themselves, so what stood there before our write is read and journalled
first; a link that was there is never ours to remove. Making the same link twice is a no-op with
every vendor that has links, so a call in doubt is settled by reading back and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from migrate.clock import stamp
from migrate.connector import Batch, BatchRefused, Link, Operation
from migrate.errors import InDoubt
from migrate.journal import LINKS, Entry
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading, Tally
from migrate.load.records import TRIES
from migrate.load.work import batch_name
from migrate.store import Manifest


@dataclass(frozen=True)
class LinkItem:
    """One staged link, resolved to target ids. `deleted`: it is to be removed."""

    row: int
    key: str
    link: Link
    deleted: bool = False


@dataclass(frozen=True)
class LinkWork:
    """One batch of links between one pair of objects."""

    batch: BatchRow
    items: tuple[LinkItem, ...]
    doubt: bool = False


@dataclass
class _Sent:
    done: set[Link] = field(default_factory=set)
    refused: dict[Link, tuple[str, str]] = field(default_factory=dict)


def link_key(left: str, right: str, label: str) -> str:
    """The name of a link in the journal: its ends' migration keys and its label."""
    return f"{left}>{right}>{label}"


class LinkCutter:
    """Cuts one link plan's staged rows. Needs the engine's table `crosswalk`."""

    def __init__(self, loading: Loading, name: str) -> None:
        """Args:
        name: `<SourceObject>.<index of the link in the plan>`.
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

    def pending(self) -> Iterator[LinkWork]:
        """Batches over the rows whose two ends are in the target; the others stay, blocked."""
        size = self.loading.target.limits.link_writes
        for manifest in self.manifests():
            for part in manifest.parts:
                done = book.rows_done(self.loading.ledger, self.loading.attempt, manifest.folder, part.name)
                if len(done) >= part.rows:
                    continue
                groups: dict[tuple[bool, str, str], list[LinkItem]] = {}
                for item in self._resolved(manifest, part.name):
                    if item.row in done:
                        continue
                    pair = (item.deleted, item.link.left_object, item.link.right_object)
                    group = groups.setdefault(pair, [])
                    group.append(item)
                    if len(group) >= size:
                        yield self._work(manifest, part.name, groups.pop(pair))
                for group in groups.values():
                    yield self._work(manifest, part.name, group)

    def _work(self, manifest: Manifest, part: str, items: list[LinkItem]) -> LinkWork:
        rows = tuple(item.row for item in items)
        operation = "unlink" if items[0].deleted else "link"
        name = batch_name(self.loading.attempt, manifest.folder, part, rows, operation)
        text = json.dumps([[i.link.left, i.link.right, i.link.label] for i in items])
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
            hashlib.sha256(text.encode()).hexdigest(),
            stamp(self.loading.clock.now()),
        )
        return LinkWork(batch, tuple(items))

    def _resolved(self, manifest: Manifest, part: str) -> Iterator[LinkItem]:
        """Rows of a part whose two ends are in the crosswalk, in the order of the part."""
        path = self.loading.workspace.store.root / manifest.folder / part
        quoted = str(path).replace("'", "''")
        reader = self.loading.workspace.engine.stream(
            f"""SELECT links.file_row_number AS row, links."left" AS lk, links."right" AS rk,
              links.left_object AS lo, links.right_object AS ro, links.label AS label,
              links._deleted AS gone, l.target_id AS lid, r.target_id AS rid
            FROM read_parquet('{quoted}', file_row_number=true) AS links
            JOIN crosswalk AS l ON l.key = links."left" JOIN crosswalk AS r ON r.key = links."right"
            ORDER BY links.file_row_number"""
        )
        for batch in reader:
            for row in batch.to_pylist():
                link = Link(row["lo"], row["lid"], row["ro"], row["rid"], row["label"])
                key = link_key(row["lk"], row["rk"], row["label"])
                yield LinkItem(row["row"], key, link, bool(row["gone"]))


def pair_name(link: Link) -> str:
    """The pair of objects as the journal's `object` of a link."""
    return f"{link.left_object}>{link.right_object}"


class LinkProtocol:
    """Carries batches of links, to be made or removed. Thread safe."""

    def __init__(self, loading: Loading) -> None:
        self.loading, self.target = loading, loading.target

    def run(self, work: LinkWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        with self.loading.batch(work.batch):
            entries = self._make(work) if work.batch.operation == "link" else self._remove(work)
            self.loading.settle(work.batch, entries, tally)
        tally["_rows"] = len(work.items)
        return tally

    def present(self, links: Sequence[Link]) -> set[Link]:
        """Which of these links does the target have now?"""
        if not links:
            return set()
        first = links[0]
        ids = list(dict.fromkeys(link.left for link in links))
        wanted = set(links)
        return {
            found
            for found in self.target.read_links(first.left_object, ids, first.right_object)
            if found in wanted
        }

    def _make(self, work: LinkWork) -> list[Entry]:
        links = [item.link for item in work.items]
        earlier = self._journalled(work) if work.doubt else None
        there = self.present(links) if earlier is None else earlier
        if earlier is None:
            self.loading.journal.append(
                self._entry(work, item, "intent", was_there=item.link in there) for item in work.items
            )
        sent = _Sent(done=set(there))
        if work.doubt:
            sent.done |= self.present(links)
        self._send_all(Operation.LINK, links, sent)
        # One read-back: what the target doesn't show is no link, whatever its reply said.
        now = self.present([link for link in links if link in sent.done])
        entries = []
        for item in work.items:
            if item.link in sent.refused:
                code, reason = sent.refused[item.link]
                entries.append(self._entry(work, item, "refused", reason=f"{code}: {reason}"))
            elif item.link not in now:
                entries.append(self._entry(work, item, "refused", reason="gone: not there when read back"))
            else:
                entries.append(self._entry(work, item, "done", was_there=item.link in there))
        return entries

    def _remove(self, work: LinkWork) -> list[Entry]:
        links = [item.link for item in work.items]
        if work.doubt:
            self.loading.wait_landing(work.batch.deadline)
        ours = self._ours(work)
        links = [link for link in links if link in ours]
        now = self.present(links)
        sent = _Sent(done={link for link in links if link not in now})
        self._send_all(Operation.UNLINK, links, sent)
        left = self.present(links)
        entries = []
        for item in work.items:
            code, reason = sent.refused.get(item.link, ("kept", "still there when read back"))
            if item.link not in ours:
                entries.append(self._entry(work, item, "kept", reason="not ours: it was there before"))
            elif item.link in left:
                entries.append(self._entry(work, item, "refused", reason=f"{code}: {reason}"))
            else:
                entries.append(self._entry(work, item, "done", was_there=True))
        return entries

    def _send_all(self, operation: Operation, links: list[Link], sent: _Sent) -> None:
        for _ in range(TRIES):
            left = [link for link in links if link not in sent.done and link not in sent.refused]
            if not left:
                return
            try:
                self._send(operation, left, sent)
            except InDoubt:
                if operation is Operation.UNLINK:
                    self.loading.clock.sleep(self.target.limits.longest_call)
            rest = [link for link in left if link not in sent.done and link not in sent.refused]
            there = self.present(rest)
            sent.done |= there if operation is Operation.LINK else set(rest) - there
        if any(link not in sent.done and link not in sent.refused for link in links):
            raise InDoubt(self.loading.system, f"links after {TRIES} tries")

    def _send(self, operation: Operation, links: list[Link], sent: _Sent) -> None:
        try:
            outcomes = self.target.send(Batch(operation, pair_name(links[0]), links=tuple(links)))
        except BatchRefused as error:
            if len(links) == 1:
                sent.refused[links[0]] = (error.code, error.reason)
                return
            middle = len(links) // 2
            self._send(operation, links[:middle], sent)
            self._send(operation, links[middle:], sent)
            return
        for outcome in outcomes:
            link = links[outcome.index]
            if outcome.status == "done":
                sent.done.add(link)
            elif outcome.status in ("refused", "conflict"):
                sent.refused[link] = (outcome.code, outcome.reason)

    def _ours(self, work: LinkWork) -> set[Link]:
        """Those of a batch's links that we made; what was there before is never ours to remove."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT "left", "right", label FROM ({LINKS.format(journal=self.loading.journal.source())})
            WHERE NOT was_there AND object = '{work.batch.object}'"""
        )
        made = {(row["left"], row["right"], row["label"]) for row in rows}
        return {
            item.link for item in work.items if (item.link.left, item.link.right, item.link.label) in made
        }

    def _journalled(self, work: LinkWork) -> set[Link] | None:
        """Links that were there before this batch was first sent; None if it never came so far."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, was_there FROM {self.loading.journal.source()}
            WHERE batch = '{work.batch.id}' AND outcome = 'intent' AND kind = 'link'"""
        )
        if not rows:
            return None
        there = {row["key"] for row in rows if row["was_there"]}
        return {item.link for item in work.items if item.key in there}

    def _entry(
        self, work: LinkWork, item: LinkItem, outcome: str, *, was_there: bool | None = None, reason: str = ""
    ) -> Entry:
        return replace(
            Entry(
                attempt=self.loading.attempt,
                batch=work.batch.id,
                system=self.loading.system,
                object=work.batch.object,
                kind="link",
                key=item.key,
                op=work.batch.operation,
                outcome=outcome,
                was_there=was_there,
                reason=reason,
            ),
            left=item.link.left,
            right=item.link.right,
            label=item.link.label,
        )
