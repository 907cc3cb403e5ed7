"""What is one piece of a load's work? Ready rows as items, their batch, and what is known of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migrate.journal import CROSSWALK, share_count, shares
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading
from migrate.plan.models import ObjectPlan

if TYPE_CHECKING:
    from migrate.workspace import Workspace

ERASED = "1970-01-01T00:00:00.000000Z"  # the version of a row whose person was erased: it is never sent
STAYS = "stays"  # nothing to send: its record is at home in the target
NONE = "none"  # nothing to send: a tombstone of what was never loaded, or an older version


@dataclass(frozen=True)
class Known:
    """What the crosswalk says of a key."""

    id: str
    origin: str  # create | adopt
    after: dict[str, str | None]
    version: str
    stamp: str
    before: dict[str, str | None] = field(default_factory=dict)  # of an adoption
    adopted: str = ""  # the target's stamp just before an adoption


@dataclass(frozen=True)
class Item:
    """One ready row. `values`: wire values of the target's fields, nulls included.

    `waits`: fields whose record isn't in the target; the row can't load without it.
    """

    row: int
    key: str
    version: str
    id: str | None
    values: dict[str, str | None]
    known: Known | None
    waits: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordWork:
    """One batch of records. `doubt`: an intent was found; its calls may have been executed.

    `by_job`: it goes as a job of the vendor's.
    """

    batch: BatchRow
    plan: ObjectPlan
    operation: str
    items: tuple[Item, ...]
    doubt: bool = False
    by_job: bool = False


def crosswalk(workspace: Workspace) -> None:
    """(Re)make the engine's table `crosswalk` from the journal.

    Without the after-images, which hold every body that was ever written: they stay in the journal, by
    `told_seq` (see `Staged.images`).
    """
    engine, begin = workspace.engine, "CREATE OR REPLACE TABLE crosswalk AS"
    journal = workspace.journal.source()
    for share in shares(share_count(engine, journal)):
        part = CROSSWALK.format(journal=f"(SELECT * FROM {journal} WHERE {share})")
        engine.run(f'{begin} SELECT * EXCLUDE ("after") FROM ({part})')
        begin = "INSERT INTO crosswalk"


def crosswalk_table(loading: Loading) -> None:
    """The same, of a load's workspace."""
    crosswalk(loading.workspace)


def batch_name(attempt: int, stage: str, part: str, rows: Sequence[int], operation: str) -> str:
    """A batch's name: same attempt, part, rows and operation, same name."""
    text = json.dumps([attempt, stage, part, book.rows_to_text(rows), operation])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def digest_of(items: Sequence[Item]) -> str:
    """Digest of what a batch is to write."""
    text = json.dumps([[item.key, item.id, item.values] for item in items], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def image(pairs: Any) -> dict[str, str | None]:
    """A journal's map value as a dict."""
    return dict(pairs or ())
