"""Does a passkey's answer count for its statement, its origin and its person alone? By a software key."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

from migrate.cutover import passkeys
from migrate.cutover.keys import BadSignature
from migrate.engine import Engine
from migrate.errors import UsageError
from tests.unit.gate_case import ADA, BEN, Case

ORIGIN = "https://cutover.example.com"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64  # flags of authenticator data (WebAuthn, section 6.1)


def text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _cose(public: ec.EllipticCurvePublicKey) -> dict[int, Any]:
    """RFC 9053: an ES256 key on P-256."""
    numbers = public.public_numbers()
    return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}


class Authenticator:
    """What a browser and a security key do together, as the standard has it; shares no code with ours."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin, self.id = origin, b"credential-1"
        self.private = ec.generate_private_key(ec.SECP256R1())

    def _data(self, flags: int, more: bytes = b"") -> bytes:
        host = self.origin.partition("://")[2].partition(":")[0]
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + (7).to_bytes(4, "big") + more

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def create(self, options: dict[str, Any]) -> bytes:
        public = cbor.encode(dict(_cose(self.private.public_key())))
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        data = self._data(PRESENT | VERIFIED | ATTESTED, credential)
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["publicKey"]["challenge"])
        response = {"clientDataJSON": text(client), "attestationObject": text(attested)}
        return json.dumps(
            {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}
        ).encode()

    def get(self, options: dict[str, Any], *, flags: int = PRESENT | VERIFIED) -> bytes:
        client = self._client("webauthn.get", options["publicKey"]["challenge"])
        data = self._data(flags)
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(signature),
        }
        return json.dumps(
            {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}
        ).encode()


@pytest.fixture(scope="module")
def theirs() -> Authenticator:
    return Authenticator()


@pytest.fixture(scope="module")
def passkey(theirs: Authenticator) -> passkeys.Passkey:
    options, state = passkeys.register(ORIGIN, BEN)
    return passkeys.registered(ORIGIN, state, theirs.create(options))


def test_what_registering_gives_is_one_line_for_the_plan(passkey: passkeys.Passkey) -> None:
    line = str(passkey)

    assert line.startswith(f"passkey {ORIGIN} ")
    assert passkeys.read(line) == passkey
    for wrong in (
        "",
        "passkey",
        line + " more",
        line[:-9],
        line.replace("https", "http"),
        "ssh-ed25519 AAAA",
    ):
        with pytest.raises(UsageError, match="can't be read"):
            passkeys.read(wrong)


def test_an_answer_counts_for_its_statement_alone(theirs: Authenticator, passkey: passkeys.Passkey) -> None:
    answer = theirs.get(passkeys.ask(passkey, b"this"))

    passkeys.check(passkey, b"this", answer)
    with pytest.raises(BadSignature):
        passkeys.check(passkey, b"that", answer)


def test_somebody_else_s_key_another_origin_or_nobody_there_is_refused(
    theirs: Authenticator, passkey: passkeys.Passkey
) -> None:
    asked = passkeys.ask(passkey, b"this")
    stranger, elsewhere = Authenticator(), Authenticator("https://evil.example.com")
    elsewhere.private = theirs.private
    broken = json.loads(theirs.get(asked))
    broken["response"]["signature"] = text(b"x" * 70)
    answers = [
        stranger.get(asked), elsewhere.get(asked),
        theirs.get(asked, flags=PRESENT), theirs.get(asked, flags=VERIFIED),
        json.dumps(broken).encode(), b"", b"null", b"[]", b"{}", b"\xff",
    ]  # fmt: skip

    for each in answers:
        with pytest.raises(BadSignature):
            passkeys.check(passkey, b"this", each)


@pytest.mark.parametrize(
    "origin", ["http://cutover.example.com", "https://x.test/path", "", "cutover.example.com"]
)
def test_passkeys_are_for_https_and_this_machine(origin: str) -> None:
    with pytest.raises(ValueError, match="no origin"):
        passkeys.register(origin, BEN)
    assert passkeys.register("http://localhost:8400", BEN)


def test_an_approval_is_signed_with_a_passkey_and_checked_again_each_time(
    tmp_path: Path, engine: Engine, theirs: Authenticator, passkey: passkeys.Passkey
) -> None:
    sign = (
        f"  sign: [{{name: {ADA}, email: ada@example.com}}, "
        f'{{name: {BEN}, email: ben@example.com, by: passkey, key: "{passkey}"}}]\n'
    )
    case = Case(tmp_path / "w", engine, sign=sign)
    case.gate(request=True)
    content = case.statement()
    proof = theirs.get(passkeys.ask(passkey, content))

    event = case.by_key(content, proof)

    assert (event.facts["kind"], event.facts["fingerprint"]) == ("passkey", passkey.fingerprint)
    assert case.standing() == {BEN: ""}
    with pytest.raises(UsageError, match="Nobody signs twice"):
        case.by_key(content, proof)
