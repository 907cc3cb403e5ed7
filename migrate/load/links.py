"""How does one batch of links get through? Like records, with `was there` for a before-image.

Vendors make links by themselves, so what stood there before our write is read and journalled
first; a link that was there is never ours to remove. Making the same link twice is a no-op with
every vendor that has links, so a call in doubt is settled by reading back and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from migrate.clock import stamp
from migrate.connector import Batch, BatchRefused, Link, Operation
from migrate.engine import text
from migrate.errors import InDoubt
from migrate.journal import LINKS, Entry
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading, Tally
from migrate.load.sending import TRIES
from migrate.load.work import batch_name
from migrate.store import Manifest

WHOLE = "*"  # as label of an unlink: the pair, whatever its labels
BY_ITSELF = frozenset({"default", "primary"})  # what a target puts on a pair when anybody links it
LABELS, LABELS_END = "labels", "\n"  # in an intent's before-image: every label that the pair had


@dataclass(frozen=True)
class LinkItem:
    """One staged link, resolved to target ids; "" for an end that isn't in the target.

    `deleted`: it is to be removed. `over`: a later generation removes it, so it isn't made any more.
    """

    row: int
    key: str
    link: Link
    deleted: bool = False
    over: bool = False

    @property
    def operation(self) -> str:
        """What its batch does."""
        return "unlink" if self.deleted else "keep" if self.over else "link"


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
                    for item in self._resolved(manifest, part.name)
                    if item.row not in done and (item.deleted or not removing)
                )
                yield from self._cut(manifest, part.name, items)

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

    def _resolved(self, manifest: Manifest, part: str) -> Iterator[LinkItem]:
        """Rows of a part that can be carried out, in its order: those to be made whose two ends are in the
        crosswalk, and those to be removed, for what has no end in the target any more is gone."""
        path = self.loading.workspace.store.root / manifest.folder / part
        reader = self.loading.workspace.engine.stream(
            f"""SELECT links.file_row_number AS row, links."left" AS lk, links."right" AS rk,
              links.left_object AS lo, links.right_object AS ro, links.label AS label,
              links._deleted AS gone, coalesce(l.target_id, '') AS lid, coalesce(r.target_id, '') AS rid,
              NOT links._deleted AND coalesce(later.gone, false) AS over
            FROM read_parquet({text(str(path))}, file_row_number=true) AS links
            LEFT JOIN crosswalk AS l ON l.key = links."left"
            LEFT JOIN crosswalk AS r ON r.key = links."right"
            LEFT JOIN ({self._later(manifest)}) AS later ON later."left" = links."left"
              AND later."right" = links."right" AND later.label = links.label
            WHERE links._deleted OR coalesce(later.gone, false)
              OR (l.target_id IS NOT NULL AND r.target_id IS NOT NULL)
            ORDER BY links.file_row_number"""
        )
        for batch in reader:
            for row in batch.to_pylist():
                link = Link(row["lo"], row["lid"], row["ro"], row["rid"], row["label"])
                key = link_key(row["lk"], row["rk"], row["label"])
                yield LinkItem(row["row"], key, link, bool(row["gone"]), bool(row["over"]))

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


class LinkProtocol:
    """Carries batches of links, to be made or removed. Thread safe."""

    def __init__(self, loading: Loading) -> None:
        self.loading, self.target = loading, loading.target

    def run(self, work: LinkWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        does = {"link": self._make, "unlink": self._remove, "keep": self._keep}[work.batch.operation]
        with self.loading.batch(work.batch):
            entries = does(work)
            self.loading.settle(work.batch, entries, tally)
        tally["_rows"] = len(work.items)
        return tally

    def present(self, links: Sequence[Link]) -> set[Link]:
        """Which of these links does the target have now?"""
        if not links:
            return set()
        now = self._labels(links)
        return {
            link
            for link in links
            if (found := now.get((link.left, link.right))) and (link.label in found or link.label == WHOLE)
        }

    def _labels(self, links: Sequence[Link]) -> dict[tuple[str, str], set[str]]:
        """The labels that the pairs of these links (of one pair of objects) have now."""
        if not links:
            return {}
        ids = list(dict.fromkeys(link.left for link in links))
        found: dict[tuple[str, str], set[str]] = {}
        for link in self.target.read_links(links[0].left_object, ids, links[0].right_object):
            found.setdefault((link.left, link.right), set()).add(link.label)
        return found

    def _keep(self, work: LinkWork) -> list[Entry]:
        reason = "not made: a later generation takes it away"
        return [replace(self._entry(work, item, "kept", reason=reason), op="link") for item in work.items]

    def _make(self, work: LinkWork) -> list[Entry]:
        links = [item.link for item in work.items]
        earlier = self._journalled(work) if work.doubt else None
        pairs = self._labels(links) if earlier is None else {}
        there = earlier if earlier is not None else {
            link for link in links if link.label in pairs.get((link.left, link.right), ())
        }  # fmt: skip
        if earlier is None:
            held = {pair: LABELS_END.join(sorted(labels)) for pair, labels in pairs.items()}
            self.loading.journal.append(
                replace(
                    self._entry(work, item, "intent", was_there=item.link in there),
                    before={LABELS: held.get((item.link.left, item.link.right), "")},
                )
                for item in work.items
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
        # A call that makes one of these links and was never answered must not land after we removed it.
        self.loading.wait_all_landed()
        ours = self._ours(work)
        links = [link for link in links if link in ours]
        now = self.present(links)
        whole = self._alone(work, [link for link in links if link in now])
        sent = _Sent(done={link for link in links if link not in now or link in whole})
        self._send_all(Operation.UNLINK, links, sent)
        pairs = {replace(link, label=WHOLE): link for link in whole}
        rest = _Sent()
        self._send_all(Operation.UNLINK, list(pairs), rest)
        sent.refused |= {pairs[link]: why for link, why in rest.refused.items()}
        left = self.present(links)
        entries = []
        for item in work.items:
            code, reason = sent.refused.get(item.link, ("kept", "still there when read back"))
            if item.link not in ours:
                entries.append(self._entry(work, item, "kept", reason="not ours, or its record is gone"))
            elif item.link in left:
                entries.append(self._entry(work, item, "refused", reason=f"{code}: {reason}"))
            else:
                entries.append(self._entry(work, item, "done", was_there=True))
        return entries

    def _alone(self, work: LinkWork, links: Sequence[Link]) -> set[Link]:
        """Those whose pair nothing held together before our link, and nothing does beside it now.

        Where a label brings the unlabelled link along, or a link becomes the primary one by itself, taking
        only the label away would leave the pair linked.
        """
        if not links:
            return set()
        lefts = ", ".join(sorted({text(link.left) for link in links}))
        journal = self.loading.journal.source()
        before: dict[tuple[str, str, str], str] = {
            (row["left"], row["right"], row["label"]): row["labels"]
            for row in self.loading.workspace.engine.rows(
                f"""SELECT "left", "right", label, arg_max("before"['{LABELS}'], seq) AS labels FROM {journal}
                WHERE kind = 'link' AND op = 'link' AND outcome = 'intent' AND NOT was_there
                AND object = '{work.batch.object}' AND "left" IN ({lefts}) GROUP BY ALL"""
            )
        }
        ours = self._made(work)
        now = self._labels(links)
        return {
            link
            for link in links
            if before.get((link.left, link.right, link.label)) == ""
            and not any(
                (link.left, link.right, label) in ours
                for label in now.get((link.left, link.right), set()) - {link.label}
            )
            and now.get((link.left, link.right), set()) <= {link.label, *BY_ITSELF}
        }

    def _send_all(self, operation: Operation, links: list[Link], sent: _Sent) -> None:
        for number in range(TRIES):
            if number:
                self.loading.pause(2.0**number)
            left = [link for link in links if link not in sent.done and link not in sent.refused]
            if not left:
                return
            try:
                self._send(operation, left, sent)
            except InDoubt:
                self.loading.doubted()
                if operation is Operation.UNLINK:
                    self.loading.pause(self.target.limits.longest_call)
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

    def _made(self, work: LinkWork) -> set[tuple[str, str, str]]:
        """(left, right, label) of every link that we made from the records of a batch."""
        lefts = ", ".join(sorted({text(item.link.left) for item in work.items}))
        rows = self.loading.workspace.engine.rows(
            f"""SELECT "left", "right", label FROM ({LINKS.format(journal=self.loading.journal.source())})
            WHERE NOT was_there AND object = '{work.batch.object}' AND "left" IN ({lefts})"""
        )
        return {(row["left"], row["right"], row["label"]) for row in rows}

    def _ours(self, work: LinkWork) -> set[Link]:
        """Those of a batch's links that we made; what was there before is never ours to remove."""
        made = self._made(work)
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
