"""How does a connector tell and write consent? Only ever towards opted out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from migrate.connector.exchanged import Outcome

ALL = "*"  # as a subscription: everything on a channel
CONSENT = "consent"  # as an object: what `rights` are asked for, and what the journal calls opt-outs


@dataclass(frozen=True)
class OptOut:
    """A person's no, by address. There is no word for a yes: nothing here can opt anybody in.

    `subscription`: a subscription type's id, or `*` for everything on the channel.
    """

    address: str
    channel: str
    subscription: str
    legal_basis: str | None = None
    explanation: str | None = None


@dataclass(frozen=True)
class Stated:
    """What a target keeps of an address and a subscription type (or `*`). `values`: in the vendor's words."""

    address: str
    channel: str
    subscription: str
    out: bool
    values: Mapping[str, str | None] = field(default_factory=dict)


@runtime_checkable
class KeepsConsent(Protocol):
    """A target that keeps opt-outs by address, outside its records, before a record has the address."""

    @property
    def opt_outs(self) -> int:
        """Most opt-outs in one call."""
        ...

    def read_consent(self, channel: str, addresses: Sequence[str]) -> list[Stated]:
        """What is kept of these addresses, opted in or out; any number of them.

        An address is compared in lower case, and answered so. One that the target doesn't know, or doesn't
        take for an address, has no entry.
        """
        ...

    def opt_out(self, opt_outs: Sequence[OptOut]) -> list[Outcome]:
        """Opt addresses out, with one call. Of one channel; all from everything, or each from one type.

        Opting out twice is opting out once, so a call in doubt is settled by reading back and made again.

        Raises:
            As `Target.send`.
        """
        ...
