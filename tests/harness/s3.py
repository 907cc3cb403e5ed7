"""A real S3 server on loopback, which a wheel carries, and a bucket that can be put back as it was.

Nothing here is the product's: the bucket is looked at and changed with boto3 itself.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KEY, SECRET = "migrate", "not-a-secret"
READER = "reader"  # an access key that may read and list, and nothing else
BUCKET = "migrations"
PATIENCE = 60.0  # seconds until it must be up


def ports(count: int) -> list[int]:
    """Free ports on loopback."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            each = stack.enter_context(socket.socket())
            each.bind(("127.0.0.1", 0))
            found.append(int(each.getsockname()[1]))
    return found


def client(endpoint: str, key: str = KEY, secret: str = SECRET) -> Any:
    """boto3's client for a server on loopback."""
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
        region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


class Seaweed:
    """SeaweedFS: master, volume, filer and S3 in one process. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint = ""
        self.client: Any = None
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        (self.folder / "data").mkdir(parents=True)
        may = {"actions": ["Admin", "Read", "Write", "List"]}
        look = {"actions": [f"Read:{BUCKET}", f"List:{BUCKET}"]}
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": SECRET}], **rights}
            for name, rights in ((KEY, may), (READER, look))
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        master, master2, volume, volume2, filer, filer2, s3, s32 = ports(8)
        told = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("weed")), f"-logdir={self.folder}", "server",
                f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                f"-master.port={master}", f"-master.port.grpc={master2}", "-master.volumeSizeLimitMB=256",
                "-master.telemetry=false", f"-volume.port={volume}", f"-volume.port.grpc={volume2}",
                "-volume.max=20", "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer2}",
                "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s32}", "-s3.port.iceberg=0", "-s3.port.lance=0",
                f"-s3.config={self.folder / 's3.json'}", "-s3.autoCreateBucket=false",
            ],
            stdout=told, stderr=told,
        )  # fmt: skip
        told.close()
        self.endpoint = f"http://127.0.0.1:{s3}"
        self.client = client(self.endpoint)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with contextlib.suppress(self.client.exceptions.BucketAlreadyOwnedByYou):
                    self.client.create_bucket(Bucket=BUCKET)
                self.client.put_object(Bucket=BUCKET, Key="up", Body=b"")  # a volume takes its time, too
                self.client.delete_object(Bucket=BUCKET, Key="up")
            except (BotoCoreError, ClientError):
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._process.send_signal(signal.SIGKILL)  # asked, it takes 15 s; nothing of it is to stay
        self._process.wait()

    def prefix(self, name: str) -> Prefix:
        """A place of its own for one workspace."""
        return Prefix(self, name)


@dataclass
class Kept:
    """An object as it was."""

    tag: str
    body: bytes
    metadata: dict[str, str]


@dataclass
class Prefix:
    """What lies below a prefix, as the bucket's owner sees it."""

    server: Seaweed
    name: str
    saved: dict[str, dict[str, Kept]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """As `--workspace` takes it."""
        return f"s3://{BUCKET}/{self.name}"

    def environment(self, endpoint: str = "", key: str = KEY, secret: str = SECRET) -> dict[str, str]:
        """What a product needs to get here, perhaps through something between."""
        return {
            "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": endpoint or self.server.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }  # fmt: skip

    def _full(self, key: str) -> str:
        return f"{self.name}/{key}"

    def tags(self) -> dict[str, str]:
        """Every key, with the ETag of its object."""
        found: dict[str, str] = {}
        for page in self.server.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{self.name}/"
        ):
            for each in page.get("Contents", ()):
                found[each["Key"].removeprefix(f"{self.name}/")] = each["ETag"]
        return found

    def keys(self, under: str = "") -> list[str]:
        """Every key that begins so."""
        return sorted(key for key in self.tags() if key.startswith(under))

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        found: bytes = self.server.client.get_object(Bucket=BUCKET, Key=self._full(key))["Body"].read()
        return found

    def write(self, key: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        """Put an object, whatever is there."""
        self.server.client.put_object(Bucket=BUCKET, Key=self._full(key), Body=body, Metadata=metadata or {})

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.server.client.delete_object(Bucket=BUCKET, Key=self._full(key))

    def uploads(self) -> list[dict[str, Any]]:
        """Uploads that nobody has ended."""
        found = self.server.client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{self.name}/")
        return list(found.get("Uploads", ()))

    def save(self, name: str) -> None:
        """Remember everything."""
        former = {(key, kept.tag): kept for saved in self.saved.values() for key, kept in saved.items()}
        self.saved[name] = {
            key: former.get((key, tag)) or self._kept(key, tag) for key, tag in self.tags().items()
        }

    def _kept(self, key: str, tag: str) -> Kept:
        found = self.server.client.get_object(Bucket=BUCKET, Key=self._full(key))
        return Kept(tag, found["Body"].read(), found["Metadata"])

    def restore(self, name: str) -> None:
        """Make everything as it was; only what differs is touched."""
        wanted, there = self.saved[name], self.tags()
        for key in there.keys() - wanted.keys():
            self.delete(key)
        for key, kept in wanted.items():
            if there.get(key) != kept.tag:
                self.write(key, kept.body, kept.metadata)
                kept.tag = self.tags_of(key)

    def tags_of(self, key: str) -> str:
        """The ETag of one object."""
        found: str = self.server.client.head_object(Bucket=BUCKET, Key=self._full(key))["ETag"]
        return found


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """A server, for as long as it is needed."""
    with Seaweed(folder) as server:
        yield server
