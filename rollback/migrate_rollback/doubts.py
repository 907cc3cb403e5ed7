"""What became of the load's batches that nobody saw the end of? Read back, never sent again.

Before anything is undone, it must be known what was done. A batch in doubt waits until its last call can't
land any more; then the target is read, and what is found there is journalled as done, with the
before-image that its intent had made durable. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from migrate.clock import parse_stamp
from migrate.connector import CONSENT, Held, Link, Who
from migrate.held import held
from migrate.journal import Entry
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load import Loading
from migrate_rollback import consent
from migrate_rollback.looking import Look
from migrate_rollback.model import image

PHASES = ("load", "replay", "repair")


def settle(loading: Loading, look: Look) -> int:
    """Settle every batch of the attempt's load that is in doubt; returns how many."""
    open_batches = book.in_doubt(loading.ledger, loading.attempt, PHASES)
    if not open_batches:
        return 0
    last = max(open_batches, key=lambda batch: parse_stamp(batch.deadline))
    loading.wait_landing(last.deadline)
    for number, batch in enumerate(open_batches, 1):
        entries = list(_found(loading, look, batch))
        loading.journal.append(entries)
        with loading.ledger.write(loading.lease) as tx:
            done = sum(entry.outcome == "done" for entry in entries)
            book.settle(tx, batch.id, done=done, refused=0, held=0, state="seen")
            loading.journal.register(tx)
        loading.progress("in doubt", number, len(open_batches))
    return len(open_batches)


def _found(loading: Loading, look: Look, batch: BatchRow) -> Iterator[Entry]:
    if batch.operation in ("link", "unlink"):
        yield from _links(loading, batch)
    elif batch.operation == "create":
        yield from _created(loading, look, batch)
    elif batch.operation in ("adopt", "update"):
        yield from _changed(loading, look, batch)
    elif batch.operation == "delete":
        yield from _deleted(loading, look, batch)
    elif batch.object == CONSENT:
        yield from consent.landed(loading, batch, _told(loading, batch))


def _told(loading: Loading, batch: BatchRow) -> set[str]:
    """Keys whose outcome is in the journal already: killed between the journal and the ledger."""
    rows = loading.workspace.engine.rows(
        f"""SELECT DISTINCT key FROM {loading.journal.source()} WHERE batch = '{batch.id}'
        AND outcome IN ('done', 'refused', 'conflict', 'held')"""
    )
    return {row["key"] for row in rows}


def _staged(loading: Loading, batch: BatchRow) -> dict[str, str]:
    """Key and source version of the batch's rows, as they were staged."""
    import pyarrow.parquet as pq

    path = loading.workspace.store.named(batch.stage, batch.part)
    table = pq.read_table(path, columns=["_key", "_version"]).take(list(batch.rows))
    versions = table["_version"].cast("string").to_pylist()
    return dict(zip(table["_key"].to_pylist(), (text or "" for text in versions), strict=True))


def _created(loading: Loading, look: Look, batch: BatchRow) -> Iterator[Entry]:
    told, staged = _told(loading, batch), _staged(loading, batch)
    keys = [key for key in staged if key not in told]
    for record in (
        loading.target.read_back(batch.object, look.fields(batch.object), keys=keys) if keys else ()
    ):
        yield _entry(loading, batch, record.asked, record.id, after=_image(record))


