"""Did a delta bring anything at all? Where it didn't, only the watermark moves, and no generation is made.

A watch asks every minute, for days; a generation each time would be thousands of folders that every later
stage reads. Windows overlap, so most rounds read again what the one before has read: a row that equals the
newest one that is there of its id is no news, unless it was told as deleted since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migrate.engine import parquet
from migrate.ledger.tables import cursors, extracts, generations
from migrate.stages.departed import DELETED, MERGED, RETURNED
from migrate.store import Manifest

if TYPE_CHECKING:
    from migrate.workspace import Workspace

# By what a generation tells beside its records, the columns by which it was told before.
SIDES = {DELETED: "_id, _at", MERGED: "_id, survivor", RETURNED: ""}


def brings_nothing(workspace: Workspace, known: Sequence[Manifest], made: Manifest) -> bool:
    """Whether a generation that is written and not yet published holds nothing that the former ones don't.

    Args:
        known: the published generations, oldest first, at least one.
    """
    store = workspace.store
    if any(_tells(workspace, known, made, side, same) for side, same in SIDES.items()):
        return False
    if not made.rows or [part.sha256 for part in made.parts] == [part.sha256 for part in known[-1].parts]:
        return True
    if any(each.schema != made.schema for each in known):
        return False  # fields came or went meanwhile: rows of both kinds can't be told equal
    new = parquet(store.paths(made.folder, made.parts))
    earlier = " UNION ALL ".join(
        f"SELECT *, {each.generation} AS _gen FROM {parquet(files)}"
        for each in known
        if (files := store.files(each))
    )
    if not earlier:
        return False
    # One that was told as deleted since it was read last is there again: that is news, whatever it holds.
    dead = " UNION ALL ".join(
        f"SELECT _id, {each.generation} AS _dead FROM {parquet(files)}"
        for each in known
        if (gone := store.manifest(each.folder + DELETED)) is not None and (files := store.files(gone))
    )
    since = f"""LEFT JOIN (SELECT _id, max(_dead) AS _dead FROM ({dead}) GROUP BY _id) USING (_id)
        WHERE _dead IS NULL OR _dead < _gen""" if dead else ""  # fmt: skip
    news = workspace.engine.rows(
        f"""SELECT 1 FROM (SELECT * FROM {new}
          EXCEPT SELECT * EXCLUDE (_gen{", _dead" if dead else ""}) FROM (
          SELECT * FROM ({earlier}) WHERE _id IN (SELECT _id FROM {new})
          QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _gen DESC) = 1) {since}) LIMIT 1"""
    )
    return not news


def _tells(workspace: Workspace, known: Sequence[Manifest], made: Manifest, side: str, same: str) -> bool:
    """Whether deletions, merges or returns are told that weren't before: overlapping windows tell twice."""
    store = workspace.store
    told = store.manifest(made.folder + side)
    if told is None or not told.rows:
        return False
    former = [
        path
        for each in known
        if (there := store.manifest(each.folder + side)) is not None
        for path in store.files(there)
    ]
    if not same or not former:
        return True
    news = workspace.engine.rows(
        f"SELECT 1 FROM (SELECT {same} FROM {parquet(store.files(told))} "
        # Without its moment a deletion may be another one than the one that was told before.
        f"EXCEPT SELECT {same} FROM {parquet(former)}{' WHERE _at IS NOT NULL' if side == DELETED else ''}) "
        "LIMIT 1"
    )
    return bool(news)


def move_on(workspace: Workspace, last: Manifest, made: Manifest) -> Manifest:
    """Let the newest generation stand for the time of one that brought nothing; that one's traces go.

    A kill in between leaves an older watermark in the ledger, or a folder that the next delta begins anew.
    """
    store = workspace.store
    moved = store.publish(replace(last, facts={**last.facts, "watermark": made.facts["watermark"]}))
    for suffix in ("", *SIDES):
        store.discard(made.folder + suffix)
    with workspace.ledger.write() as tx:
        tx.sql.execute(
            generations.update()
            .where(generations.c.object == last.object, generations.c.number == last.generation)
            .values(watermark=moved.facts["watermark"], manifest=moved.digest())
        )
        tx.sql.execute(cursors.delete().where(cursors.c.folder == made.folder))
        tx.sql.execute(extracts.delete().where(extracts.c.folder == made.folder))
    return moved
