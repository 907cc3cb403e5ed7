"""How does a no get into the target before the person does? One batch of opt-outs through the protocol.

What the target keeps of the addresses is read and journalled first; then those that aren't opted out yet are,
and all are read back by address: what isn't there then isn't done. Nothing here can opt anybody in, so a call
in doubt may land late, or twice. What is done is known by key from the journal; what the target refused is
tried again by every load, and until it is done the records whose address it is are not created.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.connector import ALL, CONSENT, BatchRefused, KeepsConsent, OptOut, Stated
from migrate.engine import parquet, text
from migrate.errors import InDoubt, UsageError
from migrate.journal import OPTED_OUT, Entry
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load.context import Loading, Tally
from migrate.load.sending import TRIES
from migrate.load.work import batch_name
from migrate.store import Manifest

if TYPE_CHECKING:
    from migrate.load.homes import Away
    from migrate.workspace import Workspace

OP = "opt_out"
ADDRESSES = "addresses"  # the artifact's name
LOT = 100  # opt-outs in a batch; a call takes as many as the target does
Kept = dict[tuple[str, str, str], Stated]  # by channel, address and subscription type
OPEN = "consent_open"  # the engine's table of migration keys whose opt-out isn't in the target


@dataclass(frozen=True)
class ConsentItem:
    """One staged row: an address, and what it is to be opted out of. `at`: since when, as text."""

    row: int
    key: str
    opt_out: OptOut
    at: str


@dataclass(frozen=True)
class ConsentWork:
    """One batch of opt-outs. `doubt`: an intent was found; its calls may have been executed."""

    batch: BatchRow
    items: tuple[ConsentItem, ...]
    doubt: bool = False


@dataclass
class _Sent:
    done: set[str] = field(default_factory=set)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)


def done_in(journal: str, attempt: int) -> str:
    """A query of the keys whose opt-out was seen in the target in an attempt."""
    return f"SELECT key FROM ({OPTED_OUT.format(journal=journal)}) WHERE attempt = {attempt}"


def consent_left(
    workspace: Workspace, attempt: int, *, sample: bool = False, away: Away | None = None
) -> int:
    """How many staged opt-outs weren't seen in the target yet, as far as the journal knows.

    Args:
        sample: only those of the keys in the engine's table `sample`, and of whoever is at home in the
            target. away: who that is.
    """
    total, done = 0, done_in(workspace.journal.source(), attempt)
    where = f" AND {_bounded(away)}" if sample else ""
    for manifest in workspace.store.manifests(CONSENT, ADDRESSES):
        if files := workspace.store.files(manifest):
            total += int(
                workspace.engine.rows(
                    f"SELECT count(*) AS n FROM {parquet(files)} WHERE _key NOT IN ({done}){where}"
                )[0]["n"]
            )
    return total


def _bounded(away: Away | None) -> str:
    """A condition on a staged opt-out: somebody whose it is may be written now, or is at home in the target.

    Other changes of these are conflicts. A no isn't: whoever says it is heard, in whichever system they do.
    """
    keys = "string_split(keys, ' ')"
    mine = f"coalesce(list_has_any({keys}, (SELECT list(key) FROM sample)), false)"
    if away is None:
        return mine
    listed = f"(SELECT coalesce(list(key), []) FROM {away.table})"
    there = f"NOT list_has_all({listed}, {keys})" if away.others else f"list_has_any({listed}, {keys})"
    return f"({mine} OR {there})"


def open_table(loading: Loading) -> None:
    """(Re)make the table `consent_open`, and let no record of it be created."""
    store, engine = loading.workspace.store, loading.workspace.engine
    staged = " UNION ALL ".join(
        f"SELECT _key, keys FROM read_parquet([{', '.join(map(text, store.files(each)))}])"
        for each in manifests(loading)
        if each.parts
    )
    none = "SELECT ''::VARCHAR AS _key, ''::VARCHAR AS keys WHERE false"
    done = done_in(loading.journal.source(), loading.attempt)
    engine.run(
        f"""CREATE OR REPLACE TABLE {OPEN} AS
        SELECT DISTINCT unnest(string_split(keys, ' ')) AS key FROM ({staged or none})
        WHERE _key NOT IN ({done})"""
    )
    loading.withheld = OPEN


def manifests(loading: Loading) -> list[Manifest]:
    """Staged generations, oldest first."""
    return loading.workspace.store.manifests(CONSENT, ADDRESSES)


class ConsentCutter:
    """Cuts the staged addresses into batches."""

    def __init__(self, loading: Loading, *, sample: bool = False) -> None:
        """Args:
        sample: only addresses of the keys in the engine's table `sample`, and of whoever is at home in the
            target.
        """
        self.loading, self.sample = loading, sample

    def in_doubt(self) -> Iterator[ConsentWork]:
        """Batches that a former process left open."""
        stages = {manifest.folder: manifest for manifest in manifests(self.loading)}
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, ("load", "replay")):
            if manifest := stages.get(row.stage):
                items = {item.row: item for item in self._items(manifest, row.part, whole=True)}
                yield ConsentWork(row, tuple(items[n] for n in row.rows), doubt=True)

    def pending(self) -> Iterator[ConsentWork]:
        """Batches over everything that isn't done, what was refused before included."""
        for manifest in manifests(self.loading):
            for part in manifest.parts:
                lot: list[ConsentItem] = []
                for item in self._items(manifest, part.name):
                    lot.append(item)
                    if len(lot) == LOT:
                        yield self._work(manifest, part.name, lot)
                        lot = []
                if lot:
                    yield self._work(manifest, part.name, lot)

    def left(self) -> int:
        """How many rows are still to be done."""
        loading = self.loading
        return consent_left(loading.workspace, loading.attempt, sample=self.sample, away=loading.away)

    def _items(self, manifest: Manifest, part: str, *, whole: bool = False) -> Iterator[ConsentItem]:
        path = self.loading.workspace.store.path(manifest, part)
        done = done_in(self.loading.journal.source(), self.loading.attempt)
        where = "true" if whole else f"_key NOT IN ({done})"
        if self.sample and not whole:
            where += f" AND {_bounded(self.loading.away)}"
        reader = self.loading.workspace.engine.stream(
            f"""SELECT * FROM read_parquet({text(str(path))}, file_row_number=true)
            WHERE {where} ORDER BY file_row_number"""
        )
        for batch in reader:
            for row in batch.to_pylist():
                said = [row["explanation"], f"opted out {row['since']}" if row["since"] else None]
                opt_out = OptOut(
                    row["address"], row["channel"], row["subscription"], row["legal_basis"],
                    "; ".join(part for part in said if part) or None,
                )  # fmt: skip
                yield ConsentItem(row["file_row_number"], row["_key"], opt_out, row["since"] or "")

    def _work(self, manifest: Manifest, part: str, items: list[ConsentItem]) -> ConsentWork:
        rows = tuple(item.row for item in items)
        # What was refused is tried again with the same rows: what was journalled since tells them apart.
        again = f"{OP}@{self.loading.journal.last_seq}"
        payload = json.dumps([item.key for item in items])
        batch = BatchRow(
            batch_name(self.loading.attempt, manifest.folder, part, rows, again),
            self.loading.attempt,
            self.loading.system,
            self.loading.phase,
            manifest.folder,
            part,
            rows,
            CONSENT,
            OP,
            hashlib.sha256(payload.encode()).hexdigest(),
            stamp(self.loading.clock.now()),
        )
        return ConsentWork(batch, tuple(items))


