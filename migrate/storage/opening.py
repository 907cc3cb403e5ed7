"""Which S3, with which credentials, and how long is it waited for? What the address and the environment say.

Credentials, region and endpoint are found as every tool of AWS finds them (environment, ~/.aws, a machine's
role). boto3 is imported here and not before: a workspace in a folder never needs it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from migrate.errors import SystemRefused, UsageError
from migrate.storage.cache import open_desk
from migrate.storage.calls import PATIENCE, Calls
from migrate.storage.s3 import S3Storage

PATIENCE_NAME = "MIGRATE_S3_PATIENCE"  # environment variable, in seconds


def open_s3(address: str, environment: Mapping[str, str]) -> S3Storage:
    """The storage at `s3://bucket/prefix`; credentials, region and endpoint as every tool of AWS finds them.

    Raises:
        UsageError: the address names no bucket, or a setting is none.
        SystemRefused: there are no credentials.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not bucket or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise UsageError(f"`{address}` names no place on S3.", "Write it like `s3://bucket/prefix`.")
    place = f"s3://{bucket}/{prefix}".rstrip("/")
    given = environment.get(PATIENCE_NAME)
    try:
        patience = float(given) if given else PATIENCE
    except ValueError:
        raise UsageError(f"{PATIENCE_NAME} is `{given}`, which is no number of seconds.") from None
    client = _client(environment, place)
    prefix = f"{prefix}/" if prefix else ""
    return S3Storage(Calls(client, bucket, place, patience), open_desk(environment), prefix, prefix)


def _client(environment: Mapping[str, str], place: str) -> Any:
    import boto3.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    def config(style: str) -> Config:
        return Config(
            retries={"total_max_attempts": 1, "mode": "standard"},  # `Calls` tries again
            connect_timeout=10, read_timeout=60, max_pool_connections=32, tcp_keepalive=True,
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
            s3={"addressing_style": style},
        )  # fmt: skip

    more: dict[str, Any] = {}
    if environment is not os.environ:
        for name, variable in (
            ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
            ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
            ("aws_session_token", "AWS_SESSION_TOKEN"),
            ("endpoint_url", "AWS_ENDPOINT_URL_S3"),
            ("region_name", "AWS_REGION"),
        ):
            if environment.get(variable):
                more[name] = environment[variable]
    try:
        session = boto3.session.Session()
        client = session.client("s3", config=config("auto"), **more)
        if not client.meta.endpoint_url.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            # Other stores seldom have a host name for each bucket.
            client = session.client("s3", config=config("path"), **more)
    except (BotoCoreError, ValueError) as error:
        words = str(error).rstrip(". ")
        raise SystemRefused(place, f"it can't be asked ({words})", "Mend that in ~/.aws or AWS_…") from error
    return client
