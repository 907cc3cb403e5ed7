"""Artifacts are there whole or not at all, and a changed byte is never read on."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.errors import Damaged, NoSpace
from migrate.storage import FolderStorage, write_aside
from migrate.store import Manifest, PartWriter, Store, generation_folder

SCHEMA = pa.schema([("_id", pa.string()), ("n", pa.int64())])
FOLDER = "source/Account/g0000"


def table(first: int, last: int) -> pa.Table:
    return pa.table({"_id": [f"a{n}" for n in range(first, last)], "n": range(first, last)}, schema=SCHEMA)


def manifest_of(writer: PartWriter, folder: str = FOLDER, **facts: Any) -> Manifest:
    parts = tuple(writer.parts)
    return Manifest(folder, "source", "Account", 0, sum(p.rows for p in parts), parts, {"n": "int"}, facts)


def publish(
    store: Store, rows: int = 25, *, part_rows: int = 10, folder: str = FOLDER, **facts: Any
) -> Manifest:
    with store.writer(folder, SCHEMA, part_rows=part_rows) as writer:
        writer.write(table(0, rows))
    return store.publish(manifest_of(writer, folder, **facts))


def rows(store: Store, manifest: Manifest) -> list[int]:
    return [row for batch in store.read(manifest, ["n"]) for row in batch.column("n").to_pylist()]


def root_of(store: Store) -> Path:
    assert isinstance(store.storage, FolderStorage)
    return store.storage.root


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*.aside")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "stage")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    yield
    monkeypatch.undo()


def test_what_is_published_reads_back_as_it_was_written(store: Store) -> None:
    manifest = publish(store, counted=25)
    assert store.manifest(FOLDER) == manifest
    assert [part.rows for part in manifest.parts] == [10, 10, 5]
    assert [part.name for part in manifest.parts] == [f"part-{n:05d}.parquet" for n in range(3)]
    assert rows(store, manifest) == list(range(25))
    store.verify(manifest)
    assert leftovers(root_of(store)) == []


@settings(max_examples=20, deadline=None)
@given(lots=st.lists(st.integers(0, 7), max_size=6), part_rows=st.integers(1, 6))
def test_no_row_is_lost_doubled_or_moved_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, lots: list[int], part_rows: int
) -> None:
    store, at = Store(tmp_path_factory.mktemp("stage")), 0
    with store.writer(FOLDER, SCHEMA, part_rows=part_rows) as writer:
        for lot in lots:
            writer.write(table(at, at + lot))
            at += lot
    assert rows(store, manifest_of(writer)) == list(range(at))
    assert all(0 < part.rows <= part_rows for part in writer.parts)


def test_until_it_is_published_a_folder_is_nothing(store: Store) -> None:
    with store.writer(FOLDER, SCHEMA) as writer:
        writer.write(table(0, 3))
    assert writer.parts
    assert store.manifest(FOLDER) is None
    assert store.manifests("source", "Account") == []


def test_a_writer_that_fails_leaves_no_half_part(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.writer(FOLDER, SCHEMA) as writer:
        writer.write(table(0, 3))
        raise ZeroDivisionError
    assert list((root_of(store) / FOLDER).iterdir()) == []


def test_a_writer_goes_on_after_the_parts_that_are_there(store: Store) -> None:
    with store.writer(FOLDER, SCHEMA, first=2) as writer:
        writer.write(table(0, 3))
    assert [part.name for part in writer.parts] == ["part-00002.parquet"]


def test_generations_are_listed_in_order_and_deletions_stand_aside(store: Store) -> None:
    for number in (2, 0, 1):
        publish(store, folder=generation_folder("source", "Account", number))
    publish(store, folder=generation_folder("source", "Account", 1) + "-deleted")
    found = [manifest.folder for manifest in store.manifests("source", "Account")]
    assert found == [f"source/Account/g000{number}" for number in range(3)]


@pytest.mark.parametrize("where", [0, 0.3, 0.6, 1])
def test_a_flipped_byte_is_found_and_set_aside_and_the_stage_named(store: Store, where: float) -> None:
    manifest = publish(store)
    path = root_of(store) / FOLDER / manifest.parts[1].name
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 1
    path.write_bytes(bytes(content))

    with pytest.raises(Damaged, match="migrate extract") as caught:
        store.verify(manifest)

    assert caught.value.path == str(path)
    assert not path.exists()
    assert path.with_name(path.name + ".damaged").exists()
    assert store.manifest(FOLDER) is None
    assert store.damaged("source", "Account") == [FOLDER]
    publish(store)
    assert store.damaged("source", "Account") == []


@pytest.mark.parametrize("harm", ["shorter", "absent"])
def test_a_part_that_is_cut_or_gone_is_damaged(store: Store, harm: str) -> None:
    manifest = publish(store)
    path = root_of(store) / FOLDER / manifest.parts[0].name
    if harm == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged):
        store.verify(manifest)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b'"x"', b"{}", b'{"format": 2}', b'{"format": 1, "parts": [1]}']
)
def test_what_is_no_manifest_is_damaged_and_not_absent(store: Store, content: bytes) -> None:
    publish(store)
    (root_of(store) / FOLDER / "manifest.json").write_bytes(content)
    with pytest.raises(Damaged):
        store.manifest(FOLDER)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_named_with_the_path(store: Store) -> None:
    with pytest.raises(NoSpace, match=r"part-00000\.parquet.*No space left"):
        publish(store)
    assert leftovers(root_of(store)) == []


def test_the_former_manifest_holds_when_the_disk_is_full(
    store: Store, request: pytest.FixtureRequest
) -> None:
    former = publish(store, 3)
    request.getfixturevalue("full_disk")
    with pytest.raises(NoSpace, match=r"manifest\.json"):
        store.publish(Manifest(FOLDER, "source", "Account", 0, 0, ()))
    assert store.manifest(FOLDER) == former
    assert leftovers(root_of(store)) == []


def test_a_disk_that_fills_while_rows_are_written_is_no_space(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store.writer(FOLDER, SCHEMA)

    class Full:
        def write_table(self, rows: pa.Table) -> None:  # noqa: ARG002 - as Parquet's writer
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(NoSpace), writer:
        monkeypatch.setattr(writer, "_writer", Full())
        writer.write(table(0, 3))
    assert writer.parts == []


def test_a_workspace_that_is_moved_is_as_whole_as_before(store: Store, tmp_path: Path) -> None:
    manifest = publish(store)
    moved = Store(tmp_path / "elsewhere")
    shutil.move(root_of(store), root_of(moved))
    assert moved.manifest(FOLDER) == manifest
    moved.verify(manifest)
    assert rows(moved, manifest) == list(range(25))
    assert str(tmp_path) not in (root_of(moved) / FOLDER / "manifest.json").read_text()


def test_equal_rows_have_equal_digests_wherever_they_lie(store: Store) -> None:
    other = publish(store, folder="source/Account/g0001")
    assert publish(store).digest() == other.digest()
    assert publish(store, 24).digest() != other.digest()


def test_what_is_discarded_is_nothing_from_the_first_moment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store)

    def killed(self: FolderStorage, under: str = "") -> list[str]:
        raise KeyboardInterrupt  # between the manifest and the parts

    monkeypatch.setattr(FolderStorage, "keys", killed)
    with pytest.raises(KeyboardInterrupt):
        store.discard(FOLDER)
    assert store.manifest(FOLDER) is None
    monkeypatch.undo()
    store.discard(FOLDER)
    store.discard(FOLDER)
    assert not (root_of(store) / FOLDER).exists()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a" / "plan.yaml"
    write_aside(path, b"old")

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_aside(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    write_aside(path, b"new")
    assert path.read_bytes() == b"new"
