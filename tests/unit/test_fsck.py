"""Whatever is changed, cut, swapped or taken away is named, with the records that it was about."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from migrate_rollback import plan as plan_rollback
from migrate_rollback import verify

from migrate.engine import Engine
from migrate.errors import Damaged, JournalDamaged
from migrate.journal import segments as segments_module
from migrate.ledger.tables import events
from migrate.stages.care.fsck import FOLDER, Looked, fsck
from migrate.workspace import COPY
from tests.unit.care_case import flip, made, segments
from tests.unit.two_systems import Move


@pytest.fixture
def move(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Loaded; its segments stay as they were written."""
    monkeypatch.setattr(segments_module, "COMPACT_BYTES", 0)
    move = made(tmp_path / "w", engine)
    move.move()
    return move


def look(move: Move, *, deep: bool = False) -> Looked:
    return fsck(move.workspace, deep=deep)


def kinds(found: Looked) -> list[tuple[str, str]]:
    return [(each.part, each.kind) for each in found.findings]


def with_keys(move: Move, prefix: str) -> Path:
    """A segment that holds outcomes of records whose keys begin so."""
    for path in segments(move):
        rows = pq.read_table(path).to_pylist()
        if any(row["key"].startswith(prefix) and row["outcome"] == "done" for row in rows):
            return path
    raise AssertionError("no such segment")


def affected(path: Path) -> set[str]:
    return {row["key"] for row in pq.read_table(path).to_pylist() if row["kind"] == "record"}


