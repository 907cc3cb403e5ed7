"""What was appended is on disk, once, in order; and a journal that lacks something says so."""

from __future__ import annotations

import errno
import os
import random
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from migrate.engine import Engine
from migrate.errors import Damaged, LeaseLost, NoSpace
from migrate.journal import CROSSWALK, LINKS, REFUSED, Entry, Journal
from migrate.journal import segments as module
from migrate.ledger import Lease, Ledger
from migrate.ledger.tables import segments
from migrate.storage import folder as folder_module
from tests.unit.bench import HandClock


class Killed(BaseException):
    """As if the process had been killed there."""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", HandClock())


def opened(ledger: Ledger) -> Journal:
    """The journal as a new process opens it."""
    journal = Journal(Path(ledger.backend.name).parent / "journal", ledger)
    journal.open(Lease.take(ledger, "new", 3600))
    return journal


def root(journal: Journal) -> Path:
    return Path(journal.storage.address())


def entry(key: str, op: str = "create", outcome: str = "done", **more: Any) -> Entry:
    facts = {"attempt": 1, "batch": "b", "system": "new", "object": "companies", "kind": "record", **more}
    return Entry(key=key, op=op, outcome=outcome, **facts)


def put(journal: Journal, *keys: str, register: bool = True) -> None:
    journal.append([entry(key) for key in keys])
    if register:
        with journal.ledger.write() as tx:
            journal.register(tx)


def keys(journal: Journal) -> list[str]:
    return [key for path in journal.files() for key in pq.read_table(path)["key"].to_pylist()]


def seqs(journal: Journal) -> list[int]:
    return [seq for path in journal.files() for seq in pq.read_table(path)["seq"].to_pylist()]


# -- appending --------------------------------------------------------------------------------


def test_what_append_returned_from_is_on_disk_with_everything_in_it(ledger: Ledger) -> None:
    journal = opened(ledger)
    journal.append([entry("k", target_id="1", before={"a": None, "b": "ü\n'"}, after={}, was_there=True)])
    [row] = pq.read_table(journal.files()[0]).to_pylist()
    assert (row["seq"], row["epoch"], row["key"], row["target_id"], row["was_there"]) == (
        1,
        1,
        "k",
        "1",
        True,
    )
    assert row["before"] == [("a", None), ("b", "ü\n'")]
    assert row["after"] == []
    assert journal.last_seq == 1


def test_threads_that_wait_together_share_a_segment_and_lose_nothing(ledger: Ledger) -> None:
    journal = opened(ledger)
    journal.workers = 8

    def work(number: int) -> None:
        for turn in range(5):
            put(journal, f"{number}.{turn}.a", f"{number}.{turn}.b", register=False)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = keys(journal)
    assert sorted(found) == sorted(f"{n}.{t}.{x}" for n in range(8) for t in range(5) for x in "ab")
    assert seqs(journal) == list(range(1, 81))
    assert len(journal.files()) < 30  # 40 appends
    assert all(found[found.index(f"{n}.{t}.a") + 1] == f"{n}.{t}.b" for n in range(8) for t in range(5))


def test_a_single_one_does_not_wait_for_workers_that_have_nothing_to_say(ledger: Ledger) -> None:
    journal = opened(ledger)
    journal.workers = 4
    put(journal, "k")
    assert keys(journal) == ["k"]


def test_a_full_disk_reaches_every_thread_and_nothing_of_it_is_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(ledger)
    put(journal, "before")
    journal.workers = 3
    errors: list[BaseException] = []

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def work(number: int) -> None:
        try:
            put(journal, f"lost {number}", register=False)
        except NoSpace as error:
            errors.append(error)

    monkeypatch.setattr(os, "fsync", full)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    monkeypatch.undo()
    assert len(errors) == 3
    journal.workers = 1
    put(journal, "after")
    assert (keys(journal), seqs(journal)) == (["before", "after"], [1, 2])
    assert list(root(journal).glob(".*")) == []
    opened(ledger)


