"""Who did what in a cutover, and has anybody touched the record of it?

The trail is the ledger's table of events: each carries the digest of the one before it, so that no event can
be altered or taken out of the middle unseen. A tail that was cut shows by the heads that are kept elsewhere:
beside the data (`HEAD`, written after each commit, and the ledger's copy, written before it), with each piece
of evidence (`note`), inside later events, and wherever a person has written one down. Whoever holds the whole
workspace can make all of these anew; a key signature that covers a head can't be.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp, stamp
from migrate.cutover.states import MOVES, State
from migrate.ledger import Ledger, copies
from migrate.ledger.cutovers import MOVED
from migrate.ledger.database import Transaction, event_digest
from migrate.ledger.leases import this_process
from migrate.ledger.tables import events as table
from migrate.workspace import COPY, TRAIL, Workspace

UNREADABLE = "unreadable"  # in place of a head
PURGED = "purge"  # a purge takes a person out of the trail too, and so makes every later digest anew


@dataclass(frozen=True)
class Event:
    """One entry of the trail. `at`: a stamp (UTC); `facts`: JSON's types, `cohort` and `evidence` among
    them."""

    number: int
    at: str
    who: str
    what: str
    facts: Mapping[str, Any] = field(hash=False)
    previous: str
    digest: str

    @property
    def cohort(self) -> str:
        """The cohort that it is about; "" where it is about all."""
        return str(self.facts.get("cohort", ""))

    @property
    def evidence(self) -> str:
        """Digest of the evidence that it rests on; "" where there is none."""
        return str(self.facts.get("evidence", ""))


def actor(named: str | None = None) -> str:
    """Who acts: the person named by `--as`, else the user of this process at this host."""
    return named or f"{this_process().holder}@{socket.gethostname()}"


def append(
    ledger: Ledger, who: str, what: str, *, cohort: str = "", evidence: str = "", **facts: Any
) -> Event:
    """Append an event, in a transaction of its own.

    Args:
        evidence: digest of what it rests on.
        facts: JSON's types, and stamps as text; no secret, no value of a record.
    """
    with ledger.write() as tx:
        return put(tx, who, what, cohort=cohort, evidence=evidence, **facts)


def put(tx: Transaction, who: str, what: str, *, cohort: str = "", evidence: str = "", **facts: Any) -> Event:
    """Append an event within a transaction."""
    if cohort:
        facts["cohort"] = cohort
    if evidence:
        facts["evidence"] = evidence
    tx.event(who, what, **facts)
    newest = sa.select(table).order_by(table.c.number.desc()).limit(1)
    return _event(tx.sql.execute(newest).one())


def events(
    ledger: Ledger, what: str | Collection[str] | None = None, cohort: str | None = None
) -> list[Event]:
    """Events, oldest first; of one kind or several, of one cohort."""
    found = (_event(row) for row in ledger.read(_query(what)))
    return [each for each in found if cohort is None or each.cohort == cohort]


def within(
    tx: Transaction, what: str | Collection[str] | None = None, cohort: str | None = None
) -> list[Event]:
    """As `events`, as a transaction sees them."""
    found = (_event(row) for row in tx.sql.execute(_query(what)))
    return [each for each in found if cohort is None or each.cohort == cohort]


def _query(what: str | Collection[str] | None) -> sa.Select[Any]:
    query = sa.select(table).order_by(table.c.number)
    if what is None:
        return query
    return query.where(table.c.what.in_([what] if isinstance(what, str) else list(what)))


def _event(row: Any) -> Event:
    return Event(row.number, row.at, row.who, row.what, json.loads(row.facts), row.previous, row.digest)


def head(ledger: Ledger) -> str:
    """The digest of the newest event; "" before the first."""
    newest = sa.select(table.c.digest).order_by(table.c.number.desc()).limit(1)
    return str(ledger.value(newest) or "")


def head_within(tx: Transaction) -> str:
    """As `head`, as a transaction sees it."""
    newest = sa.select(table.c.digest).order_by(table.c.number.desc()).limit(1)
    return str(tx.sql.execute(newest).scalar() or "")


def note(workspace: Workspace, folder: str) -> str:
    """Keep the head with evidence that is made now, as `<folder>/trail-head.json`; returns it.

    Args:
        folder: key of a folder of the workspace's storage: `reports/…`, `cutover/…`.
    """
    newest = head(workspace.ledger)
    content = json.dumps({"digest": newest, "at": stamp(workspace.clock.now())}).encode()
    workspace.storage.write(f"{folder}/{TRAIL}", content)
    return newest


# -- verification ---------------------------------------------------------------------------------


def verify(workspace: Workspace, heads: Collection[str] = ()) -> list[str]:
    """Look for tampering: every event against its digest and the one before it, then every head kept
    elsewhere.

    Args:
        heads: digests that people noted.

    Returns:
        Flaws in words; none is good.
    """
    flaws, known, purge = [], {""}, ""
    previous = ""
    for row in workspace.ledger.read(_query(None)):
        at = f"event {row.number} (`{row.what}` by {row.who}, {row.at})"
        if row.previous != previous:
            flaws.append(f"{at} doesn't follow the one before it: an event was taken out, put in or altered.")
        if event_digest(row.previous, row.at, row.who, row.what, row.facts) != row.digest:
            flaws.append(f"{at} isn't as it was recorded: its digest differs.")
        previous = row.digest
        known.add(row.digest)
        if row.what == PURGED:
            purge = row.at
    for row in workspace.ledger.read(_query(None)):
        covered = _covered(row.facts)
        if covered is not None and covered not in known and row.at > purge:
            flaws.append(
                f"event {row.number} (`{row.what}` by {row.who}) covers a trail whose head {covered[:12]} is "
                "not there: what stood before it was made anew."
            )
    flaws += _strayed(workspace.ledger)
    flaws += [
        f"{place} keeps the head {digest[:12]}, which is not in the trail: its tail was cut."
        for place, digest in _kept(workspace, purge)
        if digest not in known
    ]
    flaws += [
        f"The head {each[:12]} that was noted is not in the trail: its tail was cut, or it is another trail."
        for each in heads
        if not _names(each, known)
    ]
    return flaws


def _strayed(ledger: Ledger) -> Iterator[str]:
    """Moves that the design's graph doesn't have: nobody but a hand in the ledger makes them."""
    states: dict[str, State] = {}
    for each in events(ledger, MOVED):
        state = states.get(each.cohort, "planned")
        came_from, to = each.facts["from"], each.facts["to"]
        if came_from != state or to not in MOVES[state]:
            yield (
                f"event {each.number} (by {each.who}, {each.at}) takes the cohort `{each.cohort}` from "
                f"{came_from} to {to}; it was {state}, and no such move leads on from there."
            )
        states[each.cohort] = to


def _names(head: str, known: Collection[str]) -> bool:
    """Whether a noted head, whole or its first 12 characters or more, is one of these."""
    return len(head) >= 12 and any(each.startswith(head) for each in known)


def _covered(facts: str) -> str | None:
    found = json.loads(facts).get("head")
    return found if isinstance(found, str) else None


def _kept(workspace: Workspace, purge: str) -> Iterator[tuple[str, str]]:
    """Heads that are kept elsewhere: (where, digest).

    Args:
        purge: when a person was purged last: heads that were noted before it are of a trail that is no more.
    """
    storage = workspace.storage
    keys = [TRAIL] if storage.has(TRAIL) else []
    for folder in ("reports", "cutover"):
        keys += [key for key in storage.keys(folder) if key.endswith(f"/{TRAIL}")]
    for key in keys:
        place = storage.address(key)
        try:
            found = json.loads(storage.read(key)[0])
            kept, at = (found["digest"], *found.get("before", ())), str(found.get("at", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            yield place, UNREADABLE
            continue
        if key == TRAIL or at > purge:
            for digest in kept:
                yield place, digest
    if storage.has(COPY):
        place = storage.address(COPY)
        try:
            yield from _copied(place, storage.read(COPY)[0])
        except (ValueError, KeyError, TypeError):
            yield place, UNREADABLE


def _copied(place: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Heads of the ledger's copy. It is written before its transaction's commit: a process that was killed in
    between leaves one whose newest events, all of one instant, never came to be."""
    document = copies.read(content)
    part = document["tables"].get(table.name)
    if not part:
        return
    at, digest = part["columns"].index("at"), part["columns"].index("digest")
    sure = [row for row in part["rows"] if parse_stamp(row[at]) < parse_stamp(document["at"])]
    if sure:
        yield place, sure[-1][digest]
