"""What does a target do by itself when a record is written, and can that be told, or switched?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Automation:
    """Something of the target's own that acts, or refuses, when a record is written.

    `id`: the vendor's own. `on`: when it acts, in the vendor's words, "" where they aren't told.
    `object` "": the vendor doesn't say which objects it watches. `switchable`: it can be switched over the
    vendor's API. `bypassed`: every write of ours asks the vendor to leave it out.
    """

    object: str
    kind: str
    name: str
    id: str
    active: bool
    on: str = ""
    switchable: bool = False
    bypassed: bool = False


@dataclass(frozen=True)
class Told:
    """What a target tells of its automations. `untold`: sentences about those of which it tells nothing."""

    automations: tuple[Automation, ...]
    untold: tuple[str, ...] = ()


@runtime_checkable
class ListsAutomations(Protocol):
    """A target that tells what stirs when a record is written, as far as the vendor does."""

    def automations(self, objects: Sequence[str]) -> Told:
        """Those of these objects, switched-off ones too."""
        ...

    def by_rule(self, code: str) -> bool:
        """Whether a refusal with this code is a rule's or an automation's, and not the value's."""
        ...

    def mail_signs(self, object: str) -> Sequence[str]:
        """Fields that tell that a mail was sent to a record of the object."""
        ...

    def given(self, object: str) -> Mapping[str, str]:
        """What a record that we make gets in fields that we don't send, as far as it is our credential's."""
        ...


@dataclass(frozen=True)
class Companion:
    """A rule of the vendor's: with a new record of `object` it may make one of `made`, which `field` names.

    `name`: as the vendor calls it.
    """

    object: str
    made: str
    field: str
    name: str


@runtime_checkable
class MakesCompanions(Protocol):
    """A target whose vendor makes records of its own with some of ours, by a documented rule."""

    def companions(self) -> Sequence[Companion]:
        """Its rules."""
        ...

    def made_with(self, rule: Companion, ids: Sequence[str]) -> dict[str, str]:
        """Of these records of `rule.made` those that one of `rule.object` names, with its id."""
        ...


@runtime_checkable
class SwitchesAutomations(Protocol):
    """A target whose automations can be switched off and on over its API. Both may be repeated."""

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        """How each stands: "" is off, else what brings it back so. Ids that aren't there are left out."""
        ...

    def set_state(self, id: str, state: str) -> None:
        """Bring one into a state that `states` gave, or switch it off with "".

        Raises:
            SystemRefused: it isn't there, or can't be switched.
            InDoubt: perhaps switched; `states` tells.
        """
        ...