def test_a_stale_process_appends_nothing(ledger: Ledger) -> None:
    stale = opened(ledger)
    fresh = opened(ledger)
    with pytest.raises(LeaseLost):
        put(stale, "stale")
    put(fresh, "fresh")
    assert keys(fresh) == ["fresh"]


def test_an_interrupted_append_does_not_hold_up_the_next(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(ledger)

    def killed(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        put(journal, "k")
    monkeypatch.undo()
    put(journal, "k2")
    assert keys(journal) == ["k2"]


# -- the chain --------------------------------------------------------------------------------


def test_a_new_process_goes_on_where_the_last_one_ended(ledger: Ledger) -> None:
    put(opened(ledger), "a", "b")
    put(opened(ledger), "c", register=False)  # killed before the ledger knew of it
    journal = opened(ledger)
    put(journal, "d")
    assert (keys(journal), seqs(journal)) == (["a", "b", "c", "d"], [1, 2, 3, 4])
    rows = ledger.read(sa.select(segments).order_by(segments.c.first_seq))
    assert [row.rows for row in rows] == [2, 1, 1]
    assert [row.previous for row in rows] == ["", rows[0].sha256, rows[1].sha256]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_segment_that_is_missing_or_changed_stops_everything(
    ledger: Ledger, number: int, harm: str
) -> None:
    journal = opened(ledger)
    for key in "abcd":
        put(journal, key, register=key != "c")  # 'c' comes into the ledger with 'd'
    path = Path(journal.files()[number])
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.unlink() if harm == "gone" else path.write_bytes(bytes(content))
    with pytest.raises(Damaged, match="Restore it from a backup") as caught:
        opened(ledger)
    assert caught.value.path == str(path)


def test_a_segment_that_the_ledger_never_knew_is_missed_by_the_one_after_it(ledger: Ledger) -> None:
    journal = opened(ledger)
    for key in "abc":
        put(journal, key, register=False)
    Path(journal.files()[1]).unlink()
    with pytest.raises(Damaged, match="follows a segment that is missing"):
        opened(ledger)


def test_half_a_segment_that_a_crash_left_is_nothing(ledger: Ledger) -> None:
    journal = opened(ledger)
    put(journal, "a")
    (root(journal) / ".00001-000002.parquet.aside").write_bytes(b"half")
    again = opened(ledger)
    put(again, "b")
    assert keys(again) == ["a", "b"]


def test_an_empty_journal_has_the_shape_of_a_full_one(ledger: Ledger, engine: Engine) -> None:
    journal = opened(ledger)
    empty = engine.stream(f"SELECT * FROM {journal.source()}").schema
    put(journal, "a")
    full = engine.stream(f"SELECT * FROM {journal.source()}").schema
    assert empty.equals(full)


# -- compaction -------------------------------------------------------------------------------


def filled(ledger: Ledger, segments: int = 9) -> tuple[Journal, list[str]]:
    journal = opened(ledger)
    wanted = [f"k{number}" for number in range(segments)]
    for key in wanted:
        put(journal, key)
    return journal, wanted


def test_small_segments_become_one_and_the_chain_goes_on(ledger: Ledger) -> None:
    journal, wanted = filled(ledger)
    journal.compact()
    assert len(journal.files()) == 1
    for turn in range(2):
        for number in range(9):
            put(journal, f"{turn}.{number}")
            wanted.append(f"{turn}.{number}")
        again = opened(ledger)
        assert (keys(again), seqs(again)) == (wanted, list(range(1, len(wanted) + 1)))
        journal = again
        journal.compact()
        assert keys(journal) == wanted
    assert len(journal.files()) == 1
    put(opened(ledger), "last")
    assert keys(opened(ledger)) == [*wanted, "last"]


def test_a_reader_that_began_before_a_compaction_reads_on(ledger: Ledger) -> None:
    journal, wanted = filled(ledger)
    before = Journal(root(journal), ledger).source()
    journal.compact()
    with Engine(folders=[root(journal)]) as engine:
        assert [row["key"] for row in engine.rows(f"SELECT key FROM {before} ORDER BY seq")] == wanted


def test_a_few_segments_are_left_alone(ledger: Ledger) -> None:
    journal, _ = filled(ledger, 7)
    journal.compact()
    assert len(journal.files()) == 7


def test_full_segments_stay_and_the_small_ones_after_them_are_joined(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, wanted = filled(ledger)
    journal.append([entry("long", reason=random.Random(1).randbytes(100_000).hex())])  # noqa: S311 - bulk
    wanted.append("long")
    journal.compact()
    [full] = journal.files()
    monkeypatch.setattr(module, "COMPACT_BYTES", int(Path(full).stat().st_size * 1.5))
    for number in range(20):
        put(journal, f"more{number}")
        wanted.append(f"more{number}")
        journal.compact()
        assert keys(journal) == wanted
        assert journal.files()[0] == full
    assert len(journal.files()) < 20
    assert keys(opened(ledger)) == wanted


STEPS = [
    "written",
    "renamed",
    "before the ledger",
    "in the ledger",
    "after the ledger",
    "first unlink",
    "third unlink",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_compaction_killed_anywhere_neither_loses_nor_doubles(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    journal, wanted = filled(ledger)
    with monkeypatch.context() as patch:
        _kill(patch, journal, step)
        with pytest.raises(Killed):
            journal.compact()
            opened(ledger)  # which drops what was replaced
    assert sorted(keys(Journal(root(journal), ledger))) == sorted(wanted)  # a reader, before anyone mends
    again = opened(ledger)
    assert (keys(again), seqs(again)) == (wanted, list(range(1, 10)))
    put(again, "next")
    again.compact()
    assert keys(again) == [*wanted, "next"]
    assert keys(opened(ledger)) == [*wanted, "next"]
    assert len(ledger.read(sa.select(segments))) == len(again.files()) == len(list(root(again).iterdir()))


def _kill(patch: pytest.MonkeyPatch, journal: Journal, step: str) -> None:
    """Raise at a step of `compact`, as a kill would."""
    ledger, unlink, flush, write = journal.ledger, Path.unlink, os.fsync, journal.ledger.write
    unlinked: list[Path] = []

    def at_flush(handle: int) -> None:
        flush(handle)
        raise Killed

    def at_folder(folder: Path) -> None:
        raise Killed

    def at_write(*_: Any, **__: Any) -> Any:
        raise Killed

    def in_write(*given: Any) -> Any:
        class Open:
            def __enter__(self) -> Any:
                self.real = write(*given)
                tx = self.real.__enter__()
                patch.setattr(tx, "put", at_write)
                return tx

            def __exit__(self, *error: Any) -> Any:
                return self.real.__exit__(*error)

        return Open()

    def at_unlink(path: Path, missing_ok: bool = False) -> None:
        if len(unlinked) == {"after the ledger": 0, "first unlink": 1, "third unlink": 3}[step]:
            raise Killed
        unlinked.append(path)
        unlink(path, missing_ok)

    match step:
        case "written":
            patch.setattr(os, "fsync", at_flush)
        case "renamed":
            patch.setattr(folder_module, "flush_folder", at_folder)
        case "before the ledger":
            patch.setattr(ledger, "write", at_write)
        case "in the ledger":
            patch.setattr(ledger, "write", in_write)
        case _:
            patch.setattr(Path, "unlink", at_unlink)


# -- what follows from it ---------------------------------------------------------------------


def view(journal: Journal, engine: Engine, query: str, order: str = "key") -> list[dict[str, Any]]:
    return engine.rows(f"SELECT * FROM ({query.format(journal=journal.source())}) ORDER BY {order}")


def test_the_crosswalk_knows_what_is_in_the_target_because_of_us(ledger: Ledger, engine: Engine) -> None:
    journal = opened(ledger)
    journal.append([
        entry("made", target_id="1", after={"n": "a"}, version="v1", stamp="s1"),
        entry("adopted", "adopt", target_id="2", before={"n": "theirs"}, after={"n": "ours"}, version="v1"),
        entry("refused", outcome="refused", reason="INVALID_EMAIL: bad"),
        entry("deleted", target_id="3"),
        entry("restored", "adopt", target_id="4"),
        entry("intended", "update", "intent", target_id="9"),
    ])  # fmt: skip
    journal.append([
        entry("made", "update", target_id="1", before={"n": "a"}, after={"n": "b"}, version="v2", stamp="s2"),
        entry("made", "update", "held", target_id="1", reason="changed: n"),
        entry("made", "update", "lost_edit", target_id="1", before={"n": "x"}),
        entry("deleted", "delete", target_id="3"),
        entry("restored", "restore", target_id="4"),
    ])  # fmt: skip
    found = {row["key"]: row for row in view(journal, engine, CROSSWALK)}
    assert set(found) == {"made", "adopted"}
    made, adopted = found["made"], found["adopted"]
    assert (made["target_id"], made["origin"], made["version"], made["stamp"]) == ("1", "create", "v2", "s2")
    assert (made["after"], made["before"]) == ([("n", "b")], [])
    assert (adopted["origin"], adopted["before"], adopted["after"]) == (
        "adopt",
        [("n", "theirs")],
        [("n", "ours")],
    )


def test_what_is_made_again_after_it_ended_is_there_anew(ledger: Ledger, engine: Engine) -> None:
    journal = opened(ledger)
    journal.append([entry("k", target_id="1", attempt=1), entry("k", "delete", target_id="1", attempt=1)])
    journal.append([entry("k", "adopt", target_id="2", attempt=2, after={"n": "a"})])
    [row] = view(journal, engine, CROSSWALK)
    assert (row["target_id"], row["origin"], row["attempt"], row["first_seq"]) == ("2", "adopt", 2, 3)


def test_a_link_is_ours_until_it_is_undone(ledger: Ledger, engine: Engine) -> None:
    def link(right: str, op: str = "link", outcome: str = "done", *, was_there: bool = False) -> Entry:
        return entry(f"k>{right}>primary", op, outcome, kind="link", object="contacts>companies", left="1",
                     right=right, label="primary", was_there=was_there)  # fmt: skip

    journal = opened(ledger)
    journal.append([link("2"), link("3"), link("4", was_there=True), link("5", outcome="refused")])
    journal.append([link("3", "unlink", was_there=True), link("6", outcome="intent")])
    found = {row["right"]: row["was_there"] for row in view(journal, engine, LINKS)}
    assert found == {"2": False, "4": True}
    journal.append([link("3")])
    assert {row["right"] for row in view(journal, engine, LINKS)} == {"2", "3", "4"}


def test_a_dead_letter_is_what_nothing_later_has_mended(ledger: Ledger, engine: Engine) -> None:
    journal = opened(ledger)
    journal.append([
        entry("open", outcome="refused", reason="A: a"),
        entry("mended", outcome="refused", reason="A: a"),
        entry("worse", target_id="1"),
        entry("open", outcome="intent"),
        entry("1>2>primary", "link", "refused", kind="link", reason="B: b"),
        entry("kept", "unlink", "kept", kind="link"),
    ])  # fmt: skip
    journal.append([entry("mended", target_id="2"), entry("worse", "update", "held", reason="changed: n")])
    found = {
        row["key"]: (row["kind"], row["outcome"], row["reason"]) for row in view(journal, engine, REFUSED)
    }
    assert found == {
        "open": ("record", "refused", "A: a"),
        "worse": ("record", "held", "changed: n"),
        "1>2>primary": ("link", "refused", "B: b"),
    }
