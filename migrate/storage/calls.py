"""How is S3 asked, and what does its answer mean to us?

One call is tried again, with growing and jittered pauses, while the answer is that it may be (503, 500, 429,
a connection that broke), and given up after `patience` seconds: the work is then parked. Everything else
becomes an error that says who must do what. A write that was tried again after an answer was lost may find
its own work: `Refused.doubted` says so, and the caller compares.

Where the facts come from: Amazon S3, "Error responses", "How to prevent object overwrites with conditional
writes" and "Retry behavior" (AWS SDKs), read 2026-11-26.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from migrate.errors import MigrateError, Parked, SystemRefused
from migrate.storage.folder import space

PATIENCE = 60.0  # seconds
FIRST_PATIENCE = 5.0  # where no call of this process has been answered yet, nobody is there
LONGEST_PAUSE = 20.0
CHUNK = 1 << 20

T = TypeVar("T")

_AGAIN = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "ThrottlingException",
    "RequestLimitExceeded", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict", "BadDigest",
    "XAmzContentSHA256Mismatch", "IncompleteBody",
}  # fmt: skip
_WHO = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
        "InvalidSecurity", "NotSignedUp", "AccountProblem", "MissingSecurityHeader"}  # fmt: skip
_WHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
          "IllegalLocationConstraintException", "301", "307"}  # fmt: skip
_ABSENT = {"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "404"}  # the last is a `head`'s, which has no body
_RIGHTS = {
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_objects": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
}


class Refused(Exception):
    """S3 found a condition of a write not met (412).

    `doubted`: an answer to an earlier try of the same call was lost, so the call may have met its own work.
    """

    def __init__(self, *, doubted: bool) -> None:
        self.doubted = doubted
        super().__init__(doubted)


class Absent(Exception):
    """There is no such object, upload, or version."""


class Calls:
    """Asks one bucket.

    Args:
        client: boto3's, which tries nothing by itself.
        place: how people call the workspace.
        patience: how many seconds a call is tried.
    """

    def __init__(
        self, client: Any, bucket: str, place: str, patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.client, self.bucket, self.place = client, bucket, place
        self.patience, self._sleep = patience, sleep
        self._answered = False

    def __call__(self, operation: str, key: str = "", body: bytes | Path | None = None, **more: Any) -> Any:
        """One operation of S3; returns its answer.

        Raises:
            Absent: 404.
            Refused: a condition isn't met.
            Parked: out of reach, or overloaded, for too long.
            SystemRefused: a person must act.
        """

        def once() -> Any:
            given = {"Bucket": self.bucket, **({"Key": key} if key else {}), **more}
            with _opened(body) as opened:
                if opened is not None:
                    given["Body"] = opened
                return getattr(self.client, operation)(**given)

        return self.tried(operation, key, once)

    def download(self, key: str, to: Path) -> str:
        """An object's bytes into a file; returns their SHA-256.

        Raises:
            Absent, Parked, SystemRefused: as above.
            NoSpace: the disk refused.
        """

        def once() -> str:
            found = self.client.get_object(Bucket=self.bucket, Key=key)
            digest = hashlib.sha256()
            with closing(found["Body"]) as body, to.open("wb") as out:
                for chunk in body.iter_chunks(CHUNK):
                    digest.update(chunk)
                    with space(to):
                        out.write(chunk)
            return digest.hexdigest()

        return self.tried("get_object", key, once)

    def tried(self, operation: str, key: str, once: Callable[[], T]) -> T:
        """Do it until it is answered, within patience."""
        began, tries, doubted = time.monotonic(), 0, False
        while True:
            tries += 1
            try:
                found = once()
            except ClientError as error:
                self._answered = True
                code, status = _code(error), _status(error)
                if status == 412 or code == "PreconditionFailed":
                    raise Refused(doubted=doubted) from error
                if code in _ABSENT:
                    raise Absent(key) from error
                if not (status >= 500 or status == 429 or code in _AGAIN):
                    raise self._means(error, operation, key) from error
                doubted |= status >= 500
                told = f"S3 answers {status} {code} to {operation}"
                cause: Exception = error
            except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
                doubted |= not isinstance(error, EndpointConnectionError)
                told, cause = f"{operation} can't reach it ({_first_line(error)})", error
            except BotoCoreError as error:
                raise self._means(error, operation, key) from error
            else:
                self._answered = True
                return found
            pause = min(LONGEST_PAUSE, 0.1 * 2**tries) * random.uniform(0.3, 1.0)  # noqa: S311 - no secret
            spent = time.monotonic() - began
            if spent + pause > (self.patience if self._answered else min(FIRST_PATIENCE, self.patience)):
                times = "once" if tries == 1 else f"{tries} times"
                raise Parked(self.place, f"{told}, asked {times} in {spent:.0f} s") from cause
            self._sleep(pause)

    def _means(self, error: Exception, operation: str, key: str) -> MigrateError:
        """What an answer that no repetition changes means."""
        code, status = _code(error), _status(error)
        words = _words(error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            what, do = "there are no credentials for it", _CREDENTIALS
        elif isinstance(error, CredentialRetrievalError | ProfileNotFound | TokenRetrievalError):
            what, do = f"its credentials can't be had ({words})", _CREDENTIALS
        elif code == "NoSuchBucket":
            what = f"there is no bucket `{self.bucket}`"
            do = "Make it, or correct the workspace's address or the endpoint (AWS_ENDPOINT_URL_S3)."
        elif code == "RequestTimeTooSkewed":
            what = "the clock of this machine and that of S3 are more than 15 minutes apart"
            do = "Set this machine's clock (NTP), and run the command again."
        elif code in _WHO:
            what, do = f"it doesn't take these credentials ({code}: {words})", _CREDENTIALS
        elif code in _WHERE:
            what, do = (
                f"the bucket lies in another region ({words})",
                "Set AWS_REGION to the bucket's region.",
            )
        elif status == 403 or code in ("AccessDenied", "AllAccessDisabled"):
            right = _RIGHTS.get(operation, operation)
            named = f" `{key}`" if key else ""
            what = f"these credentials may not {operation}{named} ({code}: {words})"
            do = f"Grant {right} on the bucket or its objects; docs/s3.md lists all rights that are needed."
        elif code == "NotImplemented":
            what = f"it doesn't know what {operation} asks for ({words})"
            do = "A workspace needs a store with conditional writes (If-None-Match, If-Match)."
        else:
            what = f"{operation} was answered with {status or ''} {code or type(error).__name__}: {words}"
            do = "See the store's own documentation of this error."
        return SystemRefused(self.place, what, do, code=code)


_CREDENTIALS = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or renew the role's session."


@contextmanager
def _opened(body: bytes | Path | None) -> Iterator[Any]:
    with body.open("rb") if isinstance(body, Path) else nullcontext(body) as opened:
        yield opened


def _code(error: Exception) -> str:
    found = getattr(error, "response", {}).get("Error", {}) if isinstance(error, ClientError) else {}
    return str(found.get("Code", ""))


def _status(error: Exception) -> int:
    found = getattr(error, "response", {}) if isinstance(error, ClientError) else {}
    return int(found.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _words(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Message", "")).rstrip(". ")
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(". ")