def _changed(loading: Loading, look: Look, batch: BatchRow) -> Iterator[Entry]:
    """An update is done if the record is as it was sent, or if its history shows our hand since."""
    told = _told(loading, batch)
    rows = _whole(
        row for row in _intents(loading, batch, "record") if row["key"] not in told and row["target_id"]
    )
    if not rows:
        return
    # Of the plan that sent it, not of today's.
    sent_then = {name for row in rows for name in image(row["after"])}
    fields = list(dict.fromkeys([*look.fields(batch.object), *sorted(sent_then)]))
    schema = look.schema(batch.object)
    ids = [row["target_id"] for row in rows]
    records = {r.asked: r for r in loading.target.read_back(batch.object, fields, ids=ids)}
    for row in rows:
        record, before, sent = records.get(row["target_id"]), image(row["before"]), image(row["after"])
        if record is None or not sent:
            continue
        if row["parts"]:  # of an update that went in parts, those that have landed
            sent = {
                name: value for name, value in sent.items() if record.values.get(name) != before.get(name)
            }
        as_held = {n: held(schema[n].held if n in schema else (), value) for n, value in sent.items()}
        if all(record.values.get(name) == before.get(name) for name in sent):
            continue  # not executed, or of no effect: nothing to undo
        if any(record.values.get(name) != value for name, value in as_held.items()) and not _our_hand(
            loading, batch.object, record.id, list(sent), row["stamp"] or ""
        ):
            continue
        # Only fields that the write could have left: a second pass's before-image has no others.
        after = {**{name: value for name, value in _image(record).items() if name in before}, **as_held}
        yield _entry(loading, batch, row["key"], record.id, before=before, after=after)


def _whole(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first intent of each record; `parts`: others follow, each for a part of it."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["key"] in found:
            found[row["key"]]["parts"] = True
        else:
            found[row["key"]] = row | {"parts": False}
    return list(found.values())


def _our_hand(loading: Loading, object: str, id: str, fields: list[str], since: str) -> bool:
    """Whether we have written since; where the target doesn't tell, it counts as ours, and is held later."""
    versions = loading.newest(object, [id], fields)
    if not versions:
        return True
    return any(
        each.who is Who.OURS and each.at > since for kept in versions.get(id, {}).values() for each in kept
    )


def _deleted(loading: Loading, look: Look, batch: BatchRow) -> Iterator[Entry]:
    told, staged = _told(loading, batch), _staged(loading, batch)
    keys = [key for key in staged if key not in told]
    live = (
        {r.asked for r in loading.target.read_back(batch.object, look.fields(batch.object), keys=keys)}
        if keys
        else set()
    )
    for key in keys:
        if key not in live:
            yield _entry(loading, batch, key, None)


def _links(loading: Loading, batch: BatchRow) -> Iterator[Entry]:
    told = _told(loading, batch)
    rows = [row for row in _intents(loading, batch, "link") if row["key"] not in told]
    left, _, right = batch.object.partition(">")
    ids = list(dict.fromkeys(row["left"] for row in rows))
    there = set(loading.target.read_links(left, ids, right)) if ids else set()
    for row in rows:
        present = Link(left, row["left"], right, row["right"], row["label"]) in there
        if present is (batch.operation == "link"):
            yield Entry(
                loading.attempt, batch.id, loading.system, batch.object, "link", row["key"],
                batch.operation, "done", left=row["left"], right=row["right"], label=row["label"],
                was_there=row["was_there"],
                reason="found when the rollback began",
            )  # fmt: skip


def _intents(loading: Loading, batch: BatchRow, kind: str) -> list[dict[str, Any]]:
    return loading.workspace.engine.rows(
        f"""SELECT key, target_id, "left", "right", label, was_there, "before", "after", stamp
        FROM {loading.journal.source()}
        WHERE batch = '{batch.id}' AND outcome = 'intent' AND kind = '{kind}' ORDER BY seq"""
    )


def _entry(
    loading: Loading, batch: BatchRow, key: str, id: str | None, *,
    before: dict[str, str | None] | None = None, after: dict[str, str | None] | None = None,
) -> Entry:  # fmt: skip
    return Entry(
        loading.attempt, batch.id, loading.system, batch.object, "record", key, batch.operation, "done", id,
        before=before or {}, after=after or {}, reason="found when the rollback began",
    )  # fmt: skip


def _image(record: Held) -> dict[str, str | None]:
    return dict(record.values)
