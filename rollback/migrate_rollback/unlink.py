"""How are our links taken away from between records that stay?

Links of records that are deleted go with them. Of the others only ours go: the whole pair where nothing
linked the two before and nobody has labelled them since, else only the labels that we gave. A mark that a
target keeps for one link at a time (a primary company) goes back to the link that had it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from migrate.connector import Batch, BatchRefused, Link, Operation
from migrate.errors import InDoubt
from migrate.journal import Entry
from migrate.load import Loading, Tally
from migrate.stages.checkpoint import Checkpoint
from migrate_rollback.deeds import quoted
from migrate_rollback.looking import BY_ITSELF
from migrate_rollback.model import Row
from migrate_rollback.worklist import Lot, batch_for, chunks

WHOLE = "*"  # as label of an unlink: the pair, whatever its labels
TRIES = 6

Pair = tuple[str, str]


class LinkUndo:
    """Carries lots of links between one pair of objects. Thread safe."""

    def __init__(self, loading: Loading, point: Checkpoint) -> None:
        self.loading, self.point, self.target = loading, point, loading.target

    def run(self, lot: Lot) -> Tally:
        """Carry a lot to the settlement of its batches."""
        tally: Tally = Counter()
        size = len(lot.rows) if lot.doubt else self.target.limits.link_writes
        for rows in chunks(lot.rows, size):
            batch = batch_for(self.loading, lot, rows)
            with self.loading.batch(batch):
                if lot.doubt:
                    self.loading.wait_landing(batch.deadline)
                do = self._unlink if lot.action == "unlink" else self._relink
                self.loading.settle(batch, do(rows, batch.id), tally)
        tally["_rows"] = len(lot.rows)
        return tally

    def _now(self, rows: Sequence[Row]) -> dict[str, list[Link]]:
        """Links from the rows' left ends to the right object, by left id."""
        left, right = rows[0].pair
        found: dict[str, list[Link]] = {}
        for link in self.target.read_links(left, list(dict.fromkeys(row.left for row in rows)), right):
            found.setdefault(link.left, []).append(link)
        return found

    def _labels(self, rows: Sequence[Row]) -> dict[Pair, set[str]]:
        now = self._now(rows)
        pairs: dict[Pair, set[str]] = {}
        for links in now.values():
            for link in links:
                pairs.setdefault((link.left, link.right), set()).add(link.label)
        return pairs

    def _baseline(self, rows: Sequence[Row]) -> dict[Pair, set[str]]:
        """Labels that the pairs had at the checkpoint, or have by links of ours that stay."""
        left, right = rows[0].pair
        store = self.loading.workspace.store
        listed = quoted([row.left for row in rows])
        found = self._staying(left, right, listed)
        manifest = store.manifest(self.point.links(left)) if left in self.point.baseline else None
        if manifest is None or not manifest.parts:
            return found
        for link in self.loading.workspace.engine.rows(
            f"""SELECT "left", "right", label FROM read_parquet({store.files(manifest)!r})
            WHERE right_object = '{right}' AND "left" IN ({listed})"""
        ):
            found.setdefault((link["left"], link["right"]), set()).add(link["label"])
        return found

    def _staying(self, left: str, right: str, listed: str) -> dict[Pair, set[str]]:
        """The same of links of ours that are to stay; from their other end a label has no name here."""
        found: dict[Pair, set[str]] = {}
        for link in self.loading.workspace.engine.rows(
            f"""SELECT "left", "right", label FROM undo_kept
            WHERE lo = '{left}' AND ro = '{right}' AND "left" IN ({listed})
            UNION ALL SELECT "right", "left", '' FROM undo_kept
            WHERE lo = '{right}' AND ro = '{left}' AND "right" IN ({listed})"""
        ):
            found.setdefault((link["left"], link["right"]), set()).add(link["label"])
        return found

    # -- taking away --------------------------------------------------------------------------

    def _unlink(self, rows: Sequence[Row], batch: str) -> list[Entry]:
        before = self._baseline(rows)
        self.loading.journal.append(
            self._entry(row, batch, "unlink", "intent", was_there=True) for row in rows
        )
        refused: dict[Link, str] = {}
        for _ in range(TRIES):
            now = self._labels(rows)
            open_rows = [
                row for row in rows
                if row.label in now.get((row.left, row.right), set())
                and row.label not in before.get((row.left, row.right), set())
                and _link(row) not in refused
            ]  # fmt: skip
            if not open_rows:
                break
            whole, labels = split(open_rows, now, before)
            for links in (whole, labels):
                if links:
                    self._send(Operation.UNLINK, links, refused)
        else:
            raise InDoubt(self.loading.system, f"links after {TRIES} tries")
        entries = []
        for row in rows:
            reason = refused.get(_link(row)) or refused.get(replace(_link(row), label=WHOLE))
            outcome = "refused" if reason else "done"
            entries.append(self._entry(row, batch, "unlink", outcome, was_there=True, reason=reason or ""))
        return entries

    def _send(self, operation: Operation, links: list[Link], refused: dict[Link, str]) -> None:
        try:
            outcomes = self.target.send(Batch(operation, links[0].left_object, links=tuple(links)))
        except InDoubt:
            self.loading.clock.sleep(self.target.limits.longest_call)
            return
        except BatchRefused as error:
            if len(links) == 1:
                refused[links[0]] = f"refused: {error.code} {error.reason}"
                return
            middle = len(links) // 2
            self._send(operation, links[:middle], refused)
            self._send(operation, links[middle:], refused)
            return
        for outcome in outcomes:
            if outcome.status in ("refused", "conflict"):
                refused[links[outcome.index]] = f"refused: {outcome.code} {outcome.reason}"

    # -- putting a mark back ------------------------------------------------------------------

    def _relink(self, rows: Sequence[Row], batch: str) -> list[Entry]:
        now = self._now(rows)
        wanted = [row for row in rows if row.kind == "rejoin" or mark_is_free(row, now.get(row.left, []))]
        self.loading.journal.append(
            self._entry(
                row, batch, "link", "intent", was_there=True, reason="" if row in wanted else "left as it is"
            )
            for row in rows
        )
        refused: dict[Link, str] = {}
        links = [_link(row) for row in wanted]
        for _ in range(TRIES):
            there = {link for found in self._now(rows).values() for link in found}
            missing = [link for link in links if link not in there and link not in refused]
            if not missing:
                break
            self._send(Operation.LINK, missing, refused)
        else:
            raise InDoubt(self.loading.system, f"links after {TRIES} tries")
        entries = [self._entry(row, batch, "link", "done", was_there=True) for row in wanted]
        return [
            replace(entry, outcome="refused", reason=refused[link]) if link in refused else entry
            for entry, link in zip(entries, links, strict=True)
        ]

    def _entry(
        self, row: Row, batch: str, op: str, outcome: str, *, was_there: bool, reason: str = ""
    ) -> Entry:
        return Entry(
            self.loading.attempt, batch, self.loading.system, row.object, "link", row.key, op, outcome,
            left=row.left, right=row.right, label=row.label, was_there=was_there, reason=reason,
        )  # fmt: skip


def split(
    rows: Sequence[Row], now: dict[Pair, set[str]], before: dict[Pair, set[str]]
) -> tuple[list[Link], list[Link]]:
    """Pairs that go as a whole, and single labels that go.

    Args:
        now, before: labels of each pair, as it is and as the baseline has it.
    """
    ours: dict[Pair, set[str]] = {}
    for row in rows:
        ours.setdefault((row.left, row.right), set()).add(row.label)
    whole, labels = [], []
    for row in rows:
        pair = (row.left, row.right)
        theirs = now.get(pair, set()) - ours[pair] - BY_ITSELF
        if before.get(pair) or theirs:
            labels.append(_link(row))
        else:
            whole.append(replace(_link(row), label=WHOLE))
    return list(dict.fromkeys(whole)), labels


def mark_is_free(row: Row, links: Sequence[Link]) -> bool:
    """Whether a baseline's label is to be given back: its pair stands, and the label is nowhere else."""
    labels = {link.label for link in links if link.right == row.right}
    elsewhere = any(link.label == row.label and link.right != row.right for link in links)
    return bool(labels) and row.label not in labels and not elsewhere


def _link(row: Row) -> Link:
    left, right = row.pair
    return Link(left, row.left, right, row.right, row.label)
