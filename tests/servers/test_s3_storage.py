"""On S3 an object is there whole or not at all, goes to one writer, and is compared when it is read."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import botocore.auth
import pytest

from migrate.blobs import StoredBlobs, read_blob
from migrate.errors import Damaged, Parked, SystemRefused, UsageError
from migrate.storage import NEW, Taken
from migrate.storage import s3 as module
from migrate.storage.opening import open_s3
from migrate.storage.s3 import S3Storage
from migrate.types import BlobRef
from tests.harness.proxy import Fault, Proxy
from tests.harness.s3 import READER, SECRET, Prefix, Seaweed

NUMBERS = itertools.count()


@pytest.fixture
def prefix(seaweed: Seaweed) -> Prefix:
    return seaweed.prefix(f"storage-{next(NUMBERS)}")


@pytest.fixture(scope="module")
def proxy(seaweed: Seaweed) -> Iterator[Proxy]:
    with Proxy(seaweed.endpoint) as between:
        yield between


@pytest.fixture
def opened(prefix: Prefix, proxy: Proxy, tmp_path: Path) -> Iterator[S3Storage]:
    """As a process opens it, through the proxy."""
    proxy.order()
    storage = process(prefix, tmp_path, proxy.endpoint)
    yield storage
    storage.desk.close()


def process(prefix: Prefix, cache: Path, endpoint: str = "", **more: str) -> S3Storage:
    """Another process of the same user."""
    settings = {"MIGRATE_CACHE": str(cache / "cache"), "MIGRATE_S3_PATIENCE": "2", **more}
    return open_s3(prefix.address, prefix.environment(endpoint) | settings)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(storage: S3Storage, key: str, content: bytes, over: str = "*") -> None:
    aside = storage.aside(key)
    aside.write_bytes(content)
    storage.keep(key, aside, sha(content), over)


# -- one writer -------------------------------------------------------------------------------


@pytest.mark.long
def test_the_server_keeps_the_conditions_of_a_put(opened: S3Storage, prefix: Prefix) -> None:
    opened.prove()
    assert prefix.keys() == []


def test_a_new_key_goes_to_one_of_many_writers(opened: S3Storage, prefix: Prefix) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        try:
            opened.write("journal/000001", str(number).encode(), NEW)
        except Taken:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [prefix.read("journal/000001")] == [str(number).encode() for number in won]


def test_a_manifest_takes_the_place_only_of_the_one_that_its_writer_knew(opened: S3Storage) -> None:
    first = opened.write("m", b"1", NEW)
    second = opened.write("m", b"2", first)
    with pytest.raises(Taken):
        opened.write("m", b"3", first)
    assert opened.read("m") == (b"2", second)
    opened.remove(["m"])
    with pytest.raises(Taken):
        opened.write("m", b"3", second)
    assert opened.tag("m") == NEW


def test_a_store_that_ignores_conditions_is_no_workspace(opened: S3Storage) -> None:
    client = opened.calls.client
    # As one that has never heard of the header: it doesn't arrive.
    client.meta.events.register("before-sign.s3.PutObject", _forget)
    with pytest.raises(SystemRefused, match="ignores the condition"):
        opened.prove()


def _forget(request: object, **_: object) -> None:
    headers = request.headers  # type: ignore[attr-defined]
    for name in ("If-None-Match", "If-Match"):
        del headers[name]


# -- whole or not at all ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_what_is_kept_reads_back(opened: S3Storage, size: int) -> None:
    content = os.urandom(size)
    keep(opened, "a/b.bin", content)
    assert opened.local("a/b.bin", sha(content)).read_bytes() == content
    found = opened.find("a/b.bin")
    assert found is not None
    assert (found.bytes, found.sha256) == (size, sha(content))
    with opened.open("a/b.bin") as stream:
        assert stream.read() == content


def test_a_large_file_goes_up_in_pieces(
    opened: S3Storage, prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "LARGE", 6 << 20)
    monkeypatch.setattr(module, "PIECE", 5 << 20)
    content = os.urandom((11 << 20) + 7)
    keep(opened, "large", content, NEW)
    with pytest.raises(Taken):
        keep(opened, "large", content + b"!", NEW)
    assert prefix.read("large") == content
    assert prefix.uploads() == []
    other = process(prefix, tmp_path / "other")
    assert other.local("large", sha(content)).read_bytes() == content
    found = other.find("large")
    assert found is not None
    assert found.sha256 == sha(content)
    other.desk.close()


def test_a_piece_that_fails_for_good_leaves_nothing(
    opened: S3Storage, prefix: Prefix, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE", 6 << 20)
    monkeypatch.setattr(module, "PIECE", 5 << 20)
    proxy.order(Fault("PUT .*partNumber=2", "refuse", -1))
    with pytest.raises(Parked):
        keep(opened, "large", bytes(11 << 20))
    assert (prefix.keys(), prefix.uploads()) == ([], [])


def test_a_put_that_fails_midway_leaves_nothing_and_is_tried_again(
    opened: S3Storage, prefix: Prefix, proxy: Proxy
) -> None:
    content = os.urandom(300_000)
    proxy.order(Fault("PUT ", "half", -1))
    with pytest.raises(Parked, match="can't reach it"):
        keep(opened, "part", content)
    assert prefix.keys() == []
    proxy.order(Fault("PUT ", "half", 2))
    keep(opened, "part", content)
    assert prefix.read("part") == content
    assert proxy.faults[0].hits == 2


def test_a_put_whose_answer_is_lost_knows_its_own_work(
    opened: S3Storage, prefix: Prefix, proxy: Proxy
) -> None:
    proxy.order(Fault("PUT ", "lost"))
    tag = opened.write("journal/000007", b"ours", NEW)
    assert proxy.faults[0].hits == 1
    proxy.order(Fault("PUT ", "lost"))
    assert opened.write("journal/000007", b"next", tag) == opened.tag("journal/000007")
    assert prefix.read("journal/000007") == b"next"


def test_a_put_whose_answer_is_lost_takes_nothing_of_others_for_its_own(
    opened: S3Storage, prefix: Prefix, proxy: Proxy
) -> None:
    prefix.write("journal/000007", b"theirs")
    proxy.order(Fault("PUT ", "refuse", 1))  # a 503 may have been carried out
    with pytest.raises(Taken):
        opened.write("journal/000007", b"ours", NEW)
    assert prefix.read("journal/000007") == b"theirs"


def test_an_upload_that_a_killed_process_left_is_ended_the_next_day(
    opened: S3Storage, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.calls("create_multipart_upload", opened._full("blobs/ab/c"))
    opened.clean()
    assert len(prefix.uploads()) == 1  # it may be somebody's work under way
    monkeypatch.setattr(module, "ABANDONED", timedelta(seconds=-1))
    opened.clean()
    assert prefix.uploads() == []


# -- away and back ----------------------------------------------------------------------------


def test_a_storm_of_503_is_weathered(opened: S3Storage, prefix: Prefix, proxy: Proxy) -> None:
    proxy.order(Fault(".", "refuse", 3))
    opened.write("a", b"1", NEW)
    assert prefix.read("a") == b"1"
    assert proxy.faults[0].hits == 3


def test_a_storm_that_does_not_end_parks_the_work(opened: S3Storage, prefix: Prefix, proxy: Proxy) -> None:
    opened.tag("a")
    proxy.order(Fault(".", "refuse", -1))
    with pytest.raises(Parked) as parked:
        opened.write("a", b"1", NEW)
    assert parked.value.exit_code == 3
    words = str(parked.value)
    assert words.startswith(f"`{prefix.address}`: S3 answers 503 SlowDown to put_object, asked ")
    assert "The work is parked; nothing is lost." in words
    assert prefix.keys() == []


def test_a_server_that_is_not_there_is_told_soon(prefix: Prefix, tmp_path: Path) -> None:
    storage = process(prefix, tmp_path, "http://127.0.0.1:1", MIGRATE_S3_PATIENCE="1")
    with pytest.raises(Parked, match="can't reach it"):
        storage.tag("a")
    storage.desk.close()


# -- refusals ---------------------------------------------------------------------------------


def refused(prefix: Prefix, cache: Path, **environment: str) -> str:
    """What the first call says."""
    storage = process(prefix, cache, **environment)
    try:
        with pytest.raises(SystemRefused) as error:
            storage.write("a", b"1", NEW)
    finally:
        storage.desk.close()
    assert error.value.exit_code == 3
    assert SECRET not in str(error.value)
    return str(error.value)


def test_a_bucket_that_is_missing_is_named(seaweed: Seaweed, tmp_path: Path) -> None:
    prefix = seaweed.prefix("x")
    storage = open_s3("s3://nowhere/x", {**prefix.environment(), "MIGRATE_CACHE": str(tmp_path)})
    with pytest.raises(SystemRefused, match="there is no bucket `nowhere`"):
        storage.read("ledger.json")
    storage.desk.close()


def test_wrong_credentials_are_named(prefix: Prefix, tmp_path: Path) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong"}
    assert "doesn't take these credentials (SignatureDoesNotMatch" in refused(prefix, tmp_path, **wrong)
    unknown = {"AWS_ACCESS_KEY_ID": "nobody"}
    assert "doesn't take these credentials (InvalidAccessKeyId" in refused(prefix, tmp_path, **unknown)


def test_no_credentials_at_all_are_named(
    prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in prefix.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    assert "there are no credentials for it" in refused(prefix, tmp_path, **none)


def test_a_missing_right_is_named(prefix: Prefix, tmp_path: Path) -> None:
    words = refused(prefix, tmp_path, AWS_ACCESS_KEY_ID=READER)
    assert f"may not put_object `{prefix.name}/a` (AccessDenied" in words
    assert "Grant s3:PutObject" in words


def test_a_clock_that_is_wrong_is_named(
    prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *a, **k: now(*a, **k) + timedelta(hours=1)
    )
    assert "clock of this machine and that of S3 are more than 15 minutes apart" in refused(prefix, tmp_path)


@pytest.mark.parametrize("address", ["s3://", "s3:///a", "s3://b/a//c", "s3://b/../c"])
def test_an_address_that_is_none_is_a_mistake_of_usage(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Write it like `s3://bucket/prefix`"):
        open_s3(address, {"MIGRATE_CACHE": str(tmp_path)})


# -- what is read is what was written ---------------------------------------------------------


def test_an_object_that_differs_is_never_read_on(opened: S3Storage, prefix: Prefix) -> None:
    content = b"rows" * 1000
    prefix.write("part", content[:-1] + b"!")
    with pytest.raises(Damaged, match="differs from its digest"):
        opened.local("part", sha(content))
    opened.write("small", b"1")
    prefix.write("small", b"2", {"sha256": sha(b"1")})
    with pytest.raises(Damaged):
        opened.read("small")


def test_what_the_network_spoils_is_fetched_again(opened: S3Storage, prefix: Prefix, proxy: Proxy) -> None:
    content = os.urandom(50_000)
    prefix.write("part", content)
    proxy.order(Fault("GET ", "spoil"))
    assert opened.local("part", sha(content)).read_bytes() == content
    assert proxy.faults[0].hits == 1


def test_a_stream_that_breaks_goes_on_where_it_broke(
    opened: S3Storage, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(900_000)
    prefix.write("blob", content)
    with opened.open("blob") as stream:
        got = stream.read(300_000)
        raw = stream.raw  # type: ignore[attr-defined]
        monkeypatch.setattr(raw._body, "read", _broken)
        got += stream.read()
    assert got == content


def _broken(size: int) -> bytes:
    from botocore.exceptions import ReadTimeoutError

    raise ReadTimeoutError(endpoint_url="s3")


def test_a_stream_of_an_object_that_is_replaced_meanwhile_ends_in_an_error(
    opened: S3Storage, prefix: Prefix
) -> None:
    prefix.write("blob", os.urandom(900_000))
    with opened.open("blob") as stream:
        stream.read(10)
        raw = stream.raw  # type: ignore[attr-defined]
        raw._drop()
        prefix.write("blob", os.urandom(900_000))
        with pytest.raises(Damaged, match="while it was read"):
            stream.read()


def test_keys_sizes_and_folders_are_what_lies_there(opened: S3Storage) -> None:
    for key in ("stage/a/g0000/x", "stage/a/g0001/x", "stage/ab/g0000/x", "top"):
        opened.write(key, b"12")
    assert opened.below("stage").keys("a") == ["a/g0000/x", "a/g0001/x"]
    assert opened.below("stage").folders("a") == ["g0000", "g0001"]
    assert opened.folders() == ["stage"]
    assert dict(opened.sizes("stage/ab")) == {"stage/ab/g0000/x": 2}
    assert opened.older("stage", timedelta(hours=1)) == []
    assert len(opened.older("stage", timedelta(hours=-1))) == 3
    assert opened.set_aside("top") == "top.damaged"
    opened.remove(opened.keys("stage"))
    assert opened.keys() == ["top.damaged"]


def test_a_list_of_more_than_a_page_is_whole(opened: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        opened.write(f"a/{number}", b"")
    real = opened.calls.client.list_objects_v2
    monkeypatch.setattr(opened.calls.client, "list_objects_v2", lambda **more: real(MaxKeys=3, **more))
    assert opened.keys("a") == [f"a/{number}" for number in range(7)]


# -- the bytes of files -----------------------------------------------------------------------


def blob(blobs: StoredBlobs, *chunks: bytes) -> BlobRef:
    with blobs.writer() as out:
        for chunk in chunks:
            out.write(chunk)
        return out.finish()


def test_a_file_is_put_once_and_leaves_no_copy_on_the_desk(
    opened: S3Storage, prefix: Prefix, proxy: Proxy, tmp_path: Path
) -> None:
    blobs, content = StoredBlobs(opened.below("blobs")), os.urandom(700_000)
    ref = blob(blobs, content[:300_000], content[300_000:])
    proxy.order()
    assert blob(blobs, content) == ref
    assert [line for line in proxy.seen if line.startswith("PUT")] == []
    assert prefix.keys() == [f"blobs/{ref.name[:2]}/{ref.name[2:]}"]
    assert list(blobs.names()) == [(ref.name, 700_000)]
    assert b"".join(read_blob(blobs, ref)) == content
    assert [
        path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"
    ] == []


def test_a_file_that_differs_is_never_given_whole_and_can_be_fetched_anew(
    opened: S3Storage, prefix: Prefix
) -> None:
    blobs, content = StoredBlobs(opened.below("blobs")), os.urandom(700_000)
    ref = blob(blobs, content)
    prefix.write(f"blobs/{ref.name[:2]}/{ref.name[2:]}", content[:-1] + b"!")
    with pytest.raises(Damaged, match="set aside"):
        list(read_blob(blobs, ref))
    assert not blobs.has(ref.name)
    assert blob(blobs, content) == ref
    assert b"".join(read_blob(blobs, ref)) == content


# -- the cache --------------------------------------------------------------------------------


def test_the_cache_is_private_and_may_be_lost_at_any_time(opened: S3Storage, tmp_path: Path) -> None:
    keep(opened, "a", b"rows")
    cache = tmp_path / "cache"
    assert cache.stat().st_mode & 0o777 == 0o700
    first = opened.local("a", sha(b"rows"))
    for path in cache.glob("files/*/*"):
        path.unlink()
    assert first.read_bytes() == b"rows"  # what lies on a desk stays
    first.unlink()
    assert opened.local("a", sha(b"rows")).read_bytes() == b"rows"


def test_a_second_process_asks_s3_for_nothing_that_is_cached(
    opened: S3Storage, prefix: Prefix, proxy: Proxy, tmp_path: Path
) -> None:
    keep(opened, "a", b"rows")
    other = process(prefix, tmp_path, proxy.endpoint)
    proxy.order()
    assert other.local("a", sha(b"rows")).read_bytes() == b"rows"
    assert proxy.seen == []
    other.desk.close()


def test_a_copy_that_was_altered_is_fetched_anew(opened: S3Storage, prefix: Prefix, tmp_path: Path) -> None:
    keep(opened, "a", b"rows")
    opened.desk.close()
    [kept] = (tmp_path / "cache").glob("files/*/*")
    kept.write_bytes(b"rowz")
    other = process(prefix, tmp_path)
    assert other.local("a", sha(b"rows")).read_bytes() == b"rows"
    other.desk.close()


def test_the_cache_is_bounded_and_the_oldest_goes_first(prefix: Prefix, tmp_path: Path) -> None:
    storage = process(prefix, tmp_path, MIGRATE_CACHE_LIMIT="3KB")
    for number in range(5):
        keep(storage, f"p{number}", bytes([number]) * 1000)
        os.utime(next((tmp_path / "cache").glob(f"files/*/{sha(bytes([number]) * 1000)}")), (number, number))
    kept = {path.read_bytes()[0] for path in (tmp_path / "cache").glob("files/*/*")}
    assert kept == {2, 3, 4}
    assert storage.local("p0", sha(bytes(1000))).read_bytes() == bytes(1000)
    storage.desk.close()


def test_the_desk_of_a_killed_process_goes_with_the_next_one(prefix: Prefix, tmp_path: Path) -> None:
    killed = process(prefix, tmp_path)
    keep(killed, "a", b"rows")
    killed.desk._lock.close()  # as the operating system does it
    living = process(prefix, tmp_path)
    third = process(prefix, tmp_path)
    assert not killed.desk.folder.exists()
    assert living.desk.folder.exists()
    for each in (living, third):
        each.desk.close()
    assert list((tmp_path / "cache" / "desks").iterdir()) == []


def test_a_limit_that_is_no_size_is_a_mistake_of_usage(prefix: Prefix, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Write it like `50GB`"):
        process(prefix, tmp_path, MIGRATE_CACHE_LIMIT="much")
