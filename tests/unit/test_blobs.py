"""The blob store: whole or not at all, once for each content, and never passed on damaged."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.blobs import CHUNK, StoredBlobs, read_blob
from migrate.errors import Damaged, NoSpace
from migrate.types import BlobRef


def kept(blobs: StoredBlobs, *chunks: bytes) -> BlobRef:
    with blobs.writer() as out:
        for chunk in chunks:
            out.write(chunk)
        return out.finish()


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=2000), max_size=8))
def test_what_is_written_in_any_chunks_comes_back_under_its_digest(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    blobs, whole = StoredBlobs(tmp_path_factory.mktemp("blobs")), b"".join(chunks)

    ref = kept(blobs, *chunks)

    md5 = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    assert ref == BlobRef(hashlib.sha256(whole).hexdigest(), len(whole), md5)
    assert BlobRef.parse(str(ref)) == ref
    assert b"".join(read_blob(blobs, ref)) == whole


def test_the_same_content_is_kept_once_and_its_path_is_its_digest(tmp_path: Path) -> None:
    blobs = StoredBlobs(tmp_path)

    refs = {kept(blobs, b"same"), kept(blobs, b"sa", b"me")}

    (ref,) = refs
    assert list(blobs.names()) == [(ref.name, 4)]
    assert (tmp_path / ref.name[:2] / ref.name[2:]).read_bytes() == b"same"


def test_a_blob_left_unfinished_leaves_nothing(tmp_path: Path) -> None:
    blobs = StoredBlobs(tmp_path)
    with pytest.raises(RuntimeError, match="broke off"), blobs.writer() as out:
        out.write(b"half")
        raise RuntimeError("broke off")

    assert list(blobs.names()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_process_left_is_cleaned_and_never_taken_for_a_blob(tmp_path: Path) -> None:
    with StoredBlobs(tmp_path).writer() as out:
        out.write(b"half")

        assert list(StoredBlobs(tmp_path).names()) == []
        StoredBlobs(tmp_path).clean()
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1  # somebody may be at it
        StoredBlobs(tmp_path).clean(stale=0)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("damage", [b"", b"changed", b"x" * (3 * CHUNK)])
def test_a_damaged_blob_is_never_given_whole_and_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    blobs, content = StoredBlobs(tmp_path), b"x" * (3 * CHUNK - 1)
    ref = kept(blobs, content)
    (tmp_path / ref.name[:2] / ref.name[2:]).write_bytes(damage)

    passed_on = b""
    with pytest.raises(Damaged, match="set aside"):
        for chunk in read_blob(blobs, ref):
            passed_on += chunk

    assert len(passed_on) < max(len(damage), 1)
    assert not blobs.has(ref.name)
    assert kept(blobs, content) == ref
    assert b"".join(read_blob(blobs, ref)) == content


def test_a_blob_that_is_not_there_is_named(tmp_path: Path) -> None:
    ref = BlobRef("0" * 64, 1, "0" * 32)

    with pytest.raises(Damaged, match="isn't there"):
        list(read_blob(StoredBlobs(tmp_path), ref))


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "0" * 63, "", "ab/" + "0" * 61])
def test_no_name_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(Damaged, match="isn't the name of a blob"):
        StoredBlobs(tmp_path).has(name)


def test_a_full_disk_is_said_and_what_was_kept_before_stays(tmp_path: Path) -> None:
    blobs = StoredBlobs(tmp_path)
    ref = kept(blobs, b"kept")
    (tmp_path / "writing").rmdir()
    (tmp_path / "writing").write_text("no folder can be made here")

    with pytest.raises(NoSpace):
        kept(blobs, b"new")

    assert b"".join(read_blob(blobs, ref)) == b"kept"


def test_many_threads_that_keep_the_same_content_keep_it_once(tmp_path: Path) -> None:
    blobs, refs = StoredBlobs(tmp_path), set()
    threads = [threading.Thread(target=lambda: refs.add(kept(blobs, b"a" * 100_000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (ref,) = refs
    assert list(blobs.names()) == [(ref.name, 100_000)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "0" * 64,
        "sha256:" + "0" * 64 + ":-1:" + "0" * 32,
        "sha256:" + "0" * 64 + ":01:" + "0" * 32,
        "x",
    ],
)
def test_what_is_no_reference_is_not_taken_for_one(text: str) -> None:
    assert BlobRef.parse(text) is None
