"""Did the holder of a passkey agree to this statement? The browser answers a challenge that is its digest.

What registering gives is one line for the plan, `passkey <origin> <credential id> <public key>`: who signs
where is part of what others sign, so a swapped passkey voids their signatures. An answer counts for the
plan's origin only, with the person present and verified. No counter is kept: a challenge is used once, for a
statement is. Needs the extra `sign`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from migrate.clock import is_loopback, is_web_address
from migrate.cutover.keys import BadSignature, must_be_installed
from migrate.errors import UsageError

if TYPE_CHECKING:
    from fido2.server import Fido2Server
    from fido2.webauthn import AttestedCredentialData

WORD = "passkey"
NAME = "migrate"  # what a browser shows as the one who asks


@dataclass(frozen=True)
class Passkey:
    """A registered one. `origin`: of the console, `https://cutover.example.com`."""

    origin: str
    id: bytes
    public: bytes  # COSE, as CBOR

    def __str__(self) -> str:
        return f"{WORD} {self.origin} {_text(self.id)} {_text(self.public)}"

    @property
    def fingerprint(self) -> str:
        """Its name in the trail."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.public).digest()).decode().rstrip("=")


def read(line: str) -> Passkey:
    """A plan's line.

    Raises:
        UsageError: it is none.
    """
    parts = line.split()
    try:
        word, origin, id, public = parts
        if word != WORD:
            raise ValueError(line)  # noqa: TRY301 - told as the others below
        found = Passkey(_origin(origin), _bytes(id), _bytes(public))
        _credential(found)
    except (ValueError, KeyError, binascii.Error) as error:
        raise UsageError(
            "A passkey under `cutover: sign` of the plan can't be read.",
            "Write the line that the console shows after registering: `passkey https://… … …`.",
        ) from error
    return found


def challenge(statement: bytes) -> bytes:
    """What a browser signs for a statement: its SHA-256."""
    return hashlib.sha256(statement).digest()


def ask(passkey: Passkey, statement: bytes) -> dict[str, Any]:
    """What the page hands to `navigator.credentials.get`, bytes as base64url."""
    options, _ = _server(passkey.origin).authenticate_begin(
        [_credential(passkey)], user_verification=_required(), challenge=challenge(statement)
    )
    return dict(options)


def check(passkey: Passkey, statement: bytes, answer: bytes) -> None:
    """Make sure that the passkey's holder agreed to this statement.

    Args:
        answer: `PublicKeyCredential.toJSON()` as the browser gave it.

    Raises:
        BadSignature: another statement, another passkey or origin, or nobody was there.
    """
    state = {"challenge": _text(challenge(statement)), "user_verification": _required()}
    try:
        told: Mapping[str, Any] = json.loads(answer)
        _server(passkey.origin).authenticate_complete(state, [_credential(passkey)], told)
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise BadSignature(
            "The passkey's answer doesn't hold for this statement.",
            "Open the sign-off page again and use the passkey that the plan names.",
        ) from error


def register(origin: str, person: str) -> tuple[dict[str, Any], Any]:
    """What the page hands to `navigator.credentials.create`, and what `registered` is to be given."""
    from fido2.webauthn import PublicKeyCredentialUserEntity

    user = PublicKeyCredentialUserEntity(id=hashlib.sha256(person.encode()).digest(), name=person)
    options, state = _server(_origin(origin)).register_begin(user, user_verification=_required())
    return dict(options), state


def registered(origin: str, state: Any, answer: bytes) -> Passkey:
    """The new passkey, for the plan.

    Raises:
        BadSignature: the answer isn't one to `state`.
    """
    from fido2 import cbor

    try:
        data = _server(_origin(origin)).register_complete(state, json.loads(answer)).credential_data
        if data is None:
            raise ValueError("no credential")  # noqa: TRY301 - told as the others below
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSignature("The passkey couldn't be registered.", "Try again on the same page.") from error
    return Passkey(_origin(origin), data.credential_id, cbor.encode(dict(data.public_key)))


def _server(origin: str) -> Fido2Server:
    must_be_installed()
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    entity = PublicKeyCredentialRpEntity(id=urlsplit(origin).hostname or "", name=NAME)
    return Fido2Server(entity, verify_origin=lambda found: found == origin)


def _credential(passkey: Passkey) -> AttestedCredentialData:
    must_be_installed()
    from fido2 import cbor
    from fido2.cose import CoseKey
    from fido2.webauthn import Aaguid, AttestedCredentialData

    told = cast("Mapping[int, Any]", cbor.decode(passkey.public))
    if cbor.encode(dict(told)) != passkey.public:  # the reader takes one that was cut
        raise ValueError("the public key isn't whole")
    key = CoseKey.parse(told)
    return AttestedCredentialData.create(Aaguid.NONE, passkey.id, key)


def _required() -> Any:
    from fido2.webauthn import UserVerificationRequirement

    return UserVerificationRequirement.REQUIRED


def _origin(origin: str) -> str:
    """Browsers give passkeys to https, and to this machine."""
    parts = urlsplit(origin)
    bare = f"{parts.scheme}://{parts.netloc}"
    if not is_web_address(origin) or origin != bare or not (parts.scheme == "https" or is_loopback(origin)):
        raise ValueError(f"`{origin}` is no origin")
    return origin


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
