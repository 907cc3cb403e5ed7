"""How is a record undone once, whatever happens? A load of inverse operations, by the same protocol.

Intent in the ledger, a last look, before-images durable in the journal, send, read back, settle. A call
without a full answer is settled by looking again: a deletion that took place shows as gone, a restored
record is as it was before. Whatever isn't as we left it is held, and the batch goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migrate.catalog import takes_back_no
from migrate.connector import Batch, BatchRefused, Held, Link, Operation, Outcome, Who, Write
from migrate.errors import InDoubt
from migrate.journal import Entry
from migrate.load import Loading, Tally
from migrate_rollback.looking import Look
from migrate_rollback.model import Row, Verdict, image
from migrate_rollback.worklist import Lot, batch_for, chunks

TRIES = 6  # of one batch whose answers keep getting lost


@dataclass
class _State:
    """Where a batch's rows stand, by row number."""

    entries: list[Entry] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    # What was looked at and is to be done, now or by a former process: whose answer may have been lost.
    intended: dict[int, tuple[Row, Held, Verdict]] = field(default_factory=dict)
    sent: dict[int, tuple[Row, Held, Verdict]] = field(default_factory=dict)  # restores to be read back


class RecordUndo:
    """Deletes what we created, puts back what we changed. Thread safe: it keeps nothing between lots."""

    def __init__(self, loading: Loading, look: Look) -> None:
        self.loading, self.look, self.target = loading, look, loading.target

    def run(self, lot: Lot) -> Tally:
        """Carry a lot to the settlement of its batches."""
        tally: Tally = Counter()
        foreign = self.look.foreign(lot.object, lot.rows) if lot.action == "delete" else {}
        size = len(lot.rows) if lot.doubt else self.target.limits.records_of(lot.object)
        for rows in chunks(lot.rows, size):
            self._batch(lot, rows, foreign, tally)
        tally["_rows"] = len(lot.rows)
        return tally

    def _batch(self, lot: Lot, rows: Sequence[Row], foreign: dict[str, list[Link]], tally: Tally) -> None:
        batch = batch_for(self.loading, lot, rows)
        state = _State()
        with self.loading.batch(batch):
            if lot.doubt:
                self._landed(lot, rows, batch.deadline)
                state.intended.update(self._journalled(rows, batch.id))
            for _ in range(TRIES):
                todo = [row for row in rows if row.number not in state.settled]
                if not todo:
                    break
                acts = self._judge(lot, todo, foreign, batch.id, state)
                if acts:
                    self._send_all(lot, acts, batch.id, state)
            else:
                raise InDoubt(self.loading.system, f"{lot.object}: {lot.action}, after {TRIES} tries")
            self._read_back(lot, batch.id, state)
            self.loading.settle(batch, state.entries, tally)

    def _landed(self, lot: Lot, rows: Sequence[Row], deadline: str) -> None:
        """A former process's call may still land; only where all is gone already that makes no odds."""
        if lot.action == "delete" and not self.look.records(lot.object, rows):
            return
        self.loading.wait_landing(deadline)

    def _judge(
        self, lot: Lot, rows: Sequence[Row], foreign: dict[str, list[Link]], batch: str, state: _State
    ) -> list[tuple[Row, Held, Verdict]]:
        acts = []
        for row, record, verdict in self.look.judge(lot.object, rows, foreign):
            if verdict.what == "gone" and lot.action == "restore" and row.number in state.intended:
                # Our write landed, though nobody told: what it covered is looked for as after any other.
                state.settled.add(row.number)
                intended = state.intended[row.number]
                state.sent[row.number] = (
                    *intended[:2],
                    replace(intended[2], kept=verdict.kept, reason=verdict.reason),
                )
            elif verdict.what == "gone":
                state.sent.pop(row.number, None)
                state.settled.add(row.number)
                state.entries.append(self._entry(row, batch, "done", record, reason=verdict.told))
                state.entries += self._kept(row, batch, verdict, record)
            elif verdict.what == "hold" or record is None:
                state.settled.add(row.number)
                state.entries.append(self._entry(row, batch, "held", record, reason=verdict.told))
            else:
                acts.append((row, record, verdict))
        self.loading.journal.append(
            self._entry(row, batch, "intent", record, after=dict(verdict.values), stamp=record.stamp)
            for row, record, verdict in acts
            if row.number not in state.intended
        )
        state.intended.update({act[0].number: act for act in acts if act[0].number not in state.intended})
        return acts

    def _journalled(self, rows: Sequence[Row], batch: str) -> dict[int, tuple[Row, Held, Verdict]]:
        """What a former process looked at and was about to do, by row number."""
        by_id = {row.id: row for row in rows}
        found = self.loading.workspace.engine.rows(
            f"""SELECT target_id, "before", "after", stamp FROM {self.loading.journal.source()}
            WHERE batch = '{batch}' AND outcome = 'intent' ORDER BY seq DESC"""
        )
        return {
            by_id[each["target_id"]].number: (
                by_id[each["target_id"]],
                Held(each["target_id"], each["target_id"], image(each["before"]), each["stamp"] or ""),
                Verdict("restore", values=image(each["after"])),
            )
            for each in found
            if each["target_id"] in by_id
        }

    # -- sending ------------------------------------------------------------------------------

    def _send_all(self, lot: Lot, acts: list[tuple[Row, Held, Verdict]], batch: str, state: _State) -> None:
        try:
            self._send(lot, acts, batch, state)
        except InDoubt:
            # It may land until then; the next look tells.
            self.loading.clock.sleep(self.target.limits.longest_call)

    def _send(self, lot: Lot, acts: list[tuple[Row, Held, Verdict]], batch: str, state: _State) -> None:
        """One call; a batch that is refused as a whole is halved until the bad record stands alone."""
        operation = Operation.DELETE if lot.action == "delete" else Operation.UPDATE
        schema = self.look.schema(lot.object)
        writes = tuple(
            Write(
                row.key,
                record.id,
                {n: v for n, v in verdict.values.items() if not takes_back_no(schema.get(n), v)},
            )
            for row, record, verdict in acts
        )
        try:
            outcomes = self.target.send(Batch(operation, lot.object, writes))
        except BatchRefused as error:
            if len(acts) == 1:
                self._refuse(
                    acts[0], batch, Outcome(0, "refused", code=error.code, reason=error.reason), state
                )
                return
            middle = len(acts) // 2
            self._send(lot, acts[:middle], batch, state)
            self._send(lot, acts[middle:], batch, state)
            return
        for outcome in outcomes:
            act = acts[outcome.index]
            if outcome.status == "done":
                state.settled.add(act[0].number)
                if operation is Operation.DELETE:
                    state.entries.append(self._entry(act[0], batch, "done", act[1]))
                else:
                    state.sent[act[0].number] = act
            elif outcome.status in ("refused", "conflict"):
                self._refuse(act, batch, outcome, state)

    def _refuse(self, act: tuple[Row, Held, Verdict], batch: str, outcome: Outcome, state: _State) -> None:
        row, record, _ = act
        state.settled.add(row.number)
        reason = f"refused: {outcome.code} {outcome.reason}"
        state.entries.append(self._entry(row, batch, "refused", record, reason=reason))

    # -- after --------------------------------------------------------------------------------

    def _read_back(self, lot: Lot, batch: str, state: _State) -> None:
        """Did what we put back stay, and did our write cover an edit that came since our last look?"""
        if not state.sent:
            return
        rows = [row for row, _, _ in state.sent.values()]
        now = self.look.records(lot.object, rows)
        names = sorted({name for _, _, verdict in state.sent.values() for name in verdict.values})
        newest = self.loading.newest(lot.object, [row.id for row in rows], names)
        for row, record, verdict in state.sent.values():
            found = now.get(row.id)
            if found is None or found.id != row.id:
                state.entries.append(
                    self._entry(row, batch, "done", record, reason="gone: deleted right after")
                )
                continue
            lost = _covered(newest.get(row.id, {}), record, verdict)
            if lost:
                reason = f"lost_edit: putting back covered a newer value of {', '.join(lost)}"
                state.entries.append(
                    self._entry(row, batch, "lost_edit", record, before=dict(lost.items()), reason=reason)
                )
            theirs = [n for n, v in verdict.values.items() if found.values.get(n) != v]
            reason = f"changed right after by somebody: {', '.join(theirs)}" if theirs else ""
            ours = {n: found.values.get(n) for n in verdict.values if n not in (*theirs, *verdict.kept)}
            # A stamp proves that nobody wrote since only where nobody had before, either.
            stamp = found.stamp if record.stamp == row.stamp and not theirs else ""
            state.entries.append(
                self._entry(
                    row, batch, "done", record, after={**row.after, **ours}, reason=reason, stamp=stamp
                )
            )
            state.entries += self._kept(row, batch, verdict, found)

    def _kept(self, row: Row, batch: str, verdict: Verdict, found: Held | None) -> list[Entry]:
        """The fields that keep what others wrote, for a verification to know them."""
        if not verdict.kept:
            return []
        values = {name: found.values.get(name) if found else None for name in verdict.kept}
        entry = self._entry(row, batch, "done", None, after=values, reason=verdict.reason)
        return [replace(entry, op="keep")]

    def _entry(
        self, row: Row, batch: str, outcome: str, record: Held | None, *, reason: str = "", stamp: str = "",
        before: dict[str, str | None] | None = None, after: dict[str, str | None] | None = None,
    ) -> Entry:  # fmt: skip
        images = before if before is not None else _image(record) if record else {}
        return Entry(
            self.loading.attempt, batch, self.loading.system, row.object,
            "side" if row.kind == "side" else "record", row.key, row.op or row.action, outcome, row.id,
            before=images, after=after or {}, reason=reason, stamp=stamp,
        )  # fmt: skip


def _image(record: Held) -> dict[str, str | None]:
    return {name: value for name, value in record.values.items() if value is not None}


def _covered(versions: dict[str, list[object]], record: Held, verdict: Verdict) -> dict[str, str | None]:
    """Values that stood under ours though our last look hadn't seen them."""
    lost: dict[str, str | None] = {}
    for name in verdict.values:
        kept = versions.get(name, [])
        ours = next((n for n, each in enumerate(kept) if getattr(each, "who", None) is Who.OURS), None)
        if ours is None or ours + 1 >= len(kept):
            continue
        under = kept[ours + 1]
        value, at = getattr(under, "value", None), str(getattr(under, "at", ""))
        if value != record.values.get(name) and at > record.stamp:
            lost[name] = value
    return lost
