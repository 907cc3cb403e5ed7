"""On S3 a stale process and its successor meet at the same number of the journal, and one of them has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.clock import SystemClock
from migrate.errors import Damaged, LeaseLost, Overtaken
from migrate.journal import Entry, Journal
from migrate.ledger import Lease, Ledger
from migrate.storage.opening import open_s3
from migrate.storage.s3 import S3Storage
from migrate.store import Manifest, Store
from tests.harness.s3 import Prefix, Seaweed

SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture
def prefix(seaweed: Seaweed, tmp_path: Path) -> Prefix:
    return seaweed.prefix(f"journal-{tmp_path.name}")


@pytest.fixture
def storages(prefix: Prefix, tmp_path: Path) -> Iterator[tuple[S3Storage, S3Storage]]:
    """Two machines."""
    both = [
        open_s3(prefix.address, prefix.environment() | {"MIGRATE_CACHE": str(tmp_path / name)})
        for name in ("one", "other")
    ]
    yield both[0], both[1]
    for each in both:
        each.desk.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db", SystemClock())
    yield opened
    opened.close()


def opened(storage: S3Storage, ledger: Ledger) -> Journal:
    journal = Journal(storage.below("journal"), ledger)
    journal.open(Lease.take(ledger, "new", 3600))
    return journal


def put(journal: Journal, key: str) -> None:
    journal.append([Entry(1, "b", "new", "companies", "record", key, "create", "done")])
    with journal.ledger.write() as tx:
        journal.register(tx)


def keys(journal: Journal) -> list[str]:
    return [key for path in journal.files() for key in pq.read_table(path)["key"].to_pylist()]


def seqs(journal: Journal) -> list[int]:
    return [seq for path in journal.files() for seq in pq.read_table(path)["seq"].to_pylist()]


def stale(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asked for its lease just before it was stopped, and puts its segment now."""
    lease = journal._lease
    assert lease is not None
    monkeypatch.setattr(lease, "guard", lambda _: datetime.now().astimezone())


def test_a_late_segment_of_a_stale_process_is_taken_up_by_its_successor(
    storages: tuple[S3Storage, S3Storage], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = opened(storages[0], ledger)
    put(late, "a")
    successor = opened(storages[1], ledger)
    stale(late, monkeypatch)
    late.append([Entry(1, "b", "new", "companies", "record", "late", "create", "done")])
    put(successor, "b")
    assert keys(successor) == ["a", "late", "b"]
    assert seqs(successor) == [1, 2, 3]
    again = opened(storages[0], ledger)  # the chain holds
    assert keys(again) == ["a", "late", "b"]


def test_a_stale_process_that_comes_second_stops_and_overwrites_nothing(
    storages: tuple[S3Storage, S3Storage], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = opened(storages[0], ledger)
    put(late, "a")
    successor = opened(storages[1], ledger)
    put(successor, "b")
    asked: list[float] = []

    def guard(call: float) -> datetime:
        if asked:
            raise LeaseLost("new", "another operator has taken over")
        asked.append(call)
        return datetime.now().astimezone()

    monkeypatch.setattr(late._lease, "guard", guard)
    with pytest.raises(LeaseLost):
        late.append([Entry(1, "b", "new", "companies", "record", "late", "create", "done")])
    assert keys(successor) == ["a", "b"]


def test_small_segments_become_one_and_the_chain_goes_on(
    storages: tuple[S3Storage, S3Storage], ledger: Ledger, prefix: Prefix
) -> None:
    journal = opened(storages[0], ledger)
    wanted = [f"k{number}" for number in range(9)]
    for key in wanted:
        put(journal, key)
    journal.compact()
    put(journal, "last")
    assert keys(journal) == [*wanted, "last"]
    again = opened(storages[1], ledger)
    assert keys(again) == [*wanted, "last"]
    assert prefix.keys("journal/") == ["journal/00001-c000009.parquet", "journal/000010.parquet"]


def test_a_segment_that_is_missing_or_changed_stops_everything(
    storages: tuple[S3Storage, S3Storage], ledger: Ledger, prefix: Prefix
) -> None:
    journal = opened(storages[0], ledger)
    for key in "abc":
        put(journal, key)
    body = prefix.read("journal/000002.parquet")
    prefix.write("journal/000002.parquet", body[:-1] + b"?")
    with pytest.raises(Damaged, match="Restore it from a backup") as changed:
        opened(storages[0], ledger)  # though its own copy is whole
    assert changed.value.path == f"{prefix.address}/journal/000002.parquet"
    prefix.delete("journal/000002.parquet")
    with pytest.raises(Damaged, match="is missing"):
        opened(storages[1], ledger)


# -- stages -----------------------------------------------------------------------------------


def publish(store: Store, first: int) -> Manifest:
    with store.rewriter("ready/Account/g0000", SCHEMA, part_rows=5) as writer:
        writer.write(pa.table({"n": range(first, first + 12)}, schema=SCHEMA))
    parts = tuple(writer.parts)
    return store.replace(Manifest("ready/Account/g0000", "ready", "Account", 0, 12, parts))


def rows(store: Store) -> list[int]:
    [manifest] = store.manifests("ready", "Account")
    return [row for batch in store.read(manifest) for row in batch.column("n").to_pylist()]


def test_a_stage_is_replaced_as_one_and_a_stale_writer_changes_nothing(
    storages: tuple[S3Storage, S3Storage], prefix: Prefix
) -> None:
    one, other = Store(storages[0].below("stage")), Store(storages[1].below("stage"))
    publish(one, 0)
    late = one.rewriter("ready/Account/g0000", SCHEMA, part_rows=5)
    publish(other, 100)
    with late:
        late.write(pa.table({"n": range(7)}, schema=SCHEMA))
    with pytest.raises(Overtaken) as error:
        one.replace(Manifest("ready/Account/g0000", "ready", "Account", 0, 7, tuple(late.parts)))
    assert error.value.exit_code == 4
    assert rows(one) == rows(other) == list(range(100, 112))
    one.verify(one.manifests("ready", "Account")[0])


def test_a_part_that_differs_is_set_aside_and_written_anew(
    storages: tuple[S3Storage, S3Storage], prefix: Prefix
) -> None:
    one, other = Store(storages[0].below("stage")), Store(storages[1].below("stage"))
    manifest = publish(one, 0)
    key = f"stage/ready/Account/g0000/{manifest.parts[1].name}"
    prefix.write(key, prefix.read(key)[:-1] + b"?")
    with pytest.raises(Damaged, match="migrate transform"):
        other.read(manifest).__next__()
        other.files(manifest)
    with pytest.raises(Damaged, match="was damaged and set aside"):
        one.must_be_whole("ready", "Account")
    publish(other, 0)
    one.must_be_whole("ready", "Account")
    assert rows(other) == list(range(12))


def test_a_discarded_stage_leaves_what_another_writer_is_at(
    storages: tuple[S3Storage, S3Storage], prefix: Prefix
) -> None:
    one, other = Store(storages[0].below("stage")), Store(storages[1].below("stage"))
    publish(one, 0)
    with other.writer("ready/Account/g0000", SCHEMA) as writer:
        writer.write(pa.table({"n": range(3)}, schema=SCHEMA))
    one.discard("ready/Account/g0000")
    assert [key.rpartition("/")[2] for key in prefix.tags()] == [writer.parts[0].name]
