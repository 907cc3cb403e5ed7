"""Was this signed with that Ed25519 key? Only public keys come here.

A plan names a key as OpenSSH writes it (`ssh-ed25519 AAAA…`), as PEM, or as base64 of its 32 bytes. A
signature is what `ssh-keygen -Y sign -n migrate-approval` writes, or the 64 bytes of `openssl pkeyutl -sign
-rawin`, also in base64. Needs the extra `sign`.
"""

from __future__ import annotations

import base64
import binascii
from importlib.util import find_spec
from typing import TYPE_CHECKING

from migrate.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAMESPACE = "migrate-approval"  # a signature that the same key made for something else is none
_ARMOUR = b"-----BEGIN SSH SIGNATURE-----"
_RAW, _SIGNATURE = 32, 64  # bytes of a key and of a signature (RFC 8032)
_LONGEST = 16_384  # bytes of a file that may be a signature


class BadSignature(UsageError):
    """It isn't a signature of these bytes with this key."""


def fingerprint(key: str) -> str:
    """A public key's name, as OpenSSH prints it: `SHA256:…`. Two ways to write one key have one name.

    Raises:
        UsageError: it is no Ed25519 public key.
    """
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    blob = _public(key).public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def check(key: str, message: bytes, signature: bytes) -> None:
    """Make sure that the holder of `key` signed `message`.

    Args:
        signature: the file's content.

    Raises:
        BadSignature: another key, other bytes, another purpose, or no signature at all.
        UsageError: the plan's key can't be read.
    """
    public = _public(key)
    if len(signature) > _LONGEST:
        raise _refused("the file is too long to be a signature")
    if _ARMOUR in signature:
        _check_ssh(public, message, signature)
        return
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(_raw(signature), message)
    except InvalidSignature as error:
        raise _refused("these bytes weren't signed with the key that the plan names") from error


def _check_ssh(public: Ed25519PublicKey, message: bytes, armoured: bytes) -> None:
    import sshsig
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    try:
        sshsig.verify(message, armoured, [sshsig.PublicKey.from_openssh_str(line)], NAMESPACE)
    except (sshsig.InvalidSignature, NotImplementedError, ValueError, EOFError) as error:
        raise _refused("it isn't these bytes, signed with the key that the plan names") from error


def _raw(content: bytes) -> bytes:
    if len(content) == _SIGNATURE:
        return content
    try:
        raw = base64.b64decode(b"".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("the file holds no Ed25519 signature") from error
    if len(raw) != _SIGNATURE:
        raise _refused(f"an Ed25519 signature has {_SIGNATURE} bytes, this one {len(raw)}")
    return raw


def must_be_installed() -> None:
    """Make sure that the extra is there.

    Raises:
        UsageError: it isn't; says how to get it.
    """
    missing = [each for each in ("cryptography", "fido2", "sshsig") if find_spec(each) is None]
    if missing:
        raise UsageError(
            f"The plan names a key or a passkey, and {', '.join(missing)} isn't installed.",
            'Run `pip install "crm-migrate[sign]"`.',
        )


def _public(key: str) -> Ed25519PublicKey:
    must_be_installed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    words = key.strip().encode()
    found: object
    try:
        if words.startswith(b"-----BEGIN"):
            found = load_pem_public_key(words)
        elif words.startswith(b"ssh-"):
            found = load_ssh_public_key(words)
        else:
            raw = base64.b64decode(words, validate=True)
            found = Ed25519PublicKey.from_public_bytes(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable() from error
    if not isinstance(found, Ed25519PublicKey):
        raise _unreadable()
    return found


def _unreadable() -> UsageError:
    return UsageError(
        "A key under `cutover: sign` of the plan is no Ed25519 public key.",
        "Write the line of `id_ed25519.pub`, `ssh-ed25519 AAAA…`; `ssh-keygen -t ed25519` makes one.",
    )


def _refused(why: str) -> BadSignature:
    return BadSignature(
        f"The signature doesn't hold: {why}.",
        f"Sign the very file that `migrate approve --print` wrote: `ssh-keygen -Y sign -n {NAMESPACE} -f KEY "
        "FILE`.",
    )
