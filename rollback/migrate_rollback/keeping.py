"""Which rows need no second load after a rollback of a part? Those whose records and links still stand.

A rollback opens the next attempt, for which nothing is done yet. Where all is undone, that is so. Where a
part stays, its rows are entered as done in the next attempt, so that nobody's edit since is met again. To be
loaded again are the rows of every record that the rollback had to do with, undone or held; of what the target
refused; of batches of which nobody knows whether they landed; and of records and links that lead to one that
has gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import sqlalchemy as sa

from migrate.engine import text
from migrate.journal import REFUSED
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.ledger.tables import batches
from migrate.load import Loading
from migrate.load.later import LATER, READY
from migrate_rollback import attempts
from migrate_rollback.attempts import Chosen
from migrate_rollback.deeds import WITH_REFERENCE

LINKS = "links/"
KEPT = "keep"  # as a batch's operation: nothing was sent


def rows(loading: Loading, chosen: Chosen) -> list[BatchRow]:
    """What stays done, one batch a part. Needs the tables of `deeds`, made after the last pass."""
    if not chosen.scope.partial and chosen.point.name == attempts.first(loading.ledger).name:
        return []
    _again(loading)
    found = loading.ledger.read(
        sa.select(batches.c.stage, batches.c.part, sa.func.max(batches.c.object).label("object"))
        .where(
            batches.c.attempt == chosen.number, batches.c.state == "settled",
            batches.c.phase.not_in(["rollback", "replay"]),
        )
        .group_by(batches.c.stage, batches.c.part)
    )  # fmt: skip
    return [
        _batch(loading, chosen.number + 1, row.stage, row.part, row.object, kept)
        for row in found
        if (kept := _kept(loading, chosen.number, row.stage, row.part))
    ]


def _again(loading: Loading) -> None:
    """Make `undo_again` (keys of records) and `undo_links_again` (names of links): to be loaded again."""
    refused = REFUSED.format(journal=loading.journal.source())
    loading.workspace.engine.run(
        f"""CREATE OR REPLACE TABLE undo_again AS
        SELECT DISTINCT key FROM undo_journal WHERE kind = 'record' AND due
        UNION SELECT key FROM ({refused}) WHERE kind = 'record'
        UNION SELECT key FROM undo_refs
        UNION SELECT key FROM {loading.journal.source()} WHERE batch = {text(WITH_REFERENCE)}"""
    )
    loading.workspace.engine.run(
        f"""CREATE OR REPLACE TABLE undo_links_again AS
        SELECT DISTINCT key FROM undo_journal WHERE kind = 'link' AND due
        UNION SELECT key FROM ({refused}) WHERE kind = 'link'"""
    )


def _kept(loading: Loading, attempt: int, stage: str, part: str) -> set[int]:
    """Rows of a part that are done and needn't be done again."""
    done = book.rows_done(loading.ledger, attempt, stage, part, settled=True)
    return done - set(_open(loading, stage, part)) if stage.startswith((READY, LATER, LINKS)) else set()


def _open(loading: Loading, stage: str, part: str) -> Iterator[int]:
    """Rows of a part that are to be loaded again."""
    folder = READY + stage.removeprefix(LATER) if stage.startswith(LATER) else stage
    path = loading.workspace.store.named(folder, part)
    again = "_key IN (SELECT key FROM undo_again)"
    if stage.startswith(LINKS):
        # One whose other end has gone went with it.
        again = """"left" || '>' || "right" || '>' || label IN (SELECT key FROM undo_links_again)
            OR "left" IN (SELECT key FROM undo_created) OR "right" IN (SELECT key FROM undo_created)"""
    for row in loading.workspace.engine.rows(
        f"""SELECT file_row_number AS row FROM read_parquet({text(str(path))}, file_row_number = true)
        WHERE {again}"""
    ):
        yield int(row["row"])


def _batch(loading: Loading, attempt: int, stage: str, part: str, object: str, kept: set[int]) -> BatchRow:
    numbers = tuple(sorted(kept))
    name = hashlib.sha256(f"{attempt} {stage} {part}".encode()).hexdigest()[:20]
    return BatchRow(
        f"kept-{name}", attempt, loading.system, "load", stage, part, numbers, object, KEPT, "",
        "",
    )  # fmt: skip
