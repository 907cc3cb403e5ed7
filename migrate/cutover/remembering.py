"""How does the next cutover know what this one brought home? The way in's journal learns of it.

Records that were born in the new system have an old one by now. Without a word of that, the next extract
would bring these as new, and the new system would hold everybody twice. They count as made by us from then
on: their home is the old system, and a rollback takes the copy away. And what people changed in the new
system has come home, so it is nobody's edit any more that a delta would have to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from migrate.cutover.reverse_plan import BackEntry
from migrate.cutover.reverse_side import Side
from migrate.cutover.reverse_told import DELIVER
from migrate.engine import text
from migrate.journal import CROSSWALK, Entry
from migrate.load import Loading
from migrate.load.work import image
from migrate.plan.keys import key_of
from migrate.plan.needs import written_fields

BATCH = "came-back"
LOT = 500


def remember_born(side: Side) -> int:
    """The same of those that were born in the new system alone, while they are at home there.

    Needs the engine's table `ids`. May be run again.

    Raises:
        As `remember`.
    """
    return _write(side, _born)


def remember(side: Side) -> int:
    """Write down in the way in's journal which old records the new ones have now; how many entries.

    Needs the engine's tables `ids`, `found` and `came` (`returned.judged`). May be run again.

    Raises:
        LeaseHeld: another operator writes to the new system.
        Parked, SystemRefused: the new system.
    """
    return _write(side, _lots)


def _write(side: Side, lots: Callable[[Side, BackEntry], Iterator[list[dict[str, Any]]]]) -> int:
    forward, written = side.forward, 0
    with (
        closing(forward.target()) as target,
        Loading(forward, target, forward.guarded(), forward.ledger.attempt()) as loading,
    ):
        for each in side.entries:
            for lot in lots(side, each):
                entries = list(_entries(side, loading, each, lot))
                written += len(entries)
                if entries:
                    loading.journal.append(entries)
                    with loading.ledger.write(loading.lease) as tx:
                        loading.journal.register(tx)
    return written


def _lots(side: Side, each: BackEntry) -> Iterator[list[dict[str, Any]]]:
    """Records of an entry that came back: `id` (new), `key` (of the way in, null for new ones), `old_id`, and
    the old fields that were brought back."""
    query = f"""SELECT i.id, i.key, coalesce(c.target_id, i.old_id) AS old_id,
          coalesce(list(f.field) FILTER (f.fate = '{DELIVER}'), []) AS fields
        FROM ids AS i JOIN came AS c ON c.key = i.rkey LEFT JOIN found AS f ON f.rkey = i.rkey
        WHERE i.entry = {text(each.name)} GROUP BY ALL
        HAVING i.key IS NULL OR count(*) FILTER (f.fate = '{DELIVER}') > 0 ORDER BY i.id"""
    for batch in side.workspace.engine.stream(query, rows=LOT):
        yield batch.to_pylist()


def _born(side: Side, each: BackEntry) -> Iterator[list[dict[str, Any]]]:
    """Records of an entry that only the way back's journal knows."""
    query = f"""SELECT id, key, old_id, []::VARCHAR[] AS fields FROM ids
        WHERE entry = {text(each.name)} AND key IS NULL ORDER BY id"""
    for batch in side.workspace.engine.stream(query, rows=LOT):
        yield batch.to_pylist()


def _entries(side: Side, loading: Loading, each: BackEntry, lot: Sequence[dict[str, Any]]) -> Iterator[Entry]:
    forward = side.forward
    plan = next(one for one in forward.plan.model.objects if one.name == each.forward)
    names = written_fields(plan)
    there = {r.asked: r for r in loading.target.read_back(each.object, names, ids=[row["id"] for row in lot])}
    keys = {row["id"]: row["key"] or key_of(side.source.family, each.forward, row["old_id"]) for row in lot}
    known = _known(side, list(keys.values()))
    back = {field.name: field.inputs for field in each.fields}
    for row in lot:
        record, key = there.get(row["id"]), keys[row["id"]]
        if record is None:
            continue
        former, op = known.get(key), "adopt"
        if former is None:
            op = "create"
            after = {name: record.values.get(name) for name in names}
        else:
            changed = {name for field in row["fields"] for name in back.get(field, ())}
            after = former | {name: record.values.get(name) for name in changed if name in names}
            if after == former:
                continue
        yield Entry(
            loading.attempt, BATCH, loading.system, each.object, "record", key, op, "done", record.id,
            before=after if op == "adopt" else {}, after=after, stamp=record.stamp,
            reason="it came back to the old system",
        )  # fmt: skip


def _known(side: Side, keys: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """How the way in left these records, by key."""
    if not keys:
        return {}
    forward = side.forward
    listed = ", ".join(map(text, keys))
    journal = f"(SELECT * FROM {forward.journal.source()} WHERE key IN ({listed}))"
    rows = forward.engine.rows(f'SELECT key, "after" FROM ({CROSSWALK.format(journal=journal)})')
    return {row["key"]: image(row["after"]) for row in rows}
