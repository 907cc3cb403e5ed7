"""How does a file become visible whole on S3? By one put, or by the last call of a multipart upload.

An object isn't renamed. So parts and blobs have their digest in their names, and putting one again changes
nothing; whatever else must go to one writer is put under a condition: nothing may be there (`If-None-Match`),
or exactly what the writer knew (`If-Match`). S3 compares the bytes that arrive with their SHA-256, which is
kept beside the object; whatever is fetched is compared again. What is read often lies on the desk.

Where the facts come from: Amazon S3, "PutObject", "Checking object integrity", "Uploading and copying objects
using multipart upload", read 2026-11-26.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from migrate.errors import Damaged, MigrateError, SystemRefused
from migrate.storage.calls import Absent, Calls, Refused
from migrate.storage.folder import drop
from migrate.storage.kind import ANY, NEW, Found, Taken

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from migrate.storage.cache import Desk

LARGE = 32 << 20  # bytes; what is larger goes up in pieces
PIECE = 16 << 20
MOST_PIECES = 10_000
AT_ONCE = 1000  # keys in a call that deletes
ABANDONED = timedelta(days=1)  # an upload that nobody has ended since is nobody's


class S3Storage:
    """A prefix of a bucket. See `Storage` for what each method promises."""

    remote = True

    def __init__(self, calls: Calls, desk: Desk, prefix: str, workspace: str) -> None:
        self.calls, self.desk, self._prefix, self._workspace = calls, desk, prefix, workspace

    def _full(self, key: str) -> str:
        return self._prefix + key

    def address(self, key: str = "") -> str:
        return f"s3://{self.calls.bucket}/{self._full(key)}".rstrip("/")

    def below(self, key: str) -> S3Storage:
        return S3Storage(self.calls, self.desk, f"{self._full(key)}/", self._workspace)

    # -- reading ------------------------------------------------------------------------------

    def read(self, key: str) -> tuple[bytes, str]:
        def once() -> tuple[bytes, dict[str, Any]]:
            found = self.calls.client.get_object(Bucket=self.calls.bucket, Key=self._full(key))
            with contextlib.closing(found["Body"]) as body:
                return body.read(), found

        try:
            content, found = self.calls.tried("get_object", self._full(key), once)
        except Absent as error:
            raise FileNotFoundError(self.address(key)) from error
        told = found.get("Metadata", {}).get("sha256")
        if told and told != hashlib.sha256(content).hexdigest():
            raise Damaged(self.address(key), "differs from the digest that it was written with", _REMEDY)
        return content, str(found["ETag"])

    def tag(self, key: str) -> str:
        try:
            return str(self.calls("head_object", self._full(key))["ETag"])
        except Absent:
            return NEW

    def has(self, key: str) -> bool:
        return self.tag(key) != NEW

    def find(self, key: str) -> Found | None:
        try:
            found = self.calls("head_object", self._full(key), ChecksumMode="ENABLED")
        except Absent:
            return None
        sha256 = _sha256(found)
        if not sha256:  # another tool has put it there
            aside = self.desk.aside(key)
            try:
                sha256 = self.calls.download(self._full(key), aside)
            except Absent:
                return None
            finally:
                drop(aside)
        return Found(int(found["ContentLength"]), sha256)

    def local(self, key: str, sha256: str = "") -> Path:
        if not sha256:
            found = self.find(key)
            if found is None:
                raise FileNotFoundError(self.address(key))
            sha256 = found.sha256
        if path := self.desk.have(self._full(key), sha256):
            return path
        aside = self.desk.aside(key)
        try:
            for _ in range(2):  # what the network has spoilt is whole the second time
                if self.calls.download(self._full(key), aside) == sha256:
                    return self.desk.take(self._full(key), sha256, aside)
        except Absent as error:
            raise FileNotFoundError(self.address(key)) from error
        finally:
            drop(aside)
        raise Damaged(self.address(key), "differs from its digest", _REMEDY)

    def open(self, key: str) -> IO[bytes]:
        try:
            return io.BufferedReader(_Stream(self.calls, self._full(key)), 1 << 18)
        except Absent as error:
            raise FileNotFoundError(self.address(key)) from error

    def sizes(self, under: str = "") -> Iterator[tuple[str, int]]:
        for each in self._listed(under):
            yield each["Key"].removeprefix(self._prefix), int(each["Size"])

    def keys(self, under: str = "") -> list[str]:
        return sorted(key for key, _ in self.sizes(under))

    def older(self, under: str, than: timedelta) -> list[str]:
        end = datetime.now(UTC) - than
        return [
            each["Key"].removeprefix(self._prefix)
            for each in self._listed(under)
            if each["LastModified"] < end
        ]

    def folders(self, under: str = "") -> list[str]:
        base = self._full(f"{under}/" if under else "")
        found = (each["Prefix"] for page in self._pages(base, "/") for each in page.get("CommonPrefixes", ()))
        return sorted(prefix.removeprefix(base).rstrip("/") for prefix in found)

    def _listed(self, under: str) -> Iterator[dict[str, Any]]:
        for page in self._pages(self._full(f"{under}/" if under else "")):
            yield from page.get("Contents", ())

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {"Delimiter": delimiter} if delimiter else {}
        while True:
            page = self.calls("list_objects_v2", Prefix=prefix, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    # -- writing ------------------------------------------------------------------------------

    def write(self, key: str, content: bytes, over: str = ANY) -> str:
        return self._put(key, content, hashlib.sha256(content).hexdigest(), over)

    def aside(self, key: str) -> Path:
        return self.desk.aside(key)

    def keep(self, key: str, aside: Path, sha256: str, over: str = ANY, *, again: bool = True) -> None:
        if aside.stat().st_size > LARGE:
            self._put_in_pieces(key, aside, sha256, over)
        else:
            self._put(key, aside, sha256, over)
        if again:
            self.desk.take(self._full(key), sha256, aside)

    def _put(self, key: str, body: bytes | Path, sha256: str, over: str) -> str:
        """One put; a condition that our own lost try has broken is as good as met."""
        try:
            more = _condition(over) | {"ChecksumSHA256": _base64(sha256), "Metadata": {"sha256": sha256}}
            done = self.calls("put_object", self._full(key), body, **more)
        except Refused as error:
            return self._ours(key, sha256, error)
        except Absent as error:  # what was to be replaced has gone
            raise Taken(key) from error
        return str(done["ETag"])

    def _ours(self, key: str, sha256: str, error: Refused) -> str:
        if error.doubted and (found := self.find(key)) is not None and found.sha256 == sha256:
            return self.tag(key)
        raise Taken(key) from error

    def _put_in_pieces(self, key: str, path: Path, sha256: str, over: str) -> None:
        full = self._full(key)
        upload = self.calls(
            "create_multipart_upload", full, ChecksumAlgorithm="SHA256", Metadata={"sha256": sha256}
        )["UploadId"]
        try:
            more = {"MultipartUpload": {"Parts": self._pieces(full, path, upload)}, **_condition(over)}
            self.calls("complete_multipart_upload", full, UploadId=upload, **more)
        except (Refused, Absent) as error:
            # An upload that is gone was completed by our own try whose answer was lost.
            doubted = isinstance(error, Absent) or error.doubted
            try:
                self._ours(key, sha256, Refused(doubted=doubted))
            finally:
                self._abort(full, upload)
        except BaseException:
            self._abort(full, upload)
            raise

    def _pieces(self, full: str, path: Path, upload: str) -> list[dict[str, Any]]:
        size = max(PIECE, -(-path.stat().st_size // MOST_PIECES))
        pieces: list[dict[str, Any]] = []
        with path.open("rb") as source:
            while piece := source.read(size):
                number, digest = len(pieces) + 1, _base64(hashlib.sha256(piece).hexdigest())
                done = self.calls(
                    "upload_part", full, piece, UploadId=upload, PartNumber=number, ChecksumSHA256=digest
                )
                pieces.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumSHA256": digest})
        return pieces

    def _abort(self, full: str, upload: str) -> None:
        # What this can't do now, `clean` or the bucket's lifecycle rule does; the first error counts.
        with contextlib.suppress(MigrateError, Absent):
            self.calls("abort_multipart_upload", full, UploadId=upload)

    def remove(self, keys: Iterable[str]) -> None:
        names = [self._full(key) for key in keys]
        for first in range(0, len(names), AT_ONCE):
            some = [{"Key": name} for name in names[first : first + AT_ONCE]]
            told = self.calls("delete_objects", Delete={"Objects": some, "Quiet": True}).get("Errors", ())
            for each in told:
                what = f"`{each.get('Key')}` can't be deleted ({each.get('Code')}: {each.get('Message')})"
                raise SystemRefused(self.calls.place, what, "Grant s3:DeleteObject; see docs/s3.md.")

    def set_aside(self, key: str) -> str:
        name = f"{key}.damaged"
        source = {"Bucket": self.calls.bucket, "Key": self._full(key)}
        with contextlib.suppress(Absent):  # somebody else has found it out too
            self.calls("copy_object", self._full(name), CopySource=source)
            self.remove([key])
        return name.rpartition("/")[2]

    def room(self) -> int | None:
        return None

    def clean(self, under: str = "", idle: float = 0.0) -> None:  # noqa: ARG002 - of the whole workspace
        end = datetime.now(UTC) - ABANDONED
        found = self.calls("list_multipart_uploads", Prefix=self._workspace).get("Uploads", ())
        for each in found:
            if each["Initiated"] < end:
                self._abort(each["Key"], each["UploadId"])

    def prove(self) -> None:
        key = f"probe-{uuid.uuid4().hex}"
        tag = self.write(key, b"one", NEW)
        try:
            for over in (NEW, f'"{"0" * 32}"'):
                try:
                    self.write(key, b"two", over)
                except Taken:
                    continue
                raise SystemRefused(
                    self.calls.place,
                    "it ignores the condition of a put (If-None-Match, If-Match)",
                    "Two writers can't be kept apart there; use a store with conditional writes.",
                )
            self.write(key, b"two", tag)
        finally:
            self.remove([key])


_REMEDY = "Look at the object's versions in the bucket, and restore the right one."


class _Stream(io.RawIOBase):
    """An object's bytes; a connection that breaks is opened again where it broke."""

    def __init__(self, calls: Calls, full: str) -> None:
        self._calls, self._full = calls, full
        self._body: Any = None
        self._at, self._size, self._tag = 0, 0, ""
        calls.tried("get_object", full, self._begin)

    def _begin(self) -> None:
        more = {"Range": f"bytes={self._at}-"} if self._at else {}
        if self._tag:
            more["IfMatch"] = self._tag
        found = self._calls.client.get_object(Bucket=self._calls.bucket, Key=self._full, **more)
        self._body, self._tag = found["Body"], str(found["ETag"])
        self._size = self._at + int(found["ContentLength"])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        try:
            chunk = self._calls.tried("get_object", self._full, lambda: self._read(len(view)))
        except (Absent, Refused) as error:
            where = f"s3://{self._calls.bucket}/{self._full}"
            raise Damaged(where, "was changed or removed while it was read", _REMEDY) from error
        view[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def _read(self, size: int) -> bytes:
        try:
            if self._at >= self._size:
                return b""
            if self._body is None:
                self._begin()
            return bytes(self._body.read(size))
        except Exception:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()


def _condition(over: str) -> dict[str, Any]:
    if over == ANY:
        return {}
    return {"IfNoneMatch": "*"} if over == NEW else {"IfMatch": over}


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _sha256(found: Mapping[str, Any]) -> str:
    """The digest of a whole object, in hex; of one that went up in pieces S3 has only its pieces' digests."""
    told = str(found.get("ChecksumSHA256", ""))
    if told and "-" not in told and found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        return base64.b64decode(told).hex()
    return str(found.get("Metadata", {}).get("sha256", ""))
