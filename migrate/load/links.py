"""How does one batch of links get through? Like records, with `was there` for a before-image.

Vendors make links by themselves, so what stood there before our write is read and journalled
first; a link that was there is never ours to remove. Making the same link twice is a no-op with
every vendor that has links, so a call in doubt is settled by reading back and made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migrate.connector import Batch, BatchRefused, Link, Operation
from migrate.engine import text
from migrate.errors import InDoubt
from migrate.journal import LINKS, Entry
from migrate.load.context import Loading, Tally
from migrate.load.link_work import LinkItem, LinkWork, pair_name
from migrate.load.sending import TRIES

WHOLE = "*"  # as label of an unlink: the pair, whatever its labels
BY_ITSELF = frozenset({"default", "primary"})  # what a target puts on a pair when anybody links it
LABELS, LABELS_END = "labels", "\n"  # in an intent's before-image: every label that the pair had


@dataclass
class _Sent:
    done: set[Link] = field(default_factory=set)
    refused: dict[Link, tuple[str, str]] = field(default_factory=dict)


class LinkProtocol:
    """Carries batches of links, to be made or removed. Thread safe."""

    def __init__(self, loading: Loading) -> None:
        self.loading, self.target = loading, loading.target

    def run(self, work: LinkWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        does = {"link": self._make, "unlink": self._remove, "keep": self._keep, "stays": self._stay}[
            work.batch.operation
        ]
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

    def _stay(self, work: LinkWork) -> list[Entry]:
        """Hold what the source did to a link of a record that is at home in the target; where it stands there
        as in the source, as after a live way back has brought it, there is nothing to decide."""
        there = self.present([item.link for item in work.items if item.link.left and item.link.right])
        return [
            self._stayed(work, item, same=(item.link in there) is not item.deleted) for item in work.items
        ]

    def _stayed(self, work: LinkWork, item: LinkItem, *, same: bool) -> Entry:
        did = "removed" if item.deleted else "made"
        reason = f"home: {did} in the source, and its record is at home in the target"
        if same:
            reason = "home: it stands in the target as in the source"
        entry = self._entry(work, item, "kept" if same else "held", reason=reason)
        return replace(entry, op="unlink" if item.deleted else "link")

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
