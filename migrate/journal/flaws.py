"""What is wrong with a segment, and which records does it tell of that nothing else does?

A damaged segment is asked itself first: its pages bear checksums, so what can be read of it is right. Where
it can't be read, or isn't there, the ledger and the stages answer: the batches of which no whole segment has
an outcome, between the neighbours' times, and the staged rows that they were cut from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.errors import Damaged
from migrate.ledger.batches import rows_from_text
from migrate.ledger.tables import batches

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.journal.chain import Chain, Flaw
    from migrate.store import Store

_COLUMNS = ("kind", "object", "key", "target_id", "left", "right", "op")
SHOWN = 5  # keys that a message names


@dataclass(frozen=True)
class Affected:
    """One record or link of which a damaged segment tells. `id`: as far as other segments know it.

    `told_by`: segment (read from itself), or stage (by the batch that was cut from staged rows).
    """

    segment: str
    kind: str
    object: str
    key: str
    id: str
    told_by: str


@dataclass
class Told:
    """Everything about the records that flaws affect."""

    records: list[Affected] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Records and links, by object."""
        return dict(Counter(each.object for each in self.records))

    def words(self) -> str:
        """One sentence: how many of what, and the first few keys."""
        if not self.records:
            return "It can't be told which records it is about."
        counts = ", ".join(f"{n:,} {name}" for name, n in sorted(self.counts().items()))
        some = ", ".join(f"`{each.key or each.id}`" for each in self.records[:SHOWN])
        more = f" and {len(self.records) - SHOWN:,} more" if len(self.records) > SHOWN else ""
        return f"Affected: {counts} ({some}{more}). `migrate fsck` lists them all."


def affected(chain: Chain, store: Store, flaws: Sequence[Flaw]) -> Told:
    """The records that only these segments tell of, as far as anything tells.

    Args:
        flaws: of this chain, from one `audit`.
    """
    told = Told()
    bad = {flaw.name for flaw in flaws if flaw.kind != "unchained"}
    silent = []
    for flaw in flaws:
        if flaw.name not in bad:
            continue
        rows = _itself(chain, flaw)
        if rows is None:
            silent.append(flaw)
        else:
            told.records += rows
    if silent:
        left = _left_over(chain, silent, bad)
        for name, flaw in left.items():
            rows = _itself(chain, replace(flaw, name=name, kind="", first_seq=0, last_seq=0)) or []
            told.records += [replace(each, segment=flaw.name) for each in rows]
        told.records += _from_stages(chain, store, silent, bad | left.keys())
    named: dict[tuple[str, str, str, str], Affected] = {}
    # What a segment says of a record goes before what a stage says of it, and who knows the id first.
    for each in sorted(told.records, key=lambda each: (each.told_by != "segment", not each.id)):
        link = "" if each.kind == "record" else each.kind
        named.setdefault((each.segment, each.object, each.key or each.id, link), each)
    told.records = sorted(named.values(), key=lambda each: (each.segment, each.object, each.key))
    return told