def in_column(path: Path, name: str) -> int:
    """An offset within the pages of a column."""
    group = pq.read_metadata(path).row_group(0)
    index = pq.read_schema(path).names.index(name)
    leaf = next(n for n in range(group.num_columns) if group.column(n).path_in_schema.split(".")[0] == name)
    column = group.column(leaf)
    assert index >= 0
    return int(column.data_page_offset + column.total_compressed_size // 2)


def test_a_whole_workspace_is_whole_and_the_look_changes_nothing(move: Move) -> None:
    before = {path: path.read_bytes() for path in (move.root / ".migrate").rglob("*.parquet")}
    for deep in (False, True):
        found = look(move, deep=deep)
        assert (found.findings, found.records) == ([], {})
        assert found.looked["segments"] == len(segments(move))
        assert found.looked["parts"] >= 8
    assert before == {path: path.read_bytes() for path in (move.root / ".migrate").rglob("*.parquet")}


@pytest.mark.parametrize("column", ["before", "after", "key", "seq"])
def test_a_flipped_byte_in_a_segment_is_named_with_its_records_and_nothing_is_written_on_it(
    move: Move, column: str
) -> None:
    path = with_keys(move, "src.Account.")
    keys = affected(path)
    flip(path, lambda _: in_column(path, column))

    found = look(move)

    assert kinds(found) == [("journal", "altered")]
    assert found.findings[0].place == str(path)
    assert found.records == {"companies": len(keys)}
    rows = move.artifact(FOLDER)
    assert {row["key"] for row in rows} == keys
    live = {record.values.get("migration_key"): record.id for record in move.target.records.values()}
    if column != "key":  # else only this segment knew the ids
        assert all(row["id"] == live[row["key"]] for row in rows if row["told_by"] == "segment")
    calls = move.target.calls
    for refused in (
        move.roll_back,
        move.load,
        lambda: plan_rollback(move.workspace),
        lambda: verify(move.workspace),
    ):
        with pytest.raises(JournalDamaged) as caught:
            refused()
        assert path.name in str(caught.value)
        assert f"{len(keys)} companies" in str(caught.value)
        assert sorted(keys)[0] in str(caught.value)
        assert "Restore it from a backup" in str(caught.value)
    assert move.target.calls == calls


@pytest.mark.parametrize("again", [False, True], ids=["beside what it replaced", "alone"])
def test_a_compacted_segment_is_looked_at_alike(tmp_path: Path, engine: Engine, again: bool) -> None:
    move = made(tmp_path / "w", engine)
    move.move()
    [path] = segments(move)
    if again:
        move.load()  # the segments that it replaced are gone now
    flip(path, lambda content: content.index(b"PAR1", 4) - 9)  # in its own description
    found = look(move)
    assert ("journal", "altered") in kinds(found)
    rows = move.artifact(FOLDER)
    assert {row["key"] for row in rows} >= {f"src.Contact.C{n}" for n in range(6)}
    assert found.records["companies"] == 6
    assert again or all(row["id"] for row in rows if row["kind"] == "record")
    with pytest.raises(JournalDamaged, match="6 companies"):
        move.roll_back()


def test_a_missing_segment_is_named_with_the_records_that_were_staged_for_it(move: Move) -> None:
    path = with_keys(move, "src.Contact.")
    keys = affected(path)
    path.unlink()

    found = look(move)

    assert ("journal", "missing") in kinds(found)
    assert {row["key"] for row in move.artifact(FOLDER)} >= keys
    with pytest.raises(JournalDamaged, match="is missing"):
        move.roll_back()


def test_a_segment_that_is_cut_short_or_swapped_says_so(move: Move) -> None:
    first, second = segments(move)[:2]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    assert {(each.part, each.kind) for each in look(move).findings} == {("journal", "swapped")}
    assert any(second.name in each.what for each in look(move).findings)

    first.write_bytes(a)
    second.write_bytes(b[:-40])
    assert kinds(look(move)) == [("journal", "truncated")]


def test_a_foreign_segment_is_named(move: Move) -> None:
    last = segments(move)[-1]
    table = pq.read_table(last)
    metadata = {b"format": b"1", b"previous": b"f" * 64, b"epoch": b"1"}
    pq.write_table(table.replace_schema_metadata(metadata), last.with_name("00009-000999.parquet"))
    assert ("journal", "unchained") in kinds(look(move))


def test_parts_manifests_catalogs_and_baselines_are_looked_at(move: Move) -> None:
    state = move.root / ".migrate"
    part = next((state / "stage" / "ready" / "Account").rglob("part-*.parquet"))
    whole = part.read_bytes()
    flip(part, lambda content: len(content) // 2)
    assert look(move).findings == []  # its size is as it was
    assert kinds(look(move, deep=True)) == [("stage", "altered")]
    part.write_bytes(whole + b"x")
    [found] = look(move).findings
    assert (found.kind, found.rows, found.place) == ("truncated", 6, str(part))
    part.unlink()
    assert [each.what for each in look(move).findings] == ["is missing, though the manifest names it"]
    part.write_bytes(whole)

    extra = part.with_name("part-00077.parquet")
    extra.write_bytes(whole)
    [found] = look(move).findings
    assert (found.kind, found.counts) == ("additional", False)
    extra.unlink()

    catalog = next((state / "catalog").glob("new-*.json"))
    kept = catalog.read_text()
    catalog.write_text(kept.replace('"companies"', '"accounts"', 1))
    assert [each.part for each in look(move).findings] == ["catalog"]
    catalog.write_text(kept)

    manifest = next((state / "stage" / "baseline").rglob("companies/manifest.json"))
    manifest.unlink()
    assert ("checkpoint", "missing") in kinds(look(move))


def test_a_trail_that_was_edited_is_found(move: Move) -> None:
    ledger = move.workspace.ledger
    with ledger.write() as tx:
        tx.event("ada", "first", n=1)
        tx.event("ada", "second", n=2)
    assert look(move).findings == []
    with ledger.write() as tx:
        facts = json.dumps({"n": 3})
        tx.sql.execute(events.update().where(events.c.what == "first").values(facts=facts))
    assert kinds(look(move)) == [("ledger", "altered")]
    with ledger.write() as tx:
        tx.sql.execute(sa.delete(events).where(events.c.what == "first"))
    assert kinds(look(move)) == [("ledger", "altered")]


def test_the_ledgers_copy_is_compared_with_it(move: Move) -> None:
    copy = move.root / ".migrate" / COPY
    whole = copy.read_text()
    copy.write_text(whole.replace('"before-load-1"', '"before-load-7"'))
    [found] = look(move).findings
    assert (found.part, found.kind, found.place) == ("ledger", "stale", str(copy))
    assert "checkpoints" in found.what
    copy.unlink()
    assert look(move).findings == []  # whoever opens the ledger writes it
    copy.write_text("{")
    assert kinds(look(move)) == [("ledger", "unreadable")]


def test_a_ledger_that_cannot_be_read_names_what_brings_it_back(move: Move) -> None:
    place = move.root / ".migrate" / "ledger.db"
    for name in ("ledger.db-wal", "ledger.db-shm"):
        place.with_name(name).unlink(missing_ok=True)
    place.write_bytes(b"nothing that a database would begin with" * 200)
    with pytest.raises(Damaged, match="migrate rebuild"):
        look(move)