class ConsentProtocol:
    """Carries batches of opt-outs. Thread safe.

    Raises:
        UsageError: the target keeps none by address.
    """

    def __init__(self, loading: Loading) -> None:
        if not isinstance(loading.target, KeepsConsent):
            raise UsageError(
                f"`{loading.system}` keeps no opt-outs by address.",
                "Run `migrate check`: the plan can't be sound.",
            )
        self.loading, self.target = loading, loading.target

    def run(self, work: ConsentWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        with self.loading.batch(work.batch):
            entries = self._opt_out(work)
            self.loading.settle(work.batch, entries, tally)
        there = sum(entry.outcome == "done" and bool(entry.was_there) for entry in entries)
        tally[OP] -= there
        tally["unchanged"] += there
        tally["_rows"] = len(work.items)
        return tally

    def _opt_out(self, work: ConsentWork) -> list[Entry]:
        now = self._read(work.items)
        before = self._journalled(work) if work.doubt else {}
        there = {
            item.key: before[item.key] if item.key in before else is_out(item.opt_out, now)
            for item in work.items
        }
        self.loading.journal.append(
            self._entry(work, item, "intent", was_there=there[item.key], stood=kept(item.opt_out, now))
            for item in work.items
            if item.key not in before
        )
        sent = _Sent(done={item.key for item in work.items if is_out(item.opt_out, now)})
        self._send_all(work.items, sent)
        entries = []
        for item in work.items:
            if item.key in sent.done:
                entries.append(self._entry(work, item, "done", was_there=there[item.key]))
            else:
                code, reason = sent.refused.get(item.key, ("gone", "not opted out when read back"))
                reason = f"{code}: {reason}" if code else reason
                entries.append(self._entry(work, item, "refused", was_there=False, reason=reason))
        return entries

    def _send_all(self, items: Sequence[ConsentItem], sent: _Sent) -> None:
        """Send until every item is opted out or refused; only what is read back counts as done."""
        for number in range(TRIES):
            left = [item for item in items if item.key not in sent.done and item.key not in sent.refused]
            if not left:
                return
            if number:
                self.loading.pause(2.0**number)
            answered: set[str] = set()
            for lot in lots(left, max(1, self.target.opt_outs)):
                try:
                    answered |= self._send(lot, sent)
                except InDoubt:
                    self.loading.doubted()
            now = self._read(left)
            sent.done |= {item.key for item in left if is_out(item.opt_out, now)}
            # What was answered as done and isn't there on the second look is refused, whatever was said.
            if number:
                gone = ("gone", "not opted out when read back")
                sent.refused |= dict.fromkeys(answered - sent.done, gone)
        left = [item for item in items if item.key not in sent.done and item.key not in sent.refused]
        if left and not sent.done:
            raise InDoubt(self.loading.system, f"{len(left)} opt-outs after {TRIES} tries")
        unanswered = ("unanswered", "the target never answers this opt-out")
        sent.refused |= dict.fromkeys((item.key for item in left), unanswered)

    def _send(self, lot: list[ConsentItem], sent: _Sent) -> set[str]:
        """One call; keys that it answered as done. A refused lot is halved until the bad one stands alone."""
        try:
            outcomes = self.target.opt_out([item.opt_out for item in lot])
        except BatchRefused as error:
            if len(lot) == 1:
                sent.refused[lot[0].key] = (error.code, error.reason)
                return set()
            middle = len(lot) // 2
            return self._send(lot[:middle], sent) | self._send(lot[middle:], sent)
        answered = set()
        for outcome in outcomes:
            key = lot[outcome.index].key
            if outcome.status == "done":
                answered.add(key)
            elif outcome.status in ("refused", "conflict"):
                sent.refused[key] = (outcome.code, outcome.reason)
        return answered

    def _read(self, items: Sequence[ConsentItem]) -> Kept:
        found: Kept = {}
        channels: dict[str, list[str]] = {}
        for item in items:
            channels.setdefault(item.opt_out.channel, []).append(item.opt_out.address)
        for channel, addresses in channels.items():
            for each in self.target.read_consent(channel, list(dict.fromkeys(addresses))):
                found[channel, each.address, each.subscription] = each
        return found

    def _journalled(self, work: ConsentWork) -> dict[str, bool]:
        """Whether each was opted out before this batch was first sent, as a former process found it."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, was_there FROM {self.loading.journal.source()}
            WHERE batch = {text(work.batch.id)} AND outcome = 'intent' AND kind = '{CONSENT}'"""
        )
        return {row["key"]: bool(row["was_there"]) for row in rows}

    def _entry(
        self,
        work: ConsentWork,
        item: ConsentItem,
        outcome: str,
        *,
        was_there: bool,
        stood: dict[str, str | None] | None = None,
        reason: str = "",
    ) -> Entry:
        one = item.opt_out
        after = {"legal_basis": one.legal_basis, "explanation": one.explanation, "at": item.at or None}
        return Entry(
            self.loading.attempt, work.batch.id, self.loading.system, CONSENT, CONSENT, item.key, OP, outcome,
            left=one.address, right=one.channel, label=one.subscription, was_there=was_there,
            before=stood or {}, after={name: value for name, value in after.items() if value}, reason=reason,
        )  # fmt: skip


def is_out(wanted: OptOut, now: Kept) -> bool:
    """Whether an address is opted out of this, or of everything."""
    places = ((wanted.channel, wanted.address, each) for each in (ALL, wanted.subscription))
    return any(place in now and now[place].out for place in places)


def kept(wanted: OptOut, now: Kept) -> dict[str, str | None]:
    """What stood there before, for the journal: of everything, and of the type."""
    found: dict[str, str | None] = {}
    for each in dict.fromkeys((ALL, wanted.subscription)):
        stated = now.get((wanted.channel, wanted.address, each))
        for name, value in (stated.values if stated else {}).items():
            found[f"{each}.{name}"] = value
    return found


def lots(items: Sequence[ConsentItem], most: int) -> Iterator[list[ConsentItem]]:
    """Calls' worth of opt-outs: of one channel, and either all of everything or all of types."""
    groups: dict[tuple[str, bool], list[ConsentItem]] = {}
    for item in items:
        groups.setdefault((item.opt_out.channel, item.opt_out.subscription == ALL), []).append(item)
    for group in groups.values():
        for first in range(0, len(group), most):
            yield group[first : first + most]
