"""How does a sandbox speak https, which some vendors' own clients insist on?

With a throwaway authority, made once for each data folder and never trusted
by anything but the client that is handed its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority for clients, the chain and key for the server."""

    ca: Path
    chain: Path
    key: Path


def certificates(data: Path) -> Certificates:
    """Those of the folder `data`, made when they are missing; valid for `localhost` and `127.0.0.1`."""
    found = Certificates(ca=data / "ca.pem", chain=data / "server.pem", key=data / "server.key")
    if found.ca.exists() and found.chain.exists() and found.key.exists():
        return found
    import trustme  # only where https is asked for: the import costs what a small start costs

    data.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="Throwaway authority of a migrate sandbox")
    server = authority.issue_cert("localhost", "127.0.0.1")
    found.key.touch(mode=0o600)
    server.private_key_pem.write_to_path(found.key)
    found.chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    authority.cert_pem.write_to_path(found.ca)
    return found
