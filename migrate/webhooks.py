"""How is a document sent to an address that the environment names, signed, and tried again?

A delivery goes over HTTPS (or to this machine), is signed where a secret is named, follows no redirect, and
ends within a bound. What went wrong is returned in words that hold neither the address nor the secret: an
address of this kind lets anybody who knows it speak.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate import __version__
from migrate.clock import is_loopback, is_web_address

TRIES, CALL, LONGEST = 3, 5.0, 20.0  # tries, seconds for each, seconds for all
READ = 1 << 16  # bytes of an answer that are looked at


@dataclass(frozen=True)
class Reply:
    """What became of a delivery. `problem`: why it wasn't taken, "" if it was; `tries`: how often it was
    sent; `body`: the beginning of the answer, where it was taken."""

    problem: str
    tries: int = 0
    body: bytes = b""

    @property
    def document(self) -> dict[str, Any]:
        """The answer as JSON's object; empty where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def send(
    webhook: str, secret: str | None, document: Mapping[str, Any], environment: Mapping[str, str], *,
    tries: int = TRIES, call: float = CALL, longest: float = LONGEST, key: str = "",
) -> Reply:  # fmt: skip
    """Send a document by POST.

    Args:
        webhook, secret: names of variables, `env:NAME`; without a secret it isn't signed.
        call, longest: seconds for one try, and for all.
        key: tells the receiver that two deliveries are one.
    """
    import httpx2
    import stamina

    name = webhook.removeprefix("env:")
    url = environment.get(name, "")
    secret_name = secret.removeprefix("env:") if secret else ""
    signing = environment.get(secret_name, "") if secret_name else ""
    if not url:
        return Reply(f"the variable `{name}` isn't set")
    if not is_web_address(url) or not (url.startswith("https://") or is_loopback(url)):
        return Reply(f"the address in `{name}` is neither https nor on this machine")
    if secret_name and not signing:
        return Reply(f"the variable `{secret_name}` isn't set, and nothing is sent unsigned")
    content = json.dumps(document, sort_keys=True).encode()
    sent = 0

    def again(error: Exception) -> bool:
        if isinstance(error, httpx2.HTTPStatusError):
            return error.response.status_code >= 500 or error.response.status_code == 429
        return isinstance(error, httpx2.TransportError)

    rounds = stamina.retry_context(
        on=again, attempts=tries, timeout=max(longest - call, 0.1), wait_initial=0.2, wait_max=2.0
    )
    try:
        with httpx2.Client(timeout=call, follow_redirects=False) as client:
            for attempt in rounds:
                with attempt:
                    sent += 1
                    headers = _headers(content, signing, key)
                    answer = client.post(url, content=content, headers=headers).raise_for_status()
    except httpx2.HTTPStatusError as error:
        return Reply(f"it answered {error.response.status_code}", sent)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Reply(f"it can't be reached ({type(error).__name__})", sent)  # its words may hold the address
    return Reply("", sent, answer.content[:READ])


def _headers(content: bytes, secret: str, key: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"migrate/{__version__}"}
    if key:
        headers["Idempotency-Key"] = key
    if secret:
        at = str(int(time.time()))  # the receiver's time, whatever clock the plan asks for
        signed = hmac.new(secret.encode(), at.encode() + b"." + content, hashlib.sha256).hexdigest()
        headers |= {"X-Migrate-Timestamp": at, "X-Migrate-Signature": f"sha256={signed}"}
    return headers
