"""Who are we to a system, and whose certificate do we take for its own?

A credential stands in no message and no `repr`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from migrate.errors import UsageError


class Auth(Protocol):
    """Where the credential's headers come from."""

    def headers(self) -> Mapping[str, str]:
        """Headers for the next call; may log in when there is no token yet."""
        ...

    def renew(self) -> bool:
        """Fetch a new credential; False where there is no way to. Never called by two threads at once."""
        ...


@dataclass(frozen=True)
class Bearer:
    """A token that doesn't expire by itself and can't be renewed."""

    token: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        return False


class NoAuth:
    """For the calls that fetch a credential."""

    def headers(self) -> Mapping[str, str]:
        return {}

    def renew(self) -> bool:
        return False


def trusting(system: str, authority: str) -> ssl.SSLContext:
    """Trust in one certificate authority.

    Raises:
        UsageError: its file isn't there, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:  # what ssl raises is one, too
        raise UsageError(
            f"system `{system}`: the certificate authority {authority} can't be read "
            f"({error.strerror or error}).",
            "CA among its credentials must name a PEM file.",
        ) from error