def _left_over(chain: Chain, flaws: Sequence[Flaw], bad: set[str]) -> dict[str, Flaw]:
    """Segments that a damaged one has taken the place of, and that still lie there: they hold its rows."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: dict[str, Flaw] = {}
    known = chain.digests()
    for name in chain.there():
        if name in bad or name in known:
            continue
        seq = pq.read_table(chain.storage.local(name), columns=["seq"])["seq"]
        for flaw in flaws:
            if len(seq) and flaw.first_seq <= pc.min(seq).as_py() and pc.max(seq).as_py() <= flaw.last_seq:
                found[name] = flaw
    return found


def _itself(chain: Chain, flaw: Flaw) -> list[Affected] | None:
    """What a segment says of itself, where its pages' checksums hold; None where it can't be read."""
    import pyarrow.lib
    import pyarrow.parquet as pq

    if flaw.kind in ("missing", "swapped", "truncated"):
        return None
    try:
        path = chain.storage.local(flaw.name)
        with pq.ParquetFile(path, page_checksum_verification=True) as source:
            table = source.read([*_COLUMNS, "seq"])
        if set(table.column_names) != {*_COLUMNS, "seq"}:
            return None  # its own description is what was changed
    except (OSError, ValueError, pyarrow.lib.ArrowException):
        return None
    seqs = table["seq"].to_pylist()
    if flaw.last_seq and (not seqs or min(seqs) != flaw.first_seq or max(seqs) != flaw.last_seq):
        return None  # whole, and something else than it was
    return [
        Affected(
            flaw.name, row["kind"], row["object"], row["key"] or "",
            row["target_id"] or " ".join(filter(None, (row["left"], row["right"]))), "segment",
        )
        for row in table.select(list(_COLUMNS)).to_pylist()
    ]  # fmt: skip


def _from_stages(chain: Chain, store: Store, flaws: Sequence[Flaw], bad: set[str]) -> list[Affected]:
    """Rows of the batches of which no whole segment has an outcome."""
    heard: set[str] = set()
    spans: list[tuple[int, int, str, str]] = []  # first and last number and time of each whole segment
    for table in _whole(chain, bad, ("seq", "at", "batch", "outcome")):
        heard.update(_outcomes(table))
        seqs, times = table["seq"].to_pylist(), table["at"].to_pylist()
        if seqs:
            spans.append((min(seqs), max(seqs), min(times), max(times)))
    rows = chain.ledger.read(sa.select(batches).order_by(batches.c.intended))
    lost = [row for row in rows if row.id not in heard]
    found: list[Affected] = []
    for flaw in flaws:
        after = max((span[3] for span in spans if flaw.first_seq and span[1] < flaw.first_seq), default="")
        before = min((span[2] for span in spans if flaw.last_seq and span[0] > flaw.last_seq), default="9999")
        for row in lost:
            if row.intended <= before and (row.settled or "9999") >= after:
                found += _rows_of(store, row, flaw.name)
    ids = _ids(chain, bad, {each.key for each in found if not each.id})
    return [replace(each, id=each.id or ids.get(each.key, "")) for each in found]


def _ids(chain: Chain, bad: set[str], keys: set[str]) -> dict[str, str]:
    """Target ids of these keys, as far as whole segments know them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids: dict[str, str] = {}
    for table in _whole(chain, bad, ("key", "target_id")) if keys else ():
        mine = table.filter(pc.is_in(table["key"], pa.array(sorted(keys), pa.string())))
        for key, id in zip(mine["key"].to_pylist(), mine["target_id"].to_pylist(), strict=True):
            ids |= {key: id} if id else {}
    return ids


def _whole(chain: Chain, bad: set[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    for name in sorted(chain.there()):
        if name not in bad:
            yield pq.read_table(chain.storage.local(name), columns=list(columns))


def _outcomes(table: pa.Table) -> Iterable[str]:
    import pyarrow.compute as pc

    return set(table.filter(pc.not_equal(table["outcome"], "intent"))["batch"].to_pylist())


def _rows_of(store: Store, batch: Any, segment: str) -> Iterator[Affected]:
    import pyarrow.parquet as pq

    try:
        path = store.named(batch.stage, batch.part)
        names = set(pq.read_schema(path).names)
        key = next((name for name in ("_key", "key") if name in names), None)
        wanted = [name for name in (key, "id", "_target_id", "left", "right") if name in names]
        table = pq.read_table(path, columns=wanted).take(rows_from_text(batch.rows)).to_pylist()
    except (Damaged, OSError, IndexError):
        yield Affected(segment, "batch", batch.object, f"batch {batch.id}", "", "ledger")
        return
    for row in table:
        ends = " ".join(str(row[name]) for name in ("left", "right") if row.get(name))
        named = (row.get(key) if key else None) or ends
        id = row.get("id") or row.get("_target_id")
        yield Affected(segment, "link" if ends else "record", batch.object, named, id or "", "stage")
